/* Screens, keyboard and pointer. Any thread, also while the machine runs. */
#ifndef METIC_SCREEN_H
#define METIC_SCREEN_H

#include "hw/metic/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct metic_rect {
    uint32_t x, y, width, height;
};

/* What a viewer has of a screen. Pixels are 0x00RRGGBB, without gaps; a cursor's 0xAARRGGBB. */
struct metic_frame {
    uint32_t width, height; /* 0: the screen shows nothing */
    const uint32_t *pixels; /* the viewer's own copy; valid until its next take */
    bool resized, cursor_moved, cursor_reshaped; /* since the take before */
    bool untold; /* firmware draws, of which `changed` does not tell: look again by yourself */
    const struct metic_rect *rects; /* what changed */
    unsigned rect_count;
    bool cursor_visible;
    int32_t cursor_x, cursor_y; /* of the hot spot, on the screen */
    uint32_t cursor_hot_x, cursor_hot_y, cursor_width, cursor_height;
    const uint32_t *cursor_pixels;
};

typedef struct metic_viewer metic_viewer;
typedef struct metic_clipboard metic_clipboard;

/* Looks at a screen (0 to METIC_MAX_SCREENS - 1, also one that shows nothing yet). `changed` is
 * called once when there is something new to take, on any thread, and must only take note; may be
 * NULL. NULL with a reason. A viewer is used by one thread, and closed before the machine is
 * freed. */
metic_viewer *metic_viewer_new(metic_machine *machine, unsigned screen,
                               void (*changed)(void *opaque), void *opaque,
                               struct metic_error *error);
void metic_viewer_free(metic_viewer *viewer); /* NULL allowed */
/* Brings the viewer's copy up to date; false when nothing changed. *frame is filled in any case. */
bool metic_viewer_take(metic_viewer *viewer, struct metic_frame *frame);
/* The screen as a picture, without the cursor, into a file or to where `to` stands. False with a
 * reason: it shows nothing, or the file cannot be written. Any thread. */
enum metic_picture { METIC_PNG, METIC_PPM };
bool metic_screenshot(metic_machine *machine, unsigned screen, enum metic_picture format,
                      const char *path, struct metic_error *error);
bool metic_draw_screen(metic_machine *machine, unsigned screen, enum metic_picture format,
                       FILE *to, struct metic_error *error);
/* What it shows now; false: nothing. Any thread. */
bool metic_get_screen_size(metic_machine *machine, unsigned screen, uint32_t *width,
                           uint32_t *height);
/* What a screen shows, as a film in guest time (hw/display/video.h). */
struct metic_video {
    const char *path;
    bool is_series; /* a folder of PNG files; else a YUV4MPEG2 file */
    unsigned fps;   /* 0: METIC_DEFAULT_FPS */
    unsigned screen;
};
enum { METIC_DEFAULT_FPS = 25, METIC_MAX_FPS = 240 };
/* Before the machine runs, and after; one at a time. False with a reason; the end's: not all of it
 * could be written. */
bool metic_start_video(metic_machine *machine, const struct metic_video *video,
                       struct metic_error *error);
bool metic_end_video(metic_machine *machine, struct metic_error *error); /* also if none began */

/* Whether a screen can be asked to be as large as that: METIC_MIN_SIDE to METIC_MAX_SIDE. */
bool metic_is_screen_size(uint32_t width, uint32_t height);
/* Asks the guest for a size, as a user who drags a window's edge does; 0 by 0: the monitor is
 * unplugged, until there is another size. It may not listen. */
void metic_request_size(metic_machine *machine, unsigned screen, uint32_t width,
                        uint32_t height);

/* Somebody is there who may type: then a machine that waits for ever is not at its end. */
void metic_await_input(metic_machine *machine, bool awaited);
/* Whether there is a keyboard and a pointer; otherwise the rest has no effect. */
bool metic_has_input(const metic_machine *machine);
/* Linux's key and button codes (KEY_*, BTN_LEFT to BTN_EXTRA). What is down already, or up, stays
 * so. */
void metic_key(metic_machine *machine, unsigned code, bool down);
/* The pointer's place, 0 to 32767 over the width and height of all that the guest shows,
 * METIC_POINTER_KEEP: as it is; of one of its screens; or by how far it moved. */
enum { METIC_POINTER_MAX = 32767, METIC_POINTER_KEEP = 0xffff };
void metic_pointer_to(metic_machine *machine, uint32_t x, uint32_t y);
void metic_pointer_on(metic_machine *machine, unsigned screen, uint32_t x, uint32_t y);
void metic_pointer_by(metic_machine *machine, int32_t dx, int32_t dy);
void metic_wheel(metic_machine *machine, int32_t vertical, int32_t horizontal);
/* Everything that is down goes up: who gave input has lost the keyboard. */
void metic_release_keys(metic_machine *machine);

/* Which of its keyboard's lamps the guest has lit, bits 0 num lock, 1 caps lock, 2 scroll lock; and
 * how often that changed so far. Any thread. */
unsigned metic_get_lamps(const metic_machine *machine, uint32_t *changes);

/* A key or button goes down or up, then nothing happens for so long, in host time. */
struct metic_key_step {
    unsigned code; /* as metic_key's; 0: the rest alone */
    bool down;
    unsigned then_ms;
};
enum { METIC_MAX_KEY_STEPS = 4096 };
/* Presses keys as fingers do, behind those of calls before, and does not wait for it. Any thread.
 * False: there is no keyboard, or too much waits already; then nothing is pressed. */
bool metic_press_keys(metic_machine *machine, const struct metic_key_step *steps, unsigned count);

/* A clipboard of the host's that shares its text with the guest's, where options.clipboard is set
 * and SPICE's agent runs in the guest. `changed` is called once when there is a text to take, on
 * any thread, and must only take note. NULL with a reason. Closed before the machine is freed. */
enum { METIC_CLIPBOARD_MAX_BYTES = 512 << 10 };
metic_clipboard *metic_clipboard_new(metic_machine *machine, void (*changed)(void *opaque),
                                     void *opaque, struct metic_error *error);
void metic_clipboard_free(metic_clipboard *clipboard); /* NULL allowed */
/* What was copied in the guest since the last call: UTF-8, the caller's to free. NULL: nothing. */
char *metic_clipboard_take(metic_clipboard *clipboard);
/* The text that this clipboard has now; NULL or empty: none. False: it has more than
 * METIC_CLIPBOARD_MAX_BYTES, and the guest keeps what it had. */
bool metic_clipboard_offer(metic_clipboard *clipboard, const char *text, size_t size_bytes);

#endif

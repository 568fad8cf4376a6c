/* One of the machine's screens in a window of its own: what it shows, and which size the guest is
 * asked for. The window's thread has it, and tells it of what the user does (window.c). */
#ifndef METIC_UI_WINDOW_SCREEN_H
#define METIC_UI_WINDOW_SCREEN_H

#include "hw/metic.h"
#include "ui/screen/sdl_api.h"

#if HAVE_SDL2
#include "ui/screen/window_canvas.h"
#include "ui/screen/window_plot.h"
#include "ui/screen/window_terminal.h"

enum { SCREEN_MAX_ZOOM = 8 };

struct window_screen {
    const struct sdl_api *sdl;
    metic_machine *machine;
    unsigned number;
    bool unmanaged; /* the desktop has no window manager */
    const struct window_screen *left; /* the screen before it; NULL: the first */

    /* As is, from here on. */
    metic_viewer *viewer;
    struct metic_frame frame;
    SDL_Window *window;
    struct window_canvas canvas;
    struct terminal *terminal; /* shown in the picture's place, or NULL */
    int picture_width, picture_height;   /* of what is shown; 0: nothing */
    int followed_width, followed_height; /* of the last picture that was not nothing */
    int zoom; /* the window's pixels, along a side, for one that the guest is asked for */
    bool full, plots;
    bool hidden, closed; /* the window; by its user, who took the monitor away so */
    bool placed;         /* it was seen before */
    bool dirty;          /* what is drawn is old */
    bool lit, waits;     /* the guest shows something; it does not, and may soon */
    unsigned frames;              /* of the guest's, taken since somebody reset this */
    unsigned long frames_shown;   /* since the window opened */
    Uint32 resized_ms, dark_ms;
    int asked_width, asked_height; /* 0: nothing to ask for */
    SDL_Rect before;               /* it was full screen */
    char title[160];               /* that the window has */
};

/* Opens the window; those of other screens than 0 stay hidden while the guest shows nothing there.
 * `changed` as metic_viewer_new's. False with a reason in *error, which is empty where SDL has
 * one. window_screen_close in any case. */
bool window_screen_open(struct window_screen *screen, const struct sdl_api *sdl,
                        metic_machine *machine, unsigned number, void (*changed)(void *opaque),
                        void *opaque, struct metic_error *error);
void window_screen_close(struct window_screen *screen); /* also if it was never opened */

/* Takes what changed. `terminal`: what to show in the picture's place, or NULL; `drawn`: that is
 * another than before. */
void window_screen_take(struct window_screen *screen);
void window_screen_update(struct window_screen *screen, struct terminal *terminal, bool drawn);
/* The guest shows nothing, and not for a moment only, as one that changes its mode does. */
bool window_screen_is_dark(const struct window_screen *screen);
void window_screen_draw(struct window_screen *screen, const struct window_plot *plot);

/* The user did something to the window, and it is `width` by `height` now. */
void window_screen_ask_size(struct window_screen *screen, int width, int height);
void window_screen_expose(struct window_screen *screen);
void window_screen_set_full(struct window_screen *screen);
/* `zoom` window's pixels for one of the guest's, 1 to SCREEN_MAX_ZOOM: the window grows as far as
 * the desktop has room; if it has all of that, the guest is asked for so much smaller a picture. */
void window_screen_set_zoom(struct window_screen *screen, int zoom);
/* The window is closed, and with it the guest loses this monitor; or it comes to the front, and
 * the guest has the monitor again. */
void window_screen_unplug(struct window_screen *screen);
void window_screen_raise(struct window_screen *screen);
/* Asks the guest for a size when the user has come to rest. */
void window_screen_look_at_clock(struct window_screen *screen);
/* A place in the window as one of the screen, 0 to 32767 over its width and height. */
bool window_screen_place(const struct window_screen *screen, int at_x, int at_y, u32 *x, u32 *y);
#endif
#endif

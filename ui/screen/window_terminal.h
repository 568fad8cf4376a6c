/* The guest's serial line as a picture: a terminal of 100 by 31 characters, by libvterm. */
#ifndef METIC_UI_WINDOW_TERMINAL_H
#define METIC_UI_WINDOW_TERMINAL_H

#include "cpu/base/error.h"
#include "hw/metic.h"
#include "ui/screen/sdl_api.h"

#if HAVE_SDL2
enum {
    TERMINAL_COLUMNS = 100, /* as EDK2 wants; others ask */
    TERMINAL_ROWS = 31,
    TERMINAL_SCALE = 2, /* pixels of the picture for one of the font */
};

struct terminal;

/* It hears all the console prints from here on; `changed` is called, on any thread and under a
 * lock, when there is something to take, and only takes note. `is_alone`: no other terminal shows
 * the console, so this one answers what the guest asks of terminals. NULL with a reason. */
struct terminal *terminal_new(metic_machine *machine, bool is_alone, void (*changed)(void *opaque),
                              void *opaque, struct metic_error *error);
/* While no hart runs. NULL allowed. */
void terminal_free(struct terminal *terminal);

/* The window's thread. True when the picture is another; 0x00RRGGBB, *width by *height. */
bool terminal_take(struct terminal *terminal);
const u32 *terminal_picture(const struct terminal *terminal, int *width, int *height);
/* What the user types: text by SDL's text events, other keys by their codes. */
void terminal_type(struct terminal *terminal, const char *utf8);
void terminal_key(struct terminal *terminal, const SDL_Keysym *key);
#endif
#endif

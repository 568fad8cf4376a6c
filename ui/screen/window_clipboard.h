/* The desktop's clipboard and the guest's as one, for the window's thread. */
#ifndef METIC_UI_WINDOW_CLIPBOARD_H
#define METIC_UI_WINDOW_CLIPBOARD_H

#include "hw/metic.h"
#include "ui/screen/sdl_api.h"

struct window_clipboard {
    const struct sdl_api *sdl;
    metic_clipboard *shared; /* or NULL: the machine shares none */
    char *last; /* what went from one to the other last, so that both have it; or NULL */
};

/* `changed` as metic_clipboard_new's. */
void window_clipboard_begin(struct window_clipboard *clipboard, const struct sdl_api *sdl,
                            metic_machine *machine, void (*changed)(void *opaque), void *opaque);
void window_clipboard_end(struct window_clipboard *clipboard);

void window_clipboard_give(struct window_clipboard *clipboard); /* the desktop's may be new */
void window_clipboard_take(struct window_clipboard *clipboard); /* the guest's may be */

#endif

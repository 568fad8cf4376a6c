/* See window_clipboard.h. */
#include "config.h"

#if HAVE_SDL2
#include "ui/screen/window_clipboard.h"

#include <stdlib.h>
#include <string.h>

void window_clipboard_begin(struct window_clipboard *clipboard, const struct sdl_api *sdl,
                            metic_machine *machine, void (*changed)(void *opaque), void *opaque)
{
    struct metic_error none_is_shared;
    clipboard->sdl = sdl;
    clipboard->shared = metic_clipboard_new(machine, changed, opaque, &none_is_shared);
    window_clipboard_give(clipboard);
}

void window_clipboard_end(struct window_clipboard *clipboard)
{
    metic_clipboard_free(clipboard->shared);
    clipboard->shared = NULL;
    free(clipboard->last);
    clipboard->last = NULL;
}

/* False: both have it already. Giving it again would only take the clipboard from who copied. */
static bool remember(struct window_clipboard *clipboard, const char *text)
{
    if (clipboard->last != NULL && strcmp(clipboard->last, text) == 0) {
        return false;
    }
    free(clipboard->last);
    clipboard->last = strdup(text);
    return true;
}

void window_clipboard_give(struct window_clipboard *clipboard)
{
    if (clipboard->shared != NULL && clipboard->sdl->HasClipboardText()) {
        char *text = clipboard->sdl->GetClipboardText();
        if (text != NULL && remember(clipboard, text)) {
            metic_clipboard_offer(clipboard->shared, text, strlen(text));
        }
        clipboard->sdl->free(text);
    }
}

void window_clipboard_take(struct window_clipboard *clipboard)
{
    char *text = clipboard->shared != NULL ? metic_clipboard_take(clipboard->shared) : NULL;
    if (text != NULL) {
        remember(clipboard, text);
        clipboard->sdl->SetClipboardText(text);
        free(text);
    }
}

#endif

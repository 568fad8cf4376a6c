/* Hears when the text that X's desktop has copied is another one, and knows whether that desktop
 * has a window manager.
 *
 * SDL before 2.28 tells of that only when its window gains the focus. X's Fixes extension tells at
 * once, on a connection of our own, so that nobody needs to ask again and again. On desktops
 * without X there is nothing to hear, and nothing is lost: SDL does it there.
 *
 * Opened by the window's thread; read by the one that waits for its descriptor. */
#ifndef METIC_UI_WINDOW_SELECTION_H
#define METIC_UI_WINDOW_SELECTION_H

#include <stdbool.h>

struct window_selection;

/* NULL: this desktop is not X's, or has no Fixes, or this metic was built without. */
struct window_selection *window_selection_open(void);
void window_selection_close(struct window_selection *selection); /* NULL allowed */

/* X's desktop, which has no window manager now. False for NULL. */
bool window_selection_unmanaged(struct window_selection *selection);

int window_selection_fd(const struct window_selection *selection); /* -1 for NULL */
/* There is something to read. True: the clipboard has another owner. */
bool window_selection_read(struct window_selection *selection);

#endif

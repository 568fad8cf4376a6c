/* Waking the window's thread from a thread that may not wait.
 *
 * SDL's PushEvent goes through the desktop's library, whose lock the window's thread holds while it
 * shows a picture, and that may take as long as the desktop likes. So a hart or a device only
 * leaves a note here, and a thread that has nothing else to do takes it there. The same thread
 * hears when something is copied on the desktop. */
#ifndef METIC_UI_WINDOW_WAKE_H
#define METIC_UI_WINDOW_WAKE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "ui/screen/window_selection.h"

struct window_wake {
    void (*push)(void *opaque); /* on the thread of its own */
    void *opaque;
    pthread_t thread;
    _Atomic bool ending;
    _Atomic bool copied; /* the desktop's clipboard is another; whoever sees to it resets this */
    struct window_selection *selection; /* the thread's while it runs */
    bool unmanaged; /* when it was started: X without a window manager */
    bool started;
    int fd; /* eventfd */
};

/* False: the host has no thread or descriptor. */
bool window_wake_start(struct window_wake *wake, void (*push)(void *opaque), void *opaque);
void window_wake_note(struct window_wake *wake); /* any thread; does not wait */
void window_wake_end(struct window_wake *wake);  /* also when it was not started */

#endif

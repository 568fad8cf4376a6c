/* See window_wake.h. */
#include "ui/screen/window_wake.h"

#include "cpu/base/thread.h"

#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static bool take_notes(const struct window_wake *wake)
{
    uint64_t notes;
    return read(wake->fd, &notes, sizeof(notes)) == sizeof(notes);
}

static void *wake_main(void *opaque)
{
    struct window_wake *wake = opaque;
    struct pollfd fds[] = {{.fd = wake->fd, .events = POLLIN},
                           {.fd = window_selection_fd(wake->selection), .events = POLLIN}};
    thread_set_name("window wake");
    while (!atomic_load(&wake->ending)) {
        bool push = poll(fds, 2, -1) > 0 && (fds[0].revents & POLLIN) != 0 && take_notes(wake);
        if (fds[1].revents & (POLLHUP | POLLERR | POLLNVAL)) {
            fds[1].fd = -1; /* the desktop has gone */
        } else if ((fds[1].revents & POLLIN) && window_selection_read(wake->selection)) {
            atomic_store(&wake->copied, true);
            push = true;
        }
        if (push && !atomic_load(&wake->ending)) {
            wake->push(wake->opaque);
        }
    }
    return NULL;
}

bool window_wake_start(struct window_wake *wake, void (*push)(void *opaque), void *opaque)
{
    wake->push = push;
    wake->opaque = opaque;
    wake->selection = window_selection_open();
    wake->unmanaged = window_selection_unmanaged(wake->selection);
    wake->fd = eventfd(0, EFD_CLOEXEC);
    if (wake->fd < 0) {
        window_selection_close(wake->selection);
        return false;
    }
    wake->started = pthread_create(&wake->thread, NULL, wake_main, wake) == 0;
    if (!wake->started) {
        window_selection_close(wake->selection);
        close(wake->fd);
    }
    return wake->started;
}

void window_wake_note(struct window_wake *wake)
{
    uint64_t note = 1; /* added to what was not read yet, which never comes near the limit */
    if (write(wake->fd, &note, sizeof(note)) < 0) {
        return;
    }
}

void window_wake_end(struct window_wake *wake)
{
    if (wake->started) {
        atomic_store(&wake->ending, true);
        window_wake_note(wake);
        pthread_join(wake->thread, NULL);
        window_selection_close(wake->selection);
        close(wake->fd);
        wake->started = false;
    }
}

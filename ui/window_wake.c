/* See window_wake.h. */
#include "ui/window_wake.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *wake_main(void *opaque)
{
    struct window_wake *wake = opaque;
    uint64_t notes;
    while (read(wake->fd, &notes, sizeof(notes)) >= 0 && !atomic_load(&wake->ending)) {
        wake->push(wake->opaque);
    }
    return NULL;
}

bool window_wake_start(struct window_wake *wake, void (*push)(void *opaque), void *opaque)
{
    wake->push = push;
    wake->opaque = opaque;
    wake->fd = eventfd(0, EFD_CLOEXEC);
    if (wake->fd < 0) {
        return false;
    }
    wake->started = pthread_create(&wake->thread, NULL, wake_main, wake) == 0;
    if (!wake->started) {
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
        close(wake->fd);
        wake->started = false;
    }
}

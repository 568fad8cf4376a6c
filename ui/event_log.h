/* What a machine told of itself (metic_set_events), the last of it, for monitors: each reads on
 * from where it was. Any thread. */
#ifndef METIC_UI_EVENT_LOG_H
#define METIC_UI_EVENT_LOG_H

#include "cpu/base/types.h"
#include "hw/metic.h"

#include <pthread.h>

enum { EVENT_LOG_ENTRIES = 128, EVENT_LOG_LISTENERS = 2, EVENT_DETAIL_BYTES = 64 };

struct event_entry {
    enum metic_event event;
    u64 s, us; /* Unix time */
    char detail[EVENT_DETAIL_BYTES];
};

struct event_log {
    pthread_mutex_t lock;
    u64 count; /* so far */
    struct event_entry entries[EVENT_LOG_ENTRIES];
    struct {
        void (*wake)(void *opaque);
        void *opaque;
    } listeners[EVENT_LOG_LISTENERS];
};

/* The machine's events go here from now on. Before it runs. */
void event_log_init(struct event_log *log, metic_machine *machine);
void event_log_fini(struct event_log *log, metic_machine *machine);

/* `wake` is called when there is something new, and must only take note. NULL for the same
 * `opaque`: no more. */
void event_log_listen(struct event_log *log, void (*wake)(void *opaque), void *opaque);

/* The event of number *next, or the first one that is still kept; *next is what follows. False:
 * there is none yet. */
bool event_log_take(struct event_log *log, u64 *next, struct event_entry *entry);

/* QEMU's name of it. */
const char *event_log_name(enum metic_event event);

#endif

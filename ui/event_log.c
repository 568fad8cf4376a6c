/* See event_log.h. */
#include "ui/event_log.h"

#include <string.h>
#include <sys/time.h>

const char *event_log_name(enum metic_event event)
{
    static const char *const names[] = {
        [METIC_EVENT_STOP] = "STOP",           [METIC_EVENT_RESUME] = "RESUME",
        [METIC_EVENT_RESET] = "RESET",         [METIC_EVENT_POWERDOWN] = "POWERDOWN",
        [METIC_EVENT_SHUTDOWN] = "SHUTDOWN",   [METIC_EVENT_PANIC] = "GUEST_PANICKED",
        [METIC_EVENT_LOADED] = "SNAPSHOT_LOADED",
        [METIC_EVENT_DISK_ERROR] = "BLOCK_IO_ERROR",
    };
    return names[event];
}

static void on_event(void *opaque, enum metic_event event, const char *detail)
{
    struct event_log *log = opaque;
    struct timeval now;
    gettimeofday(&now, NULL);
    pthread_mutex_lock(&log->lock);
    struct event_entry *entry = &log->entries[log->count++ % EVENT_LOG_ENTRIES];
    *entry = (struct event_entry){.event = event, .s = (u64)now.tv_sec, .us = (u64)now.tv_usec};
    snprintf(entry->detail, sizeof(entry->detail), "%s", detail);
    for (unsigned i = 0; i < EVENT_LOG_LISTENERS; i++) {
        if (log->listeners[i].wake != NULL) {
            log->listeners[i].wake(log->listeners[i].opaque);
        }
    }
    pthread_mutex_unlock(&log->lock);
}

void event_log_init(struct event_log *log, metic_machine *machine)
{
    memset(log, 0, sizeof(*log));
    pthread_mutex_init(&log->lock, NULL);
    metic_set_events(machine, on_event, log);
}

void event_log_fini(struct event_log *log, metic_machine *machine)
{
    metic_set_events(machine, NULL, NULL);
    pthread_mutex_destroy(&log->lock);
}

void event_log_listen(struct event_log *log, void (*wake)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&log->lock);
    for (unsigned i = 0; i < EVENT_LOG_LISTENERS; i++) {
        if (log->listeners[i].opaque == (wake != NULL ? NULL : opaque)) {
            log->listeners[i].wake = wake;
            log->listeners[i].opaque = wake != NULL ? opaque : NULL;
            break;
        }
    }
    pthread_mutex_unlock(&log->lock);
}

bool event_log_take(struct event_log *log, u64 *next, struct event_entry *entry)
{
    pthread_mutex_lock(&log->lock);
    u64 oldest = log->count > EVENT_LOG_ENTRIES ? log->count - EVENT_LOG_ENTRIES : 0;
    *next = *next > oldest ? *next : oldest;
    bool there = *next < log->count;
    if (there) {
        *entry = log->entries[(*next)++ % EVENT_LOG_ENTRIES];
    }
    pthread_mutex_unlock(&log->lock);
    return there;
}

/* The event loop: one thread per machine that waits for host file descriptors and, in real-time
 * mode, for the earliest guest timer. Backends (console, sockets, files) live here, so that a
 * hart's thread never waits for the host.
 *
 * Built on epoll; guest timers through one timerfd, other threads' requests through one eventfd. */
#ifndef METIC_HW_LOOP_H
#define METIC_HW_LOOP_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "hw/clock.h"

struct loop;

/* One watched descriptor. The caller owns it and keeps it in place from loop_add to the return of
 * loop_remove. */
struct loop_watch {
    int fd;
    u32 events; /* EPOLLIN, EPOLLOUT ...; change with loop_modify only */
    void (*ready)(void *opaque, u32 events); /* on the loop thread */
    void *opaque;
    struct loop_watch *next; /* the loop's own */
};

/* Creates the loop, without its thread. With a CLOCK_REAL clock it installs itself as the clock's
 * deadline hook and fires its timers; `clock` may be NULL. NULL with a reason when the host refuses
 * descriptors. */
struct loop *loop_new(struct clock *clock, struct metic_error *error);

/* Starts the thread, if it has not started yet: then what is watched and was posted before comes to
 * it. Separate, because a process that confines itself does so before it has threads. One caller at
 * a time. False with a reason when the host refuses a thread. */
bool loop_start(struct loop *loop, struct metic_error *error);
bool loop_is_started(const struct loop *loop);

/* Runs what was posted, ends the thread, frees. All watches must have been removed. */
void loop_free(struct loop *loop);

/* Any thread. loop_remove returns only when the callback is not running (unless it is called from
 * that callback). */
bool loop_add(struct loop *loop, struct loop_watch *watch, struct metic_error *error);
void loop_modify(struct loop *loop, struct loop_watch *watch, u32 events);
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* Calls run(opaque) on the loop thread soon, in the order of posting. Any thread. */
void loop_post(struct loop *loop, void (*run)(void *opaque), void *opaque);

/* Waits until everything posted before has run; before the loop's thread started, runs it. Not on
 * the loop thread. */
void loop_drain(struct loop *loop);

#endif

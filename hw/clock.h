/* Guest time and the timers that fire in it.
 *
 * A clock is in one of two modes for its whole life:
 *   CLOCK_REAL     guest time follows the host's monotonic clock from the moment clock_start() is
 *                  called; the loop thread (hw/loop.h) runs expired timers, or a hart that waits
 *                  for one.
 *   CLOCK_VIRTUAL  guest time is what the machine last told clock_set_virtual_ns(), a function of
 *                  the instruction count; the machine runs expired timers between two slices by
 *                  calling clock_run_expired().
 * Timers fire in the order (deadline, registration), so that virtual time has one history.
 *
 * Threads: every function may be called from any thread. A timer's callback runs without the
 * clock's lock held, so it may take its device's lock; since a cancel can cross a firing on another
 * thread (real mode only), a callback must look at its device's state again rather than trust that
 * it was still wanted. timer_fini() returns only when the callback is not running. */
#ifndef METIC_HW_CLOCK_H
#define METIC_HW_CLOCK_H

#include "cpu/base/types.h"
#include <pthread.h>
#include <stdatomic.h>

enum clock_mode { CLOCK_REAL, CLOCK_VIRTUAL };

#define CLOCK_NEVER_NS UINT64_MAX

struct timer {
    struct clock *clock;
    void (*fire)(void *opaque);
    void *opaque;
    u64 sequence;      /* registration order, breaks ties */
    u64 deadline_ns;   /* under the clock's lock */
    struct timer *next, *previous; /* in the clock's list while armed */
    _Atomic bool armed; /* changes under the clock's lock */
};

struct clock {
    enum clock_mode mode;
    pthread_mutex_t lock;
    pthread_cond_t idle;    /* signalled when `running` becomes NULL */
    /* Armed timers, least (deadline, sequence) first. A list needs no allocation, and a machine
     * has a few timers per hart, most of them armed near the front. */
    struct timer *first;
    u64 next_sequence;
    struct timer *running;  /* whose callback is being called */
    pthread_t running_thread;
    _Atomic u64 now_ns;     /* virtual time, or real time while stopped */
    _Atomic u64 origin_ns;  /* real: host monotonic time at guest time 0, modulo 2^64 */
    _Atomic bool started;   /* real: guest time is passing */
    u64 slack_ns; /* real: how late the loop may be, since harts look, too; under lock */
    /* Called, under the clock's lock, when the earliest deadline changed; the loop re-arms its
     * timerfd here. Must not call back into the clock. May be NULL. */
    void (*deadline_changed)(void *opaque, u64 deadline_ns);
    void *deadline_opaque;
};

void clock_init(struct clock *clock, enum clock_mode mode);
void clock_fini(struct clock *clock); /* every timer must have been finished */

/* Real mode: lets guest time pass, and stops it (a paused machine, a snapshot). No effect in
 * virtual mode. A new clock is stopped at 0. */
void clock_start(struct clock *clock);
void clock_stop(struct clock *clock);

/* Guest time in ns since the machine's power-on. Lock-free. */
u64 clock_now_ns(const struct clock *clock);

/* Virtual mode: sets the time; it never goes backwards except when a snapshot is loaded. Does not
 * fire timers. Real mode: moves guest time there, for loading a snapshot. */
void clock_set_virtual_ns(struct clock *clock, u64 now_ns);

/* The earliest armed deadline, or CLOCK_NEVER_NS. */
u64 clock_next_deadline_ns(struct clock *clock);

/* Fires every timer whose deadline is not after now, including those armed meanwhile. Returns how
 * many fired. Real mode: the loop thread and a waiting hart's; who finds the other one firing
 * leaves it to that one. Virtual mode: the machine's thread. */
unsigned clock_run_expired(struct clock *clock);

/* Host monotonic time at which guest time `guest_ns` is reached (real mode, started), for arming a
 * timerfd with TFD_TIMER_ABSTIME; CLOCK_NEVER_NS for never. */
u64 clock_host_deadline_ns(const struct clock *clock, u64 guest_ns);

/* Real mode: how much later than it is due clock_host_deadline_ns's caller may fire a timer. */
void clock_set_slack_ns(struct clock *clock, u64 slack_ns);

/* A timer belongs to one clock from init to fini. */
void timer_init(struct timer *timer, struct clock *clock, void (*fire)(void *opaque),
                void *opaque);
void timer_fini(struct timer *timer);

/* Arms or re-arms; a deadline in the past fires at the next occasion, CLOCK_NEVER_NS cancels. */
void timer_arm_at_ns(struct timer *timer, u64 deadline_ns);
void timer_cancel(struct timer *timer);
/* Lock-free: may be true for one that is just firing, and is over when it is told. */
static inline bool timer_is_armed(const struct timer *timer)
{
    return atomic_load_explicit(&timer->armed, memory_order_acquire);
}

#endif

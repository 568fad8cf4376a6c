/* The host's monotonic clock, read faster where it runs by the processor's time stamp counter:
 * guest time.
 *
 * Linux makes CLOCK_MONOTONIC of that counter, when it is fit for it, with a rate that it corrects
 * all the time (clock_gettime(2); Intel SDM volume 3, 18.17, "Time-stamp counter"). Here the clock
 * is asked every few milliseconds, and between that time is a straight line by the counter, a
 * *stretch*. A stretch begins where the one before ended, or later, and aims at what the clock will
 * say at its end. So time never goes backwards, on whichever thread, and stays within some
 * microseconds of the clock. Without such a counter, or when it ceases to keep step, the clock is
 * asked each time. */
#ifndef METIC_CPU_BASE_HOST_CLOCK_H
#define METIC_CPU_BASE_HOST_CLOCK_H

#include "cpu/base/types.h"

/* For counts from begin_ticks on, fewer than length_ticks (0: none). */
struct host_stretch {
    u64 begin_ticks, length_ticks;
    u64 begin_ns;
    u64 scale; /* ns per tick, times 2^32 */
};

/* One such clock. The stretch is read without a lock; all changes under one of the caller's. */
struct host_clock {
    u32 sequence; /* odd: the stretch is being changed; atomic */
    struct host_stretch stretch; /* its members are stored and read atomically */
    u64 seen_ticks, seen_ns; /* both clocks at one moment; 0: never */
    u64 rate;     /* ns per tick, times 2^32, between the last two such moments; 0: not known */
    bool steady;  /* the rate was as before */
    u64 least_ns; /* less is never given out again, but by the present stretch */
};

static inline bool host_stretch_holds(const struct host_stretch *stretch, u64 ticks)
{
    return ticks - stretch->begin_ticks < stretch->length_ticks;
}

static inline u64 host_stretch_ns(const struct host_stretch *stretch, u64 ticks)
{
    return stretch->begin_ns + ((ticks - stretch->begin_ticks) * stretch->scale >> 32);
}

/* The time when the counter said `ticks` and the monotonic clock `ns`. Behind the stretch it begins
 * a new one, if the rate is known. One thread at a time. */
u64 host_clock_set(struct host_clock *clock, u64 ticks, u64 ns);

/* Finds out whether the host has such a counter; once, before the process confines itself. Without
 * it host_clock_ns() asks the monotonic clock. */
void host_clock_init(void);

/* CLOCK_MONOTONIC, less or more a few microseconds; never less than before on any thread. */
u64 host_clock_ns(void);

#endif

/* The host's clock, for what the guest never sees: statistics, waits, its own devices' threads. */
#ifndef METIC_CPU_BASE_HOST_TIME_H
#define METIC_CPU_BASE_HOST_TIME_H

#include "cpu/base/types.h"

#include <time.h>

/* CLOCK_MONOTONIC, from an unknown start. */
static inline u64 host_time_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

#endif

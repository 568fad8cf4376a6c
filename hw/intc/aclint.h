/* The core-local interruptors: timer and software interrupts of harts; see aclint.c. */
#ifndef METIC_HW_INTC_ACLINT_H
#define METIC_HW_INTC_ACLINT_H

#include "hw/device.h"

enum { ACLINT_MAX_HARTS = 64, ACLINT_TIMEBASE_HZ = 10000000 };

struct aclint_config {
    unsigned hart_count;
};

/* mswi + mtimer in the SiFive CLINT's layout. Output h is hart h's machine software interrupt,
 * output hart_count + h its machine timer interrupt. */
extern const struct device_class clint_class;

/* Supervisor software interrupts. Output h sets mip.SSIP of hart h; only `true` is ever sent. */
extern const struct device_class aclint_sswi_class;

/* mtime of a clint, in ticks; lock-free, any thread. */
u64 clint_time_ticks(const struct device *device);

/* Guest time in ns at which mtime reaches `ticks`: now or earlier when it has, CLOCK_NEVER_NS when
 * it will not within the clock's range. */
u64 clint_time_to_ns(const struct device *device, u64 ticks);

#endif

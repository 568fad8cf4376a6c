/* Random numbers for tests that make programs of them: the same for the same `seed`, which a test
 * sets to anything but 0 before each program. */
#ifndef METIC_TESTS_SUPPORT_RIG_RANDOM_H
#define METIC_TESTS_SUPPORT_RIG_RANDOM_H

#include "cpu/base/types.h"

static u64 seed;

static inline unsigned pick(unsigned count)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % count);
}

#endif

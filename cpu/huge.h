/* Huge host pages for guest RAM that needs them.
 *
 * Guest RAM in huge pages costs fewer host TLB misses, which chases through much memory feel; but
 * a huge page is zeroed whole, however little of it the guest uses, which a boot feels. So RAM
 * begins in small pages, and 2 MiB of it become a huge page (MADV_COLLAPSE, Linux 6.1) when the
 * guest's own TLB had to be filled for them very often: where the guest jumps about, the host's TLB
 * misses, too. Hosts that cannot do it say so, and nothing changes. The guest sees nothing of it.
 *
 * Each hart's TLB has its own struct. */
#ifndef METIC_CPU_HUGE_H
#define METIC_CPU_HUGE_H

#include "cpu/base/types.h"

struct memory;

enum { HUGE_BITS = 21, HUGE_SLOTS = 256, HUGE_FILLS = 1024 };

struct huge {
    struct {
        u32 number; /* of the 2 MiB in guest-physical memory, modulo 2^32 */
        u32 fills;
    } slots[HUGE_SLOTS];
};

void huge_collapse(struct memory *memory, gpa_t gpa);

/* The TLB is filled with a page of RAM. True: with this one it was often enough. */
static inline bool huge_count(struct huge *huge, gpa_t page)
{
    u32 number = (u32)(page >> HUGE_BITS);
    unsigned n = number % HUGE_SLOTS;
    if (UNLIKELY(huge->slots[n].number != number)) {
        huge->slots[n].number = number;
        huge->slots[n].fills = 0;
    }
    return UNLIKELY(++huge->slots[n].fills == HUGE_FILLS);
}

/* The same for who cannot do it then: when it would be, it does not count, and somebody else should
 * fill. */
static inline bool huge_is_due(struct huge *huge, gpa_t page)
{
    bool due = huge_count(huge, page);
    huge->slots[(u32)(page >> HUGE_BITS) % HUGE_SLOTS].fills -= due;
    return due;
}

static inline void huge_filled(struct huge *huge, struct memory *memory, gpa_t page)
{
    if (huge_count(huge, page)) {
        huge_collapse(memory, page);
    }
}

#endif

/* The flags of a page of RAM (cpu/memory.h) as those look at them who may write it. */
#ifndef METIC_CPU_PAGE_FLAGS_H
#define METIC_CPU_PAGE_FLAGS_H

#include "cpu/memory.h"

/* What makes a store to the page special: RESERVED, and CODE without DIRTY. */
static inline u8 watch_flags(u8 flags)
{
    u8 watch = flags & MEMORY_PAGE_RESERVED;
    if ((flags & (MEMORY_PAGE_CODE | MEMORY_PAGE_DIRTY)) == MEMORY_PAGE_CODE) {
        watch |= MEMORY_PAGE_CODE;
    }
    return watch;
}

/* The page's flags with WRITABLE set. A write entry sets WRITABLE before it looks at CODE;
 * block_insert does the reverse, so one of the two sees the other. Mostly it is set already, and a
 * locked instruction would have the walks of a loop wait for each other. */
static inline u8 mark_writable(_Atomic u8 *flags)
{
    u8 now = atomic_load_explicit(flags, memory_order_acquire);
    return now & MEMORY_PAGE_WRITABLE ? now : atomic_fetch_or(flags, MEMORY_PAGE_WRITABLE);
}

/* Whether nobody has asked the host for the pages around one yet (memory_ask); by its flags. */
static inline bool page_unasked(const _Atomic u8 *flags)
{
    const uintptr_t others = MEMORY_ASK_PAGES - 1;
    const _Atomic u8 *first = (const _Atomic u8 *)((uintptr_t)flags & ~others);
    return (atomic_load_explicit(first, memory_order_relaxed) & MEMORY_PAGE_ASKED) == 0;
}

/* mark_writable for a page that is written now: the host is asked for those around it, too. */
static inline u8 mark_written(struct memory *memory, _Atomic u8 *flags, gpa_t gpa)
{
    if (UNLIKELY(page_unasked(flags))) {
        memory_ask(memory, gpa, 1);
    }
    return mark_writable(flags);
}

#endif

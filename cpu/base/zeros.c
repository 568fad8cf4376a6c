/* See zeros.h. */
#include "cpu/base/zeros.h"

#include <stdatomic.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ 22 /* <linux/mman.h> since 5.14 */
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* <linux/mman.h> since 6.1 */
#endif

static void ask(const void *bytes, size_t size_bytes, int advice)
{
    uintptr_t first = (uintptr_t)bytes & PAGE_MASK;
    uintptr_t end = ((uintptr_t)bytes + size_bytes + PAGE_OFFSET_MASK) & PAGE_MASK;
    madvise((void *)first, end - first, advice);
}

void zeros_ask(void *bytes, size_t size_bytes)
{
    ask(bytes, size_bytes, MADV_POPULATE_WRITE);
}

void zeros_ask_to_read(const void *bytes, size_t size_bytes)
{
    ask(bytes, size_bytes, MADV_POPULATE_READ);
}

void *zeros_grow(void *zeros, size_t had_bytes, size_t wanted_bytes)
{
    if (zeros == NULL) {
        return zeros_new(wanted_bytes);
    }
    void *bigger = mremap(zeros, had_bytes, wanted_bytes, MREMAP_MAYMOVE);
    return bigger == MAP_FAILED ? NULL : bigger;
}

bool zeros_collapse(void *huge)
{
    return madvise(huge, ZEROS_HUGE_BYTES, MADV_COLLAPSE) == 0;
}

bool zeros_make_huge(void *huge)
{
    zeros_ask(huge, 1); /* of nothing there can be none */
    return zeros_collapse(huge);
}

size_t zeros_ask_huge(void *bytes, size_t size_bytes, size_t asked_bytes)
{
    static atomic_bool refused;
    size_t first = asked_bytes & ~(size_t)(ZEROS_HUGE_BYTES - 1);
    if ((uintptr_t)bytes % ZEROS_HUGE_BYTES != 0 || size_bytes - first < ZEROS_HUGE_BYTES ||
        atomic_load_explicit(&refused, memory_order_relaxed)) {
        return asked_bytes;
    }
    if (!zeros_make_huge((u8 *)bytes + first)) {
        atomic_store_explicit(&refused, true, memory_order_relaxed);
        return asked_bytes;
    }
    return first + ZEROS_HUGE_BYTES;
}

size_t zeros_ask_next(void *bytes, size_t size_bytes, size_t used_bytes, size_t asked_bytes)
{
    enum { LEAST_BYTES = 16 << 10, MOST_BYTES = 128 << 10 };
    if (asked_bytes >= MOST_BYTES) {
        asked_bytes = zeros_ask_huge(bytes, size_bytes, asked_bytes);
        if (used_bytes <= asked_bytes) {
            return asked_bytes;
        }
    }
    size_t step = asked_bytes < LEAST_BYTES ? LEAST_BYTES
                  : asked_bytes > MOST_BYTES ? MOST_BYTES : asked_bytes;
    size_t want = used_bytes > asked_bytes + step ? used_bytes : asked_bytes + step;
    want = want < size_bytes ? want : size_bytes;
    zeros_ask((u8 *)bytes + asked_bytes, want - asked_bytes);
    return want;
}

/* See huge.h. */
#include "cpu/huge.h"

#include "cpu/base/zeros.h"
#include "cpu/memory.h"

/* Guest and host memory need not be aligned alike: it is the host's 2 MiB that count. */
void huge_collapse(struct memory *memory, gpa_t gpa)
{
    const uintptr_t bytes = (uintptr_t)1 << HUGE_BITS;
    const struct memory_region *region = memory_find(memory, gpa);
    if (region == NULL || region->kind != MEMORY_RAM || region->host == NULL ||
        region->from_file) {
        return;
    }
    uintptr_t begin = (uintptr_t)region->host;
    uintptr_t first = (begin + (gpa - region->gpa)) & ~(bytes - 1);
    if (first >= begin && first + bytes <= begin + region->size_bytes) {
        zeros_collapse((void *)first);
    }
}

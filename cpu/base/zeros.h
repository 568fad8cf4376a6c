/* Large tables of zeros that are mostly never touched: the host gives their memory page by page, as
 * it is first written. calloc() clears what it takes from its heap, which touches all of it. */
#ifndef METIC_CPU_BASE_ZEROS_H
#define METIC_CPU_BASE_ZEROS_H

#include "cpu/base/types.h"

#include <sys/mman.h>

/* Begins at a page of the host's. NULL when the host has no memory. */
static inline void *zeros_new(size_t size_bytes)
{
    void *zeros = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return zeros == MAP_FAILED ? NULL : zeros;
}

/* NULL allowed. */
static inline void zeros_free(void *zeros, size_t size_bytes)
{
    if (zeros != NULL) {
        munmap(zeros, size_bytes);
    }
}

#endif

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

enum { ZEROS_HUGE_BYTES = 2 << 20 };

/* The same for a table that is filled from its start: the host may give huge pages. The rest of one
 * costs less than a fault for each small page. */
static inline void *zeros_new_dense(size_t size_bytes)
{
    u8 *all = zeros_new(size_bytes + ZEROS_HUGE_BYTES);
    if (all == NULL) {
        return NULL;
    }
    size_t before = -(uintptr_t)all % ZEROS_HUGE_BYTES;
    if (before != 0) {
        munmap(all, before);
    }
    munmap(all + before + size_bytes, ZEROS_HUGE_BYTES - before);
    madvise(all + before, size_bytes, MADV_HUGEPAGE);
    return all + before;
}

/* The same, with room behind it, addresses alone: memory only after zeros_use(). Freed together. */
static inline void *zeros_with_room(size_t size_bytes, size_t room_bytes)
{
    void *zeros = mmap(NULL, size_bytes + room_bytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(zeros, size_bytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(zeros, size_bytes + room_bytes);
        return NULL;
    }
    return zeros;
}

/* Makes the room, whole pages, memory. False: the host has none. */
static inline bool zeros_use(void *room, size_t room_bytes)
{
    return mprotect(room, room_bytes, PROT_READ | PROT_WRITE) == 0;
}

/* Makes it room again. */
static inline void zeros_reserve(void *room, size_t room_bytes)
{
    mmap(room, room_bytes, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* Has the host give these pages at once, before they are written: a fault for each is dear (in a
 * virtual machine it may cost ten times what giving a page does). The host may refuse: then they
 * come with their first accesses. */
void zeros_ask(void *bytes, size_t size_bytes);
/* The same for pages that are there, seen through another mapping: nothing is written. */
void zeros_ask_to_read(const void *bytes, size_t size_bytes);

/* See zeros_ahead(). Returns the new *asked_bytes. */
size_t zeros_ask_next(void *bytes, size_t size_bytes, size_t used_bytes, size_t asked_bytes);

/* For a table that is used from its start on: its first used_bytes will be written, and what lies
 * before *asked_bytes was asked for; has the host give pieces that grow with it. */
static inline void zeros_ahead(void *bytes, size_t size_bytes, size_t used_bytes,
                               size_t *asked_bytes)
{
    if (UNLIKELY(used_bytes > *asked_bytes)) {
        *asked_bytes = zeros_ask_next(bytes, size_bytes, used_bytes, *asked_bytes);
    }
}

/* NULL allowed. */
static inline void zeros_free(void *zeros, size_t size_bytes)
{
    if (zeros != NULL) {
        munmap(zeros, size_bytes);
    }
}

#endif

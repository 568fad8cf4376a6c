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

/* Of which those from `offset_bytes` on are where huge pages may begin. PROT_NONE: addresses
 * alone. */
static inline u8 *zeros_map(size_t size_bytes, size_t offset_bytes, int protection)
{
    u8 *all = mmap(NULL, size_bytes + ZEROS_HUGE_BYTES, protection,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) {
        return NULL;
    }
    size_t before = -((uintptr_t)all + offset_bytes) % ZEROS_HUGE_BYTES;
    if (before != 0) {
        munmap(all, before);
    }
    munmap(all + before + size_bytes, ZEROS_HUGE_BYTES - before);
    return all + before;
}

/* NULL allowed. */
static inline void zeros_free(void *zeros, size_t size_bytes)
{
    if (zeros != NULL) {
        munmap(zeros, size_bytes);
    }
}

/* Makes addresses, whole pages, memory. False: the host has none. */
static inline bool zeros_use(void *room, size_t room_bytes)
{
    return mprotect(room, room_bytes, PROT_READ | PROT_WRITE) == 0;
}

/* zeros_new() for a table that zeros_ahead() is told of: the host may give it huge pages. */
static inline void *zeros_new_growing(size_t size_bytes)
{
    return zeros_map(size_bytes, 0, PROT_READ | PROT_WRITE);
}

/* The same for a table that is filled from its start, in whole pages: the host may give huge ones.
 * The rest of one costs less than a fault for each small page. */
static inline void *zeros_new_dense(size_t size_bytes)
{
    u8 *zeros = zeros_new_growing(size_bytes);
    if (zeros != NULL) {
        madvise(zeros, size_bytes, MADV_HUGEPAGE);
    }
    return zeros;
}

/* Zeros, with room behind them, addresses alone, where huge pages may begin: memory only after
 * zeros_use(). Freed together. */
static inline void *zeros_with_room(size_t size_bytes, size_t room_bytes)
{
    u8 *zeros = zeros_map(size_bytes + room_bytes, size_bytes, PROT_NONE);
    if (zeros != NULL && !zeros_use(zeros, size_bytes)) {
        zeros_free(zeros, size_bytes + room_bytes);
        return NULL;
    }
    return zeros;
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

/* Makes a huge page of ZEROS_HUGE_BYTES that begin where one may, of memory that may be shared and
 * is partly there (Linux 6.1). What is in it stays, and other threads may use it meanwhile. False:
 * the host cannot, or has none at hand. */
bool zeros_collapse(void *huge);

/* The same of memory of which nothing may be there yet. */
bool zeros_make_huge(void *huge);

/* A list of zeros_new(), or NULL, that needs more room: its pages move without being copied. NULL:
 * the host has no memory, and the list stays as it is. */
void *zeros_grow(void *zeros, size_t had_bytes, size_t wanted_bytes);

/* A huge page in place of the small ones of a table of zeros_new_growing() from asked_bytes on.
 * Returns where it ends; asked_bytes: there is none. After the first that the host refused nobody
 * asks again: looking for one can take it long. Any thread. */
size_t zeros_ask_huge(void *bytes, size_t size_bytes, size_t asked_bytes);

/* See zeros_ahead(). Returns the new *asked_bytes. */
size_t zeros_ask_next(void *bytes, size_t size_bytes, size_t used_bytes, size_t asked_bytes);

/* For a table that is used from its start on: its first used_bytes will be written, and what lies
 * before *asked_bytes was asked for; has the host give pieces that grow with it. Of a table that
 * begins where a huge page may, these are huge pages in the end: where a first touch of each small
 * one is dear, most of it may be the host's host making its own page tables, however the page was
 * asked for. What may lie behind *asked_bytes already stays. */
static inline void zeros_ahead(void *bytes, size_t size_bytes, size_t used_bytes,
                               size_t *asked_bytes)
{
    if (UNLIKELY(used_bytes > *asked_bytes)) {
        *asked_bytes = zeros_ask_next(bytes, size_bytes, used_bytes, *asked_bytes);
    }
}

#endif

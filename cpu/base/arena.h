/* A bump allocator whose contents are freed together. One owner, no locking. */
#ifndef METIC_CPU_BASE_ARENA_H
#define METIC_CPU_BASE_ARENA_H

#include "cpu/base/types.h"

struct arena;

/* NULL when the host has no memory. */
struct arena *arena_new(void);
void arena_free(struct arena *arena);  /* NULL allowed */
/* Zeroed, 16-byte aligned. Never NULL: ends the process when the host has no memory. */
void *arena_alloc(struct arena *arena, size_t size_bytes);
void arena_clear(struct arena *arena);
size_t arena_used_bytes(const struct arena *arena);

#endif

/* See arena.h. */
#include "cpu/base/arena.h"

#include "cpu/base/error.h"
#include "cpu/base/zeros.h"

#include <stdlib.h>

enum { ARENA_CHUNK_BYTES = ZEROS_HUGE_BYTES, ARENA_ALIGN_BYTES = 16 };

struct chunk {
    struct chunk *next;
    size_t size_bytes, used_bytes, asked_bytes; /* of the whole chunk, with this */
};

_Static_assert(sizeof(struct chunk) % ARENA_ALIGN_BYTES == 0, "what is behind it is aligned");

struct arena {
    struct chunk *first;
    size_t total_bytes;
};

struct arena *arena_new(void)
{
    return calloc(1, sizeof(struct arena));
}

void arena_clear(struct arena *arena)
{
    while (arena->first != NULL) {
        struct chunk *next = arena->first->next;
        zeros_free(arena->first, arena->first->size_bytes);
        arena->first = next;
    }
    arena->total_bytes = 0;
}

void arena_free(struct arena *arena)
{
    if (arena != NULL) {
        arena_clear(arena);
        free(arena);
    }
}

/* With room for `least_bytes`, itself included. Who has filled one is going to fill the next. */
static struct chunk *chunk_new(const struct arena *arena, size_t least_bytes)
{
    size_t bytes = least_bytes > ARENA_CHUNK_BYTES ? least_bytes : ARENA_CHUNK_BYTES;
    struct chunk *chunk = zeros_new_growing(bytes);
    if (chunk == NULL) {
        error_no_memory(bytes);
    }
    size_t asked_bytes = arena->first != NULL ? zeros_ask_huge(chunk, bytes, 0) : 0;
    *chunk = (struct chunk){
        .size_bytes = bytes, .used_bytes = sizeof(*chunk), .asked_bytes = asked_bytes,
    };
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    size_bytes = (size_bytes + ARENA_ALIGN_BYTES - 1) & ~(size_t)(ARENA_ALIGN_BYTES - 1);
    struct chunk *chunk = arena->first;
    if (chunk == NULL || chunk->size_bytes - chunk->used_bytes < size_bytes) {
        chunk = chunk_new(arena, size_bytes + sizeof(*chunk));
        chunk->next = arena->first;
        arena->first = chunk;
    }
    void *p = (u8 *)chunk + chunk->used_bytes;
    chunk->used_bytes += size_bytes;
    arena->total_bytes += size_bytes;
    zeros_ahead(chunk, chunk->size_bytes, chunk->used_bytes, &chunk->asked_bytes);
    return p;
}

size_t arena_used_bytes(const struct arena *arena)
{
    return arena->total_bytes;
}

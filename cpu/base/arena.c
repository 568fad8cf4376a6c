/* See arena.h. */
#include "cpu/base/arena.h"

#include "cpu/base/error.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_CHUNK_BYTES = 256 * 1024, ARENA_ALIGN_BYTES = 16 };

struct chunk {
    struct chunk *next;
    size_t size_bytes, used_bytes;
    _Alignas(ARENA_ALIGN_BYTES) u8 bytes[];
};

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
        free(arena->first);
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

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    size_bytes = (size_bytes + ARENA_ALIGN_BYTES - 1) & ~(size_t)(ARENA_ALIGN_BYTES - 1);
    struct chunk *chunk = arena->first;
    if (chunk == NULL || chunk->size_bytes - chunk->used_bytes < size_bytes) {
        size_t chunk_bytes = size_bytes > ARENA_CHUNK_BYTES ? size_bytes : ARENA_CHUNK_BYTES;
        chunk = malloc(sizeof(*chunk) + chunk_bytes);
        if (chunk == NULL) {
            error_no_memory(sizeof(*chunk) + chunk_bytes);
        }
        chunk->size_bytes = chunk_bytes;
        chunk->used_bytes = 0;
        chunk->next = arena->first;
        arena->first = chunk;
    }
    void *p = chunk->bytes + chunk->used_bytes;
    chunk->used_bytes += size_bytes;
    arena->total_bytes += size_bytes;
    return memset(p, 0, size_bytes);
}

size_t arena_used_bytes(const struct arena *arena)
{
    return arena->total_bytes;
}

/* See codebuf.h. */
#include "translate/codebuf.h"

#include "cpu/base/zeros.h"

#include <string.h>
#include <sys/mman.h>

/* Most blocks have less than AHEAD_BYTES; what is there before any, FIRST_BYTES or less. */
enum { CODEBUF_ALIGN_BYTES = 16, AHEAD_BYTES = 8 << 10, FIRST_BYTES = 28 << 10 };

/* Shared memory of no file, in place of addresses where huge pages may begin. Anonymous, not a
 * memfd: perf looks into its map of translated code only for such memory. NULL: refused. */
static u8 *map_writable(size_t size_bytes)
{
    const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    u8 *at = zeros_map(size_bytes, 0, PROT_NONE);
    if (at != NULL &&
        mmap(at, size_bytes, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) {
        munmap(at, size_bytes);
        return NULL;
    }
    return at;
}

/* The same pages a second time. */
static u8 *map_executable(u8 *write, size_t size_bytes)
{
    u8 *at = zeros_map(size_bytes, 0, PROT_NONE);
    if (at != NULL &&
        (mremap(write, 0, size_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED ||
         mprotect(at, size_bytes, PROT_READ | PROT_EXEC) != 0)) {
        munmap(at, size_bytes);
        return NULL;
    }
    return at;
}

/* Where the cold part begins: about what programs need of each, in huge pages of its own. */
static size_t cold_part(size_t size_bytes)
{
    size_t start = size_bytes / 5 * 3;
    return start < ZEROS_HUGE_BYTES ? start : start & ~(size_t)(ZEROS_HUGE_BYTES - 1);
}

/* In the part at [start, start + size_bytes). */
static void part_ahead(struct codebuf *buffer, size_t start, size_t size_bytes, size_t used_bytes,
                       size_t *asked_bytes)
{
    size_t before = *asked_bytes;
    zeros_ahead(buffer->write + start, size_bytes, used_bytes + AHEAD_BYTES, asked_bytes);
    if (UNLIKELY(*asked_bytes != before)) {
        zeros_ask_to_read(buffer->exec + start + before, *asked_bytes - before);
    }
}

bool codebuf_init(struct codebuf *buffer, size_t size_bytes, struct metic_error *error)
{
    memset(buffer, 0, sizeof(*buffer));
    u8 *write = map_writable(size_bytes);
    u8 *exec = write != NULL ? map_executable(write, size_bytes) : NULL;
    if (exec == NULL) {
        if (write != NULL) {
            munmap(write, size_bytes);
        }
        return error_set(error, "use --engine interp, or allow executable memory mappings",
                         "the host refuses a code buffer of %zu MiB", size_bytes >> 20);
    }
    buffer->write = write;
    buffer->exec = exec;
    buffer->size_bytes = size_bytes;
    buffer->cold_start = cold_part(size_bytes);
    buffer->cold_end = buffer->cold_start;
    part_ahead(buffer, 0, buffer->cold_start, FIRST_BYTES, &buffer->asked_bytes);
    return true;
}

void codebuf_fini(struct codebuf *buffer)
{
    if (buffer->write != NULL) {
        munmap(buffer->write, buffer->size_bytes);
        munmap((void *)(uintptr_t)buffer->exec, buffer->size_bytes);
        buffer->write = NULL;
    }
}

void codebuf_ahead(struct codebuf *buffer)
{
    size_t cold = buffer->cold_start;
    part_ahead(buffer, 0, cold, buffer->used_bytes, &buffer->asked_bytes);
    part_ahead(buffer, cold, buffer->size_bytes - cold, buffer->cold_end - cold,
               &buffer->cold_asked_bytes);
}

void codebuf_commit(struct codebuf *buffer, size_t size_bytes, size_t cold_bytes)
{
    size_t end = buffer->used_bytes + size_bytes;
    end = (end + CODEBUF_ALIGN_BYTES - 1) & ~(size_t)(CODEBUF_ALIGN_BYTES - 1);
    buffer->used_bytes = end < buffer->cold_start ? end : buffer->cold_start;
    buffer->cold_end += cold_bytes;
}

void codebuf_keep(struct codebuf *buffer)
{
    buffer->keep_bytes = buffer->used_bytes;
}

void codebuf_clear_all(struct codebuf *buffer)
{
    buffer->keep_bytes = 0;
    codebuf_clear(buffer);
}

void codebuf_clear(struct codebuf *buffer)
{
    buffer->used_bytes = buffer->keep_bytes;
    buffer->cold_end = buffer->cold_start;
}

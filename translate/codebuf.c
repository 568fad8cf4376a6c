/* See codebuf.h. */
#include "translate/codebuf.h"

#include "cpu/base/zeros.h"

#include <string.h>
#include <sys/mman.h>

/* Most blocks have less than AHEAD_BYTES. */
enum { CODEBUF_ALIGN_BYTES = 16, AHEAD_BYTES = 8 << 10 };

bool codebuf_init(struct codebuf *buffer, size_t size_bytes, struct metic_error *error)
{
    memset(buffer, 0, sizeof(*buffer));
    /* Anonymous, not a memfd: perf looks into its map of translated code only for such memory. */
    const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
    void *write = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    void *exec = MAP_FAILED;
    if (write != MAP_FAILED) {
        exec = mremap(write, 0, size_bytes, MREMAP_MAYMOVE); /* the same pages a second time */
    }
    if (exec != MAP_FAILED && mprotect(exec, size_bytes, PROT_READ | PROT_EXEC) != 0) {
        munmap(exec, size_bytes);
        exec = MAP_FAILED;
    }
    if (write == MAP_FAILED || exec == MAP_FAILED) {
        if (write != MAP_FAILED) {
            munmap(write, size_bytes);
        }
        return error_set(error, "use --engine interp, or allow executable memory mappings",
                         "the host refuses a code buffer of %zu MiB", size_bytes >> 20);
    }
    buffer->write = write;
    buffer->exec = exec;
    buffer->size_bytes = size_bytes;
    buffer->cold_start = size_bytes / 5 * 3; /* about what programs need of each */
    buffer->cold_end = buffer->cold_start;
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

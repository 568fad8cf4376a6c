/* See blk_vector.h. */
#include "hw/block/blk_vector.h"

#include <string.h>

u64 blk_vector_bytes(const struct iovec *parts, unsigned count)
{
    u64 sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += parts[i].iov_len;
    }
    return sum;
}

void blk_vector_skip(struct blk_vector *vector, u64 size_bytes)
{
    while (vector->count > 0 && size_bytes >= vector->parts->iov_len) {
        size_bytes -= vector->parts->iov_len;
        vector->parts++;
        vector->count--;
    }
    if (size_bytes > 0) {
        vector->parts->iov_base = (u8 *)vector->parts->iov_base + size_bytes;
        vector->parts->iov_len -= size_bytes;
    }
}

static u64 vector_first(const struct blk_vector *vector, u64 limit)
{
    u64 part = vector->parts->iov_len;
    return part < limit ? part : limit;
}

void blk_vector_get(struct blk_vector *vector, void *bytes, u64 size_bytes)
{
    u8 *to = bytes;
    while (size_bytes > 0) {
        u64 part = vector_first(vector, size_bytes);
        memcpy(to, vector->parts->iov_base, part);
        blk_vector_skip(vector, part);
        to += part;
        size_bytes -= part;
    }
}

void blk_vector_put(struct blk_vector *vector, const void *bytes, u64 size_bytes)
{
    const u8 *from = bytes;
    while (size_bytes > 0) {
        u64 part = vector_first(vector, size_bytes);
        memcpy(vector->parts->iov_base, from, part);
        blk_vector_skip(vector, part);
        from += part;
        size_bytes -= part;
    }
}

void blk_vector_zero(struct blk_vector *vector, u64 size_bytes)
{
    while (size_bytes > 0) {
        u64 part = vector_first(vector, size_bytes);
        memset(vector->parts->iov_base, 0, part);
        blk_vector_skip(vector, part);
        size_bytes -= part;
    }
}

size_t blk_vector_peek(const struct blk_vector *vector, void *bytes, size_t size_bytes)
{
    size_t done = 0;
    for (unsigned i = 0; i < vector->count && done < size_bytes; i++) {
        size_t part = vector->parts[i].iov_len;
        part = part < size_bytes - done ? part : size_bytes - done;
        memcpy((u8 *)bytes + done, vector->parts[i].iov_base, part);
        done += part;
    }
    return done;
}

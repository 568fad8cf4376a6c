/* A list of memory parts that is used up from the front: what one disk request reads into or writes
 * from. The parts belong to the caller and change as they are used up. */
#ifndef METIC_HW_BLOCK_BLK_VECTOR_H
#define METIC_HW_BLOCK_BLK_VECTOR_H

#include "cpu/base/types.h"
#include <sys/uio.h>

struct blk_vector {
    struct iovec *parts;
    unsigned count;
};

u64 blk_vector_bytes(const struct iovec *parts, unsigned count);
void blk_vector_skip(struct blk_vector *vector, u64 size_bytes);

/* Each moves on by size_bytes, which the vector must have. */
void blk_vector_get(struct blk_vector *vector, void *bytes, u64 size_bytes); /* out of it */
void blk_vector_put(struct blk_vector *vector, const void *bytes, u64 size_bytes);
void blk_vector_zero(struct blk_vector *vector, u64 size_bytes);

/* Copies the first bytes without moving on; returns how many there were, at most size_bytes. */
size_t blk_vector_peek(const struct blk_vector *vector, void *bytes, size_t size_bytes);

#endif

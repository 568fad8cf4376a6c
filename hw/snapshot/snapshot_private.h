/* What hw/snapshot/snapshot_file.c and snapshot_write.c share. */
#ifndef METIC_HW_SNAPSHOT_PRIVATE_H
#define METIC_HW_SNAPSHOT_PRIVATE_H

#include "hw/snapshot/snapshot_file.h"

#define SNAPSHOT_MAGIC "METICSN1"
#define SNAPSHOT_PART_BYTES ((u64)2 << 30)
#define SNAPSHOT_PIECE_BYTES ((u64)2 << 20)
#define SNAPSHOT_MAX_STATE_BYTES ((u64)64 << 30)
#define SNAPSHOT_MAX_RAM_BYTES ((u64)1 << 46)
enum { SNAPSHOT_SKIPPABLE = 0x184d2a5e }; /* zstd's skippable frames: any last digit */

static inline u64 snapshot_piece_count(u64 size_bytes)
{
    return (size_bytes + SNAPSHOT_PIECE_BYTES - 1) / SNAPSHOT_PIECE_BYTES;
}

static inline size_t snapshot_piece_bytes(u64 size_bytes, u64 piece)
{
    u64 left = size_bytes - piece * SNAPSHOT_PIECE_BYTES;
    return (size_t)(left < SNAPSHOT_PIECE_BYTES ? left : SNAPSHOT_PIECE_BYTES);
}

/* What a region takes in the file when it is not packed. */
static inline u64 snapshot_stored_bytes(u64 size_bytes)
{
    u64 parts = (size_bytes + SNAPSHOT_PART_BYTES - 1) / SNAPSHOT_PART_BYTES;
    return size_bytes + parts * PAGE_BYTES;
}

/* Where the byte `at` of a region that is not packed lies, from the region's offset. */
static inline u64 snapshot_stored_at(u64 at)
{
    return at + (at / SNAPSHOT_PART_BYTES + 1) * PAGE_BYTES;
}

/* The digest of a piece of memory up to here, from the one up to `first`, which these bytes (whole
 * pages, but at a region's end) follow: pages of zeros count for nothing. 0 is the digest of zeros
 * and of nothing. */
u64 snapshot_digest(const u8 *bytes, size_t size_bytes, u64 first, u64 digest);

void snapshot_head_put(const struct snapshot_head *head, u8 page[PAGE_BYTES]);

#endif

/* What a guest wrote to a disk whose file stays as it is: a sparse map in memory, by clusters of
 * 4 KiB. Private to blk_backend.c.
 *
 * Address space for the whole disk is reserved without memory behind it, and one bit per cluster
 * says whether the cluster is here or in the file. One thread at a time, or several that only
 * look. */
#ifndef METIC_HW_BLOCK_BLK_OVERLAY_H
#define METIC_HW_BLOCK_BLK_OVERLAY_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

enum { BLK_CLUSTER_BYTES = 4096 };

struct blk_overlay {
    u8 *bytes;       /* of the disk */
    u64 *present;    /* one bit per cluster */
    u64 size_bytes;  /* whole clusters */
    u64 used_clusters;
};

bool blk_overlay_init(struct blk_overlay *overlay, u64 disk_bytes, struct metic_error *error);
void blk_overlay_fini(struct blk_overlay *overlay);

bool blk_overlay_has(const struct blk_overlay *overlay, u64 cluster);
void blk_overlay_add(struct blk_overlay *overlay, u64 cluster); /* its bytes are filled in */
void blk_overlay_clear(struct blk_overlay *overlay); /* empty again */

/* Whole clusters become present zeros, without memory behind them. */
void blk_overlay_zero(struct blk_overlay *overlay, u64 first_cluster, u64 count);
/* The same for those of them that are present. */
void blk_overlay_blank(struct blk_overlay *overlay, u64 first_cluster, u64 count);

/* The first present cluster from `cluster` on, or UINT64_MAX. */
u64 blk_overlay_next(const struct blk_overlay *overlay, u64 cluster);

/* How many bytes from `offset` on, at most `limit`, are alike: all in the overlay or all not. */
u64 blk_overlay_run(const struct blk_overlay *overlay, u64 offset, u64 limit);

#endif

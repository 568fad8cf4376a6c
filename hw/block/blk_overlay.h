/* What a guest wrote to a disk whose file stays as it is: a sparse map in memory, by clusters of
 * 4 KiB. Private to blk_backend.c and blk_saved.c.
 *
 * Address space for the whole disk is reserved without memory behind it, and one bit per cluster
 * says whether the cluster is here or in the image. What takes more than spill_at_clusters moves,
 * all of it and once, to a file without a name, which was made at the beginning, since a confined
 * process makes none: the host can then write it out, and a guest that writes much takes no more
 * of the host's memory. If there is no room for it there, it stays in memory until it has doubled.
 *
 * One thread at a time, or several that only look and get. Answers are 0 or an errno. */
#ifndef METIC_HW_BLOCK_BLK_OVERLAY_H
#define METIC_HW_BLOCK_BLK_OVERLAY_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "hw/block/blk_file.h"
#include "hw/block/blk_vector.h"

enum { BLK_CLUSTER_BYTES = 4096 };

struct blk_overlay {
    u8 *bytes;       /* of the disk; without memory behind it once they are in the file */
    u64 *present;    /* one bit per cluster */
    u64 size_bytes;  /* whole clusters */
    u64 used_clusters;
    struct blk_file file; /* unlinked; fd -1: there is none */
    u64 spill_at_clusters;
    bool spilled;
};

/* `folder` (made if need be; NULL: none) is for what takes more than `memory_bytes`. */
bool blk_overlay_init(struct blk_overlay *overlay, u64 disk_bytes, const char *folder,
                      u64 memory_bytes, struct metic_error *error);
void blk_overlay_fini(struct blk_overlay *overlay);

bool blk_overlay_has(const struct blk_overlay *overlay, u64 cluster);
void blk_overlay_clear(struct blk_overlay *overlay); /* empty again */

/* A run of present clusters' bytes, to the vector or to memory. */
int blk_overlay_get(struct blk_overlay *overlay, u64 offset, struct blk_vector *vector,
                    u64 size_bytes);
int blk_overlay_get_bytes(struct blk_overlay *overlay, u64 offset, void *bytes, u64 size_bytes);
/* The clusters that are touched become present; what of them is not written must be so already. */
int blk_overlay_put(struct blk_overlay *overlay, u64 offset, struct blk_vector *vector,
                    u64 size_bytes);
int blk_overlay_put_bytes(struct blk_overlay *overlay, u64 offset, const void *bytes,
                          u64 size_bytes);

/* Whole clusters become present zeros, without memory behind them. */
int blk_overlay_zero(struct blk_overlay *overlay, u64 first_cluster, u64 count);
/* The same for those of them that are present. */
int blk_overlay_blank(struct blk_overlay *overlay, u64 first_cluster, u64 count);

/* How many bytes from `offset` on, at most `limit`, are alike: all in the overlay or all not. */
u64 blk_overlay_run(const struct blk_overlay *overlay, u64 offset, u64 limit);
/* The same of the first present cluster from *offset on, where that then is; 0: there is none. */
u64 blk_overlay_part(const struct blk_overlay *overlay, u64 *offset, u64 limit);

#endif

/* See blk_overlay.h. */
#include "hw/block/blk_overlay.h"

#include "cpu/base/bits.h"
#include <sys/mman.h>

static u64 overlay_clusters(const struct blk_overlay *overlay)
{
    return overlay->size_bytes / BLK_CLUSTER_BYTES;
}

static u64 overlay_map_bytes(const struct blk_overlay *overlay)
{
    return (overlay_clusters(overlay) + 63) / 64 * sizeof(u64);
}

static void *overlay_reserve(u64 size_bytes)
{
    void *p = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

bool blk_overlay_init(struct blk_overlay *overlay, u64 disk_bytes, struct metic_error *error)
{
    *overlay = (struct blk_overlay){
        .size_bytes = bits_align_up(disk_bytes, BLK_CLUSTER_BYTES)};
    overlay->bytes = overlay_reserve(overlay->size_bytes);
    overlay->present = overlay_reserve(overlay_map_bytes(overlay));
    if (overlay->bytes == NULL || overlay->present == NULL) {
        blk_overlay_fini(overlay);
        return error_set(error, "use the disk read-only or write to it",
                         "the host has no address space for an overlay of %llu MiB",
                         (unsigned long long)(disk_bytes >> 20));
    }
    return true;
}

void blk_overlay_fini(struct blk_overlay *overlay)
{
    if (overlay->bytes != NULL) {
        munmap(overlay->bytes, overlay->size_bytes);
    }
    if (overlay->present != NULL) {
        munmap(overlay->present, overlay_map_bytes(overlay));
    }
    *overlay = (struct blk_overlay){0};
}

bool blk_overlay_has(const struct blk_overlay *overlay, u64 cluster)
{
    return (overlay->present[cluster / 64] >> (cluster % 64) & 1) != 0;
}

void blk_overlay_add(struct blk_overlay *overlay, u64 cluster)
{
    if (!blk_overlay_has(overlay, cluster)) {
        overlay->present[cluster / 64] |= BIT(cluster % 64);
        overlay->used_clusters++;
    }
}

void blk_overlay_clear(struct blk_overlay *overlay)
{
    madvise(overlay->bytes, overlay->size_bytes, MADV_DONTNEED);
    madvise(overlay->present, overlay_map_bytes(overlay), MADV_DONTNEED);
    overlay->used_clusters = 0;
}

static void overlay_drop_memory(struct blk_overlay *overlay, u64 first_cluster, u64 count)
{
    if (count > 0) {
        madvise(overlay->bytes + first_cluster * BLK_CLUSTER_BYTES, count * BLK_CLUSTER_BYTES,
                MADV_DONTNEED);
    }
}

void blk_overlay_zero(struct blk_overlay *overlay, u64 first_cluster, u64 count)
{
    u64 end = first_cluster + count;
    overlay_drop_memory(overlay, first_cluster, count);
    for (u64 at = first_cluster; at < end;) {
        if (at % 64 == 0 && end - at >= 64) {
            overlay->used_clusters += 64 - (u64)__builtin_popcountll(overlay->present[at / 64]);
            overlay->present[at / 64] = UINT64_MAX;
            at += 64;
        } else {
            blk_overlay_add(overlay, at++);
        }
    }
}

void blk_overlay_blank(struct blk_overlay *overlay, u64 first_cluster, u64 count)
{
    u64 end = first_cluster + count;
    for (u64 at = blk_overlay_next(overlay, first_cluster); at < end;
         at = blk_overlay_next(overlay, at)) {
        u64 run = 1;
        while (at + run < end && blk_overlay_has(overlay, at + run)) {
            run++;
        }
        overlay_drop_memory(overlay, at, run);
        at += run;
    }
}

u64 blk_overlay_next(const struct blk_overlay *overlay, u64 cluster)
{
    u64 clusters = overlay_clusters(overlay);
    while (cluster < clusters) {
        u64 word = overlay->present[cluster / 64] >> (cluster % 64);
        if (word != 0) {
            return cluster + (u64)__builtin_ctzll(word);
        }
        cluster = (cluster / 64 + 1) * 64;
    }
    return UINT64_MAX;
}

u64 blk_overlay_run(const struct blk_overlay *overlay, u64 offset, u64 limit)
{
    bool here = blk_overlay_has(overlay, offset / BLK_CLUSTER_BYTES);
    u64 run = BLK_CLUSTER_BYTES - offset % BLK_CLUSTER_BYTES;
    while (run < limit &&
           blk_overlay_has(overlay, (offset + run) / BLK_CLUSTER_BYTES) == here) {
        run += BLK_CLUSTER_BYTES;
    }
    return run < limit ? run : limit;
}

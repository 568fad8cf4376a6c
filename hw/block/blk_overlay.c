/* See blk_overlay.h. */
#include "hw/block/blk_overlay.h"

#include "cpu/base/bits.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPILL_PART_BYTES = 1 << 16 };

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

/* A file that nobody else sees, or -1. */
static int overlay_make_file(const char *folder)
{
    char path[4096];
    (void)mkdir(folder, 0700);
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && snprintf(path, sizeof(path), "%s/overlay.XXXXXX", folder) < (int)sizeof(path)) {
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0) {
            unlink(path);
        }
    }
    return fd;
}

bool blk_overlay_init(struct blk_overlay *overlay, u64 disk_bytes, const char *folder,
                      u64 memory_bytes, struct metic_error *error)
{
    *overlay = (struct blk_overlay){
        .size_bytes = bits_align_up(disk_bytes, BLK_CLUSTER_BYTES),
        .file = {.fd = -1, .writable = true},
        .spill_at_clusters = UINT64_MAX};
    if (folder != NULL && overlay->size_bytes > memory_bytes) {
        overlay->file.fd = overlay_make_file(folder);
        overlay->spill_at_clusters = overlay->file.fd < 0 ? UINT64_MAX
                                                          : memory_bytes / BLK_CLUSTER_BYTES;
    }
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
    blk_file_close(&overlay->file);
    *overlay = (struct blk_overlay){.file = {.fd = -1}};
}

bool blk_overlay_has(const struct blk_overlay *overlay, u64 cluster)
{
    return (overlay->present[cluster / 64] >> (cluster % 64) & 1) != 0;
}

/* The first present cluster from `cluster` on, or UINT64_MAX. */
static u64 overlay_next(const struct blk_overlay *overlay, u64 cluster)
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

static void overlay_add(struct blk_overlay *overlay, u64 cluster)
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
    if (overlay->spilled) {
        (void)blk_file_resize(&overlay->file, 0);
        overlay->spilled = false;
    }
}

/* ---- In the file ---- */

/* All that is present goes to the file. Zeros are its holes. */
static int overlay_copy_out(struct blk_overlay *overlay)
{
    int failed = 0;
    u64 offset = 0, run;
    while (failed == 0 && (run = blk_overlay_part(overlay, &offset, SPILL_PART_BYTES)) != 0) {
        if (!bytes_are_all(overlay->bytes + offset, run, 0)) {
            failed = blk_file_write_bytes(&overlay->file, offset, overlay->bytes + offset, run);
        }
        offset += run;
    }
    return failed;
}

static void overlay_make_room(struct blk_overlay *overlay)
{
    if (LIKELY(overlay->spilled || overlay->used_clusters < overlay->spill_at_clusters)) {
        return;
    }
    overlay->spilled = overlay_copy_out(overlay) == 0;
    if (overlay->spilled) {
        madvise(overlay->bytes, overlay->size_bytes, MADV_DONTNEED);
    } else {
        (void)blk_file_resize(&overlay->file, 0);
        overlay->spill_at_clusters = 2 * overlay->used_clusters + 1;
    }
}

/* ---- Bytes ---- */

int blk_overlay_get(struct blk_overlay *overlay, u64 offset, struct blk_vector *vector,
                    u64 size_bytes)
{
    if (overlay->spilled) {
        return blk_file_read(&overlay->file, offset, vector, size_bytes);
    }
    blk_vector_put(vector, overlay->bytes + offset, size_bytes);
    return 0;
}

int blk_overlay_get_bytes(struct blk_overlay *overlay, u64 offset, void *bytes, u64 size_bytes)
{
    struct iovec one = {bytes, size_bytes};
    return blk_overlay_get(overlay, offset, &(struct blk_vector){&one, 1}, size_bytes);
}

int blk_overlay_put(struct blk_overlay *overlay, u64 offset, struct blk_vector *vector,
                    u64 size_bytes)
{
    overlay_make_room(overlay);
    if (overlay->spilled) {
        int failed = blk_file_write(&overlay->file, offset, vector, size_bytes);
        if (failed != 0) {
            return failed;
        }
    } else {
        blk_vector_get(vector, overlay->bytes + offset, size_bytes);
    }
    for (u64 at = offset / BLK_CLUSTER_BYTES; at * BLK_CLUSTER_BYTES < offset + size_bytes; at++) {
        overlay_add(overlay, at);
    }
    return 0;
}

int blk_overlay_put_bytes(struct blk_overlay *overlay, u64 offset, const void *bytes,
                          u64 size_bytes)
{
    struct iovec one = {(void *)(uintptr_t)bytes, size_bytes};
    return blk_overlay_put(overlay, offset, &(struct blk_vector){&one, 1}, size_bytes);
}

/* Clusters without memory or room on the host's disk, which are zeros. */
static int overlay_drop(struct blk_overlay *overlay, u64 first_cluster, u64 count)
{
    u64 offset = first_cluster * BLK_CLUSTER_BYTES, size_bytes = count * BLK_CLUSTER_BYTES;
    if (overlay->spilled) {
        return blk_file_zero(&overlay->file, offset, size_bytes, true);
    }
    if (count > 0) {
        madvise(overlay->bytes + offset, size_bytes, MADV_DONTNEED);
    }
    return 0;
}

int blk_overlay_zero(struct blk_overlay *overlay, u64 first_cluster, u64 count)
{
    u64 end = first_cluster + count;
    int failed = overlay_drop(overlay, first_cluster, count);
    for (u64 at = first_cluster; failed == 0 && at < end;) {
        if (at % 64 == 0 && end - at >= 64) {
            overlay->used_clusters += 64 - (u64)__builtin_popcountll(overlay->present[at / 64]);
            overlay->present[at / 64] = UINT64_MAX;
            at += 64;
        } else {
            overlay_add(overlay, at++);
        }
    }
    return failed;
}

int blk_overlay_blank(struct blk_overlay *overlay, u64 first_cluster, u64 count)
{
    u64 end = first_cluster + count;
    int failed = 0;
    for (u64 at = overlay_next(overlay, first_cluster); failed == 0 && at < end;
         at = overlay_next(overlay, at)) {
        u64 run = 1;
        while (at + run < end && blk_overlay_has(overlay, at + run)) {
            run++;
        }
        failed = overlay_drop(overlay, at, run);
        at += run;
    }
    return failed;
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

u64 blk_overlay_part(const struct blk_overlay *overlay, u64 *offset, u64 limit)
{
    u64 cluster = overlay_next(overlay, *offset / BLK_CLUSTER_BYTES);
    if (cluster == UINT64_MAX) {
        return 0;
    }
    *offset = cluster * BLK_CLUSTER_BYTES;
    u64 left = overlay->size_bytes - *offset;
    return blk_overlay_run(overlay, *offset, left < limit ? left : limit);
}

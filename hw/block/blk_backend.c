/* See blk_backend.h. */
#include "hw/block/blk_backend.h"

#include "cpu/base/bits.h"
#include "hw/block/blk_overlay_file.h"
#include "hw/block/blk_private.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Opening ---- */

struct blk_backend *blk_backend_open(const struct blk_disk *disk, struct metic_error *error)
{
    struct blk_backend *backend = calloc(1, sizeof(*backend));
    if (backend == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    pthread_rwlock_init(&backend->lock, NULL);
    backend->overlay.file.fd = -1;
    backend->overlay_file = disk->overlay_path != NULL;
    backend->mode = backend->overlay_file ? BLK_WRITE_BACK : disk->mode;
    struct blk_open how = {.path = disk->path, .format = disk->format,
                           .writable = disk->mode == BLK_WRITE_BACK};
    backend->image = backend->overlay_file ? blk_overlay_file_open(disk->overlay_path, disk->path,
                                                                   disk->format, error)
                                           : blk_image_open(&how, error);
    if (backend->image == NULL ||
        (backend->mode == BLK_OVERLAY &&
         !blk_overlay_init(&backend->overlay, backend->image->size_bytes, disk->spill_folder,
                           disk->overlay_memory_bytes, error))) {
        blk_backend_close(backend);
        return NULL;
    }
    snprintf(backend->spill_note, sizeof(backend->spill_note),
             "what the guest wrote takes more than %llu MiB and is in %s, in a file without a name",
             (unsigned long long)(disk->overlay_memory_bytes >> 20),
             disk->spill_folder != NULL ? disk->spill_folder : "");
    return backend;
}

void blk_backend_close(struct blk_backend *backend)
{
    if (backend == NULL) {
        return;
    }
    blk_overlay_fini(&backend->overlay);
    blk_image_close(backend->image);
    pthread_rwlock_destroy(&backend->lock);
    free(backend);
}

u64 blk_backend_size_bytes(const struct blk_backend *backend)
{
    return backend->image->size_bytes;
}

bool blk_backend_is_writable(const struct blk_backend *backend)
{
    return backend->mode != BLK_READ_ONLY;
}

u64 blk_backend_good_bytes(const struct blk_backend *backend)
{
    u64 good_bytes = backend->mode == BLK_OVERLAY ? 0 : backend->image->good_bytes;
    return good_bytes > BLK_CLUSTER_BYTES ? good_bytes : BLK_CLUSTER_BYTES;
}

const char *blk_backend_trouble(const struct blk_backend *backend)
{
    const char *trouble = backend->image->trouble;
    return trouble[0] == '\0' && backend->overlay.spilled ? backend->spill_note : trouble;
}

u64 blk_backend_overlay_bytes(const struct blk_backend *backend)
{
    return backend->overlay.used_clusters * BLK_CLUSTER_BYTES;
}

/* ---- The overlay in memory ---- */

static int overlay_read(struct blk_backend *backend, u64 offset, struct blk_vector *vector,
                        u64 size_bytes)
{
    struct blk_overlay *overlay = &backend->overlay;
    struct blk_image *image = backend->image;
    int failed = 0;
    while (failed == 0 && size_bytes > 0) {
        u64 run = blk_overlay_run(overlay, offset, size_bytes);
        if (blk_overlay_has(overlay, offset / BLK_CLUSTER_BYTES)) {
            failed = blk_overlay_get(overlay, offset, vector, run);
        } else {
            failed = image->driver->read(image, offset, vector, run);
        }
        offset += run;
        size_bytes -= run;
    }
    return failed;
}

/* Brings the cluster into the overlay, when the write to come leaves part of it as it was. */
static int overlay_take(struct blk_backend *backend, u64 cluster)
{
    struct blk_overlay *overlay = &backend->overlay;
    u64 offset = cluster * BLK_CLUSTER_BYTES;
    if (blk_overlay_has(overlay, cluster)) {
        return 0;
    }
    u8 bytes[BLK_CLUSTER_BYTES] = {0};
    u64 left = backend->image->size_bytes - offset;
    int failed = blk_image_read(backend->image, offset, bytes,
                                left < BLK_CLUSTER_BYTES ? left : BLK_CLUSTER_BYTES);
    return failed != 0 ? failed
                       : blk_overlay_put_bytes(overlay, offset, bytes, BLK_CLUSTER_BYTES);
}

static int overlay_take_edges(struct blk_backend *backend, u64 offset, u64 size_bytes)
{
    u64 end = offset + size_bytes;
    int failed = 0;
    if (offset % BLK_CLUSTER_BYTES != 0) {
        failed = overlay_take(backend, offset / BLK_CLUSTER_BYTES);
    }
    if (failed == 0 && end % BLK_CLUSTER_BYTES != 0) {
        failed = overlay_take(backend, end / BLK_CLUSTER_BYTES);
    }
    return failed;
}

static int overlay_write(struct blk_backend *backend, u64 offset, struct blk_vector *vector,
                         u64 size_bytes)
{
    int failed = overlay_take_edges(backend, offset, size_bytes);
    return failed != 0 ? failed
                       : blk_overlay_put(&backend->overlay, offset, vector, size_bytes);
}

/* Whole clusters; those that read as zeros already stay out of the overlay, so that a large disk
 * that is zeroed costs nothing. */
static int overlay_zero_clusters(struct blk_backend *backend, u64 first, u64 last)
{
    while (first < last) {
        enum blk_content content = BLK_CONTENT_DATA;
        u64 run_bytes = 0;
        u64 offset = first * BLK_CLUSTER_BYTES, end = last * BLK_CLUSTER_BYTES;
        int failed = blk_image_look_down(backend->image, offset, end - offset, &content,
                                         &run_bytes);
        if (failed != 0) {
            return failed;
        }
        u64 count = run_bytes / BLK_CLUSTER_BYTES;
        if (content == BLK_CONTENT_ZEROS && count > 0) {
            failed = blk_overlay_blank(&backend->overlay, first, count);
        } else {
            count = count > 0 ? count : 1;
            failed = blk_overlay_zero(&backend->overlay, first, count);
        }
        if (failed != 0) {
            return failed;
        }
        first += count;
    }
    return 0;
}

static int overlay_write_zeroes(struct blk_backend *backend, u64 offset, u64 size_bytes)
{
    static const u8 zeros[BLK_CLUSTER_BYTES];
    struct blk_overlay *overlay = &backend->overlay;
    u64 end = offset + size_bytes;
    u64 first = bits_align_up(offset, BLK_CLUSTER_BYTES);
    u64 last = bits_align_down(end, BLK_CLUSTER_BYTES);
    int failed = overlay_take_edges(backend, offset, size_bytes);
    if (failed == 0 && first > last) { /* inside one cluster */
        return blk_overlay_put_bytes(overlay, offset, zeros, size_bytes);
    }
    if (failed == 0 && first > offset) {
        failed = blk_overlay_put_bytes(overlay, offset, zeros, first - offset);
    }
    if (failed == 0 && end > last) {
        failed = blk_overlay_put_bytes(overlay, last, zeros, end - last);
    }
    return failed != 0 ? failed
                       : overlay_zero_clusters(backend, first / BLK_CLUSTER_BYTES,
                                               last / BLK_CLUSTER_BYTES);
}

/* ---- Requests ---- */

int blk_backend_read(struct blk_backend *backend, u64 offset, struct iovec *vector,
                     unsigned count)
{
    struct blk_vector parts = {vector, count};
    struct blk_image *image = backend->image;
    u64 size_bytes = blk_vector_bytes(vector, count);
    CHECK(offset + size_bytes <= image->size_bytes);
    if (backend->mode != BLK_OVERLAY) {
        return image->driver->read(image, offset, &parts, size_bytes);
    }
    pthread_rwlock_rdlock(&backend->lock);
    int failed = overlay_read(backend, offset, &parts, size_bytes);
    pthread_rwlock_unlock(&backend->lock);
    return failed;
}

int blk_backend_write(struct blk_backend *backend, u64 offset, struct iovec *vector,
                      unsigned count)
{
    struct blk_vector parts = {vector, count};
    struct blk_image *image = backend->image;
    u64 size_bytes = blk_vector_bytes(vector, count);
    CHECK(offset + size_bytes <= image->size_bytes);
    if (backend->mode != BLK_OVERLAY) {
        return backend->mode == BLK_READ_ONLY
                   ? EROFS : image->driver->write(image, offset, &parts, size_bytes);
    }
    pthread_rwlock_wrlock(&backend->lock);
    int failed = overlay_write(backend, offset, &parts, size_bytes);
    pthread_rwlock_unlock(&backend->lock);
    return failed;
}

int blk_backend_flush(struct blk_backend *backend)
{
    struct blk_image *image = backend->image;
    return backend->mode == BLK_WRITE_BACK ? image->driver->flush(image) : 0;
}

int blk_backend_write_zeroes(struct blk_backend *backend, u64 offset, u64 size_bytes, bool unmap)
{
    struct blk_image *image = backend->image;
    CHECK(offset + size_bytes <= image->size_bytes);
    if (size_bytes == 0) {
        return 0;
    }
    if (backend->mode != BLK_OVERLAY) {
        return backend->mode == BLK_READ_ONLY
                   ? EROFS : image->driver->zero(image, offset, size_bytes, unmap);
    }
    pthread_rwlock_wrlock(&backend->lock);
    int failed = overlay_write_zeroes(backend, offset, size_bytes);
    pthread_rwlock_unlock(&backend->lock);
    return failed;
}

int blk_backend_discard(struct blk_backend *backend, u64 offset, u64 size_bytes)
{
    struct blk_image *image = backend->image;
    CHECK(offset + size_bytes <= image->size_bytes);
    if (size_bytes == 0) {
        return 0;
    }
    if (backend->mode != BLK_OVERLAY) {
        return backend->mode == BLK_READ_ONLY
                   ? EROFS : image->driver->discard(image, offset, size_bytes);
    }
    u64 first = (offset + BLK_CLUSTER_BYTES - 1) / BLK_CLUSTER_BYTES;
    u64 last = (offset + size_bytes) / BLK_CLUSTER_BYTES;
    pthread_rwlock_wrlock(&backend->lock);
    int failed = first < last ? blk_overlay_blank(&backend->overlay, first, last - first) : 0;
    pthread_rwlock_unlock(&backend->lock);
    return failed;
}

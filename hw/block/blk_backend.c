/* See blk_backend.h. */
#include "hw/block/blk_backend.h"

#include "cpu/base/bits.h"
#include "hw/block/blk_overlay.h"
#include "hw/block/blk_overlay_file.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct blk_backend {
    struct blk_image *image;
    enum blk_mode mode;
    bool overlay_file; /* the image is an overlay that was asked for */
    pthread_rwlock_t lock; /* around the overlay in memory */
    struct blk_overlay overlay;
};

/* ---- Opening ---- */

struct blk_backend *blk_backend_open(const struct blk_disk *disk, struct metic_error *error)
{
    struct blk_backend *backend = calloc(1, sizeof(*backend));
    if (backend == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    pthread_rwlock_init(&backend->lock, NULL);
    backend->overlay_file = disk->overlay_path != NULL;
    backend->mode = backend->overlay_file ? BLK_WRITE_BACK : disk->mode;
    struct blk_open how = {.path = disk->path, .format = disk->format,
                           .writable = disk->mode == BLK_WRITE_BACK};
    backend->image = backend->overlay_file ? blk_overlay_file_open(disk->overlay_path, disk->path,
                                                                   disk->format, error)
                                           : blk_image_open(&how, error);
    if (backend->image == NULL ||
        (backend->mode == BLK_OVERLAY &&
         !blk_overlay_init(&backend->overlay, backend->image->size_bytes, error))) {
        blk_backend_close(backend);
        return NULL;
    }
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
    return backend->image->trouble;
}

u64 blk_backend_overlay_bytes(const struct blk_backend *backend)
{
    return backend->overlay.used_clusters * BLK_CLUSTER_BYTES;
}

/* ---- The overlay in memory ---- */

/* How many bytes from `offset` on, at most `limit`, are alike: all in the overlay or all not. */
static u64 overlay_run(const struct blk_overlay *overlay, u64 offset, u64 limit)
{
    bool here = blk_overlay_has(overlay, offset / BLK_CLUSTER_BYTES);
    u64 run = BLK_CLUSTER_BYTES - offset % BLK_CLUSTER_BYTES;
    while (run < limit &&
           blk_overlay_has(overlay, (offset + run) / BLK_CLUSTER_BYTES) == here) {
        run += BLK_CLUSTER_BYTES;
    }
    return run < limit ? run : limit;
}

static int overlay_read(struct blk_backend *backend, u64 offset, struct blk_vector *vector,
                        u64 size_bytes)
{
    struct blk_overlay *overlay = &backend->overlay;
    struct blk_image *image = backend->image;
    int failed = 0;
    while (failed == 0 && size_bytes > 0) {
        u64 run = overlay_run(overlay, offset, size_bytes);
        if (blk_overlay_has(overlay, offset / BLK_CLUSTER_BYTES)) {
            blk_vector_put(vector, overlay->bytes + offset, run);
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
    u64 left = backend->image->size_bytes - offset;
    int failed = blk_image_read(backend->image, offset, overlay->bytes + offset,
                                left < BLK_CLUSTER_BYTES ? left : BLK_CLUSTER_BYTES);
    if (failed == 0) {
        blk_overlay_add(overlay, cluster);
    }
    return failed;
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
    struct blk_overlay *overlay = &backend->overlay;
    int failed = overlay_take_edges(backend, offset, size_bytes);
    if (failed != 0) {
        return failed;
    }
    blk_vector_get(vector, overlay->bytes + offset, size_bytes);
    for (u64 at = offset / BLK_CLUSTER_BYTES; at * BLK_CLUSTER_BYTES < offset + size_bytes; at++) {
        blk_overlay_add(overlay, at);
    }
    return 0;
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
            blk_overlay_blank(&backend->overlay, first, count);
        } else {
            count = count > 0 ? count : 1;
            blk_overlay_zero(&backend->overlay, first, count);
        }
        first += count;
    }
    return 0;
}

static int overlay_write_zeroes(struct blk_backend *backend, u64 offset, u64 size_bytes)
{
    struct blk_overlay *overlay = &backend->overlay;
    u64 end = offset + size_bytes;
    u64 first = bits_align_up(offset, BLK_CLUSTER_BYTES);
    u64 last = bits_align_down(end, BLK_CLUSTER_BYTES);
    int failed = overlay_take_edges(backend, offset, size_bytes);
    if (failed != 0) {
        return failed;
    }
    if (first >= last) {
        memset(overlay->bytes + offset, 0, size_bytes);
        return 0;
    }
    memset(overlay->bytes + offset, 0, first - offset);
    memset(overlay->bytes + last, 0, end - last);
    return overlay_zero_clusters(backend, first / BLK_CLUSTER_BYTES, last / BLK_CLUSTER_BYTES);
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
    if (first < last) {
        blk_overlay_blank(&backend->overlay, first, last - first);
    }
    pthread_rwlock_unlock(&backend->lock);
    return 0;
}

/* ---- Saved state ----
 *
 * u64 size, u64 stamp of the image that was read, u64 kind (0: nothing more, 1: in memory, 2: in a
 * file), and then { u64 offset, u64 bytes, u64 whether data follows, data } up to an offset of
 * UINT64_MAX. */

enum { SAVED_NOTHING, SAVED_MEMORY, SAVED_FILE, SAVED_PART_BYTES = 1 << 20 };

static u64 saved_kind(const struct blk_backend *backend)
{
    return backend->mode == BLK_OVERLAY ? SAVED_MEMORY
           : backend->overlay_file      ? SAVED_FILE
                                        : SAVED_NOTHING;
}

/* Changes when the image's file does. */
static u64 backend_stamp(const struct blk_backend *backend)
{
    const struct blk_image *image = backend->image;
    struct stat info;
    image = backend->overlay_file ? image->backing : image;
    if (image == NULL || saved_kind(backend) == SAVED_NOTHING ||
        fstat(image->file.fd, &info) != 0) {
        return 0;
    }
    return (u64)info.st_mtim.tv_sec * 1000000000u + (u64)info.st_mtim.tv_nsec;
}

static void save_part(struct state_writer *writer, u64 offset, u64 size_bytes, const u8 *bytes)
{
    state_write_u64(writer, offset);
    state_write_u64(writer, size_bytes);
    state_write_u64(writer, bytes != NULL);
    if (bytes != NULL) {
        state_write_bytes(writer, bytes, size_bytes);
    }
}

static void save_memory(const struct blk_overlay *overlay, struct state_writer *writer)
{
    for (u64 at = blk_overlay_next(overlay, 0); at != UINT64_MAX;
         at = blk_overlay_next(overlay, at)) {
        u64 run = overlay_run(overlay, at * BLK_CLUSTER_BYTES, SAVED_PART_BYTES);
        u64 left = overlay->size_bytes - at * BLK_CLUSTER_BYTES;
        run = run < left ? run : left;
        save_part(writer, at * BLK_CLUSTER_BYTES, run, overlay->bytes + at * BLK_CLUSTER_BYTES);
        at += run / BLK_CLUSTER_BYTES;
    }
}

/* What the overlay's file itself has; a part that cannot be read fails the save. */
static void save_file(struct blk_image *image, struct state_writer *writer)
{
    u8 *bytes = malloc(SAVED_PART_BYTES);
    int failed = bytes == NULL ? ENOMEM : 0;
    u64 run_bytes = 0;
    for (u64 at = 0; failed == 0 && at < image->size_bytes; at += run_bytes) {
        enum blk_content content = BLK_CONTENT_ABSENT;
        failed = image->driver->look(image, at, image->size_bytes - at, &content, &run_bytes);
        if (failed == 0 && content == BLK_CONTENT_DATA) {
            run_bytes = run_bytes < SAVED_PART_BYTES ? run_bytes : SAVED_PART_BYTES;
            failed = blk_image_read(image, at, bytes, run_bytes);
        }
        if (failed == 0 && content != BLK_CONTENT_ABSENT) {
            save_part(writer, at, run_bytes, content == BLK_CONTENT_DATA ? bytes : NULL);
        }
    }
    free(bytes);
    writer->failed |= failed != 0;
}

void blk_backend_save(struct blk_backend *backend, struct state_writer *writer)
{
    u64 kind = saved_kind(backend);
    state_write_u64(writer, backend->image->size_bytes);
    state_write_u64(writer, backend_stamp(backend));
    state_write_u64(writer, kind);
    if (kind == SAVED_MEMORY) {
        save_memory(&backend->overlay, writer);
    } else if (kind == SAVED_FILE) {
        save_file(backend->image, writer);
    }
    if (kind != SAVED_NOTHING) {
        state_write_u64(writer, UINT64_MAX);
    }
}

static bool load_memory_part(struct blk_overlay *overlay, struct state_reader *reader, u64 offset,
                             u64 size_bytes, bool data)
{
    if (!data || offset % BLK_CLUSTER_BYTES != 0 || size_bytes % BLK_CLUSTER_BYTES != 0 ||
        offset > overlay->size_bytes || size_bytes > overlay->size_bytes - offset ||
        !state_read_bytes(reader, overlay->bytes + offset, size_bytes)) {
        return false;
    }
    for (u64 at = 0; at < size_bytes; at += BLK_CLUSTER_BYTES) {
        blk_overlay_add(overlay, (offset + at) / BLK_CLUSTER_BYTES);
    }
    return true;
}

static bool load_file_part(struct blk_image *image, struct state_reader *reader, u64 offset,
                           u64 size_bytes, bool data)
{
    if (offset > image->size_bytes || size_bytes > image->size_bytes - offset) {
        return false;
    }
    if (!data) {
        return image->driver->zero(image, offset, size_bytes, true) == 0;
    }
    if (size_bytes > reader->size_bytes - reader->position) {
        return false;
    }
    int failed = blk_image_write(image, offset, reader->bytes + reader->position, size_bytes);
    reader->position += size_bytes;
    return failed == 0;
}

static bool load_parts(struct blk_backend *backend, struct state_reader *reader)
{
    struct blk_image *image = backend->image;
    u64 offset, size_bytes, data;
    if (!backend->overlay_file) {
        blk_overlay_clear(&backend->overlay);
    } else if (image->driver->clear == NULL || image->driver->clear(image) != 0) {
        return false;
    }
    while (state_read_u64(reader, &offset)) {
        if (offset == UINT64_MAX) {
            return true;
        }
        bool ok = state_read_u64(reader, &size_bytes) && state_read_u64(reader, &data) &&
                  data <= 1 &&
                  (backend->overlay_file
                       ? load_file_part(image, reader, offset, size_bytes, data != 0)
                       : load_memory_part(&backend->overlay, reader, offset, size_bytes,
                                          data != 0));
        if (!ok) {
            return false;
        }
    }
    return false;
}

bool blk_backend_load(struct blk_backend *backend, struct state_reader *reader,
                      struct metic_error *error)
{
    u64 size_bytes = 0, stamp = 0, kind = 0;
    if (!state_read_u64(reader, &size_bytes) || !state_read_u64(reader, &stamp) ||
        !state_read_u64(reader, &kind) || size_bytes != backend->image->size_bytes) {
        return error_set(error, "Give the disk the machine was saved with.",
                         "the saved state is of a disk of %llu bytes, not of %llu",
                         (unsigned long long)size_bytes,
                         (unsigned long long)backend->image->size_bytes);
    }
    if (kind != saved_kind(backend)) {
        return error_set(error, "Give the disk the options it was saved with.",
                         "the saved state of %s is of a disk written in another way",
                         backend->image->path);
    }
    if (stamp != backend_stamp(backend)) {
        return error_set(error, "Restore the image as it was, or begin anew.",
                         "the image under %s has changed since the state was saved",
                         backend->image->path);
    }
    if (kind != SAVED_NOTHING && !load_parts(backend, reader)) {
        return error_set(error, NULL, "the saved overlay of a disk is damaged");
    }
    return true;
}

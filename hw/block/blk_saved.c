/* Saved state of a disk (blk_backend.h). */
#include "hw/block/blk_private.h"

#include "cpu/base/bits.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* u64 size, u64 stamp of the image that was read, u64 kind (0: nothing more, 1: an overlay in
 * memory, 2: one in a file, 3: the image itself), and then { u64 offset, u64 bytes, u64 whether
 * data follows, data } up to an offset of UINT64_MAX. */

enum {
    SAVED_NOTHING,
    SAVED_MEMORY,
    SAVED_FILE,
    SAVED_WHOLE,
    SAVED_PART_BYTES = 1 << 16,
};

static u64 saved_kind(const struct blk_backend *backend)
{
    return backend->mode == BLK_OVERLAY       ? SAVED_MEMORY
           : backend->overlay_file            ? SAVED_FILE
           : backend->mode == BLK_WRITE_BACK ? SAVED_WHOLE
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

/* What is written from now on gets a later stamp. The host's file times move in steps, with the
 * ticks of its clock. */
static void wait_for_later_stamp(const struct blk_backend *backend)
{
    const struct timespec step = {.tv_nsec = 1000000};
    u64 stamp = backend_stamp(backend);
    for (unsigned i = 0; i < 50; i++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        if ((u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec > stamp) {
            return;
        }
        nanosleep(&step, NULL);
    }
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

static void save_memory(struct blk_overlay *overlay, struct state_writer *writer)
{
    u8 *bytes = malloc(SAVED_PART_BYTES);
    int failed = bytes == NULL ? ENOMEM : 0;
    u64 offset = 0, run;
    while (failed == 0 && (run = blk_overlay_part(overlay, &offset, SAVED_PART_BYTES)) != 0) {
        failed = blk_overlay_get_bytes(overlay, offset, bytes, run);
        if (failed == 0) {
            save_part(writer, offset, run, bytes);
        }
        offset += run;
    }
    free(bytes);
    writer->failed |= failed != 0;
}

/* What the image's file itself has; a part that cannot be read fails the save. */
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
            bool data = content == BLK_CONTENT_DATA && !bytes_are_all(bytes, run_bytes, 0);
            save_part(writer, at, run_bytes, data ? bytes : NULL);
        }
    }
    free(bytes);
    writer->failed |= failed != 0;
}

void blk_backend_save(struct blk_backend *backend, struct state_writer *writer)
{
    u64 kind = saved_kind(backend);
    struct blk_image *image = backend->image;
    if (kind == SAVED_WHOLE) {
        /* Else the image would be changed later, by what is still to be written. */
        writer->failed |= image->driver->flush(image) != 0;
        wait_for_later_stamp(backend);
    }
    state_write_u64(writer, image->size_bytes);
    state_write_u64(writer, backend_stamp(backend));
    state_write_u64(writer, kind);
    if (kind == SAVED_MEMORY) {
        save_memory(&backend->overlay, writer);
    } else if (kind != SAVED_NOTHING) {
        save_file(image, writer);
    }
    if (kind != SAVED_NOTHING) {
        state_write_u64(writer, UINT64_MAX);
    }
}

static bool load_memory_part(struct blk_overlay *overlay, struct state_reader *reader, u64 offset,
                             u64 size_bytes, bool data)
{
    if (!data || offset % BLK_CLUSTER_BYTES != 0 || size_bytes % BLK_CLUSTER_BYTES != 0 ||
        offset > overlay->size_bytes || size_bytes > overlay->size_bytes - offset) {
        return false;
    }
    int failed = blk_overlay_put_bytes(overlay, offset, reader->bytes + reader->position,
                                       size_bytes);
    reader->position += size_bytes;
    return failed == 0;
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
    int failed = blk_image_write(image, offset, reader->bytes + reader->position, size_bytes);
    reader->position += size_bytes;
    return failed == 0;
}

/* What the image's file has of its own goes: with a backing image it is as that, else zeros. */
static bool clear_file(struct blk_image *image)
{
    return image->driver->clear != NULL
               ? image->driver->clear(image) == 0
               : image->driver->zero(image, 0, image->size_bytes, true) == 0;
}

static bool load_part(struct blk_backend *backend, struct state_reader *reader, u64 offset,
                      u64 size_bytes, bool data)
{
    return saved_kind(backend) == SAVED_MEMORY
               ? load_memory_part(&backend->overlay, reader, offset, size_bytes, data)
               : load_file_part(backend->image, reader, offset, size_bytes, data);
}

/* Reads the parts up to their end, and puts them where they belong, or only looks whether they can
 * be read. */
static bool read_parts(struct blk_backend *backend, struct state_reader *reader, bool put)
{
    u64 offset, size_bytes, data;
    while (state_read_u64(reader, &offset)) {
        if (offset == UINT64_MAX) {
            return true;
        }
        if (!state_read_u64(reader, &size_bytes) || !state_read_u64(reader, &data) || data > 1 ||
            (data != 0 && size_bytes > reader->size_bytes - reader->position)) {
            return false;
        }
        if (!put) {
            reader->position += data != 0 ? size_bytes : 0;
        } else if (!load_part(backend, reader, offset, size_bytes, data != 0)) {
            return false;
        }
    }
    return false;
}

static bool load_parts(struct blk_backend *backend, struct state_reader *reader, bool as_saved)
{
    struct state_reader look = *reader;
    if (!read_parts(backend, &look, false)) {
        return false; /* a damaged state spoils no image */
    }
    if (as_saved) {
        *reader = look;
        return true;
    }
    if (saved_kind(backend) == SAVED_MEMORY) {
        blk_overlay_clear(&backend->overlay);
    } else if (!clear_file(backend->image)) {
        return false;
    }
    return read_parts(backend, reader, true);
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
    bool same = stamp == backend_stamp(backend);
    if (!same && kind != SAVED_WHOLE) {
        return error_set(error, "Restore the image as it was, or begin anew.",
                         "the image under %s has changed since the state was saved",
                         backend->image->path);
    }
    if (kind != SAVED_NOTHING && !load_parts(backend, reader, same && kind == SAVED_WHOLE)) {
        return error_set(error, NULL, "the saved contents of %s are damaged, or cannot be put back",
                         backend->image->path);
    }
    return true;
}

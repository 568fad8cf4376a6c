/* metic disk convert, commit, rebase, compare: what reads one image and writes or reads another. */
#include "hw/disk/disk_tool.h"

#include "cpu/base/bits.h"
#include "hw/block/blk_overlay_file.h"
#include "hw/block/qcow2.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct blk_image *disk_open(const char *path, enum metic_disk_format format, bool writable,
                                   bool no_backing, struct metic_error *error)
{
    struct blk_open open = {.path = path, .format = disk_format(format), .writable = writable,
                            .no_backing = no_backing};
    return blk_image_open(&open, error);
}

static u64 smaller(u64 a, u64 b)
{
    return a < b ? a : b;
}

/* ---- convert ---- */

enum { CONVERT_BLOCK_BYTES = 4096 };

/* Writes what is not zero of a chunk; the image reads as zeros so far. */
static int convert_write_sparse(struct blk_image *to, u64 offset, const u8 *bytes, u64 size_bytes)
{
    int failed = 0;
    for (u64 at = 0; failed == 0 && at < size_bytes;) {
        u64 run = smaller(CONVERT_BLOCK_BYTES, size_bytes - at);
        bool zero = bytes_are_all(bytes + at, run, 0);
        for (u64 next = run; next != 0;) {
            next = smaller(CONVERT_BLOCK_BYTES, size_bytes - at - run);
            next = bytes_are_all(bytes + at + run, next, 0) == zero ? next : 0;
            run += next;
        }
        failed = zero ? 0 : blk_image_write(to, offset + at, bytes + at, run);
        at += run;
    }
    return failed;
}

static int convert_write_packed(struct blk_image *to, u64 offset, u8 *bytes, u64 size_bytes)
{
    u64 cluster = qcow2_of(to)->cluster_bytes;
    int failed = 0;
    memset(bytes + size_bytes, 0, bits_align_up(size_bytes, cluster) - size_bytes);
    for (u64 at = 0; failed == 0 && at < size_bytes; at += cluster) {
        failed = bytes_are_all(bytes + at, cluster, 0)
                     ? 0 : qcow2_write_compressed(to, offset + at, bytes + at);
    }
    return failed;
}

/* Chunks begin on clusters of the new image. */
static int convert_all(struct blk_image *from, struct blk_image *to, bool compress, u8 *bytes,
                       u64 chunk_bytes, const struct blk_image **guilty)
{
    int failed = 0;
    u64 run_bytes = 0;
    for (u64 at = 0; failed == 0 && at < from->size_bytes; at += run_bytes) {
        enum blk_content content = BLK_CONTENT_DATA;
        u64 left = from->size_bytes - at;
        *guilty = from;
        failed = blk_image_look_down(from, at, left, &content, &run_bytes);
        if (failed == 0 && content == BLK_CONTENT_ZEROS && run_bytes >= chunk_bytes) {
            run_bytes = run_bytes == left ? left : bits_align_down(run_bytes, chunk_bytes);
            continue;
        }
        run_bytes = smaller(chunk_bytes, left);
        failed = failed != 0 ? failed : blk_image_read(from, at, bytes, run_bytes);
        if (failed == 0) {
            *guilty = to;
            failed = compress ? convert_write_packed(to, at, bytes, run_bytes)
                              : convert_write_sparse(to, at, bytes, run_bytes);
        }
    }
    if (failed == 0) {
        *guilty = to;
        failed = to->driver->flush(to);
    }
    return failed;
}

bool metic_disk_convert(const char *from_path, enum metic_disk_format from_format,
                        const char *to_path, const struct metic_disk_create *how, bool compress,
                        struct metic_error *error)
{
    if (compress && how->format == METIC_DISK_RAW) {
        return error_set(error, "Leave the format at qcow2.", "a raw image cannot be compressed");
    }
    bool is_new = access(to_path, F_OK) != 0;
    struct blk_image *from = disk_open(from_path, from_format, false, false, error);
    struct metic_disk_create create = *how;
    create.size_bytes = from != NULL ? from->size_bytes : 0;
    struct blk_image *to = from != NULL ? disk_make(to_path, &create, error) : NULL;
    u64 chunk_bytes = DISK_CHUNK_BYTES;
    if (to != NULL && qcow2_is(to) && qcow2_of(to)->cluster_bytes > chunk_bytes) {
        chunk_bytes = qcow2_of(to)->cluster_bytes;
    }
    bool ok = to != NULL;
    if (ok) {
        u8 *bytes = malloc(chunk_bytes);
        const struct blk_image *guilty = to;
        int failed = bytes == NULL ? ENOMEM
                                   : convert_all(from, to, compress, bytes, chunk_bytes, &guilty);
        ok = failed == 0 || disk_failed(error, guilty == to ? "write" : "read", guilty, failed);
        free(bytes);
    }
    blk_image_close(to);
    blk_image_close(from);
    if (to != NULL && !ok && is_new) {
        unlink(to_path);
    }
    return ok;
}

/* ---- commit ---- */

static int commit_all(struct blk_image *top, struct blk_image *under, u8 *bytes,
                      const struct blk_image **guilty)
{
    int failed = 0;
    u64 run_bytes = 0;
    for (u64 at = 0; failed == 0 && at < top->size_bytes; at += run_bytes) {
        enum blk_content content = BLK_CONTENT_ABSENT;
        *guilty = top;
        failed = top->driver->look(top, at, top->size_bytes - at, &content, &run_bytes);
        if (failed == 0 && content == BLK_CONTENT_DATA) {
            run_bytes = smaller(run_bytes, DISK_CHUNK_BYTES);
            failed = blk_image_read(top, at, bytes, run_bytes);
            *guilty = failed == 0 ? under : top;
            failed = failed != 0 ? failed : blk_image_write(under, at, bytes, run_bytes);
        } else if (failed == 0 && content == BLK_CONTENT_ZEROS) {
            *guilty = under;
            failed = under->driver->zero(under, at, run_bytes, true);
        }
    }
    if (failed == 0) {
        *guilty = under;
        failed = under->driver->flush(under);
    }
    return failed;
}

/* What was copied is on the disk before the overlay forgets it. */
static bool commit_into(struct blk_image *top, struct blk_image *under, struct metic_error *error)
{
    u8 *bytes = malloc(DISK_CHUNK_BYTES);
    const struct blk_image *guilty = top;
    bool ok = under->size_bytes >= top->size_bytes ||
              under->driver->resize(under, top->size_bytes, error);
    if (ok) {
        int failed = bytes == NULL ? ENOMEM : commit_all(top, under, bytes, &guilty);
        failed = failed != 0 ? failed : top->driver->clear(top);
        failed = failed != 0 ? failed : top->driver->flush(top);
        ok = failed == 0 || disk_failed(error, "write", guilty, failed);
    }
    free(bytes);
    return ok;
}

bool metic_disk_commit(const char *path, struct metic_error *error)
{
    struct blk_image *top = disk_open(path, METIC_DISK_QCOW2, true, true, error);
    if (top == NULL) {
        return false;
    }
    if (top->backing_name == NULL) {
        blk_image_close(top);
        return error_set(error, "Nothing has to be done.", "%s lies over no other image", path);
    }
    enum blk_format format = BLK_FORMAT_AUTO;
    if (top->backing_format != NULL) {
        blk_format_find(top->backing_format, &format);
    }
    char *name = blk_image_backing_path(path, top->backing_name);
    struct blk_open open = {.path = name, .format = format, .writable = true};
    struct blk_image *under = name != NULL ? blk_image_open(&open, error) : NULL;
    bool ok = under != NULL && commit_into(top, under, error);
    blk_image_close(under);
    blk_image_close(top);
    free(name);
    return ok;
}

/* ---- rebase ---- */

/* Reads from an image that may be shorter, or not there. */
static int read_or_zero(struct blk_image *image, u64 offset, u8 *bytes, u64 size_bytes)
{
    u64 end = image != NULL ? image->size_bytes : 0;
    u64 inside = offset >= end ? 0 : smaller(size_bytes, end - offset);
    memset(bytes + inside, 0, size_bytes - inside);
    return inside != 0 ? blk_image_read(image, offset, bytes, inside) : 0;
}

/* Whatever would read differently over the new image goes into the overlay. */
static int rebase_keep(struct blk_image *top, struct blk_image *under, u8 *bytes)
{
    u8 *other = bytes + DISK_CHUNK_BYTES;
    int failed = 0;
    u64 run_bytes = 0;
    for (u64 at = 0; failed == 0 && at < top->size_bytes; at += run_bytes) {
        enum blk_content content = BLK_CONTENT_ABSENT;
        failed = top->driver->look(top, at, top->size_bytes - at, &content, &run_bytes);
        if (failed != 0 || content != BLK_CONTENT_ABSENT) {
            continue;
        }
        run_bytes = smaller(run_bytes, DISK_CHUNK_BYTES - at % DISK_CHUNK_BYTES);
        failed = read_or_zero(top, at, bytes, run_bytes);
        failed = failed != 0 ? failed : read_or_zero(under, at, other, run_bytes);
        for (u64 part = 0; failed == 0 && part < run_bytes; part += CONVERT_BLOCK_BYTES) {
            u64 part_bytes = smaller(CONVERT_BLOCK_BYTES, run_bytes - part);
            if (memcmp(bytes + part, other + part, part_bytes) != 0) {
                failed = blk_image_write(top, at + part, bytes + part, part_bytes);
            }
        }
    }
    return failed != 0 ? failed : top->driver->flush(top);
}

static bool rebase_onto(struct blk_image *top, struct blk_image *under, const char *backing,
                        bool unsafe, struct metic_error *error)
{
    int failed = 0;
    if (!unsafe) {
        u8 *bytes = malloc(2 * DISK_CHUNK_BYTES);
        failed = bytes == NULL ? ENOMEM : rebase_keep(top, under, bytes);
        free(bytes);
    }
    if (failed != 0) {
        return disk_failed(error, "write", top, failed);
    }
    char *name = backing != NULL ? blk_overlay_file_name_under(top->path, backing) : NULL;
    if (backing != NULL && name == NULL) {
        return error_set(error, "Check the path.", "cannot find %s: %s", backing, strerror(errno));
    }
    const char *format = under != NULL ? under->driver->name : NULL;
    bool ok = top->driver->set_backing(top, name, format, error);
    free(name);
    return ok;
}

bool metic_disk_rebase(const char *path, const char *backing,
                       enum metic_disk_format backing_format, bool unsafe,
                       struct metic_error *error)
{
    struct blk_image *top = disk_open(path, METIC_DISK_QCOW2, true, unsafe, error);
    if (top == NULL) {
        return false;
    }
    struct blk_image *under = backing != NULL
                                  ? disk_open(backing, backing_format, false, false, error) : NULL;
    bool ok = (backing == NULL || under != NULL) && rebase_onto(top, under, backing, unsafe, error);
    blk_image_close(under);
    blk_image_close(top);
    return ok;
}

/* ---- compare ---- */

static int compare_all(struct blk_image *first, struct blk_image *second, u8 *bytes,
                       u64 *same_bytes, const struct blk_image **guilty)
{
    u8 *other = bytes + DISK_CHUNK_BYTES;
    u64 end = first->size_bytes > second->size_bytes ? first->size_bytes : second->size_bytes;
    for (u64 at = 0; at < end; at += DISK_CHUNK_BYTES) {
        u64 size_bytes = smaller(DISK_CHUNK_BYTES, end - at);
        *guilty = first;
        int failed = read_or_zero(first, at, bytes, size_bytes);
        if (failed == 0) {
            *guilty = second;
            failed = read_or_zero(second, at, other, size_bytes);
        }
        if (failed != 0) {
            return failed;
        }
        for (u64 i = 0; i < size_bytes; i++) {
            if (bytes[i] != other[i]) {
                *same_bytes = at + i;
                return 0;
            }
        }
    }
    *same_bytes = first->size_bytes == second->size_bytes
                      ? UINT64_MAX : smaller(first->size_bytes, second->size_bytes);
    return 0;
}

bool metic_disk_compare(const char *first_path, const char *second_path, uint64_t *same_bytes,
                        struct metic_error *error)
{
    struct blk_image *first = disk_open(first_path, METIC_DISK_AUTO, false, false, error);
    struct blk_image *second =
        first != NULL ? disk_open(second_path, METIC_DISK_AUTO, false, false, error) : NULL;
    bool ok = second != NULL;
    if (ok) {
        const struct blk_image *guilty = first;
        u8 *bytes = malloc(2 * DISK_CHUNK_BYTES);
        int failed = bytes == NULL ? ENOMEM
                                   : compare_all(first, second, bytes, same_bytes, &guilty);
        ok = failed == 0 || disk_failed(error, "read", guilty, failed);
        free(bytes);
    }
    blk_image_close(second);
    blk_image_close(first);
    return ok;
}

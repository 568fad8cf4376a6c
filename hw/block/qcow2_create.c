/* New qcow2 images, and other sizes for those there are. See qcow2.h.
 *
 * A new image has header, refcount table, one refcount block and one cluster of L1 table, in this
 * order; for a larger disk it is then resized as any image is. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CREATE_CLUSTERS = 4 };

static bool create_is_sane(const struct qcow2_create *how, const char *path,
                           struct metic_error *error)
{
    u64 cluster = how->cluster_bytes;
    unsigned bits = how->refcount_bits;
    if (cluster != 0 && (!bits_is_pow2(cluster) || cluster < 1u << QCOW2_MIN_CLUSTER_BITS ||
                         cluster > 1u << QCOW2_MAX_CLUSTER_BITS)) {
        return error_set(error, "Give a power of two from 512 to 2M.",
                         "%s cannot have clusters of %llu bytes", path,
                         (unsigned long long)cluster);
    }
    if (bits != 0 && (!bits_is_pow2(bits) || bits > 64)) {
        return error_set(error, "Give 1, 2, 4, 8, 16, 32 or 64.",
                         "%s cannot have refcounts of %u bits", path, bits);
    }
    if (how->version == 2 && ((bits != 0 && bits != 16) || how->compression != QCOW2_ZLIB ||
                              how->lazy_refcounts)) {
        return error_set(error, "Leave the version at 3.",
                         "version 2 of qcow2 has neither zstd nor lazy refcounts, and refcounts "
                         "of 16 bits only");
    }
    if (how->size_bytes == 0 || how->size_bytes > (u64)INT64_MAX / 2) {
        return error_set(error, "Give it a size, as 20G.", "%s cannot have %llu bytes", path,
                         (unsigned long long)how->size_bytes);
    }
    return true;
}

/* The fields of the image as it is first written. */
static void create_fields(struct qcow2 *q, const struct qcow2_create *how)
{
    q->version = how->version != 0 ? how->version : 3;
    q->cluster_bytes = how->cluster_bytes != 0 ? how->cluster_bytes : 1u << 16;
    q->cluster_bits = (unsigned)__builtin_ctzll(q->cluster_bytes);
    q->l2_bits = q->cluster_bits - 3;
    q->refcount_order = (unsigned)__builtin_ctz(how->refcount_bits != 0 ? how->refcount_bits : 16);
    q->header_bytes = q->version == 3 ? QCOW2_OUR_BYTES : QCOW2_V2_BYTES;
    q->compression = (u8)how->compression;
    q->incompatible = how->compression != QCOW2_ZLIB ? QCOW2_COMPRESSION : 0;
    q->compatible = how->lazy_refcounts ? QCOW2_LAZY_REFCOUNTS : 0;
    u64 table_bytes = q->cluster_bytes << q->l2_bits;
    u64 l1_count = (how->size_bytes + table_bytes - 1) / table_bytes;
    u64 room = q->cluster_bytes / 8;
    q->l1.count = l1_count < room ? l1_count : room;
    q->image.size_bytes = l1_count < room ? how->size_bytes : room * table_bytes;
    q->image.size_bytes =
        q->image.size_bytes < how->size_bytes ? q->image.size_bytes : how->size_bytes;
    q->reftable.offset = q->cluster_bytes;
    q->reftable.count = room;
    q->l1.offset = 3 * q->cluster_bytes;
}

static int create_write(struct qcow2 *q, struct blk_file *file, const struct qcow2_create *how)
{
    u8 *bytes = calloc(CREATE_CLUSTERS, q->cluster_bytes);
    int failed = bytes == NULL ? ENOMEM : 0;
    if (failed == 0 &&
        !qcow2_header_build(q, bytes, how->backing_name, how->backing_format)) {
        failed = ENAMETOOLONG;
    }
    if (failed == 0) {
        st_be64(bytes + q->cluster_bytes, 2 * q->cluster_bytes);
        for (u64 i = 0; i < CREATE_CLUSTERS; i++) {
            qcow2_refcount_write(bytes + 2 * q->cluster_bytes, i, q->refcount_order, 1);
        }
        failed = blk_file_write_bytes(file, 0, bytes, CREATE_CLUSTERS * q->cluster_bytes);
    }
    free(bytes);
    return failed != 0 ? failed : blk_file_sync(file);
}

bool qcow2_create(struct blk_file *file, const char *path, const struct qcow2_create *how,
                  struct metic_error *error)
{
    struct qcow2 q = {0};
    if (!create_is_sane(how, path, error)) {
        return false;
    }
    struct qcow2_create rounded = *how;
    rounded.size_bytes = bits_align_up(how->size_bytes, BLK_SECTOR_BYTES);
    create_fields(&q, &rounded);
    int failed = create_write(&q, file, &rounded);
    if (failed != 0) {
        return error_set(error,
                         failed == ENAMETOOLONG ? "Use a shorter path, or larger clusters."
                                                : "Look whether the host has room.",
                         "cannot write %s: %s", path, strerror(failed));
    }
    if (q.image.size_bytes == rounded.size_bytes) {
        return true;
    }
    struct blk_open open = {.path = path, .format = BLK_FORMAT_QCOW2, .writable = true,
                            .unlocked = true, .no_backing = true};
    struct blk_image *image = blk_image_open(&open, error);
    bool ok = image != NULL && qcow2_resize(image, rounded.size_bytes, error);
    blk_image_close(image);
    return ok;
}

/* ---- Other sizes ---- */

/* A longer L1 table, elsewhere. The header's two fields lie beside each other and change in one
 * write. */
static int resize_l1(struct qcow2 *q, u64 count)
{
    struct qcow2_root old = q->l1, root = {.count = count};
    u64 clusters = qcow2_clusters(q, count * 8);
    u64 *entries = calloc(clusters << q->l2_bits, sizeof(u64));
    u8 fields[12];
    int failed = entries == NULL ? ENOMEM : qcow2_alloc_metadata(q, clusters, &root.offset);
    for (u64 i = 0; failed == 0 && i < old.count; i++) {
        st_be64(&entries[i], old.entries[i]);
    }
    failed = failed != 0 ? failed : qcow2_sync(q);
    failed = failed != 0 ? failed
                         : blk_file_write_bytes(&q->image.file, root.offset, entries,
                                                clusters << q->cluster_bits);
    failed = failed != 0 ? failed : blk_file_sync(&q->image.file);
    st_be32(fields, (u32)count);
    st_be64(fields + 4, root.offset);
    failed = failed != 0 ? failed
                         : blk_file_write_bytes(&q->image.file, QCOW2_AT_L1_COUNT, fields,
                                                sizeof(fields));
    failed = failed != 0 ? failed : blk_file_sync(&q->image.file);
    if (failed != 0) {
        free(entries);
        return failed;
    }
    for (u64 i = 0; i < count; i++) {
        entries[i] = i < old.count ? old.entries[i] : 0;
    }
    root.entries = entries;
    q->l1 = root;
    free(old.entries);
    return qcow2_free_later(q, old.offset >> q->cluster_bits, qcow2_clusters(q, old.count * 8));
}

/* What lies behind the old end must read as zeros: the rest of its cluster, and what the backing
 * image has there. */
static int resize_zero(struct qcow2 *q, u64 from, u64 to)
{
    u64 end = bits_align_up(from, q->cluster_bytes);
    u64 backing_bytes = q->image.backing != NULL ? q->image.backing->size_bytes : 0;
    end = backing_bytes > end ? backing_bytes : end;
    end = end < to ? end : to;
    return end > from ? qcow2_zero(&q->image, from, end - from, true) : 0;
}

static int resize_grow(struct qcow2 *q, u64 size_bytes)
{
    u64 old_bytes = q->image.size_bytes;
    u64 table_bytes = q->cluster_bytes << q->l2_bits;
    u64 l1_count = (size_bytes + table_bytes - 1) / table_bytes;
    int failed = 0;
    if (l1_count * 8 > QCOW2_MAX_L1_BYTES) {
        return EFBIG;
    }
    failed = l1_count > q->l1.count ? resize_l1(q, l1_count) : 0;
    if (failed == 0) {
        q->image.size_bytes = size_bytes;
        failed = resize_zero(q, old_bytes, size_bytes);
    }
    return failed;
}

static int resize_shrink(struct qcow2 *q, u64 size_bytes)
{
    u64 first = bits_align_up(size_bytes, q->cluster_bytes);
    u64 end = bits_align_up(q->image.size_bytes, q->cluster_bytes);
    int failed = 0;
    if (first < end) {
        struct blk_image *backing = q->image.backing;
        q->image.backing = NULL; /* nothing has to be covered */
        failed = qcow2_discard(&q->image, first, q->image.size_bytes - first);
        q->image.backing = backing;
    }
    q->image.size_bytes = failed == 0 ? size_bytes : q->image.size_bytes;
    return failed;
}

bool qcow2_resize(struct blk_image *image, u64 size_bytes, struct metic_error *error)
{
    struct qcow2 *q = qcow2_of(image);
    u64 old_bytes = image->size_bytes;
    if (q->snapshot_count != 0 && (q->version < 3 || size_bytes < old_bytes)) {
        return error_set(error, "Delete them first: qemu-img snapshot -d NAME IMAGE.",
                         "%s has internal snapshots of the old size", image->path);
    }
    int failed = size_bytes > old_bytes ? resize_grow(q, size_bytes)
                                        : resize_shrink(q, size_bytes);
    failed = failed != 0 ? failed : qcow2_sync(q);
    failed = failed != 0 ? failed : qcow2_header_write_u64(q, QCOW2_AT_SIZE, size_bytes);
    failed = failed != 0 ? failed : blk_file_sync(&image->file);
    if (failed != 0) {
        image->size_bytes = old_bytes;
        return error_set(error,
                         failed == EFBIG ? "Make one with larger clusters: metic disk create."
                                         : "Look whether the host has room.",
                         "cannot give %s a size of %llu bytes: %s", image->path,
                         (unsigned long long)size_bytes, strerror(failed));
    }
    return true;
}

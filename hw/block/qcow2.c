/* qcow2 images: opening, closing, the driver. See qcow2.h. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int qcow2_broken(struct qcow2 *q, const char *why)
{
    bool first = q->image.trouble[0] == '\0';
    if (first) {
        snprintf(q->image.trouble, sizeof(q->image.trouble),
                 "the qcow2 image is damaged: %s; see metic disk check", why);
    }
    if (q->image.writable && !atomic_exchange(&q->broken, true)) {
        q->incompatible |= QCOW2_CORRUPT;
        qcow2_header_write_features(q); /* if it can; nothing else will be written */
        blk_file_sync(&q->image.file);
    }
    return EIO;
}

/* ---- Where metadata lies ---- */

static bool note_table(struct qcow2 *q, u64 offset, u64 size_bytes)
{
    bool ok = true;
    u64 first = offset >> q->cluster_bits;
    u64 end = qcow2_clusters(q, offset + size_bytes);
    for (u64 at = first; ok && at < end; at++) {
        ok = qcow2_set_add(&q->metadata, at);
    }
    return ok;
}

static bool note_entries(struct qcow2 *q, const struct qcow2_root *root)
{
    bool ok = note_table(q, root->offset, root->count * 8);
    for (u64 i = 0; ok && i < root->count; i++) {
        u64 offset = root->entries[i] & QCOW2_OFFSET_MASK;
        ok = offset == 0 || note_table(q, offset, 1);
    }
    return ok;
}

enum { SNAPSHOT_BYTES = 40 };

/* Internal snapshots stay as they are: their table, and their L1 tables. */
static bool note_snapshots(struct qcow2 *q)
{
    u64 at = q->snapshots_offset;
    for (u32 i = 0; i < q->snapshot_count; i++) {
        u8 head[SNAPSHOT_BYTES];
        if (blk_file_read_bytes(&q->image.file, at, head, sizeof(head)) != 0) {
            return false;
        }
        u64 l1_offset = ld_be64(head), l1_bytes = (u64)ld_be32(head + 8) * 8;
        u64 id_bytes = ld_be32(head + 12) >> 16, name_bytes = ld_be32(head + 12) & 0xffff;
        u64 extra_bytes = ld_be32(head + 36);
        u64 next = at + bits_align_up(SNAPSHOT_BYTES + extra_bytes + id_bytes + name_bytes, 8);
        if (l1_bytes > QCOW2_MAX_L1_BYTES || l1_offset >= 1ull << 56 || extra_bytes > 1024 ||
            !note_table(q, at, next - at) ||
            (l1_bytes != 0 && !note_table(q, l1_offset, l1_bytes))) {
            return false;
        }
        at = next;
    }
    return true;
}

/* ---- Open and close ---- */

static bool open_memory(struct qcow2 *q)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    /* Who changes the map must not starve behind readers that overlap. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&q->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_mutex_init(&q->cache_lock, NULL);
    q->bounce = malloc(q->cluster_bytes);
    q->unpacked = malloc(q->cluster_bytes);
    q->packed = malloc(q->cluster_bytes * 2 + BLK_SECTOR_BYTES);
    return qcow2_cache_init(&q->l2s, q, true) && qcow2_cache_init(&q->blocks, q, false) &&
           q->bounce != NULL && q->unpacked != NULL && q->packed != NULL;
}

/* Refcounts of a dirty image are not to be trusted: they are made anew before anything is written.
 * Autoclear features are those that a writer who does not know them ends. */
static bool open_for_writing(struct qcow2 *q, bool repairing, struct metic_error *error)
{
    struct qcow2_check check = {0};
    if ((q->incompatible & QCOW2_DIRTY) != 0 && !repairing &&
        (!qcow2_check(q, &check, QCOW2_REPAIR_ALL, error) || check.corruptions != 0)) {
        return error_set(error, "See metic disk check IMAGE.",
                         "the qcow2 image %s was not closed and cannot be mended", q->image.path);
    }
    if (q->autoclear != 0 && !repairing) {
        q->autoclear = 0;
        return qcow2_header_write_features(q) == 0 ||
               error_set(error, "Check the host's disk.", "cannot write the header of %s",
                         q->image.path);
    }
    return true;
}

bool qcow2_open(struct blk_image *image, const struct blk_open *how, struct metic_error *error)
{
    struct qcow2 *q = qcow2_of(image);
    if (!qcow2_header_read(q, how->repairing, error)) {
        return false;
    }
    if (!open_memory(q)) {
        return error_set(error, NULL, "out of memory for the disk %s", image->path);
    }
    image->good_bytes = q->cluster_bytes;
    bool noted = note_table(q, 0, 1) && note_entries(q, &q->l1) &&
                 note_entries(q, &q->reftable) && note_snapshots(q);
    if (!noted && !how->repairing) {
        return error_set(error, "See metic disk check IMAGE.",
                         "the qcow2 image %s has a damaged snapshot table", image->path);
    }
    return !image->writable || open_for_writing(q, how->repairing, error);
}

/* Twice: the first sync ends by counting down what was given up. */
static void qcow2_close(struct blk_image *image)
{
    struct qcow2 *q = qcow2_of(image);
    if (image->writable && q->bounce != NULL) {
        for (unsigned i = 0; i < 2 && atomic_load(&q->unsynced); i++) {
            qcow2_sync(q);
        }
    }
    if (q->cluster_bytes != 0 && q->l2s.tables != NULL) {
        pthread_rwlock_destroy(&q->lock);
        pthread_mutex_destroy(&q->cache_lock);
    }
    qcow2_cache_fini(&q->l2s);
    qcow2_cache_fini(&q->blocks);
    qcow2_set_fini(&q->metadata);
    free(q->l1.entries);
    free(q->reftable.entries);
    free(q->freed);
    free(q->bounce);
    free(q->unpacked);
    free(q->packed);
}

static void qcow2_describe(struct blk_image *image, FILE *to, bool json)
{
    const struct qcow2 *q = qcow2_of(image);
    const char *compression = q->compression == QCOW2_ZSTD ? "zstd" : "zlib";
    bool dirty = (q->incompatible & QCOW2_DIRTY) != 0;
    bool corrupt = (q->incompatible & QCOW2_CORRUPT) != 0;
    fprintf(to,
            json ? ", \"version\": %u, \"cluster_bytes\": %" PRIu64 ", \"compression\": \"%s\", "
                   "\"refcount_bits\": %u, \"lazy_refcounts\": %s, \"snapshots\": %u, "
                   "\"dirty\": %s, \"corrupt\": %s"
                 : "version:     %u\nclusters:    of %" PRIu64 " bytes\ncompression: %s\n"
                   "refcounts:   of %u bits\nlazy counts: %s\nsnapshots:   %u\n"
                   "dirty:       %s\ncorrupt:     %s\n",
            q->version, q->cluster_bytes, compression, 1u << q->refcount_order,
            (q->compatible & QCOW2_LAZY_REFCOUNTS) != 0 ? "true" : "false", q->snapshot_count,
            dirty ? "true" : "false", corrupt ? "true" : "false");
}

static const struct blk_driver qcow2_driver = {
    .name = "qcow2",
    .read = qcow2_read,
    .write = qcow2_write,
    .zero = qcow2_zero,
    .discard = qcow2_discard,
    .flush = qcow2_flush,
    .look = qcow2_look,
    .resize = qcow2_resize,
    .clear = qcow2_clear,
    .set_backing = qcow2_header_set_backing,
    .describe = qcow2_describe,
    .close = qcow2_close,
};

bool qcow2_is(const struct blk_image *image)
{
    return image->driver == &qcow2_driver;
}

struct blk_image *qcow2_new(void)
{
    struct qcow2 *q = calloc(1, sizeof(*q));
    if (q == NULL) {
        return NULL;
    }
    q->image.driver = &qcow2_driver;
    return &q->image;
}

/* Zeroing and discarding parts of a qcow2 disk. See qcow2.h.
 *
 * A version 3 image can say of a cluster that it reads as zeros, with or without a place kept for
 * it. A version 2 image can only leave it out, which is zeros where nothing lies under it. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <string.h>

/* ---- Whole clusters ---- */

enum zero_how { ZERO_KEEP, ZERO_UNMAP, ZERO_DISCARD, ZERO_FORGET };

/* Whether something under the image shows where a cluster is left out. */
static bool zero_has_backing(const struct qcow2 *q, u64 offset)
{
    return q->image.backing != NULL && offset < q->image.backing->size_bytes;
}

/* What becomes of an entry. False: the cluster must be written with zeros. */
static bool zero_entry(const struct qcow2 *q, u64 offset, u64 old, enum zero_how how, u64 *entry)
{
    bool covered = zero_has_backing(q, offset);
    enum qcow2_kind kind = qcow2_entry_kind(old);
    *entry = old;
    if (how == ZERO_DISCARD && kind == QCOW2_ABSENT) {
        return true; /* only a hint, and not worth a table */
    }
    if (how == ZERO_FORGET || (!covered && (how != ZERO_KEEP || kind == QCOW2_ABSENT))) {
        *entry = 0;
        return true;
    }
    if (q->version < 3) {
        return how == ZERO_DISCARD; /* what lies under it must not come back: it stays */
    }
    if (how == ZERO_KEEP && kind == QCOW2_DATA && (old & QCOW2_COPIED) != 0) {
        *entry = old | QCOW2_ZERO_FLAG;
    } else if (kind != QCOW2_ZEROS || how != ZERO_KEEP) {
        *entry = QCOW2_ZERO_FLAG;
    }
    return true;
}

/* A part of the disk without an L2 table, where leaving out is enough: how long it is. */
static u64 zero_nothing_there(struct qcow2 *q, u64 offset, u64 size_bytes, enum zero_how how)
{
    u64 table_bytes = q->cluster_bytes << q->l2_bits;
    u64 index = offset >> (q->l2_bits + q->cluster_bits);
    u64 run_bytes = table_bytes - (offset & (table_bytes - 1));
    bool enough = !zero_has_backing(q, offset) || how == ZERO_FORGET || how == ZERO_DISCARD;
    if (index >= q->l1.count || (q->l1.entries[index] & QCOW2_OFFSET_MASK) != 0 || !enough) {
        return 0;
    }
    return run_bytes < size_bytes ? run_bytes : size_bytes;
}

/* Writes zeros to one cluster, as a version 2 image must. */
static int zero_by_writing(struct qcow2 *q, u64 offset, u64 size_bytes)
{
    static const u8 zeros[4096];
    int failed = 0;
    while (failed == 0 && size_bytes > 0) {
        u64 part = size_bytes < sizeof(zeros) ? size_bytes : sizeof(zeros), done_bytes = 0;
        struct iovec one = {(void *)(uintptr_t)zeros, part};
        failed = qcow2_write_some(q, offset, &(struct blk_vector){&one, 1}, part, &done_bytes);
        offset += done_bytes;
        size_bytes -= done_bytes;
    }
    return failed;
}

/* Does one L2 table's share of the range; *done_bytes says how far it went. */
static int zero_some(struct qcow2 *q, u64 offset, u64 size_bytes, enum zero_how how,
                     u64 *done_bytes)
{
    struct qcow2_table *table;
    *done_bytes = zero_nothing_there(q, offset, size_bytes, how);
    if (*done_bytes != 0) {
        return 0;
    }
    int failed = qcow2_l2_for_write(q, offset, &table);
    u64 index = qcow2_l2_index(q, offset);
    while (failed == 0 && *done_bytes < size_bytes && index >> q->l2_bits == 0) {
        u64 entry = 0;
        if (zero_entry(q, offset, ld_be64(table->bytes + index * 8), how, &entry)) {
            failed = qcow2_l2_set(q, table, index, entry);
        } else {
            failed = zero_by_writing(q, offset, q->cluster_bytes);
            *done_bytes += q->cluster_bytes;
            return failed; /* the table may have moved */
        }
        index++;
        offset += q->cluster_bytes;
        *done_bytes += q->cluster_bytes;
    }
    return failed;
}

static int zero_clusters(struct qcow2 *q, u64 offset, u64 end, enum zero_how how)
{
    int failed = 0;
    while (failed == 0 && offset < end) {
        u64 done_bytes = 0;
        failed = zero_some(q, offset, end - offset, how, &done_bytes);
        offset += done_bytes;
    }
    return failed;
}

/* ---- Requests ---- */

/* A cluster that reaches over the disk's end counts as whole. */
static u64 zero_end(const struct qcow2 *q, u64 end)
{
    return end == q->image.size_bytes ? bits_align_up(end, q->cluster_bytes)
                                      : bits_align_down(end, q->cluster_bytes);
}

/* Part of a cluster: nothing to do where zeros are read already. */
static int zero_part(struct qcow2 *q, u64 offset, u64 size_bytes)
{
    struct qcow2_run run = {0};
    int failed = qcow2_find(q, offset, size_bytes, true, &run);
    bool zeros = run.kind == QCOW2_ZEROS ||
                 (run.kind == QCOW2_ABSENT && !zero_has_backing(q, offset));
    return failed != 0 || zeros ? failed : zero_by_writing(q, offset, size_bytes);
}

int qcow2_zero(struct blk_image *image, u64 offset, u64 size_bytes, bool unmap)
{
    struct qcow2 *q = qcow2_of(image);
    u64 end = offset + size_bytes;
    u64 first = bits_align_up(offset, q->cluster_bytes), last = zero_end(q, end);
    if (atomic_load(&q->broken)) {
        return EIO;
    }
    int failed = 0;
    pthread_rwlock_wrlock(&q->lock);
    if (first >= last) {
        u64 middle = first > offset && first < end ? first : end;
        failed = zero_part(q, offset, middle - offset);
        failed = failed != 0 || middle == end ? failed : zero_part(q, middle, end - middle);
    } else {
        failed = first > offset ? zero_part(q, offset, first - offset) : 0;
        failed = failed != 0 ? failed
                             : zero_clusters(q, first, last, unmap ? ZERO_UNMAP : ZERO_KEEP);
        failed = failed != 0 || last >= end ? failed : zero_part(q, last, end - last);
    }
    pthread_rwlock_unlock(&q->lock);
    return failed;
}

int qcow2_discard(struct blk_image *image, u64 offset, u64 size_bytes)
{
    struct qcow2 *q = qcow2_of(image);
    u64 first = bits_align_up(offset, q->cluster_bytes);
    u64 last = zero_end(q, offset + size_bytes);
    if (atomic_load(&q->broken)) {
        return EIO;
    }
    pthread_rwlock_wrlock(&q->lock);
    int failed = first < last ? zero_clusters(q, first, last, ZERO_DISCARD) : 0;
    pthread_rwlock_unlock(&q->lock);
    return failed;
}

int qcow2_clear(struct blk_image *image)
{
    struct qcow2 *q = qcow2_of(image);
    pthread_rwlock_wrlock(&q->lock);
    int failed = zero_clusters(q, 0, bits_align_up(image->size_bytes, q->cluster_bytes),
                               ZERO_FORGET);
    pthread_rwlock_unlock(&q->lock);
    return failed;
}

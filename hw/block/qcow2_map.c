/* Where a part of a qcow2 disk lies: L1 and L2 tables. See qcow2.h. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <string.h>

enum qcow2_kind qcow2_entry_kind(u64 entry)
{
    if ((entry & QCOW2_COMPRESSED) != 0) {
        return QCOW2_PACKED;
    }
    if ((entry & QCOW2_ZERO_FLAG) != 0) {
        return QCOW2_ZEROS;
    }
    return (entry & QCOW2_OFFSET_MASK) != 0 ? QCOW2_DATA : QCOW2_ABSENT;
}

static u64 map_l1_index(const struct qcow2 *q, u64 offset)
{
    return offset >> (q->l2_bits + q->cluster_bits);
}

/* The entry's table or data lies where it can: on a cluster, and when it is to be written, on none
 * with metadata. */
static bool map_is_placed(const struct qcow2 *q, u64 entry, bool writing)
{
    u64 host = entry & QCOW2_OFFSET_MASK;
    return qcow2_in_cluster(q, host) == 0 &&
           (!writing || !qcow2_set_has(&q->metadata, host >> q->cluster_bits));
}

/* Whether the entry `count` clusters behind the run's first goes on with it. */
static bool map_goes_on(const struct qcow2 *q, const struct qcow2_run *run, u64 entry, u64 count)
{
    if (qcow2_entry_kind(entry) != run->kind || run->kind == QCOW2_PACKED) {
        return false;
    }
    return run->kind != QCOW2_DATA ||
           ((entry & QCOW2_OFFSET_MASK) ==
                (run->entry & QCOW2_OFFSET_MASK) + (count << q->cluster_bits) &&
            ((entry & QCOW2_COPIED) != 0) == run->copied);
}

static int map_find_in(struct qcow2 *q, const u8 *l2, u64 offset, u64 limit, bool writing,
                       struct qcow2_run *run)
{
    u64 index = qcow2_l2_index(q, offset);
    u64 in_cluster = qcow2_in_cluster(q, offset);
    u64 entry = ld_be64(l2 + index * 8);
    *run = (struct qcow2_run){.kind = qcow2_entry_kind(entry), .entry = entry,
                              .copied = (entry & QCOW2_COPIED) != 0};
    if (run->kind == QCOW2_DATA) {
        run->host = (entry & QCOW2_OFFSET_MASK) + in_cluster;
    }
    if (run->kind == QCOW2_ZEROS && q->version < 3) {
        return qcow2_broken(q, "a version 2 image has zero clusters");
    }
    u64 count = 0;
    do {
        if (run->kind == QCOW2_DATA && !map_is_placed(q, entry, writing)) {
            return qcow2_broken(q, "data lies between clusters, or on metadata");
        }
        count++;
        if ((count << q->cluster_bits) - in_cluster >= limit ||
            (index + count) >> q->l2_bits != 0) {
            break;
        }
        entry = ld_be64(l2 + (index + count) * 8);
    } while (map_goes_on(q, run, entry, count));
    run->size_bytes = (count << q->cluster_bits) - in_cluster;
    run->size_bytes = run->size_bytes < limit ? run->size_bytes : limit;
    return 0;
}

int qcow2_find(struct qcow2 *q, u64 offset, u64 limit, bool writing, struct qcow2_run *run)
{
    u64 index = map_l1_index(q, offset);
    if (index >= q->l1.count) {
        return EIO;
    }
    u64 l2_offset = q->l1.entries[index] & QCOW2_OFFSET_MASK;
    if (l2_offset == 0) {
        u64 table_bytes = q->cluster_bytes << q->l2_bits;
        u64 run_bytes = table_bytes - (offset & (table_bytes - 1));
        while (run_bytes < limit && index + 1 < q->l1.count &&
               (q->l1.entries[index + 1] & QCOW2_OFFSET_MASK) == 0) {
            index++;
            run_bytes += table_bytes;
        }
        *run = (struct qcow2_run){.kind = QCOW2_ABSENT,
                                  .size_bytes = run_bytes < limit ? run_bytes : limit};
        return 0;
    }
    if (!map_is_placed(q, l2_offset, false)) {
        return qcow2_broken(q, "an L2 table lies between clusters");
    }
    struct qcow2_table *table;
    pthread_mutex_lock(&q->cache_lock);
    int failed = qcow2_cache_get(q, &q->l2s, l2_offset, &table);
    failed = failed != 0 ? failed : map_find_in(q, table->bytes, offset, limit, writing, run);
    pthread_mutex_unlock(&q->cache_lock);
    return failed;
}

/* ---- Changing it ---- */

/* A new table: empty, or a copy of `old` (an offset, 0: none). It gets its place in the file at
 * once, so that a full host is noticed here and not when tables are written. */
static int l2_make(struct qcow2 *q, u64 index, u64 old, struct qcow2_table **table)
{
    u64 offset = 0;
    int failed = qcow2_alloc_metadata(q, 1, &offset);
    if (failed != 0) {
        return failed;
    }
    memset(q->bounce, 0, q->cluster_bytes);
    if (old != 0) {
        failed = qcow2_cache_get(q, &q->l2s, old, table);
        if (failed == 0) {
            memcpy(q->bounce, (*table)->bytes, q->cluster_bytes);
        }
    }
    failed = failed != 0 ? failed
                         : blk_file_write_bytes(&q->image.file, offset, q->bounce,
                                                q->cluster_bytes);
    failed = failed != 0 ? failed : qcow2_cache_new(q, &q->l2s, offset, table);
    if (failed != 0) {
        qcow2_refcount_drop(q, offset >> q->cluster_bits);
        return failed;
    }
    memcpy((*table)->bytes, q->bounce, q->cluster_bytes);
    q->l1.entries[index] = offset | QCOW2_COPIED;
    qcow2_root_dirty(q, &q->l1, index);
    return old != 0 ? qcow2_free_later(q, old >> q->cluster_bits, 1) : 0;
}

int qcow2_l2_for_write(struct qcow2 *q, u64 offset, struct qcow2_table **table)
{
    u64 index = map_l1_index(q, offset);
    if (index >= q->l1.count) {
        return EIO;
    }
    u64 entry = q->l1.entries[index];
    u64 l2_offset = entry & QCOW2_OFFSET_MASK;
    if (!map_is_placed(q, entry, false)) {
        return qcow2_broken(q, "an L2 table lies between clusters");
    }
    if (l2_offset == 0 || (entry & QCOW2_COPIED) == 0) {
        return l2_make(q, index, l2_offset, table);
    }
    return qcow2_cache_get(q, &q->l2s, l2_offset, table);
}

/* The clusters of the file that an entry uses. */
static struct qcow2_range map_used(const struct qcow2 *q, u64 entry)
{
    u64 offset = entry & QCOW2_OFFSET_MASK, size_bytes = offset != 0 ? q->cluster_bytes : 0;
    if ((entry & QCOW2_COMPRESSED) != 0) {
        qcow2_packed_place(q, entry, &offset, &size_bytes);
    }
    u64 first = offset >> q->cluster_bits;
    u64 end = qcow2_clusters(q, offset + size_bytes);
    return (struct qcow2_range){first, size_bytes != 0 ? end - first : 0};
}

int qcow2_l2_set(struct qcow2 *q, struct qcow2_table *table, u64 index, u64 entry)
{
    u64 old = ld_be64(table->bytes + index * 8);
    struct qcow2_range gone = map_used(q, old);
    struct qcow2_range kept = map_used(q, entry);
    if (old == entry) {
        return 0;
    }
    if ((old & QCOW2_COMPRESSED) != 0) {
        q->unpacked_entry = 0; /* its place may become another's */
    }
    st_be64(table->bytes + index * 8, entry);
    qcow2_cache_dirty(&q->l2s, table);
    atomic_store(&q->unsynced, true);
    if (gone.count == 0 || (gone.first == kept.first && (old & QCOW2_COMPRESSED) == 0)) {
        return 0;
    }
    if (qcow2_set_has(&q->metadata, gone.first)) {
        return qcow2_broken(q, "data lies on metadata");
    }
    return qcow2_free_later(q, gone.first, gone.count);
}

/* Mending a qcow2 image while it is checked: see qcow2_check.c.
 *
 * Pointers are what is believed, refcounts are made to fit them. A pointer to where nothing can be
 * is cut: the cluster then reads as zeros, or as the backing image. Refcounts that cannot be mended
 * where they stand are made anew behind the file's end. */
#include "hw/block/qcow2_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void check_repair_count(struct check *check, u64 cluster, u64 uses, bool leak)
{
    struct qcow2 *q = check->q;
    struct qcow2_table *table;
    u64 index = cluster >> q->block_bits;
    if (check->repair == QCOW2_REPAIR_NONE || (!leak && check->repair != QCOW2_REPAIR_ALL)) {
        return;
    }
    u64 offset = index < q->reftable.count ? q->reftable.entries[index] & ~511ull : 0;
    if (offset == 0 || uses > qcow2_refcount_max(q) ||
        qcow2_cache_get(q, &q->blocks, offset, &table) != 0) {
        check->rebuild = true;
        return;
    }
    qcow2_refcount_write(table->bytes, cluster & ((1ull << q->block_bits) - 1), q->refcount_order,
                         uses);
    qcow2_cache_dirty(&q->blocks, table);
}

/* Whether an entry points into the file, between clusters excepted. */
static bool repair_is_placed(const struct check *check, u64 entry)
{
    const struct qcow2 *q = check->q;
    u64 offset = entry & QCOW2_OFFSET_MASK, size_bytes = q->cluster_bytes;
    if ((entry & QCOW2_COMPRESSED) != 0) {
        qcow2_packed_place(q, entry, &offset, &size_bytes);
        return qcow2_clusters(q, offset + size_bytes) <= check->clusters;
    }
    return qcow2_in_cluster(q, offset) == 0 && offset >> q->cluster_bits < check->clusters;
}

static u64 repair_mark(const struct check *check, u64 entry)
{
    u64 cluster = (entry & QCOW2_OFFSET_MASK) >> check->q->cluster_bits;
    return check->uses[cluster] == 1 ? entry | QCOW2_COPIED : entry & ~QCOW2_COPIED;
}

void check_repair_entry(struct check *check, struct qcow2_table *table, u64 index)
{
    struct qcow2 *q = check->q;
    u64 old = ld_be64(table->bytes + index * 8);
    u64 entry = old;
    if (check->repair != QCOW2_REPAIR_ALL || (old & (QCOW2_OFFSET_MASK | QCOW2_COMPRESSED)) == 0) {
        return;
    }
    if (!repair_is_placed(check, old)) {
        entry = q->version >= 3 ? QCOW2_ZERO_FLAG : 0;
        check_say(check, "cut: what pointed to byte %llu reads as zeros now",
                  (unsigned long long)(old & QCOW2_OFFSET_MASK));
    } else if ((old & QCOW2_COMPRESSED) != 0) {
        entry = old & ~QCOW2_COPIED;
    } else {
        entry = repair_mark(check, old);
        entry &= q->version >= 3 ? ~0ull : ~QCOW2_ZERO_FLAG;
    }
    if (entry != old) {
        st_be64(table->bytes + index * 8, entry);
        qcow2_cache_dirty(&q->l2s, table);
    }
}

void check_repair_l1(struct check *check, u64 index)
{
    struct qcow2 *q = check->q;
    u64 old = q->l1.entries[index];
    if (check->repair != QCOW2_REPAIR_ALL || (old & QCOW2_OFFSET_MASK) == 0) {
        return;
    }
    u64 entry = repair_is_placed(check, old & ~QCOW2_COMPRESSED) ? repair_mark(check, old) : 0;
    if (entry != old) {
        q->l1.entries[index] = entry;
        qcow2_root_dirty(q, &q->l1, index);
    }
}

/* ---- Refcounts anew ---- */

/* [blocks][table] behind the file's end, `first` being the first block's cluster. */
struct repair_plan {
    u64 first, block_count, table_clusters;
};

static bool repair_plan(const struct check *check, struct repair_plan *plan)
{
    const struct qcow2 *q = check->q;
    *plan = (struct repair_plan){.first = check->clusters, .block_count = 1, .table_clusters = 1};
    for (;;) {
        u64 total = plan->first + plan->block_count + plan->table_clusters;
        u64 blocks = (total + (1ull << q->block_bits) - 1) >> q->block_bits;
        u64 table_clusters = qcow2_clusters(q, blocks * 8);
        if (blocks <= plan->block_count && table_clusters <= plan->table_clusters) {
            break;
        }
        plan->block_count = blocks;
        plan->table_clusters = table_clusters;
    }
    return plan->table_clusters << q->cluster_bits <= QCOW2_MAX_REFTABLE_BYTES;
}

/* The old blocks and the old table are in use no more. */
static void repair_forget_old(struct check *check)
{
    struct qcow2 *q = check->q;
    for (u64 i = 0; i < q->reftable.count; i++) {
        u64 cluster = (q->reftable.entries[i] & ~511ull) >> q->cluster_bits;
        if (cluster != 0 && cluster < check->clusters && check->uses[cluster] > 0) {
            check->uses[cluster]--;
        }
    }
    u64 first = q->reftable.offset >> q->cluster_bits;
    for (u64 i = 0; i < qcow2_clusters(q, q->reftable.count * 8); i++) {
        if (first + i < check->clusters && check->uses[first + i] > 0) {
            check->uses[first + i]--;
        }
    }
}

static u64 repair_uses(const struct check *check, const struct repair_plan *plan, u64 cluster)
{
    u64 end = plan->first + plan->block_count + plan->table_clusters;
    return cluster < check->clusters ? check->uses[cluster] : cluster < end ? 1 : 0;
}

static int repair_write_blocks(struct check *check, const struct repair_plan *plan)
{
    struct qcow2 *q = check->q;
    int failed = 0;
    for (u64 i = 0; failed == 0 && i < plan->block_count; i++) {
        memset(check->table, 0, q->cluster_bytes);
        for (u64 at = 0; at < 1ull << q->block_bits; at++) {
            u64 uses = repair_uses(check, plan, (i << q->block_bits) + at);
            if (uses > qcow2_refcount_max(q)) {
                return ERANGE;
            }
            qcow2_refcount_write(check->table, at, q->refcount_order, uses);
        }
        failed = blk_file_write_bytes(&q->image.file, (plan->first + i) << q->cluster_bits,
                                      check->table, q->cluster_bytes);
    }
    return failed;
}

static int repair_write_table(struct check *check, const struct repair_plan *plan, u64 *entries)
{
    struct qcow2 *q = check->q;
    u64 bytes = plan->table_clusters << q->cluster_bits;
    u64 offset = (plan->first + plan->block_count) << q->cluster_bits;
    u8 fields[12];
    u8 *table = calloc(1, bytes);
    if (table == NULL) {
        return ENOMEM;
    }
    for (u64 i = 0; i < plan->block_count; i++) {
        entries[i] = (plan->first + i) << q->cluster_bits;
        st_be64(table + i * 8, entries[i]);
    }
    int failed = blk_file_write_bytes(&q->image.file, offset, table, bytes);
    free(table);
    failed = failed != 0 ? failed : blk_file_sync(&q->image.file);
    st_be64(fields, offset);
    st_be32(fields + 8, (u32)plan->table_clusters);
    failed = failed != 0 ? failed
                         : blk_file_write_bytes(&q->image.file, QCOW2_AT_REFTABLE_OFFSET, fields,
                                                sizeof(fields));
    return failed != 0 ? failed : blk_file_sync(&q->image.file);
}

/* Room for the uses of the clusters that the new blocks and table take. */
static int repair_rebuild(struct check *check)
{
    struct qcow2 *q = check->q;
    struct repair_plan plan;
    if (!repair_plan(check, &plan)) {
        return EFBIG;
    }
    u64 count = plan.table_clusters << q->l2_bits;
    u64 *entries = calloc(count, sizeof(u64));
    if (entries == NULL) {
        return ENOMEM;
    }
    check_say(check, "the refcounts are made anew");
    repair_forget_old(check);
    qcow2_cache_empty(&q->blocks);
    int failed = repair_write_blocks(check, &plan);
    failed = failed != 0 ? failed : repair_write_table(check, &plan, entries);
    if (failed != 0) {
        free(entries);
        return failed;
    }
    free(q->reftable.entries);
    q->reftable = (struct qcow2_root){
        .entries = entries, .count = count,
        .offset = (plan.first + plan.block_count) << q->cluster_bits};
    for (u64 i = 0; failed == 0 && i < plan.block_count + plan.table_clusters; i++) {
        failed = qcow2_set_add(&q->metadata, plan.first + i) ? 0 : ENOMEM;
    }
    return failed;
}

/* The file has grown: what is looked at next needs a larger table of uses. */
static int repair_regrow(struct check *check)
{
    struct qcow2 *q = check->q;
    u64 clusters = qcow2_clusters(q, q->image.file.size_bytes);
    if (clusters <= check->clusters) {
        return 0;
    }
    u64 bytes = clusters * sizeof(u32) + 1;
    void *larger = mremap(check->uses, check->uses_bytes, bytes, MREMAP_MAYMOVE);
    if (larger == MAP_FAILED) {
        return ENOMEM;
    }
    check->uses = larger;
    check->uses_bytes = bytes;
    check->clusters = clusters;
    return 0;
}

int check_repair_finish(struct check *check)
{
    struct qcow2 *q = check->q;
    bool broken = atomic_exchange(&q->broken, false);
    int failed = check->rebuild && check->repair == QCOW2_REPAIR_ALL ? repair_rebuild(check) : 0;
    failed = failed != 0 ? failed : qcow2_sync(q);
    failed = failed != 0 ? failed : repair_regrow(check);
    atomic_store(&q->broken, broken);
    q->free_hint = 0;
    return failed;
}

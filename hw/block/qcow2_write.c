/* Writes to a qcow2 disk that need a new place: what was never written, lies compressed, or is
 * shared with a snapshot. See qcow2.h. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <string.h>

/* What a write does with some adjacent clusters of one L2 table. */
struct write_plan {
    u64 offset, size_bytes; /* on the disk */
    u64 start, end;         /* of its clusters */
    u64 host;               /* where `start` goes in the file */
    bool ours;              /* it is there already: nothing but the data is written */
    bool fresh;             /* it was just allocated */
    bool blank;             /* it lies behind the file's end: zeros */
};

static bool write_is_ours(u64 entry)
{
    return qcow2_entry_kind(entry) == QCOW2_DATA && (entry & QCOW2_COPIED) != 0;
}

/* A zero cluster with a place of its own that was kept for it. */
static bool write_is_kept(u64 entry)
{
    return qcow2_entry_kind(entry) == QCOW2_ZEROS && (entry & QCOW2_OFFSET_MASK) != 0 &&
           (entry & QCOW2_COPIED) != 0;
}

/* How many entries from the first on, at most `limit`, want what the first wants. */
static u64 write_alike(const struct qcow2 *q, const u8 *l2, u64 index, u64 limit)
{
    u64 entry = ld_be64(l2 + index * 8);
    bool ours = write_is_ours(entry), kept = write_is_kept(entry);
    u64 count = 1;
    for (; count < limit; count++) {
        u64 next = ld_be64(l2 + (index + count) * 8);
        if (write_is_ours(next) != ours || write_is_kept(next) != kept) {
            break;
        }
        if ((ours || kept) && (next & QCOW2_OFFSET_MASK) !=
                                  (entry & QCOW2_OFFSET_MASK) + (count << q->cluster_bits)) {
            break;
        }
    }
    return count;
}

static void plan_limit(const struct qcow2 *q, struct write_plan *plan, u64 clusters)
{
    plan->end = plan->start + (clusters << q->cluster_bits);
    u64 left = plan->end - plan->offset;
    plan->size_bytes = plan->size_bytes < left ? plan->size_bytes : left;
}

/* Decides where the front of the write goes. */
static int plan_make(struct qcow2 *q, struct write_plan *plan)
{
    struct qcow2_table *table;
    int failed = qcow2_l2_for_write(q, plan->offset, &table);
    if (failed != 0) {
        return failed;
    }
    u64 index = qcow2_l2_index(q, plan->offset);
    u64 limit = (1ull << q->l2_bits) - index;
    u64 wanted = qcow2_clusters(q, plan->offset + plan->size_bytes - plan->start);
    u64 count = write_alike(q, table->bytes, index, wanted < limit ? wanted : limit);
    u64 entry = ld_be64(table->bytes + index * 8);
    if (write_is_ours(entry) || write_is_kept(entry)) {
        plan->host = entry & QCOW2_OFFSET_MASK;
        plan->ours = write_is_ours(entry);
        for (u64 i = 0; i < count; i++) {
            if (qcow2_in_cluster(q, plan->host) != 0 ||
                qcow2_set_has(&q->metadata, (plan->host >> q->cluster_bits) + i)) {
                return qcow2_broken(q, "data lies between clusters, or on metadata");
            }
        }
    } else {
        u64 first = 0;
        failed = qcow2_alloc(q, 1, count, &first, &count);
        plan->host = first << q->cluster_bits;
        plan->fresh = true;
        plan->blank = failed == 0 && plan->host >= q->image.file.size_bytes;
    }
    plan_limit(q, plan, count);
    return failed;
}

/* Brings the disk's old bytes [from, to), which lie in one cluster, to the new place. */
static int plan_copy(struct qcow2 *q, const struct write_plan *plan, u64 from, u64 to)
{
    struct iovec one = {q->bounce, to - from};
    u64 host = plan->host + (from - plan->start);
    if (from == to || plan->ours) {
        return 0;
    }
    int failed = qcow2_read_locked(q, from, &(struct blk_vector){&one, 1}, to - from);
    if (failed == 0 && plan->blank && q->bounce[0] == 0 &&
        memcmp(q->bounce, q->bounce + 1, to - from - 1) == 0) {
        return 0;
    }
    return failed != 0 ? failed
                       : blk_file_write_bytes(&q->image.file, host, q->bounce, to - from);
}

static int plan_write(struct qcow2 *q, const struct write_plan *plan, struct blk_vector *vector)
{
    u64 end = plan->offset + plan->size_bytes;
    int failed = plan_copy(q, plan, plan->start, plan->offset);
    failed = failed != 0 ? failed : plan_copy(q, plan, end, plan->end);
    return failed != 0 ? failed
                       : blk_file_write(&q->image.file, plan->host + (plan->offset - plan->start),
                                        vector, plan->size_bytes);
}

/* The data is in its place: now the table says so. */
static int plan_link(struct qcow2 *q, const struct write_plan *plan)
{
    struct qcow2_table *table;
    u64 count = (plan->end - plan->start) >> q->cluster_bits;
    u64 index = qcow2_l2_index(q, plan->offset);
    int failed = qcow2_l2_for_write(q, plan->offset, &table);
    for (u64 i = 0; failed == 0 && i < count; i++) {
        u64 entry = (plan->host + (i << q->cluster_bits)) | QCOW2_COPIED;
        failed = qcow2_l2_set(q, table, index + i, entry);
    }
    return failed;
}

int qcow2_write_some(struct qcow2 *q, u64 offset, struct blk_vector *vector, u64 size_bytes,
                     u64 *done_bytes)
{
    struct write_plan plan = {.offset = offset, .size_bytes = size_bytes,
                              .start = offset - qcow2_in_cluster(q, offset)};
    int failed = plan_make(q, &plan);
    if (failed != 0) {
        return failed;
    }
    failed = plan_write(q, &plan, vector);
    if (failed != 0) {
        for (u64 at = plan.start; plan.fresh && at < plan.end; at += q->cluster_bytes) {
            qcow2_refcount_drop(q, (plan.host + (at - plan.start)) >> q->cluster_bits);
        }
        return failed;
    }
    *done_bytes = plan.size_bytes;
    return plan_link(q, &plan);
}

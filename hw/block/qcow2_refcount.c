/* Refcounts of a qcow2 image: allocating and freeing clusters of the file. See qcow2.h.
 *
 * Where a part of the file has no refcount block yet, its block goes into the first cluster that it
 * counts: so making one needs no other allocation. A refcount table that is full is replaced by a
 * larger one behind all that could be counted so far, with the blocks that count it in front. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- One number in a block ---- */

u64 qcow2_refcount_read(const u8 *block, u64 index, unsigned order)
{
    switch (order) {
    case 3: return block[index];
    case 4: return (u64)block[index * 2] << 8 | block[index * 2 + 1];
    case 5: return ld_be32(block + index * 4);
    case 6: return ld_be64(block + index * 8);
    default: {
        unsigned bits = 1u << order;
        unsigned shift = (unsigned)(index * bits % 8);
        return (u32)block[index * bits / 8] >> shift & ((1u << bits) - 1);
    }
    }
}

void qcow2_refcount_write(u8 *block, u64 index, unsigned order, u64 value)
{
    switch (order) {
    case 3: block[index] = (u8)value; break;
    case 4:
        block[index * 2] = (u8)(value >> 8);
        block[index * 2 + 1] = (u8)value;
        break;
    case 5: st_be32(block + index * 4, (u32)value); break;
    case 6: st_be64(block + index * 8, value); break;
    default: {
        unsigned bits = 1u << order;
        unsigned shift = (unsigned)(index * bits % 8);
        u8 *byte = &block[index * bits / 8];
        u8 mask = (u8)(((1u << bits) - 1) << shift);
        *byte = (u8)((*byte & ~mask) | (value << shift & mask));
    }
    }
}

/* ---- Blocks ---- */

static u64 block_clusters(const struct qcow2 *q)
{
    return 1ull << q->block_bits;
}

/* The block that counts `cluster`, or NULL where there is none. */
static int block_find(struct qcow2 *q, u64 cluster, struct qcow2_table **table)
{
    u64 index = cluster >> q->block_bits;
    u64 entry = index < q->reftable.count ? q->reftable.entries[index] & ~511ull : 0;
    *table = NULL;
    if (entry == 0) {
        return 0;
    }
    if (qcow2_in_cluster(q, entry) != 0 || entry >= 1ull << 56) {
        return qcow2_broken(q, "a refcount block is misplaced");
    }
    return qcow2_cache_get(q, &q->blocks, entry, table);
}

int qcow2_refcount_get(struct qcow2 *q, u64 cluster, u64 *count)
{
    struct qcow2_table *table;
    int failed = block_find(q, cluster, &table);
    *count = 0;
    if (failed == 0 && table != NULL) {
        u64 index = cluster & (block_clusters(q) - 1);
        *count = qcow2_refcount_read(table->bytes, index, q->refcount_order);
    }
    return failed;
}

/* Changes one refcount, whose block is there. */
static int refcount_change(struct qcow2 *q, u64 cluster, bool more, u64 *count)
{
    struct qcow2_table *table;
    int failed = block_find(q, cluster, &table);
    if (failed != 0) {
        return failed;
    }
    u64 index = cluster & (block_clusters(q) - 1);
    *count = table != NULL ? qcow2_refcount_read(table->bytes, index, q->refcount_order) : 0;
    if (table == NULL || (!more && *count == 0)) {
        return qcow2_broken(q, "a cluster in use is counted as free");
    }
    if (more && *count == qcow2_refcount_max(q)) {
        return ERANGE;
    }
    *count += more ? 1 : (u64)-1;
    qcow2_refcount_write(table->bytes, index, q->refcount_order, *count);
    qcow2_cache_dirty(&q->blocks, table);
    atomic_store(&q->unsynced, true);
    return 0;
}

int qcow2_refcount_add(struct qcow2 *q, u64 cluster)
{
    u64 count;
    return refcount_change(q, cluster, true, &count);
}

int qcow2_refcount_drop(struct qcow2 *q, u64 cluster)
{
    u64 count;
    int failed = refcount_change(q, cluster, false, &count);
    if (failed == 0 && count == 0) {
        if (qcow2_set_has(&q->metadata, cluster)) {
            qcow2_set_remove(&q->metadata, cluster);
            qcow2_cache_drop(&q->l2s, cluster << q->cluster_bits);
            qcow2_cache_drop(&q->blocks, cluster << q->cluster_bits);
        }
        if (q->packed_end > 0 && (q->packed_end - 1) >> q->cluster_bits == cluster) {
            q->packed_at = q->packed_end = 0; /* it may become anything */
        }
        q->free_hint = cluster < q->free_hint ? cluster : q->free_hint;
        blk_file_punch(&q->image.file, cluster << q->cluster_bits, q->cluster_bytes);
    }
    return failed;
}

/* Makes the block number `index` of the table, at the first cluster it counts. Its place in the
 * file is taken at once, so that a full host is noticed here and not when tables are written. */
static int block_make(struct qcow2 *q, u64 index)
{
    u64 cluster = index << q->block_bits;
    u64 offset = cluster << q->cluster_bits;
    struct qcow2_table *table;
    if (offset >= 1ull << 56 || qcow2_set_has(&q->metadata, cluster)) {
        return qcow2_broken(q, "the refcounts leave out clusters with metadata");
    }
    int failed = qcow2_cache_new(q, &q->blocks, offset, &table);
    if (failed != 0) {
        return failed;
    }
    qcow2_refcount_write(table->bytes, 0, q->refcount_order, 1);
    failed = blk_file_write_bytes(&q->image.file, offset, table->bytes, q->cluster_bytes);
    failed = failed == 0 && !qcow2_set_add(&q->metadata, cluster) ? ENOMEM : failed;
    if (failed != 0) {
        qcow2_cache_drop(&q->blocks, offset);
        return failed;
    }
    q->reftable.entries[index] = offset;
    qcow2_root_dirty(q, &q->reftable, index);
    return 0;
}

/* ---- A larger table ---- */

struct bigger_table {
    u64 first_block;  /* number of the first new block */
    u64 block_count;  /* new blocks, that count themselves and the table */
    u64 table_clusters;
    u64 entry_count;
    u64 cluster;      /* the first new block's */
};

static bool bigger_plan(const struct qcow2 *q, struct bigger_table *plan)
{
    u64 entries = q->reftable.count + q->reftable.count / 2 + 1;
    *plan = (struct bigger_table){.first_block = q->reftable.count, .block_count = 1};
    plan->cluster = plan->first_block << q->block_bits;
    for (;;) {
        u64 needed = plan->first_block + plan->block_count;
        u64 count = needed > entries ? needed : entries;
        plan->table_clusters = qcow2_clusters(q, count * 8);
        plan->entry_count = plan->table_clusters << q->l2_bits;
        u64 blocks = (plan->block_count + plan->table_clusters + block_clusters(q) - 1) >>
                     q->block_bits;
        if (blocks <= plan->block_count) {
            break;
        }
        plan->block_count = blocks;
    }
    return plan->entry_count * 8 <= QCOW2_MAX_REFTABLE_BYTES &&
           plan->cluster + plan->block_count + plan->table_clusters <
               1ull << (56 - q->cluster_bits);
}

/* Writes the new blocks; each counts what of [cluster, cluster + used) falls to it. */
static int bigger_write_blocks(struct qcow2 *q, const struct bigger_table *plan, u64 *entries)
{
    u64 used = plan->block_count + plan->table_clusters;
    int failed = 0;
    for (u64 i = 0; failed == 0 && i < plan->block_count; i++) {
        u64 offset = (plan->cluster + i) << q->cluster_bits;
        u64 left = used - (i << q->block_bits);
        memset(q->bounce, 0, q->cluster_bytes);
        for (u64 at = 0; at < left && at < block_clusters(q); at++) {
            qcow2_refcount_write(q->bounce, at, q->refcount_order, 1);
        }
        failed = blk_file_write_bytes(&q->image.file, offset, q->bounce, q->cluster_bytes);
        entries[plan->first_block + i] = offset;
    }
    return failed;
}

static int bigger_write_table(struct qcow2 *q, const struct bigger_table *plan,
                              const u64 *entries)
{
    u64 offset = (plan->cluster + plan->block_count) << q->cluster_bits;
    int failed = 0;
    for (u64 i = 0; failed == 0 && i < plan->table_clusters; i++) {
        for (u64 at = 0; at < q->cluster_bytes / 8; at++) {
            st_be64(q->bounce + at * 8, entries[(i << q->l2_bits) + at]);
        }
        failed = blk_file_write_bytes(&q->image.file, offset + (i << q->cluster_bits), q->bounce,
                                      q->cluster_bytes);
    }
    return failed;
}

/* The header's two fields lie beside each other and change in one write. */
static int bigger_switch(struct qcow2 *q, u64 offset, u64 clusters)
{
    u8 bytes[12];
    st_be64(bytes, offset);
    st_be32(bytes + 8, (u32)clusters);
    int failed = blk_file_sync(&q->image.file);
    failed = failed != 0 ? failed
                         : blk_file_write_bytes(&q->image.file, QCOW2_AT_REFTABLE_OFFSET, bytes,
                                                sizeof(bytes));
    return failed != 0 ? failed : blk_file_sync(&q->image.file);
}

static int table_grow(struct qcow2 *q)
{
    struct bigger_table plan;
    if (!bigger_plan(q, &plan)) {
        return EFBIG;
    }
    u64 *entries = calloc(plan.entry_count, sizeof(u64));
    if (entries == NULL) {
        return ENOMEM;
    }
    memcpy(entries, q->reftable.entries, q->reftable.count * sizeof(u64));
    int failed = qcow2_cache_write(q, &q->blocks);
    failed = failed != 0 ? failed : bigger_write_blocks(q, &plan, entries);
    failed = failed != 0 ? failed : bigger_write_table(q, &plan, entries);
    u64 offset = (plan.cluster + plan.block_count) << q->cluster_bits;
    failed = failed != 0 ? failed : bigger_switch(q, offset, plan.table_clusters);
    if (failed != 0) {
        free(entries);
        return failed;
    }
    u64 old_first = q->reftable.offset >> q->cluster_bits;
    u64 old_count = qcow2_clusters(q, q->reftable.count * 8);
    free(q->reftable.entries);
    q->reftable = (struct qcow2_root){.entries = entries, .count = plan.entry_count,
                                      .offset = offset};
    for (u64 i = 0; failed == 0 && i < plan.block_count + plan.table_clusters; i++) {
        failed = qcow2_set_add(&q->metadata, plan.cluster + i) ? 0 : ENOMEM;
    }
    return failed != 0 ? failed : qcow2_free_later(q, old_first, old_count);
}

/* ---- Allocating ---- */

/* Whether the cluster is free; makes the block that counts it when there is none. */
static int alloc_is_free(struct qcow2 *q, u64 cluster, bool *is_free)
{
    u64 index = cluster >> q->block_bits;
    int failed = index < q->reftable.count ? 0 : table_grow(q);
    if (failed == 0 && (q->reftable.entries[index] & ~511ull) == 0) {
        failed = block_make(q, index);
    }
    u64 count = 1;
    failed = failed != 0 ? failed : qcow2_refcount_get(q, cluster, &count);
    *is_free = count == 0;
    return failed;
}

/* A few clusters may be allocated and not written yet. A file that claims more than that would keep
 * the search busy for hours. */
enum { ALLOC_MAX_BEYOND = 1 << 18 };

/* Finds the first run of free clusters that is long enough. */
static int alloc_find(struct qcow2 *q, u64 minimum, u64 wanted, u64 *first, u64 *count)
{
    u64 at = q->free_hint, length = 0, beyond = 0;
    bool first_free = true; /* none of those before `at` was free */
    for (; length < wanted; at++) {
        bool is_free;
        int failed = alloc_is_free(q, at, &is_free);
        if (failed != 0) {
            return failed;
        }
        if (is_free) {
            length++;
        } else if (at << q->cluster_bits > q->image.file.size_bytes &&
                   ++beyond > ALLOC_MAX_BEYOND) {
            return qcow2_broken(q, "clusters far behind the file's end are counted as used");
        } else if (length >= minimum) {
            break;
        } else {
            first_free = first_free && length == 0;
            length = 0;
        }
    }
    *first = at - length;
    *count = length;
    if (first_free) {
        q->free_hint = at;
    }
    return 0;
}

int qcow2_alloc(struct qcow2 *q, u64 minimum, u64 wanted, u64 *first, u64 *count)
{
    int failed = alloc_find(q, minimum, wanted, first, count);
    for (u64 i = 0; failed == 0 && i < *count; i++) {
        if (qcow2_set_has(&q->metadata, *first + i)) {
            return qcow2_broken(q, "a cluster with metadata is counted as free");
        }
        failed = qcow2_refcount_add(q, *first + i);
        for (u64 undo = 0; failed != 0 && undo < i; undo++) {
            qcow2_refcount_drop(q, *first + undo);
        }
    }
    return failed;
}

int qcow2_alloc_metadata(struct qcow2 *q, u64 count, u64 *offset)
{
    u64 first = 0, got = 0;
    int failed = qcow2_alloc(q, count, count, &first, &got);
    for (u64 i = 0; failed == 0 && i < count; i++) {
        failed = qcow2_set_add(&q->metadata, first + i) ? 0 : ENOMEM;
    }
    *offset = first << q->cluster_bits;
    return failed;
}

/* ---- Giving up ---- */

enum { FREED_MAX = 1 << 16 };

int qcow2_free_later(struct qcow2 *q, u64 first, u64 count)
{
    struct qcow2_range *last = q->freed_count > 0 ? &q->freed[q->freed_count - 1] : NULL;
    atomic_store(&q->unsynced, true);
    if (last != NULL && last->first + last->count == first) {
        last->count += count;
        return 0;
    }
    if (q->freed_count == q->freed_capacity) {
        size_t capacity = q->freed_capacity != 0 ? q->freed_capacity * 2 : 64;
        struct qcow2_range *larger =
            q->freed_count < FREED_MAX ? realloc(q->freed, capacity * sizeof(*larger)) : NULL;
        if (larger == NULL) {
            return 0; /* they stay counted as used: a leak, which does no harm */
        }
        q->freed = larger;
        q->freed_capacity = capacity;
    }
    q->freed[q->freed_count++] = (struct qcow2_range){first, count};
    return 0;
}

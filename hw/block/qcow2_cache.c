/* L2 tables and refcount blocks in memory, as they are in the file; and a set of cluster numbers.
 * See qcow2.h. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_WAYS = 4,
    CACHE_L2_BYTES = 32 << 20, /* maps 256 GiB with clusters of 64 KiB */
    CACHE_BLOCK_BYTES = 8 << 20,
    CACHE_MAX_SETS = 1024,
    CACHE_MIN_SETS = 4,
};

bool qcow2_cache_init(struct qcow2_cache *cache, const struct qcow2 *q, bool is_l2)
{
    u64 bytes = is_l2 ? CACHE_L2_BYTES : CACHE_BLOCK_BYTES;
    u64 sets = bytes / q->cluster_bytes / CACHE_WAYS;
    sets = sets > CACHE_MAX_SETS ? CACHE_MAX_SETS : sets < CACHE_MIN_SETS ? CACHE_MIN_SETS : sets;
    *cache = (struct qcow2_cache){.is_l2 = is_l2, .set_count = (unsigned)sets};
    cache->tables = calloc(sets * CACHE_WAYS, sizeof(*cache->tables));
    return cache->tables != NULL;
}

void qcow2_cache_fini(struct qcow2_cache *cache)
{
    for (unsigned i = 0; cache->tables != NULL && i < cache->set_count * CACHE_WAYS; i++) {
        free(cache->tables[i].bytes);
    }
    free(cache->tables);
    cache->tables = NULL;
}

static struct qcow2_table *cache_set(const struct qcow2 *q, const struct qcow2_cache *cache,
                                     u64 offset)
{
    u64 hash = (offset >> q->cluster_bits) * 0x9e3779b97f4a7c15u;
    return cache->tables + (hash >> 32 & (cache->set_count - 1)) * CACHE_WAYS;
}

static struct qcow2_table *cache_find(const struct qcow2 *q, const struct qcow2_cache *cache,
                                      u64 offset)
{
    struct qcow2_table *set = cache_set(q, cache, offset);
    for (unsigned i = 0; i < CACHE_WAYS; i++) {
        if (set[i].offset == offset) {
            return &set[i];
        }
    }
    return NULL;
}

static int cache_write_one(struct qcow2 *q, struct qcow2_cache *cache, struct qcow2_table *table)
{
    int failed = blk_file_write_bytes(&q->image.file, table->offset, table->bytes,
                                      q->cluster_bytes);
    if (failed == 0) {
        table->dirty = false;
        cache->dirty_count--;
    }
    return failed;
}

/* A place for another table, with memory: the one of its set that was not used for longest. */
static int cache_make_room(struct qcow2 *q, struct qcow2_cache *cache, u64 offset,
                           struct qcow2_table **place)
{
    struct qcow2_table *set = cache_set(q, cache, offset);
    struct qcow2_table *oldest = set;
    for (unsigned i = 1; i < CACHE_WAYS; i++) {
        oldest = set[i].used_at < oldest->used_at ? &set[i] : oldest;
    }
    if (oldest->dirty) {
        int failed = cache->is_l2 ? qcow2_sync(q) : cache_write_one(q, cache, oldest);
        if (failed != 0) {
            return failed;
        }
    }
    if (oldest->bytes == NULL) {
        oldest->bytes = malloc(q->cluster_bytes);
    }
    if (oldest->bytes == NULL) {
        return ENOMEM;
    }
    oldest->offset = 0;
    oldest->used_at = 0;
    *place = oldest;
    return 0;
}

static void cache_take(struct qcow2_cache *cache, struct qcow2_table *table, u64 offset)
{
    table->offset = offset;
    table->used_at = ++cache->clock;
}

int qcow2_cache_get(struct qcow2 *q, struct qcow2_cache *cache, u64 offset,
                    struct qcow2_table **table)
{
    *table = cache_find(q, cache, offset);
    if (*table != NULL) {
        (*table)->used_at = ++cache->clock;
        return 0;
    }
    int failed = cache_make_room(q, cache, offset, table);
    if (failed == 0) {
        failed = blk_file_read_bytes(&q->image.file, offset, (*table)->bytes, q->cluster_bytes);
    }
    if (failed == 0) {
        cache_take(cache, *table, offset);
    }
    return failed;
}

int qcow2_cache_new(struct qcow2 *q, struct qcow2_cache *cache, u64 offset,
                    struct qcow2_table **table)
{
    *table = cache_find(q, cache, offset);
    int failed = *table != NULL ? 0 : cache_make_room(q, cache, offset, table);
    if (failed == 0) {
        memset((*table)->bytes, 0, q->cluster_bytes);
        cache_take(cache, *table, offset);
    }
    return failed;
}

void qcow2_cache_dirty(struct qcow2_cache *cache, struct qcow2_table *table)
{
    if (!table->dirty) {
        table->dirty = true;
        cache->dirty_count++;
    }
}

static void cache_forget(struct qcow2_cache *cache, struct qcow2_table *table)
{
    cache->dirty_count -= table->dirty ? 1 : 0;
    table->dirty = false;
    table->offset = 0;
    table->used_at = 0;
}

void qcow2_cache_drop(struct qcow2_cache *cache, u64 offset)
{
    for (unsigned i = 0; i < cache->set_count * CACHE_WAYS; i++) {
        if (cache->tables[i].offset == offset) {
            cache_forget(cache, &cache->tables[i]);
        }
    }
}

void qcow2_cache_empty(struct qcow2_cache *cache)
{
    for (unsigned i = 0; i < cache->set_count * CACHE_WAYS; i++) {
        cache_forget(cache, &cache->tables[i]);
    }
}

int qcow2_cache_write(struct qcow2 *q, struct qcow2_cache *cache)
{
    int failed = 0;
    for (unsigned i = 0; failed == 0 && cache->dirty_count > 0 &&
                         i < cache->set_count * CACHE_WAYS;
         i++) {
        if (cache->tables[i].dirty) {
            failed = cache_write_one(q, cache, &cache->tables[i]);
        }
    }
    return failed;
}

/* ---- The set ---- */

static const u64 set_removed = UINT64_MAX;

void qcow2_set_fini(struct qcow2_set *set)
{
    free(set->slots);
    *set = (struct qcow2_set){0};
}

/* The slot of the cluster, or the free one where it would be; some slot is free. */
static u64 *set_slot(const struct qcow2_set *set, u64 cluster)
{
    size_t at = (size_t)((cluster + 1) * 0x9e3779b97f4a7c15u >> 20) & (set->slot_count - 1);
    while (set->slots[at] != 0 && set->slots[at] != cluster + 1) {
        at = (at + 1) & (set->slot_count - 1);
    }
    return &set->slots[at];
}

static bool set_grow(struct qcow2_set *set)
{
    struct qcow2_set larger = {.slot_count = set->slot_count != 0 ? set->slot_count * 2 : 64};
    larger.slots = calloc(larger.slot_count, sizeof(u64));
    if (larger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->slot_count; i++) {
        if (set->slots[i] != 0 && set->slots[i] != set_removed) {
            *set_slot(&larger, set->slots[i] - 1) = set->slots[i];
            larger.used++;
        }
    }
    free(set->slots);
    *set = larger;
    return true;
}

bool qcow2_set_add(struct qcow2_set *set, u64 cluster)
{
    if (set->used * 2 >= set->slot_count && !set_grow(set)) {
        return false;
    }
    u64 *slot = set_slot(set, cluster);
    if (*slot == 0) {
        *slot = cluster + 1;
        set->used++;
    }
    return true;
}

void qcow2_set_remove(struct qcow2_set *set, u64 cluster)
{
    u64 *slot = set->slot_count != 0 ? set_slot(set, cluster) : NULL;
    if (slot != NULL && *slot != 0) {
        *slot = set_removed;
    }
}

bool qcow2_set_has(const struct qcow2_set *set, u64 cluster)
{
    return set->slot_count != 0 && *set_slot(set, cluster) != 0;
}

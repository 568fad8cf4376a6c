/* In which order a qcow2 image's tables are written: see qcow2.h.
 *
 *   refcount blocks                  a cluster counted too high is harmless
 *     -- the host's cache flushed: data and counts are there
 *   refcount table                   only when a block is new
 *     -- flushed
 *   L2 tables and L1                 they point at data that is there and counted; a new L2 table
 *                                    was written when it was made
 *     -- flushed
 *   counts of what was given up      nothing points at it any more */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void qcow2_root_dirty(struct qcow2 *q, struct qcow2_root *root, u64 index)
{
    if (root->dirty_first == root->dirty_end) {
        root->dirty_first = index;
        root->dirty_end = index + 1;
    }
    root->dirty_first = index < root->dirty_first ? index : root->dirty_first;
    root->dirty_end = index >= root->dirty_end ? index + 1 : root->dirty_end;
    atomic_store(&q->unsynced, true);
}

bool qcow2_root_read(struct qcow2 *q, struct qcow2_root *root, u64 offset, u64 count)
{
    *root = (struct qcow2_root){.offset = offset, .count = count};
    root->entries = calloc(count + 1, sizeof(u64));
    if (root->entries == NULL ||
        blk_file_read_bytes(&q->image.file, offset, root->entries, count * 8) != 0) {
        return false;
    }
    for (u64 i = 0; i < count; i++) {
        root->entries[i] = ld_be64(&root->entries[i]);
    }
    return true;
}

static bool root_is_dirty(const struct qcow2_root *root)
{
    return root->dirty_first != root->dirty_end;
}

static int root_write(struct qcow2 *q, struct qcow2_root *root)
{
    u64 first = root->dirty_first, count = root->dirty_end - first;
    u8 *bytes = malloc(count * 8 + 1);
    if (bytes == NULL) {
        return ENOMEM;
    }
    for (u64 i = 0; i < count; i++) {
        st_be64(bytes + i * 8, root->entries[first + i]);
    }
    int failed = blk_file_write_bytes(&q->image.file, root->offset + first * 8, bytes, count * 8);
    free(bytes);
    if (failed == 0) {
        root->dirty_first = root->dirty_end = 0;
    }
    return failed;
}

static int sync_pointers(struct qcow2 *q)
{
    struct blk_file *file = &q->image.file;
    int failed = 0;
    if (q->l2s.dirty_count == 0 && !root_is_dirty(&q->l1) && !root_is_dirty(&q->reftable)) {
        return 0;
    }
    failed = blk_file_sync(file);
    if (failed == 0 && root_is_dirty(&q->reftable)) {
        failed = root_write(q, &q->reftable);
        failed = failed != 0 ? failed : blk_file_sync(file);
    }
    failed = failed != 0 ? failed : qcow2_cache_write(q, &q->l2s);
    if (failed == 0 && root_is_dirty(&q->l1)) {
        failed = root_write(q, &q->l1);
    }
    return failed;
}

/* Takes the list before it walks it: dropping may make a full cache sync again. */
static int sync_freed(struct qcow2 *q)
{
    struct qcow2_range *freed = q->freed;
    size_t count = q->freed_count;
    int failed = 0;
    q->freed = NULL;
    q->freed_count = q->freed_capacity = 0;
    for (size_t i = 0; i < count; i++) {
        for (u64 at = 0; failed == 0 && at < freed[i].count; at++) {
            failed = qcow2_refcount_drop(q, freed[i].first + at);
        }
    }
    free(freed);
    return failed;
}

int qcow2_sync(struct qcow2 *q)
{
    if (atomic_load(&q->broken)) {
        return EIO;
    }
    int failed = qcow2_cache_write(q, &q->blocks);
    failed = failed != 0 ? failed : sync_pointers(q);
    failed = failed != 0 ? failed : blk_file_sync(&q->image.file);
    if (failed == 0) {
        atomic_store(&q->unsynced, false);
        failed = sync_freed(q);
    }
    return failed;
}

int qcow2_flush(struct blk_image *image)
{
    struct qcow2 *q = qcow2_of(image);
    if (!image->writable) {
        return 0;
    }
    if (!atomic_load(&q->unsynced)) {
        return blk_file_sync(&image->file);
    }
    pthread_rwlock_wrlock(&q->lock);
    int failed = qcow2_sync(q);
    pthread_rwlock_unlock(&q->lock);
    return failed;
}

/* Reading a qcow2 disk, and writing to what lies where it may be overwritten. See qcow2.h. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <string.h>

/* One compressed cluster's part of a read. */
static int read_packed(struct qcow2 *q, u64 offset, struct blk_vector *vector,
                       const struct qcow2_run *run)
{
    pthread_mutex_lock(&q->cache_lock);
    int failed = qcow2_unpack(q, run->entry);
    if (failed == 0) {
        blk_vector_put(vector, q->unpacked + qcow2_in_cluster(q, offset), run->size_bytes);
    }
    pthread_mutex_unlock(&q->cache_lock);
    return failed;
}

static int read_run(struct qcow2 *q, u64 offset, struct blk_vector *vector,
                    const struct qcow2_run *run)
{
    switch (run->kind) {
    case QCOW2_ABSENT:
        return blk_image_read_backing(&q->image, offset, vector, run->size_bytes);
    case QCOW2_DATA: return blk_file_read(&q->image.file, run->host, vector, run->size_bytes);
    case QCOW2_PACKED: return read_packed(q, offset, vector, run);
    default: blk_vector_zero(vector, run->size_bytes); return 0;
    }
}

int qcow2_read_locked(struct qcow2 *q, u64 offset, struct blk_vector *vector, u64 size_bytes)
{
    int failed = 0;
    while (failed == 0 && size_bytes > 0) {
        struct qcow2_run run;
        failed = qcow2_find(q, offset, size_bytes, false, &run);
        if (failed == 0) {
            failed = read_run(q, offset, vector, &run);
            offset += run.size_bytes;
            size_bytes -= run.size_bytes;
        }
    }
    return failed;
}

int qcow2_read(struct blk_image *image, u64 offset, struct blk_vector *vector, u64 size_bytes)
{
    struct qcow2 *q = qcow2_of(image);
    pthread_rwlock_rdlock(&q->lock);
    int failed = qcow2_read_locked(q, offset, vector, size_bytes);
    pthread_rwlock_unlock(&q->lock);
    return failed;
}

int qcow2_look(struct blk_image *image, u64 offset, u64 limit, enum blk_content *content,
               u64 *run_bytes)
{
    static const enum blk_content contents[] = {
        [QCOW2_ABSENT] = BLK_CONTENT_ABSENT,
        [QCOW2_ZEROS] = BLK_CONTENT_ZEROS,
        [QCOW2_DATA] = BLK_CONTENT_DATA,
        [QCOW2_PACKED] = BLK_CONTENT_DATA,
    };
    struct qcow2 *q = qcow2_of(image);
    struct qcow2_run run = {0};
    pthread_rwlock_rdlock(&q->lock);
    int failed = qcow2_find(q, offset, limit, false, &run);
    pthread_rwlock_unlock(&q->lock);
    *content = contents[run.kind];
    *run_bytes = run.size_bytes;
    return failed;
}

/* Writes what can be written in place, with `lock` held shared; *size_bytes is what is left. */
static int write_in_place(struct qcow2 *q, u64 *offset, struct blk_vector *vector, u64 *size_bytes)
{
    int failed = 0;
    while (failed == 0 && *size_bytes > 0) {
        struct qcow2_run run;
        failed = qcow2_find(q, *offset, *size_bytes, true, &run);
        if (failed != 0 || run.kind != QCOW2_DATA || !run.copied) {
            break;
        }
        failed = blk_file_write(&q->image.file, run.host, vector, run.size_bytes);
        *offset += run.size_bytes;
        *size_bytes -= run.size_bytes;
    }
    return failed;
}

int qcow2_write(struct blk_image *image, u64 offset, struct blk_vector *vector, u64 size_bytes)
{
    struct qcow2 *q = qcow2_of(image);
    if (atomic_load_explicit(&q->broken, memory_order_relaxed)) {
        return EIO;
    }
    pthread_rwlock_rdlock(&q->lock);
    int failed = write_in_place(q, &offset, vector, &size_bytes);
    pthread_rwlock_unlock(&q->lock);
    if (failed != 0 || size_bytes == 0) {
        return failed;
    }
    pthread_rwlock_wrlock(&q->lock);
    while (failed == 0 && size_bytes > 0) {
        u64 done_bytes = 0;
        failed = qcow2_write_some(q, offset, vector, size_bytes, &done_bytes);
        offset += done_bytes;
        size_bytes -= done_bytes;
    }
    pthread_rwlock_unlock(&q->lock);
    return failed;
}

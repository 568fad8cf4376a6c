/* The block device (virtio 1.2, 5.2): read, write, flush, get-id, discard, write-zeroes on a
 * blk_backend, through one or several queues.
 *
 *   configuration: 0 le64 capacity in sectors of 512 bytes, 12 le32 most segments, 20 le32 block
 *   size, 24 topology, 34 le16 queues, 36 le32 discard and 48 write-zeroes limits, 56 u8 unmap
 *
 * The disk has a volatile write cache, as the host's page cache is one: a driver that negotiates
 * VIRTIO_BLK_F_FLUSH flushes, for any other each write is flushed before it completes.
 *
 * With the real clock one thread of the device's own serves all queues, one request after the
 * other, without the device's lock while the host works. With the virtual clock requests run when
 * virtio.h says, on the thread that calls.
 *
 * Left out: geometry, a switchable cache, lifetime, secure erase, zones. */
#include "hw/virtio/virtio_blk.h"

#include "hw/virtio/virtio_blk_request.h"
#include <string.h>

#define BLK_F_SEG_MAX BIT(2)
#define BLK_F_RO BIT(5)
#define BLK_F_BLK_SIZE BIT(6)
#define BLK_F_FLUSH BIT(9)
#define BLK_F_TOPOLOGY BIT(10)
#define BLK_F_MQ BIT(12)
#define BLK_F_DISCARD BIT(13)
#define BLK_F_WRITE_ZEROES BIT(14)

enum {
    BLK_QUEUE_ENTRIES = 256,
    BLK_CONFIG_BYTES = 60,
    BLK_PHYSICAL_LOG2 = 3, /* eight sectors: what the overlay and most hosts work with */
};

struct blk {
    struct blk_backend *backend;
    struct blk_request request; /* of the one that serves */
    int last_error;             /* of the host's, logged already */
    /* The worker, with the real clock; under the device's lock. */
    pthread_t thread;
    bool threaded;
    bool stopping;
    bool busy;          /* a request is under way without the lock */
    unsigned quiescing; /* how many wait for that to end; nothing is begun meanwhile */
    u32 kicked;         /* queues to serve, one bit each */
    pthread_cond_t kick;
    pthread_cond_t idle;
};

static const struct virtio_blk_config *blk_config(const struct virtio *virtio)
{
    return virtio->config;
}

/* ---- Serving ---- */

/* Runs the request that was found; the lock is released meanwhile when a worker does it. */
static void blk_run(struct virtio *virtio, unsigned queue)
{
    struct blk *blk = virtio->state;
    struct blk_request *request = &blk->request;
    u32 epoch = virtio->epoch;
    request->backend = blk->backend;
    request->serial = blk_config(virtio)->serial;
    request->write_through = !virtio_has_feature(virtio, BLK_F_FLUSH);
    blk->busy = true;
    if (blk->threaded) {
        device_unlock(virtio->device);
    }
    blk_request_run(virtio, request);
    if (blk->threaded) {
        device_lock(virtio->device);
    }
    blk->busy = false;
    if (request->host_error != 0 && request->host_error != blk->last_error) {
        log_print(virtio->device->env->log, LOG_ERROR, "%s: the host failed: %s",
                  virtio->device->name, strerror(request->host_error));
    }
    blk->last_error = request->host_error != 0 ? request->host_error : blk->last_error;
    if (virtio->epoch == epoch) {
        virtio_queue_finish(virtio, queue, &request->chain, request->written_bytes);
    }
}

/* Serves at most a queue's worth; true when more is left. */
static bool blk_serve_queue(struct virtio *virtio, unsigned queue)
{
    struct blk *blk = virtio->state;
    virtio_queue_wake(virtio, queue);
    for (unsigned i = 0; i < BLK_QUEUE_ENTRIES; i++) {
        if (blk->stopping || blk->quiescing > 0) {
            return true;
        }
        if (!virtio_queue_peek(virtio, queue, &blk->request.chain)) {
            break;
        }
        if (!blk_request_is_framed(&blk->request)) {
            virtio_break(virtio, "a disk request without a whole header or a status byte");
            return false;
        }
        blk_run(virtio, queue);
    }
    return virtio_queue_sleep(virtio, queue);
}

/* The next queue after `last` that was kicked; some was. */
static unsigned blk_next_queue(const struct blk *blk, unsigned last)
{
    u32 later = blk->kicked & ~(u32)((2u << last) - 1);
    return (unsigned)__builtin_ctz(later != 0 ? later : blk->kicked);
}

static void *blk_main(void *opaque)
{
    struct virtio *virtio = opaque;
    struct blk *blk = virtio->state;
    unsigned queue = 0;
    device_lock(virtio->device);
    for (;;) {
        while (!blk->stopping && (blk->kicked == 0 || blk->quiescing > 0)) {
            pthread_cond_wait(&blk->kick, &virtio->device->lock);
        }
        if (blk->stopping) {
            break;
        }
        queue = blk_next_queue(blk, queue);
        blk->kicked &= ~(1u << queue);
        if (blk_serve_queue(virtio, queue)) {
            blk->kicked |= 1u << queue;
        }
        pthread_cond_broadcast(&blk->idle);
    }
    device_unlock(virtio->device);
    return NULL;
}

static bool blk_serve(struct virtio *virtio, unsigned queue)
{
    struct blk *blk = virtio->state;
    if (!blk->threaded) {
        return blk_serve_queue(virtio, queue);
    }
    blk->kicked |= 1u << queue;
    pthread_cond_signal(&blk->kick);
    return false;
}

static void blk_quiesce(struct virtio *virtio)
{
    struct blk *blk = virtio->state;
    blk->quiescing++;
    while (blk->busy) {
        pthread_cond_wait(&blk->idle, &virtio->device->lock);
    }
    blk->quiescing--;
    if (blk->threaded) {
        pthread_cond_signal(&blk->kick);
    }
}

static void blk_reset(struct virtio *virtio)
{
    struct blk *blk = virtio->state;
    blk->kicked = 0;
}

/* ---- Configuration ---- */

static void blk_read_config(struct virtio *virtio, u8 *bytes)
{
    const struct blk *blk = virtio->state;
    st_le64(bytes, blk_backend_size_bytes(blk->backend) / BLK_SECTOR_BYTES);
    st_le32(bytes + 12, BLK_QUEUE_ENTRIES - 2); /* a header and a status besides */
    st_le32(bytes + 20, BLK_SECTOR_BYTES);
    bytes[24] = BLK_PHYSICAL_LOG2;
    st_le16(bytes + 26, 1u << BLK_PHYSICAL_LOG2); /* least good transfer, in blocks */
    st_le16(bytes + 34, (u16)virtio->queue_count);
    if (blk_backend_is_writable(blk->backend)) {
        st_le32(bytes + 36, BLK_MAX_RANGE_SECTORS);
        st_le32(bytes + 40, 1); /* ranges of a discard */
        st_le32(bytes + 44, 1u << BLK_PHYSICAL_LOG2); /* their alignment */
        st_le32(bytes + 48, BLK_MAX_RANGE_SECTORS);
        st_le32(bytes + 52, 1);
        bytes[56] = 1; /* write-zeroes may unmap */
    }
}

/* ---- Life ---- */

static bool blk_start_worker(struct virtio *virtio, struct metic_error *error)
{
    struct blk *blk = virtio->state;
    if (journal_is_deterministic(virtio->device->env->journal)) {
        return true;
    }
    int reason = pthread_create(&blk->thread, NULL, blk_main, virtio);
    if (reason != 0) {
        return error_set(error, "raise the limit on threads (ulimit -u)",
                         "the disk %s cannot have a thread: %s", blk_config(virtio)->path,
                         strerror(reason));
    }
    blk->threaded = true;
    return true;
}

static bool blk_init(struct virtio *virtio, struct metic_error *error)
{
    struct blk *blk = virtio->state;
    const struct virtio_blk_config *config = blk_config(virtio);
    pthread_cond_init(&blk->kick, NULL);
    pthread_cond_init(&blk->idle, NULL);
    blk->backend = blk_backend_open(config->path, config->mode, error);
    if (blk->backend == NULL) {
        return false;
    }
    virtio->queue_count = config->queue_count != 0 ? config->queue_count : 1;
    virtio->config_bytes = BLK_CONFIG_BYTES;
    virtio->features |= BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_TOPOLOGY | BLK_F_FLUSH;
    virtio->features |= virtio->queue_count > 1 ? BLK_F_MQ : 0;
    virtio->features |= blk_backend_is_writable(blk->backend)
                            ? BLK_F_DISCARD | BLK_F_WRITE_ZEROES
                            : BLK_F_RO;
    return blk_start_worker(virtio, error);
}

static void blk_fini(struct virtio *virtio)
{
    struct blk *blk = virtio->state;
    if (blk->threaded) {
        device_lock(virtio->device);
        blk->stopping = true;
        pthread_cond_signal(&blk->kick);
        device_unlock(virtio->device);
        pthread_join(blk->thread, NULL);
    }
    blk_backend_close(blk->backend);
    pthread_cond_destroy(&blk->kick);
    pthread_cond_destroy(&blk->idle);
}

static void blk_save(struct virtio *virtio, struct state_writer *writer)
{
    struct blk *blk = virtio->state;
    blk_backend_save(blk->backend, writer);
}

static bool blk_load(struct virtio *virtio, struct state_reader *reader,
                     struct metic_error *error)
{
    struct blk *blk = virtio->state;
    return blk_backend_load(blk->backend, reader, error);
}

const struct virtio_type virtio_blk_type = {
    .name = "virtio-blk",
    .device_id = 2,
    .queue_entries = BLK_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct blk),
    .init = blk_init,
    .fini = blk_fini,
    .read_config = blk_read_config,
    .serve = blk_serve,
    .quiesce = blk_quiesce,
    .reset = blk_reset,
    .save = blk_save,
    .load = blk_load,
};

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
#include "hw/virtio/virtio_worker.h"
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
    struct virtio_worker worker;
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
    request->backend = blk->backend;
    request->serial = blk_config(virtio)->serial;
    request->write_through = !virtio_has_feature(virtio, BLK_F_FLUSH);
    virtio_worker_unlock(&blk->worker);
    blk_request_run(virtio, request);
    bool finish = virtio_worker_lock(&blk->worker);
    if (request->host_error != 0 && request->host_error != blk->last_error) {
        log_print(virtio->device->env->log, LOG_ERROR, "%s: the host failed: %s",
                  virtio->device->name, strerror(request->host_error));
    }
    blk->last_error = request->host_error != 0 ? request->host_error : blk->last_error;
    if (finish) {
        virtio_queue_finish(virtio, queue, &request->chain, request->written_bytes);
    }
}

/* Serves at most a queue's worth; true when more is left. */
static bool blk_serve_queue(struct virtio *virtio, unsigned queue)
{
    struct blk *blk = virtio->state;
    virtio_queue_wake(virtio, queue);
    for (unsigned i = 0; i < BLK_QUEUE_ENTRIES; i++) {
        if (virtio_worker_must_pause(&blk->worker)) {
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

static bool blk_serve(struct virtio *virtio, unsigned queue)
{
    struct blk *blk = virtio->state;
    return virtio_worker_serve(&blk->worker, queue);
}

static void blk_quiesce(struct virtio *virtio)
{
    struct blk *blk = virtio->state;
    virtio_worker_quiesce(&blk->worker);
}

static void blk_reset(struct virtio *virtio)
{
    struct blk *blk = virtio->state;
    virtio_worker_reset(&blk->worker);
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

static bool blk_init(struct virtio *virtio, struct metic_error *error)
{
    struct blk *blk = virtio->state;
    const struct virtio_blk_config *config = blk_config(virtio);
    virtio_worker_init(&blk->worker, virtio, blk_serve_queue);
    blk->backend = blk_backend_open(&config->disk, error);
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
    return virtio_worker_start(&blk->worker, error);
}

static void blk_fini(struct virtio *virtio)
{
    struct blk *blk = virtio->state;
    virtio_worker_fini(&blk->worker);
    blk_backend_close(blk->backend);
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

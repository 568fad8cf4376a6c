/* The block device (virtio 1.2, 5.2): read, write, flush, get-id, discard, write-zeroes on a
 * blk_backend, through one or several queues.
 *
 *   configuration: 0 le64 capacity in sectors of 512 bytes, 12 le32 most segments, 20 le32 block
 *   size, 24 topology, 34 le16 queues, 36 le32 discard and 48 write-zeroes limits, 56 u8 unmap
 *
 * The disk has a volatile write cache, as the host's page cache is one: a driver that negotiates
 * VIRTIO_BLK_F_FLUSH flushes, for any other each write is flushed before it completes.
 *
 * With the real clock each queue has a thread of its own, that does one request after the other,
 * without the device's lock while the host works. With the virtual clock requests run when
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
    BLK_RETRY_NS = 100000000,
};

/* One queue, and who serves it. */
struct blk_queue {
    struct virtio_worker worker;
    struct blk_request request; /* of the worker's */
};

struct blk {
    struct blk_backend *backend;
    int last_error; /* of the host's, logged already */
    struct blk_queue queues[VIRTIO_BLK_MAX_QUEUES];
};

static const struct virtio_blk_config *blk_config(const struct virtio *virtio)
{
    return virtio->config;
}

/* ---- Serving ---- */

static void blk_log_error(struct virtio *virtio, int host_error)
{
    struct blk *blk = virtio->state;
    const char *trouble = blk_backend_trouble(blk->backend);
    if (host_error != blk->last_error) {
        log_print(virtio->device->env->log, LOG_ERROR, "%s: the host failed: %s%s%s",
                  virtio->device->name, strerror(host_error), trouble[0] != '\0' ? ": " : "",
                  trouble);
    }
    blk->last_error = host_error;
}

static void blk_tell_error(struct virtio *virtio, const struct blk_request *request)
{
    const struct device_env *env = virtio->device->env;
    char text[64];
    if (env->failed != NULL) {
        snprintf(text, sizeof(text), "%s %s %s", virtio->device->name, request->kind,
                 blk_config(virtio)->stop_on_error ? "stop" : "report");
        env->failed(env->failed_opaque, text);
    }
}

/* The host failed and the machine is to stop: the request stays the queue's first, and is tried
 * again some guest time later, which does not pass before the machine goes on. */
static void blk_hold(struct virtio *virtio, unsigned queue)
{
    const struct device_env *env = virtio->device->env;
    struct blk *blk = virtio->state;
    blk->last_error = 0;
    virtio_serve_at(virtio, BIT(queue), clock_now_ns(env->clock) + BLK_RETRY_NS);
    env->request(env->request_opaque, DEVICE_REQUEST_STOP, 0);
}

/* Runs the request that was found; the lock is released meanwhile when a worker does it. False: it
 * is held back. */
static bool blk_run(struct virtio *virtio, unsigned queue)
{
    struct blk *blk = virtio->state;
    struct virtio_worker *worker = &blk->queues[queue].worker;
    struct blk_request *request = &blk->queues[queue].request;
    request->backend = blk->backend;
    request->serial = blk_config(virtio)->serial;
    request->write_through = !virtio_has_feature(virtio, BLK_F_FLUSH);
    virtio_worker_unlock(worker);
    blk_request_run(virtio, request);
    bool finish = virtio_worker_lock(worker);
    if (request->host_error != 0) {
        blk_log_error(virtio, request->host_error);
        blk_tell_error(virtio, request);
    }
    if (finish && request->host_error != 0 && blk_config(virtio)->stop_on_error) {
        blk_hold(virtio, queue);
        return false;
    }
    if (finish) {
        virtio_queue_finish(virtio, queue, &request->chain, request->written_bytes);
    }
    return true;
}

/* Serves at most a queue's worth; true when more is left. */
static bool blk_serve_queue(struct virtio *virtio, unsigned queue)
{
    struct blk *blk = virtio->state;
    struct blk_request *request = &blk->queues[queue].request;
    virtio_queue_wake(virtio, queue);
    for (unsigned i = 0; i < BLK_QUEUE_ENTRIES; i++) {
        if (virtio_worker_must_pause(&blk->queues[queue].worker)) {
            return true;
        }
        if (!virtio_queue_peek(virtio, queue, &request->chain)) {
            break;
        }
        if (!blk_request_is_framed(request)) {
            virtio_break(virtio, "a disk request without a whole header or a status byte");
            return false;
        }
        if (!blk_run(virtio, queue)) {
            return false;
        }
    }
    return virtio_queue_sleep(virtio, queue);
}

static bool blk_serve(struct virtio *virtio, unsigned queue)
{
    struct blk *blk = virtio->state;
    return virtio_worker_serve(&blk->queues[queue].worker, queue);
}

/* All stand still at once: none begins while another is waited for. */
static void blk_quiesce(struct virtio *virtio)
{
    struct blk *blk = virtio->state;
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        virtio_worker_hold(&blk->queues[i].worker);
    }
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        virtio_worker_quiesce(&blk->queues[i].worker);
    }
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        virtio_worker_release(&blk->queues[i].worker);
    }
}

static void blk_reset(struct virtio *virtio)
{
    struct blk *blk = virtio->state;
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        virtio_worker_reset(&blk->queues[i].worker);
    }
}

/* ---- Configuration ---- */

static void blk_read_config(struct virtio *virtio, u8 *bytes)
{
    const struct blk *blk = virtio->state;
    u32 good_sectors = (u32)(blk_backend_good_bytes(blk->backend) / BLK_SECTOR_BYTES);
    st_le64(bytes, blk_backend_size_bytes(blk->backend) / BLK_SECTOR_BYTES);
    st_le32(bytes + 12, BLK_QUEUE_ENTRIES - 2); /* a header and a status besides */
    st_le32(bytes + 20, BLK_SECTOR_BYTES);
    bytes[24] = BLK_PHYSICAL_LOG2;
    st_le16(bytes + 26, 1u << BLK_PHYSICAL_LOG2); /* least good transfer, in blocks */
    st_le32(bytes + 28, good_sectors);            /* best transfer */
    st_le16(bytes + 34, (u16)virtio->queue_count);
    if (blk_backend_is_writable(blk->backend)) {
        st_le32(bytes + 36, BLK_MAX_RANGE_SECTORS);
        st_le32(bytes + 40, 1); /* ranges of a discard */
        st_le32(bytes + 44, good_sectors); /* their alignment */
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
    virtio->queue_count = config->queue_count != 0 ? config->queue_count : 1;
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        virtio_worker_init(&blk->queues[i].worker, virtio, blk_serve_queue);
    }
    blk->backend = blk_backend_open(&config->disk, error);
    if (blk->backend == NULL) {
        return false;
    }
    virtio->config_bytes = BLK_CONFIG_BYTES;
    virtio->features |= BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_TOPOLOGY | BLK_F_FLUSH;
    virtio->features |= virtio->queue_count > 1 ? BLK_F_MQ : 0;
    virtio->features |= blk_backend_is_writable(blk->backend)
                            ? BLK_F_DISCARD | BLK_F_WRITE_ZEROES
                            : BLK_F_RO;
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        if (!virtio_worker_start(&blk->queues[i].worker, error)) {
            return false;
        }
    }
    return true;
}

static void blk_fini(struct virtio *virtio)
{
    struct blk *blk = virtio->state;
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        virtio_worker_fini(&blk->queues[i].worker);
    }
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

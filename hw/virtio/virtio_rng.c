/* The entropy device (virtio 1.2, 5.4): the driver gives writable buffers, the device fills them.
 * Bytes come from the journal, so that they are the host's, or the seed's, or the recording's. The
 * device may give fewer than there is room for, and gives at most RNG_MAX_BYTES to a chain: no
 * driver asks for more at once, and a hart waits meanwhile. */
#include "hw/virtio/virtio_rng.h"

#include "hw/virtio/virtio_queue.h"

enum { RNG_QUEUE_ENTRIES = 64, RNG_MAX_BYTES = 1024 };

struct rng {
    struct virtio_chain chain;
};

static void rng_fill(struct virtio *virtio, unsigned queue)
{
    struct rng *rng = virtio->state;
    u8 bytes[RNG_MAX_BYTES];
    u64 room = rng->chain.writable_bytes;
    size_t wanted = room < sizeof(bytes) ? (size_t)room : sizeof(bytes);
    journal_entropy(virtio->device->env->journal, bytes, wanted);
    size_t written = virtio_chain_write(virtio, &rng->chain, 0, bytes, wanted);
    virtio_queue_finish(virtio, queue, &rng->chain, written);
}

static bool rng_serve(struct virtio *virtio, unsigned queue)
{
    struct rng *rng = virtio->state;
    for (unsigned i = 0; i < RNG_QUEUE_ENTRIES; i++) {
        if (!virtio_queue_peek(virtio, queue, &rng->chain)) {
            break;
        }
        rng_fill(virtio, queue);
    }
    return virtio_queue_sleep(virtio, queue);
}

static bool rng_init(struct virtio *virtio, struct metic_error *error)
{
    (void)error;
    virtio->queue_count = 1;
    return true;
}

static void rng_fini(struct virtio *virtio)
{
    (void)virtio;
}

const struct virtio_type virtio_rng_type = {
    .name = "virtio-rng",
    .device_id = 4,
    .on_hart_only = true,
    .queue_entries = RNG_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct rng),
    .init = rng_init,
    .fini = rng_fini,
    .serve = rng_serve,
};

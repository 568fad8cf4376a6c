/* See console_stream.h. */
#include "hw/virtio/console_stream.h"

enum {
    /* A chain may name the same memory again and again; a hart is not held for longer than this. */
    STREAM_MAX_CHAIN_BYTES = 1 << 20,
    STREAM_PART_BYTES = 4096,
};

static void stream_print(struct virtio *virtio, const struct virtio_chain *chain,
                         struct char_port *port)
{
    u8 bytes[STREAM_PART_BYTES];
    for (u64 at = 0; at < STREAM_MAX_CHAIN_BYTES;) {
        size_t got = virtio_chain_read(chain, at, bytes, sizeof(bytes));
        if (got == 0) {
            return;
        }
        if (port != NULL) {
            char_port_write(port, bytes, got);
        }
        at += got;
    }
    device_guest_error(virtio->device, "more than 1 MiB in one write; the rest is lost");
}

bool console_stream_print(struct virtio *virtio, unsigned queue, struct virtio_chain *chain,
                          struct char_port *port)
{
    for (unsigned i = 0; i < virtio->saved.entries[queue]; i++) {
        if (port != NULL && !char_port_has_room(port)) {
            return false; /* it is told when there is */
        }
        if (!virtio_queue_peek(virtio, queue, chain)) {
            break;
        }
        stream_print(virtio, chain, port);
        virtio_queue_finish(virtio, queue, chain, 0);
    }
    return virtio_queue_sleep(virtio, queue);
}

/* Moves what has arrived into the next buffers, while there are both. Notifications stay on: a new
 * buffer matters only when bytes wait, and then this is called. */
bool console_stream_fill(struct virtio *virtio, unsigned queue, struct virtio_chain *chain,
                         struct char_port *port)
{
    for (unsigned i = 0; port != NULL && i < virtio->saved.entries[queue]; i++) {
        u8 bytes[STREAM_PART_BYTES];
        if (!virtio_queue_peek(virtio, queue, chain)) {
            return virtio_queue_sleep(virtio, queue);
        }
        u64 room = chain->writable_bytes;
        size_t wanted = room < sizeof(bytes) ? (size_t)room : sizeof(bytes);
        size_t got = wanted > 0 ? char_port_read(port, bytes, wanted) : 0;
        if (got == 0 && wanted > 0) {
            return false; /* `ready` calls again when there is input */
        }
        size_t written = virtio_chain_write(virtio, chain, 0, bytes, got);
        virtio_queue_finish(virtio, queue, chain, written);
    }
    return port != NULL;
}

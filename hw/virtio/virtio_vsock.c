/* The socket device (virtio 1.2, 5.10): byte streams between programs in the guest, which use
 * AF_VSOCK, and programs of the host (hw/vsock/vsock_port.h).
 *
 *   configuration: 0 le64 the guest's address (CID); the host's is 2
 *   queues: 0 packets to the guest, 1 packets from it, 2 events, of which there are none
 *   a packet: le64 source and destination address, le32 source and destination port, le32 length,
 *   le16 type (1: stream), le16 operation, le32 flags, le32 how much the sender can hold, le32 how
 *   much it has taken so far; then data
 *
 * Each side may send what the other can hold and has not taken; both counts come with each packet,
 * and in one of their own (CREDIT_UPDATE) when the other might wait for it.
 *
 * A stream is closed by SHUTDOWN of both directions, which the other side acknowledges with RST
 * when it has sent and read all. RST alone ends it at once, and refuses one that was asked for.
 *
 * A stream cannot be saved, as its other end is a program of the host's. Where a state is loaded
 * that had streams, the guest gets RST for each.
 *
 * Left out: SEQPACKET, the event of a changed address. */
#include "hw/virtio/vsock_private.h"

#include "hw/virtio/virtio_queue.h"
#include <stdlib.h>
#include <string.h>

enum {
    VSOCK_QUEUE_ENTRIES = 128,
    VSOCK_RX = 0,
    VSOCK_TX = 1,
    VSOCK_QUEUES = 3,
    VSOCK_CONFIG_BYTES = 8,
};

/* The device's state with what a packet needs while it is worked on. */
struct vsock_whole {
    struct vsock_device vsock; /* first */
    struct virtio_chain chain;
    u8 packet[VSOCK_PACKET_BYTES];
};

/* ---- To the guest ---- */

/* Puts a packet into the chain, with as much of the stream's input as `data_bytes` says. */
static void vsock_put(struct virtio *virtio, const struct virtio_chain *chain, u16 op, u32 flags,
                      u32 host_port, u32 guest_port, struct vsock_stream *stream, u32 data_bytes)
{
    u8 bytes[VSOCK_HEAD_BYTES] = {0};
    st_le64(bytes, VSOCK_HOST_CID);
    st_le64(bytes + 8, vsock_port_of(virtio)->guest_cid);
    st_le32(bytes + 16, host_port);
    st_le32(bytes + 20, guest_port);
    st_le32(bytes + 24, data_bytes);
    st_le16(bytes + 28, VSOCK_TYPE_STREAM);
    st_le16(bytes + 30, op);
    st_le32(bytes + 32, flags);
    if (stream != NULL) {
        st_le32(bytes + 36, VSOCK_BUFFER_BYTES);
        st_le32(bytes + 40, stream->taken);
        stream->told_taken = stream->taken;
        stream->wants_credit = false;
    }
    virtio_chain_write(virtio, chain, 0, bytes, sizeof(bytes));
    if (data_bytes > 0) {
        virtio_chain_write(virtio, chain, sizeof(bytes), stream->input + stream->input_at,
                           data_bytes);
    }
    virtio_queue_finish(virtio, VSOCK_RX, chain, VSOCK_HEAD_BYTES + data_bytes);
}

static void vsock_put_stream(struct virtio *virtio, const struct virtio_chain *chain,
                             struct vsock_stream *stream, u16 op, u32 flags, u32 data_bytes)
{
    vsock_put(virtio, chain, op, flags, stream->host_port, stream->guest_port, stream, data_bytes);
}

static void vsock_took(struct virtio *virtio, struct vsock_stream *stream, u32 size_bytes)
{
    struct vsock_backend *backend = vsock_port_of(virtio)->backend;
    stream->input_at += size_bytes;
    if (!stream->host_gone && backend != NULL) {
        backend->class->took(backend, stream->id, size_bytes);
    }
}

/* What came for a guest that receives no more. */
static void vsock_pass_over(struct virtio *virtio, struct vsock_stream *stream)
{
    if ((stream->guest_shut & VSOCK_SHUTDOWN_RECEIVE) != 0) {
        vsock_took(virtio, stream, (u32)vsock_input_bytes(stream));
    }
}

static void vsock_put_data(struct virtio *virtio, const struct virtio_chain *chain,
                           struct vsock_stream *stream)
{
    u64 room = chain->writable_bytes - VSOCK_HEAD_BYTES;
    u32 part = vsock_sendable(stream);
    part = part < VSOCK_PACKET_BYTES ? part : VSOCK_PACKET_BYTES;
    part = part < room ? part : (u32)room;
    vsock_put_stream(virtio, chain, stream, VSOCK_OP_RW, 0, part);
    stream->sent += part;
    vsock_took(virtio, stream, part);
}

/* One packet of the stream's, which has something to send. */
static void vsock_put_next(struct virtio *virtio, const struct virtio_chain *chain,
                           struct vsock_stream *stream)
{
    u32 shut = vsock_untold_shut(stream);
    if (stream->wants_request) {
        stream->wants_request = false;
        vsock_put_stream(virtio, chain, stream, VSOCK_OP_REQUEST, 0, 0);
    } else if (stream->wants_response) {
        stream->wants_response = false;
        vsock_put_stream(virtio, chain, stream, VSOCK_OP_RESPONSE, 0, 0);
    } else if (vsock_sendable(stream) > 0) {
        vsock_put_data(virtio, chain, stream);
    } else if (shut != 0) {
        stream->told_shut |= shut;
        vsock_put_stream(virtio, chain, stream, VSOCK_OP_SHUTDOWN, stream->told_shut, 0);
    } else {
        vsock_put_stream(virtio, chain, stream, VSOCK_OP_CREDIT_UPDATE, 0, 0);
    }
}

/* Moves packets into buffers, while there are both. */
static bool vsock_serve_rx(struct virtio *virtio)
{
    struct vsock_whole *whole = virtio->state;
    struct vsock_device *vsock = &whole->vsock;
    struct virtio_chain *chain = &whole->chain;
    for (unsigned i = 0; i < VSOCK_QUEUE_ENTRIES; i++) {
        if (vsock->refusal_count == 0 && vsock->first == NULL) {
            return false; /* vsock_arrived calls again */
        }
        if (!virtio_queue_peek(virtio, VSOCK_RX, chain)) {
            return virtio_queue_sleep(virtio, VSOCK_RX);
        }
        if (chain->writable_bytes <= VSOCK_HEAD_BYTES) {
            device_guest_error(virtio->device, "a buffer has no room for a packet");
            virtio_queue_finish(virtio, VSOCK_RX, chain, 0);
            continue;
        }
        if (vsock->refusal_count > 0) {
            struct vsock_refusal refusal = vsock->refusals[vsock->refusal_at];
            vsock->refusal_at = (vsock->refusal_at + 1) % VSOCK_MAX_REFUSALS;
            vsock->refusal_count--;
            vsock_put(virtio, chain, VSOCK_OP_RST, 0, refusal.host_port, refusal.guest_port, NULL,
                      0);
            continue;
        }
        struct vsock_stream *stream = vsock_next_stream(vsock);
        if (stream != NULL) {
            vsock_put_next(virtio, chain, stream);
            vsock_stream_look(vsock, stream);
        }
    }
    return true;
}

/* ---- From the guest ---- */

static void vsock_read_header(const u8 *bytes, struct vsock_header *header)
{
    *header = (struct vsock_header){
        .src_cid = ld_le64(bytes), .dst_cid = ld_le64(bytes + 8),
        .src_port = ld_le32(bytes + 16), .dst_port = ld_le32(bytes + 20),
        .size_bytes = ld_le32(bytes + 24), .type = ld_le16(bytes + 28),
        .op = ld_le16(bytes + 30), .flags = ld_le32(bytes + 32),
        .buffer_bytes = ld_le32(bytes + 36), .taken_bytes = ld_le32(bytes + 40),
    };
}

static void vsock_open(struct virtio *virtio, const struct vsock_header *header)
{
    struct vsock_device *vsock = virtio->state;
    struct vsock_backend *backend = vsock_port_of(virtio)->backend;
    struct vsock_stream *stream =
        vsock_stream_new(vsock, vsock->next_id, header->dst_port, header->src_port);
    if (stream == NULL) {
        vsock_refuse(vsock, header->dst_port, header->src_port);
        return;
    }
    vsock->next_id++;
    stream->state = VSOCK_OPENING;
    stream->guest_buffer = header->buffer_bytes;
    stream->guest_taken = header->taken_bytes;
    if (backend != NULL) {
        backend->class->open(backend, stream->id, header->dst_port);
    }
}

/* Data; more than there is room for is against the rules. False: the stream is at its end. */
static bool vsock_receive(struct virtio *virtio, struct vsock_stream *stream,
                          const struct virtio_chain *chain, const struct vsock_header *header)
{
    struct vsock_whole *whole = virtio->state;
    struct vsock_backend *backend = vsock_port_of(virtio)->backend;
    u32 room = VSOCK_BUFFER_BYTES - (stream->received - stream->taken);
    if (stream->state != VSOCK_OPEN || (stream->guest_shut & VSOCK_SHUTDOWN_SEND) != 0 ||
        header->size_bytes > room || header->size_bytes > VSOCK_PACKET_BYTES ||
        header->size_bytes > chain->readable_bytes - VSOCK_HEAD_BYTES) {
        device_guest_error(virtio->device, "data for a stream that takes none, or too much");
        return false;
    }
    virtio_chain_read(chain, VSOCK_HEAD_BYTES, whole->packet, header->size_bytes);
    stream->received += header->size_bytes;
    if (stream->host_gone) {
        stream->taken += header->size_bytes; /* nobody reads it */
    } else if (backend != NULL) {
        backend->class->send(backend, stream->id, whole->packet, header->size_bytes);
    }
    return true;
}

/* False: the stream is at its end. */
static bool vsock_shut(struct virtio *virtio, struct vsock_stream *stream, u32 flags)
{
    struct vsock_backend *backend = vsock_port_of(virtio)->backend;
    bool ended = (stream->guest_shut & VSOCK_SHUTDOWN_SEND) != 0;
    stream->guest_shut |= flags & VSOCK_SHUTDOWN_BOTH;
    if (stream->guest_shut == VSOCK_SHUTDOWN_BOTH || stream->state != VSOCK_OPEN) {
        return false;
    }
    vsock_pass_over(virtio, stream);
    if (!ended && stream->guest_shut == VSOCK_SHUTDOWN_SEND && !stream->host_gone &&
        backend != NULL) {
        backend->class->end(backend, stream->id);
    }
    return true;
}

/* A packet for a stream that there is. False: the stream is at its end. */
static bool vsock_work(struct virtio *virtio, struct vsock_stream *stream,
                       const struct virtio_chain *chain, const struct vsock_header *header)
{
    struct vsock_backend *backend = vsock_port_of(virtio)->backend;
    stream->guest_buffer = header->buffer_bytes;
    stream->guest_taken = header->taken_bytes;
    switch (header->op) {
    case VSOCK_OP_RESPONSE:
        if (stream->state != VSOCK_ASKING || stream->wants_request) {
            return false;
        }
        stream->state = VSOCK_OPEN;
        if (!stream->host_gone && backend != NULL) {
            backend->class->accept(backend, stream->id, stream->host_port);
        }
        return true;
    case VSOCK_OP_RW: return vsock_receive(virtio, stream, chain, header);
    case VSOCK_OP_SHUTDOWN: return vsock_shut(virtio, stream, header->flags);
    case VSOCK_OP_CREDIT_UPDATE: return true;
    case VSOCK_OP_CREDIT_REQUEST:
        stream->wants_credit = true;
        return true;
    default: return false;
    }
}

static void vsock_transmit(struct virtio *virtio, const struct virtio_chain *chain)
{
    struct vsock_device *vsock = virtio->state;
    struct vsock_header header;
    u8 bytes[VSOCK_HEAD_BYTES];
    if (virtio_chain_read(chain, 0, bytes, sizeof(bytes)) != sizeof(bytes)) {
        device_guest_error(virtio->device, "a packet without a header");
        return;
    }
    vsock_read_header(bytes, &header);
    struct vsock_stream *stream = vsock_find_ports(vsock, header.dst_port, header.src_port);
    if (header.src_cid != vsock_port_of(virtio)->guest_cid || header.dst_cid != VSOCK_HOST_CID) {
        device_guest_error(virtio->device, "a packet from or to somebody else");
    } else if (header.op == VSOCK_OP_RST) {
        if (stream != NULL) {
            vsock_stream_drop(virtio, stream);
        }
    } else if (stream == NULL && header.op == VSOCK_OP_REQUEST &&
               header.type == VSOCK_TYPE_STREAM) {
        vsock_open(virtio, &header);
    } else if (stream == NULL || header.type != VSOCK_TYPE_STREAM) {
        vsock_refuse(vsock, header.dst_port, header.src_port);
    } else if (!vsock_work(virtio, stream, chain, &header)) {
        vsock_refuse(vsock, header.dst_port, header.src_port);
        vsock_stream_drop(virtio, stream);
    } else {
        vsock_stream_look(vsock, stream);
    }
}

static bool vsock_serve_tx(struct virtio *virtio)
{
    struct vsock_whole *whole = virtio->state;
    virtio_queue_wake(virtio, VSOCK_TX);
    for (unsigned i = 0; i < VSOCK_QUEUE_ENTRIES; i++) {
        /* Answers that nobody takes must not pile up. */
        if (whole->vsock.refusal_count >= VSOCK_MAX_REFUSALS - VSOCK_MAX_STREAMS ||
            !virtio_queue_peek(virtio, VSOCK_TX, &whole->chain)) {
            break;
        }
        vsock_transmit(virtio, &whole->chain);
        virtio_queue_finish(virtio, VSOCK_TX, &whole->chain, 0);
    }
    return virtio_queue_sleep(virtio, VSOCK_TX) &&
           whole->vsock.refusal_count < VSOCK_MAX_REFUSALS - VSOCK_MAX_STREAMS;
}

/* What one queue brings may let something go out by the other. */
static bool vsock_serve(struct virtio *virtio, unsigned queue)
{
    (void)queue;
    struct vsock_device *vsock = virtio->state;
    bool more = vsock_serve_rx(virtio);
    more |= vsock_serve_tx(virtio);
    more |= vsock_serve_rx(virtio);
    vsock_port_of(virtio)->stream_count = vsock->stream_count;
    return more;
}

/* ---- From the host ---- */

static void vsock_asked(struct virtio *virtio, const struct vsock_event *event)
{
    struct vsock_device *vsock = virtio->state;
    struct vsock_backend *backend = vsock_port_of(virtio)->backend;
    struct vsock_stream *stream =
        virtio_is_running(virtio)
            ? vsock_stream_new(vsock, event->id, vsock_new_host_port(vsock, event->number),
                               event->number)
            : NULL;
    if (stream != NULL) {
        stream->state = VSOCK_ASKING;
        stream->wants_request = true;
        vsock_stream_look(vsock, stream);
    } else if (backend != NULL) {
        backend->class->close(backend, event->id);
    }
}

/* False: the stream is at its end. */
static bool vsock_hear(struct virtio *virtio, struct vsock_stream *stream,
                       const struct vsock_event *event)
{
    bool opening = stream->state == VSOCK_OPENING;
    switch (event->kind) {
    case VSOCK_ACCEPTED:
        stream->wants_response = opening;
        stream->state = VSOCK_OPEN;
        return true;
    case VSOCK_DATA:
        if (!vsock_push_input(stream, event->bytes, event->size_bytes)) {
            return false;
        }
        vsock_pass_over(virtio, stream);
        return true;
    case VSOCK_TAKEN:
        if (event->number > stream->received - stream->taken) {
            return false;
        }
        stream->taken += event->number;
        stream->wants_credit |= vsock_is_short(stream);
        return true;
    case VSOCK_END: stream->host_ended = true; return true;
    default: /* REFUSED, CLOSED */
        stream->host_gone = true;
        stream->taken = stream->received;
        return stream->state == VSOCK_OPEN;
    }
}

static void vsock_arrived(void *opaque, const struct vsock_event *event)
{
    struct virtio *virtio = opaque;
    struct vsock_device *vsock = virtio->state;
    device_lock(virtio->device);
    struct vsock_stream *stream = vsock_find_id(vsock, event->id);
    if (event->kind == VSOCK_CONNECT && stream == NULL) {
        vsock_asked(virtio, event);
    } else if (stream != NULL && !vsock_hear(virtio, stream, event)) {
        vsock_refuse(vsock, stream->host_port, stream->guest_port);
        vsock_stream_drop(virtio, stream);
    } else if (stream != NULL) {
        vsock_stream_look(vsock, stream);
    }
    vsock_port_of(virtio)->stream_count = vsock->stream_count;
    virtio_notify(virtio, VSOCK_RX);
    device_unlock(virtio->device);
}

/* ---- Life ---- */

static void vsock_read_config(struct virtio *virtio, u8 *bytes)
{
    st_le64(bytes, vsock_port_of(virtio)->guest_cid);
}

static bool vsock_init(struct virtio *virtio, struct metic_error *error)
{
    struct vsock_device *vsock = virtio->state;
    struct vsock_port *port = vsock_port_of(virtio);
    (void)error;
    virtio->queue_count = VSOCK_QUEUES;
    virtio->config_bytes = VSOCK_CONFIG_BYTES;
    vsock->last = &vsock->first;
    port->opaque = virtio;
    port->arrived = vsock_arrived;
    return true;
}

static void vsock_reset(struct virtio *virtio)
{
    vsock_drop_all(virtio);
}

static void vsock_fini(struct virtio *virtio)
{
    struct vsock_device *vsock = virtio->state;
    vsock_port_of(virtio)->arrived = NULL;
    if (vsock->last != NULL) {
        vsock_drop_all(virtio);
    }
}

const struct virtio_type virtio_vsock_type = {
    .name = "virtio-vsock",
    .device_id = 19,
    .queue_entries = VSOCK_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct vsock_whole),
    .init = vsock_init,
    .fini = vsock_fini,
    .read_config = vsock_read_config,
    .serve = vsock_serve,
    .reset = vsock_reset,
    .save = vsock_save,
    .load = vsock_load,
};

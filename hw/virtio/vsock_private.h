/* The socket device's streams; for hw/virtio/virtio_vsock.c and vsock_stream.c only. */
#ifndef METIC_HW_VIRTIO_VSOCK_PRIVATE_H
#define METIC_HW_VIRTIO_VSOCK_PRIVATE_H

#include "hw/virtio/virtio_vsock.h"

enum { /* virtio 1.2, 5.10.6 */
    VSOCK_HEAD_BYTES = 44,
    VSOCK_TYPE_STREAM = 1,
    VSOCK_OP_REQUEST = 1,
    VSOCK_OP_RESPONSE = 2,
    VSOCK_OP_RST = 3,
    VSOCK_OP_SHUTDOWN = 4,
    VSOCK_OP_RW = 5,
    VSOCK_OP_CREDIT_UPDATE = 6,
    VSOCK_OP_CREDIT_REQUEST = 7,
    VSOCK_SHUTDOWN_RECEIVE = 1, /* who sends it will receive no more */
    VSOCK_SHUTDOWN_SEND = 2,
    VSOCK_SHUTDOWN_BOTH = 3,
    VSOCK_PACKET_BYTES = 64 << 10, /* of data in one packet, as Linux has it */
};

struct vsock_header {
    u64 src_cid, dst_cid;
    u32 src_port, dst_port, size_bytes;
    u16 type, op;
    u32 flags, buffer_bytes, taken_bytes; /* buf_alloc, fwd_cnt */
};

enum vsock_state {
    VSOCK_OPENING, /* the guest asked, the host has not answered */
    VSOCK_ASKING,  /* the host asked, the guest has not answered */
    VSOCK_OPEN,
};

struct vsock_stream {
    u64 id;
    u32 host_port, guest_port;
    enum vsock_state state;
    bool host_gone;      /* the backend does not know it any more */
    bool host_ended;     /* the host will send no more */
    u32 guest_shut;      /* VSOCK_SHUTDOWN_* that the guest told */
    u32 told_shut;       /* that it was told */
    bool wants_request, wants_response, wants_credit; /* packets to be sent to it */
    /* Counts of bytes, modulo 2^32: what the guest has room for, what it has taken, what was sent
     * to it; what it sent, what the host has taken of that, and how much of that it was told. */
    u32 guest_buffer, guest_taken, sent, received, taken, told_taken;
    u8 *input; /* heap, from the host, not yet sent; */
    size_t input_at, input_end, input_capacity;
    bool queued; /* in the list of those that have something to send */
    struct vsock_stream *next;
};

/* A connection that the guest is told is none. */
struct vsock_refusal {
    u32 host_port, guest_port;
};

enum { VSOCK_MAX_REFUSALS = VSOCK_MAX_STREAMS + 64 };

struct vsock_device {
    struct vsock_stream *streams[VSOCK_MAX_STREAMS];
    u32 stream_count;
    u64 next_id;
    u32 next_host_port;
    struct vsock_stream *first, **last; /* that have something to send, next in turn first */
    struct vsock_refusal refusals[VSOCK_MAX_REFUSALS];
    u32 refusal_at, refusal_count;
};

static inline struct vsock_port *vsock_port_of(const struct virtio *virtio)
{
    const struct virtio_vsock_config *config = virtio->config;
    return config->port;
}

/* ---- vsock_stream.c; the device's lock is held ---- */

struct vsock_stream *vsock_find_id(struct vsock_device *vsock, u64 id);
struct vsock_stream *vsock_find_ports(struct vsock_device *vsock, u32 host_port, u32 guest_port);
/* NULL: there are too many. */
struct vsock_stream *vsock_stream_new(struct vsock_device *vsock, u64 id, u32 host_port,
                                      u32 guest_port);
/* A host's port that no stream to `guest_port` has. */
u32 vsock_new_host_port(struct vsock_device *vsock, u32 guest_port);
/* Ends it on the host's side, too, unless it is gone there. */
void vsock_stream_drop(struct virtio *virtio, struct vsock_stream *stream);
void vsock_drop_all(struct virtio *virtio);
void vsock_refuse(struct vsock_device *vsock, u32 host_port, u32 guest_port);

/* Puts the stream into the list when it has something to send. */
void vsock_stream_look(struct vsock_device *vsock, struct vsock_stream *stream);
/* The next in turn that has something, out of the list; or NULL. */
struct vsock_stream *vsock_next_stream(struct vsock_device *vsock);

bool vsock_push_input(struct vsock_stream *stream, const u8 *bytes, size_t size_bytes);
static inline size_t vsock_input_bytes(const struct vsock_stream *stream)
{
    return stream->input_end - stream->input_at;
}
/* How much of it may be sent now. */
u32 vsock_sendable(const struct vsock_stream *stream);
/* What the guest is to be told of the host's side's end and was not; 0: nothing. */
u32 vsock_untold_shut(const struct vsock_stream *stream);
/* Whether the guest may think that it has no room to send, though there is. */
bool vsock_is_short(const struct vsock_stream *stream);

void vsock_save(struct virtio *virtio, struct state_writer *writer);
bool vsock_load(struct virtio *virtio, struct state_reader *reader, struct metic_error *error);

#endif

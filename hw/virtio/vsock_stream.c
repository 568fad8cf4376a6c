/* The socket device's streams: which there are, and what each has to send. See virtio_vsock.c. */
#include "hw/virtio/vsock_private.h"

#include <stdlib.h>
#include <string.h>

enum { VSOCK_FIRST_HOST_PORT = 1 << 30 };

struct vsock_stream *vsock_find_id(struct vsock_device *vsock, u64 id)
{
    for (u32 i = 0; i < vsock->stream_count; i++) {
        if (vsock->streams[i]->id == id) {
            return vsock->streams[i];
        }
    }
    return NULL;
}

struct vsock_stream *vsock_find_ports(struct vsock_device *vsock, u32 host_port, u32 guest_port)
{
    for (u32 i = 0; i < vsock->stream_count; i++) {
        struct vsock_stream *stream = vsock->streams[i];
        if (stream->host_port == host_port && stream->guest_port == guest_port) {
            return stream;
        }
    }
    return NULL;
}

struct vsock_stream *vsock_stream_new(struct vsock_device *vsock, u64 id, u32 host_port,
                                      u32 guest_port)
{
    struct vsock_stream *stream =
        vsock->stream_count < VSOCK_MAX_STREAMS ? calloc(1, sizeof(*stream)) : NULL;
    if (stream != NULL) {
        stream->id = id;
        stream->host_port = host_port;
        stream->guest_port = guest_port;
        vsock->streams[vsock->stream_count++] = stream;
    }
    return stream;
}

u32 vsock_new_host_port(struct vsock_device *vsock, u32 guest_port)
{
    do {
        if (vsock->next_host_port < VSOCK_FIRST_HOST_PORT || vsock->next_host_port == UINT32_MAX) {
            vsock->next_host_port = VSOCK_FIRST_HOST_PORT;
        }
        vsock->next_host_port++;
    } while (vsock_find_ports(vsock, vsock->next_host_port, guest_port) != NULL);
    return vsock->next_host_port;
}

static void vsock_unqueue(struct vsock_device *vsock, struct vsock_stream *stream)
{
    struct vsock_stream **link = &vsock->first;
    while (*link != NULL && *link != stream) {
        link = &(*link)->next;
    }
    if (*link == stream) {
        *link = stream->next;
        if (stream->next == NULL) {
            vsock->last = link;
        }
    }
    stream->queued = false;
}

void vsock_stream_drop(struct virtio *virtio, struct vsock_stream *stream)
{
    struct vsock_device *vsock = virtio->state;
    struct vsock_backend *backend = vsock_port_of(virtio)->backend;
    u32 at = 0;
    if (!stream->host_gone && backend != NULL) {
        backend->class->close(backend, stream->id);
    }
    if (stream->queued) {
        vsock_unqueue(vsock, stream);
    }
    while (vsock->streams[at] != stream) {
        at++;
    }
    vsock->streams[at] = vsock->streams[--vsock->stream_count];
    free(stream->input);
    free(stream);
}

void vsock_drop_all(struct virtio *virtio)
{
    struct vsock_device *vsock = virtio->state;
    while (vsock->stream_count > 0) {
        vsock_stream_drop(virtio, vsock->streams[vsock->stream_count - 1]);
    }
    vsock->refusal_count = 0;
}

/* When there are too many the driver gives nothing to write them into; it will time out. */
void vsock_refuse(struct vsock_device *vsock, u32 host_port, u32 guest_port)
{
    if (vsock->refusal_count < VSOCK_MAX_REFUSALS) {
        u32 at = (vsock->refusal_at + vsock->refusal_count++) % VSOCK_MAX_REFUSALS;
        vsock->refusals[at] = (struct vsock_refusal){host_port, guest_port};
    }
}

/* ---- What there is to send ---- */

u32 vsock_sendable(const struct vsock_stream *stream)
{
    u32 under_way = stream->sent - stream->guest_taken;
    u32 room = under_way < stream->guest_buffer ? stream->guest_buffer - under_way : 0;
    size_t waiting = vsock_input_bytes(stream);
    if (stream->state != VSOCK_OPEN) {
        return 0;
    }
    return waiting < room ? (u32)waiting : room;
}

/* Only after all that came before it. */
u32 vsock_untold_shut(const struct vsock_stream *stream)
{
    u32 shut = (stream->host_ended ? (u32)VSOCK_SHUTDOWN_SEND : 0) |
               (stream->host_gone ? (u32)VSOCK_SHUTDOWN_BOTH : 0);
    bool now = stream->state == VSOCK_OPEN && vsock_input_bytes(stream) == 0;
    return now ? shut & ~stream->told_shut : 0;
}

bool vsock_is_short(const struct vsock_stream *stream)
{
    u32 thinks = VSOCK_BUFFER_BYTES - (stream->received - stream->told_taken);
    return thinks < VSOCK_PACKET_BYTES && stream->taken != stream->told_taken;
}

static bool vsock_has_something(const struct vsock_stream *stream)
{
    return stream->wants_request || stream->wants_response || stream->wants_credit ||
           vsock_sendable(stream) > 0 || vsock_untold_shut(stream) != 0;
}

void vsock_stream_look(struct vsock_device *vsock, struct vsock_stream *stream)
{
    if (!stream->queued && vsock_has_something(stream)) {
        stream->queued = true;
        stream->next = NULL;
        *vsock->last = stream;
        vsock->last = &stream->next;
    }
}

struct vsock_stream *vsock_next_stream(struct vsock_device *vsock)
{
    while (vsock->first != NULL) {
        struct vsock_stream *stream = vsock->first;
        vsock_unqueue(vsock, stream);
        if (vsock_has_something(stream)) {
            return stream;
        }
    }
    return NULL;
}

/* The backend keeps to what the device can hold, a recording may not. */
bool vsock_push_input(struct vsock_stream *stream, const u8 *bytes, size_t size_bytes)
{
    size_t waiting = vsock_input_bytes(stream);
    if (size_bytes == 0 || waiting + size_bytes > 2 * (size_t)VSOCK_BUFFER_BYTES) {
        return size_bytes == 0;
    }
    if (stream->input_at > 0 && stream->input_end + size_bytes > stream->input_capacity) {
        memmove(stream->input, stream->input + stream->input_at, waiting);
        stream->input_at = 0;
        stream->input_end = waiting;
    }
    if (waiting + size_bytes > stream->input_capacity) {
        size_t capacity = 2 * (waiting + size_bytes);
        u8 *grown = realloc(stream->input, capacity);
        if (grown == NULL) {
            return false;
        }
        stream->input = grown;
        stream->input_capacity = capacity;
    }
    memcpy(stream->input + stream->input_end, bytes, size_bytes);
    stream->input_end += size_bytes;
    return true;
}

/* ---- Saved state ---- */

/* A stream does not outlive its host's end: where the state is loaded, both sides find theirs
 * reset. So its ports are all there is to know, as of those that are refused already. */
void vsock_save(struct virtio *virtio, struct state_writer *writer)
{
    const struct vsock_device *vsock = virtio->state;
    state_write_u64(writer, vsock->next_id);
    state_write_u32(writer, vsock->next_host_port);
    state_write_u32(writer, vsock->refusal_count + vsock->stream_count);
    for (u32 i = 0; i < vsock->refusal_count; i++) {
        const struct vsock_refusal *refusal =
            &vsock->refusals[(vsock->refusal_at + i) % VSOCK_MAX_REFUSALS];
        state_write_u32(writer, refusal->host_port);
        state_write_u32(writer, refusal->guest_port);
    }
    for (u32 i = 0; i < vsock->stream_count; i++) {
        state_write_u32(writer, vsock->streams[i]->host_port);
        state_write_u32(writer, vsock->streams[i]->guest_port);
    }
}

bool vsock_load(struct virtio *virtio, struct state_reader *reader, struct metic_error *error)
{
    struct vsock_device *vsock = virtio->state;
    struct vsock_backend *backend = vsock_port_of(virtio)->backend;
    u32 count, host_port, guest_port;
    vsock_drop_all(virtio);
    if (backend != NULL) {
        backend->class->close_all(backend);
    }
    bool ok = state_read_u64(reader, &vsock->next_id) &&
              state_read_u32(reader, &vsock->next_host_port) && state_read_u32(reader, &count) &&
              count <= VSOCK_MAX_REFUSALS + VSOCK_MAX_STREAMS && vsock->next_id < VSOCK_HOST_ID;
    for (u32 i = 0; ok && i < count; i++) {
        ok = state_read_u32(reader, &host_port) && state_read_u32(reader, &guest_port);
        if (ok) {
            vsock_refuse(vsock, host_port, guest_port);
        }
    }
    if (ok && vsock->refusal_count > 0) {
        virtio_serve_at(virtio, BIT(0), clock_now_ns(virtio->device->env->clock));
    }
    return ok || error_set(error, NULL, "the saved state of %s is damaged", virtio->device->name);
}

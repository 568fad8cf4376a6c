/* See net_port.h. */
#include "hw/net/net_port.h"

#include "hw/net/net_pcap.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    NET_SEND_FRAMES = 256,
    NET_SEND_BYTES = 4 << 20,
    NET_INPUT_FRAMES = 2048,
    NET_INPUT_BYTES = 8 << 20,
};

/* A bounded list, under the port's lock. */
struct net_queue {
    struct net_frame *first;
    struct net_frame **last;
    size_t count, size_bytes;
};

struct net_port {
    struct net_port_options options;
    struct journal_source source;
    struct net_backend *backend; /* or NULL; set up before harts start */
    struct net_pcap *pcap;       /* or NULL */
    bool carrier;
    pthread_mutex_t lock;
    struct net_queue sent, arrived;
    bool send_wanted; /* the device waits for room; under lock */
    void (*on_arrived)(void *opaque);
    void (*on_room)(void *opaque);
    void *opaque;
    /* Given to the journal and not yet taken by the device. */
    _Atomic size_t under_way_frames, under_way_bytes;
    atomic_bool input_wanted; /* the backend waits for room */
};

/* ---- Queues ---- */

static void net_queue_init(struct net_queue *queue)
{
    *queue = (struct net_queue){.last = &queue->first};
}

static void net_queue_push(struct net_queue *queue, struct net_frame *frame)
{
    frame->next = NULL;
    *queue->last = frame;
    queue->last = &frame->next;
    queue->count++;
    queue->size_bytes += frame->size_bytes;
}

static struct net_frame *net_queue_pop(struct net_queue *queue)
{
    struct net_frame *frame = queue->first;
    if (frame != NULL) {
        queue->first = frame->next;
        if (queue->first == NULL) {
            queue->last = &queue->first;
        }
        queue->count--;
        queue->size_bytes -= frame->size_bytes;
    }
    return frame;
}

static void net_queue_fini(struct net_queue *queue)
{
    struct net_frame *frame;
    while ((frame = net_queue_pop(queue)) != NULL) {
        free(frame);
    }
}

/* ---- To the guest ---- */

/* The guest, or nobody, has them now. */
static void net_port_arrived_less(struct net_port *port, size_t frames, size_t size_bytes)
{
    if (journal_is_replay(port->options.journal)) {
        return;
    }
    size_t left_frames = atomic_fetch_sub(&port->under_way_frames, frames) - frames;
    size_t left_bytes = atomic_fetch_sub(&port->under_way_bytes, size_bytes) - size_bytes;
    if (left_frames <= NET_INPUT_FRAMES / 4 && left_bytes <= NET_INPUT_BYTES / 4 &&
        atomic_load(&port->input_wanted) && atomic_exchange(&port->input_wanted, false)) {
        port->backend->class->wake(port->backend);
    }
}

bool net_port_has_room(struct net_port *port)
{
    if (port->under_way_frames <= NET_INPUT_FRAMES / 2 &&
        port->under_way_bytes <= NET_INPUT_BYTES / 2) {
        return true;
    }
    /* Both sides set their part first and look at the other's then; one of them sees. */
    atomic_store(&port->input_wanted, true);
    return port->under_way_frames <= NET_INPUT_FRAMES / 4 &&
           port->under_way_bytes <= NET_INPUT_BYTES / 4;
}

void net_port_input(struct net_port *port, const u8 *bytes, size_t size_bytes)
{
    if (size_bytes < NET_HEADER_BYTES || size_bytes > NET_FRAME_MAX_BYTES ||
        port->under_way_frames >= NET_INPUT_FRAMES ||
        port->under_way_bytes + size_bytes > NET_INPUT_BYTES) {
        return;
    }
    port->under_way_frames++;
    port->under_way_bytes += size_bytes;
    journal_input(port->options.journal, &port->source, bytes, size_bytes);
}

/* From the journal, which may be a file: a frame of any size, any number of them. */
static void net_port_tell(const struct net_port *port, bool sent, size_t size_bytes)
{
    if (port->options.tap != NULL) {
        port->options.tap(port->options.tap_opaque, sent, size_bytes);
    }
}

static void net_port_deliver(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct net_port *port = opaque;
    bool fits = size_bytes >= NET_HEADER_BYTES && size_bytes <= NET_FRAME_MAX_BYTES &&
                port->arrived.count < NET_INPUT_FRAMES;
    struct net_frame *frame = fits ? net_frame_new((u32)size_bytes) : NULL;
    if (frame == NULL) {
        net_port_arrived_less(port, 1, size_bytes);
        return;
    }
    memcpy(frame->bytes, bytes, size_bytes);
    net_pcap_write(port->pcap, NET_PCAP_IN, frame);
    net_port_tell(port, false, size_bytes);
    pthread_mutex_lock(&port->lock);
    net_queue_push(&port->arrived, frame);
    void (*on_arrived)(void *opaque) = port->on_arrived;
    void *device = port->opaque;
    pthread_mutex_unlock(&port->lock);
    if (on_arrived != NULL) {
        on_arrived(device);
    } else {
        net_port_clear(port);
    }
}

const struct net_frame *net_port_peek(struct net_port *port)
{
    pthread_mutex_lock(&port->lock);
    const struct net_frame *frame = port->arrived.first;
    pthread_mutex_unlock(&port->lock);
    return frame;
}

void net_port_pop(struct net_port *port)
{
    pthread_mutex_lock(&port->lock);
    struct net_frame *frame = net_queue_pop(&port->arrived);
    pthread_mutex_unlock(&port->lock);
    if (frame != NULL) {
        net_port_arrived_less(port, 1, frame->size_bytes);
        free(frame);
    }
}

void net_port_clear(struct net_port *port)
{
    while (net_port_peek(port) != NULL) {
        net_port_pop(port);
    }
}

/* ---- From the guest ---- */

bool net_port_can_send(struct net_port *port)
{
    pthread_mutex_lock(&port->lock);
    bool room = port->sent.count < NET_SEND_FRAMES &&
                port->sent.size_bytes + NET_FRAME_MAX_BYTES <= NET_SEND_BYTES;
    port->send_wanted = !room;
    pthread_mutex_unlock(&port->lock);
    return room;
}

void net_port_send(struct net_port *port, struct net_frame *frame)
{
    pthread_mutex_lock(&port->lock);
    net_queue_push(&port->sent, frame);
    pthread_mutex_unlock(&port->lock);
}

/* The next frame, complete or not, and the device told that there is room when it asked. */
static struct net_frame *net_port_take_any(struct net_port *port)
{
    pthread_mutex_lock(&port->lock);
    struct net_frame *frame = net_queue_pop(&port->sent);
    bool tell = port->send_wanted && port->sent.count <= NET_SEND_FRAMES / 2 &&
                port->sent.size_bytes <= NET_SEND_BYTES / 2;
    port->send_wanted = port->send_wanted && !tell;
    void (*on_room)(void *opaque) = port->on_room;
    void *device = port->opaque;
    pthread_mutex_unlock(&port->lock);
    if (tell && on_room != NULL) {
        on_room(device);
    }
    return frame;
}

struct net_frame *net_port_take(struct net_port *port)
{
    struct net_frame *frame;
    while ((frame = net_port_take_any(port)) != NULL) {
        if (net_frame_complete(frame)) {
            net_pcap_write(port->pcap, NET_PCAP_OUT, frame);
            net_port_tell(port, true, frame->size_bytes);
            return frame;
        }
        log_print(port->options.log, LOG_GUEST,
                  "%s: a frame was lost: what is left to the device does not fit its headers",
                  port->options.name);
        free(frame);
    }
    return NULL;
}

void net_port_flush(struct net_port *port)
{
    if (port->backend != NULL) {
        port->backend->class->wake(port->backend);
        return;
    }
    struct net_frame *frame;
    while ((frame = net_port_take(port)) != NULL) {
        free(frame);
    }
}

/* ---- Saved state ---- */

void net_port_save(struct net_port *port, struct state_writer *writer)
{
    pthread_mutex_lock(&port->lock);
    state_write_u32(writer, (u32)port->arrived.count);
    for (const struct net_frame *frame = port->arrived.first; frame != NULL; frame = frame->next) {
        state_write_u32(writer, frame->size_bytes);
        state_write_bytes(writer, frame->bytes, frame->size_bytes);
    }
    pthread_mutex_unlock(&port->lock);
}

static bool net_port_load_frame(struct net_port *port, struct state_reader *reader)
{
    u32 size_bytes;
    if (!state_read_u32(reader, &size_bytes) || size_bytes < NET_HEADER_BYTES ||
        size_bytes > NET_FRAME_MAX_BYTES) {
        return false;
    }
    struct net_frame *frame = net_frame_new(size_bytes);
    if (frame == NULL || !state_read_bytes(reader, frame->bytes, size_bytes)) {
        free(frame);
        return false;
    }
    port->under_way_frames++;
    port->under_way_bytes += size_bytes;
    net_queue_push(&port->arrived, frame);
    return true;
}

bool net_port_load(struct net_port *port, struct state_reader *reader, struct metic_error *error)
{
    u32 count;
    net_port_clear(port);
    bool ok = state_read_u32(reader, &count) && count <= NET_INPUT_FRAMES;
    pthread_mutex_lock(&port->lock);
    for (u32 i = 0; ok && i < count; i++) {
        ok = net_port_load_frame(port, reader);
    }
    pthread_mutex_unlock(&port->lock);
    return ok || error_set(error, NULL, "the saved state of %s is damaged", port->options.name);
}

void net_port_save_backend(struct net_port *port, struct state_writer *writer)
{
    const struct net_backend_class *class = port->backend != NULL ? port->backend->class : NULL;
    if (class != NULL && class->save != NULL) {
        class->save(port->backend, writer);
    }
}

bool net_port_load_backend(struct net_port *port, struct state_reader *reader,
                           struct metic_error *error)
{
    const struct net_backend_class *class = port->backend != NULL ? port->backend->class : NULL;
    pthread_mutex_lock(&port->lock);
    net_queue_fini(&port->sent); /* of a guest that is no more */
    pthread_mutex_unlock(&port->lock);
    return class == NULL || class->load == NULL || class->load(port->backend, reader, error);
}

/* ---- Life ---- */

struct net_port *net_port_new(const struct net_port_options *options, struct metic_error *error)
{
    struct net_port *port = calloc(1, sizeof(*port));
    if (port == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    port->options = *options;
    net_queue_init(&port->sent);
    net_queue_init(&port->arrived);
    pthread_mutex_init(&port->lock, NULL);
    port->source = (struct journal_source){.name = options->name, .deliver = net_port_deliver,
                                           .opaque = port};
    journal_add_source(options->journal, &port->source);
    if (options->pcap_path != NULL) {
        port->pcap = net_pcap_new(options->pcap_path, options->clock, options->journal,
                                  options->log, error);
        if (port->pcap == NULL) {
            net_port_free(port);
            return NULL;
        }
    }
    return port;
}

void net_port_free(struct net_port *port)
{
    if (port == NULL) {
        return;
    }
    net_port_detach(port);
    journal_remove_source(port->options.journal, &port->source);
    net_pcap_free(port->pcap);
    net_queue_fini(&port->sent);
    net_queue_fini(&port->arrived);
    pthread_mutex_destroy(&port->lock);
    free(port);
}

void net_port_attach(struct net_port *port, struct net_backend *backend)
{
    CHECK(port->backend == NULL && !journal_is_replay(port->options.journal));
    port->backend = backend;
    port->carrier = true;
}

void net_port_detach(struct net_port *port)
{
    if (port->backend != NULL) {
        port->backend->class->free(port->backend);
        port->backend = NULL;
    }
}

void net_port_set_mac(struct net_port *port, const u8 *mac)
{
    memcpy(port->options.mac, mac, NET_MAC_BYTES);
}

bool net_port_has_carrier(const struct net_port *port)
{
    return port->carrier;
}

void net_port_set_carrier(struct net_port *port)
{
    port->carrier = true;
}

const struct net_port_options *net_port_options(const struct net_port *port)
{
    return &port->options;
}

bool net_port_may_receive(struct net_port *port)
{
    return port->under_way_frames > 0 ||
           (port->backend != NULL && port->backend->class->may_receive(port->backend));
}

void net_port_set_device(struct net_port *port, void (*arrived)(void *opaque),
                         void (*room)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&port->lock);
    port->on_arrived = arrived;
    port->on_room = room;
    port->opaque = opaque;
    pthread_mutex_unlock(&port->lock);
}

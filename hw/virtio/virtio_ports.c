/* The console device with several ports (virtio 1.2, 5.3, VIRTIO_CONSOLE_F_MULTIPORT): byte streams
 * with names, which Linux shows as /dev/virtio-ports/NAME. None of them is a console.
 *
 *   queues: 2 control messages to the guest, 3 from it; port n has 4 + 2 (n - 1) to the guest and
 *   the next from it; 0 and 1 are port 0's, which is not there, as it would be a console
 *   a control message: le32 port, le16 event, le16 value; a name behind it
 *
 * The driver says that it is ready (DEVICE_READY), and is told of each port (DEVICE_ADD); it says
 * that it knows that one (PORT_READY), and is told its name, and whether somebody is there on the
 * host (PORT_OPEN). It says when a program opens and closes the port; a closed port gets no input,
 * which waits.
 *
 * Left out: ports that come and go, a console among them, its size. */
#include "hw/virtio/virtio_ports.h"

#include "cpu/base/bits.h"
#include "hw/virtio/console_stream.h"
#include <string.h>

#define PORTS_F_MULTIPORT BIT(1)

enum {
    PORTS_QUEUE_ENTRIES = 128,
    PORTS_CONTROL_RX = 2,
    PORTS_CONTROL_TX = 3,
    PORTS_FIRST_QUEUE = 4,
    PORTS_CONFIG_BYTES = 12,
    PORTS_MESSAGE_BYTES = 8,
    PORTS_NAME_BYTES = 64,

    EVENT_DEVICE_READY = 0,
    EVENT_DEVICE_ADD = 1,
    EVENT_PORT_READY = 3,
    EVENT_PORT_OPEN = 6,
    EVENT_PORT_NAME = 7,
};

/* What is to be told, in this order. */
enum { TELL_ADD = 1, TELL_NAME = 2, TELL_OPEN = 4 };

struct ports_one {
    u8 tell;
    bool known;      /* the driver is ready for it */
    bool host_open;  /* as it is, or will be, told */
    bool guest_open; /* a program has it open */
};

struct ports {
    struct ports_one ports[VIRTIO_MAX_PORTS];
    struct virtio_chain chain;
};

/* What the callbacks of a port's get. */
struct ports_hook {
    struct virtio *virtio;
    unsigned index;
};

struct ports_whole {
    struct ports ports; /* first */
    struct ports_hook hooks[VIRTIO_MAX_PORTS];
};

static const struct virtio_ports_config *ports_config(const struct virtio *virtio)
{
    return virtio->config;
}

static unsigned ports_rx(unsigned index)
{
    return PORTS_FIRST_QUEUE + 2 * index;
}

/* ---- Control messages ---- */

/* The message and its length; the port has something to be told. */
static size_t ports_next_message(const struct virtio *virtio, unsigned index, u8 *bytes)
{
    const struct virtio_ports_config *config = ports_config(virtio);
    struct ports *ports = virtio->state;
    struct ports_one *one = &ports->ports[index];
    u16 event = EVENT_PORT_OPEN, value = one->host_open;
    size_t size_bytes = PORTS_MESSAGE_BYTES;
    if ((one->tell & TELL_ADD) != 0) {
        event = EVENT_DEVICE_ADD;
        value = 1;
        one->tell &= (u8)~TELL_ADD;
    } else if ((one->tell & TELL_NAME) != 0) {
        size_t name_bytes = strnlen(config->ports[index].name, PORTS_NAME_BYTES);
        event = EVENT_PORT_NAME;
        value = 1;
        memcpy(bytes + size_bytes, config->ports[index].name, name_bytes);
        size_bytes += name_bytes;
        one->tell &= (u8)~TELL_NAME;
    } else {
        one->tell &= (u8)~TELL_OPEN;
    }
    st_le32(bytes, index + 1);
    st_le16(bytes + 4, event);
    st_le16(bytes + 6, value);
    return size_bytes;
}

static unsigned ports_to_tell(const struct virtio *virtio)
{
    const struct ports *ports = virtio->state;
    unsigned index = 0;
    while (index < ports_config(virtio)->count && ports->ports[index].tell == 0) {
        index++;
    }
    return index;
}

static bool ports_serve_control_rx(struct virtio *virtio)
{
    struct ports *ports = virtio->state;
    unsigned index;
    while ((index = ports_to_tell(virtio)) < ports_config(virtio)->count) {
        u8 bytes[PORTS_MESSAGE_BYTES + PORTS_NAME_BYTES];
        if (!virtio_queue_peek(virtio, PORTS_CONTROL_RX, &ports->chain)) {
            return virtio_queue_sleep(virtio, PORTS_CONTROL_RX);
        }
        size_t size_bytes = ports_next_message(virtio, index, bytes);
        size_t written = virtio_chain_write(virtio, &ports->chain, 0, bytes, size_bytes);
        virtio_queue_finish(virtio, PORTS_CONTROL_RX, &ports->chain, written);
    }
    return false;
}

static void ports_hear(struct virtio *virtio, u32 id, u16 event, u16 value)
{
    const struct virtio_ports_config *config = ports_config(virtio);
    struct ports *ports = virtio->state;
    if (event == EVENT_DEVICE_READY) {
        for (unsigned i = 0; value != 0 && i < config->count; i++) {
            ports->ports[i] = (struct ports_one){.tell = TELL_ADD};
        }
        return;
    }
    struct ports_one *one = id - 1 < config->count ? &ports->ports[id - 1] : NULL;
    if (one == NULL) {
        device_guest_error(virtio->device, "a message about a port that does not exist");
    } else if (event == EVENT_PORT_READY) {
        one->known = value != 0;
        one->host_open = char_port_is_open(config->ports[id - 1].port);
        one->tell |= one->known ? (u8)(TELL_NAME | (one->host_open ? TELL_OPEN : 0)) : 0;
    } else if (event == EVENT_PORT_OPEN) {
        one->guest_open = value != 0;
        char_port_tell_used(config->ports[id - 1].port, one->guest_open);
        virtio_notify(virtio, ports_rx(id - 1));
    }
}

static bool ports_serve_control_tx(struct virtio *virtio)
{
    struct ports *ports = virtio->state;
    for (unsigned i = 0; i < PORTS_QUEUE_ENTRIES; i++) {
        u8 bytes[PORTS_MESSAGE_BYTES];
        if (!virtio_queue_peek(virtio, PORTS_CONTROL_TX, &ports->chain)) {
            break;
        }
        size_t got = virtio_chain_read(&ports->chain, 0, bytes, sizeof(bytes));
        virtio_queue_finish(virtio, PORTS_CONTROL_TX, &ports->chain, 0);
        if (got == sizeof(bytes)) {
            ports_hear(virtio, ld_le32(bytes), ld_le16(bytes + 4), ld_le16(bytes + 6));
        }
    }
    ports_serve_control_rx(virtio);
    return virtio_queue_sleep(virtio, PORTS_CONTROL_TX);
}

/* ---- Data ---- */

static bool ports_serve_data(struct virtio *virtio, unsigned queue)
{
    struct ports *ports = virtio->state;
    unsigned index = (queue - PORTS_FIRST_QUEUE) / 2;
    struct char_port *port = ports_config(virtio)->ports[index].port;
    if (queue != ports_rx(index)) {
        return console_stream_print(virtio, queue, &ports->chain, port);
    }
    return ports->ports[index].guest_open &&
           console_stream_fill(virtio, queue, &ports->chain, port);
}

static bool ports_serve(struct virtio *virtio, unsigned queue)
{
    switch (queue) {
    case PORTS_CONTROL_RX: return ports_serve_control_rx(virtio);
    case PORTS_CONTROL_TX: return ports_serve_control_tx(virtio);
    default: return queue >= PORTS_FIRST_QUEUE && ports_serve_data(virtio, queue);
    }
}

/* ---- From the host, on the loop thread, or between two slices ---- */

static void ports_ready(void *opaque)
{
    const struct ports_hook *hook = opaque;
    device_lock(hook->virtio->device);
    virtio_notify(hook->virtio, ports_rx(hook->index));
    device_unlock(hook->virtio->device);
}

static void ports_room(void *opaque)
{
    const struct ports_hook *hook = opaque;
    device_lock(hook->virtio->device);
    virtio_notify(hook->virtio, ports_rx(hook->index) + 1);
    device_unlock(hook->virtio->device);
}

static void ports_tell_open(struct virtio *virtio, unsigned index, bool open)
{
    struct ports *ports = virtio->state;
    struct ports_one *one = &ports->ports[index];
    if (one->known && one->host_open != open) {
        one->host_open = open;
        one->tell |= TELL_OPEN;
        virtio_notify(virtio, PORTS_CONTROL_RX);
    }
}

static void ports_opened(void *opaque, bool open)
{
    const struct ports_hook *hook = opaque;
    device_lock(hook->virtio->device);
    ports_tell_open(hook->virtio, hook->index, open);
    device_unlock(hook->virtio->device);
}

/* ---- Life ---- */

static void ports_read_config(struct virtio *virtio, u8 *bytes)
{
    st_le32(bytes + 4, 1 + ports_config(virtio)->count);
}

static bool ports_init(struct virtio *virtio, struct metic_error *error)
{
    const struct virtio_ports_config *config = ports_config(virtio);
    struct ports_whole *whole = virtio->state;
    (void)error;
    CHECK(config->count <= VIRTIO_MAX_PORTS);
    virtio->queue_count = PORTS_FIRST_QUEUE + 2 * config->count;
    virtio->features |= PORTS_F_MULTIPORT;
    virtio->config_bytes = PORTS_CONFIG_BYTES;
    for (unsigned i = 0; i < config->count; i++) {
        whole->hooks[i] = (struct ports_hook){virtio, i};
        char_port_set_ready(config->ports[i].port, ports_ready, &whole->hooks[i]);
        char_port_set_room(config->ports[i].port, ports_room, &whole->hooks[i]);
        char_port_set_opened(config->ports[i].port, ports_opened, &whole->hooks[i]);
    }
    return true;
}

static void ports_fini(struct virtio *virtio)
{
    const struct virtio_ports_config *config = ports_config(virtio);
    for (unsigned i = 0; i < config->count; i++) {
        char_port_set_ready(config->ports[i].port, NULL, NULL);
        char_port_set_room(config->ports[i].port, NULL, NULL);
        char_port_set_opened(config->ports[i].port, NULL, NULL);
    }
}

static void ports_reset(struct virtio *virtio)
{
    const struct virtio_ports_config *config = ports_config(virtio);
    struct ports *ports = virtio->state;
    for (unsigned i = 0; i < config->count; i++) {
        if (ports->ports[i].guest_open) {
            char_port_tell_used(config->ports[i].port, false);
        }
    }
    memset(ports->ports, 0, sizeof(ports->ports));
}

static void ports_save(struct virtio *virtio, struct state_writer *writer)
{
    const struct ports *ports = virtio->state;
    state_write_u32(writer, ports_config(virtio)->count);
    for (unsigned i = 0; i < ports_config(virtio)->count; i++) {
        const struct ports_one *one = &ports->ports[i];
        state_write_u32(writer, one->tell | (u32)one->known << 8 | (u32)one->host_open << 9 |
                                    (u32)one->guest_open << 10);
    }
}

/* Who was there on the host may not be, or somebody else is; the driver is told. */
static bool ports_load(struct virtio *virtio, struct state_reader *reader,
                       struct metic_error *error)
{
    const struct virtio_ports_config *config = ports_config(virtio);
    struct ports *ports = virtio->state;
    u32 count, bits;
    bool tells = false;
    bool ok = state_read_u32(reader, &count) && count == config->count;
    for (unsigned i = 0; ok && i < config->count; i++) {
        ok = state_read_u32(reader, &bits);
        if (ok) {
            ports->ports[i] = (struct ports_one){
                .tell = bits & (TELL_ADD | TELL_NAME | TELL_OPEN), .known = bits >> 8 & 1,
                .host_open = bits >> 9 & 1, .guest_open = bits >> 10 & 1,
            };
            bool open = char_port_is_open(config->ports[i].port);
            if (ports->ports[i].known && ports->ports[i].host_open != open) {
                ports->ports[i].host_open = open;
                ports->ports[i].tell |= TELL_OPEN;
                tells = true;
            }
        }
    }
    if (ok && tells) {
        virtio_serve_at(virtio, BIT(PORTS_CONTROL_RX), clock_now_ns(virtio->device->env->clock));
    }
    return ok || error_set(error, NULL, "the saved state of %s is damaged", virtio->device->name);
}

const struct virtio_type virtio_ports_type = {
    .name = "virtio-ports",
    .device_id = 3,
    .queue_entries = PORTS_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct ports_whole),
    .init = ports_init,
    .fini = ports_fini,
    .read_config = ports_read_config,
    .serve = ports_serve,
    .reset = ports_reset,
    .save = ports_save,
    .load = ports_load,
};

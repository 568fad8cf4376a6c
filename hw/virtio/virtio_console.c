/* The console device (virtio 1.2, 5.3) with one port: queue 0 takes bytes to the guest, queue 1
 * bytes from it.
 *
 *   configuration: 0 le16 columns, 2 le16 rows, 4 le32 ports, 8 le32 emergency write
 *
 * A receive buffer is used for as many bytes as are there. Emergency writes print one character
 * before the driver runs. Left out: the window's size (the feature is not offered, columns and rows
 * read as 0) and more than one port. */
#include "hw/virtio/virtio_console.h"

#include "hw/virtio/virtio_queue.h"

#define CONSOLE_F_EMERG_WRITE BIT(2)

enum {
    CONSOLE_QUEUE_ENTRIES = 64,
    CONSOLE_RX = 0,
    CONSOLE_TX = 1,
    CONSOLE_QUEUES = 2,
    CONSOLE_CONFIG_BYTES = 12,
    CONSOLE_EMERG_WRITE = 8,
    /* A chain may name the same memory again and again; a hart is not held for longer than this. */
    CONSOLE_MAX_CHAIN_BYTES = 1 << 20,
    CONSOLE_PART_BYTES = 4096,
};

struct console {
    struct virtio_chain chain;
};

static struct char_port *console_port(const struct virtio *virtio)
{
    const struct virtio_console_config *config = virtio->config;
    return config != NULL ? config->port : NULL;
}

static void console_print(struct virtio *virtio, const struct virtio_chain *chain)
{
    struct char_port *port = console_port(virtio);
    u8 bytes[CONSOLE_PART_BYTES];
    for (u64 at = 0; at < CONSOLE_MAX_CHAIN_BYTES;) {
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

static bool console_serve_tx(struct virtio *virtio)
{
    struct console *console = virtio->state;
    for (unsigned i = 0; i < CONSOLE_QUEUE_ENTRIES; i++) {
        if (!virtio_queue_peek(virtio, CONSOLE_TX, &console->chain)) {
            break;
        }
        console_print(virtio, &console->chain);
        virtio_queue_finish(virtio, CONSOLE_TX, &console->chain, 0);
    }
    return virtio_queue_sleep(virtio, CONSOLE_TX);
}

/* Moves what has arrived into the next buffers, while there are both. Notifications stay on: a new
 * buffer matters only when bytes wait, and then this is called. */
static bool console_serve_rx(struct virtio *virtio)
{
    struct console *console = virtio->state;
    struct char_port *port = console_port(virtio);
    for (unsigned i = 0; port != NULL && i < CONSOLE_QUEUE_ENTRIES; i++) {
        u8 bytes[CONSOLE_PART_BYTES];
        if (!virtio_queue_peek(virtio, CONSOLE_RX, &console->chain)) {
            return virtio_queue_sleep(virtio, CONSOLE_RX);
        }
        u64 room = console->chain.writable_bytes;
        size_t wanted = room < sizeof(bytes) ? (size_t)room : sizeof(bytes);
        size_t got = wanted > 0 ? char_port_read(port, bytes, wanted) : 0;
        if (got == 0 && wanted > 0) {
            return false; /* console_ready calls again when there is input */
        }
        size_t written = virtio_chain_write(virtio, &console->chain, 0, bytes, got);
        virtio_queue_finish(virtio, CONSOLE_RX, &console->chain, written);
    }
    return port != NULL;
}

static bool console_serve(struct virtio *virtio, unsigned queue)
{
    return queue == CONSOLE_TX ? console_serve_tx(virtio) : console_serve_rx(virtio);
}

/* Input arrived; on the loop thread, or between two slices. */
static void console_ready(void *opaque)
{
    struct virtio *virtio = opaque;
    device_lock(virtio->device);
    virtio_notify(virtio, CONSOLE_RX);
    device_unlock(virtio->device);
}

static void console_read_config(struct virtio *virtio, u8 *bytes)
{
    (void)virtio;
    st_le32(bytes + 4, 1);
}

static void console_write_config(struct virtio *virtio, u32 offset, u64 value,
                                 unsigned size_bytes)
{
    u8 byte = (u8)value;
    if (offset != CONSOLE_EMERG_WRITE || size_bytes != 4) {
        device_guest_error(virtio->device, "write to configuration that cannot be written");
    } else if (console_port(virtio) != NULL) {
        char_port_write(console_port(virtio), &byte, 1);
    }
}

static bool console_init(struct virtio *virtio, struct metic_error *error)
{
    (void)error;
    virtio->queue_count = CONSOLE_QUEUES;
    virtio->features |= CONSOLE_F_EMERG_WRITE;
    virtio->config_bytes = CONSOLE_CONFIG_BYTES;
    if (console_port(virtio) != NULL) {
        char_port_set_ready(console_port(virtio), console_ready, virtio);
    }
    return true;
}

static void console_fini(struct virtio *virtio)
{
    if (console_port(virtio) != NULL) {
        char_port_set_ready(console_port(virtio), NULL, NULL);
    }
}

const struct virtio_type virtio_console_type = {
    .name = "virtio-console",
    .device_id = 3,
    .queue_entries = CONSOLE_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct console),
    .init = console_init,
    .fini = console_fini,
    .read_config = console_read_config,
    .write_config = console_write_config,
    .serve = console_serve,
};

/* The console device (virtio 1.2, 5.3) with one port: queue 0 takes bytes to the guest, queue 1
 * bytes from it.
 *
 *   configuration: 0 le16 columns, 2 le16 rows, 4 le32 ports, 8 le32 emergency write
 *
 * A receive buffer is used for as many bytes as are there. Emergency writes print one character
 * before the driver runs. Left out: the window's size (the feature is not offered, columns and rows
 * read as 0). Several ports, with names, are another type's: virtio_ports.c. */
#include "hw/virtio/virtio_console.h"

#include "hw/virtio/console_stream.h"

#define CONSOLE_F_EMERG_WRITE BIT(2)

enum {
    CONSOLE_QUEUE_ENTRIES = 128,
    CONSOLE_RX = 0,
    CONSOLE_TX = 1,
    CONSOLE_QUEUES = 2,
    CONSOLE_CONFIG_BYTES = 12,
    CONSOLE_EMERG_WRITE = 8,
};

struct console {
    struct virtio_chain chain;
};

static struct char_port *console_port(const struct virtio *virtio)
{
    const struct virtio_console_config *config = virtio->config;
    return config != NULL ? config->port : NULL;
}

static bool console_serve(struct virtio *virtio, unsigned queue)
{
    struct console *console = virtio->state;
    struct char_port *port = console_port(virtio);
    return queue == CONSOLE_TX ? console_stream_print(virtio, queue, &console->chain, port)
                               : console_stream_fill(virtio, queue, &console->chain, port);
}

/* Input arrived; on the loop thread, or between two slices. */
static void console_ready(void *opaque)
{
    struct virtio *virtio = opaque;
    device_lock(virtio->device);
    virtio_notify(virtio, CONSOLE_RX);
    device_unlock(virtio->device);
}

/* The host took what was written; on the loop thread. */
static void console_room(void *opaque)
{
    struct virtio *virtio = opaque;
    device_lock(virtio->device);
    virtio_notify(virtio, CONSOLE_TX);
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
        char_port_set_room(console_port(virtio), console_room, virtio);
    }
    return true;
}

static void console_fini(struct virtio *virtio)
{
    if (console_port(virtio) != NULL) {
        char_port_set_ready(console_port(virtio), NULL, NULL);
        char_port_set_room(console_port(virtio), NULL, NULL);
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

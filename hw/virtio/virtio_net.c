/* The network device (virtio 1.2, 5.1) with one pair of queues: 0 takes frames to the guest, 1
 * frames from it.
 *
 *   configuration: 0 u8[6] MAC address, 6 le16 status (1: there is a carrier), 8 le16 pairs of
 *   queues, 10 le16 MTU
 *   each frame has a header: u8 flags, u8 segmentation, le16 header length, le16 segment length,
 *   le16 checksum start, le16 checksum offset, le16 how many buffers hold it
 *
 * A frame for the guest may be spread over several buffers, if the driver takes that. A driver that
 * does not, and gives a buffer that is too small, loses the frame.
 *
 * The driver may leave checksums to the device, and to a backend that can, whole segments of TCP;
 * what comes from a trusted backend is marked as checked. Frames to the guest are always as they
 * would be on a wire.
 *
 * Left out: the control queue (so every frame the backend has is delivered, and the address is
 * fixed), several pairs of queues, segments to the guest, notification of a changed carrier, which
 * does not change here. */
#include "hw/virtio/virtio_net.h"

#include "hw/virtio/virtio_queue.h"
#include <stdlib.h>
#include <string.h>

#define NET_F_CSUM BIT(0)
#define NET_F_GUEST_CSUM BIT(1)
#define NET_F_MTU BIT(3)
#define NET_F_MAC BIT(5)
#define NET_F_HOST_TSO4 BIT(11)
#define NET_F_HOST_TSO6 BIT(12)
#define NET_F_MRG_RXBUF BIT(15)
#define NET_F_STATUS BIT(16)

enum {
    NET_QUEUE_ENTRIES = 256,
    NET_RX = 0,
    NET_TX = 1,
    NET_QUEUES = 2,
    NET_CONFIG_BYTES = 12,
    NET_STATUS_LINK_UP = 1,

    NET_HDR_BYTES = 12,
    NET_HDR_BUFFERS = 10, /* offset of the count of buffers */
    NET_HDR_F_NEEDS_CSUM = 1,
    NET_HDR_F_DATA_VALID = 2,
    NET_HDR_GSO_NONE = 0,
    NET_HDR_GSO_TCPV4 = 1,
    NET_HDR_GSO_TCPV6 = 4,

    NET_FLUSH_FRAMES = 16, /* fewer than the port has room for, whatever their size */
};

struct net_device {
    struct virtio_chain chain;
    struct virtio_chain first; /* of a frame in several buffers */
};

static struct net_port *net_device_port(const struct virtio *virtio)
{
    const struct virtio_net_config *config = virtio->config;
    return config->port;
}

/* ---- From the guest ---- */

/* What the header says, as far as it was negotiated; false when it wants what was not. */
static bool net_read_offload(const struct virtio *virtio, const u8 *header,
                             struct net_offload *offload)
{
    *offload = (struct net_offload){0};
    if ((header[0] & NET_HDR_F_NEEDS_CSUM) != 0 && virtio_has_feature(virtio, NET_F_CSUM)) {
        offload->checksum = true;
        offload->checksum_start = ld_le16(header + 6);
        offload->checksum_offset = ld_le16(header + 8);
    }
    switch (header[1]) {
    case NET_HDR_GSO_NONE:
        return true;
    case NET_HDR_GSO_TCPV4:
        offload->segmentation = NET_SEGMENT_TCP4;
        return virtio_has_feature(virtio, NET_F_HOST_TSO4);
    case NET_HDR_GSO_TCPV6:
        offload->segmentation = NET_SEGMENT_TCP6;
        return virtio_has_feature(virtio, NET_F_HOST_TSO6);
    default:
        return false;
    }
}

/* Copies the chain's frame into the port. One that is no frame is lost. */
static void net_transmit(struct virtio *virtio, const struct virtio_chain *chain)
{
    u8 header[NET_HDR_BYTES];
    struct net_offload offload;
    u64 size_bytes = chain->readable_bytes - NET_HDR_BYTES;
    if (chain->readable_bytes < NET_HDR_BYTES + NET_HEADER_BYTES ||
        size_bytes > NET_FRAME_MAX_BYTES) {
        device_guest_error(virtio->device, "a frame that is too short or too long was lost");
        return;
    }
    virtio_chain_read(chain, 0, header, sizeof(header));
    if (!net_read_offload(virtio, header, &offload)) {
        device_guest_error(virtio->device,
                           "a frame with segmentation that was not negotiated was lost");
        return;
    }
    struct net_frame *frame = net_frame_new((u32)size_bytes);
    if (frame != NULL) {
        frame->offload = offload;
        virtio_chain_read(chain, NET_HDR_BYTES, frame->bytes, (size_t)size_bytes);
        net_port_send(net_device_port(virtio), frame);
    }
}

/* When the port has no room, the rest stays in the queue; net_room calls again. */
static bool net_serve_tx(struct virtio *virtio)
{
    struct net_device *net = virtio->state;
    struct net_port *port = net_device_port(virtio);
    virtio_queue_wake(virtio, NET_TX);
    for (unsigned i = 0; i < NET_QUEUE_ENTRIES; i++) {
        if (i % NET_FLUSH_FRAMES == NET_FLUSH_FRAMES - 1) {
            net_port_flush(port);
        }
        if (!net_port_can_send(port)) {
            net_port_flush(port);
            return false;
        }
        if (!virtio_queue_peek(virtio, NET_TX, &net->chain)) {
            break;
        }
        net_transmit(virtio, &net->chain);
        virtio_queue_finish(virtio, NET_TX, &net->chain, 0);
    }
    net_port_flush(port);
    return virtio_queue_sleep(virtio, NET_TX);
}

/* ---- To the guest ---- */

enum net_fit { NET_FITS, NET_NO_BUFFERS, NET_TOO_LARGE };

static void net_write_header(struct virtio *virtio, const struct virtio_chain *chain,
                             unsigned buffers)
{
    u8 header[NET_HDR_BYTES] = {0};
    bool trusted = net_port_options(net_device_port(virtio))->abilities.trusted;
    if (trusted && virtio_has_feature(virtio, NET_F_GUEST_CSUM)) {
        header[0] = NET_HDR_F_DATA_VALID;
    }
    st_le16(header + NET_HDR_BUFFERS, (u16)buffers);
    virtio_chain_write(virtio, chain, 0, header, sizeof(header));
}

/* Writes the frame into as many chains as it takes, all or none of them published. */
static enum net_fit net_receive(struct virtio *virtio, const struct net_frame *frame)
{
    struct net_device *net = virtio->state;
    unsigned limit = virtio_has_feature(virtio, NET_F_MRG_RXBUF)
                         ? virtio->saved.entries[NET_RX] : 1;
    u32 done_bytes = 0;
    unsigned used = 0;
    while (used == 0 || done_bytes < frame->size_bytes) {
        struct virtio_chain *chain = used == 0 ? &net->first : &net->chain;
        u32 skip_bytes = used == 0 ? NET_HDR_BYTES : 0;
        if (used == limit) {
            return NET_TOO_LARGE;
        }
        if (!virtio_queue_peek_ahead(virtio, NET_RX, used, chain)) {
            return NET_NO_BUFFERS;
        }
        if (chain->writable_bytes <= skip_bytes) {
            return NET_TOO_LARGE;
        }
        u32 part_bytes = (u32)virtio_chain_write(virtio, chain, skip_bytes,
                                                 frame->bytes + done_bytes,
                                                 frame->size_bytes - done_bytes);
        virtio_queue_fill(virtio, NET_RX, used, chain, skip_bytes + part_bytes);
        done_bytes += part_bytes;
        used++;
    }
    net_write_header(virtio, &net->first, used);
    virtio_queue_publish(virtio, NET_RX, used);
    return NET_FITS;
}

/* Moves what has arrived into buffers, while there are both. Notifications are wanted only when the
 * buffers run out. */
static bool net_serve_rx(struct virtio *virtio)
{
    struct net_port *port = net_device_port(virtio);
    virtio_queue_wake(virtio, NET_RX);
    for (unsigned i = 0; i < NET_QUEUE_ENTRIES; i++) {
        const struct net_frame *frame = net_port_peek(port);
        if (frame == NULL) {
            return false; /* net_arrived calls again */
        }
        enum net_fit fit = net_receive(virtio, frame);
        if (fit == NET_NO_BUFFERS) {
            return virtio_queue_sleep(virtio, NET_RX);
        }
        if (fit == NET_TOO_LARGE) {
            device_guest_error(virtio->device,
                               "a frame was lost: the driver's buffer is too small");
        }
        net_port_pop(port);
    }
    return true;
}

static bool net_serve(struct virtio *virtio, unsigned queue)
{
    return queue == NET_TX ? net_serve_tx(virtio) : net_serve_rx(virtio);
}

/* Frames arrived; on a thread of the backend's, or between two slices. Before the driver runs
 * nobody hears them. */
static void net_arrived(void *opaque)
{
    struct virtio *virtio = opaque;
    device_lock(virtio->device);
    if (virtio_is_running(virtio)) {
        virtio_notify(virtio, NET_RX);
    } else {
        net_port_clear(net_device_port(virtio));
    }
    device_unlock(virtio->device);
}

/* Real clock only: with the virtual one the port is empty after each flush. */
static void net_room(void *opaque)
{
    struct virtio *virtio = opaque;
    device_lock(virtio->device);
    virtio_notify(virtio, NET_TX);
    device_unlock(virtio->device);
}

/* ---- Life ---- */

static void net_read_config(struct virtio *virtio, u8 *bytes)
{
    const struct net_port_options *options = net_port_options(net_device_port(virtio));
    memcpy(bytes, options->mac, NET_MAC_BYTES);
    st_le16(bytes + 6, net_port_has_carrier(net_device_port(virtio)) ? NET_STATUS_LINK_UP : 0);
    st_le16(bytes + 8, 1);
    st_le16(bytes + 10, options->abilities.mtu_bytes);
}

static bool net_init(struct virtio *virtio, struct metic_error *error)
{
    struct net_port *port = net_device_port(virtio);
    const struct net_abilities *abilities = &net_port_options(port)->abilities;
    (void)error;
    virtio->queue_count = NET_QUEUES;
    virtio->config_bytes = NET_CONFIG_BYTES;
    virtio->features |= NET_F_MAC | NET_F_STATUS | NET_F_MRG_RXBUF | NET_F_CSUM | NET_F_GUEST_CSUM;
    virtio->features |= abilities->mtu_bytes != 0 ? NET_F_MTU : 0;
    virtio->features |= abilities->segmentation ? NET_F_HOST_TSO4 | NET_F_HOST_TSO6 : 0;
    net_port_set_device(port, net_arrived, net_room, virtio);
    return true;
}

static void net_fini(struct virtio *virtio)
{
    net_port_set_device(net_device_port(virtio), NULL, NULL, NULL);
}

static void net_reset(struct virtio *virtio)
{
    net_port_clear(net_device_port(virtio));
}

static void net_save(struct virtio *virtio, struct state_writer *writer)
{
    net_port_save(net_device_port(virtio), writer);
}

static bool net_load(struct virtio *virtio, struct state_reader *reader, struct metic_error *error)
{
    return net_port_load(net_device_port(virtio), reader, error);
}

const struct virtio_type virtio_net_type = {
    .name = "virtio-net",
    .device_id = 1,
    .queue_entries = NET_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct net_device),
    .init = net_init,
    .fini = net_fini,
    .read_config = net_read_config,
    .serve = net_serve,
    .reset = net_reset,
    .save = net_save,
    .load = net_load,
};

/* The 9P transport device (virtio 1.2, device 9, which only Linux's driver describes):
 * messages of 9P2000.L (hw/share/p9.h) from the guest's kernel on one queue.
 *
 *   configuration: 0 le16 length of the tag, 2 the tag
 *
 * Requests under way at once are answered as they are done. */
#include "hw/virtio/virtio_9p.h"

#include "hw/virtio/virtio_share.h"
#include <string.h>

#define P9_F_MOUNT_TAG BIT(0)

enum {
    P9_QUEUE_ENTRIES = 256,
    P9_CONFIG_BYTES = 2 + VIRTIO_9P_TAG_BYTES,
};

struct p9_device {
    struct virtio_share share; /* first */
    struct p9_server server;
};

static const struct virtio_9p_config *p9_config(const struct virtio *virtio)
{
    return virtio->config;
}

static void p9_reset(struct virtio *virtio)
{
    struct p9_device *p9 = virtio->state;
    virtio_share_reset(virtio);
    p9_server_clear(&p9->server);
    if (p9->server.share != NULL) {
        share_clear(p9->server.share);
    }
}

static void p9_read_config(struct virtio *virtio, u8 *bytes)
{
    const char *tag = p9_config(virtio)->tag;
    size_t size_bytes = strnlen(tag, VIRTIO_9P_TAG_BYTES);
    st_le16(bytes, (u16)size_bytes);
    memcpy(bytes + 2, tag, size_bytes);
}

static bool p9_init(struct virtio *virtio, struct metic_error *error)
{
    struct p9_device *p9 = virtio->state;
    virtio->queue_count = 1;
    virtio->config_bytes = P9_CONFIG_BYTES;
    virtio->features |= P9_F_MOUNT_TAG;
    p9_server_init(&p9->server, p9_config(virtio)->share);
    return virtio_share_init(virtio, &p9_protocol, &p9->server, error);
}

static void p9_fini(struct virtio *virtio)
{
    struct p9_device *p9 = virtio->state;
    virtio_share_fini(virtio);
    p9_server_fini(&p9->server);
}

static void p9_save(struct virtio *virtio, struct state_writer *writer)
{
    struct p9_device *p9 = virtio->state;
    if (p9->server.share != NULL) {
        share_save(p9->server.share, writer);
        p9_server_save(&p9->server, writer);
    }
}

static bool p9_load(struct virtio *virtio, struct state_reader *reader, struct metic_error *error)
{
    struct p9_device *p9 = virtio->state;
    return p9->server.share == NULL || (share_load(p9->server.share, reader, error) &&
                                        p9_server_load(&p9->server, reader, error));
}

const struct virtio_type virtio_9p_type = {
    .name = "virtio-9p",
    .device_id = 9,
    .queue_entries = P9_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct p9_device),
    .init = p9_init,
    .fini = p9_fini,
    .read_config = p9_read_config,
    .serve = virtio_share_serve,
    .quiesce = virtio_share_quiesce,
    .reset = p9_reset,
    .save = p9_save,
    .load = p9_load,
};

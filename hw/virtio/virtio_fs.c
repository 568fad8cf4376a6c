/* The file system device (virtio 1.2, 5.11): FUSE requests (hw/share/fuse.h) from the guest's
 * kernel. Queue 0 has what may not wait behind others, forgetting, queue 1 all else.
 *
 *   configuration: 0 u8[36] tag, 36 le32 request queues
 *
 * Left out: notifications to the driver (Linux has none for this device), a window for mapping
 * files (DAX), several request queues, which would only share the same threads. */
#include "hw/virtio/virtio_fs.h"

#include "hw/virtio/virtio_share.h"
#include <string.h>

enum {
    FS_QUEUE_ENTRIES = 256,
    FS_QUEUES = 2,
    FS_CONFIG_BYTES = 40,
};

struct fs {
    struct virtio_share share; /* first */
    struct fuse_server server;
};

static const struct virtio_fs_config *fs_config(const struct virtio *virtio)
{
    return virtio->config;
}

static void fs_reset(struct virtio *virtio)
{
    struct fs *fs = virtio->state;
    virtio_share_reset(virtio);
    if (fs->server.share != NULL) {
        share_clear(fs->server.share);
    }
    fs->server.can_submount = false;
}

static void fs_read_config(struct virtio *virtio, u8 *bytes)
{
    const char *tag = fs_config(virtio)->tag;
    memcpy(bytes, tag, strnlen(tag, VIRTIO_FS_TAG_BYTES));
    st_le32(bytes + VIRTIO_FS_TAG_BYTES, 1);
}

static bool fs_init(struct virtio *virtio, struct metic_error *error)
{
    struct fs *fs = virtio->state;
    virtio->queue_count = FS_QUEUES;
    virtio->config_bytes = FS_CONFIG_BYTES;
    fuse_server_init(&fs->server, fs_config(virtio)->share, fs_config(virtio)->cache);
    return virtio_share_init(virtio, &fuse_protocol, &fs->server, error);
}

static void fs_fini(struct virtio *virtio)
{
    struct fs *fs = virtio->state;
    virtio_share_fini(virtio);
    fuse_server_fini(&fs->server);
}

static void fs_save(struct virtio *virtio, struct state_writer *writer)
{
    struct fs *fs = virtio->state;
    state_write_u32(writer, fs->server.can_submount);
    if (fs->server.share != NULL) {
        share_save(fs->server.share, writer);
    }
}

static bool fs_load(struct virtio *virtio, struct state_reader *reader, struct metic_error *error)
{
    struct fs *fs = virtio->state;
    u32 can_submount = 0;
    if (!state_read_u32(reader, &can_submount)) {
        return error_set(error, NULL, "the saved state of %s is cut", virtio->device->name);
    }
    fs->server.can_submount = can_submount != 0;
    return fs->server.share == NULL || share_load(fs->server.share, reader, error);
}

const struct virtio_type virtio_fs_type = {
    .name = "virtio-fs",
    .device_id = 26,
    .queue_entries = FS_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct fs),
    .init = fs_init,
    .fini = fs_fini,
    .read_config = fs_read_config,
    .serve = virtio_share_serve,
    .quiesce = virtio_share_quiesce,
    .reset = fs_reset,
    .save = fs_save,
    .load = fs_load,
};

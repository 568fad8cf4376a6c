/* The shared-folder device; see virtio_fs.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_FS_H
#define METIC_HW_VIRTIO_VIRTIO_FS_H

#include "hw/share/fuse.h"
#include "hw/virtio/virtio.h"

enum { VIRTIO_FS_TAG_BYTES = 36 };

struct virtio_fs_config {
    struct share *share; /* this device's alone; NULL in a replay, which has the answers */
    enum fuse_cache cache;
    const char *tag;     /* at most VIRTIO_FS_TAG_BYTES */
};

extern const struct virtio_type virtio_fs_type;

#endif

/* The 9P device, for guests without virtio-fs; see virtio_9p.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_9P_H
#define METIC_HW_VIRTIO_VIRTIO_9P_H

#include "hw/share/p9.h"
#include "hw/virtio/virtio.h"

enum { VIRTIO_9P_TAG_BYTES = 36 };

struct virtio_9p_config {
    struct share *share; /* this device's alone; NULL in a replay, which has the answers */
    const char *tag;     /* at most VIRTIO_9P_TAG_BYTES */
};

extern const struct virtio_type virtio_9p_type;

#endif

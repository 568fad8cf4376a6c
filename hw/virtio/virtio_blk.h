/* The virtio block device; see virtio_blk.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_BLK_H
#define METIC_HW_VIRTIO_VIRTIO_BLK_H

#include "hw/block/blk_backend.h"
#include "hw/virtio/virtio.h"

enum { VIRTIO_BLK_MAX_QUEUES = 8 };

struct virtio_blk_config {
    struct blk_disk disk; /* only read by init */
    bool stop_on_error;   /* when the host fails, stop the machine and try again when it goes on */
    unsigned queue_count; /* 1 to VIRTIO_BLK_MAX_QUEUES; 0: 1 */
    char serial[20];      /* what the guest reads as the disk's id, need not end in NUL */
};

extern const struct virtio_type virtio_blk_type;

#endif

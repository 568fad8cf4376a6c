/* The virtio GPU; see virtio_gpu.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_GPU_H
#define METIC_HW_VIRTIO_VIRTIO_GPU_H

#include "hw/display/display.h"
#include "hw/virtio/virtio.h"

struct virtio_gpu_config {
    struct display *display; /* not NULL */
    unsigned head_count;     /* 1 to DISPLAY_MAX_HEADS */
    u32 width, height;       /* what each head prefers at first */
};

extern const struct virtio_type virtio_gpu_type;

#endif

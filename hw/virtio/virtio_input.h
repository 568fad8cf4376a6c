/* The virtio input devices; see virtio_input.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_INPUT_H
#define METIC_HW_VIRTIO_VIRTIO_INPUT_H

#include "hw/display/input.h"
#include "hw/virtio/virtio.h"

struct virtio_input_config {
    struct input *input; /* not NULL; the device is its sink */
    enum input_device device;
};

extern const struct virtio_type virtio_input_type;

#endif

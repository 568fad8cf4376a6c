/* The virtio console; see virtio_console.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_CONSOLE_H
#define METIC_HW_VIRTIO_VIRTIO_CONSOLE_H

#include "hw/char/backend_char.h"
#include "hw/virtio/virtio.h"

struct virtio_console_config {
    struct char_port *port; /* NULL: output is dropped, no input */
};

extern const struct virtio_type virtio_console_type;

#endif

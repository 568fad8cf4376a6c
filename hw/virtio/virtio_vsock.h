/* The socket device; see virtio_vsock.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_VSOCK_H
#define METIC_HW_VIRTIO_VIRTIO_VSOCK_H

#include "hw/virtio/virtio.h"
#include "hw/vsock/vsock_port.h"

struct virtio_vsock_config {
    struct vsock_port *port;
};

extern const struct virtio_type virtio_vsock_type;

#endif

/* The virtio network device; see virtio_net.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_NET_H
#define METIC_HW_VIRTIO_VIRTIO_NET_H

#include "hw/net/net_port.h"
#include "hw/virtio/virtio.h"

struct virtio_net_config {
    struct net_port *port; /* not NULL */
};

extern const struct virtio_type virtio_net_type;

#endif

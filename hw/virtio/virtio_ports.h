/* Console ports with names; see virtio_ports.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_PORTS_H
#define METIC_HW_VIRTIO_VIRTIO_PORTS_H

#include "hw/char/backend_char.h"
#include "hw/virtio/virtio.h"

enum { VIRTIO_MAX_PORTS = 17 }; /* the user's, and the clipboard's */

struct virtio_ports_config {
    unsigned count;
    struct {
        const char *name;
        struct char_port *port;
    } ports[VIRTIO_MAX_PORTS];
};

extern const struct virtio_type virtio_ports_type;

#endif

/* The virtio entropy device; see virtio_rng.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_RNG_H
#define METIC_HW_VIRTIO_VIRTIO_RNG_H

#include "hw/virtio/virtio.h"

extern const struct virtio_type virtio_rng_type; /* takes no config */

#endif

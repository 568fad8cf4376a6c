/* virtio over memory-mapped registers; see virtio_mmio.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_MMIO_H
#define METIC_HW_VIRTIO_VIRTIO_MMIO_H

#include "hw/device.h"
#include "hw/virtio/virtio.h"

/* What is plugged in. No config at all, or a NULL type: an empty slot. Output 0 is the
 * interrupt. */
struct virtio_mmio_config {
    const struct virtio_type *type;
    const void *config; /* the type's; kept */
};

extern const struct device_class virtio_mmio_class;

#endif

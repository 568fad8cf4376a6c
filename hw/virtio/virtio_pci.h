/* virtio over PCI; see virtio_pci.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_PCI_H
#define METIC_HW_VIRTIO_VIRTIO_PCI_H

#include "hw/device.h"
#include "hw/virtio/virtio.h"

/* What the function is. Output 0 is its pin INTA, input 0 the reset wire of its bus. */
struct virtio_pci_config {
    const struct virtio_type *type; /* not NULL */
    const void *config;             /* the type's; kept */
    bool msix;                      /* the machine has somewhere to send messages to */
    bool behind_port;               /* not on the root bus */
};

extern const struct device_class virtio_pci_class;

#endif

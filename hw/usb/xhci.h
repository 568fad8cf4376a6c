/* The USB host controller; see xhci.c. */
#ifndef METIC_HW_USB_XHCI_H
#define METIC_HW_USB_XHCI_H

#include "hw/device.h"
#include "hw/display/input.h"

struct xhci_config {
    struct input *input; /* not NULL; keyboard and tablet are sinks of it */
    bool msix;           /* the machine takes messages */
};

extern const struct device_class xhci_class;

#endif

/* A PCI Express root port; see pcie_port.c. */
#ifndef METIC_HW_PCI_PCIE_PORT_H
#define METIC_HW_PCI_PCIE_PORT_H

#include "hw/device.h"

/* Takes no config. Output 0 is the reset wire of the bus behind it. */
extern const struct device_class pcie_port_class;

#endif

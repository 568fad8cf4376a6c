/* The PCI Express host bridge; see pci_host.c. */
#ifndef METIC_HW_PCI_PCI_HOST_H
#define METIC_HW_PCI_PCI_HOST_H

#include "hw/device.h"

enum {
    PCI_HOST_ECAM = 0, /* regions, in the order of their places */
    PCI_HOST_IO,
    PCI_HOST_MEMORY32,
    PCI_HOST_MEMORY64,
    PCI_HOST_REGIONS,

    PCI_HOST_LINES = 4, /* outputs: INTA to INTD, wired to consecutive interrupt inputs */
    PCI_HOST_SLOTS = 32, /* on bus 0; the bridge itself is in slot 0 */
};
#define PCI_HOST_ECAM_BYTES 0x10000000u
#define PCI_HOST_IO_BYTES 0x10000u

/* Where the memory windows lie, for guest and bus alike. */
struct pci_host_config {
    u64 memory32_gpa, memory32_bytes;
    u64 memory64_gpa, memory64_bytes;
};

extern const struct device_class pci_host_class;

/* Puts a function into a free slot of bus 0 and wires its pin. Before harts start. */
void pci_host_attach(struct device *host, unsigned slot, struct device *function);

/* The same behind the root port that sits in `slot`: as slot 0 of the port's bus. Input 0 of the
 * function's device is the bus's reset wire. */
void pci_host_attach_behind(struct device *host, unsigned slot, struct device *function);

#endif

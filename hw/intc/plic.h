/* The platform-level interrupt controller; see plic.c. */
#ifndef METIC_HW_INTC_PLIC_H
#define METIC_HW_INTC_PLIC_H

#include "hw/device.h"

enum { PLIC_MAX_SOURCES = 96, PLIC_MAX_CONTEXTS = 128 };

/* Output c is the interrupt line of context c; input s (1..source_count) is source s. */
struct plic_config {
    unsigned source_count;  /* 1..95: sources are numbered from 1 */
    unsigned context_count; /* 1..128; for the device tree: two per hart, M then S */
};

extern const struct device_class plic_class;

#endif

/* The advanced platform-level interrupt controller; see aplic.c. */
#ifndef METIC_HW_INTC_APLIC_H
#define METIC_HW_INTC_APLIC_H

#include "hw/device.h"

enum { APLIC_MAX_SOURCES = 96, APLIC_MAX_HARTS = 64, APLIC_REGION_BYTES = 0x8000 };

enum { APLIC_M, APLIC_S, APLIC_DOMAINS }; /* also the numbers of the regions */

/* Input s (1..source_count) is source s. Outputs, without messages: hart h's line of M is output h,
 * of S output hart_count + h. */
struct aplic_config {
    unsigned source_count; /* 1..96 */
    unsigned hart_count;   /* 1..64 */
    bool messages;         /* interrupts leave as messages (device_env.message), not on lines */
    /* For the device tree. */
    u32 phandle[APLIC_DOMAINS];
    u32 msi_phandle[APLIC_DOMAINS];
};

extern const struct device_class aplic_class;

#endif

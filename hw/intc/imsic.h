/* The incoming message-signalled interrupt controller; see imsic.c. */
#ifndef METIC_HW_INTC_IMSIC_H
#define METIC_HW_INTC_IMSIC_H

#include "hw/device.h"

enum { IMSIC_M, IMSIC_S, IMSIC_PAGE_BYTES = 0x1000, IMSIC_IDS = 255 };

struct imsic_config {
    unsigned hart_count;
    unsigned file; /* IMSIC_M or IMSIC_S */
    /* A message came: number 1 to IMSIC_IDS for that file of hart `hart`. Any thread. */
    void (*deliver)(void *opaque, unsigned hart, unsigned file, u32 number);
    void *opaque;
};

extern const struct device_class imsic_class;

/* A message as devices send it: `data` written to a hart's page at `offset`. Any thread. */
void imsic_message(struct device *device, u64 offset, u32 data);

#endif

/* The machine's power button (power_button.c). */
#ifndef METIC_HW_MISC_POWER_BUTTON_H
#define METIC_HW_MISC_POWER_BUTTON_H

#include "hw/device.h"

extern const struct device_class power_button_class;

/* From the journal; takes the device's lock. */
void power_button_press(struct device *device);

#endif

/* The goldfish real-time clock; see goldfish.c. */
#ifndef METIC_HW_RTC_GOLDFISH_H
#define METIC_HW_RTC_GOLDFISH_H

#include "hw/device.h"

/* Output 0 is the alarm interrupt. */
extern const struct device_class goldfish_rtc_class;

#endif

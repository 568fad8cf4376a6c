/* The test finisher; see sifive_test.c. */
#ifndef METIC_HW_MISC_SIFIVE_TEST_H
#define METIC_HW_MISC_SIFIVE_TEST_H

#include "hw/device.h"

extern const struct device_class sifive_test_class;

#endif

/* The 16550A serial port; see ns16550a.c. */
#ifndef METIC_HW_CHAR_NS16550A_H
#define METIC_HW_CHAR_NS16550A_H

#include "hw/char/backend_char.h"
#include "hw/device.h"

/* Output 0 is the interrupt. */
struct ns16550a_config {
    struct char_port *port; /* NULL: output is dropped, no input */
    u32 clock_hz;           /* of the baud generator, 3686400 on riscv-virt */
};

extern const struct device_class ns16550a_class;

#endif

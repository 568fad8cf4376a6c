/* One interrupt wire: it runs from a device's output to an interrupt controller's input or to a
 * hart. The driver of a line knows its level and nothing of what hangs at the other end.
 *
 * Lines are level-sensitive. Setting a line to the level it already has is allowed and cheap; the
 * receiver keeps the level. A device sets its line while it holds its own lock, so a receiver may
 * take its own lock but must never call back into the driver: locks nest device -> controller ->
 * hart, and that order has no cycle. */
#ifndef METIC_HW_IRQ_H
#define METIC_HW_IRQ_H

#include "cpu/base/types.h"

struct irq_line {
    /* Any thread. `index` says which input of the receiver this is. NULL: not connected. */
    void (*set)(void *opaque, unsigned index, bool level);
    void *opaque;
    unsigned index;
};

static inline void irq_line_set(const struct irq_line *line, bool level)
{
    if (line->set != NULL) {
        line->set(line->opaque, line->index, level);
    }
}

#endif

/* Pages that traces remember, in slots behind each hart's state, at the same distance in every
 * hart, so that generated code reaches them from the register that it has for the state. A trace
 * has some of its own, the same ones in every hart, until all code goes, which it does when there
 * are no more (pipeline.c). The first of them says for which vcpu->data_epoch the others are.
 *
 * Owned by the hart's thread. All zeros at first, which is no epoch. */
#ifndef METIC_TRANSLATE_HOST_SLOT_H
#define METIC_TRANSLATE_HOST_SLOT_H

#include "cpu/guest.h"

struct host_slot {
    u64 page; /* as the host's code writes it, an even number; of a trace's first one the epoch */
    u64 addend;
};

enum {
    HOST_SLOT_BITS = 18,
    HOST_SLOTS = 1 << HOST_SLOT_BITS,
    HOST_TRACE_SLOTS = 1 << 10, /* that one trace may have */
};
static const size_t host_slots_bytes = HOST_SLOTS * sizeof(struct host_slot);

/* From the hart's state to its slots. */
static inline size_t host_slots_offset(const struct guest *guest)
{
    const size_t each = sizeof(struct host_slot);
    return (guest->vcpu_bytes + each - 1) / each * each;
}

#endif

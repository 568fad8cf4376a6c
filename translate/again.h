/* Interrupts exactly behind the access that causes them (exact deadlines alone).
 *
 * Code looks at interrupts and at its deadline between blocks. A device access in the middle of one
 * may raise an interrupt of its own hart's, or set a timer to an earlier time: what happens then
 * would depend on where the block ends, and with it on breakpoints, on where a run was stopped
 * before, on the engine. So such an access leaves the block by an exception of the engine's own,
 * with the device's answer kept; the instruction is done again by itself, gets that answer without
 * asking, and the hart looks up behind it. */
#ifndef METIC_TRANSLATE_AGAIN_H
#define METIC_TRANSLATE_AGAIN_H

#include "cpu/vcpu.h"

/* The cause of that exception; never the guest's. The lowest of those: the others are in softmmu.h,
 * probe.h and debug.h. */
#define AGAIN_CAUSE (~(u64)3)

enum { AGAIN_ACCESSES = 32 }; /* of one instruction; more are done without leaving */

/* What one instruction of a hart's has had of devices. */
struct again {
    gva_t pc;
    u64 insns;
    unsigned count, next; /* accesses kept; and taken again */
    bool again;
    struct {
        u64 value;
        bool answered;
    } accesses[AGAIN_ACCESSES];
};

/* Before an access, where again_wanted() (engine.h): true when it was made already. */
bool again_take(struct vcpu *vcpu, u64 *value, bool *answered);
/* After one, with the deadline as it was before: false, with the exception pending: leave. */
bool again_keep(struct vcpu *vcpu, u64 deadline, u64 value, bool answered);

#endif

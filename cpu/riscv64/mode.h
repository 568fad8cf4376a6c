/* What riscv64_mode_update does when it did the same before, for traps and returns from them, which
 * know what they just wrote: the state's members would be there a few cycles later. */
#ifndef METIC_CPU_RISCV64_MODE_H
#define METIC_CPU_RISCV64_MODE_H

#include "cpu/riscv64/state.h"
#include "cpu/tlb_select.h"

/* Bits of vcpu->mode that a guest keeps, and those that whoever records chooses anew. */
#define KEPT_BITS ((u32)(RISCV_MODE_TRACE | RISCV_MODE_COUNT))
#define ENGINE_BITS (KEPT_BITS | (u32)VCPU_MODE_PROBE)

/* What of mstatus decides beside FS and SUM, which are in a context's number. Under MPRV, which is
 * never set for long, MPP decides too: then nothing is remembered. */
#define MSTATUS_OF_CONTEXT (MSTATUS_VS | MSTATUS_MXR | MSTATUS_MPRV)

/* Works everything out, and remembers it in the context. */
void riscv64_mode_update_anew(struct riscv64_state *state, struct riscv64_context *context,
                              u32 engine_bits);
/* For a hart that is recorded. */
void riscv64_mode_update_watched(struct riscv64_state *state);

static ALWAYS_INLINE void mode_select(struct riscv64_state *state, unsigned priv, u64 mstatus,
                                      u32 engine_bits)
{
    unsigned number = priv * 4u + (mstatus & MSTATUS_SUM ? 2u : 0u) +
                      (mstatus & MSTATUS_FS ? 1u : 0u);
    struct riscv64_context *context = &state->cache.contexts[number];
    if (LIKELY(context->satp == state->satp &&
               context->status == (mstatus & MSTATUS_OF_CONTEXT) &&
               context->frm == state->frm && (context->mode & ENGINE_BITS) == engine_bits &&
               tlb_reselect(&state->vcpu, &context->selection))) {
        state->vcpu.mode = context->mode;
    } else {
        riscv64_mode_update_anew(state, context, engine_bits);
    }
}

/* riscv64_mode_update; priv and mstatus are the state's. */
static ALWAYS_INLINE void mode_changed(struct riscv64_state *state, unsigned priv, u64 mstatus)
{
    const struct vcpu_ops *ops = state->vcpu.ops;
    if (UNLIKELY(ops != NULL && ops->context != NULL)) {
        riscv64_mode_update_watched(state);
    } else {
        mode_select(state, priv, mstatus, state->vcpu.mode & KEPT_BITS);
    }
}

#endif

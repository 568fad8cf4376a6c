/* Selecting the TLB's spaces again, at each trap and each return from one (see tlb.h). */
#ifndef METIC_CPU_TLB_SELECT_H
#define METIC_CPU_TLB_SELECT_H

#include "cpu/tlb_insert.h"

/* Of writes there is mostly none, before and after. */
static ALWAYS_INLINE void tlb_use_spans(struct vcpu *vcpu, const struct tlb_space *space)
{
    vcpu->span = space->span;
    if (UNLIKELY((vcpu->write_span.bytes | space->write_span.bytes) != 0)) {
        vcpu->write_span = space->write_span;
    }
}

static ALWAYS_INLINE void tlb_use_others(struct vcpu *vcpu, const struct tlb_space *space)
{
    vcpu->tlb_others = space->others;
    vcpu->tlb_others_mask = space->others_mask;
}

static ALWAYS_INLINE void tlb_use_data(struct vcpu *vcpu, struct tlb_space *space)
{
    vcpu->tlb_state->data_now = space;
    vcpu->tlb = space->entries;
    vcpu->data_epoch = space->epoch;
    tlb_use_others(vcpu, space);
    tlb_use_spans(vcpu, space);
}

static ALWAYS_INLINE void tlb_use_fetch(struct vcpu *vcpu, struct fetch_space *space)
{
    vcpu->tlb_state->fetch_now = space;
    vcpu->jumps = space->jumps;
    vcpu->link_epoch = space->epoch;
}

/* Makes a noted selection (tlb_note_selection) the present one again, false when spaces have
 * changed owners since. That the spaces were used is not noted in their keys: whenever one is
 * claimed all selections are searched for anew, which is when keys note it. */
static ALWAYS_INLINE bool tlb_reselect(struct vcpu *vcpu, const struct tlb_selection *selection)
{
    const struct tlb *tlb = vcpu->tlb_state;
    if (UNLIKELY(selection->generation != tlb->generation)) {
        return false;
    }
    if (tlb->data_now != selection->data || tlb->fetch_now != selection->fetch) {
        tlb_use_data(vcpu, selection->data);
        tlb_use_fetch(vcpu, selection->fetch);
    }
    return true;
}

#endif

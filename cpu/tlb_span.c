/* The TLB's spans, see tlb.h. */
#include "cpu/tlb.h"

#include "cpu/vcpu.h"

static void span_set(struct vcpu *vcpu, struct tlb_span *kept, struct tlb_span *now,
                     const struct tlb_span *all)
{
    const struct tlb *tlb = vcpu->tlb_state;
    bool large = all->bytes > 2 * TLB_SPAN_MARGIN && all->bytes - 2 * TLB_SPAN_MARGIN > now->bytes;
    if (!large || tlb->all_slow || tlb->hostile_entries || tlb->hostile_others) {
        return;
    }
    *kept = *now = (struct tlb_span){all->first + TLB_SPAN_MARGIN,
                                     all->bytes - 2 * TLB_SPAN_MARGIN, all->addend};
}

void tlb_span_set(struct vcpu *vcpu, gva_t first, u64 bytes, u64 addend)
{
    struct tlb_space *space = vcpu->tlb_state->data_now;
    span_set(vcpu, &space->span, &vcpu->span, &(struct tlb_span){first, bytes, addend});
}

void tlb_write_span_set(struct vcpu *vcpu, gva_t first, u64 bytes, u64 addend)
{
    struct tlb_space *space = vcpu->tlb_state->data_now;
    span_set(vcpu, &space->write_span, &vcpu->write_span,
             &(struct tlb_span){first, bytes, addend});
}

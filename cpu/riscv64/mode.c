/* Block mode bits and TLB spaces that follow from privilege, mstatus, satp and frm. */
#include "cpu/riscv64/mode.h"

#include "cpu/riscv64/mmu.h"

/* The permission regimes that data TLB entries are made under. Bare regimes are apart because
 * their entries are global among address spaces, and must not meet those of a page table. */
enum data_class {
    CLASS_BARE_U,
    CLASS_BARE_S,
    CLASS_BARE_M,
    CLASS_U,
    CLASS_U_MXR,
    CLASS_S,
    CLASS_S_MXR,
    CLASS_S_SUM,
    CLASS_S_SUM_MXR,
};

static u32 asid_of(u64 satp)
{
    return (u32)(satp >> SATP_ASID_SHIFT) & SATP_ASID_MASK;
}

static void select_data(struct riscv64_state *state)
{
    struct vcpu *vcpu = &state->vcpu;
    u64 mstatus = state->mstatus;
    unsigned priv = riscv64_data_priv(state);
    u64 satp = priv == RISCV_M ? 0 : state->satp;
    if (satp >> SATP_MODE_SHIFT == SATP_BARE) {
        unsigned bare = priv == RISCV_M   ? CLASS_BARE_M
                        : priv == RISCV_S ? CLASS_BARE_S
                                          : CLASS_BARE_U;
        tlb_select_data(vcpu, 0, 0, (u8)bare, true);
        return;
    }
    bool sum = priv == RISCV_S && (mstatus & MSTATUS_SUM);
    unsigned klass = priv == RISCV_U ? CLASS_U : sum ? CLASS_S_SUM : CLASS_S;
    klass += mstatus & MSTATUS_MXR ? 1 : 0;
    tlb_select_data(vcpu, satp, asid_of(satp), (u8)klass, priv == RISCV_S && !sum);
}

/* Kernel code is global, so that its translations survive a change of address space. A bare
 * space is never the same as a translated one of equal mode: `shared` differs or satp does. */
static void select_fetch(struct riscv64_state *state)
{
    struct vcpu *vcpu = &state->vcpu;
    u64 satp = state->priv == RISCV_M ? 0 : state->satp;
    if (satp >> SATP_MODE_SHIFT == SATP_BARE) {
        tlb_select_fetch(vcpu, 0, 0, vcpu->mode, false);
        return;
    }
    tlb_select_fetch(vcpu, satp, asid_of(satp), vcpu->mode, state->priv == RISCV_S);
}

static u32 mode_of(const struct riscv64_state *state, u32 engine_bits)
{
    u32 mode = engine_bits;
    mode |= state->priv | (state->mstatus & MSTATUS_FS ? (u32)RISCV_MODE_FS : 0u);
    u32 vs = (u32)(state->mstatus >> MSTATUS_VS_SHIFT) & 3;
    mode |= (vs == 2 ? 1 : vs) << RISCV_MODE_VS_SHIFT;
    mode |= (u32)(state->vlenb / 16) << RISCV_MODE_VLEN_SHIFT;
    if (state->frm != RISCV_FRM_RNE) {
        mode |= RISCV_MODE_FRM_OTHER;
    }
    if (state->frm >= RISCV_FRM_RMM) {
        mode |= RISCV_MODE_FRM_SLOW;
    }
    if (state->frm > RISCV_FRM_RMM) {
        mode |= RISCV_MODE_FRM_BAD;
    }
    return mode;
}

void riscv64_mode_update_anew(struct riscv64_state *state, struct riscv64_context *context,
                              u32 engine_bits)
{
    state->vcpu.mode = mode_of(state, engine_bits);
    select_data(state);
    select_fetch(state);
    if (state->mstatus & MSTATUS_MPRV) {
        return;
    }
    context->satp = state->satp;
    context->status = state->mstatus & MSTATUS_OF_CONTEXT;
    context->frm = state->frm;
    context->mode = state->vcpu.mode;
    tlb_note_selection(&state->vcpu, &context->selection);
}

void riscv64_mode_update_watched(struct riscv64_state *state)
{
    struct vcpu *vcpu = &state->vcpu;
    u32 watched = vcpu->ops->context(vcpu, state->priv, state->satp);
    mode_select(state, state->priv, state->mstatus, (vcpu->mode & KEPT_BITS) | watched);
}

void riscv64_mode_update(struct riscv64_state *state)
{
    mode_changed(state, state->priv, state->mstatus);
}

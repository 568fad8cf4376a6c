/* fflags, frm and fcsr (unprivileged manual, chapter F). See csr_fns.h. */
#include "cpu/riscv64/csr_fns.h"

enum { FFLAGS_MASK = 31, FRM_SHIFT = 5, FRM_MASK = 7 };

bool riscv64_csr_guard_fs(const struct riscv64_state *state, unsigned number)
{
    (void)number;
    return (state->mstatus & MSTATUS_FS) != 0;
}

/* A reserved frm is kept as written; instructions that would round with it are illegal, which the
 * mode bits tell the translator. */
static void fcsr_set(struct riscv64_state *state, u64 flags, u64 frm)
{
    bool mode_changes = frm != state->frm || (state->mstatus & MSTATUS_FS) != MSTATUS_FS;
    state->vcpu.fpu_flags = (u32)flags & FFLAGS_MASK;
    state->frm = (u8)frm & FRM_MASK;
    state->vcpu.fpu_round = state->frm > RISCV_FRM_RMM ? 0 : state->frm;
    state->mstatus |= MSTATUS_FS;
    if (mode_changes) {
        riscv64_mode_update(state);
    }
}

bool riscv64_csr_read_fflags(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = state->vcpu.fpu_flags;
    return true;
}

bool riscv64_csr_write_fflags(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    fcsr_set(state, value, state->frm);
    return true;
}

bool riscv64_csr_read_frm(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = state->frm;
    return true;
}

bool riscv64_csr_write_frm(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    fcsr_set(state, state->vcpu.fpu_flags, value & FRM_MASK);
    return true;
}

bool riscv64_csr_read_fcsr(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = (u64)state->frm << FRM_SHIFT | state->vcpu.fpu_flags;
    return true;
}

bool riscv64_csr_write_fcsr(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    fcsr_set(state, value, value >> FRM_SHIFT & FRM_MASK);
    return true;
}

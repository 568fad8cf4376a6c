/* vstart, vxsat, vxrm, vcsr and vlenb (unprivileged manual, chapter "V"). See csr_fns.h. */
#include "cpu/riscv64/csr_fns.h"
#include "cpu/riscv64/vector.h"

enum { VXSAT_MASK = 1, VXRM_MASK = 3, VXRM_SHIFT = 1 };

bool riscv64_csr_guard_vs(const struct riscv64_state *state, unsigned number)
{
    (void)number;
    return (state->mstatus & MSTATUS_VS) != 0;
}

static void written(struct riscv64_state *state)
{
    riscv64_vector_key_update(state);
    riscv64_mstatus_set(state, state->mstatus | MSTATUS_VS);
}

bool riscv64_csr_write_vstart(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    state->vstart = value & (8u * state->vlenb - 1);
    written(state);
    return true;
}

static void vcsr_set(struct riscv64_state *state, u64 vxsat, u64 vxrm)
{
    state->vxsat = vxsat & VXSAT_MASK;
    state->vxrm = vxrm & VXRM_MASK;
    written(state);
}

bool riscv64_csr_read_vxsat(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = state->vxsat;
    return true;
}

bool riscv64_csr_write_vxsat(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    vcsr_set(state, value, state->vxrm);
    return true;
}

bool riscv64_csr_read_vxrm(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = state->vxrm;
    return true;
}

bool riscv64_csr_write_vxrm(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    vcsr_set(state, state->vxsat, value);
    return true;
}

bool riscv64_csr_read_vcsr(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = (u64)state->vxrm << VXRM_SHIFT | state->vxsat;
    return true;
}

bool riscv64_csr_write_vcsr(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    vcsr_set(state, value, value >> VXRM_SHIFT);
    return true;
}

bool riscv64_csr_read_vlenb(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = state->vlenb;
    return true;
}

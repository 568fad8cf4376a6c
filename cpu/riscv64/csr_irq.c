/* CSRs of interrupts and of the supervisor's timer. See csr_fns.h and trap.h. */
#include "cpu/riscv64/counters.h"
#include "cpu/riscv64/csr_fns.h"
#include "cpu/riscv64/trap.h"

/* --- mie, mip and their delegated views --- */

bool riscv64_csr_read_sie(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = state->mie & state->mideleg;
    return true;
}

bool riscv64_csr_write_sie(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    state->mie = (state->mie & ~state->mideleg) | (value & state->mideleg);
    return true;
}

bool riscv64_csr_read_mip(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    riscv64_counters_check(state, state->vcpu.insns);
    *value = riscv64_mip(state);
    return true;
}

bool riscv64_csr_read_sip(struct riscv64_state *state, unsigned number, u64 *value)
{
    riscv64_csr_read_mip(state, number, value);
    *value &= state->mideleg;
    return true;
}

static u64 mip_writable(const struct riscv64_state *state, unsigned number)
{
    u64 both = BIT(RISCV_IRQ_SSI) | BIT(RISCV_IRQ_LCOFI);
    if (number == CSR_SIP) {
        return both & state->mideleg;
    }
    u64 timer = state->menvcfg & MENVCFG_STCE ? 0 : BIT(RISCV_IRQ_STI);
    return both | BIT(RISCV_IRQ_SEI) | timer;
}

/* A device may set SSIP too (ACLINT's SSWI): it raises the line and never lowers it; clearing SSIP
 * here takes it back. */
void riscv64_mip_modify(struct riscv64_state *state, unsigned number, u64 set, u64 clear)
{
    u64 writable = mip_writable(state, number);
    riscv64_counters_check(state, riscv64_after_write_insns(state));
    state->mip_soft = (state->mip_soft & ~(clear & writable)) | (set & writable);
    if (clear & ~set & writable & BIT(RISCV_IRQ_SSI)) {
        atomic_fetch_and(&state->vcpu.irq_lines, ~BIT(RISCV_IRQ_SSI));
    }
}

bool riscv64_csr_write_mip(struct riscv64_state *state, unsigned number, u64 value)
{
    riscv64_mip_modify(state, number, value, ~value);
    return true;
}

bool riscv64_csr_write_sip(struct riscv64_state *state, unsigned number, u64 value)
{
    riscv64_mip_modify(state, number, value, ~value);
    return true;
}

/* --- stimecmp (Sstc) --- */

bool riscv64_csr_guard_stimecmp(const struct riscv64_state *state, unsigned number)
{
    (void)number;
    return state->priv == RISCV_M ||
           (state->menvcfg & MENVCFG_STCE && state->mcounteren & BIT(CSR_TIME & 31));
}

bool riscv64_csr_write_stimecmp(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    state->stimecmp = value;
    riscv64_stimer_update(state);
    return true;
}

/* CSRs of status, identity, environment and memory management. See csr_fns.h. */
#include "cpu/riscv64/csr_fns.h"
#include "cpu/riscv64/mmu.h"
#include "cpu/riscv64/pmp.h"
#include "cpu/riscv64/trap.h"

#define MISA_LETTER(letter) BIT((letter) - 'A')
#define MISA_RV64 ((u64)2 << 62)

/* --- mstatus, sstatus, misa, mhartid --- */

u64 riscv64_mstatus_view(const struct riscv64_state *state)
{
    bool dirty = (state->mstatus & MSTATUS_FS) == MSTATUS_FS ||
                 (state->mstatus & MSTATUS_VS) == MSTATUS_VS;
    return state->mstatus | (dirty ? MSTATUS_SD : 0);
}

/* Interrupt-enable bits change most often and concern neither mode nor translation. */
void riscv64_mstatus_changed(struct riscv64_state *state, u64 before)
{
    u64 of_interest = MSTATUS_FS | MSTATUS_VS | MSTATUS_TRANSLATION;
    of_interest |= state->mstatus & MSTATUS_MPRV ? MSTATUS_MPP : 0;
    if ((state->mstatus ^ before) & of_interest) {
        riscv64_mode_update(state);
    }
}

void riscv64_mstatus_set(struct riscv64_state *state, u64 mstatus)
{
    u64 before = state->mstatus;
    state->mstatus = mstatus;
    riscv64_mstatus_changed(state, before);
}

bool riscv64_csr_read_mstatus(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = riscv64_mstatus_view(state);
    return true;
}

bool riscv64_csr_write_mstatus(struct riscv64_state *state, unsigned number, u64 value)
{
    u64 mask = riscv64_csr_find(number)->write_mask & ~MSTATUS_ABSENT(state->vlenb != 0);
    if ((value >> MSTATUS_MPP_SHIFT & 3) == 2) {
        mask &= ~MSTATUS_MPP; /* no such privilege: MPP keeps its value */
    }
    riscv64_mstatus_set(state, (state->mstatus & ~mask) | (value & mask));
    return true;
}

bool riscv64_csr_read_sstatus(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = riscv64_mstatus_view(state) & SSTATUS_READABLE;
    return true;
}

bool riscv64_csr_write_sstatus(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    u64 mask = SSTATUS_WRITABLE & ~MSTATUS_ABSENT(state->vlenb != 0);
    riscv64_mstatus_set(state, (state->mstatus & ~mask) | (value & mask));
    return true;
}

bool riscv64_csr_read_misa(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = MISA_RV64 | MISA_LETTER('A') | MISA_LETTER('B') | MISA_LETTER('C') |
             MISA_LETTER('D') | MISA_LETTER('F') | MISA_LETTER('I') | MISA_LETTER('M') |
             MISA_LETTER('S') | MISA_LETTER('U') | (state->vlenb != 0 ? MISA_LETTER('V') : 0);
    return true;
}

bool riscv64_csr_read_mhartid(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = state->vcpu.index;
    return true;
}

/* --- menvcfg, senvcfg, Smstateen --- */

/* CBIE = 2 is reserved: the field keeps its value then. */
static u64 envcfg_legal(u64 before, u64 value, u64 mask)
{
    if ((value & ENVCFG_CBIE) == ENVCFG_CBIE_RESERVED) {
        mask &= ~ENVCFG_CBIE;
    }
    return (before & ~mask) | (value & mask);
}

bool riscv64_csr_write_senvcfg(struct riscv64_state *state, unsigned number, u64 value)
{
    state->senvcfg = envcfg_legal(state->senvcfg, value, riscv64_csr_find(number)->write_mask);
    return true;
}

bool riscv64_csr_write_menvcfg(struct riscv64_state *state, unsigned number, u64 value)
{
    u64 before = state->menvcfg;
    state->menvcfg = envcfg_legal(before, value, riscv64_csr_find(number)->write_mask);
    u64 changed = before ^ state->menvcfg;
    if (changed & MENVCFG_STCE) {
        riscv64_stimer_update(state);
    }
    if (changed & MENVCFG_PBMTE) {
        tlb_flush_all(&state->vcpu);
    }
    return true;
}

bool riscv64_csr_guard_stateen_envcfg(const struct riscv64_state *state, unsigned number)
{
    (void)number;
    return state->priv == RISCV_M || (state->mstateen[0] & STATEEN_ENVCFG) != 0;
}

bool riscv64_csr_guard_sstateen(const struct riscv64_state *state, unsigned number)
{
    return state->priv == RISCV_M || (state->mstateen[number & 3] & STATEEN_SE) != 0;
}

/* --- satp --- */

bool riscv64_csr_guard_satp(const struct riscv64_state *state, unsigned number)
{
    (void)number;
    return state->priv == RISCV_M || !(state->mstatus & MSTATUS_TVM);
}

static bool has_satp_mode(const struct riscv64_state *state, u64 mode)
{
    u64 features = state->vcpu.features;
    u64 last = (features & RISCV_FEATURE_NO_SV48)   ? SATP_SV39
               : (features & RISCV_FEATURE_NO_SV57) ? SATP_SV48
                                                    : SATP_SV57;
    return mode == SATP_BARE || (mode >= SATP_SV39 && mode <= last);
}

/* A write with a mode that is not implemented has no effect at all. TLB entries are tagged with
 * satp, so none need go. */
bool riscv64_csr_write_satp(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    if (has_satp_mode(state, value >> SATP_MODE_SHIFT)) {
        state->satp = value;
        riscv64_mode_update(state);
    }
    return true;
}

/* --- physical memory protection --- */

bool riscv64_csr_read_pmpcfg(struct riscv64_state *state, unsigned number, u64 *value)
{
    *value = riscv64_pmpcfg_read(state, number - CSR_PMPCFG0);
    return true;
}

bool riscv64_csr_write_pmpcfg(struct riscv64_state *state, unsigned number, u64 value)
{
    riscv64_pmpcfg_write(state, number - CSR_PMPCFG0, value);
    return true;
}

bool riscv64_csr_read_pmpaddr(struct riscv64_state *state, unsigned number, u64 *value)
{
    *value = state->pmpaddr[number - CSR_PMPADDR0];
    return true;
}

bool riscv64_csr_write_pmpaddr(struct riscv64_state *state, unsigned number, u64 value)
{
    riscv64_pmpaddr_write(state, number - CSR_PMPADDR0, value);
    return true;
}

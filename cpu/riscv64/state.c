/* The saved members of a hart, and what is derived from them. */
#include "cpu/riscv64/counters.h"
#include "cpu/riscv64/imsic.h"
#include "cpu/riscv64/pmp.h"
#include "cpu/riscv64/state.h"
#include "cpu/riscv64/trap.h"
#include "cpu/riscv64/vector.h"

/* In the order of struct riscv64_state. */
#define RISCV64_SAVED(FIELD, T)                                                               \
    FIELD(T, x) FIELD(T, f) FIELD(T, mstatus) FIELD(T, medeleg) FIELD(T, mideleg)             \
    FIELD(T, mie) FIELD(T, mip_soft) FIELD(T, mtvec) FIELD(T, mscratch) FIELD(T, mepc)        \
    FIELD(T, mcause) FIELD(T, mtval) FIELD(T, stvec) FIELD(T, sscratch) FIELD(T, sepc)        \
    FIELD(T, scause) FIELD(T, stval) FIELD(T, satp) FIELD(T, senvcfg) FIELD(T, stimecmp)      \
    FIELD(T, menvcfg) FIELD(T, mstateen) FIELD(T, mcyclecfg) FIELD(T, minstretcfg)            \
    FIELD(T, mhpmevent) FIELD(T, mhpmcounter) FIELD(T, pmpaddr) FIELD(T, last_trap_pc)        \
    FIELD(T, last_trap_cause) FIELD(T, scounteren) FIELD(T, mcounteren)                       \
    FIELD(T, mcountinhibit) FIELD(T, counters_running) FIELD(T, counters_filtered)            \
    FIELD(T, priv) FIELD(T, frm) FIELD(T, stip_timer) FIELD(T, always_zero) FIELD(T, pmpcfg)  \
    FIELD(T, imsic_eip) FIELD(T, imsic_eie) FIELD(T, imsic_delivery)                          \
    FIELD(T, imsic_threshold) FIELD(T, miselect) FIELD(T, siselect)                        \
    FIELD(T, vtype) FIELD(T, vl) FIELD(T, vstart) FIELD(T, v) FIELD(T, vxrm) FIELD(T, vxsat)  \
    FIELD(T, vlenb) FIELD(T, vector_zero)

/* Of the vcpu. Interrupt lines belong to the devices that drive them. */
#define VCPU_SAVED(FIELD, T) \
    FIELD(T, vcpu.pc) FIELD(T, vcpu.insns) FIELD(T, vcpu.fpu_flags) FIELD(T, vcpu.powered_off)

enum {
    BEFORE_V = offsetof(struct riscv64_state, v) - offsetof(struct riscv64_state, vstart) -
               sizeof(u64),
};

_Static_assert(0 RISCV64_SAVED(STATE_SUM, struct riscv64_state) + BEFORE_V ==
                   offsetof(struct riscv64_state, cache) - sizeof(struct vcpu),
               "a member of struct riscv64_state is missing in RISCV64_SAVED, or there is padding");

static const struct state_field fields[] = {
    VCPU_SAVED(STATE_ROW, struct riscv64_state) RISCV64_SAVED(STATE_ROW, struct riscv64_state)};

const struct state_list riscv64_state_list = {"riscv64", fields, ARRAY_LEN(fields),
                                              sizeof(struct riscv64_state)};

/* The counters' own numbers are saved as they are, so nothing is folded here; loaded bytes are not
 * trusted to be legal. */
void riscv64_state_loaded(struct riscv64_state *state)
{
    state->x[0] = 0;
    state->priv = state->priv == RISCV_U || state->priv == RISCV_S ? state->priv : RISCV_M;
    state->frm &= 7;
    state->vcpu.fpu_flags &= 31;
    state->vcpu.fpu_round = state->frm > RISCV_FRM_RMM ? 0 : state->frm;
    state->cache = (struct riscv64_cache){.overflow_checked_insns = state->vcpu.insns};
    riscv64_vector_loaded(state);
    riscv64_pmp_update(state);
    riscv64_counters_update(state, state->vcpu.insns);
    tlb_flush_all(&state->vcpu);
    riscv64_mode_update(state);
    riscv64_stimer_update(state);
    state->vcpu.irq_hint = 1;
    for (unsigned file = 0; file < RISCV_IMSIC_FILES; file++) {
        state->imsic_delivery[file] &= 1;
        state->imsic_threshold[file] &= RISCV_IMSIC_IDS;
        state->imsic_eip[file * RISCV_IMSIC_WORDS] &= ~(u64)1;
        state->imsic_eie[file * RISCV_IMSIC_WORDS] &= ~(u64)1;
        state->cache.topei_insns[file] = ~(u64)0;
    }
    riscv64_imsic_update(state);
}

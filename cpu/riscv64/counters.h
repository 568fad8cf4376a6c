/* The counters: mcycle, minstret and mhpmcounter3..31 (privileged manual, sections 3.1.10 to
 * 3.1.12; Sscofpmf and Smcntrpmf chapters).
 *
 * Nothing is counted while code runs: every counter is a distance from vcpu.insns, folded when
 * something that decides whether it runs changes. A cycle is an instruction, so that a run is
 * reproducible. Events: 1 cycles, 2 instructions; 0 none.
 *
 * `at_insns` below is the instruction count from which a change holds: vcpu.insns when the current
 * instruction does not retire (a trap), vcpu.insns + 1 when it does (a CSR write, mret). */
#ifndef METIC_CPU_RISCV64_COUNTERS_H
#define METIC_CPU_RISCV64_COUNTERS_H

#include "cpu/riscv64/state.h"

#define HPM_OF ((u64)1 << 63)
#define HPM_MINH ((u64)1 << 62)
#define HPM_SINH ((u64)1 << 61)
#define HPM_UINH ((u64)1 << 60)
enum { HPM_EVENT_NONE = 0, HPM_EVENT_CYCLES = 1, HPM_EVENT_INSNS = 2 };
enum { COUNTER_CYCLE = 0, COUNTER_TIME = 1, COUNTER_INSTRET = 2, COUNTER_HPM_FIRST = 3 };

/* Counter 0, 2..31 as software reads it now. */
u64 riscv64_counter_read(const struct riscv64_state *state, unsigned counter);
void riscv64_counter_write(struct riscv64_state *state, unsigned counter, u64 value, u64 at_insns);

/* To be called after priv, mcountinhibit, an event or a filter changed. */
void riscv64_counters_update(struct riscv64_state *state, u64 at_insns);

/* As counters_update for a change of privilege alone: nothing to do unless a filter is in use. */
static inline void riscv64_counters_priv_changed(struct riscv64_state *state, u64 at_insns)
{
    if (UNLIKELY(state->counters_filtered != 0)) {
        riscv64_counters_update(state, at_insns);
    }
}

/* Notes every overflow that happened before instruction count at_insns: OF, and LCOFIP if it was
 * clear. */
void riscv64_counters_check(struct riscv64_state *state, u64 at_insns);

/* The instruction count at which the next counter with OF clear overflows; ~0: none. */
u64 riscv64_next_overflow_insns(const struct riscv64_state *state);

/* scountovf: OF of counters 3..31 as bits, before mcounteren. */
u32 riscv64_counters_overflowed(const struct riscv64_state *state);

#endif

/* Traps, returns and interrupts (privileged manual, sections 3.1.6 to 3.1.9, 3.3 and 12.1).
 *
 * All on the hart's own thread; vcpu.irq_lines may change under it at any time. */
#ifndef METIC_CPU_RISCV64_TRAP_H
#define METIC_CPU_RISCV64_TRAP_H

#include "cpu/riscv64/state.h"

#define RISCV_CAUSE_INTERRUPT ((u64)1 << 63)

/* Interrupts that can be delegated to S, and all that exist. */
#define RISCV_IRQS_S ((u64)1 << RISCV_IRQ_SSI | (u64)1 << RISCV_IRQ_STI | \
                      (u64)1 << RISCV_IRQ_SEI | (u64)1 << RISCV_IRQ_LCOFI)
#define RISCV_IRQS_M ((u64)1 << RISCV_IRQ_MSI | (u64)1 << RISCV_IRQ_MTI | (u64)1 << RISCV_IRQ_MEI)

/* Enters the trap handler: `cause` as in mcause, pc = vcpu.pc. The current instruction does not
 * retire. */
void riscv64_trap_enter(struct riscv64_state *state, u64 cause, u64 tval);

/* mret and sret: false when illegal at this privilege; else the new pc is in mepc or sepc. */
bool riscv64_mret(struct riscv64_state *state);
bool riscv64_sret(struct riscv64_state *state);

/* Re-evaluates the Sstc comparator and arms the host's timer for it; after stimecmp or menvcfg
 * changed. */
void riscv64_stimer_update(struct riscv64_state *state);

/* Of several interrupts (bits as in mip) the one that is taken first; 0 when there is none. */
unsigned riscv64_most_urgent(u64 irqs);

/* The functions of struct guest. */
void riscv64_take_exception(struct vcpu *vcpu);
bool riscv64_interrupt_ready(struct vcpu *vcpu);
bool riscv64_wake_ready(struct vcpu *vcpu);
void riscv64_take_interrupt(struct vcpu *vcpu);
void riscv64_timer_check(struct vcpu *vcpu);

#endif

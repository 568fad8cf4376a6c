/* The hart's side of the advanced interrupt architecture (AIA 1.0): its two interrupt files, one
 * for machine and one for supervisor level, which collect message-signalled interrupts.
 *
 * A message is a number, 1 to RISCV_IMSIC_IDS, that some other part of the machine sends to a file.
 * It sets a pending bit there; the file drives the hart's external interrupt of its level while one
 * that is pending, enabled and below the threshold exists, and delivery is on. Software reaches
 * files through CSRs alone: registers by number through miselect/mireg and siselect/sireg, and the
 * most urgent interrupt through mtopei and stopei, whose write claims it.
 *
 * Pending bits may be set by any thread; all else is the hart's own thread's. Section numbers are
 * those of "The RISC-V Advanced Interrupt Architecture" 1.0. */
#ifndef METIC_CPU_RISCV64_IMSIC_H
#define METIC_CPU_RISCV64_IMSIC_H

#include "cpu/riscv64/state.h"

enum riscv_imsic_file { RISCV_IMSIC_M, RISCV_IMSIC_S };

/* Any thread. A file or number that there is not, and a hart without files: nothing happens. */
void riscv64_message(struct vcpu *vcpu, unsigned file, u32 number);

/* Brings the lines of external interrupts in step with the files. The hart's thread. */
void riscv64_imsic_update(struct riscv64_state *state);

void riscv64_imsic_reset(struct riscv64_state *state);

/* csrrs and csrrc on mireg or sireg, so that a message that comes meanwhile is not lost. False:
 * there is no such register. */
bool riscv64_ireg_modify(struct riscv64_state *state, unsigned number, u64 set, u64 clear);

#endif

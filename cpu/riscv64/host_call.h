/* Semihosting: an ebreak between two instructions that do nothing, with an operation in a0 and its
 * parameter in a1, asks the host; the answer is in a0 (RISC-V Semihosting, version 0.4,
 * "Semihosting Trap Instruction Sequence"). All three have four bytes and lie in one page. */
#ifndef METIC_CPU_RISCV64_HOST_CALL_H
#define METIC_CPU_RISCV64_HOST_CALL_H

#include "cpu/riscv64/state.h"

/* See struct guest. */
bool riscv64_host_call(const struct vcpu *vcpu, const u8 *code, struct guest_host_call *call);

#endif

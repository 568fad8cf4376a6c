/* RISC-V registers under GDB's numbers: x0 to x31, pc, f0 to f31, then the CSRs by their own
 * number, then the privilege, then v0 to v31. Names, CSRs and their effects are those of the
 * tables. */
#ifndef METIC_CPU_RISCV64_DEBUG_H
#define METIC_CPU_RISCV64_DEBUG_H

#include "cpu/guest.h"

enum {
    RISCV_DEBUG_CSR = 65,
    RISCV_DEBUG_PRIV = RISCV_DEBUG_CSR + 4096,
    RISCV_DEBUG_VECTOR,
    RISCV_DEBUG_LIMIT = RISCV_DEBUG_VECTOR + 32,
};

/* See struct guest. */
bool riscv64_debug_reg(u32 number, struct guest_debug_reg *reg);
bool riscv64_debug_read(struct vcpu *vcpu, u32 number, u64 *value);
bool riscv64_debug_write(struct vcpu *vcpu, u32 number, u64 value);
u8 *riscv64_debug_wide(struct vcpu *vcpu, u32 number, struct guest_debug_reg *reg);

#endif

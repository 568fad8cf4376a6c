/* Guards and access functions that csr.def names, declared from it; each file csr_*.c defines
 * those of its subject. See csr.h for what they answer. */
#ifndef METIC_CPU_RISCV64_CSR_FNS_H
#define METIC_CPU_RISCV64_CSR_FNS_H

#include "cpu/riscv64/csr.h"
#include "cpu/riscv64/csr_bits.h"

#define CSR(number, name, priv, flags, member, read_mask, write_mask, reset, guard, rd, wr, doc) \
    CSR_VIEW(number, name, priv, flags, guard, rd, wr, doc)
#define CSR_FAMILY(number, count, name, index, step, priv, flags, guard, rd, wr, doc) \
    CSR_VIEW(number, name, priv, flags, guard, rd, wr, doc)
#define CSR_VIEW(number, name, priv, flags, guard, rd, wr, doc) \
    riscv_csr_guard_fn riscv64_csr_guard_##guard;               \
    riscv_csr_read_fn riscv64_csr_read_##rd;                    \
    riscv_csr_write_fn riscv64_csr_write_##wr;
#include "cpu/riscv64/csr.def"
#undef CSR
#undef CSR_FAMILY
#undef CSR_VIEW

/* Sets and clears what software may change of mip (all of it, or sip's part). */
void riscv64_mip_modify(struct riscv64_state *state, unsigned number, u64 set, u64 clear);

/* The instruction count from which a CSR write holds: the writing instruction itself retires. */
static inline u64 riscv64_after_write_insns(const struct riscv64_state *state)
{
    return state->vcpu.insns + 1;
}

#endif

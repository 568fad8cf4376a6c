/* What a vector instruction writes, for the commit log. */
#ifndef METIC_CPU_RISCV64_COMMIT_LOG_VECTOR_H
#define METIC_CPU_RISCV64_COMMIT_LOG_VECTOR_H

#include "cpu/guest.h"
#include "cpu/riscv64/decode.h"
#include "cpu/riscv64/state.h"

struct riscv64_commit_vector {
    u32 registers;  /* bit n: an element of vn was written */
    bool vl, vtype; /* were written */
    bool told;      /* with SEW, LMUL and vl: all but vset*vl* */
};

/* Notes what the vector instruction that comes next starts from. */
void riscv64_commit_vector_begin(const struct riscv64_state *state, struct guest_commit *commit);

/* What the vector instruction has written since, whether it retired or faulted. */
void riscv64_commit_vector(const struct riscv64_state *state, const struct riscv_insn *insn,
                           const struct guest_commit *commit,
                           struct riscv64_commit_vector *effects);

#endif

/* Vectors: one instruction, what it finds and what it leaves, a row each of vectors.def.
 *
 *   VECTOR(row, word, rs1, rs2, rs3, fcsr, memory, rd, fcsr_after, memory_after)
 *
 * The registers that the word names hold rs1, rs2, rs3 (x and f register alike; where they are the
 * same register the later holds); all others 0. For loads, stores and AMOs the address register
 * points into scratch memory instead, and `memory` stands where the instruction's address is.
 * rd is what the destination holds afterwards, 0 when there is none. */
#ifndef METIC_TESTS_SUPPORT_RISCV_VECTORS_H
#define METIC_TESTS_SUPPORT_RISCV_VECTORS_H

#include "tests/support/riscv_program.h"

struct riscv_vector {
    u16 row;
    u32 word;
    u64 rs1, rs2, rs3, fcsr, memory;
    u64 rd, fcsr_after, memory_after;
};

/* Makes the program whose test t is vectors[t]; count at most RISCV_TESTS. */
void riscv_vectors_program(const struct riscv_vector *vectors, unsigned count,
                           struct riscv_program *p);
/* Takes vectors[t]'s outcome from the program's data after a run. */
void riscv_vectors_read(struct riscv_vector *vectors, unsigned count, const u8 *data);

#endif

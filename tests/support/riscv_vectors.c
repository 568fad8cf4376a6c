/* See riscv_vectors.h. */
#include "tests/support/riscv_vectors.h"
#include "cpu/base/bits.h"
#include "cpu/base/error.h"

#include <string.h>

static struct riscv_insn insn_of(const struct riscv_vector *vector)
{
    struct riscv_insn insn;
    u8 bytes[4];
    st_le32(bytes, vector->word);
    CHECK(riscv64_decode(bytes, 4, &insn) != 0);
    return insn;
}

static const u32 middle = RISCV_SCRATCH_OFFSET + 2048;

static u32 memory_offset(const struct riscv_insn *insn)
{
    return middle + (u32)insn->imm;
}

static void put_register(u8 *block, unsigned number, u64 value)
{
    if (number != 0) {
        st_le64(block + 8 * number, value);
    }
    st_le64(block + RISCV_F_OFFSET + 8 * number, value);
}

static void fill_block(const struct riscv_vector *vector, u64 block_address, u8 *block)
{
    struct riscv_insn insn = insn_of(vector);
    memset(block, 0, RISCV_BLOCK_BYTES);
    put_register(block, insn.rs1, vector->rs1);
    put_register(block, insn.rs2, vector->rs2);
    put_register(block, insn.rs3, vector->rs3);
    st_le64(block + RISCV_FCSR_OFFSET, vector->fcsr);
    if ((insn.flags & RV_MEMORY) != 0) {
        st_le64(block + 8 * insn.rs1, block_address + middle);
        st_le64(block + memory_offset(&insn), vector->memory);
    }
}

void riscv_vectors_program(const struct riscv_vector *vectors, unsigned count,
                           struct riscv_program *p)
{
    CHECK(count <= RISCV_TESTS);
    riscv_emit_start(p);
    for (unsigned i = 0; i < count; i++) {
        size_t at = (size_t)i * RISCV_BLOCK_BYTES;
        fill_block(&vectors[i], RISCV_DATA_BASE + at, p->data + at);
        riscv_emit_load_state(p);
        riscv_emit(p, vectors[i].word, riscv64_insn_length_bytes((u16)vectors[i].word));
        riscv_emit_store_state(p);
    }
    riscv_emit_finish(p);
}

void riscv_vectors_read(struct riscv_vector *vectors, unsigned count, const u8 *data)
{
    for (unsigned i = 0; i < count; i++) {
        struct riscv_insn insn = insn_of(&vectors[i]);
        const u8 *block = data + (size_t)i * RISCV_BLOCK_BYTES;
        bool is_f = (insn.flags & RV_F_RESULT) != 0;
        bool has_rd = is_f || insn.rd != 0;
        vectors[i].rd = has_rd ? ld_le64(block + (is_f ? RISCV_F_OFFSET : 0) + 8 * insn.rd) : 0;
        vectors[i].fcsr_after = ld_le64(block + RISCV_FCSR_OFFSET);
        bool is_memory = (insn.flags & RV_MEMORY) != 0;
        vectors[i].memory_after = is_memory ? ld_le64(block + memory_offset(&insn)) : 0;
    }
}

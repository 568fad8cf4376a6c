/* What the lowering functions of this folder share: guest registers as IR values, and the ways an
 * instruction can end a block. Private to translate/from_riscv64/.
 *
 * A lowering function runs after decode, with ir_begin_insn done; it appends the instruction's
 * meaning. Everything that can raise comes before the first SET (ir.h: precise state). */
#ifndef METIC_TRANSLATE_FROM_RISCV64_LOWER_H
#define METIC_TRANSLATE_FROM_RISCV64_LOWER_H

#include "cpu/riscv64/csr_bits.h"
#include "cpu/riscv64/decode.h"
#include "cpu/riscv64/helpers.h"
#include "cpu/riscv64/state.h"
#include "translate/front.h"

/* One prototype per row: a row whose function is missing does not link. */
#define INSN(name, pattern, format, extension, assembly, flags, lowering)                          \
    void riscv64_##lowering(struct lower *l, const struct riscv_insn *insn);
#include "cpu/riscv64/insns.def"
#undef INSN

/* direct.c; see struct front. */
bool riscv64_run_direct(struct vcpu *vcpu, struct front_piece *front);
unsigned riscv64_skips(const u8 *code, unsigned code_bytes);

/* --- integer registers; x0 reads as 0 and is never written --- */

static inline u32 lower_x_offset(unsigned number)
{
    return (u32)(offsetof(struct riscv64_state, x) + number * sizeof(u64));
}

static inline ir_ref lower_get_x(struct lower *l, unsigned number)
{
    return number == 0 ? ir_i64(l->ir, 0) : ir_get(l->ir, IR_I64, lower_x_offset(number), 8);
}

/* The low 32 bits. */
static inline ir_ref lower_get_w(struct lower *l, unsigned number)
{
    return ir_op1(l->ir, IR_TRUNC, IR_I32, 0, lower_get_x(l, number));
}

static inline void lower_set_x(struct lower *l, unsigned number, ir_ref value)
{
    if (number != 0) {
        ir_set(l->ir, lower_x_offset(number), 8, value);
    }
}

/* Sets a register to a sign-extended 32-bit value. */
static inline void lower_set_w(struct lower *l, unsigned number, ir_ref value)
{
    if (number != 0) {
        lower_set_x(l, number, ir_op1(l->ir, IR_SEXT, IR_I64, 32, value));
    }
}

static inline ir_ref lower_imm(struct lower *l, const struct riscv_insn *insn)
{
    return ir_i64(l->ir, (u64)(s64)insn->imm);
}

/* rs1 + imm: the address of loads, stores and jalr. */
static inline ir_ref lower_address(struct lower *l, const struct riscv_insn *insn)
{
    if (insn->imm == 0) {
        return lower_get_x(l, insn->rs1);
    }
    return ir_op2(l->ir, IR_ADD, IR_I64, 0, lower_get_x(l, insn->rs1), lower_imm(l, insn));
}

/* --- this instruction's pc and its neighbours --- */

/* The gva `delta` bytes from this instruction. */
ir_ref lower_pc_plus(struct lower *l, s64 delta);

/* The address after this instruction. */
static inline ir_ref lower_next_pc(struct lower *l)
{
    return lower_pc_plus(l, l->length_bytes);
}

/* --- ends of blocks --- */

void lower_end_jump(struct lower *l, s64 delta);
/* The same for a call, which is no loop even when it leads to the block's start. */
void lower_end_call(struct lower *l, s64 delta);
void lower_end_raise(struct lower *l, enum riscv_cause cause, ir_ref value);
void lower_end_illegal(struct lower *l, const struct riscv_insn *insn);
/* Retires this instruction and continues after it with everything looked at again. */
void lower_end_leave_next(struct lower *l, bool look_at_interrupts);

static inline unsigned lower_privilege(const struct lower *l)
{
    return l->mode & RISCV_MODE_PRIV;
}

/* The instruction that was lowered writes FP state: mstatus.FS becomes dirty, which no later one of
 * the block takes back. */
void lower_fp_dirty(struct lower *l);
/* Where the state has the byte of mstatus with FS. */
enum { LOWER_FS_OFFSET = offsetof(struct riscv64_state, mstatus) + MSTATUS_FS_SHIFT / 8 };

/* The raw word, as helpers want it for mtval. */
static inline ir_ref lower_word(struct lower *l, const struct riscv_insn *insn)
{
    return ir_i64(l->ir, insn->word);
}

/* --- vectors (lower_rvv.c) --- */

/* Takes note of lower.vector_key as it is given. */
void lower_begin_vector(struct lower *l);

/* --- lr/sc (lower_rva.c) --- */

/* Forgets a paired lr when the block goes where its sc cannot be reached in a straight line. */
void lower_reset_pair(struct lower *l);
/* struct front's wants_next_page: an lr, and no sc is in sight before the end. */
bool riscv64_lr_is_cut(const u8 *code, unsigned code_bytes);

#endif

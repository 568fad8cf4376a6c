/* Inside the folder: what its rule files share. A rule gets an instruction about to be appended and
 * returns a value to use instead, or IR_REF_NONE; it may replace operands by equivalent ones. */
#ifndef METIC_TRANSLATE_IR_FOLD_RULES_H
#define METIC_TRANSLATE_IR_FOLD_RULES_H

#include "translate/ir/ir_eval.h"

typedef ir_ref ir_fold_fn(struct ir *ir, struct ir_insn *insn);

/* ir_fold_bits.c */
ir_fold_fn ir_fold_shl, ir_fold_shr, ir_fold_sar, ir_fold_rotr;
ir_fold_fn ir_fold_sext, ir_fold_zext, ir_fold_trunc, ir_fold_bswap, ir_fold_orc_b;
/* ir_fold_cond.c */
ir_fold_fn ir_fold_setcc, ir_fold_select;

/* The operand with work removed that does not touch its low `width` bits (of either integer type);
 * IR_REF_NONE if none. */
ir_ref ir_fold_strip_above(struct ir *ir, ir_ref ref, unsigned width);

/* For OR, XOR or ADD of a value shifted both ways: the rotation that the base ISA has no
 * instruction for; IR_REF_NONE if it is none. */
ir_ref ir_fold_rotation(struct ir *ir, const struct ir_insn *insn);

/* Bits that may be set in a value; looks one instruction deep. */
u64 ir_fold_possible_bits(const struct ir *ir, ir_ref ref);

static inline const struct ir_insn *fold_def(const struct ir *ir, ir_ref ref)
{
    return &ir->insns[ref];
}

static inline bool fold_is_op(const struct ir *ir, ir_ref ref, enum ir_op op)
{
    return fold_def(ir, ref)->op == op;
}

static inline bool fold_is_const(const struct ir *ir, ir_ref ref)
{
    return fold_is_op(ir, ref, IR_CONST);
}

/* The value `value` of the instruction's type: ~0 means all ones of it. */
static inline bool fold_is_imm(const struct ir *ir, ir_ref ref, u64 value)
{
    const struct ir_insn *insn = fold_def(ir, ref);
    return insn->op == IR_CONST && insn->imm == ir_narrow((enum ir_type)insn->type, value);
}

static inline u64 fold_imm(const struct ir *ir, ir_ref ref)
{
    return fold_def(ir, ref)->imm;
}

static inline enum ir_type fold_type(const struct ir_insn *insn)
{
    return (enum ir_type)insn->type;
}

static inline ir_ref fold_make_const(struct ir *ir, const struct ir_insn *insn, u64 value)
{
    return ir_const(ir, fold_type(insn), value);
}

/* The same operation's type, another operation on (a, value). */
static inline ir_ref fold_make_imm(struct ir *ir, const struct ir_insn *insn, enum ir_op op,
                                   ir_ref a, u64 value)
{
    ir_ref b = ir_const(ir, fold_type(insn), value);
    return ir_op2(ir, op, fold_type(insn), 0, a, b);
}

#endif

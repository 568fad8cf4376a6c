/* Folding rules of shifts, extensions and other rearrangements of bits, and what is known about the
 * bits of a value. */
#include "cpu/base/bits.h"
#include "translate/ir/ir_fold_rules.h"

/* --- known bits --- */

/* The same for what a TRUNC cuts, which is often masked before. */
static u64 small_bits(const struct ir *ir, const struct ir_insn *insn)
{
    if (insn->op == IR_AND && fold_is_const(ir, insn->b)) {
        return fold_imm(ir, insn->b);
    }
    return insn->op == IR_SETCC || insn->op == IR_FCMP ? 1 : ~(u64)0;
}

u64 ir_fold_possible_bits(const struct ir *ir, ir_ref ref)
{
    const struct ir_insn *insn = fold_def(ir, ref);
    u64 all = ir_narrow(ir_value_type(insn), ~(u64)0);
    switch (insn->op) {
    case IR_CONST: return insn->imm;
    case IR_ZEXT: return ~(u64)0 >> (64 - insn->sub);
    case IR_GET: return insn->sub < 8 ? all & (BIT(insn->sub * 8) - 1) : all;
    case IR_LOAD:
        return insn->sub < IR_MEM_64 ? all & (BIT(8 << insn->sub) - 1) : all;
    case IR_SETCC:
    case IR_FCMP: return 1;
    case IR_FCLASS: return 0x3ff;
    case IR_CLZ:
    case IR_CTZ:
    case IR_POPCNT: return 0x7f;
    case IR_AND: return fold_is_const(ir, insn->b) ? fold_imm(ir, insn->b) : all;
    case IR_PC_PAGE: return ~(u64)PAGE_OFFSET_MASK;
    case IR_ADD:
        return fold_is_op(ir, insn->a, IR_PC_PAGE) && fold_is_const(ir, insn->b)
                   ? ~(u64)PAGE_OFFSET_MASK | fold_imm(ir, insn->b)
                   : all;
    case IR_TRUNC: return all & small_bits(ir, fold_def(ir, insn->a));
    case IR_SHR: /* of one by a constant there is none: two shifts are one */
        return fold_is_const(ir, insn->b)
                   ? ir_fold_possible_bits(ir, insn->a) >> (fold_imm(ir, insn->b) & 63)
                   : all;
    default: return all;
    }
}

/* Smallest known n such that the value is the sign extension of its low n bits. */
static unsigned signed_bits(const struct ir *ir, ir_ref ref)
{
    const struct ir_insn *insn = fold_def(ir, ref);
    unsigned bits = ir_type_bits(ir_value_type(insn));
    u64 possible = ir_fold_possible_bits(ir, ref);
    if (possible >> (bits - 1) == 0) {
        return 65 - (unsigned)__builtin_clzll(possible | 1);
    }
    switch (insn->op) {
    case IR_CONST:
        return 65 - (unsigned)__builtin_clzll(~bits_sext(insn->imm, bits) | 1);
    case IR_SEXT: return insn->sub;
    case IR_LOAD:
        return insn->sub & IR_MEM_SIGNED ? 8u << (insn->sub & IR_MEM_SIZE_MASK) : bits;
    case IR_SAR:
        return fold_is_const(ir, insn->b)
                   ? bits - (unsigned)(fold_imm(ir, insn->b) & (bits - 1))
                   : bits;
    default: return bits;
    }
}

/* --- shifts --- */

/* Leaves a constant count below the width, and a variable one without a needless mask. Returns the
 * first operand when nothing is shifted. */
static ir_ref fold_count(struct ir *ir, struct ir_insn *insn)
{
    u64 mask = ir_type_bits(fold_type(insn)) - 1;
    const struct ir_insn *count = fold_def(ir, insn->b);
    if (count->op == IR_CONST) {
        if ((count->imm & mask) == 0) {
            return insn->a;
        }
        insn->b = fold_make_const(ir, insn, count->imm & mask);
    } else if (count->op == IR_AND && fold_is_const(ir, count->b) &&
               (fold_imm(ir, count->b) & mask) == mask) {
        insn->b = count->a;
    } else if (count->op == IR_ZEXT && ir_value_type(fold_def(ir, count->a)) == fold_type(insn)) {
        insn->b = count->a;
    }
    return fold_is_imm(ir, insn->a, 0) ? insn->a : IR_REF_NONE;
}

/* When `insn` shifts by a constant a value that op `inner` shifted by a constant: both counts. */
static bool shift_of_shift(const struct ir *ir, const struct ir_insn *insn, enum ir_op inner,
                           unsigned *inner_count, unsigned *outer_count)
{
    const struct ir_insn *a = fold_def(ir, insn->a);
    if (a->op != inner || !fold_is_const(ir, a->b) || !fold_is_const(ir, insn->b)) {
        return false;
    }
    *inner_count = (unsigned)fold_imm(ir, a->b);
    *outer_count = (unsigned)fold_imm(ir, insn->b);
    return true;
}

/* x shifted twice in one direction, filling with zeros. */
static ir_ref fold_shift_sum(struct ir *ir, struct ir_insn *insn)
{
    unsigned inner;
    unsigned outer;
    if (!shift_of_shift(ir, insn, (enum ir_op)insn->op, &inner, &outer)) {
        return IR_REF_NONE;
    }
    if (inner + outer >= ir_type_bits(fold_type(insn))) {
        return fold_make_const(ir, insn, 0);
    }
    return fold_make_imm(ir, insn, (enum ir_op)insn->op, fold_def(ir, insn->a)->a, inner + outer);
}

/* The low `width` bits of x, extended. IR_REF_NONE where that is no single operation. */
static ir_ref low_bits(struct ir *ir, const struct ir_insn *insn, enum ir_op extend, ir_ref x,
                       unsigned width)
{
    if (width == 8 || width == 16 || width == 32) {
        return ir_op1(ir, extend, fold_type(insn), width, x);
    }
    return extend == IR_ZEXT && width < 32
               ? fold_make_imm(ir, insn, IR_AND, x, BIT(width) - 1)
               : (ir_ref)IR_REF_NONE;
}

/* (x << c) >> d, the base ISA's way to extend, and to scale an index of 32 bits as it is extended:
 * the low bits of x, moved by what is left of the counts. */
static ir_ref fold_shift_extend(struct ir *ir, struct ir_insn *insn, enum ir_op extend)
{
    unsigned inner;
    unsigned outer;
    if (!shift_of_shift(ir, insn, IR_SHL, &inner, &outer)) {
        return IR_REF_NONE;
    }
    unsigned width = ir_type_bits(fold_type(insn)) - inner;
    bool is_mask = width != 8 && width != 16 && width != 32;
    ir_ref low = outer > inner && is_mask
                     ? (ir_ref)IR_REF_NONE
                     : low_bits(ir, insn, extend, fold_def(ir, insn->a)->a, width);
    if (low == IR_REF_NONE || inner == outer) {
        return low;
    }
    return outer < inner ? fold_make_imm(ir, insn, IR_SHL, low, inner - outer)
                         : fold_make_imm(ir, insn, (enum ir_op)insn->op, low, outer - inner);
}

ir_ref ir_fold_shl(struct ir *ir, struct ir_insn *insn)
{
    ir_ref same = fold_count(ir, insn);
    return same != IR_REF_NONE ? same : fold_shift_sum(ir, insn);
}

ir_ref ir_fold_shr(struct ir *ir, struct ir_insn *insn)
{
    ir_ref folded = fold_count(ir, insn);
    if (folded == IR_REF_NONE) {
        folded = fold_shift_sum(ir, insn);
    }
    if (folded == IR_REF_NONE) {
        folded = fold_shift_extend(ir, insn, IR_ZEXT);
    }
    if (folded == IR_REF_NONE && fold_is_const(ir, insn->b) &&
        ir_fold_possible_bits(ir, insn->a) >> (fold_imm(ir, insn->b) & 63) == 0) {
        folded = fold_make_const(ir, insn, 0);
    }
    return folded;
}

ir_ref ir_fold_sar(struct ir *ir, struct ir_insn *insn)
{
    unsigned inner;
    unsigned outer;
    ir_ref same = fold_count(ir, insn);
    if (same != IR_REF_NONE) {
        return same;
    }
    if (shift_of_shift(ir, insn, IR_SAR, &inner, &outer)) {
        unsigned last = ir_type_bits(fold_type(insn)) - 1;
        unsigned sum = inner + outer < last ? inner + outer : last;
        return fold_make_imm(ir, insn, IR_SAR, fold_def(ir, insn->a)->a, sum);
    }
    return fold_shift_extend(ir, insn, IR_SEXT);
}

ir_ref ir_fold_rotr(struct ir *ir, struct ir_insn *insn)
{
    return fold_count(ir, insn);
}

/* x << left, x >> right: rotated, when the counts make the width. */
static ir_ref rotation(struct ir *ir, ir_ref left, ir_ref right)
{
    const struct ir_insn *shl = fold_def(ir, left), *shr = fold_def(ir, right);
    if (shl->op != IR_SHL || shr->op != IR_SHR || shl->a != shr->a || shl->type != shr->type ||
        !fold_is_const(ir, shl->b) || !fold_is_const(ir, shr->b) ||
        fold_imm(ir, shl->b) + fold_imm(ir, shr->b) != ir_type_bits(fold_type(shl))) {
        return IR_REF_NONE;
    }
    return ir_op2(ir, IR_ROTR, fold_type(shl), 0, shl->a, shr->b);
}

/* A word's halves come extended, the right one, which is not negative, with zeros. */
static ir_ref rotation_of_word(struct ir *ir, ir_ref left, ir_ref right)
{
    const struct ir_insn *sext = fold_def(ir, left), *zext = fold_def(ir, right);
    if (sext->op != IR_SEXT || zext->op != IR_ZEXT || sext->sub != 32 || zext->sub != 32 ||
        ir_value_type(fold_def(ir, sext->a)) != IR_I32) {
        return IR_REF_NONE;
    }
    ir_ref word = rotation(ir, sext->a, zext->a);
    return word != IR_REF_NONE ? ir_op1(ir, IR_SEXT, IR_I64, 32, word) : IR_REF_NONE;
}

ir_ref ir_fold_rotation(struct ir *ir, const struct ir_insn *insn)
{
    enum ir_op op = (enum ir_op)fold_def(ir, insn->a)->op;
    if (op == IR_SHL) {
        return rotation(ir, insn->a, insn->b);
    }
    if (op == IR_SHR) {
        return rotation(ir, insn->b, insn->a);
    }
    if (op == IR_SEXT) {
        return rotation_of_word(ir, insn->a, insn->b);
    }
    return op == IR_ZEXT ? rotation_of_word(ir, insn->b, insn->a) : (ir_ref)IR_REF_NONE;
}

/* --- one operand --- */

/* bswap and such undo themselves; orc_b of orc_b is the first. */
ir_ref ir_fold_bswap(struct ir *ir, struct ir_insn *insn)
{
    return fold_is_op(ir, insn->a, IR_BSWAP) ? fold_def(ir, insn->a)->a : IR_REF_NONE;
}

ir_ref ir_fold_orc_b(struct ir *ir, struct ir_insn *insn)
{
    return fold_is_op(ir, insn->a, IR_ORC_B) ? insn->a : IR_REF_NONE;
}

/* The operand with work removed that does not touch its low `width` bits; IR_REF_NONE if none. */
ir_ref ir_fold_strip_above(struct ir *ir, ir_ref ref, unsigned width)
{
    const struct ir_insn *insn = fold_def(ir, ref);
    switch (insn->op) {
    case IR_SEXT:
    case IR_ZEXT: return insn->sub >= width ? insn->a : IR_REF_NONE;
    case IR_TRUNC: return width <= 32 ? insn->a : IR_REF_NONE;
    case IR_FBOX: return width <= 32 ? ir_op1(ir, IR_FBITS, IR_I32, 0, insn->a) : IR_REF_NONE;
    case IR_AND:
        return fold_is_const(ir, insn->b) && (~fold_imm(ir, insn->b) << (64 - width)) == 0
                   ? insn->a
                   : IR_REF_NONE;
    default: return IR_REF_NONE;
    }
}

static ir_ref fold_extend_inner(struct ir *ir, struct ir_insn *insn)
{
    ir_ref inner = ir_fold_strip_above(ir, insn->a, insn->sub);
    if (inner != IR_REF_NONE) {
        return ir_op1(ir, (enum ir_op)insn->op, fold_type(insn), insn->sub, inner);
    }
    if (fold_type(insn) == IR_I32 && insn->sub == 32) {
        return ir_value_type(fold_def(ir, insn->a)) == IR_I32
                   ? insn->a
                   : ir_op1(ir, IR_TRUNC, IR_I32, 0, insn->a);
    }
    return IR_REF_NONE;
}

/* A 32-bit value whose sign is known: not negative, or minus such a one. */
static ir_ref fold_sext_known(struct ir *ir, const struct ir_insn *insn)
{
    const struct ir_insn *a = fold_def(ir, insn->a);
    if (ir_fold_possible_bits(ir, insn->a) >> 31 == 0) {
        return ir_op1(ir, IR_ZEXT, IR_I64, 32, insn->a);
    }
    if (a->op == IR_SUB && fold_is_imm(ir, a->a, 0) &&
        ir_fold_possible_bits(ir, a->b) >> 31 == 0) {
        ir_ref wide = ir_op1(ir, IR_ZEXT, IR_I64, 32, a->b);
        return ir_op2(ir, IR_SUB, IR_I64, 0, ir_const(ir, IR_I64, 0), wide);
    }
    return IR_REF_NONE;
}

ir_ref ir_fold_sext(struct ir *ir, struct ir_insn *insn)
{
    bool same_type = ir_value_type(fold_def(ir, insn->a)) == fold_type(insn);
    if (same_type && signed_bits(ir, insn->a) <= insn->sub) {
        return insn->a;
    }
    if (!same_type && fold_type(insn) == IR_I64 && insn->sub == 32) {
        ir_ref known = fold_sext_known(ir, insn);
        if (known != IR_REF_NONE) {
            return known;
        }
    }
    return fold_extend_inner(ir, insn);
}

ir_ref ir_fold_zext(struct ir *ir, struct ir_insn *insn)
{
    bool same_type = ir_value_type(fold_def(ir, insn->a)) == fold_type(insn);
    if (same_type && ir_fold_possible_bits(ir, insn->a) >> (insn->sub - 1) >> 1 == 0) {
        return insn->a;
    }
    return fold_extend_inner(ir, insn);
}

ir_ref ir_fold_trunc(struct ir *ir, struct ir_insn *insn)
{
    ir_ref inner = ir_fold_strip_above(ir, insn->a, 32);
    if (inner == IR_REF_NONE) {
        return IR_REF_NONE;
    }
    return ir_value_type(fold_def(ir, inner)) == IR_I32 ? inner
                                                   : ir_op1(ir, IR_TRUNC, IR_I32, 0, inner);
}

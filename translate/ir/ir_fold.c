/* Simplification of one operation at a time, on append: one small function per operation, found
 * through a table. A function sees the operands' own instructions and nothing else.
 *
 * Order in each: constants, identities, then rewrites into a cheaper or flatter form, which go
 * through ir_op2 again and so meet the rules of the new operation. Every rewrite shrinks something
 * (an operand's depth, or the operation's rank), so the recursion is a few levels deep.
 *
 * Conventions the rules rely on: the constant operand of a commutative operation is second;
 * x - c is x + -c; counts of shifts by constants are already reduced. Floating point arithmetic
 * is never evaluated here: it sets flags. Here: arithmetic, logic, moves of floats; ir_fold_bits.c
 * has shifts and extensions, ir_fold_cond.c comparisons. */
#include "translate/ir/ir_eval.h"
#include "translate/ir/ir_fold.h"
#include "translate/ir/ir_fold_rules.h"

/* --- both operands constant; constant second --- */

static ir_ref fold_const2(struct ir *ir, struct ir_insn *insn)
{
    if (fold_is_const(ir, insn->a) && fold_is_const(ir, insn->b)) {
        return fold_make_const(ir, insn, ir_eval_binary((enum ir_op)insn->op, fold_type(insn),
                                                   fold_imm(ir, insn->a), fold_imm(ir, insn->b)));
    }
    if ((ir_op_info[insn->op].props & IR_C) != 0 && fold_is_const(ir, insn->a)) {
        ir_ref constant = insn->a;
        insn->a = insn->b;
        insn->b = constant;
    }
    return IR_REF_NONE;
}

static ir_ref fold_const1(struct ir *ir, struct ir_insn *insn)
{
    if (!fold_is_const(ir, insn->a)) {
        return IR_REF_NONE;
    }
    return fold_make_const(ir, insn, ir_eval_unary((enum ir_op)insn->op, fold_type(insn), insn->sub,
                                              fold_imm(ir, insn->a)));
}

/* (x op c1) op c2 -> x op (c1 op c2), for an associative op. */
static ir_ref reassociate(struct ir *ir, struct ir_insn *insn)
{
    const struct ir_insn *inner = fold_def(ir, insn->a);
    if (inner->op != insn->op || !fold_is_const(ir, insn->b) || !fold_is_const(ir, inner->b)) {
        return IR_REF_NONE;
    }
    u64 value = ir_eval_binary((enum ir_op)insn->op, fold_type(insn), fold_imm(ir, inner->b),
                               fold_imm(ir, insn->b));
    return fold_make_imm(ir, insn, (enum ir_op)insn->op, inner->a, value);
}

/* --- arithmetic --- */

static bool is_sum_with_const(const struct ir *ir, ir_ref ref)
{
    return fold_is_op(ir, ref, IR_ADD) && fold_is_const(ir, fold_def(ir, ref)->b);
}

/* (x + c) + y and x + (y + c) -> (x + y) + c */
static ir_ref constant_last(struct ir *ir, struct ir_insn *insn)
{
    if (fold_is_const(ir, insn->b) || fold_type(insn) != IR_I64) {
        return IR_REF_NONE;
    }
    bool first = is_sum_with_const(ir, insn->a);
    if (!first && !is_sum_with_const(ir, insn->b)) {
        return IR_REF_NONE;
    }
    const struct ir_insn inner = *fold_def(ir, first ? insn->a : insn->b);
    ir_ref x = first ? inner.a : insn->a;
    ir_ref y = first ? insn->b : inner.a;
    return fold_make_imm(ir, insn, IR_ADD, ir_op2(ir, IR_ADD, IR_I64, 0, x, y),
                         fold_imm(ir, inner.b));
}

static ir_ref fold_add(struct ir *ir, struct ir_insn *insn)
{
    if (fold_is_imm(ir, insn->b, 0)) {
        return insn->a;
    }
    ir_ref sum = ir_fold_rotation(ir, insn);
    if (sum == IR_REF_NONE && ir->constants_last) {
        sum = constant_last(ir, insn);
    }
    return sum != IR_REF_NONE ? sum : reassociate(ir, insn);
}

static ir_ref fold_sub(struct ir *ir, struct ir_insn *insn)
{
    const struct ir_insn *a = fold_def(ir, insn->a);
    if (insn->a == insn->b) {
        return fold_make_const(ir, insn, 0);
    }
    if (fold_is_const(ir, insn->b)) {
        return fold_make_imm(ir, insn, IR_ADD, insn->a, 0 - fold_imm(ir, insn->b));
    }
    if (a->op == IR_ADD && a->b == insn->b) {
        return a->a;
    }
    if (a->op == IR_ADD && a->a == insn->b) {
        return a->b;
    }
    return IR_REF_NONE;
}

static ir_ref fold_mul(struct ir *ir, struct ir_insn *insn)
{
    if (!fold_is_const(ir, insn->b)) {
        return IR_REF_NONE;
    }
    u64 factor = fold_imm(ir, insn->b);
    if (factor == 0) {
        return insn->b;
    }
    if (bits_is_pow2(factor)) {
        return fold_make_imm(ir, insn, IR_SHL, insn->a, (u64)__builtin_ctzll(factor));
    }
    return reassociate(ir, insn);
}

static ir_ref fold_mulh(struct ir *ir, struct ir_insn *insn)
{
    return fold_is_imm(ir, insn->b, 0) || fold_is_imm(ir, insn->a, 0) ? fold_make_const(ir, insn, 0)
                                                             : IR_REF_NONE;
}

static ir_ref fold_div_u(struct ir *ir, struct ir_insn *insn)
{
    if (!fold_is_const(ir, insn->b)) {
        return IR_REF_NONE;
    }
    u64 divisor = fold_imm(ir, insn->b);
    if (divisor == 0) {
        return fold_make_const(ir, insn, ~(u64)0);
    }
    return bits_is_pow2(divisor)
               ? fold_make_imm(ir, insn, IR_SHR, insn->a, (u64)__builtin_ctzll(divisor))
               : IR_REF_NONE;
}

static ir_ref fold_div_s(struct ir *ir, struct ir_insn *insn)
{
    if (fold_is_imm(ir, insn->b, 0)) {
        return fold_make_const(ir, insn, ~(u64)0);
    }
    if (fold_is_imm(ir, insn->b, 1)) {
        return insn->a;
    }
    if (fold_is_imm(ir, insn->b, ~(u64)0)) {
        ir_ref zero = fold_make_const(ir, insn, 0);
        return ir_op2(ir, IR_SUB, fold_type(insn), 0, zero, insn->a);
    }
    return IR_REF_NONE;
}

static ir_ref fold_rem_u(struct ir *ir, struct ir_insn *insn)
{
    if (!fold_is_const(ir, insn->b)) {
        return IR_REF_NONE;
    }
    u64 divisor = fold_imm(ir, insn->b);
    if (divisor == 0) {
        return insn->a;
    }
    return bits_is_pow2(divisor) ? fold_make_imm(ir, insn, IR_AND, insn->a, divisor - 1)
                                 : IR_REF_NONE;
}

static ir_ref fold_rem_s(struct ir *ir, struct ir_insn *insn)
{
    if (fold_is_imm(ir, insn->b, 0)) {
        return insn->a;
    }
    if (fold_is_imm(ir, insn->b, 1) || fold_is_imm(ir, insn->b, ~(u64)0)) {
        return fold_make_const(ir, insn, 0);
    }
    return IR_REF_NONE;
}

/* --- logic --- */

/* A mask makes extensions above it needless. */
static ir_ref and_stripped(struct ir *ir, struct ir_insn *insn, u64 mask)
{
    ir_ref inner = fold_is_op(ir, insn->a, IR_SEXT)
                       ? ir_fold_strip_above(ir, insn->a, 64 - (unsigned)__builtin_clzll(mask))
                       : (ir_ref)IR_REF_NONE;
    if (inner == IR_REF_NONE) {
        return IR_REF_NONE;
    }
    if (ir_value_type(fold_def(ir, inner)) == fold_type(insn)) {
        return fold_make_imm(ir, insn, IR_AND, inner, mask);
    }
    if (fold_type(insn) != IR_I64) {
        return IR_REF_NONE;
    }
    ir_ref narrow = ir_op2(ir, IR_AND, IR_I32, 0, inner, ir_const(ir, IR_I32, mask));
    return ir_op1(ir, IR_ZEXT, IR_I64, 32, narrow);
}

static ir_ref fold_and(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a == insn->b) {
        return insn->a;
    }
    if (!fold_is_const(ir, insn->b)) {
        return IR_REF_NONE;
    }
    u64 mask = fold_imm(ir, insn->b);
    u64 possible = ir_fold_possible_bits(ir, insn->a);
    if ((possible & ~mask) == 0) {
        return insn->a;
    }
    if ((possible & mask) == 0) {
        return fold_make_const(ir, insn, 0);
    }
    if (mask == 0xff || mask == 0xffff || mask == 0xffffffff) {
        unsigned width = (unsigned)__builtin_popcountll(mask);
        return ir_op1(ir, IR_ZEXT, fold_type(insn), width, insn->a);
    }
    ir_ref stripped = and_stripped(ir, insn, mask);
    return stripped != IR_REF_NONE ? stripped : reassociate(ir, insn);
}

/* What a longer word may be put together from (opt/gather.c). */
static bool is_piece(const struct ir *ir, ir_ref ref)
{
    return fold_is_op(ir, ref, IR_LOAD) && fold_def(ir, ref)->sub < IR_MEM_64;
}

static ir_ref fold_or(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a == insn->b || fold_is_imm(ir, insn->b, 0)) {
        return insn->a;
    }
    if (fold_is_imm(ir, insn->b, ~(u64)0)) {
        return insn->b;
    }
    ir_ref rotated = ir_fold_rotation(ir, insn);
    ir->has_pieces |= is_piece(ir, insn->a) || is_piece(ir, insn->b);
    return rotated != IR_REF_NONE ? rotated : reassociate(ir, insn);
}

static ir_ref fold_xor(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a == insn->b) {
        return fold_make_const(ir, insn, 0);
    }
    if (fold_is_imm(ir, insn->b, 0)) {
        return insn->a;
    }
    ir_ref rotated = ir_fold_rotation(ir, insn);
    return rotated != IR_REF_NONE ? rotated : reassociate(ir, insn);
}

static ir_ref fold_andn(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a == insn->b || fold_is_imm(ir, insn->a, 0)) {
        return fold_make_const(ir, insn, 0);
    }
    if (fold_is_const(ir, insn->b)) {
        return fold_make_imm(ir, insn, IR_AND, insn->a, ~fold_imm(ir, insn->b));
    }
    return IR_REF_NONE;
}

/* --- floating point: moves only --- */

static ir_ref fold_fneg(struct ir *ir, struct ir_insn *insn)
{
    return fold_is_op(ir, insn->a, IR_FNEG) ? fold_def(ir, insn->a)->a : IR_REF_NONE;
}

static ir_ref fold_fsgnj(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a != insn->b || insn->sub > 1) {
        return IR_REF_NONE;
    }
    return insn->sub == 0 ? insn->a : ir_op1(ir, IR_FNEG, fold_type(insn), 0, insn->a);
}

static ir_ref fold_fbits(struct ir *ir, struct ir_insn *insn)
{
    const struct ir_insn *a = fold_def(ir, insn->a);
    if (a->op == IR_FBITS && ir_value_type(fold_def(ir, a->a)) == fold_type(insn)) {
        return a->a;
    }
    return IR_REF_NONE;
}

static ir_ref fold_funbox(struct ir *ir, struct ir_insn *insn)
{
    return fold_is_op(ir, insn->a, IR_FBOX) ? fold_def(ir, insn->a)->a : IR_REF_NONE;
}

/* --- dispatch --- */

static ir_fold_fn *const folds[IR_OP_COUNT] = {
    [IR_ADD] = fold_add,         [IR_SUB] = fold_sub,         [IR_MUL] = fold_mul,
    [IR_MULH_SS] = fold_mulh,    [IR_MULH_SU] = fold_mulh,    [IR_MULH_UU] = fold_mulh,
    [IR_DIV_S] = fold_div_s,     [IR_DIV_U] = fold_div_u,     [IR_REM_S] = fold_rem_s,
    [IR_REM_U] = fold_rem_u,     [IR_AND] = fold_and,         [IR_OR] = fold_or,
    [IR_XOR] = fold_xor,         [IR_ANDN] = fold_andn,       [IR_SHL] = ir_fold_shl,
    [IR_SHR] = ir_fold_shr,         [IR_SAR] = ir_fold_sar,         [IR_ROTR] = ir_fold_rotr,
    [IR_BSWAP] = ir_fold_bswap,     [IR_ORC_B] = ir_fold_orc_b,     [IR_SEXT] = ir_fold_sext,
    [IR_ZEXT] = ir_fold_zext,       [IR_TRUNC] = ir_fold_trunc,     [IR_SETCC] = ir_fold_setcc,
    [IR_SELECT] = ir_fold_select,   [IR_FNEG] = fold_fneg,       [IR_FSGNJ] = fold_fsgnj,
    [IR_FBITS] = fold_fbits,     [IR_FUNBOX] = fold_funbox,
};

_Static_assert(IR_ADD < IR_ROTR && IR_ROTR + 1 == IR_CLZ && IR_TRUNC + 1 == IR_SETCC,
               "ir_fold takes the integer operations as two runs: two operands, then one");

ir_ref ir_fold(struct ir *ir, struct ir_insn *insn)
{
    ir_ref folded = IR_REF_NONE;
    if (insn->op >= IR_ADD && insn->op <= IR_ROTR) {
        folded = fold_const2(ir, insn);
    } else if (insn->op >= IR_CLZ && insn->op <= IR_TRUNC) {
        folded = fold_const1(ir, insn);
    }
    if (folded == IR_REF_NONE && folds[insn->op] != NULL) {
        folded = folds[insn->op](ir, insn);
    }
    return folded;
}

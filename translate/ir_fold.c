/* Simplification of one operation at a time, on append: one small function per operation, found
 * through a table. A function sees the operands' own instructions and nothing else.
 *
 * Order in each: constants, identities, then rewrites into a cheaper or flatter form, which go
 * through ir_op2 again and so meet the rules of the new operation. Every rewrite shrinks something
 * (an operand's depth, or the operation's rank), so the recursion is a few levels deep.
 *
 * Conventions the rules rely on: the constant operand of a commutative operation is second; x - c is
 * x + -c; counts of shifts by constants are already reduced. Floating point arithmetic is never
 * evaluated here: it sets flags. */
#include "translate/ir_fold.h"
#include "translate/ir_eval.h"

typedef ir_ref fold_fn(struct ir *ir, struct ir_insn *insn);

static const struct ir_insn *def(const struct ir *ir, ir_ref ref)
{
    return &ir->insns[ref];
}

static bool is_op(const struct ir *ir, ir_ref ref, enum ir_op op)
{
    return def(ir, ref)->op == op;
}

static bool is_const(const struct ir *ir, ir_ref ref)
{
    return is_op(ir, ref, IR_CONST);
}

/* The value `value` of the instruction's type: ~0 means all ones of it. */
static bool is_imm(const struct ir *ir, ir_ref ref, u64 value)
{
    const struct ir_insn *insn = def(ir, ref);
    return insn->op == IR_CONST && insn->imm == ir_narrow((enum ir_type)insn->type, value);
}

static u64 imm_of(const struct ir *ir, ir_ref ref)
{
    return def(ir, ref)->imm;
}

static enum ir_type type_of(const struct ir_insn *insn)
{
    return (enum ir_type)insn->type;
}

static ir_ref make_const(struct ir *ir, const struct ir_insn *insn, u64 value)
{
    return ir_const(ir, type_of(insn), value);
}

/* The same operation's type, another operation on (a, value). */
static ir_ref make_imm(struct ir *ir, const struct ir_insn *insn, enum ir_op op, ir_ref a, u64 value)
{
    ir_ref b = ir_const(ir, type_of(insn), value);
    return ir_op2(ir, op, type_of(insn), 0, a, b);
}

/* Bits that may be set in a value; looks one instruction deep. */
static u64 possible_bits(const struct ir *ir, ir_ref ref)
{
    const struct ir_insn *insn = def(ir, ref);
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
    case IR_AND: return is_const(ir, insn->b) ? imm_of(ir, insn->b) : all;
    case IR_SHR: return is_const(ir, insn->b) ? all >> (imm_of(ir, insn->b) & 63) : all;
    default: return all;
    }
}

/* Smallest known n such that the value is the sign extension of its low n bits. */
static unsigned signed_bits(const struct ir *ir, ir_ref ref)
{
    const struct ir_insn *insn = def(ir, ref);
    unsigned bits = ir_type_bits(ir_value_type(insn));
    u64 possible = possible_bits(ir, ref);
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
        return is_const(ir, insn->b) ? bits - (unsigned)(imm_of(ir, insn->b) & (bits - 1)) : bits;
    default: return bits;
    }
}

/* --- both operands constant; constant second --- */

static ir_ref fold_const2(struct ir *ir, struct ir_insn *insn)
{
    if (is_const(ir, insn->a) && is_const(ir, insn->b)) {
        return make_const(ir, insn, ir_eval_binary((enum ir_op)insn->op, type_of(insn),
                                                   imm_of(ir, insn->a), imm_of(ir, insn->b)));
    }
    if ((ir_op_info[insn->op].props & IR_C) != 0 && is_const(ir, insn->a)) {
        ir_ref constant = insn->a;
        insn->a = insn->b;
        insn->b = constant;
    }
    return IR_REF_NONE;
}

static ir_ref fold_const1(struct ir *ir, struct ir_insn *insn)
{
    if (!is_const(ir, insn->a)) {
        return IR_REF_NONE;
    }
    return make_const(ir, insn, ir_eval_unary((enum ir_op)insn->op, type_of(insn), insn->sub,
                                              imm_of(ir, insn->a)));
}

/* (x op c1) op c2 -> x op (c1 op c2), for an associative op. */
static ir_ref reassociate(struct ir *ir, struct ir_insn *insn)
{
    const struct ir_insn *inner = def(ir, insn->a);
    if (inner->op != insn->op || !is_const(ir, insn->b) || !is_const(ir, inner->b)) {
        return IR_REF_NONE;
    }
    u64 value = ir_eval_binary((enum ir_op)insn->op, type_of(insn), imm_of(ir, inner->b),
                               imm_of(ir, insn->b));
    return make_imm(ir, insn, (enum ir_op)insn->op, inner->a, value);
}

/* --- arithmetic --- */

static ir_ref fold_add(struct ir *ir, struct ir_insn *insn)
{
    if (is_imm(ir, insn->b, 0)) {
        return insn->a;
    }
    return reassociate(ir, insn);
}

static ir_ref fold_sub(struct ir *ir, struct ir_insn *insn)
{
    const struct ir_insn *a = def(ir, insn->a);
    if (insn->a == insn->b) {
        return make_const(ir, insn, 0);
    }
    if (is_const(ir, insn->b)) {
        return make_imm(ir, insn, IR_ADD, insn->a, 0 - imm_of(ir, insn->b));
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
    if (!is_const(ir, insn->b)) {
        return IR_REF_NONE;
    }
    u64 factor = imm_of(ir, insn->b);
    if (factor == 0) {
        return insn->b;
    }
    if (bits_is_pow2(factor)) {
        return make_imm(ir, insn, IR_SHL, insn->a, (u64)__builtin_ctzll(factor));
    }
    return reassociate(ir, insn);
}

static ir_ref fold_mulh(struct ir *ir, struct ir_insn *insn)
{
    return is_imm(ir, insn->b, 0) || is_imm(ir, insn->a, 0) ? make_const(ir, insn, 0)
                                                             : IR_REF_NONE;
}

static ir_ref fold_div_u(struct ir *ir, struct ir_insn *insn)
{
    if (!is_const(ir, insn->b)) {
        return IR_REF_NONE;
    }
    u64 divisor = imm_of(ir, insn->b);
    if (divisor == 0) {
        return make_const(ir, insn, ~(u64)0);
    }
    return bits_is_pow2(divisor)
               ? make_imm(ir, insn, IR_SHR, insn->a, (u64)__builtin_ctzll(divisor))
               : IR_REF_NONE;
}

static ir_ref fold_div_s(struct ir *ir, struct ir_insn *insn)
{
    if (is_imm(ir, insn->b, 0)) {
        return make_const(ir, insn, ~(u64)0);
    }
    if (is_imm(ir, insn->b, 1)) {
        return insn->a;
    }
    if (is_imm(ir, insn->b, ~(u64)0)) {
        ir_ref zero = make_const(ir, insn, 0);
        return ir_op2(ir, IR_SUB, type_of(insn), 0, zero, insn->a);
    }
    return IR_REF_NONE;
}

static ir_ref fold_rem_u(struct ir *ir, struct ir_insn *insn)
{
    if (!is_const(ir, insn->b)) {
        return IR_REF_NONE;
    }
    u64 divisor = imm_of(ir, insn->b);
    if (divisor == 0) {
        return insn->a;
    }
    return bits_is_pow2(divisor) ? make_imm(ir, insn, IR_AND, insn->a, divisor - 1) : IR_REF_NONE;
}

static ir_ref fold_rem_s(struct ir *ir, struct ir_insn *insn)
{
    if (is_imm(ir, insn->b, 0)) {
        return insn->a;
    }
    if (is_imm(ir, insn->b, 1) || is_imm(ir, insn->b, ~(u64)0)) {
        return make_const(ir, insn, 0);
    }
    return IR_REF_NONE;
}

/* --- logic --- */

static ir_ref fold_and(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a == insn->b) {
        return insn->a;
    }
    if (!is_const(ir, insn->b)) {
        return IR_REF_NONE;
    }
    u64 mask = imm_of(ir, insn->b);
    u64 possible = possible_bits(ir, insn->a);
    if ((possible & ~mask) == 0) {
        return insn->a;
    }
    if ((possible & mask) == 0) {
        return make_const(ir, insn, 0);
    }
    if (mask == 0xff || mask == 0xffff || mask == 0xffffffff) {
        unsigned width = (unsigned)__builtin_popcountll(mask);
        return ir_op1(ir, IR_ZEXT, type_of(insn), width, insn->a);
    }
    return reassociate(ir, insn);
}

static ir_ref fold_or(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a == insn->b || is_imm(ir, insn->b, 0)) {
        return insn->a;
    }
    if (is_imm(ir, insn->b, ~(u64)0)) {
        return insn->b;
    }
    return reassociate(ir, insn);
}

static ir_ref fold_xor(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a == insn->b) {
        return make_const(ir, insn, 0);
    }
    if (is_imm(ir, insn->b, 0)) {
        return insn->a;
    }
    return reassociate(ir, insn);
}

static ir_ref fold_andn(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a == insn->b || is_imm(ir, insn->a, 0)) {
        return make_const(ir, insn, 0);
    }
    if (is_const(ir, insn->b)) {
        return make_imm(ir, insn, IR_AND, insn->a, ~imm_of(ir, insn->b));
    }
    return IR_REF_NONE;
}

/* --- shifts --- */

/* Leaves a constant count below the width, and a variable one without a needless mask. Returns the
 * first operand when nothing is shifted. */
static ir_ref fold_count(struct ir *ir, struct ir_insn *insn)
{
    u64 mask = ir_type_bits(type_of(insn)) - 1;
    const struct ir_insn *count = def(ir, insn->b);
    if (count->op == IR_CONST) {
        if ((count->imm & mask) == 0) {
            return insn->a;
        }
        insn->b = make_const(ir, insn, count->imm & mask);
    } else if (count->op == IR_AND && is_const(ir, count->b) &&
               (imm_of(ir, count->b) & mask) == mask) {
        insn->b = count->a;
    } else if (count->op == IR_ZEXT && ir_value_type(def(ir, count->a)) == type_of(insn)) {
        insn->b = count->a;
    }
    return is_imm(ir, insn->a, 0) ? insn->a : IR_REF_NONE;
}

/* When `insn` shifts by a constant a value that op `inner` shifted by a constant: both counts. */
static bool shift_of_shift(const struct ir *ir, const struct ir_insn *insn, enum ir_op inner,
                           unsigned *inner_count, unsigned *outer_count)
{
    const struct ir_insn *a = def(ir, insn->a);
    if (a->op != inner || !is_const(ir, a->b) || !is_const(ir, insn->b)) {
        return false;
    }
    *inner_count = (unsigned)imm_of(ir, a->b);
    *outer_count = (unsigned)imm_of(ir, insn->b);
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
    if (inner + outer >= ir_type_bits(type_of(insn))) {
        return make_const(ir, insn, 0);
    }
    return make_imm(ir, insn, (enum ir_op)insn->op, def(ir, insn->a)->a, inner + outer);
}

/* (x << c) >> c, the base ISA's way to extend: `extend` when the width is one of ours. */
static ir_ref fold_shift_extend(struct ir *ir, struct ir_insn *insn, enum ir_op extend)
{
    unsigned inner;
    unsigned outer;
    if (!shift_of_shift(ir, insn, IR_SHL, &inner, &outer) || inner != outer) {
        return IR_REF_NONE;
    }
    unsigned width = ir_type_bits(type_of(insn)) - inner;
    if (width != 8 && width != 16 && width != 32) {
        return IR_REF_NONE;
    }
    return ir_op1(ir, extend, type_of(insn), width, def(ir, insn->a)->a);
}

static ir_ref fold_shl(struct ir *ir, struct ir_insn *insn)
{
    ir_ref same = fold_count(ir, insn);
    return same != IR_REF_NONE ? same : fold_shift_sum(ir, insn);
}

static ir_ref fold_shr(struct ir *ir, struct ir_insn *insn)
{
    ir_ref folded = fold_count(ir, insn);
    if (folded == IR_REF_NONE) {
        folded = fold_shift_sum(ir, insn);
    }
    if (folded == IR_REF_NONE) {
        folded = fold_shift_extend(ir, insn, IR_ZEXT);
    }
    if (folded == IR_REF_NONE && is_const(ir, insn->b) &&
        possible_bits(ir, insn->a) >> (imm_of(ir, insn->b) & 63) == 0) {
        folded = make_const(ir, insn, 0);
    }
    return folded;
}

static ir_ref fold_sar(struct ir *ir, struct ir_insn *insn)
{
    unsigned inner;
    unsigned outer;
    ir_ref same = fold_count(ir, insn);
    if (same != IR_REF_NONE) {
        return same;
    }
    if (shift_of_shift(ir, insn, IR_SAR, &inner, &outer)) {
        unsigned last = ir_type_bits(type_of(insn)) - 1;
        unsigned sum = inner + outer < last ? inner + outer : last;
        return make_imm(ir, insn, IR_SAR, def(ir, insn->a)->a, sum);
    }
    return fold_shift_extend(ir, insn, IR_SEXT);
}

static ir_ref fold_rotr(struct ir *ir, struct ir_insn *insn)
{
    return fold_count(ir, insn);
}

/* --- one operand --- */

/* bswap and such undo themselves; orc_b of orc_b is the first. */
static ir_ref fold_bswap(struct ir *ir, struct ir_insn *insn)
{
    return is_op(ir, insn->a, IR_BSWAP) ? def(ir, insn->a)->a : IR_REF_NONE;
}

static ir_ref fold_orc_b(struct ir *ir, struct ir_insn *insn)
{
    return is_op(ir, insn->a, IR_ORC_B) ? insn->a : IR_REF_NONE;
}

/* The operand with work removed that does not touch its low `width` bits; IR_REF_NONE if none. */
static ir_ref strip_above(struct ir *ir, ir_ref ref, unsigned width)
{
    const struct ir_insn *insn = def(ir, ref);
    switch (insn->op) {
    case IR_SEXT:
    case IR_ZEXT: return insn->sub >= width ? insn->a : IR_REF_NONE;
    case IR_TRUNC: return width <= 32 ? insn->a : IR_REF_NONE;
    case IR_FBOX: return width <= 32 ? ir_op1(ir, IR_FBITS, IR_I32, 0, insn->a) : IR_REF_NONE;
    case IR_AND:
        return is_const(ir, insn->b) && (~imm_of(ir, insn->b) << (64 - width)) == 0
                   ? insn->a
                   : IR_REF_NONE;
    default: return IR_REF_NONE;
    }
}

static ir_ref fold_extend_inner(struct ir *ir, struct ir_insn *insn)
{
    ir_ref inner = strip_above(ir, insn->a, insn->sub);
    if (inner != IR_REF_NONE) {
        return ir_op1(ir, (enum ir_op)insn->op, type_of(insn), insn->sub, inner);
    }
    if (type_of(insn) == IR_I32 && insn->sub == 32) {
        return ir_value_type(def(ir, insn->a)) == IR_I32
                   ? insn->a
                   : ir_op1(ir, IR_TRUNC, IR_I32, 0, insn->a);
    }
    return IR_REF_NONE;
}

static ir_ref fold_sext(struct ir *ir, struct ir_insn *insn)
{
    bool same_type = ir_value_type(def(ir, insn->a)) == type_of(insn);
    if (same_type && signed_bits(ir, insn->a) <= insn->sub) {
        return insn->a;
    }
    return fold_extend_inner(ir, insn);
}

static ir_ref fold_zext(struct ir *ir, struct ir_insn *insn)
{
    bool same_type = ir_value_type(def(ir, insn->a)) == type_of(insn);
    if (same_type && possible_bits(ir, insn->a) >> (insn->sub - 1) >> 1 == 0) {
        return insn->a;
    }
    return fold_extend_inner(ir, insn);
}

static ir_ref fold_trunc(struct ir *ir, struct ir_insn *insn)
{
    ir_ref inner = strip_above(ir, insn->a, 32);
    if (inner == IR_REF_NONE) {
        return IR_REF_NONE;
    }
    return ir_value_type(def(ir, inner)) == IR_I32 ? inner
                                                   : ir_op1(ir, IR_TRUNC, IR_I32, 0, inner);
}

/* --- conditions --- */

static enum ir_cond cond_swapped(enum ir_cond cond)
{
    static const u8 swapped[] = {
        [IR_EQ] = IR_EQ,     [IR_NE] = IR_NE,     [IR_LT_S] = IR_GT_S, [IR_LE_S] = IR_GE_S,
        [IR_GT_S] = IR_LT_S, [IR_GE_S] = IR_LE_S, [IR_LT_U] = IR_GT_U, [IR_LE_U] = IR_GE_U,
        [IR_GT_U] = IR_LT_U, [IR_GE_U] = IR_LE_U,
    };
    return (enum ir_cond)swapped[cond];
}

static enum ir_cond cond_inverted(enum ir_cond cond)
{
    static const u8 inverted[] = {
        [IR_EQ] = IR_NE,     [IR_NE] = IR_EQ,     [IR_LT_S] = IR_GE_S, [IR_LE_S] = IR_GT_S,
        [IR_GT_S] = IR_LE_S, [IR_GE_S] = IR_LT_S, [IR_LT_U] = IR_GE_U, [IR_LE_U] = IR_GT_U,
        [IR_GT_U] = IR_LE_U, [IR_GE_U] = IR_LT_U,
    };
    return (enum ir_cond)inverted[cond];
}

/* Unsigned comparisons with 0 and 1 are equalities. */
static void cond_small(struct ir *ir, struct ir_insn *insn, enum ir_type type)
{
    if (insn->sub == IR_LT_U && is_imm(ir, insn->b, 1)) {
        insn->sub = IR_EQ;
        insn->b = ir_const(ir, type, 0);
    } else if (insn->sub == IR_LE_U && is_imm(ir, insn->b, 0)) {
        insn->sub = IR_EQ;
    } else if (insn->sub == IR_GT_U && is_imm(ir, insn->b, 0)) {
        insn->sub = IR_NE;
    } else if (insn->sub == IR_GE_U && is_imm(ir, insn->b, 1)) {
        insn->sub = IR_NE;
        insn->b = ir_const(ir, type, 0);
    }
}

/* (setcc x, y) ne 0 -> x, y under its condition; eq 0 the inverse. `only` restricts the type of
 * the operands taken over, unless it is IR_NONE. */
static bool cond_fuse(const struct ir *ir, struct ir_insn *insn, enum ir_type *type,
                      enum ir_type only)
{
    const struct ir_insn *a = def(ir, insn->a);
    if ((insn->sub != IR_EQ && insn->sub != IR_NE) || !is_imm(ir, insn->b, 0) ||
        a->op != IR_SETCC || (only != IR_NONE && type_of(a) != only)) {
        return false;
    }
    enum ir_cond cond = (enum ir_cond)a->sub;
    insn->sub = (u8)(insn->sub == IR_NE ? cond : cond_inverted(cond));
    insn->a = a->a;
    insn->b = a->b;
    *type = type_of(a);
    return true;
}

/* (x - y) or (x ^ y) compared with 0 for equality: x compared with y. */
static void cond_difference(const struct ir *ir, struct ir_insn *insn)
{
    const struct ir_insn *a = def(ir, insn->a);
    if ((insn->sub == IR_EQ || insn->sub == IR_NE) && is_imm(ir, insn->b, 0) &&
        (a->op == IR_SUB || a->op == IR_XOR)) {
        insn->a = a->a;
        insn->b = a->b;
    }
}

/* Brings the comparison of an instruction (operands of *type, condition in sub) into its simplest
 * form. */
static void cond_simplify(struct ir *ir, struct ir_insn *insn, enum ir_type *type,
                          enum ir_type only)
{
    if (is_const(ir, insn->a) && !is_const(ir, insn->b)) {
        ir_ref constant = insn->a;
        insn->a = insn->b;
        insn->b = constant;
        insn->sub = (u8)cond_swapped((enum ir_cond)insn->sub);
    }
    cond_small(ir, insn, *type);
    while (cond_fuse(ir, insn, type, only)) {
    }
    cond_difference(ir, insn);
}

enum known_cond { COND_FALSE, COND_TRUE, COND_UNKNOWN };

static enum known_cond cond_known(const struct ir *ir, const struct ir_insn *insn,
                                  enum ir_type type)
{
    enum ir_cond cond = (enum ir_cond)insn->sub;
    if (is_const(ir, insn->a) && is_const(ir, insn->b)) {
        return ir_eval_cond(cond, type, imm_of(ir, insn->a), imm_of(ir, insn->b)) ? COND_TRUE
                                                                                  : COND_FALSE;
    }
    if (insn->a == insn->b) {
        return ir_eval_cond(cond, type, 0, 0) ? COND_TRUE : COND_FALSE;
    }
    if (is_imm(ir, insn->b, 0) && (cond == IR_LT_U || cond == IR_GE_U)) {
        return cond == IR_GE_U ? COND_TRUE : COND_FALSE;
    }
    return COND_UNKNOWN;
}

static ir_ref fold_setcc(struct ir *ir, struct ir_insn *insn)
{
    enum ir_type type = type_of(insn);
    cond_simplify(ir, insn, &type, IR_NONE);
    insn->type = (u8)type;
    enum known_cond known = cond_known(ir, insn, type);
    return known == COND_UNKNOWN ? IR_REF_NONE : ir_const(ir, IR_I64, known == COND_TRUE);
}

static ir_ref fold_select(struct ir *ir, struct ir_insn *insn)
{
    enum ir_type type = IR_I64;
    if (insn->c == insn->d) {
        return insn->c;
    }
    cond_simplify(ir, insn, &type, IR_I64);
    switch (cond_known(ir, insn, IR_I64)) {
    case COND_TRUE: return insn->c;
    case COND_FALSE: return insn->d;
    default: return IR_REF_NONE;
    }
}

enum ir_branch ir_fold_branch(struct ir *ir, struct ir_insn *insn)
{
    enum ir_type type = IR_I64;
    cond_simplify(ir, insn, &type, IR_I64);
    return cond_known(ir, insn, IR_I64) == COND_FALSE ? IR_BRANCH_NEVER : IR_BRANCH_DEPENDS;
}

/* --- floating point: moves only --- */

static ir_ref fold_fneg(struct ir *ir, struct ir_insn *insn)
{
    return is_op(ir, insn->a, IR_FNEG) ? def(ir, insn->a)->a : IR_REF_NONE;
}

static ir_ref fold_fsgnj(struct ir *ir, struct ir_insn *insn)
{
    if (insn->a != insn->b || insn->sub > 1) {
        return IR_REF_NONE;
    }
    return insn->sub == 0 ? insn->a : ir_op1(ir, IR_FNEG, type_of(insn), 0, insn->a);
}

static ir_ref fold_fbits(struct ir *ir, struct ir_insn *insn)
{
    const struct ir_insn *a = def(ir, insn->a);
    if (a->op == IR_FBITS && ir_value_type(def(ir, a->a)) == type_of(insn)) {
        return a->a;
    }
    return IR_REF_NONE;
}

static ir_ref fold_funbox(struct ir *ir, struct ir_insn *insn)
{
    return is_op(ir, insn->a, IR_FBOX) ? def(ir, insn->a)->a : IR_REF_NONE;
}

/* --- dispatch --- */

static fold_fn *const folds[IR_OP_COUNT] = {
    [IR_ADD] = fold_add,         [IR_SUB] = fold_sub,         [IR_MUL] = fold_mul,
    [IR_MULH_SS] = fold_mulh,    [IR_MULH_SU] = fold_mulh,    [IR_MULH_UU] = fold_mulh,
    [IR_DIV_S] = fold_div_s,     [IR_DIV_U] = fold_div_u,     [IR_REM_S] = fold_rem_s,
    [IR_REM_U] = fold_rem_u,     [IR_AND] = fold_and,         [IR_OR] = fold_or,
    [IR_XOR] = fold_xor,         [IR_ANDN] = fold_andn,       [IR_SHL] = fold_shl,
    [IR_SHR] = fold_shr,         [IR_SAR] = fold_sar,         [IR_ROTR] = fold_rotr,
    [IR_BSWAP] = fold_bswap,     [IR_ORC_B] = fold_orc_b,     [IR_SEXT] = fold_sext,
    [IR_ZEXT] = fold_zext,       [IR_TRUNC] = fold_trunc,     [IR_SETCC] = fold_setcc,
    [IR_SELECT] = fold_select,   [IR_FNEG] = fold_fneg,       [IR_FSGNJ] = fold_fsgnj,
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

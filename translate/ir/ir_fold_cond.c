/* Folding rules of comparisons: SETCC, SELECT and the condition of EXIT_IF. */
#include "translate/ir/ir_fold.h"
#include "translate/ir/ir_fold_rules.h"

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
    if (insn->sub == IR_LT_U && fold_is_imm(ir, insn->b, 1)) {
        insn->sub = IR_EQ;
        insn->b = ir_const(ir, type, 0);
    } else if (insn->sub == IR_LE_U && fold_is_imm(ir, insn->b, 0)) {
        insn->sub = IR_EQ;
    } else if (insn->sub == IR_GT_U && fold_is_imm(ir, insn->b, 0)) {
        insn->sub = IR_NE;
    } else if (insn->sub == IR_GE_U && fold_is_imm(ir, insn->b, 1)) {
        insn->sub = IR_NE;
        insn->b = ir_const(ir, type, 0);
    }
}

/* (setcc x, y) ne 0 -> x, y under its condition; eq 0 the inverse. `only` restricts the type of
 * the operands taken over, unless it is IR_NONE. */
static bool cond_fuse(const struct ir *ir, struct ir_insn *insn, enum ir_type *type,
                      enum ir_type only)
{
    const struct ir_insn *a = fold_def(ir, insn->a);
    if ((insn->sub != IR_EQ && insn->sub != IR_NE) || !fold_is_imm(ir, insn->b, 0) ||
        a->op != IR_SETCC || (only != IR_NONE && fold_type(a) != only)) {
        return false;
    }
    enum ir_cond cond = (enum ir_cond)a->sub;
    insn->sub = (u8)(insn->sub == IR_NE ? cond : cond_inverted(cond));
    insn->a = a->a;
    insn->b = a->b;
    *type = fold_type(a);
    return true;
}

/* (x - y) or (x ^ y) compared with 0 for equality: x compared with y. */
static void cond_difference(const struct ir *ir, struct ir_insn *insn)
{
    const struct ir_insn *a = fold_def(ir, insn->a);
    if ((insn->sub == IR_EQ || insn->sub == IR_NE) && fold_is_imm(ir, insn->b, 0) &&
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
    if (fold_is_const(ir, insn->a) && !fold_is_const(ir, insn->b)) {
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
    if (fold_is_const(ir, insn->a) && fold_is_const(ir, insn->b)) {
        return ir_eval_cond(cond, type, fold_imm(ir, insn->a), fold_imm(ir, insn->b)) ? COND_TRUE
                                                                                  : COND_FALSE;
    }
    if (insn->a == insn->b) {
        return ir_eval_cond(cond, type, 0, 0) ? COND_TRUE : COND_FALSE;
    }
    if (fold_is_imm(ir, insn->b, 0) && (cond == IR_LT_U || cond == IR_GE_U)) {
        return cond == IR_GE_U ? COND_TRUE : COND_FALSE;
    }
    return COND_UNKNOWN;
}

ir_ref ir_fold_setcc(struct ir *ir, struct ir_insn *insn)
{
    enum ir_type type = fold_type(insn);
    cond_simplify(ir, insn, &type, IR_NONE);
    insn->type = (u8)type;
    enum known_cond known = cond_known(ir, insn, type);
    return known == COND_UNKNOWN ? IR_REF_NONE : ir_const(ir, IR_I64, known == COND_TRUE);
}

ir_ref ir_fold_select(struct ir *ir, struct ir_insn *insn)
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

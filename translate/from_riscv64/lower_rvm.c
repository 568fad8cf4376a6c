/* M: multiplication and division. IR division is total the way RISC-V's is, so no case is
 * special. */
#include "translate/from_riscv64/lower.h"

static void op(struct lower *l, const struct riscv_insn *insn, enum ir_op ir_op)
{
    ir_ref a = lower_get_x(l, insn->rs1), b = lower_get_x(l, insn->rs2);
    lower_set_x(l, insn->rd, ir_op2(l->ir, ir_op, IR_I64, 0, a, b));
}

static void op_w(struct lower *l, const struct riscv_insn *insn, enum ir_op ir_op)
{
    ir_ref a = lower_get_w(l, insn->rs1), b = lower_get_w(l, insn->rs2);
    lower_set_w(l, insn->rd, ir_op2(l->ir, ir_op, IR_I32, 0, a, b));
}

void riscv64_lower_mul(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_MUL);
}

void riscv64_lower_mulh(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_MULH_SS);
}

void riscv64_lower_mulhsu(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_MULH_SU);
}

void riscv64_lower_mulhu(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_MULH_UU);
}

void riscv64_lower_div(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_DIV_S);
}

void riscv64_lower_divu(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_DIV_U);
}

void riscv64_lower_rem(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_REM_S);
}

void riscv64_lower_remu(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_REM_U);
}

void riscv64_lower_mulw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_MUL);
}

void riscv64_lower_divw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_DIV_S);
}

void riscv64_lower_divuw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_DIV_U);
}

void riscv64_lower_remw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_REM_S);
}

void riscv64_lower_remuw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_REM_U);
}

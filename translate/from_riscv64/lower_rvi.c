/* RV64I: integer arithmetic. HINTs need no case of their own: x0 is never written.
 *
 * The W forms work on 32-bit values and sign-extend the result. */
#include "translate/from_riscv64/lower.h"

static void op(struct lower *l, const struct riscv_insn *insn, enum ir_op ir_op)
{
    ir_ref a = lower_get_x(l, insn->rs1), b = lower_get_x(l, insn->rs2);
    lower_set_x(l, insn->rd, ir_op2(l->ir, ir_op, IR_I64, 0, a, b));
}

static void op_imm(struct lower *l, const struct riscv_insn *insn, enum ir_op ir_op)
{
    ir_ref a = lower_get_x(l, insn->rs1), b = lower_imm(l, insn);
    lower_set_x(l, insn->rd, ir_op2(l->ir, ir_op, IR_I64, 0, a, b));
}

static void op_w(struct lower *l, const struct riscv_insn *insn, enum ir_op ir_op)
{
    ir_ref a = lower_get_w(l, insn->rs1), b = lower_get_w(l, insn->rs2);
    lower_set_w(l, insn->rd, ir_op2(l->ir, ir_op, IR_I32, 0, a, b));
}

static void op_imm_w(struct lower *l, const struct riscv_insn *insn, enum ir_op ir_op)
{
    ir_ref a = lower_get_w(l, insn->rs1), b = ir_const(l->ir, IR_I32, (u32)insn->imm);
    lower_set_w(l, insn->rd, ir_op2(l->ir, ir_op, IR_I32, 0, a, b));
}

static void set_if(struct lower *l, const struct riscv_insn *insn, enum ir_cond cond, ir_ref b)
{
    ir_ref a = lower_get_x(l, insn->rs1);
    lower_set_x(l, insn->rd, ir_setcc(l->ir, cond, IR_I64, a, b));
}

void riscv64_lower_nop(struct lower *l, const struct riscv_insn *insn)
{
    (void)l;
    (void)insn;
}

void riscv64_lower_illegal(struct lower *l, const struct riscv_insn *insn)
{
    lower_end_illegal(l, insn);
}

void riscv64_lower_lui(struct lower *l, const struct riscv_insn *insn)
{
    lower_set_x(l, insn->rd, lower_imm(l, insn));
}

void riscv64_lower_auipc(struct lower *l, const struct riscv_insn *insn)
{
    lower_set_x(l, insn->rd, lower_pc_plus(l, insn->imm));
}

/* --- register and immediate --- */

/* Copies and constants need no folding. */
void riscv64_lower_addi(struct lower *l, const struct riscv_insn *insn)
{
    if (insn->rs1 == 0) {
        lower_set_x(l, insn->rd, lower_imm(l, insn));
    } else {
        lower_set_x(l, insn->rd, lower_address(l, insn));
    }
}

void riscv64_lower_slti(struct lower *l, const struct riscv_insn *insn)
{
    set_if(l, insn, IR_LT_S, lower_imm(l, insn));
}

void riscv64_lower_sltiu(struct lower *l, const struct riscv_insn *insn)
{
    set_if(l, insn, IR_LT_U, lower_imm(l, insn));
}

void riscv64_lower_xori(struct lower *l, const struct riscv_insn *insn)
{
    op_imm(l, insn, IR_XOR);
}

void riscv64_lower_ori(struct lower *l, const struct riscv_insn *insn)
{
    op_imm(l, insn, IR_OR);
}

void riscv64_lower_andi(struct lower *l, const struct riscv_insn *insn)
{
    op_imm(l, insn, IR_AND);
}

void riscv64_lower_slli(struct lower *l, const struct riscv_insn *insn)
{
    op_imm(l, insn, IR_SHL);
}

void riscv64_lower_srli(struct lower *l, const struct riscv_insn *insn)
{
    op_imm(l, insn, IR_SHR);
}

void riscv64_lower_srai(struct lower *l, const struct riscv_insn *insn)
{
    op_imm(l, insn, IR_SAR);
}

void riscv64_lower_addiw(struct lower *l, const struct riscv_insn *insn)
{
    if (insn->imm == 0) {
        lower_set_w(l, insn->rd, lower_get_w(l, insn->rs1));
    } else {
        op_imm_w(l, insn, IR_ADD);
    }
}

void riscv64_lower_slliw(struct lower *l, const struct riscv_insn *insn)
{
    op_imm_w(l, insn, IR_SHL);
}

void riscv64_lower_srliw(struct lower *l, const struct riscv_insn *insn)
{
    op_imm_w(l, insn, IR_SHR);
}

void riscv64_lower_sraiw(struct lower *l, const struct riscv_insn *insn)
{
    op_imm_w(l, insn, IR_SAR);
}

/* --- two registers --- */

void riscv64_lower_add(struct lower *l, const struct riscv_insn *insn)
{
    if (insn->rs1 == 0) {
        lower_set_x(l, insn->rd, lower_get_x(l, insn->rs2));
    } else {
        op(l, insn, IR_ADD);
    }
}

void riscv64_lower_sub(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_SUB);
}

void riscv64_lower_sll(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_SHL);
}

void riscv64_lower_slt(struct lower *l, const struct riscv_insn *insn)
{
    set_if(l, insn, IR_LT_S, lower_get_x(l, insn->rs2));
}

void riscv64_lower_sltu(struct lower *l, const struct riscv_insn *insn)
{
    set_if(l, insn, IR_LT_U, lower_get_x(l, insn->rs2));
}

void riscv64_lower_xor(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_XOR);
}

void riscv64_lower_srl(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_SHR);
}

void riscv64_lower_sra(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_SAR);
}

void riscv64_lower_or(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_OR);
}

void riscv64_lower_and(struct lower *l, const struct riscv_insn *insn)
{
    op(l, insn, IR_AND);
}

void riscv64_lower_addw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_ADD);
}

void riscv64_lower_subw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_SUB);
}

void riscv64_lower_sllw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_SHL);
}

void riscv64_lower_srlw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_SHR);
}

void riscv64_lower_sraw(struct lower *l, const struct riscv_insn *insn)
{
    op_w(l, insn, IR_SAR);
}

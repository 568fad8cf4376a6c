/* RV64I jumps and branches.
 *
 * A block goes on behind a forward branch that is not taken; a backward branch ends it, since what
 * follows a loop is seldom worth translating with the loop. */
#include "translate/from_riscv64/lower.h"

static bool is_link(unsigned number)
{
    return number == 1 || number == 5;
}

/* The return-address-stack hints of unprivileged manual, "Unconditional Jumps", for jalr. */
static enum ir_jump_hint jalr_hint(const struct riscv_insn *insn)
{
    if (is_link(insn->rd)) {
        return IR_JUMP_CALL;
    }
    return is_link(insn->rs1) ? IR_JUMP_RETURN : IR_JUMP_PLAIN;
}

static void end_known(struct lower *l, const struct riscv_insn *insn, s64 delta)
{
    if (is_link(insn->rd)) {
        lower_end_call(l, delta);
    } else {
        lower_end_jump(l, delta);
    }
}

void riscv64_lower_jal(struct lower *l, const struct riscv_insn *insn)
{
    if (insn->rd != 0) {
        lower_set_x(l, insn->rd, lower_next_pc(l));
    }
    end_known(l, insn, insn->imm);
}

/* True, with its distance from this instruction, when the target is known: auipc prepared it, or in
 * a trace it is the return of a call there. */
static bool is_known(const struct lower *l, ir_ref target, s64 *delta)
{
    const struct ir_insn *sum = &l->ir->insns[target];
    if (sum->op != IR_ADD || l->ir->insns[sum->a].op != IR_PC_PAGE ||
        l->ir->insns[sum->b].op != IR_CONST) {
        return false;
    }
    *delta = (s64)l->ir->insns[sum->b].imm - l->offset;
    return true;
}

void riscv64_lower_jalr(struct lower *l, const struct riscv_insn *insn)
{
    ir_ref even = ir_i64(l->ir, ~(u64)1);
    ir_ref sum = lower_address(l, insn);
    ir_ref target = ir_op2(l->ir, IR_AND, IR_I64, 0, sum, even);
    if (insn->rd != 0) {
        lower_set_x(l, insn->rd, lower_next_pc(l));
    }
    s64 delta;
    if (is_known(l, target, &delta)) {
        end_known(l, insn, delta);
        return;
    }
    if (l->follow) {
        ir_exit_unless(l->ir, sum, l->next_offset); /* which clears the bit on the way out */
        l->followed = true;
        return;
    }
    ir_jump_ind(l->ir, jalr_hint(insn), target);
    l->ended = true;
}

static enum ir_cond opposite(enum ir_cond cond)
{
    switch (cond) {
    case IR_EQ: return IR_NE;
    case IR_NE: return IR_EQ;
    case IR_LT_S: return IR_GE_S;
    case IR_GE_S: return IR_LT_S;
    case IR_LT_U: return IR_GE_U;
    default: return IR_LT_U;
    }
}

static void branch(struct lower *l, const struct riscv_insn *insn, enum ir_cond cond)
{
    s64 target = l->offset + insn->imm;
    s64 behind = l->offset + l->length_bytes;
    if (insn->rs1 == insn->rs2) {
        bool taken = cond == IR_EQ || cond == IR_GE_S || cond == IR_GE_U;
        if (taken) {
            lower_end_jump(l, insn->imm);
        }
        return;
    }
    ir_ref a = lower_get_x(l, insn->rs1), b = lower_get_x(l, insn->rs2);
    if (l->skips) {
        ir_skip_begin(l->ir, cond, a, b);
        return;
    }
    if (l->follow && l->next_offset == target && target != behind) {
        ir_exit_if(l->ir, opposite(cond), a, b, behind);
        l->followed = true;
        return;
    }
    ir_exit_if(l->ir, cond, a, b, target);
    bool goes_on = l->follow && l->next_offset == behind;
    if (insn->imm <= 0 && !goes_on) {
        lower_end_jump(l, l->length_bytes);
    }
}

void riscv64_lower_beq(struct lower *l, const struct riscv_insn *insn)
{
    branch(l, insn, IR_EQ);
}

void riscv64_lower_bne(struct lower *l, const struct riscv_insn *insn)
{
    branch(l, insn, IR_NE);
}

void riscv64_lower_blt(struct lower *l, const struct riscv_insn *insn)
{
    branch(l, insn, IR_LT_S);
}

void riscv64_lower_bge(struct lower *l, const struct riscv_insn *insn)
{
    branch(l, insn, IR_GE_S);
}

void riscv64_lower_bltu(struct lower *l, const struct riscv_insn *insn)
{
    branch(l, insn, IR_LT_U);
}

void riscv64_lower_bgeu(struct lower *l, const struct riscv_insn *insn)
{
    branch(l, insn, IR_GE_U);
}

/* Zba, Zbb, Zbs, Zicond. */
#include "translate/from_riscv64/lower.h"

static ir_ref rs1(struct lower *l, const struct riscv_insn *insn)
{
    return lower_get_x(l, insn->rs1);
}

static ir_ref rs2(struct lower *l, const struct riscv_insn *insn)
{
    return lower_get_x(l, insn->rs2);
}

static ir_ref op64(struct lower *l, enum ir_op op, ir_ref a, ir_ref b)
{
    return ir_op2(l->ir, op, IR_I64, 0, a, b);
}

/* rs1's low 32 bits, zero-extended. */
static ir_ref rs1_uw(struct lower *l, const struct riscv_insn *insn)
{
    return ir_op1(l->ir, IR_ZEXT, IR_I64, 32, rs1(l, insn));
}

/* --- Zba --- */

static void shift_add(struct lower *l, const struct riscv_insn *insn, ir_ref index, unsigned shift)
{
    ir_ref scaled = op64(l, IR_SHL, index, ir_i64(l->ir, shift));
    lower_set_x(l, insn->rd, op64(l, IR_ADD, scaled, rs2(l, insn)));
}

void riscv64_lower_add_uw(struct lower *l, const struct riscv_insn *insn)
{
    shift_add(l, insn, rs1_uw(l, insn), 0);
}

void riscv64_lower_sh1add(struct lower *l, const struct riscv_insn *insn)
{
    shift_add(l, insn, rs1(l, insn), 1);
}

void riscv64_lower_sh2add(struct lower *l, const struct riscv_insn *insn)
{
    shift_add(l, insn, rs1(l, insn), 2);
}

void riscv64_lower_sh3add(struct lower *l, const struct riscv_insn *insn)
{
    shift_add(l, insn, rs1(l, insn), 3);
}

void riscv64_lower_sh1add_uw(struct lower *l, const struct riscv_insn *insn)
{
    shift_add(l, insn, rs1_uw(l, insn), 1);
}

void riscv64_lower_sh2add_uw(struct lower *l, const struct riscv_insn *insn)
{
    shift_add(l, insn, rs1_uw(l, insn), 2);
}

void riscv64_lower_sh3add_uw(struct lower *l, const struct riscv_insn *insn)
{
    shift_add(l, insn, rs1_uw(l, insn), 3);
}

void riscv64_lower_slli_uw(struct lower *l, const struct riscv_insn *insn)
{
    lower_set_x(l, insn->rd, op64(l, IR_SHL, rs1_uw(l, insn), lower_imm(l, insn)));
}

/* --- Zbb: logic with one operand inverted --- */

static ir_ref invert(struct lower *l, ir_ref value)
{
    return op64(l, IR_XOR, value, ir_i64(l->ir, ~(u64)0));
}

void riscv64_lower_andn(struct lower *l, const struct riscv_insn *insn)
{
    lower_set_x(l, insn->rd, op64(l, IR_ANDN, rs1(l, insn), rs2(l, insn)));
}

void riscv64_lower_orn(struct lower *l, const struct riscv_insn *insn)
{
    lower_set_x(l, insn->rd, op64(l, IR_OR, rs1(l, insn), invert(l, rs2(l, insn))));
}

void riscv64_lower_xnor(struct lower *l, const struct riscv_insn *insn)
{
    lower_set_x(l, insn->rd, invert(l, op64(l, IR_XOR, rs1(l, insn), rs2(l, insn))));
}

/* --- Zbb: counting, minimum and maximum, extension --- */

static void unary(struct lower *l, const struct riscv_insn *insn, enum ir_op op, unsigned sub)
{
    lower_set_x(l, insn->rd, ir_op1(l->ir, op, IR_I64, sub, rs1(l, insn)));
}

static void unary_w(struct lower *l, const struct riscv_insn *insn, enum ir_op op)
{
    ir_ref value = ir_op1(l->ir, op, IR_I32, 0, lower_get_w(l, insn->rs1));
    lower_set_x(l, insn->rd, ir_op1(l->ir, IR_ZEXT, IR_I64, 32, value));
}

static void pick(struct lower *l, const struct riscv_insn *insn, enum ir_cond first_if)
{
    ir_ref a = rs1(l, insn), b = rs2(l, insn);
    lower_set_x(l, insn->rd, ir_select(l->ir, first_if, a, b, IR_I64, a, b));
}

void riscv64_lower_clz(struct lower *l, const struct riscv_insn *insn)
{
    unary(l, insn, IR_CLZ, 0);
}

void riscv64_lower_ctz(struct lower *l, const struct riscv_insn *insn)
{
    unary(l, insn, IR_CTZ, 0);
}

void riscv64_lower_cpop(struct lower *l, const struct riscv_insn *insn)
{
    unary(l, insn, IR_POPCNT, 0);
}

void riscv64_lower_clzw(struct lower *l, const struct riscv_insn *insn)
{
    unary_w(l, insn, IR_CLZ);
}

void riscv64_lower_ctzw(struct lower *l, const struct riscv_insn *insn)
{
    unary_w(l, insn, IR_CTZ);
}

void riscv64_lower_cpopw(struct lower *l, const struct riscv_insn *insn)
{
    unary_w(l, insn, IR_POPCNT);
}

void riscv64_lower_max(struct lower *l, const struct riscv_insn *insn)
{
    pick(l, insn, IR_GT_S);
}

void riscv64_lower_maxu(struct lower *l, const struct riscv_insn *insn)
{
    pick(l, insn, IR_GT_U);
}

void riscv64_lower_min(struct lower *l, const struct riscv_insn *insn)
{
    pick(l, insn, IR_LT_S);
}

void riscv64_lower_minu(struct lower *l, const struct riscv_insn *insn)
{
    pick(l, insn, IR_LT_U);
}

void riscv64_lower_sext_b(struct lower *l, const struct riscv_insn *insn)
{
    unary(l, insn, IR_SEXT, 8);
}

void riscv64_lower_sext_h(struct lower *l, const struct riscv_insn *insn)
{
    unary(l, insn, IR_SEXT, 16);
}

void riscv64_lower_zext_h(struct lower *l, const struct riscv_insn *insn)
{
    unary(l, insn, IR_ZEXT, 16);
}

void riscv64_lower_orc_b(struct lower *l, const struct riscv_insn *insn)
{
    unary(l, insn, IR_ORC_B, 0);
}

void riscv64_lower_rev8(struct lower *l, const struct riscv_insn *insn)
{
    unary(l, insn, IR_BSWAP, 0);
}

/* --- Zbb: rotation; left by n is right by -n --- */

static ir_ref negate(struct lower *l, enum ir_type type, ir_ref value)
{
    return ir_op2(l->ir, IR_SUB, type, 0, ir_const(l->ir, type, 0), value);
}

static void rotate(struct lower *l, const struct riscv_insn *insn, ir_ref count)
{
    lower_set_x(l, insn->rd, op64(l, IR_ROTR, rs1(l, insn), count));
}

static void rotate_w(struct lower *l, const struct riscv_insn *insn, ir_ref count)
{
    ir_ref value = lower_get_w(l, insn->rs1);
    lower_set_w(l, insn->rd, ir_op2(l->ir, IR_ROTR, IR_I32, 0, value, count));
}

void riscv64_lower_rol(struct lower *l, const struct riscv_insn *insn)
{
    rotate(l, insn, negate(l, IR_I64, rs2(l, insn)));
}

void riscv64_lower_ror(struct lower *l, const struct riscv_insn *insn)
{
    rotate(l, insn, rs2(l, insn));
}

void riscv64_lower_rori(struct lower *l, const struct riscv_insn *insn)
{
    rotate(l, insn, lower_imm(l, insn));
}

void riscv64_lower_rolw(struct lower *l, const struct riscv_insn *insn)
{
    rotate_w(l, insn, negate(l, IR_I32, lower_get_w(l, insn->rs2)));
}

void riscv64_lower_rorw(struct lower *l, const struct riscv_insn *insn)
{
    rotate_w(l, insn, lower_get_w(l, insn->rs2));
}

void riscv64_lower_roriw(struct lower *l, const struct riscv_insn *insn)
{
    rotate_w(l, insn, ir_const(l->ir, IR_I32, (u32)insn->imm));
}

/* --- Zbs --- */

static ir_ref single_bit(struct lower *l, ir_ref number)
{
    return op64(l, IR_SHL, ir_i64(l->ir, 1), number);
}

static void change_bit(struct lower *l, const struct riscv_insn *insn, enum ir_op op, ir_ref number)
{
    lower_set_x(l, insn->rd, op64(l, op, rs1(l, insn), single_bit(l, number)));
}

static void extract_bit(struct lower *l, const struct riscv_insn *insn, ir_ref number)
{
    ir_ref shifted = op64(l, IR_SHR, rs1(l, insn), number);
    lower_set_x(l, insn->rd, op64(l, IR_AND, shifted, ir_i64(l->ir, 1)));
}

void riscv64_lower_bclr(struct lower *l, const struct riscv_insn *insn)
{
    change_bit(l, insn, IR_ANDN, rs2(l, insn));
}

void riscv64_lower_bclri(struct lower *l, const struct riscv_insn *insn)
{
    change_bit(l, insn, IR_ANDN, lower_imm(l, insn));
}

void riscv64_lower_binv(struct lower *l, const struct riscv_insn *insn)
{
    change_bit(l, insn, IR_XOR, rs2(l, insn));
}

void riscv64_lower_binvi(struct lower *l, const struct riscv_insn *insn)
{
    change_bit(l, insn, IR_XOR, lower_imm(l, insn));
}

void riscv64_lower_bset(struct lower *l, const struct riscv_insn *insn)
{
    change_bit(l, insn, IR_OR, rs2(l, insn));
}

void riscv64_lower_bseti(struct lower *l, const struct riscv_insn *insn)
{
    change_bit(l, insn, IR_OR, lower_imm(l, insn));
}

void riscv64_lower_bext(struct lower *l, const struct riscv_insn *insn)
{
    extract_bit(l, insn, rs2(l, insn));
}

void riscv64_lower_bexti(struct lower *l, const struct riscv_insn *insn)
{
    extract_bit(l, insn, lower_imm(l, insn));
}

/* --- Zicond --- */

static void zero_if(struct lower *l, const struct riscv_insn *insn, enum ir_cond cond)
{
    ir_ref zero = ir_i64(l->ir, 0);
    lower_set_x(l, insn->rd,
                ir_select(l->ir, cond, rs2(l, insn), zero, IR_I64, zero, rs1(l, insn)));
}

void riscv64_lower_czero_eqz(struct lower *l, const struct riscv_insn *insn)
{
    zero_if(l, insn, IR_EQ);
}

void riscv64_lower_czero_nez(struct lower *l, const struct riscv_insn *insn)
{
    zero_if(l, insn, IR_NE);
}

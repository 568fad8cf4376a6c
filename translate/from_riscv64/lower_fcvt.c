/* F and D conversions. A conversion that is always exact still has an rm field, and a reserved
 * value in it is still illegal. IR saturates as RISC-V does. */
#include "translate/from_riscv64/lower_fp.h"

/* --- float to integer --- */

static void to_integer(struct lower *l, const struct riscv_insn *insn, enum ir_type type,
                       bool is_unsigned)
{
    enum ir_round round;
    if (!lower_rounding(l, insn, &round)) {
        return;
    }
    ir_ref value = ir_fp(l->ir, IR_FCVT_FI, type, is_unsigned, round,
                         lower_get_f(l, insn, insn->rs1), IR_REF_NONE, IR_REF_NONE);
    if (type == IR_I32) {
        lower_set_w(l, insn->rd, value); /* also fcvt.wu: its result is sign-extended */
    } else {
        lower_set_x(l, insn->rd, value);
    }
}

void riscv64_lower_fcvt_w_f(struct lower *l, const struct riscv_insn *insn)
{
    to_integer(l, insn, IR_I32, false);
}

void riscv64_lower_fcvt_wu_f(struct lower *l, const struct riscv_insn *insn)
{
    to_integer(l, insn, IR_I32, true);
}

void riscv64_lower_fcvt_l_f(struct lower *l, const struct riscv_insn *insn)
{
    to_integer(l, insn, IR_I64, false);
}

void riscv64_lower_fcvt_lu_f(struct lower *l, const struct riscv_insn *insn)
{
    to_integer(l, insn, IR_I64, true);
}

/* --- integer to float --- */

static void from_integer(struct lower *l, const struct riscv_insn *insn, ir_ref value,
                         bool is_unsigned)
{
    enum ir_round round;
    if (lower_rounding(l, insn, &round)) {
        lower_set_f(l, insn,
                    ir_fp(l->ir, IR_FCVT_IF, lower_f_type(insn), is_unsigned, round, value,
                          IR_REF_NONE, IR_REF_NONE));
    }
}

void riscv64_lower_fcvt_f_w(struct lower *l, const struct riscv_insn *insn)
{
    from_integer(l, insn, lower_get_w(l, insn->rs1), false);
}

void riscv64_lower_fcvt_f_wu(struct lower *l, const struct riscv_insn *insn)
{
    from_integer(l, insn, lower_get_w(l, insn->rs1), true);
}

void riscv64_lower_fcvt_f_l(struct lower *l, const struct riscv_insn *insn)
{
    from_integer(l, insn, lower_get_x(l, insn->rs1), false);
}

void riscv64_lower_fcvt_f_lu(struct lower *l, const struct riscv_insn *insn)
{
    from_integer(l, insn, lower_get_x(l, insn->rs1), true);
}

/* --- between precisions; fmt names the result's --- */

void riscv64_lower_fcvt_s_d(struct lower *l, const struct riscv_insn *insn)
{
    enum ir_round round;
    if (lower_rounding(l, insn, &round)) {
        ir_ref value = lower_get_double(l, insn->rs1);
        lower_set_single(l, insn->rd, ir_fp(l->ir, IR_FCVT_FF, IR_F32, 0, round, value,
                                            IR_REF_NONE, IR_REF_NONE));
    }
}

void riscv64_lower_fcvt_d_s(struct lower *l, const struct riscv_insn *insn)
{
    enum ir_round round;
    if (lower_rounding(l, insn, &round)) {
        ir_ref value = lower_get_single(l, insn->rs1);
        lower_set_f(l, insn,
                    ir_fp(l->ir, IR_FCVT_FF, IR_F64, 0, round, value, IR_REF_NONE, IR_REF_NONE));
    }
}

/* F and D. One function serves both precisions: the operand `fmt` says which. IR floating point has
 * RISC-V's NaNs and flags (ir.def). That FP state is off or clean is front.c's affair. */
#include "translate/from_riscv64/lower_fp.h"

/* --- rounding --- */

enum { RM_DYNAMIC = 7 };

/* frm's RMM is the one legal dynamic mode outside the host's four: the block mode tells of it, and
 * it is a static rounding from here on. The other way, an instruction's own RNE is dynamic while
 * frm is that: compilers at run time (Java's, JavaScript's) write RNE in every instruction, and
 * changing the host's mode around each takes ten times as long as the instruction. */
bool lower_rounding(struct lower *l, const struct riscv_insn *insn, enum ir_round *round)
{
    bool dynamic = insn->rm == RM_DYNAMIC;
    bool reserved = insn->rm == 5 || insn->rm == 6;
    if (reserved || (dynamic && (l->mode & RISCV_MODE_FRM_BAD) != 0)) {
        lower_end_illegal(l, insn);
        return false;
    }
    if (insn->rm == RISCV_FRM_RNE && (l->mode & RISCV_MODE_FRM_OTHER) == 0) {
        *round = IR_ROUND_DYN;
    } else if (!dynamic) {
        *round = (enum ir_round)insn->rm;
    } else {
        *round = (l->mode & RISCV_MODE_FRM_SLOW) != 0 ? IR_ROUND_RMM : IR_ROUND_DYN;
    }
    return true;
}

/* --- loads and stores --- */

void riscv64_lower_fp_load(struct lower *l, const struct riscv_insn *insn)
{
    ir_ref address = lower_address(l, insn);
    unsigned mem = insn->fmt == 0 ? IR_MEM_32 : IR_MEM_64;
    lower_set_f(l, insn, ir_load(l->ir, lower_f_type(insn), mem, address));
}

void riscv64_lower_fp_store(struct lower *l, const struct riscv_insn *insn)
{
    ir_ref address = lower_address(l, insn);
    if (insn->fmt == 0) {
        ir_store(l->ir, IR_MEM_32, address,
                 ir_op1(l->ir, IR_TRUNC, IR_I32, 0, lower_get_f_image(l, insn->rs2)));
    } else {
        ir_store(l->ir, IR_MEM_64, address, lower_get_double(l, insn->rs2));
    }
}

/* --- arithmetic --- */

static void arithmetic(struct lower *l, const struct riscv_insn *insn, enum ir_op op)
{
    enum ir_round round;
    if (!lower_rounding(l, insn, &round)) {
        return;
    }
    ir_ref a = lower_get_f(l, insn, insn->rs1), b = lower_get_f(l, insn, insn->rs2);
    lower_set_f(l, insn, ir_fp(l->ir, op, lower_f_type(insn), 0, round, a, b, IR_REF_NONE));
}

void riscv64_lower_fadd(struct lower *l, const struct riscv_insn *insn)
{
    arithmetic(l, insn, IR_FADD);
}

void riscv64_lower_fsub(struct lower *l, const struct riscv_insn *insn)
{
    arithmetic(l, insn, IR_FSUB);
}

void riscv64_lower_fmul(struct lower *l, const struct riscv_insn *insn)
{
    arithmetic(l, insn, IR_FMUL);
}

void riscv64_lower_fdiv(struct lower *l, const struct riscv_insn *insn)
{
    arithmetic(l, insn, IR_FDIV);
}

void riscv64_lower_fsqrt(struct lower *l, const struct riscv_insn *insn)
{
    enum ir_round round;
    if (lower_rounding(l, insn, &round)) {
        ir_ref a = lower_get_f(l, insn, insn->rs1);
        lower_set_f(l, insn,
              ir_fp(l->ir, IR_FSQRT, lower_f_type(insn), 0, round, a, IR_REF_NONE, IR_REF_NONE));
    }
}

static ir_ref negate_if(struct lower *l, const struct riscv_insn *insn, bool negate, ir_ref value)
{
    return negate ? ir_op1(l->ir, IR_FNEG, lower_f_type(insn), 0, value) : value;
}

/* (+/- rs1) * rs2 (+/-) rs3: -(a*b) is (-a)*b, exactly. */
static void multiply_add(struct lower *l, const struct riscv_insn *insn, bool negate_product,
                         bool negate_addend)
{
    enum ir_round round;
    if (!lower_rounding(l, insn, &round)) {
        return;
    }
    ir_ref a = negate_if(l, insn, negate_product, lower_get_f(l, insn, insn->rs1));
    ir_ref b = lower_get_f(l, insn, insn->rs2);
    ir_ref c = negate_if(l, insn, negate_addend, lower_get_f(l, insn, insn->rs3));
    lower_set_f(l, insn, ir_fp(l->ir, IR_FMADD, lower_f_type(insn), 0, round, a, b, c));
}

void riscv64_lower_fmadd(struct lower *l, const struct riscv_insn *insn)
{
    multiply_add(l, insn, false, false);
}

void riscv64_lower_fmsub(struct lower *l, const struct riscv_insn *insn)
{
    multiply_add(l, insn, false, true);
}

void riscv64_lower_fnmsub(struct lower *l, const struct riscv_insn *insn)
{
    multiply_add(l, insn, true, false);
}

void riscv64_lower_fnmadd(struct lower *l, const struct riscv_insn *insn)
{
    multiply_add(l, insn, true, true);
}

/* --- without rounding --- */

static void two_operands(struct lower *l, const struct riscv_insn *insn, enum ir_op op,
                         unsigned sub)
{
    ir_ref a = lower_get_f(l, insn, insn->rs1), b = lower_get_f(l, insn, insn->rs2);
    ir_ref value = ir_fp(l->ir, op, lower_f_type(insn), sub, IR_ROUND_RNE, a, b, IR_REF_NONE);
    lower_set_f(l, insn, value);
}

static void compare(struct lower *l, const struct riscv_insn *insn, unsigned sub)
{
    ir_ref a = lower_get_f(l, insn, insn->rs1), b = lower_get_f(l, insn, insn->rs2);
    lower_set_x(l, insn->rd,
                ir_fp(l->ir, IR_FCMP, lower_f_type(insn), sub, IR_ROUND_RNE, a, b, IR_REF_NONE));
}

void riscv64_lower_fsgnj(struct lower *l, const struct riscv_insn *insn)
{
    two_operands(l, insn, IR_FSGNJ, 0);
}

void riscv64_lower_fsgnjn(struct lower *l, const struct riscv_insn *insn)
{
    two_operands(l, insn, IR_FSGNJ, 1);
}

void riscv64_lower_fsgnjx(struct lower *l, const struct riscv_insn *insn)
{
    two_operands(l, insn, IR_FSGNJ, 2);
}

void riscv64_lower_fmin(struct lower *l, const struct riscv_insn *insn)
{
    two_operands(l, insn, IR_FMIN, 0);
}

void riscv64_lower_fmax(struct lower *l, const struct riscv_insn *insn)
{
    two_operands(l, insn, IR_FMAX, 0);
}

void riscv64_lower_feq(struct lower *l, const struct riscv_insn *insn)
{
    compare(l, insn, 0);
}

void riscv64_lower_flt(struct lower *l, const struct riscv_insn *insn)
{
    compare(l, insn, 1);
}

void riscv64_lower_fle(struct lower *l, const struct riscv_insn *insn)
{
    compare(l, insn, 2);
}

void riscv64_lower_fclass(struct lower *l, const struct riscv_insn *insn)
{
    ir_ref value = lower_get_f(l, insn, insn->rs1);
    lower_set_x(l, insn->rd, ir_op1(l->ir, IR_FCLASS, lower_f_type(insn), 0, value));
}

/* --- bits as they are --- */

void riscv64_lower_fmv_x_w(struct lower *l, const struct riscv_insn *insn)
{
    ir_ref image = lower_get_f_image(l, insn->rs1);
    lower_set_x(l, insn->rd, ir_op1(l->ir, IR_SEXT, IR_I64, 32, image));
}

void riscv64_lower_fmv_w_x(struct lower *l, const struct riscv_insn *insn)
{
    lower_set_single(l, insn->rd, ir_op1(l->ir, IR_FBITS, IR_F32, 0, lower_get_w(l, insn->rs1)));
}

void riscv64_lower_fmv_x_d(struct lower *l, const struct riscv_insn *insn)
{
    lower_set_x(l, insn->rd, lower_get_f_image(l, insn->rs1));
}

void riscv64_lower_fmv_d_x(struct lower *l, const struct riscv_insn *insn)
{
    lower_set_f_image(l, insn->rd, lower_get_x(l, insn->rs1));
}

/* F and D: f registers as IR values, and rounding. Private to lower_rvf.c and lower_fcvt.c.
 *
 * An f register is 64 bits of state. A single in it has its upper half all ones (NaN boxing); one
 * that has not reads as the canonical NaN, except where the manual has bits moved as they are
 * (fsw, fmv.x.w). */
#ifndef METIC_TRANSLATE_FROM_RISCV64_LOWER_FP_H
#define METIC_TRANSLATE_FROM_RISCV64_LOWER_FP_H

#include "translate/from_riscv64/lower.h"

static inline u32 lower_f_offset(unsigned number)
{
    return (u32)(offsetof(struct riscv64_state, f) + number * sizeof(u64));
}

/* The 64 bits of an f register as an integer. */
static inline ir_ref lower_get_f_image(struct lower *l, unsigned number)
{
    return ir_get(l->ir, IR_I64, lower_f_offset(number), 8);
}

static inline void lower_set_f_image(struct lower *l, unsigned number, ir_ref value)
{
    ir_set(l->ir, lower_f_offset(number), 8, value);
}

static inline ir_ref lower_get_single(struct lower *l, unsigned number)
{
    return ir_op1(l->ir, IR_FUNBOX, IR_F32, 0, lower_get_f_image(l, number));
}

static inline void lower_set_single(struct lower *l, unsigned number, ir_ref value)
{
    lower_set_f_image(l, number, ir_op1(l->ir, IR_FBOX, IR_I64, 0, value));
}

static inline ir_ref lower_get_double(struct lower *l, unsigned number)
{
    return ir_get(l->ir, IR_F64, lower_f_offset(number), 8);
}

/* The type that fmt names. */
static inline enum ir_type lower_f_type(const struct riscv_insn *insn)
{
    return insn->fmt == 0 ? IR_F32 : IR_F64;
}

static inline ir_ref lower_get_f(struct lower *l, const struct riscv_insn *insn, unsigned number)
{
    return insn->fmt == 0 ? lower_get_single(l, number) : lower_get_double(l, number);
}

static inline void lower_set_f(struct lower *l, const struct riscv_insn *insn, ir_ref value)
{
    if (insn->fmt == 0) {
        lower_set_single(l, insn->rd, value);
    } else {
        ir_set(l->ir, lower_f_offset(insn->rd), 8, value);
    }
}

/* The rounding that the rm field asks for. False, with the block ended, when it is reserved, or
 * dynamic while frm is. */
bool lower_rounding(struct lower *l, const struct riscv_insn *insn, enum ir_round *round);

#endif

/* What each floating-point operation with operands and result of one type computes, and FCLASS: by
 * the exact software functions of cpu/fpu.h, which raise `flags` (FFLAGS bits) and never clear any.
 *
 * Values are bit patterns. `round` is for those that round. */
#ifndef METIC_TRANSLATE_IR_EVAL_FP_H
#define METIC_TRANSLATE_IR_EVAL_FP_H

#include "cpu/fpu.h"
#include "translate/ir/ir.h"

static inline u64 ir_eval_f32(enum ir_op op, u32 a, u32 b, u32 c, enum fpu_round round, u32 *flags)
{
    switch (op) {
    case IR_FADD: return fpu_add_f32(a, b, round, flags);
    case IR_FSUB: return fpu_sub_f32(a, b, round, flags);
    case IR_FMUL: return fpu_mul_f32(a, b, round, flags);
    case IR_FDIV: return fpu_div_f32(a, b, round, flags);
    case IR_FSQRT: return fpu_sqrt_f32(a, round, flags);
    case IR_FMADD: return fpu_fma_f32(a, b, c, round, flags);
    case IR_FMIN: return fpu_min_f32(a, b, flags);
    case IR_FMAX: return fpu_max_f32(a, b, flags);
    default: return fpu_class_f32(a);
    }
}

static inline u64 ir_eval_f64(enum ir_op op, u64 a, u64 b, u64 c, enum fpu_round round, u32 *flags)
{
    switch (op) {
    case IR_FADD: return fpu_add_f64(a, b, round, flags);
    case IR_FSUB: return fpu_sub_f64(a, b, round, flags);
    case IR_FMUL: return fpu_mul_f64(a, b, round, flags);
    case IR_FDIV: return fpu_div_f64(a, b, round, flags);
    case IR_FSQRT: return fpu_sqrt_f64(a, round, flags);
    case IR_FMADD: return fpu_fma_f64(a, b, c, round, flags);
    case IR_FMIN: return fpu_min_f64(a, b, flags);
    case IR_FMAX: return fpu_max_f64(a, b, flags);
    default: return fpu_class_f64(a);
    }
}

#endif

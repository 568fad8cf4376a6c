/* The interpreter's floating point: everything goes to the exact software functions of cpu/fpu.h,
 * with the hart's accumulated flags and, for the dynamic rounding mode, its present one. */
#include "cpu/base/bits.h"
#include "cpu/fpu.h"
#include "cpu/vcpu.h"
#include "translate/ir/ir_eval.h"
#include "translate/ir/ir_interp.h"

static enum fpu_round round_of(const struct interp *run, const struct ir_insn *insn)
{
    return (enum fpu_round)(insn->imm == IR_ROUND_DYN ? run->vcpu->fpu_round : insn->imm);
}

static enum ir_type operand_type(const struct interp *run, const struct ir_insn *insn)
{
    return ir_value_type(&run->insns[insn->a]);
}

/* --- arithmetic: same type in and out --- */

typedef u32 binary_f32_fn(u32 a, u32 b, enum fpu_round round, u32 *flags);
typedef u64 binary_f64_fn(u64 a, u64 b, enum fpu_round round, u32 *flags);

static inline __attribute__((always_inline)) enum ir_exit
arithmetic(struct interp *run, const struct ir_insn *insn, u64 *out, binary_f32_fn *f32,
           binary_f64_fn *f64)
{
    u64 a = run->values[insn->a];
    u64 b = run->values[insn->b];
    u32 *flags = &run->vcpu->fpu_flags;
    enum fpu_round round = round_of(run, insn);
    *out = insn->type == IR_F32 ? f32((u32)a, (u32)b, round, flags) : f64(a, b, round, flags);
    return interp_next(run, insn, out);
}

enum ir_exit interp_FADD(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return arithmetic(run, insn, out, fpu_add_f32, fpu_add_f64);
}

enum ir_exit interp_FSUB(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return arithmetic(run, insn, out, fpu_sub_f32, fpu_sub_f64);
}

enum ir_exit interp_FMUL(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return arithmetic(run, insn, out, fpu_mul_f32, fpu_mul_f64);
}

enum ir_exit interp_FDIV(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return arithmetic(run, insn, out, fpu_div_f32, fpu_div_f64);
}

enum ir_exit interp_FSQRT(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u64 a = run->values[insn->a];
    u32 *flags = &run->vcpu->fpu_flags;
    enum fpu_round round = round_of(run, insn);
    *out = insn->type == IR_F32 ? fpu_sqrt_f32((u32)a, round, flags)
                                : fpu_sqrt_f64(a, round, flags);
    return interp_next(run, insn, out);
}

enum ir_exit interp_FMADD(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u64 a = run->values[insn->a];
    u64 b = run->values[insn->b];
    u64 c = run->values[insn->c];
    u32 *flags = &run->vcpu->fpu_flags;
    enum fpu_round round = round_of(run, insn);
    *out = insn->type == IR_F32 ? fpu_fma_f32((u32)a, (u32)b, (u32)c, round, flags)
                                : fpu_fma_f64(a, b, c, round, flags);
    return interp_next(run, insn, out);
}

enum ir_exit interp_FMIN(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u64 a = run->values[insn->a];
    u64 b = run->values[insn->b];
    u32 *flags = &run->vcpu->fpu_flags;
    *out = insn->type == IR_F32 ? fpu_min_f32((u32)a, (u32)b, flags) : fpu_min_f64(a, b, flags);
    return interp_next(run, insn, out);
}

enum ir_exit interp_FMAX(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u64 a = run->values[insn->a];
    u64 b = run->values[insn->b];
    u32 *flags = &run->vcpu->fpu_flags;
    *out = insn->type == IR_F32 ? fpu_max_f32((u32)a, (u32)b, flags) : fpu_max_f64(a, b, flags);
    return interp_next(run, insn, out);
}

/* --- sign bits, comparison, class --- */

enum ir_exit interp_FNEG(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = run->values[insn->a] ^ (insn->type == IR_F32 ? BIT(31) : BIT(63));
    return interp_next(run, insn, out);
}

enum ir_exit interp_FSGNJ(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = ir_eval_sign((enum ir_type)insn->type, insn->sub, run->values[insn->a],
                        run->values[insn->b]);
    return interp_next(run, insn, out);
}

static bool compare_f32(unsigned kind, u32 a, u32 b, u32 *flags)
{
    switch (kind) {
    case 0: return fpu_eq_f32(a, b, flags);
    case 1: return fpu_lt_f32(a, b, flags);
    default: return fpu_le_f32(a, b, flags);
    }
}

static bool compare_f64(unsigned kind, u64 a, u64 b, u32 *flags)
{
    switch (kind) {
    case 0: return fpu_eq_f64(a, b, flags);
    case 1: return fpu_lt_f64(a, b, flags);
    default: return fpu_le_f64(a, b, flags);
    }
}

enum ir_exit interp_FCMP(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u64 a = run->values[insn->a];
    u64 b = run->values[insn->b];
    u32 *flags = &run->vcpu->fpu_flags;
    *out = insn->type == IR_F32 ? compare_f32(insn->sub, (u32)a, (u32)b, flags)
                                : compare_f64(insn->sub, a, b, flags);
    return interp_next(run, insn, out);
}

enum ir_exit interp_FCLASS(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u64 a = run->values[insn->a];
    *out = insn->type == IR_F32 ? fpu_class_f32((u32)a) : fpu_class_f64(a);
    return interp_next(run, insn, out);
}

/* --- conversions --- */

enum ir_exit interp_FCVT_FF(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u64 a = run->values[insn->a];
    u32 *flags = &run->vcpu->fpu_flags;
    *out = insn->type == IR_F64 ? fpu_f32_to_f64((u32)a, flags)
                                : fpu_f64_to_f32(a, round_of(run, insn), flags);
    return interp_next(run, insn, out);
}

static u64 to_int_32(bool from_f32, bool is_unsigned, u64 a, enum fpu_round round, u32 *flags)
{
    if (from_f32) {
        return is_unsigned ? fpu_f32_to_u32((u32)a, round, flags)
                           : fpu_f32_to_s32((u32)a, round, flags);
    }
    return is_unsigned ? fpu_f64_to_u32(a, round, flags) : fpu_f64_to_s32(a, round, flags);
}

static u64 to_int_64(bool from_f32, bool is_unsigned, u64 a, enum fpu_round round, u32 *flags)
{
    if (from_f32) {
        return is_unsigned ? fpu_f32_to_u64((u32)a, round, flags)
                           : fpu_f32_to_s64((u32)a, round, flags);
    }
    return is_unsigned ? fpu_f64_to_u64(a, round, flags) : fpu_f64_to_s64(a, round, flags);
}

enum ir_exit interp_FCVT_FI(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    bool from_f32 = operand_type(run, insn) == IR_F32;
    bool is_unsigned = (insn->sub & 1) != 0;
    u64 a = run->values[insn->a];
    u32 *flags = &run->vcpu->fpu_flags;
    enum fpu_round round = round_of(run, insn);
    *out = insn->type == IR_I32 ? to_int_32(from_f32, is_unsigned, a, round, flags)
                                : to_int_64(from_f32, is_unsigned, a, round, flags);
    return interp_next(run, insn, out);
}

static u64 to_f32(bool from_i32, bool is_unsigned, u64 a, enum fpu_round round, u32 *flags)
{
    if (from_i32) {
        return is_unsigned ? fpu_u32_to_f32((u32)a, round, flags)
                           : fpu_s32_to_f32((u32)a, round, flags);
    }
    return is_unsigned ? fpu_u64_to_f32(a, round, flags) : fpu_s64_to_f32(a, round, flags);
}

static u64 to_f64(bool from_i32, bool is_unsigned, u64 a, enum fpu_round round, u32 *flags)
{
    if (from_i32) {
        return is_unsigned ? fpu_u32_to_f64((u32)a, round, flags)
                           : fpu_s32_to_f64((u32)a, round, flags);
    }
    return is_unsigned ? fpu_u64_to_f64(a, round, flags) : fpu_s64_to_f64(a, round, flags);
}

enum ir_exit interp_FCVT_IF(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    bool from_i32 = operand_type(run, insn) == IR_I32;
    bool is_unsigned = (insn->sub & 1) != 0;
    u64 a = run->values[insn->a];
    u32 *flags = &run->vcpu->fpu_flags;
    enum fpu_round round = round_of(run, insn);
    *out = insn->type == IR_F32 ? to_f32(from_i32, is_unsigned, a, round, flags)
                                : to_f64(from_i32, is_unsigned, a, round, flags);
    return interp_next(run, insn, out);
}

enum ir_exit interp_FBITS(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = run->values[insn->a];
    return interp_next(run, insn, out);
}

enum ir_exit interp_FUNBOX(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = fpu_unbox_f32(run->values[insn->a]);
    return interp_next(run, insn, out);
}

enum ir_exit interp_FBOX(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = fpu_box_f32((u32)run->values[insn->a]);
    return interp_next(run, insn, out);
}

/* --- the environment --- */

enum ir_exit interp_FENV_FLAGS(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = run->vcpu->fpu_flags;
    return interp_next(run, insn, out);
}

enum ir_exit interp_FENV_SET(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    run->vcpu->fpu_flags = (u32)run->values[insn->a];
    run->vcpu->fpu_round = (u32)run->values[insn->b];
    return interp_next(run, insn, out);
}

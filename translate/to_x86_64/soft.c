/* The exact software routines behind generated code's rare floating-point cases: what THUNK_SOFT_FP
 * calls. Values are bit patterns, F32 in the low half. */
#include "translate/ir/ir_eval_fp.h"
#include "translate/to_x86_64/compile.h"

struct soft_call {
    u64 a, b, c;
    enum fpu_round round;
    u32 flags;
};

static u64 soft_compare(struct soft_call *s, unsigned type, unsigned relation)
{
    if (type == IR_F32) {
        u32 a = (u32)s->a;
        u32 b = (u32)s->b;
        return relation == 0   ? fpu_eq_f32(a, b, &s->flags)
               : relation == 1 ? fpu_lt_f32(a, b, &s->flags)
                               : fpu_le_f32(a, b, &s->flags);
    }
    return relation == 0   ? fpu_eq_f64(s->a, s->b, &s->flags)
           : relation == 1 ? fpu_lt_f64(s->a, s->b, &s->flags)
                           : fpu_le_f64(s->a, s->b, &s->flags);
}

typedef u32 f32_from_i32(u32, enum fpu_round, u32 *);
typedef u32 f32_from_i64(u64, enum fpu_round, u32 *);
typedef u64 f64_from_i32(u32, enum fpu_round, u32 *);
typedef u64 f64_from_i64(u64, enum fpu_round, u32 *);

/* Integer to float and back; [0] signed, [1] unsigned. */
static u64 soft_from_int(struct soft_call *s, unsigned type, unsigned from, unsigned is_unsigned)
{
    static f32_from_i32 *const f32_i32[2] = {fpu_s32_to_f32, fpu_u32_to_f32};
    static f32_from_i64 *const f32_i64[2] = {fpu_s64_to_f32, fpu_u64_to_f32};
    static f64_from_i32 *const f64_i32[2] = {fpu_s32_to_f64, fpu_u32_to_f64};
    static f64_from_i64 *const f64_i64[2] = {fpu_s64_to_f64, fpu_u64_to_f64};
    if (type == IR_F32) {
        return from == IR_I32 ? f32_i32[is_unsigned]((u32)s->a, s->round, &s->flags)
                              : f32_i64[is_unsigned](s->a, s->round, &s->flags);
    }
    return from == IR_I32 ? f64_i32[is_unsigned]((u32)s->a, s->round, &s->flags)
                          : f64_i64[is_unsigned](s->a, s->round, &s->flags);
}

static u64 soft_to_int(struct soft_call *s, unsigned type, unsigned from, unsigned is_unsigned)
{
    static f32_from_i32 *const i32_f32[2] = {fpu_f32_to_s32, fpu_f32_to_u32};
    static f32_from_i64 *const i32_f64[2] = {fpu_f64_to_s32, fpu_f64_to_u32};
    static f64_from_i32 *const i64_f32[2] = {fpu_f32_to_s64, fpu_f32_to_u64};
    static f64_from_i64 *const i64_f64[2] = {fpu_f64_to_s64, fpu_f64_to_u64};
    if (type == IR_I32) {
        return from == IR_F32 ? i32_f32[is_unsigned]((u32)s->a, s->round, &s->flags)
                              : i32_f64[is_unsigned](s->a, s->round, &s->flags);
    }
    return from == IR_F32 ? i64_f32[is_unsigned]((u32)s->a, s->round, &s->flags)
                          : i64_f64[is_unsigned](s->a, s->round, &s->flags);
}

static u64 soft_run(struct soft_call *s, u32 desc)
{
    unsigned op = desc & 0xff;
    unsigned type = desc >> SOFT_TYPE_SHIFT & 15;
    unsigned from = desc >> SOFT_FROM_SHIFT & 15;
    unsigned sub = desc >> SOFT_SUB_SHIFT & 0xff;
    switch (op) {
    case IR_FCMP:
        return soft_compare(s, type, sub);
    case IR_FCVT_FF:
        return type == IR_F64 ? fpu_f32_to_f64((u32)s->a, &s->flags)
                              : fpu_f64_to_f32(s->a, s->round, &s->flags);
    case IR_FCVT_FI:
        return soft_to_int(s, type, from, sub & 1);
    case IR_FCVT_IF:
        return soft_from_int(s, type, from, sub & 1);
    default:
        return type == IR_F32 ? ir_eval_f32((enum ir_op)op, (u32)s->a, (u32)s->b, (u32)s->c,
                                            s->round, &s->flags)
                              : ir_eval_f64((enum ir_op)op, s->a, s->b, s->c, s->round, &s->flags);
    }
}

u64 soft_fp(const struct vcpu *vcpu, u64 *args, u32 desc)
{
    unsigned round = desc >> SOFT_ROUND_SHIFT & 7;
    if (round == IR_ROUND_DYN) {
        round = vcpu->fpu_round;
    }
    struct soft_call s = {args[0], args[1], args[2], (enum fpu_round)round, 0};
    u64 result = soft_run(&s, desc);
    args[3] = s.flags;
    return result;
}

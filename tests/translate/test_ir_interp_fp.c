/* The interpreter's floating point: that each operation reaches its function, with rounding and
 * flags. */
#include "cpu/fpu.h"
#include "tests/translate/ir_interp_hart.h"

TestSuite(ir_interp, .init = setup, .fini = teardown);

static u64 f64_bits(double value)
{
    u64 bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static u64 f32_bits(float value)
{
    u32 bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

struct float_case {
    u8 op, sub;
    double a, b, c, expected;
};

static const struct float_case float_cases[] = {
    {IR_FADD, 0, 1.5, 2.25, 0, 3.75},    {IR_FSUB, 0, 1.5, 2.25, 0, -0.75},
    {IR_FMUL, 0, 1.5, -2.0, 0, -3.0},    {IR_FDIV, 0, 1.0, 4.0, 0, 0.25},
    {IR_FSQRT, 0, 6.25, 0, 0, 2.5},      {IR_FMADD, 0, 2.0, 3.0, 0.5, 6.5},
    {IR_FMIN, 0, -0.0, 0.0, 0, -0.0},    {IR_FMAX, 0, -0.0, 0.0, 0, 0.0},
    {IR_FNEG, 0, 1.0, 0, 0, -1.0},       {IR_FSGNJ, 0, 1.0, -2.0, 0, -1.0},
    {IR_FSGNJ, 1, 1.0, -2.0, 0, 1.0},    {IR_FSGNJ, 2, -1.0, -2.0, 0, 1.0},
};

static void check_float(const struct float_case *c, enum ir_type type)
{
    bool single = type == IR_F32;
    hart_init(&hart);
    hart.in[0] = single ? f32_bits((float)c->a) : f64_bits(c->a);
    hart.in[1] = single ? f32_bits((float)c->b) : f64_bits(c->b);
    hart.in[2] = single ? f32_bits((float)c->c) : f64_bits(c->c);
    begin();
    unsigned args = ir_op_info[c->op].args;
    out(0, ir_fp(ir, (enum ir_op)c->op, type, c->sub, IR_ROUND_RNE, in(0, type),
                 args > 1 ? in(1, type) : IR_REF_NONE, args > 2 ? in(2, type) : IR_REF_NONE));
    run_to_jump();
    cr_assert_eq(hart.out[0], single ? f32_bits((float)c->expected) : f64_bits(c->expected),
                 "%s.%u type %u: %llx", ir_op_info[c->op].text, c->sub, type,
                 (unsigned long long)hart.out[0]);
    cr_assert_eq(hart.vcpu.fpu_flags, 0);
}

Test(ir_interp, float_operations)
{
    for (unsigned i = 0; i < ARRAY_LEN(float_cases); i++) {
        check_float(&float_cases[i], IR_F32);
        check_float(&float_cases[i], IR_F64);
    }
}

static u64 convert(enum ir_op op, enum ir_type to, unsigned sub, enum ir_round round,
                   enum ir_type from, u64 value)
{
    hart.in[0] = value;
    hart.out[0] = 0;
    begin();
    out(0, ir_fp(ir, op, to, sub, round, in(0, from), IR_REF_NONE, IR_REF_NONE));
    run_to_jump();
    return hart.out[0];
}

Test(ir_interp, conversions)
{
    u64 d = f64_bits(-2.5);
    u64 s = f32_bits(-2.5F);
    cr_assert_eq(convert(IR_FCVT_FF, IR_F32, 0, IR_ROUND_RNE, IR_F64, d), s);
    cr_assert_eq(convert(IR_FCVT_FF, IR_F64, 0, IR_ROUND_RNE, IR_F32, s), d);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I64, 0, IR_ROUND_RTZ, IR_F64, d), (u64)-2);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I64, 0, IR_ROUND_RDN, IR_F32, s), (u64)-3);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I32, 0, IR_ROUND_RMM, IR_F64, d), (u32)-3);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I32, 0, IR_ROUND_RUP, IR_F32, s), (u32)-2);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I64, 1, IR_ROUND_RTZ, IR_F64, d), 0);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I32, 1, IR_ROUND_RTZ, IR_F32, f32_bits(3e9F)),
                 3000000000u);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I32, 1, IR_ROUND_RTZ, IR_F64, f64_bits(1e20)), ONES32);
    cr_assert_eq(convert(IR_FCVT_IF, IR_F64, 0, IR_ROUND_RNE, IR_I32, ONES32), f64_bits(-1.0));
    cr_assert_eq(convert(IR_FCVT_IF, IR_F64, 1, IR_ROUND_RNE, IR_I32, ONES32),
                 f64_bits(4294967295.0));
    cr_assert_eq(convert(IR_FCVT_IF, IR_F32, 0, IR_ROUND_RNE, IR_I64, ONES64), f32_bits(-1.0F));
    cr_assert_eq(convert(IR_FCVT_IF, IR_F32, 1, IR_ROUND_RNE, IR_I64, BIT(63)),
                 f32_bits(9223372036854775808.0F));
    cr_assert_eq(convert(IR_FCVT_IF, IR_F64, 1, IR_ROUND_RNE, IR_I64, BIT(63)),
                 f64_bits(9223372036854775808.0));
}

static u64 compared(unsigned kind, enum ir_type type, u64 a, u64 b)
{
    hart.in[0] = a;
    hart.in[1] = b;
    begin();
    out(0, ir_op2(ir, IR_FCMP, type, kind, in(0, type), in(1, type)));
    run_to_jump();
    return hart.out[0];
}

Test(ir_interp, float_comparison_and_class)
{
    u64 one_bits = f64_bits(1.0);
    u64 two_bits = f64_bits(2.0);
    cr_assert_eq(compared(0, IR_F64, one_bits, one_bits), 1);
    cr_assert_eq(compared(1, IR_F64, one_bits, two_bits), 1);
    cr_assert_eq(compared(1, IR_F64, one_bits, one_bits), 0);
    cr_assert_eq(compared(2, IR_F64, one_bits, one_bits), 1);
    cr_assert_eq(compared(2, IR_F32, f32_bits(3), f32_bits(2)), 0);
    cr_assert_eq(compared(0, IR_F64, FPU_NAN_F64, one_bits), 0);
    cr_assert_eq(hart.vcpu.fpu_flags, 0);
    cr_assert_eq(compared(1, IR_F64, FPU_NAN_F64, one_bits), 0);
    cr_assert_eq(hart.vcpu.fpu_flags, FPU_NV);
    begin();
    hart.in[0] = FPU_NAN_F32;
    out(0, ir_op1(ir, IR_FCLASS, IR_F32, 0, in(0, IR_F32)));
    run_to_jump();
    cr_assert_eq(hart.out[0], FPU_CLASS_QNAN);
}

Test(ir_interp, boxes)
{
    hart.in[0] = 0xffffffff3f800000;
    hart.in[1] = 0x3f800000;
    ir_ref good = ir_op1(ir, IR_FUNBOX, IR_F32, 0, in(0, IR_I64));
    ir_ref bad = ir_op1(ir, IR_FUNBOX, IR_F32, 0, in(1, IR_I64));
    out(0, good);
    out(1, bad);
    out(2, ir_op1(ir, IR_FBOX, IR_I64, 0, in(1, IR_F32)));
    run_to_jump();
    cr_assert_eq(hart.out[0], 0x3f800000);
    cr_assert_eq(hart.out[1], FPU_NAN_F32);
    cr_assert_eq(hart.out[2], 0xffffffff3f800000);
}

Test(ir_interp, rounding_and_flags)
{
    hart.in[0] = f64_bits(1.0);
    hart.in[1] = f64_bits(3.0);
    hart.vcpu.fpu_flags = FPU_DZ;
    ir_ref down = ir_fp(ir, IR_FDIV, IR_F64, 0, IR_ROUND_RDN, in(0, IR_F64), in(1, IR_F64),
                        IR_REF_NONE);
    ir_ref flags = ir_fenv_flags(ir);
    ir_fenv_set(ir, ir_i64(ir, 0), ir_i64(ir, FPU_RUP));
    ir_ref up = ir_fp(ir, IR_FDIV, IR_F64, 0, IR_ROUND_DYN, in(0, IR_F64), in(1, IR_F64),
                      IR_REF_NONE);
    out(0, down);
    out(1, up);
    out(2, flags);
    run_to_jump();
    cr_assert_eq(hart.out[1], hart.out[0] + 1);
    cr_assert_eq(hart.out[2], FPU_DZ | FPU_NX);
    cr_assert_eq(hart.vcpu.fpu_flags, FPU_NX);
    cr_assert_eq(hart.vcpu.fpu_round, FPU_RUP);
}

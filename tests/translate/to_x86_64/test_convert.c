/* Conversions between floats and integers in every rounding mode, of an instruction's own and the
 * dynamic one, at the ends of all ranges and beside them: values and flags are the interpreter's.
 * Then flags that are read and put back. */
#include "tests/support/rig_pair.h"

#include <math.h>

enum { START = 0x100, RANDOM_VALUES = 64 };

TestSuite(convert, .init = rig_pair_setup, .fini = rig_pair_teardown);

static const enum ir_round rounds[] = {
    IR_ROUND_RNE, IR_ROUND_RTZ, IR_ROUND_RDN, IR_ROUND_RUP, IR_ROUND_RMM, IR_ROUND_DYN,
};

/* What is in x10 or f10 becomes x11 or f11. */
struct conversion {
    enum ir_op op;
    enum ir_type from, to;
    bool is_unsigned;
    enum ir_round round;
};

static ir_ref source(const struct conversion *how)
{
    switch (how->from) {
    case IR_F64: return ir_get(rig->ir, IR_F64, RIG_F(10), 8);
    case IR_F32:
        return ir_op1(rig->ir, IR_FUNBOX, IR_F32, 0, ir_get(rig->ir, IR_I64, RIG_F(10), 8));
    case IR_I32: return ir_op1(rig->ir, IR_TRUNC, IR_I32, 0, x(10));
    default: return x(10);
    }
}

static void set_result(const struct conversion *how, ir_ref value)
{
    switch (how->to) {
    case IR_F64: ir_set(rig->ir, RIG_F(11), 8, value); break;
    case IR_F32:
        ir_set(rig->ir, RIG_F(11), 8, ir_op1(rig->ir, IR_FBOX, IR_I64, 0, value));
        break;
    case IR_I32:
        ir_set(rig->ir, RIG_X(11), 8, ir_op1(rig->ir, IR_SEXT, IR_I64, 32, value));
        break;
    default: ir_set(rig->ir, RIG_X(11), 8, value); break;
    }
}

static const u8 *finish(u32 flags)
{
    ir_jump(rig->ir, START + 0x40);
    const u8 *code = rig_compile(rig, flags, NULL);
    cr_assert_not_null(code);
    return code;
}

static const u8 *compile(const struct conversion *how, u32 flags)
{
    ir_reset(rig->ir, &rig_guest);
    ir_begin_insn(rig->ir, START, 4);
    set_result(how, ir_fp(rig->ir, how->op, how->to, how->is_unsigned, how->round, source(how),
                          IR_REF_NONE, IR_REF_NONE));
    return finish(flags);
}

/* Runs both ways from `flags` and a dynamic mode. */
static void run(const u8 *code, u64 value, u32 flags, u32 dynamic)
{
    struct rig_hart *host = rig->hart[1];
    host->x[10] = host->f[10] = value;
    host->x[11] = host->f[11] = host->x[12] = 77;
    host->vcpu.fpu_flags = flags;
    host->vcpu.fpu_round = dynamic;
    host->vcpu.insns = 1000;
    host->vcpu.pc_page = RIG_PC_PAGE;
    host->vcpu.deadline = ~(u64)0;
    rig_copy(spare->hart[0], host);
    cr_assert_eq(rig->context.enter(&host->vcpu, code), IR_EXIT_JUMP);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
}

static void compare(const struct conversion *how, u64 value)
{
    const struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    cr_assert(host->x[11] == interp->x[11] && host->f[11] == interp->f[11] &&
                  host->vcpu.fpu_flags == interp->vcpu.fpu_flags,
              "op %u from %u to %u unsigned %u round %u of %llx: x %llx, not %llx; f %llx, not "
              "%llx; flags %x, not %x", how->op, how->from, how->to, how->is_unsigned, how->round,
              (unsigned long long)value, (unsigned long long)host->x[11],
              (unsigned long long)interp->x[11], (unsigned long long)host->f[11],
              (unsigned long long)interp->f[11], host->vcpu.fpu_flags, interp->vcpu.fpu_flags);
}

static void check(const struct conversion *how, const u64 *values, unsigned count)
{
    bool dynamic = how->round == IR_ROUND_DYN;
    const u8 *code = compile(how, HOST_DYN_ROUNDING);
    for (unsigned n = 0; n < count; n++) {
        for (u32 mode = IR_ROUND_RNE; mode <= IR_ROUND_RUP; mode += dynamic ? 1 : 2) {
            run(code, values[n], 0, mode);
            compare(how, values[n]);
        }
    }
    code = compile(how, 0); /* what the dynamic mode is, is not MXCSR's */
    for (unsigned n = 0; n < count && dynamic; n++) {
        run(code, values[n], 0, IR_ROUND_RMM);
        compare(how, values[n]);
    }
}

/* --- values --- */

static const double whole[] = {
    0, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 3.5, 1e-310, 0x1p23, 0x1p24, 0x1p31, 0x1p32, 0x1p52, 0x1p53,
    0x1p62, 0x1p63, 0x1p64, 1e300, INFINITY, 2147483646.5, 2147483647, 2147483647.5, 2147483648.5,
    4294967294.5, 4294967295, 4294967295.5, 4503599627370495.5, 0.49999999999999994,
};
enum { VALUES_MAX = ARRAY_LEN(whole) * 6 + RANDOM_VALUES + 4 };

static u64 image_of(double value, enum ir_type type)
{
    union { double d; u64 u; } wide = {value};
    union { float f; u32 u; } narrow = {(float)value};
    return type == IR_F64 ? wide.u : narrow.u;
}

/* Images of each value, the ones below and above it, and the same with the sign changed. */
static unsigned float_values(enum ir_type type, u64 *values)
{
    const u64 sign = type == IR_F64 ? (u64)1 << 63 : (u64)1 << 31;
    const u64 box = type == IR_F64 ? 0 : (u64)0xffffffff << 32;
    unsigned count = 0;
    for (unsigned n = 0; n < ARRAY_LEN(whole); n++) {
        u64 image = image_of(whole[n], type);
        for (u64 beside = image - (image != 0); beside <= image + 1; beside++) {
            values[count++] = beside | box;
            values[count++] = beside | sign | box;
        }
    }
    values[count++] = type == IR_F64 ? 0x7ff8000000000000u : box | 0x7fc00000u;
    values[count++] = type == IR_F64 ? 0x7ff0000000000001u : box | 0x7f800001u; /* signalling */
    values[count++] = 0x3f800000u; /* no box */
    u64 random = 1;
    for (unsigned n = 0; n < RANDOM_VALUES; n++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        u64 exponent = type == IR_F64 ? 1023 + random % 66 : 127 + random % 66;
        values[count++] = type == IR_F64 ? random >> 12 | exponent << 52 | (random & 256) << 55
                                         : box | random >> 41 | exponent << 23 |
                                               (random & 256) << 23;
    }
    return count;
}

static unsigned int_values(u64 *values)
{
    static const unsigned bits[] = {0, 1, 8, 23, 24, 25, 31, 32, 52, 53, 54, 62, 63};
    unsigned count = 0;
    for (unsigned n = 0; n < ARRAY_LEN(bits); n++) {
        for (u64 beside = 0; beside < 5; beside++) {
            u64 value = ((u64)1 << bits[n]) + beside - 2;
            values[count++] = value;
            values[count++] = 0 - value;
        }
    }
    return count;
}

/* --- tests --- */

Test(convert, floats_to_integers)
{
    u64 values[VALUES_MAX];
    for (unsigned k = 0; k < 8 * ARRAY_LEN(rounds); k++) {
        const struct conversion how = {
            .op = IR_FCVT_FI, .from = k & 1 ? IR_F32 : IR_F64, .to = k & 2 ? IR_I32 : IR_I64,
            .is_unsigned = k & 4, .round = rounds[k / 8],
        };
        check(&how, values, float_values(how.from, values));
        rig_reset(rig);
    }
}

Test(convert, integers_to_floats)
{
    u64 values[VALUES_MAX];
    for (unsigned k = 0; k < 8 * ARRAY_LEN(rounds); k++) {
        const struct conversion how = {
            .op = IR_FCVT_IF, .from = k & 1 ? IR_I32 : IR_I64, .to = k & 2 ? IR_F32 : IR_F64,
            .is_unsigned = k & 4, .round = rounds[k / 8],
        };
        check(&how, values, int_values(values));
        rig_reset(rig);
    }
}

Test(convert, floats_to_floats)
{
    u64 values[VALUES_MAX];
    for (unsigned k = 0; k < 2 * ARRAY_LEN(rounds); k++) {
        const struct conversion how = {
            .op = IR_FCVT_FF, .from = k & 1 ? IR_F32 : IR_F64, .to = k & 1 ? IR_F64 : IR_F32,
            .round = rounds[k / 2],
        };
        check(&how, values, float_values(how.from, values));
        rig_reset(rig);
    }
}

/* As floor() does it, and the flags of before are there again, or were there all the time. */
Test(convert, flags_put_back)
{
    u64 values[VALUES_MAX];
    unsigned count = float_values(IR_F64, values);
    ir_reset(rig->ir, &rig_guest);
    ir_begin_insn(rig->ir, START, 4);
    ir_ref before = ir_fenv_flags(rig->ir);
    ir_ref down = ir_fp(rig->ir, IR_FCVT_FI, IR_I64, 0, IR_ROUND_RDN,
                        ir_get(rig->ir, IR_F64, RIG_F(10), 8), IR_REF_NONE, IR_REF_NONE);
    ir_set(rig->ir, RIG_X(11), 8, down);
    ir_set(rig->ir, RIG_X(12), 8, ir_fenv_flags(rig->ir));
    ir_fenv_set(rig->ir, before, x(13));
    ir_set(rig->ir, RIG_F(11), 8,
           ir_fp(rig->ir, IR_FCVT_IF, IR_F64, 0, IR_ROUND_DYN, x(14), IR_REF_NONE, IR_REF_NONE));
    const u8 *code = finish(HOST_DYN_ROUNDING);
    const struct conversion how = {.op = IR_FENV_SET};
    for (unsigned n = 0; n < count; n++) {
        for (u32 k = 0; k < 4; k++) {
            rig->hart[1]->x[13] = k & 1 ? IR_ROUND_RUP : IR_ROUND_RNE;
            rig->hart[1]->x[14] = 0x7ffffffffffffffe;
            run(code, values[n], k & 2 ? 17 : 0, IR_ROUND_RNE);
            compare(&how, values[n]);
            cr_assert_eq(rig->hart[1]->x[12], rig->hart[0]->x[12]);
            cr_assert_eq(rig->hart[1]->vcpu.fpu_round, rig->hart[0]->vcpu.fpu_round);
        }
    }
}

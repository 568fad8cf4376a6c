/*
 * Random operands through cpu/fpu.h and through the host's floating-point unit, in the four
 * rounding modes <fenv.h> knows: results and flags must agree. A NaN of the host's stands for the
 * canonical one. Where IEEE 754 leaves the host a choice (fma(inf, 0, quiet NaN), conversion of
 * what does not fit), the expectation is put right here, with the reason beside it.
 */
#include <criterion/criterion.h>
#include <fenv.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cpu/fpu.h"

#define ROUNDS 100000 /* operands per operation and rounding mode */

static const int HOST_ROUND[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};

/* xorshift64*; the seed is fixed, so a failure repeats. */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Encodings that meet: exponents close together or at the ends, fractions with long runs. */
static uint64_t random_f64(uint64_t *state)
{
    uint64_t r = random_next(state);
    uint64_t frac = random_next(state) & UINT64_C(0x000fffffffffffff);
    uint64_t exp = r >> 52 & 0x7ff;

    switch (r & 7) {
    case 0: exp = 0; break;
    case 1: exp = 0x7ff; break;
    case 2: exp = exp & 0x3f; break;
    case 3: exp = 0x7fe - (exp & 0x1f); break;
    case 4: case 5: exp = 0x3ff - 70 + exp % 140; break;
    default: break;
    }
    switch (r >> 3 & 7) {
    case 0: frac = 0; break;
    case 1: frac = frac >> (r >> 6 & 0x3f) % 52; break;
    case 2: frac = (frac << (r >> 6 & 0x3f) % 52) & UINT64_C(0x000fffffffffffff); break;
    case 3: frac ^= UINT64_C(0x000fffffffffffff) >> (r >> 6 & 0x3f) % 52; break;
    case 4: frac = UINT64_C(1) << (r >> 6 & 0x3f) % 52; break;
    default: break;
    }
    return (r & UINT64_C(1) << 63) | exp << 52 | frac;
}

static uint32_t random_f32(uint64_t *state)
{
    uint64_t d = random_f64(state);
    uint32_t exp = (uint32_t)(d >> 52 & 0x7ff);
    uint32_t near = exp < 0x3ff - 70 ? exp & 0x1f : exp > 0x3ff + 70 ? 0xff - (exp & 0x1f) : 0;

    exp = exp == 0x7ff ? 0xff : near != 0 || exp == 0 ? near : 0x7f + exp - 0x3ff;
    return (uint32_t)(d >> 32 & 0x80000000) | exp << 23 | (uint32_t)(d >> 29 & 0x7fffff);
}

static double as_f64(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static float as_f32(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_f64(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return value == value ? bits : FPU_NAN_F64;
}

static uint32_t bits_f32(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return value == value ? bits : FPU_NAN_F32;
}

static uint32_t host_flags(void)
{
    int raised = fetestexcept(FE_ALL_EXCEPT);

    return (uint32_t)((raised & FE_INEXACT ? FPU_NX : 0) | (raised & FE_UNDERFLOW ? FPU_UF : 0) |
                      (raised & FE_OVERFLOW ? FPU_OF : 0) | (raised & FE_DIVBYZERO ? FPU_DZ : 0) |
                      (raised & FE_INVALID ? FPU_NV : 0));
}

/* The operations that <math.h> and C have too. Those of fewer operands ignore the rest. */
enum op { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_SQRT, OP_FMA, OP_RINT, OP_COUNT };

/* Volatile keeps the operation between the calls that set the mode and read the flags, and rint a
 * call: what gcc puts in its place ignores the mode. */
static uint64_t host_f64(enum op op, const uint64_t *in)
{
    volatile double a = as_f64(in[0]), b = as_f64(in[1]), c = as_f64(in[2]);
    volatile double result = 0;
    double (*volatile round_in_mode)(double) = rint;

    switch (op) {
    case OP_ADD: result = a + b; break;
    case OP_SUB: result = a - b; break;
    case OP_MUL: result = a * b; break;
    case OP_DIV: result = a / b; break;
    case OP_SQRT: result = sqrt(a); break;
    case OP_FMA: result = fma(a, b, c); break;
    case OP_RINT: result = round_in_mode(a); break;
    case OP_COUNT: break;
    }
    return bits_f64(result);
}

static uint64_t host_f32(enum op op, const uint64_t *in)
{
    volatile float a = as_f32((uint32_t)in[0]), b = as_f32((uint32_t)in[1]);
    volatile float c = as_f32((uint32_t)in[2]);
    volatile float result = 0;
    float (*volatile round_in_mode)(float) = rintf;

    switch (op) {
    case OP_ADD: result = a + b; break;
    case OP_SUB: result = a - b; break;
    case OP_MUL: result = a * b; break;
    case OP_DIV: result = a / b; break;
    case OP_SQRT: result = sqrtf(a); break;
    case OP_FMA: result = fmaf(a, b, c); break;
    case OP_RINT: result = round_in_mode(a); break;
    case OP_COUNT: break;
    }
    return bits_f32(result);
}

static uint64_t ours_f64(enum op op, const uint64_t *in, enum fpu_round rm, uint32_t *flags)
{
    switch (op) {
    case OP_ADD: return fpu_add_f64(in[0], in[1], rm, flags);
    case OP_SUB: return fpu_sub_f64(in[0], in[1], rm, flags);
    case OP_MUL: return fpu_mul_f64(in[0], in[1], rm, flags);
    case OP_DIV: return fpu_div_f64(in[0], in[1], rm, flags);
    case OP_SQRT: return fpu_sqrt_f64(in[0], rm, flags);
    case OP_FMA: return fpu_fma_f64(in[0], in[1], in[2], rm, flags);
    case OP_RINT: return fpu_roundint_f64(in[0], true, rm, flags);
    case OP_COUNT: break;
    }
    return 0;
}

static uint64_t ours_f32(enum op op, const uint64_t *in, enum fpu_round rm, uint32_t *flags)
{
    uint32_t a = (uint32_t)in[0], b = (uint32_t)in[1];

    switch (op) {
    case OP_ADD: return fpu_add_f32(a, b, rm, flags);
    case OP_SUB: return fpu_sub_f32(a, b, rm, flags);
    case OP_MUL: return fpu_mul_f32(a, b, rm, flags);
    case OP_DIV: return fpu_div_f32(a, b, rm, flags);
    case OP_SQRT: return fpu_sqrt_f32(a, rm, flags);
    case OP_FMA: return fpu_fma_f32(a, b, (uint32_t)in[2], rm, flags);
    case OP_RINT: return fpu_roundint_f32(a, true, rm, flags);
    case OP_COUNT: break;
    }
    return 0;
}

/* IEEE 754-2019 7.2 lets fma(inf, 0, quiet NaN) raise NV or not; RISC-V does, x86 does not. */
static bool fma_must_raise(enum op op, uint32_t class_a, uint32_t class_b)
{
    const uint32_t zero = FPU_CLASS_NEG_ZERO | FPU_CLASS_POS_ZERO;
    const uint32_t inf = FPU_CLASS_NEG_INF | FPU_CLASS_POS_INF;

    return op == OP_FMA && ((class_a & zero && class_b & inf) || (class_a & inf && class_b & zero));
}

static void agree(const char *what, int op, enum fpu_round rm, const uint64_t *in, uint64_t got,
                  uint32_t flags, uint64_t want, uint32_t want_flags)
{
    if (got != want || flags != want_flags) { /* cr_assert on every round would be slow */
        cr_assert_fail("%s op %d rm %d: %" PRIx64 " %" PRIx64 " %" PRIx64 " gave %" PRIx64
                       " flags %x, the host %" PRIx64 " flags %x",
                       what, op, (int)rm, in[0], in[1], in[2], got, flags, want, want_flags);
    }
}

/* Runs the host's operation under rm; *flags gets what it raised. */
static uint64_t host_run(uint64_t (*host)(enum op, const uint64_t *), enum op op,
                         const uint64_t *in, enum fpu_round rm, uint32_t *flags)
{
    fesetround(HOST_ROUND[rm]);
    feclearexcept(FE_ALL_EXCEPT);
    uint64_t result = host(op, in);
    *flags = host_flags();
    fesetround(FE_TONEAREST);
    return result;
}

static void compare_f64(enum op op, enum fpu_round rm, uint64_t *state)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t in[3] = {random_f64(state), random_f64(state), random_f64(state)};
        uint32_t flags = 0, want_flags;
        uint64_t want = host_run(host_f64, op, in, rm, &want_flags);
        if (fma_must_raise(op, fpu_class_f64(in[0]), fpu_class_f64(in[1]))) {
            want_flags |= FPU_NV;
        }
        uint64_t got = ours_f64(op, in, rm, &flags);
        agree("f64", (int)op, rm, in, got, flags, want, want_flags);
    }
}

static void compare_f32(enum op op, enum fpu_round rm, uint64_t *state)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t in[3] = {random_f32(state), random_f32(state), random_f32(state)};
        uint32_t flags = 0, want_flags;
        uint64_t want = host_run(host_f32, op, in, rm, &want_flags);
        if (fma_must_raise(op, fpu_class_f32((uint32_t)in[0]), fpu_class_f32((uint32_t)in[1]))) {
            want_flags |= FPU_NV;
        }
        uint64_t got = ours_f32(op, in, rm, &flags);
        agree("f32", (int)op, rm, in, got, flags, want, want_flags);
    }
}

Test(fpu_host, arithmetic)
{
    uint64_t state = 0x6d65746963;

    for (int op = 0; op < OP_COUNT; op++) {
        for (int rm = FPU_RNE; rm <= FPU_RUP; rm++) {
            compare_f64((enum op)op, (enum fpu_round)rm, &state);
            compare_f32((enum op)op, (enum fpu_round)rm, &state);
        }
    }
}

/* The software's own mode and the host's are strangers to each other. */
Test(fpu_host, leaves_the_host_alone)
{
    uint32_t flags = 0;

    fesetround(FE_UPWARD);
    feclearexcept(FE_ALL_EXCEPT);
    uint64_t third = fpu_div_f64(bits_f64(1), bits_f64(3), FPU_RDN, &flags);
    cr_expect_eq(third, UINT64_C(0x3fd5555555555555));
    cr_expect_eq(flags, FPU_NX);
    cr_expect_eq(fetestexcept(FE_ALL_EXCEPT), 0);
    cr_expect_eq(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
}

struct int_type {
    double low, high; /* low <= what fits < high */
    uint64_t low_bits, high_bits; /* what others become */
    uint64_t (*from_f64)(uint64_t, enum fpu_round, uint32_t *);
    uint64_t (*from_f32)(uint32_t, enum fpu_round, uint32_t *);
    uint32_t (*from_f64_32)(uint64_t, enum fpu_round, uint32_t *); /* instead, when 32 bits wide */
    uint32_t (*from_f32_32)(uint32_t, enum fpu_round, uint32_t *);
};

static const struct int_type INT_TYPES[] = {
    {-0x1p31, 0x1p31, UINT32_C(1) << 31, INT32_MAX, NULL, NULL, fpu_f64_to_s32, fpu_f32_to_s32},
    {0, 0x1p32, 0, UINT32_MAX, NULL, NULL, fpu_f64_to_u32, fpu_f32_to_u32},
    {-0x1p63, 0x1p63, UINT64_C(1) << 63, INT64_MAX, fpu_f64_to_s64, fpu_f32_to_s64, NULL, NULL},
    {0, 0x1p64, 0, UINT64_MAX, fpu_f64_to_u64, fpu_f32_to_u64, NULL, NULL},
};

/* Rounded by the host, saturated here: the host has no meaning for what does not fit. */
static uint64_t host_to_int(const struct int_type *type, uint64_t a, enum fpu_round rm,
                            uint32_t *flags)
{
    uint64_t in[3] = {a, 0, 0};
    double rounded = as_f64(host_run(host_f64, OP_RINT, in, rm, flags));

    if (rounded >= type->low && rounded < type->high) {
        uint64_t magnitude = (uint64_t)fabs(rounded);
        uint64_t bits = signbit(rounded) ? 0 - magnitude : magnitude;
        return type->from_f64 ? bits : (uint32_t)bits;
    }
    *flags = FPU_NV;
    return rounded < type->low ? type->low_bits : type->high_bits;
}

static void compare_to_int(int index, enum fpu_round rm, uint64_t *state)
{
    const struct int_type *type = &INT_TYPES[index];

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t d[3] = {random_f64(state)};
        uint64_t f[3] = {random_f32(state)};
        uint32_t f_bits = (uint32_t)f[0];
        uint32_t d_flags = 0, f_flags = 0, d_want_flags, f_want_flags;

        uint64_t d_want = host_to_int(type, d[0], rm, &d_want_flags);
        uint64_t f_want = host_to_int(type, bits_f64((double)as_f32(f_bits)), rm, &f_want_flags);
        uint64_t d_got = type->from_f64 ? type->from_f64(d[0], rm, &d_flags)
                                        : type->from_f64_32(d[0], rm, &d_flags);
        uint64_t f_got = type->from_f32 ? type->from_f32(f_bits, rm, &f_flags)
                                        : type->from_f32_32(f_bits, rm, &f_flags);
        agree("f64 to int", index, rm, d, d_got, d_flags, d_want, d_want_flags);
        agree("f32 to int", index, rm, f, f_got, f_flags, f_want, f_want_flags);
    }
}

Test(fpu_host, to_int)
{
    uint64_t state = 0x746f5f696e74;

    for (int type = 0; type < 4; type++) {
        for (int rm = FPU_RNE; rm <= FPU_RUP; rm++) {
            compare_to_int(type, (enum fpu_round)rm, &state);
        }
    }
}

/* Conversions that C has as casts, numbered for the failure message. */
enum cast { S32_F32, U32_F32, S64_F32, U64_F32, S32_F64, U32_F64, S64_F64, U64_F64, F32_F64,
            F64_F32, CAST_COUNT };

/* A u64 beyond s64 is halved, its last bit sticky: compilers' own sequences get -0 when rounding
 * down. Doubling back is exact. */
static uint64_t host_cast(enum cast cast, uint64_t a)
{
    bool halve = (cast == U64_F32 || cast == U64_F64) && a >> 63;
    volatile int64_t s64 = (int64_t)(halve ? a >> 1 | (a & 1) : a);
    volatile int32_t s32 = (int32_t)a;
    volatile uint32_t u32 = (uint32_t)a;
    volatile float f = as_f32((uint32_t)a);
    volatile double d = as_f64(a);
    volatile float to_f = 0;
    volatile double to_d = 0;

    switch (cast) {
    case S32_F32: to_f = (float)s32; break;
    case U32_F32: to_f = (float)(int64_t)u32; break;
    case S64_F32: to_f = (float)s64; break;
    case U64_F32: to_f = (float)s64 * (halve ? 2 : 1); break;
    case S32_F64: to_d = (double)s32; break;
    case U32_F64: to_d = (double)(int64_t)u32; break;
    case S64_F64: to_d = (double)s64; break;
    case U64_F64: to_d = (double)s64 * (halve ? 2 : 1); break;
    case F32_F64: to_d = (double)f; break;
    case F64_F32: to_f = (float)d; break;
    case CAST_COUNT: break;
    }
    bool single = cast <= U64_F32 || cast == F64_F32;
    return single ? bits_f32(to_f) : bits_f64(to_d);
}

static uint64_t ours_cast(enum cast cast, uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    uint32_t low = (uint32_t)a;

    switch (cast) {
    case S32_F32: return fpu_s32_to_f32(low, rm, flags);
    case U32_F32: return fpu_u32_to_f32(low, rm, flags);
    case S64_F32: return fpu_s64_to_f32(a, rm, flags);
    case U64_F32: return fpu_u64_to_f32(a, rm, flags);
    case S32_F64: return fpu_s32_to_f64(low, rm, flags);
    case U32_F64: return fpu_u32_to_f64(low, rm, flags);
    case S64_F64: return fpu_s64_to_f64(a, rm, flags);
    case U64_F64: return fpu_u64_to_f64(a, rm, flags);
    case F32_F64: return fpu_f32_to_f64(low, flags);
    case F64_F32: return fpu_f64_to_f32(a, rm, flags);
    case CAST_COUNT: break;
    }
    return 0;
}

static uint64_t random_cast_operand(enum cast cast, uint64_t *state)
{
    uint64_t r = random_next(state);

    if (cast == F32_F64) {
        return random_f32(state);
    }
    if (cast == F64_F32) { /* half of them near the range of f32, where things happen */
        uint64_t d = random_f64(state);
        uint64_t exp = 0x3ff - 152 + (r >> 8) % 304;
        return r & 1 ? (d & ~(UINT64_C(0x7ff) << 52)) | exp << 52 : d;
    }
    return random_next(state) >> (r & 0x3f) ^ (r & 0x40 ? UINT64_MAX : 0);
}

static void compare_cast(enum cast cast, enum fpu_round rm, uint64_t *state)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t in[3] = {random_cast_operand(cast, state)};
        uint32_t flags = 0;

        fesetround(HOST_ROUND[rm]);
        feclearexcept(FE_ALL_EXCEPT);
        uint64_t want = host_cast(cast, in[0]);
        uint32_t want_flags = host_flags();
        fesetround(FE_TONEAREST);
        uint64_t got = ours_cast(cast, in[0], rm, &flags);
        agree("cast", (int)cast, rm, in, got, flags, want, want_flags);
    }
}

Test(fpu_host, casts)
{
    uint64_t state = 0x63617374;

    for (int cast = 0; cast < CAST_COUNT; cast++) {
        for (int rm = FPU_RNE; rm <= FPU_RUP; rm++) {
            compare_cast((enum cast)cast, (enum fpu_round)rm, &state);
        }
    }
}

/* Whether the host's compiler emits a quiet or a signalling comparison is its choice, so the values
 * alone come from the host. */
Test(fpu_host, compare)
{
    uint64_t state = 0x636f6d70617265;

    for (int i = 0; i < 4 * ROUNDS; i++) {
        uint64_t in[3] = {random_f64(&state), random_f64(&state)};
        if (i & 1) { /* neighbours, equals and negatives */
            in[1] = (in[0] + random_next(&state) % 3 - 1) ^ (random_next(&state) & 1) << 63;
        }
        double a = as_f64(in[0]), b = as_f64(in[1]);
        uint32_t eq_flags = 0, lt_flags = 0, le_flags = 0;
        int got = fpu_eq_f64(in[0], in[1], &eq_flags) | fpu_lt_f64(in[0], in[1], &lt_flags) << 1 |
                  fpu_le_f64(in[0], in[1], &le_flags) << 2;
        int want = (a == b) | (a < b) << 1 | (a <= b) << 2;
        uint32_t classes = fpu_class_f64(in[0]) | fpu_class_f64(in[1]);
        uint32_t want_eq = classes & FPU_CLASS_SNAN ? FPU_NV : 0;
        uint32_t want_lt = classes & (FPU_CLASS_SNAN | FPU_CLASS_QNAN) ? FPU_NV : 0;
        agree("eq", 0, FPU_RNE, in, (uint64_t)got, eq_flags, (uint64_t)want, want_eq);
        agree("lt", 1, FPU_RNE, in, (uint64_t)got, lt_flags, (uint64_t)want, want_lt);
        agree("le", 2, FPU_RNE, in, (uint64_t)got, le_flags, (uint64_t)want, want_lt);
    }
}

Test(fpu_host, min_max)
{
    uint64_t state = 0x6d696e6d6178;

    for (int i = 0; i < 4 * ROUNDS; i++) {
        uint64_t in[3] = {random_f64(&state), random_f64(&state)};
        double a = as_f64(in[0]), b = as_f64(in[1]);
        if (!(a < b || b < a)) {
            continue; /* equal or unordered: by hand in test_fpu_int.c */
        }
        uint32_t flags = 0;
        agree("min", 0, FPU_RNE, in, fpu_min_f64(in[0], in[1], &flags), flags,
              a < b ? in[0] : in[1], 0);
        agree("max", 1, FPU_RNE, in, fpu_max_f64(in[0], in[1], &flags), flags,
              a < b ? in[1] : in[0], 0);
    }
}

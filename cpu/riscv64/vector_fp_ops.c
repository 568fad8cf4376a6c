/* Floating-point element operations of the vector unit, and the estimates vfrec7 and vfrsqrt7
 * (unprivileged manual, "Vector Floating-Point Reciprocal Estimate Instruction"). The shapes are in
 * vector_fp.c. */
#include "cpu/riscv64/vector_ops.h"

#include "cpu/fpu.h"

typedef u32 __attribute__((may_alias)) float_32;
typedef u64 __attribute__((may_alias)) float_64;

/* Seven bits of 1/x by the leading seven bits of x's fraction; and of 1/sqrt(x), by the lowest bit
 * of the exponent and six of the fraction. */
static const u8 reciprocal_table[128] = {
    127, 125, 123, 121, 119, 117, 116, 114, 112, 110, 109, 107, 105, 104, 102, 100,
    99, 97, 96, 94, 93, 91, 90, 88, 87, 85, 84, 83, 81, 80, 79, 77,
    76, 75, 74, 72, 71, 70, 69, 68, 66, 65, 64, 63, 62, 61, 60, 59,
    58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43,
    42, 41, 40, 40, 39, 38, 37, 36, 35, 35, 34, 33, 32, 31, 31, 30,
    29, 28, 28, 27, 26, 25, 25, 24, 23, 23, 22, 21, 21, 20, 19, 19,
    18, 17, 17, 16, 15, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9, 9,
    8, 8, 7, 7, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0,
};

static const u8 root_table[128] = {
    52, 51, 50, 48, 47, 46, 44, 43, 42, 41, 40, 39, 38, 36, 35, 34,
    33, 32, 31, 30, 30, 29, 28, 27, 26, 25, 24, 23, 23, 22, 21, 20,
    19, 19, 18, 17, 16, 16, 15, 14, 14, 13, 12, 12, 11, 10, 10, 9,
    9, 8, 7, 7, 6, 6, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0,
    127, 125, 123, 121, 119, 118, 116, 114, 113, 111, 109, 108, 106, 105, 103, 102,
    100, 99, 97, 96, 95, 93, 92, 91, 90, 88, 87, 86, 85, 84, 83, 82,
    80, 79, 78, 77, 76, 75, 74, 73, 72, 71, 70, 70, 69, 68, 67, 66,
    65, 64, 63, 63, 62, 61, 60, 59, 59, 58, 57, 56, 56, 55, 54, 53,
};

/* A float taken apart; for subnormals the fraction is shifted up until its leading one falls out,
 * and the exponent goes below 0. */
struct parts {
    bool sign;
    s32 exponent; /* biased */
    u64 fraction;
    unsigned fraction_bits;
    s32 bias;
};

static struct parts take_apart(u64 x, unsigned bits)
{
    struct parts p = {.fraction_bits = bits == 32 ? 23 : 52, .bias = bits == 32 ? 127 : 1023};
    u64 mask = ((u64)1 << p.fraction_bits) - 1;
    p.sign = x >> (bits - 1) & 1;
    p.exponent = (s32)(x >> p.fraction_bits) & (2 * p.bias + 1);
    p.fraction = x & mask;
    if (p.exponent == 0 && p.fraction != 0) {
        while (!(p.fraction >> (p.fraction_bits - 1) & 1)) {
            p.exponent--;
            p.fraction <<= 1;
        }
        p.fraction = p.fraction << 1 & mask;
    }
    return p;
}

static u64 put_together(const struct parts *p, s32 exponent, u64 fraction)
{
    u64 sign = (u64)p->sign << (p->fraction_bits + (p->bias == 127 ? 8 : 11));
    return sign | (u64)exponent << p->fraction_bits | fraction;
}

static u64 infinity(const struct parts *p)
{
    return put_together(p, 2 * p->bias + 1, 0);
}

static u64 default_nan(unsigned bits)
{
    return bits == 32 ? FPU_NAN_F32 : FPU_NAN_F64;
}

static u32 class_of(u64 x, unsigned bits)
{
    return bits == 32 ? fpu_class_f32((u32)x) : fpu_class_f64(x);
}

enum {
    CLASS_ZERO = FPU_CLASS_NEG_ZERO | FPU_CLASS_POS_ZERO,
    CLASS_INF = FPU_CLASS_NEG_INF | FPU_CLASS_POS_INF,
    CLASS_NAN = FPU_CLASS_QNAN | FPU_CLASS_SNAN,
    CLASS_NEGATIVE = FPU_CLASS_NEG_INF | FPU_CLASS_NEG_NORMAL | FPU_CLASS_NEG_SUBNORMAL,
};

static u64 reciprocal_overflow(const struct parts *p, enum fpu_round rm, u32 *flags)
{
    *flags |= FPU_OF | FPU_NX;
    bool stays = rm == FPU_RTZ || (rm == FPU_RDN && !p->sign) || (rm == FPU_RUP && p->sign);
    u64 ones = ((u64)1 << p->fraction_bits) - 1;
    return stays ? put_together(p, 2 * p->bias, ones) : infinity(p);
}

static u64 reciprocal(u64 x, unsigned bits, enum fpu_round rm, u32 *flags)
{
    struct parts p = take_apart(x, bits);
    u32 klass = class_of(x, bits);
    if (klass & CLASS_NAN) {
        *flags |= klass & FPU_CLASS_SNAN ? FPU_NV : 0u;
        return default_nan(bits);
    }
    if (klass & CLASS_INF) {
        return put_together(&p, 0, 0);
    }
    if (klass & CLASS_ZERO) {
        *flags |= FPU_DZ;
        return infinity(&p);
    }
    if (p.exponent < -1) {
        return reciprocal_overflow(&p, rm, flags);
    }
    u64 fraction = (u64)reciprocal_table[p.fraction >> (p.fraction_bits - 7)]
                   << (p.fraction_bits - 7);
    s32 exponent = 2 * p.bias - 1 - p.exponent;
    if (exponent <= 0) { /* a subnormal result: the leading one appears */
        fraction = fraction >> 1 | (u64)1 << (p.fraction_bits - 1);
        fraction >>= exponent < 0 ? 1 : 0;
        exponent = 0;
    }
    return put_together(&p, exponent, fraction);
}

static u64 reciprocal_root(u64 x, unsigned bits, u32 *flags)
{
    struct parts p = take_apart(x, bits);
    u32 klass = class_of(x, bits);
    if (klass & (CLASS_NAN | CLASS_NEGATIVE)) {
        *flags |= klass & FPU_CLASS_QNAN ? 0u : FPU_NV;
        return default_nan(bits);
    }
    if (klass & CLASS_INF) {
        return 0;
    }
    if (klass & CLASS_ZERO) {
        *flags |= FPU_DZ;
        return infinity(&p);
    }
    unsigned index = (unsigned)(p.exponent & 1) << 6;
    index |= (unsigned)(p.fraction >> (p.fraction_bits - 6));
    u64 fraction = (u64)root_table[index] << (p.fraction_bits - 7);
    return put_together(&p, (3 * p.bias - 1 - p.exponent) / 2, fraction);
}

#define BITS 32
#include "cpu/riscv64/vector_fp_width.def"
#define BITS 64
#include "cpu/riscv64/vector_fp_width.def"

#define OPERATION(name)                                                                           \
    const struct vector_op riscv64_vop_##name = {{NULL, NULL, name##_32, name##_64}};
#define VECTOR_FP(name, value) OPERATION(name)
#define VECTOR_FP_COMPARE(name, value) OPERATION(name)
#define VECTOR_FP_FOLD(name, value) OPERATION(name)
#include "cpu/riscv64/vector_fp_ops.def"
#undef OPERATION
#undef VECTOR_FP
#undef VECTOR_FP_COMPARE
#undef VECTOR_FP_FOLD

/* --- conversions: `from` and `to` are the elements' bits --- */

/* To 16 bits through 32: whatever does not fit is invalid, and nothing else. */
static u16 saturate_s16(u32 value, u32 raised, u32 *flags)
{
    s32 x = (s32)value;
    bool fits = x >= INT16_MIN && x <= INT16_MAX;
    *flags |= fits ? raised : FPU_NV;
    return (u16)(fits ? x : x < 0 ? INT16_MIN : INT16_MAX);
}

static u16 saturate_u16(u32 value, u32 raised, u32 *flags)
{
    bool fits = value <= UINT16_MAX;
    *flags |= fits ? raised : FPU_NV;
    return (u16)(fits ? value : UINT16_MAX);
}

static u16 f32_to_s16(u32 a, enum fpu_round rm, u32 *f)
{
    u32 raised = 0, value = fpu_f32_to_s32(a, rm, &raised);
    return saturate_s16(value, raised, f);
}

static u16 f32_to_u16(u32 a, enum fpu_round rm, u32 *f)
{
    u32 raised = 0, value = fpu_f32_to_u32(a, rm, &raised);
    return saturate_u16(value, raised, f);
}

/* Round to odd: cut off, and let the last bit say that something was. */
static u32 f64_to_f32_odd(u64 a, u32 *f)
{
    u32 raised = 0, value = fpu_f64_to_f32(a, FPU_RTZ, &raised);
    *f |= raised;
    return raised & FPU_NX ? value | 1 : value;
}

typedef u16 __attribute__((may_alias)) bits_16;

#define CONVERT(name, from, to, value)                                           \
    static void name(const struct vector_lanes *l)                               \
    {                                                                            \
        to *vd = l->d;                                                           \
        const from *va = l->a;                                                   \
        enum fpu_round rm = (enum fpu_round)l->rm;                               \
        u32 *f = l->flags;                                                       \
        (void)rm;                                                                \
        for (u32 i = l->first; i < l->count; i++) {                              \
            if (l->mask == NULL || vector_bit(l->mask, i)) {                     \
                from a = va[i];                                                  \
                vd[i] = (value);                                                 \
            }                                                                    \
        }                                                                        \
    }
CONVERT(f_to_u_32, float_32, float_32, fpu_f32_to_u32(a, rm, f))
CONVERT(f_to_u_64, float_64, float_64, fpu_f64_to_u64(a, rm, f))
CONVERT(f_to_s_32, float_32, float_32, fpu_f32_to_s32(a, rm, f))
CONVERT(f_to_s_64, float_64, float_64, fpu_f64_to_s64(a, rm, f))
CONVERT(u_to_f_32, float_32, float_32, fpu_u32_to_f32(a, rm, f))
CONVERT(u_to_f_64, float_64, float_64, fpu_u64_to_f64(a, rm, f))
CONVERT(s_to_f_32, float_32, float_32, fpu_s32_to_f32(a, rm, f))
CONVERT(s_to_f_64, float_64, float_64, fpu_s64_to_f64(a, rm, f))
CONVERT(wf_to_u_32, float_32, float_64, fpu_f32_to_u64(a, rm, f))
CONVERT(wf_to_s_32, float_32, float_64, fpu_f32_to_s64(a, rm, f))
CONVERT(wu_to_f_16, bits_16, float_32, fpu_u32_to_f32(a, rm, f))
CONVERT(wu_to_f_32, float_32, float_64, fpu_u32_to_f64(a, rm, f))
CONVERT(ws_to_f_16, bits_16, float_32, fpu_s32_to_f32((u32)(s16)a, rm, f))
CONVERT(ws_to_f_32, float_32, float_64, fpu_s32_to_f64(a, rm, f))
CONVERT(wf_to_f_32, float_32, float_64, fpu_f32_to_f64(a, f))
CONVERT(nf_to_u_16, float_32, bits_16, f32_to_u16(a, rm, f))
CONVERT(nf_to_u_32, float_64, float_32, fpu_f64_to_u32(a, rm, f))
CONVERT(nf_to_s_16, float_32, bits_16, f32_to_s16(a, rm, f))
CONVERT(nf_to_s_32, float_64, float_32, fpu_f64_to_s32(a, rm, f))
CONVERT(nu_to_f_32, float_64, float_32, fpu_u64_to_f32(a, rm, f))
CONVERT(ns_to_f_32, float_64, float_32, fpu_s64_to_f32(a, rm, f))
CONVERT(nf_to_f_32, float_64, float_32, fpu_f64_to_f32(a, rm, f))
CONVERT(nf_to_f_odd_32, float_64, float_32, f64_to_f32_odd(a, f))

/* By the width that SEW names: the source's of a widening one, the result's of a narrowing one. */
const struct vector_op riscv64_vop_f_to_u = {{NULL, NULL, f_to_u_32, f_to_u_64}};
const struct vector_op riscv64_vop_f_to_s = {{NULL, NULL, f_to_s_32, f_to_s_64}};
const struct vector_op riscv64_vop_u_to_f = {{NULL, NULL, u_to_f_32, u_to_f_64}};
const struct vector_op riscv64_vop_s_to_f = {{NULL, NULL, s_to_f_32, s_to_f_64}};
const struct vector_op riscv64_vop_wf_to_u = {{NULL, NULL, wf_to_u_32, NULL}};
const struct vector_op riscv64_vop_wf_to_s = {{NULL, NULL, wf_to_s_32, NULL}};
const struct vector_op riscv64_vop_wu_to_f = {{NULL, wu_to_f_16, wu_to_f_32, NULL}};
const struct vector_op riscv64_vop_ws_to_f = {{NULL, ws_to_f_16, ws_to_f_32, NULL}};
const struct vector_op riscv64_vop_wf_to_f = {{NULL, NULL, wf_to_f_32, NULL}};
const struct vector_op riscv64_vop_nf_to_u = {{NULL, nf_to_u_16, nf_to_u_32, NULL}};
const struct vector_op riscv64_vop_nf_to_s = {{NULL, nf_to_s_16, nf_to_s_32, NULL}};
const struct vector_op riscv64_vop_nu_to_f = {{NULL, NULL, nu_to_f_32, NULL}};
const struct vector_op riscv64_vop_ns_to_f = {{NULL, NULL, ns_to_f_32, NULL}};
const struct vector_op riscv64_vop_nf_to_f = {{NULL, NULL, nf_to_f_32, NULL}};
const struct vector_op riscv64_vop_nf_to_f_odd = {{NULL, NULL, nf_to_f_odd_32, NULL}};

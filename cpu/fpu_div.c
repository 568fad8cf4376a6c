/*
 * Division and square root (IEEE 754-2019 5.4.1; division by zero 7.3).
 *
 * Both compute 64 result bits, of which the last is sticky, by exact integer division.
 */
#include "cpu/fpu_num.h"

/* Operands at least one of which is not FPU_KIND_NORMAL. */
static struct fpu_num div_special(struct fpu_num a, struct fpu_num b, uint32_t *flags)
{
    bool sign = a.sign != b.sign;

    if (fpu_num_is_nan(a) || fpu_num_is_nan(b)) {
        return fpu_num_from_nans(a, b, flags);
    }
    if (a.kind == b.kind) { /* 0/0, inf/inf */
        return fpu_num_invalid(flags);
    }
    if (b.kind == FPU_KIND_ZERO && a.kind == FPU_KIND_NORMAL) {
        *flags |= FPU_DZ;
    }
    bool infinite = a.kind == FPU_KIND_INF || b.kind == FPU_KIND_ZERO;
    return fpu_num_special(infinite ? FPU_KIND_INF : FPU_KIND_ZERO, sign);
}

static inline struct fpu_num num_div(struct fpu_num a, struct fpu_num b, uint32_t *flags)
{
    if (a.kind != FPU_KIND_NORMAL || b.kind != FPU_KIND_NORMAL) {
        return div_special(a, b, flags);
    }
    /* Scaled so that the quotient lies in [2^63, 2^64). */
    int borrow = a.frac < b.frac;
    fpu_u128 dividend = (fpu_u128)a.frac << (63 + borrow);
    uint64_t quotient = (uint64_t)(dividend / b.frac);
    bool sticky = dividend != (fpu_u128)quotient * b.frac;
    return (struct fpu_num){quotient | sticky, a.exp - b.exp - borrow, FPU_KIND_NORMAL,
                            a.sign != b.sign};
}

uint32_t fpu_div_f32(uint32_t a, uint32_t b, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f32(num_div(fpu_unpack_f32(a), fpu_unpack_f32(b), flags), rm, flags);
}

uint64_t fpu_div_f64(uint64_t a, uint64_t b, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f64(num_div(fpu_unpack_f64(a), fpu_unpack_f64(b), flags), rm, flags);
}

/* Integer square root of x >= 2^62, digit by digit; *rest gets x minus its square. */
static uint32_t isqrt_u64(uint64_t x, uint64_t *rest)
{
    uint64_t root = 0; /* its digits so far, doubled, at the place `digit` has among x's bits */

    for (uint64_t digit = UINT64_C(1) << 62; digit != 0; digit >>= 2) {
        uint64_t fits = -(uint64_t)(x >= (root | digit));
        x -= (root | digit) & fits;
        root = (root >> 1) | (digit & fits);
    }
    *rest = x;
    return (uint32_t)root;
}

/*
 * Integer square root of x >= 2^126, with bit 0 set when there is a remainder.
 *
 * Zimmermann, "Karatsuba Square Root" (INRIA RR-3805): the root of the upper half gives 32 digits,
 * one division by it the other 32, and the estimate is at most one too large. The remainder of the
 * first step is up to twice its root, so that its bits and the next 31 just fit 64.
 */
static uint64_t isqrt_u128_jam(fpu_u128 x)
{
    uint64_t rest;
    uint64_t upper = isqrt_u64((uint64_t)(x >> 64), &rest);
    uint64_t low = (uint64_t)x;
    uint64_t half_dividend = (rest << 31) | (low >> 33);
    uint64_t quotient = half_dividend / upper;
    uint64_t remainder = (half_dividend % upper) << 1 | (low >> 32 & 1);

    fpu_u128 root = ((fpu_u128)upper << 32) + quotient;
    fpu_u128 have = (fpu_u128)remainder << 32 | (uint32_t)low;
    fpu_u128 need = (fpu_u128)quotient * quotient;
    return (uint64_t)(root - (have < need)) | (have != need);
}

static inline struct fpu_num num_sqrt(struct fpu_num a, uint32_t *flags)
{
    if (fpu_num_is_nan(a)) {
        return fpu_num_from_nans(a, a, flags);
    }
    if (a.kind == FPU_KIND_ZERO) { /* of either sign */
        return a;
    }
    if (a.sign) {
        return fpu_num_invalid(flags);
    }
    if (a.kind == FPU_KIND_INF) {
        return a;
    }
    /* An odd exponent lends one factor of two to the fraction. */
    int odd = a.exp & 1;
    uint64_t root = isqrt_u128_jam((fpu_u128)a.frac << (63 + odd));
    return (struct fpu_num){root, (a.exp - odd) / 2, FPU_KIND_NORMAL, false};
}

uint32_t fpu_sqrt_f32(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f32(num_sqrt(fpu_unpack_f32(a), flags), rm, flags);
}

uint64_t fpu_sqrt_f64(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f64(num_sqrt(fpu_unpack_f64(a), flags), rm, flags);
}

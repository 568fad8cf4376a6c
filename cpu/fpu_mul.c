/*
 * Multiplication and fused multiply-add (IEEE 754-2019 5.4.1; invalid cases 7.2).
 *
 * A product of two 64-bit fractions is exact in 128 bits; fma adds to it there and drops to 64
 * bits, with a sticky bit, only at the end.
 */
#include "cpu/fpu_num.h"

/* A number with a 128-bit fraction: value = frac / 2^126 * 2^exp, finite and nonzero. Bit 127 is
 * spare room for a carry; the leading one is bit 126, or 125 straight after a multiplication. */
struct fpu_wide {
    fpu_u128 frac;
    int32_t exp;
    bool sign;
};

static inline struct fpu_wide wide_mul(struct fpu_num a, struct fpu_num b)
{
    /* Operands have at most 53 significant bits, so the bit shifted out is zero. */
    fpu_u128 frac = ((fpu_u128)a.frac * b.frac) >> 1;

    return (struct fpu_wide){frac, a.exp + b.exp + 1, a.sign != b.sign};
}

/* To 64 bits, the rest sticky. frac is not zero. */
static inline struct fpu_num wide_narrow(struct fpu_wide a)
{
    uint64_t high = (uint64_t)(a.frac >> 64);
    uint64_t low = (uint64_t)a.frac;

    if (high == 0) { /* cancellation; then everything fits below */
        return fpu_num_normal(a.sign, a.exp + 1 - 64, low);
    }
    int shift = __builtin_clzll(high);
    fpu_u128 frac = a.frac << shift;
    uint64_t sticky = (uint64_t)frac != 0;
    return (struct fpu_num){(uint64_t)(frac >> 64) | sticky, a.exp + 1 - shift, FPU_KIND_NORMAL,
                            a.sign};
}

/* Product of operands at least one of which is not FPU_KIND_NORMAL. */
static struct fpu_num mul_special(struct fpu_num a, struct fpu_num b, uint32_t *flags)
{
    if (fpu_num_is_nan(a) || fpu_num_is_nan(b)) {
        return fpu_num_from_nans(a, b, flags);
    }
    bool any_zero = a.kind == FPU_KIND_ZERO || b.kind == FPU_KIND_ZERO;
    bool any_inf = a.kind == FPU_KIND_INF || b.kind == FPU_KIND_INF;
    if (any_zero && any_inf) {
        return fpu_num_invalid(flags);
    }
    return fpu_num_special(any_inf ? FPU_KIND_INF : FPU_KIND_ZERO, a.sign != b.sign);
}

static inline struct fpu_num num_mul(struct fpu_num a, struct fpu_num b, uint32_t *flags)
{
    if (a.kind != FPU_KIND_NORMAL || b.kind != FPU_KIND_NORMAL) {
        return mul_special(a, b, flags);
    }
    return wide_narrow(wide_mul(a, b));
}

uint32_t fpu_mul_f32(uint32_t a, uint32_t b, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f32(num_mul(fpu_unpack_f32(a), fpu_unpack_f32(b), flags), rm, flags);
}

uint64_t fpu_mul_f64(uint64_t a, uint64_t b, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f64(num_mul(fpu_unpack_f64(a), fpu_unpack_f64(b), flags), rm, flags);
}

/* The sum of finite nonzero a and b, to 64 bits with a sticky bit. Both have bit 126 set and 106
 * significant bits at most, which leaves 21: fpu_add.c's argument about jamming holds here too. */
static inline struct fpu_num wide_add(struct fpu_wide a, struct fpu_wide b, enum fpu_round rm)
{
    if (a.exp < b.exp || (a.exp == b.exp && a.frac < b.frac)) {
        struct fpu_wide swap = a;
        a = b;
        b = swap;
    }
    fpu_u128 small = fpu_shift_jam_u128(b.frac, (uint32_t)(a.exp - b.exp));
    a.frac = a.sign == b.sign ? a.frac + small : a.frac - small;
    if (a.frac == 0) {
        return fpu_num_special(FPU_KIND_ZERO, rm == FPU_RDN);
    }
    return wide_narrow(a);
}

static inline struct fpu_num num_fma(struct fpu_num a, struct fpu_num b, struct fpu_num c,
                                     enum fpu_round rm, uint32_t *flags)
{
    if (a.kind != FPU_KIND_NORMAL || b.kind != FPU_KIND_NORMAL || c.kind != FPU_KIND_NORMAL) {
        /* Either the product or c decides alone, so that narrowing the product loses nothing. The
         * product comes first: inf * 0 is invalid even when c is a quiet NaN. */
        return fpu_num_add_special(num_mul(a, b, flags), c, rm, flags);
    }
    struct fpu_wide product = wide_mul(a, b);
    if ((product.frac >> 126) == 0) {
        product.frac <<= 1;
        product.exp -= 1;
    }
    return wide_add(product, (struct fpu_wide){(fpu_u128)c.frac << 63, c.exp, c.sign}, rm);
}

uint32_t fpu_fma_f32(uint32_t a, uint32_t b, uint32_t c, enum fpu_round rm, uint32_t *flags)
{
    struct fpu_num sum =
        num_fma(fpu_unpack_f32(a), fpu_unpack_f32(b), fpu_unpack_f32(c), rm, flags);

    return fpu_pack_f32(sum, rm, flags);
}

uint64_t fpu_fma_f64(uint64_t a, uint64_t b, uint64_t c, enum fpu_round rm, uint32_t *flags)
{
    struct fpu_num sum =
        num_fma(fpu_unpack_f64(a), fpu_unpack_f64(b), fpu_unpack_f64(c), rm, flags);

    return fpu_pack_f64(sum, rm, flags);
}

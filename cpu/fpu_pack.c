/*
 * Rounding an unpacked number to a format: the one place that knows subnormals, overflow and the
 * three exceptions that come with them (IEEE 754-2019 7.4 to 7.6).
 */
#include "cpu/fpu_num.h"

/* A finite result beyond the largest finite number: infinity, or that number when the rounding mode
 * points back towards zero. infinity: the encoding, whose predecessor is the largest finite one. */
static inline uint64_t pack_overflow(uint64_t infinity, bool sign, enum fpu_round rm,
                                     uint32_t *flags)
{
    bool to_infinity = rm == FPU_RNE || rm == FPU_RMM || rm == (sign ? FPU_RDN : FPU_RUP);

    *flags |= FPU_OF | FPU_NX;
    return to_infinity ? infinity : infinity - 1;
}

/* exp_field <= 0: the fraction moves right until the exponent is that of subnormals. */
static inline uint64_t pack_subnormal(const struct fpu_format *format, struct fpu_num a,
                                      int32_t exp_field, enum fpu_round rm, uint32_t *flags)
{
    unsigned drop_bits = 63 - format->frac_bits;
    uint64_t smallest_normal = UINT64_C(1) << format->frac_bits;
    bool inexact;

    /* Tiny after rounding: would it be below the smallest normal number, were exponents unbounded?
     * Only from just below can rounding (to full precision) reach that number. */
    uint64_t unbounded = fpu_round_frac(a.frac, drop_bits, a.sign, rm, &inexact);
    bool tiny = exp_field < 0 || unbounded < smallest_normal << 1;

    uint64_t frac = fpu_shift_jam(a.frac, (uint32_t)(1 - exp_field));
    uint64_t bits = fpu_round_frac(frac, drop_bits, a.sign, rm, &inexact);
    if (inexact) {
        *flags |= tiny ? FPU_UF | FPU_NX : FPU_NX;
    }
    return bits;
}

static inline uint64_t pack_normal(const struct fpu_format *format, struct fpu_num a,
                                   enum fpu_round rm, uint32_t *flags)
{
    uint64_t infinity = (uint64_t)format->exp_max << format->frac_bits;
    int32_t exp_field = a.exp + (format->exp_max >> 1);
    bool inexact;

    if (exp_field <= 0) {
        return pack_subnormal(format, a, exp_field, rm, flags);
    }
    if (exp_field >= format->exp_max) {
        return pack_overflow(infinity, a.sign, rm, flags);
    }
    /* The leading one of kept adds 1 to the exponent field, and so does a carry out of rounding. */
    uint64_t kept = fpu_round_frac(a.frac, 63 - format->frac_bits, a.sign, rm, &inexact);
    uint64_t bits = ((uint64_t)(exp_field - 1) << format->frac_bits) + kept;
    if (bits >= infinity) {
        return pack_overflow(infinity, a.sign, rm, flags);
    }
    if (inexact) {
        *flags |= FPU_NX;
    }
    return bits;
}

static inline uint64_t pack(const struct fpu_format *format, struct fpu_num a, enum fpu_round rm,
                            uint32_t *flags)
{
    uint64_t infinity = (uint64_t)format->exp_max << format->frac_bits;
    uint64_t sign_bit = (uint64_t)(format->exp_max + 1) << format->frac_bits;
    uint64_t bits;

    switch (a.kind) {
    case FPU_KIND_NORMAL:
        bits = pack_normal(format, a, rm, flags);
        break;
    case FPU_KIND_ZERO:
        bits = 0;
        break;
    case FPU_KIND_INF:
        bits = infinity;
        break;
    default: /* the canonical NaN has the sign bit clear */
        return infinity | UINT64_C(1) << (format->frac_bits - 1);
    }
    return a.sign ? bits | sign_bit : bits;
}

uint16_t fpu_pack_f16(struct fpu_num a, enum fpu_round rm, uint32_t *flags)
{
    return (uint16_t)pack(&FPU_F16, a, rm, flags);
}

uint32_t fpu_pack_f32(struct fpu_num a, enum fpu_round rm, uint32_t *flags)
{
    return (uint32_t)pack(&FPU_F32, a, rm, flags);
}

uint64_t fpu_pack_f64(struct fpu_num a, enum fpu_round rm, uint32_t *flags)
{
    return pack(&FPU_F64, a, rm, flags);
}

/*
 * The unpacked number all fpu_*.c files compute with. Private to cpu/fpu_*.c.
 *
 * unpack (format -> number), an operation on numbers that keeps enough bits to round correctly,
 * then fpu_pack_* (number -> format), which is the only place that rounds to a format and raises UF
 * and OF. An operation therefore exists once for all formats.
 */
#ifndef METIC_CPU_FPU_NUM_H
#define METIC_CPU_FPU_NUM_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/fpu.h"

typedef unsigned __int128 fpu_u128;

/* Ordered: everything below FPU_KIND_INF is finite, everything above it is a NaN. */
enum fpu_kind {
    FPU_KIND_ZERO,
    FPU_KIND_NORMAL, /* finite and not zero, subnormals included */
    FPU_KIND_INF,
    FPU_KIND_QNAN,
    FPU_KIND_SNAN,
};

/*
 * FPU_KIND_NORMAL: the magnitude is frac / 2^63 * 2^exp with bit 63 of frac set. Bit 0 may be
 * sticky: it stands for any nonzero amount below it. An operand fresh from unpacking has at most 53
 * significant bits, so its lowest 11 are zero. For other kinds frac and exp mean nothing.
 */
struct fpu_num {
    uint64_t frac;
    int32_t exp;
    uint8_t kind; /* enum fpu_kind */
    bool sign;
};

struct fpu_format {
    unsigned frac_bits; /* stored fraction bits */
    int32_t exp_max;    /* the all-ones exponent field; the bias is half of it */
};

static const struct fpu_format FPU_F16 = {10, 0x1f};
static const struct fpu_format FPU_F32 = {23, 0xff};
static const struct fpu_format FPU_F64 = {52, 0x7ff};

/* Shift right; ones that fall out are kept as a set bit 0, so that rounding still sees them. */
static inline uint64_t fpu_shift_jam(uint64_t x, uint32_t count)
{
    if (count == 0) {
        return x;
    }
    if (count > 63) {
        return x != 0;
    }
    return (x >> count) | ((x << (64 - count)) != 0);
}

static inline fpu_u128 fpu_shift_jam_u128(fpu_u128 x, uint32_t count)
{
    if (count == 0) {
        return x;
    }
    if (count > 127) {
        return x != 0;
    }
    return (x >> count) | ((x << (128 - count)) != 0);
}

/* Does a magnitude whose dropped part is `rest`, out of a unit of 2*half, go up to the next one?
 * odd: the kept part is odd. */
static inline bool fpu_rounds_up(enum fpu_round rm, bool sign, bool odd, uint64_t rest,
                                 uint64_t half)
{
    switch (rm) {
    case FPU_RNE:
        return rest > half || (rest == half && odd);
    case FPU_RDN:
        return sign && rest != 0;
    case FPU_RUP:
        return !sign && rest != 0;
    case FPU_RMM:
        return rest >= half;
    case FPU_RTZ:
    default:
        return false;
    }
}

/* frac / 2^drop_bits rounded to an integer; drop_bits 1 to 63. */
static inline uint64_t fpu_round_frac(uint64_t frac, unsigned drop_bits, bool sign,
                                      enum fpu_round rm, bool *inexact)
{
    uint64_t kept = frac >> drop_bits;
    uint64_t rest = frac & ((UINT64_C(1) << drop_bits) - 1);

    *inexact = rest != 0;
    return kept + fpu_rounds_up(rm, sign, kept & 1, rest, UINT64_C(1) << (drop_bits - 1));
}

static inline struct fpu_num fpu_num_special(enum fpu_kind kind, bool sign)
{
    return (struct fpu_num){.kind = (uint8_t)kind, .sign = sign};
}

/* A nonzero fraction with bit 63 anywhere, brought to the form struct fpu_num asks for. */
static inline struct fpu_num fpu_num_normal(bool sign, int32_t exp, uint64_t frac)
{
    int shift = __builtin_clzll(frac);

    return (struct fpu_num){frac << shift, exp - shift, FPU_KIND_NORMAL, sign};
}

static inline bool fpu_num_is_nan(struct fpu_num a)
{
    return a.kind > FPU_KIND_INF;
}

/* The NaN that answers an invalid operation. */
static inline struct fpu_num fpu_num_invalid(uint32_t *flags)
{
    *flags |= FPU_NV;
    return fpu_num_special(FPU_KIND_QNAN, false);
}

/* The NaN that answers NaN operands, at least one of which is given. */
static inline struct fpu_num fpu_num_from_nans(struct fpu_num a, struct fpu_num b, uint32_t *flags)
{
    if (a.kind == FPU_KIND_SNAN || b.kind == FPU_KIND_SNAN) {
        *flags |= FPU_NV;
    }
    return fpu_num_special(FPU_KIND_QNAN, false);
}

static inline struct fpu_num fpu_unpack(const struct fpu_format *format, uint64_t bits)
{
    unsigned align = 63 - format->frac_bits;
    uint64_t frac = bits & ((UINT64_C(1) << format->frac_bits) - 1);
    int32_t exp = (int32_t)(bits >> format->frac_bits) & format->exp_max;
    int32_t bias = format->exp_max >> 1;
    bool sign = (bits >> format->frac_bits) > (uint64_t)format->exp_max;

    if (exp == format->exp_max) {
        bool quiet = (frac >> (format->frac_bits - 1)) != 0;
        enum fpu_kind nan = quiet ? FPU_KIND_QNAN : FPU_KIND_SNAN;
        return fpu_num_special(frac == 0 ? FPU_KIND_INF : nan, sign);
    }
    if (exp != 0) {
        frac = (frac << align) | UINT64_C(1) << 63;
        return (struct fpu_num){frac, exp - bias, FPU_KIND_NORMAL, sign};
    }
    if (frac == 0) {
        return fpu_num_special(FPU_KIND_ZERO, sign);
    }
    return fpu_num_normal(sign, 1 - bias, frac << align);
}

static inline struct fpu_num fpu_unpack_f16(uint16_t bits)
{
    return fpu_unpack(&FPU_F16, bits);
}

static inline struct fpu_num fpu_unpack_f32(uint32_t bits)
{
    return fpu_unpack(&FPU_F32, bits);
}

static inline struct fpu_num fpu_unpack_f64(uint64_t bits)
{
    return fpu_unpack(&FPU_F64, bits);
}

/* a + b when at least one of them is not FPU_KIND_NORMAL (fpu_add.c). */
struct fpu_num fpu_num_add_special(struct fpu_num a, struct fpu_num b, enum fpu_round rm,
                                   uint32_t *flags);

/* Round to the format and encode; raises NX, UF, OF. Any exp within +-2^30 is accepted. */
uint16_t fpu_pack_f16(struct fpu_num a, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_pack_f32(struct fpu_num a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_pack_f64(struct fpu_num a, enum fpu_round rm, uint32_t *flags);

#endif

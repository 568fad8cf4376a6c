/*
 * Conversions to and from integers, and rounding to an integral value (IEEE 754-2019 5.3.1, 5.4.1,
 * 5.8).
 * Saturation follows the RISC-V table "Domains of float-to-integer conversions" (F chapter).
 */
#include "cpu/fpu_num.h"

/* The magnitude of a FPU_KIND_NORMAL number below 2^64, rounded to an integer. */
static inline uint64_t round_magnitude(struct fpu_num a, enum fpu_round rm, bool *inexact)
{
    uint64_t frac = a.frac;
    int32_t drop_bits = 63 - a.exp;

    if (drop_bits == 0) {
        *inexact = false;
        return frac;
    }
    if (drop_bits > 63) { /* below 1/2 nothing but the fact of being nonzero counts */
        frac = fpu_shift_jam(frac, (uint32_t)(drop_bits - 63));
        drop_bits = 63;
    }
    return fpu_round_frac(frac, (unsigned)drop_bits, a.sign, rm, inexact);
}

/* Rounds and saturates to [-low, high]; the result is two's complement in 64 bits. */
static inline uint64_t to_int(struct fpu_num a, uint64_t low, uint64_t high, enum fpu_round rm,
                              uint32_t *flags)
{
    bool negative = a.sign && !fpu_num_is_nan(a);
    uint64_t limit = negative ? low : high;
    uint64_t magnitude = limit;
    bool inexact = false;
    bool invalid = a.kind >= FPU_KIND_INF || (a.kind == FPU_KIND_NORMAL && a.exp > 63);

    if (a.kind == FPU_KIND_ZERO) {
        return 0;
    }
    if (!invalid) {
        magnitude = round_magnitude(a, rm, &inexact);
        if (magnitude > limit) {
            invalid = true;
            magnitude = limit;
        }
    }
    if (invalid) {
        *flags |= FPU_NV;
    } else if (inexact) {
        *flags |= FPU_NX;
    }
    return negative ? 0 - magnitude : magnitude;
}

static inline uint32_t to_s32(struct fpu_num a, enum fpu_round rm, uint32_t *flags)
{
    return (uint32_t)to_int(a, UINT64_C(1) << 31, INT32_MAX, rm, flags);
}

static inline uint64_t to_s64(struct fpu_num a, enum fpu_round rm, uint32_t *flags)
{
    return to_int(a, UINT64_C(1) << 63, INT64_MAX, rm, flags);
}

uint32_t fpu_f32_to_s32(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return to_s32(fpu_unpack_f32(a), rm, flags);
}

uint32_t fpu_f32_to_u32(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return (uint32_t)to_int(fpu_unpack_f32(a), 0, UINT32_MAX, rm, flags);
}

uint64_t fpu_f32_to_s64(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return to_s64(fpu_unpack_f32(a), rm, flags);
}

uint64_t fpu_f32_to_u64(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return to_int(fpu_unpack_f32(a), 0, UINT64_MAX, rm, flags);
}

uint32_t fpu_f64_to_s32(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return to_s32(fpu_unpack_f64(a), rm, flags);
}

uint32_t fpu_f64_to_u32(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return (uint32_t)to_int(fpu_unpack_f64(a), 0, UINT32_MAX, rm, flags);
}

uint64_t fpu_f64_to_s64(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return to_s64(fpu_unpack_f64(a), rm, flags);
}

uint64_t fpu_f64_to_u64(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return to_int(fpu_unpack_f64(a), 0, UINT64_MAX, rm, flags);
}

static inline struct fpu_num from_int(bool negative, uint64_t magnitude)
{
    if (magnitude == 0) {
        return fpu_num_special(FPU_KIND_ZERO, false);
    }
    return fpu_num_normal(negative, 63, magnitude);
}

static inline struct fpu_num from_s64(uint64_t a)
{
    bool negative = a >> 63;

    return from_int(negative, negative ? 0 - a : a);
}

static inline struct fpu_num from_s32(uint32_t a)
{
    bool negative = a >> 31;

    return from_int(negative, negative ? 0 - a : a);
}

uint32_t fpu_s32_to_f32(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f32(from_s32(a), rm, flags);
}

uint32_t fpu_u32_to_f32(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f32(from_int(false, a), rm, flags);
}

uint32_t fpu_s64_to_f32(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f32(from_s64(a), rm, flags);
}

uint32_t fpu_u64_to_f32(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f32(from_int(false, a), rm, flags);
}

uint64_t fpu_s32_to_f64(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f64(from_s32(a), rm, flags);
}

uint64_t fpu_u32_to_f64(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f64(from_int(false, a), rm, flags);
}

uint64_t fpu_s64_to_f64(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f64(from_s64(a), rm, flags);
}

uint64_t fpu_u64_to_f64(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f64(from_int(false, a), rm, flags);
}

/* frac_bits of the format: from 2^frac_bits on every number is integral. */
static inline struct fpu_num num_roundint(struct fpu_num a, int32_t frac_bits, bool raise_nx,
                                          enum fpu_round rm, uint32_t *flags)
{
    bool inexact;

    if (fpu_num_is_nan(a)) {
        return fpu_num_from_nans(a, a, flags);
    }
    if (a.kind != FPU_KIND_NORMAL || a.exp >= frac_bits) {
        return a;
    }
    uint64_t magnitude = round_magnitude(a, rm, &inexact);
    if (inexact && raise_nx) {
        *flags |= FPU_NX;
    }
    if (magnitude == 0) {
        return fpu_num_special(FPU_KIND_ZERO, a.sign);
    }
    return fpu_num_normal(a.sign, 63, magnitude);
}

uint32_t fpu_roundint_f32(uint32_t a, bool raise_nx, enum fpu_round rm, uint32_t *flags)
{
    struct fpu_num integral = num_roundint(fpu_unpack_f32(a), 23, raise_nx, rm, flags);

    return fpu_pack_f32(integral, rm, flags);
}

uint64_t fpu_roundint_f64(uint64_t a, bool raise_nx, enum fpu_round rm, uint32_t *flags)
{
    struct fpu_num integral = num_roundint(fpu_unpack_f64(a), 52, raise_nx, rm, flags);

    return fpu_pack_f64(integral, rm, flags);
}

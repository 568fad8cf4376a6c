/*
 * Comparisons, minimum, maximum and classification (IEEE 754-2019 5.7.2, 5.11, 9.6).
 *
 * These work on the encodings: sign and magnitude, so that finite numbers and infinities of one
 * sign order as integers do.
 */
#include "cpu/fpu_num.h"

#define SIGN_F32 (UINT32_C(1) << 31)
#define SIGN_F64 (UINT64_C(1) << 63)
#define INF_F32 UINT32_C(0x7f800000)
#define INF_F64 UINT64_C(0x7ff0000000000000)
#define QUIET_F32 (UINT32_C(1) << 22)
#define QUIET_F64 (UINT64_C(1) << 51)

static inline bool is_nan_f32(uint32_t a)
{
    return (a & ~SIGN_F32) > INF_F32;
}

static inline bool is_nan_f64(uint64_t a)
{
    return (a & ~SIGN_F64) > INF_F64;
}

static inline bool is_snan_f32(uint32_t a)
{
    return is_nan_f32(a) && !(a & QUIET_F32);
}

static inline bool is_snan_f64(uint64_t a)
{
    return is_nan_f64(a) && !(a & QUIET_F64);
}

/* Is either a NaN? NV for a signalling one, or for any when `signalling`. */
static inline bool unordered_f32(uint32_t a, uint32_t b, bool signalling, uint32_t *flags)
{
    if (!is_nan_f32(a) && !is_nan_f32(b)) {
        return false;
    }
    if (signalling || is_snan_f32(a) || is_snan_f32(b)) {
        *flags |= FPU_NV;
    }
    return true;
}

static inline bool unordered_f64(uint64_t a, uint64_t b, bool signalling, uint32_t *flags)
{
    if (!is_nan_f64(a) && !is_nan_f64(b)) {
        return false;
    }
    if (signalling || is_snan_f64(a) || is_snan_f64(b)) {
        *flags |= FPU_NV;
    }
    return true;
}

/* An integer key in the order of the numbers, -0 just below +0; not for NaNs. */
static inline uint64_t order_key(uint64_t a, uint64_t sign_bit)
{
    return a & sign_bit ? ~a & (sign_bit | (sign_bit - 1)) : a | sign_bit;
}

static inline bool ordered_lt(uint64_t a, uint64_t b, uint64_t sign_bit)
{
    bool both_zero = ((a | b) & ~sign_bit) == 0;

    return !both_zero && order_key(a, sign_bit) < order_key(b, sign_bit);
}

bool fpu_eq_f32(uint32_t a, uint32_t b, uint32_t *flags)
{
    return !unordered_f32(a, b, false, flags) && (a == b || ((a | b) & ~SIGN_F32) == 0);
}

bool fpu_eq_f64(uint64_t a, uint64_t b, uint32_t *flags)
{
    return !unordered_f64(a, b, false, flags) && (a == b || ((a | b) & ~SIGN_F64) == 0);
}

bool fpu_lt_f32(uint32_t a, uint32_t b, uint32_t *flags)
{
    return !unordered_f32(a, b, true, flags) && ordered_lt(a, b, SIGN_F32);
}

bool fpu_lt_f64(uint64_t a, uint64_t b, uint32_t *flags)
{
    return !unordered_f64(a, b, true, flags) && ordered_lt(a, b, SIGN_F64);
}

bool fpu_le_f32(uint32_t a, uint32_t b, uint32_t *flags)
{
    return !unordered_f32(a, b, true, flags) && !ordered_lt(b, a, SIGN_F32);
}

bool fpu_le_f64(uint64_t a, uint64_t b, uint32_t *flags)
{
    return !unordered_f64(a, b, true, flags) && !ordered_lt(b, a, SIGN_F64);
}

/* The answer of min and max when a or b is a NaN: the other one, or the canonical NaN. */
static inline uint32_t only_number_f32(uint32_t a, uint32_t b)
{
    uint32_t other = is_nan_f32(a) ? b : a;

    return is_nan_f32(other) ? FPU_NAN_F32 : other;
}

static inline uint64_t only_number_f64(uint64_t a, uint64_t b)
{
    uint64_t other = is_nan_f64(a) ? b : a;

    return is_nan_f64(other) ? FPU_NAN_F64 : other;
}

uint32_t fpu_min_f32(uint32_t a, uint32_t b, uint32_t *flags)
{
    if (unordered_f32(a, b, false, flags)) {
        return only_number_f32(a, b);
    }
    return order_key(a, SIGN_F32) < order_key(b, SIGN_F32) ? a : b;
}

uint64_t fpu_min_f64(uint64_t a, uint64_t b, uint32_t *flags)
{
    if (unordered_f64(a, b, false, flags)) {
        return only_number_f64(a, b);
    }
    return order_key(a, SIGN_F64) < order_key(b, SIGN_F64) ? a : b;
}

uint32_t fpu_max_f32(uint32_t a, uint32_t b, uint32_t *flags)
{
    if (unordered_f32(a, b, false, flags)) {
        return only_number_f32(a, b);
    }
    return order_key(a, SIGN_F32) < order_key(b, SIGN_F32) ? b : a;
}

uint64_t fpu_max_f64(uint64_t a, uint64_t b, uint32_t *flags)
{
    if (unordered_f64(a, b, false, flags)) {
        return only_number_f64(a, b);
    }
    return order_key(a, SIGN_F64) < order_key(b, SIGN_F64) ? b : a;
}

/* magnitude: the encoding without its sign. */
static uint32_t class_of(bool sign, uint64_t magnitude, uint64_t smallest_normal, uint64_t infinity)
{
    if (magnitude > infinity) {
        bool quiet = magnitude >= infinity + smallest_normal / 2;
        return quiet ? FPU_CLASS_QNAN : FPU_CLASS_SNAN;
    }
    if (magnitude == infinity) {
        return sign ? FPU_CLASS_NEG_INF : FPU_CLASS_POS_INF;
    }
    if (magnitude >= smallest_normal) {
        return sign ? FPU_CLASS_NEG_NORMAL : FPU_CLASS_POS_NORMAL;
    }
    if (magnitude != 0) {
        return sign ? FPU_CLASS_NEG_SUBNORMAL : FPU_CLASS_POS_SUBNORMAL;
    }
    return sign ? FPU_CLASS_NEG_ZERO : FPU_CLASS_POS_ZERO;
}

uint32_t fpu_class_f32(uint32_t a)
{
    return class_of((a & SIGN_F32) != 0, a & ~SIGN_F32, UINT32_C(1) << 23, INF_F32);
}

uint32_t fpu_class_f64(uint64_t a)
{
    return class_of((a & SIGN_F64) != 0, a & ~SIGN_F64, UINT64_C(1) << 52, INF_F64);
}

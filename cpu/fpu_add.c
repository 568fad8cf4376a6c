/*
 * Addition and subtraction (IEEE 754-2019 5.4.1, sign of a zero sum 6.3).
 */
#include "cpu/fpu_num.h"

struct fpu_num fpu_num_add_special(struct fpu_num a, struct fpu_num b, enum fpu_round rm,
                                   uint32_t *flags)
{
    if (fpu_num_is_nan(a) || fpu_num_is_nan(b)) {
        return fpu_num_from_nans(a, b, flags);
    }
    if (a.kind == FPU_KIND_INF && b.kind == FPU_KIND_INF && a.sign != b.sign) {
        return fpu_num_invalid(flags);
    }
    if (a.kind == FPU_KIND_INF || b.kind == FPU_KIND_INF) {
        return a.kind == FPU_KIND_INF ? a : b;
    }
    if (a.kind == FPU_KIND_ZERO && b.kind == FPU_KIND_ZERO) {
        bool sign = a.sign == b.sign ? a.sign : rm == FPU_RDN;
        return fpu_num_special(FPU_KIND_ZERO, sign);
    }
    return a.kind == FPU_KIND_ZERO ? b : a;
}

/*
 * Both magnitudes give up one bit for a carry, which leaves at least ten below the 53 significant
 * ones. The smaller is aligned with jamming: a result that then loses more than one leading bit
 * comes from operands whose exponents differ by at most one, where nothing was jammed.
 */
static inline struct fpu_num num_add(struct fpu_num a, struct fpu_num b, enum fpu_round rm,
                                     uint32_t *flags)
{
    if (a.kind != FPU_KIND_NORMAL || b.kind != FPU_KIND_NORMAL) {
        return fpu_num_add_special(a, b, rm, flags);
    }
    if (a.exp < b.exp || (a.exp == b.exp && a.frac < b.frac)) {
        struct fpu_num swap = a;
        a = b;
        b = swap;
    }
    uint64_t large = a.frac >> 1;
    uint64_t small = fpu_shift_jam(b.frac >> 1, (uint32_t)(a.exp - b.exp));
    uint64_t frac = a.sign == b.sign ? large + small : large - small;
    if (frac == 0) {
        return fpu_num_special(FPU_KIND_ZERO, rm == FPU_RDN);
    }
    return fpu_num_normal(a.sign, a.exp + 1, frac);
}

uint32_t fpu_add_f32(uint32_t a, uint32_t b, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f32(num_add(fpu_unpack_f32(a), fpu_unpack_f32(b), rm, flags), rm, flags);
}

uint64_t fpu_add_f64(uint64_t a, uint64_t b, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f64(num_add(fpu_unpack_f64(a), fpu_unpack_f64(b), rm, flags), rm, flags);
}

/* a - b is a + (-b) in every respect but NaN signs, which the canonical NaN hides. */
uint32_t fpu_sub_f32(uint32_t a, uint32_t b, enum fpu_round rm, uint32_t *flags)
{
    return fpu_add_f32(a, b ^ UINT32_C(1) << 31, rm, flags);
}

uint64_t fpu_sub_f64(uint64_t a, uint64_t b, enum fpu_round rm, uint32_t *flags)
{
    return fpu_add_f64(a, b ^ UINT64_C(1) << 63, rm, flags);
}

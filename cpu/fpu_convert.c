/*
 * Conversions between formats (IEEE 754-2019 5.4.2). A NaN becomes the new format's canonical NaN.
 */
#include "cpu/fpu_num.h"

static inline struct fpu_num num_convert(struct fpu_num a, uint32_t *flags)
{
    return fpu_num_is_nan(a) ? fpu_num_from_nans(a, a, flags) : a;
}

uint32_t fpu_f16_to_f32(uint16_t a, uint32_t *flags)
{
    return fpu_pack_f32(num_convert(fpu_unpack_f16(a), flags), FPU_RNE, flags);
}

uint64_t fpu_f16_to_f64(uint16_t a, uint32_t *flags)
{
    return fpu_pack_f64(num_convert(fpu_unpack_f16(a), flags), FPU_RNE, flags);
}

uint64_t fpu_f32_to_f64(uint32_t a, uint32_t *flags)
{
    return fpu_pack_f64(num_convert(fpu_unpack_f32(a), flags), FPU_RNE, flags);
}

uint16_t fpu_f32_to_f16(uint32_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f16(num_convert(fpu_unpack_f32(a), flags), rm, flags);
}

uint16_t fpu_f64_to_f16(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f16(num_convert(fpu_unpack_f64(a), flags), rm, flags);
}

uint32_t fpu_f64_to_f32(uint64_t a, enum fpu_round rm, uint32_t *flags)
{
    return fpu_pack_f32(num_convert(fpu_unpack_f64(a), flags), rm, flags);
}

/* Integer and fixed-point element operations of the vector unit: vector_ops.def at four widths. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* these loops are what gcc vectorises well */
#endif
#include "cpu/riscv64/vector_ops.h"

/* The register file is bytes that are looked at as elements of any width. */
#define ELEMENT __attribute__((may_alias))
typedef u8 ELEMENT uint_8;
typedef s8 ELEMENT sint_8;
typedef u16 ELEMENT uint_16, wide_uint_8;
typedef s16 ELEMENT sint_16, wide_sint_8;
typedef u32 ELEMENT uint_32, wide_uint_16;
typedef s32 ELEMENT sint_32, wide_sint_16;
typedef u64 ELEMENT uint_64, wide_uint_32;
typedef s64 ELEMENT sint_64, wide_sint_32;
typedef u128 wide_uint_64;
typedef s128 wide_sint_64;
typedef u32 mul_uint_8, mul_uint_16, mul_uint_32;
typedef u64 mul_uint_64;

enum { VXRM_RNU, VXRM_RNE, VXRM_RDN, VXRM_ROD };

/* Whether value / 2^shift, rounded down, is to be one more. `low` is the value's low 64 bits. */
static inline bool rounds_up(u64 low, unsigned shift, u32 rm)
{
    if (shift == 0) {
        return false;
    }
    bool odd = low >> shift & 1, half = low >> (shift - 1) & 1;
    u64 below = low & (((u64)1 << (shift - 1)) - 1);
    switch (rm) {
    case VXRM_RNU: return half;
    case VXRM_RNE: return half && (below != 0 || odd);
    case VXRM_RDN: return false;
    default: return !odd && (half || below != 0);
    }
}

#define BITS 8
#include "cpu/riscv64/vector_width.def"
#define BITS 16
#include "cpu/riscv64/vector_width.def"
#define BITS 32
#include "cpu/riscv64/vector_width.def"
#define BITS 64
#include "cpu/riscv64/vector_width.def"

#define WIDTHS(name) {name##_8, name##_16, name##_32, name##_64}
#define OPERATION(name) const struct vector_op riscv64_vop_##name = {WIDTHS(name)};
#define VECTOR_ELEMENT(name, type, value) OPERATION(name)
#define VECTOR_FIXED(name, type, value) OPERATION(name)
#define VECTOR_COMPARE(name, type, value) OPERATION(name)
#define VECTOR_CARRY(name, value) OPERATION(name)
#define VECTOR_CARRY_OUT(name, value) OPERATION(name)
#define VECTOR_FOLD(name, type, value) OPERATION(name)
#include "cpu/riscv64/vector_ops.def"

const struct vector_op riscv64_vop_none = {{NULL}};
const struct vector_op riscv64_vop_nsrl = {{nsrl_8, nsrl_16, nsrl_32, NULL}};
const struct vector_op riscv64_vop_nsra = {{nsra_8, nsra_16, nsra_32, NULL}};
const struct vector_op riscv64_vop_nclipu = {{nclipu_8, nclipu_16, nclipu_32, NULL}};
const struct vector_op riscv64_vop_nclip = {{nclip_8, nclip_16, nclip_32, NULL}};

/*
 * Exact software floating point: IEEE 754-2019 binary32 and binary64 arithmetic, and conversions
 * between them, binary16 and integers.
 *
 * The IR interpreter runs these functions, and translated code calls them wherever the host's own
 * unit may differ. Everything is integer arithmetic: the host's rounding mode and sticky flags are
 * neither read nor changed. No state is kept, so any thread may call anything at any time.
 *
 * Values are bit patterns: f16 in uint16_t, f32 in uint32_t, f64 in uint64_t, integers of either
 * signedness in uint32_t / uint64_t (two's complement). Every pattern is a legal operand.
 *
 * Where IEEE 754 leaves a choice, this is RISC-V's (Unprivileged ISA, "F" and "D" chapters):
 *   - a NaN result is the canonical quiet NaN, sign clear, payload zero: operands' payloads
 *     are lost;
 *   - underflow is raised when the result is inexact and tiny *after* rounding;
 *   - fma(inf, 0, quiet NaN) raises NV;
 *   - float to integer saturates with NV alone (never NX beside it), NaN counting as +infinity;
 *   - min and max are minimumNumber and maximumNumber: a single NaN operand is ignored, -0 < +0.
 *
 * `flags` is never NULL; exceptions raised are ORed into *flags, in the bit order of fflags.
 * `rm` is one of the five modes below; callers reject the reserved encodings 5 to 7 and resolve the
 * dynamic one first (a reserved value behaves as FPU_RTZ and is otherwise harmless).
 *
 * Left out: traps on exceptions, other NaN rules, alternate tininess, half-precision arithmetic.
 */
#ifndef METIC_CPU_FPU_H
#define METIC_CPU_FPU_H

#include <stdbool.h>
#include <stdint.h>

enum fpu_round {
    FPU_RNE = 0, /* to nearest, ties to even */
    FPU_RTZ = 1, /* towards zero */
    FPU_RDN = 2, /* towards -infinity */
    FPU_RUP = 3, /* towards +infinity */
    FPU_RMM = 4, /* to nearest, ties away from zero */
};

enum fpu_flag {
    FPU_NX = 1,  /* inexact */
    FPU_UF = 2,  /* underflow */
    FPU_OF = 4,  /* overflow */
    FPU_DZ = 8,  /* division of a finite number by zero */
    FPU_NV = 16, /* invalid operation */
};

/* Result bits of fpu_class_*: exactly one is set (fclass.s, fclass.d). */
enum fpu_class {
    FPU_CLASS_NEG_INF = 1 << 0,
    FPU_CLASS_NEG_NORMAL = 1 << 1,
    FPU_CLASS_NEG_SUBNORMAL = 1 << 2,
    FPU_CLASS_NEG_ZERO = 1 << 3,
    FPU_CLASS_POS_ZERO = 1 << 4,
    FPU_CLASS_POS_SUBNORMAL = 1 << 5,
    FPU_CLASS_POS_NORMAL = 1 << 6,
    FPU_CLASS_POS_INF = 1 << 7,
    FPU_CLASS_SNAN = 1 << 8,
    FPU_CLASS_QNAN = 1 << 9,
};

#define FPU_NAN_F16 UINT16_C(0x7e00)
#define FPU_NAN_F32 UINT32_C(0x7fc00000)
#define FPU_NAN_F64 UINT64_C(0x7ff8000000000000)

/* Arithmetic. fma is a*b + c with one rounding; the other three forms flip operand signs first. */
uint32_t fpu_add_f32(uint32_t a, uint32_t b, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_add_f64(uint64_t a, uint64_t b, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_sub_f32(uint32_t a, uint32_t b, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_sub_f64(uint64_t a, uint64_t b, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_mul_f32(uint32_t a, uint32_t b, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_mul_f64(uint64_t a, uint64_t b, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_div_f32(uint32_t a, uint32_t b, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_div_f64(uint64_t a, uint64_t b, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_sqrt_f32(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_sqrt_f64(uint64_t a, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_fma_f32(uint32_t a, uint32_t b, uint32_t c, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_fma_f64(uint64_t a, uint64_t b, uint64_t c, enum fpu_round rm, uint32_t *flags);

/* minimumNumber / maximumNumber; NV for a signalling NaN operand. */
uint32_t fpu_min_f32(uint32_t a, uint32_t b, uint32_t *flags);
uint64_t fpu_min_f64(uint64_t a, uint64_t b, uint32_t *flags);
uint32_t fpu_max_f32(uint32_t a, uint32_t b, uint32_t *flags);
uint64_t fpu_max_f64(uint64_t a, uint64_t b, uint32_t *flags);

/* Comparisons, false when unordered. eq is quiet (NV for signalling NaNs), lt and le signal (NV for
 * any NaN). */
bool fpu_eq_f32(uint32_t a, uint32_t b, uint32_t *flags);
bool fpu_eq_f64(uint64_t a, uint64_t b, uint32_t *flags);
bool fpu_lt_f32(uint32_t a, uint32_t b, uint32_t *flags);
bool fpu_lt_f64(uint64_t a, uint64_t b, uint32_t *flags);
bool fpu_le_f32(uint32_t a, uint32_t b, uint32_t *flags);
bool fpu_le_f64(uint64_t a, uint64_t b, uint32_t *flags);

/* One bit of enum fpu_class; raises nothing. */
uint32_t fpu_class_f32(uint32_t a);
uint32_t fpu_class_f64(uint64_t a);

/* Between formats. Widening takes no rounding mode: it is exact; NV for a signalling NaN. */
uint32_t fpu_f16_to_f32(uint16_t a, uint32_t *flags);
uint64_t fpu_f16_to_f64(uint16_t a, uint32_t *flags);
uint64_t fpu_f32_to_f64(uint32_t a, uint32_t *flags);
uint16_t fpu_f32_to_f16(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint16_t fpu_f64_to_f16(uint64_t a, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_f64_to_f32(uint64_t a, enum fpu_round rm, uint32_t *flags);

/* To integer, saturating: out of range gives the nearest limit and NV, NaN the upper limit and NV.
 * 32-bit results are not extended: RISC-V sign-extends them, the unsigned ones too. */
uint32_t fpu_f32_to_s32(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_f32_to_u32(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_f32_to_s64(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_f32_to_u64(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_f64_to_s32(uint64_t a, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_f64_to_u32(uint64_t a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_f64_to_s64(uint64_t a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_f64_to_u64(uint64_t a, enum fpu_round rm, uint32_t *flags);

/* From integer. 32-bit integers to f64 are exact and take rm and flags only for uniformity. */
uint32_t fpu_s32_to_f32(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_u32_to_f32(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_s64_to_f32(uint64_t a, enum fpu_round rm, uint32_t *flags);
uint32_t fpu_u64_to_f32(uint64_t a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_s32_to_f64(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_u32_to_f64(uint32_t a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_s64_to_f64(uint64_t a, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_u64_to_f64(uint64_t a, enum fpu_round rm, uint32_t *flags);

/* To an integral value in the same format, keeping the sign of zero. NX for an inexact result only
 * when raise_nx (froundnx; fround does not). NV for a signalling NaN. */
uint32_t fpu_roundint_f32(uint32_t a, bool raise_nx, enum fpu_round rm, uint32_t *flags);
uint64_t fpu_roundint_f64(uint64_t a, bool raise_nx, enum fpu_round rm, uint32_t *flags);

/* NaN boxing (D chapter, "NaN Boxing of Narrower Values"): an f32 lives in a 64-bit register under
 * 32 one bits; a register without them reads as the canonical NaN. */
static inline uint64_t fpu_box_f32(uint32_t a)
{
    return UINT64_C(0xffffffff00000000) | a;
}

static inline uint32_t fpu_unbox_f32(uint64_t reg)
{
    return (reg >> 32) == UINT32_MAX ? (uint32_t)reg : FPU_NAN_F32;
}

#endif

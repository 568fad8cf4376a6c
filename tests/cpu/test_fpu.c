/*
 * Hand-picked vectors for the arithmetic of cpu/fpu.h: each row is one rule of IEEE 754 or of the
 * RISC-V F and D chapters. test_fpu_int.c has the other operations, test_fpu_host.c compares random
 * operands with the host's unit, run_testfloat.sh uses Berkeley's vectors.
 */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "cpu/fpu.h"

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

#define D_ONE UINT64_C(0x3ff0000000000000)
#define D_TWO UINT64_C(0x4000000000000000)
#define D_HALF UINT64_C(0x3fe0000000000000)
#define D_MAX UINT64_C(0x7fefffffffffffff)
#define D_INF UINT64_C(0x7ff0000000000000)
#define D_MIN UINT64_C(0x0010000000000000) /* smallest normal number */
#define D_QNAN UINT64_C(0xfff8000000000123)
#define D_SNAN UINT64_C(0x7ff0000000000001)
#define D_ULP UINT64_C(0x3cb0000000000000)      /* 2^-52, the distance from 1 to the next */
#define D_HALF_ULP UINT64_C(0x3ca0000000000000) /* 2^-53 */
#define D_BELOW_ONE UINT64_C(0x3fefffffffffffff)
#define D_NEG UINT64_C(0x8000000000000000)

#define F_ONE UINT32_C(0x3f800000)
#define F_MAX UINT32_C(0x7f7fffff)
#define F_INF UINT32_C(0x7f800000)
#define F_QNAN UINT32_C(0xffc00123)
#define F_SNAN UINT32_C(0x7f800001)
#define F_NEG UINT32_C(0x80000000)

enum { NX = FPU_NX, UF = FPU_UF, OF = FPU_OF, DZ = FPU_DZ, NV = FPU_NV };

/* One operation under the five roundings, in the order of enum fpu_round. */
struct all_modes {
    uint64_t (*run)(uint64_t a, uint64_t b, uint64_t c, enum fpu_round rm, uint32_t *flags);
    uint64_t a, b, c;
    uint64_t want[5];
    uint32_t flags[5];
};

static void check_all_modes(const struct all_modes *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int rm = FPU_RNE; rm <= FPU_RMM; rm++) {
            const struct all_modes *row = &rows[i];
            uint32_t flags = 0;
            uint64_t got = row->run(row->a, row->b, row->c, (enum fpu_round)rm, &flags);

            cr_expect(got == row->want[rm] && flags == row->flags[rm],
                      "row %zu rm %d: %" PRIx64 " %" PRIx64 " %" PRIx64 " gave %" PRIx64
                      " flags %x, not %" PRIx64 " flags %x",
                      i, rm, row->a, row->b, row->c, got, flags, row->want[rm], row->flags[rm]);
        }
    }
}

#define SAME(x) {(x), (x), (x), (x), (x)}

typedef uint64_t num;
typedef enum fpu_round mode;

static uint64_t add_d(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_add_f64(a, b, rm, flags);
}

static uint64_t sub_d(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_sub_f64(a, b, rm, flags);
}

static uint64_t mul_d(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_mul_f64(a, b, rm, flags);
}

static uint64_t div_d(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_div_f64(a, b, rm, flags);
}

static uint64_t sqrt_d(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)b, (void)c;
    return fpu_sqrt_f64(a, rm, flags);
}

static uint64_t add_f(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_add_f32((uint32_t)a, (uint32_t)b, rm, flags);
}

static uint64_t sub_f(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_sub_f32((uint32_t)a, (uint32_t)b, rm, flags);
}

static uint64_t mul_f(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_mul_f32((uint32_t)a, (uint32_t)b, rm, flags);
}

static uint64_t div_f(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_div_f32((uint32_t)a, (uint32_t)b, rm, flags);
}

static uint64_t sqrt_f(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)b, (void)c;
    return fpu_sqrt_f32((uint32_t)a, rm, flags);
}

static uint64_t fma_f(num a, num b, num c, mode rm, uint32_t *flags)
{
    return fpu_fma_f32((uint32_t)a, (uint32_t)b, (uint32_t)c, rm, flags);
}

static uint64_t roundint_d(num a, num raise_nx, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_roundint_f64(a, raise_nx != 0, rm, flags);
}

static uint64_t roundint_f(num a, num raise_nx, num c, mode rm, uint32_t *flags)
{
    (void)c;
    return fpu_roundint_f32((uint32_t)a, raise_nx != 0, rm, flags);
}

static uint64_t d_to_f(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)b, (void)c;
    return fpu_f64_to_f32(a, rm, flags);
}

static uint64_t f_to_h(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)b, (void)c;
    return fpu_f32_to_f16((uint32_t)a, rm, flags);
}

static uint64_t d_to_h(num a, num b, num c, mode rm, uint32_t *flags)
{
    (void)b, (void)c;
    return fpu_f64_to_f16(a, rm, flags);
}

Test(fpu, add_f64)
{
    static const struct all_modes TABLE[] = {
        /* ties, just above a tie, and a far smaller operand */
        {add_d, D_ONE, D_HALF_ULP, 0,
         {D_ONE, D_ONE, D_ONE, D_ONE + 1, D_ONE + 1}, SAME(NX)},
        {add_d, D_ONE | D_NEG, D_HALF_ULP | D_NEG, 0,
         {D_ONE | D_NEG, D_ONE | D_NEG, (D_ONE + 1) | D_NEG, D_ONE | D_NEG, (D_ONE + 1) | D_NEG},
         SAME(NX)},
        {add_d, D_ONE + 1, D_HALF_ULP, 0,
         {D_ONE + 2, D_ONE + 1, D_ONE + 1, D_ONE + 2, D_ONE + 2}, SAME(NX)},
        {add_d, D_ONE, D_HALF_ULP + 1, 0,
         {D_ONE + 1, D_ONE, D_ONE, D_ONE + 1, D_ONE + 1}, SAME(NX)},
        {add_d, D_ONE, 1, 0, {D_ONE, D_ONE, D_ONE, D_ONE + 1, D_ONE}, SAME(NX)},
        {sub_d, D_ONE, 1, 0, {D_ONE, D_BELOW_ONE, D_BELOW_ONE, D_ONE, D_ONE}, SAME(NX)},
        /* overflow; and MAX plus half its unit, which only some modes push over */
        {add_d, D_MAX, D_MAX, 0, {D_INF, D_MAX, D_MAX, D_INF, D_INF}, SAME(OF | NX)},
        {sub_d, D_MAX | D_NEG, D_MAX, 0,
         {D_INF | D_NEG, D_MAX | D_NEG, D_INF | D_NEG, D_MAX | D_NEG, D_INF | D_NEG},
         SAME(OF | NX)},
        {add_d, D_MAX, UINT64_C(0x7c90000000000000), 0,
         {D_INF, D_MAX, D_MAX, D_INF, D_INF}, {OF | NX, NX, NX, OF | NX, OF | NX}},
        /* zeros */
        {sub_d, D_ONE, D_ONE, 0, {0, 0, D_NEG, 0, 0}, SAME(0)},
        {add_d, D_NEG, D_NEG, 0, SAME(D_NEG), SAME(0)},
        {add_d, 0, D_NEG, 0, {0, 0, D_NEG, 0, 0}, SAME(0)},
        {sub_d, 0, 0, 0, {0, 0, D_NEG, 0, 0}, SAME(0)},
        {add_d, D_NEG, 5, 0, SAME(5), SAME(0)},
        /* subnormals are exact */
        {add_d, 1, 1, 0, SAME(2), SAME(0)},
        {add_d, D_MIN - 1, 1, 0, SAME(D_MIN), SAME(0)},
        {sub_d, D_MIN, 1, 0, SAME(D_MIN - 1), SAME(0)},
        /* infinities and NaNs */
        {add_d, D_INF, D_ONE | D_NEG, 0, SAME(D_INF), SAME(0)},
        {sub_d, D_ONE, D_INF, 0, SAME(D_INF | D_NEG), SAME(0)},
        {sub_d, D_INF, D_INF, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {add_d, D_INF, D_INF | D_NEG, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {add_d, D_QNAN, D_INF, 0, SAME(FPU_NAN_F64), SAME(0)},
        {sub_d, D_ONE, D_QNAN, 0, SAME(FPU_NAN_F64), SAME(0)},
        {add_d, D_QNAN, D_SNAN, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {sub_d, D_SNAN, D_ONE, 0, SAME(FPU_NAN_F64), SAME(NV)},
    };
    check_all_modes(TABLE, ROWS(TABLE));
}

Test(fpu, mul_f64)
{
    /* (1+ulp) 2^-511 times (1-ulp) 2^-511: just below the smallest normal number. Modes that would
     * round it up to there with an unbounded exponent do not call it tiny. */
    const uint64_t x = UINT64_C(0x2000000000000001);
    const uint64_t y = UINT64_C(0x1ffffffffffffffe);
    const struct all_modes TABLE[] = {
        {mul_d, x, y, 0, {D_MIN, D_MIN - 1, D_MIN - 1, D_MIN, D_MIN},
         {NX, UF | NX, UF | NX, NX, NX}},
        /* 53 bits just below it: tiny although rounding carries it up to the normal number */
        {mul_d, D_MIN, D_BELOW_ONE, 0, {D_MIN, D_MIN - 1, D_MIN - 1, D_MIN, D_MIN}, SAME(UF | NX)},
        {mul_d, D_MIN, D_HALF, 0, SAME(D_MIN / 2), SAME(0)},
        {mul_d, 1, D_HALF, 0, {0, 0, 0, 1, 1}, SAME(UF | NX)},
        {mul_d, 3, D_HALF, 0, {2, 1, 1, 2, 2}, SAME(UF | NX)},
        {mul_d, 1, 1, 0, {0, 0, 0, 1, 0}, SAME(UF | NX)},
        {mul_d, 1, D_NEG | 1, 0, {D_NEG, D_NEG, D_NEG | 1, D_NEG, D_NEG}, SAME(UF | NX)},
        {mul_d, D_MAX, D_TWO, 0, {D_INF, D_MAX, D_MAX, D_INF, D_INF}, SAME(OF | NX)},
        {mul_d, D_MAX, D_MAX | D_NEG, 0,
         {D_INF | D_NEG, D_MAX | D_NEG, D_INF | D_NEG, D_MAX | D_NEG, D_INF | D_NEG},
         SAME(OF | NX)},
        {mul_d, D_ONE + 1, D_ONE + 1, 0,
         {D_ONE + 2, D_ONE + 2, D_ONE + 2, D_ONE + 3, D_ONE + 2}, SAME(NX)},
        {mul_d, D_NEG, D_TWO, 0, SAME(D_NEG), SAME(0)},
        {mul_d, D_INF, D_NEG | 1, 0, SAME(D_INF | D_NEG), SAME(0)},
        {mul_d, D_INF, D_NEG, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {mul_d, 0, D_INF, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {mul_d, 0, D_QNAN, 0, SAME(FPU_NAN_F64), SAME(0)},
        {mul_d, D_SNAN, D_QNAN, 0, SAME(FPU_NAN_F64), SAME(NV)},
    };
    check_all_modes(TABLE, ROWS(TABLE));
}

Test(fpu, div_and_sqrt_f64)
{
    const uint64_t third = UINT64_C(0x3fd5555555555555);
    const uint64_t three = UINT64_C(0x4008000000000000);
    const uint64_t root2 = UINT64_C(0x3ff6a09e667f3bcd);
    const struct all_modes TABLE[] = {
        {div_d, D_ONE, three, 0, {third, third, third, third + 1, third}, SAME(NX)},
        {div_d, D_MIN, D_TWO, 0, SAME(D_MIN / 2), SAME(0)},
        {div_d, 1, D_TWO, 0, {0, 0, 0, 1, 1}, SAME(UF | NX)},
        {div_d, D_MAX, D_HALF, 0, {D_INF, D_MAX, D_MAX, D_INF, D_INF}, SAME(OF | NX)},
        {div_d, 1, D_MAX, 0, {0, 0, 0, 1, 0}, SAME(UF | NX)},
        {div_d, D_ONE, D_NEG, 0, SAME(D_INF | D_NEG), SAME(DZ)},
        {div_d, 1, 0, 0, SAME(D_INF), SAME(DZ)},
        {div_d, D_INF, 0, 0, SAME(D_INF), SAME(0)},
        {div_d, 0, D_INF | D_NEG, 0, SAME(D_NEG), SAME(0)},
        {div_d, D_MAX, D_INF, 0, SAME(0), SAME(0)},
        {div_d, 0, D_NEG, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {div_d, D_INF, D_INF | D_NEG, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {div_d, D_QNAN, 0, 0, SAME(FPU_NAN_F64), SAME(0)},
        {div_d, D_SNAN, 0, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {sqrt_d, D_TWO, 0, 0, {root2, root2 - 1, root2 - 1, root2, root2}, SAME(NX)},
        {sqrt_d, UINT64_C(0x4010000000000000), 0, 0, SAME(D_TWO), SAME(0)},
        {sqrt_d, 1, 0, 0, SAME(UINT64_C(0x1e60000000000000)), SAME(0)},
        {sqrt_d, D_BELOW_ONE, 0, 0,
         {D_BELOW_ONE, D_BELOW_ONE, D_BELOW_ONE, D_ONE, D_BELOW_ONE}, SAME(NX)},
        {sqrt_d, D_MAX, 0, 0,
         {UINT64_C(0x5fefffffffffffff), UINT64_C(0x5fefffffffffffff), UINT64_C(0x5fefffffffffffff),
          UINT64_C(0x5ff0000000000000), UINT64_C(0x5fefffffffffffff)},
         SAME(NX)},
        {sqrt_d, D_NEG, 0, 0, SAME(D_NEG), SAME(0)},
        {sqrt_d, D_INF, 0, 0, SAME(D_INF), SAME(0)},
        {sqrt_d, D_NEG | 1, 0, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {sqrt_d, D_NEG | D_INF, 0, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {sqrt_d, D_QNAN, 0, 0, SAME(FPU_NAN_F64), SAME(0)},
        {sqrt_d, D_SNAN | D_NEG, 0, 0, SAME(FPU_NAN_F64), SAME(NV)},
    };
    check_all_modes(TABLE, ROWS(TABLE));
}

Test(fpu, fma)
{
    const uint64_t minus_one = D_ONE | D_NEG;
    const struct all_modes TABLE[] = {
        /* NV of inf * 0 whatever c is; a quiet NaN alone raises nothing */
        {fpu_fma_f64, D_INF, 0, D_QNAN, SAME(FPU_NAN_F64), SAME(NV)},
        {fpu_fma_f64, D_NEG, D_INF, D_ONE, SAME(FPU_NAN_F64), SAME(NV)},
        {fpu_fma_f64, D_QNAN, 0, D_INF, SAME(FPU_NAN_F64), SAME(0)},
        {fpu_fma_f64, D_ONE, D_ONE, D_QNAN, SAME(FPU_NAN_F64), SAME(0)},
        {fpu_fma_f64, D_MAX, D_MAX, D_QNAN, SAME(FPU_NAN_F64), SAME(0)},
        {fpu_fma_f64, D_ONE, D_QNAN, D_SNAN, SAME(FPU_NAN_F64), SAME(NV)},
        {fpu_fma_f64, D_SNAN, D_INF, D_ONE, SAME(FPU_NAN_F64), SAME(NV)},
        {fpu_fma_f64, D_INF, D_ONE, D_INF | D_NEG, SAME(FPU_NAN_F64), SAME(NV)},
        {fpu_fma_f64, D_INF, D_ONE, D_INF, SAME(D_INF), SAME(0)},
        {fpu_fma_f64, D_MAX, D_MAX, D_INF | D_NEG, SAME(D_INF | D_NEG), SAME(0)},
        /* zeros */
        {fpu_fma_f64, D_ONE, D_ONE, minus_one, {0, 0, D_NEG, 0, 0}, SAME(0)},
        {fpu_fma_f64, 0, D_ONE, D_NEG, {0, 0, D_NEG, 0, 0}, SAME(0)},
        {fpu_fma_f64, D_NEG, D_ONE, D_NEG, SAME(D_NEG), SAME(0)},
        {fpu_fma_f64, 0, D_ONE, 7, SAME(7), SAME(0)},
        {fpu_fma_f64, 1, 1, 0, {0, 0, 0, 1, 0}, SAME(UF | NX)},
        /* one rounding: the exact -2^-104; a tie only the product's last bit breaks; no overflow */
        {fpu_fma_f64, D_ONE + 1, D_BELOW_ONE - 1, minus_one, SAME(UINT64_C(0xb970000000000000)),
         SAME(0)},
        {fpu_fma_f64, D_HALF_ULP, D_ONE + 1, D_ONE,
         {D_ONE + 1, D_ONE, D_ONE, D_ONE + 1, D_ONE + 1}, SAME(NX)},
        {fpu_fma_f64, D_HALF_ULP, D_ONE, D_ONE, {D_ONE, D_ONE, D_ONE, D_ONE + 1, D_ONE + 1},
         SAME(NX)},
        {fpu_fma_f64, D_MAX, D_TWO, D_MAX | D_NEG, SAME(D_MAX), SAME(0)},
        {fpu_fma_f64, D_MAX, D_TWO, D_ONE, {D_INF, D_MAX, D_MAX, D_INF, D_INF}, SAME(OF | NX)},
        {fpu_fma_f64, 1, 1, 1, {1, 1, 1, 2, 1}, SAME(UF | NX)},
        {fpu_fma_f64, 1, D_NEG | 1, D_MIN, {D_MIN, D_MIN - 1, D_MIN - 1, D_MIN, D_MIN},
         {NX, UF | NX, UF | NX, NX, NX}},
        /* (1+2^-12)^2 is a tie in f32 that the smallest subnormal breaks; f64 would lose it */
        {fma_f, 0x3f800800, 0x3f800800, 1,
         {0x3f801001, 0x3f801000, 0x3f801000, 0x3f801001, 0x3f801001}, SAME(NX)},
        {fma_f, F_INF, 0, F_QNAN, SAME(FPU_NAN_F32), SAME(NV)},
        {fma_f, F_ONE, F_ONE, F_ONE | F_NEG, {0, 0, F_NEG, 0, 0}, SAME(0)},
        {fma_f, F_MAX, F_MAX, F_ONE, {F_INF, F_MAX, F_MAX, F_INF, F_INF}, SAME(OF | NX)},
    };
    check_all_modes(TABLE, ROWS(TABLE));
}

Test(fpu, arithmetic_f32)
{
    const struct all_modes TABLE[] = {
        {add_f, F_ONE, 0x33800000, 0, {F_ONE, F_ONE, F_ONE, F_ONE + 1, F_ONE + 1}, SAME(NX)},
        {add_f, F_MAX, F_MAX, 0, {F_INF, F_MAX, F_MAX, F_INF, F_INF}, SAME(OF | NX)},
        {sub_f, F_ONE, F_ONE, 0, {0, 0, F_NEG, 0, 0}, SAME(0)},
        {sub_f, F_INF, F_INF, 0, SAME(FPU_NAN_F32), SAME(NV)},
        {add_f, F_SNAN, F_ONE, 0, SAME(FPU_NAN_F32), SAME(NV)},
        {add_f, F_QNAN, F_ONE, 0, SAME(FPU_NAN_F32), SAME(0)},
        {mul_f, 0x20000001, 0x1ffffffe, 0, {0x800000, 0x7fffff, 0x7fffff, 0x800000, 0x800000},
         {NX, UF | NX, UF | NX, NX, NX}},
        {mul_f, 1, 0x3f000000, 0, {0, 0, 0, 1, 1}, SAME(UF | NX)},
        {mul_f, F_INF, F_NEG, 0, SAME(FPU_NAN_F32), SAME(NV)},
        {div_f, F_ONE, 0x40400000, 0, {0x3eaaaaab, 0x3eaaaaaa, 0x3eaaaaaa, 0x3eaaaaab, 0x3eaaaaab},
         SAME(NX)},
        {div_f, F_ONE | F_NEG, 0, 0, SAME(F_INF | F_NEG), SAME(DZ)},
        {div_f, 0, 0, 0, SAME(FPU_NAN_F32), SAME(NV)},
        {sqrt_f, 0x40000000, 0, 0,
         {0x3fb504f3, 0x3fb504f3, 0x3fb504f3, 0x3fb504f4, 0x3fb504f3}, SAME(NX)},
        {sqrt_f, F_NEG, 0, 0, SAME(F_NEG), SAME(0)},
        {sqrt_f, F_ONE | F_NEG, 0, 0, SAME(FPU_NAN_F32), SAME(NV)},
    };
    check_all_modes(TABLE, ROWS(TABLE));
}

Test(fpu, narrowing_conversions)
{
    const struct all_modes TABLE[] = {
        {d_to_f, UINT64_C(0x3ff0000010000000), 0, 0,
         {F_ONE, F_ONE, F_ONE, F_ONE + 1, F_ONE + 1}, SAME(NX)},
        {d_to_f, D_MAX | D_NEG, 0, 0,
         {F_INF | F_NEG, F_MAX | F_NEG, F_INF | F_NEG, F_MAX | F_NEG, F_INF | F_NEG},
         SAME(OF | NX)},
        {d_to_f, UINT64_C(0x3690000000000000), 0, 0, {0, 0, 0, 1, 1}, SAME(UF | NX)},
        /* in 24 bits (1 - 2^-25) 2^-126 rounds to a normal number, (1 - 2^-24) 2^-126 does not */
        {d_to_f, UINT64_C(0x380ffffff0000000), 0, 0,
         {0x800000, 0x7fffff, 0x7fffff, 0x800000, 0x800000}, {NX, UF | NX, UF | NX, NX, NX}},
        {d_to_f, UINT64_C(0x380fffffe0000000), 0, 0,
         {0x800000, 0x7fffff, 0x7fffff, 0x800000, 0x800000}, SAME(UF | NX)},
        {d_to_f, D_QNAN, 0, 0, SAME(FPU_NAN_F32), SAME(0)},
        {d_to_f, D_SNAN, 0, 0, SAME(FPU_NAN_F32), SAME(NV)},
        {d_to_f, D_INF | D_NEG, 0, 0, SAME(F_INF | F_NEG), SAME(0)},
        {f_to_h, 0x477ff000, 0, 0, {0x7c00, 0x7bff, 0x7bff, 0x7c00, 0x7c00},
         {OF | NX, NX, NX, OF | NX, OF | NX}},
        {f_to_h, 0x477fef00, 0, 0, {0x7bff, 0x7bff, 0x7bff, 0x7c00, 0x7bff},
         {NX, NX, NX, OF | NX, NX}},
        {f_to_h, 0x33800000, 0, 0, SAME(1), SAME(0)},
        {f_to_h, 0xb3000000, 0, 0, {0x8000, 0x8000, 0x8001, 0x8000, 0x8001}, SAME(UF | NX)},
        {f_to_h, F_QNAN, 0, 0, SAME(FPU_NAN_F16), SAME(0)},
        {d_to_h, D_SNAN, 0, 0, SAME(FPU_NAN_F16), SAME(NV)},
        {d_to_h, D_ONE + 1, 0, 0, {0x3c00, 0x3c00, 0x3c00, 0x3c01, 0x3c00}, SAME(NX)},
        {d_to_h, D_NEG, 0, 0, SAME(0x8000), SAME(0)},
    };
    check_all_modes(TABLE, ROWS(TABLE));
}

Test(fpu, roundint)
{
    const uint64_t d_2_5 = UINT64_C(0x4004000000000000);
    const uint64_t d_3 = UINT64_C(0x4008000000000000);
    const struct all_modes TABLE[] = {
        {roundint_d, d_2_5, 1, 0, {D_TWO, D_TWO, D_TWO, d_3, d_3}, SAME(NX)},
        {roundint_d, d_2_5, 0, 0, {D_TWO, D_TWO, D_TWO, d_3, d_3}, SAME(0)},
        {roundint_d, D_HALF | D_NEG, 1, 0,
         {D_NEG, D_NEG, D_ONE | D_NEG, D_NEG, D_ONE | D_NEG}, SAME(NX)},
        {roundint_d, 1, 1, 0, {0, 0, 0, D_ONE, 0}, SAME(NX)},
        {roundint_d, D_NEG, 1, 0, SAME(D_NEG), SAME(0)},
        {roundint_d, D_MAX, 1, 0, SAME(D_MAX), SAME(0)},
        {roundint_d, UINT64_C(0x4330000000000001), 1, 0, SAME(UINT64_C(0x4330000000000001)),
         SAME(0)},
        {roundint_d, D_INF, 1, 0, SAME(D_INF), SAME(0)},
        {roundint_d, D_QNAN, 1, 0, SAME(FPU_NAN_F64), SAME(0)},
        {roundint_d, D_SNAN, 0, 0, SAME(FPU_NAN_F64), SAME(NV)},
        {roundint_f, 0x40200000, 1, 0,
         {0x40000000, 0x40000000, 0x40000000, 0x40400000, 0x40400000}, SAME(NX)},
        {roundint_f, 0x4b000001, 1, 0, SAME(0x4b000001), SAME(0)},
        {roundint_f, F_SNAN, 1, 0, SAME(FPU_NAN_F32), SAME(NV)},
    };
    check_all_modes(TABLE, ROWS(TABLE));
}

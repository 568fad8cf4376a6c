/*
 * Hand-picked vectors for the rest of cpu/fpu.h: integers, comparisons, min and max, class,
 * widening, NaN boxing. test_fpu.c has the arithmetic.
 */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "cpu/fpu.h"

#define ROWS(table) (sizeof(table) / sizeof(table)[0])
#define SAME(x) {(x), (x), (x), (x), (x)}

#define D_ONE UINT64_C(0x3ff0000000000000)
#define D_INF UINT64_C(0x7ff0000000000000)
#define D_QNAN UINT64_C(0xfff8000000000123)
#define D_SNAN UINT64_C(0x7ff0000000000001)
#define D_NEG UINT64_C(0x8000000000000000)
#define F_ONE UINT32_C(0x3f800000)
#define F_INF UINT32_C(0x7f800000)
#define F_QNAN UINT32_C(0xffc00123)
#define F_SNAN UINT32_C(0x7f800001)
#define F_NEG UINT32_C(0x80000000)

enum { NX = FPU_NX, NV = FPU_NV };

/* A conversion under the five roundings, in the order of enum fpu_round. */
struct to_32 {
    uint32_t (*run)(uint64_t a, enum fpu_round rm, uint32_t *flags);
    uint64_t a;
    uint32_t want[5];
    uint32_t flags[5];
};

struct to_64 {
    uint64_t (*run)(uint64_t a, enum fpu_round rm, uint32_t *flags);
    uint64_t a;
    uint64_t want[5];
    uint32_t flags[5];
};

static void expect(size_t row, int rm, uint64_t a, uint64_t got, uint64_t want, uint32_t flags,
                   uint32_t want_flags)
{
    cr_expect(got == want && flags == want_flags,
              "row %zu rm %d: %" PRIx64 " gave %" PRIx64 " flags %x, not %" PRIx64 " flags %x", row,
              rm, a, got, flags, want, want_flags);
}

static void check_to_32(const struct to_32 *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int rm = FPU_RNE; rm <= FPU_RMM; rm++) {
            uint32_t flags = 0;
            uint64_t got = rows[i].run(rows[i].a, (enum fpu_round)rm, &flags);
            expect(i, rm, rows[i].a, got, rows[i].want[rm], flags, rows[i].flags[rm]);
        }
    }
}

static void check_to_64(const struct to_64 *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int rm = FPU_RNE; rm <= FPU_RMM; rm++) {
            uint32_t flags = 0;
            uint64_t got = rows[i].run(rows[i].a, (enum fpu_round)rm, &flags);
            expect(i, rm, rows[i].a, got, rows[i].want[rm], flags, rows[i].flags[rm]);
        }
    }
}

Test(fpu_int, f64_to_32_bits)
{
    static const struct to_32 TABLE[] = {
        {fpu_f64_to_s32, UINT64_C(0x4004000000000000), {2, 2, 2, 3, 3}, SAME(NX)}, /* 2.5 */
        /* 2147483647.5 and -2147483648.5: the rounding decides whether they fit */
        {fpu_f64_to_s32, UINT64_C(0x41dfffffffe00000), SAME(0x7fffffff), {NV, NX, NX, NV, NV}},
        {fpu_f64_to_s32, UINT64_C(0xc1e0000000100000), SAME(0x80000000), {NX, NX, NV, NX, NV}},
        {fpu_f64_to_s32, UINT64_C(0xc1e0000000000000), SAME(0x80000000), SAME(0)},
        {fpu_f64_to_s32, D_QNAN, SAME(0x7fffffff), SAME(NV)},
        {fpu_f64_to_s32, D_SNAN, SAME(0x7fffffff), SAME(NV)},
        {fpu_f64_to_s32, D_INF, SAME(0x7fffffff), SAME(NV)},
        {fpu_f64_to_s32, D_INF | D_NEG, SAME(0x80000000), SAME(NV)},
        {fpu_f64_to_s32, D_NEG, SAME(0), SAME(0)},
        {fpu_f64_to_s32, 1, {0, 0, 0, 1, 0}, SAME(NX)},
        {fpu_f64_to_s32, D_NEG | 1, {0, 0, UINT32_MAX, 0, 0}, SAME(NX)},
        /* -0.5 and -1 to unsigned */
        {fpu_f64_to_u32, UINT64_C(0xbfe0000000000000), SAME(0), {NX, NX, NV, NX, NV}},
        {fpu_f64_to_u32, UINT64_C(0xbff0000000000000), SAME(0), SAME(NV)},
        /* 4294967295 and 4294967295.5 */
        {fpu_f64_to_u32, UINT64_C(0x41efffffffe00000), SAME(UINT32_MAX), SAME(0)},
        {fpu_f64_to_u32, UINT64_C(0x41effffffff00000), SAME(UINT32_MAX), {NV, NX, NX, NV, NV}},
        {fpu_f64_to_u32, D_QNAN, SAME(UINT32_MAX), SAME(NV)},
        {fpu_f64_to_u32, D_INF | D_NEG, SAME(0), SAME(NV)},
        {fpu_f64_to_u32, D_NEG, SAME(0), SAME(0)},
    };
    check_to_32(TABLE, ROWS(TABLE));
}

Test(fpu_int, f64_to_64_bits)
{
    static const struct to_64 TABLE[] = {
        {fpu_f64_to_s64, UINT64_C(0x43e0000000000000), SAME(INT64_MAX), SAME(NV)}, /* 2^63 */
        {fpu_f64_to_s64, UINT64_C(0x43dfffffffffffff), SAME(0x7ffffffffffffc00), SAME(0)},
        {fpu_f64_to_s64, UINT64_C(0xc3e0000000000000), SAME(D_NEG), SAME(0)},
        {fpu_f64_to_s64, UINT64_C(0xc3e0000000000001), SAME(D_NEG), SAME(NV)},
        {fpu_f64_to_s64, UINT64_C(0x43f0000000000000), SAME(INT64_MAX), SAME(NV)},
        {fpu_f64_to_s64, D_QNAN, SAME(INT64_MAX), SAME(NV)},
        {fpu_f64_to_s64, UINT64_C(0xbff8000000000000), /* -1.5 */
         {(uint64_t)-2, (uint64_t)-1, (uint64_t)-2, (uint64_t)-1, (uint64_t)-2}, SAME(NX)},
        {fpu_f64_to_u64, UINT64_C(0x43efffffffffffff), SAME(UINT64_C(0xfffffffffffff800)), SAME(0)},
        {fpu_f64_to_u64, UINT64_C(0x43e0000000000000), SAME(D_NEG), SAME(0)},
        {fpu_f64_to_u64, UINT64_C(0x43f0000000000000), SAME(UINT64_MAX), SAME(NV)},
        {fpu_f64_to_u64, D_INF, SAME(UINT64_MAX), SAME(NV)},
        {fpu_f64_to_u64, D_QNAN, SAME(UINT64_MAX), SAME(NV)},
        {fpu_f64_to_u64, D_INF | D_NEG, SAME(0), SAME(NV)},
        {fpu_f64_to_u64, UINT64_C(0xbfe0000000000001), {0, 0, 0, 0, 0}, {NV, NX, NV, NX, NV}},
        {fpu_s64_to_f64, D_NEG, SAME(UINT64_C(0xc3e0000000000000)), SAME(0)},
        {fpu_s64_to_f64, 0, SAME(0), SAME(0)},
        {fpu_s64_to_f64, UINT64_MAX, SAME(D_ONE | D_NEG), SAME(0)},
        {fpu_u64_to_f64, UINT64_MAX,
         {UINT64_C(0x43f0000000000000), UINT64_C(0x43efffffffffffff), UINT64_C(0x43efffffffffffff),
          UINT64_C(0x43f0000000000000), UINT64_C(0x43f0000000000000)},
         SAME(NX)},
        {fpu_u64_to_f64, (UINT64_C(1) << 53) + 1,
         {UINT64_C(0x4340000000000000), UINT64_C(0x4340000000000000), UINT64_C(0x4340000000000000),
          UINT64_C(0x4340000000000001), UINT64_C(0x4340000000000001)},
         SAME(NX)},
        {fpu_s64_to_f64, 0 - ((UINT64_C(1) << 53) + 1),
         {UINT64_C(0xc340000000000000), UINT64_C(0xc340000000000000), UINT64_C(0xc340000000000001),
          UINT64_C(0xc340000000000000), UINT64_C(0xc340000000000001)},
         SAME(NX)},
    };
    check_to_64(TABLE, ROWS(TABLE));
}

Test(fpu_int, f32)
{
    uint32_t flags = 0;

    cr_expect_eq(fpu_f32_to_s32(0x40200000, FPU_RMM, &flags), 3);
    cr_expect_eq(fpu_f32_to_s64(0xc0200000, FPU_RNE, &flags), (uint64_t)-2);
    cr_expect_eq(flags, NX);
    flags = 0;
    cr_expect_eq(fpu_f32_to_s32(0x4f000000, FPU_RTZ, &flags), 0x7fffffff); /* 2^31 */
    cr_expect_eq(fpu_f32_to_u32(0x4f800000, FPU_RTZ, &flags), UINT32_MAX); /* 2^32 */
    cr_expect_eq(fpu_f32_to_s64(F_QNAN, FPU_RTZ, &flags), INT64_MAX);
    cr_expect_eq(fpu_f32_to_u64(F_INF | F_NEG, FPU_RTZ, &flags), 0);
    cr_expect_eq(flags, NV);
    flags = 0;
    cr_expect_eq(fpu_f32_to_u32(0x4f000000, FPU_RTZ, &flags), 0x80000000);
    cr_expect_eq(fpu_f32_to_u64(0x5f000000, FPU_RTZ, &flags), D_NEG);
    cr_expect_eq(fpu_s32_to_f32(UINT32_MAX, FPU_RNE, &flags), F_ONE | F_NEG);
    cr_expect_eq(fpu_s32_to_f64(0x80000000, FPU_RDN, &flags), UINT64_C(0xc1e0000000000000));
    cr_expect_eq(fpu_u32_to_f64(UINT32_MAX, FPU_RDN, &flags), UINT64_C(0x41efffffffe00000));
    cr_expect_eq(fpu_s64_to_f32(0, FPU_RDN, &flags), 0);
    cr_expect_eq(flags, 0);
    cr_expect_eq(fpu_u32_to_f32(UINT32_MAX, FPU_RNE, &flags), 0x4f800000);
    cr_expect_eq(fpu_u32_to_f32(UINT32_MAX, FPU_RTZ, &flags), 0x4f7fffff);
    cr_expect_eq(fpu_u64_to_f32(16777217, FPU_RNE, &flags), 0x4b800000);
    cr_expect_eq(fpu_u64_to_f32(16777217, FPU_RMM, &flags), 0x4b800001);
    cr_expect_eq(fpu_s64_to_f32((uint64_t)-16777217, FPU_RDN, &flags), 0xcb800001);
    cr_expect_eq(flags, NX);
}

Test(fpu_int, flags_accumulate)
{
    uint32_t flags = FPU_DZ;

    fpu_f64_to_s32(D_QNAN, FPU_RNE, &flags);
    cr_expect_eq(flags, FPU_DZ | FPU_NV);
    fpu_add_f64(D_ONE, D_ONE, FPU_RNE, &flags);
    cr_expect_eq(flags, FPU_DZ | FPU_NV);
}

Test(fpu_int, widening)
{
    uint32_t flags = 0;

    cr_expect_eq(fpu_f32_to_f64(1, &flags), UINT64_C(0x36a0000000000000));
    cr_expect_eq(fpu_f32_to_f64(F_INF | F_NEG, &flags), D_INF | D_NEG);
    cr_expect_eq(fpu_f32_to_f64(F_NEG, &flags), D_NEG);
    cr_expect_eq(fpu_f32_to_f64(F_QNAN, &flags), FPU_NAN_F64);
    cr_expect_eq(fpu_f16_to_f32(1, &flags), 0x33800000);
    cr_expect_eq(fpu_f16_to_f32(0xfc00, &flags), F_INF | F_NEG);
    cr_expect_eq(fpu_f16_to_f32(0x7e01, &flags), FPU_NAN_F32);
    cr_expect_eq(fpu_f16_to_f64(0x3c00, &flags), D_ONE);
    cr_expect_eq(flags, 0);
    cr_expect_eq(fpu_f16_to_f64(0x7c01, &flags), FPU_NAN_F64);
    cr_expect_eq(flags, NV);
    flags = 0;
    cr_expect_eq(fpu_f32_to_f64(F_SNAN, &flags), FPU_NAN_F64);
    cr_expect_eq(flags, NV);
}

struct compare {
    uint64_t a, b;
    bool eq, lt, le;
    uint32_t eq_flags, order_flags;
};

Test(fpu_int, compare)
{
    static const struct compare TABLE[] = {
        {D_ONE, D_ONE, true, false, true, 0, 0},
        {D_ONE, D_ONE + 1, false, true, true, 0, 0},
        {D_ONE | D_NEG, (D_ONE + 1) | D_NEG, false, false, false, 0, 0},
        {D_NEG, 0, true, false, true, 0, 0},
        {0, D_NEG, true, false, true, 0, 0},
        {D_NEG | 1, 1, false, true, true, 0, 0},
        {1, D_NEG, false, false, false, 0, 0},
        {D_NEG | D_INF, D_INF, false, true, true, 0, 0},
        {D_INF, D_INF, true, false, true, 0, 0},
        {D_QNAN, D_QNAN, false, false, false, 0, NV},
        {D_ONE, D_QNAN, false, false, false, 0, NV},
        {D_SNAN, D_ONE, false, false, false, NV, NV},
        {D_QNAN, D_SNAN, false, false, false, NV, NV},
    };
    for (size_t i = 0; i < ROWS(TABLE); i++) {
        const struct compare *row = &TABLE[i];
        uint32_t eq = 0, lt = 0, le = 0;
        cr_expect_eq(fpu_eq_f64(row->a, row->b, &eq), row->eq, "row %zu", i);
        cr_expect_eq(fpu_lt_f64(row->a, row->b, &lt), row->lt, "row %zu", i);
        cr_expect_eq(fpu_le_f64(row->a, row->b, &le), row->le, "row %zu", i);
        cr_expect(eq == row->eq_flags && lt == row->order_flags && le == lt, "row %zu", i);
    }
}

Test(fpu_int, compare_f32)
{
    uint32_t flags = 0;

    cr_expect(fpu_eq_f32(F_NEG, 0, &flags) && !fpu_lt_f32(F_NEG, 0, &flags));
    cr_expect(fpu_lt_f32(F_ONE | F_NEG, F_ONE, &flags) && fpu_le_f32(F_ONE, F_ONE, &flags));
    cr_expect(!fpu_le_f32(F_ONE + 1, F_ONE, &flags) && !fpu_eq_f32(F_ONE, F_QNAN, &flags));
    cr_expect_eq(flags, 0);
    cr_expect(!fpu_eq_f32(F_SNAN, F_SNAN, &flags) && flags == NV);
    flags = 0;
    cr_expect(!fpu_lt_f32(F_ONE, F_QNAN, &flags) && flags == NV);
    flags = 0;
    cr_expect(!fpu_le_f32(F_QNAN, F_QNAN, &flags) && flags == NV);
}

struct extremes {
    uint64_t a, b, min, max;
    uint32_t flags;
};

Test(fpu_int, min_max)
{
    static const struct extremes F64[] = {
        {0, D_NEG, D_NEG, 0, 0},
        {D_NEG, 0, D_NEG, 0, 0},
        {D_ONE, D_ONE | D_NEG, D_ONE | D_NEG, D_ONE, 0},
        {D_INF, D_ONE, D_ONE, D_INF, 0},
        {D_NEG | 2, D_NEG | 1, D_NEG | 2, D_NEG | 1, 0},
        {D_QNAN, D_ONE, D_ONE, D_ONE, 0},
        {D_ONE, D_SNAN, D_ONE, D_ONE, NV},
        {D_SNAN, D_INF, D_INF, D_INF, NV},
        {D_QNAN, D_QNAN, FPU_NAN_F64, FPU_NAN_F64, 0},
        {D_QNAN, D_SNAN, FPU_NAN_F64, FPU_NAN_F64, NV},
    };
    static const struct extremes F32[] = {
        {0, F_NEG, F_NEG, 0, 0},
        {F_NEG, 0, F_NEG, 0, 0},
        {F_ONE, F_ONE | F_NEG, F_ONE | F_NEG, F_ONE, 0},
        {F_QNAN, F_ONE, F_ONE, F_ONE, 0},
        {F_ONE, F_SNAN, F_ONE, F_ONE, NV},
        {F_QNAN, F_QNAN, FPU_NAN_F32, FPU_NAN_F32, 0},
        {F_SNAN, F_QNAN, FPU_NAN_F32, FPU_NAN_F32, NV},
    };
    for (size_t i = 0; i < ROWS(F64); i++) {
        uint32_t low = 0, high = 0;
        cr_expect_eq(fpu_min_f64(F64[i].a, F64[i].b, &low), F64[i].min, "f64 row %zu", i);
        cr_expect_eq(fpu_max_f64(F64[i].a, F64[i].b, &high), F64[i].max, "f64 row %zu", i);
        cr_expect(low == F64[i].flags && high == low, "f64 row %zu", i);
    }
    for (size_t i = 0; i < ROWS(F32); i++) {
        uint32_t a = (uint32_t)F32[i].a, b = (uint32_t)F32[i].b, low = 0, high = 0;
        cr_expect_eq(fpu_min_f32(a, b, &low), F32[i].min, "f32 row %zu", i);
        cr_expect_eq(fpu_max_f32(a, b, &high), F32[i].max, "f32 row %zu", i);
        cr_expect(low == F32[i].flags && high == low, "f32 row %zu", i);
    }
}

Test(fpu_int, class)
{
    static const uint64_t F64[] = {
        D_INF | D_NEG, D_ONE | D_NEG, D_NEG | 1, D_NEG, 0, 1, D_ONE, D_INF, D_SNAN, D_QNAN,
    };
    static const uint32_t F32[] = {
        F_INF | F_NEG, F_ONE | F_NEG, F_NEG | 1, F_NEG, 0, 1, F_ONE, F_INF, F_SNAN, F_QNAN,
    };
    for (size_t i = 0; i < ROWS(F64); i++) {
        cr_expect_eq(fpu_class_f64(F64[i]), UINT32_C(1) << i, "f64 bit %zu", i);
        cr_expect_eq(fpu_class_f32(F32[i]), UINT32_C(1) << i, "f32 bit %zu", i);
    }
    cr_expect_eq(fpu_class_f64(UINT64_C(0x000fffffffffffff)), FPU_CLASS_POS_SUBNORMAL);
    cr_expect_eq(fpu_class_f64(UINT64_C(0x0010000000000000)), FPU_CLASS_POS_NORMAL);
    cr_expect_eq(fpu_class_f64(UINT64_C(0x7fefffffffffffff)), FPU_CLASS_POS_NORMAL);
    cr_expect_eq(fpu_class_f64(UINT64_C(0xfff7ffffffffffff)), FPU_CLASS_SNAN);
    cr_expect_eq(fpu_class_f32(0x007fffff), FPU_CLASS_POS_SUBNORMAL);
    cr_expect_eq(fpu_class_f32(0x00800000), FPU_CLASS_POS_NORMAL);
    cr_expect_eq(fpu_class_f32(0xffbfffff), FPU_CLASS_SNAN);
}

Test(fpu_int, nan_boxing)
{
    cr_expect_eq(fpu_box_f32(F_ONE), UINT64_C(0xffffffff3f800000));
    cr_expect_eq(fpu_unbox_f32(UINT64_C(0xffffffff3f800000)), F_ONE);
    cr_expect_eq(fpu_unbox_f32(UINT64_C(0xffffffff7f800001)), F_SNAN);
    cr_expect_eq(fpu_unbox_f32(UINT64_C(0xfffffffe3f800000)), FPU_NAN_F32);
    cr_expect_eq(fpu_unbox_f32(F_ONE), FPU_NAN_F32);
}

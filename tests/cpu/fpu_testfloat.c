/*
 * Compares cpu/fpu.h with Berkeley TestFloat vectors.
 *
 *     testfloat_gen -exact -rminMag f64_add | fpu_testfloat f64_add rtz
 *
 * reads lines "operands result flags" in hexadecimal, as testfloat_gen writes them for a function;
 * its flag bits are those of fflags. A testfloat_gen built with SoftFloat's RISC-V specialisation
 * answers canonical NaNs; for another build, --any-nan accepts any NaN in place of any other.
 * Prints "function rounding: N vectors", then the first differences; status 0 when there is none,
 * 1 when there is, 2 for a wrong invocation or input, an empty input included.
 * `fpu_testfloat --list` prints the names of the functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/fpu.h"

#define DIFFERENCES_SHOWN 5

/* What a function takes and gives; every shape has its member of union fn. */
enum shape {
    BIN32, BIN64, FMA32, FMA64, UN32, UN64, UN32_64, UN64_32, CMP32, CMP64, RINT32, RINT64,
    F16_32, F16_64, F32_64, F32_16, F64_16,
};

union fn {
    uint32_t (*bin32)(uint32_t, uint32_t, enum fpu_round, uint32_t *);
    uint64_t (*bin64)(uint64_t, uint64_t, enum fpu_round, uint32_t *);
    uint32_t (*fma32)(uint32_t, uint32_t, uint32_t, enum fpu_round, uint32_t *);
    uint64_t (*fma64)(uint64_t, uint64_t, uint64_t, enum fpu_round, uint32_t *);
    uint32_t (*un32)(uint32_t, enum fpu_round, uint32_t *);
    uint64_t (*un64)(uint64_t, enum fpu_round, uint32_t *);
    uint64_t (*un32_64)(uint32_t, enum fpu_round, uint32_t *);
    uint32_t (*un64_32)(uint64_t, enum fpu_round, uint32_t *);
    bool (*cmp32)(uint32_t, uint32_t, uint32_t *);
    bool (*cmp64)(uint64_t, uint64_t, uint32_t *);
    uint32_t (*rint32)(uint32_t, bool, enum fpu_round, uint32_t *);
    uint64_t (*rint64)(uint64_t, bool, enum fpu_round, uint32_t *);
    uint32_t (*f16_32)(uint16_t, uint32_t *);
    uint64_t (*f16_64)(uint16_t, uint32_t *);
    uint64_t (*f32_64)(uint32_t, uint32_t *);
    uint16_t (*f32_16)(uint32_t, enum fpu_round, uint32_t *);
    uint16_t (*f64_16)(uint64_t, enum fpu_round, uint32_t *);
};

struct row {
    const char *name; /* TestFloat's */
    unsigned operand_count;
    unsigned result_bits; /* of a floating-point result; 0 for others, which cannot be NaNs */
    enum shape shape;
    union fn fn;
};

static const struct row ROWS[] = {
    {"f32_add", 2, 32, BIN32, {.bin32 = fpu_add_f32}},
    {"f32_sub", 2, 32, BIN32, {.bin32 = fpu_sub_f32}},
    {"f32_mul", 2, 32, BIN32, {.bin32 = fpu_mul_f32}},
    {"f32_div", 2, 32, BIN32, {.bin32 = fpu_div_f32}},
    {"f32_sqrt", 1, 32, UN32, {.un32 = fpu_sqrt_f32}},
    {"f32_mulAdd", 3, 32, FMA32, {.fma32 = fpu_fma_f32}},
    {"f32_eq", 2, 0, CMP32, {.cmp32 = fpu_eq_f32}},
    {"f32_lt", 2, 0, CMP32, {.cmp32 = fpu_lt_f32}},
    {"f32_le", 2, 0, CMP32, {.cmp32 = fpu_le_f32}},
    {"f32_roundToInt", 1, 32, RINT32, {.rint32 = fpu_roundint_f32}},
    {"f32_to_i32", 1, 0, UN32, {.un32 = fpu_f32_to_s32}},
    {"f32_to_ui32", 1, 0, UN32, {.un32 = fpu_f32_to_u32}},
    {"f32_to_i64", 1, 0, UN32_64, {.un32_64 = fpu_f32_to_s64}},
    {"f32_to_ui64", 1, 0, UN32_64, {.un32_64 = fpu_f32_to_u64}},
    {"f32_to_f16", 1, 16, F32_16, {.f32_16 = fpu_f32_to_f16}},
    {"f32_to_f64", 1, 64, F32_64, {.f32_64 = fpu_f32_to_f64}},
    {"i32_to_f32", 1, 32, UN32, {.un32 = fpu_s32_to_f32}},
    {"ui32_to_f32", 1, 32, UN32, {.un32 = fpu_u32_to_f32}},
    {"i64_to_f32", 1, 32, UN64_32, {.un64_32 = fpu_s64_to_f32}},
    {"ui64_to_f32", 1, 32, UN64_32, {.un64_32 = fpu_u64_to_f32}},
    {"f64_add", 2, 64, BIN64, {.bin64 = fpu_add_f64}},
    {"f64_sub", 2, 64, BIN64, {.bin64 = fpu_sub_f64}},
    {"f64_mul", 2, 64, BIN64, {.bin64 = fpu_mul_f64}},
    {"f64_div", 2, 64, BIN64, {.bin64 = fpu_div_f64}},
    {"f64_sqrt", 1, 64, UN64, {.un64 = fpu_sqrt_f64}},
    {"f64_mulAdd", 3, 64, FMA64, {.fma64 = fpu_fma_f64}},
    {"f64_eq", 2, 0, CMP64, {.cmp64 = fpu_eq_f64}},
    {"f64_lt", 2, 0, CMP64, {.cmp64 = fpu_lt_f64}},
    {"f64_le", 2, 0, CMP64, {.cmp64 = fpu_le_f64}},
    {"f64_roundToInt", 1, 64, RINT64, {.rint64 = fpu_roundint_f64}},
    {"f64_to_i32", 1, 0, UN64_32, {.un64_32 = fpu_f64_to_s32}},
    {"f64_to_ui32", 1, 0, UN64_32, {.un64_32 = fpu_f64_to_u32}},
    {"f64_to_i64", 1, 0, UN64, {.un64 = fpu_f64_to_s64}},
    {"f64_to_ui64", 1, 0, UN64, {.un64 = fpu_f64_to_u64}},
    {"f64_to_f16", 1, 16, F64_16, {.f64_16 = fpu_f64_to_f16}},
    {"f64_to_f32", 1, 32, UN64_32, {.un64_32 = fpu_f64_to_f32}},
    {"i32_to_f64", 1, 64, UN32_64, {.un32_64 = fpu_s32_to_f64}},
    {"ui32_to_f64", 1, 64, UN32_64, {.un32_64 = fpu_u32_to_f64}},
    {"i64_to_f64", 1, 64, UN64, {.un64 = fpu_s64_to_f64}},
    {"ui64_to_f64", 1, 64, UN64, {.un64 = fpu_u64_to_f64}},
    {"f16_to_f32", 1, 32, F16_32, {.f16_32 = fpu_f16_to_f32}},
    {"f16_to_f64", 1, 64, F16_64, {.f16_64 = fpu_f16_to_f64}},
};

#define ROW_COUNT (sizeof ROWS / sizeof ROWS[0])

/* in[] holds operand_count values, each within the operand's width. */
static uint64_t row_run(const struct row *row, const uint64_t *in, enum fpu_round rm,
                        uint32_t *flags)
{
    uint32_t a = (uint32_t)in[0];
    uint32_t b = (uint32_t)in[1];

    switch (row->shape) {
    case BIN32: return row->fn.bin32(a, b, rm, flags);
    case BIN64: return row->fn.bin64(in[0], in[1], rm, flags);
    case FMA32: return row->fn.fma32(a, b, (uint32_t)in[2], rm, flags);
    case FMA64: return row->fn.fma64(in[0], in[1], in[2], rm, flags);
    case UN32: return row->fn.un32(a, rm, flags);
    case UN64: return row->fn.un64(in[0], rm, flags);
    case UN32_64: return row->fn.un32_64(a, rm, flags);
    case UN64_32: return row->fn.un64_32(in[0], rm, flags);
    case CMP32: return row->fn.cmp32(a, b, flags);
    case CMP64: return row->fn.cmp64(in[0], in[1], flags);
    case RINT32: return row->fn.rint32(a, true, rm, flags);
    case RINT64: return row->fn.rint64(in[0], true, rm, flags);
    case F16_32: return row->fn.f16_32((uint16_t)a, flags);
    case F16_64: return row->fn.f16_64((uint16_t)a, flags);
    case F32_64: return row->fn.f32_64(a, flags);
    case F32_16: return row->fn.f32_16(a, rm, flags);
    case F64_16: return row->fn.f64_16(in[0], rm, flags);
    }
    abort();
}

static bool is_nan(uint64_t bits, unsigned width_bits)
{
    switch (width_bits) {
    case 16:
        return (bits & 0x7fff) > 0x7c00;
    case 32:
        return fpu_class_f32((uint32_t)bits) >= FPU_CLASS_SNAN;
    case 64:
        return fpu_class_f64(bits) >= FPU_CLASS_SNAN;
    default:
        return false;
    }
}

/* operand_count + 2 numbers; false when the line is anything else. */
static bool line_parse(const char *line, unsigned count, uint64_t *values)
{
    for (unsigned i = 0; i < count; i++) {
        char *end;
        values[i] = strtoull(line, &end, 16);
        if (end == line) {
            return false;
        }
        line = end;
    }
    return line[strspn(line, " \r\n")] == '\0';
}

/* Compares one line; prints the difference when there is one and `show`. */
static bool line_check(const struct row *row, const uint64_t *values, enum fpu_round rm,
                       bool any_nan, bool show)
{
    uint64_t want = values[row->operand_count];
    uint32_t want_flags = (uint32_t)values[row->operand_count + 1];
    uint32_t flags = 0;
    uint64_t got = row_run(row, values, rm, &flags);
    bool nans = any_nan && is_nan(got, row->result_bits) && is_nan(want, row->result_bits);

    if ((got == want || nans) && flags == want_flags) {
        return true;
    }
    if (show) {
        printf("  %s", row->name);
        for (unsigned i = 0; i < row->operand_count; i++) {
            printf(" %llx", (unsigned long long)values[i]);
        }
        printf(": %llx flags %x, expected %llx flags %x\n", (unsigned long long)got, flags,
               (unsigned long long)want, want_flags);
    }
    return false;
}

static int stream_check(const struct row *row, const char *rounding, enum fpu_round rm,
                        bool any_nan)
{
    unsigned long vectors = 0;
    unsigned long differences = 0;
    char line[160];

    while (fgets(line, sizeof line, stdin) != NULL) {
        uint64_t values[5];
        if (!line_parse(line, row->operand_count + 2, values)) {
            fprintf(stderr, "fpu_testfloat: line %lu is no vector of %s: %s\n", vectors + 1,
                    row->name, line);
            return 2;
        }
        vectors++;
        differences += !line_check(row, values, rm, any_nan, differences < DIFFERENCES_SHOWN);
    }
    printf("%s %s: %lu vectors, %lu differences\n", row->name, rounding, vectors, differences);
    if (vectors == 0) {
        return 2;
    }
    return differences != 0;
}

static const struct row *row_find(const char *name)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(ROWS[i].name, name) == 0) {
            return &ROWS[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static const char *const ROUNDINGS[] = {"rne", "rtz", "rdn", "rup", "rmm"};

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < ROW_COUNT; i++) {
            puts(ROWS[i].name);
        }
        return 0;
    }
    const struct row *row = argc >= 3 ? row_find(argv[1]) : NULL;
    bool any_nan = argc == 4 && strcmp(argv[3], "--any-nan") == 0;
    for (int rm = FPU_RNE; row != NULL && rm <= FPU_RMM; rm++) {
        if (strcmp(argv[2], ROUNDINGS[rm]) == 0 && (argc == 3 || any_nan)) {
            return stream_check(row, argv[2], (enum fpu_round)rm, any_nan);
        }
    }
    fprintf(stderr, "usage: fpu_testfloat FUNCTION rne|rtz|rdn|rup|rmm [--any-nan] < vectors\n"
                    "       fpu_testfloat --list\n");
    return 2;
}

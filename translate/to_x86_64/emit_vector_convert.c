/* Vector operations in place: conversions between integers and floating-point numbers of other
 * widths, and what a number is. AVX-512 alone. See emit_vector.c and emit_vector_fp.c. */
#include "translate/to_x86_64/emit_vector.h"

enum { SIGNED = 1 }; /* of a row's imm */

static struct asm_vop row_op(const struct vec *x)
{
    return vec_row_of(x->v.op)->op[x->sew];
}

static bool is_signed(const struct vec *x)
{
    return vec_row_of(x->v.op)->imm & SIGNED;
}

/* Twice as wide. */
static void widen_to_int(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, true);
        vec_rm_of(x, row_op(x), vec_under(x, mask), x->r[j], 0, x->v.a, j, x->chunk_bytes / 2);
        vec_note_no_integer(x, j, mask, is_signed(x));
    }
    vec_store_noted(x);
}

/* They are exact, so no mask is asked: halves by way of words. */
static void widen_from_int(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        if (x->sew == 2) {
            vec_extend(x, x->r[j], x->v.a, j, 1, 2, is_signed(x));
            asm_vrr(x->a, row_op(x), vec_how(x), x->r[j], 0, x->r[j]);
        } else {
            vec_rm_of(x, row_op(x), vec_how(x), x->r[j], 0, x->v.a, j, x->chunk_bytes / 2);
        }
    }
    vec_store_results(x);
}

/* r[j] = chunk j of the sources, which are twice as wide, made narrow under a mask. */
static void narrow(struct vec *x, unsigned j, unsigned mask)
{
    unsigned bytes = x->chunk_bytes;
    x->chunk_bytes = 2 * bytes;
    vec_rm(x, row_op(x), vec_under(x, mask), x->r[j], 0, x->v.a, j);
    x->chunk_bytes = bytes;
}

static void narrow_to_int(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, true);
        narrow(x, j, mask);
        vec_note_no_integer(x, j, mask, is_signed(x));
    }
    vec_store_noted(x);
}

static void narrow_from_int(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        narrow(x, j, vec_mask(x, j, true));
    }
    vec_store_results(x);
}

/* --- fclass --- */

/* r[j] = temp[0] in each element of a mask; 0: in all. */
static void put_class(struct vec *x, unsigned j, unsigned bit, unsigned mask)
{
    struct asm_vhow how = vec_how(x);
    how.mask = (u8)mask;
    asm_mov_imm(x->a, x->temp[0], (u64)1 << bit);
    asm_vrr(x->a, (struct asm_vop){2, 1, x->sew == 3, 0x7c}, how, x->r[j], 0, x->temp[0]);
}

static void classify(struct vec *x)
{
    enum { MASK = 2, POSITIVE_NORMAL = 6 };
    enum { DENORMAL = 0x20, NEGATIVE = 0x40 };
    /* The host's kind, of those that k2 has already or of all; and the guest's bit. */
    static const struct {
        u8 kind, under, bit;
    } kinds[] = {{0x01, 0, 9},     {0x02, 0, 4},     {0x04, 0, 3},       {0x08, 0, 7}, {0x10, 0, 0},
                 {0x80, 0, 8}, {DENORMAL, 0, 5}, {NEGATIVE, 0, 1}, {DENORMAL, MASK, 2}};
    for (unsigned j = 0; j < x->chunks; j++) {
        put_class(x, j, POSITIVE_NORMAL, 0);
        vec_load(x, x->t[0], x->v.a, j);
        for (unsigned n = 0; n < ARRAY_LEN(kinds); n++) {
            struct asm_vhow how = vec_how(x);
            how.mask = kinds[n].under;
            asm_vrr(x->a, (struct asm_vop){3, 1, x->sew == 3, 0x66}, how, MASK, 0, x->t[0]);
            asm_u8(x->a, kinds[n].kind);
            put_class(x, j, kinds[n].bit, MASK);
        }
    }
    vec_store_results(x);
}

/* --- rows --- */

enum { WORDS = 4, LONGS = 8, BOTH = 12 };

#define OP(pp, wide, op) {1, pp, wide, op}
#define WIDE_INT(pp, op, how)                                                                      \
    {widen_to_int, {{0}, {0}, {0}, OP(pp, 0, op)}, 0, LONGS, how, VEC_TEMPS | VEC_FINDS}
#define WIDE_FLOAT(pp, op, how)                                                                    \
    {widen_from_int, {{0}, {0}, OP(0, 0, 0x5b), OP(pp, 0, op)}, 0, BOTH, how, VEC_FINDS}
#define NARROW(emit, pp, op, how)                                                                  \
    {emit, {{0}, {0}, OP(pp, 1, op)}, 0, WORDS, how, VEC_TEMPS | VEC_FINDS}

const struct vec_row vec_convert_rows[IR_VECTOR_OP_COUNT] = {
    [IR_VECTOR_FW_TO_S] = WIDE_INT(1, 0x7b, SIGNED),
    [IR_VECTOR_FW_TO_U] = WIDE_INT(1, 0x79, 0),
    [IR_VECTOR_FW_TO_S_RTZ] = WIDE_INT(1, 0x7a, SIGNED),
    [IR_VECTOR_FW_TO_U_RTZ] = WIDE_INT(1, 0x78, 0),
    [IR_VECTOR_S_TO_FW] = WIDE_FLOAT(2, 0xe6, SIGNED),
    [IR_VECTOR_U_TO_FW] = WIDE_FLOAT(2, 0x7a, 0),
    [IR_VECTOR_FN_TO_S] = NARROW(narrow_to_int, 3, 0xe6, SIGNED),
    [IR_VECTOR_FN_TO_U] = NARROW(narrow_to_int, 0, 0x79, 0),
    [IR_VECTOR_FN_TO_S_RTZ] = NARROW(narrow_to_int, 1, 0xe6, SIGNED),
    [IR_VECTOR_FN_TO_U_RTZ] = NARROW(narrow_to_int, 0, 0x78, 0),
    [IR_VECTOR_S_TO_FN] = NARROW(narrow_from_int, 0, 0x5b, 0),
    [IR_VECTOR_U_TO_FN] = NARROW(narrow_from_int, 3, 0x7a, 0),
    [IR_VECTOR_FCLASS] = {classify, {{0}}, 0, BOTH, 0, VEC_TEMPS | VEC_FINDS},
};

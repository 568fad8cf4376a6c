/* Vector operations in place: fixed point, as codecs use it. AVX-512 alone; with the rounding that
 * they choose, to nearest and up. Elements that did not fit are found by doing it once more without
 * saturation. See emit_vector.c. */
#include "translate/to_x86_64/emit_vector.h"

#define OP(op) {1, 1, 0, op}

enum { MISFITS = 2, MORE = 3 }; /* mask registers; k1 is vec_mask's */
enum { SUBS = 1, SIGNED = 4 };  /* of a row's imm */

/* Notes the elements of chunk j that differ in two registers, of 1 << sew bytes each. */
static void note_misfits(struct vec *x, struct asm_vhow how, unsigned j, unsigned sew, unsigned a,
                         unsigned b)
{
    enum { NOT_EQUAL = 4 };
    how.mask = (u8)vec_mask(x, j, true);
    asm_vrr(x->a, vec_compare_op(sew), how, j == 0 ? MISFITS : MORE, a, b);
    asm_u8(x->a, NOT_EQUAL);
    if (j != 0) {
        asm_mask_op(x->a, ASM_MASK_OR, MISFITS, MISFITS, MORE);
    }
}

static void store_saturated(struct vec *x)
{
    vec_store_results(x);
    asm_mask_test(x->a, MISFITS);
    u32 none = asm_jcc_short(x->a, ASM_E);
    asm_mov_mem_imm(x->a, ASM_8, state_at(x->c->context->guest->vector->saturated), 1);
    asm_bind_short(x->a, none);
}

static void fail_unless_up(struct vec *x)
{
    asm_rm(x->a, 0x80, ASM_32, 7, state_at(x->c->context->guest->vector->fixed_round)); /* cmp */
    asm_u8(x->a, 0);
    vec_fail_if(x, ASM_NE);
}

/* --- a op b, saturated --- */

/* dst = a function of its bits, those of b and of c, by the bit of `table` that they number. */
static void bits_of_three(struct vec *x, unsigned dst, unsigned b, unsigned c, unsigned table)
{
    asm_vrr(x->a, (struct asm_vop){3, 1, x->sew == 3, 0x25}, vec_how(x), dst, b, c);
    asm_u8(x->a, table);
}

/* reg becomes the limit that has its sign. */
static void limit(struct vec *x, unsigned reg)
{
    enum { NEITHER_OR_BOTH = 0x99 };
    struct asm_vhow how = vec_how(x);
    how.broadcast = true;
    vec_shift_imm(x, reg, x->sew, VEC_ARITHMETIC, (8u << x->sew) - 1);
    asm_vrip(x->a, (struct asm_vop){3, 1, 1, 0x25}, how, reg, reg,
             vec_const(x, x->sew == 3 ? VEC_SIGN_64 : VEC_SIGN_32), 1);
    asm_u8(x->a, NEITHER_OR_BOTH);
}

/* Of words and longer ones: r[j] = the sum or difference t[0] of r[j] and b, or the limit, where it
 * has not the sign that theirs ask for. */
static void saturate_signed(struct vec *x, unsigned j, bool adds)
{
    enum { SUM_IS_OTHER = 0x42, DIFFERENCE_IS_OTHER = 0x24 };
    struct asm_vhow how = vec_how(x);
    vec_load_b(x, x->t[1], j);
    bits_of_three(x, x->t[1], x->r[j], x->t[0], adds ? SUM_IS_OTHER : DIFFERENCE_IS_OTHER);
    asm_vrr(x->a, (struct asm_vop){2, 2, x->sew == 3, 0x39}, how, MORE, 0, x->t[1]); /* signs */
    limit(x, x->r[j]);
    how.mask = MORE;
    asm_vrr(x->a, (struct asm_vop){2, 1, x->sew == 3, 0x64}, how, x->r[j], x->t[0], x->r[j]);
}

static void saturate_unsigned(struct vec *x, unsigned j, bool adds)
{
    enum { BELOW = 1 };
    if (adds) {
        asm_vrr(x->a, vec_compare_op(x->sew), vec_how(x), MORE, x->t[0], x->r[j]);
        asm_u8(x->a, BELOW);
        vec_copy(x, x->r[j], x->t[0]);
        vec_ones(x, x->r[j], MORE);
    } else {
        struct asm_vop larger = {2, 1, x->sew == 3, 0x3f};
        vec_op_b(x, larger, vec_how(x), x->r[j], x->r[j], j);
        vec_op_b(x, vec_sub_op(x->sew), vec_how(x), x->r[j], x->r[j], j);
    }
}

static void saturate(struct vec *x)
{
    const struct vec_row *row = vec_row_of(x->v.op);
    bool adds = !(row->imm & SUBS);
    struct asm_vop wrapped = adds ? vec_add_op(x->sew) : vec_sub_op(x->sew);
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, x->sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
        vec_op_b(x, wrapped, vec_how(x), x->t[0], x->r[j], j);
        if (x->sew < 2) {
            vec_op_b(x, row->op[x->sew], vec_how(x), x->r[j], x->r[j], j);
        } else if (row->imm & SIGNED) {
            saturate_signed(x, j, adds);
        } else {
            saturate_unsigned(x, j, adds);
        }
        note_misfits(x, vec_how(x), j, x->sew, x->t[0], x->r[j]);
    }
    store_saturated(x);
}

/* t[0] = the upper halves of twice the products of words, rounded up: of even ones, then of odd
 * ones. r[j] is scratch. */
static void multiply_words(struct vec *x, unsigned j)
{
    enum { ODD_WORDS = 0xaaaa };
    static const struct asm_vop multiply = {2, 1, 1, 0x28};
    struct asm_vhow how = vec_how(x);
    vec_load_b(x, x->t[1], j);
    asm_vrr(x->a, multiply, how, x->r[j], x->t[0], x->t[1]);
    vec_shift_imm(x, x->t[0], 3, VEC_RIGHT, 32);
    vec_shift_imm(x, x->t[1], 3, VEC_RIGHT, 32);
    asm_vrr(x->a, multiply, how, x->t[0], x->t[0], x->t[1]);
    vec_shift_imm(x, x->t[0], 3, VEC_LEFT, 1);
    vec_shift_imm(x, x->r[j], 3, VEC_LEFT, 1);
    vec_op_const(x, vec_add_op(3), x->t[0], x->t[0], VEC_HALF_32);
    vec_op_const(x, vec_add_op(3), x->r[j], x->r[j], VEC_HALF_32);
    vec_shift_imm(x, x->r[j], 3, VEC_RIGHT, 32);
    vec_set_mask(x, MORE, ODD_WORDS);
    how.mask = MORE;
    asm_vrr(x->a, vec_move_op(2), how, x->r[j], 0, x->t[0]);
    vec_copy(x, x->t[0], x->r[j]);
}

/* The same of doublewords: the low half's two highest bits round. */
static void multiply_longs(struct vec *x, unsigned j)
{
    struct asm_vhow how = vec_how(x);
    vec_multiply_high(x, j, IR_VECTOR_MULH_S);
    vec_load(x, x->t[0], x->v.a, j);
    vec_op_b(x, (struct asm_vop){2, 1, 1, 0x40}, how, x->t[0], x->t[0], j);
    vec_shift_imm(x, x->t[0], 3, VEC_RIGHT, 62);
    vec_ones(x, x->t[1], 0);
    asm_vrr(x->a, vec_sub_op(3), how, x->t[0], x->t[0], x->t[1]);
    vec_shift_imm(x, x->t[0], 3, VEC_RIGHT, 1);
    vec_shift_imm(x, x->r[j], 3, VEC_LEFT, 1);
    asm_vrr(x->a, vec_add_op(3), how, x->t[0], x->t[0], x->r[j]);
}

/* -1 times -1 becomes -1, which nothing else does. */
static void multiply(struct vec *x)
{
    enum { EQUAL = 0 };
    fail_unless_up(x);
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, x->sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow how = vec_how(x);
        how.mask = MORE;
        vec_load(x, x->t[0], x->v.a, j);
        if (x->sew == 1) {
            vec_op_b(x, (struct asm_vop){2, 1, 0, 0x0b}, vec_how(x), x->t[0], x->t[0], j);
        } else if (x->sew == 2) {
            multiply_words(x, j);
        } else {
            multiply_longs(x, j);
        }
        vec_copy(x, x->r[j], x->t[0]);
        vec_ones(x, x->t[1], 0);
        vec_shift_imm(x, x->t[1], x->sew, VEC_LEFT, (8u << x->sew) - 1);
        asm_vrr(x->a, vec_compare_op(x->sew), vec_how(x), MORE, x->t[0], x->t[1]);
        asm_u8(x->a, EQUAL);
        vec_ones(x, x->t[1], 0);
        asm_vrr(x->a, vec_add_op(x->sew), how, x->r[j], x->r[j], x->t[1]);
        note_misfits(x, vec_how(x), j, x->sew, x->t[0], x->r[j]);
    }
    store_saturated(x);
}

/* --- averages --- */

/* Of bytes and halves, unsigned; signed bytes with all signs turned, before and after. */
static void average_short(struct vec *x, unsigned j)
{
    struct asm_vop op = vec_row_of(x->v.op)->op[x->sew];
    if (x->v.op == IR_VECTOR_AVG_U) {
        vec_op_b(x, op, vec_how(x), x->r[j], x->r[j], j);
        return;
    }
    struct asm_vop differ = {1, 1, 1, 0xef};
    vec_load_b(x, x->t[0], j);
    vec_op_const(x, differ, x->r[j], x->r[j], VEC_SIGN_8);
    vec_op_const(x, differ, x->t[0], x->t[0], VEC_SIGN_8);
    asm_vrr(x->a, op, vec_how(x), x->r[j], x->r[j], x->t[0]);
    vec_op_const(x, differ, x->r[j], x->r[j], VEC_SIGN_8);
}

/* (a | b) - ((a ^ b) >> 1): rounded up. */
static void average_long(struct vec *x, unsigned j, bool is_signed)
{
    vec_op_b(x, (struct asm_vop){1, 1, x->sew == 3, 0xeb}, vec_how(x), x->t[0], x->r[j], j);
    vec_op_b(x, (struct asm_vop){1, 1, x->sew == 3, 0xef}, vec_how(x), x->r[j], x->r[j], j);
    vec_shift_imm(x, x->r[j], x->sew, is_signed ? VEC_ARITHMETIC : VEC_RIGHT, 1);
    asm_vrr(x->a, vec_sub_op(x->sew), vec_how(x), x->r[j], x->t[0], x->r[j]);
}

/* (a & ~b) + ((a ^ ~b) >> 1) + 1; unsigned a and b were 2^width too large for their difference, so
 * that its half has the other top bit. */
static void average_difference(struct vec *x, unsigned j, bool is_signed)
{
    enum { ALIKE = 0x99, NOT_THE_LAST = 0x44 };
    vec_load_b(x, x->t[0], j);
    vec_copy(x, x->t[1], x->r[j]);
    bits_of_three(x, x->t[1], x->r[j], x->t[0], ALIKE);
    bits_of_three(x, x->r[j], x->r[j], x->t[0], NOT_THE_LAST);
    vec_shift_imm(x, x->t[1], x->sew, is_signed ? VEC_ARITHMETIC : VEC_RIGHT, 1);
    asm_vrr(x->a, vec_add_op(x->sew), vec_how(x), x->r[j], x->r[j], x->t[1]);
    vec_ones(x, x->t[1], 0);
    asm_vrr(x->a, vec_sub_op(x->sew), vec_how(x), x->r[j], x->r[j], x->t[1]);
    if (!is_signed) {
        vec_shift_imm(x, x->t[1], x->sew, VEC_LEFT, (8u << x->sew) - 1);
        asm_vrr(x->a, (struct asm_vop){1, 1, x->sew == 3, 0xef}, vec_how(x), x->r[j], x->r[j],
                x->t[1]);
    }
}

static void average(struct vec *x)
{
    unsigned imm = vec_row_of(x->v.op)->imm;
    fail_unless_up(x);
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, x->sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
        if (imm & SUBS) {
            average_difference(x, j, (imm & SIGNED) != 0);
        } else if (x->sew == 0 || (x->sew == 1 && !(imm & SIGNED))) {
            average_short(x, j);
        } else {
            average_long(x, j, (imm & SIGNED) != 0);
        }
    }
    vec_store_results(x);
}

/* --- shifts that round --- */

/* reg >>= count, plus the last bit that goes. */
static void shift_rounded(struct vec *x, unsigned reg, unsigned sew, bool is_signed, unsigned count)
{
    unsigned width = 8u << sew;
    if (count == 0) {
        return;
    }
    vec_copy(x, x->t[0], reg);
    vec_shift_imm(x, x->t[0], sew, VEC_LEFT, width - count);
    vec_shift_imm(x, x->t[0], sew, VEC_RIGHT, width - 1);
    vec_shift_imm(x, reg, sew, is_signed ? VEC_ARITHMETIC : VEC_RIGHT, count);
    asm_vrr(x->a, vec_add_op(sew), vec_how(x), reg, reg, x->t[0]);
}

/* The same by counts in t[0], each modulo the width. Of those that are 0 nothing goes: one less is
 * far more than the width. */
static void shift_rounded_each(struct vec *x, unsigned reg, unsigned sew, bool is_signed)
{
    unsigned width = 8u << sew;
    vec_op_const(x, (struct asm_vop){1, 1, 1, 0xdb}, x->t[0], x->t[0],
                 (enum vec_const)(VEC_COUNT_8 + sew));
    vec_ones(x, x->t[1], 0);
    asm_vrr(x->a, vec_add_op(sew), vec_how(x), x->t[1], x->t[1], x->t[0]);
    vec_shift_each(x, x->t[1], reg, x->t[1], sew, VEC_RIGHT);
    vec_shift_imm(x, x->t[1], sew, VEC_LEFT, width - 1);
    vec_shift_imm(x, x->t[1], sew, VEC_RIGHT, width - 1);
    vec_shift_each(x, reg, reg, x->t[0], sew, is_signed ? VEC_ARITHMETIC : VEC_RIGHT);
    asm_vrr(x->a, vec_add_op(sew), vec_how(x), reg, reg, x->t[1]);
}

static unsigned shift_count(const struct vec *x, unsigned sew)
{
    return (unsigned)x->value & ((8u << sew) - 1);
}

static void shift(struct vec *x)
{
    bool is_signed = vec_row_of(x->v.op)->imm & SIGNED;
    fail_unless_up(x);
    if (x->v.second != IR_VECTOR_GROUP && !x->is_const) {
        vec_splat(x, x->s, x->sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
        if (x->is_const && x->v.second != IR_VECTOR_GROUP) {
            shift_rounded(x, x->r[j], x->sew, is_signed, shift_count(x, x->sew));
        } else {
            vec_load_b(x, x->t[0], j);
            shift_rounded_each(x, x->r[j], x->sew, is_signed);
        }
    }
    vec_store_results(x);
}

/* r[j] = it, wide elements, as narrow ones; t[1] = those, wide again. */
static void cut(struct vec *x, unsigned j, bool is_signed)
{
    static const u8 cuts[2][3] = {{0x10, 0x13, 0x15}, {0x20, 0x23, 0x25}};
    static const u8 extends[2][3] = {{0x30, 0x33, 0x35}, {0x20, 0x23, 0x25}};
    struct asm_vop narrow = {2, 2, 0, cuts[is_signed][x->sew]};
    struct asm_vop wide = {2, 1, 0, extends[is_signed][x->sew]};
    asm_vrr(x->a, narrow, vec_how(x), x->r[j], 0, x->t[0]);
    asm_vrr(x->a, wide, vec_how(x), x->t[1], 0, x->t[0]);
}

/* t[0] = counts for wide elements. */
static void load_counts(struct vec *x, unsigned j, unsigned wide)
{
    if (x->v.second == IR_VECTOR_GROUP) {
        vec_extend(x, x->t[0], x->v.b, j, x->sew, wide, false);
    } else {
        vec_copy(x, x->t[0], x->s);
    }
}

/* a is twice as wide as the result. */
static void clip(struct vec *x)
{
    bool is_signed = vec_row_of(x->v.op)->imm & SIGNED;
    unsigned bytes = x->chunk_bytes, wide = x->sew + 1;
    bool by_const = x->is_const && x->v.second != IR_VECTOR_GROUP;
    fail_unless_up(x);
    x->chunk_bytes = 2 * bytes;
    if (x->v.second != IR_VECTOR_GROUP && !by_const) {
        vec_splat(x, x->s, wide);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        x->chunk_bytes = 2 * bytes;
        struct asm_vhow how = vec_how(x);
        vec_load(x, x->r[j], x->v.a, j);
        if (by_const) {
            shift_rounded(x, x->r[j], wide, is_signed, shift_count(x, wide));
        } else {
            load_counts(x, j, wide);
            shift_rounded_each(x, x->r[j], wide, is_signed);
        }
        cut(x, j, is_signed);
        x->chunk_bytes = bytes;
        note_misfits(x, how, j, wide, x->t[1], x->r[j]);
        asm_vrr(x->a, (struct asm_vop){1, 2, 0, 0x6f}, how, x->r[j], 0, x->t[0]);
    }
    store_saturated(x);
}

/* --- rows --- */

enum { WIDE = 14, ANY = 15, CUTS = 7 };

#define SATURATE(byte, half, how)                                                                  \
    {saturate, {OP(byte), OP(half)}, 0, ANY, how, VEC_TEMPS | VEC_FINDS}
#define AVERAGE(widths, how)                                                                       \
    {average, {OP(0xe0), OP(0xe3)}, 0, widths, how, VEC_TEMPS | VEC_FINDS}

const struct vec_row vec_fixed_rows[IR_VECTOR_OP_COUNT] = {
    [IR_VECTOR_SADD_U] = SATURATE(0xdc, 0xdd, 0),
    [IR_VECTOR_SADD_S] = SATURATE(0xec, 0xed, SIGNED),
    [IR_VECTOR_SSUB_U] = SATURATE(0xd8, 0xd9, SUBS),
    [IR_VECTOR_SSUB_S] = SATURATE(0xe8, 0xe9, SIGNED | SUBS),
    [IR_VECTOR_AVG_U] = AVERAGE(ANY, 0),
    [IR_VECTOR_AVG_S] = AVERAGE(ANY, SIGNED),
    [IR_VECTOR_AVG_SUB_U] = AVERAGE(WIDE, SUBS),
    [IR_VECTOR_AVG_SUB_S] = AVERAGE(WIDE, SIGNED | SUBS),
    [IR_VECTOR_SMUL] = {multiply, {{0}}, 0, WIDE, 0, VEC_TEMPS | VEC_FINDS},
    [IR_VECTOR_RSHR_U] = {shift, {{0}}, 0, WIDE, 0, VEC_IMM | VEC_TEMPS | VEC_FINDS},
    [IR_VECTOR_RSHR_S] = {shift, {{0}}, 0, WIDE, SIGNED, VEC_IMM | VEC_TEMPS | VEC_FINDS},
    [IR_VECTOR_CLIP_U] = {clip, {{0}}, 0, CUTS, 0, VEC_TEMPS | VEC_IMM | VEC_FINDS},
    [IR_VECTOR_CLIP_S] = {clip, {{0}}, 0, CUTS, SIGNED, VEC_TEMPS | VEC_IMM | VEC_FINDS},
};

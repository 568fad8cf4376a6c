/* Vector operations in place: fixed point, as codecs use it. AVX-512 alone; with the rounding that
 * they choose, to nearest and up. Elements that did not fit are found by doing it once more without
 * saturation. See emit_vector.c. */
#include "translate/to_x86_64/emit_vector.h"

#define OP(op) {1, 1, 0, op}

enum { MISFITS = 2, MORE = 3 }; /* mask registers; k1 is vec_mask's */
enum { SIGNED = 4 };            /* of a row's imm */

/* Notes the elements of chunk j that differ in two registers, of 1 << sew bytes each. */
static void note_misfits(struct vec *x, struct asm_vhow how, unsigned j, unsigned sew, unsigned a,
                         unsigned b)
{
    enum { NOT_EQUAL = 4 };
    struct asm_vop op = {3, 1, sew & 1, sew < 2 ? 0x3e : 0x1e};
    how.mask = (u8)vec_mask(x, j, true);
    asm_vrr(x->a, op, how, j == 0 ? MISFITS : MORE, a, b);
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

static void saturate(struct vec *x)
{
    static const struct asm_vop wrapped[2][2] = {{OP(0xfc), OP(0xfd)}, {OP(0xf8), OP(0xf9)}};
    const struct vec_row *row = vec_row_of(x->v.op);
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, x->sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
        vec_op_b(x, wrapped[row->imm][x->sew], vec_how(x), x->t[0], x->r[j], j);
        vec_op_b(x, row->op[x->sew], vec_how(x), x->r[j], x->r[j], j);
        note_misfits(x, vec_how(x), j, x->sew, x->t[0], x->r[j]);
    }
    store_saturated(x);
}

static void average(struct vec *x)
{
    struct asm_vop op = vec_row_of(x->v.op)->op[x->sew];
    fail_unless_up(x);
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, x->sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
        vec_op_b(x, op, vec_how(x), x->r[j], x->r[j], j);
    }
    vec_store_results(x);
}

/* --- shifts that round, by a constant --- */

/* reg >>= count, plus the last bit that goes. */
static void shift_rounded(struct vec *x, unsigned reg, unsigned sew, bool is_signed, unsigned count)
{
    static const u8 adds[4] = {0xfc, 0xfd, 0xfe, 0xd4};
    unsigned width = 8u << sew;
    if (count == 0) {
        return;
    }
    asm_vrr(x->a, (struct asm_vop){1, 2, 0, 0x6f}, vec_how(x), x->t[0], 0, reg);
    vec_shift_imm(x, x->t[0], sew, VEC_LEFT, width - count);
    vec_shift_imm(x, x->t[0], sew, VEC_RIGHT, width - 1);
    vec_shift_imm(x, reg, sew, is_signed ? VEC_ARITHMETIC : VEC_RIGHT, count);
    asm_vrr(x->a, (struct asm_vop){1, 1, sew == 3, adds[sew]}, vec_how(x), reg, reg, x->t[0]);
}

static unsigned shift_count(const struct vec *x, unsigned sew)
{
    return (unsigned)x->value & ((8u << sew) - 1);
}

static void shift(struct vec *x)
{
    bool is_signed = vec_row_of(x->v.op)->imm & SIGNED;
    if (!x->is_const) {
        vec_fail(x);
        return;
    }
    fail_unless_up(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
        shift_rounded(x, x->r[j], x->sew, is_signed, shift_count(x, x->sew));
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

/* a is twice as wide as the result. */
static void clip(struct vec *x)
{
    bool is_signed = vec_row_of(x->v.op)->imm & SIGNED;
    unsigned bytes = x->chunk_bytes, wide = x->sew + 1;
    if (!x->is_const) {
        vec_fail(x);
        return;
    }
    fail_unless_up(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        x->chunk_bytes = 2 * bytes;
        struct asm_vhow how = vec_how(x);
        vec_load(x, x->r[j], x->v.a, j);
        shift_rounded(x, x->r[j], wide, is_signed, shift_count(x, wide));
        cut(x, j, is_signed);
        x->chunk_bytes = bytes;
        note_misfits(x, how, j, wide, x->t[1], x->r[j]);
        asm_vrr(x->a, (struct asm_vop){1, 2, 0, 0x6f}, how, x->r[j], 0, x->t[0]);
    }
    store_saturated(x);
}

/* --- rows --- */

enum { SHORT = 3, WIDE = 14, CUTS = 7 };
enum { ADDS, SUBS };

#define SATURATE(byte, half, how)                                                                  \
    {saturate, {OP(byte), OP(half)}, 0, SHORT, how, VEC_TEMPS | VEC_FINDS}

const struct vec_row vec_fixed_rows[IR_VECTOR_OP_COUNT] = {
    [IR_VECTOR_SADD_U] = SATURATE(0xdc, 0xdd, ADDS),
    [IR_VECTOR_SADD_S] = SATURATE(0xec, 0xed, ADDS),
    [IR_VECTOR_SSUB_U] = SATURATE(0xd8, 0xd9, SUBS),
    [IR_VECTOR_SSUB_S] = SATURATE(0xe8, 0xe9, SUBS),
    [IR_VECTOR_AVG_U] = {average, {OP(0xe0), OP(0xe3)}, 0, SHORT, 0, VEC_FINDS},
    [IR_VECTOR_RSHR_U] = {shift, {{0}}, 0, WIDE, 0, VEC_IMM | VEC_FINDS},
    [IR_VECTOR_RSHR_S] = {shift, {{0}}, 0, WIDE, SIGNED, VEC_IMM | VEC_FINDS},
    [IR_VECTOR_CLIP_U] = {clip, {{0}}, 0, CUTS, 0, VEC_TEMPS | VEC_IMM | VEC_FINDS},
    [IR_VECTOR_CLIP_S] = {clip, {{0}}, 0, CUTS, SIGNED, VEC_TEMPS | VEC_IMM | VEC_FINDS},
};

/* Vector operations in place: division of integers, as floating-point numbers. AVX-512 alone. See
 * emit_vector.c.
 *
 * Everything is done by instructions of 64 bytes that say their rounding, so that no flag is
 * raised and the guest's rounding does not matter. A quotient cut off is exact where both numbers
 * are: bytes and halves as singles, words as doubles. What the host makes of a number divided by 0
 * is all ones as an unsigned integer, and what does not fit is what the guest wants, too.
 *
 * What they do not keep in registers (VEC_FINDS) leaves zmm20 and those behind it free. */
#include "translate/to_x86_64/emit_vector.h"

#define OP(map, wide, op) {map, 1, wide, op}

enum { FLOAT = 20, OTHER = 21, SIGNS = 22 }; /* vector registers */
enum { MASK = 2 };                           /* k1 is vec_mask's */
enum { SIGNED = 1, REMAINS = 2 };            /* of a row's imm */

/* Embedded rounding, of 64 bytes. */
enum embedded { UP = 2, ZERO = 3 };

static struct asm_vhow rounded(enum embedded rounding)
{
    return (struct asm_vhow){.length = (u8)rounding, .evex = true, .broadcast = true};
}

static struct asm_vhow whole(void)
{
    return (struct asm_vhow){.length = 2, .evex = true};
}

static struct asm_vhow whole_under(unsigned mask)
{
    struct asm_vhow how = whole();
    how.mask = (u8)mask;
    return how;
}

static bool has(const struct vec *x, unsigned what)
{
    return vec_row_of(x->v.op)->imm & what;
}

/* --- elements of up to 32 bits; as words they are in t[0], t[1] --- */

/* reg = the sources' elements as words. */
static void load_words(struct vec *x, unsigned reg, unsigned unit, unsigned j)
{
    unsigned bytes = x->chunk_bytes;
    if (x->sew == 2) {
        vec_load(x, reg, unit, j);
        return;
    }
    x->chunk_bytes = bytes << (2 - x->sew);
    vec_extend(x, reg, unit, j, x->sew, 2, has(x, SIGNED));
    x->chunk_bytes = bytes;
}

/* s = the scalar as words. */
static void splat_words(struct vec *x)
{
    static const u8 ops[2] = {0x31, 0x33};
    vec_splat(x, x->s, x->sew);
    if (x->sew < 2) {
        struct asm_vop extend = OP(2, 0, (u8)(ops[x->sew] - (has(x, SIGNED) ? 0x10 : 0)));
        asm_vrr(x->a, extend, whole(), x->s, 0, x->s);
    }
}

/* r[j] = the quotients of words; FLOAT and OTHER are scratch. */
static void divide_words(struct vec *x, unsigned j)
{
    static const struct asm_vop to_double[2] = {{1, 2, 0, 0x7a}, {1, 2, 0, 0xe6}};
    static const struct asm_vop from_double[2] = {{1, 0, 1, 0x78}, {1, 1, 1, 0xe6}};
    static const struct asm_vop from_single[2] = {{1, 0, 0, 0x78}, {1, 2, 0, 0x5b}};
    static const struct asm_vop to_single = {1, 0, 0, 0x5b};
    bool is_signed = has(x, SIGNED), doubles = x->sew == 2;
    struct asm_vop to = doubles ? to_double[is_signed] : to_single;
    struct asm_vop from = doubles ? from_double[is_signed] : from_single[is_signed];
    asm_vrr(x->a, to, whole(), FLOAT, 0, x->t[0]);
    asm_vrr(x->a, to, whole(), OTHER, 0, x->t[1]);
    asm_vrr(x->a, (struct asm_vop){1, doubles, doubles, 0x5e}, rounded(ZERO), FLOAT, FLOAT, OTHER);
    asm_vrr(x->a, from, rounded(ZERO), x->r[j], 0, FLOAT);
}

/* Signed quotients by 0 become -1. */
static void mend_zeros(struct vec *x, unsigned j)
{
    asm_vrr(x->a, (struct asm_vop){2, 2, 0, 0x27}, whole(), MASK, x->t[1], x->t[1]);
    asm_vrr(x->a, (struct asm_vop)OP(3, 0, 0x25), whole_under(MASK), x->r[j], x->r[j], x->r[j]);
    asm_u8(x->a, 0xff);
}

/* The low parts of words. */
static void cut_words(struct vec *x, unsigned j)
{
    static const u8 cut[2] = {0x31, 0x33};
    if (x->sew < 2) {
        asm_vrr(x->a, (struct asm_vop){2, 2, 0, cut[x->sew]}, whole(), x->r[j], 0, x->r[j]);
    }
}

static void divide_short(struct vec *x, unsigned j)
{
    load_words(x, x->t[0], x->v.a, j);
    if (x->v.second == IR_VECTOR_GROUP) {
        load_words(x, x->t[1], x->v.b, j);
    } else {
        asm_vrr(x->a, vec_move_op(2), whole(), x->t[1], 0, x->s);
    }
    divide_words(x, j);
    if (has(x, REMAINS)) {
        asm_vrr(x->a, (struct asm_vop)OP(2, 0, 0x40), whole(), x->r[j], x->r[j], x->t[1]);
        asm_vrr(x->a, vec_sub_op(2), whole(), x->r[j], x->t[0], x->r[j]);
    } else if (has(x, SIGNED)) {
        mend_zeros(x, j);
    }
    cut_words(x, j);
}

/* --- doublewords: the quotient is too small by what remains, which is divided once more --- */

/* quotient = t[0] / t[1] as doubles, never too large; t[0] = what remains. OTHER is t[1]. */
static void divide_roughly(struct vec *x, unsigned quotient)
{
    asm_vrr(x->a, (struct asm_vop){1, 2, 1, 0x7a}, rounded(ZERO), FLOAT, 0, x->t[0]);
    asm_vrr(x->a, (struct asm_vop)OP(1, 1, 0x5e), rounded(ZERO), FLOAT, FLOAT, OTHER);
    asm_vrr(x->a, (struct asm_vop)OP(1, 1, 0x78), rounded(ZERO), quotient, 0, FLOAT);
    asm_vrr(x->a, (struct asm_vop)OP(2, 1, 0x40), whole(), FLOAT, quotient, x->t[1]);
    asm_vrr(x->a, vec_sub_op(3), whole(), x->t[0], x->t[0], FLOAT);
}

/* SIGNS = those of what is asked for, and the operands become positive. */
static void take_signs(struct vec *x)
{
    static const struct asm_vop positive = OP(2, 1, 0x1f);
    if (has(x, REMAINS)) {
        asm_vrr(x->a, vec_move_op(3), whole(), SIGNS, 0, x->t[0]);
    } else {
        asm_vrr(x->a, (struct asm_vop)OP(1, 1, 0xef), whole(), SIGNS, x->t[0], x->t[1]);
    }
    asm_vrr(x->a, positive, whole(), x->t[0], 0, x->t[0]);
    asm_vrr(x->a, positive, whole(), x->t[1], 0, x->t[1]);
}

/* `reg` is negated where SIGNS says so, but for quotients by 0. */
static void give_signs(struct vec *x, unsigned reg)
{
    asm_vrr(x->a, (struct asm_vop){2, 2, 1, 0x39}, whole(), MASK, 0, SIGNS);
    if (!has(x, REMAINS)) {
        asm_vrr(x->a, (struct asm_vop)OP(2, 1, 0x27), whole_under(MASK), MASK, x->t[1], x->t[1]);
    }
    asm_vrr(x->a, (struct asm_vop)OP(1, 1, 0xef), whole(), FLOAT, FLOAT, FLOAT);
    asm_vrr(x->a, vec_sub_op(3), whole_under(MASK), reg, FLOAT, reg);
}

/* The second quotient is below 2^14, so it lacks one at most. By 0 both are -1, and that one more
 * is what makes -1 of them. */
static void divide_long(struct vec *x, unsigned j)
{
    enum { NOT_BELOW = 5 };
    vec_load(x, x->t[0], x->v.a, j);
    vec_load_b(x, x->t[1], j);
    if (has(x, SIGNED)) {
        take_signs(x);
    }
    asm_vrr(x->a, (struct asm_vop){1, 2, 1, 0x7a}, rounded(UP), OTHER, 0, x->t[1]);
    divide_roughly(x, x->r[j]);
    divide_roughly(x, VEC_SPARE);
    asm_vrr(x->a, vec_add_op(3), whole(), x->r[j], x->r[j], VEC_SPARE);
    asm_vrr(x->a, vec_compare_op(3), whole(), MASK, x->t[0], x->t[1]);
    asm_u8(x->a, NOT_BELOW);
    asm_vrr(x->a, (struct asm_vop)OP(3, 0, 0x25), whole(), FLOAT, FLOAT, FLOAT);
    asm_u8(x->a, 0xff);
    asm_vrr(x->a, vec_sub_op(3), whole_under(MASK), x->r[j], x->r[j], FLOAT);
    asm_vrr(x->a, vec_sub_op(3), whole_under(MASK), x->t[0], x->t[0], x->t[1]);
    if (has(x, REMAINS)) {
        asm_vrr(x->a, vec_move_op(3), whole(), x->r[j], 0, x->t[0]);
    }
    if (has(x, SIGNED)) {
        give_signs(x, x->r[j]);
    }
}

static void divide(struct vec *x)
{
    if (x->v.second != IR_VECTOR_GROUP && x->sew < 3) {
        splat_words(x);
    } else if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, 3);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        if (x->sew < 3) {
            divide_short(x, j);
        } else {
            divide_long(x, j);
        }
    }
    vec_store_results(x);
}

/* --- rows --- */

enum { ANY = 15 };

#define DIVIDE(how) {divide, {{0}}, 0, ANY, how, 0}

const struct vec_row vec_divide_rows[IR_VECTOR_OP_COUNT] = {
    [IR_VECTOR_DIV_U] = DIVIDE(0),
    [IR_VECTOR_DIV_S] = DIVIDE(SIGNED),
    [IR_VECTOR_REM_U] = DIVIDE(REMAINS),
    [IR_VECTOR_REM_S] = DIVIDE(SIGNED | REMAINS),
};

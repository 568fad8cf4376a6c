/* Vector operations in place: sums with carries, and high halves of products. AVX-512 alone. See
 * emit_vector.c.
 *
 * Adding a carry is taking away -1 under a mask. A sum carries when it is below a term, or when it
 * is all ones and a carry comes in. */
#include "translate/to_x86_64/emit_vector.h"

#define OP(map, wide, op) {map, 1, wide, op}

enum { MORE = 7 }; /* a mask register; k1 is vec_mask's, vec_store_bits wants k2 to k6 */
enum { EQUAL = 0, BELOW = 1 };

static void begin(struct vec *x)
{
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, x->v.sew);
    }
}

/* --- carries --- */

/* r[j] = a + b or a - b, and one more where the mask has a bit. */
static void carry(struct vec *x)
{
    bool adds = x->v.op == IR_VECTOR_ADC;
    struct asm_vop op = adds ? vec_add_op(x->sew) : vec_sub_op(x->sew);
    struct asm_vop other = adds ? vec_sub_op(x->sew) : vec_add_op(x->sew);
    begin(x);
    vec_ones(x, x->t[0], 0);
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow how = vec_how(x);
        how.mask = (u8)vec_mask(x, j, true);
        vec_load(x, x->r[j], x->v.a, j);
        vec_op_b(x, op, vec_how(x), x->r[j], x->r[j], j);
        asm_vrr(x->a, other, how, x->r[j], x->r[j], x->t[0]);
    }
    vec_store_results(x);
}

/* Mask register `mask` = how `first` compares with `second`, unsigned, where `under` says. */
static void compare(struct vec *x, unsigned mask, unsigned first, unsigned second, unsigned how,
                    unsigned under)
{
    struct asm_vhow vhow = vec_how(x);
    vhow.mask = (u8)under;
    asm_vrr(x->a, vec_compare_op(x->sew), vhow, mask, first, second);
    asm_u8(x->a, how);
}

static void carry_out(struct vec *x)
{
    bool adds = x->v.op == IR_VECTOR_MADC;
    begin(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned result = 2 + j;
        vec_load(x, x->t[0], x->v.a, j);
        if (adds) { /* t[0] = the sum, which is compared with a */
            vec_op_b(x, vec_add_op(x->sew), vec_how(x), x->t[0], x->t[0], j);
            vec_load(x, x->t[1], x->v.a, j);
        } else {
            vec_load_b(x, x->t[1], j);
        }
        compare(x, result, x->t[0], x->t[1], BELOW, vec_mask(x, j, false));
        if (x->v.masked) {
            if (adds) {
                vec_ones(x, x->t[1], 0);
            }
            compare(x, MORE, x->t[0], x->t[1], EQUAL, vec_mask(x, j, true));
            asm_mask_op(x->a, ASM_MASK_OR, result, result, MORE);
        }
    }
    vec_store_bits(x);
}

/* --- high halves --- */

/* r[j] = those of r[j] * t[0]. Words: of even ones, then of odd ones; t[1] is scratch. */
static void multiply_words(struct vec *x, unsigned j, bool is_signed)
{
    enum { EVEN_WORDS = 0x5555 };
    struct asm_vop multiply = {is_signed ? 2 : 1, 1, 1, is_signed ? 0x28 : 0xf4};
    struct asm_vhow how = vec_how(x);
    asm_vrr(x->a, multiply, how, x->t[1], x->r[j], x->t[0]);
    vec_shift_imm(x, x->t[1], 3, VEC_RIGHT, 32);
    vec_shift_imm(x, x->r[j], 3, VEC_RIGHT, 32);
    vec_shift_imm(x, x->t[0], 3, VEC_RIGHT, 32);
    asm_vrr(x->a, multiply, how, x->r[j], x->r[j], x->t[0]);
    vec_set_mask(x, MORE, EVEN_WORDS);
    how.mask = MORE;
    asm_vrr(x->a, (struct asm_vop){1, 1, 0, 0x6f}, how, x->r[j], 0, x->t[1]);
}

/* Doublewords as digits of 32 bits, unsigned: r[j] = a, t[0] = b. */
static void multiply_digits(struct vec *x, unsigned j)
{
    static const struct asm_vop multiply = OP(1, 1, 0xf4);
    struct asm_vhow how = vec_how(x);
    unsigned a = x->r[j], b = x->t[0], sum = x->t[1], high = VEC_SPARE;
    asm_vrr(x->a, multiply, how, sum, a, b);
    vec_shift_imm(x, sum, 3, VEC_RIGHT, 32);
    vec_shift_to(x, high, a, VEC_RIGHT, 32);
    asm_vrr(x->a, multiply, how, b, high, b);
    asm_vrr(x->a, vec_add_op(3), how, sum, sum, b);
    vec_load_b(x, b, j); /* takes VEC_SPARE */
    vec_shift_imm(x, b, 3, VEC_RIGHT, 32);
    vec_shift_to(x, high, a, VEC_RIGHT, 32);
    asm_vrr(x->a, multiply, how, a, a, b);
    asm_vrr(x->a, multiply, how, high, high, b);
    vec_shift_to(x, b, sum, VEC_LEFT, 32);
    vec_shift_imm(x, b, 3, VEC_RIGHT, 32);
    asm_vrr(x->a, vec_add_op(3), how, a, a, b);
    vec_shift_imm(x, a, 3, VEC_RIGHT, 32);
    vec_shift_imm(x, sum, 3, VEC_RIGHT, 32);
    asm_vrr(x->a, vec_add_op(3), how, a, a, sum);
    asm_vrr(x->a, vec_add_op(3), how, a, a, high);
}

/* A negative a, or b, counts 2^width too much as an unsigned one: b, or a, less, where it is. */
static void correct_sign(struct vec *x, unsigned j, bool of_a)
{
    unsigned a = x->t[of_a ? 1 : 0], b = x->t[of_a ? 0 : 1];
    vec_load(x, a, x->v.a, j);
    vec_load_b(x, b, j);
    vec_shift_imm(x, x->t[1], x->sew, VEC_ARITHMETIC, (8u << x->sew) - 1);
    asm_vrr(x->a, (struct asm_vop)OP(1, 0, 0xdb), vec_how(x), x->t[1], x->t[1], x->t[0]);
    asm_vrr(x->a, vec_sub_op(x->sew), vec_how(x), x->r[j], x->r[j], x->t[1]);
}

void vec_multiply_high(struct vec *x, unsigned j, unsigned op)
{
    bool is_signed = op == IR_VECTOR_MULH_S;
    vec_load(x, x->r[j], x->v.a, j);
    vec_load_b(x, x->t[0], j);
    if (x->sew == 3) {
        multiply_digits(x, j);
    } else if (x->sew == 2) {
        multiply_words(x, j, is_signed);
    } else {
        asm_vrr(x->a, (struct asm_vop)OP(1, 0, is_signed ? 0xe5 : 0xe4), vec_how(x), x->r[j],
                x->r[j], x->t[0]);
    }
    if (op == IR_VECTOR_MULH_SU || (is_signed && x->sew == 3)) {
        correct_sign(x, j, true);
    }
    if (is_signed && x->sew == 3) {
        correct_sign(x, j, false);
    }
}

static void high_half(struct vec *x)
{
    begin(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_multiply_high(x, j, x->v.op);
    }
    vec_store_results(x);
}

/* --- rows --- */

enum { ANY = 15, WIDE = 14 };

#define HIGH_HALF {high_half, {{0}}, 0, WIDE, 0, VEC_TEMPS | VEC_FINDS}

const struct vec_row vec_carry_rows[IR_VECTOR_OP_COUNT] = {
    [IR_VECTOR_ADC] = {carry, {{0}}, 0, ANY, 0, VEC_TEMPS | VEC_FINDS},
    [IR_VECTOR_SBC] = {carry, {{0}}, 0, ANY, 0, VEC_TEMPS | VEC_FINDS},
    [IR_VECTOR_MADC] = {carry_out, {{0}}, 0, ANY, 0, VEC_TEMPS | VEC_FINDS | VEC_BITS},
    [IR_VECTOR_MSBC] = {carry_out, {{0}}, 0, ANY, 0, VEC_TEMPS | VEC_FINDS | VEC_BITS},
    [IR_VECTOR_MULH_U] = HIGH_HALF,
    [IR_VECTOR_MULH_S] = HIGH_HALF,
    [IR_VECTOR_MULH_SU] = HIGH_HALF,
};

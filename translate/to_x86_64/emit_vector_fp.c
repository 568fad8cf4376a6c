/* Vector operations in place: floating point. MXCSR has the guest's rounding and takes its flags;
 * inactive elements are masked, so that they raise none. Results of arithmetic that are not numbers
 * become canonical in place; elsewhere whatever is not a number is the helper's: the flags that the
 * host raises before are among those the helper will. See emit_vector.c. */
#include "translate/to_x86_64/emit_vector.h"

enum { UNORDERED = 3 };

/* Of 32-bit and 64-bit elements. */
static struct asm_vop fp_op(const struct vec *x, unsigned map, unsigned op)
{
    bool wide = x->sew == 3;
    return (struct asm_vop){(u8)map, map == 1 ? wide : 1, wide, (u8)op};
}

static struct asm_vop row_op(const struct vec *x)
{
    return vec_row_of(x->v.op)->op[x->sew];
}

static void begin_singles(struct vec *x)
{
    if (x->v.second == IR_VECTOR_FLOAT) {
        vec_splat(x, x->s, 2);
    }
}

static void begin(struct vec *x)
{
    if (x->v.second == IR_VECTOR_FLOAT) {
        vec_splat(x, x->s, x->sew);
    }
}

/* --- looking for NaNs: in mask register 2, or t[1] --- */

void vec_note_nan(struct vec *x, bool is_first, unsigned mask, unsigned reg)
{
    struct asm_vop op = fp_op(x, 1, 0xc2);
    struct asm_vhow how = vec_how(x);
    how.mask = (u8)mask;
    if (x->evex) {
        asm_vrr(x->a, op, how, is_first ? 2 : 3, reg, reg);
        asm_u8(x->a, UNORDERED);
        if (!is_first) {
            asm_mask_op(x->a, ASM_MASK_OR, 2, 2, 3);
        }
        return;
    }
    asm_vrr(x->a, op, how, is_first ? x->t[1] : x->t[0], reg, reg);
    asm_u8(x->a, UNORDERED);
    if (!is_first) {
        asm_vrr(x->a, (struct asm_vop){1, 0, 0, 0x56}, how, x->t[1], x->t[1], x->t[0]);
    }
}

/* Flags: NE when something was noted. */
static void test_noted(struct vec *x)
{
    if (x->evex) {
        asm_mask_test(x->a, 2);
    } else {
        asm_vrr(x->a, (struct asm_vop){2, 1, 0, 0x17}, vec_how(x), x->t[1], 0, x->t[1]);
    }
}

static void fail_if_nan(struct vec *x)
{
    test_noted(x);
    vec_fail_if(x, ASM_NE);
}

void vec_store_noted(struct vec *x)
{
    fail_if_nan(x);
    vec_store_results(x);
}

/* --- making them canonical --- */

static const struct asm_vop to_doubles = {1, 0, 0, 0x5a}, to_singles = {1, 1, 1, 0x5a};

/* How, under a mask. */
static struct asm_vhow only(const struct vec *x, unsigned mask, bool zero)
{
    struct asm_vhow how = vec_how(x);
    how.mask = (u8)mask;
    how.zero = zero;
    return how;
}

void vec_load_nan(const struct vec *x, struct asm_buf *a, unsigned reg, unsigned mask)
{
    bool wide = x->sew == 3;
    struct asm_vop broadcast = {2, 1, wide && x->evex, wide ? 0x59 : 0x58};
    asm_vrip(a, broadcast, only(x, mask, false), reg, 0,
             thunk(x->c, THUNK_FP_CONSTS) + 16 * (wide ? FP_NAN64 : FP_NAN32), 0);
}

void vec_raise_invalid(const struct vec *x, struct asm_buf *a, unsigned zero, unsigned infinity,
                       unsigned scratch)
{
    enum { ZEROS = 0x06, INFINITIES = 0x18 };
    const struct asm_vop class = {3, 1, x->sew == 3, 0x66};
    asm_vrr(a, class, only(x, 3, false), 1, 0, zero);
    asm_u8(a, ZEROS);
    asm_vrr(a, class, only(x, 1, false), 1, 0, infinity);
    asm_u8(a, INFINITIES);
    asm_vrr(a, vec_row_of(IR_VECTOR_FMUL)->op[x->sew], only(x, 1, true), scratch, zero, infinity);
}

/* reg = chunk j, of doubles, of what the group has as singles. */
static void load_doubles(struct vec *x, unsigned reg, unsigned unit, unsigned j, unsigned mask)
{
    vec_rm_of(x, to_doubles, vec_under(x, mask), reg, 0, unit, j, x->chunk_bytes / 2);
}

/* t[1] = chunk j of the second operand, of doubles. The scalar is converted again each time, under
 * the mask: where there are no elements it raises nothing. */
static void load_second(struct vec *x, unsigned j, unsigned mask)
{
    if (x->v.second == IR_VECTOR_GROUP) {
        load_doubles(x, x->t[1], x->v.b, j, mask);
    } else {
        asm_vrr(x->a, to_doubles, vec_under(x, mask), x->t[1], 0, x->s);
    }
}

static bool is_wide_fused(const struct vec *x)
{
    return x->v.op >= IR_VECTOR_FWMACC && x->v.op <= IR_VECTOR_FWNMSAC;
}

static bool is_fused(const struct vec *x)
{
    return (x->v.op >= IR_VECTOR_FMACC && x->v.op <= IR_VECTOR_FNMSUB) || is_wide_fused(x);
}

/* What the host forgot of chunk j's products, in elements that mask 3 has. */
static void raise_forgotten(struct vec *x, unsigned j)
{
    if (is_wide_fused(x)) {
        load_doubles(x, x->t[0], x->v.a, j, 3);
        load_second(x, j, 3);
    } else {
        vec_load(x, x->t[0], x->v.op <= IR_VECTOR_FNMSAC ? x->v.a : x->v.d, j);
        vec_load_b(x, x->t[1], j);
    }
    vec_raise_invalid(x, x->a, x->t[0], x->t[1], VEC_SPARE);
    vec_raise_invalid(x, x->a, x->t[1], x->t[0], VEC_SPARE);
}

static void make_chunk_canonical(struct vec *x, unsigned j)
{
    unsigned nans = x->evex ? 3 : x->t[0];
    asm_vrr(x->a, fp_op(x, 1, 0xc2), vec_how(x), nans, x->r[j], x->r[j]);
    asm_u8(x->a, UNORDERED);
    if (!x->evex) {
        vec_load_nan(x, x->a, x->t[1], 0);
        vec_choose(x, x->r[j], x->r[j], x->t[1], nans);
        return;
    }
    if (is_fused(x)) {
        raise_forgotten(x, j);
    }
    vec_load_nan(x, x->a, x->r[j], 3);
}

/* All results to group d, those noted as the canonical NaN: loops go on where elements that
 * nobody will look at any more have become infinite, and then nothing. Elements that are not active
 * are 0. Without AVX-512 it is the helper that knows what of a product was forgotten. */
static void store_numbers(struct vec *x)
{
    if (!x->evex && is_fused(x)) {
        vec_store_noted(x);
        return;
    }
    test_noted(x);
    u32 all_numbers = asm_jcc_forward(x->a, ASM_E);
    for (unsigned j = 0; j < x->chunks; j++) {
        make_chunk_canonical(x, j);
    }
    asm_bind(x->a, all_numbers);
    vec_store_results(x);
}

/* --- arithmetic --- */

/* Without AVX-512, under a mask: of operands that are 0 where it is clear. */
static void binary_of_active(struct vec *x, unsigned j)
{
    bool swap = vec_row_of(x->v.op)->flags & VEC_SWAP;
    vec_widen_mask(x, x->mask, j, true);
    if (x->v.op == IR_VECTOR_FRDIV) {
        vec_load_divisors(x, x->r[j], j, false);
        vec_load_active_b(x, x->mask, j);
    } else if (x->v.op == IR_VECTOR_FDIV) {
        vec_load_divisors(x, x->r[j], j, true);
        vec_load_active(x, x->mask, x->v.a, j);
        swap = true;
    } else {
        vec_load_active(x, x->r[j], x->v.a, j);
        vec_load_active_b(x, x->mask, j);
    }
    asm_vrr(x->a, row_op(x), vec_how(x), x->r[j], swap ? x->mask : x->r[j],
            swap ? x->r[j] : x->mask);
}

static void binary(struct vec *x)
{
    const struct vec_row *row = vec_row_of(x->v.op);
    bool scalar = x->v.second != IR_VECTOR_GROUP;
    begin(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, true);
        struct asm_vhow how = vec_under(x, mask);
        if (vec_blends(x, true)) {
            binary_of_active(x, j);
        } else if (scalar && (row->flags & (VEC_COMMUTES | VEC_SWAP))) {
            vec_rm(x, row_op(x), how, x->r[j], x->s, x->v.a, j);
        } else {
            vec_load(x, x->r[j], x->v.a, j);
            vec_op_b(x, row_op(x), how, x->r[j], x->r[j], j);
        }
        vec_note_nan(x, j == 0, mask, x->r[j]);
    }
    store_numbers(x);
}

static void root(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, true);
        if (vec_blends(x, true)) {
            vec_widen_mask(x, x->mask, j, true);
            vec_load_active(x, x->r[j], x->v.a, j);
            asm_vrr(x->a, row_op(x), vec_how(x), x->r[j], 0, x->r[j]);
        } else {
            vec_rm(x, row_op(x), vec_under(x, mask), x->r[j], 0, x->v.a, j);
        }
        vec_note_nan(x, j == 0, mask, x->r[j]);
    }
    store_numbers(x);
}

static void fused_of_active(struct vec *x, unsigned j, bool adds_to_d)
{
    vec_widen_mask(x, x->mask, j, true);
    vec_load_active(x, x->r[j], x->v.d, j);
    vec_load_active(x, x->t[0], x->v.a, j);
    vec_load_active_b(x, x->mask, j);
    asm_vrr(x->a, row_op(x), vec_how(x), x->r[j], adds_to_d ? x->t[0] : x->mask,
            adds_to_d ? x->mask : x->t[0]);
}

/* d = a * b + d, or d * b + a. */
static void fused(struct vec *x)
{
    bool adds_to_d = x->v.op <= IR_VECTOR_FNMSAC;
    begin(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, true);
        struct asm_vhow how = vec_under(x, mask);
        if (vec_blends(x, true)) {
            fused_of_active(x, j, adds_to_d);
            vec_note_nan(x, j == 0, mask, x->r[j]);
            continue;
        }
        vec_load(x, x->r[j], x->v.d, j);
        if (adds_to_d) {
            vec_load(x, x->t[0], x->v.a, j);
            vec_op_b(x, row_op(x), how, x->r[j], x->t[0], j);
        } else {
            unsigned second = x->s;
            if (x->v.second == IR_VECTOR_GROUP) {
                second = x->t[0];
                vec_load(x, second, x->v.b, j);
            }
            vec_rm(x, row_op(x), how, x->r[j], second, x->v.a, j);
        }
        vec_note_nan(x, j == 0, mask, x->r[j]);
    }
    store_numbers(x);
}

/* --- minimum, maximum: as of scalars (emit_fp_arith.c). The host's raise a flag for any NaN, so
 *     there must be none. --- */

static void minmax(struct vec *x)
{
    bool minimum = x->v.op == IR_VECTOR_FMIN;
    begin(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow how = vec_how(x);
        how.mask = (u8)vec_mask(x, j, true);
        vec_load(x, x->r[j], x->v.a, j);
        vec_op_b(x, fp_op(x, 1, 0xc2), how, j == 0 ? 2 : 3, x->r[j], j);
        asm_u8(x->a, UNORDERED);
        if (j != 0) {
            asm_mask_op(x->a, ASM_MASK_OR, 2, 2, 3);
        }
    }
    fail_if_nan(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow how = vec_under(x, vec_mask(x, j, true));
        vec_load_b(x, x->t[0], j);
        asm_vrr(x->a, row_op(x), how, x->t[1], x->r[j], x->t[0]);
        asm_vrr(x->a, row_op(x), how, x->t[0], x->t[0], x->r[j]);
        asm_vrr(x->a, (struct asm_vop){1, 1, 0, minimum ? 0xeb : 0xdb}, vec_how(x), x->r[j],
                x->t[0], x->t[1]);
    }
    vec_store_results(x);
}

/* --- signs --- */

static void sign(struct vec *x)
{
    begin(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->t[0], x->v.a, j);
        asm_vrip(x->a, (struct asm_vop){2, 1, 1, 0x59}, vec_how(x), x->r[j], 0,
                 vec_const(x, x->sew == 3 ? VEC_SIGN_64 : VEC_SIGN_32), 0);
        vec_op_b(x, (struct asm_vop){3, 1, 0, 0x25}, vec_how(x), x->r[j], x->t[0], j);
        asm_u8(x->a, vec_row_of(x->v.op)->imm);
    }
    vec_store_results(x);
}

/* --- comparisons --- */

/* Masks take the registers that bits are collected in. */
static void compare_lanes(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        if (vec_blends(x, true)) {
            vec_widen_mask(x, x->mask, j, true);
            vec_load_active(x, x->r[j], x->v.a, j);
            vec_load_active_b(x, x->mask, j);
            asm_vrr(x->a, fp_op(x, 1, 0xc2), vec_how(x), x->r[j], x->r[j], x->mask);
        } else {
            vec_load(x, x->r[j], x->v.a, j);
            vec_op_b(x, fp_op(x, 1, 0xc2), vec_how(x), x->r[j], x->r[j], j);
        }
        asm_u8(x->a, vec_row_of(x->v.op)->imm);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_collect_bits(x, j, x->r[j], false);
    }
}

static void compare(struct vec *x)
{
    begin(x);
    if (!x->evex) {
        compare_lanes(x);
        return;
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow how = vec_how(x);
        how.mask = (u8)vec_mask(x, j, true);
        vec_load(x, x->t[0], x->v.a, j);
        vec_op_b(x, fp_op(x, 1, 0xc2), how, 2 + j, x->t[0], j);
        asm_u8(x->a, vec_row_of(x->v.op)->imm);
    }
    vec_store_bits(x);
}

/* --- conversions --- */

static void from_int(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow how = vec_under(x, vec_mask(x, j, true));
        vec_rm(x, row_op(x), how, x->r[j], 0, x->v.a, j);
    }
    vec_store_results(x);
}

void vec_note_no_integer(struct vec *x, unsigned j, unsigned mask, bool is_signed)
{
    enum vec_const none = !is_signed     ? VEC_ONES
                          : x->sew == 3 ? VEC_SIGN_64
                                        : VEC_SIGN_32;
    struct asm_vhow how = vec_how(x);
    how.mask = (u8)mask;
    how.broadcast = true;
    asm_vrip(x->a, (struct asm_vop){3, 1, x->sew == 3, 0x1f}, how, j == 0 ? 2 : 3, x->r[j],
             vec_const(x, none), 1);
    asm_u8(x->a, 0);
    if (j != 0) {
        asm_mask_op(x->a, ASM_MASK_OR, 2, 2, 3);
    }
}

/* What the host answers when there is no such integer is not what the guest does. */
static void to_int(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, true);
        vec_rm(x, row_op(x), vec_under(x, mask), x->r[j], 0, x->v.a, j);
        vec_note_no_integer(x, j, mask, vec_row_of(x->v.op)->imm);
    }
    vec_store_noted(x);
}

/* --- doubles of singles, and back --- */

static void wide(struct vec *x)
{
    bool adds = is_wide_fused(x);
    bool from_wide = x->v.op == IR_VECTOR_FWADD_W || x->v.op == IR_VECTOR_FWSUB_W;
    begin_singles(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, true), first = adds ? x->t[0] : x->r[j];
        if (from_wide) {
            vec_load(x, first, x->v.a, j);
        } else {
            load_doubles(x, first, x->v.a, j, mask);
        }
        if (adds) {
            vec_load(x, x->r[j], x->v.d, j);
        }
        if (x->v.op != IR_VECTOR_FWCVT) {
            load_second(x, j, mask);
            asm_vrr(x->a, row_op(x), vec_under(x, mask), x->r[j], first, x->t[1]);
        }
        vec_note_nan(x, j == 0, mask, x->r[j]);
    }
    store_numbers(x);
}

static void narrow(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, true), bytes = x->chunk_bytes;
        x->chunk_bytes = 2 * bytes;
        vec_rm(x, to_singles, vec_under(x, mask), x->r[j], 0, x->v.a, j);
        x->chunk_bytes = bytes;
        vec_note_nan(x, j == 0, mask, x->r[j]);
    }
    store_numbers(x);
}

/* --- the sum, in order: of the elements there are --- */

static struct asm_vop scalar_op(const struct vec *x, unsigned op)
{
    bool wide = x->sew == 3;
    return (struct asm_vop){1, wide ? 3 : 2, wide, (u8)op};
}

/* r[0] += the element at temp[0]. */
static void add_element(struct vec *x)
{
    static const struct asm_vop to_double = {1, 2, 0, 0x5a};
    struct asm_vhow how = {.evex = x->evex};
    struct asm_mem at = vec_at(x, x->v.a, 0, 0);
    at = asm_at_index(at.base, x->temp[0], x->v.sew, at.disp);
    if (x->v.sew == x->sew) {
        asm_vrm(x->a, scalar_op(x, 0x58), how, x->r[0], x->r[0], at);
        return;
    }
    asm_vrm(x->a, to_double, how, x->t[0], x->t[0], at);
    asm_vrr(x->a, scalar_op(x, 0x58), how, x->r[0], x->r[0], x->t[0]);
}

/* Of all elements, or the first `count` ones. */
static void add_all(struct vec *x)
{
    unsigned at = x->temp[0], end = x->temp[1];
    if (x->partial) {
        asm_load(x->a, ASM_32, end, state_at(x->c->context->guest->vector->count));
        asm_alu_imm(x->a, ASM_CMP, ASM_32, end, 0);
        vec_fail_if(x, ASM_E);
    } else {
        asm_mov_imm(x->a, end, x->group_bytes >> x->sew);
    }
    asm_alu_rr(x->a, ASM_XOR, ASM_32, at, at);
    const u8 *again = asm_exec(x->a);
    add_element(x);
    asm_alu_imm(x->a, ASM_ADD, ASM_32, at, 1);
    asm_alu_rr(x->a, ASM_CMP, ASM_32, at, end);
    asm_jcc(x->a, ASM_B, again);
}

/* Of those, up to 64, whose bit is set; of none it is the helper's, which then looks at no
 * number. */
static void add_active(struct vec *x)
{
    unsigned bits = x->temp[1];
    if (x->partial) {
        asm_load(x->a, ASM_32, x->temp[0], state_at(x->c->context->guest->vector->count));
    } else {
        asm_mov_imm(x->a, x->temp[0], x->group_bytes >> x->sew);
    }
    asm_load(x->a, ASM_64, bits, vec_at(x, 0, 0, 0));
    asm_vrr(x->a, (struct asm_vop){2, 0, 1, 0xf5}, (struct asm_vhow){0}, bits, x->temp[0], bits);
    vec_fail_if(x, ASM_E);
    const u8 *again = asm_exec(x->a);
    asm_rr(x->a, 0x0fbc, ASM_64, x->temp[0], bits); /* bsf */
    add_element(x);
    asm_lea(x->a, ASM_64, x->temp[0], asm_at(bits, -1));
    asm_alu_rr(x->a, ASM_AND, ASM_64, bits, x->temp[0]);
    asm_jcc(x->a, ASM_NE, again);
}

static void sum(struct vec *x)
{
    struct asm_vhow how = {.evex = x->evex};
    struct asm_vop compare = {1, x->sew == 3, x->sew == 3, 0x2e};
    asm_vrm(x->a, scalar_op(x, 0x10), how, x->r[0], 0, vec_chunk(x, x->v.b, 0));
    if (x->v.masked) {
        add_active(x);
    } else {
        add_all(x);
    }
    asm_vrr(x->a, compare, how, x->r[0], 0, x->r[0]);
    vec_fail_if(x, ASM_P);
    asm_vrm(x->a, scalar_op(x, 0x11), how, x->r[0], 0, vec_chunk(x, x->v.d, 0));
}

/* --- rows --- */

enum { BOTH = 12 };

/* Of packed singles and doubles. */
#define FP(op) {{0}, {0}, {1, 0, 0, op}, {1, 1, 1, op}}
#define FUSED(op)                                                                                  \
    {fused, {{0}, {0}, {2, 1, 0, op}, {2, 1, 1, op}}, BOTH, BOTH, 0, VEC_KEEPS | VEC_BLENDS}
#define COMPARE(how)                                                                               \
    {compare, FP(0xc2), BOTH, BOTH, how, VEC_TEMPS | VEC_FINDS | VEC_BITS | VEC_BLENDS}
#define WIDE(map, op) {wide, {{0}, {0}, {0}, {map, 1, 1, op}}, 0, 8, 0, VEC_TEMPS | VEC_FINDS}
#define SIGN(how) {sign, {{0}}, 0, BOTH, how, VEC_FINDS}

const struct vec_row vec_fp_rows[IR_VECTOR_OP_COUNT] = {
    [IR_VECTOR_FADD] = {binary, FP(0x58), BOTH, BOTH, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_FSUB] = {binary, FP(0x5c), BOTH, BOTH, 0, VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_FRSUB] = {binary, FP(0x5c), BOTH, BOTH, 0, VEC_SWAP | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_FMUL] = {binary, FP(0x59), BOTH, BOTH, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_FDIV] = {binary, FP(0x5e), BOTH, BOTH, 0, VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_FRDIV] = {binary, FP(0x5e), BOTH, BOTH, 0, VEC_SWAP | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_FSQRT] = {root, FP(0x51), BOTH, BOTH, 0, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_FMIN] = {minmax, FP(0x5d), 0, BOTH, 0, VEC_FINDS},
    [IR_VECTOR_FMAX] = {minmax, FP(0x5f), 0, BOTH, 0, VEC_FINDS},
    [IR_VECTOR_FMACC] = FUSED(0xb8),
    [IR_VECTOR_FNMACC] = FUSED(0xbe),
    [IR_VECTOR_FMSAC] = FUSED(0xba),
    [IR_VECTOR_FNMSAC] = FUSED(0xbc),
    [IR_VECTOR_FMADD] = FUSED(0xa8),
    [IR_VECTOR_FNMADD] = FUSED(0xae),
    [IR_VECTOR_FMSUB] = FUSED(0xaa),
    [IR_VECTOR_FNMSUB] = FUSED(0xac),
    [IR_VECTOR_FSGNJ] = SIGN(0xac),
    [IR_VECTOR_FSGNJN] = SIGN(0x5c),
    [IR_VECTOR_FSGNJX] = SIGN(0x6c),
    [IR_VECTOR_FEQ] = COMPARE(0x00),
    [IR_VECTOR_FNE] = COMPARE(0x04),
    [IR_VECTOR_FLT] = COMPARE(0x01),
    [IR_VECTOR_FLE] = COMPARE(0x02),
    [IR_VECTOR_FGT] = COMPARE(0x0e),
    [IR_VECTOR_FGE] = COMPARE(0x0d),
    [IR_VECTOR_FWADD] = WIDE(1, 0x58),
    [IR_VECTOR_FWSUB] = WIDE(1, 0x5c),
    [IR_VECTOR_FWMUL] = WIDE(1, 0x59),
    [IR_VECTOR_FWMACC] = WIDE(2, 0xb8),
    [IR_VECTOR_FWNMACC] = WIDE(2, 0xbe),
    [IR_VECTOR_FWMSAC] = WIDE(2, 0xba),
    [IR_VECTOR_FWNMSAC] = WIDE(2, 0xbc),
    [IR_VECTOR_FWADD_W] = WIDE(1, 0x58),
    [IR_VECTOR_FWSUB_W] = WIDE(1, 0x5c),
    [IR_VECTOR_FWCVT] = WIDE(0, 0),
    [IR_VECTOR_FNCVT] = {narrow, {{0}}, 0, 4, 0, VEC_TEMPS | VEC_FINDS},
    [IR_VECTOR_FRED_ADD] = {sum, {{0}}, BOTH, BOTH, 0, VEC_TEMPS},
    [IR_VECTOR_FWRED_ADD] = {sum, {{0}}, 8, 8, 0, VEC_TEMPS},
    [IR_VECTOR_S_TO_F] = {from_int, {{0}, {0}, {1, 0, 0, 0x5b}, {1, 2, 1, 0xe6}}, 0, BOTH, 0,
                          VEC_FINDS},
    [IR_VECTOR_U_TO_F] = {from_int, {{0}, {0}, {1, 3, 0, 0x7a}, {1, 2, 1, 0x7a}}, 0, BOTH, 0,
                          VEC_FINDS},
    [IR_VECTOR_F_TO_S] = {to_int, {{0}, {0}, {1, 1, 0, 0x5b}, {1, 1, 1, 0x7b}}, 0, BOTH,
                              1, VEC_FINDS},
    [IR_VECTOR_F_TO_U] = {to_int, {{0}, {0}, {1, 0, 0, 0x79}, {1, 1, 1, 0x79}}, 0, BOTH,
                              0, VEC_FINDS},
    [IR_VECTOR_F_TO_S_RTZ] = {to_int, {{0}, {0}, {1, 2, 0, 0x5b}, {1, 1, 1, 0x7a}}, 0, BOTH,
                              1, VEC_FINDS},
    [IR_VECTOR_F_TO_U_RTZ] = {to_int, {{0}, {0}, {1, 0, 0, 0x78}, {1, 1, 1, 0x78}}, 0, BOTH,
                              0, VEC_FINDS},
};

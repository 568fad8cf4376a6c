/* Vector operations in place: integer arithmetic, comparisons, other widths, reductions. See
 * emit_vector.c. */
#include "translate/to_x86_64/emit_vector.h"

#define OP(map, wide, op) {map, 1, wide, op}

static struct asm_vop op_of(const struct vec_row *row, const struct vec *x)
{
    return row->op[x->sew];
}

/* --- a op b --- */

static void binary(struct vec *x)
{
    const struct vec_row *row = vec_row_of(x->v.op);
    struct asm_vop op = op_of(row, x);
    bool scalar = x->v.second != IR_VECTOR_GROUP;
    bool by_memory = scalar && (row->flags & (VEC_COMMUTES | VEC_SWAP));
    if (scalar) {
        vec_splat(x, x->s, x->v.sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        if (by_memory) {
            vec_rm(x, op, vec_how(x), x->r[j], x->s, x->v.a, j);
        } else {
            vec_load(x, x->r[j], x->v.a, j);
            vec_op_b(x, op, vec_how(x), x->r[j], x->r[j], j);
        }
    }
    vec_store_results(x);
}

/* r[j] = r[j] * t[0], bytes: those with odd numbers and the others as halves of words. */
static void multiply_bytes(struct vec *x, unsigned j)
{
    struct asm_vop multiply = OP(1, 0, 0xd5);
    asm_vrr(x->a, multiply, vec_how(x), x->t[1], x->r[j], x->t[0]);
    vec_shift_imm(x, x->t[1], 1, VEC_LEFT, 8);
    vec_shift_imm(x, x->t[1], 1, VEC_RIGHT, 8);
    vec_shift_imm(x, x->r[j], 1, VEC_RIGHT, 8);
    vec_shift_imm(x, x->t[0], 1, VEC_RIGHT, 8);
    asm_vrr(x->a, multiply, vec_how(x), x->r[j], x->r[j], x->t[0]);
    vec_shift_imm(x, x->r[j], 1, VEC_LEFT, 8);
    asm_vrr(x->a, (struct asm_vop)OP(1, 0, 0xeb), vec_how(x), x->r[j], x->r[j], x->t[1]);
}

static void products(struct vec *x)
{
    if (x->sew != 0) {
        binary(x);
        return;
    }
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, 0);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
        vec_load_b(x, x->t[0], j);
        multiply_bytes(x, j);
    }
    vec_store_results(x);
}

static const struct vec_row *row_named(unsigned op)
{
    return &vec_int_rows[op];
}

/* d + a * b and the like: the row's op is the multiplication. */
static void accumulate(struct vec *x)
{
    const struct vec_row *row = vec_row_of(x->v.op);
    bool from_d = x->v.op == IR_VECTOR_MACC || x->v.op == IR_VECTOR_NMSAC;
    unsigned factor = from_d ? x->v.a : x->v.d, term = from_d ? x->v.d : x->v.a;
    unsigned second = row->flags & VEC_SUB ? IR_VECTOR_SUB : IR_VECTOR_ADD;
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, x->v.sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->t[0], factor, j);
        vec_op_b(x, op_of(row, x), vec_how(x), x->t[0], x->t[0], j);
        vec_load(x, x->r[j], term, j);
        asm_vrr(x->a, op_of(row_named(second), x), vec_how(x), x->r[j], x->r[j], x->t[0]);
    }
    vec_store_results(x);
}

/* --- shifts --- */

/* The constant forms: the opcode and what stands in its register field. */
void vec_shift_imm(struct vec *x, unsigned reg, unsigned sew, enum vec_shift kind, unsigned count)
{
    static const u8 ops[4] = {0, 0x71, 0x72, 0x73};
    static const u8 fields[3] = {6, 2, 4}; /* left, right, arithmetic */
    bool arithmetic_64 = kind == VEC_ARITHMETIC && sew == 3;
    struct asm_vop op = OP(1, sew == 3, arithmetic_64 ? 0x72 : ops[sew]);
    asm_vrr(x->a, op, vec_how(x), fields[kind], reg, reg);
    asm_u8(x->a, count);
}

void vec_shift_to(struct vec *x, unsigned dst, unsigned reg, enum vec_shift kind, unsigned count)
{
    asm_vrr(x->a, (struct asm_vop)OP(1, 1, 0x73), vec_how(x), kind == VEC_LEFT ? 6 : 2, dst, reg);
    asm_u8(x->a, count);
}

/* By the low quadword of a vector register. */
static struct asm_vop shift_by_register(unsigned sew, unsigned kind)
{
    static const u8 ops[3][4] = {
        {0, 0xf1, 0xf2, 0xf3}, {0, 0xd1, 0xd2, 0xd3}, {0, 0xe1, 0xe2, 0xe2}};
    return (struct asm_vop)OP(1, sew == 3, ops[kind][sew]);
}

void vec_shift_each(struct vec *x, unsigned dst, unsigned reg, unsigned counts, unsigned sew,
                    enum vec_shift kind)
{
    static const u8 ops[3][2] = {{0x12, 0x47}, {0x10, 0x45}, {0x11, 0x46}};
    asm_vrr(x->a, (struct asm_vop)OP(2, sew != 2, ops[kind][sew != 1]), vec_how(x), dst, reg,
            counts);
}

/* x->s = a scalar count modulo the width, for shift_by_register. */
static void load_count(struct vec *x, unsigned sew)
{
    asm_mov(x->a, ASM_32, x->temp[0], x->scalar);
    asm_alu_imm(x->a, ASM_AND, ASM_32, x->temp[0], (8 << sew) - 1);
    asm_vrr(x->a, (struct asm_vop)OP(1, 0, 0x6e),
            (struct asm_vhow){.evex = x->evex}, x->s, 0, x->temp[0]);
}

/* Shifts elements of 1 << sew bytes in `reg`; counts of a group are in x->t[0]. */
static void shift(struct vec *x, unsigned reg, unsigned sew, unsigned kind)
{
    if (x->v.second == IR_VECTOR_GROUP) {
        vec_op_const(x, (struct asm_vop)OP(1, 1, 0xdb), x->t[0], x->t[0],
                     (enum vec_const)(VEC_COUNT_16 + sew - 1));
        vec_shift_each(x, reg, reg, x->t[0], sew, (enum vec_shift)kind);
    } else if (x->is_const) {
        vec_shift_imm(x, reg, sew, (enum vec_shift)kind, (unsigned)x->value & ((8u << sew) - 1));
    } else {
        asm_vrr(x->a, shift_by_register(sew, kind), vec_how(x), reg, reg, x->s);
    }
}

/* --- of bytes, for which there are no instructions: AVX-512 alone --- */

enum { LOW_BYTES = 2 }; /* a mask register */

/* reg = bytes, each the low one of temp[1]. */
static void splat_byte(struct vec *x, unsigned reg)
{
    asm_vrr(x->a, (struct asm_vop)OP(2, 0, 0x7a), vec_how(x), reg, 0, x->temp[1]);
}

/* By one count, as words; bits that came from the other byte are cleared. t[0] has those to keep,
 * or, to extend the sign by, where the sign is now. */
static void shift_bytes_alike(struct vec *x, unsigned reg, unsigned kind)
{
    enum vec_shift way = kind == VEC_LEFT ? VEC_LEFT : VEC_RIGHT;
    if (x->is_const) {
        vec_shift_imm(x, reg, 1, way, (unsigned)x->value & 7);
    } else {
        asm_vrr(x->a, shift_by_register(1, way), vec_how(x), reg, reg, x->s);
    }
    asm_vrr(x->a, (struct asm_vop)OP(1, 0, 0xdb), vec_how(x), reg, reg, x->t[1]);
    if (kind == VEC_ARITHMETIC) {
        asm_vrr(x->a, (struct asm_vop)OP(1, 0, 0xef), vec_how(x), reg, reg, x->t[0]);
        asm_vrr(x->a, (struct asm_vop)OP(1, 0, 0xf8), vec_how(x), reg, reg, x->t[0]);
    }
}

/* temp[1] = value << or >> the count. */
static void shift_constant(struct vec *x, u64 value, bool left)
{
    unsigned count = (unsigned)x->value & 7;
    if (x->is_const) {
        asm_mov_imm(x->a, x->temp[1], left ? value << count : value >> count);
        return;
    }
    asm_mov_imm(x->a, x->temp[1], value);
    asm_vrr(x->a, (struct asm_vop){2, left ? 1 : 3, 1, 0xf7}, (struct asm_vhow){0}, x->temp[1],
            x->temp[0], x->temp[1]); /* shlx, shrx */
}

/* By counts in t[0], which like s is scratch then: the low bytes at the top of their words, and the
 * high ones with nothing below. */
static void shift_bytes_each(struct vec *x, unsigned reg, unsigned kind)
{
    struct asm_vhow how = vec_how(x);
    vec_op_const(x, (struct asm_vop)OP(1, 1, 0xdb), x->t[0], x->t[0], VEC_COUNT_8);
    vec_copy(x, x->t[1], reg);
    vec_copy(x, x->s, x->t[0]);
    vec_shift_imm(x, x->t[1], 1, VEC_LEFT, 8);
    vec_shift_imm(x, x->s, 1, VEC_LEFT, 8);
    vec_shift_imm(x, x->s, 1, VEC_RIGHT, 8);
    vec_shift_each(x, x->t[1], x->t[1], x->s, 1, (enum vec_shift)kind);
    vec_shift_imm(x, x->t[1], 1, VEC_RIGHT, 8);
    vec_shift_imm(x, reg, 1, VEC_RIGHT, 8);
    vec_shift_imm(x, reg, 1, VEC_LEFT, 8);
    vec_shift_imm(x, x->t[0], 1, VEC_RIGHT, 8);
    vec_shift_each(x, reg, reg, x->t[0], 1, (enum vec_shift)kind);
    how.mask = LOW_BYTES;
    asm_vrr(x->a, vec_move_op(0), how, reg, 0, x->t[1]);
}

static void shifts_of_bytes(struct vec *x)
{
    unsigned kind = vec_row_of(x->v.op)->imm;
    bool each = x->v.second == IR_VECTOR_GROUP;
    if (each) {
        vec_set_mask(x, LOW_BYTES, 0x5555555555555555u);
    } else {
        if (!x->is_const) {
            load_count(x, 0);
        }
        shift_constant(x, 0x80, false);
        splat_byte(x, x->t[0]);
        shift_constant(x, 0xff, kind == VEC_LEFT);
        splat_byte(x, x->t[1]);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
        if (each) {
            vec_load(x, x->t[0], x->v.b, j);
            shift_bytes_each(x, x->r[j], kind);
        } else {
            shift_bytes_alike(x, x->r[j], kind);
        }
    }
    vec_store_results(x);
}

static void shifts(struct vec *x)
{
    if (x->sew == 0) {
        shifts_of_bytes(x);
        return;
    }
    if (x->v.second != IR_VECTOR_GROUP && !x->is_const) {
        load_count(x, x->sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
        if (x->v.second == IR_VECTOR_GROUP) {
            vec_load(x, x->t[0], x->v.b, j);
        }
        shift(x, x->r[j], x->sew, vec_row_of(x->v.op)->imm);
    }
    vec_store_results(x);
}

/* --- comparisons --- */

static void compare(struct vec *x)
{
    const struct vec_row *row = vec_row_of(x->v.op);
    struct asm_vop op = op_of(row, x);
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, x->v.sew);
    }
    if (!x->evex) {
        vec_compare_lanes(x);
        return;
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow how = vec_how(x);
        how.mask = (u8)vec_mask(x, j, true);
        vec_load(x, x->t[0], x->v.a, j);
        vec_op_b(x, op, how, 2 + j, x->t[0], j);
        asm_u8(x->a, row->imm);
    }
    vec_store_bits(x);
}

/* --- other widths --- */

void vec_extend(struct vec *x, unsigned reg, unsigned unit, unsigned j, unsigned from, unsigned to,
                bool is_signed)
{
    static const u8 ops[3][4] = {{0, 0x30, 0x31, 0x32}, {0, 0, 0x33, 0x34}, {0, 0, 0, 0x35}};
    struct asm_vop op = OP(2, 0, (u8)(ops[from][to] - (is_signed ? 0x10 : 0)));
    unsigned bytes = x->chunk_bytes >> (to - from);
    vec_rm_of(x, op, vec_how(x), reg, 0, unit, j, bytes);
}

static void extends(struct vec *x)
{
    unsigned how = vec_row_of(x->v.op)->imm;
    unsigned from = x->sew - (how & 3);
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_extend(x, x->r[j], x->v.a, j, from, x->sew, (how & 4) != 0);
    }
    vec_store_results(x);
}

/* The scalar as wide elements that a narrow one of it becomes. */
static void splat_wide(struct vec *x, bool is_signed)
{
    static const u8 ops[3] = {0x30, 0x33, 0x35};
    vec_splat(x, x->s, x->v.sew);
    asm_vrr(x->a, (struct asm_vop)OP(2, 0, (u8)(ops[x->v.sew] - (is_signed ? 0x10 : 0))),
            vec_how(x), x->s, 0, x->s);
}

/* Of a row's imm. */
enum { A_WIDE = 1, A_SIGNED = 4, B_SIGNED = 8 };

static void widen(struct vec *x)
{
    const struct vec_row *row = vec_row_of(x->v.op);
    bool b_signed = (row->imm & B_SIGNED) != 0, adds = row->flags & VEC_COMMUTES;
    if (x->v.second != IR_VECTOR_GROUP) {
        splat_wide(x, b_signed);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned second = x->s;
        if (row->imm & A_WIDE) {
            vec_load(x, x->r[j], x->v.a, j);
        } else {
            vec_extend(x, x->r[j], x->v.a, j, x->v.sew, x->sew, (row->imm & A_SIGNED) != 0);
        }
        if (x->v.second == IR_VECTOR_GROUP) {
            second = x->t[0];
            vec_extend(x, second, x->v.b, j, x->v.sew, x->sew, b_signed);
        }
        asm_vrr(x->a, op_of(row, x), vec_how(x), x->r[j], x->r[j], second);
        if (adds) {
            vec_rm(x, op_of(row_named(IR_VECTOR_ADD), x), vec_how(x), x->r[j], x->r[j], x->v.d,
                   j);
        }
    }
    vec_store_results(x);
}

/* What is worked on is twice as wide as the result. */
static void narrow(struct vec *x)
{
    static const u8 cut[3] = {0x30, 0x33, 0x35};
    unsigned bytes = x->chunk_bytes, wide = x->sew + 1;
    if (x->v.second != IR_VECTOR_GROUP && !x->is_const) {
        load_count(x, wide);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        x->chunk_bytes = 2 * bytes;
        vec_load(x, x->r[j], x->v.a, j);
        if (x->v.second == IR_VECTOR_GROUP) {
            vec_extend(x, x->t[0], x->v.b, j, x->sew, wide, false);
        }
        shift(x, x->r[j], wide, vec_row_of(x->v.op)->imm);
        asm_vrr(x->a, (struct asm_vop){2, 2, 0, cut[x->sew]}, vec_how(x), x->r[j], 0, x->r[j]);
        x->chunk_bytes = bytes;
    }
    vec_store_results(x);
}

/* --- reductions --- */

/* t[0] = what is in the upper half of the first `bytes` of r[0]. */
static void upper_half(struct vec *x, unsigned bytes)
{
    struct asm_vhow how = {.length = bytes == 64 ? 2 : bytes == 32 ? 1 : 0, .evex = x->evex};
    if (bytes >= 32) {
        struct asm_vop op = OP(3, bytes == 64, bytes == 64 ? 0x3b : 0x39);
        asm_vrr(x->a, op, how, x->r[0], 0, x->t[0]);
        asm_u8(x->a, 1);
    } else if (bytes >= 8) {
        asm_vrr(x->a, (struct asm_vop)OP(1, 0, 0x70), how, x->t[0], 0, x->r[0]);
        asm_u8(x->a, bytes == 16 ? 0x4e : 0xb1);
    } else {
        asm_vrr(x->a, (struct asm_vop)OP(1, 0, bytes == 4 ? 0x72 : 0x71), how, 2, x->t[0],
                x->r[0]);
        asm_u8(x->a, bytes == 4 ? 16 : 8);
    }
}

/* All elements in r[0], and element 0 of b, to element 0 of d. */
static void fold(struct vec *x)
{
    static const u8 widths[4] = {ASM_8, ASM_16, ASM_32, ASM_64};
    struct asm_vop op = op_of(vec_row_of(x->v.op), x);
    unsigned bytes = x->group_bytes < x->chunk_bytes ? x->group_bytes : x->chunk_bytes;
    struct asm_vhow how = {.evex = x->evex};
    for (; bytes > 1u << x->sew; bytes /= 2) {
        upper_half(x, bytes);
        how.length = bytes == 64 ? 1 : 0;
        asm_vrr(x->a, op, how, x->r[0], x->r[0], x->t[0]);
    }
    how.length = 0;
    asm_vrm(x->a, op, how, x->r[0], x->r[0], vec_chunk(x, x->v.b, 0));
    asm_vrr(x->a, (struct asm_vop)OP(1, 1, 0x7e), how, x->r[0], 0, x->temp[0]);
    asm_store(x->a, widths[x->sew], vec_chunk(x, x->v.d, 0), x->temp[0]);
}

/* Of no elements d is left as it is. */
static void fail_if_none(struct vec *x)
{
    if (x->partial) {
        asm_alu_mem_imm(x->a, ASM_CMP, ASM_32, state_at(x->c->context->guest->vector->count), 0);
        vec_fail_if(x, ASM_E);
    }
}

/* reg = the active elements of chunk j; elsewhere what changes nothing: 0 in sums; in others, where
 * the same may come twice, what is there already, and at first element 0 of b. */
static void load_active(struct vec *x, unsigned reg, unsigned j)
{
    bool sums = x->v.op == IR_VECTOR_RED_ADD || x->v.op == IR_VECTOR_RED_XOR;
    struct asm_vhow how = vec_under(x, vec_mask(x, j, true));
    how.zero = how.zero && sums;
    if (!sums && j == 0) {
        vec_broadcast(x, reg, vec_chunk(x, x->v.b, 0));
    } else if (!sums) {
        vec_copy(x, reg, x->r[0]);
    }
    asm_vrm(x->a, vec_move_op(x->sew), how, reg, 0, vec_chunk(x, x->v.a, j));
}

static void reduce(struct vec *x)
{
    struct asm_vop op = op_of(vec_row_of(x->v.op), x);
    fail_if_none(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        bool some = x->v.masked || x->partial;
        unsigned to = j == 0 ? x->r[0] : x->t[0];
        if (some) {
            load_active(x, to, j);
        } else if (j == 0) {
            vec_load(x, to, x->v.a, 0);
        }
        if (some && j != 0) {
            asm_vrr(x->a, op, vec_how(x), x->r[0], x->r[0], to);
        } else if (j != 0) {
            asm_vrm(x->a, op, vec_how(x), x->r[0], x->r[0], vec_chunk(x, x->v.a, j));
        }
    }
    fold(x);
}

/* The sum of elements of half the width. */
static void reduce_wide(struct vec *x)
{
    const struct vec_row *row = vec_row_of(x->v.op);
    bool is_signed = (row->imm & A_SIGNED) != 0;
    fail_if_none(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, true), to = j == 0 ? x->r[0] : x->t[0];
        vec_extend(x, to, x->v.a, j, x->v.sew, x->sew, is_signed);
        if (mask != 0) {
            asm_vrr(x->a, vec_move_op(x->sew), vec_under(x, mask), to, 0, to);
        }
        if (j != 0) {
            asm_vrr(x->a, op_of(row, x), vec_how(x), x->r[0], x->r[0], to);
        }
    }
    fold(x);
}

/* --- rows --- */

enum { ANY = 15, WIDE = 14, LONG = 12, WORDS = 4 };
enum { BOTH = A_SIGNED | B_SIGNED };

#define ADDS {OP(1, 0, 0xfc), OP(1, 0, 0xfd), OP(1, 0, 0xfe), OP(1, 1, 0xd4)}
#define SUBS {OP(1, 0, 0xf8), OP(1, 0, 0xf9), OP(1, 0, 0xfa), OP(1, 1, 0xfb)}
#define MULS {OP(0, 0, 0), OP(1, 0, 0xd5), OP(2, 0, 0x40), OP(2, 1, 0x40)}
#define ANDS {OP(1, 0, 0xdb), OP(1, 0, 0xdb), OP(1, 0, 0xdb), OP(1, 1, 0xdb)}
#define ORS {OP(1, 0, 0xeb), OP(1, 0, 0xeb), OP(1, 0, 0xeb), OP(1, 1, 0xeb)}
#define XORS {OP(1, 0, 0xef), OP(1, 0, 0xef), OP(1, 0, 0xef), OP(1, 1, 0xef)}
#define MIN_US {OP(1, 0, 0xda), OP(2, 0, 0x3a), OP(2, 0, 0x3b), OP(2, 1, 0x3b)}
#define MIN_SS {OP(2, 0, 0x38), OP(1, 0, 0xea), OP(2, 0, 0x39), OP(2, 1, 0x39)}
#define MAX_US {OP(1, 0, 0xde), OP(2, 0, 0x3e), OP(2, 0, 0x3f), OP(2, 1, 0x3f)}
#define MAX_SS {OP(2, 0, 0x3c), OP(1, 0, 0xee), OP(2, 0, 0x3d), OP(2, 1, 0x3d)}
#define COMPARE_US {OP(3, 0, 0x3e), OP(3, 1, 0x3e), OP(3, 0, 0x1e), OP(3, 1, 0x1e)}
#define COMPARE_SS {OP(3, 0, 0x3f), OP(3, 1, 0x3f), OP(3, 0, 0x1f), OP(3, 1, 0x1f)}

#define COMPARE(ops, avx2, how)                                                                    \
    {compare, ops, avx2, ANY, how, VEC_TEMPS | VEC_FINDS | VEC_BITS | VEC_BLENDS}
#define EXTEND(how, widths) {extends, {{0}}, widths, widths, how, VEC_FINDS | VEC_BLENDS}
#define SHIFTS VEC_TEMPS | VEC_IMM | VEC_FINDS | VEC_BLENDS
#define REDUCE(ops, avx2) {reduce, ops, avx2, ANY, 0, VEC_TEMPS}

const struct vec_row vec_int_rows[IR_VECTOR_OP_COUNT] = {
    [IR_VECTOR_ADD] = {binary, ADDS, ANY, ANY, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_SUB] = {binary, SUBS, ANY, ANY, 0, VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_RSUB] = {binary, SUBS, ANY, ANY, 0, VEC_SWAP | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_AND] = {binary, ANDS, ANY, ANY, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_OR] = {binary, ORS, ANY, ANY, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_XOR] = {binary, XORS, ANY, ANY, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_MIN_U] = {binary, MIN_US, 7, ANY, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_MIN_S] = {binary, MIN_SS, 7, ANY, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_MAX_U] = {binary, MAX_US, 7, ANY, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_MAX_S] = {binary, MAX_SS, 7, ANY, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_MUL] = {products, MULS, 6, ANY, 0, VEC_COMMUTES | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_MACC] = {accumulate, MULS, 6, WIDE, 0, VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_NMSAC] = {accumulate, MULS, 6, WIDE, 0, VEC_SUB | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_MADD] = {accumulate, MULS, 6, WIDE, 0, VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_NMSUB] = {accumulate, MULS, 6, WIDE, 0, VEC_SUB | VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_SHL] = {shifts, {{0}}, LONG, ANY, VEC_LEFT, SHIFTS},
    [IR_VECTOR_SHR] = {shifts, {{0}}, LONG, ANY, VEC_RIGHT, SHIFTS},
    [IR_VECTOR_SAR] = {shifts, {{0}}, WORDS, ANY, VEC_ARITHMETIC, SHIFTS},
    [IR_VECTOR_EQ] = COMPARE(COMPARE_US, ANY, 0),
    [IR_VECTOR_NE] = COMPARE(COMPARE_US, ANY, 4),
    [IR_VECTOR_LT_U] = COMPARE(COMPARE_US, 7, 1),
    [IR_VECTOR_LT_S] = COMPARE(COMPARE_SS, ANY, 1),
    [IR_VECTOR_LE_U] = COMPARE(COMPARE_US, 7, 2),
    [IR_VECTOR_LE_S] = COMPARE(COMPARE_SS, ANY, 2),
    [IR_VECTOR_GT_U] = COMPARE(COMPARE_US, 7, 6),
    [IR_VECTOR_GT_S] = COMPARE(COMPARE_SS, ANY, 6),
    [IR_VECTOR_ZEXT_2] = EXTEND(1, 14),
    [IR_VECTOR_ZEXT_4] = EXTEND(2, 12),
    [IR_VECTOR_ZEXT_8] = EXTEND(3, 8),
    [IR_VECTOR_SEXT_2] = EXTEND(1 | 4, 14),
    [IR_VECTOR_SEXT_4] = EXTEND(2 | 4, 12),
    [IR_VECTOR_SEXT_8] = EXTEND(3 | 4, 8),
    [IR_VECTOR_WADD_U] = {widen, ADDS, WIDE, WIDE, 0, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WADD_S] = {widen, ADDS, WIDE, WIDE, BOTH, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WSUB_U] = {widen, SUBS, WIDE, WIDE, 0, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WSUB_S] = {widen, SUBS, WIDE, WIDE, BOTH, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WMUL_U] = {widen, MULS, 6, WIDE, 0, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WMUL_S] = {widen, MULS, 6, WIDE, BOTH, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WMACC_U] = {widen, MULS, 6, WIDE, 0, VEC_COMMUTES | VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WMACC_S] = {widen, MULS, 6, WIDE, BOTH, VEC_COMMUTES | VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WADD_WU] = {widen, ADDS, WIDE, WIDE, A_WIDE, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WADD_WS] = {widen, ADDS, WIDE, WIDE, A_WIDE | BOTH, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WSUB_WU] = {widen, SUBS, WIDE, WIDE, A_WIDE, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WSUB_WS] = {widen, SUBS, WIDE, WIDE, A_WIDE | BOTH, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WMUL_SU] = {widen, MULS, 6, WIDE, A_SIGNED, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WMACC_US] = {widen, MULS, 6, WIDE, A_SIGNED, VEC_COMMUTES | VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WMACC_SU] = {widen, MULS, 6, WIDE, B_SIGNED, VEC_COMMUTES | VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_WRED_U] = {reduce_wide, ADDS, WIDE, WIDE, 0, VEC_TEMPS},
    [IR_VECTOR_WRED_S] = {reduce_wide, ADDS, WIDE, WIDE, BOTH, VEC_TEMPS},
    [IR_VECTOR_NSHR] = {narrow, {{0}}, 0, 7, VEC_RIGHT, VEC_TEMPS | VEC_IMM | VEC_FINDS},
    [IR_VECTOR_NSAR] = {narrow, {{0}}, 0, 7, VEC_ARITHMETIC, VEC_TEMPS | VEC_IMM | VEC_FINDS},
    [IR_VECTOR_RED_ADD] = REDUCE(ADDS, ANY),
    [IR_VECTOR_RED_AND] = REDUCE(ANDS, ANY),
    [IR_VECTOR_RED_OR] = REDUCE(ORS, ANY),
    [IR_VECTOR_RED_XOR] = REDUCE(XORS, ANY),
    [IR_VECTOR_RED_MIN_U] = REDUCE(MIN_US, 7),
    [IR_VECTOR_RED_MIN_S] = REDUCE(MIN_SS, 7),
    [IR_VECTOR_RED_MAX_U] = REDUCE(MAX_US, 7),
    [IR_VECTOR_RED_MAX_S] = REDUCE(MAX_SS, 7),
};

/* Vector operations in place: masks, where the host has none but AVX2. See emit_vector.c.
 *
 * A mask is a vector whose elements are all ones where the mask's bit is set. Integers are computed
 * for all elements, and results chosen by the mask when they are stored. Floating-point operands
 * are made 0 where they are not active, so that they raise no flags and make no NaNs: 0 divided is
 * divided by almost 2. What is compared leaves elements, whose signs are collected as bits. */
#include "translate/to_x86_64/emit_vector.h"

#define OP(map, op) {map, 1, 0, op}

static const struct asm_vop and_op = OP(1, 0xdb), or_op = OP(1, 0xeb);
static const struct asm_vop equal[4] = {OP(1, 0x74), OP(1, 0x75), OP(1, 0x76), OP(2, 0x29)};

/* --- masks --- */

static const u8 *table(const struct vec *x, enum vec_table which)
{
    return thunk(x->c, THUNK_VECTOR_DATA) + which;
}

bool vec_blends(const struct vec *x, bool by_mask)
{
    return !x->evex && ((x->v.masked && by_mask) || x->partial);
}

/* reg = the mask's bits of chunk j, as often as they fit, of those below `count`. */
static void repeat_counted(struct vec *x, unsigned reg, unsigned j, bool by_mask)
{
    vec_count_mask(x, j);
    if (x->sew == 3 && (j & 1)) { /* their bits are the byte's upper ones */
        asm_shift_imm(x->a, ASM_SHL, ASM_64, x->temp[1], 4);
    }
    if (x->v.masked && by_mask) {
        unsigned each = x->chunk_bytes >> x->sew;
        asm_alu_rm(x->a, ASM_AND, ASM_64, x->temp[1],
                   state_at(vec_offset(x, 0) + j * each / 8));
    }
    asm_vrr(x->a, (struct asm_vop)OP(1, 0x6e), (struct asm_vhow){0}, reg, 0, x->temp[1]);
}

void vec_widen_mask(struct vec *x, unsigned reg, unsigned j, bool by_mask)
{
    static const struct asm_vop repeat[4] = {OP(2, 0x58), OP(2, 0x79), OP(2, 0x78), OP(2, 0x78)};
    static const enum vec_table tables[4] = {VEC_BITS_8_AT, VEC_BITS_16_AT, VEC_BITS_32_AT,
                                             VEC_BITS_64_AT};
    unsigned each = x->chunk_bytes >> x->sew;
    struct asm_vhow how = vec_how(x);
    const u8 *bits = table(x, tables[x->sew]) + (x->sew == 3 && (j & 1) ? 32 : 0);
    if (x->partial) {
        repeat_counted(x, reg, j, by_mask);
        asm_vrr(x->a, repeat[x->sew], how, reg, 0, reg);
    } else {
        asm_vrm(x->a, repeat[x->sew], how, reg, 0, state_at(vec_offset(x, 0) + j * each / 8));
    }
    if (x->sew == 0) {
        asm_vrip(x->a, (struct asm_vop)OP(2, 0x00), how, reg, reg, table(x, VEC_SPREAD_AT), 0);
    }
    asm_vrip(x->a, and_op, how, reg, reg, bits, 0);
    asm_vrip(x->a, equal[x->sew], how, reg, reg, bits, 0);
}

void vec_choose(struct vec *x, unsigned dst, unsigned clear, unsigned set, unsigned mask)
{
    asm_vrr(x->a, (struct asm_vop)OP(3, 0x4c), vec_how(x), dst, clear, set);
    asm_u8(x->a, mask << 4);
}

void vec_store_active(struct vec *x, struct asm_mem mem, unsigned reg, unsigned mask)
{
    asm_vrm(x->a, (struct asm_vop){2, 1, x->sew == 3, 0x8e}, vec_how(x), reg, mask, mem);
}

void vec_load_memory_active(struct vec *x, unsigned reg, struct asm_mem mem, unsigned mask)
{
    asm_vrm(x->a, (struct asm_vop){2, 1, x->sew == 3, 0x8c}, vec_how(x), reg, mask, mem);
}

void vec_load_active(struct vec *x, unsigned reg, unsigned unit, unsigned j)
{
    vec_rm(x, and_op, vec_how(x), reg, x->mask, unit, j);
}

void vec_load_active_b(struct vec *x, unsigned reg, unsigned j)
{
    vec_op_b(x, and_op, vec_how(x), reg, x->mask, j);
}

void vec_load_divisors(struct vec *x, unsigned reg, unsigned j, bool of_b)
{
    struct asm_vhow how = vec_how(x);
    if (of_b) {
        vec_load_active_b(x, reg, j);
    } else {
        vec_load_active(x, reg, x->v.a, j);
    }
    asm_vrr(x->a, (struct asm_vop)OP(1, 0x76), how, x->t[0], x->t[0], x->t[0]);
    asm_vrr(x->a, (struct asm_vop)OP(1, 0xdf), how, x->t[0], x->mask, x->t[0]);
    vec_shift_imm(x, x->t[0], x->sew, VEC_RIGHT, 2);
    asm_vrr(x->a, or_op, how, reg, reg, x->t[0]);
}

/* --- comparisons --- */

void vec_collect_bits(struct vec *x, unsigned j, unsigned reg, bool inverted)
{
    static const struct asm_vop signs[4] = {
        {1, 1, 0, 0xd7}, {1, 1, 0, 0xd7}, {1, 0, 0, 0x50}, {1, 1, 0, 0x50}};
    unsigned each = x->chunk_bytes >> x->sew, first = j * each, at = first % 64;
    unsigned all = x->group_bytes >> x->sew, to = at == 0 ? 1 : 0;
    struct asm_vhow how = vec_how(x);
    if (x->sew == 1 && x->chunk_bytes == 32) {
        asm_vrr(x->a, (struct asm_vop)OP(3, 0x39), how, reg, 0, x->t[1]);
        asm_u8(x->a, 1);
    }
    if (x->sew == 1) {
        how.length = 0;
        asm_vrr(x->a, (struct asm_vop)OP(1, 0x63), how, reg, reg,
                x->chunk_bytes == 32 ? x->t[1] : reg);
    }
    asm_vrr(x->a, signs[x->sew], how, x->temp[to], 0, reg);
    if (inverted) {
        asm_alu_imm(x->a, ASM_XOR, ASM_32, x->temp[to], (s32)(~(u64)0 >> (64 - each)));
    }
    if (at != 0) {
        asm_shift_imm(x->a, ASM_SHL, ASM_64, x->temp[0], at);
        asm_alu_rr(x->a, ASM_OR, ASM_64, x->temp[1], x->temp[0]);
    }
    if (at + each == 64 || first + each >= all) {
        vec_store_word(x, first / 64, all < 64 ? all : 64);
    }
}

void vec_store_word(struct vec *x, unsigned n, unsigned bits)
{
    struct asm_mem d = vec_at(x, x->v.d, n, 8);
    if (bits == 64 && !x->v.masked && !x->partial) {
        asm_store(x->a, ASM_64, d, x->temp[1]);
        return;
    }
    asm_alu_rm(x->a, ASM_XOR, ASM_64, x->temp[1], d);
    if (x->v.masked) {
        asm_alu_rm(x->a, ASM_AND, ASM_64, x->temp[1], vec_at(x, 0, n, 8));
    }
    if (bits < 64 || x->partial) {
        if (x->partial) { /* of 64 elements at most */
            asm_load(x->a, ASM_32, x->temp[0], state_at(x->c->context->guest->vector->count));
        } else {
            asm_mov_imm(x->a, x->temp[0], bits);
        }
        asm_vrr(x->a, (struct asm_vop){2, 0, 1, 0xf5}, (struct asm_vhow){0}, x->temp[1],
                x->temp[0], x->temp[1]); /* bzhi */
    }
    asm_rm(x->a, 0x31, ASM_64, x->temp[1], d); /* xor */
}

/* t[0] = t[0] compared with t[1]; true: where it is clear, it holds. */
static bool compare_chunk(struct vec *x)
{
    static const struct asm_vop above[4] = {OP(1, 0x64), OP(1, 0x65), OP(1, 0x66), OP(2, 0x37)};
    unsigned op = x->v.op, a = x->t[0], b = x->t[1];
    struct asm_vhow how = vec_how(x);
    switch (op) {
    case IR_VECTOR_LT_S: asm_vrr(x->a, above[x->sew], how, a, b, a); return false;
    case IR_VECTOR_GT_S:
    case IR_VECTOR_LE_S:
        asm_vrr(x->a, above[x->sew], how, a, a, b);
        return op == IR_VECTOR_LE_S;
    case IR_VECTOR_LE_U:
    case IR_VECTOR_GT_U:
        asm_vrr(x->a, vec_int_rows[IR_VECTOR_MIN_U].op[x->sew], how, b, a, b);
        break;
    case IR_VECTOR_LT_U:
        asm_vrr(x->a, vec_int_rows[IR_VECTOR_MAX_U].op[x->sew], how, b, a, b);
        break;
    default: break;
    }
    asm_vrr(x->a, equal[x->sew], how, a, a, b);
    return op == IR_VECTOR_NE || op == IR_VECTOR_GT_U || op == IR_VECTOR_LT_U;
}

void vec_compare_lanes(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->t[0], x->v.a, j);
        vec_load_b(x, x->t[1], j);
        bool inverted = compare_chunk(x);
        vec_collect_bits(x, j, x->t[0], inverted);
    }
}

/* Vector operations in place: loads, stores, moves, element 0, masks. See emit_vector.c. */
#include "translate/to_x86_64/emit_vector.h"

/* --- moves --- */

static void move(struct vec *x)
{
    bool scalar = x->v.second != IR_VECTOR_GROUP;
    if (scalar) {
        vec_splat(x, x->s, x->v.sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        if (scalar && x->finds) {
            vec_copy(x, x->r[j], x->s);
        } else if (scalar) {
            x->r[j] = x->s;
        } else {
            vec_load(x, x->r[j], x->v.b, j);
        }
    }
    vec_store_results(x);
}

static void copy(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_load(x, x->r[j], x->v.a, j);
    }
    vec_store_results(x);
}

/* The mask chooses; elements behind `count` are left. */
static void merge(struct vec *x)
{
    struct asm_vop op = vec_move_op(x->sew);
    if (x->v.second != IR_VECTOR_GROUP) {
        vec_splat(x, x->s, x->v.sew);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow how = vec_how(x);
        how.mask = (u8)vec_mask(x, j, true);
        vec_load(x, x->r[j], x->v.a, j);
        if (x->evex) {
            vec_op_b(x, op, how, x->r[j], 0, j);
        } else {
            vec_load_b(x, x->t[0], j);
            vec_widen_mask(x, x->mask, j, true);
            vec_choose(x, x->r[j], x->r[j], x->t[0], x->mask);
        }
    }
    vec_store_results(x);
}

void vec_numbers(struct vec *x, unsigned reg, unsigned j)
{
    static const u8 ops[4] = {0, 0x30, 0x31, 0x32};
    struct asm_vop op = {x->sew == 0 ? 1 : 2, x->sew == 0 ? 2 : 1, 0,
                         x->sew == 0 ? 0x6f : ops[x->sew]};
    asm_vrip(x->a, op, vec_how(x), reg, 0,
             thunk(x->c, THUNK_VECTOR_DATA) + VEC_NUMBERS_AT + j * (x->chunk_bytes >> x->sew), 0);
}

static void number(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        vec_numbers(x, x->r[j], j);
    }
    vec_store_results(x);
}

/* --- element 0 --- */

static void to_x(struct vec *x)
{
    vec_keep_clean(x, vec_offset(x, x->v.a), 8);
    static const u32 ops[4] = {0x0fbe, 0x0fbf, 0x63, 0x8b};
    asm_rm(x->a, ops[x->sew], ASM_64, x->result, vec_chunk(x, x->v.a, 0));
}

static void to_f(struct vec *x)
{
    vec_keep_clean(x, vec_offset(x, x->v.a), 8);
    if (x->sew == 3) {
        asm_load(x->a, ASM_64, x->result, vec_chunk(x, x->v.a, 0));
        return;
    }
    asm_load(x->a, ASM_32, x->result, vec_chunk(x, x->v.a, 0));
    asm_mov_imm(x->a, x->temp[0], (u64)UINT32_MAX << 32);
    asm_alu_rr(x->a, ASM_OR, ASM_64, x->result, x->temp[0]);
}

static void to_first(struct vec *x)
{
    static const u8 widths[4] = {ASM_8, ASM_16, ASM_32, ASM_64};
    if (x->v.second == IR_VECTOR_FLOAT) {
        vec_splat(x, x->s, x->sew); /* looks whether it is boxed */
    }
    asm_store(x->a, widths[x->sew], vec_chunk(x, x->v.d, 0), x->scalar);
}

/* --- masks --- */

/* Bits of a mask register of that many elements, as words of 64. */
static struct asm_mem word_at(const struct vec *x, unsigned unit, unsigned n)
{
    return vec_at(x, unit, n, 8);
}

static unsigned elements_of(const struct vec *x)
{
    return x->group_bytes >> x->sew;
}

/* Clears what is behind the elements operated on, of word 0; other words have none such. */
static void cut(struct vec *x, unsigned reg, unsigned temp)
{
    unsigned elements = elements_of(x);
    if (x->partial) {
        asm_load(x->a, ASM_32, temp, state_at(x->c->context->guest->vector->count));
    } else if (elements < 64) {
        asm_mov_imm(x->a, temp, elements);
    } else {
        return;
    }
    asm_vrr(x->a, (struct asm_vop){2, 0, 1, 0xf5}, (struct asm_vhow){0}, reg, temp, reg);
}

static void combine(struct vec *x, unsigned reg, struct asm_mem b)
{
    static const struct {
        u8 alu, not_b, not_result;
    } ways[] = {
        {ASM_AND, 0, 0}, {ASM_AND, 0, 1}, {ASM_AND, 1, 0}, {ASM_OR, 0, 0},
        {ASM_OR, 0, 1},  {ASM_OR, 1, 0},  {ASM_XOR, 0, 0}, {ASM_XOR, 0, 1},
    };
    unsigned n = x->v.op - IR_VECTOR_MASK_AND;
    if (ways[n].not_b) {
        asm_load(x->a, ASM_64, x->temp[1], b);
        asm_unary(x->a, ASM_NOT, ASM_64, x->temp[1]);
        asm_alu_rr(x->a, (enum asm_alu)ways[n].alu, ASM_64, reg, x->temp[1]);
    } else {
        asm_alu_rm(x->a, (enum asm_alu)ways[n].alu, ASM_64, reg, b);
    }
    if (ways[n].not_result) {
        asm_unary(x->a, ASM_NOT, ASM_64, reg);
    }
}

/* What does not change is written, too: by xor with what does. */
static void mask_logic(struct vec *x)
{
    unsigned words = (elements_of(x) + 63) / 64;
    vec_keep_clean(x, vec_offset(x, x->v.a), 8 * words);
    vec_keep_clean(x, vec_offset(x, x->v.b), 8 * words);
    vec_keep_lose(x, vec_offset(x, x->v.d), 8 * words);
    for (unsigned n = 0; n < words; n++) {
        struct asm_mem d = word_at(x, x->v.d, n);
        asm_load(x->a, ASM_64, x->temp[0], word_at(x, x->v.a, n));
        combine(x, x->temp[0], word_at(x, x->v.b, n));
        if (!x->partial && elements_of(x) >= 64) {
            asm_store(x->a, ASM_64, d, x->temp[0]);
            continue;
        }
        asm_alu_rm(x->a, ASM_XOR, ASM_64, x->temp[0], d);
        cut(x, x->temp[0], x->temp[1]);
        asm_rm(x->a, 0x31, ASM_64, x->temp[0], d);
    }
}

/* temp[0] = word n of a, active bits alone. */
static void active_word(struct vec *x, unsigned n)
{
    vec_keep_clean(x, vec_offset(x, x->v.a) + 8 * n, 8);
    vec_keep_clean(x, vec_offset(x, 0) + 8 * n, x->v.masked ? 8 : 0);
    asm_load(x->a, ASM_64, x->temp[0], word_at(x, x->v.a, n));
    if (x->v.masked) {
        asm_alu_rm(x->a, ASM_AND, ASM_64, x->temp[0], word_at(x, 0, n));
    }
    cut(x, x->temp[0], x->temp[1]);
}

static void mask_count(struct vec *x)
{
    unsigned words = (elements_of(x) + 63) / 64;
    for (unsigned n = 0; n < words; n++) {
        active_word(x, n);
        asm_rr(x->a, ASM_OP(0xf3, 0x0fb8), ASM_64, n == 0 ? x->result : x->temp[0], x->temp[0]);
        if (n != 0) {
            asm_alu_rr(x->a, ASM_ADD, ASM_64, x->result, x->temp[0]);
        }
    }
}

static void mask_first(struct vec *x)
{
    unsigned words = (elements_of(x) + 63) / 64;
    asm_rr(x->a, 0xc7, ASM_64, 0, x->result);
    asm_u32(x->a, UINT32_MAX);
    for (unsigned n = words; n-- > 0;) {
        active_word(x, n);
        asm_rr(x->a, 0x0fbc, ASM_64, x->temp[1], x->temp[0]); /* bsf: flags as of a test */
        if (n == 0) {
            asm_cmov(x->a, ASM_NE, ASM_64, x->result, x->temp[1]);
            continue;
        }
        asm_lea(x->a, ASM_64, x->temp[1], asm_at(x->temp[1], (s32)(64 * n)));
        asm_cmov(x->a, ASM_NE, ASM_64, x->result, x->temp[1]);
    }
}

/* Of the active bits of a, up to 64: those before the first that is set, and so on. Others of d are
 * written as they are. */
static void mask_set(struct vec *x)
{
    struct asm_mem d = word_at(x, x->v.d, 0);
    if (elements_of(x) > 64) {
        vec_fail(x);
        return;
    }
    active_word(x, 0);
    vec_keep_lose(x, vec_offset(x, x->v.d), 8);
    asm_lea(x->a, ASM_64, x->temp[1], asm_at(x->temp[0], -1));
    if (x->v.op == IR_VECTOR_MASK_UP_TO) {
        asm_alu_rr(x->a, ASM_XOR, ASM_64, x->temp[0], x->temp[1]);
    } else {
        asm_unary(x->a, ASM_NOT, ASM_64,
                  x->temp[x->v.op == IR_VECTOR_MASK_BEFORE ? 0 : 1]);
        asm_alu_rr(x->a, ASM_AND, ASM_64, x->temp[0], x->temp[1]);
    }
    asm_alu_rm(x->a, ASM_XOR, ASM_64, x->temp[0], d);
    if (x->v.masked) {
        asm_alu_rm(x->a, ASM_AND, ASM_64, x->temp[0], word_at(x, 0, 0));
    }
    cut(x, x->temp[0], x->temp[1]);
    asm_rm(x->a, 0x31, ASM_64, x->temp[0], d);
}

void vec_store_bits(struct vec *x)
{
    unsigned elements = x->chunk_bytes >> x->sew;
    unsigned bits = elements < 8 ? 8 : elements;
    bool odd = elements_of(x) < 8;
    vec_keep_lose(x, vec_offset(x, x->v.d), (x->chunks * elements + 7) / 8);
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_mem mem =
            state_at(x->c->context->guest->vector->file + 16u * x->v.d + j * elements / 8);
        unsigned mask = vec_mask(x, j, vec_masks_results(x));
        if (mask == 0 && odd) {
            vec_set_mask(x, 1, ((u64)1 << elements_of(x)) - 1);
            mask = 1;
        }
        if (mask != 0) {
            asm_mask_load(x->a, bits, 6, mem);
            asm_mask_op(x->a, ASM_MASK_ANDN, 6, mask, 6);
            asm_mask_op(x->a, ASM_MASK_OR, 2 + j, 2 + j, 6);
        }
        asm_mask_store(x->a, bits, mem, 2 + j);
    }
}

/* --- rows --- */

enum { ANY = 15, FLOATS = 12 };

#define LOGIC                                                                                      \
    {mask_logic, {{0}}, ANY, ANY, 0,                                                               \
     VEC_TEMPS | VEC_SHORT_PART | VEC_FINDS | VEC_BITS | VEC_BLENDS}

#define SET                                                                                        \
    {mask_set, {{0}}, ANY, ANY, 0, VEC_TEMPS | VEC_SHORT_PART | VEC_FINDS | VEC_BITS | VEC_BLENDS}

const struct vec_row vec_move_rows[IR_VECTOR_OP_COUNT] = {
    [IR_VECTOR_LOAD] = {vec_move_memory, {{0}}, ANY, ANY, 0, VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_LOAD_FIRST] = {vec_move_memory, {{0}}, ANY, ANY, 0, VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_STORE] = {vec_move_memory, {{0}}, ANY, ANY, 0, VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_MOVE] = {move, {{0}}, ANY, ANY, 0, VEC_KEEPS | VEC_BLENDS},
    [IR_VECTOR_MERGE] = {merge, {{0}}, ANY, ANY, 0, VEC_TEMPS | VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_COPY] = {copy, {{0}}, ANY, ANY, 0, 0},
    [IR_VECTOR_INDEX] = {number, {{0}}, ANY, ANY, 0, VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_TO_X] = {to_x, {{0}}, ANY, ANY, 0, VEC_RESULT | VEC_FINDS},
    [IR_VECTOR_TO_F] = {to_f, {{0}}, FLOATS, FLOATS, 0, VEC_RESULT | VEC_TEMPS | VEC_FINDS},
    [IR_VECTOR_TO_FIRST] = {to_first, {{0}}, ANY, ANY, 0, VEC_NO_PART},
    [IR_VECTOR_MASK_AND] = LOGIC,
    [IR_VECTOR_MASK_NAND] = LOGIC,
    [IR_VECTOR_MASK_ANDN] = LOGIC,
    [IR_VECTOR_MASK_OR] = LOGIC,
    [IR_VECTOR_MASK_NOR] = LOGIC,
    [IR_VECTOR_MASK_ORN] = LOGIC,
    [IR_VECTOR_MASK_XOR] = LOGIC,
    [IR_VECTOR_MASK_XNOR] = LOGIC,
    [IR_VECTOR_MASK_COUNT] = {mask_count, {{0}}, ANY, ANY, 0,
                              VEC_RESULT | VEC_TEMPS | VEC_SHORT_PART | VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_MASK_FIRST] = {mask_first, {{0}}, ANY, ANY, 0,
                              VEC_RESULT | VEC_TEMPS | VEC_SHORT_PART | VEC_FINDS | VEC_BLENDS},
    [IR_VECTOR_MASK_BEFORE] = SET,
    [IR_VECTOR_MASK_UP_TO] = SET,
    [IR_VECTOR_MASK_ONLY] = SET,
};

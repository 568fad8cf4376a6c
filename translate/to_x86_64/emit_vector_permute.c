/* Vector operations in place: slides, gathers, compress, segments. AVX-512 alone. See
 * emit_vector.c.
 *
 * A slide is a load from elsewhere in guest state, under a mask where it would pass the group's
 * end. What lies around the group is guest state, too, so that the load itself may pass it. */
#include "translate/to_x86_64/emit_vector.h"

#define OP(map, wide, op) {map, 1, wide, op}

enum { MASK = 2 }; /* k1 is vec_mask's */

static unsigned elements_of(const struct vec *x)
{
    return x->group_bytes >> x->sew;
}

static unsigned elements_per_chunk(const struct vec *x)
{
    return x->chunk_bytes >> x->sew;
}

/* The low bits; of more than 64 all. */
static u64 ones(unsigned count)
{
    return count >= 64 ? ~(u64)0 : ((u64)1 << count) - 1;
}

/* r[j] = memory under a mask; elsewhere 0, or what it was. */
static void load_under(struct vec *x, unsigned j, struct asm_mem mem, bool zero)
{
    struct asm_vhow how = vec_how(x);
    how.mask = MASK;
    how.zero = zero;
    asm_vrm(x->a, vec_move_op(x->sew), how, x->r[j], 0, mem);
}

static void load_all(struct vec *x, unsigned j, struct asm_mem mem)
{
    asm_vrm(x->a, (struct asm_vop){1, 2, 0, 0x6f}, vec_how(x), x->r[j], 0, mem);
}

static void zero(struct vec *x, unsigned reg)
{
    asm_vrr(x->a, (struct asm_vop)OP(1, 0, 0xef), vec_how(x), reg, reg, reg);
}

/* Chunk j of a, that many elements further on. */
static struct asm_mem moved(const struct vec *x, unsigned j, s32 elements)
{
    struct asm_mem mem = vec_chunk(x, x->v.a, j);
    mem.disp += elements * (1 << x->sew);
    return mem;
}

/* The same by a register. */
static struct asm_mem moved_by(const struct vec *x, unsigned j, unsigned reg)
{
    struct asm_mem mem = vec_chunk(x, x->v.a, j);
    return asm_at_index(mem.base, reg, x->sew, mem.disp);
}

/* temp[1] = bits << scalar, or >>, and temp[0] the scalar; from the number of elements on 0. */
static void shift_bits(struct vec *x, u64 bits, bool left)
{
    struct asm_vop op = {2, left ? 1 : 3, 1, 0xf7};
    asm_mov_imm(x->a, x->temp[1], bits);
    asm_vrr(x->a, op, (struct asm_vhow){0}, x->temp[1], x->scalar, x->temp[1]);
    asm_alu_rr(x->a, ASM_XOR, ASM_32, x->temp[0], x->temp[0]);
    asm_alu_imm(x->a, ASM_CMP, ASM_64, x->scalar, (s32)elements_of(x));
    asm_cmov(x->a, ASM_AE, ASM_64, x->temp[1], x->temp[0]);
    asm_cmov(x->a, ASM_B, ASM_64, x->temp[0], x->scalar);
}

/* The mask of chunk j, when temp[1] has that of the group. */
static void mask_of_chunk(struct vec *x, unsigned j)
{
    if (j != 0) {
        asm_shift_imm(x->a, ASM_SHR, ASM_64, x->temp[1], elements_per_chunk(x));
    }
    asm_mask_from(x->a, 64, MASK, x->temp[1]);
}

/* --- slides --- */

static void slide_down_const(struct vec *x)
{
    u64 elements = elements_of(x), by = (u64)x->value;
    u64 left = by < elements ? elements - by : 0; /* that come from the group */
    for (unsigned j = 0; j < x->chunks; j++) {
        u64 before = (u64)j * elements_per_chunk(x);
        u64 inside = left > before ? left - before : 0;
        if (inside == 0) {
            zero(x, x->r[j]);
        } else if (inside >= elements_per_chunk(x)) {
            load_all(x, j, moved(x, j, (s32)by));
        } else {
            vec_set_mask(x, MASK, ones((unsigned)inside));
            load_under(x, j, moved(x, j, (s32)by), true);
        }
    }
}

static void slide_down(struct vec *x)
{
    if (x->is_const) {
        slide_down_const(x);
    } else if (elements_of(x) > 64) {
        vec_fail(x);
    } else {
        shift_bits(x, ones(elements_of(x)), false);
        for (unsigned j = 0; j < x->chunks; j++) {
            mask_of_chunk(x, j);
            load_under(x, j, moved_by(x, j, x->temp[0]), true);
        }
    }
    vec_store_results(x);
}

static void slide_up_const(struct vec *x)
{
    u64 elements = elements_of(x);
    u64 by = (u64)x->value < elements ? (u64)x->value : elements;
    for (unsigned j = 0; j < x->chunks; j++) {
        u64 before = (u64)j * elements_per_chunk(x);
        u64 kept = by > before ? by - before : 0;
        if (kept == 0) {
            load_all(x, j, moved(x, j, -(s32)by));
            continue;
        }
        vec_load(x, x->r[j], x->v.d, j);
        if (kept < elements_per_chunk(x)) {
            vec_set_mask(x, MASK, ~ones((unsigned)kept));
            load_under(x, j, moved(x, j, -(s32)by), false);
        }
    }
}

static void slide_up(struct vec *x)
{
    if (x->is_const) {
        slide_up_const(x);
    } else if (elements_of(x) > 64) {
        vec_fail(x);
    } else {
        shift_bits(x, ~(u64)0, true);
        asm_unary(x->a, ASM_NEG, ASM_64, x->temp[0]);
        for (unsigned j = 0; j < x->chunks; j++) {
            vec_load(x, x->r[j], x->v.d, j);
            mask_of_chunk(x, j);
            load_under(x, j, moved_by(x, j, x->temp[0]), false);
        }
    }
    vec_store_results(x);
}

/* Under the mask: r[j] = the scalar, which is in s. */
static void insert(struct vec *x, unsigned j)
{
    struct asm_vhow how = vec_how(x);
    how.mask = MASK;
    asm_vrr(x->a, vec_move_op(x->sew), how, x->r[j], 0, x->s);
}

static void slide1_up(struct vec *x)
{
    vec_splat(x, x->s, x->sew);
    for (unsigned j = 0; j < x->chunks; j++) {
        load_all(x, j, moved(x, j, -1));
    }
    vec_set_mask(x, MASK, 1);
    insert(x, 0);
    vec_store_results(x);
}

/* temp[1] = the bit of the last element operated on, of at most 64. */
static void last_bit(struct vec *x)
{
    asm_load(x->a, ASM_32, x->temp[0], state_at(x->c->context->guest->vector->count));
    asm_alu_imm(x->a, ASM_SUB, ASM_32, x->temp[0], 1);
    asm_mov_imm(x->a, x->temp[1], 1);
    asm_vrr(x->a, (struct asm_vop){2, 1, 1, 0xf7}, (struct asm_vhow){0}, x->temp[1], x->temp[0],
            x->temp[1]);
}

static void slide1_down(struct vec *x)
{
    unsigned last = elements_of(x) - 1;
    vec_splat(x, x->s, x->sew);
    if (x->partial) {
        last_bit(x);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        load_all(x, j, moved(x, j, 1));
        if (x->partial) {
            mask_of_chunk(x, j);
            insert(x, j);
        } else if (j == last / elements_per_chunk(x)) {
            vec_set_mask(x, MASK, (u64)1 << last % elements_per_chunk(x));
            insert(x, j);
        }
    }
    vec_store_results(x);
}

/* --- gathers --- */

static void gather_one(struct vec *x)
{
    if (!x->is_const) {
        zero(x, x->s);
        asm_alu_imm(x->a, ASM_CMP, ASM_64, x->scalar, (s32)elements_of(x));
        u32 outside = asm_jcc_short(x->a, ASM_AE);
        vec_broadcast(x, x->s, moved_by(x, 0, x->scalar));
        asm_bind_short(x->a, outside);
    } else if ((u64)x->value < elements_of(x)) {
        vec_broadcast(x, x->s, moved(x, 0, (s32)x->value));
    } else {
        zero(x, x->s);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        x->r[j] = x->s;
    }
    vec_store_results(x);
}

/* The mask of the indices in `reg` that are inside; s has the number of elements in each. */
static void compare_indices(struct vec *x, unsigned reg)
{
    enum { BELOW = 1 };
    asm_vrr(x->a, vec_compare_op(x->sew), vec_how(x), MASK, reg, x->s);
    asm_u8(x->a, BELOW);
}

/* By indices: elements of a register; of two, and then the register of indices gets the result. */
static const struct asm_vop from_one[4] = {OP(2, 0, 0x8d), OP(2, 1, 0x8d), OP(2, 0, 0x36),
                                           OP(2, 1, 0x36)};
static const struct asm_vop from_two[4] = {OP(2, 0, 0x75), OP(2, 1, 0x75), OP(2, 0, 0x76),
                                           OP(2, 1, 0x76)};

/* r[j] = the indices of chunk j. Of 16 bits, as bytes: saturated, which is outside. */
static void load_indices(struct vec *x, unsigned j)
{
    if (x->v.op == IR_VECTOR_GATHER || x->sew == 1) {
        vec_load(x, x->r[j], x->v.b, j);
    } else if (x->sew > 1) {
        vec_extend(x, x->r[j], x->v.b, j, 1, x->sew, false);
    } else {
        unsigned bytes = x->chunk_bytes;
        x->chunk_bytes = 2 * bytes;
        struct asm_vhow how = vec_how(x);
        vec_load(x, x->r[j], x->v.b, j);
        asm_vrr(x->a, (struct asm_vop){2, 2, 0, 0x10}, how, x->r[j], 0, x->r[j]);
        x->chunk_bytes = bytes;
    }
}

static void gather(struct vec *x)
{
    static const u8 splat[4] = {0x7a, 0x7b, 0x7c, 0x7c};
    struct asm_vhow how = vec_under(x, MASK);
    how.length = how.length == 0 ? 1 : how.length; /* some have no shorter form */
    asm_mov_imm(x->a, x->temp[0], elements_of(x));
    asm_vrr(x->a, (struct asm_vop){2, 1, x->sew == 3, splat[x->sew]}, vec_how(x), x->s, 0,
            x->temp[0]);
    vec_load(x, x->t[0], x->v.a, 0);
    for (unsigned j = 0; j < x->chunks; j++) {
        load_indices(x, j);
        compare_indices(x, x->r[j]);
        if (x->chunks == 1) {
            asm_vrr(x->a, from_one[x->sew], how, x->r[j], x->r[j], x->t[0]);
        } else {
            asm_vrm(x->a, from_two[x->sew], how, x->r[j], x->t[0], vec_chunk(x, x->v.a, 1));
        }
    }
    vec_store_results(x);
}

/* --- segments: gathers by indices that are known now --- */

/* Where element n of the result is in what is loaded. */
static unsigned index_of(const struct vec *x, unsigned n)
{
    unsigned fields = x->v.b, each = (ir_vector_bytes(&x->v) >> x->sew) / fields;
    if (n >= each * fields) {
        return 0;
    }
    return ir_vector_is_store(x->v.op) ? n % fields * each + n / fields
                                       : n % each * fields + n / each;
}

/* All indices, in the cold part. */
static const u8 *put_indices(struct vec *x)
{
    struct asm_buf *cold = &x->c->cold;
    const u8 *at = cold->exec + asm_offset(cold);
    for (unsigned n = 0; n < x->chunks * elements_per_chunk(x); n++) {
        for (unsigned byte = 0; byte < 1u << x->sew; byte++) {
            asm_u8(cold, byte == 0 ? index_of(x, n) : 0);
        }
    }
    return at;
}

/* For a move of chunk j: k1 has the bytes that are there. */
static struct asm_vhow under_bytes(struct vec *x, unsigned j)
{
    struct asm_vhow how = vec_how(x);
    unsigned left = ir_vector_bytes(&x->v) - j * x->chunk_bytes;
    if (left < x->chunk_bytes) {
        vec_set_mask(x, 1, ones(left));
        how.mask = 1;
    }
    return how;
}

static void move_fields(struct vec *x)
{
    static const struct asm_vop store = {1, 3, 0, 0x7f};
    struct asm_vop load = vec_move_op(0);
    bool stores = ir_vector_is_store(x->v.op);
    const u8 *indices = put_indices(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow how = under_bytes(x, j);
        how.zero = how.mask != 0;
        asm_vrm(x->a, load, how, x->r[j], 0,
                stores ? vec_chunk(x, x->v.d, j) : vec_host_at(x, j));
        asm_vrip(x->a, load, vec_how(x), x->t[j], 0, indices + j * x->chunk_bytes, 0);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        if (x->chunks == 1) {
            asm_vrr(x->a, from_one[x->sew], vec_how(x), x->t[0], x->t[0], x->r[0]);
        } else {
            asm_vrr(x->a, from_two[x->sew], vec_how(x), x->t[j], x->r[0], x->r[1]);
        }
        asm_vrm(x->a, store, under_bytes(x, j), x->t[j], 0,
                stores ? vec_host_at(x, j) : vec_chunk(x, x->v.d, j));
    }
}

/* t[1] = how many bits are set in the mask of this chunk, whose complement is in temp[1], and of
 * those before. */
static void count_more(struct vec *x, unsigned j)
{
    static const u8 splat[4] = {0x7a, 0x7b, 0x7c, 0x7c};
    unsigned elements = elements_per_chunk(x);
    asm_unary(x->a, ASM_NOT, ASM_64, x->temp[1]);
    if (elements < 64) {
        asm_shift_imm(x->a, ASM_SHL, ASM_64, x->temp[1], 64 - elements);
    }
    asm_rr(x->a, ASM_OP(0xf3, 0x0fb8), ASM_64, x->temp[1], x->temp[1]);
    if (j == 0) {
        asm_mov(x->a, ASM_64, x->temp[0], x->temp[1]);
    } else {
        asm_alu_rr(x->a, ASM_ADD, ASM_64, x->temp[0], x->temp[1]);
    }
    asm_vrr(x->a, (struct asm_vop){2, 1, x->sew == 3, splat[x->sew]}, vec_how(x), x->t[1], 0,
            x->temp[0]);
}

/* a is a mask. Expanding numbers under it tells, where a bit is set, how many are before it; under
 * its complement, how many are not. */
static void count_before(struct vec *x)
{
    enum { CLEAR = 3 };
    struct asm_vop expand = {2, 1, x->sew & 1, x->sew < 2 ? 0x62 : 0x89};
    for (unsigned j = 0; j < x->chunks; j++) {
        struct asm_vhow set = vec_under(x, MASK), clear = vec_under(x, CLEAR);
        unsigned offset = j * elements_per_chunk(x) / 8;
        asm_load(x->a, ASM_64, x->temp[1], vec_at(x, x->v.a, 1, offset));
        if (x->v.masked) {
            asm_alu_rm(x->a, ASM_AND, ASM_64, x->temp[1], vec_at(x, 0, 1, offset));
        }
        asm_mask_from(x->a, 64, MASK, x->temp[1]);
        asm_unary(x->a, ASM_NOT, ASM_64, x->temp[1]);
        asm_mask_from(x->a, 64, CLEAR, x->temp[1]);
        vec_numbers(x, x->s, 0);
        asm_vrr(x->a, expand, clear, x->t[0], 0, x->s);
        asm_vrr(x->a, vec_sub_op(x->sew), vec_how(x), x->r[j], x->s, x->t[0]);
        set.zero = false;
        asm_vrr(x->a, expand, set, x->r[j], 0, x->s);
        if (j != 0) {
            asm_vrr(x->a, vec_add_op(x->sew), vec_how(x), x->r[j], x->r[j], x->t[1]);
        }
        if (j + 1 < x->chunks) {
            count_more(x, j);
        }
    }
    vec_store_results(x);
}

/* b is a mask: of the elements operated on, those whose bit is set, one behind the other. */
static void compress(struct vec *x)
{
    struct asm_vop op = {2, 1, x->sew & 1, x->sew < 2 ? 0x63 : 0x8b};
    struct asm_vhow how = vec_how(x);
    how.mask = MASK;
    asm_load(x->a, ASM_64, x->temp[1], vec_at(x, x->v.b, 0, 8));
    if (x->partial) {
        asm_load(x->a, ASM_32, x->temp[0], state_at(x->c->context->guest->vector->count));
    } else {
        asm_mov_imm(x->a, x->temp[0], elements_of(x));
    }
    asm_vrr(x->a, (struct asm_vop){2, 0, 1, 0xf5}, (struct asm_vhow){0}, x->temp[1], x->temp[0],
            x->temp[1]); /* bzhi */
    asm_mask_from(x->a, 64, MASK, x->temp[1]);
    vec_load(x, x->r[0], x->v.d, 0);
    vec_load(x, x->t[0], x->v.a, 0);
    asm_vrr(x->a, op, how, x->t[0], 0, x->r[0]);
    vec_store_results(x);
}

/* --- rows --- */

enum { ANY = 15, FIELDS = VEC_TEMPS | VEC_NO_MASK | VEC_NO_PART | VEC_VBMI };

const struct vec_row vec_permute_rows[IR_VECTOR_OP_COUNT] = {
    [IR_VECTOR_LOAD_FIELDS] = {move_fields, {{0}}, 0, ANY, 2, FIELDS},
    [IR_VECTOR_STORE_FIELDS] = {move_fields, {{0}}, 0, ANY, 2, FIELDS},
    [IR_VECTOR_SLIDE_UP] = {slide_up, {{0}}, 0, ANY, 0, VEC_TEMPS | VEC_IMM},
    [IR_VECTOR_SLIDE_DOWN] = {slide_down, {{0}}, 0, ANY, 0, VEC_TEMPS | VEC_IMM},
    [IR_VECTOR_SLIDE1_UP] = {slide1_up, {{0}}, 0, ANY, 0, VEC_TEMPS},
    [IR_VECTOR_SLIDE1_DOWN] = {slide1_down, {{0}}, 0, ANY, 0, VEC_TEMPS | VEC_SHORT_PART},
    [IR_VECTOR_GATHER] = {gather, {{0}}, 0, ANY, 2, VEC_TEMPS | VEC_VBMI},
    [IR_VECTOR_GATHER_16] = {gather, {{0}}, 0, ANY, 2, VEC_TEMPS | VEC_VBMI},
    [IR_VECTOR_GATHER_ONE] = {gather_one, {{0}}, 0, ANY, 0, VEC_TEMPS | VEC_IMM},
    [IR_VECTOR_IOTA] = {count_before, {{0}}, 0, ANY, 4, VEC_TEMPS | VEC_VBMI},
    [IR_VECTOR_LOAD_FIELDS_FIRST] = {move_fields, {{0}}, 0, ANY, 2, FIELDS},
    [IR_VECTOR_COMPRESS] = {compress, {{0}}, 0, ANY, 1, VEC_TEMPS | VEC_VBMI},
};

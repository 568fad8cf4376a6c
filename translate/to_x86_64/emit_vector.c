/* Vector operations in place.
 *
 *     cmp dword [key], what was expected; jne other
 *     the operation on all elements of the group
 *     back:
 * and in the cold part
 *     other: cmp dword [key], the same with fewer elements; jne helper
 *            the operation under masks; jmp back
 *     helper: call THUNK_VECTOR; jmp back; description (vector_call.c)
 *
 * The registers of the guest's vectors stay in guest state: a group is read, worked on and written.
 * With AVX-512 only zmm16 to zmm31 and mask registers are used, which nothing else of generated
 * code uses, and which cost SSE code no transitions; with AVX2 ymm registers, whose upper halves
 * are clear again behind the operation. Masks (of the instruction, of elements behind `count`, of
 * groups shorter than a register) are AVX-512's; the first two are vectors of AVX2, too, of what is
 * common (emit_vector_avx2.c).
 *
 * A load or store in place lies in one page, which the TLB has. Everything else, what faults above
 * all, is the helper's. In the fast body of a trace the helper is not called: the trace is left. */
#include "translate/to_x86_64/emit_vector.h"

const struct vec_row *vec_row_of(unsigned op)
{
    const struct vec_row *const tables[] = {vec_int_rows, vec_move_rows, vec_fp_rows,
                                            vec_permute_rows, vec_fixed_rows, vec_carry_rows,
                                            vec_divide_rows, vec_convert_rows};
    for (unsigned n = 0; n < ARRAY_LEN(tables); n++) {
        if (tables[n][op].emit != NULL) {
            return &tables[n][op];
        }
    }
    return NULL;
}

static bool is_wide(unsigned op)
{
    return (op >= IR_VECTOR_WADD_U && op <= IR_VECTOR_WRED_S) ||
           (op >= IR_VECTOR_FWADD && op <= IR_VECTOR_U_TO_FW);
}

static bool is_narrow(unsigned op)
{
    return op == IR_VECTOR_NSHR || op == IR_VECTOR_NSAR || op == IR_VECTOR_CLIP_U ||
           op == IR_VECTOR_CLIP_S || (op >= IR_VECTOR_FNCVT && op <= IR_VECTOR_U_TO_FN);
}

/* The most bytes of a chunk, of which AVX-512 may work on two or four times as many. */
static unsigned chunk_bytes_max(const struct ir_vector *v)
{
    bool divides = v->op >= IR_VECTOR_DIV_U && v->op <= IR_VECTOR_REM_S;
    if (divides && v->sew < 3) {
        return v->sew == 0 ? 16 : 32;
    }
    return is_narrow(v->op) || (v->op == IR_VECTOR_GATHER_16 && v->sew == 0) ? 32 : 64;
}

/* Chunks of the result. */
static void set_shape(struct vec *x, bool evex)
{
    unsigned max = evex ? chunk_bytes_max(&x->v) : 32;
    x->rounds = 1;
    x->evex = evex;
    x->sew = x->v.sew + is_wide(x->v.op);
    x->group_bytes = 1u << (x->v.group_log2 + is_wide(x->v.op));
    x->chunk_bytes = x->group_bytes > max ? max : x->group_bytes < 16 ? 16 : x->group_bytes;
    unsigned bytes = x->v.count != 0 ? ir_vector_bytes(&x->v) : x->group_bytes;
    x->chunks = (bytes + x->chunk_bytes - 1) / x->chunk_bytes;
}

/* Whether it can be done of the first elements alone. */
static bool can_part(const struct vec *x, const struct vec_row *row)
{
    bool is_short = x->group_bytes >> x->sew <= 64;
    if ((row->flags & VEC_NO_PART) || ((row->flags & VEC_SHORT_PART) && !is_short)) {
        return false;
    }
    bool memory_short = ir_vector_is_memory(x->v.op) && x->v.sew < 2 &&
                        (x->v.op == IR_VECTOR_STORE || x->v.count != 0);
    bool bits_long = (row->flags & VEC_BITS) && !is_short;
    return x->evex || ((row->flags & VEC_BLENDS) && !memory_short && !bits_long);
}

bool x86_does_vector(const struct host_context *context, const struct ir_vector *v)
{
    struct vec x = {.v = *v};
    bool evex = context->features & HOST_FEATURE_AVX512;
    const struct vec_row *row = vec_row_of(v->op);
    if (row == NULL || !(context->features & HOST_FEATURE_AVX2) ||
        !(context->features & HOST_FEATURE_BMI2)) {
        return false;
    }
    set_shape(&x, evex);
    bool fma = (context->features & HOST_FEATURE_FMA) || v->op < IR_VECTOR_FMACC ||
               v->op > IR_VECTOR_FNMSUB;
    bool store_short = v->op == IR_VECTOR_STORE && v->sew < 2;
    bool blends = (row->flags & VEC_BLENDS) && !store_short;
    if (!evex && ((v->masked && !blends) || x.group_bytes < 16)) {
        return false;
    }
    if ((row->flags & VEC_VBMI) &&
        (x.chunks > row->imm || (x.sew < 2 && !(context->features & HOST_FEATURE_VBMI)))) {
        return false;
    }
    x.evex = evex;
    if (v->guard == IR_VECTOR_PART && !can_part(&x, row)) {
        return false;
    }
    return (evex ? row->avx512 : row->avx2) >> x.sew & fma && x.chunks <= VEC_CHUNKS_MAX &&
           !(v->masked && (row->flags & VEC_NO_MASK));
}

/* --- registers --- */

static void claim_vectors(struct vec *x)
{
    for (unsigned n = 0; n < VEC_CHUNKS_MAX + 3; n++) {
        bool needed = n >= VEC_CHUNKS_MAX || n < x->chunks;
        unsigned wide = (n < VEC_CHUNKS_MAX ? 16 : 24) + n; /* zmm16 to 19, 28 to 30 */
        unsigned reg = x->evex ? wide : needed ? alloc_temp_xmm(x->c) : 0;
        if (n < VEC_CHUNKS_MAX) {
            x->r[n] = (u8)reg;
        } else if (n < VEC_CHUNKS_MAX + 2) {
            x->t[n - VEC_CHUNKS_MAX] = (u8)reg;
        } else {
            x->s = (u8)reg;
        }
    }
    bool masks = !x->evex && (x->v.masked || x->partial || x->v.guard == IR_VECTOR_TYPE);
    x->mask = (u8)(masks && (vec_row_of(x->v.op)->flags & VEC_BLENDS) ? alloc_temp_xmm(x->c) : 0);
}

static void claim(struct vec *x, const struct vec_row *row)
{
    struct compile *c = x->c;
    bool memory = ir_vector_is_memory(x->v.op), hoisted = hoist_has(c, c->at);
    x->scalar = x->result = x->temp[0] = x->temp[1] = NO_REG;
    x->is_const = value_const(c, x->insn->c, &x->value);
    if (hoisted) {
        x->host = hoist_access(c);
    } else if (memory) {
        access_claim(c, &x->access, x->insn->c, ir_vector_bytes(&x->v),
                     ir_vector_is_store(x->v.op) ? (unsigned)ACCESS_WRITE : 0u);
        x->scalar = x->access.address;
        x->temp[0] = x->access.entry;
        x->host = asm_at_index(x->access.address, x->access.tag, 0, x->access.disp);
    } else if (x->v.second != IR_VECTOR_GROUP && !(x->is_const && (row->flags & VEC_IMM))) {
        x->scalar = alloc_use(c, x->insn->c);
    }
    bool unbox = x->v.second == IR_VECTOR_FLOAT && x->sew == 2;
    x->partial = x->v.guard == IR_VECTOR_PART;
    if (vec_is_masked(x, true) || (row->flags & VEC_TEMPS) || unbox) {
        x->temp[0] = x->temp[0] == NO_REG ? alloc_temp(c) : x->temp[0];
        x->temp[1] = alloc_temp(c);
    }
    claim_vectors(x);
    if (row->flags & VEC_RESULT) {
        x->result = alloc_def_fresh(c);
    }
}

/* --- moving --- */

static const struct asm_vop load_op = {1, 2, 0, 0x6f}, store_op = {1, 2, 0, 0x7f};

/* To memory, where a mask is of elements. */
static struct asm_vop sized_store(unsigned sew)
{
    struct asm_vop op = vec_move_op(sew);
    op.op = store_op.op;
    return op;
}

void vec_rm_of(struct vec *x, struct asm_vop op, struct asm_vhow how, unsigned reg, unsigned vvvv,
               unsigned unit, unsigned j, unsigned bytes)
{
    unsigned kept = NO_REG;
    if (x->finds) {
        kept = vec_kept(x, vec_offset(x, unit) + j * bytes, bytes);
    }
    if (kept != NO_REG) {
        asm_vrr(x->a, op, how, reg, vvvv, kept);
    } else {
        asm_vrm(x->a, op, how, reg, vvvv, vec_at(x, unit, j, bytes));
    }
}

void vec_rm(struct vec *x, struct asm_vop op, struct asm_vhow how, unsigned reg, unsigned vvvv,
            unsigned unit, unsigned j)
{
    vec_rm_of(x, op, how, reg, vvvv, unit, j, x->chunk_bytes);
}

void vec_load(struct vec *x, unsigned reg, unsigned unit, unsigned j)
{
    vec_rm(x, load_op, vec_how(x), reg, 0, unit, j);
}

static void store_masked(struct vec *x, struct asm_mem mem, unsigned reg, unsigned mask)
{
    struct asm_vhow how = vec_how(x);
    how.mask = (u8)mask;
    asm_vrm(x->a, mask != 0 ? sized_store(x->sew) : store_op, how, reg, 0, mem);
}

/* r[j] becomes chunk j of group d, and stays in its register. */
static void keep_chunk(struct vec *x, unsigned j, unsigned mask)
{
    struct asm_vhow how = vec_how(x);
    if (mask != 0) {
        struct asm_vop blend = {2, 1, x->sew & 1, x->sew < 2 ? 0x66 : 0x64};
        how.mask = (u8)mask;
        vec_load(x, x->t[1], x->v.d, j);
        asm_vrr(x->a, blend, how, x->r[j], x->t[1], x->r[j]);
    }
    vec_keep_put(x, j);
}

/* To chunk j of group d. What a mask leaves is written as it was: what a store under a mask wrote
 * could not be forwarded to a load. */
static void store_chunk(struct vec *x, unsigned j, unsigned reg, unsigned mask)
{
    struct asm_vhow how = vec_how(x);
    if (x->finds) {
        keep_chunk(x, j, mask);
        return;
    }
    if (mask != 0) {
        how.mask = (u8)mask;
        vec_load(x, x->t[1], x->v.d, j);
        asm_vrr(x->a, vec_move_op(x->sew), how, x->t[1], 0, reg);
        reg = x->t[1];
    } else if (vec_blends(x, vec_masks_results(x))) {
        vec_widen_mask(x, x->t[0], j, vec_masks_results(x));
        vec_load(x, x->t[1], x->v.d, j);
        vec_choose(x, x->t[1], x->t[1], reg, x->t[0]);
        reg = x->t[1];
    }
    asm_vrm(x->a, store_op, vec_how(x), reg, 0, vec_chunk(x, x->v.d, j));
}

void vec_copy(struct vec *x, unsigned to, unsigned from)
{
    asm_vrr(x->a, load_op, vec_how(x), to, 0, from);
}

void vec_broadcast(struct vec *x, unsigned reg, struct asm_mem mem)
{
    static const u8 ops[4] = {0x78, 0x79, 0x58, 0x59};
    asm_vrm(x->a, (struct asm_vop){2, 1, x->sew == 3, ops[x->sew]}, vec_how(x), reg, 0, mem);
}

void vec_load_b(struct vec *x, unsigned reg, unsigned j)
{
    if (x->v.second == IR_VECTOR_GROUP) {
        vec_load(x, reg, x->v.b, j);
    } else {
        vec_copy(x, reg, x->s);
    }
}

void vec_ones(struct vec *x, unsigned reg, unsigned mask)
{
    struct asm_vhow how = vec_how(x);
    how.mask = (u8)mask;
    asm_vrr(x->a, (struct asm_vop){3, 1, x->sew == 3, 0x25}, how, reg, reg, reg); /* vpternlog */
    asm_u8(x->a, 0xff);
}

void vec_store_results(struct vec *x)
{
    bool by_mask = vec_masks_results(x);
    for (unsigned j = 0; j < x->chunks; j++) {
        unsigned mask = vec_mask(x, j, by_mask);
        store_chunk(x, j, x->r[j], mask);
    }
}

void vec_compare_box(struct vec *x)
{
    asm_mov(x->a, ASM_64, x->temp[0], x->scalar);
    asm_shift_imm(x->a, ASM_SAR, ASM_64, x->temp[0], 32);
    asm_alu_imm(x->a, ASM_CMP, ASM_32, x->temp[0], -1);
}

void vec_splat(struct vec *x, unsigned reg, unsigned sew)
{
    if (x->v.second == IR_VECTOR_FLOAT && sew == 2) {
        vec_compare_box(x);
        vec_fail_if(x, ASM_NE); /* the helper knows what an unboxed one is */
    }
    vec_repeat(x, reg, sew);
}

void vec_repeat(struct vec *x, unsigned reg, unsigned sew)
{
    static const u8 by_general[4] = {0x7a, 0x7b, 0x7c, 0x7c};
    static const u8 by_vector[4] = {0x78, 0x79, 0x58, 0x59};
    if (x->evex) {
        asm_vrr(x->a, (struct asm_vop){2, 1, sew == 3, by_general[sew]}, vec_how(x), reg, 0,
                x->scalar);
        return;
    }
    asm_vrr(x->a, (struct asm_vop){1, 1, 1, 0x6e}, (struct asm_vhow){0}, reg, 0, x->scalar);
    asm_vrr(x->a, (struct asm_vop){2, 1, 0, by_vector[sew]}, vec_how(x), reg, 0, reg);
}

void vec_op_const(struct vec *x, struct asm_vop op, unsigned dst, unsigned first,
                  enum vec_const which)
{
    struct asm_vhow how = vec_how(x);
    if (!x->evex) {
        struct asm_vop broadcast = {2, 1, 0, 0x59};
        asm_vrip(x->a, broadcast, how, x->t[1], 0, vec_const(x, which), 0);
        asm_vrr(x->a, op, how, dst, first, x->t[1]);
        return;
    }
    how.broadcast = true;
    op.wide = 1;
    asm_vrip(x->a, op, how, dst, first, vec_const(x, which), 0);
}

void vec_op_b(struct vec *x, struct asm_vop op, struct asm_vhow how, unsigned dst, unsigned first,
              unsigned j)
{
    if (x->v.second == IR_VECTOR_GROUP) {
        vec_rm(x, op, how, dst, first, x->v.b, j);
    } else {
        asm_vrr(x->a, op, how, dst, first, x->s);
    }
}

void vec_fail_if(struct vec *x, enum asm_cc cc)
{
    CHECK(x->fail_count < VEC_FAILS_MAX);
    x->fails[x->fail_count++] = asm_jcc_forward(x->a, cc);
}

void vec_fail(struct vec *x)
{
    CHECK(x->fail_count < VEC_FAILS_MAX);
    x->fails[x->fail_count++] = asm_jmp_forward(x->a);
}

/* --- the configuration --- */

static struct asm_mem key_at(const struct vec *x)
{
    return state_at(x->c->context->guest->vector->key);
}

static void guard(struct vec *x)
{
    static const u32 forbidden[] = {[IR_VECTOR_VALID] = GUEST_VECTOR_ILLEGAL | GUEST_VECTOR_STARTED,
                                    [IR_VECTOR_START] = GUEST_VECTOR_STARTED};
    if (x->v.guard >= IR_VECTOR_FULL) {
        return;
    }
    if (x->v.guard == IR_VECTOR_TYPE) {
        asm_alu_mem_imm(x->a, ASM_CMP, ASM_32, key_at(x), (s32)(x->v.type | GUEST_VECTOR_FULL));
    } else {
        asm_rm(x->a, 0xf7, ASM_32, 0, key_at(x)); /* test */
        asm_u32(x->a, forbidden[x->v.guard]);
    }
    vec_fail_if(x, ASM_NE);
}

/* --- loads and stores --- */

struct asm_mem vec_host_at(const struct vec *x, unsigned j)
{
    struct asm_mem mem = x->host;
    mem.disp += (s32)(j * x->chunk_bytes);
    return mem;
}

static void move_chunk(struct vec *x, unsigned j)
{
    unsigned mask = vec_mask(x, j, true);
    if (x->v.op == IR_VECTOR_STORE) {
        vec_load(x, x->r[j], x->v.d, j);
        if (vec_blends(x, true)) {
            vec_widen_mask(x, x->t[0], j, true);
            vec_store_active(x, vec_host_at(x, j), x->r[j], x->t[0]);
        } else {
            store_masked(x, vec_host_at(x, j), x->r[j], mask);
        }
        return;
    }
    if (!x->evex && x->partial && x->sew >= 2) {
        vec_widen_mask(x, x->t[0], j, true);
        vec_load_memory_active(x, x->r[j], vec_host_at(x, j), x->t[0]);
    } else {
        asm_vrm(x->a, mask != 0 ? vec_move_op(x->sew) : load_op, vec_under(x, mask), x->r[j], 0,
                vec_host_at(x, j));
    }
    store_chunk(x, j, x->r[j], mask);
}

void vec_move_memory(struct vec *x)
{
    for (unsigned j = 0; j < x->chunks; j++) {
        move_chunk(x, j);
    }
}

static void compare_page(struct vec *x)
{
    const struct access *m = &x->access;
    asm_alu_imm(x->a, ASM_AND, ASM_64, m->tag, -(s32)PAGE_BYTES);
    asm_alu_rm(x->a, ASM_CMP, ASM_64, m->tag, asm_at(m->entry, access_tag_offset(m->write)));
}

/* The page's other entry, once `entry` is its first. */
static void try_other_entry(struct vec *x)
{
    const struct access *m = &x->access;
    access_other_entry(x->a, m->entry, m->address, m->tag);
    asm_lea(x->a, ASM_64, m->tag, asm_at(m->address, m->disp + (s32)ir_vector_bytes(&x->v) - 1));
    compare_page(x);
    asm_jcc(x->a, ASM_E, x->c->a.exec + m->resume);
}

/* Of the first `count` elements, at least one. AVX2 loads whole groups of short ones. */
static void look_up_part(struct vec *x)
{
    struct access *m = &x->access;
    struct asm_buf *a = x->a;
    access_index(a, x->c->features, m, m->address);
    asm_load(a, ASM_64, m->tag, state_at(x->c->context->guest->vector->count));
    if (!x->evex && x->sew < 2) {
        asm_alu_imm(a, ASM_CMP, ASM_64, m->tag, 0);
        vec_fail_if(x, ASM_E);
        asm_mov_imm(a, m->tag, x->group_bytes - 1);
    } else {
        asm_shift_imm(a, ASM_SHL, ASM_64, m->tag, x->v.sew);
        asm_alu_imm(a, ASM_SUB, ASM_64, m->tag, 1);
        vec_fail_if(x, ASM_B);
    }
    asm_alu_rr(a, ASM_ADD, ASM_64, m->tag, m->address);
    compare_page(x);
    vec_fail_if(x, ASM_NE);
    asm_load(a, ASM_64, m->tag, asm_at(m->entry, offsetof(struct tlb_entry, addend)));
}

/* --- the cold part --- */

enum { SAVED = FRAME_ARGS };

/* General registers for temp[], which the allocator does not know of: saved. */
static void borrow(struct vec *x)
{
    u32 taken = 0;
    const unsigned used[] = {x->scalar, x->result, x->access.entry, x->access.tag};
    unsigned count = ir_vector_is_memory(x->v.op) ? 4 : 2;
    for (unsigned n = 0; n < count; n++) {
        taken |= used[n] < 16 ? 1u << used[n] : 0;
    }
    unsigned t = count == 4 ? 1 : 0;
    x->temp[0] = count == 4 ? x->access.entry : (unsigned)NO_REG;
    for (unsigned n = 0; n < ARRAY_LEN(access_temps) && t < 2; n++) {
        if (!(taken >> access_temps[n] & 1)) {
            x->temp[t] = access_temps[n];
            asm_store(x->a, ASM_64, frame_at(SAVED + 8 * t), x->temp[t]);
            t++;
        }
    }
}

static void give_back(struct vec *x)
{
    for (unsigned t = ir_vector_is_memory(x->v.op) ? 1 : 0; t < 2; t++) {
        asm_load(x->a, ASM_64, x->temp[t], frame_at(SAVED + 8 * t));
    }
}

static bool has_part(const struct vec *x, const struct vec_row *row)
{
    return x->v.guard == IR_VECTOR_TYPE && x->group_bytes >> x->sew > 1 && can_part(x, row);
}

static void zero_upper(struct vec *x)
{
    if (!x->evex) {
        asm_u8(x->a, 0xc5);
        asm_u8(x->a, 0xf8);
        asm_u8(x->a, 0x77);
    }
}

/* Where the guard failed: fewer elements? Leaves the jumps to the helper in x->fails. */
static void emit_part(struct vec *x, const struct vec_row *row, const u8 *back)
{
    asm_alu_mem_imm(x->a, ASM_CMP, ASM_32, key_at(x), x->v.type);
    u32 other = asm_jcc_forward(x->a, ASM_NE);
    borrow(x);
    x->partial = true;
    x->fail_count = 0;
    if (ir_vector_is_memory(x->v.op)) {
        look_up_part(x);
    }
    row->emit(x);
    zero_upper(x);
    give_back(x);
    asm_jmp(x->a, back);
    for (unsigned n = 0; n < x->fail_count; n++) {
        asm_bind(x->a, x->fails[n]);
    }
    if (x->fail_count != 0) {
        give_back(x);
    }
    asm_bind(x->a, other);
}

static void leave_trace(struct vec *x, u32 fix_first, u32 fix_count)
{
    struct compile *c = x->c;
    if (c->insn_index == 0 && !c->in_way) {
        hoist_go_slow(c);
        return;
    }
    own_float_store(c, x->a);
    sink_fix(c, x->a, fix_first, fix_count, false);
    own_leave_pins(c, x->a);
    emit_exact(c, x->a);
    asm_jmp(x->a, thunk(c, THUNK_LEAVE));
}

static void call_helper(struct vec *x, const u8 *back)
{
    struct compile *c = x->c;
    struct asm_buf *a = x->a;
    const struct ir_insn *insns = c->ir->insns;
    asm_call(a, thunk(c, THUNK_VECTOR));
    asm_jmp(a, back);
    asm_u32(a, access_desc(c, 0));
    asm_u8(a, (x->scalar == NO_REG ? (unsigned)SITE_CONST : x->scalar) | SITE_KEEP_XMM);
    asm_u8(a, x->result);
    asm_u8(a, access_poison(c));
    u64 row = insns[x->insn->b].imm;
    asm_u8(a, (u8)row);
    asm_u8(a, (u8)(row >> 8));
    asm_u32(a, (u32)insns[x->insn->a].imm);
    asm_u64(a, (u64)x->value);
    asm_u64(a, x->insn->imm);
    if (access_page(c) != 0) {
        asm_u64(a, (u64)access_page(c));
    }
}

static void emit_cold(struct vec *x, const struct vec_row *row, u32 fix_first, u32 fix_count)
{
    struct compile *c = x->c;
    const u8 *back = c->a.exec + asm_offset(&c->a);
    bool guarded = x->v.guard < IR_VECTOR_FULL;
    u32 fails[VEC_FAILS_MAX];
    unsigned count = x->fail_count;
    memcpy(fails, x->fails, sizeof(fails));
    x->a = &c->cold;
    bool memory = ir_vector_is_memory(x->v.op);
    u32 to_helper = 0;
    if (memory && (!x->partial || x->v.count != 0)) {
        bind_cold(c, x->access.slow);
        try_other_entry(x);
        to_helper = guarded ? asm_jmp_forward(x->a) : 0;
    }
    if (guarded) {
        bind_cold(c, fails[0]);
    }
    if (has_part(x, row)) {
        emit_part(x, row, back);
    }
    for (unsigned n = guarded; n < count; n++) {
        bind_cold(c, fails[n]);
    }
    if (to_helper != 0) {
        asm_bind(x->a, to_helper);
    }
    if (access_must_leave(c)) {
        leave_trace(x, fix_first, fix_count);
    } else {
        call_helper(x, back);
    }
}

/* --- all of it --- */

static void emit(struct compile *c, const struct ir_insn *insn, unsigned rounds)
{
    struct vec x = {.c = c, .a = &c->a, .insn = insn, .v = ir_vector_of(c->ir, insn)};
    const struct vec_row *row = vec_row_of(x.v.op);
    const struct guest_vector *vector = c->context->guest->vector;
    set_shape(&x, c->features & HOST_FEATURE_AVX512);
    x.rounds = rounds;
    x.chunk_bytes *= rounds;
    claim(&x, row);
    if (ir_vector_may_shorten(x.v.op)) {
        alloc_home_lost(c, vector->state_first, vector->state_end - vector->state_first);
        alloc_home_killed(c, vector->key, 4);
    }
    bool keeps = vec_keep_begin(&x, row);
    u32 fix_first = c->fix_count;
    bool may_leave = c->fast && !hoist_has(c, c->at) && !keeps && !ir_vector_is_sure(&x.v);
    u32 fix_count = may_leave ? sink_way_out(c) : 0;
    guard(&x);
    bool looks_up = ir_vector_is_memory(x.v.op) && !hoist_has(c, c->at);
    if (looks_up && x.partial && x.v.count == 0) {
        look_up_part(&x);
    } else if (looks_up) {
        access_look_up_alone(c, &x.access);
    }
    if (keeps) {
        vec_keep_emit(&x, row);
    } else {
        row->emit(&x);
    }
    zero_upper(&x);
    if (x.fail_count != 0 || looks_up) {
        emit_cold(&x, row, fix_first, fix_count);
    }
}

void emit_vector(struct compile *c, const struct ir_insn *insn)
{
    if (!vec_rounds_are_merged(c)) {
        emit(c, insn, 1);
        return;
    }
    if (vec_rounds_begin(c) == 0) {
        emit(c, insn, c->rounds.merged);
    }
    vec_rounds_end(c);
}

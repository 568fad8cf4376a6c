/* Traces: groups of vector elements that stay in registers.
 *
 * In the fast body of a trace whose accesses were all checked at its head nothing calls C, so what
 * is in zmm16 to zmm27 stays there. Chunks of groups that were loaded or computed are kept, and
 * those computed are written to the guest's registers late: when their register is needed, before
 * an operation that does not know of this, at the end of a round, or by a way out (sink.c). Most
 * never are, since a loop's next round computes them again.
 *
 * What takes part: operations that are sure of their whole group. Plain ones, unmasked and of two
 * chunks at most, go from registers to registers here; others do what they always do, but find
 * their sources where they are (vec_rm) and leave their results in registers. Bits of masks are
 * always in the guest's registers. */
#include "translate/to_x86_64/emit_vector.h"

enum { FIRST_REG = 16, PART_REG = VEC_SPARE };

static u32 end_of(const struct kept_vector *kept)
{
    return kept->offset + kept->bytes;
}

static bool overlap(const struct kept_vector *kept, u32 offset, u32 bytes)
{
    return kept->bytes != 0 && kept->offset < offset + bytes && offset < end_of(kept);
}

static struct asm_vhow how_of(unsigned bytes)
{
    return (struct asm_vhow){.length = bytes > 32 ? 2 : bytes == 32 ? 1 : 0, .evex = true};
}

/* vextracti: 16 or 32 bytes of a register. */
static struct asm_vop extract_op(unsigned bytes)
{
    return (struct asm_vop){3, 1, bytes == 32, bytes == 32 ? 0x3b : 0x39};
}

/* The bytes of the register from `at` on. */
static void store(struct asm_buf *a, unsigned reg, unsigned at, u32 offset, unsigned bytes)
{
    if (at == 0) {
        asm_vrm(a, (struct asm_vop){1, 2, 0, 0x7f}, how_of(bytes), reg, 0, state_at(offset));
    } else {
        asm_vrm(a, extract_op(bytes), how_of(at + bytes), reg, 0, state_at(offset));
        asm_u8(a, at / bytes);
    }
}

void vec_keep_fix(struct asm_buf *a, const struct fix *fix)
{
    store(a, fix->reg, (unsigned)fix->imm >> 8, fix->offset, (u8)fix->imm);
}

static void clean(struct compile *c, unsigned n)
{
    struct kept_vector *kept = &c->kept_vectors[n];
    if (kept->dirty) {
        store(&c->a, FIRST_REG + n, kept->at, kept->offset, kept->bytes);
        kept->dirty = false;
    }
}

void vec_keep_flush(struct compile *c)
{
    for (unsigned n = 0; n < KEPT_VECTORS; n++) {
        clean(c, n);
        c->kept_vectors[n].bytes = 0;
    }
}

unsigned vec_keep_fixes(const struct compile *c, struct fix *fixes)
{
    unsigned count = 0;
    for (unsigned n = 0; c->keeps_vectors && n < KEPT_VECTORS; n++) {
        const struct kept_vector *kept = &c->kept_vectors[n];
        if (kept->dirty) {
            fixes[count++] = (struct fix){.kind = FIX_VECTOR, .reg = (u8)(FIRST_REG + n),
                                          .offset = kept->offset,
                                          .imm = kept->bytes | kept->at << 8};
        }
    }
    return count;
}

/* --- registers of one operation --- */

struct hold {
    struct vec *x;
    u32 locked; /* bits by number of kept_vectors */
};

static unsigned take(struct hold *hold)
{
    struct compile *c = hold->x->c;
    unsigned n = c->kept_vector_next;
    while (hold->locked >> n & 1) {
        n = (n + 1) % KEPT_VECTORS;
    }
    c->kept_vector_next = (n + 1) % KEPT_VECTORS;
    clean(c, n);
    c->kept_vectors[n].bytes = 0;
    hold->locked |= 1u << n;
    return n;
}

static u32 chunk_offset(const struct vec *x, unsigned unit, unsigned j)
{
    return x->c->context->guest->vector->file + 16 * unit + j * x->chunk_bytes;
}

/* What no round writes. */
static void load_for_all(struct vec *x, unsigned reg, u32 offset, unsigned bytes)
{
    struct asm_vop broadcast = {2, 1, bytes == 32, bytes == 32 ? 0x5b : 0x5a};
    asm_vrm(x->a, broadcast, vec_how(x), reg, 0, state_at(offset));
}

/* The register that has chunk j of the group. */
static u8 get(struct hold *hold, unsigned unit, unsigned j)
{
    struct compile *c = hold->x->c;
    u32 offset = chunk_offset(hold->x, unit, j), bytes = hold->x->chunk_bytes / hold->x->rounds;
    for (unsigned n = 0; n < KEPT_VECTORS; n++) {
        if (c->kept_vectors[n].offset == offset && c->kept_vectors[n].bytes == bytes) {
            hold->locked |= 1u << n;
            return (u8)(FIRST_REG + n);
        }
    }
    for (unsigned n = 0; n < KEPT_VECTORS; n++) {
        if (overlap(&c->kept_vectors[n], offset, bytes)) {
            clean(c, n);
        }
    }
    unsigned n = take(hold);
    c->kept_vectors[n] = (struct kept_vector){.offset = offset, .bytes = (u8)bytes};
    if (hold->x->rounds > 1) {
        load_for_all(hold->x, FIRST_REG + n, offset, bytes);
    } else {
        vec_load(hold->x, FIRST_REG + n, unit, j);
    }
    return (u8)(FIRST_REG + n);
}

void vec_keep_put(struct vec *x, unsigned j)
{
    struct compile *c = x->c;
    u32 offset = chunk_offset(x, x->v.d, j), bytes = x->chunk_bytes / x->rounds;
    for (unsigned n = 0; n < KEPT_VECTORS; n++) {
        struct kept_vector *kept = &c->kept_vectors[n];
        if (!overlap(kept, offset, bytes)) {
            continue;
        }
        if (kept->offset < offset || end_of(kept) > offset + bytes) {
            clean(c, n);
        }
        *kept = (struct kept_vector){0};
    }
    c->kept_vectors[x->r[j] - FIRST_REG] =
        (struct kept_vector){.offset = offset, .bytes = (u8)bytes, .dirty = true};
}

void vec_keep_turn(struct compile *c)
{
    for (unsigned n = 0; n < KEPT_VECTORS; n++) {
        struct kept_vector *kept = &c->kept_vectors[n];
        if (kept->dirty) {
            kept->at = (u8)((c->rounds.merged - 1) * kept->bytes);
        }
    }
}

bool vec_keep_reads_d(unsigned op)
{
    return op == IR_VECTOR_STORE || (op >= IR_VECTOR_MACC && op <= IR_VECTOR_NMSUB) ||
           (op >= IR_VECTOR_FMACC && op <= IR_VECTOR_FNMSUB);
}

bool vec_keep_reads_a(unsigned op)
{
    return !ir_vector_is_memory(op) && op != IR_VECTOR_MOVE;
}

bool vec_keep_is_plain(const struct ir_vector *v)
{
    const struct vec_row *row = vec_row_of(v->op);
    unsigned group_bytes = 1u << v->group_log2;
    return row != NULL && (row->flags & VEC_KEEPS) && !v->masked && group_bytes >= 16 &&
           group_bytes <= 128 && (v->op != IR_VECTOR_MUL || v->sew != 0);
}

bool vec_keep_is_sure(const struct compile *c, const struct ir_vector *v)
{
    return c->keeps_vectors && v->guard == IR_VECTOR_FULL && !ir_vector_is_memory(v->op) &&
           vec_keep_is_plain(v);
}

bool vec_keep_begin(struct vec *x, const struct vec_row *row)
{
    struct compile *c = x->c;
    bool can = c->keeps_vectors && (row->flags & (VEC_KEEPS | VEC_FINDS)) &&
               x->v.guard == IR_VECTOR_FULL &&
               (!ir_vector_is_memory(x->v.op) || hoist_has(c, c->at));
    if (!can) {
        if (c->keeps_vectors) {
            vec_keep_flush(c);
        }
        return false;
    }
    struct hold hold = {.x = x};
    if (!vec_keep_is_plain(&x->v)) {
        x->finds = true;
        bool stores = !(row->flags & (VEC_RESULT | VEC_BITS));
        for (unsigned j = 0; stores && j < x->chunks; j++) {
            x->r[j] = (u8)(FIRST_REG + take(&hold));
        }
        return false;
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        x->in_a[j] = vec_keep_reads_a(x->v.op) ? get(&hold, x->v.a, j) : 0;
        x->in_b[j] = x->v.second == IR_VECTOR_GROUP ? get(&hold, x->v.b, j) : x->s;
        x->in_d[j] = vec_keep_reads_d(x->v.op) ? get(&hold, x->v.d, j) : 0;
        x->r[j] = x->v.op == IR_VECTOR_STORE ? 0 : (u8)(FIRST_REG + take(&hold));
    }
    return true;
}

/* --- where operations find their sources --- */

/* Part number `part` of that size, of what kept_vectors[n] has. */
static unsigned part_of(struct vec *x, unsigned n, unsigned bytes, unsigned part)
{
    if (part == 0) {
        return FIRST_REG + n;
    }
    struct asm_vhow how = how_of(x->c->kept_vectors[n].bytes);
    asm_vrr(x->a, extract_op(bytes), how, FIRST_REG + n, 0, PART_REG);
    asm_u8(x->a, part);
    return PART_REG;
}

unsigned vec_kept(struct vec *x, u32 offset, unsigned bytes)
{
    const struct kept_vector *kept = x->c->kept_vectors;
    for (unsigned n = 0; n < KEPT_VECTORS; n++) {
        u32 before = offset - kept[n].offset;
        bool is_inside = before < kept[n].bytes && before + bytes <= kept[n].bytes;
        if (is_inside && (before == 0 || (bytes >= 16 && before % bytes == 0))) {
            return part_of(x, n, bytes, before / bytes);
        }
    }
    vec_keep_clean(x, offset, bytes);
    return NO_REG;
}

void vec_keep_clean(struct vec *x, u32 offset, u32 bytes)
{
    for (unsigned n = 0; x->finds && n < KEPT_VECTORS; n++) {
        if (overlap(&x->c->kept_vectors[n], offset, bytes)) {
            clean(x->c, n);
        }
    }
}

void vec_keep_lose(struct vec *x, u32 offset, u32 bytes)
{
    vec_keep_clean(x, offset, bytes);
    for (unsigned n = 0; x->finds && n < KEPT_VECTORS; n++) {
        if (overlap(&x->c->kept_vectors[n], offset, bytes)) {
            x->c->kept_vectors[n].bytes = 0;
        }
    }
}

/* --- operations, from registers to registers --- */

static const struct asm_vop load_op = {1, 2, 0, 0x6f}, store_op = {1, 2, 0, 0x7f};

static void fused(struct vec *x, struct asm_vop op, unsigned j)
{
    bool adds_to_d = x->v.op <= IR_VECTOR_FNMSAC;
    asm_vrr(x->a, load_op, vec_how(x), x->r[j], 0, x->in_d[j]);
    asm_vrr(x->a, op, vec_how(x), x->r[j], adds_to_d ? x->in_a[j] : x->in_b[j],
            adds_to_d ? x->in_b[j] : x->in_a[j]);
}

static void accumulate(struct vec *x, const struct vec_row *row, unsigned j)
{
    bool from_d = x->v.op == IR_VECTOR_MACC || x->v.op == IR_VECTOR_NMSAC;
    unsigned add = row->flags & VEC_SUB ? IR_VECTOR_SUB : IR_VECTOR_ADD;
    asm_vrr(x->a, row->op[x->sew], vec_how(x), x->t[0], from_d ? x->in_a[j] : x->in_d[j],
            x->in_b[j]);
    asm_vrr(x->a, vec_row_of(add)->op[x->sew], vec_how(x), x->r[j],
            from_d ? x->in_d[j] : x->in_a[j], x->t[0]);
}

static void operate(struct vec *x, const struct vec_row *row, unsigned j)
{
    struct asm_vop op = row->op[x->sew];
    bool swap = x->v.second != IR_VECTOR_GROUP && (row->flags & VEC_SWAP);
    switch (x->v.op) {
    case IR_VECTOR_LOAD:
    case IR_VECTOR_LOAD_FIRST:
        asm_vrm(x->a, load_op, vec_how(x), x->r[j], 0, vec_host_at(x, j));
        break;
    case IR_VECTOR_STORE:
        asm_vrm(x->a, store_op, vec_how(x), x->in_d[j], 0, vec_host_at(x, j));
        break;
    case IR_VECTOR_MOVE:
        asm_vrr(x->a, load_op, vec_how(x), x->r[j], 0, x->in_b[j]);
        break;
    default:
        if (vec_keep_reads_d(x->v.op) && x->v.op < IR_VECTOR_FADD) {
            accumulate(x, row, j);
        } else if (vec_keep_reads_d(x->v.op)) {
            fused(x, op, j);
        } else {
            asm_vrr(x->a, op, vec_how(x), x->r[j], swap ? x->in_b[j] : x->in_a[j],
                    swap ? x->in_a[j] : x->in_b[j]);
        }
        break;
    }
}

/* --- what is not a number --- */

static void make_chunk_canonical(const struct vec *x, struct asm_buf *a, unsigned j)
{
    bool wide = x->v.sew == 3;
    enum { UNORDERED = 3 };
    asm_vrr(a, (struct asm_vop){1, wide, wide, 0xc2}, vec_how(x), 3, x->r[j], x->r[j]);
    asm_u8(a, UNORDERED);
    if (vec_keep_reads_d(x->v.op)) {
        unsigned factor = x->v.op <= IR_VECTOR_FNMSAC ? x->in_a[j] : x->in_d[j];
        vec_raise_invalid(x, a, factor, x->in_b[j], x->t[0]);
        vec_raise_invalid(x, a, x->in_b[j], factor, x->t[0]);
    }
    vec_load_nan(x, a, x->r[j], 3);
}

/* In the cold part, since it is rare. */
static void make_canonical(struct vec *x)
{
    struct asm_buf *cold = &x->c->cold;
    asm_mask_test(x->a, 2);
    bind_cold(x->c, asm_jcc_forward(x->a, ASM_NE));
    for (unsigned j = 0; j < x->chunks; j++) {
        make_chunk_canonical(x, cold, j);
    }
    asm_jmp(cold, asm_exec(x->a));
}

/* What is no boxed single is a NaN. */
static void repeat_scalar(struct vec *x)
{
    bool single = x->v.second == IR_VECTOR_FLOAT && x->v.sew == 2;
    u32 field = 0;
    if (single) {
        vec_compare_box(x);
        field = asm_jcc_forward(x->a, ASM_NE);
    }
    vec_repeat(x, x->s, x->v.sew);
    if (single) {
        bind_cold(x->c, field);
        vec_load_nan(x, &x->c->cold, x->s, 0);
        asm_jmp(&x->c->cold, asm_exec(x->a));
    }
}

void vec_keep_emit(struct vec *x, const struct vec_row *row)
{
    bool is_float = x->v.op >= IR_VECTOR_FADD;
    if (!ir_vector_is_memory(x->v.op) && x->v.second != IR_VECTOR_GROUP) {
        repeat_scalar(x);
    }
    for (unsigned j = 0; j < x->chunks; j++) {
        operate(x, row, j);
        if (is_float) {
            vec_note_nan(x, j == 0, 0, x->r[j]);
        }
    }
    if (is_float) {
        make_canonical(x);
    }
    for (unsigned j = 0; x->v.op != IR_VECTOR_STORE && j < x->chunks; j++) {
        vec_keep_put(x, j);
    }
}

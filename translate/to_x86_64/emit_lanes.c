/* Code for sums over a trace's rounds in vectors, and stores; see lanes.c, lanes_store.c. Needs
 * AVX2. */
#include "translate/to_x86_64/asm_vector.h"
#include "translate/to_x86_64/compile.h"
#include "translate/to_x86_64/places.h"

/* While a sum's vectors are computed: XMM registers, some of which live values may have left. */
struct vectors {
    struct compile *c;
    u8 reg[PACK_REGS]; /* the first one is the sum's own */
    u8 spare;
    bool wide;         /* some were used as registers of 32 bytes */
};

static const struct asm_vhow narrow = {0};

static struct asm_vhow how_of(struct vectors *v, const struct pack *pack, unsigned bits)
{
    bool wide = pack->count * bits > 128;
    v->wide |= wide;
    return (struct asm_vhow){.length = wide};
}

static unsigned reg_of(const struct vectors *v, unsigned n)
{
    const struct pack *pack = &v->c->lanes.packs[n];
    return pack->reg == NO_PACK ? reg_of(v, pack->a) : v->reg[pack->reg];
}

static void make_zero(struct vectors *v, unsigned reg)
{
    asm_vrr(&v->c->a, (struct asm_vop){1, 1, 0, 0xef}, narrow, reg, reg, reg); /* vpxor */
}

/* --- operations --- */

/* dst = x op y, lane by lane. */
static void combine(struct vectors *v, unsigned op, unsigned bits, struct asm_vhow how,
                    unsigned dst, unsigned x, unsigned y)
{
    bool wide = bits == 64;
    struct asm_vop vop = {1, 1, 0, 0};
    switch (op) {
    case IR_ADD: vop.op = wide ? 0xd4 : 0xfe; break;
    case IR_SUB: vop.op = wide ? 0xfb : 0xfa; break;
    case IR_AND: vop.op = 0xdb; break;
    case IR_OR: vop.op = 0xeb; break;
    case IR_XOR: vop.op = 0xef; break;
    default: vop = (struct asm_vop){2, 1, 0, wide ? 0x28 : 0x40}; break; /* vpmuldq, vpmulld */
    }
    asm_vrr(&v->c->a, vop, how, dst, x, y);
}

static void shift(struct vectors *v, const struct pack *pack, unsigned dst, unsigned from)
{
    unsigned digit = pack->op == IR_SHL ? 6 : pack->op == IR_SHR ? 2 : 4;
    struct asm_vop op = {1, 1, 0, pack->bits == 64 ? 0x73 : 0x72};
    asm_vrr(&v->c->a, op, how_of(v, pack, pack->bits), digit, dst, from);
    asm_u8(&v->c->a, pack->imm);
}

/* vpmovsx or vpmovzx: to lanes of `bits` from such of `from_bits`. */
static struct asm_vop extend_op(unsigned from_bits, unsigned bits, bool is_signed)
{
    unsigned op = from_bits == 32   ? 5
                  : from_bits == 16 ? (bits == 32 ? 3 : 4)
                                    : (bits == 32 ? 1 : 2);
    return (struct asm_vop){2, 1, 0, (u8)((is_signed ? 0x20 : 0x30) + op)};
}

static void combine_floats(struct vectors *v, const struct pack *pack, struct asm_vhow how,
                           unsigned dst, unsigned x)
{
    unsigned op = pack->op == IR_FADD   ? 0x58
                  : pack->op == IR_FSUB ? 0x5c
                  : pack->op == IR_FMUL ? 0x59
                  : pack->op == IR_FDIV ? 0x5e
                                        : 0x51;
    bool unary = pack->op == IR_FSQRT;
    asm_vrr(&v->c->a, (struct asm_vop){1, pack->bits == 64, 0, (u8)op}, how, dst, unary ? 0 : x,
            unary ? x : reg_of(v, pack->b));
}

static void emit_op(struct vectors *v, const struct pack *pack, unsigned dst)
{
    struct asm_vhow how = how_of(v, pack, pack->bits);
    unsigned x = reg_of(v, pack->a);
    if (pack->is_float) {
        combine_floats(v, pack, how, dst, x);
        return;
    }
    switch (pack->op) {
    case IR_TRUNC: break; /* as it is */
    case IR_SEXT: case IR_ZEXT:
        asm_vrr(&v->c->a, extend_op(32, 64, pack->op == IR_SEXT), how, dst, 0, x);
        break;
    case IR_SHL: case IR_SHR: case IR_SAR: shift(v, pack, dst, x); break;
    default: combine(v, pack->op, pack->bits, how, dst, x, reg_of(v, pack->b)); break;
    }
}

/* --- leaves --- */

static void emit_same(struct vectors *v, const struct pack *pack, unsigned dst)
{
    struct compile *c = v->c;
    const struct ir_insn *insn = &c->ir->insns[pack->refs[0]];
    bool wide = pack->bits == 64;
    unsigned reg;
    if (pack->is_float) { /* vbroadcastsd, vbroadcastss */
        reg = alloc_use_xmm(c, pack->refs[0]);
        asm_vrr(&c->a, (struct asm_vop){2, 1, 0, wide ? 0x19 : 0x18}, how_of(v, pack, pack->bits),
                dst, 0, reg);
        return;
    }
    if (insn->op == IR_CONST && insn->imm == 0) {
        make_zero(v, dst);
        return;
    }
    if (insn->op == IR_CONST) {
        reg = alloc_temp(c);
        asm_mov_imm(&c->a, reg, wide ? insn->imm : (u32)insn->imm);
    } else {
        reg = alloc_use(c, pack->refs[0]);
    }
    asm_vrr(&c->a, (struct asm_vop){1, 1, wide, 0x6e}, narrow, dst, 0, reg); /* vmovd, vmovq */
    struct asm_vop broadcast = {2, 1, 0, wide ? 0x59 : 0x58};
    asm_vrr(&c->a, broadcast, how_of(v, pack, pack->bits), dst, 0, dst);
}

static unsigned load_bits(const struct compile *c, const struct pack *pack)
{
    return 8u << (c->ir->insns[pack->refs[0]].sub & IR_MEM_SIZE_MASK);
}

static bool load_extends(const struct compile *c, const struct pack *pack)
{
    return (c->ir->insns[pack->refs[0]].sub & IR_MEM_SIGNED) != 0;
}

static struct asm_mem place_of(struct compile *c, const struct pack *pack, unsigned lane)
{
    unsigned ref = pack->refs[lane];
    return hoist_place(c, c->hoist_of[ref] - 1u, hoist_disp(c, ref));
}

static void emit_load_pack(struct vectors *v, const struct pack *pack, unsigned dst)
{
    unsigned from_bits = load_bits(v->c, pack);
    struct asm_vop op = {1, 2, 0, 0x6f}; /* vmovdqu */
    if (from_bits != pack->bits) {
        op = extend_op(from_bits, pack->bits, load_extends(v->c, pack));
    }
    asm_vrm(&v->c->a, op, how_of(v, pack, pack->bits), dst, 0, place_of(v->c, pack, 0));
}

/* vpinsrb, w, d or q. */
static void insert(struct vectors *v, unsigned bits, unsigned reg, unsigned place,
                   struct asm_mem mem)
{
    struct asm_vop op = bits == 8    ? (struct asm_vop){3, 1, 0, 0x20}
                        : bits == 16 ? (struct asm_vop){1, 1, 0, 0xc4}
                                     : (struct asm_vop){3, 1, bits == 64, 0x22};
    asm_vrm(&v->c->a, op, narrow, reg, reg, mem);
    asm_u8(&v->c->a, place);
}

/* One by one into vectors of 16 bytes, and two of these into a longer one. */
static void emit_apart(struct vectors *v, const struct pack *pack, unsigned dst)
{
    unsigned bits = load_bits(v->c, pack), each = 128 / bits;
    for (unsigned lane = 0; lane < pack->count; lane++) {
        unsigned reg = lane < each ? dst : v->spare;
        if (lane % each == 0) {
            make_zero(v, reg);
        }
        insert(v, bits, reg, lane % each, place_of(v->c, pack, lane));
    }
    if (pack->count > each) { /* vinserti128 */
        asm_vrr(&v->c->a, (struct asm_vop){3, 1, 0, 0x38}, how_of(v, pack, bits), dst, dst,
                v->spare);
        asm_u8(&v->c->a, 1);
    }
    if (bits != pack->bits) {
        asm_vrr(&v->c->a, extend_op(bits, pack->bits, load_extends(v->c, pack)),
                how_of(v, pack, pack->bits), dst, 0, dst);
    }
}

static struct asm_mem slot_at(unsigned slot, unsigned byte)
{
    return frame_at(FRAME_LANES + LANE_SLOT_BYTES * slot + byte);
}

static void emit_pack(struct vectors *v, unsigned n)
{
    struct compile *c = v->c;
    const struct pack *pack = &c->lanes.packs[n];
    unsigned reg = reg_of(v, n);
    u32 locked = c->locked;
    switch (pack->kind) {
    case PACK_OP: emit_op(v, pack, reg); break;
    case PACK_SAME: emit_same(v, pack, reg); break;
    case PACK_LOAD: emit_load_pack(v, pack, reg); break;
    case PACK_APART: emit_apart(v, pack, reg); break;
    }
    if (pack->slot != NO_PACK) {
        asm_vrm(&c->a, (struct asm_vop){1, 2, 0, 0x7f}, how_of(v, pack, pack->bits), reg, 0,
                slot_at(pack->slot, 0));
    }
    c->locked = locked;
}

/* --- sums --- */

/* The upper half of the lanes joins the lower one, until one is left. */
static void fold(struct vectors *v, unsigned op, const struct pack *pack, unsigned reg)
{
    for (unsigned bits = pack->count * pack->bits; bits > pack->bits; bits /= 2) {
        if (bits > 128) { /* vextracti128 */
            asm_vrr(&v->c->a, (struct asm_vop){3, 1, 0, 0x39}, how_of(v, pack, pack->bits), reg, 0,
                    v->spare);
            asm_u8(&v->c->a, 1);
        } else { /* vpshufd */
            asm_vrr(&v->c->a, (struct asm_vop){1, 1, 0, 0x70}, narrow, v->spare, 0, reg);
            asm_u8(&v->c->a, bits == 128 ? 0xee : 0x55);
        }
        combine(v, op, pack->bits, narrow, reg, reg, v->spare);
    }
}

/* All lanes of the terms, in the frame. */
static void emit_terms(struct vectors *v, const struct sum *sum)
{
    struct compile *c = v->c;
    unsigned op = c->ir->insns[sum->root].op, to = v->reg[0];
    unsigned from = reg_of(v, sum->terms[0]);
    const struct pack *pack = &c->lanes.packs[sum->terms[0]];
    struct asm_vhow how = how_of(v, pack, pack->bits);
    if (sum->term_count == 1) {
        asm_vrr(&c->a, (struct asm_vop){1, 2, 0, 0x6f}, how, to, 0, from); /* vmovdqu */
    }
    for (unsigned n = 1; n < sum->term_count; n++) {
        combine(v, op, pack->bits, how, to, n == 1 ? from : to, reg_of(v, sum->terms[n]));
    }
    fold(v, op, pack, to);
    struct asm_vop vmovq = {1, 1, 0, 0xd6};
    asm_vrm(&c->a, vmovq, narrow, to, 0, slot_at(sum->slot, 0));
}

/* Lanes that are NaNs become the canonical one. */
static void make_canonical(struct vectors *v, const struct pack *pack, unsigned reg)
{
    enum { UNORDERED = 3 };
    struct asm_buf *a = &v->c->a;
    struct asm_vhow how = how_of(v, pack, pack->bits);
    bool wide = pack->bits == 64;
    unsigned mask = v->reg[0], nan = v->spare;
    const u8 *canonical = thunk(v->c, THUNK_FP_CONSTS) + 16 * (wide ? FP_NAN64 : FP_NAN32);
    asm_vrr(a, (struct asm_vop){1, wide, 0, 0xc2}, how, mask, reg, reg); /* vcmpps, vcmppd */
    asm_u8(a, UNORDERED);
    asm_vrip(a, (struct asm_vop){2, 1, 0, wide ? 0x19 : 0x18}, how, nan, 0, canonical, 0);
    asm_vrr(a, (struct asm_vop){3, 1, 0, wide ? 0x4b : 0x4a}, how, reg, reg, nan); /* vblendv */
    asm_u8(a, mask << 4);
}

static void emit_stores(struct vectors *v, const struct sum *sum)
{
    struct compile *c = v->c;
    unsigned reg = reg_of(v, sum->terms[0]);
    const struct pack *pack = &c->lanes.packs[sum->terms[0]];
    if (pack->is_float) {
        make_canonical(v, pack, reg);
    }
    struct asm_mem to = hoist_place(c, c->hoist_of[sum->store] - 1u, hoist_disp(c, sum->store));
    asm_vrm(&c->a, (struct asm_vop){1, 2, 0, 0x7f}, how_of(v, pack, pack->bits), reg, 0, to);
}

/* Whether no vectors follow in the body. */
static bool are_last(const struct compile *c, const struct sum *sum)
{
    for (unsigned n = 0; n < c->lanes.sum_count; n++) {
        if (c->lanes.sums[n].at > sum->at) {
            return false;
        }
    }
    return true;
}

static void emit_vectors(struct compile *c, const struct sum *sum)
{
    struct vectors v = {.c = c};
    for (unsigned n = 0; n < sum->reg_count; n++) {
        v.reg[n] = (u8)alloc_temp_xmm(c);
    }
    v.spare = (u8)alloc_temp_xmm(c);
    for (unsigned n = sum->first; n < sum->end; n++) {
        emit_pack(&v, n);
    }
    if (sum->root == IR_REF_NONE) {
        emit_stores(&v, sum);
    } else {
        emit_terms(&v, sum);
    }
    c->lanes.wide |= v.wide;
    if (c->lanes.wide && are_last(c, sum)) { /* vzeroupper: scalar code is SSE's */
        asm_u8(&c->a, 0xc5);
        asm_u8(&c->a, 0xf8);
        asm_u8(&c->a, 0x77);
    }
}

static void emit_root(struct compile *c, const struct ir_insn *insn, const struct sum *sum)
{
    static const u8 alus[] = {[IR_ADD] = ASM_ADD, [IR_AND] = ASM_AND, [IR_OR] = ASM_OR,
                              [IR_XOR] = ASM_XOR};
    unsigned width = width_of(insn->type);
    unsigned before = alloc_use(c, sum->before);
    unsigned dst = alloc_def(c);
    if (dst != before) {
        asm_mov(&c->a, width, dst, before);
    }
    asm_alu_rm(&c->a, alus[insn->op], width, dst, slot_at(sum->slot, 0));
    c->values[c->at].flags |= insn->type == IR_I32 ? (u8)VALUE_ZEXT : 0;
}

/* --- lanes that others need --- */

static void emit_lane(struct compile *c, const struct ir_insn *insn, const struct pack *pack)
{
    unsigned lane = 0;
    while (lane + 1u < pack->count && pack->refs[lane] != c->at) {
        lane++;
    }
    struct asm_mem at = slot_at(pack->slot, lane * pack->bits / 8);
    if (type_is_float(insn->type)) {
        u32 op = ASM_OP(insn->type == IR_F64 ? 0xf2 : 0xf3, 0x0f10);
        asm_rm(&c->a, op, ASM_32, alloc_def_xmm(c), at);
        if (insn->op != IR_LOAD) {
            nan_defer(c);
        }
        return;
    }
    asm_load(&c->a, width_of(insn->type), alloc_def(c), at);
    c->values[c->at].flags |= insn->type == IR_I32 ? (u8)VALUE_ZEXT : 0;
}

bool lanes_emit(struct compile *c, const struct ir_insn *insn)
{
    unsigned of = c->lanes.of[c->at];
    bool here = false;
    for (unsigned n = 0; n < c->lanes.sum_count; n++) {
        const struct sum *sum = &c->lanes.sums[n];
        if (sum->at == c->at) {
            here = true;
            emit_vectors(c, sum);
            c->locked = 0;
        } else if (sum->root == c->at) {
            emit_root(c, insn, sum);
        }
    }
    if (of >= LANES_PACK) {
        emit_lane(c, insn, &c->lanes.packs[of - LANES_PACK]);
    }
    return here || of != LANES_NONE;
}

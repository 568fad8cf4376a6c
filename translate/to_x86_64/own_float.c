/* Traces: floating-point registers of their own.
 *
 * A trace that computes leaves most of its results in guest registers that nobody reads any more,
 * but that must be right wherever it may be left. Storing them in each round costs little by
 * itself; but a store waits for its value in the same queue as arithmetic does, and there it is in
 * the way of the next round. So the fast body of a steady trace, where the host has AVX-512, keeps
 * doubles that its main way only writes in xmm16 and up, which nothing else uses there: a write is
 * a move between registers, which the host does by renaming. They are loaded where the fast body is
 * entered, and stored at ways out, by a routine in the cold part. Registers that are read before
 * they are written are carried (loop.c); writes that another one follows wait for ways out (sink.c)
 * as elsewhere, and a way out into another part of the fast body puts them into their registers.
 *
 * NaNs (nan.c). A register that only gets results of arithmetic is *loose*: a NaN in it is made
 * canonical where it is stored. So it may never hold another NaN that is not canonical: where one
 * is in the state, the slow body runs, a way that would put other values there is not made, and a
 * way out with such a value that waits leaves the trace. Others are checked when they are set. */
#include "translate/to_x86_64/asm_vector.h"
#include "translate/to_x86_64/compile.h"

enum { FIRST_XMM = 16, F64_PP = 3 /* f2 */, STORE_OP = 0x11, LOAD_OP = 0x10 };

static const struct asm_vhow evex = {.evex = true};

static const struct asm_vop compare_op = {1, 1, 1, 0x2e}, move_op = {1, 1, 1, 0x28},
                            from_general_op = {1, 1, 1, 0x6e}, load_op = {1, F64_PP, 1, LOAD_OP},
                            store_op = {1, F64_PP, 1, STORE_OP};

/* --- which --- */

static bool overlaps(const struct ir_insn *insn, u32 offset)
{
    return insn->imm < (u64)offset + 8 && offset < insn->imm + insn->sub;
}

static bool is_whole(const struct ir_insn *insn)
{
    return insn->sub == 8 && insn->type == IR_F64;
}

/* Arithmetic has no NaN as its result but the canonical one. */
static bool is_arithmetic(const struct compile *c, ir_ref ref)
{
    switch (c->ir->insns[ref].op) {
    case IR_FADD: case IR_FSUB: case IR_FMUL: case IR_FDIV: case IR_FSQRT: case IR_FMADD:
    case IR_FMIN: case IR_FMAX: case IR_FCVT_FF: case IR_FCVT_IF:
        return c->ir->insns[ref].type == IR_F64;
    default: return false;
    }
}

unsigned own_float_search(const struct compile *c, u32 offset)
{
    unsigned n = 0;
    while (n < c->float_count && c->floats[n].offset != offset) {
        n++;
    }
    return n < c->float_count ? n : (unsigned)OWN_FLOATS_NONE;
}

/* Whether the body does what it does with guest state and no more, without vectors. */
static bool is_plain(const struct compile *c)
{
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        bool calls = insn->op != IR_PROBE || !(insn->sub & IR_PROBE_NO_LOOK); /* C, for room */
        bool probe = insn->op >= IR_PROBE && insn->op < IR_INSN && !probe_waits(insn) &&
                     insn->op != IR_PROBE_ADD && calls;
        if (!insn->dead && (probe || insn->op == IR_VECTOR || !own_is_plain(insn))) {
            return false;
        }
    }
    return true;
}

/* Whether the main way only writes the register, always whole. */
static bool is_only_written(const struct compile *c, u32 offset)
{
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->dead || (insn->op != IR_GET && insn->op != IR_SET) || !overlaps(insn, offset)) {
            continue;
        }
        if (insn->op == IR_GET || !is_whole(insn)) {
            return false;
        }
    }
    return true;
}

static void note_set(struct compile *c, const struct ir_insn *set)
{
    unsigned n = own_float_find(c, (u32)set->imm);
    if (n == OWN_FLOATS_NONE && c->float_count < OWN_FLOATS_MAX &&
        is_only_written(c, (u32)set->imm)) {
        n = c->float_count++;
        c->floats[n].offset = (u32)set->imm;
        c->floats[n].loose = true;
    }
    if (n != OWN_FLOATS_NONE) {
        c->floats[n].loose &= is_arithmetic(c, set->a);
    }
}

void own_float_choose(struct compile *c)
{
    c->float_count = 0;
    bool may = c->fast && c->has_slow && (c->flags & HOST_STEADY) != 0 &&
               (c->features & HOST_FEATURE_AVX512) != 0 && c->wides.count == 0 &&
               c->lanes.sum_count == 0 && hoist_comes_back(c) && is_plain(c);
    for (unsigned i = 0; may && i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (!insn->dead && insn->op == IR_SET && c->sinks[i] == 0 && is_whole(insn)) {
            note_set(c, insn);
        }
    }
}

bool own_float_fits(const struct compile *c)
{
    for (unsigned i = 0; c->float_count != 0 && i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->dead || (insn->op != IR_GET && insn->op != IR_SET)) {
            continue;
        }
        for (unsigned n = 0; n < c->float_count; n++) {
            bool keeps = insn->op == IR_GET || c->sinks[i] != 0 || !c->floats[n].loose ||
                         is_arithmetic(c, insn->a);
            if (overlaps(insn, c->floats[n].offset) && (!is_whole(insn) || !keeps)) {
                return false;
            }
        }
    }
    return c->float_count == 0 || is_plain(c);
}

/* --- in and out --- */

/* What is stored: by a routine, since there may be many ways out. */
static void emit_store_all(struct compile *c)
{
    struct asm_buf *cold = &c->cold;
    c->floats_store = asm_exec(cold);
    for (unsigned n = 0; n < c->float_count; n++) {
        unsigned xmm = FIRST_XMM + n;
        if (c->floats[n].loose) {
            asm_vrr(cold, compare_op, evex, xmm, 0, xmm);
            u32 fine = asm_jcc_short(cold, ASM_NP);
            asm_vrip(cold, load_op, evex, xmm, 0, thunk(c, THUNK_FP_CONSTS) + 16 * FP_NAN64, 0);
            asm_bind_short(cold, fine);
        }
        asm_vrm(cold, store_op, evex, xmm, 0, state_at(c->floats[n].offset));
    }
    asm_u8(cold, 0xc3);
}

/* By integers: a comparison of floats would raise a flag at a signalling NaN. */
static void check_loose(struct compile *c)
{
    const u64 infinity = 0x7ff0000000000000u;
    struct asm_buf *a = &c->a;
    asm_mov_imm(a, RCX, infinity << 1);
    for (unsigned n = 0; n < c->float_count; n++) {
        if (c->floats[n].loose) {
            asm_load(a, ASM_64, RAX, state_at(c->floats[n].offset));
            asm_alu_rr(a, ASM_ADD, ASM_64, RAX, RAX); /* without the sign */
            asm_alu_rr(a, ASM_CMP, ASM_64, RAX, RCX);
            c->floats_nan[c->floats_nan_count++] = asm_jcc_forward(a, ASM_A);
        }
    }
}

void own_float_enter(struct compile *c)
{
    c->floats_nan_count = 0;
    if (LIKELY(c->float_count == 0)) {
        return;
    }
    emit_store_all(c);
    for (unsigned n = 0; n < c->float_count; n++) {
        asm_vrm(&c->a, load_op, evex, FIRST_XMM + n, 0, state_at(c->floats[n].offset));
    }
    check_loose(c);
}

void own_float_store(const struct compile *c, struct asm_buf *a)
{
    if (c->fast && c->float_count != 0) {
        asm_call(a, c->floats_store);
    }
}

void own_float_begin_slow(struct compile *c)
{
    for (unsigned n = 0; n < c->floats_nan_count; n++) {
        asm_bind(&c->a, c->floats_nan[n]);
    }
    c->float_count = 0;
}

/* --- reads and writes in the fast body --- */

void own_float_get(struct compile *c, unsigned n)
{
    asm_vrr(&c->a, move_op, evex, alloc_def_xmm(c), 0, FIRST_XMM + n);
    if (c->floats[n].loose) {
        nan_defer(c);
    }
}

void own_float_set(struct compile *c, const struct ir_insn *insn, unsigned n)
{
    if (!c->floats[n].loose) {
        nan_settle(c, insn->a);
    }
    asm_vrr(&c->a, move_op, evex, FIRST_XMM + n, 0, alloc_use_xmm(c, insn->a));
}

bool own_float_takes(const struct compile *c, unsigned first, unsigned count)
{
    for (unsigned i = first; c->float_count != 0 && i < first + count; i++) {
        unsigned n = own_float_find(c, c->fixes[i].offset);
        if (n != OWN_FLOATS_NONE && c->floats[n].loose && c->fixes[i].unchecked == IR_NONE) {
            return false;
        }
    }
    return true;
}

void own_float_fix(const struct compile *c, struct asm_buf *a, const struct fix *fix, unsigned n)
{
    unsigned to = FIRST_XMM + n;
    if (fix->kind == FIX_REG && fix->reg >= REG_XMM0) {
        if (fix->unchecked != IR_NONE && !c->floats[n].loose) {
            nan_fix(c, a, fix->unchecked, fix->reg - REG_XMM0);
        }
        asm_vrr(a, move_op, evex, to, 0, fix->reg - REG_XMM0);
    } else if (fix->kind == FIX_REG) {
        asm_vrr(a, from_general_op, evex, to, 0, fix->reg);
    } else if (fix->kind == FIX_CONST) {
        asm_mov_imm(a, RAX, (u64)fix->imm);
        asm_vrr(a, from_general_op, evex, to, 0, RAX);
    } else {
        asm_vrm(a, load_op, evex, to, 0,
                fix->kind == FIX_SLOT ? frame_at((unsigned)fix->imm) : state_at((u32)fix->imm));
    }
}

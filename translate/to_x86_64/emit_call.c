/* Calls of helpers. The helper's flags say what must be in the vcpu before and what may have
 * changed after; everything else stays in registers that C preserves. */
#include "translate/to_x86_64/access.h"

enum { CALLER_SAVED_PINS = 1u << R8 | 1u << R9 | 1u << R10 | 1u << R11 };

static const u8 arg_regs[4] = {RSI, RDX, RCX, R8};

static void store_pins(struct compile *c, bool all)
{
    for (unsigned n = 0; n < c->pinned_count; n++) {
        unsigned reg = x86_pinned_regs[n];
        if (all || ((unsigned)CALLER_SAVED_PINS >> reg & 1)) {
            asm_store(&c->a, ASM_64, state_at(c->context->guest->pinned[n]), reg);
        }
    }
}

static void load_pins(struct compile *c, bool all)
{
    for (unsigned n = 0; n < c->pinned_count; n++) {
        unsigned reg = x86_pinned_regs[n];
        if (all || ((unsigned)CALLER_SAVED_PINS >> reg & 1)) {
            asm_load(&c->a, ASM_64, reg, state_at(c->context->guest->pinned[n]));
        }
    }
}

/* --- arguments: all register sources first, in an order that overwrites none too early --- */

struct moves {
    u8 from[4], to[4];
    unsigned count;
};

static bool is_source(const struct moves *moves, unsigned reg)
{
    for (unsigned n = 0; n < moves->count; n++) {
        if (moves->from[n] == reg) {
            return true;
        }
    }
    return false;
}

static void drop_move(struct moves *moves, unsigned n)
{
    moves->count--;
    moves->from[n] = moves->from[moves->count];
    moves->to[n] = moves->to[moves->count];
}

static void move_all(struct compile *c, struct moves *moves)
{
    while (moves->count != 0) {
        bool progress = false;
        for (unsigned n = 0; n < moves->count; n++) {
            unsigned from = moves->from[n];
            unsigned to = moves->to[n];
            if (from == to || !is_source(moves, to)) {
                drop_move(moves, n);
                if (from != to) {
                    asm_mov(&c->a, ASM_64, to, from);
                }
                progress = true;
                break;
            }
        }
        if (!progress) { /* a cycle: exchange, and whoever wanted either finds it at the other */
            unsigned from = moves->from[0];
            unsigned to = moves->to[0];
            asm_rr(&c->a, 0x87, ASM_64, to, from);
            drop_move(moves, 0);
            for (unsigned n = 0; n < moves->count; n++) {
                if (moves->from[n] == to) {
                    moves->from[n] = (u8)from;
                } else if (moves->from[n] == from) {
                    moves->from[n] = (u8)to;
                }
            }
        }
    }
}

static void move_args(struct compile *c, const struct ir_insn *insn, unsigned count)
{
    const ir_ref refs[4] = {insn->a, insn->b, insn->c, insn->d};
    struct moves moves = {.count = 0};
    bool moved[4] = {false};
    for (unsigned n = 0; n < count; n++) {
        const struct value *value = root_of(c, refs[n]);
        if (value->reg < REG_XMM0) {
            moved[n] = true;
            moves.from[moves.count] = value->reg;
            moves.to[moves.count++] = arg_regs[n];
        }
    }
    move_all(c, &moves);
    for (unsigned n = 0; n < count; n++) {
        if (!moved[n]) {
            alloc_load(c, refs[n], arg_regs[n]);
        } else if (c->values[refs[n]].flags & VALUE_BOXED) {
            alloc_box(c, arg_regs[n]);
        }
    }
}

/* --- exact pc and instruction count --- */

static void reload_insns(struct compile *c)
{
    asm_load(&c->a, ASM_64, R15, VCPU_AT(insns));
    if (uncounted(c) != 0) {
        asm_alu_imm(&c->a, ASM_SUB, ASM_64, R15, (s32)uncounted(c));
    }
}

/* HELPER_ZEROES in place. The arguments are in their registers, and all but the third are left for
 * the call; nothing else is in those that C may change. Returns the jump behind the call. */
static u32 zero_in_place(struct compile *c)
{
    static const size_t xmm_bytes = 16;
    struct asm_buf *a = &c->a;
    struct access m = {.entry = RAX, .table = NO_REG};
    asm_rr(a, 0x85, ASM_64, RCX, RCX); /* test */
    u32 forbidden = asm_jcc_short(a, ASM_E);
    asm_mov(a, ASM_64, RDI, RSI);
    asm_alu_imm(a, ASM_AND, ASM_64, RDI, -(s32)HELPER_ZEROES_BYTES);
    access_index(a, c->features, &m, RDI);
    asm_mov(a, ASM_64, RCX, RDI);
    asm_alu_imm(a, ASM_AND, ASM_64, RCX, -(s32)PAGE_BYTES);
    asm_alu_rm(a, ASM_CMP, ASM_64, RCX, asm_at(RAX, access_tag_offset(true)));
    u32 other = asm_jcc_short(a, ASM_NE);
    asm_alu_rm(a, ASM_ADD, ASM_64, RDI, asm_at(RAX, offsetof(struct tlb_entry, addend)));
    asm_rr(a, 0x0f57, ASM_32, 0, 0); /* xorps */
    for (size_t at = 0; at < HELPER_ZEROES_BYTES; at += xmm_bytes) {
        asm_rm(a, 0x0f11, ASM_32, 0, asm_at(RDI, (s32)at)); /* movups */
    }
    u32 done = asm_jmp_forward(a);
    asm_bind_short(a, forbidden);
    asm_bind_short(a, other);
    return done;
}

static void go_if_raised(struct compile *c)
{
    asm_alu_mem_imm(&c->a, ASM_CMP, ASM_32, VCPU_AT(exception_pending), 0);
    if (LIKELY(c->path == 0)) {
        asm_jcc(&c->a, ASM_NE, thunk(c, THUNK_RAISED));
        return;
    }
    bind_cold(c, asm_jcc_forward(&c->a, ASM_NE));
    emit_path_ends(c, &c->cold, c->counted);
    asm_jmp(&c->cold, thunk(c, THUNK_RAISED));
}

void emit_call(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    u32 done = 0;
    const struct helper *helper = (const struct helper *)(uintptr_t)insn->imm;
    bool exact = helper->flags & (HELPER_NEEDS_PC | HELPER_MAY_RAISE);
    bool keeps_pins = helper->flags & HELPER_KEEPS_PINNED;
    bool reads = !keeps_pins && (helper->flags & (HELPER_READS_STATE | HELPER_WRITES_STATE));
    bool writes = !keeps_pins && (helper->flags & HELPER_WRITES_STATE);
    if (helper->flags & HELPER_WRITES_STATE) {
        alloc_forget_homes(c);
    }
    if (writes) {
        alloc_spill_pins(c);
    }
    alloc_spill_for_call(c);
    store_pins(c, reads);
    move_args(c, insn, helper->arg_count);
    alloc_keep_none(c);
    alloc_drop(c, c->temps | 0xffff0000u | (writes ? 0xffffu : 0u));
    if ((helper->flags & HELPER_ZEROES) && !(c->flags & HOST_WATCHED)) {
        done = zero_in_place(c);
    }
    if (exact) {
        emit_exact(c, &c->a);
    }
    if (helper->flags & HELPER_FPU) {
        asm_call(a, thunk(c, THUNK_FPU_LEAVE));
    }
    asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
    if (UNLIKELY(c->context->slow->helper != NULL)) {
        asm_mov_imm(a, R9, (u64)(uintptr_t)helper); /* the sixth argument; the pin is stored */
        asm_call_far(a, (const void *)(uintptr_t)c->context->slow->helper);
    } else {
        asm_call_far(a, (const void *)(uintptr_t)helper->fn);
    }
    if (helper->flags & HELPER_FPU) {
        asm_call(a, thunk(c, THUNK_FPU_ENTER));
    }
    load_pins(c, writes);
    if (exact) {
        reload_insns(c);
    }
    if (helper->flags & HELPER_MAY_RAISE) {
        go_if_raised(c);
    }
    if (done != 0) {
        asm_bind(a, done);
    }
    if (helper->has_result && c->values[c->at].last_use != 0) {
        c->locked |= 1u << RAX;
        alloc_def_in(c, RAX);
    }
}

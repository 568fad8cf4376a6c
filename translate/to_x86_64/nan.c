/* NaNs of arithmetic, made canonical late.
 *
 * RISC-V's arithmetic gives one NaN, the canonical one; the host's gives the operands' or its own.
 * Which NaN it is shows in bits alone: arithmetic, comparisons and conversions answer to every
 * quiet NaN alike, flags included. So a result is left as it is, *unchecked*, until its bits could
 * be seen: until it is stored, moved as bits, gets another sign, or is in a guest register where
 * somebody may look. Most intermediate results never are. Where traces put writes of registers off
 * (sink.c), their ways out check.
 *
 * A register that was set waits once more, for the next value to check or for something that may
 * look: one comparison finds a NaN among two values. So what is stored is checked with what is
 * stored next, if nothing waits and that is there already. */
#include "translate/to_x86_64/alloc.h"
#include "translate/to_x86_64/loop.h"

static u32 compare_op(unsigned type)
{
    return type == IR_F64 ? ASM_OP(0x66, 0x0f2e) : 0x0f2e;
}

static u32 load_op(unsigned type)
{
    return ASM_OP(type == IR_F64 ? 0xf2 : 0xf3, 0x0f10);
}

static u32 store_op(unsigned type)
{
    return ASM_OP(type == IR_F64 ? 0xf2 : 0xf3, 0x0f11);
}

void nan_fix(const struct compile *c, struct asm_buf *a, unsigned type, unsigned xmm)
{
    unsigned which = type == IR_F64 ? FP_NAN64 : FP_NAN32;
    asm_rr(a, compare_op(type), ASM_32, xmm, xmm);
    u32 fine = asm_jcc_short(a, ASM_NP);
    asm_rip(a, load_op(type), ASM_32, xmm, thunk(c, THUNK_FP_CONSTS) + 16 * which);
    asm_bind_short(a, fine);
}

void nan_defer(struct compile *c)
{
    c->values[c->at].flags |= VALUE_UNCHECKED;
}

static bool is_unchecked(const struct compile *c, unsigned root)
{
    return (c->values[root].flags & VALUE_UNCHECKED) != 0;
}

/* The XMM register (the host's number) that the value is in now, or NO_REG. */
static unsigned xmm_of(const struct compile *c, unsigned root)
{
    unsigned reg = c->values[root].reg;
    return reg != NO_REG && reg >= REG_XMM0 ? reg - REG_XMM0 : (unsigned)NO_REG;
}

/* --- the check; of each value: its register, state that holds it, its slot --- */

static void fix_places(struct compile *c, unsigned type, unsigned xmm, u32 home, unsigned slot)
{
    struct asm_buf *a = &c->a;
    nan_fix(c, a, type, xmm);
    if (home != NO_HOME) {
        asm_rm(a, store_op(type), ASM_32, xmm, state_at(home));
    }
    if (slot != NO_SLOT) {
        asm_rm(a, store_op(type), ASM_32, xmm, frame_at(FRAME_SLOTS + 8 * slot));
    }
}

/* reg[0], reg[1]: XMM registers, the second may be none; fix_first, fix_count: state that holds the
 * values; target: their slots; data: type */
static void stub_nan(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    unsigned type = stub->data;
    unsigned second = (unsigned)((u64)stub->target >> 16);
    fix_places(c, type, stub->reg[0], stub->fix_first, (u16)stub->target);
    if (stub->reg[1] != NO_REG) {
        fix_places(c, type, stub->reg[1], stub->fix_count, second);
    } else if (stub->fix_count != NO_HOME) {
        asm_rm(a, ASM_OP(0xf2, 0x0f11), ASM_32, stub->reg[0], frame_at(FRAME_ARGS));
        asm_rm(a, load_op(type), ASM_32, stub->reg[0], state_at(stub->fix_count));
        fix_places(c, type, stub->reg[0], stub->fix_count, second);
        asm_rm(a, ASM_OP(0xf2, 0x0f10), ASM_32, stub->reg[0], frame_at(FRAME_ARGS));
    }
    stub_return(c, stub);
}

/* An unchecked value of that type in a register, another than `root`, that is stored soon. */
static struct nan_wait find_stored(const struct compile *c, unsigned root)
{
    enum { SOON = 8 };
    unsigned type = c->ir->insns[root].type;
    for (unsigned n = c->live_at + 1; n < IR_MAX_INSNS && n <= c->live_at + SOON; n++) {
        const struct ir_insn *insn = &c->ir->insns[c->live[n]];
        unsigned other = insn->op == IR_STORE ? c->values[insn->c].root : root;
        if (other != root && is_unchecked(c, other) && c->ir->insns[other].type == type &&
            xmm_of(c, other) != NO_REG) {
            return (struct nan_wait){(u16)other, c->values[other].home};
        }
    }
    return (struct nan_wait){IR_REF_NONE, NO_HOME};
}

/* Which value to check together with that one: what waits if it is of the same type. */
static struct nan_wait find_second(const struct compile *c, unsigned root)
{
    struct nan_wait wait = c->nan_wait;
    if (wait.root != IR_REF_NONE && c->ir->insns[wait.root].type == c->ir->insns[root].type) {
        return wait;
    }
    return find_stored(c, root);
}

/* Checks the value in `xmm`, which state at `home` holds too, and with it another one if there is
 * one. */
static void check(struct compile *c, unsigned root, unsigned xmm, u32 home)
{
    const struct nan_wait second = find_second(c, root);
    unsigned type = c->ir->insns[root].type;
    bool both = second.root != IR_REF_NONE;
    unsigned other = both ? xmm_of(c, second.root) : xmm;
    if (other != NO_REG) {
        asm_rr(&c->a, compare_op(type), ASM_32, xmm, other);
    } else {
        asm_rm(&c->a, compare_op(type), ASM_32, xmm, state_at(second.offset));
    }
    struct stub *stub = stub_add(c, stub_nan, asm_jcc_forward(&c->a, ASM_P));
    stub->back = asm_offset(&c->a);
    stub->data = type;
    stub->reg[0] = (u8)xmm;
    stub->reg[1] = (u8)(both ? other : (unsigned)NO_REG);
    stub->fix_first = home;
    stub->fix_count = both ? second.offset : NO_HOME;
    stub->target = c->values[root].slot | (s64)NO_SLOT << 16;
    c->values[root].flags &= (u8)~VALUE_UNCHECKED;
    if (both) {
        stub->target = c->values[root].slot | (s64)c->values[second.root].slot << 16;
        c->values[second.root].flags &= (u8)~VALUE_UNCHECKED;
        if (c->nan_wait.root == second.root) {
            c->nan_wait.root = IR_REF_NONE;
        }
    }
}

/* Nothing is left that waits. */
static void flush(struct compile *c)
{
    struct nan_wait wait = c->nan_wait;
    c->nan_wait.root = IR_REF_NONE;
    if (wait.root == IR_REF_NONE || !is_unchecked(c, wait.root)) {
        return;
    }
    unsigned xmm = xmm_of(c, wait.root);
    if (xmm == NO_REG) {
        xmm = alloc_temp_xmm(c);
        asm_rm(&c->a, load_op(c->ir->insns[wait.root].type), ASM_32, xmm, state_at(wait.offset));
    }
    check(c, wait.root, xmm, wait.offset);
    c->locked = 0;
}

void nan_settle(struct compile *c, ir_ref ref)
{
    unsigned root = c->values[ref].root;
    if (!is_unchecked(c, root)) {
        return;
    }
    if (root == c->nan_wait.root) {
        flush(c);
        return;
    }
    u32 home = c->values[root].home;
    unsigned xmm = alloc_use_xmm(c, (ir_ref)root);
    check(c, root, xmm, home);
    c->locked = 0;
}

/* --- guest registers --- */

static bool overlaps(const struct nan_wait *wait, const struct ir_insn *insn)
{
    return (u32)insn->imm < wait->offset + 8 && wait->offset < (u32)insn->imm + insn->sub;
}

void nan_before(struct compile *c, const struct ir_insn *insn)
{
    if (scan_looks(c, c->at) || (insn->op == IR_GET && overlaps(&c->nan_wait, insn))) {
        flush(c);
    }
}

void nan_before_set(struct compile *c, const struct ir_insn *insn)
{
    unsigned root = c->values[insn->a].root;
    const struct nan_wait *wait = &c->nan_wait;
    bool whole = insn->sub == 8 && pin_of(c, (u32)insn->imm) == NO_REG &&
                 loop_carrier(c, (u32)insn->imm, 8) == NO_REG;
    if (is_unchecked(c, root) && (!whole || root == wait->root)) {
        nan_settle(c, insn->a);
    }
    if (wait->root != IR_REF_NONE && overlaps(wait, insn)) {
        if (insn->sub == 8 && (u32)insn->imm == wait->offset) {
            c->nan_wait.root = IR_REF_NONE; /* nobody has seen it */
        } else {
            flush(c);
        }
    }
}

void nan_after_set(struct compile *c, const struct ir_insn *insn)
{
    unsigned root = c->values[insn->a].root;
    if (!is_unchecked(c, root)) {
        return;
    }
    u32 offset = (u32)insn->imm;
    struct nan_wait *wait = &c->nan_wait;
    unsigned xmm = xmm_of(c, root);
    if (wait->root != IR_REF_NONE && xmm != NO_REG &&
        c->ir->insns[wait->root].type == c->ir->insns[root].type) {
        check(c, root, xmm, offset);
        return;
    }
    flush(c);
    *wait = (struct nan_wait){.root = (u16)root, .offset = offset};
}

/* Register allocation on the fly: each instruction asks for its operands and claims a place for its
 * result. A register that is not locked by the current instruction may lose its value to a frame
 * slot, or for nothing when the value is a constant or guest state holds it.
 *
 * A value whose last use lies before the current instruction is dead and its places are free; one
 * whose last use is the current instruction stays until the result is claimed. */
#include "translate/to_x86_64/alloc.h"

enum { TEMP_COUNT = 5 };
static const u8 temp_order[TEMP_COUNT] = {RSI, RDI, RCX, RDX, RAX};

/* --- moving values --- */

static void move_reg(struct compile *c, unsigned to, unsigned from)
{
    struct asm_buf *a = &c->a;
    if (to == from) {
        return;
    }
    if (to < REG_XMM0 && from < REG_XMM0) {
        asm_mov(a, ASM_64, to, from);
    } else if (to < REG_XMM0) {
        asm_rr(a, ASM_OP(0x66, 0x0f7e), ASM_64, from - REG_XMM0, to);
    } else if (from < REG_XMM0) {
        asm_rr(a, ASM_OP(0x66, 0x0f6e), ASM_64, to - REG_XMM0, from);
    } else {
        asm_rr(a, 0x0f28, ASM_32, to - REG_XMM0, from - REG_XMM0);
    }
}

static void load_mem(struct compile *c, unsigned to, struct asm_mem mem, unsigned bytes)
{
    if (to < REG_XMM0) {
        asm_load(&c->a, bytes == 8 ? ASM_64 : ASM_32, to, mem);
    } else {
        asm_rm(&c->a, ASM_OP(bytes == 8 ? 0xf2 : 0xf3, 0x0f10), ASM_32, to - REG_XMM0, mem);
    }
}

u64 alloc_const_bits(const struct compile *c, unsigned root)
{
    const struct ir_insn *insn = &c->ir->insns[root];
    return insn->type == IR_I32 || insn->type == IR_F32 ? (u32)insn->imm : insn->imm;
}

/* A constant into an XMM register; leaves general registers as they are. */
static void load_const_xmm(struct compile *c, unsigned xmm, u64 bits)
{
    if (bits == 0) {
        asm_rr(&c->a, 0x0f57, ASM_32, xmm, xmm);
        return;
    }
    asm_mov_mem_imm(&c->a, ASM_32, frame_at(FRAME_RESULT), (s32)bits);
    asm_mov_mem_imm(&c->a, ASM_32, frame_at(FRAME_RESULT + 4), (s32)(bits >> 32));
    load_mem(c, xmm + REG_XMM0, frame_at(FRAME_RESULT), 8);
}

void alloc_load_root(struct compile *c, unsigned root, unsigned to)
{
    const struct value *value = &c->values[root];
    if (value->reg != NO_REG) {
        move_reg(c, to, value->reg);
    } else if (value->flags & VALUE_CONST) {
        if (to < REG_XMM0) {
            asm_mov_imm(&c->a, to, alloc_const_bits(c, root));
        } else {
            load_const_xmm(c, to - REG_XMM0, alloc_const_bits(c, root));
        }
    } else if (value->home != NO_HOME) {
        load_mem(c, to, state_at(value->home), value->home_bytes);
    } else if (value->slot != NO_SLOT) {
        load_mem(c, to, frame_at(FRAME_SLOTS + 8u * value->slot), 8);
    } else {
        c->status = HOST_TOO_COMPLEX; /* not reached: every live value is somewhere */
    }
}

/* --- giving up registers --- */

/* The first that is free: near ones have short displacements. */
static unsigned slot_find(struct compile *c)
{
    for (unsigned slot = 0; slot < FRAME_SLOT_COUNT; slot++) {
        if (slot == c->slot_end) {
            c->slot_end = slot + 1;
            return slot;
        }
        struct value *owner = &c->values[c->slot_value[slot]];
        if (owner->last_use < c->at) {
            owner->slot = NO_SLOT; /* a NaN that waits (nan.c) outlives its uses */
            return slot;
        }
    }
    c->status = HOST_TOO_COMPLEX;
    return 0;
}

static bool has_memory(const struct value *value)
{
    return (value->flags & VALUE_CONST) || value->home != NO_HOME || value->slot != NO_SLOT;
}

void alloc_spill(struct compile *c, unsigned reg)
{
    u16 ref = c->reg_value[reg];
    struct value *value = &c->values[ref];
    if (has_memory(value)) {
        return;
    }
    unsigned slot = slot_find(c);
    struct asm_mem mem = frame_at(FRAME_SLOTS + 8 * slot);
    c->slot_value[slot] = ref;
    value->slot = (u16)slot;
    if (reg < REG_XMM0) {
        asm_store(&c->a, ASM_64, mem, reg);
    } else {
        asm_rm(&c->a, ASM_OP(0xf2, 0x0f11), ASM_32, reg - REG_XMM0, mem);
    }
}

/* --- addends that are kept (access.c) --- */

void alloc_keep(struct compile *c, struct kept *kept, unsigned reg)
{
    alloc_lose_kept(c, reg);
    kept->reg = (u8)reg;
    c->kept_regs |= alloc_bit(reg);
    c->kept_used |= 1u << (kept - c->kept);
}

void alloc_unkeep(struct compile *c, struct kept *kept)
{
    if (kept->reg != NO_REG) {
        c->kept_regs &= ~alloc_bit(kept->reg);
    }
    kept->reg = NO_REG;
    kept->saved = false;
    c->kept_used &= ~(1u << (kept - c->kept));
}

void alloc_keep_none(struct compile *c)
{
    c->kept_regs = 0;
    c->kept_used = 0;
    c->chain.kept = NULL;
    for (unsigned n = 0; n < KEPT_MAX; n++) {
        c->kept[n].reg = NO_REG;
        c->kept[n].saved = false;
    }
}

static unsigned kept_in(const struct compile *c, unsigned reg)
{
    unsigned n = 0;
    while (c->kept[n].reg != reg) {
        n++;
    }
    return n;
}

void alloc_lose_kept(struct compile *c, unsigned reg)
{
    if (c->kept_regs & alloc_bit(reg)) {
        unsigned n = kept_in(c, reg);
        c->kept[n].reg = NO_REG;
        c->kept_regs &= ~alloc_bit(reg);
        c->kept_used &= c->kept[n].saved ? ~0u : ~(1u << n);
    }
}

/* Before the register is overwritten: an addend in it goes to the frame. */
static void save_kept(struct compile *c, unsigned reg)
{
    if (LIKELY(!(c->kept_regs & alloc_bit(reg)))) {
        return;
    }
    unsigned n = kept_in(c, reg);
    if (!c->kept[n].saved) {
        c->kept[n].saved = true;
        asm_store(&c->a, ASM_64, frame_at(FRAME_KEPT + 8 * n), reg);
    }
}

static bool is_kept(const struct compile *c, unsigned reg)
{
    return (c->kept_regs & alloc_bit(reg)) || (c->fast && hoist_holds(c, reg));
}

unsigned alloc_idle_temp(const struct compile *c, u32 except)
{
    for (unsigned i = 0; i < TEMP_COUNT; i++) {
        unsigned reg = temp_order[i];
        if (!((c->locked | except) & alloc_bit(reg)) && !is_kept(c, reg) &&
            !alloc_used_from(c, reg, c->at)) {
            return reg;
        }
    }
    return NO_REG;
}

/* The register of a kept addend or host address is free too, but taken last. */
static unsigned free_temp(const struct compile *c)
{
    unsigned last = NO_REG;
    const u32 locked = c->locked;
#pragma GCC unroll 5
    for (unsigned i = 0; i < TEMP_COUNT; i++) {
        unsigned reg = temp_order[i];
        if ((locked & alloc_bit(reg)) || alloc_used_from(c, reg, c->at)) {
            continue;
        }
        if (LIKELY(!is_kept(c, reg))) {
            return reg;
        }
        last = reg;
    }
    return last;
}

/* A register that a trace has for values (own.c). */
static unsigned free_extra(const struct compile *c)
{
    for (u32 left = c->temps & c->extras & ~c->locked; left != 0; left &= left - 1) {
        unsigned reg = (unsigned)__builtin_ctz(left);
        if (!alloc_used_from(c, reg, c->at)) {
            return reg;
        }
    }
    return NO_REG;
}

bool alloc_has_extra(const struct compile *c)
{
    return c->extras != 0 && free_extra(c) != NO_REG;
}

static unsigned free_xmm(const struct compile *c)
{
    for (unsigned reg = REG_XMM0; reg < xmm_end(c); reg++) {
        if (!(c->locked & alloc_bit(reg)) && !alloc_used_from(c, reg, c->at)) {
            return reg;
        }
    }
    return NO_REG;
}

/* Empties `reg`; a value still used at or after instruction `from` goes elsewhere. */
static void evict_from(struct compile *c, unsigned reg, unsigned from)
{
    u16 ref = c->reg_value[reg];
    save_kept(c, reg);
    if (ref == IR_REF_NONE || !alloc_used_from(c, reg, from) || has_memory(&c->values[ref])) {
        alloc_unbind(c, reg);
        return;
    }
    unsigned to = NO_REG;
    if (reg < REG_XMM0) {
        u32 locked = c->locked;
        c->locked |= alloc_bit(reg);
        to = free_extra(c);
        to = to == NO_REG ? free_temp(c) : to;
        c->locked = locked;
    }
    if (to == NO_REG) {
        alloc_spill(c, reg);
        alloc_unbind(c, reg);
        return;
    }
    save_kept(c, to);
    move_reg(c, to, reg);
    alloc_unbind(c, reg);
    alloc_bind(c, ref, to);
}

void alloc_evict(struct compile *c, unsigned reg)
{
    evict_from(c, reg, c->at + 1);
}

/* The register whose value is cheapest to lose: one in memory already, else the one whose last use
 * is furthest away. */
static unsigned victim(const struct compile *c, unsigned first, unsigned end)
{
    unsigned best = NO_REG;
    unsigned best_score = 0;
    for (unsigned reg = first; reg < end; reg++) {
        bool temp = reg >= REG_XMM0 || (c->temps & ~c->extras & alloc_bit(reg));
        if (!temp || (c->locked & alloc_bit(reg))) {
            continue;
        }
        const struct value *value = &c->values[c->reg_value[reg]];
        unsigned score = value->last_use + (has_memory(value) ? 2u * IR_MAX_INSNS : 1u);
        if (score > best_score) {
            best_score = score;
            best = reg;
        }
    }
    return best;
}

/* The value goes to a register that only values may have, or to memory. */
static void give_up(struct compile *c, unsigned reg)
{
    unsigned extra = reg < REG_XMM0 ? free_extra(c) : (unsigned)NO_REG;
    if (extra == NO_REG || has_memory(&c->values[c->reg_value[reg]])) {
        alloc_spill(c, reg);
        return;
    }
    u16 ref = c->reg_value[reg];
    move_reg(c, extra, reg);
    alloc_unbind(c, reg);
    alloc_bind(c, ref, extra);
}

/* None is free: what is in one goes elsewhere. No operation has more operands than registers. */
static NOINLINE unsigned take_from_value(struct compile *c, bool xmm)
{
    unsigned reg = xmm ? victim(c, REG_XMM0, xmm_end(c)) : victim(c, 0, REG_XMM0);
    if (reg == NO_REG) {
        c->status = HOST_TOO_COMPLEX;
        return xmm ? (unsigned)REG_XMM0 : (unsigned)RAX;
    }
    give_up(c, reg);
    save_kept(c, reg);
    alloc_unbind(c, reg);
    c->locked |= alloc_bit(reg);
    return reg;
}

/* For a value of the current instruction or later ones. */
static unsigned take_for_value(struct compile *c, bool xmm)
{
    unsigned reg = xmm ? (unsigned)NO_REG : free_extra(c);
    if (reg == NO_REG) {
        return alloc_take_any(c, xmm);
    }
    alloc_unbind(c, reg);
    c->locked |= alloc_bit(reg);
    return reg;
}

unsigned alloc_take_any(struct compile *c, bool xmm)
{
    unsigned reg = xmm ? free_xmm(c) : free_temp(c);
    if (UNLIKELY(reg == NO_REG)) {
        return take_from_value(c, xmm);
    }
    save_kept(c, reg);
    alloc_unbind(c, reg);
    c->locked |= alloc_bit(reg);
    return reg;
}

unsigned alloc_temp(struct compile *c)
{
    return alloc_take_any(c, false);
}

unsigned alloc_temp_xmm(struct compile *c)
{
    return alloc_take_any(c, true) - REG_XMM0;
}

void alloc_take(struct compile *c, unsigned reg)
{
    evict_from(c, reg, c->at);
    c->locked |= alloc_bit(reg);
}

/* --- operands --- */

/* The 64-bit image of an F32 value, made anew at each use. */
static unsigned use_boxed(struct compile *c, unsigned root)
{
    unsigned reg = alloc_temp(c);
    alloc_load_root(c, root, reg);
    alloc_box(c, reg);
    return reg;
}

unsigned alloc_use_loaded(struct compile *c, ir_ref ref)
{
    unsigned root = c->values[ref].root;
    if (c->values[ref].flags & VALUE_BOXED) {
        return use_boxed(c, root);
    }
    unsigned reg = c->values[root].last_use > c->at ? take_for_value(c, false) : alloc_temp(c);
    alloc_load_root(c, root, reg);
    alloc_bind(c, root, reg);
    return reg;
}

/* How many operands of the current instruction are that value. */
static unsigned operand_count(const struct compile *c, unsigned root)
{
    const struct ir_insn *insn = &c->ir->insns[c->at];
    const ir_ref refs[4] = {insn->a, insn->b, insn->c, insn->d};
    unsigned count = 0;
    for (unsigned n = 0; n < ir_op_info[insn->op].args; n++) {
        count += refs[n] != IR_REF_NONE && c->values[refs[n]].root == root;
    }
    return count;
}

void alloc_use_in(struct compile *c, ir_ref ref, unsigned reg)
{
    unsigned root = c->values[ref].root;
    if (c->values[ref].flags & VALUE_BOXED) {
        alloc_take(c, reg);
        alloc_load(c, ref, reg);
        return;
    }
    if (c->reg_value[reg] != root) {
        alloc_take(c, reg);
        alloc_load_root(c, root, reg);
        return;
    }
    c->locked |= alloc_bit(reg);
    if (operand_count(c, root) > 1 || c->values[root].last_use > c->at) {
        unsigned copy = alloc_temp(c);
        move_reg(c, copy, reg);
        alloc_bind(c, root, copy);
        return;
    }
    alloc_unbind(c, reg);
}

unsigned alloc_use_xmm(struct compile *c, ir_ref ref)
{
    unsigned root = c->values[ref].root;
    struct value *value = &c->values[root];
    if (c->values[ref].flags & VALUE_BOXED) {
        unsigned from = use_boxed(c, root);
        unsigned xmm = alloc_temp_xmm(c);
        move_reg(c, xmm + REG_XMM0, from);
        c->locked &= ~alloc_bit(from);
        return xmm;
    }
    if (value->reg == NO_REG || value->reg < REG_XMM0) {
        unsigned xmm = alloc_take_any(c, true);
        bool pinned = value->reg != NO_REG && !(c->temps & alloc_bit(value->reg));
        alloc_load_root(c, root, xmm);
        if (!pinned) {
            alloc_bind(c, root, xmm);
        }
        return xmm - REG_XMM0;
    }
    c->locked |= alloc_bit(value->reg);
    return value->reg - REG_XMM0;
}

bool alloc_fold(struct compile *c, ir_ref ref, unsigned bytes, struct asm_mem *mem)
{
    const struct value *value = root_of(c, ref);
    if (value->reg != NO_REG || (c->values[ref].flags & VALUE_BOXED) ||
        (value->flags & VALUE_CONST) || value->last_use > c->at) {
        return false;
    }
    if (value->home != NO_HOME && value->home_bytes >= bytes) {
        *mem = state_at(value->home);
        return true;
    }
    if (value->home == NO_HOME && value->slot != NO_SLOT) {
        *mem = frame_at(FRAME_SLOTS + 8u * value->slot);
        return true;
    }
    return false;
}

/* --- results --- */

/* The register of a temporary that dies at this instruction, or NO_REG. */
static unsigned dying_reg(const struct compile *c, ir_ref ref, bool xmm)
{
    if (ref == IR_REF_NONE) {
        return NO_REG;
    }
    const struct value *value = &c->values[c->values[ref].root];
    if (value->reg == NO_REG || value->last_use > c->at || (value->reg >= REG_XMM0) != xmm) {
        return NO_REG;
    }
    bool temp = xmm ? value->reg < xmm_end(c) : (c->temps & alloc_bit(value->reg)) != 0;
    return temp ? value->reg : (unsigned)NO_REG;
}

static NOINLINE unsigned def(struct compile *c, bool xmm, bool fresh)
{
    const struct ir_insn *insn = &c->ir->insns[c->at];
    unsigned reg = c->values[c->at].hint;
    if (reg != NO_REG && !xmm) {
        if (!fresh || !(c->locked & alloc_bit(reg))) {
            evict_from(c, reg, c->at + 1);
            alloc_bind(c, c->at, reg);
            return reg;
        }
    }
    reg = NO_REG;
    if (!fresh) {
        reg = dying_reg(c, insn->a, xmm);
        if (reg == NO_REG && ir_op_info[insn->op].args >= 2) {
            reg = dying_reg(c, insn->b, xmm);
        }
    }
    if (reg == NO_REG) {
        reg = take_for_value(c, xmm);
    }
    alloc_bind(c, c->at, reg);
    return reg;
}

/* Mostly the hinted register, in which nothing is that lives on: what def() would do, then. */
unsigned alloc_def(struct compile *c)
{
    struct value *value = &c->values[c->at];
    unsigned reg = value->hint;
    if (UNLIKELY(reg == NO_REG || c->fast || (c->kept_regs >> reg & 1) || value->reg != NO_REG ||
                 alloc_used_from(c, reg, c->at + 1))) {
        return def(c, false, false);
    }
    u16 before = c->reg_value[reg];
    if (before != IR_REF_NONE) {
        c->values[before].reg = NO_REG;
    }
    value->reg = (u8)reg;
    c->reg_value[reg] = (u16)c->at;
    return reg;
}

unsigned alloc_def_fresh(struct compile *c)
{
    return def(c, false, true);
}

unsigned alloc_def_xmm(struct compile *c)
{
    return def(c, true, false) - REG_XMM0;
}

unsigned alloc_def_xmm_fresh(struct compile *c)
{
    return def(c, true, true) - REG_XMM0;
}

void alloc_def_in(struct compile *c, unsigned reg)
{
    unsigned hint = c->values[c->at].hint;
    bool set_next = hint != NO_REG && c->ir->insns[c->values[c->at].set_at].a == c->at;
    if (set_next && reg < REG_XMM0) {
        evict_from(c, hint, c->at + 1);
        move_reg(c, hint, reg);
        alloc_bind(c, c->at, hint);
        return;
    }
    alloc_bind(c, c->at, reg);
}

void alloc_rename(struct compile *c, ir_ref operand)
{
    unsigned root = c->values[operand].root;
    struct value *value = &c->values[c->at];
    value->root = (u16)root;
    if (value->last_use > c->values[root].last_use) {
        c->values[root].last_use = value->last_use;
    }
}

void alloc_drop(struct compile *c, u32 regs)
{
    while (regs != 0) {
        alloc_unbind(c, (unsigned)__builtin_ctz(regs));
        regs &= regs - 1;
    }
}

void alloc_get_register(struct compile *c, unsigned reg)
{
    u16 root = c->reg_value[reg];
    struct value *value = &c->values[c->at];
    if (root != IR_REF_NONE && c->values[root].last_use >= c->at) {
        value->root = root;
        if (value->last_use > c->values[root].last_use) {
            c->values[root].last_use = value->last_use;
        }
        return;
    }
    alloc_drop(c, 1u << reg);
    c->reg_value[reg] = (u16)c->at;
    value->reg = (u8)reg;
}

bool alloc_xmm_live(const struct compile *c)
{
    if (c->carried_count != 0 || c->float_count != 0) {
        return true;
    }
    u64 words[(REG_COUNT - REG_XMM0) * sizeof(c->reg_value[0]) / 8];
    memcpy(words, &c->reg_value[REG_XMM0], sizeof(words));
    if (LIKELY((words[0] & words[1] & words[2] & words[3]) == ~(u64)0)) {
        return false; /* IR_REF_NONE everywhere */
    }
    for (unsigned reg = REG_XMM0; reg < REG_COUNT; reg++) {
        if (alloc_used_from(c, reg, c->at)) {
            return true;
        }
    }
    return false;
}

void alloc_begin(struct compile *c)
{
    c->locked = 0;
    c->kept_next = 0;
    alloc_keep_none(c);
    c->temps = 1u << RAX | 1u << RCX | 1u << RDX | 1u << RSI | 1u << RDI;
    c->temps |= c->fast ? c->extras : 0;
    for (unsigned reg = 0; reg < REG_COUNT; reg++) {
        c->reg_value[reg] = IR_REF_NONE;
    }
    c->slot_end = 0;
    c->home_count = 0;
    c->home_words = 0;
}

void alloc_box(struct compile *c, unsigned reg)
{
    asm_unary(&c->a, ASM_NOT, ASM_32, reg); /* and zeros above */
    asm_shift_imm(&c->a, ASM_SHL, ASM_64, reg, 32);
    asm_unary(&c->a, ASM_NOT, ASM_64, reg);
    asm_shift_imm(&c->a, ASM_ROR, ASM_64, reg, 32);
}

void alloc_load(struct compile *c, ir_ref ref, unsigned reg)
{
    alloc_load_root(c, c->values[ref].root, reg);
    if (c->values[ref].flags & VALUE_BOXED) {
        alloc_box(c, reg);
    }
}

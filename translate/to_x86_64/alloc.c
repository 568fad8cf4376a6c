/* Register allocation on the fly: each instruction asks for its operands and claims a place for its
 * result. A register that is not locked by the current instruction may lose its value to a frame
 * slot, or for nothing when the value is a constant or guest state holds it.
 *
 * A value whose last use lies before the current instruction is dead and its places are free; one
 * whose last use is the current instruction stays until the result is claimed. */
#include "translate/to_x86_64/compile.h"

enum { TEMP_COUNT = 5 };
static const u8 temp_order[TEMP_COUNT] = {RSI, RDI, RCX, RDX, RAX};

static inline u32 reg_bit(unsigned reg)
{
    return (u32)1 << reg;
}

static inline bool used_from(const struct compile *c, unsigned reg, unsigned index)
{
    u16 ref = c->reg_value[reg];
    return ref != IR_REF_NONE && c->values[ref].last_use >= index;
}

/* The register gets other contents than the allocator knew of. */
static inline void unbind(struct compile *c, unsigned reg)
{
    for (unsigned n = 0; n < ENTRIES_MAX; n++) {
        if (c->entries[n].reg == reg) {
            c->entries[n].reg = NO_REG;
        }
    }
    u16 ref = c->reg_value[reg];
    if (ref != IR_REF_NONE) {
        c->values[ref].reg = NO_REG;
        c->reg_value[reg] = IR_REF_NONE;
    }
}

static inline void bind(struct compile *c, unsigned ref, unsigned reg)
{
    struct value *value = &c->values[ref];
    unbind(c, reg);
    if (value->reg != NO_REG) {
        c->reg_value[value->reg] = IR_REF_NONE;
    }
    value->reg = (u8)reg;
    c->reg_value[reg] = (u16)ref;
}

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

static u64 const_bits(const struct compile *c, unsigned root)
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

/* Emits code that puts the value into `to`, from wherever it is; binds nothing. */
static void load_value(struct compile *c, unsigned root, unsigned to)
{
    const struct value *value = &c->values[root];
    if (value->reg != NO_REG) {
        move_reg(c, to, value->reg);
    } else if (value->flags & VALUE_CONST) {
        if (to < REG_XMM0) {
            asm_mov_imm(&c->a, to, const_bits(c, root));
        } else {
            load_const_xmm(c, to - REG_XMM0, const_bits(c, root));
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

static unsigned slot_find(struct compile *c)
{
    for (unsigned n = 0; n < FRAME_SLOT_COUNT; n++) {
        unsigned slot = c->slot_next++ % FRAME_SLOT_COUNT;
        u16 owner = c->slot_value[slot];
        if (owner == IR_REF_NONE || c->values[owner].last_use < c->at) {
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

/* Makes sure that the value in `reg` is somewhere in memory too. */
static void spill(struct compile *c, unsigned reg)
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

/* The register of a TLB entry is free too, but taken last. */
static unsigned free_temp(const struct compile *c)
{
    unsigned last = NO_REG;
    for (unsigned i = 0; i < TEMP_COUNT; i++) {
        unsigned reg = temp_order[i];
        if ((c->locked & reg_bit(reg)) || used_from(c, reg, c->at)) {
            continue;
        }
        if (reg != c->entries[0].reg && reg != c->entries[1].reg) {
            return reg;
        }
        last = reg;
    }
    return last;
}

static unsigned free_xmm(const struct compile *c)
{
    for (unsigned reg = REG_XMM0; reg < REG_COUNT; reg++) {
        if (!(c->locked & reg_bit(reg)) && !used_from(c, reg, c->at)) {
            return reg;
        }
    }
    return NO_REG;
}

/* Empties `reg`; a value still used at or after instruction `from` goes elsewhere. */
static void evict_from(struct compile *c, unsigned reg, unsigned from)
{
    u16 ref = c->reg_value[reg];
    if (ref == IR_REF_NONE || !used_from(c, reg, from) || has_memory(&c->values[ref])) {
        unbind(c, reg);
        return;
    }
    unsigned to = NO_REG;
    if (reg < REG_XMM0) {
        u32 locked = c->locked;
        c->locked |= reg_bit(reg);
        to = free_temp(c);
        c->locked = locked;
    }
    if (to == NO_REG) {
        spill(c, reg);
        unbind(c, reg);
        return;
    }
    move_reg(c, to, reg);
    unbind(c, reg);
    bind(c, ref, to);
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
        bool temp = reg >= REG_XMM0 || (c->temps & reg_bit(reg));
        if (!temp || (c->locked & reg_bit(reg))) {
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

static unsigned take_any(struct compile *c, bool xmm)
{
    unsigned reg = xmm ? free_xmm(c) : free_temp(c);
    if (reg == NO_REG) {
        reg = xmm ? victim(c, REG_XMM0, REG_COUNT) : victim(c, 0, REG_XMM0);
        CHECK(reg != NO_REG);
        spill(c, reg);
    }
    unbind(c, reg);
    c->locked |= reg_bit(reg);
    return reg;
}

unsigned alloc_temp(struct compile *c)
{
    return take_any(c, false);
}

unsigned alloc_temp_xmm(struct compile *c)
{
    return take_any(c, true) - REG_XMM0;
}

void alloc_take(struct compile *c, unsigned reg)
{
    evict_from(c, reg, c->at);
    c->locked |= reg_bit(reg);
}

/* --- operands --- */

/* The 64-bit image of an F32 value, made anew at each use. */
static unsigned use_boxed(struct compile *c, unsigned root)
{
    unsigned reg = alloc_temp(c);
    load_value(c, root, reg);
    alloc_box(c, reg);
    return reg;
}

unsigned alloc_use(struct compile *c, ir_ref ref)
{
    unsigned root = c->values[ref].root;
    struct value *value = &c->values[root];
    if (c->values[ref].flags & VALUE_BOXED) {
        return use_boxed(c, root);
    }
    if (value->reg >= REG_XMM0) {
        unsigned reg = alloc_temp(c);
        load_value(c, root, reg);
        bind(c, root, reg);
        return reg;
    }
    c->locked |= reg_bit(value->reg);
    return value->reg;
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
        load_value(c, root, reg);
        return;
    }
    c->locked |= reg_bit(reg);
    if (operand_count(c, root) > 1 || c->values[root].last_use > c->at) {
        unsigned copy = alloc_temp(c);
        move_reg(c, copy, reg);
        bind(c, root, copy);
        return;
    }
    unbind(c, reg);
}

unsigned alloc_use_xmm(struct compile *c, ir_ref ref)
{
    unsigned root = c->values[ref].root;
    struct value *value = &c->values[root];
    if (c->values[ref].flags & VALUE_BOXED) {
        unsigned from = use_boxed(c, root);
        unsigned xmm = alloc_temp_xmm(c);
        move_reg(c, xmm + REG_XMM0, from);
        c->locked &= ~reg_bit(from);
        return xmm;
    }
    if (value->reg == NO_REG || value->reg < REG_XMM0) {
        unsigned xmm = take_any(c, true);
        bool pinned = value->reg != NO_REG && !(c->temps & reg_bit(value->reg));
        load_value(c, root, xmm);
        if (!pinned) {
            bind(c, root, xmm);
        }
        return xmm - REG_XMM0;
    }
    c->locked |= reg_bit(value->reg);
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

bool value_const(const struct compile *c, ir_ref ref, s64 *value)
{
    unsigned root = c->values[ref].root;
    if (!(c->values[root].flags & VALUE_CONST) || (c->values[ref].flags & VALUE_BOXED)) {
        return false;
    }
    u64 bits = c->ir->insns[root].imm;
    *value = c->ir->insns[ref].type == IR_I32 ? (s64)(s32)bits : (s64)bits;
    return true;
}

bool value_const_s32(const struct compile *c, ir_ref ref, unsigned type, s32 *value)
{
    s64 wide;
    if (!value_const(c, ref, &wide)) {
        return false;
    }
    *value = (s32)wide;
    return type == IR_I32 || asm_fits_s32(wide);
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
    bool temp = xmm || (c->temps & reg_bit(value->reg));
    return temp ? value->reg : (unsigned)NO_REG;
}

static unsigned def(struct compile *c, bool xmm, bool fresh)
{
    const struct ir_insn *insn = &c->ir->insns[c->at];
    unsigned reg = c->values[c->at].hint;
    if (reg != NO_REG && !xmm) {
        if (!fresh || !(c->locked & reg_bit(reg))) {
            evict_from(c, reg, c->at + 1);
            bind(c, c->at, reg);
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
        reg = take_any(c, xmm);
    }
    bind(c, c->at, reg);
    return reg;
}

unsigned alloc_def(struct compile *c)
{
    return def(c, false, false);
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
    if (hint != NO_REG && reg < REG_XMM0) {
        evict_from(c, hint, c->at + 1);
        move_reg(c, hint, reg);
        bind(c, c->at, hint);
        return;
    }
    bind(c, c->at, reg);
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

/* --- homes --- */

/* Forgets values that are dead or have lost their home. */
static void homes_compact(struct compile *c)
{
    unsigned kept = 0;
    for (unsigned n = 0; n < c->home_count; n++) {
        const struct value *value = &c->values[c->homes[n]];
        if (value->home != NO_HOME && value->last_use >= c->at) {
            c->homes[kept++] = c->homes[n];
        }
    }
    c->home_count = kept;
}

void alloc_add_home(struct compile *c, ir_ref ref, u32 offset, unsigned bytes)
{
    unsigned root = c->values[ref].root;
    struct value *value = &c->values[root];
    if (value->home != NO_HOME || (value->flags & VALUE_CONST)) {
        return;
    }
    if (c->home_count == HOMES_MAX) {
        homes_compact(c);
    }
    if (c->home_count < HOMES_MAX) {
        value->home = offset;
        value->home_bytes = (u8)bytes;
        c->homes[c->home_count++] = (u16)root;
    }
}

/* The value needs another place than its home: a register if one is to be had. */
static void leave_home(struct compile *c, unsigned root)
{
    struct value *value = &c->values[root];
    if (value->reg == NO_REG && value->slot == NO_SLOT) {
        bool xmm = type_is_float(c->ir->insns[root].type);
        u32 locked = c->locked;
        unsigned reg = take_any(c, xmm);
        load_value(c, root, reg);
        bind(c, root, reg);
        c->locked = locked;
    }
    value->home = NO_HOME;
}

void alloc_home_killed(struct compile *c, u32 offset, unsigned bytes)
{
    for (unsigned n = 0; n < c->home_count; n++) {
        struct value *value = &c->values[c->homes[n]];
        if (value->home == NO_HOME || offset + bytes <= value->home ||
            offset >= value->home + value->home_bytes) {
            continue;
        }
        if (value->last_use > c->at) {
            leave_home(c, c->homes[n]);
        } else if (value->last_use < c->at) {
            value->home = NO_HOME;
        }
    }
}

void alloc_forget_homes(struct compile *c)
{
    homes_compact(c);
    for (unsigned n = 0; n < c->home_count; n++) {
        struct value *value = &c->values[c->homes[n]];
        if (value->last_use > c->at && value->home >= sizeof(struct vcpu)) {
            leave_home(c, c->homes[n]);
        }
    }
}

void alloc_spill_for_call(struct compile *c)
{
    for (unsigned reg = 0; reg < REG_COUNT; reg++) {
        bool clobbered = reg >= REG_XMM0 || (c->temps & reg_bit(reg));
        if (clobbered && used_from(c, reg, c->at + 1)) {
            spill(c, reg);
        }
    }
}

void alloc_drop(struct compile *c, u32 regs)
{
    for (unsigned reg = 0; reg < REG_COUNT; reg++) {
        if (regs & reg_bit(reg)) {
            unbind(c, reg);
        }
    }
}

void alloc_spill_pins(struct compile *c)
{
    for (unsigned n = 0; n < c->pinned_count; n++) {
        unsigned reg = x86_pinned_regs[n];
        if (used_from(c, reg, c->at + 1)) {
            spill(c, reg);
        }
    }
}

bool alloc_xmm_live(const struct compile *c)
{
    for (unsigned reg = REG_XMM0; reg < REG_COUNT; reg++) {
        if (used_from(c, reg, c->at)) {
            return true;
        }
    }
    return false;
}

void alloc_begin(struct compile *c)
{
    c->locked = 0;
    c->entry_next = 0;
    c->entries[0].reg = NO_REG;
    c->entries[1].reg = NO_REG;
    c->temps = 1u << RAX | 1u << RCX | 1u << RDX | 1u << RSI | 1u << RDI;
    for (unsigned reg = 0; reg < REG_COUNT; reg++) {
        c->reg_value[reg] = IR_REF_NONE;
    }
    memset(c->slot_value, 0xff, sizeof(c->slot_value));
    c->slot_next = 0;
    c->home_count = 0;
}

void alloc_box(struct compile *c, unsigned reg)
{
    asm_mov(&c->a, ASM_32, reg, reg);
    asm_mov_mem_imm(&c->a, ASM_32, frame_at(FRAME_RESULT), 0);
    asm_mov_mem_imm(&c->a, ASM_32, frame_at(FRAME_RESULT + 4), -1);
    asm_alu_rm(&c->a, ASM_OR, ASM_64, reg, frame_at(FRAME_RESULT));
}

void alloc_load(struct compile *c, ir_ref ref, unsigned reg)
{
    load_value(c, c->values[ref].root, reg);
    if (c->values[ref].flags & VALUE_BOXED) {
        alloc_box(c, reg);
    }
}

/* Guest state, integer arithmetic and comparisons. */
#include "translate/to_x86_64/compile.h"
#include "translate/to_x86_64/loop.h"

/* --- guest state --- */

/* State at a pinned register's offset, but not the whole register: goes through memory. */
static bool pin_is_whole(const struct compile *c, const struct ir_insn *insn)
{
    return insn->sub == 8 && ((u32)insn->imm - c->pin_base) % 8 == 0;
}

static unsigned pin_overlapping(const struct compile *c, const struct ir_insn *insn)
{
    u32 offset = (u32)insn->imm;
    unsigned pin = pin_of(c, offset);
    return pin != NO_REG || pin_is_whole(c, insn) ? pin : pin_of(c, offset + insn->sub - 1);
}

static void pins_through_memory(struct compile *c, bool reload)
{
    for (unsigned n = 0; n < c->pinned_count; n++) {
        struct asm_mem mem = state_at(c->context->guest->pinned[n]);
        if (reload) {
            alloc_evict(c, x86_pinned_regs[n]);
            alloc_drop(c, 1u << x86_pinned_regs[n]);
            asm_load(&c->a, ASM_64, x86_pinned_regs[n], mem);
        } else {
            asm_store(&c->a, ASM_64, mem, x86_pinned_regs[n]);
        }
    }
}

static void load_narrow(struct compile *c, const struct ir_insn *insn)
{
    u32 offset = (u32)insn->imm;
    unsigned reg = alloc_def(c);
    u32 op = insn->sub == 1 ? 0x0fb6 : insn->sub == 2 ? 0x0fb7 : 0x8b;
    asm_rm(&c->a, op, ASM_32, reg, state_at(offset));
    c->values[c->at].flags |= VALUE_ZEXT;
}

void emit_get(struct compile *c, const struct ir_insn *insn)
{
    u32 offset = (u32)insn->imm;
    unsigned pin = pin_overlapping(c, insn);
    unsigned carrier = insn->type == IR_F64 && insn->sub == 8 ? loop_carrier_of(c, offset, IR_F64)
                                                              : (unsigned)NO_REG;
    unsigned own = own_float_find(c, offset);
    if (carrier != NO_REG) {
        alloc_get_register(c, carrier);
        return;
    }
    if (UNLIKELY(own != OWN_FLOATS_NONE)) {
        own_float_get(c, own);
        return;
    }
    if (pin != NO_REG && pin_is_whole(c, insn)) {
        alloc_get_register(c, pin);
        return;
    }
    if (pin != NO_REG) {
        pins_through_memory(c, false);
    }
    bool whole = insn->sub == 8 || (insn->sub == 4 && width_of(insn->type) == ASM_32);
    if (whole && pin == NO_REG) {
        alloc_add_home(c, (ir_ref)c->at, offset, insn->sub);
    }
    if (insn->type == IR_I32) {
        c->values[c->at].flags |= VALUE_ZEXT;
    }
    if (c->values[c->at].home != NO_HOME) {
        return;
    }
    if (type_is_float(insn->type)) {
        u32 op = ASM_OP(insn->sub == 8 ? 0xf2 : 0xf3, 0x0f10);
        asm_rm(&c->a, op, ASM_32, alloc_def_xmm(c), state_at(offset));
    } else if (insn->sub == 8) {
        asm_load(&c->a, ASM_64, alloc_def(c), state_at(offset));
    } else {
        load_narrow(c, insn);
    }
}

/* The pinned register takes the value; the value's own place becomes that register. */
static void set_pin(struct compile *c, const struct ir_insn *insn, unsigned pin)
{
    unsigned root = c->values[insn->a].root;
    struct value *value = &c->values[root];
    bool boxed = c->values[insn->a].flags & VALUE_BOXED;
    if (value->reg == pin && !boxed) {
        return;
    }
    bool in_place = value->reg == pin && value->last_use <= c->at;
    alloc_evict(c, pin);
    alloc_drop(c, 1u << pin);
    if (in_place) {
        alloc_box(c, pin);
        return;
    }
    alloc_load(c, insn->a, pin);
    bool temp = value->reg == NO_REG || (value->reg < REG_XMM0 && (c->temps >> value->reg & 1));
    bool whole = c->ir->insns[root].type == IR_I64 || (value->flags & VALUE_CONST);
    if (temp && whole && !boxed && value->last_use > c->at) {
        if (value->reg != NO_REG) {
            c->reg_value[value->reg] = IR_REF_NONE;
        }
        value->reg = (u8)pin;
        c->reg_value[pin] = (u16)root;
    }
}

void emit_store_boxed(struct compile *c, ir_ref ref, struct asm_mem to)
{
    unsigned xmm;
    struct value *value = root_of(c, ref);
    if (value->reg != NO_REG && value->reg < REG_XMM0) {
        asm_store(&c->a, ASM_32, to, value->reg);
    } else {
        u8 flags = c->values[ref].flags;
        c->values[ref].flags = (u8)(flags & ~VALUE_BOXED);
        xmm = alloc_use_xmm(c, ref);
        c->values[ref].flags = flags;
        asm_rm(&c->a, ASM_OP(0xf3, 0x0f11), ASM_32, xmm, to);
    }
    to.disp += 4;
    asm_mov_mem_imm(&c->a, ASM_32, to, -1);
}

static void store_value(struct compile *c, const struct ir_insn *insn, u32 offset)
{
    unsigned width = insn->sub == 8   ? ASM_64
                     : insn->sub == 4 ? ASM_32
                     : insn->sub == 2 ? ASM_16
                                      : ASM_8;
    const struct value *value = root_of(c, insn->a);
    s32 imm;
    if (value_const_s32(c, insn->a, width == ASM_64 ? IR_I64 : IR_I32, &imm)) {
        asm_mov_mem_imm(&c->a, width, state_at(offset), imm);
    } else if (insn->sub >= 4 && (value->reg != NO_REG ? value->reg >= REG_XMM0
                                                       : type_is_float(insn->type))) {
        u32 op = ASM_OP(width == ASM_64 ? 0xf2 : 0xf3, 0x0f11);
        asm_rm(&c->a, op, ASM_32, alloc_use_xmm(c, insn->a), state_at(offset));
    } else {
        asm_store(&c->a, width, state_at(offset), alloc_use(c, insn->a));
    }
}

/* In a trace, bits that are set in a byte of state, as those that say that registers were written:
 * from the second round on they are set already. */
static bool is_mark(const struct compile *c, const struct ir_insn *set)
{
    const struct ir_insn *insns = c->ir->insns, *or = &insns[set->a];
    if (!(c->flags & HOST_TRACE) || set->sub != 1 || or->op != IR_OR) {
        return false;
    }
    const struct ir_insn *get = &insns[or->a];
    return insns[or->b].op == IR_CONST && get->op == IR_GET && get->sub == 1 &&
           get->imm == set->imm;
}

/* reg[0]: the byte; data: its offset in the state */
static void stub_mark(struct compile *c, const struct stub *stub)
{
    asm_store(&c->a, ASM_8, state_at(stub->data), stub->reg[0]);
    stub_return(c, stub);
}

/* Stored in each round, it would make the next round's read wait for that. */
static void mark(struct compile *c, const struct ir_insn *insn, u32 offset)
{
    unsigned reg = alloc_use(c, insn->a);
    asm_rm(&c->a, 0x38, ASM_8, reg, state_at(offset)); /* cmp */
    struct stub *stub = stub_add(c, stub_mark, asm_jcc_forward(&c->a, ASM_NE));
    stub->reg[0] = (u8)reg;
    stub->data = offset;
    stub->back = asm_offset(&c->a);
}

/* The loop's copy of the state just stored. */
static void update_carrier(struct compile *c, const struct ir_insn *insn, u32 offset)
{
    unsigned carrier = loop_carrier(c, offset, insn->sub);
    if (carrier == NO_REG) {
        return;
    }
    const struct value *value = root_of(c, insn->a);
    bool narrow = c->carried_narrow[REG_COUNT - 1 - carrier];
    bool boxed = (c->values[insn->a].flags & VALUE_BOXED) != 0;
    bool plain = insn->sub == 8 && value->reg >= REG_XMM0 && value->reg < REG_COUNT &&
                 (narrow ? boxed : !boxed && insn->type == IR_F64);
    if (plain && value->reg == carrier) {
        return;
    }
    alloc_evict(c, carrier);
    alloc_drop(c, 1u << carrier);
    if (plain) {
        asm_rr(&c->a, 0x0f28, ASM_32, carrier - REG_XMM0, value->reg - REG_XMM0);
    } else {
        loop_load_carrier(c, carrier);
    }
}

void emit_set(struct compile *c, const struct ir_insn *insn)
{
    u32 offset = (u32)insn->imm;
    unsigned pin = pin_overlapping(c, insn);
    if (c->sinking && sink_set(c, insn)) {
        return;
    }
    unsigned own = own_float_find(c, offset);
    if (UNLIKELY(own != OWN_FLOATS_NONE)) {
        own_float_set(c, insn, own);
        return;
    }
    bool nan = UNLIKELY(nan_sees(c, insn));
    if (nan) {
        nan_before_set(c, insn);
    }
    if (pin != NO_REG && pin_is_whole(c, insn)) {
        set_pin(c, insn, pin);
        return;
    }
    alloc_home_killed(c, offset, insn->sub);
    if (pin != NO_REG) {
        pins_through_memory(c, false);
    }
    if ((c->values[insn->a].flags & VALUE_BOXED) && insn->sub == 8) {
        emit_store_boxed(c, insn->a, state_at(offset));
    } else if (is_mark(c, insn)) {
        mark(c, insn, offset);
    } else {
        store_value(c, insn, offset);
        if (insn->sub == 8 && pin == NO_REG && width_of(c->ir->insns[insn->a].type) == ASM_64 &&
            width_of(c->ir->insns[c->values[insn->a].root].type) == ASM_64) {
            alloc_add_home(c, insn->a, offset, 8);
        }
    }
    if (nan) {
        nan_after_set(c, insn);
    }
    if (pin != NO_REG) {
        pins_through_memory(c, true);
    } else if (c->carried_count != 0) {
        update_carrier(c, insn, offset);
    }
}

void emit_pc_page(struct compile *c, const struct ir_insn *insn)
{
    (void)insn;
    alloc_add_home(c, (ir_ref)c->at, offsetof(struct vcpu, pc_page), 8);
    if (c->values[c->at].home == NO_HOME) {
        asm_load(&c->a, ASM_64, alloc_def(c), VCPU_AT(pc_page));
    }
}

void emit_insn_count(struct compile *c, const struct ir_insn *insn)
{
    (void)insn;
    asm_lea(&c->a, ASM_64, alloc_def(c), asm_at(R15, (s32)uncounted(c)));
}

/* --- arithmetic --- */

static void mark_narrow(struct compile *c, const struct ir_insn *insn)
{
    if (insn->type == IR_I32) {
        c->values[c->at].flags |= VALUE_ZEXT;
    }
}

static void add_imm(struct compile *c, const struct ir_insn *insn, s32 imm)
{
    unsigned width = width_of(insn->type);
    unsigned x = alloc_use(c, insn->a);
    unsigned dst = alloc_def(c);
    if (dst == x) {
        asm_alu_imm(&c->a, ASM_ADD, width, dst, imm);
    } else {
        asm_lea(&c->a, width, dst, asm_at(x, imm));
    }
}

static void add_regs(struct compile *c, const struct ir_insn *insn, unsigned x, unsigned y)
{
    unsigned width = width_of(insn->type);
    unsigned dst = alloc_def(c);
    if (dst == x) {
        asm_alu_rr(&c->a, ASM_ADD, width, dst, y);
    } else if (dst == y) {
        asm_alu_rr(&c->a, ASM_ADD, width, dst, x);
    } else {
        asm_lea(&c->a, width, dst, asm_at_index(x, y, 0, 0));
    }
}

/* The operand is a shift that was not computed. */
static bool is_scaled(const struct compile *c, ir_ref ref)
{
    return c->ir->insns[ref].op == IR_SHL && (c->values[ref].flags & VALUE_OFFSET);
}

static void add_scaled(struct compile *c, ir_ref scaled, ir_ref other)
{
    unsigned scale = (unsigned)c->ir->insns[c->ir->insns[scaled].b].imm;
    unsigned x = alloc_use(c, other);
    unsigned y = alloc_use(c, scaled);
    asm_lea(&c->a, ASM_64, alloc_def(c), asm_at_index(x, y, scale, 0));
}

/* The operand is a comparison that was not computed, for its carry. */
static bool is_carry(const struct compile *c, ir_ref ref)
{
    return c->ir->insns[ref].op == IR_SETCC && (c->values[ref].flags & VALUE_OFFSET);
}

static void add_carry(struct compile *c, ir_ref carry, ir_ref other)
{
    const struct ir_insn *compared = &c->ir->insns[carry];
    bool less = compared->sub == IR_LT_U;
    unsigned x = alloc_use(c, other);
    emit_cmp(c, compared->type, IR_LT_U, less ? compared->a : compared->b,
             less ? compared->b : compared->a);
    unsigned dst = alloc_def(c);
    if (dst != x) {
        asm_mov(&c->a, ASM_64, dst, x);
    }
    asm_alu_imm(&c->a, ASM_ADC, ASM_64, dst, 0);
}

/* dst = x - y, or x & ~y with the complement taken by the caller. */
static void alu_regs(struct compile *c, const struct ir_insn *insn, enum asm_alu alu, unsigned x,
                     unsigned y)
{
    unsigned width = width_of(insn->type);
    unsigned dst = alloc_def(c);
    if (dst == x) {
        asm_alu_rr(&c->a, alu, width, dst, y);
    } else if (dst != y) {
        asm_mov(&c->a, width, dst, x);
        asm_alu_rr(&c->a, alu, width, dst, y);
    } else if (alu != ASM_SUB) {
        asm_alu_rr(&c->a, alu, width, dst, x);
    } else {
        asm_unary(&c->a, ASM_NEG, width, dst);
        asm_alu_rr(&c->a, ASM_ADD, width, dst, x);
    }
}

static void alu_mem(struct compile *c, const struct ir_insn *insn, enum asm_alu alu,
                    struct asm_mem mem)
{
    unsigned width = width_of(insn->type);
    unsigned x = alloc_use(c, insn->a);
    unsigned dst = alloc_def(c);
    if (dst != x) {
        asm_mov(&c->a, width, dst, x);
    }
    asm_alu_rm(&c->a, alu, width, dst, mem);
}

static void alu_imm(struct compile *c, const struct ir_insn *insn, enum asm_alu alu, s32 imm)
{
    unsigned width = width_of(insn->type);
    unsigned x = alloc_use(c, insn->a);
    unsigned dst = alloc_def(c);
    if (dst != x) {
        asm_mov(&c->a, width, dst, x);
    }
    if (alu == ASM_XOR && imm == -1) {
        asm_unary(&c->a, ASM_NOT, width, dst);
    } else {
        asm_alu_imm(&c->a, alu, width, dst, imm);
    }
}

static void emit_andn(struct compile *c, const struct ir_insn *insn)
{
    unsigned width = width_of(insn->type);
    unsigned x = alloc_use(c, insn->a);
    unsigned y = alloc_use(c, insn->b);
    if (c->features & HOST_FEATURE_BMI1) {
        asm_vex(&c->a, 2, 0, width, 0xf2, alloc_def(c), y, x);
        return;
    }
    unsigned t = alloc_temp(c);
    asm_mov(&c->a, width, t, y);
    asm_unary(&c->a, ASM_NOT, width, t);
    asm_alu_rr(&c->a, ASM_AND, width, t, x);
    alloc_def_in(c, t);
}

static void emit_neg(struct compile *c, const struct ir_insn *insn)
{
    unsigned width = width_of(insn->type);
    unsigned y = alloc_use(c, insn->b);
    unsigned dst = alloc_def(c);
    if (dst != y) {
        asm_mov(&c->a, width, dst, y);
    }
    asm_unary(&c->a, ASM_NEG, width, dst);
}

/* A mask of the low bits that is no immediate operand: bzhi. */
static bool is_low_mask(const struct compile *c, const struct ir_insn *insn, s64 *mask)
{
    return insn->op == IR_AND && (c->features & HOST_FEATURE_BMI2) &&
           value_const(c, insn->b, mask) && *mask > INT32_MAX && (*mask & (*mask + 1)) == 0;
}

static void emit_low_mask(struct compile *c, const struct ir_insn *insn, s64 mask)
{
    unsigned x = alloc_use(c, insn->a);
    unsigned count = alloc_temp(c);
    asm_mov_imm(&c->a, count, 64 - (unsigned)__builtin_clzll((u64)mask));
    asm_vex(&c->a, 2, 0, ASM_64, 0xf5, alloc_def(c), count, x);
}

void emit_alu(struct compile *c, const struct ir_insn *insn)
{
    static const u8 alus[] = {[IR_ADD] = ASM_ADD, [IR_SUB] = ASM_SUB, [IR_AND] = ASM_AND,
                              [IR_OR] = ASM_OR,   [IR_XOR] = ASM_XOR};
    mark_narrow(c, insn);
    if (insn->op == IR_ANDN) {
        emit_andn(c, insn);
        return;
    }
    if (insn->op == IR_ADD && (is_carry(c, insn->a) || is_carry(c, insn->b))) {
        bool first = is_carry(c, insn->a);
        add_carry(c, first ? insn->a : insn->b, first ? insn->b : insn->a);
        return;
    }
    s64 wide;
    enum asm_alu alu = alus[insn->op];
    s32 imm;
    struct asm_mem mem;
    if (value_const_s32(c, insn->b, insn->type, &imm)) {
        if (alu == ASM_ADD && !(c->values[c->at].flags & VALUE_COMPUTED) &&
            !value_const(c, insn->a, &wide) && !(c->values[insn->a].flags & VALUE_BOXED)) {
            alloc_rename(c, insn->a);
            c->values[c->at].flags |= VALUE_OFFSET;
        } else if (alu == ASM_ADD || (alu == ASM_SUB && imm != INT32_MIN)) {
            add_imm(c, insn, alu == ASM_ADD ? imm : -imm);
        } else {
            alu_imm(c, insn, alu, imm);
        }
    } else if (is_low_mask(c, insn, &wide)) {
        emit_low_mask(c, insn, wide);
    } else if (alu == ASM_SUB && value_const(c, insn->a, &wide) && wide == 0) {
        emit_neg(c, insn);
    } else if (alu == ASM_ADD && (is_scaled(c, insn->a) || is_scaled(c, insn->b))) {
        bool first = is_scaled(c, insn->a);
        add_scaled(c, first ? insn->a : insn->b, first ? insn->b : insn->a);
    } else if (alloc_fold(c, insn->b, insn->type == IR_I64 ? 8 : 4, &mem) &&
               c->values[insn->a].root != c->values[insn->b].root) {
        alu_mem(c, insn, alu, mem);
    } else {
        unsigned x = alloc_use(c, insn->a);
        unsigned y = alloc_use(c, insn->b);
        if (alu == ASM_ADD) {
            add_regs(c, insn, x, y);
        } else {
            alu_regs(c, insn, alu, x, y);
        }
    }
}

/* --- widths --- */

void emit_extend(struct compile *c, const struct ir_insn *insn)
{
    bool sign = insn->op == IR_SEXT;
    if (insn->op == IR_TRUNC) {
        alloc_rename(c, insn->a);
        return;
    }
    if (insn->sub == 32 && insn->type == IR_I32) {
        alloc_rename(c, insn->a);
        return;
    }
    if (insn->sub == 32 && (c->flags & HOST_TRACE) && !c->whole[c->at] &&
        !(c->values[insn->a].flags & VALUE_BOXED)) {
        alloc_rename(c, insn->a);
        return;
    }
    if (!sign && insn->sub == 32 && (root_of(c, insn->a)->flags & VALUE_ZEXT) &&
        !(c->values[insn->a].flags & VALUE_BOXED)) {
        alloc_rename(c, insn->a);
        return;
    }
    unsigned width = width_of(insn->type);
    struct asm_mem mem;
    bool fold = alloc_fold(c, insn->a, insn->sub / 8u, &mem);
    unsigned x = fold ? 0 : alloc_use(c, insn->a);
    unsigned dst = alloc_def(c);
    u32 op;
    switch (insn->sub) {
    case 8: op = sign ? 0x0fbe : 0x0fb6; break;
    case 16: op = sign ? 0x0fbf : 0x0fb7; break;
    default: op = sign ? 0x63 : 0x8b; break;
    }
    if (!sign || insn->type == IR_I32) {
        c->values[c->at].flags |= VALUE_ZEXT;
        width = ASM_32;
    }
    if (fold) {
        asm_rm(&c->a, op, width, dst, mem);
    } else if (insn->sub == 8 && width == ASM_32) {
        asm_rr(&c->a, op, ASM_8, dst, x);
    } else {
        asm_rr(&c->a, op, width, dst, x);
    }
}

/* --- comparisons --- */

static const u8 cond_codes[] = {
    [IR_EQ] = ASM_E,   [IR_NE] = ASM_NE,   [IR_LT_S] = ASM_L, [IR_LE_S] = ASM_LE,
    [IR_GT_S] = ASM_G, [IR_GE_S] = ASM_GE, [IR_LT_U] = ASM_B, [IR_LE_U] = ASM_BE,
    [IR_GT_U] = ASM_A, [IR_GE_U] = ASM_AE,
};
static const u8 cond_swapped[] = {
    [IR_EQ] = ASM_E,   [IR_NE] = ASM_NE,   [IR_LT_S] = ASM_G, [IR_LE_S] = ASM_GE,
    [IR_GT_S] = ASM_L, [IR_GE_S] = ASM_LE, [IR_LT_U] = ASM_A, [IR_LE_U] = ASM_AE,
    [IR_GT_U] = ASM_B, [IR_GE_U] = ASM_BE,
};

enum asm_cc emit_cmp(struct compile *c, unsigned type, unsigned cond, ir_ref x, ir_ref y)
{
    unsigned width = width_of(type);
    unsigned bytes = width == ASM_64 ? 8 : 4;
    const u8 *codes = cond_codes;
    s64 wide;
    if (value_const(c, x, &wide) && !value_const(c, y, &wide)) {
        ir_ref t = x;
        x = y;
        y = t;
        codes = cond_swapped;
    }
    s32 imm;
    struct asm_mem mem;
    if (value_const_s32(c, y, type, &imm)) {
        if (c->values[x].root != c->values[y].root && alloc_fold(c, x, bytes, &mem)) {
            asm_alu_mem_imm(&c->a, ASM_CMP, width, mem, imm);
        } else if (imm == 0) {
            unsigned reg = alloc_use(c, x);
            asm_test(&c->a, width, reg, reg);
        } else {
            asm_alu_imm(&c->a, ASM_CMP, width, alloc_use(c, x), imm);
        }
    } else if (c->values[x].root != c->values[y].root && alloc_fold(c, y, bytes, &mem)) {
        asm_alu_rm(&c->a, ASM_CMP, width, alloc_use(c, x), mem);
    } else {
        unsigned rx = alloc_use(c, x);
        unsigned ry = alloc_use(c, y);
        asm_alu_rr(&c->a, ASM_CMP, width, rx, ry);
    }
    return (enum asm_cc)codes[cond];
}

static void emit_select(struct compile *c, const struct ir_insn *insn)
{
    unsigned width = width_of(insn->type);
    nan_settle(c, insn->c);
    nan_settle(c, insn->d);
    /* All loads come before the compare: loading a constant may not disturb the flags, but
     * spilling decisions are easier to follow this way. */
    bool xmm = type_is_float(insn->type);
    unsigned yes = xmm ? alloc_use_xmm(c, insn->c) : alloc_use(c, insn->c);
    unsigned no = xmm ? alloc_use_xmm(c, insn->d) : alloc_use(c, insn->d);
    enum asm_cc cc = emit_cmp(c, IR_I64, insn->sub, insn->a, insn->b);
    if (xmm) {
        unsigned dst = alloc_temp_xmm(c);
        asm_rr(&c->a, 0x0f28, ASM_32, dst, yes);
        u32 skip = asm_jcc_short(&c->a, cc);
        asm_rr(&c->a, 0x0f28, ASM_32, dst, no);
        asm_bind_short(&c->a, skip);
        alloc_def_in(c, dst + REG_XMM0);
        return;
    }
    unsigned dst = alloc_def(c);
    if (dst == yes) {
        asm_cmov(&c->a, cc ^ 1, width, dst, no);
    } else {
        if (dst != no) {
            asm_mov(&c->a, width, dst, no);
        }
        asm_cmov(&c->a, cc, width, dst, yes);
    }
    mark_narrow(c, insn);
}

/* Leaves the comparison to the sums that add its carry, if only these want it: what is compared
 * must be there for them. Constants would be compared in the other order. */
static bool carry_waits(struct compile *c, const struct ir_insn *insn)
{
    struct value *value = &c->values[c->at];
    s64 wide;
    if ((value->flags & VALUE_COMPUTED) || !alu_carries(c, (ir_ref)c->at) ||
        value_const(c, insn->a, &wide) || value_const(c, insn->b, &wide)) {
        return false;
    }
    value->flags |= VALUE_OFFSET;
    const ir_ref refs[2] = {insn->a, insn->b};
    for (unsigned n = 0; n < 2; n++) {
        struct value *root = root_of(c, refs[n]);
        root->last_use = root->last_use < value->last_use ? value->last_use : root->last_use;
    }
    return true;
}

void emit_compare(struct compile *c, const struct ir_insn *insn)
{
    if (insn->op == IR_SELECT) {
        emit_select(c, insn);
        return;
    }
    if (carry_waits(c, insn)) {
        return;
    }
    enum asm_cc cc = emit_cmp(c, insn->type, insn->sub, insn->a, insn->b);
    unsigned dst = alloc_def(c);
    asm_mov_imm(&c->a, dst, 0); /* which keeps the flags; an extension would come behind them */
    asm_setcc(&c->a, cc, dst);
    c->values[c->at].flags |= VALUE_ZEXT;
}

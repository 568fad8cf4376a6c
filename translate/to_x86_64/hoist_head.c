/* Traces with hoisted accesses (hoist.c): the head of a round, and what the fast body does. */
#include "translate/to_x86_64/access.h"
#include "translate/to_x86_64/loop.h"

/* --- the head --- */

static void go_slow(struct compile *c, struct asm_buf *a, u32 field)
{
    if (c->slow_count == ARRAY_LEN(c->slow)) {
        c->status = HOST_TOO_COMPLEX;
        return;
    }
    c->slow[c->slow_count].cold = a == &c->cold;
    c->slow[c->slow_count++].field = field;
}

static void address_to(struct asm_buf *a, unsigned to, unsigned base, s32 distance)
{
    asm_lea(a, ASM_64, to, asm_at(base, distance));
}

/* The group was in another page, which is in rax: looks it up. */
static void find_page(struct compile *c, unsigned n, unsigned base, u32 field)
{
    struct asm_buf *cold = &c->cold;
    struct access m = {.entry = RSI, .tag = RDI, .table = NO_REG};
    s32 tag = access_tag_offset(c->sites[n].write);
    bind_cold(c, field);
    address_to(cold, RCX, base, c->hoists[n].first);
    access_index(cold, c->features, &m, RCX);
    asm_alu_rm(cold, ASM_CMP, ASM_64, RAX, asm_at(RSI, tag));
    u32 found = asm_jcc_short(cold, ASM_E);
    access_other_entry(cold, RSI, RCX, RDI);
    asm_alu_rm(cold, ASM_CMP, ASM_64, RAX, asm_at(RSI, tag));
    go_slow(c, cold, asm_jcc_forward(cold, ASM_NE));
    asm_bind_short(cold, found);
    if (c->hoists[n].both) {
        asm_alu_rm(cold, ASM_CMP, ASM_64, RAX, asm_at(RSI, access_tag_offset(false)));
        go_slow(c, cold, asm_jcc_forward(cold, ASM_NE));
    }
    asm_store(cold, ASM_64, site_tag_at(n), RAX);
    asm_load(cold, ASM_64, RCX, asm_at(RSI, offsetof(struct tlb_entry, addend)));
    asm_store(cold, ASM_64, site_addend_at(n), RCX);
    asm_jmp(cold, asm_exec(&c->a));
}

/* The register with that value: the guest register's own, or rdx. */
static unsigned head_value(struct compile *c, ir_ref ref)
{
    struct asm_buf *a = &c->a;
    const struct ir_insn *insn = &c->ir->insns[ref];
    if (insn->op == IR_PC_PAGE) {
        asm_load(a, ASM_64, RDX, VCPU_AT(pc_page));
        return RDX;
    }
    u32 offset = (u32)c->ir->insns[insn->op == IR_ADD ? insn->a : ref].imm;
    unsigned pin = pin_of(c, offset);
    if (insn->op == IR_GET && pin != NO_REG) {
        return pin;
    }
    if (pin != NO_REG) {
        asm_mov(a, ASM_64, RDX, pin);
    } else {
        asm_load(a, ASM_64, RDX, state_at(offset));
    }
    if (insn->op == IR_ADD) {
        u32 second = (u32)c->ir->insns[insn->b].imm;
        if (pin_of(c, second) != NO_REG) {
            asm_alu_rr(a, ASM_ADD, ASM_64, RDX, pin_of(c, second));
        } else {
            asm_alu_rm(a, ASM_ADD, ASM_64, RDX, state_at(second));
        }
    }
    return RDX;
}

static void compare_rax(struct compile *c, unsigned n)
{
    struct asm_buf *a = &c->a;
    asm_alu_rm(a, ASM_SUB, ASM_64, RAX, ACCESS_SPAN_AT(c->sites[n].write, first));
    asm_alu_rm(a, ASM_CMP, ASM_64, RAX, ACCESS_SPAN_AT(c->sites[n].write, bytes));
    go_slow(c, a, asm_jcc_forward(a, ASM_AE));
}

/* The bytes may be accessed when the first one is in the span, since the range is no longer than
 * what is so around it. */
static void compare_with_span(struct compile *c, unsigned n, unsigned base)
{
    struct asm_buf *a = &c->a;
    address_to(a, RAX, base, c->hoists[n].first);
    compare_rax(c, n);
    asm_load(a, ASM_64, RCX, ACCESS_SPAN_AT(c->sites[n].write, addend));
}

/* Its first byte is in the page of the site, which rax becomes. */
static void compare_first(struct compile *c, unsigned n, unsigned base)
{
    struct asm_buf *a = &c->a;
    address_to(a, RAX, base, c->hoists[n].first);
    asm_alu_imm(a, ASM_AND, ASM_64, RAX, -(s32)PAGE_BYTES);
    asm_alu_rm(a, ASM_CMP, ASM_64, RAX, site_tag_read(c, n));
    find_page(c, n, base, asm_jcc_forward(a, ASM_NE));
}

/* So is its last byte, whose address is in rcx. */
static void compare_last(struct compile *c)
{
    struct asm_buf *a = &c->a;
    asm_alu_imm(a, ASM_AND, ASM_64, RCX, -(s32)PAGE_BYTES);
    asm_alu_rr(a, ASM_CMP, ASM_64, RCX, RAX);
    go_slow(c, a, asm_jcc_forward(a, ASM_NE));
}

/* Afterwards rcx is the addend of the group's page. */
static void compare_with_site(struct compile *c, unsigned n, unsigned base)
{
    compare_first(c, n, base);
    address_to(&c->a, RCX, base, c->hoists[n].end - 1);
    compare_last(c);
    asm_load(&c->a, ASM_64, RCX, site_addend_at(n));
}

/* The stride is less than that, without sign. */
static void compare_stride(struct compile *c, unsigned n, s32 limit)
{
    u32 offset = (u32)c->ir->insns[c->hoists[n].stride].imm;
    if (pin_of(c, offset) != NO_REG) {
        asm_alu_imm(&c->a, ASM_CMP, ASM_64, pin_of(c, offset), limit);
    } else {
        asm_alu_mem_imm(&c->a, ASM_CMP, ASM_64, state_at(offset), limit);
    }
    go_slow(c, &c->a, asm_jcc_forward(&c->a, ASM_AE));
}

/* The last step of the walk, from its base. */
static void last_step(struct compile *c, unsigned n, unsigned to)
{
    struct asm_buf *a = &c->a;
    u32 offset = (u32)c->ir->insns[c->hoists[n].stride].imm;
    if (pin_of(c, offset) != NO_REG) {
        asm_rr(a, 0x6b, ASM_64, to, pin_of(c, offset)); /* imul */
    } else {
        asm_rm(a, 0x6b, ASM_64, to, state_at(offset));
    }
    asm_u8(a, c->hoists[n].steps);
}

/* The same for a walk in one page. */
static void compare_walk(struct compile *c, unsigned n, unsigned base)
{
    struct asm_buf *a = &c->a;
    compare_stride(c, n, PAGE_BYTES);
    compare_first(c, n, base);
    last_step(c, n, RCX);
    asm_lea(a, ASM_64, RCX, asm_at_index(RCX, base, 0, c->hoists[n].end - 1));
    compare_last(c);
    asm_load(a, ASM_64, RCX, site_addend_at(n));
}

/* And where pages do not matter: both ends are in the span, and what is between, too, since so few
 * steps do not go round all addresses. */
static void compare_walk_with_span(struct compile *c, unsigned n, unsigned base)
{
    struct asm_buf *a = &c->a;
    compare_stride(c, n, INT32_MAX);
    address_to(a, RAX, base, c->hoists[n].first);
    compare_rax(c, n);
    last_step(c, n, RAX);
    asm_lea(a, ASM_64, RAX, asm_at_index(RAX, base, 0, c->hoists[n].first));
    compare_rax(c, n);
    asm_load(a, ASM_64, RCX, ACCESS_SPAN_AT(c->sites[n].write, addend));
}

/* What accesses use: rcx, to its place. */
static void keep_rcx(struct compile *c, unsigned n)
{
    if (c->hoists[n].reg == NO_REG) {
        asm_store(&c->a, ASM_64, frame_at(FRAME_HOISTS + 8 * n), RCX);
    } else {
        asm_mov(&c->a, ASM_64, c->hoists[n].reg, RCX);
    }
}

static void enter_hoist(struct compile *c, unsigned n)
{
    struct asm_buf *a = &c->a;
    const struct hoist *hoist = &c->hoists[n];
    unsigned base = head_value(c, hoist->base);
    if (hoist->stride != IR_REF_NONE) {
        if (hoist_by_span(c)) {
            compare_walk_with_span(c, n, base);
        } else {
            compare_walk(c, n, base);
        }
        keep_rcx(c, n);
        return;
    }
    if (hoist_by_span(c)) {
        compare_with_span(c, n, base);
    } else {
        compare_with_site(c, n, base);
    }
    if (hoist->reg == NO_REG) {
        asm_alu_rr(a, ASM_ADD, ASM_64, RCX, base);
        keep_rcx(c, n);
    } else {
        asm_lea(a, ASM_64, hoist->reg, asm_at_index(RCX, base, 0, 0));
    }
}

void hoist_go_slow(struct compile *c)
{
    go_slow(c, &c->cold, asm_jmp_forward(&c->cold));
}

void hoist_go_slow_by(struct compile *c, u32 field)
{
    go_slow(c, &c->a, field);
}

void hoist_enter(struct compile *c)
{
    for (unsigned n = 0; c->fast && n < c->hoist_count; n++) {
        c->held[n] = NO_REG;
        if (!c->hoists[n].table) {
            enter_hoist(c, n);
        }
    }
}

void hoist_begin_slow(struct compile *c)
{
    const u8 *here = asm_exec(&c->a);
    own_leave(c, &c->a);
    own_float_begin_slow(c);
    c->fast = false;
    c->sinking = false;
    c->keeps_vectors = false;
    c->lanes.sum_count = 0;
    c->entry = c->outer_entry;
    pins_as_usual(c);
    for (unsigned n = 0; n < c->slow_count; n++) {
        asm_bind_to(c->slow[n].cold ? &c->cold : &c->a, c->slow[n].field, here);
    }
}

/* --- the fast body --- */

bool hoist_holds(const struct compile *c, unsigned reg)
{
    for (unsigned n = 0; n < c->hoist_count; n++) {
        if (c->held[n] == reg) {
            return true;
        }
    }
    return false;
}

void hoist_lose(struct compile *c, unsigned reg)
{
    for (unsigned n = 0; n < c->hoist_count; n++) {
        if (c->held[n] == reg) {
            c->held[n] = NO_REG;
        }
    }
}

/* The register with what enter_hoist() kept. */
static unsigned hold(struct compile *c, unsigned n)
{
    if (c->hoists[n].reg != NO_REG) {
        return c->hoists[n].reg;
    }
    unsigned reg = c->held[n];
    if (reg == NO_REG) {
        reg = alloc_temp(c);
        asm_load(&c->a, ASM_64, reg, frame_at(FRAME_HOISTS + 8 * n));
        c->held[n] = (u8)reg;
    }
    c->locked |= 1u << reg;
    return reg;
}

struct asm_mem hoist_place(struct compile *c, unsigned n, s32 disp)
{
    return asm_at(hold(c, n), disp);
}

static struct asm_mem table_access(struct compile *c, unsigned n)
{
    struct table_place place;
    table_place_of(c, &c->ir->insns[c->at], &place);
    unsigned index = alloc_use(c, place.index);
    return asm_at_index(hold(c, n), index, place.shift, (s32)place.disp);
}

struct asm_mem hoist_access(struct compile *c)
{
    unsigned n = c->hoist_of[c->at] - 1u;
    if (c->hoists[n].table) {
        return table_access(c, n);
    }
    ir_ref address = hoist_address(&c->ir->insns[c->at]);
    s32 disp = (s32)address_disp(c->ir, address);
    if (c->hoists[n].stride == IR_REF_NONE) {
        return asm_at(hold(c, n), disp);
    }
    bool computed = !(c->values[address].flags & VALUE_OFFSET);
    unsigned reg = alloc_use(c, computed ? address : address_base(c->ir, address));
    return asm_at_index(reg, hold(c, n), 0, computed ? 0 : disp);
}

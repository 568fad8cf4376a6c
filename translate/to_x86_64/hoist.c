/* Traces: memory accesses near one address, checked together once a round.
 *
 * The accesses of a group are a constant distance from what a guest register, or the sum of two,
 * holds when the round begins. If the bytes from the first to the last of them lie in one page that
 * the TLB lets be read (or written), none of them can fault or need the slow path. So the body of a
 * trace exists twice. At the head every group is checked, and the host address of its register
 * computed; if all is well the fast body runs, where such an access is one instruction. Otherwise
 * the slow body runs that round, with a check at each access, and goes back to the head. Where
 * loads compare with the TLB's span, so does their group, and pages do not matter.
 *
 * What was checked holds until C may have run: C can be where another hart takes away a
 * permission. So an access of the fast body that the TLB cannot serve does not call C. It leaves
 * the trace before its instruction, as a fault would, and a block that begins there does it. In
 * the first instruction that block would be the trace again: it goes to the slow body.
 *
 * A trace without groups, as open ones that do not come back are, has a fast body alone, so that
 * registers can wait for its ways out (sink.c); there the first instruction's accesses call C. */
#include "translate/ir_vector.h"
#include "translate/to_x86_64/access.h"

enum { RANGE_MAX_BYTES = 2048, SPAN_RANGE_MAX_BYTES = TLB_SPAN_MARGIN };

static bool is_vector_access(const struct compile *c, const struct ir_insn *insn)
{
    struct ir_vector v = {0};
    if (insn->op == IR_VECTOR) {
        v = ir_vector_of(c->ir, insn);
    }
    return insn->op == IR_VECTOR && ir_vector_is_access(&v);
}

static bool is_access(const struct compile *c, const struct ir_insn *insn)
{
    return !insn->dead &&
           (insn->op == IR_LOAD || insn->op == IR_STORE || is_vector_access(c, insn));
}

static ir_ref address_of(const struct ir_insn *insn)
{
    return insn->op == IR_VECTOR ? insn->c : insn->b;
}

static s32 bytes_of(const struct compile *c, const struct ir_insn *insn)
{
    return insn->op == IR_VECTOR ? 1 << ir_vector_of(c->ir, insn).group_log2
                                 : 1 << (insn->sub & IR_MEM_SIZE_MASK);
}

bool hoist_is_head_register(const struct compile *c, ir_ref ref)
{
    const struct ir_insn *get = &c->ir->insns[ref];
    if (get->op != IR_GET || get->type != IR_I64 || get->sub != 8) {
        return false;
    }
    for (unsigned i = 0; i < ref; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->op == IR_SET && insn->imm < get->imm + 8 && get->imm < insn->imm + insn->sub) {
            return false;
        }
    }
    return true;
}

/* The same for the sum of two. An address from memory changes its page too often. */
static bool is_head_value(const struct compile *c, ir_ref ref)
{
    const struct ir_insn *insn = &c->ir->insns[ref];
    if (c->values[ref].flags & VALUE_FROM_MEMORY) {
        return false;
    }
    return hoist_is_head_register(c, ref) || (insn->op == IR_ADD && insn->type == IR_I64 &&
                                        hoist_is_head_register(c, insn->a) &&
                                        hoist_is_head_register(c, insn->b));
}

/* Loads of a mode that reads linearly are compared with the TLB's span (access.c), which has no
 * pages. */
static bool by_span(const struct compile *c, bool write)
{
    return (c->flags & HOST_LINEAR) && !write;
}

static unsigned hoist_for(const struct compile *c, ir_ref base, bool write)
{
    for (unsigned n = 0; n < c->hoist_count; n++) {
        if (c->hoists[n].base == base && c->sites[n].write == write) {
            return n;
        }
    }
    return HOISTS_MAX;
}

/* Makes the access a member of its group if it can be one. */
static void join(struct compile *c, unsigned i)
{
    const struct ir_insn *insn = &c->ir->insns[i];
    ir_ref base = address_base(c->ir, address_of(insn));
    bool write = loop_writes(c, insn), vector = insn->op == IR_VECTOR;
    bool aligned = !vector && (c->ir->insns[insn->a].imm & IR_CHECK_ALIGN);
    s64 first = address_disp(c->ir, address_of(insn));
    s64 range = by_span(c, write) ? SPAN_RANGE_MAX_BYTES : RANGE_MAX_BYTES;
    if (aligned || first < -range || first > range || !is_head_value(c, base)) {
        return;
    }
    s64 end = first + bytes_of(c, insn);
    unsigned n = hoist_for(c, base, write);
    if (n == HOISTS_MAX) {
        if (c->hoist_count == HOISTS_MAX) {
            return;
        }
        n = c->hoist_count++;
        c->sites[n].walker = loop_walker(c, base);
        c->sites[n].write = write;
        c->hoists[n] = (struct hoist){.base = base, .first = (s32)first, .end = (s32)end,
                                      .reg = NO_REG};
    }
    struct hoist *hoist = &c->hoists[n];
    s64 from = first < hoist->first ? first : hoist->first;
    s64 to = end > hoist->end ? end : hoist->end;
    if (to - from <= range) {
        hoist->first = (s32)from;
        hoist->end = (s32)to;
        hoist->members++;
        c->hoist_of[i] = (u8)(n + 1);
        if (!vector) {
            c->hoist_of[insn->a] = (u8)(n + 1); /* the check */
        }
    }
}

bool hoist_comes_back(const struct compile *c)
{
    if (!(c->flags & HOST_OPEN)) {
        return true;
    }
    for (unsigned i = c->ir->count; i-- > 0;) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if ((insn->op == IR_JUMP || insn->op == IR_EXIT_IF) && (s64)insn->imm == c->entry_target) {
            return true;
        }
    }
    return false;
}

/* True when an operation other than an access may: soft floating point, probes. */
static bool calls_c(const struct compile *c)
{
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        bool is_probe = insn->op >= IR_PROBE && insn->op < IR_INSN;
        bool is_float = (ir_op_info[insn->op].props & IR_E) != 0 && insn->op != IR_VECTOR;
        if (!insn->dead && (is_probe || is_float || insn->op == IR_FCLASS)) {
            return true;
        }
    }
    return false;
}

void hoist_find(struct compile *c)
{
    unsigned accesses = 0, members = 0;
    bool in_rounds = hoist_comes_back(c);
    c->fast = false;
    c->keeps_vectors = false;
    c->hoist_count = 0;
    c->slow_count = 0;
    if (!(c->flags & HOST_TRACE)) {
        return;
    }
    memset(c->hoist_of, 0, c->ir->count);
    loop_mark(c);
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->op == IR_AMO || insn->op == IR_CAS) {
            accesses = IR_MAX_INSNS; /* their slow path is not rare */
        }
        if (is_access(c, insn)) {
            accesses++;
            if (in_rounds) {
                join(c, i);
            }
        }
    }
    for (unsigned n = 0; n < c->hoist_count; n++) {
        members += c->hoists[n].members;
    }
    if (members < 2 * c->hoist_count || 2 * members < accesses) {
        c->hoist_count = 0;
        memset(c->hoist_of, 0, c->ir->count);
    }
    c->fast = accesses < IR_MAX_INSNS;
    c->all_hoisted = members == accesses;
    if (c->hoist_count != 0 && c->all_hoisted) {
        c->keeps_vectors = c->context->features & HOST_FEATURE_AVX512 && !calls_c(c);
        memset(c->kept_vectors, 0, sizeof(c->kept_vectors));
        c->kept_vector_next = 0;
    }
}

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

/* The bytes are readable when the first one is in the span, since the range is no longer than what
 * is readable around it. */
static void compare_with_span(struct compile *c, unsigned n, unsigned base)
{
    struct asm_buf *a = &c->a;
    s32 span = TLB_ENTRIES * sizeof(struct tlb_entry);
    asm_load(a, ASM_64, RCX, VCPU_AT(tlb));
    address_to(a, RAX, base, c->hoists[n].first);
    asm_alu_rm(a, ASM_SUB, ASM_64, RAX, asm_at(RCX, span + (s32)offsetof(struct tlb_span, first)));
    asm_alu_rm(a, ASM_CMP, ASM_64, RAX, asm_at(RCX, span + (s32)offsetof(struct tlb_span, bytes)));
    go_slow(c, a, asm_jcc_forward(a, ASM_AE));
    asm_load(a, ASM_64, RCX, asm_at(RCX, span + (s32)offsetof(struct tlb_span, addend)));
}

/* Afterwards rcx is the addend of the group's page. */
static void compare_with_site(struct compile *c, unsigned n, unsigned base)
{
    struct asm_buf *a = &c->a;
    const struct hoist *hoist = &c->hoists[n];
    address_to(a, RAX, base, hoist->first);
    asm_alu_imm(a, ASM_AND, ASM_64, RAX, -(s32)PAGE_BYTES);
    asm_alu_rm(a, ASM_CMP, ASM_64, RAX, site_tag_at(n));
    find_page(c, n, base, asm_jcc_forward(a, ASM_NE));
    address_to(a, RCX, base, hoist->end - 1);
    asm_alu_imm(a, ASM_AND, ASM_64, RCX, -(s32)PAGE_BYTES);
    asm_alu_rr(a, ASM_CMP, ASM_64, RCX, RAX);
    go_slow(c, a, asm_jcc_forward(a, ASM_NE));
    asm_load(a, ASM_64, RCX, site_addend_at(n));
}

static void enter_hoist(struct compile *c, unsigned n)
{
    struct asm_buf *a = &c->a;
    const struct hoist *hoist = &c->hoists[n];
    unsigned base = head_value(c, hoist->base);
    if (by_span(c, c->sites[n].write)) {
        compare_with_span(c, n, base);
    } else {
        compare_with_site(c, n, base);
    }
    if (hoist->reg == NO_REG) {
        asm_alu_rr(a, ASM_ADD, ASM_64, RCX, base);
        asm_store(a, ASM_64, frame_at(FRAME_HOISTS + 8 * n), RCX);
    } else {
        asm_lea(a, ASM_64, hoist->reg, asm_at_index(RCX, base, 0, 0));
    }
}

void hoist_go_slow(struct compile *c)
{
    go_slow(c, &c->cold, asm_jmp_forward(&c->cold));
}

void hoist_enter(struct compile *c)
{
    for (unsigned n = 0; c->fast && n < c->hoist_count; n++) {
        c->held[n] = NO_REG;
        enter_hoist(c, n);
    }
}

void hoist_begin_slow(struct compile *c)
{
    const u8 *here = asm_exec(&c->a);
    own_leave(c, &c->a);
    c->fast = false;
    c->sinking = false;
    c->keeps_vectors = false;
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

struct asm_mem hoist_access(struct compile *c)
{
    unsigned n = c->hoist_of[c->at] - 1u;
    s32 disp = (s32)address_disp(c->ir, address_of(&c->ir->insns[c->at]));
    if (c->hoists[n].reg != NO_REG) {
        return asm_at(c->hoists[n].reg, disp);
    }
    unsigned reg = c->held[n];
    if (reg == NO_REG) {
        reg = alloc_temp(c);
        asm_load(&c->a, ASM_64, reg, frame_at(FRAME_HOISTS + 8 * n));
        c->held[n] = (u8)reg;
    }
    c->locked |= 1u << reg;
    return asm_at(reg, disp);
}

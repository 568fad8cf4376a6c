/* The TLB's fast path, inline.
 *
 * The fast path of an access at address A:
 *     rorx entry, A, 7; and entry, index mask; add entry, [vcpu.tlb]
 *     lea tag, [A + size - 1]; and tag, page mask; cmp tag, [entry.tag]; jne slow
 *     resume: mov tag, [entry.addend]; access [A + tag]
 * The slow path first tries the page's other entry (cpu/tlb.h) and resumes when that fits. Where
 * the address is a known distance from the code's page, as a program's variables are, the tag needs
 * no mask, and the entry is found by it; where the address is known, as variables' of programs that
 * lie at an address of their own, both are constants:
 *     lea tag, [page + pages]; rorx entry, tag, 7; and entry, index mask; ...
 *     mov entry, [vcpu.tlb]; add entry, index; cmp [entry.tag], tag; jne slow
 *
 * In a mode that reads linearly they compare with the TLB's spans (cpu/tlb.h):
 *     mov tag, A; sub tag, [vcpu.span.first]; cmp tag, [vcpu.span.bytes]
 *     jae slow; mov tag, [vcpu.span.addend]; resume: access [A + tag]
 * Stores may well lie outside of their span; their slow path looks at the first entry itself.
 *
 * Groups. Accesses of a block at constant distances from one base address mostly go to one page.
 * The first of them compares the last byte that any of them may touch, from the entry of the page
 * of the first byte, asks for write permission if one of them is sure to write, and keeps the
 * addend in a register. The others are
 *     test kept, 1; jne slow; access [A + kept]
 * Addends have their low bits clear; a kept one is made odd, "poisoned", when the group does not
 * lie in one page with that permission, and when C was called meanwhile, since that may change
 * what is permitted. The slow path of a poisoned group looks up each access for itself. An addend
 * whose register is wanted goes to the frame, for less than another look-up costs, and comes back
 * for the group's next access; C poisons what is there, too.
 *
 * In the fast body of a trace (hoist.c) nobody calls C, and a group that does not lie in such a
 * page has the trace left before its first access: the others test nothing. Where that happens
 * often the trace is made anew (struct host_split): accesses of either page become a group of their
 * own (scan.c), since a function's frame mostly lies where it lay the last time, and where they do
 * so again and again they are tested. In the first instruction of a trace, where leaving leads back
 * to it, groups are tested, too.
 *
 * Where nothing but moves and sums lie between two accesses of a group, the second one is not
 * tested: the slow path of the first goes on with a copy of what lies between and with the slow
 * path of the second. So a function's prologue, all stores near one base, tests once. */
#include "translate/to_x86_64/access.h"
#include "translate/to_x86_64/loop.h"

enum { ENTRY_SHIFT = 5 }; /* entries are 32 bytes */

void access_other_entry(struct asm_buf *a, unsigned entry, unsigned address, unsigned temp)
{
    asm_mov(a, ASM_64, temp, address);
    asm_shift_imm(a, ASM_SHR, ASM_64, temp, TLB_REGION_BITS);
    asm_rr(a, 0x69, ASM_32, temp, temp);
    asm_u32(a, TLB_HASH_FACTOR);
    asm_shift_imm(a, ASM_SHR, ASM_32, temp, 32 - TLB_BITS - ENTRY_SHIFT);
    asm_alu_imm(a, ASM_AND, ASM_32, temp, TLB_INDEX_HASHED << ENTRY_SHIFT);
    asm_mov(a, ASM_32, entry, address);
    asm_shift_imm(a, ASM_SHR, ASM_32, entry, PAGE_BITS - ENTRY_SHIFT);
    asm_alu_rr(a, ASM_XOR, ASM_32, entry, temp);
    asm_alu_rm(a, ASM_AND, ASM_32, entry, VCPU_AT(tlb_others_mask));
    asm_alu_rm(a, ASM_ADD, ASM_64, entry, VCPU_AT(tlb_others));
}

void access_index(struct asm_buf *a, u32 features, const struct access *m, unsigned address)
{
    if (address == m->entry) {
        asm_shift_imm(a, ASM_SHR, ASM_32, m->entry, PAGE_BITS - ENTRY_SHIFT);
    } else if (features & HOST_FEATURE_BMI2) {
        asm_vex(a, 3, 3, 0, 0xf0, m->entry, 0, address);
        asm_u8(a, PAGE_BITS - ENTRY_SHIFT);
    } else {
        asm_mov(a, ASM_32, m->entry, address);
        asm_shift_imm(a, ASM_SHR, ASM_32, m->entry, PAGE_BITS - ENTRY_SHIFT);
    }
    asm_alu_imm(a, ASM_AND, ASM_32, m->entry, (TLB_ENTRIES - 1) << ENTRY_SHIFT);
    if (m->table == NO_REG) {
        asm_alu_rm(a, ASM_ADD, ASM_64, m->entry, VCPU_AT(tlb));
    } else {
        asm_load(a, ASM_64, m->table, VCPU_AT(tlb));
    }
}

/* The address to find the entry by: `address` itself when that is in the page too if the bytes from
 * `disp` on are, or its lower half in the entry's register. */
static unsigned anchor(struct compile *c, const struct access *m, s32 disp, unsigned bytes)
{
    enum { NEAR = 128 };
    if (disp >= 0 && disp + (s32)bytes <= NEAR) {
        return m->address;
    }
    asm_lea(&c->a, ASM_32, m->entry, asm_at(m->address, disp));
    return m->entry;
}

/* After a comparison with the page's tag. */
static void go_slow_unless_equal(struct compile *c, struct access *m)
{
    m->slow = asm_jcc_forward(&c->a, ASM_NE);
    m->resume = asm_offset(&c->a);
}

static void compare(struct compile *c, struct access *m, s32 disp, s32 mask, struct asm_mem with)
{
    struct asm_buf *a = &c->a;
    if (disp == 0) {
        asm_mov(a, ASM_64, m->tag, m->address);
    } else {
        asm_lea(a, ASM_64, m->tag, asm_at(m->address, disp));
    }
    asm_alu_imm(a, ASM_AND, ASM_64, m->tag, mask);
    asm_alu_rm(a, ASM_CMP, ASM_64, m->tag, with);
    go_slow_unless_equal(c, m);
}

/* Of bytes at a known distance from the code's page, all in one page: that is a sum, and the entry
 * is found by it. Of known bytes, tag and index are constants. False for others, and nothing is
 * done. */
static bool look_up_page(struct compile *c, struct access *m, s32 disp, unsigned bytes, bool write)
{
    struct asm_buf *a = &c->a;
    struct asm_mem tag = access_entry_at(m, access_tag_offset(write));
    s64 first = m->page_disp + disp;
    s32 low = (s32)(first & (s32)PAGE_OFFSET_MASK);
    if (m->page == ACCESS_PAGE_ANY || (u32)low + bytes > PAGE_BYTES) {
        return false;
    }
    if (m->page == ACCESS_PAGE_OF_CODE) {
        asm_lea(a, ASM_64, m->tag, asm_at(m->address, disp - low));
        access_index(a, c->features, m, m->tag);
        asm_alu_rm(a, ASM_CMP, ASM_64, m->tag, tag);
    } else if (asm_fits_s32(first) && m->table == NO_REG) {
        asm_load(a, ASM_64, m->entry, VCPU_AT(tlb));
        asm_alu_imm(a, ASM_ADD, ASM_64, m->entry, (s32)tlb_index((gva_t)first) << ENTRY_SHIFT);
        asm_alu_mem_imm(a, ASM_CMP, ASM_64, tag, (s32)(first - low));
    } else {
        return false;
    }
    go_slow_unless_equal(c, m);
    return true;
}

void access_look_up_alone(struct compile *c, struct access *m)
{
    s32 last = (s32)m->size_bytes - 1;
    struct asm_mem addend = access_entry_at(m, offsetof(struct tlb_entry, addend));
    if (!m->align && look_up_page(c, m, m->disp, m->size_bytes, m->write)) {
        asm_load(&c->a, ASM_64, m->tag, addend);
        return;
    }
    access_index(&c->a, c->features, m, anchor(c, m, m->disp, m->size_bytes));
    compare(c, m, m->align ? m->disp : m->disp + last, -(s32)PAGE_BYTES | (m->align ? last : 0),
            access_entry_at(m, access_tag_offset(m->write)));
    asm_load(&c->a, ASM_64, m->tag, addend);
}

/* As lookup_site, of the whole group, whose size its address must be a multiple of. */
static void guess_first(struct compile *c, struct access *m)
{
    compare(c, m, m->group_disp, -(s32)PAGE_BYTES | ((s32)m->group_bytes - 1),
            site_tag_read(c, m->site));
    asm_load(&c->a, ASM_64, m->entry, site_addend_at(m->site));
    m->ready = asm_offset(&c->a);
}

static void lookup_first(struct compile *c, struct access *m)
{
    if (!look_up_page(c, m, m->group_disp, m->group_bytes, m->group_write)) {
        access_index(&c->a, c->features, m, anchor(c, m, m->group_disp, m->group_bytes));
        compare(c, m, m->group_disp + (s32)m->group_bytes - 1, -(s32)PAGE_BYTES,
                asm_at(m->entry, access_tag_offset(m->group_write)));
    }
    asm_load(&c->a, ASM_64, m->entry, asm_at(m->entry, offsetof(struct tlb_entry, addend)));
}

/* Whether what begins at that distance from an address in the span is all readable. */
static bool is_near(s32 disp)
{
    return disp >= -TLB_SPAN_MARGIN && disp <= TLB_SPAN_MARGIN - 512;
}

static void lookup_span(struct compile *c, struct access *m)
{
    struct asm_buf *a = &c->a;
    bool first = m->way == ACCESS_FIRST;
    bool write = first ? m->group_write : m->write;
    unsigned addend = first ? m->entry : m->tag;
    s32 disp = first ? m->group_disp : m->disp;
    if (is_near(disp)) {
        asm_mov(a, ASM_64, m->tag, m->address);
    } else {
        asm_lea(a, ASM_64, m->tag, asm_at(m->address, disp));
    }
    asm_alu_rm(a, ASM_SUB, ASM_64, m->tag, ACCESS_SPAN_AT(write, first));
    asm_alu_rm(a, ASM_CMP, ASM_64, m->tag, ACCESS_SPAN_AT(write, bytes));
    m->slow = asm_jcc_forward(a, ASM_AE);
    asm_load(a, ASM_64, addend, ACCESS_SPAN_AT(write, addend));
    m->resume = asm_offset(a);
}

/* The page remembered need not be the one of the first byte; so its alignment is compared too. */
static void lookup_site(struct compile *c, struct access *m)
{
    compare(c, m, m->disp, -(s32)PAGE_BYTES | ((s32)m->size_bytes - 1), site_tag_read(c, m->site));
    asm_load(&c->a, ASM_64, m->tag, site_addend_at(m->site));
    m->ready = asm_offset(&c->a);
}

/* What emits nothing but moves and sums of integers. */
static bool is_plain(const struct compile *c, const struct ir_insn *insn)
{
    switch (insn->op) {
    case IR_INSN: case IR_ADD: case IR_SUB: case IR_AND: case IR_OR: case IR_XOR:
    case IR_SEXT: case IR_ZEXT: case IR_TRUNC:
        return true;
    case IR_GET:
        return insn->type == IR_I64;
    case IR_SET:
        return c->ir->insns[insn->a].type == IR_I64 && c->ir->insns[insn->a].op != IR_FBOX;
    default:
        return false;
    }
}

/* Whether the access before was of the same group, with code in between that runs anywhere. */
static bool goes_on(const struct compile *c, const struct access *m)
{
    enum { BETWEEN_BYTES_MAX = 48 };
    const struct ir_insn *insn = &c->ir->insns[c->at];
    if (insn->op == IR_STORE && type_is_float(c->ir->insns[c->values[insn->c].root].type)) {
        return false; /* may look for NaNs first */
    }
    if (c->chain.kept != m->kept || c->chain.cold_end != c->cold.p ||
        c->chain.stub_count != c->stub_count ||
        asm_offset(&c->a) - c->chain.end > BETWEEN_BYTES_MAX || c->carried_count != 0 ||
        c->nan_wait.root != IR_REF_NONE) {
        return false;
    }
    for (unsigned n = c->chain.live_at + 1; n < c->live_at; n++) {
        if (!is_plain(c, &c->ir->insns[c->live[n]])) {
            return false;
        }
    }
    return true;
}

static void lookup_kept(struct compile *c, struct access *m)
{
    if (m->sure) {
        return;
    }
    m->chained = goes_on(c, m);
    if (!m->chained) {
        asm_test_imm8(&c->a, m->entry, 1);
        m->slow = asm_jcc_forward(&c->a, ASM_NE);
    }
    m->resume = asm_offset(&c->a);
}

void access_lookup(struct compile *c, struct access *m)
{
    m->fix_first = c->fix_count;
    m->fix_count = c->fast ? sink_way_out(c) : 0;
    if (m->span) {
        lookup_span(c, m);
        return;
    }
    if (m->slot != 0) {
        slot_look_up(c, m);
        return;
    }
    switch (m->way) {
    case ACCESS_ALONE: access_look_up_alone(c, m); break;
    case ACCESS_FIRST:
        if (m->guess) {
            guess_first(c, m);
        } else {
            lookup_first(c, m);
        }
        break;
    case ACCESS_KEPT: lookup_kept(c, m); break;
    case ACCESS_SITE: lookup_site(c, m); break;
    }
}

/* --- claiming --- */

/* The addend left for that access, or NULL; `disp` from the base. */
static struct kept *kept_find(struct compile *c, const struct access *m, ir_ref base, s64 disp)
{
    for (u32 left = c->kept_used; left != 0; left &= left - 1) {
        struct kept *kept = &c->kept[__builtin_ctz(left)];
        if (kept->base == base && disp >= kept->disp &&
            disp + (s64)m->size_bytes <= (s64)kept->disp + kept->bytes &&
            (kept->write || !m->write)) {
            return kept;
        }
    }
    return NULL;
}

/* Whether the group that begins now takes in bytes of the one that was kept. */
static bool is_widened(const struct compile *c, const struct kept *kept, ir_ref base)
{
    s64 first = c->groups[c->at].disp, end = first + c->groups[c->at].bytes;
    return kept->base == base && kept->disp < end && first < (s64)kept->disp + kept->bytes;
}

static const struct kept *keep(struct compile *c, const struct access *m, ir_ref base)
{
    unsigned n = 0;
    while (n < KEPT_MAX && (c->kept_used >> n & 1) && !is_widened(c, &c->kept[n], base)) {
        n++;
    }
    if (n == KEPT_MAX) {
        n = c->kept_next++ % KEPT_MAX;
    }
    struct kept *kept = &c->kept[n];
    alloc_unkeep(c, kept);
    alloc_keep(c, kept, m->entry);
    kept->write = m->group_write;
    kept->sure = m->sure;
    kept->base = (u16)base;
    kept->disp = c->groups[c->at].disp;
    kept->bytes = c->groups[c->at].bytes;
    return kept;
}

/* The register of an addend that is kept; it comes back from the frame if it lost its own. The last
 * access of the group keeps it no longer. */
static unsigned use_kept(struct compile *c, struct kept *kept)
{
    if (kept->reg == NO_REG) {
        unsigned reg = alloc_temp(c);
        asm_load(&c->a, ASM_64, reg, frame_at(FRAME_KEPT + 8 * (unsigned)(kept - c->kept)));
        alloc_keep(c, kept, reg);
    }
    unsigned reg = kept->reg;
    c->locked |= 1u << reg;
    if (c->groups[c->at].bytes == 0) {
        alloc_unkeep(c, kept);
    }
    return reg;
}

/* The register that the address is in, but for a constant. */
static void use_address(struct compile *c, struct access *m, ir_ref address)
{
    if (!(c->values[address].flags & VALUE_OFFSET)) {
        m->address = alloc_use(c, address);
        return;
    }
    const struct ir_insn *add = &c->ir->insns[address];
    m->disp = (s32)c->ir->insns[c->values[add->b].root].imm;
    m->address = alloc_use(c, add->a);
}

/* Whether the group that begins with the current access is one that has no addend again and
 * again. */
static bool is_split(const struct compile *c)
{
    const struct host_split *split = c->request->split;
    unsigned n = 0;
    while (n < c->request->split_count && (split[n].offset != c->insn_offset ||
                                           split[n].times < HOST_SPLIT_TIMES)) {
        n++;
    }
    return n < c->request->split_count || (c->flags & HOST_ALL_SPLIT) != 0;
}

static enum access_page page_of(const struct ir_insn *base)
{
    return base->op == IR_PC_PAGE ? ACCESS_PAGE_OF_CODE
           : base->op == IR_CONST ? ACCESS_PAGE_KNOWN
                                  : ACCESS_PAGE_ANY;
}

void access_claim(struct compile *c, struct access *m, ir_ref address, unsigned size_bytes,
                  unsigned flags)
{
    *m = (struct access){
        .size_bytes = size_bytes,
        .write = (flags & ACCESS_WRITE) != 0,
        .align = (flags & ACCESS_ALIGN) != 0,
        .entry = NO_REG,
        .tag = NO_REG,
        .table = NO_REG,
        .site = SITES_MAX,
    };
    const struct value *value = &c->values[c->at];
    bool group = (flags & ACCESS_GROUP) && !m->align;
    bool linear = group && (c->flags & HOST_LINEAR);
    bool first = group && c->groups[c->at].bytes != 0;
    ir_ref base = address_base(c->ir, address);
    s64 disp = address_disp(c->ir, address);
    struct kept *kept = group ? kept_find(c, m, base, disp) : NULL;
    if (kept != NULL) {
        m->way = ACCESS_KEPT;
        if (kept->reg != NO_REG) {
            c->locked |= 1u << kept->reg;
        }
        use_address(c, m, address);
        m->sure = kept->sure;
        m->entry = use_kept(c, kept);
        m->kept = kept;
        return;
    }
    use_address(c, m, address);
    m->page = page_of(&c->ir->insns[base]);
    m->page_disp = disp - m->disp;
    if (m->page == ACCESS_PAGE_KNOWN) {
        m->page_disp += (s64)c->ir->insns[base].imm;
    }
    m->site = loop_site(c, c->at);
    m->guess = m->site < SITES_MAX && loop_guesses(c, &c->ir->insns[c->at]);
    m->way = first ? ACCESS_FIRST : m->site < SITES_MAX ? ACCESS_SITE : ACCESS_ALONE;
    if (m->way != ACCESS_SITE || m->guess) {
        m->entry = alloc_temp(c);
    }
    m->tag = alloc_temp(c);
    m->span = linear;
    if (group) {
        slot_claim(c, m);
    }
    if (m->way == ACCESS_ALONE && (flags & ACCESS_SPARE) && !m->span && m->slot == 0 &&
        m->page != ACCESS_PAGE_KNOWN) {
        m->table = alloc_temp(c);
    }
    if (first) {
        m->group_write = (value->flags & VALUE_GROUP_WRITES) != 0;
        m->group_disp = (s32)(c->groups[c->at].disp - disp) + m->disp;
        m->group_bytes = c->groups[c->at].bytes;
        m->sure = access_must_leave(c) && !is_split(c);
        m->kept = keep(c, m, base);
    }
}

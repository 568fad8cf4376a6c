/* Guest memory: the TLB's fast path inline, everything else through the THUNK_MEM routines.
 *
 * A TLB_CHECK that accesses use emits nothing: each access checks its own address, with the
 * permissions that its check asks for. Accesses that share a check are so checked more than once,
 * which is right and rare in tier 1. A check without an access probes.
 *
 * The fast path of an access at address A:
 *     rorx entry, A, 7; and entry, index mask; rorx tag, A, 17; and tag, fold mask
 *     xor entry, tag; add entry, [vcpu.tlb]
 *     lea tag, [A + size - 1]; and tag, page mask; cmp tag, [entry.tag]; jne slow
 *     resume: mov tag, [entry.addend]; access [A + tag]
 * A slow path first tries the other entry of the pair (cpu/tlb.h) and resumes when that fits.
 *
 * The first two lines are left out when an earlier access of the block with the same base address
 * left its entry in a register; when the page turns out to be another one, the slow path does them.
 * Such an access compares its first byte's page and alignment instead: the entry's page need not
 * be the one of A, so the last byte alone would prove nothing. */
#include "translate/to_x86_64/compile.h"

enum { INDEX_SHIFT = PAGE_BITS - 5 }; /* entries are 32 bytes */

static u32 desc_of(const struct compile *c, unsigned low)
{
    return low | c->insn_offset % (u32)PAGE_BYTES << HOST_DESC_PC_SHIFT |
           c->insn_index << HOST_DESC_INDEX_SHIFT;
}

struct access {
    unsigned address; /* register that holds the guest's address, less disp */
    s32 disp;         /* 0 unless `again` or at a site */
    unsigned entry;   /* the TLB entry */
    unsigned tag;     /* scratch; at the end address + tag is the host address */
    unsigned table;   /* when not NO_REG, `entry` is an offset from this register */
    bool again;       /* `entry` was left by an earlier access */
    unsigned site;    /* of a loop: page and addend are in the frame; no `entry` then */
    u32 slow;         /* jump field of the slow path */
    u32 resume;       /* offset of what follows the compare */
    s32 tag_offset;   /* which tag of the entry is compared */
    s32 tag_mask;
};

/* Bits 5 and up of `entry` become the index. Two rotations side by side shorten the way. */
static void compute_index(struct compile *c, const struct access *m)
{
    struct asm_buf *a = &c->a;
    if (c->features & HOST_FEATURE_BMI2) {
        asm_vex(a, 3, 3, 0, 0xf0, m->entry, 0, m->address);
        asm_u8(a, INDEX_SHIFT);
        asm_vex(a, 3, 3, 0, 0xf0, m->tag, 0, m->address);
        asm_u8(a, INDEX_SHIFT + TLB_BITS);
    } else {
        asm_mov(a, ASM_32, m->entry, m->address);
        asm_shift_imm(a, ASM_SHR, ASM_32, m->entry, INDEX_SHIFT);
        asm_mov(a, ASM_32, m->tag, m->address);
        asm_shift_imm(a, ASM_SHR, ASM_32, m->tag, INDEX_SHIFT + TLB_BITS);
    }
    asm_alu_imm(a, ASM_AND, ASM_32, m->entry, (TLB_ENTRIES - 1) << 5);
    asm_alu_imm(a, ASM_AND, ASM_32, m->tag, TLB_INDEX_FOLD << 5);
    asm_alu_rr(a, ASM_XOR, ASM_32, m->entry, m->tag);
    if (m->table == NO_REG) {
        asm_alu_rm(a, ASM_ADD, ASM_64, m->entry, VCPU_AT(tlb));
    } else {
        asm_load(a, ASM_64, m->table, VCPU_AT(tlb));
    }
}

static struct asm_mem entry_at(const struct access *m, s32 member_offset)
{
    return m->table == NO_REG ? asm_at(m->entry, member_offset)
                              : asm_at_index(m->table, m->entry, 0, member_offset);
}

/* --- slow path: try the other way of the set, then call. data: descriptor; reg[0] address, reg[1]
 *     kind and whether XMM registers are live, reg[2] result (general or XMM, NO_REG), reg[3]
 *     stored value (NO_REG: it is imm) --- */

static void try_other_way(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    struct access m = {.entry = stub->entry, .table = stub->table};
    asm_alu_imm(a, ASM_XOR, ASM_64, m.entry, (s32)(TLB_OTHER_WAY * sizeof(struct tlb_entry)));
    asm_alu_rm(a, ASM_CMP, ASM_64, stub->tag, entry_at(&m, stub->tag_offset));
    asm_jcc(a, ASM_E, a->exec + stub->resume);
}

/* A temporary that the access does not use, and that is not `except`. */
static unsigned unused_temp(const struct stub *stub, unsigned except)
{
    static const u8 temps[] = {RAX, RCX, RDX, RSI, RDI};
    for (unsigned n = 0; n < ARRAY_LEN(temps); n++) {
        unsigned reg = temps[n];
        if (reg != stub->reg[0] && reg != stub->entry && reg != stub->tag && reg != except) {
            return reg;
        }
    }
    return NO_REG;
}

/* The loop's site was in another page. Looks up the new one and remembers it; leaves the address in
 * `tag`. */
static void look_up_site(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    unsigned entry = unused_temp(stub, NO_REG);
    unsigned other = unused_temp(stub, entry);
    struct access m = {.address = stub->tag, .entry = entry, .tag = other, .table = NO_REG};
    asm_lea(a, ASM_64, stub->tag, asm_at(stub->reg[0], stub->disp));
    asm_store(a, ASM_64, frame_at(FRAME_ARGS), entry);
    asm_store(a, ASM_64, frame_at(FRAME_ARGS + 8), other);
    compute_index(c, &m);
    /* the site compares alignment; here any access inside one page will do */
    asm_lea(a, ASM_64, other, asm_at(stub->tag, stub->tag_mask + (s32)PAGE_BYTES));
    asm_alu_imm(a, ASM_AND, ASM_64, other, -(s32)PAGE_BYTES);
    asm_alu_rm(a, ASM_CMP, ASM_64, other, asm_at(entry, stub->tag_offset));
    u32 found = asm_jcc_short(a, ASM_E);
    asm_alu_imm(a, ASM_XOR, ASM_64, entry, (s32)(TLB_OTHER_WAY * sizeof(struct tlb_entry)));
    asm_alu_rm(a, ASM_CMP, ASM_64, other, asm_at(entry, stub->tag_offset));
    u32 missed = asm_jcc_short(a, ASM_NE);
    asm_bind_short(a, found);
    asm_store(a, ASM_64, site_tag_at(stub->site), other);
    asm_load(a, ASM_64, other, asm_at(entry, offsetof(struct tlb_entry, addend)));
    asm_store(a, ASM_64, site_addend_at(stub->site), other);
    asm_load(a, ASM_64, entry, frame_at(FRAME_ARGS));
    asm_load(a, ASM_64, other, frame_at(FRAME_ARGS + 8));
    asm_jmp(a, a->exec + stub->resume);
    asm_bind_short(a, missed);
    asm_load(a, ASM_64, entry, frame_at(FRAME_ARGS));
    asm_load(a, ASM_64, other, frame_at(FRAME_ARGS + 8));
}

/* The kept entry was for another page: looks the right one up. Leaves the address in `tag`. */
static void look_up_again(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    unsigned other = unused_temp(stub, NO_REG);
    struct access m = {.address = stub->tag, .entry = stub->entry, .tag = other, .table = NO_REG};
    asm_lea(a, ASM_64, stub->tag, asm_at(stub->reg[0], stub->disp));
    asm_store(a, ASM_64, frame_at(FRAME_ARGS), other);
    compute_index(c, &m);
    asm_mov(a, ASM_64, other, stub->tag);
    asm_alu_imm(a, ASM_AND, ASM_64, other, stub->tag_mask);
    asm_alu_rm(a, ASM_CMP, ASM_64, other, asm_at(stub->entry, stub->tag_offset));
    u32 found = asm_jcc_short(a, ASM_E);
    asm_alu_imm(a, ASM_XOR, ASM_64, stub->entry, (s32)(TLB_OTHER_WAY * sizeof(struct tlb_entry)));
    asm_alu_rm(a, ASM_CMP, ASM_64, other, asm_at(stub->entry, stub->tag_offset));
    asm_bind_short(a, found);
    asm_load(a, ASM_64, other, frame_at(FRAME_ARGS));
    asm_jcc(a, ASM_E, a->exec + stub->resume);
}

static void stub_mem(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    unsigned address = stub->reg[0];
    if (stub->site < SITES_MAX) {
        look_up_site(c, stub);
        address = stub->tag;
    } else if (stub->again) {
        look_up_again(c, stub);
        address = stub->tag;
    } else {
        try_other_way(c, stub);
    }
    unsigned value = stub->reg[3];
    unsigned kind = stub->reg[1] >> 1;
    if (kind == MEM_STORE || value != NO_REG) {
        if (value == NO_REG) {
            asm_mov_mem_imm(a, ASM_64, frame_at(FRAME_VALUE), (s32)stub->imm);
        } else if (value < REG_XMM0) {
            asm_store(a, ASM_64, frame_at(FRAME_VALUE), value);
        } else {
            asm_rm(a, ASM_OP(0xf2, 0x0f11), ASM_32, value - REG_XMM0, frame_at(FRAME_VALUE));
        }
    }
    asm_u8(a, 0x68);
    asm_u32(a, stub->data);
    asm_call(a, thunk(c, thunk_mem_index((enum mem_kind)kind, stub->reg[1] & 1, address)));
    unsigned result = stub->reg[2];
    if (result < REG_XMM0) {
        asm_load(a, ASM_64, result, frame_at(FRAME_RESULT));
    } else if (result != NO_REG) {
        asm_rm(a, ASM_OP(0xf2, 0x0f10), ASM_32, result - REG_XMM0, frame_at(FRAME_RESULT));
    }
    stub_return(c, stub);
}

static struct stub *slow_path(struct compile *c, enum mem_kind kind, const struct access *m,
                              u32 desc)
{
    struct stub *stub = stub_add(c, stub_mem, m->slow);
    stub->entry = (u8)m->entry;
    stub->tag = (u8)m->tag;
    stub->table = (u8)m->table;
    stub->again = m->again;
    stub->site = (u8)m->site;
    stub->tag_offset = (u8)m->tag_offset;
    stub->tag_mask = m->tag_mask;
    stub->disp = m->disp;
    stub->resume = m->resume;
    stub->reg[0] = (u8)m->address;
    stub->reg[1] = (u8)((unsigned)kind << 1 | alloc_xmm_live(c));
    stub->reg[2] = NO_REG;
    stub->reg[3] = NO_REG;
    stub->data = desc;
    return stub;
}

/* --- fast path --- */

/* Leaves the host address in address + tag, or goes to the slow path; a misaligned address does
 * that too with `align`. */
static void lookup(struct compile *c, struct access *m, unsigned size_bytes, bool write, bool align)
{
    struct asm_buf *a = &c->a;
    bool at_site = m->site < SITES_MAX;
    if (!m->again && !at_site) {
        compute_index(c, m);
    }
    m->tag_mask = -(s32)PAGE_BYTES;
    s32 ahead = m->disp;
    if (align || m->again || at_site) {
        m->tag_mask |= (s32)size_bytes - 1;
    } else {
        ahead += (s32)size_bytes - 1;
    }
    if (ahead == 0) {
        asm_mov(a, ASM_64, m->tag, m->address);
    } else {
        asm_lea(a, ASM_64, m->tag, asm_at(m->address, ahead));
    }
    m->tag_offset = write ? offsetof(struct tlb_entry, write_tag)
                          : offsetof(struct tlb_entry, read_tag);
    asm_alu_imm(a, ASM_AND, ASM_64, m->tag, m->tag_mask);
    asm_alu_rm(a, ASM_CMP, ASM_64, m->tag,
               at_site ? site_tag_at(m->site) : entry_at(m, m->tag_offset));
    m->slow = asm_jcc_forward(a, ASM_NE);
    m->resume = asm_offset(a);
    asm_load(a, ASM_64, m->tag,
             at_site ? site_addend_at(m->site)
                     : entry_at(m, offsetof(struct tlb_entry, addend)));
}

/* The register with the entry that an access with that base left, or NO_REG. */
static unsigned entry_of_base(const struct compile *c, ir_ref base)
{
    for (unsigned n = 0; n < ENTRIES_MAX; n++) {
        if (c->entries[n].reg != NO_REG && c->entries[n].base == base) {
            return c->entries[n].reg;
        }
    }
    return NO_REG;
}

static void keep_entry(struct compile *c, unsigned reg, ir_ref base)
{
    unsigned n = 0;
    while (n < ENTRIES_MAX && c->entries[n].reg != NO_REG) {
        n++;
    }
    if (n == ENTRIES_MAX) {
        n = c->entry_next++ % ENTRIES_MAX;
    }
    c->entries[n].reg = (u8)reg;
    c->entries[n].base = base;
}

static void use_address(struct compile *c, struct access *m, ir_ref address)
{
    if (!(c->values[address].flags & VALUE_OFFSET)) {
        m->address = alloc_use(c, address);
        return;
    }
    const struct ir_insn *add = &c->ir->insns[address];
    s32 disp = (s32)c->ir->insns[c->values[add->b].root].imm;
    unsigned base = alloc_use(c, add->a);
    if (m->again || m->site < SITES_MAX) {
        m->address = base;
        m->disp = disp;
    } else {
        m->address = alloc_temp(c);
        asm_lea(&c->a, ASM_64, m->address, asm_at(base, disp));
        c->locked &= ~(1u << base);
    }
}

/* Registers for an access at `address`: an entry that an earlier access left, or new ones. With
 * `spare`, a third register may be taken to save a cycle. */
static struct access access_claim(struct compile *c, ir_ref address, bool spare)
{
    struct access m = {.table = NO_REG, .entry = NO_REG, .site = loop_site(c)};
    if (m.site < SITES_MAX) {
        use_address(c, &m, address);
        m.tag = alloc_temp(c);
        return m;
    }
    ir_ref base = address_base(c->ir, address);
    m.entry = entry_of_base(c, base);
    m.again = m.entry != NO_REG;
    if (m.again) {
        c->locked |= 1u << m.entry;
    }
    use_address(c, &m, address);
    if (!m.again) {
        m.entry = alloc_temp(c);
    }
    m.tag = alloc_temp(c);
    bool keep = c->values[c->at].flags & VALUE_KEEP_ENTRY;
    if (spare && !m.again && !keep) {
        m.table = alloc_temp(c);
    }
    if (keep && !m.again) {
        keep_entry(c, m.entry, base);
    }
    return m;
}

static unsigned check_flags(const struct compile *c, ir_ref check)
{
    return (unsigned)c->ir->insns[check].imm;
}

static unsigned desc_flags(unsigned check)
{
    return (check & IR_CHECK_WRITE ? (unsigned)HOST_DESC_WRITE : 0u) |
           (check & IR_CHECK_ALIGN ? (unsigned)HOST_DESC_ALIGN : 0u);
}

void emit_check(struct compile *c, const struct ir_insn *insn)
{
    if (c->values[c->at].last_use != 0) {
        return;
    }
    unsigned flags = (unsigned)insn->imm;
    struct access m = access_claim(c, insn->a, false);
    lookup(c, &m, 1u << (insn->sub & IR_MEM_SIZE_MASK), flags & IR_CHECK_WRITE,
           flags & IR_CHECK_ALIGN);
    u32 desc = desc_of(c, (insn->sub & IR_MEM_SIZE_MASK) | desc_flags(flags));
    slow_path(c, MEM_CHECK, &m, desc)->back = asm_offset(&c->a);
}

/* --- loads and stores --- */

static void load_general(struct compile *c, const struct ir_insn *insn, unsigned dst,
                         struct asm_mem mem)
{
    static const u32 zero_ext[4] = {0x0fb6, 0x0fb7, 0x8b, 0x8b};
    static const u32 sign_ext[4] = {0x0fbe, 0x0fbf, 0x63, 0x8b};
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    if ((insn->sub & IR_MEM_SIGNED) && insn->type == IR_I64) {
        asm_rm(&c->a, sign_ext[size], ASM_64, dst, mem);
    } else if ((insn->sub & IR_MEM_SIGNED) && size < IR_MEM_32) {
        asm_rm(&c->a, sign_ext[size], ASM_32, dst, mem);
    } else {
        asm_rm(&c->a, zero_ext[size], size == IR_MEM_64 ? ASM_64 : ASM_32, dst, mem);
    }
}

/* The slow path must leave what the fast one leaves; an I32 result is zero above bit 31. */
static unsigned load_desc(const struct ir_insn *insn)
{
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    bool is_signed = (insn->sub & IR_MEM_SIGNED) && (insn->type == IR_I64 || size < IR_MEM_32);
    return size | (is_signed ? (unsigned)HOST_DESC_SIGNED : 0u);
}

/* The place of a load's result, claimed before the lookup so that nothing is moved between the
 * branch to the slow path and its way back. */
static unsigned load_def(struct compile *c, const struct ir_insn *insn, const struct access *m)
{
    if (type_is_float(insn->type)) {
        return alloc_def_xmm(c) + REG_XMM0;
    }
    if (c->values[c->at].hint != NO_REG) {
        return alloc_def(c);
    }
    alloc_def_in(c, m->tag);
    return m->tag;
}

void emit_load(struct compile *c, const struct ir_insn *insn)
{
    unsigned flags = check_flags(c, insn->a);
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    bool keep_xmm = alloc_xmm_live(c);
    struct access m = access_claim(c, insn->b, true);
    unsigned dst = load_def(c, insn, &m);
    lookup(c, &m, 1u << size, flags & IR_CHECK_WRITE, flags & IR_CHECK_ALIGN);
    u32 desc = desc_of(c, load_desc(insn) | desc_flags(flags));
    struct stub *stub = slow_path(c, MEM_LOAD, &m, desc);
    stub->reg[1] = (u8)(MEM_LOAD << 1 | keep_xmm);
    stub->reg[2] = (u8)dst;
    struct asm_mem mem = asm_at_index(m.address, m.tag, 0, m.disp);
    if (dst >= REG_XMM0) {
        u32 op = ASM_OP(size == IR_MEM_64 ? 0xf2 : 0xf3, 0x0f10);
        asm_rm(&c->a, op, ASM_32, dst - REG_XMM0, mem);
    } else {
        load_general(c, insn, dst, mem);
        if (!(load_desc(insn) & HOST_DESC_SIGNED) && size != IR_MEM_64) {
            c->values[c->at].flags |= VALUE_ZEXT;
        }
    }
    stub->back = asm_offset(&c->a);
}

static const u8 size_width[4] = {ASM_8, ASM_16, ASM_32, ASM_64};

void emit_store(struct compile *c, const struct ir_insn *insn)
{
    unsigned flags = check_flags(c, insn->a) | IR_CHECK_WRITE;
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    const struct value *value = root_of(c, insn->c);
    s32 imm = 0;
    unsigned reg = NO_REG;
    if (!value_const_s32(c, insn->c, size == IR_MEM_64 ? IR_I64 : IR_I32, &imm)) {
        bool xmm = size >= IR_MEM_32 && !(c->values[insn->c].flags & VALUE_BOXED) &&
                   (value->reg != NO_REG ? value->reg >= REG_XMM0 : type_is_float(insn->type));
        reg = xmm ? alloc_use_xmm(c, insn->c) + REG_XMM0 : alloc_use(c, insn->c);
    }
    struct access m = access_claim(c, insn->b, false);
    lookup(c, &m, 1u << size, true, flags & IR_CHECK_ALIGN);
    struct stub *stub =
        slow_path(c, MEM_STORE, &m, desc_of(c, size | desc_flags(flags)));
    stub->reg[3] = (u8)reg;
    stub->imm = (u64)(s64)imm;
    struct asm_mem mem = asm_at_index(m.address, m.tag, 0, m.disp);
    if (reg == NO_REG) {
        asm_mov_mem_imm(&c->a, size_width[size], mem, imm);
    } else if (reg < REG_XMM0) {
        asm_store(&c->a, size_width[size], mem, reg);
    } else {
        u32 op = ASM_OP(size == IR_MEM_64 ? 0xf2 : 0xf3, 0x0f11);
        asm_rm(&c->a, op, ASM_32, reg - REG_XMM0, mem);
    }
    stub->back = asm_offset(&c->a);
}

/* --- atomics --- */

static void put_lock(struct compile *c)
{
    if (!(c->flags & HOST_ONE_HART)) {
        asm_u8(&c->a, 0xf0);
    }
}

/* The operand registers of an atomic go through the frame: its slow path may need all of them. */
static void store_operand(struct compile *c, ir_ref ref, unsigned frame_offset)
{
    asm_store(&c->a, ASM_64, frame_at(frame_offset), alloc_use(c, ref));
}

/* Makes `next` from old value rax and the operand; min and max by conditional move. */
static void amo_combine(struct compile *c, unsigned amo, unsigned width, unsigned next,
                        unsigned operand)
{
    static const u8 keep_old[] = {[IR_AMO_MIN_S] = ASM_LE, [IR_AMO_MAX_S] = ASM_GE,
                                  [IR_AMO_MIN_U] = ASM_BE, [IR_AMO_MAX_U] = ASM_AE};
    struct asm_buf *a = &c->a;
    asm_mov(a, width, next, operand);
    switch (amo) {
    case IR_AMO_AND: asm_alu_rr(a, ASM_AND, width, next, RAX); break;
    case IR_AMO_OR: asm_alu_rr(a, ASM_OR, width, next, RAX); break;
    case IR_AMO_XOR: asm_alu_rr(a, ASM_XOR, width, next, RAX); break;
    default:
        asm_alu_rr(a, ASM_CMP, width, RAX, operand);
        asm_cmov(a, (enum asm_cc)keep_old[amo], width, next, RAX);
        break;
    }
}

/* At [address + tag], old value to rax; `entry` is scratch. */
static void amo_access(struct compile *c, const struct ir_insn *insn, const struct access *m,
                       unsigned operand)
{
    struct asm_buf *a = &c->a;
    unsigned width = width_of(insn->type);
    unsigned amo = (unsigned)insn->imm;
    struct asm_mem mem = asm_at_index(m->address, m->tag, 0, m->disp);
    if (amo == IR_AMO_SWAP && (c->flags & HOST_ONE_HART)) {
        asm_load(a, width, RAX, mem); /* xchg would lock the bus by itself */
        asm_store(a, width, mem, operand);
        return;
    }
    if (amo == IR_AMO_SWAP || amo == IR_AMO_ADD) {
        asm_mov(a, width, RAX, operand);
        if (amo == IR_AMO_ADD) {
            put_lock(c);
        }
        asm_rm(a, amo == IR_AMO_ADD ? 0x0fc1 : 0x87, width, RAX, mem);
        return;
    }
    asm_load(a, width, RAX, mem);
    const u8 *again = asm_exec(a);
    amo_combine(c, amo, width, m->entry, operand);
    if (c->flags & HOST_ONE_HART) {
        asm_store(a, width, mem, m->entry);
        return;
    }
    put_lock(c);
    asm_rm(a, 0x0fb1, width, m->entry, mem);
    asm_jcc(a, ASM_NE, again);
}

static void finish_atomic(struct compile *c, const struct ir_insn *insn, const struct access *m,
                          struct stub *stub)
{
    stub->back = asm_offset(&c->a);
    stub->reg[2] = RAX;
    alloc_drop(c, 1u << m->entry); /* its register served as scratch */
    if (insn->type == IR_I32) {
        c->values[c->at].flags |= VALUE_ZEXT;
    }
    alloc_def_in(c, RAX);
}

void emit_amo(struct compile *c, const struct ir_insn *insn)
{
    unsigned size = insn->type == IR_I32 ? IR_MEM_32 : IR_MEM_64;
    alloc_take(c, RAX);
    unsigned operand = alloc_use(c, insn->c);
    struct access m = access_claim(c, insn->b, false);
    lookup(c, &m, 1u << size, true, true);
    u32 desc = desc_of(c, size | (unsigned)insn->imm << HOST_DESC_AMO_SHIFT);
    struct stub *stub = slow_path(c, MEM_AMO, &m, desc);
    stub->reg[3] = (u8)operand;
    amo_access(c, insn, &m, operand);
    finish_atomic(c, insn, &m, stub);
}

void emit_cas(struct compile *c, const struct ir_insn *insn)
{
    unsigned width = width_of(insn->type);
    unsigned size = insn->type == IR_I32 ? IR_MEM_32 : IR_MEM_64;
    store_operand(c, insn->c, FRAME_EXPECTED);
    store_operand(c, insn->d, FRAME_VALUE);
    c->locked = 0;
    alloc_take(c, RAX);
    struct access m = access_claim(c, insn->b, false);
    lookup(c, &m, 1u << size, true, true);
    u32 desc = desc_of(c, size | (unsigned)HOST_AMO_CAS << HOST_DESC_AMO_SHIFT);
    struct stub *stub = slow_path(c, MEM_AMO, &m, desc);
    asm_load(&c->a, ASM_64, RAX, frame_at(FRAME_EXPECTED));
    asm_load(&c->a, ASM_64, m.entry, frame_at(FRAME_VALUE));
    put_lock(c);
    asm_rm(&c->a, 0x0fb1, width, m.entry, asm_at_index(m.address, m.tag, 0, m.disp));
    if (insn->type == IR_I32) {
        asm_mov(&c->a, ASM_32, RAX, RAX);
    }
    finish_atomic(c, insn, &m, stub);
}

/* x86 keeps all orders but store before load. */
void emit_fence(struct compile *c, const struct ir_insn *insn)
{
    unsigned pred = (unsigned)insn->imm >> 4;
    unsigned succ = (unsigned)insn->imm & 15;
    if ((pred & 5) && (succ & 10)) {
        asm_u8(&c->a, 0xf0);
        asm_alu_mem_imm(&c->a, ASM_OR, ASM_32, frame_at(0), 0);
    }
}

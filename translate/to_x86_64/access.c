/* The TLB's fast path, inline.
 *
 * The fast path of an access at address A:
 *     rorx entry, A, 7; and entry, index mask; add entry, [vcpu.tlb]
 *     lea tag, [A + size - 1]; and tag, page mask; cmp tag, [entry.tag]; jne slow
 *     resume: mov tag, [entry.addend]; access [A + tag]
 * A slow path first tries the page's other entry (cpu/tlb.h) and resumes when that fits.
 *
 * The first line is left out when an earlier access of the block with the same base address
 * left its entry in a register; when the page turns out to be another one, the slow path does them.
 * Such an access compares its first byte's page and alignment instead: the entry's page need not
 * be the one of A, so the last byte alone would prove nothing. */
#include "translate/to_x86_64/access.h"

enum { ENTRY_SHIFT = 5 }; /* entries are 32 bytes */

void access_other_entry(struct asm_buf *a, unsigned entry, unsigned address, unsigned temp)
{
    asm_mov(a, ASM_64, temp, address);
    asm_shift_imm(a, ASM_SHR, ASM_64, temp, TLB_REGION_BITS);
    asm_rr(a, 0x69, ASM_32, temp, temp);
    asm_u32(a, TLB_HASH_FACTOR);
    asm_shift_imm(a, ASM_SHR, ASM_32, temp, 32 - TLB_BITS - ENTRY_SHIFT);
    asm_alu_imm(a, ASM_AND, ASM_32, temp, TLB_INDEX_HASHED << ENTRY_SHIFT);
    asm_alu_rr(a, ASM_XOR, ASM_64, entry, temp);
}

void access_index(struct asm_buf *a, u32 features, const struct access *m)
{
    if (features & HOST_FEATURE_BMI2) {
        asm_vex(a, 3, 3, 0, 0xf0, m->entry, 0, m->address);
        asm_u8(a, PAGE_BITS - ENTRY_SHIFT);
    } else {
        asm_mov(a, ASM_32, m->entry, m->address);
        asm_shift_imm(a, ASM_SHR, ASM_32, m->entry, PAGE_BITS - ENTRY_SHIFT);
    }
    asm_alu_imm(a, ASM_AND, ASM_32, m->entry, (TLB_ENTRIES - 1) << ENTRY_SHIFT);
    if (m->table == NO_REG) {
        asm_alu_rm(a, ASM_ADD, ASM_64, m->entry, VCPU_AT(tlb));
    } else {
        asm_load(a, ASM_64, m->table, VCPU_AT(tlb));
    }
}

void access_lookup(struct compile *c, struct access *m, unsigned size_bytes, bool write, bool align)
{
    struct asm_buf *a = &c->a;
    bool at_site = m->site < SITES_MAX;
    if (!m->again && !at_site) {
        access_index(a, c->features, m);
    }
    s32 tag_mask = -(s32)PAGE_BYTES;
    s32 ahead = m->disp;
    if (align || m->again || at_site) {
        tag_mask |= (s32)size_bytes - 1;
    } else {
        ahead += (s32)size_bytes - 1;
    }
    if (ahead == 0) {
        asm_mov(a, ASM_64, m->tag, m->address);
    } else {
        asm_lea(a, ASM_64, m->tag, asm_at(m->address, ahead));
    }
    m->write = write;
    m->align = align;
    m->size_bytes = size_bytes;
    asm_alu_imm(a, ASM_AND, ASM_64, m->tag, tag_mask);
    asm_alu_rm(a, ASM_CMP, ASM_64, m->tag,
               at_site ? site_tag_at(m->site) : access_entry_at(m, access_tag_offset(write)));
    m->slow = asm_jcc_forward(a, ASM_NE);
    m->resume = asm_offset(a);
    asm_load(a, ASM_64, m->tag,
             at_site ? site_addend_at(m->site)
                     : access_entry_at(m, offsetof(struct tlb_entry, addend)));
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
    u32 locked = c->locked; /* the value stored may be the base itself: it stays locked then */
    unsigned base = alloc_use(c, add->a);
    if (m->again || m->site < SITES_MAX) {
        m->address = base;
        m->disp = disp;
    } else {
        m->address = alloc_temp(c);
        asm_lea(&c->a, ASM_64, m->address, asm_at(base, disp));
        c->locked &= ~(1u << base) | locked;
    }
}

struct access access_claim(struct compile *c, ir_ref address, bool spare)
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

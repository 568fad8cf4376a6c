/* Slow paths of memory accesses: look at the other way of the set (or, when the fast path trusted a
 * page remembered, at the TLB itself), then call C through a THUNK_MEM routine.
 *
 * The stub's fields: data is the descriptor; reg[0] address, reg[1] kind and whether XMM registers
 * are live, reg[2] result (general or XMM, NO_REG), reg[3] stored value (NO_REG: it is imm). */
#include "translate/to_x86_64/access.h"

/* The tag that the fast path compared, computed anew: it served as scratch. */
static void tag_again(struct compile *c, const struct stub *stub, unsigned address)
{
    bool aligned = stub->tag_mask != -(s32)PAGE_BYTES; /* then the first byte is compared */
    s32 ahead = aligned ? 0 : (s32)host_desc_size_bytes(stub->data) - 1;
    asm_lea(&c->a, ASM_64, stub->tag, asm_at(address, ahead));
    asm_alu_imm(&c->a, ASM_AND, ASM_64, stub->tag, stub->tag_mask);
}

static void try_other_way(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    struct access m = {.entry = stub->entry, .table = stub->table};
    access_other_entry(c, m.entry, stub->reg[0], stub->tag);
    tag_again(c, stub, stub->reg[0]);
    asm_alu_rm(a, ASM_CMP, ASM_64, stub->tag, access_entry_at(&m, stub->tag_offset));
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

/* Compares (address + ahead) & mask with the entry's tag; leaves it in m->tag. */
static void compare_page(struct compile *c, const struct stub *stub, const struct access *m,
                         s32 ahead, s32 mask)
{
    asm_lea(&c->a, ASM_64, m->tag, asm_at(m->address, ahead));
    asm_alu_imm(&c->a, ASM_AND, ASM_64, m->tag, mask);
    asm_alu_rm(&c->a, ASM_CMP, ASM_64, m->tag, asm_at(m->entry, stub->tag_offset));
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
    access_index(c, &m);
    /* the site compares alignment; here any access inside one page will do */
    s32 last = stub->tag_mask + (s32)PAGE_BYTES;
    compare_page(c, stub, &m, last, -(s32)PAGE_BYTES);
    u32 found = asm_jcc_short(a, ASM_E);
    access_other_entry(c, entry, stub->tag, other);
    compare_page(c, stub, &m, last, -(s32)PAGE_BYTES);
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
    access_index(c, &m);
    compare_page(c, stub, &m, 0, stub->tag_mask);
    u32 found = asm_jcc_short(a, ASM_E);
    access_other_entry(c, stub->entry, stub->tag, other);
    compare_page(c, stub, &m, 0, stub->tag_mask);
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

struct stub *access_slow_path(struct compile *c, enum mem_kind kind, const struct access *m,
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

/* Slow paths of memory accesses, the part in each block: a stub of some 20 bytes in the cold part
 * of the code buffer.
 *
 *     lea tag, [address]
 *     call thunk
 *     jmp resume           behind the fast path's compare
 *     SITE_* bytes, which describe the access
 *
 * The thunk looks at the TLB again: at the page's other entry (THUNK_OTHER), or, when the fast path
 * trusted a page remembered, at both (THUNK_AGAIN, THUNK_SITE). There is one for each choice of
 * temporaries; all other registers stay as they are. When the TLB has the page it returns, and the
 * fast path goes on. Else THUNK_ACCESS has C do the access and goes on behind it. */
#include "translate/to_x86_64/access.h"

const u8 access_temps[5] = {RAX, RCX, RDX, RSI, RDI};

static unsigned temp_number(unsigned reg)
{
    return reg < RBX ? reg : reg - RSI + 3;
}

static unsigned pair_number(unsigned entry, unsigned tag, bool write)
{
    return (temp_number(entry) * 5 + temp_number(tag)) * 2 + write;
}

unsigned access_other_thunk(unsigned entry, unsigned tag, bool has_table, bool write)
{
    return THUNK_OTHER + pair_number(entry, tag, write) * 2 + has_table;
}

unsigned access_again_thunk(unsigned entry, unsigned tag, bool write)
{
    return THUNK_AGAIN + pair_number(entry, tag, write);
}

unsigned access_site_thunk(unsigned tag, bool write)
{
    return THUNK_SITE + temp_number(tag) * 2 + write;
}

static unsigned thunk_of(const struct access *m)
{
    if (m->site < SITES_MAX) {
        return access_site_thunk(m->tag, m->write);
    }
    return m->again ? access_again_thunk(m->entry, m->tag, m->write)
                    : access_other_thunk(m->entry, m->tag, m->table != NO_REG, m->write);
}

void access_slow_path(struct compile *c, const struct access *m, const struct access_call *call)
{
    struct asm_buf *cold = &c->cold;
    u32 back = asm_offset(&c->a) - m->resume;
    bool xmm = call->keep_xmm || (call->reg != NO_REG && call->reg >= REG_XMM0);
    unsigned must_be_0 = m->align ? m->size_bytes - 1 : 0u;
    bind_cold(c, m->slow);
    if (m->disp == 0) {
        asm_mov(cold, ASM_64, m->tag, m->address);
    } else {
        asm_lea(cold, ASM_64, m->tag, asm_at(m->address, m->disp));
    }
    asm_call(cold, thunk(c, thunk_of(m)));
    asm_jmp(cold, c->a.exec + m->resume);
    asm_u32(cold, call->desc);
    asm_u8(cold, m->tag | (unsigned)call->kind << SITE_KIND_SHIFT |
                     (xmm ? (unsigned)SITE_KEEP_XMM : 0u) |
                     (call->is_const ? (unsigned)SITE_CONST : 0u));
    asm_u8(cold, call->reg);
    asm_u8(cold, back);
    asm_u8(cold, (m->size_bytes - 1) | (m->site < SITES_MAX ? m->site : must_be_0) << 4);
    if (call->is_const) {
        asm_u32(cold, (u32)call->value);
    }
    CHECK(back <= UINT8_MAX);
}

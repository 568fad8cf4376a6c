/* Slots: the page that an access of a trace went to last time, for some accesses.
 *
 * Most accesses of a trace go to the same page again and again, and where their addresses come from
 * memory the TLB's look-up is what the trace waits for: the entry can only be found when the
 * address is there. (The others' look-ups are done meanwhile; they have no slots.) A slot
 * (translate/host_slot.h) has page and addend at an address that is known before,
 *     lea tag, [A]; and tag, page and alignment mask; cmp tag, [slot.page]; jne slow
 *     mov tag, [slot.addend]; resume: access [A + tag]
 * so that the access itself waits for nothing but A. A misaligned one takes the slow path. For the
 * first of a group (access.c), which is aligned to nothing, the slot has half the page's address:
 *     lea tag, [A]; shr tag, 1; sub tag, [slot.page]; cmp tag, last byte's limit; jae slow
 * What an empty slot has matches neither: a half is less than SLOT_EMPTY, whose bit 11 no page has.
 *
 * The slow path looks at the page's first entry in the TLB, and the slot remembers that. Of some
 * such misses C is told: an access that strays often has no slot when the trace is made anew.
 *
 * What slots remember holds until the hart takes a permission back (tlb_space.epoch) or selects
 * another space. So a trace compares its epoch where it is entered, and empties its slots when that
 * is another one. In the fast body nobody calls C, where epochs change, but at an open trace's
 * first instruction, and in the slow body: then C empties the slots of the trace that the hart is
 * in (slot_forget()). Filling the TLB changes no epoch: it takes back nothing. */
#include "translate/host_slot.h"
#include "translate/to_x86_64/access.h"
#include "translate/to_x86_64/loop.h"

#define SLOT_EMPTY ((u64)1 << 63 | (u64)1 << 11)

static struct asm_mem slot_at(const struct compile *c, unsigned slot, size_t member)
{
    size_t at = (c->request->slots_first + slot) * sizeof(struct host_slot) + member;
    return state_at((u32)(host_slots_offset(c->context->guest) + at));
}

#define SLOT_AT(c, slot, member) slot_at((c), (slot), offsetof(struct host_slot, member))

/* --- a trace's --- */

void slot_enter(struct compile *c)
{
    struct asm_buf *a = &c->a;
    if (!c->fast || (c->flags & (HOST_LINEAR | HOST_NO_GUESS)) || c->request->slots_max < 2) {
        return;
    }
    loop_mark(c); /* loop_find() has done so in loops alone */
    c->slot_count = 1;
    asm_mov_mem_imm(a, ASM_32, VCPU_AT(trace_slots), 0);
    c->slots_known = asm_offset(a) - 4;
    asm_load(a, ASM_64, RAX, VCPU_AT(data_epoch));
    asm_alu_rm(a, ASM_CMP, ASM_64, RAX, SLOT_AT(c, 0, page));
    c->slots_old = asm_jcc_forward(a, ASM_NE);
    c->slots_good = asm_offset(a);
}

void slot_end(struct compile *c)
{
    struct asm_buf *cold = &c->cold;
    const s64 bytes = (s64)((c->slot_count - 1) * sizeof(struct host_slot));
    if (c->slot_count == 0) {
        return;
    }
    st_le32(c->a.start + c->slots_known, c->request->slots_first | c->slot_count << HOST_SLOT_BITS);
    bind_cold(c, c->slots_old);
    asm_store(cold, ASM_64, SLOT_AT(c, 0, page), RAX);
    if (bytes != 0) {
        struct asm_mem end = SLOT_AT(c, c->slot_count, page);
        asm_mov_imm(cold, RDX, SLOT_EMPTY);
        asm_mov_imm(cold, RCX, (u64)-bytes);
        const u8 *again = asm_exec(cold);
        asm_store(cold, ASM_64, asm_at_index(RBP, RCX, 0, end.disp), RDX);
        asm_alu_imm(cold, ASM_ADD, ASM_64, RCX, sizeof(struct host_slot));
        asm_jcc(cold, ASM_NE, again);
    }
    asm_jmp(cold, c->a.exec + c->slots_good);
    c->result->slot_count = c->slot_count;
}

void slot_forget(struct vcpu *vcpu)
{
    struct host_slot *slots = (void *)((u8 *)vcpu + host_slots_offset(vcpu->guest));
    u32 first = vcpu->trace_slots & (HOST_SLOTS - 1), count = vcpu->trace_slots >> HOST_SLOT_BITS;
    for (u32 n = first; n < first + count; n++) {
        slots[n].page = SLOT_EMPTY; /* which is no epoch either */
    }
}

/* --- an access's --- */

static bool strays(const struct compile *c)
{
    unsigned n = 0;
    while (n < c->request->stray_count && c->request->strays[n] != c->insn_offset) {
        n++;
    }
    return n < c->request->stray_count;
}

void slot_claim(struct compile *c, struct access *m)
{
    bool left = c->slot_count != 0 && c->slot_count < c->request->slots_max &&
                c->slot_count < HOST_TRACE_SLOTS;
    if (left && c->fast && m->site == SITES_MAX && m->page == ACCESS_PAGE_ANY &&
        loop_guesses(c, &c->ir->insns[c->at]) && !strays(c)) {
        m->slot = c->slot_count++;
    }
}

void slot_look_up(struct compile *c, struct access *m)
{
    struct asm_buf *a = &c->a;
    struct asm_mem page = SLOT_AT(c, m->slot, page);
    bool first = m->way == ACCESS_FIRST;
    access_address(a, m, first ? m->group_disp : m->disp);
    if (first) {
        asm_shift_imm(a, ASM_SHR, ASM_64, m->tag, 1);
        asm_alu_rm(a, ASM_SUB, ASM_64, m->tag, page);
        asm_alu_imm(a, ASM_CMP, ASM_64, m->tag, ((s32)PAGE_BYTES + 1 - (s32)m->group_bytes) / 2);
        m->slow = asm_jcc_forward(a, ASM_AE);
    } else {
        asm_alu_imm(a, ASM_AND, ASM_64, m->tag, -(s32)PAGE_BYTES | ((s32)m->size_bytes - 1));
        asm_alu_rm(a, ASM_CMP, ASM_64, m->tag, page);
        m->slow = asm_jcc_forward(a, ASM_NE);
    }
    asm_load(a, ASM_64, first ? m->entry : m->tag, SLOT_AT(c, m->slot, addend));
    m->resume = asm_offset(a);
}

void slot_look_again(struct compile *c, const struct access *m)
{
    struct asm_buf *cold = &c->cold;
    bool first = m->way == ACCESS_FIRST;
    unsigned addend = first ? m->entry : m->tag;
    u32 missed = access_first_entry(c, m);
    if (first) {
        asm_shift_imm(cold, ASM_SHR, ASM_64, m->tag, 1);
    }
    asm_store(cold, ASM_64, SLOT_AT(c, m->slot, page), m->tag);
    asm_load(cold, ASM_64, addend, asm_at(m->entry, offsetof(struct tlb_entry, addend)));
    asm_store(cold, ASM_64, SLOT_AT(c, m->slot, addend), addend);
    asm_jmp(cold, c->a.exec + m->resume);
    asm_bind_short(cold, missed);
}

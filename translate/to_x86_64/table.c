/* Traces: look-ups in tables, checked once where the trace is entered.
 *
 * A table is what loads read at an index, which cannot be large whatever the guest does (a byte, a
 * word that was masked, a shift's result), from an address that a guest register holds all the
 * time, since the trace never writes it. So what its loads may touch is known where the trace is
 * entered: if all pages of that lie in the TLB, may be read, and are as far from the guest's
 * addresses on the host each, such a load in the fast body (hoist.c) is one instruction, with the
 * shift of its index and what is added to it. Nothing is looked at once more in each round: what
 * was found holds until C may have run, which it does in the slow body alone, and that goes on
 * where the trace is entered.
 *
 * The pages of a file lie in a row in the guest's memory mostly, those of a heap hardly ever. A
 * trace whose table does not is better off without: it would run in its slow body. So the hart that
 * the trace is made for is asked where the table is now. */
#include "cpu/tlb.h"
#include "translate/to_x86_64/access.h"

enum { TABLE_BYTES_MAX = 4 * PAGE_BYTES, SHIFT_MAX = 3, DEPTH_MAX = 8 };
#define UNBOUND (~(u64)0)

/* --- how large an index may be --- */

static u64 most(const struct compile *c, ir_ref ref, unsigned depth);

/* What a constant of bits that both have leaves: a mask of them all. */
static u64 mask_of(u64 most)
{
    return most == 0 ? 0 : ~(u64)0 >> __builtin_clzll(most);
}

static u64 most_shifted(const struct compile *c, const struct ir_insn *insn, unsigned depth)
{
    const struct ir_insn *count = &c->ir->insns[insn->b];
    unsigned by = (unsigned)count->imm & (insn->type == IR_I32 ? 31 : 63);
    u64 operand = most(c, insn->a, depth);
    if (count->op != IR_CONST) {
        return insn->op == IR_SHR ? operand : UNBOUND;
    }
    if (insn->op == IR_SHR) {
        return operand >> by;
    }
    return operand <= UNBOUND >> 1 >> by ? operand << by : UNBOUND;
}

static u64 most_loaded(const struct ir_insn *insn)
{
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    return size == IR_MEM_64 || (insn->sub & IR_MEM_SIGNED) ? UNBOUND
                                                            : ~(u64)0 >> (64 - (8 << size));
}

static u64 most_computed(const struct compile *c, const struct ir_insn *insn, unsigned depth)
{
    u64 a = most(c, insn->a, depth), b;
    switch (insn->op) {
    case IR_AND:
        b = most(c, insn->b, depth);
        return a < b ? a : b;
    case IR_OR:
    case IR_XOR:
        return mask_of(a | most(c, insn->b, depth));
    case IR_ADD:
        b = most(c, insn->b, depth);
        return a <= UNBOUND >> 1 && b <= UNBOUND >> 1 ? a + b : UNBOUND;
    case IR_ZEXT: {
        u64 mask = ~(u64)0 >> (64 - insn->sub);
        return a < mask ? a : mask;
    }
    case IR_SEXT:
        return a < (u64)1 << (insn->sub - 1) ? a : UNBOUND;
    case IR_TRUNC:
        return a;
    default:
        return UNBOUND;
    }
}

/* The value, read without a sign, is at most that. */
static u64 most(const struct compile *c, ir_ref ref, unsigned depth)
{
    const struct ir_insn *insn = &c->ir->insns[ref];
    u64 known = UNBOUND;
    if (depth == 0 || type_is_float(insn->type)) {
        return UNBOUND;
    }
    switch (insn->op) {
    case IR_CONST:
        known = insn->imm;
        break;
    case IR_SETCC:
        return 1;
    case IR_LOAD:
        known = most_loaded(insn);
        break;
    case IR_SHL:
    case IR_SHR:
        known = most_shifted(c, insn, depth - 1);
        break;
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_ADD:
    case IR_ZEXT:
    case IR_SEXT:
    case IR_TRUNC:
        known = most_computed(c, insn, depth - 1);
        break;
    default:
        break;
    }
    return insn->type == IR_I32 && known > UINT32_MAX ? UINT32_MAX : known;
}

/* --- which --- */

/* A guest register that is the same in all rounds. */
static bool is_fixed(const struct compile *c, ir_ref ref)
{
    const struct ir_insn *get = &c->ir->insns[ref];
    if (get->op != IR_GET || get->type != IR_I64 || get->sub != 8) {
        return false;
    }
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->op == IR_SET && insn->imm < get->imm + 8 && get->imm < insn->imm + insn->sub) {
            return false;
        }
    }
    return true;
}

/* Takes shifts and constants of the index apart. */
static void peel(const struct compile *c, struct table_place *place)
{
    for (;;) {
        const struct ir_insn *insn = &c->ir->insns[place->index];
        bool has_const =
            (insn->op == IR_ADD || insn->op == IR_SHL) && c->ir->insns[insn->b].op == IR_CONST;
        u64 imm = has_const ? c->ir->insns[insn->b].imm : 0;
        if (!has_const || insn->type != IR_I64 ||
            (insn->op == IR_SHL && place->shift + imm > SHIFT_MAX)) {
            return;
        }
        if (insn->op == IR_SHL) {
            place->shift += (unsigned)imm;
        } else {
            place->disp += imm << place->shift;
        }
        place->index = insn->a;
    }
}

bool table_place_of(const struct compile *c, const struct ir_insn *load, struct table_place *place)
{
    ir_ref sum = address_base(c->ir, load->b);
    const struct ir_insn *add = &c->ir->insns[sum];
    if (add->op != IR_ADD || add->type != IR_I64) {
        return false;
    }
    for (unsigned n = 0; n < 2; n++) {
        ir_ref base = n == 0 ? add->a : add->b;
        *place = (struct table_place){
            .base = address_base(c->ir, base),
            .index = n == 0 ? add->b : add->a,
            .disp = (u64)(address_disp(c->ir, load->b) + address_disp(c->ir, base)),
        };
        if (is_fixed(c, place->base) && c->ir->insns[place->index].op != IR_CONST) {
            peel(c, place);
            return asm_fits_s32((s64)place->disp);
        }
    }
    return false;
}

/* Whether the hart has the whole of it in the TLB now, in a row. */
static bool is_in_a_row(const struct compile *c, u32 offset, s64 first, s64 end)
{
    const struct vcpu *vcpu = c->request->vcpu;
    const struct guest *guest = c->context->guest;
    unsigned n = 0;
    if (vcpu == NULL || hoist_by_span(c)) {
        return true;
    }
    while (n < guest->pinned_count && guest->pinned[n] != offset) {
        n++;
    }
    if (n == guest->pinned_count) {
        return false;
    }
    gva_t base = c->request->head[n];
    gva_t page = (base + (u64)first) & PAGE_MASK, last = (base + (u64)end - 1) & PAGE_MASK;
    const struct tlb_entry *one = tlb_find(vcpu, page, false);
    while (one != NULL && page != last) {
        page += PAGE_BYTES;
        const struct tlb_entry *next = tlb_find(vcpu, page, false);
        one = next != NULL && next->addend == one->addend ? next : NULL;
    }
    return one != NULL;
}

/* A further way could write the register and go on at the head, behind the check. */
bool table_find(const struct compile *c, unsigned i, struct table_range *range)
{
    const struct ir_insn *load = &c->ir->insns[i];
    struct table_place place;
    if (c->request->ways != NULL || load->op != IR_LOAD ||
        (c->ir->insns[load->a].imm & (IR_CHECK_ALIGN | IR_CHECK_WRITE)) ||
        !table_place_of(c, load, &place)) {
        return false;
    }
    u64 index = most(c, place.index, DEPTH_MAX);
    s64 first = (s64)place.disp;
    if (index > TABLE_BYTES_MAX) {
        return false;
    }
    *range = (struct table_range){
        .base = place.base,
        .first = first,
        .end = first + (s64)(index << place.shift) + (1 << (load->sub & IR_MEM_SIZE_MASK)),
    };
    return true;
}

bool table_fits(const struct compile *c, const struct hoist *hoist, const struct table_range *range)
{
    s64 first = hoist->members == 0 || range->first < hoist->first ? range->first : hoist->first;
    s64 end = hoist->members == 0 || range->end > hoist->end ? range->end : hoist->end;
    return end - first <= TABLE_BYTES_MAX && asm_fits_s32(first) && asm_fits_s32(end) &&
           is_in_a_row(c, (u32)c->ir->insns[range->base].imm, first, end);
}

/* --- code --- */

/* The guest register's value, in its own register or rax. */
static unsigned base_of(struct compile *c, const struct hoist *hoist)
{
    u32 offset = (u32)c->ir->insns[hoist->base].imm;
    if (pin_of(c, offset) != NO_REG) {
        return pin_of(c, offset);
    }
    asm_load(&c->a, ASM_64, RDI, state_at(offset));
    return RDI;
}

/* The byte at that distance from `base` is in the span. */
static void compare_with_span(struct compile *c, unsigned base, s32 distance)
{
    struct asm_buf *a = &c->a;
    asm_lea(a, ASM_64, RAX, asm_at(base, distance));
    asm_alu_rm(a, ASM_SUB, ASM_64, RAX, ACCESS_SPAN_AT(false, first));
    asm_alu_rm(a, ASM_CMP, ASM_64, RAX, ACCESS_SPAN_AT(false, bytes));
    hoist_go_slow_by(c, asm_jcc_forward(a, ASM_AE));
}

static void enter(struct compile *c, unsigned n)
{
    struct asm_buf *a = &c->a;
    const struct hoist *hoist = &c->hoists[n];
    unsigned base = base_of(c, hoist);
    if (hoist_by_span(c)) {
        compare_with_span(c, base, hoist->first);
        compare_with_span(c, base, hoist->end - 1);
        asm_load(a, ASM_64, RAX, ACCESS_SPAN_AT(false, addend));
        asm_alu_rr(a, ASM_ADD, ASM_64, RAX, base);
    } else {
        asm_lea(a, ASM_64, RCX, asm_at(base, hoist->first));
        asm_lea(a, ASM_64, RDX, asm_at(base, hoist->end - 1));
        asm_call(a, thunk(c, THUNK_TABLE));
        hoist_go_slow_by(c, asm_jcc_forward(a, ASM_NE));
        if (base == RDI) {
            base_of(c, hoist);
        }
        asm_alu_rr(a, ASM_ADD, ASM_64, RAX, base);
    }
    if (hoist->reg != NO_REG) {
        asm_mov(a, ASM_64, hoist->reg, RAX);
    } else {
        asm_store(a, ASM_64, frame_at(FRAME_HOISTS + 8 * n), RAX);
    }
}

void table_enter(struct compile *c)
{
    for (unsigned n = 0; c->fast && n < c->hoist_count; n++) {
        if (c->hoists[n].table) {
            enter(c, n);
        }
    }
}

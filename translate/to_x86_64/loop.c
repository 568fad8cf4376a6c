/* One-block loops: what is kept from one round to the next.
 *
 * Access sites.
 * A loop mostly walks through memory, so an access goes to the page it went to in the last round.
 * In a block that jumps to its own start, the loads near one base address are a site, and so are
 * the stores. A site (there are up to SITES_MAX) keeps the page and addend used last in the frame:
 * the check is one compare off the data's path, and the TLB is looked up only when the page
 * changes. A group of accesses (access.c) looks up once a round instead, and loads that compare
 * with the TLB's span have nothing to remember.
 *
 * Addresses that come from memory in the same loop (linked lists, tables) wait for the look-up, so
 * a page remembered gains most there, but they change page often. Their sites guess, in loops that
 * go round many times: where the page is another one, the slow path first looks at its first entry
 * in the TLB, as an access alone does. Of some wrong ones the engine is told, and a trace that
 * guesses wrong often is made anew without guesses; one with many such addresses does not begin,
 * since it waits for their number.
 *
 * The frame is the hart's own, and the sites forget at every entry of the block and whenever a slow
 * path has called C. Between those nothing changes a translation: remote fences and newly watched
 * code pages wait until this hart has left at a poll.
 *
 * Carried state. A floating-point register that the block reads and then writes lives in an XMM
 * register too; the state struct is written as always, so nothing need be done at exits, but the
 * next round does not wait for its store. One that is read as an F32 is there as what reading it
 * gives: whether it holds the NaN box of one is looked at when it is loaded, not in each round. */
#include "translate/ir/ir_vector.h"
#include "translate/tier2.h"
#include "translate/to_x86_64/compile.h"
#include "translate/to_x86_64/loop.h"

static bool is_loop(const struct compile *c)
{
    return c->jumps_to_start && !c->has_calls && !(c->flags & HOST_NO_SELF_LINK);
}

enum { OFFSETS_MAX = 32 };

/* Guest registers that the loop loads from memory, directly or through arithmetic. */
struct loaded {
    u32 offsets[OFFSETS_MAX];
    unsigned count;
};

static bool is_loaded(const struct loaded *loaded, u32 offset)
{
    for (unsigned n = 0; n < loaded->count; n++) {
        if (loaded->offsets[n] == offset) {
            return true;
        }
    }
    return loaded->count == OFFSETS_MAX;
}

static bool from_memory(const struct compile *c, const struct loaded *loaded,
                        const struct ir_insn *insn)
{
    const ir_ref refs[4] = {insn->a, insn->b, insn->c, insn->d};
    switch (insn->op) {
    case IR_LOAD:
    case IR_AMO:
    case IR_CAS:
        return true;
    case IR_GET:
        return is_loaded(loaded, (u32)insn->imm);
    default:
        break;
    }
    for (unsigned n = 0; n < ir_op_info[insn->op].args; n++) {
        if (c->values[refs[n]].flags & VALUE_FROM_MEMORY) {
            return true;
        }
    }
    return false;
}

/* One walk: marks values, collects registers set to marked ones. */
static void mark(struct compile *c, struct loaded *loaded)
{
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->dead || insn->op == IR_INSN || !from_memory(c, loaded, insn)) {
            continue;
        }
        c->values[i].flags |= VALUE_FROM_MEMORY;
        if (insn->op == IR_SET && !is_loaded(loaded, (u32)insn->imm)) {
            loaded->offsets[loaded->count++] = (u32)insn->imm;
        }
    }
}

bool loop_writes(const struct compile *c, const struct ir_insn *insn)
{
    if (insn->op == IR_VECTOR) {
        return ir_vector_is_store(ir_vector_of(c->ir, insn).op);
    }
    return insn->op == IR_STORE || (c->ir->insns[insn->a].imm & IR_CHECK_WRITE);
}

/* Whether the whole group of accesses, if this is the first of one, may be at a site: a guess is
 * right only where its address is a multiple of its size. */
static bool group_fits(const struct compile *c, unsigned at)
{
    enum { BYTES_MAX = 32 };
    unsigned bytes = c->groups[at].bytes;
    return bytes == 0 ||
           (bytes <= BYTES_MAX && (bytes & (bytes - 1)) == 0 && loop_guesses(c, &c->ir->insns[at]));
}

/* Which permission its site, or that of the group of which it is the first, has. */
static bool site_writes(const struct compile *c, unsigned at)
{
    return c->groups[at].bytes != 0 ? (c->values[at].flags & VALUE_GROUP_WRITES) != 0
                                    : loop_writes(c, &c->ir->insns[at]);
}

static bool is_site(const struct compile *c, unsigned at)
{
    const struct ir_insn *insn = &c->ir->insns[at];
    if (insn->dead || (insn->op != IR_LOAD && insn->op != IR_STORE)) {
        return false;
    }
    bool plain = !(c->ir->insns[insn->a].imm & IR_CHECK_ALIGN);
    return plain && !hoist_by_span(c) && group_fits(c, at);
}

bool loop_guesses(const struct compile *c, const struct ir_insn *insn)
{
    return (c->values[insn->b].flags & VALUE_FROM_MEMORY) != 0;
}

/* The guest register that holds the value, as a name for where it walks: in every round of a trace
 * the address is another value. */
u32 loop_walker(const struct compile *c, ir_ref base)
{
    const unsigned near = 24, not_state = 1 << 24;
    const struct ir_insn *insn = &c->ir->insns[base];
    if (insn->op == IR_GET) {
        return (u32)insn->imm;
    }
    for (unsigned i = base + 1; i < c->ir->count && i < base + near; i++) {
        insn = &c->ir->insns[i];
        if (insn->op == IR_SET && insn->a == base) {
            return (u32)insn->imm;
        }
    }
    return not_state + base;
}

/* The name of the site that an access would have. With further ways, one register has addresses of
 * several tables in turn: what guesses does so by instruction. */
static u32 site_walker(const struct compile *c, unsigned at)
{
    const u32 by_instruction = (u32)1 << 31;
    if (c->request->ways == NULL || !loop_guesses(c, &c->ir->insns[at])) {
        return loop_walker(c, address_base(c->ir, c->ir->insns[at].b));
    }
    while (c->ir->insns[at].op != IR_INSN) {
        at--;
    }
    return by_instruction | (u32)c->ir->insns[at].imm;
}

static unsigned find(const struct compile *c, unsigned at)
{
    const struct ir_insn *insn = &c->ir->insns[at];
    u32 walker = site_walker(c, at);
    for (unsigned n = 0; n < c->site_count; n++) {
        if (c->sites[n].walker == walker && c->sites[n].write == site_writes(c, at) &&
            c->sites[n].guess == loop_guesses(c, insn)) {
            return n;
        }
    }
    return SITES_MAX;
}

static void find_carried(struct compile *c);

void loop_mark(struct compile *c)
{
    struct loaded loaded = {.count = 0};
    for (unsigned i = 0; i < c->ir->count; i++) {
        c->values[i].flags &= (u8)~VALUE_FROM_MEMORY;
    }
    mark(c, &loaded);
    mark(c, &loaded); /* what one round loads, the next one uses */
}

/* A loop does not guess with more sites than that, nor one of them for more accesses: the loop then
 * waits for their number, and the tables they are in may be in more than one page. */
enum { GUESSES_MAX = 4, GUESS_USES_MAX = 2 * TRACE_MAX_COPIES };

static void add_site(struct compile *c, unsigned at, bool guess)
{
    c->sites[c->site_count].walker = site_walker(c, at);
    c->sites[c->site_count].guess = guess;
    c->sites[c->site_count++].write = site_writes(c, at);
}

static void add_sure_sites(struct compile *c)
{
    for (unsigned i = 0; i < c->ir->count && c->site_count < SITES_MAX; i++) {
        if (is_site(c, i) && !loop_guesses(c, &c->ir->insns[i]) && find(c, i) == SITES_MAX) {
            add_site(c, i, false);
        }
    }
}

static void add_guesses(struct compile *c)
{
    unsigned sure = c->site_count, limit = sure + GUESSES_MAX;
    unsigned uses[SITES_MAX] = {0};
    limit = limit < SITES_MAX && c->request->ways == NULL ? limit : SITES_MAX;
    for (unsigned i = 0; i < c->ir->count; i++) {
        if (!is_site(c, i) || !loop_guesses(c, &c->ir->insns[i])) {
            continue;
        }
        unsigned site = find(c, i);
        if (site == SITES_MAX && c->site_count < limit) {
            site = c->site_count;
            add_site(c, i, true);
        }
        if (c->request->ways == NULL && (site == SITES_MAX || ++uses[site] > GUESS_USES_MAX)) {
            c->site_count = sure;
            return;
        }
    }
    c->guess_count = c->site_count - sure;
}

void loop_find(struct compile *c)
{
    c->site_count = c->hoist_count;
    c->sites_read = 0;
    c->sites_end = 0;
    c->guess_count = 0;
    c->carried_count = 0;
    for (unsigned n = 0; n < c->site_count; n++) {
        c->sites[n].guess = false;
    }
    if (!is_loop(c)) {
        return;
    }
    loop_mark(c);
    add_sure_sites(c);
    if ((c->flags & (HOST_STEADY | HOST_NO_GUESS)) == HOST_STEADY) {
        add_guesses(c);
    }
    find_carried(c);
}

void loop_find_more(struct compile *c)
{
    for (unsigned i = 0; i < c->ir->count; i++) { /* other ways load them */
        c->values[i].flags |= VALUE_FROM_MEMORY;
    }
    if (!(c->flags & HOST_NO_GUESS)) {
        add_guesses(c);
    }
}

unsigned loop_site(const struct compile *c, unsigned at)
{
    return c->site_count != 0 && is_site(c, at) ? find(c, at) : (unsigned)SITES_MAX;
}

/* --- carried state --- */

static bool is_set_later(const struct compile *c, unsigned from, u32 offset)
{
    for (unsigned i = from + 1; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (!insn->dead && insn->op == IR_SET && (u32)insn->imm == offset && insn->sub == 8) {
            return true;
        }
    }
    return false;
}

/* The GET whose register the instruction reads as a floating-point number, or NULL. */
static const struct ir_insn *float_get(const struct compile *c, const struct ir_insn *insn)
{
    const struct ir_insn *get = insn->op == IR_FUNBOX ? &c->ir->insns[insn->a] : insn;
    bool whole = get->op == IR_GET && get->sub == 8 && !insn->dead &&
                 (insn->op == IR_FUNBOX ? get->type == IR_I64 : get->type == IR_F64);
    return whole ? get : NULL;
}

static void find_carried(struct compile *c)
{
    for (unsigned i = 0; i < c->ir->count && c->carried_count < CARRIED_MAX; i++) {
        const struct ir_insn *insn = &c->ir->insns[i], *get = float_get(c, insn);
        u32 offset = get != NULL ? (u32)get->imm : 0;
        if (get != NULL && pin_of(c, offset) == NO_REG && loop_carrier(c, offset, 8) == NO_REG &&
            is_set_later(c, i, offset)) {
            c->carried_narrow[c->carried_count] = insn->op == IR_FUNBOX;
            c->carried[c->carried_count++] = offset;
        }
    }
}

unsigned loop_carrier(const struct compile *c, u32 offset, unsigned bytes)
{
    for (unsigned n = 0; n < c->carried_count; n++) {
        if (offset < c->carried[n] + 8 && c->carried[n] < offset + bytes) {
            return REG_COUNT - 1 - n;
        }
    }
    return NO_REG;
}

unsigned loop_carrier_of(const struct compile *c, u32 offset, enum ir_type type)
{
    unsigned carrier = loop_carrier(c, offset, 8);
    unsigned n = REG_COUNT - 1 - carrier;
    return carrier != NO_REG && c->carried[n] == offset &&
                   c->carried_narrow[n] == (type == IR_F32)
               ? carrier
               : (unsigned)NO_REG;
}

void loop_load_carrier(struct compile *c, unsigned carrier)
{
    struct asm_buf *a = &c->a;
    unsigned n = REG_COUNT - 1 - carrier, xmm = carrier - REG_XMM0;
    if (!c->carried_narrow[n]) {
        asm_rm(a, ASM_OP(0xf2, 0x0f10), ASM_32, xmm, state_at(c->carried[n]));
        return;
    }
    asm_rm(a, ASM_OP(0xf3, 0x0f10), ASM_32, xmm, state_at(c->carried[n]));
    asm_alu_mem_imm(a, ASM_CMP, ASM_32, state_at(c->carried[n] + 4), -1);
    u32 boxed = asm_jcc_short(a, ASM_E);
    asm_rip(a, ASM_OP(0xf3, 0x0f10), ASM_32, xmm, thunk(c, THUNK_FP_CONSTS) + 16 * FP_NAN32);
    asm_bind_short(a, boxed);
}

/* Which sites accesses read is known when all of them have been emitted: then the stores of those
 * alone are written, as the last of the room for them. */
void loop_enter(struct compile *c)
{
    unsigned count = c->request->ways != NULL ? (unsigned)SITES_MAX : c->site_count;
    for (unsigned n = 0; n < count; n++) { /* ways may have more of them */
        asm_mov_mem_imm(&c->a, ASM_64, site_tag_at(n), -1);
    }
    c->sites_end = asm_offset(&c->a);
}

void loop_end(struct compile *c)
{
    struct asm_buf at = c->a;
    at.p = at.start;
    for (unsigned n = 0; n < SITES_MAX; n++) {
        if (c->sites_read >> n & 1) {
            asm_mov_mem_imm(&at, ASM_64, site_tag_at(n), -1);
        }
    }
    u32 left_out = c->sites_end - asm_offset(&at);
    memmove(at.start + left_out, at.start, asm_offset(&at));
    for (unsigned n = 0; n < c->result->place_count; n++) {
        c->request->places[n].code_offset -= left_out;
    }
    c->result->entry_offset = left_out;
}

void loop_carry(struct compile *c)
{
    for (unsigned n = 0; n < c->carried_count; n++) {
        loop_load_carrier(c, REG_COUNT - 1 - n);
    }
}

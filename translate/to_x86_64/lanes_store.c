/* Traces: what the rounds of a loop compute and store becomes a vector, stored at once.
 *
 *     a[i] = f(b[i], c[i]);
 *
 * As for sums (lanes.c), nothing can leave the fast body between the rounds, and the operations of
 * some rounds become those of vectors, with their loads before and their stores behind them. The
 * stores of the first rounds so come behind the loads of later ones. Where both are near the same
 * register it is known whether they touch the same bytes; otherwise the head of a round compares
 * their host addresses, so that bytes with two guest addresses are no exception. Other harts may
 * see a store later than loads behind it, as they may see any.
 *
 * Floating-point operations are those that the rounds would do, each once, so that they raise the
 * same flags. NaNs become canonical as the vector is stored; lanes that somebody else needs are
 * checked where it does (nan.c). */
#include "translate/to_x86_64/lanes_search.h"

/* Those of values for which the allocator keeps some, too. */
enum { STORE_REGS = 7 };

/* Stores of as many rounds, by address, and as they come. */
struct stores {
    unsigned count, size_bytes;
    u16 at[LANES_MAX];
    u16 first, last;
};

static bool is_plain_store(const struct search *s, unsigned i)
{
    const struct compile *c = s->c;
    unsigned n = c->hoist_of[i];
    const struct ir_insn *insn = insn_at(s, i);
    return insn->op == IR_STORE && !insn->dead && n != 0 && n < HOISTED_EXIT &&
           !hoist_needs_address(c, i) && !wide_has(c, i) && c->lanes.of[i] == LANES_NONE;
}

static unsigned bytes_of(const struct ir_insn *insn)
{
    return 1u << (insn->sub & IR_MEM_SIZE_MASK);
}

/* Adds stores of the group that are one element further each time, in either direction. */
static bool find_stores(const struct search *s, unsigned first, struct stores *stores)
{
    const struct ir_insn *insn = insn_at(s, first);
    s32 step = 0;
    *stores = (struct stores){.count = 1, .size_bytes = bytes_of(insn), .first = (u16)first};
    stores->at[0] = (u16)first;
    unsigned most = stores->size_bytes == 8 ? (unsigned)LANES_LEAST : (unsigned)LANES_MAX;
    for (unsigned i = first + 1; i < s->c->ir->count && stores->count < most; i++) {
        if (insn_at(s, i)->op != IR_STORE || insn_at(s, i)->dead) {
            continue;
        }
        u16 before = stores->at[stores->count - 1];
        if (!is_plain_store(s, i) || bytes_of(insn_at(s, i)) != stores->size_bytes ||
            insn_at(s, i)->type != insn->type || s->c->hoist_of[i] != s->c->hoist_of[first]) {
            break;
        }
        s32 further = hoist_disp(s->c, i) - hoist_disp(s->c, before);
        step = stores->count == 1 ? further : step;
        if (further != step) {
            break;
        }
        stores->at[stores->count++] = (u16)i;
    }
    stores->count &= ~(unsigned)(LANES_LEAST - 1);
    if (stores->size_bytes < 4 || stores->count == 0 ||
        (step != (s32)stores->size_bytes && step != -(s32)stores->size_bytes)) {
        return false;
    }
    stores->last = stores->at[stores->count - 1];
    for (unsigned n = 0; step < 0 && n < stores->count / 2; n++) {
        u16 other = stores->at[n];
        stores->at[n] = stores->at[stores->count - 1 - n];
        stores->at[stores->count - 1 - n] = other;
    }
    return true;
}

static bool pack_values(struct search *s, const struct stores *stores)
{
    u16 refs[LANES_MAX];
    s->lane_count = stores->count;
    s->term_count = 0;
    s->sum = (struct sum){.root = IR_REF_NONE, .before = IR_REF_NONE, .store = stores->at[0]};
    s->sum.first = s->sum.end = (u8)s->c->lanes.pack_count;
    for (unsigned n = 0; n < stores->count; n++) {
        refs[n] = insn_at(s, stores->at[n])->c;
    }
    unsigned pack = pack_of(s, refs, 8 * stores->size_bytes);
    if (pack == NO_PACK || s->c->lanes.packs[pack].kind != PACK_OP) {
        return false; /* copies and fills are wide.c's */
    }
    s->sum.terms[0] = (u8)pack;
    s->sum.term_count = 1;
    return true;
}

/* --- order --- */

/* Whether the instruction, which stays where it is, could tell the difference. */
static bool could_see(const struct search *s, unsigned i)
{
    const struct ir_insn *insn = insn_at(s, i);
    unsigned props = ir_op_info[insn->op].props;
    if (insn->dead) {
        return false;
    }
    if (s->c->lanes.of[i] != LANES_NONE) { /* of these here, or of others */
        return insn->op == IR_LOAD && s->c->lanes.of[i] < LANES_PACK + s->sum.first;
    }
    if (hoist_has(s->c, i)) { /* a check, or a way out that is not taken */
        return insn->op == IR_STORE || (insn->op == IR_LOAD && s->needed[i]);
    }
    bool probes = insn->op >= IR_PROBE && insn->op < IR_INSN && !probe_waits(insn);
    return probes || (props & (IR_R | IR_W | IR_F | IR_X | IR_T)) != 0 ||
           ((props & IR_E) != 0 && !(props & IR_P));
}

static bool may_move(const struct search *s, const struct stores *stores)
{
    unsigned i = s->first_load < stores->first ? s->first_load : stores->first;
    unsigned end = s->last_load > stores->last ? s->last_load : stores->last;
    i = s->sum.at < i ? s->sum.at : i;
    end = s->sum.at > end ? s->sum.at : end;
    for (; i <= end; i++) {
        if (could_see(s, i)) {
            return false;
        }
    }
    return (s->c->flags & HOST_ONE_HART) || !lanes_load_twice(s);
}

/* Loads and stores near the same register: whether a load comes behind a store of its bytes. */
static bool follows(const struct search *s, const struct stores *stores, const struct pack *loads)
{
    s32 load_bytes = (s32)bytes_of(insn_at(s, loads->refs[0]));
    for (unsigned n = 0; n < s->lane_count; n++) {
        for (unsigned m = 0; m < s->lane_count; m++) {
            s32 distance = hoist_disp(s->c, loads->refs[n]) - hoist_disp(s->c, stores->at[m]);
            if (loads->refs[n] > stores->at[m] && distance < (s32)stores->size_bytes &&
                -distance < load_bytes) {
                return true;
            }
        }
    }
    return false;
}

/* Where each round reads what it then writes, or what later rounds write. */
static bool is_walk(const struct search *s, const struct stores *stores, const struct pack *loads)
{
    bool walks = loads->kind == PACK_LOAD && stores->first == stores->at[0] &&
                 bytes_of(insn_at(s, loads->refs[0])) == stores->size_bytes;
    for (unsigned n = 0; n < s->lane_count; n++) {
        walks = walks && loads->refs[n] < stores->at[n];
    }
    return walks;
}

/* Which distances of the bases let a load come behind a store of its bytes. */
static struct apart apart_of(const struct search *s, const struct stores *stores,
                             const struct pack *loads)
{
    s32 size = (s32)stores->size_bytes, bytes = (s32)stores->count * size;
    s32 to = hoist_disp(s->c, stores->at[0]);
    s32 first = hoist_disp(s->c, loads->refs[0]), end = first;
    for (unsigned n = 0; n < s->lane_count; n++) {
        s32 at = hoist_disp(s->c, loads->refs[n]);
        first = at < first ? at : first;
        end = at > end ? at : end;
    }
    end += (s32)bytes_of(insn_at(s, loads->refs[0]));
    struct apart apart = {.to = (u8)(s->c->hoist_of[stores->at[0]] - 1),
                          .from = (u8)(s->c->hoist_of[loads->refs[0]] - 1)};
    if (is_walk(s, stores, loads)) {
        apart.low = to - first - bytes + 1;
        apart.count = bytes - 1;
    } else {
        apart.low = to - end + 1;
        apart.count = to + bytes - first - apart.low;
    }
    return apart;
}

bool lanes_add_apart(struct lanes *lanes, struct apart apart)
{
    for (unsigned n = 0; n < lanes->apart_count; n++) {
        const struct apart *other = &lanes->aparts[n];
        if (other->to == apart.to && other->from == apart.from && other->low == apart.low &&
            other->count == apart.count) {
            return true;
        }
    }
    if (lanes->apart_count == APARTS_MAX) {
        return false;
    }
    lanes->aparts[lanes->apart_count++] = apart;
    return true;
}

static bool are_apart(struct search *s, const struct stores *stores)
{
    struct lanes *lanes = &s->c->lanes;
    const struct hoist *hoists = s->c->hoists;
    unsigned to = s->c->hoist_of[stores->at[0]] - 1u, count = lanes->apart_count;
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &lanes->packs[n];
        if (pack->kind < PACK_LOAD) {
            continue;
        }
        unsigned from = s->c->hoist_of[pack->refs[0]] - 1u;
        bool near = hoists[from].base == hoists[to].base;
        if (near ? follows(s, stores, pack) : !lanes_add_apart(lanes, apart_of(s, stores, pack))) {
            lanes->apart_count = count;
            return false;
        }
    }
    return true;
}

/* --- lanes that others need --- */

static bool is_lane(const struct search *s, const struct pack *pack, u16 ref)
{
    unsigned type = insn_at(s, ref)->type;
    bool whole = pack->kind == PACK_OP ? !pack->low_only
                                       : pack->bits == (width_of(type) == ASM_64 ? 64 : 32);
    return whole && ref > s->sum.at;
}

/* Other loads stay beside their lanes, before the stores. */
static bool can_give(const struct search *s)
{
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        for (unsigned lane = 0; pack->kind != PACK_SAME && lane < s->lane_count; lane++) {
            u16 ref = pack->refs[lane];
            bool stays = pack->kind >= PACK_LOAD && ref < s->sum.at &&
                         (s->c->flags & HOST_ONE_HART) != 0;
            if (s->needed[ref] && !stays && !is_lane(s, pack, ref)) {
                return false;
            }
        }
    }
    return true;
}

static bool pays(const struct search *s)
{
    unsigned cost = 4, saved = 2 * s->lane_count;
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        cost += lanes_cost_of(s, pack);
        saved += pack->kind != PACK_SAME && pack->op != IR_TRUNC ? s->lane_count : 0;
    }
    return 3 * cost <= 2 * saved;
}

static bool give_slots(struct search *s)
{
    s->slot_count = s->c->lanes.slot_count;
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        struct pack *pack = &s->c->lanes.packs[n];
        for (unsigned lane = 0; pack->kind != PACK_SAME && lane < s->lane_count; lane++) {
            u16 ref = pack->refs[lane];
            if (s->needed[ref] && is_lane(s, pack, ref) && pack->slot == NO_PACK) {
                pack->slot = (u8)s->slot_count++;
            }
        }
    }
    return s->slot_count <= LANE_SLOTS;
}

static void keep_loads(const struct search *s)
{
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        for (unsigned lane = 0; pack->kind >= PACK_LOAD && lane < s->lane_count; lane++) {
            u16 ref = pack->refs[lane];
            if (!s->needed[ref] || !is_lane(s, pack, ref)) {
                s->c->lanes.of[ref] = s->needed[ref] ? LANES_NONE : LANES_DROPPED;
            }
        }
    }
}

static void mark_stores(const struct search *s, const struct stores *stores, unsigned of)
{
    for (unsigned n = 0; n < stores->count; n++) {
        s->c->lanes.of[stores->at[n]] = (u8)of;
    }
}

bool lanes_try_stores(struct search *s, unsigned first)
{
    struct stores stores;
    if (!is_plain_store(s, first) || !find_stores(s, first, &stores) || !pack_values(s, &stores) ||
        !lanes_give_registers(s, STORE_REGS) || !lanes_find_place(s)) {
        return false;
    }
    lanes_mark_members(s, true);
    mark_stores(s, &stores, LANES_DROPPED);
    lanes_mark_needed(s);
    if (!can_give(s) || !may_move(s, &stores) || !pays(s) || !give_slots(s) ||
        !are_apart(s, &stores)) {
        lanes_mark_members(s, false);
        mark_stores(s, &stores, LANES_NONE);
        return false;
    }
    keep_loads(s);
    lanes_keep_sum(s);
    return true;
}

/* --- the head --- */

/* rax = the base of group `n` less so many bytes. */
static void load_base(struct compile *c, unsigned n, s32 less)
{
    if (c->hoists[n].reg == NO_REG) {
        asm_load(&c->a, ASM_64, RAX, frame_at(FRAME_HOISTS + 8 * n));
        asm_alu_imm(&c->a, ASM_SUB, ASM_64, RAX, less);
    } else {
        asm_lea(&c->a, ASM_64, RAX, asm_at(c->hoists[n].reg, -less));
    }
}

static void subtract_base(struct compile *c, unsigned n)
{
    if (c->hoists[n].reg == NO_REG) {
        asm_alu_rm(&c->a, ASM_SUB, ASM_64, RAX, frame_at(FRAME_HOISTS + 8 * n));
    } else {
        asm_alu_rr(&c->a, ASM_SUB, ASM_64, RAX, c->hoists[n].reg);
    }
}

void lanes_enter(struct compile *c)
{
    for (unsigned n = 0; c->fast && n < c->lanes.apart_count; n++) {
        const struct apart *apart = &c->lanes.aparts[n];
        load_base(c, apart->from, apart->low);
        subtract_base(c, apart->to);
        asm_alu_imm(&c->a, ASM_CMP, ASM_64, RAX, apart->count);
        hoist_go_slow_by(c, asm_jcc_forward(&c->a, ASM_B));
    }
}

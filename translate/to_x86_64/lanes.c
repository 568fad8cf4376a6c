/* Traces: rounds of a loop that add up, or store, the same become lanes of vectors.
 *
 *     sum += f(a[i], b[i]);
 *
 * A trace of a long loop has this eight times in a row. Where the ways out between the rounds are
 * ruled out at the head (hoist_exit.c) and all loads are hoisted (hoist.c), nothing can leave the
 * fast body between them, and a sum of integers, a conjunction and so on may be formed in any
 * order. So the loads of all rounds become one vector, and so does each step of f, as long as the
 * rounds do the same operations in it; the lanes are summed up at the end. What else of the rounds
 * somebody needs, mostly what registers hold after the last one, is taken out of its lane.
 *
 * What the rounds store becomes lanes, too: lanes_store.c.
 *
 * The loads move behind each other, to where the last of them stands. Nothing is stored or ordered
 * in between. With several harts, who could store, loads of other places stay in order as well:
 * there are none in between, and no two vectors load the same bytes. */
#include "translate/to_x86_64/lanes_search.h"

static bool sums_up(const struct ir_insn *insn)
{
    return !insn->dead && !type_is_float(insn->type) &&
           (insn->op == IR_ADD || insn->op == IR_AND || insn->op == IR_OR || insn->op == IR_XOR);
}

/* The chain of additions that ends at `root`, by their first or second operands. */
static void follow_chain(struct search *s, unsigned root, bool second)
{
    const struct ir_insn *last = insn_at(s, root), *insn = last;
    unsigned ref = root;
    s->term_count = 0;
    while (sums_up(insn) && insn->op == last->op && insn->type == last->type &&
           s->c->lanes.of[ref] == LANES_NONE && s->term_count < TERMS_MAX) {
        s->chain[s->term_count] = (u16)ref;
        s->terms[s->term_count++] = second ? insn->a : insn->b;
        ref = second ? insn->b : insn->a;
        insn = insn_at(s, ref);
    }
    bool wide = last->type == IR_I64 || s->term_count < LANES_MAX;
    s->lane_count = wide ? (unsigned)LANES_LEAST : (unsigned)LANES_MAX;
    s->term_count -= s->term_count % s->lane_count;
    if (s->term_count != 0) {
        const struct ir_insn *first = insn_at(s, s->chain[s->term_count - 1]);
        s->sum.root = (u16)root;
        s->sum.before = second ? first->b : first->a;
    }
}

/* Packs of all terms: consecutive ones as lanes of one, or, where each round adds several, those
 * that are as far from each other. */
static bool pack_terms(struct search *s, bool in_turn)
{
    unsigned bits = insn_at(s, s->sum.root)->type == IR_I64 ? 64 : 32;
    unsigned each = s->term_count / s->lane_count;
    s->sum.first = s->sum.end = (u8)s->c->lanes.pack_count;
    s->sum.term_count = (u8)each;
    for (unsigned n = 0; n < each; n++) {
        u16 refs[LANES_MAX];
        for (unsigned lane = 0; lane < s->lane_count; lane++) {
            unsigned nth = in_turn ? n + lane * each : n * s->lane_count + lane;
            refs[lane] = s->terms[s->term_count - 1 - nth];
        }
        unsigned pack = pack_of(s, refs, bits);
        if (pack == NO_PACK || s->c->lanes.packs[pack].kind == PACK_SAME) {
            return false;
        }
        s->sum.terms[n] = (u8)pack;
    }
    return true;
}

/* The one whose register has it. */
static unsigned holder_of(const struct search *s, unsigned n)
{
    const struct pack *pack = &s->c->lanes.packs[n];
    return pack->kind == PACK_OP && pack->op == IR_TRUNC ? holder_of(s, pack->a) : n;
}

bool lanes_give_registers(struct search *s, unsigned count)
{
    struct pack *packs = s->c->lanes.packs;
    u8 last[PACKS_MAX], taken_until[PACK_REGS] = {PACKS_MAX};
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        last[n] = (u8)n;
        if (packs[n].kind == PACK_OP) {
            last[holder_of(s, packs[n].a)] = (u8)n;
            last[packs[n].b == NO_PACK ? n : holder_of(s, packs[n].b)] = (u8)n;
        }
    }
    for (unsigned n = 0; n < s->sum.term_count; n++) {
        last[holder_of(s, s->sum.terms[n])] = PACKS_MAX;
    }
    s->sum.reg_count = 1;
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        unsigned reg = 1;
        while (reg < count && taken_until[reg] > n) {
            reg++;
        }
        if (reg == count) {
            return false;
        }
        if (holder_of(s, n) == n) {
            packs[n].reg = (u8)reg;
            taken_until[reg] = last[n];
            s->sum.reg_count = (u8)(reg < s->sum.reg_count ? s->sum.reg_count : reg + 1);
        }
    }
    return true;
}

bool lanes_find_place(struct search *s)
{
    unsigned at = 0;
    s->first_load = IR_MAX_INSNS;
    s->last_load = 0;
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        for (unsigned lane = 0; pack->kind >= PACK_LOAD && lane < s->lane_count; lane++) {
            unsigned ref = pack->refs[lane], check = insn_at(s, ref)->a;
            at = check > at ? check : at;
            s->first_load = ref < s->first_load ? ref : s->first_load;
            s->last_load = ref > s->last_load ? ref : s->last_load;
        }
    }
    s->sum.at = (u16)at;
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        if (pack->kind == PACK_SAME && pack->refs[0] > at &&
            insn_at(s, pack->refs[0])->op != IR_CONST) {
            return false;
        }
    }
    return at != 0;
}

/* --- members, and who else needs them --- */

void lanes_mark_members(const struct search *s, bool are)
{
    u8 *of = s->c->lanes.of;
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        for (unsigned lane = 0; pack->kind != PACK_SAME && lane < s->lane_count; lane++) {
            of[pack->refs[lane]] = (u8)(are ? LANES_PACK + n : (unsigned)LANES_NONE);
        }
    }
    for (unsigned n = 0; n < s->term_count; n++) {
        of[s->chain[n]] = !are ? LANES_NONE : n == 0 ? LANES_ROOT : LANES_DROPPED;
    }
}

/* Whether the fast body does something at that instruction but compute a value. */
static bool has_effect(const struct search *s, unsigned i)
{
    const struct ir_insn *insn = insn_at(s, i);
    unsigned props = ir_op_info[insn->op].props;
    if (insn->op == IR_SET) {
        unsigned until = s->c->sinking ? s->c->sinks[i] : 0;
        return until != SINK_STEP && until != i + 1;
    }
    if (insn->op == IR_LOAD || insn->op == IR_TLB_CHECK || insn->op == IR_EXIT_IF) {
        return !hoist_has(s->c, i);
    }
    return (!(props & IR_P) && insn->op != IR_INSN) || (props & IR_E) != 0;
}

/* What the sum whose root that is adds to. */
static unsigned before_of(const struct search *s, unsigned root)
{
    for (unsigned n = 0; n < s->c->lanes.sum_count; n++) {
        if (s->c->lanes.sums[n].root == root) {
            return s->c->lanes.sums[n].before;
        }
    }
    return s->sum.before;
}

void lanes_mark_needed(struct search *s)
{
    memset(s->needed, 0, s->c->ir->count);
    for (unsigned n = 0; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        s->needed[pack->refs[0]] |= pack->kind == PACK_SAME;
    }
    for (unsigned i = s->c->ir->count; i-- > 0;) {
        const struct ir_insn *insn = insn_at(s, i);
        const ir_ref refs[4] = {insn->a, insn->b, insn->c, insn->d};
        unsigned of = s->c->lanes.of[i];
        if (of == LANES_ROOT) {
            s->needed[before_of(s, i)] = true;
        } else if (of == LANES_NONE && !insn->dead && (s->needed[i] || has_effect(s, i))) {
            for (unsigned n = 0; n < ir_op_info[insn->op].args; n++) {
                s->needed[refs[n]] = true;
            }
        }
    }
}

/* Whether what others need can be had. */
static bool can_give(const struct search *s)
{
    for (unsigned n = 1; n < s->term_count; n++) {
        if (s->needed[s->chain[n]]) {
            return false;
        }
    }
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        for (unsigned lane = 0; pack->kind != PACK_SAME && lane < s->lane_count; lane++) {
            unsigned ref = pack->refs[lane];
            bool can = pack->kind == PACK_OP ? !pack->low_only && ref > s->sum.at
                                             : (s->c->flags & HOST_ONE_HART) != 0;
            if (s->needed[ref] && !can) {
                return false;
            }
        }
    }
    return true;
}

/* --- order --- */

static bool overlap(const struct search *s, const struct pack *x, const struct pack *y)
{
    for (unsigned n = 0; n < s->lane_count; n++) {
        for (unsigned m = 0; m < s->lane_count; m++) {
            s32 distance = hoist_disp(s->c, x->refs[n]) - hoist_disp(s->c, y->refs[m]);
            if (distance > -8 && distance < 8) {
                return true;
            }
        }
    }
    return false;
}

bool lanes_load_twice(const struct search *s)
{
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        for (unsigned m = n + 1; m < s->sum.end; m++) {
            const struct pack *x = &s->c->lanes.packs[n], *y = &s->c->lanes.packs[m];
            if (x->kind >= PACK_LOAD && y->kind >= PACK_LOAD &&
                (s->c->hoist_of[x->refs[0]] != s->c->hoist_of[y->refs[0]] || overlap(s, x, y))) {
                return true;
            }
        }
    }
    return false;
}

/* Whether the loads may all be done in one place. */
static bool may_move(const struct search *s)
{
    bool alone = (s->c->flags & HOST_ONE_HART) != 0;
    unsigned first = s->first_load < s->sum.at ? s->first_load : s->sum.at;
    if (!alone && lanes_load_twice(s)) {
        return false;
    }
    for (unsigned i = first; i < s->last_load; i++) {
        const struct ir_insn *insn = insn_at(s, i);
        unsigned props = ir_op_info[insn->op].props;
        bool stays = !insn->dead && s->c->lanes.of[i] == LANES_NONE;
        if (stays && ((props & (IR_W | IR_T)) != 0 || insn->op == IR_LOOK ||
                      (!alone && insn->op == IR_LOAD && (s->needed[i] || !hoist_has(s->c, i))))) {
            return false;
        }
    }
    return true;
}

/* --- whether it pays --- */

unsigned lanes_cost_of(const struct search *s, const struct pack *pack)
{
    bool is_const = insn_at(s, pack->refs[0])->op == IR_CONST;
    unsigned cost = pack->kind == PACK_APART              ? 2 * s->lane_count + 1
                    : pack->kind == PACK_SAME && is_const ? 2
                    : pack->op == IR_TRUNC                ? 0
                                                          : 1;
    for (unsigned lane = 0; pack->kind == PACK_OP && lane < s->lane_count; lane++) {
        cost += s->needed[pack->refs[lane]] ? 2 : 0;
    }
    return cost;
}

/* Operations of the host, of which vectors take more time each. */
static bool pays(const struct search *s)
{
    unsigned cost = 8 + s->sum.term_count, saved = s->term_count;
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        cost += lanes_cost_of(s, pack);
        for (unsigned lane = 0; lane < s->lane_count; lane++) {
            bool stays = pack->kind != PACK_OP && s->needed[pack->refs[lane]];
            bool counts =
                pack->kind != PACK_SAME && (pack->kind != PACK_OP || pack->op != IR_TRUNC);
            saved += counts && !stays;
        }
    }
    return 3 * cost <= 2 * saved;
}

/* Lanes that others need are stored, and the lanes' sum. */
static bool give_slots(struct search *s)
{
    s->slot_count = s->c->lanes.slot_count;
    s->sum.slot = (u8)s->slot_count++;
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        struct pack *pack = &s->c->lanes.packs[n];
        for (unsigned lane = 0; pack->kind == PACK_OP && lane < s->lane_count; lane++) {
            if (s->needed[pack->refs[lane]] && pack->slot == NO_PACK) {
                pack->slot = (u8)s->slot_count++;
            }
        }
    }
    return s->slot_count <= LANE_SLOTS;
}

/* A load that others need stays, beside its lane. */
static void keep_loads(struct search *s)
{
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        for (unsigned lane = 0; pack->kind >= PACK_LOAD && lane < s->lane_count; lane++) {
            u16 ref = pack->refs[lane];
            s->c->lanes.of[ref] = s->needed[ref] ? LANES_NONE : LANES_DROPPED;
        }
    }
}

void lanes_keep_sum(const struct search *s)
{
    struct lanes *lanes = &s->c->lanes;
    lanes->pack_count = s->sum.end;
    lanes->slot_count = s->slot_count;
    lanes->sums[lanes->sum_count++] = s->sum;
}

static bool try_chain(struct search *s, unsigned root, bool second)
{
    follow_chain(s, root, second);
    if (s->term_count == 0 || (!pack_terms(s, false) && !pack_terms(s, true)) ||
        !lanes_give_registers(s, PACK_REGS) || !lanes_find_place(s)) {
        return false;
    }
    lanes_mark_members(s, true);
    lanes_mark_needed(s);
    if (!can_give(s) || !may_move(s) || !pays(s) || !give_slots(s)) {
        lanes_mark_members(s, false);
        return false;
    }
    keep_loads(s);
    lanes_keep_sum(s);
    return true;
}

static bool may_have_lanes(const struct compile *c)
{
    bool copies = false; /* they use vector registers, too */
    for (unsigned n = 0; n < c->wides.count; n++) {
        copies |= c->wides.all[n].copies;
    }
    return c->wides.may && !copies && c->exits_count != 0 && (c->flags & HOST_LONG) &&
           (c->features & HOST_FEATURE_AVX2);
}

void lanes_find(struct compile *c)
{
    struct search s;
    c->lanes.sum_count = 0;
    c->lanes.pack_count = 0;
    c->lanes.slot_count = 0;
    c->lanes.apart_count = 0;
    c->lanes.wide = false;
    if (!may_have_lanes(c)) {
        return;
    }
    s.c = c;
    memset(c->lanes.of, LANES_NONE, c->ir->count);
    for (unsigned i = c->ir->count; i-- > 0 && c->lanes.sum_count < SUMS_MAX;) {
        if (sums_up(&c->ir->insns[i]) && c->lanes.of[i] == LANES_NONE && !try_chain(&s, i, false)) {
            try_chain(&s, i, true);
        }
    }
    for (unsigned i = 0; i < c->ir->count && c->lanes.sum_count < SUMS_MAX; i++) {
        if (c->ir->insns[i].op == IR_STORE && c->lanes.of[i] == LANES_NONE) {
            lanes_try_stores(&s, i);
        }
    }
}

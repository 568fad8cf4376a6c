/* Probes of units without slots (blocks, counts, coverage): put into a block where it has room for
 * them.
 *
 * What is told of such a block needs none of its values, so the IR need not be copied and renamed
 * as in probe_instrument.c: while it is built, places are left (enum ir_marks) that do nothing
 * unless something is put into them here. See probe.h for what units and paths are. */
#include "translate/probe/probe_jump.h"
#include "translate/probe/probe_private.h"

struct place {
    struct probe *probe;
    struct ir *ir;
    const struct probe_source *source;
    bool page_watched;
    /* the unit */
    bool in_unit, leaves;
    struct probe_unit unit;
    /* the path; what it writes is known at its end */
    bool in_path, watched, looks;
    struct probe_path path;
    u32 parts[PROBE_MAX_PARTS];
    struct probe_ways ways; /* in place of these, when it counts; of each way the operation */
    u16 way_at[PROBE_MAX_WAYS];
    const gva_t *targets[PROBE_MAX_WAYS]; /* of wide ones */
    gva_t gva;            /* of the current instruction */
    unsigned head, left;  /* operations: its first, and the last that tells of a side exit, or 0 */
    unsigned left_insns;  /*   and after how many */
    bool calls;           /* C was called, which may have written */
    bool over;            /* it has counted its last way, behind the current instruction */
    bool streamed;        /* the block had a path before */
    bool stops;           /* something in it may end it on the way, not at a way out */
    unsigned after_insns; /* the current one, counted from the path's start */
};

static bool counts(const struct place *place)
{
    return place->probe->config.what & PROBE_EDGES;
}

static struct ir_insn *put(struct place *place, unsigned at, enum ir_op op, u64 imm)
{
    struct ir_insn *insn = &place->ir->insns[at];
    *insn = (struct ir_insn){.op = (u8)op, .type = IR_NONE, .a = IR_REF_NONE, .b = IR_REF_NONE,
                             .c = IR_REF_NONE, .d = IR_REF_NONE, .imm = imm};
    return insn;
}

/* --- conditions --- */

static bool is_watched(const struct place *place, const struct ir_insn *insn)
{
    return place->page_watched && probe_source_wanted(place->probe, place->source, insn);
}

static bool has_hook(const struct place *place, const struct ir_insn *insn)
{
    return probe_source_hooked(place->probe, place->source, insn);
}

/* Whether the instruction at `insn` belongs to the unit before it. */
static bool unit_goes_on(const struct place *place, const struct ir_insn *insn)
{
    const struct probe_unit *unit = &place->unit;
    gva_t gva = place->source->gva_page + insn->imm;
    return place->in_unit && !place->leaves && unit->insn_count < UINT8_MAX &&
           gva == unit->gva + unit->bytes && !has_hook(place, insn) &&
           !probe_range_edge(&place->probe->config, gva);
}

static bool path_goes_on(const struct place *place, const struct ir_insn *insn)
{
    return place->in_path && place->watched && !place->looks &&
           (counts(place) ? place->ways.part_count : place->path.part_count) < PROBE_MAX_PARTS &&
           !has_hook(place, insn) && is_watched(place, insn);
}

/* --- ways --- */

/* A way out of the path, told by the operation at `at` from now on; `from`: what leaves. */
static void add_way(struct place *place, unsigned at, enum ir_op op, const struct ir_insn *from)
{
    struct probe_ways *ways = &place->ways;
    bool indirect = from->op == IR_EXIT_UNLESS || from->op == IR_JUMP_IND || from->op == IR_LEAVE;
    if (ways->way_count == PROBE_MAX_WAYS) {
        place->ir->overflow = true;
        return;
    }
    place->way_at[ways->way_count] = (u16)at;
    if (indirect) {
        unsigned count;
        place->targets[ways->way_count] =
            probe_jump_targets(place->probe->jumps, place->gva, &count);
        probe_ways_indirect(ways, place->after_insns,
                            count > PROBE_PLACES ? count : (unsigned)PROBE_PLACES);
    } else {
        probe_ways_way(ways, place->after_insns, place->source->gva_page + from->imm);
    }
    ir_ref target = from->a;
    struct ir_insn *way = put(place, at, op, 0);
    if (op == IR_PROBE_EDGE) {
        way->a = target;
        way->sub = IR_LEFT_EDGE;
    } else if (op == IR_PROBE_LEFT) {
        way->sub = indirect ? IR_LEFT_EDGE : IR_LEFT_COUNT;
    }
}

/* Whether a path's first word is still the last of the stream when a way out is taken, and has
 * room: then it tells how far the path came. */
static bool is_last_word(const struct place *place)
{
    return place->source->fixed && !place->path.counted && !place->calls &&
           place->probe->config.events == 0;
}

/* The place before the operation at `at`, which is a way out. */
static void note_way(struct place *place, unsigned at)
{
    const struct ir_insn *op = &place->ir->insns[at];
    if (!place->in_path || !place->watched || at == 0 ||
        place->ir->insns[at - 1].op != IR_PROBE_LEFT) {
        return;
    }
    if (!counts(place)) {
        if (op->op == IR_EXIT_IF || op->op == IR_EXIT_UNLESS) {
            bool by_head = is_last_word(place);
            u64 word = by_head ? place->after_insns : PROBE_LEFT_BASE + (u64)place->after_insns;
            put(place, at - 1, IR_PROBE_LEFT, word)->sub = by_head ? IR_LEFT_HEAD : IR_LEFT_WORD;
            place->left = at - 1;
            place->left_insns = place->after_insns;
        }
        return;
    }
    if (place->over) {
        return;
    }
    switch (op->op) {
    case IR_EXIT_IF:
    case IR_EXIT_PAGE:
    case IR_EXIT_UNLESS: add_way(place, at - 1, IR_PROBE_LEFT, op); break;
    case IR_LOOK: /* whether it leaves or not, another path is next */
    case IR_JUMP: add_way(place, at - 1, IR_PROBE_ADD, op); break;
    case IR_JUMP_IND:
    case IR_LEAVE: add_way(place, at - 1, IR_PROBE_EDGE, op); break;
    default: break;
    }
    place->over = op->op == IR_LOOK;
}

/* --- paths --- */

static void unit_end(struct place *place)
{
    if (place->in_unit && place->in_path && place->watched && !counts(place)) {
        u32 number = probe_unit_add(place->probe, &place->unit);
        place->parts[place->path.part_count++] = number;
        place->path.insn_count = (u16)(place->path.insn_count + place->unit.insn_count);
    }
    place->in_unit = false;
}

/* Each target has its place in each hart, and had it if there was such a path before. */
static void make_wide(struct place *place, struct ir_insn *op, u64 way, const gva_t *targets)
{
    const struct engine *engine = place->probe->engine;
    struct probe_wide *wide = arena_alloc(place->probe->arena, sizeof(*wide));
    *wide = (struct probe_wide){(u32)op->imm, probe_way_places(way), targets};
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        struct probe_place *places = probe_places_of(engine->vcpus[i], wide->way);
        for (unsigned n = 0; n < wide->count && places[n].target != targets[n]; n++) {
            places[n].target = targets[n];
        }
    }
    op->sub = IR_LEFT_WIDE;
    op->imm = (uintptr_t)wide;
}

static void end_counting(struct place *place)
{
    struct probe_paths *paths = &place->probe->ways;
    const struct probe_ways *ways = &place->ways;
    u32 number = probe_paths_add(paths, ways);
    u32 counter = probe_counted_at(paths, number)->counter;
    u32 indirect = probe_counted_at(paths, number)->indirect;
    struct ir_insn *insns = place->ir->insns;
    insns[place->head].imm = number; /* 0: none */
    insns[place->head].dead = !place->stops; /* nobody will ask which path it was */
    for (unsigned n = 0; n < ways->way_count; n++) {
        struct ir_insn *way = &insns[place->way_at[n]];
        way->dead = number == 0;
        u32 numbers = probe_way_numbers(ways->ways[n]);
        way->imm = numbers != 0 ? indirect : counter;
        if (probe_way_places(ways->ways[n]) > PROBE_PLACES && number != 0) {
            make_wide(place, way, ways->ways[n], place->targets[n]);
        }
        indirect += numbers;
        counter += numbers == 0;
    }
    place->ir->overflow |= ways->far;
}

static void end_streaming(struct place *place)
{
    struct ir_insn *insns = place->ir->insns;
    u64 number = place->parts[0];
    if (place->path.part_count != 1 || place->path.counted) {
        u32 path = probe_path_add(place->probe, &place->path);
        number = path != 0 ? PROBE_PATH_BASE + path : 0;
    }
    u64 words = number != 0 ? 1u + place->path.word_count : 1u;
    insns[place->head].imm = number | words << 32;
    unsigned sub = place->source->fixed ? IR_PROBE_NO_PAGE : 0u;
    sub |= place->streamed || words >= PROBE_LOOK_WORDS ? 0u : IR_PROBE_NO_LOOK;
    insns[place->head].sub = (u8)sub;
    place->streamed = true;
    insns[place->head].type = IR_I64;
    if (place->left != 0 && place->left_insns == place->path.insn_count) {
        insns[place->left].dead = 1; /* all of the path was done */
    }
}

/* The operation at `end` is no part of it. */
static void path_end(struct place *place, unsigned end)
{
    unit_end(place);
    if (place->in_path && place->watched && !place->ir->overflow) {
        const struct ir_insn *insns = place->ir->insns;
        if (counts(place)) {
            if (end < place->ir->count && insns[end - 1].op == IR_PROBE_LEFT && !place->over) {
                add_way(place, end - 1, IR_PROBE_ADD, &insns[end]); /* another path follows */
            }
            end_counting(place);
        } else {
            end_streaming(place);
        }
    }
    place->in_path = false;
}

/* `at`: an INSN. */
static void path_begin(struct place *place, unsigned at)
{
    struct ir *ir = place->ir;
    unsigned to = at + 1;
    place->path = (struct probe_path){.parts = place->parts};
    probe_ways_begin(&place->ways, place->source->gva_page + ir->insns[at].imm);
    if (counts(place)) {
        probe_paths_expect(&place->probe->ways, place->ways.gva);
    }
    place->in_path = true;
    place->looks = false;
    place->left = 0;
    place->calls = place->stops = place->over = false;
    place->after_insns = 0;
    place->watched = is_watched(place, &ir->insns[at]);
    to += to < ir->count && ir->insns[to].op == IR_POLL;
    if (to >= ir->count || ir->insns[to].op != IR_PROBE) {
        ir->overflow = true; /* too long */
        return;
    }
    if (ir->marks == IR_MARKS_ALL) {
        if (has_hook(place, &ir->insns[at])) {
            put(place, to, IR_CALL, (u64)(uintptr_t)&probe_hook_helper);
        }
        to++;
    }
    if (!place->watched) {
        return;
    }
    place->head = to;
    put(place, to, counts(place) ? IR_PROBE_AT : IR_PROBE, 0);
    if (!counts(place) && place->probe->config.has_gaps) {
        put(place, to + 1, IR_INSN_COUNT, 0)->type = IR_I64;
        struct ir_insn *word = put(place, to + 2, IR_PROBE_WORD, 8);
        word->type = IR_I64;
        word->a = (ir_ref)to;
        word->b = (ir_ref)(to + 1);
        place->path.counted = true;
        place->path.word_count = 1;
    }
}

/* The unit that begins there, of which gva is known. */
static void describe(struct place *place, const struct ir_insn *insn)
{
    place->unit.gpa = place->source->gpa_page | (insn->imm & PAGE_OFFSET_MASK);
    place->unit.mode = place->source->mode;
    place->unit.fixed = place->source->fixed;
    place->unit.code = place->source->bytes + (insn->imm - place->source->first);
}

static void on_insn(struct place *place, unsigned at)
{
    const struct ir_insn *insn = &place->ir->insns[at];
    if (!unit_goes_on(place, insn)) {
        unit_end(place);
        if (!path_goes_on(place, insn)) {
            path_end(place, at);
            path_begin(place, at);
        }
        place->unit = (struct probe_unit){
            .gva = place->source->gva_page + insn->imm,
        };
        place->in_unit = true;
        place->leaves = false;
        if (counts(place)) { /* which asks for nothing else, and may be in several pages */
            probe_ways_part(&place->ways, place->unit.gva);
        } else {
            describe(place, insn);
            probe_unit_expect(place->probe, &place->unit);
        }
    }
    place->gva = place->source->gva_page + insn->imm;
    place->unit.insn_count++;
    place->unit.bytes = (u16)(place->unit.bytes + insn->sub);
    place->after_insns++;
    if (counts(place)) {
        probe_ways_insn(&place->ways, insn->sub);
    }
}

/* --- units that count --- */

static void count_unit(struct place *place)
{
    if (place->in_unit) {
        u32 number = probe_unit_add(place->probe, &place->unit);
        put(place, place->head, IR_PROBE_ADD, probe_unit_counter(number));
    }
}

/* Nothing of the block is in a path. */
static void place_counts(struct place *place)
{
    struct ir *ir = place->ir;
    for (unsigned i = 0; i < ir->count && !ir->overflow; i++) {
        const struct ir_insn *insn = &ir->insns[i];
        place->leaves |= (ir_op_info[insn->op].props & (IR_X | IR_T)) && insn->op != IR_POLL;
        if (insn->op != IR_INSN) {
            continue;
        }
        if (!unit_goes_on(place, insn)) {
            count_unit(place);
            place->head = i + 1;
            place->head += place->head < ir->count && ir->insns[place->head].op == IR_POLL;
            ir->overflow |= place->head >= ir->count || ir->insns[place->head].op != IR_PROBE;
            place->unit = (struct probe_unit){.gva = place->source->gva_page + insn->imm};
            describe(place, insn);
            place->in_unit = true;
            place->leaves = false;
        }
        place->unit.insn_count++;
        place->unit.bytes = (u16)(place->unit.bytes + insn->sub);
    }
    if (!ir->overflow) {
        count_unit(place);
    }
}

void probe_place(struct engine *engine, const struct probe_source *source)
{
    struct ir *ir = engine->ir;
    struct place place;
    place.probe = engine->probe;
    place.ir = ir;
    place.source = source;
    place.page_watched = probe_page_wanted(engine->probe, source->gpa_page);
    place.in_unit = place.in_path = place.stops = place.streamed = false;
    place.head = 0;
    if (!place.page_watched && !probe_page_has_hooks(engine->probe, source->gpa_page)) {
        return;
    }
    if (ir->marks == IR_MARKS_UNITS) {
        place_counts(&place);
        return;
    }
    for (unsigned i = 0; i < ir->count && !ir->overflow; i++) {
        const struct ir_insn *insn = &ir->insns[i];
        unsigned props = ir_op_info[insn->op].props;
        if (LIKELY(!(props & (IR_F | IR_X | IR_T)) && insn->op != IR_INSN)) {
            continue; /* it only computes */
        }
        place.stops |= (props & IR_F) != 0 || (insn->op == IR_POLL && i > place.head);
        if (insn->op == IR_INSN) {
            on_insn(&place, i);
        } else if (props & (IR_X | IR_T) && insn->op != IR_POLL) {
            place.leaves = true;
            place.looks |= insn->op == IR_LOOK;
            note_way(&place, i);
        } else if (insn->op == IR_CALL) {
            place.looks |= ir_is_memory_call(insn);
            place.calls = true;
        }
    }
    path_end(&place, ir->count);
}

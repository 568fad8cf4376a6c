/* Traces: memory accesses near one address, checked together once a round.
 *
 * The accesses of a group are a constant distance from what a guest register, or the sum of two,
 * holds when the round begins. If the bytes from the first to the last of them lie in one page that
 * the TLB lets be read (or written), none of them can fault or need the slow path. So the body of a
 * trace exists twice. At the head every group is checked, and the host address of its register
 * computed; if all is well the fast body runs, where such an access is one instruction. Otherwise
 * the slow body runs that round, with a check at each access, and goes back to the head. Where
 * loads compare with the TLB's span, so does their group, and pages do not matter.
 *
 * A walk with a stride that a guest register holds is a group, too: base, base + stride, base + 2 *
 * stride and so on, as the copies of a short loop have it. If the stride is less than a page, and
 * the first and the last byte lie in one page, all of them do. Its accesses use the addresses that
 * the loop computes anyway, and the page's addend.
 *
 * What was checked holds until C may have run: C can be where another hart takes away a
 * permission. So an access of the fast body that the TLB cannot serve does not call C. It leaves
 * the trace before its instruction, as a fault would, and a block that begins there does it. In
 * the first instruction that block would be the trace again: it goes to the slow body.
 *
 * A trace without groups, as open ones that do not come back are, has a fast body alone, so that
 * registers can wait for its ways out (sink.c); there the first instruction's accesses call C. */
#include "translate/ir/ir_vector.h"
#include "translate/to_x86_64/access.h"
#include "translate/to_x86_64/loop.h"

enum { RANGE_MAX_BYTES = 2048, SPAN_RANGE_MAX_BYTES = TLB_SPAN_MARGIN };
enum { STRIDE_MAX_STEPS = 16, STRIDE_RANGE_MAX_BYTES = 64 };
enum { BOTH_MAX_BYTES = 512, BOTH_GAP_BYTES = 32 };

static bool is_vector_access(const struct compile *c, const struct ir_insn *insn)
{
    struct ir_vector v = {0};
    if (insn->op == IR_VECTOR) {
        v = ir_vector_of(c->ir, insn);
    }
    return insn->op == IR_VECTOR && ir_vector_is_access(&v);
}

static bool is_access(const struct compile *c, const struct ir_insn *insn)
{
    return !insn->dead &&
           (insn->op == IR_LOAD || insn->op == IR_STORE || is_vector_access(c, insn));
}

static s32 bytes_of(const struct compile *c, const struct ir_insn *insn)
{
    if (insn->op != IR_VECTOR) {
        return 1 << (insn->sub & IR_MEM_SIZE_MASK);
    }
    struct ir_vector v = ir_vector_of(c->ir, insn);
    return (s32)ir_vector_bytes(&v);
}

bool hoist_is_head_register(const struct compile *c, ir_ref ref)
{
    const struct ir_insn *get = &c->ir->insns[ref];
    if (get->op != IR_GET || get->type != IR_I64 || get->sub != 8) {
        return false;
    }
    for (unsigned i = 0; i < ref; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->op == IR_SET && insn->imm < get->imm + 8 && get->imm < insn->imm + insn->sub) {
            return false;
        }
    }
    return true;
}

/* Whether the access being looked at has others beside it, a group that is worth its check. */
static bool has_neighbours(const struct compile *c, ir_ref base)
{
    enum { NEAR_BYTES = 256, NEIGHBOURS = 4 };
    const struct ir_insn *access = &c->ir->insns[c->at];
    s64 place = address_disp(c->ir, hoist_address(access));
    unsigned count = 0;
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        s64 distance = NEAR_BYTES;
        if (is_access(c, insn) && address_base(c->ir, hoist_address(insn)) == base) {
            distance = address_disp(c->ir, hoist_address(insn)) - place;
        }
        count += distance > -NEAR_BYTES && distance < NEAR_BYTES &&
                 loop_writes(c, insn) == loop_writes(c, access);
    }
    return count >= NEIGHBOURS && asm_fits_s32(2 * place);
}

/* The same for the sum of two, and for the page of the code, near which several accesses are. An
 * address from memory changes its page too often. */
static bool is_head_value(const struct compile *c, ir_ref ref)
{
    const struct ir_insn *insn = &c->ir->insns[ref];
    if (c->values[ref].flags & VALUE_FROM_MEMORY) {
        return false;
    }
    if (insn->op == IR_PC_PAGE) {
        return has_neighbours(c, ref);
    }
    return hoist_is_head_register(c, ref) ||
           (insn->op == IR_ADD && insn->type == IR_I64 && hoist_is_head_register(c, insn->a) &&
            hoist_is_head_register(c, insn->b));
}

static unsigned hoist_for(const struct compile *c, ir_ref base, bool write)
{
    for (unsigned n = 0; n < c->hoist_count; n++) {
        if (c->hoists[n].base == base && c->hoists[n].stride == IR_REF_NONE &&
            !c->hoists[n].table && c->sites[n].write == write) {
            return n;
        }
    }
    return HOISTS_MAX;
}

static unsigned hoist_new(struct compile *c, ir_ref base, ir_ref stride, bool write)
{
    if (c->hoist_count == HOISTS_MAX) {
        return HOISTS_MAX;
    }
    unsigned n = c->hoist_count++;
    c->sites[n].walker = loop_walker(c, base);
    c->sites[n].write = write;
    c->hoists[n] = (struct hoist){.base = base, .stride = stride, .reg = NO_REG};
    return n;
}

/* Whether the group can have bytes [first, end) too, if it is no longer than `range` then. */
static bool widen(struct hoist *hoist, s64 first, s64 end, s64 range)
{
    bool none = hoist->members == 0;
    s64 from = none || first < hoist->first ? first : hoist->first;
    s64 to = none || end > hoist->end ? end : hoist->end;
    if (to - from > range) {
        return false;
    }
    hoist->first = (s32)from;
    hoist->end = (s32)to;
    hoist->members++;
    return true;
}

static bool is_aligned(const struct compile *c, const struct ir_insn *insn)
{
    return insn->op != IR_VECTOR && (c->ir->insns[insn->a].imm & IR_CHECK_ALIGN);
}

static void set_member(struct compile *c, unsigned i, unsigned n)
{
    const struct ir_insn *insn = &c->ir->insns[i];
    c->hoist_of[i] = (u8)(n + 1);
    if (insn->op != IR_VECTOR) {
        c->hoist_of[insn->a] = (u8)(n + 1); /* the check */
    }
}

/* --- walks --- */

/* An address as start + steps * stride, both what a register holds when the round begins. */
struct walk {
    ir_ref start, stride; /* IR_REF_NONE: not known */
    unsigned steps;
};

static bool same_register(const struct compile *c, ir_ref x, ir_ref y)
{
    return hoist_is_head_register(c, x) && c->ir->insns[x].imm == c->ir->insns[y].imm;
}

/* One step back from the sum; IR_REF_NONE when it is none of that walk. */
static ir_ref step_back(const struct compile *c, const struct ir_insn *sum, struct walk *walk)
{
    if (sum->op != IR_ADD || sum->type != IR_I64 || walk->steps == STRIDE_MAX_STEPS) {
        return IR_REF_NONE;
    }
    walk->steps++;
    if (walk->stride == IR_REF_NONE) {
        bool a = hoist_is_head_register(c, sum->a), b = hoist_is_head_register(c, sum->b);
        walk->stride = a == b ? IR_REF_NONE : a ? sum->a : sum->b;
        return a == b ? IR_REF_NONE : a ? sum->b : sum->a;
    }
    return same_register(c, sum->b, walk->stride)   ? sum->a
           : same_register(c, sum->a, walk->stride) ? sum->b
                                                    : IR_REF_NONE;
}

static bool walk_of(const struct compile *c, ir_ref base, struct walk *walk)
{
    ir_ref at = base;
    walk->steps = 0;
    while (at != IR_REF_NONE && !hoist_is_head_register(c, at)) {
        at = step_back(c, &c->ir->insns[at], walk);
    }
    walk->start = at;
    return at != IR_REF_NONE && !(c->values[base].flags & VALUE_FROM_MEMORY);
}

static unsigned hoist_for_walk(struct compile *c, const struct walk *walk, bool write)
{
    for (unsigned n = 0; n < c->hoist_count; n++) {
        const struct hoist *hoist = &c->hoists[n];
        if (hoist->stride != IR_REF_NONE && c->sites[n].write == write &&
            same_register(c, walk->start, hoist->base) &&
            same_register(c, walk->stride, hoist->stride)) {
            return n;
        }
    }
    return HOISTS_MAX;
}

/* The stride shows where the walk has gone two steps. */
static void find_walk(struct compile *c, unsigned i)
{
    const struct ir_insn *insn = &c->ir->insns[i];
    struct walk walk = {.stride = IR_REF_NONE};
    if (insn->op == IR_VECTOR || is_aligned(c, insn) ||
        !walk_of(c, address_base(c->ir, insn->b), &walk) || walk.steps < 2) {
        return;
    }
    bool write = loop_writes(c, insn);
    unsigned n = hoist_for_walk(c, &walk, write);
    n = n == HOISTS_MAX ? hoist_new(c, walk.start, walk.stride, write) : n;
    if (n != HOISTS_MAX && walk.steps > c->hoists[n].steps) {
        c->hoists[n].steps = (u8)walk.steps;
    }
}

/* True when the access becomes a member of a walk. */
static bool join_walk(struct compile *c, unsigned i)
{
    const struct ir_insn *insn = &c->ir->insns[i];
    s64 first = insn->op == IR_VECTOR ? 0 : address_disp(c->ir, insn->b);
    if (insn->op == IR_VECTOR || is_aligned(c, insn) || first < -STRIDE_RANGE_MAX_BYTES ||
        first > STRIDE_RANGE_MAX_BYTES) {
        return false;
    }
    for (unsigned n = 0; n < c->hoist_count; n++) {
        struct hoist *hoist = &c->hoists[n];
        struct walk walk = {.stride = hoist->stride};
        if (hoist->stride != IR_REF_NONE && c->sites[n].write == loop_writes(c, insn) &&
            walk_of(c, address_base(c->ir, insn->b), &walk) &&
            same_register(c, walk.start, hoist->base) && walk.steps <= hoist->steps &&
            widen(hoist, first, first + bytes_of(c, insn), STRIDE_RANGE_MAX_BYTES)) {
            set_member(c, i, n);
            return true;
        }
    }
    return false;
}

/* --- tables --- */

static unsigned hoist_for_table(const struct compile *c, ir_ref base)
{
    unsigned n = 0;
    while (n < c->hoist_count &&
           !(c->hoists[n].table && same_register(c, c->hoists[n].base, base))) {
        n++;
    }
    return n == c->hoist_count ? (unsigned)HOISTS_MAX : n;
}

/* True when the access becomes one that looks something up in a table. */
static bool join_table(struct compile *c, unsigned i)
{
    struct table_range range;
    if (!table_find(c, i, &range)) {
        return false;
    }
    unsigned n = hoist_for_table(c, range.base);
    struct hoist none = {.members = 0};
    if (!table_fits(c, n == HOISTS_MAX ? &none : &c->hoists[n], &range)) {
        return false;
    }
    if (n == HOISTS_MAX) {
        n = hoist_new(c, range.base, IR_REF_NONE, false);
    }
    if (n == HOISTS_MAX || !widen(&c->hoists[n], range.first, range.end, INT32_MAX)) {
        return false;
    }
    c->hoists[n].table = true;
    set_member(c, i, n);
    return true;
}

/* --- groups --- */

/* Makes the access a member of its group if it can be one. */
static void join(struct compile *c, unsigned i)
{
    const struct ir_insn *insn = &c->ir->insns[i];
    ir_ref base = address_base(c->ir, hoist_address(insn));
    bool write = loop_writes(c, insn);
    s64 first = address_disp(c->ir, hoist_address(insn));
    s64 range = hoist_by_span(c) ? SPAN_RANGE_MAX_BYTES : RANGE_MAX_BYTES;
    bool far = (first < -range || first > range) && c->ir->insns[base].op != IR_PC_PAGE;
    c->at = i;
    if (join_walk(c, i) || is_aligned(c, insn) || far || !is_head_value(c, base)) {
        return;
    }
    unsigned n = hoist_for(c, base, write);
    n = n == HOISTS_MAX ? hoist_new(c, base, IR_REF_NONE, write) : n;
    if (n != HOISTS_MAX && widen(&c->hoists[n], first, first + bytes_of(c, insn), range)) {
        set_member(c, i, n);
    }
}

/* Group `from` goes into group `to`; the last one takes its number. */
static void absorb(struct compile *c, unsigned to, unsigned from)
{
    struct hoist *hoist = &c->hoists[to];
    const struct hoist *other = &c->hoists[from];
    unsigned last = --c->hoist_count;
    hoist->first = other->first < hoist->first ? other->first : hoist->first;
    hoist->end = other->end > hoist->end ? other->end : hoist->end;
    hoist->members += other->members;
    hoist->both = true;
    c->sites[to].write = true;
    c->sites[to].walker = UINT32_MAX - to; /* accesses of the slow body ask for less */
    for (unsigned i = 0; i < c->ir->count; i++) {
        unsigned n = c->hoist_of[i];
        c->hoist_of[i] = (u8)(n == from + 1 ? to + 1 : n == last + 1 ? from + 1 : n);
    }
    c->hoists[from] = c->hoists[last];
    c->sites[from] = c->sites[last];
}

/* Whether reads and writes near each other make one group. */
static bool are_near(const struct compile *c, unsigned n, unsigned m)
{
    const struct hoist *x = &c->hoists[n], *y = &c->hoists[m];
    s32 first = x->first < y->first ? x->first : y->first;
    s32 end = x->end > y->end ? x->end : y->end;
    return x->base == y->base && x->stride == IR_REF_NONE && y->stride == IR_REF_NONE &&
           !x->table && !y->table && end - first <= BOTH_MAX_BYTES &&
           end - first <= x->end - x->first + y->end - y->first + BOTH_GAP_BYTES;
}

static void join_reads_and_writes(struct compile *c)
{
    for (unsigned n = 0; n < c->hoist_count; n++) {
        for (unsigned m = n + 1; m < c->hoist_count; m++) {
            if (are_near(c, n, m)) {
                absorb(c, n, m--);
            }
        }
    }
}

bool hoist_comes_back(const struct compile *c)
{
    if (!(c->flags & HOST_OPEN)) {
        return true;
    }
    for (unsigned i = c->ir->count; i-- > 0;) {
        const struct ir_insn *insn = &c->ir->insns[i];
        bool way = (insn->op == IR_JUMP && insn->sub != IR_JUMP_CALL) || insn->op == IR_EXIT_IF;
        if (way && (s64)insn->imm == c->entry_target) {
            return true;
        }
    }
    return false;
}

/* True when an operation other than an access may: soft floating point, probes but for those that
 * only count or tell how far a path came. */
static bool calls_c(const struct compile *c)
{
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        bool is_probe = insn->op >= IR_PROBE && insn->op < IR_INSN && !probe_waits(insn) &&
                        insn->op != IR_PROBE_ADD;
        bool is_float = (ir_op_info[insn->op].props & IR_E) != 0 && insn->op != IR_VECTOR;
        if (!insn->dead && (is_probe || is_float || insn->op == IR_FCLASS)) {
            return true;
        }
    }
    return false;
}

/* Tables have the first numbers. Where the trace goes round seldom, one that few accesses look up
 * is not worth being checked at each entry. */
static unsigned find_tables(struct compile *c)
{
    enum { MEMBERS_MIN = 4 };
    unsigned members = 0;
    for (unsigned i = 0; i < c->ir->count; i++) {
        members += is_access(c, &c->ir->insns[i]) && join_table(c, i);
    }
    if (members < MEMBERS_MIN && !(c->flags & HOST_STEADY)) {
        c->hoist_count = 0;
        memset(c->hoist_of, 0, c->ir->count);
        return 0;
    }
    return members;
}

/* Only where most of the `others`, accesses that look up no table, are in groups. */
static unsigned find_groups(struct compile *c, unsigned others)
{
    unsigned tables = c->hoist_count, members = 0;
    for (unsigned i = 0; i < c->ir->count; i++) {
        if (is_access(c, &c->ir->insns[i]) && c->hoist_of[i] == 0) {
            find_walk(c, i);
        }
    }
    for (unsigned i = 0; i < c->ir->count; i++) {
        if (is_access(c, &c->ir->insns[i]) && c->hoist_of[i] == 0) {
            join(c, i);
        }
    }
    join_reads_and_writes(c);
    for (unsigned n = tables; n < c->hoist_count; n++) {
        members += c->hoists[n].members;
    }
    if (members >= 2 * (c->hoist_count - tables) && 2 * members >= others) {
        return members;
    }
    c->hoist_count = tables;
    for (unsigned i = 0; i < c->ir->count; i++) {
        c->hoist_of[i] = c->hoist_of[i] <= tables ? c->hoist_of[i] : 0;
    }
    return 0;
}

void hoist_find(struct compile *c)
{
    unsigned accesses = 0, members = 0;
    bool swaps = false; /* whose slow path is not rare */
    c->fast = false;
    c->keeps_vectors = false;
    c->hoist_count = 0;
    c->slow_count = 0;
    if (!(c->flags & HOST_TRACE)) {
        return;
    }
    memset(c->hoist_of, 0, c->ir->count);
    loop_mark(c);
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        swaps |= insn->op == IR_AMO || insn->op == IR_CAS;
        accesses += is_access(c, insn);
    }
    if (!swaps && hoist_comes_back(c)) {
        members = find_tables(c);
        members += find_groups(c, accesses - members);
    }
    c->fast = !swaps;
    c->all_hoisted = members == accesses;
    if (c->hoist_count != 0 && c->all_hoisted) {
        c->keeps_vectors = c->context->features & HOST_FEATURE_AVX512 && !calls_c(c);
        memset(c->kept_vectors, 0, sizeof(c->kept_vectors));
        c->kept_vector_next = 0;
    }
}

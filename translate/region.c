/* See region.h. */
#include "translate/region.h"
#include "translate/engine_private.h"
#include "translate/hammock.h"

#include <string.h>

enum {
    PARTS_MAX = 64,
    STEPS_MAX = 512,
    NO_PART = 0xff,
    ROUNDS_MIN = 4,     /* that a path must have gone for anything to be known */
    SELDOM = 16,        /* ways taken less than once in so many rounds are none */
    LEAVES_SELDOM = 5,  /* rounds for each time that the path leaves the region */
    REGION_MAX_INSNS = 384,
};

/* Instructions that are always run together; the path is a sequence of parts. */
struct part {
    gva_t pc, end;
    u32 insns;
};

struct region {
    struct vcpu *vcpu;
    const struct tier2_run *runs;
    unsigned count;
    gva_t leaders[2 * TIER2_PATH_RUNS]; /* where parts begin */
    unsigned leader_count;
    struct part parts[PARTS_MAX];
    unsigned part_count;
    u8 steps[STEPS_MAX]; /* the path, by the number of the part */
    unsigned step_count;
    u16 follows[PARTS_MAX][PARTS_MAX]; /* how often the second one came behind the first */
    u8 next[PARTS_MAX];                /* the one that mostly did, or NO_PART */
    u8 starts[1 + TIER2_WAYS];         /* of ways: the head's, then those of further ones */
    unsigned start_count;
    unsigned rounds, insns;
    struct tier2_circle *circle;
};

/* --- parts --- */

static bool is_leader(const struct region *region, gva_t pc)
{
    for (unsigned n = 0; n < region->leader_count; n++) {
        if (region->leaders[n] == pc) {
            return true;
        }
    }
    return false;
}

static void add_leader(struct region *region, gva_t pc)
{
    if (!is_leader(region, pc)) {
        region->leaders[region->leader_count++] = pc;
    }
}

/* False when there are too many. */
static bool add_step(struct region *region, gva_t pc, gva_t end, u32 insns)
{
    unsigned n = 0;
    while (n < region->part_count && region->parts[n].pc != pc) {
        n++;
    }
    if (n == PARTS_MAX || region->step_count == STEPS_MAX) {
        return false;
    }
    if (n == region->part_count) {
        region->parts[region->part_count++] = (struct part){pc, end, insns};
    }
    region->steps[region->step_count++] = (u8)n;
    return true;
}

/* Goes through a run, instruction by instruction: `leads` adds leaders, otherwise its parts are
 * steps. False when it cannot. */
static bool walk(struct region *region, const struct tier2_run *run, bool leads)
{
    unsigned bytes, at = 0, first = 0, first_insn = 0;
    const u8 *code = hammock_code_at(region->vcpu, run->pc, &bytes);
    for (unsigned n = 0; n < run->insns; n++) {
        if (code == NULL || at >= bytes) {
            return false;
        }
        at += region->vcpu->engine->front->insn_bytes(code + at);
        bool ends = n + 1 == run->insns;
        if (leads && ends) {
            add_leader(region, run->pc + at);
        } else if (!leads && (ends || is_leader(region, run->pc + at))) {
            if (!add_step(region, run->pc + first, run->pc + at, n + 1 - first_insn)) {
                return false;
            }
            first = at;
            first_insn = n + 1;
        }
    }
    return true;
}

static bool find_parts(struct region *region)
{
    for (unsigned i = 0; i < region->count; i++) {
        add_leader(region, region->runs[i].pc);
        if (!walk(region, &region->runs[i], true)) {
            return false;
        }
    }
    for (unsigned i = 0; i < region->count; i++) {
        if (!walk(region, &region->runs[i], false)) {
            return false;
        }
    }
    return true;
}

static void count_steps(struct region *region)
{
    for (unsigned i = 0; i < region->step_count; i++) {
        unsigned here = region->steps[i];
        region->rounds += here == region->steps[0];
        if (i + 1 < region->step_count) {
            region->follows[here][region->steps[i + 1]]++;
        }
    }
    for (unsigned here = 0; here < region->part_count; here++) {
        unsigned most = 0;
        region->next[here] = NO_PART;
        for (unsigned n = 0; n < region->part_count; n++) {
            if (region->follows[here][n] > most) {
                most = region->follows[here][n];
                region->next[here] = (u8)n;
            }
        }
    }
}

/* --- ways --- */

static bool is_start(const struct region *region, unsigned part)
{
    for (unsigned n = 0; n < region->start_count; n++) {
        if (region->starts[n] == part) {
            return true;
        }
    }
    return false;
}

/* A way is to begin with part `to`, when control comes there from `from` in its page, which was
 * asked for then. */
static void add_start(struct region *region, unsigned from, unsigned to)
{
    bool same_page = ((region->parts[from].pc ^ region->parts[to].pc) & PAGE_MASK) == 0;
    if (same_page && region->start_count < ARRAY_LEN(region->starts) && !is_start(region, to)) {
        region->starts[region->start_count++] = (u8)to;
    }
}

/* Where the path went elsewhere than the way does. */
static void add_turns(struct region *region, unsigned part)
{
    for (unsigned n = 0; n < region->part_count; n++) {
        unsigned times = region->follows[part][n];
        if (n != region->next[part] && times > 1 && times * SELDOM >= region->rounds) {
            add_start(region, part, n);
        }
    }
}

/* Appends a part to a way whose runs are [first, first + *count), as a run or to its last one. */
static bool append(struct region *region, unsigned first, unsigned *count, unsigned part,
                   bool falls_through)
{
    struct tier2_circle *circle = region->circle;
    const struct part *here = &region->parts[part];
    unsigned end = first + *count;
    region->insns += here->insns;
    if (region->insns > REGION_MAX_INSNS || (!falls_through && end == TIER2_PATH_RUNS)) {
        return false;
    }
    if (falls_through) {
        circle->runs[end - 1].insns += here->insns;
        return true;
    }
    circle->runs[end] = (struct tier2_run){.pc = here->pc, .insns = here->insns};
    ++*count;
    return true;
}

/* A way from `part` on: its runs go behind the `first` that the circle has. *next is where it leads
 * to; how many runs. */
static unsigned follow_way(struct region *region, unsigned first, unsigned part, unsigned *insns,
                           gva_t *next)
{
    u64 used = 0;
    unsigned count = 0;
    bool falls_through = false;
    *insns = 0;
    for (;;) {
        const struct part *here = &region->parts[part];
        unsigned to = region->next[part];
        *next = here->pc;
        if (to == NO_PART || *insns + here->insns > TRACE_MAX_INSNS ||
            !append(region, first, &count, part, falls_through)) {
            return count;
        }
        *insns += here->insns;
        used |= (u64)1 << part;
        add_turns(region, part);
        *next = region->parts[to].pc;
        if (used >> to & 1) {
            add_start(region, part, to); /* a circle that does not come to the head */
            return count;
        }
        if (is_start(region, to)) {
            return count;
        }
        falls_through = here->end == *next && ((here->pc ^ *next) & PAGE_MASK) == 0;
        part = to;
    }
}

/* The main way must come back to the head. */
static bool add_main(struct region *region)
{
    struct tier2_circle *circle = region->circle;
    gva_t next;
    region->starts[region->start_count++] = region->steps[0];
    circle->count = follow_way(region, 0, region->steps[0], &circle->insns, &next);
    return circle->count != 0 && next == circle->runs[0].pc && circle->insns > 1;
}

static void add_further(struct region *region)
{
    struct tier2_circle *circle = region->circle;
    unsigned first = circle->count;
    for (unsigned n = 1; n < region->start_count; n++) {
        struct tier2_way *way = &circle->ways[circle->way_count];
        unsigned insns;
        way->first = (u16)first;
        way->count = (u16)follow_way(region, first, region->starts[n], &insns, &way->next);
        way->insns = (u16)insns;
        first += way->count;
        circle->way_count += way->count != 0;
    }
}

/* How often the path left what the ways are. */
static unsigned count_leaves(const struct region *region)
{
    unsigned leaves = 0;
    for (unsigned i = 0; i + 1 < region->step_count; i++) {
        unsigned to = region->steps[i + 1];
        leaves += to != region->next[region->steps[i]] && !is_start(region, to);
    }
    return leaves;
}

static bool join_pages(struct tier2_circle *circle, unsigned max_pages)
{
    unsigned count = circle->count;
    for (unsigned n = 0; n < circle->way_count; n++) {
        count += circle->ways[n].count;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!tier2_join_page(circle, circle->runs[i].pc, max_pages)) {
            return false;
        }
    }
    return true;
}

bool region_find(struct vcpu *vcpu, const struct tier2_run *runs, unsigned count,
                 unsigned max_pages, struct tier2_circle *circle)
{
    struct region region = {.vcpu = vcpu, .runs = runs, .count = count, .circle = circle};
    *circle = (struct tier2_circle){.rounds = 1};
    if (count < 2 || !find_parts(&region)) {
        return false;
    }
    count_steps(&region);
    if (region.rounds < ROUNDS_MIN || !add_main(&region)) {
        return false;
    }
    add_further(&region);
    return circle->way_count != 0 && count_leaves(&region) * LEAVES_SELDOM <= region.rounds &&
           join_pages(circle, max_pages);
}

/* See tier2.h. */
#include "translate/tier2.h"

#include <string.h>

enum {
    SAMPLE_INSNS = 1 << 17,
    HOT_SAMPLES = 3,
    EAGER_SAMPLE_INSNS = 500,
    /* A group that is split costs some 50 ns and the rest of the trace, one that is tested less
     * than one. */
    SPLIT_MANY = 32,
    SPLIT_SOME = 4,
    SPLIT_INSNS = 8192, /* at most, from one to the next */
    /* A wrong guess costs some 25 cycles, a right one spares 9 where the host waits for them. */
    GUESSES_MANY = 16,
    GUESSES_INSNS = 1024,
    /* Of 256 misses one is told. A miss costs some 25 cycles, a hit spares two or three, and a
     * trace does some 70 instructions. */
    STRAYS_MANY = 4,
    STRAYS_SOME = 2,
    STRAYS_INSNS = 256 * 1024,
};

void tier2_init(struct tier2 *tier2, bool eager)
{
    memset(tier2, 0, sizeof(*tier2));
    tier2->sample_insns = eager ? EAGER_SAMPLE_INSNS : SAMPLE_INSNS;
    tier2->hot_samples = eager ? 1 : HOT_SAMPLES;
    tier2->next_sample_insns = tier2->sample_insns;
}

/* --- sampling --- */

static unsigned head_index(gva_t pc)
{
    return (unsigned)((pc >> 1) * 0x9e3779b97f4a7c15u >> 32) % TIER2_HEADS;
}

bool tier2_sample(struct tier2 *tier2, const struct vcpu *vcpu)
{
    tier2->hot = false;
    /* A block with an exact deadline leaves before its end would pass the deadline: a sample that
     * came no nearer than the longest one would never be taken, and the hart stand still. */
    if (tier2->sample_insns == 0 ||
        vcpu->insns + TRACE_LONGEST_INSNS < tier2->next_sample_insns) {
        return false;
    }
    tier2->next_sample_insns = vcpu->insns + tier2->sample_insns;
    tier2->sampled++;
    unsigned n = head_index(vcpu->pc);
    if (tier2->heads[n].pc != vcpu->pc || tier2->heads[n].mode != vcpu->mode) {
        tier2->heads[n].pc = vcpu->pc;
        tier2->heads[n].mode = vcpu->mode;
        tier2->heads[n].samples = 0;
    }
    if (++tier2->heads[n].samples >= tier2->hot_samples) {
        tier2->heads[n].samples = 0;
        tier2->hot = true;
        tier2->hot_pc = vcpu->pc;
    }
    return true;
}

/* Where an instruction is noted in a table of so many places. */
static struct tier2_split *place_in(struct tier2_split *table, unsigned places, gva_t pc)
{
    return &table[(pc >> 1) * 0x9e3779b97f4a7c15u >> 32 & (places - 1)];
}

/* True when it was noted there `many` times, at most so many instructions apart on average. */
static bool note(struct tier2 *tier2, struct tier2_split *split, const struct vcpu *vcpu, gva_t pc,
                 gva_t head, unsigned many, u64 insns_each)
{
    bool known = split->pc == pc && split->head == head && split->mode == vcpu->mode;
    if (!known || vcpu->insns - split->first_insns > many * insns_each) {
        *split = (struct tier2_split){
            .pc = pc, .head = head, .mode = vcpu->mode, .first_insns = vcpu->insns,
        };
    }
    if (++split->count < many || tier2->sample_insns == 0) {
        return false;
    }
    tier2->split = true;
    tier2->split_head = head;
    tier2->next_sample_insns = vcpu->insns;
    return true;
}

bool tier2_note_split(struct tier2 *tier2, const struct vcpu *vcpu, gva_t head, gva_t gva)
{
    struct tier2_split *split = place_in(tier2->splits, TIER2_SPLIT_PLACES, vcpu->pc);
    bool many = note(tier2, split, vcpu, vcpu->pc, head, SPLIT_MANY, SPLIT_INSNS);
    split->low = (u16)(gva & PAGE_OFFSET_MASK);
    return many;
}

bool tier2_note_guesses(struct tier2 *tier2, const struct vcpu *vcpu, gva_t head)
{
    struct tier2_split *split = place_in(tier2->splits, TIER2_SPLIT_PLACES, head | 1);
    return note(tier2, split, vcpu, head | 1, head, GUESSES_MANY, GUESSES_INSNS);
}

bool tier2_note_stray(struct tier2 *tier2, const struct vcpu *vcpu, gva_t head)
{
    struct tier2_split *stray = place_in(tier2->strays, TIER2_STRAY_PLACES, vcpu->pc);
    return note(tier2, stray, vcpu, vcpu->pc, head, STRAYS_MANY, STRAYS_INSNS);
}

/* As the last one. */
static void join_split(struct tier2_circle *circle, s64 offset, u16 low)
{
    struct host_split split = {.offset = offset, .low = low, .times = 1};
    unsigned n = 0;
    while (n < circle->split_count && n < TIER2_SPLIT_MAX && circle->split[n].offset != offset) {
        n++;
    }
    if (n == TIER2_SPLIT_MAX) {
        circle->split_count = TIER2_SPLIT_MAX + 1;
        return;
    }
    if (n == circle->split_count) {
        circle->split_count++;
    } else {
        split.times = (u8)(circle->split[n].times + (circle->split[n].times < HOST_SPLIT_TIMES));
    }
    unsigned end = circle->split_count - (circle->split_count > TIER2_SPLIT_MAX);
    memmove(&circle->split[n], &circle->split[n + 1], (end - n - 1) * sizeof(split));
    circle->split[end - 1] = split;
}

/* More are too many to tell apart. */
static void join_stray(struct tier2_circle *circle, s64 offset)
{
    unsigned n = 0;
    while (n < circle->stray_count && n < TIER2_STRAY_MAX && circle->strays[n] != offset) {
        n++;
    }
    if (n < TIER2_STRAY_MAX) {
        circle->strays[n] = offset;
    }
    if (n == circle->stray_count) {
        circle->stray_count++;
    }
}

void tier2_join_splits(struct tier2 *tier2, u32 mode, struct tier2_circle *circle)
{
    gva_t page = tier2->split_head & PAGE_MASK;
    for (unsigned n = 0; n < TIER2_SPLIT_PLACES; n++) {
        struct tier2_split *split = &tier2->splits[n];
        if (split->count >= SPLIT_SOME && split->head == tier2->split_head && split->mode == mode) {
            if (split->pc & 1) {
                circle->no_guess = true;
            } else {
                join_split(circle, (s64)(split->pc - page), split->low);
            }
            split->count = 0;
        }
    }
    for (unsigned n = 0; n < TIER2_STRAY_PLACES; n++) {
        struct tier2_split *stray = &tier2->strays[n];
        if (stray->count >= STRAYS_SOME && stray->head == tier2->split_head &&
            stray->mode == mode) {
            join_stray(circle, (s64)(stray->pc - page));
            stray->count = 0;
        }
    }
}

u64 tier2_deadline(const struct tier2 *tier2, u64 deadline)
{
    bool earlier = tier2->sample_insns != 0 && tier2->next_sample_insns < deadline;
    return earlier ? tier2->next_sample_insns : deadline;
}

/* --- finding the circle --- */

static bool same_run(const struct tier2_run *a, const struct tier2_run *b)
{
    return a->pc == b->pc && a->insns == b->insns;
}

static bool has_room(const struct tier2_circle *circle, const struct tier2_run *run)
{
    return circle->count < TIER2_PATH_RUNS && circle->insns + run->insns <= TRACE_MAX_INSNS;
}

static bool append(struct tier2_circle *circle, const struct tier2_run *run)
{
    if (!has_room(circle, run)) {
        return false;
    }
    circle->runs[circle->count++] = *run;
    circle->insns += run->insns;
    return true;
}

/* True when the path repeats itself every `period` runs, from the start to the end. */
static bool repeats(const struct tier2_run *runs, unsigned count, unsigned period)
{
    for (unsigned i = 0; i + period < count; i++) {
        if (!same_run(&runs[i], &runs[i + period])) {
            return false;
        }
    }
    return true;
}

static bool find_repeated(const struct tier2_run *runs, unsigned count,
                          struct tier2_circle *circle)
{
    unsigned period = 1;
    while (2 * period <= count && !repeats(runs, count, period)) {
        period++;
    }
    if (2 * period > count) {
        return false;
    }
    unsigned rounds = count / period;
    *circle = (struct tier2_circle){
        .rounds = rounds < TRACE_MAX_COPIES ? TRACE_MAX_COPIES : rounds,
    };
    for (unsigned i = 0; i < period; i++) {
        if (!append(circle, &runs[i])) {
            return false;
        }
    }
    return true;
}

/* The run that most often began at `pc`, or followed run `after` when that is not NULL. *often is
 * whether it did so four times in five. */
static const struct tier2_run *usual_run(const struct tier2_run *runs, unsigned count, gva_t pc,
                                         const struct tier2_run *after, bool *often)
{
    const struct tier2_run *best = NULL;
    unsigned best_times = 0, all = 0;
    for (unsigned i = after != NULL; i < count; i++) {
        bool wanted = after != NULL ? same_run(&runs[i - 1], after) : runs[i].pc == pc;
        unsigned times = 0;
        for (unsigned k = after != NULL; wanted && k < count; k++) {
            bool counts = after == NULL || same_run(&runs[k - 1], after);
            times += counts && same_run(&runs[k], &runs[i]);
        }
        all += wanted;
        if (times > best_times) {
            best_times = times;
            best = &runs[i];
        }
    }
    *often = 5 * best_times >= 4 * all;
    return best;
}

static bool is_in(const struct tier2_circle *circle, gva_t pc)
{
    for (unsigned i = 0; i < circle->count; i++) {
        if (circle->runs[i].pc == pc) {
            return true;
        }
    }
    return false;
}

/* How often the path began a round of the circle, and went all the way. Sets the rounds that can be
 * expected in a row. */
static bool often_whole(const struct tier2_run *runs, unsigned count,
                        struct tier2_circle *circle)
{
    unsigned begun = 0, whole = 0;
    for (unsigned i = 0; i + circle->count <= count; i++) {
        if (runs[i].pc != circle->runs[0].pc) {
            continue;
        }
        unsigned n = 0;
        while (n < circle->count && same_run(&runs[i + n], &circle->runs[n])) {
            n++;
        }
        begun++;
        whole += n == circle->count;
    }
    circle->rounds = whole != begun            ? begun / (begun - whole)
                     : begun < TRACE_MAX_COPIES ? TRACE_MAX_COPIES
                                                : begun;
    return 5 * whole >= 4 * begun && whole != 0;
}

static bool find_usual(const struct tier2_run *runs, unsigned count, struct tier2_circle *circle)
{
    bool often;
    *circle = (struct tier2_circle){.count = 0};
    const struct tier2_run *run = usual_run(runs, count, runs[0].pc, NULL, &often);
    while (run != NULL && !is_in(circle, run->pc)) {
        if (!append(circle, run)) {
            return false;
        }
        run = usual_run(runs, count, 0, run, &often);
    }
    return run != NULL && run->pc == circle->runs[0].pc && often_whole(runs, count, circle);
}

unsigned tier2_page_of(const struct tier2_circle *circle, gva_t pc)
{
    unsigned n = 0;
    while (n < circle->page_count && circle->pages[n].page != (pc & PAGE_MASK)) {
        n++;
    }
    return n;
}

bool tier2_join_page(struct tier2_circle *circle, gva_t pc, unsigned max_pages)
{
    unsigned n = tier2_page_of(circle, pc);
    if (n == circle->page_count && n < max_pages) {
        circle->pages[circle->page_count++].page = pc & PAGE_MASK;
    }
    return n < max_pages;
}

/* Whether run `i` is reached by a jump backwards in its page. */
static bool is_loop_head(const struct tier2_circle *circle, unsigned i)
{
    gva_t pc = circle->runs[i].pc;
    gva_t before = circle->runs[(i + circle->count - 1) % circle->count].pc;
    return ((pc ^ before) & PAGE_MASK) == 0 && pc <= before;
}

/* Turns the circle so that it begins where it is entered from outside: mostly its lowest address,
 * reached by a jump backwards. A function that it calls in another page may lie lower. */
static void turn(struct tier2_circle *circle)
{
    unsigned first = 0;
    bool is_head = is_loop_head(circle, 0);
    for (unsigned i = 1; i < circle->count; i++) {
        bool head = is_loop_head(circle, i);
        bool lower = circle->runs[i].pc < circle->runs[first].pc;
        if (head == is_head ? lower : head) {
            first = i;
            is_head = head;
        }
    }
    struct tier2_circle turned = *circle;
    for (unsigned i = 0; i < circle->count; i++) {
        turned.runs[i] = circle->runs[(first + i) % circle->count];
    }
    *circle = turned;
}

bool tier2_find_circle(const struct tier2_run *runs, unsigned count, unsigned max_pages,
                       struct tier2_circle *circle)
{
    if (count < 2 || !(find_repeated(runs, count, circle) || find_usual(runs, count, circle))) {
        return false;
    }
    if (circle->insns == 1) {
        return false; /* a jump to itself: somebody waits, and need not wait faster */
    }
    turn(circle);
    for (unsigned i = 0; i < circle->count; i++) {
        if (!tier2_join_page(circle, circle->runs[i].pc, max_pages)) {
            return false;
        }
    }
    return true;
}

bool tier2_find_way(const struct tier2_run *runs, unsigned count, unsigned max_pages,
                    struct tier2_circle *circle)
{
    bool often = true;
    *circle = (struct tier2_circle){.open = true, .rounds = 1};
    const struct tier2_run *run =
        count == 0 ? NULL : usual_run(runs, count, runs[0].pc, NULL, &often);
    often = true;
    while (run != NULL && often && !is_in(circle, run->pc) && has_room(circle, run) &&
           tier2_join_page(circle, run->pc, max_pages)) {
        append(circle, run);
        run = usual_run(runs, count, 0, run, &often);
    }
    return circle->insns != 0;
}

/* See hammock.h. */
#include "translate/hammock.h"
#include "cpu/memory.h"
#include "translate/engine_private.h"

#include <string.h>

/* A branch that went one way less than one time in so many, or hardly at all, stays a branch: the
 * host guesses it, and both ways are longer than one. */
enum { SELDOM = 8, HARDLY = 3, CANDIDATES = 32 };

/* A branch that may be a hammock, and how often the path went which way. */
struct candidate {
    gva_t pc, behind, join;
    unsigned skips; /* how many instructions it passes over */
    unsigned over, through;
};

struct path {
    struct vcpu *vcpu;
    const struct tier2_run *runs;
    unsigned count;
    gva_t last[TIER2_PATH_RUNS]; /* where each run's last instruction is */
    struct candidate candidates[CANDIDATES];
    unsigned candidate_count;
};

const u8 *hammock_code_at(struct vcpu *vcpu, gva_t pc, unsigned *bytes)
{
    struct fetched fetched;
    gva_t here = vcpu->pc;
    vcpu->pc = pc;
    bool found = pipeline_fetch_plain(vcpu, &fetched);
    vcpu->pc = here;
    *bytes = (unsigned)(PAGE_BYTES - (pc & PAGE_OFFSET_MASK));
    return found ? memory_host_any_mode(vcpu->memory, fetched.gpa, *bytes) : NULL;
}

/* The distance over `insns` instructions; 0 when the page ends before. */
static unsigned distance_over(const struct front *front, const u8 *code, unsigned bytes,
                              unsigned insns)
{
    unsigned at = 0;
    for (unsigned n = 0; n < insns && at < bytes; n++) {
        at += front->insn_bytes(code + at);
    }
    return at < bytes ? at : 0;
}

static struct candidate *find(struct path *path, gva_t pc)
{
    for (unsigned n = 0; n < path->candidate_count; n++) {
        if (path->candidates[n].pc == pc) {
            return &path->candidates[n];
        }
    }
    return NULL;
}

/* The branch at the end of a run, if it is a candidate. */
static void add(struct path *path, gva_t pc)
{
    unsigned bytes;
    const u8 *code = hammock_code_at(path->vcpu, pc, &bytes);
    const struct front *front = path->vcpu->engine->front;
    unsigned skips = code == NULL ? 0 : front->skips(code, bytes);
    unsigned over = skips == 0 ? 0 : distance_over(front, code, bytes, 1 + skips);
    if (over != 0 && path->candidate_count < CANDIDATES && find(path, pc) == NULL) {
        path->candidates[path->candidate_count++] = (struct candidate){
            .pc = pc, .behind = pc + front->insn_bytes(code), .join = pc + over, .skips = skips,
        };
    }
}

/* Fills in `last`; false when some code cannot be looked at. */
static bool find_ends(struct path *path)
{
    const struct front *front = path->vcpu->engine->front;
    for (unsigned i = 0; i < path->count; i++) {
        unsigned bytes;
        const u8 *code = hammock_code_at(path->vcpu, path->runs[i].pc, &bytes);
        if (code == NULL) {
            return false;
        }
        path->last[i] =
            path->runs[i].pc + distance_over(front, code, bytes, path->runs[i].insns - 1);
    }
    return true;
}

/* Whether control went on at the join, or into the hammock, where run `i` ended with its branch. */
static bool ends_in(const struct path *path, unsigned i, const struct candidate *candidate)
{
    gva_t next = path->runs[i + 1].pc;
    return next == candidate->join || next == candidate->behind;
}

static void count_end(struct path *path, unsigned i)
{
    struct candidate *candidate = find(path, path->last[i]);
    if (candidate != NULL) {
        candidate->over += path->runs[i + 1].pc == candidate->join;
        candidate->through += path->runs[i + 1].pc == candidate->behind;
    }
}

static void count_ways(struct path *path)
{
    for (unsigned i = 0; i < path->count; i++) {
        if (i + 1 < path->count) {
            count_end(path, i);
        }
        for (unsigned n = 0; n < path->candidate_count; n++) {
            struct candidate *candidate = &path->candidates[n];
            candidate->through += candidate->pc >= path->runs[i].pc &&
                                  candidate->pc < path->last[i];
        }
    }
}

static bool goes_both_ways(const struct candidate *candidate)
{
    unsigned less = candidate->over < candidate->through ? candidate->over : candidate->through;
    return less >= HARDLY && SELDOM * less >= candidate->over + candidate->through;
}

bool hammock_is_at(const struct tier2_hammocks *hammocks, gva_t pc)
{
    unsigned n = 0;
    while (n < hammocks->count && hammocks->at[n] != pc) {
        n++;
    }
    return n < hammocks->count;
}

/* The candidate with which run `i` ends, if it is one of those found. */
static const struct candidate *joint(struct path *path, unsigned i,
                                     const struct tier2_hammocks *found)
{
    const struct candidate *candidate = find(path, path->last[i]);
    bool is_one = candidate != NULL && i + 1 < path->count &&
                  hammock_is_at(found, candidate->pc) && ends_in(path, i, candidate);
    return is_one ? candidate : NULL;
}

/* Makes one run of those between which there is a hammock. */
static void join(struct path *path, struct tier2_run *runs, unsigned *count,
                 const struct tier2_hammocks *found)
{
    unsigned joined = 0;
    for (unsigned i = 0; i < path->count; i++) {
        struct tier2_run run = runs[i];
        const struct candidate *candidate = joint(path, i, found);
        while (candidate != NULL) {
            i++;
            run.insns += runs[i].insns + (runs[i].pc == candidate->join ? candidate->skips : 0);
            candidate = joint(path, i, found);
        }
        runs[joined++] = run;
    }
    *count = joined;
}

void hammock_join(struct vcpu *vcpu, struct tier2_run *runs, unsigned *count,
                  struct tier2_hammocks *found)
{
    struct path path = {.vcpu = vcpu, .runs = runs, .count = *count};
    found->count = 0;
    if (vcpu->engine->probe != NULL || vcpu->engine->front->skips == NULL || !find_ends(&path)) {
        return; /* who is told of instructions is told of those that ran */
    }
    for (unsigned i = 0; i + 1 < path.count; i++) {
        if (runs[i + 1].pc > path.last[i] && runs[i + 1].pc - path.last[i] <= 20) {
            add(&path, path.last[i]);
        }
    }
    count_ways(&path);
    for (unsigned n = 0; n < path.candidate_count && found->count < TIER2_HAMMOCKS; n++) {
        if (goes_both_ways(&path.candidates[n])) {
            found->at[found->count++] = path.candidates[n].pc;
        }
    }
    join(&path, runs, count, found);
}

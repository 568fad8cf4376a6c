/* PROBE_EDGES (probe.h): what the counters of ways out of paths say of blocks, and of the ways
 * between them. No hart runs. */
#include "translate/probe/probe_piece.h"

#include <stdlib.h>
#include <string.h>

/* A probe_edge of a hart's, in the list of its path. */
struct taken {
    gva_t target;
    u64 count;
    u32 way; /* PROBE_CUT, or which of the path's indirect ones */
    u32 next; /* in `taken`; 0: none */
};

struct report {
    struct engine *engine;
    struct probe_paths *paths;
    u64 *passes;   /* of a path: how often it ended after so many instructions */
    struct taken *taken;
    size_t count, capacity;
    void (*block)(void *opaque, gva_t gva, unsigned bytes, unsigned insns, u64 count);
    void (*edge)(void *opaque, gva_t from, gva_t to, u64 count);
    void *opaque;
};

/* Where the block began that instruction `insn` of the path is in. */
static gva_t block_of(const struct probe_counted *path, unsigned insn)
{
    unsigned part = 0;
    while (insn >= probe_number(path->words[part])) {
        insn -= probe_number(path->words[part++]);
    }
    return probe_part_gva(path, part);
}

/* Of a part the first instructions; `first` is its first one's number in the path. */
static void tell_block(const struct report *report, const struct probe_counted *path,
                       unsigned part, unsigned first, unsigned insns, u64 count)
{
    const struct probe_config *config = &report->engine->probe->config;
    gva_t gva = probe_part_gva(path, part);
    if (count != 0 && insns != 0 && probe_address_wanted(config, gva)) {
        report->block(report->opaque, gva, probe_counted_bytes(path, first, insns), insns, count);
    }
}

static void tell_parts(const struct report *report, const struct probe_counted *path)
{
    const u64 *passes = report->passes;
    unsigned end = path->insn_count;
    u64 further = passes[end]; /* went at least to `end` */
    for (unsigned part = path->part_count; part-- > 0;) {
        unsigned insns = probe_number(path->words[part]), first = end - insns;
        tell_block(report, path, part, first, insns, further);
        for (unsigned n = first + 1; n < end; n++) {
            if (UNLIKELY(passes[n] != 0)) {
                tell_block(report, path, part, first, n - first, passes[n]);
                further += passes[n];
            }
        }
        if (part != 0 && further != 0) {
            report->edge(report->opaque, probe_part_gva(path, part - 1),
                         probe_part_gva(path, part), further);
        }
        end = first;
        further += passes[end];
    }
}

/* An exception ended it so often after so many instructions. Where that is before the first of a
 * part, the one before has led there all the same. */
static void tell_cut(const struct report *report, const struct probe_counted *path, u64 insns,
                     u64 count)
{
    unsigned part = 0, first = 0;
    report->passes[insns] += count;
    while (first < insns) {
        first += probe_number(path->words[part++]);
    }
    if (first == insns && part != 0) {
        report->edge(report->opaque, probe_part_gva(path, part - 1), probe_part_gva(path, part),
                     count);
    }
}

/* A way out of it was gone so often. */
static void tell_way(const struct report *report, const struct probe_counted *path, u64 way,
                     gva_t target, u64 count)
{
    report->passes[probe_number(way)] += count;
    if (count != 0) {
        report->edge(report->opaque, block_of(path, probe_number(way) - 1), target, count);
    }
}

/* Where an indirect one led, of its own places. */
static void tell_places(const struct report *report, const struct probe_counted *path, u64 way,
                        u32 number)
{
    for (unsigned i = 0; i < report->engine->vcpu_count; i++) {
        const struct probe_place *places = probe_places_of(report->engine->vcpus[i], number);
        for (unsigned n = 0; n < probe_way_places(way); n++) {
            tell_way(report, path, way, places[n].target, places[n].count);
        }
    }
}

static void tell_path(const struct report *report, struct probe_counted *path)
{
    const u64 *ways = path->words + path->part_count;
    u32 counter = path->counter, indirect = path->indirect;
    memset(report->passes, 0, (path->insn_count + 1u) * sizeof(u64));
    for (unsigned n = 0; n < path->way_count; n++) {
        if (probe_way_indirect(ways[n])) {
            tell_places(report, path, ways[n], indirect);
            indirect += probe_way_numbers(ways[n]);
        } else {
            tell_way(report, path, ways[n], path->gva + (u64)probe_distance(ways[n]),
                     probe_counter(report->engine, counter++));
        }
    }
    for (u32 n = path->taken; n != 0; n = report->taken[n].next) {
        const struct taken *taken = &report->taken[n];
        if (taken->way == PROBE_CUT) {
            tell_cut(report, path, taken->target, taken->count);
        } else {
            u64 way = probe_indirect_way(path, taken->way);
            tell_way(report, path, way, taken->target, taken->count);
        }
    }
    path->taken = 0;
    tell_parts(report, path);
}

static struct probe_counted *first_path(const struct report *report)
{
    return probe_counted_at(report->paths, PROBE_FIRST_PATH);
}

/* NULL: it was the last. */
static struct probe_counted *path_behind(const struct report *report, struct probe_counted *path)
{
    u64 *behind = (u64 *)(void *)path + probe_counted_words(path);
    return behind < report->paths->words + report->paths->used
               ? (struct probe_counted *)(void *)behind : NULL;
}

static bool take(struct report *report, u64 way, gva_t target, u64 count)
{
    if (report->count >= report->capacity) {
        size_t capacity = report->capacity * 2 + (1 << 14);
        void *bigger = realloc(report->taken, capacity * sizeof(*report->taken));
        if (bigger == NULL) {
            return false;
        }
        report->taken = bigger;
        report->capacity = capacity;
    }
    bool cut = way & PROBE_CUT;
    u32 number = cut ? (u32)way & ~(u32)PROBE_CUT : report->paths->path_of[way];
    struct probe_counted *path = probe_counted_at(report->paths, number);
    report->taken[report->count] = (struct taken){
        .target = target, .count = count, .way = cut ? (u32)PROBE_CUT : (u32)way,
        .next = path->taken,
    };
    path->taken = (u32)report->count++;
    return true;
}

static bool take_hart(struct report *report, struct vcpu *vcpu)
{
    const struct probe_edges *far = &probe_stream_of(vcpu)->edges;
    bool good = true;
    probe_cover_cut(vcpu);
    for (unsigned n = 0; n < PROBE_EDGE_SLOTS && good; n++) {
        const struct probe_edge *edge = &vcpu->probe_edges[n];
        good = edge->way == 0 || take(report, edge->way, edge->target,
                                      edge->count - PROBE_EDGE_START);
    }
    for (size_t n = 0; n < far->size && good; n++) {
        const struct probe_far_edge *edge = &far->list[n];
        good = edge->count == 0 || take(report, edge->way, edge->target, edge->count);
    }
    return good;
}

bool probe_coverage(struct engine *engine,
                    void (*block)(void *opaque, gva_t gva, unsigned bytes, unsigned insns,
                                  u64 count),
                    void (*edge)(void *opaque, gva_t from, gva_t to, u64 count), void *opaque)
{
    struct probe_paths *paths = &engine->probe->ways;
    probe_counts_settle(engine);
    struct report report = {.engine = engine, .paths = paths, .block = block, .edge = edge,
                            .opaque = opaque, .count = 1};
    if (paths->used == PROBE_FIRST_PATH) {
        return true;
    }
    report.passes = malloc((UINT16_MAX + 1) * sizeof(*report.passes));
    bool good = report.passes != NULL;
    for (unsigned i = 0; good && i < engine->vcpu_count; i++) {
        good = take_hart(&report, engine->vcpus[i]);
    }
    struct probe_counted *path = good ? first_path(&report) : NULL;
    for (; path != NULL; path = path_behind(&report, path)) {
        tell_path(&report, path);
    }
    free(report.passes);
    free(report.taken);
    return good;
}

/* PROBE_EDGES (probe.h): counters of the ways out of paths, and what they say of blocks.
 *
 * A path counts nothing when it begins. Its way out does: a counter for each direct one, a place in
 * the hart's table for an indirect one and where it leads. What ends a path early, by an exception,
 * says which it was and where it began, so that C code can count those. */
#include "cpu/base/zeros.h"
#include "translate/probe/probe_piece.h"

#include <stdlib.h>
#include <string.h>

/* --- memory --- */

static const size_t sums_bytes = PROBE_MAX_DIRECTS * sizeof(u64);
static const size_t edges_bytes = PROBE_EDGE_SLOTS * sizeof(struct probe_edge);

bool probe_cover_init(struct engine *engine, struct probe *probe)
{
    if ((probe->config.what & PROBE_EDGES) && !probe_paths_init(&probe->ways)) {
        return false;
    }
    for (unsigned i = 0; i < engine->vcpu_count && (probe->config.what & PROBE_EDGES); i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        struct probe_stream *stream = &probe->streams[i];
        vcpu->probe_edges = zeros_new(edges_bytes);
        vcpu->probe_path = 0;
        stream->pieces = malloc(PROBE_PIECE_WORDS * sizeof(u64));
        stream->sums = zeros_new(sums_bytes);
        if (!zeros_use(probe_count_of(vcpu, 0), probe_counts_bytes) ||
            vcpu->probe_edges == NULL || stream->pieces == NULL || stream->sums == NULL) {
            return false;
        }
        vcpu->probe_sum_insns = vcpu->insns + PROBE_SUM_INSNS;
    }
    return true;
}

void probe_cover_fini(struct engine *engine, struct probe *probe)
{
    for (unsigned i = 0; i < engine->vcpu_count && (probe->config.what & PROBE_EDGES); i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        zeros_reserve(probe_count_of(vcpu, 0), probe_counts_bytes);
        zeros_free(vcpu->probe_edges, edges_bytes);
        zeros_free(probe->streams[i].sums, sums_bytes);
        free(probe->streams[i].edges.list);
        free(probe->streams[i].pieces);
        vcpu->probe_edges = NULL;
        vcpu->probe_sum_insns = UINT64_MAX;
    }
    probe_paths_fini(&probe->ways);
}

/* --- on harts' threads --- */

void probe_cover_cut(struct vcpu *vcpu)
{
    u32 number = vcpu->probe_path;
    u64 done = vcpu->insns - vcpu->probe_insns;
    vcpu->probe_path = 0;
    if (number != 0 && done < probe_counted_at(&vcpu->engine->probe->ways, number)->insn_count) {
        probe_edge_count(vcpu, PROBE_CUT | number, done);
    }
}

static struct probe_far_edge *far_find(const struct probe_edges *edges, u64 way, gva_t target)
{
    size_t at = (size_t)((way * 0x9e3779b97f4a7c15u ^ target * 0xd6e8feb86659fd93u) >> 20);
    at &= edges->size - 1;
    while (edges->list[at].count != 0 &&
           (edges->list[at].way != way || edges->list[at].target != target)) {
        at = (at + 1) & (edges->size - 1);
    }
    return &edges->list[at];
}

static void far_add(struct probe_edges *edges, u64 way, gva_t target, u64 count);

static bool far_grow(struct probe_edges *edges)
{
    struct probe_edges bigger = {.size = edges->size != 0 ? edges->size * 2 : 1 << 14};
    bigger.list = calloc(bigger.size, sizeof(*bigger.list));
    if (bigger.list == NULL) {
        return false;
    }
    for (size_t i = 0; i < edges->size; i++) {
        const struct probe_far_edge *edge = &edges->list[i];
        if (edge->count != 0) {
            far_add(&bigger, edge->way, edge->target, edge->count);
        }
    }
    free(edges->list);
    *edges = bigger;
    return true;
}

/* Without memory it is forgotten. */
static void far_add(struct probe_edges *edges, u64 way, gva_t target, u64 count)
{
    if (2 * edges->used >= edges->size && !far_grow(edges) && edges->used + 1 >= edges->size) {
        return;
    }
    struct probe_far_edge *to = far_find(edges, way, target);
    edges->used += to->count == 0;
    to->way = way;
    to->target = target;
    to->count += count;
}

static bool is_edge(const struct probe_edge *edge, u32 way, gva_t target)
{
    return edge->way == way && edge->target == target;
}

static void grow(struct probe_edges *far, struct probe_edge *edge)
{
    if (++edge->count == 0) {
        far_add(far, edge->way, edge->target, (u64)1 << 32);
    }
}

/* Two places for each, next to each other; generated code looks at the first alone. */
void probe_edge_count(struct vcpu *vcpu, u32 way, u64 target)
{
    struct probe_edges *far = &probe_stream_of(vcpu)->edges;
    u32 slot = probe_edge_slot(way, target);
    struct probe_edge *first = &vcpu->probe_edges[slot], *other = &vcpu->probe_edges[slot ^ 1];
    if (is_edge(first, way, target)) {
        grow(far, first);
        return;
    }
    struct probe_edge found = *other;
    if (!is_edge(other, way, target)) {
        if (found.way != 0 && found.count != 0) {
            far_add(far, found.way, found.target, found.count);
        }
        found = (struct probe_edge){.target = target, .way = way};
    }
    *other = *first;
    *first = found;
    grow(far, first);
}

/* As generated code does it. */
void probe_way_count(struct vcpu *vcpu, u32 way, gva_t target)
{
    struct probe_place *place = probe_places_of(vcpu, way) + (target & PROBE_PLACE_BITS) / 2;
    if (place->count == 0) {
        place->target = target;
    }
    if (place->target == target) {
        place->count++;
    } else {
        probe_edge_count(vcpu, way, target);
    }
}

void probe_cover_edge(struct vcpu *vcpu)
{
    const struct probe_edge *first =
        &vcpu->probe_edges[probe_edge_slot(vcpu->probe_way, vcpu->probe_target)];
    if (is_edge(first, vcpu->probe_way, vcpu->probe_target)) { /* its count went over the top */
        far_add(&probe_stream_of(vcpu)->edges, vcpu->probe_way, vcpu->probe_target,
                (u64)1 << 32);
    } else {
        probe_edge_count(vcpu, vcpu->probe_way, vcpu->probe_target);
    }
}

void probe_sum(struct vcpu *vcpu)
{
    struct probe *probe = vcpu->engine->probe;
    u64 *sums = probe_stream_of(vcpu)->sums;
    u32 *counts = probe_count_of(vcpu, 0);
    pthread_mutex_lock(&vcpu->engine->lock);
    u32 directs = probe->ways.directs; /* those that are given out later are 0 */
    pthread_mutex_unlock(&vcpu->engine->lock);
    for (u32 n = 0; n < directs; n++) {
        if (counts[n] != 0) {
            sums[n] += counts[n];
            counts[n] = 0;
        }
    }
    vcpu->probe_sum_insns = vcpu->insns + PROBE_SUM_INSNS;
}

/* --- what they say --- */

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
    u32 *path_of;  /* by indirect way */
    struct taken *taken;
    size_t count, capacity;
    void (*block)(void *opaque, gva_t gva, unsigned bytes, unsigned insns, u64 count);
    void (*edge)(void *opaque, gva_t from, gva_t to, u64 count);
    void *opaque;
};

static u64 sum(const struct engine *engine, u32 counter)
{
    u64 count = 0;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        count += engine->probe->streams[i].sums[counter];
        count += *probe_count_of(engine->vcpus[i], counter);
    }
    return count;
}

static gva_t part_gva(const struct probe_counted *path, unsigned part)
{
    return path->gva + (u64)probe_distance(path->words[part]);
}

/* Where the block began that instruction `insn` of the path is in. */
static gva_t block_of(const struct probe_counted *path, unsigned insn)
{
    unsigned part = 0;
    while (insn >= probe_number(path->words[part])) {
        insn -= probe_number(path->words[part++]);
    }
    return part_gva(path, part);
}

/* Of a part the first instructions; `first` is its first one's number in the path. */
static void tell_block(const struct report *report, const struct probe_counted *path,
                       unsigned part, unsigned first, unsigned insns, u64 count)
{
    const struct probe_config *config = &report->engine->probe->config;
    gva_t gva = part_gva(path, part);
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
            tell_block(report, path, part, first, n - first, passes[n]);
            further += passes[n];
        }
        if (part != 0 && further != 0) {
            report->edge(report->opaque, part_gva(path, part - 1), part_gva(path, part), further);
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
        report->edge(report->opaque, part_gva(path, part - 1), part_gva(path, part), count);
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
        for (unsigned n = 0; n < PROBE_PLACES; n++) {
            tell_way(report, path, way, places[n].target, places[n].count);
        }
    }
}

/* The way of the path that is the indirect one of that number. */
static u64 indirect_way(const struct probe_counted *path, u32 number)
{
    const u64 *way = path->words + path->part_count;
    for (u32 n = path->indirect; n < number || !probe_way_indirect(*way); way++) {
        n += probe_way_indirect(*way);
    }
    return *way;
}

static void tell_path(const struct report *report, struct probe_counted *path)
{
    const u64 *ways = path->words + path->part_count;
    u32 counter = path->counter, indirect = path->indirect;
    memset(report->passes, 0, (path->insn_count + 1u) * sizeof(u64));
    for (unsigned n = 0; n < path->way_count; n++) {
        if (probe_way_indirect(ways[n])) {
            tell_places(report, path, ways[n], indirect++);
        } else {
            tell_way(report, path, ways[n], path->gva + (u64)probe_distance(ways[n]),
                     sum(report->engine, counter++));
        }
    }
    for (u32 n = path->taken; n != 0; n = report->taken[n].next) {
        const struct taken *taken = &report->taken[n];
        if (taken->way == PROBE_CUT) {
            tell_cut(report, path, taken->target, taken->count);
        } else {
            tell_way(report, path, indirect_way(path, taken->way), taken->target, taken->count);
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

/* False: no memory. */
static bool know_paths(struct report *report)
{
    report->path_of = malloc(report->paths->indirects * sizeof(*report->path_of));
    if (report->path_of == NULL) {
        return false;
    }
    struct probe_counted *path = first_path(report);
    for (; path != NULL; path = path_behind(report, path)) {
        u32 number = (u32)((u64 *)(void *)path - report->paths->words);
        u32 indirect = path->indirect;
        for (unsigned n = 0; n < path->way_count; n++) {
            if (probe_way_indirect(path->words[path->part_count + n])) {
                report->path_of[indirect++] = number;
            }
        }
    }
    return true;
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
    u32 number = cut ? (u32)way & ~(u32)PROBE_CUT : report->path_of[way];
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
        good = edge->count == 0 || take(report, edge->way, edge->target, edge->count);
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
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        probe_pieces_count(engine->vcpus[i]);
    }
    struct report report = {.engine = engine, .paths = paths, .block = block, .edge = edge,
                            .opaque = opaque, .count = 1};
    if (paths->used == PROBE_FIRST_PATH) {
        return true;
    }
    report.passes = malloc((UINT16_MAX + 1) * sizeof(*report.passes));
    bool good = report.passes != NULL && know_paths(&report);
    for (unsigned i = 0; good && i < engine->vcpu_count; i++) {
        good = take_hart(&report, engine->vcpus[i]);
    }
    struct probe_counted *path = good ? first_path(&report) : NULL;
    for (; path != NULL; path = path_behind(&report, path)) {
        tell_path(&report, path);
    }
    free(report.path_of);
    free(report.passes);
    free(report.taken);
    return good;
}

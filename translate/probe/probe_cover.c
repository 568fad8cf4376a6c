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

static const size_t counters_bytes = PROBE_MAX_COUNTERS * sizeof(u64);

bool probe_cover_init(struct engine *engine, struct probe *probe)
{
    for (unsigned i = 0; i < engine->vcpu_count && (probe->config.what & PROBE_EDGES); i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        vcpu->probe_counts = zeros_new(counters_bytes);
        vcpu->probe_edges = calloc(PROBE_EDGE_SLOTS, sizeof(*vcpu->probe_edges));
        vcpu->probe_path = 0;
        probe->streams[i].pieces = malloc(PROBE_PIECE_WORDS * sizeof(u64));
        if (vcpu->probe_counts == NULL || vcpu->probe_edges == NULL ||
            probe->streams[i].pieces == NULL) {
            return false;
        }
    }
    return true;
}

void probe_cover_fini(struct engine *engine, struct probe *probe)
{
    for (unsigned i = 0; i < engine->vcpu_count && (probe->config.what & PROBE_EDGES); i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        zeros_free(vcpu->probe_counts, counters_bytes);
        free(vcpu->probe_edges);
        free(probe->streams[i].edges.list);
        free(probe->streams[i].pieces);
        vcpu->probe_counts = NULL;
        vcpu->probe_edges = NULL;
    }
}

/* --- on harts' threads --- */

void probe_cover_cut(struct vcpu *vcpu)
{
    u32 number = vcpu->probe_path;
    u64 done = vcpu->insns - vcpu->probe_insns;
    vcpu->probe_path = 0;
    if (number != 0 && done < probe_path_at(vcpu->engine->probe, number)->insn_count) {
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
void probe_edge_count(struct vcpu *vcpu, u32 way, gva_t target)
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

/* --- what they say --- */

/* A probe_edge, of all harts, in the list of its path. */
struct taken {
    gva_t target;
    u64 count;
    u32 way; /* PROBE_CUT, or which of the path's */
    u32 next;
};

struct report {
    struct engine *engine;
    u64 *passes;   /* of a path: how often it ended after so many instructions */
    u32 *path_of;  /* by way */
    u32 *first;    /* by path: in `taken`; 0: none */
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
        count += engine->vcpus[i]->probe_counts[counter];
    }
    return count;
}

static const struct probe_unit *part_of(const struct report *report, const struct probe_path *path,
                                        unsigned part)
{
    return probe_unit_at(report->engine->probe, path->parts[part]);
}

/* Where the block began that instruction `insn` of the path is in. */
static gva_t block_of(const struct report *report, const struct probe_path *path, unsigned insn)
{
    unsigned part = 0;
    const struct probe_unit *unit = part_of(report, path, 0);
    while (insn >= unit->insn_count) {
        insn -= unit->insn_count;
        unit = part_of(report, path, ++part);
    }
    return unit->gva;
}

static unsigned bytes_of(const struct probe_unit *unit, unsigned insns)
{
    unsigned bytes = 0;
    for (unsigned i = 0; i < insns && bytes < unit->bytes; i++) {
        bytes += (unit->code[bytes] & 3) == 3 ? 4 : 2;
    }
    return bytes;
}

static void tell_block(const struct report *report, const struct probe_unit *unit, unsigned insns,
                       u64 count)
{
    const struct probe_config *config = &report->engine->probe->config;
    if (count != 0 && insns != 0 && probe_address_wanted(config, unit->gva)) {
        unsigned bytes = insns == unit->insn_count ? unit->bytes : bytes_of(unit, insns);
        report->block(report->opaque, unit->gva, bytes, insns, count);
    }
}

static void tell_parts(const struct report *report, const struct probe_path *path)
{
    const u64 *passes = report->passes;
    unsigned end = path->insn_count;
    u64 further = passes[end]; /* went at least to `end` */
    for (unsigned part = path->part_count; part-- > 0;) {
        const struct probe_unit *unit = part_of(report, path, part);
        unsigned first = end - unit->insn_count;
        tell_block(report, unit, unit->insn_count, further);
        for (unsigned n = first + 1; n < end; n++) {
            tell_block(report, unit, n - first, passes[n]);
            further += passes[n];
        }
        if (part != 0 && further != 0) {
            report->edge(report->opaque, part_of(report, path, part - 1)->gva, unit->gva,
                         further);
        }
        end = first;
        further += passes[end];
    }
}

/* A way out of it was gone so often. */
static void tell_way(const struct report *report, const struct probe_path *path,
                     const struct probe_way *way, gva_t target, u64 count)
{
    report->passes[way->after_insns] += count;
    if (count != 0) {
        report->edge(report->opaque, block_of(report, path, way->after_insns - 1u), target,
                     count);
    }
}

/* Where an indirect one led, of its own places. */
static void tell_places(const struct report *report, const struct probe_path *path,
                        const struct probe_way *way)
{
    for (unsigned i = 0; i < report->engine->vcpu_count; i++) {
        const u64 *place = report->engine->vcpus[i]->probe_counts + way->places;
        for (unsigned n = 0; n < PROBE_PLACES; n++, place += 2) {
            tell_way(report, path, way, place[0], place[1]);
        }
    }
}

static void tell_path(const struct report *report, u32 number)
{
    const struct probe_path *path = probe_path_at(report->engine->probe, number);
    gva_t page = part_of(report, path, 0)->gva & PAGE_MASK;
    memset(report->passes, 0, (path->insn_count + 1u) * sizeof(u64));
    for (unsigned n = 0; n < path->way_count; n++) {
        const struct probe_way *way = &path->ways[n];
        if (way->target != PROBE_INDIRECT) {
            tell_way(report, path, way, page + (u64)way->target,
                     sum(report->engine, path->counter + n));
        } else {
            tell_places(report, path, way);
        }
    }
    for (u32 n = report->first[number]; n != 0; n = report->taken[n].next) {
        const struct taken *taken = &report->taken[n];
        if (taken->way == PROBE_CUT) {
            report->passes[taken->target] += taken->count;
        } else {
            tell_way(report, path, &path->ways[taken->way], taken->target, taken->count);
        }
    }
    tell_parts(report, path);
}

/* False: no memory. */
static bool know_paths(struct report *report)
{
    const struct probe *probe = report->engine->probe;
    report->path_of = malloc(probe->counters * sizeof(*report->path_of));
    for (u32 n = 1; report->path_of != NULL && n < probe->path_count; n++) {
        const struct probe_path *path = probe_path_at(probe, n);
        for (unsigned way = 0; way < path->way_count; way++) {
            report->path_of[path->counter + way] = n;
        }
    }
    return report->path_of != NULL;
}

static bool take(struct report *report, u64 way, gva_t target, u64 count)
{
    const struct probe *probe = report->engine->probe;
    if (report->count == report->capacity) {
        size_t capacity = report->capacity * 2 + PROBE_EDGE_SLOTS;
        void *bigger = realloc(report->taken, capacity * sizeof(*report->taken));
        if (bigger == NULL) {
            return false;
        }
        report->taken = bigger;
        report->capacity = capacity;
    }
    bool cut = way & PROBE_CUT;
    u32 path = cut ? (u32)way & ~(u32)PROBE_CUT : report->path_of[way];
    report->taken[report->count] = (struct taken){
        .target = target, .count = count,
        .way = cut ? (u32)PROBE_CUT : (u32)way - probe_path_at(probe, path)->counter,
        .next = report->first[path],
    };
    report->first[path] = (u32)report->count++;
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
    struct probe *probe = engine->probe;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        probe_pieces_count(engine->vcpus[i]);
    }
    struct report report = {.engine = engine, .block = block, .edge = edge, .opaque = opaque,
                            .count = 1};
    report.first = calloc(probe->path_count, sizeof(*report.first));
    report.passes = calloc(UINT16_MAX + 1, sizeof(*report.passes));
    report.taken = calloc(PROBE_EDGE_SLOTS, sizeof(*report.taken));
    report.capacity = PROBE_EDGE_SLOTS;
    bool good = report.first != NULL && report.passes != NULL && report.taken != NULL &&
                know_paths(&report);
    for (unsigned i = 0; good && i < engine->vcpu_count; i++) {
        good = take_hart(&report, engine->vcpus[i]);
    }
    for (u32 n = 1; good && n < probe->path_count; n++) {
        tell_path(&report, n);
    }
    free(report.first);
    free(report.path_of);
    free(report.passes);
    free(report.taken);
    return good;
}

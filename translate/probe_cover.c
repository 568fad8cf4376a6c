/* PROBE_EDGES (probe.h): counters of the ways out of paths, and what they say of blocks.
 *
 * A path counts nothing when it begins. Its way out does: a counter for each direct one, a place in
 * the hart's table for an indirect one. It says who it is instead, so that C code can count the
 * paths that end early, by an exception. */
#include "translate/probe_private.h"

#include <stdlib.h>
#include <sys/mman.h>

/* --- memory --- */

static const size_t counters_bytes = PROBE_MAX_COUNTERS * sizeof(u64);

bool probe_cover_init(struct engine *engine, struct probe *probe)
{
    for (unsigned i = 0; i < engine->vcpu_count && (probe->config.what & PROBE_EDGES); i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        void *counts = mmap(NULL, counters_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        vcpu->probe_counts = counts != MAP_FAILED ? counts : NULL;
        vcpu->probe_edges = calloc(PROBE_EDGE_SLOTS, sizeof(*vcpu->probe_edges));
        vcpu->probe_path = 0;
        if (vcpu->probe_counts == NULL || vcpu->probe_edges == NULL) {
            return false;
        }
    }
    return true;
}

void probe_cover_fini(struct engine *engine, struct probe *probe)
{
    for (unsigned i = 0; i < engine->vcpu_count && (probe->config.what & PROBE_EDGES); i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        if (vcpu->probe_counts != NULL) {
            munmap(vcpu->probe_counts, counters_bytes);
        }
        free(vcpu->probe_edges);
        free(probe->streams[i].edges.list);
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
    if (number != 0) {
        const struct probe_path *path = probe_path_at(vcpu->engine->probe, number);
        if (done < path->insn_count) {
            vcpu->probe_counts[path->counter + done]++;
        }
    }
}

static struct probe_edge *edge_find(const struct probe_edges *edges, u64 path, gva_t target)
{
    size_t at = (size_t)((path * 0x9e3779b97f4a7c15u ^ target * 0xd6e8feb86659fd93u) >> 20);
    at &= edges->size - 1;
    while (edges->list[at].count != 0 &&
           (edges->list[at].path != path || edges->list[at].target != target)) {
        at = (at + 1) & (edges->size - 1);
    }
    return &edges->list[at];
}

static void edge_add(struct probe_edges *edges, const struct probe_edge *edge);

static bool edges_grow(struct probe_edges *edges)
{
    struct probe_edges bigger = {.size = edges->size != 0 ? edges->size * 2 : 1 << 10};
    bigger.list = calloc(bigger.size, sizeof(*bigger.list));
    if (bigger.list == NULL) {
        return false;
    }
    for (size_t i = 0; i < edges->size; i++) {
        if (edges->list[i].count != 0) {
            edge_add(&bigger, &edges->list[i]);
        }
    }
    free(edges->list);
    *edges = bigger;
    return true;
}

/* Without memory it is forgotten. */
static void edge_add(struct probe_edges *edges, const struct probe_edge *edge)
{
    if (2 * edges->used >= edges->size && !edges_grow(edges) && edges->used + 1 >= edges->size) {
        return;
    }
    struct probe_edge *to = edge_find(edges, edge->path, edge->target);
    edges->used += to->count == 0;
    to->path = edge->path;
    to->target = edge->target;
    to->count += edge->count;
}

void probe_edge_count(struct vcpu *vcpu, u32 path, gva_t target)
{
    struct probe_edge *edge = &vcpu->probe_edges[probe_edge_slot(path, target)];
    if (edge->path != path || edge->target != target) {
        if (edge->count != 0) {
            edge_add(&probe_stream_of(vcpu)->edges, edge);
        }
        *edge = (struct probe_edge){.target = target, .path = path};
    }
    edge->count++;
}

void probe_cover_edge(struct vcpu *vcpu)
{
    probe_edge_count(vcpu, vcpu->probe_path, vcpu->probe_target);
}

/* --- what they say --- */

struct report {
    struct engine *engine;
    u64 *passes;    /* of a path: how often it ended after so many instructions */
    u64 *completed; /* by path: how often it was left by an indirect way */
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
    while (insn >= part_of(report, path, part)->insn_count) {
        insn -= part_of(report, path, part++)->insn_count;
    }
    return part_of(report, path, part)->gva;
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
        report->block(report->opaque, unit->gva, bytes_of(unit, insns), insns, count);
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

static void tell_path(const struct report *report, u32 number)
{
    const struct probe_path *path = probe_path_at(report->engine->probe, number);
    u64 *passes = report->passes;
    passes[path->insn_count] = 0;
    for (unsigned n = 0; n < path->insn_count; n++) {
        passes[n] = sum(report->engine, path->counter + n);
    }
    passes[path->insn_count] += report->completed[number];
    for (unsigned n = 0; n < path->way_count; n++) {
        const struct probe_way *way = &path->ways[n];
        u64 count = sum(report->engine, path->counter + path->insn_count + n);
        gva_t page = part_of(report, path, 0)->gva & PAGE_MASK;
        passes[way->after_insns] += count;
        if (count != 0) {
            report->edge(report->opaque, block_of(report, path, way->after_insns - 1u),
                         page + (u64)way->target, count);
        }
    }
    tell_parts(report, path);
}

static void tell_edge(const struct report *report, const struct probe_edge *edge)
{
    if (edge->count != 0) {
        const struct probe_path *path = probe_path_at(report->engine->probe, (u32)edge->path);
        report->completed[edge->path] += edge->count;
        report->edge(report->opaque, block_of(report, path, path->insn_count - 1u), edge->target,
                     edge->count);
    }
}

bool probe_coverage(struct engine *engine,
                    void (*block)(void *opaque, gva_t gva, unsigned bytes, unsigned insns,
                                  u64 count),
                    void (*edge)(void *opaque, gva_t from, gva_t to, u64 count), void *opaque)
{
    struct probe *probe = engine->probe;
    struct report report = {.engine = engine, .block = block, .edge = edge, .opaque = opaque};
    report.completed = calloc(probe->path_count, sizeof(*report.completed));
    report.passes = calloc(UINT16_MAX + 1, sizeof(*report.passes));
    bool good = report.completed != NULL && report.passes != NULL;
    for (unsigned i = 0; good && i < engine->vcpu_count; i++) {
        const struct probe_edges *others = &probe->streams[i].edges;
        probe_cover_cut(engine->vcpus[i]);
        for (unsigned n = 0; n < PROBE_EDGE_SLOTS; n++) {
            tell_edge(&report, &engine->vcpus[i]->probe_edges[n]);
        }
        for (size_t n = 0; n < others->size; n++) {
            tell_edge(&report, &others->list[n]);
        }
    }
    for (u32 n = 1; good && n < probe->path_count; n++) {
        tell_path(&report, n);
    }
    free(report.completed);
    free(report.passes);
    return good;
}

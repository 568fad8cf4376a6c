/* Counters (probe.h): of the ways out of paths, PROBE_EDGES, and of units, PROBE_COUNT. What the
 * former say of blocks is in probe_report.c.
 *
 * A path counts nothing when it begins. Its way out does: a counter for each direct one; for an
 * indirect one and where it leads a place of the way's own, or one in the hart's table. An edge of
 * that table that counts on takes a place of its way (promote()), and if more such edges than there
 * are places do so, the jump's code is made anew with a wide way. What ends a path early, by an
 * exception, says which it was and where it began, so that C code can count those. */
#include "cpu/base/zeros.h"
#include "translate/probe/probe_jump.h"
#include "translate/probe/probe_piece.h"

#include <stdlib.h>
#include <string.h>

/* --- memory --- */

static const size_t sums_bytes = PROBE_MAX_DIRECTS * sizeof(u64);

/* A few harts' tables may have huge pages, which each takes whole. */
enum { FEW_HARTS = 4 };

static void *counters_of(struct vcpu *vcpu)
{
    return (u8 *)vcpu + probe_counts_offset(vcpu->guest);
}

static bool counters_init(struct vcpu *vcpu, struct probe_stream *stream, bool few)
{
    stream->pieces = malloc(PROBE_PIECE_WORDS * sizeof(u64));
    stream->sums = zeros_new(sums_bytes);
    if (!zeros_use(counters_of(vcpu), probe_counts_bytes) || stream->pieces == NULL ||
        stream->sums == NULL) {
        return false;
    }
    if (few) {
        madvise(counters_of(vcpu), probe_counts_bytes, MADV_HUGEPAGE);
    }
    vcpu->probe_sum_insns = vcpu->insns + PROBE_SUM_INSNS;
    return true;
}

bool probe_cover_init(struct engine *engine, struct probe *probe)
{
    bool ways = probe->config.what & PROBE_EDGES, few = engine->vcpu_count <= FEW_HARTS;
    bool good = true;
    if (ways) {
        probe->jumps = probe_jumps_new();
        good = probe_paths_init(&probe->ways) && probe->jumps != NULL;
    }
    for (unsigned i = 0; i < engine->vcpu_count && good; i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        if (ways) {
            vcpu->probe_edges = counters_of(vcpu);
            vcpu->probe_path = 0;
        }
        if (probe->config.what & PROBE_COUNTERS) {
            good = counters_init(vcpu, &probe->streams[i], few);
        }
    }
    return good;
}

void probe_cover_fini(struct engine *engine, struct probe *probe)
{
    if (!(probe->config.what & PROBE_COUNTERS)) {
        return;
    }
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        zeros_reserve(counters_of(vcpu), probe_counts_bytes);
        zeros_free(probe->streams[i].sums, sums_bytes);
        free(probe->streams[i].edges.list);
        free(probe->streams[i].pieces);
        vcpu->probe_edges = NULL;
        vcpu->probe_sum_insns = UINT64_MAX;
    }
    if (probe->config.what & PROBE_EDGES) {
        probe_paths_fini(&probe->ways);
        probe_jumps_free(probe->jumps);
    }
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

/* It has counted all that it can. */
static void edge_over(struct probe_edges *far, struct probe_edge *edge)
{
    far_add(far, edge->way, edge->target, edge->count - PROBE_EDGE_START);
    edge->count = PROBE_EDGE_START;
}

static void grow(struct probe_edges *far, struct probe_edge *edge)
{
    if (++edge->count == 0) {
        edge_over(far, edge);
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
        if (found.way != 0) {
            edge_over(far, &found);
        }
        found = (struct probe_edge){.target = target, .way = way, .count = PROBE_EDGE_START};
    }
    *other = *first;
    *first = found;
    grow(far, first);
}

/* The first of the places that is the target's; NULL: none. A place of target 0 that counts nothing
 * may as well be anybody's. */
static struct probe_place *find_place(struct vcpu *vcpu, u32 way, unsigned places, gva_t target)
{
    struct probe_place *place = probe_places_of(vcpu, way);
    for (unsigned n = 0; n < places; n++, place++) {
        if (place->target == target) {
            return place;
        }
        if (place->target == 0 && place->count == 0) {
            place->target = target;
            return place;
        }
    }
    return NULL;
}

void probe_way_count(struct vcpu *vcpu, u32 way, unsigned places, gva_t target)
{
    struct probe_place *place = find_place(vcpu, way, places, target);
    if (place != NULL) {
        place->count++;
    } else {
        probe_edge_count(vcpu, way, target);
    }
}

/* A target that the way has not led to before, or not for long. Wide ways have no free places. */
static void count_new(struct vcpu *vcpu, u32 way, gva_t target)
{
    struct probe_place *place = find_place(vcpu, way, PROBE_PLACES, target);
    if (place != NULL) {
        place->count++;
    } else {
        probe_edge_count(vcpu, way, target);
    }
}

static u64 far_count(const struct probe_edges *far, u64 way, gva_t target)
{
    return far->size != 0 ? far_find(far, way, target)->count : 0;
}

/* An edge that has counted often takes the place of its way that has counted least, if it has
 * counted more: who comes first to a jump is seldom who comes most. */
static void promote(struct vcpu *vcpu, struct probe_edge *edge)
{
    struct probe_edges *far = &probe_stream_of(vcpu)->edges;
    struct probe_place *least = NULL, *place = probe_places_of(vcpu, edge->way);
    u64 least_count = far_count(far, edge->way, edge->target);
    for (unsigned n = 0; n < PROBE_PLACES; n++) {
        u64 count = place[n].count + far_count(far, edge->way, place[n].target);
        if (count < least_count) {
            least = &place[n];
            least_count = count;
        }
    }
    if (least != NULL) {
        if (least->count != 0) {
            far_add(far, edge->way, least->target, least->count);
        }
        *least = (struct probe_place){.target = edge->target};
        *edge = (struct probe_edge){.way = 0};
    }
}

/* Code with that jump is made anew. The hart is in it, and leaves it as when a store changed it. */
static void make_anew(struct vcpu *vcpu, gva_t pc)
{
    struct engine *engine = vcpu->engine;
    gpa_t gpa_page;
    if (tlb_fetch_find(vcpu, pc & PAGE_MASK, &gpa_page)) {
        block_remove_at(&engine->blocks, gpa_page | (pc & PAGE_OFFSET_MASK));
        engine_kick_all(engine, VCPU_REQUEST_FLUSH_JUMPS);
    }
}

/* The edge's count is full: the jump is known for its target, and for those that have places. */
static void count_more(struct vcpu *vcpu, struct probe_edge *edge)
{
    struct engine *engine = vcpu->engine;
    const struct probe_paths *paths = &engine->probe->ways;
    edge_over(&probe_stream_of(vcpu)->edges, edge);
    pthread_mutex_lock(&engine->lock);
    const struct probe_counted *path = probe_counted_at(paths, paths->path_of[edge->way]);
    u64 way = probe_indirect_way(path, edge->way);
    gva_t pc = probe_way_pc(path, way), targets[PROBE_PLACES + 1] = {edge->target};
    bool wide = probe_way_places(way) > PROBE_PLACES;
    for (unsigned n = 0; n < PROBE_PLACES; n++) {
        targets[n + 1] = probe_places_of(vcpu, edge->way)[n].target;
    }
    if (!wide && probe_jump_missed(engine->probe->jumps, pc, targets, ARRAY_LEN(targets))) {
        make_anew(vcpu, pc);
    }
    pthread_mutex_unlock(&engine->lock);
    if (!wide) {
        promote(vcpu, edge);
    }
}

void probe_cover_edge(struct vcpu *vcpu)
{
    struct probe_edge *first =
        &vcpu->probe_edges[probe_edge_slot(vcpu->probe_way, vcpu->probe_target)];
    if (is_edge(first, vcpu->probe_way, vcpu->probe_target)) { /* its count went over the top */
        count_more(vcpu, first);
    } else {
        count_new(vcpu, vcpu->probe_way, vcpu->probe_target);
    }
}

/* So many counters are in use; those that are given out later are 0. */
static u32 counters_used(const struct probe *probe)
{
    return probe->config.what & PROBE_EDGES        ? probe->ways.directs
           : probe->unit_count < PROBE_MAX_DIRECTS ? probe->unit_count : (u32)PROBE_MAX_DIRECTS;
}

void probe_sum(struct vcpu *vcpu)
{
    struct probe_stream *stream = probe_stream_of(vcpu);
    u32 *counts = probe_count_of(vcpu, 0);
    pthread_mutex_lock(&vcpu->engine->lock); /* somebody may ask for their sum */
    u32 used = counters_used(vcpu->engine->probe);
    for (u32 n = 0; n < used; n++) {
        if (counts[n] >= PROBE_SUM_COUNT) { /* few: the others need no memory for sums */
            stream->sums[n] += counts[n];
            counts[n] = 0;
            stream->summed = true;
        }
    }
    pthread_mutex_unlock(&vcpu->engine->lock);
    vcpu->probe_sum_insns = vcpu->insns + PROBE_SUM_INSNS;
}

u64 probe_counter(const struct engine *engine, u32 counter)
{
    u64 count = 0;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        const struct probe_stream *stream = &engine->probe->streams[i];
        count += stream->summed ? stream->sums[counter] : 0;
        count += __atomic_load_n(probe_count_of(engine->vcpus[i], counter), __ATOMIC_RELAXED);
    }
    return count;
}

u64 probe_unit_runs(struct engine *engine, u32 number)
{
    if (!(engine->probe->config.what & PROBE_COUNT) || probe_unit_counter(number) == 0) {
        return 0;
    }
    pthread_mutex_lock(&engine->lock);
    u64 runs = probe_counter(engine, number);
    pthread_mutex_unlock(&engine->lock);
    return runs;
}

void probe_counts_settle(struct engine *engine)
{
    const struct probe *probe = engine->probe;
    if (probe != NULL && (probe->config.what & PROBE_COUNTERS)) {
        for (unsigned i = 0; i < engine->vcpu_count; i++) {
            probe_pieces_count(engine->vcpus[i]);
        }
    }
}

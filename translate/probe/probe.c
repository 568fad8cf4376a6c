/* See probe.h: how a recording begins and ends. Its chunks are in probe_chunk.c, its events in
 * probe_event.c, units and hooks in probe_units.c, what goes into blocks in probe_instrument.c. */
#include "translate/probe/probe_private.h"

#include "cpu/memory.h"

#include <stdlib.h>

enum {
    UNIT_PAGES = PROBE_MAX_UNITS / PROBE_UNIT_PAGE + 1,
    PATH_PAGES = PROBE_MAX_PATHS / PROBE_UNIT_PAGE + 1,
};
static const size_t buckets_bytes = 2 * PROBE_UNIT_BUCKETS * sizeof(u32);
static const size_t unit_pages_bytes = UNIT_PAGES * sizeof(struct probe_unit *);
static const size_t path_pages_bytes = PATH_PAGES * sizeof(struct probe_path *);

/* Most of one are hooks and pages that there are not. */
static size_t probe_bytes(unsigned stream_count)
{
    return sizeof(struct probe) + stream_count * sizeof(struct probe_stream);
}

static bool no_memory(struct metic_error *error)
{
    return error_set(error, "end other programs on the host",
                     "the host has no memory for the trace");
}

static void probe_free(struct probe *probe)
{
    probe_chunks_free(probe);
    arena_free(probe->arena);
    zeros_free(probe->unit_buckets, buckets_bytes);
    for (unsigned n = 0; probe->units != NULL && n < UNIT_PAGES; n++) {
        zeros_free(probe->units[n], PROBE_UNIT_PAGE_BYTES);
    }
    for (unsigned n = 0; probe->paths != NULL && n < PATH_PAGES; n++) {
        zeros_free(probe->paths[n], PROBE_UNIT_PAGE_BYTES);
    }
    zeros_free(probe->units, unit_pages_bytes);
    zeros_free(probe->paths, path_pages_bytes);
    free(probe->scratch);
    zeros_free(probe, probe_bytes(probe->stream_count));
}

static bool make_tables(struct engine *engine, struct probe *probe)
{
    const struct guest *guest = engine->guest;
    probe->arena = arena_new();
    probe->units = zeros_new(unit_pages_bytes);
    probe->paths = zeros_new(path_pages_bytes);
    probe->unit_buckets = probe_table_new(probe, buckets_bytes);
    probe->path_count = 1;
    probe->scratch = malloc(sizeof(*probe->scratch));
    if (probe->arena == NULL || probe->units == NULL || probe->unit_buckets == NULL ||
        probe->paths == NULL || probe->scratch == NULL) {
        return false;
    }
    probe->path_buckets = probe->unit_buckets + PROBE_UNIT_BUCKETS;
    for (unsigned i = 0; i < guest->reg_count; i++) {
        u32 word = guest->regs[i].offset / 8;
        if (word < PROBE_STATE_WORDS && guest->regs[i].offset % 8 == 0) {
            probe->reg_at[word] = (u16)(i + 1);
        }
    }
    const struct probe_unit none = {.code = (const u8 *)"", .slots = (struct probe_slot[1]){{0}}};
    probe_unit_add(probe, &none); /* number 0: no unit */
    return true;
}

/* The harts run other translations from now on, and their jump caches and TLBs are to be asked
 * anew. */
static void fit_harts(struct engine *engine)
{
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        vcpu->guest->mode_changed(vcpu);
        tlb_flush_all(vcpu);
        tlb_flush_jumps(vcpu);
    }
}

/* The stream's end gets the last place of those that the host keeps in registers. */
static bool pin_stream(struct engine *engine, struct probe *probe)
{
    const struct guest *guest = engine->guest;
    unsigned count = guest->pinned_count, at = 0;
    if (!(probe->config.what & PROBE_STREAM) || engine->host == NULL) {
        return true;
    }
    CHECK(count < PROBE_MAX_PINS);
    if (count != 0) {
        at = engine->host->pinned_max < count ? engine->host->pinned_max - 1 : count;
    }
    for (unsigned i = 0; i <= count; i++) {
        probe->pinned[i] = i == at ? (u32)offsetof(struct vcpu, probe_at)
                                   : guest->pinned[i < at ? i : i - 1];
    }
    probe->guest = *guest;
    probe->guest.pinned = probe->pinned;
    probe->guest.pinned_count = count + 1;
    return pipeline_start_host(engine, &probe->guest);
}

bool probe_start(struct engine *engine, const struct probe_config *config,
                 struct metic_error *error)
{
    struct probe *probe = zeros_new(probe_bytes(engine->vcpu_count + 1));
    if (probe == NULL) {
        return no_memory(error);
    }
    probe->config = *config;
    probe->engine = engine;
    probe->stream_count = engine->vcpu_count + 1;
    probe->events = config->events;
    if (!make_tables(engine, probe) || !probe_chunks_new(probe) ||
        !probe_cover_init(engine, probe) || !pin_stream(engine, probe)) {
        probe_cover_fini(engine, probe);
        probe_free(probe);
        return no_memory(error);
    }
    pthread_mutex_init(&probe->lock, NULL);
    pthread_mutex_init(&probe->outside_lock, NULL);
    pthread_cond_init(&probe->full_cond, NULL);
    pthread_cond_init(&probe->spare_cond, NULL);
    if (!config->keep_last &&
        pthread_create(&probe->thread, NULL, probe_consumer_thread, probe) != 0) {
        probe_cover_fini(engine, probe);
        probe_free(probe);
        return error_set(error, NULL, "the host gives the trace no thread");
    }
    engine->probe = probe;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        probe_stream_begin(probe, &probe->streams[i], probe->streams[i].now, engine->vcpus[i]);
    }
    probe_stream_begin(probe, &probe->streams[engine->vcpu_count],
                 probe->streams[engine->vcpu_count].now, NULL);
    engine->ops.context = probe_op_context;
    engine->tells_csrs = config->asks_csrs || (config->events >> VCPU_EVENT_CSR & 1);
    engine->tells_all_csrs = config->asks_csrs;
    if (config->asks_csrs || engine->was_watched) {
        pipeline_flush(engine); /* code that is not watched is another one, too */
    }
    engine->was_watched = true; /* that code would do what this recording wants */
    fit_harts(engine);
    /* From now on: what this did to TLBs is not the guest's doing. */
    engine->ops.event = probe_op_event;
    engine->ops.events = probe_events_wanted(config);
    return true;
}

/* The chunks that are being filled end here. */
static void end_chunks(struct engine *engine)
{
    struct probe *probe = engine->probe;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        struct probe_stream *stream = &probe->streams[i];
        probe_sync(engine->vcpus[i]);
        stream->now->count = (size_t)(engine->vcpus[i]->probe_at - stream->now->words);
        if (probe->config.keep_last) {
            probe_ring_settle(stream);
        }
    }
}

/* What the streams hold now goes to the consumer, oldest first. */
static void hand_over(struct engine *engine)
{
    struct probe *probe = engine->probe;
    end_chunks(engine);
    for (unsigned i = 0; i < probe->stream_count; i++) {
        struct probe_stream *stream = &probe->streams[i];
        struct vcpu *vcpu = i < engine->vcpu_count ? engine->vcpus[i] : NULL;
        if (probe->config.keep_last) {
            for (struct probe_chunk *c = stream->ring.first; c != NULL; c = c->next) {
                probe_unroll_chunk(probe, c);
            }
            probe_unroll_chunk(probe, stream->now);
            stream->now->count = 0;
            continue;
        }
        probe_stream_turn(probe, stream, vcpu);
    }
}

void probe_stop(struct engine *engine)
{
    struct probe *probe = engine->probe;
    if (probe == NULL) {
        return;
    }
    hand_over(engine);
    if (!probe->config.keep_last) {
        pthread_mutex_lock(&probe->lock);
        probe->ending = true;
        pthread_cond_signal(&probe->full_cond);
        pthread_mutex_unlock(&probe->lock);
        pthread_join(probe->thread, NULL);
    }
    engine->ops.context = NULL;
    engine->ops.event = NULL;
    engine->ops.events = 0;
    engine->tells_csrs = false;
    engine->tells_all_csrs = false;
    bool hooks = probe->hook_count != 0 || probe->config.asks_csrs;
    engine->probe = NULL;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        engine->vcpus[i]->probe_at = NULL;
        engine->vcpus[i]->probe_end = NULL;
    }
    if (probe->guest.pinned != NULL) {
        CHECK(pipeline_start_host(engine, engine->guest));
    } else if (hooks) {
        pipeline_flush(engine);
    }
    fit_harts(engine);
    probe_cover_fini(engine, probe);
    pthread_mutex_destroy(&probe->lock);
    pthread_mutex_destroy(&probe->outside_lock);
    pthread_cond_destroy(&probe->full_cond);
    pthread_cond_destroy(&probe->spare_cond);
    probe_free(probe);
}

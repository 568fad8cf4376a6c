/* See probe.h: chunks, events, what is watched now. Units and hooks are in probe_units.c, what goes
 * into blocks in probe_instrument.c. */
#include "translate/probe/probe_private.h"

#include "cpu/base/zeros.h"
#include "cpu/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_WORDS = 32 << 10,
    QUEUED_CHUNKS = 48,        /* beyond one for each stream */
    DEFAULT_RING_BYTES = 8 << 20,
    EVENT_WORDS = 2,           /* instruction count and time, behind the head */
};

/* --- chunks --- */

/* What generated code may write behind a chunk's end before it looks. */
enum {
    BEHIND_WORDS = (PROBE_LOOK_INSNS + PAGE_BYTES / 2 + 1) * PROBE_LOOK_WORDS + PROBE_SLACK_WORDS,
};

/* The memory of so many words, of which the last page is none: should words go on behind it, that
 * ends the process. */
static size_t chunk_bytes(size_t words)
{
    return ((words + BEHIND_WORDS) * sizeof(u64) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES +
           PAGE_BYTES;
}

static struct probe_chunk *chunk_new(size_t words)
{
    struct probe_chunk *chunk = calloc(1, sizeof(*chunk));
    if (chunk == NULL) {
        return NULL;
    }
    size_t bytes = chunk_bytes(words);
    chunk->words = zeros_new(bytes);
    if (chunk->words == NULL ||
        mprotect((u8 *)chunk->words + bytes - PAGE_BYTES, PAGE_BYTES, PROT_NONE) != 0) {
        zeros_free(chunk->words, bytes);
        free(chunk);
        return NULL;
    }
    chunk->capacity = words;
    return chunk;
}

static void chunk_free_list(struct probe_chunk *chunk)
{
    while (chunk != NULL) {
        struct probe_chunk *next = chunk->next;
        zeros_free(chunk->words, chunk_bytes(chunk->capacity));
        free(chunk);
        chunk = next;
    }
}

static void *consumer_thread(void *opaque)
{
    struct probe *probe = opaque;
    pthread_mutex_lock(&probe->lock);
    for (;;) {
        struct probe_chunk *chunk = probe->full_first;
        if (chunk == NULL && probe->ending) {
            break;
        }
        if (chunk == NULL) {
            pthread_cond_wait(&probe->full_cond, &probe->lock);
            continue;
        }
        probe->full_first = chunk->next;
        probe->consuming = true;
        pthread_mutex_unlock(&probe->lock);
        probe_unroll_chunk(probe, chunk);
        pthread_mutex_lock(&probe->lock);
        probe->consuming = false;
        chunk->next = probe->spare;
        probe->spare = chunk;
        pthread_cond_broadcast(&probe->spare_cond);
    }
    pthread_mutex_unlock(&probe->lock);
    return NULL;
}

/* Lock held. */
static void queue_full(struct probe *probe, struct probe_chunk *chunk)
{
    chunk->next = NULL;
    if (probe->full_first == NULL) {
        probe->full_first = chunk;
    } else {
        probe->full_last->next = chunk;
    }
    probe->full_last = chunk;
    pthread_cond_signal(&probe->full_cond);
}

/* Lock held. Waits when the consumer is behind. */
static struct probe_chunk *take_spare(struct probe *probe)
{
    while (probe->spare == NULL) {
        probe->waits++;
        pthread_cond_wait(&probe->spare_cond, &probe->lock);
    }
    struct probe_chunk *chunk = probe->spare;
    probe->spare = chunk->next;
    return chunk;
}

static u64 now_ns(const struct probe *probe, struct vcpu *vcpu)
{
    return probe->config.time_ns != NULL ? probe->config.time_ns(probe->config.opaque, vcpu) : 0;
}

/* The stream goes on in this chunk. */
static void stream_begin(struct probe *probe, struct probe_stream *stream,
                         struct probe_chunk *chunk, struct vcpu *vcpu)
{
    chunk->stream = stream->number;
    chunk->sequence = stream->sequence++;
    chunk->start_insns = vcpu != NULL ? vcpu->insns : 0;
    chunk->start_ns = now_ns(probe, vcpu);
    chunk->turn_ns = stream->turn_ns;
    chunk->address_space = stream->address_space;
    chunk->privilege = stream->privilege;
    chunk->count = 0;
    stream->now = chunk;
    if (vcpu != NULL) {
        vcpu->probe_at = chunk->words;
        vcpu->probe_end = chunk->words + chunk->capacity - PROBE_SLACK_WORDS -
                          chunk->capacity / PROBE_EVENT_SLACK;
    }
}

/* Lock held. Full chunks of a ring wait in it, oldest first, for their turn to be overwritten. */
static struct probe_chunk *turn_ring(struct probe_stream *stream)
{
    struct probe_chunk *full = stream->now;
    full->next = NULL;
    if (stream->ring_first == NULL) {
        stream->ring_first = full;
    } else {
        stream->ring_last->next = full;
    }
    stream->ring_last = full;
    struct probe_chunk *chunk = stream->ring_spare;
    if (chunk != NULL) {
        stream->ring_spare = chunk->next;
        return chunk;
    }
    chunk = stream->ring_first;
    stream->ring_first = chunk->next;
    return chunk;
}

void probe_full(struct vcpu *vcpu)
{
    struct probe *probe = vcpu->engine->probe;
    if (probe->config.what & PROBE_EDGES) {
        probe_cover_edge(vcpu);
        return;
    }
    struct probe_stream *stream = probe_stream_of(vcpu);
    struct probe_chunk *chunk;
    stream->now->count = (size_t)(vcpu->probe_at - stream->now->words);
    if (probe->config.keep_last) {
        chunk = turn_ring(stream);
    } else {
        pthread_mutex_lock(&probe->lock);
        queue_full(probe, stream->now);
        chunk = take_spare(probe);
        pthread_mutex_unlock(&probe->lock);
    }
    stream_begin(probe, stream, chunk, vcpu);
}

u64 *probe_reserve(struct vcpu *vcpu, unsigned words)
{
    if (UNLIKELY(vcpu->probe_at >= vcpu->probe_end)) {
        probe_full(vcpu);
    }
    u64 *at = vcpu->probe_at;
    vcpu->probe_at += words;
    return at;
}

/* --- events --- */

/* Whether the hart's events are written down, in whatever mode it is. */
static bool tells_events(const struct probe *probe, const struct probe_stream *stream,
                         u64 address_space)
{
    const struct probe_config *config = &probe->config;
    return atomic_load_explicit(&stream->on, memory_order_relaxed) && stream->wanted &&
           (config->harts == 0 || (config->harts >> stream->number & 1)) &&
           (config->address_space == 0 || config->address_space == address_space);
}

static u64 event_head(unsigned kind, unsigned words)
{
    return (u64)PROBE_EVENT_BASE | kind << 8 | words;
}

/* Whether anything is put into blocks. */
static bool in_code(const struct probe_config *config)
{
    return config->what != 0 || (config->events >> VCPU_EVENT_CSR & 1);
}

static void tell_context(struct vcpu *vcpu, struct probe_stream *stream)
{
    const u64 words[2] = {stream->privilege, stream->address_space};
    stream->untold = false;
    probe_event(vcpu, VCPU_EVENT_CONTEXT, words, 2);
}

void probe_event(struct vcpu *vcpu, unsigned kind, const u64 *words, unsigned count)
{
    if (vcpu->probe_at == NULL || (vcpu->engine->probe->config.what & PROBE_EDGES)) {
        return; /* coverage has no stream */
    }
    struct probe_stream *stream = probe_stream_of(vcpu);
    if (UNLIKELY(stream->untold)) {
        tell_context(vcpu, stream);
    }
    const struct probe_chunk *now = stream->now;
    unsigned all = 1 + EVENT_WORDS + count;
    /* The path it is in may have words to fill in: the chunk stays as long as there is room. */
    if (UNLIKELY((size_t)(vcpu->probe_at - now->words) + all > now->capacity)) {
        probe_full(vcpu);
    }
    u64 *at = vcpu->probe_at;
    vcpu->probe_at += all;
    at[0] = event_head(kind, EVENT_WORDS + count);
    at[1] = vcpu->insns;
    /* What a trap made of the hart's context comes with it: reading the clock costs as much as all
     * the rest. */
    bool same = kind == VCPU_EVENT_CONTEXT && stream->event_insns == vcpu->insns;
    at[2] = same ? stream->event_ns : now_ns(vcpu->engine->probe, vcpu);
    stream->event_insns = vcpu->insns;
    stream->event_ns = at[2];
    for (unsigned i = 0; i < count; i++) {
        at[3 + i] = words[i];
    }
}

void probe_sync(struct vcpu *vcpu)
{
    if (LIKELY(vcpu->probe_at == NULL)) {
        return;
    }
    if (vcpu->engine->probe->config.what & PROBE_EDGES) {
        probe_cover_cut(vcpu);
    } else if (in_code(&vcpu->engine->probe->config)) { /* events have exact counts anyway */
        probe_event(vcpu, VCPU_EVENT_SYNC, NULL, 0);
    }
}

void probe_turn(struct vcpu *vcpu, u64 turn_ns)
{
    const struct probe *probe = vcpu->engine->probe;
    if (LIKELY(vcpu->probe_at == NULL) || (probe->config.what & PROBE_EDGES)) {
        return;
    }
    struct probe_stream *stream = probe_stream_of(vcpu);
    stream->turn_ns = turn_ns;
    if (tells_events(probe, stream, stream->address_space)) {
        probe_event(vcpu, VCPU_EVENT_SYNC, &turn_ns, 1);
    }
}

void probe_outside(struct engine *engine, unsigned kind, const u64 *words, unsigned count)
{
    struct probe *probe = engine->probe;
    if (probe == NULL) {
        return;
    }
    bool on = false;
    for (unsigned i = 0; i < engine->vcpu_count && !on; i++) {
        on = atomic_load_explicit(&probe->streams[i].on, memory_order_relaxed);
    }
    if (!on) {
        return;
    }
    pthread_mutex_lock(&probe->outside_lock);
    struct probe_stream *stream = &probe->streams[engine->vcpu_count];
    struct probe_chunk *chunk = stream->now;
    if (chunk->count + 1 + EVENT_WORDS + count > chunk->capacity) {
        if (probe->config.keep_last) {
            chunk = turn_ring(stream);
        } else {
            pthread_mutex_lock(&probe->lock);
            queue_full(probe, chunk);
            chunk = take_spare(probe);
            pthread_mutex_unlock(&probe->lock);
        }
        stream_begin(probe, stream, chunk, NULL);
    }
    u64 *at = chunk->words + chunk->count;
    at[0] = event_head(kind, EVENT_WORDS + count);
    at[1] = 0;
    at[2] = now_ns(probe, NULL);
    memcpy(at + 3, words, count * sizeof(*words));
    chunk->count += 1 + EVENT_WORDS + count;
    pthread_mutex_unlock(&probe->outside_lock);
}

/* --- what is watched now --- */

static bool is_wanted(const struct probe *probe, const struct probe_stream *stream,
                      unsigned privilege, u64 address_space)
{
    const struct probe_config *config = &probe->config;
    return tells_events(probe, stream, address_space) && in_code(config) &&
           (config->privileges == 0 || (config->privileges >> privilege & 1));
}

gva_t probe_page_key(const struct vcpu *vcpu)
{
    bool watched = vcpu->mode & VCPU_MODE_PROBE;
    return watched && probe_stream_of(vcpu)->privilege != 0 ? vcpu->pc & PAGE_MASK : 0;
}

/* The mode bits the hart must run with now. */
static u32 op_context(struct vcpu *vcpu, unsigned privilege, u64 address_space)
{
    struct probe *probe = vcpu->engine->probe;
    struct probe_stream *stream = probe_stream_of(vcpu);
    if (stream->privilege != privilege || stream->address_space != address_space) {
        stream->privilege = privilege;
        stream->address_space = address_space;
        stream->untold = true; /* nobody asks before the next event */
        if (in_code(&probe->config)) {
            tell_context(vcpu, stream);
        }
        stream->wanted = probe->config.wanted == NULL ||
                         probe->config.wanted(probe->config.opaque, vcpu, privilege,
                                              address_space);
    }
    return is_wanted(probe, stream, privilege, address_space) ? (u32)VCPU_MODE_PROBE : 0u;
}

/* Whether privileges and ranges leave an event in: what an instruction does by where it stands, a
 * trap by where it happens and a return by where it goes, so that the two are pairs. TLB and tasks
 * are what addresses and programs are told by, whoever caused them. */
static bool is_in_place(const struct probe_config *config, const struct vcpu *vcpu,
                        const struct probe_stream *stream, enum vcpu_event kind, const u64 *words)
{
    u64 pc = vcpu->pc;
    unsigned privilege = stream->privilege;
    switch (kind) {
    case VCPU_EVENT_TRAP: pc = words[2]; break;
    case VCPU_EVENT_RETURN:
        pc = words[0];
        privilege = (unsigned)words[1];
        break;
    case VCPU_EVENT_TRANSLATE:
    case VCPU_EVENT_DEVICE:
    case VCPU_EVENT_MEMORY:
    case VCPU_EVENT_WAIT:
    case VCPU_EVENT_CSR: break;
    default: return true;
    }
    return (config->privileges == 0 || (config->privileges >> privilege & 1)) &&
           probe_address_wanted(config, pc);
}

static void op_event(struct vcpu *vcpu, enum vcpu_event kind, u64 a, u64 b, u64 c)
{
    const struct probe *probe = vcpu->engine->probe;
    const u64 words[3] = {a, b, c};
    if (UNLIKELY(probe->config.on_event != NULL)) {
        probe->config.on_event(probe->config.opaque, vcpu, kind, a, b, c);
    }
    if (UNLIKELY(probe->config.calls.event != NULL)) {
        probe->config.calls.event(probe->config.opaque, vcpu, kind, a, b, c);
    }
    /* In code that is watched still, a trap says where it ended. */
    const struct probe_stream *stream = probe_stream_of(vcpu);
    bool tells = (vcpu->mode & VCPU_MODE_PROBE) ||
                 tells_events(probe, stream, stream->address_space);
    if ((probe->events >> kind & 1) && tells &&
        is_in_place(&probe->config, vcpu, stream, kind, words)) {
        probe_event(vcpu, kind, words, 3);
    } else if (kind == VCPU_EVENT_TRAP && tells) {
        probe_sync(vcpu);
    }
}

void probe_switch(struct engine *engine, struct vcpu *vcpu, bool on)
{
    struct probe *probe = engine->probe;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        struct probe_stream *stream = &probe->streams[i];
        bool other = vcpu == NULL || vcpu->index == i;
        if (other && atomic_exchange(&stream->on, on) != on) {
            vcpu_kick(engine->vcpus[i], VCPU_REQUEST_MODE);
        }
    }
}

bool probe_is_on(const struct vcpu *vcpu)
{
    const struct probe *probe = vcpu->engine->probe;
    const struct probe_stream *stream = &probe->streams[vcpu->index];
    return atomic_load_explicit(&stream->on, memory_order_relaxed) &&
           (probe->config.harts == 0 || (probe->config.harts >> stream->number & 1));
}

void probe_ask_again(struct vcpu *vcpu)
{
    struct probe *probe = vcpu->engine->probe;
    struct probe_stream *stream = probe_stream_of(vcpu);
    bool wanted = probe->config.wanted(probe->config.opaque, vcpu, stream->privilege,
                                       stream->address_space);
    if (stream->wanted != wanted) {
        stream->wanted = wanted;
        vcpu_kick(vcpu, VCPU_REQUEST_MODE);
    }
}

/* --- life --- */

static bool no_memory(struct metic_error *error)
{
    return error_set(error, "end other programs on the host",
                     "the host has no memory for the trace");
}

static void probe_free(struct probe *probe)
{
    for (unsigned i = 0; i < probe->stream_count; i++) {
        struct probe_stream *stream = &probe->streams[i];
        if (stream->now != NULL) {
            stream->now->next = NULL;
            chunk_free_list(stream->now);
        }
        chunk_free_list(stream->ring_first);
        chunk_free_list(stream->ring_spare);
    }
    chunk_free_list(probe->spare);
    chunk_free_list(probe->full_first);
    chunk_free_list(probe->unrolled);
    arena_free(probe->arena);
    free(probe->unit_buckets);
    free(probe->units);
    free(probe->path_buckets);
    free(probe->paths);
    free(probe->scratch);
    free(probe);
}

static bool make_chunks(struct probe *probe)
{
    const struct probe_config *config = &probe->config;
    size_t ring_bytes = config->ring_bytes != 0 ? config->ring_bytes : (size_t)DEFAULT_RING_BYTES;
    size_t words = CHUNK_WORDS;
    while (config->keep_last && words > 2 * PROBE_SLACK_WORDS && words * 8 * 4 > ring_bytes) {
        words /= 2;
    }
    unsigned each = config->keep_last ? (unsigned)(ring_bytes / (words * 8)) : 0;
    for (unsigned i = 0; i < probe->stream_count; i++) {
        struct probe_stream *stream = &probe->streams[i];
        stream->number = i;
        stream->privilege = ~0u;
        stream->hooked_pc = 1;
        stream->on = !config->starts_off;
        stream->now = chunk_new(words);
        for (unsigned n = 1; n < each && stream->now != NULL; n++) {
            struct probe_chunk *chunk = chunk_new(words);
            if (chunk == NULL) {
                return false;
            }
            chunk->next = stream->ring_spare;
            stream->ring_spare = chunk;
        }
        if (stream->now == NULL) {
            return false;
        }
    }
    probe->unrolled = chunk_new(CHUNK_WORDS);
    if (probe->unrolled == NULL) {
        return false;
    }
    for (unsigned i = 0; !config->keep_last && i < QUEUED_CHUNKS + probe->stream_count; i++) {
        struct probe_chunk *chunk = chunk_new(words);
        if (chunk == NULL) {
            return false;
        }
        chunk->next = probe->spare;
        probe->spare = chunk;
    }
    return true;
}

static bool make_tables(struct engine *engine, struct probe *probe)
{
    const struct guest *guest = engine->guest;
    probe->arena = arena_new();
    probe->units = calloc(PROBE_MAX_UNITS / PROBE_UNIT_PAGE + 1, sizeof(*probe->units));
    probe->unit_buckets = calloc(PROBE_UNIT_BUCKETS, sizeof(*probe->unit_buckets));
    probe->paths = calloc(PROBE_MAX_PATHS / PROBE_UNIT_PAGE + 1, sizeof(*probe->paths));
    probe->path_buckets = calloc(PROBE_UNIT_BUCKETS, sizeof(*probe->path_buckets));
    probe->path_count = 1;
    probe->scratch = malloc(sizeof(*probe->scratch));
    if (probe->arena == NULL || probe->units == NULL || probe->unit_buckets == NULL ||
        probe->paths == NULL || probe->path_buckets == NULL || probe->scratch == NULL) {
        return false;
    }
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
    struct probe *probe = calloc(1, sizeof(*probe) +
                                        (engine->vcpu_count + 1) * sizeof(probe->streams[0]));
    if (probe == NULL) {
        return no_memory(error);
    }
    probe->config = *config;
    probe->engine = engine;
    probe->stream_count = engine->vcpu_count + 1;
    probe->events = config->events;
    if (!make_tables(engine, probe) || !make_chunks(probe) || !probe_cover_init(engine, probe) ||
        !pin_stream(engine, probe)) {
        probe_cover_fini(engine, probe);
        probe_free(probe);
        return no_memory(error);
    }
    pthread_mutex_init(&probe->lock, NULL);
    pthread_mutex_init(&probe->outside_lock, NULL);
    pthread_cond_init(&probe->full_cond, NULL);
    pthread_cond_init(&probe->spare_cond, NULL);
    if (!config->keep_last &&
        pthread_create(&probe->thread, NULL, consumer_thread, probe) != 0) {
        probe_cover_fini(engine, probe);
        probe_free(probe);
        return error_set(error, NULL, "the host gives the trace no thread");
    }
    engine->probe = probe;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        stream_begin(probe, &probe->streams[i], probe->streams[i].now, engine->vcpus[i]);
    }
    stream_begin(probe, &probe->streams[engine->vcpu_count],
                 probe->streams[engine->vcpu_count].now, NULL);
    engine->ops.context = op_context;
    engine->ops.tells_memory = config->calls.event != NULL ||
                               (config->events >> VCPU_EVENT_MEMORY & 1);
    engine->tells_csrs = config->asks_csrs || (config->events >> VCPU_EVENT_CSR & 1);
    engine->tells_all_csrs = config->asks_csrs;
    if (config->asks_csrs || engine->was_watched) {
        pipeline_flush(engine); /* code that is not watched is another one, too */
    }
    engine->was_watched = true; /* that code would do what this recording wants */
    fit_harts(engine);
    engine->ops.event = op_event; /* what this did to TLBs is not the guest's doing */
    return true;
}

/* Of a ring: of all that was translated, the consumer is to get what there is in it. */
static void mark_units(struct probe *probe)
{
    for (unsigned i = 0; i < probe->stream_count; i++) {
        const struct probe_stream *stream = &probe->streams[i];
        for (struct probe_chunk *c = stream->ring_first; c != NULL; c = c->next) {
            probe_mark_chunk(probe, c);
        }
        probe_mark_chunk(probe, stream->now);
    }
    probe->marked = true;
}

/* The chunks that are being filled end here. */
static void end_chunks(struct engine *engine)
{
    struct probe *probe = engine->probe;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        struct probe_stream *stream = &probe->streams[i];
        probe_sync(engine->vcpus[i]);
        stream->now->count = (size_t)(engine->vcpus[i]->probe_at - stream->now->words);
    }
}

/* What the streams hold now goes to the consumer, oldest first. */
static void hand_over(struct engine *engine)
{
    struct probe *probe = engine->probe;
    end_chunks(engine);
    if (probe->config.keep_last) {
        mark_units(probe);
    }
    for (unsigned i = 0; i < probe->stream_count; i++) {
        struct probe_stream *stream = &probe->streams[i];
        struct vcpu *vcpu = i < engine->vcpu_count ? engine->vcpus[i] : NULL;
        if (probe->config.keep_last) {
            for (struct probe_chunk *c = stream->ring_first; c != NULL; c = c->next) {
                probe_unroll_chunk(probe, c);
            }
            probe_unroll_chunk(probe, stream->now);
            stream->now->count = 0;
            continue;
        }
        pthread_mutex_lock(&probe->lock);
        queue_full(probe, stream->now);
        struct probe_chunk *chunk = take_spare(probe);
        pthread_mutex_unlock(&probe->lock);
        stream_begin(probe, stream, chunk, vcpu);
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
    engine->ops.tells_memory = false;
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

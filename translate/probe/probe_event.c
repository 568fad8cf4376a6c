/* See probe.h: events, and what is watched now. */
#include "translate/probe/probe_piece.h"

#include <string.h>

enum { EVENT_WORDS = 2 /* instruction count and time, behind the head */ };

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

/* Whether that is told, or counted, in a way that has to say where a trap ends it. */
static bool is_cut(const struct probe_config *config)
{
    return (config->what & ~(unsigned)(PROBE_COUNT | PROBE_CALLS)) != 0 ||
           (config->events >> VCPU_EVENT_CSR & 1);
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
    at[2] = same ? stream->event_ns : probe_now_ns(vcpu->engine->probe, vcpu);
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
    } else if (is_cut(&vcpu->engine->probe->config)) { /* events have exact counts anyway */
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
        probe_stream_turn(probe, stream, NULL);
        chunk = stream->now;
    }
    u64 *at = chunk->words + chunk->count;
    at[0] = event_head(kind, EVENT_WORDS + count);
    at[1] = 0;
    at[2] = probe_now_ns(probe, NULL);
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

u32 probe_op_context(struct vcpu *vcpu, unsigned privilege, u64 address_space)
{
    struct probe *probe = vcpu->engine->probe;
    struct probe_stream *stream = probe_stream_of(vcpu);
    if (stream->privilege != privilege || stream->address_space != address_space) {
        stream->privilege = privilege;
        stream->address_space = address_space;
        stream->untold = true; /* nobody asks before the next event */
        if (is_cut(&probe->config)) {
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

void probe_op_event(struct vcpu *vcpu, enum vcpu_event kind, u64 a, u64 b, u64 c)
{
    const struct probe *probe = vcpu->engine->probe;
    const u64 words[3] = {a, b, c};
    if (UNLIKELY(probe->config.on_event != NULL)) {
        probe->config.on_event(probe->config.opaque, vcpu, kind, a, b, c);
    }
    if (UNLIKELY(probe->config.calls.event != NULL)) {
        if (probe->config.what & PROBE_COUNT) {
            probe_pieces_count(vcpu);
        }
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

u64 probe_events_wanted(const struct probe_config *config)
{
    return config->events | config->heard |
           (is_cut(config) ? (u64)1 << VCPU_EVENT_TRAP : (u64)0);
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

/* See probe.h: the chunks that a stream is written into, and their way to the consumer. */
#include "cpu/base/zeros.h"
#include "translate/probe/probe_private.h"

#include <stdlib.h>

enum {
    CHUNK_WORDS = 32 << 10,
    QUEUED_CHUNKS = 48,        /* beyond one for each stream */
    DEFAULT_RING_BYTES = 8 << 20,
};

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

void *probe_consumer_thread(void *opaque)
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

void probe_stream_begin(struct probe *probe, struct probe_stream *stream,
                        struct probe_chunk *chunk, struct vcpu *vcpu)
{
    chunk->stream = stream->number;
    chunk->sequence = stream->sequence++;
    chunk->start_insns = vcpu != NULL ? vcpu->insns : 0;
    chunk->start_ns = probe_now_ns(probe, vcpu);
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
        zeros_ask(chunk->words, chunk->capacity * sizeof(u64)); /* it fills as the one before did */
        return chunk;
    }
    chunk = stream->ring_first;
    stream->ring_first = chunk->next;
    return chunk;
}

void probe_stream_turn(struct probe *probe, struct probe_stream *stream, struct vcpu *vcpu)
{
    struct probe_chunk *chunk;
    if (probe->config.keep_last) {
        chunk = turn_ring(stream);
    } else {
        pthread_mutex_lock(&probe->lock);
        queue_full(probe, stream->now);
        chunk = take_spare(probe);
        pthread_mutex_unlock(&probe->lock);
    }
    probe_stream_begin(probe, stream, chunk, vcpu);
}

void probe_full(struct vcpu *vcpu)
{
    struct probe *probe = vcpu->engine->probe;
    if (probe->config.what & PROBE_EDGES) {
        probe_cover_edge(vcpu);
        return;
    }
    struct probe_stream *stream = probe_stream_of(vcpu);
    stream->now->count = (size_t)(vcpu->probe_at - stream->now->words);
    probe_stream_turn(probe, stream, vcpu);
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

void probe_chunks_free(struct probe *probe)
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
}

bool probe_chunks_new(struct probe *probe)
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

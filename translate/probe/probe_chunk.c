/* See probe.h: the chunks that a stream is written into, and their way to the consumer. */
#include "cpu/base/zeros.h"
#include "translate/probe/probe_private.h"

#include <stdlib.h>

enum {
    CHUNK_WORDS = 32 << 10,
    LEAST_CHUNK_WORDS = 2 * PROBE_SLACK_WORDS,
    QUEUED_CHUNKS = 48,        /* beyond one for each stream */
    DEFAULT_RING_BYTES = 8 << 20,
    RING_CHUNKS = 8,           /* of the least ring */
    HUGE_RING_BYTES = 1 << 20, /* such a ring takes huge pages */
};

/* What generated code may write behind a chunk's end before it looks. */
enum {
    BEHIND_WORDS = (PROBE_LOOK_INSNS + PAGE_BYTES / 2 + 1) * PROBE_LOOK_WORDS + PROBE_SLACK_WORDS,
};

/* The memory of so many words, of which the last page is none: should words go on behind it, that
 * ends the process. */
static size_t words_bytes(size_t words)
{
    return ((words + BEHIND_WORDS) * sizeof(u64) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES +
           PAGE_BYTES;
}

/* Of which so many bytes from the start may be huge pages. NULL: no memory. */
static u64 *words_new(size_t words, size_t huge_bytes)
{
    size_t bytes = words_bytes(words);
    u64 *new = huge_bytes != 0 ? zeros_new_growing(bytes) : zeros_new(bytes);
    if (new != NULL && mprotect((u8 *)new + bytes - PAGE_BYTES, PAGE_BYTES, PROT_NONE) != 0) {
        zeros_free(new, bytes);
        return NULL;
    }
    if (new != NULL && huge_bytes != 0) {
        madvise(new, huge_bytes, MADV_HUGEPAGE);
    }
    return new;
}

static struct probe_chunk *chunk_new(size_t words)
{
    struct probe_chunk *chunk = calloc(1, sizeof(*chunk));
    if (chunk == NULL) {
        return NULL;
    }
    chunk->words = words_new(words, 0);
    if (chunk->words == NULL) {
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
        zeros_free(chunk->words, words_bytes(chunk->capacity));
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

/* --- rings: chunks behind each other in one piece of memory, none longer than it came to be --- */

static void drop_first(struct probe_ring *ring)
{
    struct probe_chunk *chunk = ring->first;
    ring->first = chunk->next;
    chunk->next = ring->spare;
    ring->spare = chunk;
}

/* Drops chunks, the oldest, that have words from `at` on before `end`. */
static void drop_over(struct probe_ring *ring, const u64 *at, const u64 *end)
{
    while (ring->first != NULL && ring->first->words < end &&
           ring->first->words + ring->first->count > at) {
        drop_first(ring);
    }
}

/* Where the chunk behind this one begins: at the start once it would leave the ring's size of words
 * even of a chunk as long as the longest that there was, for of what is overwritten in part nothing
 * is left. What lies further on is older than all that begins at the start. */
static u64 *ring_next(struct probe_ring *ring, const struct probe_chunk *full)
{
    u64 *at = full->words + full->count;
    ring->longest = full->count > ring->longest ? full->count : ring->longest;
    if ((size_t)(at - ring->words) < ring->size_words + ring->longest) {
        return at;
    }
    while (ring->first != NULL && ring->first->words > full->words) {
        drop_first(ring);
    }
    return ring->words;
}

static struct probe_chunk *turn_ring(struct probe_ring *ring, struct probe_chunk *full)
{
    size_t capacity = full->capacity;
    u64 *at = ring_next(ring, full);
    drop_over(ring, at, at + capacity);
    if (ring->spare == NULL) { /* of many short ones */
        drop_first(ring);
    }
    full->next = NULL;
    if (ring->first == NULL) {
        ring->first = full;
    } else {
        ring->last->next = full;
    }
    ring->last = full;
    struct probe_chunk *chunk = ring->spare;
    ring->spare = chunk->next;
    chunk->words = at;
    chunk->capacity = capacity;
    if (at + capacity > ring->asked) {
        zeros_ask(at, capacity * sizeof(u64)); /* it fills as the one before did */
        ring->asked = at + capacity;
    }
    return chunk;
}

void probe_ring_settle(struct probe_stream *stream)
{
    struct probe_ring *ring = &stream->ring;
    const struct probe_chunk *now = stream->now;
    drop_over(ring, now->words, now->words + now->count);
    size_t count = now->count;
    for (const struct probe_chunk *c = ring->first; c != NULL; c = c->next) {
        count += c->count;
    }
    while (ring->first != NULL && count - ring->first->count >= ring->size_words) {
        count -= ring->first->count;
        drop_first(ring);
    }
}

/* Its first chunk; NULL: no memory. */
static struct probe_chunk *ring_init(struct probe_ring *ring, size_t size_bytes, bool of_hart)
{
    size_t size = size_bytes / sizeof(u64), capacity = CHUNK_WORDS;
    while (capacity > LEAST_CHUNK_WORDS && capacity * RING_CHUNKS > size) {
        capacity /= 2;
    }
    size = size > capacity ? size : capacity;
    size_t count = 4 * (size / capacity) + RING_CHUNKS; /* most are longer than half of one */
    size_t words = size + 2 * capacity + BEHIND_WORDS;  /* see ring_next(); few lie behind size */
    size_t huge_bytes = (size_bytes + ZEROS_HUGE_BYTES - 1) & ~(size_t)(ZEROS_HUGE_BYTES - 1);
    bool is_huge = of_hart && size_bytes >= HUGE_RING_BYTES;
    ring->size_words = size;
    ring->words_bytes = words_bytes(words);
    ring->words = words_new(words, is_huge ? huge_bytes : 0);
    ring->chunks = calloc(count, sizeof(*ring->chunks));
    if (ring->words == NULL || ring->chunks == NULL) {
        return NULL;
    }
    for (size_t i = 1; i < count; i++) {
        ring->chunks[i].next = ring->spare;
        ring->spare = &ring->chunks[i];
    }
    ring->asked = ring->words;
    ring->chunks[0].words = ring->words;
    ring->chunks[0].capacity = capacity;
    return &ring->chunks[0];
}

static void ring_fini(struct probe_ring *ring)
{
    zeros_free(ring->words, ring->words_bytes);
    free(ring->chunks);
}

/* --- */

void probe_stream_turn(struct probe *probe, struct probe_stream *stream, struct vcpu *vcpu)
{
    struct probe_chunk *chunk;
    if (probe->config.keep_last) {
        probe_ring_settle(stream);
        chunk = turn_ring(&stream->ring, stream->now);
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
        if (probe->config.keep_last) {
            ring_fini(&stream->ring);
        } else if (stream->now != NULL) {
            stream->now->next = NULL;
            chunk_free_list(stream->now);
        }
    }
    chunk_free_list(probe->spare);
    chunk_free_list(probe->full_first);
    chunk_free_list(probe->unrolled);
}

bool probe_chunks_new(struct probe *probe)
{
    const struct probe_config *config = &probe->config;
    size_t ring_bytes = config->ring_bytes != 0 ? config->ring_bytes : (size_t)DEFAULT_RING_BYTES;
    for (unsigned i = 0; i < probe->stream_count; i++) {
        struct probe_stream *stream = &probe->streams[i];
        stream->number = i;
        stream->privilege = ~0u;
        stream->hooked_pc = 1;
        stream->on = !config->starts_off;
        stream->now = config->keep_last ? ring_init(&stream->ring, ring_bytes,
                                                    i + 1 < probe->stream_count)
                                        : chunk_new(CHUNK_WORDS);
        if (stream->now == NULL) {
            return false;
        }
    }
    probe->unrolled = chunk_new(CHUNK_WORDS);
    if (probe->unrolled == NULL) {
        return false;
    }
    for (unsigned i = 0; !config->keep_last && i < QUEUED_CHUNKS + probe->stream_count; i++) {
        struct probe_chunk *chunk = chunk_new(CHUNK_WORDS);
        if (chunk == NULL) {
            return false;
        }
        chunk->next = probe->spare;
        probe->spare = chunk;
    }
    return true;
}

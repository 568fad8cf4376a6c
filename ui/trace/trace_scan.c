/* See trace_scan.h. Jobs are in a ring: the caller puts them in and takes them out, threads work on
 * them in between. The ring is short, so little is held at any time. */
#include "ui/trace/trace_scan.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 16, JOBS_EACH = 8, RING = JOBS_EACH * MAX_THREADS };
/* What is wanted next comes from the disk meanwhile: so many sections at most. */
enum { AHEAD = 4096 };

struct job {
    u32 section;
    bool done;
    struct trace_found found;
};

struct trace_pool {
    const struct trace_file *file;
    const struct trace_scan *scan; /* while one runs; the lock */
    pthread_t ids[MAX_THREADS];
    struct trace_worker own; /* of a pool without threads */
    pthread_mutex_t lock;
    pthread_cond_t filled_cond, done_cond;
    struct job ring[RING];
    u64 filled, begun, taken; /* jobs so far */
    u64 awaited;              /* what the caller waits for: job number + 1; 0: nothing */
    unsigned idle;            /* threads that wait */
    bool ending;
    unsigned threads;
};

void *trace_found_add(struct trace_found *found, size_t item_bytes)
{
    if (found->count == found->capacity) {
        size_t capacity = found->capacity * 2 + 64;
        void *bigger = realloc(found->items, capacity * item_bytes);
        if (bigger == NULL) {
            found->bad = true;
            return NULL;
        }
        found->items = bigger;
        found->capacity = capacity;
    }
    return (u8 *)found->items + item_bytes * found->count++;
}

bool trace_scan_damaged(const struct trace_file *file, u32 number, struct metic_error *error)
{
    const struct trace_section *section = &file->sections[number];
    char hint[128] = "what comes before it was told; metic trace check lists all damage";
    if (section->behind != TRACE_NONE && section->stream < file->harts) {
        snprintf(hint, sizeof(hint), "what comes before it was told; ask for what comes behind "
                 "with --hart %u --from %" PRIu64, section->stream,
                 file->sections[section->behind].first);
    }
    return error_set(error, hint, "%s: the section at byte %" PRIu64 " is damaged (hart %u, from "
                     "instruction %" PRIu64 " on)", file->path,
                     section->offset - TRACE_SECTION_BYTES, section->stream, section->first);
}

/* --- what workers do --- */

struct metic_trace_chunk trace_section_chunk(const struct trace_section *section, u64 sequence,
                                             const u64 *words, size_t count)
{
    return (struct metic_trace_chunk){
        .words = words, .count = count, .stream = section->stream, .sequence = sequence,
        .start_insns = section->first, .start_ns = section->start_ns, .turn_ns = section->turn_ns,
        .satp = section->satp,
        .privilege = section->privilege,
    };
}

/* Says which task it begins in, where somebody asks. */
static void begin_section(struct trace_worker *worker, const struct trace_section *section)
{
    char name[16];
    if (worker->decoder->who != NULL && worker->decoder->who->task != NULL) {
        trace_who_begins(worker->file, section, name);
        trace_decode_task(worker->decoder, section->stream, name);
    }
}

bool trace_worker_decode(struct trace_worker *worker, u32 number, const struct trace_want *want,
                         const struct trace_callbacks *callbacks)
{
    const struct trace_section *section = &worker->file->sections[number];
    struct trace_decoder *decoder = worker->decoder;
    struct trace_stream *stream = &decoder->streams[section->stream];
    const u64 *words;
    size_t count;
    bool to_end;
    if (!trace_reader_pick(worker->reader, section, want, &words, &count, &to_end)) {
        return false;
    }
    worker->none = count == 0;
    if (worker->none) {
        return true;
    }
    decoder->callbacks = *callbacks;
    stream->pending = false;
    stream->known = false;
    worker->over = false;
    begin_section(worker, section);
    struct metic_trace_chunk chunk = trace_section_chunk(section, 0, words, count);
    bool good = trace_decode(decoder, &chunk);
    u64 cut[TRACE_CUT_WORDS];
    bool is_open = to_end && stream->pending && section->behind != TRACE_NONE;
    if (good && is_open && callbacks->step != NULL &&
        trace_reader_cut(worker->reader, &worker->file->sections[section->behind], cut, &count)) {
        worker->over = true;
        chunk = trace_section_chunk(section, 1, cut, count);
        good = trace_decode(decoder, &chunk);
    }
    trace_decode_end(decoder);
    return good;
}

bool trace_worker_events(struct trace_worker *worker, u32 number,
                         const struct trace_callbacks *callbacks)
{
    const struct trace_section *section = &worker->file->sections[number];
    const u64 *words;
    size_t count;
    if (!trace_reader_events(worker->reader, section, &words, &count)) {
        return false;
    }
    worker->decoder->callbacks = *callbacks;
    worker->decoder->streams[section->stream].known = false;
    worker->over = false;
    begin_section(worker, section);
    struct metic_trace_chunk chunk = trace_section_chunk(section, 0, words, count);
    return trace_decode(worker->decoder, &chunk);
}

void trace_worker_words(struct trace_worker *worker, u32 section)
{
    const u64 *words;
    size_t count;
    struct trace_found *found = worker->found;
    found->bad = !trace_reader_words(worker->reader, &worker->file->sections[section], &words,
                                     &count);
    if (!found->bad) {
        found->items = malloc((count + 1) * sizeof(*words));
        found->bad = found->items == NULL;
    }
    if (!found->bad) {
        memcpy(found->items, words, count * sizeof(*words));
        found->count = found->capacity = count;
    }
}

static bool worker_begin(struct trace_worker *worker, const struct trace_file *file)
{
    const struct trace_callbacks none = {.opaque = worker};
    *worker = (struct trace_worker){.file = file};
    worker->reader = trace_reader_new(file);
    worker->decoder = malloc(sizeof(*worker->decoder));
    if (worker->decoder != NULL) {
        trace_decoder_init(worker->decoder, &none, trace_file_unit, (void *)(uintptr_t)file);
        worker->decoder->has_turns = file->has_turns;
    }
    return worker->reader != NULL && worker->decoder != NULL;
}

static void worker_end(struct trace_worker *worker)
{
    trace_reader_free(worker->reader);
    if (worker->decoder != NULL) {
        trace_decoder_fini(worker->decoder);
        free(worker->decoder);
    }
}

/* The lock is held, and let go while working. False: there is nothing to do. */
static bool work_once(struct trace_pool *pool, struct trace_worker *worker, bool able)
{
    if (pool->begun == pool->filled) {
        return false;
    }
    u64 number = pool->begun++;
    struct job *job = &pool->ring[number % RING];
    const struct trace_scan *scan = pool->scan;
    pthread_mutex_unlock(&pool->lock);
    worker->found = &job->found;
    worker->opaque = scan->opaque;
    if (worker->decoder != NULL) {
        worker->decoder->who = scan->who;
    }
    if (able) {
        scan->work(worker, job->section);
    } else {
        job->found.bad = true;
    }
    pthread_mutex_lock(&pool->lock);
    job->done = true;
    if (pool->awaited == number + 1) {
        pthread_cond_signal(&pool->done_cond);
    }
    return true;
}

static void *worker_main(void *opaque)
{
    struct trace_pool *pool = opaque;
    struct trace_worker worker;
    bool able = worker_begin(&worker, pool->file);
    pthread_mutex_lock(&pool->lock);
    while (!pool->ending) {
        if (!work_once(pool, &worker, able)) {
            pool->idle++;
            pthread_cond_wait(&pool->filled_cond, &pool->lock);
            pool->idle--;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    worker_end(&worker);
    return NULL;
}

/* --- the caller's thread --- */

/* Sections that are wanted and on their way from the disk. */
struct ahead {
    u32 at, end; /* of the file's order: not looked at yet */
    u32 list[AHEAD];
    u64 put, got;
    struct trace_ahead asked;
};

static void look_ahead(const struct trace_pool *pool, struct ahead *ahead)
{
    const struct trace_scan *scan = pool->scan;
    for (; ahead->at < ahead->end && trace_ahead_room(&ahead->asked) &&
           ahead->put - ahead->got < AHEAD;
         ahead->at++) {
        u32 section = pool->file->order[ahead->at];
        if (scan->wanted == NULL || scan->wanted(scan->opaque, section)) {
            trace_ahead_ask(pool->file, &ahead->asked, &pool->file->sections[section]);
            ahead->list[ahead->put++ % AHEAD] = section;
        }
    }
}

/* Fills the ring; false: nothing is left to put there. */
static bool fill(struct trace_pool *pool, struct ahead *ahead)
{
    u64 room = JOBS_EACH * (pool->threads + 1) - (pool->filled - pool->taken);
    look_ahead(pool, ahead);
    for (; room != 0 && ahead->got != ahead->put; room--) {
        u32 section = ahead->list[ahead->got++ % AHEAD];
        trace_ahead_use(&ahead->asked, &pool->file->sections[section]);
        pthread_mutex_lock(&pool->lock);
        pool->ring[pool->filled++ % RING] = (struct job){.section = section};
        if (pool->idle != 0) {
            pthread_cond_signal(&pool->filled_cond);
        }
        pthread_mutex_unlock(&pool->lock);
    }
    return ahead->got != ahead->put || ahead->at < ahead->end;
}

/* Lock held. Waits for a job to be done; without threads by doing what there is. */
static void await(struct trace_pool *pool, u64 number)
{
    while (!pool->ring[number % RING].done) {
        if (pool->threads != 0) {
            pool->awaited = number + 1;
            pthread_cond_wait(&pool->done_cond, &pool->lock);
        } else {
            work_once(pool, &pool->own, pool->own.decoder != NULL && pool->own.reader != NULL);
        }
    }
    pool->awaited = 0;
}

/* Waits for the oldest job, and for half of those behind it so as to wait seldom, and hands it
 * over. */
static bool take_oldest(struct trace_pool *pool, bool *enough, struct metic_error *error)
{
    const struct trace_scan *scan = pool->scan;
    struct job *job = &pool->ring[pool->taken % RING];
    pthread_mutex_lock(&pool->lock);
    if (!job->done) {
        await(pool, pool->taken + (pool->filled - pool->taken) / 2);
        await(pool, pool->taken);
    }
    pthread_mutex_unlock(&pool->lock);
    bool good = !job->found.bad;
    if (!*enough && !good) {
        trace_scan_damaged(scan->file, job->section, error);
        *enough = true;
    } else if (!*enough) {
        *enough = !scan->take(scan->opaque, job->section, &job->found);
        good = true;
    }
    free(job->found.items);
    pool->taken++;
    return good;
}

struct trace_pool *trace_pool_new(struct trace_file *file, struct metic_error *error)
{
    struct trace_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        error_set(error, NULL, "the host has no memory");
        return NULL;
    }
    pool->file = file;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->filled_cond, NULL);
    pthread_cond_init(&pool->done_cond, NULL);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = cores < 1 ? 1 : cores > MAX_THREADS - 1 ? MAX_THREADS - 1 : (unsigned)cores;
    while (pool->threads < wanted &&
           pthread_create(&pool->ids[pool->threads], NULL, worker_main, pool) == 0) {
        pool->threads++;
    }
    if (pool->threads == 0) {
        worker_begin(&pool->own, file);
    }
    return pool;
}

void trace_pool_free(struct trace_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->filled_cond);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->threads; i++) {
        pthread_join(pool->ids[i], NULL);
    }
    worker_end(&pool->own);
    free(pool);
}

bool trace_scan_run(const struct trace_scan *scan, u32 first, u32 end, struct metic_error *error)
{
    struct trace_pool *pool = scan->pool != NULL ? scan->pool : trace_pool_new(scan->file, error);
    if (pool == NULL) {
        return false;
    }
    pthread_mutex_lock(&pool->lock);
    pool->scan = scan;
    pthread_mutex_unlock(&pool->lock);
    bool good = true, enough = false;
    struct ahead ahead = {.at = first, .end = end};
    while (!enough && (fill(pool, &ahead) || pool->filled != pool->taken)) {
        good = take_oldest(pool, &enough, error);
    }
    while (pool->filled != pool->taken) {
        take_oldest(pool, &enough, error);
    }
    if (pool != scan->pool) {
        trace_pool_free(pool);
    }
    return good;
}

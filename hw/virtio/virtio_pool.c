/* See virtio_pool.h. */
#include "hw/virtio/virtio_pool.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_SPINS = 40 }; /* looks, each with a turn for whoever else wants the processor */

/* ---- One request, the lock held ---- */

/* Takes the next request of a kicked queue. Arms the queue's notifications when it was the last. */
static bool pool_take(struct virtio_pool *pool, struct virtio_pool_thread *thread)
{
    struct virtio *virtio = pool->virtio;
    struct virtio_job *job = thread->job;
    while (pool->kicked != 0) {
        unsigned queue = (unsigned)__builtin_ctzll(pool->kicked);
        virtio_queue_wake(virtio, queue);
        bool took = virtio_queue_take(virtio, queue, &job->chain);
        if (!virtio_queue_has_more(virtio, queue) && !virtio_queue_sleep(virtio, queue)) {
            pool->kicked &= ~BIT(queue);
        }
        if (took) {
            job->queue = queue;
            job->epoch = virtio->epoch;
            job->written_bytes = 0;
            job->after_earlier = false;
            job->number = pool->taken++;
            thread->busy = true;
            pool->busy++;
            return true;
        }
        if (!virtio_is_running(virtio)) {
            pool->kicked = 0;
        }
    }
    return false;
}

static bool pool_has_earlier(const struct virtio_pool *pool, u64 number)
{
    for (unsigned i = 0; i < pool->thread_count; i++) {
        if (pool->threads[i].busy && pool->threads[i].job->number < number) {
            return true;
        }
    }
    return false;
}

static void pool_give(struct virtio_pool *pool, struct virtio_pool_thread *thread)
{
    struct virtio_job *job = thread->job;
    while (job->after_earlier && pool_has_earlier(pool, job->number)) {
        device_wait(pool->virtio->device, &pool->given);
    }
    thread->busy = false;
    pool->busy--;
    if (pool->busy > 0) {
        pthread_cond_broadcast(&pool->given);
    }
    if (pool->virtio->epoch == job->epoch) {
        virtio_queue_give(pool->virtio, job->queue, &job->chain, job->written_bytes);
    }
    if (pool->busy == 0) {
        pthread_cond_broadcast(&pool->idle);
    }
}

/* ---- Threads, real clock ---- */

/* Looks for a while without the lock. True: there may be something. */
static bool pool_spin(struct virtio_pool *pool)
{
    struct device *device = pool->virtio->device;
    bool found = false;
    for (unsigned i = 0; i < POOL_SPINS && !found; i++) {
        device_unlock(device);
        sched_yield();
        device_lock(device);
        found = pool->kicked != 0 || pool->stopping;
    }
    return found;
}

static void *pool_main(void *opaque)
{
    struct virtio_pool_thread *thread = opaque;
    struct virtio_pool *pool = thread->pool;
    struct device *device = pool->virtio->device;
    if (pool->options.begin != NULL) {
        pool->options.begin();
    }
    device_lock(device);
    while (!pool->stopping) {
        if (pool->quiescing > 0 || !pool_take(pool, thread)) {
            pool->sleeping++;
            device_wait(device, &pool->kick);
            pool->sleeping--;
            continue;
        }
        if (pool->kicked != 0 && pool->sleeping > 0) {
            pthread_cond_signal(&pool->kick);
        }
        device_unlock(device);
        pool->options.run(pool->virtio, thread->job);
        device_lock(device);
        pool_give(pool, thread);
        if (pool->kicked == 0 && pool->busy == 0 && pool->quiescing == 0) {
            pool_spin(pool);
        }
    }
    device_unlock(device);
    return NULL;
}

/* ---- The thread, virtual clock ---- */

static void *pool_main_virtual(void *opaque)
{
    struct virtio_pool_thread *thread = opaque;
    struct virtio_pool *pool = thread->pool;
    struct device *device = pool->virtio->device;
    if (pool->options.begin != NULL) {
        pool->options.begin();
    }
    device_lock(device);
    for (;;) {
        while (!pool->stopping && !pool->handed) {
            device_wait(device, &pool->kick);
        }
        if (pool->stopping) {
            break;
        }
        device_unlock(device);
        pool->options.run(pool->virtio, thread->job);
        device_lock(device);
        pool->handed = false;
        pthread_cond_broadcast(&pool->idle);
    }
    device_unlock(device);
    return NULL;
}

static void pool_record(struct virtio_pool *pool, const struct virtio_job *job)
{
    struct journal *journal = pool->virtio->device->env->journal;
    if (!journal_is_recording(journal)) {
        return;
    }
    u8 *bytes = malloc((size_t)job->written_bytes + 1);
    if (bytes == NULL) {
        error_no_memory((size_t)job->written_bytes);
    }
    size_t got = virtio_chain_read_back(&job->chain, bytes, (size_t)job->written_bytes);
    journal_put_answer(journal, bytes, got);
    free(bytes);
}

static void pool_replay(struct virtio_pool *pool, struct virtio_job *job)
{
    struct virtio *virtio = pool->virtio;
    size_t size_bytes = 0;
    u8 *bytes = journal_take_answer(virtio->device->env->journal,
                                    (size_t)job->chain.writable_bytes, &size_bytes);
    job->written_bytes = virtio_chain_write(virtio, &job->chain, 0, bytes, size_bytes);
    free(bytes);
}

/* All that is there; the lock is released while the thread works. */
static void pool_serve_virtual(struct virtio_pool *pool)
{
    struct virtio_pool_thread *thread = &pool->threads[0];
    struct virtio_job *job = thread->job;
    bool replay = journal_is_replay(pool->virtio->device->env->journal);
    while (pool->quiescing == 0 && pool_take(pool, thread)) {
        if (replay) {
            pool_replay(pool, job);
        } else {
            pool->handed = true;
            pthread_cond_signal(&pool->kick);
            while (pool->handed) {
                device_wait(pool->virtio->device, &pool->idle);
            }
            pool_record(pool, job);
        }
        pool_give(pool, thread);
    }
}

/* ---- What the type calls ---- */

bool virtio_pool_serve(struct virtio_pool *pool, unsigned queue)
{
    pool->kicked |= BIT(queue);
    if (pool->deterministic) {
        pool_serve_virtual(pool);
    } else if (pool->sleeping > 0) {
        pthread_cond_signal(&pool->kick);
    }
    return false;
}

void virtio_pool_quiesce(struct virtio_pool *pool)
{
    pool->quiescing++;
    while (pool->busy > 0) {
        device_wait(pool->virtio->device, &pool->idle);
    }
    pool->quiescing--;
    if (pool->kicked != 0) {
        pthread_cond_broadcast(&pool->kick);
    }
}

void virtio_pool_reset(struct virtio_pool *pool)
{
    pool->kicked = 0;
}

/* ---- Life ---- */

static bool pool_add_thread(struct virtio_pool *pool, struct metic_error *error)
{
    struct virtio_pool_thread *thread = &pool->threads[pool->thread_count];
    const struct device *device = pool->virtio->device;
    thread->pool = pool;
    thread->job = calloc(1, sizeof(*thread->job));
    if (thread->job != NULL) {
        thread->job->scratch = aligned_alloc(64, (pool->options.scratch_bytes + 64) & ~(size_t)63);
    }
    if (thread->job == NULL || thread->job->scratch == NULL) {
        return error_set(error, NULL, "out of memory for device %s", device->name);
    }
    int reason = pthread_create(&thread->thread, NULL,
                                pool->deterministic ? pool_main_virtual : pool_main, thread);
    if (reason != 0) {
        return error_set(error, "raise the limit on threads (ulimit -u)",
                         "the device %s cannot have a thread: %s", device->name,
                         strerror(reason));
    }
    pool->thread_count++;
    return true;
}

bool virtio_pool_init(struct virtio_pool *pool, struct virtio *virtio,
                      const struct virtio_pool_options *options, struct metic_error *error)
{
    pool->virtio = virtio;
    pool->options = *options;
    pool->deterministic = journal_is_deterministic(virtio->device->env->journal);
    pthread_cond_init(&pool->kick, NULL);
    pthread_cond_init(&pool->idle, NULL);
    pthread_cond_init(&pool->given, NULL);
    unsigned wanted = pool->deterministic ? 1 : options->thread_count;
    CHECK(wanted <= VIRTIO_POOL_MAX_THREADS);
    for (unsigned i = 0; i < wanted; i++) {
        if (!pool_add_thread(pool, error)) {
            return false;
        }
    }
    return true;
}

void virtio_pool_fini(struct virtio_pool *pool)
{
    if (pool->virtio == NULL) {
        return;
    }
    device_lock(pool->virtio->device);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->kick);
    device_unlock(pool->virtio->device);
    for (unsigned i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i].thread, NULL);
    }
    for (unsigned i = 0; i < VIRTIO_POOL_MAX_THREADS; i++) {
        if (pool->threads[i].job != NULL) {
            free(pool->threads[i].job->scratch);
        }
        free(pool->threads[i].job);
    }
    pthread_cond_destroy(&pool->kick);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->given);
}

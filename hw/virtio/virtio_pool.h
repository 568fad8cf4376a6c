/* Threads for a virtio device whose requests are independent of each other, may take long, and must
 * not be done twice: several are under way at once, and each is given back when it is done.
 *
 *   type->init     virtio_pool_init last
 *   type->serve    return virtio_pool_serve(pool, queue)
 *   type->quiesce  virtio_pool_quiesce(pool): waits until all that was taken is given back
 *   type->reset    virtio_pool_reset(pool)
 *   type->fini     virtio_pool_fini(pool) before what the requests use is freed
 *
 * A thread that has nothing to do looks at the queues for a little while before it sleeps: a driver
 * that waits for each answer has its next request there by then, and waking a thread takes longer
 * than most requests.
 *
 * With the virtual clock one thread runs requests one by one while the machine waits for it, so
 * that each ends at a guest time of its own. What a request answers is the host's, so it is
 * recorded, and a replay gives the recorded answers and runs nothing. */
#ifndef METIC_HW_VIRTIO_VIRTIO_POOL_H
#define METIC_HW_VIRTIO_VIRTIO_POOL_H

#include "hw/virtio/virtio_queue.h"

enum { VIRTIO_POOL_MAX_THREADS = 8 };

struct virtio_job {
    unsigned queue;
    u32 epoch;         /* of the device when the request was taken */
    u64 written_bytes; /* the request's result: of the chain's writable part */
    bool after_earlier; /* its result: it is given back only when all are that were taken before */
    u64 number;        /* in the order in which requests are taken */
    void *scratch;     /* the pool's scratch_bytes, the thread's own */
    struct virtio_chain chain;
};

struct virtio_pool;

struct virtio_pool_options {
    unsigned thread_count; /* with the real clock */
    size_t scratch_bytes;
    /* Once on each thread; may be NULL. */
    void (*begin)(void);
    /* Does what job->chain asks; without the device's lock. */
    void (*run)(struct virtio *virtio, struct virtio_job *job);
};

struct virtio_pool_thread {
    struct virtio_pool *pool;
    pthread_t thread;
    struct virtio_job *job;
    bool busy; /* job was taken and not given back; under the device's lock */
};

struct virtio_pool {
    struct virtio *virtio;
    struct virtio_pool_options options;
    struct virtio_pool_thread threads[VIRTIO_POOL_MAX_THREADS];
    unsigned thread_count; /* that run */
    /* Under the device's lock. */
    bool deterministic;
    bool stopping;
    bool handed;        /* virtual clock: a job for the thread */
    unsigned sleeping;  /* threads that wait for `kick` */
    unsigned busy;      /* requests that were taken and not given back */
    u64 taken;          /* requests ever taken */
    unsigned quiescing; /* how many wait for that to be none; nothing is taken meanwhile */
    u64 kicked;         /* queues to serve, one bit each */
    pthread_cond_t kick;
    pthread_cond_t idle;
    pthread_cond_t given; /* one of several that are under way was given back */
};

bool virtio_pool_init(struct virtio_pool *pool, struct virtio *virtio,
                      const struct virtio_pool_options *options, struct metic_error *error);
void virtio_pool_fini(struct virtio_pool *pool); /* also after a failed init, or none */

/* The rest is called with the device's lock held. */
bool virtio_pool_serve(struct virtio_pool *pool, unsigned queue);
void virtio_pool_quiesce(struct virtio_pool *pool);
void virtio_pool_reset(struct virtio_pool *pool);

#endif

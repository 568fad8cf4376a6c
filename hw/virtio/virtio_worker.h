/* A thread for a virtio device whose requests may take long: the queues are served there, off the
 * harts' threads, and the device's lock is released while the host works.
 *
 *   type->init     virtio_worker_init, ... virtio_worker_start last
 *   type->serve    return virtio_worker_serve(worker, queue)
 *   type->quiesce  virtio_worker_quiesce(worker)
 *   type->reset    virtio_worker_reset(worker)
 *   type->fini     virtio_worker_fini(worker) before what the requests use is freed
 *
 * and one function that serves a queue, called with the lock held:
 *
 *   for each of at most a queue's worth of chains
 *       if (virtio_worker_must_pause(worker)) return true;
 *       if (!virtio_queue_peek(virtio, queue, &chain)) break;
 *       virtio_worker_unlock(worker);
 *       ... the host's work; touches nothing that the lock guards ...
 *       if (virtio_worker_lock(worker)) virtio_queue_finish(virtio, queue, &chain, written);
 *   return virtio_queue_sleep(virtio, queue);
 *
 * With the virtual clock there is no thread: the same function runs when virtio.h says, and unlock
 * and lock do nothing. */
#ifndef METIC_HW_VIRTIO_VIRTIO_WORKER_H
#define METIC_HW_VIRTIO_VIRTIO_WORKER_H

#include "hw/virtio/virtio.h"

struct virtio_worker {
    struct virtio *virtio;
    bool (*serve)(struct virtio *virtio, unsigned queue); /* true: more is left */
    u32 epoch;          /* of the device when the request under way was begun */
    /* Under the device's lock. */
    bool threaded;      /* real clock */
    bool stopping;
    bool busy;          /* a request is under way without the lock */
    unsigned quiescing; /* how many wait for that to end; nothing is begun meanwhile */
    u64 kicked;         /* queues to serve, one bit each */
    pthread_t thread;
    pthread_cond_t kick;
    pthread_cond_t idle;
};

void virtio_worker_init(struct virtio_worker *worker, struct virtio *virtio,
                        bool (*serve)(struct virtio *virtio, unsigned queue));
/* Makes the thread if there is to be one. False with a reason. */
bool virtio_worker_start(struct virtio_worker *worker, struct metic_error *error);
void virtio_worker_fini(struct virtio_worker *worker); /* after init; ends the thread */

/* The rest is called with the device's lock held, the middle of a request apart. */
bool virtio_worker_serve(struct virtio_worker *worker, unsigned queue);
void virtio_worker_quiesce(struct virtio_worker *worker);
/* Nothing is begun between these two, which nest: for a device with several workers. */
void virtio_worker_hold(struct virtio_worker *worker);
void virtio_worker_release(struct virtio_worker *worker);
void virtio_worker_reset(struct virtio_worker *worker);

/* Between requests: somebody waits for the device to stand still. */
bool virtio_worker_must_pause(const struct virtio_worker *worker);

/* Around the host's work. lock returns whether the request is still to be finished; false: the
 * device was reset, saved or loaded meanwhile, and the chain is not the guest's any more. */
void virtio_worker_unlock(struct virtio_worker *worker);
bool virtio_worker_lock(struct virtio_worker *worker);

#endif

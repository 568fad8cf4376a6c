/* See virtio_worker.h. */
#include "hw/virtio/virtio_worker.h"

#include "cpu/base/thread.h"

#include <string.h>

void virtio_worker_init(struct virtio_worker *worker, struct virtio *virtio,
                        bool (*serve)(struct virtio *virtio, unsigned queue))
{
    worker->virtio = virtio;
    worker->serve = serve;
    pthread_cond_init(&worker->kick, NULL);
    pthread_cond_init(&worker->idle, NULL);
}

/* The next queue after `last` that was kicked; some was. */
static unsigned worker_next_queue(const struct virtio_worker *worker, unsigned last)
{
    u64 later = worker->kicked & ~(((u64)2 << last) - 1);
    return (unsigned)__builtin_ctzll(later != 0 ? later : worker->kicked);
}

static void *worker_main(void *opaque)
{
    struct virtio_worker *worker = opaque;
    struct device *device = worker->virtio->device;
    unsigned queue = 0;
    thread_set_name(worker->virtio->type->name);
    device_lock(device);
    for (;;) {
        while (!worker->stopping && (worker->kicked == 0 || worker->quiescing > 0)) {
            device_wait(device, &worker->kick);
        }
        if (worker->stopping) {
            break;
        }
        queue = worker_next_queue(worker, queue);
        worker->kicked &= ~BIT(queue);
        if (worker->serve(worker->virtio, queue)) {
            worker->kicked |= BIT(queue);
        }
        pthread_cond_broadcast(&worker->idle);
    }
    device_unlock(device);
    return NULL;
}

bool virtio_worker_start(struct virtio_worker *worker, struct metic_error *error)
{
    const struct device *device = worker->virtio->device;
    if (journal_is_deterministic(device->env->journal)) {
        return true;
    }
    int reason = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (reason != 0) {
        return error_set(error, "raise the limit on threads (ulimit -u)",
                         "the device %s cannot have a thread: %s", device->name,
                         strerror(reason));
    }
    worker->threaded = true;
    return true;
}

void virtio_worker_fini(struct virtio_worker *worker)
{
    if (worker->threaded) {
        device_lock(worker->virtio->device);
        worker->stopping = true;
        pthread_cond_signal(&worker->kick);
        device_unlock(worker->virtio->device);
        pthread_join(worker->thread, NULL);
    }
    pthread_cond_destroy(&worker->kick);
    pthread_cond_destroy(&worker->idle);
}

bool virtio_worker_serve(struct virtio_worker *worker, unsigned queue)
{
    if (!worker->threaded) {
        return worker->serve(worker->virtio, queue);
    }
    worker->kicked |= BIT(queue);
    pthread_cond_signal(&worker->kick);
    return false;
}

void virtio_worker_hold(struct virtio_worker *worker)
{
    worker->quiescing++;
}

void virtio_worker_release(struct virtio_worker *worker)
{
    worker->quiescing--;
    if (worker->threaded) {
        pthread_cond_signal(&worker->kick);
    }
}

void virtio_worker_quiesce(struct virtio_worker *worker)
{
    virtio_worker_hold(worker);
    while (worker->busy) {
        device_wait(worker->virtio->device, &worker->idle);
    }
    virtio_worker_release(worker);
}

void virtio_worker_reset(struct virtio_worker *worker)
{
    worker->kicked = 0;
}

bool virtio_worker_must_pause(const struct virtio_worker *worker)
{
    return worker->stopping || worker->quiescing > 0;
}

void virtio_worker_unlock(struct virtio_worker *worker)
{
    worker->epoch = worker->virtio->epoch;
    worker->busy = true;
    if (worker->threaded) {
        device_unlock(worker->virtio->device);
    }
}

bool virtio_worker_lock(struct virtio_worker *worker)
{
    if (worker->threaded) {
        device_lock(worker->virtio->device);
    }
    worker->busy = false;
    return worker->virtio->epoch == worker->epoch;
}

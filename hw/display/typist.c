/* See typist.h. */
#include "hw/display/typist.h"

#include "cpu/base/zeros.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct typist {
    struct loop *loop;
    struct clock *clock;
    struct input *input;
    struct loop_watch watch; /* of a timer: when the rest is over */
    pthread_mutex_t lock;    /* around the rest */
    struct typist_step steps[TYPIST_MAX_STEPS]; /* a ring */
    unsigned first, count;
    _Atomic u64 rested_ns; /* guest time: the rest is over; CLOCK_NEVER_NS: there is none */
};

/* Lock held. What was to fire before is forgotten. */
static void rest(struct typist *typist, unsigned ms)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 + 1},
    };
    typist->rested_ns = clock_now_ns(typist->clock) + ms * (u64)1000000;
    timerfd_settime(typist->watch.fd, 0, &when, NULL);
}

/* The steps up to the next rest. Lock held. */
static void go_on(struct typist *typist)
{
    typist->rested_ns = CLOCK_NEVER_NS;
    while (typist->count > 0 && typist->rested_ns == CLOCK_NEVER_NS) {
        struct typist_step step = typist->steps[typist->first];
        typist->first = (typist->first + 1) % TYPIST_MAX_STEPS;
        typist->count--;
        input_key(typist->input, step.code, step.down);
        if (step.then_ms > 0) {
            rest(typist, step.then_ms);
        }
    }
}

/* On the loop's thread. */
static void on_rested(void *opaque, u32 events)
{
    struct typist *typist = opaque;
    u64 fired;
    (void)events;
    pthread_mutex_lock(&typist->lock); /* the guest's clock may have ended this rest meanwhile */
    if (read(typist->watch.fd, &fired, sizeof(fired)) == (ssize_t)sizeof(fired)) {
        go_on(typist);
    }
    pthread_mutex_unlock(&typist->lock);
}

void typist_look(struct typist *typist)
{
    if (clock_now_ns(typist->clock) < typist->rested_ns) {
        return;
    }
    pthread_mutex_lock(&typist->lock);
    if (clock_now_ns(typist->clock) >= typist->rested_ns) {
        go_on(typist);
    }
    pthread_mutex_unlock(&typist->lock);
}

struct typist *typist_new(struct loop *loop, struct clock *clock, struct input *input,
                          struct metic_error *error)
{
    struct typist *typist = zeros_new(sizeof(*typist)); /* long sequences are rare */
    if (typist == NULL) {
        error_set(error, NULL, "the host has no memory for a keyboard");
        return NULL;
    }
    typist->loop = loop;
    typist->clock = clock;
    typist->input = input;
    typist->rested_ns = CLOCK_NEVER_NS;
    pthread_mutex_init(&typist->lock, NULL);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    typist->watch =
        (struct loop_watch){.fd = fd, .events = EPOLLIN, .ready = on_rested, .opaque = typist};
    if (fd < 0) {
        error_set(error, NULL, "the host has no timer for a keyboard: %s", strerror(errno));
    }
    if (fd < 0 || !loop_add(loop, &typist->watch, error)) {
        if (fd >= 0) {
            close(fd);
        }
        pthread_mutex_destroy(&typist->lock);
        zeros_free(typist, sizeof(*typist));
        return NULL;
    }
    return typist;
}

void typist_free(struct typist *typist)
{
    if (typist != NULL) {
        loop_remove(typist->loop, &typist->watch);
        close(typist->watch.fd);
        pthread_mutex_destroy(&typist->lock);
        zeros_free(typist, sizeof(*typist));
    }
}

bool typist_add(struct typist *typist, const struct typist_step *steps, unsigned count)
{
    pthread_mutex_lock(&typist->lock);
    bool fits = count <= TYPIST_MAX_STEPS - typist->count;
    for (unsigned i = 0; fits && i < count; i++) {
        struct typist_step *step =
            &typist->steps[(typist->first + typist->count++) % TYPIST_MAX_STEPS];
        *step = steps[i];
        step->then_ms = step->then_ms < TYPIST_MAX_REST_MS ? step->then_ms : TYPIST_MAX_REST_MS;
    }
    if (fits && count > 0 && typist->rested_ns == CLOCK_NEVER_NS) {
        rest(typist, 0);
    }
    pthread_mutex_unlock(&typist->lock);
    return fits;
}

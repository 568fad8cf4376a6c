/* See loop.h. */
#include "hw/loop.h"

#include "cpu/base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct loop_job {
    struct loop_job *next;
    void (*run)(void *opaque);
    void *opaque;
    bool is_lent; /* its memory is not the loop's */
};

struct loop {
    struct clock *clock;
    int epoll_fd, timer_fd, event_fd;
    pthread_t thread;
    atomic_bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t idle;              /* signalled when `running` becomes NULL */
    struct loop_job *first_job;       /* under lock */
    struct loop_job **last_job;       /* under lock */
    const struct loop_watch *running; /* whose callback is being called; under lock */
    bool stopping;                    /* under lock */
    /* What is watched, under lock. epoll may have returned an event for a watch that was removed
     * since, so each event's watch is looked up here before it is called. */
    struct loop_watch *watches;
};

static void loop_wake(struct loop *loop)
{
    u64 one = 1;
    ssize_t written = write(loop->event_fd, &one, sizeof(one));
    (void)written; /* fails only when the counter is full, and then the loop is awake */
}

static void loop_arm_timer(void *opaque, u64 deadline_ns)
{
    struct loop *loop = opaque;
    u64 host_ns = clock_host_deadline_ns(loop->clock, deadline_ns);
    struct itimerspec when = {0}; /* all zero disarms */
    if (host_ns != CLOCK_NEVER_NS) {
        host_ns = host_ns > 0 ? host_ns + loop->clock->slack_ns : 1;
        when.it_value.tv_sec = (time_t)(host_ns / 1000000000u);
        when.it_value.tv_nsec = (long)(host_ns % 1000000000u);
    }
    timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static bool loop_run_jobs(struct loop *loop)
{
    for (;;) {
        pthread_mutex_lock(&loop->lock);
        struct loop_job *job = loop->first_job;
        if (job == NULL) {
            bool stopping = loop->stopping;
            pthread_mutex_unlock(&loop->lock);
            return !stopping;
        }
        loop->first_job = job->next;
        if (loop->first_job == NULL) {
            loop->last_job = &loop->first_job;
        }
        pthread_mutex_unlock(&loop->lock);
        bool is_lent = job->is_lent; /* then running it may be its end */
        job->run(job->opaque);
        if (!is_lent) {
            free(job);
        }
    }
}

static void loop_drain_counter(int fd)
{
    u64 count;
    ssize_t got = read(fd, &count, sizeof(count));
    (void)got; /* nothing to read is fine: the wake-up was for an earlier event */
}

/* Makes `watch` the running one if it is still watched. */
static bool loop_enter(struct loop *loop, const struct loop_watch *watch)
{
    pthread_mutex_lock(&loop->lock);
    const struct loop_watch *known = loop->watches;
    while (known != NULL && known != watch) {
        known = known->next;
    }
    loop->running = known;
    pthread_mutex_unlock(&loop->lock);
    return known != NULL;
}

static void loop_leave(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->running = NULL;
    pthread_cond_broadcast(&loop->idle);
    pthread_mutex_unlock(&loop->lock);
}

static void loop_dispatch(struct loop *loop, const struct epoll_event *event)
{
    void *who = event->data.ptr;
    if (who == &loop->timer_fd) {
        loop_drain_counter(loop->timer_fd);
        clock_run_expired(loop->clock);
    } else if (who == &loop->event_fd) {
        loop_drain_counter(loop->event_fd);
    } else if (loop_enter(loop, who)) {
        struct loop_watch *watch = who;
        watch->ready(watch->opaque, event->events);
        loop_leave(loop);
    }
}

static void *loop_main(void *opaque)
{
    struct loop *loop = opaque;
    thread_set_name("events");
    while (loop_run_jobs(loop)) {
        struct epoll_event events[16];
        int count = epoll_wait(loop->epoll_fd, events, (int)ARRAY_LEN(events), -1);
        for (int i = 0; i < count; i++) { /* negative: interrupted by a signal */
            loop_dispatch(loop, &events[i]);
        }
    }
    return NULL;
}

static void loop_close(struct loop *loop)
{
    int fds[] = {loop->epoll_fd, loop->timer_fd, loop->event_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    pthread_cond_destroy(&loop->idle);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

static bool loop_open(struct loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->timer_fd < 0 || loop->event_fd < 0) {
        return false;
    }
    struct epoll_event timer = {.events = EPOLLIN, .data.ptr = &loop->timer_fd};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->event_fd};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &timer) == 0 &&
           epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->event_fd, &event) == 0;
}

struct loop *loop_new(struct clock *clock, struct metic_error *error)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    loop->clock = clock;
    loop->epoll_fd = loop->timer_fd = loop->event_fd = -1;
    loop->last_job = &loop->first_job;
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->idle, NULL);
    if (!loop_open(loop)) {
        error_set(error, "raise the limit on open files (ulimit -n)",
                  "the event loop cannot start: %s", strerror(errno));
        loop_close(loop);
        return NULL;
    }
    if (clock != NULL && clock->mode == CLOCK_REAL) {
        pthread_mutex_lock(&clock->lock);
        clock->deadline_opaque = loop;
        clock->deadline_changed = loop_arm_timer;
        u64 deadline_ns = clock->first != NULL ? clock->first->deadline_ns : CLOCK_NEVER_NS;
        loop_arm_timer(loop, deadline_ns);
        pthread_mutex_unlock(&clock->lock);
    }
    return loop;
}

bool loop_is_started(const struct loop *loop)
{
    return atomic_load(&loop->has_thread);
}

bool loop_start(struct loop *loop, struct metic_error *error)
{
    int reason = 0;
    if (!atomic_load(&loop->has_thread)) {
        reason = pthread_create(&loop->thread, NULL, loop_main, loop);
        atomic_store(&loop->has_thread, reason == 0);
    }
    return reason == 0 || error_set(error, "raise the limit on threads (ulimit -u)",
                                    "the event loop cannot start: %s", strerror(reason));
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    if (loop->clock != NULL && loop->clock->deadline_opaque == loop) {
        pthread_mutex_lock(&loop->clock->lock);
        loop->clock->deadline_changed = NULL;
        loop->clock->deadline_opaque = NULL;
        pthread_mutex_unlock(&loop->clock->lock);
    }
    pthread_mutex_lock(&loop->lock);
    loop->stopping = true;
    pthread_mutex_unlock(&loop->lock);
    if (atomic_load(&loop->has_thread)) {
        loop_wake(loop);
        pthread_join(loop->thread, NULL);
    } else {
        loop_run_jobs(loop);
    }
    loop_close(loop);
}

bool loop_add(struct loop *loop, struct loop_watch *watch, struct metic_error *error)
{
    pthread_mutex_lock(&loop->lock);
    watch->next = loop->watches;
    loop->watches = watch;
    pthread_mutex_unlock(&loop->lock);
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0) {
        int reason = errno;
        loop_remove(loop, watch);
        return error_set(error, NULL, "cannot watch a file descriptor: %s", strerror(reason));
    }
    return true;
}

void loop_modify(struct loop *loop, struct loop_watch *watch, u32 events)
{
    watch->events = events;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    pthread_mutex_lock(&loop->lock);
    struct loop_watch **link = &loop->watches;
    while (*link != NULL && *link != watch) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = watch->next;
    }
    while (loop->running == watch && !pthread_equal(loop->thread, pthread_self())) {
        pthread_cond_wait(&loop->idle, &loop->lock);
    }
    pthread_mutex_unlock(&loop->lock);
}

static void loop_post_job(struct loop *loop, struct loop_job *job)
{
    pthread_mutex_lock(&loop->lock);
    *loop->last_job = job;
    loop->last_job = &job->next;
    pthread_mutex_unlock(&loop->lock);
    loop_wake(loop);
}

void loop_post(struct loop *loop, void (*run)(void *opaque), void *opaque)
{
    struct loop_job *job = malloc(sizeof(*job));
    if (job == NULL) {
        error_no_memory(sizeof(*job));
    }
    *job = (struct loop_job){.run = run, .opaque = opaque};
    loop_post_job(loop, job);
}

struct loop_gate {
    struct loop_job job; /* no memory of its own: machines are freed by this when there is none */
    pthread_mutex_t lock;
    pthread_cond_t open;
    bool is_open;
};

static void loop_open_gate(void *opaque)
{
    struct loop_gate *gate = opaque;
    pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    pthread_cond_signal(&gate->open);
    pthread_mutex_unlock(&gate->lock);
}

void loop_drain(struct loop *loop)
{
    if (!atomic_load(&loop->has_thread)) {
        loop_run_jobs(loop);
        return;
    }
    struct loop_gate gate = {{.run = loop_open_gate, .opaque = &gate, .is_lent = true},
                             PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    loop_post_job(loop, &gate.job);
    pthread_mutex_lock(&gate.lock);
    while (!gate.is_open) {
        pthread_cond_wait(&gate.open, &gate.lock);
    }
    pthread_mutex_unlock(&gate.lock);
    pthread_cond_destroy(&gate.open);
    pthread_mutex_destroy(&gate.lock);
}

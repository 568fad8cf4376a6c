/* See clock.h. */
#include "hw/clock.h"

#include "cpu/base/error.h"
#include "cpu/base/host_clock.h"

/* A callback that re-arms itself in the past would otherwise keep clock_run_expired for ever. */
enum { CLOCK_MAX_FIRINGS = 4096 };

void clock_init(struct clock *clock, enum clock_mode mode)
{
    *clock = (struct clock){.mode = mode};
    host_clock_init();
    pthread_mutex_init(&clock->lock, NULL);
    pthread_cond_init(&clock->idle, NULL);
}

void clock_fini(struct clock *clock)
{
    CHECK(clock->first == NULL);
    pthread_cond_destroy(&clock->idle);
    pthread_mutex_destroy(&clock->lock);
}

/* Lock held. */
static void clock_tell_deadline(struct clock *clock)
{
    if (clock->deadline_changed != NULL) {
        u64 deadline_ns = clock->first != NULL ? clock->first->deadline_ns : CLOCK_NEVER_NS;
        clock->deadline_changed(clock->deadline_opaque, deadline_ns);
    }
}

void clock_start(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    if (clock->mode == CLOCK_REAL && !clock->started) {
        clock->origin_ns = host_clock_ns() - clock->now_ns;
        clock->started = true;
        clock_tell_deadline(clock);
    }
    pthread_mutex_unlock(&clock->lock);
}

void clock_stop(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    if (clock->mode == CLOCK_REAL && clock->started) {
        clock->now_ns = clock_now_ns(clock);
        clock->started = false;
        clock_tell_deadline(clock);
    }
    pthread_mutex_unlock(&clock->lock);
}

u64 clock_now_ns(const struct clock *clock)
{
    if (clock->mode == CLOCK_REAL && clock->started) {
        return host_clock_ns() - clock->origin_ns;
    }
    return clock->now_ns;
}

void clock_set_virtual_ns(struct clock *clock, u64 now_ns)
{
    if (clock->mode == CLOCK_VIRTUAL) {
        clock->now_ns = now_ns;
        return;
    }
    pthread_mutex_lock(&clock->lock);
    clock->now_ns = now_ns;
    clock->origin_ns = host_clock_ns() - now_ns;
    clock_tell_deadline(clock);
    pthread_mutex_unlock(&clock->lock);
}

u64 clock_next_deadline_ns(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    u64 deadline_ns = clock->first != NULL ? clock->first->deadline_ns : CLOCK_NEVER_NS;
    pthread_mutex_unlock(&clock->lock);
    return deadline_ns;
}

u64 clock_host_deadline_ns(const struct clock *clock, u64 guest_ns)
{
    if (guest_ns == CLOCK_NEVER_NS || clock->mode != CLOCK_REAL || !clock->started) {
        return CLOCK_NEVER_NS;
    }
    u64 host_ns = guest_ns + clock->origin_ns;
    /* A deadline centuries ahead wraps; the host's timers stop at INT64_MAX anyway. */
    bool wrapped = host_ns < guest_ns && (s64)clock->origin_ns > 0;
    return wrapped || host_ns > (u64)INT64_MAX ? CLOCK_NEVER_NS : host_ns;
}

void clock_set_slack_ns(struct clock *clock, u64 slack_ns)
{
    pthread_mutex_lock(&clock->lock);
    if (clock->slack_ns != slack_ns) {
        clock->slack_ns = slack_ns;
        clock_tell_deadline(clock);
    }
    pthread_mutex_unlock(&clock->lock);
}

static bool timer_before(const struct timer *a, const struct timer *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns
                                            : a->sequence < b->sequence;
}

/* Lock held, timer not armed. */
static void clock_insert(struct clock *clock, struct timer *timer)
{
    struct timer *previous = NULL;
    struct timer *next = clock->first;
    while (next != NULL && timer_before(next, timer)) {
        previous = next;
        next = next->next;
    }
    timer->previous = previous;
    timer->next = next;
    timer->armed = true;
    if (previous != NULL) {
        previous->next = timer;
    } else {
        clock->first = timer;
    }
    if (next != NULL) {
        next->previous = timer;
    }
}

/* Lock held, timer armed. */
static void clock_remove(struct clock *clock, struct timer *timer)
{
    if (timer->previous != NULL) {
        timer->previous->next = timer->next;
    } else {
        clock->first = timer->next;
    }
    if (timer->next != NULL) {
        timer->next->previous = timer->previous;
    }
    timer->armed = false;
    timer->next = NULL;
    timer->previous = NULL;
}

unsigned clock_run_expired(struct clock *clock)
{
    unsigned fired = 0;
    u64 now_ns = clock_now_ns(clock);
    pthread_mutex_lock(&clock->lock);
    while (clock->first != NULL && clock->first->deadline_ns <= now_ns &&
           clock->running == NULL && fired < CLOCK_MAX_FIRINGS) {
        struct timer *timer = clock->first;
        clock_remove(clock, timer);
        clock->running = timer;
        clock->running_thread = pthread_self();
        pthread_mutex_unlock(&clock->lock);
        timer->fire(timer->opaque);
        fired++;
        pthread_mutex_lock(&clock->lock);
        clock->running = NULL;
        pthread_cond_broadcast(&clock->idle);
    }
    clock_tell_deadline(clock);
    pthread_mutex_unlock(&clock->lock);
    return fired;
}

void timer_init(struct timer *timer, struct clock *clock, void (*fire)(void *opaque),
                void *opaque)
{
    pthread_mutex_lock(&clock->lock);
    *timer = (struct timer){
        .clock = clock, .fire = fire, .opaque = opaque, .sequence = clock->next_sequence++};
    pthread_mutex_unlock(&clock->lock);
}

void timer_fini(struct timer *timer)
{
    struct clock *clock = timer->clock;
    if (clock == NULL) {
        return;
    }
    pthread_mutex_lock(&clock->lock);
    while (clock->running == timer && !pthread_equal(clock->running_thread, pthread_self())) {
        pthread_cond_wait(&clock->idle, &clock->lock);
    }
    if (timer->armed) {
        clock_remove(clock, timer);
    }
    timer->clock = NULL;
    pthread_mutex_unlock(&clock->lock);
}

void timer_arm_at_ns(struct timer *timer, u64 deadline_ns)
{
    struct clock *clock = timer->clock;
    if (deadline_ns == CLOCK_NEVER_NS && !atomic_load(&timer->armed)) {
        return; /* nothing to cancel; interrupt handlers do this all day */
    }
    pthread_mutex_lock(&clock->lock);
    struct timer *first = clock->first;
    u64 first_ns = first != NULL ? first->deadline_ns : CLOCK_NEVER_NS;
    if (timer->armed) {
        clock_remove(clock, timer);
    }
    timer->deadline_ns = deadline_ns;
    if (deadline_ns != CLOCK_NEVER_NS) {
        clock_insert(clock, timer);
    }
    u64 new_ns = clock->first != NULL ? clock->first->deadline_ns : CLOCK_NEVER_NS;
    if (new_ns != first_ns) {
        clock_tell_deadline(clock);
    }
    pthread_mutex_unlock(&clock->lock);
}

void timer_cancel(struct timer *timer)
{
    timer_arm_at_ns(timer, CLOCK_NEVER_NS);
}

/* Harts in wfi with the real clock: one of them fires the machine's timers, a kick ends a wait. */
#include "translate/engine.h"

#include "tests/support/engine_rig.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <time.h>

enum { HARTS = 2 };

static struct engine_rig *rig;
static _Atomic u64 due_host_ns;
static _Atomic unsigned fired;
static _Atomic bool are_watched;

static u64 now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

static u64 next_timer_host_ns(struct vcpu *vcpu)
{
    (void)vcpu;
    return atomic_load(&due_host_ns);
}

/* The timer stops every hart. */
static void run_timers(struct vcpu *vcpu)
{
    if (are_watched && now_ns() < atomic_load(&due_host_ns)) {
        return; /* a hart that looks when it stops */
    }
    cr_expect(now_ns() >= atomic_load(&due_host_ns), "too early");
    atomic_store(&due_host_ns, ~(u64)0);
    atomic_fetch_add(&fired, 1);
    for (unsigned i = 0; i < vcpu->engine->vcpu_count; i++) {
        vcpu_kick(vcpu->engine->vcpus[i], VCPU_REQUEST_STOP);
    }
}

static void timers_are_watched(struct vcpu *vcpu, bool watched)
{
    (void)vcpu;
    are_watched = watched;
}

static void setup(void)
{
    struct engine_options options = {.kind = ENGINE_JIT};
    struct rv_program *p = rv_new();
    rv_label(p, 1);
    rv_word(p, RV_WFI);
    rv_j(p, 1);
    rv_finish(p);
    rig = engine_rig_new(HARTS, &options);
    engine_rig_load(rig, p);
    rv_free(p);
    rig->engine->machine_ops.next_timer_host_ns = next_timer_host_ns;
    rig->engine->machine_ops.run_timers = run_timers;
    rig->engine->machine_ops.timers_are_watched = timers_are_watched;
    are_watched = false;
    due_host_ns = ~(u64)0;
    fired = 0;
}

static void teardown(void)
{
    engine_rig_free(rig);
}

TestSuite(wait, .init = setup, .fini = teardown, .timeout = 30);

static void *run_hart(void *opaque)
{
    cr_expect_eq(engine_run(opaque), ENGINE_STOP_REQUEST);
    return NULL;
}

static void run_harts(unsigned count)
{
    pthread_t threads[HARTS];
    for (unsigned i = 0; i < count; i++) {
        pthread_create(&threads[i], NULL, run_hart, rig->engine->vcpus[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        atomic_store(&rig->engine->vcpus[i]->requests, 0);
    }
}

/* Short ones are spun for, long ones slept for. */
Test(wait, the_hart_fires_the_timer)
{
    static const u64 waits_ns[] = {0, 10000, 200000, 5000000};
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < ARRAY_LEN(waits_ns); i++) {
            fired = 0;
            due_host_ns = now_ns() + waits_ns[i];
            run_harts(1);
            cr_assert_eq(fired, 1);
        }
    }
}

/* One near timer after the other: soon all of each wait is spun. */
Test(wait, a_row_of_near_timers)
{
    for (unsigned round = 0; round < 100; round++) {
        fired = 0;
        due_host_ns = now_ns() + 20000;
        run_harts(1);
        cr_assert_eq(fired, 1);
    }
    due_host_ns = now_ns() + 2000000;
    run_harts(1);
    cr_expect_leq(rig->engine->wait.near_waits, 0, "a far one ends the row");
    cr_expect(!are_watched);
}

Test(wait, one_of_several_harts_fires_it)
{
    for (unsigned round = 0; round < 50; round++) {
        fired = 0;
        due_host_ns = now_ns() + 1000000;
        run_harts(HARTS);
        cr_assert_eq(fired, 1);
        cr_assert_eq(rig->engine->wait.timekeeper, 0);
    }
}

static void *kick_soon(void *opaque)
{
    struct timespec moment = {.tv_nsec = 2000000};
    nanosleep(&moment, NULL);
    vcpu_kick(opaque, VCPU_REQUEST_STOP);
    return NULL;
}

Test(wait, a_kick_comes_before_a_timer)
{
    pthread_t thread;
    due_host_ns = now_ns() + (u64)3600 * 1000000000u;
    pthread_create(&thread, NULL, kick_soon, rig->engine->vcpus[0]);
    run_harts(1);
    pthread_join(thread, NULL);
    cr_expect_eq(fired, 0);
}

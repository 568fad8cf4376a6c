/* cpu/base/host_clock.c: time that never goes back and keeps to the clock it is made from. */
#include "cpu/base/host_clock.h"

#include "cpu/base/host_time.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define MS ((u64)1000000)

/* A host whose counter and clock are whatever the test says. */
struct rig {
    struct host_clock clock;
    u64 ticks, ns; /* now */
    u64 last_ns;   /* that was given out */
    u64 sets;
};

static u64 rig_read(struct rig *rig)
{
    u64 ns;
    if (host_stretch_holds(&rig->clock.stretch, rig->ticks)) {
        ns = host_stretch_ns(&rig->clock.stretch, rig->ticks);
    } else {
        ns = host_clock_set(&rig->clock, rig->ticks, rig->ns);
        rig->sets++;
    }
    cr_assert_geq(ns, rig->last_ns);
    rig->last_ns = ns;
    return ns;
}

static u64 distance(u64 a, u64 b)
{
    return a > b ? a - b : b - a;
}

/* `reads` reads, between which `ticks` and `ns` pass; how far the time was off at most. */
static u64 rig_run(struct rig *rig, unsigned reads, u64 ticks, u64 ns)
{
    u64 off = 0;
    for (unsigned n = 0; n < reads; n++) {
        rig->ticks += ticks;
        rig->ns += ns;
        u64 now = distance(rig_read(rig), rig->ns);
        off = now > off ? now : off;
    }
    return off;
}

static struct rig rig_new(void)
{
    return (struct rig){.ticks = 123456789, .ns = 5000000000};
}

Test(host_clock, follows_and_asks_seldom)
{
    struct rig rig = rig_new();
    rig_run(&rig, 1000, 25000, 10000); /* 10 ms at 2.5 GHz */
    rig.sets = 0;
    cr_assert_lt(rig_run(&rig, 100000, 25000, 10000), 10);
    cr_assert_lt(rig.sets, 300); /* a second is 250 stretches */
    cr_assert_gt(rig.sets, 200);
}

/* As the host corrects its clock: both ways, by the most that it does. */
Test(host_clock, follows_corrections)
{
    struct rig rig = rig_new();
    rig_run(&rig, 1000, 25000, 10000);
    for (unsigned n = 0; n < 10; n++) {
        cr_assert_lt(rig_run(&rig, 3000, 25000, n % 2 == 0 ? 10005 : 9995), 8000);
        cr_assert_lt(rig_run(&rig, 1000, 25000, n % 2 == 0 ? 10005 : 9995), 100);
    }
}

Test(host_clock, a_counter_at_another_speed)
{
    struct rig rig = rig_new();
    rig_run(&rig, 1000, 25000, 10000);
    rig_run(&rig, 2000, 20000, 10000); /* slower: 1 ms is lost before it is noticed */
    cr_assert_lt(rig_run(&rig, 1000, 20000, 10000), 10);
    rig_run(&rig, 5000, 30000, 10000); /* faster: waits for the clock */
    cr_assert_lt(rig_run(&rig, 1000, 30000, 10000), 10);
}

Test(host_clock, a_counter_that_was_set)
{
    static const u64 to[] = {0, 1, 5000000, (u64)1 << 40, (u64)1 << 63, ~(u64)0 - 1000000};
    for (unsigned n = 0; n < sizeof(to) / sizeof(to[0]); n++) {
        struct rig rig = rig_new();
        rig_run(&rig, 1000, 25000, 10000);
        rig.ticks = to[n];
        rig_run(&rig, 2000, 25000, 10000);
        cr_assert_lt(rig_run(&rig, 1000, 25000, 10000), 10, "to %llu", (unsigned long long)to[n]);
    }
}

/* The clock does not count while the host sleeps, the counter may; and a guest that asks seldom. */
Test(host_clock, pauses)
{
    struct rig rig = rig_new();
    rig_run(&rig, 1000, 25000, 10000);
    rig.ticks += 3600ull * 2500000000;
    rig_run(&rig, 2000, 25000, 10000);
    cr_assert_lt(rig_run(&rig, 1000, 25000, 10000), 10);
    for (u64 pause_ms = 1; pause_ms < 100000; pause_ms *= 3) {
        cr_assert_lt(rig_run(&rig, 3, 2500000 * pause_ms, MS * pause_ms), 10);
        cr_assert_lt(rig_run(&rig, 1000, 25000, 10000), 10);
    }
}

/* Another processor's counter is a little behind. */
Test(host_clock, skew)
{
    struct rig rig = rig_new();
    rig_run(&rig, 1000, 25000, 10000);
    for (unsigned n = 0; n < 5000; n++) {
        rig_run(&rig, 1, 25000, 10000);
        if (!host_stretch_holds(&rig.clock.stretch, rig.ticks - 2000)) {
            u64 ns = host_clock_set(&rig.clock, rig.ticks - 2000, rig.ns - 800);
            cr_assert_geq(ns, rig.clock.stretch.begin_ns);
            cr_assert_lt(distance(ns, rig.ns), 1000);
        }
    }
}

static u64 told; /* atomic */
enum { THREADS = 4, READS = 300000 };

/* What one thread told another in memory is not less than what that one reads after it. */
static void *tell(void *unused)
{
    u64 back = 0;
    for (unsigned n = 0; n < READS; n++) {
        u64 before = __atomic_load_n(&told, __ATOMIC_ACQUIRE);
        u64 now = host_clock_ns();
        back += now < before ? 1 : 0;
        while (before < now && !__atomic_compare_exchange_n(&told, &before, now, true,
                                                            __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        }
    }
    return unused == NULL && back == 0 ? NULL : &told;
}

Test(host_clock, threads)
{
    host_clock_init();
    pthread_t threads[THREADS];
    for (unsigned n = 0; n < THREADS; n++) {
        pthread_create(&threads[n], NULL, tell, NULL);
    }
    for (unsigned n = 0; n < THREADS; n++) {
        void *wrong;
        pthread_join(threads[n], &wrong);
        cr_assert_null(wrong);
    }
}

Test(host_clock, is_the_hosts)
{
    enum { OFF_NS = 200000 };
    host_clock_init();
    for (unsigned n = 0; n < READS; n++) {
        u64 before = host_time_ns();
        u64 now = host_clock_ns();
        u64 after = host_time_ns();
        cr_assert(now + OFF_NS > before && now < after + OFF_NS, "%lld", (long long)(now - before));
    }
}

#include "hw/clock.h"
#include "hw/loop.h"

#include <criterion/criterion.h>
#include <time.h>
#include <unistd.h>

static struct clock virtual_clock;
static char order[64];
static unsigned order_count;

static void note(void *opaque)
{
    order[order_count++] = *(const char *)opaque;
    order[order_count] = '\0';
}

static void setup(void)
{
    clock_init(&virtual_clock, CLOCK_VIRTUAL);
    order_count = 0;
}

static void teardown(void)
{
    clock_fini(&virtual_clock);
}

TestSuite(clock, .init = setup, .fini = teardown);

Test(clock, fires_by_deadline_then_by_registration)
{
    struct timer timers[4];
    static const char names[] = "abcd";
    const u64 deadlines[] = {20, 10, 20, 5};
    for (unsigned i = 0; i < 4; i++) {
        timer_init(&timers[i], &virtual_clock, note, (void *)(uintptr_t)&names[i]);
    }
    for (unsigned i = 4; i-- > 0;) {
        timer_arm_at_ns(&timers[i], deadlines[i]);
    }
    cr_assert_eq(clock_next_deadline_ns(&virtual_clock), 5);
    clock_set_virtual_ns(&virtual_clock, 10);
    cr_assert_eq(clock_run_expired(&virtual_clock), 2);
    cr_assert_str_eq(order, "db");
    clock_set_virtual_ns(&virtual_clock, 20);
    clock_run_expired(&virtual_clock);
    cr_assert_str_eq(order, "dbac");
    cr_assert_eq(clock_next_deadline_ns(&virtual_clock), CLOCK_NEVER_NS);
    for (unsigned i = 0; i < 4; i++) {
        timer_fini(&timers[i]);
    }
}

Test(clock, cancel_and_rearm)
{
    struct timer timer;
    timer_init(&timer, &virtual_clock, note, "x");
    timer_arm_at_ns(&timer, 10);
    timer_cancel(&timer);
    timer_cancel(&timer);
    clock_set_virtual_ns(&virtual_clock, 100);
    cr_assert_eq(clock_run_expired(&virtual_clock), 0);
    timer_arm_at_ns(&timer, 200);
    timer_arm_at_ns(&timer, 150);
    cr_assert_eq(clock_next_deadline_ns(&virtual_clock), 150);
    timer_arm_at_ns(&timer, 50);
    cr_assert_eq(clock_run_expired(&virtual_clock), 1, "a past deadline fires");
    timer_arm_at_ns(&timer, CLOCK_NEVER_NS);
    cr_assert_eq(clock_next_deadline_ns(&virtual_clock), CLOCK_NEVER_NS);
    timer_fini(&timer);
}

struct periodic {
    struct timer timer;
    unsigned count;
};

static void fire_again_at_once(void *opaque)
{
    struct periodic *p = opaque;
    p->count++;
    timer_arm_at_ns(&p->timer, 0);
}

Test(clock, a_timer_that_always_rearms_in_the_past_does_not_hang)
{
    struct periodic p = {.count = 0};
    timer_init(&p.timer, &virtual_clock, fire_again_at_once, &p);
    timer_arm_at_ns(&p.timer, 0);
    unsigned fired = clock_run_expired(&virtual_clock);
    cr_assert_gt(fired, 0);
    cr_assert_eq(p.count, fired);
    timer_fini(&p.timer);
}

static void finish_itself(void *opaque)
{
    timer_fini(opaque);
    order_count++;
}

Test(clock, a_callback_may_finish_its_timer)
{
    struct timer timer;
    timer_init(&timer, &virtual_clock, finish_itself, &timer);
    timer_arm_at_ns(&timer, 0);
    cr_assert_eq(clock_run_expired(&virtual_clock), 1);
    cr_assert_eq(order_count, 1);
}

Test(clock, real_time_starts_stops_and_jumps)
{
    struct clock real;
    clock_init(&real, CLOCK_REAL);
    cr_assert_eq(clock_now_ns(&real), 0);
    cr_assert_eq(clock_host_deadline_ns(&real, 5), CLOCK_NEVER_NS, "stopped");
    clock_start(&real);
    u64 first = clock_now_ns(&real);
    u64 second = clock_now_ns(&real);
    cr_assert_leq(first, second);
    clock_stop(&real);
    u64 stopped = clock_now_ns(&real);
    cr_assert_eq(stopped, clock_now_ns(&real));
    cr_assert_geq(stopped, second);
    clock_set_virtual_ns(&real, 1000000000000u);
    cr_assert_eq(clock_now_ns(&real), 1000000000000u);
    clock_start(&real);
    cr_assert_geq(clock_now_ns(&real), 1000000000000u);
    cr_assert_eq(clock_host_deadline_ns(&real, UINT64_MAX - 1), CLOCK_NEVER_NS);
    clock_fini(&real);
}

static void set_flag(void *opaque)
{
    *(_Atomic bool *)opaque = true;
}

static void wait_for(const _Atomic bool *flag)
{
    struct timespec pause = {.tv_nsec = 1000000};
    while (!*flag) { /* the test's time limit ends it */
        nanosleep(&pause, NULL);
    }
}

Test(clock, the_loop_fires_real_timers, .timeout = 20)
{
    struct clock real;
    struct timer timer;
    _Atomic bool fired = false;
    clock_init(&real, CLOCK_REAL);
    struct loop *loop = loop_new(&real, NULL);
    cr_assert(loop_start(loop, NULL));
    timer_init(&timer, &real, set_flag, (void *)&fired);
    timer_arm_at_ns(&timer, 2000000);
    loop_drain(loop);
    cr_assert(!fired, "time does not pass yet");
    clock_start(&real);
    wait_for(&fired);
    cr_assert_geq(clock_now_ns(&real), 2000000);
    fired = false;
    timer_arm_at_ns(&timer, 0);
    wait_for(&fired);
    timer_fini(&timer);
    loop_free(loop);
    clock_fini(&real);
}

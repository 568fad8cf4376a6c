#include "hw/intc/aclint.h"
#include "tests/hw/fixture.h"

enum { MTIMECMP = 0x4000, MTIME = 0xbff8, HARTS = 3 };

static const struct aclint_config config = {HARTS};
static struct fixture f;
static struct device *clint;

static void setup(void)
{
    fixture_init(&f);
    clint = fixture_device(&f, &clint_class, &config, 2 * HARTS);
}

static void teardown(void)
{
    device_free(clint);
    fixture_fini(&f);
}

TestSuite(aclint, .init = setup, .fini = teardown);

Test(aclint, mtime_counts_ten_million_a_second)
{
    cr_assert_eq(device_read(clint, 0, MTIME, 8), 0);
    fixture_run_to_ns(&f, 1000000000);
    cr_assert_eq(device_read(clint, 0, MTIME, 8), 10000000);
    cr_assert_eq(device_read(clint, 0, MTIME, 4), 10000000);
    cr_assert_eq(clint_time_ticks(clint), 10000000);
}

Test(aclint, timer_line_is_a_level)
{
    device_write(clint, 0, MTIMECMP + 8, 100, 8);
    cr_assert(!f.lines[HARTS + 1]);
    fixture_run_to_ns(&f, 9999);
    cr_assert(!f.lines[HARTS + 1]);
    fixture_run_to_ns(&f, 10000);
    cr_assert(f.lines[HARTS + 1]);
    cr_assert(!f.lines[HARTS] && !f.lines[HARTS + 2], "only that hart's");
    fixture_run_to_ns(&f, 50000);
    cr_assert(f.lines[HARTS + 1], "until mtimecmp moves");
    device_write(clint, 0, MTIMECMP + 8, UINT64_MAX, 8);
    cr_assert(!f.lines[HARTS + 1]);
    cr_assert_eq(clock_next_deadline_ns(&f.clock), CLOCK_NEVER_NS);
}

Test(aclint, a_past_mtimecmp_fires_at_once)
{
    fixture_run_to_ns(&f, 1000000);
    device_write(clint, 0, MTIMECMP, 5, 8);
    cr_assert(f.lines[HARTS]);
}

/* What is known of mtime without a look at the clock must not outlive a mtime moved back. */
Test(aclint, a_mtimecmp_that_was_past_is_ahead_of_a_mtime_moved_back)
{
    fixture_run_to_ns(&f, 1000000);
    device_write(clint, 0, MTIMECMP, 5000, 8);
    cr_assert(f.lines[HARTS]);
    device_write(clint, 0, MTIME, 10, 8);
    device_write(clint, 0, MTIMECMP, 5000, 8);
    cr_assert(!f.lines[HARTS]);
    fixture_run_to_ns(&f, 1000000 + 4990 * 100);
    cr_assert(f.lines[HARTS]);
}

Test(aclint, a_mtimecmp_never_reached_takes_the_line_back)
{
    fixture_run_to_ns(&f, 1000000);
    device_write(clint, 0, MTIMECMP, 0, 8);
    cr_assert(f.lines[HARTS]);
    device_write(clint, 0, MTIMECMP, UINT64_MAX, 8);
    cr_assert(!f.lines[HARTS]);
    device_write(clint, 0, MTIME, UINT64_MAX, 8);
    cr_assert(f.lines[HARTS], "mtime can be moved there");
    device_write(clint, 0, MTIMECMP, UINT64_MAX, 8);
    cr_assert(f.lines[HARTS]);
}

Test(aclint, halves)
{
    device_write(clint, 0, MTIMECMP + 4, 1, 4);
    device_write(clint, 0, MTIMECMP, 2, 4);
    cr_assert_eq(device_read(clint, 0, MTIMECMP, 8), 0x100000002u);
    cr_assert_eq(device_read(clint, 0, MTIMECMP + 4, 4), 1);
    device_write(clint, 0, MTIME + 4, 7, 4);
    cr_assert_eq(device_read(clint, 0, MTIME + 4, 4), 7);
    cr_assert_eq(device_read(clint, 0, MTIME, 4), 0);
}

Test(aclint, moving_mtime_moves_the_lines)
{
    device_write(clint, 0, MTIMECMP, 1000, 8);
    device_write(clint, 0, MTIME, 1000, 8);
    cr_assert(f.lines[HARTS]);
    device_write(clint, 0, MTIME, 10, 8);
    cr_assert(!f.lines[HARTS]);
    fixture_run_to_ns(&f, 98900);
    cr_assert(!f.lines[HARTS]);
    fixture_run_to_ns(&f, 99000);
    cr_assert(f.lines[HARTS]);
}

Test(aclint, time_to_ns_bears_all_values)
{
    fixture_run_to_ns(&f, 12345);
    cr_assert_eq(clint_time_to_ns(clint, 0), 12300);
    cr_assert_eq(clint_time_to_ns(clint, 200), 20000);
    cr_assert_eq(clint_time_to_ns(clint, UINT64_MAX), CLOCK_NEVER_NS);
    device_write(clint, 0, MTIME, UINT64_MAX - 5, 8);
    cr_assert_eq(clint_time_to_ns(clint, UINT64_MAX), 12800);
}

/* Writes that need no clock go without the lock while no timer is armed, and see an armed one. */
Test(aclint, a_timer_that_was_armed_does_not_fire_for_a_later_mtimecmp)
{
    fixture_run_to_ns(&f, 1000000);
    device_write(clint, 0, MTIMECMP, 20000, 8);
    device_write(clint, 0, MTIMECMP, UINT64_MAX, 8);
    cr_expect_eq(clock_next_deadline_ns(&f.clock), CLOCK_NEVER_NS);
    device_write(clint, 0, MTIMECMP, 5, 8);
    cr_expect(f.lines[HARTS]);
    device_write(clint, 0, MTIMECMP, 30000, 8);
    cr_expect(!f.lines[HARTS]);
    fixture_run_to_ns(&f, 2999900);
    cr_expect(!f.lines[HARTS]);
    fixture_run_to_ns(&f, 3000000);
    cr_expect(f.lines[HARTS]);
    cr_expect_eq(device_read(clint, 0, MTIMECMP, 8), 30000);
}

Test(aclint, msip_is_one_bit)
{
    device_write(clint, 0, 4, 0xffffffff, 4);
    cr_assert(f.lines[1] && !f.lines[0] && !f.lines[2]);
    cr_assert_eq(device_read(clint, 0, 4, 4), 1);
    device_write(clint, 0, 4, 0xfffffffe, 4);
    cr_assert(!f.lines[1]);
}

Test(aclint, harts_that_do_not_exist)
{
    for (u64 at = 0; at < 0x10000; at += 4) {
        device_write(clint, 0, at, 0xffffffff, 4);
        device_read(clint, 0, at, 4);
        device_read(clint, 0, at & ~(u64)7, 8);
    }
    cr_assert_eq(device_read(clint, 0, 4 * HARTS, 4), 0);
    cr_assert_eq(device_read(clint, 0, MTIMECMP + 8 * HARTS, 8), 0);
}

Test(aclint, state_survives_with_its_timer)
{
    device_write(clint, 0, MTIMECMP + 16, 100, 8);
    device_write(clint, 0, 8, 1, 4);
    struct device *other = fixture_device(&f, &clint_class, &config, 2 * HARTS);
    fixture_clone_state(clint, other);
    device_free(clint);
    clint = other;
    cr_assert(f.lines[2]);
    cr_assert(!f.lines[HARTS + 2]);
    fixture_run_to_ns(&f, 10000);
    cr_assert(f.lines[HARTS + 2]);
}

Test(aclint, reset_starts_mtime_at_zero)
{
    device_write(clint, 0, MTIMECMP, 1, 8);
    fixture_run_to_ns(&f, 5000);
    cr_assert(f.lines[HARTS]);
    device_reset(clint);
    cr_assert(!f.lines[HARTS]);
    cr_assert_eq(device_read(clint, 0, MTIME, 8), 0);
}

Test(aclint, sswi_makes_edges)
{
    struct device *sswi = fixture_device(&f, &aclint_sswi_class, &config, HARTS);
    device_write(sswi, 0, 4, 1, 4);
    cr_assert(f.lines[1]);
    device_write(sswi, 0, 8, 2, 4);
    cr_assert(!f.lines[2], "bit 0 only");
    cr_assert_eq(device_read(sswi, 0, 4, 4), 0);
    unsigned sets = f.line_sets[1];
    device_write(sswi, 0, 4, 1, 4);
    cr_assert_eq(f.line_sets[1], sets + 1, "each write is an edge of its own");
    device_write(sswi, 0, 4 * HARTS, 1, 4);
    device_write(sswi, 0, 0x3ffc, 1, 4);
    device_free(sswi);
}

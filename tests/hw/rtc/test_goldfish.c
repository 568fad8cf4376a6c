#include "hw/rtc/goldfish.h"
#include "tests/hw/fixture.h"

#define WALL_START_NS 1000000000000000000u

static struct fixture f;
static struct device *rtc;

static void setup(void)
{
    fixture_init(&f);
    rtc = fixture_device(&f, &goldfish_rtc_class, NULL, 1);
}

static void teardown(void)
{
    device_free(rtc);
    fixture_fini(&f);
}

TestSuite(goldfish, .init = setup, .fini = teardown);

static u64 now(void)
{
    u64 low = device_read(rtc, 0, 0, 4);
    return device_read(rtc, 0, 4, 4) << 32 | low;
}

static void set_alarm(u64 ns)
{
    device_write(rtc, 0, 0x0c, ns >> 32, 4);
    device_write(rtc, 0, 0x08, (u32)ns, 4);
}

Test(goldfish, time_is_the_journals_plus_guest_time)
{
    cr_assert_eq(now(), WALL_START_NS);
    fixture_run_to_ns(&f, 5000000000);
    cr_assert_eq(now(), WALL_START_NS + 5000000000);
}

Test(goldfish, high_word_is_latched)
{
    u64 low = device_read(rtc, 0, 0, 4);
    fixture_run_to_ns(&f, (u64)1 << 33);
    cr_assert_eq(device_read(rtc, 0, 4, 4) << 32 | low, WALL_START_NS);
}

Test(goldfish, time_can_be_set)
{
    device_write(rtc, 0, 4, 0x12345678, 4);
    device_write(rtc, 0, 0, 0x9abcdef0, 4);
    cr_assert_eq(now(), 0x123456789abcdef0u);
    fixture_run_to_ns(&f, 16);
    cr_assert_eq(now(), 0x123456789abcdf00u);
    device_reset(rtc);
    cr_assert_eq(now(), 0x123456789abcdf00u, "the clock has a battery");
}

Test(goldfish, alarm)
{
    device_write(rtc, 0, 0x10, 1, 4);
    set_alarm(WALL_START_NS + 1000);
    cr_assert_eq(device_read(rtc, 0, 0x18, 4), 1);
    fixture_run_to_ns(&f, 999);
    cr_assert(!f.lines[0]);
    fixture_run_to_ns(&f, 1000);
    cr_assert(f.lines[0]);
    cr_assert_eq(device_read(rtc, 0, 0x18, 4), 0);
    device_write(rtc, 0, 0x1c, 1, 4);
    cr_assert(!f.lines[0]);
}

Test(goldfish, alarm_without_enable_is_kept)
{
    set_alarm(WALL_START_NS);
    cr_assert(!f.lines[0]);
    device_write(rtc, 0, 0x10, 1, 4);
    cr_assert(f.lines[0]);
}

Test(goldfish, cleared_alarm_does_not_fire)
{
    device_write(rtc, 0, 0x10, 1, 4);
    set_alarm(WALL_START_NS + 1000);
    device_write(rtc, 0, 0x14, 1, 4);
    fixture_run_to_ns(&f, 10000);
    cr_assert(!f.lines[0]);
}

Test(goldfish, far_alarms_and_odd_registers)
{
    set_alarm(UINT64_MAX);
    fixture_run_to_ns(&f, 1000000);
    for (u64 at = 0; at < 0x1000; at += 4) {
        device_read(rtc, 0, at, 4);
        device_write(rtc, 0, at, 0xffffffff, 4);
    }
}

Test(goldfish, state_survives)
{
    device_write(rtc, 0, 0x10, 1, 4);
    set_alarm(WALL_START_NS + 1000);
    struct device *other = fixture_device(&f, &goldfish_rtc_class, NULL, 1);
    fixture_clone_state(rtc, other);
    device_free(rtc);
    rtc = other;
    fixture_run_to_ns(&f, 1000);
    cr_assert(f.lines[0]);
}

#include "hw/misc/sifive_test.h"
#include "tests/hw/fixture.h"

static struct fixture f;
static struct device *test;

static void setup(void)
{
    fixture_init(&f);
    test = fixture_device(&f, &sifive_test_class, NULL, 0);
}

static void teardown(void)
{
    device_free(test);
    fixture_fini(&f);
}

TestSuite(sifive_test, .init = setup, .fini = teardown);

static void expect(u32 value, enum device_request request, unsigned code)
{
    unsigned before = f.request_count;
    device_write(test, 0, 0, value, 4);
    cr_assert_eq(f.request_count, before + 1);
    cr_assert_eq(f.request, request);
    cr_assert_eq(f.request_code, code);
}

Test(sifive_test, commands)
{
    expect(0x5555, DEVICE_REQUEST_POWEROFF, 0);
    expect(0x3333 | 42 << 16, DEVICE_REQUEST_POWEROFF, 42);
    expect(0x3333, DEVICE_REQUEST_POWEROFF, 1);
    expect(0x7777, DEVICE_REQUEST_RESET, 0);
}

Test(sifive_test, nonsense_is_ignored_and_logged_once)
{
    for (u32 value = 0; value < 0x3000; value += 0x111) {
        device_write(test, 0, 0, value, 4);
    }
    device_write(test, 0, 4, 0x5555, 4);
    device_write(test, 0, 0, 0x55, 1);
    cr_assert_eq(f.request_count, 0);
    cr_assert_leq(f.log_count, 3);
    cr_assert_eq(device_read(test, 0, 0, 4), 0);
}

Test(sifive_test, half_word_writes_reach_it)
{
    device_write(test, 0, 0, 0x5555, 2);
    cr_assert_eq(f.request_count, 1);
}

/* Extension PMU: firmware counters, and the cycle and instret counters. */
#include "tests/roms/sbi_test.h"

#define EVENT_FW(code) (SBI_PMU_TYPE_FIRMWARE << 16 | (uint32_t)(code))
#define CONFIG (SBI_PMU_CFG_CLEAR_VALUE)

static uint64_t counters;
static uint64_t all_mask;

static struct sbi_ret pmu(uint64_t fid, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    return sbi(SBI_EXT_PMU, fid, a0, a1, a2, a3, 0);
}

static bool failed_with(struct sbi_ret ret, int64_t error)
{
    return ret.error == error;
}

/* Counters that exist, as a mask from 0; the number of firmware counters among them. */
static uint32_t read_counters(void)
{
    uint32_t firmware = 0;

    counters = pmu(SBI_PMU_NUM_COUNTERS, 0, 0, 0, 0).value;
    for (uint64_t i = 0; i < counters && i < 64; i++) {
        struct sbi_ret info = pmu(SBI_PMU_GET_INFO, i, 0, 0, 0);
        if (info.error == 0) {
            all_mask |= 1ul << i;
            firmware += (info.value & SBI_PMU_INFO_FIRMWARE) != 0;
        }
    }
    return firmware;
}

static void test_firmware_counter(void)
{
    struct sbi_ret got = pmu(SBI_PMU_CONFIG_MATCHING, 0, all_mask, CONFIG,
                             EVENT_FW(SBI_FW_SET_TIMER));
    uint64_t c = got.value;

    check(got.error == 0, "pmu: configure a firmware counter");
    check(pmu(SBI_PMU_FW_READ, c, 0, 0, 0).value == 0, "pmu: it begins at 0");
    sbi(SBI_EXT_TIME, 0, ~0ul, 0, 0, 0, 0);
    check(pmu(SBI_PMU_FW_READ, c, 0, 0, 0).value == 0, "pmu: it does not count before start");
    check(pmu(SBI_PMU_START, c, 1, SBI_PMU_START_INIT_VALUE, 100).error == 0, "pmu: start it");
    check(failed_with(pmu(SBI_PMU_START, c, 1, 0, 0), SBI_ERR_ALREADY_STARTED),
          "pmu: start it twice");
    for (int i = 0; i < 5; i++) {
        sbi(SBI_EXT_TIME, 0, ~0ul, 0, 0, 0, 0);
    }
    check_equal(pmu(SBI_PMU_FW_READ, c, 0, 0, 0).value, 105, "pmu: it counts set_timer calls");
    check_equal(pmu(SBI_PMU_FW_READ_HI, c, 0, 0, 0).value, 0, "pmu: its upper half on RV64");
    check(pmu(SBI_PMU_STOP, c, 1, 0, 0).error == 0, "pmu: stop it");
    sbi(SBI_EXT_TIME, 0, ~0ul, 0, 0, 0, 0);
    check_equal(pmu(SBI_PMU_FW_READ, c, 0, 0, 0).value, 105, "pmu: it stands still");
    check(failed_with(pmu(SBI_PMU_STOP, c, 1, SBI_PMU_STOP_RESET, 0), SBI_ERR_ALREADY_STOPPED),
          "pmu: stop it twice");
    check(failed_with(pmu(SBI_PMU_START, c, 1, 0, 0), SBI_ERR_INVALID_PARAM),
          "pmu: a counter that is released does not start");
}

static uint64_t read_hw(uint64_t csr)
{
    return csr == 0xc00 ? read_csr(cycle) : csr == 0xc02 ? read_csr(instret) : 0;
}

static void test_hardware_counter(uint32_t event, uint64_t counter, uint64_t csr)
{
    struct sbi_ret got = pmu(SBI_PMU_CONFIG_MATCHING, counter, 1, CONFIG, event);

    check(got.error == 0 && got.value == counter, "pmu: configure a fixed counter");
    check(pmu(SBI_PMU_START, counter, 1, SBI_PMU_START_INIT_VALUE, 1ul << 40).error == 0,
          "pmu: start it");
    uint64_t first = read_hw(csr);
    uint64_t second = read_hw(csr);
    check(first >= 1ul << 40 && second > first, "pmu: it counts from the value given");
    check(pmu(SBI_PMU_STOP, counter, 1, SBI_PMU_STOP_RESET, 0).error == 0, "pmu: stop it");
    first = read_hw(csr);
    second = read_hw(csr);
    check_equal(second, first, "pmu: it stands still");
}

static void test_errors(void)
{
    uint32_t event = EVENT_FW(SBI_FW_SET_TIMER);

    check(failed_with(pmu(SBI_PMU_GET_INFO, counters, 0, 0, 0), SBI_ERR_INVALID_PARAM),
          "pmu: info of a counter that is not there");
    check(failed_with(pmu(SBI_PMU_CONFIG_MATCHING, counters, 1, 0, event), SBI_ERR_INVALID_PARAM),
          "pmu: configure a counter that is not there");
    check(failed_with(pmu(SBI_PMU_CONFIG_MATCHING, 0, ~0ul, 1ul << 20, event),
                      SBI_ERR_INVALID_PARAM), "pmu: configure with unknown flags");
    check(failed_with(pmu(SBI_PMU_CONFIG_MATCHING, 0, all_mask, 0, 7u << 16),
                      SBI_ERR_INVALID_PARAM), "pmu: configure a reserved event type");
    check(failed_with(pmu(SBI_PMU_CONFIG_MATCHING, 0, all_mask, 0, EVENT_FW(0xffff)),
                      SBI_ERR_NOT_SUPPORTED), "pmu: configure a platform event");
    check(failed_with(pmu(SBI_PMU_CONFIG_MATCHING, 0, 1, 0, event), SBI_ERR_NOT_SUPPORTED),
          "pmu: a firmware event on a hardware counter");
    check(failed_with(pmu(SBI_PMU_START, counters, 1, 0, 0), SBI_ERR_INVALID_PARAM),
          "pmu: start a counter that is not there");
    check(failed_with(pmu(SBI_PMU_FW_READ, 0, 0, 0, 0), SBI_ERR_INVALID_PARAM),
          "pmu: fw_read of a hardware counter");
    check(failed_with(pmu(99, 0, 0, 0, 0), SBI_ERR_NOT_SUPPORTED), "pmu: unknown function");
}

void test_pmu(void)
{
    uint32_t firmware = read_counters();
    struct sbi_ret cycle = pmu(SBI_PMU_GET_INFO, 0, 0, 0, 0);

    check(counters > 0 && counters <= 64, "pmu: a number of counters");
    check(firmware > 0, "pmu: firmware counters");
    check(cycle.error == 0 && (cycle.value & 0xfff) == 0xc00 && (cycle.value >> 12 & 63) == 63,
          "pmu: counter 0 is cycle, 64 bits wide");
    test_firmware_counter();
    test_hardware_counter(SBI_PMU_EVENT_CYCLES, 0, 0xc00);
    test_hardware_counter(SBI_PMU_EVENT_INSTRUCTIONS, 2, 0xc02);
    test_errors();
}

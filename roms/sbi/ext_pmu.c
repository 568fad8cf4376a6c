/*
 * Performance monitoring calls (SBI 2.0, chapter 11).
 *
 * Which hardware counter may count which event is what the device tree's riscv,pmu node says;
 * without one there are cycle and instret. An event's selector is its SBI event number unless
 * riscv,event-to-mhpmevent gives another. Left out: snapshot memory, Smcntrpmf, platform events.
 */
#include "roms/sbi/csr.h"
#include "roms/sbi/ecall.h"
#include "roms/sbi/platform.h"
#include "roms/sbi/pmu.h"

#define CONFIG_FLAGS_INHIBIT                                                               \
    (SBI_PMU_CFG_VUINH | SBI_PMU_CFG_VSINH | SBI_PMU_CFG_UINH | SBI_PMU_CFG_SINH |          \
     SBI_PMU_CFG_MINH)

static uint32_t total_count(void)
{
    return pmu_hw_count() + PMU_FW_COUNT;
}

static bool counter_exists(uint64_t counter)
{
    return counter < total_count() &&
           (counter >= pmu_hw_count() || (pmu_hw_mask() >> counter & 1) != 0);
}

static struct sbi_ret get_info(uint64_t counter)
{
    if (!counter_exists(counter)) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    if (counter >= pmu_hw_count()) {
        return SBI_OK(SBI_PMU_INFO_FIRMWARE);
    }
    uint64_t last_bit = pmu_hw_width_bits((uint32_t)counter) - 1;
    return SBI_OK(last_bit << 12 | (CSR_CYCLE + counter));
}

/* The set (base, mask) as a bitmap of counters; false when one of them does not exist. */
static bool select_counters(uint64_t base, uint64_t mask, uint64_t *set)
{
    uint64_t count = total_count();

    *set = 0;
    if (base >= count || mask == 0) {
        return false;
    }
    for (uint32_t bit = 0; bit < 64; bit++) {
        if ((mask >> bit & 1) != 0) {
            if (base + bit >= count) {
                return false;
            }
            *set |= 1ul << (base + bit);
        }
    }
    return true;
}

static bool event_is_valid(uint32_t event)
{
    uint32_t code = SBI_PMU_EVENT_CODE(event);

    switch (SBI_PMU_EVENT_TYPE(event)) {
    case SBI_PMU_TYPE_GENERAL:
        return code >= 1 && code <= SBI_PMU_GENERAL_LAST;
    case SBI_PMU_TYPE_CACHE:
        return code <= SBI_PMU_CACHE_LAST && (code >> 1 & 3) <= 2;
    case SBI_PMU_TYPE_RAW:
        return code == 0;
    case SBI_PMU_TYPE_FIRMWARE:
        return code <= SBI_FW_EVENT_LAST || code == SBI_FW_EVENT_PLATFORM;
    default:
        return false;
    }
}

/* Programmable counters that the device tree allows for this event. */
static uint32_t counters_for(uint32_t event, uint64_t data)
{
    uint32_t counters = 0;

    if (SBI_PMU_EVENT_TYPE(event) == SBI_PMU_TYPE_RAW) {
        for (uint32_t i = 0; i < platform.pmu_raw_count; i++) {
            const struct pmu_raw_range *r = &platform.pmu_raws[i];
            counters |= (data & r->mask) == r->select ? r->counters : 0;
        }
    } else {
        for (uint32_t i = 0; i < platform.pmu_range_count; i++) {
            const struct pmu_event_range *r = &platform.pmu_ranges[i];
            counters |= event >= r->first && event <= r->last ? r->counters : 0;
        }
    }
    return counters & pmu_hw_mask() & ~((1u << PMU_HPM_FIRST) - 1);
}

static uint64_t selector_of(uint32_t event, uint64_t data)
{
    if (SBI_PMU_EVENT_TYPE(event) == SBI_PMU_TYPE_RAW) {
        return data;
    }
    for (uint32_t i = 0; i < platform.pmu_select_count; i++) {
        if (platform.pmu_selects[i].event == event) {
            return platform.pmu_selects[i].select;
        }
    }
    return event;
}

static uint64_t inhibit_bits(const struct hart *self, uint64_t flags)
{
    if (!self->has_sscofpmf) {
        return 0;
    }
    return MHPMEVENT_OF | MHPMEVENT_MINH |
           ((flags & SBI_PMU_CFG_SINH) != 0 ? MHPMEVENT_SINH : 0) |
           ((flags & SBI_PMU_CFG_UINH) != 0 ? MHPMEVENT_UINH : 0) |
           ((flags & SBI_PMU_CFG_VSINH) != 0 ? MHPMEVENT_VSINH : 0) |
           ((flags & SBI_PMU_CFG_VUINH) != 0 ? MHPMEVENT_VUINH : 0);
}

/* A free counter of `set` for this hardware event, programmed for it; -1 if there is none. */
static int take_hw(struct hart *self, uint64_t set, uint32_t event, uint64_t data, uint64_t flags)
{
    uint32_t fixed = event == SBI_PMU_EVENT_CYCLES         ? PMU_CYCLE
                     : event == SBI_PMU_EVENT_INSTRUCTIONS ? PMU_INSTRET
                                                           : PMU_HW_MAX;
    uint32_t allowed = counters_for(event, data);
    uint32_t *used = self->pmu.hw_event;
    bool fixed_free = fixed < PMU_HW_MAX && (set >> fixed & 1) != 0 && used[fixed] == PMU_UNUSED;
    uint32_t take = PMU_HW_MAX;

    /* Only a programmable counter can leave out a mode or interrupt; else the fixed one is best. */
    if (fixed_free && !self->has_sscofpmf) {
        take = fixed;
    }
    for (uint32_t i = PMU_HPM_FIRST; take == PMU_HW_MAX && i < PMU_HW_MAX; i++) {
        if ((allowed & set) >> i & 1 && used[i] == PMU_UNUSED) {
            take = i;
        }
    }
    if (take == PMU_HW_MAX && fixed_free) {
        take = fixed;
    }
    if (take == PMU_HW_MAX) {
        return -1;
    }
    used[take] = event;
    pmu_hw_select(take, selector_of(event, data) | inhibit_bits(self, flags));
    return (int)take;
}

static int take_fw(struct pmu_hart *pmu, uint64_t set, uint32_t event)
{
    uint32_t first = pmu_hw_count();

    for (uint32_t i = 0; i < PMU_FW_COUNT; i++) {
        if ((set >> (first + i) & 1) != 0 && pmu->fw_event[i] == PMU_UNUSED) {
            pmu->fw_event[i] = SBI_PMU_EVENT_CODE(event);
            return (int)(first + i);
        }
    }
    return -1;
}

static bool is_configured(const struct pmu_hart *pmu, uint32_t counter)
{
    uint32_t first_fw = pmu_hw_count();

    return (counter < first_fw ? pmu->hw_event[counter] : pmu->fw_event[counter - first_fw]) !=
           PMU_UNUSED;
}

static bool is_started(const struct pmu_hart *pmu, uint32_t counter)
{
    uint32_t first_fw = pmu_hw_count();

    return (counter < first_fw ? pmu->hw_started >> counter
                               : pmu->fw_started >> (counter - first_fw)) & 1;
}

static void set_value(struct hart *self, uint32_t counter, uint64_t value)
{
    if (counter < pmu_hw_count()) {
        pmu_hw_write(counter, value);
    } else {
        self->pmu.fw_value[counter - pmu_hw_count()] = value;
    }
}

static void start_counter(struct hart *self, uint32_t counter)
{
    if (counter < pmu_hw_count()) {
        pmu_hw_start(self, counter);
    } else {
        self->pmu.fw_started |= 1u << (counter - pmu_hw_count());
    }
}

static void stop_counter(struct hart *self, uint32_t counter, bool release)
{
    uint32_t first_fw = pmu_hw_count();

    if (counter >= first_fw) {
        self->pmu.fw_started &= ~(1u << (counter - first_fw));
        if (release) {
            self->pmu.fw_event[counter - first_fw] = PMU_UNUSED;
        }
        return;
    }
    if (is_started(&self->pmu, counter)) {
        pmu_hw_stop(self, counter);
    }
    if (release && is_configured(&self->pmu, counter)) {
        self->pmu.hw_event[counter] = PMU_UNUSED;
        pmu_hw_select(counter, self->has_sscofpmf ? MHPMEVENT_OF : 0);
    }
}

static struct sbi_ret config_matching(const struct sbi_call *call)
{
    struct hart *self = call->self;
    uint64_t flags = call->arg[2];
    uint32_t event = (uint32_t)call->arg[3];
    uint64_t set;
    int counter = -1;

    if (!select_counters(call->arg[0], call->arg[1], &set) ||
        (flags & ~(uint64_t)SBI_PMU_CFG_ALL) != 0 || event >> 20 != 0 || !event_is_valid(event)) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    if ((flags & SBI_PMU_CFG_SKIP_MATCH) != 0) {
        for (counter = 0; (set >> counter & 1) == 0;) {
            counter++;
        }
        if (!counter_exists((uint32_t)counter) || !is_configured(&self->pmu, (uint32_t)counter)) {
            return SBI_ERROR(SBI_ERR_INVALID_PARAM);
        }
    } else if (SBI_PMU_EVENT_TYPE(event) != SBI_PMU_TYPE_FIRMWARE) {
        counter = take_hw(self, set, event, call->arg[4], flags & CONFIG_FLAGS_INHIBIT);
    } else if (SBI_PMU_EVENT_CODE(event) != SBI_FW_EVENT_PLATFORM) {
        counter = take_fw(&self->pmu, set, event);
    }
    if (counter < 0) {
        return SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    }
    if ((flags & SBI_PMU_CFG_CLEAR_VALUE) != 0) {
        set_value(self, (uint32_t)counter, 0);
    }
    if ((flags & SBI_PMU_CFG_AUTO_START) != 0) {
        start_counter(self, (uint32_t)counter);
    }
    return SBI_OK((uint64_t)counter);
}

/* Carries on past counters that refuse, as the document asks; the last refusal is the answer. */
static struct sbi_ret start(const struct sbi_call *call)
{
    struct sbi_ret ret = SBI_OK(0);
    uint64_t set;

    if (call->arg[2] >> 1 != 0) {
        return SBI_ERROR((call->arg[2] >> 1) == 1 ? SBI_ERR_NO_SHMEM : SBI_ERR_INVALID_PARAM);
    }
    if (!select_counters(call->arg[0], call->arg[1], &set)) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    for (uint32_t i = 0; i < 64 && set >> i != 0; i++) {
        if ((set >> i & 1) == 0) {
            continue;
        }
        if (!counter_exists(i) || !is_configured(&call->self->pmu, i)) {
            ret = SBI_ERROR(SBI_ERR_INVALID_PARAM);
        } else if (is_started(&call->self->pmu, i)) {
            ret = SBI_ERROR(SBI_ERR_ALREADY_STARTED);
        } else {
            if ((call->arg[2] & SBI_PMU_START_INIT_VALUE) != 0) {
                set_value(call->self, i, call->arg[3]);
            }
            start_counter(call->self, i);
        }
    }
    return ret;
}

static struct sbi_ret stop(const struct sbi_call *call)
{
    struct sbi_ret ret = SBI_OK(0);
    bool release = (call->arg[2] & SBI_PMU_STOP_RESET) != 0;
    uint64_t set;

    if (call->arg[2] >> 1 != 0) {
        return SBI_ERROR((call->arg[2] >> 1) == 1 ? SBI_ERR_NO_SHMEM : SBI_ERR_INVALID_PARAM);
    }
    if (!select_counters(call->arg[0], call->arg[1], &set)) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    for (uint32_t i = 0; i < 64 && set >> i != 0; i++) {
        if ((set >> i & 1) == 0) {
            continue;
        }
        if (!counter_exists(i)) {
            ret = SBI_ERROR(SBI_ERR_INVALID_PARAM);
            continue;
        }
        if (!is_started(&call->self->pmu, i)) {
            ret = SBI_ERROR(SBI_ERR_ALREADY_STOPPED);
        }
        stop_counter(call->self, i, release);
    }
    return ret;
}

static struct sbi_ret fw_read(const struct sbi_call *call)
{
    uint64_t first = pmu_hw_count();
    uint64_t counter = call->arg[0];

    if (counter < first || counter >= total_count() ||
        !is_configured(&call->self->pmu, (uint32_t)counter)) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    return SBI_OK(call->fid == SBI_PMU_FW_READ ? call->self->pmu.fw_value[counter - first] : 0);
}

struct sbi_ret ext_pmu(const struct sbi_call *call)
{
    switch (call->fid) {
    case SBI_PMU_NUM_COUNTERS:
        return SBI_OK(total_count());
    case SBI_PMU_GET_INFO:
        return get_info(call->arg[0]);
    case SBI_PMU_CONFIG_MATCHING:
        return config_matching(call);
    case SBI_PMU_START:
        return start(call);
    case SBI_PMU_STOP:
        return stop(call);
    case SBI_PMU_FW_READ:
    case SBI_PMU_FW_READ_HI:
        return fw_read(call);
    default:
        return SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    }
}

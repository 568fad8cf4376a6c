/*
 * Counter registers and firmware events. cycle and instret run from the start, whether S-mode has
 * configured them or not, so that rdcycle and rdinstret mean something to every program; they
 * stand still only after S-mode has stopped them.
 */
#include "roms/sbi/pmu.h"

#include "roms/sbi/csr.h"

static uint32_t hw_mask = 1u << PMU_CYCLE | 1u << PMU_INSTRET;
static uint8_t hw_width_bits[PMU_HW_MAX] = {[PMU_CYCLE] = 64, [PMU_INSTRET] = 64};

/* A counter that keeps no bit is not there, and neither is one that traps. */
static uint32_t probe_width_bits(uint32_t counter)
{
    uint64_t probe = probe_begin();
    uint32_t width_bits = 0;

    hpm_counter_write(counter, ~0ul);
    uint64_t kept = hpm_counter_read(counter);
    hpm_counter_write(counter, 0);
    if (probe_end(probe) != 0) {
        return 0;
    }
    while (width_bits < 64 && (kept >> width_bits & 1) != 0) {
        width_bits++;
    }
    return width_bits;
}

void pmu_probe(void)
{
    for (uint32_t counter = PMU_HPM_FIRST; counter < PMU_HW_MAX; counter++) {
        uint32_t width_bits = probe_width_bits(counter);
        if (width_bits != 0) {
            hw_mask |= 1u << counter;
            hw_width_bits[counter] = (uint8_t)width_bits;
        }
    }
}

uint32_t pmu_hw_mask(void)
{
    return hw_mask;
}

uint32_t pmu_hw_count(void)
{
    uint32_t count = PMU_HPM_FIRST;

    while (count < PMU_HW_MAX && hw_mask >> count != 0) {
        count++;
    }
    return count;
}

uint32_t pmu_hw_width_bits(uint32_t counter)
{
    return hw_width_bits[counter];
}

void pmu_hw_write(uint32_t counter, uint64_t value)
{
    if (counter == PMU_CYCLE) {
        csr_write(CSR_MCYCLE, value);
    } else if (counter == PMU_INSTRET) {
        csr_write(CSR_MINSTRET, value);
    } else {
        hpm_counter_write(counter, value);
    }
}

void pmu_hw_select(uint32_t counter, uint64_t select)
{
    if (counter >= PMU_HPM_FIRST) {
        hpm_event_write(counter, select);
    }
}

/*
 * OF set keeps a counter from interrupting. It is cleared here unless an overflow interrupt is
 * still pending, because then S-mode has yet to read from OF whose it was.
 */
static void arm_overflow(const struct hart *self, uint32_t counter)
{
    if (self->has_sscofpmf && counter >= PMU_HPM_FIRST &&
        (csr_read(CSR_MIP) & IRQ_BIT(IRQ_LCOFI)) == 0) {
        hpm_event_write(counter, hpm_event_read(counter) & ~MHPMEVENT_OF);
    }
}

void pmu_hw_start(struct hart *self, uint32_t counter)
{
    arm_overflow(self, counter);
    csr_clear(CSR_MCOUNTINHIBIT, 1ul << counter);
    self->pmu.hw_started |= 1u << counter;
}

void pmu_hw_stop(struct hart *self, uint32_t counter)
{
    csr_set(CSR_MCOUNTINHIBIT, 1ul << counter);
    self->pmu.hw_started &= ~(1u << counter);
}

static void forget_all(struct pmu_hart *pmu)
{
    for (uint32_t i = 0; i < PMU_HW_MAX; i++) {
        pmu->hw_event[i] = PMU_UNUSED;
    }
    for (uint32_t i = 0; i < PMU_FW_COUNT; i++) {
        pmu->fw_event[i] = PMU_UNUSED;
        pmu->fw_value[i] = 0;
    }
    pmu->hw_started = 0;
    pmu->fw_started = 0;
}

void pmu_hart_init(struct hart *self)
{
    csr_write(CSR_MCOUNTINHIBIT, ~(1u << PMU_CYCLE | 1u << PMU_INSTRET));
    forget_all(&self->pmu);
}

void pmu_hart_stop_all(struct hart *self)
{
    for (uint32_t counter = PMU_HPM_FIRST; counter < PMU_HW_MAX; counter++) {
        if (self->pmu.hw_event[counter] != PMU_UNUSED) {
            hpm_event_write(counter, self->has_sscofpmf ? MHPMEVENT_OF : 0);
        }
    }
    pmu_hart_init(self);
}

void pmu_count(struct hart *self, uint32_t event)
{
    struct pmu_hart *pmu = &self->pmu;

    for (uint32_t i = 0; pmu->fw_started >> i != 0; i++) {
        if ((pmu->fw_started >> i & 1) != 0 && pmu->fw_event[i] == event) {
            pmu->fw_value[i]++;
        }
    }
}

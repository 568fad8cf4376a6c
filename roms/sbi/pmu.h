/*
 * Performance counters of a hart, hardware and firmware, below the SBI calls of ext_pmu.c.
 *
 * Counters are numbered as in SBI: 0 cycle, 1 would be time and is not there, 2 instret, 3..31
 * mhpmcounter, then PMU_FW_COUNT firmware counters.
 */
#ifndef ROMS_SBI_PMU_H
#define ROMS_SBI_PMU_H

#include "roms/sbi/hart.h"

#define PMU_CYCLE 0u
#define PMU_TIME 1u
#define PMU_INSTRET 2u
#define PMU_HPM_FIRST 3u

/* Finds out which counters there are and how wide; on the first hart, for all. */
void pmu_probe(void);

/* Hardware counters by bit, and where the firmware's begin. */
uint32_t pmu_hw_mask(void);
uint32_t pmu_hw_count(void);
uint32_t pmu_hw_width_bits(uint32_t counter);

/* Nothing configured; cycle and instret run freely, the rest stands still. */
void pmu_hart_init(struct hart *self);

/* Stops and releases every counter, as a hart that stops must. */
void pmu_hart_stop_all(struct hart *self);

/* One more firmware event on this hart. */
void pmu_count(struct hart *self, uint32_t event);

/* Hardware counters of the running hart. `select` is an mhpmevent value; no effect below 3. */
void pmu_hw_write(uint32_t counter, uint64_t value);
void pmu_hw_select(uint32_t counter, uint64_t select);
void pmu_hw_start(struct hart *self, uint32_t counter);
void pmu_hw_stop(struct hart *self, uint32_t counter);

/* Sscofpmf's bits of mhpmevent. */
#define MHPMEVENT_OF (1ul << 63)
#define MHPMEVENT_MINH (1ul << 62)
#define MHPMEVENT_SINH (1ul << 61)
#define MHPMEVENT_UINH (1ul << 60)
#define MHPMEVENT_VSINH (1ul << 59)
#define MHPMEVENT_VUINH (1ul << 58)

#endif

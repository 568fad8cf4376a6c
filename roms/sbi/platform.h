/*
 * The board: what the device tree says of it, with QEMU's `virt` as the fallback where there is
 * no tree at all.
 */
#ifndef ROMS_SBI_PLATFORM_H
#define ROMS_SBI_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "roms/common/dtb.h"

#define RAM_BANKS_MAX 8
#define PMU_EVENTS_MAX 32

struct ram_bank {
    uint64_t base;
    uint64_t size_bytes;
};

/* One entry of the riscv,pmu node: these SBI events may use these counters. */
struct pmu_event_range {
    uint32_t first;
    uint32_t last;
    uint32_t counters;
};

/* riscv,event-to-mhpmevent: the selector for one event, where it is not the event's own number. */
struct pmu_event_select {
    uint32_t event;
    uint64_t select;
};

struct pmu_raw_range {
    uint64_t select;
    uint64_t mask;
    uint32_t counters;
};

/* Written by the first hart before boot_done, constant afterwards. */
struct platform {
    volatile uint64_t *mtime;
    volatile uint32_t *finisher;
    uint64_t uart_base;               /* 0: none */
    uint32_t uart_reg_shift;
    uint32_t uart_clock_hz;
    uint32_t ram_bank_count;
    struct ram_bank ram[RAM_BANKS_MAX];
    uint64_t initrd_start;
    uint64_t initrd_end;
    uint32_t pmu_range_count;
    uint32_t pmu_select_count;
    uint32_t pmu_raw_count;
    struct pmu_event_range pmu_ranges[PMU_EVENTS_MAX];
    struct pmu_event_select pmu_selects[PMU_EVENTS_MAX];
    struct pmu_raw_range pmu_raws[PMU_EVENTS_MAX];
};

extern struct platform platform;

/* Fills `platform` and the hart table; `tree` may be NULL, `boot_hart_id` is the caller's. */
void platform_init(const struct dtb *tree, uint64_t boot_hart_id);

/* True when [base, base + size) lies in RAM that belongs to S-mode. */
bool platform_is_s_mode_ram(uint64_t base, uint64_t size_bytes);

/* True when the range touches the firmware. */
bool platform_is_firmware(uint64_t base, uint64_t size_bytes);

/*
 * Adds the firmware to the tree's reserved memory, so that the next stage leaves it alone. The
 * tree stays where it is if there is free RAM behind it, else it moves to the gap between the
 * firmware and next_addr. False: there was room in neither place, or the tree is odd.
 */
bool platform_reserve_firmware(struct dtb *tree, uint64_t next_addr);

#endif

/*
 * Reading the board from its device tree. Two walks: the harts first, since the devices name them
 * by the handles of their interrupt controllers.
 */
#include "roms/sbi/platform.h"

#include "roms/common/mem.h"
#include "roms/sbi/aia.h"
#include "roms/sbi/dtb_edit.h"
#include "roms/sbi/hart.h"

#define CLINT_MTIMECMP 0x4000u
#define CLINT_MTIME 0xbff8u
#define IRQ_MACHINE_SOFT 3u
#define IRQ_MACHINE_TIMER 7u

struct platform platform = {
    .finisher = (volatile uint32_t *)0x100000,
};

/* Handle of each hart's interrupt controller; needed while booting only. */
static uint32_t intc_phandle[HART_COUNT_MAX];

/* `riscv,isa` is one string of names with underscores between them. */
static bool isa_string_has(const struct dtb_walk *at, const char *name)
{
    uint32_t bytes;
    const char *isa = (const char *)dtb_prop(at, "riscv,isa", &bytes);

    for (uint32_t i = 0; isa != NULL && i + 1 < bytes; i++) {
        size_t n = text_length(name);
        if (isa[i] == '_' && i + 1 + n < bytes && text_starts(isa + i + 1, name) &&
            (isa[i + 1 + n] == '_' || isa[i + 1 + n] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool isa_has(const struct dtb_walk *at, const char *name)
{
    return dtb_prop_has(at, "riscv,isa-extensions", name) || isa_string_has(at, name);
}

static void read_hart(const struct dtb_walk *at)
{
    uint64_t id;
    struct hart *hart = NULL;

    if (dtb_enabled(at) && dtb_reg(at, 0, &id, NULL)) {
        hart = hart_add(id);
    }
    if (hart != NULL) {
        hart->wants_adue = isa_has(at, "svadu") && !isa_has(at, "svade");
    }
}

static void read_harts(const struct dtb *tree)
{
    struct dtb_walk at;
    uint32_t before = 0;

    for (dtb_walk_init(&at, tree); dtb_walk_next(&at);) {
        if (at.depth == 3 && text_equal(dtb_name(&at, 1), "cpus") &&
            dtb_prop_has(&at, "device_type", "cpu")) {
            before = hart_count;
            read_hart(&at);
        } else if (at.depth == 4 && text_equal(dtb_name(&at, 2), "cpus") &&
                   dtb_prop_has(&at, "compatible", "riscv,cpu-intc") && hart_count > before) {
            intc_phandle[hart_count - 1] = dtb_prop_u32(&at, "phandle", 0);
        }
    }
}

static struct hart *hart_of_intc(uint32_t phandle)
{
    for (uint32_t i = 0; i < hart_count; i++) {
        if (intc_phandle[i] == phandle) {
            return &harts[i];
        }
    }
    return NULL;
}

/*
 * The n-th interrupt of a kind in interrupts-extended belongs to the n-th register of that kind:
 * msip words from `msip_base`, mtimecmp double words from `mtimecmp_base`; 0: not this device's.
 */
static void connect_timers(const struct dtb_walk *at, uint64_t msip_base, uint64_t mtimecmp_base)
{
    uint32_t bytes;
    const uint8_t *pairs = dtb_prop(at, "interrupts-extended", &bytes);

    for (uint32_t i = 0; pairs != NULL && bytes - i >= 8; i += 8) {
        struct hart *hart = hart_of_intc(dtb_be32(pairs + i));
        uint32_t irq = dtb_be32(pairs + i + 4);
        if (irq == IRQ_MACHINE_SOFT && msip_base != 0) {
            if (hart != NULL) {
                hart->msip = (volatile uint32_t *)msip_base;
            }
            msip_base += 4;
        } else if (irq == IRQ_MACHINE_TIMER && mtimecmp_base != 0) {
            if (hart != NULL) {
                hart->mtimecmp = (volatile uint64_t *)mtimecmp_base;
            }
            mtimecmp_base += 8;
        }
    }
}

static void read_timers(const struct dtb_walk *at)
{
    uint64_t base;
    uint64_t second;

    if (!dtb_reg(at, 0, &base, NULL)) {
        return;
    }
    if (dtb_prop_has(at, "compatible", "riscv,clint0") ||
        dtb_prop_has(at, "compatible", "sifive,clint0")) {
        connect_timers(at, base, base + CLINT_MTIMECMP);
        platform.mtime = (volatile uint64_t *)(base + CLINT_MTIME);
    } else if (dtb_prop_has(at, "compatible", "riscv,aclint-mswi")) {
        connect_timers(at, base, 0);
    } else if (dtb_prop_has(at, "compatible", "riscv,aclint-mtimer") &&
               dtb_reg(at, 1, &second, NULL)) {
        connect_timers(at, 0, second);
        platform.mtime = (volatile uint64_t *)base;
    }
}

static void read_uart(const struct dtb_walk *at)
{
    uint64_t base;

    if (platform.uart_base == 0 && dtb_enabled(at) && dtb_reg(at, 0, &base, NULL) &&
        (dtb_prop_has(at, "compatible", "ns16550a") ||
         dtb_prop_has(at, "compatible", "ns16550"))) {
        platform.uart_base = base;
        platform.uart_reg_shift = dtb_prop_u32(at, "reg-shift", 0);
        platform.uart_clock_hz = dtb_prop_u32(at, "clock-frequency", 0);
    }
}

static void read_finisher(const struct dtb_walk *at)
{
    uint64_t base;

    if ((dtb_prop_has(at, "compatible", "sifive,test1") ||
         dtb_prop_has(at, "compatible", "sifive,test0")) &&
        dtb_reg(at, 0, &base, NULL)) {
        platform.finisher = (volatile uint32_t *)base;
    }
}

static void read_memory(const struct dtb_walk *at)
{
    if (!dtb_prop_has(at, "device_type", "memory")) {
        return;
    }
    for (uint32_t i = 0; platform.ram_bank_count < RAM_BANKS_MAX; i++) {
        struct ram_bank *bank = &platform.ram[platform.ram_bank_count];
        if (!dtb_reg(at, i, &bank->base, &bank->size_bytes)) {
            return;
        }
        platform.ram_bank_count++;
    }
}

static uint64_t be64(const uint8_t *at)
{
    return (uint64_t)dtb_be32(at) << 32 | dtb_be32(at + 4);
}

/* Linux's Documentation/devicetree/bindings/perf/riscv,pmu.yaml describes these three tables. */
static void read_pmu(const struct dtb_walk *at)
{
    uint32_t bytes;
    const uint8_t *p = dtb_prop(at, "riscv,event-to-mhpmcounters", &bytes);

    for (uint32_t i = 0; p != NULL && i + 12 <= bytes && i / 12 < PMU_EVENTS_MAX; i += 12) {
        platform.pmu_ranges[platform.pmu_range_count++] = (struct pmu_event_range){
            dtb_be32(p + i), dtb_be32(p + i + 4), dtb_be32(p + i + 8)};
    }
    p = dtb_prop(at, "riscv,event-to-mhpmevent", &bytes);
    for (uint32_t i = 0; p != NULL && i + 12 <= bytes && i / 12 < PMU_EVENTS_MAX; i += 12) {
        platform.pmu_selects[platform.pmu_select_count++] =
            (struct pmu_event_select){dtb_be32(p + i), be64(p + i + 4)};
    }
    p = dtb_prop(at, "riscv,raw-event-to-mhpmcounters", &bytes);
    for (uint32_t i = 0; p != NULL && i + 20 <= bytes && i / 20 < PMU_EVENTS_MAX; i += 20) {
        platform.pmu_raws[platform.pmu_raw_count++] =
            (struct pmu_raw_range){be64(p + i), be64(p + i + 8), dtb_be32(p + i + 16)};
    }
}

static void read_devices(const struct dtb *tree)
{
    struct dtb_walk at;
    bool pmu_seen = false;

    platform.finisher = NULL;
    for (dtb_walk_init(&at, tree); dtb_walk_next(&at);) {
        if (at.depth == 2 && text_equal(dtb_name(&at, 0), "chosen")) {
            dtb_prop_number(&at, "linux,initrd-start", &platform.initrd_start);
            dtb_prop_number(&at, "linux,initrd-end", &platform.initrd_end);
        }
        if (!pmu_seen && dtb_prop_has(&at, "compatible", "riscv,pmu")) {
            pmu_seen = true;
            read_pmu(&at);
        }
        read_memory(&at);
        read_timers(&at);
        read_uart(&at);
        read_finisher(&at);
        aia_read_node(&at, hart_of_intc);
    }
    aia_delegate();
}

/* One hart of QEMU's virt, for an image that was started without a device tree. */
static void assume_virt(uint64_t hart_id)
{
    struct hart *hart = hart_add(hart_id);

    hart->msip = (volatile uint32_t *)(0x2000000 + 4 * hart_id);
    hart->mtimecmp = (volatile uint64_t *)(0x2004000 + 8 * hart_id);
    platform.mtime = (volatile uint64_t *)0x200bff8;
    platform.uart_base = 0x10000000;
    platform.ram[0] = (struct ram_bank){FIRMWARE_BASE, 16ul << 20};
    platform.ram_bank_count = 1;
}

void platform_init(const struct dtb *tree, uint64_t boot_hart_id)
{
    if (tree != NULL) {
        read_harts(tree);
    }
    if (tree == NULL || hart_find(boot_hart_id) == NULL) {
        hart_count = 0;
        assume_virt(boot_hart_id);
    } else {
        read_devices(tree);
    }
}

static bool ranges_meet(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

bool platform_is_firmware(uint64_t base, uint64_t size_bytes)
{
    return base + size_bytes < base ||
           ranges_meet(base, size_bytes, FIRMWARE_BASE, FIRMWARE_BYTES);
}

bool platform_is_s_mode_ram(uint64_t base, uint64_t size_bytes)
{
    if (platform_is_firmware(base, size_bytes)) {
        return false;
    }
    for (uint32_t i = 0; i < platform.ram_bank_count; i++) {
        const struct ram_bank *bank = &platform.ram[i];
        if (base >= bank->base && base - bank->base <= bank->size_bytes &&
            size_bytes <= bank->size_bytes - (base - bank->base)) {
            return true;
        }
    }
    return false;
}

/* Free as far as anyone can know: RAM without firmware, initrd or the next stage's first byte. */
static bool is_free(uint64_t base, uint64_t size_bytes, uint64_t next_addr)
{
    return platform_is_s_mode_ram(base, size_bytes) &&
           !ranges_meet(base, size_bytes, next_addr, 1) &&
           !ranges_meet(base, size_bytes, platform.initrd_start,
                        platform.initrd_end - platform.initrd_start);
}

bool platform_reserve_firmware(struct dtb *tree, uint64_t next_addr)
{
    uint64_t here = (uint64_t)(uintptr_t)tree->blob;
    uint64_t gap = FIRMWARE_BASE + FIRMWARE_BYTES;
    uint64_t wanted_bytes = (uint64_t)tree->total_bytes + DTB_RESERVE_GROWTH_BYTES;

    if (!is_free(here, wanted_bytes, next_addr)) {
        if (next_addr < gap + wanted_bytes || !is_free(gap, wanted_bytes, next_addr) ||
            ranges_meet(gap, wanted_bytes, here, tree->total_bytes)) {
            return false;
        }
        tree->blob = memcpy((void *)gap, tree->blob, tree->total_bytes);
    }
    return dtb_reserve(tree, FIRMWARE_BASE, FIRMWARE_BYTES);
}

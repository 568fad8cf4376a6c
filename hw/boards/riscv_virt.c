/* riscv-virt: address- and device-tree-compatible with QEMU's `virt` machine for RISC-V.
 *
 *   0x00001000  reset vector (ROM)      0x10000000  16550A, irq 10
 *   0x00100000  test finisher           0x10001000  virtio-mmio x 8, irq 1..8
 *   0x00101000  goldfish RTC, irq 11    0x10100000  fw_cfg
 *   0x02000000  CLINT                   0x20000000  flash, two banks of 32 MiB
 *   0x02f00000  ACLINT SSWI             0x80000000  RAM
 *   0x0c000000  PLIC, 95 sources, contexts M and S of each hart
 *               with AIA: APLIC, 0x0d000000 its S domain; 0x24000000, 0x28000000 IMSICs of M and S
 *   0x03000000  PCI: I/O; 0x30000000 ECAM; 0x40000000 memory; 16 GiB more behind RAM; irq 32..35
 *
 * The device tree has what is there and nothing else: kernels use at once what they are offered.
 * Left out so far: the platform bus. Unlike QEMU's default the
 * SSWI is always there, and virtio slots are listed from the lowest address up, so that the first
 * disk given is the first one Linux finds. */
#include "hw/block/cfi_flash.h"
#include "hw/board.h"
#include "hw/char/ns16550a.h"
#include "hw/fdt_build.h"
#include "hw/intc/aclint.h"
#include "hw/intc/aplic.h"
#include "hw/intc/imsic.h"
#include "hw/intc/plic.h"
#include "hw/misc/fw_cfg.h"
#include "hw/misc/sifive_test.h"
#include "hw/pci/pci_host.h"
#include "hw/rtc/goldfish.h"
#include "hw/virtio/virtio_mmio.h"
#include "hw/virtio/virtio_pci.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIRT_MROM_GPA 0x1000u
#define VIRT_MROM_BYTES 0xf000u
#define VIRT_TEST_GPA 0x100000u
#define VIRT_RTC_GPA 0x101000u
#define VIRT_CLINT_GPA 0x2000000u
#define VIRT_SSWI_GPA 0x2f00000u
#define VIRT_PLIC_GPA 0xc000000u
#define VIRT_APLIC_M_GPA 0xc000000u
#define VIRT_APLIC_S_GPA 0xd000000u
#define VIRT_UART_GPA 0x10000000u
#define VIRT_VIRTIO_GPA 0x10001000u
#define VIRT_VIRTIO_STRIDE 0x1000u
#define VIRT_FW_CFG_GPA 0x10100000u
#define VIRT_IMSIC_M_GPA 0x24000000u
#define VIRT_IMSIC_S_GPA 0x28000000u
#define VIRT_FLASH_GPA 0x20000000u
#define VIRT_FLASH_BYTES 0x2000000u
#define VIRT_PCI_IO_GPA 0x3000000u
#define VIRT_PCI_ECAM_GPA 0x30000000u
#define VIRT_PCI_MEMORY32_GPA 0x40000000u
#define VIRT_PCI_MEMORY32_BYTES 0x40000000u
#define VIRT_PCI_MEMORY64_BYTES ((u64)16 << 30)
#define VIRT_RAM_GPA 0x80000000u
#define VIRT_KERNEL_GPA 0x80200000u
#define VIRT_FDT_CEILING 0xc0000000u /* the tree lies below 3 GiB, as 32-bit firmware wants */

enum {
    VIRT_PLIC_SOURCES = 95,
    VIRT_APLIC_SOURCES = 96,
    VIRT_VIRTIO_SLOTS = 8,
    VIRT_IRQ_VIRTIO = 1,
    VIRT_IRQ_UART = 10,
    VIRT_IRQ_RTC = 11,
    VIRT_IRQ_PCI = 32, /* to 35: INTA to INTD */
    VIRT_UART_CLOCK_HZ = 3686400,

    VIRT_MODE_S = 1, /* fw_dynamic's next_mode */

    VIRT_FDT_ALIGN = 2 << 20,
    VIRT_FDT_ROOM = 64 << 10, /* firmware grows the tree in place */
    VIRT_MIN_RAM = 4 << 20,

    VIRT_PHANDLE_IRQ = 1, /* the controller that devices' wires end in */
    VIRT_PHANDLE_TEST = 2,
    VIRT_PHANDLE_CPU = 3, /* two per hart: the cpu, its interrupt controller */
};

struct virt_placed {
    struct device *device;
    struct device_place place;
};

struct riscv_virt {
    struct plic_config plic;
    struct aplic_config aplic;
    struct imsic_config imsic[2]; /* IMSIC_M, IMSIC_S */
    struct device *imsic_device[2];
    u32 msi_phandle; /* of the controller that takes devices' messages, or 0 */
    struct aclint_config aclint;
    struct ns16550a_config uart;
    struct cfi_flash_config flash[BOARD_FLASH_BANKS];
    struct virtio_mmio_config virtio[VIRT_VIRTIO_SLOTS];
    struct virtio_pci_config virtio_pci[PCI_HOST_SLOTS];
    struct pci_host_config pci;
    struct device *pci_host;
    u32 cpu_irq_phandles[BOARD_MAX_HARTS];
    struct device *irq_device; /* PLIC or APLIC */
    struct device *fw_cfg;
    struct virt_placed placed[BOARD_MAX_DEVICES]; /* devices that write their own node */
    unsigned placed_count;
};

/* ---- Devices and wires ---- */

/* Adds a device whose regions lie at `gpas`; its outputs go to interrupt sources from `irq` on,
 * unless that is 0. */
static struct device *virt_add_at(struct board *board, const struct device_spec *spec,
                                  const gpa_t *gpas, unsigned gpa_count, unsigned irq, u32 phandle,
                                  struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    struct device *device = board_add_device(board, spec, gpas, gpa_count, error);
    if (device == NULL) {
        return NULL;
    }
    for (unsigned i = 0; irq != 0 && i < spec->output_count; i++) {
        device_connect(device, i, device_input_line(virt->irq_device, irq + i));
    }
    struct virt_placed *placed = &virt->placed[virt->placed_count++];
    *placed = (struct virt_placed){
        device,
        {.irq = irq, .irq_phandle = VIRT_PHANDLE_IRQ, .phandle = phandle,
         .irq_has_type = board->options.aia != BOARD_AIA_NONE, .msi_phandle = virt->msi_phandle,
         .cpu_irq_phandles = virt->cpu_irq_phandles, .hart_count = board->env.hart_count}};
    memcpy(placed->place.gpa, gpas, gpa_count * sizeof(*gpas));
    return device;
}

static struct device *virt_add(struct board *board, const struct device_spec *spec, gpa_t gpa,
                               unsigned irq, u32 phandle, struct metic_error *error)
{
    return virt_add_at(board, spec, &gpa, 1, irq, phandle, error);
}

static bool virt_add_plic(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    unsigned harts = board->env.hart_count;
    virt->plic = (struct plic_config){VIRT_PLIC_SOURCES, harts * 2};
    struct device_spec plic = {&plic_class, "plic", &virt->plic, harts * 2, {0}};
    virt->irq_device = virt_add(board, &plic, VIRT_PLIC_GPA, 0, VIRT_PHANDLE_IRQ, error);
    for (unsigned h = 0; virt->irq_device != NULL && h < harts; h++) {
        device_connect(virt->irq_device, 2 * h, board_hart_line(board, h, BOARD_IRQ_MEI));
        device_connect(virt->irq_device, 2 * h + 1, board_hart_line(board, h, BOARD_IRQ_SEI));
    }
    return virt->irq_device != NULL;
}

static bool virt_add_aplic(struct board *board, struct metic_error *error)
{
    static const gpa_t gpas[APLIC_DOMAINS] = {VIRT_APLIC_M_GPA, VIRT_APLIC_S_GPA};
    struct riscv_virt *virt = board->private;
    unsigned harts = board->env.hart_count;
    u32 phandle = VIRT_PHANDLE_CPU + 2 * harts; /* the next free ones */
    virt->aplic = (struct aplic_config){
        .source_count = VIRT_APLIC_SOURCES, .hart_count = harts,
        .messages = board->options.aia == BOARD_AIA_APLIC_IMSIC,
        .phandle = {[APLIC_M] = phandle, [APLIC_S] = VIRT_PHANDLE_IRQ},
        .msi_phandle = {[APLIC_M] = phandle + 1, [APLIC_S] = phandle + 2}};
    struct device_spec aplic = {&aplic_class, "aplic", &virt->aplic, APLIC_DOMAINS * harts, {0}};
    virt->irq_device = virt_add_at(board, &aplic, gpas, APLIC_DOMAINS, 0, 0, error);
    for (unsigned h = 0; virt->irq_device != NULL && h < harts; h++) {
        if (!virt->aplic.messages) {
            device_connect(virt->irq_device, h, board_hart_line(board, h, BOARD_IRQ_MEI));
            device_connect(virt->irq_device, harts + h, board_hart_line(board, h, BOARD_IRQ_SEI));
        }
    }
    return virt->irq_device != NULL;
}

/* A device's write that is an interrupt: to a page of an IMSIC, or into RAM, where a driver may
 * look for it. */
static void virt_message(void *opaque, gpa_t gpa, u32 data)
{
    const struct board *board = opaque;
    const struct riscv_virt *virt = board->private;
    static const gpa_t pages[] = {[IMSIC_M] = VIRT_IMSIC_M_GPA, [IMSIC_S] = VIRT_IMSIC_S_GPA};
    for (unsigned i = 0; i < ARRAY_LEN(pages); i++) {
        if (gpa - pages[i] < (u64)board->env.hart_count * IMSIC_PAGE_BYTES) {
            imsic_message(virt->imsic_device[i], gpa - pages[i], data);
            return;
        }
    }
    u8 bytes[4];
    st_le32(bytes, data);
    memory_dma_write(board->env.devices.memory, gpa, bytes, sizeof(bytes));
}

static bool virt_add_imsics(struct board *board, struct metic_error *error)
{
    static const char *const names[] = {[IMSIC_M] = "imsic.m", [IMSIC_S] = "imsic.s"};
    static const gpa_t gpas[] = {[IMSIC_M] = VIRT_IMSIC_M_GPA, [IMSIC_S] = VIRT_IMSIC_S_GPA};
    struct riscv_virt *virt = board->private;
    unsigned harts = board->env.hart_count;
    u32 phandle = VIRT_PHANDLE_CPU + 2 * harts + 1;
    CHECK(board->env.hart_message != NULL);
    for (unsigned i = 0; i < ARRAY_LEN(gpas); i++) {
        virt->imsic[i] = (struct imsic_config){harts, i, board->env.hart_message,
                                               board->env.hart_opaque};
        struct device_spec spec = {&imsic_class, names[i], &virt->imsic[i], 0,
                                   {harts * IMSIC_PAGE_BYTES}};
        virt->imsic_device[i] = virt_add(board, &spec, gpas[i], 0, phandle + i, error);
        if (virt->imsic_device[i] == NULL) {
            return false;
        }
    }
    virt->msi_phandle = phandle + IMSIC_S;
    board->env.devices.message = virt_message;
    board->env.devices.message_opaque = board;
    return true;
}

static bool virt_add_clint(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    unsigned harts = board->env.hart_count;
    virt->aclint = (struct aclint_config){harts};
    struct device_spec clint = {&clint_class, "clint", &virt->aclint, harts * 2, {0}};
    struct device_spec sswi = {&aclint_sswi_class, "sswi", &virt->aclint, harts, {0}};
    board->timer = virt_add(board, &clint, VIRT_CLINT_GPA, 0, 0, error);
    struct device *sswi_device =
        board->timer != NULL ? virt_add(board, &sswi, VIRT_SSWI_GPA, 0, 0, error) : NULL;
    if (sswi_device == NULL) {
        return false;
    }
    for (unsigned h = 0; h < harts; h++) {
        device_connect(board->timer, h, board_hart_line(board, h, BOARD_IRQ_MSI));
        device_connect(board->timer, harts + h, board_hart_line(board, h, BOARD_IRQ_MTI));
        device_connect(sswi_device, h, board_hart_line(board, h, BOARD_IRQ_SSI));
    }
    return true;
}

static bool virt_add_interrupts(struct board *board, struct metic_error *error)
{
    bool controller = false;
    switch (board->options.aia) {
    case BOARD_AIA_NONE: controller = virt_add_plic(board, error); break;
    case BOARD_AIA_APLIC: controller = virt_add_aplic(board, error); break;
    case BOARD_AIA_APLIC_IMSIC:
        controller = virt_add_imsics(board, error) && virt_add_aplic(board, error);
        break;
    }
    return controller && virt_add_clint(board, error);
}

static bool virt_add_virtio_mmio(struct board *board, unsigned slot,
                                 const struct board_virtio *wanted, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    char name[32];
    snprintf(name, sizeof(name), "virtio%u", slot);
    if (wanted != NULL) {
        snprintf(name, sizeof(name), "%s", wanted->name);
        virt->virtio[slot] = (struct virtio_mmio_config){wanted->type, wanted->config};
    }
    struct device_spec spec = {&virtio_mmio_class, name, &virt->virtio[slot], 1, {0}};
    return virt_add(board, &spec, VIRT_VIRTIO_GPA + slot * VIRT_VIRTIO_STRIDE,
                    VIRT_IRQ_VIRTIO + slot, 0, error) != NULL;
}

static bool virt_add_virtio_pci(struct board *board, unsigned slot,
                                const struct board_virtio *wanted, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    struct virtio_pci_config *config = &virt->virtio_pci[slot];
    *config = (struct virtio_pci_config){wanted->type, wanted->config,
                                         board->env.devices.message != NULL};
    struct device_spec spec = {&virtio_pci_class, wanted->name, config, 1, {0}};
    struct device *device = board_add_device(board, &spec, NULL, 0, error);
    if (device != NULL) {
        pci_host_attach(virt->pci_host, slot, device);
    }
    return device != NULL;
}

/* Devices take the mmio slots from the lowest up, or those of PCI; who finds no place there goes to
 * the other. mmio slots left over are there and empty, as QEMU's. */
static bool virt_add_virtio(struct board *board, struct metic_error *error)
{
    const struct board_options *options = &board->options;
    unsigned mmio = 0;
    unsigned slot = 1; /* the host bridge has slot 0 */
    for (unsigned i = 0; i < options->virtio_count; i++) {
        const struct board_virtio *wanted = &options->virtio[i];
        bool on_pci = mmio == VIRT_VIRTIO_SLOTS || (options->virtio_pci && slot < PCI_HOST_SLOTS);
        if (on_pci ? !virt_add_virtio_pci(board, slot++, wanted, error)
                   : !virt_add_virtio_mmio(board, mmio++, wanted, error)) {
            return false;
        }
    }
    while (mmio < VIRT_VIRTIO_SLOTS) {
        if (!virt_add_virtio_mmio(board, mmio++, NULL, error)) {
            return false;
        }
    }
    return true;
}

/* The 64-bit window lies behind RAM, aligned to its size. */
static bool virt_add_pci(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    u64 ram_end = VIRT_RAM_GPA + board->options.ram_bytes;
    virt->pci = (struct pci_host_config){
        VIRT_PCI_MEMORY32_GPA, VIRT_PCI_MEMORY32_BYTES,
        bits_align_up(ram_end, VIRT_PCI_MEMORY64_BYTES), VIRT_PCI_MEMORY64_BYTES};
    struct device_spec spec = {&pci_host_class, "pci", &virt->pci, PCI_HOST_LINES,
                               {[PCI_HOST_MEMORY32] = virt->pci.memory32_bytes,
                                [PCI_HOST_MEMORY64] = virt->pci.memory64_bytes}};
    const gpa_t gpas[PCI_HOST_REGIONS] = {
        [PCI_HOST_ECAM] = VIRT_PCI_ECAM_GPA, [PCI_HOST_IO] = VIRT_PCI_IO_GPA,
        [PCI_HOST_MEMORY32] = virt->pci.memory32_gpa,
        [PCI_HOST_MEMORY64] = virt->pci.memory64_gpa};
    virt->pci_host = virt_add_at(board, &spec, gpas, PCI_HOST_REGIONS, VIRT_IRQ_PCI, 0, error);
    return virt->pci_host != NULL;
}

static bool virt_add_flash(struct board *board, struct metic_error *error)
{
    static const char *const names[BOARD_FLASH_BANKS] = {"flash0", "flash1"};
    struct riscv_virt *virt = board->private;
    for (unsigned i = 0; i < BOARD_FLASH_BANKS; i++) {
        virt->flash[i] = (struct cfi_flash_config){board->options.flash_paths[i],
                                                   board->options.flash_write[i]};
        struct device_spec spec = {&cfi_flash_class, names[i], &virt->flash[i], 0,
                                   {VIRT_FLASH_BYTES}};
        gpa_t gpa = board->class->flash_gpa[i];
        if (board_add_device(board, &spec, &gpa, 1, error) == NULL) {
            return false;
        }
    }
    return true;
}

static bool virt_add_devices(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    virt->uart = (struct ns16550a_config){board->options.uart, VIRT_UART_CLOCK_HZ};
    struct device_spec test = {&sifive_test_class, "test", NULL, 0, {0}};
    struct device_spec rtc = {&goldfish_rtc_class, "rtc", NULL, 1, {0}};
    struct device_spec uart = {&ns16550a_class, "uart0", &virt->uart, 1, {0}};
    struct device_spec fw_cfg = {&fw_cfg_class, "fw_cfg", NULL, 0, {0}};
    if (!virt_add_interrupts(board, error) ||
        virt_add(board, &test, VIRT_TEST_GPA, 0, VIRT_PHANDLE_TEST, error) == NULL ||
        virt_add(board, &rtc, VIRT_RTC_GPA, VIRT_IRQ_RTC, 0, error) == NULL ||
        virt_add(board, &uart, VIRT_UART_GPA, VIRT_IRQ_UART, 0, error) == NULL ||
        !virt_add_pci(board, error) || !virt_add_virtio(board, error)) {
        return false;
    }
    virt->fw_cfg = virt_add(board, &fw_cfg, VIRT_FW_CFG_GPA, 0, 0, error);
    return virt->fw_cfg != NULL && virt_add_flash(board, error);
}

static bool virt_create(struct board *board, struct metic_error *error)
{
    struct memory *memory = board->env.devices.memory;
    struct riscv_virt *virt = calloc(1, sizeof(*virt));
    board->private = virt;
    if (virt == NULL) {
        return error_set(error, NULL, "out of memory");
    }
    u64 ram_bytes = board->options.ram_bytes;
    if (ram_bytes < VIRT_MIN_RAM || ram_bytes % PAGE_BYTES != 0) {
        return error_set(error, "give at least 4 MiB, in whole pages",
                         "%llu bytes of RAM are too few or no whole pages",
                         (unsigned long long)ram_bytes);
    }
    for (unsigned h = 0; h < board->env.hart_count; h++) {
        virt->cpu_irq_phandles[h] = VIRT_PHANDLE_CPU + 2 * h + 1;
    }
    u64 ram_end = VIRT_RAM_GPA + ram_bytes;
    u64 ceiling = ram_end < VIRT_FDT_CEILING ? ram_end : VIRT_FDT_CEILING;
    board->fdt_limit_gpa = bits_align_down(ceiling - VIRT_FDT_ALIGN, VIRT_FDT_ALIGN);
    return memory_add_ram(memory, "ram", VIRT_RAM_GPA, ram_bytes, error) &&
           memory_add_rom(memory, "mrom", VIRT_MROM_GPA, VIRT_MROM_BYTES, error) &&
           virt_add_devices(board, error);
}

static void virt_destroy(struct board *board)
{
    free(board->private);
    board->private = NULL;
}

/* ---- The device tree ---- */

static bool virt_has_extension(const struct board *board, const char *name)
{
    for (unsigned i = 0; i < board->options.isa_extension_count; i++) {
        if (strcmp(board->options.isa_extensions[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void virt_fdt_cpu(const struct board *board, struct fdt_build *fdt, unsigned hart)
{
    static const struct {
        const char *extension, *property;
    } blocks[] = {{"zicbom", "riscv,cbom-block-size"},
                  {"zicbop", "riscv,cbop-block-size"},
                  {"zicboz", "riscv,cboz-block-size"}};
    const struct board_options *options = &board->options;
    fdt_build_begin_at(fdt, "cpu", hart);
    fdt_build_u32(fdt, "phandle", VIRT_PHANDLE_CPU + 2 * hart);
    fdt_build_string(fdt, "device_type", "cpu");
    fdt_build_u32(fdt, "reg", hart);
    fdt_build_string(fdt, "status", "okay");
    fdt_build_string(fdt, "compatible", "riscv");
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        if (virt_has_extension(board, blocks[i].extension)) {
            fdt_build_u32(fdt, blocks[i].property, 64);
        }
    }
    fdt_build_string_list(fdt, "riscv,isa-extensions", options->isa_extensions,
                          options->isa_extension_count);
    fdt_build_string(fdt, "riscv,isa-base", "rv64i");
    fdt_build_string(fdt, "riscv,isa", options->isa);
    fdt_build_string(fdt, "mmu-type", options->mmu_type);
    fdt_build_begin(fdt, "interrupt-controller");
    fdt_build_u32(fdt, "#interrupt-cells", 1);
    fdt_build_empty(fdt, "interrupt-controller");
    fdt_build_string(fdt, "compatible", "riscv,cpu-intc");
    fdt_build_u32(fdt, "phandle", VIRT_PHANDLE_CPU + 2 * hart + 1);
    fdt_build_end(fdt);
    fdt_build_end(fdt);
}

static void virt_fdt_cpus(const struct board *board, struct fdt_build *fdt)
{
    fdt_build_begin(fdt, "cpus");
    fdt_build_u32(fdt, "#address-cells", 1);
    fdt_build_u32(fdt, "#size-cells", 0);
    fdt_build_u32(fdt, "timebase-frequency", ACLINT_TIMEBASE_HZ);
    for (unsigned h = 0; h < board->env.hart_count; h++) {
        virt_fdt_cpu(board, fdt, h);
    }
    fdt_build_begin(fdt, "cpu-map");
    fdt_build_begin(fdt, "cluster0");
    for (unsigned h = 0; h < board->env.hart_count; h++) {
        char name[16];
        snprintf(name, sizeof(name), "core%u", h);
        fdt_build_begin(fdt, name);
        fdt_build_u32(fdt, "cpu", VIRT_PHANDLE_CPU + 2 * h);
        fdt_build_end(fdt);
    }
    fdt_build_end(fdt);
    fdt_build_end(fdt);
    fdt_build_end(fdt);
}

/* Which counters count which SBI event: 1 cycles (also mcycle), 2 instructions (also minstret). */
static void virt_fdt_pmu(const struct board *board, struct fdt_build *fdt)
{
    u32 counters = board->options.pmu_counters;
    if (counters == 0) {
        return;
    }
    const u32 events[] = {1, 0, 1, 2, 0, 2};
    const u32 ranges[] = {1, 1, counters | 1, 2, 2, counters | 4};
    fdt_build_begin(fdt, "pmu");
    fdt_build_cells(fdt, "riscv,event-to-mhpmevent", events, ARRAY_LEN(events));
    fdt_build_cells(fdt, "riscv,event-to-mhpmcounters", ranges, ARRAY_LEN(ranges));
    fdt_build_string(fdt, "compatible", "riscv,pmu");
    fdt_build_end(fdt);
}

static void virt_fdt_syscon(struct fdt_build *fdt, const char *name, const char *compatible,
                            u32 value)
{
    fdt_build_begin(fdt, name);
    fdt_build_u32(fdt, "value", value);
    fdt_build_u32(fdt, "offset", 0);
    fdt_build_u32(fdt, "regmap", VIRT_PHANDLE_TEST);
    fdt_build_string(fdt, "compatible", compatible);
    fdt_build_end(fdt);
}

static void virt_fdt_flash(struct fdt_build *fdt)
{
    const u32 reg[] = {0, VIRT_FLASH_GPA, 0, VIRT_FLASH_BYTES,
                       0, VIRT_FLASH_GPA + VIRT_FLASH_BYTES, 0, VIRT_FLASH_BYTES};
    fdt_build_begin_at(fdt, "flash", VIRT_FLASH_GPA);
    fdt_build_u32(fdt, "bank-width", 4);
    fdt_build_cells(fdt, "reg", reg, ARRAY_LEN(reg));
    fdt_build_string(fdt, "compatible", "cfi-flash");
    fdt_build_end(fdt);
}

static void virt_fdt_chosen(const struct board *board, const struct board_boot *boot,
                            struct fdt_build *fdt)
{
    fdt_build_begin(fdt, "chosen");
    fdt_build_string(fdt, "stdout-path", "/soc/serial@10000000");
    if (boot->bootargs != NULL) {
        fdt_build_string(fdt, "bootargs", boot->bootargs);
    }
    if (boot->initrd_gpa != 0) {
        fdt_build_u64(fdt, "linux,initrd-start", boot->initrd_gpa);
        fdt_build_u64(fdt, "linux,initrd-end", boot->initrd_gpa + boot->initrd_bytes);
    }
    if (boot->rng_seed) {
        u8 seed[32];
        journal_entropy(board->env.devices.journal, seed, sizeof(seed));
        fdt_build_bytes(fdt, "rng-seed", seed, sizeof(seed));
    }
    fdt_build_end(fdt);
}

static void virt_fdt_soc(const struct board *board, struct fdt_build *fdt)
{
    const struct riscv_virt *virt = board->private;
    fdt_build_begin(fdt, "soc");
    fdt_build_u32(fdt, "#address-cells", 2);
    fdt_build_u32(fdt, "#size-cells", 2);
    fdt_build_string(fdt, "compatible", "simple-bus");
    fdt_build_empty(fdt, "ranges");
    for (unsigned i = 0; i < virt->placed_count; i++) {
        const struct virt_placed *placed = &virt->placed[i];
        if (placed->device->class->fdt != NULL && placed->device != virt->fw_cfg) {
            placed->device->class->fdt(placed->device, &placed->place, fdt);
        }
    }
    fdt_build_end(fdt);
}

static bool virt_build_fdt(const struct board *board, const struct board_boot *boot, void **blob,
                           u32 *size_bytes, struct metic_error *error)
{
    struct fdt_build fdt;
    struct device_place fw_cfg_place = {.gpa = {VIRT_FW_CFG_GPA}};
    const struct riscv_virt *virt = board->private;
    fdt_build_init(&fdt);
    fdt_build_begin(&fdt, "");
    fdt_build_u32(&fdt, "#address-cells", 2);
    fdt_build_u32(&fdt, "#size-cells", 2);
    fdt_build_string(&fdt, "compatible", "riscv-virtio");
    fdt_build_string(&fdt, "model", "riscv-virtio,metic");
    virt_fdt_chosen(board, boot, &fdt);
    fdt_build_begin(&fdt, "aliases");
    fdt_build_string(&fdt, "serial0", "/soc/serial@10000000");
    fdt_build_end(&fdt);
    fdt_build_begin_at(&fdt, "memory", VIRT_RAM_GPA);
    fdt_build_string(&fdt, "device_type", "memory");
    fdt_build_reg(&fdt, VIRT_RAM_GPA, board->options.ram_bytes);
    fdt_build_end(&fdt);
    virt_fdt_cpus(board, &fdt);
    virt_fdt_pmu(board, &fdt);
    virt_fdt_soc(board, &fdt);
    virt->fw_cfg->class->fdt(virt->fw_cfg, &fw_cfg_place, &fdt);
    virt_fdt_flash(&fdt);
    virt_fdt_syscon(&fdt, "poweroff", "syscon-poweroff", 0x5555);
    virt_fdt_syscon(&fdt, "reboot", "syscon-reboot", 0x7777);
    fdt_build_end(&fdt);
    bool ok = fdt_build_finish(&fdt, blob, size_bytes, error);
    fdt_build_fini(&fdt);
    return ok;
}

/* ---- Boot ---- */

/* Six instructions that load a0 = hart id, a1 = device tree, a2 = fw_dynamic information and jump;
 * then their constants. The layout is QEMU's, which debuggers and scripts know. */
static bool virt_write_reset_vector(struct board *board, const struct board_boot *boot)
{
    static const u32 code[6] = {
        0x00000297, /* auipc t0, 0 */
        0x02828613, /* addi a2, t0, 40 */
        0xf1402573, /* csrr a0, mhartid */
        0x0202b583, /* ld a1, 32(t0) */
        0x0182b283, /* ld t0, 24(t0) */
        0x00028067, /* jr t0 */
    };
    /* Without a kernel in RAM the firmware goes on in flash, where UEFI firmware runs in S-mode. */
    bool in_flash = boot->kernel_gpa == 0 && board->options.flash_paths[0] != NULL;
    const u64 data[] = {
        boot->entry != 0 ? boot->entry : board->class->firmware_gpa, /* +24 */
        board->fdt_gpa,                                              /* +32 */
        0x4942534f, /* +40 fw_dynamic_info: magic "OSBI" */
        2,          /* version */
        in_flash ? VIRT_FLASH_GPA : boot->kernel_gpa,
        in_flash ? VIRT_MODE_S : boot->kernel_mode,
        0,          /* options */
        0,          /* boot hart */
    };
    u8 rom[sizeof(code) + sizeof(data)];
    for (size_t i = 0; i < ARRAY_LEN(code); i++) {
        st_le32(rom + 4 * i, code[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(data); i++) {
        st_le64(rom + sizeof(code) + 8 * i, data[i]);
    }
    return memory_load(board->env.devices.memory, VIRT_MROM_GPA, rom, sizeof(rom));
}

static bool virt_overlap(u64 a, u64 a_bytes, u64 b, u64 b_bytes)
{
    return a_bytes != 0 && b_bytes != 0 && a < b + b_bytes && b < a + a_bytes;
}

/* Places a tree of `size_bytes` as high as it may go. */
static bool virt_place_fdt(struct board *board, const struct board_boot *boot, u64 size_bytes,
                           struct metic_error *error)
{
    u64 ram_end = VIRT_RAM_GPA + board->options.ram_bytes;
    u64 ceiling = ram_end < VIRT_FDT_CEILING ? ram_end : VIRT_FDT_CEILING;
    u64 room = size_bytes + VIRT_FDT_ROOM;
    u64 gpa = room < ceiling ? bits_align_down(ceiling - room, VIRT_FDT_ALIGN) : 0;
    if (gpa < VIRT_RAM_GPA ||
        virt_overlap(gpa, room, boot->kernel_gpa, boot->kernel_bytes) ||
        virt_overlap(gpa, room, boot->initrd_gpa, boot->initrd_bytes)) {
        return error_set(error, "give the machine more memory (--ram)",
                         "kernel, initrd and device tree do not fit into %llu MiB of RAM",
                         (unsigned long long)(board->options.ram_bytes >> 20));
    }
    board->fdt_gpa = gpa;
    board->fdt_bytes = size_bytes;
    return true;
}

static bool virt_set_fw_cfg(const struct board *board, struct metic_error *error)
{
    const struct riscv_virt *virt = board->private;
    u16 harts = (u16)board->env.hart_count;
    return fw_cfg_set_u64(virt->fw_cfg, FW_CFG_RAM_SIZE, board->options.ram_bytes, error) &&
           fw_cfg_set_u16(virt->fw_cfg, FW_CFG_NB_CPUS, harts, error) &&
           fw_cfg_set_u16(virt->fw_cfg, FW_CFG_MAX_CPUS, harts, error) &&
           fw_cfg_set_u16(virt->fw_cfg, FW_CFG_NOGRAPHIC, 1, error) &&
           fw_cfg_set_u16(virt->fw_cfg, FW_CFG_BOOT_MENU, 0, error) &&
           fw_cfg_set_bytes(virt->fw_cfg, FW_CFG_UUID, (const u8[16]){0}, 16, error);
}

static bool virt_prepare_boot(struct board *board, const struct board_boot *boot,
                              struct metic_error *error)
{
    void *built = NULL;
    u32 size_bytes = 0;
    if (boot->fdt != NULL) {
        if (boot->fdt_bytes > INT32_MAX || fdt_check_full(boot->fdt, boot->fdt_bytes) != 0) {
            return error_set(error, "check it with dtc -I dtb", "the device tree given is damaged");
        }
        size_bytes = fdt_totalsize(boot->fdt);
    } else if (!virt_build_fdt(board, boot, &built, &size_bytes, error)) {
        return false;
    }
    const void *blob = boot->fdt != NULL ? boot->fdt : built;
    bool ok = virt_place_fdt(board, boot, size_bytes, error);
    if (ok && (!memory_load(board->env.devices.memory, board->fdt_gpa, blob, size_bytes) ||
               !virt_write_reset_vector(board, boot))) {
        ok = error_set(error, NULL, "the boot data cannot be written to memory");
    }
    free(built);
    return ok && virt_set_fw_cfg(board, error);
}

static u64 virt_time_ticks(const struct board *board)
{
    return clint_time_ticks(board->timer);
}

static u64 virt_time_to_ns(const struct board *board, u64 ticks)
{
    return clint_time_to_ns(board->timer, ticks);
}

const struct board_class riscv_virt_board = {
    .name = "riscv-virt",
    .alias = "virt",
    .summary = "RISC-V board with the addresses and device tree of QEMU's virt",
    .reset_gpa = VIRT_MROM_GPA,
    .ram_gpa = VIRT_RAM_GPA,
    .firmware_gpa = VIRT_RAM_GPA,
    .kernel_gpa = VIRT_KERNEL_GPA,
    .flash_gpa = {VIRT_FLASH_GPA, VIRT_FLASH_GPA + VIRT_FLASH_BYTES},
    .flash_bytes = VIRT_FLASH_BYTES,
    .timebase_hz = ACLINT_TIMEBASE_HZ,
    .create = virt_create,
    .destroy = virt_destroy,
    .prepare_boot = virt_prepare_boot,
    .time_ticks = virt_time_ticks,
    .time_to_ns = virt_time_to_ns,
};

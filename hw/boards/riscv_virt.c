/* riscv-virt: address- and device-tree-compatible with QEMU's `virt` machine for RISC-V.
 *
 *   0x00001000  reset vector (ROM)      0x10000000  16550A, irq 10
 *   0x00100000  test finisher           0x10001000  virtio-mmio x 8, irq 1..8
 *   0x00101000  goldfish RTC, irq 11    0x10100000  fw_cfg; the power button has irq 12
 *   0x04000000  framebuffer, if asked for
 *   0x02000000  CLINT                   0x20000000  flash, two banks of 32 MiB
 *   0x02f00000  ACLINT SSWI             0x80000000  RAM
 *   0x0c000000  PLIC, 95 sources, contexts M and S of each hart
 *               with AIA: APLIC, 0x0d000000 its S domain; 0x24000000, 0x28000000 IMSICs of M and S
 *   0x03000000  PCI: I/O; 0x30000000 ECAM; 0x40000000 memory; 16 GiB more behind RAM; irq 32..35
 *
 * The device tree has what is there and nothing else: kernels use at once what they are offered.
 * Left out so far: the platform bus. Unlike QEMU's default the SSWI is always there, and virtio
 * slots are listed from the lowest address up, so that the first disk given is the first one Linux
 * finds. */
#include "hw/boards/riscv_virt.h"

#include "hw/display/ramfb.h"
#include "hw/misc/fw_cfg.h"
#include "hw/misc/power_button.h"
#include "hw/misc/sifive_test.h"
#include "hw/rtc/goldfish.h"

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

/* ---- Devices ---- */

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

static bool virt_add_ramfb(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    const struct board_options *options = &board->options;
    return options->ramfb == NULL ||
           fw_cfg_add_writable(virt->fw_cfg, "etc/ramfb", RAMFB_BYTES, options->ramfb,
                               options->ramfb_opaque, error);
}

/* Where QEMU has its platform bus, which is not here. */
static bool virt_add_framebuffer(struct board *board, struct metic_error *error)
{
    u64 bytes = (u64)4 * board->options.framebuffer_width * board->options.framebuffer_height;
    if (bytes > VIRT_FRAMEBUFFER_MAX_BYTES) {
        return error_set(error, "make it smaller, as 1920x1080",
                         "the framebuffer needs %llu bytes, and there is room for %u",
                         (unsigned long long)bytes, VIRT_FRAMEBUFFER_MAX_BYTES);
    }
    board->framebuffer_gpa = VIRT_FRAMEBUFFER_GPA;
    return bytes == 0 || memory_add_ram(board->env.devices.memory, "framebuffer",
                                        VIRT_FRAMEBUFFER_GPA,
                                        bits_align_up(bytes, PAGE_BYTES), error);
}

static bool virt_add_devices(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    virt->uart = (struct ns16550a_config){board->options.uart, VIRT_UART_CLOCK_HZ};
    struct device_spec test = {&sifive_test_class, "test", NULL, 0, {0}};
    struct device_spec power = {&power_button_class, "power", NULL, 1, {0}};
    struct device_spec rtc = {&goldfish_rtc_class, "rtc", NULL, 1, {0}};
    struct device_spec uart = {&ns16550a_class, "uart0", &virt->uart, 1, {0}};
    struct device_spec fw_cfg = {&fw_cfg_class, "fw_cfg", NULL, 0, {0}};
    if (!virt_add_interrupts(board, error) ||
        virt_add(board, &test, VIRT_TEST_GPA, 0, VIRT_PHANDLE_TEST, error) == NULL ||
        virt_add(board, &rtc, VIRT_RTC_GPA, VIRT_IRQ_RTC, 0, error) == NULL ||
        virt_add_at(board, &power, NULL, 0, VIRT_IRQ_POWER, 0, error) == NULL ||
        virt_add(board, &uart, VIRT_UART_GPA, VIRT_IRQ_UART, 0, error) == NULL ||
        !virt_add_pci(board, error) || !virt_add_virtio(board, error) ||
        !virt_add_usb(board, error)) {
        return false;
    }
    virt->fw_cfg = virt_add(board, &fw_cfg, VIRT_FW_CFG_GPA, 0, 0, error);
    return virt->fw_cfg != NULL && virt_add_ramfb(board, error) && virt_add_flash(board, error);
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
           virt_add_framebuffer(board, error) &&
           virt_add_devices(board, error);
}

static void virt_destroy(struct board *board)
{
    free(board->private);
    board->private = NULL;
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

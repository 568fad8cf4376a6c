/* riscv-virt's device tree: QEMU's, as far as parts are there. Devices write their own nodes. */
#include "hw/boards/riscv_virt.h"

#include "hw/fdt_build.h"

#include <stdio.h>
#include <string.h>

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

/* Linux's simple-framebuffer binding. */
static void virt_fdt_framebuffer(const struct board *board, struct fdt_build *fdt)
{
    u32 width = board->options.framebuffer_width;
    u32 height = board->options.framebuffer_height;
    fdt_build_u32(fdt, "#address-cells", 2);
    fdt_build_u32(fdt, "#size-cells", 2);
    fdt_build_empty(fdt, "ranges");
    fdt_build_begin_at(fdt, "framebuffer", VIRT_FRAMEBUFFER_GPA);
    fdt_build_string(fdt, "status", "okay");
    fdt_build_string(fdt, "format", "x8r8g8b8");
    fdt_build_u32(fdt, "stride", 4 * width);
    fdt_build_u32(fdt, "height", height);
    fdt_build_u32(fdt, "width", width);
    fdt_build_reg(fdt, VIRT_FRAMEBUFFER_GPA, (u64)4 * width * height);
    fdt_build_string(fdt, "compatible", "simple-framebuffer");
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
    if (board->options.framebuffer_width != 0) {
        virt_fdt_framebuffer(board, fdt);
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

bool virt_build_fdt(const struct board *board, const struct board_boot *boot, void **blob,
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

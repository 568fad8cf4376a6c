/* The memory side of incoming message-signalled interrupt controllers (AIA 1.0, chapter 3): one
 * page for each hart, here those of one privilege level.
 *
 *   0x000 seteipnum_le: a written number becomes pending in the hart's file
 *   0x004 seteipnum_be: the same with its bytes reversed
 *
 * Both read as 0, as all the rest of the page does. The files themselves belong to the harts, which
 * reach them through CSRs (cpu/riscv64/imsic.h); so this part has no state, and takes no lock.
 * Numbers that there are not are ignored, as the specification says. Guest files are left out, as
 * the hypervisor extension is. */
#include "hw/intc/imsic.h"

#include "hw/fdt_build.h"

enum { IMSIC_SET_LE = 0, IMSIC_SET_BE = 4 };

static const struct imsic_config *imsic_config(const struct device *device)
{
    return device->config;
}

void imsic_message(struct device *device, u64 offset, u32 data)
{
    const struct imsic_config *config = imsic_config(device);
    unsigned hart = (unsigned)(offset / IMSIC_PAGE_BYTES);
    u64 at = offset % IMSIC_PAGE_BYTES;
    u32 number = at == IMSIC_SET_BE ? __builtin_bswap32(data) : data;
    if (hart < config->hart_count && (at == IMSIC_SET_LE || at == IMSIC_SET_BE) && number != 0 &&
        number <= IMSIC_IDS) {
        config->deliver(config->opaque, hart, config->file, number);
    }
}

static u64 imsic_read(struct device *device, u64 offset, unsigned size_bytes)
{
    (void)device;
    (void)offset;
    (void)size_bytes;
    return 0;
}

static void imsic_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    (void)size_bytes;
    imsic_message(device, offset, (u32)value);
}

/* The node wants a pair (interrupt controller of a hart, its external interrupt) per hart. */
static void imsic_fdt(const struct device *device, const struct device_place *place,
                      struct fdt_build *fdt)
{
    enum { IRQ_SEI = 9, IRQ_MEI = 11, MAX_HARTS = 64 };
    const struct imsic_config *config = imsic_config(device);
    u32 pairs[2 * MAX_HARTS];
    for (unsigned h = 0; h < place->hart_count && h < MAX_HARTS; h++) {
        pairs[2 * h] = place->cpu_irq_phandles[h];
        pairs[2 * h + 1] = config->file == IMSIC_M ? IRQ_MEI : IRQ_SEI;
    }
    static const char compatible[] = "qemu,imsics\0riscv,imsics";
    fdt_build_begin_at(fdt, "interrupt-controller", place->gpa[0]);
    fdt_build_u32(fdt, "phandle", place->phandle);
    fdt_build_u32(fdt, "riscv,num-ids", IMSIC_IDS);
    fdt_build_reg(fdt, place->gpa[0], device->region_bytes[0]);
    fdt_build_cells(fdt, "interrupts-extended", pairs, 2 * place->hart_count);
    fdt_build_empty(fdt, "msi-controller");
    fdt_build_empty(fdt, "interrupt-controller");
    fdt_build_u32(fdt, "#interrupt-cells", 0);
    fdt_build_strings(fdt, "compatible", compatible, sizeof(compatible));
    fdt_build_end(fdt);
}

static const struct device_region imsic_regions[] = {{
    .kind = MEMORY_MMIO,
    .flags = DEVICE_REGION_UNLOCKED,
    .min_bytes = 4,
    .max_bytes = 4,
    .read = imsic_read,
    .write = imsic_write,
}};

const struct device_class imsic_class = {
    .name = "imsic",
    .summary = "incoming message-signalled interrupts of all harts, one privilege level (AIA)",
    .regions = imsic_regions,
    .region_count = ARRAY_LEN(imsic_regions),
    .fdt = imsic_fdt,
};

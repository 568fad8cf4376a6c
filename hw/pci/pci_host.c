/* The generic PCI Express host bridge (PCI Express 4.0, 7.2.2; Linux: pci-host-ecam-generic), as
 * QEMU's virt board has it: 1b36:0008 in slot 0 of bus 0.
 *
 *   region ECAM       configuration space: bus << 20 | slot << 15 | function << 12 | register
 *   region I/O        I/O space from address 0 on
 *   region 32-bit     memory, the same addresses on the bus and for the guest
 *   region 64-bit     the same, above 4 GiB
 *   inputs            slot * 4 + pin: the pins of what sits in the slots of bus 0
 *   outputs 0 to 3    INTA to INTD at the root: pin p of slot s drives (s + p) mod 4
 *
 * What nothing answers to reads as all ones and swallows writes; nothing faults.
 *
 * Finding a function or a BAR takes no lock: the slots are fixed, and where a BAR lies is one
 * atomic word (pci.h). The lock of the function's device is held around what follows, never the
 * bridge's own, so that a function may set its pin, which takes that. Left out: error reporting,
 * hot plug. */
#include "hw/pci/pci_host.h"

#include "hw/fdt_build.h"
#include "hw/pci/pci.h"

enum { HOST_FDT_SLOTS = 4 }; /* the swizzle repeats after so many */

struct pci_host_saved {
    u32 pins[PCI_HOST_LINES]; /* level of pin p of each slot, one bit a slot */
};
#define PCI_HOST_SAVED(FIELD, T) FIELD(T, pins)
STATE_LIST(pci_host_saved, struct pci_host_saved, PCI_HOST_SAVED);
STATE_LIST(pci_saved, struct pci_saved, PCI_SAVED);

struct pci_host {
    struct pci_host_saved saved;
    struct pci_function bridge;
    struct pci_function *slots[PCI_HOST_SLOTS]; /* written before harts start */
    struct pci_function *behind[PCI_HOST_SLOTS]; /* the root port in that slot */
    struct device *devices[PCI_HOST_SLOTS];
    _Atomic u32 recent; /* slot of the last access to a BAR: a hint */
};

static const struct pci_host_config *host_config(const struct device *device)
{
    return device->config;
}

/* ---- Configuration ---- */

static struct pci_function *host_function(const struct pci_host *host, u64 offset)
{
    unsigned bus = (unsigned)(offset >> 20);
    unsigned slot = (unsigned)(offset >> 15) & 31;
    unsigned function = (unsigned)(offset >> 12) & 7;
    if (bus == 0) {
        return function == 0 ? host->slots[slot] : NULL;
    }
    for (unsigned i = 0; slot == 0 && function == 0 && i < PCI_HOST_SLOTS; i++) {
        if (host->behind[i] != NULL && pci_bridge_leads_to(host->slots[i], bus)) {
            return host->behind[i];
        }
    }
    return NULL;
}

static u64 host_ecam_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct pci_function *function = host_function(device->state, offset);
    if (function == NULL) {
        return UINT64_MAX;
    }
    device_lock(function->device);
    u32 value = pci_config_read(function, offset & 0xfff, size_bytes);
    device_unlock(function->device);
    return value;
}

static void host_ecam_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct pci_function *function = host_function(device->state, offset);
    if (function != NULL) {
        device_lock(function->device);
        pci_config_write(function, offset & 0xfff, (u32)value, size_bytes);
        device_unlock(function->device);
    }
}

/* ---- Windows ---- */

struct host_target {
    struct device *device; /* NULL: nothing answers */
    unsigned region;
    u64 offset;
};

static bool host_try_function(const struct pci_function *function, u64 address, bool io,
                              unsigned size_bytes, struct host_target *target)
{
    u64 base;
    unsigned i = pci_find_bar(function, address, io, &base);
    if (i == PCI_BARS || function->bars[i].size_bytes - (address - base) < size_bytes) {
        return false;
    }
    *target = (struct host_target){function->device, function->bars[i].region, address - base};
    return true;
}

static bool host_try(const struct pci_host *host, unsigned slot, u64 address, bool io,
                     unsigned size_bytes, struct host_target *target)
{
    const struct pci_function *function = host->slots[slot], *behind = host->behind[slot];
    return function != NULL &&
           (host_try_function(function, address, io, size_bytes, target) ||
            (behind != NULL && pci_bridge_passes(function, address, io) &&
             host_try_function(behind, address, io, size_bytes, target)));
}

static struct host_target host_find(struct pci_host *host, u64 address, bool io,
                                    unsigned size_bytes)
{
    struct host_target target = {NULL, 0, 0};
    u32 recent = atomic_load_explicit(&host->recent, memory_order_relaxed);
    if (host_try(host, recent, address, io, size_bytes, &target)) {
        return target;
    }
    for (unsigned i = 0; i < PCI_HOST_SLOTS; i++) {
        if (host_try(host, i, address, io, size_bytes, &target)) {
            atomic_store_explicit(&host->recent, i, memory_order_relaxed);
            break;
        }
    }
    return target;
}

static u64 host_read(struct device *device, u64 address, unsigned size_bytes, bool io)
{
    struct host_target target = host_find(device->state, address, io, size_bytes);
    return target.device != NULL
               ? device_read(target.device, target.region, target.offset, size_bytes)
               : UINT64_MAX;
}

static void host_write(struct device *device, u64 address, u64 value, unsigned size_bytes,
                       bool io)
{
    struct host_target target = host_find(device->state, address, io, size_bytes);
    if (target.device != NULL) {
        device_write(target.device, target.region, target.offset, value, size_bytes);
    }
}

static u64 host_io_read(struct device *device, u64 offset, unsigned size_bytes)
{
    return host_read(device, offset, size_bytes, true);
}

static void host_io_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    host_write(device, offset, value, size_bytes, true);
}

static u64 host_memory32_read(struct device *device, u64 offset, unsigned size_bytes)
{
    return host_read(device, host_config(device)->memory32_gpa + offset, size_bytes, false);
}

static void host_memory32_write(struct device *device, u64 offset, u64 value,
                                unsigned size_bytes)
{
    host_write(device, host_config(device)->memory32_gpa + offset, value, size_bytes, false);
}

static u64 host_memory64_read(struct device *device, u64 offset, unsigned size_bytes)
{
    return host_read(device, host_config(device)->memory64_gpa + offset, size_bytes, false);
}

static void host_memory64_write(struct device *device, u64 offset, u64 value,
                                unsigned size_bytes)
{
    host_write(device, host_config(device)->memory64_gpa + offset, value, size_bytes, false);
}

/* ---- Pins ---- */

/* The level of root line `line`: of each pin, every fourth slot drives it. */
static bool host_line_level(const struct pci_host *host, unsigned line)
{
    u32 wired = 0;
    for (unsigned pin = 0; pin < PCI_HOST_LINES; pin++) {
        wired |= host->saved.pins[pin] & 0x11111111u << ((line - pin) & 3);
    }
    return wired != 0;
}

static void host_update_lines(struct device *device)
{
    for (unsigned i = 0; i < PCI_HOST_LINES; i++) {
        device_set_output(device, i, host_line_level(device->state, i));
    }
}

static void host_input(struct device *device, unsigned index, bool level)
{
    struct pci_host *host = device->state;
    u32 *pins = &host->saved.pins[index % 4];
    u32 bit = 1u << index / 4;
    *pins = level ? *pins | bit : *pins & ~bit;
    unsigned line = (index / 4 + index % 4) & 3;
    device_set_output(device, line, host_line_level(host, line));
}

/* ---- Life ---- */

static const struct pci_ops host_ops = {0};

static bool host_init(struct device *device, struct metic_error *error)
{
    static const struct pci_identity identity = {
        .vendor = 0x1b36, .device = 0x0008, .subsystem_vendor = 0x1af4, .subsystem = 0x1100,
        .class_code = 0x060000};
    struct pci_host *host = device->state;
    (void)error;
    CHECK(device->output_count == PCI_HOST_LINES);
    pci_init(&host->bridge, device, &identity, &host_ops);
    host->slots[0] = &host->bridge;
    return true;
}

/* The pins are the functions' to set; they do so at their own resets. */
static void host_reset(struct device *device)
{
    struct pci_host *host = device->state;
    pci_reset(&host->bridge);
    host_update_lines(device);
}

static bool host_restored(struct device *device, struct metic_error *error)
{
    struct pci_host *host = device->state;
    host_update_lines(device);
    return pci_restored(&host->bridge, error);
}

static void host_connect_pin(struct device *device, unsigned slot, struct device *function)
{
    unsigned pin = pci_function_of(function)->power_on[PCI_INTERRUPT_PIN];
    if (pin != 0) {
        device_connect(function, 0, device_input_line(device, slot * 4 + pin - 1));
    }
}

void pci_host_attach(struct device *device, unsigned slot, struct device *function)
{
    struct pci_host *host = device->state;
    struct pci_function *pci = pci_function_of(function);
    CHECK(slot < PCI_HOST_SLOTS && host->slots[slot] == NULL && pci != NULL);
    host->slots[slot] = pci;
    host->devices[slot] = function;
    host_connect_pin(device, slot, function);
}

/* A bridge passes the pins of its slot 0 on as they are. */
void pci_host_attach_behind(struct device *device, unsigned slot, struct device *function)
{
    struct pci_host *host = device->state;
    CHECK(slot < PCI_HOST_SLOTS && host->behind[slot] == NULL);
    host->behind[slot] = pci_function_of(function);
    CHECK(host->behind[slot] != NULL);
    device_connect(host->devices[slot], 0, device_input_line(function, 0));
    host_connect_pin(device, slot, function);
}

/* ---- The device tree ---- */

static void host_fdt_interrupt_map(const struct device_place *place, struct fdt_build *fdt)
{
    u32 map[HOST_FDT_SLOTS * PCI_HOST_LINES * 7];
    unsigned n = 0;
    for (unsigned slot = 0; slot < HOST_FDT_SLOTS; slot++) {
        for (unsigned pin = 0; pin < PCI_HOST_LINES; pin++) {
            map[n++] = slot << 11;
            map[n++] = 0;
            map[n++] = 0;
            map[n++] = pin + 1;
            map[n++] = place->irq_phandle;
            n += device_place_irq(place, place->irq + (slot + pin) % 4, map + n);
        }
    }
    const u32 mask[] = {(HOST_FDT_SLOTS - 1) << 11, 0, 0, 7};
    fdt_build_cells(fdt, "interrupt-map-mask", mask, ARRAY_LEN(mask));
    fdt_build_cells(fdt, "interrupt-map", map, n);
}

static void host_fdt(const struct device *device, const struct device_place *place,
                     struct fdt_build *fdt)
{
    const struct pci_host_config *config = host_config(device);
    const u64 io_gpa = place->gpa[PCI_HOST_IO];
    const u32 ranges[] = {
        0x1000000, 0, 0, (u32)(io_gpa >> 32), (u32)io_gpa, 0, PCI_HOST_IO_BYTES,
        0x2000000, (u32)(config->memory32_gpa >> 32), (u32)config->memory32_gpa,
        (u32)(config->memory32_gpa >> 32), (u32)config->memory32_gpa,
        (u32)(config->memory32_bytes >> 32), (u32)config->memory32_bytes,
        0x3000000, (u32)(config->memory64_gpa >> 32), (u32)config->memory64_gpa,
        (u32)(config->memory64_gpa >> 32), (u32)config->memory64_gpa,
        (u32)(config->memory64_bytes >> 32), (u32)config->memory64_bytes};
    const u32 buses[] = {0, (PCI_HOST_ECAM_BYTES >> 20) - 1};
    fdt_build_begin_at(fdt, "pci", place->gpa[PCI_HOST_ECAM]);
    host_fdt_interrupt_map(place, fdt);
    fdt_build_cells(fdt, "ranges", ranges, ARRAY_LEN(ranges));
    fdt_build_reg(fdt, place->gpa[PCI_HOST_ECAM], PCI_HOST_ECAM_BYTES);
    if (place->msi_phandle != 0) {
        fdt_build_u32(fdt, "msi-parent", place->msi_phandle);
    }
    fdt_build_empty(fdt, "dma-coherent");
    fdt_build_cells(fdt, "bus-range", buses, ARRAY_LEN(buses));
    fdt_build_u32(fdt, "linux,pci-domain", 0);
    fdt_build_string(fdt, "device_type", "pci");
    fdt_build_string(fdt, "compatible", "pci-host-ecam-generic");
    fdt_build_u32(fdt, "#size-cells", 2);
    fdt_build_u32(fdt, "#interrupt-cells", 1);
    fdt_build_u32(fdt, "#address-cells", 3);
    fdt_build_end(fdt);
}

static const struct device_region host_regions[PCI_HOST_REGIONS] = {
    [PCI_HOST_ECAM] = {.name = "pci.ecam", .size_bytes = PCI_HOST_ECAM_BYTES, .kind = MEMORY_MMIO,
                       .flags = DEVICE_REGION_UNLOCKED, .min_bytes = 1, .max_bytes = 4,
                       .read = host_ecam_read, .write = host_ecam_write},
    [PCI_HOST_IO] = {.name = "pci.io", .size_bytes = PCI_HOST_IO_BYTES, .kind = MEMORY_MMIO,
                     .flags = DEVICE_REGION_UNLOCKED, .min_bytes = 1, .max_bytes = 8,
                     .read = host_io_read, .write = host_io_write},
    [PCI_HOST_MEMORY32] = {.name = "pci.memory32", .kind = MEMORY_MMIO,
                           .flags = DEVICE_REGION_UNLOCKED, .min_bytes = 1, .max_bytes = 8,
                           .read = host_memory32_read, .write = host_memory32_write},
    [PCI_HOST_MEMORY64] = {.name = "pci.memory64", .kind = MEMORY_MMIO,
                           .flags = DEVICE_REGION_UNLOCKED, .min_bytes = 1, .max_bytes = 8,
                           .read = host_memory64_read, .write = host_memory64_write},
};

static const struct device_saved host_parts[] = {
    {&pci_saved, offsetof(struct pci_host, bridge.saved)},
};

const struct device_class pci_host_class = {
    .name = "pci-host",
    .summary = "PCI Express host bridge with memory-mapped configuration space (ECAM)",
    .state_bytes = sizeof(struct pci_host),
    .regions = host_regions,
    .region_count = ARRAY_LEN(host_regions),
    .init = host_init,
    .reset = host_reset,
    .input = host_input,
    .saved = &pci_host_saved,
    .saved_offset = offsetof(struct pci_host, saved),
    .more_saved = host_parts,
    .more_saved_count = ARRAY_LEN(host_parts),
    .restored = host_restored,
    .pci_offset = offsetof(struct pci_host, bridge),
    .fdt = host_fdt,
};

/* See pci.h. */
#include "hw/pci/pci.h"

#include <string.h>

enum {
    CAP_FIRST = 0x40,

    HEADER_BRIDGE = 1,
    WINDOW_WIDE = 1, /* in the lowest bits of a base: it has upper bits elsewhere */
    PCI_PRIMARY_BUS = 0x18,
    BRIDGE_CONTROL_BITS = 0x7f,

    BAR_IO = 1,
    BAR_MEMORY64 = 4,
    BAR_PREFETCH = 8,

    EXPRESS_BYTES = 0x3c,
    EXPRESS_FLAGS = 2,
    EXPRESS_DEVICE_CAP = 4,
    EXPRESS_DEVICE_CONTROL = 8,
    EXPRESS_LINK_CAP = 0xc,
    EXPRESS_LINK_STATUS = 0x12,
    EXPRESS_CONTROL_FLR = 0x8000, /* initiate function-level reset; reads as 0 */
    EXPRESS_CONTROL_BITS = 0x7fff,
    EXPRESS_CAP_ROLE_BASED = 1 << 15,
    EXPRESS_CAP_FLR = 1 << 28,
    EXPRESS_LINK = 0x11,          /* 2.5 GT/s, one lane */

    COMMAND_BITS = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | 0x40 | 0x100 |
                   PCI_COMMAND_NO_INTX,
};

struct pci_function *pci_function_of(const struct device *device)
{
    size_t offset = device->class->pci_offset;
    return offset != 0 ? (struct pci_function *)((u8 *)device->state + offset) : NULL;
}

static u16 pci_command(const struct pci_function *function)
{
    return ld_le16(function->saved.config + PCI_COMMAND);
}

/* ---- Making one ---- */

/* Bus numbers and windows: 32-bit I/O, 32-bit memory, 64-bit prefetchable memory. */
static void pci_init_bridge(struct pci_function *function)
{
    function->power_on[PCI_HEADER_TYPE] = HEADER_BRIDGE;
    function->power_on[PCI_IO_BASE] = WINDOW_WIDE;
    function->power_on[PCI_IO_BASE + 1] = WINDOW_WIDE;
    function->power_on[PCI_PREFETCH_BASE] = WINDOW_WIDE;
    function->power_on[PCI_PREFETCH_BASE + 2] = WINDOW_WIDE;
    pci_allow_writes(function, PCI_PRIMARY_BUS, UINT32_MAX, 4);
    pci_allow_writes(function, PCI_IO_BASE, 0xf0f0, 2);
    pci_allow_writes(function, PCI_MEMORY_BASE, 0xfff0fff0, 4);
    pci_allow_writes(function, PCI_PREFETCH_BASE, 0xfff0fff0, 4);
    pci_allow_writes(function, PCI_PREFETCH_BASE_HIGH, UINT32_MAX, 4);
    pci_allow_writes(function, PCI_PREFETCH_BASE_HIGH + 4, UINT32_MAX, 4);
    pci_allow_writes(function, PCI_IO_BASE_HIGH, UINT32_MAX, 4);
    pci_allow_writes(function, PCI_BRIDGE_CONTROL, BRIDGE_CONTROL_BITS, 2);
}

void pci_init(struct pci_function *function, struct device *device,
              const struct pci_identity *identity, const struct pci_ops *ops)
{
    u8 *config = function->power_on;
    function->device = device;
    function->ops = ops;
    function->next_cap = CAP_FIRST;
    function->last_link = PCI_CAPABILITIES;
    st_le16(config + PCI_VENDOR, identity->vendor);
    st_le16(config + PCI_DEVICE, identity->device);
    config[PCI_REVISION] = identity->revision;
    st_le(config + PCI_CLASS, identity->class_code, 2);
    config[PCI_CLASS + 2] = (u8)(identity->class_code >> 16);
    if (identity->bridge) {
        pci_init_bridge(function);
    } else {
        st_le16(config + PCI_SUBSYSTEM_VENDOR, identity->subsystem_vendor);
        st_le16(config + PCI_SUBSYSTEM, identity->subsystem);
    }
    config[PCI_INTERRUPT_PIN] = identity->pin;
    pci_allow_writes(function, PCI_COMMAND, COMMAND_BITS, 2);
    pci_allow_writes(function, 0x0c, 0xff, 1); /* cache line size: kept, without effect */
    pci_allow_writes(function, PCI_INTERRUPT_LINE, 0xff, 1);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        atomic_init(&function->bars[i].base, PCI_NOWHERE);
    }
}

void pci_allow_writes(struct pci_function *function, unsigned offset, u32 mask,
                      unsigned size_bytes)
{
    CHECK(offset + size_bytes <= PCI_CONFIG_BYTES);
    for (unsigned i = 0; i < size_bytes; i++) {
        function->writable[offset + i] = (u8)(mask >> (8 * i));
    }
}

void pci_add_bar(struct pci_function *function, unsigned bar, enum pci_bar_kind kind,
                 unsigned region, u64 size_bytes)
{
    static const u32 type_bits[] = {
        [PCI_BAR_MEMORY32] = 0,
        [PCI_BAR_MEMORY64] = BAR_MEMORY64 | BAR_PREFETCH,
        [PCI_BAR_IO] = BAR_IO,
    };
    CHECK(bar + (kind == PCI_BAR_MEMORY64) < PCI_BARS && bits_is_pow2(size_bytes));
    CHECK(size_bytes >= 16 && (kind == PCI_BAR_MEMORY64 || size_bytes <= (u64)1 << 31));
    unsigned offset = PCI_BAR0 + 4 * bar;
    u64 mask = ~(size_bytes - 1);
    function->bars[bar].size_bytes = size_bytes;
    function->bars[bar].kind = (u8)kind;
    function->bars[bar].region = (u8)region;
    st_le32(function->power_on + offset, type_bits[kind]);
    pci_allow_writes(function, offset, (u32)mask, 4);
    if (kind == PCI_BAR_MEMORY64) {
        pci_allow_writes(function, offset + 4, (u32)(mask >> 32), 4);
    }
}

unsigned pci_add_capability(struct pci_function *function, u8 id, const void *body,
                            unsigned size_bytes)
{
    unsigned offset = function->next_cap;
    CHECK(size_bytes >= 2 && offset + size_bytes <= PCI_CONFIG_BYTES);
    u8 *config = function->power_on;
    config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
    config[function->last_link] = (u8)offset;
    config[offset] = id;
    memcpy(config + offset + 2, body, size_bytes - 2);
    function->last_link = offset + 1;
    function->next_cap = (unsigned)bits_align_up(offset + size_bytes, 4);
    return offset;
}

void pci_add_express(struct pci_function *function, enum pci_port port)
{
    u8 cap[EXPRESS_BYTES] = {0};
    st_le16(cap + EXPRESS_FLAGS, (u16)(2 | (unsigned)port << 4)); /* version 2 */
    st_le32(cap + EXPRESS_DEVICE_CAP,
            EXPRESS_CAP_ROLE_BASED | (port == PCI_PORT_ROOT ? 0 : EXPRESS_CAP_FLR));
    st_le32(cap + EXPRESS_LINK_CAP, EXPRESS_LINK);
    st_le16(cap + EXPRESS_LINK_STATUS, EXPRESS_LINK);
    unsigned at = pci_add_capability(function, PCI_CAP_EXPRESS, cap + 2, sizeof(cap));
    pci_allow_writes(function, at + EXPRESS_DEVICE_CONTROL, EXPRESS_CONTROL_BITS, 2);
    function->express_cap = at;
}

/* ---- What follows from the registers ---- */

static u64 pci_bar_base(const struct pci_function *function, unsigned bar)
{
    const u8 *at = function->saved.config + PCI_BAR0 + 4 * bar;
    u64 base = ld_le32(at);
    bool enabled = (pci_command(function) & PCI_COMMAND_MEMORY) != 0;
    switch (function->bars[bar].kind) {
    case PCI_BAR_IO:
        enabled = (pci_command(function) & PCI_COMMAND_IO) != 0;
        break;
    case PCI_BAR_MEMORY64:
        base |= (u64)ld_le32(at + 4) << 32;
        break;
    default:
        break;
    }
    base &= ~(function->bars[bar].size_bytes - 1);
    return enabled && base != 0 ? base : PCI_NOWHERE; /* 0: not set yet */
}

static void pci_set_window(struct pci_function *function, unsigned window, u64 first, u64 last)
{
    bool io = window == PCI_WINDOW_IO;
    bool on = (pci_command(function) & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)) != 0;
    atomic_store_explicit(&function->windows[window].first, on ? first : 1, memory_order_release);
    atomic_store_explicit(&function->windows[window].last, on ? last : 0, memory_order_release);
}

/* PCI-to-PCI Bridge Architecture 1.2, 3.2.5: granules of 4 KiB for I/O, of 1 MiB for memory. */
static void pci_update_bridge(struct pci_function *function)
{
    const u8 *config = function->saved.config;
    u64 io_high = (u64)ld_le16(config + PCI_IO_BASE_HIGH) << 16;
    u64 io_limit_high = (u64)ld_le16(config + PCI_IO_BASE_HIGH + 2) << 16;
    u64 high = (u64)ld_le32(config + PCI_PREFETCH_BASE_HIGH) << 32;
    u64 limit_high = (u64)ld_le32(config + PCI_PREFETCH_BASE_HIGH + 4) << 32;
    u64 memory = ld_le32(config + PCI_MEMORY_BASE), prefetch = ld_le32(config + PCI_PREFETCH_BASE);
    pci_set_window(function, PCI_WINDOW_IO, io_high | (config[PCI_IO_BASE] & 0xf0u) << 8,
                   io_limit_high | (config[PCI_IO_BASE + 1] & 0xf0u) << 8 | 0xfff);
    pci_set_window(function, PCI_WINDOW_MEMORY, (memory & 0xfff0) << 16,
                   (memory & 0xfff00000) | 0xfffff);
    pci_set_window(function, PCI_WINDOW_PREFETCH, high | (prefetch & 0xfff0) << 16,
                   limit_high | (prefetch & 0xfff00000) | 0xfffff);
    u8 first = config[PCI_SECONDARY_BUS], last = config[PCI_SUBORDINATE_BUS];
    atomic_store_explicit(&function->buses, first != 0 ? first | (u32)last << 8 : 0,
                          memory_order_release);
}

bool pci_bridge_passes(const struct pci_function *bridge, u64 address, bool io)
{
    unsigned first = io ? PCI_WINDOW_IO : PCI_WINDOW_MEMORY;
    for (unsigned i = first; i <= (io ? PCI_WINDOW_IO : PCI_WINDOW_PREFETCH); i++) {
        if (address >= atomic_load_explicit(&bridge->windows[i].first, memory_order_acquire) &&
            address <= atomic_load_explicit(&bridge->windows[i].last, memory_order_acquire)) {
            return true;
        }
    }
    return false;
}

bool pci_bridge_leads_to(const struct pci_function *bridge, unsigned bus)
{
    u32 buses = atomic_load_explicit(&bridge->buses, memory_order_acquire);
    return buses != 0 && bus == (buses & 0xff) && bus <= buses >> 8;
}

static void pci_update_bars(struct pci_function *function)
{
    if (function->power_on[PCI_HEADER_TYPE] == HEADER_BRIDGE) {
        pci_update_bridge(function);
    }
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (function->bars[i].size_bytes != 0) {
            atomic_store_explicit(&function->bars[i].base, pci_bar_base(function, i),
                                  memory_order_release);
        }
    }
}

/* The status bit shows the device's wish, the wire what the guest lets through (6.2.2, 6.2.3). */
static void pci_update_intx(struct pci_function *function)
{
    u8 *status = function->saved.config + PCI_STATUS;
    bool wanted = function->saved.intx && !pci_msix_is_enabled(function);
    *status = (u8)((*status & ~PCI_STATUS_INTX) | (wanted ? PCI_STATUS_INTX : 0));
    if (function->saved.config[PCI_INTERRUPT_PIN] != 0) {
        device_set_output(function->device, 0,
                          wanted && (pci_command(function) & PCI_COMMAND_NO_INTX) == 0);
    }
}

static bool pci_may_master(const struct pci_function *function)
{
    return (pci_command(function) & PCI_COMMAND_MASTER) != 0;
}

static void pci_update_master(struct pci_function *function)
{
    bool master = pci_may_master(function);
    bool changed = master != function->master;
    function->master = master;
    if (changed && function->ops->master_changed != NULL) {
        function->ops->master_changed(function->device, master);
    }
}

unsigned pci_find_bar(const struct pci_function *function, u64 address, bool io, u64 *base)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &function->bars[i];
        *base = atomic_load_explicit(&bar->base, memory_order_acquire);
        if (*base != PCI_NOWHERE && address - *base < bar->size_bytes &&
            (bar->kind == PCI_BAR_IO) == io) {
            return i;
        }
    }
    return PCI_BARS;
}

void pci_set_intx(struct pci_function *function, bool level)
{
    function->saved.intx = level;
    pci_update_intx(function);
}

/* ---- Reset and load ---- */

void pci_reset(struct pci_function *function)
{
    memset(&function->saved, 0, sizeof(function->saved));
    memcpy(function->saved.config, function->power_on, PCI_CONFIG_BYTES);
    for (unsigned i = 0; i < PCI_MSIX_VECTORS; i++) {
        function->saved.msix_table[4 * i + 3] = 1; /* masked (6.8.2.9) */
    }
    pci_update_bars(function);
    pci_update_master(function);
    pci_update_intx(function);
}

bool pci_restored(struct pci_function *function, struct metic_error *error)
{
    const u8 *config = function->saved.config;
    for (unsigned i = 0; i < PCI_CONFIG_BYTES; i++) {
        u8 fixed = (u8)~function->writable[i];
        fixed = i == PCI_STATUS ? (u8)(fixed & ~PCI_STATUS_INTX) : fixed;
        if (((config[i] ^ function->power_on[i]) & fixed) != 0) {
            return error_set(error, "give the machine the devices it was saved with",
                             "the saved configuration of %s is of another device",
                             function->device->name);
        }
    }
    function->master = pci_may_master(function);
    pci_update_bars(function);
    pci_update_intx(function);
    return true;
}

/* ---- Configuration accesses ---- */

static bool pci_reaches(unsigned offset, unsigned size_bytes, unsigned what, unsigned what_bytes)
{
    return offset < what + what_bytes && what < offset + size_bytes;
}

u32 pci_config_read(struct pci_function *function, unsigned offset, unsigned size_bytes)
{
    if (offset + size_bytes > PCI_CONFIG_BYTES) {
        return 0; /* extended: an empty list of capabilities */
    }
    if (function->ops->config_read != NULL) {
        function->ops->config_read(function->device, offset, size_bytes);
    }
    return (u32)ld_le(function->saved.config + offset, size_bytes);
}

static void pci_store(struct pci_function *function, unsigned offset, u32 value,
                      unsigned size_bytes)
{
    for (unsigned i = 0; i < size_bytes; i++) {
        u8 *at = &function->saved.config[offset + i];
        u8 mask = function->writable[offset + i];
        *at = (u8)((*at & ~mask) | ((value >> (8 * i)) & mask));
    }
}

static bool pci_wants_reset(const struct pci_function *function, unsigned offset, u32 value,
                            unsigned size_bytes)
{
    unsigned high = function->express_cap + EXPRESS_DEVICE_CONTROL + 1;
    return function->express_cap != 0 && function->ops->reset != NULL &&
           pci_reaches(offset, size_bytes, high, 1) &&
           (value >> (8 * (high - offset)) & EXPRESS_CONTROL_FLR >> 8) != 0;
}

void pci_config_write(struct pci_function *function, unsigned offset, u32 value,
                      unsigned size_bytes)
{
    if (offset + size_bytes > PCI_CONFIG_BYTES) {
        return;
    }
    if (pci_wants_reset(function, offset, value, size_bytes)) {
        function->ops->reset(function->device);
        return;
    }
    pci_store(function, offset, value, size_bytes);
    if (pci_reaches(offset, size_bytes, PCI_COMMAND, 2) ||
        pci_reaches(offset, size_bytes, PCI_BAR0, PCI_INTERRUPT_LINE - PCI_BAR0)) {
        pci_update_bars(function);
        pci_update_master(function);
    }
    if (function->msix_cap != 0 && pci_reaches(offset, size_bytes, function->msix_cap, 4)) {
        pci_msix_control_written(function);
    }
    pci_update_intx(function);
    if (function->ops->config_written != NULL) {
        function->ops->config_written(function->device, offset, size_bytes);
    }
}

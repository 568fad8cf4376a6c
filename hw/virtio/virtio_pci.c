/* The virtio-pci transport (virtio 1.2, 4.1), modern: 1af4:1040 + device id, with five vendor
 * capabilities that say where the parts of BAR 4 lie:
 *
 *   0x0000 common configuration      0x1000 interrupt status, cleared by reading
 *   0x2000 device configuration      0x3000 notification, 4 bytes a queue
 *
 * and a window into all that in configuration space, for firmware that has mapped nothing.
 *
 *   common: 0x00 feature select, 0x04 features, 0x08 and 0x0c the driver's; 0x10 configuration's
 *   vector, 0x12 queues, 0x14 status, 0x15 generation, 0x16 queue select, 0x18 size, 0x1a vector,
 *   0x1c enable, 0x1e notify offset, 0x20 descriptors, 0x28 driver's area, 0x30 device's area
 *
 * Where the machine takes messages, BAR 1 has an MSI-X table with a vector for each queue and one
 * for the configuration; the driver says which is whose. Without MSI-X all share pin INTA, a level
 * that reading the interrupt status clears.
 *
 * Registers can be read in any width, and written in their own, 64-bit ones in halves. Left out:
 * the transitional layout, queue reset, notification data. */
#include "hw/virtio/virtio_pci.h"

#include "hw/pci/pci.h"

enum {
    PART_COMMON = 0x0000,
    PART_ISR = 0x1000,
    PART_DEVICE = 0x2000,
    PART_NOTIFY = 0x3000,
    PART_BYTES = 0x1000,
    MODERN_BYTES = 0x4000,
    MODERN_BAR = 4,
    MSIX_BAR = 1,
    NOTIFY_STRIDE = 4,

    COMMON_DEVICE_SELECT = 0x00,
    COMMON_DEVICE_FEATURES = 0x04,
    COMMON_DRIVER_SELECT = 0x08,
    COMMON_DRIVER_FEATURES = 0x0c,
    COMMON_CONFIG_VECTOR = 0x10,
    COMMON_QUEUES = 0x12,
    COMMON_STATUS = 0x14,
    COMMON_GENERATION = 0x15,
    COMMON_QUEUE_SELECT = 0x16,
    COMMON_QUEUE_SIZE = 0x18,
    COMMON_QUEUE_VECTOR = 0x1a,
    COMMON_QUEUE_ENABLE = 0x1c,
    COMMON_QUEUE_NOTIFY = 0x1e,
    COMMON_QUEUE_DESC = 0x20,
    COMMON_QUEUE_AVAIL = 0x28,
    COMMON_QUEUE_USED = 0x30,
    COMMON_BYTES = 0x38,

    CAP_BYTES = 16,          /* of a vendor capability */
    CAP_NOTIFY_BYTES = 20,   /* and a multiplier */
    CAP_WINDOW_BYTES = 20,   /* and the window's data */
    CAP_KIND = 3,
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_EXTRA = 16,

    NO_VECTOR = 0xffff,
};

enum vpci_cap_kind { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_WINDOW };

struct vpci_saved {
    u16 config_vector;
    u16 unused; /* padding, spelled out */
    u16 queue_vector[VIRTIO_MAX_QUEUES];
};
#define VPCI_SAVED(FIELD, T) FIELD(T, config_vector) FIELD(T, unused) FIELD(T, queue_vector)
STATE_LIST(vpci_saved, struct vpci_saved, VPCI_SAVED);
STATE_LIST(virtio_saved, struct virtio_saved, VIRTIO_SAVED);
STATE_LIST(pci_saved, struct pci_saved, PCI_SAVED);

struct virtio_pci {
    struct virtio virtio;
    struct pci_function pci;
    struct vpci_saved saved;
    unsigned window_cap; /* where the capability with the window is */
};

static struct virtio_pci *vpci_of(struct virtio *virtio)
{
    return virtio->device->state;
}

/* ---- Common configuration ---- */

/* A register's value is made whole and the bytes asked for are cut out, so that any width works. */
static u64 vpci_common_queue(const struct virtio_pci *vpci, unsigned at)
{
    const struct virtio *virtio = &vpci->virtio;
    unsigned queue = virtio_selected_queue(virtio);
    if (queue == VIRTIO_MAX_QUEUES) {
        return at == COMMON_QUEUE_VECTOR ? NO_VECTOR : 0;
    }
    switch (at) {
    case COMMON_QUEUE_SIZE: return virtio->saved.entries[queue];
    case COMMON_QUEUE_VECTOR: return vpci->saved.queue_vector[queue];
    case COMMON_QUEUE_ENABLE: return virtio->saved.ready[queue];
    case COMMON_QUEUE_NOTIFY: return queue;
    case COMMON_QUEUE_DESC: return virtio->saved.desc_gpa[queue];
    case COMMON_QUEUE_AVAIL: return virtio->saved.avail_gpa[queue];
    default: return virtio->saved.used_gpa[queue];
    }
}

static u64 vpci_common(const struct virtio_pci *vpci, unsigned at)
{
    const struct virtio *virtio = &vpci->virtio;
    switch (at) {
    case COMMON_DEVICE_SELECT: return virtio->saved.device_features_select;
    case COMMON_DEVICE_FEATURES: return virtio_read_features(virtio);
    case COMMON_DRIVER_SELECT: return virtio->saved.driver_features_select;
    case COMMON_DRIVER_FEATURES: return virtio_read_driver_features(virtio);
    case COMMON_CONFIG_VECTOR: return vpci->saved.config_vector;
    case COMMON_QUEUES: return virtio->queue_count;
    case COMMON_STATUS: return virtio->saved.status;
    case COMMON_GENERATION: return virtio->saved.config_generation & 0xff;
    case COMMON_QUEUE_SELECT: return virtio->saved.queue_select;
    default: return vpci_common_queue(vpci, at);
    }
}

/* Where the register begins that has the byte at `offset`. */
static unsigned vpci_register(u64 offset)
{
    if (offset < COMMON_CONFIG_VECTOR) {
        return (unsigned)offset & ~3u;
    }
    if (offset == COMMON_STATUS || offset == COMMON_GENERATION) {
        return (unsigned)offset;
    }
    return (unsigned)offset & (offset < COMMON_QUEUE_DESC ? ~1u : ~7u);
}

static u64 vpci_common_read(const struct virtio_pci *vpci, u64 offset, unsigned size_bytes)
{
    u64 value = 0;
    for (unsigned i = 0; i < size_bytes && offset + i < COMMON_BYTES; i++) {
        unsigned at = vpci_register(offset + i);
        u64 byte = vpci_common(vpci, at) >> (8 * (offset + i - at)) & 0xff;
        value |= byte << (8 * i);
    }
    return value;
}

static void vpci_set_half(u64 *address, u64 value, bool high)
{
    u64 keep = high ? UINT32_MAX : ~(u64)UINT32_MAX;
    *address = (*address & keep) | (high ? value << 32 : value);
}

/* A vector that does not exist is refused, which the driver reads back (4.1.5.1.2). */
static u16 vpci_vector(const struct virtio_pci *vpci, u64 value)
{
    return value < vpci->pci.msix_count ? (u16)value : NO_VECTOR;
}

static void vpci_write_queue(struct virtio_pci *vpci, u64 offset, u64 value)
{
    struct virtio *virtio = &vpci->virtio;
    struct virtio_saved *saved = &virtio->saved;
    unsigned queue = virtio_selected_queue(virtio);
    if (queue == VIRTIO_MAX_QUEUES) {
        device_guest_error(virtio->device, "set-up of a queue that does not exist");
        return;
    }
    if (offset == COMMON_QUEUE_VECTOR) {
        vpci->saved.queue_vector[queue] = vpci_vector(vpci, value);
        return;
    }
    if (saved->ready[queue]) {
        device_guest_error(virtio->device, "set-up of a queue that is in use");
        return;
    }
    switch (offset) {
    case COMMON_QUEUE_SIZE:
        saved->entries[queue] = value != 0 ? (u16)value : saved->entries[queue];
        break;
    case COMMON_QUEUE_DESC: vpci_set_half(&saved->desc_gpa[queue], value, false); break;
    case COMMON_QUEUE_DESC + 4: vpci_set_half(&saved->desc_gpa[queue], value, true); break;
    case COMMON_QUEUE_AVAIL: vpci_set_half(&saved->avail_gpa[queue], value, false); break;
    case COMMON_QUEUE_AVAIL + 4: vpci_set_half(&saved->avail_gpa[queue], value, true); break;
    case COMMON_QUEUE_USED: vpci_set_half(&saved->used_gpa[queue], value, false); break;
    default: vpci_set_half(&saved->used_gpa[queue], value, true); break;
    }
}

static void vpci_forget_vectors(struct virtio_pci *vpci)
{
    vpci->saved.config_vector = NO_VECTOR;
    for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
        vpci->saved.queue_vector[i] = NO_VECTOR;
    }
}

/* A reset by the status register takes the vectors, too, but not the function's configuration. */
static void vpci_write_status(struct virtio_pci *vpci, u32 status)
{
    if (status == 0) {
        vpci_forget_vectors(vpci);
    }
    virtio_write_status(&vpci->virtio, status);
}

/* Each register by its own width, which drivers must use (4.1.3.1); the address halves besides. */
static unsigned vpci_write_bytes(u64 offset)
{
    if (offset < COMMON_CONFIG_VECTOR || offset >= COMMON_QUEUE_DESC) {
        return 4;
    }
    return offset == COMMON_STATUS || offset == COMMON_GENERATION ? 1 : 2;
}

static void vpci_common_write(struct virtio_pci *vpci, u64 offset, u64 value, unsigned size_bytes)
{
    struct virtio *virtio = &vpci->virtio;
    if (offset >= COMMON_BYTES || size_bytes != vpci_write_bytes(offset) ||
        offset % size_bytes != 0) {
        device_guest_error(virtio->device, "write to a register by another width than its own");
        return;
    }
    switch (offset) {
    case COMMON_DEVICE_SELECT: virtio->saved.device_features_select = (u32)value; break;
    case COMMON_DRIVER_SELECT: virtio->saved.driver_features_select = (u32)value; break;
    case COMMON_DRIVER_FEATURES: virtio_write_features(virtio, (u32)value); break;
    case COMMON_CONFIG_VECTOR: vpci->saved.config_vector = vpci_vector(vpci, value); break;
    case COMMON_STATUS: vpci_write_status(vpci, (u32)value); break;
    case COMMON_QUEUE_SELECT: virtio->saved.queue_select = (u32)value; break;
    case COMMON_QUEUE_ENABLE: virtio_write_ready(virtio, value == 1); break;
    case COMMON_DEVICE_FEATURES:
    case COMMON_QUEUES:
    case COMMON_GENERATION:
    case COMMON_QUEUE_NOTIFY:
        device_guest_error(virtio->device, "write to a register that cannot be written");
        break;
    default: vpci_write_queue(vpci, offset, value); break;
    }
}

/* ---- The modern BAR ---- */

static u64 vpci_isr_read(struct virtio *virtio)
{
    u32 isr = virtio->saved.isr;
    virtio_ack_irq(virtio, isr);
    return isr;
}

static u64 vpci_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct virtio_pci *vpci = device->state;
    u64 at = offset % PART_BYTES;
    switch (offset - at) {
    case PART_COMMON: return vpci_common_read(vpci, at, size_bytes);
    case PART_ISR: return at == 0 ? vpci_isr_read(&vpci->virtio) : 0;
    case PART_DEVICE: return virtio_read_config(&vpci->virtio, at, size_bytes);
    default: return 0; /* notifications cannot be read */
    }
}

static void vpci_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct virtio_pci *vpci = device->state;
    u64 at = offset % PART_BYTES;
    switch (offset - at) {
    case PART_COMMON: vpci_common_write(vpci, at, value, size_bytes); break;
    case PART_ISR: device_guest_error(device, "write to the interrupt status"); break;
    case PART_DEVICE: virtio_write_config(&vpci->virtio, at, value, size_bytes); break;
    default: virtio_notify(&vpci->virtio, (u32)(at / NOTIFY_STRIDE)); break;
    }
}

static u64 vpci_msix_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct virtio_pci *vpci = device->state;
    return pci_msix_read(&vpci->pci, offset, size_bytes);
}

static void vpci_msix_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct virtio_pci *vpci = device->state;
    pci_msix_write(&vpci->pci, offset, value, size_bytes);
}

/* ---- The window in configuration space (4.1.4.9) ---- */

/* What the window shows: false when it was set to nonsense. */
static bool vpci_window(const struct virtio_pci *vpci, u32 *offset, u32 *size_bytes)
{
    const u8 *cap = vpci->pci.saved.config + vpci->window_cap;
    *offset = ld_le32(cap + CAP_OFFSET);
    *size_bytes = ld_le32(cap + CAP_LENGTH);
    return cap[CAP_BAR] == MODERN_BAR &&
           (*size_bytes == 1 || *size_bytes == 2 || *size_bytes == 4) &&
           *offset % *size_bytes == 0 && *offset < MODERN_BYTES;
}

static bool vpci_reaches_window(const struct virtio_pci *vpci, unsigned offset, unsigned size_bytes)
{
    unsigned data = vpci->window_cap + CAP_EXTRA;
    return offset < data + 4 && data < offset + size_bytes;
}

static void vpci_config_read(struct device *device, unsigned offset, unsigned size_bytes)
{
    struct virtio_pci *vpci = device->state;
    u32 at, width;
    if (vpci_reaches_window(vpci, offset, size_bytes) && vpci_window(vpci, &at, &width)) {
        st_le(vpci->pci.saved.config + vpci->window_cap + CAP_EXTRA,
              vpci_read(device, at, width), width);
    }
}

static void vpci_config_written(struct device *device, unsigned offset, unsigned size_bytes)
{
    struct virtio_pci *vpci = device->state;
    u32 at, width;
    if (vpci_reaches_window(vpci, offset, size_bytes) && vpci_window(vpci, &at, &width)) {
        const u8 *data = vpci->pci.saved.config + vpci->window_cap + CAP_EXTRA;
        vpci_write(device, at, ld_le(data, width), width);
    }
}

/* ---- Interrupts ---- */

static void vpci_update_irq(struct virtio *virtio)
{
    struct virtio_pci *vpci = vpci_of(virtio);
    pci_set_intx(&vpci->pci, virtio->saved.isr != 0);
}

/* With MSI-X the status says only that the configuration changed (4.1.4.5.1). */
static void vpci_interrupt(struct virtio *virtio, u32 cause, unsigned queue)
{
    struct virtio_pci *vpci = vpci_of(virtio);
    bool messages = pci_msix_is_enabled(&vpci->pci);
    if (!messages || cause == VIRTIO_ISR_CONFIG) {
        virtio->saved.isr |= cause;
        vpci_update_irq(virtio);
    }
    if (messages) {
        pci_msix_notify(&vpci->pci, cause == VIRTIO_ISR_CONFIG ? vpci->saved.config_vector
                                                               : vpci->saved.queue_vector[queue]);
    }
}

static const struct virtio_transport vpci_transport = {vpci_interrupt, vpci_update_irq};

static void vpci_master_changed(struct device *device, bool allowed)
{
    struct virtio_pci *vpci = device->state;
    virtio_allow_dma(&vpci->virtio, allowed);
}

/* ---- Life ---- */

static void vpci_add_cap(struct virtio_pci *vpci, enum vpci_cap_kind kind, u32 offset, u32 length,
                         unsigned size_bytes)
{
    u8 cap[CAP_NOTIFY_BYTES] = {0};
    cap[2] = (u8)size_bytes;
    cap[CAP_KIND] = (u8)kind;
    cap[CAP_BAR] = kind == CAP_WINDOW ? 0 : MODERN_BAR;
    st_le32(cap + CAP_OFFSET, offset);
    st_le32(cap + CAP_LENGTH, length);
    st_le32(cap + CAP_EXTRA, kind == CAP_NOTIFY ? NOTIFY_STRIDE : 0);
    unsigned at = pci_add_capability(&vpci->pci, PCI_CAP_VENDOR, cap + 2, size_bytes);
    if (kind == CAP_WINDOW) {
        vpci->window_cap = at;
        pci_allow_writes(&vpci->pci, at + CAP_BAR, 0xff, 1);
        pci_allow_writes(&vpci->pci, at + CAP_OFFSET, UINT32_MAX, 4);
        pci_allow_writes(&vpci->pci, at + CAP_LENGTH, UINT32_MAX, 4);
        pci_allow_writes(&vpci->pci, at + CAP_EXTRA, UINT32_MAX, 4);
    }
}

/* PCI's own class of what each virtio device is; PCI Code and ID Assignment 1.11. */
static u32 vpci_class_code(u16 device_id)
{
    switch (device_id) {
    case 1: return 0x020000;  /* network: Ethernet */
    case 2: return 0x010000;  /* storage: SCSI */
    case 3: return 0x078000;  /* communication: other */
    case 9: return 0x00ff00;  /* file systems: unclassified */
    case 16: return 0x038000; /* display: other */
    case 18: return 0x098000; /* input: other */
    case 19: return 0x028000; /* sockets: network, other */
    case 25: return 0x040100; /* audio */
    case 26: return 0x018000; /* file systems: storage, other */
    default: return 0x00ff00;
    }
}

static const struct pci_ops vpci_ops;

static bool vpci_init(struct device *device, struct metic_error *error)
{
    struct virtio_pci *vpci = device->state;
    const struct virtio_pci_config *config = device->config;
    CHECK(device->output_count == 1);
    const struct pci_identity identity = {
        .vendor = 0x1af4, .device = (u16)(0x1040 + config->type->device_id),
        .subsystem_vendor = 0x1af4, .subsystem = 0x1100, .revision = 1,
        .class_code = vpci_class_code(config->type->device_id), .pin = 1};
    pci_init(&vpci->pci, device, &identity, &vpci_ops);
    vpci_forget_vectors(vpci);
    if (!virtio_init(&vpci->virtio, device, config->type, config->config, &vpci_transport,
                     error)) {
        return false;
    }
    vpci->virtio.no_dma = true;
    if (config->msix) {
        pci_add_bar(&vpci->pci, MSIX_BAR, PCI_BAR_MEMORY32, 1, PCI_MSIX_REGION_BYTES);
        pci_add_msix(&vpci->pci, MSIX_BAR, vpci->virtio.queue_count + 1);
    }
    pci_add_bar(&vpci->pci, MODERN_BAR, PCI_BAR_MEMORY64, 0, MODERN_BYTES);
    vpci_add_cap(vpci, CAP_COMMON, PART_COMMON, COMMON_BYTES, CAP_BYTES);
    vpci_add_cap(vpci, CAP_ISR, PART_ISR, 1, CAP_BYTES);
    vpci_add_cap(vpci, CAP_DEVICE, PART_DEVICE, PART_BYTES, CAP_BYTES);
    vpci_add_cap(vpci, CAP_NOTIFY, PART_NOTIFY, NOTIFY_STRIDE * VIRTIO_MAX_QUEUES,
                 CAP_NOTIFY_BYTES);
    vpci_add_cap(vpci, CAP_WINDOW, 0, 0, CAP_WINDOW_BYTES);
    pci_add_express(&vpci->pci,
                    config->behind_port ? PCI_PORT_ENDPOINT : PCI_PORT_INTEGRATED_ENDPOINT);
    return true;
}

static void vpci_fini(struct device *device)
{
    struct virtio_pci *vpci = device->state;
    virtio_fini(&vpci->virtio);
}

static void vpci_reset(struct device *device)
{
    struct virtio_pci *vpci = device->state;
    pci_reset(&vpci->pci);
    vpci_forget_vectors(vpci);
    virtio_reset(&vpci->virtio);
}

static void vpci_input(struct device *device, unsigned index, bool level)
{
    (void)index;
    if (level) {
        vpci_reset(device);
    }
}

static const struct pci_ops vpci_ops = {
    .config_read = vpci_config_read,
    .config_written = vpci_config_written,
    .master_changed = vpci_master_changed,
    .reset = vpci_reset,
};

static void vpci_save_more(struct device *device, struct state_writer *writer)
{
    struct virtio_pci *vpci = device->state;
    virtio_save_more(&vpci->virtio, writer);
}

static void vpci_quiesce(struct device *device)
{
    struct virtio_pci *vpci = device->state;
    virtio_quiesce(&vpci->virtio);
}

static bool vpci_load_more(struct device *device, struct state_reader *reader,
                           struct metic_error *error)
{
    struct virtio_pci *vpci = device->state;
    return virtio_load_more(&vpci->virtio, reader, error);
}

static bool vpci_restored(struct device *device, struct metic_error *error)
{
    struct virtio_pci *vpci = device->state;
    if (!pci_restored(&vpci->pci, error)) {
        return false;
    }
    vpci->virtio.no_dma = !vpci->pci.master;
    return virtio_restored(&vpci->virtio, error);
}

static const struct device_region vpci_regions[] = {
    {.name = "modern", .size_bytes = MODERN_BYTES, .kind = MEMORY_MMIO, .min_bytes = 1,
     .max_bytes = 4, .read = vpci_read, .write = vpci_write},
    {.name = "msix", .size_bytes = PCI_MSIX_REGION_BYTES, .kind = MEMORY_MMIO, .min_bytes = 1,
     .max_bytes = 4, .read = vpci_msix_read, .write = vpci_msix_write},
};

static const struct device_saved vpci_parts[] = {
    {&pci_saved, offsetof(struct virtio_pci, pci.saved)},
    {&vpci_saved, offsetof(struct virtio_pci, saved)},
};

const struct device_class virtio_pci_class = {
    .name = "virtio-pci",
    .summary = "virtio device on PCI: a disk, console, network device or entropy source",
    .state_bytes = sizeof(struct virtio_pci),
    .regions = vpci_regions,
    .region_count = ARRAY_LEN(vpci_regions),
    .init = vpci_init,
    .fini = vpci_fini,
    .reset = vpci_reset,
    .input = vpci_input,
    .saved = &virtio_saved,
    .saved_offset = offsetof(struct virtio_pci, virtio.saved),
    .more_saved = vpci_parts,
    .more_saved_count = ARRAY_LEN(vpci_parts),
    .quiesce = vpci_quiesce,
    .save_more = vpci_save_more,
    .load_more = vpci_load_more,
    .restored = vpci_restored,
    .pci_offset = offsetof(struct virtio_pci, pci),
};

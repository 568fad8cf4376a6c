/* The virtio-mmio transport, version 2 (virtio 1.2, 4.2): one device behind 4 KiB of registers and
 * one level-triggered interrupt.
 *
 *   0x000 magic "virt"    0x044 queue ready         0x0a0 device (used) area low, 0x0a4 high
 *   0x004 version 2       0x050 queue notify        0x0ac shared memory select
 *   0x008 device id       0x060 interrupt status    0x0b0 length low, 0x0b4 high
 *   0x00c vendor id       0x064 interrupt ack       0x0b8 base low, 0x0bc high
 *   0x010 device features 0x070 status              0x0fc configuration generation
 *   0x014   their select  0x080 descriptors low     0x100 configuration, bytes
 *   0x020 driver features 0x084   high
 *   0x024   their select  0x090 driver (available)
 *   0x030 queue select    0x094   area low, high
 *   0x034 largest queue
 *   0x038 queue size
 *
 * Registers below 0x100 are read and written as aligned 32-bit words, others accesses are dropped.
 * An empty slot has a valid magic and version and device id 0, and everything else reads as 0.
 * Left out: the legacy layout (version 1), queue reset, shared memory (its length reads as all
 * ones, which says that there is none). */
#include "hw/virtio/virtio_mmio.h"

#include "hw/fdt_build.h"

enum {
    MMIO_MAGIC = 0x000,
    MMIO_VERSION = 0x004,
    MMIO_DEVICE_ID = 0x008,
    MMIO_VENDOR_ID = 0x00c,
    MMIO_DEVICE_FEATURES = 0x010,
    MMIO_DEVICE_FEATURES_SELECT = 0x014,
    MMIO_DRIVER_FEATURES = 0x020,
    MMIO_DRIVER_FEATURES_SELECT = 0x024,
    MMIO_QUEUE_SELECT = 0x030,
    MMIO_QUEUE_MAX = 0x034,
    MMIO_QUEUE_SIZE = 0x038,
    MMIO_QUEUE_READY = 0x044,
    MMIO_QUEUE_NOTIFY = 0x050,
    MMIO_IRQ_STATUS = 0x060,
    MMIO_IRQ_ACK = 0x064,
    MMIO_STATUS = 0x070,
    MMIO_DESC_LOW = 0x080,
    MMIO_DESC_HIGH = 0x084,
    MMIO_AVAIL_LOW = 0x090,
    MMIO_AVAIL_HIGH = 0x094,
    MMIO_USED_LOW = 0x0a0,
    MMIO_USED_HIGH = 0x0a4,
    MMIO_SHM_SELECT = 0x0ac,
    MMIO_SHM_LENGTH_LOW = 0x0b0,
    MMIO_SHM_LENGTH_HIGH = 0x0b4,
    MMIO_SHM_BASE_LOW = 0x0b8,
    MMIO_SHM_BASE_HIGH = 0x0bc,
    MMIO_GENERATION = 0x0fc,
    MMIO_CONFIG = 0x100,
    MMIO_REGION_BYTES = 0x1000,
    MMIO_FDT_BYTES = 0x1000,

    MMIO_MAGIC_VALUE = 0x74726976,
    MMIO_VENDOR_VALUE = 0x554d4551, /* "QEMU": small systems (xv6) take no other */
};

STATE_LIST(virtio_saved, struct virtio_saved, VIRTIO_SAVED);

/* A struct of its own, so that what only this transport needs has a place. */
struct virtio_mmio {
    struct virtio virtio; /* type NULL: an empty slot */
};

static u32 mmio_read_queue(const struct virtio *virtio, u64 offset)
{
    unsigned queue = virtio_selected_queue(virtio);
    if (queue == VIRTIO_MAX_QUEUES) {
        return 0;
    }
    return offset == MMIO_QUEUE_MAX ? virtio->type->queue_entries : virtio->saved.ready[queue];
}

static u32 mmio_read_register(struct device *device, struct virtio *virtio, u64 offset)
{
    switch (offset) {
    case MMIO_DEVICE_ID: return virtio->type->device_id;
    case MMIO_DEVICE_FEATURES: return virtio_read_features(virtio);
    case MMIO_QUEUE_MAX:
    case MMIO_QUEUE_READY: return mmio_read_queue(virtio, offset);
    case MMIO_IRQ_STATUS: return virtio->saved.isr;
    case MMIO_STATUS: return virtio->saved.status;
    case MMIO_SHM_LENGTH_LOW:
    case MMIO_SHM_LENGTH_HIGH:
    case MMIO_SHM_BASE_LOW:
    case MMIO_SHM_BASE_HIGH: return UINT32_MAX;
    case MMIO_GENERATION: return virtio->saved.config_generation;
    default: device_guest_error(device, "read of a register that cannot be read"); return 0;
    }
}

static u64 mmio_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct virtio_mmio *mmio = device->state;
    bool empty = mmio->virtio.type == NULL;
    if (offset >= MMIO_CONFIG) {
        return empty ? 0 : virtio_read_config(&mmio->virtio, offset - MMIO_CONFIG, size_bytes);
    }
    if (size_bytes != 4 || offset % 4 != 0) {
        device_guest_error(device, "read of a register by anything but an aligned word");
        return 0;
    }
    switch (offset) {
    case MMIO_MAGIC: return MMIO_MAGIC_VALUE;
    case MMIO_VERSION: return 2;
    case MMIO_VENDOR_ID: return MMIO_VENDOR_VALUE;
    default: return empty ? 0 : mmio_read_register(device, &mmio->virtio, offset);
    }
}

static void mmio_set_half(u64 *address, u64 value, bool high)
{
    u64 keep = high ? UINT32_MAX : ~(u64)UINT32_MAX;
    *address = (*address & keep) | (high ? value << 32 : value);
}

/* Where the selected queue lies and how large it is; settled while it is not ready. */
static void mmio_write_queue(struct device *device, struct virtio *virtio, u64 offset, u32 value)
{
    unsigned queue = virtio_selected_queue(virtio);
    struct virtio_saved *saved = &virtio->saved;
    if (queue == VIRTIO_MAX_QUEUES || saved->ready[queue]) {
        device_guest_error(device, "set-up of a queue that does not exist or is in use");
        return;
    }
    switch (offset) {
    case MMIO_QUEUE_SIZE:
        if (value != 0) { /* EDK2's GPU driver writes that, and means the device's own size */
            saved->entries[queue] = value <= UINT16_MAX ? (u16)value : 0;
        }
        break;
    case MMIO_DESC_LOW: mmio_set_half(&saved->desc_gpa[queue], value, false); break;
    case MMIO_DESC_HIGH: mmio_set_half(&saved->desc_gpa[queue], value, true); break;
    case MMIO_AVAIL_LOW: mmio_set_half(&saved->avail_gpa[queue], value, false); break;
    case MMIO_AVAIL_HIGH: mmio_set_half(&saved->avail_gpa[queue], value, true); break;
    case MMIO_USED_LOW: mmio_set_half(&saved->used_gpa[queue], value, false); break;
    default: mmio_set_half(&saved->used_gpa[queue], value, true); break;
    }
}

static void mmio_write_register(struct device *device, struct virtio *virtio, u64 offset,
                                u32 value)
{
    switch (offset) {
    case MMIO_DEVICE_FEATURES_SELECT: virtio->saved.device_features_select = value; break;
    case MMIO_DRIVER_FEATURES: virtio_write_features(virtio, value); break;
    case MMIO_DRIVER_FEATURES_SELECT: virtio->saved.driver_features_select = value; break;
    case MMIO_QUEUE_SELECT: virtio->saved.queue_select = value; break;
    case MMIO_QUEUE_READY: virtio_write_ready(virtio, (value & 1) != 0); break;
    case MMIO_QUEUE_NOTIFY: virtio_notify(virtio, value); break;
    case MMIO_IRQ_ACK: virtio_ack_irq(virtio, value); break;
    case MMIO_STATUS: virtio_write_status(virtio, value); break;
    case MMIO_SHM_SELECT: break; /* none of them exists */
    case MMIO_QUEUE_SIZE:
    case MMIO_DESC_LOW:
    case MMIO_DESC_HIGH:
    case MMIO_AVAIL_LOW:
    case MMIO_AVAIL_HIGH:
    case MMIO_USED_LOW:
    case MMIO_USED_HIGH: mmio_write_queue(device, virtio, offset, value); break;
    default: device_guest_error(device, "write to a register that cannot be written"); break;
    }
}

static void mmio_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct virtio_mmio *mmio = device->state;
    if (mmio->virtio.type == NULL) {
        device_guest_error(device, "write to an empty slot");
    } else if (offset >= MMIO_CONFIG) {
        virtio_write_config(&mmio->virtio, offset - MMIO_CONFIG, value, size_bytes);
    } else if (size_bytes != 4 || offset % 4 != 0) {
        device_guest_error(device, "write to a register by anything but an aligned word");
    } else {
        mmio_write_register(device, &mmio->virtio, offset, (u32)value);
    }
}

static void mmio_update_irq(struct virtio *virtio)
{
    device_set_output(virtio->device, 0, virtio->saved.isr != 0);
}

static void mmio_interrupt(struct virtio *virtio, u32 cause, unsigned queue)
{
    (void)queue; /* one line for all */
    virtio->saved.isr |= cause;
    mmio_update_irq(virtio);
}

static const struct virtio_transport mmio_transport = {mmio_interrupt, mmio_update_irq};

static bool mmio_init(struct device *device, struct metic_error *error)
{
    struct virtio_mmio *mmio = device->state;
    const struct virtio_mmio_config *config = device->config;
    CHECK(device->output_count == 1);
    if (config == NULL || config->type == NULL) {
        return true;
    }
    return virtio_init(&mmio->virtio, device, config->type, config->config, &mmio_transport,
                       error);
}

static void mmio_fini(struct device *device)
{
    struct virtio_mmio *mmio = device->state;
    virtio_fini(&mmio->virtio);
}

static void mmio_reset(struct device *device)
{
    struct virtio_mmio *mmio = device->state;
    if (mmio->virtio.type != NULL) {
        virtio_reset(&mmio->virtio);
    }
}

static void mmio_save_more(struct device *device, struct state_writer *writer)
{
    struct virtio_mmio *mmio = device->state;
    if (mmio->virtio.type != NULL) {
        virtio_save_more(&mmio->virtio, writer);
    } else {
        state_write_u32(writer, 0);
    }
}

static void mmio_quiesce(struct device *device)
{
    struct virtio_mmio *mmio = device->state;
    if (mmio->virtio.type != NULL) {
        virtio_quiesce(&mmio->virtio);
    }
}

static bool mmio_load_more(struct device *device, struct state_reader *reader,
                           struct metic_error *error)
{
    struct virtio_mmio *mmio = device->state;
    u32 device_id = 1;
    if (mmio->virtio.type != NULL) {
        return virtio_load_more(&mmio->virtio, reader, error);
    }
    if (!state_read_u32(reader, &device_id) || device_id != 0) {
        return error_set(error, "give the machine the devices it was saved with",
                         "the saved state of %s is of a device, not of an empty slot",
                         device->name);
    }
    return true;
}

static bool mmio_restored(struct device *device, struct metic_error *error)
{
    struct virtio_mmio *mmio = device->state;
    return mmio->virtio.type == NULL || virtio_restored(&mmio->virtio, error);
}

static void mmio_fdt(const struct device *device, const struct device_place *place,
                     struct fdt_build *fdt)
{
    (void)device;
    fdt_build_begin_at(fdt, "virtio_mmio", place->gpa[0]);
    device_place_fdt_irq(place, fdt);
    fdt_build_reg(fdt, place->gpa[0], MMIO_FDT_BYTES);
    fdt_build_string(fdt, "compatible", "virtio,mmio");
    fdt_build_end(fdt);
}

static const struct device_region mmio_regions[] = {{
    .size_bytes = MMIO_REGION_BYTES,
    .kind = MEMORY_MMIO,
    .min_bytes = 1,
    .max_bytes = 4,
    .read = mmio_read,
    .write = mmio_write,
}};

const struct device_class virtio_mmio_class = {
    .name = "virtio-mmio",
    .summary = "virtio slot: empty, or a disk, console, network device or entropy source",
    .state_bytes = sizeof(struct virtio_mmio),
    .regions = mmio_regions,
    .region_count = ARRAY_LEN(mmio_regions),
    .init = mmio_init,
    .fini = mmio_fini,
    .reset = mmio_reset,
    .saved = &virtio_saved,
    .saved_offset = offsetof(struct virtio_mmio, virtio.saved),
    .quiesce = mmio_quiesce,
    .save_more = mmio_save_more,
    .load_more = mmio_load_more,
    .restored = mmio_restored,
    .fdt = mmio_fdt,
};

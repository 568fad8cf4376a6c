/* A virtio device behind its register window: negotiation, queues and requests. */
#ifndef METIC_TESTS_FUZZ_FUZZ_VIRTIO_H
#define METIC_TESTS_FUZZ_FUZZ_VIRTIO_H

#include "hw/virtio/virtio_mmio.h"
#include "tests/fuzz/fuzz_device.h"

/* Register offsets (virtio 1.2, 4.2.2). */
enum {
    FUZZ_VIRTIO_DRIVER_FEATURES = 0x20, FUZZ_VIRTIO_DRIVER_SELECT = 0x24,
    FUZZ_VIRTIO_QUEUE_SELECT = 0x30, FUZZ_VIRTIO_QUEUE_ENTRIES = 0x38, FUZZ_VIRTIO_READY = 0x44,
    FUZZ_VIRTIO_NOTIFY = 0x50, FUZZ_VIRTIO_STATUS = 0x70, FUZZ_VIRTIO_DESC = 0x80,
    FUZZ_VIRTIO_AVAIL = 0x90, FUZZ_VIRTIO_USED = 0xa0,
    FUZZ_DESC_AT = 0x1000, FUZZ_AVAIL_AT = 0x2000, FUZZ_USED_AT = 0x3000, FUZZ_DATA_AT = 0x4000,
};

/* Everything up to a running queue 0 with 8 entries. */
static inline void script_virtio_start(struct fuzz_script *script, u32 features_low)
{
    script_write(script, FUZZ_VIRTIO_STATUS, 3, 2);
    script_write(script, FUZZ_VIRTIO_DRIVER_SELECT, 1, 2);
    script_write(script, FUZZ_VIRTIO_DRIVER_FEATURES, 1, 2);
    script_write(script, FUZZ_VIRTIO_DRIVER_SELECT, 0, 2);
    script_write(script, FUZZ_VIRTIO_DRIVER_FEATURES, features_low, 2);
    script_write(script, FUZZ_VIRTIO_STATUS, 11, 2);
    script_write(script, FUZZ_VIRTIO_QUEUE_SELECT, 0, 2);
    script_write(script, FUZZ_VIRTIO_QUEUE_ENTRIES, 8, 2);
    script_address(script, FUZZ_VIRTIO_DESC, FUZZ_DESC_AT, 2);
    script_address(script, FUZZ_VIRTIO_AVAIL, FUZZ_AVAIL_AT, 2);
    script_address(script, FUZZ_VIRTIO_USED, FUZZ_USED_AT, 2);
    script_write(script, FUZZ_VIRTIO_READY, 1, 2);
    script_write(script, FUZZ_VIRTIO_STATUS, 15, 2);
}

/* flags: 1 there is a next one, 2 the device writes, 4 a table of descriptors. */
static inline void script_descriptor(struct fuzz_script *script, unsigned at, unsigned where,
                                     u32 length, u16 flags, u16 next)
{
    u8 bytes[16];
    st_le64(bytes, FUZZ_RAM_GPA + where);
    st_le32(bytes + 8, length);
    st_le16(bytes + 12, flags);
    st_le16(bytes + 14, next);
    script_ram(script, at, bytes, sizeof(bytes));
}

/* Makes descriptor `head` available as number `index`, notifies, lets time pass. */
static inline void script_kick(struct fuzz_script *script, u16 head, u16 index)
{
    u8 bytes[4];
    st_le16(bytes, head);
    script_ram(script, FUZZ_AVAIL_AT + 4u + 2u * (index % 8), bytes, 2);
    st_le16(bytes, 0);
    st_le16(bytes + 2, (u16)(index + 1));
    script_ram(script, FUZZ_AVAIL_AT, bytes, 4);
    script_write(script, FUZZ_VIRTIO_NOTIFY, 0, 2);
    script_put(script, 5, 1);
}

static inline void fuzz_virtio_run(const struct virtio_type *type, const void *config,
                                   const u8 *bytes, size_t size_bytes)
{
    struct virtio_mmio_config mmio = {type, config};
    struct fuzz_rig rig;
    fuzz_rig_init(&rig, &virtio_mmio_class, &mmio, 0x200);
    fuzz_rig_run(&rig, bytes, size_bytes);
    fuzz_rig_fini(&rig);
}

#endif

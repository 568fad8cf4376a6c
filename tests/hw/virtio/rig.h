/* A tiny virtio driver for tests: it brings a virtio device up, on mmio or on PCI, and puts chains
 * into its queues, all through registers and guest memory as a guest's driver does. Nothing here
 * trusts the device, and tests may scribble over everything it wrote.
 *
 * Guest memory: queue q's rings lie at RIG_RING_GPA(q), buffers are the test's own. */
#ifndef METIC_TESTS_HW_VIRTIO_RIG_H
#define METIC_TESTS_HW_VIRTIO_RIG_H

#include "hw/virtio/virtio_mmio.h"
#include "tests/hw/fixture.h"
#include <string.h>

enum {
    RIG_ENTRIES = 8,
    RIG_NEXT = 1,
    RIG_WRITE = 2,
    RIG_INDIRECT = 4,
};

#define RIG_RING_GPA(queue) ((gpa_t)(FIXTURE_RAM_GPA + 0x10000u * (1 + (queue))))
#define RIG_AVAIL_GPA(queue) (RIG_RING_GPA(queue) + 0x1000)
#define RIG_USED_GPA(queue) (RIG_RING_GPA(queue) + 0x2000)
#define RIG_DATA_GPA (FIXTURE_RAM_GPA + 0x200000u)
#define RIG_OUTSIDE_GPA (FIXTURE_RAM_GPA + FIXTURE_RAM_BYTES)

struct rig {
    struct fixture *f;
    struct device *device;
    bool pci; /* registers are named as on mmio all the same */
    u16 avail_idx[VIRTIO_MAX_QUEUES];
};

struct rig_buffer {
    gpa_t gpa;
    u32 size_bytes;
    u16 flags; /* RIG_WRITE, RIG_INDIRECT; RIG_NEXT is added between buffers */
};

/* Where a register of mmio is on PCI, and its width; 0 bytes: there is none. Reading the interrupt
 * status clears it there. */
static inline unsigned rig_pci_register(u64 *offset)
{
    static const struct {
        u16 mmio, pci;
        u8 size_bytes;
    } registers[] = {
        {0x10, 0x04, 4}, {0x14, 0x00, 4}, {0x20, 0x0c, 4}, {0x24, 0x08, 4}, {0x30, 0x16, 2},
        {0x34, 0x18, 2}, {0x38, 0x18, 2}, {0x44, 0x1c, 2}, {0x60, 0x1000, 1}, {0x70, 0x14, 1},
        {0x80, 0x20, 4}, {0x84, 0x24, 4}, {0x90, 0x28, 4}, {0x94, 0x2c, 4}, {0xa0, 0x30, 4},
        {0xa4, 0x34, 4}, {0xfc, 0x15, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
        if (registers[i].mmio == *offset) {
            *offset = registers[i].pci;
            return registers[i].size_bytes;
        }
    }
    *offset += 0x2000 - 0x100; /* configuration */
    return *offset >= 0x2000 ? 4 : 0;
}

static inline u32 rig_read(struct rig *rig, u64 offset)
{
    unsigned size_bytes = rig->pci ? rig_pci_register(&offset) : 4;
    return size_bytes != 0 ? (u32)device_read(rig->device, 0, offset, size_bytes) : 0;
}

static inline void rig_write(struct rig *rig, u64 offset, u32 value)
{
    if (rig->pci && offset == 0x50) {
        device_write(rig->device, 0, 0x3000 + 4 * value, value, 2);
        return;
    }
    unsigned size_bytes = rig->pci ? rig_pci_register(&offset) : 4;
    if (size_bytes != 0) {
        device_write(rig->device, 0, offset, value, size_bytes);
    }
}

static inline void rig_store(struct rig *rig, gpa_t gpa, const void *bytes, size_t size_bytes)
{
    cr_assert(memory_dma_write(&rig->f->memory, gpa, bytes, size_bytes));
}

static inline void rig_load(struct rig *rig, gpa_t gpa, void *bytes, size_t size_bytes)
{
    cr_assert(memory_dma_read(&rig->f->memory, gpa, bytes, size_bytes));
}

static inline void rig_store16(struct rig *rig, gpa_t gpa, u16 value)
{
    u8 bytes[2];
    st_le16(bytes, value);
    rig_store(rig, gpa, bytes, 2);
}

static inline u16 rig_load16(struct rig *rig, gpa_t gpa)
{
    u8 bytes[2];
    rig_load(rig, gpa, bytes, 2);
    return ld_le16(bytes);
}

static inline u32 rig_load32(struct rig *rig, gpa_t gpa)
{
    u8 bytes[4];
    rig_load(rig, gpa, bytes, 4);
    return ld_le32(bytes);
}

static inline u64 rig_features(struct rig *rig)
{
    rig_write(rig, 0x14, 0);
    u64 low = rig_read(rig, 0x10);
    rig_write(rig, 0x14, 1);
    return low | (u64)rig_read(rig, 0x10) << 32;
}

/* Reset to FEATURES_OK; false when the device refused the features. */
static inline bool rig_negotiate(struct rig *rig, u64 features)
{
    memset(rig->avail_idx, 0, sizeof(rig->avail_idx));
    rig_write(rig, 0x70, 0);
    rig_write(rig, 0x70, 1);
    rig_write(rig, 0x70, 3);
    rig_write(rig, 0x24, 0);
    rig_write(rig, 0x20, (u32)features);
    rig_write(rig, 0x24, 1);
    rig_write(rig, 0x20, (u32)(features >> 32));
    rig_write(rig, 0x70, 11);
    return (rig_read(rig, 0x70) & 8) != 0;
}

static inline void rig_place_queue(struct rig *rig, unsigned queue, unsigned entries, gpa_t desc,
                                   gpa_t avail, gpa_t used)
{
    rig_write(rig, 0x30, queue);
    rig_write(rig, 0x38, entries);
    rig_write(rig, 0x80, (u32)desc);
    rig_write(rig, 0x84, (u32)(desc >> 32));
    rig_write(rig, 0x90, (u32)avail);
    rig_write(rig, 0x94, (u32)(avail >> 32));
    rig_write(rig, 0xa0, (u32)used);
    rig_write(rig, 0xa4, (u32)(used >> 32));
}

static inline void rig_add_queue(struct rig *rig, unsigned queue)
{
    static const u8 zeros[0x3000];
    rig_store(rig, RIG_RING_GPA(queue), zeros, sizeof(zeros));
    rig_place_queue(rig, queue, RIG_ENTRIES, RIG_RING_GPA(queue), RIG_AVAIL_GPA(queue),
                    RIG_USED_GPA(queue));
    rig_write(rig, 0x44, 1);
    cr_assert_eq(rig_read(rig, 0x44), 1);
}

/* The whole way to DRIVER_OK with `queues` queues. */
static inline void rig_start(struct rig *rig, u64 features, unsigned queues)
{
    cr_assert(rig_negotiate(rig, features | VIRTIO_F_VERSION_1));
    for (unsigned i = 0; i < queues; i++) {
        rig_add_queue(rig, i);
    }
    rig_write(rig, 0x70, 15);
    cr_assert_eq(rig_read(rig, 0x70), 15);
}

static inline void rig_set_desc(struct rig *rig, gpa_t table, unsigned index, u64 gpa,
                                u32 size_bytes, u16 flags, u16 next)
{
    u8 desc[16];
    st_le64(desc, gpa);
    st_le32(desc + 8, size_bytes);
    st_le16(desc + 12, flags);
    st_le16(desc + 14, next);
    rig_store(rig, table + 16 * index, desc, sizeof(desc));
}

/* A chain in `table` from descriptor `first` on. */
static inline void rig_set_chain(struct rig *rig, gpa_t table, unsigned first,
                                 const struct rig_buffer *buffers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool last = i + 1 == count;
        rig_set_desc(rig, table, first + i, buffers[i].gpa, buffers[i].size_bytes,
                     (u16)(buffers[i].flags | (last ? 0 : RIG_NEXT)), (u16)(first + i + 1));
    }
}

/* Makes the chain that begins at descriptor `head` available, without a notification. */
static inline void rig_offer(struct rig *rig, unsigned queue, u16 head)
{
    u16 at = rig->avail_idx[queue]++ % RIG_ENTRIES;
    rig_store16(rig, RIG_AVAIL_GPA(queue) + 4 + 2 * at, head);
    rig_store16(rig, RIG_AVAIL_GPA(queue) + 2, rig->avail_idx[queue]);
}

/* Notifies, and lets the time pass that the device takes. */
static inline void rig_kick(struct rig *rig, unsigned queue)
{
    rig_write(rig, 0x50, queue);
    fixture_run_to_ns(rig->f, clock_now_ns(&rig->f->clock) + 1000000);
}

static inline u16 rig_used_idx(struct rig *rig, unsigned queue)
{
    return rig_load16(rig, RIG_USED_GPA(queue) + 2);
}

/* The byte count of used element `index`. */
static inline u32 rig_used_bytes(struct rig *rig, unsigned queue, unsigned index)
{
    return rig_load32(rig, RIG_USED_GPA(queue) + 4 + 8 * (index % RIG_ENTRIES) + 4);
}

static inline u32 rig_used_head(struct rig *rig, unsigned queue, unsigned index)
{
    return rig_load32(rig, RIG_USED_GPA(queue) + 4 + 8 * (index % RIG_ENTRIES));
}

/* One chain from descriptor 0, notified; it must come back. Returns its byte count. */
static inline u32 rig_run(struct rig *rig, unsigned queue, const struct rig_buffer *buffers,
                          unsigned count)
{
    u16 before = rig_used_idx(rig, queue);
    rig_set_chain(rig, RIG_RING_GPA(queue), 0, buffers, count);
    rig_offer(rig, queue, 0);
    rig_kick(rig, queue);
    cr_assert_eq(rig_used_idx(rig, queue), (u16)(before + 1), "the chain came back");
    cr_assert_eq(rig_used_head(rig, queue, before), 0);
    return rig_used_bytes(rig, queue, before);
}

static inline bool rig_is_broken(struct rig *rig)
{
    return (rig_read(rig, 0x70) & VIRTIO_NEEDS_RESET) != 0;
}

#endif

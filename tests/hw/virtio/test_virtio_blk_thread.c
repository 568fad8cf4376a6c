/* The block device with the real clock: requests run on its own thread. The test waits for what
 * must come; no time is measured. */
#include "hw/virtio/virtio_blk.h"
#include "tests/hw/virtio/rig.h"
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECTORS = 2048, HEADER = 0, STATUS = 0x100, DATA = 0x1000, SLOT = 0x4000 };

static struct fixture f;
static struct rig rig;
static char path[64];
static struct virtio_blk_config blk;
static struct virtio_mmio_config config;

/* The host's read, in place of libc's: when held, it stands until the device is being reset or
 * saved, which the epoch tells, and then a little longer. */
static _Atomic bool host_held, host_read_begun;
static _Atomic unsigned host_reads; /* completed since a test said 0 */

ssize_t preadv(int fd, const struct iovec *vector, int count, off_t offset)
{
    if (atomic_exchange(&host_held, false)) {
        const struct virtio *virtio = rig.device->state; /* its first member */
        u32 epoch = __atomic_load_n(&virtio->epoch, __ATOMIC_ACQUIRE);
        host_read_begun = true;
        while (__atomic_load_n(&virtio->epoch, __ATOMIC_ACQUIRE) == epoch) {
            sched_yield();
        }
        usleep(2000);
    }
    ssize_t got = pread(fd, vector[0].iov_base, vector[0].iov_len, offset);
    (void)count; /* the rest is read by the next call */
    host_reads++;
    return got;
}

static void hold_host_reads(void)
{
    host_read_begun = false;
    host_held = true;
}

static void setup(void)
{
    fixture_init(&f);
    journal_free(f.journal);
    clock_fini(&f.clock);
    clock_init(&f.clock, CLOCK_REAL);
    f.journal = journal_new(&f.clock, &f.log, NULL, NULL);
    f.env.journal = f.journal;
    snprintf(path, sizeof(path), "/tmp/metic-blk-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    for (unsigned s = 0; s < SECTORS; s++) {
        u8 sector[512];
        memset(sector, (int)(s & 0xff), sizeof(sector));
        cr_assert_eq(write(fd, sector, sizeof(sector)), 512);
    }
    close(fd);
    blk = (struct virtio_blk_config){{.path = path, .mode = BLK_OVERLAY}, false, 2, "d"};
    config = (struct virtio_mmio_config){&virtio_blk_type, &blk};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
}

static void teardown(void)
{
    device_free(rig.device);
    unlink(path);
    fixture_fini(&f);
}

TestSuite(virtio_blk_thread, .init = setup, .fini = teardown, .timeout = 60);

/* Offers a read of one sector with buffers and descriptors of its own for each slot. */
static void offer_read(unsigned queue, unsigned slot, u64 sector)
{
    gpa_t base = RIG_DATA_GPA + SLOT * (slot + 2 * queue);
    u8 header[16] = {0};
    const struct rig_buffer chain[] = {{base + HEADER, 16, 0},
                                       {base + DATA, 512, RIG_WRITE},
                                       {base + STATUS, 1, RIG_WRITE}};
    st_le64(header + 8, sector);
    rig_store(&rig, base + HEADER, header, sizeof(header));
    rig_set_chain(&rig, RIG_RING_GPA(queue), 3 * slot, chain, 3);
    rig_offer(&rig, queue, (u16)(3 * slot));
    rig_write(&rig, 0x50, queue);
}

static void wait_used(unsigned queue, u16 idx)
{
    while (rig_used_idx(&rig, queue) != idx) {
        sched_yield();
    }
}

Test(virtio_blk_thread, reads_on_two_queues)
{
    rig_start(&rig, VIRTIO_F_EVENT_IDX, 2);
    for (unsigned i = 0; i < 2000; i++) {
        offer_read(0, i % 2, i % SECTORS);
        offer_read(1, i % 2, (i + 7) % SECTORS);
        wait_used(0, (u16)(i + 1));
        wait_used(1, (u16)(i + 1));
        u8 byte;
        rig_load(&rig, RIG_DATA_GPA + SLOT * (i % 2) + DATA, &byte, 1);
        cr_assert_eq(byte, (u8)(i % SECTORS));
        rig_load(&rig, RIG_DATA_GPA + SLOT * (i % 2 + 2) + DATA, &byte, 1);
        cr_assert_eq(byte, (u8)((i + 7) % SECTORS));
    }
}

Test(virtio_blk_thread, interrupts_come)
{
    rig_start(&rig, 0, 1);
    for (unsigned i = 0; i < 200; i++) {
        offer_read(0, 0, i);
        while (rig_read(&rig, 0x60) == 0) {
            sched_yield();
        }
        cr_assert_eq(rig_used_idx(&rig, 0), (u16)(i + 1));
        rig_write(&rig, 0x64, 1);
    }
}

/* Waits until the worker is inside a read of the host's. */
static void wait_under_way(void)
{
    while (!host_read_begun) {
        sched_yield();
    }
}

Test(virtio_blk_thread, reset_waits_for_what_is_under_way)
{
    for (unsigned i = 0; i < 20; i++) {
        rig_start(&rig, 0, 1);
        host_reads = 0;
        hold_host_reads();
        offer_read(0, 0, i);
        wait_under_way();
        rig_write(&rig, 0x70, 0);
        cr_assert_eq(host_reads, 1, "the memory is the driver's again");
        cr_assert_eq(rig_read(&rig, 0x70), 0);
        cr_assert_eq(rig_used_idx(&rig, 0), 0, "and the request was dropped");
    }
}

Test(virtio_blk_thread, a_queue_can_be_stopped_alone)
{
    rig_start(&rig, 0, 2);
    for (unsigned i = 0; i < 200; i++) {
        offer_read(0, 0, i);
        rig_write(&rig, 0x30, 0);
        rig_write(&rig, 0x44, 0);
        u16 idx = rig_used_idx(&rig, 0);
        offer_read(1, 0, i);
        wait_used(1, (u16)(i + 1));
        cr_assert_eq(rig_used_idx(&rig, 0), idx);
        rig.avail_idx[0] = 0;
        rig_add_queue(&rig, 0);
    }
}

Test(virtio_blk_thread, saved_in_the_middle_it_is_done_again)
{
    rig_start(&rig, 0, 1);
    for (unsigned i = 0; i < 20; i++) {
        struct state_writer writer;
        host_reads = 0;
        hold_host_reads();
        offer_read(0, 0, i);
        wait_under_way();
        state_writer_init(&writer);
        device_save(rig.device, &writer);
        cr_assert(!writer.failed);
        state_writer_fini(&writer);
        wait_used(0, (u16)(i + 1));
        cr_assert_eq(host_reads, 2, "the saved state says it was not begun");
    }
}

Test(virtio_blk_thread, ends_with_requests_waiting)
{
    rig_start(&rig, 0, 2);
    offer_read(0, 0, 1);
    offer_read(0, 1, 2);
    offer_read(1, 0, 3);
}

#include "hw/virtio/virtio_rng.h"
#include "tests/hw/virtio/rig.h"

static const struct virtio_mmio_config config = {&virtio_rng_type, NULL};
static struct fixture f;
static struct rig rig;

static void setup(void)
{
    fixture_init(&f);
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
}

static void teardown(void)
{
    device_free(rig.device);
    fixture_fini(&f);
}

TestSuite(virtio_mmio, .init = setup, .fini = teardown);

Test(virtio_mmio, says_what_it_is)
{
    cr_assert_eq(rig_read(&rig, 0x00), 0x74726976);
    cr_assert_eq(rig_read(&rig, 0x04), 2);
    cr_assert_eq(rig_read(&rig, 0x08), 4);
    cr_assert_eq(rig_read(&rig, 0x0c), 0x554d4551, "xv6 asks");
    cr_assert_eq(rig_read(&rig, 0x34), 64, "queue 0");
    rig_write(&rig, 0x30, 1);
    cr_assert_eq(rig_read(&rig, 0x34), 0, "there is no queue 1");
    cr_assert_eq(rig_features(&rig),
                 VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
    rig_write(&rig, 0x14, 2);
    cr_assert_eq(rig_read(&rig, 0x10), 0, "no third word of features");
}

Test(virtio_mmio, has_no_shared_memory)
{
    rig_write(&rig, 0xac, 0);
    for (u64 offset = 0xb0; offset <= 0xbc; offset += 4) {
        cr_assert_eq(rig_read(&rig, offset), UINT32_MAX);
    }
}

Test(virtio_mmio, empty_slot_is_recognisable_and_inert)
{
    struct rig empty = {.f = &f, .device = fixture_device(&f, &virtio_mmio_class, NULL, 1)};
    cr_assert_eq(rig_read(&empty, 0x00), 0x74726976);
    cr_assert_eq(rig_read(&empty, 0x04), 2);
    for (u64 offset = 0; offset < 0x1000; offset += 4) {
        rig_write(&empty, offset, UINT32_MAX);
        if (offset != 0 && offset != 4 && offset != 0xc) {
            cr_assert_eq(rig_read(&empty, offset), 0);
        }
    }
    cr_assert(!f.lines[0]);
    device_free(empty.device);
}

Test(virtio_mmio, registers_want_aligned_words)
{
    cr_assert_eq(device_read(rig.device, 0, 0x00, 1), 0);
    cr_assert_eq(device_read(rig.device, 0, 0x02, 4), 0);
    device_write(rig.device, 0, 0x70, 1, 1);
    cr_assert_eq(rig_read(&rig, 0x70), 0);
    cr_assert(f.log_count > 0);
}

Test(virtio_mmio, features_must_be_offered)
{
    cr_assert(!rig_negotiate(&rig, VIRTIO_F_VERSION_1 | BIT(5)), "not offered");
    rig_write(&rig, 0x70, 15);
    cr_assert_eq(rig_read(&rig, 0x70) & 4, 0, "no DRIVER_OK without FEATURES_OK");
    cr_assert(rig_negotiate(&rig, VIRTIO_F_EVENT_IDX), "xv6 forgets VERSION_1");
    cr_assert(rig_negotiate(&rig, VIRTIO_F_VERSION_1));
    rig_write(&rig, 0x24, 0);
    rig_write(&rig, 0x20, UINT32_MAX);
    rig_add_queue(&rig, 0);
    rig_write(&rig, 0x70, 15);
    cr_assert_eq(rig_read(&rig, 0x70), 15, "features written too late change nothing");
}

Test(virtio_mmio, status_bits_go_by_reset_only)
{
    rig_start(&rig, 0, 1);
    rig_write(&rig, 0x70, 1);
    cr_assert_eq(rig_read(&rig, 0x70), 15);
    rig_write(&rig, 0x70, 0);
    cr_assert_eq(rig_read(&rig, 0x70), 0);
    cr_assert_eq(rig_read(&rig, 0x44), 0, "the queue is gone too");
}

Test(virtio_mmio, fills_a_buffer_and_interrupts)
{
    const u8 zeros[64] = {0};
    u8 got[64];
    const struct rig_buffer buffer = {RIG_DATA_GPA, 64, RIG_WRITE};
    rig_start(&rig, 0, 1);
    cr_assert(!f.lines[0]);
    cr_assert_eq(rig_run(&rig, 0, &buffer, 1), 64);
    rig_load(&rig, RIG_DATA_GPA, got, sizeof(got));
    cr_assert_arr_neq(got, zeros, 64);
    cr_assert(f.lines[0]);
    cr_assert_eq(rig_read(&rig, 0x60), 1);
    rig_write(&rig, 0x64, 2);
    cr_assert(f.lines[0], "another cause was acknowledged");
    rig_write(&rig, 0x64, 1);
    cr_assert(!f.lines[0]);
}

Test(virtio_mmio, a_set_up_queue_cannot_be_moved)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 16, RIG_WRITE};
    rig_start(&rig, 0, 1);
    rig_place_queue(&rig, 0, 4, RIG_OUTSIDE_GPA, RIG_OUTSIDE_GPA, RIG_OUTSIDE_GPA);
    cr_assert_eq(rig_run(&rig, 0, &buffer, 1), 16);
}

Test(virtio_mmio, misplaced_queues_are_refused)
{
    const gpa_t ring = RIG_RING_GPA(0);
    const struct {
        u32 entries;
        gpa_t desc, avail, used;
    } cases[] = {
        {3, ring, ring + 0x1000, ring + 0x2000},
        {128, ring, ring + 0x1000, ring + 0x2000}, /* the device has 64 */
        {65544, ring, ring + 0x1000, ring + 0x2000},
        {8, ring + 8, ring + 0x1000, ring + 0x2000},
        {8, ring, ring + 0x1001, ring + 0x2000},
        {8, ring, ring + 0x1000, ring + 0x2002},
        {8, RIG_OUTSIDE_GPA - 64, ring + 0x1000, ring + 0x2000},
        {8, ring, RIG_OUTSIDE_GPA, ring + 0x2000},
        {8, ring, ring + 0x1000, 0},
        {8, UINT64_MAX - 15, ring, ring},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cr_assert(rig_negotiate(&rig, VIRTIO_F_VERSION_1));
        rig_place_queue(&rig, 0, cases[i].entries, cases[i].desc, cases[i].avail, cases[i].used);
        rig_write(&rig, 0x44, 1);
        cr_assert_eq(rig_read(&rig, 0x44), 0, "case %zu", i);
        cr_assert(rig_is_broken(&rig), "case %zu", i);
    }
}

Test(virtio_mmio, a_queue_of_no_size_has_the_devices)
{
    const gpa_t ring = RIG_RING_GPA(0);
    cr_assert(rig_negotiate(&rig, VIRTIO_F_VERSION_1));
    rig_place_queue(&rig, 0, 0, ring, ring + 0x1000, ring + 0x2000);
    rig_write(&rig, 0x44, 1);
    cr_assert_eq(rig_read(&rig, 0x44), 1);
    cr_assert_not(rig_is_broken(&rig));
}

Test(virtio_mmio, nothing_is_taken_before_the_driver_is_ready)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 16, RIG_WRITE};
    cr_assert(rig_negotiate(&rig, VIRTIO_F_VERSION_1));
    rig_add_queue(&rig, 0);
    rig_set_chain(&rig, RIG_RING_GPA(0), 0, &buffer, 1);
    rig_offer(&rig, 0, 0);
    rig_kick(&rig, 0);
    cr_assert_eq(rig_used_idx(&rig, 0), 0);
    rig_write(&rig, 0x70, 15);
    fixture_run_to_ns(&f, 10000000);
    cr_assert_eq(rig_used_idx(&rig, 0), 1, "and then without a notification");
}

Test(virtio_mmio, completion_has_a_fixed_guest_time)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 16, RIG_WRITE};
    rig_start(&rig, 0, 1);
    fixture_run_to_ns(&f, 1000000);
    rig_set_chain(&rig, RIG_RING_GPA(0), 0, &buffer, 1);
    rig_offer(&rig, 0, 0);
    rig_write(&rig, 0x50, 0);
    fixture_run_to_ns(&f, 1000000 + VIRTIO_LATENCY_NS - 1);
    cr_assert_eq(rig_used_idx(&rig, 0), 0);
    fixture_run_to_ns(&f, 1000000 + VIRTIO_LATENCY_NS);
    cr_assert_eq(rig_used_idx(&rig, 0), 1);
}

Test(virtio_mmio, state_survives_with_work_pending)
{
    struct rig other = {.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
    const struct rig_buffer buffer = {RIG_DATA_GPA, 16, RIG_WRITE};
    rig_start(&rig, 0, 1);
    rig_run(&rig, 0, &buffer, 1);
    rig_set_chain(&rig, RIG_RING_GPA(0), 0, &buffer, 1);
    rig_offer(&rig, 0, 0);
    rig_write(&rig, 0x50, 0);
    fixture_clone_state(rig.device, other.device);
    device_reset(rig.device);
    cr_assert_eq(rig_used_idx(&rig, 0), 1);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
    cr_assert_eq(rig_used_idx(&rig, 0), 2, "the copy went on");
    cr_assert(f.lines[0]);
    device_free(other.device);
}

Test(virtio_mmio, impossible_saved_state_is_refused)
{
    struct state_writer writer;
    struct state_reader reader;
    struct metic_error error = {0};
    rig_start(&rig, 0, 1);
    state_writer_init(&writer);
    device_save(rig.device, &writer);
    unsigned refused = 0;
    for (size_t i = 0; i < writer.size_bytes; i++) {
        u8 before = writer.bytes[i];
        writer.bytes[i] ^= 0xff;
        state_reader_init(&reader, writer.bytes, writer.size_bytes);
        refused += !device_load(rig.device, &reader, &error);
        fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1);
        writer.bytes[i] = before;
    }
    cr_assert(refused > 100, "names, kinds, counts and impossible values");
    state_writer_fini(&writer);
}

Test(virtio_mmio, another_device_cannot_be_loaded)
{
    struct device *empty = fixture_device(&f, &virtio_mmio_class, NULL, 1);
    struct state_writer writer;
    struct state_reader reader;
    state_writer_init(&writer);
    device_save(empty, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(!device_load(rig.device, &reader, NULL));
    state_writer_fini(&writer);
    device_free(empty);
}

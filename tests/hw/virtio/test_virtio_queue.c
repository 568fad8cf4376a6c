/* Split queues, through the entropy device: what it puts into a chain shows how the chain was
 * understood. */
#include "hw/virtio/virtio_rng.h"
#include "tests/hw/virtio/rig.h"

#define ALL (VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)

static const struct virtio_mmio_config config = {&virtio_rng_type, NULL};
static struct fixture f;
static struct rig rig;
static const gpa_t ring = RIG_RING_GPA(0);

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

TestSuite(virtio_queue, .init = setup, .fini = teardown);

/* Offers descriptor 0 and expects the device to give up, once, with a log line and an interrupt. */
static void expect_broken(const char *what)
{
    f.log_count = 0;
    rig_offer(&rig, 0, 0);
    rig_kick(&rig, 0);
    cr_assert(rig_is_broken(&rig), "%s", what);
    cr_assert_eq(rig_used_idx(&rig, 0), 0, "%s", what);
    cr_assert(f.lines[0], "%s", what);
    cr_assert_eq(rig_read(&rig, 0x60), VIRTIO_ISR_CONFIG, "%s", what);
    cr_assert(f.log_count <= 1, "%s", what);
    rig_kick(&rig, 0);
    cr_assert(f.log_count <= 1, "%s", what);
}

Test(virtio_queue, chain_of_descriptors)
{
    const u8 zeros[32] = {0};
    u8 got[32];
    const struct rig_buffer chain[] = {{RIG_DATA_GPA, 8, RIG_WRITE},
                                       {RIG_DATA_GPA + 100, 16, RIG_WRITE},
                                       {RIG_DATA_GPA + 200, 8, RIG_WRITE}};
    rig_start(&rig, 0, 1);
    cr_assert_eq(rig_run(&rig, 0, chain, 3), 32);
    rig_load(&rig, RIG_DATA_GPA + 200, got, 8);
    cr_assert_arr_neq(got, zeros, 8);
    rig_load(&rig, RIG_DATA_GPA + 8, got, 32);
    cr_assert_arr_eq(got, zeros, 32, "between the buffers nothing was written");
}

Test(virtio_queue, readable_part_is_not_written)
{
    const u8 zeros[16] = {0};
    u8 got[16];
    const struct rig_buffer chain[] = {{RIG_DATA_GPA, 16, 0}, {RIG_DATA_GPA + 64, 4, RIG_WRITE}};
    rig_start(&rig, 0, 1);
    cr_assert_eq(rig_run(&rig, 0, chain, 2), 4);
    rig_load(&rig, RIG_DATA_GPA, got, 16);
    cr_assert_arr_eq(got, zeros, 16);
    cr_assert_eq(rig_run(&rig, 0, chain, 1), 0, "nothing to write to");
}

Test(virtio_queue, indirect_table)
{
    const gpa_t table = RIG_DATA_GPA + 0x1000;
    const struct rig_buffer inner[] = {{RIG_DATA_GPA, 8, RIG_WRITE},
                                       {RIG_DATA_GPA + 100, 16, RIG_WRITE}};
    const struct rig_buffer outer[] = {{RIG_DATA_GPA + 300, 8, 0}, {table, 32, RIG_INDIRECT}};
    rig_start(&rig, ALL, 1);
    rig_set_chain(&rig, table, 0, inner, 2);
    cr_assert_eq(rig_run(&rig, 0, &outer[1], 1), 24);
    cr_assert_eq(rig_run(&rig, 0, outer, 2), 24, "after direct descriptors");
}

Test(virtio_queue, indices_wrap)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 4, RIG_WRITE};
    rig_start(&rig, VIRTIO_F_EVENT_IDX, 1);
    for (unsigned i = 0; i < 66000; i++) {
        rig_set_chain(&rig, ring, i % RIG_ENTRIES, &buffer, 1);
        rig_offer(&rig, 0, (u16)(i % RIG_ENTRIES));
        rig_kick(&rig, 0);
        cr_assert_eq(rig_used_idx(&rig, 0), (u16)(i + 1));
        cr_assert_eq(rig_used_head(&rig, 0, i), i % RIG_ENTRIES);
    }
}

Test(virtio_queue, many_chains_at_once)
{
    rig_start(&rig, 0, 1);
    for (u16 i = 0; i < RIG_ENTRIES; i++) {
        const struct rig_buffer buffer = {RIG_DATA_GPA + 64u * i, 4u + i, RIG_WRITE};
        rig_set_chain(&rig, ring, i, &buffer, 1);
        rig_offer(&rig, 0, (u16)(RIG_ENTRIES - 1 - i));
    }
    for (u16 i = 0; i < RIG_ENTRIES; i++) {
        rig_store16(&rig, RIG_AVAIL_GPA(0) + 4 + 2 * i, (u16)(RIG_ENTRIES - 1 - i));
    }
    rig_kick(&rig, 0);
    cr_assert_eq(rig_used_idx(&rig, 0), RIG_ENTRIES);
    for (u16 i = 0; i < RIG_ENTRIES; i++) {
        cr_assert_eq(rig_used_head(&rig, 0, i), RIG_ENTRIES - 1u - i, "in the order offered");
        cr_assert_eq(rig_used_bytes(&rig, 0, i), 4u + RIG_ENTRIES - 1 - i);
    }
}

Test(virtio_queue, interrupts_by_flag)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 4, RIG_WRITE};
    rig_start(&rig, 0, 1);
    rig_store16(&rig, RIG_AVAIL_GPA(0), 1); /* no interrupt */
    rig_run(&rig, 0, &buffer, 1);
    cr_assert(!f.lines[0]);
    rig_store16(&rig, RIG_AVAIL_GPA(0), 0);
    rig_run(&rig, 0, &buffer, 1);
    cr_assert(f.lines[0]);
}

Test(virtio_queue, interrupts_by_event_index)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 4, RIG_WRITE};
    const gpa_t used_event = RIG_AVAIL_GPA(0) + 4 + 2 * RIG_ENTRIES;
    const gpa_t avail_event = RIG_USED_GPA(0) + 4 + 8 * RIG_ENTRIES;
    rig_start(&rig, VIRTIO_F_EVENT_IDX, 1);
    rig_run(&rig, 0, &buffer, 1);
    cr_assert(f.lines[0], "used_event is 0: the first one interrupts");
    cr_assert_eq(rig_load16(&rig, avail_event), 1, "the device asks for the next notification");
    rig_write(&rig, 0x64, 3);
    rig_store16(&rig, RIG_AVAIL_GPA(0), 1); /* the flag means nothing now */
    rig_store16(&rig, used_event, 3);
    for (unsigned i = 1; i < 3; i++) {
        rig_run(&rig, 0, &buffer, 1);
        cr_assert(!f.lines[0], "used index %u", i + 1);
    }
    rig_run(&rig, 0, &buffer, 1);
    cr_assert(f.lines[0], "used index 4 passes 3");
    cr_assert_eq(rig_load16(&rig, avail_event), 4);
}

Test(virtio_queue, notifications_by_flag)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 4, RIG_WRITE};
    rig_start(&rig, 0, 1);
    rig_run(&rig, 0, &buffer, 1);
    cr_assert_eq(rig_load16(&rig, RIG_USED_GPA(0)), 0, "notifications are wanted when idle");
}

Test(virtio_queue, loops_and_wild_links_break_the_device)
{
    rig_start(&rig, ALL, 1);
    rig_set_desc(&rig, ring, 0, RIG_DATA_GPA, 4, RIG_WRITE | RIG_NEXT, 1);
    rig_set_desc(&rig, ring, 1, RIG_DATA_GPA, 4, RIG_WRITE | RIG_NEXT, 0);
    expect_broken("a loop of two");
    rig_start(&rig, ALL, 1);
    rig_set_desc(&rig, ring, 0, RIG_DATA_GPA, 4, RIG_WRITE | RIG_NEXT, 0);
    expect_broken("a loop of one");
    rig_start(&rig, ALL, 1);
    rig_set_desc(&rig, ring, 0, RIG_DATA_GPA, 4, RIG_WRITE | RIG_NEXT, RIG_ENTRIES);
    expect_broken("a link out of the table");
    rig_start(&rig, ALL, 1);
    rig_store16(&rig, RIG_AVAIL_GPA(0) + 4, RIG_ENTRIES);
    rig_store16(&rig, RIG_AVAIL_GPA(0) + 2, 1);
    rig_kick(&rig, 0);
    cr_assert(rig_is_broken(&rig), "a head out of the table");
}

Test(virtio_queue, wild_buffers_break_the_device)
{
    const struct {
        const char *what;
        gpa_t gpa;
        u32 size_bytes;
    } cases[] = {{"nowhere", 0x1000, 4},
                 {"over the end of RAM", RIG_OUTSIDE_GPA - 4, 8},
                 {"before RAM", FIXTURE_RAM_GPA - 4, 8},
                 {"huge", RIG_DATA_GPA, UINT32_MAX},
                 {"past the end of addresses", UINT64_MAX - 3, 8},
                 {"empty", RIG_DATA_GPA, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        rig_start(&rig, ALL, 1);
        rig_set_desc(&rig, ring, 0, cases[i].gpa, cases[i].size_bytes, RIG_WRITE, 0);
        expect_broken(cases[i].what);
    }
    rig_start(&rig, ALL, 1);
    rig_set_desc(&rig, ring, 0, RIG_DATA_GPA, 4, RIG_WRITE | RIG_NEXT, 1);
    rig_set_desc(&rig, ring, 1, RIG_DATA_GPA, 4, 0, 0);
    expect_broken("readable after writable");
}

Test(virtio_queue, malformed_indirection_breaks_the_device)
{
    const gpa_t table = RIG_DATA_GPA + 0x1000;
    const struct {
        const char *what;
        gpa_t gpa;
        u32 size_bytes;
        u16 flags;
    } cases[] = {{"table outside RAM", RIG_OUTSIDE_GPA - 16, 32, RIG_INDIRECT},
                 {"no table", table, 0, RIG_INDIRECT},
                 {"broken size", table, 24, RIG_INDIRECT},
                 {"huge table", table, 16 * 257, RIG_INDIRECT},
                 {"whole memory", table, 0xfffffff0u, RIG_INDIRECT},
                 {"next and indirect", table, 32, RIG_INDIRECT | RIG_NEXT}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        rig_start(&rig, ALL, 1);
        rig_set_desc(&rig, table, 0, RIG_DATA_GPA, 4, RIG_WRITE, 0);
        rig_set_desc(&rig, ring, 0, cases[i].gpa, cases[i].size_bytes, cases[i].flags, 1);
        rig_set_desc(&rig, ring, 1, RIG_DATA_GPA, 4, RIG_WRITE, 0);
        expect_broken(cases[i].what);
    }
    rig_start(&rig, ALL, 1);
    rig_set_desc(&rig, ring, 0, table, 32, RIG_INDIRECT, 0);
    rig_set_desc(&rig, table, 0, table, 32, RIG_INDIRECT, 0);
    expect_broken("nested");
    rig_start(&rig, ALL, 1);
    rig_set_desc(&rig, ring, 0, table, 32, RIG_INDIRECT, 0);
    rig_set_desc(&rig, table, 0, RIG_DATA_GPA, 4, RIG_WRITE | RIG_NEXT, 1);
    rig_set_desc(&rig, table, 1, RIG_DATA_GPA, 4, RIG_WRITE | RIG_NEXT, 0);
    expect_broken("a loop in the table");
    rig_start(&rig, VIRTIO_F_EVENT_IDX, 1);
    rig_set_desc(&rig, ring, 0, table, 32, RIG_INDIRECT, 0);
    expect_broken("not negotiated");
}

Test(virtio_queue, wild_available_index_breaks_the_device)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 4, RIG_WRITE};
    rig_start(&rig, 0, 1);
    rig_set_chain(&rig, ring, 0, &buffer, 1);
    rig_store16(&rig, RIG_AVAIL_GPA(0) + 2, RIG_ENTRIES + 1);
    rig_kick(&rig, 0);
    cr_assert(rig_is_broken(&rig));
    cr_assert_eq(rig_used_idx(&rig, 0), 0);
}

Test(virtio_queue, a_reset_mends_a_broken_device)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 4, RIG_WRITE};
    rig_start(&rig, ALL, 1);
    rig_set_desc(&rig, ring, 0, 0, 4, RIG_WRITE, 0);
    expect_broken("nowhere");
    rig_start(&rig, ALL, 1);
    cr_assert(!f.lines[0]);
    cr_assert_eq(rig_run(&rig, 0, &buffer, 1), 4);
}

static unsigned code_writes;

static void on_code_written(void *opaque, gpa_t gpa, u64 size_bytes)
{
    (void)opaque;
    (void)size_bytes;
    code_writes += gpa == (RIG_DATA_GPA & PAGE_MASK);
}

Test(virtio_queue, writes_into_code_are_told)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 4, RIG_WRITE};
    rig_start(&rig, 0, 1);
    f.memory.code_written = on_code_written;
    memory_page_set(&f.memory, RIG_DATA_GPA, MEMORY_PAGE_CODE);
    rig_run(&rig, 0, &buffer, 1);
    cr_assert_eq(code_writes, 1);
}

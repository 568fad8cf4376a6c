/* The balloon through its registers: pages that were given back read as zeros and are no longer the
 * host's; statistics; reports; what a guest may do wrong. */
#include "hw/virtio/virtio_balloon.h"
#include "tests/hw/virtio/rig.h"

#include <sys/mman.h>

enum { INFLATE = 0, DEFLATE = 1, STATS = 2, REPORT = 3, PAGES_GPA = FIXTURE_RAM_GPA + 0x300000 };
#define FEATURES (BIT(1) | BIT(2) | BIT(4) | BIT(5))

static struct fixture f;
static struct rig rig;
static struct virtio_balloon_config balloon;
static struct virtio_mmio_config config;

static void setup(void)
{
    fixture_init(&f);
    config = (struct virtio_mmio_config){&virtio_balloon_type, &balloon};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
}

static void teardown(void)
{
    device_free(rig.device);
    fixture_fini(&f);
}

TestSuite(virtio_balloon, .init = setup, .fini = teardown);

static void fill(gpa_t gpa, unsigned pages, u8 value)
{
    static u8 bytes[4096];
    memset(bytes, value, sizeof(bytes));
    for (unsigned i = 0; i < pages; i++) {
        rig_store(&rig, gpa + 4096u * i, bytes, sizeof(bytes));
    }
}

static u8 first_byte(gpa_t page)
{
    u8 byte;
    rig_load(&rig, page, &byte, 1);
    return byte;
}

/* Whether the host holds the page. */
static bool is_held(gpa_t page)
{
    unsigned char held = 0;
    cr_assert_eq(mincore(memory_host(&f.memory, page, 4096), 4096, &held), 0);
    return held & 1;
}

static void give(unsigned queue, const u32 *pages, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        u8 bytes[4];
        st_le32(bytes, pages[i]);
        rig_store(&rig, RIG_DATA_GPA + 4 * i, bytes, 4);
    }
    struct rig_buffer buffer = {RIG_DATA_GPA, 4 * count, 0};
    cr_assert_eq(rig_run(&rig, queue, &buffer, 1), 0);
}

Test(virtio_balloon, what_is_inflated_goes_back)
{
    const u32 page = (u32)(PAGES_GPA >> 12);
    const u32 pages[] = {page, page + 1, page + 3, page + 6, page + 5};
    rig_start(&rig, FEATURES, 4);
    fill(PAGES_GPA, 8, 0x5a);
    give(INFLATE, pages, ARRAY_LEN(pages));
    for (unsigned i = 0; i < 8; i++) {
        bool given = i == 0 || i == 1 || i == 3 || i == 5 || i == 6;
        cr_expect_eq(is_held(PAGES_GPA + 4096u * i), !given, "page %u", i);
        cr_expect_eq(first_byte(PAGES_GPA + 4096u * i), given ? 0 : 0x5a, "page %u", i);
    }
    give(DEFLATE, pages, ARRAY_LEN(pages));
    fill(PAGES_GPA, 1, 1);
    cr_expect_eq(first_byte(PAGES_GPA), 1);
}

Test(virtio_balloon, a_wish_is_seen_and_answered)
{
    struct virtio_balloon_status status;
    rig_start(&rig, FEATURES, 4);
    cr_expect_eq(rig_read(&rig, 0x100), 0);
    virtio_balloon_ask(&balloon, 77);
    cr_expect_eq(rig_read(&rig, 0x100), 77);
    cr_expect_eq(rig_read(&rig, 0x60), VIRTIO_ISR_CONFIG);
    rig_write(&rig, 0x104, 70);
    virtio_balloon_look(&balloon, &status);
    cr_expect_eq(status.wanted_pages, 77);
    cr_expect_eq(status.actual_pages, 70);
}

Test(virtio_balloon, free_pages_that_are_reported_go_back)
{
    struct virtio_balloon_status status;
    struct rig_buffer buffers[] = {{PAGES_GPA, 0x4000, RIG_WRITE},
                                   {PAGES_GPA + 0x5800, 0x2000, RIG_WRITE}};
    rig_start(&rig, FEATURES, 4);
    fill(PAGES_GPA, 8, 0x5a);
    rig_run(&rig, REPORT, buffers, 2);
    for (unsigned i = 0; i < 8; i++) {
        cr_expect_eq(is_held(PAGES_GPA + 4096u * i), i == 4 || i == 5 || i == 7, "page %u", i);
    }
    virtio_balloon_look(&balloon, &status);
    cr_expect_eq(status.reported_bytes, 0x5000);
}

Test(virtio_balloon, poisoned_pages_are_kept)
{
    struct rig_buffer buffer = {PAGES_GPA, 0x4000, RIG_WRITE};
    rig_start(&rig, FEATURES, 4);
    rig_write(&rig, 0x10c, 0xaaaaaaaa);
    fill(PAGES_GPA, 4, 0xaa);
    rig_run(&rig, REPORT, &buffer, 1);
    cr_expect_eq(first_byte(PAGES_GPA), 0xaa);
}

Test(virtio_balloon, without_statistics_reports_are_the_third_queue)
{
    struct rig_buffer buffer = {PAGES_GPA, 0x4000, RIG_WRITE};
    rig_start(&rig, BIT(5), 3);
    fill(PAGES_GPA, 4, 0x5a);
    rig_run(&rig, 2, &buffer, 1);
    cr_expect_eq(first_byte(PAGES_GPA), 0);
}

Test(virtio_balloon, statistics_are_kept_until_asked_for_anew)
{
    struct virtio_balloon_status status;
    u8 bytes[30];
    const struct rig_buffer buffer = {RIG_DATA_GPA, sizeof(bytes), 0};
    rig_start(&rig, FEATURES, 4);
    for (unsigned i = 0; i < 3; i++) {
        st_le16(bytes + 10 * i, (u16)(i == 2 ? 999 : 4 + i));
        st_le64(bytes + 10 * i + 2, 1000 + i);
    }
    rig_store(&rig, RIG_DATA_GPA, bytes, sizeof(bytes));
    rig_set_chain(&rig, RIG_RING_GPA(STATS), 0, &buffer, 1);
    rig_offer(&rig, STATS, 0);
    rig_kick(&rig, STATS);
    cr_expect_eq(rig_used_idx(&rig, STATS), 0, "kept");
    virtio_balloon_look(&balloon, &status);
    cr_expect_eq(status.stats_valid, 0x30);
    cr_expect_eq(status.stats[4], 1000);
    cr_expect_eq(status.stats[5], 1001);
    virtio_balloon_ask(&balloon, 0);
    cr_expect_eq(rig_used_idx(&rig, STATS), 1, "given back");
}

Test(virtio_balloon, saved_and_loaded)
{
    rig_start(&rig, FEATURES, 4);
    virtio_balloon_ask(&balloon, 77);
    rig_write(&rig, 0x104, 70);
    struct virtio_balloon_config second = {NULL};
    struct virtio_mmio_config other = {&virtio_balloon_type, &second};
    struct device *clone = fixture_device(&f, &virtio_mmio_class, &other, 1);
    struct virtio_balloon_status status;
    fixture_clone_state(rig.device, clone);
    virtio_balloon_look(&second, &status);
    cr_expect_eq(status.wanted_pages, 77);
    cr_expect_eq(status.actual_pages, 70);
    device_free(clone);
}

Test(virtio_balloon, pages_that_are_none)
{
    const u32 pages[] = {0, 0xffffffff, (u32)(RIG_OUTSIDE_GPA >> 12),
                         (u32)(RIG_OUTSIDE_GPA >> 12) - 1, 5};
    struct rig_buffer outside = {RIG_DATA_GPA, 3, 0};
    rig_start(&rig, FEATURES, 4);
    give(INFLATE, pages, ARRAY_LEN(pages));
    rig_run(&rig, INFLATE, &outside, 1);
    cr_expect_not(rig_is_broken(&rig));
}

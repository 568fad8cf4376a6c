/* Guest physical memory: the map, DMA over borders, page flags and their hooks. */
#include "cpu/memory.h"

#include "cpu/base/zeros.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RAM 0x80000000u
#define ROM 0x1000u
#define DEVICE 0x10000000u
#define FLASH 0x20000000u

static struct log quiet;
static struct memory memory;
static u64 last_value, last_offset;
static unsigned device_writes, code_calls, break_calls, map_calls;
static gpa_t code_gpa;

static u64 device_read(void *opaque, u64 offset, unsigned size_bytes)
{
    (void)opaque;
    return offset * 16 + size_bytes;
}

static void device_write(void *opaque, u64 offset, u64 value, unsigned size_bytes)
{
    (void)opaque;
    (void)size_bytes;
    last_offset = offset;
    last_value = value;
    device_writes++;
}

static const struct mmio_ops device_ops = { device_read, device_write };

static void drop(void *opaque, enum log_level level, const char *line)
{
    (void)opaque;
    (void)level;
    (void)line;
}

static void setup(void)
{
    struct metic_error error;
    log_init(&quiet, LOG_GUEST);
    quiet.write = drop;
    memory_init(&memory, &quiet);
    cr_assert(memory_add_ram(&memory, "ram", RAM, 16 * PAGE_BYTES, &error));
    cr_assert(memory_add_rom(&memory, "rom", ROM, 2 * PAGE_BYTES, &error));
    cr_assert(memory_add_mmio(&memory, "device", DEVICE, 0x100, &device_ops, NULL, &error));
    cr_assert(memory_add_romd(&memory, "flash", FLASH, 2 * PAGE_BYTES, &device_ops, NULL, &error));
}

static void teardown(void)
{
    memory_fini(&memory);
    log_fini(&quiet);
}

TestSuite(memory, .init = setup, .fini = teardown);

Test(memory, regions_are_found_to_the_byte)
{
    cr_expect(memory_find(&memory, RAM - 1) == NULL);
    cr_expect_str_eq(memory_find(&memory, RAM)->name, "ram");
    cr_expect_str_eq(memory_find(&memory, RAM + 16 * PAGE_BYTES - 1)->name, "ram");
    cr_expect(memory_find(&memory, RAM + 16 * PAGE_BYTES) == NULL);
    cr_expect_str_eq(memory_find(&memory, DEVICE + 0xff)->name, "device");
    cr_expect(memory_find(&memory, DEVICE + 0x100) == NULL);
    cr_expect(memory_find(&memory, ~(gpa_t)0) == NULL);
    cr_expect(memory_find_by_name(&memory, "rom")->gpa == ROM);
    cr_expect(memory_find_by_name(&memory, "none") == NULL);
}

Test(memory, regions_that_cannot_be)
{
    struct metic_error error = { 0 };
    cr_expect(!memory_add_ram(&memory, "twice", RAM + PAGE_BYTES, PAGE_BYTES, &error));
    cr_expect(error.what[0] != '\0');
    cr_expect(!memory_add_ram(&memory, "around", RAM - PAGE_BYTES, 64 * PAGE_BYTES, &error));
    cr_expect(!memory_add_ram(&memory, "odd", 0x40000800, PAGE_BYTES, &error));
    cr_expect(!memory_add_ram(&memory, "empty", 0x40000000, 0, &error));
    cr_expect(!memory_add_mmio(&memory, "round", ~(gpa_t)0 - 0xff, 0x1000, &device_ops, NULL,
                               &error));
    for (unsigned i = memory.region_count; i < MEMORY_MAX_REGIONS; i++) {
        cr_assert(memory_add_mmio(&memory, "many", 0x30000000 + i * 0x1000u, 8, &device_ops, NULL,
                                  &error));
    }
    cr_expect(!memory_add_mmio(&memory, "one more", 0x50000000, 8, &device_ops, NULL, &error));
}

Test(memory, host_bytes)
{
    cr_expect(memory_host(&memory, RAM, 16 * PAGE_BYTES) != NULL);
    cr_expect(memory_host(&memory, RAM + 8, 16 * PAGE_BYTES) == NULL, "over the end");
    cr_expect(memory_host(&memory, RAM, ~(u64)0) == NULL);
    cr_expect(memory_host(&memory, DEVICE, 1) == NULL);
    struct memory_region *flash = memory_find(&memory, FLASH);
    cr_expect(memory_host(&memory, FLASH, 8) == flash->host);
    memory_set_direct(&memory, flash, false);
    cr_expect(memory_host(&memory, FLASH, 8) == NULL);
    cr_expect(memory_host_any_mode(&memory, FLASH, 8) == flash->host);
}

static void on_map(void *opaque)
{
    (void)opaque;
    map_calls++;
}

Test(memory, changes_of_mode_are_told)
{
    struct memory_region *flash = memory_find(&memory, FLASH);
    memory.map_changed = on_map;
    memory_set_direct(&memory, flash, true);
    cr_expect(map_calls == 0, "it was direct already");
    memory_set_direct(&memory, flash, false);
    memory_set_direct(&memory, flash, true);
    cr_expect(map_calls == 2);
}

Test(memory, dma_over_borders)
{
    u8 bytes[64];
    memset(bytes, 0x5a, sizeof(bytes));
    cr_expect(memory_dma_write(&memory, RAM + 100, bytes, sizeof(bytes)));
    cr_expect(memory_host(&memory, RAM + 100, 1)[63] == 0x5a);
    cr_expect(!memory_dma_write(&memory, RAM - 32, bytes, sizeof(bytes)), "half of it is nowhere");
    cr_expect(memory_host(&memory, RAM, 1)[31] == 0x5a && memory_host(&memory, RAM, 1)[32] == 0);
    cr_expect(memory_dma_read(&memory, RAM + 100, bytes, 64));
    cr_expect(!memory_dma_read(&memory, RAM + 16 * PAGE_BYTES - 32, bytes, 64));
    cr_expect(bytes[0] == 0 && bytes[63] == 0, "reads of nothing are zeros");
    cr_expect(!memory_dma_write(&memory, DEVICE, bytes, 8) && device_writes == 0);
    cr_expect(!memory_dma_write(&memory, ROM, bytes, 8));
    cr_expect(!memory_dma_read(&memory, ~(gpa_t)0 - 3, bytes, 8));
    memset(bytes, 0x77, sizeof(bytes));
    cr_expect(memory_load(&memory, ROM + 8, bytes, 8) &&
              memory_host(&memory, ROM + 8, 1)[0] == 0x77);
}

Test(memory, accesses_of_harts_to_devices)
{
    u64 value = 0;
    cr_expect(memory_mmio_read(&memory, DEVICE + 4, 4, &value) && value == 4 * 16 + 4);
    cr_expect(memory_mmio_write(&memory, DEVICE + 8, 2, 0x1234));
    cr_expect(device_writes == 1 && last_offset == 8 && last_value == 0x1234);
    cr_expect(!memory_mmio_read(&memory, DEVICE + 0xfe, 4, &value), "over its end");
    cr_expect(!memory_mmio_read(&memory, 0x7000000, 4, &value));
    cr_expect(!memory_mmio_write(&memory, 0x7000000, 4, 0));
    cr_expect(memory_mmio_write(&memory, ROM, 4, 1), "ignored, but answered");
    cr_expect(memory_mmio_read(&memory, ROM, 4, &value) && value == 0);
    cr_expect(memory_mmio_read(&memory, FLASH, 4, &value) && value == 0, "the array");
    memory_set_direct(&memory, memory_find(&memory, FLASH), false);
    cr_expect(memory_mmio_read(&memory, FLASH + 4, 4, &value) && value == 68, "the device");
}

static bool tap(void *opaque, bool write, gpa_t gpa, unsigned size_bytes, u64 *value)
{
    (void)opaque;
    (void)size_bytes;
    if (!write) {
        *value = gpa;
    }
    return true;
}

Test(memory, tap)
{
    u64 value = 0;
    memory.tap = tap;
    cr_expect(memory_mmio_read(&memory, DEVICE, 4, &value) && value == DEVICE);
    cr_expect(memory_mmio_write(&memory, DEVICE, 4, 9) && device_writes == 0);
    cr_expect(memory_mmio_read_untapped(&memory, DEVICE, 4, &value) && value == 4);
    cr_expect(memory_mmio_write_untapped(&memory, DEVICE, 4, 9) && device_writes == 1);
}

static void on_code(void *opaque, gpa_t gpa, u64 size_bytes)
{
    (void)opaque;
    cr_expect(size_bytes == PAGE_BYTES);
    code_gpa = gpa;
    code_calls++;
}

static void on_break(void *opaque, gpa_t gpa, u64 size_bytes)
{
    (void)opaque;
    (void)gpa;
    (void)size_bytes;
    break_calls++;
}

Test(memory, writes_to_watched_pages_are_told)
{
    u8 bytes[2 * PAGE_BYTES] = { 0 };
    u64 before = memory.dma_writes;
    memory.code_written = on_code;
    memory.reservation_break = on_break;
    memory_page_set(&memory, RAM + PAGE_BYTES, MEMORY_PAGE_CODE);
    memory_page_set(&memory, RAM + 3 * PAGE_BYTES, MEMORY_PAGE_RESERVED);
    memory_dma_write(&memory, RAM, bytes, PAGE_BYTES);
    cr_expect(code_calls == 0 && break_calls == 0);
    memory_dma_write(&memory, RAM + PAGE_BYTES - 1, bytes, 2);
    cr_expect(code_calls == 1 && code_gpa == RAM + PAGE_BYTES && break_calls == 0);
    memory_dma_write(&memory, RAM + 2 * PAGE_BYTES, bytes, sizeof(bytes));
    cr_expect(code_calls == 1 && break_calls == 1);
    cr_expect(memory.dma_writes == before + 3);
    cr_expect(memory_page_flags(&memory, RAM + PAGE_BYTES + 5) == MEMORY_PAGE_CODE);
    memory_page_clear(&memory, RAM + PAGE_BYTES, MEMORY_PAGE_CODE);
    memory_dma_write(&memory, RAM + PAGE_BYTES, bytes, 8);
    cr_expect(code_calls == 1);
    memory_page_set(&memory, DEVICE, MEMORY_PAGE_CODE);
    cr_expect(memory_page_flags(&memory, DEVICE) == 0, "devices have no pages");
}

static _Atomic unsigned fills;

static void fill_slowly(u8 *host, u64 size_bytes)
{
    fills++;
    for (u64 i = 0; i < size_bytes; i++) {
        if (i % PAGE_BYTES == 0) {
            sched_yield(); /* others come and look meanwhile */
        }
        host[i] = 0xff;
    }
}

static void *look_at_flash(void *opaque)
{
    u8 *last = opaque;
    return memory_dma_read(&memory, FLASH + 2 * PAGE_BYTES - 1, last, 1) ? opaque : NULL;
}

Test(memory, late_contents_are_made_once_and_before_anybody_sees_them)
{
    pthread_t threads[4];
    u8 last[ARRAY_LEN(threads)] = {0};
    const struct memory_region *flash = memory_find(&memory, FLASH);
    memory_fill_later(memory_find(&memory, FLASH), fill_slowly);
    cr_expect_eq(flash->host[0], 0, "not before it is looked at");
    for (unsigned i = 0; i < ARRAY_LEN(threads); i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, look_at_flash, &last[i]), 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(threads); i++) {
        void *looked = NULL;
        pthread_join(threads[i], &looked);
        cr_expect_not_null(looked);
        cr_expect_eq(last[i], 0xff);
    }
    cr_expect_eq(fills, 1);
    cr_expect_eq(*memory_host(&memory, FLASH, 1), 0xff);
}

/* --- the host is asked for groups of pages --- */

enum { GROUP_BYTES = MEMORY_ASK_PAGES << PAGE_BITS };

static bool host_gives_when_asked(void)
{
    u8 *page = zeros_new(PAGE_BYTES);
    struct memory_region all = {.host = page, .size_bytes = PAGE_BYTES};
    zeros_ask(page, PAGE_BYTES);
    bool gives = memory_is_touched(&memory, &all, 0, PAGE_BYTES);
    zeros_free(page, PAGE_BYTES);
    return gives;
}

/* Three groups and a bit, with the host's pages of `touched`, a bit for each group. */
#define BIG 0x90000000u
static void check_groups(unsigned touched)
{
    const struct memory_region *big = memory_find(&memory, BIG);
    for (unsigned i = 0; i < 4; i++) {
        u64 at = i * (u64)GROUP_BYTES, bytes = i < 3 ? (u64)GROUP_BYTES : PAGE_BYTES;
        for (u64 page = 0; page < bytes; page += PAGE_BYTES) {
            cr_expect_eq(memory_is_touched(&memory, big, at + page, PAGE_BYTES), touched >> i & 1,
                         "page 0x%llx of group %u", (unsigned long long)page, i);
        }
    }
}

Test(memory, groups_of_pages_are_asked_for_once)
{
    struct metic_error error;
    cr_assert(memory_add_ram(&memory, "big", BIG, 3 * (u64)GROUP_BYTES + PAGE_BYTES, &error));
    if (!host_gives_when_asked()) {
        cr_skip_test("this host has no MADV_POPULATE_WRITE, or no pagemap");
    }
    memory_ask(&memory, BIG + GROUP_BYTES + 17, 1);
    check_groups(2);
    memory_ask(&memory, BIG + 2 * GROUP_BYTES - 1, 2);
    check_groups(6);
    memory_ask(&memory, BIG + 3 * GROUP_BYTES, ~(u64)0);
    check_groups(14);
    /* A part of a group that is given back stays so, a whole group is asked for again. */
    const struct memory_region *big = memory_find(&memory, BIG);
    cr_assert(memory_discard(&memory, BIG + GROUP_BYTES, 2 * GROUP_BYTES - PAGE_BYTES));
    memory_ask(&memory, BIG + 2 * GROUP_BYTES, 1);
    cr_expect_not(memory_is_touched(&memory, big, 2 * (u64)GROUP_BYTES, PAGE_BYTES));
    memory_ask(&memory, BIG + GROUP_BYTES, 1);
    cr_expect(memory_is_touched(&memory, big, GROUP_BYTES, PAGE_BYTES));
}

enum { HUGE_GROUPS_THERE = ZEROS_HUGE_BYTES / GROUP_BYTES };

static bool host_makes_huge_pages(void)
{
    u8 *huge = zeros_new_growing(ZEROS_HUGE_BYTES);
    zeros_ask(huge, 1);
    bool makes = zeros_collapse(huge);
    zeros_free(huge, ZEROS_HUGE_BYTES);
    return makes;
}

/* How many of the groups of the first two huge pages are there, whole. */
static void count_groups(unsigned there[2])
{
    const struct memory_region *big = memory_find(&memory, BIG);
    for (unsigned i = 0; i < 2 * HUGE_GROUPS_THERE; i++) {
        unsigned pages = 0;
        for (u64 at = 0; at < GROUP_BYTES; at += PAGE_BYTES) {
            pages += memory_is_touched(&memory, big, i * (u64)GROUP_BYTES + at, PAGE_BYTES);
        }
        there[i / HUGE_GROUPS_THERE] += pages == MEMORY_ASK_PAGES;
    }
}

Test(memory, groups_that_are_many_become_a_huge_page)
{
    struct metic_error error;
    cr_assert(memory_add_ram(&memory, "big", BIG, 2 * (u64)ZEROS_HUGE_BYTES + PAGE_BYTES, &error));
    if (!host_gives_when_asked() || !host_makes_huge_pages()) {
        cr_skip_test("this host makes no huge pages, or has no pagemap");
    }
    struct memory_region *big = memory_find(&memory, BIG);
    unsigned before[2] = {0}, behind[2] = {0}, back[2] = {0};
    for (unsigned i = 1; i < MEMORY_HUGE_GROUPS; i++) {
        big->host[i * (size_t)GROUP_BYTES] = (u8)i;
        memory_ask(&memory, BIG + i * (u64)GROUP_BYTES, 1);
    }
    count_groups(before);
    cr_expect_eq(before[0], MEMORY_HUGE_GROUPS - 1);
    memory_ask(&memory, BIG + ZEROS_HUGE_BYTES - 1, 2); /* and one of the next */
    count_groups(behind);
    cr_expect_eq(behind[0], HUGE_GROUPS_THERE);
    cr_expect_eq(behind[1], 1);
    for (unsigned i = 0; i < HUGE_GROUPS_THERE; i++) {
        cr_expect_eq(big->host[i * (size_t)GROUP_BYTES], i < MEMORY_HUGE_GROUPS ? i : 0);
    }
    /* What the guest gives back stays away. */
    cr_assert(memory_discard(&memory, BIG + 2 * GROUP_BYTES, 10 * (u64)GROUP_BYTES));
    memory_ask(&memory, BIG + 4 * GROUP_BYTES, 1);
    count_groups(back);
    cr_expect_eq(back[0], HUGE_GROUPS_THERE - 9);
}

/* The whole of one and a part of the next at once; the region ends within the last. */
Test(memory, a_large_piece_is_asked_for_to_its_end)
{
    struct metic_error error;
    cr_assert(memory_add_ram(&memory, "big", BIG, 2 * (u64)ZEROS_HUGE_BYTES + PAGE_BYTES, &error));
    if (!host_gives_when_asked()) {
        cr_skip_test("this host has no MADV_POPULATE_WRITE, or no pagemap");
    }
    unsigned there[2] = {0};
    memory_ask(&memory, BIG, ZEROS_HUGE_BYTES + 3 * (u64)GROUP_BYTES);
    count_groups(there);
    cr_expect_eq(there[0], HUGE_GROUPS_THERE);
    cr_expect_eq(there[1], 3);
    memory_ask(&memory, BIG + ZEROS_HUGE_BYTES, ~(u64)0);
    there[1] = 0;
    count_groups(there);
    cr_expect_eq(there[1], HUGE_GROUPS_THERE);
    const struct memory_region *big = memory_find(&memory, BIG);
    cr_expect(memory_is_touched(&memory, big, 2 * (u64)ZEROS_HUGE_BYTES, PAGE_BYTES));
}

Test(memory, writes_from_outside_ask_and_reads_do_not)
{
    struct metic_error error;
    u8 byte = 0;
    cr_assert(memory_add_ram(&memory, "big", BIG, 3 * (u64)GROUP_BYTES + PAGE_BYTES, &error));
    if (!host_gives_when_asked()) {
        cr_skip_test("this host has no MADV_POPULATE_WRITE, or no pagemap");
    }
    cr_assert(memory_dma_write(&memory, BIG + GROUP_BYTES, &byte, 1));
    check_groups(2);
    cr_assert(memory_dma_read(&memory, BIG, &byte, 1));
    cr_expect_not(memory_page_flags(&memory, BIG) & MEMORY_PAGE_ASKED);
}

/* Pages of a file are copied when they are written: those around one need not be. */
Test(memory, no_pages_are_asked_for_beside_a_files)
{
    struct metic_error error;
    cr_assert(memory_add_ram(&memory, "big", BIG, 3 * (u64)GROUP_BYTES + PAGE_BYTES, &error));
    struct memory_region *big = memory_find(&memory, BIG);
    FILE *file = tmpfile();
    cr_assert(file != NULL && ftruncate(fileno(file), (off_t)big->size_bytes) == 0);
    memory_ask(&memory, BIG, 1);
    cr_assert(memory_map_file(&memory, big, 0, big->size_bytes, fileno(file), 0));
    cr_expect_not(memory_page_flags(&memory, BIG) & MEMORY_PAGE_ASKED);
    memory_ask(&memory, BIG, 1);
    unsigned char there[3 * MEMORY_ASK_PAGES + 1];
    cr_assert_eq(mincore(big->host, big->size_bytes, there), 0);
    cr_expect(memory_page_flags(&memory, BIG) & MEMORY_PAGE_ASKED, "nobody asks twice");
    fclose(file);
}

static void note_piece(void *opaque, u64 at, u64 size_bytes)
{
    char *pieces = opaque;
    sprintf(pieces + strlen(pieces), "%llu+%llu ", (unsigned long long)(at >> PAGE_BITS),
            (unsigned long long)(size_bytes >> PAGE_BITS));
}

Test(memory, what_was_written_of_a_files_pages_is_told)
{
    struct metic_error error;
    char pieces[64] = "";
    u8 byte = 1;
    cr_assert(memory_add_ram(&memory, "big", BIG, (u64)4096 << PAGE_BITS, &error));
    struct memory_region *big = memory_find(&memory, BIG);
    FILE *file = tmpfile();
    cr_assert(file != NULL && ftruncate(fileno(file), (off_t)big->size_bytes) == 0);
    cr_assert(memory_map_file(&memory, big, 0, big->size_bytes, fileno(file), 0));
    big->file_number = 1;
    cr_assert(memory_dma_read(&memory, BIG + 9 * PAGE_BYTES, &byte, 1), "a read is no copy");
    const u64 written[] = {1, 2, 5, 2047, 2048, 4095};
    for (size_t i = 0; i < ARRAY_LEN(written); i++) {
        cr_assert(memory_dma_write(&memory, BIG + (written[i] << PAGE_BITS), &byte, 1));
    }
    if (memory_each_own(&memory, big, note_piece, pieces)) { /* not every host tells */
        cr_expect_str_eq(pieces, "1+2 5+1 2047+1 2048+1 4095+1 ");
    }
    cr_assert(memory_discard(&memory, BIG, PAGE_BYTES));
    cr_expect_eq(big->file_number, 1, "zeros were written");
    cr_assert(memory_discard(&memory, BIG, (u64)64 << PAGE_BITS));
    cr_expect_eq(big->file_number, 0, "they are no file's any more");
    fclose(file);
}

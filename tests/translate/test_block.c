/* The block table: finding, linking, and what goes when code pages are written. */
#include "translate/block.h"

#include <criterion/criterion.h>
#include <string.h>

#define RAM 0x80000000u
enum { MODE = 3, PATCHES = 64 };

static struct log quiet;
static struct memory memory;
static struct block_table table;

/* What the table asked to be patched, newest last. */
static struct {
    const struct link *link;
    const struct block *to;
} patches[PATCHES];
static unsigned patch_count;

static void patch(void *opaque, struct link *link, struct block *to)
{
    (void)opaque;
    cr_assert(patch_count < PATCHES);
    patches[patch_count].link = link;
    patches[patch_count++].to = to;
}

static void setup(void)
{
    struct metic_error error;
    log_init(&quiet, LOG_GUEST);
    memory_init(&memory, &quiet);
    cr_assert(memory_add_ram(&memory, "ram", RAM, 64 * PAGE_BYTES, &error));
    for (u32 i = 0; i < 64 * PAGE_BYTES; i++) {
        memory_host(&memory, RAM, 1)[i] = (u8)(i * 7);
    }
    cr_assert(block_table_init(&table, &memory));
    table.patch = patch;
}

static void teardown(void)
{
    block_table_fini(&table);
    memory_fini(&memory);
}

TestSuite(block, .init = setup, .fini = teardown);

static struct block *make(gpa_t gpa, u16 length_bytes, u32 mode)
{
    struct block *block = block_new(&table);
    block->gpa = gpa;
    block->mode = mode;
    block->length_bytes = length_bytes;
    block_insert(&table, block, memory_host(&memory, gpa, length_bytes));
    return block;
}

static struct block *make_straddler(gpa_t gpa, gpa_t second_page)
{
    u8 source[4];
    memcpy(source, memory_host(&memory, gpa, 2), 2);
    memcpy(source + 2, memory_host(&memory, second_page, 2), 2);
    struct block *block = block_new(&table);
    block->gpa = gpa;
    block->second_page = second_page;
    block->mode = MODE;
    block->length_bytes = 4;
    block_insert(&table, block, source);
    return block;
}

static u32 add_link(struct block *block)
{
    u32 number = block_link_alloc(&table);
    table.links[number].from = block;
    if (block->link_count++ == 0) {
        block->first_link = number;
    }
    return number;
}

static struct block *find(gpa_t gpa)
{
    return block_find(&table, gpa, MODE, BLOCK_NO_PAGE);
}

Test(block, found_by_its_whole_key)
{
    struct block *a = make(RAM + 16, 8, MODE);
    struct block *b = make(RAM + 16, 8, MODE + 1);
    struct block *c = make_straddler(RAM + 0xffe, RAM + 0x5000);
    struct block *d = make_straddler(RAM + 0xffe, RAM + 0x6000);
    cr_expect(find(RAM + 16) == a);
    cr_expect(block_find(&table, RAM + 16, MODE + 1, BLOCK_NO_PAGE) == b);
    cr_expect(block_find(&table, RAM + 0xffe, MODE, RAM + 0x5000) == c);
    cr_expect(block_find(&table, RAM + 0xffe, MODE, RAM + 0x6000) == d);
    cr_expect(find(RAM + 0xffe) == NULL && find(RAM + 18) == NULL);
    cr_expect(table.block_count == 4);
    cr_expect(memory_page_flags(&memory, RAM) == MEMORY_PAGE_CODE);
    cr_expect(memory_page_flags(&memory, RAM + 0x5000) == MEMORY_PAGE_CODE);
}

Test(block, pages_know_where_blocks_begin)
{
    cr_expect(block_page_find(&table, RAM) == NULL);
    make(RAM + 0xffc, 4, MODE);
    make(RAM + 0x42, 8, MODE);
    const struct code_page *page = block_page_find(&table, RAM);
    cr_assert(page != NULL);
    for (u32 half = 0; half < PAGE_BYTES / 2; half++) {
        bool head = half == 0x21 || half == 0x7fe;
        cr_expect(block_began(page, 2 * half) == head, "%u", half);
    }
}

/* A look-up ends where no block ever began. What began there and went may begin again. */
Test(block, may_begin_where_one_began)
{
    cr_expect(!block_may_begin(&table, RAM + 0x40), "a page without code");
    block_page_begin(&table, RAM);
    cr_expect(block_note_run(&table, RAM + 0x40) == 0);
    cr_expect(!block_may_begin(&table, RAM + 0x40), "it only ran");
    struct block *block = make(RAM + 0x40, 8, MODE);
    cr_expect(block_may_begin(&table, RAM + 0x40) && !block_may_begin(&table, RAM + 0x42));
    block_remove(&table, block);
    cr_expect(find(RAM + 0x40) == NULL && block_may_begin(&table, RAM + 0x40));
    cr_expect(make(RAM + 0x40, 8, MODE) == find(RAM + 0x40));
    block_table_clear(&table);
    cr_expect(!block_may_begin(&table, RAM + 0x40));
}

Test(block, a_trace_is_found_where_it_is_entered)
{
    struct block *trace = block_new(&table);
    trace->gpa = RAM + 0x80;
    trace->mode = MODE;
    trace->before_bytes = 0x20;
    trace->length_bytes = 0x40;
    block_insert(&table, trace, memory_host(&memory, RAM + 0x60, 0x40));
    cr_expect(find(RAM + 0x80) == trace && !block_may_begin(&table, RAM + 0x60));
}

/* More pages than there are buckets of pages, each with code at another place. */
Test(block, pages_are_told_apart_that_share_a_bucket)
{
    enum { PAGES = 20000 };
    for (gpa_t n = 0; n < PAGES; n++) {
        block_page_begin(&table, n << PAGE_BITS);
        cr_expect(block_note_run(&table, (n << PAGE_BITS) + n % 2048 * 2) == 0);
    }
    for (gpa_t n = 0; n < PAGES; n++) {
        gpa_t gpa = (n << PAGE_BITS) + n % 2048 * 2;
        const struct code_page *page = block_page_find(&table, n << PAGE_BITS);
        cr_assert(page != NULL && page->page == n << PAGE_BITS);
        cr_expect(block_runs(page, (n + 1) % 2048 * 2) == 0);
        cr_expect(block_note_run(&table, gpa) == 1 && !block_may_begin(&table, gpa));
    }
    cr_expect(block_page_find(&table, (gpa_t)PAGES << PAGE_BITS) == NULL);
}

/* Two bytes apart: they share a bucket. */
Test(block, neighbours_stay_when_one_goes)
{
    enum { COUNT = 8 };
    for (unsigned gone = 0; gone < COUNT; gone++) {
        struct block *blocks[COUNT];
        for (unsigned i = 0; i < COUNT; i++) {
            blocks[i] = make(RAM + 0x100 + 2 * i, 2, MODE);
        }
        block_remove(&table, blocks[gone]);
        for (unsigned i = 0; i < COUNT; i++) {
            cr_expect(find(RAM + 0x100 + 2 * i) == (i == gone ? NULL : blocks[i]), "%u", i);
        }
        block_table_clear(&table);
    }
}

/* Few are taken out one by one, many with the whole table. */
Test(block, thousands_are_found_and_cleared)
{
    static const u32 counts[] = {20000, 100, 4095, 4096, 20000};
    for (unsigned n = 0; n < ARRAY_LEN(counts); n++) {
        for (u32 i = 0; i < counts[n]; i++) {
            make(RAM + 8 * i, 8, MODE);
        }
        for (u32 i = 0; i < counts[n]; i++) {
            struct block *block = find(RAM + 8 * i);
            cr_assert(block != NULL && block->gpa == RAM + 8 * i, "block %u", i);
        }
        block_table_clear(&table);
        cr_expect(table.block_count == 0);
        for (u32 i = 0; i < counts[n]; i++) {
            cr_assert(find(RAM + 8 * i) == NULL, "block %u of %u", i, counts[n]);
        }
        cr_expect(memory_page_flags(&memory, RAM) == 0, "no code page any more");
    }
}

Test(block, links_are_cut_when_their_target_goes)
{
    struct block *from = make(RAM, 8, MODE);
    struct block *to = make(RAM + 0x1000, 8, MODE);
    u32 first = add_link(from);
    u32 second = add_link(from);
    cr_assert(block_link(&table, first, to) && block_link(&table, second, to));
    cr_expect(patch_count == 2 && patches[0].to == to && patches[1].to == to);
    cr_expect(block_link(&table, first, to) && patch_count == 2, "linked already");
    block_page_remove(&table, RAM + 0x1000);
    cr_expect(patch_count == 4 && patches[2].to == NULL && patches[3].to == NULL);
    cr_expect(find(RAM + 0x1000) == NULL && find(RAM) == from);
    cr_expect(table.links[first].to == NULL && !block_link(&table, first, to), "it is dead");
}

/* Code still running in a removed block must come back to the engine at its exits. */
Test(block, links_of_a_removed_block_are_cut)
{
    struct block *from = make(RAM, 8, MODE);
    struct block *other = make(RAM + 0x2000, 8, MODE);
    struct block *to = make(RAM + 0x1000, 8, MODE);
    u32 number = add_link(from);
    u32 kept = add_link(other);
    block_link(&table, number, to);
    block_link(&table, kept, to);
    block_page_remove(&table, RAM);
    cr_expect(patch_count == 3 && patches[2].link == &table.links[number] &&
              patches[2].to == NULL);
    cr_expect(table.links[kept].to == to && to->incoming == kept, "the other link stays");
    cr_expect(!block_link(&table, number, to), "a dead block is not linked again");
}

/* A hart's proof says that the mapping leads to one key; the link may not serve another. */
Test(block, a_link_serves_one_key)
{
    struct block *from = make(RAM, 8, MODE);
    struct block *to = make(RAM + 0x1000, 8, MODE);
    struct block *elsewhere = make(RAM + 0x2000, 8, MODE);
    u32 number = add_link(from);
    cr_assert(block_link(&table, number, to));
    cr_expect(!block_link(&table, number, elsewhere));
    block_page_remove(&table, RAM + 0x1000);
    cr_expect(!block_link(&table, number, elsewhere), "not even when the first is gone");
    struct block *again = make(RAM + 0x1000, 8, MODE);
    cr_expect(block_link(&table, number, again));
}

Test(block, link_numbers_run_out)
{
    u32 last = 0;
    for (u32 i = 1; i < BLOCK_MAX_LINKS; i++) {
        last = block_link_alloc(&table);
        cr_assert(last == i);
    }
    cr_expect(block_link_alloc(&table) == 0);
}

/* --- stores into code --- */

static u8 *byte(gpa_t gpa)
{
    return memory_host(&memory, gpa, 1);
}

Test(block, fence_removes_what_changed_and_no_more)
{
    struct block *before = make(RAM + 0x100, 16, MODE);
    make(RAM + 0x200, 16, MODE);
    struct block *after = make(RAM + 0x240, 16, MODE);
    block_page_dirty(&table, RAM);
    cr_expect(memory_page_flags(&memory, RAM) == (MEMORY_PAGE_CODE | MEMORY_PAGE_DIRTY));
    *byte(RAM + 0x208) ^= 1;
    cr_expect(find(RAM + 0x200) != NULL, "stale until the fence");
    block_fence(&table);
    cr_expect(find(RAM + 0x200) == NULL);
    cr_expect(find(RAM + 0x100) == before && find(RAM + 0x240) == after);
    *byte(RAM + 0x104) ^= 1; /* the page stays dirty: no slow store tells of this one */
    block_fence(&table);
    cr_expect(find(RAM + 0x100) == NULL && find(RAM + 0x240) == after);
    *byte(RAM + 0x240) ^= 1;
    block_fence(&table);
    cr_expect(find(RAM + 0x240) == NULL);
    cr_expect(memory_page_flags(&memory, RAM) == 0 && table.dirty_count == 0,
              "without blocks it is no code page");
}

Test(block, a_store_that_changes_nothing_costs_nothing)
{
    struct block *block = make(RAM + 0x100, 16, MODE);
    u64 removals = table.removals;
    block_page_dirty(&table, RAM);
    block_fence(&table);
    cr_expect(find(RAM + 0x100) == block && table.removals == removals);
}

/* Some hart may write the page without a slow store: translating from it makes it dirty. */
Test(block, a_page_that_can_be_written_starts_dirty)
{
    memory_page_set(&memory, RAM, MEMORY_PAGE_WRITABLE);
    make(RAM + 0x100, 16, MODE);
    cr_expect(memory_page_flags(&memory, RAM) & MEMORY_PAGE_DIRTY);
    *byte(RAM + 0x100) ^= 1;
    block_fence(&table);
    cr_expect(find(RAM + 0x100) == NULL);
}

/* The bytes were changed (by DMA, say) between the snapshot and the code mark. */
Test(block, a_snapshot_that_is_old_already)
{
    u8 source[16];
    memcpy(source, byte(RAM + 0x100), sizeof(source));
    *byte(RAM + 0x104) ^= 1;
    struct block *block = block_new(&table);
    block->gpa = RAM + 0x100;
    block->mode = MODE;
    block->length_bytes = sizeof(source);
    block_insert(&table, block, source);
    block_fence(&table);
    cr_expect(find(RAM + 0x100) == NULL);
}

Test(block, straddlers_go_with_either_page)
{
    make_straddler(RAM + 0xffe, RAM + 0x5000);
    block_page_dirty(&table, RAM + 0x5000);
    *byte(RAM + 0x5004) ^= 1; /* the granule of its second half, but not its bytes */
    *byte(RAM + 0x5001) ^= 1;
    block_fence(&table);
    cr_expect(block_find(&table, RAM + 0xffe, MODE, RAM + 0x5000) == NULL);
    make_straddler(RAM + 0xffe, RAM + 0x6000);
    block_page_remove(&table, RAM);
    cr_expect(block_find(&table, RAM + 0xffe, MODE, RAM + 0x6000) == NULL);
    block_page_remove(&table, RAM + 0x6000); /* its list still knew the block */
    cr_expect(table.block_count == 0);
}

/* A block with code of two more pages goes with what it used of them, and with nothing else. */
static struct block *make_with_parts(void)
{
    struct block *block = make(RAM + 0x100, 16, MODE);
    block_insert_part(&table, block, RAM + 0x5000, 0x40, 8, byte(RAM + 0x5040));
    block_insert_part(&table, block, RAM + 0x6000, 0xff0, 16, byte(RAM + 0x6ff0));
    return block;
}

Test(block, parts_go_with_what_was_used_of_their_page)
{
    struct block *block = make_with_parts();
    cr_expect(memory_page_flags(&memory, RAM + 0x6000) == MEMORY_PAGE_CODE);
    block_page_dirty(&table, RAM + 0x5000);
    *byte(RAM + 0x5060) ^= 1;
    block_fence(&table);
    cr_expect(find(RAM + 0x100) == block);
    *byte(RAM + 0x5044) ^= 1;
    block_fence(&table);
    cr_expect(find(RAM + 0x100) == NULL && table.block_count == 0);
    make_with_parts();
    block_page_remove(&table, RAM + 0x6000);
    cr_expect(find(RAM + 0x100) == NULL);
    make_with_parts();
    block_page_remove(&table, RAM); /* lists of the other pages still know it: */
    block_page_remove(&table, RAM + 0x5000);
    block_page_remove(&table, RAM + 0x6000);
    cr_expect(table.block_count == 0);
}

Test(block, guards_are_no_exits)
{
    u32 guard = block_guard_alloc(&table, RAM + 0x5000, 0x5040);
    u32 link = add_link(make(RAM, 8, MODE));
    cr_expect(block_is_guard(&table.links[guard]) && table.links[guard].target_offset == 0x5040);
    cr_expect(!block_is_guard(&table.links[link]));
}

Test(block, dma_removes_at_once)
{
    make(RAM + 0x100, 16, MODE);
    struct block *next = make(RAM + 0x1100, 16, MODE);
    u64 removals = table.removals;
    block_page_remove(&table, RAM);
    cr_expect(find(RAM + 0x100) == NULL && find(RAM + 0x1100) == next);
    cr_expect(table.removals != removals);
    block_page_remove(&table, RAM + 0x9000); /* no code there */
}

Test(block, pages_are_watched_again)
{
    make(RAM + 0x100, 16, MODE);
    memory_page_set(&memory, RAM, MEMORY_PAGE_WRITABLE);
    block_page_dirty(&table, RAM);
    block_fence(&table);
    block_pages_clean(&table);
    cr_expect(memory_page_flags(&memory, RAM) == MEMORY_PAGE_CODE && table.dirty_count == 0);
    block_page_dirty(&table, RAM);
    *byte(RAM + 0x100) ^= 1;
    block_fence(&table);
    cr_expect(find(RAM + 0x100) == NULL);
}

Test(block, clearing_frees_shadows_and_starts_anew)
{
    for (unsigned round = 0; round < 3; round++) {
        struct block *from = make(RAM, 8, MODE);
        struct block *to = make(RAM + 0x1000, 8, MODE);
        cr_expect(add_link(from) == 1, "numbers begin again");
        block_link(&table, 1, to);
        block_page_dirty(&table, RAM);
        block_table_clear(&table);
        cr_expect(table.dirty_count == 0 && table.link_count == 1);
        cr_expect(memory_page_flags(&memory, RAM) == 0);
    }
}

/* Enough blocks that buckets hold several, of which some are removed. */
Test(block, all_that_are_left_are_found)
{
    enum { COUNT = 24 };
    bool left[64][COUNT];
    for (unsigned n = 0; n < 64 * COUNT; n++) {
        make(RAM + n / COUNT * PAGE_BYTES + n % COUNT * 2, 2, MODE + n % 3);
        left[n / COUNT][n % COUNT] = true;
    }
    for (unsigned n = 0; n < 64 * COUNT; n += 5) {
        gpa_t gpa = RAM + n / COUNT * PAGE_BYTES + n % COUNT * 2;
        block_remove(&table, block_find(&table, gpa, MODE + n % 3, BLOCK_NO_PAGE));
        left[n / COUNT][n % COUNT] = false;
    }
    for (unsigned n = 0; n < 64 * COUNT; n++) {
        gpa_t gpa = RAM + n / COUNT * PAGE_BYTES + n % COUNT * 2;
        bool found = block_find(&table, gpa, MODE + n % 3, BLOCK_NO_PAGE) != NULL;
        cr_expect(found == left[n / COUNT][n % COUNT], "block %u", n);
        cr_expect(block_find(&table, gpa, MODE + 7, BLOCK_NO_PAGE) == NULL);
    }
}

Test(block, runs_are_counted_for_each_place_until_code_is_written_anew)
{
    enum { FIRST = RAM + 0x100, NEXT = FIRST + 2, LAST = RAM + PAGE_BYTES - 2 };
    cr_expect(block_note_run(&table, FIRST) == BLOCK_RUNS_UNKNOWN);
    block_page_begin(&table, RAM);
    cr_expect(block_note_run(&table, RAM + PAGE_BYTES) == BLOCK_RUNS_UNKNOWN);
    for (unsigned run = 0; run < 6; run++) {
        unsigned wanted = run < BLOCK_RUNS_MAX ? run : BLOCK_RUNS_MAX;
        cr_expect(block_note_run(&table, FIRST) == wanted);
    }
    cr_expect(block_note_run(&table, NEXT) == 0 && block_note_run(&table, LAST) == 0);
    cr_expect(memory_page_flags(&memory, RAM) == 0, "no code that was translated");
    make(FIRST, 2, MODE);
    make(NEXT, 2, MODE);
    block_page_dirty(&table, RAM);
    *byte(FIRST) ^= 1;
    block_fence(&table);
    cr_expect(block_note_run(&table, FIRST) == (find(FIRST) == NULL ? 0 : BLOCK_RUNS_MAX));
    block_table_clear(&table);
    cr_expect(block_note_run(&table, LAST) == BLOCK_RUNS_UNKNOWN);
}

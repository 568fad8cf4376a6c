/* Spaces with more pages than the TLB's first table has entries: their pages stay, fences and
 * promotions find them. */
#include "tests/support/tlb_rig.h"

TestSuite(tlb_large, .init = make_hart, .fini = free_hart);

enum { LARGE_PAGES = 6 * TLB_ENTRIES };
#define LARGE_GVA ((gva_t)0x3f40000000)

static gva_t large_page(u64 n)
{
    return LARGE_GVA + n * PAGE_BYTES;
}

/* In turn, so often that nothing need be forgotten any more. */
static void fill_large(u32 space, u64 pages)
{
    tlb_select_data(hart, space, space, 0, false);
    for (unsigned round = 0; round < 2; round++) {
        for (u64 n = 0; n < pages; n++) {
            put(large_page(n), (space * LARGE_PAGES + n) << PAGE_BITS, PAGE_BYTES, false);
        }
    }
}

static void check_large(u32 space, u64 pages)
{
    for (u64 n = 0; n < pages; n++) {
        const struct tlb_entry *entry = tlb_find(hart, large_page(n), true);
        cr_assert(entry != NULL && entry->gpa_page == (space * LARGE_PAGES + n) << PAGE_BITS,
                  "page %llu", (unsigned long long)n);
    }
}

static bool is_large(void)
{
    return hart->tlb_others != hart->tlb;
}

Test(tlb_large, a_space_that_forgets_many_pages_keeps_them)
{
    fill_large(1, TLB_ENTRIES);
    cr_expect(!is_large());
    fill_large(1, LARGE_PAGES);
    cr_expect(is_large());
    check_large(1, LARGE_PAGES);
    put(large_page(7), 0xa000, PAGE_BYTES, false);
    cr_expect_eq(tlb_find(hart, large_page(7), true)->gpa_page, 0xa000, "and none twice");
}

Test(tlb_large, a_large_space_obeys_fences)
{
    fill_large(1, LARGE_PAGES);
    for (u64 n = 0; n < LARGE_PAGES; n += 3) {
        tlb_flush_page(hart, large_page(n), n % 2 != 0 ? TLB_ANY_ASID : 1);
        cr_assert(!has(large_page(n)) && has(large_page(n + 1)));
    }
    tlb_flush_asid(hart, 2);
    cr_expect(has(large_page(1)) && has(large_page(LARGE_PAGES - 2)), "another one's");
    for (unsigned all = 0; all < 2; all++) {
        if (all) {
            tlb_flush_all(hart);
        } else {
            tlb_flush_asid(hart, 1);
        }
        for (u64 n = 0; n < LARGE_PAGES; n++) {
            cr_assert(!has(large_page(n)));
        }
        fill_large(1, LARGE_PAGES);
        check_large(1, LARGE_PAGES);
    }
    put(large_page(0) - (2 << 20), 0xa000, 2 << 20, false);
    tlb_flush_page(hart, large_page(0) - PAGE_BYTES, 1);
    cr_expect(!has(large_page(0) - (2 << 20)), "a page of 2 MiB");
}

/* With few put into the other table since it was emptied, and with more than are known of. */
Test(tlb_large, a_large_space_forbids_writes)
{
    const u64 pages[] = {TLB_ENTRIES + 100, LARGE_PAGES};
    for (unsigned round = 0; round < 2; round++) {
        fill_large(1, LARGE_PAGES);
        tlb_flush_all(hart);
        fill_large(1, pages[round]);
        tlb_flush_writes(hart);
        for (u64 n = 0; n < LARGE_PAGES; n++) {
            cr_assert_null(tlb_find(hart, large_page(n), true));
        }
        cr_expect(has(large_page(pages[round] - 1)), "reads stay");
    }
}

/* A space that another context gets begins small; when it grows, nothing of before is there. */
Test(tlb_large, a_large_space_is_small_for_the_next_one)
{
    for (u32 space = 1; space <= TLB_SPACES; space++) {
        fill_large(space, LARGE_PAGES);
    }
    tlb_select_data(hart, TLB_SPACES, TLB_SPACES, 0, false);
    check_large(TLB_SPACES, LARGE_PAGES);
    for (u32 space = TLB_SPACES + 1; space <= 2 * TLB_SPACES; space++) {
        tlb_select_data(hart, space, space, 0, false);
        cr_assert(!is_large() && !has(large_page(1)));
        for (u64 n = 0; !is_large(); n++) {
            put(large_page(n) + (1 << 30), 0xa000, PAGE_BYTES, false);
        }
        for (u64 n = 0; n < LARGE_PAGES; n++) {
            cr_assert(!has(large_page(n)));
        }
    }
}

/* Page 0 and the last one, in a table that the host gave as zeros. */
Test(tlb_large, a_large_space_has_no_first_page)
{
    const gva_t last_page = ~(gva_t)0 & PAGE_MASK;
    fill_large(1, LARGE_PAGES);
    cr_expect(is_large() && !has(0) && !has(last_page));
    cr_expect_neq(hart->tlb_others[tlb_other_index(last_page, TLB_MANY)].read_tag, 0,
                  "accesses over the end are looked for there");
    put(0, 0xa000, PAGE_BYTES, false);
    put((gva_t)TLB_ENTRIES << PAGE_BITS, 0xb000, PAGE_BYTES, false);
    cr_expect(has(0) && has((gva_t)TLB_ENTRIES << PAGE_BITS));
    tlb_flush_page(hart, 0, TLB_ANY_ASID);
    cr_expect(!has(0));
}

/* Those that lose their first choice are where a fence finds them. */
Test(tlb_large, promoted_pages_change_places)
{
    fill_large(1, LARGE_PAGES);
    tlb_flush_all(hart);
    gva_t page = large_page(3), rival = large_page(3 + TLB_ENTRIES);
    put(page, 0xa000, PAGE_BYTES, false);
    put(rival, 0xb000, PAGE_BYTES, false);
    for (unsigned n = 0; n < 5; n++) {
        gva_t other = n % 2 == 0 ? page : rival;
        struct tlb_entry *first = &hart->tlb[tlb_index(page)];
        cr_assert_neq(tlb_find(hart, other, false), first);
        cr_expect_eq(tlb_promote(hart, tlb_find(hart, other, false)), first);
        cr_expect(first->read_tag == other && has(page) && has(rival));
        cr_expect_eq(tlb_promote(hart, first), first);
    }
    tlb_flush_all(hart);
    cr_expect(!has(page) && !has(rival));
}

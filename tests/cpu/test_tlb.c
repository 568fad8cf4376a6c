/* The soft-MMU's caches: what is found, what a fence takes away, and what it leaves. */
#include "tests/support/tlb_rig.h"

#include "cpu/tlb_select.h"
#include <string.h>

TestSuite(tlb, .init = make_hart, .fini = free_hart);

Test(tlb, permissions_and_slow_entries)
{
    struct tlb_fill fill = { .page = 0x5000, .gpa_page = 0x80005000, .host_page = host_page,
                             .span_bytes = PAGE_BYTES, .flags = TLB_READABLE };
    struct tlb_entry *entry = tlb_insert(hart, &fill);
    cr_expect(entry->read_tag == 0x5000 && entry->write_tag == TLB_TAG_NONE);
    cr_expect(entry->addend + 0x5000 == (u64)(uintptr_t)host_page);
    cr_expect(tlb_find(hart, 0x5000, false) == entry && tlb_find(hart, 0x5000, true) == NULL);
    fill.flags |= TLB_WRITABLE | TLB_SLOW_WRITE;
    entry = tlb_insert(hart, &fill);
    cr_expect(entry->read_tag == 0x5000 && entry->write_tag == (0x5000 | TLB_TAG_SLOW));
    fill.host_page = NULL; /* a device */
    entry = tlb_insert(hart, &fill);
    cr_expect(entry->read_tag == (0x5000 | TLB_TAG_SLOW) && entry->addend == 0);
    cr_expect(entry->gpa_page == 0x80005000);
    cr_expect(tlb_find(hart, 0x5000, false) == entry, "the slow bit is not part of the page");
}

/* An access over a page end compares the second page with the first page's entries. */
Test(tlb, neighbours_never_share_an_entry)
{
    for (unsigned bit = 0; bit < 52; bit++) {
        for (u64 odd = 1; odd < 16; odd += 2) {
            gva_t second = (odd << bit) * PAGE_BYTES;
            gva_t first = second - PAGE_BYTES;
            u32 index = tlb_index(first);
            u32 other = tlb_other_index(first, TLB_ENTRIES);
            u32 other_of_second = tlb_other_index(second, TLB_ENTRIES);
            cr_assert(index != tlb_index(second) && index != other_of_second, "0x%llx",
                      (unsigned long long)second);
            cr_assert(other != tlb_index(second) && other != other_of_second, "0x%llx",
                      (unsigned long long)second);
            cr_assert_neq(tlb_other_index(first, TLB_MANY), tlb_other_index(second, TLB_MANY));
        }
    }
}

/* Arrays a power of two apart: their first entries are the same. */
static void pages_apart_are_kept(gva_t first, u64 distance_bytes)
{
    for (u64 n = 0; n < 3; n++) {
        gva_t page = first + n * distance_bytes;
        cr_assert_eq(tlb_index(page), tlb_index(first));
        put(page, 0x1000 * (n + 1), PAGE_BYTES, false);
    }
    for (u64 n = 0; n < 3; n++) {
        gva_t page = first + n * distance_bytes;
        cr_assert(has(page), "0x%llx", (unsigned long long)page);
        cr_expect(tlb_find(hart, page, false)->gpa_page == 0x1000 * (n + 1));
        tlb_flush_page(hart, page, TLB_ANY_ASID);
        cr_expect(!has(page));
    }
}

Test(tlb, pages_a_power_of_two_apart_are_kept)
{
    for (unsigned bit = TLB_REGION_BITS; bit < 36; bit++) {
        pages_apart_are_kept((gva_t)0x3f00000000, (u64)1 << bit);
    }
}

/* Where a page has one entry only, it still is found and flushed, and others make room. */
Test(tlb, a_page_with_one_entry)
{
    gva_t only = 0x10000;
    gva_t other = only + ((u64)1 << TLB_REGION_BITS);
    cr_assert_eq(tlb_index(only), tlb_other_index(only, TLB_ENTRIES));
    put(other, 0x2000, PAGE_BYTES, false);
    put(only, 0x1000, PAGE_BYTES, false);
    cr_assert(has(only) && has(other));
    tlb_flush_page(hart, only, TLB_ANY_ASID);
    cr_expect(!has(only) && has(other));
    put(only, 0x1000, PAGE_BYTES, false);
    tlb_flush_page(hart, other, TLB_ANY_ASID);
    cr_expect(has(only) && !has(other));
}

Test(tlb, spaces_are_kept_apart_and_kept)
{
    tlb_select_data(hart, 1, 1, 0, false);
    put(0x1000, 0xa000, PAGE_BYTES, false);
    tlb_select_data(hart, 2, 2, 0, false);
    cr_expect(!has(0x1000), "another address space");
    put(0x1000, 0xb000, PAGE_BYTES, false);
    tlb_select_data(hart, 1, 1, 1, false);
    cr_expect(!has(0x1000), "another permission class");
    tlb_select_data(hart, 1, 1, 0, false);
    cr_assert(has(0x1000));
    cr_expect(tlb_find(hart, 0x1000, false)->gpa_page == 0xa000);
    tlb_select_data(hart, 2, 2, 0, false);
    cr_expect(tlb_find(hart, 0x1000, false)->gpa_page == 0xb000);
}

/* Whoever remembers an entry may use it while the epoch is the same. */
static bool renewed(u64 *epoch)
{
    bool renewed = hart->data_epoch != *epoch;
    *epoch = hart->data_epoch;
    return renewed && (*epoch & 1) != 0;
}

Test(tlb, what_takes_an_entry_back_renews_the_epoch)
{
    tlb_select_data(hart, 1, 1, 0, false);
    u64 epoch = hart->data_epoch;
    put(0x1000, 0xa000, PAGE_BYTES, false);
    put(0x1000 + ((gva_t)TLB_ENTRIES << PAGE_BITS), 0xb000, PAGE_BYTES, false);
    cr_expect(!renewed(&epoch), "nothing is taken back by another's coming");
    tlb_flush_page(hart, 0x5000, TLB_ANY_ASID);
    cr_expect(renewed(&epoch), "a page that is in no entry any more may be remembered");
    tlb_flush_page(hart, 0x5000, 2);
    cr_expect(!renewed(&epoch), "another address space's");
    tlb_flush_writes(hart);
    cr_expect(renewed(&epoch));
    tlb_flush_asid(hart, 1);
    cr_expect(renewed(&epoch));
    tlb_flush_all(hart);
    cr_expect(renewed(&epoch));
    tlb_renew_data(hart);
    cr_expect(renewed(&epoch));
    tlb_select_data(hart, 1, 1, 1, false);
    u64 other = hart->data_epoch;
    cr_expect_neq(other, epoch, "another permission class");
    tlb_select_data(hart, 1, 1, 0, false);
    cr_expect_eq(hart->data_epoch, epoch, "as it was");
    tlb_flush_all(hart);
    tlb_select_data(hart, 1, 1, 1, false);
    cr_expect_neq(hart->data_epoch, other, "one that was not in use was emptied, too");
}

Test(tlb, more_address_spaces_than_slots)
{
    for (unsigned round = 0; round < 2; round++) {
        for (u64 space = 1; space <= 3 * TLB_SPACES; space++) {
            tlb_select_data(hart, space, (u32)space, 0, false);
            struct tlb_entry *entry = tlb_find(hart, 0x1000, false);
            cr_assert(entry == NULL || entry->gpa_page == space * PAGE_BYTES, "space %llu",
                      (unsigned long long)space);
            put(0x1000, space * PAGE_BYTES, PAGE_BYTES, false);
        }
    }
}

/* As many as there are, each full of its own: nothing goes when the host makes other pages of what
 * the tables lie in. */
Test(tlb, tables_stay_while_more_are_made)
{
    enum { EACH = 64 };
    for (unsigned space = 1; space < TLB_SPACES; space++) {
        tlb_select_data(hart, space, space, 0, false);
        tlb_select_fetch(hart, space, space, 0, false);
        cr_expect_eq((uintptr_t)hart->tlb % (TLB_ENTRIES * sizeof(struct tlb_entry)), 0);
        for (gva_t n = 1; n <= EACH; n++) {
            put(n << PAGE_BITS, (space * 100 + n) << PAGE_BITS, PAGE_BYTES, false);
            tlb_jump_insert(hart, n << 8, host_page + space * EACH + n);
        }
    }
    for (unsigned space = 1; space < TLB_SPACES; space++) {
        tlb_select_data(hart, space, space, 0, false);
        tlb_select_fetch(hart, space, space, 0, false);
        for (gva_t n = 1; n <= EACH; n++) {
            const struct tlb_entry *entry = tlb_find(hart, n << PAGE_BITS, false);
            cr_assert(entry != NULL && entry->gpa_page == (space * 100 + n) << PAGE_BITS);
            cr_assert_eq(tlb_jump_find(hart, n << 8), host_page + space * EACH + n);
        }
    }
}

/* A space that all address spaces share keeps global entries over a switch; the first private
 * one makes it that address space's own. */
Test(tlb, shared_space)
{
    tlb_select_data(hart, 1, 1, 0, true);
    put(0x1000, 0xa000, PAGE_BYTES, true);
    tlb_select_data(hart, 2, 2, 0, true);
    cr_expect(has(0x1000), "a global entry");
    tlb_flush_asid(hart, 2);
    cr_expect(has(0x1000), "an ASID fence leaves global entries");
    put(0x2000, 0xb000, PAGE_BYTES, false);
    cr_expect(has(0x2000));
    tlb_select_data(hart, 1, 1, 0, true);
    cr_expect(!has(0x2000), "a private entry of another address space");
    put(0x2000, 0xa000, PAGE_BYTES, false);
    tlb_select_data(hart, 2, 2, 0, true);
    cr_assert(has(0x2000), "each address space keeps what it has");
    cr_expect(tlb_find(hart, 0x2000, false)->gpa_page == 0xb000);
    tlb_flush_asid(hart, 1);
    cr_expect(has(0x2000));
    tlb_select_data(hart, 1, 1, 0, true);
    cr_expect(!has(0x2000), "the fence was for a space that was not selected");
    tlb_select_data(hart, 2, 2, 0, true);
    tlb_flush_asid(hart, 2);
    cr_expect(!has(0x2000) && !has(0x1000));
}

/* Whether no access finds its page there: a 0 is page 0's, which ends what the last page begins. */
static bool is_empty(u32 index)
{
    const gva_t last_page = ~(gva_t)0 & PAGE_MASK;
    const struct tlb_entry *entry = &hart->tlb[index];
    bool looked_for = index == tlb_index(0) || index == tlb_other_index(0, TLB_ENTRIES) ||
                      index == tlb_index(last_page) ||
                      index == tlb_other_index(last_page, TLB_ENTRIES);
    u64 tags = entry->read_tag & entry->write_tag;
    return tags == TLB_TAG_NONE ||
           (!looked_for && entry->read_tag == 0 && entry->write_tag + 1 <= 1);
}

/* A table that nothing was put into finds no page, the first one included, whatever comes to be
 * around that. */
Test(tlb, a_new_table_is_empty)
{
    tlb_select_data(hart, 7, 7, 0, false);
    for (u32 i = 0; i < TLB_ENTRIES; i++) {
        cr_assert(is_empty(i), "entry %u", i);
    }
    tlb_flush_writes(hart);
    for (gva_t page = 0, n = 0; n < 100; page += PAGE_BYTES) {
        bool meets = tlb_index(page) == tlb_index(0) ||
                     tlb_other_index(page, TLB_ENTRIES) == tlb_index(0);
        if (page != 0 && meets) {
            put(page, 0xa000, PAGE_BYTES, false);
            cr_assert(has(page) && !has(0), "page %llx", (unsigned long long)page);
            n++;
        }
    }
    tlb_flush_all(hart);
    cr_expect(!has(0));
    struct tlb_fill fill = {.page = 0, .gpa_page = 0xb000, .host_page = host_page,
                            .span_bytes = PAGE_BYTES, .flags = TLB_READABLE | TLB_WRITABLE};
    cr_expect(tlb_insert_free(hart, &fill) && has(0), "page 0 is like any other");
    tlb_flush_writes(hart);
    cr_expect(!tlb_insert_free(hart, &fill) && has(0), "it is there to be read");
    tlb_flush_page(hart, 0, TLB_ANY_ASID);
    cr_expect(!has(0));
    fill.page = 0x5000;
    cr_expect(tlb_insert_free(hart, &fill), "zeros are free");
}

/* Page 0 is pushed out like any other, and a fence for it knows. */
Test(tlb, the_first_fetched_page_is_pushed_out)
{
    gva_t other = (gva_t)TLB_FETCH_ENTRIES * PAGE_BYTES;
    gpa_t gpa;
    tlb_select_fetch(hart, 7, 7, 0, false);
    for (gva_t page = 0; page < other; page += PAGE_BYTES) {
        cr_assert(!tlb_fetch_find(hart, page, &gpa));
    }
    tlb_fetch_insert(hart, 0x1000, 0x80001000, PAGE_BYTES, false);
    cr_expect(!hart->tlb_state->fetch_now->evicted_any, "there was nothing");
    tlb_fetch_insert(hart, 0, 0x80000000, PAGE_BYTES, false);
    cr_expect(tlb_fetch_find(hart, 0, &gpa) && gpa == 0x80000000);
    tlb_fetch_insert(hart, other, 0x80002000, PAGE_BYTES, false);
    u64 epoch = hart->link_epoch;
    tlb_flush_page(hart, 0, TLB_ANY_ASID);
    cr_expect(hart->link_epoch != epoch, "what was proved of page 0 is not any more");
}

/* Emptying visits what was put, wherever the entries have moved since. */
Test(tlb, few_entries_and_many)
{
    for (u64 pages = 1; pages < 3 * TLB_ENTRIES; pages *= 3) {
        for (u64 n = 0; n < pages; n++) {
            put(n * PAGE_BYTES, 0xa000, PAGE_BYTES, false);
        }
        tlb_flush_all(hart);
        for (u32 i = 0; i < TLB_ENTRIES; i++) {
            cr_assert(is_empty(i), "%llu pages, entry %u", (unsigned long long)pages, i);
        }
    }
    for (gva_t page = 0, n = 0; n < 8; page += PAGE_BYTES) {
        if (tlb_index(page) == 1) { /* holders move to their other entry */
            put(page, 0xa000, PAGE_BYTES, false);
            n++;
        }
    }
    tlb_flush_all(hart);
    for (u32 i = 0; i < TLB_ENTRIES; i++) {
        cr_expect(is_empty(i), "entry %u", i);
    }
}

Test(tlb, few_fetched_pages_and_many)
{
    for (u64 pages = 1; pages <= 2 * TLB_FETCH_ENTRIES; pages *= 2) {
        for (u64 n = 0; n < pages; n++) {
            tlb_fetch_insert(hart, n * PAGE_BYTES, 0x80000000, PAGE_BYTES, false);
        }
        tlb_flush_all(hart);
        gpa_t gpa;
        for (u64 n = 0; n < pages; n++) {
            cr_assert(!tlb_fetch_find(hart, n * PAGE_BYTES, &gpa));
        }
    }
}

Test(tlb, fence_of_one_page)
{
    tlb_select_data(hart, 1, 1, 0, false);
    put(0x1000, 0xa000, PAGE_BYTES, false);
    put(0x2000, 0xa000, PAGE_BYTES, false);
    tlb_select_data(hart, 2, 2, 0, false);
    put(0x1000, 0xb000, PAGE_BYTES, false);
    tlb_flush_page(hart, 0x1234, 1);
    cr_expect(has(0x1000), "another ASID's");
    tlb_select_data(hart, 1, 1, 0, false);
    cr_expect(!has(0x1000) && has(0x2000));
    tlb_flush_page(hart, 0x1000, TLB_ANY_ASID);
    tlb_select_data(hart, 2, 2, 0, false);
    cr_expect(!has(0x1000));
}

Test(tlb, fence_in_a_large_page)
{
    const u64 span = 2 << 20;
    put(0x40201000, 0xa000, span, false);
    put(0x40205000, 0xa000, span, false);
    tlb_flush_page(hart, 0x40400000, TLB_ANY_ASID);
    cr_expect(has(0x40201000), "behind the large page");
    tlb_flush_page(hart, 0x403ff000, TLB_ANY_ASID);
    cr_expect(!has(0x40201000) && !has(0x40205000), "any address of it means all of it");
}

Test(tlb, fence_of_an_asid_and_of_all)
{
    tlb_select_data(hart, 1, 1, 0, false);
    put(0x1000, 0xa000, PAGE_BYTES, false);
    tlb_select_data(hart, 2, 2, 0, false);
    put(0x1000, 0xb000, PAGE_BYTES, false);
    tlb_flush_asid(hart, 1);
    cr_expect(has(0x1000));
    tlb_select_data(hart, 1, 1, 0, false);
    cr_expect(!has(0x1000));
    put(0x3000, 0xa000, PAGE_BYTES, true);
    tlb_flush_all(hart);
    cr_expect(!has(0x3000));
    tlb_select_data(hart, 2, 2, 0, false);
    cr_expect(!has(0x1000));
}

Test(tlb, write_permissions_of_all_spaces)
{
    tlb_select_data(hart, 1, 1, 0, false);
    put(0x1000, 0xa000, PAGE_BYTES, false);
    tlb_select_data(hart, 2, 2, 0, false);
    put(0x2000, 0xb000, PAGE_BYTES, false);
    tlb_flush_writes(hart);
    cr_expect(has(0x2000) && tlb_find(hart, 0x2000, true) == NULL);
    tlb_select_data(hart, 1, 1, 0, false);
    cr_expect(has(0x1000) && tlb_find(hart, 0x1000, true) == NULL);
}

Test(tlb, one_entry)
{
    hart->tlb_state->hostile_entries = true;
    put(0x1000, 0xa000, PAGE_BYTES, false);
    put(0x2000, 0xb000, PAGE_BYTES, false);
    cr_expect(!has(0x1000) && has(0x2000));
}

/* --- fetch spaces --- */

static bool fetches(gva_t page)
{
    gpa_t gpa;
    return tlb_fetch_find(hart, page, &gpa);
}

Test(tlb, fetch_pages_and_epochs)
{
    gpa_t gpa;
    tlb_select_fetch(hart, 1, 1, 5, false);
    tlb_fetch_insert(hart, 0x7000, 0x80007000, PAGE_BYTES, false);
    cr_assert(tlb_fetch_find(hart, 0x7000, &gpa));
    cr_expect(gpa == 0x80007000);
    u64 epoch = hart->link_epoch;
    tlb_select_fetch(hart, 1, 1, 6, false);
    cr_expect(!fetches(0x7000), "another mode");
    cr_expect(hart->link_epoch != epoch);
    tlb_select_fetch(hart, 1, 1, 5, false);
    cr_expect(fetches(0x7000) && hart->link_epoch == epoch, "coming back loses nothing");
    tlb_flush_page(hart, 0x9000, TLB_ANY_ASID);
    cr_expect(hart->link_epoch == epoch, "no code came from there");
    tlb_flush_page(hart, 0x7000, TLB_ANY_ASID);
    cr_expect(!fetches(0x7000) && hart->link_epoch != epoch, "links proved over it are unproved");
}

Test(tlb, fence_of_a_fetched_page_that_lost_its_slot)
{
    const gva_t far = (gva_t)TLB_FETCH_ENTRIES * PAGE_BYTES;
    tlb_fetch_insert(hart, 0x7000, 0x80007000, PAGE_BYTES, false);
    tlb_fetch_insert(hart, 0x7000 + far, 0x80008000, PAGE_BYTES, false);
    cr_expect(!fetches(0x7000));
    u64 epoch = hart->link_epoch;
    tlb_flush_page(hart, 0x7000, TLB_ANY_ASID);
    cr_expect(hart->link_epoch != epoch, "links over the evicted page would stay proved");
}

Test(tlb, fetch_fences)
{
    tlb_select_fetch(hart, 1, 1, 0, false);
    tlb_fetch_insert(hart, 0x40201000, 0x80007000, 2 << 20, false);
    tlb_flush_page(hart, 0x40210000, TLB_ANY_ASID);
    cr_expect(!fetches(0x40201000), "the same large page");
    tlb_fetch_insert(hart, 0x7000, 0x80007000, PAGE_BYTES, false);
    tlb_flush_asid(hart, 2);
    cr_expect(fetches(0x7000));
    u64 epoch = hart->link_epoch;
    tlb_flush_asid(hart, 1);
    cr_expect(!fetches(0x7000) && hart->link_epoch != epoch);
    tlb_fetch_insert(hart, 0x7000, 0x80007000, PAGE_BYTES, false);
    tlb_flush_all(hart);
    cr_expect(!fetches(0x7000));
}

/* A pc this far on has the same places. */
static const gva_t jump_period = (gva_t)TLB_JUMP_ENTRIES << TLB_JUMP_SHIFT;

Test(tlb, jumps)
{
    tlb_jump_insert(hart, 0x7004, host_page);
    struct jump_entry *entry = &hart->jumps[jump_index(0x7004)];
    cr_assert(entry->pc == 0x7004 && entry->host == host_page);
    tlb_fetch_insert(hart, 0x7000, 0x80007000, PAGE_BYTES, false);
    u64 epoch = hart->link_epoch;
    tlb_flush_jumps(hart);
    cr_expect(entry->pc == TLB_TAG_NONE && hart->link_epoch != epoch);
    cr_expect(fetches(0x7000), "translations stay");
}

Test(tlb, two_jumps_that_meet)
{
    const gva_t meets = 0x7004 + jump_period;
    cr_assert(jump_index(meets) == jump_index(0x7004));
    tlb_jump_insert(hart, 0x7004, host_page);
    tlb_jump_insert(hart, meets, host_page + 1);
    cr_expect(tlb_jump_find(hart, 0x7004) == host_page, "in its other place");
    cr_expect(tlb_jump_find(hart, meets) == host_page + 1);
    tlb_jump_insert(hart, meets, host_page + 2);
    cr_expect(tlb_jump_find(hart, 0x7004) == host_page, "nothing moved");
    tlb_flush_jump(hart, 4, host_page);
    cr_expect(tlb_jump_find(hart, 0x7004) == NULL);
    cr_expect(tlb_jump_find(hart, meets) == host_page + 2);
    tlb_flush_jumps(hart);
    cr_expect(tlb_jump_find(hart, meets) == NULL && tlb_jump_find(hart, 0x7004) == NULL);
}

/* After TLB_EPOCHS renewals the numbers begin anew: what was proved under the first use of one must
 * not hold under the second. */
Test(tlb, epochs_run_out)
{
    static u64 proofs[8];
    const gva_t page = 0x40007000;
    hart->link_proofs = proofs;
    hart->proved_links = 4;
    proofs[3] = vcpu_link_proof(hart, page);
    tlb_select_fetch(hart, 9, 9, 0, false);
    proofs[2] = vcpu_link_proof(hart, page);
    for (unsigned n = 0; n < 2 * TLB_EPOCHS; n++) {
        tlb_select_fetch(hart, 0, 0, 0, true);
        tlb_flush_jumps(hart);
        cr_assert(hart->link_epoch >= 1 && hart->link_epoch <= TLB_EPOCHS);
        cr_assert(proofs[3] != vcpu_link_proof(hart, page));
        cr_assert(proofs[2] != vcpu_link_proof(hart, page));
        u64 epoch = hart->link_epoch;
        tlb_select_fetch(hart, 9, 9, 0, false);
        cr_assert(hart->link_epoch != epoch, "two spaces with one number");
    }
}

Test(tlb, one_jump_goes)
{
    static const u8 code[2];
    const gva_t far = 0x7004 + ((gva_t)PAGE_BYTES << 2);
    tlb_jump_insert(hart, 0x7004, code);
    tlb_jump_insert(hart, far, code);
    tlb_jump_insert(hart, 0x8004, code + 1);
    tlb_select_fetch(hart, 9, 9, 0, false);
    tlb_jump_insert(hart, 0x7004, code);
    struct jump_entry *other_space = &hart->jumps[jump_index(0x7004)];
    tlb_select_fetch(hart, 0, 0, 0, true);
    u64 epoch = hart->link_epoch;
    tlb_flush_jump(hart, 4, code);
    cr_expect(hart->jumps[jump_index(0x7004)].pc == TLB_TAG_NONE);
    cr_expect(hart->jumps[jump_index(far)].pc == TLB_TAG_NONE, "another mapping of the page");
    cr_expect(other_space->pc == TLB_TAG_NONE, "another space");
    cr_expect(hart->jumps[jump_index(0x8004)].pc == 0x8004, "other code stays");
    cr_expect(hart->link_epoch == epoch, "links stay proved");
}

Test(tlb, many_jumps_are_emptied)
{
    for (unsigned round = 0; round < 2; round++) {
        unsigned count = round == 0 ? 100 : TLB_PUTS_LOGGED + 100;
        for (unsigned n = 0; n < count; n++) {
            tlb_jump_insert(hart, 0x7000 + 6 * (gva_t)n, host_page);
        }
        tlb_jump_insert(hart, 0x7000 + jump_period, host_page);
        tlb_flush_jumps(hart);
        for (unsigned n = 0; n < TLB_JUMP_ENTRIES; n++) {
            gva_t pc = hart->jumps[n].pc;
            bool looked_for = n == jump_index(pc) || n == jump_index_other(jump_index(pc));
            cr_assert(pc == TLB_TAG_NONE || !looked_for);
        }
    }
}

/* A table that nothing was put into finds no pc, the first one included. */
Test(tlb, a_new_jump_table_is_empty)
{
    tlb_select_fetch(hart, 7, 7, 0, false);
    for (gva_t pc = 0; pc < 2 * jump_period; pc += 2) {
        cr_assert(hart->jumps[jump_index(pc)].pc != pc);
        cr_assert_null(tlb_jump_find(hart, pc));
    }
    tlb_jump_insert(hart, jump_period / 2, host_page); /* where the other place of 0 is */
    tlb_jump_insert(hart, jump_period, host_page);     /* the same place as 0 */
    cr_expect_null(tlb_jump_find(hart, 0));
    tlb_jump_insert(hart, 0, host_page);
    cr_expect(tlb_jump_find(hart, 0) == host_page);
}

/* --- against a model that forgets nothing --- */

enum { MODEL_SPACES = 24, MODEL_PAGES = 64 };

struct model {
    gpa_t gpa[MODEL_SPACES][MODEL_PAGES]; /* 0: must not be found */
};

static gva_t model_page(unsigned n)
{
    return ((gva_t)(n % 8) << 30) + (n / 8) * PAGE_BYTES;
}

static void check_model(const struct model *model, unsigned space)
{
    for (unsigned n = 0; n < MODEL_PAGES; n++) {
        const struct tlb_entry *entry = tlb_find(hart, model_page(n), false);
        cr_assert(entry == NULL || entry->gpa_page == model->gpa[space][n],
                  "space %u, page %u: a stale entry", space, n);
    }
}

/* Whatever the order of switches, fills and fences, nothing is found that a fence took away. */
Test(tlb, nothing_stale_in_random_use)
{
    static struct model model;
    unsigned space = 0;
    srand(1);
    tlb_select_data(hart, 100, 0, 0, false);
    for (unsigned step = 1; step < 200000; step++) {
        unsigned n = (unsigned)rand() % MODEL_PAGES;
        unsigned other = (unsigned)rand() % MODEL_SPACES;
        switch (rand() % 16) {
        case 0:
            space = other;
            tlb_select_data(hart, 100 + space, space, 0, false);
            break;
        case 1:
            tlb_flush_page(hart, model_page(n), TLB_ANY_ASID);
            for (unsigned s = 0; s < MODEL_SPACES; s++) {
                model.gpa[s][n] = 0;
            }
            break;
        case 2:
            tlb_flush_page(hart, model_page(n), other);
            model.gpa[other][n] = 0;
            break;
        case 3:
            tlb_flush_asid(hart, other);
            memset(model.gpa[other], 0, sizeof(model.gpa[other]));
            break;
        case 4:
            if (rand() % 8 == 0) {
                tlb_flush_all(hart);
                memset(&model, 0, sizeof(model));
            }
            break;
        default:
            model.gpa[space][n] = (gpa_t)step * PAGE_BYTES;
            put(model_page(n), model.gpa[space][n], PAGE_BYTES, false);
            cr_assert(has(model_page(n)));
            break;
        }
        check_model(&model, space);
    }
}

/* --- the span --- */

static bool has_span(gva_t first, u64 bytes)
{
    const struct tlb_span *span = &hart->span;
    return span->first == first && span->bytes == bytes;
}

static const u64 span_margins = 2 * TLB_SPAN_MARGIN;

Test(tlb, span_is_inside_and_grows)
{
    cr_assert(has_span(0, 0));
    tlb_span_set(hart, 0x80000000, span_margins, 5);
    cr_expect(has_span(0, 0), "nothing is left of it");
    tlb_span_set(hart, 0x80000000, span_margins + 0x3000, 5);
    cr_expect(has_span(0x80000000 + TLB_SPAN_MARGIN, 0x3000));
    cr_expect_eq(hart->span.addend, 5);
    tlb_span_set(hart, 0x90000000, span_margins + 0x2000, 6);
    cr_expect(has_span(0x80000000 + TLB_SPAN_MARGIN, 0x3000), "a smaller one");
    tlb_span_set(hart, 0x90000000, span_margins + 0x4000, 6);
    cr_expect(has_span(0x90000000 + TLB_SPAN_MARGIN, 0x4000));
}

Test(tlb, span_belongs_to_its_space)
{
    tlb_select_data(hart, 0, 0, 1, true);
    tlb_span_set(hart, 0x80000000, 0x100000, 5);
    tlb_select_data(hart, 0, 0, 2, true);
    cr_expect(has_span(0, 0));
    tlb_select_data(hart, 0, 0, 1, true);
    cr_expect(has_span(0x80000000 + TLB_SPAN_MARGIN, 0x100000 - span_margins));
    tlb_select_data(hart, 0, 0, 2, true);
    tlb_flush_all(hart);
    tlb_select_data(hart, 0, 0, 1, true);
    cr_expect(has_span(0, 0), "dropped while not selected");
}

Test(tlb, span_comes_back_with_a_selection)
{
    struct tlb_selection selection;
    tlb_select_data(hart, 0, 0, 2, true);
    tlb_select_data(hart, 0, 0, 1, true);
    tlb_select_fetch(hart, 0, 0, 1, true);
    tlb_span_set(hart, 0x80000000, 0x100000, 5);
    tlb_note_selection(hart, &selection);
    tlb_select_data(hart, 0, 0, 2, true);
    cr_expect(has_span(0, 0));
    cr_assert(tlb_reselect(hart, &selection), "nobody's place was taken");
    cr_expect(has_span(0x80000000 + TLB_SPAN_MARGIN, 0x100000 - span_margins));
}

/* What all share belongs to the address space that has it now, whose first private entry makes it
 * its own: so a selection made for another one is no good, though nobody's place was taken. */
Test(tlb, selection_of_what_all_share_is_of_one_address_space)
{
    struct tlb_selection first, second;
    tlb_select_data(hart, 1, 11, 0, true);
    tlb_select_fetch(hart, 1, 11, 0, true);
    put(0x1000, 0x80001000, PAGE_BYTES, true);
    tlb_note_selection(hart, &first);
    tlb_select_data(hart, 2, 12, 0, true);
    tlb_select_fetch(hart, 2, 12, 0, true);
    cr_expect(has(0x1000), "the same space");
    cr_expect(!tlb_reselect(hart, &first));
    tlb_note_selection(hart, &second);
    cr_expect(tlb_reselect(hart, &second));
    put(0x2000, 0x80002000, PAGE_BYTES, false);
    cr_expect(!tlb_reselect(hart, &second), "it is private since");
    tlb_select_data(hart, 1, 11, 0, true);
    cr_expect(!has(0x2000));
}

Test(tlb, span_goes_with_the_larger_page)
{
    tlb_select_data(hart, 1, 1, 0, false);
    put(0x40200000, 0x80200000, 2 << 20, false);
    tlb_span_set(hart, 0x40200000, 2 << 20, 5);
    tlb_flush_page(hart, 0x40000000, TLB_ANY_ASID);
    cr_expect(!has_span(0, 0));
    tlb_flush_page(hart, 0x402ff000, TLB_ANY_ASID);
    cr_expect(has_span(0, 0));
    tlb_span_set(hart, 0x40200000, 2 << 20, 5);
    tlb_flush_asid(hart, 1);
    cr_expect(has_span(0, 0));
}

/* That of writes goes where write entries go, and the other does not. */
Test(tlb, write_span)
{
    const u64 bytes = 0x100000, inside = bytes - span_margins;
    tlb_select_data(hart, 0, 0, 2, true);
    tlb_select_data(hart, 0, 0, 1, true);
    tlb_span_set(hart, 0x80000000, bytes, 5);
    tlb_write_span_set(hart, 0x80000000, bytes, 5);
    cr_expect(has_span(0x80000000 + TLB_SPAN_MARGIN, inside));
    cr_expect(hart->write_span.first == 0x80000000 + TLB_SPAN_MARGIN &&
              hart->write_span.bytes == inside && hart->write_span.addend == 5);
    tlb_select_data(hart, 0, 0, 2, true);
    cr_expect_eq(hart->write_span.bytes, 0);
    tlb_flush_writes(hart);
    tlb_select_data(hart, 0, 0, 1, true);
    cr_expect_eq(hart->write_span.bytes, 0, "taken while not selected");
    cr_expect(has_span(0x80000000 + TLB_SPAN_MARGIN, inside));
    tlb_write_span_set(hart, 0x80000000, bytes, 5);
    tlb_flush_writes(hart);
    cr_expect_eq(hart->write_span.bytes, 0);
    tlb_write_span_set(hart, 0x80000000, bytes, 5);
    struct tlb_selection selection;
    tlb_select_fetch(hart, 0, 0, 1, true);
    tlb_note_selection(hart, &selection);
    tlb_select_data(hart, 0, 0, 2, true);
    cr_assert(tlb_reselect(hart, &selection));
    cr_expect_eq(hart->write_span.bytes, inside);
    tlb_flush_all(hart);
    cr_expect_eq(hart->write_span.bytes, 0);
}

Test(tlb, no_span_where_every_access_counts)
{
    hart->tlb_state->all_slow = true;
    tlb_span_set(hart, 0x80000000, 0x100000, 5);
    cr_expect(has_span(0, 0));
    hart->tlb_state->all_slow = false;
    hart->tlb_state->hostile_entries = 1;
    tlb_span_set(hart, 0x80000000, 0x100000, 5);
    tlb_write_span_set(hart, 0x80000000, 0x100000, 5);
    cr_expect(has_span(0, 0) && hart->write_span.bytes == 0);
}

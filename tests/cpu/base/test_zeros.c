/* Tables of zeros that grow: what is in them stays, whatever pages the host has made of them. */
#include "cpu/base/arena.h"
#include "cpu/base/zeros.h"

#include <criterion/criterion.h>
#include <string.h>

enum { TABLE_BYTES = 3 * ZEROS_HUGE_BYTES, STEP_BYTES = 24 };

static u8 pattern(size_t at)
{
    return (u8)(at * 37 >> 3 | 1);
}

/* Fills a table from its start, an entry at a time, and looks at all of it in the end. */
static void fill(u8 *table, size_t size_bytes)
{
    size_t asked_bytes = 0;
    for (size_t used = STEP_BYTES; used <= size_bytes; used += STEP_BYTES) {
        size_t before = asked_bytes;
        zeros_ahead(table, size_bytes, used, &asked_bytes);
        cr_assert(asked_bytes >= used && asked_bytes <= size_bytes && asked_bytes >= before);
        for (size_t at = used - STEP_BYTES; at < used; at++) {
            cr_assert(table[at] == 0);
            table[at] = pattern(at);
        }
    }
    for (size_t at = 0; at < size_bytes / STEP_BYTES * STEP_BYTES; at++) {
        cr_assert(table[at] == pattern(at), "at %zu", at);
    }
}

Test(zeros, a_table_grows_and_keeps_what_is_in_it)
{
    u8 *table = zeros_new_growing(TABLE_BYTES);
    cr_assert(table != NULL && (uintptr_t)table % ZEROS_HUGE_BYTES == 0);
    fill(table, TABLE_BYTES);
    zeros_free(table, TABLE_BYTES);
}

/* No huge page fits in its last part, and nothing behind it is touched. */
Test(zeros, a_table_ends_within_a_huge_page)
{
    const size_t bytes = ZEROS_HUGE_BYTES + (64 << 10);
    u8 *table = zeros_new_growing(bytes);
    cr_assert(table != NULL);
    fill(table, bytes);
    zeros_free(table, bytes);
}

Test(zeros, a_table_begins_within_a_huge_page)
{
    u8 *table = zeros_new_growing(TABLE_BYTES);
    cr_assert(table != NULL);
    fill(table + PAGE_BYTES, TABLE_BYTES - PAGE_BYTES);
    zeros_free(table, TABLE_BYTES);
}

/* The table's user may write behind what was asked for before it says so. */
Test(zeros, what_lies_ahead_stays)
{
    const size_t asked_bytes = 128 << 10;
    u8 *table = zeros_new_growing(TABLE_BYTES);
    cr_assert(table != NULL);
    table[asked_bytes] = 1;
    table[asked_bytes + 5 * PAGE_BYTES] = 2;
    size_t end = zeros_ask_next(table, TABLE_BYTES, asked_bytes + 1, asked_bytes);
    cr_expect(end > asked_bytes && end <= TABLE_BYTES);
    cr_expect(table[asked_bytes] == 1 && table[asked_bytes + 5 * PAGE_BYTES] == 2);
    zeros_free(table, TABLE_BYTES);
}

Test(zeros, an_arena_of_several_chunks_is_zero_and_keeps_its_contents)
{
    enum { COUNT = 1500, BYTES = 4096 + 16 };
    static u8 *parts[COUNT];
    struct arena *arena = arena_new();
    cr_assert(arena != NULL);
    for (unsigned n = 0; n < COUNT; n++) {
        parts[n] = arena_alloc(arena, BYTES);
        cr_assert(parts[n][0] == 0 && parts[n][BYTES - 1] == 0);
        memset(parts[n], (int)(n % 255 + 1), BYTES);
    }
    u8 *large = arena_alloc(arena, TABLE_BYTES);
    cr_expect(large[0] == 0 && large[TABLE_BYTES - 1] == 0);
    for (unsigned n = 0; n < COUNT; n++) {
        cr_assert(parts[n][0] == n % 255 + 1 && parts[n][BYTES - 1] == n % 255 + 1);
    }
    arena_free(arena);
}

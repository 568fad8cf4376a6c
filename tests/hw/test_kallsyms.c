/* How the offsets of a kernel's symbols are met in memory. */
#include "hw/machine/machine_kallsyms.h"

#include "cpu/base/bits.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { STEP = 64 << 10, BYTES = 4 * STEP, LOOK_BYTES = 64 * 4 };

static u8 *zeros(void)
{
    u8 *bytes = calloc(1, BYTES);
    cr_assert_not_null(bytes);
    return bytes;
}

/* Numbers from `first` on that rise by `by` at every `each`-th of them. */
static void put_rising(u8 *bytes, size_t from, size_t to, u32 first, u32 by, unsigned each)
{
    for (size_t at = from; at < to; at += 4) {
        st_le32(bytes + at, first + by * (u32)((at - from) / 4 / each));
    }
}

Test(kallsyms, a_list_as_long_as_a_step_is_met_wherever_it_begins)
{
    for (size_t from = 4096; from <= 2 * STEP; from += 4092) {
        u8 *bytes = zeros();
        size_t first = (from + STEP - 1) / STEP * STEP;
        put_rising(bytes, from, from + STEP + LOOK_BYTES, 0, 16, 1);
        cr_assert_eq(kallsyms_find_rising(bytes, bytes + BYTES, STEP), bytes + first, "%zu", from);
        free(bytes);
    }
}

Test(kallsyms, zeros_and_numbers_that_fall_are_no_offsets)
{
    u8 *bytes = zeros();
    cr_assert_null(kallsyms_find_rising(bytes, bytes + BYTES, STEP));
    put_rising(bytes, 0, BYTES, 1, (u32)-3, 1);
    cr_assert_null(kallsyms_find_rising(bytes, bytes + BYTES, STEP));
    put_rising(bytes, 0, BYTES, 7, 1, 3); /* two of three are as the one before */
    cr_assert_null(kallsyms_find_rising(bytes, bytes + BYTES, STEP));
    put_rising(bytes, 0, BYTES, 7, 1, 1);
    st_le32(bytes + 4, 0);
    st_le32(bytes + STEP + LOOK_BYTES - 4, 0); /* the last number that is looked at falls */
    cr_assert_eq(kallsyms_find_rising(bytes, bytes + BYTES, STEP), bytes + 2 * STEP);
    free(bytes);
}

Test(kallsyms, nothing_is_read_behind_the_end)
{
    u8 *bytes = zeros();
    put_rising(bytes, 0, BYTES, 1, 4, 1);
    cr_assert_null(kallsyms_find_rising(bytes, bytes + STEP - 1, STEP));
    cr_assert_null(kallsyms_find_rising(bytes, bytes, STEP));
    cr_assert_eq(kallsyms_find_rising(bytes, bytes + STEP, STEP), bytes);
    cr_assert_eq(kallsyms_find_rising(bytes + 3 * STEP, bytes + BYTES, STEP), bytes + 3 * STEP);
    free(bytes);
}

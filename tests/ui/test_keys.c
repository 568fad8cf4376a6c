/* ui/keys.c: the table of keys agrees with itself, and chords and texts become the right steps. */
#include "ui/keys.h"

#include <criterion/criterion.h>
#include <string.h>

Test(keys, names_of_each_world)
{
    bool shifted;
    cr_assert_eq(keys_by_usb(4), 30);
    cr_assert_eq(keys_by_xt(0x1e), 30);
    cr_assert_eq(keys_by_name("a", 1), 30);
    cr_assert_eq(keys_by_keysym('A', &shifted), 30);
    cr_assert(shifted);
    cr_assert_eq(keys_by_keysym('a', &shifted), 30);
    cr_assert(!shifted);
    cr_assert_eq(keys_by_name("0xc8", 4), 103, "cursor up by its scan code");
    cr_assert_eq(keys_by_name("", 0), 0);
    cr_assert_eq(keys_by_name("0xzz", 4), 0);
    cr_assert_eq(keys_by_xt(0), 0);
    cr_assert_eq(keys_by_usb(50), 43, "ISO's key beside Return");
    cr_assert_eq(keys_by_keysym(0, &shifted), 0);
}

/* Linux numbers the first 88 keys as the first PC did, and each key has one number. */
Test(keys, no_number_twice)
{
    unsigned seen[768] = {0};
    for (unsigned usb = 1; usb < 256; usb++) {
        unsigned code = keys_by_usb(usb);
        cr_assert_lt(code, 768);
        cr_assert(code == 0 || seen[code] == 0 || usb == 50, "usage %u", usb);
        seen[code] = usb;
    }
    for (unsigned xt = 1; xt <= 88; xt++) {
        cr_assert(keys_by_xt(xt) == 0 || keys_by_xt(xt) == xt || xt > 83, "scan code %u", xt);
    }
    for (unsigned c = ' '; c < 127; c++) {
        bool shifted;
        cr_assert_neq(keys_by_keysym(c, &shifted), 0, "'%c' is on no key", c);
    }
}

Test(keys, chord_goes_up_in_the_other_order)
{
    struct metic_key_step steps[8];
    const char *bad;
    size_t bad_bytes;
    cr_assert_eq(keys_chord("ctrl-alt-f1", 70, steps, 8, &bad, &bad_bytes), 6);
    const unsigned codes[] = {29, 56, 59, 59, 56, 29};
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(steps[i].code, codes[i]);
        cr_assert_eq(steps[i].down, i < 3);
    }
    cr_assert_eq(steps[2].then_ms, 70);
    cr_assert_eq(keys_chord("ctrl-nokey", 1, steps, 8, &bad, &bad_bytes), 0);
    cr_assert_eq(bad_bytes, 5);
    cr_assert(memcmp(bad, "nokey", 5) == 0);
    cr_assert_eq(keys_chord("a-b-c-d-e", 1, steps, 8, &bad, &bad_bytes), 0, "too many");
    cr_assert_eq(keys_chord("a-", 1, steps, 8, &bad, &bad_bytes), 0);
}

Test(keys, text)
{
    struct metic_key_step steps[16];
    const char *bad;
    cr_assert_eq(keys_text("a\n", steps, 16, &bad), 4);
    cr_assert_eq(keys_text("A", steps, 16, &bad), 4);
    cr_assert_eq(steps[0].code, KEYS_LEFT_SHIFT);
    cr_assert_eq(steps[1].code, 30);
    cr_assert_eq(steps[3].code, KEYS_LEFT_SHIFT);
    cr_assert(!steps[3].down);
    cr_assert_eq(keys_text("a\xc3\xa4", steps, 16, &bad), 0);
    cr_assert_str_eq(bad, "\xc3\xa4");
    cr_assert_eq(keys_text("ABCDE", steps, 16, &bad), 0, "too long");
    cr_assert_eq(*bad, '\0');
}

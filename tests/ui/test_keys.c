/* ui/screen/keys.c: the table of keys agrees with itself. */
#include "ui/screen/keys.h"

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

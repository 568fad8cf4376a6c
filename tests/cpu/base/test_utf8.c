/* What is a character of UTF-8 and what is not (RFC 3629, section 4). */
#include "cpu/base/utf8.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static size_t length_of(const char *text)
{
    return utf8_bytes((const u8 *)text, SIZE_MAX);
}

Test(utf8, characters)
{
    cr_expect_eq(length_of("a"), 1);
    cr_expect_eq(length_of("\xc3\x84"), 2);
    cr_expect_eq(length_of("\xe2\x82\xac"), 3);
    cr_expect_eq(length_of("\xf0\x9f\x98\x80"), 4);
    cr_expect_eq(length_of("\xf4\x8f\xbf\xbf"), 4);
}

Test(utf8, none)
{
    static const char *const none[] = {
        "\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", /* too long */
        "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", /* no characters */
        "\xc3", "\xe2\x82", "\xe2\x82z", "\xf0\x9f\x98", /* cut short */
    };
    for (unsigned i = 0; i < ARRAY_LEN(none); i++) {
        cr_expect_eq(length_of(none[i]), 0, "%u", i);
    }
    cr_expect_eq(utf8_bytes((const u8 *)"\xe2\x82\xac", 2), 0, "only two bytes are there");
}

Test(utf8, becomes_valid)
{
    static const struct { const char *from, *to; } rows[] = {
        {"", ""}, {"plain", "plain"},
        {"\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"a\xff" "b", "a?b"}, {"\xc3", "?"}, {"\xc0\x80", "??"}, {"\xe0\x80\x80", "???"},
        {"\xed\xa0\x80", "???"}, {"\xf4\x90\x80\x80", "????"}, {"\xf5", "?"}, {"\x80", "?"},
        {"\xe2\x82", "??"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t bytes;
        char *text = utf8_clean((const u8 *)rows[i].from, strlen(rows[i].from), &bytes);
        cr_assert_str_eq(text, rows[i].to);
        cr_assert_eq(bytes, strlen(rows[i].to));
        free(text);
    }
    size_t bytes;
    char *text = utf8_clean((const u8 *)"a\0b", 3, &bytes);
    cr_assert_eq(bytes, 1);
    free(text);
}

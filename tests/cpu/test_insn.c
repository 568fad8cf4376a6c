/* Patterns, formats, buckets, overlap rule and printing, on a small table of its own. */
#include "cpu/insn.h"
#include <criterion/criterion.h>
#include <string.h>

enum { OPERAND_A, OPERAND_B, OPERAND_COUNT };

static const struct insn_format formats[] = {
    {"TWO", 2, {{OPERAND_A, 0, 4, 0, 0, false}, {OPERAND_B, 4, 3, 0, 8, false}}},
    {"SPLIT", 2, {{OPERAND_A, 7, 1, 4, 0, true}, {OPERAND_A, 0, 4, 0, 0, false}}},
    {"FIXED", 1, {{OPERAND_B, 0, 0, 0, 2, false}}},
    {"BAD", 1, {{OPERAND_COUNT, 0, 4, 0, 0, false}}},
};

static void print_a(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "a%u", ((const u32 *)insn)[OPERAND_A]);
}

static const struct insn_token tokens[] = {{"first", print_a}};

static const struct insn_row good_rows[] = {
    {"one_w", "1111 .... .... ....", "X", "first,[first]", 0, 0},
    {"two", "0000 ........ ....", "X", "", 0, 1},
    {"two_special", "0000 00000000 ....", "X", "", INSN_SUBSET, 2},
};

static struct insn_set set_of(const struct insn_row *rows, unsigned row_count)
{
    return (struct insn_set){rows, formats, row_count, ARRAY_LEN(formats), OPERAND_COUNT};
}

static bool check(const struct insn_row *rows, unsigned row_count, char *why, size_t why_bytes)
{
    struct insn_set set = set_of(rows, row_count);
    why[0] = '\0';
    return insn_check(&set, tokens, ARRAY_LEN(tokens), why, why_bytes);
}

Test(insn, pattern_becomes_mask_and_match)
{
    u32 mask, match;
    cr_assert_eq(insn_parse_pattern("1.0. 0000 1111 ....", &mask, &match), 16);
    cr_assert_eq(mask, 0xaff0);
    cr_assert_eq(match, 0x80f0);
    cr_assert_eq(insn_parse_pattern("0000000 ..... ..... 000 ..... 0110011", &mask, &match), 32);
    cr_assert_eq(mask, 0xfe00707f);
    cr_assert_eq(match, 0x33);
}

Test(insn, malformed_patterns_are_refused)
{
    u32 mask, match;
    cr_assert_eq(insn_parse_pattern("1010", &mask, &match), 0);
    cr_assert_eq(insn_parse_pattern("10102222....0000", &mask, &match), 0);
    cr_assert_eq(insn_parse_pattern("1010////....0000", &mask, &match), 0);
    cr_assert_eq(insn_parse_pattern("1010----....0000", &mask, &match), 0);
    cr_assert_eq(insn_parse_pattern("1010\xff.......0000", &mask, &match), 0);
    cr_assert_eq(insn_parse_pattern("", &mask, &match), 0);
}

Test(insn, pieces_make_operands)
{
    u32 operands[OPERAND_COUNT] = {0};
    insn_extract(&formats[0], 0x5a, operands);
    cr_assert_eq(operands[OPERAND_A], 10);
    cr_assert_eq(operands[OPERAND_B], 8 + 5);
    u32 split[OPERAND_COUNT] = {0};
    insn_extract(&formats[1], 0x85, split);
    cr_assert_eq((s32)split[OPERAND_A], -16 + 5);
    u32 fixed[OPERAND_COUNT] = {0};
    insn_extract(&formats[2], 0xffff, fixed);
    cr_assert_eq(fixed[OPERAND_B], 2);
}

Test(insn, most_specific_row_wins)
{
    static struct insn_decoder decoder = {.key = {{{12, 4}, {0, 2}, {0, 0}}}, .width_bits = 16};
    static struct insn_decoder wide = {.key = {{{0, 2}, {0, 0}, {0, 0}}}, .width_bits = 32};
    struct insn_decoder *const both[] = {&wide, &decoder};
    struct insn_set set = set_of(good_rows, ARRAY_LEN(good_rows));
    struct insn_key key = decoder.key;
    cr_assert(insn_decoders_init(both, 2, &set));
    cr_assert_eq(wide.code_count, 0, "no row is that wide");
    cr_assert_eq(insn_find(&decoder, key, 0xf123), 0);
    cr_assert_eq(insn_find(&decoder, key, 0x0123), 1);
    cr_assert_eq(insn_find(&decoder, key, 0x0003), 2);
    cr_assert_eq(insn_find(&decoder, key, 0x8123), -1);
}

Test(insn, a_good_table_passes_and_bad_ones_say_why)
{
    char why[200];
    cr_assert(check(good_rows, ARRAY_LEN(good_rows), why, sizeof(why)), "%s", why);

    const struct insn_row undeclared[] = {good_rows[1], good_rows[2]};
    struct insn_row rows[2] = {undeclared[0], undeclared[1]};
    rows[1].flags = 0;
    cr_assert_not(check(rows, 2, why, sizeof(why)));
    cr_assert_str_eq(why, "two and two_special overlap");

    const struct insn_row crossing[] = {{"a", "0000........0000", "X", "", INSN_SUBSET, 0},
                                        {"b", "00000000........", "X", "", INSN_SUBSET, 0}};
    cr_assert_not(check(crossing, 2, why, sizeof(why)));

    const struct insn_row twice[] = {good_rows[2], good_rows[2]};
    cr_assert_not(check(twice, 2, why, sizeof(why)));

    const struct insn_row word[] = {{"a", "0000........0000", "X", "second", 0, 0}};
    cr_assert_not(check(word, 1, why, sizeof(why)));
    cr_assert_str_eq(why, "a: unknown operand 'second'");

    struct insn_row text[] = {{"a", "0000........0000", "X", "", 0, 0}};
    memset(text[0].extension, 'X', sizeof(text[0].extension));
    cr_assert_not(check(text, 1, why, sizeof(why)));
    cr_assert_str_eq(why, "row 0: a text is too long");

    const struct insn_row format[] = {{"a", "0000........0000", "X", "", 0, 3}};
    cr_assert_not(check(format, 1, why, sizeof(why)));
}

Test(insn, a_subset_row_may_stand_where_two_rows_cross)
{
    char why[200];
    const struct insn_row rows[] = {{"a", "0000........0000", "X", "", 0, 0},
                                    {"b", "00000000........", "X", "", 0, 0},
                                    {"both", "00000000....0000", "X", "", INSN_SUBSET, 0}};
    cr_assert(check(rows, 3, why, sizeof(why)), "%s", why);
}

Test(insn, prints_mnemonic_and_operands)
{
    char buffer[64];
    struct insn_text text = {buffer, sizeof(buffer), 0};
    u32 operands[OPERAND_COUNT] = {7, 0};
    insn_print(&text, &good_rows[0], tokens, ARRAY_LEN(tokens), operands, NULL);
    cr_assert_str_eq(buffer, "one.w\ta7,[a7]");
}

Test(insn, long_text_is_cut_and_terminated)
{
    char buffer[8];
    struct insn_text text = {buffer, sizeof(buffer), 0};
    u32 operands[OPERAND_COUNT] = {7, 0};
    insn_print(&text, &good_rows[0], tokens, ARRAY_LEN(tokens), operands, NULL);
    cr_assert_str_eq(buffer, "one.w\ta");
}

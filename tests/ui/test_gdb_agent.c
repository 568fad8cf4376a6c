/* GDB's agent expressions: each instruction, and what has no value. */
#include "ui/gdb/gdb_agent.h"

#include "cpu/base/bits.h"
#include "ui/gdb/gdb_print.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Register n is n + 1, and there are 100; memory at 0x1000 is 256 bytes, each its own number. */
static bool read_register(void *opaque, unsigned number, u64 *value)
{
    (void)opaque;
    *value = number + 1;
    return number < 100;
}

static bool read_memory(void *opaque, u64 address, void *to, size_t size_bytes)
{
    u8 *bytes = to;
    (void)opaque;
    for (size_t i = 0; i < size_bytes; i++) {
        bytes[i] = (u8)(address + i);
    }
    return address >= 0x1000 && address + size_bytes <= 0x1100;
}

static const struct gdb_agent_guest guest = {read_register, read_memory, NULL, NULL};

static size_t take_hex(const char *text, u8 *code)
{
    size_t count = 0;
    unsigned byte;
    for (; sscanf(text, "%2x", &byte) == 1; text += 2) {
        code[count++] = (u8)byte;
        text += text[2] == ' ';
    }
    return count;
}

static bool evaluate(const char *text, u64 *value)
{
    u8 code[256];
    return gdb_agent_evaluate(code, take_hex(text, code), &guest, value);
}

Test(gdb_agent, values)
{
    static const struct {
        const char *code;
        u64 value;
    } rows[] = {
        {"22ff 27", 0xff},
        {"231234 27", 0x1234},
        {"2412345678 27", 0x12345678},
        {"25123456789abcdef0 27", 0x123456789abcdef0},
        {"260005 27", 6},
        {"2205 2203 02 27", 8},
        {"2205 2207 03 27", ~(u64)1},
        {"2205 2207 04 27", 35},
        {"22f9 1608 2202 05 27", (u64)-3},
        {"22f9 1608 2202 07 27", (u64)-1},
        {"22f9 1608 2202 06 27", 0x7ffffffffffffffc},
        {"22f9 1608 2202 08 27", 1},
        {"258000000000000000 22ff 1608 05 27", BIT(63)},
        {"258000000000000000 22ff 1608 07 27", 0},
        {"2203 2204 09 27", 0x30},
        {"2203 2240 09 27", 0},
        {"22f0 1608 2204 0a 27", ~(u64)0},
        {"22f0 1608 22ff 0a 27", ~(u64)0},
        {"22f0 1608 223c 0b 27", 0xf},
        {"22f0 22ff 0b 27", 0},
        {"2200 0e 27", 1},
        {"2205 0e 27", 0},
        {"220c 220a 0f 27", 8},
        {"220c 220a 10 27", 0xe},
        {"220c 220a 11 27", 6},
        {"220c 12 27", ~(u64)12},
        {"220c 220c 13 27", 1},
        {"220c 220d 13 27", 0},
        {"22ff 1608 2201 14 27", 1},
        {"22ff 1608 2201 15 27", 0},
        {"2280 1608 27", 0xffffffffffffff80},
        {"22ff 1640 27", 0xff},
        {"25123456789abcdef0 2a10 27", 0xdef0},
        {"25123456789abcdef0 2a40 27", 0x123456789abcdef0},
        {"231010 17 27", 0x10},
        {"231010 18 27", 0x1110},
        {"231010 19 27", 0x13121110},
        {"231010 1a 27", 0x1716151413121110},
        {"2201 200008 2209 27 2208 27", 8},
        {"2200 200008 2209 27 2208 27", 9},
        {"210005 2209 2208 27", 8},
        {"2205 28 02 27", 10},
        {"2205 2206 29 27", 5},
        {"2205 2207 2b 03 27", 2},
        {"2201 2202 2203 3202 27", 1},
        {"2201 2202 2203 3200 27", 3},
        {"2201 2202 2203 33 27", 2},
        {"2201 2202 2203 33 29 27", 1},
        {"2201 2202 2203 33 29 29 27", 3},
        {"220a 2201 03 28 0e 20000d 210002 27", 0},  /* counts down to 0 */
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        u64 value = 0;
        cr_expect(evaluate(rows[i].code, &value), "%s: has none", rows[i].code);
        cr_expect(value == rows[i].value, "%s: 0x%llx", rows[i].code, (unsigned long long)value);
    }
}

Test(gdb_agent, no_value)
{
    static const char *const rows[] = {
        "", "27", "2205", "22", "2312 27", "24123456", "25000000", "26", "2600", "260064 27",
        "02 27", "2205 02 27", "2205 2200 05 27", "2205 2200 06 27", "2205 2200 07 27",
        "2205 2200 08 27", "2205 1600 27", "2205 17 27", "2310fd 1a 27", "24ffffffff 19 27",
        "210000", "2101ff", "2205 20", "2205 2000", "00", "01 27", "0c 27", "0d00 27", "1b 27",
        "2205 2c0000 27", "2205 2d0000 27", "2205 2e0000 27", "2205 2f 27", "300000 27", "31 27",
        "3200 27", "2205 3201 27", "2205 32ff 27", "2205 2206 33 27", "34 27", "ff", "28 27",
        "29 27", "2205 2b 27", "2205 28 210002", /* the stack grows for ever */
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        u64 value;
        cr_expect(!evaluate(rows[i], &value), "%s", rows[i]);
    }
}

/* --- printing --- */

static char printed[3 * GDB_PRINT_BYTES];

static void print(void *opaque, const char *text)
{
    (void)opaque;
    cr_assert(strlen(printed) + strlen(text) < sizeof(printed));
    strcat(printed, text);
}

static const struct gdb_agent_guest printer = {read_register, read_memory, NULL, print};

/* Code that prints: values, the last one first, then function and channel. */
static bool run(const char *values, unsigned count, const char *format, const char *end)
{
    u8 code[4096];
    size_t bytes = take_hex(values, code), length = strlen(format) + 1;
    bytes += take_hex("2200 2200 34", code + bytes);
    code[bytes++] = (u8)count;
    code[bytes++] = (u8)(length >> 8);
    code[bytes++] = (u8)length;
    memcpy(code + bytes, format, length);
    bytes += length;
    bytes += take_hex(end, code + bytes);
    printed[0] = '\0';
    return gdb_agent_run(code, bytes, &printer);
}

Test(gdb_agent, prints)
{
    static const struct {
        const char *values, *format, *text;
        unsigned count;
    } rows[] = {
        {"", "plain\\t\\x\\101\\\\%%\\n", "plain\txA\\%\n", 0},
        {"22ff 1608 2205", "%d %d", "5 -1", 2},
        {"22ff 1608", "%u", "4294967295", 1},
        {"22ff 1608", "%lx", "ffffffffffffffff", 1},
        {"22ff 1608", "%hhx", "ffffffff", 1},
        {"22ff", "[%6d|%-6d|%06d]", "[   255|?|?]", 1},
        {"2241", "%c", "A", 1},
        {"232000", "%p", "0x2000", 1},
        {"231041", "[%.3s]", "[ABC]", 1},
        {"231041", "[%-5.3s]", "[ABC  ]", 1},
        {"232000", "%s", "?", 1},
        {"2205", "%f", "?", 1},
        {"2205", "%", "?", 1},
        {"2205", "%-+ #0-+ #0999999999999.999999999999d\\", NULL, 1},
        {"2205", "%llllllllhhhhzzzd", "5", 1},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        cr_expect(run(rows[i].values, rows[i].count, rows[i].format, "27"), "%s", rows[i].format);
        cr_expect(rows[i].text == NULL || strcmp(printed, rows[i].text) == 0, "%s: '%s'",
                  rows[i].format, printed);
    }
    /* A string without an end, and more than there is room for. */
    cr_expect(run("231000 231000 231000", 3, "x%s", "27") && strcmp(printed, "x") == 0);
    char long_format[GDB_PRINT_BYTES + 10];
    memset(long_format, 'x', sizeof(long_format));
    long_format[sizeof(long_format) - 1] = '\0';
    cr_expect(run("", 0, long_format, "27") && strlen(printed) == GDB_PRINT_BYTES - 1);
    /* More values than there are, no zero at the end, no end, and what does not print. */
    cr_expect(!run("2205", 2, "%d", "27"));
    cr_expect(!run("2205", 1, "%d", "") && strcmp(printed, "5") == 0);
    u8 code[64];
    size_t bytes = take_hex("2200 2200 34000002 7878 27", code);
    cr_expect(!gdb_agent_run(code, bytes, &printer));
    bytes = take_hex("2200 2200 34000001 00 27", code);
    cr_expect(gdb_agent_run(code, bytes, &printer) && !gdb_agent_run(code, bytes, &guest));
    cr_expect(!gdb_agent_run(code, 7, &printer) && !gdb_agent_run(code, 6, &printer));
    /* For ever is some hundred times. */
    bytes = take_hex("2200 2200 34000002 7900 210000", code);
    printed[0] = '\0';
    cr_expect(!gdb_agent_run(code, bytes, &printer) && strlen(printed) < 100);
}

/* Exactly what fits on the stack, and an expression of the greatest length. */
Test(gdb_agent, limits)
{
    static u8 code[GDB_AGENT_BYTES + 1];
    u64 value;
    memset(code, 0x28, sizeof(code)); /* dup */
    code[0] = 0x22;
    code[1] = 7;
    code[2 + 63] = 0x27;
    cr_expect(gdb_agent_evaluate(code, 2 + 64, &guest, &value) && value == 7);
    code[2 + 63] = 0x28;
    code[2 + 64] = 0x27;
    cr_expect(!gdb_agent_evaluate(code, 2 + 65, &guest, &value));
    memset(code, 0x12, sizeof(code)); /* bit_not */
    code[0] = 0x22;
    code[1] = 7;
    code[GDB_AGENT_BYTES - 1] = 0x27;
    cr_expect(gdb_agent_evaluate(code, GDB_AGENT_BYTES, &guest, &value) && value == ~(u64)7);
    cr_expect(!gdb_agent_evaluate(code, GDB_AGENT_BYTES + 1, &guest, &value));
}

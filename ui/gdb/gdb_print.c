/* See gdb_print.h. */
#include "ui/gdb/gdb_print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct printer {
    const char *at; /* of the format */
    const u64 *values;
    unsigned value_count;
    const struct gdb_agent_guest *guest;
    char *text;
    size_t used;
};

static void put(struct printer *printer, const char *bytes, size_t count)
{
    size_t left = GDB_PRINT_BYTES - 1 - printer->used;
    count = count < left ? count : left;
    memcpy(printer->text + printer->used, bytes, count);
    printer->used += count;
}

/* Behind a backslash. */
static void put_escape(struct printer *printer)
{
    static const char from[] = "abefnrtv", to[] = "\a\b\033\f\n\r\t\v";
    char byte = *printer->at;
    if (byte >= '0' && byte <= '7') {
        unsigned value = 0;
        for (unsigned i = 0; i < 3 && *printer->at >= '0' && *printer->at <= '7'; i++) {
            value = value * 8 + (unsigned)(*printer->at++ - '0');
        }
        byte = (char)value;
    } else if (byte != '\0') {
        const char *known = strchr(from, byte);
        byte = known != NULL ? to[known - from] : byte;
        printer->at++;
    }
    put(printer, &byte, byte != '\0');
}

/* A conversion, of which the value decides nothing: flags, width and precision, and how wide the
 * value is. */
struct conversion {
    char flags[8];
    unsigned width, precision; /* at most 99 */
    bool has_precision, is_long;
    char letter;
};

static unsigned take_number(struct printer *printer)
{
    unsigned value = 0;
    for (; *printer->at >= '0' && *printer->at <= '9'; printer->at++) {
        value = value * 10 + (unsigned)(*printer->at - '0');
        value = value > 99 ? 99 : value;
    }
    return value;
}

static struct conversion take_conversion(struct printer *printer)
{
    struct conversion conversion = {{0}, 0, 0, false, false, '\0'};
    size_t flags = strspn(printer->at, "-+ #0");
    for (size_t i = 0; i < flags; i++) {
        char flag = printer->at[i];
        if (strchr(conversion.flags, flag) == NULL) { /* each once: there is room for all */
            conversion.flags[strlen(conversion.flags)] = flag;
        }
    }
    printer->at += flags;
    conversion.width = take_number(printer);
    conversion.has_precision = *printer->at == '.';
    printer->at += conversion.has_precision;
    conversion.precision = conversion.has_precision ? take_number(printer) : 0;
    for (; *printer->at != '\0' && strchr("hljzt", *printer->at) != NULL; printer->at++) {
        conversion.is_long |= *printer->at != 'h';
    }
    conversion.letter = *printer->at;
    printer->at += conversion.letter != '\0';
    return conversion;
}

static void put_string(struct printer *printer, const struct conversion *conversion, u64 address)
{
    char string[GDB_PRINT_STRING_BYTES + 1] = "";
    char padded[GDB_PRINT_STRING_BYTES + 128];
    size_t count = 0, room = GDB_PRINT_BYTES - 1 - printer->used;
    const struct gdb_agent_guest *guest = printer->guest;
    while (count < GDB_PRINT_STRING_BYTES && count < room &&
           guest->read_memory(guest->opaque, address + count, &string[count], 1) &&
           string[count] != '\0') {
        count++;
    }
    if (count == 0 && !guest->read_memory(guest->opaque, address, string, 1)) {
        string[count++] = '?';
    }
    string[count] = '\0';
    int most = conversion->has_precision ? (int)conversion->precision : GDB_PRINT_STRING_BYTES;
    bool left = strchr(conversion->flags, '-') != NULL;
    snprintf(padded, sizeof(padded), left ? "%-*.*s" : "%*.*s", (int)conversion->width, most,
             string);
    put(printer, padded, strlen(padded));
}

static void put_integer(struct printer *printer, const struct conversion *conversion, u64 value)
{
    char format[48], width[16] = "", precision[16] = "", text[256];
    bool is_signed = conversion->letter == 'd' || conversion->letter == 'i';
    if (!conversion->is_long) {
        value = is_signed ? (u64)(s64)(s32)value : (u32)value;
    }
    if (conversion->has_precision) {
        snprintf(precision, sizeof(precision), ".%u", conversion->precision);
    }
    if (conversion->width != 0) {
        snprintf(width, sizeof(width), "%u", conversion->width);
    }
    snprintf(format, sizeof(format), "%%%s%s%sll%c", conversion->flags, width, precision,
             conversion->letter);
    snprintf(text, sizeof(text), format, (unsigned long long)value);
    put(printer, text, strlen(text));
}

/* Behind a percent sign. */
static void put_conversion(struct printer *printer)
{
    struct conversion conversion = take_conversion(printer);
    char text[32];
    if (conversion.letter == '%') {
        put(printer, "%", 1);
        return;
    }
    if (printer->value_count == 0) {
        put(printer, "?", 1);
        return;
    }
    u64 value = *printer->values++;
    printer->value_count--;
    switch (conversion.letter) {
    case 'd': case 'i': case 'u': case 'o': case 'x': case 'X':
        put_integer(printer, &conversion, value);
        break;
    case 'c':
        text[0] = (char)value;
        put(printer, text, 1);
        break;
    case 'p':
        snprintf(text, sizeof(text), "0x%" PRIx64, value);
        put(printer, text, strlen(text));
        break;
    case 's': put_string(printer, &conversion, value); break;
    default: put(printer, "?", 1); break;
    }
}

void gdb_print(const char *format, const u64 *values, unsigned value_count,
               const struct gdb_agent_guest *guest, char text[GDB_PRINT_BYTES])
{
    struct printer printer = {format, values, value_count, guest, text, 0};
    while (*printer.at != '\0') {
        char byte = *printer.at++;
        if (byte == '%') {
            put_conversion(&printer);
        } else if (byte == '\\') {
            put_escape(&printer);
        } else {
            put(&printer, &byte, 1);
        }
    }
    text[printer.used] = '\0';
}

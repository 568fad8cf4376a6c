/* See gdb_packet.h. */
#include "ui/gdb/gdb_packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ESCAPE_XOR = 0x20 };

static int digit_value(u8 c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* --- coming in --- */

static void input_add(struct gdb_input *input, u8 byte)
{
    if (input->length_bytes == GDB_PACKET_BYTES) {
        input->too_long = true;
    } else {
        input->text[input->length_bytes++] = (char)byte;
    }
}

static void input_begin(struct gdb_input *input)
{
    input->state = GDB_BODY;
    input->sum = 0;
    input->length_bytes = 0;
    input->too_long = false;
}

static enum gdb_event input_idle(struct gdb_input *input, u8 byte)
{
    switch (byte) {
    case '$': input_begin(input); return GDB_MORE;
    case 3: return GDB_INTERRUPT;
    case '-': return GDB_RESEND;
    default: return GDB_MORE; /* '+', and noise */
    }
}

static void input_body(struct gdb_input *input, u8 byte)
{
    if (byte == '#') {
        input->state = GDB_SUM;
        return;
    }
    if (byte == '$') { /* the packet before was cut off */
        input_begin(input);
        return;
    }
    input->sum = (u8)(input->sum + byte);
    if (input->state == GDB_ESCAPED) {
        input_add(input, byte ^ ESCAPE_XOR);
        input->state = GDB_BODY;
    } else if (byte == '}') {
        input->state = GDB_ESCAPED;
    } else {
        input_add(input, byte);
    }
}

static enum gdb_event input_end(struct gdb_input *input, u8 byte)
{
    int low = digit_value(byte);
    input->state = GDB_IDLE;
    input->text[input->length_bytes] = '\0';
    bool good = low >= 0 && (u8)(input->wanted_sum << 4 | low) == input->sum;
    return good && !input->too_long ? GDB_PACKET : GDB_BROKEN;
}

enum gdb_event gdb_input_byte(struct gdb_input *input, u8 byte)
{
    switch (input->state) {
    case GDB_IDLE: return input_idle(input, byte);
    case GDB_BODY:
    case GDB_ESCAPED: input_body(input, byte); return GDB_MORE;
    case GDB_SUM:
        if (digit_value(byte) < 0) {
            input->state = GDB_IDLE;
            return GDB_BROKEN;
        }
        input->wanted_sum = (u8)digit_value(byte);
        input->state = GDB_SUM_LOW;
        return GDB_MORE;
    case GDB_SUM_LOW: return input_end(input, byte);
    }
    return GDB_MORE;
}

/* --- going out --- */

static void output_add(struct gdb_output *output, const char *bytes, size_t size_bytes)
{
    if (size_bytes > GDB_PACKET_BYTES - output->length_bytes) {
        output->full = true;
        return;
    }
    memcpy(output->text + output->length_bytes, bytes, size_bytes);
    output->length_bytes += size_bytes;
}

void gdb_put(struct gdb_output *output, const char *text)
{
    output_add(output, text, strlen(text));
}

void gdb_putf(struct gdb_output *output, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (length > 0) {
        output_add(output, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
    }
}

void gdb_put_hex(struct gdb_output *output, const void *bytes, size_t size_bytes)
{
    static const char digits[] = "0123456789abcdef";
    const u8 *from = bytes;
    for (size_t i = 0; i < size_bytes; i++) {
        char pair[2] = {digits[from[i] >> 4], digits[from[i] & 15]};
        output_add(output, pair, sizeof(pair));
    }
}

void gdb_put_binary(struct gdb_output *output, const void *bytes, size_t size_bytes)
{
    const char *from = bytes;
    for (size_t i = 0; i < size_bytes; i++) {
        char pair[2] = {'}', (char)(from[i] ^ ESCAPE_XOR)};
        bool special = from[i] == '#' || from[i] == '$' || from[i] == '}' || from[i] == '*';
        output_add(output, special ? pair : &from[i], special ? 2 : 1);
    }
}

void gdb_put_error(struct gdb_output *output, enum gdb_error error)
{
    output->length_bytes = 0;
    gdb_putf(output, "E%02x", (unsigned)error);
}

size_t gdb_frame(const struct gdb_output *output, char *frame)
{
    char tail[4];
    u8 sum = 0;
    for (size_t i = 0; i < output->length_bytes; i++) {
        sum = (u8)(sum + (u8)output->text[i]);
    }
    snprintf(tail, sizeof(tail), "#%02x", sum);
    frame[0] = '$';
    memcpy(frame + 1, output->text, output->length_bytes);
    memcpy(frame + 1 + output->length_bytes, tail, 3);
    return output->length_bytes + 4;
}

/* --- reading --- */

bool gdb_take(struct gdb_text *text, const char *literal)
{
    size_t length = strlen(literal);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, literal, length) != 0) {
        return false;
    }
    text->at += length;
    return true;
}

bool gdb_take_hex(struct gdb_text *text, u64 *value)
{
    const char *start = text->at;
    *value = 0;
    while (text->at < text->end && digit_value((u8)*text->at) >= 0) {
        if (*value >> 60 != 0) {
            text->at = start;
            return false;
        }
        *value = *value << 4 | (u64)digit_value((u8)*text->at++);
    }
    return text->at != start;
}

bool gdb_take_range(struct gdb_text *text, u64 *address, u64 *size_bytes)
{
    return gdb_take_hex(text, address) && gdb_take(text, ",") && gdb_take_hex(text, size_bytes);
}

size_t gdb_take_bytes(struct gdb_text *text, void *bytes, size_t capacity_bytes)
{
    u8 *to = bytes;
    size_t count = 0;
    while (count < capacity_bytes && text->end - text->at >= 2 &&
           digit_value((u8)text->at[0]) >= 0 && digit_value((u8)text->at[1]) >= 0) {
        to[count++] = (u8)(digit_value((u8)text->at[0]) << 4 | digit_value((u8)text->at[1]));
        text->at += 2;
    }
    return count;
}

static bool take_id(struct gdb_text *text, s64 *id)
{
    u64 value;
    if (gdb_take(text, "-1")) {
        *id = GDB_ALL;
        return true;
    }
    if (!gdb_take_hex(text, &value) || value > INT32_MAX) {
        return false;
    }
    *id = (s64)value;
    return true;
}

bool gdb_take_thread(struct gdb_text *text, s64 *thread)
{
    struct gdb_text start = *text;
    s64 process = 1;
    bool taken = true;
    if (gdb_take(text, "p")) {
        taken = take_id(text, &process) && process <= 1;
        *thread = GDB_ALL; /* "p1" is all of its threads */
        if (taken && gdb_take(text, ".")) {
            taken = take_id(text, thread);
        }
    } else {
        taken = take_id(text, thread);
    }
    if (!taken) {
        *text = start;
    }
    return taken;
}

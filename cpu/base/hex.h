/* Numbers as text, where there are hundreds of thousands of them, printf takes a microsecond. */
#ifndef METIC_CPU_BASE_HEX_H
#define METIC_CPU_BASE_HEX_H

#include "cpu/base/types.h"

#include <string.h>

/* Eight digits, the first one in the lowest byte. */
static inline u64 hex_digits(u32 value)
{
    u64 digits = value;
    digits = (digits | digits << 16) & 0x0000ffff0000ffff;
    digits = (digits | digits << 8) & 0x00ff00ff00ff00ff;
    digits = (digits | digits << 4) & 0x0f0f0f0f0f0f0f0f;
    u64 letters = (digits + 0x0606060606060606) >> 4 & 0x0101010101010101;
    return __builtin_bswap64(digits + 0x3030303030303030 + letters * ('a' - '9' - 1));
}

/* Without zeros in front; where it ends. Writes to all of 16 bytes. */
static inline char *put_hex(char *to, u64 value)
{
    char digits[32];
    const u64 high = hex_digits((u32)(value >> 32)), low = hex_digits((u32)value);
    unsigned count = value != 0 ? (67 - (unsigned)__builtin_clzll(value)) / 4 : 1;
    memcpy(digits, &high, 8);
    memcpy(digits + 8, &low, 8);
    memset(digits + 16, 0, 16);
    memcpy(to, digits + 16 - count, 16);
    return to + count;
}

/* As many digits of it, zeros in front, 16 at most; where it ends. Writes to all of 16 bytes. */
static inline char *put_hex_digits(char *to, u64 value, unsigned count)
{
    char digits[32] = {0};
    const u64 high = hex_digits((u32)(value >> 32)), low = hex_digits((u32)value);
    memcpy(digits, &high, 8);
    memcpy(digits + 8, &low, 8);
    memcpy(to, digits + 16 - count, 16);
    return to + count;
}

/* A text, without its end; where it ends. */
static inline char *put_text(char *to, const char *text)
{
    size_t bytes = strlen(text);
    memcpy(to, text, bytes);
    return to + bytes;
}

/* A number in decimal; 20 bytes at most. */
static inline char *put_decimal(char *to, u64 value)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count != 0) {
        *to++ = digits[--count];
    }
    return to;
}

#endif

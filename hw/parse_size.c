/* Sizes as people write them. All units are powers of 1024: RAM and disks have no others. */
#include "cpu/base/types.h"
#include "hw/metic.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The shift a unit stands for; -1 when it is none. */
static int size_unit_shift(const char *unit)
{
    static const char letters[] = "kmgtp";
    if (unit[0] == '\0' || strcasecmp(unit, "b") == 0) {
        return 0;
    }
    const char *letter = strchr(letters, tolower((unsigned char)unit[0]));
    bool suffix = unit[1] == '\0' || strcasecmp(unit + 1, "b") == 0 ||
                  strcasecmp(unit + 1, "ib") == 0;
    return letter != NULL && suffix ? (int)(letter - letters + 1) * 10 : -1;
}

/* Digits with an optional fraction: the whole part, and the fraction in millionths. */
static const char *size_number(const char *text, u64 *whole, u64 *millionths)
{
    *whole = 0;
    *millionths = 0;
    const char *start = text;
    for (; isdigit((unsigned char)*text); text++) {
        u64 digit = (u64)(*text - '0');
        if (*whole > (~(u64)0 - digit) / 10) {
            return NULL;
        }
        *whole = *whole * 10 + digit;
    }
    if (text == start || *text != '.') {
        return text == start ? NULL : text;
    }
    start = ++text;
    for (u64 weight = 100000; isdigit((unsigned char)*text); text++, weight /= 10) {
        *millionths += (u64)(*text - '0') * weight;
    }
    return text == start ? NULL : text;
}

static const char *size_hex(const char *text, u64 *whole)
{
    *whole = 0;
    const char *start = text;
    for (; isxdigit((unsigned char)*text); text++) {
        int c = tolower((unsigned char)*text);
        if (*whole >> 60 != 0) {
            return NULL;
        }
        *whole = *whole << 4 | (u64)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return text == start || *text != '\0' ? NULL : text;
}

bool metic_parse_size(const char *text, uint64_t *size_bytes)
{
    u64 whole, millionths = 0;
    bool hex = strncasecmp(text, "0x", 2) == 0;
    const char *unit = hex ? size_hex(text + 2, &whole) : size_number(text, &whole, &millionths);
    if (unit == NULL) {
        return false;
    }
    while (*unit == ' ') {
        unit++;
    }
    int shift = size_unit_shift(unit);
    if (shift < 0 || (shift == 0 && millionths != 0) || (whole << shift) >> shift != whole) {
        return false;
    }
    u64 fraction = (u64)((u128)millionths * ((u64)1 << shift) / 1000000);
    u64 value = whole << shift;
    if (value + fraction < value) {
        return false;
    }
    *size_bytes = value + fraction;
    return true;
}

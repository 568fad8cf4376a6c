/* See utf8.h. */
#include "cpu/base/utf8.h"

#include "cpu/base/error.h"

#include <stdlib.h>
#include <string.h>

size_t utf8_bytes(const u8 *bytes, size_t left_bytes)
{
    u8 first = bytes[0];
    size_t more = first < 0x80 ? 0 : first < 0xc2 ? 4 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (more >= left_bytes || first > 0xf4 || more > 3) {
        return 0;
    }
    for (size_t i = 1; i <= more; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_long = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xf0 && bytes[1] < 0x90);
    bool is_none = (first == 0xed && bytes[1] >= 0xa0) || (first == 0xf4 && bytes[1] >= 0x90);
    return is_long || is_none ? 0 : more + 1;
}

u32 utf8_next(const char **text)
{
    const u8 *at = (const u8 *)*text;
    size_t count = utf8_bytes(at, SIZE_MAX);
    if (count == 0 || *at == 0) {
        return 0;
    }
    u32 character = count == 1 ? *at : *at & (0x7fu >> count);
    for (size_t i = 1; i < count; i++) {
        character = character << 6 | (at[i] & 0x3f);
    }
    *text += count;
    return character;
}

char *utf8_clean(const u8 *bytes, size_t size_bytes, size_t *clean_bytes)
{
    char *text = malloc(size_bytes + 1);
    if (text == NULL) {
        error_no_memory(size_bytes + 1);
    }
    size_t at = 0;
    while (at < size_bytes && bytes[at] != 0) {
        size_t length = utf8_bytes(bytes + at, size_bytes - at);
        if (length == 0) {
            text[at++] = '?';
        } else {
            memcpy(text + at, bytes + at, length);
            at += length;
        }
    }
    text[at] = '\0';
    *clean_bytes = at;
    return text;
}

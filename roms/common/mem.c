/* Byte and text helpers of the freestanding images; see mem.h. */
#include "roms/common/mem.h"

void *memcpy(void *to, const void *from, size_t bytes)
{
    return memmove(to, from, bytes);
}

void *memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *d = to;
    const unsigned char *s = from;

    if ((uintptr_t)d <= (uintptr_t)s) {
        for (size_t i = 0; i < bytes; i++) {
            d[i] = s[i];
        }
    } else {
        for (size_t i = bytes; i > 0; i--) {
            d[i - 1] = s[i - 1];
        }
    }
    return to;
}

void *memset(void *to, int byte, size_t bytes)
{
    unsigned char *d = to;

    for (size_t i = 0; i < bytes; i++) {
        d[i] = (unsigned char)byte;
    }
    return to;
}

size_t text_length(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0') {
        n++;
    }
    return n;
}

bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool text_starts(const char *text, const char *prefix)
{
    while (*prefix != '\0') {
        if (*text++ != *prefix++) {
            return false;
        }
    }
    return true;
}

/* The C library functions that gcc may call on its own; see mem.h. */
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

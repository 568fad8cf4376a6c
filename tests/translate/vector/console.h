/* What each program for check_vector.sh has: it prints on the board's first UART. */
#ifndef METIC_TESTS_TRANSLATE_VECTOR_CONSOLE_H
#define METIC_TESTS_TRANSLATE_VECTOR_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

static inline void put(char c)
{
    *(volatile uint8_t *)0x10000000 = (uint8_t)c;
}

static inline void put_text(const char *text)
{
    for (; *text != 0; text++) {
        put(*text);
    }
}

static inline void put_hex(uint64_t number)
{
    for (int shift = 60; shift >= 0; shift -= 4) {
        put("0123456789abcdef"[number >> shift & 15]);
    }
}

/* gcc calls it in freestanding code too. */
void *memset(void *to, int value, size_t bytes);
void *memset(void *to, int value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

#endif

/* What a program for check_vector.sh prints, on the board's first UART. */
#ifndef METIC_TESTS_TRANSLATE_VECTOR_CONSOLE_H
#define METIC_TESTS_TRANSLATE_VECTOR_CONSOLE_H

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

#endif

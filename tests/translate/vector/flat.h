/* A program for check_vector.sh whose memory is all there: it means no traps. */
#ifndef METIC_TESTS_TRANSLATE_VECTOR_FLAT_H
#define METIC_TESTS_TRANSLATE_VECTOR_FLAT_H

#include "console.h"

uint64_t root[512] __attribute__((aligned(4096)));

void make_tables(void);
uint64_t on_trap(uint64_t cause, uint64_t value, uint64_t vstart);

/* Everything is at its own address. */
void make_tables(void)
{
    root[0] = 0xcf;
    root[2] = (0x80000000ul >> 12 << 10) | 0xcf;
}

/* None is meant. */
uint64_t on_trap(uint64_t cause, uint64_t value, uint64_t vstart)
{
    put_text("trap ");
    put_hex(cause);
    put_hex(value);
    put_hex(vstart);
    put('\n');
    return 0;
}

/* A hash, and random numbers. */
static inline uint64_t mix(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * 0x9e3779b97f4a7c15u + (hash >> 29);
}

#endif

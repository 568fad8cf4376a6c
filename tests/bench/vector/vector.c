/* The vector kernels: arrays in the arena, and how often the loops go over them. */
#include "kernels.h"
#include "loops.h"

enum { COUNT = 2048, FAR = 1 << 20, SHORT = 7 };

static uint32_t *words(unsigned n)
{
    return (uint32_t *)(arena + n * (16384 + 256));
}

static double *doubles(unsigned n)
{
    return (double *)words(n);
}

static void fill(void)
{
    uint64_t seed = 1;
    for (size_t i = 0; i < 4 * (16384 + 256) / 8; i++) {
        ((uint64_t *)arena)[i] = next_random(&seed);
    }
}

static uint64_t hash(const void *from, size_t bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes / 8; i++) {
        sum = mix(sum, ((const uint64_t *)from)[i]);
    }
    return sum;
}

#define ROUNDS(n) for (unsigned round = 0; round < (n); round++)

void setup_vector_add(void) { fill(); }
uint64_t kernel_vector_add(void)
{
    ROUNDS(32000) {
        loop_add(words(0), words(1), words(2), COUNT);
    }
    return hash(words(0), 4 * COUNT);
}

void setup_vector_add_m1(void) { fill(); }
uint64_t kernel_vector_add_m1(void)
{
    ROUNDS(16000) {
        loop_add_m1(words(0), words(1), words(2), COUNT);
    }
    return hash(words(0), 4 * COUNT);
}

static void fill_doubles(void)
{
    for (unsigned n = 0; n < 2; n++) {
        for (size_t i = 0; i < COUNT; i++) {
            doubles(n)[i] = (double)(i % 97) / 7.0;
        }
    }
}

void setup_vector_fma(void) { fill_doubles(); }
uint64_t kernel_vector_fma(void)
{
    ROUNDS(16000) {
        loop_fma(doubles(0), doubles(1), 0.001, COUNT);
    }
    return hash(doubles(0), 8 * COUNT);
}

void setup_vector_fma_m1(void) { fill_doubles(); }
uint64_t kernel_vector_fma_m1(void)
{
    ROUNDS(8000) {
        loop_fma_m1(doubles(0), doubles(1), 0.001, COUNT);
    }
    return hash(doubles(0), 8 * COUNT);
}

void setup_vector_memcpy(void) { fill(); }
uint64_t kernel_vector_memcpy(void)
{
    ROUNDS(80000) {
        loop_copy((uint8_t *)words(0), (const uint8_t *)words(1) + 3, 16000);
    }
    return hash(words(0), 16000);
}

void setup_vector_memcpy_1m(void)
{
    uint64_t seed = 2;
    for (size_t i = 0; i < FAR / 8; i++) {
        ((uint64_t *)arena)[i] = next_random(&seed);
    }
}

uint64_t kernel_vector_memcpy_1m(void)
{
    ROUNDS(600) {
        loop_copy(arena + 4 * FAR, arena, FAR);
    }
    return hash(arena + 4 * FAR, FAR);
}

void setup_vector_strlen(void)
{
    for (size_t i = 0; i < 16000; i++) {
        arena[i] = (uint8_t)(i | 1);
    }
    arena[15900] = 0;
}

uint64_t kernel_vector_strlen(void)
{
    uint64_t sum = 0;
    ROUNDS(32000) {
        sum += loop_strlen((const char *)arena + round % 61);
    }
    return sum;
}

void setup_vector_masked(void) { fill(); }
uint64_t kernel_vector_masked(void)
{
    ROUNDS(16000) {
        loop_masked((int32_t *)words(0), (const int32_t *)words(1), (int32_t)(round << 20), COUNT);
    }
    return hash(words(0), 4 * COUNT);
}

void setup_vector_widen(void) { fill(); }
uint64_t kernel_vector_widen(void)
{
    ROUNDS(16000) {
        loop_widen((int32_t *)words(0), (const int16_t *)words(1), (const int16_t *)words(2),
                   COUNT);
    }
    return hash(words(0), 4 * COUNT);
}

void setup_vector_sum(void) { fill(); }
uint64_t kernel_vector_sum(void)
{
    uint64_t sum = 0;
    ROUNDS(24000) {
        sum = mix(sum, loop_sum((const uint64_t *)words(1), COUNT));
    }
    return sum;
}

/* Vectors that are never full. */
void setup_vector_short(void) { fill(); }
uint64_t kernel_vector_short(void)
{
    ROUNDS(1600000) {
        loop_add(words(0) + round % COUNT, words(1), words(2) + round % 50, SHORT);
    }
    return hash(words(0), 4 * COUNT);
}

/* The host's loops (loops.h), for its compiler to vectorise. */
#include "loops.h"

#include <string.h>

void loop_add(uint32_t *restrict to, const uint32_t *restrict a, const uint32_t *restrict b,
              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = a[i] + b[i];
    }
}

void loop_add_m1(uint32_t *restrict to, const uint32_t *restrict a, const uint32_t *restrict b,
                 size_t count)
{
    loop_add(to, a, b, count);
}

void loop_fma(double *restrict to, const double *restrict a, double factor, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = __builtin_fma(factor, a[i], to[i]);
    }
}

void loop_fma_m1(double *restrict to, const double *restrict a, double factor, size_t count)
{
    loop_fma(to, a, factor, count);
}

void loop_copy(uint8_t *restrict to, const uint8_t *restrict from, size_t count)
{
    memcpy(to, from, count);
}

size_t loop_strlen(const char *text)
{
    return strlen(text);
}

void loop_masked(int32_t *restrict to, const int32_t *restrict a, int32_t limit, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] += a[i] < limit ? a[i] : 0;
    }
}

void loop_widen(int32_t *restrict to, const int16_t *restrict a, const int16_t *restrict b,
                size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] += a[i] * b[i];
    }
}

uint64_t loop_sum(const uint64_t *a, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += a[i];
    }
    return sum;
}

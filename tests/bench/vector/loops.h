/* The vector kernels' inner loops, of which guest and host each have their own. Arrays do not
 * overlap. */
#ifndef METIC_TESTS_BENCH_VECTOR_LOOPS_H
#define METIC_TESTS_BENCH_VECTOR_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* to[i] = a[i] + b[i]; in groups of eight registers, and of one. */
void loop_add(uint32_t *to, const uint32_t *a, const uint32_t *b, size_t count);
void loop_add_m1(uint32_t *to, const uint32_t *a, const uint32_t *b, size_t count);
/* to[i] += factor * a[i], rounded once. */
void loop_fma(double *to, const double *a, double factor, size_t count);
void loop_fma_m1(double *to, const double *a, double factor, size_t count);
void loop_copy(uint8_t *to, const uint8_t *from, size_t count);
size_t loop_strlen(const char *text);
/* Where a[i] < limit: to[i] += a[i]. */
void loop_masked(int32_t *to, const int32_t *a, int32_t limit, size_t count);
/* to[i] += a[i] * b[i], of 16-bit elements to 32-bit ones. */
void loop_widen(int32_t *to, const int16_t *a, const int16_t *b, size_t count);
uint64_t loop_sum(const uint64_t *a, size_t count);

#endif

/* The benchmark kernels: one C source for the guest (bare metal, M-mode) and for the host. Counts
 * of iterations are fixed, so that both do the same work and return the same value; they are chosen
 * such that QEMU takes 0.1 to 0.4 s on the machine where this was written. */
#ifndef METIC_TESTS_BENCH_KERNELS_H
#define METIC_TESTS_BENCH_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { ARENA_BYTES = 96 << 20 };

/* Which kernels a program has. */
#ifndef KERNELS_DEF
#define KERNELS_DEF "kernels.def"
#endif

/* Shared by all kernels, one after the other; 64 KiB aligned. In the guest it is RAM beyond the
 * program's image, so that loading the image does not touch it. */
extern uint8_t arena[];

#define KERNEL(name, class) \
    void setup_##name(void); \
    uint64_t kernel_##name(void);
#include KERNELS_DEF
#undef KERNEL

/* xorshift64: the same numbers everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

static inline uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x9e3779b97f4a7c15u;
}

static inline uint64_t double_bits(double value)
{
    union {
        double value;
        uint64_t bits;
    } u = {.value = value};
    return u.bits;
}

/* Keeps the compiler from knowing what VALUE is. */
#define HIDE(value) __asm__ volatile("" : "+r"(value))

#endif

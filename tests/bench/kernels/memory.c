/* Pointer chases, streams, copies, atomics. */
#include "kernels.h"

enum {
    LINE_BYTES = 64,
    CHASE_L1_BYTES = 16 << 10,
    CHASE_L1_STEPS = (40 << 20) + 77,
    CHASE_32M_BYTES = 32 << 20,
    CHASE_32M_STEPS = 1000001,
    TRIAD_COUNT = 1 << 16,
    TRIAD_ROUNDS = 200,
    TRIAD_APART_COUNT = 1 << 16,
    TRIAD_APART_ROUNDS = 40,
    APART_BYTES = 8 << 20,
    ATOMIC_ADDS = 20 << 20,
    ATOMIC_SWAPS = 20 << 20,
};

/* One cycle through all lines of LENGTH bytes, in an order that no prefetcher knows (Sattolo). */
static void chase_setup(size_t length_bytes)
{
    uint32_t count = (uint32_t)(length_bytes / LINE_BYTES);
    uint32_t *order = (uint32_t *)(arena + CHASE_32M_BYTES);
    uint64_t state = 99;
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
    }
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t other = (uint32_t)(next_random(&state) % i);
        uint32_t swap = order[i];
        order[i] = order[other];
        order[other] = swap;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *to = arena + (size_t)order[(i + 1) % count] * LINE_BYTES;
        *(void **)(arena + (size_t)order[i] * LINE_BYTES) = to;
    }
}

static uint64_t chase(uint64_t steps)
{
    const void *at = arena;
    for (uint64_t i = 0; i < steps; i++) {
        at = *(const void *const *)at;
    }
    return (uint64_t)((const uint8_t *)at - arena);
}

void setup_chase_l1(void)
{
    chase_setup(CHASE_L1_BYTES);
}

uint64_t kernel_chase_l1(void)
{
    return chase(CHASE_L1_STEPS);
}

void setup_chase_32m(void)
{
    chase_setup(CHASE_32M_BYTES);
}

uint64_t kernel_chase_32m(void)
{
    return chase(CHASE_32M_STEPS);
}

static void triad_setup(double *b, double *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        b[i] = (double)i;
        c[i] = (double)(i & 255) * 0.5;
    }
}

static uint64_t triad(double *restrict a, const double *restrict b, const double *restrict c,
                      size_t count, int rounds)
{
    double scale = 3;
    HIDE(count);
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            a[i] = b[i] + scale * c[i];
        }
        scale = a[round] * 0.25 + 1;
    }
    return double_bits(a[count - 1] + a[7]);
}

/* Staggered: the arrays do not begin at the same place in their pages, nor in the caches. */
static double *staggered(int which)
{
    return (double *)(arena + (size_t)which * (TRIAD_COUNT * sizeof(double) + 4096 + 320));
}

static double *apart(int which)
{
    return (double *)(arena + (size_t)which * APART_BYTES);
}

void setup_triad(void)
{
    triad_setup(staggered(1), staggered(2), TRIAD_COUNT);
}

uint64_t kernel_triad(void)
{
    return triad(staggered(0), staggered(1), staggered(2), TRIAD_COUNT, TRIAD_ROUNDS);
}

void setup_triad_8m_apart(void)
{
    triad_setup(apart(1), apart(2), TRIAD_APART_COUNT);
}

uint64_t kernel_triad_8m_apart(void)
{
    return triad(apart(0), apart(1), apart(2), TRIAD_APART_COUNT, TRIAD_APART_ROUNDS);
}

static __attribute__((noinline)) void copy(uint64_t *to, const uint64_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes / 64; i++, to += 8, from += 8) {
        uint64_t a = from[0], b = from[1], c = from[2], d = from[3];
        uint64_t e = from[4], f = from[5], g = from[6], h = from[7];
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;
        to[4] = e, to[5] = f, to[6] = g, to[7] = h;
    }
}

static __attribute__((noinline)) void set(uint64_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes / 64; i++, to += 8) {
        to[0] = value, to[1] = value, to[2] = value, to[3] = value;
        to[4] = value, to[5] = value, to[6] = value, to[7] = value;
    }
}

static void copy_setup(void)
{
    uint64_t *words = (uint64_t *)arena;
    for (size_t i = 0; i < (2 << 20) / sizeof *words; i++) {
        words[i] = i * 0x9e3779b9u;
    }
}

static uint64_t copy_run(size_t bytes, uint64_t total_bytes)
{
    uint64_t *from = (uint64_t *)arena;
    uint64_t *to = (uint64_t *)(arena + (2 << 20) + 192);
    uint64_t hash = 0;
    for (uint64_t done = 0; done < total_bytes; done += bytes) {
        copy(to, from, bytes);
        hash += to[bytes / sizeof *to - 1];
        from[done / bytes & 7]++;
    }
    return mix(hash, to[1]);
}

static uint64_t set_run(size_t bytes, uint64_t total_bytes)
{
    uint64_t *to = (uint64_t *)(arena + 192);
    uint64_t hash = 0;
    for (uint64_t done = 0; done < total_bytes; done += bytes) {
        set(to, done, bytes);
        hash += to[bytes / sizeof *to - 1];
    }
    return mix(hash, to[1]);
}

#define COPY(name, bytes, total_bytes) \
    void setup_copy_##name(void) { copy_setup(); } \
    uint64_t kernel_copy_##name(void) { return copy_run(bytes, total_bytes); } \
    void setup_set_##name(void) { copy_setup(); } \
    uint64_t kernel_set_##name(void) { return set_run(bytes, total_bytes); }
COPY(64, 64, 150u << 20)
COPY(4k, 4096, 300u << 20)
COPY(1m, 1 << 20, 300u << 20)

void setup_atomic_add(void)
{
    *(uint64_t *)arena = 0;
}

uint64_t kernel_atomic_add(void)
{
    uint64_t *counter = (uint64_t *)arena;
    uint64_t hash = 0;
    for (uint64_t i = 0; i < ATOMIC_ADDS; i++) {
        hash += __atomic_fetch_add(counter, i, __ATOMIC_SEQ_CST);
    }
    return hash;
}

void setup_atomic_cas(void)
{
    *(uint64_t *)arena = 1;
}

/* A compare-and-swap loop, which the guest's compiler makes of lr and sc. */
uint64_t kernel_atomic_cas(void)
{
    uint64_t *cell = (uint64_t *)arena;
    for (uint64_t i = 0; i < ATOMIC_SWAPS; i++) {
        uint64_t seen = __atomic_load_n(cell, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(cell, &seen, seen * 3 + i, 0, __ATOMIC_SEQ_CST,
                                            __ATOMIC_RELAXED)) {
        }
    }
    return *cell;
}

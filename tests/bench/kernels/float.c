/* Floating point. No operation may be contracted (-ffp-contract=off), so that every machine rounds
 * alike and the results are the same to the bit. */
#include "kernels.h"

enum {
    BODY_STEPS = 150000,
    DOUBLE_SIDE = 96,
    DOUBLE_ROUNDS = 15,
    FLOAT_ROUNDS = 15,
    MANDEL_SIDE = 320,
    MANDEL_LIMIT = 200,
    CONVERT_COUNT = 3000000,
    COMPARE_COUNT = 4096,
    COMPARE_ROUNDS = 2400,
};

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static const struct body bodies_start[] = {
    {0, 0, 0, 0, 0, 0, 39.5},
    {4.84, -1.16, -0.104, 0.606, 2.81, -0.02, 0.0377},
    {8.34, 4.12, -0.4, -1.01, 1.82, 0.0084, 0.0113},
    {12.9, -15.1, -0.22, 1.08, 0.87, -0.0108, 0.00172},
    {15.4, -25.9, 0.18, 0.98, 0.59, -0.034, 0.00203},
};

enum { BODIES = sizeof bodies_start / sizeof bodies_start[0] };

void setup_nbody(void)
{
    struct body *bodies = (struct body *)arena;
    for (int i = 0; i < BODIES; i++) {
        bodies[i] = bodies_start[i];
    }
}

static void attract(struct body *a, struct body *b, double dt)
{
    double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
    double square = dx * dx + dy * dy + dz * dz;
    double magnitude = dt / (square * __builtin_sqrt(square));
    double ma = a->mass * magnitude, mb = b->mass * magnitude;
    a->vx -= dx * mb, a->vy -= dy * mb, a->vz -= dz * mb;
    b->vx += dx * ma, b->vy += dy * ma, b->vz += dz * ma;
}

uint64_t kernel_nbody(void)
{
    struct body *bodies = (struct body *)arena;
    for (int step = 0; step < BODY_STEPS; step++) {
        for (int i = 0; i < BODIES; i++) {
            for (int j = i + 1; j < BODIES; j++) {
                attract(&bodies[i], &bodies[j], 0.01);
            }
        }
        for (int i = 0; i < BODIES; i++) {
            struct body *b = &bodies[i];
            b->x += 0.01 * b->vx, b->y += 0.01 * b->vy, b->z += 0.01 * b->vz;
        }
    }
    return double_bits(bodies[0].x + bodies[1].y + bodies[4].vz);
}

#define MATMUL(name, type, rounds) \
    void setup_matmul_##name(void) \
    { \
        type *a = (type *)arena; \
        for (int i = 0; i < 2 * DOUBLE_SIDE * DOUBLE_SIDE; i++) { \
            a[i] = (type)(i % 37) * (type)0.125 - 2; \
        } \
    } \
    uint64_t kernel_matmul_##name(void) \
    { \
        const type *a = (const type *)arena; \
        const type *b = a + DOUBLE_SIDE * DOUBLE_SIDE; \
        type *product = (type *)(arena + (1 << 20)); \
        double total = 0; \
        for (int round = 0; round < rounds; round++) { \
            for (int i = 0; i < DOUBLE_SIDE; i++) { \
                for (int j = 0; j < DOUBLE_SIDE; j++) { \
                    type sum = (type)round; \
                    for (int k = 0; k < DOUBLE_SIDE; k++) { \
                        sum += a[i * DOUBLE_SIDE + k] * b[k * DOUBLE_SIDE + j]; \
                    } \
                    product[i * DOUBLE_SIDE + j] = sum; \
                } \
            } \
            total += product[round * 97]; \
        } \
        return double_bits(total); \
    }
MATMUL(double, double, DOUBLE_ROUNDS)
MATMUL(float, float, FLOAT_ROUNDS)

void setup_mandelbrot(void)
{
}

uint64_t kernel_mandelbrot(void)
{
    uint64_t total = 0;
    for (int row = 0; row < MANDEL_SIDE; row++) {
        for (int column = 0; column < MANDEL_SIDE; column++) {
            double cx = column * (3.0 / MANDEL_SIDE) - 2.2, cy = row * (3.0 / MANDEL_SIDE) - 1.5;
            double x = 0, y = 0;
            int n = 0;
            while (n < MANDEL_LIMIT && x * x + y * y < 4) {
                double next = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = next;
                n++;
            }
            total += (uint64_t)n;
        }
    }
    return total;
}

void setup_fp_convert(void)
{
}

uint64_t kernel_fp_convert(void)
{
    uint64_t hash = 0;
    double value = 1;
    for (int i = 0; i < CONVERT_COUNT; i++) {
        int64_t whole = (int64_t)(value * 1000.5);
        float narrow = (float)whole;
        int32_t word = (int32_t)(narrow * 0.25f);
        hash += (uint64_t)whole ^ (uint64_t)word;
        value = (double)(word & 0xffff) + (double)narrow * 1e-6;
    }
    return mix(hash, double_bits(value));
}

void setup_fp_compare(void)
{
    double *numbers = (double *)arena;
    uint64_t state = 11;
    for (int i = 0; i < COMPARE_COUNT; i++) {
        numbers[i] = (double)(int64_t)(next_random(&state) >> 40) - 8388608.0;
    }
}

uint64_t kernel_fp_compare(void)
{
    const double *numbers = (const double *)arena;
    uint64_t hash = 0;
    double low = 0, high = 0;
    for (int round = 0; round < COMPARE_ROUNDS; round++) {
        double limit = numbers[round];
        for (int i = 0; i < COMPARE_COUNT; i++) {
            double n = numbers[i];
            hash += (uint64_t)(n < limit);
            hash += (uint64_t)(n == -limit) << 8;
            if (n > high) {
                high = n;
            } else if (n <= low) {
                low = n;
            }
        }
    }
    return hash + double_bits(low + high);
}

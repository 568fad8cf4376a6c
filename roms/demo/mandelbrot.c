/* The Mandelbrot set in text, once with the FPU and once with 64-bit fixed-point numbers. */
#include "roms/common/mem.h"
#include "roms/demo/demo.h"

#define COLUMNS 76
#define ROWS 30
#define ITERATIONS_MAX 2000u

/* Fixed point with this many binary places; |values| stay below 8. */
#define PLACES 28
#define FIXED(x) ((int64_t)((x) * (1 << PLACES)))

#define LEFT (-2.1)
#define RIGHT 0.7
#define TOP 1.15

static uint32_t iterate_double(int column, int row)
{
    double cx = LEFT + (RIGHT - LEFT) * column / COLUMNS;
    double cy = TOP - 2 * TOP * row / (ROWS - 1);
    double x = 0;
    double y = 0;
    uint32_t n = 0;

    while (n < ITERATIONS_MAX && x * x + y * y < 4) {
        double next = x * x - y * y + cx;
        y = 2 * x * y + cy;
        x = next;
        n++;
    }
    return n;
}

static uint32_t iterate_fixed(int column, int row)
{
    int64_t cx = FIXED(LEFT) + FIXED(RIGHT - LEFT) * column / COLUMNS;
    int64_t cy = FIXED(TOP) - FIXED(2 * TOP) * row / (ROWS - 1);
    int64_t x = 0;
    int64_t y = 0;
    uint32_t n = 0;

    while (n < ITERATIONS_MAX && ((x * x + y * y) >> PLACES) < FIXED(4)) {
        int64_t next = ((x * x - y * y) >> PLACES) + cx;
        y = (x * y >> (PLACES - 1)) + cy;
        x = next;
        n++;
    }
    return n;
}

/* Bands of equal depth, the deeper the darker; the set itself is the last character. */
static char shade(uint32_t iterations)
{
    static const char ramp[] = " .,:;i+xo%#@";
    uint32_t level = 0;

    if (iterations == ITERATIONS_MAX) {
        return ramp[sizeof(ramp) - 2];
    }
    for (uint32_t limit = 2; limit < iterations && level < sizeof(ramp) - 3; level++) {
        limit += limit / 2 + 1;
    }
    return ramp[level];
}

void mandelbrot_run(const struct machine *m, const char *arg)
{
    bool fixed = text_equal(arg, "int");

    (void)m;
    for (int row = 0; row < ROWS; row++) {
        for (int column = 0; column < COLUMNS; column++) {
            console_put(shade(fixed ? iterate_fixed(column, row) : iterate_double(column, row)));
        }
        console_put('\n');
    }
}

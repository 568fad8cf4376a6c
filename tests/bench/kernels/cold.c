/* Cold code: 20,000 functions of some twenty instructions that run once each. A compiler takes
 * minutes over so many; so 500 are compiled (make_cold.awk) and linked COLD_PARTS times. */
#include "kernels.h"

typedef uint64_t (*cold_part_fn)(uint64_t x);

#define TEN(what, tens) \
    what(tens##0) what(tens##1) what(tens##2) what(tens##3) what(tens##4) \
    what(tens##5) what(tens##6) what(tens##7) what(tens##8) what(tens##9)
#define COLD_PARTS(what) TEN(what, 1) TEN(what, 2) TEN(what, 3) TEN(what, 4)

#define DECLARE(number) uint64_t cold_part_##number(uint64_t x);
COLD_PARTS(DECLARE)

static const cold_part_fn parts[] = {
#define NAME(number) cold_part_##number,
    COLD_PARTS(NAME)
};

void setup_cold(void)
{
    for (int i = 0; i < 64; i++) {
        ((uint64_t *)arena)[i] = (uint64_t)i;
    }
}

uint64_t kernel_cold(void)
{
    uint64_t x = 1;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        x = parts[i](x);
    }
    return x;
}

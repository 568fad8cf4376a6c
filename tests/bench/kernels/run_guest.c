/* The guest's side of the kernels: M-mode on the virt board. Time is the board's 10 MHz counter,
 * output is its UART, and which kernels to run is the word bench= of the kernel command line, which
 * is looked for in the device tree without parsing it. */
#include "kernels.h"
#include "run.h"

enum { NS_PER_TICK = 100 };

static volatile uint8_t *const uart = (volatile uint8_t *)0x10000000;
static volatile uint32_t *const finisher = (volatile uint32_t *)0x100000;

void guest_main(uint64_t hart, const uint8_t *dtb);
void guest_trap(uint64_t cause, uint64_t pc, uint64_t value);

uint64_t run_now_ns(void)
{
    uint64_t ticks;
    __asm__ volatile("rdtime %0" : "=r"(ticks));
    return ticks * NS_PER_TICK;
}

void run_print(const char *text)
{
    for (; *text != 0; text++) {
        while ((uart[5] & 0x20) == 0) {
        }
        uart[0] = (uint8_t)*text;
    }
}

static void finish(uint32_t code)
{
    *finisher = code;
    for (;;) {
    }
}

static const char *find_wanted(const uint8_t *dtb)
{
    static const char word[] = "bench=";
    uint32_t size = (uint32_t)dtb[4] << 24 | (uint32_t)dtb[5] << 16 | (uint32_t)dtb[6] << 8 |
                    dtb[7];
    for (uint32_t i = 8; i + sizeof word < size; i++) {
        uint32_t same = 0;
        while (word[same] != 0 && dtb[i + same] == (uint8_t)word[same]) {
            same++;
        }
        if (word[same] == 0) {
            return (const char *)dtb + i + same;
        }
    }
    return "";
}

void guest_main(uint64_t hart, const uint8_t *dtb)
{
    (void)hart;
    run_all(find_wanted(dtb));
    run_print("end\n");
    finish(0x5555);
}

void guest_trap(uint64_t cause, uint64_t pc, uint64_t value)
{
    (void)pc;
    (void)value;
    run_print("kernel: trap\n");
    finish((uint32_t)(cause & 63) << 16 | 0x3333);
}

/* gcc calls these in freestanding code too. */
void *memset(void *to, int value, size_t bytes);
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memset(void *to, int value,
                                                                           size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *
memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

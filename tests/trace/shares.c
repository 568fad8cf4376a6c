/* A bare-metal program of one hot loop, all of which becomes one trace: a call of large(), one of
 * small(), and the loop's own instructions. Every round takes equally many instructions in each, so
 * the shares of a profile are known from the code's length alone. */
static volatile unsigned sink;

__attribute__((noipa)) static unsigned small(unsigned x)
{
    x = x * 3 + 1;
    x ^= x >> 3;
    return x + 7;
}

__attribute__((noipa)) static unsigned large(unsigned x)
{
#define STEP x = x * 3 + 1; x ^= x >> 3; x = x * 5 + 2; x ^= x << 2;
    STEP STEP STEP STEP STEP STEP
    return x;
}

__attribute__((used)) static void start(void)
{
    unsigned value = 1;
    for (unsigned i = 0; i < 4000000; i++) {
        value = large(small(value));
    }
    sink = value;
    *(volatile unsigned *)0x100000 = 0x5555;
    for (;;) {
    }
}

__asm__(".section .text.begin, \"ax\"\n.globl _start\n_start: lla sp, stack_top\nli s0, 0\n"
        "li ra, 0\nj start\n.bss\n.balign 16\n.space 4096\nstack_top:\n.text\n");

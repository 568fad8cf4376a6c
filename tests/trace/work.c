/* A bare-metal program whose functions take known shares of its instructions, and of whose lines it
 * is known how often they run: heavy() three quarters, light() one; never() does not run. Compiled
 * for the host (HOSTED), gcov counts the same lines. */
static volatile unsigned sink;

__attribute__((noinline)) static void spin(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sink += i;
    }
}

__attribute__((noinline)) static void light(void)
{
    spin(1000);
    sink++;
}

__attribute__((noinline)) static void heavy(void)
{
    spin(3000);
    sink++;
}

__attribute__((noinline)) static void never(void)
{
    sink = 1;
    spin(1);
}

__attribute__((noinline)) static int choose(int value)
{
    if (value % 3 == 0) {
        sink++;
        return 1;
    }
    if (value > 100000) {
        never();
    }
    return 0;
}

/* The line of its last brace begins with what only every fourth call comes to. */
__attribute__((noinline)) static void either(int value)
{
    if (value % 4 != 0)
        sink++;
    else
        choose(value);
}

int work(void);
int work(void)
{
    int chosen = 0;
    for (int i = 0; i < 300; i++) {
        light();
        heavy();
        chosen += choose(i);
        either(i);
    }
    return chosen;
}

#ifdef HOSTED
int main(void)
{
    return work() == 100 ? 0 : 1;
}
#else
__attribute__((used)) static void start(void)
{
    work();
    *(volatile unsigned *)0x100000 = 0x5555;
    for (;;) {
    }
}

__asm__(".section .text.begin, \"ax\"\n.globl _start\n_start: lla sp, stack_top\nli s0, 0\n"
        "li ra, 0\nj start\n.bss\n.balign 16\n.space 4096\nstack_top:\n.text\n");
#endif

/* A function that calls itself, and one beside it, called from one place; without a library. */
__attribute__((noinline)) static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

__attribute__((noinline)) static int other(int n) { return n * 3 + 1; }

volatile int sink;

__attribute__((used)) static void run(void)
{
    for (int i = 0; i < 5; i++) {
        sink += fib(6);
        sink += other(i);
    }
    *(volatile unsigned *)0x100000 = 0x5555; /* the finisher: pass */
    for (;;) {
    }
}

__asm__(".text\n.globl _start\n_start:\nla sp, stack_end\nj run\n"
        ".bss\n.balign 16\n.space 4096\nstack_end:\n.text\n");

/* A program for call stacks without frame pointers: three functions above one that takes all the
 * time, a frame of variable size among them, and a leaf that saves nothing. It needs no library, so
 * it can be linked anywhere: fixed, moved by a kernel (PIE), or for a machine without one
 * (BARE). */
static volatile unsigned sink;

__attribute__((noinline)) static unsigned inner(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sink += i;
#ifdef CALLS /* most of the time is the kernel's then, for the program */
        register long number __asm__("a7") = 173, result __asm__("a0"); /* getppid */
        __asm__ volatile("ecall" : "=r"(result) : "r"(number) : "memory");
#endif
    }
    return sink;
}

__attribute__((noinline)) static unsigned middle(unsigned n)
{
    unsigned first = inner(n);
    return first + inner(n / 2) + 1;
}

__attribute__((noinline)) static unsigned outer(unsigned n)
{
    volatile char room[n % 64 + 200];
    room[n % 10] = (char)n;
    return middle(n) + (unsigned char)room[3];
}

__attribute__((noinline)) static unsigned again(unsigned depth)
{
    return depth == 0 ? outer(3000) : again(depth - 1) + depth;
}

void work(void);
__attribute__((noinline, used)) void work(void)
{
    for (unsigned i = 0; i < 4000; i++) {
#ifdef CALLS
        outer(20);
#else
        outer(3000 + i % 7);
        again(3);
#endif
    }
}

#ifdef BARE
#define STACK "lla sp, stack_top\n"
#define END "li a1, 0x100000\nli a0, 0x5555\nsw a0, 0(a1)\n"
__asm__(".bss\n.balign 16\n.space 8192\nstack_top:\n.text\n");
#else
#define STACK "andi sp, sp, -16\n"
#define END "li a0, 0\nli a7, 93\necall\n"
#endif
__asm__(".section .text.begin, \"ax\"\n.globl _start\n.type _start, @function\n_start:\n"
        ".cfi_startproc\n.cfi_undefined ra\n" STACK "call work\n" END "1: j 1b\n"
        ".cfi_endproc\n.size _start, . - _start\n.text\n");

/* A program that makes semihosting calls by hand: in M mode, or, with -DMODE=1 and 2, in S and U
 * mode behind page tables. What is wrong is printed; the end is chosen by -DEND. */
typedef unsigned long word;

#ifndef MODE
#define MODE 0
#endif
#ifndef END
#define END 1
#endif

volatile word breaks; /* breakpoints that were taken */

word host(word operation, const volatile void *parameter);

/* The sequence; a plain breakpoint; one of two bytes; the sequence with a neighbour of two bytes;
 * the sequence over the end of a page. */
__asm__(".option push\n .option norvc\n .text\n"
        ".globl host\n .balign 16\n"
        "host: slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n ret\n"
        ".globl plain\n plain: ebreak\n ret\n"
        ".globl near\n near: addi x0, x0, 0\n ebreak\n srai x0, x0, 7\n ret\n"
        ".globl far\n .balign 4096\n .skip 4088\n"
        "far: slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n ret\n"
        ".option pop\n");
word plain(word a0, word a1), near(word a0, word a1), far(word a0, word a1);

static word failures;

static word length(const char *text)
{
    word n = 0;
    while (text[n] != 0) {
        n++;
    }
    return n;
}

static void say(const char *text)
{
    host(4, text);
}

static void number(word n)
{
    char text[24], *at = text + 23;
    for (*at = 0; at == text + 23 || n != 0; n /= 10) {
        *--at = (char)('0' + n % 10);
    }
    say(at);
}

static void check(int line, word got, word wanted)
{
    if (got != wanted) {
        failures++;
        say("line ");
        number((word)line);
        say(": ");
        number(got);
        say(" is not ");
        number(wanted);
        say("\n");
    }
}
#define CHECK(got, wanted) check(__LINE__, (word)(got), (word)(wanted))

static word call(word operation, word a, word b, word c, word d)
{
    volatile word block[4] = {a, b, c, d};
    return host(operation, block);
}

static word open(const char *name, word mode)
{
    return call(1, (word)name, mode, length(name), 0);
}

enum { NOWHERE = 0x40, RAM_END = 0xa0000000 };

static char buffer[256];

static void hostile(word tty)
{
    const word huge = 1ul << 63;
    CHECK(host(1, (void *)NOWHERE), -1);
    CHECK(host(0x13, 0), 14); /* EFAULT */
    CHECK(host(1, (void *)(RAM_END - 8)), -1);
    CHECK(host(1, (void *)-8l), -1);
    CHECK(call(5, tty, NOWHERE, 8, 0), 8);
    CHECK(call(5, tty, -4l, 8, 0), 8);
    CHECK(call(5, tty, RAM_END - 8, huge, 0), huge);
    CHECK(call(5, 99, (word)buffer, huge, 0), huge);
    CHECK(host(0x13, 0), 9); /* EBADF */
    CHECK(call(6, 99, (word)buffer, huge, 0), huge);
    CHECK(call(5, 0, (word)buffer, 1, 0), 1);
    CHECK(call(5, -1l, (word)buffer, 1, 0), 1);
    CHECK(call(1, (word) ":tt", 12, 3, 0), -1);
    CHECK(call(1, (word) ":tt", -1l, 3, 0), -1);
    CHECK(call(1, (word) ":tt", 0, huge, 0), -1);
    CHECK(call(1, NOWHERE, 0, 4, 0), -1);
    CHECK(call(1, (word)buffer, 0, 3, 0), -1); /* zero bytes */
    host(4, (void *)NOWHERE);
    host(3, (void *)NOWHERE);
    host(4, (void *)-1l);
    CHECK(host(0x16, (void *)NOWHERE), -1);
    CHECK(call(0x16, NOWHERE, 0, 0, 0), -1);
    CHECK(call(0x15, NOWHERE, 100, 0, 0), -1);
    CHECK(call(0x15, (word)buffer, 2, 0, 0), -1);
    CHECK(host(0x30, (void *)NOWHERE), -1);
    CHECK(host(0x99, buffer), -1);
    CHECK(host(0x13, 0), 88); /* ENOSYS */
    CHECK(host(-1l, buffer), -1);
    CHECK(call(0x12, (word) "true", 4, 0, 0), -1); /* a command */
    CHECK(open("/etc/passwd", 0), -1);
    CHECK(host(0x13, 0), 13); /* EACCES */
    CHECK(open("../x", 4), -1);
    CHECK(call(0xe, (word) "x", 1, 0, 0), -1);
    CHECK(call(0xf, (word) "x", 1, (word) "y", 1), -1);
    CHECK(call(0xd, (word)buffer, 1, 100, 0), -1);
}

static void times(void)
{
    volatile word before, after;
    CHECK(host(0x31, 0), 1000000000);
    CHECK(host(0x30, &before), 0);
    for (word i = 0; i < 3000; i++) { /* hot */
        CHECK(host(0x31, 0), 1000000000);
    }
    CHECK(host(0x30, &after), 0);
    CHECK(after > before, 1);
    CHECK(host(0x10, 0) < 100 * 60 * 60, 1);
    CHECK(host(0x11, 0) > 1700000000, 1);
}

static void files(word tty)
{
    CHECK(call(9, tty, 0, 0, 0), 1);
    CHECK(call(0xc, tty, 0, 0, 0), -1);
    CHECK(call(0xa, tty, 0, 0, 0), -1);
    word features = open(":semihosting-features", 0);
    CHECK(features != -1ul, 1);
    CHECK(call(9, features, 0, 0, 0), 0);
    CHECK(call(0xc, features, 0, 0, 0), 5);
    CHECK(call(6, features, (word)buffer, 10, 0), 5);
    CHECK(buffer[0] == 'S' && buffer[3] == 'B' && buffer[4] == 3, 1);
    CHECK(call(6, features, (word)buffer, 10, 0), 10);
    CHECK(call(0xa, features, 4, 0, 0), 0);
    CHECK(call(6, features, (word)buffer, 1, 0), 0);
    CHECK(buffer[0], 3);
    CHECK(call(0xa, features, 6, 0, 0), -1);
    CHECK(call(5, features, (word)buffer, 1, 0), 1);
    CHECK(call(2, features, 0, 0, 0), 0);
    CHECK(call(2, features, 0, 0, 0), -1);
    CHECK(open(":semihosting-features", 4), -1);
    word last = tty, count = 0;
    for (word h; (h = open(":tt", 8)) != -1ul; last = h) {
        count++;
    }
    CHECK(count, 62); /* of 64, two are open */
    for (word h = last; count > 0; h--, count--) {
        CHECK(call(2, h, 0, 0, 0), 0);
    }
    CHECK(call(8, -3l, 0, 0, 0) != 0, 1);
    CHECK(call(8, 3, 0, 0, 0), 0);
    CHECK(host(0x19, 0), 0);
    volatile word places[4] = {1, 1, 1, 1};
    CHECK(call(0x16, (word)places, 0, 0, 0), 0);
    CHECK(places[0] | places[1] | places[3], 0);
    CHECK(places[2], RAM_END);
    volatile word line[2] = {(word)buffer, sizeof(buffer)};
    CHECK(host(0x15, line), 0);
    CHECK(line[1], length(buffer));
    CHECK(buffer[line[1] - 1], 'd'); /* --append "more words and" */
}

/* xy, and more, on standard input. */
static void input(word stdin)
{
    CHECK(host(7, 0), 'x');
    CHECK(host(7, 0), 'y');
    word got = 0;
    for (word left; (left = call(6, stdin, (word)buffer, 100, 0)) < 100;) {
        got += 100 - left;
    }
    CHECK(got, 9);
    CHECK(call(6, stdin, (word)buffer, 100, 0), 100);
}

#define FINISHER (*(volatile unsigned *)0x100000)

void start(void)
{
    if (host(0x31, 0) == 0x31) { /* nobody answers: a breakpoint was taken */
        FINISHER = 5 << 16 | 0x3333;
    }
    word tty = open(":tt", 4), stdin = open(":tt", 0);
    CHECK(tty != -1ul && stdin != -1ul && tty != stdin, 1);
    CHECK(call(5, tty, (word) "hello\n", 6, 0), 0);
    CHECK(breaks, 0);
    CHECK(plain(0x31, 0), 0x31);
    CHECK(breaks, 1);
    CHECK(near(0x31, 0), 0x31);
    CHECK(breaks, 2);
    CHECK(far(0x31, 0), 0x31);
    CHECK(breaks, 3);
    __asm__ volatile("c.ebreak\n c.nop");
    CHECK(breaks, 4);
    files(tty);
    times();
    hostile(tty);
    input(stdin);
    CHECK(breaks, 4);
    say(failures == 0 ? "all is well\n" : "it is not\n");
#if END == 1
    call(0x18, 0x20026, failures != 0 ? 99 : 42, 0, 0);
#elif END == 2
    host(0x18, (void *)0x20026);
#elif END == 3
    call(0x20, 0x20026, 43, 0, 0);
#elif END == 4
    host(0x18, (void *)0x20023);
#elif END == 5
    host(0x18, (void *)NOWHERE);
#elif END == 7
    host(7, 0);
#elif END == 6
    call(0x18, 0x20023, 42, 0, 0);
#endif
    for (;;) {
    }
}

#if MODE == 2
#define TABLE_BITS "0xdf"
#define STATUS_BITS "0"
#else
#define TABLE_BITS "0xcf"
#define STATUS_BITS "1 << 11"
#endif

/* One piece of 1 GiB for the memory, and one for what lies below. */
__attribute__((aligned(4096))) word table[512];

__asm__(".option push\n .option norvc\n .section .init, \"ax\"\n .globl _start\n"
        "_start: la t0, trap\n csrw mtvec, t0\n la t0, saved\n csrw mscratch, t0\n"
        " la sp, stack_end\n"
#if MODE != 0
        " li t0, -1\n csrw pmpaddr0, t0\n li t0, 31\n csrw pmpcfg0, t0\n"
        " la t1, table\n li t0, " TABLE_BITS "\n sd t0, 0(t1)\n"
        " li t2, 0x20000000\n or t0, t0, t2\n sd t0, 16(t1)\n"
        " srli t1, t1, 12\n li t0, 8 << 60\n or t0, t0, t1\n csrw satp, t0\n sfence.vma\n"
        " li t0, 3 << 11\n csrc mstatus, t0\n li t0, " STATUS_BITS "\n csrs mstatus, t0\n"
        " la t0, start\n csrw mepc, t0\n mret\n"
#else
        " j start\n"
#endif
        /* A breakpoint is counted and passed over, by its length; anything else ends it. */
        ".balign 4\n trap: csrrw t0, mscratch, t0\n sd t1, 0(t0)\n sd t2, 8(t0)\n"
        " csrr t1, mcause\n addi t1, t1, -3\n bnez t1, bad\n"
        " la t1, breaks\n ld t2, 0(t1)\n addi t2, t2, 1\n sd t2, 0(t1)\n"
        " csrr t1, mepc\n lhu t2, 0(t1)\n andi t2, t2, 3\n addi t2, t2, -3\n seqz t2, t2\n"
        " slli t2, t2, 1\n addi t1, t1, 2\n add t1, t1, t2\n csrw mepc, t1\n"
        " ld t2, 8(t0)\n ld t1, 0(t0)\n csrrw t0, mscratch, t0\n mret\n"
        "bad: li t0, 0x100000\n li t1, 77 << 16 | 0x3333\n sw t1, 0(t0)\n j bad\n"
        ".bss\n .balign 16\n saved: .skip 16\n .skip 8192\n stack_end:\n .option pop\n .text\n");

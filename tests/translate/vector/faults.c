/* Vector loads and stores across page borders, into pages that are not mapped or may not be
 * written, and again after the page came; for check_vector.sh. Runs in S-mode with Sv39 tables of
 * its own; traps go to M-mode (start.S). Prints a line for each test: what the traps were, and a
 * hash of registers and memory. */
#include "console.h"

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul
#define WINDOW 0x40000000ul /* pages 0, 1: data; 2: nothing; 3: may be read only; 4 on: data */
enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_A = 64, PTE_D = 128, DATA_PAGES = 64 };
#define PTE_DATA (PTE_V | PTE_R | PTE_W | PTE_A | PTE_D)

struct trap_log {
    uint64_t count, cause, value, vstart, hash;
    uint64_t fix; /* the page comes, and the instruction is tried again */
};
volatile struct trap_log traps;
uint64_t root[512] __attribute__((aligned(4096)));
static uint64_t middle[512] __attribute__((aligned(4096)));
static uint64_t leaf[512] __attribute__((aligned(4096)));
static uint8_t data[DATA_PAGES * PAGE] __attribute__((aligned(4096)));
static uint8_t registers[32 * 32] __attribute__((aligned(64)));

void supervisor_main(void);

static uint64_t pte(const void *page, unsigned flags)
{
    return (uint64_t)(uintptr_t)page >> 12 << 10 | flags;
}

/* The tables; called in M-mode. */
void make_tables(void);
void make_tables(void)
{
    root[0] = PTE_DATA;
    root[1] = pte(middle, PTE_V);
    root[2] = (0x80000000ul >> 12 << 10) | PTE_DATA | PTE_X;
    middle[0] = pte(leaf, PTE_V);
    for (unsigned n = 0; n < DATA_PAGES; n++) {
        leaf[n] = pte(data + n * PAGE, n == 3 ? PTE_DATA & ~(unsigned)PTE_W : PTE_DATA);
    }
    leaf[2] = 0;
}

static void flush(void)
{
    __asm__ volatile("sfence.vma" ::: "memory");
}

/* In M-mode. True: the instruction is to be tried again. */
uint64_t on_trap(uint64_t cause, uint64_t value, uint64_t vstart);
uint64_t on_trap(uint64_t cause, uint64_t value, uint64_t vstart)
{
    traps.count++;
    traps.cause = cause;
    traps.value = value;
    traps.vstart = vstart;
    traps.hash = (traps.hash ^ value ^ vstart << 40 ^ cause << 56) * 0x9e3779b97f4a7c15u;
    if (traps.fix) {
        leaf[2] = pte(data + 2 * PAGE, PTE_DATA);
        leaf[3] = pte(data + 3 * PAGE, PTE_DATA);
        flush();
    }
    return traps.fix;
}

static void begin(uint64_t fix)
{
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof data / 8; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        ((uint64_t *)data)[i] = seed;
    }
    leaf[2] = 0;
    leaf[3] = pte(data + 3 * PAGE, PTE_DATA & ~(unsigned)PTE_W);
    flush();
    traps.count = traps.hash = 0;
    traps.fix = fix;
}

static uint64_t hash(const void *from, size_t bytes, uint64_t sum)
{
    for (size_t i = 0; i < bytes / 8; i++) {
        sum = (sum ^ ((const uint64_t *)from)[i]) * 0x9e3779b97f4a7c15u;
    }
    return sum;
}

static void save_registers(void)
{
    uint64_t vlenb;
    uint8_t *at = registers;
    __asm__ volatile("csrr %0, vlenb" : "=r"(vlenb));
    __asm__ volatile("vs8r.v v0, (%0)" ::"r"(at) : "memory");
    __asm__ volatile("vs8r.v v8, (%0)" ::"r"(at + 8 * vlenb) : "memory");
    __asm__ volatile("vs8r.v v16, (%0)" ::"r"(at + 16 * vlenb) : "memory");
    __asm__ volatile("vs8r.v v24, (%0)" ::"r"(at + 24 * vlenb) : "memory");
}

static void load_registers(void)
{
    for (unsigned i = 0; i < sizeof registers; i++) {
        registers[i] = (uint8_t)(i * 37 + 11);
    }
    __asm__ volatile("vl8re8.v v0, (%0)\n vl8re8.v v8, (%0)\n vl8re8.v v16, (%0)\n"
                     "vl8re8.v v24, (%0)" ::"r"(registers) : "memory");
}

static void report(const char *name, uint64_t extra)
{
    save_registers();
    put_text(name);
    put(' ');
    put_hex(traps.count);
    put(' ');
    put_hex(traps.hash);
    put(' ');
    put_hex(hash(data, sizeof data, hash(registers, sizeof registers, extra)));
    put('\n');
}

/* One instruction at addresses around each border, with several lengths: once or, hot, often. */
#define ACCESSES(name, type, instruction)                                                        \
    static void name(uint64_t fix)                                                               \
    {                                                                                            \
        static const uint16_t borders[] = {1, 2, 3, 4};                                          \
        uint64_t sum = 0;                                                                        \
        begin(fix);                                                                              \
        load_registers();                                                                        \
        for (unsigned n = 0; n < sizeof borders / sizeof borders[0]; n++) {                      \
            for (unsigned before = 0; before < 260; before += 13) {                              \
                for (uint64_t avl = 1; avl < 300; avl = avl * 3 + 1) {                           \
                    uint64_t vl, address = WINDOW + borders[n] * PAGE - before;                  \
                    __asm__ volatile("vsetvli %0, %2, " type ", ta, mu\n" instruction "\n"       \
                                     "csrr %0, vl"                                               \
                                     : "=&r"(vl) : "r"(address), "r"(avl) : "memory");           \
                    sum = sum * 31 + vl;                                                         \
                }                                                                                \
            }                                                                                    \
        }                                                                                        \
        report(fix ? #name " again" : #name, sum);                                               \
    }

ACCESSES(load_8_m1, "e8, m1", "vle8.v v8, (%1)")
ACCESSES(load_8_m8, "e8, m8", "vle8.v v8, (%1)")
ACCESSES(load_16_m2, "e16, m2", "vle16.v v8, (%1)")
ACCESSES(load_32_m4_masked, "e32, m4", "vle32.v v8, (%1), v0.t")
ACCESSES(load_64_m8, "e64, m8", "vle64.v v8, (%1)")
ACCESSES(load_64_in_8, "e8, m1", "vle64.v v8, (%1)")
#ifndef NO_FAULT_FIRST
ACCESSES(load_first, "e8, m8", "vle8ff.v v8, (%1)")
ACCESSES(load_first_32, "e32, m2", "vle32ff.v v8, (%1)")
#endif
ACCESSES(load_strided, "e16, m1", "vlse16.v v8, (%1), %2")
ACCESSES(load_whole, "e16, m1", "vl4re16.v v8, (%1)")
ACCESSES(store_8_m1, "e8, m1", "vse8.v v8, (%1)")
ACCESSES(store_8_m8, "e8, m8", "vse8.v v8, (%1)")
ACCESSES(store_32_m4_masked, "e32, m4", "vse32.v v8, (%1), v0.t")
ACCESSES(store_64_m2, "e64, m2", "vse64.v v8, (%1)")
ACCESSES(store_whole, "e8, m1", "vs2r.v v8, (%1)")
ACCESSES(load_seven, "e32, m8", "vsetivli zero, 7, e32, m8, ta, mu\nvle32.v v8, (%1)")
ACCESSES(load_eight, "e32, m8", "vsetivli zero, 8, e32, m8, ta, mu\nvle32.v v8, (%1)")
ACCESSES(load_five_masked, "e8, m1", "vsetivli zero, 5, e8, m1, ta, mu\nvle8.v v8, (%1), v0.t")
ACCESSES(store_seven, "e64, m8", "vsetivli zero, 7, e64, m8, ta, mu\nvse64.v v8, (%1)")
ACCESSES(store_nine, "e16, m2", "vsetivli zero, 9, e16, m2, ta, mu\nvse16.v v8, (%1)")

/* Hot loops, which become traces, and run into a page that is not there, or across borders. */
static void copy_loop(uint64_t to, uint64_t from, uint64_t bytes)
{
    __asm__ volatile("1: vsetvli t0, %2, e8, m4, ta, ma\n"
                     "vle8.v v8, (%1)\n"
                     "add %1, %1, t0\n"
                     "sub %2, %2, t0\n"
                     "vse8.v v8, (%0)\n"
                     "add %0, %0, t0\n"
                     "bnez %2, 1b\n"
                     : "+r"(to), "+r"(from), "+r"(bytes)::"t0", "memory");
}

static void add_loop(uint64_t to, uint64_t from, uint64_t count)
{
    __asm__ volatile("1: vsetvli t0, %2, e32, m1, ta, mu\n"
                     "vle32.v v8, (%1)\n"
                     "vle32.v v9, (%0)\n"
                     "vmslt.vx v0, v8, %2\n"
                     "slli t1, t0, 2\n"
                     "sub %2, %2, t0\n"
                     "vadd.vv v9, v9, v8, v0.t\n"
                     "vfmul.vv v10, v9, v8\n"
                     "vadd.vv v9, v9, v10\n"
                     "add %1, %1, t1\n"
                     "vse32.v v9, (%0)\n"
                     "add %0, %0, t1\n"
                     "bnez %2, 1b\n"
                     : "+r"(to), "+r"(from), "+r"(count)::"t0", "t1", "memory");
}

static void hot(void)
{
    uint64_t flags;
    const uint64_t far = WINDOW + 8 * PAGE;
    begin(0);
    load_registers();
    for (unsigned round = 0; round < 60; round++) {
        copy_loop(far + 20 * PAGE + round, far + 7 * round, 15 * PAGE + round);
        add_loop(far + 20 * PAGE, far, 4 * PAGE + round);
    }
    __asm__ volatile("csrr %0, fflags" : "=r"(flags));
    report("hot", flags);
    for (unsigned round = 0; round < 8; round++) {
        copy_loop(WINDOW + round * 100, far, 4 * PAGE); /* over what is not there */
        copy_loop(far, WINDOW + 3 * round, 4 * PAGE);
        add_loop(WINDOW + 4 * round, far, PAGE);
    }
    report("hot faults", flags);
    begin(1);
    copy_loop(WINDOW + 5, far, 4 * PAGE);
    add_loop(WINDOW + 8, far, PAGE);
    report("hot faults again", flags);
}

/* As much host code as guest code can ask for. */
static void straight(uint64_t avl)
{
    begin(0);
    load_registers();
    for (unsigned round = 0; round < 3; round++) {
        __asm__ volatile("vsetvli zero, %0, e32, m8, ta, mu\n"
                         ".rept 90\n"
                         "vfmin.vv v8, v16, v24, v0.t\n"
                         "vadd.vv v16, v8, v24, v0.t\n"
                         ".endr\n"
                         "vse32.v v16, (%1)" ::"r"(avl), "r"(WINDOW + 9 * PAGE) : "memory");
    }
    report("straight", avl);
}

void supervisor_main(void)
{
    straight(1000);
    straight(13);
    for (uint64_t fix = 0; fix < 2; fix++) {
        load_8_m1(fix);
        load_8_m8(fix);
        load_16_m2(fix);
        load_32_m4_masked(fix);
        load_64_m8(fix);
        load_64_in_8(fix);
#ifndef NO_FAULT_FIRST /* QEMU 10.0.2 does not survive them at a border */
        load_first(fix);
        load_first_32(fix);
#endif
        load_strided(fix);
        load_whole(fix);
        store_8_m1(fix);
        store_8_m8(fix);
        store_32_m4_masked(fix);
        store_64_m2(fix);
        store_whole(fix);
        load_seven(fix);
        load_eight(fix);
        load_five_masked(fix);
        store_seven(fix);
        store_nine(fix);
    }
    hot();
    put_text("end\n");
}

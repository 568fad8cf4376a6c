/* Loops of one vector instruction each, hot enough for traces: slides, gathers, fixed point, mixed
 * widths, segments; for check_vector.sh. With all elements, some, and under a mask. Prints a hash
 * of what each leaves in registers, memory and flags. Runs as faults.c does. */
#include "console.h"

#include <stddef.h>
#include <stdint.h>

enum { ROUNDS = 300 };

uint64_t root[512] __attribute__((aligned(4096)));
static uint8_t data[4096] __attribute__((aligned(4096)));
static uint64_t registers[32 * 4] __attribute__((aligned(64)));

void supervisor_main(void);
void make_tables(void);
uint64_t on_trap(uint64_t cause, uint64_t value, uint64_t vstart);

/* Everything is at its own address. */
void make_tables(void)
{
    root[0] = 0xcf;
    root[2] = (0x80000000ul >> 12 << 10) | 0xcf;
}

/* None is meant. */
uint64_t on_trap(uint64_t cause, uint64_t value, uint64_t vstart)
{
    put_text("trap ");
    put_hex(cause);
    put_hex(value);
    put_hex(vstart);
    put('\n');
    return 0;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * 0x9e3779b97f4a7c15u + (hash >> 29);
}

static void begin(void)
{
    uint64_t word = 1;
    for (unsigned n = 0; n < sizeof(registers) / 8; n++) {
        registers[n] = word = mix(word, n);
    }
    for (unsigned n = 0; n < sizeof(data) / 8; n++) {
        ((uint64_t *)(void *)data)[n] = word = mix(word, n);
    }
    __asm__ volatile("vl8re8.v v0, (%0)\nvl8re8.v v8, (%1)\nvl8re8.v v16, (%0)\n"
                     "vsetvli t0, zero, e32, m8, ta, ma\nvid.v v24\nvsll.vi v24, v24, 2\n"
                     "csrwi vcsr, 0\ncsrwi fcsr, 0" ::"r"(registers),
                     "r"(registers + 32)
                     : "t0", "memory");
}

static void end(const char *what)
{
    uint64_t hash = 0, vcsr, fcsr;
    __asm__ volatile("csrr %0, vcsr\ncsrr %1, fcsr\nvs8r.v v8, (%2)"
                     : "=r"(vcsr), "=r"(fcsr)
                     : "r"(registers)
                     : "memory");
    hash = mix(mix(hash, vcsr), fcsr);
    for (unsigned n = 0; n < sizeof(registers) / 8; n++) {
        hash = mix(hash, registers[n]);
    }
    for (unsigned n = 0; n < sizeof(data) / 8; n++) {
        hash = mix(hash, ((uint64_t *)(void *)data)[n]);
    }
    put_text(what);
    put(' ');
    put_hex(hash);
    put('\n');
}

#define LOOP(type, insn, avl)                                                                      \
    begin();                                                                                       \
    for (uint64_t i = 0; i < ROUNDS; i++) {                                                        \
        __asm__ volatile("vsetvli t0, %3, " type ", tu, mu\nvadd.vx v16, v16, %0\n" insn ::"r"(i), \
                         "r"(i % 5), "r"(data + 1024), "r"(avl), "r"(12ul)                         \
                         : "t0", "memory");                                                        \
    }                                                                                              \
    end(type " " insn);

#define WHOLE(type, insn)                                                                          \
    for (uint64_t avl = 1000; avl != 0; avl = avl == 1000 ? 3 : 0) {                               \
        LOOP(type, insn, avl)                                                                      \
    }
#define BOTH(type, insn) WHOLE(type, insn) WHOLE(type, insn ", v0.t")

static void places(void)
{
    BOTH("e32, m1", "vslideup.vi v8, v16, 1")
    BOTH("e8, m4", "vslideup.vi v8, v16, 17")
    BOTH("e16, m8", "vslideup.vx v8, v16, %1")
    BOTH("e8, m2", "vslidedown.vi v8, v16, 5")
    BOTH("e64, m4", "vslidedown.vx v8, v16, %1")
    BOTH("e16, m1", "vslide1up.vx v8, v16, %0")
    BOTH("e32, m4", "vslide1down.vx v8, v16, %0")
    BOTH("e8, mf2", "vslide1down.vx v8, v16, %0")
    BOTH("e8, m1", "vrgather.vv v8, v16, v24")
    BOTH("e32, m8", "vrgather.vv v8, v16, v24")
    BOTH("e64, m1", "vrgather.vv v8, v16, v24")
    BOTH("e32, m1", "vrgather.vi v8, v16, 2")
    BOTH("e16, m2", "vrgather.vx v8, v16, %1")
    WHOLE("e32, m2", "vcompress.vm v8, v16, v25")
    WHOLE("e8, m1", "vcompress.vm v8, v16, v25")
}

static void numbers(void)
{
    BOTH("e8, m2", "vsaddu.vv v8, v16, v24")
    BOTH("e16, m8", "vsadd.vx v8, v16, %0")
    BOTH("e8, m1", "vssubu.vv v8, v16, v24")
    BOTH("e16, m1", "vssub.vv v8, v16, v24")
    BOTH("e8, m4", "vaaddu.vv v8, v16, v24")
    BOTH("e16, m2", "vssra.vi v8, v16, 4")
    BOTH("e32, m2", "vssrl.vi v8, v16, 0")
    BOTH("e8, m1", "vnclipu.wi v8, v16, 4")
    BOTH("e16, m2", "vnclip.wi v8, v16, 9")
    BOTH("e8, m2", "vmul.vv v8, v16, v24")
    BOTH("e8, m1", "vwmaccsu.vv v8, v16, v24")
    BOTH("e16, m1", "vwaddu.wv v8, v16, v24")
    WHOLE("e8, m4", "vwredsumu.vs v8, v16, v24")
    WHOLE("e32, m2", "vfredosum.vs v8, v16, v24")
    BOTH("e32, m1", "vfwmacc.vv v8, v16, v24")
    BOTH("e32, m2", "vfwcvt.f.f.v v8, v16")
    BOTH("e32, m2", "vfncvt.f.f.w v8, v16")
}

static void memory(void)
{
    BOTH("e32, m2", "vlse32.v v8, (%2), %4")
    BOTH("e32, m2", "vsse32.v v16, (%2), %4")
    BOTH("e32, m2", "vluxei32.v v8, (%2), v24")
    BOTH("e16, m1", "vsuxei32.v v16, (%2), v24")
    BOTH("e8, m2", "vlseg2e8.v v8, (%2)")
    BOTH("e8, m1", "vlseg3e8.v v8, (%2)")
    BOTH("e8, m1", "vsseg4e8.v v16, (%2)")
}

void supervisor_main(void)
{
    places();
    numbers();
    memory();
    put_text("end\n");
}

/* gcc calls these in freestanding code too. */
void *memset(void *to, int value, size_t bytes);
void *memset(void *to, int value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

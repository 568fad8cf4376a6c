/* Loops over arrays with short groups, of which traces do several rounds at once: for
 * check_vector.sh. The arrays lie at many distances from each other, some of which make rounds
 * depend on each other; numbers are also infinite, zero and none; and loops that look alike but add
 * up, or use what the round before left. Prints a hash of registers, memory and flags for each.
 * Runs as faults.c does. */
#include "flat.h"

#include <stddef.h>
#include <stdint.h>

enum { BYTES = 1024, ARENA = 8192 };

static uint8_t arena[ARENA] __attribute__((aligned(4096)));
static uint64_t registers[32 * 4] __attribute__((aligned(64)));

void supervisor_main(void);

/* Elements of 4 or 8 bytes are numbers near 1, and now and then one of the special ones. */
static void fill(unsigned size, unsigned special)
{
    static const uint32_t singles[] = {0x7fc00000, 0xff812345, 0x7f800000, 0xff800000, 0, 1u << 31};
    static const uint64_t doubles[] = {0x7ff8000000000001, 0x7ff0000000000007, 0x7ff0000000000000,
                                       0xfff0000000000000, 0, 1ul << 63};
    uint64_t word = 1;
    for (unsigned n = 0; n < ARENA / size; n++) {
        word = mix(word, n);
        unsigned which = word >> 40 & 127;
        if (size == 4) {
            uint32_t plain = 0x3f800000u + (uint32_t)(word >> 20 & 0x3fffff);
            ((uint32_t *)(void *)arena)[n] = special && which < 6 ? singles[which] : plain;
        } else if (size == 8) {
            uint64_t plain = 0x3ff0000000000000u + (word & 0xfffffffffffff);
            ((uint64_t *)(void *)arena)[n] = special && which < 6 ? doubles[which] : plain;
        } else {
            arena[n] = (uint8_t)(word >> 33);
        }
    }
}

static void begin(unsigned size, unsigned special)
{
    uint64_t word = 1;
    for (unsigned n = 0; n < sizeof(registers) / 8; n++) {
        registers[n] = word = mix(word, n);
    }
    fill(size, special);
    __asm__ volatile("vl8re8.v v0, (%0)\nvl8re8.v v8, (%1)\nvl8re8.v v16, (%0)\n"
                     "vl8re8.v v24, (%1)\ncsrwi vcsr, 0\ncsrwi fcsr, 0" ::"r"(registers),
                     "r"(registers + 32)
                     : "memory");
}

static uint64_t end(uint64_t hash)
{
    uint64_t vl, fcsr;
    __asm__ volatile("csrr %0, vl\ncsrr %1, fcsr\nvs8r.v v8, (%2)\nvs8r.v v16, (%3)"
                     : "=&r"(vl), "=&r"(fcsr)
                     : "r"(registers), "r"(registers + 32)
                     : "memory");
    hash = mix(mix(hash, vl), fcsr);
    for (unsigned n = 0; n < sizeof(registers) / 8; n++) {
        hash = mix(hash, registers[n]);
    }
    for (unsigned n = 0; n < ARENA / 8; n++) {
        hash = mix(hash, ((uint64_t *)(void *)arena)[n]);
    }
    return hash;
}

/* a1 and a2 are read, a0 is written; fa0 is 1.5 or, as a single, at times no boxed one. */
#define LOOP(type, log2, special, body)                                                            \
    {                                                                                              \
        static const int distances[] = {0, 2048, 4096, -1024, 8, 16, 24, 64, 100, -8, -16, -40,    \
                                        -64, -96, 1};                                              \
        uint64_t hash = 0;                                                                         \
        for (unsigned n = 0; n < 2 * sizeof(distances) / sizeof(distances[0]); n++) {              \
            begin(1u << log2, special);                                                            \
            for (unsigned times = 0; times < 6; times++) {                                         \
                int distance = distances[n / 2] >> log2 << log2;                                   \
                uint8_t *a = arena + 1536, *b = n % 2 ? arena + 1536 + 32 : arena;                 \
                uint8_t *to = a + distance;                                                        \
                uint64_t count = (BYTES >> log2) - times;                                          \
                uint64_t factor = log2 == 3 || (special && times == 3) ? 0x3ff8000000000000u       \
                                                                       : 0xffffffff3fc00000u;      \
                __asm__ volatile("fmv.d.x fa0, %4\n1: vsetvli t0, %3, " type ", ta, ma\n" body     \
                                 "\nslli t1, t0, " #log2 "\nsub %3, %3, t0\nadd %0, %0, t1\n"      \
                                 "add %1, %1, t1\nadd %2, %2, t1\nbnez %3, 1b"                     \
                                 : "+r"(to), "+r"(a), "+r"(b), "+r"(count)                         \
                                 : "r"(factor)                                                     \
                                 : "t0", "t1", "t2", "fa0", "memory");                             \
            }                                                                                      \
            hash = end(hash);                                                                      \
        }                                                                                          \
        put_text(type " " body " ");                                                               \
        put_hex(hash);                                                                             \
        put('\n');                                                                                 \
    }

static void integers(void)
{
    LOOP("e32, m1", 2, 0, "vle32.v v8, (%1)\nvle32.v v9, (%2)\nvadd.vv v10, v8, v9\n"
                          "vse32.v v10, (%0)")
    LOOP("e8, m1", 0, 0, "vle8.v v8, (%1)\nvle8.v v9, (%2)\nvadd.vv v10, v8, v9\n"
                         "vse8.v v10, (%0)")
    LOOP("e64, m2", 3, 0, "vle64.v v8, (%1)\nvle64.v v10, (%2)\nvsub.vv v12, v8, v10\n"
                          "vse64.v v12, (%0)")
    LOOP("e16, m1", 1, 0, "vle16.v v8, (%1)\nvrsub.vx v8, v8, %3\nvmul.vv v9, v8, v20\n"
                          "vmacc.vx v9, t0, v8\nvse16.v v9, (%0)")
    LOOP("e32, m2", 2, 0, "vmv.v.x v8, %4\nvle32.v v10, (%2)\nvmaxu.vv v8, v8, v10\n"
                          "vse32.v v8, (%0)\nvle32.v v10, (%1)\nvmv.v.v v12, v10")
    LOOP("e32, m1", 2, 0, "vmv.v.x v8, %4\nvle32.v v9, (%1)\nvmadd.vv v9, v16, v8\n"
                          "vse32.v v9, (%0)\nvle32.v v9, (%2)\nvse32.v v9, (%1)")
    LOOP("e32, m1", 2, 0, "vmv.v.i v8, 3\nvle32.v v9, (%1)\nvadd.vv v9, v9, v8\nvse32.v v9, (%1)\n"
                          "vse32.v v8, (%0)")
    LOOP("e16, mf2", 1, 0, "vle16.v v8, (%1)\nvadd.vi v8, v8, 5\nvse16.v v8, (%0)")
}

/* What is not the same at once. */
static void dependent(void)
{
    LOOP("e32, m1", 2, 0, "vle32.v v8, (%1)\nvadd.vv v16, v16, v8\nvse32.v v16, (%0)")
    LOOP("e32, m1", 2, 0, "vadd.vv v9, v8, v16\nvle32.v v8, (%1)\nvse32.v v9, (%0)")
    LOOP("e64, m1", 3, 0, "vle64.v v8, (%1)\nvmacc.vv v18, v8, v8\nvse64.v v8, (%0)")
    LOOP("e32, m1", 2, 0, "vle32.v v8, (%1)\nvadd.vx v8, v8, %3\nvse32.v v8, (%0)")
    LOOP("e32, m1", 2, 0, "vle32.v v8, (%1)\nlw t1, (%2)\nvadd.vx v8, v8, t1\nvse32.v v8, (%0)")
    LOOP("e32, m1", 2, 0, "vle32.v v8, (%1)\nsw t0, (%2)\nvadd.vi v8, v8, 1\nvse32.v v8, (%0)")
    LOOP("e32, m1", 2, 0, "vle32.v v8, (%1)\nvmv.x.s t1, v8\nvadd.vx v8, v8, t1\n"
                          "vse32.v v8, (%0)")
}

static void numbers(unsigned special)
{
    LOOP("e64, m1", 3, special, "vle64.v v8, (%1)\nvle64.v v9, (%0)\nvfmacc.vf v9, fa0, v8\n"
                                "vse64.v v9, (%0)")
    LOOP("e32, m1", 2, special, "vle32.v v8, (%1)\nvle32.v v9, (%0)\nvfmacc.vf v9, fa0, v8\n"
                                "vse32.v v9, (%0)")
    LOOP("e32, m2", 2, special, "vle32.v v8, (%1)\nvle32.v v10, (%2)\nvfnmsub.vv v8, v10, v10\n"
                                "vfmul.vv v12, v10, v8\nvse32.v v12, (%0)\nvfdiv.vv v12, v12, v8")
    LOOP("e64, m1", 3, special, "vfmv.v.f v8, fa0\nvle64.v v9, (%2)\nvfrdiv.vf v9, v9, fa0\n"
                                "vfsub.vv v9, v8, v9\nvse64.v v9, (%0)\nvle64.v v10, (%1)\n"
                                "vfadd.vf v10, v10, fa0\nvse64.v v10, (%1)")
    LOOP("e32, m1", 2, special, "vfmv.v.f v8, fa0\nvle32.v v9, (%2)\nvfmsac.vv v9, v8, v9\n"
                                "vse32.v v9, (%0)")
}

/* Infinity times 0 is added to a NaN, in the middle: the flag comes of that alone. */
static void invalid(void)
{
    uint64_t *a = (uint64_t *)(void *)arena, *b = a + 256, hash = 0;
    for (unsigned times = 0; times < 40; times++) {
        uint64_t *from = a, *to = b, count = 256, flags, infinity = 0x7ff0000000000000;
        for (unsigned n = 0; n < 256; n++) {
            a[n] = n / 32 == 3 ? 0 : 0x3ff0000000000000;
            b[n] = n / 32 == 3 ? 0x7ff8000000000000 : 0x3ff0000000000000;
        }
#define FUSED(insn)                                                                                \
        __asm__ volatile("csrwi fcsr, 0\nfmv.d.x fa0, %4\n1: vsetvli t0, %2, e64, m1, ta, ma\n"    \
                         "vle64.v v8, (%1)\nvle64.v v9, (%3)\nvfmv.v.f v10, fa0\n" insn           \
                         "\nvse64.v v9, (%3)\nslli t1, t0, 3\nsub %2, %2, t0\nadd %1, %1, t1\n"    \
                         "add %3, %3, t1\nbnez %2, 1b\ncsrr %0, fflags"                            \
                         : "=&r"(flags), "+r"(from), "+r"(count), "+r"(to)                         \
                         : "r"(infinity)                                                           \
                         : "t0", "t1", "fa0", "memory")
        if (times % 2) {
            FUSED("vfmacc.vv v9, v8, v10");
        } else {
            FUSED("vfnmsac.vf v9, fa0, v8");
        }
        hash = mix(hash, flags);
    }
    put_text("0 and infinity ");
    put_hex(hash);
    put('\n');
}

/* Registers that hold something only within a round. */
static void scalars(void)
{
    LOOP("e32, m1", 2, 0, "vle32.v v8, (%1)\nmv t2, t0\nslli t2, t2, 3\nxor t2, t2, %3\n"
                          "vadd.vv v8, v8, v16\nvse32.v v8, (%0)")
}

/* So many elements, which is known: as a smaller group, or its first ones. The rest of the register
 * and of memory stays. */
#define COUNTED(count, bits)                                                                       \
    LOOP("e32, m2", 2, 0, "vsetivli zero, " #count ", e" #bits ", m2, tu, mu\n"                    \
                          "vle" #bits ".v v8, (%1)\nvle" #bits ".v v10, (%2)\n"                   \
                          "vadd.vv v12, v8, v10\nvse" #bits ".v v12, (%0)")                       \
    LOOP("e32, m2", 2, 0, "vle8.v v4, (%2)\nvmv1r.v v0, v4\nvsetivli zero, " #count ", e" #bits   \
                          ", m4, tu, mu\nvle" #bits ".v v8, (%1)\nvsub.vx v12, v8, %3, v0.t\n"   \
                          "vmerge.vvm v20, v8, v12, v0\nvmseq.vv v2, v8, v12\n"                  \
                          "vslidedown.vi v16, v12, 1\nvredsum.vs v24, v12, v8\n"                 \
                          "vse" #bits ".v v16, (%0), v0.t\nvse" #bits ".v v12, (%2)")             \
    LOOP("e32, m2", 2, 1, "vsetivli zero, " #count ", e32, m2, tu, mu\nvle32.v v8, (%1)\n"        \
                          "vfmacc.vf v10, fa0, v8\nvfmax.vv v12, v8, v10\nvfsqrt.v v14, v8\n"    \
                          "vfadd.vv v10, v10, v8, v0.t\nvse32.v v10, (%0)")

static void counted(void)
{
    COUNTED(0, 32)
    COUNTED(1, 8)
    COUNTED(2, 32)
    COUNTED(3, 64)
    COUNTED(4, 32)
    COUNTED(5, 16)
    COUNTED(7, 32)
    COUNTED(8, 16)
    COUNTED(13, 8)
    COUNTED(16, 8)
    COUNTED(19, 8)
    LOOP("e8, m8", 0, 0, "li t1, 65\nvsetvli zero, t1, e8, m8, tu, mu\nvle8.v v8, (%1)\n"
                         "vadd.vi v16, v8, 3\nvse8.v v16, (%0)")
    LOOP("e8, m8", 0, 0, "li t1, 100\nvsetvli zero, t1, e8, m8, tu, mu\nvle8.v v8, (%1), v0.t\n"
                         "vmacc.vx v16, %3, v8, v0.t\nvse8.v v16, (%0)")
}

void supervisor_main(void)
{
    integers();
    counted();
    dependent();
    numbers(0);
    numbers(1);
    invalid();
    scalars();
    put_text("end\n");
}

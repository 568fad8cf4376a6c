/* For programs of check_vector.sh that are loops of one vector instruction each, hot enough for
 * traces. Each loop prints a hash of what it leaves in registers, memory and flags. */
#ifndef METIC_TESTS_TRANSLATE_VECTOR_LOOPS_H
#define METIC_TESTS_TRANSLATE_VECTOR_LOOPS_H

#include "flat.h"

#include <stddef.h>
#include <stdint.h>

void supervisor_main(void);

enum { ROUNDS = 300 };

static uint8_t data[12288] __attribute__((aligned(4096)));
static uint64_t registers[32 * 4] __attribute__((aligned(64)));

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
                         : "t0", "t1", "memory");                                                  \
    }                                                                                              \
    end(type " " insn);

#define WHOLE(type, insn)                                                                          \
    for (uint64_t avl = 1000; avl != 0; avl = avl == 1000 ? 3 : 0) {                               \
        LOOP(type, insn, avl)                                                                      \
    }
#define BOTH(type, insn) WHOLE(type, insn) WHOLE(type, insn ", v0.t")

/* `body` at many places in memory, one behind the other, from %0 and to %1; again and again. */
#define WALK_BY(type, avl, body)                                                                   \
    begin();                                                                                       \
    for (uint64_t i = 0; i < ROUNDS / 20; i++) {                                                   \
        uint8_t *from = data + i % 3, *to = data + 6144;                                           \
        uint64_t left = 100;                                                                       \
        __asm__ volatile("1: vsetvli t0, %4, " type ", tu, mu\n" body                              \
                         "\naddi %0, %0, 40\naddi %1, %1, 48\naddi %2, %2, -1\nbnez %2, 1b"        \
                         : "+r"(from), "+r"(to), "+r"(left)                                        \
                         : "r"(i), "r"(avl)                                                        \
                         : "t0", "t1", "memory");                                                  \
    }                                                                                              \
    end(type " " body);

#define WALK(type, body)                                                                           \
    for (uint64_t avl = 1000; avl != 0; avl = avl == 1000 ? 3 : 0) {                               \
        WALK_BY(type, avl, body)                                                                   \
    }

#endif

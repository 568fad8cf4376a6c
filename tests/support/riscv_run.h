/* Runs a riscv_program on a bare machine: one hart in M-mode, code and data in RAM, no devices;
 * and random programs there and under qemu-riscv64, which must leave the same data. */
#ifndef METIC_TESTS_SUPPORT_RISCV_RUN_H
#define METIC_TESTS_SUPPORT_RISCV_RUN_H

#include "tests/support/riscv_program.h"
#include "translate/engine.h"

/* Takes the program's data afterwards. host_features as in struct engine_options. False when it
 * trapped before its end (says where). */
bool riscv_run_metic(const struct riscv_program *p, enum engine_kind kind, u32 host_features,
                     u8 *data);

struct riscv_runs {
    struct riscv_program *program; /* made anew for each run */
    enum engine_kind kind;
    u32 host_features; /* as in struct engine_options */
    u64 tests;         /* at least so many; RISCV_TESTS are a program */
    const char *name;  /* of the file that qemu gets */
    void (*make)(void *opaque);
    /* How many tests left other data; prints them. */
    unsigned (*compare)(const void *opaque, const u8 *metic, const u8 *qemu);
    void *opaque;
};

/* Until a program has tests that differ; their number. Skips the calling test without qemu. */
unsigned riscv_run_programs(const struct riscv_runs *runs);

/* A number in the environment. */
u64 riscv_run_setting(const char *name, u64 otherwise);

#endif

/* The library: several machines in one process, turns, registers, memory, stopping, digests. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* Counts in s0, two instructions a round. */
static struct rv_program *counter(void)
{
    struct rv_program *p = rv_new();
    rv_label(p, 1);
    rv_addi(p, S0, S0, 1);
    rv_j(p, 1);
    rv_finish(p);
    return p;
}

static metic_machine *counting_machine(const struct guest_mode *mode)
{
    struct rv_program *p = counter();
    metic_machine *machine = guest_machine(p, mode, 1);
    rv_free(p);
    return machine;
}

static u64 reg(metic_machine *machine, const char *name)
{
    uint64_t value = 0;
    cr_assert(metic_get_register(machine, 0, name, &value), "%s", name);
    return value;
}

/* With the virtual clock a turn is exact, whatever the engine and the machine beside it. */
Test(machine, two_machines_by_turns)
{
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const struct guest_mode *mode = &guest_modes[i];
        if (mode->clock != METIC_CLOCK_VIRTUAL) {
            continue;
        }
        metic_machine *first = counting_machine(mode);
        metic_machine *second = counting_machine(&guest_modes[2]);
        cr_assert(metic_set_register(second, 0, "s0", 1000));
        struct metic_result result;
        u64 before = metic_instructions(first, 0);
        for (u64 turn = 1; turn <= 3; turn++) {
            metic_run_for(first, 1001, &result);
            cr_expect(result.reason == METIC_TURN_OVER, "%s: %s", mode->name, result.text);
            metic_run_for(second, 2000, &result);
            cr_expect(metic_instructions(first, 0) == before + 1001 * turn, "%s", mode->name);
            cr_expect(metic_instructions(second, 0) == 2000 * turn);
        }
        cr_expect(reg(first, "s0") > 1490 && reg(first, "s0") <= 1502, "%s: %llu", mode->name,
                  (unsigned long long)reg(first, "s0"));
        cr_expect(reg(second, "s0") > 3980 && reg(second, "s0") <= 4000);
        metic_free(first);
        cr_expect(reg(second, "pc") >= RV_BASE, "one machine's end is not the other's");
        metic_free(second);
    }
}

Test(machine, turns_with_the_real_clock)
{
    metic_machine *machine = counting_machine(&guest_modes[1]);
    struct metic_result result;
    metic_run_for(machine, 1000000, &result);
    cr_expect(result.reason == METIC_TURN_OVER, "%s", result.text);
    cr_expect(metic_instructions(machine, 0) >= 1000000);
    cr_expect(reg(machine, "s0") > 400000);
    metic_free(machine);
}

/* What lies on each side of the turn's end is the same for turns of any length. */
Test(machine, short_turns_add_up_to_a_long_one)
{
    metic_machine *one = counting_machine(&guest_modes[2]);
    metic_machine *many = counting_machine(&guest_modes[2]);
    struct metic_result result;
    metic_run_for(one, 5000, &result);
    for (unsigned i = 0; i < 5000; i += 50) {
        metic_run_for(many, 50, &result);
    }
    cr_expect(reg(one, "s0") == reg(many, "s0") && reg(one, "pc") == reg(many, "pc"));
    cr_expect(metic_digest(one) == metic_digest(many));
    metic_run_for(many, 1, &result);
    cr_expect(metic_digest(one) != metic_digest(many));
    metic_free(one);
    metic_free(many);
}

/* Turns end although one hart has executed much less than the other: it waited for its timer. */
Test(machine, turns_of_harts_that_are_not_abreast, .timeout = 60)
{
    enum { LATE = 1, LOOP = 2, CLINT = 0x2000000 };
    for (unsigned i = 0; i < guest_mode_count; i++) {
        struct rv_program *p = rv_new();
        guest_start(p, 2, LATE, 0);
        rv_label(p, LOOP);
        rv_addi(p, S0, S0, 1);
        rv_j(p, LOOP);
        rv_label(p, LATE);
        rv_li(p, T0, CLINT + 0x4008); /* mtimecmp of hart 1: 0.2 ms */
        rv_li(p, T1, 2000);
        rv_sd(p, T1, T0, 0);
        rv_li(p, T1, 0x80);
        rv_csrw(p, CSR_MIE, T1);
        rv_word(p, RV_WFI);
        rv_j(p, LOOP);
        rv_finish(p);
        metic_machine *machine = guest_machine(p, &guest_modes[i], 2);
        struct metic_result result;
        for (unsigned turn = 1; turn <= 4; turn++) {
            metic_run_for(machine, 150000, &result);
            cr_expect(result.reason == METIC_TURN_OVER, "%s: %s", guest_modes[i].name, result.text);
        }
        metic_free(machine);
        rv_free(p);
    }
}

Test(machine, registers_and_memory)
{
    metic_machine *machine = counting_machine(&guest_modes[0]);
    uint64_t value = 0;
    u8 bytes[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    u8 back[16] = { 0 };
    cr_expect(metic_set_register(machine, 0, "a0", 0x123456789abcdef0));
    cr_expect(metic_get_register(machine, 0, "a0", &value) && value == 0x123456789abcdef0);
    cr_expect(!metic_get_register(machine, 0, "no such register", &value));
    cr_expect(!metic_get_register(machine, 1, "a0", &value), "no such hart");
    cr_expect(!metic_set_register(machine, 64, "a0", 0));
    cr_expect(metic_instructions(machine, 7) == 0);
    cr_expect(metic_write_memory(machine, RV_BASE + 0xff8, bytes, sizeof(bytes)));
    cr_expect(metic_read_memory(machine, RV_BASE + 0xff8, back, sizeof(back)));
    cr_expect(memcmp(bytes, back, sizeof(bytes)) == 0);
    cr_expect(!metic_write_memory(machine, RV_BASE + (16 << 20) - 8, bytes, sizeof(bytes)));
    cr_expect(!metic_read_memory(machine, 0x40000000, back, sizeof(back)));
    metic_free(machine);
}

static void *stop_soon(void *opaque)
{
    struct timespec moment = { .tv_nsec = 50000000 };
    nanosleep(&moment, NULL);
    metic_stop(opaque);
    return NULL;
}

/* An endless guest is stopped by another thread, and can be run again. */
Test(machine, stopped_by_another_thread)
{
    for (unsigned i = 0; i < guest_mode_count; i++) {
        metic_machine *machine = counting_machine(&guest_modes[i]);
        struct metic_result result;
        pthread_t thread;
        pthread_create(&thread, NULL, stop_soon, machine);
        metic_run(machine, &result);
        pthread_join(thread, NULL);
        cr_expect(result.reason == METIC_STOPPED, "%s: %s", guest_modes[i].name, result.text);
        u64 count = reg(machine, "s0");
        cr_expect(count > 0);
        cr_expect_eq(result.insns, metic_instructions(machine, 0), "%s", guest_modes[i].name);
        metic_run_for(machine, 1000, &result);
        cr_expect(result.reason == METIC_TURN_OVER, "%s: %s", guest_modes[i].name, result.text);
        cr_expect(reg(machine, "s0") > count, "%s", guest_modes[i].name);
        metic_free(machine);
    }
}

Test(machine, things_that_cannot_be)
{
    struct metic_options options = guest_options(&guest_modes[0], 1);
    struct metic_error error = { 0 };
    options.machine = "no such board";
    cr_expect(metic_new(&options, &error) == NULL && error.what[0] != '\0' &&
              error.next[0] != '\0');
    options = guest_options(&guest_modes[0], 0);
    cr_expect(metic_new(&options, &error) == NULL);
    options = guest_options(&guest_modes[0], 65);
    cr_expect(metic_new(&options, &error) == NULL);
    options = guest_options(&guest_modes[0], 1);
    options.engine = METIC_ENGINE_BOTH;
    cr_expect(metic_new(&options, &error) == NULL, "both needs the virtual clock");
    options = guest_options(&guest_modes[0], 1);
    options.ram_bytes = 1000;
    cr_expect(metic_new(&options, &error) == NULL);
    options.struct_bytes = 3;
    cr_expect(metic_new(&options, &error) == NULL);
    metic_free(NULL);
    metic_machine *machine = counting_machine(&guest_modes[0]);
    cr_expect(!metic_load(machine, "/nonexistent", &error), "it has an image already");
    metic_free(machine);
}

/* Breakpoints, steps, registers: what metic.h offers a debugger, in every mode of the engine. For
 * watchpoints see test_machine_watch.c. */
#include "tests/hw/debug_run.h"

#include <string.h>

enum { OTHERS = 1, TRAP, LOOP, HERE, AGAIN, MORE, FUNCTION, END };

/* Counts in s0 to `rounds`; HERE is in the middle of the loop's only block. */
static struct rv_program *loop_program(unsigned rounds)
{
    struct rv_program *p = rv_new();
    rv_li(p, S1, rounds);
    rv_label(p, LOOP);
    rv_addi(p, S0, S0, 1);
    rv_addi(p, S2, S2, 2);
    rv_label(p, HERE);
    rv_addi(p, S3, S3, 3);
    rv_bne(p, S0, S1, LOOP);
    rv_exit(p);
    rv_finish(p);
    return p;
}

Test(machine_debug, breakpoint_in_a_block)
{
    struct rv_program *p = loop_program(20);
    u64 here = rv_address(p, HERE);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        metic_add_breakpoint(machine, here, 0);
        metic_add_breakpoint(machine, here, 1);
        for (u64 round = 1; round <= 10; round++) {
            struct metic_stop stop = run_to_stop(machine, mode);
            cr_assert(stop.kind == METIC_STOP_BREAKPOINT && stop.address == here, "%s", mode);
            cr_assert(reg(machine, 0, "pc") == here && reg(machine, 0, "s0") == round &&
                      reg(machine, 0, "s2") == 2 * round &&
                      reg(machine, 0, "s3") == 3 * (round - 1), "%s round %llu", mode,
                      (unsigned long long)round);
            /* One owner less: the other's is still there. */
            metic_remove_breakpoint(machine, here, 0);
        }
        metic_remove_breakpoint(machine, here, 1);
        run_to_end(machine, mode);
        cr_expect(reg(machine, 0, "s3") == 60, "%s", mode);
        metic_free(machine);
    }
    rv_free(p);
}

/* Lets the hart pass until s0 is what is wanted; only that hart's own registers are looked at. */
struct wanted {
    metic_machine *machine;
    u64 s0;
    unsigned owners; /* that are content */
    _Atomic unsigned asked;
};

static unsigned filter_s0(void *opaque, unsigned hart, uint64_t address, unsigned owners)
{
    struct wanted *wanted = opaque;
    uint64_t s0 = 0;
    (void)address;
    wanted->asked++;
    metic_get_register(wanted->machine, hart, "s0", &s0);
    return s0 == wanted->s0 ? owners & wanted->owners : 0;
}

/* A breakpoint that does not want to stop costs no stop, and happens once per time. */
Test(machine_debug, filtered_breakpoint)
{
    struct rv_program *p = loop_program(200);
    u64 here = rv_address(p, HERE);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        struct wanted wanted = {.machine = machine, .s0 = 150, .owners = 2};
        metic_set_break_filter(machine, filter_s0, &wanted);
        metic_add_breakpoint(machine, here, 0);
        metic_add_breakpoint(machine, here, 1);
        struct metic_stop stop = run_to_stop(machine, mode);
        cr_expect(stop.kind == METIC_STOP_BREAKPOINT && stop.address == here && stop.owners == 2,
                  "%s: %x", mode, stop.owners);
        cr_expect(reg(machine, 0, "s0") == 150 && reg(machine, 0, "s3") == 3 * 149, "%s", mode);
        cr_expect(wanted.asked == 150, "%s: %u", mode, wanted.asked);
        run_to_end(machine, mode);
        cr_expect(wanted.asked == 200 && reg(machine, 0, "s3") == 600, "%s", mode);
        metic_free(machine);
    }
    rv_free(p);
}

/* The same, but HERE is in a function in another page, which the loop calls. */
static struct rv_program *call_program(unsigned rounds)
{
    struct rv_program *p = rv_new();
    rv_li(p, S1, rounds);
    rv_label(p, LOOP);
    rv_addi(p, S0, S0, 1);
    rv_call(p, FUNCTION);
    rv_bne(p, S0, S1, LOOP);
    rv_exit(p);
    rv_org(p, 0x3000);
    rv_label(p, FUNCTION);
    rv_addi(p, S2, S2, 2);
    rv_label(p, HERE);
    rv_addi(p, S3, S3, 3);
    rv_ret(p);
    rv_finish(p);
    return p;
}

static void break_running(struct rv_program *p)
{
    u64 here = rv_address(p, HERE);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        struct metic_stop stop;
        u64 rounds;
        do { /* a busy host may not have begun when the stop comes */
            stop = stop_from_outside(machine, mode);
            cr_assert(stop.kind == METIC_STOP_OUTSIDE, "%s", mode);
            rounds = reg(machine, 0, "s0");
        } while (rounds <= 10);
        metic_add_breakpoint(machine, here, 0);
        stop = run_to_stop(machine, mode);
        cr_expect(stop.kind == METIC_STOP_BREAKPOINT && stop.address == here, "%s", mode);
        cr_expect(reg(machine, 0, "s0") <= rounds + 1, "%s", mode);
        metic_clear_breakpoints(machine);
        do {
            stop = stop_from_outside(machine, mode);
            cr_assert(stop.kind == METIC_STOP_OUTSIDE, "%s", mode);
        } while (reg(machine, 0, "s0") <= rounds + 10);
        metic_free(machine);
    }
    rv_free(p);
}

Test(machine_debug, breakpoint_in_running_code)
{
    break_running(loop_program(0)); /* wraps only after 2^64 rounds */
}

Test(machine_debug, breakpoint_in_another_page_of_running_code)
{
    break_running(call_program(0));
}

/* With the virtual clock a run that a debugger stopped a hundred times is the same run. */
Test(machine_debug, stops_do_not_change_a_run)
{
    enum { HARTS = 3 };
    struct rv_program *p = rv_new();
    rv_csrr(p, S4, CSR_MHARTID);
    rv_li(p, S1, 40);
    rv_li(p, T0, DATA);
    rv_li(p, T1, 1);
    rv_label(p, LOOP);
    rv_amoadd_d(p, S2, T0, T1);
    rv_add(p, S3, S3, S2);
    rv_csrr(p, S5, CSR_TIME);
    rv_label(p, HERE);
    rv_addi(p, S0, S0, 1);
    rv_bne(p, S0, S1, LOOP);
    rv_bne(p, S4, X0, END);
    rv_li(p, T2, 40 * HARTS);
    rv_label(p, AGAIN);
    rv_ld(p, S6, T0, 0);
    rv_bne(p, S6, T2, AGAIN);
    rv_exit(p);
    rv_label(p, END);
    rv_j(p, END);
    rv_finish(p);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        if (guest_modes[i].clock != METIC_CLOCK_VIRTUAL) {
            continue;
        }
        const char *mode = guest_modes[i].name;
        metic_machine *alone = guest_machine(p, &guest_modes[i], HARTS);
        metic_machine *debugged = guest_machine(p, &guest_modes[i], HARTS);
        run_to_end(alone, mode);
        metic_add_breakpoint(debugged, rv_address(p, HERE), 0);
        unsigned stops = 0;
        struct metic_result result;
        for (metic_run(debugged, &result); result.reason == METIC_BREAK;
             metic_run(debugged, &result)) {
            struct metic_stop stop;
            metic_get_stop(debugged, &stop);
            cr_assert(stop.kind == METIC_STOP_BREAKPOINT && stop.hart < HARTS);
            stops++;
        }
        cr_expect(stops == 40 * HARTS, "%s: %u", mode, stops);
        cr_expect(metic_digest(alone) == metic_digest(debugged), "%s", mode);
        metic_free(alone);
        metic_free(debugged);
    }
    rv_free(p);
}

/* --- steps --- */

Test(machine_debug, steps)
{
    struct rv_program *p = loop_program(3);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        metic_add_breakpoint(machine, rv_address(p, LOOP), 0);
        run_to_stop(machine, mode);
        u64 before = metic_instructions(machine, 0);
        for (u64 step = 1; step <= 6; step++) {
            metic_set_action(machine, 0, METIC_STEP, 1, 0);
            struct metic_stop stop = run_to_stop(machine, mode);
            u64 expected = rv_address(p, LOOP) + 4 * (step % 4);
            cr_assert(stop.kind == METIC_STOP_STEP && stop.address == expected, "%s", mode);
            cr_assert(metic_instructions(machine, 0) == before + step, "%s", mode);
        }
        /* On through the loop until its end. */
        metic_clear_breakpoints(machine);
        metic_set_action(machine, 0, METIC_STEP, rv_address(p, LOOP), rv_address(p, HERE) + 7);
        struct metic_stop stop = run_to_stop(machine, mode);
        cr_expect(stop.kind == METIC_STOP_STEP && stop.address == rv_address(p, HERE) + 8, "%s",
                  mode);
        cr_expect(metic_instructions(machine, 0) == before + 12, "%s", mode);
        run_to_end(machine, mode);
        metic_free(machine);
    }
    rv_free(p);
}

/* A trap ends a step, at its handler; so does a watched access, after it. */
Test(machine_debug, steps_into_a_trap)
{
    struct rv_program *p = rv_new();
    rv_la(p, T0, TRAP);
    rv_csrw(p, CSR_MTVEC, T0);
    rv_label(p, HERE);
    rv_word(p, RV_ECALL);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_li(p, S1, DATA);
    rv_label(p, AGAIN);
    rv_sd(p, S1, S1, 0);
    rv_exit(p);
    rv_finish(p);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        metic_add_breakpoint(machine, rv_address(p, HERE), 0);
        metic_add_breakpoint(machine, rv_address(p, AGAIN), 0);
        metic_add_watchpoint(machine, DATA, 4, METIC_WATCH_WRITE);
        run_to_stop(machine, mode);
        metic_set_action(machine, 0, METIC_STEP, 0, ~(u64)0);
        struct metic_stop stop = run_to_stop(machine, mode);
        cr_assert(stop.kind == METIC_STOP_STEP && stop.address == rv_address(p, TRAP), "%s", mode);
        stop = run_to_stop(machine, mode);
        cr_assert(stop.kind == METIC_STOP_BREAKPOINT && stop.address == rv_address(p, AGAIN));
        metic_set_action(machine, 0, METIC_STEP, 1, 0);
        stop = run_to_stop(machine, mode);
        cr_assert(stop.kind == METIC_STOP_WATCHPOINT && stop.address == DATA, "%s", mode);
        cr_assert(dword(machine, DATA) == DATA, "%s", mode);
        run_to_end(machine, mode);
        metic_free(machine);
    }
    rv_free(p);
}

/* --- several harts --- */

Test(machine_debug, four_harts_at_one_breakpoint)
{
    enum { HARTS = 4, ROUNDS = 25 };
    struct rv_program *p = rv_new();
    rv_csrr(p, S4, CSR_MHARTID);
    rv_li(p, S1, ROUNDS);
    rv_li(p, T0, DATA);
    rv_li(p, T1, 1);
    rv_label(p, LOOP);
    rv_addi(p, S0, S0, 1);
    rv_label(p, HERE);
    rv_addi(p, S2, S2, 1);
    rv_bne(p, S0, S1, LOOP);
    rv_amoadd_d(p, X0, T0, T1);
    rv_bne(p, S4, X0, END);
    rv_li(p, T2, HARTS);
    rv_label(p, AGAIN);
    rv_word(p, RV_PAUSE);
    rv_ld(p, S6, T0, 0);
    rv_bne(p, S6, T2, AGAIN);
    rv_exit(p);
    rv_label(p, END);
    rv_j(p, END);
    rv_finish(p);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *machine = guest_machine(p, &guest_modes[i], HARTS);
        metic_add_breakpoint(machine, rv_address(p, HERE), 0);
        unsigned hits[HARTS] = { 0 };
        for (unsigned n = 0; n < HARTS * ROUNDS; n++) {
            struct metic_stop stop = run_to_stop(machine, mode);
            cr_assert(stop.kind == METIC_STOP_BREAKPOINT && stop.hart < HARTS, "%s", mode);
            hits[stop.hart]++;
            cr_assert(reg(machine, stop.hart, "s0") == hits[stop.hart] &&
                      reg(machine, stop.hart, "s2") == hits[stop.hart] - 1, "%s", mode);
            /* As GDB does it: the one takes its step, the others stand still. */
            metic_remove_breakpoint(machine, rv_address(p, HERE), 0);
            u64 before[HARTS];
            for (unsigned h = 0; h < HARTS; h++) {
                before[h] = metic_instructions(machine, h);
                metic_set_action(machine, h, h == stop.hart ? METIC_STEP : METIC_HOLD, 1, 0);
            }
            struct metic_stop step = run_to_stop(machine, mode);
            cr_assert(step.kind == METIC_STOP_STEP && step.hart == stop.hart, "%s", mode);
            for (unsigned h = 0; h < HARTS; h++) {
                cr_assert(metic_instructions(machine, h) == before[h] + (h == stop.hart));
            }
            metic_add_breakpoint(machine, rv_address(p, HERE), 0);
        }
        for (unsigned h = 0; h < HARTS; h++) {
            cr_expect(hits[h] == ROUNDS, "%s: hart %u, %u", mode, h, hits[h]);
        }
        run_to_end(machine, mode);
        metic_free(machine);
    }
    rv_free(p);
}

/* --- address spaces --- */

/* The page of FUNCTION is mapped at two addresses; the breakpoint is at one of them. */
Test(machine_debug, one_page_at_two_addresses)
{
    const u64 first = 0x40000000, second = 0x50000000, data = 0x60000000;
    struct rv_program *p = rv_new();
    u32 root = rv_table_new(p);
    guest_start(p, 1, 0, 0);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_mret_to(p, 1, MORE);
    rv_label(p, MORE);
    rv_li(p, S1, first);
    rv_li(p, S2, second);
    rv_li(p, S3, data);
    rv_li(p, S5, 30);
    rv_label(p, LOOP);
    rv_jalr(p, RA, S1, 0);
    rv_jalr(p, RA, S2, 0);
    rv_sd(p, S0, S3, 0);
    rv_addi(p, S5, S5, -1);
    rv_bne(p, S5, X0, LOOP);
    rv_exit(p);
    rv_org(p, 0x10000);
    rv_label(p, FUNCTION);
    rv_addi(p, S0, S0, 1);
    rv_addi(p, S4, S4, 1); /* at + 4 */
    rv_ret(p);
    rv_finish(p);
    for (u64 page = 0; page < 0x90000; page += 0x1000) {
        rv_map(p, root, RV_BASE + page, RV_BASE + page, PTE_RWX);
    }
    rv_map(p, root, 0x100000, 0x100000, PTE_RW);
    rv_map(p, root, first, RV_BASE + 0x10000, PTE_RX);
    rv_map(p, root, second, RV_BASE + 0x10000, PTE_RX);
    rv_map(p, root, data, DATA, PTE_RW);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        metic_add_breakpoint(machine, second + 4, 0);
        for (u64 round = 1; round <= 20; round++) {
            struct metic_stop stop = run_to_stop(machine, mode);
            cr_assert(stop.address == second + 4 && reg(machine, 0, "pc") == second + 4, "%s",
                      mode);
            cr_assert(reg(machine, 0, "s0") == 2 * round && reg(machine, 0, "s4") == 2 * round - 1,
                      "%s", mode);
        }
        u64 value = 0, physical = 0;
        cr_expect(metic_translate(machine, 0, data + 8, &physical) && physical == DATA + 8);
        cr_expect(metic_read_virtual(machine, 0, data, &value, 8) && value == 38, "%s", mode);
        cr_expect(!metic_read_virtual(machine, 0, data + 0xffc, &value, 8), "next is not mapped");
        metic_clear_breakpoints(machine);
        metic_add_watchpoint(machine, data, 8, METIC_WATCH_WRITE);
        struct metic_stop stop = run_to_stop(machine, mode);
        cr_expect(stop.kind == METIC_STOP_WATCHPOINT && stop.address == data, "%s", mode);
        cr_expect(dword(machine, DATA) == 40, "%s", mode);
        metic_clear_breakpoints(machine);
        run_to_end(machine, mode);
        metic_free(machine);
    }
    rv_free(p);
}

/* --- registers --- */

static unsigned number_of(metic_machine *machine, const char *name)
{
    struct metic_register found;
    for (unsigned i = 0; i < metic_register_limit(machine); i++) {
        if (metic_describe_register(machine, i, &found) && strcmp(found.name, name) == 0) {
            return i;
        }
    }
    cr_assert(false, "no register %s", name);
    return 0;
}

Test(machine_debug, registers)
{
    struct rv_program *p = loop_program(3);
    metic_machine *machine = guest_machine(p, &guest_modes[1], 2);
    u64 value = 0;
    cr_expect(number_of(machine, "pc") == 32 && number_of(machine, "ft0") == 33);
    cr_expect(number_of(machine, "mhartid") == 65 + 0xf14 && number_of(machine, "priv") == 4161);
    cr_expect(metic_read_register(machine, 1, 65 + 0xf14, &value) && value == 1);
    cr_expect(!metic_write_register(machine, 1, 65 + 0xf14, 7), "read-only");
    cr_expect(!metic_read_register(machine, 2, 0, &value), "no such hart");
    cr_expect(!metic_read_register(machine, 0, 65 + 0x7c0, &value), "no such CSR");
    cr_expect(!metic_read_register(machine, 0, ~0u, &value));
    cr_expect(!metic_write_register(machine, 0, 0, 1), "zero stays zero");
    cr_expect(!metic_write_register(machine, 0, 32, 1), "an odd pc");
    cr_expect(metic_write_register(machine, 0, 10, 77) && reg(machine, 0, "a0") == 77);
    cr_expect(metic_write_register(machine, 0, 33 + 5, 99) && reg(machine, 0, "ft5") == 99);
    unsigned mtvec = number_of(machine, "mtvec");
    cr_expect(metic_write_register(machine, 0, mtvec, 0x80000007) &&
              metic_read_register(machine, 0, mtvec, &value) && value == 0x80000005, "WARL");
    cr_expect(metic_write_register(machine, 0, 4161, 1) && reg(machine, 0, "priv") == 1);
    cr_expect(!metic_write_register(machine, 0, 4161, 2), "no such privilege");
    for (unsigned i = 0; i < metic_register_limit(machine); i++) {
        struct metic_register found;
        bool there = metic_describe_register(machine, i, &found);
        cr_expect(metic_read_register(machine, 0, i, &value) == there, "%u", i);
        cr_expect(!there || (found.name[0] != '\0' && found.size_bytes == 8), "%u", i);
    }
    metic_free(machine);
    rv_free(p);
}

/* Histories through the library: what was is found again exactly, whichever way a machine comes to
 * it. With GDB, and whole kernels: tests/gdb/check_reverse.sh. */
#include "hw/machine/machine_history.h"
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 24, CLINT = 0x2000000, DATA = RV_BASE + 0x100000 };
enum { LOOP = 1, RETRY, HERE, TRAP, WAIT, DONE, OTHERS };

/* Every hart counts in a place all share by load-reserved and store-conditional, takes traps, is
 * interrupted by its own software interrupt and by a timer it waits for, and tells the UART. */
static struct rv_program *busy(void)
{
    struct rv_program *p = rv_new();
    rv_la(p, T0, TRAP);
    rv_csrw(p, CSR_MTVEC, T0);
    rv_li(p, T0, 0x88);
    rv_csrw(p, CSR_MIE, T0);
    rv_li(p, T0, 8);
    rv_csrs(p, CSR_MSTATUS, T0);
    rv_csrr(p, S4, CSR_MHARTID);
    rv_slli(p, S5, S4, 2);
    rv_li(p, T0, CLINT);
    rv_add(p, S5, S5, T0); /* msip */
    rv_slli(p, S6, S4, 3);
    rv_li(p, T0, CLINT + 0x4000);
    rv_add(p, S6, S6, T0); /* mtimecmp */
    rv_li(p, S1, DATA);
    rv_li(p, S2, ROUNDS);
    rv_label(p, LOOP);
    rv_addi(p, S0, S0, 1);
    rv_label(p, RETRY);
    rv_lr_w(p, A0, S1);
    rv_addi(p, A0, A0, 1);
    rv_sc_w(p, A1, S1, A0);
    rv_bne(p, A1, X0, RETRY);
    rv_word(p, 0x00000073); /* ecall */
    rv_li(p, T0, 1);
    rv_sw(p, T0, S5, 0); /* interrupts itself */
    rv_addi(p, S7, S7, 1);
    rv_label(p, HERE);
    rv_li(p, T0, 0x10000000);
    rv_sb(p, S0, T0, 0);
    rv_li(p, T0, CLINT + 0xbff8);
    rv_ld(p, T1, T0, 0);
    rv_addi(p, T1, T1, 30);
    rv_sd(p, T1, S6, 0);
    rv_word(p, 0x10500073); /* wfi */
    rv_bne(p, S0, S2, LOOP);
    rv_bne(p, S4, X0, WAIT);
    rv_exit(p);
    rv_label(p, WAIT);
    rv_j(p, WAIT);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_addi(p, S8, S8, 1);
    rv_csrr(p, T5, CSR_MCAUSE);
    rv_blt(p, T5, X0, OTHERS);
    rv_csrr(p, T5, CSR_MEPC);
    rv_addi(p, T5, T5, 4);
    rv_csrw(p, CSR_MEPC, T5);
    rv_label(p, OTHERS);
    rv_sw(p, X0, S5, 0);
    rv_li(p, T5, ~(u64)0);
    rv_sd(p, T5, S6, 0);
    rv_word(p, 0x30200073); /* mret */
    rv_finish(p);
    return p;
}

struct seen {
    u64 insns, digest, pc;
    unsigned hart;
};

static u64 total(metic_machine *machine)
{
    u64 sum = 0;
    for (unsigned i = 0; i < metic_hart_count(machine); i++) {
        sum += metic_instructions(machine, i);
    }
    return sum;
}

static struct seen look(metic_machine *machine, unsigned hart)
{
    struct seen seen = {total(machine), metic_digest(machine), 0, hart};
    uint64_t pc = 0;
    metic_get_register(machine, hart, "pc", &pc);
    seen.pc = pc;
    return seen;
}

static metic_machine *make(struct rv_program *p, unsigned mode, unsigned harts)
{
    struct metic_error error = {{0}, {0}};
    metic_machine *machine = guest_machine(p, &guest_modes[mode], harts);
    cr_assert(metic_history_begin(machine, 0, &error), "%s", error.what);
    return machine;
}

static struct metic_stop back(metic_machine *machine, unsigned hart, enum metic_back how)
{
    struct metic_result result;
    struct metic_stop stop;
    metic_run_back(machine, hart, how, &result);
    cr_assert(result.reason == METIC_BREAK, "%s", result.text);
    metic_get_stop(machine, &stop);
    return stop;
}

static void expect_same(const struct seen *a, const struct seen *b, const char *what)
{
    cr_assert(a->insns == b->insns && a->pc == b->pc, "%s: at %llu, pc %llx, not %llu, pc %llx",
              what, (unsigned long long)a->insns, (unsigned long long)a->pc,
              (unsigned long long)b->insns, (unsigned long long)b->pc);
    cr_assert(a->digest == b->digest, "%s: another state at %llu", what,
              (unsigned long long)a->insns);
}

static u64 digest_of_plain_run(struct rv_program *p, unsigned mode, unsigned harts)
{
    struct metic_result result;
    metic_machine *machine = guest_machine(p, &guest_modes[mode], harts);
    metic_run(machine, &result);
    cr_assert(result.reason == METIC_POWEROFF, "%s", result.text);
    u64 digest = metic_digest(machine);
    metic_free(machine);
    return digest;
}

static void run_to_the_end(metic_machine *machine, u64 digest, const char *mode)
{
    struct metic_result result;
    metic_clear_breakpoints(machine);
    metic_run(machine, &result);
    cr_assert(result.reason == METIC_POWEROFF, "%s: %s", mode, result.text);
    cr_expect(metic_digest(machine) == digest, "%s: the end is another", mode);
}

/* Breakpoints are hit backwards in the same states. */
static void stops_back(struct rv_program *p, unsigned mode, unsigned harts)
{
    enum { MOST = ROUNDS * 4 };
    static struct seen seen[MOST];
    unsigned count = 0;
    struct metic_result result;
    const char *name = guest_modes[mode].name;
    u64 end = digest_of_plain_run(p, mode, harts);
    metic_machine *machine = make(p, mode, harts);
    metic_add_breakpoint(machine, rv_address(p, HERE), 0);
    for (metic_run(machine, &result); result.reason == METIC_BREAK && count < MOST;
         metic_run(machine, &result)) {
        struct metic_stop stop;
        metic_get_stop(machine, &stop);
        seen[count++] = look(machine, stop.hart);
    }
    cr_assert(result.reason == METIC_POWEROFF && count >= ROUNDS, "%s: %u", name, count);
    for (unsigned i = count; i > 0; i--) {
        struct metic_stop stop = back(machine, 0, METIC_BACK_RUN);
        cr_assert(stop.kind == METIC_STOP_BREAKPOINT, "%s: stop %u of %u is of kind %d", name, i,
                  count, (int)stop.kind);
        struct seen now = look(machine, stop.hart);
        expect_same(&now, &seen[i - 1], name);
    }
    struct metic_stop stop = back(machine, 0, METIC_BACK_RUN);
    cr_expect(stop.kind == METIC_STOP_BEGIN, "%s", name);
    run_to_the_end(machine, end, name);
    char text[8 * ROUNDS];
    cr_expect(metic_console_output(machine, 0, text, sizeof(text)) == (size_t)harts * ROUNDS ||
              harts > 1, "%s: said once", name);
    metic_free(machine);
}

Test(machine_history, breakpoints_backwards)
{
    struct rv_program *p = busy();
    for (unsigned i = 0; i < guest_mode_count; i++) {
        if (guest_modes[i].clock == METIC_CLOCK_VIRTUAL) {
            stops_back(p, i, 1);
            stops_back(p, i, 3);
        }
    }
    rv_free(p);
}

/* Single steps, traps and interrupts among them, of one hart of several. */
static void steps_back(struct rv_program *p, unsigned mode, unsigned harts, unsigned hart)
{
    enum { STEPS = 90 };
    static struct seen seen[STEPS + 1];
    struct metic_result result;
    const char *name = guest_modes[mode].name;
    u64 end = digest_of_plain_run(p, mode, harts);
    metic_machine *machine = make(p, mode, harts);
    metic_run_for(machine, 700, &result);
    metic_set_action(machine, hart, METIC_STEP, 1, 0);
    metic_run(machine, &result);
    for (unsigned i = 0; i < STEPS; i++) {
        metic_set_action(machine, hart, METIC_STEP, 1, 0);
        metic_run(machine, &result);
        cr_assert(result.reason == METIC_BREAK, "%s", result.text);
        seen[i] = look(machine, hart);
    }
    for (unsigned i = STEPS - 1; i > 0; i--) {
        struct metic_stop stop = back(machine, hart, METIC_BACK_STEP);
        cr_assert(stop.kind == METIC_STOP_STEP, "%s: %d", name, (int)stop.kind);
        struct seen now = look(machine, hart);
        if (harts == 1) {
            expect_same(&now, &seen[i - 1], name);
        }
        cr_assert(now.pc == seen[i - 1].pc, "%s: step %u: pc %llx, not %llx", name, i,
                  (unsigned long long)now.pc, (unsigned long long)seen[i - 1].pc);
    }
    run_to_the_end(machine, end, name);
    metic_free(machine);
}

Test(machine_history, steps_backwards)
{
    struct rv_program *p = busy();
    for (unsigned i = 0; i < guest_mode_count; i++) {
        if (guest_modes[i].clock == METIC_CLOCK_VIRTUAL) {
            steps_back(p, i, 1, 0);
            steps_back(p, i, 2, 1);
        }
    }
    rv_free(p);
}

/* --- memory --- */

enum { PASSES = 40, PASS_PAGES = 1024 };

/* Goes round for ever, and writes another number into each page of 4 MiB each time. */
static struct rv_program *writes_much(void)
{
    enum { PASS = 1, PAGE };
    struct rv_program *p = rv_new();
    rv_li(p, S2, PASS_PAGES);
    rv_li(p, S3, 4096);
    rv_label(p, PASS);
    rv_li(p, S1, DATA);
    rv_li(p, S0, 0);
    rv_label(p, PAGE);
    rv_addi(p, S4, S4, 1);
    rv_sd(p, S4, S1, 0);
    rv_add(p, S1, S1, S3);
    rv_addi(p, S0, S0, 1);
    rv_bne(p, S0, S2, PAGE);
    rv_j(p, PASS);
    rv_finish(p);
    return p;
}

/* A machine with a breakpoint that it comes to once in a pass. */
static metic_machine *make_bounded(struct rv_program *p, u64 limit_bytes)
{
    struct metic_error error = {{0}, {0}};
    unsigned mode = 0;
    while (guest_modes[mode].clock != METIC_CLOCK_VIRTUAL) {
        mode++;
    }
    metic_machine *machine = guest_machine(p, &guest_modes[mode], 1);
    cr_assert(metic_history_begin(machine, limit_bytes, &error), "%s", error.what);
    metic_add_breakpoint(machine, rv_address(p, 1), 0);
    return machine;
}

/* One pass; a moment is kept at its end, however little time has gone by. */
static struct metic_history_info one_pass(metic_machine *machine)
{
    struct metic_result result;
    struct metic_history_info info;
    metic_run(machine, &result);
    cr_assert(result.reason == METIC_BREAK, "%s", result.text);
    cr_assert(history_keep(machine, false));
    cr_assert(metic_get_history(machine, &info));
    return info;
}

/* What is kept grows to the limit and no further, back to the beginning all the same. */
Test(machine_history, memory_is_bounded)
{
    const u64 limit_bytes = (u64)40 << 20;
    static struct seen seen[PASSES];
    struct rv_program *p = writes_much();
    metic_machine *machine = make_bounded(p, limit_bytes);
    struct metic_history_info info;
    u64 most_bytes = 0;
    for (unsigned i = 0; i < PASSES; i++) {
        info = one_pass(machine);
        cr_assert(info.bytes <= limit_bytes, "pass %u: %llu bytes in %u moments", i,
                  (unsigned long long)info.bytes, info.moments);
        most_bytes = info.bytes > most_bytes ? info.bytes : most_bytes;
        seen[i] = look(machine, 0);
    }
    cr_expect(most_bytes > limit_bytes / 2, "only %llu bytes", (unsigned long long)most_bytes);
    cr_expect(info.first_insns == 0 && info.moments > 2, "from %llu, %u moments",
              (unsigned long long)info.first_insns, info.moments);
    for (unsigned i = PASSES - 1; i > 0; i--) {
        cr_assert(back(machine, 0, METIC_BACK_RUN).kind == METIC_STOP_BREAKPOINT, "%u", i);
        struct seen now = look(machine, 0);
        expect_same(&now, &seen[i - 1], "bounded");
        cr_assert(metic_get_history(machine, &info) && info.bytes <= limit_bytes, "back at %u", i);
    }
    cr_expect(back(machine, 0, METIC_BACK_RUN).kind == METIC_STOP_BEGIN);
    metic_free(machine);
    rv_free(p);
}

/* Where two moments are more than there is room for, there is one: the beginning moves. */
Test(machine_history, too_little_memory_moves_the_beginning)
{
    struct rv_program *p = writes_much();
    metic_machine *machine = make_bounded(p, 1);
    struct metic_history_info info = {.bytes = 0};
    u64 one_bytes = 0;
    for (unsigned i = 0; i < 8; i++) {
        info = one_pass(machine);
        one_bytes = i == 1 ? info.bytes : one_bytes;
        cr_assert(info.moments == 1, "pass %u: %u moments", i, info.moments);
        cr_assert(info.first_insns == info.now_insns, "pass %u", i);
    }
    cr_expect(info.bytes < one_bytes + one_bytes / 2, "%llu bytes, then %llu",
              (unsigned long long)one_bytes, (unsigned long long)info.bytes);
    cr_expect(back(machine, 0, METIC_BACK_STEP).kind == METIC_STOP_BEGIN);
    metic_free(machine);
    rv_free(p);
}

/* --- a past that does not lead here --- */

/* Hart 1 waits for what never comes; the others' handler traps at its first instruction. */
static struct rv_program *waits_and_storms(void)
{
    struct rv_program *p = rv_new();
    rv_csrr(p, S4, CSR_MHARTID);
    rv_bne(p, S4, X0, WAIT);
    rv_csrw(p, CSR_MTVEC, X0);
    rv_word(p, 0x00000073); /* ecall */
    rv_label(p, WAIT);
    rv_csrw(p, CSR_MIE, X0);
    rv_label(p, HERE);
    rv_word(p, 0x10500073); /* wfi */
    rv_addi(p, S0, S0, 1);
    rv_j(p, HERE);
    rv_finish(p);
    return p;
}

/* A hart was put behind its wfi by the debugger, and is stepped back at once: in the past it waits
 * there for ever, and nobody else retires an instruction. */
Test(machine_history, back_from_an_edited_pc, .timeout = 120)
{
    struct metic_result result;
    struct rv_program *p = waits_and_storms();
    for (unsigned i = 0; i < guest_mode_count; i++) {
        if (guest_modes[i].clock != METIC_CLOCK_VIRTUAL) {
            continue;
        }
        metic_machine *machine = make(p, i, 2);
        metic_run_for(machine, 5000, &result);
        cr_assert(metic_hart_waits(machine, 1));
        u64 executed = metic_instructions(machine, 1);
        cr_assert(metic_set_register(machine, 1, "pc", rv_address(p, HERE) + 8));
        struct metic_stop stop = back(machine, 1, METIC_BACK_STEP);
        cr_expect(stop.kind == METIC_STOP_STEP, "%s: %d", guest_modes[i].name, (int)stop.kind);
        cr_expect(metic_instructions(machine, 1) < executed, "%s: %llu", guest_modes[i].name,
                  (unsigned long long)metic_instructions(machine, 1));
        metic_free(machine);
    }
    rv_free(p);
}

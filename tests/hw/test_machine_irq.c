/* Interrupts between, inside and instead of instructions, in every engine mode, and
 * the ends of a run. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>
#include <string.h>

enum { TRAP = 1, L1, L2, L3, L4, L5, L6 };

#define CLINT_MSIP 0x02000000u
#define CLINT_MTIMECMP 0x02004000u
#define CLINT_MTIME 0x0200bff8u
enum { MIE_MSIE = 8, MIE_MTIE = 128, MSTATUS_MIE = 8 };

/* Arms mtimecmp `ticks` after now. Clobbers t0..t2. */
static void arm_timer(struct rv_program *p, s32 ticks)
{
    rv_li(p, T0, CLINT_MTIME);
    rv_ld(p, T1, T0, 0);
    rv_addi(p, T1, T1, ticks);
    rv_li(p, T2, CLINT_MTIMECMP);
    rv_sd(p, T1, T2, 0);
}

static void enable(struct rv_program *p, u64 mie)
{
    rv_li(p, T0, mie);
    rv_csrw(p, CSR_MIE, T0);
    rv_li(p, T0, MSTATUS_MIE);
    rv_csrs(p, CSR_MSTATUS, T0);
}

/* Jumps to itself until the timer takes it away; 20 times. */
static void self_loop(u32 self_loop_insn)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S3, 20);
    arm_timer(p, 50);
    enable(p, MIE_MTIE);
    rv_label(p, L1);
    rv_word(p, self_loop_insn);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_csrr(p, A0, CSR_MCAUSE);
    rv_csrr(p, A1, CSR_MEPC);
    rv_la(p, A2, L1);
    rv_sub(p, A1, A1, A2);
    arm_timer(p, 50);
    rv_addi(p, S3, S3, -1);
    rv_beq(p, S3, X0, L2);
    rv_word(p, RV_MRET);
    rv_label(p, L2);
    rv_li(p, T0, 0);
    rv_li(p, T1, 0);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == ((u64)1 << 63 | 7) && outcome.x[A1] == 0);
}

Test(machine_irq, self_loop_of_a_jump)
{
    self_loop(0x0000006f); /* j . */
}

Test(machine_irq, self_loop_of_a_branch)
{
    self_loop(0x00000063); /* beq x0, x0, . */
}

/* An interrupt that is pending when the self-loop is entered, and only then enabled. */
Test(machine_irq, self_loop_with_a_pending_interrupt)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S3, 100);
    rv_li(p, S0, CLINT_MSIP);
    rv_li(p, S1, 1);
    rv_li(p, T0, MIE_MSIE);
    rv_csrw(p, CSR_MIE, T0);
    rv_label(p, L1);
    rv_sw(p, S1, S0, 0);
    rv_li(p, T0, MSTATUS_MIE);
    rv_csrs(p, CSR_MSTATUS, T0);
    rv_label(p, L2);
    rv_j(p, L2);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_sw(p, X0, S0, 0);
    rv_csrr(p, A0, CSR_MCAUSE);
    rv_la(p, T0, L3);
    rv_csrw(p, CSR_MEPC, T0);
    rv_li(p, T0, 0x80);
    rv_csrc(p, CSR_MSTATUS, T0); /* MPIE: interrupts stay off after mret */
    rv_word(p, RV_MRET);
    rv_label(p, L3);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == ((u64)1 << 63 | 3));
}

enum { ENABLE_BY_IMMEDIATE, ENABLE_BY_REGISTER, ENABLE_BY_MEMORY, ENABLE_BY_WRITE, ENABLE_WAYS };

/* S4 holds MSTATUS_MIE, S5 the address of a word with it. */
static void enable_by(struct rv_program *p, unsigned way)
{
    switch (way) {
    case ENABLE_BY_IMMEDIATE: rv_word(p, 0x30046073); break; /* csrrsi zero, mstatus, 8 */
    case ENABLE_BY_REGISTER:
        rv_li(p, T0, MSTATUS_MIE);
        rv_csrs(p, CSR_MSTATUS, T0);
        break;
    case ENABLE_BY_MEMORY:
        rv_ld(p, T0, S5, 0);
        rv_csrs(p, CSR_MSTATUS, T0);
        break;
    default:
        rv_csrr(p, T0, CSR_MSTATUS);
        rv_or(p, T0, T0, S4);
        rv_csrw(p, CSR_MSTATUS, T0);
        break;
    }
}

/* The instruction behind the one that enables interrupts does not run, when one is pending: since
 * the store before, or since long ago. The handler leaves interrupts off. */
static void taken_at_once(unsigned way, bool pending_long)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S0, CLINT_MSIP);
    rv_li(p, S1, 1);
    rv_li(p, S4, MSTATUS_MIE);
    rv_la(p, S5, L5);
    rv_li(p, T0, MIE_MSIE);
    rv_csrw(p, CSR_MIE, T0);
    rv_li(p, S3, 50);
    rv_li(p, A0, 0);
    rv_li(p, A1, 0);
    rv_label(p, L1);
    rv_sw(p, S1, S0, 0);
    if (pending_long) {
        rv_li(p, T1, 3);
        rv_label(p, L4);
        rv_addi(p, T1, T1, -1);
        rv_bne(p, T1, X0, L4);
    }
    enable_by(p, way);
    rv_label(p, L2);
    rv_addi(p, A1, A1, 1); /* once, after the handler */
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_li(p, T0, 0);
    rv_li(p, T1, 0);
    rv_exit(p);
    rv_align(p, 8);
    rv_label(p, L5);
    rv_dword(p, MSTATUS_MIE);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_sw(p, X0, S0, 0);
    rv_csrr(p, T1, CSR_MEPC);
    rv_la(p, T0, L2);
    rv_sub(p, T1, T1, T0);
    rv_sltu(p, T1, X0, T1);
    rv_add(p, A0, A0, T1); /* how often it came late */
    rv_li(p, T0, 0x80);
    rv_csrc(p, CSR_MSTATUS, T0); /* MPIE */
    rv_word(p, RV_MRET);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == 0, "way %u: %llu late", way, (unsigned long long)outcome.x[A0]);
    cr_expect(outcome.x[A1] == 50);
}

Test(machine_irq, enabling_takes_what_is_pending)
{
    for (unsigned way = 0; way < ENABLE_WAYS; way++) {
        taken_at_once(way, false);
        taken_at_once(way, true);
    }
}

/* Pairs that a translator may fuse (lui+addi, auipc+load, shifts, compare+branch), with many
 * interrupts; the handler ruins what it may ruin. The sum shows any pair taken twice, or half. */
Test(machine_irq, interrupt_between_fused_instructions)
{
    enum { ROUNDS = 20000 };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S3, ROUNDS);
    rv_li(p, A0, 0);
    rv_li(p, A2, 0);
    rv_li(p, S9, 0);
    arm_timer(p, 1);
    enable(p, MIE_MTIE);
    rv_label(p, L1);
    rv_lui(p, A3, 0x12345);
    rv_addi(p, A3, A3, 0x678);
    rv_add(p, A0, A0, A3);
    rv_la(p, A4, L5);
    rv_ld(p, A4, A4, 0);
    rv_add(p, A0, A0, A4);
    rv_slli(p, A5, A0, 32);
    rv_srli(p, A5, A5, 32);
    rv_xor(p, A2, A2, A5);
    rv_sltu(p, A5, A2, A0);
    rv_beq(p, A5, X0, L2);
    rv_addi(p, A2, A2, 3);
    rv_label(p, L2);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_label(p, L6);
    rv_beq(p, S9, X0, L6); /* a busy host's timer may be late */
    rv_li(p, T0, MSTATUS_MIE);
    rv_csrc(p, CSR_MSTATUS, T0);
    rv_sltu(p, S9, X0, S9); /* whether there was any; the number is time's */
    rv_li(p, T0, 0);
    rv_li(p, T1, 0);
    rv_li(p, T2, 0);
    rv_exit(p);
    rv_align(p, 8);
    rv_label(p, L5);
    rv_dword(p, 0x1111111111111111);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_addi(p, S9, S9, 1);
    rv_li(p, T0, CLINT_MTIME); /* a tick later each time, so that a slow engine gets on, too */
    rv_ld(p, T1, T0, 0);
    rv_add(p, T1, T1, S9);
    rv_li(p, T2, CLINT_MTIMECMP);
    rv_sd(p, T1, T2, 0);
    rv_word(p, RV_MRET);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == ROUNDS * (u64)(0x12345678 + 0x1111111111111111));
    cr_expect(outcome.x[S9] == 1, "no interrupt came");
}

/* A timer in the past fires at once: mtimecmp, then stimecmp (Sstc) by its pending bit. */
Test(machine_irq, timer_in_the_past)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, A0, 0);
    rv_li(p, T0, CLINT_MTIMECMP);
    rv_li(p, T1, (u64)-1);
    rv_sd(p, T1, T0, 0);
    rv_li(p, S0, 1 << 20);
    enable(p, MIE_MTIE);
    rv_li(p, T1, 0);
    rv_sd(p, T1, T0, 0); /* long ago */
    rv_label(p, L1);
    rv_addi(p, S0, S0, -1);
    rv_bne(p, S0, X0, L1);
    rv_li(p, A0, 99); /* not reached */
    rv_label(p, L2);
    rv_li(p, T0, (u64)1 << 63);
    rv_csrw(p, CSR_MENVCFG, T0); /* STCE */
    rv_csrw(p, CSR_STIMECMP, X0);
    rv_csrr(p, A1, CSR_MIP);
    rv_andi(p, A1, A1, 32);
    rv_li(p, T1, (u64)-1);
    rv_csrw(p, CSR_STIMECMP, T1);
    rv_csrr(p, A2, CSR_MIP);
    rv_andi(p, A2, A2, 32);
    rv_li(p, S0, 0);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_addi(p, A0, A0, 1);
    rv_li(p, T1, (u64)-1);
    rv_li(p, T0, CLINT_MTIMECMP);
    rv_sd(p, T1, T0, 0);
    rv_la(p, T0, L2);
    rv_csrw(p, CSR_MEPC, T0);
    rv_word(p, RV_MRET);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == 1 && outcome.x[A1] == 32 && outcome.x[A2] == 0);
}

/* wfi until the timer, 20 times, with interrupts off: it only wakes. */
Test(machine_irq, wfi_wakes_for_the_timer)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S3, 20);
    rv_li(p, T0, MIE_MTIE);
    rv_csrw(p, CSR_MIE, T0);
    rv_label(p, L1);
    arm_timer(p, 1000);
    rv_label(p, L2);
    rv_word(p, RV_WFI);
    rv_csrr(p, A0, CSR_MIP);
    rv_andi(p, A0, A0, MIE_MTIE);
    rv_beq(p, A0, X0, L2);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_li(p, T1, 0);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP); /* never taken */
    rv_li(p, A0, 1);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == MIE_MTIE);
}

/* --- ends --- */

static struct metic_result run_to_end(struct rv_program *p, unsigned mode)
{
    rv_finish(p);
    metic_machine *machine = guest_machine(p, &guest_modes[mode], 1);
    struct metic_result result;
    metic_run(machine, &result);
    metic_free(machine);
    rv_free(p);
    return result;
}

Test(machine_irq, waiting_for_ever_is_noticed)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        struct rv_program *p = rv_new();
        rv_csrw(p, CSR_MIE, X0);
        rv_label(p, L1);
        rv_word(p, RV_WFI);
        rv_j(p, L1);
        rv_finish(p);
        struct metic_options options = guest_options(&guest_modes[mode], 1);
        options.console = METIC_CONSOLE_NONE; /* no input can come */
        metic_machine *machine = guest_machine_with(p, &options);
        struct metic_result result;
        metic_run(machine, &result);
        cr_expect(result.reason == METIC_IDLE && result.exit_status == 91, "%s: %s",
                  guest_modes[mode].name, result.text);
        metic_free(machine);
        rv_free(p);
    }
}

Test(machine_irq, endless_loop_ends_at_the_limit)
{
    for (unsigned mode = 0; mode < 5; mode++) {
        struct rv_program *p = rv_new();
        rv_label(p, L1);
        rv_addi(p, A0, A0, 1);
        rv_j(p, L1);
        rv_finish(p);
        struct metic_result result;
        struct metic_options options = guest_options(&guest_modes[mode], 1);
        options.limit_insns = 1000001;
        metic_machine *machine = guest_machine_with(p, &options);
        metic_run(machine, &result);
        cr_expect(result.reason == METIC_LIMIT && result.exit_status == 124, "%s: %s",
                  guest_modes[mode].name, result.text);
        if (guest_modes[mode].clock == METIC_CLOCK_VIRTUAL) {
            cr_expect(metic_instructions(machine, 0) == 1000001, "%s: %llu instructions",
                      guest_modes[mode].name,
                      (unsigned long long)metic_instructions(machine, 0));
        }
        metic_free(machine);
        rv_free(p);
    }
}

/* mtvec leads to an illegal instruction: after it, no instruction is ever executed. The second hart
 * does so at once, too, or runs for ever. */
static struct rv_program *only_traps(bool both)
{
    struct rv_program *p = rv_new();
    guest_start(p, 2, both ? L1 : L2, L1);
    rv_org(p, 0x1000);
    rv_label(p, L1);
    rv_word(p, 0);
    rv_label(p, L2);
    rv_j(p, L2);
    rv_finish(p);
    return p;
}

Test(machine_irq, nothing_but_traps_ends_at_the_limit, .timeout = 60)
{
    for (unsigned i = 0; i < guest_mode_count * 2; i++) {
        const struct guest_mode *mode = &guest_modes[i / 2];
        struct rv_program *p = only_traps(i % 2 == 0);
        struct metic_options options = guest_options(mode, i % 2 + 1);
        struct metic_result result;
        options.limit_insns = 100000;
        metic_machine *machine = guest_machine_with(p, &options);
        metic_run(machine, &result);
        cr_expect(result.reason == METIC_LIMIT && result.exit_status == 124, "%s: %s", mode->name,
                  result.text);
        if (i % 2 == 0) {
            cr_expect(strstr(result.text, "100000 traps in a row") != NULL, "%s: %s", mode->name,
                      result.text);
            cr_expect(metic_instructions(machine, 0) < 100);
        }
        metic_free(machine);
        rv_free(p);
    }
}

Test(machine_irq, nothing_but_traps_ends_a_turn, .timeout = 60)
{
    for (unsigned i = 0; i < guest_mode_count; i++) {
        struct rv_program *p = only_traps(true);
        metic_machine *machine = guest_machine(p, &guest_modes[i], 2);
        struct metic_result result;
        for (unsigned turn = 0; turn < 3; turn++) {
            metic_run_for(machine, 5000, &result);
            cr_expect(result.reason == METIC_TURN_OVER, "%s: %s", guest_modes[i].name,
                      result.text);
        }
        metic_free(machine);
        rv_free(p);
    }
}

Test(machine_irq, finisher_status_passes_through)
{
    struct rv_program *p = rv_new();
    rv_li(p, T6, 0x100000);
    rv_li(p, T5, 42u << 16 | 0x3333);
    rv_sw(p, T5, T6, 0);
    rv_label(p, L1);
    rv_j(p, L1);
    struct metic_result result = run_to_end(p, 1);
    cr_expect(result.reason == METIC_POWEROFF && result.status == 42 && result.exit_status == 42);
}

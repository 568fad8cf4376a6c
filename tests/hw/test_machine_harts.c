/* Several harts at once, in every engine mode: reservations, atomics, order, code patched by one
 * hart for another. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { OTHERS = 1, TRAP, FUNCTION, L1, L2, L3, L4, L5, L6, L7, L8 };

/* Shared words, each in a cache line of its own. */
#define SHARED(n) (GUEST_RESULTS + 0x1000u + 64u * (n))

/* Waits until the word at `rs1` equals `rs2`. Clobbers t6. */
static void wait_for(struct rv_program *p, enum rv_reg rs1, enum rv_reg rs2, unsigned label)
{
    rv_label(p, label);
    rv_word(p, RV_PAUSE);
    rv_ld(p, T6, rs1, 0);
    rv_bne(p, T6, rs2, label);
    rv_word(p, RV_FENCE);
}

/* Hart 0 waits here for all; the others spin for ever. Clobbers t4..t6. */
static void gather(struct rv_program *p, unsigned harts, u64 counter, unsigned label)
{
    rv_li(p, T4, counter);
    rv_li(p, T5, 1);
    rv_amoadd_d(p, X0, T4, T5);
    rv_csrr(p, T5, CSR_MHARTID);
    rv_label(p, label);
    rv_word(p, RV_PAUSE);
    rv_bne(p, T5, X0, label);
    rv_li(p, T5, harts);
    wait_for(p, T4, T5, label + 1);
}

/* --- reset --- */

/* Hart 0, whose host thread is the first to start, finds that every hart has run its first
 * instructions when it has run a few thousand. */
Test(machine_harts, leave_reset_together)
{
    enum { HARTS = 4 };
    struct rv_program *p = rv_new();
    rv_li(p, T4, SHARED(0));
    rv_li(p, T5, 1);
    rv_amoadd_d(p, X0, T4, T5);
    guest_start(p, 1, 0, 0);
    rv_csrr(p, T5, CSR_MHARTID);
    rv_label(p, L1);
    rv_word(p, RV_PAUSE);
    rv_bne(p, T5, X0, L1);
    rv_li(p, T5, 2000);
    rv_label(p, L2);
    rv_addi(p, T5, T5, -1);
    rv_bne(p, T5, X0, L2);
    rv_li(p, T4, SHARED(0));
    rv_ld(p, A0, T4, 0);
    guest_result(p, 0, A0);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, HARTS, &outcome);
    cr_expect_eq(outcome.words[0], HARTS);
}

/* --- counters --- */

enum counter { COUNT_AMO, COUNT_LR_SC, COUNT_LR_SC_WITH_STORE };

/* Adds 1 to the counter at s0. The third form has a store to the same page between lr and sc, so
 * that it is none of the loops the translator knows. */
static void count_once(struct rv_program *p, enum counter kind, unsigned label)
{
    if (kind == COUNT_AMO) {
        rv_amoadd_d(p, X0, S0, S1);
        return;
    }
    rv_label(p, label);
    rv_lr_d(p, A0, S0);
    if (kind == COUNT_LR_SC_WITH_STORE) {
        rv_sd(p, A0, S5, 0);
    }
    rv_addi(p, A0, A0, 1);
    rv_sc_d(p, A1, S0, A0);
    rv_bne(p, A1, X0, label);
}

static void counters(enum counter kind, unsigned rounds)
{
    enum { HARTS = 4 };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S0, SHARED(0));
    rv_li(p, S1, 1);
    rv_csrr(p, S5, CSR_MHARTID);
    rv_slli(p, S5, S5, 6);
    rv_li(p, T0, SHARED(8));
    rv_add(p, S5, S5, T0); /* a place of its own for each hart */
    rv_li(p, S3, rounds);
    rv_label(p, L1);
    count_once(p, kind, L2);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    gather(p, HARTS, SHARED(1), L3);
    rv_ld(p, A2, S0, 0);
    guest_result(p, 0, A2);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, HARTS, &outcome);
    cr_expect(outcome.words[0] == HARTS * rounds, "the counter is %llu",
              (unsigned long long)outcome.words[0]);
}

Test(machine_harts, amo_counters_are_exact)
{
    counters(COUNT_AMO, 20000);
}

Test(machine_harts, lr_sc_counters_are_exact)
{
    counters(COUNT_LR_SC, 20000);
}

Test(machine_harts, lr_sc_counters_with_a_store_inside_are_exact)
{
    counters(COUNT_LR_SC_WITH_STORE, 500);
}

/* --- A-B-A --- */

/* Hart 0 reserves a word, hart 1 writes another value to it and then the old one again: the
 * store-conditional must fail. `same_line` true: hart 1 writes a neighbouring word too. */
Test(machine_harts, a_b_a_breaks_the_reservation)
{
    struct rv_program *p = rv_new();
    guest_start(p, 2, OTHERS, 0);
    rv_li(p, S0, SHARED(0));
    rv_li(p, S1, SHARED(1)); /* round that hart 0 is in */
    rv_li(p, S2, SHARED(2)); /* round that hart 1 has answered */
    rv_li(p, S3, 1);
    rv_li(p, S4, 51);
    rv_li(p, A2, 0); /* stores that went through */
    rv_label(p, L1);
    rv_lr_d(p, A0, S0);
    rv_word(p, RV_FENCE);
    rv_sd(p, S3, S1, 0);
    wait_for(p, S2, S3, L2);
    rv_li(p, T0, 77);
    rv_sc_d(p, A1, S0, T0);
    rv_sltiu(p, A1, A1, 1);
    rv_add(p, A2, A2, A1);
    rv_addi(p, S3, S3, 1);
    rv_bne(p, S3, S4, L1);
    guest_result(p, 0, A2);
    rv_ld(p, A0, S0, 0);
    guest_result(p, 1, A0);
    rv_exit(p);
    rv_label(p, OTHERS);
    rv_li(p, S0, SHARED(0));
    rv_li(p, S1, SHARED(1));
    rv_li(p, S2, SHARED(2));
    rv_li(p, S3, 1);
    rv_label(p, L3);
    wait_for(p, S1, S3, L4);
    rv_ld(p, A0, S0, 0);
    rv_addi(p, A1, A0, 1);
    rv_sd(p, A1, S0, 0); /* B */
    rv_word(p, RV_FENCE);
    rv_sd(p, A0, S0, 0); /* A */
    rv_word(p, RV_FENCE);
    rv_sd(p, S3, S2, 0);
    rv_addi(p, S3, S3, 1);
    rv_j(p, L3);
    struct guest_outcome outcome;
    guest_finish(p, 2, &outcome);
    cr_expect(outcome.words[0] == 0, "%llu of 50 stores went through",
              (unsigned long long)outcome.words[0]);
    cr_expect(outcome.words[1] == 0);
}

/* A reservation ends with a trap, and works again after it. */
Test(machine_harts, store_conditional_after_a_trap_fails)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S0, SHARED(0));
    rv_li(p, S3, 20);
    rv_li(p, A2, 0);
    rv_li(p, A3, 0);
    rv_label(p, L1);
    rv_lr_d(p, A0, S0);
    rv_word(p, RV_ECALL);
    rv_sc_d(p, A1, S0, S3);
    rv_add(p, A2, A2, A1);
    rv_lr_d(p, A0, S0);
    rv_sd(p, A0, S0, 64); /* no loop that is known */
    rv_sc_d(p, A1, S0, S3);
    rv_add(p, A3, A3, A1);
    rv_sc_d(p, A1, S0, S3); /* without lr */
    rv_add(p, A2, A2, A1);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_csrr(p, T0, CSR_MEPC);
    rv_addi(p, T0, T0, 4);
    rv_csrw(p, CSR_MEPC, T0);
    rv_word(p, RV_MRET);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A2] == 40, "%llu of 40 failed", (unsigned long long)outcome.x[A2]);
    cr_expect(outcome.x[A3] == 0, "%llu of 20 failed", (unsigned long long)outcome.x[A3]);
}

/* --- order --- */

/* Message passing: data, fence, flag against flag, fence, data. Store buffering: both store, fence
 * and load; not both may miss the other's store. The harts meet at each round. */
enum { ROUNDS = 300 };

/* Both harts come here with their round in s3. Clobbers t4..t6. */
static void meet(struct rv_program *p, unsigned label)
{
    rv_li(p, T4, SHARED(7));
    rv_li(p, T5, 1);
    rv_word(p, RV_FENCE);
    rv_amoadd_d(p, X0, T4, T5);
    rv_label(p, label);
    rv_word(p, RV_PAUSE);
    rv_ld(p, T6, T4, 0);
    rv_bltu(p, T6, S4, label); /* s4: 2 x meetings */
    rv_word(p, RV_FENCE);
    rv_addi(p, S4, S4, 2);
}

Test(machine_harts, store_buffering_with_fences)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_csrr(p, S5, CSR_MHARTID);
    rv_li(p, S0, SHARED(0));
    rv_li(p, S1, SHARED(1));
    rv_beq(p, S5, X0, L1);
    rv_li(p, S0, SHARED(1)); /* mine */
    rv_li(p, S1, SHARED(0)); /* the other's */
    rv_label(p, L1);
    rv_li(p, S3, 1);
    rv_li(p, S4, 2);
    rv_li(p, S6, ROUNDS);
    rv_li(p, A2, 0);
    rv_slli(p, T0, S5, 6);
    rv_li(p, S7, SHARED(2));
    rv_add(p, S7, S7, T0); /* what I saw */
    rv_label(p, L2);
    meet(p, L3);
    rv_sd(p, S3, S0, 0);
    rv_word(p, RV_FENCE);
    rv_ld(p, A0, S1, 0);
    rv_sd(p, A0, S7, 0);
    meet(p, L4);
    rv_li(p, T0, SHARED(2));
    rv_ld(p, T1, T0, 0);
    rv_ld(p, T2, T0, 64);
    rv_beq(p, T1, S3, L5); /* somebody saw this round's store */
    rv_beq(p, T2, S3, L5);
    rv_addi(p, A2, A2, 1);
    rv_label(p, L5);
    rv_addi(p, S3, S3, 1);
    rv_bne(p, S3, S6, L2);
    rv_label(p, L6);
    rv_bne(p, S5, X0, L6);
    guest_result(p, 0, A2);
    guest_result(p, 1, S3);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 2, &outcome);
    cr_expect(outcome.words[0] == 0, "%llu times neither hart saw the other's store",
              (unsigned long long)outcome.words[0]);
    cr_expect(outcome.words[1] == ROUNDS);
}

Test(machine_harts, message_passing_with_fences)
{
    struct rv_program *p = rv_new();
    guest_start(p, 2, OTHERS, 0);
    rv_li(p, S0, SHARED(0)); /* data */
    rv_li(p, S1, SHARED(1)); /* flag */
    rv_li(p, S3, 1);
    rv_li(p, S6, 100 * ROUNDS);
    rv_label(p, L1); /* writes without waiting for anybody */
    rv_sd(p, S3, S0, 0);
    rv_word(p, RV_FENCE_RW_W);
    rv_sd(p, S3, S1, 0);
    rv_addi(p, S3, S3, 1);
    rv_bne(p, S3, S6, L1);
    rv_li(p, S2, SHARED(2));
    rv_li(p, T0, 1);
    wait_for(p, S2, T0, L2);
    rv_li(p, S2, SHARED(3));
    rv_ld(p, A2, S2, 0);
    guest_result(p, 0, A2);
    rv_exit(p);
    rv_label(p, OTHERS);
    rv_li(p, S0, SHARED(0));
    rv_li(p, S1, SHARED(1));
    rv_li(p, S6, 100 * ROUNDS - 1);
    rv_li(p, A2, 0);
    rv_label(p, L3);
    rv_ld(p, A0, S1, 0);
    rv_word(p, RV_FENCE_R_RW);
    rv_ld(p, A1, S0, 0);
    rv_bgeu(p, A1, A0, L4);
    rv_addi(p, A2, A2, 1); /* data older than the flag */
    rv_label(p, L4);
    rv_bne(p, A0, S6, L3);
    rv_li(p, T0, SHARED(3));
    rv_sd(p, A2, T0, 0);
    rv_word(p, RV_FENCE);
    rv_li(p, T0, SHARED(2));
    rv_li(p, T1, 1);
    rv_sd(p, T1, T0, 0);
    rv_label(p, L5);
    rv_j(p, L5);
    struct guest_outcome outcome;
    guest_finish(p, 2, &outcome);
    cr_expect(outcome.words[0] == 0, "%llu messages came before their data",
              (unsigned long long)outcome.words[0]);
}

/* --- code patched for another hart --- */

/* Hart 0 patches a function and interrupts hart 1, whose handler executes fence.i and answers; then
 * hart 1's next call must see the new code. Hart 1 runs the function all the time. */
Test(machine_harts, remote_fence_i)
{
    enum { PATCHES = 100 };
    struct rv_program *p = rv_new();
    guest_start(p, 2, OTHERS, TRAP);
    rv_la(p, S0, FUNCTION);
    rv_li(p, S1, SHARED(0)); /* hart 1 has fenced this patch */
    rv_li(p, S2, SHARED(1)); /* hart 1 saw this number after it */
    rv_li(p, S3, 1);
    rv_li(p, S4, PATCHES);
    rv_li(p, S5, 0x02000004); /* msip of hart 1 */
    rv_li(p, S6, 0x00000513); /* addi a0, x0, 0 */
    rv_li(p, A2, 0);
    rv_li(p, S7, SHARED(2));
    rv_li(p, T0, 1);
    wait_for(p, S7, T0, L1); /* hart 1 is ready */
    rv_label(p, L2);
    rv_slli(p, T0, S3, 20);
    rv_or(p, T0, T0, S6);
    rv_sw(p, T0, S0, 0);
    rv_word(p, RV_FENCE);
    rv_li(p, T0, 1);
    rv_sw(p, T0, S5, 0);
    wait_for(p, S1, S3, L3);
    rv_ld(p, A0, S2, 0);
    rv_sub(p, A0, A0, S3);
    rv_or(p, A2, A2, A0); /* 0 as long as all numbers were right */
    rv_addi(p, S3, S3, 1);
    rv_bne(p, S3, S4, L2);
    guest_result(p, 0, A2);
    guest_result(p, 1, S3);
    rv_exit(p);
    rv_label(p, OTHERS);
    rv_li(p, S0, SHARED(0));
    rv_li(p, S2, SHARED(1));
    rv_li(p, S1, 0x02000004);
    rv_li(p, S3, 0);
    rv_la(p, S4, FUNCTION);
    rv_li(p, T0, 8);
    rv_csrw(p, CSR_MIE, T0);
    rv_csrs(p, CSR_MSTATUS, T0);
    rv_li(p, T1, SHARED(2));
    rv_li(p, T0, 1);
    rv_sd(p, T0, T1, 0);
    rv_label(p, L4);
    rv_call(p, FUNCTION);
    rv_jalr(p, RA, S4, 0);
    rv_j(p, L4);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_sw(p, X0, S1, 0);
    rv_mv(p, S5, RA);
    rv_word(p, RV_FENCE_I);
    rv_call(p, FUNCTION);
    rv_sd(p, A0, S2, 0);
    rv_mv(p, S6, A0);
    rv_jalr(p, RA, S4, 0);
    rv_bne(p, S6, A0, L5); /* both ways of calling agree */
    rv_addi(p, S3, S3, 1);
    rv_word(p, RV_FENCE);
    rv_sd(p, S3, S0, 0);
    rv_label(p, L5);
    rv_mv(p, RA, S5);
    rv_word(p, RV_MRET);
    rv_align(p, 16);
    rv_label(p, FUNCTION);
    rv_li(p, A0, 0);
    rv_ret(p);
    struct guest_outcome outcome;
    guest_finish(p, 2, &outcome);
    cr_expect(outcome.words[0] == 0 && outcome.words[1] == PATCHES);
}

/* Interrupts between harts that sleep: a ball is passed round, each hart waiting in wfi. */
Test(machine_harts, wfi_and_interrupts_between_harts)
{
    enum { HARTS = 3, PASSES = 300 };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_csrr(p, S5, CSR_MHARTID);
    rv_li(p, T0, 8);
    rv_csrw(p, CSR_MIE, T0);
    rv_li(p, S0, SHARED(0)); /* who has the ball is its number modulo 3 */
    rv_li(p, S1, 0x02000000);
    rv_li(p, S6, HARTS);
    rv_li(p, S7, PASSES);
    rv_label(p, L1);
    rv_ld(p, A0, S0, 0);
    rv_bgeu(p, A0, S7, L3);
    rv_rem(p, A1, A0, S6);
    rv_beq(p, A1, S5, L2);
    rv_word(p, RV_WFI);
    rv_slli(p, T0, S5, 2);
    rv_add(p, T0, T0, S1);
    rv_sw(p, X0, T0, 0);
    rv_word(p, RV_FENCE);
    rv_j(p, L1);
    rv_label(p, L2);
    rv_addi(p, A0, A0, 1);
    rv_sd(p, A0, S0, 0);
    rv_word(p, RV_FENCE);
    rv_rem(p, A1, A0, S6);
    rv_slli(p, T0, A1, 2);
    rv_add(p, T0, T0, S1);
    rv_li(p, T1, 1);
    rv_sw(p, T1, T0, 0);
    rv_j(p, L1);
    rv_label(p, L3); /* wake everybody once more so that all end here */
    rv_li(p, T1, 1);
    rv_sw(p, T1, S1, 0);
    rv_sw(p, T1, S1, 4);
    rv_sw(p, T1, S1, 8);
    rv_label(p, L4);
    rv_bne(p, S5, X0, L4);
    rv_ld(p, A0, S0, 0);
    guest_result(p, 0, A0);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, HARTS, &outcome);
    cr_expect(outcome.words[0] == PASSES);
}

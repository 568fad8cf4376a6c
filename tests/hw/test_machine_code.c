/* Code that changes while it runs, and control flow that does not return where it came from, in
 * every engine mode. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>
#include <string.h>

enum { TRAP = 1, FUNCTION, OTHERS, L1, L2, L3, L4, L5, L6, L7, DEEP, CATCH, TABLE };
#define ADDI_A0(imm) (0x00050513u | (u32)(imm) << 20) /* addi a0, a0, imm */

/* The function is patched before each call; the new number must be the one that is added. */
static void patch_and_call(bool sfence)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_la(p, S0, FUNCTION);
    rv_li(p, S1, ADDI_A0(1));
    rv_li(p, S2, 1 << 20); /* one more in the immediate */
    rv_li(p, S3, 200);
    rv_li(p, A0, 0);
    rv_label(p, L1);
    rv_sw(p, S1, S0, 0);
    if (sfence) {
        rv_sfence_vma(p, X0, X0, X0);
    } else {
        rv_word(p, RV_FENCE_I);
    }
    rv_call(p, FUNCTION);
    rv_jalr(p, RA, S0, 0);
    rv_add(p, S1, S1, S2);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_exit(p);
    rv_label(p, FUNCTION);
    rv_word(p, ADDI_A0(0));
    rv_ret(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == 200 * 201, "a0 is %llu", (unsigned long long)outcome.x[A0]);
}

Test(machine_code, patch_fence_call)
{
    patch_and_call(false);
}

/* As xv6 does, which has no fence.i. */
Test(machine_code, patch_sfence_call)
{
    patch_and_call(true);
}

/* The instruction right behind the fence.i is the one that changed. */
Test(machine_code, patch_the_running_block)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_la(p, S0, L2);
    rv_li(p, S1, ADDI_A0(2));
    rv_li(p, S2, 1 << 20);
    rv_li(p, S3, 100);
    rv_li(p, A0, 0);
    rv_label(p, L1);
    rv_sw(p, S1, S0, 0);
    rv_word(p, RV_FENCE_I);
    rv_label(p, L2);
    rv_word(p, ADDI_A0(1));
    rv_xor(p, S1, S1, S2); /* 2, 3, 2, 3 */
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == 250);
}

/* More code pages than are compared at each fence: they go back to being watched. */
Test(machine_code, many_code_pages_written)
{
    enum { PAGES = 48, FIRST = 0x20000, ROUNDS = 20 };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S3, ROUNDS);
    rv_li(p, A0, 0);
    rv_li(p, S4, PAGE_BYTES);
    rv_label(p, L1);
    rv_li(p, S0, RV_BASE + FIRST);
    rv_li(p, S5, PAGES);
    rv_label(p, L2); /* write each, fence once, call each */
    rv_li(p, S1, ADDI_A0(0));
    rv_slli(p, T0, S3, 20);
    rv_add(p, S1, S1, T0);
    rv_sw(p, S1, S0, 0);
    rv_add(p, S0, S0, S4);
    rv_addi(p, S5, S5, -1);
    rv_bne(p, S5, X0, L2);
    rv_word(p, RV_FENCE_I);
    rv_li(p, S0, RV_BASE + FIRST);
    rv_li(p, S5, PAGES);
    rv_label(p, L3);
    rv_jalr(p, RA, S0, 0);
    rv_add(p, S0, S0, S4);
    rv_addi(p, S5, S5, -1);
    rv_bne(p, S5, X0, L3);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_exit(p);
    for (unsigned i = 0; i < PAGES; i++) {
        rv_org(p, FIRST + i * (u32)PAGE_BYTES);
        rv_word(p, ADDI_A0(0));
        rv_ret(p);
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == PAGES * ROUNDS * (ROUNDS + 1) / 2, "a0 is %llu",
              (unsigned long long)outcome.x[A0]);
}

/* fw_cfg writes its first item, "QEMU", over a function: c.li a0, 20; c.li a0, -13. */
Test(machine_code, dma_into_code)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S0, 0x10100000); /* fw_cfg */
    rv_li(p, S3, 3);
    rv_label(p, L1);
    rv_call(p, FUNCTION);
    rv_mv(p, A1, A0); /* before: 7 the first time */
    rv_la(p, T0, L5);
    rv_lw(p, T2, T0, 0);
    rv_la(p, T1, L4);
    rv_sw(p, T2, T1, 0); /* the control word is overwritten by the device */
    rv_la(p, T0, TABLE); /* high and low half of the block's address, as the device wants them */
    rv_lw(p, T1, T0, 0);
    rv_sw(p, T1, S0, 0x10);
    rv_lw(p, T1, T0, 4);
    rv_sw(p, T1, S0, 0x14);
    rv_word(p, RV_FENCE_I);
    rv_call(p, FUNCTION);
    rv_mv(p, A2, A0);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_exit(p);
    rv_align(p, 16);
    rv_label(p, FUNCTION);
    rv_li(p, A0, 7);
    rv_ret(p);
    rv_align(p, 16);
    rv_label(p, L4); /* control, length, address: big-endian */
    u32 block = p->at;
    rv_word(p, 0);
    rv_word(p, 0x04000000);
    u64 address = rv_address(p, FUNCTION);
    rv_word(p, 0);
    rv_word(p, __builtin_bswap32((u32)address));
    rv_label(p, L5);
    rv_word(p, 0x0a000000); /* select item 0, read */
    rv_label(p, TABLE);
    rv_word(p, 0);
    rv_word(p, __builtin_bswap32((u32)(RV_BASE + block)));
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A2] == (u64)-13, "a2 is %lld", (long long)outcome.x[A2]);
}

/* Somebody outside changes code of a stopped machine: a debugger. No fence.i follows. */
static void write_while_stopped(const struct guest_mode *mode)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, A0, 0);
    rv_la(p, S0, FUNCTION);
    rv_label(p, L1);
    rv_call(p, FUNCTION);
    rv_jalr(p, RA, S0, 0);
    rv_j(p, L1);
    rv_label(p, FUNCTION);
    rv_word(p, ADDI_A0(1));
    rv_ret(p);
    rv_finish(p);
    metic_machine *machine = guest_machine(p, mode, 1);
    struct metic_result result;
    metic_run_for(machine, 10000, &result);
    cr_assert(result.reason == METIC_TURN_OVER, "%s: %s", mode->name, result.text);
    u32 nothing = ADDI_A0(0);
    cr_assert(metic_write_memory(machine, rv_address(p, FUNCTION), &nothing, sizeof(nothing)));
    metic_run_for(machine, 100, &result);
    u64 before;
    u64 after;
    metic_get_register(machine, 0, "a0", &before);
    metic_run_for(machine, 10000, &result);
    metic_get_register(machine, 0, "a0", &after);
    cr_expect(before > 1000, "%s: the program did not run", mode->name);
    cr_expect(after == before, "%s: the old code ran on", mode->name);
    metic_free(machine);
    rv_free(p);
}

Test(machine_code, written_while_stopped)
{
    for (unsigned i = 0; i < guest_mode_count; i++) {
        write_while_stopped(&guest_modes[i]);
    }
}

/* Flash answers the next read after a command by its status, not by its bytes, although the bytes
 * were read just before; and is an array again afterwards. */
Test(machine_code, flash_command_in_the_running_block)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S0, 0x20000000);
    rv_li(p, S1, 0x00700070); /* read status */
    rv_li(p, S2, 0x00ff00ff); /* read array */
    rv_lw(p, A0, S0, 0);
    rv_sw(p, S1, S0, 0);
    rv_lw(p, A1, S0, 0);
    rv_sw(p, S2, S0, 0);
    rv_lw(p, A2, S0, 0);
    rv_sub(p, A3, A0, A2);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A1] == 0x00800080, "status is 0x%llx", (unsigned long long)outcome.x[A1]);
    cr_expect(outcome.x[A3] == 0);
}

/* Calls 20 deep, then a jump back out of all of them, as longjmp does; and returns to other places
 * than the calls came from. */
Test(machine_code, returns_that_match_no_call)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S3, 100);
    rv_li(p, A0, 0);
    rv_label(p, L1);
    rv_li(p, S4, 20);
    rv_la(p, S5, CATCH);
    rv_call(p, DEEP);
    rv_li(p, A0, (u64)-1); /* not reached */
    rv_label(p, CATCH);
    rv_la(p, T0, L2);
    rv_addi(p, A0, A0, 1);
    rv_call(p, L3); /* returns two instructions later than it should */
    rv_addi(p, A0, A0, 1000);
    rv_addi(p, A0, A0, 1000);
    rv_label(p, L2);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_exit(p);
    rv_label(p, L3);
    rv_mv(p, RA, T0);
    rv_ret(p);
    rv_label(p, DEEP);
    rv_addi(p, S4, S4, -1);
    rv_beq(p, S4, X0, L4);
    rv_call(p, DEEP);
    rv_li(p, A0, (u64)-1);
    rv_label(p, L4);
    rv_jalr(p, X0, S5, 0);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == 100);
}

/* Patches its own code so often that the host code, or the interpreter's blocks, of all versions
 * would fill a tiny cache many times. */
Test(machine_code, patched_for_ever)
{
    struct rv_program *p = rv_new();
    struct guest_outcome outcome;
    guest_start(p, 1, 0, 0);
    rv_la(p, S0, FUNCTION);
    rv_li(p, S3, 3000);
    rv_li(p, A0, 0);
    rv_label(p, L1);
    rv_andi(p, S1, S3, 0xff);
    rv_slli(p, S1, S1, 20);
    rv_li(p, T0, ADDI_A0(0));
    rv_or(p, S1, S1, T0);
    rv_sw(p, S1, S0, 0);
    rv_word(p, RV_FENCE_I);
    rv_call(p, FUNCTION);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_exit(p);
    rv_label(p, FUNCTION);
    rv_word(p, ADDI_A0(0));
    rv_ret(p);
    guest_finish(p, 1, &outcome);
    u64 sum = 0;
    for (unsigned i = 1; i <= 3000; i++) {
        sum += i & 0xff;
    }
    cr_expect(outcome.x[A0] == sum);
}

/* Thousands of small functions called through pointers: fills a small code cache over and over,
 * with every hart inside it. Hart 0 waits for the others and leaves the sum. */
static void big_code(unsigned harts, bool reserve)
{
    enum { FUNCTIONS = 1500, FIRST = 0x20000, STRIDE = 16, ROUNDS = 2 };
    struct rv_program *p = rv_new();
    const u64 done = GUEST_RESULTS + 0x1000;
    guest_start(p, 1, 0, 0);
    rv_li(p, S5, done + 512);
    rv_li(p, S3, ROUNDS);
    rv_li(p, A0, 0);
    rv_label(p, L1);
    rv_li(p, S0, RV_BASE + FIRST);
    rv_li(p, S4, FUNCTIONS);
    rv_label(p, L2);
    rv_jalr(p, RA, S0, 0);
    if (reserve) {
        rv_lr_d(p, A2, S5);
        rv_sd(p, A2, S5, 256); /* no loop that is known: lr stops the other harts */
        rv_sc_d(p, A3, S5, A2);
    }
    rv_addi(p, S0, S0, STRIDE);
    rv_addi(p, S4, S4, -1);
    rv_bne(p, S4, X0, L2);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, L1);
    rv_li(p, T0, done);
    rv_li(p, T1, 1);
    rv_amoadd_d(p, X0, T0, A0);
    rv_amoadd_d(p, X0, T0, X0);
    rv_li(p, T2, done + 8);
    rv_amoadd_d(p, X0, T2, T1);
    rv_csrr(p, T3, CSR_MHARTID);
    rv_label(p, L3);
    rv_bne(p, T3, X0, L3);
    rv_li(p, T4, harts);
    rv_label(p, L4);
    rv_ld(p, T5, T2, 0);
    rv_bne(p, T5, T4, L4);
    rv_ld(p, A1, T0, 0);
    guest_result(p, 0, A1);
    rv_exit(p);
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        rv_org(p, FIRST + i * STRIDE);
        rv_addi(p, A0, A0, (s32)(i % 100));
        rv_addi(p, A0, A0, 1);
        rv_ret(p);
    }
    u64 sum = 0;
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        sum += i % 100 + 1;
    }
    struct guest_outcome outcome;
    guest_finish(p, harts, &outcome);
    cr_expect(outcome.words[0] == sum * ROUNDS * harts, "the sum is %llu",
              (unsigned long long)outcome.words[0]);
}

Test(machine_code, full_code_cache)
{
    big_code(1, false);
}

Test(machine_code, full_code_cache_with_two_harts_in_it)
{
    big_code(2, false);
}

Test(machine_code, full_code_cache_with_four_harts_in_it)
{
    big_code(4, false);
}

/* A hart stops the others from inside a block that one of them is about to throw away. */
Test(machine_code, full_code_cache_and_reservations)
{
    big_code(2, true);
    big_code(4, true);
}

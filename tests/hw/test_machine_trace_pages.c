/* Loops whose trace has code of several pages, in every engine mode; and what may become of one of
 * these pages meanwhile. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum {
    TRAP = 1, SUPER, LOOP, OUTER, NEXT, SECOND, FUNCTION, DONE, OTHERS, WAIT, CHECK_IT, COUNT,
    SKIPPED,
};
enum { CODE_A = 0x22000, CODE_B = 0x23000, CODE_THROUGH = 0x26000, ROUNDS = 600 };
#define FAR ((u64)0x3f00000000) /* further from RV_BASE than a displacement goes */
#define ADDI_A0(imm) (0x00050513u | (u32)(imm) << 20) /* addi a0, a0, imm */

/* S-mode under that table. */
static void begin(struct rv_program *p, u32 root)
{
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_la(p, S10, DONE);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_mret_to(p, 1, SUPER);
    rv_label(p, SUPER);
}

/* The end of the program, a trap handler, and functions that add 10 and 11 to a4. */
static void end(struct rv_program *p)
{
    rv_label(p, DONE);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    guest_record_trap(p);
    rv_org(p, CODE_A);
    rv_addi(p, A4, A4, 10);
    rv_ret(p);
    rv_org(p, CODE_B);
    rv_addi(p, A4, A4, 11);
    rv_ret(p);
}

static u64 leaf(u32 page, u32 flags)
{
    return (u64)(RV_BASE + page) >> 12 << 10 | flags;
}

/* Calls s0 ROUNDS times. */
static void call_often(struct rv_program *p, unsigned loop)
{
    rv_li(p, S2, ROUNDS);
    rv_label(p, loop);
    rv_jalr(p, RA, S0, 0);
    rv_addi(p, A3, A3, 1);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, loop);
}

#define NOISE 6364136223846793005u

/* The same where noise in s7 says so. */
static void call_now_and_then(struct rv_program *p, unsigned loop)
{
    rv_li(p, S2, ROUNDS);
    rv_li(p, S9, NOISE);
    rv_label(p, loop);
    rv_mul(p, S7, S7, S9);
    rv_addi(p, S7, S7, 1);
    rv_srli(p, T3, S7, 40);
    rv_andi(p, T3, T3, 1);
    rv_bne(p, T3, X0, SKIPPED);
    rv_jalr(p, RA, S0, 0);
    rv_label(p, SKIPPED);
    rv_addi(p, A3, A3, 1);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, loop);
}

/* Whether the next round calls. */
static bool noise_calls(u64 *noise)
{
    *noise = *noise * NOISE + 1;
    return (*noise >> 40 & 1) == 0;
}

/* Whether what begins at `pc` is a trace that goes on in another page, after a run with an eager
 * second tier. */
static bool crosses(const struct rv_program *p, u64 pc)
{
    return guest_code_has(p, pc, "decode,ir,opt,host", "exit_page guard");
}

Test(machine_trace_pages, calls_become_part_of_the_loop)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S0, RV_BASE + CODE_A);
    rv_li(p, S3, 10);
    rv_label(p, OUTER);
    call_often(p, LOOP);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    rv_la(p, A0, LOOP);
    end(p);
    rv_finish(p);
    cr_expect(crosses(p, rv_address(p, LOOP)));
    struct guest_outcome outcome;
    guest_run_all(p, 1, &outcome);
    cr_expect(outcome.x[A4] == 10 * ROUNDS * 10 && outcome.x[A3] == 10 * ROUNDS);
    rv_free(p);
}

/* The function faults in some round: its pc, and every register as it was before that access. */
static void fault_there(bool store)
{
    enum { PAGES = 8 };
    const u64 first = 0x40000000, behind = first + PAGES * PAGE_BYTES;
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    for (u64 page = 0; page < PAGES * PAGE_BYTES; page += PAGE_BYTES) {
        rv_map(p, root, first + page, RV_BASE + 0x40000 + page, PTE_RW);
    }
    rv_map(p, root, FAR, RV_BASE + 0x24000, PTE_RX);
    begin(p, root);
    rv_li(p, S0, FAR + 0x7f0);
    rv_li(p, A0, first);
    rv_li(p, S4, 0x1234567);
    call_often(p, LOOP);
    rv_li(p, S2, 1 << 20);
    rv_j(p, LOOP);
    end(p);
    rv_org(p, 0x24000 + 0x7f0);
    rv_xor(p, S4, S4, A3);
    rv_ld(p, A1, A0, 0);
    rv_add(p, S4, S4, A1);
    rv_addi(p, S5, A3, 7);
    if (store) {
        rv_sd(p, S5, A0, 24);
    }
    rv_addi(p, A0, A0, 8);
    rv_ret(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.words[0] == (store ? 15 : 13) && outcome.words[1] == behind &&
              outcome.words[2] == FAR + 0x7f0 + (store ? 16 : 4), "cause %u at %llx",
              (unsigned)outcome.words[0], (unsigned long long)outcome.words[2]);
    cr_expect(outcome.x[A0] == behind - (store ? 24 : 0));
}

Test(machine_trace_pages, load_that_faults_in_the_other_page)
{
    fault_there(false);
}

Test(machine_trace_pages, store_that_faults_in_the_other_page)
{
    fault_there(true);
}

/* What a4 is after `outer` loops over the function at CODE_A and at CODE_B in turn, and how many
 * rounds more until the next call. */
static u64 sum_now_and_then(unsigned outer, u64 *rounds)
{
    u64 noise = 0, sum = 0;
    for (unsigned i = 0; i < outer * ROUNDS; i++) {
        sum += noise_calls(&noise) ? 10 + i / ROUNDS % 2 : 0;
    }
    *rounds = 0;
    while (!noise_calls(&noise)) {
        ++*rounds;
    }
    return sum;
}

/* The function's page is mapped elsewhere, and back, and not to be executed in the end. `seldom`: a
 * further way of the loop's trace goes there. `through`: by a jump in the page before, for which
 * the trace asks together with this one. */
static void remap(u64 gva, bool seldom, bool through)
{
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, gva, RV_BASE + CODE_A, PTE_RX);
    rv_map(p, root, gva - PAGE_BYTES, RV_BASE + CODE_THROUGH, PTE_RX);
    begin(p, root);
    rv_li(p, S0, gva - (through ? PAGE_BYTES : 0));
    rv_li(p, S1, rv_pte_address(p, root, gva));
    rv_li(p, S3, 12);
    rv_li(p, S4, leaf(CODE_A, PTE_RX));
    rv_li(p, S5, leaf(CODE_B, PTE_RX));
    rv_li(p, S7, 0);
    rv_label(p, OUTER);
    if (seldom) {
        call_now_and_then(p, LOOP);
    } else {
        call_often(p, LOOP);
    }
    rv_beq(p, S3, X0, NEXT); /* it should have faulted */
    rv_mv(p, T0, S4); /* the other one's turn */
    rv_mv(p, S4, S5);
    rv_mv(p, S5, T0);
    rv_addi(p, S3, S3, -1);
    rv_andi(p, T1, S3, 2);
    rv_bne(p, S3, X0, SECOND);
    rv_li(p, S4, leaf(CODE_A, PTE_RW));
    rv_label(p, SECOND);
    rv_sd(p, S4, S1, 0);
    rv_beq(p, T1, X0, WAIT);
    rv_li(p, T0, gva);
    rv_sfence_vma(p, X0, T0, X0);
    rv_j(p, OUTER);
    rv_label(p, WAIT);
    rv_sfence_vma(p, X0, X0, X0);
    rv_j(p, OUTER);
    rv_label(p, NEXT);
    end(p);
    rv_org(p, CODE_THROUGH);
    rv_word(p, 0x0000106f); /* j . + 4096 */
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u64 more, sum = sum_now_and_then(12, &more);
    more = seldom ? more : 0;
    cr_expect(outcome.x[A4] == (seldom ? sum : 6 * ROUNDS * 21));
    cr_expect(outcome.words[0] == 12 && outcome.words[1] == gva && outcome.words[2] == gva);
    cr_expect(outcome.x[A3] == 12 * ROUNDS + more && outcome.x[S2] == ROUNDS - more);
}

Test(machine_trace_pages, near_page_mapped_elsewhere)
{
    remap(RV_BASE + RV_IMAGE_BYTES + 0x5000, false, false);
}

Test(machine_trace_pages, far_page_mapped_elsewhere)
{
    remap(FAR, false, false);
}

Test(machine_trace_pages, second_page_asked_for_at_once_mapped_elsewhere)
{
    remap(RV_BASE + RV_IMAGE_BYTES + 0x5000, false, true);
    remap(FAR, false, true);
    remap(RV_BASE + RV_IMAGE_BYTES + 0x5000, true, true);
    remap(FAR, true, true);
}

Test(machine_trace_pages, page_of_a_further_way_mapped_elsewhere)
{
    remap(RV_BASE + RV_IMAGE_BYTES + 0x5000, true, false);
    remap(FAR, true, false);
}

/* A loop whose ways read data that another address space has elsewhere; no fences. */
Test(machine_trace_pages, data_of_further_ways_in_another_space)
{
    enum { DATA_A = 0x40000, DATA_B = 0x50000, SPACES = 8 };
    struct rv_program *p = rv_new();
    u32 first = guest_identity_table(p), second = guest_identity_table(p);
    for (u32 page = 0; page < 4 * PAGE_BYTES; page += PAGE_BYTES) {
        rv_map(p, first, FAR + page, RV_BASE + DATA_A + page, PTE_RW);
        rv_map(p, second, FAR + page, RV_BASE + DATA_B + page, PTE_RW);
    }
    begin(p, first);
    rv_li(p, S0, FAR);
    rv_li(p, S1, FAR + PAGE_BYTES);
    rv_li(p, S3, SPACES);
    rv_li(p, S4, rv_satp(first, 1));
    rv_li(p, S5, rv_satp(second, 2));
    rv_li(p, S7, 0);
    rv_li(p, S9, NOISE);
    rv_label(p, OUTER);
    rv_li(p, S2, ROUNDS);
    rv_label(p, LOOP);
    rv_mul(p, S7, S7, S9);
    rv_addi(p, S7, S7, 1);
    rv_srli(p, T3, S7, 40);
    rv_andi(p, T3, T3, 1);
    rv_bne(p, T3, X0, SKIPPED);
    rv_ld(p, A1, S0, 0);
    rv_add(p, A4, A4, A1);
    rv_sd(p, A4, S0, 2000);
    rv_j(p, NEXT);
    rv_label(p, SKIPPED);
    rv_ld(p, A2, S1, 0);
    rv_add(p, A5, A5, A2);
    rv_sd(p, A5, S1, 2000);
    rv_label(p, NEXT);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_mv(p, T0, S4); /* the other one's turn */
    rv_mv(p, S4, S5);
    rv_mv(p, S5, T0);
    rv_csrw(p, CSR_SATP, S4);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    end(p);
    rv_org(p, DATA_A);
    rv_dword(p, 1);
    rv_org(p, DATA_A + PAGE_BYTES);
    rv_dword(p, 3);
    rv_org(p, DATA_B);
    rv_dword(p, 1000);
    rv_org(p, DATA_B + PAGE_BYTES);
    rv_dword(p, 3000);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u64 noise = 0, calls = 0, skips = 0;
    for (unsigned i = 0; i < SPACES * ROUNDS; i++) {
        u64 value = i / ROUNDS % 2 == 0 ? 1 : 1000;
        bool called = noise_calls(&noise);
        calls += called ? value : 0;
        skips += called ? 0 : 3 * value;
    }
    cr_expect(outcome.x[A4] == calls && outcome.x[A5] == skips);
}

/* A function that now and then goes another way in its page, which is mapped elsewhere and back:
 * the way out of the trace leads to where the page is then. */
Test(machine_trace_pages, other_way_in_a_page_mapped_elsewhere)
{
    enum { TIMES = 12, WAYS_A = 0x24000, WAYS_B = 0x25000 };
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, FAR, RV_BASE + WAYS_A, PTE_RX);
    begin(p, root);
    rv_li(p, S0, FAR);
    rv_li(p, S1, rv_pte_address(p, root, FAR));
    rv_li(p, S3, TIMES);
    rv_li(p, S4, leaf(WAYS_B, PTE_RX));
    rv_li(p, S5, leaf(WAYS_A, PTE_RX));
    rv_label(p, OUTER);
    call_often(p, LOOP);
    rv_sd(p, S4, S1, 0);
    rv_sfence_vma(p, X0, S0, X0);
    rv_mv(p, T0, S4); /* the other one's turn */
    rv_mv(p, S4, S5);
    rv_mv(p, S5, T0);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    end(p);
    for (unsigned n = 0; n < 2; n++) {
        unsigned other = n == 0 ? SECOND : FUNCTION;
        rv_org(p, n == 0 ? WAYS_A : WAYS_B);
        rv_andi(p, T0, A3, 15);
        rv_addi(p, A4, A4, (s32)(1 + n));
        rv_beq(p, T0, X0, other);
        rv_ret(p);
        rv_label(p, other);
        rv_addi(p, A4, A4, (s32)(100 * (n + 1)));
        rv_ret(p);
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u64 sum = 0;
    for (unsigned n = 0; n < TIMES * ROUNDS; n++) {
        unsigned page = n / ROUNDS % 2;
        sum += 1 + page + (n % 16 == 0 ? 100 * (page + 1) : 0);
    }
    cr_expect(outcome.x[A4] == sum, "%llu, not %llu", (unsigned long long)outcome.x[A4],
              (unsigned long long)sum);
}

/* One loop in two address spaces that have another function at the same address; no fences. */
Test(machine_trace_pages, other_function_in_another_space)
{
    struct rv_program *p = rv_new();
    u32 first = guest_identity_table(p), second = guest_identity_table(p);
    rv_map(p, first, FAR, RV_BASE + CODE_A, PTE_RX);
    rv_map(p, second, FAR, RV_BASE + CODE_B, PTE_RX);
    begin(p, first);
    rv_li(p, S0, FAR);
    rv_li(p, S3, 8);
    rv_li(p, S4, rv_satp(first, 1));
    rv_li(p, S5, rv_satp(second, 2));
    rv_label(p, OUTER);
    call_often(p, LOOP);
    rv_mv(p, T0, S4); /* the other one's turn */
    rv_mv(p, S4, S5);
    rv_mv(p, S5, T0);
    rv_csrw(p, CSR_SATP, S4);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    end(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A4] == 4 * ROUNDS * 21);
}

/* A loop over a page's end; that page is mapped twice, with another next page at each address. */
static void two_neighbours(bool straddles)
{
    const u64 first = 0x40000000, second = 0x50000000;
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, first, RV_BASE + 0x10000, PTE_RX);
    rv_map(p, root, first + 0x1000, RV_BASE + 0x11000, PTE_RX);
    rv_map(p, root, second, RV_BASE + 0x10000, PTE_RX);
    rv_map(p, root, second + 0x1000, RV_BASE + 0x12000, PTE_RX);
    begin(p, root);
    rv_li(p, S1, first + 0xfe0);
    rv_li(p, S2, second + 0xfe0);
    rv_li(p, S3, 4);
    rv_label(p, OUTER);
    rv_li(p, S5, ROUNDS);
    rv_jalr(p, RA, S1, 0);
    rv_li(p, S5, ROUNDS);
    rv_jalr(p, RA, S2, 0);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    end(p);
    rv_org(p, 0x10fe0);
    rv_label(p, LOOP);
    rv_addi(p, S5, S5, -1);
    if (straddles) {
        rv_half(p, 0x0001); /* c.nop */
    }
    while (p->at < 0x11000) {
        rv_xori(p, A4, A4, 1);
    }
    rv_addi(p, S6, S6, 1);
    rv_beq(p, S5, X0, NEXT);
    rv_j(p, LOOP);
    rv_label(p, NEXT);
    rv_ret(p);
    rv_finish(p);
    memcpy(p->image + 0x12000, p->image + 0x11000, 64);
    u32 at = straddles ? 0x12002 : 0x12000;
    p->image[at + 3] += 1; /* addi s6, s6, 17 */
    p->end = p->end < 0x12040 ? 0x12040 : p->end;
    struct guest_outcome outcome;
    guest_run_all(p, 1, &outcome);
    rv_free(p);
    cr_expect(outcome.x[S6] == 4 * ROUNDS * 18, "%llu", (unsigned long long)outcome.x[S6]);
}

Test(machine_trace_pages, loop_over_the_end_of_a_page_with_two_neighbours)
{
    two_neighbours(false);
}

Test(machine_trace_pages, instruction_over_the_end_of_a_page_with_two_neighbours)
{
    two_neighbours(true);
}

/* The function is patched while its loop is a trace: behind the fence.i it is the new one. Some of
 * its page is data that the loop writes. */
Test(machine_trace_pages, patched_in_the_other_page)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S0, RV_BASE + 0x24000);
    rv_li(p, S3, 8);
    rv_li(p, S5, ADDI_A0(1));
    rv_li(p, S6, 1 << 20);
    rv_label(p, OUTER);
    rv_sw(p, S5, S0, 4);
    rv_add(p, S5, S5, S6); /* one more each time */
    rv_word(p, RV_FENCE_I);
    call_often(p, LOOP);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    end(p);
    rv_org(p, 0x24000);
    rv_sd(p, A0, S0, 0x100);
    rv_word(p, ADDI_A0(0));
    rv_ret(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == ROUNDS * 36, "%llu", (unsigned long long)outcome.x[A0]);
}

/* Another hart patches the function; this one hears of it by a flag, fences, and must call the new
 * one. */
Test(machine_trace_pages, patched_by_another_hart)
{
    enum { FLAG = 0x40000, PATCHES = 12 };
    struct rv_program *p = rv_new();
    guest_start(p, 2, OTHERS, 0);
    rv_li(p, S0, RV_BASE + 0x24000);
    rv_li(p, S1, RV_BASE + FLAG);
    rv_li(p, S4, PATCHES);
    rv_label(p, LOOP);
    rv_li(p, A0, 0);
    rv_jalr(p, RA, S0, 0);
    rv_bgeu(p, A0, S7, NEXT); /* at least as new as the last fence's */
    rv_addi(p, S8, S8, 1);
    rv_label(p, NEXT);
    rv_ld(p, A1, S1, 0);
    rv_beq(p, A1, S7, LOOP);
    rv_word(p, RV_FENCE_I);
    rv_li(p, A0, 0);
    rv_jalr(p, RA, S0, 0);
    rv_mv(p, S7, A1);
    rv_beq(p, A0, S7, CHECK_IT);
    rv_addi(p, S8, S8, 1);
    rv_label(p, CHECK_IT);
    rv_sd(p, A1, S1, 8);
    rv_bne(p, S7, S4, LOOP);
    guest_result(p, 0, S7);
    guest_result(p, 1, S8);
    rv_j(p, DONE);
    rv_label(p, OTHERS);
    rv_li(p, S0, RV_BASE + 0x24000);
    rv_li(p, S1, RV_BASE + FLAG);
    rv_li(p, S5, ADDI_A0(1));
    rv_li(p, S6, 1 << 20);
    rv_label(p, OUTER);
    rv_li(p, S2, 3000); /* so that the other one's loop is a trace again */
    rv_label(p, COUNT);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, COUNT);
    rv_sw(p, S5, S0, 0);
    rv_add(p, S5, S5, S6);
    rv_word(p, RV_FENCE);
    rv_addi(p, S3, S3, 1);
    rv_sd(p, S3, S1, 0);
    rv_label(p, WAIT);
    rv_ld(p, A1, S1, 8);
    rv_bne(p, A1, S3, WAIT);
    rv_j(p, OUTER);
    end(p);
    rv_org(p, 0x24000);
    rv_word(p, ADDI_A0(0));
    rv_ret(p);
    struct guest_outcome outcome;
    guest_finish(p, 2, &outcome);
    cr_expect(outcome.words[0] == PATCHES && outcome.words[1] == 0);
}

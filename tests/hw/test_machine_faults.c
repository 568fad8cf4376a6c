/* Precise faults in every engine mode: what the trap reports, and what
 * the instructions before it left. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { START, TRAP, SUPER, L1, L2, L3, L4, L5, L6, L7, L8, L9 };

#define NOWHERE 0x11000000u /* no device, no memory */

/* Everything up to the first S-mode instruction; traps are recorded from result word 0 on. */
static void begin(struct rv_program *p, u32 root)
{
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    if (root != 0) {
        rv_li(p, T0, rv_satp(root, 1));
        rv_csrw(p, CSR_SATP, T0);
        rv_mret_to(p, 1, SUPER);
        rv_label(p, SUPER);
    }
}

static void end(struct rv_program *p)
{
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    guest_record_trap(p);
}

static void expect_trap(const struct guest_outcome *outcome, unsigned index, u64 cause, u64 tval,
                        u64 epc)
{
    cr_expect(outcome->words[3 * index] == cause, "trap %u: cause %llu", index,
              (unsigned long long)outcome->words[3 * index]);
    cr_expect(outcome->words[3 * index + 1] == tval, "trap %u: tval 0x%llx", index,
              (unsigned long long)outcome->words[3 * index + 1]);
    cr_expect(outcome->words[3 * index + 2] == epc, "trap %u: epc 0x%llx", index,
              (unsigned long long)outcome->words[3 * index + 2]);
}

/* `addi a0, a0, imm` split over two pages; the second is absent, then one page, then another. */
Test(machine_faults, instruction_over_a_page_end)
{
    enum { FIRST = 0x20000, SECOND = 0x30000, OTHER = 0x32000 };
    const u64 gva = 0x40000000;
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, gva, RV_BASE + FIRST, PTE_RX);
    rv_map(p, root, gva + PAGE_BYTES, RV_BASE + SECOND, 0);
    u64 pte = rv_pte_address(p, root, gva + PAGE_BYTES);
    begin(p, root);
    rv_li(p, A0, 0);
    rv_li(p, S0, gva + 0xffc);
    rv_la(p, S10, L1);
    rv_jalr(p, RA, S0, 0);
    rv_label(p, L1);
    rv_li(p, T0, pte);
    rv_li(p, T1, (RV_BASE + SECOND) >> 12 << 10 | PTE_RX);
    rv_sd(p, T1, T0, 0);
    rv_li(p, T2, gva + PAGE_BYTES);
    rv_sfence_vma(p, X0, T2, X0);
    rv_jalr(p, RA, S0, 0);
    rv_li(p, T1, (RV_BASE + OTHER) >> 12 << 10 | PTE_RX);
    rv_sd(p, T1, T0, 0);
    rv_sfence_vma(p, X0, T2, X0);
    rv_jalr(p, RA, S0, 0);
    end(p);
    rv_org(p, FIRST + 0xffc);
    rv_half(p, 0x0001);
    rv_addi(p, A0, A0, 1); /* its second half lands where the program does not look */
    rv_org(p, SECOND);
    rv_half(p, 0x0015); /* imm 1, rs1 a0 */
    rv_ret(p);
    rv_org(p, OTHER);
    rv_half(p, 0x0645); /* imm 100, rs1 a0 */
    rv_ret(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    expect_trap(&outcome, 0, 12, gva + PAGE_BYTES, gva + 0xffe);
    cr_expect(outcome.x[A0] == 101, "a0 is %llu", (unsigned long long)outcome.x[A0]);
}

Test(machine_faults, compressed_instruction_at_a_page_end)
{
    enum { FIRST = 0x20000 };
    const u64 gva = 0x40000000;
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, gva, RV_BASE + FIRST, PTE_RX);
    rv_map(p, root, gva + PAGE_BYTES, RV_BASE, 0);
    begin(p, root);
    rv_li(p, A0, 0);
    rv_li(p, S0, gva + 0xffc);
    rv_la(p, S10, L1);
    rv_jalr(p, RA, S0, 0);
    rv_label(p, L1);
    end(p);
    rv_org(p, FIRST + 0xffc);
    rv_half(p, 0x0505); /* c.addi a0, 1 */
    rv_half(p, 0x0509); /* c.addi a0, 2: runs before the next page faults */
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    expect_trap(&outcome, 0, 12, gva + PAGE_BYTES, gva + PAGE_BYTES);
    cr_expect(outcome.x[A0] == 3);
}

Test(machine_faults, store_that_faults_after_register_writes)
{
    const u64 gva = 0x40000000;
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, gva, RV_BASE + 0x20000, PTE_V | PTE_R | PTE_A); /* read-only */
    begin(p, root);
    rv_li(p, S0, gva);
    rv_la(p, S10, L2);
    rv_li(p, A0, 1);
    rv_addi(p, A0, A0, 41);
    rv_addi(p, A1, A0, 1);
    rv_label(p, L1);
    rv_sd(p, A0, S0, 24);
    rv_li(p, A0, 7); /* not reached */
    rv_li(p, A1, 7);
    rv_label(p, L2);
    rv_la(p, S10, L4);
    rv_mv(p, A2, S0);
    rv_label(p, L3);
    rv_ld(p, A2, A2, -8); /* unmapped: the destination, which is the base too, stays */
    rv_label(p, L4);
    end(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    expect_trap(&outcome, 0, 15, gva + 24, outcome.words[2]);
    expect_trap(&outcome, 1, 13, gva - 8, outcome.words[5]);
    cr_expect(outcome.x[A0] == 42 && outcome.x[A1] == 43 && outcome.x[A2] == gva);
    cr_expect(outcome.words[2] > RV_BASE && outcome.words[5] > outcome.words[2]);
}

/* Results to x0 vanish; effects and faults do not. */
Test(machine_faults, x0_as_destination)
{
    struct rv_program *p = rv_new();
    begin(p, 0);
    rv_li(p, S0, GUEST_RESULTS + 0x100);
    rv_li(p, S1, NOWHERE);
    rv_li(p, A0, 5);
    rv_sd(p, A0, S0, 0);
    rv_addi(p, X0, A0, 1);
    rv_mul(p, X0, A0, A0);
    rv_div(p, X0, A0, X0);
    rv_lui(p, X0, 0x12345);
    rv_ld(p, X0, S0, 0);
    rv_amoadd_d(p, X0, S0, X0);
    rv_lr_d(p, X0, S0);
    rv_sc_d(p, X0, S0, A0);
    rv_jal(p, X0, L1);
    rv_label(p, L1);
    rv_la(p, S10, L2);
    rv_ld(p, X0, S1, 0);
    rv_label(p, L2);
    rv_la(p, S10, L3);
    rv_amoswap_d(p, X0, S1, A0);
    rv_label(p, L3);
    rv_mv(p, A1, X0);
    rv_add(p, A2, X0, X0);
    end(p);
    struct guest_outcome outcome;
    rv_finish(p);
    guest_run_all(p, 1, &outcome);
    rv_free(p);
    cr_expect(outcome.x[A1] == 0 && outcome.x[A2] == 0);
    cr_expect(outcome.words[32] == 5);
}

struct atomic_case {
    void (*emit)(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1, enum rv_reg rs2);
    u64 page_fault, access_fault, misaligned;
};

static void emit_lr(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1, enum rv_reg rs2)
{
    (void)rs2;
    rv_lr_d(p, rd, rs1);
}

static const struct atomic_case atomic_cases[] = {
    { rv_amoadd_d, 15, 7, 6 },
    { rv_amoswap_d, 15, 7, 6 },
    { rv_sc_d, 15, 7, 6 },
    { emit_lr, 13, 5, 4 },
};

/* Each atomic at: an unmapped page, a page that may only be read, nothing, a misaligned address. */
static void atomic_faults(const struct atomic_case *test, bool may_read)
{
    const u64 gva = 0x40000000;
    const u64 at[4] = { gva + 0x2000, gva + 8, gva + 0x1000, GUEST_RESULTS + 0x104 };
    const u64 cause[4] = { test->page_fault, test->page_fault, test->access_fault,
                           test->misaligned };
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, gva, RV_BASE + 0x20000, PTE_V | PTE_R | PTE_A);
    rv_map(p, root, gva + PAGE_BYTES, NOWHERE, PTE_RW);
    begin(p, root);
    rv_li(p, A0, 77);
    for (unsigned i = 0; i < 4; i++) {
        rv_la(p, S10, L1 + i);
        rv_li(p, S0, at[i]);
        test->emit(p, A0, S0, A0);
        rv_label(p, L1 + i);
    }
    end(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    unsigned trap = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (i == 1 && may_read) {
            continue;
        }
        expect_trap(&outcome, trap, cause[i], at[i], outcome.words[3 * trap + 2]);
        trap++;
    }
    cr_expect(outcome.words[3 * trap] == 0, "one trap too many");
    cr_expect(may_read || outcome.x[A0] == 77);
}

Test(machine_faults, amo_faults_are_stores)
{
    atomic_faults(&atomic_cases[0], false);
    atomic_faults(&atomic_cases[1], false);
}

Test(machine_faults, store_conditional_faults_are_stores)
{
    atomic_faults(&atomic_cases[2], false);
}

Test(machine_faults, load_reserved_faults_are_loads)
{
    atomic_faults(&atomic_cases[3], true);
}

/* RAM ends in the middle of a misaligned access; so does the reset vector's ROM. */
Test(machine_faults, access_over_the_end_of_ram)
{
    const u64 end_of_ram = RV_BASE + (16 << 20);
    struct rv_program *p = rv_new();
    begin(p, 0);
    rv_li(p, S0, end_of_ram - 4);
    rv_li(p, A0, 0x1122334455667788);
    rv_la(p, S10, L1);
    rv_ld(p, A1, S0, 0);
    rv_label(p, L1);
    rv_la(p, S10, L2);
    rv_sd(p, A0, S0, 0);
    rv_label(p, L2);
    rv_lw(p, A2, S0, 0); /* whole inside: works */
    rv_la(p, S10, L3);
    rv_lw(p, A3, S0, 2);
    rv_label(p, L3);
    rv_li(p, S0, 0x10000 - 4); /* ROM, then nothing */
    rv_la(p, S10, L4);
    rv_ld(p, A1, S0, 0);
    rv_label(p, L4);
    rv_li(p, S0, RV_BASE - 4); /* PCI memory where no BAR lies, then RAM */
    rv_la(p, S10, L5);
    rv_ld(p, A4, S0, 0);
    rv_label(p, L5);
    end(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    static const u64 causes[4] = { 5, 7, 5, 5 };
    for (unsigned i = 0; i < ARRAY_LEN(causes); i++) {
        cr_expect(outcome.words[3 * i] == causes[i], "trap %u has cause %llu", i,
                  (unsigned long long)outcome.words[3 * i]);
    }
    cr_expect(outcome.words[12] == 0, "one trap too many");
    cr_expect_eq(outcome.x[A4] & UINT32_MAX, UINT32_MAX);
}

/* The same instruction with FS off, then on: the off state is part of what code means. */
Test(machine_faults, floating_point_off)
{
    struct rv_program *p = rv_new();
    begin(p, 0);
    rv_li(p, S0, GUEST_RESULTS + 0x100);
    rv_li(p, S1, 0);
    rv_li(p, A0, 0x4045000000000000);
    rv_sd(p, A0, S0, 0);
    rv_li(p, T0, 3u << 13);
    rv_csrc(p, CSR_MSTATUS, T0);
    rv_label(p, L1);
    rv_la(p, S10, L2);
    rv_fld(p, 5, S0, 0);
    rv_fsd(p, 5, S0, 8);
    rv_label(p, L2);
    rv_li(p, T0, 1u << 13); /* Initial */
    rv_csrs(p, CSR_MSTATUS, T0);
    rv_addi(p, S1, S1, 1);
    rv_li(p, T1, 2);
    rv_bltu(p, S1, T1, L1);
    rv_csrr(p, A1, CSR_MSTATUS);
    rv_li(p, T0, 3u << 13);
    rv_and(p, A1, A1, T0);
    rv_csrc(p, CSR_MSTATUS, T0);
    rv_la(p, S10, L3);
    rv_csrr(p, A2, CSR_FCSR);
    rv_label(p, L3);
    end(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.words[0] == 2 && outcome.words[3] == 2);
    cr_expect(outcome.words[6] == 0, "two traps, no more");
    cr_expect(outcome.words[33] == 0x4045000000000000);
    cr_expect(outcome.x[A1] == 3u << 13, "FS is not dirty");
}

/* An AMO on a device that refuses reads reports as a store; the UART answers byte reads only. */
Test(machine_faults, amo_on_nothing_and_on_a_device)
{
    struct rv_program *p = rv_new();
    begin(p, 0);
    rv_li(p, A0, 1);
    rv_li(p, S0, NOWHERE);
    rv_la(p, S10, L1);
    rv_amoadd_w(p, A1, S0, A0);
    rv_label(p, L1);
    rv_li(p, S0, 0x02000000); /* msip of hart 0: an ordinary device register */
    rv_la(p, S10, L2);
    rv_amoor_w(p, A2, S0, A0);
    rv_lw(p, A3, S0, 0);
    rv_sw(p, X0, S0, 0);
    rv_label(p, L2);
    end(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    expect_trap(&outcome, 0, 7, NOWHERE, outcome.words[2]);
    cr_expect(outcome.words[3] == 0 || outcome.words[3] == 7);
}

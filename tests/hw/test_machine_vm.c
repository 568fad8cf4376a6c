/* Translation changed under running code, in every engine mode. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, SUPER, L1, L2, L3, L4, L5 };
enum { PAGE_A = 0x20000, PAGE_B = 0x21000, CODE_A = 0x22000, CODE_B = 0x23000 };
#define GVA 0x40000000u

static void begin(struct rv_program *p, u32 root)
{
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_mret_to(p, 1, SUPER);
    rv_label(p, SUPER);
}

static void end(struct rv_program *p, struct guest_outcome *outcome)
{
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    guest_record_trap(p);
    rv_org(p, PAGE_A);
    rv_dword(p, 0xaaaa);
    rv_org(p, PAGE_B);
    rv_dword(p, 0xbbbb);
    rv_org(p, CODE_A);
    rv_li(p, A0, 0xa);
    rv_ret(p);
    rv_org(p, CODE_B);
    rv_li(p, A0, 0xb);
    rv_ret(p);
    rv_finish(p);
    guest_run_all(p, 1, outcome);
    rv_free(p);
}

static u64 leaf(u32 page, u32 flags)
{
    return (u64)(RV_BASE + page) >> 12 << 10 | flags;
}

/* Load, new page-table entry, sfence.vma, load: one straight run of code. */
Test(machine_vm, sfence_in_the_running_block)
{
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, GVA, RV_BASE + PAGE_A, PTE_RW);
    begin(p, root);
    rv_li(p, S0, GVA);
    rv_li(p, S1, rv_pte_address(p, root, GVA));
    rv_li(p, S2, leaf(PAGE_B, PTE_RW));
    rv_li(p, S3, leaf(PAGE_A, PTE_RW));
    rv_ld(p, A0, S0, 0);
    rv_sd(p, S2, S1, 0);
    rv_sfence_vma(p, X0, S0, X0); /* this page */
    rv_ld(p, A1, S0, 0);
    rv_sd(p, S3, S1, 0);
    rv_sfence_vma(p, X0, X0, X0); /* all */
    rv_ld(p, A2, S0, 0);
    rv_sd(p, S2, S1, 0);
    rv_li(p, T0, 1);
    rv_sfence_vma(p, X0, X0, T0); /* this ASID */
    rv_ld(p, A3, S0, 0);
    rv_sd(p, S3, S1, 0);
    rv_sfence_vma(p, X0, S0, T0); /* this page of this ASID */
    rv_ld(p, A4, S0, 0);
    rv_sd(p, X0, S0, 8);
    struct guest_outcome outcome;
    end(p, &outcome);
    cr_expect(outcome.x[A0] == 0xaaaa && outcome.x[A1] == 0xbbbb && outcome.x[A2] == 0xaaaa &&
              outcome.x[A3] == 0xbbbb && outcome.x[A4] == 0xaaaa);
}

/* Svvptc: what was not mapped is, as soon as an entry of any level has become valid, with no fence;
 * for loads, stores and code. */
Test(machine_vm, valid_without_a_fence)
{
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, GVA, RV_BASE + PAGE_A, PTE_RW);
    rv_map(p, root, GVA + PAGE_BYTES, RV_BASE + CODE_A, PTE_RX);
    begin(p, root);
    rv_li(p, S0, GVA);
    rv_li(p, S9, GVA + PAGE_BYTES);
    rv_li(p, S3, 0);
    rv_li(p, S4, 0);
    rv_li(p, S5, 6); /* rounds: each entry in turn */
    rv_li(p, S6, rv_pte_address(p, root, GVA));
    rv_li(p, S7, rv_pte_address(p, root, GVA + PAGE_BYTES));
    rv_li(p, S8, RV_BASE + root + (GVA >> 30) * 8);
    rv_li(p, A4, 0);
    rv_label(p, L1);
    rv_mv(p, S1, S6); /* they move one place on */
    rv_mv(p, S6, S7);
    rv_mv(p, S7, S8);
    rv_mv(p, S8, S1);
    rv_ld(p, S2, S1, 0);
    rv_sd(p, X0, S1, 0);
    rv_sfence_vma(p, X0, X0, X0);
    rv_la(p, S10, L2);
    rv_ld(p, A1, S0, 0);
    rv_addi(p, S4, S4, 1);
    rv_label(p, L2);
    rv_la(p, S10, L3);
    rv_jalr(p, RA, S9, 0);
    rv_addi(p, S3, S3, 1);
    rv_label(p, L3);
    rv_sd(p, S2, S1, 0);
    rv_la(p, S10, L4);
    rv_ld(p, A2, S0, 0);
    rv_sd(p, A2, S0, 8);
    rv_jalr(p, RA, S9, 0);
    rv_add(p, A4, A4, A0);
    rv_label(p, L4);
    rv_addi(p, S5, S5, -1);
    rv_bne(p, S5, X0, L1);
    struct guest_outcome outcome;
    end(p, &outcome);
    cr_expect_eq(outcome.x[A2], 0xaaaa);
    cr_expect_eq(outcome.x[A4], 6 * 0xa, "%llu", (unsigned long long)outcome.x[A4]);
    cr_expect_eq(outcome.x[S3], 2, "code ran only where another page's entry was not valid");
    cr_expect_eq(outcome.x[S4], 2, "the same for the load");
}

/* Permissions taken away are gone after the fence: a store that worked faults. */
Test(machine_vm, write_permission_taken_away)
{
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, GVA, RV_BASE + PAGE_A, PTE_RW);
    begin(p, root);
    rv_li(p, S0, GVA);
    rv_li(p, S1, rv_pte_address(p, root, GVA));
    rv_li(p, S2, leaf(PAGE_A, PTE_V | PTE_R | PTE_A));
    rv_la(p, S10, L1);
    rv_sd(p, S0, S0, 16);
    rv_sd(p, S2, S1, 0);
    rv_sfence_vma(p, X0, S0, X0);
    rv_sd(p, X0, S0, 16);
    rv_label(p, L1);
    rv_ld(p, A0, S0, 16);
    struct guest_outcome outcome;
    end(p, &outcome);
    cr_expect(outcome.words[0] == 15 && outcome.words[1] == GVA + 16);
    cr_expect(outcome.x[A0] == GVA);
}

/* Two address spaces with the same data and code addresses, switched to and fro without a fence:
 * their ASIDs differ. */
Test(machine_vm, satp_in_the_running_block)
{
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    u32 other = guest_identity_table(p);
    rv_map(p, root, GVA, RV_BASE + PAGE_A, PTE_RW);
    rv_map(p, other, GVA, RV_BASE + PAGE_B, PTE_RW);
    rv_map(p, root, GVA + PAGE_BYTES, RV_BASE + CODE_A, PTE_RX);
    rv_map(p, other, GVA + PAGE_BYTES, RV_BASE + CODE_B, PTE_RX);
    begin(p, root);
    rv_li(p, S0, GVA);
    rv_li(p, S1, GVA + PAGE_BYTES);
    rv_li(p, S2, rv_satp(root, 1));
    rv_li(p, S3, rv_satp(other, 2));
    rv_li(p, S4, 100);
    rv_li(p, A4, 0);
    rv_label(p, L1);
    rv_csrw(p, CSR_SATP, S3);
    rv_ld(p, A1, S0, 0);
    rv_jalr(p, RA, S1, 0);
    rv_add(p, A4, A4, A0);
    rv_mv(p, A2, A0);
    rv_csrw(p, CSR_SATP, S2);
    rv_ld(p, A3, S0, 0);
    rv_jalr(p, RA, S1, 0);
    rv_add(p, A4, A4, A0);
    rv_addi(p, S4, S4, -1);
    rv_bne(p, S4, X0, L1);
    struct guest_outcome outcome;
    end(p, &outcome);
    cr_expect(outcome.x[A1] == 0xbbbb && outcome.x[A2] == 0xb);
    cr_expect(outcome.x[A3] == 0xaaaa && outcome.x[A0] == 0xa);
    cr_expect(outcome.x[A4] == 100 * (0xa + 0xb));
}

/* A direct jump into the next page is linked; then that page is mapped elsewhere. */
Test(machine_vm, linked_jump_into_a_remapped_page)
{
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    const u64 code = GVA + 0x10000;
    rv_map(p, root, code, RV_BASE + 0x24000, PTE_RX);
    rv_map(p, root, code + PAGE_BYTES, RV_BASE + CODE_A, PTE_RX);
    begin(p, root);
    rv_li(p, S0, code + 0x800);
    rv_li(p, S1, rv_pte_address(p, root, code + PAGE_BYTES));
    rv_li(p, S2, leaf(CODE_A, PTE_RX));
    rv_li(p, S3, leaf(CODE_B, PTE_RX));
    rv_li(p, S4, 50);
    rv_li(p, S5, code + PAGE_BYTES);
    rv_li(p, A4, 0);
    rv_label(p, L1);
    for (unsigned i = 0; i < 3; i++) {
        rv_jalr(p, RA, S0, 0);
        rv_add(p, A4, A4, A0);
    }
    rv_sd(p, S3, S1, 0);
    rv_sfence_vma(p, X0, S5, X0);
    rv_jalr(p, RA, S0, 0);
    rv_add(p, A4, A4, A0);
    rv_sd(p, S2, S1, 0);
    rv_sfence_vma(p, X0, X0, X0);
    rv_addi(p, S4, S4, -1);
    rv_bne(p, S4, X0, L1);
    rv_exit(p);
    rv_org(p, 0x24000 + 0x800);
    rv_word(p, 0x0000006f | 1u << 20); /* j +0x800: bit 11 of the offset is bit 20 */
    rv_org(p, 0x8000);
    struct guest_outcome outcome;
    end(p, &outcome);
    cr_expect(outcome.x[A4] == 50 * (3 * 0xa + 0xb));
}

/* One physical code page at two virtual addresses of one address space, with another next page at
 * each: a link over the page's end that was proved at the first must not be believed at the
 * second. */
Test(machine_vm, one_page_with_two_neighbours)
{
    const u64 first = 0x40000000, second = 0x50000000;
    struct rv_program *p = rv_new();
    u32 root = rv_table_new(p);
    guest_start(p, 1, 0, 0);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_mret_to(p, 1, SUPER);
    rv_label(p, SUPER);
    rv_li(p, S1, first);
    rv_li(p, S2, second);
    rv_li(p, S5, 30);
    rv_label(p, L1);
    rv_jalr(p, RA, S1, 0);
    rv_jalr(p, RA, S2, 0);
    rv_addi(p, S5, S5, -1);
    rv_bne(p, S5, X0, L1);
    guest_result(p, 0, S6);
    guest_result(p, 1, S7);
    rv_exit(p);
    rv_org(p, 0x10000);
    rv_addi(p, S0, S0, 1);
    rv_word(p, 0x00c0106f); /* j .+0x100c: to offset 0x10 of the next page */
    rv_org(p, 0x11010);
    rv_addi(p, S6, S6, 1);
    rv_ret(p);
    rv_org(p, 0x12010);
    rv_addi(p, S7, S7, 1);
    rv_ret(p);
    rv_finish(p);
    for (u64 page = 0; page < 0x90000; page += 0x1000) {
        rv_map(p, root, RV_BASE + page, RV_BASE + page, PTE_RWX);
    }
    rv_map(p, root, 0x100000, 0x100000, PTE_RW);
    rv_map(p, root, first, RV_BASE + 0x10000, PTE_RX);
    rv_map(p, root, first + 0x1000, RV_BASE + 0x11000, PTE_RX);
    rv_map(p, root, second, RV_BASE + 0x10000, PTE_RX);
    rv_map(p, root, second + 0x1000, RV_BASE + 0x12000, PTE_RX);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        struct guest_outcome outcome;
        guest_run(p, &guest_modes[i], 1, &outcome);
        cr_expect(outcome.words[0] == 30 && outcome.words[1] == 30, "%s: %d %d",
                  guest_modes[i].name, (int)outcome.words[0], (int)outcome.words[1]);
    }
    rv_free(p);
}

/* M-mode loads through S-mode's translation while MPRV is set, physically when it is not. */
Test(machine_vm, mprv_on_and_off)
{
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    const u64 gva = RV_BASE + 0x100000 + PAGE_A; /* physical RAM as well, with zeros */
    rv_map(p, root, gva, RV_BASE + PAGE_B, PTE_RW);
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_li(p, S0, gva);
    rv_li(p, S1, 1u << 17 | 1u << 11); /* MPRV, MPP = S */
    rv_li(p, S2, 30);
    rv_li(p, A2, 0);
    rv_li(p, A3, 0);
    rv_label(p, L1);
    rv_ld(p, A0, S0, 0);
    rv_csrs(p, CSR_MSTATUS, S1);
    rv_ld(p, A1, S0, 0);
    rv_csrc(p, CSR_MSTATUS, S1);
    rv_add(p, A2, A2, A0);
    rv_add(p, A3, A3, A1);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, L1);
    struct guest_outcome outcome;
    end(p, &outcome);
    cr_expect(outcome.x[A2] == 0 && outcome.x[A3] == 30 * 0xbbbb);
}

/* SUM: S-mode may touch a user page only while it is set. MXR: executable pages become readable. */
Test(machine_vm, sum_and_mxr)
{
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, GVA, RV_BASE + PAGE_A, PTE_RW | PTE_U);
    rv_map(p, root, GVA + PAGE_BYTES, RV_BASE + PAGE_B, PTE_V | PTE_X | PTE_A);
    begin(p, root);
    rv_li(p, S0, GVA);
    rv_li(p, S1, GVA + PAGE_BYTES);
    rv_li(p, S2, 1u << 18); /* SUM */
    rv_li(p, S3, 1u << 19); /* MXR */
    for (unsigned i = 0; i < 2; i++) {
        rv_la(p, S10, L1 + 2 * i);
        rv_ld(p, A0, S0, 0); /* faults */
        rv_label(p, L1 + 2 * i);
        rv_csrs(p, 0x100, S2);
        rv_ld(p, A0, S0, 0);
        rv_csrc(p, 0x100, S2);
        rv_la(p, S10, L2 + 2 * i);
        rv_ld(p, A1, S1, 0); /* faults */
        rv_label(p, L2 + 2 * i);
        rv_csrs(p, 0x100, S3);
        rv_ld(p, A1, S1, 0);
        rv_csrc(p, 0x100, S3);
    }
    struct guest_outcome outcome;
    end(p, &outcome);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect(outcome.words[3 * i] == 13, "trap %u", i);
        cr_expect(outcome.words[3 * i + 1] == (i % 2 ? GVA + PAGE_BYTES : GVA), "trap %u", i);
    }
    cr_expect(outcome.words[12] == 0 && outcome.x[A0] == 0xaaaa && outcome.x[A1] == 0xbbbb);
}

/* Physical protection cuts a page: its code runs, one instruction at a time, up to the cut; its
 * data can be reached up to the cut; nothing of it is cached. */
Test(machine_vm, page_that_pmp_cuts)
{
    enum { CUT = CODE_A + 0x800 };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_li(p, T0, (u64)(RV_BASE + CUT) >> 2 | 0xff); /* NAPOT, 2 KiB, nothing allowed */
    rv_csrw(p, CSR_PMPADDR0, T0);
    rv_li(p, T0, ~(u64)0);
    rv_csrw(p, CSR_PMPADDR0 + 1, T0);
    rv_li(p, T0, 0x1f18);
    rv_csrw(p, CSR_PMPCFG0, T0);
    rv_mret_to(p, 1, SUPER);
    rv_label(p, SUPER);
    rv_li(p, S0, RV_BASE + CODE_A);
    rv_li(p, S1, RV_BASE + CUT);
    rv_li(p, S2, 5);
    rv_li(p, A1, 0);
    rv_label(p, L1);
    rv_jalr(p, RA, S0, 0);
    rv_add(p, A1, A1, A0);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, L1);
    rv_ld(p, A2, S1, -8);
    rv_la(p, S10, L2);
    rv_ld(p, A3, S1, 0);
    rv_label(p, L2);
    rv_la(p, S10, L3);
    rv_ld(p, A3, S1, -4);
    rv_label(p, L3);
    rv_la(p, S10, L4);
    rv_sb(p, A3, S1, 0);
    rv_label(p, L4);
    rv_la(p, S10, L5);
    rv_jalr(p, RA, S1, -8);
    rv_label(p, L5);
    rv_exit(p);
    rv_org(p, CUT - 8);
    rv_nop(p);
    rv_li(p, A4, 4);
    rv_org(p, 0x8000);
    struct guest_outcome outcome;
    end(p, &outcome);
    static const u64 causes[4] = { 5, 5, 7, 1 };
    for (unsigned i = 0; i < 4; i++) {
        cr_expect(outcome.words[3 * i] == causes[i], "trap %u has cause %llu", i,
                  (unsigned long long)outcome.words[3 * i]);
    }
    cr_expect(outcome.words[10] == RV_BASE + CUT && outcome.words[11] == RV_BASE + CUT);
    cr_expect(outcome.words[12] == 0, "one trap too many");
    cr_expect(outcome.x[A1] == 5 * 0xa && outcome.x[A4] == 4);
}

enum { CBO_ZERO_T0 = 0x0042a00f, ENVCFG_CBZE = 1 << 7, CSR_SENVCFG = 0x10a };

/* The last block of a page, by an address inside it: what is beside it stays. Then without
 * permission to write, at the same place of the program: the address is the one that was given. */
Test(machine_vm, block_of_zeros)
{
    struct rv_program *p = rv_new();
    struct guest_outcome outcome;
    u32 root = guest_identity_table(p);
    rv_map(p, root, GVA, RV_BASE + PAGE_A, PTE_RW);
    rv_map(p, root, GVA + PAGE_BYTES, RV_BASE + PAGE_B, PTE_RW);
    rv_li(p, T0, ENVCFG_CBZE);
    rv_csrw(p, CSR_MENVCFG, T0);
    begin(p, root);
    rv_li(p, S0, GVA + PAGE_BYTES - 64);
    rv_li(p, S1, rv_pte_address(p, root, GVA));
    rv_li(p, S2, leaf(PAGE_A, PTE_RX));
    rv_la(p, S10, L2);
    rv_li(p, A0, 0x1111111111111111);
    rv_addi(p, T0, S0, 37);
    rv_label(p, L1);
    rv_sd(p, A0, S0, -8);
    rv_sd(p, A0, S0, 0);
    rv_sd(p, A0, S0, 56);
    rv_sd(p, A0, S0, 64);
    rv_label(p, L3);
    rv_word(p, CBO_ZERO_T0);
    rv_ld(p, A1, S0, -8);
    rv_ld(p, A2, S0, 0);
    rv_ld(p, A3, S0, 56);
    rv_ld(p, A4, S0, 64);
    rv_addi(p, S3, S3, 1);
    rv_addi(p, S4, S3, -3);
    rv_bne(p, S4, X0, L1);
    rv_sd(p, A0, S0, 0);
    rv_sd(p, S2, S1, 0);
    rv_sfence_vma(p, X0, S0, X0);
    rv_j(p, L3);
    rv_label(p, L2);
    rv_ld(p, A5, S0, 0);
    end(p, &outcome);
    cr_expect_eq(outcome.x[A1], outcome.x[A0]);
    cr_expect_eq(outcome.x[A2], 0);
    cr_expect_eq(outcome.x[A3], 0);
    cr_expect_eq(outcome.x[A4], outcome.x[A0]);
    cr_expect_eq(outcome.x[A5], outcome.x[A0], "nothing is written with a fault");
    cr_expect_eq(outcome.x[S3], 3);
    cr_expect_eq(outcome.words[0], 15, "a store page fault, not %llu",
                 (unsigned long long)outcome.words[0]);
    cr_expect_eq(outcome.words[1], GVA + PAGE_BYTES - 64 + 37);
}

static void zero_in_user_mode(u64 menvcfg, u64 senvcfg, struct guest_outcome *outcome)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_li(p, T0, menvcfg);
    rv_csrw(p, CSR_MENVCFG, T0);
    rv_li(p, T0, senvcfg);
    rv_csrw(p, CSR_SENVCFG, T0);
    rv_la(p, S10, L2);
    rv_li(p, T0, RV_BASE + PAGE_A);
    rv_li(p, S0, 3);
    rv_mret_to(p, 0, L1);
    rv_label(p, L1);
    rv_sd(p, S0, T0, 8);
    rv_word(p, CBO_ZERO_T0);
    rv_ld(p, A0, T0, 8);
    rv_addi(p, S0, S0, -1);
    rv_bne(p, S0, X0, L1);
    rv_label(p, L2);
    end(p, outcome);
}

/* Each of the two registers can forbid it. */
Test(machine_vm, block_of_zeros_permitted)
{
    struct guest_outcome outcome;
    zero_in_user_mode(ENVCFG_CBZE, ENVCFG_CBZE, &outcome);
    cr_expect_eq(outcome.x[A0], 0);
    cr_expect_eq(outcome.x[S0], 0);
    for (unsigned which = 0; which < 2; which++) {
        zero_in_user_mode(which == 0 ? ENVCFG_CBZE : 0, which == 0 ? 0 : ENVCFG_CBZE, &outcome);
        cr_expect_eq(outcome.x[S0], 3);
        cr_expect_eq(outcome.words[0], 2, "illegal, not %llu",
                     (unsigned long long)outcome.words[0]);
        cr_expect_eq(outcome.words[1], CBO_ZERO_T0);
    }
}

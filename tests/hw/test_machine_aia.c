/* Messages between harts and to oneself, and base address registers that move under another hart's
 * accesses, in every engine mode. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { OTHERS = 1, TRAP, L1, L2, L3, L4, L5, L6 };

enum { CSR_MISELECT = 0x350, CSR_MIREG = 0x351, CSR_MTOPEI = 0x35c, CSR_MTOPI = 0xfb0,
       MIE_MEIE = 0x800, MSTATUS_MIE = 8, NUMBER = 5, ROUNDS = 200 };

#define IMSIC_M 0x24000000u
#define ECAM_SLOT1 0x30008000u
#define PCI_MEMORY64 ((u64)0x400000000)

static void with_imsics(struct metic_options *options)
{
    options->machine = "virt,aia=aplic-imsic";
}

static void with_pci(struct metic_options *options)
{
    options->virtio_pci = true;
}

static void write_file(struct rv_program *p, u32 select, u64 value)
{
    rv_li(p, T0, select);
    rv_csrw(p, CSR_MISELECT, T0);
    rv_li(p, T0, value);
    rv_csrw(p, CSR_MIREG, T0);
}

/* This hart's file takes message NUMBER; the interrupt is enabled for itself, not globally. */
static void open_file(struct rv_program *p)
{
    write_file(p, 0x72, 0);
    write_file(p, 0xc0, (u64)1 << NUMBER);
    write_file(p, 0x70, 1);
    rv_li(p, T0, MIE_MEIE);
    rv_csrw(p, CSR_MIE, T0);
}

/* Sleeps until a message came, and claims it into a0. Two labels are the caller's. */
static void wait_message(struct rv_program *p, unsigned again, unsigned done)
{
    rv_label(p, again);
    rv_csrrw(p, A0, CSR_MTOPEI, X0);
    rv_bne(p, A0, X0, done);
    rv_word(p, RV_WFI);
    rv_j(p, again);
    rv_label(p, done);
}

/* Each hart sends when it was sent to: nothing may be lost, and nothing comes twice. */
Test(machine_aia, messages_between_harts)
{
    struct rv_program *p = rv_new();
    guest_start(p, 2, OTHERS, 0);
    open_file(p);
    rv_li(p, S0, IMSIC_M + 0x1000);
    rv_li(p, S1, NUMBER);
    rv_li(p, S2, 0);
    rv_li(p, S3, 0);
    rv_li(p, S4, ROUNDS);
    rv_label(p, L1);
    rv_sw(p, S1, S0, 0);
    wait_message(p, L2, L3);
    rv_add(p, S3, S3, A0);
    rv_addi(p, S2, S2, 1);
    rv_bne(p, S2, S4, L1);
    guest_result(p, 0, S3);
    rv_csrr(p, A0, CSR_MTOPEI);
    guest_result(p, 1, A0);
    rv_exit(p);
    rv_label(p, OTHERS);
    open_file(p);
    rv_li(p, S0, IMSIC_M);
    rv_li(p, S1, NUMBER);
    rv_label(p, L4);
    wait_message(p, L5, L6);
    rv_sw(p, S1, S0, 0);
    rv_j(p, L4);
    rv_finish(p);
    struct guest_outcome outcome;
    guest_run_all_with(p, 2, with_imsics, &outcome);
    rv_free(p);
    cr_expect_eq(outcome.words[0], ROUNDS * (u64)(NUMBER << 16 | NUMBER));
    cr_expect_eq(outcome.words[1], 0);
}

/* A message to oneself becomes a trap at once; the handler sees it in mtopi, and claims it. */
Test(machine_aia, message_to_oneself_traps)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    open_file(p);
    rv_li(p, T0, MSTATUS_MIE);
    rv_csrs(p, CSR_MSTATUS, T0);
    rv_li(p, S0, IMSIC_M);
    rv_li(p, S1, NUMBER);
    rv_li(p, S2, 0); /* traps */
    rv_li(p, S4, ROUNDS);
    rv_label(p, L1);
    rv_sw(p, S1, S0, 0);
    rv_label(p, L2);
    rv_beq(p, S3, S2, L2); /* until the handler has counted one more */
    rv_mv(p, S3, S2);
    rv_bne(p, S2, S4, L1);
    guest_result(p, 0, S5);
    guest_result(p, 1, S6);
    guest_result(p, 2, S7);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_addi(p, S2, S2, 1);
    rv_csrr(p, S5, CSR_MCAUSE);
    rv_csrr(p, S6, CSR_MTOPI);
    rv_csrrw(p, S7, CSR_MTOPEI, X0);
    rv_word(p, RV_MRET);
    rv_finish(p);
    struct guest_outcome outcome;
    guest_run_all_with(p, 1, with_imsics, &outcome);
    rv_free(p);
    cr_expect_eq(outcome.words[0], (u64)1 << 63 | 11);
    cr_expect_eq(outcome.words[1], 11 << 16 | 1);
    cr_expect_eq(outcome.words[2], NUMBER << 16 | NUMBER);
}

/* One hart moves BAR 4 of the entropy source to and fro; another reads the number of its queues at
 * both places, and finds 1 or that nothing is there, but nothing else. */
Test(machine_aia, a_bar_moves_while_another_hart_reads)
{
    struct rv_program *p = rv_new();
    guest_start(p, 2, OTHERS, 0);
    rv_li(p, S0, ECAM_SLOT1);
    rv_li(p, T0, PCI_MEMORY64 >> 32);
    rv_sw(p, T0, S0, 0x24);
    rv_li(p, T0, 2); /* memory */
    rv_sh(p, T0, S0, 4);
    rv_li(p, S1, 0x4000);
    rv_li(p, S2, 0x8000);
    rv_li(p, S4, ROUNDS);
    rv_label(p, L1);
    rv_sw(p, S1, S0, 0x20);
    rv_sw(p, S2, S0, 0x20);
    rv_addi(p, S4, S4, -1);
    rv_bne(p, S4, X0, L1);
    rv_li(p, S5, PCI_MEMORY64 + 0x8012);
    rv_lhu(p, A0, S5, 0);
    guest_result(p, 0, A0);
    rv_li(p, S5, PCI_MEMORY64 + 0x4012);
    rv_lhu(p, A0, S5, 0);
    guest_result(p, 1, A0);
    rv_exit(p);
    rv_label(p, OTHERS);
    rv_li(p, S5, PCI_MEMORY64 + 0x4012);
    rv_li(p, S6, PCI_MEMORY64 + 0x8012);
    rv_li(p, S7, 1);
    rv_li(p, S8, 0xffff);
    rv_label(p, L2);
    rv_lhu(p, A0, S5, 0);
    rv_beq(p, A0, S7, L3);
    rv_bne(p, A0, S8, L4);
    rv_label(p, L3);
    rv_lhu(p, A0, S6, 0);
    rv_beq(p, A0, S7, L2);
    rv_beq(p, A0, S8, L2);
    rv_label(p, L4);
    guest_result(p, 2, A0); /* what nobody should see */
    rv_j(p, L2);
    rv_finish(p);
    struct guest_outcome outcome;
    guest_run_all_with(p, 2, with_pci, &outcome);
    rv_free(p);
    cr_expect_eq(outcome.words[0], 1);
    cr_expect_eq(outcome.words[1], 0xffff);
    cr_expect_eq(outcome.words[2], 0);
}

/* Loops that become traces (translate/tier2.h), in every engine mode. Each runs long enough to be
 * hot where tier 2 is eager. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, LOOP, INNER, OUTER, PATCH, ODD, JOIN, DONE, NEXT, DATA };

#define DATA_AT (RV_BASE + 0x40000u)
#define RAM_END (RV_BASE + (16u << 20))
#define ADDI_A0(imm) (0x00050513u | (u32)(imm) << 20) /* addi a0, a0, imm */

static u32 crc_of(const u8 *bytes, unsigned count)
{
    u32 crc = ~0u;
    for (unsigned i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
        }
    }
    return crc;
}

/* Two loops, the inner one with a constant count: they make one trace without inner branches. */
Test(machine_traces, inner_loop_of_constant_count)
{
    enum { BYTES = 600 };
    u8 bytes[BYTES];
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, A1, DATA_AT);
    rv_li(p, A2, 0xffffffffedb88320u);
    rv_li(p, A4, ~(u64)0);
    rv_li(p, S3, BYTES);
    rv_label(p, OUTER);
    rv_lbu(p, A5, A1, 0);
    rv_li(p, A3, 8);
    rv_xor(p, A4, A4, A5);
    rv_label(p, INNER);
    rv_andi(p, A5, A4, 1);
    rv_word(p, 0x40f007bb); /* subw a5, zero, a5 */
    rv_word(p, 0x0017571b); /* srliw a4, a4, 1 */
    rv_and(p, A5, A5, A2);
    rv_xor(p, A5, A5, A4);
    rv_addiw(p, A3, A3, -1);
    rv_addiw(p, A4, A5, 0);
    rv_bne(p, A3, X0, INNER);
    rv_addi(p, A1, A1, 1);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    rv_exit(p);
    rv_org(p, 0x40000);
    for (unsigned i = 0; i < BYTES; i += 4) {
        u32 word = i * 0x9e3779b9u + 77;
        rv_word(p, word);
        for (unsigned k = 0; k < 4; k++) {
            bytes[i + k] = (u8)(word >> 8 * k);
        }
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect((u32)outcome.x[A4] == crc_of(bytes, BYTES));
}

/* Walks to the end of RAM: the fault comes in some round of the trace, and every register must be
 * what it was before that load. */
static void walk_off_ram(unsigned step, unsigned distance, bool store)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_la(p, S10, DONE);
    rv_li(p, A0, RAM_END - distance);
    rv_li(p, S2, 0);
    rv_li(p, S3, 0x1234567);
    rv_label(p, LOOP);
    rv_ld(p, A1, A0, 0);
    rv_add(p, S2, S2, A1);
    rv_addi(p, S2, S2, 3);
    rv_xor(p, S3, S3, S2);
    if (store) {
        rv_sd(p, S3, A0, 24);
    }
    rv_addi(p, A0, A0, (s32)step);
    rv_bne(p, S2, X0, LOOP);
    rv_label(p, DONE);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    guest_record_trap(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.words[0] == (store ? 7 : 5), "cause %u", (unsigned)outcome.words[0]);
    cr_expect(outcome.words[1] - outcome.x[A0] == (store ? 24 : 0));
}

Test(machine_traces, load_that_faults_in_a_later_round)
{
    walk_off_ram(8, 40000, false);
    walk_off_ram(40, 60000, false);
}

Test(machine_traces, store_that_faults_in_a_later_round)
{
    walk_off_ram(8, 40000, true);
    walk_off_ram(56, 60000, true);
}

/* A pointer whose register serves for something else in every round: a side exit finds in it
 * the pointer. */
Test(machine_traces, walker_that_is_overwritten_in_between)
{
    for (unsigned length = 3000; length < 3008; length++) {
        struct rv_program *p = rv_new();
        guest_start(p, 1, 0, 0);
        rv_li(p, T1, DATA_AT);
        rv_li(p, T4, 34);
        rv_lbu(p, T3, T1, 0);
        rv_label(p, LOOP);
        rv_addi(p, A6, T1, 1);
        rv_beq(p, T3, T4, DONE);
        rv_li(p, T1, 44);
        rv_beq(p, T3, T1, DONE);
        rv_addi(p, T1, A6, 0);
        rv_lbu(p, T3, T1, 1);
        rv_bne(p, T3, X0, LOOP);
        rv_label(p, DONE);
        rv_exit(p);
        rv_org(p, 0x40000);
        for (unsigned i = 0; i < length; i += 4) {
            unsigned left = length - i;
            rv_word(p, left < 4 ? 0x61616161u >> 8 * (4 - left) : 0x61616161u);
        }
        rv_word(p, 0);
        struct guest_outcome outcome;
        guest_finish(p, 1, &outcome);
        cr_expect(outcome.x[T1] == DATA_AT + length - 1, "%u", length);
    }
}

/* The first instruction of the loop loads from where the list it walks leads: after many rounds to
 * a device, which the TLB does not serve, and then to nowhere. */
Test(machine_traces, list_that_leads_out_of_ram)
{
    enum { NODES = 3000, CLINT = 0x2000000 };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, A0, DATA_AT);
    rv_li(p, A1, DATA_AT + 0x20000);
    rv_li(p, A2, 0);
    rv_label(p, LOOP);
    rv_ld(p, A0, A0, 0);
    rv_ld(p, A3, A1, 0);
    rv_addi(p, A3, A3, 1);
    rv_sd(p, A3, A1, 0);
    rv_ld(p, A4, A1, 8);
    rv_addi(p, A2, A2, 1);
    rv_bne(p, A2, X0, LOOP);
    rv_label(p, TRAP);
    rv_exit(p);
    rv_org(p, 0x40000);
    for (u64 i = 0; i < NODES; i++) {
        u64 next = i + 1 < NODES ? DATA_AT + 16 * (i + 1) : (u64)CLINT;
        rv_word(p, (u32)next);
        rv_word(p, (u32)(next >> 32));
        rv_word(p, 0);
        rv_word(p, 0);
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A2] == NODES + 1 && outcome.x[A3] == NODES + 1 && outcome.x[A0] == 0,
              "%llu", (unsigned long long)outcome.x[A2]);
}

/* Accesses at any alignment, over page ends; loads and stores from two bases, up and down. */
Test(machine_traces, accesses_over_page_ends)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, A0, DATA_AT + 3);
    rv_li(p, A1, DATA_AT + 0x9001);
    rv_li(p, S2, 4000);
    rv_li(p, S4, 0);
    rv_label(p, LOOP);
    rv_ld(p, A2, A0, 0);
    rv_lw(p, A3, A0, 8);
    rv_lbu(p, A4, A1, -3);
    rv_add(p, S4, S4, A2);
    rv_xor(p, A3, A3, S4);
    rv_add(p, A4, A4, A3);
    rv_sd(p, A4, A1, 0);
    rv_sh(p, S4, A0, 2);
    rv_addi(p, A0, A0, 7);
    rv_addi(p, A1, A1, -5);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == DATA_AT + 3 + 7 * 4000);
}

/* The store hits the very words that the next rounds load, through another register. */
Test(machine_traces, store_that_a_later_round_loads)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, A0, DATA_AT);
    rv_li(p, A1, DATA_AT + 16);
    rv_li(p, A2, 1);
    rv_sd(p, A2, A0, 0);
    rv_sd(p, A2, A0, 8);
    rv_li(p, S2, 3000);
    rv_label(p, LOOP);
    rv_ld(p, A2, A0, 0);
    rv_ld(p, A3, A0, 8);
    rv_add(p, A2, A2, A3);
    rv_sd(p, A2, A1, 0);
    rv_addi(p, A0, A0, 8);
    rv_addi(p, A1, A1, 8);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_exit(p);
    u64 a = 1, b = 1;
    for (unsigned i = 0; i < 3000; i++) {
        u64 sum = a + b;
        a = b;
        b = sum;
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A2] == b);
}

/* Many guest registers, more than the host has, and a division of the path every third round. */
Test(machine_traces, paths_that_divide)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    for (unsigned reg = 5; reg < 29; reg++) {
        rv_li(p, (enum rv_reg)reg, 0x1111 * reg);
    }
    rv_li(p, T5, 5000);
    rv_label(p, LOOP);
    for (unsigned reg = 5; reg < 27; reg++) {
        rv_add(p, (enum rv_reg)reg, (enum rv_reg)reg, (enum rv_reg)(reg + 1));
    }
    rv_li(p, T6, 3);
    rv_rem(p, T6, T5, T6);
    rv_beq(p, T6, X0, ODD);
    rv_addi(p, S11, S11, 5);
    rv_j(p, JOIN);
    rv_label(p, ODD);
    rv_xori(p, S11, S11, 0x55);
    rv_add(p, T3, T3, S11);
    rv_label(p, JOIN);
    rv_addi(p, T5, T5, -1);
    rv_bne(p, T5, X0, LOOP);
    for (unsigned i = 0; i < 24; i++) {
        guest_result(p, i, (enum rv_reg)(5 + i));
    }
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
}

/* A loop with a jump in its middle, whose head lies behind a part of its body; then one instruction
 * of it is patched: before the head, in the middle, and the branch itself. */
Test(machine_traces, fence_i_removes_a_trace)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S4, 3);
    rv_li(p, S5, ADDI_A0(1));
    rv_li(p, S6, 1 << 20);
    rv_li(p, A0, 0);
    rv_j(p, OUTER);
    rv_label(p, PATCH);
    rv_word(p, ADDI_A0(1));
    rv_addi(p, S2, S2, -1);
    rv_beq(p, S2, X0, NEXT);
    rv_label(p, LOOP);
    rv_addi(p, A1, A1, 2);
    rv_j(p, PATCH);
    rv_label(p, NEXT);
    rv_add(p, S5, S5, S6); /* one more each time */
    rv_la(p, T0, PATCH);
    rv_sw(p, S5, T0, 0);
    rv_word(p, RV_FENCE_I);
    rv_addi(p, S4, S4, -1);
    rv_beq(p, S4, X0, DONE);
    rv_label(p, OUTER);
    rv_li(p, S2, 4000);
    rv_j(p, LOOP);
    rv_label(p, DONE);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == 4000 * (1 + 2 + 3), "a0 is %llu",
              (unsigned long long)outcome.x[A0]);
}

/* The loop patches itself while it is a trace, without a fence, and then with one: what comes
 * behind the fence.i must be new. Stores into its page must not slow down for ever, nor be lost. */
Test(machine_traces, stores_into_the_page_of_the_trace)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S4, 20);
    rv_li(p, A0, 0);
    rv_la(p, S5, DATA);
    rv_label(p, OUTER);
    rv_li(p, S2, 1000);
    rv_label(p, LOOP);
    rv_ld(p, A1, S5, 0);
    rv_addi(p, A1, A1, 1);
    rv_sd(p, A1, S5, 0);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_word(p, RV_FENCE_I);
    rv_addi(p, S4, S4, -1);
    rv_bne(p, S4, X0, OUTER);
    rv_exit(p);
    rv_align(p, 8);
    rv_label(p, DATA);
    rv_dword(p, 5);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A1] == 20005);
}

/* The page under the loop's address changes between two visits; the translation is unmapped by
 * another instruction stream than the loop's own. */
Test(machine_traces, page_mapped_elsewhere)
{
    const u64 gva = 0x40000000;
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    u32 root = rv_table_new(p);
    for (u64 page = 0; page < RV_IMAGE_BYTES; page += PAGE_BYTES) {
        rv_map(p, root, RV_BASE + page, RV_BASE + page, 0xcf);
    }
    rv_map(p, root, 0x100000, 0x100000, 0xc7); /* the test finisher */
    rv_map(p, root, gva, RV_BASE + 0x40000, 0xc7);
    rv_map(p, root, gva + PAGE_BYTES, RV_BASE + 0x42000, 0xc7);
    u64 pte = rv_pte_address(p, root, gva);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_sfence_vma(p, X0, X0, X0);
    rv_mret_to(p, 1, NEXT);
    rv_label(p, NEXT);
    rv_li(p, S4, 6);
    rv_li(p, S6, pte);
    rv_li(p, S7, 1 << 10); /* one page further in a PTE */
    rv_li(p, A2, 0);
    rv_label(p, OUTER);
    rv_li(p, A0, gva);
    rv_li(p, S2, 500);
    rv_label(p, LOOP);
    rv_ld(p, A1, A0, 0);
    rv_add(p, A2, A2, A1);
    rv_addi(p, A2, A2, 1);
    rv_sd(p, A2, A0, 0);
    rv_addi(p, A0, A0, 8);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_ld(p, T0, S6, 0);
    rv_xor(p, T0, T0, S7);
    rv_sd(p, T0, S6, 0);
    rv_li(p, T1, gva);
    rv_sfence_vma(p, X0, T1, X0);
    rv_addi(p, S4, S4, -1);
    rv_bne(p, S4, X0, OUTER);
    rv_li(p, A0, gva);
    rv_ld(p, A3, A0, 16);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
}

/* Accesses near one register, checked together once a round, beside one that walks elsewhere and
 * misses the TLB again and again: the trace is left there, and entered again at its head. */
Test(machine_traces, misses_beside_grouped_accesses)
{
    enum { PAGES = 3000 };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, A0, DATA_AT);
    rv_li(p, A1, RV_BASE + 0x200000);
    rv_li(p, A2, RV_BASE + 0x200000);
    rv_li(p, S2, PAGES);
    rv_li(p, S3, 0);
    rv_li(p, S5, 9 * PAGE_BYTES + 8);
    rv_li(p, S6, 0x7fffff);
    rv_label(p, LOOP);
    rv_ld(p, A3, A0, 0);
    rv_ld(p, A4, A0, 8);
    rv_add(p, S3, S3, A3);
    rv_ld(p, A5, A2, 0);
    rv_addi(p, A5, A5, 1);
    rv_sd(p, A5, A2, 0);
    rv_xor(p, S3, S3, A4);
    rv_addi(p, S3, S3, 7);
    rv_sd(p, S3, A0, 16);
    rv_sd(p, A5, A0, 24);
    rv_addi(p, A0, A0, 8);
    rv_add(p, S4, S4, S5);
    rv_and(p, S4, S4, S6);
    rv_add(p, A2, A1, S4);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    guest_result(p, 0, S3);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
}

/* Bases that are sums of two registers, and bytes at both ends of the page. */
Test(machine_traces, addresses_that_are_sums)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, A0, DATA_AT - 100);
    rv_li(p, T3, 0x5000);
    rv_li(p, S2, 20000);
    rv_label(p, LOOP);
    rv_lbu(p, A2, A0, 0);
    rv_lbu(p, A3, A0, 1);
    rv_add(p, A4, T3, A0);
    rv_add(p, A2, A2, A3);
    rv_addi(p, A2, A2, 11);
    rv_sb(p, A2, A4, 3);
    rv_sb(p, A3, A4, 4);
    rv_sh(p, A2, A0, 1);
    rv_addi(p, A0, A0, 1);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == DATA_AT - 100 + 20000);
}

/* Another hart's lr must see the stores of a trace: they break its reservation. */
Test(machine_traces, stores_break_reservations)
{
    enum { ROUNDS = 3000 };
    struct rv_program *p = rv_new();
    guest_start(p, 2, INNER, 0);
    rv_li(p, A0, DATA_AT);
    rv_li(p, S3, 0);
    rv_label(p, LOOP); /* counts in a register and in memory, until the other hart says so */
    rv_ld(p, A2, A0, 0);
    rv_addi(p, A2, A2, 1);
    rv_sd(p, A2, A0, 0);
    rv_addi(p, S3, S3, 1);
    rv_sd(p, A2, A0, 8);
    rv_ld(p, A3, A0, 16);
    rv_beq(p, A3, X0, LOOP);
    rv_exit(p);
    rv_label(p, INNER);
    rv_li(p, A0, DATA_AT);
    rv_li(p, S2, ROUNDS);
    rv_label(p, OUTER); /* accesses between the two keep this from becoming a compare-and-swap */
    rv_addi(p, A1, A0, 0);
    rv_lr_d(p, A4, A1);
    rv_ld(p, A5, A0, 24);
    rv_sd(p, A5, A0, 32);
    rv_sc_d(p, A5, A1, A4);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, OUTER);
    rv_li(p, A1, 1);
    rv_sd(p, A1, A0, 16);
    rv_label(p, DONE);
    rv_j(p, DONE);
    rv_finish(p);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        struct guest_outcome outcome;
        guest_run(p, &guest_modes[i], 2, &outcome);
        /* The other hart's sc stores what its lr read. Over a store it would take back a count. */
        cr_expect(outcome.result.reason == METIC_POWEROFF, "%s", guest_modes[i].name);
        cr_expect(outcome.x[A2] == outcome.x[S3], "%s", guest_modes[i].name);
    }
    rv_free(p);
}

/* Side exits out of every copy of a round, with counters that were put off: registers that the host
 * keeps in registers (a1, a2, a3) and one that it does not (s6), up and down. */
Test(machine_traces, exits_with_counters_put_off)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S3, 0);   /* where the next exit comes */
    rv_li(p, S4, 400); /* exits */
    rv_li(p, S7, 0);   /* checksum */
    rv_li(p, SP, 0x123456789);
    rv_li(p, A5, 77);
    rv_label(p, OUTER);
    rv_li(p, A0, DATA_AT);
    rv_add(p, A1, A0, S3);
    rv_li(p, A2, 1);
    rv_sb(p, A2, A1, 0); /* a mark in zeroed memory */
    rv_li(p, A1, DATA_AT);
    rv_li(p, A2, 5);
    rv_li(p, A3, ~(u64)2);
    rv_li(p, S6, 1000);
    rv_label(p, LOOP);
    rv_lbu(p, A4, A1, 0);
    rv_addi(p, A2, A2, 3);
    rv_addi(p, S6, S6, -7);
    rv_bne(p, A4, X0, JOIN);
    rv_addi(p, A1, A1, 1);
    rv_addi(p, A3, A3, 2);
    rv_bne(p, A2, X0, LOOP);
    rv_label(p, JOIN);
    rv_sb(p, X0, A1, 0);
    for (unsigned n = 0; n < 4; n++) {
        static const enum rv_reg regs[] = {A1, A2, A3, S6};
        rv_slli(p, T0, S7, 5);
        rv_sub(p, S7, T0, S7);
        rv_add(p, S7, S7, regs[n]);
    }
    rv_addi(p, S3, S3, 1);
    rv_bne(p, S3, S4, OUTER);
    guest_result(p, 0, S7);
    guest_result(p, 1, SP);
    guest_result(p, 2, A5);
    rv_exit(p);
    u64 sum = 0;
    for (u64 at = 0; at < 400; at++) {
        const u64 values[] = {DATA_AT + at, 5 + 3 * (at + 1), 2 * at - 3, 1000 - 7 * (at + 1)};
        for (unsigned n = 0; n < 4; n++) {
            sum = sum * 31 + values[n];
        }
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.words[0] == sum);
    cr_expect(outcome.words[1] == 0x123456789 && outcome.words[2] == 77);
}

/* Calls and returns in the loop: by jal, by auipc and jalr, by a register, two deep; and a return
 * that now and then goes elsewhere than behind its call. */
Test(machine_traces, calls_in_the_loop)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S2, 3000);
    rv_li(p, A0, 0);
    rv_li(p, A1, 0);
    rv_li(p, A2, 0);
    rv_la(p, S3, NEXT);
    rv_j(p, LOOP);
    rv_label(p, INNER); /* the leaf: it skips an instruction of its caller each 128th time */
    rv_addi(p, A0, A0, 3);
    rv_andi(p, T0, A0, 127);
    rv_bne(p, T0, X0, JOIN);
    rv_addi(p, RA, RA, 4);
    rv_label(p, JOIN);
    rv_ret(p);
    rv_label(p, NEXT);
    rv_mv(p, S4, RA);
    rv_call(p, INNER);
    rv_addi(p, A1, A1, 1);
    rv_jalr(p, X0, S4, 0);
    rv_label(p, LOOP);
    rv_call(p, INNER);
    rv_addi(p, A1, A1, 2);
    rv_jalr(p, RA, S3, 0);
    rv_addi(p, A1, A1, 5);
    rv_word(p, 0x00000297); /* auipc t0, 0 */
    rv_jalr(p, RA, T0, 16);
    rv_addi(p, A1, A1, 7);
    rv_j(p, DONE);
    rv_addi(p, A2, A2, 1); /* t0 + 16 */
    rv_ret(p);
    rv_label(p, DONE);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A0] == 2 * 3 * 3000, "a0 %llu", (unsigned long long)outcome.x[A0]);
    cr_expect(outcome.x[A2] == 3000, "a2 %llu", (unsigned long long)outcome.x[A2]);
}

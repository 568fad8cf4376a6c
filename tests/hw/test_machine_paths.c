/* Hot paths through indirect jumps, calls and returns, and paths that are no circle, which become
 * open traces (translate/tier2.h); in every engine mode. */
#include "tests/support/guest_rig.h"
#include "cpu/base/bits.h"

#include <criterion/criterion.h>

enum { TRAP = 1, LOOP, INNER, OUTER, ODD, JOIN, DONE, NEXT, OTHER, FUNC, LEAF, OPS };

#define DATA_AT (RV_BASE + 0x40000u)
#define TABLE_AT (RV_BASE + 0x48000u)
#define RAM_END (RV_BASE + (16u << 20))

/* table[index] = address of the label; clobbers t0, t1. */
static void put_label(struct rv_program *p, unsigned index, unsigned label)
{
    rv_la(p, T0, label);
    rv_li(p, T1, TABLE_AT + 8 * index);
    rv_sd(p, T0, T1, 0);
}

/* goto *table[*a0++] */
static void next_op(struct rv_program *p)
{
    rv_lbu(p, A1, A0, 0);
    rv_addi(p, A0, A0, 1);
    rv_slli(p, A1, A1, 3);
    rv_add(p, A1, A1, S1);
    rv_ld(p, A1, A1, 0);
    rv_jalr(p, X0, A1, 0);
}

/* A threaded interpreter of four operations. Its program is the same for long, so that the trace
 * goes through its indirect jumps; then another one, where every jump is another, and then one that
 * changes all the time. */
Test(machine_paths, threaded_interpreter)
{
    enum { ADD, XOR, MUL, AGAIN, ROUNDS = 600, PROGRAMS = 3 };
    static const u8 programs[PROGRAMS][8] = {
        {ADD, XOR, ADD, MUL, AGAIN}, {XOR, XOR, MUL, AGAIN}, {MUL, ADD, ADD, ADD, XOR, AGAIN},
    };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    for (unsigned n = 0; n <= AGAIN; n++) {
        put_label(p, n, OPS + n);
    }
    rv_li(p, S1, TABLE_AT);
    rv_li(p, S2, 1);
    rv_li(p, S3, 0x9e3779b97f4a7c15u);
    rv_li(p, S4, ROUNDS);
    rv_li(p, S5, DATA_AT);
    rv_mv(p, A0, S5);
    next_op(p);
    rv_label(p, OPS + ADD);
    rv_addi(p, S2, S2, 77);
    next_op(p);
    rv_label(p, OPS + XOR);
    rv_srli(p, A2, S2, 7);
    rv_xor(p, S2, S2, A2);
    next_op(p);
    rv_label(p, OPS + MUL);
    rv_mul(p, S2, S2, S3);
    next_op(p);
    rv_label(p, OPS + AGAIN);
    rv_mv(p, A0, S5);
    rv_addi(p, S4, S4, -1);
    rv_bne(p, S4, X0, LOOP);
    rv_li(p, S4, ROUNDS); /* the next program; behind the last one nothing */
    rv_addi(p, S5, S5, 8);
    rv_mv(p, A0, S5);
    rv_lbu(p, A1, A0, 0);
    rv_ori(p, A2, X0, 9);
    rv_beq(p, A1, A2, NEXT);
    rv_label(p, LOOP);
    next_op(p);
    rv_label(p, NEXT); /* each round one of the three */
    rv_li(p, S6, 3000);
    rv_label(p, OUTER);
    rv_li(p, S4, 1);
    rv_andi(p, A2, S2, 16);
    rv_li(p, S5, DATA_AT);
    rv_add(p, S5, S5, A2);
    rv_mv(p, A0, S5);
    rv_addi(p, S6, S6, -1);
    rv_beq(p, S6, X0, DONE);
    rv_la(p, T0, OUTER); /* the operation that ends it leads here now */
    rv_li(p, T1, TABLE_AT + 8 * AGAIN);
    rv_sd(p, T0, T1, 0);
    next_op(p);
    rv_label(p, DONE);
    rv_exit(p);
    rv_org(p, 0x40000);
    for (unsigned n = 0; n < PROGRAMS; n++) {
        rv_word(p, ld_le32(programs[n]));
        rv_word(p, ld_le32(programs[n] + 4));
    }
    rv_word(p, 9);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u64 acc = 1;
    for (unsigned n = 0; n < PROGRAMS; n++) {
        for (unsigned round = 0; round < ROUNDS; round++) {
            for (const u8 *op = programs[n]; *op != AGAIN; op++) {
                acc = *op == ADD ? acc + 77 : *op == XOR ? acc ^ acc >> 7
                                                         : acc * 0x9e3779b97f4a7c15u;
            }
        }
    }
    for (unsigned round = 1; round < 3000; round++) {
        for (const u8 *op = programs[acc >> 4 & 1 ? 2 : 0]; *op != AGAIN; op++) {
            acc = *op == ADD ? acc + 77 : *op == XOR ? acc ^ acc >> 7
                                                     : acc * 0x9e3779b97f4a7c15u;
        }
    }
    cr_expect(outcome.x[S2] == acc, "%llx, not %llx", (unsigned long long)outcome.x[S2],
              (unsigned long long)acc);
}

/* A function called from two places, which mostly returns where it was called from, and every 7th
 * time somewhere else, as longjmp does. Its frame is on the stack. */
Test(machine_paths, returns_that_do_not_match)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, SP, DATA_AT + 0x1000);
    rv_li(p, S2, 4000);
    rv_li(p, S3, 0);
    rv_li(p, S4, 7);
    rv_label(p, LOOP);
    rv_addi(p, S3, S3, 1);
    rv_call(p, FUNC);
    rv_addi(p, S3, S3, 2);
    rv_call(p, FUNC);
    rv_xori(p, S3, S3, 0x55);
    rv_label(p, OTHER);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_exit(p);
    rv_label(p, FUNC);
    rv_addi(p, SP, SP, -32);
    rv_sd(p, S2, SP, 8);
    rv_sd(p, S3, SP, 16);
    rv_la(p, T0, OTHER);
    rv_addi(p, S4, S4, -1);
    rv_ld(p, A1, SP, 8);
    rv_bne(p, S4, X0, JOIN);
    rv_mv(p, RA, T0);
    rv_li(p, S4, 7);
    rv_label(p, JOIN);
    rv_add(p, S3, S3, A1);
    rv_ld(p, A2, SP, 16);
    rv_xor(p, S3, S3, A2);
    rv_addi(p, SP, SP, 32);
    rv_ret(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u64 sum = 0;
    unsigned left = 7;
    for (u64 n = 4000; n != 0; n--) {
        bool away = false;
        for (unsigned call = 0; call < 2 && !away; call++) {
            sum += 1 + call;
            away = --left == 0;
            left = away ? 7 : left;
            sum = (sum + n) ^ sum;
        }
        sum ^= away ? 0 : 0x55u;
    }
    cr_expect(outcome.x[S3] == sum && outcome.x[SP] == DATA_AT + 0x1000);
}

/* Inner loops of one to four rounds, which are seldom gone round twice: doubles in memory, added up
 * and written back; some are not numbers. */
Test(machine_paths, short_inner_loops_of_doubles)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, T0, 0x6000);
    rv_csrs(p, CSR_MSTATUS, T0); /* mstatus.FS */
    rv_li(p, S2, 2500);
    rv_label(p, OUTER);
    rv_andi(p, S3, S2, 3);
    rv_li(p, A0, DATA_AT + 0xfd0); /* over the page's end */
    rv_li(p, A1, DATA_AT + 0x20);
    rv_label(p, INNER);
    rv_fld(p, A0, A0, 0); /* fa0 has the number of a0 */
    rv_fld(p, A1, A0, 8);
    rv_fld(p, A2, A1, 0);
    rv_word(p, 0x02b57553); /* fadd.d fa0, fa0, fa1 */
    rv_word(p, 0x0ac5f5d3); /* fsub.d fa1, fa1, fa2 */
    rv_word(p, 0x12a5f6d3); /* fmul.d fa3, fa1, fa0 */
    rv_word(p, 0x1ac6f753); /* fdiv.d fa4, fa3, fa2 */
    rv_fsd(p, A0, A0, 8);
    rv_fsd(p, A1, A1, 0);
    rv_fsd(p, A4, A0, 0);
    rv_addi(p, A0, A0, 16);
    rv_addi(p, A1, A1, 24);
    rv_addi(p, S3, S3, -1);
    rv_bge(p, S3, X0, INNER);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, OUTER);
    rv_word(p, 0x001026f3); /* csrr a3, fflags */
    rv_li(p, A0, DATA_AT + 0xfd0);
    for (s32 i = 0; i < 8; i++) {
        rv_ld(p, A4, A0, 8 * i);
        guest_result(p, (unsigned)i, A4);
    }
    rv_exit(p);
    rv_org(p, 0x40020);
    for (unsigned i = 0; i < 16; i++) {
        rv_dword(p, 0x3ff0000000000000u + ((u64)i << 48));
    }
    rv_org(p, 0x40fd0);
    for (unsigned i = 0; i < 8; i++) {
        rv_dword(p, i == 5 ? 0x7ff8dead00000000u : 0x4008000000000000u + ((u64)i << 44));
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
}

/* What stands behind the hot part of a path is a helper (a CSR it has no code for), and then a
 * fault: the load of the tail walks off RAM. */
Test(machine_paths, helper_and_fault_behind_a_path)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_la(p, S10, DONE);
    rv_li(p, A0, RAM_END - 20000);
    rv_li(p, S2, 0);
    rv_label(p, LOOP);
    rv_addi(p, S2, S2, 1);
    rv_andi(p, A2, S2, 1);
    rv_addi(p, S4, S4, 3);
    rv_beq(p, A2, X0, ODD);
    rv_ld(p, A1, A0, 0);
    rv_addi(p, A0, A0, 8);
    rv_addi(p, S3, S3, 5);
    rv_sd(p, S3, A0, -64);
    rv_csrr(p, A3, CSR_MSCRATCH);
    rv_addi(p, S3, S3, 7);
    rv_csrw(p, CSR_MSCRATCH, S3);
    rv_j(p, LOOP);
    rv_label(p, ODD);
    rv_addi(p, S4, S4, 2);
    rv_xori(p, S3, S3, 0x33);
    rv_xor(p, S4, S4, S3);
    rv_j(p, LOOP);
    rv_label(p, DONE);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    guest_record_trap(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.words[0] == 5 && outcome.words[1] == RAM_END);
    cr_expect(outcome.x[S2] == 2 * 2500 + 1);
}

/* Calls through a table, of three functions in turn, in an order that depends on what they give. */
Test(machine_paths, calls_through_a_table)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    put_label(p, 0, FUNC);
    put_label(p, 1, LEAF);
    put_label(p, 2, OTHER);
    put_label(p, 3, FUNC);
    rv_li(p, S1, TABLE_AT);
    rv_li(p, S2, 9000);
    rv_li(p, A0, 12345);
    rv_label(p, LOOP);
    rv_srli(p, A1, A0, 13);
    rv_andi(p, A1, A1, 24);
    rv_add(p, A1, A1, S1);
    rv_ld(p, A1, A1, 0);
    rv_jalr(p, RA, A1, 0);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_exit(p);
    rv_label(p, FUNC);
    rv_li(p, A2, 1103515245);
    rv_mul(p, A0, A0, A2);
    rv_addi(p, A0, A0, 1013);
    rv_ret(p);
    rv_label(p, LEAF);
    rv_xori(p, A0, A0, 0x7f);
    rv_slli(p, A2, A0, 3);
    rv_add(p, A0, A0, A2);
    rv_ret(p);
    rv_label(p, OTHER);
    rv_srli(p, A2, A0, 5);
    rv_add(p, A0, A0, A2);
    rv_addi(p, A0, A0, 99);
    rv_jalr(p, X0, RA, 0);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u64 x = 12345;
    for (unsigned n = 0; n < 9000; n++) {
        switch (x >> 16 & 3) {
        case 1: x ^= 0x7f, x += x << 3; break;
        case 2: x += x >> 5, x += 99; break;
        default: x = x * 1103515245 + 1013; break;
        }
    }
    cr_expect(outcome.x[A0] == x);
}

/* A loop that goes round for long and uses other registers than the host keeps: words that are
 * extended, counters, pages that the TLB does not have yet, conversions that the host gets wrong.
 * It is left in every fifth part of a round, and goes on. */
Test(machine_paths, registers_that_a_trace_chooses)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, T0, 0x6000);
    rv_csrs(p, CSR_MSTATUS, T0); /* mstatus.FS */
    for (unsigned reg = 18; reg < 28; reg++) {
        rv_li(p, (enum rv_reg)reg, 0x1234567 * reg);
    }
    rv_li(p, T1, RV_BASE + 0x100000);
    rv_li(p, T4, 0);
    rv_li(p, T5, 6000);
    rv_li(p, T3, 0x43f0000000000001u); /* above 2^63 */
    rv_word(p, 0xf20e0553);            /* fmv.d.x fa0, t3 */
    rv_label(p, LOOP);
    rv_addw(p, S2, S2, S3);
    rv_addw(p, S4, S4, S2);
    rv_addw(p, S5, S5, S4);
    rv_ld(p, A1, T1, 0);
    rv_addw(p, S4, S4, A1);
    rv_sd(p, S5, T1, 0);
    rv_word(p, 0xc22515d3); /* fcvt.l.d a1, fa0, rtz */
    rv_xor(p, S6, S6, A1);
    rv_add(p, S7, S7, S4);
    rv_addi(p, S8, S8, 3);
    rv_beq(p, S8, S9, JOIN); /* never */
    rv_addiw(p, T4, T4, 1);
    rv_andi(p, A2, S2, 31);
    rv_beq(p, A2, X0, ODD);
    rv_addi(p, T1, T1, 40);
    rv_label(p, JOIN);
    rv_addi(p, T5, T5, -1);
    rv_bne(p, T5, X0, LOOP);
    rv_j(p, DONE);
    rv_label(p, ODD);
    rv_xori(p, S3, S3, 0x155);
    rv_addi(p, T1, T1, 48);
    rv_j(p, JOIN);
    rv_label(p, DONE);
    for (unsigned i = 0; i < 10; i++) {
        guest_result(p, i, (enum rv_reg)(18 + i));
    }
    guest_result(p, 10, T4);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[T4] == 6000);
    cr_expect(outcome.words[6] == 0x1234567u * 24 + 3 * 6000);
}

/* Which ways become traces (translate/trace.c), and what they do, in every engine mode: with lr and
 * sc, up to what a trace cannot have, and from a head whose circle begins elsewhere. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, LOOP, NEXT, AGAIN, OUT, BACK, DONE, OTHERS, MIDDLE };
enum { ROUNDS = 3000 };
#define DATA_AT (RV_BASE + 0x40000u)

/* Whether what begins at `label`, after a run with an eager second tier, has `op` among its
 * operations. */
static bool has_op(const struct rv_program *p, unsigned label, const char *op)
{
    return guest_code_has(p, rv_address(p, label), "opt", op);
}

/* The end of a loop that a block cannot hold: a jump leads from its head to NEXT. */
static void to_next(struct rv_program *p)
{
    rv_j(p, NEXT);
    rv_word(p, 0);
    rv_label(p, NEXT);
}

static void go_round(struct rv_program *p)
{
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
}

/* Adds a3 to the word at a0, and once more where its sc fails. */
static void add_by_pair(struct rv_program *p)
{
    rv_label(p, AGAIN);
    rv_lr_d(p, A4, A0);
    rv_add(p, A4, A4, A3);
    rv_sc_d(p, A5, A0, A4);
    rv_bne(p, A5, X0, AGAIN);
}

/* A pair that closes in its run is part of the trace. */
Test(machine_trace_ways, pair_in_the_loop)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, A0, DATA_AT);
    rv_li(p, S2, ROUNDS);
    rv_label(p, LOOP);
    rv_addi(p, A3, A3, 3);
    to_next(p);
    add_by_pair(p);
    go_round(p);
    rv_ld(p, A1, A0, 0);
    guest_result(p, 0, A1);
    rv_exit(p);
    rv_finish(p);
    cr_expect(has_op(p, LOOP, "cas.i64"));
    struct guest_outcome outcome;
    guest_run_all(p, 1, &outcome);
    cr_expect(outcome.words[0] == 3 * (u64)ROUNDS * (ROUNDS + 1) / 2);
    rv_free(p);
}

/* Out of the trace between lr and sc, as when a comparison fails: an sc that comes then has no
 * reservation, and must fail; the value stays. */
Test(machine_trace_ways, way_out_between_the_two)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, A0, DATA_AT);
    rv_li(p, S2, ROUNDS);
    rv_li(p, S3, 0); /* of how many sc failed */
    rv_label(p, LOOP);
    rv_andi(p, A3, S2, 255);
    to_next(p);
    rv_lr_d(p, A4, A0);
    rv_beq(p, A3, X0, OUT); /* every 256th round */
    rv_addi(p, A4, A4, 1);
    rv_sc_d(p, A5, A0, A4);
    rv_label(p, BACK);
    rv_add(p, S3, S3, A5);
    go_round(p);
    rv_ld(p, A1, A0, 0);
    guest_result(p, 0, A1);
    guest_result(p, 1, S3);
    rv_exit(p);
    rv_label(p, OUT);
    rv_sc_d(p, A5, A0, X0);
    rv_j(p, BACK);
    rv_finish(p);
    cr_expect(has_op(p, LOOP, "cas.i64"));
    struct guest_mode mode = {.name = "jit, eager tier 2", .eager_tier2 = true};
    struct guest_outcome outcome;
    guest_run(p, &mode, 1, &outcome);
    cr_expect(outcome.words[1] == ROUNDS / 256);
    cr_expect(outcome.words[0] == ROUNDS - ROUNDS / 256);
    rv_free(p);
}

/* The lr of some round traps; the handler goes on at the sc, which must fail. */
static void lr_traps(u64 address, u64 cause)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_la(p, S10, OUT);
    rv_li(p, A0, DATA_AT);
    rv_li(p, S4, address);
    rv_li(p, S2, ROUNDS);
    rv_label(p, LOOP);
    rv_addi(p, A3, A3, 1);
    to_next(p);
    add_by_pair(p);
    go_round(p);
    rv_ld(p, S5, A0, 0);
    rv_addi(p, S6, A0, 0);
    rv_addi(p, A0, S4, 0); /* once more, there */
    rv_li(p, S2, ROUNDS);
    rv_j(p, LOOP);
    rv_label(p, OUT);
    rv_addi(p, A0, S6, 0);
    rv_sc_d(p, A5, A0, X0);
    rv_ld(p, S7, A0, 0);
    guest_result(p, 4, A5);
    guest_result(p, 5, S5);
    guest_result(p, 6, S7);
    guest_result(p, 7, A3);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    guest_record_trap(p);
    struct guest_outcome outcome;
    rv_finish(p);
    u64 pc = rv_address(p, AGAIN);
    guest_run_all(p, 1, &outcome);
    cr_expect(outcome.words[0] == cause && outcome.words[1] == address && outcome.words[2] == pc,
              "cause %u", (unsigned)outcome.words[0]);
    cr_expect(outcome.words[4] == 1 && outcome.words[5] == outcome.words[6]);
    cr_expect(outcome.words[5] == (u64)ROUNDS * (ROUNDS + 1) / 2);
    cr_expect(outcome.words[7] == ROUNDS + 1);
    rv_free(p);
}

Test(machine_trace_ways, lr_that_traps)
{
    lr_traps(DATA_AT + 4, 4);
    lr_traps(RV_BASE + (16u << 20), 5);
}

/* Two harts add to one word, and each finds that the other's sc made its own fail. */
Test(machine_trace_ways, two_harts_add)
{
    struct rv_program *p = rv_new();
    guest_start(p, 2, OTHERS, 0);
    rv_li(p, S3, 0);
    rv_j(p, OUT);
    rv_label(p, OTHERS);
    rv_li(p, S3, 1);
    rv_label(p, OUT);
    rv_li(p, A0, DATA_AT);
    rv_li(p, S2, 4 * ROUNDS);
    rv_label(p, LOOP);
    rv_addi(p, A3, A3, 1);
    to_next(p);
    rv_label(p, AGAIN);
    rv_lr_w(p, A4, A0);
    rv_addi(p, A4, A4, 1);
    rv_sc_w(p, A5, A0, A4);
    rv_bne(p, A5, X0, AGAIN);
    go_round(p);
    rv_word(p, RV_FENCE);
    rv_addi(p, A2, A0, 8);
    rv_label(p, BACK); /* one more of two is done */
    rv_lr_w(p, A4, A2);
    rv_addi(p, A4, A4, 1);
    rv_sc_w(p, A5, A2, A4);
    rv_bne(p, A5, X0, BACK);
    rv_label(p, DONE);
    rv_bne(p, S3, X0, DONE);
    rv_ld(p, A4, A0, 8);
    rv_addi(p, A4, A4, -2);
    rv_bne(p, A4, X0, DONE);
    rv_ld(p, A1, A0, 0);
    guest_result(p, 0, A1);
    rv_exit(p);
    rv_finish(p);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        struct guest_outcome outcome;
        guest_run(p, &guest_modes[i], 2, &outcome);
        cr_expect(outcome.result.reason == METIC_POWEROFF, "%s", guest_modes[i].name);
        cr_expect(outcome.words[0] == 8 * ROUNDS, "%s", guest_modes[i].name);
    }
    rv_free(p);
}

/* A way ends before an lr whose sc is not near; what comes before is a trace all the same. */
Test(machine_trace_ways, way_is_cut_before_a_lonely_lr)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, A0, DATA_AT);
    rv_li(p, S2, ROUNDS);
    rv_label(p, LOOP);
    rv_addi(p, A3, A3, 3);
    to_next(p);
    rv_xori(p, S5, A3, 0x55);
    rv_add(p, S6, S6, S5);
    rv_lr_d(p, A4, A0);
    rv_sd(p, S6, A0, 64);
    rv_add(p, A4, A4, A3);
    rv_sc_d(p, A5, A0, A4);
    rv_add(p, S7, S7, A5);
    go_round(p);
    rv_ld(p, A1, A0, 0);
    guest_result(p, 0, A1);
    guest_result(p, 1, S6);
    guest_result(p, 2, S7);
    rv_exit(p);
    rv_finish(p);
    cr_expect(has_op(p, LOOP, "xor.i64"));
    struct guest_outcome outcome;
    guest_run_all(p, 1, &outcome);
    u64 sum = 0;
    for (u64 round = 1; round <= ROUNDS; round++) {
        sum += 3 * round ^ 0x55;
    }
    cr_expect(outcome.words[0] == 3 * (u64)ROUNDS * (ROUNDS + 1) / 2);
    cr_expect(outcome.words[1] == sum && outcome.words[2] == 0);
    rv_free(p);
}

/* The usual circle from MIDDLE begins at LOOP, where it is a trace already. MIDDLE is come to from
 * outside, too, and must not stay a block. */
Test(machine_trace_ways, head_in_the_middle_of_a_circle)
{
    enum { MANY = 8000 };
    const u64 factor = 6364136223846793005u;
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S2, MANY);
    rv_li(p, S3, factor);
    rv_li(p, S4, 0);
    rv_j(p, LOOP);
    rv_label(p, LOOP);
    rv_xori(p, S5, S2, 0x55);
    rv_add(p, S6, S6, S5);
    rv_j(p, NEXT);
    rv_label(p, MIDDLE);
    rv_addi(p, S7, S7, 1);
    rv_addi(p, S2, S2, -1);
    rv_beq(p, S2, X0, DONE);
    rv_mul(p, S4, S4, S3);
    rv_addi(p, S4, S4, 1);
    rv_srli(p, A3, S4, 61);
    rv_bne(p, A3, X0, LOOP); /* seven times in eight */
    rv_j(p, OUT);
    rv_label(p, NEXT);
    rv_addi(p, S8, S8, 1);
    rv_j(p, MIDDLE);
    rv_label(p, OUT);
    rv_addi(p, S9, S9, 1);
    rv_j(p, MIDDLE);
    rv_label(p, DONE);
    guest_result(p, 0, S6);
    guest_result(p, 1, S7);
    guest_result(p, 2, S8);
    guest_result(p, 3, S9);
    rv_exit(p);
    rv_finish(p);
    cr_expect(has_op(p, LOOP, "xor.i64"));
    cr_expect(has_op(p, MIDDLE, "xor.i64"));
    struct guest_outcome outcome;
    guest_run_all(p, 1, &outcome);
    u64 random = 0, outs = 0;
    for (unsigned n = 1; n < MANY; n++) {
        random = random * factor + 1;
        outs += random >> 61 == 0;
    }
    cr_expect(outcome.words[1] == MANY && outcome.words[3] == outs);
    cr_expect(outcome.words[2] == MANY - outs);
    rv_free(p);
}

/* Loops that compute with floating-point numbers, whose traces keep guest registers in registers of
 * the host (translate/to_x86_64/own_float.c): NaNs of every kind come from memory and are passed
 * on, ways part by what is loaded, and the state is what it is without traces, at the end and at a
 * fault in the middle. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, LOOP, INNER, SEEN, DONE, FIRST_JOIN };
enum { WORDS = 64, WALK = 240, REGS = 10, FP_INITIAL = 0x2000, FP_DIRTY = 0x6000 };

#define DATA_AT (RV_BASE + 0x40000u)
#define RAM_END (RV_BASE + (16u << 20))

/* Few of them, so that they are written again and again. */
static u32 random_f(u64 *seed)
{
    return (u32)guest_random(seed, REGS);
}

static u64 random_double(u64 *seed, bool nans)
{
    static const u64 special[] = {0x7ff8000000000000u, 0xfff8000000000123u, 0x7ff0000000000001u,
                                  0x7ff0000000000000u, 0x8000000000000000u, 1,
                                  0xffffffff3fc00000u, 0x7fefffffffffffffu};
    if (nans && guest_random(seed, 5) == 0) {
        return special[guest_random(seed, sizeof(special) / sizeof(special[0]))];
    }
    return (u64)(0x3fc + guest_random(seed, 7)) << 52 | (*seed & 0x800fffffffffff00u);
}

static void compute(struct rv_program *p, u32 funct7, u32 rm, u32 rd, u32 rs1, u32 rs2)
{
    rv_word(p, 0x53u | funct7 << 25 | rs2 << 20 | rs1 << 15 | rm << 12 | rd << 7);
}

enum { FADD = 0x01, FSUB = 0x05, FMUL = 0x09, FDIV = 0x0d, FSGNJ = 0x11, FMIN = 0x15, FSQRT = 0x2d,
       FADD_S = 0x00, FCVT_S_D = 0x20, FMV_X_D = 0x71, FMV_D_X = 0x79, DYNAMIC = 7 };

static void random_insn(struct rv_program *p, u64 *seed)
{
    u32 rd = random_f(seed), rs1 = random_f(seed), rs2 = random_f(seed);
    s32 at = 8 * (s32)guest_random(seed, 16);
    enum rv_reg base = guest_random(seed, 2) ? S0 : S1;
    switch (guest_random(seed, 32)) {
    case 0: case 1: case 2: case 3: case 4: case 5:
    case 6: rv_fld(p, (enum rv_reg)rd, base, at); break;
    case 7: case 8: case 9: case 10: case 11: compute(p, FADD, DYNAMIC, rd, rs1, rs2); break;
    case 12: case 13: case 14: compute(p, FSUB, DYNAMIC, rd, rs1, rs2); break;
    case 15: case 16: case 17: case 18: compute(p, FMUL, DYNAMIC, rd, rs1, rs2); break;
    case 19: compute(p, FDIV, DYNAMIC, rd, rs1, rs2); break;
    case 20: compute(p, FSQRT, DYNAMIC, rd, rs1, 0); break;
    case 21: compute(p, FSGNJ, (u32)guest_random(seed, 3), rd, rs1, rs2); break;
    case 22: compute(p, FMIN, (u32)guest_random(seed, 2), rd, rs1, rs2); break;
    case 23: rv_word(p, 0x43u | rs1 << 27 | 1u << 25 | rs2 << 20 | rs1 << 15 | 7u << 12 | rd << 7);
        break; /* fmadd.d */
    case 24: compute(p, FMV_X_D, 0, T1, rs1, 0); break;
    case 25: compute(p, FMV_D_X, 0, rd, T1, 0); break;
    default: rv_fsd(p, (enum rv_reg)rd, base, at); break;
    }
}

static void random_insns(struct rv_program *p, u64 *seed, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        random_insn(p, seed);
    }
}

/* A branch over some of them, by the bits of a random number: never, now and then, or half the
 * time. */
static void random_branch(struct rv_program *p, u64 *seed, unsigned label)
{
    rv_mul(p, S7, S7, S9);
    rv_addi(p, S7, S7, 1);
    rv_srli(p, T3, S7, 40);
    rv_andi(p, T3, T3, guest_random(seed, 2) ? 1 : 31);
    rv_beq(p, T3, X0, label);
    random_insns(p, seed, 1 + (unsigned)guest_random(seed, 6));
    rv_label(p, label);
}

/* Every so many rounds the bits of all registers are mixed into s6, and whether they were written
 * since the last time. */
static void look(struct rv_program *p, s32 mask)
{
    rv_andi(p, T3, T0, mask);
    rv_bne(p, T3, X0, SEEN);
    for (u32 f = 0; f < REGS; f++) {
        compute(p, FMV_X_D, 0, T3, f, 0);
        rv_mul(p, S6, S6, S9);
        rv_xor(p, S6, S6, T3);
    }
    rv_csrr(p, T3, CSR_MSTATUS);
    rv_xor(p, S6, S6, T3);
    rv_csrc(p, CSR_MSTATUS, S10);
    rv_label(p, SEEN);
}

/* Other numbers each time, some of which the loops have changed. */
static void move_on(struct rv_program *p, bool faults)
{
    if (faults) {
        rv_addi(p, S1, S1, 8);
        return;
    }
    rv_slli(p, T3, T0, 3);
    rv_andi(p, T3, T3, 8 * (WORDS - 1));
    rv_add(p, S1, S0, T3);
}

/* 400 times one to four rounds and what follows them. */
static void random_loops(struct rv_program *p, u64 *seed, bool faults)
{
    rv_label(p, LOOP);
    rv_li(p, S2, 1 + guest_random(seed, 4));
    rv_label(p, INNER);
    random_insns(p, seed, 6 + (unsigned)guest_random(seed, 10));
    if (guest_random(seed, 2)) {
        random_branch(p, seed, FIRST_JOIN);
        random_insns(p, seed, 3);
    }
    if (guest_random(seed, 8) == 0) { /* singles lie in the same registers */
        compute(p, FCVT_S_D, DYNAMIC, random_f(seed), random_f(seed), 1);
        compute(p, FADD_S, DYNAMIC, random_f(seed), random_f(seed), random_f(seed));
    }
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, INNER);
    random_insns(p, seed, (unsigned)guest_random(seed, 6));
    if (guest_random(seed, 2)) {
        random_branch(p, seed, FIRST_JOIN + 1);
    }
    look(p, guest_random(seed, 2) ? 7 : 31);
    move_on(p, faults);
    rv_addi(p, T0, T0, -1);
    rv_bne(p, T0, X0, LOOP);
}

/* What is compared: registers, flags, some of the memory, where the fault was. */
static void leave_results(struct rv_program *p)
{
    rv_csrr(p, T6, CSR_FCSR);
    rv_sd(p, T6, S11, 8);
    rv_sd(p, S6, S11, 16);
    for (u32 f = 0; f < REGS; f++) {
        rv_fsd(p, (enum rv_reg)f, S11, 24 + 8 * (s32)f);
    }
    for (s32 n = 0; n < 50 - REGS; n++) {
        rv_ld(p, T6, S0, 8 * n);
        rv_sd(p, T6, S11, 24 + 8 * REGS + 8 * n);
    }
    rv_exit(p);
}

/* Registers that all programs have: s0 the data, s7 and s9 for random numbers, s10 and s11. */
static struct rv_program *start(unsigned trap, u64 seed)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, trap);
    rv_li(p, T0, FP_DIRTY);
    rv_csrs(p, CSR_MSTATUS, T0);
    rv_li(p, S11, GUEST_RESULTS);
    rv_li(p, S10, FP_DIRTY & ~FP_INITIAL);
    rv_li(p, S9, 6364136223846793005u);
    rv_li(p, S7, seed);
    rv_li(p, S0, DATA_AT);
    return p;
}

static void run_random(u64 seed, bool faults)
{
    bool nans = seed % 3 != 0;
    struct rv_program *p = start(TRAP, seed);
    for (u32 f = 0; f < REGS; f++) {
        rv_fld(p, (enum rv_reg)f, S0, 8 * (s32)(WORDS - 1 - f));
    }
    rv_li(p, S1, RAM_END - 8 * WALK);
    for (s32 n = 0; n < 8 * WALK; n += 8) {
        rv_ld(p, T1, S0, n % (8 * WORDS));
        rv_sd(p, T1, S1, n);
    }
    rv_li(p, T0, 400);
    rv_li(p, T1, 0x7ff4000000000001u);
    random_loops(p, &seed, faults);
    rv_label(p, DONE);
    leave_results(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_csrr(p, T6, CSR_MEPC);
    rv_sd(p, T6, S11, 0);
    rv_j(p, DONE);
    rv_org(p, DATA_AT - RV_BASE);
    for (unsigned n = 0; n < WORDS; n++) {
        rv_dword(p, random_double(&seed, nans));
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.words[0] == 0 || faults); /* some do not use the walking register */
}

Test(machine_floats, random_loops, .timeout = 300)
{
    unsigned long tries = guest_tries("RANDOM_TESTS", 40);
    for (u64 seed = 1; seed <= tries; seed++) {
        run_random(seed, false);
    }
}

Test(machine_floats, faults_in_random_loops, .timeout = 300)
{
    unsigned long tries = guest_tries("RANDOM_TESTS", 30);
    for (u64 seed = 1001; seed <= 1000 + tries; seed++) {
        run_random(seed, true);
    }
}

/* --- a register that gets sums on the main way, and other NaNs on another one --- */

enum { WAY_JOIN = FIRST_JOIN, WAY_ELSE };

/* It was loaded before the ways part, and only one of them adds to it. */
static void load_then_add(struct rv_program *p)
{
    rv_fld(p, 0, S1, 0);
    rv_beq(p, T3, X0, WAY_JOIN);
    compute(p, FADD, DYNAMIC, 0, 0, 1);
    rv_fsd(p, 0, S0, 8 * WORDS);
    compute(p, FADD, DYNAMIC, 0, 0, 1);
    rv_label(p, WAY_JOIN);
}

/* One way adds, the other one loads. */
static void add_or_load(struct rv_program *p)
{
    rv_beq(p, T3, X0, WAY_ELSE);
    compute(p, FADD, DYNAMIC, 0, 1, 2);
    rv_fsd(p, 0, S0, 8 * WORDS);
    rv_j(p, WAY_JOIN);
    rv_label(p, WAY_ELSE);
    rv_fld(p, 0, S1, 0);
    rv_label(p, WAY_JOIN);
}

static void run_ways(void body(struct rv_program *p), u64 seed)
{
    struct rv_program *p = start(0, seed);
    rv_li(p, S1, DATA_AT);
    rv_li(p, T0, 4000);
    rv_label(p, LOOP);
    rv_mul(p, S7, S7, S9);
    rv_addi(p, S7, S7, 1);
    rv_srli(p, T3, S7, 40);
    rv_andi(p, T3, T3, seed % 2 ? 1 : 3);
    body(p);
    rv_fld(p, 3, S0, 8);
    rv_fsd(p, 3, S0, 8 * WORDS + 8);
    look(p, 15);
    move_on(p, false);
    rv_addi(p, T0, T0, -1);
    rv_bne(p, T0, X0, LOOP);
    leave_results(p);
    rv_org(p, DATA_AT - RV_BASE);
    for (unsigned n = 0; n < WORDS; n++) {
        rv_dword(p, random_double(&seed, true));
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
}

Test(machine_floats, ways_with_other_values)
{
    for (u64 seed = 1; seed <= 6; seed++) {
        run_ways(load_then_add, seed);
        run_ways(add_or_load, seed);
    }
}

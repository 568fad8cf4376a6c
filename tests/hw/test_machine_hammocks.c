/* Branches over a few instructions that compute, which traces make no branches of
 * (translate/hammock.h): registers and the count of retired instructions are what they are without
 * traces, at the end and at a fault in the middle. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, LOOP, DONE, FIRST_JOIN };

#define DATA_AT (RV_BASE + 0x40000u)
#define RAM_END (RV_BASE + (16u << 20))

static enum rv_reg random_reg(u64 *seed)
{
    static const enum rv_reg regs[] = {A0, A1, A2, A3, A4, A5, A6, S2, S3, S4, S5, S6, T1, T2, S8};
    return regs[guest_random(seed, sizeof(regs) / sizeof(regs[0]))];
}

static void random_insn(struct rv_program *p, u64 *seed)
{
    enum rv_reg rd = random_reg(seed), rs1 = random_reg(seed), rs2 = random_reg(seed);
    s32 imm = (s32)guest_random(seed, 4096) - 2048;
    switch (guest_random(seed, 12)) {
    case 0: rv_add(p, rd, rs1, rs2); break;
    case 1: rv_sub(p, rd, rs1, rs2); break;
    case 2: rv_addw(p, rd, rs1, rs2); break;
    case 3: rv_xor(p, rd, rs1, rs2); break;
    case 4: rv_sltu(p, rd, rs1, rs2); break;
    case 5: rv_mul(p, rd, rs1, rs2); break;
    case 6: rv_addi(p, rd, X0, imm); break;
    case 7: rv_addi(p, rd, rs1, 0); break;
    case 8: rv_addiw(p, rd, rs1, imm); break;
    case 9: rv_srli(p, rd, rs1, imm & 63); break;
    case 10: rv_word(p, 0x00000017u | (u32)rd << 7 | (u32)imm << 12); break; /* auipc */
    default: rv_addi(p, rd, rs1, imm); break;
    }
}

static void random_branch(struct rv_program *p, u64 *seed, unsigned label)
{
    enum rv_reg rs1 = random_reg(seed);
    enum rv_reg rs2 = guest_random(seed, 3) == 0 ? X0 : random_reg(seed);
    switch (guest_random(seed, 6)) {
    case 0: rv_beq(p, rs1, rs2, label); break;
    case 1: rv_bne(p, rs1, rs2, label); break;
    case 2: rv_blt(p, rs1, rs2, label); break;
    case 3: rv_bge(p, rs1, rs2, label); break;
    case 4: rv_bltu(p, rs1, rs2, label); break;
    default: rv_bgeu(p, rs1, rs2, label); break;
    }
}

/* Noise that branches depend on: one register gets new bits. */
static void stir(struct rv_program *p, u64 *seed)
{
    rv_mul(p, S7, S7, S9);
    rv_addi(p, S7, S7, 1);
    rv_srli(p, T3, S7, 40);
    rv_andi(p, T3, T3, 3);
    rv_xor(p, random_reg(seed), T3, random_reg(seed));
}

/* Also what the host has shorter ways for: whether it is 0, or below a register. */
static void certain_hammock(struct rv_program *p, u64 *seed, unsigned label)
{
    switch (guest_random(seed, 4)) {
    case 0: rv_beq(p, T3, X0, label); break;
    case 1: rv_bne(p, T3, X0, label); break;
    case 2: rv_bltu(p, T3, S10, label); break;
    default: rv_bgeu(p, T3, S10, label); break;
    }
    for (u64 n = guest_random(seed, 4) + 1; n > 0; n--) {
        random_insn(p, seed);
    }
    rv_label(p, label);
}

static void random_hammock(struct rv_program *p, u64 *seed, unsigned label)
{
    random_branch(p, seed, label);
    for (u64 n = guest_random(seed, 5) + 1; n > 0; n--) { /* 5 are too many for one */
        random_insn(p, seed);
    }
    rv_label(p, label);
}

/* A loop of 3000 rounds, or until a pointer leaves RAM. */
static void random_loop(struct rv_program *p, u64 *seed, bool faults)
{
    unsigned label = FIRST_JOIN;
    rv_label(p, LOOP);
    stir(p, seed);
    for (unsigned part = 0; part < 4; part++) {
        certain_hammock(p, seed, label++);
        if (guest_random(seed, 2) == 0) {
            rv_ld(p, random_reg(seed), S0, 8 * (s32)guest_random(seed, 8));
        }
        if (guest_random(seed, 2) == 0) {
            rv_sd(p, random_reg(seed), S0, 8 * (s32)guest_random(seed, 8));
        }
        random_insn(p, seed);
        if (guest_random(seed, 3) == 0) {
            random_hammock(p, seed, label++);
        }
    }
    rv_addi(p, S0, S0, faults ? 8 : 1);
    rv_addi(p, T0, T0, -1);
    rv_bne(p, T0, X0, LOOP);
}

static void run_random(u64 seed, bool faults)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_li(p, S9, 6364136223846793005u);
    rv_li(p, S7, seed);
    rv_li(p, S10, 2);
    rv_li(p, S0, faults ? RAM_END - 8 * 2500 : DATA_AT);
    rv_li(p, T0, 3000);
    rv_csrw(p, CSR_MINSTRET, X0);
    random_loop(p, &seed, faults);
    rv_label(p, DONE);
    rv_csrr(p, T6, CSR_MINSTRET);
    rv_sd(p, T6, S11, 0);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_csrr(p, T6, CSR_MEPC);
    rv_sd(p, T6, S11, 8);
    rv_j(p, DONE);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect((outcome.words[1] != 0) == faults, "mepc 0x%llx",
              (unsigned long long)outcome.words[1]);
    cr_expect(outcome.words[0] > 3000);
}

Test(machine_hammocks, loops_of_random_hammocks)
{
    for (u64 seed = 1; seed <= 12; seed++) {
        run_random(seed, false);
    }
}

Test(machine_hammocks, a_fault_between_random_hammocks)
{
    for (u64 seed = 101; seed <= 112; seed++) {
        run_random(seed, true);
    }
}

/* What compilers make of sums modulo something and of counting: known results. */
Test(machine_hammocks, counts_and_sums)
{
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S2, 4000);
    rv_li(p, A2, 254);
    rv_li(p, A3, 0);
    rv_li(p, A4, 0);
    rv_li(p, A5, 0);
    rv_li(p, S11, GUEST_RESULTS);
    rv_csrw(p, CSR_MINSTRET, X0);
    rv_label(p, LOOP);
    rv_addi(p, A3, A3, 101);
    rv_bge(p, A2, A3, FIRST_JOIN);
    rv_addiw(p, A3, A3, -255);
    rv_label(p, FIRST_JOIN);
    rv_sltiu(p, A0, A3, 128);
    rv_beq(p, A0, X0, FIRST_JOIN + 1);
    rv_addi(p, A4, A4, 1);
    rv_add(p, A5, A5, A3);
    rv_label(p, FIRST_JOIN + 1);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_csrr(p, T6, CSR_MINSTRET);
    rv_sd(p, T6, S11, 0);
    rv_exit(p);
    u64 sum = 0, small = 0, value = 0, retired = 1;
    for (unsigned i = 0; i < 4000; i++) {
        bool wraps = value + 101 > 254;
        value = wraps ? value + 101 - 255 : value + 101;
        small += value < 128;
        sum += value < 128 ? value : 0;
        retired += 6u + wraps + (value < 128 ? 2u : 0u);
    }
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[A4] == small && outcome.x[A5] == sum && outcome.x[A3] == value);
    cr_expect(outcome.words[0] == retired || outcome.words[0] == retired - 1, "%llu, not %llu",
              (unsigned long long)outcome.words[0], (unsigned long long)retired);
}

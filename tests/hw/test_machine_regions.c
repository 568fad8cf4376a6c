/* Loops whose branches go now one way, now another, which become traces with further ways
 * (translate/region.h): registers, memory, traps and the count of retired instructions are what
 * they are without traces, in M-mode and under paging, with faults in the middle of every way. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, SUPER, LOOP, DONE, FUNCTION_A, FUNCTION_B, FIRST };
enum { PAGES = 16, MISSING = 9, READ_ONLY = 5, ROUNDS = 3000 };
enum { CODE_A = 0x22000, CODE_B = 0x23f80 };
enum { CSR_MCOUNTEREN = 0x306, CSR_INSTRET = 0xc02 };

/* Some of them are in host registers between blocks, others are not. */
static enum rv_reg random_reg(u64 *seed)
{
    static const enum rv_reg regs[] = {A0, A1, A2, A3, A4, A5, A6, S2, S3, S4, T1, T2, S8};
    return regs[guest_random(seed, sizeof(regs) / sizeof(regs[0]))];
}

/* At s0, or at s1, whose page is one of two. */
static void random_access(struct rv_program *p, u64 *seed)
{
    enum rv_reg base = guest_random(seed, 2) == 0 ? S0 : S1;
    enum rv_reg reg = random_reg(seed);
    s32 disp = 8 * (s32)guest_random(seed, 8);
    switch (guest_random(seed, 5)) {
    case 0: rv_sd(p, reg, base, disp); break;
    case 1: rv_sw(p, reg, base, disp + 4); break;
    case 2: rv_lw(p, reg, base, disp + 4); break;
    default: rv_ld(p, reg, base, disp); break;
    }
}

static void random_insn(struct rv_program *p, u64 *seed)
{
    enum rv_reg rd = random_reg(seed), rs1 = random_reg(seed), rs2 = random_reg(seed);
    s32 imm = (s32)guest_random(seed, 4096) - 2048;
    switch (guest_random(seed, 10)) {
    case 0: rv_add(p, rd, rs1, rs2); break;
    case 1: rv_sub(p, rd, rs1, rs2); break;
    case 2: rv_addw(p, rd, rs1, rs2); break;
    case 3: rv_xor(p, rd, rs1, rs2); break;
    case 4: rv_sltu(p, rd, rs1, rs2); break;
    case 5: rv_mul(p, rd, rs1, rs2); break;
    case 6: rv_srli(p, rd, rs1, imm & 63); break;
    case 7: rv_addi(p, rd, rs1, imm); break;
    default: random_access(p, seed); break;
    }
}

static void random_insns(struct rv_program *p, u64 *seed, unsigned limit)
{
    for (u64 n = guest_random(seed, limit) + 1; n > 0; n--) {
        random_insn(p, seed);
    }
}

/* New noise in t3, from 0 to 3, and in a register; and the page of s1. */
static void stir(struct rv_program *p, u64 *seed)
{
    rv_mul(p, S7, S7, S9);
    rv_addi(p, S7, S7, 1);
    rv_srli(p, T3, S7, 40);
    rv_xor(p, random_reg(seed), T3, random_reg(seed));
    rv_andi(p, T3, T3, 3);
    if (guest_random(seed, 2) == 0) {
        rv_andi(p, T4, T3, 1);
        rv_slli(p, T4, T4, 12);
        rv_add(p, S1, S0, T4);
    }
}

/* Two ways, or three, and they meet behind; labels from `label` on. */
static void random_ways(struct rv_program *p, u64 *seed, unsigned label)
{
    stir(p, seed);
    rv_beq(p, T3, X0, label);
    random_insns(p, seed, 6);
    if (guest_random(seed, 2) == 0) {
        rv_bltu(p, T3, S10, label + 1);
        random_insns(p, seed, 4);
    }
    switch (guest_random(seed, 4)) {
    case 0: rv_call(p, FUNCTION_A); break;
    case 1: rv_call(p, FUNCTION_B); break;
    default: break;
    }
    rv_j(p, label + 1);
    rv_label(p, label);
    random_insns(p, seed, 6);
    rv_label(p, label + 1);
}

/* A circle that comes seldom to the head of the loop around it. */
static void random_circle(struct rv_program *p, u64 *seed, unsigned label)
{
    rv_label(p, label);
    stir(p, seed);
    random_insns(p, seed, 3);
    rv_bne(p, T3, X0, label);
}

/* A function in another page, with a branch of its own; t3 is noise. The second one's end is
 * beyond its page. */
static void random_function(struct rv_program *p, u64 *seed, unsigned name, u32 at, unsigned label)
{
    rv_org(p, at);
    rv_label(p, name);
    random_insns(p, seed, 4);
    rv_bne(p, T3, S10, label);
    random_insns(p, seed, 30);
    rv_label(p, label);
    random_insns(p, seed, 3);
    rv_ret(p);
}

static unsigned random_loop(struct rv_program *p, u64 *seed)
{
    unsigned label = FIRST;
    rv_label(p, LOOP);
    for (u64 parts = guest_random(seed, 3) + 1; parts > 0; parts--) {
        random_ways(p, seed, label);
        label += 2;
        random_insns(p, seed, 3);
    }
    if (guest_random(seed, 3) == 0) {
        random_circle(p, seed, label++);
    }
    rv_addi(p, S0, S0, 16);
    rv_addi(p, T0, T0, -1);
    rv_bne(p, T0, X0, LOOP);
    return label;
}

static struct rv_program *random_program(u64 seed, bool paged)
{
    struct rv_program *p = rv_new();
    const struct guest_window window = {
        .pages = PAGES, .stride = 5, .missing = MISSING, .read_only = READ_ONLY,
    };
    if (paged) {
        guest_start_paged(p, &window, TRAP);
    } else {
        guest_start(p, 1, 0, TRAP);
    }
    rv_li(p, S11, GUEST_RESULTS);
    rv_li(p, S9, 6364136223846793005u);
    rv_li(p, S7, seed);
    rv_li(p, S10, 2);
    rv_li(p, S0, paged ? GUEST_WINDOW + 0x100 : RV_BASE + GUEST_FRAMES_AT);
    rv_addi(p, S1, S0, 0);
    rv_li(p, T0, ROUNDS);
    rv_li(p, S5, 0);
    rv_li(p, S6, 0);
    rv_li(p, T6, 7);
    rv_csrw(p, CSR_MCOUNTEREN, T6);
    rv_csrw(p, CSR_MINSTRET, X0);
    if (paged) {
        rv_mret_to(p, 1, SUPER);
    }
    rv_label(p, SUPER);
    unsigned label = random_loop(p, &seed);
    rv_label(p, DONE);
    rv_csrr(p, T6, CSR_INSTRET);
    rv_sd(p, T6, S11, 0);
    rv_exit(p);
    guest_mix_trap(p, TRAP, NULL, 0);
    random_function(p, &seed, FUNCTION_A, CODE_A, label);
    random_function(p, &seed, FUNCTION_B, CODE_B, label + 1);
    guest_fill_frames(p, PAGES);
    return p;
}

/* How many traps there were. */
static u64 run_random(u64 seed, bool paged)
{
    struct rv_program *p = random_program(seed, paged);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.words[0] > ROUNDS);
    return outcome.x[S5];
}

Test(machine_regions, random_loops)
{
    for (u64 seed = 1; seed <= guest_tries("METIC_REGIONS", 10); seed++) {
        cr_expect(run_random(seed, false) == 0);
    }
}

Test(machine_regions, random_loops_under_paging)
{
    u64 traps = 0;
    for (u64 seed = 1; seed <= guest_tries("METIC_REGIONS", 14); seed++) {
        traps += run_random(seed, true);
    }
    cr_expect(traps > ROUNDS);
}

/* The instruction at CHANGED is in a further way alone. */
Test(machine_regions, a_way_is_changed)
{
    enum { OUTER = FIRST, OTHER_WAY, JOIN, CHANGED };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, 0);
    rv_li(p, S7, 0);
    rv_li(p, SP, GUEST_RESULTS + 256);
    rv_li(p, S9, 6364136223846793005u);
    rv_li(p, S8, 5);
    rv_li(p, A3, 0);
    rv_label(p, OUTER);
    rv_li(p, T0, ROUNDS);
    rv_label(p, LOOP);
    rv_mul(p, S7, S7, S9);
    rv_addi(p, S7, S7, 1);
    rv_srli(p, T3, S7, 40);
    rv_andi(p, T3, T3, 3);
    rv_bne(p, T3, X0, OTHER_WAY);
    rv_label(p, CHANGED);
    rv_addi(p, A3, A3, 1);
    rv_sd(p, A3, SP, -8);
    rv_j(p, JOIN);
    rv_label(p, OTHER_WAY);
    rv_sd(p, A4, SP, -16);
    rv_addi(p, A4, A4, 1);
    rv_label(p, JOIN);
    rv_addi(p, T0, T0, -1);
    rv_bne(p, T0, X0, LOOP);
    rv_la(p, T4, CHANGED); /* addi a3, a3, 1 becomes one of 100, 200, 300 and so on */
    rv_lw(p, T5, T4, 0);
    rv_li(p, T6, 100u << 20);
    rv_addw(p, T5, T5, T6);
    rv_sw(p, T5, T4, 0);
    rv_word(p, 0x0000100f); /* fence.i */
    rv_addi(p, S8, S8, -1);
    rv_bne(p, S8, X0, OUTER);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u64 value = 0, sum = 0;
    for (unsigned i = 0; i < 5 * ROUNDS; i++) {
        value = value * 6364136223846793005u + 1;
        sum += (value >> 40 & 3) == 0 ? 1 + 100u * (i / ROUNDS) : 0;
    }
    cr_expect(outcome.x[A3] == sum, "%llu, not %llu", (unsigned long long)outcome.x[A3],
              (unsigned long long)sum);
}

/* A circle that comes no more to the head of the loop around it goes round until an interrupt. */
Test(machine_regions, an_interrupt_ends_a_circle)
{
    enum { CIRCLE = FIRST, OTHER_WAY, JOIN };
    struct rv_program *p = rv_new();
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S7, 0);
    rv_li(p, S9, 6364136223846793005u);
    rv_li(p, SP, GUEST_RESULTS + 256);
    rv_li(p, T0, ROUNDS);
    rv_li(p, S2, 0);
    rv_li(p, S10, 2);
    rv_label(p, LOOP);
    rv_addi(p, S2, S2, 1);
    rv_label(p, CIRCLE);
    rv_mul(p, S7, S7, S9);
    rv_addi(p, S7, S7, 1);
    rv_srli(p, T3, S7, 40);
    rv_andi(p, T3, T3, 3);
    rv_ld(p, A1, SP, -8);
    rv_bltu(p, T3, S10, OTHER_WAY);
    rv_sd(p, S7, SP, -8);
    rv_j(p, JOIN);
    rv_label(p, OTHER_WAY);
    rv_sd(p, T3, SP, -16);
    rv_label(p, JOIN);
    rv_bne(p, T3, X0, CIRCLE);
    rv_addi(p, T0, T0, -1);
    rv_bne(p, T0, X0, LOOP);
    rv_li(p, S9, 1); /* no noise any more: t3 is 1 */
    rv_li(p, S7, 1ull << 40);
    rv_li(p, T0, 1);
    rv_li(p, T1, 0x200bff8);
    rv_ld(p, T2, T1, 0);
    rv_li(p, T1, 20000);
    rv_add(p, T2, T2, T1);
    rv_li(p, T1, 0x2004000);
    rv_sd(p, T2, T1, 0);
    rv_li(p, T1, 0x80);
    rv_csrw(p, CSR_MIE, T1);
    rv_li(p, T1, 8);
    rv_csrs(p, CSR_MSTATUS, T1);
    rv_j(p, LOOP);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_csrr(p, S3, CSR_MCAUSE);
    rv_sltiu(p, S4, S2, ROUNDS / 2);
    const enum rv_reg timely[] = {S2, S7, A1, T2, T3}; /* it comes sooner in some modes */
    for (unsigned n = 0; n < sizeof(timely) / sizeof(timely[0]); n++) {
        rv_li(p, timely[n], 0);
    }
    rv_sd(p, X0, SP, -8);
    rv_sd(p, X0, SP, -16);
    rv_exit(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    cr_expect(outcome.x[S3] == (1ull << 63 | 7) && outcome.x[S4] == 0);
}

Test(machine_regions, ways_are_made)
{
    unsigned made = 0;
    for (u64 seed = 1; seed <= 6; seed++) {
        struct rv_program *p = random_program(seed, true);
        rv_finish(p);
        made += guest_code_has(p, rv_address(p, LOOP), "ir", "ir of a further way");
        rv_free(p);
    }
    cr_expect(made >= 1, "%u of 6", made);
}

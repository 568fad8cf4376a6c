/* Words that are put together from bytes (translate/opt/gather.h), in every engine mode: in both
 * byte orders, one in between another, with loads from elsewhere and what they leave in registers
 * on the way, over pages that are not in order and not there. Each fault is counted with all
 * registers as they are then, and its instruction left out. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, SUPER, LOOP, DONE };

enum { PAGES = 8, MISSING = 5, DEVICE = 7, ROUNDS = 1500 };
#define PLIC 0x0c000000u

static u64 seed;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* --- one word: the steps of its making, to be dealt out --- */

enum { STEPS_MAX = 40 };

struct step {
    enum { STEP_LOAD, STEP_SHIFT, STEP_SHIFT_WORD, STEP_OR, STEP_OTHER } kind;
    enum rv_reg to, from, with;
    s32 imm;
};

struct steps {
    struct step all[STEPS_MAX];
    unsigned count, next;
};

static void add_step(struct steps *s, struct step step)
{
    s->all[s->count++] = step;
}

static const enum rv_reg sums[2] = {A2, A3};
static const enum rv_reg bytes_of[2][3] = {{A4, A5, S7}, {A6, A7, S8}};

/* Byte `n` of the word, at its place in a register. */
static void add_byte(struct steps *s, unsigned which, enum rv_reg base, s32 at, unsigned place,
                     bool extends)
{
    enum rv_reg reg = place == 0 && s->count == 0 ? sums[which] : bytes_of[which][below(3)];
    add_step(s, (struct step){STEP_LOAD, reg, base, X0, at});
    if (place != 0) {
        add_step(s, (struct step){extends ? STEP_SHIFT_WORD : STEP_SHIFT, reg, reg, X0,
                                  (s32)(8 * place)});
    }
    if (reg != sums[which]) {
        bool first = s->count <= 2;
        add_step(s, first ? (struct step){STEP_OTHER, sums[which], reg, X0, 0}
                          : (struct step){STEP_OR, sums[which], reg, sums[which], 0});
    }
}

static void make_steps(struct steps *s, unsigned which, enum rv_reg base)
{
    static const unsigned sizes[] = {2, 4, 4, 8, 8, 8, 3};
    unsigned count = sizes[below(ARRAY_LEN(sizes))];
    s32 from = (s32)below(40) - 20;
    bool swapped = below(3) == 0, extends = count == 4 && below(2) == 0;
    unsigned odd = below(12) == 0 ? 1 : 0; /* no word after all */
    *s = (struct steps){.count = 0};
    for (unsigned n = 0; n < count; n++) {
        s32 at = swapped ? from + (s32)(count - 1 - n) : from + (s32)n;
        add_byte(s, which, base, at + (s32)(n == 2 ? odd : 0), n, extends && n == 3);
    }
}

static void emit_step(struct rv_program *p, const struct step *step)
{
    switch (step->kind) {
    case STEP_LOAD: rv_lbu(p, step->to, step->from, step->imm); break;
    case STEP_SHIFT: rv_slli(p, step->to, step->from, step->imm); break;
    case STEP_SHIFT_WORD: /* slliw */
        rv_word(p, 0x1b | 1 << 12 | (u32)step->to << 7 | (u32)step->from << 15 |
                       (u32)step->imm << 20);
        break;
    case STEP_OR: rv_or(p, step->to, step->from, step->with); break;
    default: rv_addi(p, step->to, step->from, step->imm); break;
    }
}

/* What compilers put in between. */
static void emit_other(struct rv_program *p, enum rv_reg base)
{
    switch (below(9)) {
    case 0: rv_ld(p, S4, base, (s32)below(32)); break;
    case 1: rv_lw(p, T3, A1, (s32)below(64)); break;
    case 2: rv_add(p, S3, S3, S4); break;
    case 3: rv_xor(p, S3, S3, A4); break;
    case 4: rv_sd(p, S3, SP, 8 * (s32)below(8)); break;
    case 5: rv_addi(p, A4, S3, 5); break;
    case 6: rv_fld(p, 10, A1, 8); break;
    case 7: rv_beq(p, S3, X0, DONE); break;
    default: rv_addi(p, A7, X0, (s32)below(100)); break;
    }
}

static void emit_words(struct rv_program *p, unsigned others)
{
    struct steps steps[2];
    unsigned words = 1 + below(2);
    enum rv_reg bases[2] = {A0, below(2) ? A0 : A1};
    for (unsigned n = 0; n < words; n++) {
        make_steps(&steps[n], n, bases[n]);
    }
    for (;;) {
        unsigned n = below(words);
        n = steps[n].next == steps[n].count ? words - 1 - n : n;
        if (steps[n].next == steps[n].count) {
            break;
        }
        emit_step(p, &steps[n].all[steps[n].next++]);
        if (below(100) < others) {
            emit_other(p, bases[n]);
        }
    }
    for (unsigned n = 0; n < words; n++) {
        rv_slli(p, T4, S3, 7);
        rv_sub(p, S3, T4, S3);
        rv_xor(p, S3, S3, sums[n]);
    }
}

/* --- programs --- */

static const struct guest_window window = {
    .pages = PAGES, .stride = 3, .missing = MISSING, .moved = DEVICE, .moved_to = PLIC,
};

/* What the words are made in. */
static const enum rv_reg mixed[] = {A2, A3, A4, A5, A6, A7, S3, S4, S7, S8, T3};

/* a0 walks, a1 stays. */
static void run_words(u64 number, bool paged)
{
    struct rv_program *p = rv_new();
    struct guest_outcome outcome;
    seed = number * 0x9e3779b97f4a7c15u + paged;
    if (paged) {
        guest_start_paged(p, &window, TRAP);
    } else {
        guest_start(p, 1, 0, TRAP);
    }
    unsigned step = 1 + below(60), others = below(3) * 12;
    rv_li(p, A0, paged ? GUEST_WINDOW + 32 : RV_BASE + (16u << 20) - step * ROUNDS * 2 / 3);
    rv_li(p, A1, paged ? GUEST_WINDOW + 0x808 : RV_BASE + GUEST_FRAMES_AT + 3);
    rv_li(p, SP, RV_BASE + 0x60000);
    rv_li(p, S2, ROUNDS);
    rv_li(p, S3, 12345);
    rv_mret_to(p, paged ? 1 : 3, SUPER);
    rv_label(p, SUPER);
    rv_label(p, LOOP);
    emit_words(p, others);
    emit_words(p, others);
    rv_addi(p, A0, A0, (s32)step);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_label(p, DONE);
    rv_exit(p);
    guest_mix_trap(p, TRAP, mixed, ARRAY_LEN(mixed));
    guest_fill_frames(p, PAGES);
    guest_finish(p, 1, &outcome);
}

Test(machine_words, in_pages_that_are_not_all_there, .timeout = 3600)
{
    for (u64 n = 0; n < guest_tries("WORDS_TESTS", 12); n++) {
        run_words(n, true);
    }
}

Test(machine_words, over_the_end_of_ram, .timeout = 3600)
{
    for (u64 n = 0; n < guest_tries("WORDS_TESTS", 12); n++) {
        run_words(n, false);
    }
}

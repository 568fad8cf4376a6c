/* Copies and fills register by register, which become vector moves in traces
 * (translate/to_x86_64/wide.c), in every engine mode: of all sizes, in and out of order, from
 * memory to where it overlaps, with other loads and stores in between, over pages that are not in
 * order, not writable and not there. All memory is summed up afterwards. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, SUPER, LOOP, DONE, SUM };

enum { PAGES = 8, READ_ONLY = 4, MISSING = 6, ROUNDS = 400, REGS_MAX = 10 };

static u64 seed;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static const enum rv_reg regs[REGS_MAX] = {A2, A3, A4, A5, A6, A7, T3, T4, S7, S8};

static void load(struct rv_program *p, unsigned size, enum rv_reg rd, enum rv_reg base, s32 at)
{
    switch (size) {
    case 0: rv_lbu(p, rd, base, at); break;
    case 1: rv_lh(p, rd, base, at); break;
    case 2: rv_lwu(p, rd, base, at); break;
    default: rv_ld(p, rd, base, at); break;
    }
}

static void store(struct rv_program *p, unsigned size, enum rv_reg rs, enum rv_reg base, s32 at)
{
    switch (size) {
    case 0: rv_sb(p, rs, base, at); break;
    case 1: rv_sh(p, rs, base, at); break;
    case 2: rv_sw(p, rs, base, at); break;
    default: rv_sd(p, rs, base, at); break;
    }
}

static void emit_other(struct rv_program *p)
{
    switch (below(6)) {
    case 0: rv_add(p, S3, S3, regs[below(4)]); break;
    case 1: rv_sd(p, S3, A0, 8 * (s32)below(12)); break;
    case 2: rv_ld(p, S4, A1, 8 * (s32)below(12)); break;
    case 3: rv_beq(p, S3, X0, DONE); break;
    case 4: rv_sb(p, S3, A1, (s32)below(64)); break;
    default: rv_xor(p, S3, S3, S4); break;
    }
}

/* Places 0 to count - 1 in some order, or not quite all of them. */
static void make_order(unsigned *order, unsigned count)
{
    unsigned swaps = below(3) == 0 ? 4 : 0;
    for (unsigned n = 0; n < count; n++) {
        order[n] = n;
    }
    while (swaps-- > 0) {
        unsigned x = below(count), y = below(count), was = order[x];
        order[x] = order[y];
        order[y] = was;
    }
    if (below(6) == 0) {
        order[below(count)] = below(count + 2);
    }
}

static void emit_copy(struct rv_program *p, unsigned others)
{
    unsigned order[REGS_MAX], count = 2 + below(REGS_MAX - 1), size = below(3) ? 3 : below(4);
    enum rv_reg from = below(4) ? A0 : A1, to = below(4) ? A1 : A0;
    s32 from_at = (s32)below(48), to_at = (s32)below(48);
    bool in_pairs = below(6) == 0;
    make_order(order, count);
    for (unsigned n = 0; n < count; n++) {
        load(p, size, regs[n], from, from_at + (s32)(order[n] << size));
        if (in_pairs) {
            store(p, size, regs[n], to, to_at + (s32)(order[n] << size));
        }
    }
    if (below(100) < others) {
        emit_other(p);
    }
    for (unsigned n = 0; n < count && !in_pairs; n++) {
        if (below(300) < others) {
            emit_other(p);
        }
        store(p, size, regs[n], to, to_at + (s32)(order[n] << size));
    }
}

static void emit_fill(struct rv_program *p, unsigned others)
{
    unsigned order[32], count = 2 + below(30), size = below(3) ? 3 : below(4);
    enum rv_reg value = below(2) ? X0 : S3, to = below(2) ? A1 : A0;
    s32 to_at = (s32)below(48);
    if (below(4) == 0) {
        value = S4;
        rv_li(p, S4, 0x1234567u * (u64)below(3) << below(34));
    }
    make_order(order, count);
    for (unsigned n = 0; n < count; n++) {
        store(p, size, value, to, to_at + (s32)(order[n] << size));
        if (below(500) < others) {
            emit_other(p);
        }
    }
}

static void emit_body(struct rv_program *p)
{
    unsigned others = below(3) * 30;
    for (unsigned n = 1 + below(3); n > 0; n--) {
        if (below(3) == 0) {
            emit_fill(p, others);
        } else {
            emit_copy(p, others);
        }
        rv_addi(p, S3, S3, (s32)below(100));
    }
}

static const struct guest_window window = {
    .pages = PAGES, .stride = 3, .missing = MISSING, .read_only = READ_ONLY,
};

static void emit_sum(struct rv_program *p, u64 at)
{
    rv_label(p, DONE);
    rv_li(p, A0, at);
    rv_li(p, A1, at + 4 * PAGE_BYTES);
    rv_label(p, SUM);
    rv_ld(p, A2, A0, 0);
    rv_slli(p, T5, S6, 5);
    rv_sub(p, S6, T5, S6);
    rv_xor(p, S6, S6, A2);
    rv_addi(p, A0, A0, 8);
    rv_bne(p, A0, A1, SUM);
    rv_exit(p);
}

static void run_moves(u64 number, bool paged)
{
    struct rv_program *p = rv_new();
    struct guest_outcome outcome;
    seed = number * 0x9e3779b97f4a7c15u + paged;
    if (paged) {
        guest_start_paged(p, &window, TRAP);
    } else {
        guest_start(p, 1, 0, TRAP);
    }
    u64 at = paged ? GUEST_WINDOW : RV_BASE + GUEST_FRAMES_AT;
    s32 step = below(3) ? 64 : (s32)below(80);
    rv_li(p, A0, at + below(64));
    rv_li(p, A1, at + (below(2) ? below(256) : 0x900 + below(0x800)));
    rv_li(p, S2, ROUNDS);
    rv_li(p, S3, 12345);
    rv_li(p, S4, 54321);
    rv_mret_to(p, paged ? 1 : 3, SUPER);
    rv_label(p, SUPER);
    rv_label(p, LOOP);
    emit_body(p);
    rv_addi(p, A0, A0, step);
    rv_addi(p, A1, A1, step);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    emit_sum(p, at);
    guest_mix_trap(p, TRAP, regs, REGS_MAX);
    guest_fill_frames(p, PAGES);
    guest_finish(p, 1, &outcome);
}

/* A loop that copies `count` registers a round, which is long; to where it may overlap. */
static void run_long(unsigned count, u64 distance)
{
    struct rv_program *p = rv_new();
    struct guest_outcome outcome;
    u64 at = RV_BASE + GUEST_FRAMES_AT;
    guest_start(p, 1, 0, TRAP);
    rv_li(p, A0, at);
    rv_li(p, A1, at + distance);
    rv_li(p, S2, at + 8 * count * (PAGES - 2) * 64);
    rv_label(p, LOOP);
    for (unsigned n = 0; n < count; n++) {
        rv_ld(p, regs[n], A0, 8 * (s32)n);
    }
    for (unsigned n = 0; n < count; n++) {
        rv_sd(p, regs[n], A1, 8 * (s32)n);
    }
    rv_addi(p, A0, A0, 8 * (s32)count);
    rv_addi(p, A1, A1, 8 * (s32)count);
    rv_bne(p, A0, S2, LOOP);
    emit_sum(p, at);
    guest_mix_trap(p, TRAP, regs, REGS_MAX);
    guest_fill_frames(p, PAGES);
    guest_finish(p, 1, &outcome);
}

Test(machine_wide, long_copies)
{
    static const u64 distances[] = {0x4000, 8, 24, 0xfff8, -8ull, 64, 5};
    for (unsigned n = 0; n < ARRAY_LEN(distances); n++) {
        run_long(n % 2 == 0 ? 8 : 5 + n, distances[n]);
    }
}

Test(machine_wide, over_pages, .timeout = 3600)
{
    for (u64 n = 0; n < guest_tries("WIDE_TESTS", 10); n++) {
        run_moves(n, true);
    }
}

Test(machine_wide, in_ram, .timeout = 3600)
{
    for (u64 n = 0; n < guest_tries("WIDE_TESTS", 10); n++) {
        run_moves(n, false);
    }
}

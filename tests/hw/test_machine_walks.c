/* Loops that walk through memory with a stride in a register, and loops that read and write near
 * one address, as traces (translate/to_x86_64/hoist.c) in every engine mode: over pages that are
 * not in order, not writable, not there. */
#include "cpu/base/bits.h"
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, SUPER, LOOP, OUTER, SUM, DONE };

enum { PAGES = 12, TABLE_AT = 0x20000, READ_ONLY = 3, MISSING = 7 };

struct phase {
    u64 offset; /* in the window */
    u64 stride;
    u64 count;
};

/* The first makes the loop hot. Strides of no page, of less, of more, backwards, and such that
 * eight, seven, six or five of them lead back to the start or near it. */
static const struct phase phases[] = {
    {0, 1, 3000},         {0x100, 24, 700},       {0x100, 509, 90}, {0x800, 511, 90},
    {0xfff, 1000, 45},    {5, 4095, 11},          {7, 4096, 11},    {0, 5000, 9},
    {0xbfff, -1ull, 900}, {0xb800, -24ull, 1900}, {0xbff0, -509ull, 90},
    {0x10, 0, 60},        {0x20, 1ull << 61, 60}, {0x28, -1ull << 62, 40},
    {0xff8, 1ull << 63, 40}, {0x2f00, 1, 300},    {0x6000, 293, 80},
    {0x40, 2635249153387078803u, 40}, {0x48, 3074457345618258603u, 40},
    {0x50, 3689348814741910324u, 40},
};

/* The window's pages, whose frames are in another order. */
static struct rv_program *window_begin(void)
{
    struct rv_program *p = rv_new();
    const struct guest_window window = {
        .pages = PAGES, .stride = 5, .missing = MISSING, .read_only = READ_ONLY,
    };
    guest_start_paged(p, &window, TRAP);
    rv_li(p, S5, 0);
    rv_li(p, S6, 0);
    rv_mret_to(p, 1, SUPER);
    return p;
}

/* s5 counts traps, s6 mixes their addresses; the instruction is left out. Then the table. */
static void window_end(struct rv_program *p, struct guest_outcome *outcome)
{
    rv_label(p, DONE);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    rv_csrr(p, T5, CSR_MEPC);
    rv_addi(p, T5, T5, 4);
    rv_csrw(p, CSR_MEPC, T5);
    rv_addi(p, S5, S5, 1);
    rv_slli(p, T5, S6, 5);
    rv_sub(p, S6, T5, S6);
    rv_csrr(p, T5, CSR_MTVAL);
    rv_add(p, S6, S6, T5);
    rv_csrr(p, T5, CSR_MCAUSE);
    rv_add(p, S6, S6, T5);
    rv_word(p, RV_MRET);
    rv_org(p, TABLE_AT);
    for (unsigned n = 0; n < ARRAY_LEN(phases); n++) {
        rv_dword(p, GUEST_WINDOW + phases[n].offset);
        rv_dword(p, phases[n].stride);
        rv_dword(p, phases[n].count);
    }
    rv_dword(p, 0);
    rv_dword(p, 0);
    rv_dword(p, 0);
    guest_fill_frames(p, PAGES);
    guest_finish(p, 1, outcome);
}

/* The head of the loop over the table: a0 address, a1 stride, a2 count; s2 grows once a round. */
static void phases_begin(struct rv_program *p)
{
    rv_label(p, SUPER);
    rv_li(p, S1, RV_BASE + TABLE_AT);
    rv_li(p, S2, 0);
    rv_li(p, S3, 0);
    rv_label(p, OUTER);
    rv_ld(p, A0, S1, 0);
    rv_ld(p, A1, S1, 8);
    rv_ld(p, A2, S1, 16);
    rv_addi(p, S1, S1, 24);
    rv_beq(p, A2, X0, DONE);
    rv_label(p, LOOP);
}

static void phases_end(struct rv_program *p)
{
    rv_addi(p, S2, S2, 1);
    rv_add(p, A0, A0, A1);
    rv_addi(p, A2, A2, -1);
    rv_bne(p, A2, X0, LOOP);
    rv_j(p, OUTER);
}

/* What page holds that address, or PAGES. */
static u64 page_of(u64 address)
{
    u64 page = (address - GUEST_WINDOW) / PAGE_BYTES;
    return address >= GUEST_WINDOW && page < PAGES && page != MISSING ? page : PAGES;
}

Test(machine_walks, stores_by_a_stride)
{
    u64 traps = 0, mixed = 0;
    for (unsigned n = 0; n < ARRAY_LEN(phases); n++) {
        u64 address = GUEST_WINDOW + phases[n].offset;
        for (u64 i = 0; i < phases[n].count; i++, address += phases[n].stride) {
            if (page_of(address) == PAGES || page_of(address) == READ_ONLY) {
                traps++;
                mixed = mixed * 31 + address + 15;
            }
        }
    }
    struct rv_program *p = window_begin();
    phases_begin(p);
    rv_sb(p, S2, A0, 0);
    phases_end(p);
    struct guest_outcome outcome;
    window_end(p, &outcome);
    cr_expect(outcome.x[S5] == traps, "%llu", (unsigned long long)outcome.x[S5]);
    cr_expect(outcome.x[S6] == mixed);
}

/* What was loaded is what was stored there: all of it goes into one sum. */
Test(machine_walks, loads_and_stores_by_a_stride)
{
    static u8 frames[PAGES * PAGE_BYTES];
    u64 traps = 0, sum = 0, round = 0;
    for (unsigned n = 0; n < sizeof(frames); n++) {
        frames[n] = (u8)(n / 8 * 0x9e3779b97f4a7c15u >> n % 8 * 8);
    }
    for (unsigned n = 0; n < ARRAY_LEN(phases); n++) {
        u64 address = GUEST_WINDOW + phases[n].offset, loaded = 77;
        for (u64 i = 0; i < phases[n].count; i++, address += phases[n].stride) {
            u64 page = page_of(address);
            u8 *byte = &frames[5 * page % PAGES * PAGE_BYTES + address % PAGE_BYTES];
            traps += page == PAGES ? 2 : page == READ_ONLY;
            loaded = page == PAGES ? loaded : *byte;
            sum = 31 * sum + loaded;
            if (page != PAGES && page != READ_ONLY) {
                *byte = (u8)(loaded + round);
            }
            round++;
        }
    }
    struct rv_program *p = window_begin();
    phases_begin(p);
    rv_lbu(p, A3, A0, 0);
    rv_slli(p, T0, S3, 5);
    rv_sub(p, S3, T0, S3);
    rv_add(p, S3, S3, A3);
    rv_add(p, T0, A3, S2);
    rv_sb(p, T0, A0, 0);
    rv_addi(p, S2, S2, 1);
    rv_add(p, A0, A0, A1);
    rv_addi(p, A2, A2, -1);
    rv_bne(p, A2, X0, LOOP);
    rv_li(p, A3, 77);
    rv_j(p, OUTER);
    struct guest_outcome outcome;
    window_end(p, &outcome);
    cr_expect(outcome.x[S5] == traps, "%llu", (unsigned long long)outcome.x[S5]);
    cr_expect(outcome.x[S3] == sum);
}

/* Several bytes around the address, in all modes alike. */
Test(machine_walks, words_by_a_stride)
{
    struct rv_program *p = window_begin();
    phases_begin(p);
    rv_lw(p, A3, A0, 12);
    rv_sd(p, S2, A0, -8);
    rv_add(p, S3, S3, A3);
    phases_end(p);
    struct guest_outcome outcome;
    window_end(p, &outcome);
    u64 rounds = 0;
    for (unsigned n = 0; n < ARRAY_LEN(phases); n++) {
        rounds += phases[n].count;
    }
    cr_expect(outcome.x[S2] == rounds);
    cr_expect(outcome.x[S5] > 0);
}

/* Every size at every distance from a page's end, into a page that is elsewhere in memory, is not
 * writable or not there; far enough from each other that each has its own look at the TLB. What is
 * loaded over an end is what was stored over it before. */
Test(machine_walks, every_size_over_page_ends)
{
    struct rv_program *p = window_begin();
    rv_li(p, T0, 1u << 13); /* FS = initial */
    rv_csrs(p, CSR_MSTATUS, T0);
    phases_begin(p);
    const s32 apart = 0x400;
    rv_lh(p, A3, A0, 0);
    rv_add(p, S3, S3, A3);
    rv_lhu(p, A3, A0, apart);
    rv_slli(p, T0, S3, 5);
    rv_sub(p, S3, T0, S3);
    rv_add(p, S3, S3, A3);
    rv_lw(p, A3, A0, -apart);
    rv_xor(p, S3, S3, A3);
    rv_lwu(p, A3, A0, 1);
    rv_add(p, S3, S3, A3);
    rv_ld(p, A3, A0, apart - 2);
    rv_add(p, S3, S3, A3);
    rv_fld(p, 1, A0, -apart - 3);
    rv_fsd(p, 1, A0, apart + 4);
    rv_sh(p, S3, A0, -1);
    rv_sw(p, S3, A0, apart + 2);
    rv_sd(p, S3, A0, -apart - 1);
    phases_end(p);
    struct guest_outcome outcome;
    window_end(p, &outcome);
    cr_expect(outcome.x[S5] > 0);
    cr_expect(outcome.x[S3] != 0);
}

/* The loop changes its stride: that is no walk. */
Test(machine_walks, stride_that_changes)
{
    struct rv_program *p = window_begin();
    phases_begin(p);
    rv_sb(p, S2, A0, 0);
    rv_xori(p, A1, A1, 1);
    phases_end(p);
    struct guest_outcome outcome;
    window_end(p, &outcome);
    cr_expect(outcome.x[S5] > 0);
}

/* Two strides after each other are no walk either, though the second is 0. */
Test(machine_walks, two_strides)
{
    enum { ROUNDS = 3000 };
    static u8 bytes[PAGES * PAGE_BYTES];
    u64 at = 0x41, sum = 0;
    for (unsigned n = 0; n < ROUNDS; n++) {
        bytes[at] = (u8)n;
        at += 3;
    }
    for (unsigned n = 0; n < 2 * PAGE_BYTES; n++) {
        sum = 31 * sum + bytes[n];
    }
    struct rv_program *p = window_begin();
    rv_label(p, SUPER);
    rv_li(p, A0, GUEST_WINDOW);
    rv_li(p, A1, 2 * PAGE_BYTES);
    rv_label(p, OUTER);
    rv_sb(p, X0, A0, 0);
    rv_addi(p, A0, A0, 1);
    rv_addi(p, A1, A1, -1);
    rv_bne(p, A1, X0, OUTER);
    rv_li(p, A0, GUEST_WINDOW + 0x41);
    rv_li(p, A1, 3);
    rv_li(p, A3, 0);
    rv_li(p, A2, ROUNDS);
    rv_li(p, S2, 0);
    rv_label(p, LOOP);
    rv_sb(p, S2, A0, 0);
    rv_add(p, A0, A0, A1);
    rv_add(p, A0, A0, A3);
    rv_addi(p, S2, S2, 1);
    rv_addi(p, A2, A2, -1);
    rv_bne(p, A2, X0, LOOP);
    rv_li(p, S3, 0);
    rv_li(p, A0, GUEST_WINDOW);
    rv_li(p, A1, 2 * PAGE_BYTES);
    rv_label(p, SUM);
    rv_lbu(p, A3, A0, 0);
    rv_slli(p, T0, S3, 5);
    rv_sub(p, S3, T0, S3);
    rv_add(p, S3, S3, A3);
    rv_addi(p, A0, A0, 1);
    rv_addi(p, A1, A1, -1);
    rv_bne(p, A1, X0, SUM);
    struct guest_outcome outcome;
    window_end(p, &outcome);
    cr_expect(outcome.x[S5] == 0 && outcome.x[S3] == sum);
}

/* Reads and writes near one address are one group: where the page may only be read, the reads
 * work and each write traps. */
Test(machine_walks, reads_and_writes_near_each_other)
{
    enum { STEP = 24, ROUNDS = 2 * PAGE_BYTES / STEP };
    u64 traps = 0;
    for (u64 at = READ_ONLY * PAGE_BYTES - PAGE_BYTES / 2, n = 0; n < ROUNDS; n++, at += STEP) {
        traps += (at + 8) / PAGE_BYTES == READ_ONLY || (at + 15) / PAGE_BYTES == READ_ONLY;
    }
    struct rv_program *p = window_begin();
    rv_label(p, SUPER);
    rv_li(p, S3, 0);
    rv_li(p, S2, 0);
    rv_li(p, A2, 0);
    rv_li(p, A4, 9);
    rv_label(p, OUTER);
    rv_li(p, A0, GUEST_WINDOW + READ_ONLY * PAGE_BYTES - PAGE_BYTES / 2);
    rv_li(p, A1, ROUNDS);
    rv_label(p, LOOP);
    rv_ld(p, A3, A0, 0);
    rv_add(p, S3, S3, A3);
    rv_sd(p, S3, A0, 8);
    rv_ld(p, A5, A0, 8);
    rv_xor(p, S2, S2, A5);
    rv_addi(p, A0, A0, STEP);
    rv_addi(p, A1, A1, -1);
    rv_bne(p, A1, X0, LOOP);
    rv_addi(p, A4, A4, -1);
    rv_bne(p, A4, X0, OUTER);
    struct guest_outcome outcome;
    window_end(p, &outcome);
    cr_expect(outcome.x[S5] == 9 * traps, "%llu, not %llu", (unsigned long long)outcome.x[S5],
              (unsigned long long)(9 * traps));
}

/* Objects at addresses from memory, some of them over page ends, one in a page that may only be
 * read: often enough that traces are made anew for them. */
static const u64 objects[] = {
    0x100, 0xff0, 0x1fe8, 0x8100, 0x3100, 0x8ff8, 0x9008, 0x3ff0,
};
enum { OBJECTS_AT = 0x18000, OBJECT_ROUNDS = 6000 };

static void objects_program(struct rv_program *p)
{
    rv_label(p, SUPER);
    rv_li(p, S1, RV_BASE + OBJECTS_AT);
    rv_li(p, S2, OBJECT_ROUNDS);
    rv_li(p, A4, 0);
    rv_label(p, LOOP);
    rv_andi(p, T0, S2, 8 * (ARRAY_LEN(objects) - 1));
    rv_add(p, T0, T0, S1);
    rv_ld(p, T0, T0, 0);
    rv_ld(p, A0, T0, 0);
    rv_ld(p, A1, T0, 8);
    rv_add(p, A0, A0, A1);
    rv_sd(p, A0, T0, 16);
    rv_ld(p, A1, T0, 24);
    rv_add(p, A4, A4, A1);
    rv_sd(p, A4, T0, 8);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
    rv_j(p, DONE);
    rv_org(p, OBJECTS_AT);
    for (unsigned n = 0; n < ARRAY_LEN(objects); n++) {
        rv_dword(p, GUEST_WINDOW + objects[n]);
    }
}

static u8 *object_byte(u8 *frames, u64 offset)
{
    return &frames[5 * (offset / PAGE_BYTES) % PAGES * PAGE_BYTES + offset % PAGE_BYTES];
}

static u64 object_word(u8 *frames, u64 offset)
{
    return ld_le64(object_byte(frames, offset));
}

static void set_object_word(u8 *frames, u64 offset, u64 value, u64 *traps)
{
    if (offset / PAGE_BYTES == READ_ONLY) {
        ++*traps;
    } else {
        st_le64(object_byte(frames, offset), value);
    }
}

Test(machine_walks, objects_over_page_ends)
{
    static u8 frames[PAGES * PAGE_BYTES];
    u64 traps = 0, sum = 0;
    for (unsigned n = 0; n < sizeof(frames); n++) {
        frames[n] = (u8)(n / 8 * 0x9e3779b97f4a7c15u >> n % 8 * 8);
    }
    for (unsigned round = OBJECT_ROUNDS; round > 0; round--) {
        u64 at = objects[round / 8 % ARRAY_LEN(objects)];
        u64 both = object_word(frames, at) + object_word(frames, at + 8);
        set_object_word(frames, at + 16, both, &traps);
        sum += object_word(frames, at + 24);
        set_object_word(frames, at + 8, sum, &traps);
    }
    struct rv_program *p = window_begin();
    objects_program(p);
    struct guest_outcome outcome;
    window_end(p, &outcome);
    cr_expect(outcome.x[S5] == traps, "%llu", (unsigned long long)outcome.x[S5]);
    cr_expect(outcome.x[A4] == sum);
}

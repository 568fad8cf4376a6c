/* Loops that look things up in a table of two pages, under paging, in every engine mode; and what
 * may become of one of these pages meanwhile. */
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>

enum { TRAP = 1, SUPER, FILL, LOOP, OUTER, SECOND, NEXT, DONE };
enum { WORDS = 256, ROUNDS = 700, FRAMES = 0x40000 };
#define PAGES ((u64)0x40000000)
#define TABLE (PAGES + 0xe00) /* half of it in the second page */

static u64 leaf(u32 frame, u32 flags)
{
    return (u64)(RV_BASE + frame) >> 12 << 10 | flags;
}

/* What fill() leaves at a place of the frames. */
static u32 word_at(u32 place)
{
    return 77 + 3 * place / 4;
}

/* Four frames of words, no two alike. */
static void fill(struct rv_program *p)
{
    rv_li(p, A0, RV_BASE + FRAMES);
    rv_li(p, A1, word_at(0));
    rv_li(p, A2, RV_BASE + FRAMES + 4 * PAGE_BYTES);
    rv_label(p, FILL);
    rv_sw(p, A1, A0, 0);
    rv_addi(p, A1, A1, 3);
    rv_addi(p, A0, A0, 4);
    rv_bne(p, A0, A2, FILL);
}

/* Adds to a4 what x = 5 * x + 3 looks up, ROUNDS times; x is in a0, the table's address in s0. */
static void look_up(struct rv_program *p, bool stores)
{
    rv_li(p, S2, ROUNDS);
    rv_label(p, LOOP);
    rv_slli(p, T1, A0, 2);
    rv_add(p, A0, A0, T1);
    rv_addi(p, A0, A0, 3);
    rv_andi(p, T1, A0, WORDS - 1);
    rv_slli(p, T1, T1, 2);
    rv_add(p, T1, T1, S0);
    rv_lw(p, T2, T1, 0);
    rv_add(p, A4, A4, T2);
    if (stores) {
        rv_addi(p, T2, T2, 1);
        rv_sw(p, T2, T1, 0);
    }
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, LOOP);
}

/* Where x looks, from PAGES on. */
static u32 place_of(u64 x)
{
    return (u32)(TABLE - PAGES) + 4 * (u32)(x & (WORDS - 1));
}

/* The same in C, with the second page in that frame. */
static u64 looked_up(u64 *x, unsigned frame)
{
    u64 sum = 0;
    for (unsigned n = 0; n < ROUNDS; n++) {
        *x = 5 * *x + 3;
        u32 at = place_of(*x);
        sum += word_at(at < PAGE_BYTES ? at : at - (u32)PAGE_BYTES + frame * (u32)PAGE_BYTES);
    }
    return sum;
}

static struct rv_program *begin(u32 *root)
{
    struct rv_program *p = rv_new();
    *root = guest_identity_table(p);
    rv_map(p, *root, PAGES, RV_BASE + FRAMES, PTE_RW);
    rv_map(p, *root, PAGES + PAGE_BYTES, RV_BASE + FRAMES + PAGE_BYTES, PTE_RW);
    guest_start(p, 1, 0, TRAP);
    rv_li(p, S11, GUEST_RESULTS);
    rv_la(p, S10, DONE);
    fill(p);
    rv_li(p, T0, rv_satp(*root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_mret_to(p, 1, SUPER);
    rv_label(p, SUPER);
    rv_li(p, S0, TABLE);
    rv_li(p, A0, 1);
    return p;
}

static void end(struct rv_program *p)
{
    rv_label(p, DONE);
    rv_exit(p);
    rv_align(p, 4);
    rv_label(p, TRAP);
    guest_record_trap(p);
    p->end = p->end < FRAMES + 4 * PAGE_BYTES ? FRAMES + 4 * (u32)PAGE_BYTES : p->end;
}

/* The second page of the table is where it is in a row, and where it is not, in turn, and in the
 * end nowhere: the look-up that goes there faults. */
Test(machine_table, page_mapped_elsewhere_and_nowhere)
{
    enum { TIMES = 12 };
    u32 root;
    struct rv_program *p = begin(&root);
    rv_li(p, S1, rv_pte_address(p, root, PAGES + PAGE_BYTES));
    rv_li(p, S3, TIMES);
    rv_li(p, S4, leaf(FRAMES + 3 * PAGE_BYTES, PTE_RW));
    rv_li(p, S5, leaf(FRAMES + PAGE_BYTES, PTE_RW));
    rv_li(p, S6, PAGES + PAGE_BYTES);
    rv_label(p, OUTER);
    look_up(p, false);
    rv_beq(p, S3, X0, NEXT); /* it should have faulted */
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, SECOND);
    rv_li(p, S4, 0);
    rv_label(p, SECOND);
    rv_sd(p, S4, S1, 0);
    rv_sfence_vma(p, X0, S6, X0);
    rv_mv(p, T0, S4); /* the other one's turn */
    rv_mv(p, S4, S5);
    rv_mv(p, S5, T0);
    rv_j(p, OUTER);
    rv_label(p, NEXT);
    end(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u64 x = 1, sum = 0;
    for (unsigned n = 0; n < TIMES; n++) {
        sum += looked_up(&x, n % 2 == 0 ? 1 : 3);
    }
    for (u64 left = outcome.x[S2]; left < ROUNDS; left++) { /* rounds that stayed in the first */
        x = 5 * x + 3;
        sum += word_at(place_of(x));
    }
    x = 5 * x + 3;
    cr_expect(outcome.words[0] == 13 && outcome.words[1] == PAGES + place_of(x));
    cr_expect(place_of(x) >= PAGE_BYTES);
    cr_expect(outcome.x[A0] == x && outcome.x[A4] == sum);
}

/* What is stored there is what is looked up next. */
Test(machine_table, stores_into_the_table)
{
    u32 root;
    struct rv_program *p = begin(&root);
    rv_li(p, S3, 4);
    rv_label(p, OUTER);
    look_up(p, true);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    end(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u32 words[WORDS];
    u64 x = 1, sum = 0;
    for (u32 n = 0; n < WORDS; n++) {
        words[n] = word_at(place_of(n));
    }
    for (unsigned n = 0; n < 4 * ROUNDS; n++) {
        x = 5 * x + 3;
        sum += words[x & (WORDS - 1)]++;
    }
    cr_expect(outcome.x[A4] == sum);
}

/* That there is something to compare. */
Test(machine_table, is_checked_where_the_loop_is_entered)
{
    u32 root;
    struct rv_program *p = begin(&root);
    rv_li(p, S3, 40);
    rv_label(p, OUTER);
    look_up(p, false);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    rv_la(p, A0, LOOP);
    end(p);
    rv_finish(p);
    cr_expect(guest_code_has(p, rv_address(p, LOOP), "host", "call"));
    rv_free(p);
}

/* Loops through lists: their accesses guess the page (loop.c). Lists within a page and over many,
 * aligned in every way, with nodes over a page's end and behind the end of memory, against the
 * interpreter. Neighbouring pages of the guest's are not neighbours on the host, so that an access
 * through another page's entry is seen. */
#include "tests/support/rig_pair.h"

enum {
    START = 0x100,
    COPIES = 4,
    NODES = 60,
    SLOT_BYTES = 32,
    PAGE_SLOTS = PAGE_BYTES / SLOT_BYTES
};

static u8 *pages; /* page n of RAM is page_place(n) of these */

static void setup(void)
{
    rig_pair_setup();
    pages = aligned_alloc(PAGE_BYTES, 2 * RIG_RAM_BYTES);
}

static void teardown(void)
{
    rig_pair_teardown();
    free(pages);
}

TestSuite(guess, .init = setup, .fini = teardown);

static u8 *page_place(unsigned n)
{
    return pages + PAGE_BYTES * (n * 5 % RIG_PAGES * 2 + n % 2);
}

static void map_pages(struct rig_hart *hart)
{
    for (unsigned n = 0; n < RIG_PAGES; n++) {
        gva_t page = RIG_RAM_GVA + n * PAGE_BYTES;
        rig_map(hart, page, true, true, false);
        hart->tlb[tlb_index(page)].addend = (u64)(uintptr_t)page_place(n) - page;
        memcpy(page_place(n), hart->ram + n * PAGE_BYTES, PAGE_BYTES);
    }
}

static ir_ref word_at(unsigned reg, s64 offset)
{
    ir_ref address = offset == 0
                         ? x(reg)
                         : ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(reg), ir_i64(rig->ir, (u64)offset));
    return ir_load(rig->ir, IR_I64, IR_MEM_64, address);
}

/* x20 goes from node to node until it is 0. Its value is added to x21, or x22, the node before it,
 * becomes its next one; the same of x23, whose rounds are as many. */
static const u8 *compile(bool turns, bool two, u32 flags)
{
    u32 offset = START;
    ir_reset(rig->ir, &rig_guest);
    rig->ir->constants_last = true;
    for (unsigned copy = 0; copy < COPIES; copy++) {
        for (unsigned list = 0; list <= two; list++) {
            unsigned node = 20 + 3 * list;
            ir_begin_insn(rig->ir, offset, 4);
            ir_ref next = word_at(node, 0);
            ir_set(rig->ir, RIG_X(26), 8, next);
            ir_begin_insn(rig->ir, offset + 4, 4);
            if (turns) {
                ir_store(rig->ir, IR_MEM_64, x(node), x(node + 2));
                ir_set(rig->ir, RIG_X(node + 2), 8, x(node));
            } else {
                ir_set(rig->ir, RIG_X(node + 1), 8,
                       ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(node + 1), word_at(node, 8)));
            }
            ir_begin_insn(rig->ir, offset + 8, 4);
            ir_set(rig->ir, RIG_X(node), 8, x(26));
            ir_begin_insn(rig->ir, offset + 12, 4);
            ir_exit_if(rig->ir, IR_EQ, x(node), ir_i64(rig->ir, 0), 0x400 + 4 * copy);
            offset += 16;
        }
    }
    ir_jump(rig->ir, START);
    const u8 *code = rig_compile(rig, flags, NULL);
    cr_assert_not_null(code);
    return code;
}

struct shape {
    const char *what;
    unsigned pages;  /* that the nodes are in */
    unsigned align;  /* of the nodes */
    gva_t last;      /* what the last node leads to */
    bool fixed_page; /* the first half of the list is in one page */
};

static u64 seed = 1;

static unsigned pick(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

/* In hart 1's memory; returns where it begins. Each node has a slot that no other has. */
static gva_t make_list(const struct shape *shape, bool *taken)
{
    u8 *ram = rig->hart[1]->ram;
    gva_t first = shape->last;
    for (unsigned n = 0; n < NODES; n++) {
        unsigned among = shape->fixed_page && n >= NODES / 2 ? 1 : shape->pages;
        unsigned slot;
        do {
            slot = pick(among) * PAGE_SLOTS + pick(PAGE_SLOTS);
        } while (taken[slot]);
        taken[slot] = true;
        u64 at = slot * SLOT_BYTES + pick(SLOT_BYTES / 2 / shape->align + 1) * shape->align;
        st_le64(ram + at, first);
        st_le64(ram + at + 8, pick(1 << 20));
        first = RIG_RAM_GVA + at;
    }
    return first;
}

static void compare(const u8 *code, const struct shape *shape, bool turns)
{
    struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    bool taken[RIG_PAGES * PAGE_SLOTS] = {false};
    taken[RIG_PAGES * PAGE_SLOTS - 1] = true; /* it would end behind RAM */
    u32 links = rig->link_count;
    size_t used = rig->used_bytes, cold = rig->cold_end;
    rig_reset(rig);
    rig->link_count = links;
    rig->used_bytes = used;
    rig->cold_end = cold;
    host->x[20] = make_list(shape, taken);
    host->x[23] = make_list(shape, taken);
    map_pages(host);
    host->vcpu.deadline = host->vcpu.insns + 100000;
    rig_copy(spare->hart[0], host);
    enum ir_exit exit = rig->context.enter(&host->vcpu, code);
    cr_assert_eq(exit, shape->last == 0 ? IR_EXIT_JUMP : IR_EXIT_RAISED, "%s", shape->what);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
    cr_assert_eq(host->vcpu.insns, interp->vcpu.insns, "%s", shape->what);
    for (unsigned n = 0; n < 32; n++) {
        cr_assert_eq(host->x[n], interp->x[n], "%s: x%u is %llx, not %llx", shape->what, n,
                     (unsigned long long)host->x[n], (unsigned long long)interp->x[n]);
    }
    for (unsigned n = 0; turns && n < RIG_PAGES; n++) {
        cr_assert_arr_eq(page_place(n), interp->ram + n * PAGE_BYTES, PAGE_BYTES, "%s",
                         shape->what);
    }
}

static const struct shape shapes[] = {
    {.what = "one page", .pages = 1, .align = 16},
    {.what = "two pages", .pages = 2, .align = 16},
    {.what = "all pages", .pages = RIG_PAGES, .align = 16},
    {.what = "words", .pages = 3, .align = 8},
    {.what = "first many pages, then one", .pages = RIG_PAGES, .align = 16, .fixed_page = true},
    {.what = "to nowhere", .pages = 2, .align = 16, .last = RIG_RAM_GVA + 2 * RIG_RAM_BYTES},
    {.what = "bytes, over the ends of pages", .pages = RIG_PAGES, .align = 1},
};

enum { LISTS = 200, STORED_SHAPES = ARRAY_LEN(shapes) - 1 }; /* C stores where `pages` is not */

Test(guess, lists_are_walked_as_by_the_interpreter)
{
    for (unsigned two = 0; two < 2; two++) {
        const u8 *code = compile(false, two != 0, HOST_TRACE | HOST_STEADY);
        for (unsigned i = 0; i < ARRAY_LEN(shapes); i++) {
            for (unsigned n = 0; n < LISTS; n++) {
                compare(code, &shapes[i], false);
            }
        }
    }
}

Test(guess, lists_are_turned_as_by_the_interpreter)
{
    for (unsigned two = 0; two < 2; two++) {
        const u8 *code = compile(true, two != 0, HOST_TRACE | HOST_STEADY);
        for (unsigned i = 0; i < STORED_SHAPES; i++) {
            for (unsigned n = 0; n < LISTS; n++) {
                compare(code, &shapes[i], true);
            }
        }
    }
}

/* That there is something to compare: a loop that is seldom gone round does not guess. */
Test(guess, steady_loops_guess)
{
    compile(false, false, HOST_TRACE);
    size_t without_bytes = rig->result.code_bytes;
    compile(false, false, HOST_TRACE | HOST_STEADY);
    size_t guessing_bytes = rig->result.code_bytes;
    cr_assert_neq(guessing_bytes, without_bytes);
    compile(false, false, HOST_TRACE | HOST_STEADY | HOST_NO_GUESS);
    cr_assert_neq(rig->result.code_bytes, guessing_bytes);
}

/* And goes on as if nothing was. */
Test(guess, c_is_told_of_wrong_guesses)
{
    const struct shape near = {.what = "told", .pages = 1, .align = 16};
    const struct shape far = {.what = "told", .pages = RIG_PAGES, .align = 16};
    for (unsigned turns = 0; turns < 2; turns++) {
        const u8 *code = compile(turns != 0, false, HOST_TRACE | HOST_STEADY);
        compare(code, &near, turns != 0);
        cr_expect_eq(rig->hart[1]->guesses, 0);
        compare(code, &far, turns != 0);
        cr_expect_neq(rig->hart[1]->guesses, 0);
        cr_expect_eq(rig->hart[1]->split_head, RIG_PC_PAGE + START);
    }
}

/* Another page's permission, and a page that is taken out of the TLB in the middle: what C is asked
 * for makes every guess forgotten. */
static void lose_pages(struct rig_hart *hart)
{
    for (unsigned n = 0; n < RIG_PAGES; n++) {
        gva_t page = RIG_RAM_GVA + n * PAGE_BYTES;
        rig_map(hart, page, false, false, false);
        memset(page_place(n), 0xee, PAGE_BYTES); /* nobody reads there any more */
    }
}

Test(guess, pages_lost_in_between)
{
    const struct shape shape = {.what = "lost", .pages = 3, .align = 16};
    const u8 *code = compile(false, false, HOST_TRACE | HOST_STEADY);
    unsigned slow_calls = 0;
    for (unsigned n = 0; n < LISTS; n++) {
        bool taken[RIG_PAGES * PAGE_SLOTS] = {false};
        struct rig_hart *host = rig->hart[1];
        rig_reset(rig);
        host->x[20] = make_list(&shape, taken);
        map_pages(host);
        rig_map(host, RIG_RAM_GVA + PAGE_BYTES, false, false, false);
        host->on_slow = lose_pages;
        rig_copy(spare->hart[0], host);
        rig->context.enter(&host->vcpu, code); /* may leave before it asks C */
        rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
        cr_assert_eq(host->x[20], rig->hart[0]->x[20]);
        cr_assert_eq(host->x[21], rig->hart[0]->x[21]);
        slow_calls += host->slow_calls;
    }
    cr_assert_neq(slow_calls, 0);
}

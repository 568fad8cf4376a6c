/* Open traces remember pages (slot.c): lists of nodes within a page and over many, aligned in every
 * way, with groups of accesses over a page's end, while pages move, lose permissions and come back,
 * against the interpreter. As in test_guess.c, neighbouring pages of the guest's are not neighbours
 * on the host. */
#include "tests/support/rig_pair.h"

enum { START = 0x100, DEVICE = RIG_RAM_GVA + RIG_RAM_BYTES, SLOTS = 32 };

static u8 *pages; /* page n of RAM is page_place(n) of these, */
static unsigned moved; /* which depends on this */

static void setup(void)
{
    rig_pair_setup();
    pages = aligned_alloc(PAGE_BYTES, 4 * RIG_RAM_BYTES);
    moved = 0;
}

static void teardown(void)
{
    rig_pair_teardown();
    free(pages);
}

TestSuite(slots, .init = setup, .fini = teardown);

static u8 *page_place(unsigned n)
{
    return pages + PAGE_BYTES * ((n * 5 + moved) % RIG_PAGES * 2 + n % 2);
}

static u64 seed = 1;

static unsigned pick(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

static void map_page(struct rig_hart *hart, unsigned n, bool readable, bool writable)
{
    gva_t page = RIG_RAM_GVA + n * PAGE_BYTES;
    rig_map(hart, page, readable, writable, false);
    hart->tlb[tlb_index(page)].addend = (u64)(uintptr_t)page_place(n) - page;
}

/* Where RAM is now, and nothing of where it was. */
static void map_pages(struct rig_hart *hart)
{
    memset(pages, 0xee, 2 * RIG_RAM_BYTES);
    for (unsigned n = 0; n < RIG_PAGES; n++) {
        map_page(hart, n, true, true);
        memcpy(page_place(n), hart->ram + n * PAGE_BYTES, PAGE_BYTES);
    }
}

static void new_epoch(struct rig_hart *hart)
{
    static u64 epoch = 1;
    hart->vcpu.data_epoch = epoch += 2;
}

static ir_ref sum(unsigned reg, s64 offset)
{
    return offset == 0 ? x(reg)
                       : ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(reg), ir_i64(rig->ir, (u64)offset));
}

static void load(u32 at, unsigned to, unsigned base, s64 offset)
{
    ir_begin_insn(rig->ir, at, 4);
    ir_set(rig->ir, RIG_X(to), 8, ir_load(rig->ir, IR_I64, IR_MEM_64, sum(base, offset)));
}

static void store(u32 at, unsigned base, s64 offset, unsigned value)
{
    ir_begin_insn(rig->ir, at, 4);
    ir_store(rig->ir, IR_MEM_64, sum(base, offset), x(value));
}

/* x20: a node whose first word leads to another one, of which a group of words is read, then
 * another's word and group are written. With `first` the first instruction reads x28, too. */
static const u8 *compile(bool first)
{
    u32 at = START;
    ir_reset(rig->ir, &rig_guest);
    rig->ir->constants_last = true;
    if (first) {
        load(at, 27, 28, 0);
        at += 4;
    }
    ir_begin_insn(rig->ir, at, 4);
    ir_set(rig->ir, RIG_X(29), 8, sum(29, 1));
    load(at + 4, 21, 20, 0);
    load(at + 8, 22, 21, 0);
    load(at + 12, 23, 21, 24);
    load(at + 16, 24, 22, 8);
    ir_begin_insn(rig->ir, at + 20, 4);
    ir_set(rig->ir, RIG_X(25), 8, ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(23), x(24)));
    store(at + 24, 22, 0, 25);
    load(at + 28, 26, 30, 0);
    store(at + 32, 26, 16, 25);
    store(at + 36, 26, 40, 23);
    ir_begin_insn(rig->ir, at + 40, 4); /* as what comes from memory is, what begins here is */
    ir_set(rig->ir, RIG_X(20), 8, x(21));
    ir_set(rig->ir, RIG_X(30), 8, x(26));
    ir_jump(rig->ir, 0x800);
    rig->slots_max = SLOTS;
    const u8 *code = rig_compile(rig, HOST_TRACE | HOST_OPEN, NULL);
    cr_assert_not_null(code);
    cr_assert(rig->result.slot_count > 4 && rig->result.slot_count <= SLOTS);
    return code;
}

enum { NODE_BYTES = 48 };

/* In hart 1's memory; nodes lie in the first `among` pages, at multiples of `align`, and every
 * eighth one may lie over a page's end. */
static gva_t node(unsigned among, unsigned align)
{
    unsigned first = pick(among) * PAGE_BYTES;
    unsigned in_page = pick((PAGE_BYTES - NODE_BYTES) / align + 1) * align;
    if (among > 1 && pick(8) == 0) {
        first = (1 + pick(among - 1)) * PAGE_BYTES;
        in_page = 0u - pick(NODE_BYTES / align) * align;
    }
    return RIG_RAM_GVA + first + in_page;
}

static void put(struct rig_hart *hart, gva_t at, u64 value)
{
    st_le64(hart->ram + (at - RIG_RAM_GVA), value);
}

static void make_nodes(struct rig_hart *hart, unsigned among, unsigned align)
{
    for (unsigned n = 0; n < RIG_RAM_BYTES; n += 8) {
        st_le64(hart->ram + n, pick(1 << 20));
    }
    gva_t list[4];
    for (unsigned n = 0; n < ARRAY_LEN(list); n++) {
        list[n] = node(among, align);
    }
    hart->x[20] = list[0];
    hart->x[30] = list[3];
    hart->x[28] = list[2];
    put(hart, list[2], list[1]); /* where nodes lie over each other, any is as good */
    put(hart, list[1], list[2]);
    put(hart, list[3], list[1]);
    put(hart, list[0], list[1]);
}

static void run_both(const u8 *code)
{
    struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    host->vcpu.insns = 1000;
    host->vcpu.exception_pending = 0;
    rig_copy(spare->hart[0], host);
    rig->context.enter(&host->vcpu, code);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
    cr_assert_eq(host->vcpu.insns, interp->vcpu.insns);
    for (unsigned n = 0; n < 32; n++) {
        cr_assert_eq(host->x[n], interp->x[n], "x%u is %llx, not %llx", n,
                     (unsigned long long)host->x[n], (unsigned long long)interp->x[n]);
    }
}

static void compare_memory(void)
{
    for (unsigned n = 0; n < RIG_PAGES; n++) {
        cr_assert_arr_eq(page_place(n), rig->hart[0]->ram + n * PAGE_BYTES, PAGE_BYTES);
    }
}

enum { ROUNDS = 600 };

/* C's stores go where `pages` is not, so every access is one that the TLB serves; or else the trace
 * is left. */
Test(slots, nodes_are_read_and_written_as_by_the_interpreter)
{
    static const unsigned aligns[] = {16, 8, 1};
    const u8 *code = compile(false);
    for (unsigned a = 0; a < ARRAY_LEN(aligns); a++) {
        for (unsigned among = 1; among <= RIG_PAGES; among += among) {
            for (unsigned n = 0; n < ROUNDS / 4; n++) {
                make_nodes(rig->hart[1], among, aligns[a]);
                map_pages(rig->hart[1]);
                run_both(code);
                compare_memory();
            }
        }
    }
}

/* That there is something to compare. */
Test(slots, pages_are_remembered_while_the_epoch_is_the_same)
{
    struct rig_hart *hart = rig->hart[1];
    const u8 *code = compile(false);
    make_nodes(hart, 1, 16);
    map_pages(hart);
    u64 first = hart->x[20], other = hart->x[30];
    run_both(code);
    u64 whole = hart->vcpu.insns;
    for (unsigned n = 0; n < RIG_PAGES; n++) {
        rig_map(hart, RIG_RAM_GVA + n * PAGE_BYTES, false, false, false);
    }
    hart->vcpu.insns = 1000;
    hart->x[20] = first;
    hart->x[30] = other;
    cr_expect_eq(rig->context.enter(&hart->vcpu, code), IR_EXIT_JUMP);
    cr_expect_eq(hart->vcpu.insns, whole, "no look-up");
    new_epoch(hart);
    hart->vcpu.insns = 1000;
    hart->x[20] = first;
    hart->x[30] = other;
    rig->context.enter(&hart->vcpu, code);
    cr_expect_lt(hart->vcpu.insns, whole, "all is forgotten");
}

/* Pages move and lose permissions; the hart's epoch says so. */
Test(slots, a_new_epoch_forgets)
{
    struct rig_hart *hart = rig->hart[1];
    const u8 *code = compile(false);
    for (unsigned n = 0; n < ROUNDS; n++) {
        make_nodes(hart, 2, 8);
        moved = pick(RIG_PAGES);
        map_pages(hart);
        new_epoch(hart);
        run_both(code);
        compare_memory();
        gva_t lost = pick(2);
        map_page(hart, (unsigned)lost, pick(2) != 0, false);
        new_epoch(hart);
        u64 insns = hart->vcpu.insns;
        memcpy(hart->ram + lost * PAGE_BYTES, page_place((unsigned)lost), PAGE_BYTES);
        hart->vcpu.insns = 1000;
        rig->context.enter(&hart->vcpu, code);
        cr_assert_leq(hart->vcpu.insns, insns);
        cr_assert_arr_eq(page_place((unsigned)lost), hart->ram + lost * PAGE_BYTES, PAGE_BYTES,
                         "nothing is written there");
    }
}

/* A page that was read is not therefore one that may be written. */
Test(slots, reading_permits_no_write)
{
    struct rig_hart *hart = rig->hart[1];
    const u8 *code = compile(false);
    make_nodes(hart, 1, 16);
    map_pages(hart);
    map_page(hart, 0, true, false);
    for (unsigned n = 0; n < 3; n++) {
        hart->vcpu.insns = 1000;
        rig->context.enter(&hart->vcpu, code);
        cr_expect_lt(hart->vcpu.insns, 1000 + 7, "left before the first store");
        for (unsigned at = 0; at < PAGE_BYTES; at++) {
            cr_assert_eq(page_place(0)[at], hart->ram[at]);
        }
    }
}

/* C is called in the middle of the trace, at its first instruction, and takes pages away. */
static void move_pages(struct rig_hart *hart)
{
    for (unsigned n = 0; n < RIG_PAGES; n++) {
        memcpy(hart->ram + n * PAGE_BYTES, page_place(n), PAGE_BYTES);
    }
    moved++;
    map_pages(hart);
    new_epoch(hart);
}

Test(slots, c_in_the_first_instruction_forgets)
{
    struct rig_hart *hart = rig->hart[1];
    const u8 *code = compile(true);
    for (unsigned n = 0; n < ROUNDS; n++) {
        make_nodes(hart, 2, 8);
        map_pages(hart);
        hart->on_slow = NULL;
        run_both(code);
        compare_memory();
        make_nodes(hart, 2, 8);
        hart->x[28] = DEVICE;
        map_pages(hart);
        hart->slow_calls = 0;
        hart->on_slow = move_pages;
        run_both(code);
        compare_memory();
        cr_assert_neq(hart->slow_calls, 0);
    }
}

/* Each of them finds its slot empty. */
Test(slots, c_is_told_of_some_that_missed)
{
    enum { LOADS = 30 };
    struct rig_hart *hart = rig->hart[1];
    ir_reset(rig->ir, &rig_guest);
    for (unsigned n = 0; n < LOADS; n++) {
        load(START + 4 * n, 20, 20, 0);
    }
    ir_begin_insn(rig->ir, START + 4 * LOADS, 4);
    ir_jump(rig->ir, 0x800);
    rig->slots_max = SLOTS;
    const u8 *code = rig_compile(rig, HOST_TRACE | HOST_OPEN, NULL);
    cr_assert_not_null(code);
    hart->x[20] = RIG_RAM_GVA;
    put(hart, RIG_RAM_GVA, RIG_RAM_GVA);
    map_pages(hart);
    hart->vcpu.stray_patience = LOADS;
    run_both(code);
    cr_expect_eq(hart->vcpu.insns, 1000 + LOADS + 1);
    cr_expect_eq(hart->strays, 1);
    cr_expect_eq(hart->split_head, RIG_PC_PAGE + START);
    hart->strays = 0;
    run_both(code);
    cr_expect_eq(hart->strays, 0, "they remember");
}

Test(slots, what_strays_has_none)
{
    compile(false);
    unsigned with = rig->result.slot_count;
    rig->stray = START + 4;
    compile(false);
    cr_expect_eq(rig->result.slot_count, with - 1);
}

Test(slots, no_more_than_there_are)
{
    compile(false);
    for (unsigned max = 0; max < SLOTS; max++) {
        rig->slots_max = max;
        cr_assert_not_null(rig_compile(rig, HOST_TRACE | HOST_OPEN, NULL));
        cr_expect_leq(rig->result.slot_count, max);
    }
}

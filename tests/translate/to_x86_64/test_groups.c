/* Accesses near one base address share a look-up: within a page, over a page's end, without
 * permission, and when permissions change in between. Loads compare with the TLB's span. */
#include "tests/support/host_rig.h"

#include "cpu/tlb_select.h"

static struct rig *rig;

static void setup(void)
{
    if (host_find() == NULL) {
        cr_skip_test("no backend for this host");
    }
    rig = rig_new(HOST_FEATURE_ALL);
}

static void teardown(void)
{
    rig_free(rig);
}

TestSuite(groups, .init = setup, .fini = teardown);

enum { RAM_END = RIG_RAM_GVA + RIG_RAM_BYTES };

static ir_ref x(unsigned n)
{
    return ir_get(rig->ir, IR_I64, RIG_X(n), 8);
}

static ir_ref at(ir_ref base, s64 offset)
{
    return offset == 0 ? base
                       : ir_op2(rig->ir, IR_ADD, IR_I64, 0, base, ir_i64(rig->ir, (u64)offset));
}

static void begin(u32 offset)
{
    ir_begin_insn(rig->ir, offset, 4);
}

static void load_to(unsigned reg, ir_ref base, s64 offset)
{
    ir_set(rig->ir, RIG_X(reg), 8, ir_load(rig->ir, IR_I64, IR_MEM_64, at(base, offset)));
}

static void store_from(unsigned reg, ir_ref base, s64 offset)
{
    ir_store(rig->ir, IR_MEM_64, at(base, offset), x(reg));
}

static const u8 *finish_with(u32 flags)
{
    ir_jump(rig->ir, 0x200);
    const u8 *code = rig_compile(rig, flags, NULL);
    cr_assert_not_null(code);
    return code;
}

static const u8 *finish(void)
{
    return finish_with(0);
}

static enum ir_exit enter(const u8 *code)
{
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    vcpu->pc_page = RIG_PC_PAGE;
    vcpu->exception_pending = 0;
    rig->hart[1]->slow_calls = 0;
    return rig->context.enter(vcpu, code);
}

static u64 ram_word(gva_t gva)
{
    return ld_le64(rig->hart[1]->ram + (gva - RIG_RAM_GVA));
}

/* What a function does with its frame, at x2: four stores, then loads into other registers. */
static const u8 *frame_block_with(u32 flags)
{
    ir_reset(rig->ir, &rig_guest);
    for (unsigned n = 0; n < 4; n++) {
        begin(4 * n);
        store_from(20 + n, x(2), 8 * (s64)n - 16);
    }
    for (unsigned n = 0; n < 4; n++) {
        begin(16 + 4 * n);
        load_to(24 + n, x(2), 8 * (s64)n - 16);
    }
    return finish_with(flags);
}

static const u8 *frame_block(void)
{
    return frame_block_with(0);
}

/* With the frame at `base`, nothing in it yet. */
static enum ir_exit enter_frame(const u8 *code, gva_t base)
{
    struct rig_hart *hart = rig->hart[1];
    memset(hart->ram, 0, RIG_RAM_BYTES);
    hart->x[2] = base;
    for (unsigned n = 0; n < 4; n++) {
        hart->x[20 + n] = base * 16 + n;
        hart->x[24 + n] = 0;
    }
    return enter(code);
}

static void check_frame(const u8 *code, gva_t base)
{
    const struct rig_hart *hart = rig->hart[1];
    cr_assert_eq(enter_frame(code, base), IR_EXIT_JUMP, "0x%llx", (unsigned long long)base);
    for (unsigned n = 0; n < 4; n++) {
        cr_assert_eq(ram_word(base - 16 + 8 * n), base * 16 + n);
        cr_assert_eq(hart->x[24 + n], base * 16 + n);
    }
}

/* Everywhere around a page's end; only a word that itself lies in two pages needs C. */
Test(groups, straddling_a_page)
{
    const u8 *code = frame_block();
    for (gva_t base = RIG_RAM_GVA + PAGE_BYTES - 24; base < RIG_RAM_GVA + PAGE_BYTES + 24; base++) {
        check_frame(code, base);
        bool split = base % 8 != 0 && base + 16 > RIG_RAM_GVA + PAGE_BYTES &&
                     base - 16 < RIG_RAM_GVA + PAGE_BYTES;
        cr_assert_eq(rig->hart[1]->slow_calls, split ? 2 : 0, "0x%llx: %u",
                     (unsigned long long)base, rig->hart[1]->slow_calls);
    }
}

static void set_span(gva_t first, u64 bytes)
{
    rig->hart[1]->vcpu.span = (struct tlb_span){
        first, bytes, (u64)(uintptr_t)rig->hart[1]->ram - RIG_RAM_GVA};
}

/* Two groups with one base register, both far from it, as a program's variables are from its code:
 * everywhere around a page's end, and in pages without permission. */
static void check_far(const u8 *code, s64 distance, gva_t place)
{
    struct rig_hart *hart = rig->hart[1];
    const gva_t other = RIG_RAM_GVA + 64;
    memset(hart->ram, 0, RIG_RAM_BYTES);
    hart->x[2] = place - (u64)distance;
    for (unsigned n = 0; n < 4; n++) {
        hart->x[20 + n] = place * 16 + n;
        hart->x[24 + n] = 0;
    }
    st_le64(hart->ram + (other - RIG_RAM_GVA), 77);
    cr_assert_eq(enter(code), IR_EXIT_JUMP, "0x%llx", (unsigned long long)place);
    for (unsigned n = 0; n < 4; n++) {
        cr_assert_eq(ram_word(place + 8 * n), place * 16 + n);
        cr_assert_eq(hart->x[24 + n], place * 16 + n);
    }
    cr_assert_eq(hart->x[28], 77);
}

static const u8 *far_block(s64 distance, unsigned flags)
{
    ir_reset(rig->ir, &rig_guest);
    for (unsigned n = 0; n < 4; n++) {
        begin(8 * n);
        store_from(20 + n, x(2), distance + 8 * n);
        begin(8 * n + 4);
        load_to(28, x(3), 64 - distance);
    }
    for (unsigned n = 0; n < 4; n++) {
        begin(32 + 4 * n);
        load_to(24 + n, x(2), distance + 8 * n);
    }
    return finish_with(flags);
}

Test(groups, far_from_the_base)
{
    static const s64 distances[] = {5000, -5000, 0x8000123, -0x8000123, 0x3fffff00, 0x40000000,
                                    0x7fffff00, -0x7fffff00};
    for (unsigned k = 0; k < 2 * ARRAY_LEN(distances); k++) {
        s64 distance = distances[k / 2];
        rig_reset(rig);
        if (k % 2) {
            set_span(RIG_RAM_GVA, RIG_RAM_BYTES - 64);
        }
        rig->hart[1]->x[3] = RIG_RAM_GVA + (u64)distance;
        const u8 *code = far_block(distance, k % 2 ? HOST_LINEAR : 0);
        for (s64 before = -8; before < 40; before++) {
            check_far(code, distance, RIG_RAM_GVA + PAGE_BYTES - (u64)before);
        }
        rig_map(rig->hart[1], RIG_RAM_GVA + PAGE_BYTES, true, false, false);
        check_far(code, distance, RIG_RAM_GVA + PAGE_BYTES + 8);
        check_far(code, distance, RIG_RAM_GVA + PAGE_BYTES - 16);
    }
}

/* A variable at `place`, known by its distance from the code's page, or without that by itself:
 * `words` of it, and one that is alone and written before. */
static const u8 *variable_block(gva_t place, unsigned words, bool by_distance, u32 flags)
{
    s64 less = by_distance ? RIG_PC_PAGE : 0;
    ir_reset(rig->ir, &rig_guest);
    ir_ref base = by_distance ? ir_pc_page(rig->ir) : ir_i64(rig->ir, 0);
    begin(0);
    store_from(19, base, RIG_RAM_GVA + 2 * (s64)PAGE_BYTES - 8 - less);
    for (unsigned n = 0; n < words; n++) {
        begin(4 + 8 * n);
        store_from(20 + n, base, (s64)place - less + 8 * n);
        begin(8 + 8 * n);
        load_to(24 + n, base, (s64)place - less + 8 * n);
    }
    return finish_with(flags);
}

static void check_variables(bool by_distance)
{
    struct rig_hart *hart = rig->hart[1];
    for (unsigned k = 0; k < 4 * 64; k++) {
        unsigned words = k % 2 ? 1 : 4;
        gva_t place = RIG_RAM_GVA + PAGE_BYTES + 24 - k / 4;
        rig_reset(rig);
        memset(hart->ram, 0, RIG_RAM_BYTES);
        const u8 *code =
            variable_block(place, words, by_distance, k % 4 < 2 ? 0 : HOST_TRACE | HOST_OPEN);
        hart->x[19] = 77;
        for (unsigned n = 0; n < 4; n++) {
            hart->x[20 + n] = place * 16 + n;
        }
        unsigned straddles = place % 8 != 0 && place < RIG_RAM_GVA + PAGE_BYTES &&
                             place + 8 * words > RIG_RAM_GVA + PAGE_BYTES;
        bool whole = enter(code) == IR_EXIT_JUMP;
        cr_assert_eq(whole, k % 4 < 2 || !straddles);
        cr_assert(!straddles ? hart->slow_calls == 0 : !whole || hart->slow_calls == 2);
        for (unsigned n = 0; whole && n < words; n++) {
            cr_assert_eq(ram_word(place + 8 * n), place * 16 + n);
            cr_assert_eq(hart->x[24 + n], place * 16 + n);
        }
        cr_assert_eq(ram_word(RIG_RAM_GVA + 2 * PAGE_BYTES - 8), 77);
    }
}

Test(groups, variables_known_by_their_distance_from_the_code)
{
    check_variables(true);
}

Test(groups, variables_known_by_their_address)
{
    check_variables(false);
}

/* Pages are found in their other entries too, and get their first ones when that happens often. */
static void check_other_entries(struct tlb_entry *others, u32 count)
{
    const u8 *code = frame_block();
    struct rig_hart *hart = rig->hart[1];
    gva_t far = (gva_t)0x3f00000000;
    tlb_set_others(hart->vcpu.tlb_state->data_now, others, count);
    tlb_use_data(&hart->vcpu, hart->vcpu.tlb_state->data_now);
    for (unsigned n = 0; n < 2; n++) {
        gva_t page = far + n * PAGE_BYTES;
        cr_assert_neq(tlb_index(page), tlb_other_index(page, count));
        others[tlb_other_index(page, count)] = (struct tlb_entry){
            .read_tag = page,
            .write_tag = page,
            .addend = (u64)(uintptr_t)hart->ram - far,
        };
    }
    for (gva_t offset = 16; offset < 2 * PAGE_BYTES - 16; offset += 8) {
        hart->x[2] = far + offset;
        hart->x[20] = offset;
        hart->x[24] = 0;
        cr_assert_eq(enter(code), IR_EXIT_JUMP);
        cr_assert_eq(hart->x[24], offset);
        cr_assert_eq(hart->slow_calls, 0);
    }
    for (unsigned n = 0; n < 2; n++) {
        gva_t page = far + n * PAGE_BYTES;
        const struct tlb_entry *other = &others[tlb_other_index(page, count)];
        cr_expect_eq(hart->tlb[tlb_index(page)].read_tag, page);
        cr_expect_eq(hart->tlb[tlb_index(page)].write_tag, page);
        cr_expect_eq(other->read_tag, TLB_TAG_NONE);
        cr_expect_eq(other->write_tag, TLB_TAG_NONE);
    }
}

Test(groups, other_entries)
{
    check_other_entries(rig->hart[1]->tlb, TLB_ENTRIES);
}

Test(groups, other_entries_in_a_table_of_their_own)
{
    struct tlb_entry *others = calloc(TLB_MANY, sizeof(*others));
    cr_assert_not_null(others);
    check_other_entries(others, TLB_MANY);
    free(others);
}

/* The third store faults, with all before it done. */
Test(groups, store_that_faults)
{
    const u8 *code = frame_block();
    struct rig_hart *hart = rig->hart[1];
    const gva_t base = RAM_END;
    memset(hart->ram, 0, RIG_RAM_BYTES);
    hart->device = 5;
    hart->x[2] = base + PAGE_BYTES; /* two words are the device's, two lie behind its page */
    for (unsigned n = 0; n < 4; n++) {
        hart->x[20 + n] = 100 + n;
    }
    u64 insns = hart->vcpu.insns;
    cr_assert_eq(enter(code), IR_EXIT_RAISED);
    cr_expect_eq(hart->device, 5 ^ 100 ^ 101);
    cr_expect_eq(hart->vcpu.exception_value, base + PAGE_BYTES);
    cr_expect_eq(hart->vcpu.pc, RIG_PC_PAGE + 8);
    cr_expect_eq(hart->vcpu.insns, insns + 2);
}

/* A page that may be read only: loads are fast although a store of their group is not. */
Test(groups, loads_of_a_group_that_may_not_write)
{
    struct rig_hart *hart = rig->hart[1];
    ir_reset(rig->ir, &rig_guest);
    begin(0);
    load_to(20, x(2), 0);
    begin(4);
    load_to(21, x(2), 8);
    begin(8);
    store_from(20, x(2), 16);
    begin(12);
    load_to(22, x(2), 16);
    const u8 *code = finish();
    rig_map(hart, RIG_RAM_GVA, true, false, false);
    st_le64(hart->ram, 77);
    st_le64(hart->ram + 8, 78);
    hart->x[2] = RIG_RAM_GVA;
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_expect_eq(hart->slow_calls, 1, "the store alone");
    cr_expect(hart->x[20] == 77 && hart->x[21] == 78 && hart->x[22] == 77);
}

static void protect_first_page(struct rig_hart *hart)
{
    rig_map(hart, RIG_RAM_GVA, true, false, false);
}

/* What the slow path of another access did to the page counts for the rest of the group. */
Test(groups, permission_lost_in_between)
{
    struct rig_hart *hart = rig->hart[1];
    ir_reset(rig->ir, &rig_guest);
    begin(0);
    store_from(20, x(2), 0);
    begin(4);
    store_from(20, x(2), 8);
    begin(8);
    load_to(21, x(3), 0); /* a device's */
    begin(12);
    store_from(20, x(2), 16);
    begin(16);
    load_to(22, x(2), 16);
    const u8 *code = finish();
    hart->x[2] = RIG_RAM_GVA;
    hart->x[3] = RAM_END;
    hart->x[20] = 9;
    hart->device = 1234;
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_expect(hart->slow_calls == 1 && hart->x[21] == 1234);
    hart->on_slow = protect_first_page;
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_expect_eq(hart->slow_calls, 2, "the device, then the store");
    cr_expect(hart->x[22] == 9 && ram_word(RIG_RAM_GVA + 16) == 9);
}

/* --- in traces --- */

enum { SECOND_INSN = 8 };

/* A function's frame, but for one instruction before it. */
static const u8 *frame_trace(u32 flags)
{
    ir_reset(rig->ir, &rig_guest);
    begin(4);
    ir_set(rig->ir, RIG_X(30), 8, at(x(30), 1));
    for (unsigned n = 0; n < 4; n++) {
        begin(SECOND_INSN + 4 * n);
        store_from(20 + n, x(2), 8 * (s64)n - 16);
    }
    for (unsigned n = 0; n < 4; n++) {
        begin(SECOND_INSN + 16 + 4 * n);
        load_to(24 + n, x(2), 8 * (s64)n - 16);
    }
    return finish_with(HOST_TRACE | HOST_OPEN | flags);
}

static bool is_split(gva_t base)
{
    return base + 16 > RIG_RAM_GVA + PAGE_BYTES && base - 16 < RIG_RAM_GVA + PAGE_BYTES;
}

/* Its accesses do not ask whether the first one found a page; without one it is left before that,
 * with nothing done. */
Test(groups, a_trace_is_left_where_a_group_is_split)
{
    struct rig_hart *hart = rig->hart[1];
    const u8 *code = frame_trace(0);
    for (gva_t base = RIG_RAM_GVA + PAGE_BYTES - 24; base < RIG_RAM_GVA + PAGE_BYTES + 24; base++) {
        hart->splits = 0;
        if (!is_split(base)) {
            check_frame(code, base);
            cr_assert(hart->splits == 0 && hart->slow_calls == 0);
            continue;
        }
        memset(hart->ram, 0, RIG_RAM_BYTES);
        hart->x[2] = base;
        hart->x[20] = 5;
        hart->x[30] = 7;
        u64 insns = hart->vcpu.insns;
        cr_assert_eq(enter(code), IR_EXIT_IND);
        cr_assert(hart->vcpu.pc == RIG_PC_PAGE + SECOND_INSN && hart->vcpu.insns == insns + 1);
        cr_assert(hart->splits == 1 && hart->split_head == RIG_PC_PAGE + 4);
        cr_assert(hart->split_gva == base - 16);
        cr_assert(hart->x[30] == 8 && ram_word(base - 16) == 0 && hart->slow_calls == 0);
    }
}

/* The frame's trace from `base` on, wherever it was left: what lies before that was done, the rest
 * was not. True when it was not left. */
static bool check_frame_up_to_exit(const u8 *code, gva_t base)
{
    const struct rig_hart *hart = rig->hart[1];
    u64 insns = hart->vcpu.insns;
    bool whole = enter_frame(code, base) == IR_EXIT_JUMP;
    unsigned done = whole ? 8 : (unsigned)(hart->vcpu.pc - RIG_PC_PAGE - SECOND_INSN) / 4;
    cr_assert(done <= 8 && (whole || hart->vcpu.insns == insns + 1 + done));
    for (unsigned n = 0; n < 4; n++) {
        cr_assert_eq(ram_word(base - 16 + 8 * n), n < done ? base * 16 + n : 0);
        cr_assert_eq(hart->x[24 + n], n + 4 < done ? base * 16 + n : 0);
    }
    return whole;
}

/* A trace that was left there too often knows where the page ended. */
Test(groups, a_trace_has_a_group_in_each_page)
{
    struct rig_hart *hart = rig->hart[1];
    const gva_t end = RIG_RAM_GVA + PAGE_BYTES;
    for (gva_t cut = end - 16; cut <= end + 16; cut += 4) {
        rig_reset(rig);
        rig->split = (struct host_split){
            .offset = SECOND_INSN, .low = (u16)((cut - 16) & PAGE_OFFSET_MASK), .times = 1,
        };
        const u8 *code = frame_trace(0);
        for (gva_t base = end - 24; base < end + 24; base++) {
            hart->splits = 0;
            bool whole = check_frame_up_to_exit(code, base);
            bool same = (base - cut) % PAGE_BYTES == 0, words = base % 8 == 0;
            cr_assert(whole || is_split(base));
            cr_assert(!same || hart->splits == 0);
            cr_assert(!(same && words) || (whole && hart->slow_calls == 0));
        }
    }
}

/* Accesses of the other page are asked for by themselves: nothing is done that may not be. */
Test(groups, either_page_of_a_group_has_permissions_of_its_own)
{
    struct rig_hart *hart = rig->hart[1];
    const gva_t base = RIG_RAM_GVA + PAGE_BYTES;
    rig->split = (struct host_split){
        .offset = SECOND_INSN, .low = PAGE_BYTES - 16, .times = 1,
    };
    const u8 *code = frame_trace(0);
    for (unsigned page = 0; page < 2; page++) {
        rig_map(hart, RIG_RAM_GVA + page * PAGE_BYTES, true, false, false);
        hart->splits = 0;
        cr_expect_not(check_frame_up_to_exit(code, base));
        cr_expect(hart->vcpu.pc == RIG_PC_PAGE + SECOND_INSN + page * 8 && hart->splits == 1);
        cr_expect_eq(hart->split_gva, base - 16 + page * 16);
        rig_map(hart, RIG_RAM_GVA + page * PAGE_BYTES, true, true, false);
        cr_expect(check_frame_up_to_exit(code, base));
    }
}

/* Where that would be often, and in its first instruction, where it would come back, it is not. */
Test(groups, a_trace_is_not_left_where_groups_are_often_split)
{
    struct rig_hart *hart = rig->hart[1];
    for (unsigned way = 0; way < 3; way++) {
        rig_reset(rig);
        rig->split = (struct host_split){.offset = way == 0 ? SECOND_INSN : 0,
                                         .times = HOST_SPLIT_TIMES};
        const u8 *code = way == 2 ? frame_block_with(HOST_TRACE | HOST_OPEN)
                                  : frame_trace(way == 1 ? HOST_ALL_SPLIT : 0);
        for (gva_t base = RIG_RAM_GVA + PAGE_BYTES - 24; base < RIG_RAM_GVA + PAGE_BYTES + 24;
             base += 8) {
            check_frame(code, base);
            cr_assert(hart->splits == 0 && hart->slow_calls == 0);
        }
    }
}

/* A page that may be read only, where a later access of the group writes. */
Test(groups, a_trace_is_left_where_a_group_may_not_write)
{
    struct rig_hart *hart = rig->hart[1];
    ir_reset(rig->ir, &rig_guest);
    begin(0);
    load_to(20, x(3), 0);
    begin(4);
    load_to(21, x(2), 8);
    begin(8);
    store_from(20, x(2), 16);
    const u8 *code = finish_with(HOST_TRACE | HOST_OPEN);
    rig_map(hart, RIG_RAM_GVA, true, false, false);
    hart->x[2] = RIG_RAM_GVA;
    hart->x[3] = RIG_RAM_GVA + PAGE_BYTES;
    hart->x[21] = 5;
    cr_assert_eq(enter(code), IR_EXIT_IND);
    cr_expect(hart->vcpu.pc == RIG_PC_PAGE + 4 && hart->splits == 1 && hart->x[21] == 5);
    rig_map(hart, RIG_RAM_GVA, true, true, false);
    st_le64(hart->ram + 8, 78);
    st_le64(hart->ram + PAGE_BYTES, 77);
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_expect(hart->splits == 1 && hart->x[21] == 78 && ram_word(RIG_RAM_GVA + 16) == 77);
}

/* Values of the block survive the slow paths although they fill all temporaries. */
Test(groups, no_register_to_spare)
{
    struct rig_hart *hart = rig->hart[1];
    enum { VALUES = 12 };
    ir_reset(rig->ir, &rig_guest);
    begin(0);
    ir_ref values[VALUES];
    ir_ref sum = x(3);
    for (unsigned n = 0; n < VALUES; n++) {
        values[n] = ir_op2(rig->ir, IR_MUL, IR_I64, 0, x(20), ir_i64(rig->ir, 3 + n));
    }
    ir_store(rig->ir, IR_MEM_64, at(x(2), -8), x(21));
    ir_store(rig->ir, IR_MEM_64, x(2), x(22));
    ir_ref loaded = ir_load(rig->ir, IR_I64, IR_MEM_64, at(x(2), -8));
    ir_ref other = ir_load(rig->ir, IR_I64, IR_MEM_64, at(x(2), 8));
    for (unsigned n = 0; n < VALUES; n++) {
        sum = ir_op2(rig->ir, n % 2 ? IR_XOR : IR_ADD, IR_I64, 0, sum, values[n]);
    }
    ir_set(rig->ir, RIG_X(25), 8, sum);
    ir_set(rig->ir, RIG_X(26), 8, loaded);
    ir_set(rig->ir, RIG_X(27), 8, other);
    const u8 *code = finish();
    hart->x[3] = 5;
    hart->x[20] = 0x123456789;
    hart->x[21] = 21;
    hart->x[22] = 22;
    u64 expected = 5;
    for (unsigned n = 0; n < VALUES; n++) {
        u64 value = hart->x[20] * (3 + n);
        expected = n % 2 ? expected ^ value : expected + value;
    }
    for (gva_t base = RIG_RAM_GVA + PAGE_BYTES - 32; base <= RIG_RAM_GVA + PAGE_BYTES + 32;
         base += 8) {
        hart->x[2] = base;
        hart->x[25] = 0;
        st_le64(hart->ram + (base + 8 - RIG_RAM_GVA), base);
        cr_assert_eq(enter(code), IR_EXIT_JUMP);
        cr_assert(hart->x[25] == expected && hart->x[26] == 21 && hart->x[27] == base);
    }
}

/* --- the span --- */

static void unmap_all(void)
{
    for (unsigned n = 0; n < RIG_PAGES; n++) {
        rig_map(rig->hart[1], RIG_RAM_GVA + n * PAGE_BYTES, false, false, false);
    }
}

/* In the span, loads ask for no TLB entry, whatever pages they touch; those at addresses before and
 * behind it look one up. */
Test(groups, loads_in_the_span)
{
    struct rig_hart *hart = rig->hart[1];
    const gva_t first = RIG_RAM_GVA + 2 * PAGE_BYTES - 100;
    const u64 bytes = 200;
    ir_reset(rig->ir, &rig_guest);
    begin(0);
    load_to(20, x(2), 0);
    begin(4);
    load_to(21, x(3), -16);
    begin(8);
    load_to(22, x(3), 24);
    const u8 *code = finish_with(HOST_LINEAR);
    for (gva_t base = first - 8; base < first + bytes + 8; base++) {
        bool inside = base >= first && base < first + bytes;
        for (unsigned mapped = 0; mapped < 2; mapped++) {
            rig_reset(rig);
            if (mapped == 0) {
                unmap_all();
            }
            set_span(first, bytes);
            for (unsigned n = 0; n < RIG_RAM_BYTES; n++) {
                hart->ram[n] = (u8)(n * 7 + (n >> 8));
            }
            hart->x[2] = base;
            hart->x[3] = base;
            cr_assert_eq(enter(code), IR_EXIT_JUMP);
            cr_assert(hart->x[20] == ram_word(base) && hart->x[21] == ram_word(base - 16) &&
                      hart->x[22] == ram_word(base + 24));
            cr_assert(inside ? hart->slow_calls == 0 : mapped || hart->slow_calls == 3);
        }
    }
}

/* In the span of writes, stores ask for no TLB entry either; beside it they look one up, and say
 * where they were. */
Test(groups, stores_in_their_span)
{
    struct rig_hart *hart = rig->hart[1];
    const gva_t first = RIG_RAM_GVA + 2 * PAGE_BYTES - 100;
    const u64 bytes = 200;
    ir_reset(rig->ir, &rig_guest);
    begin(0);
    store_from(20, x(2), 0);
    begin(4);
    store_from(21, x(3), -16);
    begin(8);
    store_from(22, x(3), 24);
    const u8 *code = finish_with(HOST_LINEAR);
    for (gva_t base = first - 8; base < first + bytes + 8; base++) {
        bool inside = base >= first && base < first + bytes;
        for (unsigned mapped = 0; mapped < 2; mapped++) {
            rig_reset(rig);
            if (mapped == 0) {
                unmap_all();
            }
            hart->vcpu.write_span = (struct tlb_span){
                first, bytes, (u64)(uintptr_t)hart->ram - RIG_RAM_GVA};
            hart->vcpu.write_missed = 0;
            hart->x[2] = base;
            hart->x[3] = base + 8;
            hart->x[20] = 0x1111111111111111;
            hart->x[21] = 0x2222222222222222;
            hart->x[22] = 0x3333333333333333;
            cr_assert_eq(enter(code), IR_EXIT_JUMP);
            cr_assert(ram_word(base) == hart->x[20] && ram_word(base - 8) == hart->x[21] &&
                      ram_word(base + 32) == hart->x[22]);
            bool both = inside && base + 8 < first + bytes;
            bool none = base + 8 < first || base >= first + bytes;
            cr_assert(!both || hart->slow_calls == 0);
            cr_assert(!none || mapped || hart->slow_calls == 3);
            gva_t last = (base + 7) & PAGE_MASK, began = base & PAGE_MASK;
            cr_assert(!mapped || !none || last != began || hart->vcpu.write_missed == began);
        }
    }
}

/* A span of reads is none of writes. */
Test(groups, stores_in_the_span)
{
    struct rig_hart *hart = rig->hart[1];
    ir_reset(rig->ir, &rig_guest);
    begin(0);
    load_to(20, x(2), 0);
    begin(4);
    store_from(20, x(2), 8);
    begin(8);
    load_to(21, x(2), 8);
    const u8 *code = finish_with(HOST_LINEAR);
    rig_map(hart, RIG_RAM_GVA, true, false, false);
    set_span(RIG_RAM_GVA, RIG_RAM_BYTES - 64);
    st_le64(hart->ram, 41);
    hart->x[2] = RIG_RAM_GVA;
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_expect_eq(hart->slow_calls, 1, "the store");
    cr_expect(hart->x[20] == 41 && hart->x[21] == 41);
}

/* An address outside the span that faults. */
Test(groups, load_behind_the_span_that_faults)
{
    struct rig_hart *hart = rig->hart[1];
    ir_reset(rig->ir, &rig_guest);
    begin(0);
    load_to(20, x(2), 0);
    begin(4);
    load_to(21, x(3), 0);
    begin(8);
    load_to(22, x(3), 8);
    const u8 *code = finish_with(HOST_LINEAR);
    set_span(RIG_RAM_GVA, RIG_RAM_BYTES - 64);
    hart->x[2] = RIG_RAM_GVA;
    hart->x[3] = RAM_END + 2 * PAGE_BYTES;
    cr_assert_eq(enter(code), IR_EXIT_RAISED);
    cr_expect_eq(hart->vcpu.exception_value, RAM_END + 2 * PAGE_BYTES);
    cr_expect_eq(hart->vcpu.pc, RIG_PC_PAGE + 4);
}

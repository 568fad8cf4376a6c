/* How blocks are left and joined: links within and across pages, loops, the jump cache, exact state
 * in slow paths, small buffers. */
#include "tests/support/host_rig.h"

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

TestSuite(links, .init = setup, .fini = teardown);

static void add_to(unsigned reg, u64 value)
{
    ir_ref sum = ir_op2(rig->ir, IR_ADD, IR_I64, 0, ir_get(rig->ir, IR_I64, RIG_X(reg), 8),
                        ir_i64(rig->ir, value));
    ir_set(rig->ir, RIG_X(reg), 8, sum);
}

/* One instruction at `offset`: x10 += value; jump to `target`. */
static const u8 *adder(u32 offset, u64 value, s64 target, u32 flags)
{
    ir_reset(rig->ir, &rig_guest);
    ir_begin_insn(rig->ir, offset, 4);
    add_to(10, value);
    ir_jump(rig->ir, target);
    const u8 *code = rig_compile(rig, flags, NULL);
    cr_assert_not_null(code);
    return code;
}

static enum ir_exit enter(const u8 *code)
{
    return rig->context.enter(&rig->hart[1]->vcpu, code);
}

struct field {
    u8 *write;
    const u8 *exec;
    const u8 *unlinked;
};

static struct field field_of(const u8 *code, const struct host_exit *exit)
{
    const u8 *start = code - rig->result.entry_offset;
    const u8 *exec = start + exit->patch_offset;
    return (struct field){rig->write + (exec - rig->exec), exec, start + exit->unlinked_offset};
}

Test(links, within_a_page)
{
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    const u8 *first = adder(0x100, 1, 0x200, 0);
    cr_assert_eq(rig->result.exit_count, 1);
    struct host_exit exit = rig->exits[0];
    struct field field = field_of(first, &exit);
    cr_assert(!exit.cross_page);
    cr_assert_eq(exit.target_offset, 0x200);
    cr_assert_leq((uintptr_t)field.exec % 8, 4);
    const u8 *second = adder(0x200, 16, 0x300, 0);
    u32 second_id = rig->exits[0].id;

    cr_assert_eq(enter(first), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->exit_request, exit.id);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE + 0x200);
    cr_assert_eq(rig->hart[1]->x[10], 1);
    cr_assert_eq(vcpu->insns, 1001);

    host_find()->patch_link(field.write, field.exec, second);
    cr_assert_eq(enter(first), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->exit_request, second_id);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE + 0x300);
    cr_assert_eq(rig->hart[1]->x[10], 18);
    cr_assert_eq(vcpu->insns, 1003);

    host_find()->patch_link(field.write, field.exec, field.unlinked);
    cr_assert_eq(enter(first), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->exit_request, exit.id);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE + 0x200);
    cr_assert_eq(rig->hart[1]->x[10], 19);
}

/* An instruction at the last two bytes may go on in the next page. */
Test(links, to_the_end_of_a_page)
{
    adder(0x100, 1, PAGE_BYTES - 4, 0);
    cr_expect(!rig->exits[0].cross_page);
    adder(0x100, 1, PAGE_BYTES - 2, 0);
    cr_expect(rig->exits[0].cross_page);
}

Test(links, across_pages)
{
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    const u8 *first = adder(0x100, 1, -0x2000 + 0x80, 0);
    struct host_exit exit = rig->exits[0];
    struct field field = field_of(first, &exit);
    cr_assert(exit.cross_page);
    const u8 *second = adder(0x80, 16, 0x300, 0);

    /* neither linked nor proved */
    cr_assert_eq(enter(first), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->exit_request, exit.id);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE - 0x2000 + 0x80);

    /* linked, not proved by this hart */
    vcpu->pc_page = RIG_PC_PAGE;
    host_find()->patch_link(field.write, field.exec, second);
    cr_assert_eq(enter(first), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->exit_request, exit.id);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE - 0x2000 + 0x80);
    cr_assert_eq(rig->hart[1]->x[10], 2);

    /* both */
    vcpu->pc_page = RIG_PC_PAGE;
    vcpu->link_proofs[exit.id] = vcpu_link_proof(vcpu, RIG_PC_PAGE + PAGE_BYTES);
    cr_assert_eq(enter(first), IR_EXIT_JUMP, "proved, where another page maps the same code");
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE - 0x2000 + 0x80);
    cr_assert_eq(rig->hart[1]->x[10], 3);
    vcpu->pc_page = RIG_PC_PAGE;
    vcpu->link_proofs[exit.id] = vcpu_link_proof(vcpu, RIG_PC_PAGE);
    cr_assert_eq(enter(first), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->pc_page, RIG_PC_PAGE - 0x2000);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE - 0x2000 + 0x300);
    cr_assert_eq(rig->hart[1]->x[10], 20);

    /* proved, but unlinked again */
    vcpu->pc_page = RIG_PC_PAGE;
    host_find()->patch_link(field.write, field.exec, field.unlinked);
    cr_assert_eq(enter(first), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->exit_request, exit.id);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE - 0x2000 + 0x80);
}

/* A trace that goes on in page 2 by a guard that asks for page 4, too, while page 5 has another
 * one. It has a way out to page 2 before the guard, and the others behind it. */
static const struct {
    s64 target;
    bool passed;
} ways_out[] = {
    {0x2080, false}, {0x2084, true},  {0x2000 + PAGE_BYTES - 2, false}, /* may go on in page 3 */
    {0x4080, true},  {0x5080, false}, {0x204c, true},
};

Test(links, to_a_page_whose_guard_was_passed)
{
    enum { GUARD = 9, FAR = 0x2000, LAST = ARRAY_LEN(ways_out) - 1 };
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    ir_reset(rig->ir, &rig_guest);
    for (unsigned n = 0; n < LAST; n++) {
        ir_begin_insn(rig->ir, n == 0 ? 0x100 : FAR + 0x34 + (s64)n * 4, 4);
        if (n == 1) {
            ir_exit_page(rig->ir, GUARD, FAR + 0x38);
        }
        ir_exit_if(rig->ir, IR_EQ, ir_get(rig->ir, IR_I64, RIG_X(11), 8), ir_i64(rig->ir, n),
                   ways_out[n].target);
    }
    ir_begin_insn(rig->ir, FAR + 0x48, 4);
    ir_jump(rig->ir, ways_out[LAST].target);
    const struct host_page pages[] = {{FAR, GUARD}, {2 * FAR, GUARD}, {0x5000, GUARD + 1}};
    const u8 *code = rig_compile_pages(rig, HOST_TRACE | HOST_OPEN, pages, ARRAY_LEN(pages), NULL);
    cr_assert_not_null(code);
    cr_assert_eq(rig->result.exit_count, ARRAY_LEN(ways_out));
    for (unsigned n = 0; n < ARRAY_LEN(ways_out); n++) {
        unsigned e = 0;
        while (e < ARRAY_LEN(ways_out) && rig->exits[e].target_offset != ways_out[n].target) {
            e++;
        }
        cr_assert_lt(e, ARRAY_LEN(ways_out), "way %u", n);
        cr_expect_eq(rig->exits[e].passed, ways_out[n].passed, "way %u", n);
        cr_expect_neq(rig->exits[e].cross_page, ways_out[n].passed, "way %u", n);
    }
    for (unsigned n = 0; n < ARRAY_LEN(ways_out); n++) {
        vcpu->pc_page = RIG_PC_PAGE;
        vcpu->link_proofs[GUARD] = vcpu_link_proof(vcpu, RIG_PC_PAGE);
        rig->hart[1]->x[11] = n;
        cr_assert_eq(enter(code), IR_EXIT_JUMP);
        u64 to = RIG_PC_PAGE + (u64)ways_out[n].target;
        cr_expect_eq(vcpu->pc, to, "way %u", n);
        cr_expect_eq(vcpu->pc_page, to & PAGE_MASK, "way %u", n);
    }
}

Test(links, self_loop_ends_at_the_deadline)
{
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    const u8 *loop = adder(0x100, 1, 0x100, 0);
    cr_assert_eq(rig->result.exit_count, 0);
    vcpu->deadline = 1000000;
    cr_assert_eq(enter(loop), IR_EXIT_POLL);
    cr_assert_eq(vcpu->insns, 1000000);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE + 0x100);
    cr_assert_eq(rig->hart[1]->x[10], 999000);
}

Test(links, self_loop_as_a_link)
{
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    const u8 *loop = adder(0x100, 1, 0x100, HOST_NO_SELF_LINK);
    cr_assert_eq(rig->result.exit_count, 1);
    cr_assert_eq(enter(loop), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->insns, 1001);
    vcpu->deadline = 1002;
    cr_assert_eq(enter(loop), IR_EXIT_POLL);
    cr_assert_eq(vcpu->insns, 1002);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE + 0x100);
}

/* A return to `target`, with that in its register; *second: what is to be there. */
static const u8 *make_return(gva_t target, const u8 **second)
{
    ir_reset(rig->ir, &rig_guest);
    ir_begin_insn(rig->ir, 0x100, 4);
    ir_jump_ind(rig->ir, IR_JUMP_RETURN, ir_get(rig->ir, IR_I64, RIG_X(1), 8));
    const u8 *code = rig_compile(rig, 0, NULL);
    *second = adder(0x456, 16, 0x300, 0);
    rig->hart[1]->x[1] = target;
    return code;
}

Test(links, indirect_through_the_cache)
{
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    const gva_t target = 0x7000123456;
    const u8 *second, *code = make_return(target, &second);

    cr_assert_eq(enter(code), IR_EXIT_IND);
    cr_assert_eq(vcpu->pc, target);

    vcpu->jumps[jump_index(target)] = (struct jump_entry){target, second};
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->pc_page, target & PAGE_MASK);
    cr_assert_eq(vcpu->pc, (target & PAGE_MASK) + 0x300);
    cr_assert_eq(rig->hart[1]->x[10], 16);
    cr_assert_eq(vcpu->insns, 1003);

    vcpu->jumps[jump_index(target)].pc = target + ((gva_t)TLB_JUMP_ENTRIES << TLB_JUMP_SHIFT);
    cr_assert_eq(enter(code), IR_EXIT_IND);
    vcpu->jumps[jump_index_other(jump_index(target))] = (struct jump_entry){target, second};
    cr_assert_eq(enter(code), IR_EXIT_JUMP, "its other place");
    cr_assert_eq(rig->hart[1]->x[10], 32);

    vcpu->deadline = vcpu->insns + 1;
    cr_assert_eq(enter(code), IR_EXIT_POLL);
    cr_assert_eq(vcpu->pc, target);
    cr_assert_eq(rig->hart[1]->x[10], 32);
}

/* Whoever is found in its other place often changes places with who is in its first one. */
Test(links, indirect_jumps_change_places_in_the_cache)
{
    enum { OFTEN = 1000 };
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    const gva_t target = 0x7000123456;
    const u32 first = jump_index(target), other = jump_index_other(first);
    const struct jump_entry holder = {target + ((gva_t)TLB_JUMP_ENTRIES << TLB_JUMP_SHIFT), &first};
    const u8 *second, *code = make_return(target, &second);
    vcpu->jumps[first] = holder;
    vcpu->jumps[other] = (struct jump_entry){target, second};
    for (unsigned n = 1; n <= OFTEN; n++) {
        cr_assert_eq(enter(code), IR_EXIT_JUMP);
        cr_assert_eq(vcpu->pc, (target & PAGE_MASK) + 0x300);
        cr_assert_eq(rig->hart[1]->x[10], 16 * n);
        bool changed = vcpu->jumps[first].pc == target;
        cr_assert(changed || n < OFTEN);
        cr_assert_eq(vcpu->jumps[changed ? first : other].host, second);
        cr_assert_eq(vcpu->jumps[changed ? other : first].pc, holder.pc);
        cr_assert_eq(vcpu->jumps[changed ? other : first].host, holder.host);
    }
}

Test(links, look_leaves_when_there_is_a_hint)
{
    for (unsigned hint = 0; hint < 2; hint++) {
        ir_reset(rig->ir, &rig_guest);
        ir_begin_insn(rig->ir, 0x100, 4);
        add_to(10, 1);
        ir_look(rig->ir, 0x104);
        ir_begin_insn(rig->ir, 0x104, 4);
        add_to(10, 1);
        ir_jump(rig->ir, 0x108);
        struct rig_hart *hart = rig->hart[1];
        const u8 *code = rig_compile(rig, 0, NULL);
        hart->vcpu.irq_hint = hint;
        u64 before = hart->vcpu.insns;
        u64 x10 = hart->x[10];
        cr_expect_eq(enter(code), hint ? IR_EXIT_LEAVE : IR_EXIT_JUMP);
        cr_expect_eq(hart->vcpu.pc, (u64)RIG_PC_PAGE + (hint ? 0x104 : 0x108));
        cr_expect_eq(hart->vcpu.insns - before, hint ? 1u : 2u);
        cr_expect_eq(hart->x[10] - x10, hint ? 1u : 2u);
    }
}

Test(links, faults_are_exact)
{
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    ir_reset(rig->ir, &rig_guest);
    for (unsigned n = 0; n < 5; n++) {
        ir_begin_insn(rig->ir, 0xff0 + 2 * n, 2);
        add_to(10, 1);
    }
    ir_begin_insn(rig->ir, 0xffa, 4);
    ir_ref value = ir_load(rig->ir, IR_I64, IR_MEM_32, ir_i64(rig->ir, 0x666));
    ir_set(rig->ir, RIG_X(10), 8, value);
    ir_jump(rig->ir, 0xffe);
    cr_assert_eq(enter(rig_compile(rig, 0, NULL)), IR_EXIT_RAISED);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE + 0xffa);
    cr_assert_eq(vcpu->insns, 1005);
    cr_assert_eq(vcpu->exception_cause, RIG_CAUSE_LOAD);
    cr_assert_eq(vcpu->exception_value, 0x666);
    cr_assert_eq(rig->hart[1]->x[10], 5);
}

/* A side exit counts what it retires on both ways. */
Test(links, side_exits_are_exact)
{
    struct vcpu *vcpu = &rig->hart[1]->vcpu;
    ir_reset(rig->ir, &rig_guest);
    ir_begin_insn(rig->ir, 0x100, 4);
    add_to(10, 1);
    ir_begin_insn(rig->ir, 0x104, 4);
    ir_exit_if(rig->ir, IR_EQ, ir_get(rig->ir, IR_I64, RIG_X(10), 8),
               ir_get(rig->ir, IR_I64, RIG_X(11), 8), 0x200);
    ir_begin_insn(rig->ir, 0x108, 4);
    add_to(10, 1);
    ir_begin_insn(rig->ir, 0x10c, 4);
    ir_set(rig->ir, RIG_X(10), 8, ir_load(rig->ir, IR_I64, IR_MEM_32, ir_i64(rig->ir, 0x666)));
    ir_begin_insn(rig->ir, 0x110, 4);
    ir_jump(rig->ir, 0x300);
    const u8 *code = rig_compile(rig, 0, NULL);
    struct host_exit exit = rig->exits[0];
    struct field field = field_of(code, &exit);
    cr_assert_eq(exit.target_offset, 0x200);
    const u8 *second = adder(0x200, 16, 0x400, 0);

    rig->hart[1]->x[11] = 1;
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->exit_request, exit.id);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE + 0x200);
    cr_assert_eq(vcpu->insns, 1002);

    cr_assert_eq(enter(code), IR_EXIT_RAISED);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE + 0x10c);
    cr_assert_eq(vcpu->insns, 1005);
    cr_assert_eq(rig->hart[1]->x[10], 3);

    vcpu->exception_pending = 0;
    rig->hart[1]->x[11] = 4;
    host_find()->patch_link(field.write, field.exec, second);
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_assert_eq(vcpu->pc, RIG_PC_PAGE + 0x400);
    cr_assert_eq(vcpu->insns, 1008);
    cr_assert_eq(rig->hart[1]->x[10], 20);
}

/* The fast path must be taken where it can be, or everything works and nothing is fast. */
Test(links, tlb_hits_make_no_calls)
{
    ir_reset(rig->ir, &rig_guest);
    ir_begin_insn(rig->ir, 0x100, 4);
    ir_ref address = ir_get(rig->ir, IR_I64, RIG_X(11), 8);
    ir_ref value = ir_load(rig->ir, IR_I64, IR_MEM_64, address);
    ir_store(rig->ir, IR_MEM_64, ir_op2(rig->ir, IR_ADD, IR_I64, 0, address, ir_i64(rig->ir, 8)),
             value);
    ir_begin_insn(rig->ir, 0x104, 4);
    ir_amo(rig->ir, IR_AMO_MAX_S, IR_I32, address, ir_const(rig->ir, IR_I32, 7));
    ir_jump(rig->ir, 0x200);
    const u8 *code = rig_compile(rig, 0, NULL);
    struct rig_hart *hart = rig->hart[1];
    st_le64(hart->ram + 0x2ff0, 5);
    hart->x[11] = RIG_RAM_GVA + 0x2ff0;
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_assert_eq(hart->slow_calls, 0);
    cr_assert_eq(ld_le64(hart->ram + 0x2ff8), 5);
    cr_assert_eq(ld_le64(hart->ram + 0x2ff0), 7);
    hart->x[11] += 4; /* the store now crosses into the next page, the amo is aligned */
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_assert_eq(hart->slow_calls, 1);
}

/* do { *x11 = x10; x11 += 8; x10 += 1; } while (x11 != x12): remembers its page between rounds. */
static const u8 *fill_loop(void)
{
    ir_reset(rig->ir, &rig_guest);
    ir_begin_insn(rig->ir, 0x100, 4);
    ir_store(rig->ir, IR_MEM_64, ir_get(rig->ir, IR_I64, RIG_X(11), 8),
             ir_get(rig->ir, IR_I64, RIG_X(10), 8));
    ir_begin_insn(rig->ir, 0x104, 4);
    add_to(11, 8);
    ir_begin_insn(rig->ir, 0x108, 4);
    add_to(10, 1);
    ir_exit_if(rig->ir, IR_NE, ir_get(rig->ir, IR_I64, RIG_X(11), 8),
               ir_get(rig->ir, IR_I64, RIG_X(12), 8), 0x100);
    ir_jump(rig->ir, 0x200);
    return rig_compile(rig, 0, NULL);
}

static void check_filled(const struct rig_hart *hart, unsigned first, unsigned end)
{
    for (unsigned n = first; n < end; n++) {
        cr_assert_eq(ld_le64(hart->ram + 8 * n), n, "word %u", n);
    }
}

Test(links, loop_over_pages)
{
    struct rig_hart *hart = rig->hart[1];
    const u8 *code = fill_loop();
    hart->x[11] = RIG_RAM_GVA;
    hart->x[12] = RIG_RAM_GVA + 3 * PAGE_BYTES;
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_assert_eq(hart->vcpu.pc, RIG_PC_PAGE + 0x200);
    cr_assert_eq(hart->slow_calls, 0);
    check_filled(hart, 0, 3 * 512);

    /* the page in the middle may be written slowly only; what the loop remembered is not used */
    rig_map(hart, RIG_RAM_GVA + PAGE_BYTES, true, true, true);
    memset(hart->ram, 0, RIG_RAM_BYTES);
    hart->x[10] = 0;
    hart->x[11] = RIG_RAM_GVA;
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_assert_eq(hart->slow_calls, 512);
    check_filled(hart, 0, 3 * 512);
}

/* Translations may change while the hart is outside. */
Test(links, loop_forgets_between_entries)
{
    struct rig_hart *hart = rig->hart[1];
    const u8 *code = fill_loop();
    hart->x[11] = RIG_RAM_GVA;
    hart->x[12] = RIG_RAM_GVA + 8 * 100;
    hart->vcpu.deadline = 1000 + 3 * 50;
    cr_assert_eq(enter(code), IR_EXIT_POLL);
    cr_assert_eq(hart->slow_calls, 0);
    check_filled(hart, 0, 50);
    rig_map(hart, RIG_RAM_GVA, false, false, false);
    hart->vcpu.deadline = ~(u64)0;
    cr_assert_eq(enter(code), IR_EXIT_JUMP);
    cr_assert_eq(hart->slow_calls, 50);
    check_filled(hart, 0, 100);
}

static void unmap_first_page(struct rig_hart *hart)
{
    rig_map(hart, RIG_RAM_GVA, false, false, false);
}

/* A device's register may change translations in the middle of a loop. */
Test(links, loop_forgets_after_a_slow_path)
{
    struct rig_hart *hart = rig->hart[1];
    const gva_t device = RIG_RAM_GVA + RIG_RAM_BYTES;
    ir_reset(rig->ir, &rig_guest);
    ir_begin_insn(rig->ir, 0x100, 4);
    ir_set(rig->ir, RIG_X(10), 8,
           ir_load(rig->ir, IR_I64, IR_MEM_64, ir_get(rig->ir, IR_I64, RIG_X(11), 8)));
    ir_begin_insn(rig->ir, 0x104, 4);
    ir_store(rig->ir, IR_MEM_64, ir_get(rig->ir, IR_I64, RIG_X(12), 8), ir_i64(rig->ir, 1));
    ir_begin_insn(rig->ir, 0x108, 4);
    ir_jump(rig->ir, 0x100);
    const u8 *code = rig_compile(rig, 0, NULL);
    hart->x[11] = RIG_RAM_GVA;
    hart->x[12] = device;
    hart->on_slow = unmap_first_page;
    hart->vcpu.deadline = 1000 + 3 * 10;
    cr_assert_eq(enter(code), IR_EXIT_POLL);
    cr_assert_eq(hart->slow_calls, 10 + 9); /* only the first load was fast */
}

static size_t fence_bytes(unsigned sets, u32 flags)
{
    size_t bytes[2];
    for (unsigned n = 0; n < 2; n++) {
        ir_reset(rig->ir, &rig_guest);
        ir_begin_insn(rig->ir, 0x100, 4);
        if (n == 1) {
            ir_fence(rig->ir, sets);
        }
        add_to(10, 1);
        ir_jump(rig->ir, 0x200);
        cr_assert_not_null(rig_compile(rig, flags, NULL));
        bytes[n] = rig->result.code_bytes;
    }
    return bytes[1] - bytes[0];
}

/* Only stores before loads are not in order already, and that only other threads can see. */
Test(links, fences)
{
    cr_expect_gt(fence_bytes(0x33, 0), 4, "rw, rw");
    cr_expect_gt(fence_bytes(0x12, HOST_ONE_HART), 4, "w, r; a device's thread may look");
    cr_expect_eq(fence_bytes(0x31, 0), 0, "rw, w");
    cr_expect_eq(fence_bytes(0x23, 0), 0, "r, rw");
    cr_expect_eq(fence_bytes(0x33, HOST_ONE_HART | HOST_PRIVATE), 0);
}

Test(links, small_buffers_are_refused)
{
    for (size_t room = 0; room < 6000; room += 64) {
        rig->used_bytes = RIG_COLD_START - room;
        ir_reset(rig->ir, &rig_guest);
        for (unsigned n = 0; n < 50; n++) {
            ir_begin_insn(rig->ir, 4 * n, 4);
            ir_ref value =
                ir_load(rig->ir, IR_I64, IR_MEM_64, ir_get(rig->ir, IR_I64, RIG_X(20), 8));
            ir_set(rig->ir, RIG_X(21), 8, value);
        }
        ir_jump(rig->ir, 400);
        enum host_status status;
        rig_compile(rig, 0, &status);
        cr_assert(status == HOST_NO_ROOM || (status == HOST_OK && rig->result.code_bytes <= room));
        size_t cold_room = room / 4;
        rig->used_bytes = rig->context.used_bytes;
        rig->cold_end = RIG_CODE_BYTES - cold_room;
        rig_compile(rig, 0, &status);
        cr_assert(status == HOST_NO_ROOM ||
                  (status == HOST_OK && rig->result.cold_bytes <= cold_room));
    }
}

static void take_line(void *opaque, u64 address, const char *text)
{
    (void)address;
    cr_assert(text[0] != '\0');
    *(unsigned *)opaque += 1;
}

Test(links, disassembles)
{
    const u8 *code = adder(0x100, 1, 0x200, 0);
    unsigned lines = 0;
    cr_assert(host_find()->disassemble(code, rig->result.code_bytes, 0x1000, take_line, &lines));
    cr_assert_geq(lines, 3);
}

/* The interpreter: edge cases of the integer operations against values written out here (folded and
 * run), guest state, exits and polls. */
#include "tests/translate/ir_interp_hart.h"

TestSuite(ir_interp, .init = setup, .fini = teardown);

/* --- integer operations --- */

struct binary_case {
    u8 op, type;
    u64 a, b, expected;
};

static const struct binary_case binary_cases[] = {
    {IR_ADD, IR_I32, ONES32, 1, 0},
    {IR_ADD, IR_I64, ONES32, 1, 0x100000000},
    {IR_SUB, IR_I32, 0, 1, ONES32},
    {IR_SUB, IR_I64, 0, 1, ONES64},
    {IR_MUL, IR_I32, 0x10001, 0x10001, 0x20001},
    {IR_MUL, IR_I64, ONES64, ONES64, 1},
    {IR_MULH_SS, IR_I64, ONES64, ONES64, 0},
    {IR_MULH_SS, IR_I64, MIN64, MIN64, 0x4000000000000000},
    {IR_MULH_SU, IR_I64, ONES64, ONES64, ONES64},
    {IR_MULH_SU, IR_I64, 2, ONES64, 1},
    {IR_MULH_UU, IR_I64, ONES64, ONES64, ONES64 - 1},
    {IR_DIV_S, IR_I64, 7, 0, ONES64},
    {IR_DIV_S, IR_I64, MIN64, ONES64, MIN64},
    {IR_DIV_S, IR_I64, (u64)-7, 2, (u64)-3},
    {IR_DIV_S, IR_I32, 7, 0, ONES32},
    {IR_DIV_S, IR_I32, MIN32, ONES32, MIN32},
    {IR_DIV_S, IR_I32, (u32)-7, 2, (u32)-3},
    {IR_DIV_U, IR_I64, 7, 0, ONES64},
    {IR_DIV_U, IR_I64, ONES64, 2, ONES64 / 2},
    {IR_DIV_U, IR_I32, 7, 0, ONES32},
    {IR_DIV_U, IR_I32, ONES32, 2, 0x7fffffff},
    {IR_REM_S, IR_I64, (u64)-7, 0, (u64)-7},
    {IR_REM_S, IR_I64, MIN64, ONES64, 0},
    {IR_REM_S, IR_I64, (u64)-7, 2, ONES64},
    {IR_REM_S, IR_I32, (u32)-7, 0, (u32)-7},
    {IR_REM_S, IR_I32, MIN32, ONES32, 0},
    {IR_REM_S, IR_I32, (u32)-7, 2, ONES32},
    {IR_REM_U, IR_I64, 7, 0, 7},
    {IR_REM_U, IR_I32, ONES32, 16, 15},
    {IR_REM_U, IR_I32, 7, 0, 7},
    {IR_ANDN, IR_I64, 0xff, 0x0f, 0xf0},
    {IR_ANDN, IR_I32, ONES32, 0, ONES32},
    {IR_SHL, IR_I64, 1, 63, MIN64},
    {IR_SHL, IR_I64, 3, 64, 3},
    {IR_SHL, IR_I64, 3, 65, 6},
    {IR_SHL, IR_I32, 3, 31, MIN32},
    {IR_SHL, IR_I32, 3, 33, 6},
    {IR_SHR, IR_I64, MIN64, 63, 1},
    {IR_SHR, IR_I64, 5, 64, 5},
    {IR_SHR, IR_I32, MIN32, 31, 1},
    {IR_SHR, IR_I32, MIN32, 32, MIN32},
    {IR_SAR, IR_I64, MIN64, 63, ONES64},
    {IR_SAR, IR_I64, MIN64, 64, MIN64},
    {IR_SAR, IR_I32, MIN32, 31, ONES32},
    {IR_SAR, IR_I32, MIN32, 33, 0xc0000000},
    {IR_SAR, IR_I32, 0x7fffffff, 31, 0},
    {IR_ROTR, IR_I64, 1, 1, MIN64},
    {IR_ROTR, IR_I64, 0x1234, 64, 0x1234},
    {IR_ROTR, IR_I32, 1, 1, MIN32},
    {IR_ROTR, IR_I32, 0x12345678, 40, 0x78123456},
};

/* The operation on two state words, and the same on constants, folded. */
static void check_binary(const struct binary_case *c)
{
    enum ir_op op = (enum ir_op)c->op;
    enum ir_type type = (enum ir_type)c->type;
    hart_init(&hart);
    hart.in[0] = c->a;
    hart.in[1] = c->b;
    begin();
    out(0, ir_op2(ir, op, type, 0, in(0, type), in(1, type)));
    ir->no_fold = false;
    ir_ref folded = ir_op2(ir, op, type, 0, ir_const(ir, type, c->a), ir_const(ir, type, c->b));
    cr_assert_eq(ir->insns[folded].op, IR_CONST);
    out(1, folded);
    run_to_jump();
    cr_assert_eq(hart.out[0], c->expected, "%s %llx, %llx: %llx", ir_op_info[op].text,
                 (unsigned long long)c->a, (unsigned long long)c->b,
                 (unsigned long long)hart.out[0]);
    cr_assert_eq(hart.out[1], c->expected, "folded %s %llx, %llx: %llx", ir_op_info[op].text,
                 (unsigned long long)c->a, (unsigned long long)c->b,
                 (unsigned long long)hart.out[1]);
}

Test(ir_interp, operations_of_two)
{
    for (unsigned i = 0; i < ARRAY_LEN(binary_cases); i++) {
        check_binary(&binary_cases[i]);
    }
}

struct unary_case {
    u8 op, type, sub;
    u64 a, expected;
};

static const struct unary_case unary_cases[] = {
    {IR_CLZ, IR_I64, 0, 0, 64},
    {IR_CLZ, IR_I64, 0, 1, 63},
    {IR_CLZ, IR_I32, 0, 0, 32},
    {IR_CLZ, IR_I32, 0, 1, 31},
    {IR_CTZ, IR_I64, 0, 0, 64},
    {IR_CTZ, IR_I64, 0, MIN64, 63},
    {IR_CTZ, IR_I32, 0, 0, 32},
    {IR_CTZ, IR_I32, 0, MIN32, 31},
    {IR_POPCNT, IR_I64, 0, ONES64, 64},
    {IR_POPCNT, IR_I32, 0, ONES32, 32},
    {IR_BSWAP, IR_I64, 0, 0x0102030405060708, 0x0807060504030201},
    {IR_BSWAP, IR_I32, 0, 0x01020304, 0x04030201},
    {IR_ORC_B, IR_I64, 0, 0x8001000000100200, 0xffff000000ffff00},
    {IR_ORC_B, IR_I32, 0, 0x00400001, 0x00ff00ff},
    {IR_SEXT, IR_I64, 8, 0x80, 0xffffffffffffff80},
    {IR_SEXT, IR_I64, 16, 0x12347fff, 0x7fff},
    {IR_SEXT, IR_I64, 32, MIN32, 0xffffffff80000000},
    {IR_SEXT, IR_I32, 8, 0x80, 0xffffff80},
    {IR_SEXT, IR_I32, 16, 0x18000, 0xffff8000},
    {IR_ZEXT, IR_I64, 8, ONES64, 0xff},
    {IR_ZEXT, IR_I64, 32, ONES64, ONES32},
    {IR_ZEXT, IR_I32, 16, ONES32, 0xffff},
};

static void check_unary(const struct unary_case *c)
{
    enum ir_op op = (enum ir_op)c->op;
    enum ir_type type = (enum ir_type)c->type;
    hart_init(&hart);
    hart.in[0] = c->a;
    begin();
    out(0, ir_op1(ir, op, type, c->sub, in(0, type)));
    ir->no_fold = false;
    ir_ref folded = ir_op1(ir, op, type, c->sub, ir_const(ir, type, c->a));
    cr_assert_eq(ir->insns[folded].op, IR_CONST);
    out(1, folded);
    run_to_jump();
    cr_assert_eq(hart.out[0], c->expected, "%s %llx: %llx", ir_op_info[op].text,
                 (unsigned long long)c->a, (unsigned long long)hart.out[0]);
    cr_assert_eq(hart.out[1], c->expected, "folded %s", ir_op_info[op].text);
}

Test(ir_interp, operations_of_one)
{
    for (unsigned i = 0; i < ARRAY_LEN(unary_cases); i++) {
        check_unary(&unary_cases[i]);
    }
}

/* For each condition: does it hold for a < b, a == b, a > b (signed or unsigned as it is). */
static const struct { u8 cond; bool is_signed, less, equal, greater; } cond_cases[] = {
    {IR_EQ, false, false, true, false},  {IR_NE, false, true, false, true},
    {IR_LT_S, true, true, false, false}, {IR_LE_S, true, true, true, false},
    {IR_GT_S, true, false, false, true}, {IR_GE_S, true, false, true, true},
    {IR_LT_U, false, true, false, false}, {IR_LE_U, false, true, true, false},
    {IR_GT_U, false, false, false, true}, {IR_GE_U, false, false, true, true},
};

/* Pairs with their signed and unsigned order, the same in both widths after truncation. */
static const struct { u64 a, b; int order_s, order_u; } cond_pairs[] = {
    {5, 5, 0, 0},          {4, 5, -1, -1},           {5, 4, 1, 1},
    {ONES64, 1, -1, 1},    {1, ONES64, 1, -1},       {ONES64, ONES64, 0, 0},
    {ONES64 - 1, ONES64, -1, -1},
};

static void check_cond(unsigned c, unsigned p, enum ir_type type)
{
    enum ir_cond cond = (enum ir_cond)cond_cases[c].cond;
    int order = cond_cases[c].is_signed ? cond_pairs[p].order_s : cond_pairs[p].order_u;
    bool expected = order < 0    ? cond_cases[c].less
                    : order == 0 ? cond_cases[c].equal
                                 : cond_cases[c].greater;
    hart_init(&hart);
    hart.in[0] = cond_pairs[p].a;
    hart.in[1] = cond_pairs[p].b;
    begin();
    ir_ref setcc = ir_setcc(ir, cond, type, in(0, type), in(1, type));
    ir_ref select = ir_select(ir, cond, in(0, IR_I64), in(1, IR_I64), type, in(0, type),
                              in(1, type));
    out(0, setcc);
    out(1, select);
    ir_exit_if(ir, cond, in(0, IR_I64), in(1, IR_I64), 0x200);
    run_to_jump();
    u64 chosen = expected ? cond_pairs[p].a : cond_pairs[p].b;
    cr_assert_eq(hart.out[0], expected, "cond %u pair %u type %u", cond, p, type);
    cr_assert_eq(hart.out[1], type == IR_I32 ? (u32)chosen : chosen);
    cr_assert_eq(hart.vcpu.pc, (u64)PAGE_GVA + (expected ? 0x200 : 0x104));
}

Test(ir_interp, conditions)
{
    for (unsigned c = 0; c < ARRAY_LEN(cond_cases); c++) {
        for (unsigned p = 0; p < ARRAY_LEN(cond_pairs); p++) {
            check_cond(c, p, IR_I64);
            check_cond(c, p, IR_I32);
        }
    }
}

/* --- guest state --- */

Test(ir_interp, state_sizes)
{
    hart.in[0] = 0x8899aabbccddeeff;
    memset(hart.out, 0x11, sizeof(hart.out));
    for (unsigned i = 0; i < 4; i++) {
        ir_set(ir, OUT(i), 1u << i, ir_get(ir, IR_I64, IN(0), 8));
    }
    ir_set(ir, IN(1), 8, ir_get(ir, IR_I64, IN(0), 1));
    ir_set(ir, IN(2), 8, ir_get(ir, IR_I64, IN(0), 2));
    ir_set(ir, IN(3), 8, ir_get(ir, IR_I64, IN(0), 4));
    cr_assert_eq(run_to_jump(), IR_EXIT_JUMP);
    cr_assert_eq(hart.out[0], 0x11111111111111ff);
    cr_assert_eq(hart.out[1], 0x111111111111eeff);
    cr_assert_eq(hart.out[2], 0x11111111ccddeeff);
    cr_assert_eq(hart.out[3], 0x8899aabbccddeeff);
    cr_assert_eq(hart.in[1], 0xff);
    cr_assert_eq(hart.in[2], 0xeeff);
    cr_assert_eq(hart.in[3], 0xccddeeff);
}

Test(ir_interp, place_and_count)
{
    ir_begin_insn(ir, 0x104, 2);
    out(0, ir_pc_page(ir));
    out(1, ir_insn_count(ir));
    run_to_jump();
    cr_assert_eq(hart.out[0], PAGE_GVA);
    cr_assert_eq(hart.out[1], ENTRY_INSNS + 1);
}

Test(ir_interp, dead_instructions_are_skipped)
{
    out(0, ir_i64(ir, 1));
    out(1, ir_i64(ir, 2));
    ir->insns[ir->count - 1].dead = 1;
    ir->insns[ir->count - 2].dead = 1;
    run_to_jump();
    cr_assert_eq(hart.out[0], 1);
    cr_assert_eq(hart.out[1], 0);
}

/* --- exits --- */

Test(ir_interp, jumps)
{
    ir_begin_insn(ir, 0x104, 4);
    ir_jump(ir, -16);
    check_exit(run(), IR_EXIT_JUMP, PAGE_GVA - 16, ENTRY_INSNS + 2);

    hart_init(&hart);
    begin();
    ir_begin_insn(ir, 0x104, 4);
    ir_jump_next(ir, 0x104);
    check_exit(run(), IR_EXIT_JUMP, PAGE_GVA + 0x104, ENTRY_INSNS + 1);

    hart_init(&hart);
    begin();
    ir_jump_ind(ir, IR_JUMP_RETURN, ir_i64(ir, 0x1234));
    check_exit(run(), IR_EXIT_IND, 0x1234, ENTRY_INSNS + 1);

    hart_init(&hart);
    begin();
    ir_leave(ir, ir_i64(ir, 0x1238), true);
    check_exit(run(), IR_EXIT_LEAVE, 0x1238, ENTRY_INSNS + 1);
}

Test(ir_interp, raise)
{
    ir_begin_insn(ir, 0x104, 4);
    ir_raise(ir, 2, ir_i64(ir, 0xdead));
    check_exit(run(), IR_EXIT_RAISED, PAGE_GVA + 0x104, ENTRY_INSNS + 1);
    cr_assert_neq(hart.vcpu.exception_pending, 0);
    cr_assert_eq(hart.vcpu.exception_cause, 2);
    cr_assert_eq(hart.vcpu.exception_value, 0xdead);
}

Test(ir_interp, look_leaves_when_there_is_a_hint)
{
    for (unsigned hint = 0; hint < 2; hint++) {
        hart_init(&hart);
        hart.vcpu.irq_hint = hint;
        begin();
        ir_look(ir, 0x104);
        ir_begin_insn(ir, 0x104, 4);
        ir_jump(ir, 0x108);
        check_exit(run(), hint ? IR_EXIT_LEAVE : IR_EXIT_JUMP, PAGE_GVA + (hint ? 0x104 : 0x108),
                   ENTRY_INSNS + (hint ? 1 : 2));
    }
}

/* A jump to target_offset from the block's only instruction, at 0x100, which retires it. */
static enum ir_exit jump_by(s64 target_offset, bool conditional, u64 deadline)
{
    hart_init(&hart);
    hart.vcpu.deadline = deadline;
    begin();
    if (conditional) {
        ir_exit_if(ir, IR_EQ, in(0, IR_I64), in(1, IR_I64), target_offset);
        ir_raise(ir, 0, in(0, IR_I64));
    } else {
        ir_jump(ir, target_offset);
    }
    enum ir_exit got = run();
    check_exit(got, got, PAGE_GVA + (u64)target_offset, ENTRY_INSNS + 1);
    return got;
}

Test(ir_interp, backward_jumps_poll)
{
    for (unsigned conditional = 0; conditional < 2; conditional++) {
        cr_assert_eq(jump_by(0x100, conditional, ENTRY_INSNS + 1), IR_EXIT_POLL);
        cr_assert_eq(jump_by(0x100, conditional, ENTRY_INSNS + 2), IR_EXIT_JUMP);
        cr_assert_eq(jump_by(-8, conditional, 0), IR_EXIT_POLL);
        cr_assert_eq(jump_by(0x104, conditional, 0), IR_EXIT_JUMP);
    }
}

Test(ir_interp, indirect_jumps_poll)
{
    hart.vcpu.deadline = ENTRY_INSNS + 1;
    ir_jump_ind(ir, IR_JUMP_PLAIN, ir_i64(ir, 0x9000));
    check_exit(run(), IR_EXIT_POLL, 0x9000, ENTRY_INSNS + 1);
}

static enum ir_exit poll_before(unsigned next_insns, u64 deadline)
{
    hart_init(&hart);
    hart.vcpu.deadline = deadline;
    begin();
    ir_poll(ir, next_insns);
    return run_to_jump();
}

Test(ir_interp, poll_leaves_before_the_instruction)
{
    cr_assert_eq(poll_before(3, ENTRY_INSNS + 3), IR_EXIT_JUMP);
    check_exit(poll_before(3, ENTRY_INSNS + 2), IR_EXIT_POLL, PAGE_GVA + 0x100, ENTRY_INSNS);
    check_exit(poll_before(1, 0), IR_EXIT_POLL, PAGE_GVA + 0x100, ENTRY_INSNS);
}

/* Appending: sharing, forwarding of guest state, folding rules one by one, overflow, printing. */
#include "translate/ir/ir.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_X = 512, STATE_Y = 520 }; /* two words of guest state */

static struct ir *ir;

static void setup(void)
{
    ir = calloc(1, sizeof(*ir));
    ir_reset(ir, NULL);
    ir_begin_insn(ir, 0, 4);
    ir_set(ir, STATE_X, 8, ir_i64(ir, 42)); /* of which the next block knows nothing */
    ir_reset(ir, NULL);
    ir_begin_insn(ir, 0, 4);
}

static void teardown(void)
{
    free(ir);
}

TestSuite(ir, .init = setup, .fini = teardown);

static ir_ref x(void)
{
    return ir_get(ir, IR_I64, STATE_X, 8);
}

static ir_ref y(void)
{
    return ir_get(ir, IR_I64, STATE_Y, 8);
}

static ir_ref x32(void)
{
    return ir_op1(ir, IR_TRUNC, IR_I32, 0, x());
}

static ir_ref op2(enum ir_op op, ir_ref a, ir_ref b)
{
    return ir_op2(ir, op, IR_I64, 0, a, b);
}

static ir_ref op2_imm(enum ir_op op, ir_ref a, u64 b)
{
    return op2(op, a, ir_i64(ir, b));
}

static ir_ref sext(unsigned bits, ir_ref a)
{
    return ir_op1(ir, IR_SEXT, IR_I64, bits, a);
}

static ir_ref zext(unsigned bits, ir_ref a)
{
    return ir_op1(ir, IR_ZEXT, IR_I64, bits, a);
}

static bool is_const(ir_ref ref, u64 value)
{
    return ir->insns[ref].op == IR_CONST && ir->insns[ref].imm == value;
}

/* --- sharing --- */

Test(ir, equal_values_are_one)
{
    ir_ref sum = op2(IR_ADD, x(), y());
    cr_assert_eq(op2(IR_ADD, x(), y()), sum);
    cr_assert_neq(op2(IR_SUB, x(), y()), sum);
    cr_assert_eq(ir_i64(ir, 77), ir_i64(ir, 77));
    cr_assert_neq(ir_i64(ir, 77), ir_const(ir, IR_I32, 77));
    cr_assert_eq(ir_pc_page(ir), ir_pc_page(ir));
}

Test(ir, no_fold_appends_everything)
{
    ir->no_fold = true;
    ir_ref a = x();
    cr_assert_neq(x(), a);
    cr_assert_neq(ir_i64(ir, 1), ir_i64(ir, 1));
    cr_assert_neq(op2_imm(IR_ADD, a, 0), a);
}

static ir_ref fadd(enum ir_round round)
{
    ir_ref a = ir_get(ir, IR_F64, STATE_X, 8);
    ir_ref b = ir_get(ir, IR_F64, STATE_Y, 8);
    return ir_fp(ir, IR_FADD, IR_F64, 0, round, a, b, IR_REF_NONE);
}

Test(ir, float_operations_are_shared_until_the_environment_changes)
{
    ir_ref first = fadd(IR_ROUND_DYN);
    cr_assert_eq(fadd(IR_ROUND_DYN), first);
    cr_assert_neq(fadd(IR_ROUND_RTZ), first);
    ir_fenv_flags(ir);
    cr_assert_eq(fadd(IR_ROUND_DYN), first);
    ir_fenv_set(ir, ir_i64(ir, 0), ir_i64(ir, 1));
    cr_assert_neq(fadd(IR_ROUND_DYN), first);
}

static u64 nothing(void)
{
    return 0;
}

static const struct helper helper_writer = {"writer", nothing, 0, false, HELPER_WRITES_STATE};
static const struct helper helper_fpu = {"fpu", nothing, 0, true, HELPER_FPU};
static const struct helper helper_plain = {"plain", nothing, 0, false, HELPER_READS_STATE};
static const struct helper helper_pure = {"pure", nothing, 1, true, HELPER_PURE};

static ir_ref call(const struct helper *helper)
{
    return ir_call(ir, helper, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
}

Test(ir, calls_end_sharing_of_what_they_change)
{
    ir_ref value = x();
    ir_ref sum = fadd(IR_ROUND_DYN);
    call(&helper_plain);
    cr_assert_eq(x(), value);
    cr_assert_eq(fadd(IR_ROUND_DYN), sum);
    cr_assert_neq(call(&helper_fpu), IR_REF_NONE);
    cr_assert_eq(x(), value);
    cr_assert_neq(fadd(IR_ROUND_DYN), sum);
    cr_assert_eq(call(&helper_writer), IR_REF_NONE);
    cr_assert_neq(x(), value);
}

Test(ir, pure_calls_are_shared)
{
    ir_ref first = ir_call(ir, &helper_pure, x(), IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
    ir_ref again = ir_call(ir, &helper_pure, x(), IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
    ir_ref other = ir_call(ir, &helper_pure, y(), IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
    cr_assert_eq(again, first);
    cr_assert_neq(other, first);
}

/* --- forwarding --- */

Test(ir, get_gives_what_was_set)
{
    ir_ref sum = op2(IR_ADD, x(), y());
    ir_set(ir, STATE_X, 8, sum);
    cr_assert_eq(x(), sum);
    unsigned count = ir->count;
    ir_set(ir, STATE_X, 8, sum);
    cr_assert_eq(ir->count, count, "a SET of what is there is dropped");
}

Test(ir, set_of_what_was_got_is_dropped)
{
    ir_ref value = x();
    unsigned count = ir->count;
    ir_set(ir, STATE_X, 8, value);
    cr_assert_eq(ir->count, count);
    ir_set(ir, STATE_Y, 8, value);
    cr_assert_eq(ir->count, count + 1);
}

Test(ir, overlapping_sizes_are_not_forwarded)
{
    ir_ref sum = op2(IR_ADD, x(), y());
    ir_set(ir, STATE_X, 8, sum);
    ir_set(ir, STATE_X + 2, 1, y());
    cr_assert_eq(ir->insns[x()].op, IR_GET);
    ir_set(ir, STATE_X, 8, sum);
    cr_assert_eq(ir->insns[ir->count - 1].op, IR_SET, "the byte must be written over");
}

Test(ir, a_write_across_two_words_invalidates_both)
{
    ir_ref a = x();
    ir_ref b = y();
    ir_set(ir, STATE_X + 4, 8, a);
    cr_assert_neq(x(), a);
    cr_assert_neq(y(), b);
}

Test(ir, narrow_set_is_zero_extended)
{
    ir_set(ir, STATE_X, 1, y());
    ir_ref got = ir_get(ir, IR_I64, STATE_X, 1);
    cr_assert_eq(ir->insns[got].op, IR_ZEXT);
    cr_assert_eq(ir->insns[got].sub, 8);
    cr_assert_eq(ir->insns[got].a, y());
}

Test(ir, float_state_is_forwarded_as_bits)
{
    ir_ref f = ir_op1(ir, IR_FBITS, IR_F64, 0, op2(IR_ADD, x(), y()));
    ir_set(ir, STATE_X, 8, f);
    cr_assert_eq(ir_get(ir, IR_F64, STATE_X, 8), f);
    cr_assert_eq(x(), op2(IR_ADD, ir->insns[ir->insns[f].a].a, y()));
}

/* --- rules --- */

Test(ir, arithmetic_rules)
{
    ir_ref a = x();
    cr_assert_eq(op2_imm(IR_ADD, a, 0), a);
    cr_assert_eq(op2(IR_ADD, ir_i64(ir, 5), a), op2_imm(IR_ADD, a, 5));
    cr_assert_eq(op2_imm(IR_ADD, op2_imm(IR_ADD, a, 5), (u64)-3), op2_imm(IR_ADD, a, 2));
    cr_assert_eq(op2_imm(IR_ADD, op2_imm(IR_ADD, a, 5), (u64)-5), a);
    cr_assert_eq(op2_imm(IR_SUB, a, 7), op2_imm(IR_ADD, a, (u64)-7));
    cr_assert(is_const(op2(IR_SUB, a, a), 0));
    cr_assert_eq(op2(IR_SUB, op2(IR_ADD, a, y()), a), y());
    cr_assert_eq(op2_imm(IR_MUL, a, 8), op2_imm(IR_SHL, a, 3));
    cr_assert(is_const(op2_imm(IR_MUL, a, 0), 0));
    cr_assert_eq(op2_imm(IR_DIV_U, a, 16), op2_imm(IR_SHR, a, 4));
    cr_assert_eq(op2_imm(IR_REM_U, a, 16), op2_imm(IR_AND, a, 15));
    cr_assert(is_const(op2_imm(IR_DIV_U, a, 0), ~(u64)0));
    cr_assert(is_const(op2_imm(IR_DIV_S, a, 0), ~(u64)0));
    cr_assert_eq(op2_imm(IR_REM_S, a, 0), a);
}

Test(ir, logic_rules)
{
    ir_ref a = x();
    cr_assert(is_const(op2(IR_XOR, a, a), 0));
    cr_assert_eq(op2_imm(IR_XOR, op2_imm(IR_XOR, a, ~(u64)0), ~(u64)0), a);
    cr_assert_eq(op2(IR_AND, a, a), a);
    cr_assert_eq(op2_imm(IR_AND, a, 0xff), zext(8, a));
    cr_assert_eq(op2_imm(IR_AND, zext(8, a), 0x1ff), zext(8, a));
    cr_assert(is_const(op2_imm(IR_AND, zext(8, a), 0xf00), 0));
    cr_assert_eq(op2_imm(IR_OR, a, 0), a);
    cr_assert(is_const(op2_imm(IR_OR, a, ~(u64)0), ~(u64)0));
    cr_assert(is_const(op2(IR_ANDN, a, a), 0));
    cr_assert_eq(op2_imm(IR_ANDN, a, 6), op2_imm(IR_AND, a, ~(u64)6));
}

Test(ir, shift_rules)
{
    ir_ref a = x();
    cr_assert_eq(op2_imm(IR_SHL, a, 64), a);
    cr_assert_eq(op2_imm(IR_SHL, op2_imm(IR_SHL, a, 3), 4), op2_imm(IR_SHL, a, 7));
    cr_assert(is_const(op2_imm(IR_SHL, op2_imm(IR_SHL, a, 40), 40), 0));
    cr_assert(is_const(op2_imm(IR_SHL, op2_imm(IR_SHL, a, 32), 32), 0), "not shifted by 0");
    cr_assert_eq(ir->insns[op2_imm(IR_SHR, op2_imm(IR_SHR, a, 31), 32)].op, IR_SHR);
    cr_assert_eq(op2_imm(IR_SHR, op2_imm(IR_SHL, a, 32), 32), zext(32, a));
    cr_assert_eq(op2_imm(IR_SAR, op2_imm(IR_SHL, a, 48), 48), sext(16, a));
    cr_assert_eq(op2_imm(IR_SAR, op2_imm(IR_SAR, a, 40), 40), op2_imm(IR_SAR, a, 63));
    cr_assert_eq(op2(IR_SHL, a, op2_imm(IR_AND, y(), 63)), op2(IR_SHL, a, y()));
    cr_assert_neq(op2(IR_SHL, a, op2_imm(IR_AND, y(), 31)), op2(IR_SHL, a, y()));
}

Test(ir, extension_rules)
{
    ir_ref a = x();
    ir_ref word = ir_load(ir, IR_I64, IR_MEM_32 | IR_MEM_SIGNED, a);
    ir_ref byte = ir_load(ir, IR_I64, IR_MEM_8, a);
    cr_assert_eq(sext(32, word), word);
    cr_assert_eq(sext(32, byte), byte);
    cr_assert_eq(zext(8, byte), byte);
    cr_assert_neq(zext(32, word), word);
    cr_assert_neq(sext(8, byte), byte);
    cr_assert_eq(sext(32, sext(32, a)), sext(32, a));
    cr_assert_eq(sext(8, zext(16, a)), sext(8, a));
    cr_assert_eq(zext(32, sext(32, a)), zext(32, a));
    cr_assert_eq(sext(32, x32()), sext(32, a));
    cr_assert_eq(ir_op1(ir, IR_TRUNC, IR_I32, 0, sext(32, x32())), x32());
    cr_assert_eq(sext(32, sext(16, a)), sext(16, a));
}

Test(ir, condition_rules)
{
    ir_ref a = x();
    ir_ref zero = ir_i64(ir, 0);
    ir_ref less = ir_setcc(ir, IR_LT_S, IR_I64, a, y());
    cr_assert_eq(ir_setcc(ir, IR_NE, IR_I64, less, zero), less);
    cr_assert_eq(ir_setcc(ir, IR_EQ, IR_I64, less, zero), ir_setcc(ir, IR_GE_S, IR_I64, a, y()));
    cr_assert_eq(ir_setcc(ir, IR_GT_U, IR_I64, zero, a), ir_const(ir, IR_I64, 0));
    cr_assert_eq(ir_setcc(ir, IR_LT_U, IR_I64, zero, a), ir_setcc(ir, IR_NE, IR_I64, a, zero));
    cr_assert_eq(ir_setcc(ir, IR_LT_U, IR_I64, a, ir_i64(ir, 1)),
                 ir_setcc(ir, IR_EQ, IR_I64, a, zero));
    cr_assert_eq(ir_setcc(ir, IR_EQ, IR_I64, op2(IR_XOR, a, y()), zero),
                 ir_setcc(ir, IR_EQ, IR_I64, a, y()));
    cr_assert(is_const(ir_setcc(ir, IR_LE_U, IR_I64, a, a), 1));
    cr_assert_eq(ir_select(ir, IR_LT_S, a, y(), IR_I64, a, a), a);
    ir_ref chosen = ir_select(ir, IR_LT_S, a, y(), IR_I64, a, zero);
    cr_assert_eq(ir_select(ir, IR_NE, less, zero, IR_I64, a, zero), chosen);
    cr_assert_eq(ir_select(ir, IR_EQ, zero, zero, IR_I64, a, less), a);
}

Test(ir, a_count_of_bits_may_be_the_width)
{
    static const enum ir_op counts[] = {IR_CLZ, IR_CTZ, IR_POPCNT};
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        ir_ref count = ir_op1(ir, counts[i], IR_I64, 0, x());
        cr_assert_eq(ir->insns[op2_imm(IR_AND, count, 63)].op, IR_AND);
        cr_assert_eq(op2_imm(IR_AND, count, 127), count);
    }
}

Test(ir, every_condition_has_its_inverse_and_its_mirror)
{
    static const u8 inverse[] = {IR_NE,   IR_EQ,   IR_GE_S, IR_GT_S, IR_LE_S,
                                 IR_LT_S, IR_GE_U, IR_GT_U, IR_LE_U, IR_LT_U};
    static const u8 mirror[] = {IR_EQ,   IR_NE,   IR_GT_S, IR_GE_S, IR_LT_S,
                                IR_LE_S, IR_GT_U, IR_GE_U, IR_LT_U, IR_LE_U};
    ir_ref five = ir_i64(ir, 5);
    for (unsigned i = 0; i <= IR_GE_U; i++) {
        ir_ref setcc = ir_setcc(ir, (enum ir_cond)i, IR_I64, x(), y());
        ir_ref not = ir_setcc(ir, IR_EQ, IR_I64, setcc, ir_i64(ir, 0));
        cr_assert_eq(not, ir_setcc(ir, (enum ir_cond)inverse[i], IR_I64, x(), y()), "%u", i);
        ir_ref swapped = ir_setcc(ir, (enum ir_cond)i, IR_I64, five, x());
        cr_assert_eq(swapped, ir_setcc(ir, (enum ir_cond)mirror[i], IR_I64, x(), five), "%u", i);
    }
}

Test(ir, exit_takes_over_the_comparison)
{
    ir_ref less = ir_setcc(ir, IR_LT_U, IR_I64, x(), y());
    ir_exit_if(ir, IR_EQ, less, ir_i64(ir, 0), 64);
    const struct ir_insn *exit = &ir->insns[ir->count - 1];
    cr_assert_eq(exit->op, IR_EXIT_IF);
    cr_assert_eq(exit->sub, IR_GE_U);
    cr_assert_eq(exit->a, x());
    cr_assert_eq(exit->b, y());
    unsigned count = ir->count;
    ir_exit_if(ir, IR_NE, x(), x(), 64);
    cr_assert_eq(ir->count, count, "never taken");
}

Test(ir, a_word_comparison_is_not_fused_into_an_exit)
{
    /* EXIT_IF compares 64 bits. */
    ir_ref less = ir_setcc(ir, IR_LT_U, IR_I32, x32(), ir_const(ir, IR_I32, 9));
    ir_exit_if(ir, IR_NE, less, ir_i64(ir, 0), 64);
    cr_assert_eq(ir->insns[ir->count - 1].a, less);
}

Test(ir, what_may_be_skipped_is_selected)
{
    ir_ref first = x(), second = y();
    ir_begin_insn(ir, 4, 4);
    ir_skip_begin(ir, IR_LT_S, first, second);
    ir_begin_insn(ir, 8, 4);
    ir_ref sum = op2(IR_ADD, first, second);
    ir_set(ir, STATE_X, 8, sum);
    ir_begin_insn(ir, 12, 4);
    cr_assert_eq(x(), sum, "behind the SET, in the same way");
    ir_ref twice = op2(IR_ADD, sum, sum);
    ir_set(ir, STATE_X, 8, twice);
    ir_skip_end(ir, 2);
    const struct ir_insn *set = &ir->insns[ir->count - 1], *select = &ir->insns[set->a];
    cr_assert_eq(set->op, IR_SET);
    cr_assert(select->op == IR_SELECT && select->sub == IR_LT_S && select->c == first &&
              select->d == twice);
    const struct ir_insn *unretire = &ir->insns[set->a - 1];
    cr_assert(unretire->op == IR_UNRETIRE && unretire->sub == IR_LT_S && unretire->imm == 2);
    cr_assert_eq(x(), set->a);
}

/* What is selected may be the value that was set: it is written all the same. */
Test(ir, what_is_never_skipped_is_set)
{
    ir_ref first = x(), second = y();
    ir_begin_insn(ir, 4, 4);
    ir_skip_begin(ir, IR_NE, first, first);
    ir_begin_insn(ir, 8, 4);
    ir_set(ir, STATE_X, 8, second);
    unsigned before = ir->count;
    ir_skip_end(ir, 1);
    cr_assert_eq(ir->count, before + 1);
    cr_assert(ir->insns[before].op == IR_SET && ir->insns[before].a == second);
}

/* Two registers that share an entry of what is known. */
Test(ir, what_may_be_skipped_is_remembered)
{
    const u32 other = STATE_X + 8 * IR_KNOWN_WORDS;
    ir_begin_insn(ir, 4, 4);
    ir_skip_begin(ir, IR_EQ, y(), ir_i64(ir, 0));
    ir_begin_insn(ir, 8, 4);
    ir_ref sum = op2_imm(IR_ADD, x(), 5);
    ir_set(ir, STATE_X, 8, sum);
    ir_set(ir, other, 8, ir_i64(ir, 7));
    cr_assert_eq(x(), sum);
    ir_skip_end(ir, 1);
}

Test(ir, float_move_rules)
{
    ir_ref single = ir_op1(ir, IR_FUNBOX, IR_F32, 0, x());
    ir_ref twice = ir_op1(ir, IR_FBITS, IR_F64, 0, x());
    cr_assert_eq(ir_op1(ir, IR_FUNBOX, IR_F32, 0, ir_op1(ir, IR_FBOX, IR_I64, 0, single)), single);
    cr_assert_neq(ir_op1(ir, IR_FBOX, IR_I64, 0, single), x());
    cr_assert_eq(ir_op1(ir, IR_FBITS, IR_I64, 0, twice), x());
    cr_assert_eq(ir_op2(ir, IR_FSGNJ, IR_F32, 0, single, single), single);
    cr_assert_eq(ir_op2(ir, IR_FSGNJ, IR_F32, 1, single, single),
                 ir_op1(ir, IR_FNEG, IR_F32, 0, single));
}

/* --- limits, text --- */

Test(ir, overflow_is_reported_and_harmless)
{
    char why[100];
    ir_ref last = x();
    for (u64 i = 0; i < IR_MAX_INSNS + 100; i++) {
        last = op2(IR_ADD, op2_imm(IR_MUL, last, i | 3), y());
        ir_set(ir, STATE_X, 8, last);
        last = op2(IR_SHL, last, op2_imm(IR_SAR, last, i));
    }
    cr_assert(ir->overflow);
    cr_assert_eq(ir->count, IR_MAX_INSNS);
    cr_assert_not(ir_verify(ir, why, sizeof(why)));
    ir_reset(ir, NULL);
    cr_assert_not(ir->overflow);
    cr_assert_eq(ir->count, 0);
}

static const char *line(unsigned index, char *text, size_t text_bytes)
{
    memset(text, 'x', text_bytes);
    ir_print_insn(ir, index, text, text_bytes);
    return text;
}

Test(ir, prints_what_it_holds)
{
    char text[120];
    ir_ref sum = op2_imm(IR_ADD, x(), 16);
    ir_ref value = ir_load(ir, IR_I64, IR_MEM_32 | IR_MEM_SIGNED, sum);
    ir_set(ir, STATE_Y, 4, value);
    ir_exit_if(ir, IR_LT_U, value, x(), -8);
    cr_assert_str_eq(line(0, text, sizeof(text)), "insn 0 at page+0x0, 4 bytes");
    cr_assert_str_eq(line(1, text, sizeof(text)), "%1 = get.i64 state[512]:8");
    cr_assert_str_eq(line(2, text, sizeof(text)), "%2 = const.i64 0x10");
    cr_assert_str_eq(line(3, text, sizeof(text)), "%3 = add.i64 %1, %2");
    cr_assert_str_eq(line(4, text, sizeof(text)), "%4 = tlb_check.i64 32 read %3");
    cr_assert_str_eq(line(5, text, sizeof(text)), "%5 = load.i64 s32 %4, %3");
    cr_assert_str_eq(line(6, text, sizeof(text)), "set.i64 state[520]:4 %5");
    cr_assert_str_eq(line(7, text, sizeof(text)), "exit_if.i64 lt_u %5, %1 to page-0x8");
    ir->insns[3].dead = 1;
    cr_assert_str_eq(line(3, text, sizeof(text)), "(dead) %3 = add.i64 %1, %2");
    cr_assert_str_eq(line(3, text, 8), "(dead) ");
}

Test(ir, every_operation_prints)
{
    char text[200];
    for (unsigned op = 0; op < IR_OP_COUNT; op++) {
        struct ir_insn insn = {.op = (u8)op, .type = IR_I64};
        insn.imm = op == IR_CALL || op == IR_VECTOR ? (u64)(uintptr_t)&helper_pure : 1;
        ir->insns[0] = insn;
        ir->count = 1;
        line(0, text, sizeof(text));
        cr_assert_not_null(strstr(text, ir_op_info[op].text), "%s: %s", ir_op_info[op].text, text);
    }
}

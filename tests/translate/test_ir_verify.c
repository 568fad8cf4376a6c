/* The verifier accepts a good block of every kind of operation and rejects each way of breaking it,
 * for the right reason. */
#include "translate/ir/ir.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_X = 512, STATE_Y = 520 };

static u64 nothing(void)
{
    return 0;
}

static const struct helper helper_one = {"one", nothing, 1, true, HELPER_MAY_RAISE};

/* Refs of the good block that tests break. */
static struct {
    struct ir *ir;
    ir_ref x, word, single, sum, sext, setcc, select, fadd, fcvt, load, amo, call, insn;
    unsigned set, store, check, jump;
} good;

static void setup(void)
{
    struct ir *ir = calloc(1, sizeof(*ir));
    good.ir = ir;
    ir_reset(ir, NULL);
    ir->no_fold = true;
    ir_begin_insn(ir, 0, 4);
    good.x = ir_get(ir, IR_I64, STATE_X, 8);
    good.word = ir_op1(ir, IR_TRUNC, IR_I32, 0, good.x);
    good.single = ir_op1(ir, IR_FUNBOX, IR_F32, 0, good.x);
    good.sum = ir_op2(ir, IR_ADD, IR_I64, 0, good.x, ir_i64(ir, 5));
    good.sext = ir_op1(ir, IR_SEXT, IR_I64, 32, good.word);
    good.setcc = ir_setcc(ir, IR_LT_S, IR_I32, good.word, good.word);
    good.select = ir_select(ir, IR_EQ, good.x, good.sum, IR_F32, good.single, good.single);
    good.fadd = ir_fp(ir, IR_FADD, IR_F32, 0, IR_ROUND_DYN, good.single, good.select,
                      IR_REF_NONE);
    good.fcvt = ir_fp(ir, IR_FCVT_FF, IR_F64, 0, IR_ROUND_RNE, good.single, IR_REF_NONE,
                      IR_REF_NONE);
    good.load = ir_load(ir, IR_I64, IR_MEM_32 | IR_MEM_SIGNED, good.sum);
    good.amo = ir_amo(ir, IR_AMO_ADD, IR_I32, good.sum, good.word);
    ir_store(ir, IR_MEM_32, good.sum, good.fadd);
    good.store = ir->count - 1;
    good.check = good.store - 1;
    good.call = ir_call(ir, &helper_one, good.x, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
    ir_set(ir, STATE_Y, 8, good.sext);
    good.set = ir->count - 1;
    good.insn = (ir_ref)ir->count;
    ir_begin_insn(ir, 4, 2);
    ir_exit_if(ir, IR_NE, good.setcc, good.x, 32);
    good.jump = ir->count;
    ir_jump(ir, 6);
}

static void teardown(void)
{
    free(good.ir);
}

TestSuite(ir_verify, .init = setup, .fini = teardown);

static struct ir_insn *at(unsigned index)
{
    return &good.ir->insns[index];
}

/* Rejected, with these words in the sentence and the place at its head. */
static void rejects(unsigned index, const char *words)
{
    char why[200] = "";
    char place[16];
    snprintf(place, sizeof(place), "%%%u ", index);
    cr_assert_not(ir_verify(good.ir, why, sizeof(why)), "accepted: %s", words);
    cr_assert_not_null(strstr(why, words), "\"%s\" instead of \"%s\"", why, words);
    cr_assert_eq(strncmp(why, place, strlen(place)), 0, "\"%s\" is not about %u", why, index);
}

Test(ir_verify, accepts_the_good_block)
{
    char why[200] = "";
    cr_assert(ir_verify(good.ir, why, sizeof(why)), "%s", why);
}

Test(ir_verify, order_of_operands)
{
    at(good.sum)->a = good.sum;
    rejects(good.sum, "does not precede");
}

Test(ir_verify, later_operand)
{
    at(good.sum)->a = good.load;
    rejects(good.sum, "does not precede");
}

Test(ir_verify, missing_operand)
{
    at(good.sum)->b = IR_REF_NONE;
    rejects(good.sum, "does not precede");
}

Test(ir_verify, more_taken_back_than_retired)
{
    struct ir_insn *exit = at(good.jump - 1);
    exit->op = IR_UNRETIRE;
    exit->imm = 1;
    char why[200] = "";
    cr_assert(ir_verify(good.ir, why, sizeof(why)), "%s", why);
    exit->imm = 2;
    rejects(good.jump - 1, "takes back what did not retire");
}

Test(ir_verify, surplus_operand)
{
    at(good.sext)->b = good.x;
    rejects(good.sext, "has an operand 1");
}

Test(ir_verify, operand_without_value)
{
    at(good.sum)->a = 0; /* INSN */
    rejects(good.sum, "has no value");
}

Test(ir_verify, operand_marked_dead)
{
    at(good.word)->dead = 1;
    rejects(good.sext, "was marked dead");
}

Test(ir_verify, operand_types)
{
    at(good.sum)->a = good.word;
    rejects(good.sum, "wrong type");
}

Test(ir_verify, setcc_gives_i64_whatever_it_compares)
{
    at(good.sext)->a = good.x;
    at(good.sum)->type = IR_I32;
    rejects(good.sum, "wrong type");
}

Test(ir_verify, select_arms)
{
    at(good.select)->c = good.word;
    rejects(good.select, "operand 2");
}

Test(ir_verify, own_type)
{
    at(good.fadd)->type = IR_I64;
    rejects(good.fadd, "cannot have type");
}

Test(ir_verify, unknown_operation)
{
    at(good.fadd)->op = IR_OP_COUNT;
    rejects(good.fadd, "no such operation");
}

Test(ir_verify, extension_width)
{
    at(good.sext)->sub = 24;
    rejects(good.sext, "cannot extend");
}

Test(ir_verify, condition)
{
    at(good.setcc)->sub = IR_GE_U + 1;
    rejects(good.setcc, "above");
}

Test(ir_verify, rounding)
{
    at(good.fadd)->imm = 5;
    rejects(good.fadd, "rounding");
}

Test(ir_verify, conversion_to_itself)
{
    at(good.fcvt)->type = IR_F32;
    rejects(good.fcvt, "type it has");
}

Test(ir_verify, state_size)
{
    at(good.x)->sub = 3;
    rejects(good.x, "cannot move");
}

Test(ir_verify, float_state_is_whole)
{
    at(good.set)->a = good.fcvt;
    at(good.set)->type = IR_F64;
    at(good.set)->sub = 4;
    rejects(good.set, "cannot move");
}

Test(ir_verify, state_beyond_the_guest)
{
    static const struct guest guest = {.name = "small", .vcpu_bytes = STATE_X + 8};
    good.ir->guest = &guest;
    rejects(good.set, "beyond");
}

Test(ir_verify, access_without_check)
{
    at(good.load)->a = good.x;
    rejects(good.load, "not a tlb_check");
}

Test(ir_verify, access_wider_than_its_check)
{
    at(good.load)->sub = IR_MEM_64;
    rejects(good.load, "wider");
}

Test(ir_verify, store_under_a_check_for_reading)
{
    at(good.check)->imm = IR_CHECK_READ;
    rejects(good.store, "does not permit");
}

Test(ir_verify, load_wider_than_its_type)
{
    at(good.load)->sub = IR_MEM_64;
    at(good.load)->type = IR_I32;
    rejects(good.load, "cannot access");
}

Test(ir_verify, signed_store)
{
    at(good.store)->sub |= IR_MEM_SIGNED;
    rejects(good.store, "cannot access");
}

Test(ir_verify, atomic_operation)
{
    at(good.amo)->imm = IR_AMO_MAX_U + 1;
    rejects(good.amo, "no such operation");
}

Test(ir_verify, call_arguments)
{
    at(good.call)->a = IR_REF_NONE;
    rejects(good.call, "does not precede");
}

Test(ir_verify, call_with_too_many_arguments)
{
    at(good.call)->b = good.x;
    rejects(good.call, "has an operand 1");
}

Test(ir_verify, call_argument_type)
{
    at(good.call)->a = good.word;
    rejects(good.call, "wrong type");
}

Test(ir_verify, call_result)
{
    at(good.call)->type = IR_NONE;
    rejects(good.call, "does not agree");
}

Test(ir_verify, no_terminator)
{
    good.ir->count--;
    rejects(good.jump - 1, "without being able");
}

Test(ir_verify, terminator_twice)
{
    *at(good.jump - 1) = *at(good.jump);
    rejects(good.jump - 1, "before the end");
}

Test(ir_verify, dead_terminator)
{
    at(good.jump)->dead = 1;
    rejects(good.jump, "cannot be dead");
}

Test(ir_verify, dead_load)
{
    at(good.load)->dead = 1;
    rejects(good.load, "cannot be dead");
}

Test(ir_verify, instruction_numbers)
{
    at(good.insn)->a = 0;
    rejects(good.insn, "is number 1");
}

Test(ir_verify, instruction_length)
{
    at(good.insn)->sub = 0;
    rejects(good.insn, "no length");
}

Test(ir_verify, effect_before_the_first_instruction)
{
    *at(0) = (struct ir_insn){.op = IR_CONST, .type = IR_I64, .a = IR_REF_NONE,
                              .b = IR_REF_NONE, .c = IR_REF_NONE, .d = IR_REF_NONE};
    rejects(good.load - 1u, "no guest instruction");
}

Test(ir_verify, write_before_something_that_raises)
{
    struct ir_insn set = *at(good.set);
    *at(good.set) = *at(good.call);
    *at(good.call) = set;
    rejects(good.set, "wrote state");
}

Test(ir_verify, write_before_a_poll)
{
    at(good.insn)->op = IR_POLL;
    at(good.insn)->a = IR_REF_NONE;
    rejects(good.insn, "wrote state");
}

Test(ir_verify, a_constant_has_no_more_bits_than_its_type)
{
    ir_ref constant = at(good.sum)->b;
    at(constant)->type = IR_I32;
    at(constant)->imm = 0x100000000;
    rejects(constant, "more bits");
}

Test(ir_verify, empty_block)
{
    char why[100] = "";
    good.ir->count = 0;
    cr_assert_not(ir_verify(good.ir, why, sizeof(why)));
    cr_assert_str_eq(why, "the block is empty");
}

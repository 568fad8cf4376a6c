/* The dead pass: what it drops, and above all what it must keep. */
#include "translate/opt/dead.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_X = 512, STATE_Y = 520 };

static struct ir *ir;

static void setup(void)
{
    ir = calloc(1, sizeof(*ir));
    ir_reset(ir, NULL);
    ir_begin_insn(ir, 0, 4);
}

static void teardown(void)
{
    free(ir);
}

TestSuite(dead, .init = setup, .fini = teardown);

static ir_ref get(u32 offset)
{
    return ir_get(ir, IR_I64, offset, 8);
}

static ir_ref add(ir_ref a, u64 value)
{
    return ir_op2(ir, IR_ADD, IR_I64, 0, a, ir_i64(ir, value));
}

/* Appends a SET and returns its index. */
static unsigned set(u32 offset, unsigned size_bytes, u64 value)
{
    ir_set(ir, offset, size_bytes, ir_i64(ir, value));
    cr_assert_eq(ir->insns[ir->count - 1].op, IR_SET);
    return ir->count - 1;
}

static void next(void)
{
    ir_begin_insn(ir, ir->insn_offset + 4, 4);
}

static void finish(void)
{
    char why[100] = "";
    ir_jump(ir, 64);
    cr_assert(ir_verify(ir, why, sizeof(why)), "%s", why);
    opt_dead(ir);
    cr_assert(ir_verify(ir, why, sizeof(why)), "%s", why);
}

static bool dead(unsigned index)
{
    return ir->insns[index].dead != 0;
}

Test(dead, unused_values_and_what_only_they_use)
{
    ir_ref used = add(get(STATE_X), 1);
    ir_ref unused = add(get(STATE_Y), 2);
    ir_ref user = ir_op1(ir, IR_CLZ, IR_I64, 0, unused);
    ir_set(ir, STATE_X, 8, used);
    finish();
    cr_assert_not(dead(used));
    cr_assert(dead(unused));
    cr_assert(dead(user));
    cr_assert(dead(ir->insns[unused].a));
    cr_assert(dead(ir->insns[unused].b));
    cr_assert_not(dead(ir->insns[used].a));
}

Test(dead, overwritten_sets)
{
    unsigned first = set(STATE_X, 8, 1);
    unsigned other = set(STATE_Y, 8, 1);
    next();
    unsigned second = set(STATE_X, 8, 2);
    finish();
    cr_assert(dead(first));
    cr_assert_not(dead(second));
    cr_assert_not(dead(other));
}

Test(dead, partly_overwritten_sets_stay)
{
    unsigned whole = set(STATE_X, 8, 1);
    unsigned half = set(STATE_X, 4, 2);
    unsigned byte = set(STATE_X + 1, 1, 3);
    unsigned again = set(STATE_X, 4, 4);
    finish();
    cr_assert_not(dead(whole));
    cr_assert(dead(half));
    cr_assert(dead(byte));
    cr_assert_not(dead(again));
}

Test(dead, pieces_together_overwrite)
{
    unsigned whole = set(STATE_X, 8, 1);
    set(STATE_X, 4, 2);
    set(STATE_X + 4, 4, 3);
    finish();
    cr_assert(dead(whole));
}

Test(dead, a_set_across_words_needs_both)
{
    unsigned across = set(STATE_X + 4, 8, 1);
    set(STATE_X, 8, 2);
    unsigned covered = set(STATE_Y + 12, 8, 1);
    set(STATE_Y + 8, 8, 2);
    set(STATE_Y + 16, 8, 2);
    finish();
    cr_assert_not(dead(across));
    cr_assert(dead(covered));
}

Test(dead, a_read_in_between_keeps_the_set)
{
    unsigned first = set(STATE_X, 8, 1);
    ir->no_fold = true; /* or the read would be forwarded */
    ir_ref value = ir_get(ir, IR_I64, STATE_X, 4);
    ir_set(ir, STATE_Y, 8, value);
    set(STATE_X, 8, 2);
    finish();
    cr_assert_not(dead(first));
}

static u64 nothing(void)
{
    return 0;
}

static const struct helper helper_reader = {"reader", nothing, 0, false, HELPER_READS_STATE};
static const struct helper helper_raiser = {"raiser", nothing, 0, false, HELPER_MAY_RAISE};
static const struct helper helper_pure = {"pure", nothing, 0, true, HELPER_PURE};

static ir_ref call(const struct helper *helper)
{
    return ir_call(ir, helper, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
}

static void between_load(void)
{
    ir_load(ir, IR_I64, IR_MEM_64, get(STATE_Y));
}

static void between_store(void)
{
    ir_store(ir, IR_MEM_64, get(STATE_Y), get(STATE_Y));
}

static void between_exit(void)
{
    ir_exit_if(ir, IR_EQ, get(STATE_Y), ir_i64(ir, 1), 32);
}

static void between_poll(void)
{
    ir_poll(ir, 1);
}

static void between_reader(void)
{
    call(&helper_reader);
}

static void between_raiser(void)
{
    call(&helper_raiser);
}

Test(dead, whatever_may_look_keeps_the_set)
{
    static void (*const between[])(void) = {between_load, between_store,  between_exit,
                                            between_poll, between_reader, between_raiser};
    for (unsigned i = 0; i < ARRAY_LEN(between); i++) {
        ir_reset(ir, NULL);
        ir_begin_insn(ir, 0, 4);
        unsigned first = set(STATE_X, 8, 1);
        next();
        between[i]();
        next();
        set(STATE_X, 8, 2);
        finish();
        cr_assert_not(dead(first), "case %u", i);
    }
}

Test(dead, effects_stay)
{
    ir_ref a = ir_get(ir, IR_F64, STATE_X, 8);
    ir_ref sum = ir_fp(ir, IR_FADD, IR_F64, 0, IR_ROUND_RNE, a, a, IR_REF_NONE);
    ir_ref negated = ir_op1(ir, IR_FNEG, IR_F64, 0, a);
    ir_ref value = ir_load(ir, IR_I64, IR_MEM_64, get(STATE_Y));
    ir_ref pure = call(&helper_pure);
    call(&helper_reader);
    unsigned reader = ir->count - 1;
    ir_ref flags = ir_fenv_flags(ir);
    finish();
    cr_assert_not(dead(sum), "it sets flags");
    cr_assert(dead(negated));
    cr_assert_not(dead(value), "it may fault");
    cr_assert_not(dead(ir->insns[value].a));
    cr_assert(dead(pure));
    cr_assert_not(dead(reader));
    cr_assert(dead(flags));
}

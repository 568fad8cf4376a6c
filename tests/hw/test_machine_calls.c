/* hw/machine/machine_calls.c: which calls are open, and which a task is in. */
#include "hw/machine/machine_calls.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const u64 stack = 0xff20000000010000;

static struct machine_calls *calls;

static void setup(void) { calls = calloc(1, sizeof(*calls)); }
static void teardown(void) { free(calls); }

TestSuite(machine_calls, .init = setup, .fini = teardown);

static void enter(u64 task, u64 ra, u64 sp)
{
    calls_enter(calls, &(struct inside_call){task, ra, sp});
}

static bool leave(u64 task, u64 ra, u64 sp)
{
    return calls_leave(calls, &(struct inside_call){task, ra, sp});
}

Test(machine_calls, open_ones_are_taken_once)
{
    calls_push(calls, &(struct open_call){.function = 1, .ra = 0x100, .sp = stack, .a0 = 7});
    calls_push(calls, &(struct open_call){.function = 2, .ra = 0x100, .sp = stack - 64});
    cr_assert_eq(calls_take(calls, 0x104, stack).ra, 0);
    cr_assert_eq(calls_take(calls, 0x100, stack).a0, 7);
    cr_assert_eq(calls_take(calls, 0x100, stack).ra, 0);
    cr_assert_eq(calls_take(calls, 0x100, stack - 64).function, 2);
}

Test(machine_calls, a_recursion_is_left_by_its_first_call)
{
    for (u64 depth = 0; depth < 50; depth++) {
        enter(1, depth == 0 ? 0x100 : 0x200, stack - 32 * depth);
    }
    for (u64 depth = 50; depth-- > 1;) {
        cr_assert(leave(1, 0x200, stack - 32 * depth));
        cr_assert(calls_is_inside(calls, 1));
    }
    cr_assert_not(leave(1, 0x200, stack));
    cr_assert(leave(1, 0x100, stack));
    cr_assert_not(calls_is_inside(calls, 1));
}

Test(machine_calls, each_task_has_its_own)
{
    enter(1, 0x100, stack);
    cr_assert_not(calls_is_inside(calls, 2));
    enter(2, 0x100, stack); /* two programs, at the same addresses */
    cr_assert(leave(1, 0x100, stack));
    cr_assert_not(calls_is_inside(calls, 1));
    cr_assert(calls_is_inside(calls, 2));
    calls_rename(calls, 2, 3);
    cr_assert_not(calls_is_inside(calls, 2));
    cr_assert(leave(3, 0x100, stack));
}

Test(machine_calls, those_that_were_jumped_out_of_are_gone)
{
    enter(1, 0x100, stack - 64); /* longjmp */
    enter(1, 0x100, stack - 32);
    cr_assert(leave(1, 0x100, stack - 32));
    cr_assert_not(calls_is_inside(calls, 1));
    /* What lies on another stack, as an interrupt's, is still there. */
    enter(1, 0x100, stack);
    enter(1, 0x100, stack + 0x8000);
    cr_assert(leave(1, 0x100, stack + 0x8000));
    cr_assert(calls_is_inside(calls, 1));
}

Test(machine_calls, there_may_be_more_than_there_are_places)
{
    for (u64 task = 1; task <= 3 * CALLS_INSIDE; task++) {
        enter(task, 0x100, stack + 0x4000 * task);
    }
    unsigned count = 0;
    for (u64 task = 1; task <= 3 * CALLS_INSIDE; task++) {
        count += calls_is_inside(calls, task);
    }
    cr_assert_eq(count, CALLS_INSIDE);
    cr_assert(calls_is_inside(calls, 3 * CALLS_INSIDE));
}

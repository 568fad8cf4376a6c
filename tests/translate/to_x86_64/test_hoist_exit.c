/* Traces of long loops: ways out that the head of a round rules out. Every way round, from starts
 * and ends near each other and where numbers wrap, against the interpreter. */
#include "tests/support/rig_pair.h"

enum { START = 0x100, ROUNDS = 5, RUN_INSNS = 60 };

TestSuite(hoist_exit, .init = rig_pair_setup, .fini = rig_pair_teardown);

struct loop {
    const char *what;
    enum ir_cond cond;
    s64 step;
    bool word;          /* counts as addiw does */
    bool swapped;       /* the end is the first operand */
    bool has_end;       /* the end is a constant, */
    u64 end;            /*   this one; else x21 */
};

static void count(const struct loop *loop)
{
    enum ir_type type = loop->word ? IR_I32 : IR_I64;
    ir_ref from = loop->word ? ir_op1(rig->ir, IR_TRUNC, IR_I32, 0, x(20)) : x(20);
    ir_ref sum = ir_op2(rig->ir, IR_ADD, type, 0, from, ir_const(rig->ir, type, (u64)loop->step));
    ir_ref next = loop->word ? ir_op1(rig->ir, IR_SEXT, IR_I64, 32, sum) : sum;
    ir_set(rig->ir, RIG_X(20), 8, next);
}

/* Some rounds that count in x20 and note in x22 and x23 what they saw. */
static const u8 *compile(const struct loop *loop)
{
    u32 offset = START;
    ir_reset(rig->ir, &rig_guest);
    rig->ir->constants_last = true;
    for (unsigned n = 0; n < ROUNDS; n++) {
        ir_begin_insn(rig->ir, offset, 4);
        ir_set(rig->ir, RIG_X(22), 8, ir_op2(rig->ir, IR_XOR, IR_I64, 0, x(22), x(20)));
        ir_begin_insn(rig->ir, offset + 4, 4);
        count(loop);
        ir_begin_insn(rig->ir, offset + 8, 4);
        ir_ref end = loop->has_end ? ir_i64(rig->ir, loop->end) : x(21);
        ir_exit_if(rig->ir, loop->cond, loop->swapped ? end : x(20), loop->swapped ? x(20) : end,
                   0x400 + 4 * n);
        offset += 12;
    }
    ir_jump(rig->ir, START);
    const u8 *code = rig_compile(rig, HOST_TRACE | HOST_STEADY | HOST_LONG, NULL);
    cr_assert_not_null(code);
    return code;
}

static void compare(const u8 *code, const struct loop *loop, u64 start, u64 end)
{
    struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    rig_reset(rig);
    for (unsigned n = 0; n < 32; n++) {
        host->x[n] = 0x1000 * n + 7;
    }
    host->x[20] = start;
    host->x[21] = end;
    host->vcpu.pc_page = RIG_PC_PAGE;
    host->vcpu.deadline = host->vcpu.insns + RUN_INSNS;
    rig_copy(spare->hart[0], host);
    rig->context.enter(&host->vcpu, code);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
    cr_assert_eq(host->vcpu.pc, interp->vcpu.pc, "%s from %llx to %llx: pc %llx, not %llx",
                 loop->what, (unsigned long long)start, (unsigned long long)end,
                 (unsigned long long)host->vcpu.pc, (unsigned long long)interp->vcpu.pc);
    cr_assert_eq(host->vcpu.insns, interp->vcpu.insns, "%s", loop->what);
    for (unsigned n = 0; n < 32; n++) {
        cr_assert_eq(host->x[n], interp->x[n], "%s from %llx to %llx: x%u is %llx, not %llx",
                     loop->what, (unsigned long long)start, (unsigned long long)end, n,
                     (unsigned long long)host->x[n], (unsigned long long)interp->x[n]);
    }
}

static const struct loop loops[] = {
    {.what = "up to a register", .cond = IR_EQ, .step = 8},
    {.what = "down to a register", .cond = IR_EQ, .step = -8, .swapped = true},
    {.what = "down to zero", .cond = IR_EQ, .step = -1, .has_end = true},
    {.what = "words down to zero", .cond = IR_EQ, .step = -1, .word = true, .has_end = true},
    {.what = "words up to a register", .cond = IR_EQ, .step = 1, .word = true},
    {.what = "unsigned", .cond = IR_GE_U, .step = 4},
    {.what = "unsigned, swapped", .cond = IR_LE_U, .step = 4, .swapped = true},
    {.what = "unsigned, to a constant", .cond = IR_GE_U, .step = 1, .has_end = true, .end = 9},
    {.what = "signed", .cond = IR_GE_S, .step = 1},
    {.what = "signed, swapped", .cond = IR_LE_S, .step = 3, .swapped = true},
    {.what = "signed, down", .cond = IR_GE_S, .step = -1},
};

Test(hoist_exit, every_way_round_is_the_interpreters)
{
    static const u64 places[] = {
        0, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff, 0xffffffff80000000u, 0x100000000u,
        0x7fffffffffffffffu, 0x8000000000000000u, 0xffffffffffffffffu,
    };
    for (unsigned i = 0; i < ARRAY_LEN(loops); i++) {
        const u8 *code = compile(&loops[i]);
        for (unsigned place = 0; place < ARRAY_LEN(places); place++) {
            for (s64 start = -50; start <= 50; start++) {
                compare(code, &loops[i], places[place] + (u64)start, places[place]);
            }
            compare(code, &loops[i], places[place], places[(place + 3) % ARRAY_LEN(places)]);
        }
    }
}

/* That there is something to compare: the comparisons of its rounds are gone from the fast body. */
Test(hoist_exit, fast_rounds_do_not_look)
{
    compile(&loops[0]);
    size_t without_bytes, with_bytes = rig->result.code_bytes;
    rig_compile(rig, HOST_TRACE | HOST_STEADY, NULL);
    without_bytes = rig->result.code_bytes;
    cr_assert_neq(with_bytes, without_bytes);
}

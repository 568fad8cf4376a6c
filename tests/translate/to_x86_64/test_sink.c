/* Traces: writes of guest registers that are left out, and made good where the trace is left. */
#include "tests/support/rig_pair.h"

TestSuite(sink, .init = rig_pair_setup, .fini = rig_pair_teardown);

enum { START = 0x100 };

static u32 next_offset;

static void start_block(void)
{
    ir_reset(rig->ir, &rig_guest);
    next_offset = START;
}

static void insn(void)
{
    ir_begin_insn(rig->ir, next_offset, 4);
    next_offset += 4;
}

static ir_ref plus(ir_ref base, s64 offset)
{
    return ir_op2(rig->ir, IR_ADD, IR_I64, 0, base, ir_i64(rig->ir, (u64)offset));
}

static void set_x(unsigned n, ir_ref value)
{
    ir_set(rig->ir, RIG_X(n), 8, value);
}

/* An instruction that leaves when x[flag] is not 0. */
static void exit_by(unsigned flag, s64 target)
{
    insn();
    ir_exit_if(rig->ir, IR_NE, x(flag), ir_i64(rig->ir, 0), target);
}

static const u8 *finish(void)
{
    insn();
    ir_jump(rig->ir, 0x200);
    const u8 *code = rig_compile(rig, HOST_TRACE | HOST_DYN_ROUNDING, NULL);
    cr_assert_not_null(code);
    return code;
}

/* From equal states: host code, and the interpreter for as long. */
static void compare(const u8 *code, const char *what)
{
    struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    rig_copy(spare->hart[0], host);
    enum ir_exit exit = rig->context.enter(&host->vcpu, code);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
    cr_assert(exit != IR_EXIT_RAISED, "%s", what);
    cr_assert_eq(host->vcpu.pc, interp->vcpu.pc, "%s: pc %llx, not %llx", what,
                 (unsigned long long)host->vcpu.pc, (unsigned long long)interp->vcpu.pc);
    cr_assert_eq(host->vcpu.insns, interp->vcpu.insns, "%s", what);
    for (unsigned n = 0; n < 32; n++) {
        cr_assert_eq(host->x[n], interp->x[n], "%s: x%u is %llx, not %llx", what, n,
                     (unsigned long long)host->x[n], (unsigned long long)interp->x[n]);
        cr_assert_eq(host->f[n], interp->f[n], "%s: f%u is %llx, not %llx", what, n,
                     (unsigned long long)host->f[n], (unsigned long long)interp->f[n]);
    }
    cr_assert_eq(memcmp(host->ram, interp->ram, RIG_RAM_BYTES), 0, "%s", what);
}

static void prepare(unsigned exits)
{
    rig_reset(rig);
    struct rig_hart *hart = rig->hart[1];
    for (unsigned n = 0; n < 32; n++) {
        hart->x[n] = 0x1000 * n + 7;
        double d = 1.5 * n;
        memcpy(&hart->f[n], &d, 8);
        hart->x[24] = exits & 1;
        hart->x[25] = exits & 2;
        hart->x[26] = exits & 4;
    }
    hart->x[2] = RIG_RAM_GVA + 64;
    for (unsigned n = 0; n < RIG_RAM_BYTES; n++) {
        hart->ram[n] = (u8)(n * 31 + (n >> 8));
    }
    hart->vcpu.pc_page = RIG_PC_PAGE;
    hart->vcpu.deadline = hart->vcpu.insns + 1000;
}

static void compare_exits(const u8 *code, const char *what)
{
    for (unsigned exits = 0; exits < 8; exits++) {
        prepare(exits);
        compare(code, what);
    }
}

/* A register gets its value at the head plus a constant when it holds something else by then. */
Test(sink, step_behind_another_write)
{
    start_block();
    insn();
    ir_ref head = x(20);
    set_x(20, x(21));
    exit_by(24, 0x300);
    insn();
    set_x(20, plus(head, 8));
    exit_by(25, 0x304);
    insn();
    set_x(20, plus(head, 16));
    exit_by(26, 0x308);
    insn();
    set_x(20, x(22));
    compare_exits(finish(), "step");
}

static ir_ref word(ir_ref value)
{
    return ir_op1(rig->ir, IR_TRUNC, IR_I32, 32, value);
}

/* More words wait than there are registers, and each is needed behind the ways out, too: some lie
 * in memory there, and bringing one must not take the register of another. */
Test(sink, words_in_memory)
{
    for (unsigned count = 2; count <= 12; count++) {
        struct ir *ir = rig->ir;
        ir_ref words[12], others[6];
        start_block();
        insn();
        for (unsigned n = 0; n < count; n++) {
            words[n] = ir_op2(ir, IR_ADD, IR_I32, 0, word(x(3 + n)), word(x(4 + n)));
            set_x(8 + n, ir_op1(ir, IR_SEXT, IR_I64, 32, words[n]));
        }
        for (unsigned n = 0; n < 6; n++) {
            others[n] = ir_op2(ir, IR_XOR, IR_I64, 0, x(21), plus(x(22), (s64)n + 1));
        }
        exit_by(24, 0x300);
        exit_by(25, 0x304);
        exit_by(26, 0x308);
        insn();
        for (unsigned n = 0; n < count; n++) {
            ir_ref sum = ir_op2(ir, IR_ADD, IR_I32, 0, words[n], words[(n + 1) % count]);
            set_x(8 + n, ir_op2(ir, IR_XOR, IR_I64, 0, ir_op1(ir, IR_SEXT, IR_I64, 32, sum),
                                others[n % 6]));
        }
        compare_exits(finish(), "words");
    }
}

/* Values of every kind, and registers that get each other's. */
static void write_all(unsigned round)
{
    struct ir *ir = rig->ir;
    insn();
    ir_ref a = x(20), b = x(21), d = ir_get(ir, IR_F64, RIG_F(1), 8);
    set_x(20, b);
    set_x(21, a);
    set_x(22, ir_i64(ir, 0x123456789abcull + round));
    set_x(23, ir_i64(ir, (u64)-5 - round));
    insn();
    set_x(19, ir_load(ir, IR_I64, IR_MEM_16 | IR_MEM_SIGNED, plus(x(2), 8 * round)));
    ir_ref sum = ir_fp(ir, IR_FADD, IR_F64, 0, IR_ROUND_DYN, d, d, IR_REF_NONE);
    ir_set(ir, RIG_F(1), 8, sum);
    ir_set(ir, RIG_F(2), 8, ir_const(ir, IR_F64, 0x4000000000000000ull + round));
    ir_ref f32 = ir_op1(ir, IR_FUNBOX, IR_F32, 0, ir_get(ir, IR_I64, RIG_F(3), 8));
    f32 = ir_fp(ir, IR_FMUL, IR_F32, 0, IR_ROUND_DYN, f32, f32, IR_REF_NONE);
    ir_set(ir, RIG_F(3), 8, ir_op1(ir, IR_FBOX, IR_I64, 0, f32));
    set_x(18, ir_op2(ir, IR_XOR, IR_I64, 0, a, b));
}

Test(sink, values_at_side_exits)
{
    start_block();
    for (unsigned round = 0; round < 4; round++) {
        write_all(round);
        exit_by(24 + round % 3, 0x300 + 4 * round);
    }
    const u8 *code = finish();
    compare_exits(code, "values");
    for (unsigned exits = 0; exits < 8; exits++) {
        prepare(exits);
        rig->hart[1]->f[3] = 0xffffffff40490fdbull;
        compare(code, "boxed");
    }
}

/* An access that the TLB does not serve leaves the fast body before its instruction. */
Test(sink, values_where_an_access_leaves)
{
    start_block();
    for (unsigned round = 0; round < 4; round++) {
        write_all(round);
        insn();
        ir_ref loaded = ir_load(rig->ir, IR_I64, IR_MEM_64, plus(x(2), 256 + 8 * round));
        set_x(17, loaded);
        insn();
        ir_store(rig->ir, IR_MEM_64, loaded, round % 2 ? x(18) : ir_i64(rig->ir, 0x77));
        insn();
        set_x(16, ir_load(rig->ir, IR_I64, IR_MEM_32, plus(loaded, 8)));
        exit_by(24 + round % 3, 0x300 + 4 * round);
    }
    const u8 *code = finish();
    for (unsigned leaves = 0; leaves < 5; leaves++) {
        for (unsigned exits = 0; exits < 8; exits++) {
            prepare(exits);
            struct rig_hart *hart = rig->hart[1];
            rig_map(hart, RIG_RAM_GVA + 3 * PAGE_BYTES, true, leaves % 2, false);
            for (unsigned round = 0; round < 4; round++) {
                gva_t page = RIG_RAM_GVA + (round == leaves ? 3 : 2) * PAGE_BYTES;
                st_le64(hart->ram + 320 + 8 * round, page + 64 * round - (leaves % 2 ? 12 : 0));
            }
            compare(code, "leave");
        }
    }
}

/* The block goes round by a side exit, with floating-point state that it carries. */
Test(sink, side_exit_to_the_start)
{
    start_block();
    insn();
    ir_ref d = ir_get(rig->ir, IR_F64, RIG_F(1), 8);
    d = ir_fp(rig->ir, IR_FADD, IR_F64, 0, IR_ROUND_DYN, d, d, IR_REF_NONE);
    ir_set(rig->ir, RIG_F(1), 8, d);
    ir_set(rig->ir, RIG_F(4), 8, d);
    set_x(20, plus(x(20), 1));
    insn();
    ir_exit_if(rig->ir, IR_LT_S, x(20), x(21), START);
    insn();
    ir_set(rig->ir, RIG_F(1), 8, ir_get(rig->ir, IR_F64, RIG_F(2), 8));
    const u8 *code = finish();
    prepare(0);
    rig->hart[1]->x[20] = 0;
    rig->hart[1]->x[21] = 9;
    compare(code, "loop");
}

/* What each round sets before anything looks waits over the trace's start; `look` says what does
 * look there: nothing, a read, a way out, an access that may leave. */
static void make_rounds(unsigned look)
{
    struct ir *ir = rig->ir;
    start_block();
    insn();
    ir_ref count = x(20);
    if (look == 1) {
        set_x(15, plus(x(19), 1));
    } else if (look == 2) {
        ir_exit_if(ir, IR_EQ, count, x(23), 0x340);
    } else if (look == 3) {
        set_x(15, ir_load(ir, IR_I64, IR_MEM_64, plus(x(2), 8)));
    }
    set_x(19, ir_op2(ir, IR_XOR, IR_I64, 0, count, x(21)));
    set_x(18, ir_i64(ir, 0x123456789abcu));
    ir_ref d = ir_get(ir, IR_F64, RIG_F(1), 8);
    d = ir_fp(ir, IR_FMUL, IR_F64, 0, IR_ROUND_DYN, d, d, IR_REF_NONE);
    ir_set(ir, RIG_F(2), 8, d);
    insn();
    set_x(20, plus(count, 1));
    insn();
    ir_exit_if(ir, IR_EQ, count, x(22), 0x300);
    insn();
    set_x(19, count);
    set_x(18, ir_i64(ir, 7));
    ir_set(ir, RIG_F(2), 8,
           ir_fp(ir, IR_FADD, IR_F64, 0, IR_ROUND_DYN, d, d, IR_REF_NONE));
    insn();
    ir_store(ir, IR_MEM_64, plus(x(2), 16), x(17));
}

Test(sink, values_over_the_start)
{
    for (unsigned look = 0; look < 4; look++) {
        make_rounds(look);
        insn();
        ir_jump(rig->ir, START);
        const u8 *code = rig_compile(rig, HOST_TRACE | HOST_DYN_ROUNDING, NULL);
        cr_assert_not_null(code);
        for (unsigned last = 0; last < 3; last++) {
            for (unsigned insns = 0; insns < 24; insns++) {
                prepare(0);
                struct rig_hart *hart = rig->hart[1];
                hart->x[20] = 0;
                hart->x[22] = last;
                hart->x[23] = 2;
                hart->vcpu.deadline = hart->vcpu.insns + insns;
                if (insns % 3 == 2) { /* at first for reading only */
                    rig_map(hart, RIG_RAM_GVA, true, false, false);
                }
                compare(code, "rounds");
            }
        }
    }
}

/* Loops that carry a floating-point register from round to round: whatever it holds at first, and
 * however else it is read and written meanwhile, against the interpreter. */
#include "tests/support/rig_pair.h"

enum { START = 0x100, ROUNDS = 2, RUN_INSNS = 40 };

TestSuite(carry, .init = rig_pair_setup, .fini = rig_pair_teardown);

static ir_ref raw(unsigned n)
{
    return ir_get(rig->ir, IR_I64, RIG_F(n), 8);
}

static ir_ref narrow(unsigned n)
{
    return ir_op1(rig->ir, IR_FUNBOX, IR_F32, 0, raw(n));
}

static void add_narrow(unsigned to, unsigned n, unsigned m)
{
    ir_ref a = narrow(n), b = narrow(m);
    ir_ref sum = ir_fp(rig->ir, IR_FADD, IR_F32, 0, IR_ROUND_DYN, a, b, IR_REF_NONE);
    ir_set(rig->ir, RIG_F(to), 8, ir_op1(rig->ir, IR_FBOX, IR_I64, 0, sum));
}

static void add_wide(unsigned to, unsigned n, unsigned m)
{
    ir_ref a = ir_get(rig->ir, IR_F64, RIG_F(n), 8), b = ir_get(rig->ir, IR_F64, RIG_F(m), 8);
    ir_set(rig->ir, RIG_F(to), 8,
           ir_fp(rig->ir, IR_FADD, IR_F64, 0, IR_ROUND_DYN, a, b, IR_REF_NONE));
}

static void sum(void)
{
    add_narrow(1, 1, 2);
}

static void sum_into_another(void)
{
    add_narrow(3, 1, 2);
    ir_set(rig->ir, RIG_F(1), 8, raw(3));
}

static void sum_seen_whole(void)
{
    ir_set(rig->ir, RIG_X(22), 8, ir_op2(rig->ir, IR_XOR, IR_I64, 0, x(22), raw(1)));
    add_narrow(1, 1, 2);
    ir_set(rig->ir, RIG_X(23), 8, raw(1));
}

static void two_kinds(void)
{
    add_narrow(4, 1, 2);
    add_wide(1, 1, 5);
}

static void two_kinds_the_other_way(void)
{
    add_wide(5, 1, 5);
    add_narrow(1, 1, 2);
}

static void set_whole(void)
{
    add_narrow(4, 1, 4);
    ir_set(rig->ir, RIG_F(1), 8, ir_op2(rig->ir, IR_ADD, IR_I64, 0, raw(1), x(24)));
}

static void set_in_part(void)
{
    add_narrow(1, 1, 2);
    ir_set(rig->ir, RIG_F(1) + 4, 4, ir_op1(rig->ir, IR_TRUNC, IR_I32, 0, x(25)));
}

static void moved(void)
{
    add_narrow(4, 1, 4);
    ir_set(rig->ir, RIG_F(1), 8, raw(6));
    ir_set(rig->ir, RIG_F(6), 8, raw(2));
}

static void (*const bodies[])(void) = {
    sum, sum_into_another, sum_seen_whole, two_kinds, two_kinds_the_other_way, set_whole,
    set_in_part, moved,
};

/* Goes round by a jump, and now and then by a side exit; leaves when x20 comes to x21. */
static const u8 *compile(void (*body)(void), u32 flags)
{
    u32 offset = START;
    ir_reset(rig->ir, &rig_guest);
    for (unsigned n = 0; n < ROUNDS; n++) {
        ir_begin_insn(rig->ir, offset, 4);
        body();
        ir_begin_insn(rig->ir, offset + 4, 4);
        ir_ref next = ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(20), ir_i64(rig->ir, 1));
        ir_set(rig->ir, RIG_X(20), 8, next);
        ir_begin_insn(rig->ir, offset + 8, 4);
        ir_exit_if(rig->ir, IR_EQ, x(20), x(21), 0x400);
        offset += 12;
    }
    ir_begin_insn(rig->ir, offset, 4);
    ir_exit_if(rig->ir, IR_EQ, x(20), x(26), START);
    ir_jump(rig->ir, START);
    const u8 *code = rig_compile(rig, flags | HOST_DYN_ROUNDING, NULL);
    cr_assert_not_null(code);
    return code;
}

static const u64 images[] = {
    0xffffffff3f800000, /* 1 */
    0xffffffff7f800000, /* infinity */
    0xffffffff7fa00000, /* a signalling NaN */
    0xffffffffffc12345, /* a NaN that is not the canonical one */
    0xffffffff00000001, /* subnormal */
    0x3f800000,         /* no NaN box */
    0xfffffffe3f800000,
    0x3ff0000000000000, /* 1 as a double */
};

static void compare(const u8 *code, unsigned body, u64 value, u64 other)
{
    struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    rig_reset(rig);
    for (unsigned n = 0; n < 32; n++) {
        host->x[n] = 0x100000000u * n + 7;
        host->f[n] = 0xffffffff40000000u + n;
    }
    host->f[1] = value;
    host->f[2] = other;
    host->f[5] = 0x4000000000000000;
    host->x[20] = 0;
    host->x[21] = 7;
    host->x[26] = 4;
    host->vcpu.pc_page = RIG_PC_PAGE;
    host->vcpu.deadline = host->vcpu.insns + RUN_INSNS;
    rig_copy(spare->hart[0], host);
    rig->context.enter(&host->vcpu, code);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
    cr_assert(host->vcpu.pc == interp->vcpu.pc && host->vcpu.insns == interp->vcpu.insns);
    cr_assert_eq(host->vcpu.fpu_flags, interp->vcpu.fpu_flags, "body %u", body);
    for (unsigned n = 0; n < 32; n++) {
        cr_assert(host->x[n] == interp->x[n] && host->f[n] == interp->f[n],
                  "body %u, %llx and %llx: x%u %llx, not %llx; f%u %llx, not %llx", body,
                  (unsigned long long)value, (unsigned long long)other, n,
                  (unsigned long long)host->x[n], (unsigned long long)interp->x[n], n,
                  (unsigned long long)host->f[n], (unsigned long long)interp->f[n]);
    }
}

Test(carry, is_what_the_interpreter_reads)
{
    static const u32 flags[] = {0, HOST_TRACE, HOST_TRACE | HOST_STEADY | HOST_LONG};
    for (unsigned body = 0; body < ARRAY_LEN(bodies); body++) {
        for (unsigned k = 0; k < ARRAY_LEN(flags); k++) {
            const u8 *code = compile(bodies[body], flags[k]);
            for (unsigned n = 0; n < ARRAY_LEN(images) * ARRAY_LEN(images); n++) {
                compare(code, body, images[n / ARRAY_LEN(images)], images[n % ARRAY_LEN(images)]);
            }
        }
    }
}

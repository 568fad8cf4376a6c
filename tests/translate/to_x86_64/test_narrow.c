/* Traces of word arithmetic, as RV64 code has it: random instructions that extend their results,
 * and others that may need the upper halves of these, with ways out and accesses between them. */
#include "tests/support/rig_pair.h"
#include "tests/support/rig_random.h"
#include "translate/opt/dead.h"

TestSuite(narrow, .init = rig_pair_setup, .fini = rig_pair_teardown);

enum { START = 0x100, PROGRAMS = 1500, INSNS = 24, REGS = 8 };

/* x8 to x15 are computed; x20: memory. */
static ir_ref any(void)
{
    return x(8 + pick(REGS));
}

static ir_ref word(ir_ref value)
{
    return ir_op1(rig->ir, IR_TRUNC, IR_I32, 0, value);
}

static ir_ref extended(ir_ref value)
{
    return ir_op1(rig->ir, pick(4) ? IR_SEXT : IR_ZEXT, IR_I64, 32, value);
}

static void set_any(ir_ref value)
{
    ir_set(rig->ir, RIG_X(8 + pick(REGS)), 8, value);
}

static ir_ref count_of(enum ir_type type)
{
    return pick(3) ? ir_const(rig->ir, type, pick(type == IR_I64 ? 64 : 32))
           : type == IR_I64 ? any()
                            : word(any());
}

/* addw, mulw, sllw and so on. */
static void word_op(void)
{
    static const u8 ops[] = {IR_ADD, IR_ADD, IR_SUB, IR_MUL, IR_SHL, IR_SHR, IR_SAR, IR_ROTR};
    unsigned op = ops[pick(ARRAY_LEN(ops))];
    bool shifts = op >= IR_SHL && op <= IR_ROTR;
    ir_ref a = word(any()), b = shifts ? count_of(IR_I32) : word(any());
    set_any(extended(ir_op2(rig->ir, op, IR_I32, 0, a, b)));
}

static ir_ref mask(void)
{
    static const u64 masks[] = {0xff,       0xffff,     0xffffffff,
                                0x7ff00000, 0xff00ff00, 0xffffffff00ff00ff,
                                0x123456789};
    return ir_i64(rig->ir, masks[pick(ARRAY_LEN(masks))]);
}

/* Of all 64 bits. */
static void whole_op(void)
{
    static const u8 ops[] = {IR_ADD, IR_SUB, IR_MUL, IR_AND, IR_OR,  IR_XOR, IR_AND,
                             IR_XOR, IR_ANDN, IR_SHL, IR_SHR, IR_SAR, IR_ROTR};
    unsigned op = ops[pick(ARRAY_LEN(ops))];
    bool shifts = op >= IR_SHL && op <= IR_ROTR;
    ir_ref a = any(), b = shifts ? count_of(IR_I64) : pick(4) ? any() : mask();
    set_any(ir_op2(rig->ir, op, IR_I64, 0, a, b));
}

static void extend_part(void)
{
    static const u8 bits[] = {8, 16, 32};
    set_any(ir_op1(rig->ir, pick(2) ? IR_SEXT : IR_ZEXT, IR_I64, bits[pick(3)], any()));
}

static ir_ref place(void)
{
    return ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(20), ir_i64(rig->ir, 8 * pick(16)));
}

static void access_memory(void)
{
    if (pick(2)) {
        ir_store(rig->ir, (u8)(IR_MEM_8 + pick(4)), place(), any());
    } else {
        set_any(ir_load(rig->ir, IR_I64, (u8)(IR_MEM_8 + pick(4)) | (pick(2) ? IR_MEM_SIGNED : 0),
                        place()));
    }
}

/* An index into memory, which wants its upper half. */
static void look_up(void)
{
    ir_ref index = ir_op2(rig->ir, IR_AND, IR_I64, 0, any(), ir_i64(rig->ir, 0x1f8));
    set_any(ir_load(rig->ir, IR_I64, IR_MEM_64,
                    ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(20), index)));
}

static void compare_op(void)
{
    static const u8 conds[] = {IR_EQ, IR_LT_S, IR_LT_U, IR_GE_U};
    unsigned cond = conds[pick(ARRAY_LEN(conds))];
    if (pick(2)) {
        set_any(ir_setcc(rig->ir, cond, IR_I64, any(), any()));
    } else {
        ir_exit_if(rig->ir, cond, any(), any(), 0x800);
    }
}

static const u8 *make(u32 flags)
{
    ir_reset(rig->ir, &rig_guest);
    for (unsigned n = 0; n < INSNS; n++) {
        ir_begin_insn(rig->ir, START + 4 * n, 4);
        switch (pick(10)) {
        case 0: access_memory(); break;
        case 1: compare_op(); break;
        case 2: extend_part(); break;
        case 3: look_up(); break;
        case 4: case 5: case 6: whole_op(); break;
        default: word_op(); break;
        }
    }
    ir_begin_insn(rig->ir, START + 4 * INSNS, 4);
    ir_jump(rig->ir, START);
    cr_assert_not(rig->ir->overflow);
    opt_dead(rig->ir);
    return rig_compile(rig, flags, NULL);
}

static void compare(const u8 *code)
{
    struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    rig_reset(rig);
    for (unsigned n = 0; n < 32; n++) {
        pick(1);
        host->x[n] = pick(2) ? seed : (u64)(s64)(s32)seed;
    }
    for (unsigned n = 0; n < RIG_RAM_BYTES; n += 8) {
        st_le64(host->ram + n, seed * (n + 1));
    }
    host->x[20] = RIG_RAM_GVA + 1024;
    host->vcpu.pc_page = RIG_PC_PAGE;
    host->vcpu.deadline = host->vcpu.insns + 100;
    rig_copy(spare->hart[0], host);
    rig->context.enter(&host->vcpu, code);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
    cr_assert_eq(host->vcpu.pc, interp->vcpu.pc);
    for (unsigned n = 0; n < 32; n++) {
        cr_assert_eq(host->x[n], interp->x[n], "x%u is %llx, not %llx", n,
                     (unsigned long long)host->x[n], (unsigned long long)interp->x[n]);
    }
    cr_assert_eq(memcmp(host->ram, interp->ram, RIG_RAM_BYTES), 0);
}

Test(narrow, random_words, .timeout = 120)
{
    for (unsigned n = 0; n < PROGRAMS; n++) {
        seed = 0x9e3779b97f4a7c15u * (n + 1);
        if (n % 64 == 0) {
            rig_free(rig);
            rig = rig_new(n % 128 ? HOST_FEATURE_ALL : 0);
        }
        const u8 *code = make(HOST_TRACE | (n % 2 ? (u32)HOST_STEADY : 0));
        for (unsigned run = 0; code != NULL && run < 4; run++) {
            compare(code);
        }
    }
}

static bool has_movsxd(const u8 *code, size_t bytes)
{
    for (size_t n = 0; n + 1 < bytes; n++) {
        if ((code[n] & 0xf8) == 0x48 && code[n + 1] == 0x63) {
            return true;
        }
    }
    return false;
}

/* x10 = (word)((x10 << 5) ^ (x10 >> 3)), of which neither shift is extended. */
Test(narrow, leaves_extensions_out)
{
    ir_reset(rig->ir, &rig_guest);
    ir_begin_insn(rig->ir, START, 4);
    ir_ref five = ir_const(rig->ir, IR_I32, 5), three = ir_const(rig->ir, IR_I32, 3);
    ir_ref left = ir_op2(rig->ir, IR_SHL, IR_I32, 0, word(x(10)), five);
    ir_ref right = ir_op2(rig->ir, IR_SHR, IR_I32, 0, word(x(10)), three);
    left = ir_op1(rig->ir, IR_SEXT, IR_I64, 32, left);
    right = ir_op1(rig->ir, IR_SEXT, IR_I64, 32, right);
    ir_ref both = ir_op2(rig->ir, IR_XOR, IR_I64, 0, left, right);
    ir_set(rig->ir, RIG_X(10), 8, ir_op1(rig->ir, IR_ZEXT, IR_I64, 32, both));
    ir_begin_insn(rig->ir, START + 4, 4);
    ir_jump(rig->ir, START);
    const u8 *code = rig_compile(rig, HOST_TRACE, NULL);
    cr_assert_not_null(code);
    cr_assert_not(has_movsxd(rig->write + (code - rig->exec), rig->result.code_bytes));
    compare(code);
}

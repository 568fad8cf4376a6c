/* The interpreter: edge cases of the integer operations against values written out here (folded and
 * run), guest state, memory and its faults, atomics between threads, calls, exits and polls. */
#include "cpu/base/bits.h"
#include "cpu/fpu.h"
#include "cpu/guest.h"
#include "translate/ir.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RAM_GVA = 0x10000, DEVICE_GVA = 0x20000, BROKEN_GVA = 0x30000 }; /* 64 bytes each */
enum { PAGE_GVA = 0x400000, ENTRY_INSNS = 1000 };
enum { CAUSE_LOAD = 5, CAUSE_STORE = 7, CAUSE_MISALIGNED = 100 };

struct hart {
    struct vcpu vcpu; /* first: state offsets count from it */
    u64 in[4];
    u64 out[4];
    u8 *ram;
    u64 device;
    unsigned device_loads, device_stores;
    u64 pc_seen, insns_seen; /* when memory or a helper was reached */
};

#define IN(n) ((u32)(offsetof(struct hart, in) + 8 * (n)))
#define OUT(n) ((u32)(offsetof(struct hart, out) + 8 * (n)))

static struct hart *hart_of(struct vcpu *vcpu)
{
    return (struct hart *)(void *)vcpu;
}

static bool inside(gva_t gva, u64 base, unsigned size_bytes)
{
    return gva >= base && gva - base <= 64 - size_bytes;
}

static bool hart_load(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    struct hart *hart = hart_of(vcpu);
    hart->pc_seen = vcpu->pc;
    hart->insns_seen = vcpu->insns;
    if (inside(gva, DEVICE_GVA, size_bytes)) {
        hart->device_loads++;
        *value = hart->device;
        return true;
    }
    if (!inside(gva, RAM_GVA, size_bytes)) {
        return vcpu_raise(vcpu, CAUSE_LOAD, gva);
    }
    *value = ld_le(hart->ram + (gva - RAM_GVA), size_bytes);
    return true;
}

static bool hart_store(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value)
{
    struct hart *hart = hart_of(vcpu);
    hart->pc_seen = vcpu->pc;
    hart->insns_seen = vcpu->insns;
    if (inside(gva, DEVICE_GVA, size_bytes)) {
        hart->device_stores++;
        hart->device = value;
        return true;
    }
    if (!inside(gva, RAM_GVA, size_bytes)) {
        return vcpu_raise(vcpu, CAUSE_STORE, gva);
    }
    st_le(hart->ram + (gva - RAM_GVA), value, size_bytes);
    return true;
}

static u8 *hart_atomic_host(struct vcpu *vcpu, gva_t gva, unsigned size_bytes)
{
    if (inside(gva, RAM_GVA, size_bytes)) {
        return hart_of(vcpu)->ram + (gva - RAM_GVA);
    }
    if (!inside(gva, DEVICE_GVA, size_bytes) && !inside(gva, BROKEN_GVA, size_bytes)) {
        vcpu_raise(vcpu, CAUSE_STORE, gva);
    }
    return NULL;
}

static void raise_misaligned(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    vcpu_raise(vcpu, CAUSE_MISALIGNED + (u64)access, gva);
}

static void raise_access_fault(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    vcpu_raise(vcpu, access == VCPU_WRITE ? CAUSE_STORE : CAUSE_LOAD, gva);
}

static const struct vcpu_ops hart_ops = {
    .load = hart_load, .store = hart_store, .atomic_host = hart_atomic_host};
static const struct guest hart_guest = {.name = "test",
                                        .vcpu_bytes = sizeof(struct hart),
                                        .raise_misaligned = raise_misaligned,
                                        .raise_access_fault = raise_access_fault};

static struct ir *ir;
static struct hart hart;
static _Alignas(64) u8 ram[64];

static void hart_init(struct hart *one)
{
    memset(one, 0, sizeof(*one));
    one->ram = ram;
    one->vcpu.ops = &hart_ops;
    one->vcpu.guest = &hart_guest;
    one->vcpu.pc_page = PAGE_GVA;
    one->vcpu.insns = ENTRY_INSNS;
    one->vcpu.deadline = ~(u64)0;
}

static void begin(void)
{
    ir_reset(ir, &hart_guest);
    ir->no_fold = true;
    ir_begin_insn(ir, 0x100, 4);
}

static void setup(void)
{
    ir = malloc(sizeof(*ir));
    memset(ram, 0, sizeof(ram));
    hart_init(&hart);
    begin();
}

static void teardown(void)
{
    free(ir);
}

TestSuite(ir_interp, .init = setup, .fini = teardown);

static enum ir_exit run(void)
{
    char why[200] = "";
    cr_assert(ir_verify(ir, why, sizeof(why)), "%s", why);
    return ir_interp_run(ir->insns, ir->count, &hart.vcpu);
}

static enum ir_exit run_to_jump(void)
{
    ir_jump(ir, 0x104);
    return run();
}

static ir_ref in(unsigned index, enum ir_type type)
{
    return ir_get(ir, type, IN(index), type == IR_I32 || type == IR_F32 ? 4 : 8);
}

/* Stores a value whole into out[index]; the upper half of a 32-bit one stays 0. */
static void out(unsigned index, ir_ref value)
{
    enum ir_type type = ir_value_type(&ir->insns[value]);
    ir_set(ir, OUT(index), type == IR_I32 || type == IR_F32 ? 4 : 8, value);
}

/* --- integer operations --- */

#define MIN64 0x8000000000000000u
#define ONES64 0xffffffffffffffffu
#define ONES32 0xffffffffu
#define MIN32 0x80000000u

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

static void check_exit(enum ir_exit got, enum ir_exit exit, u64 pc, u64 insns)
{
    cr_assert_eq(got, exit, "exit %u, not %u", got, exit);
    cr_assert_eq(hart.vcpu.pc, pc, "pc %llx", (unsigned long long)hart.vcpu.pc);
    cr_assert_eq(hart.vcpu.insns, insns, "insns %llu", (unsigned long long)hart.vcpu.insns);
}

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

/* --- memory --- */

Test(ir_interp, loads_extend)
{
    memset(ram, 0x80, 8);
    ir_ref address = ir_i64(ir, RAM_GVA);
    out(0, ir_load(ir, IR_I64, IR_MEM_8 | IR_MEM_SIGNED, address));
    run_to_jump();
    cr_assert_eq(hart.out[0], 0xffffffffffffff80);

    begin();
    address = ir_i64(ir, RAM_GVA + 1);
    ir_ref word = ir_load(ir, IR_I32, IR_MEM_16 | IR_MEM_SIGNED, address);
    ir_ref wide = ir_load(ir, IR_I64, IR_MEM_32, address);
    ir_ref whole = ir_load(ir, IR_I64, IR_MEM_64, ir_i64(ir, RAM_GVA));
    out(0, ir_op1(ir, IR_ZEXT, IR_I64, 32, word));
    out(1, wide);
    out(2, whole);
    run_to_jump();
    cr_assert_eq(hart.out[0], 0xffff8080);
    cr_assert_eq(hart.out[1], 0x80808080);
    cr_assert_eq(hart.out[2], 0x8080808080808080);
}

Test(ir_interp, stores_write_their_size)
{
    hart.in[0] = 0x1122334455667788;
    ir_store(ir, IR_MEM_16, ir_i64(ir, RAM_GVA + 1), in(0, IR_I64));
    ir_store(ir, IR_MEM_8, ir_i64(ir, RAM_GVA + 8), in(0, IR_I32));
    run_to_jump();
    cr_assert_eq(ld_le64(ram), 0x778800);
    cr_assert_eq(ld_le64(ram + 8), 0x88);
}

Test(ir_interp, a_fault_is_precise)
{
    out(0, ir_i64(ir, 1));
    ir_begin_insn(ir, 0x104, 4);
    out(1, ir_load(ir, IR_I64, IR_MEM_64, ir_i64(ir, 0x666)));
    check_exit(run_to_jump(), IR_EXIT_RAISED, PAGE_GVA + 0x104, ENTRY_INSNS + 1);
    cr_assert_eq(hart.vcpu.exception_cause, CAUSE_LOAD);
    cr_assert_eq(hart.vcpu.exception_value, 0x666);
    cr_assert_eq(hart.out[0], 1);
    cr_assert_eq(hart.out[1], 0);
}

Test(ir_interp, devices_see_the_exact_count)
{
    ir_begin_insn(ir, 0x104, 4);
    ir_store(ir, IR_MEM_32, ir_i64(ir, DEVICE_GVA), in(0, IR_I32));
    run_to_jump();
    cr_assert_eq(hart.pc_seen, PAGE_GVA + 0x104);
    cr_assert_eq(hart.insns_seen, ENTRY_INSNS + 1);
}

static void check_misaligned(enum vcpu_access access)
{
    check_exit(run_to_jump(), IR_EXIT_RAISED, PAGE_GVA + 0x100, ENTRY_INSNS);
    cr_assert_eq(hart.vcpu.exception_cause, CAUSE_MISALIGNED + (u64)access);
    cr_assert_eq(hart.vcpu.exception_value, RAM_GVA + 2);
    hart_init(&hart);
    begin();
}

Test(ir_interp, only_checked_accesses_mind_alignment)
{
    ir_load_aligned(ir, IR_I64, IR_MEM_32, ir_i64(ir, RAM_GVA + 2));
    check_misaligned(VCPU_READ);
    ir_amo(ir, IR_AMO_ADD, IR_I32, ir_i64(ir, RAM_GVA + 2), in(0, IR_I32));
    check_misaligned(VCPU_WRITE);
    ir_cas(ir, IR_I64, ir_i64(ir, RAM_GVA + 2), in(0, IR_I64), in(0, IR_I64));
    check_misaligned(VCPU_WRITE);
    ir_load(ir, IR_I64, IR_MEM_32, ir_i64(ir, RAM_GVA + 2));
    cr_assert_eq(run_to_jump(), IR_EXIT_JUMP);
}

/* --- atomics --- */

struct amo_case {
    u8 amo;
    u64 old, value, stored_32, stored_64;
};

static const struct amo_case amo_cases[] = {
    {IR_AMO_SWAP, 1, 2, 2, 2},
    {IR_AMO_ADD, 0xffffffff, 1, 0, 0x100000000},
    {IR_AMO_AND, 0xff, 0x1f0, 0xf0, 0xf0},
    {IR_AMO_OR, 0xf, 0x1f0, 0x1ff, 0x1ff},
    {IR_AMO_XOR, 0xff, 0x1f0, 0x10f, 0x10f},
    {IR_AMO_MIN_S, 0xffffffff, 1, 0xffffffff, 1},
    {IR_AMO_MAX_S, 0xffffffff, 1, 1, 0xffffffff},
    {IR_AMO_MIN_U, 0xffffffff, 1, 1, 1},
    {IR_AMO_MAX_U, 0xffffffff, 1, 0xffffffff, 0xffffffff},
    {IR_AMO_MIN_S, ONES64, 1, 0xffffffff, ONES64},
};

static void check_amo(const struct amo_case *c, enum ir_type type, u64 stored)
{
    u64 mask = type == IR_I32 ? ONES32 : ONES64;
    st_le64(ram, c->old & mask);
    hart_init(&hart);
    hart.in[0] = c->value;
    begin();
    out(0, ir_amo(ir, (enum ir_amo)c->amo, type, ir_i64(ir, RAM_GVA), in(0, type)));
    cr_assert_eq(run_to_jump(), IR_EXIT_JUMP);
    cr_assert_eq(hart.out[0], c->old & mask);
    cr_assert_eq(ld_le64(ram), stored, "amo %u type %u: %llx", c->amo, type,
                 (unsigned long long)ld_le64(ram));
}

Test(ir_interp, atomic_operations)
{
    for (unsigned i = 0; i < ARRAY_LEN(amo_cases); i++) {
        check_amo(&amo_cases[i], IR_I32, amo_cases[i].stored_32);
        check_amo(&amo_cases[i], IR_I64, amo_cases[i].stored_64);
    }
}

static void check_cas(enum ir_type type, u64 address, u64 old, u64 expected, u64 desired)
{
    hart.in[0] = expected;
    hart.in[1] = desired;
    begin();
    out(0, ir_cas(ir, type, ir_i64(ir, address), in(0, type), in(1, type)));
    cr_assert_eq(run_to_jump(), IR_EXIT_JUMP);
    cr_assert_eq(hart.out[0], old);
}

Test(ir_interp, compare_and_swap)
{
    st_le64(ram, 0x55aa);
    check_cas(IR_I64, RAM_GVA, 0x55aa, 0x55ab, 1);
    cr_assert_eq(ld_le64(ram), 0x55aa);
    check_cas(IR_I64, RAM_GVA, 0x55aa, 0x55aa, ONES64);
    cr_assert_eq(ld_le64(ram), ONES64);
    check_cas(IR_I32, RAM_GVA, ONES32, ONES32, 7);
    cr_assert_eq(ld_le64(ram), 0xffffffff00000007);
}

Test(ir_interp, atomics_on_devices)
{
    hart.device = 40;
    hart.in[0] = 2;
    out(0, ir_amo(ir, IR_AMO_ADD, IR_I32, ir_i64(ir, DEVICE_GVA), in(0, IR_I32)));
    cr_assert_eq(run_to_jump(), IR_EXIT_JUMP);
    cr_assert_eq(hart.device, 42);
    cr_assert_eq(hart.out[0], 40);
    check_cas(IR_I64, DEVICE_GVA, 42, 41, 1);
    cr_assert_eq(hart.device_loads, 2);
    cr_assert_eq(hart.device_stores, 1, "a CAS that fails must not store");
}

Test(ir_interp, atomics_fault_as_stores)
{
    static const u64 addresses[] = {0x660, BROKEN_GVA};
    for (unsigned i = 0; i < ARRAY_LEN(addresses); i++) {
        hart_init(&hart);
        begin();
        out(0, ir_amo(ir, IR_AMO_SWAP, IR_I64, ir_i64(ir, addresses[i]), in(0, IR_I64)));
        check_exit(run_to_jump(), IR_EXIT_RAISED, PAGE_GVA + 0x100, ENTRY_INSNS);
        cr_assert_eq(hart.vcpu.exception_cause, CAUSE_STORE);
        cr_assert_eq(hart.vcpu.exception_value, addresses[i]);
    }
}

enum { THREAD_ROUNDS = 50000 };

static void *add_many(void *opaque)
{
    struct hart *one = opaque;
    for (unsigned i = 0; i < THREAD_ROUNDS; i++) {
        one->vcpu.insns = ENTRY_INSNS;
        ir_interp_run(ir->insns, ir->count, &one->vcpu);
    }
    return NULL;
}

Test(ir_interp, atomics_are_atomic_between_threads)
{
    static struct hart harts[2];
    pthread_t threads[2];
    ir_amo(ir, IR_AMO_ADD, IR_I64, ir_i64(ir, RAM_GVA), ir_i64(ir, 1));
    ir_amo(ir, IR_AMO_ADD, IR_I32, ir_i64(ir, RAM_GVA + 8), ir_const(ir, IR_I32, 3));
    ir_jump(ir, 0x104);
    for (unsigned i = 0; i < 2; i++) {
        hart_init(&harts[i]);
        cr_assert_eq(pthread_create(&threads[i], NULL, add_many, &harts[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert_eq(ld_le64(ram), 2 * THREAD_ROUNDS);
    cr_assert_eq(ld_le32(ram + 8), 6 * THREAD_ROUNDS);
}

/* --- calls --- */

static u64 helper_none(struct vcpu *vcpu)
{
    hart_of(vcpu)->pc_seen = vcpu->pc;
    hart_of(vcpu)->insns_seen = vcpu->insns;
    return 0xa0;
}

static u64 helper_one(struct vcpu *vcpu, u64 a)
{
    (void)vcpu;
    return a;
}

static u64 helper_four(struct vcpu *vcpu, u64 a, u64 b, u64 c, u64 d)
{
    (void)vcpu;
    return a | b << 16 | c << 32 | d << 48;
}

static u64 helper_raise(struct vcpu *vcpu, u64 value)
{
    vcpu_raise(vcpu, 9, value);
    return 0;
}

typedef void (*any_fn)(void);
typedef u64 (*generic_fn)(void);

static const struct helper call_none = {"none", (generic_fn)(any_fn)helper_none, 0, true,
                                        HELPER_NEEDS_PC};
static const struct helper call_one = {"one", (generic_fn)(any_fn)helper_one, 1, true, 0};
static const struct helper call_four = {"four", (generic_fn)(any_fn)helper_four, 4, true, 0};
static const struct helper call_raiser = {"raiser", (generic_fn)(any_fn)helper_raise, 1, false,
                                          HELPER_MAY_RAISE};

Test(ir_interp, calls_pass_arguments_and_results)
{
    ir_begin_insn(ir, 0x104, 4);
    ir_ref first = ir_call(ir, &call_none, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
    ir_ref second = ir_call(ir, &call_one, ir_i64(ir, ONES64 - 4), IR_REF_NONE, IR_REF_NONE,
                            IR_REF_NONE);
    ir_ref third =
        ir_call(ir, &call_four, ir_i64(ir, 1), ir_i64(ir, 2), ir_i64(ir, 3), ir_i64(ir, 4));
    out(0, first);
    out(1, second);
    out(2, third);
    cr_assert_eq(run_to_jump(), IR_EXIT_JUMP);
    cr_assert_eq(hart.out[0], 0xa0);
    cr_assert_eq(hart.out[1], ONES64 - 4);
    cr_assert_eq(hart.out[2], 0x0004000300020001);
    cr_assert_eq(hart.pc_seen, PAGE_GVA + 0x104);
    cr_assert_eq(hart.insns_seen, ENTRY_INSNS + 1);
}

Test(ir_interp, a_call_that_raises_ends_the_block)
{
    ir_begin_insn(ir, 0x104, 4);
    ir_call(ir, &call_raiser, ir_i64(ir, 0xbad), IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
    out(0, ir_i64(ir, 1));
    check_exit(run_to_jump(), IR_EXIT_RAISED, PAGE_GVA + 0x104, ENTRY_INSNS + 1);
    cr_assert_eq(hart.vcpu.exception_cause, 9);
    cr_assert_eq(hart.vcpu.exception_value, 0xbad);
    cr_assert_eq(hart.out[0], 0);
}

/* --- floating point: that each operation reaches its function, with rounding and flags --- */

static u64 f64_bits(double value)
{
    u64 bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static u64 f32_bits(float value)
{
    u32 bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

struct float_case {
    u8 op, sub;
    double a, b, c, expected;
};

static const struct float_case float_cases[] = {
    {IR_FADD, 0, 1.5, 2.25, 0, 3.75},    {IR_FSUB, 0, 1.5, 2.25, 0, -0.75},
    {IR_FMUL, 0, 1.5, -2.0, 0, -3.0},    {IR_FDIV, 0, 1.0, 4.0, 0, 0.25},
    {IR_FSQRT, 0, 6.25, 0, 0, 2.5},      {IR_FMADD, 0, 2.0, 3.0, 0.5, 6.5},
    {IR_FMIN, 0, -0.0, 0.0, 0, -0.0},    {IR_FMAX, 0, -0.0, 0.0, 0, 0.0},
    {IR_FNEG, 0, 1.0, 0, 0, -1.0},       {IR_FSGNJ, 0, 1.0, -2.0, 0, -1.0},
    {IR_FSGNJ, 1, 1.0, -2.0, 0, 1.0},    {IR_FSGNJ, 2, -1.0, -2.0, 0, 1.0},
};

static void check_float(const struct float_case *c, enum ir_type type)
{
    bool single = type == IR_F32;
    hart_init(&hart);
    hart.in[0] = single ? f32_bits((float)c->a) : f64_bits(c->a);
    hart.in[1] = single ? f32_bits((float)c->b) : f64_bits(c->b);
    hart.in[2] = single ? f32_bits((float)c->c) : f64_bits(c->c);
    begin();
    unsigned args = ir_op_info[c->op].args;
    out(0, ir_fp(ir, (enum ir_op)c->op, type, c->sub, IR_ROUND_RNE, in(0, type),
                 args > 1 ? in(1, type) : IR_REF_NONE, args > 2 ? in(2, type) : IR_REF_NONE));
    run_to_jump();
    cr_assert_eq(hart.out[0], single ? f32_bits((float)c->expected) : f64_bits(c->expected),
                 "%s.%u type %u: %llx", ir_op_info[c->op].text, c->sub, type,
                 (unsigned long long)hart.out[0]);
    cr_assert_eq(hart.vcpu.fpu_flags, 0);
}

Test(ir_interp, float_operations)
{
    for (unsigned i = 0; i < ARRAY_LEN(float_cases); i++) {
        check_float(&float_cases[i], IR_F32);
        check_float(&float_cases[i], IR_F64);
    }
}

static u64 convert(enum ir_op op, enum ir_type to, unsigned sub, enum ir_round round,
                   enum ir_type from, u64 value)
{
    hart.in[0] = value;
    hart.out[0] = 0;
    begin();
    out(0, ir_fp(ir, op, to, sub, round, in(0, from), IR_REF_NONE, IR_REF_NONE));
    run_to_jump();
    return hart.out[0];
}

Test(ir_interp, conversions)
{
    u64 d = f64_bits(-2.5);
    u64 s = f32_bits(-2.5F);
    cr_assert_eq(convert(IR_FCVT_FF, IR_F32, 0, IR_ROUND_RNE, IR_F64, d), s);
    cr_assert_eq(convert(IR_FCVT_FF, IR_F64, 0, IR_ROUND_RNE, IR_F32, s), d);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I64, 0, IR_ROUND_RTZ, IR_F64, d), (u64)-2);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I64, 0, IR_ROUND_RDN, IR_F32, s), (u64)-3);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I32, 0, IR_ROUND_RMM, IR_F64, d), (u32)-3);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I32, 0, IR_ROUND_RUP, IR_F32, s), (u32)-2);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I64, 1, IR_ROUND_RTZ, IR_F64, d), 0);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I32, 1, IR_ROUND_RTZ, IR_F32, f32_bits(3e9F)),
                 3000000000u);
    cr_assert_eq(convert(IR_FCVT_FI, IR_I32, 1, IR_ROUND_RTZ, IR_F64, f64_bits(1e20)), ONES32);
    cr_assert_eq(convert(IR_FCVT_IF, IR_F64, 0, IR_ROUND_RNE, IR_I32, ONES32), f64_bits(-1.0));
    cr_assert_eq(convert(IR_FCVT_IF, IR_F64, 1, IR_ROUND_RNE, IR_I32, ONES32),
                 f64_bits(4294967295.0));
    cr_assert_eq(convert(IR_FCVT_IF, IR_F32, 0, IR_ROUND_RNE, IR_I64, ONES64), f32_bits(-1.0F));
    cr_assert_eq(convert(IR_FCVT_IF, IR_F32, 1, IR_ROUND_RNE, IR_I64, BIT(63)),
                 f32_bits(9223372036854775808.0F));
    cr_assert_eq(convert(IR_FCVT_IF, IR_F64, 1, IR_ROUND_RNE, IR_I64, BIT(63)),
                 f64_bits(9223372036854775808.0));
}

static u64 compared(unsigned kind, enum ir_type type, u64 a, u64 b)
{
    hart.in[0] = a;
    hart.in[1] = b;
    begin();
    out(0, ir_op2(ir, IR_FCMP, type, kind, in(0, type), in(1, type)));
    run_to_jump();
    return hart.out[0];
}

Test(ir_interp, float_comparison_and_class)
{
    u64 one_bits = f64_bits(1.0);
    u64 two_bits = f64_bits(2.0);
    cr_assert_eq(compared(0, IR_F64, one_bits, one_bits), 1);
    cr_assert_eq(compared(1, IR_F64, one_bits, two_bits), 1);
    cr_assert_eq(compared(1, IR_F64, one_bits, one_bits), 0);
    cr_assert_eq(compared(2, IR_F64, one_bits, one_bits), 1);
    cr_assert_eq(compared(2, IR_F32, f32_bits(3), f32_bits(2)), 0);
    cr_assert_eq(compared(0, IR_F64, FPU_NAN_F64, one_bits), 0);
    cr_assert_eq(hart.vcpu.fpu_flags, 0);
    cr_assert_eq(compared(1, IR_F64, FPU_NAN_F64, one_bits), 0);
    cr_assert_eq(hart.vcpu.fpu_flags, FPU_NV);
    begin();
    hart.in[0] = FPU_NAN_F32;
    out(0, ir_op1(ir, IR_FCLASS, IR_F32, 0, in(0, IR_F32)));
    run_to_jump();
    cr_assert_eq(hart.out[0], FPU_CLASS_QNAN);
}

Test(ir_interp, boxes)
{
    hart.in[0] = 0xffffffff3f800000;
    hart.in[1] = 0x3f800000;
    ir_ref good = ir_op1(ir, IR_FUNBOX, IR_F32, 0, in(0, IR_I64));
    ir_ref bad = ir_op1(ir, IR_FUNBOX, IR_F32, 0, in(1, IR_I64));
    out(0, good);
    out(1, bad);
    out(2, ir_op1(ir, IR_FBOX, IR_I64, 0, in(1, IR_F32)));
    run_to_jump();
    cr_assert_eq(hart.out[0], 0x3f800000);
    cr_assert_eq(hart.out[1], FPU_NAN_F32);
    cr_assert_eq(hart.out[2], 0xffffffff3f800000);
}

Test(ir_interp, rounding_and_flags)
{
    hart.in[0] = f64_bits(1.0);
    hart.in[1] = f64_bits(3.0);
    hart.vcpu.fpu_flags = FPU_DZ;
    ir_ref down = ir_fp(ir, IR_FDIV, IR_F64, 0, IR_ROUND_RDN, in(0, IR_F64), in(1, IR_F64),
                        IR_REF_NONE);
    ir_ref flags = ir_fenv_flags(ir);
    ir_fenv_set(ir, ir_i64(ir, 0), ir_i64(ir, FPU_RUP));
    ir_ref up = ir_fp(ir, IR_FDIV, IR_F64, 0, IR_ROUND_DYN, in(0, IR_F64), in(1, IR_F64),
                      IR_REF_NONE);
    out(0, down);
    out(1, up);
    out(2, flags);
    run_to_jump();
    cr_assert_eq(hart.out[1], hart.out[0] + 1);
    cr_assert_eq(hart.out[2], FPU_DZ | FPU_NX);
    cr_assert_eq(hart.vcpu.fpu_flags, FPU_NX);
    cr_assert_eq(hart.vcpu.fpu_round, FPU_RUP);
}

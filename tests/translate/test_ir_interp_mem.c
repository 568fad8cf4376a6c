/* The interpreter's way out: memory and its faults, atomics between threads, calls of helpers. */
#include "tests/translate/ir_interp_hart.h"
#include <pthread.h>

TestSuite(ir_interp, .init = setup, .fini = teardown);

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

/* Where control goes: branches, jumps, links, traps, on the interpreter. */
#include "cpu/base/bits.h"
#include "cpu/riscv64/state.h"
#include "translate/front.h"

#include <criterion/criterion.h>
#include <string.h>

extern const struct front riscv64_front;

enum { PAGE = 0x7000, OFFSET = 0x800, PC = PAGE + OFFSET };

static struct ir ir;
static struct riscv64_state state;
static enum ir_exit how;

static void set_up(void)
{
    memset(&state, 0, sizeof(state));
    state.vcpu.guest = &riscv64_guest;
    state.vcpu.pc_page = PAGE;
    state.vcpu.pc = PC;
    atomic_store(&state.vcpu.deadline, ~(u64)0);
}

/* Runs the instruction at PC and returns the next pc. */
static u64 run(u32 word, u32 mode)
{
    u8 bytes[4];
    st_le32(bytes, word);
    struct lower l = {.ir = &ir, .mode = mode, .offset = OFFSET, .rest = bytes, .rest_bytes = 4};
    ir_reset(&ir, &riscv64_guest);
    riscv64_front.begin(&l);
    unsigned length = riscv64_front.lower_insn(&l);
    if (!l.ended) {
        ir_jump(&ir, OFFSET + length);
    }
    how = ir_interp_run(ir.insns, ir.count, &state.vcpu);
    return state.vcpu.pc;
}

struct branch_case {
    const char *name;
    u32 forward, backward; /* of a0, a1: +16 and -16 */
    bool (*taken)(u64 a, u64 b);
};

static bool eq(u64 a, u64 b)
{
    return a == b;
}
static bool ne(u64 a, u64 b)
{
    return a != b;
}
static bool lt(u64 a, u64 b)
{
    return (s64)a < (s64)b;
}
static bool ge(u64 a, u64 b)
{
    return (s64)a >= (s64)b;
}
static bool ltu(u64 a, u64 b)
{
    return a < b;
}
static bool geu(u64 a, u64 b)
{
    return a >= b;
}

static const struct branch_case branch_cases[] = {
    {"beq", 0x00b50863, 0xfeb508e3, eq},   {"bne", 0x00b51863, 0xfeb518e3, ne},
    {"blt", 0x00b54863, 0xfeb548e3, lt},   {"bge", 0x00b55863, 0xfeb558e3, ge},
    {"bltu", 0x00b56863, 0xfeb568e3, ltu}, {"bgeu", 0x00b57863, 0xfeb578e3, geu},
};

Test(control, branches_compare_two_registers, .init = set_up)
{
    static const u64 values[] = {0, 1, 2, ~(u64)0, 1ull << 63, ~(u64)0 >> 1, 0xffffffff};
    for (unsigned c = 0; c < ARRAY_LEN(branch_cases); c++) {
        for (unsigned i = 0; i < ARRAY_LEN(values) * ARRAY_LEN(values); i++) {
            u64 a = values[i % ARRAY_LEN(values)], b = values[i / ARRAY_LEN(values)];
            bool taken = branch_cases[c].taken(a, b);
            state.x[10] = a;
            state.x[11] = b;
            cr_assert_eq(run(branch_cases[c].forward, RISCV_U), taken ? PC + 16 : PC + 4, "%s",
                         branch_cases[c].name);
            cr_assert_eq(run(branch_cases[c].backward, RISCV_U), taken ? PC - 16 : PC + 4, "%s",
                         branch_cases[c].name);
        }
    }
}

Test(control, compressed_branches_compare_with_zero, .init = set_up)
{
    state.x[8] = 0;
    cr_assert_eq(run(0xc801, RISCV_U), PC + 16); /* c.beqz s0,+16 */
    cr_assert_eq(run(0xe801, RISCV_U), PC + 2);  /* c.bnez s0,+16 */
    state.x[8] = 1ull << 40;
    cr_assert_eq(run(0xc801, RISCV_U), PC + 2);
    cr_assert_eq(run(0xe801, RISCV_U), PC + 16);
}

Test(control, jumps_link_the_next_instruction, .init = set_up)
{
    cr_assert_eq(run(0x100000ef, RISCV_U), PC + 256); /* jal ra,+256 */
    cr_assert_eq(state.x[1], PC + 4);
    cr_assert_eq(run(0x0000006f, RISCV_U), PC); /* jal zero,0 */
    cr_assert_eq(state.x[0], 0);
    cr_assert_eq(run(0xa029, RISCV_U), PC + 10); /* c.j +10 */
}

Test(control, jalr_clears_bit_zero_and_may_overwrite_its_base, .init = set_up)
{
    state.x[1] = 0x12345;
    cr_assert_eq(run(0x004080e7, RISCV_U), 0x12348); /* jalr ra,4(ra) */
    cr_assert_eq(state.x[1], PC + 4);
    state.x[10] = 0x4001;
    cr_assert_eq(run(0x9502, RISCV_U), 0x4000); /* c.jalr a0 */
    cr_assert_eq(state.x[1], PC + 2);
    cr_assert_eq(run(0x8502, RISCV_U), 0x4000); /* c.jr a0 */
    cr_assert_eq(how, IR_EXIT_IND);
}

Test(control, auipc_adds_to_its_own_address, .init = set_up)
{
    run(0x00001517, RISCV_U); /* auipc a0,0x1 */
    cr_assert_eq(state.x[10], PC + 0x1000);
    run(0xfffff517, RISCV_U);
    cr_assert_eq(state.x[10], PC - 0x1000);
}

Test(control, pc_wraps_at_the_end_of_the_address_space, .init = set_up)
{
    state.vcpu.pc_page = ~(u64)0 << 12;
    cr_assert_eq(run(0x7ff0006f, RISCV_U), ((~(u64)0 << 12) + OFFSET + 0xffe)); /* jal +4094 */
}

static void expect_trap(u32 word, u32 mode, u64 cause, u64 value)
{
    run(word, mode);
    cr_assert_eq(how, IR_EXIT_RAISED, "%#x", word);
    cr_assert_eq(state.vcpu.pc, PC);
    cr_assert_eq(state.vcpu.exception_cause, cause, "%#x", word);
    cr_assert_eq(state.vcpu.exception_value, value, "%#x", word);
    cr_assert_eq(state.vcpu.insns, 0);
    state.vcpu.exception_pending = 0;
}

Test(control, calls_and_breakpoints_trap, .init = set_up)
{
    expect_trap(0x00000073, RISCV_U, RISCV_CAUSE_ECALL_U, 0);
    expect_trap(0x00000073, RISCV_S, RISCV_CAUSE_ECALL_S, 0);
    expect_trap(0x00000073, RISCV_M, RISCV_CAUSE_ECALL_M, 0);
    expect_trap(0x00100073, RISCV_U, RISCV_CAUSE_BREAKPOINT, PC);
    expect_trap(0x9002, RISCV_U, RISCV_CAUSE_BREAKPOINT, PC);
}

Test(control, illegal_instructions_report_their_bits, .init = set_up)
{
    expect_trap(0x00000000, RISCV_M, RISCV_CAUSE_ILLEGAL, 0);
    expect_trap(0xdead2001, RISCV_M, RISCV_CAUSE_ILLEGAL, 0x2001);
    expect_trap(0xffffffff, RISCV_M, RISCV_CAUSE_ILLEGAL, 0xffffffff);
    expect_trap(0x00c5f553, RISCV_M, RISCV_CAUSE_ILLEGAL, 0x00c5f553); /* fadd.s, FS off */
    expect_trap(0x30200073, RISCV_S, RISCV_CAUSE_ILLEGAL, 0x30200073); /* mret below M */
}

Test(control, fences_go_on, .init = set_up)
{
    cr_assert_eq(run(0x0ff0000f, RISCV_U), PC + 4);
    cr_assert_eq(run(0x8330000f, RISCV_U), PC + 4);
    cr_assert_eq(run(0x18000073, RISCV_S), PC + 4); /* sfence.w.inval */
}

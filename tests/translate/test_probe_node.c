/* Nodes of a trace's paths: what each operation computes, by examples worked out by hand, and that
 * none a damaged file may hold does harm. */
#include "translate/ir/ir.h"
#include "translate/probe/probe.h"

#include <criterion/criterion.h>

static u64 value(enum probe_op op, bool wide, unsigned sub, u64 a, u64 b)
{
    const struct probe_node node = {.op = (u8)op, .wide = wide, .sub = (u8)sub, .imm = a};
    const u64 operands[4] = {a, b, 0, 0};
    return probe_node_value(&node, operands);
}

static void equals(u64 got, u64 wanted, unsigned line)
{
    cr_expect(got == wanted, "line %u: %llx, not %llx", line, (unsigned long long)got,
              (unsigned long long)wanted);
}
#define EQUALS(got, wanted) equals(got, wanted, __LINE__)

Test(probe_node, wide_operations)
{
    EQUALS(value(PROBE_OP_CONST, true, 0, 77, 0), 77);
    EQUALS(value(PROBE_OP_ADD, true, 0, ~(u64)0, 2), 1);
    EQUALS(value(PROBE_OP_SUB, true, 0, 1, 2), ~(u64)0);
    EQUALS(value(PROBE_OP_MUL, true, 0, (u64)1 << 63, 3), (u64)1 << 63);
    EQUALS(value(PROBE_OP_MULH_SS, true, 0, ~(u64)0, ~(u64)0), 0);
    EQUALS(value(PROBE_OP_MULH_SU, true, 0, ~(u64)0, ~(u64)0), ~(u64)0);
    EQUALS(value(PROBE_OP_MULH_UU, true, 0, ~(u64)0, ~(u64)0), ~(u64)1);
    EQUALS(value(PROBE_OP_ANDN, true, 0, 0xff, 0x0f), 0xf0);
    EQUALS(value(PROBE_OP_SHL, true, 0, 3, 65), 6);
    EQUALS(value(PROBE_OP_SAR, true, 0, (u64)1 << 63, 63), ~(u64)0);
    EQUALS(value(PROBE_OP_SHR, true, 0, (u64)1 << 63, 63), 1);
    EQUALS(value(PROBE_OP_ROTR, true, 0, 1, 4), (u64)1 << 60);
    EQUALS(value(PROBE_OP_CLZ, true, 0, 1, 0), 63);
    EQUALS(value(PROBE_OP_CTZ, true, 0, 0, 0), 64);
    EQUALS(value(PROBE_OP_POPCNT, true, 0, 0xff00ff, 0), 16);
    EQUALS(value(PROBE_OP_BSWAP, true, 0, 1, 0), (u64)1 << 56);
    EQUALS(value(PROBE_OP_ORC_B, true, 0, 0x0100020000000000, 0), 0xff00ff0000000000);
    EQUALS(value(PROBE_OP_SEXT, true, 32, 0xdead80000000, 0), 0xffffffff80000000);
    EQUALS(value(PROBE_OP_ZEXT, true, 16, 0x12345678, 0), 0x5678);
    EQUALS(value(PROBE_OP_TRUNC, false, 0, 0x1234567890, 0), 0x34567890);
    EQUALS(value(PROBE_OP_SETCC, true, IR_LT_S, ~(u64)0, 1), 1);
    EQUALS(value(PROBE_OP_SETCC, true, IR_LT_U, ~(u64)0, 1), 0);
}

/* What is above the 32 bits of an operand is noise. */
Test(probe_node, narrow_operations)
{
    EQUALS(value(PROBE_OP_ADD, false, 0, 0xaaaaaaaaffffffff, 0xbbbbbbbb00000001), 0);
    EQUALS(value(PROBE_OP_SHR, false, 0, 0xaaaaaaaa80000000, 31), 1);
    EQUALS(value(PROBE_OP_SAR, false, 0, 0xaaaaaaaa80000000, 31), 0xffffffff);
    EQUALS(value(PROBE_OP_CLZ, false, 0, 0xaaaaaaaa00000001, 0), 31);
    EQUALS(value(PROBE_OP_POPCNT, false, 0, 0xaaaaaaaa00000001, 0), 1);
    EQUALS(value(PROBE_OP_SETCC, false, IR_EQ, 0xaaaaaaaa00000001, 1), 1);
}

/* Of all kinds of floats in all rounding modes tests/trace/check_trace.sh asks; here, how wide
 * words are, and that the last operand is how to round. */
Test(probe_node, floats)
{
    const u64 one = 0x3ff0000000000000, tiny = 0x3c00000000000000;
    const struct probe_node sum = {.op = PROBE_OP_FADD, .wide = true};
    const u64 up[4] = {one, tiny, 3}, down[4] = {one, tiny, 2};
    EQUALS(probe_node_value(&sum, up), one + 1);
    EQUALS(probe_node_value(&sum, down), one);
    EQUALS(value(PROBE_OP_FNEG, false, 0, 0xaaaaaaaa3f800000, 0), 0xbf800000);
    EQUALS(value(PROBE_OP_FSGNJ, true, 1, one, one), one | (u64)1 << 63);
    EQUALS(value(PROBE_OP_FBOX, true, 0, 0xaaaaaaaa3f800000, 0), 0xffffffff3f800000);
    EQUALS(value(PROBE_OP_FUNBOX, false, 0, 0xffffffff3f800000, 0), 0x3f800000);
    EQUALS(value(PROBE_OP_FUNBOX, false, 0, 0xfffffffe3f800000, 0), 0x7fc00000);
    EQUALS(value(PROBE_OP_NAN, true, 0, 0xfff0000000000001, 0), 0x7ff8000000000000);
    EQUALS(value(PROBE_OP_NAN, true, 0, 0xfff0000000000000, 0), 0xfff0000000000000);
    EQUALS(value(PROBE_OP_NAN, false, 0, 0xaaaaaaaaffc00001, 0), 0x7fc00000);
    EQUALS(value(PROBE_OP_NAN, false, 0, 0xaaaaaaaaff800000, 0), 0xff800000);
    const struct probe_node image = {.op = PROBE_OP_FUNBOX};
    const struct probe_node single = {.op = PROBE_OP_FADD};
    cr_expect(probe_node_operand_bytes(&sum) == 8 && probe_node_operand_bytes(&image) == 8 &&
              probe_node_operand_bytes(&single) == 4);
}

Test(probe_node, select_takes_one)
{
    const struct probe_node node = {.op = PROBE_OP_SELECT, .wide = true, .sub = IR_GE_U};
    const u64 less[4] = {1, 2, 30, 40}, more[4] = {2, 2, 30, 40};
    EQUALS(probe_node_value(&node, less), 40);
    EQUALS(probe_node_value(&node, more), 30);
}

/* Numbers are in files: they stay what they are. */
Test(probe_node, numbers_stay)
{
    cr_expect(PROBE_OP_CONST == 1 && PROBE_OP_ADD == 2 && PROBE_OP_XOR == 10 &&
              PROBE_OP_SEXT == 21 && PROBE_OP_SELECT == 25 && PROBE_OP_FBOX == 26 &&
              PROBE_OP_FADD == 32 && PROBE_OP_FMADD == 37 && PROBE_OP_NAN == 38);
    cr_expect(probe_node_operands(PROBE_OP_CONST) == 0 && probe_node_operands(PROBE_OP_SEXT) == 1 &&
              probe_node_operands(PROBE_OP_ADD) == 2 && probe_node_operands(PROBE_OP_SELECT) == 4 &&
              probe_node_operands(PROBE_OP_FSQRT) == 2 && probe_node_operands(PROBE_OP_NAN) == 1);
    cr_expect(probe_node_operands(0) == ~0u && probe_node_operands(39) == ~0u &&
              probe_node_operands(255) == ~0u);
}

/* Whatever is in a file, it is computed without harm (sanitizers look, too). */
Test(probe_node, anything_is_harmless)
{
    const u64 operands[4] = {(u64)1 << 63, ~(u64)0, 0, 1};
    for (unsigned op = 0; op < 256; op++) {
        for (unsigned sub = 0; sub < 256; sub++) {
            for (unsigned wide = 0; wide < 2; wide++) {
                const struct probe_node node = {.op = (u8)op, .sub = (u8)sub, .wide = wide != 0};
                (void)probe_node_value(&node, operands);
            }
        }
    }
}

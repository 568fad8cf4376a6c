/* What each integer operation computes: the one definition, used by the folder on constants and by
 * the interpreter on values.
 *
 * I32 and F32 values travel zero-extended in a u64. Called with a constant `op` everything but one
 * case disappears. */
#ifndef METIC_TRANSLATE_IR_EVAL_H
#define METIC_TRANSLATE_IR_EVAL_H

#include "cpu/base/bits.h"
#include "translate/ir/ir.h"

static inline unsigned ir_type_bits(enum ir_type type)
{
    return type == IR_I32 || type == IR_F32 ? 32 : 64;
}

static inline u64 ir_narrow(enum ir_type type, u64 value)
{
    return ir_type_bits(type) == 32 ? (u32)value : value;
}

static inline s64 ir_signed(enum ir_type type, u64 value)
{
    return ir_type_bits(type) == 32 ? (s32)(u32)value : (s64)value;
}

static inline u64 ir_eval_div_s(enum ir_type type, u64 a, u64 b)
{
    s64 x = ir_signed(type, a);
    s64 y = ir_signed(type, b);
    if (y == 0) {
        return ~(u64)0;
    }
    return y == -1 ? 0 - (u64)x : (u64)(x / y);
}

static inline u64 ir_eval_rem_s(enum ir_type type, u64 a, u64 b)
{
    s64 x = ir_signed(type, a);
    s64 y = ir_signed(type, b);
    if (y == 0) {
        return a;
    }
    return y == -1 ? 0 : (u64)(x % y);
}

static inline u64 ir_eval_mulh_su(u64 a, u64 b)
{
    return (u64)(((s128)(s64)a * (s128)(u128)b) >> 64);
}

static inline u64 ir_eval_rotr(enum ir_type type, u64 value, unsigned count)
{
    unsigned bits = ir_type_bits(type);
    return (value >> count) | (value << ((bits - count) & (bits - 1)));
}

static inline u64 ir_eval_binary(enum ir_op op, enum ir_type type, u64 a, u64 b)
{
    unsigned count = (unsigned)(b & (ir_type_bits(type) - 1));
    switch (op) {
    case IR_ADD: return ir_narrow(type, a + b);
    case IR_SUB: return ir_narrow(type, a - b);
    case IR_MUL: return ir_narrow(type, a * b);
    case IR_MULH_SS: return (u64)(((s128)(s64)a * (s64)b) >> 64);
    case IR_MULH_SU: return ir_eval_mulh_su(a, b);
    case IR_MULH_UU: return (u64)(((u128)a * b) >> 64);
    case IR_DIV_S: return ir_narrow(type, ir_eval_div_s(type, a, b));
    case IR_DIV_U: return b == 0 ? ir_narrow(type, ~(u64)0) : a / b;
    case IR_REM_S: return ir_narrow(type, ir_eval_rem_s(type, a, b));
    case IR_REM_U: return b == 0 ? a : a % b;
    case IR_AND: return a & b;
    case IR_OR: return a | b;
    case IR_XOR: return a ^ b;
    case IR_ANDN: return a & ~b;
    case IR_SHL: return ir_narrow(type, a << count);
    case IR_SHR: return a >> count;
    case IR_SAR: return ir_narrow(type, (u64)(ir_signed(type, a) >> count));
    case IR_ROTR: return ir_narrow(type, ir_eval_rotr(type, a, count));
    default: __builtin_unreachable();
    }
}

static inline u64 ir_eval_orc_b(u64 value)
{
    u64 low = 0x0101010101010101u;
    u64 any = value;
    any |= (any >> 4) & 0x0f0f0f0f0f0f0f0fu;
    any |= (any >> 2) & 0x3f3f3f3f3f3f3f3fu;
    any |= (any >> 1) & 0x7f7f7f7f7f7f7f7fu;
    return (any & low) * 0xff;
}

/* `sub` is SEXT's and ZEXT's width in bits. */
static inline u64 ir_eval_unary(enum ir_op op, enum ir_type type, unsigned sub, u64 a)
{
    unsigned bits = ir_type_bits(type);
    switch (op) {
    case IR_CLZ: return a == 0 ? bits : (u64)__builtin_clzll(a) - (64 - bits);
    case IR_CTZ: return a == 0 ? bits : (u64)__builtin_ctzll(a);
    case IR_POPCNT: return (u64)__builtin_popcountll(a);
    case IR_BSWAP: return __builtin_bswap64(a) >> (64 - bits);
    case IR_ORC_B: return ir_eval_orc_b(a);
    case IR_SEXT: return ir_narrow(type, bits_sext(a, sub));
    case IR_ZEXT: return a & (~(u64)0 >> (64 - sub));
    case IR_TRUNC: return (u32)a;
    default: __builtin_unreachable();
    }
}

/* What FSGNJ computes. */
static inline u64 ir_eval_sign(enum ir_type type, unsigned sub, u64 a, u64 b)
{
    u64 sign = type == IR_F32 ? BIT(31) : BIT(63);
    u64 from = sub == 0 ? b : sub == 1 ? ~b : a ^ b;
    return (a & ~sign) | (from & sign);
}

/* `type` is the operands'. */
static inline bool ir_eval_cond(enum ir_cond cond, enum ir_type type, u64 a, u64 b)
{
    switch (cond) {
    case IR_EQ: return a == b;
    case IR_NE: return a != b;
    case IR_LT_S: return ir_signed(type, a) < ir_signed(type, b);
    case IR_LE_S: return ir_signed(type, a) <= ir_signed(type, b);
    case IR_GT_S: return ir_signed(type, a) > ir_signed(type, b);
    case IR_GE_S: return ir_signed(type, a) >= ir_signed(type, b);
    case IR_LT_U: return a < b;
    case IR_LE_U: return a <= b;
    case IR_GT_U: return a > b;
    case IR_GE_U: return a >= b;
    }
    return false;
}

/* What an AMO of this type stores. */
static inline u64 ir_eval_amo(enum ir_amo amo, enum ir_type type, u64 old, u64 value)
{
    switch (amo) {
    case IR_AMO_SWAP: return value;
    case IR_AMO_ADD: return ir_narrow(type, old + value);
    case IR_AMO_AND: return old & value;
    case IR_AMO_OR: return old | value;
    case IR_AMO_XOR: return old ^ value;
    case IR_AMO_MIN_S: return ir_signed(type, old) < ir_signed(type, value) ? old : value;
    case IR_AMO_MAX_S: return ir_signed(type, old) > ir_signed(type, value) ? old : value;
    case IR_AMO_MIN_U: return old < value ? old : value;
    case IR_AMO_MAX_U: return old > value ? old : value;
    }
    return old;
}

#endif

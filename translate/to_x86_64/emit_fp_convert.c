/* Conversions between floating-point formats and integers. */
#include "translate/to_x86_64/compile.h"

/* Opcode cvt*: prefix chosen by the float's type. */
static u32 cvt(unsigned float_type, u32 opcode)
{
    return ASM_OP(float_type == IR_F64 ? 0xf2 : 0xf3, opcode);
}

static void float_to_float(struct compile *c, const struct ir_insn *insn,
                           const struct rounding *rounding)
{
    unsigned from = insn->type == IR_F64 ? IR_F32 : IR_F64;
    unsigned x = alloc_use_xmm(c, insn->a);
    unsigned dst = alloc_def_xmm(c);
    rounding_begin(c, rounding);
    asm_rr(&c->a, cvt(from, 0x0f5a), ASM_32, dst, x);
    rounding_end(c, rounding);
    nan_defer(c);
}

/* --- to integer --- */

static void convert_to_int(struct compile *c, const struct ir_insn *insn, unsigned from,
                           unsigned width, unsigned dst, unsigned x,
                           const struct rounding *rounding)
{
    bool truncate = (insn->imm & 7) == IR_ROUND_RTZ;
    rounding_begin(c, rounding);
    asm_rr(&c->a, cvt(from, truncate ? 0x0f2c : 0x0f2d), width, dst, x);
    rounding_end(c, rounding);
}

/* The host answers everything out of range with the smallest integer and the invalid flag alone;
 * that answer goes to the soft routine. */
static void to_signed(struct compile *c, const struct ir_insn *insn, unsigned from,
                      const struct rounding *rounding)
{
    unsigned width = width_of(insn->type);
    unsigned x = alloc_use_xmm(c, insn->a);
    unsigned dst = alloc_def(c);
    convert_to_int(c, insn, from, width, dst, x, rounding);
    asm_alu_imm(&c->a, ASM_CMP, width, dst, 1);
    u32 field = asm_jcc_forward(&c->a, ASM_O);
    soft_stub(c, insn, field, dst, x + REG_XMM0)->back = asm_offset(&c->a);
}

/* Positive floats compare as their bits do, so one unsigned comparison finds all values that a
 * signed 64-bit conversion gets right under every rounding mode. The rest is soft: a conversion
 * tried first would leave an inexact flag behind. */
static void to_unsigned(struct compile *c, const struct ir_insn *insn, unsigned from,
                        const struct rounding *rounding)
{
    unsigned x = alloc_use_xmm(c, insn->a);
    unsigned bits = alloc_temp(c);
    unsigned bound = from == IR_F64 ? alloc_temp(c) : 0;
    unsigned dst = alloc_def(c);
    if (from == IR_F64) {
        asm_rr(&c->a, ASM_OP(0x66, 0x0f7e), ASM_64, x, bits);
        asm_mov_imm(&c->a, bound, insn->type == IR_I64 ? 0x43dfffffffffffffu : 0x41efffffffe00000u);
        asm_alu_rr(&c->a, ASM_CMP, ASM_64, bits, bound);
    } else {
        asm_rr(&c->a, ASM_OP(0x66, 0x0f7e), ASM_32, x, bits);
        asm_alu_imm(&c->a, ASM_CMP, ASM_32, bits, insn->type == IR_I64 ? 0x5effffff : 0x4f7fffff);
    }
    u32 field = asm_jcc_forward(&c->a, ASM_A);
    struct stub *stub = soft_stub(c, insn, field, dst, x + REG_XMM0);
    convert_to_int(c, insn, from, ASM_64, dst, x, rounding);
    stub->back = asm_offset(&c->a);
}

/* --- from integer --- */

static void from_int(struct compile *c, const struct ir_insn *insn, unsigned from,
                     const struct rounding *rounding)
{
    bool is_unsigned = insn->sub & 1;
    unsigned width = width_of(from);
    unsigned x = alloc_use(c, insn->a);
    unsigned t = is_unsigned && from == IR_I32 ? alloc_temp(c) : x;
    unsigned dst = alloc_def_xmm_fresh(c);
    struct stub *stub = NULL;
    if (is_unsigned && from == IR_I64) {
        asm_test(&c->a, ASM_64, x, x);
        stub = soft_stub(c, insn, asm_jcc_forward(&c->a, ASM_S), dst + REG_XMM0, x);
    } else if (is_unsigned) {
        asm_mov(&c->a, ASM_32, t, x);
        width = ASM_64;
    }
    rounding_begin(c, rounding);
    asm_rr(&c->a, 0x0f57, ASM_32, dst, dst); /* or it would wait for the register's old value */
    asm_rr(&c->a, cvt(insn->type, 0x0f2a), width, dst, t);
    rounding_end(c, rounding);
    if (stub) {
        stub->back = asm_offset(&c->a);
    }
}

/* Widening conversions and 32-bit integers to F64 never round. */
static bool is_exact(const struct ir_insn *insn, unsigned from)
{
    return insn->type == IR_F64 && (from == IR_F32 || from == IR_I32);
}

void emit_fp_convert(struct compile *c, const struct ir_insn *insn)
{
    unsigned from = c->ir->insns[insn->a].type;
    bool exact = is_exact(insn, from);
    bool truncate = insn->op == IR_FCVT_FI && (insn->imm & 7) == IR_ROUND_RTZ;
    struct rounding rounding = {.kind = ROUND_AS_IS};
    if (!exact && !truncate) {
        if (rounding_of(c, insn) == ROUND_SOFT) {
            emit_fp_soft(c, insn);
            return;
        }
        rounding = rounding_claim(c, insn);
    }
    switch (insn->op) {
    case IR_FCVT_FF:
        float_to_float(c, insn, &rounding);
        break;
    case IR_FCVT_IF:
        from_int(c, insn, from, &rounding);
        break;
    default:
        if (insn->sub & 1) {
            to_unsigned(c, insn, from, &rounding);
        } else {
            to_signed(c, insn, from, &rounding);
        }
        break;
    }
}

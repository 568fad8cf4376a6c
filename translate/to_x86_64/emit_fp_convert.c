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

/* How a conversion rounds: by the host's mode or by truncation, or, to a mode of the instruction's
 * own, by truncation and a step of one. C libraries round so (floor() is a conversion downwards and
 * one back), and changing the host's mode twice takes longer than all of it. */
struct to_int {
    const struct ir_insn *insn;
    struct rounding rounding;
    bool truncates, steps;
    unsigned from, width; /* of the result */
    unsigned whole, part; /* when it steps: for the truncated value as a float, and what is left */
    unsigned step;
};

static void step_claim(struct compile *c, struct to_int *to)
{
    if (to->steps) {
        to->whole = alloc_temp_xmm(c);
        to->part = (to->insn->imm & 7) == IR_ROUND_RMM ? alloc_temp_xmm(c) : 0;
        to->step = (to->insn->imm & 7) == IR_ROUND_RMM ? alloc_temp(c) : 0;
    }
}

/* Of a value in range: its truncation raises inexact as the whole conversion does, and what comes
 * behind is exact, since a value with a fraction has few digits before it. */
static void step(struct compile *c, const struct to_int *to, unsigned width, unsigned dst,
                 unsigned x)
{
    struct asm_buf *a = &c->a;
    const u32 compare = to->from == IR_F64 ? ASM_OP(0x66, 0x0f2e) : 0x0f2e;
    asm_rr(a, 0x0f57, ASM_32, to->whole, to->whole);
    asm_rr(a, cvt(to->from, 0x0f2a), width, to->whole, dst);
    switch (to->insn->imm & 7) {
    case IR_ROUND_RDN: /* below: one less */
        asm_rr(a, compare, ASM_32, x, to->whole);
        asm_alu_imm(a, ASM_SBB, width, dst, 0);
        break;
    case IR_ROUND_RUP:
        asm_rr(a, compare, ASM_32, to->whole, x);
        asm_alu_imm(a, ASM_ADC, width, dst, 0);
        break;
    default: /* twice what is left is a whole number from a half on */
        asm_rr(a, 0x0f28, ASM_32, to->part, x);
        asm_rr(a, cvt(to->from, 0x0f5c), ASM_32, to->part, to->whole);
        asm_rr(a, cvt(to->from, 0x0f58), ASM_32, to->part, to->part);
        asm_rr(a, cvt(to->from, 0x0f2c), width, to->step, to->part);
        asm_alu_rr(a, ASM_ADD, width, dst, to->step);
        break;
    }
}

static void convert_to_int(struct compile *c, const struct to_int *to, unsigned width,
                           unsigned dst, unsigned x)
{
    rounding_begin(c, &to->rounding);
    asm_rr(&c->a, cvt(to->from, to->truncates || to->steps ? 0x0f2c : 0x0f2d), width, dst, x);
    rounding_end(c, &to->rounding);
    if (to->steps) {
        step(c, to, width, dst, x);
    }
}

/* Jumps where a float's bits, of which those of the sign may be shifted out, are above. */
static u32 jump_above(struct compile *c, unsigned from, unsigned bits, unsigned scratch, u64 bound)
{
    asm_mov_imm(&c->a, scratch, bound);
    asm_alu_rr(&c->a, ASM_CMP, width_of(from), bits, scratch);
    return asm_jcc_forward(&c->a, ASM_A);
}

static void move_bits(struct compile *c, unsigned from, unsigned bits, unsigned x)
{
    asm_rr(&c->a, ASM_OP(0x66, 0x0f7e), width_of(from), x, bits);
}

/* The largest float that is in range, whichever way it is rounded, as an unsigned one that is
 * converted to 64 bits, or as a signed one. */
static u64 largest(unsigned from, unsigned type, bool is_unsigned)
{
    if (from == IR_F64) {
        return type == IR_I64 ? 0x43dfffffffffffffu
                              : is_unsigned ? 0x41efffffffe00000u : 0x41dfffffffc00000u;
    }
    return type == IR_I64 ? 0x5effffffu : is_unsigned ? 0x4f7fffffu : 0x4effffffu;
}

/* The host answers everything out of range with the smallest integer and the invalid flag alone;
 * that answer goes to the soft routine. Where there is a step, what could leave the range by it
 * must not have raised anything before. */
static void to_signed(struct compile *c, struct to_int *to)
{
    unsigned x = alloc_use_xmm(c, to->insn->a);
    unsigned bits = to->steps ? alloc_temp(c) : 0, scratch = to->steps ? alloc_temp(c) : 0;
    step_claim(c, to);
    unsigned dst = alloc_def(c);
    if (to->steps) {
        move_bits(c, to->from, bits, x);
        asm_alu_rr(&c->a, ASM_ADD, width_of(to->from), bits, bits);
        u32 field = jump_above(c, to->from, bits, scratch,
                               2 * largest(to->from, to->insn->type, false));
        struct stub *stub = soft_stub(c, to->insn, field, dst, x + REG_XMM0);
        convert_to_int(c, to, to->width, dst, x);
        stub->back = asm_offset(&c->a);
        return;
    }
    convert_to_int(c, to, to->width, dst, x);
    asm_alu_imm(&c->a, ASM_CMP, to->width, dst, 1);
    u32 field = asm_jcc_forward(&c->a, ASM_O);
    soft_stub(c, to->insn, field, dst, x + REG_XMM0)->back = asm_offset(&c->a);
}

/* Positive floats compare as their bits do, so one unsigned comparison finds all values that a
 * signed 64-bit conversion gets right under every rounding mode. The rest is soft: a conversion
 * tried first would leave an inexact flag behind. */
static void to_unsigned(struct compile *c, struct to_int *to)
{
    unsigned x = alloc_use_xmm(c, to->insn->a);
    unsigned bits = alloc_temp(c), scratch = alloc_temp(c);
    step_claim(c, to);
    unsigned dst = alloc_def(c);
    move_bits(c, to->from, bits, x);
    u32 field = jump_above(c, to->from, bits, scratch, largest(to->from, to->insn->type, true));
    struct stub *stub = soft_stub(c, to->insn, field, dst, x + REG_XMM0);
    convert_to_int(c, to, ASM_64, dst, x);
    stub->back = asm_offset(&c->a);
}

static void to_int(struct compile *c, const struct ir_insn *insn, unsigned from)
{
    unsigned mode = insn->imm & 7;
    struct to_int to = {
        .insn = insn, .from = from, .width = width_of(insn->type),
        .truncates = mode == IR_ROUND_RTZ,
        .steps = mode == IR_ROUND_RDN || mode == IR_ROUND_RUP || mode == IR_ROUND_RMM,
    };
    if (!to.truncates && !to.steps) {
        if (rounding_of(c, insn) == ROUND_SOFT) {
            emit_fp_soft(c, insn);
            return;
        }
        to.rounding = rounding_claim(c, insn);
    }
    if (insn->sub & 1) {
        to_unsigned(c, &to);
    } else {
        to_signed(c, &to);
    }
}

/* --- from integer --- */

/* Jumps where an integer has more digits than the float, and so may have to be rounded. */
static u32 jump_if_long(struct compile *c, const struct ir_insn *insn, unsigned width, unsigned t,
                        unsigned x)
{
    unsigned digits = insn->type == IR_F64 ? 53 : 24;
    struct asm_buf *a = &c->a;
    asm_mov(a, width, t, x);
    if (insn->sub & 1) {
        asm_shift_imm(a, ASM_SHR, width, t, digits);
        return asm_jcc_forward(a, ASM_NE);
    }
    asm_shift_imm(a, ASM_SAR, width, t, digits);
    asm_alu_imm(a, ASM_ADD, width, t, 1);
    asm_alu_imm(a, ASM_CMP, width, t, 1);
    return asm_jcc_forward(a, ASM_A);
}

/* When the host does not round as it is to, what need not be rounded is converted, and the rest
 * soft. */
static void from_int(struct compile *c, const struct ir_insn *insn, unsigned from, bool as_is)
{
    bool is_unsigned = insn->sub & 1;
    unsigned width = width_of(from);
    unsigned x = alloc_use(c, insn->a);
    bool extends = is_unsigned && from == IR_I32;
    unsigned t = extends || !as_is ? alloc_temp(c) : x;
    unsigned dst = alloc_def_xmm_fresh(c);
    struct stub *stub = NULL;
    if (!as_is) {
        stub = soft_stub(c, insn, jump_if_long(c, insn, width, t, x), dst + REG_XMM0, x);
    } else if (is_unsigned && from == IR_I64) {
        asm_test(&c->a, ASM_64, x, x);
        stub = soft_stub(c, insn, asm_jcc_forward(&c->a, ASM_S), dst + REG_XMM0, x);
    }
    if (extends) {
        asm_mov(&c->a, ASM_32, t, x);
        width = ASM_64;
    }
    asm_rr(&c->a, 0x0f57, ASM_32, dst, dst); /* or it would wait for the register's old value */
    asm_rr(&c->a, cvt(insn->type, 0x0f2a), width, dst, extends ? t : x);
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
    struct rounding rounding = {.kind = ROUND_AS_IS};
    switch (insn->op) {
    case IR_FCVT_FF:
        if (!is_exact(insn, from)) {
            if (rounding_of(c, insn) == ROUND_SOFT) {
                emit_fp_soft(c, insn);
                return;
            }
            rounding = rounding_claim(c, insn);
        }
        float_to_float(c, insn, &rounding);
        break;
    case IR_FCVT_IF:
        from_int(c, insn, from, is_exact(insn, from) || rounding_of(c, insn) == ROUND_AS_IS);
        break;
    default: to_int(c, insn, from); break;
    }
}

/* Floating-point arithmetic on the host's SSE unit, which keeps flags and rounding in MXCSR. */
#include "translate/to_x86_64/compile.h"

static const u8 *fp_const(const struct compile *c, unsigned which)
{
    return thunk(c, THUNK_FP_CONSTS) + 16 * which;
}

static void move_xmm(struct compile *c, unsigned to, unsigned from)
{
    if (to != from) {
        asm_rr(&c->a, 0x0f28, ASM_32, to, from);
    }
}

/* --- signs --- */

void emit_fp_sign(struct compile *c, const struct ir_insn *insn)
{
    enum { ANDPS = 0x0f54, ORPS = 0x0f56, XORPS = 0x0f57 };
    bool wide = insn->type == IR_F64;
    const u8 *sign = fp_const(c, wide ? FP_SIGN64 : FP_SIGN32);
    const u8 *rest = fp_const(c, wide ? FP_ABS64 : FP_ABS32);
    nan_settle(c, insn->a);
    if (insn->op != IR_FNEG) {
        nan_settle(c, insn->b);
    }
    unsigned x = alloc_use_xmm(c, insn->a);
    unsigned dst = alloc_temp_xmm(c);
    move_xmm(c, dst, x);
    if (insn->op == IR_FNEG) {
        asm_rip(&c->a, XORPS, ASM_32, dst, sign);
        alloc_def_in(c, dst + REG_XMM0);
        return;
    }
    unsigned y = alloc_use_xmm(c, insn->b);
    if (x == y && insn->sub != 0) {
        asm_rip(&c->a, insn->sub == 1 ? XORPS : ANDPS, ASM_32, dst, insn->sub == 1 ? sign : rest);
        alloc_def_in(c, dst + REG_XMM0);
        return;
    }
    unsigned t = alloc_temp_xmm(c);
    move_xmm(c, t, y);
    asm_rip(&c->a, ANDPS, ASM_32, t, sign);
    if (insn->sub == 1) {
        asm_rip(&c->a, XORPS, ASM_32, t, sign);
    }
    if (insn->sub == 2) {
        asm_rr(&c->a, XORPS, ASM_32, dst, t);
    } else {
        asm_rip(&c->a, ANDPS, ASM_32, dst, rest);
        asm_rr(&c->a, ORPS, ASM_32, dst, t);
    }
    alloc_def_in(c, dst + REG_XMM0);
}

/* --- rounding --- */

enum rounding_kind rounding_of(const struct compile *c, const struct ir_insn *insn)
{
    unsigned mode = insn->imm & 7;
    if (mode == IR_ROUND_DYN) {
        return c->flags & HOST_DYN_ROUNDING ? ROUND_AS_IS : ROUND_SOFT;
    }
    return mode <= IR_ROUND_RUP ? ROUND_SWITCH : ROUND_SOFT;
}

struct rounding rounding_claim(struct compile *c, const struct ir_insn *insn)
{
    struct rounding rounding = {.kind = rounding_of(c, insn), .mode = insn->imm & 7};
    if (rounding.kind == ROUND_SWITCH) {
        rounding.saved = alloc_temp(c);
        rounding.scratch = alloc_temp(c);
    }
    return rounding;
}

enum { MXCSR_ROUND = 0x6000 };

static void set_rounding(struct compile *c, const struct rounding *rounding)
{
    asm_store(&c->a, ASM_32, frame_at(FRAME_MXCSR), rounding->scratch);
    asm_rm(&c->a, 0x0fae, ASM_32, 2, frame_at(FRAME_MXCSR));
}

void rounding_begin(struct compile *c, const struct rounding *rounding)
{
    static const u16 bits[4] = {[IR_ROUND_RNE] = 0,
                                [IR_ROUND_RTZ] = 0x6000,
                                [IR_ROUND_RDN] = 0x2000,
                                [IR_ROUND_RUP] = 0x4000};
    struct asm_buf *a = &c->a;
    if (rounding->kind != ROUND_SWITCH) {
        return;
    }
    asm_rm(a, 0x0fae, ASM_32, 3, frame_at(FRAME_MXCSR));
    asm_load(a, ASM_32, rounding->saved, frame_at(FRAME_MXCSR));
    asm_mov(a, ASM_32, rounding->scratch, rounding->saved);
    asm_alu_imm(a, ASM_AND, ASM_32, rounding->saved, MXCSR_ROUND);
    asm_alu_imm(a, ASM_AND, ASM_32, rounding->scratch, ~MXCSR_ROUND);
    asm_alu_imm(a, ASM_OR, ASM_32, rounding->scratch, bits[rounding->mode]);
    set_rounding(c, rounding);
}

void rounding_end(struct compile *c, const struct rounding *rounding)
{
    struct asm_buf *a = &c->a;
    if (rounding->kind != ROUND_SWITCH) {
        return;
    }
    asm_rm(a, 0x0fae, ASM_32, 3, frame_at(FRAME_MXCSR));
    asm_load(a, ASM_32, rounding->scratch, frame_at(FRAME_MXCSR));
    asm_alu_imm(a, ASM_AND, ASM_32, rounding->scratch, ~MXCSR_ROUND);
    asm_alu_rr(a, ASM_OR, ASM_32, rounding->scratch, rounding->saved);
    set_rounding(c, rounding);
}

static u32 jump_if_nan(struct compile *c, unsigned type, unsigned xmm)
{
    asm_rr(&c->a, type == IR_F64 ? ASM_OP(0x66, 0x0f2e) : 0x0f2e, ASM_32, xmm, xmm);
    return asm_jcc_forward(&c->a, ASM_P);
}

/* --- add, subtract, multiply, divide, square root --- */

static unsigned arith_opcode(unsigned op)
{
    switch (op) {
    case IR_FADD: return 0x58;
    case IR_FSUB: return 0x5c;
    case IR_FMUL: return 0x59;
    case IR_FDIV: return 0x5e;
    default: return 0x51;
    }
}

/* Two-operand form: the result replaces the first operand. */
static void arith_sse(struct compile *c, const struct ir_insn *insn, unsigned dst, unsigned x,
                      unsigned y)
{
    u32 op = ASM_OP(insn->type == IR_F64 ? 0xf2 : 0xf3, 0x0f00 | arith_opcode(insn->op));
    if (insn->op == IR_FSQRT) {
        asm_rr(&c->a, op, ASM_32, dst, x);
    } else if (dst == y && dst != x && (ir_op_info[insn->op].props & IR_C)) {
        asm_rr(&c->a, op, ASM_32, dst, x);
    } else if (dst == y && dst != x) {
        unsigned t = alloc_temp_xmm(c);
        move_xmm(c, t, y);
        move_xmm(c, dst, x);
        asm_rr(&c->a, op, ASM_32, dst, t);
    } else {
        move_xmm(c, dst, x);
        asm_rr(&c->a, op, ASM_32, dst, y);
    }
}

static void arith(struct compile *c, const struct ir_insn *insn, const struct rounding *rounding)
{
    unsigned pp = insn->type == IR_F64 ? 3 : 2;
    unsigned op = arith_opcode(insn->op);
    bool avx = c->features & HOST_FEATURE_AVX;
    bool unary = insn->op == IR_FSQRT;
    struct asm_mem mem;
    unsigned x = alloc_use_xmm(c, insn->a);
    bool fold = avx && !unary && c->values[insn->a].root != c->values[insn->b].root &&
                alloc_fold(c, insn->b, insn->type == IR_F64 ? 8 : 4, &mem);
    unsigned y = fold || unary ? x : alloc_use_xmm(c, insn->b);
    unsigned dst = alloc_def_xmm(c);
    rounding_begin(c, rounding);
    if (fold) {
        asm_vex_rm(&c->a, 1, pp, 0, op, dst, x, mem);
    } else if (avx) {
        asm_vex(&c->a, 1, pp, 0, op, dst, x, y);
    } else {
        arith_sse(c, insn, dst, x, y);
    }
    rounding_end(c, rounding);
    nan_defer(c);
}

/* A NaN goes to the soft routine: the host raises no invalid flag for inf * 0 + quiet NaN. */
static void fused(struct compile *c, const struct ir_insn *insn, const struct rounding *rounding)
{
    unsigned wide = insn->type == IR_F64;
    unsigned x = alloc_use_xmm(c, insn->a);
    unsigned y = alloc_use_xmm(c, insn->b);
    unsigned z = alloc_use_xmm(c, insn->c);
    unsigned dst = alloc_def_xmm_fresh(c);
    rounding_begin(c, rounding);
    move_xmm(c, dst, x);
    asm_vex(&c->a, 2, 1, wide, 0xa9, dst, y, z);
    rounding_end(c, rounding);
    u32 field = jump_if_nan(c, insn->type, dst);
    struct stub *stub = soft_stub(c, insn, field, dst + REG_XMM0, x + REG_XMM0);
    stub->reg[1] = (u8)(y + REG_XMM0);
    stub->reg[2] = (u8)(z + REG_XMM0);
    stub->back = asm_offset(&c->a);
}

void emit_fp_arith(struct compile *c, const struct ir_insn *insn)
{
    bool no_fma = insn->op == IR_FMADD && !(c->features & HOST_FEATURE_FMA);
    if (no_fma || rounding_of(c, insn) == ROUND_SOFT) {
        emit_fp_soft(c, insn);
        return;
    }
    struct rounding rounding = rounding_claim(c, insn);
    if (insn->op == IR_FMADD) {
        fused(c, insn, &rounding);
    } else {
        arith(c, insn, &rounding);
    }
}

/* --- minimum and maximum --- */

/* min(x, y) gives y when both are zeros, so that the two orders together know both signs: joined by
 * or, a minimum of zeros is -0 if either was; by and, a maximum is +0 if either was. */
void emit_fp_minmax(struct compile *c, const struct ir_insn *insn)
{
    bool wide = insn->type == IR_F64;
    bool minimum = insn->op == IR_FMIN;
    u32 op = ASM_OP(wide ? 0xf2 : 0xf3, minimum ? 0x0f5d : 0x0f5f);
    unsigned x = alloc_use_xmm(c, insn->a);
    unsigned y = alloc_use_xmm(c, insn->b);
    unsigned t = alloc_temp_xmm(c);
    unsigned dst = alloc_def_xmm_fresh(c);
    asm_rr(&c->a, wide ? ASM_OP(0x66, 0x0f2e) : 0x0f2e, ASM_32, x, y);
    u32 field = asm_jcc_forward(&c->a, ASM_P);
    struct stub *stub = soft_stub(c, insn, field, dst + REG_XMM0, x + REG_XMM0);
    stub->reg[1] = (u8)(y + REG_XMM0);
    move_xmm(c, dst, x);
    asm_rr(&c->a, op, ASM_32, dst, y);
    move_xmm(c, t, y);
    asm_rr(&c->a, op, ASM_32, t, x);
    asm_rr(&c->a, minimum ? 0x0f56 : 0x0f54, ASM_32, dst, t);
    stub->back = asm_offset(&c->a);
}

/* --- comparisons --- */

void emit_fp_compare(struct compile *c, const struct ir_insn *insn)
{
    enum { UCOMIS = 0x0f2e, COMIS = 0x0f2f };
    u32 prefix = insn->type == IR_F64 ? ASM_OP(0x66, 0) : 0;
    unsigned x = alloc_use_xmm(c, insn->a);
    unsigned y = alloc_use_xmm(c, insn->b);
    unsigned t = insn->sub == 0 ? alloc_temp(c) : 0;
    unsigned dst = alloc_def(c);
    c->values[c->at].flags |= VALUE_ZEXT;
    if (insn->sub == 0) {
        asm_rr(&c->a, prefix | UCOMIS, ASM_32, x, y);
        asm_setcc(&c->a, ASM_NP, t);
        asm_setcc(&c->a, ASM_E, dst);
        asm_alu_rr(&c->a, ASM_AND, ASM_32, dst, t);
    } else {
        asm_rr(&c->a, prefix | COMIS, ASM_32, y, x);
        asm_setcc(&c->a, insn->sub == 1 ? ASM_A : ASM_AE, dst);
    }
    asm_rr(&c->a, 0x0fb6, ASM_8, dst, dst);
}

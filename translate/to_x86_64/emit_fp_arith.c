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

void emit_fp_arith(struct compile *c, const struct ir_insn *insn)
{
    emit_fp_soft(c, insn);
}

void emit_fp_minmax(struct compile *c, const struct ir_insn *insn)
{
    emit_fp_soft(c, insn);
}

void emit_fp_compare(struct compile *c, const struct ir_insn *insn)
{
    emit_fp_soft(c, insn);
}

void emit_fp_convert(struct compile *c, const struct ir_insn *insn)
{
    emit_fp_soft(c, insn);
}

/* Environment calls, fences, trap returns, wfi, translation fences, cache-block operations.
 *
 * What the privilege alone makes illegal is known here, since privilege is in the block's mode;
 * what CSR bits forbid (TVM, TW, TSR, envcfg) the helpers find out. */
#include "translate/from_riscv64/lower.h"

#include "cpu/riscv64/csr_bits.h"

enum { REG_A0 = 10 };

static void call(struct lower *l, const struct helper *helper)
{
    ir_call(l->ir, helper, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
}

static void call_word(struct lower *l, const struct helper *helper, const struct riscv_insn *insn)
{
    ir_call(l->ir, helper, lower_word(l, insn), IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
}

void riscv64_lower_ecall(struct lower *l, const struct riscv_insn *insn)
{
    (void)insn;
    enum riscv_cause cause = (enum riscv_cause)(RISCV_CAUSE_ECALL_U + lower_privilege(l));
    lower_end_raise(l, cause, ir_i64(l->ir, 0));
}

void riscv64_lower_ebreak(struct lower *l, const struct riscv_insn *insn)
{
    (void)insn;
    if (l->answer != NULL) {
        lower_set_x(l, REG_A0, ir_i64(l->ir, *l->answer));
        lower_end_leave_next(l, true);
        return;
    }
    lower_end_raise(l, RISCV_CAUSE_BREAKPOINT, lower_pc_plus(l, 0));
}

/* --- fences --- */

/* fm values other than tso's are to be taken as a plain fence. */
void riscv64_lower_fence(struct lower *l, const struct riscv_insn *insn)
{
    ir_fence(l->ir, (unsigned)insn->imm & 0xff);
}

void riscv64_lower_fence_tso(struct lower *l, const struct riscv_insn *insn)
{
    (void)insn;
    ir_fence(l->ir, 0x23); /* reads before everything */
    ir_fence(l->ir, 0x11); /* writes before writes */
}

void riscv64_lower_fence_i(struct lower *l, const struct riscv_insn *insn)
{
    (void)insn;
    call(l, &riscv64_helper_fence_i);
    lower_end_jump(l, l->length_bytes); /* the way to a block that went is cut */
}

/* A spinning hart should notice what it waits for. */
void riscv64_lower_pause(struct lower *l, const struct riscv_insn *insn)
{
    (void)insn;
    call(l, &riscv64_helper_pause);
    lower_end_leave_next(l, true);
}

/* --- traps and waiting --- */

void riscv64_lower_mret(struct lower *l, const struct riscv_insn *insn)
{
    if (lower_privilege(l) != RISCV_M) {
        lower_end_illegal(l, insn);
        return;
    }
    ir_leave(l->ir,
             ir_call(l->ir, &riscv64_helper_mret, lower_word(l, insn), IR_REF_NONE, IR_REF_NONE,
                     IR_REF_NONE),
             true);
    l->ended = true;
}

void riscv64_lower_sret(struct lower *l, const struct riscv_insn *insn)
{
    if (lower_privilege(l) == RISCV_U) {
        lower_end_illegal(l, insn);
        return;
    }
    ir_leave(l->ir,
             ir_call(l->ir, &riscv64_helper_sret, lower_word(l, insn), IR_REF_NONE, IR_REF_NONE,
                     IR_REF_NONE),
             true);
    l->ended = true;
}

void riscv64_lower_wfi(struct lower *l, const struct riscv_insn *insn)
{
    if (lower_privilege(l) == RISCV_U) {
        lower_end_illegal(l, insn);
        return;
    }
    call_word(l, &riscv64_helper_wfi, insn);
    lower_end_leave_next(l, true);
}

void riscv64_lower_wrs(struct lower *l, const struct riscv_insn *insn)
{
    call_word(l, &riscv64_helper_wrs, insn);
    lower_end_leave_next(l, true);
}

/* --- translation fences --- */

static void fence_translations(struct lower *l, const struct riscv_insn *insn,
                               const struct helper *helper)
{
    if (lower_privilege(l) == RISCV_U) {
        lower_end_illegal(l, insn);
        return;
    }
    u64 named = (insn->rs1 != 0 ? 1u : 0u) | (insn->rs2 != 0 ? 2u : 0u);
    ir_call(l->ir, helper, lower_get_x(l, insn->rs1), lower_get_x(l, insn->rs2),
            ir_i64(l->ir, named), lower_word(l, insn));
    lower_end_leave_next(l, false);
}

void riscv64_lower_sfence_vma(struct lower *l, const struct riscv_insn *insn)
{
    fence_translations(l, insn, &riscv64_helper_sfence_vma);
}

void riscv64_lower_sinval_vma(struct lower *l, const struct riscv_insn *insn)
{
    fence_translations(l, insn, &riscv64_helper_sinval_vma);
}

/* sinval.vma already acts as a whole sfence.vma, so its two fences have nothing left to order. */
void riscv64_lower_sfence_w_inval(struct lower *l, const struct riscv_insn *insn)
{
    if (lower_privilege(l) == RISCV_U) {
        lower_end_illegal(l, insn);
    }
}

void riscv64_lower_sfence_inval_ir(struct lower *l, const struct riscv_insn *insn)
{
    if (lower_privilege(l) == RISCV_U) {
        lower_end_illegal(l, insn);
    }
}

/* --- cache blocks --- */

/* kind as in the instruction: 0 inval, 1 clean, 2 flush */
static void manage_block(struct lower *l, const struct riscv_insn *insn, unsigned kind)
{
    ir_call(l->ir, &riscv64_helper_cbo_clean_flush_inval, lower_get_x(l, insn->rs1),
            ir_i64(l->ir, kind), lower_word(l, insn), IR_REF_NONE);
}

void riscv64_lower_cbo_inval(struct lower *l, const struct riscv_insn *insn)
{
    manage_block(l, insn, 0);
}

void riscv64_lower_cbo_clean(struct lower *l, const struct riscv_insn *insn)
{
    manage_block(l, insn, 1);
}

void riscv64_lower_cbo_flush(struct lower *l, const struct riscv_insn *insn)
{
    manage_block(l, insn, 2);
}

static ir_ref get_csr(struct lower *l, size_t offset)
{
    return ir_get(l->ir, IR_I64, (u32)offset, 8);
}

/* Not 0 where cbo.zero is sure to be permitted. */
static ir_ref zeroing_permitted(struct lower *l)
{
    if (lower_privilege(l) == RISCV_M) {
        return ir_i64(l->ir, 1);
    }
    ir_ref bits = get_csr(l, offsetof(struct riscv64_state, menvcfg));
    if (lower_privilege(l) == RISCV_U) {
        ir_ref also = get_csr(l, offsetof(struct riscv64_state, senvcfg));
        bits = ir_op2(l->ir, IR_AND, IR_I64, 0, bits, also);
    }
    return ir_op2(l->ir, IR_AND, IR_I64, 0, bits, ir_i64(l->ir, ENVCFG_CBZE));
}

void riscv64_lower_cbo_zero(struct lower *l, const struct riscv_insn *insn)
{
    ir_call(l->ir, &riscv64_helper_cbo_zero, lower_get_x(l, insn->rs1), lower_word(l, insn),
            zeroing_permitted(l), IR_REF_NONE);
}

/* The interpreter's integer operations: each is what ir_eval.h says, on values of the run. */
#include "translate/ir/ir_eval.h"
#include "translate/ir/ir_interp.h"

/* `op` is a constant at every call, so one case of ir_eval_binary remains. */
static inline __attribute__((always_inline)) enum ir_exit
binary(struct interp *run, const struct ir_insn *insn, u64 *out, enum ir_op op)
{
    *out = ir_eval_binary(op, (enum ir_type)insn->type, run->values[insn->a],
                          run->values[insn->b]);
    return interp_next(run, insn, out);
}

static inline __attribute__((always_inline)) enum ir_exit
unary(struct interp *run, const struct ir_insn *insn, u64 *out, enum ir_op op)
{
    *out = ir_eval_unary(op, (enum ir_type)insn->type, insn->sub, run->values[insn->a]);
    return interp_next(run, insn, out);
}

enum ir_exit interp_ADD(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_ADD);
}

enum ir_exit interp_SUB(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_SUB);
}

enum ir_exit interp_MUL(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_MUL);
}

enum ir_exit interp_MULH_SS(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_MULH_SS);
}

enum ir_exit interp_MULH_SU(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_MULH_SU);
}

enum ir_exit interp_MULH_UU(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_MULH_UU);
}

enum ir_exit interp_DIV_S(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_DIV_S);
}

enum ir_exit interp_DIV_U(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_DIV_U);
}

enum ir_exit interp_REM_S(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_REM_S);
}

enum ir_exit interp_REM_U(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_REM_U);
}

enum ir_exit interp_AND(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_AND);
}

enum ir_exit interp_OR(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_OR);
}

enum ir_exit interp_XOR(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_XOR);
}

enum ir_exit interp_ANDN(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_ANDN);
}

enum ir_exit interp_SHL(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_SHL);
}

enum ir_exit interp_SHR(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_SHR);
}

enum ir_exit interp_SAR(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_SAR);
}

enum ir_exit interp_ROTR(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return binary(run, insn, out, IR_ROTR);
}

enum ir_exit interp_CLZ(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return unary(run, insn, out, IR_CLZ);
}

enum ir_exit interp_CTZ(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return unary(run, insn, out, IR_CTZ);
}

enum ir_exit interp_POPCNT(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return unary(run, insn, out, IR_POPCNT);
}

enum ir_exit interp_BSWAP(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return unary(run, insn, out, IR_BSWAP);
}

enum ir_exit interp_ORC_B(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return unary(run, insn, out, IR_ORC_B);
}

enum ir_exit interp_SEXT(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return unary(run, insn, out, IR_SEXT);
}

enum ir_exit interp_ZEXT(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return unary(run, insn, out, IR_ZEXT);
}

enum ir_exit interp_TRUNC(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return unary(run, insn, out, IR_TRUNC);
}

static inline bool cond_holds(const struct interp *run, const struct ir_insn *insn,
                              enum ir_type type)
{
    return ir_eval_cond((enum ir_cond)insn->sub, type, run->values[insn->a],
                        run->values[insn->b]);
}

enum ir_exit interp_SETCC(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = cond_holds(run, insn, (enum ir_type)insn->type);
    return interp_next(run, insn, out);
}

enum ir_exit interp_SELECT(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = run->values[cond_holds(run, insn, IR_I64) ? insn->c : insn->d];
    return interp_next(run, insn, out);
}

enum ir_exit interp_UNRETIRE(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    if (cond_holds(run, insn, IR_I64)) {
        run->entry_insns -= insn->imm;
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_EXIT_IF(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    if (cond_holds(run, insn, IR_I64)) {
        if (UNLIKELY(insn[-1].op == IR_PROBE_LEFT && !insn[-1].dead)) {
            interp_probe_left(run, insn - 1, 0);
        }
        return interp_JUMP(run, insn, out);
    }
    return interp_next(run, insn, out);
}

/* Inside the interpreter: one function per operation, each of which ends by calling the next one.
 *
 * Compilers turn that call into a jump, so a block is executed by indirect jumps alone; where they
 * do not (no optimisation), the depth is bounded by the length of a block. Values live in one array
 * indexed by ref; I32 and F32 values are kept zero-extended. */
#ifndef METIC_TRANSLATE_IR_INTERP_H
#define METIC_TRANSLATE_IR_INTERP_H

#include "translate/ir/ir.h"

struct interp {
    struct vcpu *vcpu;
    const struct ir_insn *insns;
    const struct ir_insn *current; /* INSN of the guest instruction being executed */
    u64 entry_insns;               /* vcpu->insns when the block was entered */
    s64 first_offset;              /* of the block's first guest instruction */
    u64 values[IR_MAX_INSNS];
};

typedef enum ir_exit interp_fn(struct interp *run, const struct ir_insn *insn, u64 *out);

/* Executes `insn`, whose value goes to *out, and what follows it. */
/* The EXIT_IF behind this PROBE_LEFT leaves. */
void interp_probe_left(struct interp *run, const struct ir_insn *insn, gva_t target);

#define IROP(name, text, args, result, props, doc) interp_fn interp_##name;
#include "translate/ir/ir.def"
#undef IROP

extern interp_fn *const interp_table[IR_OP_COUNT];

static inline __attribute__((always_inline)) enum ir_exit
interp_next(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    do {
        insn++;
        out++;
    } while (UNLIKELY(insn->dead));
    return interp_table[insn->op](run, insn, out);
}

/* Guest instructions of this run retired before the current one. */
static inline u64 interp_insns(const struct interp *run)
{
    return run->entry_insns + run->current->a;
}

/* Makes vcpu->pc and ->insns those of the current guest instruction: before anything that may raise
 * or look at them. */
static inline void interp_sync(struct interp *run)
{
    run->vcpu->pc = run->vcpu->pc_page + run->current->imm;
    run->vcpu->insns = interp_insns(run);
}

static inline u8 *interp_state(const struct interp *run, const struct ir_insn *insn)
{
    return (u8 *)run->vcpu + insn->imm;
}

#endif

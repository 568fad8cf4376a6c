/* Traces: values of which only the lower half is needed.
 *
 * RV64 keeps words sign-extended: each addw, sllw and so on extends its result. Where all that
 * comes of it are other words, by way of sums, products, masks and shifts to the left, whose lower
 * halves do not depend on upper ones, the extension is left out (emit_extend), and the upper half
 * of the register is anything. A SET needs the whole value, unless no way out is there to see it
 * (sink.c). */
#include "translate/to_x86_64/compile.h"

/* Whether the mask of a conjunction is a word without sign. */
static bool masks_half(const struct compile *c, const struct ir_insn *insn)
{
    const struct ir_insn *mask = &c->ir->insns[insn->b];
    return mask->op == IR_CONST && mask->imm <= UINT32_MAX;
}

/* How many of the operands' upper halves do not show in what is needed of the result: those before
 * that number. */
static unsigned hides(const struct compile *c, const struct ir_insn *insn, unsigned i)
{
    switch (insn->op) {
    case IR_TRUNC: case IR_SEXT: case IR_ZEXT: return 1;
    case IR_AND: return !c->whole[i] || masks_half(c, insn) ? 2 : 0;
    case IR_ADD: case IR_SUB: case IR_MUL: case IR_OR: case IR_XOR: case IR_ANDN: case IR_SHL:
        return c->whole[i] ? 0 : 2;
    case IR_SET: return insn->sub <= 4 || (c->sinking && c->sinks[i] == i + 1);
    default: return 0;
    }
}

static bool stores_half(const struct ir_insn *insn)
{
    return insn->op == IR_STORE && (insn->sub & IR_MEM_SIZE_MASK) != IR_MEM_64;
}

void narrow_find(struct compile *c)
{
    memset(c->whole, 0, c->ir->count);
    for (unsigned i = c->ir->count; i-- > 0;) {
        const struct ir_insn *insn = &c->ir->insns[i];
        const ir_ref refs[4] = {insn->a, insn->b, insn->c, insn->d};
        unsigned count = insn->dead ? 0 : ir_op_info[insn->op].args;
        for (unsigned n = count == 0 ? 0 : hides(c, insn, i); n < count; n++) {
            if (refs[n] < i && !(n == 2 && stores_half(insn))) {
                c->whole[refs[n]] = true;
            }
        }
    }
}

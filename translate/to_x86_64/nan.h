/* NaNs of arithmetic, made canonical late (nan.c). A part of compile.h, whose users include it. */
#ifndef METIC_TRANSLATE_TO_X86_64_NAN_H
#define METIC_TRANSLATE_TO_X86_64_NAN_H

#include "translate/to_x86_64/compile.h"

/* The result of the current instruction may be a NaN that is not canonical. */
void nan_defer(struct compile *c);
/* At the start of an instruction that shows the value's bits: makes a NaN canonical. */
void nan_settle(struct compile *c, ir_ref ref);
/* Before every instruction when something waits: if it may look at that. */
void nan_before(struct compile *c, const struct ir_insn *insn);
/* Around the write of a SET that nan_sees: of a value that is unchecked, or while one waits. */
void nan_before_set(struct compile *c, const struct ir_insn *insn);
void nan_after_set(struct compile *c, const struct ir_insn *insn);
static inline bool nan_sees(const struct compile *c, const struct ir_insn *set)
{
    return c->nan_wait.root != IR_REF_NONE ||
           (c->values[c->values[set->a].root].flags & VALUE_UNCHECKED) != 0;
}
/* Code for a way out: a NaN in XMM register `xmm` becomes canonical. Changes the flags. */
void nan_fix(const struct compile *c, struct asm_buf *a, unsigned type, unsigned xmm);

#endif

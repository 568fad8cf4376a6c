/* Between ir.c and ir_fold.c: how an instruction is simplified before it is appended. */
#ifndef METIC_TRANSLATE_IR_FOLD_H
#define METIC_TRANSLATE_IR_FOLD_H

#include "translate/ir/ir.h"

/* A value that equals what `insn` would compute (perhaps of instructions it appended), or
 * IR_REF_NONE: then `insn`, perhaps with other operands of the same meaning, must be appended.
 * Only for value operations (ir_op1, ir_op2, ir_select, ir_setcc, ir_fp). */
ir_ref ir_fold(struct ir *ir, struct ir_insn *insn);

enum ir_branch { IR_BRANCH_NEVER, IR_BRANCH_DEPENDS };

/* Simplifies the condition of an EXIT_IF in place. */
enum ir_branch ir_fold_branch(struct ir *ir, struct ir_insn *insn);

#endif

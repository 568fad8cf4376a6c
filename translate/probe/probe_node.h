/* Between probe_instrument.c, which makes nodes of a path, and probe_node.c. */
#ifndef METIC_TRANSLATE_PROBE_NODE_H
#define METIC_TRANSLATE_PROBE_NODE_H

#include "translate/probe/probe.h"

/* The operation as an enum probe_op; 0: it is none. */
unsigned probe_node_op_of(const struct ir_insn *insn);
/* Whether its last operand is the rounding mode, which the IR's operation does not have as one. */
static inline bool probe_node_rounds(unsigned op)
{
    return op >= PROBE_OP_FADD && op <= PROBE_OP_FMADD;
}

#endif

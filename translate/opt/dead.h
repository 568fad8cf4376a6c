/* Marks what a block computes for nothing.
 *
 * Requires a complete block. Sets `dead` on value operations nobody uses and on SETs that a later
 * SET overwrites before anything could look; leaves everything else as it is. Operations that set
 * floating-point flags (IR_E) and guest memory accesses always stay. One backward walk. */
#ifndef METIC_TRANSLATE_OPT_DEAD_H
#define METIC_TRANSLATE_OPT_DEAD_H

#include "translate/ir/ir.h"

void opt_dead(struct ir *ir);

#endif

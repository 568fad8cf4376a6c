/* PROBE_EDGES: indirect jumps that led to more targets than their ways have places (probe.h), and
 * where. Code that is made of them later, above all the traces of hot loops, has wide ways.
 *
 * The engine's lock is held by who calls. */
#ifndef METIC_TRANSLATE_PROBE_JUMP_H
#define METIC_TRANSLATE_PROBE_JUMP_H

#include "cpu/base/types.h"

struct probe_jumps;

/* NULL: no memory. */
struct probe_jumps *probe_jumps_new(void);
/* NULL allowed. */
void probe_jumps_free(struct probe_jumps *jumps);
/* The jump at `pc` led there, to the first of them often and by a way that has no place for it.
 * True when its code is to be made anew. */
bool probe_jump_missed(struct probe_jumps *jumps, gva_t pc, const gva_t *targets, unsigned count);
/* The targets of the jump at `pc`, PROBE_WIDE_PLACES at most, in the order in which they were
 * noted; *count 0: not known. They stay where they are, and others may come behind them. */
const gva_t *probe_jump_targets(const struct probe_jumps *jumps, gva_t pc, unsigned *count);

#endif

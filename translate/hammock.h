/* Hammocks: branches forward over a few instructions that only compute, as compilers make them of
 * minima, of sums modulo something, of counts of what fulfils a condition.
 *
 * Where such a branch goes both ways, no way round its loop is the usual one, and the host guesses
 * wrongly every few rounds. So in a trace it is no branch: both ways are lowered as one, what the
 * instructions write is selected (ir_skip_begin), and they are taken back from those retired where
 * they would have been passed over. Nothing of a hammock can raise, or be looked at in between. */
#ifndef METIC_TRANSLATE_HAMMOCK_H
#define METIC_TRANSLATE_HAMMOCK_H

#include "translate/tier2.h"

/* Finds the hammocks of a recorded path whose branches went both ways, and makes the runs before
 * and behind each of them one, which is the same whichever way it went: it has the instructions
 * passed over, too. Changes runs and *count. */
void hammock_join(struct vcpu *vcpu, struct tier2_run *runs, unsigned *count,
                  struct tier2_hammocks *found);
/* The code at `pc` up to the end of its page; NULL when it cannot be looked at. */
const u8 *hammock_code_at(struct vcpu *vcpu, gva_t pc, unsigned *bytes);
bool hammock_is_at(const struct tier2_hammocks *hammocks, gva_t pc);

#endif

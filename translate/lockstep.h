/* --engine both: every block runs first in the interpreter, then in translated code, from the same
 * state, and the results are compared. At the first difference it prints both states, the IR and
 * the host code, and ends the process.
 *
 * The interpreter's stores go to memory and are undone; its device accesses are recorded and played
 * back to the second run. One hart at a time may run: the machine uses the virtual clock's
 * interleaving. Not undone: accessed and dirty bits that page walks set (setting them again changes
 * nothing) and what devices wrote to memory while a block touched them. */
#ifndef METIC_TRANSLATE_LOCKSTEP_H
#define METIC_TRANSLATE_LOCKSTEP_H

#include "translate/engine.h"

struct lockstep;

/* NULL when the host has no memory. */
struct lockstep *lockstep_new(struct engine *engine);
void lockstep_free(struct lockstep *lockstep); /* NULL allowed */
enum ir_exit lockstep_run(struct lockstep *lockstep, struct vcpu *vcpu, struct block *block);

/* Called by every C path that is about to store to RAM for a hart. `lockstep` may be NULL. */
void lockstep_note_store(struct lockstep *lockstep, u8 *host, unsigned size_bytes);

/* A flash changed its mode: what the interpreter read before and after cannot be replayed, so the
 * block is not compared. Nothing happens when `lockstep` is NULL. */
void lockstep_note_map_change(struct lockstep *lockstep);

#endif

/* What tier 0 has run of code that is watched, while nothing but blocks or ways is told and no
 * events: a piece is told when it has run, as words of its own, and becomes units and a path when
 * somebody looks: a consumer (probe_path.c), or, when something is counted, the hart itself, many
 * pieces at a time. */
#ifndef METIC_TRANSLATE_PROBE_PIECE_H
#define METIC_TRANSLATE_PROBE_PIECE_H

#include "translate/probe/probe_direct.h"
#include "translate/probe/probe_private.h"

/* In place of an event's kind. */
enum { PROBE_PIECE = 0xff };
_Static_assert((int)VCPU_EVENT_COUNT <= (int)PROBE_PIECE, "no event is a piece");

enum probe_piece_end { PROBE_PIECE_RAISED, PROBE_PIECE_DIRECT, PROBE_PIECE_INDIRECT };

/* On the hart's thread: `done` instructions of it are retired, and control went to `target`, or
 * there was an exception. */
void probe_piece_tell(struct probe_direct *direct, unsigned done, enum probe_piece_end end,
                      gva_t target);

/* The first word that a block like the piece at `words` would have written, and how far it came.
 * Takes the engine's lock. */
u64 probe_piece_head(struct probe *probe, const u64 *words, unsigned *done);

/* PROBE_COUNTERS: counts what the hart has told since. Takes the engine's lock. */
void probe_pieces_count(struct vcpu *vcpu);

#endif

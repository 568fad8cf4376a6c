/* Registers that the fast body of a trace has of its own: own.c, own_float.c. A part of compile.h,
 * whose users include that. */
#ifndef METIC_TRANSLATE_TO_X86_64_OWN_H
#define METIC_TRANSLATE_TO_X86_64_OWN_H

#include "translate/to_x86_64/compile.h"

/* --- own.c --- */
/* Chooses registers of the fast body; after hoist_find. */
void own_find(struct compile *c);
/* Whether c->ir does nothing that registers of its own stand in the way of. */
bool own_fits(struct compile *c);
/* Only what leaves the state struct alone but for GET and SET, or all but vectors. */
bool own_is_plain(const struct ir_insn *insn);
/* Where the trace is entered, and before every way out of the fast body: own_leave; or, where
 * something waits, own_float_store, sink_fix and own_leave_pins. */
void own_enter(struct compile *c);
void own_leave(struct compile *c, struct asm_buf *a);
void own_leave_pins(struct compile *c, struct asm_buf *a);
/* Whether the stream's end is in memory, not in x86_probe_reg. */
bool own_parks_probe(const struct compile *c);

/* --- own_float.c --- */
/* Chooses c->floats, when it is known which writes wait (sink.c). */
void own_float_choose(struct compile *c);
/* Whether a way, prepared, does nothing that they stand in the way of. */
bool own_float_fits(const struct compile *c);
/* At the entry; before the state struct is looked at, flags are lost; behind that, in the slow
 * body. */
void own_float_enter(struct compile *c);
void own_float_store(const struct compile *c, struct asm_buf *a);
void own_float_begin_slow(struct compile *c);
/* The number of the one for guest state at `offset`, or OWN_FLOATS_NONE; and GET and SET of it. */
unsigned own_float_search(const struct compile *c, u32 offset);
static inline unsigned own_float_find(const struct compile *c, u32 offset)
{
    return LIKELY(c->float_count == 0) ? (unsigned)OWN_FLOATS_NONE : own_float_search(c, offset);
}
void own_float_get(struct compile *c, unsigned n);
void own_float_set(struct compile *c, const struct ir_insn *insn, unsigned n);
/* A way out into another part of the fast body: whether they can take what these fixes say, and
 * the fix of one. */
bool own_float_takes(const struct compile *c, unsigned first, unsigned count);
void own_float_fix(const struct compile *c, struct asm_buf *a, const struct fix *fix, unsigned n);

#endif

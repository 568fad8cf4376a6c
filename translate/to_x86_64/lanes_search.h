/* Between lanes.c, lanes_pack.c and lanes_store.c: a sum, or stores, being looked at. */
#ifndef METIC_TRANSLATE_TO_X86_64_LANES_SEARCH_H
#define METIC_TRANSLATE_TO_X86_64_LANES_SEARCH_H

#include "translate/to_x86_64/compile.h"

enum { TERMS_MAX = 32, LANES_LEAST = 4 };

_Static_assert(TERMS_MAX / LANES_LEAST <= LANES_MAX, "a sum has room for the terms of a round");

struct search {
    struct compile *c;
    struct sum sum; /* being looked at */
    unsigned lane_count;
    u16 terms[TERMS_MAX]; /* the first one last */
    u16 chain[TERMS_MAX]; /* and the operations that add them */
    unsigned term_count;
    unsigned slot_count;
    unsigned first_load, last_load;
    bool needed[IR_MAX_INSNS]; /* by others than members */
};

static inline const struct ir_insn *insn_at(const struct search *s, unsigned ref)
{
    return &s->c->ir->insns[ref];
}

/* The pack that has those values, or of them what lanes of `bits` hold; a new one is the sum's
 * last. NO_PACK: there is none. */
unsigned pack_of(struct search *s, const u16 *refs, unsigned bits);

/* --- lanes.c --- */
/* Gives each pack one of so many registers until the last one that needs it; false: too few. The
 * first one is none of theirs. */
bool lanes_give_registers(struct search *s, unsigned count);
/* Where all is computed, before anything but a lane of the last round: at the last check. */
bool lanes_find_place(struct search *s);
/* Says of all members that they are, or, when nothing comes of it, that they are none. */
void lanes_mark_members(const struct search *s, bool are);
/* Which values others need. */
void lanes_mark_needed(struct search *s);
/* Whether two vectors may load the same bytes, which another hart could change in between. */
bool lanes_load_twice(const struct search *s);
/* How many operations of the host a pack takes. */
unsigned lanes_cost_of(const struct search *s, const struct pack *pack);
/* What was looked at is done in vectors: the trace has its sum, packs and slots from now on. */
void lanes_keep_sum(const struct search *s);

/* --- lanes_store.c --- */
/* Tries the stores of several rounds of which that is the first. */
bool lanes_try_stores(struct search *s, unsigned first);

#endif

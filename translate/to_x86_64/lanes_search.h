/* Between lanes.c and lanes_pack.c: a sum that is being looked at. */
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

#endif

/* Vector moves that stand for stores of a trace's fast body (wide.c). */
#ifndef METIC_TRANSLATE_TO_X86_64_WIDE_H
#define METIC_TRANSLATE_TO_X86_64_WIDE_H

#include "translate/ir/ir.h"

struct compile;

/* One: `bytes` at a distance from the register of group `to` (hoist.c), copied from near that of
 * `from`, or filled with the value of the store at `at`. */
struct wide {
    u16 at;      /* index of the store in whose place it is */
    u16 bytes;
    bool copies;
    u8 to, from; /* numbers of the groups */
    s32 to_first, from_first;
};

enum { WIDES_MAX = 64, WIDE_DROPPED = 0xff };

struct wides {
    bool may;            /* a fast body with groups, where nothing else uses vector registers */
    struct wide all[WIDES_MAX];
    unsigned count;
    u8 of[IR_MAX_INSNS]; /* of a store, if there are any: number + 1, WIDE_DROPPED, or 0 */
    u16 fill;            /* the value that the register for fills has, of that size; IR_REF_NONE */
    u8 fill_size;
};

/* Finds those of the fast body; after sink_find. */
void wide_find(struct compile *c);
/* In the fast body, of a store: whether it is done otherwise; so that nothing is left to be done;
 * by a move of what is loaded. */
bool wide_has(const struct compile *c, unsigned index);
bool wide_drops(const struct compile *c, unsigned index);
bool wide_copies(const struct compile *c, unsigned index);
/* In place of the current store. */
void emit_wide(struct compile *c);

#endif

/* Look-ups in tables, which traces check where they are entered (table.c). */
#ifndef METIC_TRANSLATE_TO_X86_64_TABLE_H
#define METIC_TRANSLATE_TO_X86_64_TABLE_H

#include "translate/to_x86_64/compile.h"

/* A load at value `base`, what a guest register holds that the trace never writes, +
 * (index << shift) + disp. */
struct table_place {
    ir_ref base, index;
    unsigned shift;
    u64 disp;
};
/* Bytes [first, end) from `base` are all that it may touch. */
struct table_range {
    ir_ref base;
    s64 first, end;
};
bool table_place_of(const struct compile *c, const struct ir_insn *load, struct table_place *place);
/* Whether instruction `i` looks something up in a table. */
bool table_find(const struct compile *c, unsigned i, struct table_range *range);
/* Whether the table, which has no members yet or the same base, can have that range, too. */
bool table_fits(const struct compile *c, const struct hoist *hoist,
                const struct table_range *range);
/* Where the trace is entered: the checks of its tables. */
void table_enter(struct compile *c);

#endif

/* Groups of vector elements that the fast body of a trace keeps in registers (emit_vector_keep.c),
 * and rounds that it does at once (emit_vector_rounds.c). */
#ifndef METIC_TRANSLATE_TO_X86_64_KEPT_H
#define METIC_TRANSLATE_TO_X86_64_KEPT_H

#include "translate/ir/ir_vector.h"
#include "translate/to_x86_64/asm.h"

struct compile;
struct fix;

/* A chunk of guest vectors that a register has. */
struct kept_vector {
    u32 offset;
    u8 bytes;   /* 0: nothing */
    u8 at;      /* which byte of the register is its first one */
    bool dirty; /* the guest's state is not up to date */
};
enum { KEPT_VECTORS = 12 };

struct vec_rounds {
    unsigned merged; /* so many rounds become one; 1: none do */
    unsigned period; /* VECTORs of a round, */
    unsigned done;   /*   and of this body so far */
};

/* Everything kept goes to the guest's state. */
void vec_keep_flush(struct compile *c);
/* Whether the operation goes from kept registers to such ones: then it never leaves. */
bool vec_keep_is_sure(const struct compile *c, const struct ir_vector *v);
/* What a way out here must store, at most KEPT_VECTORS; and storing one of these. */
unsigned vec_keep_fixes(const struct compile *c, struct fix *fixes);
void vec_keep_fix(struct asm_buf *a, const struct fix *fix);
/* Finds c->rounds; after hoist_find_exits and lanes_find. */
void vec_rounds_find(struct compile *c);

#endif

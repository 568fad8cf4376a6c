/* One-block loops: what is kept from one round to the next (loop.c). A part of compile.h, whose
 * users include that. */
#ifndef METIC_TRANSLATE_TO_X86_64_LOOP_H
#define METIC_TRANSLATE_TO_X86_64_LOOP_H

#include "translate/to_x86_64/compile.h"

/* Marks what comes from memory that the block loads: VALUE_FROM_MEMORY. */
void loop_mark(struct compile *c);
/* A name for where accesses with that base walk. */
u32 loop_walker(const struct compile *c, ir_ref base);
/* Which permission a load or store checks. */
bool loop_writes(const struct compile *c, const struct ir_insn *insn);
/* Finds c->sites and c->carried of a block that jumps to its own start; empties them otherwise. */
void loop_find(struct compile *c);
/* Finds more sites for a way of it. */
void loop_find_more(struct compile *c);
/* Whether the address comes from memory in the same loop, so that its site may be wrong often. */
bool loop_guesses(const struct compile *c, const struct ir_insn *insn);
/* The site of the instruction, or of the group of which it is the first; or SITES_MAX. */
unsigned loop_site(const struct compile *c, unsigned at);
/* The first that the block does, once: makes every site forget that accesses read, which is known
 * when all code is there. */
void loop_enter(struct compile *c);
void loop_end(struct compile *c);
/* Loads carried state, before the place where rounds begin, or anew. */
void loop_carry(struct compile *c);
/* The XMM register (allocator's number) that carries guest state at `offset`, or NO_REG. */
unsigned loop_carrier(const struct compile *c, u32 offset, unsigned bytes);
/* The one that has what all 8 bytes at `offset` are as an F64, or an F32, or NO_REG. */
unsigned loop_carrier_of(const struct compile *c, u32 offset, enum ir_type type);
/* Loads one of them. */
void loop_load_carrier(struct compile *c, unsigned carrier);

static inline struct asm_mem site_tag_at(unsigned site)
{
    return asm_at(RSP, (s32)(FRAME_SITES + 16 * site));
}

/* The same for an access that looks at it. */
static inline struct asm_mem site_tag_read(struct compile *c, unsigned site)
{
    c->sites_read |= 1u << site;
    return site_tag_at(site);
}

static inline struct asm_mem site_addend_at(unsigned site)
{
    return asm_at(RSP, (s32)(FRAME_SITES + 16 * site + 8));
}

#endif

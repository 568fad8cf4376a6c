/* Between the files of the register allocator; its users include compile.h only. */
#ifndef METIC_TRANSLATE_TO_X86_64_ALLOC_H
#define METIC_TRANSLATE_TO_X86_64_ALLOC_H

#include "translate/to_x86_64/compile.h"

static inline u32 alloc_bit(unsigned reg)
{
    return (u32)1 << reg;
}

static inline bool alloc_used_from(const struct compile *c, unsigned reg, unsigned index)
{
    u16 ref = c->reg_value[reg];
    return ref != IR_REF_NONE && c->values[ref].last_use >= index;
}

/* An addend is kept in that register no longer. */
void alloc_lose_kept(struct compile *c, unsigned reg);

/* The register gets other contents than the allocator knew of. */
static inline void alloc_unbind(struct compile *c, unsigned reg)
{
    if (UNLIKELY(c->kept_regs >> reg & 1)) {
        alloc_lose_kept(c, reg);
    }
    if (c->fast) {
        hoist_lose(c, reg);
    }
    u16 ref = c->reg_value[reg];
    if (ref != IR_REF_NONE) {
        c->values[ref].reg = NO_REG;
        c->reg_value[reg] = IR_REF_NONE;
    }
}

static inline void alloc_bind(struct compile *c, unsigned ref, unsigned reg)
{
    struct value *value = &c->values[ref];
    alloc_unbind(c, reg);
    if (value->reg != NO_REG) {
        c->reg_value[value->reg] = IR_REF_NONE;
    }
    value->reg = (u8)reg;
    c->reg_value[reg] = (u16)ref;
}

/* Emits code that puts the value into `to`, from wherever it is; binds nothing. */
void alloc_load_root(struct compile *c, unsigned root, unsigned to);
/* The bits of a constant. */
u64 alloc_const_bits(const struct compile *c, unsigned root);
/* Makes sure that the value in `reg` is somewhere in memory too. */
void alloc_spill(struct compile *c, unsigned reg);
/* A temporary or XMM register, emptied and locked. */
unsigned alloc_take_any(struct compile *c, bool xmm);

#endif

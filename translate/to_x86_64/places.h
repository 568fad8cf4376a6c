/* Where values are: registers, constants, homes in guest state, frame slots. A part of compile.h,
 * whose users include that. */
#ifndef METIC_TRANSLATE_TO_X86_64_PLACES_H
#define METIC_TRANSLATE_TO_X86_64_PLACES_H

#include "translate/to_x86_64/compile.h"

/* narrow.c: finds c->whole of a trace's body; after sink_find. */
void narrow_find(struct compile *c);

/* --- alloc.c: registers. An `alloc_use` or `alloc_temp` register stays put until the instruction
 *     ends; results are claimed after the uses. --- */
void alloc_begin(struct compile *c);
/* An integer value in a general register. */
unsigned alloc_use_loaded(struct compile *c, ir_ref ref);
static inline unsigned alloc_use(struct compile *c, ir_ref ref)
{
    unsigned reg = c->values[c->values[ref].root].reg;
    if (UNLIKELY(reg >= REG_XMM0 || (c->values[ref].flags & VALUE_BOXED))) {
        return alloc_use_loaded(c, ref);
    }
    c->locked |= (u32)1 << reg;
    return reg;
}
/* A copy of the value in that very register, which the instruction may then overwrite. */
void alloc_use_in(struct compile *c, ir_ref ref, unsigned reg);
/* Any value in an XMM register. */
unsigned alloc_use_xmm(struct compile *c, ir_ref ref);
/* A scratch register of the current instruction. */
unsigned alloc_temp(struct compile *c);
/* A general temporary that holds nothing needed now or later, is not locked and none of `except`
 * (a mask); NO_REG: none. */
unsigned alloc_idle_temp(const struct compile *c, u32 except);
unsigned alloc_temp_xmm(struct compile *c);
/* True when a register for values alone is free (own.c). */
bool alloc_has_extra(const struct compile *c);
/* Makes that register free for the current instruction, moving what is in it. */
void alloc_take(struct compile *c, unsigned reg);
/* The register for the result of the current instruction: the hinted one, one of an operand that
 * dies here, or a new one; may be the same as an operand's. */
unsigned alloc_def(struct compile *c);
/* The same, but never one of the current operands' registers. */
unsigned alloc_def_fresh(struct compile *c);
unsigned alloc_def_xmm(struct compile *c);
unsigned alloc_def_xmm_fresh(struct compile *c);
/* The result was computed into `reg`, which the caller had claimed as a temporary; moves it to the
 * hinted register if there is one. */
void alloc_def_in(struct compile *c, unsigned reg);
/* The result is the operand, read differently. */
void alloc_rename(struct compile *c, ir_ref operand);
/* Gives up the register of every value that lives on, so that a C call may clobber it: all
 * temporaries and XMM registers. */
void alloc_spill_for_call(struct compile *c);
/* The same for values in pinned registers, before a call that changes them. */
void alloc_spill_pins(struct compile *c);
/* What was in these registers (a mask) is gone; live values were spilled before. */
void alloc_drop(struct compile *c, u32 regs);
/* The current instruction's value is guest state that the register holds, and lives there until it
 * is overwritten. */
void alloc_get_register(struct compile *c, unsigned reg);
/* Addends that are kept: the register of one, made `reg`; one is kept no longer; none is. */
void alloc_keep(struct compile *c, struct kept *kept, unsigned reg);
void alloc_unkeep(struct compile *c, struct kept *kept);
void alloc_keep_none(struct compile *c);
/* Emits code that puts the value into `reg`, from wherever it is, and records nothing. */
void alloc_load(struct compile *c, ir_ref ref, unsigned reg);
/* Makes the register the NaN box of the F32 in its low half; changes the flags. */
void alloc_box(struct compile *c, unsigned reg);
/* Values that live only in guest state get a place of their own. */
void alloc_forget_homes(struct compile *c);
/* Guest state [offset, offset + bytes), in at most two words, is about to be overwritten. */
void alloc_home_lost(struct compile *c, u32 offset, unsigned bytes);
/* Its bits of c->home_words. */
static inline u64 alloc_home_words(u32 offset, unsigned bytes)
{
    return (u64)1 << offset / 8 % 64 | (u64)1 << (offset + bytes - 1) / 8 % 64;
}
static inline void alloc_home_killed(struct compile *c, u32 offset, unsigned bytes)
{
    if (c->home_words & alloc_home_words(offset, bytes)) {
        alloc_home_lost(c, offset, bytes);
    }
}
/* The value needs another place than its home: a register if one is to be had. */
void alloc_leave_home(struct compile *c, unsigned root);
void alloc_add_home(struct compile *c, ir_ref ref, u32 offset, unsigned bytes);
/* Pinned register `pin` is about to be overwritten: its present value moves if it lives on. */
void alloc_evict(struct compile *c, unsigned reg);
/* True when an XMM register holds a value that is still needed after the current instruction, or
 * is used by it. */
bool alloc_xmm_live(const struct compile *c);
/* True, with the operand, when the value can be a memory operand: its home, not needed later. */
bool alloc_fold(struct compile *c, ir_ref ref, unsigned bytes, struct asm_mem *mem);
/* True, with the value, for a constant; sign-extended from 32 bits for type I32. */
static inline bool value_const(const struct compile *c, ir_ref ref, s64 *value)
{
    unsigned root = c->values[ref].root;
    if (!(c->values[root].flags & VALUE_CONST) || (c->values[ref].flags & VALUE_BOXED)) {
        return false;
    }
    u64 bits = c->ir->insns[root].imm;
    *value = c->ir->insns[ref].type == IR_I32 ? (s64)(s32)bits : (s64)bits;
    return true;
}

static inline bool value_const_s32(const struct compile *c, ir_ref ref, unsigned type, s32 *value)
{
    s64 wide;
    if (!value_const(c, ref, &wide)) {
        return false;
    }
    *value = (s32)wide;
    return type == IR_I32 || asm_fits_s32(wide);
}

static inline bool value_dies(const struct compile *c, ir_ref ref)
{
    return c->values[c->values[ref].root].last_use <= c->at;
}

#endif

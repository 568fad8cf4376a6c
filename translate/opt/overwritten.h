/* Which guest state is written again, as a walk backwards over a block's IR learns it.
 *
 * A write to guest state is dead when every byte of it is written again later with nothing in
 * between that reads the state or leaves the block. Which bytes those are is kept per 8-byte word
 * in a small direct-mapped table; a word that lost its slot to another counts as not
 * overwritten. */
#ifndef METIC_TRANSLATE_OPT_OVERWRITTEN_H
#define METIC_TRANSLATE_OPT_OVERWRITTEN_H

#include "translate/ir/ir.h"
#include <string.h>

enum { OVERWRITTEN_WORDS = 128 };

/* Begins as zeros, or with epoch 0; then serves any number of walks. */
struct overwritten {
    u16 epoch; /* advanced where everything must be exact */
    struct overwritten_word {
        u32 word;  /* state offset / 8 */
        u16 epoch; /* valid when it is the walk's */
        u8 bytes;  /* one bit each */
    } words[OVERWRITTEN_WORDS];
};

/* Before each walk: of what comes after the block nothing is known. */
static inline void overwritten_begin(struct overwritten *o)
{
    if (o->epoch == 0 || o->epoch > UINT16_MAX - IR_MAX_INSNS - 1) {
        memset(o, 0, sizeof(*o));
    }
    o->epoch++;
}

/* At what may look at the state, or leave; at most once for each instruction. */
static inline void overwritten_nothing(struct overwritten *o)
{
    o->epoch++;
}

/* Of the bytes (one bit each) of a word; true when all of them are overwritten. Afterwards they
 * are, for a write, and are not, for a read. */
static ALWAYS_INLINE bool overwritten_word(struct overwritten *o, u32 word, unsigned bytes,
                                           bool write)
{
    struct overwritten_word *slot = &o->words[word % OVERWRITTEN_WORDS];
    unsigned known = slot->word == word && slot->epoch == o->epoch ? slot->bytes : 0u;
    slot->word = word;
    slot->epoch = o->epoch;
    slot->bytes = (u8)(write ? known | bytes : known & ~bytes);
    return (known & bytes) == bytes;
}

/* The same of [imm, imm + sub), which lies in at most two words. */
static inline bool overwritten_part(struct overwritten *o, const struct ir_insn *insn, bool write)
{
    u32 offset = (u32)insn->imm;
    unsigned bytes = ((1u << insn->sub) - 1) << (offset % 8);
    bool covered = (bytes & 0xff) == 0 || overwritten_word(o, offset / 8, bytes & 0xff, write);
    if (bytes >> 8 != 0) {
        covered &= overwritten_word(o, offset / 8 + 1, bytes >> 8, write);
    }
    return covered;
}

/* Of a GET or SET, in the walk: true for a SET that writes nothing anybody sees. */
static ALWAYS_INLINE bool overwritten_by_later(struct overwritten *o, const struct ir_insn *insn)
{
    u32 offset = (u32)insn->imm;
    bool write = insn->op == IR_SET;
    bool covered = LIKELY(insn->sub == 8 && offset % 8 == 0)
                       ? overwritten_word(o, offset / 8, 0xff, write)
                       : overwritten_part(o, insn, write);
    return covered && write;
}

#endif

/* Rounds of a trace's loop that compute the same become lanes of vectors: lanes.c, emit_lanes.c. */
#ifndef METIC_TRANSLATE_TO_X86_64_LANES_H
#define METIC_TRANSLATE_TO_X86_64_LANES_H

#include "translate/ir/ir.h"

struct compile;

enum { LANES_MAX = 8, PACKS_MAX = 48, PACK_REGS = 9, SUMS_MAX = 8, LANE_SLOTS = 8, NO_PACK = 0xff };
enum { LANE_SLOT_BYTES = 32, APARTS_MAX = 8 };

/* A vector: one value of each round. */
struct pack {
    enum pack_kind {
        PACK_OP,    /* an operation of one or two packs; of one and the constant `imm` in shifts */
        PACK_SAME,  /* a value that all rounds use */
        PACK_LOAD,  /* loaded from places one behind the other, */
        PACK_APART, /*   or apart from each other */
    } kind;
    u8 count;      /* of lanes, 4 or 8, */
    u8 bits;       /*   of 32 or 64 bits each */
    u8 op, imm;    /* enum ir_op; SEXT and ZEXT: from lanes of 32 to lanes of 64 bits; TRUNC: pack
                      `a`, read otherwise */
    u8 a, b;       /* numbers of packs */
    u8 reg;        /* which of the sum's registers; NO_PACK: that of `a` */
    u8 slot;       /* of the frame, for lanes that others need; NO_PACK */
    bool low_only; /* lanes of 32 bits of values of 64: the upper halves are not known */
    bool is_float;
    bool is_word;  /* lanes of 64 bits are sign-extended from 32 */
    u16 refs[LANES_MAX];
};

/* What a register sums up over the rounds: `root` is `before` plus all lanes of a pack. Or what the
 * rounds store (lanes_store.c): then root is IR_REF_NONE. */
struct sum {
    u16 root, before;
    u16 store;     /* index of the one at the lowest address */
    u16 at;        /* index of a hoisted check, in whose place all vectors are computed */
    u8 first, end; /* packs that this one has */
    u8 reg_count;  /* registers that they have */
    u8 slot;       /* of the frame, for the lanes' sum */
    u8 terms[LANES_MAX], term_count; /* packs: their sum, lane by lane, is to be summed up; the one
                                        that is stored */
};

/* Stores near the base of hoisted group `to` and loads near that of `from` may change places where
 * the second base, as the host has it, is not `low` to `low` + `count` - 1 bytes from the first. */
struct apart {
    u8 to, from;
    s32 low, count;
};

struct lanes {
    unsigned sum_count, pack_count, slot_count, apart_count;
    struct sum sums[SUMS_MAX];
    struct apart aparts[APARTS_MAX];
    struct pack packs[PACKS_MAX];
    bool wide;           /* upper halves of registers are in use */
    u8 of[IR_MAX_INSNS]; /* if there are sums, enum lanes_of, or LANES_PACK + a pack's number */
};

enum lanes_of {
    LANES_NONE,
    LANES_DROPPED, /* nothing needs it */
    LANES_ROOT,    /* the sum */
    LANES_PACK,    /* a lane of that pack, emitted where somebody else needs it */
};

/* Finds those of the fast body; after wide_find. */
void lanes_find(struct compile *c);
/* The trace asks for that at the head of a round, too; false: there are too many. */
bool lanes_add_apart(struct lanes *lanes, struct apart apart);
/* At the head of a round, behind hoist_enter: what must be apart is. Changes rax. */
void lanes_enter(struct compile *c);
/* Emits what stands for the current instruction; false when it is to be emitted as usual. */
bool lanes_emit(struct compile *c, const struct ir_insn *insn);

#endif

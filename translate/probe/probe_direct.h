/* What is recorded of code that tier 0 runs from its bytes; see probe.h for what units and ways
 * are.
 *
 * On the hart's thread, in this order: start; then for each piece of it up to a jump or branch
 * unit, for each instruction insn and what it does, begins, and as it runs its words, in the order
 * of what was described. What is told `later` is described when it has run, by later_insn and
 * later_leaves, and at the end way or raised says how it ended. */
#ifndef METIC_TRANSLATE_PROBE_DIRECT_H
#define METIC_TRANSLATE_PROBE_DIRECT_H

#include "cpu/base/bits.h"
#include "translate/probe/probe.h"

enum {
    PROBE_DIRECT_INSNS = 64,
    PROBE_DIRECT_BYTES = 4 * PROBE_DIRECT_INSNS,
    PROBE_DIRECT_SLOTS = 3 * PROBE_DIRECT_INSNS, /* a load's address, value and register */
    PROBE_DIRECT_NONE = 255,
};

enum probe_direct_how {
    PROBE_DIRECT_UNSEEN,  /* nothing is recorded of it */
    PROBE_DIRECT_RECORDS,
    PROBE_DIRECT_NEVER,   /* its block says more than can be said here: it is to be translated */
};

/* Its fields are probe_direct.c's. */
struct probe_direct {
    struct vcpu *vcpu;
    gpa_t gpa;
    gva_t gva;
    bool fixed;
    bool later;  /* it is told when it has run (probe_piece.h) */
    unsigned what, count, bytes; /* described so far */
    u8 copy[PROBE_DIRECT_BYTES + 4]; /* of the code */
    u64 *at;     /* the next word */
    struct probe_unit unit;
    struct probe_slot slots[PROBE_DIRECT_SLOTS]; /* of the unit */
    u64 none[PROBE_DIRECT_SLOTS]; /* words of a unit without a number */
    /* later: */
    unsigned unit_count, way_count;
    u8 way_of[PROBE_DIRECT_INSNS];
    struct probe_direct_way {
        s64 target; /* from the page, or PROBE_INDIRECT */
        u16 after_insns;
    } ways[PROBE_DIRECT_INSNS + 1];
    struct { u8 insns, halfwords; } later_units[PROBE_DIRECT_INSNS];
    unsigned later_from; /* bytes before the present one, and */
    u8 later_before;     /*   instructions */
};

/* Of the piece at vcpu->pc, with the engine's lock not held. `fixed`: its virtual page is known, as
 * in struct probe_source. Unless it is told later, `code` becomes its first code_bytes bytes of
 * `guest`, which another hart may be writing: what is told is then what runs. */
enum probe_direct_how probe_direct_start(struct probe_direct *direct, struct vcpu *vcpu, gpa_t gpa,
                                         bool fixed, const u8 *guest, unsigned code_bytes);

/* The unit behind what was described. */
void probe_direct_unit(struct probe_direct *direct);
static inline void probe_direct_insn(struct probe_direct *direct, unsigned length_bytes)
{
    direct->unit.insn_count++;
    direct->unit.bytes = (u16)(direct->unit.bytes + length_bytes);
}
void probe_direct_add_access(struct probe_direct *direct, unsigned size_bytes, bool write);
static inline void probe_direct_access(struct probe_direct *direct, unsigned size_bytes, bool write)
{
    if (direct->what & PROBE_MEMORY) {
        probe_direct_add_access(direct, size_bytes, write);
    }
}
/* It writes the register at that offset in the hart's state. */
void probe_direct_add_register(struct probe_direct *direct, u32 state_offset);
static inline void probe_direct_register(struct probe_direct *direct, u32 state_offset)
{
    if (direct->what & PROBE_REGISTERS) {
        probe_direct_add_register(direct, state_offset);
    }
}
/* The unit begins, with vcpu->pc and insns exact. */
void probe_direct_begins(struct probe_direct *direct);

/* Later: an instruction that has run, or raised; then, if it is a jump or branch or the end of what
 * ran, that there is a way out. `target`: from the page, or PROBE_INDIRECT. */
static inline void probe_direct_later_insn(struct probe_direct *direct, u32 word,
                                           unsigned length_bytes)
{
    direct->way_of[direct->count++] = (u8)direct->way_count;
    st_le32(direct->copy + direct->bytes, word);
    direct->bytes += length_bytes;
}

static inline void probe_direct_later_leaves(struct probe_direct *direct, s64 target)
{
    direct->ways[direct->way_count++] = (struct probe_direct_way){
        .target = target, .after_insns = (u16)direct->count,
    };
    if (direct->count != direct->later_before) { /* it ends a unit */
        direct->later_units[direct->unit_count].insns = (u8)(direct->count - direct->later_before);
        direct->later_units[direct->unit_count++].halfwords =
            (u8)((direct->bytes - direct->later_from) / 2);
        direct->later_before = (u8)direct->count;
        direct->later_from = direct->bytes;
    }
}

/* Later: that instruction did not retire. */
void probe_direct_raised(struct probe_direct *direct, unsigned insn);
/* Later: behind that instruction it ended, by that one's own way out, or by the last one. */
void probe_direct_way(struct probe_direct *direct, unsigned insn, bool taken, gva_t target);

/* A word for whoever asked for PROBE_MEMORY or PROBE_REGISTERS; direct NULL: for nobody. */
static inline void probe_direct_word(struct probe_direct *direct, enum probe_what what, u64 word)
{
    if (UNLIKELY(direct != NULL) && (direct->what & what)) {
        *direct->at++ = word;
    }
}

#endif

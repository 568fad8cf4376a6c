/* What is recorded of code that tier 0 runs from its bytes; see probe.h for what units and ways
 * are.
 *
 * On the hart's thread, in this order: start; then for each piece of it up to a jump or branch
 * unit, for each instruction insn and what it does, begins, and as it runs its words, in the order
 * of what was described. What is told `later` is described when it has run: each piece by part,
 * and at the end way or raised says how it ended. */
#ifndef METIC_TRANSLATE_PROBE_DIRECT_H
#define METIC_TRANSLATE_PROBE_DIRECT_H

#include "cpu/base/bits.h"
#include "translate/probe/probe.h"

enum {
    PROBE_DIRECT_INSNS = 64,
    PROBE_DIRECT_BYTES = 4 * PROBE_DIRECT_INSNS,
    PROBE_DIRECT_SLOTS = 3 * PROBE_DIRECT_INSNS, /* a load's address, value and register */
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
    /* later, as in probe_ways.h: */
    unsigned part_count;
    u64 parts[PROBE_DIRECT_INSNS];
    u64 wide;    /* bit n: instruction n is of four bytes */
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

/* Later: so many instructions at `gva`, behind what was described, all of which ran but those
 * behind one that raised. `wide`: bit n: that one is of four bytes. */
void probe_direct_part(struct probe_direct *direct, gva_t gva, unsigned count, u64 wide);
/* Later, and not PROBE_EDGES: an instruction of that part. */
static inline void probe_direct_code(struct probe_direct *direct, u32 word, unsigned length_bytes)
{
    st_le32(direct->copy + direct->bytes, word);
    direct->bytes += length_bytes;
}
/* Later: that instruction did not retire. */
void probe_direct_raised(struct probe_direct *direct, unsigned insn);
/* Later: it ended behind the last part, and went on at `target`. */
void probe_direct_way(struct probe_direct *direct, bool indirect, gva_t target);

/* A word for whoever asked for PROBE_MEMORY or PROBE_REGISTERS; direct NULL: for nobody. */
static inline void probe_direct_word(struct probe_direct *direct, enum probe_what what, u64 word)
{
    if (UNLIKELY(direct != NULL) && (direct->what & what)) {
        *direct->at++ = word;
    }
}

#endif

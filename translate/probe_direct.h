/* What is recorded of code that tier 0 runs from its bytes; see probe.h for what units and ways
 * are.
 *
 * On the hart's thread, in this order: start; for each instruction insn, then what it does and
 * whether control may go elsewhere behind it; ready. Then, as it runs: begins before each
 * instruction, words in the order of what was described; way or raised at the end. */
#ifndef METIC_TRANSLATE_PROBE_DIRECT_H
#define METIC_TRANSLATE_PROBE_DIRECT_H

#include "translate/probe.h"

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
    bool fixed, ended;
    bool later;  /* it is told when it has run (probe_piece.h) */
    unsigned what, count, bytes;
    const u8 *code;
    u64 *at;     /* the next word */
    unsigned unit_count, slot_count, way_count;
    u8 unit_of[PROBE_DIRECT_INSNS], way_of[PROBE_DIRECT_INSNS];
    u32 numbers[PROBE_DIRECT_INSNS];
    struct probe_unit units[PROBE_DIRECT_INSNS];
    struct probe_slot slots[PROBE_DIRECT_SLOTS];
    struct probe_way ways[PROBE_DIRECT_INSNS + 1];
    u64 none[PROBE_DIRECT_SLOTS]; /* words of a unit without a number */
};

/* Of the piece at vcpu->pc, with the engine's lock not held. `fixed`: its virtual page is known, as
 * in struct probe_source. `code` stays as it is until the piece has run. */
enum probe_direct_how probe_direct_start(struct probe_direct *direct, struct vcpu *vcpu, gpa_t gpa,
                                         bool fixed, const u8 *code);

void probe_direct_insn(struct probe_direct *direct, unsigned length_bytes);
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
/* A way out behind the instruction; `target` as in struct probe_way. The piece's end is one. */
void probe_direct_leaves(struct probe_direct *direct, s64 target);
void probe_direct_ready(struct probe_direct *direct);

/* With vcpu->pc and insns exact. */
void probe_direct_begins(struct probe_direct *direct, unsigned insn);
/* That instruction did not retire. */
void probe_direct_raised(struct probe_direct *direct, unsigned insn);
/* The piece ends behind that instruction: by its own way out, or at the piece's end. */
void probe_direct_way(struct probe_direct *direct, unsigned insn, bool taken, gva_t target);

/* A word for whoever asked for PROBE_MEMORY or PROBE_REGISTERS; direct NULL: for nobody. */
static inline void probe_direct_word(struct probe_direct *direct, enum probe_what what, u64 word)
{
    if (UNLIKELY(direct != NULL) && (direct->what & what)) {
        *direct->at++ = word;
    }
}

#endif

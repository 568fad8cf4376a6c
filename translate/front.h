/* The guest half of the translator: decode and lower one instruction into IR. One descriptor per
 * guest, in from_<guest>/; listed beside cpu/guests.def in fronts.def. */
#ifndef METIC_TRANSLATE_FRONT_H
#define METIC_TRANSLATE_FRONT_H

#include "translate/ir/ir.h"
#include "translate/reservation.h"

/* What a lowering function sees. `rest` begins with the instruction; what may be looked ahead at
 * (for lr/sc pairing) ends with it: with the page, or in the next one for a block over its end. */
struct host;
struct host_context;

struct lower {
    struct ir *ir;
    const struct host *host; /* that will compile it, or NULL; host_context goes with it */
    const struct host_context *host_context;
    u32 vector_key;        /* the guest's (struct guest_vector) as expected at this instruction, and
                              bits of the front end's own */
    u32 mode;              /* block mode bits (the block's key) */
    s64 offset;            /* of this instruction from the page of the block */
    gpa_t gpa;             /* where its first byte lies */
    const struct reservation_sites *lone_lrs; /* an lr whose sc is not in sight is only a load, but
                              those (reservation.h); NULL: never */
    bool begins;           /* the block's first instruction */
    bool pairs_over_pages; /* another one, of which `wants_next_page` is true, is left to a block
                              that begins with it: nothing is appended, as if bytes were missing */
    unsigned length_bytes; /* set by the front end after decode */
    const u8 *rest;        /* bytes from this instruction to the end of what may be read */
    unsigned rest_bytes;
    unsigned max_insns;    /* instructions the block may still take, this one included; 0: any. The
                              front end opens no lr pair that would not close within them */
    bool follow;           /* of a trace: control is to go on at next_offset. A branch or jump that
                              can lead there becomes a side exit the other way, or nothing, and
                              sets `followed`; one that cannot is lowered as usual */
    bool followed;
    s64 next_offset;
    bool skips;            /* of a trace: the branch passes over what follows (struct front, skips);
                              opens that with ir_skip_begin */
    const u64 *answer;     /* the instruction is a call of the host, which has been done: its
                              result; or NULL */
    bool tells_csrs;       /* an access to a CSR is told to those who watch */
    bool poll_first;       /* append ir_poll(ir, 0) right after the first ir_begin_insn */
    bool ended;            /* a terminator was appended: the block is complete */
    bool fp_is_dirty;      /* front end's: an earlier instruction made the status say so */
    struct { ir_ref address, value; unsigned size_bytes; } open_lr; /* front end's: paired lr */
    u64 front_private[4];
};

struct probe_direct;

/* A piece of code that has no block, at vcpu->pc, and how it ran from its bytes. */
enum { FRONT_PASSED_WORDS = 4 * 64 / 2 / 64 };
struct front_piece {
    const u8 *code;
    unsigned code_bytes; /* to the end of its page at most */
    unsigned max_insns;
    struct probe_direct *direct; /* is told, as its head says, or NULL */
    enum ir_exit exit;
    u64 passed[FRONT_PASSED_WORDS]; /* bit n: a branch was not taken that ends at byte 2 * n */
};

enum { FRONT_SKIPS_MAX = IR_SKIP_SETS, FRONT_SIGHT_BYTES = 64 };

struct front {
    const struct guest *guest;
    /* Lowers one instruction at l->rest (l->offset). `l->rest_bytes` may be too short for it:
     * returns 0 and appends nothing when more bytes are needed, else the length in bytes. Calls
     * ir_begin_insn itself. Illegal encodings lower to RAISE. Sets l->ended on terminators. */
    unsigned (*lower_insn)(struct lower *l);
    /* Tier 0: runs the piece from its bytes: at most max_insns instructions, and none behind where
     * a block would end. As a block would: `exit` says how it ended. False, and nothing was done,
     * when some of it is not for this. NULL: never. */
    bool (*run_direct)(struct vcpu *vcpu, struct front_piece *front);
    /* Length in bytes of the instruction of which `code` has the first two bytes. */
    unsigned (*insn_bytes)(const u8 *code);
    /* Whether the instruction at `code` is to be translated together with others behind it that
     * may lie in the next page: within FRONT_SIGHT_BYTES of it, and `code_bytes`, which end with
     * the page, do not show all. Asked for whole instructions only. NULL: never. */
    bool (*wants_next_page)(const u8 *code, unsigned code_bytes);
    /* How many instructions, FRONT_SKIPS_MAX at most, the one at `code` passes over if it is a
     * branch forward and they only compute, each from registers to one; else 0. NULL: not known. */
    unsigned (*skips)(const u8 *code, unsigned code_bytes);
    /* Called once before a block's first instruction. */
    void (*begin)(struct lower *l);
    /* Prints the mode bits for --show ("U fs=on"). */
    void (*print_mode)(u32 mode, char *text, size_t text_bytes);
};

extern const struct front *const front_list[];
const struct front *front_find(const struct guest *guest);

/* The engine's IR becomes empty, and *l ready for a block of that mode. The engine's lock is
 * held. */
void front_begin(struct engine *engine, u32 mode, struct lower *l);
/* Notes in the hart's engine, whose lock is held, what lowering may expect of its vectors. */
void front_expect(struct vcpu *vcpu);

#endif

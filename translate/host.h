/* The host half of the translator: one block's IR into host code. One constant descriptor per host
 * architecture, in to_<host>/, listed in hosts.def.
 *
 * Code memory is mapped twice: code is written through `write` and runs at `exec`, two addresses of
 * the same byte; nothing is ever writable and executable through one address. A host_context is one
 * code buffer's worth of common routines ("thunks": entry, exits, slow paths), emitted once at the
 * buffer's start, plus what was found out about the host. It is constant after host->init, so any
 * number of harts' threads may compile with it at once, each with its own scratch memory.
 *
 * What generated code keeps: between blocks the guest's pinned registers and the instruction count
 * are in host registers, everything else is in the vcpu. Direct jumps are *links*: they begin
 * unlinked (they leave to the engine with IR_EXIT_JUMP and the link's id in vcpu->exit_request),
 * and become jumps when the engine patches them. vcpu->pc is exact at every exit.
 *
 * Floating point: while generated code runs, the host's FP environment holds the guest's rounding
 * mode and accumulated flags. C code called from it does no floating-point arithmetic unless it is
 * a helper with HELPER_FPU (those run with the host's own environment and see vcpu->fpu_*). */
#ifndef METIC_TRANSLATE_HOST_H
#define METIC_TRANSLATE_HOST_H

#include "cpu/base/bits.h"
#include "translate/host_slot.h"
#include "translate/ir/ir.h"

/* --- slow paths of memory accesses, implemented by the engine's soft-MMU --- */

/* What a slow path is told about its access, in one u32. */
enum host_desc {
    HOST_DESC_SIZE = 3,        /* log2 of the size in bytes */
    HOST_DESC_SIGNED = 1 << 2, /* load: sign-extend the result */
    HOST_DESC_WRITE = 1 << 3,  /* needs write permission, faults as a store (loads may ask too) */
    HOST_DESC_ALIGN = 1 << 4,  /* raises the misaligned fault unless naturally aligned */
    HOST_DESC_PIECES = 1 << 5, /* load: as IR_CHECK_PIECES; not with ALIGN or WRITE */
    HOST_DESC_AMO_SHIFT = 2,   /* atomics, instead of bits 2..4: enum ir_amo or HOST_AMO_CAS */
    HOST_DESC_AMO_MASK = 15,
    HOST_DESC_PC_SHIFT = 8,    /* 12 bits: offset of the guest instruction in its page */
    HOST_DESC_INDEX_SHIFT = 20 /* 12 bits: its number in the block */
};

enum { HOST_AMO_CAS = 15 };

static inline unsigned host_desc_size_bytes(u32 desc)
{
    return 1u << (desc & HOST_DESC_SIZE);
}

/* What a load puts into its register: 64 bits, extended by HOST_DESC_SIGNED. */
static inline u64 host_desc_extend(u64 value, u32 desc)
{
    unsigned bits = 8 * host_desc_size_bytes(desc);
    return (desc & HOST_DESC_SIGNED) && bits < 64 ? bits_sext(value, bits) : value;
}

#define HOST_NO_DEVICE (~(gpa_t)0)

/* Before any of these is called vcpu->pc and vcpu->insns are exact for the accessing instruction.
 * A fault is raised (vcpu->exception_pending set) and the result then ignored. Called on the hart's
 * thread. All of them handle misses (by filling the TLB), devices, page crossings, misalignment. */
struct host_slow {
    /* First of all, for a plain load or store over a page's end: host addresses of its bytes in
     * either page when the TLB has both as plain RAM. False: nothing was done. May be NULL itself.
     * desc as for refill. */
    bool (*over_page)(struct vcpu *vcpu, gva_t gva, u32 desc, u8 *host[2]);
    /* Before the others, for a plain load or store: host address of its bytes when their page is
     * RAM that the TLB had no entry for and has now. NULL: the access's fault is raised, or nothing
     * was done; *device is then its physical address if the TLB says that a device may be asked at
     * once, else HOST_NO_DEVICE. May be NULL itself. It changes no translation that was in use.
     * desc has HOST_DESC_WRITE for stores, too. */
    u8 *(*refill)(struct vcpu *vcpu, gva_t gva, u32 desc, gpa_t *device);
    /* Before that, code may call the guest's function of that name (cpu/guest.h). */
    bool guest_refills;
    /* The value read, extended to 64 bits by HOST_DESC_SIGNED; `device` is refill's. */
    u64 (*load)(struct vcpu *vcpu, gva_t gva, u32 desc, gpa_t device);
    /* `value` is zero-extended from the access size. */
    void (*store)(struct vcpu *vcpu, gva_t gva, u64 value, u32 desc, gpa_t device);
    /* A whole atomic operation; always needs alignment and write permission. Returns the old value
     * (zero-extended). For CAS, `value` is stored when the old value equals the low bytes of
     * `expected`. */
    u64 (*amo)(struct vcpu *vcpu, gva_t gva, u64 value, u64 expected, u32 desc);
    /* Checks permission and raises as an access would, accesses nothing. */
    void (*check)(struct vcpu *vcpu, gva_t gva, u32 desc);
    /* An exception is pending. True: vcpu->pc is its handler's, which the code goes on at; false:
     * nothing was done, and the code leaves with IR_EXIT_RAISED. NULL: always so. */
    bool (*raised)(struct vcpu *vcpu);
    /* The deadline has come or an interrupt may be deliverable; vcpu->pc and insns are exact. True:
     * the hart looked, maybe took an interrupt, and the code goes on at vcpu->pc; false: nothing
     * was done, and the code leaves for the run loop. NULL: always so. */
    bool (*polled)(struct vcpu *vcpu);
    /* The jump cache does not know vcpu->pc; or link `number` to it was not taken, because it is
     * unlinked or unproved. Where to go on, with vcpu->pc_page set; NULL: nothing was done, and the
     * code leaves for the run loop. Either may be NULL: always so. */
    const void *(*jump_missed)(struct vcpu *vcpu);
    const void *(*link_missed)(struct vcpu *vcpu, u32 number);
    /* A probe found the hart's stream full; vcpu->insns is exact. Afterwards there is room. */
    void (*probe_full)(struct vcpu *vcpu);
    /* A trace is left before the instruction at vcpu->pc, since a group of accesses that begins
     * there, with its own to `gva`, lies in two pages, or in one that does not permit what some of
     * them do. `head` is the trace's first pc. NULL: nobody minds. */
    void (*split)(struct vcpu *vcpu, gva_t head, gva_t gva);
    /* The trace with that first pc has guessed pages wrong so many times as it may before this is
     * told. NULL: likewise. */
    void (*guessed)(struct vcpu *vcpu, gva_t head);
    /* The access at vcpu->pc, of that trace, was not to the page that its slot had; some are told.
     * NULL: likewise. */
    void (*strayed)(struct vcpu *vcpu, gva_t head);
    /* Calls the helper with its arguments; those it has not are anything. NULL: code calls helpers
     * directly. */
    u64 (*helper)(struct vcpu *vcpu, u64 a, u64 b, u64 c, u64 d, const struct helper *helper);
};

struct ir_vector;

/* --- context --- */

enum host_feature {
    HOST_FEATURE_BMI1 = 1,
    HOST_FEATURE_BMI2 = 2,
    HOST_FEATURE_LZCNT = 4,
    HOST_FEATURE_POPCNT = 8,
    HOST_FEATURE_FMA = 16,
    HOST_FEATURE_AVX = 32,
    HOST_FEATURE_AVX2 = 64,
    HOST_FEATURE_AVX512 = 128, /* F, BW, DQ and VL */
    HOST_FEATURE_VBMI = 256,   /* and these: VBMI and VBMI2 */
    HOST_FEATURE_ALL = 511,
};

/* A mask of a bit that none of them has. */
#define HOST_FEATURE_NONE ((u32)1 << 31)

enum { HOST_THUNKS = 320 };

struct host_context {
    const struct guest *guest;
    const struct host_slow *slow;
    u32 features;          /* enum host_feature in use */
    size_t used_bytes;     /* of the buffer, for the thunks: blocks begin after them */
    /* Runs code (a block's entry) on the vcpu until an exit. vcpu->pc_page must be set and
     * everything stored in the vcpu; it is again when this returns. */
    enum ir_exit (*enter)(struct vcpu *vcpu, const void *code);
    const u8 *thunks[HOST_THUNKS]; /* private to the host, */
    u32 pin_base;                  /*   as is this */
};

/* --- compiling one block --- */

enum { HOST_LINKS = 1 << 21 };

enum host_request_flag {
    HOST_ONE_HART = 1,       /* no other hart runs: atomics need no lock prefix */
    HOST_DYN_ROUNDING = 2,   /* IR_ROUND_DYN is a mode the host has (not RMM, not reserved) */
    HOST_TRACE = 8,          /* a trace: side exits are rare, the jump back to its start is not */
    HOST_NO_SELF_LINK = 4,   /* a jump to the block's own start is a link like any other */
    HOST_LINEAR = 16,        /* most loads are in the TLB's span */
    HOST_OPEN = 64,          /* a trace that need not come back to its start */
    HOST_STEADY = 1024,      /* a trace that goes round many times */
    HOST_LONG = 4096,        /* ... and many more */
    HOST_ALL_SPLIT = 128,    /* a trace of which so many groups are split that all may be */
    HOST_NO_GUESS = 256,     /* a trace that would mostly guess pages wrong (loop.c) */
    HOST_WATCHED = 2048,     /* C code must hear of accesses that are no loads and stores */
    HOST_PRIVATE = 32,       /* no other thread looks at guest memory: fences are for nobody */
};

/* A load or store of a trace that begins a group of accesses (struct host_slow's `split`) which was
 * often in two pages. Its accesses of either page are a group of their own, for as long as that
 * helps: from HOST_SPLIT_TIMES on the group is one that the trace is not left for. */
struct host_split {
    s64 offset; /* of the instruction, from the trace's page */
    u16 low;    /* the last PAGE_BITS bits of the address it accessed last time */
    u8 times;   /* that this was too often, and the trace made anew */
};

enum { HOST_SPLIT_TIMES = 4 };

/* How a direct jump leaves the block. */
struct host_exit {
    u32 id;               /* from alloc_link */
    u32 patch_offset;     /* of the link's 4-byte field from the block's first code byte */
    u32 jump_offset;      /* of the jump with that field, which nothing depends on, likewise */
    s64 unlinked_offset;  /* where the unlinked jump goes, from there too */
    bool cross_page;      /* of a target in another page, or at the last two bytes, where an
                             instruction may go on in the next: guarded by link_proofs[id] ==
                             vcpu_link_proof(pc_page); pc_page already changed when the jump is
                             reached */
    bool passed;          /* of a target in another page of a trace, when a guard was passed on the
                             way here: it is mapped as the trace has it. Not cross_page, but pc_page
                             is changed likewise */
    s64 target_offset;    /* gva of the target = page of this block + this; even */
};

/* Where the code of a guest instruction begins: from where the block is entered, and from the
 * guest page's. A block that has two bodies has each of its instructions twice. */
struct host_place {
    u32 code_offset;
    s64 guest_offset; /* of a trace, also of another page */
};

/* A further page of a trace, by its distance from the first one: whoever passed the IR_EXIT_PAGE of
 * `guard` knows that the page is mapped as the trace has it. */
struct host_page {
    s64 distance;
    u32 guard;
};

/* Further ways of a trace that goes round. Each is code of its own that begins at an offset from
 * the trace's page; side exits and jumps of the trace and of ways from the page that it begins in
 * go there without leaving, and it may jump to the trace's start. */
enum { HOST_WAYS_MAX = 8, HOST_PAGES_MAX = 8 };
struct host_ways {
    unsigned count;
    s64 starts[HOST_WAYS_MAX];
    /* The IR of way `n`, valid until the next call; NULL when it cannot be had. */
    struct ir *(*lower)(void *opaque, unsigned n);
    void *opaque;
};

struct host_request {
    const struct host_context *context;
    struct ir *ir; /* verified; instructions marked dead are left out. Of a block, which need not
                      have been through opt_dead, the same ones become dead as there */
    u8 *write;           /* where to put code, and */
    const u8 *exec;      /* the same byte's address when it runs; 16-byte aligned */
    size_t room_bytes;
    u8 *cold_write;      /* the same for what runs seldom; within 2 GiB of `exec` */
    const u8 *cold_exec;
    size_t cold_room_bytes;
    u32 flags;           /* enum host_request_flag */
    /* The hart a trace is made for, and what the guest's `pinned` registers held when it was in
     * the loop; NULL: not known. */
    const struct vcpu *vcpu;
    const u64 *head;
    void *scratch;       /* host->scratch_bytes, aligned as malloc does; zeroes at first, the
                            host's own afterwards */
    /* A machine-wide number for a new link, below HOST_LINKS. The ids in `exits` were taken even
     * when compile fails. */
    u32 (*alloc_link)(void *opaque);
    void *opaque;
    struct host_page pages[HOST_PAGES_MAX];
    unsigned page_count;
    const struct host_ways *ways; /* or NULL; not with HOST_NO_SELF_LINK */
    const struct host_split *split; /* what is known of a trace's groups of accesses, the newest */
    unsigned split_count;           /*   last */
    u32 slots_first;     /* the slots that a trace may have: from this number on, */
    unsigned slots_max;  /*   so many */
    const s64 *strays;   /* offsets, from a trace's page, of accesses that are to have none */
    unsigned stray_count;
    struct host_exit *exits;
    unsigned exits_max;
    struct host_place *places; /* NULL: nobody asks. Those that do not fit are left out */
    unsigned places_max;
};

struct host_result {
    size_t code_bytes, cold_bytes;
    u32 entry_offset; /* where to enter the block and where links to it jump */
    unsigned exit_count, place_count;
    unsigned slot_count; /* that a trace has */
};

enum host_status {
    HOST_OK,
    HOST_NO_ROOM,     /* too little room: evict, try again */
    HOST_TOO_COMPLEX, /* too many exits or live values: cut the block shorter */
};

struct host {
    const char *name;
    size_t scratch_bytes;
    unsigned pinned_max; /* how many of guest->pinned live in registers */

    /* Detects the host's features (keeping only those in feature_mask), emits the thunks at the
     * buffer's start. False when room is too small or the host lacks something needed. */
    bool (*init)(struct host_context *context, const struct guest *guest,
                 const struct host_slow *slow, u32 feature_mask, u8 *write, const u8 *exec,
                 size_t room_bytes);
    enum host_status (*compile)(const struct host_request *request, struct host_result *result);
    /* True when compile can do that vector operation in place. NULL: none. */
    bool (*does_vector)(const struct host_context *context, const struct ir_vector *v);
    /* Makes the link whose field is at write/exec jump to `target` (a block's entry, or its own
     * unlinked_offset to unlink it). One atomic store: other threads may be running the code. */
    void (*patch_link)(u8 *write, const u8 *exec, const void *target);
    /* Host code as text, one line per instruction; false when it is no code. */
    bool (*disassemble)(const u8 *code, size_t code_bytes, u64 address,
                        void (*line)(void *opaque, u64 address, const char *text), void *opaque);
};

#define HOST(name) extern const struct host name##_host;
#include "translate/hosts.def"
#undef HOST

/* The descriptor for the machine this runs on, or NULL: then only the interpreter runs. */
const struct host *host_find(void);

#endif

/* What the files of the x86-64 backend share: the state of one block's compilation.
 *
 * Registers of generated code
 *   rbp          the vcpu, plus VCPU_BIAS so that short displacements reach its hot members
 *   r15          instructions retired before this block (vcpu->insns lives here)
 *   rsp          the frame of FRAME_* below, 16-byte aligned
 *   rbx r12-r14 r8-r11   guest->pinned[0..7], within and between blocks; while a stream
 *                is recorded one of them is vcpu->probe_at
 *   rax rcx rdx rsi rdi  temporaries of the block
 *   xmm0-xmm15   floating-point values of the block; in a one-block loop the last ones carry
 *                floating-point state from round to round (loop.c)
 *   xmm16-xmm31  with AVX-512: vectors; guest registers of a trace (own_float.c)
 *
 * One pass over the IR backwards (scan.c) finds last uses and which values may be computed right
 * into a pinned register; one pass forwards allocates and emits. Rare paths ("stubs") go to the
 * cold part of the code buffer, so that they take no room in the host's caches; ways out taken
 * often go behind the block's body.
 *
 * A value is a "root" or renames one (a TRUNC is its operand, read narrowly). A root may be in
 * several places at once: a register, a frame slot, a home (guest state that holds the same bits);
 * constants need no place at all. */
#ifndef METIC_TRANSLATE_TO_X86_64_COMPILE_H
#define METIC_TRANSLATE_TO_X86_64_COMPILE_H

#include "cpu/base/error.h"
#include "translate/host.h"
#include "translate/opt/overwritten.h"
#include "translate/to_x86_64/asm.h"
#include "translate/to_x86_64/kept.h"
#include "translate/to_x86_64/lanes.h"
#include "translate/to_x86_64/wide.h"

enum { VCPU_BIAS = offsetof(struct vcpu, pc_page) + 128, PINNED_MAX = 8, PIN_SPAN = 64 };

/* The frame, as offsets from rsp. What comes first has short displacements. */
enum {
    KEPT_MAX = 8,
    FRAME_KEPT = 0, /* addends of groups that lost their register (access.c) */
    FRAME_SLOTS = FRAME_KEPT + 8 * KEPT_MAX,
    FRAME_SLOT_COUNT = 256,
    FRAME_VALUE = FRAME_SLOTS + 8 * FRAME_SLOT_COUNT, /* operands of a compare-and-swap */
    FRAME_EXPECTED = FRAME_VALUE + 8,
    FRAME_RESULT = FRAME_VALUE + 16, /* of slow paths */
    FRAME_RESUME = FRAME_VALUE + 24, /* where a slow path goes on */
    FRAME_MXCSR = FRAME_VALUE + 32,  /* passing MXCSR through memory */
    FRAME_HOST_MXCSR = FRAME_MXCSR + 4,
    FRAME_SITES = FRAME_MXCSR + 8, /* tag, addend of each access site (loop.c) */
    SITES_MAX = 8,
    FRAME_HOISTS = FRAME_SITES + 16 * SITES_MAX, /* host addresses (hoist.c) */
    HOISTS_MAX = 4,
    FRAME_ARGS = FRAME_HOISTS + 8 * HOISTS_MAX, /* operands and flags of a soft FP operation */
    FRAME_GUESSES = FRAME_ARGS + 32, /* how many more wrong guesses until C is told (loop.c) */
    FRAME_PARKED = FRAME_GUESSES + 4, /* not 0: the stream's end is in memory (own.c) */
    FRAME_REGS = FRAME_GUESSES + 8, /* general registers, saved by slow paths */
    FRAME_XMM = FRAME_REGS + 8 * 16,
    FRAME_DIVIDED = FRAME_XMM + 8 * 32, /* the other result of a division (emit_bits.c) */
    FRAME_LANES = FRAME_DIVIDED + 16, /* vectors of which values are wanted (lanes.c) */
    FRAME_BYTES = FRAME_LANES + LANE_SLOT_BYTES * LANE_SLOTS + 8, /* 8 modulo 16 */
};

enum { WRONG_GUESSES = 12 }; /* C is told of so many */

_Static_assert(FRAME_BYTES % 16 == 8, "six pushes and the return address keep rsp aligned");

/* Registers as the allocator numbers them: 0..15 general, 16..31 XMM. */
enum { REG_XMM0 = 16, REG_COUNT = 32, NO_REG = 0xff };
enum { NO_SLOT = 0xffff };
#define NO_HOME 0xffffffffu

enum thunk {
    THUNK_ENTER,
    THUNK_EXIT,            /* eax: enum ir_exit; stores r15 */
    THUNK_EXIT_KEEP_INSNS, /* the same; vcpu->insns is right already */
    THUNK_LINK_MISS,       /* eax: link id << (PAGE_BITS - 1) | target offset / 2 */
    THUNK_POLL,            /* rcx: target offset */
    THUNK_POLL_IND,        /* rax: pc */
    THUNK_LOOK,            /* rcx: target offset; leaves to look at interrupts */
    THUNK_IND,             /* rax: pc; goes there through the jump cache */
    THUNK_IND_MISS,        /* rax: pc */
    THUNK_RAISE,           /* rcx: offset of the instruction; exception recorded, r15 exact */
    THUNK_RAISED,          /* a C call raised: pc and insns exact, pinned registers right */
    THUNK_FPU_LEAVE,       /* call: guest's FP environment to the vcpu, host's in; uses rax, r11 */
    THUNK_FPU_ENTER,       /* call: the reverse; clobbers rcx, rdx */
    THUNK_SOFT_FP,         /* call after pushing a soft descriptor: see soft.c */
    THUNK_FLAGS_TABLE,     /* data: FPU_* flags by MXCSR flags (64 bytes) */
    THUNK_MXCSR_TABLE,     /* data: MXCSR flags by FPU_* flags (32 bytes) */
    THUNK_ROUND_TABLE,     /* data: MXCSR masks and rounding by enum fpu_round (8 x u32) */
    THUNK_FP_CONSTS,       /* data: enum fp_const, 16 bytes each */
    THUNK_PROBE,           /* call: makes room for a probe; keeps every register */
    THUNK_PINS,            /* data: struct compile's pin_reg, PIN_SPAN bytes */
    THUNK_LEAVE,           /* to vcpu->pc, vcpu->insns retired, through the jump cache */
    THUNK_VECTOR,          /* vector operations by C: see emit_vector.c */
    THUNK_VECTOR_DATA,     /* data: see emit_vector.h */
    THUNK_PROMOTE,         /* call: moves a page to its first TLB entry (access_thunks.c) */
    THUNK_TABLE,           /* call: a table's pages (access_thunks.c) */
    THUNK_REFILL,          /* call, for a read or a write: see access_thunks.c */
    THUNK_FAULT = THUNK_REFILL + 2, /* slow paths of accesses: see access_slow.c */
    THUNK_ACCESS, THUNK_SPLIT, THUNK_FIND,
    THUNK_LOOK_UP = THUNK_FIND + 2 * 5 * 5,
    THUNK_GROUP = THUNK_LOOK_UP + 2 * 2 * 5 * 5,
    THUNK_ONCE = THUNK_GROUP + 2 * 5 * 5,
    THUNK_SITE = THUNK_ONCE + 2 * 5 * 5,
    THUNK_COUNT = THUNK_SITE + 2 * 5,
};

_Static_assert((int)THUNK_COUNT <= (int)HOST_THUNKS, "context has room for every thunk");

enum fp_const { FP_SIGN64, FP_ABS64, FP_NAN64, FP_SIGN32, FP_ABS32, FP_NAN32, FP_CONST_COUNT };

enum value_flag {
    VALUE_CONST = 1,
    VALUE_ZEXT = 2, /* the upper half of the 64-bit register or slot is zero */
    VALUE_BOXED = 4, /* NaN box of the F32 value in `root`; made only when somebody asks */
    VALUE_GROUP_WRITES = 8, /* of a group's first: one of them is sure to write */
    VALUE_COMPUTED = 16,  /* used otherwise than as the address of an access, an FBOX than by SETs,
                             or a shift or carry than in sums */
    VALUE_FROM_MEMORY = 64, /* loop.c: computed from what the block loads */
    VALUE_OFFSET = 32,    /* an address not computed: `root` plus the constant of the ADD; or a
                             shift not computed: `root` shifted by the constant of the SHL; or a
                             SETCC not computed: the sum compares */
    VALUE_UNCHECKED = 128, /* of a root: a NaN may not be the canonical one (nan.c) */
};

struct value {
    u16 last_use;  /* index of the last instruction that reads it; 0: none */
    u16 root;      /* itself unless it renames another */
    u16 slot;
    u16 set_at;    /* scan.c: the SET that stores it into pinned register `hint` */
    u32 home;      /* state offset that holds it, NO_HOME */
    u8 reg;        /* NO_REG, general or XMM */
    u8 hint;       /* pinned register to compute it into, NO_REG */
    u8 flags;
    u8 home_bytes;
};

_Static_assert(sizeof(struct value) == 16, "made anew for each value of each block");

struct compile;

/* What a side exit tells those who watch (emit_probe.c). */
struct left {
    bool tells;
    u8 how; /* enum ir_left */
    u32 number;
    const struct probe_wide *wide; /* IR_LEFT_WIDE */
};

/* A path off the straight line, emitted behind the body or in the cold part. Fields mean what its
 * emit function says. */
struct stub {
    void (*emit)(struct compile *c, const struct stub *stub);
    u32 field;  /* rel32 of the jump that leads here */
    u32 back;   /* offset in the block where to go on */
    u32 data;
    u32 fix_first, fix_count; /* sink.c */
    struct left left;
    bool tail;  /* behind the body */
    bool out;   /* not to another part of the trace (own_float_takes) */
    bool passed; /* to a page of the trace whose guard was passed before (is_passed) */
    u8 reg[4];
    s64 target;
};

enum { OWN_FLOATS_MAX = 16, OWN_FLOATS_NONE = 0xff };
enum { WAY_JUMPS_MAX = 64, STUBS_MAX = 1024, HOMES_MAX = 64, CARRIED_MAX = 6, PASSED_MAX = 8 };

/* Accesses of a trace that are checked together: bytes [first, end) from value `base`, and with a
 * stride from `base` plus 0 to `steps` times `stride`, what a guest register holds. */
struct hoist {
    u16 base;
    u16 stride;   /* the value, or IR_REF_NONE */
    u8 steps;
    bool both;    /* accesses both read and write */
    bool table;   /* loads at an index, checked where the trace is entered (table.c) */
    s32 first, end;
    unsigned members;
    u8 reg;       /* holds the host address of `base`, with a stride the addend of its page; NO_REG:
                     the frame does */
};

/* Ways out of a trace that are not taken in a round whose head finds enough left between `x` and
 * `y` (hoist_exit.c). */
struct hoisted_exits {
    u16 x, y;     /* values at the head: a guest register's; the same or a constant */
    u16 stride;   /* the same as x, or IR_REF_NONE */
    u8 cond;      /* IR_EQ, IR_LT_U, IR_GE_U, IR_GE_S */
    u8 steps;     /* with a stride: how many at most */
    bool word;
    s32 min, max; /* without: distances from x */
    unsigned members;
};
enum { HOISTED_EXITS_MAX = 4, HOISTED_EXIT = 0x80, HOISTED_SURE = 0xff };

/* sink.c. Guest register at `offset` is to hold the value, or what it holds plus a constant. */
struct put_off {
    u32 offset;
    ir_ref value;
    bool is_step;
    bool extends; /* what it is to hold is the value, of 32 bits, sign-extended */
};

/* How a way out makes good what was put off. */
struct fix {
    enum {
        FIX_STEP, FIX_REG, FIX_CONST, FIX_STATE, FIX_STATE_32, FIX_SLOT, FIX_VECTOR,
    } kind;
    u8 reg;     /* FIX_REG: where it is */
    u8 pin;     /* the guest register's host register, or NO_REG */
    bool boxed; /* NaN box of an F32 */
    bool extends; /* FIX_REG: as in struct put_off */
    u8 unchecked; /* FIX_REG: the type of an unchecked value (nan.c), or IR_NONE */
    u32 offset; /* of the guest register */
    s64 imm;    /* constant, or where in state or frame; FIX_VECTOR: bytes, and 256 times the first
                    one's number in the register */
};

enum { PUT_OFF_MAX = 32, FIXES_MAX = 4096 };
enum { SINK_STEP = IR_MAX_INSNS + 1, SINK_EXTENDS = 0x8000 };

struct compile {
    struct asm_buf a;    /* body; the cold part while cold stubs are emitted */
    struct asm_buf cold; /* cold part; the body then */
    struct ir *ir;       /* only `dead` of its instructions changes */
    const struct host_request *request;
    const struct host_context *context;
    struct host_result *result;
    enum host_status status;
    u32 features;
    u32 flags;

    struct {
        u32 walker;      /* the accesses' common base (loop_walker) */
        bool write;      /* which permission they check */
        bool guess;      /* their addresses come from memory */
    } sites[SITES_MAX];  /* of a loop: remember their page (loop.c) */
    unsigned site_count;
    u32 sites_read;                  /* by accesses that were emitted; a bit for each */
    u32 sites_end;                   /* of what empties them, at the beginning of the code */
    unsigned guess_count;            /* sites that only guess (loop_guesses) */
    struct hoist hoists[HOISTS_MAX]; /* of a trace; sites[n] is that of hoists[n] (hoist.c) */
    unsigned hoist_count;
    bool all_hoisted;    /* a trace has no other accesses */
    bool has_slow;       /* a trace with a slow body, too */
    bool fast;           /* this body takes the hoisted checks for granted; its accesses do not
                            call C (hoist.c) */
    struct {
        bool cold;
        u32 field;
    } slow[4 * HOISTS_MAX + 2 * HOISTED_EXITS_MAX + APARTS_MAX + 4]; /* jumps to the other body */
    unsigned slow_count;
    struct hoisted_exits exits[HOISTED_EXITS_MAX]; /* of a trace: left out of its fast body */
    unsigned exits_count;
    u8 hoist_of[IR_MAX_INSNS]; /* of an access and its check: number + 1, or 0; of a way out:
                                  HOISTED_EXIT + number, HOISTED_SURE, or 0 */
    bool in_way;         /* this body is that of a further way (ways.c) */
    u32 way_entries[HOST_WAYS_MAX]; /* code offsets of ways; 0: not yet */
    struct {
        u32 field;
        u8 way;
    } way_jumps[WAY_JUMPS_MAX]; /* to ways that are not there yet */
    unsigned way_jump_count;
    struct wides wides;
    struct lanes lanes;
    unsigned slot_count; /* that the trace has so far, with that of its epoch (slot.c); 0: none */
    u32 slots_known;     /* offset of what is stored to vcpu->trace_slots, */
    u32 slots_old;       /*   jump to where they are emptied, */
    u32 slots_good;      /*   and offset of where that goes on */
    u8 held[HOISTS_MAX]; /* temporary that holds the host address now, or NO_REG */
    u32 own_pins;        /* own.c: pinned registers (bits by number) that a trace uses otherwise, */
    u32 adopted[PINNED_MAX]; /*   those for guest state at that offset, or NO_HOME, */
    bool adopted_written[PINNED_MAX]; /* which it writes, */
    u32 extras;          /*   and those for values (bits by host register) */
    u8 own_pin_reg[PIN_SPAN];
    struct {
        u32 offset;      /* of guest state in xmm16 + n (own_float.c); */
        bool loose;      /*   a NaN in it may not be the canonical one that it stands for */
    } floats[OWN_FLOATS_MAX]; /* of the fast body */
    unsigned float_count;
    const u8 *floats_store;  /* routine that stores them */
    u32 floats_nan[OWN_FLOATS_MAX]; /* jumps to the slow body where they cannot be loaded */
    unsigned floats_nan_count;
    bool sinking;        /* of a trace: some SETs are put off (sink.c) */
    u16 sinks[IR_MAX_INSNS]; /* of a SET: SINK_STEP, the instruction before which its value was
                                needed last (or, with SINK_EXTENDS, the value that it
                                extends), or 0 */
    struct put_off put_off[PUT_OFF_MAX]; /* at the current instruction */
    unsigned put_off_count;
    struct fix fixes[FIXES_MAX];         /* of ways out */
    unsigned fix_count;
    struct nan_wait {
        u16 root;   /* unchecked value that guest state at `offset` holds; IR_REF_NONE */
        u32 offset;
    } nan_wait;
    u16 divided; /* the division whose result is in FRAME_DIVIDED; IR_REF_NONE */
    u32 carried[CARRIED_MAX]; /* state that a loop carries, in the last XMM registers, as F64 or */
    bool carried_narrow[CARRIED_MAX]; /* as the F32 that it is the NaN box of */
    unsigned carried_count;

    unsigned at;         /* index of the instruction being emitted, */
    unsigned live_at;    /*   and where it stands in `live` */
    s64 insn_offset;     /* current guest instruction: offset of its pc from the first one's page */
    u32 insn_index;      /* and how many of the block precede it; */
    u32 counted;         /*   of those (and it, after an exit), how many r15 counts already */
    s64 entry_target;    /* offset of the block's first guest instruction */
    struct left left;    /* of the next side exit */
    u32 passed[PASSED_MAX]; /* guards that the body has passed so far */
    unsigned passed_count;
    u32 path;            /* PROBE_AT's, or 0; how many of the block precede it */
    u32 path_first;
    u32 entry;           /* code offset of where the block's own jumps to its start go */
    u32 outer_entry;     /* and those of a slow body */

    u32 locked;                /* registers of the current instruction */
    u32 temps;                 /* general registers for temporaries */
    u16 reg_value[REG_COUNT];  /* root that lives there, IR_REF_NONE */
    bool whole[IR_MAX_INSNS];  /* of a trace's value: its upper half is needed, too (narrow.c) */
    bool has_calls;            /* the block calls helpers */
    bool jumps_to_start;       /* one of its exits is a jump to its own start */
    u32 pin_base;              /* state offset of pin_reg[0] */
    const u8 *pin_reg;         /* by (offset - pin_base) / 8: register or NO_REG */
    unsigned pinned_count;
    u16 slot_value[FRAME_SLOT_COUNT];
    unsigned slot_end; /* no slot from there on was ever taken */
    u32 kept_regs, kept_used;  /* registers of `kept`; which of it are in one or saved (bits) */
    struct kept {
        u8 reg;                /* holds the addend for accesses of a group; NO_REG: none, */
        bool saved;            /*   and the frame has it, too or only */
        bool write, sure;      /* they may write; it is good wherever one of them is */
        u16 base;              /* their base address */
        s32 disp;              /* the bytes they may touch begin there */
        u16 bytes;
    } kept[KEPT_MAX];
    unsigned kept_next;
    struct {
        const struct kept *kept; /* the last access, number live_at in `live`, was of that group; */
        unsigned live_at;
        unsigned stub_count;     /* then */
        u32 end;                 /*   where it ends, and its slow path in the cold part */
        const u8 *cold_end;
    } chain;
    u16 homes[HOMES_MAX];      /* values that may be live and have a home */
    unsigned home_count;
    u64 home_words;            /* no other words of state (alloc_home_words) are homes */

    unsigned stub_count;
    struct stub stubs[STUBS_MAX + 1];
    struct value values[IR_MAX_INSNS];
    unsigned blank_count;
    struct value blanks[IR_MAX_INSNS]; /* [0, blank_count): what values are at first; kept */
    struct {
        s32 disp;               /* where the bytes begin that it and later accesses of its group */
        u16 bytes;              /*   touch, from the base address, and how many they are */
    } groups[IR_MAX_INSNS];     /* of a LOAD or STORE; 0 bytes: no later ones */
    struct overwritten overwritten; /* scan.c */
    unsigned live_first;        /* live[live_first..IR_MAX_INSNS]: what is emitted, in order */
    u16 live[IR_MAX_INSNS];
    bool keeps_vectors;         /* emit_vector_keep.c: this body does */
    unsigned kept_vector_next;
    struct kept_vector kept_vectors[KEPT_VECTORS]; /* by register */
    struct vec_rounds rounds;
};

extern const u8 x86_pinned_regs[PINNED_MAX];
/* entry.c: how many guest registers are pinned, and the lowest of their state offsets. */
unsigned x86_pinned_count(const struct guest *guest);
/* The register that vcpu->probe_at is pinned to while a stream is recorded (emit_probe.c), or
 * NO_REG. C code that may write to the stream finds it in the vcpu, and leaves it there. */
unsigned x86_probe_reg(const struct guest *guest);
u32 x86_pin_base(const struct guest *guest);

static inline struct asm_mem state_at(u32 offset)
{
    return asm_at(RBP, (s32)offset - VCPU_BIAS);
}

#define VCPU_AT(member) state_at((u32)offsetof(struct vcpu, member))

static inline struct asm_mem frame_at(unsigned offset)
{
    return asm_at(RSP, (s32)offset);
}

static inline const u8 *thunk(const struct compile *c, unsigned index)
{
    return c->context->thunks[index];
}

/* How many instructions of the block precede the current one that r15 does not count yet. -1 when
 * it counts the current one, too: then this is ended or left. */
static inline u32 uncounted(const struct compile *c)
{
    return c->insn_index - c->counted;
}

static inline bool type_is_float(unsigned type)
{
    return type == IR_F32 || type == IR_F64;
}

static inline unsigned width_of(unsigned type)
{
    return type == IR_I64 || type == IR_F64 ? ASM_64 : ASM_32;
}

static inline struct value *root_of(struct compile *c, ir_ref ref)
{
    return &c->values[c->values[ref].root];
}

/* The host register that guest state at `offset` is pinned to, or NO_REG. */
static inline unsigned pin_of(const struct compile *c, u32 offset)
{
    u32 distance = offset - c->pin_base;
    return distance < PIN_SPAN * 8 ? c->pin_reg[distance >> 3] : (unsigned)NO_REG;
}

/* --- scan.c --- */
void scan_block(struct compile *c);
/* Whether the instruction may leave the block or call C. */
bool scan_looks(const struct compile *c, unsigned i);

/* The value that an address is a constant distance from: accesses with the same base are mostly in
 * the same page. */
static inline ir_ref address_base(const struct ir *ir, ir_ref address)
{
    const struct ir_insn *insn = &ir->insns[address];
    bool offset = insn->op == IR_ADD && ir->insns[insn->b].op == IR_CONST;
    return offset ? insn->a : address;
}

static inline s64 address_disp(const struct ir *ir, ir_ref address)
{
    return address_base(ir, address) == address
               ? 0
               : (s64)ir->insns[ir->insns[address].b].imm;
}

/* Whether two values are the same one, or equal constants. */
static inline bool value_is_same(const struct compile *c, ir_ref x, ir_ref y)
{
    const struct ir_insn *a = &c->ir->insns[x], *b = &c->ir->insns[y];
    return x == y || (a->op == IR_CONST && b->op == IR_CONST && a->imm == b->imm);
}

/* Whether a sum can shift that operand by itself: x86 scales by 2, 4 and 8. */
static inline bool alu_scales(const struct compile *c, ir_ref ref)
{
    const struct ir_insn *insn = &c->ir->insns[ref];
    return insn->op == IR_SHL && insn->type == IR_I64 && c->ir->insns[insn->b].op == IR_CONST &&
           c->ir->insns[insn->b].imm <= 3;
}

/* Whether a sum can add that operand as the carry of its comparison: x < y without signs. */
static inline bool alu_carries(const struct compile *c, ir_ref ref)
{
    const struct ir_insn *insn = &c->ir->insns[ref];
    return insn->op == IR_SETCC && (insn->sub == IR_LT_U || insn->sub == IR_GT_U) &&
           c->ir->insns[insn->a].op != IR_CONST && c->ir->insns[insn->b].op != IR_CONST;
}

/* --- hoist.c: which; hoist_head.c: the head, the fast body --- */
/* Finds c->hoists of a trace, and the sites that belong to them; sets c->fast. */
void hoist_find(struct compile *c);
/* At the head of a round: the checks. */
void hoist_enter(struct compile *c);
/* At the end of the cold part: on with the slow body, from the head. */
void hoist_go_slow(struct compile *c);
/* What follows is the slow body. */
void hoist_begin_slow(struct compile *c);
/* hoist_exit.c: finds c->exits, after hoist_find; and the checks, after hoist_enter. */
void hoist_find_exits(struct compile *c);
void hoist_enter_exits(struct compile *c);
/* The jump at the head with that field goes to the slow body. */
void hoist_go_slow_by(struct compile *c, u32 field);
/* In the fast body: whether an access, check or way out was hoisted, and where the current access
 * is. */
static inline bool hoist_has(const struct compile *c, unsigned index)
{
    return c->fast && c->hoist_of[index] != 0;
}
/* Whether its address, or of a table the index, must be computed all the same. */
static inline bool hoist_needs_address(const struct compile *c, unsigned index)
{
    const struct hoist *hoist = &c->hoists[c->hoist_of[index] - 1];
    return hoist->stride != IR_REF_NONE || hoist->table;
}
/* How far a load or store is from the base of its group. */
static inline s32 hoist_disp(const struct compile *c, unsigned index)
{
    return (s32)address_disp(c->ir, c->ir->insns[index].b);
}
/* Of a trace: whether the probe does nothing where it stands, but on a way out. */
static inline bool probe_waits(const struct ir_insn *insn)
{
    return insn->op == IR_PROBE_AT || (insn->op == IR_PROBE_LEFT && insn->sub != IR_LEFT_EDGE);
}
struct asm_mem hoist_access(struct compile *c);
/* At that distance from the register of group `n`, which has no stride. */
struct asm_mem hoist_place(struct compile *c, unsigned n, s32 disp);
static inline ir_ref hoist_address(const struct ir_insn *insn)
{
    return insn->op == IR_VECTOR ? insn->c : insn->b;
}
/* Accesses of a mode that reads linearly are compared with the TLB's spans (access.c), which have
 * no pages. */
static inline bool hoist_by_span(const struct compile *c)
{
    return (c->flags & HOST_LINEAR) != 0;
}
/* Whether the temporary has the host address of a group, and that it has it no longer. */
bool hoist_holds(const struct compile *c, unsigned reg);
void hoist_lose(struct compile *c, unsigned reg);
/* True when the value is what a guest register holds at the head of the round. */
bool hoist_is_head_register(const struct compile *c, ir_ref ref);
/* False for an open trace that never jumps to its start: nothing is kept for a next round. */
bool hoist_comes_back(const struct compile *c);

/* --- ways.c --- */
/* The number of the way, plus 1, that a jump at the current instruction to `target` goes to; or
 * 0. */
unsigned ways_at(const struct compile *c, s64 target);
/* Goes to the way with that number plus 1; r15 is right, and nothing waits for a way out. */
void ways_go(struct compile *c, unsigned way);
/* Emits all of them, behind the fast body. */
void ways_emit(struct compile *c);
/* host_x86_64.c: the body of c->ir, its way out; before it, what prepares it. */
bool x86_has_room(struct compile *c);
void x86_prepare(struct compile *c);
void x86_emit_body(struct compile *c);
/* emit_branch.c: leaves for `target`, not to a way. */
void emit_go_out(struct compile *c, s64 target);
void emit_poll_out(struct compile *c, struct asm_buf *a, s64 target);

/* host_x86_64.c: pinned registers are as between blocks. */
void pins_as_usual(struct compile *c);

/* --- sink.c --- */
/* Finds c->sinks of a trace; after hoist_find. */
void sink_find(struct compile *c);
/* The SET at `at`, in the backward pass: true when it is put off. */
bool sink_scan(struct compile *c, unsigned at);
/* A SET, where c->sinking; true when nothing need be emitted for it. */
bool sink_set(struct compile *c, const struct ir_insn *insn);
/* Notes what a way out here must make good, behind c->fix_count; their number. May emit code. */
unsigned sink_way_out(struct compile *c);
/* Makes it good. `inside`: the fast body is not left. */
void sink_fix(const struct compile *c, struct asm_buf *a, unsigned first, unsigned count,
              bool inside);

/* --- slot.c --- */
/* What the trace does where it is entered, and what that needs in the cold part when all
 * its slots are known. */
void slot_enter(struct compile *c);
void slot_end(struct compile *c);

/* XMM registers that values may take end before this one; the rest carries state. */
static inline unsigned xmm_end(const struct compile *c)
{
    return REG_COUNT - c->carried_count;
}

/* --- stubs --- */
/* For the jump in the body with that field. Cold unless the caller sets `tail`. */
struct stub *stub_add(struct compile *c, void (*emit)(struct compile *, const struct stub *),
                      u32 field);
/* At the end of a cold stub: back to the body. */
void stub_return(struct compile *c, const struct stub *stub);
void stubs_emit(struct compile *c);
/* The jump in the body with that field goes to the present end of the cold part. */
static inline void bind_cold(struct compile *c, u32 field)
{
    asm_bind_to(&c->a, field, asm_exec(&c->cold));
}

/* --- emission, by topic; each handles the instruction at c->at --- */
typedef void emit_fn(struct compile *c, const struct ir_insn *insn);

emit_fn emit_get, emit_set, emit_pc_page, emit_insn_count;
emit_fn emit_alu, emit_muldiv, emit_shift, emit_bits, emit_extend, emit_compare;
emit_fn emit_check, emit_load, emit_store, emit_amo, emit_cas, emit_fence;
emit_fn emit_poll, emit_look, emit_exit_if, emit_exit_unless, emit_exit_page, emit_jump;
emit_fn emit_unretire;
emit_fn emit_jump_ind, emit_raise, emit_leave;
/* emit_branch.c: stores the current guest instruction's pc and what r15 is to be there in the vcpu;
 * rax is scratch. */
void emit_exact(const struct compile *c, struct asm_buf *a);
emit_fn emit_vector, emit_call, emit_probe, emit_probe_word, emit_probe_left;
emit_fn emit_probe_path, emit_probe_add, emit_probe_edge;
/* emit_int.c: stores the NaN box of an F32, 64 bits, in halves. */
void emit_store_boxed(struct compile *c, ir_ref ref, struct asm_mem to);
/* emit_probe.c: on a way out; rax is scratch. */
void emit_left(struct compile *c, struct asm_buf *a, struct left left);
/* Says that the path ends before the current guest instruction; r15 counts `counted` of the block.
 * Uses rax. */
void emit_path_ends(const struct compile *c, struct asm_buf *a, u32 counted);
/* How many guest instructions of the path precede the current one. */
static inline u32 path_done(const struct compile *c)
{
    return c->insn_index - c->path_first;
}
emit_fn emit_fp_arith, emit_fp_minmax, emit_fp_sign, emit_fp_compare, emit_fp_convert, emit_fp_box;
emit_fn emit_fp_env, emit_fp_soft;

/* emit_int.c: compares and returns the condition under which `cond` holds. */
enum asm_cc emit_cmp(struct compile *c, unsigned type, unsigned cond, ir_ref x, ir_ref y);
/* emit_fp.c: the current FP instruction by the soft routine, from a stub. Registers in the
 * allocator's numbering; more operands go into reg[1] and reg[2]; the caller sets `back`. None of
 * the operands' registers may have been overwritten at the jump. */
struct stub *soft_stub(struct compile *c, const struct ir_insn *insn, u32 field, unsigned result,
                       unsigned x);
/* emit_fp_arith.c: rounding. */
enum rounding_kind {
    ROUND_AS_IS,  /* MXCSR is right */
    ROUND_SWITCH, /* a static mode: MXCSR is changed around the operation */
    ROUND_SOFT,   /* the host has no such mode */
};
enum rounding_kind rounding_of(const struct compile *c, const struct ir_insn *insn);
struct rounding {
    enum rounding_kind kind;
    unsigned mode, saved, scratch;
};
/* Claims registers; before any branch of the operation. */
struct rounding rounding_claim(struct compile *c, const struct ir_insn *insn);
void rounding_begin(struct compile *c, const struct rounding *rounding);
void rounding_end(struct compile *c, const struct rounding *rounding);

/* emit_vector.c: as struct host's member. */
bool x86_does_vector(const struct host_context *context, const struct ir_vector *v);

/* --- disasm.c: as struct host's member --- */
bool x86_disassemble(const u8 *code, size_t code_bytes, u64 address,
                     void (*line)(void *opaque, u64 address, const char *text), void *opaque);

/* --- entry.c, access_thunks.c --- */
/* Compares pc rax with its entry in the jump cache (`flip`: jump_index_other(0) for its other
 * place, else 0), which is left in rdx + 8 * rcx; jump_go goes where it says. */
void jump_look_up(struct asm_buf *a, u32 flip);
void jump_go(struct asm_buf *a);
bool thunks_emit(struct host_context *context, struct asm_buf *a);
/* Stores or loads the doubles of all vector registers in FRAME_XMM; the frame is so many bytes
 * above rsp. */
void thunk_transfer_xmm(const struct host_context *context, struct asm_buf *a, unsigned above,
                        bool load);
void access_thunks_emit(struct host_context *context, struct asm_buf *a);

/* --- soft.c: C side of THUNK_SOFT_FP --- */
enum {
    SOFT_OP_SHIFT = 0,    /* enum ir_op, 8 bits */
    SOFT_TYPE_SHIFT = 8,  /* result type (operand type for FCMP, FCLASS), 4 bits */
    SOFT_FROM_SHIFT = 12, /* type of operand a, 4 bits */
    SOFT_SUB_SHIFT = 16,  /* 8 bits */
    SOFT_ROUND_SHIFT = 24,
};
/* args[0..2] operands; returns the result and puts the flags raised into args[3]. */
u64 soft_fp(const struct vcpu *vcpu, u64 *args, u32 desc);

#include "translate/to_x86_64/nan.h"
#include "translate/to_x86_64/own.h"
#include "translate/to_x86_64/places.h"
#include "translate/to_x86_64/table.h"

#endif

/* The intermediate representation: one linear array of SSA instructions per block.
 *
 * An instruction's index is its value's name (ir_ref). Operands precede users. Guest state is
 * reached only by GET and SET (and helpers that say so), guest memory only by checks, loads,
 * stores, atomics and helpers. Effects happen in array order; pure instructions have no order.
 *
 * The append functions fold constants, simplify and share as they append (ir_fold.c), and forward
 * SET to later GET, so a lowering function writes the plain meaning and gets reasonable code.
 *
 * Precise state: every SET belongs to the guest instruction of the INSN before it and comes after
 * everything in it that can raise; so at each raising point the guest registers hold exactly the
 * state before that instruction. ir_verify checks this rule.
 *
 * Thread: an ir belongs to the thread that builds it. No function keeps references to arguments. */
#ifndef METIC_TRANSLATE_IR_H
#define METIC_TRANSLATE_IR_H

#include "cpu/base/types.h"
#include "cpu/guest.h"

enum {
    IR_P = 1 << 0,
    IR_C = 1 << 1,
    IR_R = 1 << 2,
    IR_W = 1 << 3,
    IR_F = 1 << 4,
    IR_G = 1 << 5,
    IR_S = 1 << 6,
    IR_X = 1 << 7,
    IR_T = 1 << 8,
    IR_E = 1 << 9,
};

enum ir_op {
#define IROP(name, text, args, result, props, doc) IR_##name,
#include "translate/ir/ir.def"
#undef IROP
    IR_OP_COUNT,
};

enum ir_type { IR_I32, IR_I64, IR_F32, IR_F64, IR_NONE };

enum ir_cond {
    IR_EQ, IR_NE, IR_LT_S, IR_LE_S, IR_GT_S, IR_GE_S, IR_LT_U, IR_LE_U, IR_GT_U, IR_GE_U,
};

/* Rounding of an arithmetic FP instruction: enum fpu_round numbers, or the dynamic mode. */
enum ir_round {
    IR_ROUND_RNE, IR_ROUND_RTZ, IR_ROUND_RDN, IR_ROUND_RUP, IR_ROUND_RMM, IR_ROUND_DYN = 7,
};

/* Memory access description in `sub`: log2 of the size in the low two bits. */
enum ir_mem {
    IR_MEM_8 = 0,
    IR_MEM_16 = 1,
    IR_MEM_32 = 2,
    IR_MEM_64 = 3,
    IR_MEM_SIZE_MASK = 3,
    IR_MEM_SIGNED = 4, /* loads: sign-extend into the type */
};

enum ir_check {
    IR_CHECK_WRITE = 1, /* for a store (or read-modify-write: both permissions, faults as store) */
    IR_CHECK_READ = 2,
    IR_CHECK_ALIGN = 4, /* raises the guest's misaligned fault unless naturally aligned */
    IR_CHECK_PIECES = 8, /* of a LOAD that stands for smaller ones (opt/gather.h): where the bytes
                            are no plain memory, raises PIECES_CAUSE, and the instruction runs by
                            itself */
};

enum ir_amo {
    IR_AMO_SWAP, IR_AMO_ADD, IR_AMO_AND, IR_AMO_OR, IR_AMO_XOR,
    IR_AMO_MIN_S, IR_AMO_MAX_S, IR_AMO_MIN_U, IR_AMO_MAX_U,
};

enum ir_jump_hint { IR_JUMP_PLAIN, IR_JUMP_CALL, IR_JUMP_RETURN };

typedef u16 ir_ref;
enum { IR_REF_NONE = 0xffff, IR_MAX_INSNS = 4096 };

struct ir_insn {
    u8 op;
    u8 type; /* of the result (of the operands for SETCC, FCMP, FCLASS; of the value stored for SET
                and STORE; IR_NONE without) */
    u8 sub;
    u8 dead; /* set by passes: not to be executed or emitted */
    ir_ref a, b, c, d; /* IR_REF_NONE when unused */
    u64 imm;
};

/* Properties of an op, expanded from ir.def. */
struct ir_op_info {
    const char *text;
    u8 args;
    u8 result; /* enum ir_result */
    u16 props;
    const char *doc;
};
enum ir_result { IR_RESULT_NONE, IR_RESULT_SAME, IR_RESULT_I64, IR_RESULT_I32 };
extern const struct ir_op_info ir_op_info[IR_OP_COUNT];

/* Type of the value an instruction defines (its own `type` may be its operands'). */
static inline enum ir_type ir_value_type(const struct ir_insn *insn)
{
    switch (insn->op) {
    case IR_SETCC:
    case IR_FCMP:
    case IR_FCLASS: return IR_I64;
    default: return (enum ir_type)insn->type;
    }
}

/* How many registers the instructions between ir_skip_begin and ir_skip_end may write. */
enum { IR_SKIP_SETS = 4 };

enum { IR_KNOWN_WORDS = 128, IR_CHAINS = 256 };

/* What one 8-byte word of guest state (offset / 8 modulo IR_KNOWN_WORDS) is known to hold. */
struct ir_known {
    u64 key;    /* generation, size in bytes, offset (ir.c); of another generation: nothing known */
    bool exact; /* a GET of the type of `value` gives it; else its low bytes are meant */
    ir_ref value;
};

/* Places that are left for probes (translate/probe/probe_place.c): operations that are dead until
 * then. IR_PROBE behind where a path of probe.h may begin, one, or with IR_MARKS_ALL each time
 * four, and IR_PROBE_LEFT before each way out; or with IR_MARKS_UNITS one IR_PROBE behind where a
 * unit may begin, and no others. */
enum ir_marks { IR_MARKS_NONE, IR_MARKS_UNITS, IR_MARKS_FEW, IR_MARKS_ALL };
/* What a PROBE does not do, its `sub`: name the page; look for room, since what is behind the
 * stream's end is enough until somebody else does (probe.h, PROBE_LOOK_INSNS). */
enum { IR_PROBE_NO_PAGE = 1, IR_PROBE_NO_LOOK = 2 };
/* A PROBE_WORD's `sub`: a float's NaN need not be the canonical one. */
enum { IR_WORD_ANY_NAN = 1 };
/* What PROBE_LEFT does, its `sub`. */
enum ir_left { IR_LEFT_WORD, IR_LEFT_HEAD, IR_LEFT_COUNT, IR_LEFT_EDGE, IR_LEFT_WIDE };

struct ir {
    struct ir_insn insns[IR_MAX_INSNS];
    unsigned count;
    bool overflow;    /* an append did not fit (refs it gave mean nothing): cut the block shorter */
    bool constants_last; /* of a trace: (x + c) + y becomes (x + y) + c, so that addresses a
                            constant distance apart look so */
    bool keeps_sets;  /* of watched code: a SET to what is there already is told, too */
    u8 marks;         /* enum ir_marks */
    bool mark_due;
    s64 insn_end;     /* marks: where the current instruction ends */
    bool has_pieces;  /* an OR may put a word together from what is loaded */
    struct {          /* instructions that a branch may pass over (ir_skip_begin) */
        bool open;
        u8 cond;
        ir_ref a, b;
        unsigned count;
        struct {
            u32 offset;
            ir_ref before, value;
        } sets[IR_SKIP_SETS]; /* what they write */
    } skip;
    bool no_fold;     /* tests: append exactly what is asked, no folding, sharing, forwarding */
    const struct guest *guest;
    s64 insn_offset;  /* of the current guest instruction (set by ir_begin_insn) */
    u32 insn_index;   /* its number in the block, from 0 */
    u32 insn_total;   /* guest instructions begun */
    /* hash chains for sharing and the known contents of guest state; private to ir.c */
    unsigned share_floor; /* environment-dependent (IR_E) values before this index are not shared */
    u64 generation; /* of what `known` says that holds; 0: none of it was ever written */
    struct ir_known known[IR_KNOWN_WORDS];
    ir_ref chain_head[IR_CHAINS];
    ir_ref chain_next[IR_MAX_INSNS];
};

/* Makes it empty, with folding on. The struct is all zeros before the first time and needs no other
 * initialisation. `guest` may be NULL (then state offsets print as numbers). */
void ir_reset(struct ir *ir, const struct guest *guest);

/* --- append; all return the value's ref (possibly of an earlier equal one) --- */
void ir_begin_insn(struct ir *ir, s64 offset_from_page, unsigned length_bytes);
/* Behind ir_begin_insn, and POLL if there is one. */
void ir_mark_places(struct ir *ir);
static inline void ir_mark(struct ir *ir)
{
    if (ir->marks != IR_MARKS_NONE) {
        ir_mark_places(ir);
    }
}
/* It may tell of any number of events. */
static inline bool ir_is_memory_call(const struct ir_insn *insn)
{
    return insn->op == IR_CALL &&
           (((const struct helper *)(uintptr_t)insn->imm)->flags & HELPER_MEMORY);
}
ir_ref ir_const(struct ir *ir, enum ir_type type, u64 value);
static inline ir_ref ir_i64(struct ir *ir, u64 value) { return ir_const(ir, IR_I64, value); }
ir_ref ir_get(struct ir *ir, enum ir_type type, u32 offset, unsigned size_bytes);
void ir_set(struct ir *ir, u32 offset, unsigned size_bytes, ir_ref value);
/* The word at `offset`, of 8 bytes, may hold anything: a VECTOR changes it. */
void ir_forget(struct ir *ir, u32 offset);
ir_ref ir_pc_page(struct ir *ir);
ir_ref ir_insn_count(struct ir *ir);
/* Any pure or FP op with up to four operands. `type` as in struct ir_insn. */
ir_ref ir_op1(struct ir *ir, enum ir_op op, enum ir_type type, unsigned sub, ir_ref a);
ir_ref ir_op2(struct ir *ir, enum ir_op op, enum ir_type type, unsigned sub, ir_ref a, ir_ref b);
ir_ref ir_select(struct ir *ir, enum ir_cond cond, ir_ref a, ir_ref b, enum ir_type type, ir_ref c,
                 ir_ref d);
ir_ref ir_setcc(struct ir *ir, enum ir_cond cond, enum ir_type type, ir_ref a, ir_ref b);
ir_ref ir_fp(struct ir *ir, enum ir_op op, enum ir_type type, unsigned sub, enum ir_round round,
             ir_ref a, ir_ref b, ir_ref c);
ir_ref ir_fenv_flags(struct ir *ir);
void ir_fenv_set(struct ir *ir, ir_ref flags, ir_ref round);
/* Check + access in one call; the pair stays two instructions. */
ir_ref ir_load(struct ir *ir, enum ir_type type, unsigned mem, ir_ref address);
void ir_store(struct ir *ir, unsigned mem, ir_ref address, ir_ref value);
ir_ref ir_load_aligned(struct ir *ir, enum ir_type type, unsigned mem, ir_ref address); /* LR */
ir_ref ir_amo(struct ir *ir, enum ir_amo amo, enum ir_type type, ir_ref address, ir_ref value);
ir_ref ir_cas(struct ir *ir, enum ir_type type, ir_ref address, ir_ref expected, ir_ref desired);
void ir_fence(struct ir *ir, unsigned pred_succ);
/* Unused arguments IR_REF_NONE; returns IR_REF_NONE for a helper without result. */
ir_ref ir_call(struct ir *ir, const struct helper *helper, ir_ref a, ir_ref b, ir_ref c, ir_ref d);
void ir_poll(struct ir *ir, unsigned next_insns);
void ir_look(struct ir *ir, s64 next_offset);
void ir_exit_if(struct ir *ir, enum ir_cond cond, ir_ref a, ir_ref b, s64 target_offset);
/* The instructions appended until ir_skip_end do not run when a <cond> b: what they SET is selected
 * there, and they are taken back from those retired. They only compute, and set whole registers,
 * IR_SKIP_SETS at most, to I64 values; `insns` is how many they are. */
void ir_skip_begin(struct ir *ir, enum ir_cond cond, ir_ref a, ir_ref b);
void ir_skip_end(struct ir *ir, unsigned insns);
void ir_exit_unless(struct ir *ir, ir_ref target, s64 expected_offset);
void ir_exit_page(struct ir *ir, u32 guard, s64 target_offset);
static inline u32 ir_guard(const struct ir_insn *exit_page)
{
    return exit_page->a | (u32)exit_page->b << 16;
}
void ir_jump(struct ir *ir, s64 target_offset);
void ir_jump_call(struct ir *ir, s64 target_offset);
void ir_jump_next(struct ir *ir, s64 target_offset);
void ir_jump_ind(struct ir *ir, enum ir_jump_hint hint, ir_ref target);
void ir_raise(struct ir *ir, u64 cause, ir_ref value);
void ir_leave(struct ir *ir, ir_ref next_pc, bool look_at_interrupts);

/* --- whole blocks --- */
/* True when well-formed; otherwise a sentence in `why`. */
bool ir_verify(const struct ir *ir, char *why, size_t why_bytes);
/* One instruction as text, without a newline ("%12 = add.i64 %3, %7"); cut when it does not fit. */
void ir_print_insn(const struct ir *ir, unsigned index, char *text, size_t text_bytes);

/* --- interpreter (ir_interp.c) --- */
/* How a run of a block ended; shared by interpreter and generated code. */
enum ir_exit {
    IR_EXIT_JUMP,   /* vcpu->pc is the next pc: look it up (direct target) */
    IR_EXIT_IND,    /* the same, after an indirect jump */
    IR_EXIT_LEAVE,  /* the same, but look at interrupts and requests first */
    IR_EXIT_POLL,   /* the deadline has come; vcpu->pc is where to go on */
    IR_EXIT_RAISED, /* an exception is pending; vcpu->pc and insns are exact */
};
/* Runs the block on vcpu. vcpu->pc_page, pc and insns are maintained as generated code would:
 * pc_page must be set on entry; on return vcpu->pc is the next (or faulting) pc and insns counts
 * retired instructions. Loads and stores go through vcpu->ops. Polls: JUMP and EXIT_IF backwards
 * (target offset <= the block's first INSN offset), JUMP_IND, and POLL compare insns with deadline.
 * (Generated code may poll at further places.) The block must be well-formed (ir_verify) and may
 * have been through passes. */
enum ir_exit ir_interp_run(const struct ir_insn *insns, unsigned count, struct vcpu *vcpu);

#endif

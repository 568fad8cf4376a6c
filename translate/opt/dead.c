/* Backward marking of dead values and dead state writes; see dead.h.
 *
 * A write to guest state is dead when every byte of it is written again later with nothing in
 * between that reads the state or leaves the block. Which bytes those are is kept per 8-byte word
 * in a small direct-mapped table; a word that lost its slot to another counts as not
 * overwritten. */
#include "translate/opt/dead.h"
#include "cpu/base/bits.h"
#include <string.h>

enum { DEAD_WORDS = 128 };

struct overwritten {
    u32 word;  /* state offset / 8 */
    u16 epoch; /* valid when it is the walk's */
    u8 bytes;  /* one bit each */
};

struct walk {
    u16 epoch; /* advanced where everything must be exact; at most once per instruction */
    struct overwritten overwritten[DEAD_WORDS];
    u8 used[IR_MAX_INSNS];
};

/* What the walk asks of an operation: how many operands, and DEAD_*. */
enum {
    DEAD_ARGS = 7,
    DEAD_DROPPABLE = 8,
    DEAD_BARRIER = 16,
    DEAD_CALL = 32,
    DEAD_STATE = 64, /* touches guest state */
};

#define IS_READ(op)                                                                              \
    ((op) == IR_GET || (op) == IR_PC_PAGE || (op) == IR_INSN_COUNT || (op) == IR_FENV_FLAGS)

static const u8 dead_kinds[IR_OP_COUNT] = {
#define IROP(name, text, args, result, props, doc)                                               \
    [IR_##name] = (args) | ((props) & (IR_F | IR_X | IR_T) ? DEAD_BARRIER : 0) |                 \
                  (IS_READ(IR_##name) || ((props) & (IR_P | IR_E)) == IR_P ? DEAD_DROPPABLE : 0) | \
                  (IR_##name == IR_GET || IR_##name == IR_SET ? DEAD_STATE : 0) |                \
                  (IR_##name == IR_CALL ? DEAD_CALL : 0),
#include "translate/ir.def"
#undef IROP
};

/* A call is where guest state must be exact (it may be looked at, or the block left) unless its
 * helper says otherwise. */
static unsigned call_kind(const struct ir_insn *insn)
{
    const struct helper *helper = (const struct helper *)(uintptr_t)insn->imm;
    bool sees_state = (helper->flags & ~(unsigned)(HELPER_PURE | HELPER_FPU)) != 0;
    return helper->arg_count | (sees_state ? (unsigned)DEAD_BARRIER : 0u) |
           (helper->flags & HELPER_PURE ? (unsigned)DEAD_DROPPABLE : 0u);
}

static inline void use_operands(struct walk *walk, const struct ir_insn *insn, unsigned count)
{
    if (count == 0) {
        return;
    }
    walk->used[insn->a] = 1;
    if (count > 1) {
        walk->used[insn->b] = 1;
    }
    if (UNLIKELY(count > 2)) {
        walk->used[insn->c] = 1;
        if (count > 3) {
            walk->used[insn->d] = 1;
        }
    }
}

/* The slot of a word of state, taken over for it. */
static ALWAYS_INLINE struct overwritten *slot_of(struct walk *walk, u32 word)
{
    struct overwritten *slot = &walk->overwritten[word % DEAD_WORDS];
    if (slot->word != word || slot->epoch != walk->epoch) {
        *slot = (struct overwritten){.word = word, .epoch = walk->epoch};
    }
    return slot;
}

/* Of the bytes (one bit each) of a word; true when all of them are overwritten. Afterwards they
 * are, for a write, and are not, for a read. */
static ALWAYS_INLINE bool touch_word(struct walk *walk, u32 word, unsigned bytes, bool write)
{
    struct overwritten *slot = slot_of(walk, word);
    bool covered = (slot->bytes & bytes) == bytes;
    slot->bytes = (u8)(write ? slot->bytes | bytes : slot->bytes & ~bytes);
    return covered;
}

/* The same of [imm, imm + sub), which lies in at most two words. */
static bool touch_part(struct walk *walk, const struct ir_insn *insn, bool write)
{
    u32 offset = (u32)insn->imm;
    unsigned bytes = ((1u << insn->sub) - 1) << (offset % 8);
    bool covered = (bytes & 0xff) == 0 || touch_word(walk, offset / 8, bytes & 0xff, write);
    if (bytes >> 8 != 0) {
        covered &= touch_word(walk, offset / 8 + 1, bytes >> 8, write);
    }
    return covered;
}

static ALWAYS_INLINE bool touch_state(struct walk *walk, const struct ir_insn *insn, bool write)
{
    u32 offset = (u32)insn->imm;
    return LIKELY(insn->sub == 8 && offset % 8 == 0) ? touch_word(walk, offset / 8, 0xff, write)
                                                     : touch_part(walk, insn, write);
}

static ALWAYS_INLINE void visit(struct walk *walk, struct ir_insn *insn, unsigned index)
{
    unsigned kind = dead_kinds[insn->op];
    if (kind == 0) {
        return; /* the mark of a guest instruction */
    }
    if (UNLIKELY(kind & DEAD_CALL)) {
        kind = call_kind(insn);
    }
    if (insn->dead || ((kind & DEAD_DROPPABLE) && !walk->used[index])) {
        insn->dead = 1;
        return;
    }
    if (kind & DEAD_STATE) {
        bool write = insn->op == IR_SET;
        if (touch_state(walk, insn, write) && write) {
            insn->dead = 1;
            return;
        }
    }
    walk->epoch = (u16)(walk->epoch + (kind / DEAD_BARRIER & 1));
    use_operands(walk, insn, kind & DEAD_ARGS);
}

void opt_dead(struct ir *ir)
{
    struct walk walk;
    walk.epoch = 1;
    memset(walk.overwritten, 0, sizeof(walk.overwritten));
    memset(walk.used, 0, ir->count);
    for (unsigned index = ir->count; index-- > 0;) {
        visit(&walk, &ir->insns[index], index);
    }
}

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
    struct ir *ir;
    u16 epoch; /* advanced where everything must be exact; at most once per instruction */
    struct overwritten overwritten[DEAD_WORDS];
    u8 used[IR_MAX_INSNS];
};

static bool call_sees_state(const struct ir_insn *insn)
{
    const struct helper *helper = (const struct helper *)(uintptr_t)insn->imm;
    return (helper->flags & ~(unsigned)(HELPER_PURE | HELPER_FPU)) != 0;
}

/* Where guest state must be exact: it may be looked at, or the block left. */
static bool is_barrier(const struct ir_insn *insn)
{
    if (insn->op == IR_CALL) {
        return call_sees_state(insn);
    }
    return (ir_op_info[insn->op].props & (IR_F | IR_X | IR_T)) != 0;
}

static bool is_droppable(const struct ir_insn *insn)
{
    unsigned props = ir_op_info[insn->op].props;
    switch (insn->op) {
    case IR_CALL:
        return (((const struct helper *)(uintptr_t)insn->imm)->flags & HELPER_PURE) != 0;
    case IR_GET:
    case IR_PC_PAGE:
    case IR_INSN_COUNT:
    case IR_FENV_FLAGS: return true;
    default: return (props & IR_P) != 0 && (props & IR_E) == 0;
    }
}

static void use_operands(struct walk *walk, const struct ir_insn *insn)
{
    const ir_ref refs[] = {insn->a, insn->b, insn->c, insn->d};
    unsigned args = ir_op_info[insn->op].args;
    for (unsigned i = 0; i < args; i++) {
        if (refs[i] != IR_REF_NONE) {
            walk->used[refs[i]] = 1;
        }
    }
}

/* The slot of a word of state, taken over for it. */
static struct overwritten *slot_of(struct walk *walk, u32 word)
{
    struct overwritten *slot = &walk->overwritten[word % DEAD_WORDS];
    if (slot->word != word || slot->epoch != walk->epoch) {
        *slot = (struct overwritten){.word = word, .epoch = walk->epoch};
    }
    return slot;
}

/* Calls for the (at most two) words that [imm, imm + sub) lies in; true when all of its bytes are
 * overwritten. Afterwards they are, for a write, and are not, for a read. */
static bool touch_state(struct walk *walk, const struct ir_insn *insn, bool write)
{
    u32 offset = (u32)insn->imm;
    unsigned bytes = ((1u << insn->sub) - 1) << (offset % 8);
    bool covered = true;
    for (unsigned i = 0; i < 2; i++, bytes >>= 8) {
        u8 in_word = (u8)bytes;
        if (in_word == 0) {
            continue;
        }
        struct overwritten *slot = slot_of(walk, offset / 8 + i);
        covered = covered && (slot->bytes & in_word) == in_word;
        slot->bytes = (u8)(write ? slot->bytes | in_word : slot->bytes & ~in_word);
    }
    return covered;
}

static void visit(struct walk *walk, unsigned index)
{
    struct ir_insn *insn = &walk->ir->insns[index];
    if (insn->dead || (is_droppable(insn) && !walk->used[index])) {
        insn->dead = 1;
        return;
    }
    if (insn->op == IR_SET && touch_state(walk, insn, true)) {
        insn->dead = 1;
        return;
    }
    if (insn->op == IR_GET) {
        touch_state(walk, insn, false);
    }
    if (is_barrier(insn)) {
        walk->epoch++;
    }
    use_operands(walk, insn);
}

void opt_dead(struct ir *ir)
{
    struct walk walk;
    walk.ir = ir;
    walk.epoch = 1;
    memset(walk.overwritten, 0, sizeof(walk.overwritten));
    memset(walk.used, 0, ir->count);
    for (unsigned index = ir->count; index-- > 0;) {
        visit(&walk, index);
    }
}

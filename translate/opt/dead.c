/* Backward marking of dead values and dead state writes; see dead.h. */
#include "cpu/base/bits.h"
#include "translate/opt/dead.h"
#include "translate/opt/overwritten.h"

struct walk {
    struct overwritten overwritten;
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
#include "translate/ir/ir.def"
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
    if ((kind & DEAD_STATE) && overwritten_by_later(&walk->overwritten, insn)) {
        insn->dead = 1;
        return;
    }
    if (kind & DEAD_BARRIER) {
        overwritten_nothing(&walk->overwritten);
    }
    use_operands(walk, insn, kind & DEAD_ARGS);
}

void opt_dead(struct ir *ir)
{
    struct walk walk;
    walk.overwritten.epoch = 0;
    overwritten_begin(&walk.overwritten);
    memset(walk.used, 0, ir->count);
    for (unsigned index = ir->count; index-- > 0;) {
        visit(&walk, &ir->insns[index], index);
    }
}

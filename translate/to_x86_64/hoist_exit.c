/* Traces of loops that go round often: ways out that cannot be taken are not looked at.
 *
 * A trace holds several rounds of a short loop, each with its own way out, for when a counter or a
 * pointer has come to its end. What is compared is mostly a constant distance from what a register
 * holds at the head, or some strides that a register holds, and the end is a register's value or a
 * constant. So one comparison at the head tells that none of these ways out is taken in this round.
 * Where a counter has come below a constant, as that of the elements left to a loop of vectors, it
 * tells so for those that ask whether it is 0, too.
 * The fast body (hoist.c) leaves them out, and with them what only they needed: the values
 * compared, and the writes of registers that nobody could see any more (sink.c). In the last rounds
 * of the loop, where one of them may be taken, the slow body runs.
 *
 * That pays where a loop is long, since its end becomes slower. The last way out of all stays, so
 * that a loop whose rounds are a multiple of those in the trace does not need the slow body. */
#include "translate/ir/ir_vector.h"
#include "translate/to_x86_64/compile.h"

enum { EXITS_MIN = 3, STRIDE_STEPS_MAX = 16, BELOW_MAX = 1 << 20 };

/* A way out that is taken when `x` + distance, or + steps * stride, is `cond` (EQ, LT_U, or GE of
 * either kind) `y`. */
struct part {
    ir_ref x, y, stride;
    unsigned cond, steps;
    bool word; /* the lower halves are compared */
    s64 distance;
};

static bool same_register(const struct compile *c, ir_ref x, ir_ref y)
{
    return hoist_is_head_register(c, x) && hoist_is_head_register(c, y) &&
           c->ir->insns[x].imm == c->ir->insns[y].imm;
}

static bool same_value(const struct compile *c, ir_ref x, ir_ref y)
{
    const struct ir_insn *a = &c->ir->insns[x], *b = &c->ir->insns[y];
    bool constants = a->op == IR_CONST && b->op == IR_CONST;
    return constants ? a->imm == b->imm : same_register(c, x, y);
}

/* A word that counts, sign-extended. */
static bool is_word(const struct compile *c, ir_ref ref, struct part *part)
{
    const struct ir_insn *extend = &c->ir->insns[ref];
    if (extend->op != IR_SEXT || extend->sub != 32) {
        return false;
    }
    const struct ir_insn *sum = &c->ir->insns[extend->a];
    if (sum->op != IR_ADD || sum->type != IR_I32 || c->ir->insns[sum->b].op != IR_CONST) {
        return false;
    }
    const struct ir_insn *cut = &c->ir->insns[sum->a];
    if (cut->op != IR_TRUNC || !hoist_is_head_register(c, cut->a)) {
        return false;
    }
    part->word = true;
    part->x = cut->a;
    part->distance = (s32)c->ir->insns[sum->b].imm;
    return true;
}

/* A sum of a register and some strides of a walk that is hoisted: these are less than 2 GiB. */
static bool is_walk(const struct compile *c, ir_ref ref, struct part *part)
{
    for (unsigned n = 0; n < c->hoist_count; n++) {
        ir_ref stride = c->hoists[n].stride, at = ref;
        unsigned steps = 0;
        while (stride != IR_REF_NONE && c->ir->insns[at].op == IR_ADD &&
               c->ir->insns[at].type == IR_I64 && steps < STRIDE_STEPS_MAX) {
            const struct ir_insn *sum = &c->ir->insns[at];
            bool second = same_register(c, sum->b, stride);
            if (!second && !same_register(c, sum->a, stride)) {
                break;
            }
            at = second ? sum->a : sum->b;
            steps++;
        }
        if (steps != 0 && hoist_is_head_register(c, at)) {
            part->x = at;
            part->stride = stride;
            part->steps = steps;
            return true;
        }
    }
    return false;
}

static bool moves(const struct compile *c, ir_ref ref, struct part *part)
{
    if (is_word(c, ref, part)) {
        return part->cond == IR_EQ;
    }
    ir_ref base = address_base(c->ir, ref);
    if (hoist_is_head_register(c, base)) {
        part->x = base;
        part->distance = address_disp(c->ir, ref);
        return asm_fits_s32(part->distance) &&
               (part->cond == IR_EQ ||
                (part->cond == IR_LT_U ? part->distance <= 0 : part->distance >= 0));
    }
    return part->cond == IR_GE_U && is_walk(c, ref, part);
}

static bool is_end(const struct compile *c, ir_ref ref)
{
    return c->ir->insns[ref].op == IR_CONST || hoist_is_head_register(c, ref);
}

static bool part_of(const struct compile *c, const struct ir_insn *insn, struct part *part)
{
    ir_ref x = insn->a, y = insn->b;
    unsigned cond = insn->sub;
    if (cond == IR_LE_U || cond == IR_LE_S || (cond == IR_EQ && is_end(c, x))) {
        x = insn->b;
        y = insn->a;
        cond = cond == IR_LE_U ? IR_GE_U : cond == IR_LE_S ? IR_GE_S : IR_EQ;
    }
    *part = (struct part){.y = y, .stride = IR_REF_NONE, .cond = cond};
    if (cond == IR_LT_U) {
        const struct ir_insn *end = &c->ir->insns[y];
        return end->op == IR_CONST && end->imm <= BELOW_MAX && moves(c, x, part) &&
               part->distance >= -BELOW_MAX;
    }
    return (cond == IR_EQ || cond == IR_GE_U || cond == IR_GE_S) && is_end(c, y) &&
           moves(c, x, part);
}

static bool joins(const struct compile *c, const struct hoisted_exits *group,
                  const struct part *part)
{
    bool same_stride = (group->stride == IR_REF_NONE) == (part->stride == IR_REF_NONE) &&
                       (part->stride == IR_REF_NONE ||
                        same_register(c, group->stride, part->stride));
    s64 min = part->distance < group->min ? part->distance : group->min;
    s64 max = part->distance > group->max ? part->distance : group->max;
    return group->cond == part->cond && group->word == part->word && same_stride &&
           same_register(c, group->x, part->x) && same_value(c, group->y, part->y) &&
           asm_fits_s32(max - min);
}

/* The last way out, and enough of its group come before it. */
static bool stays(const struct compile *c, unsigned i, unsigned last, unsigned n)
{
    return i == last && n < c->exits_count && c->exits[n].members >= EXITS_MIN;
}

static void join(struct compile *c, unsigned i, unsigned last, const struct part *part)
{
    unsigned n = 0;
    while (n < c->exits_count && !joins(c, &c->exits[n], part)) {
        n++;
    }
    if (n == HOISTED_EXITS_MAX || stays(c, i, last, n)) {
        return;
    }
    struct hoisted_exits *group = &c->exits[n];
    if (n == c->exits_count) {
        c->exits_count++;
        *group = (struct hoisted_exits){
            .x = part->x, .y = part->y, .stride = part->stride, .cond = (u8)part->cond,
            .word = part->word, .min = (s32)part->distance, .max = (s32)part->distance,
        };
    }
    group->min = part->distance < group->min ? (s32)part->distance : group->min;
    group->max = part->distance > group->max ? (s32)part->distance : group->max;
    group->steps = part->steps > group->steps ? (u8)part->steps : group->steps;
    group->members++;
    c->hoist_of[i] = (u8)(HOISTED_EXIT + n);
}

/* Groups of too few do not pay. */
static void drop_small(struct compile *c)
{
    unsigned kept = 0;
    for (unsigned n = 0; n < c->exits_count; n++) {
        bool keeps = c->exits[n].members >= EXITS_MIN;
        for (unsigned i = 0; i < c->ir->count; i++) {
            if (c->hoist_of[i] == HOISTED_EXIT + n) {
                c->hoist_of[i] = (u8)(keeps ? HOISTED_EXIT + kept : 0);
            }
        }
        if (keeps) {
            c->exits[kept++] = c->exits[n];
        }
    }
    c->exits_count = kept;
}

/* The next way out asks whether load i shortened the vector, which it does not where it is
 * hoisted. */
static void drop_length_check(struct compile *c, unsigned load)
{
    unsigned i = load + 1;
    while (i < c->ir->count && c->ir->insns[i].op != IR_EXIT_IF) {
        i++;
    }
    const struct ir_insn *exit = &c->ir->insns[i], *get = &c->ir->insns[exit->a];
    if (i < c->ir->count && exit->sub == IR_NE && exit->a > load && get->op == IR_GET &&
        get->imm == c->context->guest->vector->count) {
        c->hoist_of[i] = HOISTED_SURE;
    }
}

static void drop_length_checks(struct compile *c)
{
    for (unsigned i = 0; c->fast && i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->op == IR_VECTOR && c->hoist_of[i] != 0 &&
            ir_vector_may_shorten(ir_vector_of(c->ir, insn).op)) {
            drop_length_check(c, i);
        }
    }
}

void hoist_find_exits(struct compile *c)
{
    c->exits_count = 0;
    drop_length_checks(c);
    if (!c->fast || !(c->flags & HOST_LONG)) {
        return;
    }
    unsigned last = c->ir->count;
    while (last-- > 0 && (c->ir->insns[last].op != IR_EXIT_IF || c->ir->insns[last].dead)) {
    }
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        struct part part;
        if (insn->op == IR_EXIT_IF && !insn->dead && (s64)insn->imm != c->entry_target &&
            part_of(c, insn, &part)) {
            join(c, i, last, &part);
        }
    }
    drop_small(c);
}

/* --- the head --- */

static void load_head(struct compile *c, unsigned width, unsigned reg, ir_ref ref)
{
    const struct ir_insn *insn = &c->ir->insns[ref];
    u32 offset = (u32)insn->imm;
    if (insn->op == IR_CONST) {
        asm_mov_imm(&c->a, reg, insn->imm);
    } else if (pin_of(c, offset) != NO_REG) {
        asm_mov(&c->a, width, reg, pin_of(c, offset));
    } else {
        asm_load(&c->a, width, reg, state_at(offset));
    }
}

static void subtract_head(struct compile *c, unsigned width, unsigned reg, ir_ref ref)
{
    u32 offset = (u32)c->ir->insns[ref].imm;
    if (pin_of(c, offset) != NO_REG) {
        asm_alu_rr(&c->a, ASM_SUB, width, reg, pin_of(c, offset));
    } else {
        asm_alu_rm(&c->a, ASM_SUB, width, reg, state_at(offset));
    }
}

/* x less what the furthest takes from it is not below y, a constant. */
static void compare_above(struct compile *c, const struct hoisted_exits *group)
{
    unsigned pin = pin_of(c, (u32)c->ir->insns[group->x].imm);
    if (pin == NO_REG) {
        load_head(c, ASM_64, RAX, group->x);
    }
    asm_alu_imm(&c->a, ASM_CMP, ASM_64, pin == NO_REG ? (unsigned)RAX : pin,
                (s32)c->ir->insns[group->y].imm - group->min);
    hoist_go_slow_by(c, asm_jcc_forward(&c->a, ASM_B));
}

/* What is left from x to y must be more than the furthest of them goes; for equality, none of what
 * lies from the nearest to the furthest. */
static void compare_left(struct compile *c, const struct hoisted_exits *group)
{
    struct asm_buf *a = &c->a;
    unsigned width = group->word ? ASM_32 : ASM_64;
    if (group->cond == IR_LT_U) {
        compare_above(c, group);
        return;
    }
    load_head(c, width, RAX, group->y);
    subtract_head(c, width, RAX, group->x);
    if (group->cond != IR_EQ) {
        hoist_go_slow_by(c, asm_jcc_forward(a, group->cond == IR_GE_U ? ASM_B : ASM_L));
    } else if (group->min != 0) {
        asm_alu_imm(a, ASM_SUB, width, RAX, group->min);
    }
    if (group->stride != IR_REF_NONE) {
        load_head(c, ASM_64, RCX, group->stride);
        asm_rr(a, 0x6b, ASM_64, RCX, RCX); /* imul */
        asm_u8(a, group->steps);
        asm_alu_rr(a, ASM_CMP, ASM_64, RAX, RCX);
    } else {
        s32 furthest = group->cond == IR_EQ ? group->max - group->min : group->max;
        asm_alu_imm(a, ASM_CMP, width, RAX, furthest);
    }
    hoist_go_slow_by(c, asm_jcc_forward(a, ASM_BE));
}

/* x is so far above the other group's constant that it cannot come to this one's. */
static bool is_implied(const struct compile *c, const struct hoisted_exits *group)
{
    const struct ir_insn *end = &c->ir->insns[group->y];
    bool may_be = group->cond == IR_EQ && !group->word && end->op == IR_CONST &&
                  end->imm <= BELOW_MAX && group->max <= 0;
    for (unsigned n = 0; may_be && n < c->exits_count; n++) {
        const struct hoisted_exits *other = &c->exits[n];
        if (other->cond == IR_LT_U && same_register(c, other->x, group->x) &&
            (s64)c->ir->insns[other->y].imm - other->min > (s64)end->imm - group->min) {
            return true;
        }
    }
    return false;
}

void hoist_enter_exits(struct compile *c)
{
    for (unsigned n = 0; c->fast && n < c->exits_count; n++) {
        if (!is_implied(c, &c->exits[n])) {
            compare_left(c, &c->exits[n]);
        }
    }
}

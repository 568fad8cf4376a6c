/* Traces: writes of guest state that wait for a way out.
 *
 * A SET that another SET of the same register follows, with nothing in between that could look at
 * the register but ways out of the trace, is left out; the ways out between the two do it. So a
 * register that only counts, or holds something for a moment, costs the straight path nothing.
 *
 * What waits is either a step: the register's value at the head plus a constant, which a way out
 * adds; or a value, which lives until the last way out that needs it.
 *
 * Ways out are side exits and, in the fast body (hoist.c), accesses that the TLB does not serve. In
 * a body whose accesses call C these end the waiting, since C may look at everything. */
#include "translate/ir/ir_vector.h"
#include "translate/to_x86_64/alloc.h"

enum sink_class { SINK_NOTHING, SINK_SET, SINK_GET, SINK_WAY_OUT, SINK_LOOKS };

struct sink_search {
    struct compile *c;
    u8 class[IR_MAX_INSNS];
};

static bool overlap(const struct ir_insn *x, const struct ir_insn *y)
{
    return x->imm < y->imm + y->sub && y->imm < x->imm + x->sub;
}

/* --- which --- */

static bool vector_is_sure(const struct compile *c, const struct ir_insn *insn)
{
    struct ir_vector v = ir_vector_of(c->ir, insn);
    return ir_vector_is_sure(&v) || vec_keep_is_sure(c, &v);
}

static enum sink_class class_of(const struct compile *c, unsigned i)
{
    const struct ir_insn *insn = &c->ir->insns[i];
    if (insn->dead || hoist_has(c, i)) {
        return SINK_NOTHING;
    }
    switch (insn->op) {
    case IR_SET: return SINK_SET;
    case IR_GET: return SINK_GET;
    case IR_EXIT_IF:
    case IR_EXIT_UNLESS:
    case IR_EXIT_PAGE: return SINK_WAY_OUT;
    case IR_VECTOR:
        if (vector_is_sure(c, insn)) {
            return SINK_NOTHING;
        } /* fallthrough */
    case IR_LOAD:
    case IR_STORE: return c->fast ? SINK_WAY_OUT : SINK_LOOKS;
    default: break;
    }
    bool looks = ir_op_info[insn->op].props & (IR_X | IR_T | IR_F | IR_R | IR_W);
    return looks ? SINK_LOOKS : SINK_NOTHING;
}

/* Checks that accesses make are part of these. */
static void classify(struct sink_search *search)
{
    const struct compile *c = search->c;
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        search->class[i] = (u8)class_of(c, i);
        if (!insn->dead && (insn->op == IR_LOAD || insn->op == IR_STORE)) {
            search->class[insn->a] = SINK_NOTHING;
        }
    }
}

/* Vector operations look at how vectors are configured, unless they are sure. */
static bool vector_looks(const struct compile *c, const struct ir_insn *insn,
                         const struct ir_insn *set)
{
    const struct guest_vector *vector = c->context->guest->vector;
    struct ir_vector v = ir_vector_of(c->ir, insn);
    bool concerned = (set->imm < vector->state_end && set->imm + set->sub > vector->state_first) ||
                     set->imm == vector->key;
    return concerned && !ir_vector_is_counted(&v);
}

/* Whether the trace goes back to its start there, where it may be left for a poll. */
static bool is_way_back(const struct compile *c, unsigned i)
{
    const struct ir_insn *insn = &c->ir->insns[i];
    return insn->op == IR_JUMP && insn->sub != IR_JUMP_CALL && !c->in_way &&
           (s64)insn->imm == c->entry_target && !(c->flags & HOST_NO_SELF_LINK);
}

/* Whether each round, in the slow body too, sets the register before anything could look at it. */
static bool is_dead_at_head(const struct compile *c, const struct ir_insn *set)
{
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->dead || insn->op == IR_INSN) {
            continue;
        }
        if (insn->op == IR_SET && overlap(insn, set)) {
            return insn->imm == set->imm && insn->sub == set->sub;
        }
        if ((insn->op == IR_GET && overlap(insn, set)) ||
            (insn->op != IR_SET && insn->op != IR_GET && !(ir_op_info[insn->op].props & IR_P))) {
            return false;
        }
    }
    return false;
}

/* True when another SET makes the one at `at` unneeded, with the last way out between them; `at`
 * when there is none. */
static bool can_wait(const struct sink_search *search, unsigned at, unsigned *last)
{
    const struct ir *ir = search->c->ir;
    const struct ir_insn *set = &ir->insns[at];
    *last = at;
    for (unsigned i = at + 1; i < ir->count; i++) {
        const struct ir_insn *insn = &ir->insns[i];
        switch (search->class[i]) {
        case SINK_WAY_OUT:
            if (insn->op == IR_VECTOR && vector_looks(search->c, insn, set)) {
                return false;
            }
            *last = i;
            break;
        case SINK_SET:
            if (overlap(insn, set)) {
                return insn->imm == set->imm && insn->sub == set->sub;
            }
            break;
        case SINK_GET:
            if (overlap(insn, set)) {
                return false;
            }
            break;
        case SINK_LOOKS:
            *last = i;
            return is_way_back(search->c, i) && is_dead_at_head(search->c, set);
        default: break;
        }
    }
    return false;
}

/* True for a SET to the register's own head value plus a constant. What is in the register must
 * still be the head value. */
static bool is_step(const struct sink_search *search, unsigned at)
{
    const struct compile *c = search->c;
    const struct ir_insn *set = &c->ir->insns[at];
    ir_ref base = address_base(c->ir, set->a);
    if (set->sub != 8 || set->type != IR_I64 || !hoist_is_head_register(c, base) ||
        c->ir->insns[base].imm != set->imm || !asm_fits_s32(address_disp(c->ir, set->a))) {
        return false;
    }
    for (unsigned i = 0; i < at; i++) {
        if (search->class[i] == SINK_SET && overlap(&c->ir->insns[i], set) &&
            c->sinks[i] != SINK_STEP) {
            return false;
        }
    }
    return true;
}

static bool is_value(const struct compile *c, const struct ir_insn *set)
{
    bool pinned = pin_of(c, (u32)set->imm) != NO_REG ||
                  pin_of(c, (u32)set->imm + set->sub - 1) != NO_REG;
    bool whole_pin = ((u32)set->imm - c->pin_base) % 8 == 0 && set->type == IR_I64;
    return set->sub == 8 && (set->type == IR_I64 || set->type == IR_F64) && (!pinned || whole_pin);
}

static void find_in_trace(struct compile *c)
{
    struct sink_search search = {.c = c};
    memset(c->sinks, 0, c->ir->count * sizeof(c->sinks[0]));
    classify(&search);
    for (unsigned i = 0; i < c->ir->count; i++) {
        unsigned last;
        if (search.class[i] != SINK_SET || !can_wait(&search, i, &last)) {
            continue;
        }
        if (is_step(&search, i)) {
            c->sinks[i] = SINK_STEP;
        } else if (is_value(c, &c->ir->insns[i])) {
            c->sinks[i] = (u16)(last + 1);
        }
    }
}

void sink_find(struct compile *c)
{
    c->put_off_count = 0;
    c->fix_count = 0;
    c->sinking = (c->flags & HOST_TRACE) != 0;
    if (c->sinking) {
        find_in_trace(c);
    }
}

/* In a general register, not another value read differently. */
static bool is_computed_word(const struct ir_insn *insn)
{
    bool arithmetic = insn->op >= IR_ADD && insn->op <= IR_ROTR;
    return insn->type == IR_I32 && (arithmetic || insn->op == IR_LOAD);
}

/* A SET of a sign-extended word may wait with the word, which mostly lives longer: as long as
 * needed for a pinned register, which is a place for the extended one. */
static bool waits_as_word(struct compile *c, const struct ir_insn *set, unsigned until)
{
    const struct ir_insn *extend = &c->ir->insns[set->a];
    if (extend->op != IR_SEXT || extend->sub != 32 ||
        !is_computed_word(&c->ir->insns[extend->a]) || c->values[set->a].last_use >= until) {
        return false;
    }
    struct value *word = &c->values[extend->a];
    unsigned longer = pin_of(c, (u32)set->imm) == NO_REG;
    if (word->last_use + longer < until) {
        return false;
    }
    word->flags |= VALUE_COMPUTED;
    word->last_use = word->last_use < until ? (u16)until : word->last_use;
    return true;
}

bool sink_scan(struct compile *c, unsigned at)
{
    if (!c->sinking || c->sinks[at] == 0) {
        return false;
    }
    const struct ir_insn *set = &c->ir->insns[at];
    unsigned until = c->sinks[at];
    struct value *value = &c->values[set->a];
    if (until == SINK_STEP || until == at + 1) {
        return true;
    }
    if (waits_as_word(c, set, until)) {
        c->sinks[at] |= SINK_EXTENDS;
        return true;
    }
    if (pin_of(c, (u32)set->imm) != NO_REG) {
        c->sinks[at] = 0; /* its value is computed there */
        return false;
    }
    /* Keeping a value for it takes a register, of which there are few general ones. */
    bool box = c->ir->insns[set->a].op == IR_FBOX;
    if (!box && set->type == IR_I64 && c->ir->insns[set->a].op != IR_CONST &&
        value->last_use + 1u < until) {
        c->sinks[at] = 0;
        return false;
    }
    value->flags |= box ? 0 : (u8)VALUE_COMPUTED;
    if (value->last_use < until) {
        value->last_use = (u16)until;
    }
    return true;
}

/* --- what waits --- */

static unsigned waiting_find(const struct compile *c, u32 offset)
{
    unsigned n = 0;
    while (n < c->put_off_count && c->put_off[n].offset != offset) {
        n++;
    }
    return n;
}

bool sink_set(struct compile *c, const struct ir_insn *insn)
{
    u32 offset = (u32)insn->imm;
    unsigned n = waiting_find(c, offset);
    unsigned until = c->sinks[c->at] & ~(unsigned)SINK_EXTENDS;
    bool extends = c->sinks[c->at] & SINK_EXTENDS;
    if (until == 0 || until == c->at + 1) {
        if (n < c->put_off_count) {
            c->put_off[n] = c->put_off[--c->put_off_count];
        }
        return until != 0;
    }
    if (n == PUT_OFF_MAX) {
        c->status = HOST_TOO_COMPLEX;
        return true;
    }
    c->put_off_count += n == c->put_off_count;
    c->put_off[n] = (struct put_off){
        .offset = offset, .value = extends ? c->ir->insns[insn->a].a : insn->a,
        .is_step = until == SINK_STEP, .extends = extends,
    };
    return true;
}

static bool is_waiting(const struct compile *c, u32 offset, unsigned bytes)
{
    for (unsigned n = 0; n < c->put_off_count; n++) {
        u32 other = c->put_off[n].offset;
        if (other < offset + bytes && offset < other + 8) {
            return true;
        }
    }
    return false;
}

/* Before any is located, since this may move values about: one that is in state which the ways out
 * change leaves it, and an unchecked one must be in a register, which is locked. */
static void bring(struct compile *c, const struct put_off *put_off)
{
    if (put_off->is_step) {
        return;
    }
    unsigned root = c->values[put_off->value].root;
    const struct value *value = &c->values[root];
    if (value->flags & VALUE_CONST) {
        return;
    }
    if (value->home != NO_HOME && is_waiting(c, value->home, value->home_bytes)) {
        alloc_leave_home(c, root);
    }
    if (value->flags & VALUE_UNCHECKED) {
        if (value->reg == NO_REG) {
            unsigned reg = alloc_take_any(c, type_is_float(c->ir->insns[root].type));
            alloc_load_root(c, root, reg);
            alloc_bind(c, root, reg);
        }
        c->locked |= alloc_bit(value->reg);
    }
}

/* Where the value is now. */
static struct fix locate(const struct compile *c, const struct put_off *put_off)
{
    struct fix fix = {.offset = put_off->offset, .reg = NO_REG, .unchecked = IR_NONE,
                      .pin = (u8)pin_of(c, put_off->offset), .extends = put_off->extends};
    if (put_off->is_step) {
        fix.kind = FIX_STEP;
        fix.imm = address_disp(c->ir, put_off->value);
        return fix;
    }
    unsigned root = c->values[put_off->value].root;
    const struct value *value = &c->values[root];
    fix.boxed = (c->values[put_off->value].flags & VALUE_BOXED) != 0;
    bool unchecked = (value->flags & VALUE_UNCHECKED) != 0;
    if (value->reg != NO_REG) {
        fix.kind = FIX_REG;
        fix.reg = value->reg;
        fix.unchecked = unchecked ? c->ir->insns[root].type : (u8)IR_NONE;
    } else if (value->flags & VALUE_CONST) {
        fix.kind = FIX_CONST;
        fix.imm = (s64)alloc_const_bits(c, root);
        fix.imm = fix.extends ? (s64)(s32)fix.imm : fix.imm;
    } else if (value->home != NO_HOME) {
        fix.kind = value->home_bytes == 8 ? FIX_STATE : FIX_STATE_32;
        fix.imm = value->home;
    } else {
        fix.kind = FIX_SLOT;
        fix.imm = FRAME_SLOTS + 8 * value->slot;
    }
    return fix;
}

unsigned sink_way_out(struct compile *c)
{
    unsigned count = c->sinking ? c->put_off_count : 0;
    if (c->fix_count + count + KEPT_VECTORS > ARRAY_LEN(c->fixes)) {
        c->status = HOST_TOO_COMPLEX;
        return 0;
    }
    u32 locked = c->locked;
    for (unsigned n = 0; n < count; n++) {
        bring(c, &c->put_off[n]);
    }
    c->locked = locked;
    for (unsigned n = 0; n < count; n++) {
        c->fixes[c->fix_count++] = locate(c, &c->put_off[n]);
    }
    unsigned vectors = vec_keep_fixes(c, &c->fixes[c->fix_count]);
    c->fix_count += vectors;
    return count + vectors;
}

/* --- at the way out --- */

static void add_step(const struct compile *c, struct asm_buf *a, const struct fix *fix)
{
    unsigned pin = pin_of(c, fix->offset);
    if (pin != NO_REG) {
        asm_alu_imm(a, ASM_ADD, ASM_64, pin, (s32)fix->imm);
    } else {
        asm_alu_mem_imm(a, ASM_ADD, ASM_64, state_at(fix->offset), (s32)fix->imm);
    }
}

static void store_box(struct asm_buf *a, const struct fix *fix)
{
    if (fix->boxed) {
        asm_mov_mem_imm(a, ASM_32, state_at(fix->offset + 4), -1);
    }
}

/* Without another register. */
static void store_extended(struct asm_buf *a, const struct fix *fix)
{
    asm_store(a, ASM_32, state_at(fix->offset), fix->reg);
    asm_store(a, ASM_32, state_at(fix->offset + 4), fix->reg);
    asm_rm(a, 0xc1, ASM_32, 7, state_at(fix->offset + 4)); /* sar */
    asm_u8(a, 31);
}

static void store_reg(const struct compile *c, struct asm_buf *a, const struct fix *fix)
{
    struct asm_mem mem = state_at(fix->offset);
    if (fix->unchecked != IR_NONE) {
        nan_fix(c, a, fix->unchecked, fix->reg - REG_XMM0);
    }
    if (fix->extends) {
        store_extended(a, fix);
    } else if (fix->reg < REG_XMM0) {
        asm_store(a, fix->boxed ? ASM_32 : ASM_64, mem, fix->reg);
    } else {
        asm_rm(a, ASM_OP(fix->boxed ? 0xf3 : 0xf2, 0x0f11), ASM_32, fix->reg - REG_XMM0, mem);
    }
    store_box(a, fix);
}

/* To memory by way of rax, which holds nothing any more. */
static void store_other(struct asm_buf *a, const struct fix *fix)
{
    unsigned reg = fix->pin != NO_REG ? fix->pin : (unsigned)RAX;
    struct asm_mem from = fix->kind == FIX_SLOT ? frame_at((unsigned)fix->imm)
                                                : state_at((u32)fix->imm);
    if (fix->kind == FIX_CONST) {
        asm_mov_imm(a, reg, (u64)fix->imm);
    } else if (fix->extends) {
        asm_rm(a, 0x63, ASM_64, reg, from); /* movsxd */
    } else {
        asm_load(a, fix->kind == FIX_STATE_32 ? ASM_32 : ASM_64, reg, from);
    }
    if (fix->pin == NO_REG || fix->boxed) {
        asm_store(a, ASM_64, state_at(fix->offset), reg);
        store_box(a, fix);
    }
    if (fix->pin != NO_REG && fix->boxed) {
        asm_load(a, ASM_64, reg, state_at(fix->offset));
    }
}

/* --- pinned registers get what other registers hold --- */

struct move {
    u8 to, from;
    bool extends;
};

static void move(struct asm_buf *a, const struct move *move)
{
    if (move->extends) {
        asm_rr(a, 0x63, ASM_64, move->to, move->from);
    } else if (move->from >= REG_XMM0) {
        asm_rr(a, ASM_OP(0x66, 0x0f7e), ASM_64, move->from - REG_XMM0, move->to);
    } else if (move->to != move->from) {
        asm_mov(a, ASM_64, move->to, move->from);
    }
}

static bool is_read(const struct move *moves, unsigned count, unsigned except, unsigned reg)
{
    for (unsigned n = 0; n < count; n++) {
        if (n != except && moves[n].from == reg) {
            return true;
        }
    }
    return false;
}

/* All at once, as it were: one whose target nobody needs first; in a circle registers are
 * exchanged. */
static void move_all(struct asm_buf *a, struct move *moves, unsigned count)
{
    while (count > 0) {
        unsigned n = 0;
        while (n < count && is_read(moves, count, n, moves[n].to)) {
            n++;
        }
        if (n < count) {
            move(a, &moves[n]);
            moves[n] = moves[--count];
            continue;
        }
        unsigned to = moves[0].to, from = moves[0].from;
        asm_rr(a, 0x87, ASM_64, to, from); /* xchg */
        for (n = 0; n < count; n++) {
            unsigned now = moves[n].from;
            moves[n].from = (u8)(now == to ? from : now == from ? to : now);
        }
    }
}

static void move_to_pins(struct asm_buf *a, const struct fix *first, const struct fix *end)
{
    struct move moves[PINNED_MAX];
    unsigned count = 0;
    for (const struct fix *fix = first; fix < end; fix++) {
        if (fix->kind == FIX_REG && fix->pin != NO_REG && !fix->boxed) {
            moves[count++] = (struct move){fix->pin, fix->reg, fix->extends};
        }
    }
    move_all(a, moves, count);
}

/* The register of the fast body that takes it, or OWN_FLOATS_NONE. */
static unsigned own_of(const struct compile *c, const struct fix *fix, bool inside)
{
    return inside ? own_float_find(c, fix->offset) : (unsigned)OWN_FLOATS_NONE;
}

void sink_fix(const struct compile *c, struct asm_buf *a, unsigned first, unsigned count,
              bool inside)
{
    const struct fix *begin = &c->fixes[first], *end = begin + count;
    for (const struct fix *fix = begin; fix < end; fix++) {
        unsigned own = own_of(c, fix, inside);
        if (own != OWN_FLOATS_NONE && fix->kind == FIX_REG) {
            own_float_fix(c, a, fix, own);
        } else if (fix->kind == FIX_REG && (fix->pin == NO_REG || fix->boxed)) {
            store_reg(c, a, fix);
        } else if (fix->kind == FIX_VECTOR) {
            vec_keep_fix(a, fix);
        }
    }
    move_to_pins(a, begin, end);
    for (const struct fix *fix = begin; fix < end; fix++) {
        unsigned own = own_of(c, fix, inside);
        if (own != OWN_FLOATS_NONE && fix->kind != FIX_REG) {
            own_float_fix(c, a, fix, own);
        } else if (fix->kind == FIX_REG && fix->pin != NO_REG && fix->boxed) {
            asm_load(a, ASM_64, fix->pin, state_at(fix->offset)); /* stored above */
        } else if (fix->kind != FIX_REG && fix->kind != FIX_STEP &&
                   fix->kind != FIX_VECTOR) {
            store_other(a, fix);
        }
    }
    for (const struct fix *fix = begin; fix < end; fix++) {
        if (fix->kind == FIX_STEP) {
            add_step(c, a, fix);
        }
    }
}

/* Traces: rounds of a loop whose vectors are short become one operation.
 *
 * A trace of a long loop has its rounds one behind the other, and with groups of 16 or 32 bytes,
 * what compilers mostly ask for, the host's registers would be half empty. Where all rounds do the
 * same with their vectors, where a round reads only what it has written before or what no round
 * writes, and where each access lies behind that of the round before it, two or four rounds are
 * done at once: in the first of them each operation is that of all of them, from registers to
 * registers (emit_vector_keep.c), and the others do nothing. Between them nothing may look: ways
 * out are those that the head has ruled out.
 *
 * Accesses change their order so: what a round does comes before what earlier rounds do later. That
 * matters where bytes are the same, which the head of a round excludes by comparing host addresses,
 * unless both are near the same register; of two loads only where another hart could store. */
#include "translate/to_x86_64/emit_vector.h"

enum { VECTORS_MAX = 128, SPAN_BYTES = 64, FILE_BYTES = 64 * 16 };

/* The VECTORs of the trace, in order. */
struct found {
    struct compile *c;
    unsigned count, period;
    unsigned merged;      /* rounds that become one */
    unsigned group_bytes;
    u16 at[VECTORS_MAX];
    struct ir_vector v[VECTORS_MAX];
};

static bool is_load(const struct found *f, unsigned n)
{
    return f->v[n].op == IR_VECTOR_LOAD;
}

/* --- which --- */

static bool collect(struct found *f)
{
    const struct compile *c = f->c;
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->op != IR_VECTOR || insn->dead) {
            continue;
        }
        if (f->count == VECTORS_MAX) {
            return false;
        }
        f->at[f->count] = (u16)i;
        f->v[f->count++] = ir_vector_of(c->ir, insn);
    }
    return f->count >= 2;
}

/* From whole registers to whole registers, all of the same size, which is not much. */
static bool fits(const struct found *f, unsigned n)
{
    const struct ir_vector *v = &f->v[n];
    bool memory = ir_vector_is_memory(v->op);
    return vec_keep_is_plain(v) && v->guard == IR_VECTOR_FULL && v->op != IR_VECTOR_LOAD_FIRST &&
           1u << v->group_log2 == f->group_bytes &&
           (!memory || !hoist_needs_address(f->c, f->at[n]));
}

static s64 disp_of(const struct found *f, unsigned n)
{
    return address_disp(f->c->ir, f->c->ir->insns[f->at[n]].c);
}

/* Whether operation `m` is what `n` is, a round later. */
static bool follows(const struct found *f, unsigned n, unsigned m)
{
    const struct ir_insn *x = &f->c->ir->insns[f->at[n]], *y = &f->c->ir->insns[f->at[m]];
    if (f->c->ir->insns[x->d].imm != f->c->ir->insns[y->d].imm) {
        return false;
    }
    if (ir_vector_is_memory(f->v[n].op)) {
        return f->c->hoist_of[f->at[n]] == f->c->hoist_of[f->at[m]] &&
               disp_of(f, m) - disp_of(f, n) == (s64)f->group_bytes;
    }
    return f->v[n].second == IR_VECTOR_GROUP || value_is_same(f->c, x->c, y->c);
}

static bool has_period(const struct found *f, unsigned period)
{
    for (unsigned n = 0; n + period < f->count; n++) {
        if (!follows(f, n, n + period)) {
            return false;
        }
    }
    return f->count % period == 0;
}

/* How many rounds fit, of those that there are. */
static bool find_rounds(struct found *f)
{
    f->period = 1;
    while (2 * f->period <= f->count && !has_period(f, f->period)) {
        f->period++;
    }
    f->merged = SPAN_BYTES / f->group_bytes;
    while (f->merged > 1 && f->count / f->period % f->merged != 0) {
        f->merged /= 2;
    }
    return 2 * f->period <= f->count && f->merged > 1;
}

/* --- what a round reads --- */

/* Whether one of the round's first `end` operations writes that group. */
static bool writes(const struct found *f, unsigned end, unsigned unit)
{
    for (unsigned n = 0; n < end; n++) {
        if (f->v[n].op != IR_VECTOR_STORE && f->v[n].d == unit) {
            return true;
        }
    }
    return false;
}

/* Reading that group is the same at once as in turn; *constants counts groups that none writes. */
static bool may_read(const struct found *f, unsigned n, unsigned unit, unsigned *constants)
{
    bool written = writes(f, f->period, unit);
    *constants += !written;
    return !written || writes(f, n, unit);
}

/* And registers suffice: none is given to something else within the rounds that become one. */
static bool reads_its_own(const struct found *f)
{
    unsigned constants = 0, results = 0;
    for (unsigned n = 0; n < f->period; n++) {
        const struct ir_vector *v = &f->v[n];
        if ((vec_keep_reads_a(v->op) && !may_read(f, n, v->a, &constants)) ||
            (vec_keep_reads_d(v->op) && !may_read(f, n, v->d, &constants)) ||
            (v->second == IR_VECTOR_GROUP && !ir_vector_is_memory(v->op) &&
             !may_read(f, n, v->b, &constants))) {
            return false;
        }
        results += v->op != IR_VECTOR_STORE;
    }
    return results + 2 * constants <= KEPT_VECTORS;
}

/* --- order --- */

/* Whether what stands between the operations could tell the difference. */
static bool could_see(const struct found *f, unsigned i)
{
    const struct compile *c = f->c;
    const struct ir_insn *insn = &c->ir->insns[i];
    const struct guest_vector *vector = c->context->guest->vector;
    unsigned props = ir_op_info[insn->op].props;
    if (insn->dead || insn->op == IR_VECTOR) {
        return false;
    }
    if (insn->op == IR_GET || insn->op == IR_SET) {
        return insn->imm + insn->sub > vector->file &&
               insn->imm < vector->file + (u64)FILE_BYTES;
    }
    if (insn->op == IR_EXIT_IF) {
        return !hoist_has(c, i);
    }
    return (props & (IR_R | IR_W | IR_F | IR_X | IR_T)) != 0 ||
           ((props & IR_E) != 0 && !(props & IR_P));
}

static bool may_merge(const struct found *f)
{
    unsigned together = f->merged * f->period;
    for (unsigned n = 0; n < f->count; n += together) {
        for (unsigned i = f->at[n]; i < f->at[n + together - 1]; i++) {
            if (could_see(f, i)) {
                return false;
            }
        }
    }
    return true;
}

/* Access `m` stands behind `n` in a round, and so behind that of all merged rounds: it must not
 * begin in what `n` then touches, but for the same place. */
static bool are_apart(const struct found *f, unsigned n, unsigned m)
{
    struct compile *c = f->c;
    unsigned x = c->hoist_of[f->at[n]] - 1u, y = c->hoist_of[f->at[m]] - 1u;
    s64 distance = disp_of(f, m) - disp_of(f, n), bytes = f->merged * f->group_bytes;
    if (c->hoists[x].base == c->hoists[y].base) {
        return distance <= 0 || distance >= bytes;
    }
    struct apart apart = {.to = (u8)x, .from = (u8)y, .low = (s32)(1 - distance),
                          .count = (s32)bytes - 1};
    return lanes_add_apart(&c->lanes, apart);
}

static bool all_are_apart(const struct found *f)
{
    bool alone = (f->c->flags & HOST_ONE_HART) != 0;
    unsigned before = f->c->lanes.apart_count;
    for (unsigned n = 0; n < f->period; n++) {
        for (unsigned m = n + 1; m < f->period; m++) {
            bool accesses = ir_vector_is_memory(f->v[n].op) && ir_vector_is_memory(f->v[m].op);
            bool matters = !alone || !is_load(f, n) || !is_load(f, m);
            if (accesses && matters && !are_apart(f, n, m)) {
                f->c->lanes.apart_count = before;
                return false;
            }
        }
    }
    return true;
}

/* By itself, since what it finds things in is large and most code has no vectors. */
static void find_in_trace(struct compile *c)
{
    struct found f = {.c = c};
    if (!collect(&f)) {
        return;
    }
    f.group_bytes = 1u << f.v[0].group_log2;
    bool may = f.group_bytes >= 16 && f.group_bytes < SPAN_BYTES;
    for (unsigned n = 0; may && n < f.count; n++) {
        may = fits(&f, n);
    }
    if (may && find_rounds(&f) && reads_its_own(&f) && may_merge(&f) &&
        all_are_apart(&f)) {
        c->rounds.merged = f.merged;
        c->rounds.period = f.period;
    }
}

void vec_rounds_find(struct compile *c)
{
    c->rounds.merged = 1;
    c->rounds.done = 0;
    if (c->keeps_vectors) {
        find_in_trace(c);
    }
}

/* --- emission --- */

unsigned vec_rounds_begin(const struct compile *c)
{
    return c->rounds.done / c->rounds.period % c->rounds.merged;
}

void vec_rounds_end(struct compile *c)
{
    c->rounds.done++;
    if (c->rounds.done % (c->rounds.period * c->rounds.merged) == 0) {
        vec_keep_turn(c);
    }
}

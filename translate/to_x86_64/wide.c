/* Traces: stores of the fast body beside each other become vector moves.
 *
 * Code for machines without vectors copies and fills memory register by register: 64 bytes are
 * eight loads and eight stores, or eight stores of one register. Where all of them are hoisted
 * (hoist.c) none can fault, so they may be done at once, where the first store stands:
 *
 *  - a fill: stores of one value to places one behind the other;
 *  - in a long loop a copy: stores of what was loaded, to places as far from each other as it was
 *    loaded from. (What was stored just before, in parts, cannot be loaded as a whole before the
 *    host's cache has it: a single copy of 64 bytes can take three times as long as by registers.)
 *    All that is loaded is read before anything is stored, as in the guest, so that it may overlap:
 *    between the first load and the first store nothing else is stored, and between the stores
 *    nothing is loaded.
 *
 * Loads that only stored copies need are left out. Where a guest register keeps what was loaded,
 * another hart could write in between and the register and the copy would differ: then, with
 * several harts, the run stays as it is. */
#include "translate/to_x86_64/access.h"
#include "translate/to_x86_64/asm_vector.h"

enum { BYTES_MIN = 32, BYTES_MAX = 256, PLAIN_BYTES_MAX = 64, STORES_MAX = 32 };
enum { CHUNKS_MAX = 8 };                 /* of a copy */
enum { FIRST_WIDE = 16, FILL_REG = 31 }; /* vector registers of AVX-512 */

/* Stores that may become one. */
struct run {
    struct wide wide;
    unsigned size_bytes, count;
    u16 stores[STORES_MAX];
};

static bool has_evex(const struct compile *c)
{
    return (c->features & HOST_FEATURE_AVX512) != 0;
}

static bool is_plain_hoist(const struct compile *c, unsigned i)
{
    unsigned n = c->hoist_of[i];
    return n != 0 && n < HOISTED_EXIT && !hoist_needs_address(c, i);
}

static unsigned bytes_of(const struct ir_insn *insn)
{
    return 1u << (insn->sub & IR_MEM_SIZE_MASK);
}

/* Whether the value is one that is loaded as a run of copies may have it. */
static bool is_copied(const struct compile *c, ir_ref value, unsigned size_bytes)
{
    const struct ir_insn *load = &c->ir->insns[value];
    return load->op == IR_LOAD && !load->dead && is_plain_hoist(c, value) &&
           bytes_of(load) == size_bytes;
}

/* --- which --- */

static bool begin_run(const struct compile *c, unsigned i, struct run *run)
{
    const struct ir_insn *store = &c->ir->insns[i];
    if (store->op != IR_STORE || store->dead || !is_plain_hoist(c, i)) {
        return false;
    }
    unsigned size_bytes = bytes_of(store);
    bool copies = (c->flags & HOST_LONG) && is_copied(c, store->c, size_bytes);
    if (!copies && (type_is_float(store->type) || (!has_evex(c) && size_bytes != 8))) {
        return false;
    }
    *run = (struct run){.size_bytes = size_bytes, .count = 1, .stores = {(u16)i}};
    run->wide.at = (u16)i;
    run->wide.copies = copies;
    run->wide.to = (u8)(c->hoist_of[i] - 1);
    if (copies) {
        run->wide.from = (u8)(c->hoist_of[store->c] - 1);
        run->wide.from_first = hoist_disp(c, store->c) - hoist_disp(c, i); /* the distance */
    }
    return true;
}

static bool joins_run(const struct compile *c, unsigned i, const struct run *run)
{
    const struct ir_insn *store = &c->ir->insns[i], *first = &c->ir->insns[run->stores[0]];
    if (run->count == STORES_MAX || bytes_of(store) != run->size_bytes ||
        !is_plain_hoist(c, i) || c->hoist_of[i] - 1u != run->wide.to) {
        return false;
    }
    if (!run->wide.copies) {
        return store->type == first->type && value_is_same(c, store->c, first->c);
    }
    return is_copied(c, store->c, run->size_bytes) &&
           c->hoist_of[store->c] - 1u == run->wide.from &&
           hoist_disp(c, store->c) - hoist_disp(c, i) == run->wide.from_first;
}

/* What may lie between the stores. */
static bool may_pass(const struct compile *c, unsigned i)
{
    const struct ir_insn *insn = &c->ir->insns[i];
    switch (insn->op) {
    case IR_CONST: case IR_GET: case IR_SET: case IR_INSN: case IR_UNRETIRE: return true;
    case IR_TLB_CHECK: case IR_EXIT_IF: return insn->dead || c->hoist_of[i] != 0;
    default:
        return insn->dead || probe_waits(insn) ||
               (ir_op_info[insn->op].props & ~(unsigned)IR_C) == IR_P;
    }
}

/* Whether nothing is stored from the first load of what is stored to the first store. */
static bool reads_first(const struct compile *c, const struct run *run)
{
    unsigned i = run->stores[0];
    for (unsigned n = 0; n < run->count; n++) {
        unsigned load = c->ir->insns[run->stores[n]].c;
        i = load < i ? load : i;
    }
    for (; i < run->stores[0]; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        unsigned props = ir_op_info[insn->op].props;
        if (!insn->dead && ((props & (IR_W | IR_T)) != 0 || insn->op == IR_LOOK ||
                            (insn->op >= IR_PROBE && insn->op < IR_INSN && !probe_waits(insn)))) {
            return false;
        }
    }
    return true;
}

static bool uses(const struct ir_insn *insn, ir_ref value)
{
    const ir_ref refs[4] = {insn->a, insn->b, insn->c, insn->d};
    for (unsigned n = 0; n < ir_op_info[insn->op].args; n++) {
        if (refs[n] == value) {
            return true;
        }
    }
    return false;
}

/* Whether somebody else needs what is loaded, too: more than one store, or a register. */
static bool is_needed(const struct compile *c, ir_ref value, unsigned store)
{
    for (unsigned i = value + 1u; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        bool leaves = insn->op == IR_SET && c->sinking && c->sinks[i] == i + 1;
        if (!insn->dead && i != store && !leaves && uses(insn, value)) {
            return true;
        }
    }
    return false;
}

static bool may_copy(const struct compile *c, const struct run *run)
{
    for (unsigned n = 0; n < run->count && !(c->flags & HOST_ONE_HART); n++) {
        if (is_needed(c, c->ir->insns[run->stores[n]].c, run->stores[n])) {
            return false;
        }
    }
    return reads_first(c, run);
}

/* The places in order; false when they are not one behind the other. What is left over at the end
 * of vectors is no part of it. */
static bool trim_run(const struct compile *c, struct run *run)
{
    for (unsigned n = 1; n < run->count; n++) {
        for (unsigned m = n;
             m > 0 && hoist_disp(c, run->stores[m]) < hoist_disp(c, run->stores[m - 1]); m--) {
            u16 store = run->stores[m];
            run->stores[m] = run->stores[m - 1];
            run->stores[m - 1] = store;
        }
    }
    run->wide.to_first = hoist_disp(c, run->stores[0]);
    run->wide.from_first += run->wide.to_first;
    for (unsigned n = 1; n < run->count; n++) {
        if (hoist_disp(c, run->stores[n]) != run->wide.to_first + (s32)(n * run->size_bytes)) {
            return false;
        }
    }
    unsigned bytes = run->count * run->size_bytes;
    unsigned most = has_evex(c) ? BYTES_MAX : PLAIN_BYTES_MAX;
    bytes = (bytes < most ? bytes : most) & ~15u;
    run->wide.bytes = (u16)bytes;
    run->count = bytes / run->size_bytes;
    return bytes >= BYTES_MIN;
}

static void keep_run(struct compile *c, struct run *run)
{
    unsigned first = IR_MAX_INSNS;
    for (unsigned n = 0; n < run->count; n++) {
        first = run->stores[n] < first ? run->stores[n] : first;
    }
    for (unsigned n = 0; n < run->count; n++) {
        c->wides.of[run->stores[n]] = WIDE_DROPPED;
    }
    run->wide.at = (u16)first;
    c->wides.all[c->wides.count++] = run->wide;
    c->wides.of[first] = (u8)c->wides.count;
}

/* The run that begins with that store; index of where to go on. */
static unsigned find_run(struct compile *c, unsigned i)
{
    struct run run;
    if (!begin_run(c, i, &run)) {
        return i + 1;
    }
    unsigned next = i + 1;
    for (; next < c->ir->count; next++) {
        const struct ir_insn *insn = &c->ir->insns[next];
        if (insn->op == IR_STORE && !insn->dead && joins_run(c, next, &run)) {
            run.stores[run.count++] = (u16)next;
        } else if (!may_pass(c, next)) {
            break;
        }
    }
    bool may = !run.wide.copies || may_copy(c, &run);
    if (may && trim_run(c, &run)) {
        keep_run(c, &run);
        return next;
    }
    return i + 1;
}

/* Nothing else in the trace uses vector registers. */
static bool has_registers(const struct compile *c)
{
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (!insn->dead && (insn->op == IR_VECTOR || insn->op == IR_CALL)) {
            return false;
        }
    }
    return true;
}

void wide_find(struct compile *c)
{
    c->wides.count = 0;
    c->wides.fill = IR_REF_NONE;
    c->wides.may = c->fast && c->hoist_count != 0 && has_registers(c);
    if (!c->wides.may) {
        return;
    }
    memset(c->wides.of, 0, c->ir->count);
    for (unsigned i = 0; i < c->ir->count && c->wides.count < WIDES_MAX;) {
        i = find_run(c, i);
    }
}

bool wide_has(const struct compile *c, unsigned index)
{
    return c->fast && c->wides.count != 0 && c->wides.of[index] != 0;
}

bool wide_drops(const struct compile *c, unsigned index)
{
    return wide_has(c, index) && c->wides.of[index] == WIDE_DROPPED;
}

bool wide_copies(const struct compile *c, unsigned index)
{
    return wide_has(c, index) && !wide_drops(c, index) &&
           c->wides.all[c->wides.of[index] - 1].copies;
}

/* --- emission --- */

static const struct asm_vop load_op = {1, 2, 1, 0x6f}, store_op = {1, 2, 1, 0x7f}; /* vmovdqu64 */

/* How long the next vector is. One of 64 bytes is stored no faster than two of 32, and a load of a
 * part of it that comes soon waits three times as long. */
static unsigned chunk_of(const struct compile *c, unsigned left_bytes)
{
    return !has_evex(c) || left_bytes < 32 ? 16 : 32;
}

static struct asm_vhow how_of(unsigned chunk_bytes)
{
    return (struct asm_vhow){.length = chunk_bytes == 64 ? 2 : chunk_bytes == 32 ? 1 : 0,
                             .evex = true};
}

static void move(struct compile *c, bool store, unsigned chunk_bytes, unsigned reg,
                 struct asm_mem mem)
{
    if (has_evex(c)) {
        asm_vrm(&c->a, store ? store_op : load_op, how_of(chunk_bytes), reg, 0, mem);
    } else {
        asm_rm(&c->a, store ? 0x0f11 : 0x0f10, ASM_32, reg, mem); /* movups */
    }
}

static void emit_copy(struct compile *c, const struct wide *wide)
{
    unsigned regs[CHUNKS_MAX], count = 0;
    struct asm_mem from = hoist_place(c, wide->from, wide->from_first);
    struct asm_mem to = hoist_place(c, wide->to, wide->to_first);
    for (unsigned at = 0; at < wide->bytes; count++) {
        unsigned chunk = chunk_of(c, wide->bytes - at);
        regs[count] = has_evex(c) ? FIRST_WIDE + count : alloc_temp_xmm(c);
        move(c, false, chunk, regs[count], asm_at(from.base, from.disp + (s32)at));
        at += chunk;
    }
    count = 0;
    for (unsigned at = 0; at < wide->bytes; count++) {
        unsigned chunk = chunk_of(c, wide->bytes - at);
        move(c, true, chunk, regs[count], asm_at(to.base, to.disp + (s32)at));
        at += chunk;
    }
}

/* The value in all parts of a vector register. */
static unsigned spread(struct compile *c, const struct ir_insn *store)
{
    static const u8 by_general[4] = {0x7a, 0x7b, 0x7c, 0x7c};
    unsigned size = store->sub & IR_MEM_SIZE_MASK;
    s32 imm = 1;
    bool is_const = value_const_s32(c, store->c, size == IR_MEM_64 ? IR_I64 : IR_I32, &imm);
    unsigned reg = NO_REG, fill = has_evex(c) ? (unsigned)FILL_REG : alloc_temp_xmm(c);
    if (!is_const) {
        reg = alloc_use(c, store->c);
    } else if (imm != 0 || !has_evex(c)) {
        reg = alloc_temp(c);
        asm_mov_imm(&c->a, reg, (u64)(s64)imm);
    }
    if (reg == NO_REG) {
        asm_vrr(&c->a, (struct asm_vop){1, 1, 0, 0xef}, how_of(64), fill, fill, fill);
    } else if (has_evex(c)) {
        asm_vrr(&c->a, (struct asm_vop){2, 1, size == IR_MEM_64, by_general[size]}, how_of(64),
                fill, 0, reg);
    } else {
        asm_rr(&c->a, ASM_OP(0x66, 0x0f6e), ASM_64, fill, reg);
        asm_rr(&c->a, ASM_OP(0x66, 0x0f6c), ASM_32, fill, fill); /* punpcklqdq */
    }
    return fill;
}

/* Nothing but fills uses the register, where nothing calls C. */
static bool is_spread(const struct compile *c, const struct ir_insn *store)
{
    return c->keeps_vectors && c->wides.fill != IR_REF_NONE &&
           value_is_same(c, c->wides.fill, store->c) && c->wides.fill_size == store->sub;
}

static void emit_fill(struct compile *c, const struct wide *wide)
{
    const struct ir_insn *store = &c->ir->insns[wide->at];
    struct asm_mem to = hoist_place(c, wide->to, wide->to_first);
    unsigned fill = is_spread(c, store) ? (unsigned)FILL_REG : spread(c, store);
    c->wides.fill = store->c;
    c->wides.fill_size = store->sub;
    for (unsigned at = 0; at < wide->bytes;) {
        unsigned chunk = chunk_of(c, wide->bytes - at);
        move(c, true, chunk, fill, asm_at(to.base, to.disp + (s32)at));
        at += chunk;
    }
}

void emit_wide(struct compile *c)
{
    const struct wide *wide = &c->wides.all[c->wides.of[c->at] - 1];
    if (wide->copies) {
        emit_copy(c, wide);
    } else {
        emit_fill(c, wide);
    }
}

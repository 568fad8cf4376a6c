/* The backward pass: last use of every value, which values may be computed right into the pinned
 * register they are later SET to, which memory accesses make a group (access.c), and in blocks what
 * is done for nothing, as opt_dead says of traces, which more than one pass looks at.
 *
 * Computing early changes the guest's register before its SET; so between the two nothing may look
 * at the register: no GET or other SET of it, and nothing that can leave the block or call C (the
 * state must be exact there). Values read earlier that are still needed are copied away by the
 * forward pass. */
#include "translate/to_x86_64/compile.h"

enum { CUTS_MAX = 16 };

/* A base address whose accesses make a group in each page. */
struct cut {
    u16 base, low; /* low: its last bits, if it is what it was */
};

struct scan {
    unsigned barrier;              /* nearest following instruction that may leave or call */
    u16 get_at[REG_XMM0];          /* nearest following GET of the pinned register */
    u16 set_at[REG_XMM0];          /* nearest following SET */
    unsigned segment;              /* counts the EXIT_IFs that follow */
    unsigned live;                 /* where c->live begins */
    bool insn_matters;             /* something that follows asks where the instruction is */
    s32 group_bytes_max;
    u64 groups_known;              /* bits: which of the groups there are */
    struct scan_group {
        u16 base;                  /* address_base of following accesses, */
        u8 kind;                   /*   those in the span or the others, and */
        bool write;                /* whether one of them in that segment writes, or of the trace */
        unsigned segment;
        s32 first, end;            /* what bytes they touch, from the base */
    } groups[64];                  /* by base and page-sized part of the distance from it */
    struct cut cuts[CUTS_MAX];     /* the newest last */
    unsigned cut_count;
};

enum { NEVER = IR_MAX_INSNS };

/* The slow body of a trace runs where pages end, and a group in two of them is no good. */
enum { GROUP_BYTES_MAX = 256, SLOW_GROUP_BYTES_MAX = 64 };

static bool in_two_pages(s32 first, s32 end)
{
    return ((first ^ (end - 1)) & ~(s32)PAGE_OFFSET_MASK) != 0;
}

/* Finds the bases of a trace's groups that were in two pages. */
static NOINLINE void find_cuts(struct compile *c, struct scan *scan)
{
    const struct ir_insn *insns = c->ir->insns;
    for (unsigned n = 0; n < c->request->split_count; n++) {
        const struct host_split *split = &c->request->split[n];
        u64 offset = ~(u64)split->offset;
        for (unsigned i = 0; i < c->ir->count && scan->cut_count < CUTS_MAX; i++) {
            if (insns[i].op == IR_INSN) {
                offset = insns[i].imm;
            } else if ((insns[i].op == IR_LOAD || insns[i].op == IR_STORE) &&
                       offset == (u64)split->offset && split->times < HOST_SPLIT_TIMES) {
                scan->cuts[scan->cut_count++] = (struct cut){
                    .base = (u16)address_base(c->ir, insns[i].b),
                    .low = (u16)((split->low - (u64)address_disp(c->ir, insns[i].b)) &
                                 PAGE_OFFSET_MASK),
                };
                break;
            }
        }
    }
}

/* How far into its page the base is, where that cuts its group; *is_cut is whether it does. */
static s32 cut_of(const struct compile *c, const struct scan *scan, ir_ref base, bool *is_cut)
{
    for (unsigned n = scan->cut_count; n-- > 0;) {
        if (scan->cuts[n].base == base) {
            *is_cut = true;
            return scan->cuts[n].low;
        }
    }
    *is_cut = c->ir->insns[base].op == IR_PC_PAGE;
    return 0;
}

/* Joins the access to the group that the following ones at its base make, if that is small. Not
 * across a helper, which takes all temporaries and may switch the TLB. It asks for permission to
 * write if one of them is sure to: in a trace, whose ways out are seldom taken, if one does. */
static void scan_group(struct compile *c, struct scan *scan, const struct ir_insn *insn, unsigned i)
{
    ir_ref base = address_base(c->ir, insn->b);
    s64 disp = address_disp(c->ir, insn->b);
    unsigned check = (unsigned)c->ir->insns[insn->a].imm;
    if ((check & IR_CHECK_ALIGN) || disp < INT32_MIN / 2 || disp > INT32_MAX / 2) {
        return;
    }
    bool write = insn->op == IR_STORE || (check & IR_CHECK_WRITE);
    /* Loads that compare with the span have groups of their own. */
    u8 kind = write && (c->flags & HOST_LINEAR);
    bool is_cut;
    s32 low = cut_of(c, scan, base, &is_cut);
    s32 first = (s32)disp;
    s32 end = first + (1 << (insn->sub & IR_MEM_SIZE_MASK));
    if (is_cut && in_two_pages(first + low, end + low)) {
        return;
    }
    unsigned part = (unsigned)(is_cut ? first + low : first + GROUP_BYTES_MAX) >> PAGE_BITS;
    unsigned n = (base + 37u * kind + 5u * part) % ARRAY_LEN(scan->groups);
    struct scan_group *group = &scan->groups[n];
    bool is_known = scan->groups_known >> n & 1;
    scan->groups_known |= (u64)1 << n;
    s32 all_first = is_known && group->first < first ? group->first : first;
    s32 all_end = is_known && group->end > end ? group->end : end;
    bool joins = is_known && group->base == base && group->kind == kind &&
                 all_end - all_first <= scan->group_bytes_max &&
                 !(is_cut && in_two_pages(all_first + low, all_end + low));
    if (joins) {
        bool sure = group->segment == scan->segment || (c->flags & HOST_TRACE);
        write |= group->write && sure;
        first = all_first;
        end = all_end;
        c->values[i].flags |= write ? (u8)VALUE_GROUP_WRITES : 0;
        c->groups[i].disp = first;
        c->groups[i].bytes = (u16)(end - first);
    }
    *group = (struct scan_group){base, kind, write, scan->segment, first, end};
}

static void scan_hint(struct compile *c, struct scan *scan, unsigned i)
{
    struct value *value = &c->values[i];
    unsigned at = value->set_at;
    if (scan->barrier < at || scan->get_at[value->hint] < at || scan->set_at[value->hint] != at) {
        value->hint = NO_REG;
    }
}

/* Not the whole of a word. */
static NOINLINE void scan_part(const struct compile *c, struct scan *scan,
                               const struct ir_insn *insn, unsigned i)
{
    u32 offset = (u32)insn->imm;
    if (pin_of(c, offset) != NO_REG || pin_of(c, offset + insn->sub - 1) != NO_REG) {
        scan->barrier = i; /* a part of a pinned register goes through memory */
    }
}

static ALWAYS_INLINE void scan_pin(struct compile *c, struct scan *scan,
                                   const struct ir_insn *insn, unsigned i)
{
    u32 offset = (u32)insn->imm;
    if (UNLIKELY(insn->sub != 8 || (offset - c->pin_base) % 8 != 0)) {
        scan_part(c, scan, insn, i);
        return;
    }
    unsigned pin = pin_of(c, offset);
    if (pin == NO_REG) {
        return;
    }
    if (insn->op == IR_GET) {
        scan->get_at[pin] = (u16)i;
        return;
    }
    scan->set_at[pin] = (u16)i;
    if (insn->type == IR_I64) {
        c->values[insn->a].hint = (u8)pin;
        c->values[insn->a].set_at = (u16)i;
    }
}

static inline void scan_use(struct compile *c, ir_ref ref, unsigned i)
{
    struct value *value = &c->values[ref];
    if (value->last_use == 0) {
        value->last_use = (u16)i;
    }
}

/* An operand that must exist as a value. */
static inline void scan_value(struct compile *c, ir_ref ref, unsigned i)
{
    c->values[ref].flags |= VALUE_COMPUTED;
    scan_use(c, ref, i);
}

/* The address of an access: a sum need not be computed for it. */
static inline void scan_address(struct compile *c, ir_ref ref, unsigned i)
{
    if (c->ir->insns[ref].op == IR_ADD) {
        scan_use(c, ref, i);
    } else {
        scan_value(c, ref, i);
    }
}

/* How far from its comparison a sum may add the carry: what is compared lives so long. */
enum { CARRY_DISTANCE = 16 };

/* Whether the sum at `i` is to add `carry` that way, which then need not be computed. */
static bool scan_carries(struct compile *c, const struct ir_insn *insn, ir_ref carry,
                         ir_ref other, unsigned i)
{
    return alu_carries(c, carry) && insn->type == IR_I64 && i - carry <= CARRY_DISTANCE &&
           carry != other && c->ir->insns[other].op != IR_CONST;
}

/* A sum scales one operand by itself, so that a shift for it alone need not be computed, or adds
 * the carry of a comparison. */
static inline void scan_sum(struct compile *c, const struct ir_insn *insn, unsigned i)
{
    if (alu_scales(c, insn->b) && c->ir->insns[insn->a].op != IR_CONST) {
        scan_value(c, insn->a, i);
        scan_use(c, insn->b, i);
    } else if (alu_scales(c, insn->a) && c->ir->insns[insn->b].op != IR_CONST) {
        scan_use(c, insn->a, i);
        scan_value(c, insn->b, i);
    } else if (UNLIKELY(scan_carries(c, insn, insn->b, insn->a, i))) {
        scan_value(c, insn->a, i);
        scan_use(c, insn->b, i);
    } else if (UNLIKELY(scan_carries(c, insn, insn->a, insn->b, i))) {
        scan_use(c, insn->a, i);
        scan_value(c, insn->b, i);
    } else {
        scan_value(c, insn->a, i);
        scan_value(c, insn->b, i);
    }
}

/* What the walk asks of an operation: how many operands, and SCAN_*. Smaller than ir_op_info, which
 * would be looked up for every instruction. */
enum {
    SCAN_ARGS = 7,
    SCAN_PURE = 8,
    SCAN_BARRIER = 16, /* may leave the block or call C, or orders accesses */
    SCAN_INPLACE = 32, /* the result may take the register of the first operand, */
    SCAN_COMMUTES = 64, /*   or of the second */
    SCAN_COMPUTES = 128, /* the result is a general register's, computed */
    SCAN_SPECIAL = 256,  /* scan_special() knows more of it */
    SCAN_DROPPABLE = 512, /* dead in a block when nobody uses it */
    SCAN_EXACT = 1024,   /* state must be exact */
    SCAN_CALL = 2048,
};

#define SCAN_IS_INPLACE(op)                                                                      \
    (((op) >= IR_ADD && (op) <= IR_MUL) || ((op) >= IR_AND && (op) <= IR_ROTR) ||                \
     (op) == IR_SEXT || (op) == IR_ZEXT || (op) == IR_TRUNC)
#define SCAN_IS_SPECIAL(op)                                                                      \
    ((op) == IR_CALL || (op) == IR_EXIT_IF || (op) == IR_EXIT_UNLESS || (op) == IR_JUMP ||       \
     (op) == IR_EXIT_PAGE || (op) == IR_VECTOR)
#define SCAN_IS_COMPUTED(op) (SCAN_IS_INPLACE(op) || (op) == IR_LOAD || (op) == IR_SETCC)
#define SCAN_IS_READ(op)                                                                         \
    ((op) == IR_GET || (op) == IR_PC_PAGE || (op) == IR_INSN_COUNT || (op) == IR_FENV_FLAGS)

_Static_assert(IR_ADD + 2 == IR_MUL && IR_AND + 7 == IR_ROTR, "the order SCAN_IS_INPLACE knows");

static const u16 scan_kinds[IR_OP_COUNT] = {
#define IROP(name, text, args, result, props, doc)                          \
    [IR_##name] = (args) | (((props) & (IR_P | IR_E)) == IR_P ? SCAN_PURE : 0) | \
                  (SCAN_IS_INPLACE(IR_##name) ? SCAN_INPLACE : 0) |             \
                  (SCAN_IS_COMPUTED(IR_##name) ? SCAN_COMPUTES : 0) |           \
                  (SCAN_IS_SPECIAL(IR_##name) ? SCAN_SPECIAL : 0) |             \
                  ((props) & IR_C ? SCAN_COMMUTES : 0) |                        \
                  ((props) & (IR_F | IR_X | IR_T | IR_R | IR_W) ? SCAN_BARRIER : 0) |           \
                  (SCAN_IS_READ(IR_##name) || ((props) & (IR_P | IR_E)) == IR_P ? SCAN_DROPPABLE \
                                                                               : 0) |          \
                  ((props) & (IR_F | IR_X | IR_T) ? SCAN_EXACT : 0) |                           \
                  (IR_##name == IR_CALL ? SCAN_CALL : 0),
#include "translate/ir/ir.def"
#undef IROP
};

static inline void scan_values(struct compile *c, const struct ir_insn *insn, unsigned count,
                               unsigned i)
{
    if (count == 0) {
        return;
    }
    scan_value(c, insn->a, i);
    if (count > 1) {
        scan_value(c, insn->b, i);
    }
    if (UNLIKELY(count > 2)) {
        scan_value(c, insn->c, i);
        if (count > 3) {
            scan_value(c, insn->d, i);
        }
    }
}

/* A value computed into a pinned register is best computed from one that is there already: its
 * first operand gets the hint too, or its second, when nothing else needs it. */
static NOINLINE void pass_hint(struct compile *c, const struct ir_insn *insn, unsigned i)
{
    const struct value *value = &c->values[i];
    for (unsigned n = 0; n < 2; n++) {
        ir_ref ref = n == 0 ? insn->a : insn->b;
        struct value *operand = &c->values[ref];
        unsigned op = c->ir->insns[ref].op;
        bool same = insn->op == IR_ZEXT && insn->sub == 32; /* mostly the operand as it is */
        bool waits = op == IR_SETCC && !(operand->flags & VALUE_COMPUTED);
        if ((scan_kinds[op] & SCAN_COMPUTES) && !waits && (same || operand->last_use == i) &&
            operand->hint == NO_REG) {
            operand->hint = value->hint;
            operand->set_at = value->set_at;
            return;
        }
        if (!(scan_kinds[insn->op] & SCAN_COMMUTES)) {
            return;
        }
    }
}

static ALWAYS_INLINE void scan_pass_hint(struct compile *c, const struct ir_insn *insn, unsigned i)
{
    if (c->values[i].hint != NO_REG) {
        pass_hint(c, insn, i);
    }
}

/* A walk's address, or the index into a table. */
static void scan_hoisted_address(struct compile *c, const struct ir_insn *insn, unsigned i)
{
    struct table_place place;
    if (c->hoists[c->hoist_of[i] - 1].table && table_place_of(c, insn, &place)) {
        scan_value(c, place.index, i);
    } else {
        scan_address(c, insn->b, i);
    }
}

static void scan_load(struct compile *c, struct scan *scan, const struct ir_insn *insn, unsigned i,
                      bool trace)
{
    c->groups[i].bytes = 0;
    scan_use(c, insn->a, i);
    if (!trace || !hoist_has(c, i)) {
        scan_group(c, scan, insn, i);
        scan_address(c, insn->b, i);
    } else if (hoist_needs_address(c, i)) {
        scan_hoisted_address(c, insn, i);
    }
}

static void scan_vector(struct compile *c, const struct ir_insn *insn, unsigned i, bool trace)
{
    scan_use(c, insn->a, i); /* all but c are constants */
    scan_use(c, insn->b, i);
    scan_use(c, insn->d, i);
    if (!trace || !hoist_has(c, i)) {
        scan_value(c, insn->c, i);
    }
}

/* The commonest operations are scan_as's own. */
static void scan_special(struct compile *c, struct scan *scan, const struct ir_insn *insn,
                         unsigned i, unsigned count, bool trace)
{
    switch (insn->op) {
    case IR_VECTOR: scan_vector(c, insn, i, trace); break;
    case IR_CALL:
        c->has_calls = true;
        scan->groups_known = 0;
        scan_values(c, insn, ((const struct helper *)(uintptr_t)insn->imm)->arg_count, i);
        break;
    case IR_EXIT_PAGE: scan->segment++; break;
    case IR_EXIT_UNLESS:
        scan->segment++;
        scan_value(c, insn->a, i);
        break;
    case IR_EXIT_IF:
        scan->segment++;
        c->jumps_to_start |= (s64)insn->imm == c->entry_target;
        scan_values(c, insn, count, i);
        break;
    default: /* IR_JUMP; a recursive call is no loop */
        c->jumps_to_start |= (s64)insn->imm == c->entry_target && insn->sub != IR_JUMP_CALL;
        break;
    }
}

static ALWAYS_INLINE void scan_set(struct compile *c, struct scan *scan, const struct ir_insn *insn,
                                   unsigned i, bool trace)
{
    if (trace && sink_scan(c, i)) {
        return;
    }
    scan_pin(c, scan, insn, i);
    if (c->ir->insns[insn->a].op == IR_FBOX) {
        scan_use(c, insn->a, i);
    } else {
        scan_value(c, insn->a, i);
    }
}

/* Values nothing is known of are copied: computing them takes longer. */
static void clear_values(struct compile *c)
{
    for (; c->blank_count < c->ir->count; c->blank_count++) {
        c->blanks[c->blank_count] = (struct value){
            .root = (u16)c->blank_count, .home = NO_HOME, .slot = NO_SLOT, .reg = NO_REG,
            .hint = NO_REG,
        };
    }
    memcpy(c->values, c->blanks, c->ir->count * sizeof(c->values[0]));
}

static void scan_init(struct compile *c, struct scan *scan)
{
    clear_values(c);
    scan->barrier = NEVER;
    scan->live = IR_MAX_INSNS;
    scan->insn_matters = c->request->places != NULL;
    scan->segment = 0;
    scan->group_bytes_max = c->has_slow && !c->fast ? SLOW_GROUP_BYTES_MAX
                                                            : GROUP_BYTES_MAX;
    scan->groups_known = 0;
    scan->cut_count = 0;
    if (UNLIKELY(c->request->split_count != 0)) {
        find_cuts(c, scan);
    }
    for (unsigned r = 0; r < REG_XMM0; r++) {
        scan->get_at[r] = NEVER;
        scan->set_at[r] = NEVER;
    }
}

bool scan_looks(const struct compile *c, unsigned i)
{
    return (scan_kinds[c->ir->insns[i].op] & SCAN_BARRIER) && !hoist_has(c, i);
}

static inline void scan_const(struct value *value, const struct ir_insn *insn)
{
    bool zext = insn->type == IR_I32 || insn->imm <= UINT32_MAX;
    value->flags |= (u8)(VALUE_CONST | (zext ? (unsigned)VALUE_ZEXT : 0u));
}

/* The call's kind is its helper's. */
static NOINLINE unsigned scan_call_kind(const struct ir_insn *insn, unsigned kind)
{
    const struct helper *helper = (const struct helper *)(uintptr_t)insn->imm;
    bool sees_state = (helper->flags & ~(unsigned)(HELPER_PURE | HELPER_FPU)) != 0;
    kind |= helper->flags & HELPER_PURE ? (unsigned)SCAN_DROPPABLE : 0u;
    return sees_state ? kind : kind & ~(unsigned)SCAN_EXACT;
}

/* At an operation whose result nobody uses. Of a trace only its fast body may use none. */
static ALWAYS_INLINE void scan_drop(struct ir_insn *insn, bool trace)
{
    insn->dead |= !trace;
}

/* At what may leave the block or call C: state is exact, and no register computed early. */
static ALWAYS_INLINE void scan_look(struct compile *c, struct scan *scan, unsigned i, bool trace)
{
    if (!trace) {
        overwritten_nothing(&c->overwritten);
    }
    scan->barrier = i;
}

static ALWAYS_INLINE void scan_live(struct compile *c, struct scan *scan, unsigned i)
{
    c->live[--scan->live] = (u16)i;
}

static ALWAYS_INLINE void scan_hinted(struct compile *c, struct scan *scan, unsigned i)
{
    if (c->values[i].hint != NO_REG) {
        scan_hint(c, scan, i);
    }
}

/* Any operation but those of scan_insn. */
static void scan_other(struct compile *c, struct scan *scan, struct ir_insn *insn, unsigned i,
                       bool trace)
{
    unsigned kind = scan_kinds[insn->op];
    if (!trace) {
        kind = UNLIKELY(kind & SCAN_CALL) ? scan_call_kind(insn, kind) : kind;
    }
    if ((kind & (trace ? SCAN_PURE : SCAN_DROPPABLE)) && c->values[i].last_use == 0) {
        scan_drop(insn, trace);
        return;
    }
    if (trace && (insn->op == IR_EXIT_IF || insn->op == IR_PROBE_LEFT) &&
        hoist_has(c, i + (insn->op == IR_PROBE_LEFT))) {
        return; /* nor is there anything to tell of it */
    }
    scan_hinted(c, scan, i);
    if (!trace && (kind & SCAN_EXACT)) {
        overwritten_nothing(&c->overwritten);
    }
    if ((kind & SCAN_BARRIER) && (!trace || !hoist_has(c, i))) {
        scan->barrier = i;
    }
    scan_live(c, scan, i);
    scan->insn_matters |= !(kind & SCAN_PURE);
    if (kind & SCAN_SPECIAL) {
        scan_special(c, scan, insn, i, kind & SCAN_ARGS, trace);
    } else {
        scan_values(c, insn, kind & SCAN_ARGS, i);
        if (kind & SCAN_INPLACE) {
            scan_pass_hint(c, insn, i);
        }
    }
}

/* An integer operation of one or two operands, which only computes. */
static ALWAYS_INLINE void scan_integer(struct compile *c, struct scan *scan, struct ir_insn *insn,
                                       unsigned i, unsigned count, bool trace)
{
    if (c->values[i].last_use == 0) {
        scan_drop(insn, trace);
        return;
    }
    scan_hinted(c, scan, i);
    scan_live(c, scan, i);
    scan_value(c, insn->a, i);
    if (count == 2) {
        scan_value(c, insn->b, i);
    }
    scan_pass_hint(c, insn, i);
}

/* A load or store, and its check; of a trace some are made at its head, and stores together. */
static ALWAYS_INLINE void scan_access(struct compile *c, struct scan *scan,
                                      const struct ir_insn *insn, unsigned i, bool trace)
{
    bool hoisted = trace && hoist_has(c, i);
    bool store = insn->op == IR_STORE;
    scan->insn_matters = true;
    if (trace && (store ? wide_drops(c, i) : hoisted && c->values[i].last_use == 0)) {
        return;
    }
    scan_hinted(c, scan, i);
    if (!hoisted) {
        scan_look(c, scan, i, trace);
    }
    scan_live(c, scan, i);
    if (store && (!trace || !wide_copies(c, i))) {
        scan_value(c, insn->c, i);
    }
    scan_load(c, scan, insn, i, trace);
}

static ALWAYS_INLINE void scan_check(struct compile *c, struct scan *scan,
                                     const struct ir_insn *insn, unsigned i, bool trace)
{
    if (trace && hoist_has(c, i)) {
        return;
    }
    scan_look(c, scan, i, trace);
    scan->insn_matters = true;
    if (c->values[i].last_use == 0) {
        scan_live(c, scan, i); /* others are made by their access (emit_mem.c) */
    }
    scan_address(c, insn->a, i);
}

static ALWAYS_INLINE void scan_insn(struct compile *c, struct scan *scan, struct ir_insn *insn,
                                    unsigned i, bool trace)
{
    struct value *value = &c->values[i];
    switch (insn->op) {
    case IR_INSN:
        if (trace || scan->insn_matters) {
            scan_live(c, scan, i);
        }
        scan->insn_matters = c->request->places != NULL;
        break;
    case IR_CONST: /* nothing is emitted for it */
        if (value->last_use == 0) {
            scan_drop(insn, trace);
        } else {
            scan_const(value, insn);
        }
        break;
    case IR_GET:
        if (!trace && value->last_use == 0) {
            insn->dead = 1;
            break;
        }
        if (!trace) {
            overwritten_by_later(&c->overwritten, insn);
        }
        scan_hinted(c, scan, i);
        scan_live(c, scan, i);
        scan_pin(c, scan, insn, i);
        break;
    case IR_SET:
        if (!trace && overwritten_by_later(&c->overwritten, insn)) {
            insn->dead = 1;
            break;
        }
        scan_live(c, scan, i);
        scan_set(c, scan, insn, i, trace);
        break;
    case IR_ADD:
        if (value->last_use == 0) {
            scan_drop(insn, trace);
            break;
        }
        scan_hinted(c, scan, i);
        scan_live(c, scan, i);
        scan_sum(c, insn, i);
        scan_pass_hint(c, insn, i);
        break;
    case IR_SUB: case IR_AND: case IR_OR: case IR_XOR: case IR_SHL: case IR_SHR: case IR_SAR:
        scan_integer(c, scan, insn, i, 2, trace);
        break;
    case IR_SEXT: case IR_ZEXT: case IR_TRUNC: scan_integer(c, scan, insn, i, 1, trace); break;
    case IR_LOAD: case IR_STORE: scan_access(c, scan, insn, i, trace); break;
    case IR_TLB_CHECK: scan_check(c, scan, insn, i, trace); break;
    default: scan_other(c, scan, insn, i, trace); break;
    }
}

/* What a sum's vectors are made of besides loads, at the place where they are. */
static void scan_vectors(struct compile *c, const struct sum *sum, unsigned i)
{
    for (unsigned n = sum->first; n < sum->end; n++) {
        if (c->lanes.packs[n].kind == PACK_SAME) {
            scan_value(c, c->lanes.packs[n].refs[0], i);
        }
    }
}

/* In a fast body with sums in vectors: true for what these have done, or do at that place. */
static NOINLINE bool scan_lanes(struct compile *c, struct scan *scan, unsigned i)
{
    unsigned of = c->lanes.of[i];
    bool here = false;
    for (unsigned n = 0; n < c->lanes.sum_count; n++) {
        const struct sum *sum = &c->lanes.sums[n];
        if (sum->at == i) {
            here = true;
            scan_vectors(c, sum, i);
        } else if (sum->root == i && c->values[i].last_use != 0) {
            scan_value(c, sum->before, i);
        }
    }
    if (here || (of >= LANES_ROOT && c->values[i].last_use != 0)) {
        scan_hinted(c, scan, i);
        scan_live(c, scan, i);
    }
    return here || of != LANES_NONE;
}

static ALWAYS_INLINE void scan_as(struct compile *c, struct scan *scan, bool trace)
{
    struct ir_insn *const insns = c->ir->insns; /* no store here changes that */
    for (unsigned i = c->ir->count; i-- > 0;) {
        if (!insns[i].dead && !(trace && c->lanes.sum_count != 0 && scan_lanes(c, scan, i))) {
            scan_insn(c, scan, &insns[i], i, trace);
        }
    }
    c->live_first = scan->live;
}

void scan_block(struct compile *c)
{
    struct scan scan;
    scan_init(c, &scan);
    c->has_calls = false;
    c->jumps_to_start = false;
    if (c->flags & HOST_TRACE) {
        scan_as(c, &scan, true);
    } else {
        overwritten_begin(&c->overwritten);
        scan_as(c, &scan, false);
    }
}

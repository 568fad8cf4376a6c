/* The backward pass: last use of every value, which values may be computed right into the pinned
 * register they are later SET to, and which memory accesses have a neighbour with the same base.
 *
 * Computing early changes the guest's register before its SET; so between the two nothing may look
 * at the register: no GET or other SET of it, and nothing that can leave the block or call C (the
 * state must be exact there). Values read earlier that are still needed are copied away by the
 * forward pass. */
#include "translate/to_x86_64/compile.h"

struct scan {
    unsigned barrier;              /* nearest following instruction that may leave or call */
    unsigned get_at[REG_COUNT];    /* nearest following GET of the pinned register */
    unsigned set_at[REG_COUNT];    /* nearest following SET */
    u16 bases[16];                 /* bases of following accesses, by their low bits */
};

enum { NEVER = IR_MAX_INSNS };

/* A helper may switch the TLB, and the accesses after it look their entries up anew. */
static void scan_access(struct compile *c, struct scan *scan, const struct ir_insn *insn,
                        unsigned i)
{
    if (insn->op == IR_CALL) {
        memset(scan->bases, 0xff, sizeof(scan->bases));
    } else if (insn->op == IR_LOAD || insn->op == IR_STORE) {
        ir_ref base = address_base(c->ir, insn->b);
        u16 *place = &scan->bases[base % ARRAY_LEN(scan->bases)];
        if (*place == base) {
            c->values[i].flags |= VALUE_KEEP_ENTRY;
        }
        *place = base;
    }
}

static void scan_hint(struct compile *c, struct scan *scan, unsigned i)
{
    struct value *value = &c->values[i];
    if (value->hint == NO_REG) {
        return;
    }
    unsigned at = value->set_at;
    if (scan->barrier < at || scan->get_at[value->hint] < at || scan->set_at[value->hint] != at) {
        value->hint = NO_REG;
    }
}

static void scan_pin(struct compile *c, struct scan *scan, const struct ir_insn *insn, unsigned i)
{
    u32 offset = (u32)insn->imm;
    unsigned pin = pin_of(c, offset);
    if (pin == NO_REG && pin_of(c, offset + insn->sub - 1) == NO_REG) {
        return;
    }
    if (insn->sub != 8 || (offset - c->pin_base) % 8 != 0) {
        scan->barrier = i; /* a part of a pinned register goes through memory */
        return;
    }
    if (insn->op == IR_GET) {
        scan->get_at[pin] = i;
        return;
    }
    scan->set_at[pin] = i;
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

/* Addresses of accesses need not be computed when they are near another one. */
static bool scan_address(struct compile *c, const struct ir_insn *insn, unsigned i)
{
    switch (insn->op) {
    case IR_TLB_CHECK:
        scan_use(c, insn->a, i);
        return true;
    case IR_STORE:
        scan_value(c, insn->c, i); /* fallthrough */
    case IR_LOAD:
        scan_use(c, insn->a, i);
        scan_use(c, insn->b, i);
        return true;
    default:
        return false;
    }
}

static void scan_operands(struct compile *c, const struct ir_insn *insn, unsigned i)
{
    if (scan_address(c, insn, i)) {
        return;
    }
    unsigned count = ir_op_info[insn->op].args;
    if (insn->op == IR_CALL) {
        count = ((const struct helper *)(uintptr_t)insn->imm)->arg_count;
    }
    switch (count) {
    case 4: scan_value(c, insn->d, i); /* fallthrough */
    case 3: scan_value(c, insn->c, i); /* fallthrough */
    case 2: scan_value(c, insn->b, i); /* fallthrough */
    case 1: scan_value(c, insn->a, i); break;
    default: break;
    }
}

static void scan_init(struct compile *c, struct scan *scan)
{
    static const struct value empty = {
        .home = NO_HOME, .slot = NO_SLOT, .reg = NO_REG, .hint = NO_REG,
    };
    for (unsigned i = 0; i < c->ir->count; i++) {
        c->values[i] = empty;
        c->values[i].root = (u16)i;
    }
    scan->barrier = NEVER;
    memset(scan->bases, 0xff, sizeof(scan->bases));
    for (unsigned r = 0; r < REG_COUNT; r++) {
        scan->get_at[r] = NEVER;
        scan->set_at[r] = NEVER;
    }
}

void scan_block(struct compile *c)
{
    struct scan scan;
    scan_init(c, &scan);
    for (unsigned i = c->ir->count; i-- > 0;) {
        const struct ir_insn *insn = &c->ir->insns[i];
        if (insn->dead) {
            continue;
        }
        unsigned props = ir_op_info[insn->op].props;
        scan_hint(c, &scan, i);
        if ((props & (IR_P | IR_E)) == IR_P && c->values[i].last_use == 0) {
            continue;
        }
        if (insn->op == IR_GET || insn->op == IR_SET) {
            scan_pin(c, &scan, insn, i);
        } else if (props & (IR_F | IR_X | IR_T | IR_R | IR_W)) {
            scan.barrier = i;
            scan_access(c, &scan, insn, i);
        }
        scan_operands(c, insn, i);
    }
}

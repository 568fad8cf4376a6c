/* Traces: a choice of registers of their own.
 *
 * Between blocks certain guest registers live in host registers. A trace that goes round and round
 * may need others: so its fast body (hoist.c) keeps the guest registers it reads most, and
 * gives host registers whose guest registers it does not read to host addresses of hoisted
 * accesses, to guest registers that are in memory elsewhere, and to values. What those host
 * registers held is in the state struct meanwhile. Where the fast body is entered they are stored
 * and loaded; every way out, and the slow body, put everything back. Where ways out are taken often
 * that is not worth it, unless a trace needs nothing but the host addresses.
 *
 * A guest register that the trace only writes is in memory then; most of its writes are left out
 * (sink.c).
 *
 * The end of the stream, while one is recorded, has a register that a guest register had before.
 * A trace that tells one path a round gives it back: the end is in the vcpu meanwhile, and the
 * frame says so (FRAME_PARKED) to thunks that call C, which writes there. */
#include "translate/to_x86_64/compile.h"

enum { GUEST_MAX = PIN_SPAN };

/* What a trace does with a guest register. */
struct usage {
    unsigned gets, uses, sets;
};

struct choice {
    struct compile *c;
    struct usage usage[GUEST_MAX]; /* by number in guest->pinned */
    u8 free[PINNED_MAX];           /* pins to give away, by number */
    unsigned free_count;
};

static bool overlap(const struct ir_insn *x, u32 offset)
{
    return x->imm < offset + 8 && offset < x->imm + x->sub;
}

/* The number in guest->pinned of the register that the GET or SET names; the count when it is none.
 * False when it names a part of one. */
static bool number_of(const struct compile *c, const struct ir_insn *insn, unsigned *number)
{
    const struct guest *guest = c->context->guest;
    for (unsigned n = 0; n < guest->pinned_count; n++) {
        if (overlap(insn, guest->pinned[n])) {
            *number = n;
            return insn->imm == guest->pinned[n] && insn->sub == 8 && insn->type == IR_I64;
        }
    }
    *number = guest->pinned_count;
    return true;
}

bool own_is_plain(const struct ir_insn *insn)
{
    unsigned props = ir_op_info[insn->op].props;
    return insn->op == IR_LOAD || insn->op == IR_STORE || insn->op == IR_TLB_CHECK ||
           insn->op == IR_VECTOR || insn->op == IR_INSN || insn->op == IR_POLL ||
           insn->op == IR_EXIT_IF || insn->op == IR_EXIT_UNLESS || insn->op == IR_JUMP ||
           insn->op == IR_EXIT_PAGE || insn->op == IR_UNRETIRE ||
           insn->op == IR_JUMP_IND || insn->op == IR_GET || insn->op == IR_SET ||
           insn->op == IR_PC_PAGE || insn->op == IR_CONST || insn->op == IR_PROBE ||
           insn->op == IR_PROBE_WORD || insn->op == IR_PROBE_LEFT || insn->op == IR_PROBE_AT ||
           insn->op == IR_PROBE_ADD || insn->op == IR_PROBE_EDGE || (props & IR_P);
}

static bool count_usage(struct choice *choice)
{
    const struct compile *c = choice->c;
    u8 got[IR_MAX_INSNS];
    memset(got, GUEST_MAX, c->ir->count);
    for (unsigned i = 0; i < c->ir->count; i++) {
        const struct ir_insn *insn = &c->ir->insns[i];
        const ir_ref refs[4] = {insn->a, insn->b, insn->c, insn->d};
        if (insn->dead || insn->op == IR_INSN) {
            continue;
        }
        if (!own_is_plain(insn)) {
            return false;
        }
        for (unsigned n = 0; n < ir_op_info[insn->op].args; n++) {
            if (got[refs[n]] < GUEST_MAX) {
                choice->usage[got[refs[n]]].uses++;
            }
        }
        if (insn->op == IR_GET || insn->op == IR_SET) {
            unsigned number;
            if (!number_of(c, insn, &number)) {
                return false;
            }
            if (number < c->context->guest->pinned_count && insn->op == IR_GET) {
                choice->usage[number].gets++;
                got[i] = (u8)number;
            } else if (number < c->context->guest->pinned_count) {
                choice->usage[number].sets++;
            }
        }
    }
    return true;
}

static void find_free(struct choice *choice)
{
    unsigned probe = x86_probe_reg(choice->c->context->guest);
    for (unsigned n = 0; n < choice->c->pinned_count; n++) {
        if (choice->usage[n].gets == 0 && choice->usage[n].sets == 0 &&
            x86_pinned_regs[n] != probe) {
            choice->free[choice->free_count++] = (u8)n;
        }
    }
}

static unsigned take_free(struct choice *choice)
{
    unsigned pin = choice->free[0];
    choice->free_count--;
    memmove(choice->free, choice->free + 1, choice->free_count);
    choice->c->own_pins |= 1u << pin;
    return pin;
}

/* The guest register, in memory so far, that is used most; the count when none is. */
static unsigned most_used(const struct choice *choice)
{
    const struct compile *c = choice->c;
    unsigned count = c->context->guest->pinned_count;
    unsigned best = count, best_uses = 0;
    for (unsigned n = c->pinned_count; n < count; n++) {
        const struct usage *usage = &choice->usage[n];
        if (usage->gets != 0 && usage->uses + usage->sets > best_uses) {
            best_uses = usage->uses + usage->sets;
            best = n;
        }
    }
    return best;
}

static void adopt(struct choice *choice, unsigned number)
{
    struct compile *c = choice->c;
    unsigned pin = take_free(choice);
    c->adopted[pin] = c->context->guest->pinned[number];
    c->adopted_written[pin] = choice->usage[number].sets != 0 || c->request->ways != NULL;
    choice->usage[number] = (struct usage){ 0 };
}

/* The number of the pin that has the stream's end; the count when none has. */
static unsigned probe_pin(const struct compile *c)
{
    unsigned probe = x86_probe_reg(c->context->guest), n = 0;
    while (n < c->pinned_count && x86_pinned_regs[n] != probe) {
        n++;
    }
    return n;
}

/* How many paths the trace tells a round. */
static unsigned count_paths(const struct compile *c)
{
    unsigned count = 0;
    for (unsigned i = 0; i < c->ir->count; i++) {
        count += c->ir->insns[i].op == IR_PROBE && !c->ir->insns[i].dead;
    }
    return count;
}

/* The register, in memory so far, that is read and written most, by at least PARK_MIN operations;
 * the count when none is. */
static unsigned busiest(const struct choice *choice)
{
    enum { PARK_MIN = 6 };
    const struct compile *c = choice->c;
    unsigned count = c->context->guest->pinned_count, best = count, most = PARK_MIN - 1;
    for (unsigned n = c->pinned_count; n < count; n++) {
        unsigned uses = choice->usage[n].uses + choice->usage[n].sets;
        if (uses > most) {
            most = uses;
            best = n;
        }
    }
    return best;
}

/* A long trace looks at the stream's end once a round: its register serves what the trace needs
 * more often. */
static void park_probe(struct choice *choice)
{
    struct compile *c = choice->c;
    unsigned pin = probe_pin(c), number = busiest(choice);
    if (pin == c->pinned_count || number == c->context->guest->pinned_count ||
        c->request->ways != NULL || count_paths(c) != 1) {
        return;
    }
    c->own_pins |= 1u << pin;
    c->adopted[pin] = c->context->guest->pinned[number];
    c->adopted_written[pin] = choice->usage[number].sets != 0;
    choice->usage[number] = (struct usage){ 0 };
}

static void give_away(struct choice *choice)
{
    struct compile *c = choice->c;
    for (unsigned n = 0; n < c->hoist_count && choice->free_count > 0; n++) {
        c->hoists[n].reg = x86_pinned_regs[take_free(choice)];
    }
    if (!(c->flags & HOST_STEADY)) {
        return;
    }
    while (choice->free_count > 0 && most_used(choice) < c->context->guest->pinned_count) {
        adopt(choice, most_used(choice));
    }
    park_probe(choice);
    while (choice->free_count > 0) {
        c->extras |= 1u << x86_pinned_regs[take_free(choice)];
    }
}

static void set_table(struct compile *c)
{
    const struct guest *guest = c->context->guest;
    c->pin_base = guest->pinned[0];
    for (unsigned n = 0; n < guest->pinned_count; n++) {
        c->pin_base = guest->pinned[n] < c->pin_base ? guest->pinned[n] : c->pin_base;
    }
    memset(c->own_pin_reg, NO_REG, sizeof(c->own_pin_reg));
    for (unsigned n = 0; n < c->pinned_count; n++) {
        bool own = c->own_pins >> n & 1;
        u32 offset = own ? c->adopted[n] : guest->pinned[n];
        if (offset != NO_HOME) {
            c->own_pin_reg[(offset - c->pin_base) / 8] = x86_pinned_regs[n];
        }
    }
    c->pin_reg = c->own_pin_reg;
}

static void own_choose(struct compile *c)
{
    struct choice choice = {.c = c};
    const struct guest *guest = c->context->guest;
    bool hoists_alone = c->hoist_count != 0 && c->all_hoisted;
    bool worth_it = (hoists_alone || (c->flags & HOST_STEADY)) && hoist_comes_back(c);
    if (!worth_it || guest->pinned_count > GUEST_MAX || !count_usage(&choice)) {
        return;
    }
    find_free(&choice);
    give_away(&choice);
    if (c->own_pins != 0) {
        set_table(c);
    }
}

bool own_fits(struct compile *c)
{
    struct choice choice = {.c = c};
    return c->own_pins == 0 || count_usage(&choice);
}

void own_find(struct compile *c)
{
    c->own_pins = 0;
    c->extras = 0;
    memset(c->adopted, 0xff, sizeof(c->adopted));
    if (UNLIKELY(c->fast)) {
        own_choose(c);
    }
}

bool own_parks_probe(const struct compile *c)
{
    return UNLIKELY(c->fast && c->own_pins != 0) && (c->own_pins >> probe_pin(c) & 1);
}

void own_enter(struct compile *c)
{
    own_float_enter(c);
    if (LIKELY(c->own_pins == 0)) {
        return;
    }
    if (own_parks_probe(c)) {
        asm_mov_mem_imm(&c->a, ASM_32, frame_at(FRAME_PARKED), 1);
    }
    for (unsigned n = 0; n < c->pinned_count; n++) {
        if (c->own_pins >> n & 1) {
            asm_store(&c->a, ASM_64, state_at(c->context->guest->pinned[n]), x86_pinned_regs[n]);
        }
    }
    for (unsigned n = 0; n < c->pinned_count; n++) {
        if (c->adopted[n] != NO_HOME) {
            asm_load(&c->a, ASM_64, x86_pinned_regs[n], state_at(c->adopted[n]));
        }
    }
}

void own_leave(struct compile *c, struct asm_buf *a)
{
    own_float_store(c, a);
    own_leave_pins(c, a);
}

void own_leave_pins(struct compile *c, struct asm_buf *a)
{
    if (own_parks_probe(c)) {
        asm_mov_mem_imm(a, ASM_32, frame_at(FRAME_PARKED), 0);
    }
    for (unsigned n = 0; c->fast && n < c->pinned_count; n++) {
        if (c->adopted[n] != NO_HOME && c->adopted_written[n]) {
            asm_store(a, ASM_64, state_at(c->adopted[n]), x86_pinned_regs[n]);
        }
    }
    for (unsigned n = 0; c->fast && n < c->pinned_count; n++) {
        if (c->own_pins >> n & 1) {
            asm_load(a, ASM_64, x86_pinned_regs[n], state_at(c->context->guest->pinned[n]));
        }
    }
}

/* Further ways of a trace: loops whose branches go now one way, now another.
 *
 * The main way is a trace as any other (hoist.c). A side exit of its fast body is a place where the
 * guest's state is whole: what waited was made good (sink.c), r15 counts, registers are those of
 * the fast body (own.c). There a further way may begin, a body of its own with the same registers,
 * and from its end control goes back to the head, where the checks of the next round are made. So
 * the loop is not left, pages remembered stay so (loop.c), and registers where they are.
 *
 * In a further way nothing was checked at the head: each access looks whether its page is the one
 * remembered. What the TLB cannot serve leaves before its instruction, as in the fast body, even in
 * the first instruction: no other code begins there that would lead back.
 *
 * A jump to a way that is emitted already may close a circle that never comes to the head, so it
 * looks at the deadline. The slow body goes to no ways. */
#include "translate/to_x86_64/compile.h"
#include "translate/to_x86_64/loop.h"

static bool same_page(s64 x, s64 y)
{
    return ((x ^ y) & ~(s64)PAGE_OFFSET_MASK) == 0;
}

unsigned ways_at(const struct compile *c, s64 target)
{
    const struct host_ways *ways = c->request->ways;
    if (LIKELY(ways == NULL) || !c->fast || !same_page(c->insn_offset, target)) {
        return 0;
    }
    for (unsigned n = 0; n < ways->count; n++) {
        if (ways->starts[n] == target) {
            return n + 1;
        }
    }
    return 0;
}

void ways_go(struct compile *c, unsigned way)
{
    struct asm_buf *a = &c->a;
    u32 entry = c->way_entries[way - 1];
    if (entry != 0) {
        asm_alu_rm(a, ASM_CMP, ASM_64, R15, VCPU_AT(deadline));
        asm_jcc(a, ASM_B, a->exec + entry);
        emit_poll_out(c, a, c->request->ways->starts[way - 1]);
    } else if (c->way_jump_count < WAY_JUMPS_MAX) {
        c->way_jumps[c->way_jump_count].way = (u8)(way - 1);
        c->way_jumps[c->way_jump_count++].field = asm_jmp_forward(a);
    } else {
        emit_go_out(c, c->request->ways->starts[way - 1]);
    }
}

/* What follows is way `n`. */
static void begin(struct compile *c, unsigned n)
{
    c->way_entries[n] = asm_offset(&c->a);
    for (unsigned i = 0; i < c->way_jump_count; i++) {
        if (c->way_jumps[i].way == n) {
            asm_bind(&c->a, c->way_jumps[i].field);
        }
    }
    c->insn_offset = c->request->ways->starts[n];
    c->insn_index = 0;
    c->counted = 0;
    c->path = 0;
    c->path_first = 0;
}

/* Operations whose slow path is not rare call C, which finds registers as usual. */
static bool fits(struct compile *c)
{
    for (unsigned i = 0; i < c->ir->count; i++) {
        unsigned op = c->ir->insns[i].op;
        if (op == IR_AMO || op == IR_CAS || op == IR_CALL) {
            return false;
        }
    }
    return own_fits(c);
}

static void emit_way(struct compile *c)
{
    memset(c->hoist_of, 0, c->ir->count);
    memset(c->held, NO_REG, sizeof(c->held));
    c->wides.count = 0;
    c->lanes.sum_count = 0;
    c->keeps_vectors = false;
    sink_find(c);
    x86_prepare(c);
    if (!own_float_fits(c)) {
        emit_go_out(c, c->insn_offset);
        return;
    }
    loop_find_more(c);
    x86_emit_body(c);
}

void ways_emit(struct compile *c)
{
    const struct host_ways *ways = c->request->ways;
    struct ir *ir = c->ir;
    c->in_way = true;
    for (unsigned n = 0; ways != NULL && c->fast && n < ways->count && x86_has_room(c); n++) {
        begin(c, n);
        c->ir = ways->lower(ways->opaque, n);
        if (c->ir != NULL && fits(c)) {
            emit_way(c);
        } else {
            emit_go_out(c, ways->starts[n]);
        }
    }
    c->ir = ir;
    c->in_way = false;
}

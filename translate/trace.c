/* Making a trace: following a hot path with the interpreter, lowering the circle found. */
#include "cpu/memory.h"
#include "translate/engine_private.h"
#include "translate/probe.h"

#include <string.h>

/* --- following --- */

static struct tier2 *tier2_of(const struct vcpu *vcpu)
{
    return &vcpu->engine->tier2[vcpu->index];
}

/* Room for a long straight run, and to stay clear of an exact deadline. */
enum { RUN_MAX_INSNS = 64, PATH_STRAIGHTS = 8, PATH_ENOUGH_RUNS = 16 };

/* Helpers may change what a path and a trace take for granted, and none of them is fast. */
static bool has_call(const struct ir_insn *insns, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (insns[i].op == IR_CALL || insns[i].op == IR_LOOK) {
            return true;
        }
    }
    return false;
}

/* A path mostly comes by the same few places again and again: their IR is made once. */
struct path {
    unsigned made;
    struct straight kept[PATH_STRAIGHTS];
};

/* The straight line at vcpu->pc; NULL when it cannot be part of a trace. */
static const struct straight *path_straight(struct path *path, struct vcpu *vcpu)
{
    unsigned known = path->made < PATH_STRAIGHTS ? path->made : PATH_STRAIGHTS;
    for (unsigned i = 0; i < known; i++) {
        if (path->kept[i].pc == vcpu->pc) {
            return &path->kept[i];
        }
    }
    struct straight *straight = &path->kept[path->made % PATH_STRAIGHTS];
    path->made++;
    bool fits = pipeline_straight(vcpu, RUN_MAX_INSNS, straight) &&
                !has_call(straight->insns, straight->count);
    return fits ? straight : NULL;
}

/* Runs the straight line at vcpu->pc; LEAVE, and nothing ran, when it cannot be part of a trace. */
static enum ir_exit run_piece(struct path *path, struct vcpu *vcpu)
{
    enum ir_exit exit;
    if (pipeline_may_run_direct(vcpu->engine)) {
        struct fetched fetched;
        if (!pipeline_fetch_plain(vcpu, &fetched)) {
            return IR_EXIT_LEAVE;
        }
        if (pipeline_run_direct(vcpu, &fetched, &exit)) {
            return exit;
        }
    }
    const struct straight *straight = path_straight(path, vcpu);
    return straight != NULL ? pipeline_run_straight(vcpu, straight) : IR_EXIT_LEAVE;
}

/* Runs on and writes runs down, until enough are known or something else happens; then *whole is
 * false. */
static enum ir_exit follow(struct vcpu *vcpu, struct tier2_run *runs, unsigned *count,
                           bool *whole)
{
    u32 mode = vcpu->mode;
    u64 start = vcpu->insns;
    enum ir_exit exit = IR_EXIT_IND;
    struct path path;
    path.made = 0;
    *count = 0;
    *whole = true;
    while (*count < TIER2_PATH_RUNS && vcpu->insns - start < TIER2_PATH_INSNS) {
        gva_t pc = vcpu->pc;
        if (debug_page_has_break(vcpu->engine, pc)) {
            *count = 0;
            return exit;
        }
        u64 insns = vcpu->insns;
        if (atomic_load_explicit(&vcpu->deadline, memory_order_acquire) <=
            insns + RUN_MAX_INSNS) {
            *whole = *count >= PATH_ENOUGH_RUNS;
            return IR_EXIT_POLL;
        }
        exit = run_piece(&path, vcpu);
        if ((exit != IR_EXIT_JUMP && exit != IR_EXIT_IND) || vcpu->mode != mode) {
            *whole = false;
            return exit;
        }
        runs[(*count)++] = (struct tier2_run){.pc = pc, .insns = (u32)(vcpu->insns - insns)};
    }
    return exit;
}

/* --- lowering --- */

/* The page of guest code that a trace is made from: a snapshot. */
struct page_source {
    u8 bytes[PAGE_BYTES];
    u32 first, end; /* offsets of what was used of it */
};

/* One instruction at l->offset that must go on at `next`. */
static bool lower_next(const struct engine *engine, struct lower *l, struct page_source *page,
                       u32 next)
{
    l->rest = page->bytes + l->offset;
    l->rest_bytes = (unsigned)PAGE_BYTES - l->offset;
    l->followed = false;
    l->next_offset = next;
    unsigned length = engine->front->lower_insn(l);
    u32 behind = l->offset + length;
    if (length == 0 || l->ended || engine->ir->overflow || !(l->followed || next == behind)) {
        return false;
    }
    page->first = l->offset < page->first ? l->offset : page->first;
    page->end = behind > page->end ? behind : page->end;
    return true;
}

/* The straight run of `insns` instructions at `offset`, after which control goes on at `next`. */
static bool lower_run(const struct engine *engine, struct lower *l, struct page_source *page,
                      u32 offset, unsigned insns, u32 next)
{
    l->offset = offset;
    for (unsigned i = 0; i < insns; i++) {
        if (l->offset > PAGE_BYTES - 2) {
            return false;
        }
        bool is_long = (page->bytes[l->offset] & 3) == 3;
        u32 behind = l->offset + (is_long ? 4 : 2);
        u32 to = i + 1 == insns ? next : behind;
        if (!lower_next(engine, l, page, to)) {
            return false;
        }
        l->offset = to;
    }
    return true;
}

/* What follows an open path, as a block would have it: until control goes elsewhere, or to the
 * next helper. *insns counts. */
static bool lower_tail(const struct engine *engine, struct lower *l, struct page_source *page,
                       unsigned *insns)
{
    struct ir *ir = engine->ir;
    l->follow = false;
    for (unsigned n = 0; n < TRACE_TAIL_INSNS && l->offset < PAGE_BYTES; n++) {
        unsigned before = ir->count;
        l->rest = page->bytes + l->offset;
        l->rest_bytes = (unsigned)PAGE_BYTES - l->offset;
        unsigned length = engine->front->lower_insn(l);
        if (ir->overflow) {
            return false;
        }
        if (length == 0 || has_call(ir->insns + before, ir->count - before)) {
            ir->count = before; /* only the jump follows: nothing is shared with what went */
            break;
        }
        page->first = l->offset < page->first ? l->offset : page->first;
        page->end = l->offset + length > page->end ? l->offset + length : page->end;
        ++*insns;
        if (l->ended) {
            return true;
        }
        l->offset += length;
    }
    ir_jump(ir, (s64)l->offset);
    return !ir->overflow && *insns != 0;
}

/* An open path: its runs but for the last instruction, and what follows. */
static bool lower_way(const struct engine *engine, struct lower *l,
                      const struct tier2_circle *circle, struct page_source *page,
                      unsigned *insns)
{
    for (unsigned n = 0; n + 1 < circle->count; n++) {
        const struct tier2_run *run = &circle->runs[n];
        if (!lower_run(engine, l, page, (u32)(run->pc & PAGE_OFFSET_MASK), run->insns,
                       (u32)(circle->runs[n + 1].pc & PAGE_OFFSET_MASK))) {
            return false;
        }
        *insns += run->insns;
    }
    l->offset = (u32)(circle->runs[circle->count - 1].pc & PAGE_OFFSET_MASK);
    return lower_tail(engine, l, page, insns) &&
           !has_call(engine->ir->insns, engine->ir->count);
}

/* Fills engine->ir with `copies` rounds of the circle; *insns is how many instructions. */
static bool lower_circle(struct engine *engine, const struct tier2_circle *circle,
                         struct page_source *page, u32 mode, unsigned copies, unsigned *insns)
{
    struct lower l;
    front_begin(engine, mode, &l);
    l.max_insns = 1;
    l.follow = true;
    engine->ir->constants_last = true;
    *insns = 0;
    if (circle->open) {
        return lower_way(engine, &l, circle, page, insns);
    }
    *insns = copies * circle->insns;
    for (unsigned n = 0; n < copies * circle->count; n++) {
        const struct tier2_run *run = &circle->runs[n % circle->count];
        gva_t next = circle->runs[(n + 1) % circle->count].pc;
        if (!lower_run(engine, &l, page, (u32)(run->pc & PAGE_OFFSET_MASK), run->insns,
                       (u32)(next & PAGE_OFFSET_MASK))) {
            return false;
        }
    }
    ir_jump(engine->ir, (s64)(circle->runs[0].pc & PAGE_OFFSET_MASK));
    return !engine->ir->overflow && !has_call(engine->ir->insns, engine->ir->count);
}

/* Short circles go round several times before they look at the deadline. Long loops mostly go round
 * a multiple of a power of two times, and then end with a whole trace. */
static unsigned copies_of(const struct tier2_circle *circle)
{
    unsigned copies = TRACE_COPIES_INSNS / circle->insns;
    if (tier2_is_long(circle) && copies > 2) {
        copies = copies > 4 ? 8 : 4;
    }
    copies = copies > TRACE_MAX_COPIES ? TRACE_MAX_COPIES : copies;
    copies = copies > circle->rounds ? circle->rounds : copies;
    return copies < 1 ? 1 : copies;
}

/* --- making --- */

static void page_read(const struct engine *engine, gpa_t gpa, struct page_source *page)
{
    const u8 *now = memory_host_any_mode(engine->memory, gpa & PAGE_MASK, PAGE_BYTES);
    memcpy(page->bytes, now, PAGE_BYTES);
    page->first = PAGE_BYTES;
    page->end = 0;
}

/* engine->ir becomes the trace, before the passes. */
static bool make_ir(struct engine *engine, const struct tier2_circle *circle,
                    struct page_source *page, u32 mode, unsigned *insns)
{
    if (!lower_circle(engine, circle, page, mode, copies_of(circle), insns)) {
        return false;
    }
    pipeline_set_poll(engine->ir, *insns);
    return true;
}

/* Puts probes into the trace where something is watched; false when they do not fit. */
static bool watch(struct vcpu *vcpu, const struct fetched *fetched, gva_t gva_page,
                  const struct page_source *page)
{
    struct engine *engine = vcpu->engine;
    if (UNLIKELY(engine->probe != NULL)) {
        struct probe_source source = {
            .bytes = page->bytes, .gpa_page = fetched->gpa & PAGE_MASK,
            .gva_page = gva_page, .mode = vcpu->mode, .fixed = fetched->gva_page != 0,
        };
        if (probe_calls_c(engine->probe) ||
            probe_page_has_hooks(engine->probe, source.gpa_page)) {
            return false; /* which a trace, that calls nothing, must not have */
        }
        probe_instrument(engine, &source);
    }
    return !engine->ir->overflow;
}

/* Lock held. */
static bool make(struct vcpu *vcpu, const struct fetched *fetched,
                 const struct tier2_circle *circle)
{
    struct engine *engine = vcpu->engine;
    struct page_source page;
    front_expect(vcpu);
    page_read(engine, fetched->gpa, &page);
    struct block *old = block_find_at(&engine->blocks, fetched->gpa, vcpu->mode, BLOCK_NO_PAGE,
                                      fetched->gva_page);
    unsigned insns;
    if (debug_page_is_bare(engine, fetched->gpa & PAGE_MASK) ||
        (old != NULL && old->circle != NULL && !(old->circle->open && !circle->open)) ||
        !make_ir(engine, circle, &page, vcpu->mode, &insns) ||
        !watch(vcpu, fetched, circle->runs[0].pc & PAGE_MASK, &page)) {
        return false;
    }
    pipeline_optimise(engine);
    struct block *block = block_new(&engine->blocks);
    struct tier2_circle *kept = block_alloc(&engine->blocks, sizeof(*kept));
    *kept = *circle;
    block->gpa = fetched->gpa;
    block->gva_page = fetched->gva_page;
    block->mode = vcpu->mode;
    block->circle = kept;
    block->before_bytes = (u16)((fetched->gpa & PAGE_OFFSET_MASK) - page.first);
    block->length_bytes = (u16)(page.end - page.first);
    block->insn_count = (u16)insns;
    block->tries = old != NULL ? old->tries : 1;
    if (pipeline_compile(vcpu, block) != HOST_OK) {
        return false;
    }
    pipeline_keep_ir(engine, block);
    engine->stats.trace_insns += insns;
    if (old != NULL) {
        block_remove(&engine->blocks, old);
    }
    block_insert(&engine->blocks, block, page.bytes + page.first);
    return true;
}

void trace_view(struct engine *engine, const struct block *block, bool optimised)
{
    struct page_source page;
    unsigned insns;
    page_read(engine, block->gpa, &page);
    if (make_ir(engine, block->circle, &page, block->mode, &insns) && optimised) {
        pipeline_optimise(engine);
    }
}

/* The circle as a block. The hart's pc may be anywhere. */
static void make_trace(struct vcpu *vcpu, const struct tier2_circle *circle)
{
    struct engine *engine = vcpu->engine;
    gva_t pc = vcpu->pc;
    struct fetched fetched;
    vcpu->pc = circle->runs[0].pc;
    bool found = pipeline_fetch(vcpu, &fetched) && fetched.uniform &&
                 fetched.second_page == BLOCK_NO_PAGE;
    vcpu->exception_pending = 0; /* of a fetch that failed */
    vcpu->pc = pc;
    if (!found) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    bool made = make(vcpu, &fetched, circle);
    pthread_mutex_unlock(&engine->lock);
    if (made) {
        tier2_of(vcpu)->made++;
        for (unsigned i = 0; i < engine->vcpu_count; i++) { /* to the block replaced */
            vcpu_kick(engine->vcpus[i], VCPU_REQUEST_FLUSH_JUMPS);
        }
    }
}

/* Whether a trace from here is worth a try: the block is no trace, and was not tried just before.
 * A path that was no circle, or not the usual one, may be another time; but most never are. */
static bool worth_trying(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    struct fetched fetched;
    if (!pipeline_fetch(vcpu, &fetched)) {
        vcpu->exception_pending = 0;
        return false;
    }
    pthread_mutex_lock(&engine->lock);
    struct block *block = block_find_at(&engine->blocks, fetched.gpa, vcpu->mode,
                                        fetched.second_page, fetched.gva_page);
    bool worth = block != NULL && (block->circle == NULL || block->circle->open);
    if (worth) {
        block->tries = (u8)(block->tries + (block->tries < UINT8_MAX));
        worth = block->tries == 1 || block->tries == 8 || block->tries == 64;
    }
    pthread_mutex_unlock(&engine->lock);
    return worth;
}

enum ir_exit trace_form(struct vcpu *vcpu)
{
    struct tier2_run runs[TIER2_PATH_RUNS];
    struct tier2_circle circle;
    unsigned count;
    bool whole;
    if (!worth_trying(vcpu)) {
        return IR_EXIT_IND;
    }
    enum ir_exit exit = follow(vcpu, runs, &count, &whole);
    tier2_of(vcpu)->recorded++;
    if ((whole && tier2_find_circle(runs, count, &circle)) ||
        tier2_find_way(runs, count, &circle)) {
        make_trace(vcpu, &circle);
    }
    return exit;
}

/* Making a trace: following a hot path with the interpreter, lowering the circle found. */
#include "cpu/memory.h"
#include "translate/engine_private.h"
#include "translate/hammock.h"
#include "translate/probe/probe.h"
#include "translate/region.h"

#include <string.h>

/* --- following --- */

static struct tier2 *tier2_of(const struct vcpu *vcpu)
{
    return &vcpu->engine->tier2[vcpu->index];
}

/* What the trace that will be made may find in registers. */
static void note_registers(const struct vcpu *vcpu)
{
    const struct guest *guest = vcpu->guest;
    for (unsigned n = 0; n < guest->pinned_count && n < TIER2_REGISTERS; n++) {
        tier2_of(vcpu)->head[n] = ld_le64((const u8 *)vcpu + guest->pinned[n]);
    }
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
    bool calls; /* the last line asked for has a helper in it */
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
    if (!pipeline_straight(vcpu, RUN_MAX_INSNS, straight)) {
        return NULL;
    }
    path->calls = has_call(straight->insns, straight->count);
    return path->calls ? NULL : straight;
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

/* The path ends before a breakpoint, as blocks do from now on in its page. */
static bool comes_to_break(struct vcpu *vcpu)
{
    struct fetched fetched;
    return debug_page_has_break(vcpu->engine, vcpu->pc) &&
           (!pipeline_fetch_plain(vcpu, &fetched) ||
            debug_page_fetched(vcpu, fetched.gpa & PAGE_MASK));
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
    path.calls = false;
    *count = 0;
    *whole = true;
    while (*count < TIER2_PATH_RUNS && vcpu->insns - start < TIER2_PATH_INSNS) {
        gva_t pc = vcpu->pc;
        if (UNLIKELY(vcpu->engine->debug.break_count != 0) && comes_to_break(vcpu)) {
            *whole = false;
            return exit;
        }
        u64 insns = vcpu->insns;
        if (atomic_load_explicit(&vcpu->deadline, memory_order_acquire) <=
            insns + RUN_MAX_INSNS) {
            *whole = *count >= PATH_ENOUGH_RUNS;
            return IR_EXIT_POLL;
        }
        exit = run_piece(&path, vcpu);
        if (path.calls) { /* an open path ends in there */
            runs[(*count)++] = (struct tier2_run){.pc = pc};
        }
        if ((exit != IR_EXIT_JUMP && exit != IR_EXIT_IND) || vcpu->mode != mode) {
            *whole = false;
            return exit;
        }
        runs[(*count)++] = (struct tier2_run){.pc = pc, .insns = (u32)(vcpu->insns - insns)};
    }
    return exit;
}

/* --- lowering --- */

/* The guest code that a trace is made from: snapshots of its pages. */
struct source {
    const struct tier2_circle *circle;
    struct page_source {
        u8 bytes[PAGE_BYTES];
        gpa_t gpa_page;
        u32 first, end; /* offsets of what was used of it */
        bool entered;   /* the path has been there: a guard has asked for it */
    } pages[TRACE_MAX_PAGES];
};

/* What IR counts from. */
static s64 offset_of(const struct source *source, gva_t pc)
{
    return (s64)(pc - source->circle->pages[0].page);
}

static s64 insn_bytes(const struct page_source *page, s64 offset)
{
    return (page->bytes[offset & (s64)PAGE_OFFSET_MASK] & 3) == 3 ? 4 : 2;
}

/* Where the instruction and `count` more behind it end. */
static s64 hammock_end(const struct page_source *page, s64 offset, unsigned count)
{
    for (unsigned n = 0; n <= count; n++) {
        offset += insn_bytes(page, offset);
    }
    return offset;
}

/* Lowers the instruction at l->offset, in that page; its length, or 0, also where a breakpoint
 * is. */
static unsigned lower_one(const struct engine *engine, struct lower *l, struct page_source *page)
{
    u32 at = (u32)(l->offset & (s64)PAGE_OFFSET_MASK);
    if (UNLIKELY(engine->debug.bare_count != 0) && debug_is_bare(engine, page->gpa_page + at)) {
        return 0;
    }
    l->rest = page->bytes + at;
    l->rest_bytes = (unsigned)PAGE_BYTES - at;
    unsigned length = engine->front->lower_insn(l);
    page->first = at < page->first ? at : page->first;
    page->end = at + length > page->end ? at + length : page->end;
    return length;
}

/* The same where control must go on at `next`. */
static bool lower_next(const struct engine *engine, struct lower *l, struct page_source *page,
                       s64 next)
{
    l->followed = false;
    l->next_offset = next;
    unsigned length = lower_one(engine, l, page);
    return length != 0 && !l->ended && !engine->ir->overflow &&
           (l->followed || next == l->offset + length);
}

/* The path comes to a run there. */
static struct page_source *enter(const struct engine *engine, struct lower *l,
                                 struct source *source, gva_t pc)
{
    unsigned n = tier2_page_of(source->circle, pc);
    struct page_source *page = &source->pages[n];
    l->offset = offset_of(source, pc);
    if (!page->entered && n != 0) {
        ir_exit_page(engine->ir, source->circle->pages[n].guard, l->offset);
    }
    page->entered = true;
    return page;
}

/* The branch there, which passes over `count` instructions, and these; then control goes on at
 * `next`. */
static bool lower_hammock(const struct engine *engine, struct lower *l, struct page_source *page,
                          unsigned count, s64 next)
{
    l->skips = true;
    bool fits = lower_next(engine, l, page, l->offset + insn_bytes(page, l->offset));
    l->skips = false;
    for (unsigned n = 1; fits && n <= count; n++) {
        l->offset += l->length_bytes;
        s64 behind = l->offset + insn_bytes(page, l->offset);
        fits = lower_next(engine, l, page, n == count ? next : behind);
    }
    if (fits) {
        ir_skip_end(engine->ir, count);
    }
    return fits && !engine->ir->overflow;
}

/* How many instructions of a run, of which `left` are left, the one there passes over. */
static unsigned skipped(const struct engine *engine, const struct source *source,
                        const struct page_source *page, s64 offset, unsigned left)
{
    u32 at = (u32)(offset & (s64)PAGE_OFFSET_MASK);
    gva_t pc = source->circle->pages[0].page + (u64)offset;
    unsigned count = 0;
    if (hammock_is_at(&source->circle->hammocks, pc)) {
        count = engine->front->skips(page->bytes + at, (unsigned)PAGE_BYTES - at);
    }
    return count < left ? count : 0;
}

/* The instructions of the straight run, after which control goes on at `next`, up to the first that
 * a trace cannot have: how many, and l->offset is behind them. An lr that its sc follows in the run
 * can be had, as in a block. */
static unsigned lower_run(const struct engine *engine, struct lower *l, struct source *source,
                          const struct tier2_run *run, gva_t next)
{
    struct ir *ir = engine->ir;
    struct page_source *page = enter(engine, l, source, run->pc);
    s64 end = (l->offset & ~(s64)PAGE_OFFSET_MASK) + (s64)PAGE_BYTES;
    for (unsigned i = 0; i < run->insns;) {
        if (l->offset > end - 2) {
            return i;
        }
        unsigned before = ir->count;
        s64 at = l->offset;
        unsigned count = skipped(engine, source, page, l->offset, run->insns - i);
        bool ends = i + 1 + count == run->insns;
        s64 to = ends ? offset_of(source, next) : hammock_end(page, l->offset, count);
        l->max_insns = run->insns - i;
        bool fits = count != 0 ? lower_hammock(engine, l, page, count, to)
                               : lower_next(engine, l, page, to);
        if (!fits || has_call(ir->insns + before, ir->count - before)) {
            ir->count = before; /* nothing that stays refers to what went */
            ir->skip.open = false;
            l->offset = at;
            return i;
        }
        i += 1 + count;
        l->offset = to;
    }
    return run->insns;
}

/* Whether the trace may end here: an lr whose sc is left to another block would never succeed. */
static bool is_whole(const struct engine *engine, const struct lower *l)
{
    return !engine->ir->overflow && l->open_lr.value == IR_REF_NONE;
}

/* What follows an open path from its last run on, as a block would have it: until control goes
 * elsewhere, or to the next helper. *insns counts. */
static bool lower_tail(const struct engine *engine, struct lower *l, struct source *source,
                       gva_t pc, unsigned *insns)
{
    struct ir *ir = engine->ir;
    struct page_source *page = enter(engine, l, source, pc);
    s64 end = (l->offset & ~(s64)PAGE_OFFSET_MASK) + (s64)PAGE_BYTES;
    l->follow = false;
    for (unsigned n = 0; n < TRACE_TAIL_INSNS && l->offset < end; n++) {
        unsigned before = ir->count;
        l->max_insns = TRACE_TAIL_INSNS - n;
        unsigned length = lower_one(engine, l, page);
        if (ir->overflow) {
            return false;
        }
        if (length == 0 || has_call(ir->insns + before, ir->count - before)) {
            ir->count = before; /* only the jump follows: nothing is shared with what went */
            break;
        }
        ++*insns;
        if (l->ended) {
            return true;
        }
        l->offset += length;
    }
    ir_jump(ir, l->offset);
    return is_whole(engine, l) && *insns != 0;
}

/* An open path: its runs but for the last instruction, and what follows. Where it comes to what a
 * trace cannot have, it ends. */
static bool lower_way(const struct engine *engine, struct lower *l, struct source *source,
                      unsigned *insns)
{
    const struct tier2_circle *circle = source->circle;
    for (unsigned n = 0; n + 1 < circle->count; n++) {
        const struct tier2_run *run = &circle->runs[n];
        unsigned done = lower_run(engine, l, source, run, circle->runs[n + 1].pc);
        *insns += done;
        if (done != run->insns) {
            ir_jump(engine->ir, l->offset);
            return n != 0 && is_whole(engine, l);
        }
    }
    return lower_tail(engine, l, source, circle->runs[circle->count - 1].pc, insns);
}

/* Fills engine->ir with `copies` rounds of the circle; *insns is how many instructions. */
static bool lower_circle(struct engine *engine, struct source *source, u32 mode, unsigned copies,
                         unsigned *insns)
{
    const struct tier2_circle *circle = source->circle;
    struct lower l;
    front_begin(engine, mode, &l);
    l.follow = true;
    engine->ir->constants_last = true;
    *insns = 0;
    if (circle->open) {
        return lower_way(engine, &l, source, insns);
    }
    *insns = copies * circle->insns;
    for (unsigned n = 0; n < copies * circle->count; n++) {
        const struct tier2_run *run = &circle->runs[n % circle->count];
        gva_t next = circle->runs[(n + 1) % circle->count].pc;
        if (lower_run(engine, &l, source, run, next) != run->insns) {
            return false;
        }
    }
    ir_jump(engine->ir, offset_of(source, circle->runs[0].pc));
    return !engine->ir->overflow;
}

/* Fills engine->ir with a further way of the circle, to be left where the front end or a breakpoint
 * has it end. The page that it begins in was asked for before. */
static bool lower_further(struct engine *engine, struct source *source, u32 mode,
                          const struct tier2_way *way)
{
    const struct tier2_circle *circle = source->circle;
    struct lower l;
    front_begin(engine, mode, &l);
    l.follow = true;
    engine->ir->constants_last = true;
    for (unsigned n = 0; n < circle->page_count; n++) {
        source->pages[n].entered = n == 0;
    }
    source->pages[tier2_page_of(circle, circle->runs[way->first].pc)].entered = true;
    for (unsigned n = 0; n < way->count; n++) {
        const struct tier2_run *run = &circle->runs[way->first + n];
        gva_t next = n + 1u < way->count ? run[1].pc : way->next;
        if (lower_run(engine, &l, source, run, next) != run->insns) {
            return false;
        }
    }
    ir_jump(engine->ir, offset_of(source, way->next));
    pipeline_set_poll(engine->ir, way->insns);
    return is_whole(engine, &l);
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

static void source_read(const struct engine *engine, const struct tier2_circle *circle,
                        struct source *source)
{
    source->circle = circle;
    for (unsigned n = 0; n < circle->page_count; n++) {
        struct page_source *page = &source->pages[n];
        memcpy(page->bytes,
               memory_host_any_mode(engine->memory, circle->pages[n].gpa_page, PAGE_BYTES),
               PAGE_BYTES);
        page->gpa_page = circle->pages[n].gpa_page;
        page->first = PAGE_BYTES;
        page->end = 0;
        page->entered = false;
    }
}

/* engine->ir becomes the trace, before the passes. */
static bool make_ir(struct engine *engine, struct source *source, u32 mode, unsigned *insns)
{
    if (!lower_circle(engine, source, mode, copies_of(source->circle), insns)) {
        return false;
    }
    pipeline_set_poll(engine->ir, *insns);
    return true;
}

/* Puts probes into the trace where something is watched; false when they do not fit. */
static bool watch(struct vcpu *vcpu, const struct fetched *fetched, const struct source *source)
{
    struct engine *engine = vcpu->engine;
    if (UNLIKELY(engine->probe != NULL)) {
        struct probe_source probed = {
            .bytes = source->pages[0].bytes, .gpa_page = fetched->gpa & PAGE_MASK,
            .gva_page = source->circle->pages[0].page, .mode = vcpu->mode,
            .fixed = fetched->gva_page != 0,
        };
        if (source->circle->page_count != 1 || probe_calls_c(engine->probe) ||
            probe_page_has_hooks(engine->probe, probed.gpa_page)) {
            return false; /* which a trace, that calls nothing, must not have */
        }
        probe_instrument(engine, &probed);
    }
    return !engine->ir->overflow;
}

/* Where the path, or one of its ways, first comes to page `n`. */
static gva_t first_pc(const struct tier2_circle *circle, unsigned n)
{
    unsigned i = 0;
    while (tier2_page_of(circle, circle->runs[i].pc) != n) {
        i++;
    }
    return circle->runs[i].pc;
}

/* A guard for each page but the first. */
static bool guard_pages(struct engine *engine, struct tier2_circle *circle)
{
    for (unsigned n = 1; n < circle->page_count; n++) {
        s64 offset = (s64)(first_pc(circle, n) - circle->pages[0].page);
        circle->pages[n].guard = block_guard_alloc(&engine->blocks, circle->pages[n].gpa_page,
                                                   offset);
        if (circle->pages[n].guard == 0) {
            return false;
        }
    }
    return true;
}

/* The compiled block takes the place of the one at its head. */
static void publish(struct engine *engine, struct block *block, struct block *old,
                    const struct source *source)
{
    const struct page_source *first = &source->pages[0];
    pipeline_keep_ir(engine, block);
    if (old != NULL) {
        block_remove(&engine->blocks, old);
    }
    block_insert(&engine->blocks, block, first->bytes + first->first);
    for (unsigned n = 1; n < source->circle->page_count; n++) {
        const struct page_source *page = &source->pages[n];
        if (page->end != 0) { /* else the trace was cut before it came there */
            block_insert_part(&engine->blocks, block, source->circle->pages[n].gpa_page,
                              page->first, page->end - page->first, page->bytes + page->first);
        }
    }
}

/* What the ways of a trace are made from. */
struct further {
    struct engine *engine;
    struct source *source;
    u32 mode;
};

/* As a member of struct host_ways. engine->ir stays as it is. */
static struct ir *make_further(void *opaque, unsigned n)
{
    struct further *further = opaque;
    struct engine *engine = further->engine;
    struct ir *ir = engine->ir;
    engine->ir = engine->way_ir;
    bool made = lower_further(engine, further->source, further->mode,
                              &further->source->circle->ways[n]);
    if (made) {
        pipeline_optimise(engine);
    }
    engine->ir = ir;
    return made ? engine->way_ir : NULL;
}

/* Compiles engine->ir, with the circle's ways. */
static bool compile(struct vcpu *vcpu, struct block *block, struct source *source)
{
    const struct tier2_circle *circle = source->circle;
    struct further further = {.engine = vcpu->engine, .source = source, .mode = vcpu->mode};
    struct host_ways ways = {
        .count = circle->way_count, .lower = make_further, .opaque = &further,
    };
    for (unsigned n = 0; n < ways.count; n++) {
        ways.starts[n] = offset_of(source, circle->runs[circle->ways[n].first].pc);
    }
    return pipeline_compile(vcpu, block, ways.count != 0 ? &ways : NULL) == HOST_OK;
}

static unsigned ways_insns(const struct tier2_circle *circle)
{
    unsigned insns = 0;
    for (unsigned n = 0; n < circle->way_count; n++) {
        insns += circle->ways[n].insns;
    }
    return insns;
}

/* Lock held. */
static bool make(struct vcpu *vcpu, const struct fetched *fetched, struct tier2_circle *circle)
{
    struct engine *engine = vcpu->engine;
    struct source source;
    front_expect(vcpu);
    struct block *old = block_find_at(&engine->blocks, fetched->gpa, vcpu->mode, BLOCK_NO_PAGE,
                                      fetched->gva_page);
    unsigned insns;
    if ((old != NULL && old->circle != NULL && !(old->circle->open && !circle->open)) ||
        !guard_pages(engine, circle)) {
        return false;
    }
    source_read(engine, circle, &source);
    if (!make_ir(engine, &source, vcpu->mode, &insns) || !watch(vcpu, fetched, &source)) {
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
    block->insn_count = (u16)insns;
    block->tries = old != NULL ? old->tries : 1;
    if (!compile(vcpu, block, &source)) {
        return false;
    }
    block->before_bytes = (u16)((fetched->gpa & PAGE_OFFSET_MASK) - source.pages[0].first);
    block->length_bytes = (u16)(source.pages[0].end - source.pages[0].first);
    engine->stats.trace_insns += insns + ways_insns(circle);
    publish(engine, block, old, &source);
    return true;
}

void trace_view(struct engine *engine, const struct block *block, bool optimised)
{
    struct source source;
    unsigned insns;
    source_read(engine, block->circle, &source);
    if (make_ir(engine, &source, block->mode, &insns) && optimised) {
        pipeline_optimise(engine);
    }
}

bool trace_view_way(struct engine *engine, const struct block *block, unsigned n)
{
    struct source source;
    source_read(engine, block->circle, &source);
    return n < block->circle->way_count &&
           lower_further(engine, &source, block->mode, &block->circle->ways[n]);
}

gpa_t trace_page(const struct block *block, s64 offset)
{
    const struct tier2_circle *circle = block->circle;
    unsigned n = tier2_page_of(circle, circle->pages[0].page + (u64)offset);
    return n < circle->page_count ? circle->pages[n].gpa_page : block->gpa & PAGE_MASK;
}

/* Where the circle's pages are; *first is its head. The hart's pc may be anywhere. */
static bool fetch_pages(struct vcpu *vcpu, struct tier2_circle *circle, struct fetched *first)
{
    gva_t pc = vcpu->pc;
    bool found = true;
    for (unsigned n = circle->page_count; found && n-- > 0;) {
        vcpu->pc = first_pc(circle, n);
        found = pipeline_fetch_plain(vcpu, first);
        circle->pages[n].gpa_page = first->gpa & PAGE_MASK;
    }
    vcpu->pc = pc;
    return found;
}

/* The circle as a block; false when it was not made. The hart's pc may be anywhere. */
static bool make_trace(struct vcpu *vcpu, struct tier2_circle *circle)
{
    struct engine *engine = vcpu->engine;
    struct fetched fetched;
    if (!fetch_pages(vcpu, circle, &fetched)) {
        return false;
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
    return made;
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

/* Recorded code names the page of its unit; and without links nobody proves guards. */
static unsigned max_pages(const struct engine *engine)
{
    return engine->probe != NULL || engine->options.no_links ? 1 : TRACE_MAX_PAGES;
}

/* Recorded code has units of straight paths; the interpreter, which lock-step compares with, leaves
 * at every side exit. */
static bool may_have_ways(const struct engine *engine)
{
    return engine->probe == NULL && !engine->options.no_links &&
           engine->options.kind == ENGINE_JIT;
}

/* The circle of a path. One that went round without fail is as it is: the host guesses its
 * branches. Else hammocks may make a better one; the runs are joined then. */
static bool find_circle(struct vcpu *vcpu, struct tier2_run *runs, unsigned *count,
                        struct tier2_hammocks *hammocks, struct tier2_circle *circle)
{
    unsigned pages = max_pages(vcpu->engine);
    bool found = tier2_find_circle(runs, *count, pages, circle);
    if (found && tier2_is_steady(circle)) {
        return true;
    }
    hammock_join(vcpu, runs, count, hammocks);
    struct tier2_circle joined;
    if (hammocks->count != 0 && tier2_find_circle(runs, *count, pages, &joined)) {
        *circle = joined;
        circle->hammocks = *hammocks;
        found = true;
    }
    return found;
}

enum ir_exit trace_form(struct vcpu *vcpu)
{
    struct tier2_run runs[TIER2_PATH_RUNS];
    struct tier2_circle circle;
    struct tier2_hammocks hammocks = {.count = 0};
    unsigned count;
    bool whole;
    if (!worth_trying(vcpu)) {
        return IR_EXIT_IND;
    }
    note_registers(vcpu);
    enum ir_exit exit = follow(vcpu, runs, &count, &whole);
    tier2_of(vcpu)->recorded++;
    /* A circle may begin elsewhere, where one is already: then the way from here leads to it. */
    bool made = whole && find_circle(vcpu, runs, &count, &hammocks, &circle) &&
                make_trace(vcpu, &circle);
    if (!made && whole && may_have_ways(vcpu->engine) &&
        region_find(vcpu, runs, count, max_pages(vcpu->engine), &circle)) {
        circle.hammocks = hammocks;
        made = make_trace(vcpu, &circle);
    }
    if (!made && tier2_find_way(runs, count, max_pages(vcpu->engine), &circle)) {
        circle.hammocks = hammocks;
        make_trace(vcpu, &circle);
    }
    return exit;
}

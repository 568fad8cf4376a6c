/* Making a trace: following a hot path with the interpreter, compiling the circle found. Its IR
 * comes from trace_lower.c. */
#include "translate/hammock.h"
#include "translate/probe/probe.h"
#include "translate/region.h"
#include "translate/trace_lower.h"

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
    path->calls = trace_calls_helper(straight->insns, straight->count);
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
static enum ir_exit follow(struct vcpu *vcpu, struct tier2_run *runs, unsigned *count, bool *whole)
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
        if (atomic_load_explicit(&vcpu->deadline, memory_order_acquire) <= insns + RUN_MAX_INSNS) {
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

/* --- making --- */

/* Puts probes into engine->ir, the trace or a way of it, where something is watched; false when
 * they do not fit. */
static bool watch(struct engine *engine, bool fixed, const struct trace_source *source, u32 mode)
{
    const struct tier2_page *page = &source->circle->pages[0];
    if (UNLIKELY(engine->probe != NULL)) {
        struct probe_source probed = {
            .bytes = source->pages[0].bytes, .gpa_page = page->gpa_page, .gva_page = page->page,
            .mode = mode, .fixed = fixed,
        };
        if ((source->circle->page_count != 1 && !probe_spans_pages(engine->probe)) ||
            probe_calls_c(engine->probe) ||
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
        circle->pages[n].guard =
            block_guard_alloc(&engine->blocks, circle->pages[n].gpa_page, offset);
        if (circle->pages[n].guard == 0) {
            return false;
        }
    }
    return true;
}

/* Guards ask for other pages, too: also for one that the trace only leads to, since a way out to it
 * takes for granted that the guard was passed. */
static void join_guards(struct engine *engine, const struct trace_source *source)
{
    const struct tier2_circle *circle = source->circle;
    for (unsigned n = 1; n < circle->page_count; n++) {
        unsigned asks = source->pages[n].asks;
        if (asks != 0 && asks != n) {
            block_guard_join(&engine->blocks, circle->pages[asks].guard, circle->pages[n].guard);
        }
    }
}

/* The compiled block takes the place of the one at its head. */
static void publish(struct engine *engine, struct block *block, struct block *old,
                    const struct trace_source *source)
{
    const struct page_source *first = &source->pages[0];
    join_guards(engine, source);
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
    struct trace_source *source;
    u32 mode;
    bool fixed;
};

/* As a member of struct host_ways. engine->ir stays as it is. */
static struct ir *make_further(void *opaque, unsigned n)
{
    struct further *further = opaque;
    struct engine *engine = further->engine;
    struct ir *ir = engine->ir;
    engine->ir = engine->way_ir;
    bool made =
        trace_lower_way(engine, further->source, further->mode,
                        &further->source->circle->ways[n]) &&
        watch(engine, further->fixed, further->source, further->mode);
    if (made) {
        pipeline_optimise(engine);
    }
    engine->ir = ir;
    return made ? engine->way_ir : NULL;
}

/* Compiles engine->ir, with the circle's ways. */
static bool compile(struct vcpu *vcpu, struct block *block, struct trace_source *source)
{
    const struct tier2_circle *circle = source->circle;
    struct further further = {.engine = vcpu->engine, .source = source, .mode = vcpu->mode,
                              .fixed = block->gva_page != 0};
    struct host_ways ways = {
        .count = circle->way_count,
        .lower = make_further,
        .opaque = &further,
    };
    for (unsigned n = 0; n < ways.count; n++) {
        ways.starts[n] = trace_offset(source, circle->runs[circle->ways[n].first].pc);
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

/* Lock held. `anew` where the trace is there. */
static bool make(struct vcpu *vcpu, const struct fetched *fetched, struct tier2_circle *circle,
                 bool anew)
{
    struct engine *engine = vcpu->engine;
    struct trace_source source;
    front_expect(vcpu);
    struct block *old =
        block_find_at(&engine->blocks, fetched->gpa, vcpu->mode, BLOCK_NO_PAGE, fetched->gva_page);
    unsigned insns;
    if ((old != NULL && old->circle != NULL && !anew && !(old->circle->open && !circle->open)) ||
        !guard_pages(engine, circle)) {
        return false;
    }
    trace_source_read(engine, circle, &source);
    if (!trace_lower(engine, &source, vcpu->mode, &insns) ||
        !watch(engine, fetched->gva_page != 0, &source, vcpu->mode)) {
        return false;
    }
    pipeline_optimise(engine);
    struct block *block = block_new(&engine->blocks);
    struct tier2_circle *kept = block_alloc(&engine->blocks, sizeof(*kept));
    for (unsigned n = 0; n < circle->page_count; n++) {
        circle->pages[n].asks = source.pages[n].asks;
    }
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
    struct trace_source source;
    unsigned insns;
    trace_source_read(engine, block->circle, &source);
    if (trace_lower(engine, &source, block->mode, &insns) && optimised) {
        pipeline_optimise(engine);
    }
}

bool trace_view_way(struct engine *engine, const struct block *block, unsigned n)
{
    struct trace_source source;
    trace_source_read(engine, block->circle, &source);
    return n < block->circle->way_count &&
           trace_lower_way(engine, &source, block->mode, &block->circle->ways[n]);
}

_Static_assert(TRACE_MAX_PAGES - 1 <= HOST_PAGES_MAX, "all but the first may be named");

void trace_request(const struct tier2_circle *circle, struct host_request *request)
{
    if (circle == NULL) {
        return;
    }
    request->head = circle->head;
    request->split = circle->split;
    request->split_count = circle->split_count;
    if (circle->split_count > TIER2_SPLIT_MAX) {
        request->split_count = 0;
        request->flags |= HOST_ALL_SPLIT;
    }
    request->flags |= circle->no_guess ? HOST_NO_GUESS : 0u;
    request->strays = circle->strays;
    request->stray_count = circle->stray_count;
    if (circle->stray_count > TIER2_STRAY_MAX) {
        request->stray_count = 0;
        request->slots_max = 0;
    }
    for (unsigned n = 1; n < circle->page_count; n++) {
        if (circle->pages[n].asks != 0) {
            unsigned at = request->page_count++;
            request->pages[at].distance = (s64)(circle->pages[n].page - circle->pages[0].page);
            request->pages[at].guard = circle->pages[circle->pages[n].asks].guard;
        }
    }
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

/* No hart jumps to the block replaced. */
static void forget_replaced(struct vcpu *vcpu)
{
    engine_kick_all(vcpu->engine, VCPU_REQUEST_FLUSH_JUMPS);
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
    memcpy(circle->head, tier2_of(vcpu)->head, sizeof(circle->head));
    circle->split_count = 0;
    circle->no_guess = false;
    circle->stray_count = 0;
    bool made = make(vcpu, &fetched, circle, false);
    pthread_mutex_unlock(&engine->lock);
    if (made) {
        tier2_of(vcpu)->made++;
        forget_replaced(vcpu);
    }
    return made;
}

void engine_trace_split(struct vcpu *vcpu, gva_t head, gva_t gva)
{
    if (tier2_note_split(tier2_of(vcpu), vcpu, head, gva)) {
        vcpu_look_up(vcpu);
    }
}

void engine_trace_guessed(struct vcpu *vcpu, gva_t head)
{
    if (tier2_note_guesses(tier2_of(vcpu), vcpu, head)) {
        vcpu_look_up(vcpu);
    }
}

void engine_trace_strayed(struct vcpu *vcpu, gva_t head)
{
    if (tier2_note_stray(tier2_of(vcpu), vcpu, head)) {
        vcpu_look_up(vcpu);
    }
}

/* The trace is the one that lies at its head now: the hart may be in another address space than the
 * one in which its groups were split. */
void trace_mend(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    struct tier2 *tier2 = tier2_of(vcpu);
    struct fetched fetched;
    gva_t pc = vcpu->pc;
    tier2->split = false;
    vcpu->pc = tier2->split_head;
    bool found = pipeline_fetch_plain(vcpu, &fetched);
    vcpu->pc = pc;
    if (!found) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    struct block *block = block_find_at(&engine->blocks, fetched.gpa, vcpu->mode, BLOCK_NO_PAGE,
                                        fetched.gva_page);
    bool made = false;
    if (block != NULL && block->circle != NULL) {
        struct tier2_circle circle = *block->circle;
        tier2_join_splits(tier2, vcpu->mode, &circle);
        made = make(vcpu, &fetched, &circle, true);
    }
    pthread_mutex_unlock(&engine->lock);
    if (made) {
        forget_replaced(vcpu);
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

/* Without links nobody proves guards. */
static unsigned max_pages(const struct engine *engine)
{
    return !probe_spans_pages(engine->probe) || engine->options.no_links ? 1 : TRACE_MAX_PAGES;
}

/* The interpreter, which lock-step compares with, leaves at every side exit. */
static bool may_have_ways(const struct engine *engine)
{
    return !engine->options.no_links && engine->options.kind == ENGINE_JIT;
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
    bool made =
        whole && find_circle(vcpu, runs, &count, &hammocks, &circle) && make_trace(vcpu, &circle);
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

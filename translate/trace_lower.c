/* The IR of traces: straight runs of guest code one behind the other, rounds of a circle, open
 * paths with what follows them, further ways. */
#include "translate/trace_lower.h"

#include "cpu/memory.h"
#include "translate/hammock.h"

#include <string.h>

bool trace_calls_helper(const struct ir_insn *insns, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (insns[i].op == IR_CALL || insns[i].op == IR_LOOK) {
            return true;
        }
    }
    return false;
}

s64 trace_offset(const struct trace_source *source, gva_t pc)
{
    return (s64)(pc - source->circle->pages[0].page);
}

static s64 insn_bytes(const struct engine *engine, const struct page_source *page, s64 offset)
{
    return engine->front->insn_bytes(page->bytes + (offset & (s64)PAGE_OFFSET_MASK));
}

/* Where the instruction and `count` more behind it end. */
static s64 hammock_end(const struct engine *engine, const struct page_source *page, s64 offset,
                       unsigned count)
{
    for (unsigned n = 0; n <= count; n++) {
        offset += insn_bytes(engine, page, offset);
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
    l->gpa = page->gpa_page + at;
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

/* Whether the last instruction jumped to an address from a register: where that leads need not lie
 * as far from here in another process. */
static bool came_indirectly(const struct ir *ir)
{
    unsigned i = ir->count;
    while (i-- > 0 && ir->insns[i].op != IR_INSN) {
        if (ir->insns[i].op == IR_EXIT_UNLESS) {
            return true;
        }
    }
    return false;
}

/* The path is in page `n`, which is not the first one. Pages that direct jumps lead to are parts of
 * one file, and are asked for together, by the guard of the one that comes first. */
static void ask(const struct engine *engine, const struct lower *l, struct trace_source *source,
                unsigned n)
{
    struct page_source *page = &source->pages[n];
    struct page_source *from = &source->pages[source->page];
    if (page->asks == 0) {
        bool alone = from->asks == 0 || came_indirectly(engine->ir);
        page->asks = alone ? (u8)n : from->asks;
        if (source->page == 0 && !came_indirectly(engine->ir)) {
            from->asks = page->asks;
        }
    }
    if (!(source->asked >> page->asks & 1)) {
        ir_exit_page(engine->ir, source->circle->pages[page->asks].guard, l->offset);
        source->asked |= (u32)1 << page->asks;
    }
}

/* The path comes to a run there. */
static struct page_source *enter(const struct engine *engine, struct lower *l,
                                 struct trace_source *source, gva_t pc)
{
    unsigned n = tier2_page_of(source->circle, pc);
    struct page_source *page = &source->pages[n];
    l->offset = trace_offset(source, pc);
    if (n != 0) {
        ask(engine, l, source, n);
    }
    source->page = n;
    return page;
}

/* The branch there, which passes over `count` instructions, and these; then control goes on at
 * `next`. */
static bool lower_hammock(const struct engine *engine, struct lower *l, struct page_source *page,
                          unsigned count, s64 next)
{
    l->skips = true;
    bool fits = lower_next(engine, l, page, l->offset + insn_bytes(engine, page, l->offset));
    l->skips = false;
    for (unsigned n = 1; fits && n <= count; n++) {
        l->offset += l->length_bytes;
        s64 behind = l->offset + insn_bytes(engine, page, l->offset);
        fits = lower_next(engine, l, page, n == count ? next : behind);
    }
    if (fits) {
        ir_skip_end(engine->ir, count);
    }
    return fits && !engine->ir->overflow;
}

/* How many instructions of a run, of which `left` are left, the one there passes over. */
static unsigned skipped(const struct engine *engine, const struct trace_source *source,
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
static unsigned lower_run(const struct engine *engine, struct lower *l, struct trace_source *source,
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
        s64 to = ends ? trace_offset(source, next) : hammock_end(engine, page, l->offset, count);
        l->max_insns = run->insns - i;
        bool fits = count != 0 ? lower_hammock(engine, l, page, count, to)
                               : lower_next(engine, l, page, to);
        if (!fits || trace_calls_helper(ir->insns + before, ir->count - before)) {
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
static bool lower_tail(const struct engine *engine, struct lower *l, struct trace_source *source,
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
        if (length == 0 || trace_calls_helper(ir->insns + before, ir->count - before)) {
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
static bool lower_open(const struct engine *engine, struct lower *l, struct trace_source *source,
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
static bool lower_circle(struct engine *engine, struct trace_source *source, u32 mode,
                         unsigned copies, unsigned *insns)
{
    const struct tier2_circle *circle = source->circle;
    struct lower l;
    front_begin(engine, mode, &l);
    l.follow = true;
    engine->ir->constants_last = true;
    *insns = 0;
    if (circle->open) {
        return lower_open(engine, &l, source, insns);
    }
    *insns = copies * circle->insns;
    for (unsigned n = 0; n < copies * circle->count; n++) {
        const struct tier2_run *run = &circle->runs[n % circle->count];
        gva_t next = circle->runs[(n + 1) % circle->count].pc;
        if (lower_run(engine, &l, source, run, next) != run->insns) {
            return false;
        }
    }
    ir_jump(engine->ir, trace_offset(source, circle->runs[0].pc));
    return !engine->ir->overflow;
}

bool trace_lower_way(struct engine *engine, struct trace_source *source, u32 mode,
                     const struct tier2_way *way)
{
    const struct tier2_circle *circle = source->circle;
    struct lower l;
    front_begin(engine, mode, &l);
    l.follow = true;
    engine->ir->constants_last = true;
    source->page = tier2_page_of(circle, circle->runs[way->first].pc);
    source->asked = source->page != 0 ? (u32)1 << source->pages[source->page].asks : 0;
    for (unsigned n = 0; n < way->count; n++) {
        const struct tier2_run *run = &circle->runs[way->first + n];
        gva_t next = n + 1u < way->count ? run[1].pc : way->next;
        if (lower_run(engine, &l, source, run, next) != run->insns) {
            return false;
        }
    }
    ir_jump(engine->ir, trace_offset(source, way->next));
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

void trace_source_read(const struct engine *engine, const struct tier2_circle *circle,
                       struct trace_source *source)
{
    source->circle = circle;
    source->page = 0;
    source->asked = 0;
    for (unsigned n = 0; n < circle->page_count; n++) {
        struct page_source *page = &source->pages[n];
        memcpy(page->bytes,
               memory_host_any_mode(engine->memory, circle->pages[n].gpa_page, PAGE_BYTES),
               PAGE_BYTES);
        page->gpa_page = circle->pages[n].gpa_page;
        page->first = PAGE_BYTES;
        page->end = 0;
        page->asks = 0;
    }
}

bool trace_lower(struct engine *engine, struct trace_source *source, u32 mode, unsigned *insns)
{
    if (!lower_circle(engine, source, mode, copies_of(source->circle), insns)) {
        return false;
    }
    pipeline_set_poll(engine->ir, *insns);
    return true;
}

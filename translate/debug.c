/* See debug.h.
 *
 * Breakpoints. Blocks are keyed by physical address, breakpoints are virtual. When a hart comes to
 * a page with breakpoints, their physical addresses become `bare`: blocks end before them and none
 * begins there, so whoever gets there comes to the run loop, which compares the pc exactly. The
 * same bytes mapped elsewhere are run by the interpreter, one instruction. Everything else in the
 * page is translated and linked as ever. See debug_bare.c.
 *
 * Watchpoints. Pages with watched bytes get slow TLB entries; the slow path compares exactly and
 * refuses the access by an exception of the engine's own. As with any exception the state is
 * precise then. Either the hart stops there, or the interpreter executes that one instruction and
 * it stops after it.
 *
 * A debugger takes its breakpoints out at every stop and puts them in again. So the lists are
 * compared with what was there before only when harts are about to run. */
#include "translate/debug.h"

#include "cpu/guest.h"
#include "translate/engine_private.h"

#include <stdlib.h>
#include <string.h>

bool debug_init(struct debug *debug, unsigned hart_count)
{
    *debug = (struct debug){.holds_interrupts = true};
    debug->harts = calloc(hart_count, sizeof(*debug->harts));
    return debug->harts != NULL;
}

void debug_fini(struct debug *debug)
{
    free(debug->breaks);
    free(debug->watches);
    free(debug->known_breaks);
    free(debug->known_watches);
    free(debug->bare);
    free(debug->harts);
}

static struct debug_hart *hart_of(const struct vcpu *vcpu)
{
    return &vcpu->engine->debug.harts[vcpu->index];
}

void *debug_grown(void *list, size_t count, size_t element_bytes)
{
    void *bigger = realloc(list, (count + 1) * element_bytes);
    if (bigger == NULL) {
        error_no_memory((count + 1) * element_bytes);
    }
    return bigger;
}

/* --- the list of breakpoints --- */

unsigned debug_break_index(const struct debug *debug, gva_t gva)
{
    unsigned low = 0, high = debug->break_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (debug->breaks[middle].gva < gva) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void debug_break_set(struct engine *engine, gva_t gva, unsigned owner)
{
    struct debug *debug = &engine->debug;
    unsigned at = debug_break_index(debug, gva);
    if (at == debug->break_count || debug->breaks[at].gva != gva) {
        debug->breaks = debug_grown(debug->breaks, debug->break_count, sizeof(*debug->breaks));
        memmove(&debug->breaks[at + 1], &debug->breaks[at],
                (debug->break_count - at) * sizeof(*debug->breaks));
        debug->breaks[at] = (struct debug_break){.gva = gva};
        debug->break_count++;
    }
    debug->breaks[at].owners |= (u8)owner;
}

void debug_break_clear(struct engine *engine, gva_t gva, unsigned owner)
{
    struct debug *debug = &engine->debug;
    unsigned at = debug_break_index(debug, gva);
    if (at == debug->break_count || debug->breaks[at].gva != gva) {
        return;
    }
    debug->breaks[at].owners &= (u8)~owner;
    if (debug->breaks[at].owners == 0) {
        debug->break_count--;
        memmove(&debug->breaks[at], &debug->breaks[at + 1],
                (debug->break_count - at) * sizeof(*debug->breaks));
    }
}

/* --- the list of watchpoints --- */

static unsigned watch_index(const struct debug *debug, const struct debug_watch *watch)
{
    unsigned at = 0;
    while (at < debug->watch_count && (debug->watches[at].first != watch->first ||
                                       debug->watches[at].last != watch->last ||
                                       debug->watches[at].access != watch->access)) {
        at++;
    }
    return at;
}

static bool make_watch(gva_t gva, u64 size_bytes, enum debug_access access,
                       struct debug_watch *watch)
{
    *watch = (struct debug_watch){gva, gva + size_bytes - 1, (u8)access};
    return size_bytes != 0 && watch->last >= gva;
}

bool debug_watch_set(struct engine *engine, gva_t gva, u64 size_bytes, enum debug_access access)
{
    struct debug *debug = &engine->debug;
    struct debug_watch watch;
    if (!make_watch(gva, size_bytes, access, &watch)) {
        return false;
    }
    if (watch_index(debug, &watch) == debug->watch_count) {
        debug->watches = debug_grown(debug->watches, debug->watch_count, sizeof(*debug->watches));
        debug->watches[debug->watch_count++] = watch;
    }
    return true;
}

bool debug_watch_clear(struct engine *engine, gva_t gva, u64 size_bytes, enum debug_access access)
{
    struct debug *debug = &engine->debug;
    struct debug_watch watch;
    if (!make_watch(gva, size_bytes, access, &watch)) {
        return false;
    }
    unsigned at = watch_index(debug, &watch);
    if (at < debug->watch_count) {
        debug->watch_count--;
        memmove(&debug->watches[at], &debug->watches[at + 1],
                (debug->watch_count - at) * sizeof(*debug->watches));
    }
    return true;
}

void debug_clear_all(struct engine *engine)
{
    struct debug *debug = &engine->debug;
    debug->break_count = 0;
    debug->watch_count = 0;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        debug->harts[i] = (struct debug_hart){0};
    }
}

void debug_set_filter(struct engine *engine, debug_filter *filter, void *opaque)
{
    engine->debug.filter = filter;
    engine->debug.filter_opaque = opaque;
}

void debug_run(struct engine *engine, unsigned hart)
{
    engine->debug.harts[hart].stepping = false;
    engine->debug.harts[hart].records = false;
}

void debug_step(struct engine *engine, unsigned index, gva_t first, gva_t last)
{
    struct debug_hart *hart = &engine->debug.harts[index];
    hart->stepping = true;
    hart->records = !engine->debug.stops_before;
    hart->skips = false;
    hart->step_first = first;
    hart->step_last = last;
}

/* --- fitting translations and TLBs to the lists --- */

static bool breaks_changed(const struct debug *debug)
{
    bool changed = debug->break_count != debug->known_break_count;
    for (unsigned i = 0; i < debug->break_count && !changed; i++) {
        changed = debug->breaks[i].gva != debug->known_breaks[i];
    }
    return changed;
}

static void fit_breaks(struct engine *engine)
{
    struct debug *debug = &engine->debug;
    debug_drop_bare(engine);
    debug->known_breaks = debug_grown(debug->known_breaks, debug->break_count,
                                      sizeof(*debug->known_breaks));
    for (unsigned i = 0; i < debug->break_count; i++) {
        debug->known_breaks[i] = debug->breaks[i].gva;
    }
    debug->known_break_count = debug->break_count;
    /* Who comes to a page again asks the pipeline, which learns of the new ones there. */
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        tlb_flush_jumps(engine->vcpus[i]);
    }
}

static bool watches_changed(const struct debug *debug)
{
    return debug->watch_count != debug->known_watch_count ||
           (debug->watch_count != 0 &&
            memcmp(debug->watches, debug->known_watches,
                   debug->watch_count * sizeof(*debug->watches)) != 0);
}

static void fit_watches(struct engine *engine)
{
    struct debug *debug = &engine->debug;
    debug->known_watches = debug_grown(debug->known_watches, debug->watch_count,
                                       sizeof(*debug->known_watches));
    if (debug->watch_count != 0) {
        memcpy(debug->known_watches, debug->watches,
               debug->watch_count * sizeof(*debug->watches));
    }
    debug->known_watch_count = debug->watch_count;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        vcpu->tlb_state->watched = engine->lockstep != NULL || debug->watch_count != 0;
        tlb_flush_all(vcpu);
    }
}

void debug_prepare(struct engine *engine)
{
    struct debug *debug = &engine->debug;
    atomic_store(&debug->stopped, false);
    if (breaks_changed(debug)) {
        fit_breaks(engine);
    }
    if (watches_changed(debug)) {
        fit_watches(engine);
    }
}

bool debug_take_hit(struct engine *engine, unsigned index, enum debug_reason reason,
                    struct debug_hit *hit)
{
    struct debug_hart *hart = &engine->debug.harts[index];
    if (hart->hit.reason != reason) {
        return false;
    }
    *hit = hart->hit;
    hart->hit = (struct debug_hit){0};
    hart->skips = reason == DEBUG_BREAKPOINT;
    hart->passes = reason == DEBUG_WATCHPOINT && engine->debug.stops_before;
    hart->skip_pc = engine->vcpus[index]->pc;
    hart->skip_insns = engine->vcpus[index]->insns;
    return true;
}

static const struct debug_watch *watch_find(const struct debug *debug, gva_t first, gva_t last,
                                            unsigned access)
{
    for (unsigned i = 0; i < debug->watch_count; i++) {
        const struct debug_watch *watch = &debug->watches[i];
        if (watch->first <= last && watch->last >= first && (watch->access & access) != 0) {
            return watch;
        }
    }
    return NULL;
}

void debug_moved(struct engine *engine, unsigned index, bool skips)
{
    engine->debug.harts[index] = (struct debug_hart){
        .skips = skips,
        .skip_pc = engine->vcpus[index]->pc,
        .skip_insns = engine->vcpus[index]->insns,
    };
}

void debug_forget_hit(struct engine *engine, unsigned index)
{
    struct debug_hit *hit = &engine->debug.harts[index].hit;
    if (hit->reason != DEBUG_WATCHPOINT ||
        watch_find(&engine->debug, hit->gva, hit->gva, hit->access) == NULL) {
        *hit = (struct debug_hit){0};
    }
}

/* --- the run loop's questions --- */

bool debug_steps(const struct vcpu *vcpu)
{
    return vcpu->engine->debug.harts[vcpu->index].stepping;
}

bool debug_holds_interrupts(const struct vcpu *vcpu)
{
    const struct debug *debug = &vcpu->engine->debug;
    return debug_steps(vcpu) && debug->holds_interrupts && !debug->faithful;
}

bool debug_is_faithful(const struct vcpu *vcpu)
{
    return vcpu->engine->debug.faithful;
}

static const struct debug_break *break_at(const struct debug *debug, gva_t gva)
{
    unsigned at = debug_break_index(debug, gva);
    return at < debug->break_count && debug->breaks[at].gva == gva ? &debug->breaks[at] : NULL;
}

bool debug_page_has_break(const struct engine *engine, gva_t gva)
{
    const struct debug *debug = &engine->debug;
    gva_t page = gva & PAGE_MASK;
    unsigned at = debug_break_index(debug, page);
    return at < debug->break_count && debug->breaks[at].gva - page < PAGE_BYTES;
}

static void skip_here(const struct vcpu *vcpu, struct debug_hart *hart)
{
    hart->skips = true;
    hart->skip_pc = vcpu->pc;
    hart->skip_insns = vcpu->insns;
}

/* Those of its owners that want the hart to stop now. */
static unsigned wanted_by(const struct vcpu *vcpu, const struct debug_break *here)
{
    const struct debug *debug = &vcpu->engine->debug;
    return LIKELY(debug->filter == NULL)
               ? here->owners
               : debug->filter(debug->filter_opaque, vcpu->index, here->gva, here->owners);
}

bool debug_break_here(struct vcpu *vcpu)
{
    struct debug *debug = &vcpu->engine->debug;
    struct debug_hart *hart = hart_of(vcpu);
    /* Not over with the first look: the run loop may come again before the hart has moved. */
    hart->skips = hart->skips && hart->skip_pc == vcpu->pc && hart->skip_insns == vcpu->insns;
    const struct debug_break *here = break_at(debug, vcpu->pc);
    if (hart->skips || here == NULL) {
        return false;
    }
    /* The second hart to come here leaves its pc where it is, and comes again. */
    if (atomic_load(&debug->stopped)) {
        return true;
    }
    unsigned owners = wanted_by(vcpu, here);
    if (owners == 0) {
        skip_here(vcpu, hart);
        return false;
    }
    if (!atomic_exchange(&debug->stopped, true)) {
        hart->hit = (struct debug_hit){
            .reason = DEBUG_BREAKPOINT, .owners = (u8)owners, .gva = vcpu->pc
        };
    }
    return true;
}

bool debug_stepped(struct vcpu *vcpu, bool retired)
{
    struct debug *debug = &vcpu->engine->debug;
    struct debug_hart *hart = hart_of(vcpu);
    if (!retired) {
        hart->hit = (struct debug_hit){0}; /* a trap: the access did not happen */
    }
    bool in_range = vcpu->pc >= hart->step_first && vcpu->pc <= hart->step_last;
    if (hart->hit.reason == DEBUG_NONE && in_range && retired &&
        break_at(debug, vcpu->pc) == NULL) {
        return false;
    }
    hart->stepping = false;
    hart->records = false;
    if (hart->hit.reason == DEBUG_NONE) {
        hart->hit = (struct debug_hit){.reason = DEBUG_STEPPED, .gva = vcpu->pc};
    }
    atomic_store(&debug->stopped, true);
    return true;
}

/* The load-reserved is a real one now, for its sc: the value must still be what it was then. False
 * when the sc will fail, or fault. */
static bool reserve_again(struct vcpu *vcpu, struct debug_hart *hart)
{
    u64 value = 0;
    hart->conditional = false;
    bool loaded = engine_load_reserved(vcpu, hart->gva, hart->size_bytes, &value);
    hart->hit = (struct debug_hit){0};
    if (loaded && value == hart->expected) {
        return true;
    }
    vcpu->exception_pending = 0;
    engine_reservation_drop(vcpu);
    return false;
}

/* A hart that comes second is refused again when it goes on. */
static void stop_before(struct debug *debug, struct debug_hart *hart)
{
    if (!atomic_exchange(&debug->stopped, true)) {
        hart->hit = hart->refused;
    }
}

bool debug_run_watched(struct vcpu *vcpu)
{
    struct debug *debug = &vcpu->engine->debug;
    struct debug_hart *hart = hart_of(vcpu);
    vcpu->exception_pending = 0;
    if (atomic_load(&debug->stopped)) {
        hart->conditional = false;
        return true; /* not now: the hart stops here and does it later */
    }
    hart->hit = (struct debug_hit){0};
    hart->records = true;
    bool happens = !hart->conditional || reserve_again(vcpu, hart);
    if (debug->stops_before) {
        hart->records = false;
        if (happens) {
            stop_before(debug, hart);
        }
        return true;
    }
    enum ir_exit exit = pipeline_run_once(vcpu, 1);
    hart->records = false;
    if (exit == IR_EXIT_RAISED) {
        hart->hit = (struct debug_hit){0};
        return false;
    }
    if (hart->hit.reason != DEBUG_NONE) {
        atomic_store(&debug->stopped, true);
    }
    return true;
}

/* --- data accesses --- */

bool debug_page_watched(const struct engine *engine, gva_t page, enum debug_access access)
{
    return watch_find(&engine->debug, page, page + (PAGE_BYTES - 1), access) != NULL;
}

bool debug_access(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, enum debug_access access)
{
    struct debug *debug = &vcpu->engine->debug;
    struct debug_hart *hart = hart_of(vcpu);
    gva_t last = gva + size_bytes - 1 >= gva ? gva + size_bytes - 1 : ~(gva_t)0;
    const struct debug_watch *watch = watch_find(debug, gva, last, access);
    bool passes = hart->passes && vcpu->pc == hart->skip_pc && vcpu->insns == hart->skip_insns;
    if (watch == NULL || passes) {
        return true;
    }
    struct debug_hit hit = {.reason = DEBUG_WATCHPOINT, .access = watch->access,
                            .gva = gva > watch->first ? gva : watch->first};
    if (!hart->records) {
        hart->refused = hit;
        return vcpu_raise(vcpu, DEBUG_CAUSE, gva);
    }
    if (hart->hit.reason == DEBUG_NONE) {
        hart->hit = hit;
    }
    return true;
}

void debug_undone(struct vcpu *vcpu)
{
    struct debug_hart *hart = hart_of(vcpu);
    if (hart->records) {
        hart->hit = (struct debug_hit){0};
    }
}

bool debug_swap(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 expected)
{
    if (debug_access(vcpu, gva, size_bytes, DEBUG_WRITE)) {
        return true;
    }
    struct debug_hart *hart = hart_of(vcpu);
    hart->conditional = true;
    hart->gva = gva;
    hart->size_bytes = (u8)size_bytes;
    hart->expected = size_bytes == 8 ? expected : (u32)expected;
    return false;
}

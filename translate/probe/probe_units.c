/* See probe.h: what units there are, which pages are watched, and hooks. */
#include "translate/probe/probe_private.h"

#include <string.h>

/* --- units --- */

struct probe_unit *probe_unit_at(const struct probe *probe, u32 number)
{
    return &probe->units[number / PROBE_UNIT_PAGE][number % PROBE_UNIT_PAGE];
}

const struct probe_unit *probe_unit_get(const struct engine *engine, u32 number)
{
    const struct probe *probe = engine->probe;
    return number < probe_unit_count(engine) ? probe_unit_at(probe, number) : NULL;
}

u32 probe_unit_count(const struct engine *engine)
{
    return engine->probe != NULL
               ? atomic_load_explicit(&engine->probe->unit_count, memory_order_acquire)
               : 0;
}

/* Units near each other have their buckets near each other: blocks are made in about that order. */
static u32 unit_hash(const struct probe_unit *unit)
{
    u64 hash = (unit->gpa >> PAGE_BITS) * 0x9e3779b97f4a7c15u ^
               (unit->gva >> PAGE_BITS) * 0xd6e8feb86659fd93u ^
               unit->mode * 0xa0761d6478bd642fu;
    return ((u32)(hash >> 32) + (u32)(unit->gpa & PAGE_OFFSET_MASK) / 8) % PROBE_UNIT_BUCKETS;
}

static bool unit_equal(const struct probe_unit *x, const struct probe_unit *y)
{
    return x->gpa == y->gpa && x->gva == y->gva && x->mode == y->mode && x->fixed == y->fixed &&
           x->insn_count == y->insn_count && x->bytes == y->bytes &&
           x->slot_count == y->slot_count && memcmp(x->code, y->code, x->bytes) == 0 &&
           (x->slot_count == 0 ||
            memcmp(x->slots, y->slots, x->slot_count * sizeof(*x->slots)) == 0);
}

void probe_unit_expect(const struct probe *probe, const struct probe_unit *unit)
{
    u32 number = probe->unit_buckets[unit_hash(unit)];
    if (number != 0) {
        __builtin_prefetch(probe_unit_at(probe, number));
    }
}

u32 probe_unit_add(struct probe *probe, const struct probe_unit *unit)
{
    u32 bucket = unit_hash(unit);
    for (u32 n = probe->unit_buckets[bucket]; n != 0; n = probe_unit_at(probe, n)->next) {
        if (unit_equal(probe_unit_at(probe, n), unit)) {
            return n;
        }
    }
    u32 number = probe->unit_count;
    if (number >= PROBE_MAX_UNITS) {
        return 0; /* the one that stands for what there was no room for */
    }
    struct probe_unit **page = &probe->units[number / PROBE_UNIT_PAGE];
    if (*page == NULL) {
        *page = probe_page_new(probe);
    }
    struct probe_unit *made = probe_unit_at(probe, number);
    u8 *code = arena_alloc(probe->arena, unit->bytes);
    memcpy(code, unit->code, unit->bytes);
    *made = *unit;
    made->code = code;
    made->slots = NULL;
    if (unit->slot_count != 0) {
        struct probe_slot *slots = arena_alloc(probe->arena, unit->slot_count * sizeof(*slots));
        memcpy(slots, unit->slots, unit->slot_count * sizeof(*slots));
        made->slots = slots;
    }
    made->next = probe->unit_buckets[bucket];
    probe->unit_buckets[bucket] = number;
    atomic_store_explicit(&probe->unit_count, number + 1, memory_order_release);
    return number;
}

/* --- pages: which physical ones are watched, and where hooks are --- */

static bool range_has_page(const struct probe_config *config, gva_t page)
{
    for (unsigned i = 0; i < config->range_count; i++) {
        if (page < config->ranges[i].end && page + PAGE_BYTES > config->ranges[i].first) {
            return true;
        }
    }
    return false;
}

bool probe_address_wanted(const struct probe_config *config, gva_t gva)
{
    bool wanted = config->range_count == 0;
    for (unsigned i = 0; i < config->range_count && !wanted; i++) {
        wanted = gva - config->ranges[i].first < config->ranges[i].end - config->ranges[i].first;
    }
    return wanted;
}

bool probe_source_wanted(const struct probe *probe, const struct probe_source *source,
                         const struct ir_insn *insn)
{
    return !source->fixed || probe_address_wanted(&probe->config, source->gva_page + insn->imm);
}

bool probe_source_hooked(const struct probe *probe, const struct probe_source *source,
                         const struct ir_insn *insn)
{
    return probe->hook_count != 0 &&
           probe_hook_at(probe, source->gpa_page | (insn->imm & PAGE_OFFSET_MASK));
}

bool probe_range_edge(const struct probe_config *config, gva_t gva)
{
    for (unsigned i = 0; i < config->range_count; i++) {
        if (gva == config->ranges[i].first || gva == config->ranges[i].end) {
            return true;
        }
    }
    return false;
}

static struct probe_page *page_find(const struct probe *probe, gpa_t gpa_page)
{
    struct probe_page *page = probe->pages[(gpa_page >> PAGE_BITS) % PROBE_PAGE_BUCKETS];
    while (page != NULL && page->gpa_page != gpa_page) {
        page = page->next;
    }
    return page;
}

static struct probe_page *page_get(struct probe *probe, gpa_t gpa_page)
{
    struct probe_page *page = page_find(probe, gpa_page);
    if (page == NULL) {
        struct probe_page **bucket = &probe->pages[(gpa_page >> PAGE_BITS) % PROBE_PAGE_BUCKETS];
        page = arena_alloc(probe->arena, sizeof(*page));
        *page = (struct probe_page){.gpa_page = gpa_page, .next = *bucket};
        *bucket = page;
    }
    return page;
}

bool probe_page_wanted(const struct probe *probe, gpa_t gpa_page)
{
    if (probe->config.range_count == 0) {
        return true;
    }
    const struct probe_page *page = page_find(probe, gpa_page);
    return page != NULL && page->watched;
}

bool probe_page_has_hooks(const struct probe *probe, gpa_t gpa_page)
{
    const struct probe_page *page = probe->hook_count == 0 ? NULL : page_find(probe, gpa_page);
    return page != NULL && page->has_hooks;
}

bool probe_hook_at(const struct probe *probe, gpa_t gpa)
{
    const struct probe_page *page = page_find(probe, gpa & PAGE_MASK);
    unsigned bit = (unsigned)(gpa & PAGE_OFFSET_MASK) / 2;
    return page != NULL && page->has_hooks && (page->hooks[bit / 32] >> bit % 32 & 1);
}

/* Index of the first hook at or after gva. */
static unsigned hook_index(const struct probe *probe, gva_t gva)
{
    unsigned low = 0, high = probe->hook_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (probe->hooks[middle].gva < gva) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Lock held. True when the page has something it had not before: its blocks must go. */
static bool page_mark(struct probe *probe, gpa_t gpa_page, gva_t gva_page)
{
    bool changed = false;
    if (range_has_page(&probe->config, gva_page)) {
        struct probe_page *page = page_get(probe, gpa_page);
        changed = !page->watched;
        page->watched = true;
    }
    for (unsigned i = hook_index(probe, gva_page);
         i < probe->hook_count && probe->hooks[i].gva < gva_page + PAGE_BYTES; i++) {
        struct probe_page *page = page_get(probe, gpa_page);
        unsigned bit = (unsigned)(probe->hooks[i].gva & PAGE_OFFSET_MASK) / 2;
        changed |= !(page->hooks[bit / 32] >> bit % 32 & 1);
        page->hooks[bit / 32] |= 1u << bit % 32;
        page->has_hooks = true;
    }
    return changed;
}

bool probe_hears_pages(const struct probe *probe)
{
    return UNLIKELY(probe != NULL) && (probe->config.range_count != 0 || probe->hook_count != 0);
}

void probe_page_fetched(struct vcpu *vcpu, gpa_t gpa_page)
{
    struct engine *engine = vcpu->engine;
    struct probe *probe = engine->probe;
    if (!probe_hears_pages(probe)) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    bool changed = page_mark(probe, gpa_page, vcpu->pc & PAGE_MASK);
    u64 removals = engine->blocks.removals;
    if (changed) {
        block_page_remove(&engine->blocks, gpa_page);
    }
    changed = changed && engine->blocks.removals != removals;
    pthread_mutex_unlock(&engine->lock);
    if (changed) {
        engine_kick_all(engine, VCPU_REQUEST_FLUSH_JUMPS);
    }
}

/* --- hooks --- */

/* Lock held. */
static bool hook_insert(struct probe *probe, gva_t gva, probe_hook_fn *fn, void *opaque)
{
    unsigned at = hook_index(probe, gva);
    for (unsigned i = at; i < probe->hook_count && probe->hooks[i].gva == gva; i++) {
        if (probe->hooks[i].fn == fn && probe->hooks[i].opaque == opaque) {
            return false;
        }
    }
    if (probe->hook_count == PROBE_MAX_HOOKS) {
        return false;
    }
    memmove(&probe->hooks[at + 1], &probe->hooks[at],
            (probe->hook_count - at) * sizeof(probe->hooks[0]));
    probe->hooks[at] = (struct probe_hook){gva, fn, opaque};
    probe->hook_count++;
    return true;
}

bool probe_hook_add(struct engine *engine, struct vcpu *vcpu, gva_t gva, probe_hook_fn *fn,
                    void *opaque)
{
    struct probe *probe = engine->probe;
    pthread_mutex_lock(&engine->lock);
    bool added = hook_insert(probe, gva, fn, opaque);
    pthread_mutex_unlock(&engine->lock);
    if (!added) {
        return false;
    }
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        if (vcpu == NULL) {
            tlb_flush_jumps(engine->vcpus[i]);
        } else {
            vcpu_kick(engine->vcpus[i], VCPU_REQUEST_HOOKS);
        }
    }
    return true;
}

const struct helper probe_hook_helper = {
    .name = "hooks", .fn = (u64(*)(void))(void *)probe_run_hooks, .arg_count = 0,
    .has_result = false,
    .flags = HELPER_READS_STATE | HELPER_NEEDS_PC | HELPER_MAY_RAISE | HELPER_MEMORY,
};

u64 probe_run_hooks(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    struct probe *probe = engine->probe;
    struct probe_stream *stream = probe_stream_of(vcpu);
    if (stream->hooked_pc == vcpu->pc && stream->hooked_insns == vcpu->insns) {
        stream->hooked_pc = 1; /* once is enough: the mode was changed in between */
        return 0;
    }
    bool on = atomic_load(&stream->on), wanted = stream->wanted;
    struct probe_hook hooks[8];
    unsigned count = 0;
    pthread_mutex_lock(&engine->lock);
    for (unsigned i = hook_index(probe, vcpu->pc);
         i < probe->hook_count && probe->hooks[i].gva == vcpu->pc && count < ARRAY_LEN(hooks);
         i++) {
        hooks[count++] = probe->hooks[i];
    }
    pthread_mutex_unlock(&engine->lock);
    for (unsigned i = 0; i < count; i++) {
        hooks[i].fn(hooks[i].opaque, vcpu, vcpu->pc);
    }
    if (atomic_load(&stream->on) != on || stream->wanted != wanted) {
        stream->hooked_pc = vcpu->pc;
        stream->hooked_insns = vcpu->insns;
        vcpu_raise(vcpu, PROBE_CAUSE, 0);
    }
    return 0;
}

bool probe_tells_registers(const struct probe *probe, u32 mode)
{
    return UNLIKELY(probe != NULL) && (mode & VCPU_MODE_PROBE) &&
           (probe->config.what & PROBE_REGISTERS) != 0;
}

unsigned probe_marks(const struct probe *probe, u32 mode)
{
    if (LIKELY(probe == NULL) || !(mode & VCPU_MODE_PROBE)) {
        return IR_MARKS_NONE;
    }
    const struct probe_config *config = &probe->config;
    unsigned what = config->what & ~(unsigned)PROBE_EXACT;
    bool few = probe->hook_count == 0 && config->range_count == 0 && !config->has_gaps;
    if (what == PROBE_COUNT && few) {
        return IR_MARKS_UNITS;
    }
    if (what != PROBE_BLOCKS && what != PROBE_EDGES) {
        return IR_MARKS_NONE;
    }
    return few ? IR_MARKS_FEW : IR_MARKS_ALL;
}

bool probe_tells_accesses(const struct probe *probe)
{
    enum { INSIDE = PROBE_BLOCKS | PROBE_EDGES | PROBE_EXACT };
    return UNLIKELY(probe != NULL) && ((probe->config.what & ~(unsigned)INSIDE) != 0 ||
                                       (probe->config.events >> VCPU_EVENT_TLB_FILL & 1));
}

bool probe_spans_pages(const struct probe *probe)
{
    return probe == NULL || (probe->config.what == PROBE_EDGES && probe->config.range_count == 0 &&
                             probe->hook_count == 0);
}

bool probe_calls_c(const struct probe *probe)
{
    return (probe->config.what & PROBE_CALLS) != 0;
}

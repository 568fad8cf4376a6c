/* What translated code asks when the jump cache does not know a pc, or a link to another page is
 * not proved: mostly the code is there, and only the address space is new. Then it goes on without
 * leaving for the run loop. Takes no lock. */
#include "translate/engine.h"

#include "cpu/base/zeros.h"
#include "translate/engine_private.h"
#include "translate/probe/probe.h"

#include <string.h>

enum {
    FOUND_BYTES = FOUND_ENTRIES * sizeof(struct found_entry),
    PAGES_BYTES = FOUND_ENTRIES * sizeof(gva_t),
    BOTH_BYTES = ZEROS_HUGE_BYTES,
};

_Static_assert((int)FOUND_BYTES + (int)PAGES_BYTES <= (int)BOTH_BYTES, "one huge page");

/* --- found.h --- */

bool found_init(struct found *found)
{
    found->entries = zeros_new_growing(BOTH_BYTES);
    found->pages = (void *)((u8 *)found->entries + FOUND_BYTES);
    return found->entries != NULL;
}

void found_fini(struct found *found)
{
    zeros_free(found->entries, BOTH_BYTES);
}

void found_put(struct found *found, gpa_t gpa, u32 mode, gva_t gva_page, u32 code_offset)
{
    struct found_entry *entry = found_at(found, gpa);
    if (UNLIKELY(found->puts < FOUND_ASK_PUTS) && ++found->puts == FOUND_ASK_PUTS &&
        zeros_ask_huge(found->entries, BOTH_BYTES, 0) == 0) {
        zeros_ask(found->entries, FOUND_BYTES);
    }
    *entry = (struct found_entry){gpa, mode, code_offset};
    if (UNLIKELY(mode & VCPU_MODE_PROBE)) {
        found->pages[entry - found->entries] = gva_page;
    }
    found->used = true;
}

void found_forget(struct found *found, gpa_t gpa, u32 code_offset)
{
    struct found_entry *entry = found->used ? found_at(found, gpa) : NULL;
    if (entry != NULL && entry->gpa == gpa && entry->code_offset == code_offset) {
        entry->code_offset = 0;
    }
}

void found_clear(struct found *found)
{
    if (found->used) {
        memset(found->entries, 0, FOUND_BYTES);
        found->used = false;
    }
}

/* --- misses --- */

/* Nobody wants to hear of each page that code comes from, of this one, or of each block that is
 * entered. */
static bool may_go_on(const struct vcpu *vcpu)
{
    const struct engine *engine = vcpu->engine;
    return !probe_hears_pages(engine->probe) &&
           (LIKELY(engine->debug.break_count == 0) || !debug_page_has_break(engine, vcpu->pc)) &&
           engine->options.kind == ENGINE_JIT && !engine->options.no_links;
}

/* The code for vcpu->pc, whose physical address is known; NULL: there is none yet. */
static const u8 *find_code(struct vcpu *vcpu, const struct fetched *fetched)
{
    const struct engine *engine = vcpu->engine;
    struct found *found = &vcpu->engine->found[vcpu->index];
    gva_t gva_page = fetched->gva_page;
    if (!block_may_begin(&engine->blocks, fetched->gpa)) {
        return NULL;
    }
    u32 code_offset = found_get(found, fetched->gpa, vcpu->mode, gva_page);
    if (UNLIKELY(code_offset == 0)) {
        const struct block *block = block_find_at(&engine->blocks, fetched->gpa, vcpu->mode,
                                                  BLOCK_NO_PAGE, gva_page);
        if (block == NULL) {
            return NULL;
        }
        code_offset = (u32)(block->host - engine->code.exec);
        found_put(found, fetched->gpa, vcpu->mode, gva_page, code_offset);
    }
    return engine->code.exec + code_offset;
}

/* Goes to vcpu->pc as an indirect jump does. */
static const u8 *go_on(struct vcpu *vcpu, const struct fetched *fetched)
{
    const u8 *code = find_code(vcpu, fetched);
    if (code != NULL) {
        tlb_jump_insert(vcpu, vcpu->pc, code);
        vcpu->pc_page = vcpu->pc & PAGE_MASK;
    }
    return code;
}

const void *engine_jump_missed(struct vcpu *vcpu)
{
    struct fetched fetched;
    if (!may_go_on(vcpu) || !pipeline_fetch_plain(vcpu, &fetched)) {
        return NULL;
    }
    const u8 *code = go_on(vcpu, &fetched);
    vcpu->engine->found[vcpu->index].jumps += code != NULL;
    return code;
}

/* Whether the link leads to what was fetched. The block there is looked at only for its virtual
 * page, where blocks have one: it would be in none of the host's caches. A link has the mode of the
 * block it is in. */
static bool leads_there(const struct engine *engine, const struct link *link,
                        const struct block *to, const struct fetched *fetched)
{
    return LIKELY(link->to_gpa == fetched->gpa && link->to_second_page == BLOCK_NO_PAGE) &&
           (LIKELY(engine->probe == NULL) || to->gva_page == fetched->gva_page);
}

/* The way on is by the link's own jump, which was patched. */
const void *engine_link_missed(struct vcpu *vcpu, u32 number)
{
    struct engine *engine = vcpu->engine;
    const struct link *link = &engine->blocks.links[number];
    const struct block *to = atomic_load_explicit(&link->to, memory_order_acquire);
    struct fetched fetched;
    if (!may_go_on(vcpu) || !link->cross_page || to == NULL ||
        !pipeline_fetch_plain(vcpu, &fetched)) {
        return NULL;
    }
    const u8 *code;
    if (leads_there(engine, link, to, &fetched)) {
        pipeline_prove_link(vcpu, number);
        code = engine->code.exec + link->jump_offset;
    } else { /* another page follows here than where it was linked */
        code = go_on(vcpu, &fetched);
    }
    engine->found[vcpu->index].links += code != NULL;
    return code;
}

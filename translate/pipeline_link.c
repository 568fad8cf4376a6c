/* Direct jumps between blocks: patched when they are first taken, and, where they leave their page,
 * proved by each hart for each of its address spaces (vcpu_link_proof). */
#include "translate/engine.h"

#include "cpu/base/zeros.h"
#include "translate/engine_private.h"
#include "translate/probe/probe.h"

u32 pipeline_alloc_link(void *engine)
{
    return block_link_alloc(&((struct engine *)engine)->blocks);
}

void pipeline_record_links(struct engine *engine, struct block *block,
                           const struct host_exit *exits, unsigned count)
{
    u32 code_offset = (u32)engine->code.used_bytes; /* exits count from the block's first byte */
    block->first_link = count > 0 ? exits[0].id : 0;
    block->link_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct link *link = &engine->blocks.links[exits[i].id];
        link->from = block;
        link->target_offset = exits[i].target_offset;
        link->patch_offset = code_offset + exits[i].patch_offset;
        link->jump_offset = code_offset + exits[i].jump_offset;
        link->stub_offset = (u32)(code_offset + exits[i].unlinked_offset);
        link->cross_page = exits[i].cross_page;
        if (exits[i].passed) { /* nobody proves it: it leads to that page alone */
            link->to_gpa = trace_page(block, link->target_offset) |
                           ((u64)link->target_offset & PAGE_OFFSET_MASK);
            link->to_second_page = BLOCK_NO_PAGE;
        }
    }
}

static void prove(struct vcpu *vcpu, u32 number, gva_t from_page)
{
    vcpu->link_proofs[number] = vcpu_link_proof(vcpu, from_page);
    if (number >= vcpu->proved_links) {
        vcpu->proved_links = number + 1;
        zeros_ahead(vcpu->link_proofs, sizeof(u64) * BLOCK_MAX_LINKS, sizeof(u64) * number,
                    &vcpu->tlb_state->proofs_asked_bytes);
    }
}

void pipeline_prove_link(struct vcpu *vcpu, u32 number)
{
    const struct link *link = &vcpu->engine->blocks.links[number];
    prove(vcpu, number, vcpu->pc - (u64)link->target_offset);
}

struct block *pipeline_prove_again(struct vcpu *vcpu, u32 number)
{
    const struct engine *engine = vcpu->engine;
    const struct link *link = &engine->blocks.links[number];
    gpa_t page, second_page = BLOCK_NO_PAGE;
    gva_t gva_page = 0;
    if (!link->cross_page || block_is_guard(link) || debug_page_has_break(engine, vcpu->pc) ||
        !tlb_fetch_find(vcpu, vcpu->pc & PAGE_MASK, &page)) {
        return NULL;
    }
    if (UNLIKELY(engine->probe != NULL)) {
        probe_page_fetched(vcpu, page);
        gva_page = probe_page_key(vcpu);
    }
    struct block *to = atomic_load_explicit(&link->to, memory_order_acquire);
    if (to == NULL || to->gpa != (page | (vcpu->pc & PAGE_OFFSET_MASK)) ||
        to->mode != vcpu->mode || to->gva_page != gva_page ||
        (to->second_page != BLOCK_NO_PAGE &&
         !tlb_fetch_find(vcpu, (vcpu->pc & PAGE_MASK) + PAGE_BYTES, &second_page)) ||
        to->second_page != second_page) {
        return NULL;
    }
    pipeline_prove_link(vcpu, number);
    return to;
}

/* The guard's page, from that of the trace's first instruction. */
static s64 guard_page(const struct link *guard)
{
    return guard->target_offset & ~(s64)PAGE_OFFSET_MASK;
}

/* Whether `page` is mapped where the guard's trace found it. The hart may not come there, so this
 * leaves no mark in its page tables: a page that was not used yet is not looked up as for use. */
static bool is_there(struct vcpu *vcpu, const struct link *guard, gva_t page)
{
    struct guest_mapping mapping;
    struct fetched fetched;
    gpa_t known;
    gva_t pc = vcpu->pc;
    if (!tlb_fetch_find(vcpu, page, &known) && vcpu->guest->map_debug(vcpu, page, &mapping) &&
        !mapping.accessed) {
        return false;
    }
    vcpu->pc = page;
    bool there = pipeline_fetch_plain(vcpu, &fetched) && fetched.gpa == guard->to_gpa &&
                 (LIKELY(vcpu->engine->debug.break_count == 0) ||
                  debug_page_is_known(vcpu, guard->to_gpa));
    vcpu->pc = pc;
    return there;
}

/* The guard of that list for the page that the hart is in; NULL: none. */
static const struct link *guard_here(struct vcpu *vcpu, u32 number)
{
    const struct link *links = vcpu->engine->blocks.links;
    struct fetched fetched;
    if (!pipeline_fetch_plain(vcpu, &fetched)) {
        return NULL;
    }
    while (number != 0 && links[number].to_gpa != (fetched.gpa & PAGE_MASK)) {
        number = links[number].next_incoming;
    }
    return number != 0 ? &links[number] : NULL;
}

void pipeline_prove_guard(struct vcpu *vcpu, u32 number)
{
    const struct block_table *blocks = &vcpu->engine->blocks;
    if (number >= blocks->link_count || LIKELY(!block_is_guard(&blocks->links[number]))) {
        return;
    }
    const struct link *here = guard_here(vcpu, number);
    if (here == NULL) {
        return;
    }
    gva_t first_page = (vcpu->pc & PAGE_MASK) - (u64)guard_page(here);
    for (u32 n = number; n != 0; n = blocks->links[n].next_incoming) {
        const struct link *guard = &blocks->links[n];
        if (!is_there(vcpu, guard, first_page + (u64)guard_page(guard))) {
            return;
        }
    }
    prove(vcpu, number, first_page);
}

void pipeline_link(struct vcpu *vcpu, u32 number, struct block *to)
{
    struct engine *engine = vcpu->engine;
    if (engine->options.no_links) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    struct link *link = &engine->blocks.links[number];
    /* A straddling target's second page is not implied by this page: only a guarded link may go
     * there, and the host guards those that lead to a page's last two bytes. */
    bool allowed = number < engine->blocks.link_count && link->from != NULL &&
                   (link->cross_page || to->second_page == BLOCK_NO_PAGE);
    if (allowed && block_link(&engine->blocks, number, to) && link->cross_page) {
        pipeline_prove_link(vcpu, number);
    }
    pthread_mutex_unlock(&engine->lock);
}

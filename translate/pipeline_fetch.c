/* Where the code at vcpu->pc lies: in one page or, with its end, in two. */
#include "cpu/guest.h"
#include "translate/engine.h"
#include "translate/engine_private.h"
#include "translate/probe/probe.h"

/* The physical page behind a virtual one for fetching. Sets *uniform false when physical
 * protection differs inside the page: nothing about it may be cached then. */
static bool fetch_page(struct vcpu *vcpu, gva_t gva, gpa_t *page, bool *uniform)
{
    if (tlb_fetch_find(vcpu, gva & PAGE_MASK, page)) {
        return true;
    }
    struct guest_translation found = { 0 };
    if (!vcpu->guest->translate(vcpu, gva, 2, VCPU_FETCH, &found)) {
        return false;
    }
    *page = found.gpa & PAGE_MASK;
    if (memory_host(vcpu->memory, *page, PAGE_BYTES) == NULL) {
        vcpu->guest->raise_access_fault(vcpu, gva, VCPU_FETCH);
        return false;
    }
    if (found.page_uniform) {
        tlb_fetch_insert(vcpu, gva & PAGE_MASK, *page, found.span_bytes, found.global);
    } else {
        *uniform = false;
    }
    return true;
}

/* The same of the page behind, which nothing is fetched from yet: none is no exception. */
static gpa_t next_page(struct vcpu *vcpu, gva_t gva)
{
    gpa_t page;
    bool uniform = true, there = fetch_page(vcpu, gva, &page, &uniform);
    if (!there) {
        vcpu->exception_pending = 0;
    }
    return there && uniform ? page : BLOCK_NO_PAGE;
}

/* Whether the instruction there is to be one block with some that may lie in the next page. */
static bool looks_ahead(const struct engine *engine, u32 offset, const u8 *bytes)
{
    return offset > PAGE_BYTES - FRONT_SIGHT_BYTES && engine_pairs_over_pages(engine) &&
           engine->front->wants_next_page != NULL &&
           engine->front->wants_next_page(bytes, (unsigned)PAGE_BYTES - offset);
}

/* True when the instruction at the last two bytes of a page is longer than they are. */
static bool straddles(const struct engine *engine, u32 offset, const u8 *bytes)
{
    return offset == PAGE_BYTES - 2 && engine->front->insn_bytes(bytes) > 2;
}

bool pipeline_fetch(struct vcpu *vcpu, struct fetched *fetched)
{
    gva_t pc = vcpu->pc;
    gpa_t page;
    fetched->uniform = true;
    fetched->second_page = BLOCK_NO_PAGE;
    fetched->gva_page = UNLIKELY(vcpu->engine->probe != NULL) ? probe_page_key(vcpu) : 0;
    if (!fetch_page(vcpu, pc, &page, &fetched->uniform)) {
        return false;
    }
    fetched->gpa = page | (pc & PAGE_OFFSET_MASK);
    const u8 *bytes = memory_host(vcpu->memory, fetched->gpa, 2);
    if (bytes == NULL) {
        vcpu->guest->raise_access_fault(vcpu, pc, VCPU_FETCH);
        return false;
    }
    u32 offset = (u32)(pc & PAGE_OFFSET_MASK);
    if (straddles(vcpu->engine, offset, bytes)) {
        return fetch_page(vcpu, pc + 2, &fetched->second_page, &fetched->uniform);
    }
    if (UNLIKELY(looks_ahead(vcpu->engine, offset, bytes))) {
        fetched->second_page = next_page(vcpu, (pc & PAGE_MASK) + PAGE_BYTES);
    }
    return true;
}

/* What translated code asks when the jump cache does not know a pc, or a link to another page is
 * not proved: mostly the code is there, and only the address space is new. Then it goes on without
 * leaving for the run loop. Takes no lock. */
#include "translate/engine.h"

#include "cpu/base/zeros.h"
#include "translate/engine_private.h"

#include <string.h>

enum { FOUND_BYTES = FOUND_ENTRIES * sizeof(struct found_entry) };

/* --- found.h --- */

bool found_init(struct found *found)
{
    found->entries = zeros_new(FOUND_BYTES);
    return found->entries != NULL;
}

void found_fini(struct found *found)
{
    zeros_free(found->entries, FOUND_BYTES);
}

void found_put(struct found *found, gpa_t gpa, u32 mode, u32 code_offset)
{
    *found_at(found, gpa) = (struct found_entry){gpa, mode, code_offset};
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
    return engine->probe == NULL &&
           (LIKELY(engine->debug.break_count == 0) || !debug_page_has_break(engine, vcpu->pc)) &&
           engine->options.kind == ENGINE_JIT && !engine->options.no_links;
}

/* The code for vcpu->pc, whose physical address is known; NULL: there is none yet. */
static const u8 *find_code(struct vcpu *vcpu, gpa_t gpa)
{
    const struct engine *engine = vcpu->engine;
    struct found *found = &vcpu->engine->found[vcpu->index];
    u32 code_offset = found_get(found, gpa, vcpu->mode);
    if (UNLIKELY(code_offset == 0)) {
        const struct block *block = block_find(&engine->blocks, gpa, vcpu->mode, BLOCK_NO_PAGE);
        if (block == NULL) {
            return NULL;
        }
        code_offset = (u32)(block->host - engine->code.exec);
        found_put(found, gpa, vcpu->mode, code_offset);
    }
    return engine->code.exec + code_offset;
}

/* Goes to vcpu->pc as an indirect jump does. */
static const u8 *go_on(struct vcpu *vcpu, gpa_t gpa)
{
    const u8 *code = find_code(vcpu, gpa);
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
    const u8 *code = go_on(vcpu, fetched.gpa);
    vcpu->engine->found[vcpu->index].jumps += code != NULL;
    return code;
}

/* The way on is by the link's own jump, which was patched: the block that it leads to is not looked
 * at, since it would be in none of the host's caches. A link has the mode of the block it is in. */
const void *engine_link_missed(struct vcpu *vcpu, u32 number)
{
    struct engine *engine = vcpu->engine;
    const struct link *link = &engine->blocks.links[number];
    struct fetched fetched;
    if (!may_go_on(vcpu) || !link->cross_page ||
        atomic_load_explicit(&link->to, memory_order_acquire) == NULL ||
        !pipeline_fetch_plain(vcpu, &fetched)) {
        return NULL;
    }
    const u8 *code;
    if (LIKELY(link->to_gpa == fetched.gpa && link->to_second_page == BLOCK_NO_PAGE)) {
        pipeline_prove_link(vcpu, number);
        code = engine->code.exec + link->jump_offset;
    } else { /* another page follows here than where it was linked */
        code = go_on(vcpu, fetched.gpa);
    }
    engine->found[vcpu->index].links += code != NULL;
    return code;
}

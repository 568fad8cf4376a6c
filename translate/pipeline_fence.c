/* What a hart gives up when code changes: its ways to blocks that went, and, at its fence.i, the
 * blocks whose guest bytes are no longer what they were made from. */
#include "cpu/tlb.h"
#include "translate/engine.h"
#include "translate/engine_private.h"

/* Lock held. Links to a removed block were cut when it went; their proofs hold for the next block
 * at the same place. */
static void forget_removed(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    const struct block_table *blocks = &engine->blocks;
    struct found *found = &engine->found[vcpu->index];
    u64 n = vcpu->seen_removals;
    if (blocks->removals - n > BLOCK_REMOVED_LOG) {
        tlb_flush_jumps(vcpu);
        found_clear(found);
        n = blocks->removals;
    }
    for (; n < blocks->removals; n++) {
        unsigned at = n % BLOCK_REMOVED_LOG;
        gpa_t gpa = blocks->removed[at].gpa;
        const u8 *host = blocks->removed[at].host;
        tlb_flush_jump(vcpu, (u32)(gpa & PAGE_OFFSET_MASK), host);
        found_forget(found, gpa, (u32)(host - engine->code.exec));
    }
    vcpu->seen_removals = n;
}

void pipeline_forget_removed(struct vcpu *vcpu)
{
    pthread_mutex_lock(&vcpu->engine->lock);
    forget_removed(vcpu);
    pthread_mutex_unlock(&vcpu->engine->lock);
}

void pipeline_code_fence(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    /* Cleaning pages costs about as much as so many comparisons. */
    enum { MAX_COMPARED_PAGES = 32, MAX_VAIN_COMPARISONS = 1000 };
    /* A store that this fence is to see made its page dirty first. */
    if (atomic_load_explicit(&engine->blocks.dirty_count, memory_order_acquire) == 0 &&
        atomic_load_explicit(&engine->blocks.removals, memory_order_acquire) ==
            vcpu->seen_removals) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    block_fence(&engine->blocks);
    forget_removed(vcpu);
    bool many = engine->blocks.dirty_count > MAX_COMPARED_PAGES ||
                engine->blocks.compared_in_vain > MAX_VAIN_COMPARISONS;
    pthread_mutex_unlock(&engine->lock);
    if (many) {
        engine_exclusive_begin(engine, vcpu);
        pthread_mutex_lock(&engine->lock);
        block_fence(&engine->blocks);
        block_pages_clean(&engine->blocks);
        for (unsigned i = 0; i < engine->vcpu_count; i++) {
            tlb_flush_writes(engine->vcpus[i]);
        }
        forget_removed(vcpu);
        pthread_mutex_unlock(&engine->lock);
        engine_exclusive_end(engine, vcpu);
    }
}

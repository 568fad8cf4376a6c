/* Tier 0: code that is new runs from its bytes, by the front end, before it is translated. */
#include "cpu/memory.h"
#include "translate/engine_private.h"

/* Code runs so often from its bytes. About a quarter of what a boot or a compiler runs never runs
 * again, and a run costs a twentieth of a translation. */
enum { DIRECT_RUNS = 2 };

bool pipeline_may_run_direct(const struct engine *engine)
{
    const struct engine_options *options = &engine->options;
    return options->kind == ENGINE_JIT && !options->no_tier0 && !options->no_links &&
           options->block_insns > 1 && engine->commit_log == NULL && engine->probe == NULL &&
           engine->debug.break_count == 0 && engine->debug.bare_count == 0 &&
           engine->front->run_direct != NULL;
}

bool pipeline_is_new(struct engine *engine, const struct fetched *fetched)
{
    if (fetched->second_page != BLOCK_NO_PAGE) {
        return false;
    }
    return block_note_run(&engine->blocks, fetched->gpa) < DIRECT_RUNS ||
           engine->options.eager_tier0;
}

bool pipeline_run_direct(struct vcpu *vcpu, const struct fetched *fetched, enum ir_exit *exit)
{
    struct engine *engine = vcpu->engine;
    unsigned max_insns = ENGINE_DEFAULT_BLOCK_INSNS;
    if (vcpu->mode & VCPU_MODE_COUNT) {
        u64 deadline = atomic_load_explicit(&vcpu->deadline, memory_order_acquire);
        if (deadline <= vcpu->insns) {
            *exit = IR_EXIT_POLL;
            return true;
        }
        u64 left = deadline - vcpu->insns;
        max_insns = left < max_insns ? (unsigned)left : max_insns;
    }
    unsigned left_bytes = (unsigned)(PAGE_BYTES - (fetched->gpa & PAGE_OFFSET_MASK));
    const u8 *code = memory_host_any_mode(engine->memory, fetched->gpa, left_bytes);
    vcpu->pc_page = vcpu->pc & PAGE_MASK;
    if (!engine->front->run_direct(vcpu, code, left_bytes, max_insns, exit)) {
        return false;
    }
    engine->direct_runs[vcpu->index]++;
    return true;
}

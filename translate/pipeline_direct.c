/* Tier 0: code that is new runs from its bytes, by the front end, before it is translated. */
#include "cpu/memory.h"
#include "translate/engine_private.h"
#include "translate/probe_direct.h"
#include "translate/softmmu.h"

#include <string.h>

/* Code runs so often from its bytes. About a quarter of what a boot or a compiler runs never runs
 * again, and a run costs a twentieth of a translation. */
enum { DIRECT_RUNS = 2 };

bool pipeline_may_run_direct(const struct engine *engine)
{
    const struct engine_options *options = &engine->options;
    return options->kind == ENGINE_JIT && !options->no_tier0 && !options->no_links &&
           options->block_insns > 1 && engine->commit_log == NULL &&
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

enum ir_exit pipeline_run_piece(struct vcpu *vcpu, enum ir_exit exit)
{
    if (LIKELY(exit != IR_EXIT_RAISED || vcpu->exception_cause != PIECES_CAUSE)) {
        return exit;
    }
    vcpu->exception_pending = 0;
    vcpu->exit_request = 0;
    return pipeline_run_once(vcpu, 1);
}

/* Runs it where there are probes. */
static bool run_probed(struct vcpu *vcpu, const struct fetched *fetched, const u8 *code,
                       unsigned code_bytes, unsigned max_insns, enum ir_exit *exit)
{
    struct engine *engine = vcpu->engine;
    struct probe_direct direct;
    u8 copy[PROBE_DIRECT_BYTES]; /* what is told is what runs, though another hart may be writing */
    unsigned copied_bytes = code_bytes < sizeof(copy) ? code_bytes : (unsigned)sizeof(copy);
    memcpy(copy, code, copied_bytes);
    switch (probe_direct_start(&direct, vcpu, fetched->gpa, fetched->gva_page != 0, copy)) {
    case PROBE_DIRECT_UNSEEN:
        return engine->front->run_direct(vcpu, copy, copied_bytes, max_insns, NULL, exit);
    case PROBE_DIRECT_RECORDS:
        return engine->front->run_direct(vcpu, copy, copied_bytes, max_insns, &direct, exit);
    default: return false;
    }
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
    bool ran = LIKELY(engine->probe == NULL)
                   ? engine->front->run_direct(vcpu, code, left_bytes, max_insns, NULL, exit)
                   : run_probed(vcpu, fetched, code, left_bytes, max_insns, exit);
    if (!ran) {
        return false;
    }
    engine->direct_runs[vcpu->index]++;
    return true;
}

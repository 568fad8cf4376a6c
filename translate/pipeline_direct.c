/* Tier 0: code that is new runs from its bytes, by the front end, before it is translated. */
#include "cpu/memory.h"
#include "translate/engine_private.h"
#include "translate/probe/probe_direct.h"
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
           engine->front->run_direct != NULL;
}

/* False when there is no room to keep anything of a page. */
static bool begin_page(struct engine *engine, gpa_t page)
{
    pthread_mutex_lock(&engine->lock);
    bool room = !pipeline_is_full(engine);
    if (room) {
        block_page_begin(&engine->blocks, page);
    }
    pthread_mutex_unlock(&engine->lock);
    return room;
}

bool pipeline_is_new(struct engine *engine, const struct fetched *fetched)
{
    if (fetched->second_page != BLOCK_NO_PAGE) {
        return false;
    }
    unsigned runs = block_note_run(&engine->blocks, fetched->gpa);
    if (runs == BLOCK_RUNS_UNKNOWN) {
        if (!begin_page(engine, fetched->gpa & PAGE_MASK)) {
            return false;
        }
        runs = block_note_run(&engine->blocks, fetched->gpa);
    }
    return runs < DIRECT_RUNS || engine->options.eager_tier0;
}

enum ir_exit pipeline_run_alone(struct vcpu *vcpu)
{
    vcpu->exception_pending = 0;
    vcpu->exit_request = 0;
    return pipeline_run_once(vcpu, 1);
}

enum ir_exit pipeline_run_piece(struct vcpu *vcpu, enum ir_exit exit)
{
    if (LIKELY(exit != IR_EXIT_RAISED || vcpu->exception_cause != PIECES_CAUSE)) {
        return exit;
    }
    return pipeline_run_alone(vcpu);
}

/* Runs it where there are probes. */
static bool run_probed(struct vcpu *vcpu, const struct fetched *fetched, struct front_piece *front)
{
    struct engine *engine = vcpu->engine;
    struct probe_direct direct;
    if (front->code_bytes > sizeof(direct.copy)) {
        front->code_bytes = sizeof(direct.copy);
    }
    switch (probe_direct_start(&direct, vcpu, fetched->gpa, fetched->gva_page != 0, front->code,
                               front->code_bytes)) {
    case PROBE_DIRECT_UNSEEN: break;
    case PROBE_DIRECT_RECORDS:
        front->direct = &direct;
        front->code = direct.later ? front->code : direct.copy;
        break;
    default: return false;
    }
    return engine->front->run_direct(vcpu, front);
}

/* The piece's bytes, which end before the next breakpoint, as a block's do. */
static void piece_take(struct engine *engine, gpa_t gpa, struct front_piece *front)
{
    front->code_bytes = (unsigned)(PAGE_BYTES - (gpa & PAGE_OFFSET_MASK));
    front->code = memory_host_any_mode(engine->memory, gpa, front->code_bytes);
    if (UNLIKELY(engine->debug.break_count != 0)) {
        pthread_mutex_lock(&engine->lock);
        front->code_bytes = debug_cut(engine, gpa, front->code_bytes, 2);
        pthread_mutex_unlock(&engine->lock);
    }
}

/* What lies behind a branch that was not taken ran, too. */
static void note_passed(struct engine *engine, gpa_t gpa, const struct front_piece *front)
{
    for (unsigned word = 0; word < FRONT_PASSED_WORDS; word++) {
        for (u64 left = front->passed[word]; left != 0; left &= left - 1) {
            block_note_run(&engine->blocks, gpa + 128 * word + 2 * (u64)__builtin_ctzll(left));
        }
    }
}

_Static_assert(FRONT_PASSED_WORDS == 2, "pipeline_run_direct looks at both");

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
    struct front_piece front = {.max_insns = max_insns};
    piece_take(engine, fetched->gpa, &front);
    vcpu->pc_page = vcpu->pc & PAGE_MASK;
    bool ran = LIKELY(engine->probe == NULL) ? engine->front->run_direct(vcpu, &front)
                                             : run_probed(vcpu, fetched, &front);
    if (!ran) {
        return false;
    }
    *exit = front.exit;
    if ((front.passed[0] | front.passed[1]) != 0) {
        note_passed(engine, fetched->gpa, &front);
    }
    engine->direct_runs[vcpu->index]++;
    return true;
}

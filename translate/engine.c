/* See engine.h: life of an engine and the run loop. */
#include "translate/engine.h"

#include "cpu/base/zeros.h"
#include "cpu/memory.h"
#include "translate/commit_log.h"
#include "translate/engine_private.h"
#include "translate/lockstep.h"
#include "translate/probe/probe.h"
#include "translate/softmmu.h"
#include "translate/stats.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const size_t link_proofs_bytes = sizeof(u64) * BLOCK_MAX_LINKS;

/* --- hooks that cpu/ reaches upward through --- */

static void op_wait(struct vcpu *vcpu)
{
    vcpu->wants_wait = true;
    vcpu_look_up(vcpu);
}

static void hook_code_written(void *opaque, gpa_t gpa, u64 size_bytes)
{
    struct engine *engine = opaque;
    pthread_mutex_lock(&engine->lock);
    u64 removals = engine->blocks.removals;
    for (gpa_t page = gpa & PAGE_MASK; page < gpa + size_bytes; page += PAGE_BYTES) {
        block_page_remove(&engine->blocks, page);
    }
    bool removed = engine->blocks.removals != removals;
    pthread_mutex_unlock(&engine->lock);
    if (removed) {
        engine_kick_all(engine, VCPU_REQUEST_FLUSH_JUMPS);
    }
}

static void hook_reservation_break(void *opaque, gpa_t gpa, u64 size_bytes)
{
    engine_reservation_break(opaque, NULL, gpa, size_bytes);
}

/* A ROMD region changed its mode: translations that point into it are stale on every hart. Runs on
 * a hart inside a device write, or before harts run. */
static void hook_map_changed(void *opaque)
{
    struct engine *engine = opaque;
    lockstep_note_map_change(engine->lockstep);
    engine_kick_all(engine, VCPU_REQUEST_FLUSH_TLB);
}

void engine_code_store(struct engine *engine, gpa_t gpa)
{
    pthread_mutex_lock(&engine->lock);
    block_page_dirty(&engine->blocks, gpa & PAGE_MASK);
    pthread_mutex_unlock(&engine->lock);
}

/* --- life --- */

static void state_free(struct vcpu *vcpu)
{
    zeros_free(vcpu, probe_counts_offset(vcpu->guest) + probe_counts_bytes);
}

static struct vcpu *vcpu_new(struct engine *engine, unsigned index, void *machine_opaque,
                             struct log *log)
{
    bool traces = engine->options.kind != ENGINE_INTERP && !engine->options.no_tier2 &&
                  engine->options.trace_path == NULL;
    if (traces) {
        tier2_init(&engine->tier2[index], engine->options.eager_tier2);
    }
    if (engine->options.kind == ENGINE_JIT && !found_init(&engine->found[index])) {
        return NULL;
    }
    struct vcpu *vcpu = zeros_with_room(probe_counts_offset(engine->guest), probe_counts_bytes);
    if (vcpu == NULL) {
        return NULL;
    }
    vcpu->guest = engine->guest;
    vcpu->memory = engine->memory;
    vcpu->log = log;
    vcpu->engine = engine;
    vcpu->ops = &engine->ops;
    vcpu->ops_opaque = machine_opaque;
    vcpu->index = index;
    vcpu->features = engine->options.guest_features;
    vcpu->limit_insns = UINT64_MAX;
    vcpu->next_sample_insns = UINT64_MAX;
    vcpu->probe_sum_insns = UINT64_MAX;
    vcpu->limit_traps = UINT64_MAX;
    vcpu->deadline = UINT64_MAX;
    vcpu->mode = (engine->options.exact_deadlines ? VCPU_MODE_COUNT : 0u) |
                 (engine->commit_log != NULL ? VCPU_MODE_TRACE : 0u);
    vcpu->link_proofs = zeros_new_growing(link_proofs_bytes);
    if (vcpu->link_proofs == NULL || !tlb_init(vcpu)) {
        zeros_free(vcpu->link_proofs, link_proofs_bytes);
        state_free(vcpu);
        return NULL;
    }
    vcpu->tlb_state->hostile_entries = engine->options.one_entry_tlb;
    vcpu->tlb_state->hostile_others = engine->options.large_tlb;
    vcpu->tlb_state->all_slow = engine->commit_log != NULL;
    engine->guest->init(vcpu);
    engine->guest->reset(vcpu);
    return vcpu;
}

static void vcpu_free(struct vcpu *vcpu)
{
    if (vcpu->guest->fini != NULL) {
        vcpu->guest->fini(vcpu);
    }
    tlb_fini(vcpu);
    zeros_free(vcpu->link_proofs, link_proofs_bytes);
    state_free(vcpu);
}

static void engine_set_ops(struct engine *engine, const struct engine_machine_ops *machine_ops)
{
    engine->ops = (struct vcpu_ops){
        .time_ticks = machine_ops->time_ticks,
        .timer_arm = machine_ops->timer_arm,
        .code_fence = pipeline_code_fence,
        .wait = op_wait,
        .load_reserved = engine_load_reserved,
        .store_conditional = engine_store_conditional,
        .load = softmmu_load,
        .store = softmmu_store,
        .plain_host = softmmu_plain_host,
        .atomic_host = softmmu_atomic_host,
        .swap_allowed = softmmu_swap_allowed,
    };
    struct memory *memory = engine->memory;
    memory->code_written = hook_code_written;
    memory->code_written_opaque = engine;
    memory->reservation_break = hook_reservation_break;
    memory->reservation_opaque = engine;
    memory->map_changed = hook_map_changed;
    memory->map_changed_opaque = engine;
}

static bool no_memory(struct metic_error *error)
{
    return error_set(error, "end other programs on the host, or choose fewer --cpus",
                     "the host has no memory for the harts");
}

static void engine_set_options(struct engine *engine, const struct engine_options *options)
{
    engine->options = *options;
    if (engine->options.block_insns == 0 ||
        engine->options.block_insns > ENGINE_DEFAULT_BLOCK_INSNS) {
        engine->options.block_insns = ENGINE_DEFAULT_BLOCK_INSNS;
    }
    if (engine->options.host_features == 0) {
        engine->options.host_features = HOST_FEATURE_ALL;
    }
    if (options->kind == ENGINE_BOTH) {
        engine->options.no_links = true; /* each block comes back to be compared */
    }
    if (options->trace_path != NULL) {
        engine->options.block_insns = 1;
        engine->options.no_links = true;
    }
}

/* All that may be refused; what was made is left for engine_free. */
static bool engine_make_parts(struct engine *engine, unsigned hart_count, void *machine_opaque,
                              struct log *log, struct metic_error *error)
{
    const struct engine_options *options = &engine->options;
    if (options->trace_path != NULL) {
        engine->commit_log = commit_log_new(options->trace_path, hart_count, error);
        if (engine->commit_log == NULL) {
            return false;
        }
    }
    if (options->stats) {
        engine->costs = stats_new(hart_count);
        if (engine->costs == NULL) {
            return no_memory(error);
        }
    }
    if (!pipeline_init(engine, error)) {
        return false;
    }
    if (!debug_init(&engine->debug, hart_count)) {
        return no_memory(error);
    }
    for (unsigned i = 0; i < hart_count; i++) {
        engine->vcpus[i] = vcpu_new(engine, i, machine_opaque, log);
        if (engine->vcpus[i] == NULL) {
            return no_memory(error);
        }
        engine->vcpu_count++;
    }
    if (options->kind == ENGINE_BOTH) {
        engine->lockstep = lockstep_new(engine);
    }
    if (engine->lockstep != NULL) {
        engine_prepare_show(engine);
        for (unsigned i = 0; i < hart_count; i++) {
            engine->vcpus[i]->tlb_state->watched = true;
        }
    }
    return options->kind != ENGINE_BOTH || engine->lockstep != NULL || no_memory(error);
}

struct engine *engine_new(struct memory *memory, const struct guest *guest, unsigned hart_count,
                          const struct engine_options *options,
                          const struct engine_machine_ops *machine_ops, void *machine_opaque,
                          struct log *log, struct metic_error *error)
{
    CHECK(hart_count >= 1 && hart_count <= ENGINE_MAX_HARTS);
    struct engine *engine = calloc(1, sizeof(*engine));
    if (engine == NULL) {
        no_memory(error);
        return NULL;
    }
    engine_set_options(engine, options);
    engine->guest = guest;
    engine->memory = memory;
    engine->machine_ops = *machine_ops;
    host_calls_look(engine, HOST_CALLS_ALL);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_mutex_init(&engine->exclusive_lock, NULL);
    pthread_cond_init(&engine->exclusive_cond, NULL);
    pthread_mutex_init(&engine->reservation_lock, NULL);
    engine_set_ops(engine, machine_ops);
    if (!engine_make_parts(engine, hart_count, machine_opaque, log, error)) {
        engine_free(engine);
        return NULL;
    }
    return engine;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    probe_stop(engine);
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        vcpu_free(engine->vcpus[i]);
    }
    for (unsigned i = 0; i < ENGINE_MAX_HARTS; i++) {
        found_fini(&engine->found[i]);
    }
    lockstep_free(engine->lockstep);
    commit_log_free(engine->commit_log);
    pipeline_fini(engine);
    stats_free(engine->costs);
    debug_fini(&engine->debug);
    engine->memory->code_written = NULL;
    engine->memory->reservation_break = NULL;
    engine->memory->map_changed = NULL;
    pthread_mutex_destroy(&engine->lock);
    pthread_mutex_destroy(&engine->exclusive_lock);
    pthread_cond_destroy(&engine->exclusive_cond);
    pthread_mutex_destroy(&engine->reservation_lock);
    free(engine);
}

/* --- the run loop --- */

void engine_take_exception(struct vcpu *vcpu)
{
    if (UNLIKELY(engine_has_reservations(vcpu->engine))) {
        engine_reservation_drop(vcpu);
    }
    vcpu->guest->take_exception(vcpu);
}

void engine_kick_all(struct engine *engine, u32 requests)
{
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        vcpu_kick(engine->vcpus[i], requests);
    }
}

/* A trap without a retired instruction before it may be one of a storm, which the run loop counts;
 * and what runs block by block comes there anyway. */
bool engine_raised(struct vcpu *vcpu)
{
    const struct engine_options *options = &vcpu->engine->options;
    if (vcpu->last_trap_insns == vcpu->insns || options->no_links || options->exact_deadlines ||
        UNLIKELY(vcpu->exception_cause >= AGAIN_CAUSE) ||
        UNLIKELY(vcpu->exception_cause ==
                 atomic_load_explicit(&vcpu->engine->host_call_cause, memory_order_relaxed))) {
        return false;
    }
    vcpu->last_trap_insns = vcpu->insns;
    vcpu->empty_traps = 0;
    engine_take_exception(vcpu);
    probe_look(vcpu);
    return true;
}

/* Lets an exclusive section of somebody else pass. */
static void yield_to_exclusive(struct vcpu *vcpu)
{
    engine_run_leave(vcpu->engine);
    vcpu->engine_running = false;
    engine_run_enter(vcpu->engine);
    vcpu->engine_running = true;
}

/* The instruction count at which the hart must look up by itself. */
static u64 next_stop_insns(const struct vcpu *vcpu)
{
    u64 event = vcpu->guest->next_event_insns(vcpu);
    u64 stop = event > vcpu->insns && event < vcpu->limit_insns ? event : vcpu->limit_insns;
    return vcpu->next_sample_insns < stop ? vcpu->next_sample_insns : stop;
}

static u64 next_deadline_insns(const struct vcpu *vcpu)
{
    const struct engine *engine = vcpu->engine;
    u64 look = probe_look_insns(engine->probe, vcpu), stop = next_stop_insns(vcpu);
    return tier2_deadline(&engine->tier2[vcpu->index], look < stop ? look : stop);
}

/* `deadline` is what the hart's was set to before the requests were read. */
static void attend_interrupts(struct vcpu *vcpu, u64 deadline)
{
    if (vcpu->guest->interrupt_ready(vcpu) && !debug_holds_interrupts(vcpu)) {
        engine_reservation_drop(vcpu);
        vcpu->wants_wait = false;
        vcpu->guest->take_interrupt(vcpu);
    }
    u64 later = next_deadline_insns(vcpu);
    if (UNLIKELY(later != deadline)) { /* and not over a kick that came meanwhile */
        atomic_compare_exchange_strong(&vcpu->deadline, &deadline, later);
    }
}

/* A kick sets requests first and the deadline last. So the deadline goes back to what comes next
 * before requests are read, which is a barrier, and none is lost. */
bool engine_attend(struct vcpu *vcpu, enum engine_stop *stop)
{
    if (tier2_sample(&vcpu->engine->tier2[vcpu->index], vcpu)) {
        write_span_grow(vcpu);
    }
    u64 deadline = next_deadline_insns(vcpu);
    atomic_store_explicit(&vcpu->deadline, deadline, memory_order_relaxed);
    u32 requests = atomic_exchange(&vcpu->requests, 0);
    if (requests & VCPU_REQUEST_EXCLUSIVE) {
        yield_to_exclusive(vcpu);
    }
    if (requests & VCPU_REQUEST_FLUSH_TLB) {
        tlb_flush_all(vcpu);
    }
    if (requests & VCPU_REQUEST_FLUSH_JUMPS) {
        pipeline_forget_removed(vcpu);
    }
    if (UNLIKELY(requests & VCPU_REQUEST_HOOKS)) {
        tlb_flush_jumps(vcpu);
    }
    if (UNLIKELY(requests & VCPU_REQUEST_MODE)) {
        vcpu->guest->mode_changed(vcpu);
    }
    if (UNLIKELY(requests & VCPU_REQUEST_SAMPLE || vcpu->insns >= vcpu->next_sample_insns)) {
        sample_attend(vcpu, (requests & VCPU_REQUEST_SAMPLE) != 0);
    }
    if (UNLIKELY(atomic_load_explicit(&vcpu->engine->wait.watched, memory_order_relaxed))) {
        vcpu->engine->machine_ops.run_timers(vcpu);
    }
    if (requests & VCPU_REQUEST_IRQ) { /* when it stops, too: a timer goes off once */
        vcpu->guest->timer_check(vcpu);
    }
    if (requests & VCPU_REQUEST_STOP) {
        *stop = ENGINE_STOP_REQUEST;
        return false;
    }
    if (vcpu->insns >= vcpu->limit_insns) {
        *stop = ENGINE_STOP_LIMIT;
        return false;
    }
    attend_interrupts(vcpu, deadline);
    return true;
}

/* For a block that came to a poll: attend() without what is rare, in translated code. */
bool engine_polled(struct vcpu *vcpu)
{
    const struct engine *engine = vcpu->engine;
    u64 deadline = next_deadline_insns(vcpu);
    if (atomic_load_explicit(&vcpu->requests, memory_order_relaxed) & ~(u32)VCPU_REQUEST_IRQ ||
        vcpu->insns >= deadline || vcpu->wants_wait || (vcpu->mode & VCPU_MODE_COUNT) ||
        engine->options.no_links || engine->options.exact_deadlines ||
        engine->debug.break_count != 0) {
        return false;
    }
    probe_look(vcpu);
    atomic_store_explicit(&vcpu->deadline, deadline, memory_order_relaxed);
    u32 requests = atomic_exchange(&vcpu->requests, 0);
    u32 others = requests & ~(u32)VCPU_REQUEST_IRQ;
    if (UNLIKELY(others != 0)) { /* it came meanwhile: back with it, for the run loop */
        vcpu_kick(vcpu, requests);
        return false;
    }
    if (requests & VCPU_REQUEST_IRQ) {
        vcpu->guest->timer_check(vcpu);
    }
    attend_interrupts(vcpu, deadline);
    return true;
}

/* Once for each wait, in however many pieces its caller has it wait. */
static void tell_wait(struct vcpu *vcpu, bool begins)
{
    if (vcpu->told_wait != begins) {
        vcpu->told_wait = begins;
        vcpu_event(vcpu, VCPU_EVENT_WAIT, begins, 0, 0);
    }
}

bool engine_wait_for_interrupt(struct vcpu *vcpu)
{
    for (;;) {
        vcpu->guest->timer_check(vcpu);
        if (vcpu->guest->wake_ready(vcpu)) {
            vcpu->wants_wait = false;
            tell_wait(vcpu, false);
            return true;
        }
        if (vcpu->engine->options.exact_deadlines || vcpu->engine->one_by_one) {
            tell_wait(vcpu, true);
            return false;
        }
        if (atomic_load(&vcpu->requests) != 0) {
            return true; /* attend first; wants_wait brings us back */
        }
        tell_wait(vcpu, true);
        struct stats_span span = stats_begin(vcpu);
        engine_wait(vcpu);
        stats_end(vcpu, STATS_WAIT, &span);
    }
}

/* Enters one block and, in translated code, whatever it is linked to. */
static enum ir_exit run_block(struct vcpu *vcpu, struct block *block)
{
    struct engine *engine = vcpu->engine;
    vcpu->pc_page = vcpu->pc & PAGE_MASK;
    switch (engine->options.kind) {
    case ENGINE_JIT: return engine->host_context.enter(vcpu, block->host);
    case ENGINE_BOTH: return lockstep_run(engine->lockstep, vcpu, block);
    default: return ir_interp_run(block->ir, block->ir_count, vcpu);
    }
}

/* What the last block left to be done when the next one is known. */
struct departure {
    u32 link;       /* unlinked direct exit, or 0 */
    bool indirect;  /* the jump cache missed */
    u64 flushes;    /* of the code buffer so far: another one gives the link's number away */
};

static bool is_numbered(const struct vcpu *vcpu, const struct departure *departure)
{
    return departure->link != 0 && departure->flushes == vcpu->engine->stats.flushes;
}

static bool may_link(const struct vcpu *vcpu, const struct departure *departure)
{
    const struct engine *engine = vcpu->engine;
    return is_numbered(vcpu, departure) && engine->options.kind == ENGINE_JIT &&
           !engine->options.no_links;
}

static void follow(struct vcpu *vcpu, const struct departure *departure, struct block *block)
{
    if (vcpu->engine->options.kind != ENGINE_JIT || vcpu->engine->options.no_links) {
        return;
    }
    if (may_link(vcpu, departure)) {
        pipeline_link(vcpu, departure->link, block);
    } else if (departure->indirect) {
        tlb_jump_insert(vcpu, vcpu->pc, block->host);
    }
}

/* A POLL that found its block too long for what is left until the deadline, if that is more than
 * the deadline of a sample. */
static bool must_step(const struct vcpu *vcpu)
{
    u64 deadline = atomic_load_explicit(&vcpu->deadline, memory_order_acquire);
    return (vcpu->mode & VCPU_MODE_COUNT) && deadline > vcpu->insns &&
           deadline == next_stop_insns(vcpu);
}

static int step_block(struct vcpu *vcpu, void *block)
{
    return (int)run_block(vcpu, block);
}

/* One instruction with its line in the commit log. */
static enum ir_exit run_logged(struct vcpu *vcpu, struct block *block)
{
    u8 bytes[4];
    pipeline_block_bytes(vcpu->engine, block, bytes);
    return (enum ir_exit)commit_log_step(vcpu->engine->commit_log, vcpu, bytes,
                                         block->length_bytes, step_block, block);
}

/* The jump cache, for what comes through the run loop often: trap entries and returns. What a
 * direct jump leads to is seldom in it. */
static const void *find_jump(const struct vcpu *vcpu, const struct departure *departure)
{
    return departure->indirect ? tlb_jump_find(vcpu, vcpu->pc) : NULL;
}

/* Also links to the block that is found. */
static enum pipeline_result find_block(struct vcpu *vcpu, const struct departure *departure,
                                       struct block **block, enum ir_exit *exit)
{
    if (may_link(vcpu, departure)) {
        *block = pipeline_prove_again(vcpu, departure->link);
        if (*block != NULL) {
            return PIPELINE_BLOCK;
        }
    }
    if (is_numbered(vcpu, departure)) {
        pipeline_prove_guard(vcpu, departure->link);
    }
    struct stats_span span = stats_begin(vcpu);
    enum pipeline_result result = pipeline_find(vcpu, block, exit);
    stats_end(vcpu, STATS_TRANSLATE, &span);
    if (result == PIPELINE_BLOCK) {
        follow(vcpu, departure, *block);
    }
    return result;
}

static enum ir_exit form_trace(struct vcpu *vcpu)
{
    struct stats_span span = stats_begin(vcpu);
    enum ir_exit exit = trace_form(vcpu);
    stats_end(vcpu, STATS_TRANSLATE, &span);
    return exit;
}

static enum ir_exit advance(struct vcpu *vcpu, struct departure *departure)
{
    struct tier2 *tier2 = &vcpu->engine->tier2[vcpu->index];
    if (UNLIKELY(tier2->split)) {
        trace_mend(vcpu);
    }
    if (UNLIKELY(tier2->hot)) {
        tier2->hot = false;
        if (tier2->hot_pc == vcpu->pc) {
            vcpu->exit_request = 0;
            return form_trace(vcpu);
        }
    }
    struct block *block = NULL;
    const void *host = find_jump(vcpu, departure);
    vcpu->exit_request = 0; /* the link of the last exit is not that of what comes now */
    if (host != NULL && !(vcpu->mode & VCPU_MODE_COUNT)) {
        vcpu->pc_page = vcpu->pc & PAGE_MASK;
        return vcpu->engine->host_context.enter(vcpu, host);
    }
    enum ir_exit exit;
    switch (find_block(vcpu, departure, &block, &exit)) {
    case PIPELINE_RAISED: return IR_EXIT_RAISED;
    case PIPELINE_RAN: return exit;
    case PIPELINE_ONCE: return pipeline_run_once(vcpu, 1);
    case PIPELINE_BLOCK: break;
    }
    if (vcpu->engine->commit_log != NULL) {
        return run_logged(vcpu, block);
    }
    exit = run_block(vcpu, block);
    if (exit == IR_EXIT_POLL && must_step(vcpu)) {
        u64 left = next_stop_insns(vcpu) - vcpu->insns;
        exit = pipeline_run_once(vcpu, left > 64 ? 64 : (unsigned)left);
    }
    return exit;
}

/* A guest whose trap handler traps at its first instruction makes no progress that a deadline could
 * end. So such traps count, and end the loop: all of them at the limit, and with exact deadlines
 * some, that the caller may let time pass. */
static bool is_stuck(struct vcpu *vcpu, unsigned *storm, enum engine_stop *stop)
{
    enum { STORM_TRAPS = 1000 };
    if (vcpu->last_trap_insns != vcpu->insns) {
        vcpu->last_trap_insns = vcpu->insns;
        vcpu->empty_traps = 0;
        *storm = 0;
        return false;
    }
    vcpu->empty_traps++;
    *stop = vcpu->empty_traps >= vcpu->limit_traps ? ENGINE_STOP_LIMIT : ENGINE_STOP_STUCK;
    return *stop == ENGINE_STOP_LIMIT ||
           (++*storm >= STORM_TRAPS && vcpu->engine->options.exact_deadlines);
}

static enum engine_stop run_loop(struct vcpu *vcpu)
{
    unsigned storm = 0;
    enum engine_stop stop = ENGINE_STOP_REQUEST;
    struct departure departure = { 0 };
    bool look = true;
    for (;;) {
        if (look || atomic_load_explicit(&vcpu->deadline, memory_order_acquire) <= vcpu->insns) {
            departure = (struct departure){ .indirect = true }; /* an interrupt's handler */
            if (!engine_attend(vcpu, &stop)) {
                return stop;
            }
            if (vcpu->wants_wait && !engine_wait_for_interrupt(vcpu)) {
                return ENGINE_STOP_WAIT;
            }
            look = vcpu->wants_wait;
            if (look) {
                continue;
            }
        }
        if (UNLIKELY(vcpu->engine->debug.break_count != 0) && debug_break_here(vcpu)) {
            return ENGINE_STOP_DEBUG;
        }
        probe_look(vcpu);
        enum ir_exit exit = pipeline_run_piece(vcpu, advance(vcpu, &departure));
        vcpu->engine_exits[exit]++;
        departure = (struct departure){ 0 };
        switch (exit) {
        case IR_EXIT_JUMP:
            departure.link = vcpu->exit_request;
            departure.flushes = vcpu->engine->stats.flushes;
            break;
        case IR_EXIT_IND: departure.indirect = true; break;
        case IR_EXIT_LEAVE:
        case IR_EXIT_POLL: look = true; break;
        case IR_EXIT_RAISED:
            if (UNLIKELY(vcpu->exception_cause >= AGAIN_CAUSE)) {
                probe_sync(vcpu); /* no trap tells that the block was left */
            }
            if (UNLIKELY(vcpu->exception_cause == AGAIN_CAUSE)) {
                look = true;
                if (pipeline_run_alone(vcpu) != IR_EXIT_RAISED) {
                    break;
                }
            }
            if (UNLIKELY(vcpu->exception_cause == DEBUG_CAUSE) && debug_run_watched(vcpu)) {
                if (atomic_load(&vcpu->engine->debug.stopped)) {
                    return ENGINE_STOP_DEBUG;
                }
                look = true;
                break;
            }
            if (UNLIKELY(vcpu->exception_cause == PROBE_CAUSE)) {
                vcpu->exception_pending = 0;
                vcpu->guest->mode_changed(vcpu);
                look = true;
                break;
            }
            switch (host_call_serve(vcpu)) {
            case HOST_CALL_ANSWERED: look = true; continue;
            case HOST_CALL_WAITS:
                look = true;
                if (!host_call_sleep(vcpu)) {
                    return ENGINE_STOP_WAIT;
                }
                continue;
            case HOST_CALL_NONE: break;
            }
            engine_take_exception(vcpu);
            if (is_stuck(vcpu, &storm, &stop)) {
                return stop;
            }
            departure.indirect = true;
            break;
        }
    }
}

enum engine_stop engine_run(struct vcpu *vcpu)
{
    engine_run_enter(vcpu->engine);
    vcpu->engine_running = true;
    engine_reservation_turn(vcpu);
    stats_run_begin(vcpu);
    enum engine_stop stop = debug_steps(vcpu) ? engine_run_steps(vcpu) : run_loop(vcpu);
    stats_run_end(vcpu);
    vcpu->engine_running = false;
    engine_run_leave(vcpu->engine);
    return stop;
}

/* See host_call.h. */
#include "translate/host_call.h"

#include "cpu/memory.h"
#include "translate/engine_private.h"
#include "translate/probe/probe.h"

static const u64 no_cause = AGAIN_CAUSE - 1;

void host_calls_look(struct engine *engine, u32 most)
{
    bool can = engine->guest->host_call != NULL && engine->machine_ops.host_call != NULL;
    atomic_store(&engine->host_call_looks, most);
    atomic_store(&engine->host_call_cause,
                 can && most > 0 ? engine->guest->host_call_cause : no_cause);
}

/* One was looked at. */
static void count_look(struct engine *engine)
{
    u32 left = atomic_load_explicit(&engine->host_call_looks, memory_order_relaxed);
    if (left != HOST_CALLS_ALL && left > 0) {
        host_calls_look(engine, left - 1);
    }
}

/* The code around vcpu->pc, or NULL where a page begins or ends in it. */
static const u8 *code_around(struct vcpu *vcpu)
{
    u64 offset = vcpu->pc & PAGE_OFFSET_MASK;
    struct fetched fetched;
    if (offset < GUEST_HOST_CALL_BEFORE_BYTES ||
        offset + GUEST_HOST_CALL_BYTES - GUEST_HOST_CALL_BEFORE_BYTES > PAGE_BYTES ||
        !pipeline_fetch(vcpu, &fetched)) {
        return NULL;
    }
    return memory_host_any_mode(vcpu->memory, fetched.gpa - GUEST_HOST_CALL_BEFORE_BYTES,
                                GUEST_HOST_CALL_BYTES);
}

enum host_call host_call_serve(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    struct host_answer *answer = &engine->answers[vcpu->index];
    struct guest_host_call call;
    if (LIKELY(vcpu->exception_cause != atomic_load_explicit(&engine->host_call_cause,
                                                             memory_order_relaxed))) {
        return HOST_CALL_NONE;
    }
    count_look(engine);
    const u8 *code = code_around(vcpu);
    if (code == NULL || !vcpu->guest->host_call(vcpu, code, &call)) {
        return HOST_CALL_NONE;
    }
    const u64 cause = vcpu->exception_cause, value = vcpu->exception_value;
    probe_sync(vcpu); /* no trap tells that the block was left */
    enum host_call what = engine->machine_ops.host_call(vcpu, &call, &answer->value);
    vcpu->exception_pending = 0; /* or of an access that the machine made */
    if (what == HOST_CALL_NONE) {
        vcpu_raise(vcpu, cause, value);
        return HOST_CALL_NONE;
    }
    if (what == HOST_CALL_WAITS) {
        return HOST_CALL_WAITS;
    }
    answer->made = true;
    enum ir_exit exit = pipeline_run_alone(vcpu);
    answer->made = false;
    return exit == IR_EXIT_RAISED ? HOST_CALL_NONE : HOST_CALL_ANSWERED;
}

bool host_call_sleep(struct vcpu *vcpu)
{
    if (vcpu->engine->options.exact_deadlines || vcpu->engine->one_by_one) {
        return false;
    }
    engine_wait(vcpu);
    return true;
}

const u64 *host_call_answer(const struct vcpu *vcpu)
{
    const struct host_answer *answer = &vcpu->engine->answers[vcpu->index];
    return answer->made ? &answer->value : NULL;
}

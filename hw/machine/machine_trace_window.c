/* When harts record (machine_trace_private.h): between where recording starts and stops, and, where
 * functions were chosen, while the hart's task is in one of them. */
#include "hw/machine/machine_trace_private.h"

#include "cpu/guest.h"

#include <string.h>

/* The lock is held. */
static void decide(struct machine_trace *trace, struct vcpu *vcpu)
{
    bool inside = trace->options.function_count == 0 || trace->inside[vcpu->index];
    probe_switch(vcpu->engine, vcpu, trace->window && inside);
}

void trace_window_set(struct machine_trace *trace, struct vcpu *vcpu, bool on)
{
    const struct engine *engine = trace->machine->engine;
    pthread_mutex_lock(&trace->lock);
    trace->window = on;
    if (vcpu != NULL) {
        decide(trace, vcpu);
    }
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        decide(trace, engine->vcpus[i]);
    }
    pthread_mutex_unlock(&trace->lock);
    if (on && !__atomic_load_n(&trace->seen.start, __ATOMIC_RELAXED)) {
        __atomic_store_n(&trace->seen.start, true, __ATOMIC_RELAXED);
    }
}

/* --- at an event --- */

static bool triggers(const struct metic_trace_trigger *trigger, unsigned event, u64 value,
                     const char *text)
{
    u64 mask = event == VCPU_EVENT_CSR ? VCPU_CSR_READ - 1 : ~(u64)0;
    return trigger->event == (enum metic_trace_event)event && event != VCPU_EVENT_SYNC &&
           (!trigger->has_value || trigger->value == (value & mask)) &&
           (trigger->text[0] == '\0' ||
            (text != NULL && strncmp(text, trigger->text, GUEST_TASK_BYTES - 1) == 0));
}

void trace_window_event(struct machine_trace *trace, struct vcpu *vcpu, unsigned event, u64 value,
                        const char *text)
{
    bool on = triggers(&trace->options.start_on, event, value, text);
    if (on || triggers(&trace->options.stop_on, event, value, text)) {
        trace_window_set(trace, vcpu, on);
    }
}

/* --- at an instruction --- */

static void on_start(void *opaque, struct vcpu *vcpu, gva_t pc)
{
    (void)pc;
    trace_window_set(opaque, vcpu, true);
}

static void on_stop(void *opaque, struct vcpu *vcpu, gva_t pc)
{
    (void)pc;
    trace_window_set(opaque, vcpu, false);
}

/* --- functions --- */

/* What calls that recording lasts for are told apart by: Linux's task, or else the hart. */
static u64 task_of(const struct machine_trace *trace, const struct vcpu *vcpu)
{
    u64 task = trace->last_task[vcpu->index][0];
    return task != 0 ? task : vcpu->index;
}

/* A call that recording lasts for, or a return that may be that of one: by the stack pointer. */
static struct inside_call inside_call_of(struct machine_trace *trace, struct vcpu *vcpu, u64 ra)
{
    return (struct inside_call){task_of(trace, vcpu), ra, guest_read_reg(vcpu, trace->sp)};
}

static void on_function_end(void *opaque, struct vcpu *vcpu, gva_t pc)
{
    struct machine_trace *trace = opaque;
    const struct inside_call call = inside_call_of(trace, vcpu, pc);
    pthread_mutex_lock(&trace->lock);
    if (calls_leave(&trace->calls, &call)) {
        trace->inside[vcpu->index] = calls_is_inside(&trace->calls, call.task);
        decide(trace, vcpu);
    }
    pthread_mutex_unlock(&trace->lock);
}

static void on_function(void *opaque, struct vcpu *vcpu, gva_t pc)
{
    struct machine_trace *trace = opaque;
    const struct inside_call call =
        inside_call_of(trace, vcpu, guest_read_reg(vcpu, trace->ra));
    (void)pc;
    pthread_mutex_lock(&trace->lock);
    calls_enter(&trace->calls, &call);
    trace->inside[vcpu->index] = true;
    decide(trace, vcpu);
    pthread_mutex_unlock(&trace->lock);
    probe_hook_add(vcpu->engine, vcpu, call.ra, on_function_end, trace);
    __atomic_store_n(&trace->seen.function, true, __ATOMIC_RELAXED);
}

/* The calls that recording lasts for are those of the task that the hart comes to: another one may
 * have been in one, and goes on with it later, maybe on another hart. */
void trace_window_task(struct machine_trace *trace, struct vcpu *vcpu, u64 task)
{
    if (trace->options.function_count != 0) {
        pthread_mutex_lock(&trace->lock);
        if (trace->last_task[vcpu->index][0] == 0) { /* it was in this one all the time */
            calls_rename(&trace->calls, vcpu->index, task);
        }
        trace->inside[vcpu->index] = calls_is_inside(&trace->calls, task);
        decide(trace, vcpu);
        pthread_mutex_unlock(&trace->lock);
    }
}

void trace_window_add_hooks(struct machine_trace *trace)
{
    const struct metic_trace_options *options = &trace->options;
    struct engine *engine = trace->machine->engine;
    for (unsigned i = 0; i < options->function_count; i++) {
        probe_hook_add(engine, NULL, options->functions[i], on_function, trace);
    }
    if (options->start_at != 0) {
        probe_hook_add(engine, NULL, options->start_at, on_start, trace);
    }
    if (options->stop_at != 0) {
        probe_hook_add(engine, NULL, options->stop_at, on_stop, trace);
    }
}

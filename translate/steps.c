/* Harts that step for a debugger: the interpreter, one instruction at a time. wfi is a step when it
 * was executed, unless steps are to be faithful: then interrupts are taken, and waited for, as the
 * hart would without steps, and each is a step by itself. */
#include "translate/engine_private.h"

#include "translate/again.h"
#include "translate/probe/probe.h"

enum look { LOOK_GO_ON, LOOK_AGAIN, LOOK_STOP };

/* What was before the instruction. LOOK_STOP: with *stop set. */
static enum look look_faithfully(struct vcpu *vcpu, gva_t pc, enum engine_stop *stop)
{
    if (vcpu->wants_wait && !engine_wait_for_interrupt(vcpu)) {
        *stop = ENGINE_STOP_WAIT;
        return LOOK_STOP;
    }
    if (vcpu->pc != pc && debug_stepped(vcpu, false)) {
        *stop = ENGINE_STOP_DEBUG;
        return LOOK_STOP;
    }
    bool more = vcpu->wants_wait || atomic_load(&vcpu->deadline) <= vcpu->insns;
    return more ? LOOK_AGAIN : LOOK_GO_ON;
}

enum step { STEP_DONE, STEP_WATCHED, STEP_WAITS };

/* One instruction; or a debugger's watchpoint stopped it; or it waits for the host. */
static enum step step(struct vcpu *vcpu)
{
    enum ir_exit exit = pipeline_run_once(vcpu, 1);
    if (exit == IR_EXIT_RAISED && vcpu->exception_cause >= AGAIN_CAUSE) {
        probe_sync(vcpu);
    }
    if (exit == IR_EXIT_RAISED && vcpu->exception_cause == AGAIN_CAUSE) {
        exit = pipeline_run_alone(vcpu);
    }
    if (exit == IR_EXIT_RAISED && vcpu->exception_cause == DEBUG_CAUSE) {
        debug_run_watched(vcpu);
        return STEP_WATCHED;
    }
    enum host_call call = exit == IR_EXIT_RAISED ? host_call_serve(vcpu) : HOST_CALL_NONE;
    if (call != HOST_CALL_NONE) {
        return call == HOST_CALL_WAITS ? STEP_WAITS : STEP_DONE;
    }
    if (exit == IR_EXIT_RAISED && vcpu->exception_cause == PROBE_CAUSE) {
        vcpu->exception_pending = 0;
        vcpu->guest->mode_changed(vcpu);
    } else if (exit == IR_EXIT_RAISED) {
        engine_take_exception(vcpu);
    }
    return STEP_DONE;
}

enum engine_stop engine_run_steps(struct vcpu *vcpu)
{
    enum engine_stop stop = ENGINE_STOP_REQUEST;
    for (;;) {
        u64 insns = vcpu->insns;
        gva_t pc = vcpu->pc;
        if (!engine_attend(vcpu, &stop)) {
            return stop;
        }
        enum look look = debug_is_faithful(vcpu) ? look_faithfully(vcpu, pc, &stop) : LOOK_GO_ON;
        if (look == LOOK_STOP) {
            return stop;
        }
        if (look == LOOK_AGAIN) {
            continue;
        }
        vcpu->wants_wait = false;
        enum step step_end = step(vcpu);
        if (step_end == STEP_WAITS && !host_call_sleep(vcpu)) {
            return ENGINE_STOP_WAIT;
        }
        if (step_end != STEP_WAITS &&
            (step_end == STEP_WATCHED || debug_stepped(vcpu, vcpu->insns != insns))) {
            return ENGINE_STOP_DEBUG;
        }
    }
}

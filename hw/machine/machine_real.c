/* Running on the real clock: one host thread per hart; the calling thread waits for events. */
#include "hw/machine/machine_run.h"

#include "cpu/base/thread.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

enum {
    HTIF_POLL_MS = 2,
    HEAD_START_MS = 1,
    IDLE_POLLS = 8, /* this many quiet looks in a row make a machine idle for ever */
};

static void note_stop(struct metic_machine *machine, enum engine_stop stop)
{
    if (stop == ENGINE_STOP_LIMIT) {
        machine_event(machine, MACHINE_EVENT_HART);
    } else if (stop == ENGINE_STOP_DEBUG) {
        machine_event(machine, MACHINE_EVENT_DEBUG);
    }
}

/* Harts leave reset together, but a busy host starts their threads milliseconds apart. Firmware may
 * rely on the first: OpenSBI 1.5 never ends when a hart takes part in the lottery for the boot hart
 * after that one is through. So each runs FIRST_INSNS instructions before any runs on; the virtual
 * clock's first turn is as short. */
static void leave_reset(struct metic_machine *machine)
{
    struct engine *engine = machine->engine;
    bool together = machine->in_reset && engine->vcpu_count > 1;
    machine->in_reset = false;
    engine->one_by_one = true;
    for (unsigned i = 0; together && i < engine->vcpu_count; i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        const u64 limit_insns = vcpu->limit_insns, limit_traps = vcpu->limit_traps;
        if (machine_is_held(machine, i)) {
            continue;
        }
        if (limit_insns - vcpu->insns > FIRST_INSNS && limit_traps > FIRST_INSNS) {
            vcpu->limit_insns = vcpu->insns + FIRST_INSNS;
            vcpu->limit_traps = FIRST_INSNS; /* a storm from the first instruction on */
        }
        atomic_store(&vcpu->deadline, 0); /* look at everything first */
        enum engine_stop stop = engine_run(vcpu);
        bool first = vcpu->limit_insns != limit_insns;
        vcpu->limit_insns = limit_insns;
        vcpu->limit_traps = limit_traps;
        atomic_store(&vcpu->deadline, 0);
        if (stop != ENGINE_STOP_LIMIT || !first) {
            note_stop(machine, stop);
        }
        together = stop != ENGINE_STOP_DEBUG;
    }
    engine->one_by_one = false;
}

static void *hart_thread(void *opaque)
{
    struct vcpu *vcpu = opaque;
    struct metic_machine *machine = vcpu->ops_opaque;
    char name[16];
    snprintf(name, sizeof(name), "hart %u", vcpu->index);
    thread_set_name(name);
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* a guest's timers are meant exactly */
    note_stop(machine, engine_run(vcpu));
    return NULL;
}

static void threads_stop(struct metic_machine *machine)
{
    engine_kick_all(machine->engine, VCPU_REQUEST_STOP);
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        if (machine->has_thread[i]) {
            pthread_join(machine->threads[i], NULL);
            machine->has_thread[i] = false;
        }
        atomic_fetch_and(&machine->engine->vcpus[i]->requests, ~(u32)VCPU_REQUEST_STOP);
    }
}

/* False when the host refuses a thread; then none runs. */
static bool threads_start(struct metic_machine *machine, struct metic_error *error)
{
    sigset_t before;
    bool ok = true;
    thread_block_signals(&before); /* they go to the caller's thread */
    for (unsigned i = 0; ok && i < machine->engine->vcpu_count; i++) {
        if (machine_is_held(machine, i)) {
            continue;
        }
        ok = pthread_create(&machine->threads[i], NULL, hart_thread,
                            machine->engine->vcpus[i]) == 0;
        machine->has_thread[i] = ok;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!ok) {
        threads_stop(machine);
        return error_set(error, NULL, "the host gives the harts no more threads");
    }
    return true;
}

/* One that was told to look at something only waits for the host to let it. */
static bool every_hart_waits(const struct metic_machine *machine)
{
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        struct vcpu *vcpu = machine->engine->vcpus[i];
        if (!atomic_load(&vcpu->waiting) || atomic_load(&vcpu->requests) != 0) {
            return false;
        }
    }
    return true;
}

/* Nothing can ever happen again: all harts wait, no timer runs, no input can come. */
static bool looks_dead(struct metic_machine *machine)
{
    return !machine_may_hear(machine) && every_hart_waits(machine) &&
           clock_next_deadline_ns(&machine->clock) == CLOCK_NEVER_NS;
}

static int real_poll_ms(const struct metic_machine *machine)
{
    if (machine->boot.htif_tohost != 0) {
        return machine_htif_is_busy(machine) ? 0 : HTIF_POLL_MS;
    }
    bool soon = machine->options.limit_ns != 0 || machine->control.at_insns != UINT64_MAX;
    return soon ? 10 : IDLE_POLL_MS;
}

/* Harts on the way, or a reason why not; then none is, and time stands still. */
static bool start(struct metic_machine *machine, struct metic_error *error)
{
    clock_start(&machine->clock);
    leave_reset(machine);
    if (threads_start(machine, error)) {
        return true;
    }
    clock_stop(&machine->clock);
    return false;
}

/* What else is to start would compete with the guest's first instructions, for a processor and for
 * the process's memory map: it starts a moment later, but for what the first output needs. */
static bool serve_behind(struct metic_machine *machine, struct metic_result *result)
{
    struct pollfd wake = {.fd = machine->wake_fd, .events = POLLIN};
    if (!loop_is_started(machine->loop)) {
        if (machine->console != NULL) {
            char_backend_start(machine->console);
        }
        poll(&wake, 1, HEAD_START_MS);
    }
    return machine_serve(machine, result);
}

/* Stops the harts for what cannot be done while they run, and has them run again. */
static bool stand_still(struct metic_machine *machine, u32 events, struct metic_error *error)
{
    threads_stop(machine);
    clock_stop(&machine->clock);
    for (u32 reset = events & MACHINE_EVENT_RESET;;) {
        if (reset != 0 && !machine_reset(machine, error)) {
            return false;
        }
        machine_stand(machine);
        reset = atomic_fetch_and(&machine->events, ~(u32)MACHINE_EVENT_RESET) &
                MACHINE_EVENT_RESET;
        if (reset == 0) {
            break;
        }
    }
    machine_event(machine, 0); /* what came meanwhile is looked at soon */
    return start(machine, error);
}

void machine_run_real(struct metic_machine *machine, struct metic_result *result)
{
    unsigned quiet = 0;
    struct metic_error refusal;
    if (machine_wants_stand(machine)) {
        if (!machine_serve(machine, result)) { /* who is to say that it may go on */
            return;
        }
        machine_stand(machine);
    }
    if (!start(machine, &refusal)) {
        machine_finish(result, METIC_STOPPED, 125, refusal.what);
        return;
    }
    if (!serve_behind(machine, result)) {
        threads_stop(machine);
        clock_stop(&machine->clock);
        return;
    }
    for (;;) {
        struct pollfd wake = { .fd = machine->wake_fd, .events = POLLIN };
        int wait_ms = real_poll_ms(machine);
        poll(&wake, 1, wait_ms);
        machine_drain_wakes(machine);
        u32 events = atomic_exchange(&machine->events, 0);
        if (machine_events_end(machine, events, result)) {
            break;
        }
        const u32 others = MACHINE_EVENT_BREAK | MACHINE_EVENT_DEBUG | MACHINE_EVENT_HART;
        if ((events & MACHINE_EVENT_RESET) ||
            ((events & others) == 0 && machine_wants_stand(machine))) {
            if (!stand_still(machine, events, &refusal)) {
                machine_finish(result, METIC_STOPPED, 125, refusal.what);
                return;
            }
            quiet = 0;
        }
        if (events & (MACHINE_EVENT_BREAK | MACHINE_EVENT_DEBUG)) {
            machine_finish(result, METIC_BREAK, 0, "stopped for a debugger");
            break;
        }
        if (events & MACHINE_EVENT_HART) {
            machine_finish(result, METIC_TURN_OVER, 0, "the turn is over");
            break;
        }
        quiet = wait_ms > 0 && looks_dead(machine) ? quiet + 1 : 0;
        if (quiet == IDLE_POLLS) {
            machine_finish_idle(machine, result);
            break;
        }
    }
    if (machine->console != NULL && result->reason != METIC_TURN_OVER &&
        result->reason != METIC_BREAK) {
        char_backend_stop_waiting(machine->console);
        machine_stop_ports(machine);
    }
    threads_stop(machine);
    clock_stop(&machine->clock);
    if (result->reason == METIC_TURN_OVER) {
        machine_limits_end(machine, result);
    }
}

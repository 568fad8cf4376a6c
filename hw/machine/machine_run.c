/* Running a machine until something ends it: what both clocks have in common. */
#include "hw/machine/machine_run.h"

#include "cpu/guest.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

u64 machine_total_insns(const struct metic_machine *machine)
{
    u64 total = 0;
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        total += __atomic_load_n(&machine->engine->vcpus[i]->insns, __ATOMIC_RELAXED);
    }
    return total;
}

void metic_open_late(metic_machine *machine)
{
    memory_open_late(&machine->memory);
}

/* --- time --- */

/* Guest time of the hart that asks. The board reads the clock, so inside a turn the clock is set to
 * the hart's own moment. */
u64 machine_time_ticks(struct vcpu *vcpu)
{
    struct metic_machine *machine = vcpu->ops_opaque;
    if (machine->in_turn) {
        u64 ran = vcpu->insns - machine->hart_start_insns[vcpu->index];
        clock_set_virtual_ns(&machine->clock, machine->hart_ns[vcpu->index] + ran);
    }
    return board_time_ticks(machine->board);
}

void machine_timer_arm(struct vcpu *vcpu, u64 ticks)
{
    struct metic_machine *machine = vcpu->ops_opaque;
    u64 ns = ticks == UINT64_MAX ? CLOCK_NEVER_NS : board_time_to_ns(machine->board, ticks);
    timer_arm_at_ns(&machine->timers[vcpu->index].timer, ns);
}

u64 machine_next_timer_host_ns(struct vcpu *vcpu)
{
    struct metic_machine *machine = vcpu->ops_opaque;
    return clock_host_deadline_ns(&machine->clock, clock_next_deadline_ns(&machine->clock));
}

void machine_run_timers(struct vcpu *vcpu)
{
    struct metic_machine *machine = vcpu->ops_opaque;
    clock_run_expired(&machine->clock);
}

/* The loop's timer is only for the case that no hart looks. */
void machine_timers_are_watched(struct vcpu *vcpu, bool watched)
{
    enum { SLACK_NS = 1000000 };
    struct metic_machine *machine = vcpu->ops_opaque;
    clock_set_slack_ns(&machine->clock, watched ? SLACK_NS : 0);
}

/* --- ends --- */

void machine_finish(struct metic_result *result, enum metic_reason reason, int exit_status,
                    const char *text)
{
    result->reason = reason;
    result->exit_status = exit_status;
    snprintf(result->text, sizeof(result->text), "%s", text);
}

bool machine_limits_end(struct metic_machine *machine, struct metic_result *result)
{
    const struct metic_options *options = &machine->options;
    if (options->limit_ns != 0 && clock_now_ns(&machine->clock) >= options->limit_ns) {
        machine_finish(result, METIC_LIMIT, 124, "the limit was reached");
        return true;
    }
    for (unsigned i = 0; options->limit_insns != 0 && i < machine->engine->vcpu_count; i++) {
        const struct vcpu *vcpu = machine->engine->vcpus[i];
        if (vcpu->insns >= options->limit_insns) {
            machine_finish(result, METIC_LIMIT, 124, "the limit was reached");
            return true;
        }
        if (vcpu->empty_traps >= options->limit_insns) {
            char text[sizeof(result->text)];
            snprintf(text, sizeof(text), "the limit was reached: hart %u took %llu traps in a row "
                     "without executing an instruction; its trap handler at 0x%llx cannot run", i,
                     (unsigned long long)vcpu->empty_traps, (unsigned long long)vcpu->pc);
            machine_finish(result, METIC_LIMIT, 124, text);
            return true;
        }
    }
    return false;
}

void machine_finish_idle(struct metic_machine *machine, struct metic_result *result)
{
    char text[sizeof(result->text)];
    unsigned harts = machine->engine->vcpu_count;
    if (journal_is_cut(machine->journal)) {
        machine_finish(result, METIC_DIVERGED, 92, "the recording was cut off, and the guest waits "
                       "for what it has not");
        return;
    }
    snprintf(text, sizeof(text), "the guest waits for what cannot come: %s for %s, with "
             "no timer set and no more input; hart 0 is at pc 0x%llx",
             harts == 1 ? "its hart waits" : "all harts wait",
             atomic_load(&machine->semihosting.waits) ? "a character (semihosting)"
                                                      : "an interrupt",
             (unsigned long long)machine->engine->vcpus[0]->pc);
    machine_finish(result, METIC_IDLE, 91, text);
}

bool machine_events_end(struct metic_machine *machine, u32 events, struct metic_result *result)
{
    if (machine_htif_serve(machine, result)) {
        return true;
    }
    if (events & MACHINE_EVENT_POWEROFF) {
        result->status = machine->poweroff_code;
        machine_finish(result, METIC_POWEROFF, (int)(machine->poweroff_code & 0xff),
               "the guest powered off");
        return true;
    }
    if (events & MACHINE_EVENT_SPOILT) {
        machine_finish(result, METIC_STOPPED, 125, machine->control.spoilt);
        return true;
    }
    if ((events & MACHINE_EVENT_PANIC) ||
        ((events & MACHINE_EVENT_RESET) && machine->panic.started)) {
        machine_tell(machine, METIC_EVENT_PANIC);
        machine_finish(result, METIC_PANIC, 90, "the guest's kernel panicked");
        return true;
    }
    if (events & MACHINE_EVENT_STOP) {
        machine_finish(result, METIC_STOPPED, 0, "stopped from outside");
        return true;
    }
    if (events & MACHINE_EVENT_FAILED) {
        machine_finish(result, METIC_STOPPED, 125,
                       "the host failed a disk; its request is kept");
        return true;
    }
    if (events & MACHINE_EVENT_QUIT) {
        machine_finish(result, METIC_STOPPED, 0, "ended with Ctrl-A X");
        return true;
    }
    if (events & MACHINE_EVENT_HANGUP) {
        machine_finish(result, METIC_STOPPED, 128 + SIGHUP, "the terminal was closed");
        return true;
    }
    if (machine_limits_end(machine, result)) {
        return true;
    }
    if (journal_diverged(machine->journal)) {
        machine_finish(result, METIC_DIVERGED, 92, "the replay did not fit");
        return true;
    }
    return false;
}

/* --- starting, resetting --- */

/* Each hart stops `insns` instructions from here, and at the options' limit. So it does after as
 * many traps in a row without an instruction. */
static void set_limits(struct metic_machine *machine, u64 insns)
{
    u64 most = machine->options.limit_insns != 0 ? machine->options.limit_insns : UINT64_MAX;
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        struct vcpu *vcpu = machine->engine->vcpus[i];
        u64 done = vcpu->insns;
        u64 traps = vcpu->empty_traps;
        vcpu->limit_insns = done < most && insns < most - done ? done + insns : most;
        vcpu->limit_traps = traps < most && insns < most - traps ? traps + insns : most;
        machine->hart_stop_insns[i] = vcpu->limit_insns;
        atomic_store(&vcpu->deadline, vcpu->limit_insns);
    }
}

bool machine_reset(struct metic_machine *machine, struct metic_error *error)
{
    board_reset(machine->board);
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        struct vcpu *vcpu = machine->engine->vcpus[i];
        atomic_fetch_and(&vcpu->requests, ~(u32)VCPU_REQUEST_STOP);
        vcpu->wants_wait = false;
        vcpu->guest->reset(vcpu);
    }
    machine->panic = (struct panic_watch){ 0 };
    machine_semihosting_reset(machine);
    machine_tell(machine, METIC_EVENT_RESET);
    return machine_place(machine, error);
}

void machine_drain_wakes(struct metic_machine *machine)
{
    u64 count;
    ssize_t got = read(machine->wake_fd, &count, sizeof(count));
    (void)got;
}

bool machine_serve(struct metic_machine *machine, struct metic_result *result)
{
    struct metic_error error;
    void (*running)(void *opaque) = machine->running;
    if (!loop_start(machine->loop, &error)) {
        machine_finish(result, METIC_STOPPED, 125, error.what);
        return false;
    }
    machine->running = NULL;
    if (running != NULL) {
        running(machine->running_opaque);
    }
    return true;
}

/* --- doors --- */

void machine_run_piece(struct metic_machine *machine, u64 insns, struct metic_result *result)
{
    if (machine_debug_begin(machine)) {
        if (machine_serve(machine, result)) {
            machine_finish(result, METIC_BREAK, 0, "stopped for a debugger");
        }
        return;
    }
    set_limits(machine, insns);
    if (machine->options.clock == METIC_CLOCK_VIRTUAL) {
        machine_run_virtual(machine, result);
    } else {
        machine_run_real(machine, result);
    }
    machine_debug_end(machine);
}

/* Instructions are counted when no hart runs any more. */
static void run(struct metic_machine *machine, u64 insns, struct metic_result *result)
{
    memset(result, 0, sizeof(*result));
    if (machine->history != NULL) {
        machine_history_run(machine, insns, result);
    } else {
        machine_run_piece(machine, insns, result);
    }
    result->insns = machine_total_insns(machine);
    if (result->reason != METIC_BREAK && result->reason != METIC_TURN_OVER) {
        machine_tell(machine, METIC_EVENT_SHUTDOWN);
        machine_close_monitor(machine);
    }
}

void metic_run(metic_machine *machine, struct metic_result *result)
{
    run(machine, UINT64_MAX, result);
    char_backend_flush(machine->console, 1000);
}

void metic_run_for(metic_machine *machine, uint64_t insns, struct metic_result *result)
{
    run(machine, insns, result);
}

void metic_when_running(metic_machine *machine, void (*running)(void *opaque), void *opaque)
{
    machine->running = running;
    machine->running_opaque = opaque;
}

void metic_stop(metic_machine *machine)
{
    machine_event(machine, MACHINE_EVENT_STOP);
}

/* Running on the virtual clock: the calling thread runs the harts in turns.
 *
 * A turn ends for all harts at the same guest time, which is at most TURN_NS away and never after
 * the next timer; a hart's own time within a turn is its instruction count, one instruction per ns.
 * So everything is a function of the instruction counts. */
#include "hw/machine/machine_run.h"

#include "translate/probe/probe.h"

#include <poll.h>

enum {
    TURN_NS_ONE_HART = 1000000,
    TURN_NS = 20000,
};

/* Makes the running hart's turn end at `ns` when that is earlier. */
static void shorten_turn(struct metic_machine *machine, u64 ns)
{
    if (!machine->in_turn || ns >= machine->turn_end_ns) {
        return;
    }
    struct vcpu *vcpu = machine->engine->vcpus[machine->turn_hart];
    u64 start_ns = machine->hart_ns[machine->turn_hart];
    u64 ran = vcpu->insns - machine->hart_start_insns[machine->turn_hart];
    u64 budget = ns > start_ns ? ns - start_ns : 0;
    machine->turn_end_ns = ns > start_ns + ran ? ns : start_ns + ran;
    u64 limit = machine->hart_start_insns[machine->turn_hart] + (budget > ran ? budget : ran);
    if (limit < vcpu->limit_insns) {
        vcpu->limit_insns = limit;
        if (atomic_load(&vcpu->deadline) > limit) {
            atomic_store(&vcpu->deadline, limit);
        }
    }
}

/* The clock tells of every earlier deadline, whichever device armed it. */
static void on_deadline_changed(void *opaque, u64 deadline_ns)
{
    shorten_turn(opaque, deadline_ns);
}

static u64 earliest_ns(const struct metic_machine *machine)
{
    u64 earliest = UINT64_MAX;
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        earliest = machine->hart_ns[i] < earliest ? machine->hart_ns[i] : earliest;
    }
    return earliest;
}

/* The hart's instruction count at which the machine is to stop (machine_pause), or UINT64_MAX. */
static u64 pause_insns(const struct metic_machine *machine, unsigned index)
{
    const struct machine_pause *pause = &machine->pause;
    u64 total = machine_total_insns(machine);
    u64 insns = machine->engine->vcpus[index]->insns;
    u64 most = pause->total_insns == UINT64_MAX ? UINT64_MAX
               : pause->total_insns > total     ? insns + (pause->total_insns - total)
                                                : insns;
    return index == pause->hart && pause->hart_insns < most ? pause->hart_insns : most;
}

/* Runs one hart until turn_end_ns of its own time, a wait, or its stop. False when it stopped for
 * a debugger before, or where the machine pauses. */
static bool hart_turn(struct metic_machine *machine, unsigned index)
{
    struct vcpu *vcpu = machine->engine->vcpus[index];
    u64 left_ns = machine->turn_end_ns - machine->hart_ns[index];
    u64 limit = vcpu->insns + left_ns;
    u64 stop_insns = machine->hart_stop_insns[index];
    u64 pause = pause_insns(machine, index);
    limit = stop_insns < limit ? stop_insns : limit;
    limit = pause < limit ? pause : limit;
    machine->turn_hart = index;
    machine->hart_start_insns[index] = vcpu->insns;
    vcpu->limit_insns = limit;
    atomic_store(&vcpu->deadline, 0); /* look at everything before the first block */
    machine->in_turn = true;
    if (machine->engine->vcpu_count > 1) {
        probe_turn(vcpu, machine->turn_start_ns);
    }
    enum engine_stop stop = engine_run(vcpu);
    machine->in_turn = false;
    machine->hart_waits[index] = stop == ENGINE_STOP_WAIT;
    u64 ran = vcpu->insns - machine->hart_start_insns[index];
    machine->hart_ns[index] += ran;
    bool idle = machine->hart_waits[index] || stop == ENGINE_STOP_STUCK ||
                vcpu->empty_traps >= vcpu->limit_traps; /* then only time passes */
    if (idle && machine->hart_ns[index] < machine->turn_end_ns) {
        machine->hart_ns[index] = machine->turn_end_ns;
    }
    machine->pause.reached = stop != ENGINE_STOP_DEBUG && vcpu->insns >= pause;
    return stop != ENGINE_STOP_DEBUG && !machine->pause.reached;
}

/* What the guest waits for may be another computer's answer, and a jump would be the timeout. So
 * idle time passes as fast as the host's while a connection is open: true when something came. */
static bool heard_meanwhile(struct metic_machine *machine, u64 deadline_ns)
{
    u64 idle_ms = (deadline_ns - earliest_ns(machine)) / 1000000;
    struct pollfd wake = { .fd = machine->wake_fd, .events = POLLIN };
    return poll(&wake, 1, idle_ms < IDLE_POLL_MS ? (int)idle_ms : IDLE_POLL_MS) > 0;
}

/* When nobody has anything to do, time jumps to the next timer. False: there is none. */
static bool skip_idle_time(struct metic_machine *machine)
{
    u64 deadline = clock_next_deadline_ns(&machine->clock);
    if (journal_take_waited(machine->journal, earliest_ns(machine))) {
        return true;
    }
    if (deadline == CLOCK_NEVER_NS) {
        return false;
    }
    if (!journal_is_past(machine->journal) && machine_has_connections(machine) &&
        heard_meanwhile(machine, deadline)) {
        journal_put_waited(machine->journal, earliest_ns(machine));
        return true;
    }
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        if (machine->hart_ns[i] < deadline) {
            machine->hart_ns[i] = deadline;
        }
    }
    return true;
}

static bool nobody_can_run(const struct metic_machine *machine)
{
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        const struct vcpu *vcpu = machine->engine->vcpus[i];
        if (!machine_is_held(machine, i) &&
            (!machine->hart_waits[i] || atomic_load(&vcpu->requests) != 0)) {
            return false;
        }
    }
    return true;
}

static void print_digest(struct metic_machine *machine)
{
    u64 every = machine->options.digest_every;
    u64 total = machine_total_insns(machine);
    if (every == 0 || total < machine->next_digest) {
        return;
    }
    machine->next_digest = (total / every + 1) * every;
    if (journal_is_past(machine->journal)) {
        return; /* it was printed then */
    }
    fprintf(stderr, "digest %llu %016llx\n", (unsigned long long)total,
            (unsigned long long)metic_digest(machine));
}

static void turn_begin(struct metic_machine *machine)
{
    u64 now = earliest_ns(machine);
    clock_set_virtual_ns(&machine->clock, now);
    clock_run_expired(&machine->clock);
    u64 length = machine->engine->vcpu_count == 1 ? TURN_NS_ONE_HART : TURN_NS;
    if (machine->in_reset) {
        length = FIRST_INSNS; /* of 1 ns each */
        machine->in_reset = false;
    }
    u64 deadline = clock_next_deadline_ns(&machine->clock);
    machine->turn_start_ns = now;
    machine->turn_end_ns = now + length;
    if (deadline > now && deadline < machine->turn_end_ns) {
        machine->turn_end_ns = deadline;
    }
    machine->turn_open = true;
    machine->turn_next = 0;
}

static bool is_too_late(struct metic_machine *machine)
{
    const struct machine_pause *pause = &machine->pause;
    bool late = !machine->turn_open && pause->last_ns != 0 &&
                earliest_ns(machine) > pause->last_ns;
    machine->pause.reached |= late;
    return late;
}

/* One turn of every hart, or the rest of one in which a debugger stopped: so a run is the same with
 * and without one. False when it stops now. */
static bool turn(struct metic_machine *machine)
{
    if (!machine->turn_open) {
        turn_begin(machine);
    }
    for (; machine->turn_next < machine->engine->vcpu_count; machine->turn_next++) {
        unsigned i = machine->turn_next;
        if (machine->hart_ns[i] >= machine->turn_end_ns) {
            continue;
        }
        if (machine_is_held(machine, i)) {
            machine_history_held(machine);
            machine->hart_ns[i] = machine->turn_end_ns;
        } else if (!hart_turn(machine, i)) {
            return false;
        }
    }
    machine->turn_open = false;
    clock_set_virtual_ns(&machine->clock, earliest_ns(machine));
    return true;
}

/* Some hart has come to its end. The others do not go on alone: their time would leave its
 * behind. */
static bool stop_reached(const struct metic_machine *machine)
{
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        const struct vcpu *vcpu = machine->engine->vcpus[i];
        if (vcpu->insns >= machine->hart_stop_insns[i] || vcpu->empty_traps >= vcpu->limit_traps) {
            return true;
        }
    }
    return false;
}

/* Waits for input from outside. False when none can come. */
static bool wait_for_input(struct metic_machine *machine)
{
    if (!machine_may_hear(machine)) {
        return false;
    }
    struct pollfd wake = { .fd = machine->wake_fd, .events = POLLIN };
    poll(&wake, 1, IDLE_POLL_MS);
    journal_put_waited(machine->journal, earliest_ns(machine));
    return true;
}

void machine_run_virtual(struct metic_machine *machine, struct metic_result *result)
{
    if (!machine_serve(machine, result)) {
        return;
    }
    machine->clock.deadline_changed = on_deadline_changed;
    machine->clock.deadline_opaque = machine;
    if (machine_total_insns(machine) == 0 &&
        (journal_is_recording(machine->journal) || journal_is_replay(machine->journal))) {
        journal_begin(machine->journal, machine_identity(machine));
    }
    for (;;) {
        u32 events = atomic_exchange(&machine->events, 0);
        if (machine_events_end(machine, events, result)) {
            return;
        }
        if (events & MACHINE_EVENT_RESET) {
            struct metic_error error;
            if (!machine_reset(machine, &error)) {
                machine_finish(result, METIC_STOPPED, 125, error.what);
                return;
            }
        }
        machine_drain_wakes(machine);
        machine_history_due(machine);
        if ((events & MACHINE_EVENT_BREAK) == 0 && machine_wants_stand(machine)) {
            machine_stand(machine);
            continue;
        }
        typist_look(machine->typist);
        if (!machine->turn_open &&
            !journal_deliver(machine->journal, machine_total_insns(machine))) {
            machine_finish(result, METIC_DIVERGED, 92, "the replay ended or did not fit");
            return;
        }
        if ((events & MACHINE_EVENT_BREAK) || is_too_late(machine) || !turn(machine)) {
            machine_finish(result, METIC_BREAK, 0, "stopped for a debugger");
            return;
        }
        print_digest(machine);
        machine_call_due(machine);
        if (machine->video != NULL) {
            video_sample(machine->video);
        }
        if (stop_reached(machine)) {
            if (!machine_limits_end(machine, result)) {
                machine_finish(result, METIC_TURN_OVER, 0, "the turn is over");
            }
            return;
        }
        if (nobody_can_run(machine) && !skip_idle_time(machine) &&
            atomic_load(&machine->events) == 0 &&
            journal_next_insns(machine->journal) == UINT64_MAX && !wait_for_input(machine)) {
            machine_finish_idle(machine, result);
            return;
        }
    }
}

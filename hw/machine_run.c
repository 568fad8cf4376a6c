/* Running a machine until something ends it.
 *
 * Real clock: one host thread per hart; the calling thread waits for events. Virtual clock: the
 * calling thread runs the harts in turns. A turn ends for all harts at the same guest time, which
 * is at most TURN_NS away and never after the next timer; a hart's own time within a turn is its
 * instruction count, one instruction per ns. So everything is a function of the instruction
 * counts. */
#include "hw/machine.h"

#include "cpu/guest.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    TURN_NS_ONE_HART = 1000000,
    TURN_NS = 20000,
    FIRST_INSNS = 512, /* each hart's, before any hart runs on */
    HTIF_POLL_MS = 2,
    IDLE_POLL_MS = 250,
    IDLE_POLLS = 8, /* this many quiet looks in a row make a machine idle for ever */
};

u64 machine_total_insns(const struct metic_machine *machine)
{
    u64 total = 0;
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        total += machine->engine->vcpus[i]->insns;
    }
    return total;
}

/* --- time --- */

static bool is_virtual(const struct metic_machine *machine)
{
    return machine->options.clock == METIC_CLOCK_VIRTUAL;
}

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

/* The clock tells of every earlier deadline, whichever device armed it. */
static void on_deadline_changed(void *opaque, u64 deadline_ns)
{
    shorten_turn(opaque, deadline_ns);
}

/* --- ends --- */

static void finish(struct metic_machine *machine, struct metic_result *result,
                   enum metic_reason reason, int exit_status, const char *text)
{
    result->reason = reason;
    result->exit_status = exit_status;
    result->insns = machine_total_insns(machine);
    snprintf(result->text, sizeof(result->text), "%s", text);
}

/* Ends the run when one of the options' limits was reached. */
static bool limits_end(struct metic_machine *machine, struct metic_result *result)
{
    const struct metic_options *options = &machine->options;
    if (options->limit_ns != 0 && clock_now_ns(&machine->clock) >= options->limit_ns) {
        finish(machine, result, METIC_LIMIT, 124, "the limit was reached");
        return true;
    }
    for (unsigned i = 0; options->limit_insns != 0 && i < machine->engine->vcpu_count; i++) {
        const struct vcpu *vcpu = machine->engine->vcpus[i];
        if (vcpu->insns >= options->limit_insns) {
            finish(machine, result, METIC_LIMIT, 124, "the limit was reached");
            return true;
        }
        if (vcpu->empty_traps >= options->limit_insns) {
            char text[sizeof(result->text)];
            snprintf(text, sizeof(text), "the limit was reached: hart %u took %llu traps in a row "
                     "without executing an instruction; its trap handler at 0x%llx cannot run", i,
                     (unsigned long long)vcpu->empty_traps, (unsigned long long)vcpu->pc);
            finish(machine, result, METIC_LIMIT, 124, text);
            return true;
        }
    }
    return false;
}

static void finish_idle(struct metic_machine *machine, struct metic_result *result)
{
    char text[sizeof(result->text)];
    unsigned harts = machine->engine->vcpu_count;
    snprintf(text, sizeof(text), "the guest waits for what cannot come: %s for an interrupt, with "
             "no timer set and no more input; hart 0 is at pc 0x%llx",
             harts == 1 ? "its hart waits" : "all harts wait",
             (unsigned long long)machine->engine->vcpus[0]->pc);
    finish(machine, result, METIC_IDLE, 91, text);
}

/* The host-target interface of Berkeley's tests: a doubleword the guest writes. */
static bool htif_ended(struct metic_machine *machine, struct metic_result *result)
{
    u64 address = machine->boot.htif_tohost;
    u64 value = 0;
    u64 zero = 0;
    if (address == 0 || !memory_dma_read(&machine->memory, address, &value, sizeof(value)) ||
        value == 0) {
        return false;
    }
    u8 device = (u8)(value >> 56);
    u8 command = (u8)(value >> 48);
    if (device == 0 && (value & 1)) {
        result->status = (unsigned)(value >> 1);
        finish(machine, result, METIC_POWEROFF, (int)(result->status & 0xff),
               result->status == 0 ? "the program passed" : "the program failed");
        return true;
    }
    if (device == 1 && command == 1) {
        u8 byte = (u8)value;
        char_port_write(machine->uart, &byte, 1);
    }
    memory_dma_write(&machine->memory, address, &zero, sizeof(zero));
    if (machine->boot.htif_fromhost != 0) {
        u64 reply = 1;
        memory_dma_write(&machine->memory, machine->boot.htif_fromhost, &reply, sizeof(reply));
    }
    return false;
}

/* Looks at events in the order in which they matter. Returns true when the run is over. RESET is
 * left for the caller. */
static bool events_end(struct metic_machine *machine, u32 events, struct metic_result *result)
{
    if (htif_ended(machine, result)) {
        return true;
    }
    if (events & MACHINE_EVENT_POWEROFF) {
        result->status = machine->poweroff_code;
        finish(machine, result, METIC_POWEROFF, (int)(machine->poweroff_code & 0xff),
               "the guest powered off");
        return true;
    }
    if ((events & MACHINE_EVENT_PANIC) ||
        ((events & MACHINE_EVENT_RESET) && machine->panic.started)) {
        finish(machine, result, METIC_PANIC, 90, "the guest's kernel panicked");
        return true;
    }
    if (events & MACHINE_EVENT_STOP) {
        finish(machine, result, METIC_STOPPED, 0, "stopped from outside");
        return true;
    }
    if (events & MACHINE_EVENT_QUIT) {
        finish(machine, result, METIC_STOPPED, 0, "ended with Ctrl-A X");
        return true;
    }
    if (events & MACHINE_EVENT_HANGUP) {
        finish(machine, result, METIC_STOPPED, 128 + SIGHUP, "the terminal was closed");
        return true;
    }
    if (limits_end(machine, result)) {
        return true;
    }
    if (journal_diverged(machine->journal)) {
        finish(machine, result, METIC_DIVERGED, 92, "the replay did not fit");
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

/* After the harts stopped: power-on state, images again. */
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
    return machine_place(machine, error);
}

static void drain_wakes(struct metic_machine *machine)
{
    u64 count;
    ssize_t got = read(machine->wake_fd, &count, sizeof(count));
    (void)got;
}

/* --- real clock --- */

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
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* a guest's timers are meant exactly */
    note_stop(machine, engine_run(vcpu));
    return NULL;
}

static void threads_stop(struct metic_machine *machine)
{
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        vcpu_kick(machine->engine->vcpus[i], VCPU_REQUEST_STOP);
    }
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
    sigset_t all, before;
    bool ok = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals go to the caller's thread */
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

static bool every_hart_waits(const struct metic_machine *machine)
{
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        if (!atomic_load(&machine->engine->vcpus[i]->waiting)) {
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
        return HTIF_POLL_MS;
    }
    return machine->options.limit_ns != 0 ? 10 : IDLE_POLL_MS;
}

static void run_real(struct metic_machine *machine, struct metic_result *result)
{
    unsigned quiet = 0;
    struct metic_error refusal;
    clock_start(&machine->clock);
    leave_reset(machine);
    if (!threads_start(machine, &refusal)) {
        clock_stop(&machine->clock);
        finish(machine, result, METIC_STOPPED, 125, refusal.what);
        return;
    }
    for (;;) {
        struct pollfd wake = { .fd = machine->wake_fd, .events = POLLIN };
        poll(&wake, 1, real_poll_ms(machine));
        drain_wakes(machine);
        u32 events = atomic_exchange(&machine->events, 0);
        if (events_end(machine, events, result)) {
            break;
        }
        if (events & MACHINE_EVENT_RESET) {
            struct metic_error error;
            threads_stop(machine);
            bool placed = machine_reset(machine, &error);
            if (placed) {
                leave_reset(machine);
            }
            if (!placed || !threads_start(machine, &error)) {
                finish(machine, result, METIC_STOPPED, 125, error.what);
                clock_stop(&machine->clock);
                return;
            }
        }
        if (events & (MACHINE_EVENT_BREAK | MACHINE_EVENT_DEBUG)) {
            finish(machine, result, METIC_BREAK, 0, "stopped for a debugger");
            break;
        }
        if (events & MACHINE_EVENT_HART) {
            finish(machine, result, METIC_TURN_OVER, 0, "the turn is over");
            break;
        }
        quiet = looks_dead(machine) ? quiet + 1 : 0;
        if (quiet == IDLE_POLLS) {
            finish_idle(machine, result);
            break;
        }
    }
    if (machine->console != NULL && result->reason != METIC_TURN_OVER &&
        result->reason != METIC_BREAK) {
        char_backend_stop_waiting(machine->console);
    }
    threads_stop(machine);
    clock_stop(&machine->clock);
    if (result->reason == METIC_TURN_OVER) {
        limits_end(machine, result);
    }
}

/* --- virtual clock --- */

static u64 earliest_ns(const struct metic_machine *machine)
{
    u64 earliest = UINT64_MAX;
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        earliest = machine->hart_ns[i] < earliest ? machine->hart_ns[i] : earliest;
    }
    return earliest;
}

/* Runs one hart until turn_end_ns of its own time, a wait, or its stop. False when it stopped for
 * a debugger before. */
static bool hart_turn(struct metic_machine *machine, unsigned index)
{
    struct vcpu *vcpu = machine->engine->vcpus[index];
    u64 left_ns = machine->turn_end_ns - machine->hart_ns[index];
    u64 limit = vcpu->insns + left_ns;
    u64 stop_insns = machine->hart_stop_insns[index];
    limit = stop_insns < limit ? stop_insns : limit;
    machine->turn_hart = index;
    machine->hart_start_insns[index] = vcpu->insns;
    vcpu->limit_insns = limit;
    atomic_store(&vcpu->deadline, 0); /* look at everything before the first block */
    machine->in_turn = true;
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
    return stop != ENGINE_STOP_DEBUG;
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
    if (deadline == CLOCK_NEVER_NS) {
        return false;
    }
    if (machine->net != NULL && net_port_may_receive(machine->net) &&
        heard_meanwhile(machine, deadline)) {
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
    machine->turn_end_ns = now + length;
    if (deadline > now && deadline < machine->turn_end_ns) {
        machine->turn_end_ns = deadline;
    }
    machine->turn_open = true;
    machine->turn_next = 0;
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
    return true;
}

static void run_virtual(struct metic_machine *machine, struct metic_result *result)
{
    machine->clock.deadline_changed = on_deadline_changed;
    machine->clock.deadline_opaque = machine;
    for (;;) {
        u32 events = atomic_exchange(&machine->events, 0);
        if (events_end(machine, events, result)) {
            return;
        }
        if (events & MACHINE_EVENT_RESET) {
            struct metic_error error;
            if (!machine_reset(machine, &error)) {
                finish(machine, result, METIC_STOPPED, 125, error.what);
                return;
            }
        }
        drain_wakes(machine);
        if (!machine->turn_open &&
            !journal_deliver(machine->journal, machine_total_insns(machine))) {
            finish(machine, result, METIC_DIVERGED, 92, "the replay ended or did not fit");
            return;
        }
        if ((events & MACHINE_EVENT_BREAK) || !turn(machine)) {
            finish(machine, result, METIC_BREAK, 0, "stopped for a debugger");
            return;
        }
        print_digest(machine);
        if (stop_reached(machine)) {
            if (!limits_end(machine, result)) {
                finish(machine, result, METIC_TURN_OVER, 0, "the turn is over");
            }
            return;
        }
        if (nobody_can_run(machine) && !skip_idle_time(machine) &&
            atomic_load(&machine->events) == 0 &&
            journal_next_insns(machine->journal) == UINT64_MAX && !wait_for_input(machine)) {
            finish_idle(machine, result);
            return;
        }
    }
}

/* --- doors --- */

static void run(struct metic_machine *machine, u64 insns, struct metic_result *result)
{
    memset(result, 0, sizeof(*result));
    if (machine_debug_begin(machine)) {
        finish(machine, result, METIC_BREAK, 0, "stopped for a debugger");
        return;
    }
    set_limits(machine, insns);
    if (is_virtual(machine)) {
        run_virtual(machine, result);
    } else {
        run_real(machine, result);
    }
    machine_debug_end(machine);
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

void metic_stop(metic_machine *machine)
{
    machine_event(machine, MACHINE_EVENT_STOP);
}

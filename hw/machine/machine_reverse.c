/* Running backwards (metic.h, "a history"): to the moment before, and forward from there to where
 * the machine is to be. All harts take turns on one thread, so how many instructions they have
 * executed together says which of all the machine's states is meant; but for traps, which retire
 * nothing: then the pc of the hart in question tells which.
 *
 * Going back to a breakpoint runs each stretch between two moments with all breakpoints, from the
 * last to the first, and takes the last stop of the first stretch that has any. */
#include "hw/machine/machine_history.h"
#include "hw/machine/machine_run.h"

#include <stdlib.h>
#include <string.h>

enum {
    NEAR_INSNS = 1000000, /* a moment is kept so close before a place that is gone to */
    LONGEST_INSNS = 64,   /* that are executed as if they were one: a loop of lr and sc */
    MAX_STEPS = 4 * LONGEST_INSNS, /* that a hart makes in so many, traps among them */
    OWNER = 1 << 6,       /* of breakpoints of our own */
};

struct place {
    u64 insns; /* of all harts */
    unsigned hart;
    gva_t pc;  /* the hart's */
    u64 last_ns; /* guest time of the hart that is furthest; not 0 */
};

static struct place here(const struct metic_machine *machine, unsigned hart)
{
    u64 last_ns = 1;
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        last_ns = machine->hart_ns[i] > last_ns ? machine->hart_ns[i] : last_ns;
    }
    return (struct place){machine_total_insns(machine), hart, machine->engine->vcpus[hart]->pc,
                          last_ns};
}

/* A debugger's lists while they are not to count. */
struct aside {
    struct debug_break *breaks;
    struct debug_watch *watches;
    unsigned break_count, watch_count;
    bool stops_before;
};

static struct aside set_aside(struct metic_machine *machine)
{
    struct debug *debug = &machine->engine->debug;
    struct aside aside = {debug->breaks, debug->watches, debug->break_count, debug->watch_count,
                          debug->stops_before};
    debug->breaks = NULL;
    debug->watches = NULL;
    debug->break_count = debug->watch_count = 0;
    debug->stops_before = false;
    return aside;
}

static void put_back(struct metic_machine *machine, const struct aside *aside)
{
    struct debug *debug = &machine->engine->debug;
    free(debug->breaks);
    free(debug->watches);
    debug->breaks = aside->breaks;
    debug->watches = aside->watches;
    debug->break_count = aside->break_count;
    debug->watch_count = aside->watch_count;
}

/* Runs until the pause, or a little further where it is between two instructions that are executed
 * as one. False: something else came first. */
static bool run_to(struct metic_machine *machine, const struct machine_pause *pause,
                   struct metic_result *result)
{
    machine->pause = *pause;
    machine_run_piece(machine, UINT64_MAX, result);
    bool reached = result->reason == METIC_BREAK && machine->pause.reached;
    machine->pause = (struct machine_pause){.total_insns = UINT64_MAX, .hart_insns = UINT64_MAX};
    return reached;
}

static bool run_to_total(struct metic_machine *machine, u64 insns, struct metic_result *result)
{
    const struct machine_pause pause = {.total_insns = insns, .hart_insns = UINT64_MAX};
    return machine_total_insns(machine) == insns || run_to(machine, &pause, result);
}

static bool run_to_hart(struct metic_machine *machine, unsigned hart, u64 insns,
                        struct metic_result *result)
{
    const struct machine_pause pause = {.total_insns = UINT64_MAX, .hart_insns = insns,
                                        .hart = hart};
    return machine->engine->vcpus[hart]->insns == insns || run_to(machine, &pause, result);
}

/* One step of one hart, the others run meanwhile as they would. False also when it makes none until
 * that guest time: where a debugger has put it elsewhere since, it may wait for ever here. */
static bool step(struct metic_machine *machine, unsigned hart, u64 last_ns,
                 struct metic_result *result)
{
    metic_set_action(machine, hart, METIC_STEP, 1, 0);
    machine->pause.last_ns = last_ns;
    machine->pause.reached = false;
    machine_run_piece(machine, UINT64_MAX, result);
    machine->pause.last_ns = 0;
    return result->reason == METIC_BREAK && machine->stop.kind == METIC_STOP_STEP;
}

/* Nobody waits long for the next place near this one. */
static bool load_near(struct metic_machine *machine, u64 insns, struct metic_result *result)
{
    struct machine_history *history = machine->history;
    int moment = history_find(history, insns);
    if (moment < 0 || !history_load(machine, (unsigned)moment)) {
        return false;
    }
    if (insns - history->moments[moment]->insns > 2 * NEAR_INSNS) {
        if (!run_to_total(machine, insns - NEAR_INSNS, result)) {
            return false;
        }
        history_keep(machine, false);
    }
    return true;
}

/* To a place between two instructions that are executed as one, but for a breakpoint there. */
static bool go_between(struct metic_machine *machine, const struct place *place,
                       struct metic_result *result)
{
    const struct vcpu *vcpu = machine->engine->vcpus[place->hart];
    bool arrived = load_near(machine, place->insns, result);
    debug_break_set(machine->engine, place->pc, OWNER);
    while (arrived &&
           (machine_total_insns(machine) != place->insns || vcpu->pc != place->pc)) {
        machine_run_piece(machine, UINT64_MAX, result);
        arrived = result->reason == METIC_BREAK && machine->stop.kind == METIC_STOP_BREAKPOINT &&
                  machine_total_insns(machine) <= place->insns;
    }
    debug_break_clear(machine->engine, place->pc, OWNER);
    return arrived;
}

static bool go_to(struct metic_machine *machine, const struct place *place,
                  struct metic_result *result)
{
    if (!load_near(machine, place->insns, result) ||
        !run_to_total(machine, place->insns, result)) {
        return false;
    }
    if (machine_total_insns(machine) > place->insns) {
        return go_between(machine, place, result);
    }
    const struct vcpu *vcpu = machine->engine->vcpus[place->hart];
    for (unsigned i = 0; i < MAX_STEPS && vcpu->pc != place->pc; i++) {
        if (!step(machine, place->hart, place->last_ns, result)) {
            return false;
        }
        if (machine_total_insns(machine) != place->insns) { /* it was no trap */
            return load_near(machine, place->insns, result) &&
                   run_to_total(machine, place->insns, result);
        }
    }
    return true;
}

static void stopped(struct metic_machine *machine, const struct metic_stop *stop,
                    struct metic_result *result)
{
    machine->stop = *stop;
    if (stop->kind == METIC_STOP_BREAKPOINT) {
        debug_moved(machine->engine, stop->hart, true);
    }
    machine_finish(result, METIC_BREAK, 0, "stopped for a debugger");
}

static void go_to_begin(struct metic_machine *machine, unsigned hart, struct metic_result *result)
{
    const struct metic_stop stop = {.kind = METIC_STOP_BEGIN, .hart = hart};
    if (machine->history->count > 0 && history_load(machine, 0)) {
        stopped(machine, &stop, result);
    }
}

/* --- one instruction --- */

/* From where the hart had executed all but its last instruction: the last place before `now`. */
static bool find_step(struct metic_machine *machine, const struct place *now, u64 hart_insns,
                      struct place *before, struct metic_result *result)
{
    const struct vcpu *vcpu = machine->engine->vcpus[now->hart];
    *before = here(machine, now->hart);
    for (unsigned i = 0; i < MAX_STEPS; i++) {
        gva_t pc = vcpu->pc;
        u64 executed = vcpu->insns;
        if (!step(machine, now->hart, now->last_ns, result)) {
            return result->reason == METIC_BREAK && machine->pause.reached;
        }
        struct place after = here(machine, now->hart);
        *before = (struct place){after.insns - (vcpu->insns - executed), now->hart, pc,
                                 now->last_ns};
        if ((vcpu->insns == hart_insns && after.pc == now->pc) || vcpu->insns > hart_insns ||
            after.insns > now->insns) {
            return true;
        }
    }
    return true;
}

/* To where the hart has so many instructions to go until it has executed what it has now. False:
 * the history does not go back so far (`result` as it was), or something else came. */
static bool go_before(struct metic_machine *machine, unsigned hart, u64 executed, u64 back,
                      struct metic_result *result)
{
    struct machine_history *history = machine->history;
    u64 wanted = executed > back ? executed - back : 0;
    int moment = history_find_hart(history, hart, wanted);
    moment = moment < 0 && history_find_hart(history, hart, executed - 1) >= 0 ? 0 : moment;
    if (moment < 0 || !history_load(machine, (unsigned)moment)) {
        return false;
    }
    u64 there = history->moments[moment]->hart_insns[hart];
    if (there >= wanted) {
        return true;
    }
    if (wanted - there > 2 * NEAR_INSNS) {
        if (!run_to_hart(machine, hart, wanted - NEAR_INSNS, result)) {
            return false;
        }
        history_keep(machine, false);
    }
    return run_to_hart(machine, hart, wanted, result);
}

static void step_back(struct metic_machine *machine, unsigned hart, struct metic_result *result)
{
    const struct metic_stop stop = {.kind = METIC_STOP_STEP, .hart = hart};
    const struct vcpu *vcpu = machine->engine->vcpus[hart];
    u64 executed = vcpu->insns;
    struct place now = here(machine, hart), before;
    if (executed == 0 || history_find_hart(machine->history, hart, executed - 1) < 0) {
        go_to_begin(machine, hart, result);
        return;
    }
    bool there = go_before(machine, hart, executed, 1, result);
    if (there && vcpu->insns >= executed) { /* the last ones were executed as one */
        there = go_before(machine, hart, executed, LONGEST_INSNS, result);
    }
    if (there && find_step(machine, &now, executed, &before, result) &&
        go_to(machine, &before, result)) {
        stopped(machine, &stop, result);
    }
}

/* --- to a breakpoint --- */

struct hit {
    bool found;
    struct place place;
    struct metic_stop stop;
};

/* Runs to a place with all breakpoints, and remembers the last stop before it. False: it did not
 * come there. */
static bool scan(struct metic_machine *machine, u64 end_insns, const struct aside *lists,
                 struct hit *hit, struct metic_result *result)
{
    put_back(machine, lists);
    while (!run_to_total(machine, end_insns, result)) {
        u64 insns = machine_total_insns(machine);
        if (result->reason != METIC_BREAK || machine->stop.kind == METIC_STOP_OUTSIDE) {
            set_aside(machine);
            return false;
        }
        if (insns > end_insns) {
            break;
        }
        *hit = (struct hit){true, here(machine, machine->stop.hart), machine->stop};
        if (insns == end_insns) {
            break; /* behind an access that was the last thing done before */
        }
    }
    set_aside(machine);
    return true;
}

static void run_back(struct metic_machine *machine, unsigned hart, const struct aside *lists,
                     struct metic_result *result)
{
    struct machine_history *history = machine->history;
    u64 end_insns = machine_total_insns(machine);
    struct hit hit = {.found = false};
    for (int i = history_find(history, end_insns); i >= 0 && !hit.found; i--) {
        u64 begin_insns = history->moments[i]->insns;
        if (begin_insns == end_insns) {
            continue;
        }
        if (!history_load(machine, (unsigned)i) ||
            !scan(machine, end_insns, lists, &hit, result)) {
            return;
        }
        end_insns = begin_insns;
    }
    if (!hit.found) {
        go_to_begin(machine, hart, result);
    } else if (go_to(machine, &hit.place, result)) {
        stopped(machine, &hit.stop, result);
    }
}

void metic_run_back(metic_machine *machine, unsigned hart, enum metic_back how,
                    struct metic_result *result)
{
    memset(result, 0, sizeof(*result));
    hart = hart < machine->engine->vcpu_count ? hart : 0;
    if (machine->history == NULL) {
        machine->stop = (struct metic_stop){.kind = METIC_STOP_BEGIN, .hart = hart};
        machine_finish(result, METIC_BREAK, 0, "there is no history");
        return;
    }
    struct aside aside = set_aside(machine);
    machine_finish(result, METIC_STOPPED, 125, "the machine could not be put back");
    machine->stop = (struct metic_stop){.kind = METIC_STOP_OUTSIDE};
    history_settle(machine);
    if (how == METIC_BACK_STEP) {
        step_back(machine, hart, result);
    } else {
        run_back(machine, hart, &aside, result);
    }
    put_back(machine, &aside);
    machine->engine->debug.stops_before = aside.stops_before;
    result->insns = machine_total_insns(machine);
}

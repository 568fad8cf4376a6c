/* What may be asked of a machine while it runs: calls, pause, buttons; and what it tells of
 * itself. */
#include "hw/machine/machine_run.h"

#include <errno.h>
#include <poll.h>

/* One metic_call, on its caller's stack. */
struct machine_call {
    struct machine_call *next;
    void (*call)(metic_machine *machine, void *opaque);
    void *opaque;
    bool done, refused;
};

enum { BUTTON_RESET = 'r', BUTTON_POWER = 'p' };

/* --- buttons --- */

static void on_button(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct metic_machine *machine = opaque;
    for (size_t i = 0; i < size_bytes; i++) {
        if (bytes[i] == BUTTON_RESET) {
            machine_event(machine, MACHINE_EVENT_RESET);
        } else if (bytes[i] == BUTTON_POWER) {
            board_press_power(machine->board);
        }
    }
}

void machine_control_init(struct metic_machine *machine)
{
    pthread_mutex_init(&machine->control.lock, NULL);
    pthread_mutex_init(&machine->control.event_lock, NULL);
    pthread_cond_init(&machine->control.done, NULL);
    machine->control.last = &machine->control.first;
    machine->control.at_insns = UINT64_MAX;
    machine->pause = (struct machine_pause){.total_insns = UINT64_MAX, .hart_insns = UINT64_MAX};
}

void machine_control_start(struct metic_machine *machine)
{
    machine->control.buttons = (struct journal_source){
        .name = "buttons", .deliver = on_button, .opaque = machine};
    journal_add_source(machine->journal, &machine->control.buttons);
}

void machine_control_fini(struct metic_machine *machine)
{
    if (machine->journal != NULL && machine->control.buttons.deliver != NULL) {
        journal_remove_source(machine->journal, &machine->control.buttons);
    }
    pthread_cond_destroy(&machine->control.done);
    pthread_mutex_destroy(&machine->control.lock);
    pthread_mutex_destroy(&machine->control.event_lock);
}

static void press(struct metic_machine *machine, u8 button)
{
    journal_input(machine->journal, &machine->control.buttons, &button, 1);
}

void metic_press_reset(metic_machine *machine)
{
    press(machine, BUTTON_RESET);
}

void metic_press_power(metic_machine *machine)
{
    machine_tell(machine, METIC_EVENT_POWERDOWN);
    press(machine, BUTTON_POWER);
}

/* --- events --- */

void metic_set_events(metic_machine *machine,
                      void (*event)(void *opaque, enum metic_event event, const char *detail),
                      void *opaque)
{
    pthread_mutex_lock(&machine->control.event_lock);
    machine->control.event = event;
    machine->control.event_opaque = opaque;
    pthread_mutex_unlock(&machine->control.event_lock);
}

void machine_tell_more(struct metic_machine *machine, enum metic_event event, const char *detail)
{
    pthread_mutex_lock(&machine->control.event_lock);
    if (machine->control.event != NULL) {
        machine->control.event(machine->control.event_opaque, event, detail);
    }
    pthread_mutex_unlock(&machine->control.event_lock);
}

void machine_tell(struct metic_machine *machine, enum metic_event event)
{
    machine_tell_more(machine, event, "");
}

/* --- calls --- */

bool metic_call(metic_machine *machine, void (*call)(metic_machine *machine, void *opaque),
                void *opaque)
{
    struct machine_control *control = &machine->control;
    struct machine_call mine = {.call = call, .opaque = opaque};
    pthread_mutex_lock(&control->lock);
    if (control->ended) {
        pthread_mutex_unlock(&control->lock);
        return false;
    }
    *control->last = &mine;
    control->last = &mine.next;
    pthread_mutex_unlock(&control->lock);
    machine_event(machine, MACHINE_EVENT_CALL);
    pthread_mutex_lock(&control->lock);
    while (!mine.done && !mine.refused) {
        pthread_cond_wait(&control->done, &control->lock);
    }
    pthread_mutex_unlock(&control->lock);
    return mine.done;
}

/* Lock held. */
static struct machine_call *take_call(struct machine_control *control)
{
    struct machine_call *call = control->first;
    if (call != NULL) {
        control->first = call->next;
        if (control->first == NULL) {
            control->last = &control->first;
        }
    }
    return call;
}

void metic_serve(metic_machine *machine)
{
    struct machine_control *control = &machine->control;
    atomic_fetch_and(&machine->events, ~(u32)MACHINE_EVENT_CALL);
    pthread_mutex_lock(&control->lock);
    struct machine_call *call;
    while ((call = take_call(control)) != NULL) {
        pthread_mutex_unlock(&control->lock);
        call->call(machine, call->opaque);
        pthread_mutex_lock(&control->lock);
        call->done = true;
        pthread_cond_broadcast(&control->done);
    }
    pthread_mutex_unlock(&control->lock);
}

void metic_end_calls(metic_machine *machine)
{
    struct machine_control *control = &machine->control;
    struct machine_call *call;
    pthread_mutex_lock(&control->lock);
    control->ended = true;
    while ((call = take_call(control)) != NULL) {
        call->refused = true;
    }
    pthread_cond_broadcast(&control->done);
    pthread_mutex_unlock(&control->lock);
}

void metic_call_at(metic_machine *machine, uint64_t insns,
                   void (*call)(metic_machine *machine, void *opaque), void *opaque)
{
    machine->control.at_insns = call != NULL ? insns : UINT64_MAX;
    machine->control.at_call = call;
    machine->control.at_opaque = opaque;
}

bool machine_call_is_due(const struct metic_machine *machine)
{
    return machine->control.at_insns != UINT64_MAX &&
           machine_total_insns(machine) >= machine->control.at_insns;
}

void machine_call_due(struct metic_machine *machine)
{
    struct machine_control *control = &machine->control;
    while (machine_call_is_due(machine)) {
        control->at_insns = UINT64_MAX;
        control->at_call(machine, control->at_opaque);
    }
}

/* --- holding --- */

void metic_hold(metic_machine *machine)
{
    engine_exclusive_begin(machine->engine, NULL);
}

void metic_let_go(metic_machine *machine)
{
    engine_exclusive_end(machine->engine, NULL);
}

/* --- pause --- */

bool metic_pause(metic_machine *machine)
{
    bool before = atomic_exchange(&machine->control.paused, true);
    machine_event(machine, MACHINE_EVENT_CALL);
    return !before;
}

bool metic_resume(metic_machine *machine)
{
    bool before = atomic_exchange(&machine->control.paused, false);
    machine_event(machine, MACHINE_EVENT_CALL);
    return before;
}

bool metic_is_paused(metic_machine *machine)
{
    return atomic_load(&machine->control.paused);
}

/* Events that interrupt a pause, since they end the run or are for its loop. */
enum {
    ENDS_PAUSE = MACHINE_EVENT_STOP | MACHINE_EVENT_QUIT | MACHINE_EVENT_HANGUP |
                 MACHINE_EVENT_BREAK | MACHINE_EVENT_SPOILT | MACHINE_EVENT_RESET,
};

bool machine_wants_stand(struct metic_machine *machine)
{
    struct machine_control *control = &machine->control;
    pthread_mutex_lock(&control->lock);
    bool calls = control->first != NULL;
    pthread_mutex_unlock(&control->lock);
    return calls || machine_call_is_due(machine) || control->told_stop ||
           atomic_load(&control->paused);
}

void machine_stand(struct metic_machine *machine)
{
    struct machine_control *control = &machine->control;
    metic_serve(machine);
    machine_call_due(machine);
    while (atomic_load(&control->paused) && (atomic_load(&machine->events) & ENDS_PAUSE) == 0) {
        if (!control->told_stop) {
            control->told_stop = true;
            machine_tell(machine, METIC_EVENT_STOP);
        }
        struct pollfd wake = {.fd = machine->wake_fd, .events = POLLIN};
        while (poll(&wake, 1, -1) < 0 && errno == EINTR) {
        }
        machine_drain_wakes(machine);
        metic_serve(machine);
    }
    if (control->told_stop && !atomic_load(&control->paused)) {
        control->told_stop = false;
        machine_tell(machine, METIC_EVENT_RESUME);
    }
}

void machine_spoil(struct metic_machine *machine, const char *why)
{
    snprintf(machine->control.spoilt, sizeof(machine->control.spoilt), "%s", why);
    machine_event(machine, MACHINE_EVENT_SPOILT);
}

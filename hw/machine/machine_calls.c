/* See machine_calls.h. */
#include "hw/machine/machine_calls.h"

enum { PROBES = 16 };

static unsigned first_place(u64 ra, u64 sp)
{
    return (unsigned)((ra * 31 + sp) * 0x9e3779b97f4a7c15u >> 40) % CALLS_OPEN;
}

void calls_push(struct machine_calls *calls, const struct open_call *call)
{
    unsigned start = first_place(call->ra, call->sp), at = start;
    for (unsigned n = 0; n < PROBES; n++) {
        at = (start + n) % CALLS_OPEN;
        bool again = calls->open[at].ra == call->ra && calls->open[at].sp == call->sp;
        if (calls->open[at].ra == 0 || again) { /* one that never returned leaves its place */
            break;
        }
    }
    calls->open[at] = *call;
}

struct open_call calls_take(struct machine_calls *calls, u64 ra, u64 sp)
{
    struct open_call none = {0};
    unsigned start = first_place(ra, sp);
    for (unsigned n = 0; n < PROBES; n++) {
        struct open_call *open = &calls->open[(start + n) % CALLS_OPEN];
        if (open->ra == ra && open->sp == sp) {
            struct open_call call = *open;
            *open = none;
            return call;
        }
    }
    return none;
}

/* --- calls that recording lasts for --- */

/* Whether the frame of x lies where that of y was, or within: on one stack, as far as that can be
 * told (a task may have another one for interrupts). */
static bool is_within(const struct inside_call *x, const struct inside_call *y)
{
    const unsigned stack_log2 = 14; /* Linux's stacks, and their alignment */
    return x->ra != 0 && x->task == y->task && x->sp <= y->sp &&
           x->sp >> stack_log2 == y->sp >> stack_log2;
}

/* Drops those; the place of one that is free then. */
static struct inside_call *drop_within(struct machine_calls *calls, const struct inside_call *call)
{
    struct inside_call *place = NULL;
    for (unsigned n = 0; n < CALLS_INSIDE; n++) {
        struct inside_call *inside = &calls->inside[n];
        if (is_within(inside, call)) {
            inside->ra = 0;
        }
        place = inside->ra == 0 && place == NULL ? inside : place;
    }
    return place;
}

void calls_enter(struct machine_calls *calls, const struct inside_call *call)
{
    struct inside_call *place = drop_within(calls, call);
    if (place == NULL) {
        place = &calls->inside[calls->inside_next++ % CALLS_INSIDE];
    }
    *place = *call;
}

bool calls_leave(struct machine_calls *calls, const struct inside_call *call)
{
    for (unsigned n = 0; n < CALLS_INSIDE; n++) {
        const struct inside_call *inside = &calls->inside[n];
        if (inside->ra == call->ra && inside->sp == call->sp && inside->task == call->task) {
            (void)drop_within(calls, call);
            return true;
        }
    }
    return false;
}

void calls_rename(struct machine_calls *calls, u64 task, u64 new_task)
{
    for (unsigned n = 0; n < CALLS_INSIDE; n++) {
        struct inside_call *inside = &calls->inside[n];
        inside->task = inside->task == task ? new_task : inside->task;
    }
}

bool calls_is_inside(const struct machine_calls *calls, u64 task)
{
    for (unsigned n = 0; n < CALLS_INSIDE; n++) {
        if (calls->inside[n].ra != 0 && calls->inside[n].task == task) {
            return true;
        }
    }
    return false;
}

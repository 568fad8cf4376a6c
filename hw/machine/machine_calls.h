/* Calls of guest functions that have not returned: what a trace awaits. A return is known by where
 * it goes and by the stack pointer there. No threads of its own; the owner's lock. */
#ifndef METIC_HW_MACHINE_CALLS_H
#define METIC_HW_MACHINE_CALLS_H

#include "cpu/base/types.h"

enum { CALLS_OPEN = 4096, CALLS_INSIDE = 256 };

/* A watched call. */
struct open_call {
    u64 function, ra, sp, a0; /* ra 0: free */
};

/* A call that recording lasts for. */
struct inside_call {
    u64 task, ra, sp; /* ra 0: free */
};

/* All zeros: there are none. */
struct machine_calls {
    struct open_call open[CALLS_OPEN];
    struct inside_call inside[CALLS_INSIDE]; /* in no order */
    unsigned inside_next; /* whose place is taken when all are */
};

void calls_push(struct machine_calls *calls, const struct open_call *call);
/* Takes the one that returns to `ra` with that stack pointer out; its ra is 0 if there is none. */
struct open_call calls_take(struct machine_calls *calls, u64 ra, u64 sp);

/* A task calls a function that recording lasts for. Those of its calls whose frames lay where this
 * one's is did not return, but went (longjmp, a task's end). */
void calls_enter(struct machine_calls *calls, const struct inside_call *call);
/* False: no such call returns here. Calls from within it went with it. */
bool calls_leave(struct machine_calls *calls, const struct inside_call *call);
/* What was known as one task is another. */
void calls_rename(struct machine_calls *calls, u64 task, u64 new_task);
/* Whether the task is in one. */
bool calls_is_inside(const struct machine_calls *calls, u64 task);

#endif

/* Between machine_trace.c and machine_trace_window.c. */
#ifndef METIC_HW_MACHINE_TRACE_PRIVATE_H
#define METIC_HW_MACHINE_TRACE_PRIVATE_H

#include "hw/machine/machine.h"
#include "hw/machine/machine_calls.h"
#include "hw/machine/machine_guest.h"
#include "translate/probe/probe.h"

struct machine_trace {
    struct metic_machine *machine;
    struct metic_trace_options options;
    char task_name[GUEST_TASK_BYTES];
    pthread_mutex_t lock; /* open calls, and what was seen */
    struct machine_calls calls;
    bool window;                    /* between start and stop; the lock */
    bool inside[METIC_MAX_HARTS];   /* its task is in a function that is recorded; the lock */
    /* Linux's tasks */
    struct guest_tasks tasks;
    u64 switch_at;    /* __switch_to; 0: not known */
    bool awaits_switch; /* the hook is there, or there can be none */
    u64 last_task[METIC_MAX_HARTS][3]; /* address and name */
    bool told_task[METIC_MAX_HARTS]; /* since recording began the last time */
    bool matches[METIC_MAX_HARTS];
    struct metic_trace_seen seen;
    u64 last_satp[METIC_MAX_HARTS];
    bool tasks_at_entry, tasks_at_calls; /* when somebody asks which task it is */
    u32 ra, sp, a[8]; /* debug register numbers */
};

/* machine_trace_window.c: when harts record. Where that begins and ends, and the functions that it
 * lasts for; after probe_start. */
void trace_window_add_hooks(struct machine_trace *trace);
/* Recording begins or ends: on this hart exactly here, on the others soon. NULL: on no hart. */
void trace_window_set(struct machine_trace *trace, struct vcpu *vcpu, bool on);
/* An event by which it may, on the hart's thread, or (NULL) any. */
void trace_window_event(struct machine_trace *trace, struct vcpu *vcpu, unsigned event, u64 value,
                        const char *text);
/* The hart comes to that task, from the one in trace->last_task. */
void trace_window_task(struct machine_trace *trace, struct vcpu *vcpu, u64 task);

#endif

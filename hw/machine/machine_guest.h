/* Looking at what the guest runs, on a hart's thread, while it stands between two instructions:
 * registers by name, memory by virtual address, Linux's task. For traces and profiles. */
#ifndef METIC_HW_MACHINE_GUEST_H
#define METIC_HW_MACHINE_GUEST_H

#include "cpu/guest.h"

enum { GUEST_TASK_BYTES = 16, GUEST_PRIV_U = 0, GUEST_PRIV_S = 1 };

/* The debug number of a register; 0 when there is none of that name. */
u32 guest_find_reg(const struct guest *guest, const char *name);
u64 guest_read_reg(struct vcpu *vcpu, u32 number);
/* False when part of it is not mapped to memory. No access is seen by the guest. */
bool guest_read_virtual(struct vcpu *vcpu, gva_t gva, void *to, size_t size_bytes);

/* What is known of Linux's tasks in this machine. Harts may share it: the worst of a race is that
 * the same is found twice. */
struct guest_tasks {
    u64 name_offset; /* in a task; 0: not known yet */
    unsigned tries;
    u32 tp, sscratch;
};

void guest_tasks_init(struct guest_tasks *tasks, const struct guest *guest);
/* To be told of every change of privilege or address space, until it is known where names are. */
void guest_tasks_context(struct guest_tasks *tasks, struct vcpu *vcpu, unsigned privilege,
                         u64 address_space);
/* The same at once, from the task at that address, if it is the first of all (init_task). */
void guest_tasks_learn(struct guest_tasks *tasks, struct vcpu *vcpu, u64 task);
/* The hart's present task: its address, or 0 when it is not known; its name into
 * name[GUEST_TASK_BYTES], maybe without a final zero. */
u64 guest_task_name(const struct guest_tasks *tasks, struct vcpu *vcpu, char *name);
/* The same of the task at that address, which is returned. */
u64 guest_task_name_at(const struct guest_tasks *tasks, struct vcpu *vcpu, u64 task, char *name);

#endif

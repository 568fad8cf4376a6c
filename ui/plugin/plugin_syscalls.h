/* Which return to a program ends which of its system calls. A hart goes from task to task inside of
 * calls, so calls belong to tasks: with Linux to the one in sscratch, which is its address while a
 * program runs; with other kernels to the address space and stack. A return that leads elsewhere,
 * as into a signal's handler or to the same ecall once more, ends none. */
#ifndef METIC_UI_PLUGIN_SYSCALLS_H
#define METIC_UI_PLUGIN_SYSCALLS_H

#include "hw/metic.h"

#include <pthread.h>

enum { PLUGIN_SYSCALLS = 4096 };

struct plugin_syscalls {
    metic_machine *machine;
    unsigned sscratch, satp, sp; /* registers' numbers */
    pthread_mutex_t lock;
    struct plugin_syscall {
        uint64_t owner;   /* 0: free */
        uint64_t sp, number;
        uint64_t pc;      /* of the ecall */
    } open[PLUGIN_SYSCALLS];
};

void plugin_syscalls_init(struct plugin_syscalls *calls, metic_machine *machine);
void plugin_syscalls_fini(struct plugin_syscalls *calls);

/* On the hart's thread: an ecall of a program at `pc` was just taken. */
void plugin_syscalls_begin(struct plugin_syscalls *calls, unsigned hart, uint64_t pc,
                           uint64_t number);
/* The hart has just returned to a program at `pc`. True: this ended a call, of that number. */
bool plugin_syscalls_end(struct plugin_syscalls *calls, unsigned hart, uint64_t pc,
                         uint64_t *number);

#endif

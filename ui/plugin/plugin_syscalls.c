/* See plugin_syscalls.h. */
#include "ui/plugin/plugin_syscalls.h"

#include <string.h>

enum {
    PROBES = 16, ECALL_BYTES = 4,
    /* Linux: these return to where the new program begins, or where a signal came. */
    CALL_SIGRETURN = 139, CALL_EXECVE = 221, CALL_EXECVEAT = 281,
};

static unsigned find_register(metic_machine *machine, const char *name)
{
    struct metic_register found;
    for (unsigned i = 0; i < metic_register_limit(machine); i++) {
        if (metic_describe_register(machine, i, &found) && strcmp(found.name, name) == 0) {
            return i;
        }
    }
    return 0;
}

void plugin_syscalls_init(struct plugin_syscalls *calls, metic_machine *machine)
{
    calls->machine = machine;
    calls->sscratch = find_register(machine, "sscratch");
    calls->satp = find_register(machine, "satp");
    calls->sp = find_register(machine, "sp");
    pthread_mutex_init(&calls->lock, NULL);
}

void plugin_syscalls_fini(struct plugin_syscalls *calls)
{
    pthread_mutex_destroy(&calls->lock);
}

static uint64_t reg(const struct plugin_syscalls *calls, unsigned hart, unsigned number)
{
    uint64_t value = 0;
    metic_read_register(calls->machine, hart, number, &value);
    return value;
}

/* A kernel's address, or of other kernels what tells threads apart well enough. */
static uint64_t owner_of(const struct plugin_syscalls *calls, unsigned hart, uint64_t sp)
{
    uint64_t task = reg(calls, hart, calls->sscratch);
    return task >> 63 != 0 ? task : (reg(calls, hart, calls->satp) ^ sp * 31) | 1;
}

/* The owner's place, or the one to put it: one whose task ended inside a call is given away. */
static struct plugin_syscall *place_of(struct plugin_syscalls *calls, uint64_t owner)
{
    unsigned start = (unsigned)(owner * 0x9e3779b97f4a7c15u >> 40) % PLUGIN_SYSCALLS;
    struct plugin_syscall *empty = NULL;
    for (unsigned n = 0; n < PROBES; n++) {
        struct plugin_syscall *at = &calls->open[(start + n) % PLUGIN_SYSCALLS];
        if (at->owner == owner) {
            return at;
        }
        empty = empty == NULL && at->owner == 0 ? at : empty;
    }
    return empty != NULL ? empty : &calls->open[start];
}

void plugin_syscalls_begin(struct plugin_syscalls *calls, unsigned hart, uint64_t pc,
                           uint64_t number)
{
    uint64_t sp = reg(calls, hart, calls->sp);
    struct plugin_syscall call = {owner_of(calls, hart, sp), sp, number, pc};
    pthread_mutex_lock(&calls->lock);
    *place_of(calls, call.owner) = call;
    pthread_mutex_unlock(&calls->lock);
}

bool plugin_syscalls_end(struct plugin_syscalls *calls, unsigned hart, uint64_t pc,
                         uint64_t *number)
{
    uint64_t sp = reg(calls, hart, calls->sp);
    uint64_t owner = owner_of(calls, hart, sp);
    pthread_mutex_lock(&calls->lock);
    struct plugin_syscall *place = place_of(calls, owner), call = {0};
    if (place->owner == owner) {
        call = *place;
        place->owner = 0;
    }
    pthread_mutex_unlock(&calls->lock);
    *number = call.number;
    return call.owner != 0 &&
           (pc == call.pc + ECALL_BYTES || call.number == CALL_SIGRETURN ||
            call.number == CALL_EXECVE || call.number == CALL_EXECVEAT);
}

/* What tests of a debugger's part of metic.h share: running to a stop, and looking at a stopped
 * machine. What fails names the mode of the engine. */
#ifndef METIC_TESTS_HW_DEBUG_RUN_H
#define METIC_TESTS_HW_DEBUG_RUN_H

#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <unistd.h>

/* Data lies two pages after the results, so that it shares no page with them. */
#define DATA (GUEST_RESULTS + 0x2000u)

static inline u64 reg(metic_machine *machine, unsigned hart, const char *name)
{
    uint64_t value = 0;
    cr_assert(metic_get_register(machine, hart, name, &value), "%s", name);
    return value;
}

static inline u64 dword(metic_machine *machine, u64 address)
{
    u64 value = 0;
    cr_assert(metic_read_memory(machine, address, &value, sizeof(value)));
    return value;
}

static inline struct metic_stop run_to_stop(metic_machine *machine, const char *mode)
{
    struct metic_result result;
    struct metic_stop stop;
    metic_run(machine, &result);
    cr_assert(result.reason == METIC_BREAK, "%s: %s", mode, result.text);
    metic_get_stop(machine, &stop);
    return stop;
}

static inline void run_to_end(metic_machine *machine, const char *mode)
{
    struct metic_result result;
    metic_run(machine, &result);
    cr_assert(result.reason == METIC_POWEROFF, "%s: %s", mode, result.text);
}

static void *break_soon(void *machine)
{
    usleep(20000);
    metic_break(machine);
    return NULL;
}

/* Stops the machine after 20 ms, when everything is translated and linked. */
static inline struct metic_stop stop_from_outside(metic_machine *machine, const char *mode)
{
    pthread_t thread;
    cr_assert(pthread_create(&thread, NULL, break_soon, machine) == 0);
    struct metic_stop stop = run_to_stop(machine, mode);
    pthread_join(thread, NULL);
    return stop;
}

#endif

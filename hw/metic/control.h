/* Control of a machine while it runs, what it tells of itself meanwhile, and its console. */
#ifndef METIC_CONTROL_H
#define METIC_CONTROL_H

#include "hw/metic/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Has `call` run while all harts stand still, on the thread that is in metic_run (or metic_serve),
 * and waits for it. Any other thread. False when it never will: metic_end_calls was called. */
bool metic_call(metic_machine *machine, void (*call)(metic_machine *machine, void *opaque),
                void *opaque);
/* Runs what metic_call waits for, while metic_run does not run. */
void metic_serve(metic_machine *machine);
/* The machine will not run again: who waits in metic_call, or comes later, is told so. */
void metic_end_calls(metic_machine *machine);

/* Has `call` run as metic_call does, once, when all harts together have executed so many
 * instructions: with the virtual clock at the first turn's end after that, always the same one,
 * with the real clock soon after. Replaces what was asked before; call NULL: nothing. Not while the
 * machine runs, but in a call. */
void metic_call_at(metic_machine *machine, uint64_t insns,
                   void (*call)(metic_machine *machine, void *opaque), void *opaque);

/* Holds all harts where they are, and lets them go on, while guest time goes on with the real
 * clock: for a host that has other work. In pairs, by one thread, and not for long: calls, stops
 * and pauses wait meanwhile. Any thread but those that run the machine. */
void metic_hold(metic_machine *machine);
void metic_let_go(metic_machine *machine);

/* Lets the machine stand still inside metic_run, guest time too; and go on. Any thread. False: it
 * was so already. */
bool metic_pause(metic_machine *machine);
bool metic_resume(metic_machine *machine);
bool metic_is_paused(metic_machine *machine);

/* The reset button, and the power button (which the guest's system may take for a wish to shut
 * down). Inputs, and recorded like them. Any thread. */
void metic_press_reset(metic_machine *machine);
void metic_press_power(metic_machine *machine);

/* The memory balloon (options.balloon). A guest gives free memory back by itself; it can also be
 * asked to do with so many bytes of its RAM, and does so when and as far as its driver likes.
 * False: there is no balloon. An input, and recorded like one. Any thread. */
bool metic_balloon(metic_machine *machine, uint64_t guest_bytes);

struct metic_balloon_status {
    uint64_t guest_bytes;    /* RAM without what is in the balloon */
    uint64_t wanted_bytes;   /* what was asked for */
    uint64_t reported_bytes; /* given back while it was free, in all */
    struct {
        const char *name;    /* "free-memory" (bytes), "major-faults", ... */
        uint64_t value;
    } counts[10];            /* the guest's, as of the last time this was asked, or before */
    unsigned count_count;
};
bool metic_get_balloon(metic_machine *machine, struct metic_balloon_status *status);

enum metic_event {
    METIC_EVENT_STOP,      /* paused */
    METIC_EVENT_RESUME,
    METIC_EVENT_RESET,
    METIC_EVENT_POWERDOWN, /* the power button was pressed */
    METIC_EVENT_SHUTDOWN,  /* the machine ended; the result says why */
    METIC_EVENT_PANIC,
    METIC_EVENT_LOADED,    /* a snapshot */
    METIC_EVENT_DISK_ERROR, /* the host failed a disk; detail: "NAME read|write|flush
                               report|stop", for the guest's request and what became of it */
};
/* Called for each, on the thread that is in metic_run, except POWERDOWN and DISK_ERROR; must be
 * quick. `detail` is "" unless the event's comment says more. Before the machine runs. */
void metic_set_events(metic_machine *machine,
                      void (*event)(void *opaque, enum metic_event event, const char *detail),
                      void *opaque);

/* Who gets the terminal that is the guest's console (METIC_CONSOLE_STDIO) between two Ctrl-A C:
 * what the guest prints waits meanwhile. All are called on a thread of the machine's and must only
 * take note. */
struct metic_console_monitor {
    void (*opened)(void *opaque);
    void (*keys)(void *opaque, const uint8_t *bytes, size_t count);
    void (*closed)(void *opaque); /* by Ctrl-A C; or the machine has stopped running */
    void *opaque;
};
/* Before the machine runs; copied. NULL: there is none, and Ctrl-A C means nothing. */
void metic_set_console_monitor(metic_machine *machine,
                               const struct metic_console_monitor *monitor);
/* Gives the terminal back to the guest, without `closed`. Any thread. */
void metic_close_console_monitor(metic_machine *machine);

/* Calls `output` with what the guest prints on its console, as it does: on a hart's thread, a byte
 * or some, and must be quick. NULL ends it for that `opaque`. While the machine does not run. */
void metic_set_console_output(metic_machine *machine,
                              void (*output)(void *opaque, const uint8_t *bytes, size_t count),
                              void *opaque);

/* Lists the devices; or one device's registers, false when there is none of that name. */
void metic_print_devices(metic_machine *machine, FILE *to);
bool metic_print_device(metic_machine *machine, const char *name, FILE *to);

/* METIC_CONSOLE_MEMORY. Returns the length of all output so far, copies at most capacity_bytes. */
size_t metic_console_output(metic_machine *machine, size_t from_byte, void *buffer,
                            size_t capacity_bytes);
void metic_console_feed(metic_machine *machine, const void *bytes, size_t size_bytes);

#endif

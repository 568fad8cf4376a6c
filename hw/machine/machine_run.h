/* What the two ways of running a machine, machine_real.c and machine_virtual.c, share with
 * machine_run.c. */
#ifndef METIC_HW_MACHINE_RUN_H
#define METIC_HW_MACHINE_RUN_H

#include "hw/machine/machine.h"

enum {
    FIRST_INSNS = 512, /* each hart's, before any hart runs on */
    IDLE_POLL_MS = 250,
};

/* Run until something ends it, and say what. */
void machine_run_real(struct metic_machine *machine, struct metic_result *result);
void machine_run_virtual(struct metic_machine *machine, struct metic_result *result);

/* Starts what serves the machine beside its harts, if it has not started yet; on the real clock
 * these run already. False: the run is over. */
bool machine_serve(struct metic_machine *machine, struct metic_result *result);

/* Fills the result, but for the instructions. `text` is one line for people. */
void machine_finish(struct metic_result *result, enum metic_reason reason, int exit_status,
                    const char *text);
void machine_finish_idle(struct metic_machine *machine, struct metic_result *result);

/* Looks at events in the order in which they matter. Returns true when the run is over. RESET is
 * left for the caller. */
bool machine_events_end(struct metic_machine *machine, u32 events, struct metic_result *result);
/* Ends the run when one of the options' limits was reached. */
bool machine_limits_end(struct metic_machine *machine, struct metic_result *result);

/* machine_htif.c: takes a message of the guest's program, if there is one. True when it ends the
 * program. */
bool machine_htif_serve(struct metic_machine *machine, struct metic_result *result);
/* One came just now, so the next may be near. */
bool machine_htif_is_busy(const struct metic_machine *machine);

/* A run, without what is done when the machine has ended. */
void machine_run_piece(struct metic_machine *machine, u64 insns, struct metic_result *result);

/* Forgets that somebody wanted to wake whoever runs the machine. */
void machine_drain_wakes(struct metic_machine *machine);

#endif

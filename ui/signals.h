/* SIGINT, SIGTERM and SIGHUP end a run in good order: a thread waits for them and stops the
 * machine. A second one ends the process at once. */
#ifndef METIC_UI_SIGNALS_H
#define METIC_UI_SIGNALS_H

#include "hw/metic.h"

struct signals;

/* Blocks them in this thread and those it makes; before metic_new. */
void signals_block(void);

/* To have them stop the machine. NULL when the host has nothing to watch them by; then they are
 * unblocked again and end the process. */
struct signals *signals_new(metic_machine *machine);
/* From here on they do, and what came before does now. When the host has no thread for it they are
 * unblocked, too. */
void signals_start(struct signals *signals);

/* Stops watching; before metic_free. The number of the signal that came, or 0. NULL allowed. */
int signals_end(struct signals *signals);

/* From here on SIGINT is for another program of this terminal, a debugger, and does nothing here.
 * (That it is ignored is not enough: a signalfd has what is blocked all the same, signal(7).) */
void signals_leave_interrupts(void);

/* Whether one came, whether or not anybody has seen it yet. */
bool signals_came(void);
/* Ends the process as the first signal that came would have, or SIGTERM: for a machine that cannot
 * be stopped. On any thread. */
void signals_end_process(void);

#endif

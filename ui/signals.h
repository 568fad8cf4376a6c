/* SIGINT, SIGTERM and SIGHUP end a run in good order: a thread waits for them and stops the
 * machine. A second one ends the process at once. */
#ifndef METIC_UI_SIGNALS_H
#define METIC_UI_SIGNALS_H

#include "hw/metic.h"

struct signals;

/* Blocks them in this thread and those it makes; before metic_new. */
void signals_block(void);

/* From here on they stop the machine. NULL when the host has no thread for it; then they are
 * unblocked again and end the process. */
struct signals *signals_start(metic_machine *machine);

/* Stops watching; before metic_free. The number of the signal that came, or 0. NULL allowed. */
int signals_end(struct signals *signals);

#endif

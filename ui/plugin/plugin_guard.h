/* Says whose fault it was when a plug-in ends the process, one that crashes, aborts or exits, and
 * when one does not return. */
#ifndef METIC_UI_PLUGIN_GUARD_H
#define METIC_UI_PLUGIN_GUARD_H

#include "hw/metic.h"

/* Around a callback for the event, on the hart's thread. Both texts outlive it. */
void plugin_guard_enter(unsigned hart, const char *name, const char *event);
void plugin_guard_leave(unsigned hart);

/* From here until plugin_guard_end, exit means status 125, and signals of faults are told of before
 * they end the process as they would anyway; a thread looks for callbacks that do not return, and
 * ends the process some seconds after somebody wanted the run to end that one of them holds up. */
void plugin_guard_begin(metic_machine *machine);
void plugin_guard_end(void);

#endif

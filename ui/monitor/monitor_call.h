/* A monitor's line on a machine that runs, from a thread beside it. */
#ifndef METIC_UI_MONITOR_CALL_H
#define METIC_UI_MONITOR_CALL_H

#include "ui/monitor/monitor.h"

struct monitor_answer {
    char *text;  /* heap; NULL without memory for it */
    bool failed; /* the text says what was wrong */
    bool quit;   /* the machine was asked to end */
};

/* Runs it while the harts stand still. `with`: what struct monitor has besides; its machine. False:
 * the machine has ended. The caller frees the text in any case. */
bool monitor_call(const struct monitor *with, const char *line, struct monitor_answer *answer);

#endif

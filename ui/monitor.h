/* Commands about a machine that stands still, typed by people (monitor.def). */
#ifndef METIC_UI_MONITOR_H
#define METIC_UI_MONITOR_H

#include "hw/metic.h"

struct monitor {
    metic_machine *machine;
    unsigned hart; /* whom commands without a hart mean */
    bool physical; /* changed by a command */
    bool quit;     /* set by a command */
    FILE *to;      /* answers go here */
};

/* Runs one line; what is wrong with it is an answer, too. */
void monitor_command(struct monitor *monitor, const char *line);

#endif

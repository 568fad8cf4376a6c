/* One run of a machine, from power-on (or a snapshot) to its end, and the parts that surround it:
 * monitor, window, trace, profile, debugger's server and the like (run_parts.c). */
#ifndef METIC_UI_RUN_H
#define METIC_UI_RUN_H

#include "ui/command/args.h"
#include "ui/gdb/debugger.h"

struct run {
    struct run_args *args;
    metic_machine *machine;       /* loaded, or restored */
    struct debugger *debugger;    /* of metic debug, or NULL */
    struct run_control *control;  /* or NULL */
    struct signals *signals;      /* or NULL */
    struct detach *detach;        /* or NULL */
    struct metic_result result;
    int signal_number;            /* that ended the run, or 0 */
    char limit[128];              /* which limit of this host's ended the run, or "" */
    bool usage;                   /* what went wrong is the command line */
    bool failed_late;             /* what begins when the harts run already did not */
    struct metic_error late;      /* and why */
    bool failed;                  /* something went wrong; set before any part ends */
    /* How the machine is run; a part may take this over when it starts. NULL: metic_run. */
    void (*drive)(struct run *run, void *opaque);
    void *drive_opaque;
};

/* Starts the parts in their order, runs the machine if all of them started, and ends them in
 * reverse. False with the first reason. */
bool run_with_parts(struct run *run, struct metic_error *error);

/* What metic ps and the window call what runs. */
const char *run_image(const struct run_args *args);

#endif

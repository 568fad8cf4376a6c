/* Recording during `metic run`: the options --trace..., and what they start. */
#ifndef METIC_UI_TRACE_RUN_H
#define METIC_UI_TRACE_RUN_H

#include "ui/command/args.h"

struct trace_run;

/* After loading; *run is NULL when nothing is to be recorded. False with a reason; *usage becomes
 * true when the command line is that. */
bool trace_run_start(const struct run_args *args, metic_machine *machine, struct trace_run **run,
                     bool *usage, struct metic_error *error);
/* Runs the machine; a window of instructions makes it several runs. */
void trace_run_machine(struct trace_run *run, const struct run_args *args, metic_machine *machine,
                       struct metic_result *result);
/* After the run. False with a reason: the file is not whole. Frees; NULL is allowed. */
bool trace_run_end(struct trace_run *run, struct metic_error *error);

#endif

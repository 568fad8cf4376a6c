/* What is said at the end of a run of which the filters let nothing be recorded: which of them
 * never matched, and what would have. */
#ifndef METIC_UI_TRACE_EMPTY_H
#define METIC_UI_TRACE_EMPTY_H

#include "ui/command/args.h"

/* Whether what a run with these filters recorded is something that they chose: code, or events of
 * its own. `chunk` is one of the recording's. */
bool trace_empty_tells(const struct metic_trace_options *options,
                       const struct metic_trace_chunk *chunk);

/* `window_began`: the instructions of insns=A-B were reached; else nothing was `seen`. */
void trace_empty_say(const struct run_args *args, const struct metic_trace_options *options,
                     metic_machine *machine, const struct metic_trace_seen *seen,
                     bool window_began);

#endif

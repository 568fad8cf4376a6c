/* The words of --trace-events. */
#ifndef METIC_UI_TRACE_KINDS_H
#define METIC_UI_TRACE_KINDS_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include <stdio.h>

/* Adds what a list as "memory,traps" names to enum metic_trace_what's bits and those of the events.
 * False with a reason. */
bool trace_kinds_add(const char *list, unsigned *what, u64 *events, struct metic_error *error);
/* The list that asks for these, and `calls` for --trace-calls. */
void trace_kinds_print(FILE *to, unsigned what, u64 events);

#endif

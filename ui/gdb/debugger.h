/* The GDB that `metic debug` starts in this terminal, attached to our machine. */
#ifndef METIC_UI_DEBUGGER_H
#define METIC_UI_DEBUGGER_H

#include "ui/command/args.h"

struct debugger;

/* Makes a private folder for the socket and the commands. NULL with a reason, as when there is no
 * GDB for this guest. */
struct debugger *debugger_new(struct metic_error *error);
void debugger_free(struct debugger *debugger); /* NULL allowed; waits for GDB to end */

/* Where the machine's server is to listen. */
const char *debugger_socket(const struct debugger *debugger);

/* Whether the file is a core, of a machine or of a program. */
bool debugger_is_core(const char *path);
/* GDB looks at the core args->thing, with the symbols that metic wrote beside it and those of
 * args->symbols, until it ends; there is no machine. */
bool debugger_look(struct debugger *debugger, const struct run_args *args,
                   struct metic_error *error);

/* Starts GDB. When it ends, the machine is stopped. Ctrl-C is GDB's from here on. */
bool debugger_start(struct debugger *debugger, const struct run_args *args, metic_machine *machine,
                    struct metic_error *error);

#endif

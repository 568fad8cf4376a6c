/* --detach: the machine runs in the background, as a process in a session of its own whose messages
 * go to a file. Who started it is told when the guest runs, or why it does not. */
#ifndef METIC_UI_DETACH_H
#define METIC_UI_DETACH_H

#include "cpu/base/error.h"

struct detach;

/* While the process has one thread. In the process that goes on as the machine it returns, with
 * *made (NULL, and an error, when there can be none); the process that was started waits until the
 * machine runs or fails, says so, and exits with 0 or its status. */
bool detach_begin(struct detach **made, struct metic_error *error);
/* The machine has a name, and so has the file: NAME.log, in place of an older one. */
void detach_name(struct detach *detach, const char *name);
/* The guest is about to run: standard output and error become the file, and who waits is told the
 * name. NULL allowed. */
void detach_started(struct detach *detach, const char *name);
void detach_free(struct detach *detach); /* NULL allowed */

#endif

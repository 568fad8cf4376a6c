/* A monitor's other end: what other processes of metic ask a running machine's QMP socket. */
#ifndef METIC_UI_MONITOR_CLIENT_H
#define METIC_UI_MONITOR_CLIENT_H

#include "config.h"
#include "ui/runtime_dir.h"

#if HAVE_JANSSON
#include <jansson.h>
#endif

/* Sends a command (a JSON object), and waits for its answer, a line of JSON. NULL with a reason;
 * the answer is the caller's to free. */
char *monitor_client_call(const struct runtime_entry *entry, const char *command,
                          struct metic_error *error);

#if HAVE_JANSSON
/* The same for what a command returns, the caller's to json_decref; `next` is the next step for a
 * command that the monitor refuses, or NULL. */
json_t *monitor_client_ask(const struct runtime_entry *entry, const char *command,
                           const char *next, struct metic_error *error);
#endif

#endif

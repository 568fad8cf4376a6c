/* A monitor's other end: what other processes of metic ask a running machine's QMP socket. */
#ifndef METIC_UI_MONITOR_CLIENT_H
#define METIC_UI_MONITOR_CLIENT_H

#include "ui/runtime_dir.h"

/* Sends a command (a JSON object), and waits for its answer, a line of JSON. NULL with a reason;
 * the answer is the caller's to free. */
char *monitor_client_call(const struct runtime_entry *entry, const char *command,
                          struct metic_error *error);

#endif

/* The monitor's prompt on the terminal that is the guest's console: Ctrl-A C opens it, and Ctrl-A
 * C, Ctrl-D or `exit` goes back to the guest. Commands are those of monitor.def, with Tab to
 * complete them; events are told as they come. A thread of its own waits for them. */
#ifndef METIC_UI_TERMINAL_MONITOR_H
#define METIC_UI_TERMINAL_MONITOR_H

#include "ui/monitor/monitor.h"

struct terminal_monitor;

/* Before the machine runs. `with` is copied: machine, description, confined, events. NULL: the host
 * gives no thread or memory; then there is no prompt. */
struct terminal_monitor *terminal_monitor_new(const struct monitor *with);
/* After the run and metic_end_calls. NULL allowed. */
void terminal_monitor_free(struct terminal_monitor *terminal);

#endif

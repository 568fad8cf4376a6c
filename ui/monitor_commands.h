/* The functions that monitor.def names and that are not in monitor.c. */
#ifndef METIC_UI_MONITOR_COMMANDS_H
#define METIC_UI_MONITOR_COMMANDS_H

#include "ui/monitor.h"

typedef void monitor_fn(struct monitor *monitor, const char *arguments);

monitor_fn monitor_info_snapshots;
monitor_fn monitor_snapshot_save;
monitor_fn monitor_snapshot_load;
monitor_fn monitor_snapshot_delete;

#endif

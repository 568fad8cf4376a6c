/* The functions that monitor.def names and that are not in monitor.c. */
#ifndef METIC_UI_MONITOR_COMMANDS_H
#define METIC_UI_MONITOR_COMMANDS_H

#include "ui/monitor/monitor.h"

typedef void monitor_fn(struct monitor *monitor, const char *arguments);

monitor_fn monitor_info_snapshots;
monitor_fn monitor_snapshot_save;
monitor_fn monitor_snapshot_load;
monitor_fn monitor_snapshot_delete;

monitor_fn monitor_info_kernel;
monitor_fn monitor_kernel_symbols;

monitor_fn monitor_dump_core;

monitor_fn monitor_screendump;
monitor_fn monitor_sendkey;
monitor_fn monitor_type;
monitor_fn monitor_pointer;
monitor_fn monitor_resize;
monitor_fn monitor_button;

/* The key code of a pointer's button by its name (QEMU's); 0: there is none. */
unsigned monitor_button_code(const char *name);

#endif

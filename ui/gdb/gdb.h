/* The GDB server of `metic run --gdb`: a socket on which one debugger at a time may attach and
 * leave while the machine runs.
 *
 * Packets are answered on the thread that runs the machine, between two runs. While it runs, a
 * thread of the server's own waits for the debugger and stops the machine for it. */
#ifndef METIC_UI_GDB_H
#define METIC_UI_GDB_H

#include "hw/metic.h"
#include "ui/monitor/monitor.h"

struct gdb;

/* Listens at `where`: a TCP port on the loopback interface ("1234"; 0: any free one), or the path
 * of a Unix socket, which only its owner may use. `with`: its machine, and what else the monitor's
 * commands are to know. NULL with a reason. */
struct gdb *gdb_new(const struct monitor *with, const char *where, struct metic_error *error);
void gdb_free(struct gdb *gdb); /* NULL allowed */

/* What to tell GDB: "target remote ...". */
const char *gdb_address(const struct gdb *gdb);

/* Runs the machine as metic_run does, with whoever attaches in charge; `wait`: not before somebody
 * has attached and says so. */
void gdb_run(struct gdb *gdb, bool wait, struct metic_result *result);

#endif

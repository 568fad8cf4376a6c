/* What a running machine offers other processes: its entry in the runtime folder, the monitor's
 * socket, and the end of its console's output. */
#ifndef METIC_UI_RUN_CONTROL_H
#define METIC_UI_RUN_CONTROL_H

#include "ui/command/args.h"
#include "ui/monitor/monitor.h"
#include "ui/runtime_dir.h"

struct run_control;

/* Before the machine runs. Without an entry a machine runs as well, unless a name or a monitor was
 * asked for: then false with a reason. `image` is what metic ps calls what runs. */
bool run_control_start(const struct run_args *args, metic_machine *machine, const char *image,
                       struct run_control **control, struct metic_error *error);
/* Serves the monitor's socket. False with a reason when one was asked for and cannot be served.
 * NULL allowed. */
bool run_control_serve(struct run_control *control, const struct run_args *args,
                       struct metic_error *error);
/* After the run, before the machine is freed; frees. NULL allowed. */
void run_control_end(struct run_control *control, metic_machine *machine);
/* The machine's folder in the runtime folder, or NULL. NULL allowed. */
const char *run_control_folder(const struct run_control *control);
/* What the monitor's commands are to know of the machine. NULL allowed. */
struct monitor run_control_monitor(struct run_control *control, const struct run_args *args,
                                   metic_machine *machine);
/* Whether it was the limit of the console's output that stopped the machine. */
bool run_control_output_ended(const struct run_control *control);

/* The console's ring in the file "console": how much there was in all, and the last of it. */
enum { RUN_CONSOLE_HEAD_BYTES = 64, RUN_CONSOLE_RING_BYTES = 256 << 10 };

#endif

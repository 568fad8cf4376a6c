/* Tells the host's perf what translated code is: a line of /tmp/perf-PID.map (--perf-map) and a
 * record of /tmp/jit-PID.dump (--jitdump) for each piece of host code, with the guest's symbol. */
#ifndef METIC_UI_CODE_MAP_H
#define METIC_UI_CODE_MAP_H

#include "ui/command/args.h"

struct code_map;

/* After loading, before the machine runs. *out is NULL when neither was asked for. False with a
 * reason. */
bool code_map_start(const struct run_args *args, metic_machine *machine, struct code_map **out,
                    struct metic_error *error);
/* After the run. False with a reason: a file is not whole. Frees; NULL is allowed. */
bool code_map_end(struct code_map *map, struct metic_error *error);

#endif

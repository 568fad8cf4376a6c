/* Loading plug-ins (ui/metic_plugin.h) and calling them. */
#ifndef METIC_UI_PLUGIN_H
#define METIC_UI_PLUGIN_H

#include "ui/command/args.h"

struct plugins;

/* *out is NULL when there are none. False with a reason. */
bool plugins_start(const struct run_args *args, metic_machine *machine, struct plugins **out,
                   struct metic_error *error);
/* After the run; calls their ends. NULL is allowed. */
void plugins_end(struct plugins *plugins);

#endif

/* Accesses to memory that plug-ins get many at a time: metic_plugin_api.on_accesses. */
#ifndef METIC_UI_PLUGIN_ACCESSES_H
#define METIC_UI_PLUGIN_ACCESSES_H

#include "hw/metic.h"
#include "ui/metic_plugin.h"

struct plugin_accesses;

/* Whoever wants them; `*accesses` is made at the first. False: there is no memory for them, or
 * there are too many who want them. `name` outlives it. */
bool plugin_accesses_add(struct plugin_accesses **accesses, metic_machine *machine,
                         const char *name, metic_plugin_accesses_fn *fn, void *user);
/* Where the hart's next access goes, which its thread fills in at once. */
struct metic_plugin_access *plugin_accesses_next(struct plugin_accesses *accesses, unsigned hart);
/* While no hart runs: tells what was not told yet. NULL allowed, and so in the next. */
void plugin_accesses_flush(struct plugin_accesses *accesses);
void plugin_accesses_free(struct plugin_accesses *accesses);

#endif

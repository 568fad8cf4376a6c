/* What a run still needs of the host once it has begun, and giving up the rest
 * (ui/confine/confine.h). */
#ifndef METIC_UI_RUN_CONFINE_H
#define METIC_UI_RUN_CONFINE_H

#include "ui/run/run.h"

/* --confine: on gives up what this host can; must refuses to run when that is not all there is. */
enum { RUN_CONFINE_ON, RUN_CONFINE_OFF, RUN_CONFINE_MUST };

/* When everything else has started; threads made later have no more rights. `folder`: of the
 * machine's entry in the runtime folder, or NULL. False with a reason. */
bool run_confine(struct run *run, const char *folder, struct metic_error *error);

#endif

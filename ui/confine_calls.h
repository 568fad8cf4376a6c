/* The part of confine.c that needs libseccomp. */
#ifndef METIC_UI_CONFINE_CALLS_H
#define METIC_UI_CONFINE_CALLS_H

#include "ui/confine.h"

bool confine_calls_are_built(void);
/* All threads of the process. Without libseccomp nothing, and true. */
bool confine_calls(const struct confine_needs *needs, struct metic_error *error);

#endif

/* The part of confine.c that needs libseccomp when metic is built. */
#ifndef METIC_UI_CONFINE_CALLS_H
#define METIC_UI_CONFINE_CALLS_H

#include "ui/confine/confine.h"

/* Stands for the process's own number in filters that were made before there was one; no process
 * has it (Linux counts to 2^22). */
enum { CONFINE_PROCESS = 0x7e5710 };

bool confine_calls_are_built(void);
/* All threads of the process. Without libseccomp nothing, and true. */
bool confine_calls(const struct confine_needs *needs, struct metic_error *error);

#endif

/* Libraries that are opened when they are needed, so that metic runs on a host without them, and
 * starts without them. */
#ifndef METIC_CPU_BASE_LIBRARY_H
#define METIC_CPU_BASE_LIBRARY_H

#include "cpu/base/types.h"

/* dlopen's handle, or NULL. */
void *library_open(const char *file);
void library_close(void *library); /* NULL allowed */
/* The address of a function, into the pointer at `function` (function_bytes large). False: the
 * library has none of that name. */
bool library_find(void *library, const char *name, void *function, size_t function_bytes);

#endif

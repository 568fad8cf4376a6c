/* C++ names as they are written in source, by the host's libstdc++ (__cxa_demangle of the Itanium
 * C++ ABI). Without that library they stay as they are. */
#ifndef METIC_UI_DEMANGLE_H
#define METIC_UI_DEMANGLE_H

struct demangler;

/* Opens the library: before confinement. NULL when there is none, or no memory. */
struct demangler *demangler_new(void);
void demangler_free(struct demangler *demangler); /* NULL allowed */
/* What `name` stands for, or `name`. Remembered by the pointer, which outlives the demangler; equal
 * pointers have equal results. Lives as long as the demangler. NULL for that is allowed. */
const char *demangle(struct demangler *demangler, const char *name);

#endif

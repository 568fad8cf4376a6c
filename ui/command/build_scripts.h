/* The scripts of `metic build` (ui/build), as they are in the tree. */
#ifndef METIC_UI_BUILD_SCRIPTS_H
#define METIC_UI_BUILD_SCRIPTS_H

#include <stddef.h>

struct build_script {
    const char *name; /* "debian.sh" */
    const char *begin, *end;
};
extern const struct build_script build_scripts[];
extern const size_t build_script_count;

#endif

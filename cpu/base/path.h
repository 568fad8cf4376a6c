/* Files that are written whole or not at all. As root, a path may as well name a device or a pipe,
 * which is not ours to remove or replace. */
#ifndef METIC_CPU_BASE_PATH_H
#define METIC_CPU_BASE_PATH_H

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether something is at `path` that is no plain file (nor a link to one). */
static inline bool path_is_special(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && !S_ISREG(about.st_mode);
}

/* Removes what could not be written to the end; devices and pipes stay. */
static inline void path_discard(const char *path)
{
    if (!path_is_special(path)) {
        unlink(path);
    }
}

#endif

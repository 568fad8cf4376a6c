/* See xdg.h. */
#include "ui/xdg.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *variable, *below_home;
} xdg_kinds[] = {
    [XDG_CACHE] = {"XDG_CACHE_HOME", ".cache"},
    [XDG_STATE] = {"XDG_STATE_HOME", ".local/state"},
    [XDG_DATA] = {"XDG_DATA_HOME", ".local/share"},
};

bool xdg_path(enum xdg_kind kind, const char *below, char path[XDG_PATH_BYTES])
{
    const char *base = getenv(xdg_kinds[kind].variable);
    const char *home = getenv("HOME");
    const char *slash = below != NULL ? "/" : "";
    below = below != NULL ? below : "";
    int length;
    /* The specification has relative paths ignored. */
    if (base != NULL && base[0] == '/') {
        length = snprintf(path, XDG_PATH_BYTES, "%s/metic%s%s", base, slash, below);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(path, XDG_PATH_BYTES, "%s/%s/metic%s%s", home,
                          xdg_kinds[kind].below_home, slash, below);
    } else {
        return false;
    }
    return length < XDG_PATH_BYTES;
}

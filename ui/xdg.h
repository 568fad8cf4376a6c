/* Where files of a user's belong (XDG base directory specification). */
#ifndef METIC_UI_XDG_H
#define METIC_UI_XDG_H

#include "cpu/base/types.h"

enum { XDG_PATH_BYTES = 3072 };

enum xdg_kind {
    XDG_CACHE, /* what can be made again: ~/.cache/metic */
    XDG_STATE, /* what should be kept: ~/.local/state/metic */
    XDG_DATA,  /* what was installed for this user: ~/.local/share/metic */
};

/* The directory of that kind, "/BELOW" added unless that is NULL; it need not exist. False when
 * there is no home, or the path is too long. */
bool xdg_path(enum xdg_kind kind, const char *below, char path[XDG_PATH_BYTES]);

#endif

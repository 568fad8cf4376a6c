/* A window on the host's desktop that shows screen 0 and takes keyboard and pointer, by SDL2. */
#ifndef METIC_UI_WINDOW_H
#define METIC_UI_WINDOW_H

#include "hw/metic.h"
#include "ui/keymap.h"

struct window;

/* Opens it, with a thread of its own; `name` goes into the title. `console_is_here`: the guest's
 * console is seen in this window alone. `keymap`: of the guest, for texts that are typed; NULL: US.
 * Before the machine runs. NULL with a reason: this metic has no window, there is no SDL or no
 * desktop. While it is open, the machine must not be freed. */
struct window *window_open(metic_machine *machine, const char *name, bool console_is_here,
                           const struct keymap *keymap, struct metic_error *error);
/* After the run; NULL allowed. What it showed, and what that cost, goes to `stats`, or NULL. */
void window_close(struct window *window, FILE *stats);

#endif

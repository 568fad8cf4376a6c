/* Windows on the host's desktop that show the machine's screens and take keyboard and pointer, by
 * SDL2: one for each screen, others than the first while the guest shows something there. */
#ifndef METIC_UI_WINDOW_H
#define METIC_UI_WINDOW_H

#include "hw/metic.h"
#include "ui/screen/keymap.h"

struct window_options {
    const char *name;            /* of the machine, for the title */
    bool console_is_here;        /* the guest's console is seen in the window alone */
    const struct keymap *keymap; /* of the guest, for texts that are typed; NULL: US */
    unsigned screens;            /* 1 to METIC_MAX_SCREENS */
};

struct window;

/* Opens it, with a thread of its own. Before the machine runs. NULL with a reason: this metic has
 * no window, there is no SDL or no desktop. While it is open, the machine must not be freed. */
struct window *window_open(metic_machine *machine, const struct window_options *options,
                           struct metic_error *error);
/* After the run; NULL allowed. What it showed, and what that cost, goes to `stats`, or NULL. */
void window_close(struct window *window, FILE *stats);

#endif

/* QMP's commands about screen, keyboard and pointer; needs jansson. Nobody but qmp.c includes
 * this.
 *
 *   screendump        filename, head, format (ppm as in QEMU, unless the name ends in .png)
 *   send-key          keys (of type qcode or number, and, ours, char: what writes that in the
 *                     guest's layout), hold-time
 *   input-send-event  events of type key, btn, rel, abs
 *   metic-screenshot  head; answers the picture itself, a PNG in base64: a machine that may open no
 *                     more files can still be looked at */
#ifndef METIC_UI_QMP_SCREEN_H
#define METIC_UI_QMP_SCREEN_H

#include "cpu/base/error.h"
#include "hw/metic.h"
#include "ui/screen/keymap.h"

#include <jansson.h>

/* The name of a command; NULL: there are no more. */
const char *qmp_screen_at(unsigned index);

/* Does it. *result is the answer, or stays NULL for none. False with a reason. */
bool qmp_screen_execute(metic_machine *machine, const struct keymap *keymap, const char *name,
                        json_t *arguments, json_t **result, struct metic_error *error);

#endif

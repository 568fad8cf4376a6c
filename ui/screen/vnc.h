/* A screen for other programs to show: RFB, the protocol of VNC, by libvncserver.
 *
 * Clients come to a Unix socket that only its user can open, or to a port of this host with a
 * password (RFB's own, of which 8 characters count). Any number of viewers up to VNC_MAX_CLIENTS
 * see one of the machine's screens, and all may use keyboard and pointer. */
#ifndef METIC_UI_VNC_H
#define METIC_UI_VNC_H

#include "cpu/base/error.h"
#include "hw/metic.h"

enum { VNC_MAX_CLIENTS = 16 };

struct vnc_options {
    /* A path (has a / in it), [localhost:|127.0.0.1:]PORT, or "": 5900 or the next free one. */
    const char *where;
    const char *password_file; /* its first line; NULL: none at a path, a new one at a port */
    const char *name;          /* of the machine */
    const struct keymap *keymap; /* of the guest, or NULL: US; outlives the server */
    unsigned head;             /* the machine's screen that is shown */
    bool quiet;                /* says nothing of letters that the guest's keyboard lacks */
};

struct vnc;

/* Serves from a thread of its own. NULL with a reason: it is not built in, the library is not here,
 * or the place is taken. */
struct vnc *vnc_new(metic_machine *machine, const struct vnc_options *options,
                    struct metic_error *error);
void vnc_free(struct vnc *vnc); /* NULL allowed; before the machine is freed */

/* Where viewers find it, and the password if it was made up, else NULL. */
const char *vnc_address(const struct vnc *vnc);
const char *vnc_password(const struct vnc *vnc);

#endif

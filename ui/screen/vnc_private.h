/* Between the VNC server's files; nobody else includes this. */
#ifndef METIC_UI_VNC_PRIVATE_H
#define METIC_UI_VNC_PRIVATE_H

#include "config.h"
#include "ui/screen/vnc.h"

#if HAVE_VNC
#include "ui/listener.h"
#include "ui/screen/keyboard.h"

#include <pthread.h>
#include <rfb/rfb.h>
#include <stdatomic.h>

struct vnc_api {
    void *library;
#define RFB_CALL(result, name, parameters) result(*name) parameters;
#include "ui/screen/vnc_api.def"
#undef RFB_CALL
};

enum { VNC_PASSWORD_BYTES = 9 };

struct vnc {
    metic_machine *machine;
    const struct keymap *keymap; /* of the guest, or NULL: US */
    unsigned head; /* the machine's screen */
    bool quiet;
    struct vnc_api rfb;
    struct listener listener;
    char password[VNC_PASSWORD_BYTES]; /* empty: none is asked for */
    char *passwords[2];                /* as the library wants it */
    bool made_up;
    char name[64];
    int wake_fd;
    pthread_t thread;
    bool has_thread;
    _Atomic bool closing;

    /* The thread's. */
    rfbScreenInfoPtr screen;
    rfbProtocolExtension keys; /* QEMU's, with places on the keyboard */
    int key_encodings[2];
    metic_viewer *viewer;
    metic_clipboard *clipboard; /* or NULL: the machine shares none */
    struct metic_frame frame;
    u32 *blank; /* while the screen shows nothing */
    rfbCursor cursor;
    u8 cursor_mask[64 * 8];
    struct keyboard_locks locks;
    bool told_unknown; /* that a letter is on no key */
};

/* One viewer's keyboard and pointer. */
struct vnc_client {
    struct keyboard keyboard;
    int buttons; /* that are down */
};

static inline struct vnc *vnc_of(rfbClientPtr client)
{
    return client->screen->screenData;
}

/* vnc_input.c: keyboard and pointer of all clients. */
void vnc_input_init(struct vnc *vnc);
void vnc_input_fini(struct vnc *vnc);

/* vnc_clipboard.c: their clipboards. `changed` as metic_clipboard_new's. */
void vnc_clipboard_init(struct vnc *vnc, void (*changed)(void *opaque), void *opaque);
void vnc_clipboard_fini(struct vnc *vnc);
void vnc_clipboard_take(struct vnc *vnc); /* the guest's may be new */
#endif
#endif

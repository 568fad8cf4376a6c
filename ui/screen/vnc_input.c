/* Keyboard and pointer of VNC's clients.
 *
 * RFB names letters, not keys. keyboard.h presses the key that has the letter in the guest's
 * layout, with the modifiers that it takes, whatever those of the client: right from any keyboard.
 * Clients that know QEMU's extension tell the key's place instead; then the guest makes the letter,
 * as with a keyboard of its own. */
#include "ui/screen/vnc_private.h"

#if HAVE_VNC
#include "cpu/base/bits.h"
#include "ui/screen/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENCODING_QEMU_KEYS = -258,
    MESSAGE_QEMU = 255,
};

static void press(void *opaque, unsigned code, bool down)
{
    struct vnc *vnc = opaque;
    metic_key(vnc->machine, code, down);
}

static void take_lamps(struct vnc *vnc)
{
    u32 changes;
    unsigned lamps = metic_get_lamps(vnc->machine, &changes);
    keyboard_take_lamps(&vnc->locks, lamps, changes);
}

/* --- letters --- */

/* Once is enough to know where to look. */
static void tell_unknown(struct vnc *vnc, u32 keysym)
{
    u32 sign = keymap_sign(vnc->keymap, keysym);
    if (vnc->told_unknown || vnc->quiet) {
        return;
    }
    vnc->told_unknown = true;
    fprintf(stderr,
            "metic: vnc: a viewer's %s%0*X is on no key of the guest's keyboard (%s), left out\n"
            "metic: --keymap says which layout the guest has; metic list keymaps\n",
            sign != 0 && (sign & KEYMAP_NO_LETTER) == 0 ? "U+" : "keysym 0x", 4,
            sign != 0 && (sign & KEYMAP_NO_LETTER) == 0 ? sign : keysym, keymap_name(vnc->keymap));
}

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
    struct vnc *vnc = vnc_of(client);
    struct vnc_client *own = client->clientData;
    take_lamps(vnc);
    if (!keyboard_key(&own->keyboard, (u32)keysym, down != 0)) {
        tell_unknown(vnc, (u32)keysym);
    }
}

static void set_buttons(struct vnc *vnc, struct vnc_client *own, int buttons)
{
    static const u16 codes[] = {0x110, 0x112, 0x111};
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        if (((buttons ^ own->buttons) >> i & 1) != 0) {
            metic_key(vnc->machine, codes[i], (buttons >> i & 1) != 0);
        }
    }
    own->buttons = buttons;
}

static void on_gone(rfbClientPtr client)
{
    struct vnc_client *own = client->clientData;
    keyboard_release(&own->keyboard);
    set_buttons(vnc_of(client), own, 0);
    client->clientData = NULL;
    free(own);
}

static enum rfbNewClientAction on_new(rfbClientPtr client)
{
    struct vnc *vnc = vnc_of(client);
    struct vnc_client *own = calloc(1, sizeof(*own));
    if (own == NULL) {
        return RFB_CLIENT_REFUSE;
    }
    own->keyboard = (struct keyboard){
        .map = vnc->keymap, .locks = &vnc->locks, .press = press, .opaque = vnc};
    client->clientData = own;
    client->clientGoneHook = on_gone;
    return RFB_CLIENT_ACCEPT;
}

/* --- places: QEMU's extension --- */

/* The client asks whether we know it; a rectangle of that encoding says yes. */
static rfbBool enable_places(rfbClientPtr client, void **data, int encoding)
{
    u8 update[16] = {rfbFramebufferUpdate, 0, 0, 1};
    (void)data;
    if (encoding != ENCODING_QEMU_KEYS) {
        return FALSE;
    }
    st_be32(update + 12, (u32)encoding);
    return vnc_of(client)->rfb.WriteExact(client, (const char *)update, sizeof(update)) > 0;
}

static rfbBool on_message(rfbClientPtr client, void *data, const rfbClientToServerMsg *message)
{
    struct vnc *vnc = vnc_of(client);
    u8 rest[11]; /* u8 kind, u16 down, u32 keysym, u32 scan code */
    (void)data;
    if (message->type != MESSAGE_QEMU) {
        return FALSE;
    }
    if (vnc->rfb.ReadExact(client, (char *)rest, sizeof(rest)) <= 0 || rest[0] != 0) {
        vnc->rfb.CloseClient(client); /* what follows cannot be told apart */
        return TRUE;
    }
    struct vnc_client *own = client->clientData;
    take_lamps(vnc);
    keyboard_place(&own->keyboard, keys_by_xt(ld_be32(rest + 7)), (rest[1] | rest[2]) != 0);
    return TRUE;
}

/* --- pointer --- */

static void on_pointer(int buttons, int x, int y, rfbClientPtr client)
{
    enum { WHEEL_UP = 1 << 3, WHEEL_DOWN = 1 << 4, WHEEL_LEFT = 1 << 5, WHEEL_RIGHT = 1 << 6 };
    struct vnc *vnc = vnc_of(client);
    struct vnc_client *own = client->clientData;
    int width = client->screen->width, height = client->screen->height;
    x = x < 0 ? 0 : x < width ? x : width - 1;
    y = y < 0 ? 0 : y < height ? y : height - 1;
    if (width > 1 && height > 1) {
        metic_pointer_on(vnc->machine, vnc->head, (u32)((s64)x * METIC_POINTER_MAX / (width - 1)),
                         (u32)((s64)y * METIC_POINTER_MAX / (height - 1)));
    }
    int begun = buttons & ~own->buttons;
    metic_wheel(vnc->machine, !!(begun & WHEEL_UP) - !!(begun & WHEEL_DOWN),
                !!(begun & WHEEL_RIGHT) - !!(begun & WHEEL_LEFT));
    set_buttons(vnc, own, buttons);
    vnc->rfb.DefaultPtrAddEvent(buttons, x, y, client);
}

void vnc_input_init(struct vnc *vnc)
{
    vnc->screen->kbdAddEvent = on_key;
    vnc->screen->ptrAddEvent = on_pointer;
    vnc->screen->newClientHook = on_new;
    vnc->key_encodings[0] = ENCODING_QEMU_KEYS;
    vnc->keys = (rfbProtocolExtension){
        .pseudoEncodings = vnc->key_encodings,
        .enablePseudoEncoding = enable_places,
        .handleMessage = on_message,
    };
    vnc->rfb.RegisterProtocolExtension(&vnc->keys);
}

void vnc_input_fini(struct vnc *vnc)
{
    vnc->rfb.UnregisterProtocolExtension(&vnc->keys);
}
#endif

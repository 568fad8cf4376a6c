/* Keyboard and pointer of VNC's clients.
 *
 * RFB names letters, not keys. We press the key that has the letter on a US keyboard, with Shift as
 * the letter needs it, whatever the client's own Shift is doing: right for a guest with a US
 * layout, from any keyboard. Clients that know QEMU's extension tell the key's place instead; then
 * the guest's layout makes the letter, as with a keyboard of its own. */
#include "ui/vnc_private.h"

#if HAVE_VNC
#include "cpu/base/bits.h"
#include "ui/keys.h"

#include <string.h>

enum {
    KEYSYM_SHIFT_LEFT = 0xffe1,
    KEYSYM_SHIFT_RIGHT = 0xffe2,
    KEYSYM_CAPS_LOCK = 0xffe5,
    POINTER_MAX = 32767,
    ENCODING_QEMU_KEYS = -258,
    MESSAGE_QEMU = 255,
};

/* --- letters --- */

static bool is_letter(rfbKeySym keysym)
{
    return (keysym >= 'a' && keysym <= 'z') || (keysym >= 'A' && keysym <= 'Z');
}

static void set_shifts(struct vnc *vnc, bool left, bool right)
{
    metic_key(vnc->machine, KEYS_LEFT_SHIFT, left);
    metic_key(vnc->machine, KEYS_RIGHT_SHIFT, right);
}

static void press_letter(struct vnc *vnc, unsigned code, bool shifted)
{
    bool is_shifted = vnc->left_shift || vnc->right_shift;
    if (shifted == is_shifted) {
        metic_key(vnc->machine, code, true);
        return;
    }
    set_shifts(vnc, shifted, false);
    metic_key(vnc->machine, code, true);
    set_shifts(vnc, vnc->left_shift, vnc->right_shift);
}

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
    struct vnc *vnc = vnc_of(client);
    bool shifted = false;
    unsigned code = keys_by_keysym((u32)keysym, &shifted);
    if (code == 0) {
        return;
    }
    if (keysym == KEYSYM_SHIFT_LEFT) {
        vnc->left_shift = down;
    } else if (keysym == KEYSYM_SHIFT_RIGHT) {
        vnc->right_shift = down;
    } else if (keysym == KEYSYM_CAPS_LOCK && down) {
        vnc->caps = !vnc->caps;
    }
    if (down && keysym > ' ' && keysym < 127) {
        press_letter(vnc, code, shifted ^ (vnc->caps && is_letter(keysym)));
    } else {
        metic_key(vnc->machine, code, down != 0);
    }
}

static void on_gone(rfbClientPtr client)
{
    struct vnc *vnc = vnc_of(client);
    metic_release_keys(vnc->machine);
    vnc->left_shift = vnc->right_shift = false;
    vnc->buttons = 0;
}

static enum rfbNewClientAction on_new(rfbClientPtr client)
{
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
    unsigned code = keys_by_xt(ld_be32(rest + 7));
    bool down = (rest[1] | rest[2]) != 0;
    if (code == KEYS_LEFT_SHIFT) {
        vnc->left_shift = down;
    } else if (code == KEYS_RIGHT_SHIFT) {
        vnc->right_shift = down;
    }
    metic_key(vnc->machine, code, down);
    return TRUE;
}

/* --- pointer --- */

static void on_pointer(int buttons, int x, int y, rfbClientPtr client)
{
    static const u16 codes[] = {0x110, 0x112, 0x111};
    enum { WHEEL_UP = 1 << 3, WHEEL_DOWN = 1 << 4, WHEEL_LEFT = 1 << 5, WHEEL_RIGHT = 1 << 6 };
    struct vnc *vnc = vnc_of(client);
    int width = client->screen->width, height = client->screen->height;
    x = x < 0 ? 0 : x < width ? x : width - 1;
    y = y < 0 ? 0 : y < height ? y : height - 1;
    if (width > 1 && height > 1) {
        metic_pointer_to(vnc->machine, (u32)((s64)x * POINTER_MAX / (width - 1)),
                         (u32)((s64)y * POINTER_MAX / (height - 1)));
    }
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        metic_key(vnc->machine, codes[i], (buttons >> i & 1) != 0);
    }
    int begun = buttons & ~vnc->buttons;
    metic_wheel(vnc->machine, !!(begun & WHEEL_UP) - !!(begun & WHEEL_DOWN),
                !!(begun & WHEEL_RIGHT) - !!(begun & WHEEL_LEFT));
    vnc->buttons = buttons;
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

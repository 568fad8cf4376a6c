/* The clipboards of VNC's clients. RFB's own messages carry Latin-1; those who know the extended
 * clipboard (TigerVNC, noVNC) get and send UTF-8, by libvncserver.
 *
 * To the others libvncserver before 0.9.15 announces the length that the text has in UTF-8, and
 * they would wait for bytes that never come. So they are sent their text from here, and while the
 * library sends, they pass for such as know the extended clipboard and want nothing of it. */
#include "ui/screen/vnc_private.h"

#if HAVE_VNC
#include "cpu/base/bits.h"

#include <stdlib.h>
#include <string.h>

/* The text in Latin-1, as far as it can say it; on the heap, or NULL. */
static char *latin1_of(const char *text, int *size_bytes)
{
    const u8 *from = (const u8 *)text;
    char *latin1 = malloc(strlen(text) + 1);
    int at = 0;
    while (latin1 != NULL && *from != 0) {
        u8 first = *from++;
        if (first < 0x80) {
            latin1[at++] = (char)first;
            continue;
        }
        latin1[at++] = (char)(first < 0xc4 ? first << 6 | (*from & 0x3f) : '?');
        while ((*from & 0xc0) == 0x80) {
            from++;
        }
    }
    *size_bytes = at;
    return latin1;
}

static void on_utf8(char *text, int size_bytes, rfbClientPtr client)
{
    struct vnc *vnc = vnc_of(client);
    if (vnc->clipboard != NULL && size_bytes > 0) {
        metic_clipboard_offer(vnc->clipboard, text, strnlen(text, (size_t)size_bytes));
    }
}

static void on_latin1(char *text, int size_bytes, rfbClientPtr client)
{
    struct vnc *vnc = vnc_of(client);
    size_t at = 0;
    u8 *utf8 = vnc->clipboard != NULL && size_bytes > 0 ? malloc(2 * (size_t)size_bytes) : NULL;
    for (int i = 0; utf8 != NULL && i < size_bytes; i++) {
        u8 byte = (u8)text[i];
        if (byte >= 0x80) {
            utf8[at++] = (u8)(0xc0 | byte >> 6);
            byte = 0x80 | (byte & 0x3f);
        }
        utf8[at++] = byte;
    }
    if (utf8 != NULL) {
        metic_clipboard_offer(vnc->clipboard, (const char *)utf8, at);
        free(utf8);
    }
}

/* The library sends a text to all clients, also to one that would take it for a part of its
 * greeting: while there is one that is not in yet, texts wait. */
static bool all_are_in(struct vnc *vnc)
{
    bool are_in = true;
    rfbClientIteratorPtr each = vnc->rfb.GetClientIterator(vnc->screen);
    rfbClientPtr client;
    while ((client = vnc->rfb.ClientIteratorNext(each)) != NULL) {
        are_in = are_in && client->state == RFB_NORMAL;
    }
    vnc->rfb.ReleaseClientIterator(each);
    return are_in;
}

static void send_latin1(struct vnc *vnc, rfbClientPtr client, const char *text, int size_bytes)
{
    u8 head[sz_rfbServerCutTextMsg] = {rfbServerCutText};
    st_be32(head + 4, (u32)size_bytes);
    if (vnc->rfb.WriteExact(client, (const char *)head, sizeof(head)) <= 0 ||
        (size_bytes > 0 && vnc->rfb.WriteExact(client, text, size_bytes) <= 0)) {
        vnc->rfb.CloseClient(client);
    }
}

static void send_text(struct vnc *vnc, char *text, const char *latin1, int latin1_bytes)
{
    rfbClientPtr client, plain[VNC_MAX_CLIENTS];
    unsigned count = 0;
    rfbClientIteratorPtr each = vnc->rfb.GetClientIterator(vnc->screen);
    while ((client = vnc->rfb.ClientIteratorNext(each)) != NULL && count < VNC_MAX_CLIENTS) {
        if (!client->enableExtendedClipboard) {
            plain[count++] = client;
            send_latin1(vnc, client, latin1, latin1_bytes);
            client->enableExtendedClipboard = TRUE;
            client->extClipboardUserCap = 0;
        }
    }
    vnc->rfb.SendServerCutTextUTF8(vnc->screen, text, (int)strlen(text), NULL, 0);
    for (unsigned i = 0; i < count; i++) {
        plain[i]->enableExtendedClipboard = FALSE;
        free(plain[i]->extClipboardData); /* the library's copy for it */
        plain[i]->extClipboardData = NULL;
    }
    vnc->rfb.ReleaseClientIterator(each);
}

void vnc_clipboard_take(struct vnc *vnc)
{
    bool may_send = vnc->clipboard != NULL && all_are_in(vnc);
    char *text = may_send ? metic_clipboard_take(vnc->clipboard) : NULL;
    int latin1_bytes = 0;
    char *latin1 = text != NULL ? latin1_of(text, &latin1_bytes) : NULL;
    if (latin1 != NULL) {
        send_text(vnc, text, latin1, latin1_bytes);
    }
    free(latin1);
    free(text);
}

void vnc_clipboard_init(struct vnc *vnc, void (*changed)(void *opaque), void *opaque)
{
    struct metic_error none_is_shared;
    vnc->clipboard = metic_clipboard_new(vnc->machine, changed, opaque, &none_is_shared);
    vnc->screen->setXCutText = on_latin1;
    vnc->screen->setXCutTextUTF8 = on_utf8;
}

void vnc_clipboard_fini(struct vnc *vnc)
{
    metic_clipboard_free(vnc->clipboard);
}
#endif

/* See keys.h. */
#include "ui/keys.h"

#include <stdlib.h>
#include <string.h>

static const struct key {
    u16 usb, linux_code;
    u8 xt;
    const char *name;
    u32 keysym, shifted;
} keys[] = {
#define KEY(usb, linux_code, xt, name, keysym, shifted) \
    {usb, linux_code, xt, name, keysym, shifted},
#include "ui/keys.def"
#undef KEY
};

enum { TYPE_REST_MS = 10, KEYSYM_RETURN = 0xff0d, KEYSYM_TAB = 0xff09, KEYSYM_ESCAPE = 0xff1b };

unsigned keys_by_usb(unsigned usb)
{
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i].usb == usb) {
            return keys[i].linux_code;
        }
    }
    return 0;
}

unsigned keys_by_xt(unsigned xt)
{
    for (unsigned i = 0; i < ARRAY_LEN(keys) && xt != 0; i++) {
        if (keys[i].xt == xt) {
            return keys[i].linux_code;
        }
    }
    return 0;
}

unsigned keys_by_name(const char *name, size_t bytes)
{
    char number[8];
    for (unsigned i = 0; i < ARRAY_LEN(keys) && bytes != 0; i++) {
        if (strlen(keys[i].name) == bytes && memcmp(keys[i].name, name, bytes) == 0) {
            return keys[i].linux_code;
        }
    }
    if (bytes < 3 || bytes >= sizeof(number) || memcmp(name, "0x", 2) != 0) {
        return 0;
    }
    memcpy(number, name, bytes);
    number[bytes] = '\0';
    char *end;
    unsigned long xt = strtoul(number, &end, 16);
    return *end == '\0' ? keys_by_xt((unsigned)xt) : 0;
}

unsigned keys_by_keysym(u32 keysym, bool *shifted)
{
    for (unsigned i = 0; i < ARRAY_LEN(keys) && keysym != 0; i++) {
        if (keys[i].keysym == keysym || keys[i].shifted == keysym) {
            *shifted = keys[i].keysym != keysym;
            return keys[i].linux_code;
        }
    }
    return 0;
}

unsigned keys_chord(const char *text, unsigned hold_ms, struct metic_key_step *steps,
                    unsigned most, const char **bad, size_t *bad_bytes)
{
    unsigned count = 0;
    do {
        *bad = text;
        *bad_bytes = strcspn(text, "-");
        unsigned code = keys_by_name(text, *bad_bytes);
        if (code == 0 || 2 * (count + 1) > most) {
            return 0;
        }
        steps[count++] = (struct metic_key_step){code, true, 0};
        text += *bad_bytes;
    } while (*text++ == '-');
    steps[count - 1].then_ms = hold_ms;
    for (unsigned i = 0; i < count; i++) { /* up in the other order */
        steps[count + i] = (struct metic_key_step){steps[count - 1 - i].code, false, 0};
    }
    steps[2 * count - 1].then_ms = TYPE_REST_MS;
    return 2 * count;
}

static u32 keysym_of(char character)
{
    switch (character) {
    case '\n':
    case '\r': return KEYSYM_RETURN;
    case '\t': return KEYSYM_TAB;
    case '\x1b': return KEYSYM_ESCAPE;
    default: return (unsigned char)character;
    }
}

unsigned keys_text(const char *text, struct metic_key_step *steps, unsigned most,
                   const char **bad)
{
    unsigned count = 0;
    for (; *text != '\0'; text++) {
        bool shifted = false;
        unsigned code = keys_by_keysym(keysym_of(*text), &shifted);
        *bad = text;
        if (code == 0) {
            return 0;
        }
        if (count + 4 > most) {
            break;
        }
        if (shifted) {
            steps[count++] = (struct metic_key_step){KEYS_LEFT_SHIFT, true, 0};
        }
        steps[count++] = (struct metic_key_step){code, true, TYPE_REST_MS};
        steps[count++] = (struct metic_key_step){code, false, TYPE_REST_MS};
        if (shifted) {
            steps[count++] = (struct metic_key_step){KEYS_LEFT_SHIFT, false, 0};
        }
    }
    *bad = text + strlen(text);
    return *text == '\0' ? count : 0;
}

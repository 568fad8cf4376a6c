/* See keys.h. */
#include "ui/screen/keys.h"

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
#include "ui/screen/keys.def"
#undef KEY
};

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

bool keys_is_code(unsigned code)
{
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i].linux_code == code) {
            return true;
        }
    }
    return false;
}

/* Keys by the names others have for them (keys.def). Codes are Linux's, as metic_key takes them. */
#ifndef METIC_UI_KEYS_H
#define METIC_UI_KEYS_H

#include "cpu/base/types.h"

enum { KEYS_LEFT_SHIFT = 42, KEYS_CAPS_LOCK = 58, KEYS_NUM_LOCK = 69, KEYS_RIGHT_SHIFT = 54 };

/* 0: there is no such key. */
unsigned keys_by_usb(unsigned usb);
unsigned keys_by_xt(unsigned xt); /* with 0x80 for the prefix e0 */
/* A name of `bytes` bytes: QEMU's ("ret", "ctrl", "a"), or a number as keys_by_xt's. */
unsigned keys_by_name(const char *name, size_t bytes);
/* *shifted: the US keyboard has it with Shift. */
unsigned keys_by_keysym(u32 keysym, bool *shifted);

/* Whether a keyboard has such a key. */
bool keys_is_code(unsigned code);

#endif

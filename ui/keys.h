/* Keys by the names others have for them (keys.def). Codes are Linux's, as metic_key takes them. */
#ifndef METIC_UI_KEYS_H
#define METIC_UI_KEYS_H

#include "cpu/base/types.h"
#include "hw/metic.h"

enum { KEYS_LEFT_SHIFT = 42, KEYS_RIGHT_SHIFT = 54 };

/* 0: there is no such key. */
unsigned keys_by_usb(unsigned usb);
unsigned keys_by_xt(unsigned xt); /* with 0x80 for the prefix e0 */
/* A name of `bytes` bytes: QEMU's ("ret", "ctrl", "a"), or a number as keys_by_xt's. */
unsigned keys_by_name(const char *name, size_t bytes);
/* *shifted: the US keyboard has it with Shift. */
unsigned keys_by_keysym(u32 keysym, bool *shifted);

/* A chord, "ctrl-alt-f1", that is held for so long. Returns how many steps; 0: *bad (bad_bytes of
 * it) is no key, or there are more than `most` steps. */
unsigned keys_chord(const char *text, unsigned hold_ms, struct metic_key_step *steps,
                    unsigned most, const char **bad, size_t *bad_bytes);
/* What types a text on a US keyboard; '\n' is Return. Returns how many steps; 0: *bad is a
 * character that is not on it (or the text's end: it is empty, or too long). */
unsigned keys_text(const char *text, struct metic_key_step *steps, unsigned most,
                   const char **bad);

#endif

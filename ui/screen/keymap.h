/* The layout of the guest's keyboard: which keys write a letter there.
 *
 *   letters of a VNC viewer, texts to be typed  ->  struct keymap  ->  key places and modifiers
 *
 * Without one the guest is taken to have a US keyboard (keys.def). Others are XKB's, which X,
 * Wayland and Debian's console use: libxkbcommon reads them once, at the start, into a table of
 * ours.
 *
 * A letter's sign is its Unicode character; that of what is none (dead keys, XF86 keys) its keysym
 * with KEYMAP_NO_LETTER. Reading a keymap is done by any threads at once. */
#ifndef METIC_UI_KEYMAP_H
#define METIC_UI_KEYMAP_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

#include <stdio.h>

enum keymap_modifier { KEYMAP_SHIFT = 1, KEYMAP_LEVEL3 = 2, KEYMAP_LEVEL5 = 4 };
enum { KEYMAP_MODIFIERS = 3, KEYMAP_MODIFIER_KEYS = 8, KEYMAP_STROKES = 2 };
/* Locks that are on, as a keyboard's lamps (LED_*) show them. */
enum { KEYMAP_NUM_LOCK = 1, KEYMAP_CAPS_LOCK = 2, KEYMAP_LOCKS = 2 };
#define KEYMAP_NO_LETTER 0x80000000u

/* A key that is pressed while exactly these modifiers are down. */
struct keymap_stroke {
    u16 code; /* Linux's */
    u8 modifiers;
};

struct keymap;

/* LAYOUT[:VARIANT], as XKB names them, "de" or "us:dvorak"; more behind commas, whose letters count
 * when those before have them not: the guest must be switched to them then. NULL with a reason;
 * *missing: it is that libxkbcommon is not there, whatever the name. */
struct keymap *keymap_new(const char *name, bool *missing, struct metic_error *error);
void keymap_free(struct keymap *map); /* NULL allowed */
/* The layouts that libxkbcommon finds on this host, with what they are, a line each. */
bool keymap_list(FILE *to, struct metic_error *error);

/* All below: NULL is the US keyboard. */

const char *keymap_name(const struct keymap *map);
/* The sign of an X keysym; 0: none. */
u32 keymap_sign(const struct keymap *map, u32 keysym);
/* What writes the sign while the locks are so, in few modifiers, those that are `held` if they will
 * do: the number of strokes, of which all but the last are dead keys. 0: no keys write it. */
unsigned keymap_find(const struct keymap *map, u32 sign, unsigned held, unsigned locks,
                     struct keymap_stroke strokes[KEYMAP_STROKES]);
/* The same. Some letters (ß) cannot be written with Caps Lock: *lift, it has to go off first. */
unsigned keymap_find_lifting(const struct keymap *map, u32 sign, unsigned held, unsigned locks,
                             struct keymap_stroke strokes[KEYMAP_STROKES], bool *lift);
/* A key that waits for a letter and changes it. */
bool keymap_is_dead(u32 keysym);
/* What the letter becomes behind a dead key; 0: nothing. */
u32 keymap_behind_dead(u32 keysym, u32 letter);
/* The key of a keysym that writes nothing (F1, Control_L); 0: none. */
unsigned keymap_place(const struct keymap *map, u32 keysym);
/* Which keys are modifiers of letters, the index'th; false: there are no more. The first of a
 * modifier is the one to press. */
bool keymap_modifier_at(const struct keymap *map, unsigned index, struct keymap_stroke *key);

/* ---- For keymap_xkb.c, which fills it ---- */

struct keymap_row {
    u32 sign;
    u16 code;
    u8 modifiers, locks;
};

struct keymap {
    char name[64];
    struct keymap_row *rows;
    unsigned row_count, row_room;
    struct keymap_stroke modifiers[KEYMAP_MODIFIER_KEYS];
    unsigned modifier_count;
    void *library;
    u32 (*to_character)(u32 keysym); /* libxkbcommon's */
};

#endif

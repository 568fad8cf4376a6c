/* Chords and texts as the presses that write them on the guest's keyboard. */
#ifndef METIC_UI_KEY_STEPS_H
#define METIC_UI_KEY_STEPS_H

#include "hw/metic.h"
#include "ui/screen/keymap.h"

/* The guest's locks that count for letters, by its keyboard's lamps: KEYMAP_*_LOCK. */
unsigned key_locks(const metic_machine *machine);

/* Keys that are down together. */
enum { KEY_CHORD_KEYS = 16, KEY_CHORD_STEPS = 2 * KEY_CHORD_KEYS };
struct key_chord {
    unsigned codes[KEY_CHORD_KEYS], count;
};
/* One more key; those that write a letter in the guest's layout, modifiers included. False: there
 * is no such key, no one key that writes it, or no room. */
bool key_chord_add(struct key_chord *chord, unsigned code);
bool key_chord_add_letter(struct key_chord *chord, const struct keymap *map, unsigned locks,
                          u32 letter);
/* Down in that order, held for so long, up in the other. Returns how many steps. */
unsigned key_chord_steps(const struct key_chord *chord, unsigned hold_ms,
                         struct metic_key_step steps[KEY_CHORD_STEPS]);

/* A chord as people write it, "ctrl-alt-f1", that is held for so long. Names are QEMU's, which are
 * places on the keyboard; =X is the key that writes X in the guest's layout, with the modifiers
 * that it takes. Returns how many steps; 0: *bad (bad_bytes of it) is no key, or one too many. */
unsigned key_steps_chord(const struct keymap *map, unsigned locks, const char *text,
                         unsigned hold_ms, struct metic_key_step steps[KEY_CHORD_STEPS],
                         const char **bad, size_t *bad_bytes);

/* What writes a text (UTF-8) in the guest's layout; '\n' is Return. Characters that are on no key,
 * and what is no UTF-8, are left out and counted, and *bad is the first of them (NULL: none).
 * Returns how many steps; 0 also when they are more than `most`: *too_long. */
struct key_text {
    unsigned left_out;
    const char *bad;
    size_t bad_bytes;
    bool too_long;
};
unsigned key_steps_text(const struct keymap *map, unsigned locks, const char *text,
                        struct metic_key_step *steps, unsigned most, struct key_text *said);

#endif

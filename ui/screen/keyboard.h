/* A client that tells what it types by letters (X keysyms), made into presses of the guest's keys.
 *
 *   keysyms, key places  ->  struct keyboard  ->  press(code, down)
 *
 * A letter needs certain modifiers in the guest's layout, which need not be those that the client
 * holds: a German viewer types @ with AltGr, a US guest wants Shift. So while a letter is down, the
 * guest has the modifiers that it takes, and afterwards those of the client again. The guest's
 * own repetition of the key goes on meanwhile, with the right letter.
 *
 * What a client pressed is remembered by what it called it, so that it goes up even if the client
 * calls it something else then ('A' down, Shift up, 'a' up), and all when the client goes.
 *
 * One thread. */
#ifndef METIC_UI_KEYBOARD_H
#define METIC_UI_KEYBOARD_H

#include "ui/screen/keymap.h"

/* The guest's locks, shared by all clients of a machine. Before a guest has told of any, and while
 * it is about to, they follow what was pressed. */
struct keyboard_locks {
    unsigned on;  /* KEYMAP_*_LOCK */
    u32 changes; /* of the lamps, seen so far */
};
/* What the guest's lamps show, and how often that changed. */
void keyboard_take_lamps(struct keyboard_locks *locks, unsigned lamps, u32 changes);

enum { KEYBOARD_CODES = 256, KEYBOARD_LETTERS = 16 };

struct keyboard {
    const struct keymap *map; /* or NULL */
    struct keyboard_locks *locks;
    void (*press)(void *opaque, unsigned code, bool down);
    void *opaque;

    bool down[KEYBOARD_CODES]; /* in the guest, by us */
    bool held[KEYBOARD_CODES]; /* modifiers of letters, at the client */
    struct {
        u32 keysym; /* 0: free */
        u16 code;
    } letters[KEYBOARD_LETTERS]; /* that are down */
    u16 owner; /* the letter for whose sake the guest's modifiers are not the client's; 0: none */
    u32 dead;  /* keysym of a dead key that the layout lacks, pressed before; 0: none */
};

/* `keyboard` is all zero but for the first four. */

/* False: the guest's layout has no such letter, and nothing was pressed. */
bool keyboard_key(struct keyboard *keyboard, u32 keysym, bool down);
/* By a client that knows places. */
void keyboard_place(struct keyboard *keyboard, unsigned code, bool down);
/* All that this client holds goes up. */
void keyboard_release(struct keyboard *keyboard);

#endif

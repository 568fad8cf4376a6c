/* See keyboard.h. */
#include "ui/screen/keyboard.h"

#include "ui/screen/keys.h"
#include "ui/screen/keysyms.h"

#include <string.h>

void keyboard_take_lamps(struct keyboard_locks *locks, unsigned lamps, u32 changes)
{
    if (changes != locks->changes) {
        locks->changes = changes;
        locks->on = lamps & (KEYMAP_NUM_LOCK | KEYMAP_CAPS_LOCK);
    }
}

static void press(struct keyboard *k, unsigned code, bool down)
{
    if (code != 0 && code < KEYBOARD_CODES && k->down[code] != down) {
        k->down[code] = down;
        k->press(k->opaque, code, down);
    }
}

/* ---- Modifiers ---- */

static unsigned modifier_of(const struct keymap *map, unsigned code)
{
    struct keymap_stroke key;
    for (unsigned i = 0; keymap_modifier_at(map, i, &key); i++) {
        if (key.code == code) {
            return key.modifiers;
        }
    }
    return 0;
}

static unsigned held_modifiers(const struct keyboard *k)
{
    struct keymap_stroke key;
    unsigned held = 0;
    for (unsigned i = 0; keymap_modifier_at(k->map, i, &key); i++) {
        held |= k->held[key.code] ? key.modifiers : 0;
    }
    return held;
}

/* The guest gets these modifiers: by the keys that the client holds, or a key of ours. What must go
 * up goes first, so that no third set is seen between. */
static void set_modifiers(struct keyboard *k, unsigned wanted)
{
    struct keymap_stroke key;
    bool down[KEYMAP_MODIFIER_KEYS] = {0};
    unsigned missing = wanted & ~held_modifiers(k);
    for (unsigned i = 0; keymap_modifier_at(k->map, i, &key); i++) {
        down[i] = ((wanted & key.modifiers) != 0 && k->held[key.code]) ||
                  (missing & key.modifiers) != 0;
        missing &= ~(unsigned)key.modifiers;
        if (!down[i]) {
            press(k, key.code, false);
        }
    }
    for (unsigned i = 0; keymap_modifier_at(k->map, i, &key); i++) {
        if (down[i]) {
            press(k, key.code, true);
        }
    }
}

/* The client's own again. */
static void give_back(struct keyboard *k)
{
    k->owner = 0;
    set_modifiers(k, held_modifiers(k));
}

static void hold(struct keyboard *k, unsigned code, bool down)
{
    k->held[code] = down;
    if (k->owner == 0) {
        press(k, code, down);
    }
}

/* ---- Letters ---- */

static void release_letter(struct keyboard *k, unsigned index)
{
    unsigned code = k->letters[index].code;
    k->letters[index].keysym = 0;
    press(k, code, false);
    if (k->owner == code) {
        give_back(k);
    }
}

/* Which letter that is down has this key, or else -1. */
static int letter_on(const struct keyboard *k, unsigned code)
{
    for (int i = 0; i < KEYBOARD_LETTERS; i++) {
        if (k->letters[i].keysym != 0 && k->letters[i].code == code) {
            return i;
        }
    }
    return -1;
}

static int letter_called(const struct keyboard *k, u32 keysym)
{
    for (int i = 0; i < KEYBOARD_LETTERS; i++) {
        if (k->letters[i].keysym == keysym) {
            return i;
        }
    }
    return -1;
}

static void remember(struct keyboard *k, u32 keysym, unsigned code)
{
    int index = letter_called(k, 0);
    if (index < 0) { /* more than anybody has fingers */
        release_letter(k, 0);
        index = 0;
    }
    k->letters[index].keysym = keysym;
    k->letters[index].code = (u16)code;
}

static void press_letter(struct keyboard *k, u32 keysym, const struct keymap_stroke *strokes,
                         unsigned count)
{
    unsigned code = strokes[count - 1].code;
    for (unsigned i = 0; i < count; i++) {
        int index = letter_on(k, strokes[i].code);
        if (index >= 0) { /* the same key with another letter */
            release_letter(k, (unsigned)index);
        }
        set_modifiers(k, strokes[i].modifiers);
        press(k, strokes[i].code, true);
        if (i + 1 < count) {
            press(k, strokes[i].code, false);
        }
    }
    remember(k, keysym, code);
    k->owner = strokes[count - 1].modifiers != held_modifiers(k) ? (u16)code : 0;
}

static void letter_up(struct keyboard *k, u32 keysym, unsigned locks)
{
    struct keymap_stroke strokes[KEYMAP_STROKES];
    int index = letter_called(k, keysym);
    if (index < 0) { /* it went down with another name */
        u32 sign = keymap_sign(k->map, keysym);
        unsigned count = keymap_find(k->map, sign, held_modifiers(k), locks, strokes);
        index = count != 0 ? letter_on(k, strokes[count - 1].code) : -1;
    }
    if (index >= 0) {
        release_letter(k, (unsigned)index);
    }
}

/* ---- Locks and the keypad ---- */

static void press_lock(struct keyboard *k, unsigned lock, unsigned code, bool down)
{
    if (down && !k->down[code]) {
        k->locks->on ^= lock;
    }
    press(k, code, down);
}

/* The keypad's keys are digits or arrows by the guest's num lock: it is made to be what the
 * client's is. With Shift they are the other, and it is left alone. */
static void match_num_lock(struct keyboard *k, u32 keysym)
{
    bool is_digit = (keysym >= KEYSYM_KP_0 && keysym <= KEYSYM_KP_9) ||
                    (keysym >= KEYSYM_KP_SEPARATOR && keysym <= KEYSYM_KP_DECIMAL &&
                     keysym != KEYSYM_KP_SEPARATOR + 1);
    bool is_arrow = keysym >= KEYSYM_KP_HOME && keysym <= KEYSYM_KP_DELETE;
    bool is_on = (k->locks->on & KEYMAP_NUM_LOCK) != 0;
    if ((held_modifiers(k) & KEYMAP_SHIFT) == 0 && (is_on ? is_arrow : is_digit)) {
        press_lock(k, KEYMAP_NUM_LOCK, KEYS_NUM_LOCK, true);
        press_lock(k, KEYMAP_NUM_LOCK, KEYS_NUM_LOCK, false);
    }
}

static void place_key(struct keyboard *k, u32 keysym, unsigned code, bool down)
{
    if (down && !k->down[code]) {
        match_num_lock(k, keysym);
    }
    if (modifier_of(k->map, code) != 0) {
        hold(k, code, down);
    } else if (code == KEYS_CAPS_LOCK || code == KEYS_NUM_LOCK) {
        press_lock(k, code == KEYS_NUM_LOCK ? KEYMAP_NUM_LOCK : KEYMAP_CAPS_LOCK, code, down);
    } else {
        if (down && k->owner != 0) {
            give_back(k);
        }
        press(k, code, down);
    }
}

/* ---- From outside ---- */

/* A client holds these for letters' sake, which come by themselves. */
static bool is_unneeded(u32 keysym)
{
    return keysym == KEYSYM_LEVEL3_SHIFT || keysym == KEYSYM_LEVEL5_SHIFT ||
           keysym == KEYSYM_MODE_SWITCH;
}

/* With a dead key that the client pressed before and the layout lacks, the letter of both. */
static unsigned find_letter(struct keyboard *k, u32 sign,
                            struct keymap_stroke strokes[KEYMAP_STROKES])
{
    unsigned held = held_modifiers(k), count = 0;
    if (k->dead != 0) {
        count = keymap_find(k->map, keymap_behind_dead(k->dead, sign), held, k->locks->on, strokes);
        k->dead = 0;
    }
    bool lift = false;
    if (count == 0) {
        count = keymap_find_lifting(k->map, sign, held, k->locks->on, strokes, &lift);
    }
    if (lift) {
        press_lock(k, KEYMAP_CAPS_LOCK, KEYS_CAPS_LOCK, true);
        press_lock(k, KEYMAP_CAPS_LOCK, KEYS_CAPS_LOCK, false);
    }
    return count;
}

bool keyboard_key(struct keyboard *k, u32 keysym, bool down)
{
    struct keymap_stroke strokes[KEYMAP_STROKES];
    u32 sign = keymap_sign(k->map, keysym);
    bool is_letter = (sign & KEYMAP_NO_LETTER) == 0 || keymap_is_dead(keysym);
    unsigned code = is_letter ? 0 : keymap_place(k->map, keysym);
    if (!is_letter && (code != 0 || is_unneeded(keysym))) {
        place_key(k, keysym, code, down);
        return true;
    }
    if (!down || keysym == 0) {
        letter_up(k, keysym, k->locks->on);
        return true;
    }
    if (letter_called(k, keysym) >= 0) {
        return true; /* the client repeats it, as the guest does */
    }
    unsigned count = is_letter ? find_letter(k, sign, strokes) : 0;
    if (count != 0) {
        press_letter(k, keysym, strokes, count);
    } else if (keymap_is_dead(keysym)) {
        k->dead = keysym;
    }
    return count != 0 || keymap_is_dead(keysym);
}

void keyboard_place(struct keyboard *k, unsigned code, bool down)
{
    if (code != 0 && code < KEYBOARD_CODES) {
        place_key(k, 0, code, down);
    }
}

void keyboard_release(struct keyboard *k)
{
    memset(k->held, 0, sizeof(k->held));
    for (unsigned i = 0; i < KEYBOARD_LETTERS; i++) {
        press(k, k->letters[i].code, false);
        k->letters[i].keysym = 0;
    }
    k->owner = 0;
    k->dead = 0;
    for (unsigned code = KEYBOARD_CODES; code-- > 1;) {
        press(k, code, false);
    }
}

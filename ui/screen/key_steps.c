/* See key_steps.h. */
#include "ui/screen/key_steps.h"

#include "cpu/base/utf8.h"
#include "ui/screen/keys.h"
#include "ui/screen/keysyms.h"

#include <string.h>

enum { REST_MS = 10 };

/* The key to press for a modifier. */
static unsigned modifier_code(const struct keymap *map, unsigned modifier)
{
    struct keymap_stroke key;
    for (unsigned i = 0; keymap_modifier_at(map, i, &key); i++) {
        if (key.modifiers == modifier) {
            return key.code;
        }
    }
    return 0;
}

unsigned key_locks(const metic_machine *machine)
{
    uint32_t changes;
    return metic_get_lamps(machine, &changes) & (KEYMAP_NUM_LOCK | KEYMAP_CAPS_LOCK);
}

/* ---- Chords ---- */

bool key_chord_add(struct key_chord *chord, unsigned code)
{
    for (unsigned i = 0; i < chord->count; i++) {
        if (chord->codes[i] == code) {
            return true; /* of two letters that take the same modifier */
        }
    }
    if (code == 0 || chord->count == KEY_CHORD_KEYS) {
        return false;
    }
    chord->codes[chord->count++] = code;
    return true;
}

bool key_chord_add_letter(struct key_chord *chord, const struct keymap *map, unsigned locks,
                          u32 letter)
{
    struct keymap_stroke strokes[KEYMAP_STROKES];
    if (keymap_find(map, letter, 0, locks, strokes) != 1) {
        return false;
    }
    for (unsigned modifier = 1; modifier < 1u << KEYMAP_MODIFIERS; modifier <<= 1) {
        if ((strokes[0].modifiers & modifier) != 0 &&
            !key_chord_add(chord, modifier_code(map, modifier))) {
            return false;
        }
    }
    return key_chord_add(chord, strokes[0].code);
}

unsigned key_chord_steps(const struct key_chord *chord, unsigned hold_ms,
                         struct metic_key_step steps[KEY_CHORD_STEPS])
{
    unsigned count = chord->count;
    for (unsigned i = 0; i < count; i++) {
        steps[i] = (struct metic_key_step){chord->codes[i], true, i + 1 == count ? hold_ms : 0};
        steps[2 * count - 1 - i] =
            (struct metic_key_step){chord->codes[i], false, i == 0 ? REST_MS : 0};
    }
    return 2 * count;
}

/* The first key of a chord's text, whose bytes are counted. "=-" is one. */
static bool add_name(struct key_chord *chord, const struct keymap *map, unsigned locks,
                     const char *text, size_t *bytes)
{
    const char *end = text + 1;
    u32 letter = text[0] == '=' ? utf8_next(&end) : 0;
    if (letter != 0) {
        *bytes = (size_t)(end - text) + strcspn(end, "-");
        return *bytes == (size_t)(end - text) && key_chord_add_letter(chord, map, locks, letter);
    }
    *bytes = strcspn(text, "-");
    return key_chord_add(chord, keys_by_name(text, *bytes));
}

unsigned key_steps_chord(const struct keymap *map, unsigned locks, const char *text,
                         unsigned hold_ms, struct metic_key_step steps[KEY_CHORD_STEPS],
                         const char **bad, size_t *bad_bytes)
{
    struct key_chord chord = {.count = 0};
    do {
        *bad = text;
        if (!add_name(&chord, map, locks, text, bad_bytes)) {
            return 0;
        }
        text += *bad_bytes;
    } while (*text++ == '-');
    return key_chord_steps(&chord, hold_ms, steps);
}

/* ---- Texts ---- */

static u32 sign_of(u32 character)
{
    switch (character) {
    case '\n':
    case '\r': return KEYSYM_RETURN | KEYMAP_NO_LETTER;
    case '\t': return KEYSYM_TAB | KEYMAP_NO_LETTER;
    case '\x1b': return KEYSYM_ESCAPE | KEYMAP_NO_LETTER;
    default: return character;
    }
}

/* Steps that are gathered; more than there is room for are counted alone. */
struct key_steps {
    struct metic_key_step *steps;
    unsigned count, most;
};

static void add(struct key_steps *to, unsigned code, bool down, unsigned then_ms)
{
    if (to->count < to->most) {
        to->steps[to->count] = (struct metic_key_step){code, down, then_ms};
    }
    to->count++;
}

static void add_tap(struct key_steps *to, unsigned code)
{
    add(to, code, true, REST_MS);
    add(to, code, false, REST_MS);
}

static void add_stroke(struct key_steps *to, const struct keymap *map,
                       struct keymap_stroke stroke)
{
    for (unsigned i = 0; i < KEYMAP_MODIFIERS; i++) {
        if (stroke.modifiers >> i & 1) {
            add(to, modifier_code(map, 1u << i), true, 0);
        }
    }
    add_tap(to, stroke.code);
    for (unsigned i = KEYMAP_MODIFIERS; i-- > 0;) {
        if (stroke.modifiers >> i & 1) {
            add(to, modifier_code(map, 1u << i), false, 0);
        }
    }
}

/* False: no keys write it. Caps Lock is off while it is written, where it must be. */
static bool add_letter(struct key_steps *to, const struct keymap *map, unsigned locks, u32 letter)
{
    struct keymap_stroke strokes[KEYMAP_STROKES];
    bool lift;
    unsigned count = keymap_find_lifting(map, letter, 0, locks, strokes, &lift);
    if (lift) {
        add_tap(to, KEYS_CAPS_LOCK);
    }
    for (unsigned i = 0; i < count; i++) {
        add_stroke(to, map, strokes[i]);
    }
    if (lift) {
        add_tap(to, KEYS_CAPS_LOCK);
    }
    return count != 0;
}

unsigned key_steps_text(const struct keymap *map, unsigned locks, const char *text,
                        struct metic_key_step *steps, unsigned most, struct key_text *said)
{
    struct key_steps to = {.steps = steps, .most = most};
    *said = (struct key_text){0};
    while (*text != '\0') {
        const char *at = text;
        u32 sign = sign_of(utf8_next(&text));
        bool added = true;
        text += text == at;
        if ((sign & KEYMAP_NO_LETTER) != 0) {
            add_tap(&to, keymap_place(map, sign & ~KEYMAP_NO_LETTER));
        } else {
            added = add_letter(&to, map, locks, sign);
        }
        if (!added && said->left_out++ == 0) {
            said->bad = at;
            said->bad_bytes = (size_t)(text - at);
        }
    }
    said->too_long = to.count > most;
    return said->too_long ? 0 : to.count;
}

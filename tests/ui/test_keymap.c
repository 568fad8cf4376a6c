/* ui/screen/keymap.c, keymap_xkb.c, key_steps.c: letters of several layouts come from the keys that
 * they are printed on, and chords and texts become the right steps. */
#include "config.h"
#include "ui/screen/key_steps.h"
#include "ui/screen/keys.h"

#include <criterion/criterion.h>
#include <string.h>

enum { SHIFT = KEYMAP_SHIFT, ALTGR = KEYMAP_LEVEL3, CAPS = KEYMAP_CAPS_LOCK };

#define PRESS(code, modifiers) {{code, modifiers}}, 1
#define BEHIND(dead, dead_modifiers, code, modifiers) \
    {{dead, dead_modifiers}, {code, modifiers}}, 2

struct letter {
    const char *layout;
    u32 letter;
    struct keymap_stroke strokes[KEYMAP_STROKES];
    unsigned count; /* 0: on no key */
};

static struct keymap *open_layout(const char *name)
{
    struct metic_error error;
    bool missing;
    struct keymap *map = keymap_new(name, &missing, &error);
    cr_assert(map != NULL || missing, "%s: %s", name, error.what);
    return map;
}

static bool has_layouts(void)
{
    struct keymap *map = open_layout("de");
    keymap_free(map);
    return map != NULL;
}

static void check_letter(const struct keymap *map, const struct letter *want)
{
    struct keymap_stroke got[KEYMAP_STROKES];
    unsigned count = keymap_find(map, want->letter, 0, 0, got);
    cr_assert_eq(count, want->count, "%s U+%04X: %u strokes", want->layout, want->letter, count);
    for (unsigned i = 0; i < count; i++) {
        cr_expect(got[i].code == want->strokes[i].code &&
                      got[i].modifiers == want->strokes[i].modifiers,
                  "%s U+%04X: stroke %u is %u with %u", want->layout, want->letter, i, got[i].code,
                  got[i].modifiers);
    }
}

/* As the layouts are printed on keyboards. */
Test(keymap, letters_of_layouts)
{
    static const struct letter letters[] = {
        {"de", 'y', PRESS(44, 0)},
        {"de", 'Z', PRESS(21, SHIFT)},
        {"de", 0xe4, PRESS(40, 0)},      /* ä */
        {"de", 0xdf, PRESS(12, 0)},      /* ß */
        {"de", '@', PRESS(16, ALTGR)},
        {"de", 0x20ac, PRESS(18, ALTGR)}, /* € */
        {"de", '{', PRESS(8, ALTGR)},
        {"de", '\\', PRESS(12, ALTGR)},
        {"de", '|', PRESS(86, ALTGR)},
        {"de", '<', PRESS(86, 0)},
        {"de", '(', PRESS(9, SHIFT)},
        {"de", '/', PRESS(8, SHIFT)},
        {"de", '^', BEHIND(41, 0, 57, 0)},
        {"de", 0xe9, BEHIND(13, 0, 18, 0)},      /* é */
        {"de", 0xc0, BEHIND(13, SHIFT, 30, SHIFT)}, /* À */
        {"de", 0x444, {{0, 0}}, 0},              /* ф */
        {"de:nodeadkeys", '^', PRESS(41, 0)},
        {"fr", 'a', PRESS(16, 0)},
        {"fr", '1', PRESS(2, SHIFT)},
        {"fr", '&', PRESS(2, 0)},
        {"fr", 0xe9, PRESS(3, 0)},       /* é */
        {"fr", '@', PRESS(11, ALTGR)},
        {"fr", '.', PRESS(51, SHIFT)},
        {"fr", 0xea, BEHIND(26, 0, 18, 0)}, /* ê */
        {"gb", '"', PRESS(3, SHIFT)},
        {"gb", '@', PRESS(40, SHIFT)},
        {"gb", 0xa3, PRESS(4, SHIFT)},   /* £ */
        {"gb", '#', PRESS(43, 0)},
        {"gb", '\\', PRESS(86, 0)},
        {"us", '"', PRESS(40, SHIFT)},
        {"us", 0xe4, {{0, 0}}, 0},
        {"us:dvorak", 's', PRESS(39, 0)},
        {"us:dvorak", 'Q', PRESS(45, SHIFT)},
        {"us:intl", 0xe4, PRESS(16, ALTGR)},
        {"us:intl", 0xe2, BEHIND(7, SHIFT, 30, 0)}, /* â */
        {"ru", 0x444, PRESS(30, 0)},     /* ф */
        {"ru", 0x42f, PRESS(44, SHIFT)}, /* Я */
        {"ru", 'a', {{0, 0}}, 0},
        {"us,ru", 'a', PRESS(30, 0)},
        {"us,ru", 0x444, PRESS(30, 0)},
        {"us,ru:phonetic", 0x444, PRESS(33, 0)},
    };
    if (!has_layouts()) {
        cr_skip_test("no libxkbcommon");
    }
    for (unsigned i = 0; i < ARRAY_LEN(letters); i++) {
        struct keymap *map = open_layout(letters[i].layout);
        check_letter(map, &letters[i]);
        keymap_free(map);
    }
}

/* What Caps Lock makes of a key is made good, and what is held is used. */
Test(keymap, locks_and_held)
{
    struct keymap_stroke got[KEYMAP_STROKES];
    cr_assert_eq(keymap_find(NULL, 'a', 0, CAPS, got), 1);
    cr_assert_eq(got[0].modifiers, SHIFT);
    cr_assert_eq(keymap_find(NULL, '1', 0, CAPS, got), 1);
    cr_assert_eq(got[0].modifiers, 0);
    struct keymap *map = open_layout("de");
    if (map == NULL) {
        cr_skip_test("no libxkbcommon");
    }
    cr_assert_eq(keymap_find(map, 0xe4, 0, CAPS, got), 1);
    cr_assert_eq(got[0].modifiers, SHIFT);
    cr_assert_eq(keymap_find(map, 'Y', 0, CAPS, got), 1);
    cr_assert_eq(got[0].modifiers, 0);
    cr_assert_eq(keymap_find(map, ' ', SHIFT, 0, got), 1);
    cr_assert_eq(got[0].modifiers, SHIFT, "Shift stays as it is for a space");
    keymap_free(map);
}

Test(keymap, signs)
{
    cr_assert_eq(keymap_sign(NULL, 0xe4), 0xe4);
    cr_assert_eq(keymap_sign(NULL, 0x010020ac), 0x20ac);
    cr_assert_eq(keymap_sign(NULL, 0x01ffffff), 0);
    cr_assert_eq(keymap_sign(NULL, 0xff0d), 0xff0d | KEYMAP_NO_LETTER);
    struct keymap *map = open_layout("ru");
    if (map != NULL) {
        cr_assert_eq(keymap_sign(map, 0x6c6), 0x444, "Cyrillic_ef");
        cr_assert_eq(keymap_sign(map, 0x20ac), 0x20ac, "EuroSign");
    }
    keymap_free(map);
}

Test(keymap, places)
{
    cr_assert_eq(keymap_place(NULL, 0xff0d), 28);
    cr_assert_eq(keymap_place(NULL, 0xffac), 83, "KP_Separator");
    cr_assert_eq(keymap_place(NULL, 0xfe03), 0);
    struct keymap *map = open_layout("de");
    if (map != NULL) {
        cr_assert_eq(keymap_place(map, 0xfe03), 100, "AltGr");
        cr_assert_eq(keymap_place(map, 0xffbe), 59, "F1");
        cr_assert_eq(keymap_place(map, 0xffe9), 56, "Alt_L");
        cr_assert_eq(keymap_place(map, 0x1008ff11), 114, "XF86AudioLowerVolume");
    }
    keymap_free(map);
}

Test(keymap, unknown_names)
{
    static const struct {
        const char *name, *what, *next;
    } names[] = {
        {"dee", "'dee'", "Did you mean de?"},
        {"us:dvorac", "'us:dvorac'", "Did you mean us:dvorak?"},
        {"en-gb", "'en-gb'", "Did you mean gb?"},
        {"de,xyzzyx", "'xyzzyx'", "metic list keymaps"},
        {"", "''", "metic list keymaps"},
        {"de:", "'de:'", "metic list keymaps"},
        {"../de", "'../de'", "metic list keymaps"},
        {"de nodeadkeys", "'de nodeadkeys'", "metic list keymaps"},
        {"d\xc3\xa9", "'d\xc3\xa9'", "metic list keymaps"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "aaaa...", "metic list keymaps"},
    };
    if (!has_layouts()) {
        cr_skip_test("no libxkbcommon");
    }
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        struct metic_error error;
        bool missing;
        cr_assert_null(keymap_new(names[i].name, &missing, &error), "%s", names[i].name);
        cr_assert(!missing);
        cr_expect(strstr(error.what, names[i].what) != NULL, "%s", error.what);
        cr_expect(strstr(error.next, names[i].next) != NULL, "%s: %s", names[i].name, error.next);
    }
}

/* ---- Steps ---- */

Test(key_steps, chord_goes_up_in_the_other_order)
{
    struct metic_key_step steps[KEY_CHORD_STEPS];
    const char *bad;
    size_t bad_bytes;
    cr_assert_eq(key_steps_chord(NULL, 0, "ctrl-alt-f1", 70, steps, &bad, &bad_bytes), 6);
    const unsigned codes[] = {29, 56, 59, 59, 56, 29};
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(steps[i].code, codes[i]);
        cr_assert_eq(steps[i].down, i < 3);
    }
    cr_assert_eq(steps[2].then_ms, 70);
    cr_assert_eq(key_steps_chord(NULL, 0, "ctrl-nokey", 1, steps, &bad, &bad_bytes), 0);
    cr_assert_eq(bad_bytes, 5);
    cr_assert(memcmp(bad, "nokey", 5) == 0);
    cr_assert_eq(key_steps_chord(NULL, 0, "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q", 1, steps, &bad,
                                 &bad_bytes),
                 0, "too many");
    cr_assert_eq(key_steps_chord(NULL, 0, "a-", 1, steps, &bad, &bad_bytes), 0);
}

Test(key_steps, chord_of_letters)
{
    struct metic_key_step steps[KEY_CHORD_STEPS];
    const char *bad;
    size_t bad_bytes;
    cr_assert_eq(key_steps_chord(NULL, 0, "ctrl-=_", 1, steps, &bad, &bad_bytes), 6);
    cr_assert_eq(steps[1].code, KEYS_LEFT_SHIFT);
    cr_assert_eq(steps[2].code, 12);
    cr_assert_eq(key_steps_chord(NULL, 0, "=--a", 1, steps, &bad, &bad_bytes), 4);
    cr_assert_eq(steps[0].code, 12);
    cr_assert_eq(key_steps_chord(NULL, 0, "=ab", 1, steps, &bad, &bad_bytes), 0);
    cr_assert_eq(key_steps_chord(NULL, 0, "=", 1, steps, &bad, &bad_bytes), 0);
    cr_assert_eq(key_steps_chord(NULL, 0, "=\xff", 1, steps, &bad, &bad_bytes), 0);
    struct keymap *map = open_layout("de");
    if (map != NULL) {
        cr_assert_eq(key_steps_chord(map, 0, "ctrl-=z", 1, steps, &bad, &bad_bytes), 4);
        cr_assert_eq(steps[1].code, 21);
        cr_assert_eq(key_steps_chord(map, 0, "=@", 1, steps, &bad, &bad_bytes), 4);
        cr_assert_eq(steps[0].code, 100);
        cr_assert_eq(key_steps_chord(map, 0, "=^", 1, steps, &bad, &bad_bytes), 0, "two strokes");
    }
    keymap_free(map);
}

/* The numbers are X's: dead_grave, dead_currency, dead_a, dead_longsolidusoverlay; what is around
 * and between them is not dead (AccessX_Enable, AudibleBell_Enable). */
Test(keymap, knows_dead_keys)
{
    static const u32 dead[] = {0xfe50, 0xfe6f, 0xfe80, 0xfe8f, 0xfe90, 0xfe93};
    static const u32 others[] = {'^', 0xfe4f, 0xfe70, 0xfe7a, 0xfe94, 0xff0d};
    for (unsigned i = 0; i < ARRAY_LEN(dead); i++) {
        cr_assert(keymap_is_dead(dead[i]), "%x", dead[i]);
        cr_assert(!keymap_is_dead(others[i]), "%x", others[i]);
    }
}

Test(key_steps, text)
{
    struct metic_key_step steps[16];
    struct key_text said;
    cr_assert_eq(key_steps_text(NULL, 0, "a\n", steps, 16, &said), 4);
    cr_assert_eq(key_steps_text(NULL, 0, "A", steps, 16, &said), 4);
    cr_assert_eq(steps[0].code, KEYS_LEFT_SHIFT);
    cr_assert_eq(steps[1].code, 30);
    cr_assert_eq(steps[3].code, KEYS_LEFT_SHIFT);
    cr_assert(!steps[3].down);
    cr_assert_eq(said.left_out, 0);
    cr_assert_eq(key_steps_text(NULL, 0, "a\xc3\xa4\xe2\x82\xac" "b\xff", steps, 16, &said), 4);
    cr_assert_eq(said.left_out, 3);
    cr_assert_eq(said.bad_bytes, 2);
    cr_assert(memcmp(said.bad, "\xc3\xa4", 2) == 0);
    cr_assert_eq(key_steps_text(NULL, 0, "ABCDE", steps, 16, &said), 0);
    cr_assert(said.too_long);
    cr_assert_eq(key_steps_text(NULL, 0, "", steps, 16, &said), 0);
    cr_assert(!said.too_long);
}

Test(key_steps, text_with_dead_key)
{
    struct metic_key_step steps[16];
    struct key_text said;
    struct keymap *map = open_layout("de");
    if (map == NULL) {
        cr_skip_test("no libxkbcommon");
    }
    cr_assert_eq(key_steps_text(map, CAPS, "\xc3\x9f", steps, 16, &said), 6); /* ß */
    cr_assert_eq(steps[0].code, KEYS_CAPS_LOCK);
    cr_assert_eq(steps[2].code, 12);
    cr_assert_eq(steps[5].code, KEYS_CAPS_LOCK);
    const unsigned codes[] = {42, 13, 13, 42, 30, 30}; /* Shift and the accent, a */
    cr_assert_eq(key_steps_text(map, 0, "\xc3\xa0", steps, 16, &said), 6);
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        cr_assert_eq(steps[i].code, codes[i]);
    }
    keymap_free(map);
}

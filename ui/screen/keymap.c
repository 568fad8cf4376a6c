/* See keymap.h: looking letters up. */
#include "ui/screen/keymap.h"

#include "cpu/base/utf8.h"
#include "ui/screen/keys.h"
#include "ui/screen/keysyms.h"

#include <string.h>

static const struct dead_key {
    u32 keysym;
    const char *pairs;
} dead_keys[] = {
#define DEAD(keysym, pairs) {keysym, pairs},
#include "ui/screen/dead_keys.def"
#undef DEAD
};

const char *keymap_name(const struct keymap *map)
{
    return map != NULL ? map->name : "us";
}

static bool is_letter(u32 keysym)
{
    return keysym < KEYSYM_ISO_FIRST || (keysym > KEYSYM_LAST && keysym < KEYSYM_VENDOR);
}

bool keymap_is_dead(u32 keysym)
{
    bool aid = keysym >= KEYSYM_AID_FIRST && keysym <= KEYSYM_AID_LAST;
    return keysym >= KEYSYM_DEAD_FIRST && keysym <= KEYSYM_DEAD_LAST && !aid;
}

u32 keymap_sign(const struct keymap *map, u32 keysym)
{
    if (!is_letter(keysym)) {
        return keysym | KEYMAP_NO_LETTER;
    }
    if (keysym < 0x100) {
        return keysym;
    }
    if (keysym > KEYSYM_LAST) {
        return keysym > KEYSYM_UNICODE && keysym <= KEYSYM_UNICODE + 0x10ffff
                   ? keysym - KEYSYM_UNICODE
                   : 0;
    }
    return map != NULL ? map->to_character(keysym) : 0;
}

/* ---- One key ---- */

static unsigned count_bits(unsigned bits)
{
    return (unsigned)__builtin_popcount(bits);
}

static bool find_us(u32 sign, unsigned locks, struct keymap_stroke *stroke)
{
    bool shifted = false;
    unsigned code = sign >= ' ' && sign < 0x7f ? keys_by_keysym(sign, &shifted) : 0;
    bool is_alphabetic = (sign | 0x20) >= 'a' && (sign | 0x20) <= 'z';
    shifted ^= is_alphabetic && (locks & KEYMAP_CAPS_LOCK) != 0;
    *stroke = (struct keymap_stroke){(u16)code, shifted ? KEYMAP_SHIFT : 0};
    return code != 0;
}

static bool find_one(const struct keymap *map, u32 sign, unsigned held, unsigned locks,
                     struct keymap_stroke *stroke)
{
    const struct keymap_row *best = NULL;
    if (map == NULL) {
        return find_us(sign, locks, stroke);
    }
    for (unsigned i = 0; i < map->row_count; i++) {
        const struct keymap_row *row = &map->rows[i];
        if (row->sign != sign || row->locks != locks) {
            continue;
        }
        if (row->modifiers == held) {
            best = row;
            break;
        }
        if (best == NULL || count_bits(row->modifiers) < count_bits(best->modifiers)) {
            best = row;
        }
    }
    if (best != NULL) {
        *stroke = (struct keymap_stroke){best->code, best->modifiers};
    }
    return best != NULL;
}

/* ---- With a dead key before it ---- */

/* The letter that becomes `sign` behind the dead key; 0: none does. */
static u32 letter_behind(const char *pairs, u32 sign)
{
    u32 letter;
    while ((letter = utf8_next(&pairs)) != 0) {
        if (utf8_next(&pairs) == sign) {
            return letter;
        }
    }
    return 0;
}

u32 keymap_behind_dead(u32 keysym, u32 letter)
{
    for (unsigned i = 0; i < ARRAY_LEN(dead_keys); i++) {
        const char *pairs = dead_keys[i].pairs;
        u32 before;
        while (dead_keys[i].keysym == keysym && (before = utf8_next(&pairs)) != 0) {
            u32 becomes = utf8_next(&pairs);
            if (before == letter) {
                return becomes;
            }
        }
    }
    return 0;
}

unsigned keymap_find(const struct keymap *map, u32 sign, unsigned held, unsigned locks,
                     struct keymap_stroke strokes[KEYMAP_STROKES])
{
    if (sign == 0) {
        return 0;
    }
    if (find_one(map, sign, held, locks, &strokes[0])) {
        return 1;
    }
    for (unsigned i = 0; i < ARRAY_LEN(dead_keys); i++) {
        u32 letter = letter_behind(dead_keys[i].pairs, sign);
        if (letter != 0 &&
            find_one(map, dead_keys[i].keysym | KEYMAP_NO_LETTER, held, locks, &strokes[0]) &&
            find_one(map, letter, held, locks, &strokes[1])) {
            return 2;
        }
    }
    return 0;
}

unsigned keymap_find_lifting(const struct keymap *map, u32 sign, unsigned held, unsigned locks,
                             struct keymap_stroke strokes[KEYMAP_STROKES], bool *lift)
{
    unsigned without = locks & ~(unsigned)KEYMAP_CAPS_LOCK;
    unsigned count = keymap_find(map, sign, held, locks, strokes);
    *lift = false;
    if (count == 0 && without != locks) {
        count = keymap_find(map, sign, held, without, strokes);
        *lift = count != 0;
    }
    return count;
}

/* ---- Keys that write nothing ---- */

/* A layout may have these elsewhere than on the key that is named so. */
static bool is_modifier(u32 keysym)
{
    return keysym < 0xff00 || keysym == KEYSYM_MODE_SWITCH ||
           (keysym >= KEYSYM_SHIFT_L && keysym <= KEYSYM_HYPER_R);
}

unsigned keymap_place(const struct keymap *map, u32 keysym)
{
    bool shifted;
    struct keymap_stroke stroke;
    if (is_letter(keysym)) {
        return 0;
    }
    if (keysym == KEYSYM_KP_SEPARATOR) { /* the decimal point's key, where that is a comma */
        keysym = KEYSYM_KP_DECIMAL;
    }
    unsigned code = keys_by_keysym(keysym, &shifted);
    if (map != NULL && (code == 0 || is_modifier(keysym)) &&
        find_one(map, keysym | KEYMAP_NO_LETTER, 0, 0, &stroke)) {
        return stroke.code;
    }
    return code;
}

bool keymap_modifier_at(const struct keymap *map, unsigned index, struct keymap_stroke *key)
{
    static const struct keymap_stroke us[] = {{KEYS_LEFT_SHIFT, KEYMAP_SHIFT},
                                              {KEYS_RIGHT_SHIFT, KEYMAP_SHIFT}};
    unsigned count = map != NULL ? map->modifier_count : (unsigned)ARRAY_LEN(us);
    if (index >= count) {
        return false;
    }
    *key = map != NULL ? map->modifiers[index] : us[index];
    return true;
}

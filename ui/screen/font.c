/* See font.h. */
#include "ui/screen/font.h"

#include <string.h>

enum { GLYPH_ROWS = 7, FIRST = ' ', LEFT = 0x38, RIGHT = 0x0f, MIDDLE_ROW = 4, MIDDLE = 0x08 };

static const u8 glyphs[95][GLYPH_ROWS] = {
#define GLYPH(character, ...) [character - FIRST] = {__VA_ARGS__},
#include "ui/screen/font.def"
#undef GLYPH
};

/* Which arms a line has (U+2500 to U+256C; double lines look as single ones do). */
enum { UP = 1, DOWN = 2, TO_LEFT = 4, TO_RIGHT = 8 };

static unsigned arms_of(u32 c)
{
    static const u8 doubles[] = {
        [0x00] = TO_LEFT | TO_RIGHT, [0x01] = UP | DOWN,
        [0x04] = DOWN | TO_RIGHT, [0x07] = DOWN | TO_LEFT, [0x0a] = UP | TO_RIGHT,
        [0x0d] = UP | TO_LEFT, [0x10] = UP | DOWN | TO_RIGHT, [0x13] = UP | DOWN | TO_LEFT,
        [0x16] = DOWN | TO_LEFT | TO_RIGHT, [0x19] = UP | TO_LEFT | TO_RIGHT,
        [0x1c] = UP | DOWN | TO_LEFT | TO_RIGHT,
    };
    switch (c) {
    case 0x2500:
    case 0x2501: return TO_LEFT | TO_RIGHT;
    case 0x2502:
    case 0x2503: return UP | DOWN;
    case 0x250c:
    case 0x256d: return DOWN | TO_RIGHT;
    case 0x2510:
    case 0x256e: return DOWN | TO_LEFT;
    case 0x2514:
    case 0x2570: return UP | TO_RIGHT;
    case 0x2518:
    case 0x256f: return UP | TO_LEFT;
    case 0x251c: return UP | DOWN | TO_RIGHT;
    case 0x2524: return UP | DOWN | TO_LEFT;
    case 0x252c: return DOWN | TO_LEFT | TO_RIGHT;
    case 0x2534: return UP | TO_LEFT | TO_RIGHT;
    case 0x253c: return UP | DOWN | TO_LEFT | TO_RIGHT;
    default: break;
    }
    /* 2550 ═, 2551 ║, then in threes: corners and crossings; the third is the one of two doubles */
    if (c == 0x2550 || c == 0x2551) {
        return doubles[c - 0x2550];
    }
    if (c >= 0x2552 && c <= 0x256c) {
        return doubles[4 + (c - 0x2552) / 3 * 3];
    }
    return 0;
}

static void draw_arms(unsigned arms, u8 rows[FONT_HEIGHT])
{
    for (unsigned y = 0; y < FONT_HEIGHT; y++) {
        if (((arms & UP) && y <= MIDDLE_ROW) || ((arms & DOWN) && y >= MIDDLE_ROW)) {
            rows[y] |= MIDDLE;
        }
    }
    rows[MIDDLE_ROW] |= (u8)((arms & TO_LEFT ? LEFT : 0) | (arms & TO_RIGHT ? RIGHT : 0));
}

void font_get(u32 character, u8 rows[FONT_HEIGHT])
{
    unsigned arms = arms_of(character);
    memset(rows, 0, FONT_HEIGHT);
    if (arms != 0) {
        draw_arms(arms, rows);
    } else if (character >= 0x2588 && character <= 0x2593) { /* blocks and shades */
        for (unsigned y = 0; y < FONT_HEIGHT; y++) {
            rows[y] = character == 0x2588 ? 0x3f : y & 1 ? 0x2a : 0x15;
        }
    } else if (character >= FIRST && character < FIRST + ARRAY_LEN(glyphs)) {
        unsigned down = strchr("gjpqy,;", (int)character) != NULL; /* they hang below the line */
        for (unsigned y = 0; y < GLYPH_ROWS; y++) {
            rows[y + 1 + down] = (u8)(glyphs[character - FIRST][y] << 1);
        }
    } else if (character != 0) {
        static const u8 box[GLYPH_ROWS] = {0x3e, 0x22, 0x22, 0x22, 0x22, 0x22, 0x3e};
        memcpy(rows + 1, box, sizeof(box));
    }
}

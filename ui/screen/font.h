/* A small font for what metic itself writes onto a picture: ASCII (font.def), and the lines and
 * blocks that text consoles draw with. Other characters are a box. */
#ifndef METIC_UI_FONT_H
#define METIC_UI_FONT_H

#include "cpu/base/types.h"

enum { FONT_WIDTH = 6, FONT_HEIGHT = 9 }; /* of a cell: the glyph and what is between */

/* The cell's rows from the top; bit 5 is the left pixel. */
void font_get(u32 character, u8 rows[FONT_HEIGHT]);

#endif

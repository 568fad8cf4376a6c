/* Pixels into a file, as PNG (libpng) or PPM (binary, "P6"). */
#ifndef METIC_HW_DISPLAY_PICTURE_H
#define METIC_HW_DISPLAY_PICTURE_H

#include "cpu/base/types.h"

#include <stdio.h>

struct picture {
    u32 width, height; /* not 0 */
    const u32 *pixels; /* 0x00RRGGBB, width * height */
};

/* From where the file stands. False: the file, or the host's memory, gave up; errno says why. */
bool picture_write_png(const struct picture *picture, FILE *to);
bool picture_write_ppm(const struct picture *picture, FILE *to);

#endif

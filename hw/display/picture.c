/* See picture.h. */
#include "hw/display/picture.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

static void put_row(const struct picture *picture, u32 y, u8 *row)
{
    const u32 *pixels = picture->pixels + (size_t)y * picture->width;
    for (u32 x = 0; x < picture->width; x++) {
        row[3 * x] = (u8)(pixels[x] >> 16);
        row[3 * x + 1] = (u8)(pixels[x] >> 8);
        row[3 * x + 2] = (u8)pixels[x];
    }
}

/* False when libpng or the file gave up. */
static bool put_png(const struct picture *picture, FILE *to, u8 *row)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
    if (info == NULL || setjmp(png_jmpbuf(png)) != 0) {
        png_destroy_write_struct(&png, &info);
        return false;
    }
    png_init_io(png, to);
    png_set_IHDR(png, info, picture->width, picture->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 3);
    png_write_info(png, info);
    for (u32 y = 0; y < picture->height; y++) {
        put_row(picture, y, row);
        png_write_row(png, row);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return true;
}

static bool put_ppm(const struct picture *picture, FILE *to, u8 *row)
{
    bool ok = fprintf(to, "P6\n%u %u\n255\n", picture->width, picture->height) > 0;
    for (u32 y = 0; ok && y < picture->height; y++) {
        put_row(picture, y, row);
        ok = fwrite(row, 3, picture->width, to) == picture->width;
    }
    return ok;
}

static bool write_rows(const struct picture *picture, FILE *to,
                       bool (*put)(const struct picture *picture, FILE *to, u8 *row))
{
    u8 *row = malloc((size_t)picture->width * 3);
    bool ok = row != NULL && put(picture, to, row);
    free(row);
    return ok;
}

bool picture_write_png(const struct picture *picture, FILE *to)
{
    return write_rows(picture, to, put_png);
}

bool picture_write_ppm(const struct picture *picture, FILE *to)
{
    return write_rows(picture, to, put_ppm);
}

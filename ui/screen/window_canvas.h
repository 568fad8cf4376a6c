/* What the window's picture is drawn with: a graphics card by SDL's renderer, or the window's own
 * pixels where there is none.
 *
 * SDL draws by OpenGL wherever that starts. On a host without a graphics card OpenGL is a program
 * of several threads that draws by the processor (llvmpipe), and costs several times what copying
 * the changed pixels into the window does. So that is what is done there: the changed rectangles
 * alone are copied, and shown.
 *
 * For the window's thread. Pictures are 0x00RRGGBB. */
#ifndef METIC_UI_WINDOW_CANVAS_H
#define METIC_UI_WINDOW_CANVAS_H

#include "hw/metic.h"
#include "ui/screen/sdl_api.h"
#include "ui/screen/window_plot.h"

#if HAVE_SDL2
enum { CANVAS_MAX_RECTS = 32 };

struct window_canvas {
    const struct sdl_api *sdl;
    SDL_Window *window;
    bool smooth; /* how it is scaled */
    int width, height;   /* of the picture; 0: there is none */

    /* With a graphics card; NULL without. */
    SDL_Renderer *renderer;
    SDL_Texture *texture, *cursor_texture;

    /* Without: what the picture is, and what of the window is old. */
    SDL_Surface *picture, *cursor;
    const void *shown; /* the window's pixels, and their size, when they were drawn last */
    int shown_width, shown_height;
    SDL_Rect changed[CANVAS_MAX_RECTS]; /* of the window */
    int changed_count;
    bool all_changed;
    SDL_Rect cursor_was; /* in the window */
};

/* False: SDL says why. */
bool canvas_open(struct window_canvas *canvas, const struct sdl_api *sdl, SDL_Window *window);
void canvas_close(struct window_canvas *canvas); /* before the window; also when it is not open */

/* Another picture, of another size perhaps; width 0: none. The pixels stay where they are, and are
 * changed by nobody but the caller, until the next call. */
void canvas_set_picture(struct window_canvas *canvas, const u32 *pixels, int width, int height);
/* This part of the picture is another. */
void canvas_update(struct window_canvas *canvas, const u32 *pixels, SDL_Rect part);
void canvas_set_smooth(struct window_canvas *canvas, bool smooth);
/* The pointer's shape, 0xAARRGGBB; the pixels stay where they are, too. */
void canvas_set_cursor(struct window_canvas *canvas, const u32 *pixels, int width, int height);
/* All of the window is old: it was hidden, or has another size. */
void canvas_expose(struct window_canvas *canvas);

/* Where the picture lies in the window: as large as fits, in its own shape, in the middle. */
SDL_Rect canvas_place(const struct window_canvas *canvas);
/* Shows it, with the pointer there, in the picture, and the plots; NULL: without. */
void canvas_draw(struct window_canvas *canvas, const SDL_Rect *cursor,
                 const struct window_plot *plots);
#endif

#endif

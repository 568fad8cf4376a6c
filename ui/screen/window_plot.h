/* The plots over the window's picture: what the machine does, two minutes of it. */
#ifndef METIC_UI_WINDOW_PLOT_H
#define METIC_UI_WINDOW_PLOT_H

#include "hw/metic.h"
#include "ui/screen/sdl_api.h"

#if HAVE_SDL2
enum { PLOT_SAMPLES = 240, PLOT_LINES = 5 };

struct window_plot {
    struct metic_activity last;
    Uint32 last_ms;
    double values[PLOT_LINES][PLOT_SAMPLES]; /* per second; the newest at next - 1 */
    unsigned next, count;
};

/* Adds a sample; every half second or so. */
void window_plot_sample(struct window_plot *plot, metic_machine *machine, Uint32 now_ms);
/* Million instructions a second, at the last sample. */
double window_plot_mips(const struct window_plot *plot);
/* From the top: instructions, instructions translated, TLB fills, engine exits, each in a second,
 * and harts awake; every one scaled to its own greatest value. */
void window_plot_draw(const struct window_plot *plot, const struct sdl_api *sdl,
                      SDL_Renderer *renderer);
#endif

#endif

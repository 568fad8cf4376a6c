/* See window_plot.h. */
#include "config.h"

#if HAVE_SDL2
#include "ui/screen/font.h"
#include "ui/screen/window_plot.h"

#include <stdio.h>

enum { LINE_INSNS, LINE_TRANSLATIONS, LINE_FILLS, LINE_EXITS, LINE_HARTS };
enum { PLOT_WIDTH = 2 * PLOT_SAMPLES, PLOT_HEIGHT = 48, PLOT_GAP = 6, PLOT_MARGIN = 10,
       TEXT_SCALE = 2, TEXT_MARGIN = 4 };

static double rate(u64 now, u64 before, double seconds)
{
    return now > before ? (double)(now - before) / seconds : 0;
}

void window_plot_sample(struct window_plot *plot, metic_machine *machine, Uint32 now_ms)
{
    struct metic_activity now;
    metic_get_activity(machine, &now);
    double seconds = (double)(now_ms - plot->last_ms) / 1000;
    if (plot->last_ms != 0 && seconds > 0) {
        unsigned at = plot->next;
        plot->values[LINE_INSNS][at] = rate(now.insns, plot->last.insns, seconds);
        plot->values[LINE_TRANSLATIONS][at] =
            rate(now.translations, plot->last.translations, seconds);
        plot->values[LINE_FILLS][at] = rate(now.tlb_fills, plot->last.tlb_fills, seconds);
        plot->values[LINE_EXITS][at] = rate(now.engine_exits, plot->last.engine_exits, seconds);
        plot->values[LINE_HARTS][at] = now.harts_awake;
        plot->next = (at + 1) % PLOT_SAMPLES;
        plot->count += plot->count < PLOT_SAMPLES;
    }
    plot->last = now;
    plot->last_ms = now_ms;
}

double window_plot_mips(const struct window_plot *plot)
{
    unsigned last = (plot->next + PLOT_SAMPLES - 1) % PLOT_SAMPLES;
    return plot->count != 0 ? plot->values[LINE_INSNS][last] / 1e6 : 0;
}

static void draw_text(const char *text, int x, int y, const struct sdl_api *sdl,
                      SDL_Renderer *renderer)
{
    for (; *text != '\0'; text++, x += FONT_WIDTH * TEXT_SCALE) {
        u8 rows[FONT_HEIGHT];
        font_get((unsigned char)*text, rows);
        for (int row = 0; row < FONT_HEIGHT; row++) {
            for (int column = 0; column < FONT_WIDTH; column++) {
                SDL_Rect dot = {x + column * TEXT_SCALE, y + row * TEXT_SCALE, TEXT_SCALE,
                                TEXT_SCALE};
                if (rows[row] >> (FONT_WIDTH - 1 - column) & 1) {
                    sdl->RenderFillRect(renderer, &dot);
                }
            }
        }
    }
}

/* What the line is, and its newest value. */
static void draw_legend(const struct window_plot *plot, unsigned line, int x, int y,
                        const struct sdl_api *sdl, SDL_Renderer *renderer)
{
    static const char *const names[PLOT_LINES] = {"instructions/s", "translated/s", "TLB fills/s",
                                                  "exits to engine/s", "harts awake"};
    static const char units[] = " kMGT";
    unsigned last = (plot->next + PLOT_SAMPLES - 1) % PLOT_SAMPLES;
    double value = plot->count != 0 ? plot->values[line][last] : 0;
    unsigned unit = 0;
    char text[64];
    for (; value >= 1000 && units[unit + 1] != '\0'; unit++) {
        value /= 1000;
    }
    snprintf(text, sizeof(text), "%s %.*f%c", names[line], unit != 0 ? 1 : 0, value,
             unit != 0 ? units[unit] : ' ');
    draw_text(text, x, y, sdl, renderer);
}

static void draw_line(const struct window_plot *plot, unsigned line, const struct sdl_api *sdl,
                      SDL_Renderer *renderer)
{
    static const Uint8 colours[PLOT_LINES][3] = {
        {90, 220, 90}, {240, 200, 60}, {90, 170, 250}, {240, 110, 90}, {200, 140, 250}};
    SDL_Rect back = {PLOT_MARGIN, PLOT_MARGIN + (int)line * (PLOT_HEIGHT + PLOT_GAP), PLOT_WIDTH,
                     PLOT_HEIGHT};
    SDL_Point points[PLOT_SAMPLES];
    double greatest = 1;
    for (unsigned i = 0; i < plot->count; i++) {
        double value = plot->values[line][i];
        greatest = value > greatest ? value : greatest;
    }
    for (unsigned i = 0; i < plot->count; i++) {
        unsigned at = (plot->next + PLOT_SAMPLES - plot->count + i) % PLOT_SAMPLES;
        int up = (int)(plot->values[line][at] / greatest * (PLOT_HEIGHT - 3));
        points[i] = (SDL_Point){back.x + 2 * (int)i, back.y + PLOT_HEIGHT - 2 - up};
    }
    sdl->SetRenderDrawColor(renderer, colours[line][0], colours[line][1], colours[line][2], 255);
    if (plot->count > 1) {
        sdl->RenderDrawLines(renderer, points, (int)plot->count);
    }
    draw_legend(plot, line, back.x + TEXT_MARGIN, back.y + TEXT_MARGIN, sdl, renderer);
}

void window_plot_draw(const struct window_plot *plot, const struct sdl_api *sdl,
                      SDL_Renderer *renderer)
{
    static const char *const keys[] = {"Ctrl+Alt+", "G hold or let go", "F full screen",
                                       "S sharp or smooth", "T terminal", "V type clipboard",
                                       "+ - 0 larger, smaller, as is", "P pause or go on",
                                       "B power button", "O plots", "1-4 that screen",
                                       "Q end the machine"};
    const int keys_y = PLOT_MARGIN + PLOT_LINES * (PLOT_HEIGHT + PLOT_GAP) + TEXT_MARGIN;
    const int row = FONT_HEIGHT * TEXT_SCALE;
    /* One, so that no text of the picture is bright between the lines. */
    SDL_Rect back = {0, 0, PLOT_WIDTH + 2 * PLOT_MARGIN,
                     keys_y + (int)ARRAY_LEN(keys) * row + PLOT_MARGIN};
    sdl->SetRenderDrawBlendMode(renderer, SDL_BLENDMODE_BLEND);
    sdl->SetRenderDrawColor(renderer, 0, 0, 0, 224);
    sdl->RenderFillRect(renderer, &back);
    for (unsigned line = 0; line < PLOT_LINES; line++) {
        draw_line(plot, line, sdl, renderer);
    }
    sdl->SetRenderDrawColor(renderer, 230, 230, 230, 255);
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        draw_text(keys[i], PLOT_MARGIN + TEXT_MARGIN, keys_y + (int)i * row, sdl, renderer);
    }
}
#endif

/* See window_canvas.h. */
#include "config.h"

#if HAVE_SDL2
#include "ui/screen/window_canvas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int min_int(int a, int b) { return a < b ? a : b; }

/* --- which of the two --- */

/* The device files of graphics cards that OpenGL can use: Linux's own, NVIDIA's, WSL's. */
static bool host_has_card(void)
{
    enum { FIRST_RENDER = 128, END_RENDER = 144 }; /* drm's minor numbers */
    static const char *const others[] = {"/dev/nvidiactl", "/dev/dxg"};
    bool has = false;
    for (unsigned n = FIRST_RENDER; n < END_RENDER; n++) {
        char path[32];
        snprintf(path, sizeof(path), "/dev/dri/renderD%u", n);
        has |= access(path, R_OK | W_OK) == 0;
    }
    for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
        has |= access(others[i], R_OK | W_OK) == 0;
    }
    return has;
}

/* The renderer draws by the processor, whatever it is called. */
static bool is_imitation(const struct sdl_api *sdl, SDL_Renderer *renderer)
{
    enum { NAME_OF_RENDERER = 0x1f01 }; /* GL_RENDERER */
    static const char *const imitations[] = {"llvmpipe", "softpipe", "swrast", "Software"};
    SDL_RendererInfo info;
    if (sdl->GetRendererInfo(renderer, &info) != 0 || (info.flags & SDL_RENDERER_SOFTWARE) != 0) {
        return true;
    }
    const unsigned char *(*get_string)(unsigned name) = NULL;
    bool is_gl = strncmp(info.name, "opengl", 6) == 0;
    void *found = is_gl ? sdl->GL_GetProcAddress("glGetString") : NULL;
    memcpy(&get_string, &found, sizeof(get_string));
    const char *name = get_string != NULL ? (const char *)get_string(NAME_OF_RENDERER) : NULL;
    for (unsigned i = 0; name != NULL && i < ARRAY_LEN(imitations); i++) {
        if (strstr(name, imitations[i]) != NULL) {
            return true;
        }
    }
    return false;
}

bool canvas_open(struct window_canvas *c, const struct sdl_api *sdl, SDL_Window *window)
{
    const char *asked = getenv("SDL_RENDER_DRIVER"); /* SDL's own way to choose */
    c->sdl = sdl;
    c->window = window;
    c->all_changed = true;
    if (asked != NULL || host_has_card()) {
        c->renderer = sdl->CreateRenderer(window, -1, 0);
    }
    bool keep = asked != NULL && strcmp(asked, "software") != 0;
    if (c->renderer != NULL && !keep && is_imitation(sdl, c->renderer)) {
        sdl->DestroyRenderer(c->renderer);
        c->renderer = NULL;
    }
    /* SDL would put OpenGL between the pixels and the window again. */
    sdl->SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
    return c->renderer != NULL || sdl->GetWindowSurface(window) != NULL;
}

static void forget(const struct window_canvas *c, SDL_Texture **texture, SDL_Surface **surface)
{
    if (*texture != NULL) {
        c->sdl->DestroyTexture(*texture);
        *texture = NULL;
    }
    if (*surface != NULL) {
        c->sdl->FreeSurface(*surface);
        *surface = NULL;
    }
}

void canvas_close(struct window_canvas *c)
{
    if (c->sdl != NULL) {
        forget(c, &c->texture, &c->picture);
        forget(c, &c->cursor_texture, &c->cursor);
    }
    if (c->renderer != NULL) {
        c->sdl->DestroyRenderer(c->renderer);
        c->renderer = NULL;
    }
}

/* --- what is shown --- */

static SDL_Surface *wrap(const struct window_canvas *c, const u32 *pixels, int width, int height,
                         Uint32 format)
{
    void *there;
    memcpy(&there, &pixels, sizeof(there)); /* SDL only reads them, and has no word for that */
    return c->sdl->CreateRGBSurfaceWithFormatFrom(there, width, height, 32, width * 4, format);
}

static SDL_ScaleMode scale_mode(const struct window_canvas *c)
{
    return c->smooth ? SDL_ScaleModeLinear : SDL_ScaleModeNearest;
}

void canvas_set_picture(struct window_canvas *c, const u32 *pixels, int width, int height)
{
    forget(c, &c->texture, &c->picture);
    c->width = width;
    c->height = height;
    c->all_changed = true;
    if (width == 0) {
        return;
    }
    if (c->renderer == NULL) {
        c->picture = wrap(c, pixels, width, height, SDL_PIXELFORMAT_RGB888);
        return;
    }
    c->texture = c->sdl->CreateTexture(c->renderer, SDL_PIXELFORMAT_RGB888,
                                       SDL_TEXTUREACCESS_STREAMING, width, height);
    if (c->texture != NULL) {
        c->sdl->SetTextureScaleMode(c->texture, scale_mode(c));
        c->sdl->UpdateTexture(c->texture, NULL, pixels, width * 4);
    }
}

/* The part of the window is to be drawn again. */
static void note_change(struct window_canvas *c, SDL_Rect rect)
{
    if (c->changed_count == CANVAS_MAX_RECTS) {
        c->all_changed = true;
    } else if (rect.w > 0 && rect.h > 0) {
        c->changed[c->changed_count++] = rect;
    }
}

void canvas_update(struct window_canvas *c, const u32 *pixels, SDL_Rect part)
{
    SDL_Rect place = canvas_place(c);
    if (c->texture != NULL) {
        const u32 *from = pixels + (size_t)part.y * (size_t)c->width + part.x;
        c->sdl->UpdateTexture(c->texture, &part, from, c->width * 4);
    } else {
        note_change(c, (SDL_Rect){place.x + part.x, place.y + part.y, part.w, part.h});
    }
}

void canvas_set_smooth(struct window_canvas *c, bool smooth)
{
    c->smooth = smooth;
    c->all_changed = true;
    if (c->texture != NULL) {
        c->sdl->SetTextureScaleMode(c->texture, scale_mode(c));
    }
}

void canvas_set_cursor(struct window_canvas *c, const u32 *pixels, int width, int height)
{
    forget(c, &c->cursor_texture, &c->cursor);
    if (c->renderer == NULL) {
        c->cursor = wrap(c, pixels, width, height, SDL_PIXELFORMAT_ARGB8888);
        return;
    }
    c->cursor_texture = c->sdl->CreateTexture(c->renderer, SDL_PIXELFORMAT_ARGB8888,
                                              SDL_TEXTUREACCESS_STATIC, width, height);
    if (c->cursor_texture != NULL) {
        c->sdl->SetTextureBlendMode(c->cursor_texture, SDL_BLENDMODE_BLEND);
        c->sdl->UpdateTexture(c->cursor_texture, NULL, pixels, width * 4);
    }
}

void canvas_expose(struct window_canvas *c) { c->all_changed = true; }

SDL_Rect canvas_place(const struct window_canvas *c)
{
    int width = 0, height = 0;
    if (c->renderer != NULL) {
        c->sdl->GetRendererOutputSize(c->renderer, &width, &height);
    } else {
        c->sdl->GetWindowSize(c->window, &width, &height);
    }
    SDL_Rect place = {0, 0, width, height};
    if (c->width == 0 || width == 0 || height == 0) {
        return place;
    }
    s64 by_width = (s64)width * c->height;
    s64 by_height = (s64)height * c->width;
    if (by_width < by_height) {
        place.h = (int)(by_width / c->width);
        place.y = (height - place.h) / 2;
    } else {
        place.w = (int)(by_height / c->height);
        place.x = (width - place.w) / 2;
    }
    return place;
}

/* Where in the window a rectangle of the picture is. */
static SDL_Rect put_place(const struct window_canvas *c, SDL_Rect place, const SDL_Rect *rect)
{
    s64 width = place.w, height = place.h;
    return (SDL_Rect){
        place.x + (int)(rect->x * width / c->width),
        place.y + (int)(rect->y * height / c->height),
        (int)(rect->w * width / c->width),
        (int)(rect->h * height / c->height),
    };
}

/* --- with a graphics card --- */

static void draw_by_card(struct window_canvas *c, SDL_Rect place, const SDL_Rect *cursor,
                         const struct window_plot *plots)
{
    c->sdl->SetRenderDrawColor(c->renderer, 0, 0, 0, 255);
    c->sdl->RenderClear(c->renderer);
    if (c->texture != NULL) {
        c->sdl->RenderCopy(c->renderer, c->texture, NULL, &place);
        if (cursor != NULL && c->cursor_texture != NULL) {
            SDL_Rect to = put_place(c, place, cursor);
            c->sdl->RenderCopy(c->renderer, c->cursor_texture, NULL, &to);
        }
    }
    if (plots != NULL) {
        window_plot_draw(plots, c->sdl, c->renderer);
    }
    c->sdl->RenderPresent(c->renderer);
}

/* --- without --- */

static bool is_scaled(const struct window_canvas *c, SDL_Rect place)
{
    return place.w != c->width || place.h != c->height;
}

/* A part of the window where the picture lies in its own size. */
static void copy_part(const struct window_canvas *c, SDL_Surface *to, SDL_Rect place, SDL_Rect part)
{
    int x = part.x > place.x ? part.x : place.x;
    int y = part.y > place.y ? part.y : place.y;
    int width = min_int(min_int(part.x + part.w, place.x + place.w), to->w) - x;
    int height = min_int(min_int(part.y + part.h, place.y + place.h), to->h) - y;
    if (width <= 0 || height <= 0) {
        return;
    }
    SDL_Rect from = {x - place.x, y - place.y, width, height};
    if (to->format->format != SDL_PIXELFORMAT_RGB888) {
        SDL_Rect there = {x, y, width, height};
        c->sdl->UpperBlit(c->picture, &from, to, &there);
        return;
    }
    for (int row = 0; row < height; row++) {
        memcpy((u8 *)to->pixels + (size_t)(y + row) * (size_t)to->pitch + 4 * (size_t)x,
               (const u8 *)c->picture->pixels +
                   (size_t)(from.y + row) * (size_t)c->picture->pitch + 4 * (size_t)from.x,
               4 * (size_t)width);
    }
}

static void scale_all(const struct window_canvas *c, SDL_Surface *to, SDL_Rect place)
{
    /* SDL scales smoothly only between pixels of one form. */
    if (!c->smooth || to->format->format != SDL_PIXELFORMAT_RGB888 ||
        c->sdl->SoftStretchLinear(c->picture, NULL, to, &place) != 0) {
        c->sdl->UpperBlitScaled(c->picture, NULL, to, &place);
    }
}

static void draw_all(const struct window_canvas *c, SDL_Surface *to, SDL_Rect place)
{
    if (c->picture == NULL || place.w < to->w || place.h < to->h) {
        c->sdl->FillRect(to, NULL, 0);
    }
    if (c->picture != NULL && is_scaled(c, place)) {
        scale_all(c, to, place);
    } else if (c->picture != NULL) {
        copy_part(c, to, place, place);
    }
}

static void draw_plots(const struct window_canvas *c, SDL_Surface *to,
                       const struct window_plot *plots)
{
    SDL_Renderer *renderer = c->sdl->CreateSoftwareRenderer(to);
    if (renderer != NULL) {
        window_plot_draw(plots, c->sdl, renderer);
        c->sdl->RenderFlush(renderer);
        c->sdl->DestroyRenderer(renderer);
    }
}

/* The part inside the window, as SDL asks for it; w is 0 when there is none. */
static SDL_Rect inside(SDL_Rect rect, const SDL_Surface *of)
{
    int x = rect.x > 0 ? rect.x : 0;
    int y = rect.y > 0 ? rect.y : 0;
    int width = min_int(rect.x + rect.w, of->w) - x;
    int height = min_int(rect.y + rect.h, of->h) - y;
    return width > 0 && height > 0 ? (SDL_Rect){x, y, width, height} : (SDL_Rect){0};
}

static void show_changes(struct window_canvas *c, const SDL_Surface *to)
{
    SDL_Rect rects[CANVAS_MAX_RECTS];
    int count = 0;
    for (int i = 0; i < c->changed_count; i++) {
        rects[count] = inside(c->changed[i], to);
        count += rects[count].w != 0;
    }
    if (count != 0) {
        c->sdl->UpdateWindowSurfaceRects(c->window, rects, count);
    }
}

/* The pointer is drawn over the picture, so the picture must be put back where it was. */
static void note_cursor(struct window_canvas *c, SDL_Rect place, const SDL_Rect *cursor)
{
    SDL_Rect now = {0};
    if (cursor != NULL && c->cursor != NULL && c->picture != NULL) {
        now = put_place(c, place, cursor);
    }
    note_change(c, c->cursor_was);
    note_change(c, now);
    c->cursor_was = now;
}

static void draw_by_copy(struct window_canvas *c, SDL_Rect place, const SDL_Rect *cursor,
                         const struct window_plot *plots)
{
    SDL_Surface *to = c->sdl->GetWindowSurface(c->window);
    if (to == NULL) {
        return;
    }
    note_cursor(c, place, cursor);
    c->all_changed |= is_scaled(c, place) || plots != NULL || /* they let the picture through */
                      to->pixels != c->shown || to->w != c->shown_width || to->h != c->shown_height;
    c->shown = to->pixels;
    c->shown_width = to->w;
    c->shown_height = to->h;
    if (c->all_changed) {
        draw_all(c, to, place);
    }
    for (int i = 0; !c->all_changed && i < c->changed_count; i++) {
        copy_part(c, to, place, c->changed[i]);
    }
    if (c->cursor_was.w > 0) {
        SDL_Rect there = c->cursor_was;
        c->sdl->UpperBlitScaled(c->cursor, NULL, to, &there);
    }
    if (plots != NULL) {
        draw_plots(c, to, plots);
    }
    if (c->all_changed) {
        c->sdl->UpdateWindowSurface(c->window);
    } else {
        show_changes(c, to);
    }
    c->changed_count = 0;
    c->all_changed = plots != NULL; /* under them, next time */
}

void canvas_draw(struct window_canvas *c, const SDL_Rect *cursor, const struct window_plot *plots)
{
    SDL_Rect place = canvas_place(c);
    if (c->renderer != NULL) {
        draw_by_card(c, place, cursor, plots);
    } else {
        draw_by_copy(c, place, cursor, plots);
    }
}
#endif

/* See window_screen.h. */
#include "config.h"

#if HAVE_SDL2
#include "ui/screen/font.h"
#include "ui/screen/window_screen.h"

enum {
    FIRST_WIDTH = 1200, FIRST_HEIGHT = 558, /* until there is a picture */
    DARK_AFTER_MS = 800,   /* without a picture */
    RESIZE_AFTER_MS = 250, /* of rest, before the guest is asked */
};

/* --- life --- */

/* What panels and switchers show for it: the name's first letter. */
static void set_icon(const struct sdl_api *sdl, SDL_Window *window)
{
    enum { SCALE = 6, WIDTH = 48, TOP = -6, LEFT = 9 };
    static const u32 ground = 0xff1e3c5a, ink = 0xfff0f0f0;
    u32 pixels[WIDTH * WIDTH];
    u8 rows[FONT_HEIGHT];
    font_get('m', rows);
    for (int y = 0; y < WIDTH; y++) {
        for (int x = 0; x < WIDTH; x++) {
            int row = (y - TOP) / SCALE, column = (x - LEFT) / SCALE;
            bool inside = x >= LEFT && column < FONT_WIDTH && row < FONT_HEIGHT;
            bool dot = inside && (rows[row] >> (FONT_WIDTH - 1 - column) & 1);
            pixels[y * WIDTH + x] = dot ? ink : ground;
        }
    }
    SDL_Surface *icon = sdl->CreateRGBSurfaceWithFormatFrom(
        pixels, WIDTH, WIDTH, 32, WIDTH * (int)sizeof(u32), SDL_PIXELFORMAT_ARGB8888);
    if (icon != NULL) {
        sdl->SetWindowIcon(window, icon);
        sdl->FreeSurface(icon);
    }
}

bool window_screen_open(struct window_screen *s, const struct sdl_api *sdl, metic_machine *machine,
                        unsigned number, void (*changed)(void *opaque), void *opaque,
                        struct metic_error *error)
{
    s->sdl = sdl;
    s->machine = machine;
    s->number = number;
    s->dirty = true;
    s->zoom = 1;
    s->hidden = number != 0;
    Uint32 flags = SDL_WINDOW_RESIZABLE | (s->hidden ? SDL_WINDOW_HIDDEN : 0);
    s->window = sdl->CreateWindow("metic", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED,
                                  FIRST_WIDTH, FIRST_HEIGHT, flags);
    if (s->window == NULL || !canvas_open(&s->canvas, sdl, s->window)) {
        return false;
    }
    set_icon(sdl, s->window);
    s->viewer = metic_viewer_new(machine, number, changed, opaque, error);
    return s->viewer != NULL;
}

void window_screen_close(struct window_screen *s)
{
    metic_viewer_free(s->viewer);
    canvas_close(&s->canvas);
    if (s->window != NULL) {
        s->sdl->DestroyWindow(s->window);
    }
}

/* --- drawing --- */

void window_screen_draw(struct window_screen *s, const struct window_plot *plot)
{
    const struct metic_frame *f = &s->frame;
    bool pointer = f->cursor_visible && f->width != 0 && s->terminal == NULL;
    SDL_Rect cursor = {
        (int)(f->cursor_x - (s32)f->cursor_hot_x),
        (int)(f->cursor_y - (s32)f->cursor_hot_y),
        (int)f->cursor_width,
        (int)f->cursor_height,
    };
    if (s->dirty && !s->hidden) {
        canvas_draw(&s->canvas, pointer ? &cursor : NULL, s->plots ? plot : NULL);
        s->dirty = false;
    }
}

/* Where the desktop has room for a window, its borders apart. */
static bool room_of(struct window_screen *s, SDL_Rect *room)
{
    int top = 0, left = 0, bottom = 0, right = 0;
    int display = s->sdl->GetWindowDisplayIndex(s->window);
    if (s->sdl->GetDisplayUsableBounds(display, room) != 0) {
        return false;
    }
    s->sdl->GetWindowBordersSize(s->window, &top, &left, &bottom, &right);
    *room = (SDL_Rect){room->x + left, room->y + top, room->w - left - right,
                       room->h - top - bottom};
    return room->w > 0 && room->h > 0;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* The window is `zoom` times as large as the picture, or as there is room, in its shape. */
static void fit_window(struct window_screen *s)
{
    SDL_Rect bounds, *room = &bounds;
    int x, y, width = s->picture_width * s->zoom, height = s->picture_height * s->zoom;
    if (!room_of(s, room)) {
        s->sdl->SetWindowSize(s->window, width, height);
        return;
    }
    int right = room->x + room->w, bottom = room->y + room->h;
    if (width > room->w || height > room->h) {
        int narrower = (int)((s64)width * room->h / height);
        int lower = (int)((s64)height * room->w / width);
        bool wide = narrower > room->w;
        width = wide ? room->w : narrower;
        height = wide ? lower : room->h;
    }
    s->sdl->GetWindowPosition(s->window, &x, &y);
    s->sdl->SetWindowSize(s->window, width, height);
    if (x + width > right || y + height > bottom) {
        s->sdl->SetWindowPosition(s->window, least(x, right - width), least(y, bottom - height));
    }
}

/* What is the desktop's to decide stays as it is: such a window. */
static bool is_filling(const struct window_screen *s)
{
    return s->full || (s->sdl->GetWindowFlags(s->window) & SDL_WINDOW_MAXIMIZED) != 0;
}

/* The window takes the picture's size, when that is another than before: a guest that was asked for
 * a size and keeps its own shows the same once more, and the window stays as its user made it. */
static void follow_size(struct window_screen *s)
{
    bool same = s->picture_width == s->followed_width && s->picture_height == s->followed_height;
    if (s->picture_width == 0 || same) {
        return;
    }
    s->followed_width = s->picture_width;
    s->followed_height = s->picture_height;
    if (!is_filling(s) && s->asked_width == 0) {
        fit_window(s);
    }
}

/* Another picture than before: of another size, or of the terminal. */
static void new_picture(struct window_screen *s)
{
    const u32 *pixels = s->frame.pixels;
    s->picture_width = (int)s->frame.width;
    s->picture_height = (int)s->frame.height;
    if (s->terminal != NULL) {
        pixels = terminal_picture(s->terminal, &s->picture_width, &s->picture_height);
    }
    canvas_set_picture(&s->canvas, pixels, s->picture_width, s->picture_height);
    follow_size(s);
    s->dirty = true;
}

/* Notes when the picture comes and goes. One that goes while it is seen may soon be there again. */
static void note_light(struct window_screen *s)
{
    bool lit = s->frame.width != 0;
    if (lit != s->lit) {
        s->lit = lit;
        s->waits = !lit && s->terminal == NULL;
        s->dark_ms = s->sdl->GetTicks();
    }
}

void window_screen_take(struct window_screen *s)
{
    const struct metic_frame *f = &s->frame;
    if (!metic_viewer_take(s->viewer, &s->frame)) {
        return;
    }
    note_light(s);
    for (unsigned i = 0; i < f->rect_count && !f->resized && s->terminal == NULL; i++) {
        const struct metic_rect *r = &f->rects[i];
        canvas_update(&s->canvas, f->pixels,
                      (SDL_Rect){(int)r->x, (int)r->y, (int)r->width, (int)r->height});
    }
    if (f->cursor_reshaped && f->cursor_width != 0) {
        canvas_set_cursor(&s->canvas, f->cursor_pixels, (int)f->cursor_width,
                          (int)f->cursor_height);
    }
    if (f->resized && s->terminal == NULL) {
        new_picture(s);
    }
    s->frames += f->rect_count != 0;
    s->frames_shown += f->rect_count != 0;
    s->dirty = true;
}

bool window_screen_is_dark(const struct window_screen *s)
{
    bool waits = s->waits && s->sdl->GetTicks() - s->dark_ms < DARK_AFTER_MS;
    return !s->lit && !waits;
}

/* Where it is seen first: right of the screen before it, or a step below where there is no room.
 * (SDL would have both in the desktop's middle, the one hidden by the other.) */
static void place_beside(struct window_screen *s)
{
    enum { STEP = 40 };
    const struct window_screen *left = s->left;
    SDL_Rect bounds, *room = &bounds, at, mine;
    if (s->placed || left == NULL || left->hidden || !room_of(s, room)) {
        return;
    }
    s->sdl->GetWindowPosition(left->window, &at.x, &at.y);
    s->sdl->GetWindowSize(left->window, &at.w, &at.h);
    s->sdl->GetWindowSize(s->window, &mine.w, &mine.h);
    if (at.x + at.w + mine.w <= room->x + room->w) {
        s->sdl->SetWindowPosition(s->window, at.x + at.w, at.y);
    } else {
        s->sdl->SetWindowPosition(s->window, at.x + STEP, at.y + STEP);
    }
}

void window_screen_update(struct window_screen *s, struct terminal *terminal, bool drawn)
{
    bool hidden = s->closed || (s->number != 0 && window_screen_is_dark(s));
    if (hidden != s->hidden) {
        s->hidden = hidden;
        place_beside(s);
        s->placed = true;
        (hidden ? s->sdl->HideWindow : s->sdl->ShowWindow)(s->window);
        window_screen_expose(s);
    }
    if (terminal != s->terminal) {
        s->terminal = terminal;
        new_picture(s);
    } else if (terminal != NULL && drawn) {
        int width, height;
        const u32 *pixels = terminal_picture(terminal, &width, &height);
        canvas_update(&s->canvas, pixels, (SDL_Rect){0, 0, width, height});
        s->dirty = true;
    }
}

void window_screen_expose(struct window_screen *s)
{
    canvas_expose(&s->canvas);
    s->dirty = true;
}

/* --- sizes --- */

void window_screen_ask_size(struct window_screen *s, int width, int height)
{
    s->asked_width = width / s->zoom;
    s->asked_height = height / s->zoom;
    s->resized_ms = s->sdl->GetTicks();
}

void window_screen_set_zoom(struct window_screen *s, int zoom)
{
    int width, height;
    s->zoom = zoom < 1 ? 1 : least(zoom, SCREEN_MAX_ZOOM);
    if (is_filling(s)) {
        s->sdl->GetWindowSize(s->window, &width, &height);
        window_screen_ask_size(s, width, height);
    } else if (s->picture_width != 0) {
        fit_window(s);
    }
}

static void put_window(struct window_screen *s, SDL_Rect place)
{
    s->sdl->SetWindowSize(s->window, place.w, place.h);
    s->sdl->SetWindowPosition(s->window, place.x, place.y);
}

/* SDL tells of the larger size as if the user had dragged it, and of the one before not at all. It
 * leaves the work to the desktop's window manager; where there is none, nothing would happen, and
 * SDL would believe that it had. */
void window_screen_set_full(struct window_screen *s)
{
    SDL_Rect *before = &s->before, whole;
    int display = s->sdl->GetWindowDisplayIndex(s->window);
    bool unmanaged = s->unmanaged && s->sdl->GetDisplayBounds(display, &whole) == 0;
    s->full = !s->full;
    if (s->full) {
        s->sdl->GetWindowSize(s->window, &before->w, &before->h);
        s->sdl->GetWindowPosition(s->window, &before->x, &before->y);
    }
    if (unmanaged) {
        put_window(s, s->full ? whole : *before);
    } else {
        s->sdl->SetWindowFullscreen(s->window, s->full ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    }
    if (!s->full) {
        window_screen_ask_size(s, before->w, before->h);
    } else if (unmanaged) {
        window_screen_ask_size(s, whole.w, whole.h);
    }
}

void window_screen_unplug(struct window_screen *s)
{
    s->closed = true;
    s->asked_width = 0;
    metic_request_size(s->machine, s->number, 0, 0);
}

void window_screen_raise(struct window_screen *s)
{
    if (s->closed) {
        int width, height;
        s->closed = false;
        s->sdl->GetWindowSize(s->window, &width, &height);
        metic_request_size(s->machine, s->number, (u32)width, (u32)height);
    }
    if (!s->hidden) {
        s->sdl->RaiseWindow(s->window);
    }
}

void window_screen_look_at_clock(struct window_screen *s)
{
    if (s->asked_width != 0 && s->sdl->GetTicks() - s->resized_ms >= RESIZE_AFTER_MS) {
        metic_request_size(s->machine, s->number, (u32)s->asked_width, (u32)s->asked_height);
        s->asked_width = 0;
    }
}

static u32 part_of(int at, int size)
{
    s64 part = (s64)at * METIC_POINTER_MAX / (size - 1);
    return part < 0 ? 0 : part > METIC_POINTER_MAX ? METIC_POINTER_MAX : (u32)part;
}

bool window_screen_place(const struct window_screen *s, int at_x, int at_y, u32 *x, u32 *y)
{
    SDL_Rect place = canvas_place(&s->canvas);
    if (place.w < 2 || place.h < 2) {
        return false;
    }
    *x = part_of(at_x - place.x, place.w);
    *y = part_of(at_y - place.y, place.h);
    return true;
}
#endif

/* See window_terminal.h.
 *
 * The guest prints on a hart's thread, under its device's lock: bytes are put into a ring, no more.
 * The window's thread feeds them to libvterm, which keeps the cells, and draws the rows that
 * changed. What is typed goes into the console as from a terminal, through the journal. */
#include "config.h"

#if HAVE_SDL2
#include "ui/screen/window_terminal.h"

#if HAVE_VTERM
#include "cpu/base/library.h"
#include "cpu/base/utf8.h"
#include "ui/screen/font.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <vterm.h>

enum {
    RING_BYTES = 1 << 16, /* more is lost, the oldest first */
    CELL_WIDTH = FONT_WIDTH * TERMINAL_SCALE,
    CELL_HEIGHT = FONT_HEIGHT * TERMINAL_SCALE,
    WIDTH = TERMINAL_COLUMNS * CELL_WIDTH,
    HEIGHT = TERMINAL_ROWS * CELL_HEIGHT,
};

struct vterm_api {
    void *library;
#define VTERM_CALL(result, name, parameters) result(*name) parameters;
#include "ui/screen/vterm_api.def"
#undef VTERM_CALL
};

struct terminal {
    metic_machine *machine;
    bool is_alone; /* answers for the guest's console are ours to give */
    bool is_typing;
    void (*changed)(void *opaque);
    void *opaque;
    struct vterm_api api;
    VTerm *vterm;
    VTermScreen *screen;
    bool stale[TERMINAL_ROWS]; /* rows to be drawn */
    VTermPos cursor;
    bool cursor_visible;
    u32 *pixels;
    pthread_mutex_t lock; /* around the rest */
    u8 ring[RING_BYTES];
    u64 put, taken; /* bytes so far */
    bool told;
};

/* --- from the guest --- */

static void on_output(void *opaque, const uint8_t *bytes, size_t count)
{
    struct terminal *t = opaque;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < count; i++) {
        t->ring[t->put++ % RING_BYTES] = bytes[i];
    }
    bool tell = !t->told;
    t->told = true;
    pthread_mutex_unlock(&t->lock);
    if (tell) {
        t->changed(t->opaque);
    }
}

/* Up to `room` bytes of what waits. */
static size_t take_bytes(struct terminal *t, char *bytes, size_t room)
{
    pthread_mutex_lock(&t->lock);
    if (t->put - t->taken > RING_BYTES) {
        t->taken = t->put - RING_BYTES;
    }
    size_t count = 0;
    while (count < room && t->taken < t->put) {
        bytes[count++] = (char)t->ring[t->taken++ % RING_BYTES];
    }
    t->told = count == room;
    pthread_mutex_unlock(&t->lock);
    return count;
}

static int on_damage(VTermRect rect, void *opaque)
{
    struct terminal *t = opaque;
    for (int row = rect.start_row; row < rect.end_row && row < TERMINAL_ROWS; row++) {
        t->stale[row] = true;
    }
    return 1;
}

static int on_cursor(VTermPos now, VTermPos before, int visible, void *opaque)
{
    struct terminal *t = opaque;
    t->cursor = now;
    t->cursor_visible = visible != 0;
    t->stale[now.row] = t->stale[before.row] = true;
    return 1;
}

static int on_property(VTermProp property, VTermValue *value, void *opaque)
{
    struct terminal *t = opaque;
    if (property == VTERM_PROP_CURSORVISIBLE) {
        t->cursor_visible = value->boolean != 0;
        t->stale[t->cursor.row] = true;
    }
    return 1;
}

/* Keys, and answers to the guest's questions. */
static void on_answer(const char *bytes, size_t count, void *opaque)
{
    struct terminal *t = opaque;
    if (t->is_typing || t->is_alone) {
        metic_console_feed(t->machine, bytes, count);
    }
}

/* --- drawing --- */

static u32 colour_of(const struct terminal *t, VTermColor colour)
{
    t->api.screen_convert_color_to_rgb(t->screen, &colour);
    return (u32)(colour.rgb.red << 16 | colour.rgb.green << 8 | colour.rgb.blue);
}

static void draw_cell(struct terminal *t, int row, int column)
{
    VTermScreenCell cell;
    u8 rows[FONT_HEIGHT];
    t->api.screen_get_cell(t->screen, (VTermPos){row, column}, &cell);
    u32 front = colour_of(t, cell.fg), back = colour_of(t, cell.bg);
    bool is_cursor = t->cursor_visible && t->cursor.row == row && t->cursor.col == column;
    if ((cell.attrs.reverse != 0) != is_cursor) {
        u32 other = front;
        front = back;
        back = other;
    }
    font_get(cell.chars[0], rows);
    if (cell.attrs.underline != 0) {
        rows[FONT_HEIGHT - 1] = 0x3f;
    }
    for (unsigned y = 0; y < CELL_HEIGHT; y++) {
        u32 *to = t->pixels + ((size_t)row * CELL_HEIGHT + y) * WIDTH + (size_t)column * CELL_WIDTH;
        u8 bits = rows[y / TERMINAL_SCALE];
        for (unsigned x = 0; x < CELL_WIDTH; x++) {
            to[x] = bits >> (FONT_WIDTH - 1 - x / TERMINAL_SCALE) & 1 ? front : back;
        }
    }
}

bool terminal_take(struct terminal *t)
{
    char bytes[4096];
    size_t count;
    bool drawn = false;
    while ((count = take_bytes(t, bytes, sizeof(bytes))) != 0) {
        t->api.input_write(t->vterm, bytes, count);
    }
    for (int row = 0; row < TERMINAL_ROWS; row++) {
        for (int column = 0; t->stale[row] && column < TERMINAL_COLUMNS; column++) {
            draw_cell(t, row, column);
        }
        drawn |= t->stale[row];
        t->stale[row] = false;
    }
    return drawn;
}

const u32 *terminal_picture(const struct terminal *t, int *width, int *height)
{
    *width = WIDTH;
    *height = HEIGHT;
    return t->pixels;
}

/* --- to the guest --- */

void terminal_type(struct terminal *t, const char *utf8)
{
    u32 character;
    t->is_typing = true;
    while (*utf8 != '\0' && (character = utf8_next(&utf8)) != 0) {
        if (character == '\n') {
            t->api.keyboard_key(t->vterm, VTERM_KEY_ENTER, VTERM_MOD_NONE);
        } else {
            t->api.keyboard_unichar(t->vterm, character, VTERM_MOD_NONE);
        }
    }
    t->is_typing = false;
}

static VTermKey key_of(SDL_Keycode code)
{
    switch (code) {
    case SDLK_RETURN:
    case SDLK_KP_ENTER: return VTERM_KEY_ENTER;
    case SDLK_TAB: return VTERM_KEY_TAB;
    case SDLK_BACKSPACE: return VTERM_KEY_BACKSPACE;
    case SDLK_ESCAPE: return VTERM_KEY_ESCAPE;
    case SDLK_UP: return VTERM_KEY_UP;
    case SDLK_DOWN: return VTERM_KEY_DOWN;
    case SDLK_LEFT: return VTERM_KEY_LEFT;
    case SDLK_RIGHT: return VTERM_KEY_RIGHT;
    case SDLK_INSERT: return VTERM_KEY_INS;
    case SDLK_DELETE: return VTERM_KEY_DEL;
    case SDLK_HOME: return VTERM_KEY_HOME;
    case SDLK_END: return VTERM_KEY_END;
    case SDLK_PAGEUP: return VTERM_KEY_PAGEUP;
    case SDLK_PAGEDOWN: return VTERM_KEY_PAGEDOWN;
    default:
        return code >= SDLK_F1 && code <= SDLK_F12
                   ? (VTermKey)(VTERM_KEY_FUNCTION_0 + 1 + (code - SDLK_F1))
                   : VTERM_KEY_NONE;
    }
}

void terminal_key(struct terminal *t, const SDL_Keysym *key)
{
    VTermKey special = key_of(key->sym);
    unsigned modifiers = (key->mod & KMOD_SHIFT ? (unsigned)VTERM_MOD_SHIFT : 0) |
                         (key->mod & KMOD_CTRL ? (unsigned)VTERM_MOD_CTRL : 0) |
                         (key->mod & KMOD_LALT ? (unsigned)VTERM_MOD_ALT : 0);
    t->is_typing = true;
    if (special != VTERM_KEY_NONE) {
        t->api.keyboard_key(t->vterm, special, (VTermModifier)modifiers);
    } else if ((modifiers & (VTERM_MOD_CTRL | VTERM_MOD_ALT)) != 0 && key->sym >= ' ' &&
               key->sym < 127) { /* SDL makes no text of these */
        t->api.keyboard_unichar(t->vterm, (u32)key->sym, (VTermModifier)modifiers);
    }
    t->is_typing = false;
}

/* --- life --- */

static bool load_api(struct vterm_api *api, struct metic_error *error)
{
    const char *missing = NULL;
    api->library = library_open("libvterm.so.0");
    if (api->library == NULL) {
        return error_set(error, "install it (Debian: libvterm0)", "libvterm is not on this host");
    }
#define VTERM_CALL(result, name, parameters)                                                      \
    if (!library_find(api->library, "vterm_" #name, (void *)&api->name, sizeof(api->name))) {     \
        missing = "vterm_" #name;                                                                 \
    }
#include "ui/screen/vterm_api.def"
#undef VTERM_CALL
    return missing == NULL || error_set(error, "bring it up to date",
                                        "the libvterm of this host has no %s", missing);
}

struct terminal *terminal_new(metic_machine *machine, bool is_alone, void (*changed)(void *opaque),
                              void *opaque, struct metic_error *error)
{
    static const VTermScreenCallbacks callbacks = {
        .damage = on_damage, .movecursor = on_cursor, .settermprop = on_property};
    struct terminal *t = calloc(1, sizeof(*t));
    if (t == NULL || !load_api(&t->api, error)) {
        if (t != NULL) {
            library_close(t->api.library);
        }
        free(t);
        return NULL;
    }
    t->machine = machine;
    t->is_alone = is_alone;
    t->changed = changed;
    t->opaque = opaque;
    pthread_mutex_init(&t->lock, NULL);
    t->pixels = calloc((size_t)WIDTH * HEIGHT, sizeof(*t->pixels));
    t->vterm = t->api.new(TERMINAL_ROWS, TERMINAL_COLUMNS);
    if (t->pixels == NULL || t->vterm == NULL) {
        error_set(error, NULL, "the host has no memory for a terminal");
        terminal_free(t);
        return NULL;
    }
    t->api.set_utf8(t->vterm, 1);
    t->api.output_set_callback(t->vterm, on_answer, t);
    t->screen = t->api.obtain_screen(t->vterm);
    t->api.screen_set_callbacks(t->screen, &callbacks, t);
    t->api.screen_enable_altscreen(t->screen, 1);
    t->api.screen_reset(t->screen, 1);
    t->cursor_visible = true;
    metic_set_console_output(machine, on_output, t);
    return t;
}

void terminal_free(struct terminal *t)
{
    if (t == NULL) {
        return;
    }
    if (t->screen != NULL) {
        metic_set_console_output(t->machine, NULL, t);
    }
    if (t->vterm != NULL) {
        t->api.free(t->vterm);
    }
    library_close(t->api.library);
    pthread_mutex_destroy(&t->lock);
    free(t->pixels);
    free(t);
}

#else

struct terminal *terminal_new(metic_machine *machine, bool is_alone, void (*changed)(void *opaque),
                              void *opaque, struct metic_error *error)
{
    (void)machine;
    (void)is_alone;
    (void)changed;
    (void)opaque;
    error_set(error, "build it with libvterm-dev installed",
              "this metic was built without a terminal in the window");
    return NULL;
}

void terminal_free(struct terminal *terminal)
{
    (void)terminal;
}

bool terminal_take(struct terminal *terminal)
{
    (void)terminal;
    return false;
}

const u32 *terminal_picture(const struct terminal *terminal, int *width, int *height)
{
    (void)terminal;
    *width = *height = 0;
    return NULL;
}

void terminal_type(struct terminal *terminal, const char *utf8)
{
    (void)terminal;
    (void)utf8;
}

void terminal_key(struct terminal *terminal, const SDL_Keysym *key)
{
    (void)terminal;
    (void)key;
}

#endif
#endif

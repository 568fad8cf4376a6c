/* See window.h.
 *
 * The window's thread waits for events, of which one of our own says that the screen changed. It
 * then takes the changed rectangles and draws those alone (window_canvas.h); while nothing changes,
 * it sleeps.
 *
 * Keys are places on the keyboard (keys.def). Those that the window keeps for itself are pressed
 * with Ctrl+Alt (window_keys below). While the screen shows nothing, the window shows the console
 * as a terminal, which takes text, not places. The guest's pointer is drawn by us, so the
 * desktop's is hidden where the guest has one. What was down goes up when the window loses the
 * keyboard. */
#include "config.h"
#include "ui/window.h"

#include "cpu/base/error.h"
#include "cpu/base/thread.h"

#if HAVE_SDL2
#include "ui/key_steps.h"
#include "ui/keys.h"
#include "ui/sdl_api.h"
#include "ui/window_canvas.h"
#include "ui/window_clipboard.h"
#include "ui/window_plot.h"
#include "ui/window_wake.h"
#include "ui/window_terminal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TITLE_EVERY_MS = 500,
    LOOK_EVERY_MS = 40, /* firmware draws into memory and tells nobody */
    DARK_AFTER_MS = 800, /* without a picture */
    RESIZE_AFTER_MS = 250, /* of rest, before the guest is asked */
    POINTER_MAX = 32767,
    WHEEL_FLIPPED = -1,
};

struct window {
    metic_machine *machine;
    const struct keymap *keymap; /* of the guest, or NULL: US */
    struct sdl_api sdl;
    char name[64];
    pthread_t thread;
    pthread_mutex_t lock; /* start-up */
    pthread_cond_t started;
    bool start_done, open;
    struct metic_error error;
    _Atomic bool closing;
    Uint32 wake_event;
    struct window_wake wake;

    /* The thread's. */
    metic_viewer *viewer;
    struct metic_frame frame;
    SDL_Window *window;
    struct window_canvas canvas;
    struct terminal *terminal; /* or NULL, with a reason that is not an error: the rest works */
    bool console_is_here, wants_terminal, shows_terminal;
    int picture_width, picture_height; /* of what is shown; 0: nothing */
    int followed_width, followed_height; /* of the last picture that was not nothing */
    bool grabbed, full, plots;
    bool dirty; /* what is drawn is old */
    unsigned frames, frames_per_s; /* taken since the title; of the guest's, when it was written */
    unsigned long frames_shown;    /* since the window opened */
    struct timespec start_time, end_time; /* of its thread's processor time */
    u8 dropped[SDL_NUM_SCANCODES];       /* keys whose going up is not the guest's either */
    bool lit, waits; /* the guest shows something; it does not, and may soon */
    Uint32 titled_ms, resized_ms, dark_ms;
    int asked_width, asked_height; /* 0: nothing to ask for */
    SDL_Rect before; /* it was full screen */
    struct window_plot plot;
    struct window_clipboard clipboard;
};

/* --- drawing --- */

static void draw(struct window *w)
{
    const struct metic_frame *f = &w->frame;
    bool pointer = f->cursor_visible && f->width != 0 && !w->shows_terminal;
    SDL_Rect cursor = {
        (int)(f->cursor_x - (s32)f->cursor_hot_x),
        (int)(f->cursor_y - (s32)f->cursor_hot_y),
        (int)f->cursor_width,
        (int)f->cursor_height,
    };
    canvas_draw(&w->canvas, pointer ? &cursor : NULL, w->plots ? &w->plot : NULL);
    w->dirty = false;
}

/* The window takes the picture's size, when that is another than before: a guest that was asked for
 * a size and keeps its own shows the same once more, and the window stays as its user made it. */
static void follow_size(struct window *w)
{
    bool maximised = (w->sdl.GetWindowFlags(w->window) & SDL_WINDOW_MAXIMIZED) != 0;
    bool same = w->picture_width == w->followed_width && w->picture_height == w->followed_height;
    if (w->picture_width == 0 || same) {
        return;
    }
    w->followed_width = w->picture_width;
    w->followed_height = w->picture_height;
    if (!w->full && !maximised && w->asked_width == 0) {
        w->sdl.SetWindowSize(w->window, w->picture_width, w->picture_height);
    }
}

/* Another picture than before: of another size, or of the terminal. */
static void new_picture(struct window *w)
{
    const u32 *pixels = w->frame.pixels;
    w->picture_width = (int)w->frame.width;
    w->picture_height = (int)w->frame.height;
    if (w->shows_terminal) {
        pixels = terminal_picture(w->terminal, &w->picture_width, &w->picture_height);
    }
    canvas_set_picture(&w->canvas, pixels, w->picture_width, w->picture_height);
    follow_size(w);
    w->dirty = true;
}

static void new_cursor(struct window *w)
{
    const struct metic_frame *f = &w->frame;
    canvas_set_cursor(&w->canvas, f->cursor_pixels, (int)f->cursor_width, (int)f->cursor_height);
    w->sdl.ShowCursor(f->cursor_visible ? SDL_DISABLE : SDL_ENABLE);
}

/* What of the frame changed; true when the whole picture is another. */
static bool take_frame(struct window *w)
{
    if (!metic_viewer_take(w->viewer, &w->frame)) {
        return false;
    }
    for (unsigned i = 0; i < w->frame.rect_count && !w->frame.resized && !w->shows_terminal; i++) {
        const struct metic_rect *r = &w->frame.rects[i];
        canvas_update(&w->canvas, w->frame.pixels,
                      (SDL_Rect){(int)r->x, (int)r->y, (int)r->width, (int)r->height});
    }
    if (w->frame.cursor_reshaped && w->frame.cursor_width != 0) {
        new_cursor(w);
    }
    w->frames += w->frame.rect_count != 0;
    w->frames_shown += w->frame.rect_count != 0;
    w->dirty = true;
    return w->frame.resized;
}

/* Whether the terminal is to be seen. A guest that changes its mode shows nothing for a moment, and
 * the window waits whether that is all. */
static bool is_terminals_turn(struct window *w)
{
    bool lit = w->frame.width != 0;
    if (w->lit && !lit) {
        w->dark_ms = w->sdl.GetTicks();
        w->waits = !w->shows_terminal;
    }
    w->lit = lit;
    w->waits = w->waits && !lit && w->sdl.GetTicks() - w->dark_ms < DARK_AFTER_MS;
    return w->terminal != NULL && (w->wants_terminal || (!lit && !w->waits));
}

static void take_changes(struct window *w)
{
    bool is_new = take_frame(w);
    bool drawn = w->terminal != NULL && terminal_take(w->terminal);
    bool terminal = is_terminals_turn(w);
    if (terminal != w->shows_terminal) {
        is_new = true;
        w->shows_terminal = terminal;
        metic_release_keys(w->machine);
    }
    if (is_new) {
        new_picture(w);
    } else if (drawn && w->shows_terminal) {
        int width, height;
        const u32 *pixels = terminal_picture(w->terminal, &width, &height);
        canvas_update(&w->canvas, pixels, (SDL_Rect){0, 0, width, height});
        w->dirty = true;
    }
}

static void show_title(struct window *w)
{
    char title[160], frames[32] = "";
    if (w->frames_per_s != 0) {
        snprintf(frames, sizeof(frames), ", %u frames/s", w->frames_per_s);
    }
    snprintf(title, sizeof(title), "%s - metic - %s, %.0f MIPS%s - Ctrl+Alt+G %s", w->name,
             metic_is_paused(w->machine) ? "paused" : "running", window_plot_mips(&w->plot),
             frames, w->grabbed ? "lets keyboard and pointer go" : "holds keyboard and pointer");
    w->sdl.SetWindowTitle(w->window, title);
}

/* --- what the user does --- */

static void grab(struct window *w, bool grabbed)
{
    w->grabbed = grabbed;
    w->sdl.SetWindowGrab(w->window, grabbed ? SDL_TRUE : SDL_FALSE);
    w->sdl.SetRelativeMouseMode(grabbed ? SDL_TRUE : SDL_FALSE);
    metic_release_keys(w->machine);
    show_title(w);
}

static void ask_size(struct window *w, int width, int height)
{
    w->asked_width = width;
    w->asked_height = height;
    w->resized_ms = w->sdl.GetTicks();
}

static void put_window(struct window *w, SDL_Rect place)
{
    w->sdl.SetWindowSize(w->window, place.w, place.h);
    w->sdl.SetWindowPosition(w->window, place.x, place.y);
}

/* SDL tells of the larger size as if the user had dragged it, and of the one before not at all. It
 * leaves the work to the desktop's window manager; where there is none, nothing would happen, and
 * SDL would believe that it had. */
static void set_full(struct window *w)
{
    SDL_Rect *before = &w->before, whole;
    int display = w->sdl.GetWindowDisplayIndex(w->window);
    bool unmanaged = w->wake.unmanaged && w->sdl.GetDisplayBounds(display, &whole) == 0;
    w->full = !w->full;
    if (w->full) {
        w->sdl.GetWindowSize(w->window, &before->w, &before->h);
        w->sdl.GetWindowPosition(w->window, &before->x, &before->y);
    }
    if (unmanaged) {
        put_window(w, w->full ? whole : *before);
    } else {
        w->sdl.SetWindowFullscreen(w->window, w->full ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    }
    if (!w->full) {
        ask_size(w, before->w, before->h);
    } else if (unmanaged) {
        ask_size(w, whole.w, whole.h);
    }
}

static void set_smooth(struct window *w)
{
    canvas_set_smooth(&w->canvas, !w->canvas.smooth);
}

/* On the guest's keyboard. */
static void press_text(struct window *w, const char *text)
{
    struct metic_key_step steps[METIC_MAX_KEY_STEPS];
    struct key_text said;
    unsigned count = key_steps_text(w->keymap, key_locks(w->machine), text, steps,
                                    ARRAY_LEN(steps), &said);
    metic_release_keys(w->machine); /* Ctrl and Alt, which are still down */
    if (said.too_long || !metic_press_keys(w->machine, steps, count)) {
        fprintf(stderr, "metic: the clipboard is too long to be typed\n");
    } else if (said.left_out != 0) {
        fprintf(stderr, "metic: %u character%s of the clipboard, '%.*s' first, %s on no key of the "
                "guest's keyboard (%s; --keymap says another)\n", said.left_out,
                said.left_out == 1 ? "" : "s", (int)said.bad_bytes, said.bad,
                said.left_out == 1 ? "is" : "are", keymap_name(w->keymap));
    }
}

/* The desktop's clipboard, as if it were typed. */
static void type_clipboard(struct window *w)
{
    char *text = w->sdl.GetClipboardText();
    if (text != NULL && w->shows_terminal) {
        terminal_type(w->terminal, text);
    } else if (text != NULL) {
        press_text(w, text);
    }
    w->sdl.free(text);
}

/* A key with Ctrl+Alt; false: it is the guest's. */
static bool own_key(struct window *w, SDL_Scancode code)
{
    switch (code) {
    case SDL_SCANCODE_G: grab(w, !w->grabbed); break;
    case SDL_SCANCODE_F: set_full(w); break;
    case SDL_SCANCODE_S: set_smooth(w); break;
    case SDL_SCANCODE_T: w->wants_terminal = !w->wants_terminal; break;
    case SDL_SCANCODE_V: type_clipboard(w); break;
    case SDL_SCANCODE_O: w->plots = !w->plots; break;
    case SDL_SCANCODE_Q: metic_stop(w->machine); break;
    default: return false;
    }
    w->dirty = true;
    return true;
}

static void on_key(struct window *w, const SDL_KeyboardEvent *key)
{
    unsigned code = (unsigned)key->keysym.scancode;
    bool down = key->type == SDL_KEYDOWN;
    if (code >= ARRAY_LEN(w->dropped)) {
        return;
    }
    bool chord = (key->keysym.mod & KMOD_CTRL) && (key->keysym.mod & KMOD_ALT);
    if (down && chord && key->repeat == 0 && own_key(w, key->keysym.scancode)) {
        w->dropped[code] = 1;
    } else if (!down && w->dropped[code]) {
        w->dropped[code] = 0;
    } else if (w->shows_terminal && down && !w->dropped[code]) {
        terminal_key(w->terminal, &key->keysym);
    } else if (!w->shows_terminal && key->repeat == 0) { /* the guest repeats by itself */
        metic_key(w->machine, keys_by_usb(code), down);
    }
}

static void on_motion(struct window *w, const SDL_MouseMotionEvent *motion)
{
    if (w->grabbed) {
        metic_pointer_by(w->machine, motion->xrel, motion->yrel);
        return;
    }
    SDL_Rect place = canvas_place(&w->canvas);
    if (place.w < 2 || place.h < 2) {
        return;
    }
    s64 x = (s64)(motion->x - place.x) * POINTER_MAX / (place.w - 1);
    s64 bottom = place.h - 1;
    s64 y = (s64)(motion->y - place.y) * POINTER_MAX / bottom;
    x = x < 0 ? 0 : x > POINTER_MAX ? POINTER_MAX : x;
    y = y < 0 ? 0 : y > POINTER_MAX ? POINTER_MAX : y;
    metic_pointer_to(w->machine, (u32)x, (u32)y);
}

static void on_button(struct window *w, const SDL_MouseButtonEvent *button)
{
    static const u16 codes[] = {
        [SDL_BUTTON_LEFT] = 0x110, [SDL_BUTTON_RIGHT] = 0x111, [SDL_BUTTON_MIDDLE] = 0x112,
        [SDL_BUTTON_X1] = 0x113, [SDL_BUTTON_X2] = 0x114,
    };
    if (button->button < ARRAY_LEN(codes) && codes[button->button] != 0) {
        metic_key(w->machine, codes[button->button], button->type == SDL_MOUSEBUTTONDOWN);
    }
}

static void on_window(struct window *w, const SDL_WindowEvent *event)
{
    switch (event->event) {
    case SDL_WINDOWEVENT_FOCUS_LOST: metic_release_keys(w->machine); break;
    case SDL_WINDOWEVENT_FOCUS_GAINED: window_clipboard_give(&w->clipboard); break;
    case SDL_WINDOWEVENT_RESIZED: /* by the user */
        ask_size(w, event->data1, event->data2);
        break;
    default: break;
    }
    canvas_expose(&w->canvas);
    w->dirty = true;
}

static void on_event(struct window *w, const SDL_Event *event)
{
    switch (event->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP: on_key(w, &event->key); break;
    case SDL_TEXTINPUT:
        if (w->shows_terminal) {
            terminal_type(w->terminal, event->text.text);
        }
        break;
    case SDL_MOUSEMOTION: on_motion(w, &event->motion); break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP: on_button(w, &event->button); break;
    case SDL_MOUSEWHEEL: {
        int sign = event->wheel.direction == SDL_MOUSEWHEEL_FLIPPED ? WHEEL_FLIPPED : 1;
        metic_wheel(w->machine, sign * event->wheel.y, sign * event->wheel.x);
        break;
    }
    case SDL_WINDOWEVENT: on_window(w, &event->window); break;
    case SDL_CLIPBOARDUPDATE: window_clipboard_give(&w->clipboard); break;
    case SDL_QUIT: metic_stop(w->machine); break;
    default: break;
    }
}

/* --- the thread --- */

static void push_wake(void *opaque)
{
    struct window *w = opaque;
    SDL_Event event = {.type = w->wake_event};
    w->sdl.PushEvent(&event);
}

/* Any thread, the display's lock held: only takes note. */
static void on_changed(void *opaque)
{
    struct window *w = opaque;
    window_wake_note(&w->wake);
}

static bool fail(struct window *w, const char *what)
{
    return error_set(&w->error, "start metic from a desktop, or leave out --display sdl",
                     "no window: %s: %s", what, w->sdl.GetError());
}

/* SDL also starts where nobody would see it. */
static bool is_desktop(const struct window *w)
{
    static const char *const unseen[] = {"dummy", "offscreen", "evdev"};
    const char *driver = w->sdl.GetCurrentVideoDriver();
    for (unsigned i = 0; driver != NULL && i < ARRAY_LEN(unseen); i++) {
        if (strcmp(driver, unseen[i]) == 0) {
            return getenv("SDL_VIDEODRIVER") != NULL;
        }
    }
    return driver != NULL;
}

static bool start(struct window *w)
{
    enum { WIDTH = 1200, HEIGHT = 558 }; /* until there is a picture */
    struct metic_error without;
    w->sdl.SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    w->sdl.SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    w->sdl.SetHint(SDL_HINT_GRAB_KEYBOARD, "1");
    if (w->sdl.Init(SDL_INIT_VIDEO) != 0) {
        return fail(w, "SDL does not start");
    }
    if (!is_desktop(w)) {
        return error_set(&w->error, "start metic from a desktop, or leave out --display sdl",
                         "no window: this terminal is on no desktop");
    }
    w->wake_event = w->sdl.RegisterEvents(1);
    w->window = w->sdl.CreateWindow("metic", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED,
                                    WIDTH, HEIGHT, SDL_WINDOW_RESIZABLE);
    if (w->window == NULL || !canvas_open(&w->canvas, &w->sdl, w->window)) {
        return fail(w, "the desktop gives none");
    }
    if (!window_wake_start(&w->wake, push_wake, w)) {
        return error_set(&w->error, "close other programs", "the host has no thread for a window");
    }
    w->sdl.StartTextInput();
    w->terminal = terminal_new(w->machine, w->console_is_here, on_changed, w, &without);
    w->viewer = metic_viewer_new(w->machine, 0, on_changed, w, &w->error);
    window_clipboard_begin(&w->clipboard, &w->sdl, w->machine, on_changed, w);
    return w->viewer != NULL;
}

static void end(struct window *w)
{
    window_clipboard_end(&w->clipboard);
    metic_viewer_free(w->viewer);
    terminal_free(w->terminal);
    metic_release_keys(w->machine);
    window_wake_end(&w->wake); /* nobody is left who would leave a note */
    canvas_close(&w->canvas);
    if (w->window != NULL) {
        w->sdl.DestroyWindow(w->window);
    }
    w->sdl.Quit();
}

static void look_at_clock(struct window *w)
{
    Uint32 now_ms = w->sdl.GetTicks();
    if (now_ms - w->titled_ms >= TITLE_EVERY_MS) {
        Uint32 passed_ms = now_ms - w->titled_ms;
        w->frames_per_s = (w->frames * 1000 + passed_ms / 2) / passed_ms;
        w->frames = 0;
        w->titled_ms = now_ms;
        window_plot_sample(&w->plot, w->machine, now_ms);
        show_title(w);
        w->dirty |= w->plots;
    }
    if (w->asked_width != 0 && now_ms - w->resized_ms >= RESIZE_AFTER_MS) {
        metic_request_size(w->machine, 0, (u32)w->asked_width, (u32)w->asked_height);
        w->asked_width = 0;
    }
}

static void tell_started(struct window *w, bool open)
{
    pthread_mutex_lock(&w->lock);
    w->start_done = true;
    w->open = open;
    pthread_cond_signal(&w->started);
    pthread_mutex_unlock(&w->lock);
}

/* How long nothing needs to be done, unless something happens. */
static int wait_ms(const struct window *w)
{
    return w->frame.untold || w->asked_width != 0 ? LOOK_EVERY_MS : TITLE_EVERY_MS;
}

static void *window_main(void *opaque)
{
    struct window *w = opaque;
    thread_set_name("window");
    bool open = start(w);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &w->start_time);
    tell_started(w, open);
    while (open && !atomic_load(&w->closing)) {
        SDL_Event event;
        int some = w->sdl.WaitEventTimeout(&event, wait_ms(w));
        while (some != 0) {
            on_event(w, &event);
            some = w->sdl.WaitEventTimeout(&event, 0);
        }
        take_changes(w);
        if (atomic_exchange(&w->wake.copied, false)) {
            window_clipboard_give(&w->clipboard);
        }
        window_clipboard_take(&w->clipboard);
        look_at_clock(w);
        if (w->dirty) {
            draw(w);
        }
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &w->end_time);
    end(w);
    return NULL;
}

struct window *window_open(metic_machine *machine, const char *name, bool console_is_here,
                           const struct keymap *keymap, struct metic_error *error)
{
    struct window *w = calloc(1, sizeof(*w));
    if (w == NULL || !sdl_api_load(&w->sdl, error)) {
        free(w);
        return NULL;
    }
    w->machine = machine;
    w->console_is_here = console_is_here;
    w->keymap = keymap;
    w->dirty = true;
    snprintf(w->name, sizeof(w->name), "%s", name);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->started, NULL);
    bool threaded = pthread_create(&w->thread, NULL, window_main, w) == 0;
    if (!threaded) {
        error_set(error, "close other programs", "the host has no thread for a window");
        sdl_api_unload(&w->sdl);
        free(w);
        return NULL;
    }
    pthread_mutex_lock(&w->lock);
    while (!w->start_done) {
        pthread_cond_wait(&w->started, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    if (!w->open) {
        *error = w->error;
        window_close(w, NULL);
        return NULL;
    }
    return w;
}

static double time_ms(struct timespec time)
{
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

void window_close(struct window *w, FILE *stats)
{
    if (w == NULL) {
        return;
    }
    atomic_store(&w->closing, true);
    if (w->open) {
        SDL_Event event = {.type = w->wake_event};
        w->sdl.PushEvent(&event);
    }
    pthread_join(w->thread, NULL);
    if (stats != NULL) {
        fprintf(stats, "window              %lu frames of the guest's, %.1f ms of its thread\n",
                w->frames_shown, time_ms(w->end_time) - time_ms(w->start_time));
    }
    sdl_api_unload(&w->sdl);
    pthread_cond_destroy(&w->started);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

#else

struct window *window_open(metic_machine *machine, const char *name, bool console_is_here,
                           const struct keymap *keymap, struct metic_error *error)
{
    (void)console_is_here;
    (void)keymap;
    (void)machine;
    (void)name;
    error_set(error, "build it with libsdl2-dev installed, or leave out --display sdl",
              "this metic was built without a window");
    return NULL;
}

void window_close(struct window *window, FILE *stats)
{
    (void)window;
    (void)stats;
}

#endif

/* See window.h.
 *
 * One thread waits for the events of all windows, of which one of our own says that a screen
 * changed. It then takes the changed rectangles and draws those alone (window_screen.h,
 * window_canvas.h); while nothing changes, it sleeps.
 *
 * Keys are places on the keyboard (keys.def). Those that the window keeps for itself are pressed
 * with Ctrl+Alt (own_key below). While the first screen shows nothing, its window shows the console
 * as a terminal, which takes text, not places. The guest's pointer is drawn by us, so the
 * desktop's is hidden where the guest has one. What was down goes up when the window loses the
 * keyboard. */
#include "config.h"
#include "ui/screen/window.h"

#include "cpu/base/error.h"
#include "cpu/base/thread.h"

#if HAVE_SDL2
#include "ui/screen/key_steps.h"
#include "ui/screen/keys.h"
#include "ui/screen/sdl_api.h"
#include "ui/screen/window_clipboard.h"
#include "ui/screen/window_screen.h"
#include "ui/screen/window_wake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TITLE_EVERY_MS = 500,
    LOOK_EVERY_MS = 40, /* firmware draws into memory and tells nobody */
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
    struct window_screen screens[METIC_MAX_SCREENS];
    unsigned screen_count;
    struct window_screen *pointed; /* the pointer was seen there last */
    bool pointer_hidden;           /* the desktop's */
    struct terminal *terminal; /* or NULL, with a reason that is not an error: the rest works */
    bool console_is_here, wants_terminal;
    bool grabbed;
    struct timespec start_time, end_time; /* of its thread's processor time */
    u8 dropped[SDL_NUM_SCANCODES];       /* keys whose going up is not the guest's either */
    Uint32 titled_ms;
    struct window_plot plot;
    struct window_clipboard clipboard;
};

/* --- what is shown --- */

/* The desktop's pointer is seen where the guest draws none of its own. */
static void show_pointer(struct window *w)
{
    bool hidden = w->pointed->frame.cursor_visible;
    if (hidden != w->pointer_hidden) {
        w->pointer_hidden = hidden;
        w->sdl.ShowCursor(hidden ? SDL_DISABLE : SDL_ENABLE);
    }
}

/* The console, when it is to be seen in place of the first screen; or NULL. */
static struct terminal *terminal_of(const struct window *w)
{
    bool dark = window_screen_is_dark(&w->screens[0]);
    return w->wants_terminal || dark ? w->terminal : NULL;
}

static void take_changes(struct window *w)
{
    for (unsigned i = 0; i < w->screen_count; i++) {
        window_screen_take(&w->screens[i]);
    }
    bool drawn = w->terminal != NULL && terminal_take(w->terminal);
    struct terminal *terminal = terminal_of(w);
    if (terminal != w->screens[0].terminal) {
        metic_release_keys(w->machine);
    }
    for (unsigned i = 0; i < w->screen_count; i++) {
        window_screen_update(&w->screens[i], i == 0 ? terminal : NULL, drawn);
    }
    show_pointer(w);
}

static bool shows_terminal(const struct window *w, const struct window_screen *s)
{
    return w->terminal != NULL && s->terminal == w->terminal;
}

static void show_title(const struct window *w, struct window_screen *s, unsigned frames_per_s)
{
    char title[sizeof(s->title)], screen[32] = "", frames[32] = "";
    if (s->number != 0) {
        snprintf(screen, sizeof(screen), ", screen %u", s->number);
    }
    if (frames_per_s != 0) {
        snprintf(frames, sizeof(frames), ", %u frames/s", frames_per_s);
    }
    snprintf(title, sizeof(title), "%s%s - metic - %s, %.0f MIPS%s - Ctrl+Alt+G %s", w->name,
             screen, metic_is_paused(w->machine) ? "paused" : "running",
             window_plot_mips(&w->plot), frames,
             w->grabbed ? "lets keyboard and pointer go" : "holds keyboard and pointer");
    if (strcmp(title, s->title) != 0) { /* the desktop's server has work with each */
        memcpy(s->title, title, sizeof(title));
        w->sdl.SetWindowTitle(s->window, title);
    }
}

/* Each half second or so. */
static void show_titles(struct window *w)
{
    Uint32 now_ms = w->sdl.GetTicks(), passed_ms = now_ms - w->titled_ms;
    if (passed_ms < TITLE_EVERY_MS) {
        return;
    }
    w->titled_ms = now_ms;
    window_plot_sample(&w->plot, w->machine, now_ms);
    for (unsigned i = 0; i < w->screen_count; i++) {
        struct window_screen *s = &w->screens[i];
        show_title(w, s, (s->frames * 1000 + passed_ms / 2) / passed_ms);
        s->frames = 0;
        s->dirty |= s->plots;
    }
}

/* --- what the user does --- */

static void grab(struct window *w, struct window_screen *s)
{
    w->grabbed = !w->grabbed;
    w->sdl.SetWindowGrab(s->window, w->grabbed ? SDL_TRUE : SDL_FALSE);
    w->sdl.SetRelativeMouseMode(w->grabbed ? SDL_TRUE : SDL_FALSE);
    metic_release_keys(w->machine);
    show_title(w, s, 0);
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
static void type_clipboard(struct window *w, const struct window_screen *s)
{
    char *text = w->sdl.GetClipboardText();
    if (text != NULL && shows_terminal(w, s)) {
        terminal_type(w->terminal, text);
    } else if (text != NULL) {
        press_text(w, text);
    }
    w->sdl.free(text);
}

static void toggle_pause(struct window *w)
{
    if (!metic_resume(w->machine)) {
        metic_pause(w->machine);
    }
    w->titled_ms = w->sdl.GetTicks() - TITLE_EVERY_MS; /* the title says it at once */
}

/* A key with Ctrl+Alt; false: it is the guest's. */
static bool own_key(struct window *w, struct window_screen *s, SDL_Scancode code)
{
    if (code >= SDL_SCANCODE_1 && code < SDL_SCANCODE_1 + w->screen_count && w->screen_count > 1) {
        window_screen_raise(&w->screens[code - SDL_SCANCODE_1]);
        return true;
    }
    switch (code) {
    case SDL_SCANCODE_EQUALS:
    case SDL_SCANCODE_KP_PLUS: window_screen_set_zoom(s, s->zoom + 1); break;
    case SDL_SCANCODE_MINUS:
    case SDL_SCANCODE_KP_MINUS: window_screen_set_zoom(s, s->zoom - 1); break;
    case SDL_SCANCODE_0: window_screen_set_zoom(s, 1); break;
    case SDL_SCANCODE_P: toggle_pause(w); break;
    case SDL_SCANCODE_B: metic_press_power(w->machine); break;
    case SDL_SCANCODE_G: grab(w, s); break;
    case SDL_SCANCODE_F: window_screen_set_full(s); break;
    case SDL_SCANCODE_S: canvas_set_smooth(&s->canvas, !s->canvas.smooth); break;
    case SDL_SCANCODE_T: w->wants_terminal = !w->wants_terminal; break;
    case SDL_SCANCODE_V: type_clipboard(w, s); break;
    case SDL_SCANCODE_O: s->plots = !s->plots; break;
    case SDL_SCANCODE_Q: metic_stop(w->machine); break;
    default: return false;
    }
    s->dirty = true;
    return true;
}

static void on_key(struct window *w, struct window_screen *s, const SDL_KeyboardEvent *key)
{
    unsigned code = (unsigned)key->keysym.scancode;
    bool down = key->type == SDL_KEYDOWN;
    if (code >= ARRAY_LEN(w->dropped)) {
        return;
    }
    bool chord = (key->keysym.mod & KMOD_CTRL) && (key->keysym.mod & KMOD_ALT);
    if (down && chord && key->repeat == 0 && own_key(w, s, key->keysym.scancode)) {
        w->dropped[code] = 1;
    } else if (!down && w->dropped[code]) {
        w->dropped[code] = 0;
    } else if (shows_terminal(w, s) && down && !w->dropped[code]) {
        terminal_key(w->terminal, &key->keysym);
    } else if (!shows_terminal(w, s) && key->repeat == 0) { /* the guest repeats by itself */
        metic_key(w->machine, keys_by_usb(code), down);
    }
}

static void on_motion(struct window *w, struct window_screen *s,
                      const SDL_MouseMotionEvent *motion)
{
    u32 x, y;
    w->pointed = s;
    if (w->grabbed) {
        metic_pointer_by(w->machine, motion->xrel, motion->yrel);
    } else if (window_screen_place(s, motion->x, motion->y, &x, &y)) {
        metic_pointer_on(w->machine, s->number, x, y);
    }
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

static void on_window(struct window *w, struct window_screen *s, const SDL_WindowEvent *event)
{
    switch (event->event) {
    case SDL_WINDOWEVENT_FOCUS_LOST: metic_release_keys(w->machine); break;
    case SDL_WINDOWEVENT_FOCUS_GAINED: window_clipboard_give(&w->clipboard); break;
    case SDL_WINDOWEVENT_RESIZED: /* by the user */
        window_screen_ask_size(s, event->data1, event->data2);
        break;
    case SDL_WINDOWEVENT_CLOSE: /* with the first one it ends; SDL says so itself if it is alone */
        if (s->number != 0) {
            window_screen_unplug(s);
        } else {
            metic_stop(w->machine);
        }
        break;
    default: break;
    }
    window_screen_expose(s);
}

/* The screen whose window has this number of SDL's; the first if none has. */
static struct window_screen *screen_of(struct window *w, Uint32 id)
{
    for (unsigned i = 1; i < w->screen_count; i++) {
        if (w->sdl.GetWindowID(w->screens[i].window) == id) {
            return &w->screens[i];
        }
    }
    return &w->screens[0];
}

static void on_event(struct window *w, const SDL_Event *event)
{
    switch (event->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP: on_key(w, screen_of(w, event->key.windowID), &event->key); break;
    case SDL_TEXTINPUT:
        if (shows_terminal(w, screen_of(w, event->text.windowID))) {
            terminal_type(w->terminal, event->text.text);
        }
        break;
    case SDL_MOUSEMOTION:
        on_motion(w, screen_of(w, event->motion.windowID), &event->motion);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP: on_button(w, &event->button); break;
    case SDL_MOUSEWHEEL: {
        int sign = event->wheel.direction == SDL_MOUSEWHEEL_FLIPPED ? WHEEL_FLIPPED : 1;
        metic_wheel(w->machine, sign * event->wheel.y, sign * event->wheel.x);
        break;
    }
    case SDL_WINDOWEVENT:
        on_window(w, screen_of(w, event->window.windowID), &event->window);
        break;
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
    if (!window_wake_start(&w->wake, push_wake, w)) {
        return error_set(&w->error, "close other programs", "the host has no thread for a window");
    }
    for (unsigned i = 0; i < w->screen_count; i++) {
        if (!window_screen_open(&w->screens[i], &w->sdl, w->machine, i, on_changed, w, &w->error)) {
            return w->error.what[0] == '\0' ? fail(w, "the desktop gives none") : false;
        }
        w->screens[i].unmanaged = w->wake.unmanaged;
        w->screens[i].left = i == 0 ? NULL : &w->screens[i - 1];
    }
    w->sdl.StartTextInput();
    w->terminal = terminal_new(w->machine, w->console_is_here, on_changed, w, &without);
    window_clipboard_begin(&w->clipboard, &w->sdl, w->machine, on_changed, w);
    return true;
}

static void end(struct window *w)
{
    window_clipboard_end(&w->clipboard);
    terminal_free(w->terminal);
    for (unsigned i = 0; i < w->screen_count; i++) {
        window_screen_close(&w->screens[i]);
    }
    metic_release_keys(w->machine);
    window_wake_end(&w->wake); /* nobody is left who would leave a note */
    w->sdl.Quit();
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
    bool soon = false;
    for (unsigned i = 0; i < w->screen_count; i++) {
        soon |= w->screens[i].frame.untold || w->screens[i].asked_width != 0;
    }
    return soon ? LOOK_EVERY_MS : TITLE_EVERY_MS;
}

static void serve_once(struct window *w)
{
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
    show_titles(w);
    for (unsigned i = 0; i < w->screen_count; i++) {
        window_screen_look_at_clock(&w->screens[i]);
        window_screen_draw(&w->screens[i], &w->plot);
    }
}

static void *window_main(void *opaque)
{
    struct window *w = opaque;
    thread_set_name("window");
    bool open = start(w);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &w->start_time);
    tell_started(w, open);
    while (open && !atomic_load(&w->closing)) {
        serve_once(w);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &w->end_time);
    end(w);
    return NULL;
}

struct window *window_open(metic_machine *machine, const struct window_options *options,
                           struct metic_error *error)
{
    struct window *w = calloc(1, sizeof(*w));
    if (w == NULL || !sdl_api_load(&w->sdl, error)) {
        free(w);
        return NULL;
    }
    w->machine = machine;
    w->console_is_here = options->console_is_here;
    w->keymap = options->keymap;
    w->screen_count = options->screens;
    w->pointed = &w->screens[0];
    snprintf(w->name, sizeof(w->name), "%s", options->name);
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
    unsigned long frames = 0;
    for (unsigned i = 0; i < w->screen_count; i++) {
        frames += w->screens[i].frames_shown;
    }
    if (stats != NULL) {
        fprintf(stats, "window              %lu frames of the guest's, %.1f ms of its thread\n",
                frames, time_ms(w->end_time) - time_ms(w->start_time));
    }
    sdl_api_unload(&w->sdl);
    pthread_cond_destroy(&w->started);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

#else

struct window *window_open(metic_machine *machine, const struct window_options *options,
                           struct metic_error *error)
{
    (void)machine;
    (void)options;
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

/* See vnc.h.
 *
 * One thread waits for clients, their messages and the screen's changes. Without a client nothing
 * is taken from the display, so a server that nobody uses costs nothing; a client that does not
 * read holds up the others for VNC_WAIT_MS, never the machine.
 *
 * libvncserver writes into what it shows (a pointer for clients that draw none), so it gets the
 * viewer's copy, which belongs to this thread. Its own sockets are left unused: ours are the user's
 * alone. */
#include "ui/screen/vnc_private.h"

#if HAVE_VNC
#include "cpu/base/library.h"
#include "cpu/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FIRST_PORT = 5900,
    PORTS = 100,
    LOOK_EVERY_MS = 40, /* firmware draws into memory and tells nobody */
    SERVE_EVERY_MS = 1000,
    VNC_WAIT_MS = 2000,
    BLANK_WIDTH = 640,
    BLANK_HEIGHT = 400,
};

/* --- what is shown --- */

/* The library's format is R, G, B in memory; ours is 0x00RRGGBB. */
static void set_format(struct vnc *vnc)
{
    rfbPixelFormat *format = &vnc->screen->serverFormat;
    format->depth = 24;
    format->redShift = 16;
    format->greenShift = 8;
    format->blueShift = 0;
    rfbClientIteratorPtr each = vnc->rfb.GetClientIterator(vnc->screen);
    rfbClientPtr client;
    while ((client = vnc->rfb.ClientIteratorNext(each)) != NULL) {
        vnc->screen->setTranslateFunction(client);
    }
    vnc->rfb.ReleaseClientIterator(each);
}

/* A guest that changes its mode shows nothing for a moment. A screen that is dark keeps its size,
 * so that viewers' windows do not jump there and back. */
static void new_picture(struct vnc *vnc)
{
    int width = (int)vnc->frame.width, height = (int)vnc->frame.height;
    /* The library only reads it, and draws its pointer. */
    char *pixels = (char *)(uintptr_t)vnc->frame.pixels;
    if (width == 0) {
        width = vnc->screen->width;
        height = vnc->screen->height;
        u32 *blank = calloc((size_t)width * (size_t)height, sizeof(*blank));
        if (blank == NULL) { /* the one before has a pixel at least */
            width = height = 1;
        } else {
            free(vnc->blank);
            vnc->blank = blank;
        }
        pixels = (char *)vnc->blank;
    }
    vnc->rfb.NewFramebuffer(vnc->screen, pixels, width, height, 8, 3, 4);
    set_format(vnc);
}

static void new_cursor(struct vnc *vnc)
{
    const struct metic_frame *f = &vnc->frame;
    if (!f->cursor_visible || f->cursor_width == 0 || f->cursor_width > 64 ||
        f->cursor_height > 64) {
        vnc->rfb.SetCursor(vnc->screen, NULL);
        return;
    }
    unsigned row_bytes = (f->cursor_width + 7) / 8;
    memset(vnc->cursor_mask, 0, sizeof(vnc->cursor_mask));
    for (u32 y = 0; y < f->cursor_height; y++) {
        for (u32 x = 0; x < f->cursor_width; x++) {
            bool opaque = f->cursor_pixels[y * f->cursor_width + x] >> 31;
            vnc->cursor_mask[y * row_bytes + x / 8] |= (u8)(opaque << (7 - x % 8));
        }
    }
    vnc->cursor.width = (u16)f->cursor_width;
    vnc->cursor.height = (u16)f->cursor_height;
    vnc->cursor.xhot = (u16)f->cursor_hot_x;
    vnc->cursor.yhot = (u16)f->cursor_hot_y;
    vnc->cursor.mask = vnc->cursor_mask;
    vnc->cursor.richSource = (unsigned char *)(uintptr_t)f->cursor_pixels;
    free(vnc->cursor.source); /* what the library made of the picture before */
    vnc->cursor.source = NULL;
    vnc->rfb.SetCursor(vnc->screen, &vnc->cursor);
}

static void take_changes(struct vnc *vnc)
{
    if (!metic_viewer_take(vnc->viewer, &vnc->frame)) {
        return;
    }
    if (vnc->frame.resized) {
        new_picture(vnc);
    }
    for (unsigned i = 0; i < vnc->frame.rect_count; i++) {
        const struct metic_rect *r = &vnc->frame.rects[i];
        vnc->rfb.MarkRectAsModified(vnc->screen, (int)r->x, (int)r->y, (int)(r->x + r->width),
                                    (int)(r->y + r->height));
    }
    if (vnc->frame.cursor_reshaped) {
        new_cursor(vnc);
    }
    if (vnc->frame.cursor_moved && vnc->frame.cursor_visible) { /* for clients that draw none */
        vnc->screen->cursorX = vnc->frame.cursor_x;
        vnc->screen->cursorY = vnc->frame.cursor_y;
    }
}

/* A client's wish; the guest decides. */
static int on_resize(int width, int height, int count, struct rfbExtDesktopScreen *screens,
                     rfbClientPtr client)
{
    (void)count;
    (void)screens;
    const struct vnc *vnc = vnc_of(client);
    if (width < 0 || height < 0 || !metic_is_screen_size((u32)width, (u32)height)) {
        return rfbExtDesktopSize_InvalidScreenLayout;
    }
    metic_request_size(vnc->machine, vnc->head, (u32)width, (u32)height);
    return rfbExtDesktopSize_Success;
}

/* --- the thread --- */

/* Any thread, the display's lock held: only takes note. */
static void on_changed(void *opaque)
{
    struct vnc *vnc = opaque;
    u64 one = 1;
    ssize_t put = write(vnc->wake_fd, &one, sizeof(one));
    (void)put; /* a full counter wakes as well */
}

static void accept_client(struct vnc *vnc, unsigned clients)
{
    int fd = accept4(vnc->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    if (clients >= VNC_MAX_CLIENTS || fd >= FD_SETSIZE) { /* the library select()s */
        close(fd);
        return;
    }
    if (clients == 0) {
        take_changes(vnc); /* nobody looked meanwhile */
    }
    vnc->rfb.NewClient(vnc->screen, fd);
}

static void serve_once(struct vnc *vnc)
{
    struct pollfd fds[2 + VNC_MAX_CLIENTS] = {{vnc->wake_fd, POLLIN, 0},
                                              {vnc->listener.fd, POLLIN, 0}};
    unsigned clients = 0;
    rfbClientIteratorPtr each = vnc->rfb.GetClientIterator(vnc->screen);
    rfbClientPtr client;
    while ((client = vnc->rfb.ClientIteratorNext(each)) != NULL && clients < VNC_MAX_CLIENTS) {
        fds[2 + clients++] = (struct pollfd){client->sock, POLLIN, 0};
    }
    vnc->rfb.ReleaseClientIterator(each);
    poll(fds, 2 + clients, clients == 0 ? -1 : vnc->frame.untold ? LOOK_EVERY_MS : SERVE_EVERY_MS);
    if (fds[0].revents != 0) {
        u64 count;
        ssize_t got = read(vnc->wake_fd, &count, sizeof(count));
        (void)got;
    }
    if (clients > 0) {
        take_changes(vnc);
        vnc_clipboard_take(vnc);
        vnc->rfb.ProcessEvents(vnc->screen, 0);
    }
    if (fds[1].revents != 0) {
        accept_client(vnc, clients);
    }
}

static void *vnc_main(void *opaque)
{
    struct vnc *vnc = opaque;
    thread_set_name("vnc");
    while (!atomic_load(&vnc->closing)) {
        serve_once(vnc);
    }
    vnc->rfb.ShutdownServer(vnc->screen, TRUE);
    return NULL;
}

/* --- life --- */

static bool load_api(struct vnc_api *rfb, struct metic_error *error)
{
    const char *missing = NULL;
    rfb->library = library_open("libvncserver.so.1");
    if (rfb->library == NULL) {
        return error_set(error, "install it (Debian: libvncserver1), or leave out --display vnc",
                         "libvncserver is not on this host");
    }
#define RFB_CALL(result, name, parameters)                                                  \
    if (!library_find(rfb->library, "rfb" #name, (void *)&rfb->name, sizeof(rfb->name))) {  \
        missing = "rfb" #name;                                                              \
    }
#include "ui/screen/vnc_api.def"
#undef RFB_CALL
    return missing == NULL || error_set(error, "bring it up to date",
                                        "the libvncserver of this host has no %s", missing);
}

static bool read_password(struct vnc *vnc, const char *path, struct metic_error *error)
{
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(vnc->password, sizeof(vnc->password), file) != NULL;
    int reason = errno;
    if (file != NULL) {
        fclose(file);
    }
    vnc->password[strcspn(vnc->password, "\r\n")] = '\0';
    return (read && vnc->password[0] != '\0') ||
           error_set(error, "write a password into it, of which 8 characters count",
                     "--display: no password in %s%s%s", path, file == NULL ? ": " : "",
                     file == NULL ? strerror(reason) : "");
}

/* Letters and digits that nobody takes for others: 40 bits of chance. */
static bool make_password(struct vnc *vnc, struct metic_error *error)
{
    static const char digits[] = "abcdefghijkmnpqrstuvwxyz23456789";
    u8 chance[VNC_PASSWORD_BYTES - 1];
    if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance)) {
        return error_set(error, "give a password-file", "the host gives no random numbers");
    }
    for (unsigned i = 0; i < sizeof(chance); i++) {
        vnc->password[i] = digits[chance[i] % (sizeof(digits) - 1)];
    }
    vnc->made_up = true;
    return true;
}

static bool start_listening(struct vnc *vnc, const struct vnc_options *options,
                            struct metic_error *error)
{
    static const char next[] = "give --display vnc: another port, or a path with a / in it";
    static const char *const hosts[] = {"localhost:", "127.0.0.1:", ""};
    unsigned port;
    const char *where = options->where;
    if (options->password_file != NULL && !read_password(vnc, options->password_file, error)) {
        return false;
    }
    if (strchr(where, '/') != NULL) {
        return listener_open_path(&vnc->listener, where, next, error);
    }
    if (options->password_file == NULL && !make_password(vnc, error)) {
        return false;
    }
    bool open = false;
    for (port = FIRST_PORT; *where == '\0' && !open && port < FIRST_PORT + PORTS; port++) {
        open = listener_open_port(&vnc->listener, port, next, error);
    }
    for (unsigned i = 0; *where != '\0' && i < ARRAY_LEN(hosts); i++) {
        size_t bytes = strlen(hosts[i]);
        if (strncmp(where, hosts[i], bytes) == 0 && listener_parse_port(where + bytes, &port)) {
            return listener_open_port(&vnc->listener, port, next, error);
        }
    }
    return open || *where == '\0' ||
           error_set(error, "RFB is not encrypted: listen here, and reach it by ssh -L",
                     "--display: vnc:%s is neither a path with a / in it nor a port of this host",
                     where);
}

static bool start_screen(struct vnc *vnc, struct metic_error *error)
{
    vnc->rfb.LogEnable(FALSE);
    vnc->blank = calloc((size_t)BLANK_WIDTH * BLANK_HEIGHT, sizeof(*vnc->blank));
    vnc->screen = vnc->rfb.GetScreen(NULL, NULL, BLANK_WIDTH, BLANK_HEIGHT, 8, 3, 4);
    if (vnc->blank == NULL || vnc->screen == NULL) {
        return error_set(error, NULL, "the host has no memory for VNC");
    }
    rfbScreenInfoPtr s = vnc->screen;
    s->screenData = vnc;
    s->desktopName = vnc->name;
    s->frameBuffer = (char *)vnc->blank;
    s->autoPort = FALSE;
    s->port = s->ipv6port = 0;
    s->httpPort = s->http6Port = 0;
    s->alwaysShared = TRUE;
    s->deferUpdateTime = 0;
    s->deferPtrUpdateTime = 0;
    s->maxClientWait = VNC_WAIT_MS;
    s->permitFileTransfer = FALSE;
    s->setDesktopSizeHook = on_resize;
    s->cursor = NULL;
    if (vnc->password[0] != '\0') {
        vnc->passwords[0] = vnc->password;
        s->authPasswdData = vnc->passwords;
        s->passwordCheck = vnc->rfb.CheckPasswordByList;
    }
    set_format(vnc);
    vnc_input_init(vnc);
    vnc_clipboard_init(vnc, on_changed, vnc);
    vnc->viewer = metic_viewer_new(vnc->machine, vnc->head, on_changed, vnc, error);
    return vnc->viewer != NULL;
}

struct vnc *vnc_new(metic_machine *machine, const struct vnc_options *options,
                    struct metic_error *error)
{
    struct vnc *vnc = calloc(1, sizeof(*vnc));
    if (vnc == NULL) {
        error_set(error, NULL, "the host has no memory for VNC");
        return NULL;
    }
    vnc->machine = machine;
    vnc->keymap = options->keymap;
    vnc->head = options->head;
    vnc->quiet = options->quiet;
    vnc->listener.fd = -1;
    vnc->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (options->head == 0) {
        snprintf(vnc->name, sizeof(vnc->name), "%s - metic", options->name);
    } else {
        snprintf(vnc->name, sizeof(vnc->name), "%s, screen %u - metic", options->name,
                 options->head);
    }
    bool ok = load_api(&vnc->rfb, error) && start_listening(vnc, options, error) &&
              start_screen(vnc, error);
    if (ok) {
        vnc->has_thread = pthread_create(&vnc->thread, NULL, vnc_main, vnc) == 0;
        ok = vnc->has_thread || error_set(error, NULL, "the host has no thread for VNC");
    }
    if (!ok) {
        vnc_free(vnc);
        return NULL;
    }
    return vnc;
}

void vnc_free(struct vnc *vnc)
{
    if (vnc == NULL) {
        return;
    }
    if (vnc->has_thread) {
        atomic_store(&vnc->closing, true);
        on_changed(vnc);
        pthread_join(vnc->thread, NULL);
    }
    if (vnc->screen != NULL) {
        vnc->rfb.SetCursor(vnc->screen, NULL);
        vnc->rfb.ScreenCleanup(vnc->screen);
        vnc_input_fini(vnc);
    }
    vnc_clipboard_fini(vnc);
    metic_viewer_free(vnc->viewer);
    listener_close(&vnc->listener);
    if (vnc->wake_fd >= 0) {
        close(vnc->wake_fd);
    }
    library_close(vnc->rfb.library);
    free(vnc->cursor.source);
    free(vnc->blank);
    free(vnc);
}

const char *vnc_address(const struct vnc *vnc)
{
    return vnc->listener.address;
}

const char *vnc_password(const struct vnc *vnc)
{
    return vnc->made_up ? vnc->password : NULL;
}

#else

struct vnc *vnc_new(metic_machine *machine, const struct vnc_options *options,
                    struct metic_error *error)
{
    (void)machine;
    (void)options;
    error_set(error, "build it with libvncserver-dev installed, or leave out --display vnc",
              "this metic was built without VNC");
    return NULL;
}

void vnc_free(struct vnc *vnc)
{
    (void)vnc;
}

const char *vnc_address(const struct vnc *vnc)
{
    (void)vnc;
    return "";
}

const char *vnc_password(const struct vnc *vnc)
{
    (void)vnc;
    return NULL;
}

#endif

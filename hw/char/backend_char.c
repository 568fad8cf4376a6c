/* The host's end of a byte stream; see backend_char.h.
 *
 * Output: a queue that the guest's writes fill and a thread empties with plain blocking writes. A
 * thread, because a regular file cannot be polled and because making a terminal non-blocking would
 * make it so for the user's shell too. Input: the loop thread, by epoll; a standard input that
 * cannot be polled (a regular file) is read in chunks that post themselves. */
#include "hw/char/char_backend_internal.h"
#include "hw/unix_socket.h"

#include "cpu/base/host_time.h"
#include "cpu/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    CHAR_CHUNK_BYTES = 4096,
    CHAR_ESCAPE_KEY = 1, /* Ctrl-A */
    /* A guest writes byte by byte. Waiting this long for more makes one host write of a line, and
     * no hart has to wake the thread for each byte. Nobody sees it at a prompt. */
    CHAR_GATHER_NS = 300000,
    CHAR_SILENCE_NS = 10000000,
    CHAR_ROOM_BYTES = 64 << 10,
    CHAR_PATIENCE_NS = 100000000,
};

struct char_backend {
    struct char_backend_options options;
    struct loop *loop;
    struct log *log;
    struct char_port *port; /* set by attach, before input flows */
    char *path;
    int in_fd, out_fd; /* -1: none; a socket has its client in both */
    int listen_fd;
    int keep_fd; /* a pty's other end, held open so that its reader may come and go */

    struct loop_watch in_watch, listen_watch;
    bool in_watched, listen_watched, in_unpollable; /* loop thread, or before and after it */
    bool in_paused;                                 /* loop thread */
    bool after_escape;                              /* loop thread */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* output queue, `writing` or `stopping` changed */
    struct char_queue output;
    bool writing;     /* the thread holds bytes it has not written yet */
    u64 gathered_ns;  /* when the thread last had a short queue before it */
    bool no_wait;     /* a full queue loses bytes from now on */
    bool stopping;
    void (*keys)(void *opaque, const u8 *bytes, size_t size_bytes); /* diverted; or NULL */
    void *keys_opaque;
    bool write_error; /* told once */
    bool room_wanted; /* somebody is to be told when there is room */
    bool detached;    /* nobody is to be told anything */
    pthread_t thread;
    bool has_thread;

    u8 *kept; /* CHAR_MEMORY: all output; under lock */
    size_t kept_bytes, kept_capacity;
};

/* ---- Output ---- */

/* Writes all of it, or gives up on an error that will not go away. */
static bool char_backend_put(struct char_backend *backend, int fd, const u8 *bytes,
                             size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t put = backend->options.kind == CHAR_SOCKET
                          ? send(fd, bytes, size_bytes, MSG_NOSIGNAL)
                          : write(fd, bytes, size_bytes);
        if (put > 0) {
            bytes += put;
            size_bytes -= (size_t)put;
        } else if (put < 0 && errno == EAGAIN) {
            struct timespec pause = {.tv_nsec = 5000000}; /* somebody else made it non-blocking */
            nanosleep(&pause, NULL);
        } else if (put < 0 && errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* Lock held; lets the guest add to a short queue, unless it was silent before: then somebody may be
 * waiting for this, an echo of a key for one. */
static void char_backend_gather(struct char_backend *backend)
{
    const struct timespec gather = {.tv_nsec = CHAR_GATHER_NS};
    u64 now_ns = host_time_ns();
    bool silent = now_ns - backend->gathered_ns > CHAR_SILENCE_NS;
    backend->gathered_ns = now_ns;
    if (silent) {
        return;
    }
    backend->writing = true;
    pthread_mutex_unlock(&backend->lock);
    nanosleep(&gather, NULL);
    pthread_mutex_lock(&backend->lock);
}

static void char_backend_tell_room(void *opaque)
{
    struct char_backend *backend = opaque;
    if (backend->port != NULL) {
        char_port_tell_room(backend->port);
    }
}

/* Lock held. */
static void char_backend_made_room(struct char_backend *backend)
{
    if (backend->room_wanted && !backend->detached &&
        backend->output.size_bytes <= CHAR_QUEUE_BYTES / 2) {
        backend->room_wanted = false;
        loop_post(backend->loop, char_backend_tell_room, backend);
    }
}

static void *char_backend_thread(void *opaque)
{
    struct char_backend *backend = opaque;
    thread_block_signals(NULL); /* a closed pipe is an error here, not a signal */
    pthread_mutex_lock(&backend->lock);
    while (!backend->stopping) {
        u8 chunk[CHAR_CHUNK_BYTES];
        if (backend->output.size_bytes == 0 || backend->keys != NULL) {
            pthread_cond_wait(&backend->changed, &backend->lock);
            continue;
        }
        if (backend->output.size_bytes < sizeof(chunk)) {
            char_backend_gather(backend);
        }
        if (backend->keys != NULL) { /* since then */
            backend->writing = false;
            pthread_cond_broadcast(&backend->changed);
            continue;
        }
        size_t taken = char_queue_pop(&backend->output, chunk, sizeof(chunk));
        char_backend_made_room(backend);
        int fd = backend->out_fd;
        backend->writing = true;
        pthread_mutex_unlock(&backend->lock);
        bool ok = fd < 0 || char_backend_put(backend, fd, chunk, taken);
        pthread_mutex_lock(&backend->lock);
        backend->writing = false;
        if (!ok && !backend->write_error && backend->options.kind != CHAR_SOCKET) {
            backend->write_error = true;
            log_print(backend->log, LOG_WARN, "console output is lost from here on: %s",
                      strerror(errno));
        }
        pthread_cond_broadcast(&backend->changed);
    }
    pthread_mutex_unlock(&backend->lock);
    return NULL;
}

/* Lock held. CHAR_MEMORY. */
static void char_backend_keep(struct char_backend *backend, const void *bytes, size_t size_bytes)
{
    if (backend->kept_bytes + size_bytes > backend->kept_capacity) {
        size_t capacity = (backend->kept_bytes + size_bytes) * 2 + CHAR_CHUNK_BYTES;
        u8 *grown = realloc(backend->kept, capacity);
        if (grown == NULL) {
            return;
        }
        backend->kept = grown;
        backend->kept_capacity = capacity;
    }
    memcpy(backend->kept + backend->kept_bytes, bytes, size_bytes);
    backend->kept_bytes += size_bytes;
}

static bool char_backend_is_lossy(const struct char_backend *backend)
{
    switch (backend->options.kind) {
    case CHAR_TERMINAL:
    case CHAR_PTY:
    case CHAR_SOCKET: return !backend->options.keeps_all;
    default: return false;
    }
}

bool char_backend_has_room(struct char_backend *backend)
{
    pthread_mutex_lock(&backend->lock);
    bool room = backend->out_fd < 0 || backend->no_wait || backend->loop == NULL ||
                backend->output.size_bytes + CHAR_ROOM_BYTES <= CHAR_QUEUE_BYTES;
    backend->room_wanted = !room;
    pthread_mutex_unlock(&backend->lock);
    return room;
}

bool char_backend_has_clients(const struct char_backend *backend)
{
    return backend->options.kind == CHAR_SOCKET;
}

/* Lock held. False: it is not worth waiting any more. */
static bool char_backend_wait_room(struct char_backend *backend)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += CHAR_PATIENCE_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&backend->changed, &backend->lock, &until);
    return backend->out_fd >= 0 && (backend->options.gives_up == NULL ||
                                    !backend->options.gives_up(backend->options.opaque));
}

/* Lock held. With no thread output is lost. */
static void char_backend_begin_thread(struct char_backend *backend)
{
    int reason = pthread_create(&backend->thread, NULL, char_backend_thread, backend);
    backend->has_thread = reason == 0;
    if (reason != 0) {
        backend->write_error = true;
        log_print(backend->log, LOG_WARN, "console output is lost, the host gives no thread: %s",
                  strerror(reason));
    }
}

void char_backend_start(struct char_backend *backend)
{
    pthread_mutex_lock(&backend->lock);
    if (backend->out_fd >= 0 && !backend->has_thread && !backend->write_error) {
        char_queue_begin(&backend->output);
        char_backend_begin_thread(backend);
    }
    pthread_mutex_unlock(&backend->lock);
}

void char_backend_write(struct char_backend *backend, const void *bytes, size_t size_bytes)
{
    const u8 *at = bytes;
    if (backend->options.kind == CHAR_NULL) {
        return;
    }
    pthread_mutex_lock(&backend->lock);
    if (backend->options.kind == CHAR_MEMORY) {
        char_backend_keep(backend, bytes, size_bytes);
        size_bytes = 0;
    } else if (backend->out_fd < 0 || backend->write_error) {
        size_bytes = 0; /* nobody there */
    }
    if (size_bytes > 0 && UNLIKELY(!backend->has_thread)) {
        char_backend_begin_thread(backend);
    }
    while (size_bytes > 0 && !backend->write_error) {
        bool was_empty = backend->output.size_bytes == 0;
        size_t taken = char_queue_push(&backend->output, at, size_bytes);
        at += taken;
        size_bytes -= taken;
        if (was_empty && taken > 0) {
            pthread_cond_broadcast(&backend->changed);
        }
        if (size_bytes > 0) {
            if (char_backend_is_lossy(backend) || backend->no_wait || backend->write_error) {
                break;
            }
            if (!char_backend_wait_room(backend)) {
                break;
            }
        }
    }
    pthread_mutex_unlock(&backend->lock);
}

void char_backend_stop_waiting(struct char_backend *backend)
{
    pthread_mutex_lock(&backend->lock);
    backend->no_wait = true;
    pthread_cond_broadcast(&backend->changed);
    pthread_mutex_unlock(&backend->lock);
}

void char_backend_divert(struct char_backend *backend,
                         void (*keys)(void *opaque, const u8 *bytes, size_t size_bytes),
                         void *opaque)
{
    pthread_mutex_lock(&backend->lock);
    backend->keys = keys;
    backend->keys_opaque = opaque;
    pthread_cond_broadcast(&backend->changed);
    while (keys != NULL && backend->writing) {
        pthread_cond_wait(&backend->changed, &backend->lock);
    }
    pthread_mutex_unlock(&backend->lock);
}

void char_backend_flush(struct char_backend *backend, unsigned timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    u64 until_ns = (u64)until.tv_nsec + (u64)timeout_ms * 1000000;
    until.tv_sec += (time_t)(until_ns / 1000000000);
    until.tv_nsec = (long)(until_ns % 1000000000);
    pthread_mutex_lock(&backend->lock);
    int result = 0;
    while (result == 0 && backend->has_thread &&
           (backend->output.size_bytes > 0 || backend->writing)) {
        result = pthread_cond_timedwait(&backend->changed, &backend->lock, &until);
    }
    pthread_mutex_unlock(&backend->lock);
}

size_t char_backend_output(struct char_backend *backend, size_t from_byte, void *buffer,
                           size_t capacity_bytes)
{
    pthread_mutex_lock(&backend->lock);
    size_t total = backend->kept_bytes;
    if (from_byte < total && capacity_bytes > 0) {
        size_t size_bytes = total - from_byte;
        memcpy(buffer, backend->kept + from_byte,
               size_bytes < capacity_bytes ? size_bytes : capacity_bytes);
    }
    pthread_mutex_unlock(&backend->lock);
    return total;
}

void char_backend_feed(struct char_backend *backend, const void *bytes, size_t size_bytes)
{
    CHECK(backend->options.kind == CHAR_MEMORY && backend->port != NULL);
    char_port_feed(backend->port, bytes, size_bytes);
}

/* ---- Input, on the loop thread ---- */

/* To the guest, or to whom keys are diverted. */
static void char_backend_give(struct char_backend *backend, const u8 *bytes, size_t size_bytes)
{
    pthread_mutex_lock(&backend->lock);
    void (*keys)(void *opaque, const u8 *bytes, size_t size_bytes) = backend->keys;
    void *opaque = backend->keys_opaque;
    pthread_mutex_unlock(&backend->lock);
    if (keys != NULL) {
        keys(opaque, bytes, size_bytes);
    } else {
        char_port_feed(backend->port, bytes, size_bytes);
    }
}

/* Takes the escape keys out of `bytes`, in place; returns what is left to be given. */
static size_t char_backend_escapes(struct char_backend *backend, u8 *bytes, size_t size_bytes)
{
    size_t kept = 0;
    if (backend->options.kind != CHAR_TERMINAL || backend->options.escape == NULL) {
        return size_bytes;
    }
    for (size_t i = 0; i < size_bytes; i++) {
        u8 key = bytes[i];
        if (!backend->after_escape) {
            backend->after_escape = key == CHAR_ESCAPE_KEY;
            if (!backend->after_escape) {
                bytes[kept++] = key;
            }
            continue;
        }
        backend->after_escape = false;
        /* What was typed before goes where it was meant to. */
        if (kept > 0) {
            char_backend_give(backend, bytes, kept);
            kept = 0;
        }
        if (key == CHAR_ESCAPE_KEY || key == 'a') {
            bytes[kept++] = CHAR_ESCAPE_KEY;
        } else {
            backend->options.escape(backend->options.opaque, key);
        }
    }
    return kept;
}

static void char_backend_drop_client(struct char_backend *backend)
{
    loop_remove(backend->loop, &backend->in_watch);
    backend->in_watched = false;
    pthread_mutex_lock(&backend->lock);
    shutdown(backend->in_fd, SHUT_RDWR); /* ends a send under way */
    while (backend->writing) {
        pthread_cond_wait(&backend->changed, &backend->lock);
    }
    close(backend->in_fd);
    backend->in_fd = backend->out_fd = -1;
    pthread_mutex_unlock(&backend->lock);
    char_port_tell_open(backend->port, false);
    loop_modify(backend->loop, &backend->listen_watch, EPOLLIN);
}

static void char_backend_input_over(struct char_backend *backend)
{
    if (backend->options.kind == CHAR_SOCKET) {
        char_backend_drop_client(backend);
        return;
    }
    if (backend->in_watched) {
        loop_remove(backend->loop, &backend->in_watch);
        backend->in_watched = false;
    }
    backend->in_unpollable = false;
    if (backend->options.input_ended != NULL) {
        backend->options.input_ended(backend->options.opaque);
    }
}

static void char_backend_make_newlines(u8 *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        bytes[i] = bytes[i] == '\r' ? '\n' : bytes[i];
    }
}

/* Reads once and feeds; false when there will be no more. */
static bool char_backend_read(struct char_backend *backend)
{
    u8 bytes[CHAR_CHUNK_BYTES];
    ssize_t got = read(backend->in_fd, bytes, sizeof(bytes));
    if (got < 0) {
        /* A pty whose other end is closed reports EIO until somebody opens it again. */
        return errno == EINTR || errno == EAGAIN;
    }
    size_t left = char_backend_escapes(backend, bytes, (size_t)got);
    if (backend->options.enter_is_newline) {
        char_backend_make_newlines(bytes, left);
    }
    if (left > 0) {
        char_backend_give(backend, bytes, left);
    }
    return got > 0;
}

static bool char_backend_should_pause(const struct char_backend *backend)
{
    return char_port_input_under_way(backend->port) >= CHAR_HIGH_BYTES;
}

static void char_backend_in_ready(void *opaque, u32 events)
{
    struct char_backend *backend = opaque;
    (void)events;
    if (!char_backend_read(backend)) {
        char_backend_input_over(backend);
    } else if (char_backend_should_pause(backend)) {
        backend->in_paused = true;
        loop_remove(backend->loop, &backend->in_watch);
        backend->in_watched = false;
        /* The device may have taken everything before we said that we pause. */
        char_backend_resume_input(backend);
    }
}

static void char_backend_read_chunk(void *opaque)
{
    struct char_backend *backend = opaque;
    if (!backend->in_unpollable) {
        return;
    }
    if (!char_backend_read(backend)) {
        char_backend_input_over(backend);
    } else if (char_backend_should_pause(backend)) {
        backend->in_paused = true;
        char_backend_resume_input(backend);
    } else {
        loop_post(backend->loop, char_backend_read_chunk, backend);
    }
}

static void char_backend_resume(void *opaque)
{
    struct char_backend *backend = opaque;
    if (!backend->in_paused || backend->port == NULL || char_backend_should_pause(backend)) {
        return;
    }
    backend->in_paused = false;
    if (backend->in_unpollable) {
        char_backend_read_chunk(backend);
    } else if (backend->in_fd >= 0) {
        backend->in_watched = loop_add(backend->loop, &backend->in_watch, NULL);
    }
}

void char_backend_resume_input(struct char_backend *backend)
{
    if (backend->loop != NULL) {
        loop_post(backend->loop, char_backend_resume, backend);
    }
}

static void char_backend_accept(void *opaque, u32 events)
{
    struct char_backend *backend = opaque;
    (void)events;
    int fd = accept4(backend->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    backend->in_watch.fd = fd;
    pthread_mutex_lock(&backend->lock);
    backend->in_fd = backend->out_fd = fd;
    pthread_mutex_unlock(&backend->lock);
    loop_modify(backend->loop, &backend->listen_watch, 0); /* one client at a time */
    char_port_tell_open(backend->port, true);
    backend->in_watched = loop_add(backend->loop, &backend->in_watch, NULL);
}

/* ---- Opening ---- */

static bool char_backend_open_socket(struct char_backend *backend, struct metic_error *error)
{
    const char *path = backend->options.path;
    backend->listen_fd = unix_listen_alone(path, 1, error);
    if (backend->listen_fd < 0) {
        return false;
    }
    backend->path = strdup(path);
    return true;
}

static bool char_backend_open_pty(struct char_backend *backend, struct metic_error *error)
{
    char name[128];
    struct termios mode;
    if (openpty(&backend->in_fd, &backend->keep_fd, name, NULL, NULL) != 0) {
        return error_set(error, NULL, "cannot make a pseudo-terminal: %s", strerror(errno));
    }
    if (tcgetattr(backend->keep_fd, &mode) == 0) {
        cfmakeraw(&mode);
        tcsetattr(backend->keep_fd, TCSANOW, &mode);
    }
    fcntl(backend->in_fd, F_SETFD, FD_CLOEXEC);
    fcntl(backend->keep_fd, F_SETFD, FD_CLOEXEC);
    backend->out_fd = backend->in_fd;
    backend->path = strdup(name);
    return true;
}

static bool char_backend_open(struct char_backend *backend, struct metic_error *error)
{
    switch (backend->options.kind) {
    case CHAR_TERMINAL:
        if (!char_terminal_enter(error)) {
            return false;
        }
        backend->in_fd = STDIN_FILENO;
        backend->out_fd = STDOUT_FILENO;
        return true;
    case CHAR_STDIO:
        backend->in_fd = STDIN_FILENO;
        backend->out_fd = STDOUT_FILENO;
        return true;
    case CHAR_FILE:
        backend->out_fd =
            open(backend->options.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (backend->out_fd < 0) {
            return error_set(error, "give a path that can be written", "cannot open %s: %s",
                             backend->options.path, strerror(errno));
        }
        return true;
    case CHAR_PTY: return char_backend_open_pty(backend, error);
    case CHAR_SOCKET: return char_backend_open_socket(backend, error);
    default: return true;
    }
}

struct char_backend *char_backend_new(struct loop *loop, struct log *log,
                                      const struct char_backend_options *options,
                                      struct metic_error *error)
{
    struct char_backend *backend = calloc(1, sizeof(*backend));
    if (backend == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    backend->options = *options;
    backend->loop = loop;
    backend->log = log;
    backend->in_fd = backend->out_fd = backend->listen_fd = backend->keep_fd = -1;
    pthread_mutex_init(&backend->lock, NULL);
    pthread_cond_init(&backend->changed, NULL);
    if (!char_backend_open(backend, error)) {
        backend->options.kind = CHAR_NULL; /* there is nothing to put back */
        char_backend_free(backend);
        return NULL;
    }
    return backend;
}

bool char_backend_attach(struct char_backend *backend, struct char_port *port,
                         bool deterministic, struct metic_error *error)
{
    CHECK(backend->port == NULL);
    backend->port = port;
    backend->in_watch = (struct loop_watch){.fd = backend->in_fd, .events = EPOLLIN,
                                            .ready = char_backend_in_ready, .opaque = backend};
    if (backend->listen_fd >= 0) {
        backend->listen_watch =
            (struct loop_watch){.fd = backend->listen_fd, .events = EPOLLIN,
                                .ready = char_backend_accept, .opaque = backend};
        backend->listen_watched = loop_add(backend->loop, &backend->listen_watch, error);
        return backend->listen_watched;
    }
    if (backend->in_fd < 0) {
        return true;
    }
    backend->in_watched = loop_add(backend->loop, &backend->in_watch, NULL);
    if (!backend->in_watched) {
        backend->in_unpollable = true; /* a regular file: always ready */
        while (deterministic && backend->in_unpollable &&
               char_port_input_under_way(port) < CHAR_QUEUE_BYTES) {
            if (!char_backend_read(backend)) {
                char_backend_input_over(backend);
            }
        }
        loop_post(backend->loop, char_backend_read_chunk, backend);
    }
    return true;
}

void char_backend_detach(struct char_backend *backend)
{
    pthread_mutex_lock(&backend->lock);
    backend->detached = true;
    pthread_mutex_unlock(&backend->lock);
    if (backend->loop == NULL) {
        backend->port = NULL;
        return;
    }
    if (backend->listen_watched) {
        loop_remove(backend->loop, &backend->listen_watch);
    }
    loop_remove(backend->loop, &backend->in_watch);
    backend->in_unpollable = false;
    backend->in_paused = false;
    loop_drain(backend->loop); /* jobs already posted find nothing to do */
    backend->listen_watched = backend->in_watched = false;
    backend->port = NULL;
}

static void char_backend_end_thread(struct char_backend *backend)
{
    char_backend_flush(backend, 1000);
    pthread_mutex_lock(&backend->lock);
    bool stuck = backend->writing;
    backend->stopping = true;
    pthread_cond_broadcast(&backend->changed);
    pthread_mutex_unlock(&backend->lock);
    if (stuck) {
        pthread_cancel(backend->thread); /* in write(2), which nobody will ever let finish */
    }
    pthread_join(backend->thread, NULL);
}

void char_backend_free(struct char_backend *backend)
{
    if (backend == NULL) {
        return;
    }
    if (backend->has_thread) {
        char_backend_end_thread(backend);
    }
    if (backend->options.kind == CHAR_TERMINAL) {
        char_terminal_leave();
    }
    bool own_in = backend->in_fd > STDERR_FILENO;
    bool own_out = backend->out_fd > STDERR_FILENO && backend->out_fd != backend->in_fd;
    int fds[] = {own_in ? backend->in_fd : -1, own_out ? backend->out_fd : -1, backend->listen_fd,
                 backend->keep_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (backend->options.kind == CHAR_SOCKET && backend->path != NULL) {
        unlink(backend->path);
    }
    char_queue_fini(&backend->output);
    free(backend->kept);
    free(backend->path);
    pthread_cond_destroy(&backend->changed);
    pthread_mutex_destroy(&backend->lock);
    free(backend);
}

const char *char_backend_path(const struct char_backend *backend)
{
    return backend->path;
}

/* See net_socket.h. The socket is looked after on the loop thread.
 *
 * With the real clock frames stay in the port, and the guest waits in the end, while the other end
 * does not read. With the virtual clock what the guest sends may not depend on that: then it is
 * taken at once, and lost when too much is under way. Without another end it is lost in any
 * case. */
#include "hw/net/net_socket.h"

#include "cpu/base/bits.h"
#include "hw/unix_socket.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LINK_LENGTH_BYTES = 4,
    LINK_OUT_FRAMES = 256,
    LINK_INPUT_BYTES = 2 * (LINK_LENGTH_BYTES + NET_FRAME_MAX_BYTES),
};

struct net_link {
    struct net_backend backend; /* first */
    struct loop *loop;
    struct log *log;
    char *path;
    bool deterministic;
    bool made_socket; /* the file at `path` is ours */
    /* The loop thread's own. */
    struct loop_watch listen_watch, watch; /* fd -1: none */
    u8 *input;
    size_t input_bytes;
    size_t out_done_bytes; /* of the first frame and its length, written already */
    pthread_mutex_t lock;
    struct net_frame *out_first; /* under lock, and so */
    struct net_frame **out_last;
    unsigned out_count;
    atomic_bool posted; /* link_run will be called */
};

static bool link_open(struct net_link *link, struct metic_error *error);

/* ---- From the guest ---- */

/* Lock held. */
static void link_push(struct net_link *link, struct net_frame *frame)
{
    if (link->watch.fd < 0 || link->out_count == LINK_OUT_FRAMES) {
        free(frame);
        return;
    }
    frame->next = NULL;
    *link->out_last = frame;
    link->out_last = &frame->next;
    link->out_count++;
}

/* Lock held. */
static void link_drop_first(struct net_link *link)
{
    struct net_frame *frame = link->out_first;
    link->out_first = frame->next;
    if (link->out_first == NULL) {
        link->out_last = &link->out_first;
    }
    link->out_count--;
    link->out_done_bytes = 0;
    free(frame);
}

/* Writes what is left of the first frame; false when the socket takes no more. Lock held. */
static bool link_write_first(struct net_link *link)
{
    struct net_frame *frame = link->out_first;
    u8 length[LINK_LENGTH_BYTES];
    st_be32(length, frame->size_bytes);
    size_t done = link->out_done_bytes;
    size_t skipped = done < sizeof(length) ? 0 : done - sizeof(length);
    struct iovec parts[2] = {{length + done, sizeof(length) - done},
                             {frame->bytes + skipped, frame->size_bytes - skipped}};
    bool has_length = done < sizeof(length);
    struct msghdr message = {.msg_iov = has_length ? parts : parts + 1,
                             .msg_iovlen = has_length ? 2 : 1};
    ssize_t written = sendmsg(link->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written < 0) {
        return errno == EINTR; /* an end that went away is seen by reading */
    }
    link->out_done_bytes += (size_t)written;
    if (link->out_done_bytes == sizeof(length) + frame->size_bytes) {
        link_drop_first(link);
    }
    return true;
}

/* Real clock: what waits in the port, as long as the socket takes it. Lock held. */
static bool link_next_frame(struct net_link *link)
{
    if (link->out_first == NULL && !link->deterministic) {
        struct net_frame *frame;
        while (link->out_first == NULL && (frame = net_port_take(link->backend.port)) != NULL) {
            link_push(link, frame);
        }
    }
    return link->out_first != NULL;
}

/* Writes what can be written, and sees to what is waited for next. */
static void link_pump(struct net_link *link)
{
    bool blocked = false;
    pthread_mutex_lock(&link->lock);
    while (!blocked && link_next_frame(link)) {
        blocked = !link_write_first(link);
    }
    pthread_mutex_unlock(&link->lock);
    if (link->watch.fd >= 0) {
        u32 events = (net_port_has_room(link->backend.port) ? (u32)EPOLLIN : 0) |
                     (blocked ? (u32)EPOLLOUT : 0);
        if (events != link->watch.events) {
            loop_modify(link->loop, &link->watch, events);
        }
    }
}

static void link_run(void *opaque)
{
    struct net_link *link = opaque;
    atomic_store(&link->posted, false);
    link_pump(link);
}

static void link_wake(struct net_backend *backend)
{
    struct net_link *link = (struct net_link *)backend;
    if (link->deterministic) {
        struct net_frame *frame;
        pthread_mutex_lock(&link->lock);
        while ((frame = net_port_take(link->backend.port)) != NULL) {
            link_push(link, frame);
        }
        pthread_mutex_unlock(&link->lock);
    }
    if (!atomic_exchange(&link->posted, true)) {
        loop_post(link->loop, link_run, link);
    }
}

/* ---- To the guest, on the loop thread ---- */

static void link_close(struct net_link *link)
{
    int fd = link->watch.fd;
    loop_remove(link->loop, &link->watch);
    pthread_mutex_lock(&link->lock);
    link->watch.fd = -1;
    while (link->out_first != NULL) {
        link_drop_first(link);
    }
    pthread_mutex_unlock(&link->lock);
    close(fd);
    link->input_bytes = 0;
    if (link->listen_watch.fd >= 0) {
        loop_modify(link->loop, &link->listen_watch, EPOLLIN);
    }
}

/* The other end is gone: a second one becomes the first, and waits. */
static void link_lost(struct net_link *link, const char *why)
{
    struct metic_error error = {{0}, {0}};
    log_print(link->log, LOG_WARN, "network: %s: %s", link->path, why);
    link_close(link);
    if (link->listen_watch.fd < 0 && !link_open(link, &error)) {
        log_print(link->log, LOG_ERROR, "network: %s; there is no other end from now on",
                  error.what);
    }
}

/* Hands over the whole frames that were read; false when what came is no frame. */
static bool link_deliver(struct net_link *link)
{
    size_t at = 0;
    while (link->input_bytes - at >= LINK_LENGTH_BYTES) {
        u32 size_bytes = ld_be32(link->input + at);
        if (size_bytes < NET_HEADER_BYTES || size_bytes > NET_FRAME_MAX_BYTES) {
            return false;
        }
        if (link->input_bytes - at - LINK_LENGTH_BYTES < size_bytes) {
            break;
        }
        net_port_input(link->backend.port, link->input + at + LINK_LENGTH_BYTES, size_bytes);
        at += LINK_LENGTH_BYTES + size_bytes;
    }
    link->input_bytes -= at;
    memmove(link->input, link->input + at, link->input_bytes);
    return true;
}

static void link_read(struct net_link *link)
{
    ssize_t got = recv(link->watch.fd, link->input + link->input_bytes,
                       LINK_INPUT_BYTES - link->input_bytes, MSG_DONTWAIT);
    if (got > 0) {
        link->input_bytes += (size_t)got;
        if (!link_deliver(link)) {
            link_lost(link, "the other end does not send frames, so it was cut off");
        }
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        link_lost(link, "the other end has gone");
    }
}

static void link_ready(void *opaque, u32 events)
{
    struct net_link *link = opaque;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        link_read(link);
    }
    link_pump(link);
}

static bool link_watch(struct net_link *link, int fd, struct metic_error *error)
{
    pthread_mutex_lock(&link->lock);
    link->watch = (struct loop_watch){.fd = fd, .events = EPOLLIN, .ready = link_ready,
                                      .opaque = link};
    pthread_mutex_unlock(&link->lock);
    if (loop_add(link->loop, &link->watch, error)) {
        return true;
    }
    link->watch.fd = -1;
    close(fd);
    return false;
}

/* One other end at a time; a third waits in the socket's queue until the place is free. */
static void link_accept(void *opaque, u32 events)
{
    struct net_link *link = opaque;
    struct metic_error error = {{0}, {0}};
    (void)events;
    int fd = accept4(link->listen_watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    if (link_watch(link, fd, &error)) {
        loop_modify(link->loop, &link->listen_watch, 0);
    } else {
        log_print(link->log, LOG_ERROR, "network: %s", error.what);
    }
}

/* ---- Life ---- */

/* Takes the place of the first end, unless another does so at this moment. */
static enum unix_result link_listen(struct net_link *link, struct metic_error *error)
{
    int fd;
    enum unix_result result = unix_listen(link->path, 1, &fd, error);
    if (result != UNIX_OK) {
        return result;
    }
    link->made_socket = true;
    link->listen_watch = (struct loop_watch){.fd = fd, .events = EPOLLIN, .ready = link_accept,
                                             .opaque = link};
    if (!loop_add(link->loop, &link->listen_watch, error)) {
        link->listen_watch.fd = -1;
        close(fd);
        return UNIX_FAILED;
    }
    return UNIX_OK;
}

/* Connects to who listens there, or listens. */
static bool link_open(struct net_link *link, struct metic_error *error)
{
    enum { TRIES = 4 };
    if (!unix_path_fits(link->path, error)) {
        return false;
    }
    int reason = 0;
    for (unsigned i = 0; i < TRIES; i++) {
        int fd = unix_connect(link->path);
        if (fd >= 0) {
            return link_watch(link, fd, error);
        }
        reason = errno;
        if (reason != ENOENT && reason != ECONNREFUSED && reason != ENOTSOCK) {
            break;
        }
        enum unix_result result = link_listen(link, error);
        if (result != UNIX_TAKEN) {
            return result == UNIX_OK;
        }
    }
    return error_set(error, reason == EAGAIN ? "Two guests are linked there already." : NULL,
                     "cannot connect to '%s': %s", link->path, strerror(reason));
}

static void link_stop(void *opaque)
{
    struct net_link *link = opaque;
    if (link->made_socket) {
        unlink(link->path); /* before the other end sees that this one goes, and listens itself */
        link->made_socket = false;
    }
    if (link->listen_watch.fd >= 0) {
        loop_remove(link->loop, &link->listen_watch);
        close(link->listen_watch.fd);
        link->listen_watch.fd = -1;
    }
    if (link->watch.fd >= 0) {
        link_close(link);
    }
}

static void link_free(struct net_backend *backend)
{
    struct net_link *link = (struct net_link *)backend;
    loop_post(link->loop, link_stop, link);
    loop_drain(link->loop); /* link_run has been called, too */
    pthread_mutex_destroy(&link->lock);
    free(link->input);
    free(link->path);
    free(link);
}

/* The other end may come at any time. */
static bool link_may_receive(struct net_backend *backend)
{
    (void)backend;
    return true;
}

const struct net_backend_class net_socket_class = {
    .name = "socket",
    .wake = link_wake,
    .may_receive = link_may_receive,
    .free = link_free,
};

struct net_backend *net_socket_new(struct net_port *port, const char *path, struct loop *loop,
                                   bool *second, struct metic_error *error)
{
    struct net_link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    const struct net_port_options *options = net_port_options(port);
    link->backend = (struct net_backend){&net_socket_class, port};
    link->loop = loop;
    link->log = options->log;
    link->deterministic = journal_is_deterministic(options->journal);
    link->listen_watch.fd = link->watch.fd = -1;
    link->out_last = &link->out_first;
    link->path = strdup(path);
    link->input = malloc(LINK_INPUT_BYTES);
    pthread_mutex_init(&link->lock, NULL);
    bool ok = link->path != NULL && link->input != NULL;
    ok = ok ? link_open(link, error) : error_set(error, NULL, "out of memory");
    if (!ok) {
        link_free(&link->backend);
        return NULL;
    }
    *second = link->listen_watch.fd < 0;
    return &link->backend;
}

/* See vsock_unix.h. All sockets are looked after on the loop thread; what the device does is put
 * into a list for it. */
#include "hw/vsock/vsock_unix.h"

#include "hw/unix_socket.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    UNIX_LINE_BYTES = 32,
    UNIX_BACKLOG = 64,
};

enum unix_state {
    UNIX_LINE,  /* a program of the host's has not said yet what it wants */
    UNIX_ASKED, /* the guest has not answered */
    UNIX_OPEN,
};

/* Bytes for the host. */
struct unix_chunk {
    struct unix_chunk *next;
    size_t size_bytes, done_bytes;
    bool ours; /* not the guest's, which is not told of them */
    u8 bytes[];
};

struct unix_stream {
    struct unix_stream *next;
    struct vsock_unix *owner;
    u64 id;
    enum unix_state state;
    struct loop_watch watch;
    bool watched;
    char line[UNIX_LINE_BYTES];
    size_t line_bytes;
    struct unix_chunk *out, **out_last;
    size_t under_way_bytes; /* given to the device and not taken */
    bool ended;             /* the host has sent all */
    bool wants_end, wants_close; /* when all is out */
};

enum unix_command_kind { DO_OPEN, DO_ACCEPT, DO_SEND, DO_TOOK, DO_END, DO_CLOSE, DO_CLOSE_ALL };

struct unix_command {
    struct unix_command *next;
    enum unix_command_kind kind;
    u64 id;
    u32 number;
    struct unix_chunk *chunk;
};

struct vsock_unix {
    struct vsock_backend backend; /* first */
    struct loop *loop;
    char *path;
    /* The loop thread's own. */
    struct loop_watch listen_watch; /* fd -1: none */
    bool listening;
    struct unix_stream *streams;
    unsigned stream_count;
    u64 next_id;
    pthread_mutex_t lock;
    struct unix_command *first, **last; /* under lock, and so */
    bool posted;
};

/* ---- Streams, on the loop thread ---- */

static void unix_tell(const struct unix_stream *stream, enum vsock_event_kind kind, u32 number)
{
    vsock_port_tell(stream->owner->backend.port,
                    &(struct vsock_event){.kind = kind, .id = stream->id, .number = number});
}

static struct unix_stream *unix_find(struct vsock_unix *host, u64 id)
{
    struct unix_stream *stream = host->streams;
    while (stream != NULL && (stream->id != id || stream->state == UNIX_LINE)) {
        stream = stream->next;
    }
    return stream;
}

/* One that is full takes no more clients; they wait in the socket's queue. */
static void unix_listen_on(struct vsock_unix *host)
{
    bool wanted = host->stream_count < VSOCK_MAX_STREAMS;
    if (host->listen_watch.fd >= 0 && wanted != host->listening) {
        host->listening = wanted;
        loop_modify(host->loop, &host->listen_watch, wanted ? (u32)EPOLLIN : 0);
    }
}

static void unix_unwatch(struct unix_stream *stream)
{
    if (stream->watched) {
        loop_remove(stream->owner->loop, &stream->watch);
        stream->watched = false;
    }
}

static void unix_drop(struct unix_stream *stream)
{
    struct vsock_unix *host = stream->owner;
    struct unix_stream **link = &host->streams;
    unix_unwatch(stream);
    close(stream->watch.fd);
    while (*link != stream) {
        link = &(*link)->next;
    }
    *link = stream->next;
    host->stream_count--;
    for (struct unix_chunk *chunk = stream->out, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(stream);
    unix_listen_on(host);
}

/* The host's end is gone. */
static void unix_lost(struct unix_stream *stream)
{
    if (stream->state != UNIX_LINE && !stream->wants_close) {
        unix_tell(stream, VSOCK_CLOSED, 0);
    }
    unix_drop(stream);
}

/* Waits for what matters now. A stream that is read no more for a while is not looked at, since
 * that the other end hung up would be told again and again. */
static void unix_watch(struct unix_stream *stream)
{
    bool full = stream->under_way_bytes >= VSOCK_BUFFER_BYTES;
    bool reads = !stream->ended && !full && !stream->wants_close && stream->state != UNIX_ASKED;
    u32 events = (reads ? (u32)EPOLLIN : 0) | (stream->out != NULL ? (u32)EPOLLOUT : 0);
    if (events == 0 && !stream->ended && stream->state == UNIX_OPEN) {
        unix_unwatch(stream);
    } else if (!stream->watched) {
        stream->watch.events = events;
        stream->watched = loop_add(stream->owner->loop, &stream->watch, NULL);
    } else if (events != stream->watch.events) {
        loop_modify(stream->owner->loop, &stream->watch, events);
    }
}

/* Writes what can be written. False: the stream is gone. */
static bool unix_flush(struct unix_stream *stream)
{
    u32 taken = 0;
    bool lost = false;
    while (stream->out != NULL) {
        struct unix_chunk *chunk = stream->out;
        ssize_t put = send(stream->watch.fd, chunk->bytes + chunk->done_bytes,
                           chunk->size_bytes - chunk->done_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0) {
            lost = errno != EAGAIN && errno != EINTR;
            break;
        }
        chunk->done_bytes += (size_t)put;
        taken += chunk->ours ? 0 : (u32)put;
        if (chunk->done_bytes == chunk->size_bytes) {
            stream->out = chunk->next;
            free(chunk);
        }
    }
    if (stream->out == NULL) {
        stream->out_last = &stream->out;
    }
    if (taken > 0 && !stream->wants_close) {
        unix_tell(stream, VSOCK_TAKEN, taken);
    }
    if (lost) {
        unix_lost(stream);
        return false;
    }
    if (stream->out == NULL && stream->wants_close) {
        unix_drop(stream);
        return false;
    }
    if (stream->out == NULL && stream->wants_end) {
        stream->wants_end = false;
        shutdown(stream->watch.fd, SHUT_WR);
    }
    unix_watch(stream);
    return true;
}

/* Takes the chunk over. */
static void unix_push(struct unix_stream *stream, struct unix_chunk *chunk)
{
    *stream->out_last = chunk;
    stream->out_last = &chunk->next;
}

static struct unix_chunk *unix_chunk_new(const void *bytes, size_t size_bytes)
{
    struct unix_chunk *chunk = malloc(sizeof(*chunk) + size_bytes);
    if (chunk == NULL) {
        error_no_memory(sizeof(*chunk) + size_bytes);
    }
    *chunk = (struct unix_chunk){.size_bytes = size_bytes};
    memcpy(chunk->bytes, bytes, size_bytes);
    return chunk;
}

/* ---- From the host ---- */

/* The line is whole when this says the port; -1: it is not; -2: it never will be one. */
static s64 unix_line_port(const struct unix_stream *stream)
{
    char text[UNIX_LINE_BYTES + 1], *end;
    memcpy(text, stream->line, stream->line_bytes);
    text[stream->line_bytes] = '\0';
    if (strchr(text, '\n') == NULL) {
        return stream->line_bytes < UNIX_LINE_BYTES ? -1 : -2;
    }
    if (strncmp(text, "CONNECT ", 8) != 0 || text[8] < '0' || text[8] > '9') {
        return -2;
    }
    unsigned long long port = strtoull(text + 8, &end, 10);
    return *end == '\n' && port < UINT32_MAX ? (s64)port : -2;
}

/* The line byte by byte: what follows is the guest's. */
static void unix_read_line(struct unix_stream *stream)
{
    s64 port = -1;
    while (port == -1) {
        ssize_t got = recv(stream->watch.fd, stream->line + stream->line_bytes, 1, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        stream->line_bytes += got > 0 ? 1 : 0;
        port = got > 0 ? unix_line_port(stream) : -2;
    }
    if (port < 0) {
        unix_drop(stream);
        return;
    }
    stream->state = UNIX_ASKED;
    unix_watch(stream);
    unix_tell(stream, VSOCK_CONNECT, (u32)port);
}

static void unix_read(struct unix_stream *stream, bool hung_up)
{
    u8 bytes[VSOCK_EVENT_BYTES];
    ssize_t got = recv(stream->watch.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got > 0) {
        stream->under_way_bytes += (size_t)got;
        vsock_port_tell(stream->owner->backend.port,
                        &(struct vsock_event){.kind = VSOCK_DATA, .id = stream->id,
                                              .bytes = bytes, .size_bytes = (size_t)got});
    } else if (got == 0 && !hung_up) {
        stream->ended = true;
        unix_tell(stream, VSOCK_END, 0);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        unix_lost(stream);
        return;
    }
    unix_watch(stream);
}

static void unix_ready(void *opaque, u32 events)
{
    struct unix_stream *stream = opaque;
    bool hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if ((events & EPOLLOUT) != 0 && !unix_flush(stream)) {
        return;
    }
    if (stream->state == UNIX_LINE) {
        unix_read_line(stream);
    } else if (hung_up && (stream->ended || stream->state == UNIX_ASKED || stream->wants_close)) {
        unix_lost(stream);
    } else if ((events & EPOLLIN) != 0 || hung_up) {
        unix_read(stream, hung_up);
    }
}

static struct unix_stream *unix_add(struct vsock_unix *host, int fd, enum unix_state state, u64 id)
{
    struct unix_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        error_no_memory(sizeof(*stream));
    }
    *stream = (struct unix_stream){.owner = host, .id = id, .state = state,
                                   .next = host->streams};
    stream->watch = (struct loop_watch){.fd = fd, .ready = unix_ready, .opaque = stream};
    stream->out_last = &stream->out;
    host->streams = stream;
    host->stream_count++;
    return stream;
}

static void unix_accept(void *opaque, u32 events)
{
    struct vsock_unix *host = opaque;
    (void)events;
    int fd = accept4(host->listen_watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        unix_watch(unix_add(host, fd, UNIX_LINE, host->next_id++));
        unix_listen_on(host);
    }
}

/* ---- From the device ---- */

static void unix_do_open(struct vsock_unix *host, u64 id, u32 port)
{
    char path[256];
    snprintf(path, sizeof(path), "%s_%u", host->path, port);
    int fd = host->stream_count < 2 * VSOCK_MAX_STREAMS ? unix_connect(path) : -1;
    const struct vsock_event event = {.kind = fd >= 0 ? VSOCK_ACCEPTED : VSOCK_REFUSED, .id = id};
    struct unix_stream *stream = fd >= 0 ? unix_add(host, fd, UNIX_OPEN, id) : NULL;
    vsock_port_tell(host->backend.port, &event);
    if (stream != NULL) {
        unix_watch(stream);
    }
}

static void unix_do_accept(struct unix_stream *stream, u32 host_port)
{
    char line[UNIX_LINE_BYTES];
    int size_bytes = snprintf(line, sizeof(line), "OK %u\n", host_port);
    struct unix_chunk *chunk = unix_chunk_new(line, (size_t)size_bytes);
    chunk->ours = true;
    stream->state = UNIX_OPEN;
    unix_push(stream, chunk);
    unix_flush(stream);
}

static void unix_do_close_all(struct vsock_unix *host)
{
    for (struct unix_stream *stream = host->streams, *next; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->state != UNIX_LINE) {
            unix_drop(stream);
        }
    }
}

static void unix_do_with(struct unix_stream *stream, struct unix_command *command)
{
    switch (command->kind) {
    case DO_ACCEPT: unix_do_accept(stream, command->number); break;
    case DO_SEND:
        unix_push(stream, command->chunk);
        command->chunk = NULL;
        unix_flush(stream);
        break;
    case DO_TOOK:
        stream->under_way_bytes -=
            command->number < stream->under_way_bytes ? command->number : stream->under_way_bytes;
        unix_watch(stream);
        break;
    case DO_END:
        stream->wants_end = true;
        unix_flush(stream);
        break;
    default:
        stream->wants_close = true;
        unix_flush(stream);
        break;
    }
}

static void unix_do(struct vsock_unix *host, struct unix_command *command)
{
    struct unix_stream *stream = unix_find(host, command->id);
    if (command->kind == DO_OPEN) {
        unix_do_open(host, command->id, command->number);
    } else if (command->kind == DO_CLOSE_ALL) {
        unix_do_close_all(host);
    } else if (stream != NULL && !stream->wants_close) {
        unix_do_with(stream, command);
    } else if (stream == NULL && command->kind != DO_CLOSE) {
        vsock_port_tell(host->backend.port,
                        &(struct vsock_event){.kind = VSOCK_CLOSED, .id = command->id});
    }
    free(command->chunk);
    free(command);
}

static struct unix_command *unix_take_commands(struct vsock_unix *host)
{
    pthread_mutex_lock(&host->lock);
    struct unix_command *first = host->first;
    host->first = NULL;
    host->last = &host->first;
    host->posted = false;
    pthread_mutex_unlock(&host->lock);
    return first;
}

static void unix_run(void *opaque)
{
    struct vsock_unix *host = opaque;
    for (struct unix_command *command = unix_take_commands(host), *next; command != NULL;
         command = next) {
        next = command->next;
        unix_do(host, command);
    }
}

/* Takes the chunk over. */
static void unix_post(struct vsock_backend *backend, enum unix_command_kind kind, u64 id,
                      u32 number, struct unix_chunk *chunk)
{
    struct vsock_unix *host = (struct vsock_unix *)backend;
    struct unix_command *command = malloc(sizeof(*command));
    if (command == NULL) {
        error_no_memory(sizeof(*command));
    }
    *command = (struct unix_command){.kind = kind, .id = id, .number = number, .chunk = chunk};
    pthread_mutex_lock(&host->lock);
    *host->last = command;
    host->last = &command->next;
    bool post = !host->posted;
    host->posted = true;
    pthread_mutex_unlock(&host->lock);
    if (post) {
        loop_post(host->loop, unix_run, host);
    }
}

static void unix_open(struct vsock_backend *backend, u64 id, u32 port)
{
    unix_post(backend, DO_OPEN, id, port, NULL);
}

static void unix_accept_guest(struct vsock_backend *backend, u64 id, u32 host_port)
{
    unix_post(backend, DO_ACCEPT, id, host_port, NULL);
}

static void unix_send(struct vsock_backend *backend, u64 id, const u8 *bytes, size_t size_bytes)
{
    unix_post(backend, DO_SEND, id, 0, unix_chunk_new(bytes, size_bytes));
}

static void unix_took(struct vsock_backend *backend, u64 id, u32 size_bytes)
{
    unix_post(backend, DO_TOOK, id, size_bytes, NULL);
}

static void unix_end(struct vsock_backend *backend, u64 id)
{
    unix_post(backend, DO_END, id, 0, NULL);
}

static void unix_close(struct vsock_backend *backend, u64 id)
{
    unix_post(backend, DO_CLOSE, id, 0, NULL);
}

static void unix_close_all(struct vsock_backend *backend)
{
    unix_post(backend, DO_CLOSE_ALL, 0, 0, NULL);
}

/* ---- Life ---- */

static void unix_stop(void *opaque)
{
    struct vsock_unix *host = opaque;
    if (host->listen_watch.fd >= 0) {
        unlink(host->path);
        loop_remove(host->loop, &host->listen_watch);
        close(host->listen_watch.fd);
        host->listen_watch.fd = -1;
    }
    while (host->streams != NULL) {
        unix_drop(host->streams);
    }
}

static void unix_free(struct vsock_backend *backend)
{
    struct vsock_unix *host = (struct vsock_unix *)backend;
    loop_post(host->loop, unix_stop, host);
    loop_drain(host->loop);
    for (struct unix_command *command = unix_take_commands(host), *next; command != NULL;
         command = next) {
        next = command->next;
        free(command->chunk);
        free(command);
    }
    pthread_mutex_destroy(&host->lock);
    free(host->path);
    free(host);
}

static const struct vsock_backend_class unix_class = {
    .open = unix_open,
    .accept = unix_accept_guest,
    .send = unix_send,
    .took = unix_took,
    .end = unix_end,
    .close = unix_close,
    .close_all = unix_close_all,
    .free = unix_free,
};

struct vsock_backend *vsock_unix_new(struct vsock_port *port, const char *path, struct loop *loop,
                                     struct metic_error *error)
{
    struct vsock_unix *host = calloc(1, sizeof(*host));
    if (host == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    host->backend = (struct vsock_backend){&unix_class, port};
    host->loop = loop;
    host->last = &host->first;
    /* A state that is loaded may know streams of another process; their numbers are others. */
    host->next_id = VSOCK_HOST_ID | (u64)(unsigned)getpid() << 32;
    host->listen_watch = (struct loop_watch){.fd = -1, .ready = unix_accept, .opaque = host};
    host->path = strdup(path);
    pthread_mutex_init(&host->lock, NULL);
    int fd = host->path != NULL ? unix_listen_alone(path, UNIX_BACKLOG, error) : -1;
    host->listen_watch.fd = fd;
    host->listen_watch.events = EPOLLIN;
    host->listening = true;
    if (fd < 0 || !loop_add(loop, &host->listen_watch, error)) {
        host->listen_watch.fd = -1;
        if (fd >= 0) {
            close(fd);
            unlink(path);
        }
        unix_free(&host->backend);
        return NULL;
    }
    return &host->backend;
}

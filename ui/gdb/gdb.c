/* See gdb.h. */
#include "ui/gdb/gdb.h"

#include "cpu/base/error.h"
#include "ui/gdb/gdb_session.h"
#include "ui/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIGNAL_INTERRUPT = 2, SIGNAL_TRAP = 5, SIGNAL_ABORT = 6, LOOK_MS = 200, SEND_MS = 5000 };

struct gdb {
    metic_machine *machine;
    struct monitor with; /* of each session's commands */
    struct listener listener;
    int client_fd;  /* -1: nobody is attached */
    int refused_fd; /* who came after that and was told so; -1: nobody */
    struct gdb_session session;
    struct gdb_input input;
    struct gdb_output output; /* the last packet sent */
    bool awaits_stop;         /* the debugger let the machine go and waits for its stop */
    u8 bytes[4096];           /* read and not yet looked at */
    size_t byte_count, byte_next;

    pthread_t watcher;
    bool has_watcher;
    int go_fd, leave_fd; /* eventfds: watch now; stop watching */
    sem_t idle;          /* posted when the watcher stopped watching */
    _Atomic bool ends;
    int watched_fd;      /* set before go_fd is written */
};

/* --- the watcher --- */

static void read_event(int fd)
{
    u64 count;
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}

static void write_event(int fd)
{
    u64 one = 1;
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

/* A second debugger would wait for an answer, and then tell of a riddle. It is told why, and then
 * has an end: its connection stays open for what it sends before it reads that. */
static void refuse_another(struct gdb *gdb)
{
    int fd = accept4(gdb->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    struct gdb_output packet = {.length_bytes = 0};
    char answer[1 + GDB_PACKET_BYTES + 4] = "+"; /* what comes before that, GDB throws away */
    gdb_put(&packet, "E.another debugger is attached to this machine");
    if (send(fd, answer, 1 + gdb_frame(&packet, answer + 1), MSG_NOSIGNAL) < 0 ||
        shutdown(fd, SHUT_WR) != 0) {
        close(fd);
        return;
    }
    close_fd(gdb->refused_fd);
    gdb->refused_fd = fd;
}

/* Watches from a go to a leave; what comes from outside stops the machine, once. */
static void watch(struct gdb *gdb)
{
    int others_fd = gdb->client_fd >= 0 ? gdb->listener.fd : -1;
    for (;;) {
        struct pollfd fds[] = {
            {gdb->leave_fd, POLLIN, 0}, {gdb->watched_fd, POLLIN, 0}, {others_fd, POLLIN, 0}
        };
        if (poll(fds, ARRAY_LEN(fds), -1) < 0) {
            continue; /* a signal */
        }
        if (fds[1].revents != 0) {
            metic_break(gdb->machine);
        }
        if (fds[0].revents != 0 || fds[1].revents != 0) {
            return;
        }
        refuse_another(gdb);
    }
}

static void *watcher_thread(void *opaque)
{
    struct gdb *gdb = opaque;
    for (;;) {
        read_event(gdb->go_fd);
        if (gdb->ends) {
            return NULL;
        }
        watch(gdb);
        read_event(gdb->leave_fd);
        sem_post(&gdb->idle);
    }
}

static void watch_begin(struct gdb *gdb)
{
    gdb->watched_fd = gdb->client_fd >= 0 ? gdb->client_fd : gdb->listener.fd;
    write_event(gdb->go_fd);
    if (gdb->byte_next < gdb->byte_count) {
        metic_break(gdb->machine); /* an interrupt may have come together with "go on" */
    }
}

static void watch_end(struct gdb *gdb)
{
    write_event(gdb->leave_fd);
    while (sem_wait(&gdb->idle) != 0) {
    }
}

/* --- life --- */

static void send_packet(void *opaque, const struct gdb_output *packet);

struct gdb *gdb_new(const struct monitor *with, const char *where, struct metic_error *error)
{
    unsigned port;
    struct gdb *gdb = calloc(1, sizeof(*gdb));
    if (gdb == NULL) {
        error_set(error, NULL, "the host has no memory for the debugger's server");
        return NULL;
    }
    gdb->machine = with->machine;
    gdb->with = *with;
    gdb->client_fd = gdb->refused_fd = gdb->listener.fd = -1;
    gdb_session_init(&gdb->session, gdb->machine);
    gdb->go_fd = eventfd(0, EFD_CLOEXEC);
    gdb->leave_fd = eventfd(0, EFD_CLOEXEC);
    sem_init(&gdb->idle, 0, 0);
    bool listens = listener_parse_port(where, &port)
                       ? listener_open_port(&gdb->listener, port, "give --gdb another port, or the "
                                            "path of a socket", error)
                       : listener_open_path(&gdb->listener, where, "give --gdb another path, or a "
                                            "port", error);
    if (listens) {
        gdb->has_watcher = pthread_create(&gdb->watcher, NULL, watcher_thread, gdb) == 0;
        if (gdb->has_watcher) {
            return gdb;
        }
        error_set(error, NULL, "the host has no thread for the debugger's server");
    }
    gdb_free(gdb);
    return NULL;
}

void gdb_free(struct gdb *gdb)
{
    if (gdb == NULL) {
        return;
    }
    if (gdb->has_watcher) {
        gdb->ends = true;
        write_event(gdb->go_fd);
        pthread_join(gdb->watcher, NULL);
    }
    gdb_session_fini(&gdb->session);
    close_fd(gdb->client_fd);
    close_fd(gdb->refused_fd);
    close_fd(gdb->go_fd);
    close_fd(gdb->leave_fd);
    sem_destroy(&gdb->idle);
    listener_close(&gdb->listener);
    free(gdb);
}

const char *gdb_address(const struct gdb *gdb)
{
    return gdb->listener.address;
}

/* --- the connection --- */

static void drop_client(struct gdb *gdb)
{
    gdb_session_fini(&gdb->session);
    gdb->session.goes_back = false;
    close_fd(gdb->client_fd);
    gdb->client_fd = -1;
    gdb->awaits_stop = false;
}

/* True when there is a new debugger. */
static bool accept_client(struct gdb *gdb)
{
    int on = 1;
    gdb->client_fd = accept4(gdb->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (gdb->client_fd < 0) {
        return false;
    }
    setsockopt(gdb->client_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* not for Unix ones */
    gdb_session_init(&gdb->session, gdb->machine);
    gdb_reverse_init(&gdb->session);
    gdb->session.with = &gdb->with;
    gdb->session.send = send_packet;
    gdb->session.send_opaque = gdb;
    memset(&gdb->input, 0, sizeof(gdb->input));
    gdb->byte_count = gdb->byte_next = 0;
    return true;
}

/* A debugger that does not read is dropped, at its next read. */
static void send_bytes(struct gdb *gdb, const char *bytes, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t sent = send(gdb->client_fd, bytes, size_bytes, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            size_bytes -= (size_t)sent;
            continue;
        }
        struct pollfd fd = {gdb->client_fd, POLLOUT, 0};
        if (errno != EINTR && (errno != EAGAIN || poll(&fd, 1, SEND_MS) <= 0)) {
            shutdown(gdb->client_fd, SHUT_RDWR);
            return;
        }
    }
}

static void send_packet(void *opaque, const struct gdb_output *packet)
{
    struct gdb *gdb = opaque;
    char frame[GDB_PACKET_BYTES + 4]; /* thread-local, each thread would touch it when it starts */
    send_bytes(gdb, frame, gdb_frame(packet, frame));
}

enum input { INPUT_BYTE, INPUT_NONE, INPUT_END };

/* The next byte from the debugger, waiting at most wait_ms for it. */
static enum input next_byte(struct gdb *gdb, int wait_ms, u8 *byte)
{
    if (gdb->byte_next == gdb->byte_count) {
        struct pollfd fd = {gdb->client_fd, POLLIN, 0};
        if (poll(&fd, 1, wait_ms) <= 0) {
            return INPUT_NONE;
        }
        ssize_t got = read(gdb->client_fd, gdb->bytes, sizeof(gdb->bytes));
        if (got <= 0) {
            return got < 0 && (errno == EINTR || errno == EAGAIN) ? INPUT_NONE : INPUT_END;
        }
        gdb->byte_count = (size_t)got;
        gdb->byte_next = 0;
    }
    *byte = gdb->bytes[gdb->byte_next++];
    return INPUT_BYTE;
}

/* --- serving --- */

enum verdict { GO_ON, RUN, END };

static enum verdict answer_packet(struct gdb *gdb)
{
    if (!gdb->session.no_ack) {
        send_bytes(gdb, "+", 1);
    }
    enum gdb_then then = gdb_session_packet(&gdb->session, gdb->input.text,
                                            gdb->input.length_bytes, &gdb->output);
    switch (then) {
    case GDB_THEN_RUN:
        gdb->awaits_stop = true;
        return RUN;
    case GDB_THEN_DETACH:
        send_packet(gdb, &gdb->output);
        drop_client(gdb);
        return RUN;
    case GDB_THEN_KILL:
        if (gdb->output.length_bytes > 0) {
            send_packet(gdb, &gdb->output);
        }
        return END;
    case GDB_THEN_REPLY: break;
    }
    send_packet(gdb, &gdb->output);
    return GO_ON;
}

static void tell_stop(struct gdb *gdb, unsigned signal)
{
    gdb->awaits_stop = false;
    gdb->output.length_bytes = 0;
    gdb_session_stopped(&gdb->session, signal, &gdb->output);
    send_packet(gdb, &gdb->output);
}

static enum verdict take_byte(struct gdb *gdb, u8 byte)
{
    switch (gdb_input_byte(&gdb->input, byte)) {
    case GDB_PACKET: return answer_packet(gdb);
    case GDB_INTERRUPT:
        if (gdb->awaits_stop) {
            tell_stop(gdb, SIGNAL_INTERRUPT);
        }
        return GO_ON;
    case GDB_BROKEN:
        if (!gdb->session.no_ack) {
            send_bytes(gdb, "-", 1);
        }
        return GO_ON;
    case GDB_RESEND:
        /* GDB sends it after two seconds without an answer in this mode, too. */
        if (!gdb->session.no_ack) {
            send_packet(gdb, &gdb->output);
        }
        return GO_ON;
    case GDB_MORE: break;
    }
    return GO_ON;
}

/* The machine stands still and belongs to the debugger, until it lets it go. */
static enum verdict serve_client(struct gdb *gdb)
{
    while (!metic_is_stopping(gdb->machine)) {
        u8 byte;
        enum input input = next_byte(gdb, gdb->awaits_stop ? 0 : LOOK_MS, &byte);
        if (input == INPUT_END) {
            drop_client(gdb);
            return RUN;
        }
        if (input == INPUT_NONE) {
            metic_serve(gdb->machine); /* a monitor may have questions, too */
            refuse_another(gdb);
            if (gdb->awaits_stop && gdb->session.goes_back) {
                tell_stop(gdb, SIGNAL_INTERRUPT); /* who goes back has moved */
            } else if (gdb->awaits_stop) {
                gdb_session_again(&gdb->session); /* it was stopped for nothing */
                return RUN;
            }
            continue;
        }
        enum verdict verdict = take_byte(gdb, byte);
        if (verdict != GO_ON) {
            return verdict;
        }
    }
    return RUN; /* metic_run sees at once that it is over */
}

static enum verdict serve_stop(struct gdb *gdb)
{
    struct metic_stop stop;
    metic_get_stop(gdb->machine, &stop);
    if (gdb->client_fd < 0 && !accept_client(gdb)) {
        return RUN;
    }
    if (gdb->awaits_stop && stop.kind != METIC_STOP_OUTSIDE) {
        tell_stop(gdb, SIGNAL_TRAP);
    }
    return serve_client(gdb);
}

static enum verdict serve_start(struct gdb *gdb)
{
    while (!metic_is_stopping(gdb->machine)) {
        struct pollfd fd = {gdb->listener.fd, POLLIN, 0};
        metic_serve(gdb->machine);
        if (poll(&fd, 1, LOOK_MS) > 0 && accept_client(gdb)) {
            return serve_client(gdb);
        }
    }
    return RUN;
}

static void tell_end(struct gdb *gdb, const struct metic_result *result)
{
    if (gdb->client_fd >= 0 && gdb->awaits_stop) {
        gdb->output.length_bytes = 0;
        gdb_session_ended(result, &gdb->output);
        send_packet(gdb, &gdb->output);
    }
}

/* Something to look at: a panic, the end of a recording. Going on is the end; true: somebody goes
 * back instead. */
static bool serve_end(struct gdb *gdb, const struct metic_result *result)
{
    bool panicked = result->reason == METIC_PANIC;
    if (gdb->client_fd < 0 || !gdb->awaits_stop ||
        !(gdb_reverse_ends(&gdb->session, result) || panicked)) {
        return false;
    }
    tell_stop(gdb, panicked ? SIGNAL_ABORT : SIGNAL_TRAP);
    return serve_client(gdb) == RUN && gdb->client_fd >= 0 && gdb->session.goes_back &&
           gdb->awaits_stop;
}

void gdb_run(struct gdb *gdb, bool wait, struct metic_result *result)
{
    enum verdict verdict = wait ? serve_start(gdb) : RUN;
    for (;;) {
        if (verdict == END) {
            metic_stop(gdb->machine);
        }
        watch_begin(gdb);
        gdb_session_run(&gdb->session, result);
        watch_end(gdb);
        if (result->reason == METIC_BREAK) {
            verdict = serve_stop(gdb);
        } else if (serve_end(gdb, result)) {
            verdict = RUN;
        } else {
            break;
        }
    }
    tell_end(gdb, result);
}

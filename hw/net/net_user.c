/* See net_user.h.
 *
 * With the real clock a thread of its own does everything: it waits for the guest's frames and the
 * host's sockets. With the virtual clock the guest's frames are worked on when they are sent, on
 * the machine's thread, so that what libslirp answers by itself (ARP, DHCP, pings of the router) is
 * a function of the guest; the thread then waits for the host's sockets only. libslirp is under
 * one lock.
 *
 * libslirp's clock is guest time. Its one timer repeats the announcement of the IPv6 router; with
 * the virtual clock that is left out, since the interval is random, and a machine that waits for
 * ever could not be told from one that waits for it. The guest gets one when it asks. */
#include "hw/net/net_user.h"

#include "config.h"
#include "cpu/base/thread.h"
#include <string.h>

#if HAVE_SLIRP

#include "cpu/base/library.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    USER_MAX_FORWARDS = 64,
    USER_MAX_FDS = 1024, /* besides ours; what is more waits */
    USER_FORWARD_TRIES = 100,
    USER_MTU_BYTES = 32768, /* two fit a window of TCP, which libslirp does not scale */
    USER_MAX_WAIT_MS = 60000,
    USER_STATE_BYTES = 131,  /* what libslirp 4 saves when no socket can be */
    USER_LEARNT_FRAMES = 8,
    USER_LEARNT_BYTES = 128, /* longest frame that libslirp learns an address from */
};

/* A frame from the guest that told libslirp where an address lives, to tell it again. */
struct user_learnt {
    u32 size_bytes; /* 0: none */
    u8 bytes[USER_LEARNT_BYTES];
};

struct user_timer {
    SlirpTimerId id;
    void *opaque;
    s64 expire_ms; /* guest time; -1: not armed */
};

/* libslirp's functions, without "slirp_". It is opened when there is a user network: it brings
 * glib, and metic would start slower for machines that have none. */
#define SLIRP_CALLS(CALL)                                                                        \
    CALL(new) CALL(cleanup) CALL(add_hostfwd) CALL(handle_timer) CALL(input) CALL(pollfds_fill)   \
    CALL(pollfds_poll) CALL(state_load) CALL(state_save) CALL(state_version)

struct slirp_api {
    void *library;
#define CALL(name) __typeof__(slirp_##name) *name;
    SLIRP_CALLS(CALL)
#undef CALL
};

struct net_user {
    struct net_backend backend; /* first */
    struct clock *clock;
    struct log *log;
    bool deterministic;
    pthread_mutex_t lock; /* around libslirp and all below */
    struct slirp_api api;
    Slirp *slirp;
    struct net_user_options options; /* for another slirp; its forwards are below */
    struct net_forward forwards[USER_MAX_FORWARDS];
    struct user_learnt learnt[USER_LEARNT_FRAMES]; /* the latest last */
    bool mute; /* what libslirp sends is dropped */
    struct user_timer timers[SLIRP_TIMER_NUM];
    struct pollfd fds[1 + USER_MAX_FDS]; /* the first is wake_fd; the thread's own */
    unsigned fd_count;
    bool stopping;
    int wake_fd; /* eventfd */
    pthread_t thread;
    bool has_thread;
    _Atomic unsigned socket_count; /* of the host's, open at the last look */
};

/* ---- What libslirp calls, the lock held ---- */

static ssize_t user_send_packet(const void *bytes, size_t size_bytes, void *opaque)
{
    struct net_user *user = opaque;
    if (!user->mute) {
        net_port_input(user->backend.port, bytes, size_bytes);
    }
    return (ssize_t)size_bytes;
}

static void user_guest_error(const char *text, void *opaque)
{
    struct net_user *user = opaque;
    log_print(user->log, LOG_GUEST, "network: %s", text);
}

static int64_t user_clock_ns(void *opaque)
{
    struct net_user *user = opaque;
    return (int64_t)clock_now_ns(user->clock);
}

static void *user_timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
    struct net_user *user = opaque;
    CHECK((unsigned)id < SLIRP_TIMER_NUM);
    user->timers[id] = (struct user_timer){.id = id, .opaque = timer_opaque, .expire_ms = -1};
    return &user->timers[id];
}

static void user_timer_free(void *timer, void *opaque)
{
    (void)opaque;
    ((struct user_timer *)timer)->expire_ms = -1;
}

static void user_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    struct net_user *user = opaque;
    ((struct user_timer *)timer)->expire_ms = user->deterministic ? -1 : expire_ms;
}

/* Descriptors are told of at each look; there is nothing to keep. */
static void user_ignore_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}

/* libslirp can take more from a socket: the next look is soon, whoever is in libslirp now. */
static void user_ignore(void *opaque)
{
    (void)opaque;
}

static const SlirpCb user_callbacks = {
    .send_packet = user_send_packet,
    .guest_error = user_guest_error,
    .clock_get_ns = user_clock_ns,
    .timer_new_opaque = user_timer_new,
    .timer_free = user_timer_free,
    .timer_mod = user_timer_mod,
    .register_poll_fd = user_ignore_fd,
    .unregister_poll_fd = user_ignore_fd,
    .notify = user_ignore,
};

/* ---- Looking at the host's sockets, the lock held ---- */

static int user_add_fd(int fd, int events, void *opaque)
{
    struct net_user *user = opaque;
    if (user->fd_count == ARRAY_LEN(user->fds)) {
        return 0; /* our own descriptor: never ready for libslirp */
    }
    short wanted = (short)(((events & SLIRP_POLL_IN) != 0 ? POLLIN : 0) |
                           ((events & SLIRP_POLL_OUT) != 0 ? POLLOUT : 0) |
                           ((events & SLIRP_POLL_PRI) != 0 ? POLLPRI : 0));
    user->fds[user->fd_count] = (struct pollfd){.fd = fd, .events = wanted};
    return (int)user->fd_count++;
}

static int user_events_of(int index, void *opaque)
{
    struct net_user *user = opaque;
    if (index <= 0 || (unsigned)index >= user->fd_count) {
        return 0;
    }
    short got = user->fds[index].revents;
    return ((got & POLLIN) != 0 ? SLIRP_POLL_IN : 0) | ((got & POLLOUT) != 0 ? SLIRP_POLL_OUT : 0) |
           ((got & POLLPRI) != 0 ? SLIRP_POLL_PRI : 0) |
           ((got & POLLERR) != 0 ? SLIRP_POLL_ERR : 0) |
           ((got & POLLHUP) != 0 ? SLIRP_POLL_HUP : 0);
}

static int user_count_fd(int fd, int events, void *opaque)
{
    unsigned *count = opaque;
    (void)fd;
    (void)events;
    return (int)(*count)++;
}

static s64 user_now_ms(const struct net_user *user)
{
    return (s64)(clock_now_ns(user->clock) / 1000000);
}

/* How long the thread may wait; -1: for ever. */
static int user_wait_ms(const struct net_user *user, u32 slirp_ms)
{
    s64 wait_ms = slirp_ms < UINT32_MAX ? (s64)slirp_ms : -1;
    for (size_t i = 0; i < ARRAY_LEN(user->timers); i++) {
        if (user->timers[i].expire_ms >= 0) {
            s64 left_ms = user->timers[i].expire_ms - user_now_ms(user);
            left_ms = left_ms > 1 ? left_ms : 1;
            wait_ms = wait_ms < 0 || left_ms < wait_ms ? left_ms : wait_ms;
        }
    }
    return wait_ms < USER_MAX_WAIT_MS ? (int)wait_ms : USER_MAX_WAIT_MS;
}

static void user_run_timers(struct net_user *user)
{
    for (size_t i = 0; i < ARRAY_LEN(user->timers); i++) {
        struct user_timer *timer = &user->timers[i];
        if (timer->expire_ms >= 0 && timer->expire_ms <= user_now_ms(user)) {
            timer->expire_ms = -1;
            user->api.handle_timer(user->slirp, timer->id, timer->opaque);
        }
    }
}

/* ARP, and neighbour solicitations and advertisements. */
static bool user_teaches(const struct net_frame *frame)
{
    const u8 *bytes = frame->bytes;
    if (frame->size_bytes < 42 || frame->size_bytes > USER_LEARNT_BYTES) {
        return false;
    }
    bool arp = bytes[12] == 0x08 && bytes[13] == 0x06;
    bool neighbour = bytes[12] == 0x86 && bytes[13] == 0xdd && frame->size_bytes > 54 &&
                     bytes[20] == 58 && (bytes[54] == 135 || bytes[54] == 136);
    return arp || neighbour;
}

/* Moves the frame to the end, or puts it there in the oldest one's place. */
static void user_learn(struct net_user *user, const struct net_frame *frame)
{
    unsigned at = 0;
    while (at < USER_LEARNT_FRAMES - 1 &&
           (user->learnt[at].size_bytes != frame->size_bytes ||
            memcmp(user->learnt[at].bytes, frame->bytes, frame->size_bytes) != 0)) {
        at++;
    }
    if (at == USER_LEARNT_FRAMES - 1) {
        at = 0;
    }
    memmove(&user->learnt[at], &user->learnt[at + 1],
            (USER_LEARNT_FRAMES - 1 - at) * sizeof(user->learnt[0]));
    struct user_learnt *learnt = &user->learnt[USER_LEARNT_FRAMES - 1];
    *learnt = (struct user_learnt){.size_bytes = frame->size_bytes};
    memcpy(learnt->bytes, frame->bytes, frame->size_bytes);
}

static void user_transmit(struct net_user *user)
{
    struct net_frame *frame;
    while ((frame = net_port_take(user->backend.port)) != NULL) {
        if (user_teaches(frame)) {
            user_learn(user, frame);
        }
        user->api.input(user->slirp, frame->bytes, (int)frame->size_bytes);
        free(frame);
    }
}

static void *user_main(void *opaque)
{
    struct net_user *user = opaque;
    pthread_mutex_lock(&user->lock);
    while (!user->stopping) {
        u32 slirp_ms = UINT32_MAX;
        bool looks = net_port_has_room(user->backend.port);
        user->fds[0] = (struct pollfd){.fd = user->wake_fd, .events = POLLIN};
        user->fd_count = 1;
        if (looks) {
            user->api.pollfds_fill(user->slirp, &slirp_ms, user_add_fd, user);
            user->socket_count = user->fd_count - 1;
        }
        int wait_ms = user_wait_ms(user, slirp_ms);
        pthread_mutex_unlock(&user->lock);
        int ready = poll(user->fds, user->fd_count, wait_ms);
        if (ready > 0 && user->fds[0].revents != 0) {
            u64 count;
            ssize_t got = read(user->wake_fd, &count, sizeof(count));
            (void)got;
        }
        pthread_mutex_lock(&user->lock);
        if (!user->stopping && looks) {
            user->api.pollfds_poll(user->slirp, ready < 0, user_events_of, user);
        }
        if (!user->stopping) {
            user_run_timers(user);
        }
        if (!user->stopping && !user->deterministic) {
            user_transmit(user);
        }
    }
    pthread_mutex_unlock(&user->lock);
    return NULL;
}

static void user_wake_thread(struct net_user *user)
{
    u64 one = 1;
    ssize_t written = write(user->wake_fd, &one, sizeof(one));
    (void)written; /* a full counter wakes as well */
}

static void user_wake(struct net_backend *backend)
{
    struct net_user *user = (struct net_user *)backend;
    if (user->deterministic) {
        unsigned count = 0;
        u32 ignored_ms = UINT32_MAX;
        pthread_mutex_lock(&user->lock);
        user_transmit(user);
        user->api.pollfds_fill(user->slirp, &ignored_ms, user_count_fd, &count);
        user->socket_count = count;
        pthread_mutex_unlock(&user->lock);
        if (count == 0) {
            return;
        }
    }
    user_wake_thread(user);
}

static bool user_may_receive(struct net_backend *backend)
{
    return ((struct net_user *)backend)->socket_count > 0;
}

/* ---- Forwards ---- */

/* Whether the host would let us have a UDP port: libslirp shares ports with others without a
 * word. */
static bool user_is_udp_free(struct in_addr address, unsigned port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((u16)port),
                               .sin_addr = address};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_free = fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 ||
                   errno != EADDRINUSE;
    if (fd >= 0) {
        close(fd);
    }
    return is_free;
}

static void user_say_forward(const struct net_user_options *options,
                             const struct net_forward *forward, unsigned port)
{
    char line[160], taken[48] = "";
    const char *protocol = forward->udp ? "udp" : "tcp";
    struct in_addr address = {htonl(forward->host_ip4)};
    if (port != forward->host_port) {
        snprintf(taken, sizeof(taken), " (%u is taken)", forward->host_port);
    }
    snprintf(line, sizeof(line), "forward: %s %s:%u%s leads to the guest's port %u", protocol,
             inet_ntoa(address), port, taken, forward->guest_port);
    if (options->say != NULL) {
        options->say(options->opaque, line);
    }
}

/* At the next free port; remembers which. */
static bool user_add_forward(struct net_user *user, const struct net_user_options *options,
                             struct net_forward *forward, struct metic_error *error)
{
    struct in_addr host = {htonl(forward->host_ip4)}, guest = {0};
    unsigned port = forward->host_port;
    for (unsigned i = 0; i < USER_FORWARD_TRIES && port <= UINT16_MAX; i++, port++) {
        errno = EADDRINUSE;
        if ((!forward->udp || user_is_udp_free(host, port)) &&
            user->api.add_hostfwd(user->slirp, forward->udp, host, (int)port, guest,
                              forward->guest_port) == 0) {
            user_say_forward(options, forward, port);
            forward->host_port = (u16)port;
            return true;
        }
        if (errno != EADDRINUSE) {
            return error_set(error, port < 1024 ? "Ports below 1024 are the system's; take another."
                                                : NULL,
                             "the host's %s port %s:%u cannot be opened: %s",
                             forward->udp ? "udp" : "tcp", inet_ntoa(host), port,
                             strerror(errno));
        }
    }
    return error_set(error, "Give another port.",
                     "the host's %s port %u and the ones after it are all taken",
                     forward->udp ? "udp" : "tcp", forward->host_port);
}

/* ---- Starting libslirp ---- */

static bool user_open_library(struct slirp_api *api, struct metic_error *error)
{
    api->library = library_open("libslirp.so.0");
    bool whole = api->library != NULL;
#define CALL(name)                                                                               \
    whole = whole && library_find(api->library, "slirp_" #name, (void *)&api->name,              \
                                  sizeof(api->name));
    SLIRP_CALLS(CALL)
#undef CALL
    return whole || error_set(error, "install it (Debian: libslirp0), or give --net none",
                              "there is no libslirp on this host, or too old a one");
}

static bool user_start_slirp(struct net_user *user, const struct net_user_options *options,
                             struct metic_error *error)
{
    SlirpConfig config = {
        .version = 4,
        .restricted = options->restricted,
        .in_enabled = true,
        .in6_enabled = true,
        .vprefix_len = 64,
        .tftp_path = options->tftp,
        .bootfile = options->bootfile,
        .if_mtu = USER_MTU_BYTES,
        .if_mru = USER_MTU_BYTES,
    };
    inet_pton(AF_INET, "10.0.2.0", &config.vnetwork);
    inet_pton(AF_INET, "255.255.255.0", &config.vnetmask);
    inet_pton(AF_INET, "10.0.2.2", &config.vhost);
    inet_pton(AF_INET, "10.0.2.3", &config.vnameserver);
    inet_pton(AF_INET, "10.0.2.15", &config.vdhcp_start);
    inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &config.vhost6);
    inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
    user->slirp = user->api.new(&config, &user_callbacks, user);
    return user->slirp != NULL ||
           error_set(error, NULL, "libslirp does not start the user network");
}

/* ---- Saved state ---- */

struct user_bytes {
    u8 bytes[USER_STATE_BYTES];
    size_t size_bytes; /* wanted or read; more than there is room for: something unknown */
};

static ssize_t user_take_state(const void *bytes, size_t size_bytes, void *opaque)
{
    struct user_bytes *state = opaque;
    if (state->size_bytes + size_bytes <= sizeof(state->bytes)) {
        memcpy(state->bytes + state->size_bytes, bytes, size_bytes);
    }
    state->size_bytes += size_bytes;
    return (ssize_t)size_bytes;
}

static ssize_t user_give_state(void *bytes, size_t size_bytes, void *opaque)
{
    struct user_bytes *state = opaque;
    size_t left = sizeof(state->bytes) - state->size_bytes;
    size_t part = size_bytes < left ? size_bytes : left;
    memset(bytes, 0, size_bytes);
    memcpy(bytes, state->bytes + state->size_bytes, part);
    state->size_bytes += part;
    return (ssize_t)size_bytes;
}

/* libslirp saves its counters and whom it gave addresses to; that and the frames it learnt from
 * make it answer as before. */
static void user_save(struct net_backend *backend, struct state_writer *writer)
{
    struct net_user *user = (struct net_user *)backend;
    struct user_bytes state = {.size_bytes = 0};
    pthread_mutex_lock(&user->lock);
    user->api.state_save(user->slirp, user_take_state, &state);
    bool known = state.size_bytes == sizeof(state.bytes) && state.bytes[0] == 0;
    state_write_u32(writer, known ? (u32)user->api.state_version() : 0);
    state_write_bytes(writer, state.bytes, sizeof(state.bytes));
    for (unsigned i = 0; i < USER_LEARNT_FRAMES; i++) {
        state_write_u32(writer, user->learnt[i].size_bytes);
        state_write_bytes(writer, user->learnt[i].bytes, USER_LEARNT_BYTES);
    }
    pthread_mutex_unlock(&user->lock);
}

/* Lock held. Another libslirp knows no connections, and tells the guest so. */
static bool user_start_again(struct net_user *user, struct metic_error *error)
{
    struct net_user_options silent = user->options;
    silent.say = NULL;
    user->api.cleanup(user->slirp);
    bool ok = user_start_slirp(user, &user->options, error);
    for (unsigned i = 0; ok && i < user->options.forward_count; i++) {
        ok = user_add_forward(user, &silent, &user->forwards[i], error);
    }
    user->socket_count = user->options.forward_count;
    return ok;
}

/* Lock held. libslirp trusts what it loads, so only bytes of the known shape reach it: no socket,
 * a counter and a table of addresses. */
static bool user_load_slirp(struct net_user *user, u32 version, struct user_bytes *state)
{
    state->size_bytes = 0;
    user->mute = true;
    for (unsigned i = 0; i < USER_LEARNT_FRAMES; i++) {
        if (user->learnt[i].size_bytes != 0) {
            user->api.input(user->slirp, user->learnt[i].bytes, (int)user->learnt[i].size_bytes);
        }
    }
    user->mute = false;
    return version != (u32)user->api.state_version() || state->bytes[0] != 0 ||
           user->api.state_load(user->slirp, (int)version, user_give_state, state) == 0;
}

static bool user_load(struct net_backend *backend, struct state_reader *reader,
                      struct metic_error *error)
{
    struct net_user *user = (struct net_user *)backend;
    struct user_learnt learnt[USER_LEARNT_FRAMES] = {{0}};
    struct user_bytes state;
    u32 version;
    bool ok = state_read_u32(reader, &version) &&
              state_read_bytes(reader, state.bytes, sizeof(state.bytes));
    for (unsigned i = 0; ok && i < USER_LEARNT_FRAMES; i++) {
        ok = state_read_u32(reader, &learnt[i].size_bytes) &&
             learnt[i].size_bytes <= USER_LEARNT_BYTES &&
             state_read_bytes(reader, learnt[i].bytes, USER_LEARNT_BYTES);
    }
    if (!ok) {
        return error_set(error, NULL, "the saved state of the user network is damaged");
    }
    pthread_mutex_lock(&user->lock);
    memcpy(user->learnt, learnt, sizeof(learnt));
    ok = user_start_again(user, error) &&
         (user_load_slirp(user, version, &state) ||
          error_set(error, NULL, "libslirp does not take its saved state"));
    pthread_mutex_unlock(&user->lock);
    if (ok) {
        user_wake_thread(user);
    }
    return ok;
}

/* ---- Life ---- */

static bool user_start_thread(struct net_user *user, struct metic_error *error)
{
    sigset_t before;
    thread_block_signals(&before); /* they go to the caller's thread */
    int reason = pthread_create(&user->thread, NULL, user_main, user);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    user->has_thread = reason == 0;
    return reason == 0 || error_set(error, "raise the limit on threads (ulimit -u)",
                                    "the network cannot have a thread: %s", strerror(reason));
}

static void user_free(struct net_backend *backend)
{
    struct net_user *user = (struct net_user *)backend;
    if (user->has_thread) {
        pthread_mutex_lock(&user->lock);
        user->stopping = true;
        pthread_mutex_unlock(&user->lock);
        user_wake_thread(user);
        pthread_join(user->thread, NULL);
    }
    if (user->slirp != NULL) {
        user->api.cleanup(user->slirp);
    }
    library_close(user->api.library);
    if (user->wake_fd >= 0) {
        close(user->wake_fd);
    }
    pthread_mutex_destroy(&user->lock);
    free(user);
}

const struct net_backend_class net_user_class = {
    .name = "user",
    .abilities = {.mtu_bytes = USER_MTU_BYTES, .segmentation = true, .trusted = true},
    .wake = user_wake,
    .may_receive = user_may_receive,
    .save = user_save,
    .load = user_load,
    .free = user_free,
};

bool net_user_is_built(void)
{
    return true;
}

struct net_backend *net_user_new(struct net_port *port, const struct net_user_options *options,
                                 struct metic_error *error)
{
    struct net_user *user = calloc(1, sizeof(*user));
    if (user == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    const struct net_port_options *of_port = net_port_options(port);
    user->backend = (struct net_backend){&net_user_class, port};
    user->clock = of_port->clock;
    user->log = of_port->log;
    user->deterministic = journal_is_deterministic(of_port->journal);
    pthread_mutex_init(&user->lock, NULL);
    user->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok = user->wake_fd >= 0 || error_set(error, "raise the limit on open files (ulimit -n)",
                                              "the host gives no more file descriptors");
    ok = ok && user_open_library(&user->api, error) && user_start_slirp(user, options, error);
    CHECK(options->forward_count <= USER_MAX_FORWARDS);
    user->options = *options;
    user->options.forwards = user->forwards;
    for (unsigned i = 0; ok && i < options->forward_count; i++) {
        user->forwards[i] = options->forwards[i];
        ok = user_add_forward(user, options, &user->forwards[i], error);
        if (ok && options->opened != NULL) {
            options->opened(options->opaque, i, user->forwards[i].host_port);
        }
    }
    user->socket_count = options->forward_count;
    if (!ok || !user_start_thread(user, error)) {
        user_free(&user->backend);
        return NULL;
    }
    return &user->backend;
}

#else

static void none_wake(struct net_backend *backend)
{
    (void)backend;
}

static bool none_may_receive(struct net_backend *backend)
{
    (void)backend;
    return false;
}

const struct net_backend_class net_user_class = {
    .name = "user", .wake = none_wake, .may_receive = none_may_receive, .free = none_wake,
};

bool net_user_is_built(void)
{
    return false;
}

struct net_backend *net_user_new(struct net_port *port, const struct net_user_options *options,
                                 struct metic_error *error)
{
    (void)port;
    (void)options;
    error_set(error, "Install libslirp-dev (Debian), then configure and build again.",
              "this metic was built without libslirp, so it has no user network");
    return NULL;
}

#endif

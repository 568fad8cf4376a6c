/* See qmp.h. */
#include "ui/monitor/qmp.h"

#include "config.h"

#if HAVE_JANSSON

#include "ui/event_log.h"
#include "ui/listener.h"
#include "ui/monitor/monitor_call.h"
#include "ui/monitor/qmp_dump.h"
#include "ui/monitor/qmp_screen.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QMP_MAX_CLIENTS = 8, QMP_MAX_BYTES = 1 << 18, QMP_SEND_MS = 2000 };

struct qmp_client {
    struct qmp *qmp;
    void (*send)(void *opaque, const char *text);
    void *opaque;
    bool negotiated;
    char *bytes; /* of a command that is not complete */
    size_t count;
};

struct qmp_peer {
    struct qmp_client *client; /* NULL: nobody */
    int fd;
    bool broken;
};

struct qmp {
    metic_machine *machine;
    struct qmp_options options;
    struct listener listener;
    int wake_fd;
    pthread_t thread;
    bool has_thread;
    atomic_bool ending;
    u64 next_event; /* to tell of */
    struct qmp_peer peers[QMP_MAX_CLIENTS];
};

/* --- answers --- */

/* A line at once: clients that read what there is would find half of one. */
static void send_json(struct qmp_client *client, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    char *line = NULL;
    if (text != NULL && asprintf(&line, "%s\r\n", text) >= 0) {
        client->send(client->opaque, line);
        free(line);
    }
    free(text);
    json_decref(json);
}

static void answer(struct qmp_client *client, json_t *result, json_t *id)
{
    json_t *json = json_object();
    json_object_set_new(json, "return", result != NULL ? result : json_object());
    if (id != NULL) {
        json_object_set(json, "id", id);
    }
    send_json(client, json);
}

static void refuse(struct qmp_client *client, const char *class, const char *what, json_t *id)
{
    json_t *json = json_pack("{s:{s:s,s:s}}", "error", "class", class, "desc", what);
    if (json == NULL) { /* `what` is no UTF-8 */
        json = json_pack("{s:{s:s,s:s}}", "error", "class", class, "desc", "it failed");
    }
    if (id != NULL) {
        json_object_set(json, "id", id);
    }
    send_json(client, json);
}

static json_t *version(void)
{
    int major = 0, minor = 0, micro = 0;
    sscanf(METIC_VERSION, "%d.%d.%d", &major, &minor, &micro);
    return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "major", major, "minor", minor, "micro",
                     micro, "package", "metic " METIC_VERSION);
}

/* --- what runs while the harts stand still --- */

/* How the answer of a line is told: as a command's success or failure, as QEMU does it for people
 * (what was wrong is text like any), or with both. */
enum answer_kind { ANSWER_COMMAND, ANSWER_HUMAN, ANSWER_BOTH };

static void run_and_answer(struct qmp_client *client, const char *text, enum answer_kind kind,
                           json_t *id)
{
    const struct qmp *qmp = client->qmp;
    const struct monitor with = {
        .machine = qmp->machine,
        .description = qmp->options.description,
        .confined = qmp->options.confined,
        .events = qmp->options.events,
        .keymap = qmp->options.keymap,
    };
    struct monitor_answer said;
    if (!monitor_call(&with, text, &said)) {
        refuse(client, "GenericError", "the machine has ended", id);
    } else if (kind != ANSWER_COMMAND) {
        json_t *json = json_string(said.text != NULL ? said.text : "");
        json = json != NULL ? json : json_string("(not UTF-8)");
        answer(client, kind == ANSWER_HUMAN
                           ? json
                           : json_pack("{s:o,s:b}", "text", json, "failed", said.failed), id);
    } else if (said.failed && said.text != NULL) {
        char *end = strchr(said.text, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        refuse(client, "GenericError", said.text, id);
    } else {
        answer(client, NULL, id);
    }
    free(said.text);
}

/* --- queries --- */

static json_t *query_status(struct qmp *qmp)
{
    bool paused = metic_is_paused(qmp->machine);
    return json_pack("{s:s,s:b,s:b}", "status", paused ? "paused" : "running", "running", !paused,
                     "singlestep", 0);
}

static json_t *query_version(struct qmp *qmp)
{
    (void)qmp;
    return version();
}

static json_t *query_name(struct qmp *qmp)
{
    return json_pack("{s:s}", "name", qmp->options.name);
}

static json_t *query_cpus(struct qmp *qmp)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < metic_hart_count(qmp->machine); i++) {
        json_array_append_new(list, json_pack("{s:i,s:s,s:{s:i},s:i,s:s}", "cpu-index", (int)i,
                                              "qom-path", "/machine/hart", "props", "core-id",
                                              (int)i, "thread-id", (int)getpid(), "target",
                                              "riscv64"));
    }
    return list;
}

static json_t *query_block(struct qmp *qmp)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < qmp->options.disk_count; i++) {
        char device[16];
        snprintf(device, sizeof(device), "disk%u", i);
        json_array_append_new(list, json_pack("{s:s,s:b,s:b,s:s,s:{s:s?}}", "device", device,
                                              "locked", 0, "removable", 0, "type", "unknown",
                                              "inserted", "file", qmp->options.disks[i]));
    }
    return list;
}

static json_t *query_chardev(struct qmp *qmp)
{
    (void)qmp;
    return json_pack("[{s:s,s:s,s:b}]", "label", "uart0", "filename", "console", "frontend-open",
                     1);
}

static json_t *query_commands(struct qmp *qmp);

/* NULL: there is none. */
static json_t *query_balloon(struct qmp *qmp)
{
    struct metic_balloon_status status;
    if (!metic_get_balloon(qmp->machine, &status)) {
        return NULL;
    }
    json_t *json = json_pack("{s:I,s:I}", "actual", (json_int_t)status.guest_bytes, "reported",
                             (json_int_t)status.reported_bytes);
    json_t *counts = json_object();
    for (unsigned i = 0; i < status.count_count; i++) {
        json_object_set_new(counts, status.counts[i].name,
                            json_integer((json_int_t)status.counts[i].value));
    }
    json_object_set_new(json, "stats", counts);
    return json;
}

static const struct {
    const char *name;
    json_t *(*query)(struct qmp *qmp);
} queries[] = {
    {"query-commands", query_commands}, {"query-status", query_status},
    {"query-version", query_version},   {"query-name", query_name},
    {"query-cpus-fast", query_cpus},    {"query-block", query_block},
    {"query-chardev", query_chardev},   {"query-balloon", query_balloon},
};

static const char *const others[] = {"qmp_capabilities", "human-monitor-command",
                                     "metic-monitor-command", "snapshot-save",
                                     "snapshot-load", "snapshot-delete", "balloon",
                                     "dump-guest-memory"};

static json_t *query_commands(struct qmp *qmp)
{
    json_t *list = json_array();
    const char *name;
    (void)qmp;
    for (unsigned i = 0; i < ARRAY_LEN(queries); i++) {
        json_array_append_new(list, json_pack("{s:s}", "name", queries[i].name));
    }
    for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
        json_array_append_new(list, json_pack("{s:s}", "name", others[i]));
    }
    for (unsigned i = 0; (name = qmp_screen_at(i)) != NULL; i++) {
        json_array_append_new(list, json_pack("{s:s}", "name", name));
    }
    for (unsigned i = 0; (name = monitor_qmp_at(i)) != NULL; i++) {
        json_array_append_new(list, json_pack("{s:s}", "name", name));
    }
    return list;
}

/* --- commands --- */

static const char *text_argument(json_t *arguments, const char *name)
{
    const char *text = json_string_value(json_object_get(arguments, name));
    return text != NULL && strpbrk(text, "\r\n") == NULL ? text : NULL;
}

static void snapshot_command(struct qmp_client *client, const char *verb, json_t *arguments,
                             json_t *id)
{
    char line[1024];
    const char *tag = text_argument(arguments, "tag");
    if (tag == NULL || snprintf(line, sizeof(line), "snapshot %s %s", verb, tag) >=
                           (int)sizeof(line)) {
        refuse(client, "GenericError", "Parameter 'tag' is missing", id);
        return;
    }
    run_and_answer(client, line, ANSWER_COMMAND, id);
}

static void dump_command(struct qmp_client *client, json_t *arguments, json_t *id)
{
    char line[1024];
    const char *wrong = qmp_dump_line(arguments, line, sizeof(line));
    if (wrong != NULL) {
        refuse(client, "GenericError", wrong, id);
    } else {
        run_and_answer(client, line, ANSWER_COMMAND, id);
    }
}

/* False: it is none of qmp_screen.c's. */
static bool screen_command(struct qmp_client *client, const char *name, json_t *arguments,
                           json_t *id)
{
    const char *known;
    for (unsigned i = 0; (known = qmp_screen_at(i)) != NULL; i++) {
        if (strcmp(known, name) == 0) {
            struct metic_error error;
            json_t *result;
            if (qmp_screen_execute(client->qmp->machine, client->qmp->options.keymap, name,
                                   arguments, &result, &error)) {
                answer(client, result, id);
            } else {
                monitor_explain(client->qmp->options.confined, &error);
                refuse(client, "GenericError", error.what, id);
            }
            return true;
        }
    }
    return false;
}

static void balloon_command(struct qmp_client *client, json_t *arguments, json_t *id)
{
    json_t *value = json_object_get(arguments, "value");
    if (!json_is_integer(value) || json_integer_value(value) <= 0) {
        refuse(client, "GenericError", "Parameter 'value' expects a size", id);
    } else if (!metic_balloon(client->qmp->machine, (u64)json_integer_value(value))) {
        refuse(client, "DeviceNotActive", "No balloon device has been activated", id);
    } else {
        answer(client, NULL, id);
    }
}

static bool answer_query(struct qmp_client *client, const char *name, json_t *id)
{
    for (unsigned i = 0; i < ARRAY_LEN(queries); i++) {
        if (strcmp(queries[i].name, name) == 0) {
            json_t *result = queries[i].query(client->qmp);
            if (result != NULL) {
                answer(client, result, id);
            } else {
                refuse(client, "DeviceNotActive", "No balloon device has been activated", id);
            }
            return true;
        }
    }
    return false;
}

static void execute(struct qmp_client *client, const char *name, json_t *arguments, json_t *id)
{
    const char *words = monitor_qmp_words(name);
    if (!client->negotiated && strcmp(name, "qmp_capabilities") != 0) {
        refuse(client, "CommandNotFound", "Expecting capabilities negotiation with "
               "'qmp_capabilities'", id);
    } else if (strcmp(name, "qmp_capabilities") == 0) {
        client->negotiated = true;
        answer(client, NULL, id);
    } else if (words != NULL) {
        run_and_answer(client, words, ANSWER_COMMAND, id);
    } else if (strcmp(name, "human-monitor-command") == 0 ||
               strcmp(name, "metic-monitor-command") == 0) {
        const char *line = text_argument(arguments, "command-line");
        if (line != NULL) {
            run_and_answer(client, line, name[0] == 'h' ? ANSWER_HUMAN : ANSWER_BOTH, id);
        } else {
            refuse(client, "GenericError", "Parameter 'command-line' is missing", id);
        }
    } else if (strncmp(name, "snapshot-", 9) == 0 &&
               (strcmp(name + 9, "save") == 0 || strcmp(name + 9, "load") == 0 ||
                strcmp(name + 9, "delete") == 0)) {
        snapshot_command(client, name + 9, arguments, id);
    } else if (strcmp(name, "balloon") == 0) {
        balloon_command(client, arguments, id);
    } else if (strcmp(name, "dump-guest-memory") == 0) {
        dump_command(client, arguments, id);
    } else if (!screen_command(client, name, arguments, id) && !answer_query(client, name, id)) {
        char what[160];
        snprintf(what, sizeof(what), "The command %.100s has not been found", name);
        refuse(client, "CommandNotFound", what, id);
    }
}

static void command(struct qmp_client *client, json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "execute"));
    json_t *id = json_object_get(json, "id");
    if (name == NULL) {
        refuse(client, "GenericError", "QMP input lacks member 'execute'", id);
    } else {
        execute(client, name, json_object_get(json, "arguments"), id);
    }
}

/* --- a client --- */

struct qmp_client *qmp_client_new(struct qmp *qmp, void (*send)(void *opaque, const char *text),
                                  void *opaque)
{
    struct qmp_client *client = calloc(1, sizeof(*client));
    if (client != NULL) {
        *client = (struct qmp_client){.qmp = qmp, .send = send, .opaque = opaque};
        send_json(client, json_pack("{s:{s:o,s:[]}}", "QMP", "version", version(),
                                    "capabilities"));
    }
    return client;
}

void qmp_client_free(struct qmp_client *client)
{
    if (client != NULL) {
        free(client->bytes);
        free(client);
    }
}

/* Takes the first object off the front. False: there is no whole one. */
static bool take_object(struct qmp_client *client)
{
    json_error_t where;
    while (client->count > 0 && strchr(" \t\r\n", client->bytes[0]) != NULL) {
        memmove(client->bytes, client->bytes + 1, --client->count);
    }
    if (client->count == 0) {
        return false;
    }
    json_t *json = json_loadb(client->bytes, client->count, JSON_DISABLE_EOF_CHECK, &where);
    if (json == NULL && json_error_code(&where) == json_error_premature_end_of_input) {
        return false;
    }
    size_t used = json != NULL ? (size_t)where.position : client->count;
    memmove(client->bytes, client->bytes + used, client->count - used);
    client->count -= used;
    if (json == NULL || !json_is_object(json)) {
        refuse(client, "GenericError", "Invalid JSON syntax", NULL);
    } else {
        command(client, json);
    }
    json_decref(json);
    return true;
}

bool qmp_client_input(struct qmp_client *client, const char *bytes, size_t count)
{
    if (client->count + count > QMP_MAX_BYTES) {
        refuse(client, "GenericError", "the command is too long", NULL);
        return false;
    }
    char *grown = realloc(client->bytes, client->count + count + 1);
    if (grown == NULL) {
        return false;
    }
    client->bytes = grown;
    memcpy(client->bytes + client->count, bytes, count);
    client->count += count;
    while (take_object(client)) {
    }
    return true;
}

/* --- events --- */

static void on_event(void *opaque)
{
    struct qmp *qmp = opaque;
    u64 one = 1;
    ssize_t put = write(qmp->wake_fd, &one, sizeof(one));
    (void)put; /* a full counter wakes as well */
}

/* "disk0 write report". */
static json_t *disk_error_json(const char *detail)
{
    char device[32] = "", operation[16] = "", action[16] = "";
    sscanf(detail, "%31s %15s %15s", device, operation, action);
    return json_pack("{s:s,s:s,s:s,s:b}", "device", device, "operation",
                     strcmp(operation, "read") == 0 ? "read" : "write", "action", action,
                     "nospace", 0);
}

static json_t *event_json(const struct event_entry *entry)
{
    json_t *data = NULL;
    json_t *json = json_pack("{s:{s:I,s:I},s:s}", "timestamp", "seconds", (json_int_t)entry->s,
                             "microseconds", (json_int_t)entry->us, "event",
                             event_log_name(entry->event));
    if (entry->event == METIC_EVENT_SHUTDOWN || entry->event == METIC_EVENT_RESET) {
        data = json_pack("{s:b,s:s}", "guest", 1, "reason",
                         entry->event == METIC_EVENT_RESET ? "guest-reset" : "guest-shutdown");
    } else if (entry->event == METIC_EVENT_PANIC) {
        data = json_pack("{s:s}", "action", "pause");
    } else if (entry->event == METIC_EVENT_DISK_ERROR) {
        data = disk_error_json(entry->detail);
    }
    if (data != NULL) {
        json_object_set_new(json, "data", data);
    }
    return json;
}

static void tell_events(struct qmp *qmp)
{
    struct event_entry entry;
    while (qmp->options.events != NULL &&
           event_log_take(qmp->options.events, &qmp->next_event, &entry)) {
        for (unsigned i = 0; i < QMP_MAX_CLIENTS; i++) {
            if (qmp->peers[i].client != NULL && qmp->peers[i].client->negotiated) {
                send_json(qmp->peers[i].client, event_json(&entry));
            }
        }
    }
}

/* --- sockets --- */

/* A client that does not read is dropped. */
static void peer_send(void *opaque, const char *text)
{
    struct qmp_peer *peer = opaque;
    size_t left = strlen(text);
    while (left > 0 && !peer->broken) {
        ssize_t sent = send(peer->fd, text, left, MSG_NOSIGNAL);
        struct pollfd room = {.fd = peer->fd, .events = POLLOUT};
        if (sent > 0) {
            text += sent;
            left -= (size_t)sent;
        } else if (errno != EINTR && (errno != EAGAIN || poll(&room, 1, QMP_SEND_MS) <= 0)) {
            peer->broken = true;
        }
    }
}

static void peer_drop(struct qmp_peer *peer)
{
    qmp_client_free(peer->client);
    close(peer->fd);
    *peer = (struct qmp_peer){.fd = -1};
}

static void peer_accept(struct qmp *qmp)
{
    int fd = accept4(qmp->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (unsigned i = 0; fd >= 0 && i < QMP_MAX_CLIENTS; i++) {
        struct qmp_peer *peer = &qmp->peers[i];
        if (peer->client == NULL) {
            *peer = (struct qmp_peer){.fd = fd};
            peer->client = qmp_client_new(qmp, peer_send, peer);
            if (peer->client == NULL) {
                peer_drop(peer);
            }
            return;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void peer_read(struct qmp_peer *peer)
{
    char bytes[4096];
    ssize_t got = read(peer->fd, bytes, sizeof(bytes));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) ||
        (got > 0 && !qmp_client_input(peer->client, bytes, (size_t)got)) || peer->broken) {
        peer_drop(peer);
    }
}

static void *qmp_main(void *opaque)
{
    struct qmp *qmp = opaque;
    while (!atomic_load(&qmp->ending)) {
        struct pollfd fds[2 + QMP_MAX_CLIENTS] = {{qmp->wake_fd, POLLIN, 0},
                                                  {qmp->listener.fd, POLLIN, 0}};
        for (unsigned i = 0; i < QMP_MAX_CLIENTS; i++) {
            fds[2 + i] = (struct pollfd){qmp->peers[i].client != NULL ? qmp->peers[i].fd : -1,
                                         POLLIN, 0};
        }
        if (poll(fds, ARRAY_LEN(fds), -1) < 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            u64 count;
            ssize_t got = read(qmp->wake_fd, &count, sizeof(count));
            (void)got;
        }
        tell_events(qmp);
        for (unsigned i = 0; i < QMP_MAX_CLIENTS; i++) {
            if (fds[2 + i].revents != 0) {
                peer_read(&qmp->peers[i]);
            }
        }
        tell_events(qmp);
        if (fds[1].revents != 0) {
            peer_accept(qmp);
        }
    }
    tell_events(qmp);
    return NULL;
}

/* --- life --- */

struct qmp *qmp_new(metic_machine *machine, const struct qmp_options *options,
                    struct metic_error *error)
{
    struct qmp *qmp = calloc(1, sizeof(*qmp));
    if (qmp == NULL) {
        error_set(error, NULL, "the host has no memory for the monitor");
        return NULL;
    }
    qmp->machine = machine;
    qmp->options = *options;
    qmp->listener.fd = -1;
    qmp->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (unsigned i = 0; i < QMP_MAX_CLIENTS; i++) {
        qmp->peers[i].fd = -1;
    }
    /* Without it nobody could tell the thread to end. */
    bool ok = qmp->wake_fd >= 0 ||
              error_set(error, NULL, "the host has no event counter for the monitor: %s",
                        strerror(errno));
    ok = ok && (options->path == NULL ||
                listener_open_path(&qmp->listener, options->path, "give another path", error));
    if (ok && options->path != NULL && options->events != NULL) {
        event_log_listen(options->events, on_event, qmp);
    }
    if (!ok) {
        qmp_free(qmp);
        return NULL;
    }
    return qmp;
}

bool qmp_start(struct qmp *qmp, struct metic_error *error)
{
    qmp->has_thread = pthread_create(&qmp->thread, NULL, qmp_main, qmp) == 0;
    return qmp->has_thread || error_set(error, NULL, "the host has no thread for the monitor");
}

void qmp_free(struct qmp *qmp)
{
    if (qmp == NULL) {
        return;
    }
    if (qmp->options.events != NULL) {
        event_log_listen(qmp->options.events, NULL, qmp);
    }
    if (qmp->has_thread) {
        u64 one = 1;
        atomic_store(&qmp->ending, true);
        ssize_t put = write(qmp->wake_fd, &one, sizeof(one));
        (void)put;
        pthread_join(qmp->thread, NULL);
    }
    for (unsigned i = 0; i < QMP_MAX_CLIENTS; i++) {
        if (qmp->peers[i].client != NULL) {
            peer_drop(&qmp->peers[i]);
        }
    }
    listener_close(&qmp->listener);
    if (qmp->wake_fd >= 0) {
        close(qmp->wake_fd);
    }
    free(qmp);
}

bool qmp_is_built(void)
{
    return true;
}

#else

struct qmp *qmp_new(metic_machine *machine, const struct qmp_options *options,
                    struct metic_error *error)
{
    (void)machine;
    (void)options;
    error_set(error, "Install libjansson-dev and build again.",
              "this build has no monitor's socket");
    return NULL;
}

bool qmp_start(struct qmp *qmp, struct metic_error *error)
{
    (void)qmp;
    (void)error;
    return true;
}

void qmp_free(struct qmp *qmp)
{
    (void)qmp;
}

bool qmp_is_built(void)
{
    return false;
}

#endif

/* See monitor_client.h. */
#include "ui/monitor/monitor_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ANSWER_MAX_BYTES = 1 << 28,
    GREETING_S = 10, ANSWER_S = 120, /* a large snapshot takes long */
};

/* How long the stream's answers are waited for. */
static void wait_at_most(FILE *stream, int seconds)
{
    const struct timeval time = {.tv_sec = seconds};
    (void)setsockopt(fileno(stream), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
}

/* A connected stream, or NULL with errno. */
static FILE *dial(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FILE *stream = NULL;
    if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0) {
        stream = fdopen(fd, "r+");
    }
    if (stream == NULL && fd >= 0) {
        int reason = errno;
        close(fd);
        errno = reason;
    }
    return stream;
}

static bool say(FILE *stream, const char *text)
{
    int fd = fileno(stream);
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t sent = send(fd, text, left, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        text += sent > 0 ? sent : 0;
        left -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

/* The next line that is an answer, not a greeting or an event. */
static char *next_answer(FILE *stream)
{
    char *line = NULL;
    size_t room_bytes = 0;
    ssize_t got;
    while ((got = getline(&line, &room_bytes, stream)) > 0 && got < ANSWER_MAX_BYTES) {
        if (strncmp(line, "{\"return\"", 9) == 0 || strncmp(line, "{\"error\"", 8) == 0) {
            return line;
        }
    }
    free(line);
    return NULL;
}

char *monitor_client_call(const struct runtime_entry *entry, const char *command,
                          struct metic_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[RUNTIME_PATH_BYTES];
    if (!runtime_entry_get(entry, "monitor", path, sizeof(path)) ||
        strlen(path) >= sizeof(address.sun_path)) {
        error_set(error, "start it without --monitor none", "%s has no monitor", entry->name);
        return NULL;
    }
    strcpy(address.sun_path, path);
    FILE *stream = dial(&address);
    char *answer = NULL;
    if (stream != NULL && say(stream, "{\"execute\":\"qmp_capabilities\"}\n")) {
        wait_at_most(stream, GREETING_S);
        answer = next_answer(stream);
        free(answer);
        wait_at_most(stream, ANSWER_S);
        answer = answer != NULL && say(stream, command) ? next_answer(stream) : NULL;
    }
    int reason = errno;
    if (stream != NULL) {
        fclose(stream);
    }
    if (answer == NULL && reason == EAGAIN) {
        error_set(error, "metic stop ends it; metic log shows what it said last",
                  "the monitor of %s does not answer: it hangs, or works for long", entry->name);
    } else if (answer == NULL) {
        error_set(error, NULL, "the monitor of %s does not answer: %s", entry->name,
                  strerror(reason));
    }
    return answer;
}

#if HAVE_JANSSON
json_t *monitor_client_ask(const struct runtime_entry *entry, const char *command,
                           const char *next, struct metic_error *error)
{
    char *answer = monitor_client_call(entry, command, error);
    if (answer == NULL) {
        return NULL;
    }
    json_t *json = json_loads(answer, 0, NULL);
    json_t *value = json_incref(json_object_get(json, "return"));
    const char *why = json_string_value(json_object_get(json_object_get(json, "error"), "desc"));
    if (value == NULL) {
        error_set(error, next, "%s: %s", entry->name, why != NULL ? why : "no answer");
    }
    json_decref(json);
    free(answer);
    return value;
}
#endif

/* See listener.h. */
#include "ui/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAITING_CLIENTS = 8 };

bool listener_parse_port(const char *text, unsigned *port)
{
    text += text[0] == ':';
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0') {
        return false;
    }
    *port = (unsigned)strtoul(text, NULL, 10);
    return *port <= 65535;
}

bool listener_open_port(struct listener *listener, unsigned port, const char *next,
                        struct metic_error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((u16)port)};
    socklen_t address_bytes = sizeof(address);
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener->path[0] = '\0';
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (listener->fd < 0 ||
        bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener->fd, WAITING_CLIENTS) != 0 ||
        getsockname(listener->fd, (struct sockaddr *)&address, &address_bytes) != 0) {
        error_set(error, next, "cannot listen at port %u: %s", port, strerror(errno));
        listener_close(listener);
        return false;
    }
    snprintf(listener->address, sizeof(listener->address), "localhost:%u",
             ntohs(address.sin_port));
    return true;
}

/* A socket that nobody listens at any more is in nobody's way. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
        errno == ECONNREFUSED) {
        unlink(address->sun_path);
    }
    close(fd);
}

bool listener_open_path(struct listener *listener, const char *path, const char *next,
                        struct metic_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *listener = (struct listener){.fd = -1};
    if (strlen(path) >= sizeof(address.sun_path)) {
        return error_set(error, "give a shorter one", "the socket's path %s is too long", path);
    }
    strcpy(address.sun_path, path);
    remove_stale(&address);
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    int bound = listener->fd < 0 ? -1 : bind(listener->fd, (struct sockaddr *)&address,
                                             sizeof(address));
    int reason = errno;
    umask(before);
    if (bound != 0 || listen(listener->fd, WAITING_CLIENTS) != 0) {
        error_set(error, next, "cannot listen at %s: %s", path,
                  strerror(bound != 0 ? reason : errno));
        listener_close(listener);
        return false;
    }
    strcpy(listener->path, path);
    snprintf(listener->address, sizeof(listener->address), "%s", path);
    return true;
}

void listener_close(struct listener *listener)
{
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    if (listener->path[0] != '\0') {
        unlink(listener->path);
    }
    listener->fd = -1;
    listener->path[0] = '\0';
}

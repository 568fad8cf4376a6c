/* See unix_socket.h. */
#include "hw/unix_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { UNIX_SUFFIX_BYTES = 10 };

bool unix_path_fits(const char *path, struct metic_error *error)
{
    const struct sockaddr_un *name = NULL;
    return strlen(path) + UNIX_SUFFIX_BYTES < sizeof(name->sun_path) ||
           error_set(error, "Choose a shorter path.", "the socket path %s is too long", path);
}

/* Gives the file its name, unless another one has it: 0 or an errno. */
static int unix_name(const char *aside, const char *path)
{
    if (link(aside, path) == 0) {
        unlink(aside);
        return 0;
    }
    int reason = errno; /* some file systems have no second names */
    bool no_links = reason == EPERM || reason == EOPNOTSUPP || reason == EMLINK;
    return no_links && rename(aside, path) == 0 ? 0 : reason;
}

/* A socket that listens under a name of its own: at its real one it must not be seen before it
 * listens, or who comes then takes it for one that is dead. -1 with errno. */
static int unix_listen_aside(const struct sockaddr_un *aside, int backlog)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)aside, sizeof(*aside)) == 0;
    int reason = errno;
    umask(before);
    if (bound && listen(fd, backlog) == 0) {
        return fd;
    }
    reason = bound ? errno : reason;
    if (bound) {
        unlink(aside->sun_path);
    }
    if (fd >= 0) {
        close(fd);
    }
    errno = reason;
    return -1;
}

enum unix_result unix_listen(const char *path, int backlog, int *fd, struct metic_error *error)
{
    struct stat about;
    if (!unix_path_fits(path, error)) {
        return UNIX_FAILED;
    }
    if (lstat(path, &about) == 0) {
        if (!S_ISSOCK(about.st_mode)) {
            error_set(error, "Name a path where nothing is.",
                      "'%s' is there already and is no socket", path);
            return UNIX_FAILED;
        }
        unlink(path); /* nobody listens there any more */
    }
    struct sockaddr_un aside = {.sun_family = AF_UNIX};
    unsigned own = (unsigned)getpid() ^ (unsigned)((uintptr_t)fd >> 4);
    snprintf(aside.sun_path, sizeof(aside.sun_path), "%s~%x", path, own);
    *fd = unix_listen_aside(&aside, backlog);
    int moved = *fd >= 0 ? unix_name(aside.sun_path, path) : errno;
    if (moved == 0) {
        return UNIX_OK;
    }
    if (*fd >= 0) {
        unlink(aside.sun_path);
        close(*fd);
        *fd = -1;
    }
    if (moved == EEXIST) {
        return UNIX_TAKEN;
    }
    error_set(error, "Name a path in a directory that can be written.",
              "the socket '%s' cannot be made: %s", path, strerror(moved));
    return UNIX_FAILED;
}

int unix_listen_alone(const char *path, int backlog, struct metic_error *error)
{
    int fd = -1;
    int other = unix_path_fits(path, NULL) ? unix_connect(path) : -1;
    if (other >= 0) {
        close(other);
    }
    enum unix_result result =
        other >= 0 ? UNIX_TAKEN : unix_listen(path, backlog, &fd, error);
    if (result == UNIX_TAKEN) {
        error_set(error, "Name another path.", "somebody else listens at the socket '%s'", path);
    }
    return fd;
}

int unix_connect(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(name.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(name.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0) {
        return fd;
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

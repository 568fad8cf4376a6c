/* See detach.h. */
#include "ui/detach.h"

#include "ui/ui.h"
#include "ui/xdg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_BYTES = 64 };

struct detach {
    int told_fd, log_fd; /* told_fd -1: who waits was told */
    char path[XDG_PATH_BYTES + NAME_BYTES];
};

static void make_folders(const char *path)
{
    char folder[XDG_PATH_BYTES];
    snprintf(folder, sizeof(folder), "%s", path);
    for (char *at = folder + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            mkdir(folder, 0700);
            *at = '/';
        }
    }
    mkdir(folder, 0700);
}

/* By the process's number: the name is not settled yet. */
static bool open_log(struct detach *detach, struct metic_error *error)
{
    char folder[XDG_PATH_BYTES];
    if (!xdg_path(XDG_STATE, "log", folder)) {
        return error_set(error, "set XDG_STATE_HOME to a folder that can be written",
                         "there is no folder for messages");
    }
    make_folders(folder);
    snprintf(detach->path, sizeof(detach->path), "%s/%d.log", folder, (int)getpid());
    detach->log_fd = open(detach->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return detach->log_fd >= 0 ||
           error_set(error, "set XDG_STATE_HOME to a folder that can be written",
                     "cannot write %s: %s", detach->path, strerror(errno));
}

/* The process that was started; never returns. */
static _Noreturn void wait_for_start(int told_fd, pid_t child)
{
    char text[NAME_BYTES + XDG_PATH_BYTES + NAME_BYTES];
    size_t count = 0;
    ssize_t got;
    while ((got = read(told_fd, text + count, sizeof(text) - 1 - count)) > 0 ||
           (got < 0 && errno == EINTR)) {
        count += got > 0 ? (size_t)got : 0;
    }
    text[count] = '\0';
    if (count > 0) {
        fputs(text, stderr);
        _exit(UI_EXIT_OK);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : UI_EXIT_FAILED);
}

bool detach_begin(struct detach **made, struct metic_error *error)
{
    int ends[2];
    *made = calloc(1, sizeof(**made));
    if (*made == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        return error_set(error, NULL, "cannot go to the background: %s", strerror(errno));
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        return error_set(error, NULL, "cannot go to the background: %s", strerror(errno));
    }
    if (child > 0) {
        close(ends[1]);
        wait_for_start(ends[0], child);
    }
    close(ends[0]);
    (*made)->told_fd = ends[1];
    (*made)->log_fd = -1;
    setsid();
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0) {
        dup2(nothing, STDIN_FILENO);
        close(nothing);
    }
    return open_log(*made, error);
}

void detach_name(struct detach *detach, const char *name)
{
    char named[sizeof(detach->path)];
    if (detach == NULL) {
        return;
    }
    const char *slash = strrchr(detach->path, '/');
    int bytes = snprintf(named, sizeof(named), "%.*s/%s.log", (int)(slash - detach->path),
                         detach->path, name);
    if (bytes < (int)sizeof(named) && rename(detach->path, named) == 0) {
        memcpy(detach->path, named, sizeof(named));
    }
}

void detach_started(struct detach *detach, const char *name)
{
    if (detach == NULL) {
        return;
    }
    char text[NAME_BYTES + sizeof(detach->path) + 128];
    int bytes = snprintf(text, sizeof(text),
                         "metic: %.48s runs in the background: metic log, metic stop; messages in "
                         "%s\n", name, detach->path);
    fflush(NULL);
    dup2(detach->log_fd, STDOUT_FILENO);
    dup2(detach->log_fd, STDERR_FILENO);
    ssize_t put = write(detach->told_fd, text, (size_t)bytes);
    (void)put; /* nobody waits any more */
    close(detach->told_fd);
    detach->told_fd = -1;
}

void detach_free(struct detach *detach)
{
    if (detach != NULL) {
        if (detach->told_fd > 0) {
            close(detach->told_fd);
        }
        if (detach->log_fd > 0) {
            close(detach->log_fd);
        }
        free(detach);
    }
}

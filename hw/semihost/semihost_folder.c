/* Files of the folder that a program may reach by semihosting.
 *
 * Names are resolved by the kernel, below the folder and through no link that leads out of it
 * (openat2, RESOLVE_BENEATH). Only regular files can be opened: a pipe would have the hart wait. */
#include "hw/semihost/semihost_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool semihost_folder_open(struct semihost *semihost, const char *path, struct metic_error *error)
{
    semihost->has_folder = true;
    if (semihost->env.journal != NULL && journal_is_replay(semihost->env.journal)) {
        return true;
    }
    semihost->folder_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return semihost->folder_fd >= 0 ||
           error_set(error, "give a folder that exists", "the folder %s for semihosting: %s", path,
                     strerror(errno));
}

static int open_beneath(int folder_fd, const char *name, int flags, mode_t mode)
{
    struct open_how how = {.flags = (unsigned)flags, .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, folder_fd, name, &how, sizeof(how));
    return fd >= 0 ? (int)fd : -errno;
}

/* The modes of fopen in the order of the operation's numbers, with and without b alike. */
static int flags_of(u64 mode)
{
    static const int flags[] = {
        O_RDONLY, O_RDWR,
        O_WRONLY | O_CREAT | O_TRUNC, O_RDWR | O_CREAT | O_TRUNC,
        O_WRONLY | O_CREAT | O_APPEND, O_RDWR | O_CREAT | O_APPEND,
    };
    return flags[mode / 2];
}

static s64 ask_open(struct semihost *semihost, const struct semihost_request *request)
{
    int flags = flags_of(request->value);
    if (semihost->read_only && flags != O_RDONLY) {
        return -EROFS;
    }
    /* Emptied only once it is known to be a plain file. */
    int fd = open_beneath(semihost->folder_fd, request->name,
                          (flags & ~O_TRUNC) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                          flags & O_CREAT ? 0666 : 0);
    struct stat status;
    if (fd < 0) {
        return fd;
    }
    int reason = fstat(fd, &status) != 0     ? errno
                 : S_ISDIR(status.st_mode)   ? EISDIR
                 : !S_ISREG(status.st_mode)  ? EACCES
                 : flags & O_TRUNC && ftruncate(fd, 0) != 0 ? errno
                                             : 0;
    if (reason != 0) {
        close(fd);
        return -reason;
    }
    semihost->fds[request->slot] = fd;
    return 0;
}

/* The folder in which the name's last part is, and that part. */
static int parent_of(const struct semihost *semihost, const char *name, const char **last)
{
    char folder[SEMIHOST_NAME_MOST_BYTES + 1];
    const char *slash = strrchr(name, '/');
    *last = slash != NULL ? slash + 1 : name;
    size_t folder_bytes = slash != NULL ? (size_t)(slash - name) : 0;
    if (slash == name) {
        return -EXDEV; /* as the kernel says of names that begin at the root */
    }
    memcpy(folder, name, folder_bytes);
    folder[folder_bytes] = '\0';
    return open_beneath(semihost->folder_fd, folder_bytes > 0 ? folder : ".",
                        O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
}

static s64 ask_remove(const struct semihost *semihost, const struct semihost_request *request)
{
    const char *last;
    int parent = semihost->read_only ? -EROFS : parent_of(semihost, request->name, &last);
    if (parent < 0) {
        return parent;
    }
    s64 result = unlinkat(parent, last, 0) == 0 ? 0 : -errno;
    close(parent);
    return result;
}

static s64 ask_rename(const struct semihost *semihost, const struct semihost_request *request)
{
    const char *from, *to;
    int from_fd = semihost->read_only ? -EROFS : parent_of(semihost, request->name, &from);
    if (from_fd < 0) {
        return from_fd;
    }
    int to_fd = parent_of(semihost, request->new_name, &to);
    s64 result = to_fd < 0                                  ? to_fd
                 : renameat(from_fd, from, to_fd, to) == 0 ? 0
                                                           : -errno;
    close(from_fd);
    if (to_fd >= 0) {
        close(to_fd);
    }
    return result;
}

static s64 ask_close(struct semihost *semihost, unsigned slot)
{
    int fd = semihost->fds[slot];
    semihost->fds[slot] = -1;
    return fd >= 0 && close(fd) != 0 ? -errno : 0;
}

static s64 ask_file(const struct semihost_request *request, int fd)
{
    struct stat status;
    s64 result = -1;
    if (fd < 0) {
        return -EBADF;
    }
    switch (request->ask) {
    case SEMIHOST_READ: result = read(fd, request->bytes, request->size_bytes); break;
    case SEMIHOST_WRITE: result = write(fd, request->bytes, request->size_bytes); break;
    case SEMIHOST_SEEK: result = lseek(fd, (off_t)request->value, SEEK_SET) < 0 ? -1 : 0; break;
    default: result = fstat(fd, &status) == 0 ? status.st_size : -1; break;
    }
    return result < 0 ? -errno : result;
}

static s64 perform(struct semihost *semihost, struct semihost_request *request)
{
    switch (request->ask) {
    case SEMIHOST_OPEN: return ask_open(semihost, request);
    case SEMIHOST_CLOSE: return ask_close(semihost, request->slot);
    case SEMIHOST_REMOVE: return ask_remove(semihost, request);
    case SEMIHOST_RENAME: return ask_rename(semihost, request);
    default: return ask_file(request, semihost->fds[request->slot]);
    }
}

/* How many bytes the guest gets beside the result. */
static size_t told_bytes(const struct semihost_request *request, s64 result)
{
    return request->ask == SEMIHOST_READ && result > 0 ? (size_t)result : 0;
}

static void record(struct journal *journal, const struct semihost_request *request, s64 result)
{
    size_t size_bytes = told_bytes(request, result);
    u8 *answer = malloc(sizeof(u64) + size_bytes);
    if (answer == NULL) {
        error_no_memory(sizeof(u64) + size_bytes);
    }
    st_le64(answer, (u64)result);
    if (size_bytes > 0) {
        memcpy(answer + sizeof(u64), request->bytes, size_bytes);
    }
    journal_put_answer(journal, answer, sizeof(u64) + size_bytes);
    free(answer);
}

static s64 replay(struct journal *journal, const struct semihost_request *request)
{
    size_t size_bytes;
    u8 *answer = journal_take_answer(journal, sizeof(u64) + request->size_bytes, &size_bytes);
    s64 result = size_bytes >= sizeof(u64) ? (s64)ld_le64(answer) : -EIO;
    bool counts = request->ask == SEMIHOST_READ || request->ask == SEMIHOST_WRITE;
    if ((counts && result > (s64)request->size_bytes) ||
        (size_bytes >= sizeof(u64) && told_bytes(request, result) != size_bytes - sizeof(u64))) {
        result = -EIO; /* the recording is of another run, or damaged */
    } else if (size_bytes > sizeof(u64)) {
        memcpy(request->bytes, answer + sizeof(u64), size_bytes - sizeof(u64));
    }
    free(answer);
    return result;
}

s64 semihost_folder_ask(struct semihost *semihost, struct semihost_request *request)
{
    struct journal *journal = semihost->env.journal;
    if (journal != NULL && journal_is_replay(journal)) {
        return replay(journal, request);
    }
    s64 result = perform(semihost, request);
    if (journal != NULL && journal_is_recording(journal)) {
        record(journal, request, result);
    }
    return result;
}

void semihost_folder_close_files(struct semihost *semihost)
{
    for (unsigned i = 0; i < SEMIHOST_HANDLES; i++) {
        ask_close(semihost, i);
    }
}

/* Opening a shared folder, and the ways to a file that the others use. See share.h. */
#include "hw/share/share_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    SHARE_FD_RESERVE = 128, /* left for everything else in the process */
    SHARE_FD_LEAST = 32,
    SHARE_FD_MOST = 1 << 16,
};

bool share_name_is_ok(const char *name)
{
    size_t size_bytes = strlen(name);
    return size_bytes > 0 && size_bytes <= SHARE_NAME_MAX_BYTES && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

void share_proc_path(const struct share *share, int fd, char path[32])
{
    (void)share;
    snprintf(path, 32, "/proc/self/fd/%d", fd);
}

/* Opens what an O_PATH descriptor stands for. The number is the last step, so that nothing else is
 * followed. */
int share_proc_open(struct share *share, int fd, int flags)
{
    char number[16];
    snprintf(number, sizeof(number), "%d", fd);
    int opened = openat(share->proc_fd, number, flags | O_CLOEXEC);
    return opened >= 0 ? opened : -errno;
}

bool share_is_read_only(const struct share *share)
{
    return share->options.read_only;
}

u64 share_root_device(const struct share *share)
{
    return share->root_dev;
}

/* The mask of file modes belongs to the process, unless a thread takes its own. */
void share_thread_begin(void)
{
    if (unshare(CLONE_FS) == 0) {
        umask(0);
    }
}

/* How many descriptors nodes may keep; the limit is raised as far as the user may. */
static u32 share_fd_budget(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return SHARE_FD_LEAST;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit wanted = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) {
            limit = wanted;
        }
    }
    u64 budget = limit.rlim_cur / 4;
    budget = budget > SHARE_FD_RESERVE ? budget - SHARE_FD_RESERVE : 0;
    budget = budget > SHARE_FD_LEAST ? budget : SHARE_FD_LEAST;
    return budget < SHARE_FD_MOST ? (u32)budget : SHARE_FD_MOST;
}

static bool share_open_root(struct share *share, struct metic_error *error)
{
    const char *path = share->options.path;
    share->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (share->root_fd < 0) {
        return error_set(error, errno == ENOTDIR ? "Share the folder that it is in."
                                                 : "Give a folder that exists and may be entered.",
                         "the folder %s cannot be shared: %s", path, strerror(errno));
    }
    share->proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (share->proc_fd < 0) {
        return error_set(error, "Mount it (mount -t proc proc /proc).",
                         "sharing a folder needs /proc: %s", strerror(errno));
    }
    int fd = share_proc_open(share, share->root_fd, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return error_set(error, "Look at its permissions with ls -ld.",
                         "the folder %s cannot be read: %s", path, strerror(-fd));
    }
    close(fd);
    return true;
}

struct share *share_new(const struct share_options *options, struct metic_error *error)
{
    struct share *share = calloc(1, sizeof(*share));
    if (share == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    share->options = *options;
    share->root_fd = share->proc_fd = -1;
    share->host_uid = geteuid();
    share->host_gid = getegid();
    share->fd_budget = share_fd_budget();
    pthread_rwlock_init(&share->names, NULL);
    pthread_mutex_init(&share->lock, NULL);
    share->lru.lru_next = share->lru.lru_previous = &share->lru;
    if (!share_open_root(share, error)) {
        share_free(share);
        return NULL;
    }
    if (!share_nodes_init(share)) {
        error_set(error, NULL, "out of memory for the folder %s", options->path);
        share_free(share);
        return NULL;
    }
    return share;
}

void share_free(struct share *share)
{
    if (share == NULL) {
        return;
    }
    share_handles_clear(share);
    free(share->handles);
    share_nodes_fini(share);
    if (share->root_fd >= 0) {
        close(share->root_fd);
    }
    if (share->proc_fd >= 0) {
        close(share->proc_fd);
    }
    pthread_rwlock_destroy(&share->names);
    pthread_mutex_destroy(&share->lock);
    free(share);
}

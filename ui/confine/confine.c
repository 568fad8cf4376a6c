/* See confine.h. Landlock is reached by its system calls, since the C library has no names for
 * them: Documentation/userspace-api/landlock.rst of the kernel. */
#include "ui/confine/confine.h"

#include "cpu/base/bits.h"
#include "ui/confine/confine_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PATHS = 64, MAX_THREADS = 1024, ANSWER_MS = 1000 };

/* Linux's, since Linux 5.13; with REFER, without which shares could not move files, 5.19. */
enum {
    LL_CREATE_RULESET = 444,
    LL_ADD_RULE = 445,
    LL_RESTRICT_SELF = 446,
    LL_GET_VERSION = 1,
    LL_RULE_PATH_BENEATH = 1,
    LL_LEAST_VERSION = 2,
    LL_EXECUTE = 1 << 0,
    LL_WRITE_FILE = 1 << 1,
    LL_READ_FILE = 1 << 2,
    LL_READ_DIR = 1 << 3,
    LL_REMOVE_DIR = 1 << 4,
    LL_REMOVE_FILE = 1 << 5,
    LL_MAKE_CHAR = 1 << 6,
    LL_MAKE_DIR = 1 << 7,
    LL_MAKE_REG = 1 << 8,
    LL_MAKE_SOCK = 1 << 9,
    LL_MAKE_FIFO = 1 << 10,
    LL_MAKE_BLOCK = 1 << 11,
    LL_MAKE_SYM = 1 << 12,
    LL_REFER = 1 << 13,     /* version 2 */
    LL_TRUNCATE = 1 << 14,  /* 3 */
    LL_IOCTL_DEV = 1 << 15, /* 5 */
    LL_OF_FILES = LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV,
    LL_NET_TCP = 3,         /* 4: bind, connect */
    LL_SCOPE = 3,           /* 6: abstract sockets, signals */
};

struct ll_ruleset {
    u64 files, net, scopes;
};

struct ll_path {
    u64 access;
    s32 fd;
} __attribute__((packed));

struct confine {
    struct {
        int fd; /* O_PATH */
        bool is_folder;
        enum confine_access access;
    } paths[MAX_PATHS];
    unsigned count;
    bool full;
};

struct confine *confine_new(void)
{
    return calloc(1, sizeof(struct confine));
}

void confine_free(struct confine *confine)
{
    if (confine != NULL) {
        for (unsigned i = 0; i < confine->count; i++) {
            close(confine->paths[i].fd);
        }
        free(confine);
    }
}

void confine_allow(struct confine *confine, const char *path, enum confine_access access)
{
    struct stat status;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || confine->count == MAX_PATHS) {
        confine->full = confine->full || confine->count == MAX_PATHS;
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    confine->paths[confine->count].fd = fd;
    confine->paths[confine->count].is_folder = S_ISDIR(status.st_mode);
    confine->paths[confine->count++].access = access;
}

/* --- Landlock's list --- */

static unsigned landlock_version(void)
{
    long version = syscall(LL_CREATE_RULESET, NULL, 0, LL_GET_VERSION);
    return version >= LL_LEAST_VERSION ? (unsigned)version : 0;
}

static u64 all_rights(unsigned version)
{
    u64 rights = (LL_REFER << 1) - 1;
    return rights | (version >= 3 ? LL_TRUNCATE : 0) | (version >= 5 ? LL_IOCTL_DEV : 0);
}

static u64 rights_of(enum confine_access access)
{
    switch (access) {
    case CONFINE_READ: return LL_READ_FILE | LL_READ_DIR;
    case CONFINE_WRITE: return LL_READ_FILE | LL_WRITE_FILE | LL_TRUNCATE;
    case CONFINE_REMOVE: return LL_REMOVE_FILE | LL_REMOVE_DIR;
    case CONFINE_SOCKET: return LL_REMOVE_FILE | LL_MAKE_SOCK;
    default:
        return (u64)~(LL_EXECUTE | LL_MAKE_CHAR | LL_MAKE_BLOCK);
    }
}

static bool refused(struct metic_error *error)
{
    return error_set(error, "give --confine off", "cannot give up files (Landlock): %s",
                     strerror(errno));
}

/* The list as a descriptor, or -1 with a reason. */
static int make_list(const struct confine *confine, const struct confine_needs *needs,
                     unsigned version, struct metic_error *error)
{
    struct ll_ruleset handled = {
        .files = all_rights(version),
        .net = version >= 4 && !needs->internet && !needs->window ? LL_NET_TCP : 0,
        .scopes = version >= 6 && !needs->window && !needs->children ? LL_SCOPE : 0,
    };
    size_t bytes = version >= 6   ? sizeof(handled)
                   : version >= 4 ? offsetof(struct ll_ruleset, scopes)
                                  : offsetof(struct ll_ruleset, net);
    int list = (int)syscall(LL_CREATE_RULESET, &handled, bytes, 0);
    for (unsigned i = 0; list >= 0 && i < confine->count; i++) {
        struct ll_path path = {
            .access = rights_of(confine->paths[i].access) & handled.files &
                      (confine->paths[i].is_folder ? ~(u64)0 : LL_OF_FILES),
            .fd = confine->paths[i].fd,
        };
        if (path.access != 0 &&
            syscall(LL_ADD_RULE, list, LL_RULE_PATH_BENEATH, &path, 0) != 0) {
            close(list);
            list = -1;
        }
    }
    if (list < 0) {
        refused(error);
    }
    return list;
}

/* --- all threads --- */

/* A signal's handler has no argument to find anything by; the process is confined once. */
static struct {
    int list;
    _Atomic int done[MAX_THREADS]; /* numbers of threads, in the order of their answers */
    _Atomic unsigned done_count;
    _Atomic int failed; /* errno of one of them, or 0 */
} asked;

static void restrict_thread(int signal_number)
{
    int before = errno;
    (void)signal_number;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(LL_RESTRICT_SELF, asked.list, 0) != 0) {
        atomic_store(&asked.failed, errno);
    }
    unsigned at = atomic_fetch_add(&asked.done_count, 1);
    if (at < MAX_THREADS) {
        atomic_store(&asked.done[at], (int)syscall(SYS_gettid));
    }
    syscall(SYS_futex, &asked.done_count, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = before;
}

static bool has_answered(int thread)
{
    unsigned count = atomic_load(&asked.done_count);
    for (unsigned i = 0; i < count && i < MAX_THREADS; i++) {
        if (atomic_load(&asked.done[i]) == thread) {
            return true;
        }
    }
    return false;
}

/* Until so many have answered, or for a moment: a thread that has ended will not. */
static void await_answers(unsigned wanted)
{
    const struct timespec moment = {.tv_nsec = 200000};
    unsigned count;
    long failed = 0;
    while (failed == 0 && (count = atomic_load(&asked.done_count)) < wanted) {
        failed = syscall(SYS_futex, &asked.done_count, FUTEX_WAIT_PRIVATE, count, &moment, NULL, 0);
        failed = failed != 0 && errno != EAGAIN;
    }
}

/* Looks through the threads that there are now and asks those that have not been. Returns how many
 * have not answered. */
static unsigned ask_threads(int signal_number, int *known, unsigned *known_count)
{
    unsigned waiting = 0;
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        int thread = atoi(entry->d_name);
        unsigned i = 0;
        if (thread == 0 || has_answered(thread)) {
            continue;
        }
        while (i < *known_count && known[i] != thread) {
            i++;
        }
        if (i == *known_count && i < MAX_THREADS &&
            syscall(SYS_tgkill, getpid(), thread, signal_number) == 0) {
            known[(*known_count)++] = thread;
        }
        waiting++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return folder != NULL ? waiting : 1;
}

/* Before this thread: it could not list the others after. Threads made meanwhile come from others
 * that are not restricted yet, or inherit; so until a look finds none that has not answered. */
static bool restrict_all(int list, unsigned *outside, struct metic_error *error)
{
    const int signal_number = SIGRTMIN + 5;
    struct sigaction before, ours = {.sa_handler = restrict_thread, .sa_flags = SA_RESTART};
    int known[MAX_THREADS];
    unsigned known_count = 0;
    asked.list = list;
    atomic_store(&asked.done_count, 0);
    atomic_store(&asked.failed, 0);
    sigfillset(&ours.sa_mask);
    if (sigaction(signal_number, &ours, &before) != 0) {
        return refused(error);
    }
    /* This thread is never asked. */
    asked.done[0] = (int)syscall(SYS_gettid);
    atomic_store(&asked.done_count, 1);
    *outside = ask_threads(signal_number, known, &known_count);
    for (unsigned i = 0; *outside > 0 && i < ANSWER_MS * 5; i++) {
        await_answers(known_count + 1);
        *outside = ask_threads(signal_number, known, &known_count);
    }
    if (*outside == 0) {
        sigaction(signal_number, &before, NULL);
    } /* else the signal may yet come */
    errno = atomic_load(&asked.failed);
    if (errno != 0 || syscall(LL_RESTRICT_SELF, list, 0) != 0) {
        return refused(error);
    }
    return true;
}

static bool confine_files(const struct confine *confine, const struct confine_needs *needs,
                          struct confine_report *report, struct metic_error *error)
{
    unsigned version = landlock_version();
    if (version == 0) {
        return true;
    }
    int list = make_list(confine, needs, version, error);
    bool ok = list >= 0 && restrict_all(list, &report->threads_outside, error);
    if (list >= 0) {
        close(list);
    }
    report->landlock = ok ? version : 0;
    return ok;
}

bool confine_enter(struct confine *confine, const struct confine_needs *needs,
                   struct confine_report *report, struct metic_error *error)
{
    *report = (struct confine_report){0};
    if (confine->full) {
        return error_set(error, "give --confine off", "there are too many paths to stay confined");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_set(error, "give --confine off", "cannot give up new privileges: %s",
                         strerror(errno));
    }
    report->no_new_privs = true;
    if (!confine_files(confine, needs, report, error) || !confine_calls(needs, error)) {
        return false;
    }
    report->seccomp = confine_calls_are_built();
    return true;
}

void confine_probe(struct confine_report *report)
{
    *report = (struct confine_report){
        .no_new_privs = true,
        .seccomp = confine_calls_are_built(),
        .landlock = landlock_version(),
    };
}

void confine_describe(const struct confine_report *report, char *text, size_t text_bytes)
{
    char landlock[64] = "no Landlock (this kernel has none)", outside[64] = "";
    if (report->landlock != 0) {
        snprintf(landlock, sizeof(landlock), "Landlock (version %u)", report->landlock);
    }
    if (report->threads_outside != 0) {
        snprintf(outside, sizeof(outside), " but for %u threads of libraries",
                 report->threads_outside);
    }
    snprintf(text, text_bytes, "%s%s, %s%s", report->no_new_privs ? "no_new_privs, " : "",
             report->seccomp ? "seccomp" : "no seccomp (built without libseccomp)", landlock,
             outside);
}

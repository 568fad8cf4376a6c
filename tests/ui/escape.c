/* A plug-in that tries to break out of the process it is in, as code would that a guest got to run
 * there: from every thread, once the machine runs. A line for each attempt to standard error:
 * "escape: WHAT: refused" or "escape: WHAT: DONE". Arguments: allowed (a file that may be opened),
 * folder (a folder that may be
 * written), precious (a file to take away). */
#include "ui/metic_plugin.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const struct metic_plugin_api *api;
static metic_plugin *plugin;
static int threads[256], thread_count, parent;
static _Atomic int tried, answered, opened;

static void tell(const char *what, bool done)
{
    char line[200];
    snprintf(line, sizeof(line), "%s: %s", what, done ? "DONE" : "refused");
    api->say(plugin, line);
}

static bool can_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static bool can_connect(int domain, const struct sockaddr *to, socklen_t bytes)
{
    int fd = socket(domain, SOCK_STREAM, 0);
    bool done = fd >= 0 && (connect(fd, to, bytes) == 0 || errno == ECONNREFUSED ||
                            errno == ENOENT);
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

/* At an address of ours, where the parent has something or nothing (EFAULT). */
static bool can_read_parent(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)&parent, 1};
    return process_vm_readv(parent, &here, 1, &there, 1, 0) == 1 || errno == EFAULT;
}

static bool can_fork(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    return child > 0;
}

static bool can_exec(void)
{
    char *argv[] = {"true", NULL}, *envp[] = {NULL};
    execve("/bin/true", argv, envp); /* does not come back when it is done: the test sees that */
    return false;
}

static void *say_number(void *number)
{
    *(int *)number = gettid();
    return NULL;
}

/* The number of a new thread, which has ended; 0: none may be made. */
static int newest_thread(void)
{
    pthread_t thread;
    int number = 0;
    if (pthread_create(&thread, NULL, say_number, &number) == 0) {
        pthread_join(thread, NULL);
    }
    return number;
}

static void files(void)
{
    const char *allowed = api->argument(plugin, "allowed");
    const char *folder = api->argument(plugin, "folder");
    const char *precious = api->argument(plugin, "precious");
    char path[512], other[512];
    tell("read /etc/passwd", can_open("/etc/passwd", O_RDONLY));
    tell("read a shadow", can_open("/etc/shadow", O_RDONLY));
    tell("read memory of init", can_open("/proc/1/mem", O_RDONLY));
    tell("read own environment", can_open("/proc/self/environ", O_RDONLY));
    tell("list /", can_open("/", O_RDONLY | O_DIRECTORY));
    tell("make a file", can_open("/tmp/metic-escaped", O_WRONLY | O_CREAT));
    tell("make a folder", mkdir("/tmp/metic-escaped-folder", 0700) == 0);
    tell("make a link", symlink("/etc/passwd", "/tmp/metic-escaped-link") == 0);
    if (precious != NULL) {
        tell("remove a file", unlink(precious) == 0);
    }
    if (allowed != NULL) {
        tell("allowed file", can_open(allowed, O_RDONLY));
    }
    if (folder != NULL) {
        snprintf(path, sizeof(path), "%s/made", folder);
        tell("allowed folder", can_open(path, O_WRONLY | O_CREAT));
        snprintf(path, sizeof(path), "%s/link", folder);
        tell("allowed link", symlink("/etc/passwd", path) == 0);
        tell("through the link", can_open(path, O_RDONLY));
        snprintf(other, sizeof(other), "%s/../../../../../../../../etc/passwd", folder);
        tell("through the parents", can_open(other, O_RDONLY));
        snprintf(other, sizeof(other), "%s/hard", folder);
        tell("a hard link into it", link("/etc/passwd", other) == 0);
    }
}

static void rest(void)
{
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(9),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/tmp/metic-no-such-socket"};
    tell("connect", can_connect(AF_INET, (struct sockaddr *)&host, sizeof(host)));
    tell("connect on this host", can_connect(AF_UNIX, (struct sockaddr *)&local, sizeof(local)));
    tell("a raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0);
    tell("a netlink socket", socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
    tell("fork", can_fork());
    errno = 0; /* of a process that is not traced the kernel says ESRCH */
    tell("trace the parent", ptrace(PTRACE_PEEKDATA, parent, NULL, NULL) == 0 || errno != EPERM);
    tell("read the parent's memory", can_read_parent());
    tell("signal the parent", kill(parent, 0) == 0);
    tell("type into the terminal", ioctl(STDIN_FILENO, TIOCSTI, "x") == 0);
    tell("a namespace", unshare(CLONE_NEWUSER) == 0);
    tell("another root", chroot("/") == 0);
    tell("memory that is written and executed",
         mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
             MAP_FAILED);
    tell("io_uring", syscall(425, 4, NULL) >= 0);
    tell("a thread", newest_thread() != 0);
    tell("run a program", can_exec());
}

/* On every thread there is; writes nothing, since any function may have been interrupted. */
static void on_signal(int number)
{
    int before = errno;
    (void)number;
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        opened++;
        close(fd);
    }
    if (syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0) >= 0) {
        opened++;
    }
    answered++;
    errno = before;
}

static bool is_listed(int thread)
{
    int i = 0;
    while (i < thread_count && threads[i] != thread) {
        i++;
    }
    return i < thread_count;
}

/* Asks the threads that there were at the start and, since nobody may list them any more, what has
 * a number between the process's and a new thread's. Returns how many there are. */
static int ask_threads(void)
{
    int asked = 0;
    for (int i = 0; i < thread_count; i++) {
        asked += syscall(SYS_tgkill, getpid(), threads[i], SIGRTMIN + 6) == 0;
    }
    int newest = newest_thread();
    for (int thread = getpid() + 1; thread < newest; thread++) {
        asked += !is_listed(thread) &&
                 syscall(SYS_tgkill, getpid(), thread, SIGRTMIN + 6) == 0;
    }
    return asked;
}

static void on_block(void)
{
    if (tried++ != 0) {
        return;
    }
    files();
    rest();
    int asked = ask_threads();
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 5000 && answered < asked; i++) {
        nanosleep(&pause, NULL);
    }
    char line[100];
    snprintf(line, sizeof(line), "%d threads asked, %d answered, %d opened something", asked,
             answered, opened);
    api->say(plugin, line);
}

int metic_plugin_start(const struct metic_plugin_api *given, metic_plugin *mine)
{
    api = given;
    plugin = mine;
    parent = getppid();
    signal(SIGRTMIN + 6, on_signal);
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL && thread_count < 256) {
        if (entry->d_name[0] != '.') {
            threads[thread_count++] = atoi(entry->d_name);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return api->on(plugin, "block", on_block, "", NULL);
}

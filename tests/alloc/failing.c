/* The command line with a host that runs out: linked with --wrap around it, metic's own calls that
 * ask the host for memory, threads and descriptors go through here, and the Nth of them fails.
 *
 * METIC_FAIL_AT=N    the Nth fails; from then on only METIC_FAIL_COUNT=M more do (default 1)
 * METIC_FAIL_REPORT  file to which the number of calls is written at the end */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic unsigned long calls;
static unsigned long first, last;
static int report_fd = -1; /* opened early: metic may have given up opening files at the end */

__attribute__((constructor)) static void read_environment(void)
{
    const char *at = getenv("METIC_FAIL_AT");
    const char *count = getenv("METIC_FAIL_COUNT");
    first = at != NULL ? strtoul(at, NULL, 10) : 0;
    const char *path = getenv("METIC_FAIL_REPORT");
    last = first + (count != NULL ? strtoul(count, NULL, 10) : 1) - 1;
    report_fd = path != NULL ? creat(path, 0600) : -1;
}

__attribute__((destructor)) static void report(void)
{
    if (report_fd >= 0) {
        dprintf(report_fd, "%lu\n", atomic_load(&calls));
    }
}

static int fails(int reason)
{
    unsigned long call = atomic_fetch_add(&calls, 1) + 1;
    if (first == 0 || call < first || call > last) {
        return 0;
    }
    errno = reason;
    return 1;
}

/* WRAP(result, name, parameters, arguments, on failure, errno) */
#define WRAP(type, name, parameters, arguments, failure, reason)        \
    type __real_##name parameters;                                      \
    type __wrap_##name parameters;                                      \
    type __wrap_##name parameters                                       \
    {                                                                   \
        return fails(reason) ? (failure) : __real_##name arguments; \
    }

WRAP(void *, malloc, (size_t bytes), (bytes), NULL, ENOMEM)
WRAP(void *, calloc, (size_t count, size_t bytes), (count, bytes), NULL, ENOMEM)
WRAP(void *, realloc, (void *old, size_t bytes), (old, bytes), NULL, ENOMEM)
WRAP(void *, aligned_alloc, (size_t align, size_t bytes), (align, bytes), NULL, ENOMEM)
WRAP(char *, strdup, (const char *text), (text), NULL, ENOMEM)
WRAP(char *, strndup, (const char *text, size_t bytes), (text, bytes), NULL, ENOMEM)
WRAP(void *, mmap, (void *at, size_t bytes, int protection, int flags, int fd, off_t offset),
     (at, bytes, protection, flags, fd, offset), MAP_FAILED, ENOMEM)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1, ENFILE)
WRAP(int, eventfd, (unsigned value, int flags), (value, flags), -1, ENFILE)
WRAP(int, epoll_create1, (int flags), (flags), -1, ENFILE)
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), -1, ENFILE)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL, ENFILE)
WRAP(int, pthread_create,
     (pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *opaque),
     (thread, attributes, run, opaque), EAGAIN, EAGAIN)

/* See quota.h. */
#include "ui/confine/quota.h"

#include "cpu/base/types.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    NS_PER_MS = 1000000,
    LOOK_NS = 10 * NS_PER_MS,
    SHORT_LOOK_NS = 3 * NS_PER_MS, /* small shares: so that a guest is not held for long */
    HOLD_MAX_NS = 200 * NS_PER_MS,
    SAVED_MAX_NS = 20 * NS_PER_MS, /* of the share, while it was not used */
    SMALL_PERCENT = 30,
};

struct quota {
    metic_machine *machine;
    unsigned cpu_percent;
    u64 memory_bytes;
    int statm_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ending;
    _Atomic u64 taken_bytes; /* when it was too much; 0: never */
};

static s64 clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (s64)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* False: the end has come. */
static bool wait_ns(struct quota *quota, s64 ns)
{
    s64 until_ns = clock_ns(CLOCK_MONOTONIC) + ns;
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = until_ns % 1000000000};
    int waited = 0;
    pthread_mutex_lock(&quota->lock);
    while (!quota->ending && waited == 0) {
        waited = pthread_cond_timedwait(&quota->changed, &quota->lock, &until);
    }
    bool goes_on = !quota->ending;
    pthread_mutex_unlock(&quota->lock);
    return goes_on;
}

/* /proc/self/statm: size, resident, ... in pages. 0: the host does not say. */
static u64 resident_bytes(const struct quota *quota)
{
    char text[128];
    ssize_t got = pread(quota->statm_fd, text, sizeof(text) - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    const char *second = strchr(text, ' ');
    long page_bytes = sysconf(_SC_PAGESIZE);
    return second != NULL ? strtoull(second, NULL, 10) * (u64)page_bytes : 0;
}

static void look_at_memory(struct quota *quota)
{
    u64 taken_bytes = quota->memory_bytes != 0 ? resident_bytes(quota) : 0;
    if (taken_bytes > quota->memory_bytes && atomic_load(&quota->taken_bytes) == 0) {
        atomic_store(&quota->taken_bytes, taken_bytes);
        metic_stop(quota->machine);
    }
}

/* Called with what the process has used and may use since the last time; `debt_ns` of processor
 * time beyond its share are waited out. */
static bool pay(struct quota *quota, s64 debt_ns)
{
    s64 hold_ns = debt_ns / quota->cpu_percent * 100;
    metic_hold(quota->machine);
    bool goes_on = wait_ns(quota, hold_ns < HOLD_MAX_NS ? hold_ns : HOLD_MAX_NS);
    metic_let_go(quota->machine);
    return goes_on;
}

static void *quota_main(void *opaque)
{
    struct quota *quota = opaque;
    const s64 look_ns = quota->cpu_percent != 0 && quota->cpu_percent < SMALL_PERCENT
                            ? SHORT_LOOK_NS : LOOK_NS;
    s64 before_ns = clock_ns(CLOCK_MONOTONIC), before_used_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    s64 debt_ns = 0;
    while (wait_ns(quota, look_ns)) {
        s64 now_ns = clock_ns(CLOCK_MONOTONIC), used_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        look_at_memory(quota);
        if (quota->cpu_percent == 0) {
            continue;
        }
        debt_ns += used_ns - before_used_ns - (now_ns - before_ns) * quota->cpu_percent / 100;
        debt_ns = debt_ns > -SAVED_MAX_NS ? debt_ns : -SAVED_MAX_NS;
        before_ns = now_ns;
        before_used_ns = used_ns;
        if (debt_ns > 0 && !pay(quota, debt_ns)) {
            break;
        }
    }
    return NULL;
}

static void quota_free(struct quota *quota)
{
    if (quota->statm_fd >= 0) {
        close(quota->statm_fd);
    }
    pthread_cond_destroy(&quota->changed);
    pthread_mutex_destroy(&quota->lock);
    free(quota);
}

/* The limit must leave something to the guest. */
static bool check_memory(struct quota *quota, struct metic_error *error)
{
    quota->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (quota->statm_fd < 0) {
        return error_set(error, "Mount it (mount -t proc proc /proc).",
                         "--limit-memory needs /proc: %s", strerror(errno));
    }
    u64 now_bytes = resident_bytes(quota);
    return now_bytes < quota->memory_bytes ||
           error_set(error, "Give more: what the guest touches comes on top.",
                     "--limit-memory: metic has taken %llu MiB before the guest runs",
                     (unsigned long long)(now_bytes >> 20));
}

bool quota_start(metic_machine *machine, unsigned cpu_percent, uint64_t memory_bytes,
                 struct quota **made, struct metic_error *error)
{
    pthread_condattr_t attributes;
    *made = NULL;
    if (cpu_percent == 0 && memory_bytes == 0) {
        return true;
    }
    struct quota *quota = calloc(1, sizeof(*quota));
    if (quota == NULL) {
        return error_set(error, NULL, "the host has no memory");
    }
    *quota = (struct quota){.machine = machine, .cpu_percent = cpu_percent,
                            .memory_bytes = memory_bytes, .statm_fd = -1};
    pthread_mutex_init(&quota->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&quota->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    bool ok = (memory_bytes == 0 || check_memory(quota, error)) &&
              (pthread_create(&quota->thread, NULL, quota_main, quota) == 0 ||
               error_set(error, NULL, "the host gives no more threads"));
    if (!ok) {
        quota_free(quota);
        return false;
    }
    *made = quota;
    return true;
}

bool quota_end(struct quota *quota, char *text, size_t text_bytes)
{
    if (quota == NULL) {
        return false;
    }
    pthread_mutex_lock(&quota->lock);
    quota->ending = true;
    pthread_cond_signal(&quota->changed);
    pthread_mutex_unlock(&quota->lock);
    pthread_join(quota->thread, NULL);
    u64 taken_bytes = atomic_load(&quota->taken_bytes);
    if (taken_bytes != 0) {
        snprintf(text, text_bytes,
                 "metic took %llu MiB of this host's memory, more than --limit-memory",
                 (unsigned long long)(taken_bytes >> 20));
    }
    quota_free(quota);
    return taken_bytes != 0;
}

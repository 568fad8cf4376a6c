/* See plugin_guard.h. */
#include "ui/plugin/plugin_guard.h"

#include "cpu/base/types.h"
#include "ui/signals.h"
#include "ui/ui.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STUCK_LOOKS = 5, ENDING_LOOKS = 2 }; /* a second apart */

/* The plug-in whose code this thread is in, or NULL. */
static _Thread_local const char *plugin_guard_name;

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static struct sigaction before[ARRAY_LEN(signals)];
static _Atomic bool at_work;

/* Where each hart is. */
static struct {
    _Atomic u64 calls;
    _Atomic(const char *) name, event; /* name NULL: in no callback */
} inside[METIC_MAX_HARTS];

static struct {
    metic_machine *machine;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ending, has_thread;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void say(const char *name, const char *what)
{
    const char *const parts[] = {"metic: the plug-in ", name, what, "\n"};
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
        ssize_t put = write(STDERR_FILENO, parts[i], strlen(parts[i]));
        (void)put;
    }
}

/* Async-signal-safe. Who handled it before, the terminal perhaps, does when this returns. */
static void on_fault(int number)
{
    if (plugin_guard_name != NULL) {
        say(plugin_guard_name, number == SIGABRT ? " gave up (abort)" : " crashed");
    }
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
        if (signals[i] == number) {
            sigaction(number, &before[i], NULL);
        }
    }
    raise(number);
}

/* After all that exit calls, so that the terminal is as it was. */
__attribute__((destructor)) static void at_end(void)
{
    if (atomic_load(&at_work) && plugin_guard_name != NULL) {
        say(plugin_guard_name, " called exit, and the run with it is over");
        fflush(NULL);
        _exit(UI_EXIT_FAILED);
    }
}

/* Only the hart's thread writes, so counting needs no locked addition. */
void plugin_guard_enter(unsigned hart, const char *name, const char *event)
{
    plugin_guard_name = name;
    u64 calls = atomic_load_explicit(&inside[hart].calls, memory_order_relaxed);
    atomic_store_explicit(&inside[hart].calls, calls + 1, memory_order_relaxed);
    atomic_store_explicit(&inside[hart].event, event, memory_order_relaxed);
    atomic_store_explicit(&inside[hart].name, name, memory_order_relaxed);
}

void plugin_guard_leave(unsigned hart)
{
    atomic_store_explicit(&inside[hart].name, NULL, memory_order_relaxed);
    plugin_guard_name = NULL;
}

/* A second, or less when the run ends. */
static bool watch_goes_on(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    pthread_mutex_lock(&watch.lock);
    int waited = 0;
    while (!watch.ending && waited == 0) {
        waited = pthread_cond_timedwait(&watch.changed, &watch.lock, &until);
    }
    bool goes_on = !watch.ending;
    pthread_mutex_unlock(&watch.lock);
    return goes_on;
}

static void say_stuck(unsigned hart, const char *what)
{
    char text[200];
    const char *event = atomic_load_explicit(&inside[hart].event, memory_order_relaxed);
    const char *name = atomic_load_explicit(&inside[hart].name, memory_order_relaxed);
    if (name != NULL && event != NULL) {
        snprintf(text, sizeof(text), " has not returned from its callback for '%s'%s", event, what);
        say(name, text);
    }
}

/* What a hart in a callback never comes back from, it cannot be stopped in: the process ends. */
static void watch_look(unsigned hart, unsigned looks, unsigned *ending)
{
    bool ends = signals_came() || metic_is_stopping(watch.machine);
    *ending = looks != 0 && ends ? *ending + 1 : 0;
    if (*ending == ENDING_LOOKS) {
        say_stuck(hart, ", so the run ends without it");
        signals_end_process();
    }
    if (looks == STUCK_LOOKS && *ending == 0) {
        say_stuck(hart, " for some seconds, and the guest waits\n"
                        "       (Ctrl-C, or SIGTERM, ends the run)");
    }
}

/* Looks are counted, not time: a process that was stopped meanwhile has not hung. */
static void *watch_main(void *opaque)
{
    (void)opaque;
    u64 calls[METIC_MAX_HARTS] = {0};
    unsigned looks[METIC_MAX_HARTS] = {0}, ending[METIC_MAX_HARTS] = {0};
    while (watch_goes_on()) {
        for (unsigned hart = 0; hart < METIC_MAX_HARTS; hart++) {
            const char *name = atomic_load_explicit(&inside[hart].name, memory_order_relaxed);
            u64 now = atomic_load_explicit(&inside[hart].calls, memory_order_relaxed);
            looks[hart] = name != NULL && now == calls[hart] ? looks[hart] + 1 : 0;
            calls[hart] = now;
            watch_look(hart, looks[hart], &ending[hart]);
        }
    }
    return NULL;
}

static void watch_begin(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    watch.ending = false;
    watch.has_thread = pthread_create(&watch.thread, NULL, watch_main, NULL) == 0;
}

static void watch_end(void)
{
    pthread_mutex_lock(&watch.lock);
    watch.ending = true;
    pthread_cond_signal(&watch.changed);
    pthread_mutex_unlock(&watch.lock);
    if (watch.has_thread) {
        pthread_join(watch.thread, NULL);
    }
    pthread_cond_destroy(&watch.changed);
}

void plugin_guard_begin(metic_machine *machine)
{
    watch.machine = machine;
    const struct sigaction ours = {.sa_handler = on_fault};
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
        sigaction(signals[i], &ours, &before[i]);
    }
    atomic_store(&at_work, true);
    watch_begin();
}

void plugin_guard_end(void)
{
    watch_end();
    atomic_store(&at_work, false);
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
        sigaction(signals[i], &before[i], NULL);
    }
}

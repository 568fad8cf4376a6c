/* See plugin_guard.h. */
#include "ui/plugin_guard.h"

#include "cpu/base/types.h"
#include "ui/ui.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Thread_local const char *plugin_guard_name;

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static struct sigaction before[ARRAY_LEN(signals)];
static _Atomic bool at_work;

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

void plugin_guard_begin(void)
{
    const struct sigaction ours = {.sa_handler = on_fault};
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
        sigaction(signals[i], &ours, &before[i]);
    }
    atomic_store(&at_work, true);
}

void plugin_guard_end(void)
{
    atomic_store(&at_work, false);
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
        sigaction(signals[i], &before[i], NULL);
    }
}

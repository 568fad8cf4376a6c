/* See signals.h. */
#include "ui/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signals {
    metic_machine *machine;
    pthread_t thread;
    bool has_thread;
    int signal_fd, end_fd;
    _Atomic int caught; /* the first signal's number */
};

static _Atomic int first_signal;  /* of the process */
static _Atomic bool is_debugged; /* SIGINT is the debugger's */

static void signals_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;
    signals_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void signals_unblock(void)
{
    sigset_t set;
    signals_set(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* The default action, or the handler that puts the terminal back first. */
static void signals_die(int signal_number)
{
    signals_unblock();
    raise(signal_number);
}

/* The number of the first one that came, or waits to be seen; 0: none. */
static int signals_first(void)
{
    sigset_t ours, waiting;
    int first = atomic_load(&first_signal);
    signals_set(&ours);
    if (atomic_load(&is_debugged)) {
        sigdelset(&ours, SIGINT);
    }
    sigemptyset(&waiting);
    sigpending(&waiting);
    for (int n = 1; first == 0 && n < NSIG; n++) {
        first = sigismember(&ours, n) == 1 && sigismember(&waiting, n) == 1 ? n : 0;
    }
    return first;
}

void signals_leave_interrupts(void)
{
    signal(SIGINT, SIG_IGN);
    atomic_store(&is_debugged, true);
}

bool signals_came(void)
{
    return signals_first() != 0;
}

void signals_end_process(void)
{
    int first = signals_first();
    signals_die(first != 0 ? first : SIGTERM);
}

static void signals_handle(struct signals *signals)
{
    struct signalfd_siginfo info;
    if (read(signals->signal_fd, &info, sizeof(info)) != sizeof(info)) {
        return;
    }
    if (info.ssi_signo == SIGINT && atomic_load(&is_debugged)) {
        return;
    }
    if (atomic_load(&signals->caught) != 0) {
        signals_die((int)info.ssi_signo);
    }
    atomic_store(&signals->caught, (int)info.ssi_signo);
    atomic_store(&first_signal, (int)info.ssi_signo);
    metic_stop(signals->machine);
}

static void *signals_thread(void *opaque)
{
    struct signals *signals = opaque;
    struct pollfd fds[] = {{signals->signal_fd, POLLIN, 0}, {signals->end_fd, POLLIN, 0}};
    for (;;) {
        if (poll(fds, 2, -1) > 0) {
            if (fds[0].revents != 0) {
                signals_handle(signals);
            }
            if (fds[1].revents != 0) {
                return NULL;
            }
        }
    }
}

static void signals_free(struct signals *signals)
{
    if (signals->signal_fd >= 0) {
        close(signals->signal_fd);
    }
    if (signals->end_fd >= 0) {
        close(signals->end_fd);
    }
    free(signals);
}

struct signals *signals_new(metic_machine *machine)
{
    sigset_t set;
    signals_set(&set);
    struct signals *signals = calloc(1, sizeof(*signals));
    if (signals != NULL) {
        signals->machine = machine;
        signals->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        signals->end_fd = eventfd(0, EFD_CLOEXEC);
        if (signals->signal_fd >= 0 && signals->end_fd >= 0) {
            return signals;
        }
        signals_free(signals);
    }
    signals_unblock();
    return NULL;
}

void signals_start(struct signals *signals)
{
    signals->has_thread =
        pthread_create(&signals->thread, NULL, signals_thread, signals) == 0;
    if (!signals->has_thread) {
        signals_unblock();
    }
}

int signals_end(struct signals *signals)
{
    if (signals == NULL) {
        return 0;
    }
    uint64_t one = 1;
    if (signals->has_thread && write(signals->end_fd, &one, sizeof(one)) == sizeof(one)) {
        pthread_join(signals->thread, NULL);
    }
    int caught = atomic_load(&signals->caught);
    signals_free(signals);
    return caught;
}

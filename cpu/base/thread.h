/* Threads of ours that leave signals to their maker's. */
#ifndef METIC_CPU_BASE_THREAD_H
#define METIC_CPU_BASE_THREAD_H

#include <signal.h>
#include <sys/prctl.h>

/* The calling thread, and those it makes from here on, get no signals but real-time ones, by which
 * a process may reach each of its threads. `before` gets what was blocked, for
 * pthread_sigmask(SIG_SETMASK); or NULL. */
static inline void thread_block_signals(sigset_t *before)
{
    /* What a thread does itself: blocked, they end the process without their handlers, and the
     * terminal stays as the guest had it. */
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t set;
    sigfillset(&set);
    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        sigdelset(&set, faults[i]);
    }
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        sigdelset(&set, number);
    }
    pthread_sigmask(SIG_BLOCK, &set, before);
}

/* The calling thread's name, whose first 15 bytes top -H, ps -L and perf show. */
static inline void thread_set_name(const char *name)
{
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

#endif

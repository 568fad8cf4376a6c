/* The process's terminal in raw mode, put back on every way out.
 *
 * A process has one controlling terminal, so this is the one place with process-wide state: what
 * the terminal was like, and whether we changed it. It is put back by char_terminal_leave, at exit,
 * while the process is stopped, and by a handler for fatal signals that nobody else handles; who
 * installs handlers of his own calls char_terminal_restore from them. */
#include "hw/char/char_backend_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static struct char_terminal {
    struct termios cooked; /* written before `raw` is set, then constant */
    struct termios rawed;
    volatile sig_atomic_t raw;
    bool exit_hook;
    pthread_mutex_t lock;
} terminal = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const int char_terminal_signals[] = {SIGINT, SIGTERM, SIGHUP,  SIGQUIT, SIGABRT,
                                            SIGBUS, SIGFPE,  SIGILL,  SIGSEGV, SIGSYS};

void char_terminal_restore(void)
{
    if (terminal.raw) {
        int saved = errno;
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.cooked);
        errno = saved;
    }
}

/* After SIGCONT; async-signal-safe. */
static void char_terminal_resume(void)
{
    if (terminal.raw) {
        int saved = errno;
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.rawed);
        errno = saved;
    }
}

/* SA_RESETHAND put the default action back; returning from a fault or raising again ends us. */
static void char_terminal_signal(int signal_number)
{
    char_terminal_restore();
    raise(signal_number);
}

/* Ctrl-Z goes to the guest, but `kill -TSTP` stops metic, and then the shell that waits for it
 * needs its terminal. */
static void char_terminal_stop_signal(int signal_number)
{
    int saved = errno;
    if (signal_number == SIGTSTP) {
        char_terminal_restore();
        raise(SIGSTOP);
    } else {
        char_terminal_resume();
    }
    errno = saved;
}

static void char_terminal_catch(int signal_number, const struct sigaction *ours)
{
    struct sigaction old;
    if (sigaction(signal_number, NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
        sigaction(signal_number, ours, NULL);
    }
}

static void char_terminal_catch_signals(void)
{
    struct sigaction stop = {.sa_handler = char_terminal_stop_signal, .sa_flags = SA_RESTART};
    struct sigaction ours = {.sa_handler = char_terminal_signal,
                             .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    sigemptyset(&ours.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(char_terminal_signals); i++) {
        char_terminal_catch(char_terminal_signals[i], &ours);
    }
    sigemptyset(&stop.sa_mask);
    char_terminal_catch(SIGTSTP, &stop);
    char_terminal_catch(SIGCONT, &stop);
}

/* Raw on the way in: every key goes to the guest. Output processing stays as it was, since lines
 * that metic itself prints need their carriage return, and one more after the guest's own does no
 * harm. */
static void char_terminal_make_raw(struct termios *mode)
{
    mode->c_iflag &= (tcflag_t) ~(BRKINT | ICRNL | INLCR | IGNCR | INPCK | ISTRIP | IXON | PARMRK);
    mode->c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    mode->c_cflag &= (tcflag_t) ~(CSIZE | PARENB);
    mode->c_cflag |= CS8;
    mode->c_cc[VMIN] = 1;
    mode->c_cc[VTIME] = 0;
}

bool char_terminal_enter(struct metic_error *error)
{
    bool ok = true;
    pthread_mutex_lock(&terminal.lock);
    if (terminal.raw) {
        ok = error_set(error, "give the other console a pty, a file or a socket",
                       "the terminal is already a guest's console");
    } else if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal.cooked) != 0) {
        ok = error_set(error, "run it from a terminal, or choose another console",
                       "standard input is not a terminal");
    } else {
        terminal.rawed = terminal.cooked;
        char_terminal_make_raw(&terminal.rawed);
        char_terminal_catch_signals();
        if (!terminal.exit_hook) {
            terminal.exit_hook = true;
            atexit(char_terminal_restore);
        }
        terminal.raw = 1;
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.rawed);
    }
    pthread_mutex_unlock(&terminal.lock);
    return ok;
}

void char_terminal_leave(void)
{
    pthread_mutex_lock(&terminal.lock);
    char_terminal_restore();
    terminal.raw = 0;
    pthread_mutex_unlock(&terminal.lock);
}

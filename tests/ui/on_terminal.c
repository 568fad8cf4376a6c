/* Runs a program on a terminal of its own, as the first process of a session, and plays the user:
 *
 *   on_terminal STEP... -- PROGRAM ARGUMENT...
 *
 *   expect TEXT   waits until the terminal has shown TEXT since the step before
 *   send TEXT     types it; \xNN is a byte, \r the return key
 *   raw, cooked   waits until the terminal is raw, or as it was at first
 *   stopped       waits until the program is stopped: a signal to go on that comes before is lost
 *   signal N      sends the signal to the program
 *   close         closes the window
 *
 * Prints what the terminal showed, then "status N" (128+N for a signal) and "restored" or "changed"
 * for the terminal's modes after the end. Exit status 0 when every step could be played. */
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 60000, SHOWN_BYTES = 1 << 20 };

struct user {
    int master, slave; /* the slave stays open, so that its modes can be looked at afterwards */
    struct termios before;
    pid_t pid;
    char shown[SHOWN_BYTES];
    size_t shown_bytes;
    size_t seen_bytes; /* where the next `expect` begins */
};

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for more at most so long; false when nothing came. */
static bool user_look(struct user *user, int timeout_ms)
{
    struct pollfd fd = {.fd = user->master, .events = POLLIN};
    if (user->master < 0) {
        poll(NULL, 0, timeout_ms);
        return false;
    }
    if (poll(&fd, 1, timeout_ms) <= 0) {
        return false;
    }
    char *end = user->shown + user->shown_bytes;
    ssize_t got = read(user->master, end, SHOWN_BYTES - 1 - user->shown_bytes);
    if (got <= 0) {
        return false;
    }
    fwrite(end, 1, (size_t)got, stdout);
    user->shown_bytes += (size_t)got;
    user->shown[user->shown_bytes] = '\0';
    return true;
}

static bool user_expect(struct user *user, const char *text)
{
    long limit_ms = now_ms() + LIMIT_MS;
    char *found;
    while ((found = strstr(user->shown + user->seen_bytes, text)) == NULL) {
        if (now_ms() > limit_ms) {
            printf("\nthe terminal does not show: %s\n", text);
            return false;
        }
        user_look(user, 100);
    }
    user->seen_bytes = (size_t)(found - user->shown) + strlen(text);
    return true;
}

static bool user_send(struct user *user, const char *text)
{
    while (*text != '\0') {
        char byte = *text++;
        if (byte == '\\' && *text == 'r') {
            byte = '\r';
            text++;
        } else if (byte == '\\' && *text == 'x') {
            char digits[3] = {text[1], text[2], '\0'};
            byte = (char)strtol(digits, NULL, 16);
            text += 3;
        }
        if (write(user->master, &byte, 1) != 1) {
            return false;
        }
    }
    return true;
}

static bool same_modes(const struct termios *a, const struct termios *b)
{
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

static bool user_wait_mode(struct user *user, bool raw)
{
    long limit_ms = now_ms() + LIMIT_MS;
    struct termios mode;
    while (tcgetattr(user->slave, &mode) == 0 && now_ms() < limit_ms) {
        if (raw ? (mode.c_lflag & (ECHO | ICANON | ISIG)) == 0 : same_modes(&mode, &user->before)) {
            return true;
        }
        user_look(user, 20);
    }
    printf("\nthe terminal is not %s\n", raw ? "raw" : "cooked");
    return false;
}

static bool user_wait_stop(struct user *user)
{
    long limit_ms = now_ms() + LIMIT_MS;
    int status = 0;
    while (waitpid(user->pid, &status, WNOHANG | WUNTRACED) == 0 && now_ms() < limit_ms) {
        user_look(user, 20);
    }
    bool stopped = now_ms() < limit_ms && WIFSTOPPED(status);
    if (!stopped) {
        printf("\nthe program does not stop\n");
    }
    return stopped;
}

static bool user_step(struct user *user, const char *verb, const char *text)
{
    if (strcmp(verb, "expect") == 0) {
        return user_expect(user, text);
    } else if (strcmp(verb, "send") == 0) {
        return user_send(user, text);
    } else if (strcmp(verb, "raw") == 0 || strcmp(verb, "cooked") == 0) {
        return user_wait_mode(user, *verb == 'r');
    } else if (strcmp(verb, "stopped") == 0) {
        return user_wait_stop(user);
    } else if (strcmp(verb, "signal") == 0) {
        return kill(user->pid, atoi(text)) == 0;
    } else if (strcmp(verb, "close") == 0) {
        close(user->master);
        user->master = -1;
        return true;
    }
    printf("there is no step %s\n", verb);
    return false;
}

static void user_start(struct user *user, char **argv)
{
    user->pid = fork();
    if (user->pid == 0) {
        close(user->master);
        setsid();
        ioctl(user->slave, TIOCSCTTY, 0);
        for (int fd = 0; fd <= 2; fd++) {
            dup2(user->slave, fd);
        }
        close(user->slave);
        execvp(argv[0], argv);
        _exit(127);
    }
}

/* The program's exit status as a shell has it; -1 when it does not end. */
static int user_wait(struct user *user)
{
    long limit_ms = now_ms() + LIMIT_MS;
    int status;
    while (waitpid(user->pid, &status, WNOHANG) == 0) {
        if (now_ms() > limit_ms) {
            kill(user->pid, SIGKILL);
            waitpid(user->pid, &status, 0);
            return -1;
        }
        user_look(user, 20);
    }
    while (user_look(user, 0)) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    static struct user user;
    struct termios after;
    int at = 1;
    bool ok = true;
    char **program = argv + 1;
    while (*program != NULL && strcmp(*program, "--") != 0) {
        program++;
    }
    if (*program == NULL || program[1] == NULL || argc < 3 ||
        openpty(&user.master, &user.slave, NULL, NULL, NULL) != 0 ||
        tcgetattr(user.slave, &user.before) != 0) {
        fprintf(stderr, "on_terminal: no program, or no terminal\n");
        return 2;
    }
    user_start(&user, program + 1);
    while (ok && argv + at < program) {
        const char *verb = argv[at++];
        bool has_text = strcmp(verb, "raw") != 0 && strcmp(verb, "cooked") != 0 &&
                        strcmp(verb, "stopped") != 0 && strcmp(verb, "close") != 0;
        ok = user_step(&user, verb, has_text ? argv[at++] : "");
    }
    printf("\nstatus %d\n", user_wait(&user));
    /* A terminal whose window was closed has no modes any more. */
    if (user.master >= 0 && tcgetattr(user.slave, &after) == 0) {
        printf("%s\n", same_modes(&user.before, &after) ? "restored" : "changed");
    }
    return ok ? 0 : 1;
}

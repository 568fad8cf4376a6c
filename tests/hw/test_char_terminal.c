/* The terminal backend on a terminal of its own: a child process with a pty as its standard input
 * and output, whose modes the test looks at from outside. */
#include "hw/char/backend_char.h"
#include "tests/hw/fixture.h"
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum way_out { FREE, EXIT, ABORT, SEGV, KILLED };

static char typed[64];
static _Atomic size_t escapes;

static bool escape(void *opaque, u8 key)
{
    (void)opaque;
    escapes++;
    return key == 'x';
}

/* The child: a console that echoes what it gets in capitals until Ctrl-A x, then leaves. */
static void child(enum way_out way)
{
    struct fixture f;
    struct char_backend_options options = {.kind = CHAR_TERMINAL, .escape = escape};
    struct loop *loop = loop_new(NULL, NULL);
    cr_assert(loop_start(loop, NULL));
    fixture_init(&f);
    struct char_backend *backend = char_backend_new(loop, &f.log, &options, NULL);
    struct char_port *port = char_port_new("tty.rx", loop, backend, f.journal, NULL);
    char_port_write(port, "ready", 5);
    while (escapes == 0) {
        journal_deliver(f.journal, 1);
        size_t got = char_port_read(port, typed, sizeof(typed));
        for (size_t i = 0; i < got; i++) {
            char answer[8];
            int n = snprintf(answer, sizeof(answer), "<%d>", typed[i]);
            char_port_write(port, answer, (size_t)n);
        }
        poll(NULL, 0, 1);
    }
    char_backend_flush(backend, 1000);
    switch (way) {
    case FREE:
        char_port_free(port);
        char_backend_free(backend);
        _exit(0); /* so that no exit hook helps */
    case EXIT: exit(0);
    case ABORT: abort();
    case SEGV: raise(SIGSEGV); break;
    case KILLED: pause(); break;
    }
    _exit(99);
}

/* Reads from the terminal's other end until `text` was seen. */
static void wait_for_text(int fd, const char *text)
{
    static char got[4096];
    static size_t got_bytes;
    got_bytes = 0;
    memset(got, 0, sizeof(got));
    while (strstr(got, text) == NULL) {
        ssize_t n = read(fd, got + got_bytes, sizeof(got) - 1 - got_bytes);
        cr_assert_gt(n, 0, "got only: %s", got);
        got_bytes += (size_t)n;
    }
}

static void try_way(enum way_out way)
{
    struct termios before, during, after;
    int master, slave;
    int status = 0;
    cr_assert_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    tcgetattr(slave, &before);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        dup2(slave, STDIN_FILENO);
        dup2(slave, STDOUT_FILENO);
        signal(SIGABRT, SIG_DFL);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        child(way);
    }
    wait_for_text(master, "ready");
    tcgetattr(slave, &during);
    cr_assert_eq(during.c_lflag & (ECHO | ICANON | ISIG), 0, "raw while it runs");
    cr_assert_eq(write(master, "a\x03\r", 3), 3);
    wait_for_text(master, "<97><3><13>");
    cr_assert_eq(write(master, "\x01\x01", 2), 2);
    wait_for_text(master, "<1>");
    cr_assert_eq(write(master, "\x01x", 2), 2);
    if (way == KILLED) {
        poll(NULL, 0, 50);
        kill(pid, SIGTERM);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    tcgetattr(slave, &after);
    cr_assert_eq(after.c_lflag, before.c_lflag, "restored");
    cr_assert_eq(after.c_iflag, before.c_iflag);
    cr_assert_eq(after.c_oflag, before.c_oflag);
    if (way == FREE || way == EXIT) {
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    } else {
        cr_assert(WIFSIGNALED(status), "the signal still ends it");
    }
    close(master);
    close(slave);
}

TestSuite(terminal, .timeout = 30);

Test(terminal, restored_by_free)
{
    try_way(FREE);
}

Test(terminal, restored_at_exit)
{
    try_way(EXIT);
}

Test(terminal, restored_on_abort)
{
    try_way(ABORT);
}

Test(terminal, restored_on_a_crash)
{
    try_way(SEGV);
}

Test(terminal, restored_when_killed)
{
    try_way(KILLED);
}

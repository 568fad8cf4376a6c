#include "hw/char/backend_char.h"
#include "tests/hw/fixture.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct fixture f;
static struct loop *loop;

static void setup(void)
{
    fixture_init(&f);
    loop = loop_new(NULL, NULL);
    cr_assert(loop_start(loop, NULL));
}

static void teardown(void)
{
    loop_free(loop);
    fixture_fini(&f);
}

TestSuite(character, .init = setup, .fini = teardown, .timeout = 30);

static void wait_a_little(void)
{
    struct timespec pause = {.tv_nsec = 1000000};
    nanosleep(&pause, NULL);
}

static void write_text(struct char_port *port, const char *text)
{
    char_port_write(port, text, strlen(text));
}

/* Reads from the port until `text` has come, delivering what the journal holds. */
static void expect_input(struct char_port *port, const char *text)
{
    char got[256] = {0};
    size_t got_bytes = 0;
    while (got_bytes < strlen(text)) {
        journal_deliver(f.journal, 1);
        got_bytes += char_port_read(port, got + got_bytes, sizeof(got) - 1 - got_bytes);
        wait_a_little();
    }
    cr_assert_str_eq(got, text);
}

static struct char_backend *open_backend(struct char_backend_options options)
{
    struct metic_error error = {0};
    struct char_backend *backend = char_backend_new(loop, &f.log, &options, &error);
    cr_assert_not_null(backend, "%s", error.what);
    return backend;
}

static struct char_port *open_port(struct char_backend *backend)
{
    struct metic_error error = {0};
    struct char_port *port = char_port_new("test.rx", loop, backend, f.journal, &error);
    cr_assert_not_null(port, "%s", error.what);
    return port;
}

Test(character, memory_backend)
{
    char got[16] = {0};
    struct char_backend *backend =
        open_backend((struct char_backend_options){.kind = CHAR_MEMORY});
    struct char_port *port = open_port(backend);
    write_text(port, "hello ");
    write_text(port, "world");
    cr_assert_eq(char_backend_output(backend, 6, got, sizeof(got)), 11);
    cr_assert_str_eq(got, "world");
    char_backend_feed(backend, "in", 2);
    cr_assert_eq(char_port_read(port, got, sizeof(got)), 0, "the journal holds it");
    expect_input(port, "in");
    char_port_free(port);
    char_backend_free(backend);
}

Test(character, no_backend_takes_everything)
{
    struct char_port *port = char_port_new("test.rx", NULL, NULL, f.journal, NULL);
    write_text(port, "nobody listens");
    cr_assert_eq(char_port_read(port, (char[4]){0}, 4), 0);
    char_port_free(port);
}

Test(character, file_backend_writes_everything)
{
    char name[] = P_tmpdir "/metic-char-XXXXXX";
    close(mkstemp(name));
    struct char_backend *backend =
        open_backend((struct char_backend_options){.kind = CHAR_FILE, .path = name});
    struct char_port *port = open_port(backend);
    static char block[100000];
    memset(block, 'x', sizeof(block));
    for (unsigned i = 0; i < 30; i++) {
        char_port_write(port, block, sizeof(block)); /* more than the queue holds */
    }
    char_port_free(port);
    char_backend_free(backend);
    struct stat info;
    cr_assert_eq(stat(name, &info), 0);
    unlink(name);
    cr_assert_eq(info.st_size, 30 * (off_t)sizeof(block));
}

Test(character, file_that_cannot_be_written_is_refused)
{
    struct metic_error error = {0};
    struct char_backend_options options = {.kind = CHAR_FILE, .path = "no/such/folder/file"};
    cr_assert_null(char_backend_new(loop, &f.log, &options, &error));
    cr_assert_neq(error.next[0], '\0');
}

Test(character, pty_backend)
{
    char got[32] = {0};
    struct char_backend *backend = open_backend((struct char_backend_options){.kind = CHAR_PTY});
    struct char_port *port = open_port(backend);
    int fd = open(char_backend_path(backend), O_RDWR | O_NOCTTY);
    cr_assert_geq(fd, 0);
    write_text(port, "to the pty\r\n");
    size_t got_bytes = 0;
    while (got_bytes < 12) {
        ssize_t n = read(fd, got + got_bytes, sizeof(got) - 1 - got_bytes);
        cr_assert_gt(n, 0);
        got_bytes += (size_t)n;
    }
    cr_assert_str_eq(got, "to the pty\r\n");
    cr_assert_eq(write(fd, "back\r", 5), 5);
    expect_input(port, "back\r");
    close(fd);
    char_port_free(port);
    char_backend_free(backend);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

Test(character, socket_backend_serves_one_client_after_another)
{
    char folder[] = P_tmpdir "/metic-char-XXXXXX";
    char path[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    struct char_backend *backend =
        open_backend((struct char_backend_options){.kind = CHAR_SOCKET, .path = path});
    struct char_port *port = open_port(backend);
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    write_text(port, "nobody there: lost");
    for (unsigned round = 0; round < 2; round++) {
        char got[8] = {0};
        int fd = connect_to(path);
        cr_assert_eq(write(fd, "in", 2), 2);
        expect_input(port, "in"); /* so the client was accepted */
        write_text(port, "out");
        cr_assert_eq(recv(fd, got, 3, MSG_WAITALL), 3);
        cr_assert_str_eq(got, "out");
        close(fd);
    }
    char_port_free(port);
    char_backend_free(backend);
    cr_assert_neq(stat(path, &info), 0, "the socket's file is gone");
    rmdir(folder);
}

/* Standard input and output of this test process become pipes or files. */
static int replace_stdin_with_pipe(void)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
    return fds[1];
}

static void set_flag(void *opaque)
{
    *(_Atomic bool *)opaque = true;
}

Test(character, stdio_backend_stops_reading_while_the_guest_does_not)
{
    _Atomic bool ended = false;
    int in = replace_stdin_with_pipe();
    struct char_backend *backend = open_backend((struct char_backend_options){
        .kind = CHAR_STDIO, .input_ended = set_flag, .opaque = (void *)&ended});
    struct char_port *port = open_port(backend);
    fcntl(in, F_SETFL, O_NONBLOCK);
    static char block[4096];
    memset(block, 'y', sizeof(block));
    size_t sent = 0, got = 0;
    for (unsigned quiet = 0; quiet < 20;) { /* until the pipe stays full */
        ssize_t n = write(in, block, sizeof(block));
        sent += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        loop_drain(loop);
        wait_a_little();
        cr_assert_lt(sent, 1 << 20, "input is held back");
    }
    close(in);
    while (got < sent) {
        journal_deliver(f.journal, 1);
        got += char_port_read(port, block, sizeof(block));
        loop_drain(loop);
    }
    while (!ended) {
        wait_a_little();
    }
    char_port_free(port);
    char_backend_free(backend);
}

Test(character, a_file_as_standard_input_is_there_before_the_first_instruction)
{
    FILE *file = tmpfile();
    fputs("from a file", file);
    fflush(file);
    rewind(file);
    dup2(fileno(file), STDIN_FILENO);
    struct char_backend *backend =
        open_backend((struct char_backend_options){.kind = CHAR_STDIO});
    struct char_port *port = open_port(backend);
    cr_assert_neq(journal_next_insns(f.journal), UINT64_MAX);
    expect_input(port, "from a file");
    char_port_free(port);
    char_backend_free(backend);
    fclose(file);
}

Test(character, a_terminal_is_needed_for_a_terminal)
{
    struct metic_error error = {0};
    struct char_backend_options options = {.kind = CHAR_TERMINAL};
    close(replace_stdin_with_pipe());
    cr_assert_null(char_backend_new(loop, &f.log, &options, &error));
    cr_assert_neq(error.what[0], '\0');
}

struct script_end {
    unsigned calls;
    bool passed;
};

static void script_finished(void *opaque, bool passed)
{
    struct script_end *end = opaque;
    end->calls++;
    end->passed = passed;
}

Test(character, script_waits_and_sends)
{
    struct script_end end = {0};
    const struct char_script_step steps[] = {
        {"login: ", "root\n", 5}, {"# ", "uname\n", 6}, {NULL, "exit\n", 5}, {"bye", NULL, 0}};
    struct char_script_options options = {.steps = steps, .step_count = ARRAY_LEN(steps),
                                          .fail_text = "panic", .finished = script_finished,
                                          .opaque = &end};
    struct char_port *port = char_port_new("test.rx", NULL, NULL, f.journal, NULL);
    struct char_script *script = char_script_new(port, &options, NULL);
    write_text(port, "# welcome\nlog");
    cr_assert_eq(char_script_steps_done(script), 0);
    write_text(port, "in: ");
    expect_input(port, "root\n");
    write_text(port, "motd\n# ");
    expect_input(port, "uname\nexit\n");
    cr_assert_eq(char_script_steps_done(script), 3);
    cr_assert_eq(end.calls, 0);
    for (unsigned i = 0; i < 1000; i++) {
        write_text(port, "noise b y e ");
    }
    write_text(port, "bye now, panic later");
    cr_assert_eq(end.calls, 1);
    cr_assert(end.passed);
    char_script_free(script);
    char_port_free(port);
}

static void script_quit(void *opaque)
{
    unsigned *calls = opaque;
    ++*calls;
}

/* Ctrl-A X ends the machine, wherever it comes from. */
Test(character, script_quits)
{
    unsigned calls = 0;
    const struct char_script_step steps[] = {
        {"# ", "\001d", 2}, {"# ", "bye\n\001xmore", 10}, {NULL, "never", 5}};
    struct char_script_options options = {.steps = steps, .step_count = ARRAY_LEN(steps),
                                          .quit = script_quit, .opaque = &calls};
    struct char_port *port = char_port_new("test.rx", NULL, NULL, f.journal, NULL);
    struct char_script *script = char_script_new(port, &options, NULL);
    write_text(port, "# ");
    expect_input(port, "\001d");
    cr_assert_eq(calls, 0);
    write_text(port, "# ");
    expect_input(port, "bye\n");
    cr_assert_eq(calls, 1);
    write_text(port, "# ");
    expect_input(port, "");
    cr_assert_eq(calls, 1);
    char_script_free(script);
    char_port_free(port);
}

Test(character, script_fails_on_the_fail_text)
{
    struct script_end end = {0};
    const struct char_script_step steps[] = {{"never", NULL, 0}};
    struct char_script_options options = {.steps = steps, .step_count = 1, .fail_text = "panic",
                                          .finished = script_finished, .opaque = &end};
    struct char_port *port = char_port_new("test.rx", NULL, NULL, f.journal, NULL);
    struct char_script *script = char_script_new(port, &options, NULL);
    write_text(port, "Kernel pan");
    write_text(port, "ic - never");
    cr_assert_eq(end.calls, 1);
    cr_assert(!end.passed);
    char_script_free(script);
    write_text(port, "after the script");
    char_port_free(port);
}

Test(character, script_with_the_real_clock_does_not_feed_under_the_writers_lock)
{
    struct clock real;
    struct char_script_step step = {"?", "!", 1};
    struct char_script_options options = {.steps = &step, .step_count = 1};
    clock_init(&real, CLOCK_REAL);
    struct journal *journal = journal_new(&real, NULL, NULL, NULL);
    struct char_port *port = char_port_new("test.rx", loop, NULL, journal, NULL);
    struct char_script *script = char_script_new(port, &options, NULL);
    _Atomic bool ready = false;
    char got = 0;
    char_port_set_ready(port, set_flag, (void *)&ready);
    write_text(port, "what?");
    while (!ready) {
        wait_a_little();
    }
    cr_assert_eq(char_port_read(port, &got, 1), 1);
    cr_assert_eq(got, '!');
    char_script_free(script);
    char_port_free(port);
    journal_free(journal);
    clock_fini(&real);
}

static void count_bytes(void *opaque, const u8 *bytes, size_t size_bytes)
{
    (void)bytes;
    *(size_t *)opaque += size_bytes;
}

Test(character, taps_see_the_output)
{
    size_t seen = 0;
    struct char_port *port = char_port_new("test.rx", NULL, NULL, f.journal, NULL);
    char_port_add_tap(port, count_bytes, &seen);
    write_text(port, "12345");
    cr_assert_eq(seen, 5);
    char_port_free(port);
}

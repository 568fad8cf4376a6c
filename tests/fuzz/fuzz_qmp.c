/* The monitor: QMP's bytes as a client sends them, and lines as people type them. The machine is
 * one for all inputs. Left out are inputs that could name a file of this host's. */
#include "tests/fuzz/fuzz.h"

#include "config.h"
#include "ui/monitor/line_edit.h"
#include "ui/monitor/monitor.h"
#include "ui/monitor/qmp.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct target {
    metic_machine *machine;
    struct qmp *qmp;
    pthread_t server;
};

static void quiet(void *opaque, const char *line)
{
    (void)opaque;
    (void)line;
}

static void sent(void *opaque, const char *text)
{
    *(size_t *)opaque += strlen(text);
}

/* Does what commands ask of the machine, which does not run. */
static void *serve(void *opaque)
{
    const struct timespec pause = {.tv_nsec = 20000};
    for (;;) {
        metic_serve(opaque);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static struct target *make_target(void)
{
    struct target *target = calloc(1, sizeof(*target));
    struct metic_options options;
    struct metic_error error;
    const struct qmp_options monitor = {.name = "fuzzed", .description = "--demo\n",
                                        .confined = ""};
    char state[64];
    metic_options_init(&options);
    options.harts = 2;
    options.ram_bytes = (uint64_t)16 << 20;
    options.clock = METIC_CLOCK_VIRTUAL;
    options.console = METIC_CONSOLE_NONE;
    options.balloon = true;
    options.screens = 1;
    options.log = quiet;
    snprintf(state, sizeof(state), "/tmp/metic-fuzz-qmp-%d", (int)getpid());
    setenv("XDG_STATE_HOME", getenv("TMP") != NULL ? getenv("TMP") : state, 1);
    target->machine = metic_new(&options, &error);
    if (target->machine == NULL || !metic_load_demo(target->machine, &error)) {
        abort();
    }
    target->qmp = qmp_is_built() ? qmp_new(target->machine, &monitor, &error) : NULL;
    if (pthread_create(&target->server, NULL, serve, target->machine) != 0) {
        abort();
    }
    return target;
}

static bool contains(const u8 *bytes, size_t size_bytes, const char *text)
{
    return memmem(bytes, size_bytes, text, strlen(text)) != NULL;
}

/* "save" is slow, and each leaves a file, as pictures do, and cores of 80 MiB. */
static bool is_harmless(const u8 *bytes, size_t size_bytes)
{
    return !contains(bytes, size_bytes, "/") && !contains(bytes, size_bytes, "\\u") &&
           !contains(bytes, size_bytes, "dump") &&
           (!contains(bytes, size_bytes, "save") || size_bytes % 32 == 0);
}

static const char *complete(const char *beginning, unsigned number)
{
    const char *words, *arguments, *doc;
    for (unsigned i = 0; monitor_describe(i, &words, &arguments, &doc); i++) {
        if (strncmp(words, beginning, strlen(beginning)) == 0 && number-- == 0) {
            return words;
        }
    }
    return NULL;
}

/* Typed at the prompt. */
static void type(struct target *target, const u8 *bytes, size_t size_bytes)
{
    static struct line_edit edit;
    char *shown = NULL;
    size_t shown_bytes = 0;
    struct monitor monitor = {.machine = target->machine, .confined = "", .to = NULL};
    monitor.to = open_memstream(&shown, &shown_bytes);
    edit.prompt = "> ";
    edit.complete = complete;
    line_edit_begin(&edit, monitor.to);
    for (size_t i = 0; i < size_bytes; i++) {
        if (line_edit_key(&edit, bytes[i], monitor.to) == LINE_EDIT_LINE) {
            /* What editing made of it. */
            if (is_harmless((const u8 *)edit.line, strlen(edit.line))) {
                monitor_command(&monitor, edit.line);
            }
            line_edit_begin(&edit, monitor.to);
        }
        if (edit.cursor > edit.length || edit.length >= LINE_EDIT_BYTES ||
            edit.line[edit.length] != '\0') {
            abort();
        }
    }
    fclose(monitor.to);
    free(shown);
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static struct target *target;
    size_t answered = 0;
    if (target == NULL) {
        target = make_target();
    }
    if (size_bytes == 0 || !is_harmless(bytes, size_bytes)) {
        return;
    }
    if (bytes[0] != '{' || target->qmp == NULL) {
        type(target, bytes, size_bytes);
        return;
    }
#if HAVE_JANSSON
    struct qmp_client *client = qmp_client_new(target->qmp, sent, &answered);
    size_t half = size_bytes / 2; /* as a socket may deliver it */
    if (client != NULL && qmp_client_input(client, (const char *)bytes, half)) {
        qmp_client_input(client, (const char *)bytes + half, size_bytes - half);
    }
    qmp_client_free(client);
#else
    (void)sent;
    (void)answered;
#endif
}

static void add_text(void (*add)(const u8 *bytes, size_t size_bytes), const char *text)
{
    add((const u8 *)text, strlen(text));
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const char hello[] = "{\"execute\":\"qmp_capabilities\"}";
    static const char *const commands[] = {
        "{\"execute\":\"query-commands\",\"id\":[1]}", "{\"execute\":\"query-status\"}",
        "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"info harts\"}}",
        "{\"execute\":\"snapshot-load\",\"arguments\":{\"tag\":\"x\"}}",
        "{\"execute\":\"balloon\",\"arguments\":{\"value\":8388608}}",
        "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":\"a\"}]}}",
        "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[{\"type\":\"abs\",\"data\":"
        "{\"axis\":\"x\",\"value\":3}}]}}",
        "{\"execute\":\"metic-screenshot\"} {} [] {\"execute\":7}", "{\"execute\":\"quit\"}",
        "{\"execute\":\"query-balloon\"}{\"execute\":\"query-cpus-fast\"}",
    };
    static const char *const lines[] = {
        "info registers 1\r", "x 0x80000000 64\rxp 0x1000\r", "info devices uart0\rinfo\t \t\r",
        "snapshot load a\rsnapshot delete b\r", "physical on\rstep-interrupts off\r",
        "trace on\rtrace off\r",
        "\x1b[A\x1b[D\x1b[C\x17\x15\x08\x7f\x03\x0c\r", "pause\rcontinue\rreset\rpower\r",
        "sendkey ctrl-a 10\rtype abc\rpointer 1 2\rbutton left\r", "info translate 0x80000000\r",
        "help\rinfo events\rinfo balloon\rballoon 1G\rinfo confinement\r",
    };
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        char both[512];
        snprintf(both, sizeof(both), "%s%s", hello, commands[i]);
        add_text(add, both);
    }
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        add_text(add, lines[i]);
    }
}

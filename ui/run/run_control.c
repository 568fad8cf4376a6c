/* See run_control.h. */
#include "ui/run/run_control.h"

#include "cpu/base/bits.h"
#include "ui/event_log.h"
#include "ui/monitor/qmp.h"
#include "ui/monitor/terminal_monitor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct run_control {
    struct runtime_dir *dir;
    struct qmp *qmp;
    struct terminal_monitor *terminal;
    metic_machine *machine;
    struct event_log events;
    u8 *ring;        /* mapped file, or NULL */
    u64 total_bytes; /* printed; the console's device writes one after the other */
    u64 limit_bytes; /* 0: none */
    atomic_bool output_ended;
    const char *disks[METIC_MAX_DISKS];
    char socket[RUNTIME_PATH_BYTES];
};

/* A mapped ring costs a hart no system call for a byte it prints. */
static void on_output(void *opaque, const uint8_t *bytes, size_t count)
{
    struct run_control *control = opaque;
    for (size_t i = 0; control->ring != NULL && i < count; i++) {
        control->ring[RUN_CONSOLE_HEAD_BYTES +
                      (control->total_bytes + i) % RUN_CONSOLE_RING_BYTES] = bytes[i];
    }
    control->total_bytes += count;
    if (control->ring != NULL) {
        st_le64(control->ring, control->total_bytes);
    }
    if (control->limit_bytes != 0 && control->total_bytes > control->limit_bytes &&
        !atomic_exchange(&control->output_ended, true)) {
        metic_stop(control->machine);
    }
}

static void make_ring(struct run_control *control)
{
    char path[RUNTIME_PATH_BYTES];
    const size_t size_bytes = RUN_CONSOLE_HEAD_BYTES + RUN_CONSOLE_RING_BYTES;
    /* What a killed machine left is not truncated: file systems take a millisecond for that. */
    int fd = runtime_dir_file(control->dir, "console", path)
                 ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)
                 : -1;
    if (fd >= 0 && ftruncate(fd, (off_t)size_bytes) == 0) {
        void *ring = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        control->ring = ring != MAP_FAILED ? ring : NULL;
        if (control->ring != NULL) {
            st_le64(control->ring, 0);
        }
        runtime_dir_set(control->dir, "console", path);
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* For metic ssh and metic cp. */
static void set_ssh(metic_machine *machine, struct runtime_dir *dir)
{
    char text[64];
    uint32_t ip4;
    uint16_t port;
    if (metic_get_forward(machine, 22, &ip4, &port)) {
        ip4 = ip4 == 0 ? 0x7f000001 : ip4; /* where all addresses are listened at */
        snprintf(text, sizeof(text), "%u.%u.%u.%u %u", ip4 >> 24, ip4 >> 16 & 0xff, ip4 >> 8 & 0xff,
                 ip4 & 0xff, port);
        runtime_dir_set(dir, "ssh", text);
    }
}

static void set_facts(const struct run_control *control, const struct run_args *args,
                      const char *image)
{
    char text[64];
    runtime_dir_set(control->dir, "image", image);
    snprintf(text, sizeof(text), "%lld", (long long)time(NULL));
    runtime_dir_set(control->dir, "started", text);
    u64 ram_bytes = args->options.ram_bytes != 0 ? args->options.ram_bytes
                                                 : METIC_DEFAULT_RAM_BYTES;
    snprintf(text, sizeof(text), "%u hart%s, %" PRIu64 " MiB", args->options.harts,
             args->options.harts == 1 ? "" : "s", ram_bytes >> 20);
    runtime_dir_set(control->dir, "machine", text);
}

static bool start_monitor(struct run_control *control, const struct run_args *args,
                          struct metic_error *error)
{
    const char *path = args->monitor;
    if (path == NULL && control->dir != NULL &&
        runtime_dir_file(control->dir, "monitor", control->socket)) {
        path = control->socket;
    }
    if (path == NULL || strcmp(path, "none") == 0) {
        return true;
    }
    struct qmp_options options = {
        .path = path,
        .name = control->dir != NULL ? runtime_dir_name(control->dir) : "metic",
        .description = args->kept,
        .confined = args->confined,
        .events = &control->events,
        .keymap = args->keymap,
        .disks = control->disks,
        .disk_count = args->options.disk_count,
    };
    for (unsigned i = 0; i < options.disk_count; i++) {
        control->disks[i] = args->options.disks[i].path;
    }
    control->qmp = qmp_new(control->machine, &options, error);
    if (control->qmp == NULL) {
        return args->monitor == NULL;
    }
    if (control->dir != NULL) {
        runtime_dir_set(control->dir, "monitor", path);
    }
    return true;
}

bool run_control_start(const struct run_args *args, metic_machine *machine, const char *image,
                       struct run_control **made, struct metic_error *error)
{
    struct run_control *control = calloc(1, sizeof(*control));
    *made = control;
    if (control == NULL) {
        return error_set(error, NULL, "the host has no memory");
    }
    control->machine = machine;
    event_log_init(&control->events, machine);
    control->limit_bytes = args->limit_output_bytes;
    control->dir = runtime_dir_new(args->name, image, error);
    if (control->dir == NULL && args->name != NULL) {
        return false;
    }
    if (control->dir != NULL) {
        runtime_dir_gather(control->dir, true);
        set_facts(control, args, image);
        set_ssh(machine, control->dir);
        make_ring(control);
    }
    if (control->ring != NULL || control->limit_bytes != 0) {
        metic_set_console_output(machine, on_output, control);
    }
    if (args->options.console == METIC_CONSOLE_STDIO && isatty(STDIN_FILENO) &&
        isatty(STDOUT_FILENO)) {
        const struct monitor with = run_control_monitor(control, args, machine);
        control->terminal = terminal_monitor_new(&with);
    }
    bool good = start_monitor(control, args, error);
    if (control->dir != NULL) {
        runtime_dir_gather(control->dir, false);
    }
    return good;
}

bool run_control_serve(struct run_control *control, const struct run_args *args,
                       struct metic_error *error)
{
    return control == NULL || control->qmp == NULL || qmp_start(control->qmp, error) ||
           args->monitor == NULL;
}

struct monitor run_control_monitor(struct run_control *control, const struct run_args *args,
                                   metic_machine *machine)
{
    return (struct monitor){
        .machine = machine, .description = args->kept, .confined = args->confined,
        .events = control != NULL ? &control->events : NULL, .keymap = args->keymap,
    };
}

void run_control_end(struct run_control *control, metic_machine *machine)
{
    metic_end_calls(machine);
    if (control == NULL) {
        return;
    }
    metic_set_console_output(machine, NULL, control);
    terminal_monitor_free(control->terminal);
    qmp_free(control->qmp);
    event_log_fini(&control->events, machine);
    runtime_dir_free(control->dir);
    if (control->ring != NULL) {
        munmap(control->ring, RUN_CONSOLE_HEAD_BYTES + RUN_CONSOLE_RING_BYTES);
    }
    free(control);
}

const char *run_control_folder(const struct run_control *control)
{
    return control != NULL && control->dir != NULL ? runtime_dir_path(control->dir) : NULL;
}

bool run_control_output_ended(const struct run_control *control)
{
    return control != NULL && atomic_load(&control->output_ended);
}

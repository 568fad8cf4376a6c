/* The machine's consoles: where they lead, the terminal's escapes, and what is read off the guest's
 * output (a kernel's panic, a script's cues). */
#include "hw/machine/machine.h"

#include <string.h>
#include <unistd.h>

void metic_set_console_monitor(metic_machine *machine,
                               const struct metic_console_monitor *monitor)
{
    static const struct metic_console_monitor none;
    machine_close_monitor(machine);
    machine->control.monitor = monitor != NULL ? *monitor : none;
}

void metic_close_console_monitor(metic_machine *machine)
{
    if (atomic_exchange(&machine->control.monitor_open, false)) {
        char_backend_divert(machine->console, NULL, NULL);
    }
}

void machine_close_monitor(struct metic_machine *machine)
{
    if (atomic_exchange(&machine->control.monitor_open, false)) {
        machine->control.monitor.closed(machine->control.monitor.opaque);
        char_backend_divert(machine->console, NULL, NULL);
    }
}

/* Ctrl-A C. */
static bool toggle_monitor(struct metic_machine *machine)
{
    const struct metic_console_monitor *monitor = &machine->control.monitor;
    if (monitor->opened == NULL) {
        return false;
    }
    if (atomic_load(&machine->control.monitor_open)) {
        machine_close_monitor(machine);
    } else {
        char_backend_divert(machine->console, monitor->keys, monitor->opaque);
        atomic_store(&machine->control.monitor_open, true);
        monitor->opened(monitor->opaque);
    }
    return true;
}

static bool on_escape(void *opaque, u8 key)
{
    struct metic_machine *machine = opaque;
    switch (key) {
    case 'x':
        machine_event(machine, MACHINE_EVENT_QUIT);
        return true;
    case 'b':
        char_port_send_break(machine->uart);
        return true;
    case 'c': return toggle_monitor(machine);
    case 'h':
        fprintf(stderr, "\r\nCtrl-A X  end the machine\r\nCtrl-A H  this help\r\n%s"
                        "Ctrl-A B  send a break\r\nCtrl-A A  send Ctrl-A\r\n",
                machine->control.monitor.opened != NULL
                    ? "Ctrl-A C  the monitor's prompt, and back to the guest\r\n" : "");
        return true;
    default:
        return false;
    }
}

static void on_input_ended(void *opaque)
{
    struct metic_machine *machine = opaque;
    atomic_store(&machine->input_ended, true);
    machine_semihosting_input_ended(machine);
}

/* A closed window sends SIGHUP to the terminal's first process only, which may be one that waits
 * for us and passes nothing on, as make does. */
static void on_hangup(void *opaque)
{
    machine_event(opaque, MACHINE_EVENT_HANGUP);
}

/* With the virtual clock the thread that waits for a slow reader is the one that should stop. */
static bool on_wait(void *opaque)
{
    struct metic_machine *machine = opaque;
    const u32 ends = MACHINE_EVENT_STOP | MACHINE_EVENT_QUIT | MACHINE_EVENT_HANGUP;
    return (atomic_load(&machine->events) & ends) != 0;
}

/* Advances `matched` over `text` by one byte. */
static bool match_byte(const char *text, unsigned *matched, u8 byte)
{
    if ((u8)text[*matched] == byte) {
        (*matched)++;
    } else {
        *matched = (u8)text[0] == byte ? 1 : 0;
    }
    if (text[*matched] != '\0') {
        return false;
    }
    *matched = 0;
    return true;
}

/* The kernel prints the end mark after the whole report; a machine that stops at the first line
 * would lose the reason. */
static void on_console_output(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct metic_machine *machine = opaque;
    struct panic_watch *panic = &machine->panic;
    machine_trace_console(machine, bytes, size_bytes);
    for (size_t i = 0; i < size_bytes; i++) {
        if (match_byte("Kernel panic - not syncing", &panic->matched_start, bytes[i])) {
            panic->started = true;
        }
        if (match_byte("---[ end Kernel panic", &panic->matched_end, bytes[i])) {
            machine_event(machine, MACHINE_EVENT_PANIC);
        }
    }
}


struct char_backend *machine_make_backend(struct metic_machine *machine, enum metic_console where,
                                          const char *path, const char *label, bool keeps_all,
                                          struct metic_error *error)
{
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    struct char_backend_options backend = { .path = path, .opaque = machine };
    switch (where) {
    case METIC_CONSOLE_NONE: backend.kind = CHAR_NULL; break;
    case METIC_CONSOLE_STDIO:
        backend.kind = terminal ? CHAR_TERMINAL : CHAR_STDIO;
        backend.escape = terminal ? on_escape : NULL;
        /* Programs that ask the host for input expect lines as the host has them. */
        backend.enter_is_newline =
            terminal && machine->options.semihosting != METIC_SEMIHOSTING_OFF;
        break;
    case METIC_CONSOLE_FILE: backend.kind = CHAR_FILE; break;
    case METIC_CONSOLE_PTY: backend.kind = CHAR_PTY; break;
    case METIC_CONSOLE_SOCKET: backend.kind = CHAR_SOCKET; break;
    case METIC_CONSOLE_MEMORY: backend.kind = CHAR_MEMORY; break;
    }
    backend.keeps_all = keeps_all;
    backend.gives_up = on_wait;
    if (label == NULL) {
        backend.input_ended = backend.kind == CHAR_TERMINAL ? on_hangup : on_input_ended;
        atomic_store(&machine->input_ended,
                     backend.kind == CHAR_NULL || backend.kind == CHAR_FILE);
    }
    struct char_backend *made = char_backend_new(machine->loop, &machine->log, &backend, error);
    if (made != NULL && backend.kind == CHAR_PTY) {
        machine_say(machine, "%s: %s", label == NULL ? "console" : label,
                    char_backend_path(made));
    }
    return made;
}

bool machine_make_console(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    machine->console = machine_make_backend(machine, options->console, options->console_path, NULL,
                                            false, error);
    if (machine->console == NULL) {
        return false;
    }
    machine->uart = char_port_new("uart0.rx", machine->loop, machine->console, machine->journal,
                                  error);
    if (machine->uart == NULL) {
        return false;
    }
    char_port_add_inner_tap(machine->uart, on_console_output, machine);
    return true;
}

bool machine_make_virtio_console(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    if (options->virtio_console == METIC_CONSOLE_NONE) {
        return true;
    }
    machine->hvc_backend = machine_make_backend(machine, options->virtio_console,
                                                options->virtio_console_path, "virtio console",
                                                false, error);
    if (machine->hvc_backend == NULL) {
        return false;
    }
    machine->hvc = char_port_new("hvc0.rx", machine->loop, machine->hvc_backend, machine->journal,
                                 error);
    machine->hvc_config.port = machine->hvc;
    return machine->hvc != NULL;
}

static void script_quit(void *opaque)
{
    machine_event(opaque, MACHINE_EVENT_QUIT);
}

bool machine_make_script(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    if (options->step_count == 0) {
        return true;
    }
    struct char_script_step steps[METIC_MAX_STEPS];
    for (unsigned i = 0; i < options->step_count; i++) {
        steps[i] = (struct char_script_step){
            .expect = options->steps[i].expect,
            .send = options->steps[i].send,
            .send_bytes = options->steps[i].send != NULL ? strlen(options->steps[i].send) : 0,
        };
    }
    struct char_script_options script = {
        .steps = steps, .step_count = options->step_count, .quit = script_quit, .opaque = machine};
    machine->script = char_script_new(machine->uart, &script, error);
    return machine->script != NULL;
}

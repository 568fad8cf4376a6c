/* Making and freeing a machine, and looking at one. See metic.h; loading is in machine_load.c,
 * running in machine_run.c. */
#include "hw/machine/machine.h"

#include "cpu/guest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void metic_options_init(struct metic_options *options)
{
    *options = (struct metic_options){
        .struct_bytes = sizeof(*options),
        .machine = "riscv-virt",
        .harts = 1,
    };
}

void machine_event(struct metic_machine *machine, enum machine_event event)
{
    atomic_fetch_or(&machine->events, (u32)event);
    u64 one = 1;
    ssize_t written = write(machine->wake_fd, &one, sizeof(one));
    (void)written; /* a full counter wakes as well */
}

void machine_say(struct metic_machine *machine, const char *format, ...)
{
    if (machine->options.say == NULL) {
        return;
    }
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    machine->options.say(machine->options.say_opaque, line);
}

static void on_log(void *opaque, enum log_level level, const char *line)
{
    struct metic_machine *machine = opaque;
    (void)level;
    machine->options.log(machine->options.log_opaque, line);
}

static bool check_options(const struct metic_options *options, struct metic_error *error)
{
    if (options->struct_bytes != sizeof(*options)) {
        return error_set(error, "call metic_options_init first", "options of another version");
    }
    if (options->harts < 1 || options->harts > METIC_MAX_HARTS) {
        return error_set(error, "give --cpus 1 to 64", "a machine cannot have %u processors",
                         options->harts);
    }
    if (options->disk_count > METIC_MAX_DISKS) {
        return error_set(error, "leave some out", "a machine cannot have more than %d disks",
                         METIC_MAX_DISKS);
    }
    if (options->screens > METIC_MAX_SCREENS || options->screen_width > DISPLAY_MAX_SIDE ||
        options->screen_height > DISPLAY_MAX_SIDE) {
        return error_set(error, "give at most 4, of at most 8192 by 8192",
                         "a machine cannot have %u screens of %u by %u", options->screens,
                         options->screen_width, options->screen_height);
    }
    for (unsigned i = 0; i < options->disk_count; i++) {
        if (options->disks[i].path == NULL) {
            return error_set(error, "give it a file", "disk %u has no path", i);
        }
    }
    if (options->console == METIC_CONSOLE_STDIO &&
        options->virtio_console == METIC_CONSOLE_STDIO) {
        return error_set(error, "send one of them elsewhere, as with --serial none",
                         "two consoles cannot both be on standard input and output");
    }
    bool is_virtual = options->clock == METIC_CLOCK_VIRTUAL;
    if (options->engine == METIC_ENGINE_BOTH && !is_virtual) {
        return error_set(error, "add --clock virtual",
                         "comparing both engines needs the virtual clock");
    }
    if (!is_virtual && (options->digest_every != 0 || options->replay_path != NULL)) {
        return error_set(error, "add --clock virtual",
                         "digests and replay need the virtual clock");
    }
    return true;
}

/* Keeps a copy of a string option that is needed after metic_new returned. */
static bool own(struct metic_machine *machine, const char **text)
{
    if (*text == NULL) {
        return true;
    }
    CHECK(machine->owned_count < ARRAY_LEN(machine->owned));
    char *copy = strdup(*text);
    if (copy == NULL) {
        return false;
    }
    machine->owned[machine->owned_count++] = copy;
    *text = copy;
    return true;
}

static bool own_strings(struct metic_machine *machine, struct metic_error *error)
{
    struct metic_options *options = &machine->options;
    return (own(machine, &options->machine) && own(machine, &options->firmware) &&
            own(machine, &options->initrd) && own(machine, &options->bootargs) &&
            own(machine, &options->dtb) && own(machine, &options->trace_path)) ||
           error_set(error, NULL, "the host has no memory for a machine");
}

metic_machine *metic_new(const struct metic_options *options, struct metic_error *error)
{
    if (!check_options(options, error)) {
        return NULL;
    }
    const struct guest *guest = guest_find("riscv64");
    struct metic_machine *machine = calloc(1, sizeof(*machine));
    if (machine == NULL) {
        error_set(error, NULL, "the host has no memory for a machine");
        return NULL;
    }
    machine->options = *options;
    pthread_mutex_init(&machine->trace_lock, NULL);
    if (options->ram_bytes == 0) {
        machine->options.ram_bytes = METIC_DEFAULT_RAM_BYTES;
    }
    machine_control_init(machine);
    machine->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    machine->next_digest = options->digest_every;
    log_init(&machine->log, LOG_GUEST);
    machine->log.write = options->log != NULL ? on_log : NULL;
    machine->log.opaque = machine;
    memory_init(&machine->memory, &machine->log);
    if (machine->wake_fd < 0) {
        error_set(error, "close other programs", "the host gives no more file descriptors");
        metic_free(machine);
        return NULL;
    }
    if (!own_strings(machine, error) || !machine_make_time(machine, error) ||
        !machine_make_console(machine, error) || !machine_make_virtio_console(machine, error) ||
        !machine_make_ports(machine, error) || !machine_make_net(machine, error) ||
        !machine_make_vsock(machine, error) ||
        !machine_make_screen(machine, error) ||
        !machine_make_sound(machine, error) ||
        !machine_make_engine(machine, guest, error) ||
        !machine_make_board(machine, guest, error) ||
        !machine_make_semihosting(machine, error) ||
        !machine_make_script(machine, error)) {
        metic_free(machine);
        return NULL;
    }
    return machine;
}

void metic_free(metic_machine *machine)
{
    if (machine == NULL) {
        return;
    }
    metic_history_end(machine);
    if (machine->console != NULL) {
        char_backend_stop_waiting(machine->console);
    }
    if (machine->hvc_backend != NULL) {
        char_backend_stop_waiting(machine->hvc_backend);
    }
    machine_stop_ports(machine);
    if (machine->engine != NULL) {
        for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
            timer_fini(&machine->timers[i].timer);
        }
    }
    if (machine->net != NULL) {
        net_port_detach(machine->net);
    }
    machine_detach_vsock(machine);
    metic_profile_stop(machine);
    metic_trace_stop(machine);
    board_free(machine->board);
    machine_free_screen(machine);
    sound_free(machine->sound);
    machine_free_shares(machine);
    machine_free_semihosting(machine);
    net_port_free(machine->net);
    machine_free_vsock(machine);
    char_script_free(machine->script);
    char_port_free(machine->uart);
    char_backend_free(machine->console);
    char_port_free(machine->hvc);
    char_backend_free(machine->hvc_backend);
    machine_free_ports(machine);
    machine_free_balloon(machine);
    machine_control_fini(machine);
    journal_free(machine->journal);
    if (machine->loop != NULL) {
        loop_free(machine->loop);
        clock_fini(&machine->clock);
    }
    engine_free(machine->engine);
    memory_fini(&machine->memory);
    machine_boot_free(&machine->boot);
    log_fini(&machine->log);
    if (machine->wake_fd >= 0) {
        close(machine->wake_fd);
    }
    for (unsigned i = 0; i < machine->owned_count; i++) {
        free(machine->owned[i]);
    }
    free(machine);
}

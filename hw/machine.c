/* Making and freeing a machine, and looking at one. See metic.h; loading is in machine_load.c,
 * running in machine_run.c. */
#include "hw/machine.h"

#include "cpu/guest.h"
#include "hw/virtio/virtio_rng.h"

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
        .ram_bytes = (u64)512 << 20,
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

/* --- callbacks from devices --- */

static void on_device_request(void *opaque, enum device_request request, unsigned code)
{
    struct metic_machine *machine = opaque;
    if (request == DEVICE_REQUEST_POWEROFF) {
        machine->poweroff_code = code;
        machine_event(machine, MACHINE_EVENT_POWEROFF);
    } else {
        machine_event(machine, MACHINE_EVENT_RESET);
    }
    /* The hart that asked must not run on: its store was the last thing it did. */
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        vcpu_kick(machine->engine->vcpus[i], VCPU_REQUEST_STOP);
    }
}

static void on_hart_irq(void *opaque, unsigned hart, unsigned irq_number, bool level)
{
    struct metic_machine *machine = opaque;
    vcpu_irq_input(machine->engine->vcpus[hart], irq_number, level);
}

static void on_hart_timer(void *opaque)
{
    struct hart_timer *timer = opaque;
    vcpu_kick(timer->vcpu, VCPU_REQUEST_IRQ);
}

static void on_journal_wake(void *opaque)
{
    machine_event(opaque, MACHINE_EVENT_INPUT);
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
    case 'h':
        fprintf(stderr, "\r\nCtrl-A X  end the machine\r\nCtrl-A H  this help\r\n"
                        "Ctrl-A B  send a break\r\nCtrl-A A  send Ctrl-A\r\n");
        return true;
    default:
        return false;
    }
}

static void on_input_ended(void *opaque)
{
    struct metic_machine *machine = opaque;
    atomic_store(&machine->input_ended, true);
}

/* A closed window sends SIGHUP to the terminal's first process only, which may be one that waits
 * for us and passes nothing on, as make does. */
static void on_hangup(void *opaque)
{
    machine_event(opaque, MACHINE_EVENT_HANGUP);
}

static void on_log(void *opaque, enum log_level level, const char *line)
{
    struct metic_machine *machine = opaque;
    (void)level;
    machine->options.log(machine->options.log_opaque, line);
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
    for (size_t i = 0; i < size_bytes; i++) {
        if (match_byte("Kernel panic - not syncing", &panic->matched_start, bytes[i])) {
            panic->started = true;
        }
        if (match_byte("---[ end Kernel panic", &panic->matched_end, bytes[i])) {
            machine_event(machine, MACHINE_EVENT_PANIC);
        }
    }
}

/* --- making the parts --- */

/* A backend for `where`. Only the main console has escapes and tells when its input ended. */
static struct char_backend *make_backend(struct metic_machine *machine, enum metic_console where,
                                         const char *path, bool main, struct metic_error *error)
{
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    struct char_backend_options backend = { .path = path, .opaque = machine };
    switch (where) {
    case METIC_CONSOLE_NONE: backend.kind = CHAR_NULL; break;
    case METIC_CONSOLE_STDIO:
        backend.kind = terminal ? CHAR_TERMINAL : CHAR_STDIO;
        backend.escape = terminal ? on_escape : NULL;
        break;
    case METIC_CONSOLE_FILE: backend.kind = CHAR_FILE; break;
    case METIC_CONSOLE_PTY: backend.kind = CHAR_PTY; break;
    case METIC_CONSOLE_SOCKET: backend.kind = CHAR_SOCKET; break;
    case METIC_CONSOLE_MEMORY: backend.kind = CHAR_MEMORY; break;
    }
    if (main) {
        backend.input_ended = backend.kind == CHAR_TERMINAL ? on_hangup : on_input_ended;
        atomic_store(&machine->input_ended,
                     backend.kind == CHAR_NULL || backend.kind == CHAR_FILE);
    }
    struct char_backend *made = char_backend_new(machine->loop, &machine->log, &backend, error);
    if (made != NULL && backend.kind == CHAR_PTY) {
        machine_say(machine, "%s: %s", main ? "console" : "virtio console",
                    char_backend_path(made));
    }
    return made;
}

static bool make_console(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    machine->console = make_backend(machine, options->console, options->console_path, true, error);
    if (machine->console == NULL) {
        return false;
    }
    machine->uart = char_port_new("uart0.rx", machine->loop, machine->console, machine->journal,
                                  error);
    if (machine->uart == NULL) {
        return false;
    }
    char_port_add_tap(machine->uart, on_console_output, machine);
    return true;
}

static bool make_virtio_console(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    if (options->virtio_console == METIC_CONSOLE_NONE) {
        return true;
    }
    machine->hvc_backend = make_backend(machine, options->virtio_console,
                                        options->virtio_console_path, false, error);
    if (machine->hvc_backend == NULL) {
        return false;
    }
    machine->hvc = char_port_new("hvc0.rx", machine->loop, machine->hvc_backend, machine->journal,
                                 error);
    machine->hvc_config.port = machine->hvc;
    return machine->hvc != NULL;
}

static bool make_script(struct metic_machine *machine, struct metic_error *error)
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
    struct char_script_options script = { .steps = steps, .step_count = options->step_count };
    machine->script = char_script_new(machine->uart, &script, error);
    return machine->script != NULL;
}

static struct board_env board_env_of(struct metic_machine *machine)
{
    return (struct board_env){
        .devices = {
            .memory = &machine->memory,
            .clock = &machine->clock,
            .loop = machine->loop,
            .journal = machine->journal,
            .log = &machine->log,
            .request = on_device_request,
            .request_opaque = machine,
        },
        .hart_count = machine->options.harts,
        .hart_irq = on_hart_irq,
        .hart_opaque = machine,
    };
}

/* Disks go into the first virtio slots, a console into the last but one, an entropy source into the
 * last; a network device into the place before the console's, or into that when a disk is there. */
_Static_assert(METIC_MAX_DISKS + 2 <= BOARD_MAX_VIRTIO, "each virtio device has its slot");

static void fill_virtio_slots(struct metic_machine *machine, struct board_options *board)
{
    static const char *const modes[] = {
        [BLK_OVERLAY] = "what the guest writes stays in memory",
        [BLK_WRITE_BACK] = "what the guest writes goes to the file",
        [BLK_READ_ONLY] = "read-only",
    };
    const struct metic_options *options = &machine->options;
    for (unsigned i = 0; i < options->disk_count; i++) {
        const struct metic_disk *disk = &options->disks[i];
        struct virtio_blk_config *config = &machine->disks[i];
        config->path = disk->path;
        config->mode = disk->read_only    ? BLK_READ_ONLY
                       : disk->write_back ? BLK_WRITE_BACK
                                          : BLK_OVERLAY;
        snprintf(config->serial, sizeof(config->serial), "disk%u", i);
        machine->virtio[i] = (struct virtio_mmio_config){ &virtio_blk_type, config };
        machine_say(machine, "disk: %s: %s", disk->path, modes[config->mode]);
    }
    if (machine->hvc != NULL) {
        machine->virtio[BOARD_MAX_VIRTIO - 2] =
            (struct virtio_mmio_config){ &virtio_console_type, &machine->hvc_config };
    }
    if (machine->net != NULL) {
        unsigned slot = BOARD_MAX_VIRTIO - (options->disk_count < METIC_MAX_DISKS ? 3 : 2);
        machine->virtio[slot] =
            (struct virtio_mmio_config){ &virtio_net_type, &machine->net_config };
    }
    machine->virtio[BOARD_MAX_VIRTIO - 1].type = &virtio_rng_type;
    for (unsigned i = 0; i < BOARD_MAX_VIRTIO; i++) {
        board->virtio[i] =
            (struct board_virtio_slot){ &virtio_mmio_class, &machine->virtio[i] };
    }
}

/* Whether nobody but the hart looks at guest RAM while it runs. With the real clock virtio devices
 * do that on threads of their own, all but the entropy source in the last slot, and a network
 * device that nothing is attached to yet (machine_net.c). */
static bool memory_is_private(const struct metic_machine *machine)
{
    bool threads = false;
    for (unsigned i = 0; i < BOARD_MAX_VIRTIO - 1; i++) {
        const struct virtio_type *type = machine->virtio[i].type;
        threads |= type != NULL &&
                   (type != &virtio_net_type || machine->options.net != METIC_NET_AUTO);
    }
    return machine->options.harts == 1 &&
           (machine->options.clock == METIC_CLOCK_VIRTUAL || !threads);
}

static bool make_board(struct metic_machine *machine, const struct guest *guest,
                       struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    const struct board_class *class = board_class_find(options->machine);
    if (class == NULL) {
        return error_set(error, "see `metic list machines`", "there is no machine named %s",
                         options->machine);
    }
    unsigned extensions = 0;
    while (guest->isa_extensions[extensions] != NULL) {
        extensions++;
    }
    struct board_options board = {
        .ram_bytes = options->ram_bytes,
        .uart = machine->uart,
        .flash_paths = { options->flash[0], options->flash[1] },
        .flash_write = { options->flash_write, options->flash_write },
        .isa = guest->isa,
        .isa_extensions = guest->isa_extensions,
        .isa_extension_count = extensions,
        .mmu_type = guest->mmu_type,
        .pmu_counters = guest->pmu_counters,
    };
    fill_virtio_slots(machine, &board);
    machine->engine->options.private_memory = memory_is_private(machine);
    struct board_env env = board_env_of(machine);
    machine->board = board_new(class, &env, &board, error);
    return machine->board != NULL;
}

static bool make_engine(struct metic_machine *machine, const struct guest *guest,
                        struct metic_error *error)
{
    static const enum engine_kind kinds[] = {
        [METIC_ENGINE_JIT] = ENGINE_JIT,
        [METIC_ENGINE_INTERP] = ENGINE_INTERP,
        [METIC_ENGINE_BOTH] = ENGINE_BOTH,
    };
    const struct metic_options *options = &machine->options;
    struct engine_options engine = {
        .kind = kinds[options->engine],
        .code_bytes = options->code_bytes,
        .block_insns = options->block_insns,
        .host_features = options->host_features,
        .no_links = options->no_links,
        .one_entry_tlb = options->one_entry_tlb,
        .no_tier2 = options->no_tier2,
        .eager_tier2 = options->eager_tier2,
        .verify = options->verify_ir,
        .exact_deadlines = options->clock == METIC_CLOCK_VIRTUAL,
        .perf_map = options->perf_map,
        .trace_path = options->trace_path,
    };
    struct engine_machine_ops ops = {
        .time_ticks = machine_time_ticks, .timer_arm = machine_timer_arm,
        .next_timer_host_ns = machine_next_timer_host_ns, .run_timers = machine_run_timers,
    };
    machine->engine = engine_new(&machine->memory, guest, options->harts, &engine, &ops, machine,
                                 &machine->log, error);
    if (machine->engine == NULL) {
        return false;
    }
    for (unsigned i = 0; i < options->harts; i++) {
        machine->timers[i].vcpu = machine->engine->vcpus[i];
        timer_init(&machine->timers[i].timer, &machine->clock, on_hart_timer, &machine->timers[i]);
    }
    return true;
}

static bool make_time(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    bool is_virtual = options->clock == METIC_CLOCK_VIRTUAL;
    clock_init(&machine->clock, is_virtual ? CLOCK_VIRTUAL : CLOCK_REAL);
    machine->loop = loop_new(&machine->clock, error);
    if (machine->loop == NULL) {
        return false;
    }
    struct journal_options journal = {
        .record_path = options->record_path,
        .replay_path = options->replay_path,
        .seed = options->seed,
        .wall_start_ns = (u64)1767225600 * 1000000000u, /* virtual time begins at 2026-01-01 */
    };
    machine->journal = journal_new(&machine->clock, &machine->log, &journal, error);
    if (machine->journal == NULL) {
        return false;
    }
    journal_set_wake(machine->journal, on_journal_wake, machine);
    return true;
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
    if (!own_strings(machine, error) || !make_time(machine, error) ||
        !make_console(machine, error) || !make_virtio_console(machine, error) ||
        !machine_make_net(machine, error) || !make_engine(machine, guest, error) ||
        !make_board(machine, guest, error) ||
        !make_script(machine, error)) {
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
    if (machine->console != NULL) {
        char_backend_stop_waiting(machine->console);
    }
    if (machine->hvc_backend != NULL) {
        char_backend_stop_waiting(machine->hvc_backend);
    }
    if (machine->engine != NULL) {
        for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
            timer_fini(&machine->timers[i].timer);
        }
    }
    if (machine->net != NULL) {
        net_port_detach(machine->net);
    }
    board_free(machine->board);
    net_port_free(machine->net);
    char_script_free(machine->script);
    char_port_free(machine->uart);
    char_backend_free(machine->console);
    char_port_free(machine->hvc);
    char_backend_free(machine->hvc_backend);
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

/* --- looking --- */

static struct vcpu *hart(const metic_machine *machine, unsigned index)
{
    return index < machine->engine->vcpu_count ? machine->engine->vcpus[index] : NULL;
}

/* Where a named register lives; NULL when there is none. pc is common to all guests. */
static u8 *find_register(const metic_machine *machine, unsigned index, const char *name,
                         unsigned *size_bytes)
{
    struct vcpu *vcpu = hart(machine, index);
    if (vcpu == NULL) {
        return NULL;
    }
    if (strcmp(name, "pc") == 0) {
        *size_bytes = 8;
        return (u8 *)&vcpu->pc;
    }
    const struct guest *guest = vcpu->guest;
    for (unsigned i = 0; i < guest->reg_count; i++) {
        if (strcmp(guest->regs[i].name, name) == 0) {
            *size_bytes = guest->regs[i].size_bytes;
            return (u8 *)vcpu + guest->regs[i].offset;
        }
    }
    return NULL;
}

bool metic_get_register(metic_machine *machine, unsigned index, const char *name, uint64_t *value)
{
    unsigned size_bytes;
    const u8 *place = find_register(machine, index, name, &size_bytes);
    if (place == NULL) {
        return false;
    }
    *value = ld_le(place, size_bytes);
    return true;
}

bool metic_set_register(metic_machine *machine, unsigned index, const char *name, uint64_t value)
{
    unsigned size_bytes;
    u8 *place = find_register(machine, index, name, &size_bytes);
    if (place == NULL) {
        return false;
    }
    st_le(place, value, size_bytes);
    return true;
}

bool metic_read_memory(metic_machine *machine, uint64_t address, void *buffer, size_t size_bytes)
{
    return memory_dma_read(&machine->memory, address, buffer, size_bytes);
}

bool metic_write_memory(metic_machine *machine, uint64_t address, const void *buffer,
                        size_t size_bytes)
{
    return memory_dma_write(&machine->memory, address, buffer, size_bytes);
}

uint64_t metic_instructions(metic_machine *machine, unsigned index)
{
    const struct vcpu *vcpu = hart(machine, index);
    return vcpu != NULL ? vcpu->insns : 0;
}

/* RAM is hashed by touched pages only where that can be told cheaply: a page of zeros hashes as
 * nothing, whether the host gave it or not. */
static u64 digest_ram(const struct memory *memory, u64 digest)
{
    static const u8 zeros[PAGE_BYTES];
    for (unsigned i = 0; i < memory->region_count; i++) {
        const struct memory_region *region = &memory->regions[i];
        if (region->kind != MEMORY_RAM) {
            continue;
        }
        for (u64 at = 0; at < region->size_bytes; at += PAGE_BYTES) {
            if (memcmp(region->host + at, zeros, PAGE_BYTES) == 0) {
                continue;
            }
            digest = (digest ^ at) * 0x9e3779b97f4a7c15u;
            for (u64 word = 0; word < PAGE_BYTES; word += 8) {
                digest = (digest ^ ld_le64(region->host + at + word)) * 0x100000001b3u;
                digest ^= digest >> 29;
            }
        }
    }
    return digest;
}

uint64_t metic_digest(metic_machine *machine)
{
    u64 digest = 0xcbf29ce484222325u;
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        const struct vcpu *vcpu = machine->engine->vcpus[i];
        digest = vcpu->guest->digest(vcpu, digest);
    }
    for (unsigned i = 0; i < machine->board->device_count; i++) {
        digest = (digest ^ device_digest(machine->board->devices[i])) * 0x100000001b3u;
    }
    return digest_ram(&machine->memory, digest);
}

size_t metic_console_output(metic_machine *machine, size_t from_byte, void *buffer,
                            size_t capacity_bytes)
{
    char_backend_flush(machine->console, 1000);
    return char_backend_output(machine->console, from_byte, buffer, capacity_bytes);
}

void metic_console_feed(metic_machine *machine, const void *bytes, size_t size_bytes)
{
    char_port_feed(machine->uart, bytes, size_bytes);
}

void metic_print_stats(metic_machine *machine, FILE *to)
{
    engine_print_stats(machine->engine, to);
}

bool metic_show(metic_machine *machine, uint64_t address, const char *stages, FILE *to,
                struct metic_error *error)
{
    return engine_show(machine->engine->vcpus[0], address, stages, to, error);
}

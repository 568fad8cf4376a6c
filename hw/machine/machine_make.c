/* Making a machine's parts and wiring them: time, engine, board, and what devices may ask of it. */
#include "hw/machine/machine.h"

#include "cpu/guest.h"

#include <string.h>

/* Harts see it at once: what the one that asked did for that was the last thing it did. */
static void end_with(struct metic_machine *machine, enum machine_event event)
{
    machine_event(machine, event);
    engine_kick_all(machine->engine, VCPU_REQUEST_STOP);
}

void machine_power_off(struct metic_machine *machine, unsigned code)
{
    machine->poweroff_code = code;
    end_with(machine, MACHINE_EVENT_POWEROFF);
}

static void on_device_request(void *opaque, enum device_request request, unsigned code)
{
    struct metic_machine *machine = opaque;
    if (request == DEVICE_REQUEST_POWEROFF) {
        machine_power_off(machine, code);
    } else {
        end_with(machine, request == DEVICE_REQUEST_STOP ? MACHINE_EVENT_FAILED
                                                         : MACHINE_EVENT_RESET);
    }
}

static void on_device_failed(void *opaque, const char *what)
{
    machine_tell_more(opaque, METIC_EVENT_DISK_ERROR, what);
}

static void on_hart_irq(void *opaque, unsigned hart, unsigned irq_number, bool level)
{
    struct metic_machine *machine = opaque;
    vcpu_irq_input(machine->engine->vcpus[hart], irq_number, level);
}

static void on_hart_message(void *opaque, unsigned hart, unsigned file, u32 number)
{
    struct metic_machine *machine = opaque;
    struct vcpu *vcpu = machine->engine->vcpus[hart];
    vcpu->guest->message(vcpu, file, number);
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
            .io = machine_trace_io,
            .io_opaque = machine,
            .failed = on_device_failed,
            .failed_opaque = machine,
        },
        .hart_count = machine->options.harts,
        .hart_irq = on_hart_irq,
        .hart_message = on_hart_message,
        .hart_opaque = machine,
    };
}

/* Harts have what takes messages only where the board sends them. */
static void describe_isa(struct metic_machine *machine, const struct guest *guest,
                         struct board_options *board)
{
    bool messages = board->aia == BOARD_AIA_APLIC_IMSIC;
    guest->isa(machine->engine->options.guest_features, messages, &machine->isa);
    board->isa = machine->isa.text;
    board->mmu_type = machine->isa.mmu_type;
    board->isa_extensions = machine->isa.extensions;
    board->isa_extension_count = machine->isa.extension_count;
    for (unsigned i = 0; messages && i < machine->engine->vcpu_count; i++) {
        guest->enable_messages(machine->engine->vcpus[i]);
    }
}

bool machine_make_board(struct metic_machine *machine, const struct guest *guest,
                       struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    struct board_options board = {
        .ram_bytes = options->ram_bytes,
        .uart = machine->uart,
        .flash_paths = { options->flash[0], options->flash[1] },
        .flash_write = { options->flash_write[0], options->flash_write[1] },
        .pmu_counters = guest->pmu_counters,
    };
    const struct board_class *class = board_parse(options->machine, &board, error);
    if (class == NULL || !machine_make_virtio(machine, error)) {
        return false;
    }
    describe_isa(machine, guest, &board);
    board.virtio = machine->virtio;
    board.virtio_count = machine->virtio_count;
    board.virtio_pci = options->virtio_pci;
    machine_screen_options(machine, &board);
    board.virtio_ports = options->virtio_ports;
    machine->engine->options.private_memory = machine_memory_is_private(machine);
    struct board_env env = board_env_of(machine);
    machine->board = board_new(class, &env, &board, error);
    return machine->board != NULL && machine_start_screen(machine, error);
}

bool machine_make_engine(struct metic_machine *machine, const struct guest *guest,
                        struct metic_error *error)
{
    static const enum engine_kind kinds[] = {
        [METIC_ENGINE_JIT] = ENGINE_JIT,
        [METIC_ENGINE_INTERP] = ENGINE_INTERP,
        [METIC_ENGINE_BOTH] = ENGINE_BOTH,
    };
    static const u32 features[] = {
        [METIC_HOST_ALL] = HOST_FEATURE_ALL,
        [METIC_HOST_PLAIN] = HOST_FEATURE_NONE,
        [METIC_HOST_AVX2] = HOST_FEATURE_ALL & ~(HOST_FEATURE_AVX512 | HOST_FEATURE_VBMI),
        [METIC_HOST_AVX512] = HOST_FEATURE_ALL & ~HOST_FEATURE_VBMI,
    };
    const struct metic_options *options = &machine->options;
    struct engine_options engine = {
        .kind = kinds[options->engine],
        .code_bytes = options->code_bytes,
        .block_insns = options->block_insns,
        .host_features = features[options->host],
        .no_links = options->no_links,
        .one_entry_tlb = options->one_entry_tlb,
        .large_tlb = options->large_tlb,
        .no_tier0 = options->no_tier0,
        .eager_tier0 = options->eager_tier0,
        .no_tier2 = options->no_tier2,
        .eager_tier2 = options->eager_tier2,
        .verify = options->verify_ir,
        .exact_deadlines = options->clock == METIC_CLOCK_VIRTUAL,
        .stats = options->stats,
        .trace_path = options->trace_path,
    };
    struct engine_machine_ops ops = {
        .time_ticks = machine_time_ticks, .timer_arm = machine_timer_arm,
        .next_timer_host_ns = machine_next_timer_host_ns, .run_timers = machine_run_timers,
        .timers_are_watched = machine_timers_are_watched, .host_call = machine_host_call,
    };
    if (options->cpu != NULL && !guest->parse_cpu(options->cpu, &engine.guest_features, error)) {
        return false;
    }
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

bool machine_make_time(struct metic_machine *machine, struct metic_error *error)
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
    machine_control_start(machine);
    return true;
}

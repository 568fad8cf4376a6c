/* Semihosting: what hw/semihost/ needs of a machine, and who may call.
 *
 * While it is off, a call is a breakpoint as any other; the first one is told of, since a program
 * that was built for semihosting cannot say itself what it misses. */
#include "hw/machine/machine.h"

#include "cpu/guest.h"

#include <string.h>

enum { LOOKS_WHILE_OFF = 64 }; /* at breakpoints, for that */

/* --- the caller's memory --- */

/* One piece in one page, with the caller's rights. */
static bool translate(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, bool write, gpa_t *gpa)
{
    struct guest_translation found = {0};
    if (!vcpu->guest->translate(vcpu, gva, size_bytes, write ? VCPU_WRITE : VCPU_READ, &found)) {
        vcpu->exception_pending = 0;
        return false;
    }
    *gpa = found.gpa;
    return true;
}

/* The next piece of an access that is inside one page; 0: it would go over the end of all. */
static unsigned piece_bytes(gva_t gva, size_t size_bytes)
{
    u64 rest = PAGE_BYTES - (gva & PAGE_OFFSET_MASK);
    return gva + (size_bytes - 1) < gva ? 0 : (unsigned)(size_bytes < rest ? size_bytes : rest);
}

static bool read_caller(void *opaque, void *caller, u64 address, void *bytes, size_t size_bytes)
{
    struct metic_machine *machine = opaque;
    while (size_bytes > 0) {
        unsigned piece = piece_bytes(address, size_bytes);
        gpa_t gpa;
        if (piece == 0 || !translate(caller, address, piece, false, &gpa) ||
            !memory_dma_read(&machine->memory, gpa, bytes, piece)) {
            return false;
        }
        address += piece;
        bytes = (u8 *)bytes + piece;
        size_bytes -= piece;
    }
    return true;
}

/* Whoever records memory hears of it as of stores. */
static void tell_write(struct vcpu *vcpu, gva_t gva, const u8 *bytes, unsigned size_bytes)
{
    for (unsigned at = 0; vcpu_wants(vcpu, VCPU_EVENT_MEMORY) && at < size_bytes;) {
        unsigned whole = (gva + at) % sizeof(u64) == 0 && size_bytes - at >= sizeof(u64);
        unsigned next = whole ? sizeof(u64) : 1;
        vcpu_event(vcpu, VCPU_EVENT_MEMORY, gva + at, ld_le(bytes + at, next), next | 1 << 8);
        at += next;
    }
}

static bool write_caller(void *opaque, void *caller, u64 address, const void *bytes,
                         size_t size_bytes)
{
    struct metic_machine *machine = opaque;
    while (size_bytes > 0) {
        unsigned piece = piece_bytes(address, size_bytes);
        gpa_t gpa;
        if (piece == 0 || !translate(caller, address, piece, true, &gpa) ||
            !memory_dma_write(&machine->memory, gpa, bytes, piece)) {
            return false;
        }
        tell_write(caller, address, bytes, piece);
        address += piece;
        bytes = (const u8 *)bytes + piece;
        size_bytes -= piece;
    }
    return true;
}

/* --- the console --- */

static void print(void *opaque, const void *bytes, size_t size_bytes)
{
    struct metic_machine *machine = opaque;
    char_port_write(machine->uart, bytes, size_bytes);
}

/* Harts that wait look again. */
static void wake_all(void *opaque)
{
    struct metic_machine *machine = opaque;
    engine_kick_all(machine->engine, VCPU_REQUEST_IRQ);
}

/* Whoever asks first by semihosting for what is typed has all of it from then on. */
static void claim_input(struct metic_machine *machine)
{
    struct semihosting_input *input = &machine->semihosting.input;
    u8 bytes[sizeof(input->held)];
    size_t got = char_port_claim(machine->uart, bytes, sizeof(bytes), wake_all, machine);
    if (!input->claimed) {
        memcpy(input->held, bytes, got);
        input->held_bytes = (u8)got;
    }
    input->claimed = true;
}

static size_t typed(void *opaque, void *bytes, size_t capacity_bytes)
{
    struct metic_machine *machine = opaque;
    struct semihosting_input *input = &machine->semihosting.input;
    if (!input->claimed) {
        claim_input(machine);
    }
    if (input->held_bytes == 0) {
        return char_port_read_claimed(machine->uart, bytes, capacity_bytes);
    }
    size_t got = input->held_bytes < capacity_bytes ? input->held_bytes : capacity_bytes;
    memcpy(bytes, input->held, got);
    memmove(input->held, input->held + got, input->held_bytes - got);
    input->held_bytes = (u8)(input->held_bytes - got);
    return got;
}

/* The end of the input is an input, too: so a replay has it where it was. */
static void on_end_of_input(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct metic_machine *machine = opaque;
    (void)bytes, (void)size_bytes;
    atomic_store(&machine->semihosting.input_ended, true);
    wake_all(machine);
}

void machine_semihosting_input_ended(struct metic_machine *machine)
{
    if (machine->semihosting.host != NULL && !journal_is_replay(machine->journal)) {
        journal_input(machine->journal, &machine->semihosting.end_source, "", 0);
    }
}

static bool hears_more(void *opaque)
{
    const struct metic_machine *machine = opaque;
    bool script = machine->script != NULL &&
                  char_script_steps_done(machine->script) < machine->options.step_count;
    return script || !atomic_load(&machine->semihosting.input_ended);
}

/* --- calls --- */

static u64 elapsed_ns(void *opaque, void *caller)
{
    struct metic_machine *machine = opaque;
    (void)machine_time_ticks(caller); /* sets the clock to the hart's own moment */
    return clock_now_ns(&machine->clock);
}

static void end(void *opaque, unsigned status)
{
    machine_power_off(opaque, status);
}

static void note_while_off(struct metic_machine *machine, const struct guest_host_call *call)
{
    log_print(&machine->log, LOG_GUEST,
              "the guest makes a semihosting call (operation 0x%llx)%s, which is a breakpoint to "
              "it; %s answers them",
              (unsigned long long)call->operation, call->user ? " in U mode" : "",
              call->user ? "--semihosting=user" : "--semihosting");
}

enum host_call machine_host_call(struct vcpu *vcpu, const struct guest_host_call *call, u64 *answer)
{
    struct metic_machine *machine = vcpu->ops_opaque;
    enum metic_semihosting how = machine->options.semihosting;
    if (how == METIC_SEMIHOSTING_OFF || (call->user && how != METIC_SEMIHOSTING_USER)) {
        note_while_off(machine, call);
        host_calls_look(vcpu->engine, how == METIC_SEMIHOSTING_OFF ? 0 : HOST_CALLS_ALL);
        return HOST_CALL_NONE;
    }
    bool answered = semihost_call(machine->semihosting.host, vcpu, call->operation,
                                  call->parameter, answer);
    atomic_store(&machine->semihosting.waits, !answered);
    return answered ? HOST_CALL_ANSWERED : HOST_CALL_WAITS;
}

/* --- life --- */

bool machine_make_semihosting(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    if (options->semihosting == METIC_SEMIHOSTING_OFF) {
        host_calls_look(machine->engine, LOOKS_WHILE_OFF);
        return true;
    }
    const struct semihost_env env = {
        .opaque = machine, .journal = machine->journal, .log = &machine->log,
        .read = read_caller, .write = write_caller, .print = print, .typed = typed,
        .hears_more = hears_more, .elapsed_ns = elapsed_ns, .end = end,
        .stack_top = machine->board->class->ram_gpa + options->ram_bytes,
    };
    const struct semihost_options semihost = {
        .folder = options->semihosting_folder, .read_only = options->semihosting_read_only};
    machine->semihosting.host = semihost_new(&semihost, &env, error);
    if (machine->semihosting.host == NULL) {
        return false;
    }
    machine->semihosting.end_source = (struct journal_source){
        .name = "semihosting.end", .deliver = on_end_of_input, .opaque = machine};
    journal_add_source(machine->journal, &machine->semihosting.end_source);
    if (atomic_load(&machine->input_ended)) {
        machine_semihosting_input_ended(machine);
    }
    return true;
}

void machine_free_semihosting(struct metic_machine *machine)
{
    if (machine->semihosting.host != NULL) {
        journal_remove_source(machine->journal, &machine->semihosting.end_source);
        semihost_free(machine->semihosting.host);
    }
}

/* The image's name, the same wherever it lies, and the kernel command line: as arguments. */
void machine_semihosting_loaded(struct metic_machine *machine)
{
    if (machine->semihosting.host == NULL) {
        return;
    }
    const char *path = machine->boot.path != NULL ? machine->boot.path : "";
    path = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    const char *more = machine->options.bootargs != NULL ? machine->options.bootargs : "";
    char line[SEMIHOSTING_LINE_BYTES];
    snprintf(line, sizeof(line), "%s%s%s", path, more[0] != '\0' ? " " : "", more);
    semihost_set_command_line(machine->semihosting.host, line);
}

void machine_semihosting_reset(struct metic_machine *machine)
{
    if (machine->semihosting.host != NULL) {
        semihost_reset(machine->semihosting.host);
    }
}

/* --- saved state --- */

#define SEMIHOSTING_INPUT(FIELD, T) \
    FIELD(T, held) FIELD(T, held_bytes) FIELD(T, claimed) FIELD(T, always_zero)
STATE_LIST(semihosting_input, struct semihosting_input, SEMIHOSTING_INPUT);

void machine_save_semihosting(struct metic_machine *machine, struct state_writer *writer)
{
    semihost_save(machine->semihosting.host, writer);
    state_write_list(writer, &semihosting_input, &machine->semihosting.input);
}

bool machine_load_semihosting(struct metic_machine *machine, struct state_reader *reader,
                              struct metic_error *error)
{
    struct semihosting_input saved;
    if (!semihost_load(machine->semihosting.host, reader, error) ||
        !state_read_list(reader, &semihosting_input, &saved, error)) {
        return false;
    }
    if (saved.held_bytes > sizeof(saved.held)) {
        return error_set(error, NULL, "the snapshot is damaged: semihosting holds too much input");
    }
    machine->semihosting.input = saved;
    if (saved.claimed) {
        claim_input(machine);
    }
    return true;
}

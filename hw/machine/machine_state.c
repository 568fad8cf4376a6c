/* What of a machine is state; see machine_state.h. */
#include "hw/machine/machine_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The machine's own. */
struct machine_saved {
    u64 clock_ns;
    u64 next_digest;
    u64 turn_end_ns;
    u64 htif_tohost, htif_fromhost;
    u32 turn_next;
    u32 panic_start, panic_end;
    bool panic_started;
    bool turn_open;
    bool in_reset;
    bool net_attached;
};
#define MACHINE_SAVED(FIELD, T)                                                        \
    FIELD(T, clock_ns) FIELD(T, next_digest) FIELD(T, turn_end_ns)                     \
    FIELD(T, htif_tohost) FIELD(T, htif_fromhost)                                     \
    FIELD(T, turn_next) FIELD(T, panic_start) FIELD(T, panic_end)                      \
    FIELD(T, panic_started) FIELD(T, turn_open) FIELD(T, in_reset) FIELD(T, net_attached)
STATE_LIST(machine_saved, struct machine_saved, MACHINE_SAVED);

/* Of a hart, what is the engine's and the machine's. */
struct hart_saved {
    u64 hart_ns;
    u64 empty_traps, last_trap_insns;
    u64 reservation_gpa;
    u32 reservation_bytes; /* 0: none */
    u32 reservation_live;
    u32 requests;          /* interrupts to look at */
    bool waits;            /* in its last turn */
    bool wants_wait;
    u8 unused[2];
};
#define HART_SAVED(FIELD, T)                                                            \
    FIELD(T, hart_ns) FIELD(T, empty_traps) FIELD(T, last_trap_insns)                   \
    FIELD(T, reservation_gpa) FIELD(T, reservation_bytes) FIELD(T, reservation_live)    \
    FIELD(T, requests) FIELD(T, waits) FIELD(T, wants_wait) FIELD(T, unused)
STATE_LIST(hart_saved, struct hart_saved, HART_SAVED);

/* --- sections: writing --- */

static void section(struct state_writer *all, const char *name, struct state_writer *contents)
{
    u32 name_bytes = (u32)strlen(name);
    state_write_u32(all, name_bytes);
    state_write_bytes(all, name, name_bytes);
    state_write_u64(all, contents->size_bytes);
    state_write_bytes(all, contents->bytes, contents->size_bytes);
    all->failed = all->failed || contents->failed;
    contents->size_bytes = 0;
}

static void save_machine(struct metic_machine *machine, struct state_writer *writer)
{
    struct machine_saved saved = {
        .clock_ns = clock_now_ns(&machine->clock),
        .next_digest = machine->next_digest,
        .turn_end_ns = machine->turn_end_ns,
        .htif_tohost = machine->boot.htif_tohost,
        .htif_fromhost = machine->boot.htif_fromhost,
        .turn_next = machine->turn_next,
        .panic_start = machine->panic.matched_start,
        .panic_end = machine->panic.matched_end,
        .panic_started = machine->panic.started,
        .turn_open = machine->turn_open,
        .in_reset = machine->in_reset,
        .net_attached = machine->net != NULL && net_port_has_carrier(machine->net),
    };
    state_write_list(writer, &machine_saved, &saved);
}

static void save_hart(struct metic_machine *machine, unsigned index, struct state_writer *writer)
{
    const struct vcpu *vcpu = machine->engine->vcpus[index];
    unsigned reservation_bytes;
    gpa_t reservation_gpa = engine_get_reservation(vcpu, &reservation_bytes);
    struct hart_saved saved = {
        .hart_ns = machine->hart_ns[index],
        .empty_traps = vcpu->empty_traps,
        .last_trap_insns = vcpu->last_trap_insns,
        .reservation_gpa = reservation_bytes != 0 ? reservation_gpa : 0,
        .reservation_bytes = reservation_bytes,
        .reservation_live = reservation_bytes != 0 ? vcpu->reservation_live : 0,
        .requests = atomic_load(&vcpu->requests) & VCPU_REQUEST_IRQ,
        .waits = machine->hart_waits[index],
        .wants_wait = vcpu->wants_wait,
    };
    state_write_list(writer, &hart_saved, &saved);
}

/* Which files the disks are, and when each was changed last: overlays are good for nothing without
 * the very file they were begun over. */
static void disk_stamp(const char *path, u64 *size_bytes, u64 *changed_ns)
{
    struct stat status;
    *size_bytes = *changed_ns = 0;
    if (stat(path, &status) == 0) {
        *size_bytes = (u64)status.st_size;
        *changed_ns = (u64)status.st_mtim.tv_sec * 1000000000u + (u64)status.st_mtim.tv_nsec;
    }
}

static void save_disks(const struct metic_machine *machine, struct state_writer *writer)
{
    state_write_u32(writer, machine->options.disk_count);
    for (unsigned i = 0; i < machine->options.disk_count; i++) {
        u64 size_bytes, changed_ns;
        disk_stamp(machine->disks[i].disk.path, &size_bytes, &changed_ns);
        state_write_u64(writer, size_bytes);
        state_write_u64(writer, changed_ns);
    }
}

static const char *cpu_text(const struct metic_machine *machine)
{
    return machine->options.cpu != NULL ? machine->options.cpu : "rv64";
}

static void device_section(const struct device *device, char name[MACHINE_SECTION_BYTES])
{
    snprintf(name, MACHINE_SECTION_BYTES, "device %s", device->name);
}

/* The harts' features, and how the user said them. */
static void save_processor(const struct metic_machine *machine, struct state_writer *writer)
{
    const char *cpu = cpu_text(machine);
    state_write_u64(writer, machine->engine->options.guest_features);
    state_write_bytes(writer, cpu, strlen(cpu));
}

/* Nobody touches RAM or a device from here on. Lines lead from devices made later to those made
 * before, and so do locks. */
static void hold_devices(struct metic_machine *machine)
{
    for (unsigned i = machine->board->device_count; i > 0; i--) {
        device_hold(machine->board->devices[i - 1]);
    }
}

static void release_devices(struct metic_machine *machine)
{
    for (unsigned i = 0; i < machine->board->device_count; i++) {
        device_release(machine->board->devices[i]);
    }
}

/* The network behind its device and whoever types have locks that nest outside the devices'. */
static void save_outside(struct metic_machine *machine, struct state_writer *all)
{
    struct state_writer one;
    state_writer_init(&one);
    if (machine->net != NULL) {
        net_port_save_backend(machine->net, &one);
        section(all, "network", &one);
    }
    if (metic_has_input(machine)) {
        input_save_keys(machine->input, &one);
        section(all, "input", &one);
    }
    state_writer_fini(&one);
}

/* Everything but RAM and that. */
static void save_sections(struct metic_machine *machine, const char *description,
                          struct state_writer *all)
{
    char name[MACHINE_SECTION_BYTES];
    struct state_writer one;
    const char *image = machine->boot.path != NULL ? machine->boot.path : "";
    state_writer_init(&one);
    state_write_bytes(&one, description, strlen(description));
    section(all, "description", &one);
    state_write_bytes(&one, image, strlen(image));
    section(all, "image", &one);
    save_machine(machine, &one);
    section(all, "machine", &one);
    save_processor(machine, &one);
    section(all, "processor", &one);
    for (unsigned i = 0; i < machine->board->device_count; i++) {
        device_save(machine->board->devices[i], &one);
        device_section(machine->board->devices[i], name);
        section(all, name, &one);
    }
    save_disks(machine, &one);
    section(all, "disks", &one);
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        const struct vcpu *vcpu = machine->engine->vcpus[i];
        state_write_list(&one, vcpu->guest->saved, vcpu);
        save_hart(machine, i, &one);
        snprintf(name, sizeof(name), "hart %u", i);
        section(all, name, &one);
    }
    char_port_save(machine->uart, &one);
    section(all, "console", &one);
    if (machine->hvc != NULL) {
        char_port_save(machine->hvc, &one);
        section(all, "virtio console", &one);
    }
    if (machine->ports_config.count > 0) {
        machine_save_ports(machine, &one);
        section(all, "ports", &one);
    }
    if (machine->script != NULL) {
        char_script_save(machine->script, &one);
        section(all, "script", &one);
    }
    if (machine->semihosting.host != NULL) {
        machine_save_semihosting(machine, &one);
        section(all, "semihosting", &one);
    }
    journal_save(machine->journal, &one);
    section(all, "journal", &one);
    state_writer_fini(&one);
}

bool machine_save_state(struct metic_machine *machine, const char *description,
                        struct state_writer *sections, const struct machine_ram *ram,
                        struct metic_error *error)
{
    save_outside(machine, sections);
    hold_devices(machine);
    save_sections(machine, description, sections);
    bool ok = ram->move(ram->opaque, &machine->memory, error);
    release_devices(machine);
    return ok;
}

/* --- sections: reading --- */

bool machine_split_sections(const u8 *bytes, size_t size_bytes, struct machine_sections *sections,
                            struct metic_error *error)
{
    struct state_reader all;
    state_reader_init(&all, bytes, size_bytes);
    sections->count = 0;
    while (all.position < all.size_bytes) {
        u32 name_bytes;
        u64 section_bytes;
        char *name = sections->at[sections->count].name;
        if (sections->count == MACHINE_MAX_SECTIONS || !state_read_u32(&all, &name_bytes) ||
            name_bytes >= MACHINE_SECTION_BYTES || !state_read_bytes(&all, name, name_bytes) ||
            !state_read_u64(&all, &section_bytes) ||
            section_bytes > all.size_bytes - all.position) {
            return error_set(error, NULL, "the snapshot is damaged: its sections make no sense");
        }
        name[name_bytes] = '\0';
        state_reader_init(&sections->at[sections->count].reader, all.bytes + all.position,
                          (size_t)section_bytes);
        sections->at[sections->count].used = false;
        sections->count++;
        all.position += (size_t)section_bytes;
    }
    return true;
}

struct state_reader *machine_find_section(struct machine_sections *sections, const char *name,
                                          struct metic_error *error)
{
    for (unsigned i = 0; i < sections->count; i++) {
        if (strcmp(sections->at[i].name, name) == 0) {
            sections->at[i].used = true;
            sections->at[i].reader.position = 0;
            return &sections->at[i].reader;
        }
    }
    error_set(error, "give the machine the options it was saved with",
              "the machine has \"%s\", the snapshot has not", name);
    return NULL;
}

/* --- loading --- */

/* Registers of another length would mean something else. */
bool machine_check_processor(const struct metic_machine *machine, struct machine_sections *sections,
                             struct metic_error *error)
{
    struct state_reader *reader = machine_find_section(sections, "processor", error);
    u64 features;
    if (!state_read_u64(reader, &features)) {
        return error_set(error, NULL, "the snapshot is damaged: it names no processor");
    }
    return features == machine->engine->options.guest_features ||
           error_set(error, "give the machine the --cpu it was saved with",
                     "the snapshot's harts are %.*s, the machine's %s",
                     (int)(reader->size_bytes - reader->position),
                     (const char *)reader->bytes + reader->position, cpu_text(machine));
}

/* Before anything is changed: each section of the machine's is there, and no other. */
bool machine_check_sections(const struct metic_machine *machine, struct machine_sections *sections,
                            struct metic_error *error)
{
    char name[MACHINE_SECTION_BYTES];
    bool ok = machine_find_section(sections, "machine", error) &&
              machine_find_section(sections, "processor", error) &&
              machine_find_section(sections, "disks", error) &&
              machine_find_section(sections, "console", error) &&
              machine_find_section(sections, "journal", error) &&
              machine_find_section(sections, "description", error) &&
              machine_find_section(sections, "image", error) &&
              (machine->hvc == NULL || machine_find_section(sections, "virtio console", error)) &&
              (machine->ports_config.count == 0 ||
               machine_find_section(sections, "ports", error)) &&
              (machine->semihosting.host == NULL ||
               machine_find_section(sections, "semihosting", error)) &&
              (machine->net == NULL || machine_find_section(sections, "network", error)) &&
              (!metic_has_input(machine) || machine_find_section(sections, "input", error));
    for (unsigned i = 0; ok && i < machine->board->device_count; i++) {
        device_section(machine->board->devices[i], name);
        ok = machine_find_section(sections, name, error) != NULL;
    }
    for (unsigned i = 0; ok && i < machine->engine->vcpu_count; i++) {
        snprintf(name, sizeof(name), "hart %u", i);
        ok = machine_find_section(sections, name, error) != NULL;
    }
    for (unsigned i = 0; ok && i < sections->count; i++) {
        ok = sections->at[i].used || strcmp(sections->at[i].name, "script") == 0 ||
             error_set(error, "give the machine the options it was saved with",
                       "the snapshot has \"%s\", the machine has not", sections->at[i].name);
    }
    return ok;
}

/* A disk that is written itself is in the snapshot and can be put back. A running machine's is its
 * own; what others made of a file in the meantime is only overwritten when that is asked for. */
bool machine_check_disks(const struct metic_machine *machine, struct machine_sections *sections,
                         const struct metic_load *how, struct metic_error *error)
{
    struct state_reader *reader = machine_find_section(sections, "disks", error);
    u32 count;
    if (!state_read_u32(reader, &count) || count != machine->options.disk_count) {
        return error_set(error, "give the machine the disks it was saved with",
                         "the snapshot has another number of disks");
    }
    for (unsigned i = 0; i < count; i++) {
        u64 saved_bytes = 0, saved_ns = 0, size_bytes, changed_ns;
        const char *path = machine->disks[i].disk.path;
        const struct metic_disk *disk = &machine->options.disks[i];
        bool own = disk->write_back && disk->overlay == NULL;
        bool ok = state_read_u64(reader, &saved_bytes) && state_read_u64(reader, &saved_ns);
        disk_stamp(path, &size_bytes, &changed_ns);
        bool same = size_bytes == saved_bytes && changed_ns == saved_ns;
        if (!ok || !(same || (own && (machine->loaded || how->revert_disks)))) {
            return error_set(error,
                             own ? "--revert-disks puts it back as it was, and what was written "
                                   "since is gone"
                                 : "give the very file that the snapshot was made with",
                             "the disk %s was changed after the snapshot was made", path);
        }
    }
    return true;
}

static bool load_machine(struct metic_machine *machine, struct machine_sections *sections,
                         struct machine_saved *saved, struct metic_error *error)
{
    if (!state_read_list(machine_find_section(sections, "machine", error), &machine_saved, saved,
                         error)) {
        return false;
    }
    machine->next_digest = saved->next_digest;
    machine->turn_end_ns = saved->turn_end_ns;
    machine->boot.htif_tohost = saved->htif_tohost;
    machine->boot.htif_fromhost = saved->htif_fromhost;
    machine->turn_next = saved->turn_next;
    machine->turn_open = saved->turn_open;
    machine->in_reset = saved->in_reset;
    machine->panic = (struct panic_watch){.started = saved->panic_started};
    clock_set_virtual_ns(&machine->clock, saved->clock_ns);
    return true;
}

/* With the virtual clock harts take turns, so their times are near each other's and the clock's.
 * Where they are not, all would wait for the one that is ahead, for ever. */
static bool check_times(const struct metic_machine *machine, const struct machine_saved *saved,
                        const struct hart_saved *harts, struct metic_error *error)
{
    const u64 most_ns = (u64)1 << 62, apart_ns = (u64)10 * 1000000000;
    bool good = saved->clock_ns < most_ns;
    if (machine->options.clock == METIC_CLOCK_VIRTUAL) {
        good = good && saved->turn_end_ns < most_ns;
        for (unsigned i = 0; good && i < machine->engine->vcpu_count; i++) {
            good = harts[i].hart_ns + apart_ns > saved->clock_ns &&
                   harts[i].hart_ns < saved->clock_ns + apart_ns;
        }
    }
    return good || error_set(error, NULL, "the snapshot is damaged: its times make no sense");
}

static bool load_devices(struct metic_machine *machine, struct machine_sections *sections,
                         struct metic_error *error)
{
    char name[MACHINE_SECTION_BYTES];
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        atomic_store(&machine->engine->vcpus[i]->irq_lines, 0); /* devices drive them anew */
    }
    for (unsigned i = 0; i < machine->board->device_count; i++) {
        device_section(machine->board->devices[i], name);
        if (!device_load(machine->board->devices[i],
                         machine_find_section(sections, name, error), error)) {
            return false;
        }
    }
    return true;
}

static bool load_hart(struct metic_machine *machine, unsigned index,
                      struct machine_sections *sections, struct hart_saved *saved,
                      struct metic_error *error)
{
    struct vcpu *vcpu = machine->engine->vcpus[index];
    char name[MACHINE_SECTION_BYTES];
    snprintf(name, sizeof(name), "hart %u", index);
    struct state_reader *reader = machine_find_section(sections, name, error);
    if (!state_read_list(reader, vcpu->guest->saved, vcpu, error) ||
        !state_read_list(reader, &hart_saved, saved, error)) {
        return false;
    }
    vcpu->exception_pending = 0;
    vcpu->exit_request = 0;
    vcpu->guest->loaded(vcpu);
    return true;
}

/* What devices have stirred while they were loaded is set right, too. */
static void settle_hart(struct metic_machine *machine, unsigned index,
                        const struct hart_saved *saved)
{
    struct vcpu *vcpu = machine->engine->vcpus[index];
    bool reserved = (saved->reservation_bytes == 4 || saved->reservation_bytes == 8) &&
                    memory_host(&machine->memory, saved->reservation_gpa,
                                saved->reservation_bytes) != NULL;
    engine_set_reservation(vcpu, saved->reservation_gpa, reserved ? saved->reservation_bytes : 0);
    vcpu->reservation_live = reserved ? saved->reservation_live : 0;
    machine->hart_ns[index] = saved->hart_ns;
    machine->hart_waits[index] = saved->waits;
    vcpu->empty_traps = saved->empty_traps;
    vcpu->last_trap_insns = saved->last_trap_insns;
    vcpu->wants_wait = saved->wants_wait;
    atomic_store(&vcpu->requests, saved->requests & VCPU_REQUEST_IRQ);
    atomic_store(&vcpu->deadline, 0);
}

static bool load_ports(struct metic_machine *machine, struct machine_sections *sections,
                       struct metic_error *error)
{
    bool ok = char_port_load(machine->uart, machine_find_section(sections, "console", error),
                             error);
    if (ok && machine->hvc != NULL) {
        ok = char_port_load(machine->hvc, machine_find_section(sections, "virtio console", error),
                            error);
    }
    if (ok && machine->ports_config.count > 0) {
        ok = machine_load_ports(machine, machine_find_section(sections, "ports", error), error);
    }
    if (ok && machine->semihosting.host != NULL) {
        ok = machine_load_semihosting(
            machine, machine_find_section(sections, "semihosting", error), error);
    }
    return ok;
}

/* With all devices held. */
static bool load_held(struct metic_machine *machine, const struct machine_ram *ram,
                      struct machine_sections *sections, struct machine_saved *saved,
                      struct hart_saved *harts, struct metic_error *error)
{
    bool ok = ram->move(ram->opaque, &machine->memory, error) &&
              load_machine(machine, sections, saved, error);
    for (unsigned i = 0; ok && i < machine->engine->vcpu_count; i++) {
        ok = load_hart(machine, i, sections, &harts[i], error);
    }
    ok = ok && check_times(machine, saved, harts, error);
    ok = ok && load_devices(machine, sections, error) && load_ports(machine, sections, error);
    for (unsigned i = 0; ok && i < machine->engine->vcpu_count; i++) {
        settle_hart(machine, i, &harts[i]);
    }
    return ok;
}

/* What is behind the devices, and outside. */
static bool load_outside(struct metic_machine *machine, struct machine_sections *sections,
                         bool attached, struct metic_error *error)
{
    if (metic_has_input(machine) &&
        !input_load_keys(machine->input, machine_find_section(sections, "input", error), error)) {
        return false;
    }
    return machine_resume_net(machine, attached, error) &&
           (machine->net == NULL ||
            net_port_load_backend(machine->net, machine_find_section(sections, "network", error),
                                  error));
}

bool machine_load_state(struct metic_machine *machine, struct machine_sections *sections,
                        const struct machine_ram *ram, enum machine_load how,
                        struct metic_error *error)
{
    struct machine_saved saved = {0};
    struct hart_saved *harts = calloc(machine->engine->vcpu_count, sizeof(*harts));
    bool ok = harts != NULL || error_set(error, NULL, "the host has no memory for a snapshot");
    if (ok) {
        hold_devices(machine);
        ok = load_held(machine, ram, sections, &saved, harts, error) &&
             (how == MACHINE_LOAD_PAST ||
              journal_load(machine->journal, machine_find_section(sections, "journal", error),
                           error));
        release_devices(machine);
    }
    free(harts);
    if (ok && machine->script != NULL && how != MACHINE_LOAD_OTHER_STEPS) {
        struct state_reader *script = machine_find_section(sections, "script", NULL);
        ok = script == NULL || char_script_load(machine->script, script) ||
             error_set(error, "give the same --expect and --send",
                       "the snapshot was made in the middle of another script");
    }
    return ok && (how == MACHINE_LOAD_PAST ||
                  load_outside(machine, sections, saved.net_attached, error));
}

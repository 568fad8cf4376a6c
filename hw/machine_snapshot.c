/* Saving a machine and loading it again (metic.h, "snapshots").
 *
 * The state is a row of named sections, in the order in which they are loaded: what the machine as
 * a whole has, harts, each device, console ports, the network behind its device, the journal, and
 * what the harts wait for. RAM is in the file beside it (hw/snapshot_file.h). A section's contents
 * name their members (cpu/state.h), so that a snapshot of another version is refused by name. */
#include "hw/machine.h"

#include "hw/snapshot_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { SECTION_NAME_BYTES = 64, MAX_SECTIONS = METIC_MAX_HARTS + BOARD_MAX_DEVICES + 64 };

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

struct metic_snapshot {
    struct snapshot_file *file;
    char *description;
    char *image; /* path of what was loaded, or MACHINE_DEMO; "": nothing */
};

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

static void device_section(const struct device *device, char name[SECTION_NAME_BYTES])
{
    snprintf(name, SECTION_NAME_BYTES, "device %s", device->name);
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
    char name[SECTION_NAME_BYTES];
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
    journal_save(machine->journal, &one);
    section(all, "journal", &one);
    state_writer_fini(&one);
}

static struct metic_snapshot *wrap(struct snapshot_file *file, struct metic_error *error);

/* To a file, or to memory when path is NULL. */
static struct snapshot_file *save(struct metic_machine *machine, const char *path,
                                  const struct metic_save *how, struct metic_error *error)
{
    static const struct metic_save plain = {0};
    how = how != NULL ? how : &plain;
    struct snapshot_head head = {
        .ram_bytes = machine->options.ram_bytes,
        .clock_ns = clock_now_ns(&machine->clock),
        .insns = machine_total_insns(machine),
        .created_s = (u64)time(NULL),
        .harts = machine->options.harts,
    };
    struct state_writer sections;
    snprintf(head.version, sizeof(head.version), "%s", METIC_VERSION);
    snprintf(head.board, sizeof(head.board), "%s", machine->board->class->name);
    struct snapshot_writer *writer =
        snapshot_writer_new(path, how->compress ? SNAPSHOT_PACKED : 0, error);
    if (writer == NULL) {
        return NULL;
    }
    state_writer_init(&sections);
    save_outside(machine, &sections);
    hold_devices(machine);
    save_sections(machine, how->description != NULL ? how->description : "", &sections);
    bool ok = snapshot_writer_ram(writer, &machine->memory, error);
    release_devices(machine);
    struct snapshot_file *file = NULL;
    if (ok) {
        file = snapshot_writer_finish(writer, &head, &sections, error);
    } else {
        snapshot_writer_drop(writer);
    }
    state_writer_fini(&sections);
    return file;
}

bool metic_snapshot_save(metic_machine *machine, const char *path, const struct metic_save *how,
                         struct metic_error *error)
{
    struct snapshot_file *file = save(machine, path, how, error);
    snapshot_file_free(file);
    return file != NULL;
}

metic_snapshot *metic_snapshot_take(metic_machine *machine, struct metic_error *error)
{
    struct snapshot_file *file = save(machine, NULL, NULL, error);
    return file != NULL ? wrap(file, error) : NULL;
}

/* --- sections: reading --- */

struct sections {
    struct {
        char name[SECTION_NAME_BYTES];
        struct state_reader reader;
        bool used;
    } at[MAX_SECTIONS];
    unsigned count;
};

static bool split(const struct snapshot_file *file, struct sections *sections,
                  struct metic_error *error)
{
    struct state_reader all;
    state_reader_init(&all, file->state.bytes + file->sections_at,
                      file->state.size_bytes - file->sections_at);
    sections->count = 0;
    while (all.position < all.size_bytes) {
        u32 name_bytes;
        u64 size_bytes;
        char *name = sections->at[sections->count].name;
        if (sections->count == MAX_SECTIONS || !state_read_u32(&all, &name_bytes) ||
            name_bytes >= SECTION_NAME_BYTES || !state_read_bytes(&all, name, name_bytes) ||
            !state_read_u64(&all, &size_bytes) || size_bytes > all.size_bytes - all.position) {
            return error_set(error, NULL, "the snapshot is damaged: its sections make no sense");
        }
        name[name_bytes] = '\0';
        state_reader_init(&sections->at[sections->count].reader, all.bytes + all.position,
                          (size_t)size_bytes);
        sections->at[sections->count].used = false;
        sections->count++;
        all.position += (size_t)size_bytes;
    }
    return true;
}

static struct state_reader *find_section(struct sections *sections, const char *name,
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

static char *section_text(struct sections *sections, const char *name, struct metic_error *error)
{
    struct state_reader *reader = find_section(sections, name, error);
    return reader != NULL ? strndup((const char *)reader->bytes, reader->size_bytes) : NULL;
}

static struct metic_snapshot *wrap(struct snapshot_file *file, struct metic_error *error)
{
    struct metic_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    struct sections *sections = malloc(sizeof(*sections));
    bool ok = snapshot != NULL && sections != NULL;
    if (!ok) {
        error_set(error, NULL, "the host has no memory for a snapshot");
    } else if (split(file, sections, error)) {
        snapshot->description = section_text(sections, "description", error);
        snapshot->image = section_text(sections, "image", error);
        ok = snapshot->description != NULL && snapshot->image != NULL;
    } else {
        ok = false;
    }
    free(sections);
    if (!ok) {
        snapshot_file_free(file);
        free(snapshot != NULL ? snapshot->description : NULL);
        free(snapshot != NULL ? snapshot->image : NULL);
        free(snapshot);
        return NULL;
    }
    snapshot->file = file;
    return snapshot;
}

metic_snapshot *metic_snapshot_open(const char *path, struct metic_error *error)
{
    struct snapshot_file *file = snapshot_file_open(path, error);
    return file != NULL ? wrap(file, error) : NULL;
}

void metic_snapshot_free(metic_snapshot *snapshot)
{
    if (snapshot != NULL) {
        snapshot_file_free(snapshot->file);
        free(snapshot->description);
        free(snapshot->image);
        free(snapshot);
    }
}

const char *metic_snapshot_description(const metic_snapshot *snapshot)
{
    return snapshot->description;
}

void metic_snapshot_info(const metic_snapshot *snapshot, struct metic_snapshot_info *info)
{
    const struct snapshot_head *head = &snapshot->file->head;
    *info = (struct metic_snapshot_info){
        .version = head->version, .board = head->board, .image = snapshot->image,
        .harts = head->harts, .ram_bytes = head->ram_bytes, .insns = head->insns,
        .clock_ns = head->clock_ns, .created_s = head->created_s,
        .compressed = (head->flags & SNAPSHOT_PACKED) != 0,
    };
}

bool metic_snapshot_check(metic_snapshot *snapshot, struct metic_error *error)
{
    return snapshot_file_check(snapshot->file, error);
}

/* --- loading --- */

static bool check_fit(const struct metic_machine *machine, const struct snapshot_head *head,
                      struct metic_error *error)
{
    const char *next = "give the machine the options it was saved with";
    if (strcmp(head->board, machine->board->class->name) != 0) {
        return error_set(error, next, "the snapshot is of a %s, the machine is a %s", head->board,
                         machine->board->class->name);
    }
    if (head->harts != machine->options.harts) {
        return error_set(error, next, "the snapshot has %u harts, the machine %u", head->harts,
                         machine->options.harts);
    }
    return head->ram_bytes == machine->options.ram_bytes ||
           error_set(error, next, "the snapshot has %llu MiB of memory, the machine %llu",
                     (unsigned long long)(head->ram_bytes >> 20),
                     (unsigned long long)(machine->options.ram_bytes >> 20));
}

/* Registers of another length would mean something else. */
static bool check_processor(const struct metic_machine *machine, struct sections *sections,
                            struct metic_error *error)
{
    struct state_reader *reader = find_section(sections, "processor", error);
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
static bool check_sections(const struct metic_machine *machine, struct sections *sections,
                           struct metic_error *error)
{
    char name[SECTION_NAME_BYTES];
    bool ok = find_section(sections, "machine", error) &&
              find_section(sections, "processor", error) &&
              find_section(sections, "disks", error) &&
              find_section(sections, "console", error) &&
              find_section(sections, "journal", error) &&
              find_section(sections, "description", error) &&
              find_section(sections, "image", error) &&
              (machine->hvc == NULL || find_section(sections, "virtio console", error)) &&
              (machine->ports_config.count == 0 || find_section(sections, "ports", error)) &&
              (machine->net == NULL || find_section(sections, "network", error)) &&
              (!metic_has_input(machine) || find_section(sections, "input", error));
    for (unsigned i = 0; ok && i < machine->board->device_count; i++) {
        device_section(machine->board->devices[i], name);
        ok = find_section(sections, name, error) != NULL;
    }
    for (unsigned i = 0; ok && i < machine->engine->vcpu_count; i++) {
        snprintf(name, sizeof(name), "hart %u", i);
        ok = find_section(sections, name, error) != NULL;
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
static bool check_disks(const struct metic_machine *machine, struct sections *sections,
                        const struct metic_load *how, struct metic_error *error)
{
    struct state_reader *reader = find_section(sections, "disks", error);
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

static bool load_machine(struct metic_machine *machine, struct sections *sections,
                         struct machine_saved *saved, struct metic_error *error)
{
    if (!state_read_list(find_section(sections, "machine", error), &machine_saved, saved,
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

static bool load_devices(struct metic_machine *machine, struct sections *sections,
                         struct metic_error *error)
{
    char name[SECTION_NAME_BYTES];
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        atomic_store(&machine->engine->vcpus[i]->irq_lines, 0); /* devices drive them anew */
    }
    for (unsigned i = 0; i < machine->board->device_count; i++) {
        device_section(machine->board->devices[i], name);
        if (!device_load(machine->board->devices[i], find_section(sections, name, error), error)) {
            return false;
        }
    }
    return true;
}

static bool load_hart(struct metic_machine *machine, unsigned index, struct sections *sections,
                      struct hart_saved *saved, struct metic_error *error)
{
    struct vcpu *vcpu = machine->engine->vcpus[index];
    char name[SECTION_NAME_BYTES];
    snprintf(name, sizeof(name), "hart %u", index);
    struct state_reader *reader = find_section(sections, name, error);
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

static bool load_ports(struct metic_machine *machine, struct sections *sections,
                       struct metic_error *error)
{
    bool ok = char_port_load(machine->uart, find_section(sections, "console", error), error);
    if (ok && machine->hvc != NULL) {
        ok = char_port_load(machine->hvc, find_section(sections, "virtio console", error), error);
    }
    if (ok && machine->ports_config.count > 0) {
        ok = machine_load_ports(machine, find_section(sections, "ports", error), error);
    }
    return ok && journal_load(machine->journal, find_section(sections, "journal", error), error);
}

/* With all devices held. */
static bool load_held(struct metic_machine *machine, const struct metic_snapshot *snapshot,
                      struct sections *sections, struct machine_saved *saved,
                      struct hart_saved *harts, struct metic_error *error)
{
    bool ok = snapshot_file_load_ram(snapshot->file, &machine->memory, error) &&
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

static bool load_all(struct metic_machine *machine, const struct metic_snapshot *snapshot,
                     struct sections *sections, const struct metic_load *how,
                     struct metic_error *error)
{
    struct machine_saved saved = {0};
    struct hart_saved *harts = calloc(machine->engine->vcpu_count, sizeof(*harts));
    bool ok = harts != NULL || error_set(error, NULL, "the host has no memory for a snapshot");
    if (ok) {
        hold_devices(machine);
        ok = load_held(machine, snapshot, sections, &saved, harts, error);
        release_devices(machine);
    }
    free(harts);
    if (ok && machine->script != NULL && !how->other_steps) {
        struct state_reader *script = find_section(sections, "script", NULL);
        ok = script == NULL || char_script_load(machine->script, script) ||
             error_set(error, "give the same --expect and --send",
                       "the snapshot was made in the middle of another script");
    }
    if (ok && metic_has_input(machine)) {
        ok = input_load_keys(machine->input, find_section(sections, "input", error), error);
    }
    return ok && machine_resume_net(machine, saved.net_attached, error) &&
           (machine->net == NULL ||
            net_port_load_backend(machine->net, find_section(sections, "network", error), error));
}

static bool set_image(struct metic_machine *machine, const char *path, struct metic_error *error)
{
    if (machine->loaded || path[0] == '\0') {
        machine->boot.pending = machine->boot.pending || !machine->loaded;
        return true;
    }
    free(machine->boot.path);
    machine->boot.path = strdup(path);
    machine->boot.pending = true;
    return machine->boot.path != NULL ||
           error_set(error, NULL, "the host has no memory for a snapshot");
}

bool metic_snapshot_load(metic_machine *machine, const metic_snapshot *snapshot,
                         const struct metic_load *how, struct metic_error *error)
{
    static const struct metic_load plain;
    struct sections *sections = malloc(sizeof(*sections));
    struct metic_error local;
    error = error != NULL ? error : &local;
    how = how != NULL ? how : &plain;
    if (sections == NULL) {
        return error_set(error, NULL, "the host has no memory for a snapshot");
    }
    bool ok = check_fit(machine, &snapshot->file->head, error) &&
              split(snapshot->file, sections, error) &&
              check_sections(machine, sections, error) &&
              check_processor(machine, sections, error) &&
              check_disks(machine, sections, how, error) &&
              set_image(machine, snapshot->image, error);
    if (ok) {
        bool had_state = machine->loaded;
        ok = load_all(machine, snapshot, sections, how, error);
        machine->loaded = ok;
        if (!ok && had_state) {
            machine_spoil(machine, error->what);
        }
    }
    free(sections);
    return ok;
}

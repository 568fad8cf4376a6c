/* Saving a machine and loading it again (metic.h, "snapshots"): its state (machine_state.h) and its
 * RAM in one file (hw/snapshot/snapshot_file.h). */
#include "hw/machine/machine_state.h"

#include "hw/snapshot/snapshot_file.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct metic_snapshot {
    struct snapshot_file *file;
    char *description;
    char *image; /* path of what was loaded, or MACHINE_DEMO; "": nothing */
};

static struct metic_snapshot *wrap(struct snapshot_file *file, struct metic_error *error);

static bool write_ram(void *opaque, struct memory *memory, struct metic_error *error)
{
    return snapshot_writer_ram(opaque, memory, error);
}

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
    const struct machine_ram ram = {write_ram, writer};
    state_writer_init(&sections);
    bool ok = machine_save_state(machine, how->description != NULL ? how->description : "",
                                 &sections, &ram, error);
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

static bool split(const struct snapshot_file *file, struct machine_sections *sections,
                  struct metic_error *error)
{
    return machine_split_sections(file->state.bytes + file->sections_at,
                                  file->state.size_bytes - file->sections_at, sections, error);
}

static char *section_text(struct machine_sections *sections, const char *name,
                          struct metic_error *error)
{
    struct state_reader *reader = machine_find_section(sections, name, error);
    return reader != NULL ? strndup((const char *)reader->bytes, reader->size_bytes) : NULL;
}

static struct metic_snapshot *wrap(struct snapshot_file *file, struct metic_error *error)
{
    struct metic_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    struct machine_sections *sections = malloc(sizeof(*sections));
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

static bool read_ram(void *opaque, struct memory *memory, struct metic_error *error)
{
    return snapshot_file_load_ram(opaque, memory, error);
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
    machine_semihosting_loaded(machine);
    return machine->boot.path != NULL ||
           error_set(error, NULL, "the host has no memory for a snapshot");
}

bool metic_snapshot_load(metic_machine *machine, const metic_snapshot *snapshot,
                         const struct metic_load *how, struct metic_error *error)
{
    static const struct metic_load plain;
    struct machine_sections *sections = malloc(sizeof(*sections));
    struct metic_error local;
    error = error != NULL ? error : &local;
    how = how != NULL ? how : &plain;
    if (sections == NULL) {
        return error_set(error, NULL, "the host has no memory for a snapshot");
    }
    bool ok = check_fit(machine, &snapshot->file->head, error) &&
              split(snapshot->file, sections, error) &&
              machine_check_sections(machine, sections, error) &&
              machine_check_processor(machine, sections, error) &&
              machine_check_disks(machine, sections, how, error) &&
              set_image(machine, snapshot->image, error);
    if (ok) {
        bool had_state = machine->loaded;
        const struct machine_ram ram = {read_ram, snapshot->file};
        ok = machine_load_state(machine, sections, &ram,
                                how->other_steps ? MACHINE_LOAD_OTHER_STEPS : MACHINE_LOAD_ALL,
                                error);
        machine_history_lost(machine);
        machine->loaded = ok;
        if (!ok && had_state) {
            machine_spoil(machine, error->what);
        }
    }
    free(sections);
    return ok;
}

/* A machine's state as a row of named sections, in the order in which they are loaded: what the
 * machine as a whole has, harts, each device, console ports, the network behind its device, the
 * journal, and what the harts wait for. RAM goes beside it, wherever the caller puts it: into a
 * snapshot (machine_snapshot.c), or among the pages of a history (machine_history.c). A section's
 * contents name their members (cpu/state.h), so that a snapshot of another version is refused by
 * name. Shared by hw/machine*.c only. */
#ifndef METIC_HW_MACHINE_STATE_H
#define METIC_HW_MACHINE_STATE_H

#include "hw/machine/machine.h"

enum {
    MACHINE_SECTION_BYTES = 64,
    MACHINE_MAX_SECTIONS = METIC_MAX_HARTS + BOARD_MAX_DEVICES + 64,
};

struct machine_sections {
    struct {
        char name[MACHINE_SECTION_BYTES];
        struct state_reader reader;
        bool used;
    } at[MACHINE_MAX_SECTIONS];
    unsigned count;
};

/* Takes RAM and ROM out of the machine, or puts them back; all devices are held meanwhile. */
struct machine_ram {
    bool (*move)(void *opaque, struct memory *memory, struct metic_error *error);
    void *opaque;
};

/* Appends the sections to `sections`. */
bool machine_save_state(struct metic_machine *machine, const char *description,
                        struct state_writer *sections, const struct machine_ram *ram,
                        struct metic_error *error);

/* The readers point into the bytes. False: they are none. */
bool machine_split_sections(const u8 *bytes, size_t size_bytes, struct machine_sections *sections,
                            struct metic_error *error);
/* From its beginning; NULL with a reason. */
struct state_reader *machine_find_section(struct machine_sections *sections, const char *name,
                                          struct metic_error *error);

/* Before anything is changed, whether the sections are those of this machine. */
bool machine_check_processor(const struct metic_machine *machine, struct machine_sections *sections,
                             struct metic_error *error);
bool machine_check_sections(const struct metic_machine *machine, struct machine_sections *sections,
                            struct metic_error *error);
bool machine_check_disks(const struct metic_machine *machine, struct machine_sections *sections,
                         const struct metic_load *how, struct metic_error *error);

enum machine_load {
    MACHINE_LOAD_ALL,
    MACHINE_LOAD_OTHER_STEPS, /* but for how far the script of steps is */
    MACHINE_LOAD_PAST,        /* of this very run, and what is outside the machine stays as it is:
                               * the journal, connections, who types */
};
/* After a failure the machine is half changed. */
bool machine_load_state(struct metic_machine *machine, struct machine_sections *sections,
                        const struct machine_ram *ram, enum machine_load how,
                        struct metic_error *error);

#endif

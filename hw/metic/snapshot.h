/* Snapshots: a machine that does not run (or in metic_call). All of it is saved: harts, RAM,
 * devices, overlays of disks, flash, consoles' queues, clock, journal. */
#ifndef METIC_SNAPSHOT_H
#define METIC_SNAPSHOT_H

#include "hw/metic/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct metic_snapshot metic_snapshot;

struct metic_save {
    const char *description; /* kept with it, for whoever loads it; NULL: none */
    bool compress;           /* smaller, but loading takes time for each MiB */
};

/* To a file, which takes the place of another when it is complete; `how` may be NULL. */
bool metic_snapshot_save(metic_machine *machine, const char *path, const struct metic_save *how,
                         struct metic_error *error);
/* In memory. */
metic_snapshot *metic_snapshot_take(metic_machine *machine, struct metic_error *error);
/* From a file. NULL with a reason: it is no snapshot, damaged, or of another version. */
metic_snapshot *metic_snapshot_open(const char *path, struct metic_error *error);
/* Machines that loaded it may live on. NULL allowed. */
void metic_snapshot_free(metic_snapshot *snapshot);

/* Puts the machine into the saved state: one that was made with the same options and is still
 * empty, or one that has run. Any number of machines may load the same snapshot; they share its
 * memory until they write. Connections of a user network are not part of it: those there are end.
 * Refused, and nothing changed, when the machine is another or a disk's file was changed since.
 * After any other failure the machine is of no more use, and metic_run says so. */
struct metic_load {
    bool other_steps;   /* the machine's own steps begin with the first, whatever was saved */
    bool revert_disks;  /* disks that are written themselves are put back, even if their files were
                         * changed by others; those of a machine that ran always are */
};
bool metic_snapshot_load(metic_machine *machine, const metic_snapshot *snapshot,
                         const struct metic_load *how, struct metic_error *error);

struct metic_snapshot_info {
    const char *version, *board;
    const char *image; /* path of what was loaded, or "built-in demo"; "": what is in flash */
    unsigned harts;
    uint64_t ram_bytes, insns, clock_ns;
    uint64_t created_s; /* Unix time */
    bool compressed;
};
void metic_snapshot_info(const metic_snapshot *snapshot, struct metic_snapshot_info *info);
const char *metic_snapshot_description(const metic_snapshot *snapshot);
/* Compares all its memory with what was saved. Loading does not, since it would read everything.
 * Any thread. */
bool metic_snapshot_check(metic_snapshot *snapshot, struct metic_error *error);

#endif

/* Snapshots of `metic run` and `metic restore`. */
#ifndef METIC_UI_RUN_SNAPSHOT_H
#define METIC_UI_RUN_SNAPSHOT_H

#include "ui/command/args.h"

/* A snapshot that a run begins with; its memory is checked meanwhile on a thread. */
struct run_restored;

/* NULL with a reason. */
struct run_restored *run_restored_open(const char *path, struct metic_error *error);
void run_restored_free(struct run_restored *restored); /* NULL allowed */
/* The options that make its machine. */
const char *run_restored_options(const struct run_restored *restored);
/* What metic ps calls its image. */
const char *run_restored_image(const struct run_restored *restored);
bool run_restored_load(struct run_restored *restored, const struct run_args *args,
                       metic_machine *machine, struct metic_error *error);
/* From now on compares what was loaded, beside the run; stops it when the snapshot is damaged. */
void run_restored_check(struct run_restored *restored);
/* After the run. False with a reason: the snapshot was damaged. */
bool run_restored_checked(struct run_restored *restored, struct metic_error *error);

/* Before anything runs: that an option, as "--save", names a file that can be made. NULL allowed.
 * False with a reason. */
bool run_file_check(const char *option, const char *path, struct metic_error *error);
/* Before the run, and after it: what --save and --save-at ask for. False with a reason. */
void run_save_begin(struct run_args *args, metic_machine *machine);
bool run_save_end(struct run_args *args, metic_machine *machine, struct metic_error *error);

#endif

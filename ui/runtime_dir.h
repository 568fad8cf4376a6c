/* The running machines of this user, as folders: $XDG_RUNTIME_DIR/metic/NAME/, and where there is
 * no such variable, /tmp/metic-UID/NAME/. No daemon keeps them: each process makes its own folder,
 * and its file `lock` is locked as long as the process lives, so a folder whose lock is free is
 * stale, whatever ended the process, and is removed by whoever comes across it.
 *
 *   lock      the process's number; locked
 *   facts     lines "KEY VALUE", see below
 *   monitor   the Unix socket that speaks QMP (run_control.h)
 *   console   the end of what the guest printed
 *
 * Facts: "image", "started" (Unix seconds), "machine" (harts, RAM), "console" (path of the log),
 * "ssh" (ADDRESS PORT that leads to the guest's port 22) and what else may be of use to another
 * metic. Values are one line.
 *
 * All files are the user's alone (0600 in folders of 0700). */
#ifndef METIC_UI_RUNTIME_DIR_H
#define METIC_UI_RUNTIME_DIR_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

enum { RUNTIME_NAME_BYTES = 48, RUNTIME_PATH_BYTES = 256, RUNTIME_FACTS_BYTES = 8192 };

struct runtime_dir; /* the entry of this process's machine */

/* Makes an entry. `name` given: refused with a reason when a running machine has it, or when it is
 * none (letters, digits, '.', '_', '-'). Otherwise one is made from `image` ("vmlinuz", then
 * "vmlinuz-2"). NULL with a reason. */
struct runtime_dir *runtime_dir_new(const char *name, const char *image,
                                    struct metic_error *error);
/* Removes it. NULL allowed. */
void runtime_dir_free(struct runtime_dir *dir);

const char *runtime_dir_name(const struct runtime_dir *dir);
const char *runtime_dir_path(const struct runtime_dir *dir);
/* "PATH/FILE" for a file of the entry's, in place until runtime_dir_free; any thread. False when
 * that is too long. */
bool runtime_dir_file(const struct runtime_dir *dir, const char *file,
                      char path[RUNTIME_PATH_BYTES]);

/* Adds a fact or changes it. Any thread. False when the host does not take it. */
bool runtime_dir_set(struct runtime_dir *dir, const char *key, const char *value);
/* True: what is set is only remembered. False: the file gets all of it, once, since replacing a
 * file may wait for the disk. */
void runtime_dir_gather(struct runtime_dir *dir, bool gather);

/* A running machine as others see it. */
struct runtime_entry {
    char name[RUNTIME_NAME_BYTES];
    char path[RUNTIME_PATH_BYTES]; /* of its folder */
    int pid;
    char facts[RUNTIME_FACTS_BYTES];
};

/* Calls `found` for each running machine, in the order of names, until it returns false. Removes
 * what is stale on the way. */
void runtime_dir_list(bool (*found)(void *opaque, const struct runtime_entry *entry),
                      void *opaque);

/* The machine of that name or process number; NULL: the only one there is. False with a reason. */
bool runtime_dir_find(const char *name, struct runtime_entry *entry, struct metic_error *error);

/* The value of a fact, copied; false when there is none. */
bool runtime_entry_get(const struct runtime_entry *entry, const char *key, char *value,
                       size_t value_bytes);

#endif

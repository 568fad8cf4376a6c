/* See run_snapshot.h. */
#include "ui/run/run_snapshot.h"

#include "ui/ui.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct run_restored {
    metic_snapshot *snapshot;
    struct metic_snapshot_info info;
    const char *path;
    metic_machine *machine;
    pthread_t checker;
    bool has_checker;
    bool damaged;
    struct metic_error error;
};

struct run_restored *run_restored_open(const char *path, struct metic_error *error)
{
    struct run_restored *restored = calloc(1, sizeof(*restored));
    if (restored == NULL) {
        error_set(error, NULL, "the host has no memory for a snapshot");
        return NULL;
    }
    restored->path = path;
    restored->snapshot = metic_snapshot_open(path, error);
    if (restored->snapshot == NULL) {
        free(restored);
        return NULL;
    }
    metic_snapshot_info(restored->snapshot, &restored->info);
    return restored;
}

void run_restored_free(struct run_restored *restored)
{
    if (restored != NULL) {
        if (restored->has_checker) {
            pthread_join(restored->checker, NULL);
        }
        metic_snapshot_free(restored->snapshot);
        free(restored);
    }
}

const char *run_restored_options(const struct run_restored *restored)
{
    return metic_snapshot_description(restored->snapshot);
}

const char *run_restored_image(const struct run_restored *restored)
{
    return restored->info.image[0] != '\0' ? restored->info.image : "flash";
}

/* What is mapped is not read before the guest needs it, so its digests are compared while the guest
 * runs already; one that runs on damaged memory is stopped. */
static void *check_thread(void *opaque)
{
    struct run_restored *restored = opaque;
    if (!metic_snapshot_check(restored->snapshot, &restored->error)) {
        restored->damaged = true;
        metic_stop(restored->machine);
    }
    return NULL;
}

bool run_restored_load(struct run_restored *restored, const struct run_args *args,
                       metic_machine *machine, struct metic_error *error)
{
    const struct metic_load how = {.other_steps = true, .revert_disks = args->revert_disks};
    const struct metic_snapshot_info *info = &restored->info;
    if (!metic_snapshot_load(machine, restored->snapshot, &how, error)) {
        return false;
    }
    if (!args->quiet) {
        fprintf(stderr, "metic: snapshot: %s: %s, %u hart%s, %llu MiB, after %.3f s and %llu "
                "instructions\n", restored->path, info->board, info->harts,
                info->harts == 1 ? "" : "s", (unsigned long long)(info->ram_bytes >> 20),
                (double)info->clock_ns / 1e9, (unsigned long long)info->insns);
    }
    restored->machine = machine;
    return true;
}

void run_restored_check(struct run_restored *restored)
{
    restored->has_checker = pthread_create(&restored->checker, NULL, check_thread, restored) == 0;
}

bool run_restored_checked(struct run_restored *restored, struct metic_error *error)
{
    if (restored == NULL) {
        return true;
    }
    if (restored->has_checker) {
        pthread_join(restored->checker, NULL);
        restored->has_checker = false;
    }
    if (restored->damaged) {
        *error = restored->error;
    }
    return !restored->damaged;
}

/* --- saving --- */

static bool save(struct run_args *args, metic_machine *machine, struct metic_error *error)
{
    const struct metic_save how = {.description = args->kept, .compress = args->save_compressed};
    bool saved = metic_snapshot_save(machine, args->save, &how, error);
    if (saved && !args->quiet) {
        fprintf(stderr, "metic: saved: metic restore %s\n", args->save);
    }
    return saved;
}

static void save_now(metic_machine *machine, void *opaque)
{
    struct run_args *args = opaque;
    args->save_failed = !save(args, machine, &args->save_error);
    args->save_done = true;
    if (args->save_failed) {
        metic_stop(machine);
    }
}

/* What would fail after hours is told before the start: the folder, or that the path is one. */
bool run_file_check(const char *option, const char *path, struct metic_error *error)
{
    struct stat status;
    if (path == NULL) {
        return true;
    }
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)length,
             slash == NULL ? "." : path);
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        return error_set(error, "give a file's path", "%s: %s is a folder", option, path);
    }
    if (access(folder, W_OK | X_OK) != 0) {
        return error_set(error, "give a path in a folder that can be written",
                         "%s: nothing can be written into %s: %s", option, folder,
                         strerror(errno));
    }
    return true;
}

void run_save_begin(struct run_args *args, metic_machine *machine)
{
    if (args->save != NULL && args->save_at != 0) {
        metic_call_at(machine, args->save_at, save_now, args);
    }
}

bool run_save_end(struct run_args *args, metic_machine *machine, struct metic_error *error)
{
    if (args->save == NULL) {
        return true;
    }
    if (args->save_failed) {
        *error = args->save_error;
        return false;
    }
    if (args->save_at != 0 && !args->save_done) {
        return error_set(error, "give --save-at fewer instructions",
                         "nothing was saved: the machine ended before --save-at");
    }
    return args->save_done || save(args, machine, error);
}

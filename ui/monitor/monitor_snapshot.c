/* The monitor's snapshots: by name, in $XDG_STATE_HOME/metic/snapshots, or in a file. */
#include "ui/monitor/monitor_commands.h"

#include "ui/xdg.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool monitor_snapshot_folder(char *path)
{
    char parent[XDG_PATH_BYTES];
    if (!xdg_path(XDG_STATE, NULL, parent) || !xdg_path(XDG_STATE, "snapshots", path)) {
        return false;
    }
    for (char *at = parent + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            mkdir(parent, 0700);
            *at = '/';
        }
    }
    mkdir(parent, 0700);
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

bool monitor_snapshot_path(const char *name, char *path, size_t path_bytes,
                           struct metic_error *error)
{
    char folder[XDG_PATH_BYTES];
    if (strchr(name, '/') != NULL) {
        return snprintf(path, path_bytes, "%s", name) < (int)path_bytes ||
               error_set(error, NULL, "the path is too long");
    }
    if (name[0] == '\0' || name[0] == '.') {
        return error_set(error, "give a name, or a path with a / in it",
                         "'%s' is no name for a snapshot", name);
    }
    if (!monitor_snapshot_folder(folder)) {
        return error_set(error, "set XDG_STATE_HOME to a folder that can be written",
                         "there is no folder for snapshots");
    }
    return snprintf(path, path_bytes, "%s/%s.zst", folder, name) < (int)path_bytes ||
           error_set(error, NULL, "the name is too long");
}

static void tell(struct monitor *monitor, bool ok, const char *what, const char *name,
                 struct metic_error *error)
{
    if (ok) {
        fprintf(monitor->to, "%s %s\n", what, name);
    } else {
        monitor_refuse(monitor, error);
    }
}

void monitor_snapshot_save(struct monitor *monitor, const char *arguments)
{
    char path[XDG_PATH_BYTES + 64];
    struct metic_error error = {{0}, {0}};
    const struct metic_save how = {.description = monitor->description};
    bool ok = monitor_snapshot_path(arguments, path, sizeof(path), &error) &&
              metic_snapshot_save(monitor->machine, path, &how, &error);
    tell(monitor, ok, "saved:", ok ? path : arguments, &error);
}

void monitor_snapshot_load(struct monitor *monitor, const char *arguments)
{
    char path[XDG_PATH_BYTES + 64];
    struct metic_error error = {{0}, {0}};
    metic_snapshot *snapshot = NULL;
    bool ok = monitor_snapshot_path(arguments, path, sizeof(path), &error) &&
              (snapshot = metic_snapshot_open(path, &error)) != NULL &&
              metic_snapshot_check(snapshot, &error) &&
              metic_snapshot_load(monitor->machine, snapshot, NULL, &error);
    metic_snapshot_free(snapshot);
    tell(monitor, ok, "loaded:", ok ? path : arguments, &error);
}

void monitor_snapshot_delete(struct monitor *monitor, const char *arguments)
{
    char path[XDG_PATH_BYTES + 64];
    struct metic_error error = {{0}, {0}};
    bool ok = strchr(arguments, '/') == NULL ||
              error_set(&error, NULL, "a file is yours to delete");
    ok = ok && monitor_snapshot_path(arguments, path, sizeof(path), &error);
    if (ok && unlink(path) != 0) {
        ok = error_set(&error, "info snapshots lists them", "cannot delete %s: %s", arguments,
                       strerror(errno));
    }
    tell(monitor, ok, "deleted:", arguments, &error);
}

void monitor_info_snapshots(struct monitor *monitor, const char *arguments)
{
    char folder[XDG_PATH_BYTES];
    struct dirent **entries = NULL;
    int count = monitor_snapshot_folder(folder) ? scandir(folder, &entries, NULL, alphasort) : 0;
    (void)arguments;
    for (int i = 0; i < count; i++) {
        char path[XDG_PATH_BYTES + 300];
        size_t length = strlen(entries[i]->d_name);
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        metic_snapshot *snapshot =
            length > 4 && strcmp(entries[i]->d_name + length - 4, ".zst") == 0
                ? metic_snapshot_open(path, NULL) : NULL;
        if (snapshot != NULL) {
            struct metic_snapshot_info info;
            metic_snapshot_info(snapshot, &info);
            fprintf(monitor->to, "%-20.*s %u hart%s, %llu MiB, at %.3f s\n", (int)length - 4,
                    entries[i]->d_name, info.harts, info.harts == 1 ? "" : "s",
                    (unsigned long long)(info.ram_bytes >> 20), (double)info.clock_ns / 1e9);
        }
        metic_snapshot_free(snapshot);
        free(entries[i]);
    }
    free(entries);
}

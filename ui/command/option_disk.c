/* The value of --disk: FILE[:ro|:write][,KEY=VALUE]... */
#include "ui/command/args.h"

#include <stdlib.h>
#include <string.h>

static bool disk_format(struct metic_disk *disk, const char *value)
{
    disk->format = strcmp(value, "raw") == 0     ? METIC_DISK_RAW
                   : strcmp(value, "qcow2") == 0 ? METIC_DISK_QCOW2
                                                 : METIC_DISK_AUTO;
    return disk->format != METIC_DISK_AUTO;
}

static bool disk_overlay(struct metic_disk *disk, const char *value)
{
    disk->overlay = value;
    return value[0] != '\0';
}

static bool disk_on_error(struct metic_disk *disk, const char *value)
{
    disk->stop_on_error = strcmp(value, "stop") == 0;
    return disk->stop_on_error || strcmp(value, "report") == 0;
}

static const struct {
    const char *text; /* as it stands behind the file's name */
    bool (*take)(struct metic_disk *disk, const char *value);
    const char *next;
} disk_keys[] = {
    {",format=", disk_format, "Known are raw and qcow2."},
    {",overlay=", disk_overlay, "Give a file: it is made when it does not exist."},
    {",on-error=", disk_on_error, "Known are report and stop."},
};

/* Where the last of the keys begins, or NULL. A file's name may have commas of its own. */
static char *disk_last_key(char *value, size_t *key)
{
    char *last = NULL;
    for (size_t i = 0; i < ARRAY_LEN(disk_keys); i++) {
        for (char *at = value; (at = strstr(at, disk_keys[i].text)) != NULL; at++) {
            if (last == NULL || at > last) {
                last = at;
                *key = i;
            }
        }
    }
    return last;
}

static bool disk_take_keys(struct metic_disk *disk, const char *name, char *value,
                           struct metic_error *error)
{
    size_t key = 0;
    for (char *at; (at = disk_last_key(value, &key)) != NULL;) {
        const char *text = at + strlen(disk_keys[key].text);
        if (!disk_keys[key].take(disk, text)) {
            return error_set(error, disk_keys[key].next, "%s: '%s' does not mean anything", name,
                             at + 1);
        }
        *at = '\0';
    }
    return true;
}

OPTION_PARSER(disk)
{
    struct metic_options *options = member;
    if (options->disk_count == METIC_MAX_DISKS) {
        return error_set(error, NULL, "%s: there is room for %d disks", name, METIC_MAX_DISKS);
    }
    char *plain = strdup(value);
    if (plain == NULL) {
        return error_set(error, NULL, "out of memory");
    }
    args_own(args, plain);
    struct metic_disk *disk = &options->disks[options->disk_count++];
    *disk = (struct metic_disk){.path = NULL};
    if (!disk_take_keys(disk, name, plain, error)) {
        return false;
    }
    disk->path = option_value_without(args, plain, ":write");
    disk->write_back = disk->path != NULL;
    if (!disk->write_back) {
        disk->path = option_value_without(args, plain, ":ro");
        disk->read_only = disk->path != NULL;
    }
    disk->path = disk->path != NULL ? disk->path : plain;
    if (disk->overlay != NULL && (disk->write_back || disk->read_only)) {
        return error_set(error, "Leave one of them out.",
                         "%s: what the guest writes goes to the overlay or to the file, or nowhere",
                         name);
    }
    return disk->path[0] != '\0' || error_set(error, NULL, "%s has an empty value", name);
}

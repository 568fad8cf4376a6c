/* The command line of `metic disk` as a value, and the tables it is read by (disk.def). */
#ifndef METIC_UI_DISK_H
#define METIC_UI_DISK_H

#include "ui/command/args.h"
#include "ui/ui.h"

enum { DISK_MAX_PATHS = 64 };

struct disk_args {
    const char *paths[DISK_MAX_PATHS];
    unsigned path_count;
    enum metic_disk_format format, from_format;
    struct metic_disk_create create;
    enum metic_disk_repair repair;
    bool compress, shrink, unsafe, json;
};

struct disk_command {
    const char *name, *arguments;
    unsigned fewest, most; /* of its arguments */
    const char *doc;
    /* False with a reason. *clean: nothing was found that the exit status tells. */
    bool (*run)(const struct disk_args *args, bool *clean, struct metic_error *error);
};
extern const struct disk_command disk_commands[];
extern const unsigned disk_command_count;

enum disk_kind { DISK_FLAG, DISK_TEXT, DISK_SIZE, DISK_NUMBER, DISK_FORMAT, DISK_REPAIR };

struct disk_option {
    const char *name, *value;
    enum disk_kind kind;
    size_t offset; /* in struct disk_args */
    const char *commands;
    const char *doc;
};
extern const struct disk_option disk_options[];
extern const unsigned disk_option_count;

bool disk_option_fits(const struct disk_option *option, const struct disk_command *command);

/* The strings of argv are kept by pointer. False with a reason: the usage was wrong. */
bool disk_args_parse(struct disk_args *args, const struct disk_command *command, int argc,
                     char *const *argv, struct metic_error *error);

#endif

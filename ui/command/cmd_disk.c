/* metic disk: images without a machine. The commands and options are rows of disk.def. */
#include "ui/command/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool disk_create(const struct disk_args *args, bool *clean, struct metic_error *error)
{
    struct metic_disk_create how = args->create;
    how.format = args->format;
    *clean = true;
    if (args->path_count == 2) {
        metic_parse_size(args->paths[1], &how.size_bytes); /* it is one: disk_args_parse */
    }
    if (args->path_count == 1 && how.backing == NULL) {
        return error_set(error, "As in: metic disk create disk.qcow2 20G.",
                         "%s needs a size", args->paths[0]);
    }
    return metic_disk_create(args->paths[0], &how, error);
}

static bool disk_info(const struct disk_args *args, bool *clean, struct metic_error *error)
{
    bool ok = true;
    *clean = true;
    for (unsigned i = 0; ok && i < args->path_count; i++) {
        if (i > 0 && !args->json) {
            putchar('\n');
        }
        ok = metic_disk_info(args->paths[i], args->format, args->json, stdout, error);
    }
    return ok;
}

static bool disk_check(const struct disk_args *args, bool *clean, struct metic_error *error)
{
    return metic_disk_check(args->paths[0], args->repair, args->json, stdout, clean, error);
}

static bool disk_convert(const struct disk_args *args, bool *clean, struct metic_error *error)
{
    struct metic_disk_create how = args->create;
    how.format = args->format;
    *clean = true;
    return metic_disk_convert(args->paths[0], args->from_format, args->paths[1], &how,
                              args->compress, error);
}

static bool disk_resize(const struct disk_args *args, bool *clean, struct metic_error *error)
{
    const char *text = args->paths[1];
    uint64_t size_bytes = 0, old_bytes = 0;
    bool relative = text[0] == '+' || text[0] == '-';
    *clean = true;
    metic_parse_size(text + (relative ? 1 : 0), &size_bytes); /* it is one: disk_args_parse */
    if (relative) {
        if (!metic_disk_size(args->paths[0], args->format, &old_bytes, error)) {
            return false;
        }
        if (text[0] == '-' && size_bytes >= old_bytes) {
            return error_set(error, "As in 20G, +5G or -1G.", "nothing would be left of %s",
                             args->paths[0]);
        }
        size_bytes = text[0] == '+' ? old_bytes + size_bytes : old_bytes - size_bytes;
    }
    return metic_disk_resize(args->paths[0], args->format, size_bytes, args->shrink, error);
}

static bool disk_commit(const struct disk_args *args, bool *clean, struct metic_error *error)
{
    *clean = true;
    return metic_disk_commit(args->paths[0], error);
}

static bool disk_rebase(const struct disk_args *args, bool *clean, struct metic_error *error)
{
    *clean = true;
    return metic_disk_rebase(args->paths[0], args->create.backing, args->create.backing_format,
                             args->unsafe, error);
}

static bool disk_compare(const struct disk_args *args, bool *clean, struct metic_error *error)
{
    uint64_t same_bytes = 0;
    if (!metic_disk_compare(args->paths[0], args->paths[1], &same_bytes, error)) {
        return false;
    }
    *clean = same_bytes == UINT64_MAX;
    if (*clean) {
        puts("they are the same");
    } else {
        printf("they differ at byte %llu\n", (unsigned long long)same_bytes);
    }
    return true;
}

/* ---- The tables ---- */

#define DISK_COMMAND(name, arguments, fewest, most, doc) \
    {#name, arguments, fewest, most, doc, disk_##name},
const struct disk_command disk_commands[] = {
#include "ui/command/disk.def"
};
#undef DISK_COMMAND
const unsigned disk_command_count = ARRAY_LEN(disk_commands);

#define DISK_OPTION(name, value, kind, member, commands, doc) \
    {name, value, DISK_##kind, offsetof(struct disk_args, member), commands, doc},
const struct disk_option disk_options[] = {
#include "ui/command/disk.def"
};
#undef DISK_OPTION
const unsigned disk_option_count = ARRAY_LEN(disk_options);

static const char *command_name_at(unsigned index)
{
    return index < disk_command_count ? disk_commands[index].name : NULL;
}

bool disk_option_fits(const struct disk_option *option, const struct disk_command *command)
{
    const char *at = strstr(option->commands, command->name);
    return at != NULL && at[strlen(command->name)] == ' ' &&
           (at == option->commands || at[-1] == ' ');
}

/* ---- Reading the arguments ---- */

static bool value_format(void *member, const char *name, const char *value,
                         struct metic_error *error)
{
    enum metic_disk_format *format = member;
    if (strcmp(value, "raw") != 0 && strcmp(value, "qcow2") != 0) {
        return error_set(error, NULL, "--%s: '%s' is none of: raw qcow2", name, value);
    }
    *format = value[0] == 'r' ? METIC_DISK_RAW : METIC_DISK_QCOW2;
    return true;
}

static bool value_repair(void *member, const char *name, const char *value,
                         struct metic_error *error)
{
    enum metic_disk_repair *repair = member;
    if (value != NULL && strcmp(value, "leaks") != 0 && strcmp(value, "all") != 0) {
        return error_set(error, NULL, "--%s: '%s' is none of: leaks all", name, value);
    }
    *repair = value != NULL && value[0] == 'l' ? METIC_DISK_REPAIR_LEAKS : METIC_DISK_REPAIR_ALL;
    return true;
}

static bool value_number(void *member, const char *name, const char *value,
                         struct metic_error *error)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    if (errno != 0 || *end != '\0' || end == value || number > 1000) {
        return error_set(error, NULL, "--%s: '%s' is no number that fits", name, value);
    }
    *(unsigned *)member = (unsigned)number;
    return true;
}

static bool option_take(const struct disk_option *option, struct disk_args *args,
                        const char *value, struct metic_error *error)
{
    void *member = (char *)args + option->offset;
    switch (option->kind) {
    case DISK_FLAG: *(bool *)member = true; return true;
    case DISK_TEXT: *(const char **)member = value; return true;
    case DISK_FORMAT: return value_format(member, option->name, value, error);
    case DISK_REPAIR: return value_repair(member, option->name, value, error);
    case DISK_NUMBER: return value_number(member, option->name, value, error);
    default:
        return metic_parse_size(value, member) ||
               error_set(error, "As in 64K or 65536.", "--%s: '%s' is no size", option->name,
                         value);
    }
}

/* One option: --name, --name=VALUE or --name VALUE. Returns how many arguments it took; 0: it is
 * wrong. */
static int option_read(const struct disk_command *command, struct disk_args *args, int left,
                       char *const *argv, struct metic_error *error)
{
    const char *name = argv[0] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    int used = 1;
    for (unsigned i = 0; i < disk_option_count; i++) {
        const struct disk_option *option = &disk_options[i];
        if (strlen(option->name) != length || memcmp(option->name, name, length) != 0 ||
            !disk_option_fits(option, command)) {
            continue;
        }
        bool wants = option->kind != DISK_FLAG && option->kind != DISK_REPAIR;
        if (wants && value == NULL && left > 1) {
            value = argv[1];
            used = 2;
        }
        if ((wants && value == NULL) || (option->kind == DISK_FLAG && value != NULL)) {
            error_set(error, NULL, wants ? "--%s needs a value" : "--%s takes no value",
                      option->name);
            return 0;
        }
        return option_take(option, args, value, error) ? used : 0;
    }
    error_set(error, "metic help disk lists the options.", "metic disk %s has no option '%s'",
              command->name, argv[0]);
    return 0;
}

bool disk_args_parse(struct disk_args *args, const struct disk_command *command, int argc,
                     char *const *argv, struct metic_error *error)
{
    bool plain = false;
    *args = (struct disk_args){.json = false};
    for (int i = 0; i < argc;) {
        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = true;
            i++;
        } else if (!plain && strncmp(argv[i], "--", 2) == 0) {
            int used = option_read(command, args, argc - i, argv + i, error);
            if (used == 0) {
                return false;
            }
            i += used;
        } else if (args->path_count == command->most) {
            return error_set(error, NULL, "metic disk %s takes %s, and '%s' is too much",
                             command->name, command->arguments, argv[i]);
        } else {
            args->paths[args->path_count++] = argv[i++];
        }
    }
    char next[96];
    snprintf(next, sizeof(next), "metic disk %s %s", command->name, command->arguments);
    if (args->path_count < command->fewest) {
        return error_set(error, next, "there is an argument missing");
    }
    const char *size = args->path_count == 2 ? args->paths[1] : "";
    uint64_t size_bytes;
    size += command->run == disk_resize && (size[0] == '+' || size[0] == '-') ? 1 : 0;
    return strstr(command->arguments, "SIZE") == NULL || args->path_count < 2 ||
           metic_parse_size(size, &size_bytes) ||
           error_set(error, "As in 20G, 512MiB or 4096.", "'%s' is no size", size);
}

static int disk_run(const struct disk_command *command, int argc, char *const *argv)
{
    struct metic_error error;
    struct disk_args args;
    bool clean = true;
    if (argc == 1 && strcmp(argv[0], "--help") == 0) {
        help_disk(stdout);
        return UI_EXIT_OK;
    }
    if (!disk_args_parse(&args, command, argc, argv, &error)) {
        return ui_usage_error(&error);
    }
    if (!command->run(&args, &clean, &error)) {
        fflush(stdout);
        ui_print_error(&error);
        return UI_EXIT_FAILED;
    }
    return clean ? UI_EXIT_OK : 1;
}

int cmd_disk(int argc, char *const *argv)
{
    struct metic_error error;
    if (argc == 0) {
        error_set(&error, "metic help disk lists the commands.", "disk wants a command");
        return ui_usage_error(&error);
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "help") == 0) {
        help_disk(stdout);
        return UI_EXIT_OK;
    }
    for (unsigned i = 0; i < disk_command_count; i++) {
        if (strcmp(disk_commands[i].name, argv[0]) == 0) {
            return disk_run(&disk_commands[i], argc - 1, argv + 1);
        }
    }
    const char *nearest = args_nearest(argv[0], command_name_at);
    char next[96];
    snprintf(next, sizeof(next), nearest != NULL ? "Did you mean metic disk %s?"
                                                 : "metic help disk lists them.%.0s",
             nearest != NULL ? nearest : "");
    error_set(&error, next, "there is no command 'disk %s'", argv[0]);
    return ui_usage_error(&error);
}

/* --semihosting, --semihosting-dir. */
#include "ui/command/args.h"

#include <string.h>
#include <sys/stat.h>

OPTION_PARSER(semihosting)
{
    static const struct {
        const char *word;
        enum metic_semihosting how;
    } words[] = {{"on", METIC_SEMIHOSTING_ON},
                 {"user", METIC_SEMIHOSTING_USER},
                 {"off", METIC_SEMIHOSTING_OFF}};
    struct metic_options *options = member;
    (void)args;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (value == NULL || strcmp(value, words[i].word) == 0) {
            options->semihosting = words[i].how;
            return true;
        }
    }
    return error_set(error, "Say on, user or off.", "%s cannot be '%s'", name, value);
}

OPTION_PARSER(semihosting_dir)
{
    struct metic_options *options = member;
    const char *bare = option_value_without(args, value, ":ro");
    const char *path = bare != NULL ? bare : value;
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        return error_set(error, "Give a folder that exists.", "%s: '%s' is no folder", name, path);
    }
    options->semihosting_folder = path;
    options->semihosting_read_only = bare != NULL;
    if (options->semihosting == METIC_SEMIHOSTING_OFF) {
        options->semihosting = METIC_SEMIHOSTING_ON;
    }
    return true;
}

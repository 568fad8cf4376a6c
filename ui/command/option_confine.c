/* --confine, --allow. */
#include "ui/command/args.h"
#include "ui/run/run_confine.h"

#include <string.h>

OPTION_PARSER(confine)
{
    static const char *const words[] = {
        [RUN_CONFINE_ON] = "on", [RUN_CONFINE_OFF] = "off", [RUN_CONFINE_MUST] = "must"};
    (void)args;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(value, words[i]) == 0) {
            *(int *)member = (int)i;
            return true;
        }
    }
    return error_set(error, "Say on, off or must.", "%s cannot be '%s'", name, value);
}

OPTION_PARSER(allow)
{
    (void)member;
    if (args->allow_count == RUN_MAX_ALLOWED) {
        return error_set(error, "Allow a folder that they are in.",
                         "%s is given more than %d times", name, RUN_MAX_ALLOWED);
    }
    const char *bare = option_value_without(args, value, ":ro");
    const char *path = bare != NULL ? bare : value;
    if (path[0] == '\0') {
        return error_set(error, NULL, "%s has an empty value", name);
    }
    args->allow[args->allow_count].path = path;
    args->allow[args->allow_count++].read_only = bare != NULL;
    return true;
}

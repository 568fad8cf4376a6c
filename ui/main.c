/* The command line: finds the command and hands it its arguments. */
#include "ui/command/args.h"
#include "ui/ui.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *verb_name_at(unsigned index)
{
    return index < ui_verb_count ? ui_verbs[index].name : NULL;
}

static int unknown_verb(const char *name)
{
    struct metic_error error;
    const char *nearest = args_nearest(name, verb_name_at);
    char next[sizeof(error.next)];
    if (access(name, F_OK) == 0) {
        snprintf(next, sizeof(next), "To start it: metic run %s", name);
    } else if (nearest != NULL) {
        snprintf(next, sizeof(next), "Did you mean metic %s? metic help lists the commands.",
                 nearest);
    } else {
        snprintf(next, sizeof(next), "metic help lists the commands.");
    }
    error_set(&error, next, "there is no command '%s'", name);
    return ui_usage_error(&error);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help_overview(stderr);
        return UI_EXIT_USAGE;
    }
    const char *name = argv[1];
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a failed write, as a full disk is */
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("metic %s\n", METIC_VERSION);
        return UI_EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        name = "help";
    }
    for (unsigned i = 0; i < ui_verb_count; i++) {
        if (strcmp(ui_verbs[i].name, name) == 0) {
            bool asks = argc == 3 && strcmp(argv[2], "--help") == 0;
            return asks ? help_verb(&ui_verbs[i]) : ui_verbs[i].run(argc - 2, argv + 2);
        }
    }
    return unknown_verb(name);
}

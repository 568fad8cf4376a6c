/* metic list. */
#include "ui/ui.h"

int cmd_list(int argc, char *const *argv)
{
    static const char next[] = "metic list machines|devices|insns|csrs|ir";
    struct metic_error error;
    if (argc != 1) {
        error_set(&error, next, "list takes the name of one list");
        return ui_usage_error(&error);
    }
    if (!metic_list(argv[0], stdout)) {
        error_set(&error, next, "there is no list '%s'", argv[0]);
        return ui_usage_error(&error);
    }
    return UI_EXIT_OK;
}

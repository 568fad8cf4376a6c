/* metic list. */
#include "ui/ui.h"

int cmd_list(int argc, char *const *argv)
{
    struct metic_error error;
    if (argc == 1 && metic_list(argv[0], stdout)) {
        return UI_EXIT_OK;
    }
    error_set(&error, "metic list machines|devices|insns|csrs|ir",
              argc == 1 ? "there is no list '%s'" : "list takes the name of one list%.0s",
              argc == 1 ? argv[0] : "");
    return ui_usage_error(&error);
}

/* metic inspect. */
#include "ui/ui.h"

int cmd_inspect(int argc, char *const *argv)
{
    struct metic_error error;
    if (argc == 0) {
        error_set(&error, "metic inspect FILE...", "there is no file to look at");
        return ui_usage_error(&error);
    }
    int status = UI_EXIT_OK;
    for (int i = 0; i < argc; i++) {
        if (i > 0) {
            putchar('\n');
        }
        if (!metic_inspect(argv[i], stdout, &error)) {
            fflush(stdout);
            ui_print_error(&error);
            status = UI_EXIT_FAILED;
        }
    }
    return status;
}

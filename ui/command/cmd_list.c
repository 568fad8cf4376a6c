/* metic list. */
#include "ui/screen/keymap.h"
#include "ui/ui.h"

#include <string.h>

static int list_keymaps(void)
{
    struct metic_error error;
    if (!keymap_list(stdout, &error)) {
        ui_print_error(&error);
        return UI_EXIT_FAILED;
    }
    return UI_EXIT_OK;
}

int cmd_list(int argc, char *const *argv)
{
    static const char next[] = "metic list machines|devices|insns|csrs|ir|keymaps";
    struct metic_error error;
    if (argc != 1) {
        error_set(&error, next, "list takes the name of one list");
        return ui_usage_error(&error);
    }
    if (strcmp(argv[0], "keymaps") == 0) {
        return list_keymaps();
    }
    if (!metic_list(argv[0], stdout)) {
        error_set(&error, next, "there is no list '%s'", argv[0]);
        return ui_usage_error(&error);
    }
    return UI_EXIT_OK;
}

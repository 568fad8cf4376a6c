/* metic monitor: one of the monitor's commands to a machine that runs, and its answer. */
#include "ui/monitor/monitor_client.h"
#include "ui/ui.h"

#include <stdlib.h>
#include <string.h>

#if HAVE_JANSSON
enum { LINE_BYTES = 1024 };

/* The words with blanks between; false: too long. */
static bool join(int argc, char *const *argv, char line[LINE_BYTES])
{
    size_t used = 0;
    for (int i = 0; i < argc; i++) {
        int bytes = snprintf(line + used, LINE_BYTES - used, "%s%s", i > 0 ? " " : "", argv[i]);
        used += (size_t)bytes;
        if (used >= LINE_BYTES) {
            return false;
        }
    }
    return true;
}

/* *refused: the monitor did not do it, and said why. */
static bool ask(const struct runtime_entry *entry, const char *line, bool *refused,
                struct metic_error *error)
{
    json_t *json = json_pack("{s:s,s:{s:s}}", "execute", "metic-monitor-command", "arguments",
                             "command-line", line);
    char *command = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(json);
    if (command == NULL) {
        return error_set(error, NULL, "the command is no UTF-8 text");
    }
    json_t *answer = monitor_client_ask(entry, command, NULL, error);
    free(command);
    if (answer == NULL) {
        return false;
    }
    const char *text = json_string_value(json_object_get(answer, "text"));
    *refused = json_is_true(json_object_get(answer, "failed"));
    fputs(text != NULL ? text : "", *refused ? stderr : stdout);
    json_decref(answer);
    return true;
}

int cmd_monitor(int argc, char *const *argv)
{
    struct metic_error error = {{0}, {0}};
    struct runtime_entry entry;
    char line[LINE_BYTES];
    bool refused = false, named = argc > 0 && runtime_dir_find(argv[0], &entry, NULL);
    if (argc - named < 1 || argv[0][0] == '-') {
        error_set(&error, "metic monitor [NAME] COMMAND..., as metic monitor info harts",
                  "there is no command for the monitor");
        return ui_usage_error(&error);
    }
    bool ok = (named || runtime_dir_find(NULL, &entry, &error)) &&
              (join(argc - named, argv + named, line) ||
               error_set(&error, NULL, "the command is too long")) &&
              ask(&entry, line, &refused, &error);
    if (!ok) {
        ui_print_error(&error);
    }
    return ok && !refused ? UI_EXIT_OK : UI_EXIT_FAILED;
}

#else

int cmd_monitor(int argc, char *const *argv)
{
    struct metic_error error;
    (void)argc;
    (void)argv;
    error_set(&error, "Install libjansson-dev and build again.",
              "this build has no monitor's socket");
    ui_print_error(&error);
    return UI_EXIT_FAILED;
}
#endif

/* metic screenshot: what the screen of a machine that runs shows, asked of its monitor. The picture
 * comes through the socket, so it is this process that writes the file. */
#include "ui/monitor/monitor_client.h"
#include "ui/ui.h"

#include <errno.h>
#include <string.h>

#if HAVE_JANSSON
/* The value of a digit of base64, or 64. */
static u32 digit(char c)
{
    return c >= 'A' && c <= 'Z'   ? (u32)(c - 'A')
           : c >= 'a' && c <= 'z' ? (u32)(c - 'a') + 26
           : c >= '0' && c <= '9' ? (u32)(c - '0') + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : 64;
}

/* False: the file does not take it; errno. */
static bool put_base64(const char *text, FILE *to)
{
    u32 bits = 0;
    unsigned held = 0;
    for (; digit(*text) < 64; text++) {
        bits = bits << 6 | digit(*text);
        held += 6;
        if (held >= 8) {
            held -= 8;
            if (putc((int)(bits >> held & 0xff), to) == EOF) {
                return false;
            }
        }
    }
    return true;
}

static bool write_file(const char *path, const char *base64, struct metic_error *error)
{
    bool to_output = strcmp(path, "-") == 0;
    FILE *file = to_output ? stdout : fopen(path, "wbe");
    bool ok = file != NULL && put_base64(base64, file);
    if (file != NULL) {
        ok = (to_output ? fflush(file) : fclose(file)) == 0 && ok;
    }
    return ok || error_set(error, "name another file", "cannot write the picture %s: %s", path,
                           strerror(errno));
}

static bool take_picture(const struct runtime_entry *entry, unsigned screen, const char *path,
                         struct metic_error *error)
{
    char command[96];
    snprintf(command, sizeof(command),
             "{\"execute\":\"metic-screenshot\",\"arguments\":{\"head\":%u}}\n", screen);
    json_t *answer =
        monitor_client_ask(entry, command, "metic run … --screen 1280x800 gives a machine a screen",
                           error);
    const char *png = json_string_value(json_object_get(answer, "png"));
    bool ok = answer != NULL && (png != NULL ? write_file(path, png, error)
                                             : error_set(error, NULL, "%s sent no picture",
                                                         entry->name));
    json_decref(answer);
    return ok;
}

struct screenshot_args {
    const char *words[2]; /* [NAME] FILE */
    int word_count;
    unsigned screen;
};

/* Options may stand anywhere. */
static bool parse(int argc, char *const *argv, struct screenshot_args *args,
                  struct metic_error *error)
{
    static const char next[] = "metic screenshot [--screen N] [NAME] FILE.png";
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--screen") == 0) {
            const char *number = i + 1 < argc ? argv[++i] : "";
            if (strlen(number) != 1 || number[0] < '0' || number[0] >= '0' + METIC_MAX_SCREENS) {
                return error_set(error, next, "--screen takes a number from 0 to %d, not '%s'",
                                 METIC_MAX_SCREENS - 1, number);
            }
            args->screen = (unsigned)(number[0] - '0');
        } else if (args->word_count == 2 || (argv[i][0] == '-' && argv[i][1] != '\0')) {
            return error_set(error, next, "'%s' means nothing here", argv[i]);
        } else {
            args->words[args->word_count++] = argv[i];
        }
    }
    return args->word_count != 0 || error_set(error, next, "there is no file to write to");
}

int cmd_screenshot(int argc, char *const *argv)
{
    struct metic_error error = {{0}, {0}};
    struct runtime_entry entry;
    struct screenshot_args args = {.word_count = 0};
    if (!parse(argc, argv, &args, &error)) {
        return ui_usage_error(&error);
    }
    bool ok = runtime_dir_find(args.word_count == 2 ? args.words[0] : NULL, &entry, &error) &&
              take_picture(&entry, args.screen, args.words[args.word_count - 1], &error);
    if (!ok) {
        ui_print_error(&error);
    }
    return ok ? UI_EXIT_OK : UI_EXIT_FAILED;
}

#else

int cmd_screenshot(int argc, char *const *argv)
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

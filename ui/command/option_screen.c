/* --screen: how large, and how many; --display: who looks at it. */
#include "ui/command/args.h"

#include <stdlib.h>
#include <string.h>

/* A decimal number from 1 to 99999 at *text, which moves behind it; 0: there is none. */
static u32 read_number(const char **text)
{
    u32 number = 0;
    for (unsigned digits = 0; **text >= '0' && **text <= '9' && digits < 5; digits++) {
        number = number * 10 + (u32)(*(*text)++ - '0');
    }
    return number;
}

bool option_parse_screen(struct run_args *args, void *member, const char *name, const char *value,
                         struct metic_error *error)
{
    struct metic_options *options = member;
    const char *at = value;
    (void)args;
    u32 width = read_number(&at);
    bool two = *at == 'x';
    at += two;
    u32 height = two ? read_number(&at) : 0;
    u32 count = 1;
    bool simple = strcmp(at, ",simple") == 0;
    if (simple) {
        at += strlen(at);
    } else if (*at == ',') {
        at++;
        count = read_number(&at);
    }
    if (*at != '\0' || !metic_is_screen_size(width, height) || count < 1 ||
        count > METIC_MAX_SCREENS) {
        return error_set(error, "write it as 1280x800, 1280x800,2 or 1280x800,simple",
                         "%s: %s is not a size of %d to %d pixels a side, nor up to %d of them",
                         name, value, METIC_MIN_SIDE, METIC_MAX_SIDE, METIC_MAX_SCREENS);
    }
    options->screens = count;
    options->screen_simple = simple;
    options->screen_width = width;
    options->screen_height = height;
    return true;
}

/* A copy of the value without ",screen=N" at its end, and N, or 0; NULL with a reason. */
static char *take_screen(struct run_args *args, const char *name, const char *value,
                         unsigned *screen, struct metic_error *error)
{
    static const char key[] = ",screen=";
    const char *found = strstr(value, key);
    const char *digit = found != NULL ? found + strlen(key) : "0";
    if (digit[0] < '0' || digit[0] >= '0' + METIC_MAX_SCREENS || digit[1] != '\0') {
        error_set(error, "name it last, as 'screen=1', and have it by --screen 1280x800,2",
                  "%s: screens are 0 to %d, which '%s' is not", name, METIC_MAX_SCREENS - 1, digit);
        return NULL;
    }
    *screen = (unsigned)(digit[0] - '0');
    size_t bytes = found != NULL ? (size_t)(found - value) : strlen(value);
    char *rest = args_own(args, strndup(value, bytes));
    if (rest == NULL) {
        error_set(error, NULL, "the host has no memory");
    }
    return rest;
}

/* WHERE[,password-file=FILE][,screen=N] */
static bool parse_vnc(struct run_args *args, const char *name, const char *value,
                      struct metic_error *error)
{
    static const char key[] = ",password-file=";
    unsigned screen;
    char *where = take_screen(args, name, value, &screen, error);
    char *file = where != NULL ? strstr(where, key) : NULL;
    if (where == NULL) {
        return false;
    }
    args->vnc[screen].where = where;
    args->vnc[screen].password_file = file != NULL ? file + strlen(key) : NULL;
    if (file != NULL) {
        *file = '\0';
    }
    return true;
}

OPTION_PARSER(screenshot)
{
    (void)member;
    args->screenshot = take_screen(args, name, value, &args->screenshot_screen, error);
    return args->screenshot != NULL;
}

/* Every screen that somebody looks at is there. */
bool args_check_screens(struct run_args *args, struct metic_error *error)
{
    unsigned most = args->screenshot_screen > args->video.screen ? args->screenshot_screen
                                                                 : args->video.screen;
    for (unsigned i = 0; i < METIC_MAX_SCREENS; i++) {
        most = args->vnc[i].where != NULL && i > most ? i : most;
    }
    return most == 0 || most < args->options.screens ||
           error_set(error, "give --screen 1280x800,2 for two, which are screen 0 and 1",
                     "screen %u is to be seen, but the machine has %u", most,
                     args->options.screens);
}

bool option_parse_display(struct run_args *args, void *member, const char *name, const char *value,
                          struct metic_error *error)
{
    (void)member;
    if (strcmp(value, "sdl") == 0) {
        args->window = true;
    } else if (strncmp(value, "vnc", 3) == 0 && (value[3] == '\0' || value[3] == ':')) {
        if (!parse_vnc(args, name, value[3] == ':' ? value + 4 : "", error)) {
            return false;
        }
    } else if (strcmp(value, "none") != 0) {
        return error_set(error, "give sdl, vnc, vnc:PORT, vnc:PATH or none",
                         "%s: there is no display %s", name, value);
    } else {
        args->window = false;
        memset(args->vnc, 0, sizeof(args->vnc));
    }
    if (strcmp(value, "none") != 0 && args->options.screens == 0) {
        args->options.screens = 1;
    }
    return true;
}

OPTION_PARSER(clipboard)
{
    struct metic_options *options = member;
    options->clipboard = strcmp(value, "on") == 0;
    args->clipboard_given = true;
    return options->clipboard || strcmp(value, "off") == 0 ||
           error_set(error, "give on or off", "%s: '%s' is neither", name, value);
}

/* That a name is none is said with the command line; that the host has no layouts, at the start. */
OPTION_PARSER(keymap)
{
    bool missing;
    (void)member;
    (void)name;
    keymap_free(args->keymap);
    args->keymap_name = value;
    args->keymap = keymap_new(value, &missing, error);
    return args->keymap != NULL || missing;
}

void args_choose_clipboard(struct run_args *args)
{
    if (!args->clipboard_given) {
        args->options.clipboard = args->options.screens > 0;
    }
}

bool option_parse_video(struct run_args *args, void *member, const char *name, const char *value,
                        struct metic_error *error)
{
    static const char key[] = ",fps=";
    struct metic_video *video = member;
    value = take_screen(args, name, value, &video->screen, error);
    if (value == NULL) {
        return false;
    }
    const char *fps = strstr(value, key);
    size_t bytes = fps != NULL ? (size_t)(fps - value) : strlen(value);
    const char *at = fps != NULL ? fps + strlen(key) : "25";
    video->path = args_own(args, strndup(value, bytes));
    if (video->path == NULL) {
        return error_set(error, NULL, "the host has no memory");
    }
    video->fps = read_number(&at);
    video->is_series = bytes > 0 && value[bytes - 1] == '/';
    bool is_y4m = bytes > 4 && strncmp(value + bytes - 4, ".y4m", 4) == 0;
    if (*at != '\0' || video->fps == 0 || video->fps > METIC_MAX_FPS) {
        return error_set(error, "write it as film.y4m,fps=30",
                         "%s: no number of frames, 1 to %d, in '%s'", name, METIC_MAX_FPS,
                         value);
    }
    return is_y4m || video->is_series ||
           error_set(error, "name a file that ends in .y4m, or a folder with / at its end",
                     "%s: %s is neither", name, video->path);
}

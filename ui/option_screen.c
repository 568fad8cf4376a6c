/* --screen: how large, and how many; --display: who looks at it. */
#include "ui/args.h"

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
    enum { SIDE_MIN = 64, SIDE_MAX = 8192 };
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
    if (*at != '\0' || width < SIDE_MIN || width > SIDE_MAX || height < SIDE_MIN ||
        height > SIDE_MAX || count < 1 || count > METIC_MAX_SCREENS) {
        return error_set(error, "write it as 1280x800, 1280x800,2 or 1280x800,simple",
                         "%s: %s is not a size of %d to %d pixels a side, nor up to %d of them",
                         name, value, SIDE_MIN, SIDE_MAX, METIC_MAX_SCREENS);
    }
    options->screens = count;
    options->screen_simple = simple;
    options->screen_width = width;
    options->screen_height = height;
    return true;
}

/* WHERE[,password-file=FILE] */
static bool parse_vnc(struct run_args *args, const char *value, struct metic_error *error)
{
    static const char key[] = ",password-file=";
    const char *file = strstr(value, key);
    char *where = args_own(args, strndup(value, file != NULL ? (size_t)(file - value)
                                                             : strlen(value)));
    args->vnc = where;
    args->vnc_password_file = file != NULL ? file + strlen(key) : NULL;
    return where != NULL || error_set(error, NULL, "the host has no memory");
}

bool option_parse_display(struct run_args *args, void *member, const char *name, const char *value,
                          struct metic_error *error)
{
    (void)member;
    if (strcmp(value, "sdl") == 0) {
        args->window = true;
    } else if (strncmp(value, "vnc", 3) == 0 && (value[3] == '\0' || value[3] == ':')) {
        if (!parse_vnc(args, value[3] == ':' ? value + 4 : "", error)) {
            return false;
        }
    } else if (strcmp(value, "none") != 0) {
        return error_set(error, "give sdl, vnc, vnc:PORT, vnc:PATH or none",
                         "%s: there is no display %s", name, value);
    } else {
        args->window = false;
        args->vnc = NULL;
    }
    if ((args->window || args->vnc != NULL) && args->options.screens == 0) {
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

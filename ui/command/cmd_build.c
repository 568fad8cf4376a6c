/* metic build: makes disk images from packages. The work is done by the scripts in ui/build, in a
 * directory of their own below the user's cache, which is removed afterwards; this file reads the
 * command line and starts the right one. */
#include "ui/command/args.h"
#include "ui/command/build_scripts.h"
#include "ui/ui.h"
#include "ui/xdg.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum build_kind {
    BUILD_TEXT,
    BUILD_SIZE,
    BUILD_FILE,
    BUILD_HOSTNAME,
    BUILD_VARIANT,
    BUILD_PACKAGES,
    BUILD_FLAG,
};

struct build_option {
    const char *name, *value;
    enum build_kind kind;
    const char *variable, *doc;
};

static const struct build_option build_options[] = {
#define BUILD_OPTION(name, value, kind, variable, doc) \
    {name, value, BUILD_##kind, "BUILD_" variable, doc},
#include "ui/command/build.def"
#undef BUILD_OPTION
};

struct build_args {
    const char *what, *out;
    bool help;
};

static void build_help(FILE *to)
{
    fputs("Usage: metic build debian[:SUITE] OUT [OPTION]...\n"
          "       metic build firmware\n\n"
          "debian makes a bootable disk image from Debian's packages for 64-bit RISC-V: GPT, EFI\n"
          "system partition, GRUB, ext4, systemd. It needs no root: Debian's own tools install\n"
          "inside metic. SUITE is trixie, sid, ...; the mirror is the one this host's apt uses.\n"
          "Packages and finished images are kept in the cache. OUT is raw, or qcow2 if it ends "
          "so.\n\n"
          "firmware brings EDK2, U-Boot and OpenSBI from\n"
          "Debian's packages into ~/.local/share/metic, where metic run finds them.\n\n"
          "Options of debian:\n", to);
    for (size_t i = 0; i < ARRAY_LEN(build_options); i++) {
        const struct build_option *option = &build_options[i];
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", option->name, option->value != NULL ? " " : "",
                 option->value != NULL ? option->value : "");
        help_entry(to, left, option->doc);
    }
}

/* Letters, digits and what else is in `more`; the first one is no sign. */
static bool build_is_word(const char *text, const char *more)
{
    bool good = isalnum((unsigned char)text[0]) != 0;
    for (; *text != '\0'; text++) {
        good = good && (isalnum((unsigned char)*text) || strchr(more, *text) != NULL);
    }
    return good;
}

static bool build_file(const char *value, char *text, size_t text_bytes, struct metic_error *error)
{
    char real[PATH_MAX];
    if (realpath(value, real) == NULL || access(real, R_OK) != 0 || strlen(real) >= text_bytes) {
        return error_set(error, "Check the path.", "cannot read '%s': %s", value, strerror(errno));
    }
    strcpy(text, real);
    return true;
}

/* The value as the script wants it. False with a reason. */
static bool build_value(const struct build_option *option, const char *value, char *text,
                        size_t text_bytes, struct metic_error *error)
{
    uint64_t size_bytes;
    snprintf(text, text_bytes, "%s", value);
    switch (option->kind) {
    case BUILD_SIZE:
        if (!metic_parse_size(value, &size_bytes) || size_bytes < (uint64_t)1 << 30) {
            return error_set(error, "Give 1G or more, as 4G or 8GiB.", "--%s %s is no size for it",
                             option->name, value);
        }
        snprintf(text, text_bytes, "%" PRIu64, size_bytes);
        return true;
    case BUILD_FILE: return build_file(value, text, text_bytes, error);
    case BUILD_HOSTNAME:
        return (strlen(value) < 64 && build_is_word(value, "-")) ||
               error_set(error, "Letters, digits and - make one.", "'%s' is no host name", value);
    case BUILD_VARIANT:
        return strcmp(value, "minimal") == 0 || strcmp(value, "standard") == 0 ||
               error_set(error, "Give minimal or standard.", "there is no variant '%s'", value);
    case BUILD_PACKAGES:
        return build_is_word(value, ",+-.") ||
               error_set(error, "Give package names with commas between them, as vim,gcc.",
                         "'%s' is no list of packages", value);
    default:
        return strchr(value, '\n') == NULL ||
               error_set(error, NULL, "--%s: a value has one line", option->name);
    }
}

static const char *build_option_at(unsigned index)
{
    return index < ARRAY_LEN(build_options) ? build_options[index].name : NULL;
}

static bool build_option(const char *arg, const char *following, int *taken,
                         struct metic_error *error)
{
    size_t name_bytes = strcspn(arg + 2, "=");
    for (size_t i = 0; i < ARRAY_LEN(build_options); i++) {
        const struct build_option *option = &build_options[i];
        char text[PATH_MAX];
        if (strlen(option->name) != name_bytes || memcmp(option->name, arg + 2, name_bytes) != 0) {
            continue;
        }
        const char *value = arg[2 + name_bytes] == '=' ? arg + 3 + name_bytes : NULL;
        if (option->kind == BUILD_FLAG) {
            setenv(option->variable, "1", 1);
            return value == NULL ||
                   error_set(error, NULL, "--%s is a switch and takes no value", option->name);
        }
        if (value == NULL) {
            value = following;
            *taken = 2;
        }
        if (value == NULL) {
            return error_set(error, NULL, "--%s needs a value: --%s %s", option->name,
                             option->name, option->value);
        }
        if (!build_value(option, value, text, sizeof(text), error)) {
            return false;
        }
        setenv(option->variable, text, 1);
        return true;
    }
    char next[128] = "metic build --help lists the options.";
    const char *nearest = args_nearest(arg + 2, build_option_at);
    if (nearest != NULL) {
        snprintf(next, sizeof(next), "Did you mean --%s? metic build --help lists the options.",
                 nearest);
    }
    return error_set(error, next, "there is no option %s", arg);
}

static bool build_parse(struct build_args *args, int argc, char *const *argv,
                        struct metic_error *error)
{
    for (size_t i = 0; i < ARRAY_LEN(build_options); i++) {
        unsetenv(build_options[i].variable); /* only what is given here counts */
    }
    unsetenv("BUILD_SUITE");
    for (int i = 0, taken; i < argc; i += taken) {
        taken = 1;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            args->help = true;
            return true;
        }
        if (strncmp(argv[i], "--", 2) == 0) {
            if (!build_option(argv[i], i + 1 < argc ? argv[i + 1] : NULL, &taken, error)) {
                return false;
            }
        } else if (args->what == NULL) {
            args->what = argv[i];
        } else if (args->out == NULL) {
            args->out = argv[i];
        } else {
            return error_set(error, "metic build --help", "one thing too many: '%s'", argv[i]);
        }
    }
    return args->what != NULL ||
           error_set(error, "metic build debian disk.img, or metic build firmware.",
                     "there is nothing to build");
}

/* --- the directory --- */

static int build_remove_one(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
    (void)info, (void)flag, (void)ftw;
    remove(path);
    return 0;
}

static bool build_write(const char *directory, const struct build_script *script)
{
    char path[XDG_PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/%s", directory, script->name);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return false;
    }
    size_t bytes = (size_t)(script->end - script->begin);
    bool ok = fwrite(script->begin, 1, bytes, file) == bytes;
    return fclose(file) == 0 && ok;
}

/* A new directory with the scripts in it, below the cache. */
static bool build_directory(char path[XDG_PATH_BYTES], struct metic_error *error)
{
    bool ok = xdg_path(XDG_CACHE, "build/work.XXXXXX", path);
    for (char *slash = path; ok && (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    ok = ok && mkdtemp(path) != NULL;
    for (size_t i = 0; ok && i < build_script_count; i++) {
        ok = build_write(path, &build_scripts[i]);
    }
    return ok || error_set(error, "Set XDG_CACHE_HOME to a directory with room for some gigabytes.",
                           "cannot make a directory in the cache (%s): %s", path, strerror(errno));
}

/* --- the run --- */

static volatile sig_atomic_t build_group; /* the script's process group while it runs */

/* The terminal's signals come here alone, since the script has a group of its own. */
static void build_on_signal(int number)
{
    if (build_group > 0) {
        kill(-(pid_t)build_group, number);
    }
}

static int build_run(const char *directory, const char *script, struct metic_error *error)
{
    struct sigaction action = {.sa_handler = build_on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    pid_t child = fork();
    if (child < 0) {
        error_set(error, "Close other programs.", "cannot start a process: %s", strerror(errno));
        return -1;
    }
    if (child == 0) {
        setpgid(0, 0);
        if (chdir(directory) == 0) {
            execlp("sh", "sh", script, (char *)NULL);
        }
        _exit(127);
    }
    setpgid(child, child);
    build_group = child;
    int status;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return UI_EXIT_FAILED;
        }
    }
    build_group = 0;
    return WIFSIGNALED(status) ? UI_EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The image's path, absolute, in OUT. */
static bool build_set_out(const char *out, struct metic_error *error)
{
    char path[PATH_MAX] = "";
    if (out[0] != '/' && (getcwd(path, sizeof(path) - 1) == NULL ||
                          strlen(path) + strlen(out) + 2 > sizeof(path))) {
        return error_set(error, "Give an absolute path.", "'%s' has too long a path", out);
    }
    size_t used = strlen(path);
    snprintf(path + used, sizeof(path) - used, "%s%s", used > 0 ? "/" : "", out);
    if (access(path, F_OK) == 0) {
        return error_set(error, "Remove it, or give another name.", "'%s' is there already", out);
    }
    setenv("OUT", path, 1);
    return true;
}

/* Checks what is wanted and where; the name of the script, or NULL with a reason. */
static const char *build_choose(const struct build_args *args, struct metic_error *error)
{
    char path[PATH_MAX];
    if (strcmp(args->what, "firmware") == 0) {
        if (args->out != NULL) {
            error_set(error, "metic build firmware", "firmware has its own place, not '%s'",
                      args->out);
            return NULL;
        }
        if (!xdg_path(XDG_DATA, "firmware", path)) {
            error_set(error, "Set HOME or XDG_DATA_HOME.", "there is no home directory");
            return NULL;
        }
        setenv("OUT", path, 1);
        return "firmware.sh";
    }
    bool suite = strncmp(args->what, "debian:", 7) == 0;
    if (!suite && strcmp(args->what, "debian") != 0) {
        error_set(error, "metic build debian[:SUITE] OUT, or metic build firmware.",
                  "cannot build '%s'", args->what);
        return NULL;
    }
    if (suite && !build_is_word(args->what + 7, "-")) {
        error_set(error, "As in debian:trixie or debian:sid.", "'%s' names no suite", args->what);
        return NULL;
    }
    if (args->out == NULL) {
        error_set(error, "metic build debian disk.img", "the image's name is missing");
        return NULL;
    }
    if (suite) {
        setenv("BUILD_SUITE", args->what + 7, 1);
    }
    return build_set_out(args->out, error) ? "debian.sh" : NULL;
}

int cmd_build(int argc, char *const *argv)
{
    struct metic_error error = {{0}, {0}};
    struct build_args args = {NULL, NULL, false};
    char directory[XDG_PATH_BYTES], self[PATH_MAX];
    if (!build_parse(&args, argc, argv, &error)) {
        return ui_usage_error(&error);
    }
    if (args.help) {
        build_help(stdout);
        return UI_EXIT_OK;
    }
    const char *script = build_choose(&args, &error);
    if (script == NULL) {
        return ui_usage_error(&error);
    }
    ssize_t self_bytes = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (self_bytes < 0 || !build_directory(directory, &error)) {
        ui_print_error(&error);
        return UI_EXIT_FAILED;
    }
    self[self_bytes] = '\0';
    setenv("METIC", self, 1);
    int status = build_run(directory, script, &error);
    nftw(directory, build_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (status < 0) {
        ui_print_error(&error);
        return UI_EXIT_FAILED;
    }
    return status;
}

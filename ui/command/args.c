/* See args.h. */
#include "ui/command/args.h"

#include "ui/trace/trace_kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct option_row option_rows[] = {
#define OPTION_GROUP(title) {title, NULL, NULL, NULL, 0, NULL},
#define OPTION(name, value, words, parse, member, doc) \
    {name, value, words, option_parse_##parse, offsetof(struct run_args, member), doc},
#include "ui/command/options.def"
#undef OPTION
#undef OPTION_GROUP
};
const unsigned option_row_count = ARRAY_LEN(option_rows);

enum { NEAREST_MAX_BYTES = 31 };

/* Levenshtein's; long words are cut. */
unsigned args_distance(const char *a, const char *b)
{
    size_t a_bytes = strnlen(a, NEAREST_MAX_BYTES), b_bytes = strnlen(b, NEAREST_MAX_BYTES);
    unsigned row[NEAREST_MAX_BYTES + 1];
    for (unsigned j = 0; j <= b_bytes; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a_bytes; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_bytes; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            unsigned least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[b_bytes];
}

const char *args_nearest(const char *wrong, const char *(*word_at)(unsigned index))
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)strnlen(wrong, NEAREST_MAX_BYTES) / 3 + 2;
    const char *word;
    for (unsigned i = 0; (word = word_at(i)) != NULL; i++) {
        size_t wrong_bytes = strlen(wrong);
        bool prefix = wrong_bytes >= 3 && strncmp(word, wrong, wrong_bytes) == 0;
        unsigned distance = prefix ? 0 : args_distance(wrong, word);
        if (distance < best_distance) {
            best_distance = distance;
            best = word;
        }
    }
    return best;
}

/* Option names one after the other, for args_nearest. */
static const char *args_option_at(unsigned index)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        if (option_rows[i].parse != NULL && index-- == 0) {
            return option_rows[i].name;
        }
    }
    return index == 0 ? "help" : NULL;
}

static const struct option_row *args_find(const char *name, size_t name_bytes)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->parse != NULL && strlen(row->name) == name_bytes &&
            memcmp(row->name, name, name_bytes) == 0) {
            return row;
        }
    }
    return NULL;
}

static bool args_unknown(const char *arg, struct metic_error *error)
{
    char name[64], next[128] = "metic run --help lists the options.";
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
    const char *nearest = args_nearest(name, args_option_at);
    if (nearest != NULL) {
        snprintf(next, sizeof(next), "Did you mean --%s? metic run --help lists the options.",
                 nearest);
    }
    return error_set(error, next, "there is no option --%s", name);
}

/* "[VALUE]": it may be left out, so only a number may stand apart from its option. */
static bool args_value_optional(const struct option_row *row, const char *following)
{
    return row->value[0] == '[' &&
           (following == NULL || following[strspn(following, "0123456789")] != '\0');
}

/* One option, its value perhaps in the next argument; *taken counts what was used. */
static bool args_option(struct run_args *args, const char *arg, const char *following,
                        int *taken, struct metic_error *error)
{
    size_t name_bytes = strcspn(arg + 2, "=");
    const struct option_row *row = args_find(arg + 2, name_bytes);
    const char *value = arg[2 + name_bytes] == '=' ? arg + 2 + name_bytes + 1 : NULL;
    char name[64];
    if (row == NULL) {
        return args_unknown(arg, error);
    }
    snprintf(name, sizeof(name), "--%s", row->name);
    *taken = 1;
    if (row->value == NULL && value != NULL) {
        return error_set(error, NULL, "%s is a switch and takes no value", name);
    }
    if (row->value != NULL && value == NULL && !args_value_optional(row, following)) {
        if (following == NULL) {
            return error_set(error, NULL, "%s needs a value: %s %s", name, name, row->value);
        }
        value = following;
        *taken = 2;
    }
    if (!row->parse(args, (char *)args + row->offset, name, value, error)) {
        return false;
    }
    args_keep(args, row, value);
    return true;
}

/* An option whose value may be left out, so that what follows it is not one. */
static bool args_ends_here(const char *arg)
{
    const struct option_row *row =
        strncmp(arg, "--", 2) == 0 ? args_find(arg + 2, strlen(arg + 2)) : NULL;
    return row != NULL && row->value != NULL && row->value[0] == '[';
}

/* before: the argument in front of it, or "". */
static bool args_thing(struct run_args *args, const char *thing, const char *before,
                       struct metic_error *error)
{
    if (args->thing != NULL) {
        char next[128] = "Disks, initrds and firmware have options: metic run --help.";
        const char *option = args_ends_here(before) ? before : args->before_thing;
        if (args_ends_here(option)) {
            snprintf(next, sizeof(next), "Only a number may follow %s; a path belongs to it as in "
                     "%s=PATH.", option, option);
        }
        return error_set(error, next, "two things to run, '%s' and '%s'", args->thing, thing);
    }
    args->thing = thing;
    args->before_thing = before;
    return true;
}

/* What only makes sense when runs can be repeated chooses the clock, unless the user did. */
static bool args_choose_clock(struct run_args *args, struct metic_error *error)
{
    struct metic_options *options = &args->options;
    const char *who = options->digest_every != 0               ? "--digest-every"
                      : options->replay_path != NULL           ? "--replay"
                      : options->record_path != NULL           ? "--record"
                      : options->engine == METIC_ENGINE_BOTH   ? "--engine both"
                                                               : NULL;
    if (who == NULL || options->clock == METIC_CLOCK_VIRTUAL) {
        return true;
    }
    if (args->clock_given) {
        return error_set(error, "Leave --clock real out.", "%s needs the virtual clock", who);
    }
    options->clock = METIC_CLOCK_VIRTUAL;
    args->clock_for = who;
    args_keep(args, args_find("clock", strlen("clock")), "virtual");
    return true;
}

/* A commit log is the engine's own; everything else is recorded. */
static bool args_choose_trace(struct run_args *args, struct metic_error *error)
{
    struct run_trace *trace = &args->trace;
    unsigned what = 0;
    u64 events = 0;
    if (trace->events != NULL && !trace_kinds_add(trace->events, &what, &events, error)) {
        return false;
    }
    bool more = trace->events != NULL || trace->calls != NULL || trace->filter_count != 0 ||
                trace->last_bytes != 0;
    if (args->cover != NULL) {
        if (trace->path != NULL || trace->format != NULL) {
            return error_set(error, "Leave one of them out.",
                             "both --cover and --trace were given");
        }
        trace->path = args->cover;
        trace->format = "cover";
        trace->events = "blocks";
        return true;
    }
    if (trace->format == NULL && (trace->path != NULL || more)) {
        trace->format = "store";
    }
    if (trace->format != NULL && strcmp(trace->format, "spike") == 0) {
        args->options.trace_path = trace->path != NULL ? trace->path : "-";
        trace->format = NULL;
        return !more || error_set(error, "Leave the filters out, or choose another format.",
                                  "a commit log holds everything");
    }
    if (trace->format != NULL && strcmp(trace->format, "store") == 0 &&
        (trace->path == NULL || strcmp(trace->path, "-") == 0)) {
        return error_set(error, "As in --trace guest.trace; or choose a text by --trace-format.",
                         "--trace needs a file");
    }
    return true;
}

/* Booting from the network asks for one that answers. */
static bool args_choose_boot(struct run_args *args, struct metic_error *error)
{
    struct metic_options *options = &args->options;
    if (options->net == METIC_NET_AUTO) {
        options->net = METIC_NET_USER;
    }
    if (options->net != METIC_NET_USER || options->net_restrict) {
        return error_set(error, "Leave --net out, or give --net user.",
                         "--tftp and --bootfile need the user network, not restricted");
    }
    return true;
}

static bool args_nothing(const struct run_args *args, struct metic_error *error)
{
    char boots[256] = "metic run FILE, or metic run --demo for the built-in demo.";
    if (args->options.disk_count != 0) {
        snprintf(boots, sizeof(boots), "metic run %.160s boots that disk; its kernel, if you have "
                 "it as a file, goes there instead.", args->options.disks[0].path);
    }
    return error_set(error, boots, "there is nothing to run");
}

/* What only the whole command line shows. */
static bool args_check(struct run_args *args, struct metic_error *error)
{
    if (args->thing == NULL && !args->demo && !args->restores && args->options.flash[0] == NULL &&
        args->options.firmware == NULL && args->options.bootfile == NULL) {
        return args_nothing(args, error);
    }
    if (args->thing != NULL && args->demo) {
        return error_set(error, "Leave one of them out.", "both '%s' and --demo were given",
                         args->thing);
    }
    if (!args_choose_clock(args, error)) {
        return false;
    }
    if (!args_choose_trace(args, error)) {
        return false;
    }
    args_choose_clipboard(args);
    if (!args_check_screens(args, error)) {
        return false;
    }
    if (!args_choose_sound(args, error)) {
        return false;
    }
    if (args->options.record_path != NULL && args->options.replay_path != NULL) {
        return error_set(error, "Leave one of them out.", "both --record and --replay were given");
    }
    if ((args->options.tftp != NULL || args->options.bootfile != NULL) &&
        !args_choose_boot(args, error)) {
        return false;
    }
    if (args->gdb_wait && args->gdb == NULL) {
        args->gdb = args_default_gdb;
    }
    args->options.step_count = args->steps.count;
    for (unsigned i = 0; i < args->steps.count; i++) {
        args->options.steps[i] = args->steps.steps[i];
    }
    return true;
}

static bool parse(struct run_args *args, int argc, char *const *argv, struct metic_error *error)
{
    metic_options_init(&args->options);
    args->options.console = METIC_CONSOLE_STDIO;
    args->options.net = METIC_NET_AUTO;
    bool options_over = false;
    for (int i = 0; i < argc;) {
        const char *arg = argv[i];
        int taken = 1;
        bool ok = true;
        if (!options_over && strcmp(arg, "--") == 0) {
            options_over = true;
        } else if (!options_over && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            args->help = true;
            return true;
        } else if (!options_over && strncmp(arg, "--", 2) == 0) {
            ok = args_option(args, arg, i + 1 < argc ? argv[i + 1] : NULL, &taken, error);
        } else if (!options_over && arg[0] == '-' && arg[1] != '\0') {
            ok = error_set(error, "Options have long names: metic run --help lists them.",
                           "there is no option %s", arg);
        } else {
            ok = args_thing(args, arg, i > 0 && !options_over ? argv[i - 1] : "", error);
        }
        if (!ok) {
            return false;
        }
        i += taken;
    }
    return args_check(args, error);
}

bool args_parse(struct run_args *args, int argc, char *const *argv, struct metic_error *error)
{
    *args = (struct run_args){0};
    return parse(args, argc, argv, error);
}

bool args_parse_restore(struct run_args *args, int argc, char *const *argv,
                        struct metic_error *error)
{
    *args = (struct run_args){.restores = true};
    return parse(args, argc, argv, error);
}

char *args_own(struct run_args *args, char *text)
{
    if (args->owned_count < ARRAY_LEN(args->owned)) {
        args->owned[args->owned_count++] = text;
    }
    return text;
}

void args_free(struct run_args *args)
{
    keymap_free(args->keymap);
    for (unsigned i = 0; i < args->steps.count; i++) {
        free((char *)(uintptr_t)args->steps.steps[i].expect);
        free((char *)(uintptr_t)args->steps.steps[i].send);
    }
    for (unsigned i = 0; i < args->show_count; i++) {
        free(args->shows[i].stages);
    }
    for (unsigned i = 0; i < args->owned_count; i++) {
        free(args->owned[i]);
    }
    free(args->kept);
}

/* The values of options: one parser for each kind, with what is wrong with the others. */
#include "ui/command/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Parsers share one signature; most need only some of it. */
#define UNUSED(name) (void)(name)

OPTION_PARSER(flag)
{
    UNUSED(args), UNUSED(name), UNUSED(value), UNUSED(error);
    *(bool *)member = true;
    return true;
}

OPTION_PARSER(string)
{
    UNUSED(args);
    if (value[0] == '\0' && strcmp(name, "--append") != 0) {
        return error_set(error, NULL, "%s has an empty value", name);
    }
    *(const char **)member = value;
    return true;
}

OPTION_PARSER(folder)
{
    struct stat status;
    if (stat(value, &status) != 0 || !S_ISDIR(status.st_mode)) {
        return error_set(error, "Give a folder that exists.", "%s: '%s' is no folder", name, value);
    }
    return option_parse_string(args, member, name, value, error);
}

static bool value_size(const char *name, const char *value, u64 least_bytes, u64 *size_bytes,
                       struct metic_error *error)
{
    if (!metic_parse_size(value, size_bytes)) {
        return error_set(error, "Sizes look like 512M, 4G, 4GiB, 1.5GB or 4096.",
                         "%s: '%s' is not a size", name, value);
    }
    if (*size_bytes < least_bytes) {
        return error_set(error, "A number without a unit counts bytes: 512M is half a gigabyte.",
                         "%s: '%s' is too little, it takes %llu bytes at least", name, value,
                         (unsigned long long)least_bytes);
    }
    return true;
}

OPTION_PARSER(size)
{
    UNUSED(args);
    return value_size(name, value, (u64)1 << 20, member, error);
}

OPTION_PARSER(percent)
{
    UNUSED(args);
    char *end;
    double percent = strtod(value, &end);
    if (end == value || (*end != '\0' && strcmp(end, "%") != 0) || !(percent >= 1) ||
        percent > 100 * 1024) {
        return error_set(error, "Give a share of a processor, as 50%, or of several, as 250%.",
                         "%s: '%s' is not a percentage of at least 1", name, value);
    }
    *(unsigned *)member = (unsigned)percent;
    return true;
}

OPTION_PARSER(code_cache)
{
    UNUSED(args);
    u64 size_bytes;
    if (!value_size(name, value, (u64)1 << 16, &size_bytes, error)) {
        return false;
    }
    *(size_t *)member = size_bytes;
    return true;
}

/* Digits, decimal or 0x, and behind them what *rest points to. */
static bool value_number(const char *value, u64 *number, const char **rest)
{
    if (!isdigit((unsigned char)value[0])) {
        return false;
    }
    char *end;
    bool hex = value[0] == '0' && (value[1] == 'x' || value[1] == 'X');
    if (hex && !isxdigit((unsigned char)value[2])) {
        return false;
    }
    const char *digits = hex ? value + 2 : value;
    size_t length = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
    if (length > (hex ? 16 : 19)) {
        return false;
    }
    *number = strtoull(value, &end, hex ? 16 : 10);
    *rest = end;
    return true;
}

static bool value_range(const char *name, const char *value, unsigned least, unsigned most,
                        unsigned *number, struct metic_error *error)
{
    u64 wide;
    const char *rest;
    if (!value_number(value, &wide, &rest) || *rest != '\0') {
        return error_set(error, NULL, "%s: '%s' is not a number", name, value);
    }
    if (wide < least || wide > most) {
        return error_set(error, NULL, "%s: %s is out of range; it goes from %u to %u", name, value,
                         least, most);
    }
    *number = (unsigned)wide;
    return true;
}

OPTION_PARSER(harts)
{
    UNUSED(args);
    return value_range(name, value, 1, METIC_MAX_HARTS, member, error);
}

OPTION_PARSER(block_insns)
{
    UNUSED(args);
    return value_range(name, value, 1, 4096, member, error);
}

OPTION_PARSER(u64)
{
    UNUSED(args);
    const char *rest;
    if (!value_number(value, member, &rest) || *rest != '\0') {
        return error_set(error, NULL, "%s: '%s' is not a number", name, value);
    }
    return true;
}

/* Multiplies by `by`; false when it does not fit. */
static bool value_scale(u64 *number, u64 by)
{
    u64 scaled;
    bool fits = !__builtin_mul_overflow(*number, by, &scaled);
    *number = scaled;
    return fits;
}

/* Instructions are counted in powers of ten. */
bool args_parse_count(const char *text, u64 *count)
{
    static const struct {
        const char *unit;
        u64 scale;
    } units[] = {{"", 1}, {"k", 1000}, {"K", 1000}, {"M", 1000000}, {"G", 1000000000}};
    const char *rest;
    for (size_t i = 0; value_number(text, count, &rest) && i < ARRAY_LEN(units); i++) {
        if (strcmp(rest, units[i].unit) == 0) {
            return value_scale(count, units[i].scale);
        }
    }
    return false;
}

OPTION_PARSER(count)
{
    UNUSED(args);
    u64 *number = member;
    return (args_parse_count(value, number) && *number != 0) ||
           error_set(error, "Counts look like 1000000, 200M or 2G, and are not 0.",
                     "%s: '%s' is not a count", name, value);
}

OPTION_PARSER(time)
{
    UNUSED(args);
    static const struct {
        const char *unit;
        u64 scale;
    } units[] = {
        {"", 1000000000}, {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1},
        {"m", 60000000000}, {"min", 60000000000}, {"h", 3600000000000},
    };
    u64 *number = member;
    const char *rest;
    if (value_number(value, number, &rest) && *number != 0) {
        for (size_t i = 0; i < ARRAY_LEN(units); i++) {
            if (strcmp(rest, units[i].unit) == 0 && value_scale(number, units[i].scale)) {
                return true;
            }
        }
    }
    return error_set(error, "Times look like 30s, 500ms, 5min or 2h, and are not 0.",
                     "%s: '%s' is not a time", name, value);
}

/* Which of the words separated by blanks `value` is; -1 with a reason when it is none. */
static int value_word(const char *name, const char *value, const char *words,
                      struct metic_error *error)
{
    int index = 0;
    size_t value_bytes = strlen(value);
    for (const char *at = words; *at != '\0'; index++) {
        size_t length = strcspn(at, " ");
        if (length == value_bytes && memcmp(at, value, length) == 0) {
            return index;
        }
        at += length + (at[length] == ' ');
    }
    error_set(error, NULL, "%s: '%s' is none of: %s", name, value, words);
    return -1;
}

OPTION_PARSER(engine)
{
    UNUSED(args);
    static const enum metic_engine engines[] = {
        METIC_ENGINE_JIT, METIC_ENGINE_INTERP, METIC_ENGINE_BOTH,
    };
    int word = value_word(name, value, "jit interp both", error);
    if (word >= 0) {
        *(enum metic_engine *)member = engines[word];
    }
    return word >= 0;
}

OPTION_PARSER(clock)
{
    int word = value_word(name, value, "real virtual", error);
    if (word >= 0) {
        *(enum metic_clock *)member = word == 0 ? METIC_CLOCK_REAL : METIC_CLOCK_VIRTUAL;
        args->clock_given = true;
    }
    return word >= 0;
}

OPTION_PARSER(virtio)
{
    struct metic_options *options = member;
    UNUSED(args);
    int word = value_word(name, value, "mmio pci pcie", error);
    options->virtio_pci = word >= 1;
    options->virtio_ports = word == 2;
    return word >= 0;
}

OPTION_PARSER(trace_format)
{
    UNUSED(args);
    if (value_word(name, value, "store spike qemu json chrome text", error) < 0) {
        return false;
    }
    *(const char **)member = value;
    return true;
}

OPTION_PARSER(trace_filter)
{
    UNUSED(member);
    struct run_trace *trace = &args->trace;
    if (trace->filter_count == RUN_MAX_FILTERS) {
        return error_set(error, NULL, "%s: more than %d filters", name, RUN_MAX_FILTERS);
    }
    trace->filters[trace->filter_count++] = value;
    return true;
}

OPTION_PARSER(plugin)
{
    UNUSED(member);
    if (args->plugin_count == RUN_MAX_PLUGINS) {
        return error_set(error, NULL, "%s: more than %d plug-ins", name, RUN_MAX_PLUGINS);
    }
    args->plugins[args->plugin_count++] = value;
    return true;
}

OPTION_PARSER(profile_every)
{
    UNUSED(member);
    size_t length = strlen(value);
    if (length > 1 && value[length - 1] == 's') {
        return option_parse_time(args, &args->profile_ns, name, value, error);
    }
    return option_parse_count(args, &args->profile_insns, name, value, error);
}

OPTION_PARSER(trace_last)
{
    UNUSED(args);
    u64 size_bytes;
    if (!value_size(name, value, (u64)1 << 16, &size_bytes, error)) {
        return false;
    }
    *(size_t *)member = size_bytes;
    return true;
}

/* Where a console is: a word, or a word with a path behind it. */
static bool value_console(const char *name, const char *value, enum metic_console *console,
                          const char **path, struct metic_error *error)
{
    static const struct {
        const char *word;
        enum metic_console console;
        bool path;
    } kinds[] = {
        {"stdio", METIC_CONSOLE_STDIO, false}, {"none", METIC_CONSOLE_NONE, false},
        {"pty", METIC_CONSOLE_PTY, false},     {"file:", METIC_CONSOLE_FILE, true},
        {"socket:", METIC_CONSOLE_SOCKET, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t length = strlen(kinds[i].word);
        bool same = kinds[i].path ? strncmp(value, kinds[i].word, length) == 0 &&
                                        value[length] != '\0'
                                  : strcmp(value, kinds[i].word) == 0;
        if (same) {
            *console = kinds[i].console;
            *path = kinds[i].path ? value + length : NULL;
            return true;
        }
    }
    return error_set(error, NULL, "%s: '%s' is none of: stdio none pty file:PATH socket:PATH", name,
                     value);
}

OPTION_PARSER(serial)
{
    UNUSED(args);
    struct metic_options *options = member;
    return value_console(name, value, &options->console, &options->console_path, error);
}

OPTION_PARSER(port)
{
    struct metic_options *options = member;
    char *copy = args_own(args, strdup(value));
    char *where = copy != NULL ? strchr(copy, '=') : NULL;
    if (copy == NULL || where == NULL) {
        return error_set(error, "As in --port agent=socket:PATH.", "%s: '%s' is no NAME=WHERE",
                         name, value);
    }
    if (options->port_count == METIC_MAX_PORTS) {
        return error_set(error, NULL, "%s: there is room for %d of them", name, METIC_MAX_PORTS);
    }
    struct metic_port *port = &options->ports[options->port_count];
    *where++ = '\0';
    port->name = copy;
    if (!value_console(name, where, &port->where, &port->path, error)) {
        return false;
    }
    if (port->where == METIC_CONSOLE_STDIO) {
        return error_set(error, "The terminal is the guest's console; give --serial none with "
                                "--virtio-console stdio for another.",
                         "%s: %s cannot be on stdio", name, copy);
    }
    options->port_count++;
    return true;
}

OPTION_PARSER(virtio_console)
{
    UNUSED(args);
    struct metic_options *options = member;
    return value_console(name, value, &options->virtio_console, &options->virtio_console_path,
                         error);
}

char *option_value_without(struct run_args *args, const char *value, const char *suffix)
{
    size_t length = strlen(value), suffix_bytes = strlen(suffix);
    if (length <= suffix_bytes || strcmp(value + length - suffix_bytes, suffix) != 0) {
        return NULL;
    }
    char *copy = strndup(value, length - suffix_bytes);
    return copy != NULL ? args_own(args, copy) : NULL;
}

OPTION_PARSER(flash)
{
    struct metic_options *options = member;
    unsigned bank = options->flash[0] == NULL ? 0 : 1;
    if (options->flash[bank] != NULL) {
        return error_set(error, NULL, "%s: there are two flash banks", name);
    }
    char *path = option_value_without(args, value, ":write");
    options->flash_write[bank] = path != NULL;
    options->flash[bank] = path != NULL ? path : value;
    return value[0] != '\0' || error_set(error, NULL, "%s has an empty value", name);
}

OPTION_PARSER(expect)
{
    UNUSED(args), UNUSED(name);
    return args_add_expect(member, value, error);
}

OPTION_PARSER(send)
{
    UNUSED(args), UNUSED(name);
    return args_add_send(member, value, error);
}

OPTION_PARSER(script)
{
    UNUSED(args), UNUSED(name);
    return args_read_script(member, value, error);
}

/* The stages behind each other, with commas between. */
static bool value_stages(const char *name, const char *stages, size_t stages_bytes,
                         struct metic_error *error)
{
    static const char *const known[] = {"decode", "ir", "opt", "host"};
    for (size_t at = 0; at <= stages_bytes;) {
        size_t length = strcspn(stages + at, ",@");
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
            found |= strlen(known[i]) == length && memcmp(stages + at, known[i], length) == 0;
        }
        if (!found) {
            return error_set(error, NULL, "%s: '%.*s' is none of: decode ir opt host", name,
                             (int)length, stages + at);
        }
        at += length + 1;
    }
    return true;
}

const char args_default_gdb[] = "1234";

OPTION_PARSER(gdb)
{
    (void)member;
    if (value != NULL && value[0] == '\0') {
        return error_set(error, NULL, "%s needs a port or a path behind the =", name);
    }
    args->gdb = value != NULL ? value : args_default_gdb;
    return true;
}

OPTION_PARSER(symbols)
{
    UNUSED(member);
    if (args->symbol_count == RUN_MAX_SYMBOLS) {
        return error_set(error, NULL, "%s: more than %d files", name, RUN_MAX_SYMBOLS);
    }
    if (access(value, R_OK) != 0) {
        return error_set(error, NULL, "%s: cannot read '%s': %s", name, value, strerror(errno));
    }
    args->symbols[args->symbol_count++] = value;
    return true;
}

OPTION_PARSER(show)
{
    UNUSED(member);
    const char *at = strchr(value, '@');
    if (at == NULL || at == value || at[1] == '\0') {
        return error_set(error, "As in --show decode,ir,opt,host@0x80000000.",
                         "%s: '%s' is not STAGES@ADDRESS", name, value);
    }
    if (!value_stages(name, value, (size_t)(at - value), error)) {
        return false;
    }
    if (args->show_count == RUN_MAX_SHOWS) {
        return error_set(error, NULL, "%s: at most %d of them", name, RUN_MAX_SHOWS);
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        return error_set(error, NULL, "out of memory");
    }
    copy[at - value] = '\0';
    args->shows[args->show_count++] = (struct run_show){copy, copy + (at - value) + 1};
    return true;
}

OPTION_PARSER(host_features)
{
    UNUSED(args);
    static const enum metic_host hosts[] = {
        METIC_HOST_PLAIN, METIC_HOST_AVX2, METIC_HOST_AVX512,
    };
    int word = value_word(name, value, "plain avx2 avx512", error);
    if (word >= 0) {
        *(enum metic_host *)member = hosts[word];
    }
    return word >= 0;
}

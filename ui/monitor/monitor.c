/* See monitor.h. */
#include "ui/monitor/monitor_commands.h"

#include "cpu/base/types.h"
#include "ui/event_log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool take_number(const char *text, u64 *value)
{
    char *end;
    *value = strtoull(text, &end, 0);
    return end != text && *end == '\0';
}

static void monitor_info_harts(struct monitor *monitor, const char *arguments)
{
    (void)arguments;
    for (unsigned i = 0; i < metic_hart_count(monitor->machine); i++) {
        char text[512];
        uint64_t pc = 0;
        metic_describe_hart(monitor->machine, i, text, sizeof(text));
        metic_get_register(monitor->machine, i, "pc", &pc);
        fprintf(monitor->to, "hart %u: pc 0x%" PRIx64 "%s, %" PRIu64 " instructions, %s\n", i, pc,
                metic_hart_waits(monitor->machine, i) ? " (waits)" : "",
                metic_instructions(monitor->machine, i), text);
    }
}

static void monitor_info_registers(struct monitor *monitor, const char *arguments)
{
    u64 hart = monitor->hart;
    unsigned column = 0;
    if (*arguments != '\0' && (!take_number(arguments, &hart) ||
                               hart >= metic_hart_count(monitor->machine))) {
        monitor->failed = true;
        fprintf(monitor->to, "there is no hart '%s'; info harts lists them\n", arguments);
        return;
    }
    for (unsigned i = 0; i < metic_register_limit(monitor->machine); i++) {
        struct metic_register reg;
        uint64_t value;
        if (!metic_describe_register(monitor->machine, i, &reg) ||
            !metic_read_register(monitor->machine, (unsigned)hart, i, &value) ||
            (value == 0 && strcmp(reg.group, "csr") == 0) || reg.size_bytes > sizeof(value)) {
            continue;
        }
        fprintf(monitor->to, "%-13s %016" PRIx64 "%s", reg.name, value,
                ++column % 3 == 0 ? "\n" : "  ");
    }
    fputs(column % 3 == 0 ? "" : "\n", monitor->to);
}

static bool is_confined(const char *confined)
{
    return confined != NULL && confined[0] != '\0';
}

void monitor_explain(const char *confined, struct metic_error *error)
{
    size_t length = strlen(error->what);
    if (is_confined(confined) && strstr(error->what, strerror(EACCES)) != NULL) {
        snprintf(error->what + length, sizeof(error->what) - length,
                 "; a confined machine opens only what --allow names");
        error->next[0] = '\0';
    }
}

void monitor_refuse(struct monitor *monitor, struct metic_error *error)
{
    monitor->failed = true;
    monitor_explain(monitor->confined, error);
    fprintf(monitor->to, "%s%s%s\n", error->what, error->next[0] != '\0' ? "; " : "", error->next);
}

static void monitor_info_confinement(struct monitor *monitor, const char *arguments)
{
    (void)arguments;
    fprintf(monitor->to, "%s\n", is_confined(monitor->confined) ? monitor->confined
                                                               : "nothing: not confined");
}

static void monitor_info_events(struct monitor *monitor, const char *arguments)
{
    struct event_entry entry;
    u64 next = 0;
    (void)arguments;
    while (monitor->events != NULL && event_log_take(monitor->events, &next, &entry)) {
        char text[32];
        time_t at = (time_t)entry.s;
        struct tm parts;
        gmtime_r(&at, &parts); /* the host's zone is in a file */
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
        fprintf(monitor->to, "%s.%03uZ %s%s%s\n", text, (unsigned)(entry.us / 1000),
                event_log_name(entry.event), entry.detail[0] != '\0' ? " " : "", entry.detail);
    }
}

static void monitor_balloon(struct monitor *monitor, const char *arguments)
{
    uint64_t bytes;
    monitor->failed = true;
    if (!metic_parse_size(arguments, &bytes) || bytes == 0) {
        fprintf(monitor->to, "give a size, as 256M\n");
    } else if (!metic_balloon(monitor->machine, bytes)) {
        fprintf(monitor->to, "there is no balloon: the machine was started without --balloon\n");
    } else {
        monitor->failed = false;
    }
}

static void monitor_info_balloon(struct monitor *monitor, const char *arguments)
{
    struct metic_balloon_status status;
    (void)arguments;
    if (!metic_get_balloon(monitor->machine, &status)) {
        monitor->failed = true;
        fprintf(monitor->to, "there is no balloon: the machine was started without --balloon\n");
        return;
    }
    fprintf(monitor->to, "the guest has %llu MiB, of %llu MiB asked for; %llu MiB were reported "
            "free so far\n", (unsigned long long)(status.guest_bytes >> 20),
            (unsigned long long)(status.wanted_bytes >> 20),
            (unsigned long long)(status.reported_bytes >> 20));
    for (unsigned i = 0; i < status.count_count; i++) {
        fprintf(monitor->to, "%-20s %llu\n", status.counts[i].name,
                (unsigned long long)status.counts[i].value);
    }
}

static void monitor_info_history(struct monitor *monitor, const char *arguments)
{
    struct metic_history_info info;
    (void)arguments;
    if (!metic_get_history(monitor->machine, &info)) {
        fprintf(monitor->to,
                "there is none: it needs a debugger, and --clock virtual or --replay\n");
        return;
    }
    fprintf(monitor->to, "instructions %" PRIu64 " to %" PRIu64 ", now %" PRIu64 "%s; %u moments "
            "kept in %" PRIu64 " of %" PRIu64 " MiB\n", info.first_insns, info.last_insns,
            info.now_insns, info.past ? " (in the past)" : "", info.moments,
            (info.bytes + 1048575) >> 20, info.limit_bytes >> 20);
}

static void monitor_info_memory(struct monitor *monitor, const char *arguments)
{
    struct metic_region region;
    (void)arguments;
    for (unsigned i = 0; metic_get_region(monitor->machine, i, &region); i++) {
        fprintf(monitor->to, "%016" PRIx64 "-%016" PRIx64 "  %-7s %s\n", region.address,
                region.address + region.size_bytes - 1, region.kind, region.name);
    }
}

static void monitor_info_translate(struct monitor *monitor, const char *arguments)
{
    u64 address;
    uint64_t physical;
    if (!take_number(arguments, &address)) {
        fprintf(monitor->to, "give an address, as 0x80000000\n");
    } else if (metic_translate(monitor->machine, monitor->hart, address, &physical)) {
        fprintf(monitor->to, "0x%" PRIx64 " is 0x%" PRIx64 " on hart %u\n", address, physical,
                monitor->hart);
    } else {
        fprintf(monitor->to, "0x%" PRIx64 " is not mapped on hart %u\n", address, monitor->hart);
    }
}

/* A guest may map so much that nobody would wait for the end: this many table entries at most. */
enum { MAP_RUNS = 4096, MAP_PIECES = 4096 };

static void monitor_info_map(struct monitor *monitor, const char *arguments)
{
    struct metic_mapping run = {.last = ~(u64)0};
    (void)arguments;
    if (!metic_get_mapping(monitor->machine, monitor->hart, 0, &run) || !run.translated) {
        fprintf(monitor->to, "hart %u translates no addresses now: info memory\n", monitor->hart);
        return;
    }
    unsigned told = 0;
    for (u64 at = 0; told < MAP_RUNS; at = run.last + 1) {
        metic_get_mapping_run(monitor->machine, monitor->hart, at, MAP_PIECES, &run);
        told += 1;
        if (run.mapped) {
            fprintf(monitor->to, "0x%016" PRIx64 " to 0x%016" PRIx64 " at 0x%010" PRIx64
                    " %c%c%c%c\n", run.first, run.last, run.physical, run.readable ? 'r' : '-',
                    run.writable ? 'w' : '-', run.executable ? 'x' : '-', run.user ? 'u' : '-');
        }
        if (run.last == ~(u64)0) {
            return;
        }
    }
    fprintf(monitor->to, "and so on\n");
}

static void monitor_info_statistics(struct monitor *monitor, const char *arguments)
{
    (void)arguments;
    metic_print_stats(monitor->machine, monitor->to);
}

static bool take_switch(struct monitor *monitor, const char *arguments, bool *value)
{
    if (strcmp(arguments, "on") != 0 && strcmp(arguments, "off") != 0) {
        fprintf(monitor->to, "on or off?\n");
        return false;
    }
    *value = strcmp(arguments, "on") == 0;
    return true;
}

static void monitor_physical(struct monitor *monitor, const char *arguments)
{
    if (take_switch(monitor, arguments, &monitor->physical)) {
        fprintf(monitor->to, "addresses are %s\n", monitor->physical ? "physical" : "virtual");
    }
}

static void monitor_trace(struct monitor *monitor, const char *arguments)
{
    bool on;
    if (!take_switch(monitor, arguments, &on)) {
        monitor->failed = true;
    } else if (!metic_trace_switch(monitor->machine, on)) {
        monitor->failed = true;
        fprintf(monitor->to, "there is no recording that waits for this: "
                             "--trace-filter start=@monitor\n");
    } else {
        fprintf(monitor->to, "what happens is %s\n", on ? "recorded" : "not recorded");
    }
}

static void monitor_step_interrupts(struct monitor *monitor, const char *arguments)
{
    bool taken;
    struct metic_history_info info;
    if (metic_get_history(monitor->machine, &info)) {
        monitor->failed = true;
        fprintf(monitor->to,
                "with a history a step takes them as a run would, so that it repeats\n");
    } else if (take_switch(monitor, arguments, &taken)) {
        metic_set_step_interrupts(monitor->machine, taken);
        fprintf(monitor->to, "a stepping hart takes %s\n", taken ? "interrupts" : "no interrupts");
    }
}

static void monitor_reset(struct monitor *monitor, const char *arguments)
{
    struct metic_error error;
    (void)arguments;
    if (!monitor->debugger) {
        metic_press_reset(monitor->machine);
        return;
    }
    bool done = metic_reset(monitor->machine, &error);
    fprintf(monitor->to, "%s\n", done ? "the machine is as after power-on" : error.what);
}

static void monitor_quit(struct monitor *monitor, const char *arguments)
{
    (void)arguments;
    monitor->quit = true;
}

static void monitor_pause(struct monitor *monitor, const char *arguments)
{
    (void)arguments;
    metic_pause(monitor->machine);
}

static void monitor_continue(struct monitor *monitor, const char *arguments)
{
    (void)arguments;
    metic_resume(monitor->machine);
}

static void monitor_power(struct monitor *monitor, const char *arguments)
{
    (void)arguments;
    metic_press_power(monitor->machine);
}

static void monitor_info_status(struct monitor *monitor, const char *arguments)
{
    u64 insns = 0;
    (void)arguments;
    for (unsigned i = 0; i < metic_hart_count(monitor->machine); i++) {
        insns += metic_instructions(monitor->machine, i);
    }
    fprintf(monitor->to, "%s, after %" PRIu64 " instructions\n",
            metic_is_paused(monitor->machine) ? "paused" : "running", insns);
}

static void monitor_info_devices(struct monitor *monitor, const char *arguments)
{
    if (*arguments == '\0') {
        metic_print_devices(monitor->machine, monitor->to);
    } else if (!metic_print_device(monitor->machine, arguments, monitor->to)) {
        monitor->failed = true;
        fprintf(monitor->to, "there is no device '%s'; info devices lists them\n", arguments);
    }
}

static void dump(struct monitor *monitor, const char *arguments, bool physical)
{
    enum { MOST_BYTES = 65536, LINE_BYTES = 16 };
    char *end;
    u64 address = strtoull(arguments, &end, 0);
    u64 count = *end != '\0' ? strtoull(end, NULL, 0) : 64;
    if (end == arguments) {
        monitor->failed = true;
        fprintf(monitor->to, "give an address, as 0x80000000\n");
        return;
    }
    count = count < MOST_BYTES ? count : MOST_BYTES;
    for (u64 at = 0; at < count; at += LINE_BYTES) {
        u8 bytes[LINE_BYTES];
        size_t part = count - at < LINE_BYTES ? (size_t)(count - at) : LINE_BYTES;
        if (!(physical ? metic_read_memory(monitor->machine, address + at, bytes, part)
                       : metic_read_virtual(monitor->machine, monitor->hart, address + at, bytes,
                                            part))) {
            monitor->failed = true;
            fprintf(monitor->to, "0x%" PRIx64 ": no memory\n", address + at);
            return;
        }
        fprintf(monitor->to, "%016" PRIx64 ":", address + at);
        for (size_t i = 0; i < part; i++) {
            fprintf(monitor->to, " %02x", bytes[i]);
        }
        fputc('\n', monitor->to);
    }
}

static void monitor_dump_virtual(struct monitor *monitor, const char *arguments)
{
    dump(monitor, arguments, false);
}

static void monitor_dump_physical(struct monitor *monitor, const char *arguments)
{
    dump(monitor, arguments, true);
}

static monitor_fn monitor_help;

static const struct {
    const char *words;
    monitor_fn *run;
    const char *arguments, *qmp, *doc;
} commands[] = {
#define MONITOR(words, function, arguments, qmp, doc) \
    {words, monitor_##function, arguments, qmp, doc},
#include "ui/monitor/monitor.def"
#undef MONITOR
};

/* Those whose words begin with `first`; how many. */
static unsigned list_commands(struct monitor *monitor, const char *first)
{
    size_t bytes = strlen(first);
    unsigned listed = 0;
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        const char *words = commands[i].words;
        char head[64];
        if (bytes == 0 || (strncmp(words, first, bytes) == 0 && words[bytes] == ' ')) {
            snprintf(head, sizeof(head), "%s %s", words, commands[i].arguments);
            fprintf(monitor->to, "%-24s %s\n", head, commands[i].doc);
            listed++;
        }
    }
    return listed;
}

static void monitor_help(struct monitor *monitor, const char *arguments)
{
    (void)arguments;
    list_commands(monitor, "");
}

static const char *skip_blanks(const char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    return text;
}

/* The arguments behind the command's words in the line, which may have more blanks between them;
 * NULL: it is another command. */
static const char *match(const char *line, const char *words)
{
    for (; *words != '\0'; words++) {
        if (*words == ' ') {
            if (!isspace((unsigned char)*line)) {
                return NULL;
            }
            line = skip_blanks(line);
        } else if (*line++ != *words) {
            return NULL;
        }
    }
    return *line == '\0' || isspace((unsigned char)*line) ? skip_blanks(line) : NULL;
}

const char *monitor_qmp_words(const char *qmp)
{
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        if (commands[i].qmp[0] != '\0' && strcmp(commands[i].qmp, qmp) == 0) {
            return commands[i].words;
        }
    }
    return NULL;
}

const char *monitor_qmp_at(unsigned index)
{
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        if (commands[i].qmp[0] != '\0' && index-- == 0) {
            return commands[i].qmp;
        }
    }
    return NULL;
}

bool monitor_describe(unsigned index, const char **words, const char **arguments,
                      const char **doc)
{
    if (index >= ARRAY_LEN(commands)) {
        return false;
    }
    *words = commands[index].words;
    *arguments = commands[index].arguments;
    *doc = commands[index].doc;
    return true;
}

void monitor_command(struct monitor *monitor, const char *line)
{
    char trimmed[1024];
    monitor->failed = false;
    snprintf(trimmed, sizeof(trimmed), "%s", skip_blanks(line));
    for (size_t n = strlen(trimmed); n > 0 && isspace((unsigned char)trimmed[n - 1]); n--) {
        trimmed[n - 1] = '\0';
    }
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        const char *arguments = match(trimmed, commands[i].words);
        if (arguments != NULL) {
            commands[i].run(monitor, arguments);
            return;
        }
    }
    monitor->failed = true;
    if (trimmed[0] == '\0') {
        fprintf(monitor->to, "a command is missing; help lists them\n");
    } else if (list_commands(monitor, trimmed) == 0) {
        fprintf(monitor->to, "there is no command '%s'; help lists them\n", trimmed);
    }
}

/* See trace_run.h. */
#include "ui/trace/trace_run.h"

#include "ui/run/run_symbols.h"
#include "ui/trace/cover.h"
#include "ui/trace/trace_empty.h"
#include "ui/trace/trace_kinds.h"
#include "ui/trace/trace_store.h"
#include "ui/trace/trace_text.h"
#include "ui/trace/trace_trigger.h"
#include "ui/ui.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct trace_run {
    metic_machine *machine;
    struct metic_trace_options options;
    u64 from_insns, to_insns; /* a window; to 0: none */
    bool recording;
    struct trace_store *store;
    struct trace_decoder decoder; /* texts, coverage */
    struct cover *cover;
    const char *cover_path;
    struct trace_text text;
    struct symbols symbols;
    size_t symbols_put; /* into the store */
    bool late_kernel;   /* its own symbols are asked for at the end alone */
    char task[16]; /* Linux keeps fifteen letters of a name */
    const char *path;
    bool said_failed, tells; /* the consumer's thread */
    bool ready, window_began, recorded;
    struct metic_trace_seen seen;
    const struct run_args *args;
};

/* --- filters --- */

/* An address, a symbol or a place in one; *end behind it, or of an address itself. */
static bool find_place(struct trace_run *run, const char *text, u64 *first, u64 *end,
                       struct metic_error *error)
{
    char *rest;
    *first = strtoull(text, &rest, 0);
    *end = *first;
    if (rest != text && *rest == '\0') {
        return true;
    }
    if (symbols_find_place(&run->symbols, text, first, end)) {
        return true;
    }
    char next[160];
    symbols_say_nearest(&run->symbols, text, "Give an address, or with --symbols FILE an ELF that "
                        "has the symbol.", next, sizeof(next));
    return error_set(error, next, "there is no symbol '%s'", text);
}

static bool filter_range(struct trace_run *run, const char *value, struct metic_error *error)
{
    if (run->options.range_count == ARRAY_LEN(run->options.ranges)) {
        return error_set(error, NULL, "--trace-filter: too many ranges");
    }
    char first[128];
    const char *dash = strchr(value, '-');
    u64 start, end, ignored;
    snprintf(first, sizeof(first), "%.*s", dash != NULL ? (int)(dash - value) : 127, value);
    if (!find_place(run, first, &start, &end, error) ||
        (dash != NULL && !find_place(run, dash + 1, &end, &ignored, error))) {
        return false;
    }
    if (end <= start) {
        return error_set(error, "As in --trace-filter range=0x1000-0x2000.",
                         "--trace-filter: range=%s holds nothing", value);
    }
    run->options.ranges[run->options.range_count++] = (struct metic_trace_range){start, end};
    return true;
}

static bool filter_privileges(struct trace_run *run, const char *value, struct metic_error *error)
{
    return trace_who_parse_privileges(value, &run->options.privileges) ||
           error_set(error, "As in --trace-filter priv=US.",
                     "--trace-filter: priv=%s has other letters than U, S and M", value);
}

static bool filter_window(struct trace_run *run, const char *value, struct metic_error *error)
{
    char first[32];
    const char *dash = strchr(value, '-');
    u64 from, to = ~(u64)0;
    snprintf(first, sizeof(first), "%.*s", dash != NULL ? (int)(dash - value) : 31, value);
    if (args_parse_count(first, &from) && (dash == NULL || args_parse_count(dash + 1, &to)) &&
        from < to) {
        run->from_insns = from;
        run->to_insns = to;
        return true;
    }
    return error_set(error, "As in --trace-filter insns=100M-120M.",
                     "--trace-filter: insns=%s is no window", value);
}

static bool filter_number(const char *key, const char *value, u64 first, u64 last, u64 *number,
                          struct metic_error *error)
{
    char *rest, next[64] = "As in --trace-filter every=100.";
    if (last < METIC_MAX_HARTS) {
        snprintf(next, sizeof(next), "The last hart is %" PRIu64 "; --cpus N gives it N of them.",
                 last);
    }
    *number = strtoull(value, &rest, 0);
    return (rest != value && *rest == '\0' && *number >= first && *number <= last) ||
           error_set(error, next, "--trace-filter: %s=%s is no such number", key, value);
}

static bool filter_satp(const char *value, u64 *satp, struct metic_error *error)
{
    return trace_who_parse_satp(value, satp) ||
           error_set(error, "As in --trace-filter satp=0x80000000000814f2, mode and ASID included.",
                     "--trace-filter: satp=%s is no address space", value);
}

static bool add_filter(struct trace_run *run, const char *filter, struct metic_error *error)
{
    struct metic_trace_options *options = &run->options;
    const char *equals = strchr(filter, '=');
    char key[16] = "";
    u64 number, end;
    if (equals != NULL && equals - filter < 15) {
        memcpy(key, filter, (size_t)(equals - filter));
    }
    const char *value = equals != NULL ? equals + 1 : "";
    if (strcmp(key, "range") == 0 || strcmp(key, "symbol") == 0) {
        return filter_range(run, value, error);
    }
    if (strcmp(key, "function") == 0) {
        if (options->function_count == ARRAY_LEN(options->functions)) {
            return error_set(error, NULL, "--trace-filter: more than %zu functions",
                             ARRAY_LEN(options->functions));
        }
        bool found = find_place(run, value, &number, &end, error);
        options->functions[options->function_count] = number;
        options->function_count += found;
        return found;
    }
    if (strcmp(key, "task") == 0 && value[0] != '\0') {
        snprintf(run->task, sizeof(run->task), "%s", value);
        options->task = run->task;
        return true;
    }
    if (strcmp(key, "satp") == 0) {
        return filter_satp(value, &options->satp, error);
    }
    if (strcmp(key, "hart") == 0) {
        const unsigned last = metic_hart_count(run->machine) - 1;
        bool found = filter_number(key, value, 0, last, &number, error);
        options->harts |= found ? (u64)1 << number : 0;
        return found;
    }
    if (strcmp(key, "priv") == 0 && value[0] != '\0') {
        return filter_privileges(run, value, error);
    }
    if (strcmp(key, "start") == 0 && strcmp(value, "@monitor") == 0) {
        options->switches = true;
        return true;
    }
    if (value[0] == '@' && (strcmp(key, "start") == 0 || strcmp(key, "stop") == 0)) {
        return trace_trigger_parse(value + 1, key[2] == 'a' ? &options->start_on
                                                            : &options->stop_on, error);
    }
    if (strcmp(key, "start") == 0) {
        return find_place(run, value, &options->start_at, &end, error);
    }
    if (strcmp(key, "stop") == 0) {
        return find_place(run, value, &options->stop_at, &end, error);
    }
    if (strcmp(key, "insns") == 0) {
        return filter_window(run, value, error);
    }
    if (strcmp(key, "every") == 0) {
        return filter_number(key, value, 1, ~(u64)0, &run->text.every, error);
    }
    return error_set(error, "As in range=A-B, symbol=NAME, function=NAME, task=NAME, satp=N, "
                     "priv=US, hart=N, start=PLACE, stop=PLACE, insns=A-B, every=N.",
                     "--trace-filter: '%s' is none of the filters", filter);
}

/* Whether both choose the same that can be but one: the first would not count. */
static bool filters_clash(const char *x, const char *y)
{
    static const char *const single[] = {"task=", "satp=", "start=", "stop=", "insns=", "every="};
    for (unsigned n = 0; n < ARRAY_LEN(single); n++) {
        size_t length = strlen(single[n]);
        if (strncmp(x, single[n], length) == 0 && strncmp(y, single[n], length) == 0) {
            return (x[length] == '@') == (y[length] == '@'); /* a place and an event may be */
        }
    }
    return false;
}

static bool add_filters(struct trace_run *run, const struct run_trace *trace,
                        struct metic_error *error)
{
    for (unsigned i = 0; i < trace->filter_count; i++) {
        for (unsigned n = 0; n < i; n++) {
            if (filters_clash(trace->filters[n], trace->filters[i])) {
                return error_set(error, "Leave one of them out.",
                                 "--trace-filter: not both %s and %s", trace->filters[n],
                                 trace->filters[i]);
            }
        }
        if (!add_filter(run, trace->filters[i], error)) {
            return false;
        }
    }
    return true;
}

/* --- what is recorded --- */

static bool add_calls(struct trace_run *run, const char *list, struct metic_error *error)
{
    while (list != NULL && *list != '\0') {
        char name[128];
        size_t length = strcspn(list, ",");
        u64 end;
        snprintf(name, sizeof(name), "%.*s", (int)length, list);
        if (run->options.call_count == ARRAY_LEN(run->options.calls)) {
            return error_set(error, NULL, "--trace-calls: more than %zu functions",
                             ARRAY_LEN(run->options.calls));
        }
        if (!find_place(run, name, &run->options.calls[run->options.call_count++], &end, error)) {
            return false;
        }
        list += length + (list[length] == ',');
    }
    if (run->options.call_count != 0) {
        run->options.events |= (u64)1 << METIC_EVENT_CALL | (u64)1 << METIC_EVENT_CALL_END;
    }
    return true;
}

/* --- consuming --- */

static bool get_unit(void *opaque, u32 number, struct metic_trace_unit *unit)
{
    struct trace_run *run = opaque;
    return metic_trace_get_unit(run->machine, number, unit);
}

static bool get_path(void *opaque, u32 number, struct metic_trace_path *path)
{
    struct trace_run *run = opaque;
    return metic_trace_get_path(run->machine, number, path);
}

/* At once: a guest may run for hours. The run's end says so again, by its status. */
static void say_failed(struct trace_run *run, int reason)
{
    run->said_failed = true;
    fprintf(stderr, "metic: the trace %s: %s; nothing more is recorded, the guest goes on\n",
            run->path, reason != 0 ? strerror(reason) : "it cannot be written");
}

static void consume(void *opaque, const struct metic_trace_chunk *chunk)
{
    struct trace_run *run = opaque;
    if (run->cover != NULL || run->said_failed) {
        return; /* coverage's numbers are counted elsewhere */
    }
    run->tells = run->tells || trace_empty_tells(&run->options, chunk);
    if (run->store != NULL) {
        trace_store_chunk(run->store, chunk);
        if (trace_store_failed(run->store) != 0) {
            say_failed(run, trace_store_failed(run->store));
        }
        return;
    }
    errno = 0;
    trace_decode(&run->decoder, chunk);
    if (ferror(run->text.to)) {
        say_failed(run, errno);
    }
}

/* Whether instructions are left out between those that are recorded. */
static bool has_gaps(const struct run_args *args)
{
    for (unsigned i = 0; i < args->trace.filter_count; i++) {
        const char *filter = args->trace.filters[i];
        if (strncmp(filter, "insns=", 6) != 0 && strncmp(filter, "hart=", 5) != 0) {
            return true;
        }
    }
    return false;
}

static void put_meta(struct trace_run *run, const struct run_args *args)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (to == NULL) {
        return;
    }
    fprintf(to, "image=%s\nharts=%u\nclock=%s\nwhat=%u\nevents=%" PRIx64 "\ngaps=%u\n"
            "branches=%u\nturns=%u\n",
            args->thing != NULL ? args->thing : "demo", args->options.harts,
            args->options.clock == METIC_CLOCK_VIRTUAL ? "virtual" : "real", run->options.what,
            run->options.events, args->trace.last_bytes != 0 || has_gaps(args),
            run->text.branches,
            args->options.clock == METIC_CLOCK_VIRTUAL && args->options.harts > 1);
    for (unsigned i = 0; i < args->trace.filter_count; i++) {
        fprintf(to, "filter=%s\n", args->trace.filters[i]);
    }
    struct metic_region region;
    for (unsigned i = 0; metic_get_region(run->machine, i, &region); i++) {
        fprintf(to, "region=%" PRIx64 " %" PRIx64 " %s %s\n", region.address, region.size_bytes,
                region.kind, region.name);
    }
    fclose(to);
    trace_store_text(run->store, TRACE_META, text, bytes);
    free(text);
}

struct names {
    struct trace_run *run;
    struct symbols_text text;
};

static void put_kernel_symbol(void *opaque, uint64_t address, char type, const char *name)
{
    struct names *names = opaque;
    (void)type;
    symbols_text_add(&names->text, address, 0, name);
}

static bool is_in_store(void *opaque, uint64_t first, uint64_t end)
{
    const struct names *names = opaque;
    return trace_store_has(names->run->store, first, end);
}

/* Of a ring of blocks alone, which has no other addresses than those of code in it, the names of
 * that: packing all 95,000 of a distribution's kernel takes longer than all the rest of the end. */
static bool has_code_alone(const struct trace_run *run)
{
    return run->options.what == METIC_TRACE_BLOCKS && run->options.events == 0;
}

/* At the start, for a file that is cut off, and again when there are more of them. */
static void put_symbols(struct trace_run *run, bool with_kernel)
{
    struct names names = {.run = run};
    if (run->symbols.count != run->symbols_put || with_kernel) {
        symbols_text_add_all(&names.text, &run->symbols);
    }
    if (with_kernel) {
        metic_kernel_symbols_in(run->machine, has_code_alone(run) ? is_in_store : NULL,
                                put_kernel_symbol, &names);
    }
    if (names.text.bytes != 0) {
        trace_store_text(run->store, TRACE_SYMBOLS, names.text.text, names.text.bytes);
        run->symbols_put = run->symbols.count;
    }
    symbols_text_fini(&names.text);
}

/* Of the kernel's own symbols those in which something ran. */
static void add_covered(void *opaque, uint64_t address, char type, const char *name)
{
    struct trace_run *run = opaque;
    (void)type;
    symbols_add(&run->symbols, address, 0, name);
}

static bool is_covered(void *opaque, uint64_t first, uint64_t end)
{
    const struct trace_run *run = opaque;
    return cover_has(run->cover, first, end);
}

static bool open_output(struct trace_run *run, const struct run_args *args,
                        struct metic_error *error)
{
    const struct run_trace *trace = &args->trace;
    const char *path = trace->path != NULL ? trace->path : "-";
    run->path = path;
    if (strcmp(trace->format, "store") == 0) {
        const struct trace_source source = {get_unit, get_path, run};
        run->store = trace_store_new(path, args->options.harts, &source, error);
        run->options.keeps_paths = true;
        if (run->store == NULL) {
            return false;
        }
        put_meta(run, args);
        put_symbols(run, false);
        return true;
    }
    if (strcmp(trace->format, "cover") == 0) {
        run->cover = cover_new(error);
        run->cover_path = path;
        run->options.what = METIC_TRACE_EDGES;
        run->options.events = 0;
        return run->cover != NULL;
    }
    const struct trace_callbacks callbacks = {
        .step = trace_text_step, .event = trace_text_event, .opaque = &run->text,
    };
    trace_text_format_find(trace->format, &run->text.format);
    run->text.symbols = &run->symbols;
    run->text.to = strcmp(path, "-") == 0 ? stderr : fopen(path, "we");
    if (run->text.to == NULL) {
        return error_set(error, "give a file or pipe that can be written", "the trace %s: %s", path,
                         strerror(errno));
    }
    trace_decoder_init(&run->decoder, &callbacks, get_unit, run);
    return true;
}

/* --- doors --- */

/* Whether nobody asks for a name of the kernel's before the end: what is written before is not
 * looked at, and no option names one. */
static bool wants_late_kernel(const struct run_trace *trace)
{
    bool late = strcmp(trace->format, "cover") == 0 ||
                (strcmp(trace->format, "store") == 0 && trace->last_bytes != 0);
    for (unsigned i = 0; i < trace->filter_count && late; i++) {
        late = strncmp(trace->filters[i], "insns=", 6) == 0 ||
               strncmp(trace->filters[i], "hart=", 5) == 0 ||
               strncmp(trace->filters[i], "priv=", 5) == 0;
    }
    return late && trace->calls == NULL;
}

/* A ring is many mappings of the process, of which a host allows so many. */
static bool check_rings(const struct trace_run *run, const struct run_args *args,
                        struct metic_error *error)
{
    unsigned harts = metic_hart_count(run->machine);
    const u64 most = ((u64)4 << 30) / (harts + 1); /* the devices have one, too */
    char next[96];
    snprintf(next, sizeof(next), "Give %" PRIu64 "M or less, or record all of it, without "
             "--trace-last.", most >> 20);
    return args->trace.last_bytes <= most ||
           error_set(error, next, "--trace-last: the rings of %u harts and the devices would be "
                     "more than 4G", harts);
}

/* What the command line says is to be recorded; what is wrong with it is wrong usage. */
static bool read_wishes(struct trace_run *run, const struct run_trace *trace,
                        struct metic_error *error)
{
    const char *events = trace->events != NULL ? trace->events
                         : trace->calls != NULL ? "tasks"
                                                : "memory,registers,traps,devices,io";
    if (!trace_kinds_add(events, &run->options.what, &run->options.events, error) ||
        !add_calls(run, trace->calls, error) || !add_filters(run, trace, error)) {
        return false;
    }
    run->text.branches = strcmp(events, "branches") == 0;
    if (run->text.branches && strcmp(trace->format, "qemu") == 0) {
        return error_set(error, "--trace-format text, json or chrome",
                         "QEMU's form has no branches");
    }
    return true;
}

static bool prepare(struct trace_run *run, const struct run_args *args, bool *usage,
                    struct metic_error *error)
{
    const struct run_trace *trace = &args->trace;
    run->late_kernel = wants_late_kernel(trace);
    *usage = !check_rings(run, args, error);
    if (*usage || !run_symbols_add_files(&run->symbols, args, error)) {
        return false;
    }
    if (!run->late_kernel) {
        run_symbols_add_kernel(&run->symbols, run->machine);
    }
    *usage = !read_wishes(run, trace, error);
    if (*usage) {
        return false;
    }
    run->text.has_registers = run->options.what & METIC_TRACE_REGISTERS;
    run->text.counts_ns = args->options.clock == METIC_CLOCK_VIRTUAL;
    if (strcmp(trace->format, "store") == 0) {
        run->options.every = run->text.every;
    }
    run->options.keep_last = trace->last_bytes != 0;
    run->options.ring_bytes = trace->last_bytes;
    run->options.consume = consume;
    run->options.opaque = run;
    return open_output(run, args, error);
}

bool trace_run_start(const struct run_args *args, metic_machine *machine, struct trace_run **out,
                     bool *usage, struct metic_error *error)
{
    *out = NULL;
    if (args->trace.format == NULL) {
        return true;
    }
    struct trace_run *run = calloc(1, sizeof(*run));
    if (run == NULL) {
        return error_set(error, NULL, "the host has no memory for the trace");
    }
    run->machine = machine;
    run->args = args;
    *out = run;
    if (!prepare(run, args, usage, error)) {
        return false;
    }
    run->ready = true;
    if (run->to_insns == 0) {
        run->recording = metic_trace_start(machine, &run->options, error);
        return run->recording;
    }
    return true;
}

static void stop(struct trace_run *run)
{
    if (run->recording) {
        run->recorded = true;
        metic_trace_seen(run->machine, &run->seen);
    }
    run->recording = false;
    metic_trace_stop(run->machine);
}

void trace_run_machine(struct trace_run *run, const struct run_args *args, metic_machine *machine,
                       struct metic_result *result)
{
    (void)args;
    struct metic_error error;
    if (run == NULL || run->to_insns == 0) {
        metic_run(machine, result);
        return;
    }
    if (run->from_insns != 0) {
        metic_run_for(machine, run->from_insns, result);
        if (result->reason != METIC_TURN_OVER) {
            return;
        }
    }
    run->recording = metic_trace_start(machine, &run->options, &error);
    run->window_began = true;
    if (!run->recording) {
        ui_print_error(&error);
    }
    metic_run_for(machine, run->to_insns - run->from_insns, result);
    if (run->cover != NULL) {
        cover_take(run->cover, machine, &error);
    }
    stop(run);
    if (result->reason == METIC_TURN_OVER) {
        metic_run(machine, result);
    }
}

/* Says why there is nothing where filters were given. */
static void look_whether_empty(struct trace_run *run)
{
    const struct run_trace *trace = &run->args->trace;
    bool blocks = run->cover != NULL && !cover_is_empty(run->cover);
    bool asked = trace->filter_count != 0 || trace->calls != NULL;
    bool began = run->to_insns == 0 || run->window_began;
    bool nothing = run->ready && !run->tells && !blocks && !run->said_failed;
    if (asked && nothing && (run->recorded || !began)) {
        trace_empty_say(run->args, &run->options, run->machine, &run->seen, began);
    }
}

bool trace_run_end(struct trace_run *run, struct metic_error *error)
{
    if (run == NULL) {
        return true;
    }
    bool good = run->cover == NULL || !run->recording ||
                cover_take(run->cover, run->machine, error);
    stop(run);
    good = good && (run->cover == NULL || cover_settle(run->cover, error));
    if (run->cover != NULL && run->late_kernel) {
        metic_kernel_symbols_in(run->machine, is_covered, add_covered, run);
    } else if ((run->store != NULL || run->cover != NULL) && !run->late_kernel) {
        run_symbols_complete(&run->symbols, run->machine);
    }
    look_whether_empty(run);
    if (run->store != NULL) {
        put_symbols(run, run->late_kernel);
        good = trace_store_end(run->store, error);
    } else if (run->cover != NULL) {
        good = good && cover_write(run->cover, &run->symbols, run->cover_path, error);
        cover_free(run->cover);
    } else if (run->text.to != NULL) {
        if (!run->said_failed) { /* what it has not finished is gone with the machine's units */
            trace_decode_end(&run->decoder);
        }
        trace_text_end(&run->text);
        trace_decoder_fini(&run->decoder);
        errno = 0;
        bool lost = fflush(run->text.to) != 0 || ferror(run->text.to);
        int reason = errno;
        if (run->text.to != stderr) {
            fclose(run->text.to);
        }
        if (lost) {
            good = error_set(error, "make room, or give another file", "the trace: %s",
                             reason != 0 ? strerror(reason) : "it could not all be written");
        }
    }
    symbols_fini(&run->symbols);
    free(run);
    return good;
}

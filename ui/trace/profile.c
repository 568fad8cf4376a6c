/* See profile.h. */
#include "ui/trace/profile.h"

#include "ui/run/run_symbols.h"
#include "ui/symbols/demangle.h"

#include "cpu/base/bits.h"
#include "ui/ui.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PRIVILEGE_USER = 0, DEFAULT_INSNS = 100000, DEFAULT_NS = 1000000, MAX_INTERNED = 4096 };

/* --- the tree --- */

static const char *intern(struct profile *profile, const char *name)
{
    for (unsigned i = 0; i < profile->interned_count; i++) {
        if (strcmp(profile->interned[i], name) == 0) {
            return profile->interned[i];
        }
    }
    if (profile->interned == NULL) {
        profile->interned = calloc(MAX_INTERNED, sizeof(*profile->interned));
    }
    char *copy = profile->interned != NULL && profile->interned_count < MAX_INTERNED ? strdup(name)
                                                                                   : NULL;
    if (copy == NULL) {
        return "?";
    }
    profile->interned[profile->interned_count++] = copy;
    return copy;
}

/* Programs in an address space of their own are looked for there. */
static const struct symbol *symbol_of(struct profile *profile, const struct metic_sample *sample,
                                      u64 address)
{
    bool user = sample->privilege == PRIVILEGE_USER;
    const struct symbol *found = NULL;
    u64 above;
    if (user && profile->files != NULL) {
        found = guest_files_symbol(profile->files, sample->hart, true, address, &above);
    }
    return found != NULL || (user && sample->task[0] != '\0')
               ? found
               : symbols_find(&profile->symbols, address);
}

/* A kernel that firmware loaded has its table when it runs: it is looked for a few times. */
static void find_kernel(struct profile *profile)
{
    profile->unnamed++;
    if (profile->unnamed >= 16 && (profile->unnamed & (profile->unnamed - 1)) == 0) {
        run_symbols_complete(&profile->symbols, profile->machine);
    }
}

/* A function without a name, by its page; of a program that is known, in its file. */
static const char *page_of(struct profile *profile, const struct metic_sample *sample, u64 address)
{
    char text[96];
    u64 there = address;
    const char *file = NULL;
    if (sample->privilege == PRIVILEGE_USER && profile->files != NULL) {
        file = guest_files_name(profile->files, sample->hart, address, &there);
    }
    snprintf(text, sizeof(text), "%.64s%s0x%" PRIx64, file != NULL ? file : "",
             file != NULL ? "+" : "", there & ~(u64)0xfff);
    return intern(profile, text);
}

/* The name of the function at an address: a symbol's, or the page. */
static const char *name_of(struct profile *profile, const struct metic_sample *sample, u64 address)
{
    const struct symbol *symbol = symbol_of(profile, sample, address);
    if (symbol == NULL && sample->privilege != PRIVILEGE_USER && address >> 63 != 0) {
        find_kernel(profile);
        symbol = symbol_of(profile, sample, address);
    }
    return symbol != NULL ? demangle(profile->demangler, symbol->name)
                          : page_of(profile, sample, address);
}

static struct profile_node *child_of(struct profile_node *node, const char *name)
{
    struct profile_node **at = &node->child;
    while (*at != NULL && (*at)->name != name) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        *at = calloc(1, sizeof(**at));
        if (*at == NULL) {
            return node;
        }
        (*at)->name = name;
    }
    return *at;
}

static void free_children(struct profile_node *node)
{
    while (node->child != NULL) {
        struct profile_node *child = node->child;
        node->child = child->next;
        free_children(child);
        free(child);
    }
}

/* Return addresses point behind the call, which may be the function's last instruction. */
static bool is_leaf(struct profile *profile, const struct metic_sample *sample)
{
    if (sample->user_from < 2 || sample->stack[1] == 0) {
        return false;
    }
    const struct symbol *here = symbol_of(profile, sample, sample->stack[0]);
    const struct symbol *caller = symbol_of(profile, sample, sample->stack[1] - 2);
    bool saved = sample->user_from > 2 && sample->stack[2] == sample->stack[1];
    return caller != NULL && caller != here && !saved;
}

/* Those that called first are not known of a stack that has no room for them. */
static struct profile_node *below_limit(struct profile_node *node,
                                        const struct metic_sample *sample)
{
    if (sample->depth == METIC_SAMPLE_DEPTH) {
        node = child_of(node, "(deeper)");
        node->total++;
    }
    return node;
}

/* `exact`: each word behind the first is a call, that of the return address register too. */
static void count_stack(struct profile *profile, const struct metic_sample *sample, bool exact)
{
    static const char *const states[] = {"user", "kernel", "?", "firmware"};
    char task[20];
    snprintf(task, sizeof(task), "%.16s", sample->task);
    struct profile_node *node = &profile->root;
    node->total++;
    if (task[0] != '\0') {
        node = child_of(node, intern(profile, task));
        node->total++;
    }
    if (sample->user_from < sample->depth) { /* the program, and on top of it the kernel */
        struct metic_sample program = *sample;
        program.privilege = PRIVILEGE_USER;
        node = child_of(node, states[PRIVILEGE_USER]);
        node->total++;
        node = below_limit(node, sample);
        for (unsigned i = sample->depth; i-- > sample->user_from;) {
            node = child_of(node, name_of(profile, &program, sample->stack[i] - 2));
            node->total++;
        }
    }
    node = child_of(node, states[sample->privilege & 3]);
    node->total++;
    node = sample->user_from == sample->depth ? below_limit(node, sample) : node;
    for (unsigned i = sample->user_from; i-- > 2;) {
        node = child_of(node, name_of(profile, sample, sample->stack[i] - 2));
        node->total++;
    }
    if (exact ? sample->user_from > 1 : is_leaf(profile, sample)) {
        node = child_of(node, name_of(profile, sample, sample->stack[1] - 2));
        node->total++;
    }
    const char *top = name_of(profile, sample, sample->stack[0]);
    profile->nameless += strncmp(top, "0x", 2) == 0;
    node = child_of(node, top);
    node->total++;
    node->self++;
}

static void count_mnemonic(struct profile *profile, const struct metic_sample *sample)
{
    char text[128];
    u8 code[4];
    memcpy(code, sample->code, sizeof(code));
    if (ld_le32(code) == 0) {
        return;
    }
    metic_disassemble(sample->stack[0], code, sizeof(code), text, sizeof(text));
    text[strcspn(text, " \t")] = '\0';
    unsigned n = 0;
    while (n < profile->mnemonic_count && strcmp(profile->mnemonics[n].text, text) != 0) {
        n++;
    }
    if (n == ARRAY_LEN(profile->mnemonics)) {
        return;
    }
    profile->mnemonic_count += n == profile->mnemonic_count;
    snprintf(profile->mnemonics[n].text, sizeof(profile->mnemonics[n].text), "%.23s", text);
    profile->mnemonics[n].count++;
}

static void add_point(struct profile_point **points, size_t *count, size_t *capacity, u64 ns,
                      unsigned hart, unsigned state)
{
    if (*count == *capacity) {
        size_t bigger = *capacity * 2 + 4096;
        void *list = realloc(*points, bigger * sizeof(**points));
        if (list == NULL) {
            return;
        }
        *points = list;
        *capacity = bigger;
    }
    (*points)[(*count)++] = (struct profile_point){ns, (u8)hart, (u8)state};
}

/* The program's half of a kernel's sample: by its call frame information, else as it was walked. */
static void add_program(struct profile *profile, const struct metic_sample *sample,
                        struct metic_sample *better)
{
    unsigned room = METIC_SAMPLE_DEPTH - better->depth;
    if (sample->user_from >= sample->depth) {
        return;
    }
    unsigned found = profile->files != NULL
                         ? guest_files_unwind_from(profile->files, sample->hart, sample->user_regs,
                                                   better->stack + better->depth, room)
                         : 0;
    better->depth += found;
    for (unsigned i = sample->user_from;
         found == 0 && i < sample->depth && better->depth < METIC_SAMPLE_DEPTH; i++) {
        better->stack[better->depth++] = sample->stack[i];
    }
}

static void count_hot(struct profile *profile, const struct metic_sample *sample)
{
    struct metic_running running;
    if (!profile->shows_code) {
        return;
    }
    if (!metic_show_running(profile->machine, sample->hart, "", NULL, &running)) {
        profile->hots.elsewhere++;
        return;
    }
    char task[20] = "";
    if (sample->privilege == PRIVILEGE_USER) {
        snprintf(task, sizeof(task), "%.16s", sample->task);
    }
    struct profile_hot *hot = profile_hot_count(&profile->hots, profile->machine, sample, &running,
                                                intern(profile, task));
    if (hot != NULL && hot->name == NULL) {
        hot->name = name_of(profile, sample, running.head);
    }
}

static void on_sample(void *opaque, const struct metic_sample *sample)
{
    static const u8 states[] = {PROFILE_USER, PROFILE_KERNEL, PROFILE_KERNEL, PROFILE_MACHINE};
    struct profile *profile = opaque;
    add_point(&profile->points, &profile->point_count, &profile->point_capacity, sample->ns,
              sample->hart,
              sample->waits ? (unsigned)PROFILE_WAITS : states[sample->privilege & 3]);
    if (sample->waits) {
        profile->waits++;
        return;
    }
    profile->samples++;
    struct metic_sample better = *sample;
    unsigned depth = profile->files != NULL
                         ? guest_files_unwind(profile->files, sample->hart,
                                              sample->privilege == PRIVILEGE_USER, better.stack,
                                              METIC_SAMPLE_DEPTH)
                         : 0;
    bool exact = depth != 0;
    if (!exact) {
        depth = sample->user_from;
        memcpy(better.stack, sample->stack, sizeof(better.stack));
    }
    better.depth = better.user_from = depth;
    add_program(profile, sample, &better);
    count_stack(profile, &better, exact);
    count_mnemonic(profile, sample);
    count_hot(profile, sample);
}

/* Traps for the timeline, from a recording of nothing else. */
static void on_chunk(void *opaque, const struct metic_trace_chunk *chunk)
{
    struct profile *profile = opaque;
    for (size_t i = 0; i < chunk->count;) {
        u32 head = (u32)chunk->words[i] & METIC_TRACE_NUMBER;
        if (head < METIC_TRACE_EVENT) {
            return;
        }
        unsigned count = head & 0xff;
        if ((head >> 8 & 0xff) == METIC_EVENT_TRAP && count >= 5) {
            add_point(&profile->traps, &profile->trap_count, &profile->trap_capacity,
                      chunk->words[i + 2], chunk->stream, (unsigned)(chunk->words[i + 3] >> 63));
        }
        i += 1 + count;
    }
}

/* --- outputs --- */

static void fold(FILE *to, const struct profile_node *node, char *path, size_t used, size_t room)
{
    for (const struct profile_node *child = node->child; child != NULL; child = child->next) {
        int length = snprintf(path + used, room - used, "%s%s", used != 0 ? ";" : "", child->name);
        size_t next = used + (length > 0 ? (size_t)length : 0);
        if (next >= room) {
            continue;
        }
        if (child->self != 0) {
            fprintf(to, "%.*s %" PRIu64 "\n", (int)next, path, child->self);
        }
        fold(to, child, path, next, room);
    }
    path[used] = '\0';
}

static void write_folded(struct profile *profile, FILE *to)
{
    enum { PATH_BYTES = 1 << 16 };
    char *path = calloc(1, PATH_BYTES);
    if (path != NULL) {
        fold(to, &profile->root, path, 0, PATH_BYTES);
    }
    free(path);
}

/* Perfetto and Chrome: what each hart was in, as slices between samples, and traps as instants. */
static void write_perfetto(struct profile *profile, FILE *to)
{
    static const char *const names[] = {"user", "kernel", "firmware", "waits"};
    fputs("[\n{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\","
          "\"args\":{\"name\":\"guest\"}}", to);
    for (unsigned hart = 0; hart < profile->harts; hart++) {
        u64 start = 0, last = 0;
        int state = -1;
        fprintf(to, ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\","
                    "\"args\":{\"name\":\"hart %u\"}}", hart, hart);
        for (size_t i = 0; i <= profile->point_count; i++) {
            const struct profile_point *point = &profile->points[i];
            bool end = i == profile->point_count;
            if (!end && point->hart != hart) {
                continue;
            }
            if (state >= 0 && (end || point->state != state)) {
                u64 until = end ? last : point->ns;
                fprintf(to, ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f,"
                            "\"name\":\"%s\"}", hart, (double)start / 1000,
                        (double)(until - start) / 1000, names[state]);
            }
            if (!end) {
                start = point->state != state ? point->ns : start;
                state = point->state;
                last = point->ns;
            }
        }
    }
    for (size_t i = 0; i < profile->trap_count; i++) {
        const struct profile_point *trap = &profile->traps[i];
        fprintf(to, ",\n{\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,"
                    "\"name\":\"%s\"}",
                trap->hart, (double)trap->ns / 1000, trap->state ? "interrupt" : "exception");
    }
    fputs("\n]\n", to);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* --- doors --- */

static void free_profile(struct profile *profile)
{
    free_children(&profile->root);
    for (unsigned i = 0; i < profile->interned_count; i++) {
        free(profile->interned[i]);
    }
    free(profile->interned);
    free(profile->points);
    free(profile->traps);
    profile_hots_fini(&profile->hots);
    symbols_fini(&profile->symbols);
    demangler_free(profile->demangler);
    guest_files_free(profile->files);
    free(profile);
}

static bool begin(struct profile *profile, const struct run_args *args, struct metic_error *error)
{
    bool by_count = args->profile_insns != 0 || (args->profile_ns == 0 &&
                                                 args->options.clock == METIC_CLOCK_VIRTUAL);
    struct metic_profile_options options = {.sample = on_sample, .opaque = profile};
    struct metic_error ignored;
    if (args->profile_ns != 0 && args->options.clock == METIC_CLOCK_VIRTUAL) {
        return error_set(error, "Give a number of instructions, as --profile-every 100k.",
                         "with the virtual clock samples cannot follow the host's time");
    }
    if (by_count) {
        options.every_insns = args->profile_insns != 0 ? args->profile_insns : DEFAULT_INSNS;
        snprintf(profile->what, sizeof(profile->what), "a sample every %" PRIu64 " instructions",
                 options.every_insns);
    } else {
        options.every_ns = args->profile_ns != 0 ? args->profile_ns : DEFAULT_NS;
        snprintf(profile->what, sizeof(profile->what), "a sample every %" PRIu64 " us",
                 options.every_ns / 1000);
    }
    if (!metic_profile_start(profile->machine, &options, error)) {
        return false;
    }
    if (!ends_with(profile->path, ".folded") && !ends_with(profile->path, ".json")) {
        metic_prepare_show(profile->machine);
        profile->shows_code = true;
    }
    const struct metic_trace_options traps = {
        .events = (u64)1 << METIC_EVENT_TRAP, .consume = on_chunk, .opaque = profile,
    };
    profile->traces = args->trace.format == NULL && args->plugin_count == 0 &&
                      metic_trace_start(profile->machine, &traps, &ignored);
    return true;
}

bool profile_start(const struct run_args *args, metic_machine *machine, struct profile **out,
                   struct metic_error *error)
{
    *out = NULL;
    if (args->profile == NULL) {
        return true;
    }
    if (strrchr(args->profile, '.') != NULL && strchr(strrchr(args->profile, '.'), '/') == NULL &&
        !ends_with(args->profile, ".folded") && !ends_with(args->profile, ".json") &&
        !ends_with(args->profile, ".html") && !ends_with(args->profile, ".htm")) {
        return error_set(error, ".html (a page), .folded (stacks for flame graph tools) or .json",
                         "--profile %s: there is no such form of profiles", args->profile);
    }
    struct profile *profile = calloc(1, sizeof(*profile));
    if (profile == NULL) {
        return error_set(error, NULL, "the host has no memory for the profile");
    }
    *out = profile;
    profile->machine = machine;
    profile->path = args->profile;
    profile->harts = args->options.harts;
    profile->root.name = "all";
    if (!run_symbols_add(&profile->symbols, args, machine, error)) {
        return false;
    }
    profile->files = run_symbols_files(args, machine);
    profile->demangler = demangler_new();
    return begin(profile, args, error);
}

bool profile_end(struct profile *profile, struct metic_error *error)
{
    if (profile == NULL) {
        return true;
    }
    metic_profile_stop(profile->machine);
    if (profile->traces) {
        metic_trace_stop(profile->machine);
    }
    FILE *to = fopen(profile->path, "we");
    bool good = to != NULL;
    if (good) {
        if (ends_with(profile->path, ".folded")) {
            write_folded(profile, to);
        } else if (ends_with(profile->path, ".json")) {
            write_perfetto(profile, to);
        } else {
            profile_write_page(profile, to);
        }
        good = !ferror(to);
        good = fclose(to) == 0 && good;
    }
    if (!good) {
        error_set(error, "give a file that can be written", "the profile %s: %s", profile->path,
                  strerror(errno));
    }
    free_profile(profile);
    return good;
}

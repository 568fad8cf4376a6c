/* metic trace: looks into trace stores. Queries are in trace_query.c. */
#include "ui/command/args.h"
#include "ui/trace/trace_query.h"
#include "ui/ui.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "metic trace show FILE    what happened, a line each\n"
    "metic trace info FILE    what is in the file\n"
    "metic trace check FILE   whether all of it is what was written\n"
    "metic trace query FILE writes ADDRESS[+BYTES]     who wrote there, and when\n"
    "metic trace query FILE reads ADDRESS[+BYTES]      who read there\n"
    "metic trace query FILE values REGISTER|ADDRESS    what it held over time; x10 is a0\n"
    "metic trace query FILE values task                which of Linux's tasks ran\n"
    "                         an ADDRESS is 0x80001000, phys:0x80001000, a symbol or\n"
    "                         a place in one: do_timer+0x1c, or do_timer+0x1c+BYTES\n"
    "metic trace query FILE calls FUNCTION             with arguments and results\n"
    "metic trace query FILE counts function|insn|page  what ran how often\n"
    "metic trace query FILE counts task|satp|priv|hart who ran, in instructions\n"
    "metic trace diff FILE FILE    where two runs differ first: hart by hart, or with\n"
    "                              --task, --satp or --priv in what these ran\n\n"
    "Options of all of them:\n"
    "  --from N, --to N     instruction counts (200M is understood)\n"
    "  --hart N             this hart alone\n"
    "  --limit N            as many lines at most (counts: 30, unless it is given)\n"
    "  --task NAME          what Linux's task of that name ran, its kernel side included\n"
    "  --satp N             what ran in that address space\n"
    "  --priv US            what ran at these privileges\n"
    "  --symbols FILE       an ELF with symbols, and source lines if it has them\n"
    "Of query:\n"
    "  --format text|json\n"
    "  --last N             the last N answers: with --to, what was before\n"
    "  --value N            what was written, read, held or returned: that alone\n"
    "Of show:\n"
    "  --format text|qemu|json|chrome\n"
    "  --function NAME, --range FIRST-END   these addresses alone\n"
    "  --branches           branches, jumps, calls and returns, and where they went\n"
    "  --instructions       and not those, of what was recorded with --trace-events branches\n"
    "  --every N            each Nth instruction\n";

/* --- options --- */

static bool set_count(u64 *count, const char *value, struct metic_error *error)
{
    return args_parse_count(value, count) ||
           error_set(error, "Counts look like 1000000 or 200M.", "'%s' is no count", value);
}

static bool set_from(struct trace_query *query, const char *value, struct metic_error *error)
{
    return set_count(&query->text.from_insns, value, error);
}

static bool set_to(struct trace_query *query, const char *value, struct metic_error *error)
{
    return set_count(&query->text.to_insns, value, error);
}

static bool set_limit(struct trace_query *query, const char *value, struct metic_error *error)
{
    return set_count(&query->text.limit, value, error);
}

static bool set_last(struct trace_query *query, const char *value, struct metic_error *error)
{
    return set_count(&query->last, value, error) &&
           ((query->last != 0 && query->last <= TRACE_LAST_MAX) ||
            error_set(error, "As in --last 1; 1M at most.", "'%s' is too few or too many", value));
}

static bool set_value(struct trace_query *query, const char *value, struct metic_error *error)
{
    char *rest;
    query->value = strtoull(value, &rest, 0); /* of -12 what a register has for it */
    query->has_value = true;
    return (rest != value && *rest == '\0') ||
           error_set(error, "As in --value 0x80001000 or --value -12.", "'%s' is no value", value);
}

static bool set_every(struct trace_query *query, const char *value, struct metic_error *error)
{
    return set_count(&query->text.every, value, error);
}

static bool set_hart(struct trace_query *query, const char *value, struct metic_error *error)
{
    u64 hart;
    bool good = args_parse_count(value, &hart) && hart < METIC_MAX_HARTS;
    query->text.harts = good ? (u64)1 << hart : 0;
    return good || error_set(error, "As in --hart 0.", "'%s' is no hart", value);
}

static bool set_task(struct trace_query *query, const char *value, struct metic_error *error)
{
    query->who.task = value;
    return value[0] != '\0' || error_set(error, "As in --task cat.", "this is no name");
}

static bool set_satp(struct trace_query *query, const char *value, struct metic_error *error)
{
    return trace_who_parse_satp(value, &query->who.satp) ||
           error_set(error, "As in --satp 0x80000000000814f2, mode and ASID included; metic trace "
                     "query FILE counts satp lists them.", "'%s' is no address space", value);
}

static bool set_privileges(struct trace_query *query, const char *value, struct metic_error *error)
{
    return trace_who_parse_privileges(value, &query->who.privileges) ||
           error_set(error, "As in --priv US.", "'%s' has other letters than U, S and M", value);
}

static bool set_symbols(struct trace_query *query, const char *value, struct metic_error *error)
{
    if (query->symbol_file_count == ARRAY_LEN(query->symbol_files)) {
        return error_set(error, NULL, "there are too many of them");
    }
    query->symbol_files[query->symbol_file_count++] = value;
    return true;
}

static bool set_format(struct trace_query *query, const char *value, struct metic_error *error)
{
    return trace_text_format_find(value, &query->text.format) ||
           error_set(error, NULL, "'%s' is none of: text qemu json chrome", value);
}

static bool set_function(struct trace_query *query, const char *value, struct metic_error *error)
{
    (void)error;
    query->function = value;
    return true;
}

/* What its ends are is known when the file's symbols are. */
static bool set_range(struct trace_query *query, const char *value, struct metic_error *error)
{
    const char *dash = strchr(value, '-');
    query->range = value;
    return (dash != NULL && dash != value && dash[1] != '\0') ||
           error_set(error, "As in --range 0x80000000-0x80001000.", "'%s' is no range", value);
}

static bool set_branches(struct trace_query *query, const char *value, struct metic_error *error)
{
    (void)value;
    (void)error;
    query->text.branches = true;
    return true;
}

static bool set_instructions(struct trace_query *query, const char *value,
                             struct metic_error *error)
{
    (void)value;
    (void)error;
    query->instructions = true;
    return true;
}

enum { OF_SHOW = 1, OF_QUERY = 2 };

static const struct option {
    const char *name;
    bool (*set)(struct trace_query *query, const char *value, struct metic_error *error);
    bool has_value;
    unsigned of; /* commands that it means something to: OF_..., 0: all */
} options[] = {
    {"--from", set_from, true, 0},             {"--to", set_to, true, 0},
    {"--hart", set_hart, true, 0},             {"--limit", set_limit, true, 0},
    {"--task", set_task, true, 0},             {"--satp", set_satp, true, 0},
    {"--priv", set_privileges, true, 0},       {"--symbols", set_symbols, true, 0},
    {"--format", set_format, true, OF_SHOW | OF_QUERY},
    {"--last", set_last, true, OF_QUERY},      {"--value", set_value, true, OF_QUERY},
    {"--function", set_function, true, OF_SHOW},
    {"--range", set_range, true, OF_SHOW},     {"--branches", set_branches, false, OF_SHOW},
    {"--every", set_every, true, OF_SHOW},
    {"--instructions", set_instructions, false, OF_SHOW},
};

static const char *option_at(unsigned index)
{
    return index < ARRAY_LEN(options) ? options[index].name : NULL;
}

static const struct command {
    const char *name;
    unsigned words; /* FILE included */
    bool (*run)(struct trace_query *query, struct metic_error *error);
    const char *example;
    unsigned is; /* for options */
} commands[] = {
    {"show", 1, trace_query_show, "metic trace show FILE", OF_SHOW},
    {"info", 1, trace_query_info, "metic trace info FILE", 0},
    {"check", 1, trace_query_check, "metic trace check FILE", 0},
    {"query", 3, trace_query_run, "metic trace query FILE writes 0x80001000", OF_QUERY},
    {"diff", 2, trace_query_diff, "metic trace diff FILE FILE", 0},
};

/* The option at argv[*at], which moves on to its last word. */
static bool parse_option(struct trace_query *query, const struct command *command, int argc,
                         char *const *argv, int *at, struct metic_error *error)
{
    const char *word = argv[*at];
    size_t length = strcspn(word, "=");
    for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
        const struct option *option = &options[i];
        if (strlen(option->name) != length || strncmp(option->name, word, length) != 0) {
            continue;
        }
        const char *value = word[length] == '=' ? word + length + 1 : NULL;
        if (option->has_value && value == NULL && *at + 1 < argc) {
            value = argv[++*at];
        }
        if (option->has_value != (value != NULL)) {
            return error_set(error, "metic trace help", "%s %s value", option->name,
                             option->has_value ? "needs a" : "takes no");
        }
        if (option->of != 0 && !(option->of & command->is)) {
            return error_set(error, "metic trace help", "metic trace %s has no option '%s'; %s",
                             command->name, option->name,
                             option->of == OF_SHOW    ? "show has"
                             : option->of == OF_QUERY ? "query has" : "show and query have");
        }
        struct metic_error reason = {{0}, {0}};
        return option->set(query, value, &reason) ||
               error_set(error, reason.next[0] != '\0' ? reason.next : NULL, "%s: %s",
                         option->name, reason.what);
    }
    const char *nearest = args_nearest(word, option_at);
    char next[64];
    snprintf(next, sizeof(next), nearest != NULL ? "Did you mean %s?" : "metic trace help",
             nearest);
    return error_set(error, next, "there is no option '%s'", word);
}

static bool check_words(const struct trace_query *query, const struct command *command,
                        struct metic_error *error)
{
    const char *name = command->name;
    if (query->word_count != command->words) {
        char next[96];
        snprintf(next, sizeof(next), "As in %s; metic trace help lists all.", command->example);
        return error_set(error, next, "metic trace %s takes %u words, not %u", name,
                         command->words, query->word_count);
    }
    enum trace_text_format format = query->text.format;
    if (command->is == OF_QUERY && format != TRACE_TEXT_PLAIN && format != TRACE_TEXT_JSON) {
        return error_set(error, "--format text or json", "answers have no other form");
    }
    if (query->last != 0 && query->text.limit != 0) {
        return error_set(error, "--limit N tells the first ones.",
                         "--last and --limit exclude each other");
    }
    if (query->text.to_insns != 0 && query->text.to_insns <= query->text.from_insns) {
        return error_set(error, "As in --from 100M --to 120M.", "--to is not behind --from");
    }
    if (query->text.branches && query->text.format == TRACE_TEXT_QEMU) {
        return error_set(error, "--format text, json or chrome", "QEMU's form has no branches");
    }
    return true;
}

static bool parse(struct trace_query *query, const struct command *command, int argc,
                  char *const *argv, struct metic_error *error)
{
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!parse_option(query, command, argc, argv, &i, error)) {
                return false;
            }
        } else if (query->word_count < ARRAY_LEN(query->words)) {
            query->words[query->word_count++] = argv[i];
        } else {
            return error_set(error, "metic trace help", "'%s' is one word too many", argv[i]);
        }
    }
    return true;
}

int cmd_trace(int argc, char *const *argv)
{
    struct metic_error error = {{0}, {0}};
    const char *name = argc > 0 ? argv[0] : "help";
    bool asks = strcmp(name, "help") == 0;
    for (int i = 0; i < argc; i++) {
        asks |= strcmp(argv[i], "--help") == 0;
    }
    if (asks) {
        fputs(usage, stdout);
        return argc > 0 ? UI_EXIT_OK : UI_EXIT_USAGE;
    }
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) != 0) {
            continue;
        }
        struct trace_query *query = calloc(1, sizeof(*query));
        if (query == NULL) {
            return UI_EXIT_FAILED;
        }
        int status = UI_EXIT_OK;
        query->text.to = stdout;
        if (!parse(query, &commands[i], argc - 1, argv + 1, &error) ||
            !check_words(query, &commands[i], &error)) {
            status = ui_usage_error(&error);
        } else if (!commands[i].run(query, &error)) {
            ui_print_error(&error);
            status = UI_EXIT_FAILED;
        }
        status = status == UI_EXIT_OK && query->damaged ? UI_EXIT_FAILED : status;
        free(query);
        return status;
    }
    error_set(&error, "metic trace help", "metic trace: there is no '%s'", name);
    return ui_usage_error(&error);
}

/* metic trace: looks into trace stores. Queries are in trace_query.c. */
#include "ui/args.h"
#include "ui/trace_query.h"
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
    "metic trace query FILE values REGISTER|ADDRESS    what it held over time\n"
    "                         an ADDRESS is 0x80001000, phys:0x80001000 or a symbol\n"
    "metic trace query FILE calls FUNCTION             with arguments and results\n"
    "metic trace query FILE counts function|insn|page  what ran how often\n"
    "metic trace diff FILE FILE    where two runs differ first\n\n"
    "Options of all of them:\n"
    "  --from N, --to N     instruction counts (200M is understood)\n"
    "  --hart N             this hart alone\n"
    "  --limit N            as many lines at most\n"
    "  --symbols FILE       an ELF with symbols, and source lines if it has them\n"
    "Of show:\n"
    "  --format text|qemu|json|chrome\n"
    "  --function NAME, --range FIRST-END   these addresses alone\n"
    "  --branches           branches, jumps, calls and returns, and where they went\n"
    "  --instructions       and not those, of what was recorded with --trace-events branches\n"
    "  --every N            each Nth instruction\n";

/* The value of option `name` at argv[*at], which moves behind it; NULL: it is another one. */
static const char *value_of(int argc, char *const *argv, int *at, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(argv[*at], name, length) != 0) {
        return NULL;
    }
    if (argv[*at][length] == '=') {
        return argv[*at] + length + 1;
    }
    if (argv[*at][length] != '\0' || *at + 1 == argc) {
        return NULL;
    }
    return argv[++*at];
}

static bool parse_range(struct trace_query *query, const char *value, struct metic_error *error)
{
    char *rest;
    query->text.first = strtoull(value, &rest, 0);
    query->text.end = *rest == '-' ? strtoull(rest + 1, &rest, 0) : 0;
    return (*rest == '\0' && query->text.end > query->text.first) ||
           error_set(error, "As in --range 0x80000000-0x80001000.", "'%s' is no range", value);
}

static bool parse_option(struct trace_query *query, int argc, char *const *argv, int *at,
                         struct metic_error *error)
{
    static const char *const counts[] = {"--from", "--to", "--limit", "--every"};
    u64 *const members[] = {&query->text.from_insns, &query->text.to_insns, &query->text.limit,
                            &query->text.every};
    const char *name = argv[*at];
    const char *value;
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        if ((value = value_of(argc, argv, at, counts[i])) != NULL) {
            return args_parse_count(value, members[i]) ||
                   error_set(error, "Counts look like 1000000 or 200M.", "%s: '%s' is no count",
                             name, value);
        }
    }
    if ((value = value_of(argc, argv, at, "--hart")) != NULL) {
        u64 hart;
        bool good = args_parse_count(value, &hart) && hart < METIC_MAX_HARTS;
        query->text.harts = good ? (u64)1 << hart : 0;
        return good || error_set(error, "As in --hart 0.", "--hart: '%s' is no hart", value);
    } else if ((value = value_of(argc, argv, at, "--symbols")) != NULL) {
        if (query->symbol_file_count == ARRAY_LEN(query->symbol_files)) {
            return error_set(error, NULL, "too many --symbols");
        }
        query->symbol_files[query->symbol_file_count++] = value;
    } else if ((value = value_of(argc, argv, at, "--format")) != NULL) {
        return trace_text_format_find(value, &query->text.format) ||
               error_set(error, NULL, "--format: '%s' is none of: text qemu json chrome", value);
    } else if (strcmp(name, "--branches") == 0) {
        query->text.branches = true;
    } else if (strcmp(name, "--instructions") == 0) {
        query->instructions = true;
    } else if ((value = value_of(argc, argv, at, "--function")) != NULL) {
        query->function = value;
    } else if ((value = value_of(argc, argv, at, "--range")) != NULL) {
        return parse_range(query, value, error);
    } else {
        return error_set(error, "metic trace help", "there is no option '%s', or it needs a value",
                         name);
    }
    return true;
}

/* Whether the option is one of show's, which mean nothing to the others. */
static bool is_of_show(const char *name)
{
    static const char *const names[] = {"--format", "--function", "--range", "--branches",
                                        "--instructions", "--every"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(name, names[i], length) == 0 && (name[length] == '=' || name[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool check_words(const struct trace_query *query, const char *name, unsigned words,
                        struct metic_error *error)
{
    if (query->word_count != words) {
        return error_set(error, "metic trace help", "metic trace %s takes %u words, not %u", name,
                         words, query->word_count);
    }
    if (query->of_show != NULL && strcmp(name, "show") != 0) {
        return error_set(error, "metic trace help", "metic trace %s has no option '%s'; show has",
                         name, query->of_show);
    }
    if (query->text.to_insns != 0 && query->text.to_insns <= query->text.from_insns) {
        return error_set(error, "As in --from 100M --to 120M.", "--to is not behind --from");
    }
    if (query->text.branches && query->text.format == TRACE_TEXT_QEMU) {
        return error_set(error, "--format text, json or chrome", "QEMU's form has no branches");
    }
    return true;
}

static bool parse(struct trace_query *query, int argc, char *const *argv, struct metic_error *error)
{
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            query->of_show = is_of_show(argv[i]) ? argv[i] : query->of_show;
            if (!parse_option(query, argc, argv, &i, error)) {
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

static const struct {
    const char *name;
    unsigned words; /* FILE included */
    bool (*run)(struct trace_query *query, struct metic_error *error);
} commands[] = {
    {"show", 1, trace_query_show},
    {"info", 1, trace_query_info},
    {"check", 1, trace_query_check},
    {"query", 3, trace_query_run},
    {"diff", 2, trace_query_diff},
};

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
        if (!parse(query, argc - 1, argv + 1, &error) ||
            !check_words(query, name, commands[i].words, &error)) {
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

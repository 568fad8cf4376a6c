/* metic cover: reads and merges what run --cover wrote, and gives it to people and other tools. */
#include "cpu/base/bits.h"
#include "ui/symbols/elf_place.h"
#include "ui/symbols/symbols.h"
#include "ui/trace/cover.h"
#include "ui/trace/html.h"
#include "ui/ui.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ELFS = 8 };

struct report {
    struct cover *cover;
    const char *elfs[MAX_ELFS];
    unsigned elf_count;
    struct symbols symbols;
    const char *lcov, *drcov, *html;
};

/* --- functions --- */

struct function {
    const char *name;
    u64 address, end;
    u64 runs, bytes_run;
};

/* Bytes of [first, end) that ran. */
static u64 bytes_run(struct cover *cover, u64 first, u64 end)
{
    u64 bytes = 0;
    for (u64 at = first; at < end; at += 2) {
        bytes += cover_count(cover, at) != 0 ? 2 : 0;
    }
    return bytes;
}

/* Functions that ran at all, by address; malloc'ed. */
static struct function *find_functions(struct report *report, size_t *count)
{
    size_t blocks;
    const struct cover_block *block = cover_blocks(report->cover, &blocks);
    struct function *functions = calloc(blocks + 1, sizeof(*functions));
    *count = 0;
    for (size_t i = 0; functions != NULL && i < blocks; i++) {
        const struct symbol *symbol = symbols_find(&report->symbols, block[i].address);
        if (symbol == NULL ||
            (*count != 0 && functions[*count - 1].address == symbol->address)) {
            continue;
        }
        u64 end = symbols_end(&report->symbols, symbol);
        functions[(*count)++] = (struct function){
            .name = symbol->name, .address = symbol->address, .end = end,
            .runs = cover_count(report->cover, symbol->address),
            .bytes_run = bytes_run(report->cover, symbol->address, end),
        };
    }
    return functions;
}

static void print_functions(struct report *report)
{
    size_t count, blocks, edges;
    struct function *functions = find_functions(report, &count);
    cover_blocks(report->cover, &blocks);
    cover_edges(report->cover, &edges);
    printf("%zu blocks, %zu edges, %zu functions\n", blocks, edges, count);
    if (count == 0 && blocks != 0) {
        fputs("metic: the functions are not known; --symbols gives the program's ELF\n", stderr);
    }
    for (size_t i = 0; functions != NULL && i < count; i++) {
        u64 size = functions[i].end - functions[i].address;
        printf("%12" PRIu64 " %5.1f%% %s\n", functions[i].runs,
               100.0 * (double)functions[i].bytes_run / (double)(size != 0 ? size : 1),
               functions[i].name);
    }
    free(functions);
}

static FILE *create(const char *path, struct metic_error *error)
{
    FILE *to = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (to == NULL) {
        error_set(error, "give a file that can be written", "%s: %s", path, strerror(errno));
    }
    return to;
}

static bool finish(FILE *to, const char *path, struct metic_error *error)
{
    bool good = !ferror(to);
    good = (to == stdout ? fflush(to) : fclose(to)) == 0 && good;
    return good || error_set(error, "make room", "%s: %s", path, strerror(errno));
}

/* --- drcov --- */

/* The format has 32 bits for an offset in a module. */
enum { DRCOV_MODULES = 4096, DRCOV_NONE = 0xffff };
static const u64 drcov_reach = 0x80000000;

struct module {
    u64 base, end;
    const char *path;
};

/* Each ELF that was given is one, and its offsets count from its lowest address, as those of
 * disassemblers do; all else is in 2 GiB of the guest's memory. of[i] becomes that of block i, or
 * DRCOV_NONE when there are too many. Returns how many there are. */
static unsigned find_modules(const struct report *report, const struct cover_block *blocks,
                             size_t count, u16 *of, struct module *modules)
{
    unsigned found = 0;
    for (unsigned i = 0; i < report->elf_count; i++) {
        struct module *elf = &modules[found];
        elf->path = report->elfs[i];
        found += elf_span(elf->path, &elf->base, &elf->end) && elf->end - elf->base <= drcov_reach;
    }
    const unsigned elfs = found;
    for (size_t i = 0; i < count; i++) {
        u64 address = blocks[i].address;
        unsigned n = 0;
        while (n < found && (address < modules[n].base || address >= modules[n].end ||
                             (n < elfs && address + blocks[i].bytes > modules[n].end))) {
            n++;
        }
        if (n == found && found < DRCOV_MODULES) {
            u64 base = address & ~(drcov_reach - 1), end = base + drcov_reach;
            modules[found++] = (struct module){base, end != 0 ? end : ~(u64)0, "guest"};
        }
        of[i] = (u16)(n < found ? n : DRCOV_NONE);
    }
    return found;
}

static void put_drcov(FILE *to, const struct module *modules, unsigned module_count,
                      const struct cover_block *blocks, const u16 *of, size_t count)
{
    fprintf(to, "DRCOV VERSION: 2\nDRCOV FLAVOR: metic\n"
                "Module Table: version 2, count %u\n"
                "Columns: id, base, end, entry, checksum, timestamp, path\n", module_count);
    for (unsigned i = 0; i < module_count; i++) {
        fprintf(to, "%3u, 0x%016" PRIx64 ", 0x%016" PRIx64 ", 0x0000000000000000, 0x00000000, "
                    "0x00000000, %s\n", i, modules[i].base, modules[i].end, modules[i].path);
    }
    size_t told = 0;
    for (size_t i = 0; i < count; i++) {
        told += of[i] != DRCOV_NONE;
    }
    fprintf(to, "BB Table: %zu bbs\n", told);
    for (size_t i = 0; i < count; i++) {
        u8 entry[8];
        if (of[i] == DRCOV_NONE) {
            continue;
        }
        st_le32(entry, (u32)(blocks[i].address - modules[of[i]].base));
        entry[4] = (u8)blocks[i].bytes;
        entry[5] = (u8)(blocks[i].bytes >> 8);
        entry[6] = (u8)of[i];
        entry[7] = (u8)(of[i] >> 8);
        fwrite(entry, 1, sizeof(entry), to);
    }
}

static bool write_drcov(struct report *report, struct metic_error *error)
{
    size_t count;
    const struct cover_block *blocks = cover_blocks(report->cover, &count);
    struct module *modules = calloc(DRCOV_MODULES, sizeof(*modules));
    u16 *of = calloc(count + 1, sizeof(*of));
    FILE *to = modules != NULL && of != NULL ? create(report->drcov, error) : NULL;
    if (modules == NULL || of == NULL) {
        error_set(error, NULL, "the host has no memory");
    }
    if (to != NULL) {
        unsigned module_count = find_modules(report, blocks, count, of, modules);
        put_drcov(to, modules, module_count, blocks, of, count);
    }
    free(modules);
    free(of);
    return to != NULL && finish(to, report->drcov, error);
}

/* --- lines --- */

struct line_count {
    const char *file;
    unsigned line;
    u64 count;
};

struct line_counts {
    struct report *report;
    struct line_count *list;
    size_t count, capacity;
};

static void add_line(void *opaque, u64 address, u64 end, const char *file, unsigned line)
{
    struct line_counts *lines = opaque;
    if (lines->count == lines->capacity) {
        size_t capacity = lines->capacity * 2 + 1024;
        void *bigger = realloc(lines->list, capacity * sizeof(*lines->list));
        if (bigger == NULL) {
            return;
        }
        lines->list = bigger;
        lines->capacity = capacity;
    }
    lines->list[lines->count++] =
        (struct line_count){file, line, cover_most(lines->report->cover, address, end)};
}

static int by_line(const void *a, const void *b)
{
    const struct line_count *x = a, *y = b;
    int file = strcmp(x->file, y->file);
    return file != 0 ? file : x->line < y->line ? -1 : x->line > y->line;
}

/* A line ran as often as the piece of it that ran most. */
static void merge_lines(struct line_counts *lines)
{
    size_t kept = 0;
    if (lines->count != 0) {
        qsort(lines->list, lines->count, sizeof(*lines->list), by_line);
    }
    for (size_t i = 0; i < lines->count; i++) {
        struct line_count *last = kept != 0 ? &lines->list[kept - 1] : NULL;
        if (last != NULL && by_line(last, &lines->list[i]) == 0) {
            last->count = last->count > lines->list[i].count ? last->count : lines->list[i].count;
        } else {
            lines->list[kept++] = lines->list[i];
        }
    }
    lines->count = kept;
}

static bool find_lines(struct report *report, struct line_counts *lines, struct source_lines *from,
                       struct metic_error *error)
{
    size_t blocks;
    *lines = (struct line_counts){.report = report};
    cover_blocks(report->cover, &blocks);
    if (!source_lines_each(from, add_line, lines)) {
        return error_set(error, "Give --symbols an ELF that was compiled with -g.",
                         "there are no source lines");
    }
    merge_lines(lines);
    return true;
}

/* A function's first line. */
struct function_line {
    struct line_count at; /* and how often it was called */
    const char *name;
};

static int by_function_line(const void *a, const void *b)
{
    const struct function_line *x = a, *y = b;
    return by_line(&x->at, &y->at);
}

/* All functions that have lines, those too that never ran, by file and line; malloc'ed. */
static struct function_line *find_function_lines(struct report *report, struct source_lines *from,
                                                 size_t *count)
{
    const struct symbols *symbols = &report->symbols;
    struct function_line *functions = calloc(symbols->count + 1, sizeof(*functions));
    u64 last = 0;
    *count = 0;
    (void)symbols_find(&report->symbols, 0); /* sorts */
    for (size_t i = 0; functions != NULL && i < symbols->count; i++) {
        const struct symbol *symbol = &symbols->list[i];
        struct function_line *function = &functions[*count];
        if ((*count != 0 && symbol->address == last) ||
            !source_lines_find(from, symbol->address, &function->at.file, &function->at.line)) {
            continue;
        }
        function->at.count = cover_count(report->cover, symbol->address);
        function->name = symbol->name;
        last = symbol->address;
        ++*count;
    }
    if (*count != 0) {
        qsort(functions, *count, sizeof(*functions), by_function_line);
    }
    return functions;
}

/* Those of the file, which begin at *at. */
static void put_functions(FILE *to, const char *file, const struct function_line *functions,
                          size_t count, size_t *at)
{
    unsigned found = 0, hit = 0;
    while (*at < count && strcmp(functions[*at].at.file, file) < 0) {
        ++*at;
    }
    for (; *at < count && strcmp(functions[*at].at.file, file) == 0; ++*at) {
        const struct function_line *function = &functions[*at];
        fprintf(to, "FN:%u,%s\nFNDA:%" PRIu64 ",%s\n", function->at.line, function->name,
                function->at.count, function->name);
        found++;
        hit += function->at.count != 0;
    }
    fprintf(to, "FNF:%u\nFNH:%u\n", found, hit);
}

static bool write_lcov(struct report *report, struct metic_error *error)
{
    struct line_counts lines;
    struct source_lines *from = source_lines_new(report->elfs, report->elf_count);
    FILE *to = find_lines(report, &lines, from, error) ? create(report->lcov, error) : NULL;
    bool good = to != NULL;
    size_t function_count, at = 0;
    struct function_line *functions = find_function_lines(report, from, &function_count);
    for (size_t i = 0; good && i < lines.count;) {
        const char *file = lines.list[i].file;
        unsigned found = 0, hit = 0;
        fprintf(to, "TN:\nSF:%s\n", file);
        put_functions(to, file, functions, functions != NULL ? function_count : 0, &at);
        for (; i < lines.count && strcmp(lines.list[i].file, file) == 0; i++) {
            fprintf(to, "DA:%u,%" PRIu64 "\n", lines.list[i].line, lines.list[i].count);
            found++;
            hit += lines.list[i].count != 0;
        }
        fprintf(to, "LF:%u\nLH:%u\nend_of_record\n", found, hit);
    }
    free(functions);
    free(lines.list);
    if (good) {
        good = finish(to, report->lcov, error);
    }
    source_lines_free(from);
    return good;
}

/* --- a page --- */

static void put_source(FILE *to, const struct line_count *lines, size_t count)
{
    FILE *source = fopen(lines[0].file, "re");
    char *text = NULL;
    size_t room = 0, at = 0;
    fputs("<details open><summary>", to);
    html_put_text(to, lines[0].file);
    fputs("</summary><pre>", to);
    for (unsigned number = 1; source != NULL && getline(&text, &room, source) > 0; number++) {
        while (at < count && lines[at].line < number) {
            at++;
        }
        bool known = at < count && lines[at].line == number;
        fprintf(to, "<span class=\"%s\">%8u ", !known ? "n" : lines[at].count != 0 ? "y" : "m",
                number);
        if (known) {
            fprintf(to, "%10" PRIu64 "  ", lines[at].count);
        } else {
            fputs("            ", to);
        }
        html_put_text(to, text);
        fputs("</span>", to);
    }
    free(text);
    if (source != NULL) {
        fclose(source);
    }
    fputs("</pre></details>\n", to);
}

/* What there is of it, and every function. */
static void put_summary(FILE *to, struct report *report, bool has_lines)
{
    size_t count, blocks, edges;
    struct function *functions = find_functions(report, &count);
    cover_blocks(report->cover, &blocks);
    cover_edges(report->cover, &edges);
    fprintf(to, "<p>%zu blocks, %zu edges, %zu functions of which something ran%s.\n<table><tr>"
                "<th>function<th>runs<th>bytes that ran<th></tr>\n", blocks, edges, count,
            has_lines ? "; <a href=#lines>source lines</a> are behind them" : "");
    for (size_t i = 0; functions != NULL && i < count; i++) {
        u64 size = functions[i].end - functions[i].address;
        double part = 100.0 * (double)functions[i].bytes_run / (double)(size != 0 ? size : 1);
        fputs("<tr><td>", to);
        html_put_text(to, functions[i].name);
        fprintf(to, "<td>%" PRIu64 "<td>%.1f %%<td><div class=bar><i style=\"width:%.0f%%\"></i>"
                    "</div>\n", functions[i].runs, part, part);
    }
    fputs("</table>\n", to);
    free(functions);
}

static bool write_html(struct report *report, struct metic_error *error)
{
    FILE *to = create(report->html, error);
    struct metic_error none;
    if (to == NULL) {
        return false;
    }
    fputs("<!doctype html><meta charset=utf-8><title>metic coverage</title><style>"
          "body{font:14px sans-serif;margin:2em;color:#222;background:#fff}pre{font:12px monospace}"
          "table{border-collapse:collapse}td,th{padding:2px 10px;text-align:left}"
          ".bar{background:#ddd;width:160px;height:10px}.bar i{display:block;height:10px;"
          "background:#3a7}.y{background:#e3f6e8;display:block}.m{background:#fbe3e3;display:block}"
          ".n{color:#777;display:block}</style><h1>Coverage</h1>\n", to);
    struct line_counts lines;
    struct source_lines *from = source_lines_new(report->elfs, report->elf_count);
    bool has_lines = find_lines(report, &lines, from, &none);
    put_summary(to, report, has_lines);
    if (has_lines) {
        fputs("<h2 id=lines>Source lines</h2>\n", to);
        for (size_t i = 0; i < lines.count;) {
            size_t end = i;
            while (end < lines.count && strcmp(lines.list[end].file, lines.list[i].file) == 0) {
                end++;
            }
            put_source(to, &lines.list[i], end - i);
            i = end;
        }
    }
    free(lines.list);
    source_lines_free(from);
    return finish(to, report->html, error);
}

/* --- the command --- */

static bool parse(struct report *report, int argc, char *const *argv, unsigned *files,
                  struct metic_error *error)
{
    const struct { const char *name; const char **member; } options[] = {
        {"--lcov", &report->lcov}, {"--drcov", &report->drcov}, {"--html", &report->html},
    };
    for (int i = 0; i < argc; i++) {
        unsigned n = 0;
        while (n < ARRAY_LEN(options) && strcmp(argv[i], options[n].name) != 0) {
            n++;
        }
        bool symbols = strcmp(argv[i], "--symbols") == 0;
        if ((n < ARRAY_LEN(options) || symbols) && i + 1 == argc) {
            return error_set(error, NULL, "%s needs a file", argv[i]);
        }
        if (n < ARRAY_LEN(options)) {
            *options[n].member = argv[++i];
        } else if (symbols && report->elf_count < MAX_ELFS) {
            const char *path = report->elfs[report->elf_count++] = argv[++i];
            if (!symbols_add_elf(&report->symbols, path, elf_place(path), error)) {
                return false;
            }
        } else if (argv[i][0] == '-') {
            return error_set(error, "--lcov OUT, --drcov OUT, --html OUT, --symbols ELF",
                             "there is no option '%s'", argv[i]);
        } else if (!cover_read(report->cover, &report->symbols, argv[i], error)) {
            return false;
        } else {
            ++*files;
        }
    }
    return *files != 0 || error_set(error, "metic cover FILE...", "there is no file");
}

int cmd_cover(int argc, char *const *argv)
{
    struct metic_error error = {{0}, {0}};
    struct report report = {.cover = cover_new(&error)};
    unsigned files = 0;
    bool good = report.cover != NULL && parse(&report, argc, argv, &files, &error);
    if (good && report.lcov == NULL && report.drcov == NULL && report.html == NULL) {
        print_functions(&report);
    }
    good = good && (report.lcov == NULL || write_lcov(&report, &error)) &&
           (report.drcov == NULL || write_drcov(&report, &error)) &&
           (report.html == NULL || write_html(&report, &error));
    cover_free(report.cover);
    symbols_fini(&report.symbols);
    if (!good) {
        ui_print_error(&error);
    }
    return good ? UI_EXIT_OK : files == 0 ? UI_EXIT_USAGE : UI_EXIT_FAILED;
}

/* metic cover: reads and merges what run --cover wrote, and gives it to people and other tools. */
#include "cpu/base/bits.h"
#include "ui/command/cover_report.h"
#include "ui/symbols/elf_place.h"
#include "ui/ui.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- functions --- */

/* Bytes of [first, end) that ran. */
static u64 bytes_run(struct cover *cover, u64 first, u64 end)
{
    u64 bytes = 0;
    for (u64 at = first; at < end; at += 2) {
        bytes += cover_count(cover, at) != 0 ? 2 : 0;
    }
    return bytes;
}

struct cover_function *cover_functions(struct cover_report *report, size_t *count)
{
    size_t blocks;
    const struct cover_block *block = cover_blocks(report->cover, &blocks);
    struct cover_function *functions = calloc(blocks + 1, sizeof(*functions));
    *count = 0;
    for (size_t i = 0; functions != NULL && i < blocks; i++) {
        const struct symbol *symbol = symbols_find(&report->symbols, block[i].address);
        if (symbol == NULL ||
            (*count != 0 && functions[*count - 1].address == symbol->address)) {
            continue;
        }
        u64 end = symbols_end(&report->symbols, symbol);
        functions[(*count)++] = (struct cover_function){
            .name = symbol->name, .address = symbol->address, .end = end,
            .runs = cover_count(report->cover, symbol->address),
            .bytes_run = bytes_run(report->cover, symbol->address, end),
        };
    }
    return functions;
}

static void print_functions(struct cover_report *report)
{
    size_t count, blocks, edges;
    struct cover_function *functions = cover_functions(report, &count);
    cover_blocks(report->cover, &blocks);
    cover_edges(report->cover, &edges);
    printf("%zu blocks, %zu edges, %zu functions\n", blocks, edges, count);
    if (count == 0 && blocks != 0) {
        fputs("metic: the functions are not known; --symbols gives the program's ELF\n", stderr);
    }
    for (size_t i = 0; functions != NULL && i < count; i++) {
        u64 size = functions[i].end - functions[i].address;
        printf("%12" PRIu64 " %5.1f%% %s\n", functions[i].runs,
               cover_percent(functions[i].bytes_run, size),
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
static unsigned find_modules(const struct cover_report *report, const struct cover_block *blocks,
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

static bool write_drcov(struct cover_report *report, struct metic_error *error)
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

static void add_line(void *opaque, u64 address, u64 end, const char *file, unsigned line)
{
    struct cover_lines *lines = opaque;
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
        (struct cover_line){file, line, cover_most(lines->report->cover, address, end)};
}

static int by_line(const void *a, const void *b)
{
    const struct cover_line *x = a, *y = b;
    int file = strcmp(x->file, y->file);
    return file != 0 ? file : x->line < y->line ? -1 : x->line > y->line;
}

/* A line ran as often as the piece of it that ran most. */
static void merge_lines(struct cover_lines *lines)
{
    size_t kept = 0;
    if (lines->count != 0) {
        qsort(lines->list, lines->count, sizeof(*lines->list), by_line);
    }
    for (size_t i = 0; i < lines->count; i++) {
        struct cover_line *last = kept != 0 ? &lines->list[kept - 1] : NULL;
        if (last != NULL && by_line(last, &lines->list[i]) == 0) {
            last->count = last->count > lines->list[i].count ? last->count : lines->list[i].count;
        } else {
            lines->list[kept++] = lines->list[i];
        }
    }
    lines->count = kept;
}

static bool find_lines(struct cover_report *report, struct cover_lines *lines,
                       struct source_lines *from, struct metic_error *error)
{
    size_t blocks;
    *lines = (struct cover_lines){.report = report};
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
    struct cover_line at; /* and how often it was called */
    const char *name;
};

static int by_function_line(const void *a, const void *b)
{
    const struct function_line *x = a, *y = b;
    return by_line(&x->at, &y->at);
}

/* All functions that have lines, those too that never ran, by file and line; malloc'ed. */
static struct function_line *find_function_lines(struct cover_report *report,
                                                 struct source_lines *from, size_t *count)
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

static bool write_lcov(struct cover_report *report, struct metic_error *error)
{
    struct cover_lines lines;
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

static bool write_html(struct cover_report *report, struct metic_error *error)
{
    FILE *to = create(report->html, error);
    struct cover_lines lines;
    struct metic_error none;
    if (to == NULL) {
        return false;
    }
    struct source_lines *from = source_lines_new(report->elfs, report->elf_count);
    (void)find_lines(report, &lines, from, &none); /* or there are none */
    cover_put_page(to, report, &lines);
    free(lines.list);
    source_lines_free(from);
    return finish(to, report->html, error);
}

/* --- the command --- */

static bool parse(struct cover_report *report, int argc, char *const *argv, unsigned *files,
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
        } else if (symbols && report->elf_count < COVER_MAX_ELFS) {
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
    struct cover_report report = {.cover = cover_new(&error)};
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

/* See trace_query.h: opening, show, info. */
#include "ui/trace_query.h"

#include "ui/trace_scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- opening --- */

bool trace_query_open(struct trace_query *query, struct metic_error *error)
{
    if (!trace_file_open(&query->file, query->words[0], error)) {
        return false;
    }
    symbols_add_text(&query->symbols, query->file.symbols);
    for (unsigned i = 0; i < query->symbol_file_count; i++) {
        if (!symbols_add_elf(&query->symbols, query->symbol_files[i], error)) {
            trace_query_close(query);
            return false;
        }
    }
    if (query->file.damage != NULL) {
        query->damaged = !query->file.cut;
        fprintf(stderr, "metic: %s: byte %" PRIu64 ": %s; what comes before is used\n",
                query->file.path, query->file.damage_offset, query->file.damage);
    }
    query->text.symbols = &query->symbols;
    return true;
}

void trace_query_close(struct trace_query *query)
{
    trace_file_close(&query->file);
    symbols_fini(&query->symbols);
}

/* The section may have instructions between --from and --to, as far as the next one of its stream
 * tells. */
bool trace_query_in_window(const struct trace_query *query, u32 number)
{
    const struct trace_file *file = &query->file;
    const struct trace_section *section = &file->sections[number];
    if (section->stream >= file->harts) {
        return true;
    }
    if (query->text.harts != 0 && !(query->text.harts >> section->stream & 1)) {
        return false;
    }
    if (query->text.to_insns != 0 && section->first >= query->text.to_insns) {
        return false;
    }
    return section->behind == TRACE_NONE ||
           file->sections[section->behind].first > query->text.from_insns;
}

/* --- decoding in order --- */

struct each {
    struct trace_query *query;
    trace_wanted_fn *wanted;
    struct trace_decoder decoder;
    u64 sequence[METIC_MAX_HARTS + 1];
    u32 last[METIC_MAX_HARTS + 1]; /* section */
};

static bool each_wanted(void *opaque, u32 number)
{
    struct each *each = opaque;
    struct trace_query *query = each->query;
    return trace_query_in_window(query, number) &&
           (each->wanted == NULL || each->wanted(query, &query->file.sections[number]));
}

static bool each_take(void *opaque, u32 number, struct trace_found *found)
{
    struct each *each = opaque;
    const struct trace_section *section = &each->query->file.sections[number];
    unsigned n = section->stream;
    bool follows = section->before != TRACE_NONE && section->before == each->last[n];
    each->sequence[n] += follows ? 1 : 2;
    each->last[n] = number;
    struct metic_trace_chunk chunk = trace_section_chunk(section, each->sequence[n], found->items,
                                                         found->count);
    found->bad = !trace_decode(&each->decoder, &chunk);
    return !found->bad && !trace_text_is_full(&each->query->text);
}

bool trace_query_each(struct trace_query *query, const struct trace_callbacks *callbacks,
                      trace_wanted_fn *wanted, struct metic_error *error)
{
    struct each *each = calloc(1, sizeof(*each));
    if (each == NULL) {
        return error_set(error, NULL, "the host has no memory");
    }
    each->query = query;
    each->wanted = wanted;
    memset(each->last, 0xff, sizeof(each->last));
    trace_decoder_init(&each->decoder, callbacks, trace_file_unit, &query->file);
    const struct trace_scan scan = {
        .file = &query->file, .wanted = each_wanted, .work = trace_worker_words, .take = each_take,
        .opaque = each,
    };
    bool good = trace_scan_run(&scan, 0, (u32)query->file.section_count, error);
    trace_decode_end(&each->decoder);
    trace_decoder_fini(&each->decoder);
    free(each);
    return good;
}

bool trace_query_place(struct trace_query *query, const char *text, u64 *first, u64 *end,
                       struct metic_error *error)
{
    char *rest;
    *first = strtoull(text, &rest, 0);
    *end = *first + 1;
    if (rest != text && *rest == '+') {
        *end = *first + strtoull(rest + 1, &rest, 0);
    }
    if (rest != text && *rest == '\0' && *end > *first) {
        return true;
    }
    const struct symbol *symbol = symbols_find_name(&query->symbols, text);
    if (symbol == NULL) {
        return error_set(error, "Give an address, as 0x80001000 or 0x80001000+8, or a symbol.",
                         "there is no symbol '%s' in %s", text, query->file.path);
    }
    *first = symbol->address;
    *end = symbols_end(&query->symbols, symbol);
    return true;
}

/* --- show --- */

static bool runs_here(struct trace_query *query, const struct trace_section *section)
{
    return trace_file_may_run(&query->file, section, query->opaque);
}

bool trace_query_show(struct trace_query *query, struct metic_error *error)
{
    struct trace_text *text = &query->text;
    if (!trace_query_open(query, error)) {
        return false;
    }
    if (query->function != NULL &&
        !trace_query_place(query, query->function, &text->first, &text->end, error)) {
        trace_query_close(query);
        return false;
    }
    text->branches |= !query->instructions && text->format != TRACE_TEXT_QEMU &&
                      trace_file_meta(&query->file, "branches", 10, 0) == 1;
    text->counts_ns = query->file.meta != NULL &&
                      strstr(query->file.meta, "\nclock=virtual\n") != NULL;
    struct trace_units units = {0};
    if (text->end != 0 && !trace_file_find_code(&query->file, text->first, text->end, &units)) {
        trace_query_close(query);
        return error_set(error, NULL, "the host has no memory");
    }
    query->opaque = &units;
    text->lines = source_lines_new(query->symbol_files, query->symbol_file_count);
    const struct trace_callbacks callbacks = {
        .step = trace_text_step, .event = trace_text_event, .opaque = text,
    };
    bool good = trace_query_each(query, &callbacks, text->end != 0 ? runs_here : NULL, error);
    trace_text_end(text);
    source_lines_free(text->lines);
    free(units.wanted);
    trace_query_close(query);
    return good;
}

/* --- info --- */

static bool is_last(struct trace_query *query, const struct trace_section *section)
{
    return section->kind == TRACE_STREAM && section->stream < query->file.harts &&
           section->behind == TRACE_NONE;
}

static void count_step(void *opaque, const struct trace_step *step)
{
    u64 *last = opaque;
    last[step->stream] = step->insns + 1;
}

static void count_event(void *opaque, const struct trace_event *event)
{
    u64 *last = opaque;
    last[event->stream] = event->insns > last[event->stream] ? event->insns : last[event->stream];
}

bool trace_query_info(struct trace_query *query, struct metic_error *error)
{
    if (!trace_query_open(query, error)) {
        return false;
    }
    const struct trace_file *file = &query->file;
    u64 chunks[METIC_MAX_HARTS + 1] = {0}, words[METIC_MAX_HARTS + 1] = {0};
    u64 first[METIC_MAX_HARTS + 1] = {0}, last[METIC_MAX_HARTS + 1] = {0};
    for (size_t i = 0; i < file->section_count; i++) {
        const struct trace_section *section = &file->sections[i];
        unsigned n = section->stream;
        if (section->kind == TRACE_STREAM) {
            first[n] = chunks[n]++ == 0 ? section->first : first[n];
            words[n] += section->count;
            last[n] = section->first;
        }
    }
    const struct trace_callbacks counts = {
        .step = count_step, .event = count_event, .opaque = last,
    };
    if (!trace_query_each(query, &counts, is_last, error)) {
        trace_query_close(query);
        return false;
    }
    printf("%s", file->meta != NULL ? file->meta : "");
    printf("units=%u\nsymbols=%zu\n", file->unit_count, query->symbols.count);
    for (unsigned n = 0; n <= file->harts; n++) {
        if (chunks[n] != 0 && n < file->harts) {
            printf("hart %u: %" PRIu64 " sections, %" PRIu64 " words, instructions %" PRIu64
                   " to %" PRIu64 "\n", n, chunks[n], words[n], first[n], last[n]);
        }
    }
    printf("%.1f MiB\n", (double)file->size / 1048576);
    trace_query_close(query);
    return true;
}

/* --- queries --- */

bool trace_query_run(struct trace_query *query, struct metic_error *error)
{
    static const struct {
        const char *name;
        bool (*run)(struct trace_query *query, struct metic_error *error);
    } queries[] = {
        {"writes", trace_query_writes}, {"reads", trace_query_reads},
        {"values", trace_query_values}, {"calls", trace_query_calls},
        {"counts", trace_query_counts},
    };
    if (!trace_query_open(query, error)) {
        return false;
    }
    bool good = false, found = false;
    for (unsigned i = 0; i < ARRAY_LEN(queries); i++) {
        if (strcmp(queries[i].name, query->words[1]) == 0) {
            found = true;
            good = queries[i].run(query, error);
        }
    }
    if (!found) {
        error_set(error, "writes, reads, values, calls or counts", "there is no query '%s'",
                  query->words[1]);
    }
    if (good && query->text.told == 0 && strcmp(query->words[1], "counts") != 0) {
        fprintf(stderr, "metic: %s has none of these; metic trace info %s says what was recorded\n",
                query->file.path, query->file.path);
    }
    trace_query_close(query);
    return good;
}

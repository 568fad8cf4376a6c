/* See trace_query.h: opening, show, info. */
#include "ui/trace/trace_query.h"

#include "ui/symbols/elf_place.h"
#include "ui/trace/trace_kinds.h"
#include "ui/trace/trace_scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- opening --- */

bool trace_query_open(struct trace_query *query, struct metic_error *error)
{
    if (!trace_file_open(&query->file, query->words[0], error)) {
        return false;
    }
    if (query->file.harts < METIC_MAX_HARTS && query->text.harts >> query->file.harts != 0) {
        error_set(error, NULL, "--hart: the last hart of %s is %u", query->file.path,
                  query->file.harts - 1);
        trace_query_close(query);
        return false;
    }
    symbols_add_text(&query->symbols, query->file.symbols);
    for (unsigned i = 0; i < query->symbol_file_count; i++) {
        const char *path = query->symbol_files[i];
        if (!symbols_add_elf(&query->symbols, path, elf_place(path), error)) {
            trace_query_close(query);
            return false;
        }
    }
    if (query->file.damage != NULL) {
        query->damaged = !query->file.cut;
        fprintf(stderr, "metic: %s: byte %" PRIu64 ": %s; what comes before is used\n",
                query->file.path, query->file.damage_offset, query->file.damage);
    }
    if (query->who.task != NULL &&
        !(trace_file_meta(&query->file, "events", 16, 0) >> METIC_EVENT_TASK & 1)) {
        error_set(error, "record with tasks among --trace-events", "%s has no tasks",
                  query->file.path);
        trace_query_close(query);
        return false;
    }
    query->text.symbols = &query->symbols;
    query->text.counts_ns = query->file.meta != NULL &&
                            strstr(query->file.meta, "\nclock=virtual\n") != NULL;
    return true;
}

void trace_query_close(struct trace_query *query)
{
    trace_file_close(&query->file);
    symbols_fini(&query->symbols);
    trace_answers_forget(query);
    free(query->kept.ring);
    query->kept.ring = NULL;
    free(query->place_texts);
    query->place_texts = NULL;
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

bool trace_query_may_have(const struct trace_query *query, struct trace_file *file, u32 number)
{
    return trace_query_in_window(query, number) &&
           (!trace_who_narrows(&query->who) || file->sections[number].stream >= file->harts ||
            trace_who_may_run(&query->who, file, &file->sections[number]));
}

/* --- decoding in order ---
 *
 * Harts follow each other as they ran: on the virtual clock turn by turn, and in a turn one after
 * the other, which is exact; on the real one by the times of events, between which nobody knows.
 * Sections come in the order in which they begin; the words of each wait, and go to the decoder
 * in slices, from one place where the order may change to the next. */

struct waiting {
    struct waiting *next; /* of the same stream */
    u32 section;
    u64 *words;
    size_t count, at;
};

struct each {
    struct trace_query *query;
    trace_wanted_fn *wanted;
    struct trace_decoder decoder;
    unsigned streams_met;
    struct each_stream {
        struct waiting *first, **last;
        u64 order_ns; /* of its next slice */
        u64 sequence;
        u32 section; /* last one that went to the decoder */
        bool met;
    } streams[METIC_MAX_HARTS + 1];
    bool bad;
};

static bool each_wanted(void *opaque, u32 number)
{
    struct each *each = opaque;
    struct trace_query *query = each->query;
    return trace_query_may_have(query, &query->file, number) &&
           (each->wanted == NULL || each->wanted(query, &query->file.sections[number]));
}

/* Words of the next slice: to behind the next event that may change the order. */
static size_t slice_of(const struct each *each, const struct waiting *waiting)
{
    const struct trace_file *file = &each->query->file;
    size_t at = waiting->at;
    while (each->streams_met > 1 && at < waiting->count) {
        u32 head = (u32)waiting->words[at] & METIC_TRACE_NUMBER;
        if (head < METIC_TRACE_EVENT) {
            at += 1u + (head < file->unit_count ? file->units[head].slot_count : 0u);
            continue;
        }
        unsigned kind = head >> 8 & 0xff, count = head & 0xff;
        at += 1u + count;
        bool cuts = kind == METIC_EVENT_SYNC || kind == METIC_EVENT_TRAP;
        bool turn = kind == METIC_EVENT_SYNC && count > 2;
        if (kind == METIC_EVENT_IO || (file->has_turns ? turn : cuts)) {
            return (at < waiting->count ? at : waiting->count) - waiting->at;
        }
    }
    return waiting->count - waiting->at;
}

static void decode_slice(struct each *each, struct each_stream *stream)
{
    struct waiting *waiting = stream->first;
    const struct trace_section *section = &each->query->file.sections[waiting->section];
    struct trace_stream *decoded = &each->decoder.streams[section->stream];
    bool follows = section->before != TRACE_NONE && section->before == stream->section;
    size_t count = slice_of(each, waiting);
    stream->sequence += waiting->at != 0 || follows ? 1 : 2;
    char task[16];
    if (waiting->at == 0 && each->decoder.who != NULL) {
        trace_who_begins(&each->query->file, section, task);
        trace_decode_task(&each->decoder, section->stream, task);
    }
    struct metic_trace_chunk chunk = trace_section_chunk(
        section, stream->sequence, waiting->words + waiting->at, count);
    each->bad |= !trace_decode(&each->decoder, &chunk);
    stream->order_ns = decoded->order_ns;
    waiting->at += count;
    if (waiting->at == waiting->count) {
        stream->section = waiting->section;
        stream->first = waiting->next;
        if (stream->first == NULL) {
            stream->last = &stream->first;
        }
        free(waiting->words);
        free(waiting);
    }
}

/* Decodes what comes before that time, and before that stream at it. */
static void decode_before(struct each *each, u64 ns, unsigned number)
{
    while (!each->bad && !trace_text_is_full(&each->query->text)) {
        struct each_stream *next = NULL;
        for (unsigned i = 0; i <= METIC_MAX_HARTS; i++) {
            struct each_stream *stream = &each->streams[i];
            bool before = stream->first != NULL &&
                          (stream->order_ns < ns || (stream->order_ns == ns && i < number));
            if (before && (next == NULL || stream->order_ns < next->order_ns)) {
                next = stream;
            }
        }
        if (next == NULL) {
            return;
        }
        decode_slice(each, next);
    }
}

static bool each_take(void *opaque, u32 number, struct trace_found *found)
{
    struct each *each = opaque;
    const struct trace_section *section = &each->query->file.sections[number];
    struct each_stream *stream = &each->streams[section->stream];
    struct waiting *waiting = malloc(sizeof(*waiting));
    if (waiting == NULL) {
        found->bad = true;
        return false;
    }
    each->streams_met += !stream->met;
    stream->met = true;
    decode_before(each, section->turn_ns, section->stream);
    *waiting = (struct waiting){
        .section = number, .words = found->items, .count = found->count,
    };
    found->items = NULL;
    if (stream->first == NULL &&
        (section->before == TRACE_NONE || section->before != stream->section)) {
        stream->order_ns = section->turn_ns;
    }
    *stream->last = waiting;
    stream->last = &waiting->next;
    found->bad = each->bad;
    return !each->bad && !trace_text_is_full(&each->query->text);
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
    for (unsigned i = 0; i <= METIC_MAX_HARTS; i++) {
        each->streams[i].last = &each->streams[i].first;
        each->streams[i].section = TRACE_NONE;
    }
    trace_decoder_init(&each->decoder, callbacks, trace_file_unit, &query->file);
    each->decoder.has_turns = query->file.has_turns;
    each->decoder.who = trace_who_narrows(&query->who) ? &query->who : NULL;
    const struct trace_scan scan = {
        .file = &query->file, .wanted = each_wanted, .work = trace_worker_words, .take = each_take,
        .opaque = each,
    };
    bool good = trace_scan_run(&scan, 0, query->file.order_count, error);
    decode_before(each, ~(u64)0, METIC_MAX_HARTS + 1);
    if (good && each->bad) {
        good = error_set(error, "metic trace check FILE", "%s has words of units that it has not",
                         query->file.path);
    }
    trace_decode_end(&each->decoder);
    trace_decoder_fini(&each->decoder);
    for (unsigned i = 0; i <= METIC_MAX_HARTS; i++) {
        for (struct waiting *next, *at = each->streams[i].first; at != NULL; at = next) {
            next = at->next;
            free(at->words);
            free(at);
        }
    }
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
    if (symbols_find_place(&query->symbols, text, first, end)) {
        return true;
    }
    char next[160];
    symbols_say_nearest(&query->symbols, text, "Give an address, as 0x80001000 or 0x80001000+8, "
                        "or a symbol, or a place in one, as symbol+0x10.", next, sizeof(next));
    return error_set(error, next, "there is no symbol '%s' in %s", text, query->file.path);
}

/* Nothing answers. `kind`: what --trace-events would have had to name, if that alone is asked. */
static void say_none(const struct trace_query *query, const char *kind)
{
    fprintf(stderr, "metic: %s has none of these; metic trace info %s says what was recorded\n",
            query->file.path, query->file.path);
    if (kind != NULL) {
        fprintf(stderr, "       metic run --trace-events %s records them, of a Linux kernel\n",
                kind);
    }
}

/* --- show --- */

static bool runs_here(struct trace_query *query, const struct trace_section *section)
{
    return trace_file_may_run(&query->file, section, query->opaque);
}

/* From where one place begins to where the other does. */
static bool find_range(struct trace_query *query, struct metic_error *error)
{
    struct trace_text *text = &query->text;
    char first[TRACE_ANSWER_BYTES];
    const char *dash = strchr(query->range, '-');
    u64 ignored;
    snprintf(first, sizeof(first), "%.*s", (int)(dash - query->range), query->range);
    return trace_query_place(query, first, &text->first, &ignored, error) &&
           trace_query_place(query, dash + 1, &text->end, &ignored, error) &&
           (text->end > text->first ||
            error_set(error, "As in --range 0x80000000-0x80001000.", "--range: '%s' is no range",
                      query->range));
}

bool trace_query_show(struct trace_query *query, struct metic_error *error)
{
    struct trace_text *text = &query->text;
    if (!trace_query_open(query, error)) {
        return false;
    }
    if ((query->function != NULL &&
         !trace_query_place(query, query->function, &text->first, &text->end, error)) ||
        (query->range != NULL && !find_range(query, error))) {
        trace_query_close(query);
        return false;
    }
    text->branches |= !query->instructions && text->format != TRACE_TEXT_QEMU &&
                      trace_file_meta(&query->file, "branches", 10, 0) == 1;
    text->has_registers = trace_file_meta(&query->file, "what", 10, 0) & METIC_TRACE_REGISTERS;
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
    bool good = trace_query_known_pages(query, error) &&
                trace_query_each(query, &callbacks, text->end != 0 ? runs_here : NULL, error);
    trace_text_end(text);
    if (good && text->told == 0) {
        say_none(query, NULL);
    }
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

/* What the head of the file says; its masks as the words that ask for them, and not what only
 * readers of the file need. */
static void print_meta(const struct trace_file *file)
{
    static const char *const inner[] = {"events=", "branches=", "turns="};
    const char *line = file->meta != NULL ? file->meta : "";
    for (; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        bool told = true;
        for (unsigned i = 0; i < ARRAY_LEN(inner); i++) {
            told &= strncmp(line, inner[i], strlen(inner[i])) != 0;
        }
        if (strncmp(line, "what=", 5) == 0) {
            printf("recorded=");
            trace_kinds_print(stdout, (unsigned)trace_file_meta(file, "what", 10, 0),
                              trace_file_meta(file, "events", 16, 0));
            printf("\n");
        } else if (told) {
            printf("%.*s\n", (int)strcspn(line, "\n"), line);
        }
    }
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
    print_meta(file);
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
    if (!isatty(STDOUT_FILENO)) { /* millions of lines, maybe */
        setvbuf(stdout, NULL, _IOFBF, 1 << 18);
    }
    bool good = false, found = false;
    for (unsigned i = 0; i < ARRAY_LEN(queries); i++) {
        if (strcmp(queries[i].name, query->words[1]) == 0) {
            found = true;
            good = queries[i].run(query, error);
        }
    }
    if (good) {
        trace_answers_print(query);
    }
    if (!found) {
        error_set(error, "writes, reads, values, calls or counts", "there is no query '%s'",
                  query->words[1]);
    }
    if (good && query->text.told == 0 && strcmp(query->words[1], "counts") != 0) {
        say_none(query, strcmp(query->words[2], "task") == 0 ? "tasks" : NULL);
    }
    trace_query_close(query);
    return good;
}

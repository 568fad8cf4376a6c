/* See trace_query.h: show, info, diff, writes, values, calls. Counts are in trace_counts.c. */
#include "ui/trace_query.h"

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

static bool get_unit(void *opaque, u32 number, struct metic_trace_unit *unit)
{
    const struct trace_file *file = opaque;
    if (number >= file->unit_count) {
        return false;
    }
    *unit = file->units[number];
    return true;
}

/* The section may have instructions between --from and --to, as far as the next one of its stream
 * tells. */
static bool in_window(const struct trace_query *query, size_t n)
{
    const struct trace_file *file = &query->file;
    const struct trace_section *section = &file->sections[n];
    if (section->stream >= file->harts) {
        return true;
    }
    if (query->text.harts != 0 && !(query->text.harts >> section->stream & 1)) {
        return false;
    }
    if (query->text.to_insns != 0 && section->first >= query->text.to_insns) {
        return false;
    }
    for (size_t i = n + 1; i < file->section_count && query->text.from_insns != 0; i++) {
        const struct trace_section *next = &file->sections[i];
        if (next->kind == TRACE_STREAM && next->stream == section->stream) {
            return next->first > query->text.from_insns;
        }
    }
    return true;
}

bool trace_query_each(struct trace_query *query, const struct trace_callbacks *callbacks,
                      trace_wanted_fn *wanted, struct metic_error *error)
{
    struct trace_decoder *decoder = malloc(sizeof(*decoder));
    bool good = decoder != NULL;
    if (!good) {
        return error_set(error, NULL, "the host has no memory");
    }
    u64 sequence[METIC_MAX_HARTS + 1] = {0};
    trace_decoder_init(decoder, callbacks, get_unit, &query->file);
    for (size_t i = 0; good && i < query->file.section_count; i++) {
        const struct trace_section *section = &query->file.sections[i];
        if (section->kind != TRACE_STREAM) {
            continue;
        }
        u64 number = sequence[section->stream]++;
        if (trace_text_is_full(&query->text) || !in_window(query, i) ||
            (wanted != NULL && !wanted(query, section))) {
            continue;
        }
        u64 *words;
        struct metic_trace_chunk chunk = {
            .stream = section->stream, .sequence = number, .start_insns = section->first,
            .start_ns = section->start_ns, .privilege = section->privilege,
            .satp = trace_file_satp(&query->file, section),
        };
        good = trace_file_words(&query->file, section, &words, &chunk.count);
        chunk.words = words;
        good = good && trace_decode(decoder, &chunk);
        free(words);
        if (!good) {
            error_set(error, "what comes before it was told",
                      "%s: the section at byte %" PRIu64 " is damaged", query->file.path,
                      section->offset);
        }
    }
    trace_decode_end(decoder);
    trace_decoder_fini(decoder);
    free(decoder);
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
    return trace_file_may_run(&query->file, section, query->text.first, query->text.end);
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
    text->lines = source_lines_new(query->symbol_files, query->symbol_file_count);
    const struct trace_callbacks callbacks = {
        .step = trace_text_step, .event = trace_text_event, .opaque = text,
    };
    bool good = trace_query_each(query, &callbacks, text->end != 0 ? runs_here : NULL, error);
    trace_text_end(text);
    source_lines_free(text->lines);
    trace_query_close(query);
    return good;
}

/* --- info --- */

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
    printf("%s", file->meta != NULL ? file->meta : "");
    printf("units=%u\nsymbols=%zu\n", file->unit_count, query->symbols.count);
    for (unsigned n = 0; n <= file->harts; n++) {
        if (chunks[n] != 0 && n < file->harts) {
            printf("hart %u: %" PRIu64 " sections, %" PRIu64 " words, instructions %" PRIu64
                   " to about %" PRIu64 "\n", n, chunks[n], words[n], first[n], last[n]);
        }
    }
    printf("%.1f MiB\n", (double)file->size / 1048576);
    trace_query_close(query);
    return true;
}

/* --- writes --- */

struct search {
    struct trace_query *query;
    u64 first, end;
    int reg; /* of values; -1: memory */
    u64 last[METIC_MAX_HARTS + 1];
    bool known[METIC_MAX_HARTS + 1];
};

static bool told(struct search *search, const struct trace_step *step)
{
    struct trace_text *text = &search->query->text;
    if (trace_text_is_full(text) || step->insns < text->from_insns ||
        (text->to_insns != 0 && step->insns >= text->to_insns)) {
        return false;
    }
    char where[160];
    symbols_print(&search->query->symbols, step->pc, where, sizeof(where));
    printf("hart %u, instruction %" PRIu64 ", %" PRIu64 " ns, %s-mode, %016" PRIx64 " %s: ",
           step->stream, step->insns, step->ns, trace_privilege(step->privilege), step->pc, where);
    text->told++;
    return true;
}

static void writes_step(void *opaque, const struct trace_step *step)
{
    struct search *search = opaque;
    struct trace_access access;
    for (unsigned at = 0; trace_next_access(step, &at, &access);) {
        if (access.write && access.address < search->end &&
            access.address + access.size_bytes > search->first && told(search, step)) {
            printf("%0*" PRIx64 " to %" PRIx64 "\n", 2 * access.size_bytes, access.value,
                   access.address);
        }
    }
}

static void writes_event(void *opaque, const struct trace_event *event)
{
    struct search *search = opaque;
    if (event->kind != METIC_EVENT_MEMORY || event->count < 3 || !(event->words[2] >> 8 & 1) ||
        event->words[0] >= search->end ||
        event->words[0] + (event->words[2] & 0xff) <= search->first) {
        return;
    }
    struct trace_step step = {.stream = event->stream, .insns = event->insns, .ns = event->ns,
                              .privilege = event->privilege, .pc = event->pc};
    int size_bytes = (int)(event->words[2] & 0xff);
    if (told(search, &step)) {
        printf("%0*" PRIx64 " to %" PRIx64, size_bytes <= 8 ? 2 * size_bytes : 1, event->words[1],
               event->words[0]);
        printf(size_bytes <= 8 ? "\n" : ", %d bytes\n", size_bytes);
    }
}

static bool written_here(struct trace_query *query, const struct trace_section *section)
{
    return trace_file_may_write(&query->file, section, query->text.first, query->text.end);
}

static bool query_writes(struct trace_query *query, struct metic_error *error)
{
    struct search search = {.query = query};
    if (!trace_query_place(query, query->words[2], &search.first, &search.end, error)) {
        return false;
    }
    query->text.first = search.first;
    query->text.end = search.end;
    const struct trace_callbacks callbacks = {
        .step = writes_step, .event = writes_event, .opaque = &search,
    };
    return trace_query_each(query, &callbacks, written_here, error);
}

/* --- values --- */

static void value_is(struct search *search, const struct trace_step *step, u64 value)
{
    unsigned n = search->reg >= 0 ? step->stream : 0;
    if (search->known[n] && search->last[n] == value) {
        return;
    }
    if (told(search, step)) {
        printf("%" PRIx64 "\n", value);
    }
    search->known[n] = true;
    search->last[n] = value;
}

static void values_step(void *opaque, const struct trace_step *step)
{
    struct search *search = opaque;
    for (unsigned i = 0; search->reg >= 0 && i < step->slot_count; i++) {
        if (step->slots[i].kind == METIC_SLOT_REGISTER && step->slots[i].reg == search->reg) {
            value_is(search, step, step->words[i]);
        }
    }
    struct trace_access access;
    for (unsigned at = 0; search->reg < 0 && trace_next_access(step, &at, &access);) {
        if (access.address == search->first) {
            value_is(search, step, access.value);
        }
    }
}

static int find_register(const char *name)
{
    for (unsigned i = 0; metic_trace_register(i)[0] != '\0'; i++) {
        if (strcmp(metic_trace_register(i), name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool query_values(struct trace_query *query, struct metic_error *error)
{
    struct search search = {.query = query, .reg = find_register(query->words[2])};
    if (search.reg < 0 &&
        !trace_query_place(query, query->words[2], &search.first, &search.end, error)) {
        return false;
    }
    const struct trace_callbacks callbacks = {.step = values_step, .opaque = &search};
    query->text.first = search.first;
    query->text.end = search.end;
    bool good = trace_query_each(query, &callbacks, search.reg < 0 ? written_here : NULL, error);
    if (good && search.reg < 0 && query->text.told == 0) { /* it was only read */
        good = trace_query_each(query, &callbacks, NULL, error);
    }
    return good;
}

/* --- calls: from call events, or from instructions with registers --- */

enum { RA = 1, SP = 2, A0 = 10, MAX_OPEN = 1024 };

struct calls {
    struct search search;
    u64 regs[METIC_MAX_HARTS + 1][32];
    struct open { u64 ra, sp, insns, args[6]; unsigned hart; } open[MAX_OPEN];
    unsigned open_count;
    bool has_events;
};

static void call_returns(struct calls *calls, const struct trace_step *step)
{
    const u64 *regs = calls->regs[step->stream];
    for (unsigned i = calls->open_count; i-- > 0;) {
        struct open *open = &calls->open[i];
        if (open->ra != step->pc || open->sp != regs[SP]) {
            continue;
        }
        if (told(&calls->search, step)) {
            printf("%s(%" PRIx64 ", %" PRIx64 ", %" PRIx64 ", %" PRIx64 ", %" PRIx64 ", %" PRIx64
                   ") = %" PRIx64 " (%" PRId64 "), called at instruction %" PRIu64 "\n",
                   calls->search.query->words[2], open->args[0], open->args[1], open->args[2],
                   open->args[3], open->args[4], open->args[5], regs[A0], (s64)regs[A0],
                   open->insns);
        }
        *open = calls->open[--calls->open_count];
        return;
    }
}

static void calls_step(void *opaque, const struct trace_step *step)
{
    struct calls *calls = opaque;
    u64 *regs = calls->regs[step->stream];
    if (calls->has_events) {
        return;
    }
    if (calls->open_count != 0) {
        call_returns(calls, step);
    }
    if (step->pc == calls->search.first && calls->open_count < MAX_OPEN) {
        struct open *open = &calls->open[calls->open_count++];
        *open = (struct open){.ra = regs[RA], .sp = regs[SP], .insns = step->insns,
                              .hart = step->stream};
        memcpy(open->args, regs + A0, sizeof(open->args));
    }
    for (unsigned i = 0; i < step->slot_count; i++) {
        if (step->slots[i].kind == METIC_SLOT_REGISTER && step->slots[i].reg < 32) {
            regs[step->slots[i].reg] = step->words[i];
        }
    }
}

static void calls_event(void *opaque, const struct trace_event *event)
{
    struct calls *calls = opaque;
    bool is_call = event->kind == METIC_EVENT_CALL || event->kind == METIC_EVENT_CALL_END;
    calls->has_events |= is_call;
    if (is_call && event->count >= 5 && event->words[0] == calls->search.first) {
        struct trace_step step = {.stream = event->stream, .insns = event->insns, .ns = event->ns,
                                  .privilege = event->privilege, .pc = event->words[0]};
        if (told(&calls->search, &step)) {
            trace_event_print(stdout, event, &calls->search.query->symbols);
            putchar('\n');
        }
    }
}

/* Whether the section has code of the function, or of a place that an open call returns to; or the
 * next one of the hart has, whose arguments may be made here. */
static bool calls_here(struct trace_query *query, const struct trace_section *section)
{
    const struct trace_file *file = &query->file;
    const struct calls *calls = query->opaque;
    const struct trace_section *end = file->sections + file->section_count;
    if (trace_file_may_run(file, section, calls->search.first, calls->search.first + 2)) {
        return true;
    }
    for (unsigned i = 0; i < calls->open_count; i++) {
        u64 ra = calls->open[i].ra;
        if (calls->open[i].hart == section->stream &&
            trace_file_may_run(file, section, ra, ra + 2)) {
            return true;
        }
    }
    const struct trace_section *next = section + 1;
    while (next < end && (next->kind != TRACE_STREAM || next->stream != section->stream)) {
        next++;
    }
    return next < end &&
           trace_file_may_run(file, next, calls->search.first, calls->search.first + 2);
}

/* Whether calls were recorded as events, which are in no index. */
static bool has_call_events(const struct trace_file *file)
{
    const char *events = file->meta != NULL ? strstr(file->meta, "\nevents=") : NULL;
    return events == NULL ||
           (strtoull(events + strlen("\nevents="), NULL, 16) >> METIC_EVENT_CALL & 1);
}

static bool query_calls(struct trace_query *query, struct metic_error *error)
{
    struct calls *calls = calloc(1, sizeof(*calls));
    if (calls == NULL) {
        return error_set(error, NULL, "the host has no memory");
    }
    calls->search.query = query;
    bool good = trace_query_place(query, query->words[2], &calls->search.first,
                                  &calls->search.end, error);
    const struct trace_callbacks callbacks = {
        .step = calls_step, .event = calls_event, .opaque = calls,
    };
    query->opaque = calls;
    good = good && trace_query_each(query, &callbacks,
                                    has_call_events(&query->file) ? NULL : calls_here, error);
    free(calls);
    return good;
}

bool trace_query_run(struct trace_query *query, struct metic_error *error)
{
    static const struct {
        const char *name;
        bool (*run)(struct trace_query *query, struct metic_error *error);
    } queries[] = {
        {"writes", query_writes}, {"values", query_values}, {"calls", query_calls},
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
        error_set(error, "writes, values, calls or counts", "there is no query '%s'",
                  query->words[1]);
    }
    trace_query_close(query);
    return good;
}

/* --- diff: hart by hart, instruction by instruction --- */

/* Two traces are read side by side: words of the sections of one hart, one after the other. */
struct side {
    struct trace_query *query;
    unsigned hart;
    size_t section;
    struct trace_decoder decoder;
    struct line {
        u64 pc, insns, hash;
    } *lines;
    size_t count, capacity, at;
    u64 sequence;
};

static void side_step(void *opaque, const struct trace_step *step)
{
    struct side *side = opaque;
    if (side->count == side->capacity) {
        size_t capacity = side->capacity * 2 + 4096;
        void *bigger = realloc(side->lines, capacity * sizeof(*side->lines));
        if (bigger == NULL) {
            return;
        }
        side->lines = bigger;
        side->capacity = capacity;
    }
    u64 hash = 14695981039346656037u;
    for (unsigned i = 0; i < step->slot_count; i++) {
        u64 mask = trace_column_of(step->slots[i].kind) == TRACE_ADDRESSES
                       ? ~(u64)0 : trace_mask(step->slots[i].size_bytes);
        hash = (hash ^ (step->words[i] & mask)) * 1099511628211u;
    }
    side->lines[side->count++] = (struct line){step->pc, step->insns, hash};
}

/* Sees to it that there is a line; false: the hart's stream is over. */
static bool side_fill(struct side *side)
{
    struct trace_file *file = &side->query->file;
    while (side->at == side->count && side->section < file->section_count) {
        const struct trace_section *section = &file->sections[side->section++];
        u64 *words;
        if (section->kind != TRACE_STREAM || section->stream != side->hart) {
            continue;
        }
        struct metic_trace_chunk chunk = {
            .stream = section->stream, .sequence = side->sequence++,
            .start_insns = section->first, .privilege = section->privilege,
        };
        side->at = side->count = 0;
        if (!trace_file_words(file, section, &words, &chunk.count)) {
            return false;
        }
        chunk.words = words;
        trace_decode(&side->decoder, &chunk);
        free(words);
    }
    return side->at < side->count;
}

static bool side_begin(struct side *side, struct trace_query *query, unsigned hart)
{
    *side = (struct side){.query = query, .hart = hart};
    const struct trace_callbacks callbacks = {.step = side_step, .opaque = side};
    trace_decoder_init(&side->decoder, &callbacks, get_unit, &query->file);
    return true;
}

static void side_end(struct side *side)
{
    trace_decoder_fini(&side->decoder);
    free(side->lines);
}

static void say_side(struct side *side, const char *name)
{
    char where[160];
    if (side->at >= side->count) {
        printf("  %s ends there\n", name);
        return;
    }
    const struct line *line = &side->lines[side->at];
    symbols_print(&side->query->symbols, line->pc, where, sizeof(where));
    printf("  %s: instruction %" PRIu64 ", pc %016" PRIx64 " %s\n", name, line->insns, line->pc,
           where);
}

/* True when the hart does the same in both. */
static bool diff_hart(struct side *a, struct side *b, u64 *same)
{
    for (;;) {
        bool has_a = side_fill(a), has_b = side_fill(b);
        if (!has_a && !has_b) {
            return true;
        }
        if (has_a != has_b || a->lines[a->at].pc != b->lines[b->at].pc ||
            a->lines[a->at].hash != b->lines[b->at].hash) {
            return false;
        }
        a->at++;
        b->at++;
        ++*same;
    }
}

bool trace_query_diff(struct trace_query *query, struct metic_error *error)
{
    struct trace_query *other = calloc(1, sizeof(*other));
    struct side *sides = calloc(2, sizeof(*sides));
    if (other == NULL || sides == NULL || !trace_query_open(query, error)) {
        free(other);
        free(sides);
        return false;
    }
    other->words[0] = query->words[1];
    bool good = trace_query_open(other, error);
    unsigned differ = 0;
    for (unsigned hart = 0; good && hart < query->file.harts; hart++) {
        u64 same = 0;
        side_begin(&sides[0], query, hart);
        side_begin(&sides[1], other, hart);
        if (diff_hart(&sides[0], &sides[1], &same)) {
            printf("hart %u: the same, %" PRIu64 " instructions\n", hart, same);
        } else {
            printf("hart %u: %s after %" PRIu64 " instructions that are the same\n", hart,
                   "first difference", same);
            say_side(&sides[0], query->words[0]);
            say_side(&sides[1], query->words[1]);
            differ++;
        }
        side_end(&sides[0]);
        side_end(&sides[1]);
    }
    if (good) {
        trace_query_close(other);
    }
    trace_query_close(query);
    free(sides);
    free(other);
    return good && (differ == 0 || error_set(error, NULL, "the runs differ"));
}

/* See trace_counts.h: what ran how often. */
#include "ui/trace/trace_counts.h"

#include "ui/trace/trace_scan.h"
#include "ui/trace/trace_sift.h"
#include "ui/ui.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct row *trace_rows_add(struct rows *rows, u64 key, u64 count)
{
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity * 2 + 1024;
        void *bigger = realloc(rows->list, capacity * sizeof(*rows->list));
        if (bigger == NULL) {
            rows->no_memory = true;
            return NULL;
        }
        rows->list = bigger;
        rows->capacity = capacity;
    }
    struct row *row = &rows->list[rows->count++];
    *row = (struct row){.key = key, .count = count};
    return row;
}

static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int text = strcmp(x->text, y->text);
    return text != 0 ? text : x->key < y->key ? -1 : x->key > y->key;
}

static int by_count(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->count > y->count ? -1 : x->count < y->count ? 1 : by_key(a, b);
}

/* Rows of the same key become one. */
static void merge(struct rows *rows)
{
    size_t kept = 0;
    if (rows->count == 0) {
        return;
    }
    qsort(rows->list, rows->count, sizeof(*rows->list), by_key);
    for (size_t i = 0; i < rows->count; i++) {
        if (kept != 0 && by_key(&rows->list[kept - 1], &rows->list[i]) == 0) {
            rows->list[kept - 1].count += rows->list[i].count;
        } else {
            rows->list[kept++] = rows->list[i];
        }
    }
    rows->count = kept;
    qsort(rows->list, rows->count, sizeof(*rows->list), by_count);
}

/* Name of an instruction without its operands. */
static void mnemonic(u64 pc, const u8 *code, unsigned bytes, char *text, size_t text_bytes)
{
    char whole[128];
    metic_disassemble(pc, code, bytes, whole, sizeof(whole));
    snprintf(text, text_bytes, "%.*s", (int)strcspn(whole, " \t"), whole);
}

enum { ROWS_SHOWN = 30 }; /* unless --limit says otherwise */

/* Rows are found again by an instruction's bits, so that few have to be disassembled. */
struct known {
    u32 bits, row; /* row: its number + 1 */
};
enum { KNOWN = 1 << 16 };

static void add_insn(struct rows *rows, struct known *known, u64 pc, const u8 *code,
                     unsigned bytes, u64 count)
{
    u32 bits = bytes == 4 ? ld_le32(code) : ld_le16(code);
    struct known *at = &known[bits * 0x9e3779b1u >> 16];
    if (LIKELY(at->row != 0 && at->bits == bits)) {
        rows->list[at->row - 1].count += count;
        return;
    }
    struct row *row = trace_rows_add(rows, 0, count);
    if (row != NULL) {
        mnemonic(pc, code, bytes, row->text, sizeof(row->text));
        *at = (struct known){bits, (u32)rows->count};
    }
}

static void add_insns(struct rows *rows, struct known *known, const struct metic_trace_unit *unit,
                      u64 count)
{
    for (unsigned at = 0; at + 2 <= unit->bytes;) {
        unsigned bytes = metic_insn_bytes(unit->code + at);
        add_insn(rows, known, unit->address + at, unit->code + at, bytes, count);
        at += bytes;
    }
}

/* By page or function. */
static u64 row_of(struct trace_query *query, const struct metic_trace_unit *unit)
{
    const struct symbol *symbol = strcmp(query->words[2], "page") == 0
                                      ? NULL : symbols_find(&query->symbols, unit->address);
    return symbol != NULL ? symbol->address : unit->address & ~(u64)0xfff;
}

static void add_unit(struct trace_query *query, struct rows *rows, struct known *known, u32 number,
                     u64 count)
{
    const struct metic_trace_unit *unit = &query->file.units[number];
    if (strcmp(query->words[2], "insn") == 0) {
        add_insns(rows, known, unit, count);
    } else {
        trace_rows_add(rows, row_of(query, unit), count * unit->insn_count);
    }
}

static void name_rows(struct trace_query *query, struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct row *row = &rows->list[i];
        if (strcmp(query->words[2], "function") == 0) {
            symbols_print(&query->symbols, row->key, row->text, sizeof(row->text));
        } else if (row->text[0] == '\0') {
            snprintf(row->text, sizeof(row->text), "%016" PRIx64, row->key);
        }
    }
}

/* How often each unit began, by the threads that add it up. */
struct sums {
    struct trace_query *query;
    struct trace_sift sift;
    u64 *units[TRACE_THREADS_MAX], *all;
    _Atomic bool damaged, no_memory;
};

/* Of whose contexts a section has some, by its index. */
enum { HAS_MINE = 1, HAS_OTHERS = 2 };

struct contexts {
    const struct trace_who *who;
    u8 has;
};

static void look_at_context(void *opaque, const struct trace_context *context)
{
    struct contexts *contexts = opaque;
    bool mine = trace_who_is(contexts->who, context->privilege, context->satp, context->name);
    contexts->has |= context->privilege == TRACE_NONE ? HAS_MINE | HAS_OTHERS
                     : mine                           ? HAS_MINE : HAS_OTHERS;
}

static u8 add_section(void *opaque, struct trace_file *file, u32 number, unsigned thread)
{
    struct sums *sums = opaque;
    u64 **units = &sums->units[thread];
    struct contexts contexts = {&sums->query->who, HAS_MINE};
    if (!trace_query_in_window(sums->query, number) ||
        trace_counts_is_cut(sums->query, number)) {
        return 0;
    }
    if (trace_who_narrows(contexts.who)) {
        contexts.has = 0;
        if (!trace_file_contexts(file, &file->sections[number], look_at_context, &contexts)) {
            sums->damaged = true;
        }
    }
    if (contexts.has != HAS_MINE) {
        return contexts.has & HAS_MINE; /* gone through later, by its heads */
    }
    if (*units == NULL) {
        *units = calloc((size_t)file->unit_count + 1, sizeof(u64));
    }
    if (*units == NULL) {
        sums->no_memory = true;
    } else if (!trace_file_counts(file, &file->sections[number], *units)) {
        sums->damaged = true;
    }
    return 0;
}

/* --- sections of which a part is asked for --- */

/* One that is gone through. */
struct walk {
    struct trace_found *found; /* numbers of units */
    const struct trace_who *who;
    u32 privilege;
    u64 satp;
    char task[16];
    bool mine;
};

static void walk_unit(void *opaque, u32 unit)
{
    struct walk *walk = opaque;
    u32 *to = walk->mine ? trace_found_add(walk->found, sizeof(*to)) : NULL;
    if (to != NULL) {
        *to = unit;
    }
}

static void walk_event(void *opaque, enum metic_trace_event kind, const u64 *words, unsigned count)
{
    struct walk *walk = opaque;
    if (kind == METIC_EVENT_CONTEXT && count >= 2) {
        walk->privilege = (u32)words[0];
        walk->satp = words[1];
    } else if (kind == METIC_EVENT_TASK && count >= 3) {
        memcpy(walk->task, &words[1], sizeof(walk->task));
    }
    walk->mine = trace_who_is(walk->who, walk->privilege, walk->satp, walk->task);
}

static void walk_section(struct trace_worker *worker, u32 number)
{
    const struct sums *sums = worker->opaque;
    const struct trace_section *section = &worker->file->sections[number];
    struct walk walk = {
        .found = worker->found, .who = &sums->query->who, .privilege = section->privilege,
        .satp = section->satp,
    };
    const struct trace_heads heads = {.unit = walk_unit, .event = walk_event, .opaque = &walk};
    trace_who_begins(worker->file, section, walk.task);
    walk.mine = trace_who_is(walk.who, walk.privilege, walk.satp, walk.task);
    worker->found->bad |= !trace_reader_heads(worker->reader, section, &heads);
}

static bool is_walked(void *opaque, u32 number)
{
    const struct sums *sums = opaque;
    return sums->sift.answers[number] != 0;
}

static bool take_units(void *opaque, u32 number, struct trace_found *found)
{
    struct sums *sums = opaque;
    const u32 *units = found->items;
    (void)number;
    for (size_t i = 0; i < found->count; i++) {
        sums->all[units[i]]++;
    }
    return true;
}

static bool walk_sections(struct sums *sums, struct metic_error *error)
{
    struct trace_file *file = &sums->query->file;
    const struct trace_scan scan = {
        .file = file, .wanted = is_walked, .work = walk_section, .take = take_units,
        .opaque = sums,
    };
    return !trace_who_narrows(&sums->query->who) ||
           trace_scan_run(&scan, 0, file->order_count, error);
}

/* For the caller to free; NULL with a reason. */
static u64 *count_units(struct trace_query *query, struct metic_error *error)
{
    struct trace_file *file = &query->file;
    struct sums sums = {.query = query, .sift = {.ask = add_section, .opaque = &sums}};
    u64 *counts = calloc((size_t)file->unit_count + 1, sizeof(*counts));
    bool good = trace_sift_begin(&sums.sift, file) && counts != NULL;
    sums.all = counts;
    if (good && file->section_count != 0) {
        (void)trace_sift_answer(&sums.sift, file, (u32)file->section_count - 1); /* of all */
    }
    for (unsigned n = 0; n < TRACE_THREADS_MAX; n++) {
        for (u32 i = 0; sums.units[n] != NULL && counts != NULL && i < file->unit_count; i++) {
            counts[i] += sums.units[n][i];
        }
        free(sums.units[n]);
    }
    good = good && !sums.damaged && !sums.no_memory;
    bool walked = !good || walk_sections(&sums, error);
    trace_sift_end(&sums.sift);
    if (good && walked) {
        return counts;
    }
    free(counts);
    if (!walked) {
        return NULL;
    }
    if (sums.damaged) {
        error_set(error, NULL, "%s: an index is damaged", file->path);
    } else {
        error_set(error, NULL, "the host has no memory");
    }
    return NULL;
}

/* Of what --from and --to cut. */
struct cut {
    struct trace_query *query;
    struct rows *rows;
    struct known *known;
};

static void add_step(void *opaque, const struct trace_cut_step *step)
{
    const struct cut *cut = opaque;
    const struct metic_trace_unit *unit = &cut->query->file.units[step->unit];
    if (step->offset + 2 > unit->bytes) {
        return; /* damaged */
    }
    if (strcmp(cut->query->words[2], "insn") == 0) {
        const u8 *code = unit->code + step->offset;
        add_insn(cut->rows, cut->known, unit->address + step->offset, code, metic_insn_bytes(code),
                 1);
    } else {
        trace_rows_add(cut->rows, row_of(cut->query, unit), 1);
    }
}

static bool add_code(struct trace_query *query, struct rows *rows, struct metic_error *error)
{
    u64 *counts = count_units(query, error);
    struct known *known = calloc(KNOWN, sizeof(*known));
    bool good = counts != NULL &&
                (known != NULL || error_set(error, NULL, "the host has no memory"));
    for (u32 i = 0; good && i < query->file.unit_count; i++) {
        if (counts[i] != 0) {
            add_unit(query, rows, known, i, counts[i]);
        }
    }
    struct cut cut = {query, rows, known};
    good = good && trace_counts_cut(query, add_step, &cut, error);
    free(known);
    free(counts);
    return good;
}

/* Rows from number `from` on are not printed: that they are not is said. */
static void say_more(const struct rows *rows, u64 from)
{
    u64 insns = 0;
    for (size_t i = from; i < rows->count; i++) {
        insns += rows->list[i].count;
    }
    if (from < rows->count) {
        fflush(stdout);
        fprintf(stderr, "metic: and %" PRIu64 " more, with %" PRIu64 " instructions; --limit %zu "
                "shows all\n", (u64)rows->count - from, insns, rows->count);
    }
}

static void print_rows(const struct trace_query *query, const struct rows *rows)
{
    u64 limit = query->text.limit != 0 ? query->text.limit : ROWS_SHOWN, total = 0;
    for (size_t i = 0; i < rows->count; i++) {
        total += rows->list[i].count;
    }
    for (size_t i = 0; i < rows->count && i < limit; i++) {
        if (trace_answer_is_json(query)) {
            printf("{\"event\":\"count\",\"by\":\"%s\",\"count\":%" PRIu64 ",\"name\":",
                   query->words[2], rows->list[i].count);
            ui_print_json_string(stdout, rows->list[i].text);
            puts("}");
            continue;
        }
        printf("%14" PRIu64 " %5.1f%% %s\n", rows->list[i].count,
               total != 0 ? 100.0 * (double)rows->list[i].count / (double)total : 0.0,
               rows->list[i].text);
    }
    if (query->text.limit == 0) {
        say_more(rows, limit);
    }
}

bool trace_query_counts(struct trace_query *query, struct metic_error *error)
{
    static const char *const kinds[] = {"function", "insn", "page", "task", "satp", "priv", "hart"};
    unsigned n = 0;
    while (n < ARRAY_LEN(kinds) && strcmp(kinds[n], query->words[2]) != 0) {
        n++;
    }
    if (n == ARRAY_LEN(kinds)) {
        return error_set(error, "function, insn, page; or of who ran: task, satp, priv, hart",
                         "there are no counts by '%s'", query->words[2]);
    }
    struct rows rows = {0};
    bool good = (n < 3 ? add_code : trace_counts_contexts)(query, &rows, error) &&
                (!rows.no_memory || error_set(error, NULL, "the host has no memory"));
    if (good) {
        merge(&rows);
        name_rows(query, &rows);
        print_rows(query, &rows);
    }
    free(rows.list);
    return good;
}

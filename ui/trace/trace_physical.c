/* See trace_query.h: the virtual addresses that a physical one had. A page's fills of the TLB tell
 * them: those that a section's index knows, and where it does not know all, its events. */
#include "ui/trace/trace_query.h"

#include "ui/trace/trace_scan.h"

#include <stdlib.h>
#include <string.h>

struct gather {
    struct trace_file *file;
    u64 first, end; /* physical */
    u8 *unlisted;   /* by section: its events tell */
    struct trace_place *list;
    size_t count, capacity;
    bool failed; /* no memory */
};

static void add_place(struct gather *gather, u64 first, u64 end)
{
    if (gather->count == gather->capacity) {
        size_t capacity = gather->capacity * 2 + 64;
        void *bigger = realloc(gather->list, capacity * sizeof(*gather->list));
        if (bigger == NULL) {
            gather->failed = true;
            return;
        }
        gather->list = bigger;
        gather->capacity = capacity;
    }
    gather->list[gather->count++] = (struct trace_place){first, end};
}

/* What is asked for of a page, where it was mapped. */
static void add_fill(void *opaque, u64 gva_page, u64 gpa_page)
{
    struct gather *gather = opaque;
    u64 here = gpa_page << 12, there = gva_page << 12;
    u64 first = gather->first > here ? gather->first - here : 0;
    if (here < gather->end && first < 4096) {
        u64 end = gather->end - here < 4096 ? gather->end - here : 4096;
        add_place(gather, there + first, there + end);
    }
}

static int by_first(const void *a, const void *b)
{
    const struct trace_place *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* In order, and apart. */
static void merge(struct gather *gather)
{
    size_t kept = 0;
    qsort(gather->list, gather->count, sizeof(*gather->list), by_first);
    for (size_t i = 0; i < gather->count; i++) {
        const struct trace_place place = gather->list[i];
        if (kept != 0 && place.first <= gather->list[kept - 1].end) {
            struct trace_place *last = &gather->list[kept - 1];
            last->end = place.end > last->end ? place.end : last->end;
        } else {
            gather->list[kept++] = place;
        }
    }
    gather->count = kept;
}

/* --- sections whose index does not know all --- */

static bool is_unlisted(void *opaque, u32 number)
{
    const struct gather *gather = opaque;
    return gather->unlisted[number] != 0;
}

static void find_fill(void *opaque, const struct trace_event *event)
{
    struct trace_worker *worker = opaque;
    const struct gather *gather = worker->opaque;
    if (event->kind == METIC_EVENT_TLB_FILL && event->count >= 2 &&
        event->words[1] < gather->end && (event->words[1] | 4095) >= gather->first) {
        u64 *pages = trace_found_add(worker->found, 2 * sizeof(*pages));
        if (pages != NULL) {
            pages[0] = event->words[0] >> 12;
            pages[1] = event->words[1] >> 12;
        }
    }
}

static void find_fills(struct trace_worker *worker, u32 number)
{
    const struct trace_callbacks callbacks = {.event = find_fill, .opaque = worker};
    worker->found->bad |= !trace_worker_events(worker, number, &callbacks);
}

static bool take_fills(void *opaque, u32 number, struct trace_found *found)
{
    struct gather *gather = opaque;
    const u64 *pages = found->items;
    (void)number;
    for (size_t i = 0; i < found->count; i++) {
        add_fill(gather, pages[2 * i], pages[2 * i + 1]);
    }
    if (gather->count > 1 << 16) { /* mostly the same, over and over */
        merge(gather);
    }
    return !gather->failed;
}

bool trace_query_physical(struct trace_query *query, u64 first, u64 end,
                          struct trace_places *places, struct metic_error *error)
{
    struct trace_file *file = &query->file;
    struct gather gather = {.file = file, .first = first, .end = end,
                            .unlisted = calloc(file->section_count + 1, 1)};
    gather.failed = gather.unlisted == NULL;
    for (u32 i = 0; i < file->section_count && !gather.failed; i++) {
        const struct trace_section *section = &file->sections[i];
        if (section->kind == TRACE_STREAM &&
            trace_file_kinds(file, section) >> METIC_EVENT_TLB_FILL & 1) {
            gather.unlisted[i] = !trace_file_fills(file, section, add_fill, &gather);
        }
        if (gather.count > 1 << 16) {
            merge(&gather);
        }
    }
    const struct trace_scan scan = {
        .file = file, .wanted = is_unlisted, .work = find_fills, .take = take_fills,
        .opaque = &gather,
    };
    bool good = !gather.failed && trace_scan_run(&scan, 0, file->order_count, error);
    add_place(&gather, first, end); /* what is not translated */
    free(gather.unlisted);
    if (gather.failed) {
        free(gather.list);
        return error_set(error, NULL, "the host has no memory");
    }
    merge(&gather);
    *places = (struct trace_places){gather.list, gather.count};
    return good;
}

/* --- what is known before a window --- */

/* A fill, by a hart. */
struct known_fill {
    u64 satp, words[3];
    u32 stream;
};

static bool is_before(void *opaque, u32 number)
{
    struct trace_query *query = opaque;
    const struct trace_section *section = &query->file.sections[number];
    return section->stream < query->file.harts && section->first < query->text.from_insns &&
           !trace_query_in_window(query, number) &&
           trace_file_kinds(&query->file, section) >> METIC_EVENT_TLB_FILL & 1;
}

static void keep_fill(void *opaque, const struct trace_event *event)
{
    struct trace_worker *worker = opaque;
    if (event->kind == METIC_EVENT_TLB_FILL && event->count >= 3) {
        struct known_fill *fill = trace_found_add(worker->found, sizeof(*fill));
        if (fill != NULL) {
            *fill = (struct known_fill){.satp = event->satp, .stream = event->stream};
            memcpy(fill->words, event->words, sizeof(fill->words));
        }
    }
}

static void keep_fills(struct trace_worker *worker, u32 number)
{
    const struct trace_callbacks callbacks = {.event = keep_fill, .opaque = worker};
    (void)trace_worker_events(worker, number, &callbacks); /* damaged: what it told is not known */
}

static bool take_known(void *opaque, u32 number, struct trace_found *found)
{
    struct trace_query *query = opaque;
    const struct known_fill *fills = found->items;
    (void)number;
    for (size_t i = 0; i < found->count; i++) {
        const struct trace_event event = {
            .stream = fills[i].stream, .kind = METIC_EVENT_TLB_FILL, .satp = fills[i].satp,
            .words = fills[i].words, .count = ARRAY_LEN(fills[i].words),
        };
        trace_pages_event(&query->text.pages, &event);
    }
    return true;
}

bool trace_query_known_pages(struct trace_query *query, struct metic_error *error)
{
    const struct trace_scan scan = {
        .file = &query->file, .wanted = is_before, .work = keep_fills, .take = take_known,
        .opaque = query,
    };
    bool shown = query->text.format == TRACE_TEXT_PLAIN || query->text.format == TRACE_TEXT_JSON;
    bool told = trace_file_meta(&query->file, "events", 16, 0) >> METIC_EVENT_TLB_FILL & 1;
    return query->text.from_insns == 0 || !shown || !told || query->text.branches ||
           trace_scan_run(&scan, 0, query->file.order_count, error);
}

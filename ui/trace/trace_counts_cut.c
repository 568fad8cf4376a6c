/* See trace_counts.h: the sections that --from or --to cuts, a few of each hart. Their indexes are
 * of all of them, so they are gone through instruction by instruction. */
#include "ui/trace/trace_counts.h"

#include "ui/trace/trace_scan.h"

#include <string.h>

bool trace_counts_is_cut(const struct trace_query *query, u32 number)
{
    const struct trace_file *file = &query->file;
    const struct trace_section *section = &file->sections[number];
    u64 from = query->text.from_insns, to = query->text.to_insns;
    u64 end = section->behind != TRACE_NONE ? file->sections[section->behind].first : ~(u64)0;
    return section->first < from || (to != 0 && end > to);
}

struct cut {
    struct trace_query *query;
    trace_counts_cut_fn *each;
    void *opaque;
};

/* In a section: who runs now, by its events. */
struct walk {
    struct trace_worker *worker;
    const struct trace_query *query;
    struct trace_context now;
};

static void take_step(void *opaque, const struct trace_step *step)
{
    struct walk *walk = opaque;
    const struct trace_text *text = &walk->query->text;
    bool inside = step->insns >= text->from_insns &&
                  (text->to_insns == 0 || step->insns < text->to_insns);
    struct trace_cut_step *to =
        step->mine && inside ? trace_found_add(walk->worker->found, sizeof(*to)) : NULL;
    if (to == NULL) {
        return;
    }
    u64 address = walk->worker->file->units[step->unit].address;
    *to = (struct trace_cut_step){
        .hart = step->stream, .unit = step->unit, .offset = (u32)((step->pc - address) & 0xfff),
        .context = walk->now,
    };
    to->context.privilege = step->privilege;
    to->context.satp = step->satp;
    to->context.insns = 1;
}

static void take_event(void *opaque, const struct trace_event *event)
{
    struct walk *walk = opaque;
    if (event->kind == METIC_EVENT_TASK && event->count >= 3) {
        walk->now.task = event->words[0];
        memcpy(walk->now.name, &event->words[1], sizeof(walk->now.name));
    }
}

static bool any_item(void *opaque, const u32 *units, unsigned count, u64 page_delta)
{
    (void)opaque;
    (void)units;
    (void)count;
    (void)page_delta;
    return true;
}

static void walk_section(struct trace_worker *worker, u32 number)
{
    const struct cut *cut = worker->opaque;
    struct walk walk = {.worker = worker, .query = cut->query};
    const struct trace_want want = {.item = any_item, .version = 1};
    const struct trace_callbacks callbacks = {
        .step = take_step, .event = take_event, .opaque = &walk,
    };
    trace_who_first(worker->file, &worker->file->sections[number], &walk.now);
    worker->found->bad |= !trace_worker_decode(worker, number, &want, &callbacks);
}

static bool is_wanted(void *opaque, u32 number)
{
    const struct cut *cut = opaque;
    struct trace_query *query = cut->query;
    return trace_counts_is_cut(query, number) &&
           trace_query_may_have(query, &query->file, number);
}

static bool take(void *opaque, u32 number, struct trace_found *found)
{
    const struct cut *cut = opaque;
    const struct trace_cut_step *steps = found->items;
    (void)number;
    for (size_t i = 0; i < found->count; i++) {
        cut->each(cut->opaque, &steps[i]);
    }
    return true;
}

bool trace_counts_cut(struct trace_query *query, trace_counts_cut_fn *each, void *opaque,
                      struct metic_error *error)
{
    struct cut cut = {query, each, opaque};
    const struct trace_scan scan = {
        .file = &query->file, .wanted = is_wanted, .work = walk_section, .take = take,
        .opaque = &cut, .who = trace_who_narrows(&query->who) ? &query->who : NULL,
    };
    return (query->text.from_insns == 0 && query->text.to_insns == 0) ||
           trace_scan_run(&scan, 0, query->file.order_count, error);
}

/* See trace_store_private.h: how much of a chunk ran at which privilege, in which address space and
 * in which of Linux's tasks. */
#include "ui/trace/trace_store_private.h"

#include <string.h>

static bool same(const struct trace_context *a, const struct trace_context *b)
{
    return a->privilege == b->privilege && a->satp == b->satp && a->task == b->task &&
           memcmp(a->name, b->name, sizeof(a->name)) == 0;
}

/* What ran since the last change was in this context. What has no place any more is in the last
 * one, of which nothing is known. */
static void flush(struct context_set *set)
{
    unsigned i = 0;
    if (set->insns == 0) {
        return;
    }
    while (i < set->count && !same(&set->list[i], &set->now)) {
        i++;
    }
    if (i >= MAX_CONTEXTS - 1) {
        i = MAX_CONTEXTS - 1;
        set->now = (struct trace_context){.privilege = TRACE_NONE};
    }
    if (i >= set->count) {
        set->list[i] = set->now;
        set->count = i + 1;
    }
    set->list[i].insns += set->insns;
    set->insns = 0;
}

void trace_contexts_begin(struct trace_store *store, const struct metic_trace_chunk *chunk)
{
    struct context_set *set = &store->contexts;
    struct context_task *task = &set->tasks[chunk->stream <= METIC_MAX_HARTS ? chunk->stream : 0];
    if (chunk->sequence != task->next_sequence) {
        *task = (struct context_task){0}; /* another may have come in between */
    }
    task->next_sequence = chunk->sequence + 1;
    set->count = 0;
    set->insns = 0;
    set->task = task;
    set->now = (struct trace_context){
        .privilege = chunk->privilege, .satp = chunk->satp, .task = task->address,
    };
    memcpy(set->now.name, task->name, sizeof(task->name));
}

void trace_contexts_event(struct trace_store *store, u32 head, const u64 *words)
{
    struct context_set *set = &store->contexts;
    unsigned kind = head >> 8 & 0xff, count = head & 0xff;
    if (kind == METIC_EVENT_CONTEXT && count >= 4) {
        flush(set);
        set->now.privilege = (u32)words[2];
        set->now.satp = words[3];
    } else if (kind == METIC_EVENT_TASK && count >= 5) {
        flush(set);
        set->task->address = set->now.task = words[2];
        memcpy(set->task->name, &words[3], sizeof(set->now.name));
        memcpy(set->now.name, &words[3], sizeof(set->now.name));
    }
}

void trace_contexts_put(struct trace_store *store)
{
    struct context_set *set = &store->contexts;
    struct trace_context last = {0};
    flush(set);
    u8 *start = trace_column_room(store, &store->index, 10 + 57 * (size_t)set->count);
    if (start == NULL) {
        return;
    }
    u8 *at = put_varint(start, set->count);
    for (unsigned i = 0; i < set->count; i++) {
        const struct trace_context *context = &set->list[i];
        at = put_varint(at, context->privilege + 1);
        at = put_varint(at, trace_zigzag(context->satp - last.satp));
        at = put_varint(at, trace_zigzag(context->task - last.task));
        bool named = context->task != last.task ||
                     memcmp(context->name, last.name, sizeof(last.name)) != 0;
        at = put_varint(at, context->insns << 1 | named);
        if (named) {
            memcpy(at, context->name, sizeof(context->name));
            at += sizeof(context->name);
        }
        last = *context;
    }
    store->index.used += (size_t)(at - start);
}

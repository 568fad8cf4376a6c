/* See trace_pages.h. */
#include "ui/trace/trace_pages.h"

#include <stdlib.h>
#include <string.h>

enum { FILL_GLOBAL = 16 }; /* in an event's flags: cpu/tlb.h */

void trace_pages_free(struct trace_pages *pages)
{
    free(pages->entries);
    *pages = (struct trace_pages){0};
}

/* The entry of a page, or the free one where it belongs; the table is not full. */
static struct trace_page *place_of(const struct trace_pages *pages, u32 stream, u64 page, u64 satp)
{
    u64 hash = (page ^ satp * 0xd6e8feb86659fd93u ^ stream) * 0x9e3779b97f4a7c15u;
    size_t at = (size_t)(hash >> 20) & (pages->capacity - 1);
    for (;; at = (at + 1) & (pages->capacity - 1)) {
        struct trace_page *entry = &pages->entries[at];
        if (!entry->used ||
            (entry->page == page && entry->satp == satp && entry->stream == stream)) {
            return entry;
        }
    }
}

static bool grow(struct trace_pages *pages)
{
    struct trace_pages bigger = {.capacity = pages->capacity != 0 ? pages->capacity * 2 : 4096};
    bigger.entries = calloc(bigger.capacity, sizeof(*bigger.entries));
    if (bigger.entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < pages->capacity; i++) {
        const struct trace_page *entry = &pages->entries[i];
        if (entry->used) {
            *place_of(&bigger, entry->stream, entry->page, entry->satp) = *entry;
        }
    }
    bigger.count = pages->count;
    free(pages->entries);
    *pages = bigger;
    return true;
}

void trace_pages_event(struct trace_pages *pages, const struct trace_event *event)
{
    if (event->kind != METIC_EVENT_TLB_FILL || event->count < 3 ||
        (pages->count * 2 >= pages->capacity && !grow(pages))) {
        return;
    }
    u64 satp = event->words[2] & FILL_GLOBAL ? 0 : event->satp;
    struct trace_page *entry = place_of(pages, event->stream, event->words[0] >> 12, satp);
    pages->count += !entry->used;
    *entry = (struct trace_page){
        .page = event->words[0] >> 12, .satp = satp, .gpa_page = event->words[1] >> 12,
        .stream = event->stream, .used = true,
    };
}

bool trace_pages_find(const struct trace_pages *pages, u32 stream, u32 privilege, u64 satp,
                      u64 gva, u64 *gpa)
{
    if (pages->count == 0) {
        return false;
    }
    if (!trace_is_translated(privilege, satp)) {
        *gpa = gva;
        return true;
    }
    const struct trace_page *entry = place_of(pages, stream, gva >> 12, satp);
    if (!entry->used) {
        entry = place_of(pages, stream, gva >> 12, 0);
    }
    *gpa = entry->gpa_page << 12 | (gva & 4095);
    return entry->used;
}

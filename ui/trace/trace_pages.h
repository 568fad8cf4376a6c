/* Which physical page an access was in, from the TLB's fills that a trace tells: each access is
 * preceded by the fill of its page, in its address space or (global ones) in another. */
#ifndef METIC_UI_TRACE_PAGES_H
#define METIC_UI_TRACE_PAGES_H

#include "ui/trace/trace_decode.h"

struct trace_pages {
    struct trace_page {
        u64 page, satp, gpa_page;
        u32 stream;
        bool used;
    } *entries; /* a hash table */
    size_t count, capacity;
};

void trace_pages_free(struct trace_pages *pages);
/* Any event; takes note of fills. */
void trace_pages_event(struct trace_pages *pages, const struct trace_event *event);
/* Whether what runs so has its addresses translated. */
static inline bool trace_is_translated(u32 privilege, u64 satp)
{
    enum { PRIVILEGE_MACHINE = 3 };
    return privilege != PRIVILEGE_MACHINE && (privilege == ~0u || satp >> 60 != 0);
}
/* The physical address of what a hart accesses; false: not known. */
bool trace_pages_find(const struct trace_pages *pages, u32 stream, u32 privilege, u64 satp,
                      u64 gva, u64 *gpa);

#endif
